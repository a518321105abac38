"""SymPy's expressions as functions of arrays, which can be traced, differentiated and compiled."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from symfuse.compiler.ir.location import user_location
from symfuse.runtime.errors import ArgumentError, UnsupportedError

from .. import linalg, special
from .. import numpy as snp
from ..staging.jit import jit

__all__ = ["from_sympy", "lambdify"]

Expression = Any  # SymPy's classes carry no types
Values = dict[Any, Any]

_NAMESPACES = (snp, special)
# SymPy's name to ours, where they differ.
_RENAMED = {
    "Abs": "abs", "asin": "asin", "acos": "acos", "atan": "atan", "atan2": "arctan2",
    "ceiling": "ceil", "loggamma": "gammaln", "lowergamma": "", "uppergamma": "",
    "re": "real", "im": "imag", "Determinant": "det", "Inverse": "inv",
}  # fmt: skip


def from_sympy(expr: Any, args: Any) -> Callable[..., Any]:
    """The function that computes an expression of SymPy from values of `args`.

    `args` is a symbol or a sequence of them: Symbol for numbers and arrays (element by element),
    MatrixSymbol for matrices, IndexedBase for arrays whose elements the expression names. `expr`
    may be a sequence or a Matrix of expressions. Common subexpressions are computed once. Raises
    ArgumentError for symbols that are no argument, UnsupportedError for functions without
    counterpart.

    >>> import sympy, symfuse as sf
    >>> x, y = sympy.symbols("x y")
    >>> f = sf.from_sympy(sympy.exp(x) * y**2, (x, y))
    >>> float(f(0.0, 3.0))
    9.0
    """
    import sympy

    given = _arguments(args)
    parts = list(expr) if isinstance(expr, list | tuple | sympy.Tuple) else None
    tree = sympy.sympify(expr) if parts is None else sympy.Tuple(*parts)
    _check_symbols(tree, given)
    steps, (body,) = _without_repetition(tree)

    def function(*values: Any) -> Any:
        if len(values) != len(given):
            raise ArgumentError(
                f"the expression takes {len(given)} arguments, got {len(values)}",
                fix=f"pass {', '.join(map(str, given))}",
                loc=user_location(),
            )
        known: Values = {}
        for symbol, value in zip(given, values, strict=True):
            _bind(known, symbol, value)
        for name, step in steps:
            known[name] = _value(step, known)
        found = _value(body, known)
        return list(found) if isinstance(expr, list) else found

    names = [str(symbol) for symbol in given]
    if all(name.isidentifier() for name in names) and len(set(names)) == len(names):
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(name, kind) for name in names]
        function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__name__ = "expression"
    function.__doc__ = f"{expr}"
    return function


def lambdify(args: Any, expr: Any, modules: Any = None, *, cse: bool = True) -> Callable[..., Any]:
    """The compiled function of an expression: `sympy.lambdify` by symfuse.

    It is compiled at the first call, for arrays as for numbers. `modules` is taken for the sake of
    the signature, and has to be None; common subexpressions are always computed once.

    >>> import numpy as np, sympy, symfuse as sf
    >>> x = sympy.Symbol("x")
    >>> sf.lambdify(x, x**2 + 1)(np.array([1.0, 2.0]))
    array([2., 5.])
    """
    if modules is not None:
        raise ArgumentError(
            f"modules={modules!r}: the functions are those of symfuse",
            fix="leave modules out",
            loc=user_location(),
        )
    found: Callable[..., Any] = jit(from_sympy(expr, args))
    return found


def _arguments(args: Any) -> tuple[Any, ...]:
    """The arguments, each a symbol or a nested sequence of them."""
    if isinstance(args, Sequence) and not isinstance(args, str):
        return tuple(_arguments(one) if _is_sequence(one) else one for one in args)
    return (args,)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _bind(known: Values, symbol: Any, value: Any) -> None:
    if not isinstance(symbol, tuple):
        known[symbol] = value
        return
    for one, part in zip(symbol, value, strict=True):
        _bind(known, one, part)


def _flat(symbols: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for symbol in symbols:
        found += _flat(symbol) if isinstance(symbol, tuple) else [symbol]
    return found


def _check_symbols(tree: Expression, given: Sequence[Any]) -> None:
    known = set(map(str, _flat(given)))
    names = {str(symbol).partition("[")[0] for symbol in tree.free_symbols}
    missing = sorted(names - known)
    if missing:
        raise ArgumentError(
            f"the expression has the symbols {', '.join(missing)}, which no argument gives",
            fix=f"add them to the arguments ({', '.join(sorted(known))})",
            loc=user_location(),
        )


def _without_repetition(tree: Expression) -> Any:
    import sympy

    if isinstance(tree, sympy.MatrixExpr | sympy.NDimArray):
        return [], (tree,)
    if isinstance(tree, sympy.Tuple):
        steps, parts = sympy.cse(list(tree))
        return steps, (sympy.Tuple(*parts),)
    return sympy.cse(tree)


def _value(e: Expression, known: Mapping[Any, Any]) -> Any:
    """The value of an expression, given those of its symbols."""
    if e in known:
        return known[e]
    kind = type(e).__name__
    if getattr(e, "is_Symbol", False):  # the same name with other assumptions
        return next(value for symbol, value in known.items() if str(symbol) == str(e))
    if getattr(e, "is_number", False) and not getattr(e, "is_Matrix", False):
        return _number(e)
    rule = _RULES.get(kind)
    if rule is not None:
        return rule(e, known)
    return _named(kind, e)(*(_value(arg, known) for arg in e.args))


def _number(e: Expression) -> Any:
    if e.is_integer:
        return int(e)
    if e.is_extended_real is False:
        return complex(e)
    return float(e)


def _named(kind: str, e: Expression) -> Callable[..., Any]:
    """The function of the same meaning."""
    name = _RENAMED.get(kind, kind)
    for namespace in _NAMESPACES:
        if name and name in namespace.__all__:
            return getattr(namespace, name)  # type: ignore[no-any-return]
    raise UnsupportedError(
        f"{kind} in {e} has no counterpart in symfuse",
        fix="rewrite it with SymPy first, as by expr.rewrite(...) or expr.doit()",
        loc=user_location(),
    )


def _fold(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def folded(e: Expression, known: Mapping[Any, Any]) -> Any:
        return reduce(function, (_value(arg, known) for arg in e.args))

    return folded


def _product(e: Expression, known: Mapping[Any, Any]) -> Any:
    """Factors with negative exponents become one divisor."""
    over, under = e.as_numer_denom()
    if under.is_number or over == e:
        return _fold(operator.mul)(e, known)
    return _value(over, known) / _value(under, known)


def _power(e: Expression, known: Mapping[Any, Any]) -> Any:
    base, exponent = _value(e.base, known), e.exp
    if exponent == -1:
        return 1.0 / base
    if exponent.is_Rational and exponent.q == 2 and abs(exponent.p) == 1:
        root = snp.sqrt(base)
        return root if exponent.p > 0 else 1.0 / root
    if exponent.is_Integer and int(exponent) < 0:
        return 1.0 / base ** -int(exponent)
    return base ** _value(exponent, known)


def _compared(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda e, known: function(_value(e.lhs, known), _value(e.rhs, known))


def _piecewise(e: Expression, known: Mapping[Any, Any]) -> Any:
    *others, (last, condition) = e.args
    value = _value(last, known)
    if condition != True:  # noqa: E712  (SymPy's own truth)
        value = snp.where(_value(condition, known), value, np.nan)
    for part, chosen in reversed(others):
        value = snp.where(_value(chosen, known), _value(part, known), value)
    return value


def _bessel(e: Expression, known: Mapping[Any, Any]) -> Any:
    order = e.args[0]
    if order not in (0, 1):
        raise UnsupportedError(
            f"{e}: only the orders 0 and 1 are known", fix="", loc=user_location()
        )
    return (special.i0, special.i1)[int(order)](_value(e.args[1], known))


def _polygamma(e: Expression, known: Mapping[Any, Any]) -> Any:
    return special.polygamma(int(e.args[0]), _value(e.args[1], known))


def _array(e: Expression, known: Mapping[Any, Any]) -> Any:
    """A Matrix or Array of expressions; elements are numbers or arrays of one shape."""
    shape = tuple(map(int, e.shape))
    elements = [snp.asarray(_value(one, known)) for one in np.ravel(np.array(e.tolist()))]
    stacked = snp.stack(list(snp.broadcast_arrays(*elements)), axis=0)
    return snp.reshape(stacked, (*shape, *stacked.shape[1:]))


def _each(e: Expression, known: Mapping[Any, Any]) -> Any:
    return tuple(_value(one, known) for one in e.args)


def _element(e: Expression, known: Mapping[Any, Any]) -> Any:
    return _value(e.base, known)[tuple(_value(i, known) for i in e.indices)]


def _matrix_element(e: Expression, known: Mapping[Any, Any]) -> Any:
    return _value(e.parent, known)[int(e.i), int(e.j)]


def _exponential(e: Expression, known: Mapping[Any, Any]) -> Any:
    return snp.exp(_value(e.args[0], known))


_RULES: dict[str, Callable[..., Any]] = {
    "Add": _fold(operator.add),
    "Mul": _product,
    "Pow": _power,
    "exp": _exponential,
    "Piecewise": _piecewise,
    "Max": _fold(snp.maximum),
    "Min": _fold(snp.minimum),
    "Mod": _fold(operator.mod),
    "And": _fold(snp.logical_and),
    "Or": _fold(snp.logical_or),
    "Xor": _fold(snp.logical_xor),
    "Not": lambda e, known: snp.logical_not(_value(e.args[0], known)),
    "BooleanTrue": lambda e, known: True,
    "BooleanFalse": lambda e, known: False,
    "StrictLessThan": _compared(operator.lt),
    "LessThan": _compared(operator.le),
    "StrictGreaterThan": _compared(operator.gt),
    "GreaterThan": _compared(operator.ge),
    "Equality": _compared(operator.eq),
    "Unequality": _compared(operator.ne),
    "cot": lambda e, known: 1.0 / snp.tan(_value(e.args[0], known)),
    "sec": lambda e, known: 1.0 / snp.cos(_value(e.args[0], known)),
    "csc": lambda e, known: 1.0 / snp.sin(_value(e.args[0], known)),
    "Heaviside": lambda e, known: snp.heaviside(*(_value(arg, known) for arg in e.args)),
    "besseli": _bessel,
    "polygamma": _polygamma,
    "Tuple": _each,
    "ImmutableDenseMatrix": _array,
    "MutableDenseMatrix": _array,
    "ImmutableDenseNDimArray": _array,
    "Indexed": _element,
    "MatrixElement": _matrix_element,
    "MatAdd": _fold(operator.add),
    "MatMul": _fold(lambda x, y: x @ y if snp.ndim(x) and snp.ndim(y) else x * y),
    "HadamardProduct": _fold(operator.mul),
    "Transpose": lambda e, known: _value(e.arg, known).mT,
    "Inverse": lambda e, known: linalg.inv(_value(e.arg, known)),
    "Determinant": lambda e, known: linalg.det(_value(e.arg, known)),
    "Trace": lambda e, known: snp.trace(_value(e.arg, known)),
    "MatPow": lambda e, known: linalg.matrix_power(_value(e.base, known), int(e.exp)),
}
