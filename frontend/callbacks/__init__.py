"""Callbacks of `fit` under the names of Keras."""

from .callback import Callback, LambdaCallback
from .checkpoints import BackupAndRestore, ModelCheckpoint
from .logs import CSVLogger, TensorBoard
from .rates import LearningRateScheduler, ReduceLROnPlateau
from .stopping import EarlyStopping

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
]
