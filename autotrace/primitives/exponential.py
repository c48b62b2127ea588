"""Exponentials, logarithms and roots."""

from __future__ import annotations

import numpy as np

from .families import Array, Binary, Unary, elementwise

__all__ = [
    "cbrt",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "sqrt",
]


class Exp(Unary):
    """e^x."""

    ufunc = np.exp
    impl = np.exp
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return y


class Exp2(Unary):
    """2^x."""

    ufunc = np.exp2
    impl = np.exp2
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return float(np.log(2.0)) * y


class Expm1(Unary):
    """e^x - 1, accurate near 0."""

    ufunc = np.expm1
    impl = np.expm1
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return y + 1


class Log(Unary):
    """The natural logarithm."""

    ufunc = np.log
    impl = np.log
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / x


class Log2(Unary):
    """The logarithm to base 2."""

    ufunc = np.log2
    impl = np.log2
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / (x * float(np.log(2.0)))


class Log10(Unary):
    """The logarithm to base 10."""

    ufunc = np.log10
    impl = np.log10
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / (x * float(np.log(10.0)))


class Log1p(Unary):
    """log(1 + x), accurate near 0."""

    ufunc = np.log1p
    impl = np.log1p
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / (x + 1)


class Sqrt(Unary):
    """The square root; the derivative at 0 is infinite, as NumPy divides."""

    ufunc = np.sqrt
    impl = np.sqrt
    weight = 4

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / (2 * y)


class Cbrt(Unary):
    """The real cube root."""

    ufunc = np.cbrt
    impl = np.cbrt
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / (3 * (y * y))


class Logaddexp(Binary):
    """log(e^x + e^y), without overflow."""

    ufunc = np.logaddexp
    impl = np.logaddexp
    weight = 20

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * np.exp(_difference(x, z))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * np.exp(_difference(y, z))


class Logaddexp2(Binary):
    """log2(2^x + 2^y), without overflow."""

    ufunc = np.logaddexp2
    impl = np.logaddexp2
    weight = 20

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * np.exp2(_difference(x, z))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * np.exp2(_difference(y, z))


def _difference(x: Array, z: Array) -> Array:
    """x - z, with 0 rather than NaN where both are the same infinity."""
    same = x == z
    return np.where(same, 0, x) - np.where(same, 0, z)


exp = elementwise(Exp())
exp2 = elementwise(Exp2())
expm1 = elementwise(Expm1())
log = elementwise(Log())
log2 = elementwise(Log2())
log10 = elementwise(Log10())
log1p = elementwise(Log1p())
sqrt = elementwise(Sqrt())
cbrt = elementwise(Cbrt())
logaddexp = elementwise(Logaddexp())
logaddexp2 = elementwise(Logaddexp2())
