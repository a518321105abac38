"""Losses with their settings, their weights and the mean over a batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from msgspec import field

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, ShapeError

from ..capture.attempt import inlined
from ..limits import SHARE, number, within
from ..names import Made, by_name, expect_made, remembered
from ..numpy.shared import convert, product, size_number, traced
from ..tracing.trace import dtype_of
from . import distances, entropies, hinges
from .arguments import fitting_weights

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "get",
    "reduced",
]

Array = Any
LIMITS = within(label_smoothing=SHARE, alpha=SHARE, gamma=number(0), delta=number(0, above=True))
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none")


class Loss(Made, frozen=True, eq=False):
    """`loss(y_true, y_pred, sample_weight=None)`: losses of examples, weighed and reduced.

    >>> import symfuse as sf
    >>> loss = sf.losses.MeanSquaredError()
    >>> float(loss([[0.0], [0.0]], [[1.0], [3.0]], sample_weight=[1.0, 0.0]))
    0.5
    """

    name: str
    function: Callable[..., Array]
    settings: Mapping[str, Any] = field(default_factory=dict)
    reduction: str | None = "sum_over_batch_size"
    counts: Callable[..., Array | None] | None = None  # which losses do, of the same arguments

    def __call__(
        self,
        y_true: Array,
        y_pred: Array,
        sample_weight: Array | None = None,
        mask: Array | None = None,
    ) -> Array:
        """The reduced loss; what a mask leaves out counts neither as loss nor in a mean."""
        losses = inlined(self.function)(y_true, y_pred, **self.settings)
        own = None if self.counts is None else self.counts(y_true, y_pred, **self.settings)
        if own is not None:
            mask = own if mask is None else own & traced(mask)
        return reduced(losses, sample_weight, self.reduction, mask)


def reduced(
    losses: Array,
    sample_weight: Array | None = None,
    reduction: str | None = "sum_over_batch_size",
    mask: Array | None = None,
) -> Array:
    """Losses times weights; their sum over how many they are, or their sum, or themselves.

    "mean_with_sample_weight" divides by the sum of the weights instead. With a `mask`, losses are
    zero where it is false, and how many they are is how often it is true.

    >>> import symfuse as sf
    >>> float(sf.losses.reduced([1.0, 3.0], [1.0, 3.0], "mean_with_sample_weight"))
    2.5
    """
    kind = _checked(reduction)
    losses = traced(losses)
    count = size_number(product(losses.shape))
    if mask is not None:
        sample_weight, count = _masked(mask, sample_weight, losses)
    weights = None
    if sample_weight is not None:
        weights = fitting_weights(convert(traced(sample_weight), dtype_of(losses)), losses)
        losses = losses * weights
    if kind == "none":
        return losses
    total = np.sum(losses)
    if kind == "sum":
        return total
    if kind == "mean_with_sample_weight" and weights is not None:
        every = np.sum(np.broadcast_to(weights, losses.shape))
        return np.where(every == 0.0, 0.0, total / np.where(every == 0.0, 1.0, every))
    return total / count


def _masked(mask: Array, sample_weight: Array | None, losses: Array) -> tuple[Array, Array]:
    """Weights that are 0 where the mask is false, and for how many losses it is true."""
    mask = traced(mask)
    if len(mask.shape) > len(losses.shape):
        raise ShapeError(
            f"outputs have a mask of shape {tuple(mask.shape)}, losses the shape"
            f" {tuple(losses.shape)}",
            fix="give targets and outputs an axis of time, or end the mask: return_sequences=False",
            loc=user_location(),
        )
    kept = np.broadcast_to(fitting_weights(convert(mask, dtype_of(losses)), losses), losses.shape)
    count = np.maximum(np.sum(kept), 1.0)
    if sample_weight is None:
        return kept, count
    return kept * fitting_weights(convert(traced(sample_weight), dtype_of(losses)), losses), count


def _checked(reduction: str | None) -> str:
    kind = reduction or "none"
    if kind not in REDUCTIONS:
        raise ArgumentError(
            f"reduction={reduction!r} is not known",
            fix=f"give one of {', '.join(REDUCTIONS)}",
            loc=user_location(),
        )
    return kind


def _maker(
    function: Callable[..., Array],
    title: str,
    sentence: str,
    **defaults: Any,
) -> Callable[..., Loss]:
    """The class-like function that Keras users call for a loss."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", title).lower().replace("kldiv", "kl_div")

    def make(
        reduction: str | None = "sum_over_batch_size", name: str = name, **settings: Any
    ) -> Loss:
        unknown = sorted(settings.keys() - defaults.keys())
        if unknown:
            raise ArgumentError(
                f"{title} has no setting {unknown[0]!r}",
                fix=f"it has {', '.join(['reduction', 'name', *defaults])}",
                loc=user_location(),
            )
        for key in settings.keys() & LIMITS.keys():
            LIMITS[key].expect(settings[key], title, key)
        _checked(reduction)
        return Loss(name, function, {**defaults, **settings}, reduction, counts=_counts(function))

    make.__name__ = make.__qualname__ = title
    shown = ", ".join(f"{key}={value!r}" for key, value in defaults.items())
    make.__doc__ = f"{sentence} over a batch{f'; settings: {shown}' if shown else ''}."
    return remembered(make)


