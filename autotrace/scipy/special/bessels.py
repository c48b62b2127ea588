"""Bessel functions, Airy functions and their relatives. Sources: DLMF, chapters 9 (Airy) and 10 (Bessel).

None offers a derivative in its order: one that is asked for is an error. Functions of integer order use the
recurrences that have no removable singularity at 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...tracing import as_operand
from .elementwise import Array, Binary, Part, Unary, elementwise, fixed, like, parts, real_only, sc

__all__ = ["spherical_in", "spherical_jn", "spherical_kn", "spherical_yn"]


class J0(Unary):
    """The Bessel function of the first kind of order 0. Derivative: -j1 (DLMF 10.6.3)."""

    ufunc = sc.j0
    impl = sc.j0
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return -sc.j1(x)


class J1(Unary):
    """The Bessel function of the first kind of order 1. Derivative: (J0 - J2) / 2 (DLMF 10.6.1)."""

    ufunc = sc.j1
    impl = sc.j1
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return 0.5 * (sc.j0(x) - sc.jv(like(2, x), x))


class Y0(Unary):
    """The Bessel function of the second kind of order 0. Derivative: -y1 (DLMF 10.6.3)."""

    ufunc = sc.y0
    impl = sc.y0
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return -sc.y1(x)


class Y1(Unary):
    """The Bessel function of the second kind of order 1. Derivative: Y0 - Y1 / x (DLMF 10.6.2)."""

    ufunc = sc.y1
    impl = sc.y1
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return sc.y0(x) - y / x


class BesselI0(Unary):
    """The modified Bessel function of order 0. Derivative: i1 (DLMF 10.29.3)."""

    ufunc = sc.i0
    impl = sc.i0
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return sc.i1(x)


class BesselI1(Unary):
    """The modified Bessel function of order 1. Derivative: (I0 + I2) / 2 (DLMF 10.29.1)."""

    ufunc = sc.i1
    impl = sc.i1
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return 0.5 * (sc.i0(x) + sc.iv(like(2, x), x))


class BesselI0e(Unary):
    """exp(-|x|) I0(x). Derivative: i1e - sign(x) i0e, so 0 at the kink at 0."""

    ufunc = sc.i0e
    impl = sc.i0e
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return sc.i1e(x) - np.sign(x) * y


class BesselI1e(Unary):
    """exp(-|x|) I1(x). Derivative: exp(-|x|) (I0 + I2) / 2 - sign(x) i1e."""

    ufunc = sc.i1e
    impl = sc.i1e
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return 0.5 * (sc.i0e(x) + sc.ive(like(2, x), x)) - np.sign(x) * y


class K0(Unary):
    """The modified Bessel function of the second kind of order 0. Derivative: -k1 (DLMF 10.29.3)."""

    ufunc = sc.k0
    impl = sc.k0
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return -sc.k1(x)


class K1(Unary):
    """The modified Bessel function of the second kind of order 1. Derivative: -K0 - K1 / x (DLMF 10.29.2)."""

    ufunc = sc.k1
    impl = sc.k1
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return -sc.k0(x) - y / x


class K0e(Unary):
    """exp(x) K0(x)."""

    ufunc = sc.k0e
    impl = sc.k0e
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return y - sc.k1e(x)


class K1e(Unary):
    """exp(x) K1(x)."""

    ufunc = sc.k1e
    impl = sc.k1e
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return y - sc.k0e(x) - y / x


class Jv(Binary):
    """The Bessel function of the first kind of real order v. In z: (J_{v-1} - J_{v+1}) / 2 (DLMF 10.6.1)."""

    ufunc = sc.jv
    impl = sc.jv
    weight = 100

    scale_x = fixed("jv", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        x = like(x, y)
        return t * (0.5 * (sc.jv(x - 1, y) - sc.jv(x + 1, y)))


class Jve(Binary):
    """exp(-|Im z|) J_v(z); its derivative is offered for real z."""

    ufunc = sc.jve
    impl = sc.jve
    weight = 100

    scale_x = fixed("jve", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        real_only("jve", y)
        return t * (0.5 * (sc.jve(x - 1, y) - sc.jve(x + 1, y)))


class Yv(Binary):
    """The Bessel function of the second kind of real order v. In z: (Y_{v-1} - Y_{v+1}) / 2 (DLMF 10.6.1)."""

    ufunc = sc.yv
    impl = sc.yv
    weight = 100

    scale_x = fixed("yv", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (0.5 * (sc.yv(x - 1, y) - sc.yv(x + 1, y)))


class Yve(Binary):
    """exp(-|Im z|) Y_v(z); its derivative is offered for real z."""

    ufunc = sc.yve
    impl = sc.yve
    weight = 100

    scale_x = fixed("yve", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        real_only("yve", y)
        return t * (0.5 * (sc.yve(x - 1, y) - sc.yve(x + 1, y)))


class Yn(Binary):
    """The Bessel function of the second kind of integer order n."""

    ufunc = sc.yn
    impl = sc.yn
    weight = 100

    scale_x = fixed("yn", "n")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        x = like(x, y)
        return t * (0.5 * (sc.yv(x - 1, y) - sc.yv(x + 1, y)))


class Kn(Binary):
    """The modified Bessel function of the second kind of integer order n."""

    ufunc = sc.kn
    impl = sc.kn
    weight = 100

    scale_x = fixed("kn", "n")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        x = like(x, y)
        return t * (-0.5 * (sc.kv(x - 1, y) + sc.kv(x + 1, y)))


class Iv(Binary):
    """The modified Bessel function of real order v. In z: (I_{v-1} + I_{v+1}) / 2 (DLMF 10.29.1)."""

    ufunc = sc.iv
    impl = sc.iv
    weight = 100

    scale_x = fixed("iv", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (0.5 * (sc.iv(x - 1, y) + sc.iv(x + 1, y)))


class Ive(Binary):
    """exp(-|Re z|) I_v(z); its derivative is offered for real z, where it has a kink at 0."""

    ufunc = sc.ive
    impl = sc.ive
    weight = 100

    scale_x = fixed("ive", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        real_only("ive", y)
        return t * (0.5 * (sc.ive(x - 1, y) + sc.ive(x + 1, y)) - np.sign(y) * z)


class Kv(Binary):
    """The modified Bessel function of the second kind of real order v.

    In z: -(K_{v-1} + K_{v+1}) / 2 (DLMF 10.29.1).
    """

    ufunc = sc.kv
    impl = sc.kv
    weight = 100

    scale_x = fixed("kv", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (-0.5 * (sc.kv(x - 1, y) + sc.kv(x + 1, y)))


class Kve(Binary):
    """exp(z) K_v(z)."""

    ufunc = sc.kve
    impl = sc.kve
    weight = 100

    scale_x = fixed("kve", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (z - 0.5 * (sc.kve(x - 1, y) + sc.kve(x + 1, y)))


class Hankel1(Binary):
    """The Hankel function J_v + i Y_v of real order v (DLMF 10.6.1)."""

    ufunc = sc.hankel1
    impl = sc.hankel1
    weight = 200

    scale_x = fixed("hankel1", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (0.5 * (sc.hankel1(x - 1, y) - sc.hankel1(x + 1, y)))


class Hankel2(Binary):
    """The Hankel function J_v - i Y_v of real order v (DLMF 10.6.1)."""

    ufunc = sc.hankel2
    impl = sc.hankel2
    weight = 200

    scale_x = fixed("hankel2", "v")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (0.5 * (sc.hankel2(x - 1, y) - sc.hankel2(x + 1, y)))


class Airy(Part):
    """Ai, Ai', Bi or Bi' (``part`` 0 to 3). Ai'' = x Ai and Bi'' = x Bi (DLMF 9.2.1)."""

    ufunc = sc.airy
    weight = 100

    def derivative(self, x: Array, y: Array) -> Array:
        if self.part % 2 == 0:
            return _airy[self.part + 1](x)
        return x * _airy[self.part - 1](x)


_airy = parts(Airy)


class SphericalJn(Binary):
    """The spherical Bessel function j_n.

    Derivative: (n j_{n-1} - (n + 1) j_{n+1}) / (2n + 1) (DLMF 10.51.1).
    """

    ufunc = sc._spherical_jn
    impl = sc._spherical_jn
    weight = 100

    scale_x = fixed("spherical_jn", "n")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * _neighbours(sc._spherical_jn, x, y, -1.0)


class SphericalYn(Binary):
    """The spherical Bessel function y_n (DLMF 10.51.1)."""

    ufunc = sc._spherical_yn
    impl = sc._spherical_yn
    weight = 100

    scale_x = fixed("spherical_yn", "n")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * _neighbours(sc._spherical_yn, x, y, -1.0)


class SphericalIn(Binary):
    """The modified spherical Bessel function i_n.

    Derivative: (n i_{n-1} + (n + 1) i_{n+1}) / (2n + 1) (DLMF 10.51.4).
    """

    ufunc = sc._spherical_in
    impl = sc._spherical_in
    weight = 100

    scale_x = fixed("spherical_in", "n")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * _neighbours(sc._spherical_in, x, y, 1.0)


class SphericalKn(Binary):
    """The modified spherical Bessel function k_n.

    Derivative: -(n k_{n-1} + (n + 1) k_{n+1}) / (2n + 1) (DLMF 10.51.4).
    """

    ufunc = sc._spherical_kn
    impl = sc._spherical_kn
    weight = 100

    scale_x = fixed("spherical_kn", "n")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -t * _neighbours(sc._spherical_kn, x, y, 1.0)


def _neighbours(function: Any, n: Array, z: Array, sign: float) -> Array:
    """(n f_{n-1} + sign (n + 1) f_{n+1}) / (2n + 1), where f_{-1} is not asked for."""
    below, above = function(np.maximum(n - 1, 0), z), function(n + 1, z)
    n = like(n, z)
    return (n * below + (sign * (n + 1)) * above) / (2 * n + 1)


for _primitive in (
    J0(),
    J1(),
    Y0(),
    Y1(),
    BesselI0(),
    BesselI1(),
    BesselI0e(),
    BesselI1e(),
    K0(),
    K1(),
    K0e(),
    K1e(),
    Jv(),
    Jve(),
    Yv(),
    Yve(),
    Yn(),
    Kn(),
    Iv(),
    Ive(),
    Kv(),
    Kve(),
    Hankel1(),
    Hankel2(),
    SphericalJn(),
    SphericalYn(),
    SphericalIn(),
    SphericalKn(),
):
    elementwise(_primitive)


def _spherical(function: Any, n: Any, z: Any, derivative: bool, sign: float, parity: int) -> Array:
    """Evaluate ``function`` (or its derivative) where it is defined for complex ``z``; for real ones
    reflect z < 0.
    """
    n, z = np.asarray(n, np.int_), as_operand(z)
    z = z if hasattr(z, "dtype") else np.asarray(z)
    scale = -1.0 if function is sc._spherical_kn else 1.0

    def at(z: Array) -> Array:
        return scale * _neighbours(function, n, z, sign) if derivative else function(n, z)

    if z.dtype.kind == "c" or function is sc._spherical_kn:
        return at(z)
    negative = z < 0
    return at(np.where(negative, -z, z)) * np.where(negative, (-1.0) ** (n + parity + derivative), 1.0)


def spherical_jn(n: Any, z: Any, derivative: bool = False) -> Array:
    """Return the spherical Bessel function of the first kind of order ``n``, or its derivative in ``z``."""
    return _spherical(sc._spherical_jn, n, z, derivative, -1.0, 0)


def spherical_yn(n: Any, z: Any, derivative: bool = False) -> Array:
    """Return the spherical Bessel function of the second kind of order ``n``, or its derivative in ``z``."""
    return _spherical(sc._spherical_yn, n, z, derivative, -1.0, 1)


def spherical_in(n: Any, z: Any, derivative: bool = False) -> Array:
    """Return the modified spherical Bessel function of the first kind of order ``n``, or its derivative in
    ``z``.
    """
    return _spherical(sc._spherical_in, n, z, derivative, 1.0, 0)


def spherical_kn(n: Any, z: Any, derivative: bool = False) -> Array:
    """Return the modified spherical Bessel function of the second kind of order ``n``, or its derivative in
    ``z``.
    """
    return _spherical(sc._spherical_kn, n, z, derivative, 1.0, 0)
