"""The only way to make nodes: it types them, interns them and notes where they came from."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import DTypeError, SymfuseError

from .evaluator import CURRENT
from .location import Source, here
from .node import Attrs, Literal, Node, attribute_key
from .op import Op
from .types import TensorType

__all__ = ["CONSTANT", "PARAMETER", "Builder", "constant"]


def _made_by_builder(*_: Any, **__: Any) -> Any:
    raise AssertionError("parameters and constants are made by Builder.parameter and .constant")


PARAMETER = Op(
    name="parameter",
    doc="an input of the graph",
    result_type=_made_by_builder,
    reference=_made_by_builder,
)
CONSTANT = Op(
    name="constant",
    doc="a number or a small array that stands in the graph",
    result_type=_made_by_builder,
    reference=_made_by_builder,
)


class Builder:
    """Makes the nodes of one graph, each distinct computation once."""

    def __init__(self) -> None:
        self._interned: dict[Any, Node] = {}
        self._source: Source | None = None
        self._parameters = 0

    def apply(self, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Node:
        """The node of an operation on nodes and Python or NumPy constants."""
        attrs = {**_defaults(op), **attrs}
        try:
            inputs = op.align(self, args, attrs) if op.align else self.nodes(args)
            if op.parts is None and op.regional is None:
                _expect_real(op, inputs)
            type_ = op.result_type(*(node.type for node in inputs), **attrs)
        except SymfuseError as error:
            source = self._source or here()
            raise error.at(source.loc, prefix=op.name) from None
        return self._intern(op, inputs, tuple(sorted(attrs.items())), type_)

    def parameter(self, name: str, type_: TensorType, source: Source | None = None) -> Node:
        """A new input; two inputs are two nodes even if they have one name and type."""
        self._parameters += 1
        attrs = (("index", self._parameters - 1),)
        node = Node(PARAMETER, (), attrs, type_, source or Source(name=name))
        self._interned[(PARAMETER, self._parameters)] = node
        return node

    def constant(self, value: Any, dtype: DType | None = None) -> Node:
        """A number (in the given type, else NumPy's default) or a small array as a node."""
        array = np.asarray(value)
        dtype = dtype or DType.of(array.dtype)
        if array.shape == ():
            with np.errstate(over="ignore"):  # a number beyond a type's greatest is its infinity
                number = array.astype(dtype.numpy).item()
            return self._intern(CONSTANT, (), (("value", number),), TensorType((), dtype))
        literal = Literal.of(array.astype(dtype.numpy, copy=False))
        return self._intern(
            CONSTANT, (), (("value", literal),), TensorType(literal.shape, literal.dtype)
        )

    def nodes(self, args: tuple[Any, ...]) -> tuple[Node, ...]:
        """The arguments as nodes, constants in their own element types."""
        return tuple(arg if isinstance(arg, Node) else self.constant(arg) for arg in args)

    @contextmanager
    def active(self) -> Iterator[Builder]:
        """Have operations called inside the block make nodes here."""
        token = CURRENT.set(self)
        try:
            yield self
        finally:
            CURRENT.reset(token)

    @contextmanager
    def deriving(self, source: Source) -> Iterator[None]:
        """Nodes made inside stand for what `source` points at: passes keep provenance so."""
        before, self._source = self._source, source
        try:
            yield
        finally:
            self._source = before

    def rebuilt(self, node: Node, inputs: tuple[Node, ...]) -> Node:
        """The same operation on other inputs of the same types."""
        if all(new is old for new, old in zip(inputs, node.inputs, strict=True)):
            return node
        with self.deriving(node.source):
            return self.apply(node.op, inputs, node.attrs)

    def owns(self, node: Node) -> bool:
        """Whether the node was made here."""
        if node.is_parameter:
            return self._interned.get((PARAMETER, node.attr("index") + 1)) is node
        return self._interned.get(_key(node.op, node.inputs, node.attributes, node.type)) is node

    def _intern(self, op: Op, inputs: tuple[Node, ...], attrs: Any, type_: TensorType) -> Node:
        key = _key(op, inputs, attrs, type_)
        node = self._interned.get(key)
        if node is None:
            node = Node(op, inputs, attrs, type_, self._source or here())
            self._interned[key] = node
        return node


def _expect_real(op: Op, inputs: tuple[Node, ...]) -> None:
    for node in inputs:
        if node.type.dtype.is_complex:
            raise DTypeError(
                f"{op} is of real numbers, got {node.type}",
                fix="take the real part, the imaginary part or the absolute value first",
            )


@cache
def _defaults(op: Op) -> dict[str, Any]:
    """The attributes that a call may leave out: one computation is one node either way."""
    parameters = inspect.signature(op.result_type).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _key(op: Op, inputs: tuple[Node, ...], attrs: Attrs, type_: TensorType) -> Any:
    return (op, inputs, tuple((k, attribute_key(v)) for k, v in attrs), type_)


def constant(value: Any, dtype: DType | None = None) -> Any:
    """A constant of the builder that is active now; in eager mode a NumPy value."""
    builder = CURRENT.get()
    if isinstance(builder, Builder):
        return builder.constant(value, dtype)
    if dtype is None:
        return np.asarray(value)
    return np.asarray(value, dtype=dtype.numpy)
