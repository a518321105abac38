"""Text → graph: reads what the printer writes, and what people write by hand."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Generic, TypeVar

import numpy as np
from msgspec import Struct, field

from symfuse.runtime.dtypes import DType
from symfuse.runtime.errors import Loc, SymfuseError

from .builder import Builder
from .cursor import Cursor, did_you_mean
from .dataflow import Dataflow
from .dims import Dim, Symbol, parse_dim, parse_symbol
from .location import Source
from .node import Literal, Node
from .op import Op, operations
from .types import TensorType, parse_type

__all__ = ["read_graph"]

T = TypeVar("T")
G = TypeVar("G", bound=Dataflow)

_NAME = re.compile(r"%[\w.]+")
_TITLE = re.compile(r"[\w.]+")
_OPERATION = re.compile(r"[A-Za-z_]\w*")
_TYPE = re.compile(r"\w+\[[^\]\n]*\]")
_DTYPE = re.compile(r"\w+")
_KEY = re.compile(r"([A-Za-z_]\w*)\s*=")
_REAL = r"(?:\d+\.?\d*(?:[eE][+-]?\d+)?|inf|nan)"
_NUMBER = re.compile(rf"-?(?:{_REAL}(?:[+-]{_REAL}j)?|True|False)(?!\w)")
_STRING = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_BYTES = re.compile(r"0x([0-9a-f]*)")
_GRAPH = re.compile(r"graph\s+[\w.]+\s*\(")
_WHERE = re.compile(r"(?:(.+):(\d+))?(?:(?:^| )in (.+))?")
_DTYPES = {d.value: d for d in DType}
_WORDS = {"True": True, "False": False, "None": None}


def read_graph(text: str, make: type[G]) -> G:
    """The graph that a text describes; `make` is the class of graphs."""
    cursor = Cursor(text)
    graph = _Parser(cursor, make).graph({})
    if cursor.skip() < len(text):
        raise cursor.error("expected the end of the text", start=cursor.at, stop=len(text))
    return graph


class _Names(Struct):
    """What is known by name inside one graph."""

    symbols: dict[str, Symbol]
    builder: Builder = field(default_factory=Builder)
    values: dict[str, Node] = field(default_factory=dict)


class _Parser(Generic[G]):
    """One method for each rule of the grammar."""

    def __init__(self, cursor: Cursor, make: type[G]) -> None:
        self.cursor = cursor
        self.make = make
        self.names = _Names({})

    def graph(self, outer: dict[str, Symbol]) -> G:
        """`graph name(parameters) { sizes … statements return outputs }`."""
        before, self.names = self.names, _Names(dict(outer))
        cursor = self.cursor
        cursor.expect("graph")
        title = cursor.need(_TITLE, "the name of the graph")
        body = self._sizes()
        parameters, donated = self._parameters()
        cursor.at = max(cursor.at, body)
        while not cursor.accept("return"):
            self._statement()
        outputs = tuple(self._listed("}", self._operand_node))
        builder, self.names = self.names.builder, before
        return self.make(title, parameters, outputs, builder, donated=frozenset(donated))

    def _sizes(self) -> int:
        """Read the declarations of sizes ahead of the types that use them; tell where they end."""
        cursor = self.cursor
        before = cursor.at
        cursor.at = opening = cursor.text.find("{", before) + 1
        if opening and cursor.accept("sizes "):
            self._size_declaration()
            while cursor.accept(","):
                self._size_declaration()
        end, cursor.at = cursor.at, before
        return end

    def _size_declaration(self) -> None:
        text = self.cursor.until(",")
        symbol = self._guarded(lambda: parse_symbol(text, self.names.symbols))
        self.names.symbols[symbol.name] = symbol

    def _parameters(self) -> tuple[tuple[Node, ...], list[Node]]:
        self.cursor.expect("(")
        donated: list[Node] = []
        nodes = tuple(self._listed(")", lambda: self._parameter(donated)))
        self.cursor.expect("{")
        return nodes, donated

    def _parameter(self, donated: list[Node]) -> Node:
        """`%x: f32[N,784]`, perhaps `donated`."""
        name = self._new_name()
        self.cursor.expect(":")
        node = self.names.builder.parameter(name, self._type(), _source(name))
        if self.cursor.accept("donated"):
            donated.append(node)
        self.names.values[name] = node
        return node

    def _statement(self) -> None:
        """`%name: type = operation(operands, attributes)  # file:line in scope`; the type and the
        comment may be left out."""
        cursor = self.cursor
        start = cursor.skip()
        name = self._new_name()
        declared = self._type() if cursor.accept(":") else None
        cursor.expect("=")
        with self.names.builder.deriving(_source(name)):  # numbers among the operands
            build = self._value(declared)
        with self.names.builder.deriving(_source(name, cursor.comment())):
            node = build()
        if declared is not None and node.type != declared:
            raise cursor.error(
                f"%{name} is declared {declared}, but {node.op} gives {node.type}",
                fix="correct the type, or leave it out: it follows from the operands",
                start=start,
                stop=cursor.at,
            )
        self.names.values[name] = node

    def _value(self, declared: TensorType | None) -> Callable[[], Node]:
        """An operation, or the elements of a constant: read, and to be built."""
        cursor = self.cursor
        if cursor.peek("{"):
            if declared is None:
                raise cursor.error("a constant needs a type", fix="write %name: f32[2] = {1, 2}")
            elements = self._elements(declared).array()
            return partial(self.names.builder.constant, elements, declared.dtype)
        if cursor.peek("%") or (_NUMBER.match(cursor.text, cursor.at)):
            return partial(self._node, self._operand())
        name = cursor.need(_OPERATION, "an operation, a value or {elements}")
        if name == "result":
            return self._other_result(cursor.start)
        if name not in operations:
            known = [*operations]
            raise cursor.error(f"no operation is called {name}", fix=did_you_mean(name, known))
        return self._operation(operations[name], cursor.start)

    def _other_result(self, start: int) -> Callable[[], Node]:
        """`result(%x, 1)`: another result of the loop or branch that %x is a result of."""
        cursor = self.cursor
        cursor.expect("(")
        node = self._operand_node()
        cursor.expect(",")
        number = _number(cursor.need(_NUMBER, "the number of the result"))
        cursor.expect(")")
        if node.op.regional is None:
            what = f"{node.op} has one result"
            raise cursor.error(what, fix="name a loop or branch", start=start, stop=cursor.at)
        attrs = {**node.attrs, "result": number}
        return lambda: self._guarded(lambda: self.names.builder.apply(node.op, node.inputs, attrs))

    def _operation(self, op: Op, start: int) -> Callable[[], Node]:
        """The operands and attributes of an operation, to be applied."""
        self.cursor.expect("(")
        operands: list[Any] = []
        attrs: dict[str, Any] = {}
        for key, value in self._listed(")", self._argument):
            if key is None and attrs:
                raise self.cursor.error("operands stand before attributes", start=start)
            if key is None:
                operands.append(value)
            else:
                attrs[key] = value
        return partial(self._applied, op, tuple(operands), attrs, start, self.cursor.at)

    def _applied(
        self, op: Op, operands: tuple[Any, ...], attrs: dict[str, Any], start: int, stop: int
    ) -> Node:
        """The operation; its errors are shown at the text from start to stop."""
        try:
            _signature(op).bind(*operands, **attrs)
            return self.names.builder.apply(op, operands, attrs)
        except SymfuseError as error:
            raise self.cursor.error(error.what, fix=error.fix, start=start, stop=stop) from None
        except TypeError as error:
            what = f"{op} does not take these operands and attributes: {error}"
            raise self.cursor.error(what, fix=_usage(op), start=start, stop=stop) from None

    def _argument(self) -> tuple[str | None, Any]:
        """`%x`, a number, or `key=value`."""
        found = _KEY.match(self.cursor.text, self.cursor.skip())
        if not found:
            return None, self._operand()
        self.cursor.at = found.end()
        return found[1], self._attribute()

    def _operand(self) -> Any:
        """A node, or a Python number that takes the element type of the other operands."""
        cursor = self.cursor
        if (name := cursor.match(_NAME)) is not None:
            return self._known(name[1:])
        value = _number(cursor.need(_NUMBER, "a value such as %x or 1.5:f32"))
        if not cursor.accept(":"):
            return value
        if not _TYPE.match(cursor.text, cursor.skip()):
            return self.names.builder.constant(value, self._dtype())
        type_ = self._type()
        scalar = self.names.builder.constant(value, type_.dtype)
        attrs = {"shape": type_.shape, "axes": ()}
        return self.names.builder.apply(operations["broadcast"], (scalar,), attrs)

    def _operand_node(self) -> Node:
        return self._node(self._operand())

    def _node(self, operand: Any) -> Node:
        (node,) = self.names.builder.nodes((operand,))
        return node

    def _attribute(self) -> Any:
        """A number, word, string, element type, size, tuple, literal or graph."""
        cursor = self.cursor
        if _GRAPH.match(cursor.text, cursor.skip()):
            return self.graph(self.names.symbols)
        if cursor.accept("("):
            return tuple(self._listed(")", self._attribute))
        if (quoted := cursor.match(_STRING)) is not None:
            return ast.literal_eval(quoted)
        if cursor.accept("["):
            size = self._size(cursor.until("]"))
            cursor.expect("]")
            return size
        if _TYPE.match(cursor.text, cursor.at):
            return self._elements(self._type())
        return self._word(cursor.until(",)"))

    def _word(self, word: str) -> Any:
        if _NUMBER.fullmatch(word):
            return _number(word)
        if word in _WORDS:
            return _WORDS[word]
        return _DTYPES[word] if word in _DTYPES else self._size(word)

    def _elements(self, type_: TensorType) -> Literal:
        """`{1.0, 2.0}` in row-major order, or `{0x…}`: the bytes."""
        cursor = self.cursor
        shape = tuple(n for n in type_.shape if isinstance(n, int))
        cursor.expect("{")
        start = cursor.start
        if (found := cursor.match(_BYTES)) is not None:
            cursor.expect("}")
            values = np.frombuffer(bytes.fromhex(found[2:]), type_.dtype.numpy)
        else:
            listed = self._listed("}", lambda: _number(cursor.need(_NUMBER, "a number")))
            values = np.array(listed, type_.dtype.numpy)
        if len(shape) != type_.rank or values.size != np.prod(shape):
            what = f"{values.size} elements do not fill {type_}"
            raise cursor.error(what, start=start, stop=cursor.at)
        return Literal.of(values.reshape(shape))

    def _listed(self, closing: str, read: Callable[[], Any]) -> list[Any]:
        """What stands between commas up to the closing bracket."""
        found: list[Any] = []
        while not self.cursor.accept(closing):
            if found:
                self.cursor.expect(",")
                if self.cursor.accept(closing):
                    break
            found.append(read())
        return found

    def _known(self, name: str) -> Node:
        if name not in self.names.values:
            near = did_you_mean(name, [*self.names.values]).replace("mean ", "mean %")
            fix = near or "define it in a line above"
            raise self.cursor.error(f"%{name} is not defined here", fix=fix)
        return self.names.values[name]

    def _new_name(self) -> str:
        name = self.cursor.need(_NAME, "a name such as %x")[1:]
        if name in self.names.values:
            raise self.cursor.error(f"%{name} is defined twice", fix="give it another name")
        return name

    def _type(self) -> TensorType:
        text = self.cursor.need(_TYPE, "a type such as f32[N,784]")
        return self._guarded(lambda: parse_type(text, self.names.symbols))

    def _dtype(self) -> DType:
        word = self.cursor.need(_DTYPE, "an element type such as f32")
        if word not in _DTYPES:
            raise self.cursor.error(f"{word} is no element type", fix=f"use {', '.join(_DTYPES)}")
        return _DTYPES[word]

    def _size(self, text: str) -> Dim:
        return self._guarded(lambda: parse_dim(text, self.names.symbols))

    def _guarded(self, read: Callable[[], T]) -> T:
        """What `read` gives; its errors are shown at the piece of text read last."""
        try:
            return read()
        except SymfuseError as error:
            raise self.cursor.error(error.what, fix=error.fix) from None
        except TypeError as error:
            raise self.cursor.error(str(error)) from None


def _source(name: str, comment: str = "") -> Source:
    """What a name says of where a node came from, and `model.py:12 in layer` behind it."""
    found = _WHERE.fullmatch(comment)
    file, line, scope = found.groups("") if found else ("", "", "")
    loc = Loc.of_line(file, int(line)) if file else None
    return Source(loc, None if name.isdigit() else name, scope)


def _number(text: str) -> complex | float | int | bool:
    if text in ("True", "False"):
        return text == "True"
    if text.endswith("j"):
        return complex(text)
    return int(text) if text.lstrip("-").isdigit() else float(text)


@cache
def _signature(op: Op) -> inspect.Signature:
    return inspect.signature(op.result_type)


def _usage(op: Op) -> str:
    """How an operation is written."""
    parameters = _signature(op).parameters.values()
    shown = [f"{p.name}=…" if p.kind is p.KEYWORD_ONLY else f"%{p.name}" for p in parameters]
    return f"write {op}({', '.join(shown)})"
