"""Operations on scalars as expressions of Python's: of floats for float64, of ints for int64, of bools for bool.

An expression gives what NumPy gives, but for rounding, as long as it raises nothing and what it gives is finite, or,
of an integer, in the range of int64. An :class:`Operation` tells what must be looked at for that.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import Equation, ShapedArray
from ..primitives.arithmetic import IntegerPow
from ..primitives.comparison import Select
from ..primitives.promotion import Broadcast, Convert
from ..primitives.reduction import ReduceSum
from ..tracing import Guard, StopGradient

__all__ = ["BOOL", "FLOAT", "INT", "MATH", "PYTHON", "Operation", "operation"]

FLOAT, INT, BOOL = np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_)
PYTHON: dict[Any, type] = {FLOAT: float, INT: int, BOOL: bool}
"""The types of Python's numbers, by the dtypes that they stand for."""


class Operation(NamedTuple):
    """An equation of scalars as an expression, ``{0}`` and ``{1}`` its operands."""

    text: str
    kept: str = ""
    """The operands that make the result not finite if they are not: they need not be looked at beside it."""
    doubtful: bool = False
    """Without a sign of it, the result may be an infinity or NaN where the operands are none, or beyond int64."""


def _kept(text: str, kept: str = "0") -> Operation:
    return Operation(text, kept)


def _doubtful(text: str, kept: str = "") -> Operation:
    return Operation(text, kept, True)


# Where NumPy warns of an operand that is infinite, Python raises (the sine of infinity), or it is doubtful.
_OF_FLOATS: dict[Any, Operation] = {
    operator.add: _doubtful("{0} + {1}", "01"),
    operator.sub: _doubtful("{0} - {1}", "01"),
    operator.mul: _doubtful("{0} * {1}", "01"),
    operator.truediv: _doubtful("{0} / {1}", "0"),
    operator.floordiv: _doubtful("{0} // {1}"),
    operator.mod: _doubtful("{0} % {1}", "0"),
    operator.pow: Operation("pow({0}, {1})"),
    operator.neg: _kept("-{0}"),
    operator.pos: _kept("{0}"),
    np.absolute: _kept("abs({0})"),
    np.fabs: _kept("abs({0})"),
    np.sign: Operation("(1.0 if {0} > 0.0 else -1.0 if {0} < 0.0 else 0.0 if {0} == 0.0 else {0})"),
    np.copysign: _kept("copysign({0}, {1})"),
    np.reciprocal: _doubtful("1.0 / {0}"),
    np.square: _doubtful("{0} * {0}", "0"),
    np.sqrt: _kept("sqrt({0})"),
    np.hypot: _doubtful("hypot({0}, {1})", "01"),
    np.floor: _doubtful("{0} // 1.0", "0"),
    np.ceil: _doubtful("-(-{0} // 1.0)", "0"),
    np.deg2rad: _kept("radians({0})"),
    np.rad2deg: _doubtful("degrees({0})", "0"),
    np.sin: _kept("sin({0})"),
    np.cos: _kept("cos({0})"),
    np.tan: _kept("tan({0})"),
    np.arcsin: _kept("asin({0})"),
    np.arccos: _kept("acos({0})"),
    np.arctan: Operation("atan({0})"),
    np.arctan2: Operation("atan2({0}, {1})"),
    np.sinh: _kept("sinh({0})"),
    np.cosh: _kept("cosh({0})"),
    np.tanh: Operation("tanh({0})"),
    np.arcsinh: _kept("asinh({0})"),
    np.arccosh: _kept("acosh({0})"),
    np.arctanh: _kept("atanh({0})"),
    np.exp: Operation("exp({0})"),
    np.exp2: Operation("2.0 ** {0}"),
    np.expm1: Operation("expm1({0})"),
    np.log: _kept("log({0})"),
    np.log2: _kept("log2({0})"),
    np.log10: _kept("log10({0})"),
    np.log1p: _kept("log1p({0})"),
    np.maximum: Operation("({0} if {0} > {1} or {0} != {0} else {1})"),
    np.minimum: Operation("({0} if {0} < {1} or {0} != {0} else {1})"),
    np.isfinite: Operation("isfinite({0})"),
    np.isinf: Operation("isinf({0})"),
    np.isnan: Operation("{0} != {0}"),
    np.signbit: Operation("copysign(1.0, {0}) < 0.0"),
}
_OF_INTS: dict[Any, Operation] = {
    operator.add: _doubtful("{0} + {1}"),
    operator.sub: _doubtful("{0} - {1}"),
    operator.mul: _doubtful("{0} * {1}"),
    operator.floordiv: _doubtful("{0} // {1}"),
    operator.mod: Operation("{0} % {1}"),
    operator.neg: _doubtful("-{0}"),
    operator.pos: Operation("{0}"),
    np.absolute: _doubtful("abs({0})"),
    np.square: _doubtful("{0} * {0}"),
    np.sign: Operation("(1 if {0} > 0 else -1 if {0} < 0 else 0)"),
    np.maximum: Operation("({0} if {0} >= {1} else {1})"),
    np.minimum: Operation("({0} if {0} <= {1} else {1})"),
    operator.and_: Operation("{0} & {1}"),
    operator.or_: Operation("{0} | {1}"),
    operator.xor: Operation("{0} ^ {1}"),
    operator.invert: Operation("~{0}"),
}
_OF_TRUTHS: dict[Any, Operation] = {
    np.logical_and: Operation("({0} and {1})"),
    np.logical_or: Operation("({0} or {1})"),
    np.logical_xor: Operation("{0} != {1}"),
    np.logical_not: Operation("not {0}"),
    operator.and_: Operation("({0} and {1})"),
    operator.or_: Operation("({0} or {1})"),
    operator.xor: Operation("{0} != {1}"),
    operator.invert: Operation("not {0}"),
}
_OF_ANY: dict[Any, Operation] = {
    operator.lt: Operation("{0} < {1}"),
    operator.le: Operation("{0} <= {1}"),
    operator.gt: Operation("{0} > {1}"),
    operator.ge: Operation("{0} >= {1}"),
    operator.eq: Operation("{0} == {1}"),
    operator.ne: Operation("{0} != {1}"),
}
_TABLES = {FLOAT: _OF_FLOATS | _OF_ANY, INT: _OF_INTS | _OF_ANY, BOOL: _OF_TRUTHS | _OF_ANY}