def _counts(function: Callable[..., Array]) -> Callable[..., Array | None] | None:
    """What tells which losses of a function count, if not all do."""
    ignores = function is entropies.sparse_categorical_crossentropy
    return entropies.counted if ignores else None


def _negative_cosine(y_true: Array, y_pred: Array, axis: int) -> Array:
    return -distances.cosine_similarity(y_true, y_pred, axis=axis)


_entropy: dict[str, Any] = {"from_logits": False, "label_smoothing": 0.0, "axis": -1}
_focal: dict[str, Any] = {"alpha": 0.25, "gamma": 2.0, **_entropy}

MeanSquaredError = _maker(distances.mean_squared_error, "MeanSquaredError", "Squared errors")
MeanAbsoluteError = _maker(distances.mean_absolute_error, "MeanAbsoluteError", "Absolute errors")
MeanAbsolutePercentageError = _maker(
    distances.mean_absolute_percentage_error, "MeanAbsolutePercentageError", "Errors in per cent"
)
MeanSquaredLogarithmicError = _maker(
    distances.mean_squared_logarithmic_error,
    "MeanSquaredLogarithmicError",
    "Squared errors of logarithms",
)
LogCosh = _maker(distances.log_cosh, "LogCosh", "Logarithms of hyperbolic cosines")
Huber = _maker(distances.huber, "Huber", "Huber's losses", delta=1.0)
CosineSimilarity = _maker(
    _negative_cosine, "CosineSimilarity", "Negative cosine similarities", axis=-1
)
Hinge = _maker(hinges.hinge, "Hinge", "Hinge losses")
SquaredHinge = _maker(hinges.squared_hinge, "SquaredHinge", "Squared hinge losses")
CategoricalHinge = _maker(hinges.categorical_hinge, "CategoricalHinge", "Hinge losses of classes")
KLDivergence = _maker(entropies.kl_divergence, "KLDivergence", "Kullback-Leibler divergences")
Poisson = _maker(entropies.poisson, "Poisson", "Poisson losses")
BinaryCrossentropy = _maker(
    entropies.binary_crossentropy, "BinaryCrossentropy", "Binary cross-entropies", **_entropy
)
BinaryFocalCrossentropy = _maker(
    entropies.binary_focal_crossentropy,
    "BinaryFocalCrossentropy",
    "Binary focal cross-entropies",
    apply_class_balancing=False,
    **_focal,
)
CategoricalCrossentropy = _maker(
    entropies.categorical_crossentropy,
    "CategoricalCrossentropy",
    "Cross-entropies of classes",
    **_entropy,
)
CategoricalFocalCrossentropy = _maker(
    entropies.categorical_focal_crossentropy,
    "CategoricalFocalCrossentropy",
    "Focal cross-entropies of classes",
    **_focal,
)
SparseCategoricalCrossentropy = _maker(
    entropies.sparse_categorical_crossentropy,
    "SparseCategoricalCrossentropy",
    "Cross-entropies of numbered classes",
    from_logits=False,
    ignore_class=None,
    axis=-1,
)

_KNOWN: dict[str, Callable[..., Loss]] = {
    make().name: make
    for make in (
        MeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError,
        MeanSquaredLogarithmicError, LogCosh, Huber, CosineSimilarity, Hinge, SquaredHinge,
        CategoricalHinge, KLDivergence, Poisson, BinaryCrossentropy, BinaryFocalCrossentropy,
        CategoricalCrossentropy, CategoricalFocalCrossentropy, SparseCategoricalCrossentropy,
    )
}  # fmt: skip
_SHORT = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
}


def get(identifier: Any) -> Loss:
    """The loss of a name such as "mse" or "binary_crossentropy", or made of a function.

    >>> import symfuse as sf
    >>> sf.losses.get("mse").name
    'mean_squared_error'
    """
    if isinstance(identifier, Loss):
        return identifier
    expect_made("loss", identifier)
    if callable(identifier):
        name = getattr(identifier, "__name__", "loss")
        return Loss(name, identifier, counts=_counts(identifier))
    return by_name("loss", identifier, _KNOWN, _SHORT)()
