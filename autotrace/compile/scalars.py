"""Programs of float64 scalars, run on Python's floats and ``math``: ten times as fast as NumPy's scalars.

What NumPy would do otherwise is left to NumPy. Where ``math`` or Python raises (log of zero, a division by
zero, an overflow), or a number that is not finite could have been swallowed, the whole program runs again on
NumPy and gives its infinities, NaN and warnings. So a result differs from NumPy's by rounding at most.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import GuardError
from ..ir import Atom, Equation, Jaxpr, Literal, Var
from ..primitives.arithmetic import IntegerPow
from ..primitives.comparison import Select
from ..primitives.promotion import Convert
from ..tracing import Guard, StopGradient

__all__ = ["generate_scalar", "is_scalar_program"]

_FLOAT, _BOOL = np.dtype(np.float64), np.dtype(np.bool_)

# What each implementation is on floats. In the first table an operand that is not finite makes the result
# not finite, so that it need not be looked at before the end; in the others it may be swallowed. Those two are of
# numbers, the third is of either kind, and the last of truths.
_KEEPING: dict[Any, str] = {
    operator.add: "{} + {}",
    operator.sub: "{} - {}",
    operator.mul: "{} * {}",
    operator.neg: "-{}",
    operator.pos: "{}",
    np.absolute: "abs({})",
    np.square: "{0} * {0}",
    np.sqrt: "sqrt({})",
    np.deg2rad: "radians({})",
    np.rad2deg: "degrees({})",
    np.sin: "sin({})",
    np.cos: "cos({})",
    np.tan: "tan({})",
    np.arcsin: "asin({})",
    np.arccos: "acos({})",
    np.arcsinh: "asinh({})",
    np.arccosh: "acosh({})",
    np.arctanh: "atanh({})",
    np.sinh: "sinh({})",
    np.cosh: "cosh({})",
    np.log: "log({})",
    np.log2: "log2({})",
    np.log10: "log10({})",
    np.log1p: "log1p({})",
}
_SWALLOWING: dict[Any, str] = {
    operator.truediv: "{} / {}",
    np.reciprocal: "1.0 / {}",
    operator.pow: "pow({}, {})",
    np.exp: "exp({})",
    np.expm1: "expm1({})",
    np.tanh: "tanh({})",
    np.arctan: "atan({})",
    np.arctan2: "atan2({}, {})",
    np.hypot: "hypot({}, {})",
    np.maximum: "({0} if {0} >= {1} or {0} != {0} else {1})",
    np.minimum: "({0} if {0} <= {1} or {0} != {0} else {1})",
}
_TRUTHS: dict[Any, str] = {
    operator.lt: "{} < {}",
    operator.le: "{} <= {}",
    operator.gt: "{} > {}",
    operator.ge: "{} >= {}",
    operator.eq: "{} == {}",
    operator.ne: "{} != {}",
}
_OF_TRUTHS: dict[Any, str] = {
    np.logical_and: "({} and {})",
    np.logical_or: "({} or {})",
    np.logical_not: "not {}",
}
_MATH = (
    "acos acosh asin asinh atan atan2 atanh cos cosh degrees exp expm1 hypot isfinite log log10 log1p log2 "
    "pow radians sin sinh sqrt tan tanh"
)


def is_scalar_program(jaxpr: Jaxpr) -> bool:
    """Tell whether every value is a float64 or bool scalar and every operation is known here."""
    atoms: list[Atom] = [*jaxpr.in_vars, *jaxpr.outputs, *jaxpr.const_vars]
    for equation in jaxpr.equations:
        atoms.extend(equation.outputs)
        if _template(equation) is None:
            return False
    return bool(jaxpr.equations) and all(v.aval.ndim == 0 and v.aval.dtype in (_FLOAT, _BOOL) for v in atoms)


def _template(equation: Equation) -> tuple[str, bool] | None:
    """Return the expression of an equation, and whether what is not finite comes through it; None if unknown."""
    primitive = equation.primitive
    kind = type(primitive)
    if any(v.aval.ndim or v.aval.dtype not in (_FLOAT, _BOOL) for v in equation.inputs):
        return None
    if kind is Guard:
        return ("", False) if primitive.kind in ("bool", "int", "float") else None  # type: ignore[attr-defined]
    if kind is Select:
        return "({1} if {0} else {2})", False
    if kind is StopGradient:
        return "{}", True
    if kind is Convert:
        return ("float({})", True) if equation.inputs[0].aval.dtype == _BOOL else None
    if kind is IntegerPow:
        return _integer_pow(primitive.y)  # type: ignore[attr-defined]
    impl = primitive.impl
    kinds = {v.aval.dtype for v in equation.inputs}
    tables = [_TRUTHS]
    if kinds == {_FLOAT}:
        tables = [_KEEPING, _SWALLOWING, _TRUTHS]
    elif kinds == {_BOOL}:
        tables = [_TRUTHS, _OF_TRUTHS]
    try:
        found = next((table for table in tables if impl in table), None)
    except TypeError:
        return None
    return None if found is None else (found[impl], found is _KEEPING)


def _integer_pow(y: int) -> tuple[str, bool]:
    if 1 <= y <= 3:
        return " * ".join(["{0}"] * y), True
    return f"{{0}} ** {y}", False


def generate_scalar(
    jaxpr: Jaxpr, on_numpy: Callable[..., Sequence[Any]]
) -> tuple[Callable[..., Any], str, dict[int, int]]:
    """Generate the function of a scalar program, its source, and which equation stands at which line.

    ``on_numpy`` is the same program on NumPy.
    """
    writer = _Writer(jaxpr, on_numpy)
    parameters = [writer.name(v) for v in jaxpr.in_vars]
    body = [writer.taken(v) for v in jaxpr.in_vars]
    where: dict[int, int] = {}
    for index, equation in enumerate(jaxpr.equations):
        body.append(writer.statement(equation))
        if equation.outputs:
            where[len(body) + 2] = index  # after the lines of def and try
    instead = f"return on_numpy({', '.join(parameters)})"
    body.append(f"if not isfinite({' + '.join(writer.looked_at(jaxpr.outputs)) or '0.0'}): {instead}")
    results = [writer.result(v) for v in jaxpr.outputs]
    source = "\n".join(
        [
            f"def program({', '.join(parameters)}):",
            "    try:",
            *[f"        {line}" for line in body],
            "    except NumPyDecides:",
            f"        {instead}",
            f"    return ({', '.join(results)}{',' if len(results) == 1 else ''})",
        ]
    )
    exec(compile(source, "<autotrace scalar program>", "exec"), writer.scope)
    return writer.scope["program"], source, where


class _Writer:
    """Names for values, the scope that holds numbers, and what must be finite at the end."""

    def __init__(self, jaxpr: Jaxpr, on_numpy: Callable[..., Sequence[Any]]) -> None:
        self.scope: dict[str, Any] = {name: getattr(math, name) for name in _MATH.split()}
        self.scope |= {
            "on_numpy": on_numpy,
            "float64": np.float64,
            "bool_": np.bool_,
            "GuardError": GuardError,
            "NumPyDecides": (ArithmeticError, ValueError),
        }
        self._names: dict[Atom, str] = {}
        for var, value in zip(jaxpr.const_vars, jaxpr.constants, strict=True):
            self._names[var] = _hold(self.scope, np.asarray(value).item())
        self._doubtful: set[Atom] = set()
        """Values that may have become infinite or NaN without a sign of it."""
        self._looked_at: list[str] = []

    def name(self, atom: Atom) -> str:
        """Return the name of a variable, or a number as it is written."""
        if type(atom) is not Literal:
            return self._names.setdefault(atom, f"v{len(self._names)}")
        number = np.asarray(atom.value).item()
        if not math.isfinite(number):
            return _hold(self.scope, number)
        text = repr(number)
        return text if text[0] != "-" else f"({text})"

    def taken(self, var: Var) -> str:
        """Return the statement that makes a Python number of a parameter, called by another name from then on."""
        parameter = self.name(var)
        self._names[var] = f"{parameter}_"
        return f"{parameter}_ = {'float' if var.aval.dtype == _FLOAT else 'bool'}({parameter})"

    def statement(self, equation: Equation) -> str:
        """Return the statement that computes an equation, and note what it may swallow."""
        template, keeps = _template(equation) or ("", False)
        operands = [self.name(v) for v in equation.inputs]
        if not keeps:
            for atom in equation.inputs:
                if atom in self._doubtful:
                    self._looked_at.append(self.name(atom))
                    self._doubtful.discard(atom)
        if type(equation.primitive) is Guard:
            return _guard(equation.primitive, operands[0])
        (out,) = equation.outputs
        if out.aval.dtype == _FLOAT:
            self._doubtful.add(out)
        return f"{self.name(out)} = {template.format(*operands)}"

    def looked_at(self, outputs: Sequence[Atom]) -> list[str]:
        """Return the names of what must be finite for the answer to be NumPy's, each once."""
        ends = [self.name(v) for v in outputs if v.aval.dtype == _FLOAT and type(v) is Var]
        return list(dict.fromkeys([*self._looked_at, *ends]))

    def result(self, atom: Atom) -> str:
        """Return the expression of an output, a scalar of NumPy's."""
        if type(atom) is Literal:
            return _hold(self.scope, atom.value)
        return f"{'float64' if atom.aval.dtype == _FLOAT else 'bool_'}({self.name(atom)})"


def _hold(scope: dict[str, Any], value: Any) -> str:
    name = f"number_{len(scope)}"
    scope[name] = value
    return name


def _guard(primitive: Any, operand: str) -> str:
    expected = primitive.expected
    if primitive.kind == "bool":
        test = f"not {operand}" if expected else operand
    elif primitive.kind == "float":  # NaN, infinities and the sign of zero count
        test = f"repr(float({operand})) != {repr(expected)!r}"
    else:
        test = f"int({operand}) != {expected}"
    return f"if {test}: raise GuardError('guard: another path')"
