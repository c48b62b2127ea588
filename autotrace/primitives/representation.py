"""Numbers as they are stored and counted: mantissas and exponents, whole parts, rounding, bits, divisors.

Where a function is piecewise linear its derivative is that of the piece; what is piecewise constant has none.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ir import Operand, Primitive, ShapedArray
from ..tracing import as_operand, bind, implements, method
from .families import Array, Elementwise, Predicate, Unary, elementwise
from .promotion import apply_elementwise, convert
from .series import carried

__all__ = ["bitwise_count", "fabs", "fix", "frexp", "gcd", "lcm", "ldexp", "modf", "round", "spacing"]


class Fabs(Unary):
    """|x| of a real x, as a floating point number. At 0 the derivative is 0."""

    ufunc = np.fabs
    impl = np.fabs
    taylor = carried

    def derivative(self, x: Array, y: Array) -> Array:
        return np.sign(x)


class Ldexp(Elementwise):
    """x * 2^y for an integer y."""

    ufunc = np.ldexp
    impl = np.ldexp
    linear = (0,)
    taylor = carried
    scales: ClassVar[tuple[str, ...]] = ("scale_x", "scale_y")

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return np.ldexp(t, y)

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        raise AssertionError("this is a bug in autotrace: an integer carries no derivative")


class _Parts(Primitive, family=True):
    """Two arrays from one, of which the first moves with the operand and the second is piecewise constant."""

    multiple: ClassVar[bool] = True
    taylor = carried
    ufunc: ClassVar[Any]

    def impl(self, x: Array) -> tuple[Array, Array]:
        mantissa, rest = self.ufunc(x)
        return mantissa, rest

    def abstract(self, x: ShapedArray) -> tuple[ShapedArray, ShapedArray]:
        _, first, second = self.ufunc.resolve_dtypes((x.dtype, None, None))
        return x.update(dtype=first), x.update(dtype=second)

    def scaled(self, t: Array, outputs: Sequence[Array]) -> Array:
        """Return the derivative of the first part times ``t``."""
        raise NotImplementedError

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], outputs: Sequence[Array]) -> tuple[Array, None]:
        return self.scaled(tangents[0], outputs), None

    def vjp(self, cts: Sequence[Array], outputs: Sequence[Array], inputs: Sequence[Array], wanted: Any) -> tuple[Array]:
        return (None if cts[0] is None else self.scaled(cts[0], outputs),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Any:
        return bind(self, *inputs)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return operands[0].dependence, None


class Frexp(_Parts):
    """The mantissa in [1/2, 1) and the exponent: x = m * 2^e. So dm = 2^-e dx."""

    ufunc = np.frexp

    def scaled(self, t: Array, outputs: Sequence[Array]) -> Array:
        return np.ldexp(t, -outputs[1])


class Modf(_Parts):
    """The fractional and the whole part, both with the sign of x."""

    ufunc = np.modf

    def scaled(self, t: Array, outputs: Sequence[Array]) -> Array:
        return t


class Round(Predicate):
    """x to so many ``decimals``, ties to even."""

    ufunc = np.positive
    weight = 3
    decimals: int

    def impl(self, x: Array) -> Array:
        return np.round(x, self.decimals)


class Spacing(Predicate):
    """The distance from x to the next number away from 0."""

    ufunc = np.spacing
    impl = np.spacing


class BitwiseCount(Predicate):
    """The number of 1 bits of an integer's absolute value."""

    ufunc = np.bitwise_count
    impl = np.bitwise_count


class Gcd(Predicate):
    """The greatest common divisor of integers."""

    ufunc = np.gcd
    impl = np.gcd


class Lcm(Predicate):
    """The least common multiple of integers."""

    ufunc = np.lcm
    impl = np.lcm


fabs = elementwise(Fabs())
ldexp = elementwise(Ldexp())
spacing = elementwise(Spacing())
bitwise_count = elementwise(BitwiseCount())
gcd = elementwise(Gcd())
lcm = elementwise(Lcm())


def _parts(primitive: Any, x: Any) -> tuple[Array, Array]:
    x = as_operand(x)
    x = x if hasattr(x, "dtype") else np.asarray(x)
    result: tuple[Array, Array] = bind(primitive, convert(x, primitive.ufunc.resolve_dtypes((x.dtype, None, None))[0]))
    return result


@implements(np.frexp)
def frexp(x: Any) -> tuple[Array, Array]:
    """Return mantissas in [1/2, 1) (or 0) and integer exponents, ``x = m * 2^e``, which are constant."""
    return _parts(Frexp(), x)


@implements(np.modf)
def modf(x: Any) -> tuple[Array, Array]:
    """Return the fractional parts, whose derivative is 1, and the whole parts, whose derivative is 0."""
    return _parts(Modf(), x)


@implements(np.isnat)
def isnat(x: Any) -> None:
    """Refuse, as NumPy does: a traced array holds no times."""
    np.isnat(0.0)


def round(a: Any, decimals: Any = 0) -> Array:
    """Return ``a`` rounded to ``decimals``, ties to even; piecewise constant, so the derivative is zero."""
    a = as_operand(a)
    if a.dtype.kind == "b":
        np.round(np.zeros(0, bool), decimals)  # refuses decimals
        a = convert(a, np.dtype(np.float16))  # as NumPy, whose ufunc rint it is
    return apply_elementwise(Round(decimals.__index__()), (a,))


@method("__round__")
def _python_round(x: Any, ndigits: Any = None) -> Any:
    """Answer ``round(x)`` with an integer, which is guarded, and ``round(x, n)`` with a traced number."""
    if ndigits is None:
        return int(np.rint(x))
    if x.aval.weak_type and x.aval.inexact:
        return apply_elementwise(Round(ndigits.__index__()), (x,), keep_weak=True)
    return round(x, ndigits)


_FIX_IS_DEPRECATED = np.lib.NumpyVersion(np.__version__) >= "2.5.0"


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Array:
    """Return the whole part of ``x``, rounded towards zero."""
    if _FIX_IS_DEPRECATED:
        warnings.warn(
            "numpy.fix is deprecated. Use numpy.trunc instead, which is faster and follows the Array API standard.",
            DeprecationWarning,
            stacklevel=4,
        )
    return np.trunc(x) if out is None else np.trunc(x, out=out)
