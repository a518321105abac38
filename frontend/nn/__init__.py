"""Neural networks: layers, models that are trained from them, and `functional`.

Each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    ".activations": (
        "ELU", "GELU", "Activation", "LeakyReLU", "Mish", "PReLU", "ReLU", "SELU", "SiLU",
        "Softmax", "activation",
    ),
    ".attention": ("Attention", "MultiHeadAttention", "SinePositionEncoding"),
    ".containers": ("Model", "Sequential"),
    ".convolutional": (
        "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose",
        "DepthwiseConv1D", "DepthwiseConv2D", "LocallyConnected1D", "LocallyConnected2D",
        "SeparableConv1D", "SeparableConv2D",
    ),
    ".core": (
        "ActivityRegularization", "Dense", "EinsumDense", "Embedding", "Lambda", "Masking",
        "Maxout",
    ),
    ".graphs": ("GCNConv",),
    ".inference": ("for_inference",),
    ".layer": ("Layer", "Variables"),
    ".merging": (
        "Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract",
    ),
    ".noise": (
        "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D",
        "SpatialDropout3D",
    ),
    ".normalization": (
        "BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization",
    ),
    ".plots": ("plot_model",),
    ".policies": ("Policy", "policy"),
    ".pools": (
        "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "GlobalAveragePooling1D",
        "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalMaxPooling1D",
        "GlobalMaxPooling2D", "GlobalMaxPooling3D", "MaxPooling1D", "MaxPooling2D",
        "MaxPooling3D",
    ),
    ".recurrent": ("GRU", "LSTM", "RNN", "Bidirectional", "SimpleRNN", "TimeDistributed"),
    ".regularizers": ("L1", "L1L2", "L2", "regularizer"),
    ".scope": ("Scope",),
    ".shaping": (
        "Cropping1D", "Cropping2D", "Cropping3D", "Flatten", "Permute", "RepeatVector",
        "Rescaling", "Reshape", "Resizing", "UpSampling1D", "UpSampling2D", "UpSampling3D",
        "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D",
    ),
    ".symbolic": ("Input", "Symbolic"),
    "..training.files": ("load_model",),
    "..training.history": ("History",),
    "..training.module": ("Module",),
}  # fmt: skip
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [*sorted(_HOME), "functional"]


def __getattr__(name: str) -> Any:
    if name == "functional":
        return importlib.import_module(f"{__name__}.functional")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
