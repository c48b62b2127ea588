"""Sums, products, quotients, powers, absolute value and sign."""

from __future__ import annotations

import operator as python
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Operand, ShapedArray, aval_of, united
from ..tracing import UNKNOWN, Tracer, implements, method, operator, peek
from .families import Array, Binary, Predicate, Unary, elementwise
from .promotion import apply_elementwise
from .series import carried, convolved, difference

__all__ = [
    "absolute",
    "add",
    "copysign",
    "divide",
    "floor_divide",
    "heaviside",
    "hypot",
    "integer_pow",
    "multiply",
    "negative",
    "nextafter",
    "positive",
    "power",
    "reciprocal",
    "remainder",
    "sign",
    "square",
    "subtract",
]


class Neg(Unary):
    """-x."""

    ufunc = np.negative
    impl = python.neg
    linear = (0,)
    taylor = carried

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return -t


class Positive(Unary):
    """+x."""

    ufunc = np.positive
    impl = python.pos
    linear = (0,)
    taylor = carried

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t


class Add(Binary):
    """x + y."""

    ufunc = np.add
    impl = python.add
    linear = (0, 1)
    together = True
    taylor = carried

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t


class Sub(Binary):
    """x - y."""

    ufunc = np.subtract
    impl = python.sub
    linear = (0, 1)
    together = True
    taylor = carried

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -t


def _unless_zero(x: Operand, factor: Operand, shape: tuple[int, ...]) -> Any:
    """Return what ``x`` depends on, where ``factor`` is not known to be zero."""
    if x.dependence is None or factor.value is None:
        return x.dependence
    keep = np.not_equal(factor.value, 0)
    return x.dependence if keep.all() else x.dependence.broadcast(shape).masked(keep)


class Mul(Binary):
    """x * y."""

    ufunc = np.multiply
    impl = python.mul
    linear = (0, 1)

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * y

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * x

    def taylor(self, k: int, inputs: Any, output: Any) -> Array:
        x, y = inputs
        return _square_term(x, k) if x is y else convolved(python.mul, x, y, k)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        """What is multiplied by a known zero does not count."""
        x, y = operands
        shape = outputs[0].shape
        return united([_unless_zero(x, y, shape), _unless_zero(y, x, shape)], shape)


class Div(Binary):
    """x / y."""

    ufunc = np.true_divide
    impl = python.truediv
    linear = (0,)

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t / y

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -(t / y * z)

    def taylor(self, k: int, inputs: Any, output: Any) -> Array:
        """Coefficient k of x = y z, solved for z_k."""
        x, y = inputs
        rest = convolved(python.mul, y, output, k, first=1)
        return difference(*[c if c is None else c / y[0] for c in (x[k], rest)])


class FloorDivide(Predicate):
    """The largest integer not above x / y; piecewise constant."""

    ufunc = np.floor_divide
    impl = python.floordiv


class Rem(Binary):
    """x - y * floor(x / y), with the sign of y (NumPy's ``%``)."""

    ufunc = np.remainder
    impl = python.mod
    taylor = carried

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -t * np.floor_divide(x, y)


class Fmod(Binary):
    """x - y * trunc(x / y), with the sign of x."""

    ufunc = np.fmod
    impl = np.fmod
    taylor = carried

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -t * np.trunc(x / y)


class Pow(Binary):
    """x ** y. The derivative in y is 0 at x = 0, as the limit from the right is for y > 0."""

    ufunc = np.power
    impl = python.pow
    weak_numbers = False  # NumPy takes shortcuts for exponents that are Python numbers
    weight = 20

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        zero = y == 0
        return t * np.where(zero, 0, y * np.power(x, np.where(zero, 1, y - 1)))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        zero = x == 0
        return t * np.where(zero, 0, np.log(np.where(zero, 1, x)) * z)

    def taylor(self, k: int, inputs: Any, output: Any) -> Array:
        """For a constant y coefficient k of x z' = y x' z (Griewank and Walther 2008, table 13.2), where no x is 0."""
        x, y = inputs
        if any([c is not None for c in y[1 : k + 1]]) or not _nowhere_zero(x[0]):
            return NotImplemented
        total = None
        for j in range(1, k + 1):
            if x[j] is not None and output[k - j] is not None:
                term = x[j] * output[k - j] * (y[0] * j - (k - j))
                total = term if total is None else total + term
        return total if total is None else total / (x[0] * k)


