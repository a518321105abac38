"""Recurrent layers: cells, and the scan that runs them along the second axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec.structs import replace

from symfuse.compiler.ir.dims import is_equal
from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError

from ..control.loops import scan
from ..initializers import get as initializer_of
from ..limits import SHARE, SIZE, Limit, choice, within
from ..numpy import matmul
from ..numpy.creation import full
from ..numpy.shared import common_dtype
from .activations import activation
from .layer import CARRIED, Layer, Stepwise
from .noise import dropped
from .scope import Scope

__all__ = ["GRU", "LSTM", "RNN", "Bidirectional", "SimpleRNN", "TimeDistributed"]

Array = Any


class RNN(Layer):
    """A recurrent layer: `step` is one turn, `gates` how many blocks of `units` a turn needs.

    Inputs are batch, time, features. Called with `initial_state=`, a list of arrays, and `mask=`,
    batch by time: where it is false, the state and the output stay what they were, or the output
    is 0 with `zero_output_for_mask`. With `go_backwards` outputs are in the order of the turns:
    the last step first. A `stateful` layer goes on from where the batch before it ended, place by
    place, in training and afterwards, until `reset_states`; batches then have one size, which
    `Input(shape, batch_size=...)` says.
    """

    units: int
    activation: Any = "tanh"
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    recurrent_initializer: Any = "orthogonal"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    recurrent_regularizer: Any = None
    bias_regularizer: Any = None
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    zero_output_for_mask: bool = False

    supports_masking = True
    input_ndim = 3
    limits = within(units=SIZE, dropout=SHARE, recurrent_dropout=SHARE)
    gates = 1  # blocks of units in the kernels
    states = 1  # arrays that are carried from turn to turn

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if mask is not None and self.go_backwards:
            mask = np.flip(mask, 1)
        return [mask if self.return_sequences else None]

    def call(self, scope: Scope, x: Any, initial_state: Any = None, mask: Any = None) -> Any:
        carried = self._carried(scope, x) if self.stateful else {}
        x = dropped(scope, x, self.dropout, (x.shape[0], 1, x.shape[2]))
        projected, weights = self.projected(scope, x)
        start = self._start(x, initial_state, tuple(carried.values()))
        kept = dropped(scope, _ones_like(start[0]), self.recurrent_dropout)
        rows = [projected] if mask is None else [projected, mask]
        rows = [np.moveaxis(row, 1, 0) for row in rows]
        if self.go_backwards:
            rows = [np.flip(row, 0) for row in rows]

        def turn(carry: Any, row: list[Array]) -> Any:
            state, before = carry[:-1], carry[-1]
            held = (state[0] * kept, *state[1:]) if self._drops(scope) else state
            output, *new = self.step(row[0], held, weights)
            if mask is not None:
                seen = row[1][:, None]
                new = [np.where(seen, now, old) for now, old in zip(new, state, strict=True)]
                output = np.where(seen, output, 0.0 if self.zero_output_for_mask else before)
            return (*new, output), output if self.return_sequences else None

        last, outputs = scan(turn, (*start, _zeros_like(start[0])), rows)
        for name, value in zip(carried, last, strict=False):
            scope.update(name, value)
        result = np.moveaxis(outputs, 0, 1) if self.return_sequences else last[-1]
        return (result, *last[:-1]) if self.return_state else result

    def projected(self, scope: Scope, x: Array) -> tuple[Array, tuple[Array, ...]]:
        """What the inputs of all turns add, in one product; and the weights of a turn."""
        wide = self.units * self.gates
        kernel = scope.weight(
            "kernel",
            (x.shape[-1], wide),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        recurrent = scope.weight(
            "recurrent_kernel",
            (self.units, wide),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
        )
        y = matmul(x, kernel)
        if self.use_bias:
            y = y + scope.weight("bias", wide, self.bias_start(), regularizer=self.bias_regularizer)
        return y, (recurrent,)

    def bias_start(self) -> Any:
        """The initialiser of the bias."""
        return self.bias_initializer

    def step(self, x: Array, state: tuple[Array, ...], weights: tuple[Array, ...]) -> Any:
        """One turn: the output, and the new state."""
        h = activation(self.activation)(x + matmul(state[0], weights[0]))
        return h, h

    def _carried(self, scope: Scope, x: Array) -> dict[str, Array]:
        """What the batch before left, by name."""
        if not isinstance(x.shape[0], int):
            raise ArgumentError(
                f"a stateful {type(self).__name__} keeps a state for each place in a batch, and"
                " batches have no fixed size",
                fix="begin the model with sf.nn.Input(shape, batch_size=...)",
                loc=user_location(),
            )
        shape = (x.shape[0], self.units)
        names = [f"{CARRIED}{at}" for at in range(self.states)]
        return {name: scope.variable(name, shape) for name in names}

    def _drops(self, scope: Scope) -> bool:
        return scope.training and self.recurrent_dropout > 0

    def _start(self, x: Array, given: Any, carried: tuple[Array, ...]) -> tuple[Array, ...]:
        if given is None and carried:
            return carried
        if given is None:
            zeros = full((x.shape[0], self.units), 0.0, dtype=common_dtype(x).numpy)
            return (zeros,) * self.states
        found = tuple(given) if isinstance(given, list | tuple) else (given,)
        wanted = (x.shape[0], self.units)
        if len(found) != self.states or any(not _has_shape(one, wanted) for one in found):
            shapes = ", ".join(str(tuple(np.shape(one))) for one in found)
            raise ArgumentError(
                f"{type(self).__name__}: initial_state has {len(found)} arrays, of shapes {shapes}",
                fix=f"give {self.states}, each of the shape (batch, units): {wanted}",
                loc=user_location(),
            )
        return found


class SimpleRNN(RNN):
    """h = activation(x · W + h · U + b), the output being h.

    >>> import symfuse as sf
    >>> sf.nn.SimpleRNN(8, return_sequences=True)(sf.nn.Input((5, 3))).shape
    (N, 5, 8)
    """


class LSTM(RNN):
    """Hochreiter and Schmidhuber's, with forget gates: c = f · c + i · g, h = o · tanh(c).

    The blocks of the kernels are those of Keras: input, forget, candidate, output.

    >>> import symfuse as sf
    >>> y, h, c = sf.nn.LSTM(8, return_state=True)(sf.nn.Input((5, 3)))
    >>> y.shape, h.shape, c.shape
    ((N, 8), (N, 8), (N, 8))
    """

    recurrent_activation: Any = "sigmoid"
    unit_forget_bias: bool = True

    gates = 4
    states = 2

    def bias_start(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        return _ForgetOne(self.units, self.bias_initializer)

    def step(self, x: Array, state: tuple[Array, ...], weights: tuple[Array, ...]) -> Any:
        h, c = state
        gate, squashed = activation(self.recurrent_activation), activation(self.activation)
        i, f, g, o = _blocks(x + matmul(h, weights[0]), 4)
        c = gate(f) * c + gate(i) * squashed(g)
        h = gate(o) * squashed(c)
        return h, h, c


class GRU(RNN):
    """Cho's gated recurrent unit: h = z · h + (1 − z) · g.

    The blocks are those of Keras: update, reset, candidate. With `reset_after` (as in cuDNN and
    torch) the reset gate multiplies the product with h, and there are two biases.
    """

    recurrent_activation: Any = "sigmoid"
    reset_after: bool = True

    gates = 3

    def projected(self, scope: Scope, x: Array) -> tuple[Array, tuple[Array, ...]]:
        if not (self.reset_after and self.use_bias):
            return super().projected(scope, x)
        y, weights = replace(self, use_bias=False).projected(scope, x)
        bias = scope.weight(
            "bias",
            (2, 3 * self.units),
            self.bias_initializer,
            regularizer=self.bias_regularizer,
        )
        return y + bias[0], (*weights, bias[1])

    def step(self, x: Array, state: tuple[Array, ...], weights: tuple[Array, ...]) -> Any:
        h, recurrent = state[0], weights[0]
        gate, squashed = activation(self.recurrent_activation), activation(self.activation)
        if self.reset_after:
            inner = matmul(h, recurrent)
            inner = inner + weights[1] if len(weights) > 1 else inner
            (xz, xr, xg), (hz, hr, hg) = _blocks(x, 3), _blocks(inner, 3)
            z, r = gate(xz + hz), gate(xr + hr)
            g = squashed(xg + r * hg)
        else:
            two = 2 * self.units
            z, r = _blocks(gate(x[..., :two] + matmul(h, recurrent[:, :two])), 2)
            g = squashed(x[..., two:] + matmul(r * h, recurrent[:, two:]))
        h = z * h + (1.0 - z) * g
        return h, h


class Bidirectional(Layer):
    """A recurrent layer forth and back; `merge_mode`: "concat", "sum", "mul", "ave" or None.

    Called as the layer is; `initial_state=` has the arrays of the way forth, then those of the way
    back. Outputs of steps that a mask leaves out are 0, as in Keras.
    """

    layer: Any
    merge_mode: str | None = "concat"
    backward_layer: Any = None

    supports_masking = True
    input_ndim = 3
    limits = within(
        layer=Limit(lambda layer: isinstance(layer, RNN), "give a recurrent layer"),
        merge_mode=choice(("concat", "sum", "mul", "ave", None)),
        backward_layer=Limit(
            lambda layer: layer is None or (isinstance(layer, RNN) and layer.go_backwards),
            "give a recurrent layer with go_backwards=True, or None",
        ),
    )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        own = mask if self.layer.return_sequences else None
        return [own, own] if self.merge_mode is None else [own]

    def call(self, scope: Scope, x: Any, initial_state: Any = None, mask: Any = None) -> Any:
        zeros = self.layer.return_sequences
        back = self.backward_layer or replace(self.layer, go_backwards=True, name=None)
        given = list(initial_state) if initial_state is not None else None
        for_forth, for_back = (given[: len(given) // 2], given[len(given) // 2 :]) if given else _NO
        ways = (
            ("forward", self.layer, scope.trains(self.layer), for_forth),
            ("backward", back, scope.trains(self.backward_layer or self.layer), for_back),
        )
        first, second = (
            scope(
                replace(layer, zero_output_for_mask=zeros, trainable=trains),
                x,
                name=name,
                **_given(mask, state),
            )
            for name, layer, trains, state in ways
        )
        if not self.layer.return_state:
            return self._merged(first, second)
        return (self._merged(first[0], second[0]), *first[1:], *second[1:])

    def _merged(self, first: Array, second: Array) -> Any:
        if self.layer.return_sequences:
            second = np.flip(second, 1)
        if self.merge_mode is None:
            return first, second
        return _MERGES[self.merge_mode](first, second)


_MERGES: dict[str, Callable[[Array, Array], Array]] = {
    "concat": lambda x, y: np.concatenate([x, y], axis=-1),
    "sum": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "ave": lambda x, y: (x + y) * 0.5,
}


class TimeDistributed(Stepwise):
    """A layer applied to every step along the second axis, with the same weights."""

    layer: Any

    min_input_ndim = 3

    def call(self, scope: Scope, x: Any) -> Any:
        y = scope(self.layer, np.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:])), name="layer")
        return np.reshape(y, (*x.shape[:2], *y.shape[1:]))


class _ForgetOne:
    """What an initialiser gives, but ones for the forget gate: what there is, is kept at first."""

    def __init__(self, units: int, others: Any) -> None:
        self._units, self._others = units, initializer_of(others)

    def __call__(self, key: Any, shape: Any, dtype: Any) -> Any:
        is_forget = np.arange(shape[0]) // self._units == 1
        one = np.asarray(1, dtype.numpy)
        return np.where(is_forget, one, self._others(key, shape, dtype.numpy))


def _blocks(x: Array, count: int) -> list[Array]:
    size = x.shape[-1] // count
    return [x[..., at * size : (at + 1) * size] for at in range(count)]


_NO = (None, None)


def _has_shape(array: Any, wanted: tuple[Any, ...]) -> bool:
    found = np.shape(array)
    same = zip(found, wanted, strict=False)
    return len(found) == len(wanted) and all(is_equal(a, b) is not False for a, b in same)


def _given(mask: Any, initial_state: Any) -> dict[str, Any]:
    given = {"mask": mask, "initial_state": initial_state}
    return {name: value for name, value in given.items() if value is not None}


def _zeros_like(x: Array) -> Array:
    return full(x.shape, 0.0, dtype=common_dtype(x).numpy)


def _ones_like(x: Array) -> Array:
    return full(x.shape, 1.0, dtype=common_dtype(x).numpy)
