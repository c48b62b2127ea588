"""Exponential integrals, elliptic integrals, hypergeometric functions, Lambert's W.

Source: DLMF, chapters 4, 6, 8, 13, 15, 19.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from ...primitives.families import Elementwise
from .elementwise import Array, Binary, Part, Ternary, Unary, elementwise, fixed, like, parts, polynomial, sc

__all__: list[str] = []


class Exp1(Unary):
    """The exponential integral E1. Derivative: -e^-x / x (DLMF 6.2.1)."""

    ufunc = sc.exp1
    impl = sc.exp1
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return -np.exp(-x) / x


class Expi(Unary):
    """The exponential integral Ei. Derivative: e^x / x (DLMF 6.2.5)."""

    ufunc = sc.expi
    impl = sc.expi
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return np.exp(x) / x


class Expn(Binary):
    """The exponential integral E_n of integer order. In x: -E_{n-1} (DLMF 8.19.13), where E_0 = e^-x / x."""

    ufunc = sc.expn
    impl = sc.expn
    weight = 50

    scale_x = fixed("expn", "n")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        n = like(x, y)
        zero = n == 0
        safe = np.where(zero, y, 1)
        last = np.exp(-safe) * (1 + safe) / (safe * safe)
        return -t * np.where(zero, last, sc.expn(np.where(zero, 1, n - 1), y))


def _sinc(x: Array, sign: float, sine: Callable[[Array], Array]) -> Array:
    """sin(x) / x (``sign`` -1) or sinh(x) / x (1), whose derivatives are right near 0: there by their
    series.
    """
    near = np.abs(x) < 0.1
    u = np.where(near, x, 0)
    u = sign * u * u
    z = np.where(near, 1, x)
    series = polynomial((1.0, 1 / 6, 1 / 120, 1 / 5040, 1 / 362880), u)
    return np.where(near, series, sine(z) / z)


class Sici(Part):
    """The sine integral (``part`` 0) and the cosine integral (1) (DLMF 6.2.9, 6.2.11)."""

    ufunc = sc.sici
    weight = 50

    def derivative(self, x: Array, y: Array) -> Array:
        return np.cos(x) / x if self.part else _sinc(x, -1.0, np.sin)


class Shichi(Part):
    """The hyperbolic sine integral (``part`` 0) and cosine integral (1) (DLMF 6.2.15, 6.2.16)."""

    ufunc = sc.shichi
    weight = 50

    def derivative(self, x: Array, y: Array) -> Array:
        return np.cosh(x) / x if self.part else _sinc(x, 1.0, np.sinh)


parts(Sici)
parts(Shichi)


class Spence(Unary):
    """The dilogarithm of 1 - z. Derivative: log(z) / (1 - z), -1 at z = 1 (DLMF 25.12.2)."""

    ufunc = sc.spence
    impl = sc.spence
    weight = 50

    def derivative(self, x: Array, y: Array) -> Array:
        near = np.abs(x - 1) < 0.05
        u = np.where(near, 1 - x, 0)
        z = np.where(near, 2, x)
        return np.where(near, -polynomial([1 / (k + 1) for k in range(13)], u), np.log(z) / (1 - z))


class Ellipk(Unary):
    """The complete elliptic integral K of the parameter m; its derivative is a hypergeometric function
    (DLMF 19.5.1).
    """

    ufunc = sc.ellipk
    impl = sc.ellipk
    weight = 50

    def derivative(self, x: Array, y: Array) -> Array:
        return (np.pi / 8) * sc.hyp2f1(like(1.5, x), like(1.5, x), like(2.0, x), x)


class Ellipe(Unary):
    """The complete elliptic integral E of the parameter m; its derivative is a hypergeometric function
    (DLMF 19.5.2).
    """

    ufunc = sc.ellipe
    impl = sc.ellipe
    weight = 50

    def derivative(self, x: Array, y: Array) -> Array:
        return (-np.pi / 8) * sc.hyp2f1(like(0.5, x), like(1.5, x), like(2.0, x), x)


class Hyp0f1(Binary):
    """The confluent hypergeometric limit function; none is offered in v (DLMF 16.3.1)."""

    ufunc = sc.hyp0f1
    impl = sc.hyp0f1
    weight = 100

    scale_x = fixed("hyp0f1", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * sc.hyp0f1(x + 1, y) / x


class Hyp1f1(Ternary):
    """Kummer's function M(a, b, x); no derivative is offered in a and b (DLMF 13.3.15)."""

    ufunc = sc.hyp1f1
    impl = sc.hyp1f1
    weight = 100

    scale_x = fixed("hyp1f1", "a")
    scale_y = fixed("hyp1f1", "b")

    def scale_z(self, t: Array, x: Array, y: Array, z: Array, w: Array) -> Array:
        return t * (sc.hyp1f1(x + 1, y + 1, z) * (x / y))


class Hyperu(Ternary):
    """Tricomi's function U(a, b, x); no derivative is offered in a and b (DLMF 13.3.22)."""

    ufunc = sc.hyperu
    impl = sc.hyperu
    weight = 100

    scale_x = fixed("hyperu", "a")
    scale_y = fixed("hyperu", "b")

    def scale_z(self, t: Array, x: Array, y: Array, z: Array, w: Array) -> Array:
        return t * (sc.hyperu(x + 1, y + 1, z) * -x)


class Hyp2f1(Elementwise):
    """Gauss' hypergeometric function F(a, b; c; z); no derivative is offered in a, b and c (DLMF 15.5.1)."""

    ufunc = sc.hyp2f1
    impl = sc.hyp2f1
    weight = 200
    scales: ClassVar[tuple[str, ...]] = ("scale_a", "scale_b", "scale_c", "scale_z")

    scale_a = fixed("hyp2f1", "a")
    scale_b = fixed("hyp2f1", "b")
    scale_c = fixed("hyp2f1", "c")

    def scale_z(self, t: Array, a: Array, b: Array, c: Array, z: Array, w: Array) -> Array:
        return t * (sc.hyp2f1(a + 1, b + 1, c + 1, z) * (a * b / c))


class Lambertw(Ternary):
    """Lambert's W of branch k: the w with w e^w = z. Derivative: e^-w / (1 + w) (DLMF 4.13.4)."""

    ufunc = sc._lambertw
    impl = sc._lambertw
    weight = 100

    def scale_x(self, t: Array, x: Array, y: Array, z: Array, w: Array) -> Array:
        return t * (np.exp(-w) / (1 + w))

    scale_y = fixed("lambertw", "k")
    scale_z = fixed("lambertw", "tol")


class Wrightomega(Unary):
    """W(e^z), continuous in z. Derivative: w / (1 + w)."""

    ufunc = sc.wrightomega
    impl = sc.wrightomega
    weight = 100

    def derivative(self, x: Array, y: Array) -> Array:
        return y / (1 + y)


for _primitive in (
    Exp1(),
    Expi(),
    Expn(),
    Spence(),
    Ellipk(),
    Ellipe(),
    Hyp0f1(),
    Hyp1f1(),
    Hyperu(),
    Hyp2f1(),
    Lambertw(),
    Wrightomega(),
):
    elementwise(_primitive)
