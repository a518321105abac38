"""Functions with a derivative of their own: operations that hold it beside the function.

They last until a program is made: what is left then is the function (`passes/inline_rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symfuse.runtime.errors import UnsupportedError

from ..ir.op import Op
from ..ir.regions import Regional, run_region
from ..ir.types import TensorType
from .alignment import as_is
from .control import expect_types, node_types, region_of

__all__ = ["Rule", "custom_jvp", "custom_vjp", "inexact", "pullback"]


class Rule:
    """The graphs of a derivative, made when they are first asked for: a rule may call its function.

    The text of a graph has None in its place.
    """

    __slots__ = ("_graphs", "_make")

    def __init__(self, make: Callable[[], tuple[Any, ...]]) -> None:
        self._make: Callable[[], tuple[Any, ...]] | None = make
        self._graphs: tuple[Any, ...] = ()

    def graphs(self) -> tuple[Any, ...]:
        """The graphs."""
        if self._make is not None:
            self._graphs, self._make = self._make(), None
        return self._graphs

    def __repr__(self) -> str:
        return "None"


def inexact(types: Sequence[TensorType]) -> tuple[TensorType, ...]:
    """The types of those values that can change a little."""
    return tuple(one for one in types if one.dtype.is_inexact)


def _results(values: Sequence[Any], attrs: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(np.asarray(value) for value in run_region(attrs["body"], values))


def _function_type(
    *types: TensorType, body: Any, rule: Any, primals: int, result: int = 0
) -> TensorType:
    expect_types("the function", types, node_types(body.parameters))
    return node_types(body.outputs)[result]


def _function(name: str, doc: str) -> Op:
    return Op(
        name=name,
        doc=doc,
        result_type=_function_type,
        align=as_is,
        regional=Regional(_results, lambda attrs: len(region_of(attrs["body"]).outputs)),
        reference=lambda *values, result, **attrs: _results(values, attrs)[result],
    )


custom_jvp: Op = _function(
    "custom_jvp",
    "a function of `primals` operands and of what it closes over, the rest; `rule` has one graph, "
    "(primals…, tangents…, rest…) → tangents…",
)
custom_vjp: Op = _function(
    "custom_vjp",
    "a function of `primals` operands and of what it closes over, the rest; `rule` has the graphs "
    "(primals…, rest…) → (results…, residuals…) and (residuals…, rest…, cotangents…) → cotangents…",
)


def _pullback_type(*types: TensorType, back: Any, known: int, result: int = 0) -> TensorType:
    given = node_types(back.parameters)
    expect_types("what is known", types[:known], given[:known])
    expect_types("the tangents", types[known:], node_types(back.outputs))
    return given[known + result]


def _run_backwards(*_: Any, **__: Any) -> Any:
    raise UnsupportedError(
        "a function that is known by its cotangents only is run backwards",
        fix="use reverse mode (grad, vjp, jacrev)",
    )


pullback: Op = Op(
    name="pullback",
    doc="the linear function whose transpose is `back`: (known…, cotangents…) → cotangents…",
    result_type=_pullback_type,
    align=as_is,
    regional=Regional(_run_backwards, lambda attrs: _directions(attrs)),
    reference=_run_backwards,
)


def _directions(attrs: Mapping[str, Any]) -> int:
    return len(region_of(attrs["back"]).parameters) - int(attrs["known"])