class IntegerPow(Unary):
    """x ** y for an integer y that is written into the program; no logarithm is taken."""

    ufunc = np.positive
    y: int

    def impl(self, x: Array) -> Array:
        return x**self.y

    def abstract(self, *avals: ShapedArray) -> ShapedArray:
        return avals[0]

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        if self.y == 0:
            return t * 0
        if self.y == 1:
            return t
        return t * (self.y * (x if self.y == 2 else x ** (self.y - 1)))

    def taylor(self, k: int, inputs: Any, output: Any) -> Array:
        return _square_term(inputs[0], k) if self.y == 2 else NotImplemented

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        """Count products of repeated squaring, and a division for a negative exponent."""
        n = abs(self.y)
        steps = (n.bit_length() - 1 + n.bit_count() - 1 if n else 0) + (self.y < 0)
        return steps * super().flops(inputs, outputs)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return operands[0].dependence if self.y else None


class Square(Unary):
    """x * x."""

    ufunc = np.square
    impl = np.square

    def derivative(self, x: Array, y: Array) -> Array:
        return 2 * x

    def taylor(self, k: int, inputs: Any, output: Any) -> Array:
        return _square_term(inputs[0], k)


class Reciprocal(Unary):
    """1 / x."""

    ufunc = np.reciprocal
    impl = np.reciprocal

    def derivative(self, x: Array, y: Array) -> Array:
        return -(y * y)


class Abs(Unary):
    """|x| of a real x. At 0 the derivative is 0, midway between those at either side."""

    ufunc = np.absolute
    impl = np.absolute
    taylor = carried

    def derivative(self, x: Array, y: Array) -> Array:
        return np.sign(x)


class ComplexAbs(Unary):
    """|z| of a complex z: d|z| = Re(conj(z / |z|) dz); 0 at z = 0."""

    ufunc = np.absolute
    impl = np.absolute

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        raise AssertionError("this is a bug in autotrace: |z| is not complex-linear")

    def jvp(self, primals: Any, tangents: Any, output: Array) -> Array:
        return np.real(np.conj(np.sign(primals[0])) * tangents[0])

    def vjp(self, ct: Array, output: Array, inputs: Any, wanted: Any) -> tuple[Array]:
        return (np.conj(np.sign(inputs[0])) * ct,)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 7 * outputs[0].size  # two products, a sum and a root


class Sign(Predicate):
    """-1, 0 or 1 of a real x; piecewise constant."""

    ufunc = np.sign
    impl = np.sign


class ComplexSign(Unary):
    """z / |z| of a complex z, 0 at 0 (NumPy 2's convention)."""

    ufunc = np.sign
    impl = np.sign

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        raise AssertionError("this is a bug in autotrace: sign(z) is not complex-linear")

    def jvp(self, primals: Any, tangents: Any, output: Array) -> Array:
        size = np.abs(primals[0])
        size = np.where(size == 0, 1, size)
        return 1j * output * (np.imag(np.conj(output) * tangents[0]) / size)

    def vjp(self, ct: Array, output: Array, inputs: Any, wanted: Any) -> tuple[Array]:
        size = np.abs(inputs[0])
        size = np.where(size == 0, 1, size)
        return (-1j * np.conj(output) * (np.real(1j * output * ct) / size),)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 9 * outputs[0].size  # the absolute value and two quotients


class Hypot(Binary):
    """sqrt(x^2 + y^2); the derivative at the origin is 0."""

    ufunc = np.hypot
    impl = np.hypot
    weight = 7

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (x / np.where(z == 0, 1, z))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (y / np.where(z == 0, 1, z))


class Copysign(Binary):
    """|x| with the sign of y."""

    ufunc = np.copysign
    taylor = carried
    constant = (1,)
    impl = np.copysign

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (np.sign(x) * np.copysign(1.0, y).astype(x.dtype))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * np.zeros((), y.dtype)[()]


class Heaviside(Binary):
    """0 below 0, ``y`` at 0, 1 above."""

    ufunc = np.heaviside
    taylor = carried
    constant = (0,)
    impl = np.heaviside

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * np.zeros((), x.dtype)[()]

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return np.where(x == 0, t, 0)


def _nowhere_zero(x: Array) -> bool:
    """Whether ``x`` is known to have no zero."""
    value = peek(x)
    return value is not UNKNOWN and bool(np.all(value != 0))


