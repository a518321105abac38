"""For developers: `python -m symfuse.compiler.ops.derive softplus` prints an operation's partials.

SymPy derives them from the formula, and through the value `out` where that makes them shorter.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from symfuse.runtime.errors import ArgumentError

from ..ir.op import Op, operations
from . import __all__ as names

__all__ = [
    "attributes",
    "composition",
    "derivatives",
    "formula",
    "main",
    "through_out",
    "variables",
]

Expression = Any  # SymPy's classes carry no types

_SPELLED = {"Abs": "abs", "Max": "maximum", "Min": "minimum", "ceiling": "ceil"}


def variables(op: Op) -> tuple[Expression, ...]:
    """The operands as real numbers x, y, z."""
    import sympy

    assert op.body is not None
    count = op.body.__code__.co_argcount - 1
    return tuple(sympy.Symbol(name, real=True) for name in "xyz"[:count])


def formula(op: Op) -> Expression:
    """The formula of an operation as SymPy reads it."""
    import sympy

    if not op.formula:
        raise ArgumentError(f"{op} has no formula", fix="name an elementwise operation")
    names: dict[str, Any] = {v.name: v for v in variables(op)}
    return sympy.sympify(op.formula, locals={**attributes(op), **names})


def attributes(op: Op) -> dict[str, Any]:
    """The values of attributes that a call may leave out."""
    parameters = inspect.signature(op.result_type).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def derivatives(op: Op) -> tuple[Expression, ...]:
    """The partial derivatives wherever there are any: steps are flat, corners are left out."""
    import sympy

    written = formula(op)
    found = (sympy.diff(written, v) for v in variables(op))
    return tuple(d.replace(_has_no_slope, lambda step: sympy.S.Zero) for d in found)


def through_out(derivative: Expression, op: Op) -> Expression:
    """The shortest way to write a derivative, given the value of the operation as `out`."""
    candidates = [derivative, *_rewritten(derivative, op)]
    return min(candidates, key=lambda e: (e.count_ops(), len(str(e))))


def composition(expression: Expression) -> str:
    """An expression as a composition of operations, in Python."""
    head = expression.func.__name__
    if not expression.args:
        is_plain = expression.is_Integer or not expression.is_number
        return str(expression) if is_plain else str(float(expression))
    if head == "Add":
        return _sum(expression.args)
    if head == "Mul":
        return _product(expression)
    if head == "Pow":
        return _power(*expression.args)
    if head == "Heaviside":
        return f"greater({composition(expression.args[0])}, 0)"
    inner = ", ".join(composition(arg) for arg in expression.args)
    name = _SPELLED.get(head, head)
    return f"{name}({inner})" if name in names else f"[no operation {name}]({inner})"


def main(arguments: Sequence[str]) -> int:
    """Print the partials of the operations named."""
    for name in arguments:
        if name not in operations:
            print(f"no operation is called {name}", file=sys.stderr)
            return 2
        op = operations[name]
        shown = ", ".join(composition(through_out(d, op)) for d in derivatives(op))
        given = ", ".join(v.name for v in variables(op))
        print(f"partials=lambda {given}, out: ({shown},),")
    return 0


def _has_no_slope(expression: Expression) -> bool:
    return expression.func.__name__ in ("Derivative", "Subs", "DiracDelta")


def _rewritten(derivative: Expression, op: Op) -> Iterator[Expression]:
    """The derivative simplified, and with any part of the formula expressed by the value."""
    import sympy

    written, out = formula(op), sympy.Symbol("out", real=True)
    yield sympy.simplify(derivative)
    yield derivative.subs(written, out)
    for part in written.atoms(sympy.Function, sympy.Pow):
        for solution in _solutions(written - out, part):
            yield sympy.simplify(derivative.subs(part, solution).subs(written, out))


def _solutions(equation: Expression, part: Expression) -> Sequence[Expression]:
    import sympy

    hidden = sympy.Dummy(positive=True)
    unknown = equation.subs(part, hidden)
    try:
        found: Sequence[Expression] = sympy.solve(unknown, hidden)
    except NotImplementedError:
        return ()
    return found


def _sum(terms: Sequence[Expression]) -> str:
    """Terms to be subtracted come behind the others."""
    ordered = sorted(terms, key=lambda term: bool(term.could_extract_minus_sign()))
    text = composition(ordered[0])
    for term in ordered[1:]:
        minus = term.could_extract_minus_sign()
        text += f" - {composition(-term)}" if minus else f" + {composition(term)}"
    return text


def _product(expression: Expression) -> str:
    if expression.could_extract_minus_sign():
        return f"-{composition(-expression)}"
    factors = (f"({composition(f)})" if f.is_Add else composition(f) for f in expression.args)
    return " * ".join(factors)


def _power(base: Expression, exponent: Expression) -> str:
    import sympy

    known = {-1: "reciprocal", 2: "square", sympy.S.Half: "sqrt", -sympy.S.Half: "rsqrt"}
    if exponent in known:
        return f"{known[exponent]}({composition(base)})"
    if exponent == -2:
        return f"square(reciprocal({composition(base)}))"
    return f"power({composition(base)}, {composition(exponent)})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
