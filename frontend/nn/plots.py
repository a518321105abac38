"""Models as pictures of their layers: what `plot_model` of Keras draws."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from os import PathLike
from typing import Any

from msgspec import Struct

from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Node
from symfuse.runtime.errors import ArgumentError

from ..tracing.specs import Spec
from ..tracing.tree import flatten
from ..view.drawing import Box, Drawing, Frame, Line, family
from ..view.layout import DIRECTIONS
from ..view.picture import Picture
from .scope import Row, snake

__all__ = ["layer_picture", "plot_model"]

_HEAVY = ("product", "indexing", "reduction", "other", "elementwise")
"""Kinds of operations; the first that a layer has gives its box the colour."""


def plot_model(
    model: Any,
    to_file: str | PathLike[str] | None = None,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Picture:
    """The layers of a model as boxes, and which reads what, for models of every kind.

    Written to `to_file`, whose name ends with .svg, .html, .dot or .png, where it is given;
    notebooks show what comes back. `rankdir` is "TB", "BT", "LR" or "RL". With `expand_nested`
    models inside are frames around their layers. A layer that is called twice is one box, unless
    its results come back to it. Raises ArgumentError where the shapes of inputs are not known.

    >>> import symfuse as sf
    >>> model = sf.nn.Sequential([sf.nn.Input(3), sf.nn.Dense(4), sf.nn.Dense(2)])
    >>> sf.nn.plot_model(model, show_shapes=True)
    <picture of sequential: 3 boxes>
    """
    if rankdir not in DIRECTIONS:
        raise ArgumentError(
            f"rankdir={rankdir!r} is not known",
            fix=f"give one of {', '.join(DIRECTIONS)}",
            loc=user_location(),
        )
    shown = Shown(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    specs = model.input_specs("build")
    picture = layer_picture(model, specs, shown, rankdir, expand_nested, dpi)
    if to_file is not None:
        picture.save(to_file)
    return picture


class Shown(Struct, frozen=True):
    """What is written into the boxes, below the kind of the layer."""

    shapes: bool = True
    dtypes: bool = False
    names: bool = True
    activations: bool = True
    trainable: bool = False

    def title(self, row: Row) -> str:
        """The kind of a layer, and its name where it is asked for."""
        kind = type(row.layer).__name__
        return f"{row.path[-1]} ({kind})" if self.names else kind

    def detail(self, row: Row) -> str:
        """Lines on a layer."""
        lines = []
        if self.activations and hasattr(row.layer, "activation"):
            own = row.layer.activation or "linear"
            lines.append(f"activation: {getattr(own, '__name__', own)}")
        return "\n".join([*lines, *self._types(row.outputs, (row.inputs, row.options), row.layer)])

    def of_input(self, spec: Spec) -> str:
        """Lines on an input."""
        return "\n".join(self._types(spec))

    def _types(self, given: Any, taken: Any = None, layer: Any = None) -> Iterator[str]:
        results, operands = _specs(given), _specs(taken)
        if self.shapes:
            yield " → ".join(_shapes(specs) for specs in (operands, results) if specs)
        if self.dtypes:
            yield ", ".join(dict.fromkeys(str(one.dtype) for one in results))
        if self.trainable and layer is not None:
            yield "trainable" if layer.trainable else "not trainable"


def layer_picture(
    model: Any,
    specs: Sequence[Any],
    shown: Shown | None = None,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
) -> Picture:
    """The picture of a model for inputs of these specs."""
    seen: list[Row] = []
    model.declared(*specs, seen=seen)
    inputs = list(zip(_input_names(model, specs), _specs(specs), strict=True))
    plot = _Plot(seen, inputs, shown or Shown(), expand_nested)
    return Picture(plot.drawing(model.name or snake(type(model).__name__), rankdir), dpi=dpi)


class _Plot:
    """The calls that are drawn, as boxes or as frames around others; inputs have numbers."""

    def __init__(
        self, seen: Sequence[Row], inputs: Sequence[tuple[str, Spec]], shown: Shown, expand: bool
    ) -> None:
        self.inputs, self.shown = inputs, shown
        self.frames: dict[Hashable, Row] = {}
        self.rows: list[Row] = []
        parents = {row.calls[:-1] for row in seen}
        for row in sorted(seen, key=lambda one: one.calls):  # what is around, before what is inside
            if row.calls[:-1] and row.calls[:-1] not in self.frames:
                continue
            if expand and row.layer.is_model and row.calls in parents:
                self.frames[row.calls] = row
            else:
                self.rows.append(row)
        self.made = {leaf._node: row.calls for row in self.rows for leaf in row.given}
        self.key = {row.calls: self._key(row) for row in self.rows}

    def drawing(self, title: str, rankdir: str) -> Drawing:
        """Inputs, layers, and what they read."""
        lines = list(self._lines())
        if not _is_acyclic(lines):
            self.key = {calls: calls for calls in self.key}
            lines = list(self._lines())
        read = {line.source for line in lines}
        boxes: dict[Hashable, Box] = {
            at: Box(at, name, self.shown.of_input(spec), "parameter", str(spec.type))
            for at, (name, spec) in enumerate(self.inputs)
            if at in read
        }
        for row in self.rows:
            boxes.setdefault(self.key[row.calls], self._box(row))
        frames = [self._frame(at, row) for at, row in enumerate(self.frames.values())]
        return Drawing(title, tuple(boxes.values()), tuple(lines), tuple(frames), "", rankdir)

    def _key(self, row: Row) -> Hashable:
        """Calls of one layer share a box, unless models are drawn with what is inside."""
        return row.calls if self.frames else row.path

    def _box(self, row: Row) -> Box:
        weights = sum(one.size for one in flatten(row.params)[0])
        hint = f"{'/'.join(row.path)}: {weights:,} parameters"
        title, detail = self.shown.title(row), self.shown.detail(row)
        frame = row.calls[:-1] or None
        return Box(self.key[row.calls], title, detail, _family(row), hint, frame)

    def _frame(self, number: int, row: Row) -> Frame:
        return Frame(row.calls, self.shown.title(row), number, row.calls[:-1] or None)

    def _lines(self) -> Iterator[Line]:
        found = (
            Line(source, self.key[row.calls]) for row in self.rows for source in self._sources(row)
        )
        yield from dict.fromkeys(found)

    def _sources(self, row: Row) -> Iterator[Hashable]:
        """The keys of the calls, and the numbers of the inputs, that a call reads."""
        for node in _above([leaf._node for leaf in _values(row.taken)], self.made):
            if node in self.made:
                yield self.key[self.made[node]]
            elif node.is_parameter and node.attr("index") < len(self.inputs):
                yield node.attr("index")


def _above(start: Iterable[Node], ends: Container[Node]) -> Iterator[Node]:
    """The nodes that some depend on, down from these ends."""
    waiting, known = list(start)[::-1], set()
    while waiting:
        node = waiting.pop()
        if node in known:
            continue
        known.add(node)
        yield node
        if node not in ends:
            waiting.extend(reversed(node.inputs))


def _family(row: Row) -> str:
    """The kind of the heaviest operation of a layer."""
    taken = {leaf._node for leaf in _values(row.taken)}
    given = (leaf._node.inputs[0] for leaf in row.given)  # behind the copies
    found = {family(node) for node in _above(given, taken) if node not in taken}
    return next((one for one in _HEAVY if one in found), "movement")


def _is_acyclic(lines: Sequence[Line]) -> bool:
    needs: dict[Hashable, set[Hashable]] = {}
    for line in lines:
        needs.setdefault(line.target, set()).add(line.source)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError:
        return False
    return True


def _input_names(model: Any, specs: Sequence[Any]) -> list[str]:
    """What the inputs are called, or `input` with a number."""
    given = flatten(getattr(model, "inputs", None))[0]
    names = [getattr(one, "name", None) for one in given] or [None] * len(_specs(specs))
    return [name or (f"input_{at}" if at else "input") for at, name in enumerate(names)]


def _values(leaves: Sequence[Any]) -> list[Any]:
    return [leaf for leaf in leaves if hasattr(leaf, "_node")]


def _specs(tree: Any) -> list[Spec]:
    return [leaf for leaf in flatten(tree)[0] if isinstance(leaf, Spec)]


def _shapes(specs: Sequence[Spec]) -> str:
    return ", ".join(f"({', '.join(map(str, one.shape))})" for one in specs)
