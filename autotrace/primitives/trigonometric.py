"""Circular and hyperbolic functions and their inverses (derivatives: DLMF 4.20, 4.24, 4.34, 4.38)."""

from __future__ import annotations

import numpy as np

from .families import Array, Binary, Unary, elementwise
from .series import carried

__all__ = [
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cos",
    "cosh",
    "deg2rad",
    "rad2deg",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


class Sin(Unary):
    """sin x."""

    ufunc = np.sin
    impl = np.sin
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return np.cos(x)


class Cos(Unary):
    """cos x."""

    ufunc = np.cos
    impl = np.cos
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return -np.sin(x)


class Tan(Unary):
    """tan x."""

    ufunc = np.tan
    impl = np.tan
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return 1 + y * y


class Arcsin(Unary):
    """The inverse of sin on [-1, 1]."""

    ufunc = np.arcsin
    impl = np.arcsin
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / np.sqrt(-((x - 1) * (x + 1)))


class Arccos(Unary):
    """The inverse of cos on [-1, 1]."""

    ufunc = np.arccos
    impl = np.arccos
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return -(t / np.sqrt(-((x - 1) * (x + 1))))


class Arctan(Unary):
    """The inverse of tan."""

    ufunc = np.arctan
    impl = np.arctan
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / (1 + x * x)


class Sinh(Unary):
    """sinh x."""

    ufunc = np.sinh
    impl = np.sinh
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return np.cosh(x)


class Cosh(Unary):
    """cosh x."""

    ufunc = np.cosh
    impl = np.cosh
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return np.sinh(x)


class Tanh(Unary):
    """tanh x."""

    ufunc = np.tanh
    impl = np.tanh
    weight = 10

    def derivative(self, x: Array, y: Array) -> Array:
        return 1 - y * y


class Arcsinh(Unary):
    """The inverse of sinh."""

    ufunc = np.arcsinh
    impl = np.arcsinh
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / np.sqrt(x * x + 1)


class Arccosh(Unary):
    """The inverse of cosh on [1, inf)."""

    ufunc = np.arccosh
    impl = np.arccosh
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / (np.sqrt(x - 1) * np.sqrt(x + 1))


class Arctanh(Unary):
    """The inverse of tanh on (-1, 1)."""

    ufunc = np.arctanh
    impl = np.arctanh
    weight = 10

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return t / ((1 - x) * (1 + x))


class Deg2rad(Unary):
    """Degrees to radians."""

    ufunc = np.deg2rad
    impl = np.deg2rad
    linear = (0,)
    taylor = carried

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return np.deg2rad(t)


class Rad2deg(Unary):
    """Radians to degrees."""

    ufunc = np.rad2deg
    impl = np.rad2deg
    linear = (0,)
    taylor = carried

    def scale_x(self, t: Array, x: Array, y: Array) -> Array:
        return np.rad2deg(t)


class Arctan2(Binary):
    """The angle of the point (y, x), the operands in NumPy's order: first the ordinate. 0 derivative at the origin."""

    ufunc = np.arctan2
    impl = np.arctan2
    weight = 15

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (y / _norm2(x, y))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -(t * (x / _norm2(x, y)))


def _norm2(x: Array, y: Array) -> Array:
    r2 = x * x + y * y
    return np.where(r2 == 0, 1, r2)


sin = elementwise(Sin())
cos = elementwise(Cos())
tan = elementwise(Tan())
arcsin = elementwise(Arcsin())
arccos = elementwise(Arccos())
arctan = elementwise(Arctan())
sinh = elementwise(Sinh())
cosh = elementwise(Cosh())
tanh = elementwise(Tanh())
arcsinh = elementwise(Arcsinh())
arccosh = elementwise(Arccosh())
arctanh = elementwise(Arctanh())
arctan2 = elementwise(Arctan2())
deg2rad = elementwise(Deg2rad(), np.deg2rad, np.radians)
rad2deg = elementwise(Rad2deg(), np.rad2deg, np.degrees)
