"""Comparisons, logic, rounding, and the choices that rest on them: where, maximum, minimum, clip.

Conventions at ties: equal operands of a maximum or minimum share the derivative equally.
"""

from __future__ import annotations

import operator as python
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ir import Operand, ShapedArray, joined, united
from ..tracing import Tracer, implements, method
from .families import Array, Binary, Elementwise, Predicate, elementwise
from .promotion import apply_elementwise
from .series import carried

__all__ = ["select"]


class Eq(Predicate):
    """x == y."""

    ufunc = np.equal
    impl = python.eq


class Ne(Predicate):
    """x != y."""

    ufunc = np.not_equal
    impl = python.ne


class Lt(Predicate):
    """x < y."""

    ufunc = np.less
    impl = python.lt


class Le(Predicate):
    """x <= y."""

    ufunc = np.less_equal
    impl = python.le


class Gt(Predicate):
    """x > y."""

    ufunc = np.greater
    impl = python.gt


class Ge(Predicate):
    """x >= y."""

    ufunc = np.greater_equal
    impl = python.ge


class And(Predicate):
    """Bitwise and; of booleans, the logical one."""

    ufunc = np.bitwise_and
    impl = python.and_


class Or(Predicate):
    """Bitwise or; of booleans, the logical one."""

    ufunc = np.bitwise_or
    impl = python.or_


class Xor(Predicate):
    """Bitwise exclusive or; of booleans, the logical one."""

    ufunc = np.bitwise_xor
    impl = python.xor


class Not(Predicate):
    """Bitwise not; of booleans, the logical one."""

    ufunc = np.invert
    impl = python.invert


class ShiftLeft(Predicate):
    """x * 2^y of integers."""

    ufunc = np.left_shift
    impl = python.lshift


class ShiftRight(Predicate):
    """x // 2^y of integers."""

    ufunc = np.right_shift
    impl = python.rshift


class LogicalAnd(Predicate):
    """Truth of both."""

    ufunc = np.logical_and
    impl = np.logical_and


class LogicalOr(Predicate):
    """Truth of either."""

    ufunc = np.logical_or
    impl = np.logical_or


class LogicalXor(Predicate):
    """Truth of exactly one."""

    ufunc = np.logical_xor
    impl = np.logical_xor


class LogicalNot(Predicate):
    """Untruth."""

    ufunc = np.logical_not
    impl = np.logical_not


class Isnan(Predicate):
    """Not a number?"""

    ufunc = np.isnan
    impl = np.isnan


class Isinf(Predicate):
    """Infinite?"""

    ufunc = np.isinf
    impl = np.isinf


class Isfinite(Predicate):
    """Finite?"""

    ufunc = np.isfinite
    impl = np.isfinite


class Signbit(Predicate):
    """Negative, -0.0 included?"""

    ufunc = np.signbit
    impl = np.signbit


class Floor(Predicate):
    """The largest integer not above x."""

    ufunc = np.floor
    impl = np.floor


class Ceil(Predicate):
    """The smallest integer not below x."""

    ufunc = np.ceil
    impl = np.ceil


class Trunc(Predicate):
    """The integer part."""

    ufunc = np.trunc
    impl = np.trunc


class Rint(Predicate):
    """The nearest integer, ties to even."""

    ufunc = np.rint
    impl = np.rint


class _Choice(Binary, family=True):
    """One of two operands; a tie shares the derivative equally."""

    taylor = carried

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * _share(x, y, z)

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * _share(y, x, z)


class Max(_Choice):
    """The larger operand, NaN if either is; a tie shares the derivative equally."""

    ufunc = np.maximum
    impl = np.maximum


class Min(_Choice):
    """The smaller operand, NaN if either is; a tie shares the derivative equally."""

    ufunc = np.minimum
    impl = np.minimum


class Fmax(_Choice):
    """The larger operand, ignoring NaN where it can."""

    ufunc = np.fmax
    impl = np.fmax


class Fmin(_Choice):
    """The smaller operand, ignoring NaN where it can."""

    ufunc = np.fmin
    impl = np.fmin


def _share(x: Array, y: Array, z: Array) -> Array:
    """The part of the derivative that goes to x: 1 if it was chosen, 1/2 if both were. NaN was chosen too."""
    chosen, other = [((v == z) | ((v != v) & (z != z))).astype(z.dtype) for v in (x, y)]
    return chosen / (chosen + other)  # one of them is 1


