"""Graphs as LaTeX: aligned equations of named values, and what the names stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from msgspec import Struct

from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.node import Literal, Node
from symfuse.compiler.ir.types import TensorType

from .expressing import formula_of, has_formula, number, symbol

__all__ = ["to_latex"]

_BASES = ("square", "power", "sqrt", "rsqrt", "cbrt", "reciprocal")
_LONG = 90  # characters from which a formula is given a name of its own
_UNSEEN = ("after", "broadcast", "convert", "copy", "stop_gradient")
_SETS = {"b": r"\{0, 1\}", "i": r"\mathbb{Z}", "u": r"\mathbb{N}", "c": r"\mathbb{C}"}
_INDICES = "ijklmnpqrst"


class Text(Struct, frozen=True):
    """A formula: as an expression where it is one of elements, and how tightly it binds."""

    latex: str
    binds: str = "atom"  # or "product", "sum"
    expression: Any = None

    @property
    def factor(self) -> str:
        """The formula as it stands beside indices, exponents and other factors."""
        return self.latex if self.binds == "atom" else rf"\left({self.latex}\right)"

    def at(self, indices: Sequence[str]) -> str:
        """An element, by its indices; a scalar has none."""
        if not indices:
            return self.factor
        return f"{{{self.factor}}}_{{{' '.join(indices)}}}"

    def operand(self, is_base: bool, node: Node) -> Any:
        """The formula as part of an expression of SymPy, which knows what binds how."""
        if self.expression is not None:
            return self.expression
        bare = self.binds == "atom" or (self.binds == "product" and not is_base)
        return symbol(node, self.latex if bare else self.factor, _typeset_symbol())


@cache
def _typeset_symbol() -> Any:
    """Symbols whose name is LaTeX."""
    import sympy

    class Typeset(sympy.Symbol):  # type: ignore[misc]
        def _latex(self, printer: Any) -> str:
            return str(self.name)

    return Typeset


def to_latex(graph: ir.Graph) -> str:
    """Aligned equations: one for each value that has a name, is used twice, or would be long.

    Parameters keep the user's names, and so do variables; other values are v₁, v₂, ... The last
    line says of which sets the parameters are.
    """
    return _Typesetter(graph).latex()


class _Typesetter:
    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.uses = Counter(x for node in graph.nodes for x in node.inputs)
        self.texts: dict[Node, Text] = {}
        self.taken: set[str] = set()
        self.lines: list[str] = []
        self.names: set[str] = set()  # as LaTeX
        self.unnamed = 0

    def latex(self) -> str:
        for parameter, name in zip(self.graph.parameters, _names(self.graph), strict=True):
            self.texts[parameter] = Text(_symbol(self._free(name)))
            self.names.add(self.texts[parameter].latex)
        for node in self.graph.nodes:
            if node.op.name.startswith("debug_"):
                self.texts[node] = Text("")
            elif node not in self.texts:
                self.texts[node] = self._named(node, self._formula(node))
        for at, output in enumerate(self.graph.outputs):
            self._show_output(output, at)
        rows = " \\\\\n".join((*self.lines, *self._where()))
        return f"\\begin{{aligned}}\n{rows}\n\\end{{aligned}}"

    def _show_output(self, output: Node, at: int) -> None:
        text = self.texts[output].latex
        if any(line.startswith(f"{text} &=") for line in self.lines):
            return
        count = len(self.graph.outputs)
        head = rf"\operatorname{{{_plain(self.graph.name)}}}" + (
            f"_{{{at + 1}}}" if count > 1 else ""
        )
        self.lines.append(f"{head} &= {text}")

    def _where(self) -> Iterator[str]:
        members = [rf"{self.texts[p].latex} \in {_space(p.type)}" for p in self.graph.parameters]
        if members:
            yield rf"&\text{{where }} {', '.join(members)}"

    def _named(self, node: Node, text: Text) -> Text:
        """A name for a value that is worth one, with its equation; else its formula."""
        if node.is_constant or node.op.name in _UNSEEN or text.latex in self.names:
            return text
        variable = node.source.variable()
        is_output = node in self.graph.outputs
        shared = self.uses[node] > 1 and text.binds != "atom"
        if not (shared or len(text.latex) > _LONG or (variable and (self.uses[node] or is_output))):
            return text
        name = Text(_symbol(self._free(variable or self._next())))
        self.names.add(name.latex)
        self.lines.append(f"{name.latex} &= {text.latex}")
        return name

    def _next(self) -> str:
        self.unnamed += 1
        return f"v{self.unnamed}"

    def _free(self, name: str) -> str:
        """A name that nothing has yet: primes tell values of one variable apart."""
        while name in self.taken:
            name += "'"
        self.taken.add(name)
        return name

    def _formula(self, node: Node) -> Text:
        operands = [self.texts[x] for x in node.inputs]
        if node.is_constant:
            return _constant(node)
        rule = _RULES.get(node.op.name)
        if rule is not None:
            found: Text = rule(node, *operands)
            return found
        if node.op.name in _UNSEEN:
            return operands[0]
        if has_formula(node):
            return _elementwise(node, operands)
        return _call(node, operands)


def _elementwise(node: Node, operands: list[Text]) -> Text:
    is_base = node.op.name in _BASES
    pairs = zip(operands, node.inputs, strict=True)
    return _expression(formula_of(node, [one.operand(is_base, source) for one, source in pairs]))


def _expression(e: Any) -> Text:
    import sympy

    loose = e.is_Add or e.is_Relational or isinstance(e, sympy.Piecewise)
    tight = (
        e.is_Symbol or (e.is_Function and not isinstance(e, sympy.exp)) or (e.is_Integer and e >= 0)
    )
    return Text(sympy.latex(e), "sum" if loose else "atom" if tight else "product", e)


def _constant(node: Node) -> Text:
    import sympy

    value = node.attr("value")
    if not isinstance(value, Literal):
        return _expression(number(value))
    if value.array().size > 16 or len(value.shape) > 2:
        return Text(rf"\mathrm{{const}}_{{{_sizes(node.type)}}}")
    return Text(sympy.latex(sympy.Matrix(value.array().tolist())))


def _call(node: Node, operands: list[Text]) -> Text:
    given = ", ".join(operand.latex for operand in operands)
    return Text(rf"\operatorname{{{_plain(node.op.name)}}}\left({given}\right)")


def _reduction(sign: str) -> Callable[..., Text]:
    def reduced(node: Node, x: Text) -> Text:
        rank, axes = node.inputs[0].rank, node.attr("axes")
        indices = _INDICES[:rank]
        under = ", ".join(indices[a] for a in axes)
        element = x.at(indices)
        return Text(rf"{sign}_{{{under}}} {element}", "sum")

    return reduced


def _product(node: Node, x: Text, y: Text) -> Text:
    """Products of vectors and matrices as such, all others as sums over indices."""
    (bx, _), (cx, cy) = node.attr("batch"), node.attr("contracting")
    ranks = tuple(operand.rank for operand in node.inputs)
    if not cx and min(ranks) == 0:
        return Text(f"{x.factor} {y.factor}", "product")
    if not bx and not cx and ranks == (1, 1):
        return Text(rf"{x.factor} {y.factor}^{{\top}}", "product")
    if bx or len(cx) != 1 or max(ranks) > 2:
        return _einstein(node, x, y)
    if ranks == (1, 1):
        return Text(rf"\left\langle {x.latex}, {y.latex} \right\rangle")
    left = x.factor if cx[0] == ranks[0] - 1 else rf"{x.factor}^{{\top}}"
    right = y.factor if cy[0] == 0 else rf"{y.factor}^{{\top}}"
    if ranks[0] == 1 and ranks[1] == 2:
        left = rf"{x.factor}^{{\top}}"
    return Text(f"{left} {right}", "product")


def _einstein(node: Node, x: Text, y: Text) -> Text:
    (bx, by), (cx, cy) = node.attr("batch"), node.attr("contracting")
    letters = iter(_INDICES)
    left = [next(letters) for _ in range(node.inputs[0].rank)]
    right = [""] * node.inputs[1].rank
    for one, other in (*zip(bx, by, strict=True), *zip(cx, cy, strict=True)):
        right[other] = left[one]
    right = [letter or next(letters) for letter in right]
    under = ", ".join(left[a] for a in cx)
    factors = f"{x.at(left)} {y.at(right)}"
    return Text(rf"\sum_{{{under}}} {factors}" if under else factors, "sum")


def _transposed(node: Node, x: Text) -> Text:
    axes = node.attr("axes")
    if axes == tuple(sorted(axes)):
        return x
    if len(axes) == 2:
        return Text(rf"{x.factor}^{{\top}}")
    return Text(rf"{x.factor}^{{\top({', '.join(map(str, axes))})}}")


def _sliced(node: Node, x: Text) -> Text:
    if node.inputs[0].op.name == "iota" and node.shape == (1,):
        return Text(str(node.attr("starts")[0]))  # a size as a number
    parts = zip(node.attr("starts"), node.attr("stops"), node.attr("steps"), strict=True)
    shown = [f"{a}:{b}" + (f":{step}" if step != 1 else "") for a, b, step in parts]
    return Text(x.at([f"[{', '.join(shown)}]"]))


def _reshaped(node: Node, x: Text) -> Text:
    """Axes of size 1 come and go unseen."""
    before, after = ([n for n in t.shape if n != 1] for t in (node.inputs[0].type, node.type))
    if before == after:
        return x
    sizes = ", ".join(map(str, node.shape))
    return Text(rf"\operatorname{{reshape}}_{{({sizes})}}\left({x.latex}\right)")


def _joined(node: Node, *parts: Text) -> Text:
    return Text(rf"\left[{', '.join(part.latex for part in parts)}\right]_{{{node.attr('axis')}}}")


def _taken(node: Node, x: Text, indices: Text) -> Text:
    return Text(x.at([f"[{indices.latex}]"]))


_RULES: dict[str, Callable[..., Text]] = {
    "reduce_sum": _reduction(r"\sum"),
    "reduce_prod": _reduction(r"\prod"),
    "reduce_max": _reduction(r"\max"),
    "reduce_min": _reduction(r"\min"),
    "contract": _product,
    "transpose": _transposed,
    "slice": _sliced,
    "reshape": _reshaped,
    "concatenate": _joined,
    "take": _taken,
}


def _names(graph: ir.Graph) -> list[str]:
    """The users' names of parameters, without the containers they are in where that is enough."""
    full = [p.source.variable() or f"x{at}" for at, p in enumerate(graph.parameters)]
    short = [name.rpartition("[")[2].rpartition(".")[2].strip("]'\"") for name in full]
    names = Counter(short)
    return [
        part if names[part] == 1 and part.isidentifier() else name
        for name, part in zip(full, short, strict=True)
    ]


def _space(type_: TensorType) -> str:
    """The set that values of a type are elements of."""
    kind = "c" if type_.dtype.is_complex else type_.dtype.numpy.kind
    field = _SETS.get(kind, r"\mathbb{R}")
    return f"{field}^{{{_sizes(type_)}}}" if type_.shape else field


def _sizes(type_: TensorType) -> str:
    return r" \times ".join(map(str, type_.shape))


def _symbol(name: str) -> str:
    """A variable's name: Greek letters by their names, a number at the end as an index."""
    import sympy

    stem = name.rstrip("'")
    plain = stem.replace("[", "_").replace("]", "").replace("'", "").replace(".", "_")
    stem, _, rest = plain.partition("_")
    shown = sympy.latex(sympy.Symbol(stem)) if stem else rest
    if len(stem) > 1 and shown == stem:
        shown = rf"\mathit{{{stem}}}"
    if stem and rest:
        shown += rf"_{{\mathit{{{_plain(rest)}}}}}" if len(rest) > 1 else f"_{{{rest}}}"
    return shown + "'" * name[len(name.rstrip("'")) :].count("'")


def _plain(name: str) -> str:
    return name.replace("_", r"\_")
