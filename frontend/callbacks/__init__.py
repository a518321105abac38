"""Callbacks of `fit` under the names of Keras."""

from .callback import Callback, LambdaCallback
from .rates import LearningRateScheduler, ReduceLROnPlateau
from .stopping import EarlyStopping

__all__ = [
    "Callback",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateScheduler",
    "ReduceLROnPlateau",
]
