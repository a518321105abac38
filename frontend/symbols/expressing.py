"""Graphs as expressions of SymPy: the graph is computed on symbols instead of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from symfuse.compiler.ir import graph as ir
from symfuse.compiler.ir.location import user_location
from symfuse.compiler.ir.node import Literal, Node
from symfuse.compiler.ir.types import TensorType
from symfuse.compiler.ops.derive import attributes
from symfuse.runtime.errors import ShapeError, UnsupportedError

__all__ = ["expressed", "formula_of", "has_formula", "symbol", "to_sympy"]

Expression = Any  # SymPy's classes carry no types
Array = np.ndarray[Any, Any]
LARGEST = 256  # elements of an argument that become symbols of their own
_FINEST = 1 << 20  # greatest denominator that is shown as a fraction

_PARTS = {"conjugate": "conjugate(x)", "imag": "im(x)", "real": "re(x)", "complex": "x + I*y"}
_TRANSPARENT = ("stop_gradient", "copy", "positive")
_AS_IN_NUMPY = ("transpose", "reshape", "reverse", "slice", "broadcast", "concatenate")


def to_sympy(graph: ir.Graph) -> Expression:
    """The outputs of a graph as expressions in its parameters; a tuple where there are several.

    Scalars are symbols. Where every operation works on single elements and the sizes are open or
    great, so are arrays: the expression is that of one element. Otherwise arrays are given by
    their elements, x[0], x[1], ..., and results of rank one and more are Arrays. Raises
    UnsupportedError for loops and operations without a formula, ShapeError for great arrays.
    """
    names = _names(graph)
    if any(p.shape for p in graph.parameters) and not _is_pointwise(graph):
        values = {p: _elements(p, name) for p, name in names.items()}
    else:
        values = {p: np.array(symbol(p, name)) for p, name in names.items()}
    found = [_shown(one) for one in expressed(graph, values)]
    return found[0] if len(found) == 1 else tuple(found)


def expressed(graph: ir.Graph, values: Mapping[Node, Array]) -> list[Array]:
    """The outputs as arrays of expressions, given those of the parameters."""
    known = dict(values)
    for node in graph.nodes:
        if node not in known:
            known[node] = _computed(node, [known[x] for x in node.inputs])
    return [known[output] for output in graph.outputs]


def symbol(node: Node, name: str, kind: Any = None) -> Expression:
    """A symbol for a value, real unless the value is complex; of a class of symbols or SymPy's."""
    import sympy

    return (kind or sympy.Symbol)(name, **_assumptions(node))


def _assumptions(node: Node) -> dict[str, bool]:
    return {"complex": True} if node.dtype.is_complex else {"real": True}


def has_formula(node: Node) -> bool:
    """Whether `formula_of` gives one."""
    return node.op.name in _PARTS or (node.op.body is not None and bool(node.op.formula))


def formula_of(node: Node, operands: Sequence[Expression]) -> Expression:
    """The formula of an elementwise operation in expressions for its operands."""
    import sympy

    if node.op.name in _TRANSPARENT:
        return operands[0]
    if node.op.name == "convert":
        return _converted(node, operands[0])
    formula = _PARTS.get(node.op.name, node.op.formula)
    if not formula:
        raise _no_expression(node)
    names = dict(zip("xyz", operands, strict=False))
    attrs = {**attributes(node.op), **node.attrs}
    pairs = zip(names, node.inputs, strict=True)
    symbols = {name: sympy.Dummy(name, **_assumptions(source)) for name, source in pairs}
    written = sympy.sympify(formula, locals={**attrs, **symbols})
    return written.xreplace({symbols[name]: operand for name, operand in names.items()})


def _converted(node: Node, x: Expression) -> Expression:
    """Truth values as 0 and 1, numbers without their fraction where the type has none."""
    import sympy

    source, target = node.inputs[0].dtype, node.dtype
    if source.is_bool and not target.is_bool:
        return sympy.Piecewise((sympy.S.One, x), (sympy.S.Zero, True))
    if target.is_bool and not source.is_bool:
        return sympy.Ne(x, 0)
    if source.is_float and target.is_integer:
        return sympy.sign(x) * sympy.floor(sympy.Abs(x))
    return x


def number(value: Any) -> Expression:
    """A number as exactly as it was written: whole, a short fraction, or a decimal."""
    import sympy

    if isinstance(value, bool | np.bool_):
        return sympy.true if value else sympy.false
    if isinstance(value, int | np.integer):
        return sympy.Integer(int(value))
    if isinstance(value, complex):
        return number(value.real) + sympy.I * number(value.imag)
    if not np.isfinite(value):
        return sympy.nan if np.isnan(value) else sympy.oo * int(np.sign(value))
    exact = Fraction(float(value))
    if exact.denominator <= _FINEST:
        return sympy.Rational(exact.numerator, exact.denominator)
    return sympy.Float(float(value))


def _names(graph: ir.Graph) -> dict[Node, str]:
    """A name for each parameter; those that a function was written with, each once."""
    found: dict[Node, str] = {}
    for at, parameter in enumerate(graph.parameters):
        name = parameter.source.variable() or f"x{at}"
        found[parameter] = f"{name}_{at}" if name in found.values() else name
    return found


