"""Attention: means of values, weighed by how well their keys fit queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..limits import OPTIONAL_SIZE, SHARE, SIZE, within
from ..numpy import arange, matmul, tri
from ..numpy.shared import common_dtype
from . import functional
from .layer import Layer, Stepwise
from .masks import every
from .merging import several
from .noise import dropped
from .scope import Scope

__all__ = ["Attention", "MultiHeadAttention", "SinePositionEncoding"]

Array = Any


def attended(
    scope: Scope, q: Array, k: Array, v: Array, mask: Any, rate: float = 0.0
) -> tuple[Array, Array]:
    """softmax(q · kᵀ / √d) · v over the last two axes, and the softmax; d is the size of keys."""
    scores = matmul(q, np.swapaxes(k, -1, -2)) * float(k.shape[-1]) ** -0.5
    if mask is not None:
        scores = np.where(mask, scores, _least(scores))
    weights = functional.softmax(scores, axis=-1)
    return matmul(dropped(scope, weights, rate), v), weights


class Attention(Layer):
    """Scaled dot-product attention of [query, value] or [query, value, key], without weights.

    Called with `mask=`, true where a query may look, or a list of the masks of the inputs, which
    values with masks bring along; and with `use_causal_mask=`.
    """

    dropout: float = 0.0

    supports_masking = True
    limits = within(dropout=SHARE)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask[0] if isinstance(mask, list | tuple) else None

    def call(
        self, scope: Scope, inputs: Any, mask: Any = None, use_causal_mask: bool = False
    ) -> Any:
        query, value, *rest = several(self, inputs, 2, 3)
        key = rest[0] if rest else value
        if isinstance(mask, list | tuple):
            mask = _steps(mask[:1], mask[1:])
        seen = _mask(mask, query.shape[-2], key.shape[-2], use_causal_mask)
        return attended(scope, query, key, value, seen, self.dropout)[0]


class MultiHeadAttention(Layer):
    """Attention in `num_heads` projections of queries, keys and values, put together by one more.

    Called as `layer(query, value, key=value, attention_mask=None, use_causal_mask=False,
    return_attention_scores=False)`; inputs are batch, time, features, masks batch, queries, keys.
    `query_mask`, `value_mask` and `key_mask`, batch by time, come with values that have masks.

    >>> import symfuse as sf
    >>> x = sf.nn.Input((7, 16))
    >>> sf.nn.MultiHeadAttention(4, 4)(x, x, use_causal_mask=True).shape
    (N, 7, 16)
    """

    num_heads: int
    key_dim: int
    value_dim: int | None = None
    dropout: float = 0.0
    use_bias: bool = True
    output_shape: int | None = None
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None

    supports_masking = True
    input_ndim = 3
    limits = within(
        num_heads=SIZE, key_dim=SIZE, value_dim=OPTIONAL_SIZE,
        output_shape=OPTIONAL_SIZE, dropout=SHARE,
    )  # fmt: skip

    def call(
        self,
        scope: Scope,
        query: Any,
        value: Any,
        key: Any = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
        return_attention_scores: bool = False,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
    ) -> Any:
        key = value if key is None else key
        width = self.value_dim or self.key_dim
        q, k = (self._heads(scope, n, x, self.key_dim) for n, x in (("query", query), ("key", key)))
        v = self._heads(scope, "value", value, width)
        mask = _mask(attention_mask, query.shape[-2], key.shape[-2], use_causal_mask)
        masks = (mask, _steps([query_mask], [value_mask, key_mask]))
        mask = every([m[:, None] if m.ndim == 3 else m for m in masks if m is not None])
        found, weights = attended(scope, q, k, v, mask, self.dropout)
        y = np.transpose(found, (0, 2, 1, 3))
        y = np.reshape(y, (*y.shape[:2], self.num_heads * width))
        y = self._projected(scope, "output", y, self.output_shape or query.shape[-1])
        return (y, weights) if return_attention_scores else y

    def _heads(self, scope: Scope, name: str, x: Array, width: int) -> Array:
        """Projections: batch, heads, time, width."""
        y = self._projected(scope, name, x, self.num_heads * width)
        y = np.reshape(y, (*y.shape[:2], self.num_heads, width))
        return np.transpose(y, (0, 2, 1, 3))

    def _projected(self, scope: Scope, name: str, x: Array, width: int) -> Array:
        kernel = scope.weight(
            f"{name}_kernel",
            (x.shape[-1], width),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        y = matmul(x, kernel)
        return (
            y + scope.weight(f"{name}_bias", width, self.bias_initializer) if self.use_bias else y
        )


class SinePositionEncoding(Stepwise):
    """x plus sines and cosines of the places in it, of wavelengths from 2π to 2π · max_wavelength.

    Even features have sines, odd ones cosines, as in "Attention is all you need".
    """

    max_wavelength: float = 10000.0

    input_ndim = 3

    def call(self, scope: Scope, x: Any) -> Any:
        return x + self.table(x.shape[1], x.shape[2], common_dtype(x).numpy)

    def table(self, length: Any, width: int, dtype: Any = "float32") -> Any:
        """What is added: place by feature; the number of places may be symbolic."""
        at = np.arange(width)
        rates = self.max_wavelength ** (-(at - at % 2) / width)
        places = np.arange(length) if isinstance(length, int) else arange(length)
        angles = places[:, None] * rates
        return np.where(at % 2 == 0, np.sin(angles), np.cos(angles)).astype(dtype)


def _steps(queries: Sequence[Any], keys: Sequence[Any]) -> Any:
    """Masks of queries and of keys by time, as one of who may look where."""
    wide = [one[:, :, None] for one in queries if one is not None]
    return every([*wide, *(one[:, None, :] for one in keys if one is not None)])


def _mask(given: Any, queries: Any, keys: Any, causal: bool) -> Any:
    if not causal:
        return given
    order = tri(queries, keys, dtype=bool)
    return order if given is None else given & order


def _least(scores: Array) -> float:
    """A score that softmax turns into 0, finite so that rows without any key stay numbers."""
    return -6e4 if common_dtype(scores).itemsize == 2 else -1e9