class Select(Elementwise):
    """x where the condition holds, else y."""

    ufunc: ClassVar[Any] = None
    linear = (1, 2)
    together = True
    taylor = carried
    scales = ("scale_condition", "scale_x", "scale_y")

    def impl(self, condition: Array, x: Array, y: Array) -> Array:
        chosen: Any = np.where(condition, x, y)
        return chosen[()]

    def spell(self, page: Any, condition: Any, x: Any, y: Any) -> str:
        scalar = not (condition.aval.ndim or x.aval.ndim or y.aval.ndim)
        return f"np.where({condition}, {x}, {y}){'[()]' if scalar else ''}"

    def loop_dtypes(self, avals: Any) -> tuple[np.dtype[Any], ...]:
        _, x, y = avals
        weak = [a.dtype.type(0).item() if a.weak_type else a.dtype for a in (x, y)]
        dtype = x.dtype if x.weak_type and x.dtype == y.dtype else np.result_type(*weak)
        return np.dtype(np.bool_), dtype, dtype, dtype

    def abstract(self, *avals: ShapedArray) -> ShapedArray:
        condition, x, y = avals
        shape = next((aval.shape for aval in avals if aval.ndim), ())
        if any(aval.ndim and aval.shape != shape for aval in avals) or x.dtype != y.dtype or condition.dtype != bool:
            raise TypeError(f"select: operands must be bool and two of one dtype, equal shapes or rank 0; got {avals}.")
        return ShapedArray(shape, x.dtype)

    def scale_condition(self, t: Array, condition: Array, x: Array, y: Array, z: Array) -> Array:
        raise AssertionError("this is a bug in autotrace: a condition carries no derivative")

    def scale_x(self, t: Array, condition: Array, x: Array, y: Array, z: Array) -> Array:
        return np.where(condition, t, np.zeros((), t.dtype)[()])

    def scale_y(self, t: Array, condition: Array, x: Array, y: Array, z: Array) -> Array:
        return np.where(condition, np.zeros((), t.dtype)[()], t)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        """Both branches count, unless the condition is known."""
        condition, x, y = operands
        shape = outputs[0].shape
        if condition.value is None:
            return united([x.dependence, y.dependence], shape)
        holds = np.broadcast_to(condition.value, shape)
        found = [x.dependence and x.dependence.broadcast(shape), y.dependence and y.dependence.broadcast(shape)]
        return joined(found, [shape, shape], lambda a, b: np.where(holds, a, b))


equal = elementwise(Eq(), operators=("__eq__", None))
not_equal = elementwise(Ne(), operators=("__ne__", None))


def _compared(operator: Any, differs: bool) -> Any:
    """Let ``operator`` answer as NumPy does for what is no number: nothing is equal to it."""

    def compare(x: Tracer, other: Any) -> Any:
        try:
            return operator(x, other)
        except TypeError:
            if other is not None and not isinstance(other, str | bytes):
                raise
        return np.full(x.shape, differs) if x.ndim else differs

    return compare


method("__eq__")(_compared(Tracer.__eq__, differs=False))
method("__ne__")(_compared(Tracer.__ne__, differs=True))
less = elementwise(Lt(), operators=("__lt__", None))
less_equal = elementwise(Le(), operators=("__le__", None))
greater = elementwise(Gt(), operators=("__gt__", None))
greater_equal = elementwise(Ge(), operators=("__ge__", None))
bitwise_and = elementwise(And(), operators=("__and__", "__rand__"))
bitwise_or = elementwise(Or(), operators=("__or__", "__ror__"))
bitwise_xor = elementwise(Xor(), operators=("__xor__", "__rxor__"))
invert = elementwise(Not(), operators=("__invert__", None))
left_shift = elementwise(ShiftLeft(), operators=("__lshift__", "__rlshift__"))
right_shift = elementwise(ShiftRight(), operators=("__rshift__", "__rrshift__"))
logical_and = elementwise(LogicalAnd())
logical_or = elementwise(LogicalOr())
logical_xor = elementwise(LogicalXor())
logical_not = elementwise(LogicalNot())
isnan = elementwise(Isnan())
isinf = elementwise(Isinf())
isfinite = elementwise(Isfinite())
signbit = elementwise(Signbit())
floor = elementwise(Floor(), operators=("__floor__", None))
ceil = elementwise(Ceil(), operators=("__ceil__", None))
trunc = elementwise(Trunc())
rint = elementwise(Rint())
maximum = elementwise(Max())
minimum = elementwise(Min())
fmax = elementwise(Fmax())
fmin = elementwise(Fmin())


def select(condition: Any, x: Any, y: Any) -> Array:
    """x where ``condition`` holds, else y, broadcast and promoted as NumPy does."""
    return apply_elementwise(Select(), (condition, x, y))


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """x where ``condition`` holds, else y; with the condition alone, the indices where it holds."""
    if x is None and y is None:
        return np.nonzero(condition)
    if not hasattr(condition, "dtype") or condition.dtype != np.bool_:
        condition = np.not_equal(condition, 0)
    return select(condition, x, y)


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: None = None,
    *,
    min: Any = None,
    max: Any = None,
    dtype: Any = None,
    casting: Any = "same_kind",
) -> Array:
    """a limited to [a_min, a_max]; at an edge half of the derivative passes (a tie of a maximum).

    Raises ``ValueError`` if a limit is given under both of its names.
    """
    low, high = (_one_of(u, v) for u, v in ((a_min, min), (a_max, max)))
    loop: dict[str, Any] = {} if dtype is None else {"dtype": dtype, "casting": casting}
    if low is not None:
        a = np.maximum(a, low, **loop)
    if high is not None:
        a = np.minimum(a, high, **loop)
    return np.positive(a, **loop) if low is high is None else a


def _one_of(u: Any, v: Any) -> Any:
    if u is not None and v is not None:
        raise ValueError("clip: a limit must be given once; got both a_min/a_max and min/max. Drop one of them.")
    return v if u is None else u