def _is_pointwise(graph: ir.Graph) -> bool:
    """Whether arrays have one shape, every operation is one of elements, and they do not fit."""
    shapes = {p.shape for p in graph.parameters if p.shape}
    maps = all(
        n.op.body is not None or n.op.name in ("parameter", "constant", "broadcast")
        for n in graph.nodes
    )
    large = any(_few(p.type) is None for p in graph.parameters)
    spread = all(not n.inputs[0].shape for n in graph.nodes if n.op.name == "broadcast")
    return maps and large and spread and len(shapes) == 1


def _few(type_: TensorType) -> tuple[int, ...] | None:
    """The sizes of an array whose elements can be written one by one."""
    sizes = tuple(size for size in type_.shape if isinstance(size, int))
    return sizes if len(sizes) == len(type_.shape) and np.prod(sizes) <= LARGEST else None


def _elements(parameter: Node, name: str) -> Array:
    import sympy

    if not parameter.shape:
        return np.array(symbol(parameter, name))
    shape = _few(parameter.type)
    if shape is None:
        raise ShapeError(
            f"{name}: {parameter.type} has no elements that can be written one by one",
            fix=f"trace for a small size, of at most {LARGEST} elements",
            loc=user_location(),
        )
    base, found = sympy.IndexedBase(name, **_assumptions(parameter)), np.empty(shape, dtype=object)
    for index in np.ndindex(*found.shape):
        found[index] = base[index]
    return found


def _computed(node: Node, operands: list[Array]) -> Array:
    if node.is_constant:
        return _constant(node)
    if node.op.body is not None or node.op.name in _PARTS:
        return _mapped(node, operands)
    rule = _RULES.get(node.op.name)
    if rule is not None:
        return np.asarray(rule(node, *operands), object)
    if node.op.name in _AS_IN_NUMPY:
        if node.op.name == "broadcast" and not _is_static(node):
            return operands[0]
        return np.asarray(node.op.reference(*operands, **node.attrs), object)
    raise _no_expression(node)


def _is_static(node: Node) -> bool:
    return node.type.is_static


def _constant(node: Node) -> Array:
    value = node.attr("value")
    given = value.array() if isinstance(value, Literal) else np.array(value)
    found = np.empty(given.shape, object)
    for index in np.ndindex(*given.shape):
        found[index] = number(given[index].item())
    return found


def _mapped(node: Node, operands: list[Array]) -> Array:
    arrays = np.broadcast_arrays(*operands)
    found = np.empty(arrays[0].shape, object)
    for index in np.ndindex(*found.shape):
        found[index] = formula_of(node, [array[index] for array in arrays])
    return found


def _folded(function: Callable[..., Any]) -> Callable[..., Any]:
    def fold(node: Node, x: Array) -> Any:
        axes = tuple(node.attr("axes"))
        kept = [a for a in range(x.ndim) if a not in axes]
        rows = np.transpose(x, (*kept, *axes)).reshape(*(x.shape[a] for a in kept), -1)
        found = np.empty(rows.shape[:-1], object)
        for index in np.ndindex(*found.shape):
            found[index] = function(*rows[index])
        return found

    return fold


def _contracted(node: Node, x: Array, y: Array) -> Any:
    (bx, by), (cx, cy) = node.attr("batch"), node.attr("contracting")
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    left = [next(letters) for _ in range(x.ndim)]
    right = [next(letters) for _ in range(y.ndim)]
    for one, other in (*zip(bx, by, strict=True), *zip(cx, cy, strict=True)):
        right[other] = left[one]
    out = [left[a] for a in bx]
    out += [left[a] for a in range(x.ndim) if a not in (*bx, *cx)]
    out += [right[a] for a in range(y.ndim) if a not in (*by, *cy)]
    return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", x, y)


def _padded(node: Node, x: Array) -> Any:
    value = number(node.attr("value"))
    places = np.arange(x.size).reshape(x.shape)
    indices = node.op.reference(places, **{**node.attrs, "value": -1})
    flat = np.append(x.reshape(-1), value)
    return flat[indices]


def _counted(node: Node) -> Any:
    found = np.asarray(node.op.reference(**node.attrs))
    return np.vectorize(number, otypes=[object])(found) if found.size else found


def _sum(*terms: Any) -> Any:
    import sympy

    return sympy.Add(*terms)


def _product(*factors: Any) -> Any:
    import sympy

    return sympy.Mul(*factors)


def _greatest(*terms: Any) -> Any:
    import sympy

    return sympy.Max(*terms)


def _least(*terms: Any) -> Any:
    import sympy

    return sympy.Min(*terms)


def _token(node: Node, *operands: Array) -> Any:
    return np.array(0, object)


_RULES: dict[str, Callable[..., Any]] = {
    "after": lambda node, x, token: x,
    "debug_check": _token,
    "debug_order": _token,
    "debug_print": _token,
    "reduce_sum": _folded(_sum),
    "reduce_prod": _folded(_product),
    "reduce_max": _folded(_greatest),
    "reduce_min": _folded(_least),
    "contract": _contracted,
    "pad": _padded,
    "iota": _counted,
}


def _shown(values: Array) -> Expression:
    """One expression, or an Array of them."""
    import sympy

    if not values.shape:
        return values[()]
    return sympy.ImmutableDenseNDimArray(values.reshape(-1).tolist(), values.shape)


def _no_expression(node: Node) -> UnsupportedError:
    return UnsupportedError(
        f"{node.op} has no expression in SymPy",
        fix="graph.to_latex() typesets every graph",
        loc=node.source.loc or user_location(),
    )
