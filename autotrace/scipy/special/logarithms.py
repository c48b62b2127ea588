"""Logarithms and exponentials made safe, the logistic function, and entropies."""

from __future__ import annotations

import math

import numpy as np

from .elementwise import Array, Binary, Unary, elementwise, polynomial, sc

__all__: list[str] = []


class Expit(Unary):
    """The logistic function 1 / (1 + e^-x). Derivative: expit(x) expit(-x)."""

    ufunc = sc.expit
    impl = sc.expit
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return y * sc.expit(-x)


class LogExpit(Unary):
    """log expit(x). Derivative: expit(-x)."""

    ufunc = sc.log_expit
    impl = sc.log_expit
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return sc.expit(-x)


class Logit(Unary):
    """log(x / (1 - x)). Derivative: 1 / (x (1 - x)), infinite at 0 and 1."""

    ufunc = sc.logit
    impl = sc.logit
    weight = 15

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / (x * (1 - x))


class Xlogy(Binary):
    """x log(y), 0 where x is 0. Derivatives: log(y), and x / y, which is 0 where x is 0 whatever y is."""

    ufunc = sc.xlogy
    impl = sc.xlogy
    weight = 15

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * np.log(y)

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * _quotient(x, y)


def _quotient(x: Array, y: Array) -> Array:
    """x / y, 0 where x is 0; in x the derivative is 1 / y, and 0 where both are 0."""
    return x / np.where((x == 0) & (y == 0), 1, y)


class Xlog1py(Binary):
    """x log(1 + y), 0 where x is 0."""

    ufunc = sc.xlog1py
    impl = sc.xlog1py
    weight = 15

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * np.log1p(y)

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * _quotient(x, 1 + y)


class Entr(Unary):
    """-x log(x), 0 at 0 and -inf below. Derivative: -1 - log(x), infinite at 0."""

    ufunc = sc.entr
    impl = sc.entr
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return -1 - np.log(x)


class RelEntr(Binary):
    """x log(x / y), 0 where x is 0 and y is not negative. Derivatives: 1 + log(x / y), and -x / y."""

    ufunc = sc.rel_entr
    impl = sc.rel_entr
    weight = 15

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (1 + np.log(x / y))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -t * _quotient(x, y)


class KlDiv(Binary):
    """x log(x / y) - x + y. Derivatives: log(x / y), and 1 - x / y."""

    ufunc = sc.kl_div
    impl = sc.kl_div
    weight = 15

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * np.log(x / y)

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (1 - _quotient(x, y))


class SpecialLog1p(Unary):
    """log(1 + x), of complex numbers too."""

    ufunc = sc.log1p
    impl = sc.log1p
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / (1 + x)


class SpecialExpm1(Unary):
    """e^x - 1, of complex numbers too."""

    ufunc = sc.expm1
    impl = sc.expm1
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return y + 1


class SpecialExp2(Unary):
    """2^x."""

    ufunc = sc.exp2
    impl = sc.exp2
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return math.log(2.0) * y


class Exp10(Unary):
    """10^x."""

    ufunc = sc.exp10
    impl = sc.exp10
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return math.log(10.0) * y


class SpecialCbrt(Unary):
    """The real cube root."""

    ufunc = sc.cbrt
    impl = sc.cbrt
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / (3 * (y * y))


class Cosm1(Unary):
    """cos(x) - 1, accurate near 0."""

    ufunc = sc.cosm1
    impl = sc.cosm1
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return -np.sin(x)


_DEGREE = math.pi / 180


class Sindg(Unary):
    """The sine of an angle in degrees."""

    ufunc = sc.sindg
    impl = sc.sindg
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return _DEGREE * sc.cosdg(x)


class Cosdg(Unary):
    """The cosine of an angle in degrees."""

    ufunc = sc.cosdg
    impl = sc.cosdg
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return -_DEGREE * sc.sindg(x)


class Tandg(Unary):
    """The tangent of an angle in degrees."""

    ufunc = sc.tandg
    impl = sc.tandg
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return _DEGREE * (1 + y * y)


class Cotdg(Unary):
    """The cotangent of an angle in degrees."""

    ufunc = sc.cotdg
    impl = sc.cotdg
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return -_DEGREE * (1 + y * y)


class Exprel(Unary):
    """(e^x - 1) / x, 1 at 0. Derivative: (e^x (x - 1) + 1) / x^2; its Taylor series where |x| < 1."""

    ufunc = sc.exprel
    impl = sc.exprel
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        near = np.abs(x) < 1
        z = np.where(near, 2, x)
        series = polynomial([(k + 1) / math.factorial(k + 2) for k in range(20)], np.where(near, x, 0))
        # Written with e^x / x once, so that what overflows does so only with the value.
        return np.where(near, series, (np.exp(z) * (z - 1) + 1) / (z * z))


class Powm1(Binary):
    """x^y - 1, accurate where x^y is near 1."""

    ufunc = sc.powm1
    impl = sc.powm1
    weight = 20

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * y * np.power(x, y - 1)

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * sc.xlogy(z + 1, np.where(x == 0, 1, x))


for _primitive in (
    Expit(),
    LogExpit(),
    Logit(),
    Xlogy(),
    Xlog1py(),
    Entr(),
    RelEntr(),
    KlDiv(),
    SpecialLog1p(),
    SpecialExpm1(),
    SpecialExp2(),
    Exp10(),
    SpecialCbrt(),
    Cosm1(),
    Sindg(),
    Cosdg(),
    Tandg(),
    Cotdg(),
    Exprel(),
    Powm1(),
):
    elementwise(_primitive)
