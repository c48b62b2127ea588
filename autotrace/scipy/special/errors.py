"""Error functions and the normal distribution. Source: DLMF, chapter 7."""

from __future__ import annotations

import math

import numpy as np

from .elementwise import Array, Binary, Part, Unary, elementwise, parts, polynomial, quick_function, sc

__all__: list[str] = []

_TWO_BY_ROOT_PI = 2 / math.sqrt(math.pi)
_HALF_ROOT_PI = math.sqrt(math.pi) / 2
_ROOT_2PI = math.sqrt(2 * math.pi)
_FAR = 50.0
"""Beyond this, differences of nearly equal terms are replaced by their asymptotic series."""


class Erf(Unary):
    """The error function. Derivative: 2 exp(-x^2) / sqrt(pi) (DLMF 7.2.1)."""

    ufunc = sc.erf
    impl = sc.erf
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return _TWO_BY_ROOT_PI * np.exp(-x * x)


class Erfc(Unary):
    """1 - erf(x) (DLMF 7.2.2)."""

    ufunc = sc.erfc
    impl = sc.erfc
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return -_TWO_BY_ROOT_PI * np.exp(-x * x)


class Erfi(Unary):
    """-i erf(ix)."""

    ufunc = sc.erfi
    impl = sc.erfi
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return _TWO_BY_ROOT_PI * np.exp(x * x)


def _far(x: Array) -> Array:
    """Where x is real and large."""
    return x > _FAR


class Erfcx(Unary):
    """exp(x^2) erfc(x). Derivative: 2 x y - 2 / sqrt(pi); for large x its expansion (DLMF 7.12.1)."""

    ufunc = sc.erfcx
    impl = sc.erfcx
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        near = 2 * x * y - _TWO_BY_ROOT_PI
        if x.dtype.kind == "c":
            return near
        far = _far(x)
        u = 1 / np.where(far, x, 1) ** 2
        series = -u * polynomial((1.0, -1.5, 3.75, -13.125), u) * (0.5 * _TWO_BY_ROOT_PI)
        return np.where(far, series, 2 * np.where(far, 0, x) * y - _TWO_BY_ROOT_PI)


class Dawsn(Unary):
    """Dawson's integral.

    Derivative: 1 - 2 x y (DLMF 7.5.1, 7.2.5); for large |x| its expansion (DLMF 7.12.1).
    """

    ufunc = sc.dawsn
    impl = sc.dawsn
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        if x.dtype.kind == "c":
            return 1 - 2 * x * y
        far = _far(np.abs(x))
        u = 1 / np.where(far, x, 1) ** 2
        series = -u * polynomial((0.5, 0.75, 1.875, 6.5625), u)
        return np.where(far, series, 1 - 2 * np.where(far, 0, x) * y)


class Wofz(Unary):
    """Faddeeva's function exp(-z^2) erfc(-iz). Derivative: 2i / sqrt(pi) - 2 z w (DLMF 7.10.2)."""

    ufunc = sc.wofz
    impl = sc.wofz
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return 1j * _TWO_BY_ROOT_PI - 2 * x * y


class Erfinv(Unary):
    """The inverse of erf; its derivative at -1 and 1 is infinite."""

    ufunc = sc.erfinv
    impl = sc.erfinv
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return _HALF_ROOT_PI * np.exp(y * y)


class Erfcinv(Unary):
    """The inverse of erfc; its derivative at 0 and 2 is infinite."""

    ufunc = sc.erfcinv
    impl = sc.erfcinv
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return -_HALF_ROOT_PI * np.exp(y * y)


class Ndtr(Unary):
    """The distribution function of the standard normal distribution."""

    ufunc = sc.ndtr
    impl = sc.ndtr
    weight = 15

    def derivative(self, x: Array, y: Array) -> Array:
        return np.exp(-0.5 * x * x) * (1 / _ROOT_2PI)


class Ndtri(Unary):
    """The quantile function of the standard normal distribution."""

    ufunc = sc.ndtri
    impl = sc.ndtri
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return _ROOT_2PI * np.exp(0.5 * y * y)


class NdtriExp(Unary):
    """ndtri(exp(x))."""

    ufunc = sc.ndtri_exp
    impl = sc.ndtri_exp
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return 1 / _inverse_mills(y)


class LogNdtr(Unary):
    """log ndtr(x).

    Derivative: density by distribution function, the inverse of Mills' ratio at -x (DLMF 7.8.1).
    """

    ufunc = sc.log_ndtr
    impl = sc.log_ndtr
    weight = 20

    def derivative(self, x: Array, y: Array) -> Array:
        if x.dtype.kind == "c":
            return np.exp(-0.5 * x * x - y) * (1 / _ROOT_2PI)
        return _inverse_mills(x)


class InverseMills(Unary):
    """h(x) = density(x) / ndtr(x), without overflow.

    Derivative: -h (x + h); for large -x by the expansion of x + h.
    """

    ufunc = sc.ndtr
    weight = 20

    def impl(self, x: Array) -> Array:
        return (math.sqrt(2 / math.pi) / sc.erfcx(x * -math.sqrt(0.5))).astype(x.dtype)

    def derivative(self, x: Array, y: Array) -> Array:
        far = x < -2 * _FAR
        z = 1 / np.where(far, -x, 1)
        series = z * polynomial((1.0, -2.0, 10.0, -74.0), z * z)
        return -y * np.where(far, series, np.where(far, 0, x) + y)


_inverse_mills = quick_function(InverseMills(), 1)


class Fresnel(Part):
    """Fresnel's integrals S (``part`` 0) and C (DLMF 7.2.7, 7.2.8)."""

    ufunc = sc.fresnel
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return (np.cos if self.part else np.sin)(0.5 * np.pi * x * x)


parts(Fresnel)


class OwensT(Binary):
    """Owen's T function of h and a (Owen 1956)."""

    ufunc = sc.owens_t
    impl = sc.owens_t
    weight = 50

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (-0.5 / _ROOT_2PI) * np.exp(-0.5 * x * x) * sc.erf(x * y * math.sqrt(0.5))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        one = 1 + y * y
        return t * np.exp(-0.5 * x * x * one) / (2 * np.pi * one)


for _primitive in (
    Erf(),
    Erfc(),
    Erfi(),
    Erfcx(),
    Dawsn(),
    Wofz(),
    Erfinv(),
    Erfcinv(),
    Ndtr(),
    Ndtri(),
    NdtriExp(),
    LogNdtr(),
    OwensT(),
):
    elementwise(_primitive)