_CONVERSIONS = {
    (FLOAT, FLOAT): _kept("{0}"),
    (INT, FLOAT): Operation("float({0})"),
    (BOOL, FLOAT): Operation("float({0})"),
    (INT, INT): Operation("{0}"),
    (BOOL, INT): Operation("int({0})"),
    (FLOAT, INT): _doubtful("int({0})"),
    (FLOAT, BOOL): Operation("{0} != 0.0"),
    (INT, BOOL): Operation("{0} != 0"),
    (BOOL, BOOL): Operation("{0}"),
}

_NAMES = """
    acos acosh asin asinh atan atan2 atanh copysign cos cosh degrees exp expm1 fsum hypot isfinite isinf
    log log10 log1p log2 pow radians sin sinh sqrt tan tanh
"""
MATH = {name: getattr(math, name) for name in _NAMES.split()}
"""The functions that expressions call."""


def operation(equation: Equation) -> Operation | None:
    """Return the expression of an equation of scalars, or from scalars to rows or back; None if there is none.

    That of a guard is true where it fails.
    """
    primitive: Any = equation.primitive
    kind = type(primitive)
    if kind is Guard:
        return _guard(primitive)
    avals = [v.aval for v in equation.inputs]
    dtypes = {a.dtype for a in avals}
    if not dtypes <= PYTHON.keys() or [a for a in avals if a.ndim > (kind is ReduceSum)]:
        return None
    found = _SPECIAL.get(kind)
    if found is not None:
        return found(primitive, avals)
    if len(dtypes) != 1:
        return None
    try:
        return _TABLES[dtypes.pop()].get(primitive.impl)
    except TypeError:  # an implementation that cannot be hashed
        return None


def _guard(primitive: Guard) -> Operation | None:
    if primitive.kind == "bool":
        return Operation("not {0}" if primitive.expected else "{0}")
    if primitive.kind == "float":  # NaN, infinities and the sign of zero count
        return Operation(f"repr(float({{0}})) != {repr(primitive.expected)!r}")
    return Operation(f"int({{0}}) != {primitive.expected}") if primitive.kind == "int" else None


def _select(primitive: Any, avals: Sequence[ShapedArray]) -> Operation | None:
    chosen = avals[0].dtype == BOOL and avals[1].dtype == avals[2].dtype
    return Operation("({1} if {0} else {2})") if chosen else None


def _convert(primitive: Any, avals: Sequence[ShapedArray]) -> Operation | None:
    return _CONVERSIONS.get((avals[0].dtype, primitive.dtype))


def _broadcast(primitive: Any, avals: Sequence[ShapedArray]) -> Operation | None:
    return _kept(f"[{{0}}] * {primitive.shape[0]}") if len(primitive.shape) == 1 else None


def _sum(primitive: Any, avals: Sequence[ShapedArray]) -> Operation | None:
    """Return the sum of rows, exact; it raises where some partial sum overflows."""
    if avals[0].ndim != 1 or primitive.axes != (0,):
        return None
    return {FLOAT: _kept("fsum({0})"), INT: _doubtful("sum({0})")}.get(avals[0].dtype)


def _integer_pow(primitive: Any, avals: Sequence[ShapedArray]) -> Operation | None:
    if avals[0].dtype != FLOAT:
        return None
    if 1 <= primitive.y <= 3:
        return _doubtful(" * ".join(["{0}"] * primitive.y), "0")
    return Operation(f"{{0}} ** {primitive.y}")


_SPECIAL: dict[type, Callable[[Any, Sequence[ShapedArray]], Operation | None]] = {
    Select: _select,
    Convert: _convert,
    Broadcast: _broadcast,
    ReduceSum: _sum,
    IntegerPow: _integer_pow,
    StopGradient: lambda primitive, avals: _kept("{0}"),
}
