"""Optimisers: pure pairs of `init` and `update`, with the names of Keras and torch's formulas.

All numbers that an optimiser has are arrays of its state, so that none of them is compiled in.
"""

from .accumulating import Accumulated, accumulate
from .averages import ExponentialMovingAverage
from .clipping import clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from .factored import Adadelta, Adagrad, RMSprop
from .freezing import Frozen, freeze
from .known import get
from .moments import Adam, Adamax, AdamW, AMSGrad, Lamb, Lion, Nadam
from .optimizer import Optimizer, with_learning_rate, with_settings
from .plain import SGD
from .schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    InverseSquareRootDecay,
    InverseTimeDecay,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
    StepDecay,
    WarmUp,
)

__all__ = [
    "SGD",
    "AMSGrad",
    "Accumulated",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Constant",
    "CosineDecay",
    "ExponentialDecay",
    "ExponentialMovingAverage",
    "Frozen",
    "InverseSquareRootDecay",
    "InverseTimeDecay",
    "Lamb",
    "Lion",
    "Nadam",
    "OneCycle",
    "Optimizer",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "RMSprop",
    "StepDecay",
    "WarmUp",
    "accumulate",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "freeze",
    "get",
    "global_norm",
    "with_learning_rate",
    "with_settings",
]
