"""Metrics under the names of Keras, as pure functions: `init`, `update` and `result`.

The state is a tree of arrays, so that a compiled step can carry it on:

>>> import symfuse as sf
>>> accuracy = sf.metrics.BinaryAccuracy()
>>> state = accuracy.update(accuracy.init(), [1.0, 0.0, 1.0], [0.9, 0.2, 0.3])
>>> round(float(accuracy.result(state)), 4)
0.6667
"""

from .accuracies import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from .counts import AUC, ConfusionMatrix, F1Score, Precision, Recall
from .known import get
from .means import (
    Mean,
    MeanAbsoluteError,
    MeanMetricWrapper,
    MeanSquaredError,
    RootMeanSquaredError,
    Sum,
)
from .metric import Metric

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "ConfusionMatrix",
    "F1Score",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "Sum",
    "TopKCategoricalAccuracy",
    "get",
]