def _square_term(x: Any, k: int) -> Array:
    """Coefficient k of x * x: twice each product of two different coefficients, and the square of the middle one."""
    half = (k + 1) // 2
    total = convolved(python.mul, x[:half], x[k + 1 - half : k + 1], half - 1)
    total = total if total is None else 2 * total
    if k % 2 or x[k // 2] is None:
        return total
    middle = x[k // 2] * x[k // 2]
    return middle if total is None else total + middle


class Nextafter(Predicate):
    """The next number after x towards y: rounding, so the derivative is that of no function and taken as zero."""

    ufunc = np.nextafter
    impl = np.nextafter


negative = elementwise(Neg(), operators=("__neg__", None))
positive = elementwise(Positive(), operators=("__pos__", None))
add = elementwise(Add(), operators=("__add__", "__radd__"))
subtract = elementwise(Sub(), operators=("__sub__", "__rsub__"))
multiply = elementwise(Mul(), operators=("__mul__", "__rmul__"))
divide = elementwise(Div(), operators=("__truediv__", "__rtruediv__"))
floor_divide = elementwise(FloorDivide(), operators=("__floordiv__", "__rfloordiv__"))
remainder = elementwise(Rem(), operators=("__mod__", "__rmod__"))
fmod = elementwise(Fmod())
square = elementwise(Square())
reciprocal = elementwise(Reciprocal())
hypot = elementwise(Hypot())
copysign = elementwise(Copysign())
heaviside = elementwise(Heaviside())
nextafter = elementwise(Nextafter())


@implements(np.power)
def power(x: Any, y: Any) -> Array:
    """x ** y elementwise; an integer ``y`` that is a plain number becomes part of the program."""
    return _power(x, y, keep_weak=False)


@operator("__pow__", "__rpow__")
def _power_operator(x: Any, y: Any) -> Array:
    return _power(x, y, keep_weak=True)


def _power(x: Any, y: Any, keep_weak: bool) -> Array:
    if type(x) is Tracer and isinstance(y, int | float | np.integer | np.floating) and y == int_or_nan(y):
        inexact_exponent = isinstance(y, float | np.floating)
        # A np.float64 is a float to Python and a strong dtype to NumPy, so types are compared.
        if x.aval.inexact and (
            type(y) in (bool, int, float) or np.result_type(x.dtype, np.asarray(y).dtype) == x.dtype
        ):
            return apply_elementwise(IntegerPow(int(y)), (x,), keep_weak)
        if not x.aval.inexact and not inexact_exponent and type(y) is int and x.dtype != np.bool_:
            return apply_elementwise(IntegerPow(int(y)), (x,), keep_weak)
    return apply_elementwise(Pow(), (x, y), keep_weak)


def int_or_nan(y: Any) -> Any:
    """Return ``y`` truncated to an integer; NaN where it is not finite."""
    return int(y) if np.isfinite(y) else np.nan


def integer_pow(x: Any, y: int) -> Array:
    """x ** y for an integer ``y``."""
    return apply_elementwise(IntegerPow(y), (x,))


def _by_kind(real: Any, complex_: Any, keep_weak: bool = False) -> Any:
    """Choose the primitive of real or of complex operands."""

    def function(x: Any) -> Array:
        dtype = x.dtype if hasattr(x, "dtype") else aval_of(x).dtype if isinstance(x, int | float | complex) else None
        return apply_elementwise(complex_ if dtype is not None and dtype.kind == "c" else real, (x,), keep_weak)

    return function


operator("__abs__")(_by_kind(Abs(), ComplexAbs(), keep_weak=True))
absolute = implements(np.absolute)(_by_kind(Abs(), ComplexAbs()))
sign = implements(np.sign)(_by_kind(Sign(), ComplexSign()))


@operator("__divmod__", "__rdivmod__")
def _divmod_operator(x: Any, y: Any) -> tuple[Array, Array]:
    return x // y, x % y


@implements(np.divmod)
def divmod_(x: Any, y: Any) -> tuple[Array, Array]:
    """Return ``(x // y, x % y)``."""
    return floor_divide(x, y), remainder(x, y)


@method("conj", "conjugate")
def _conj(x: Any) -> Array:
    return np.conj(x) if x.dtype.kind == "c" else x
