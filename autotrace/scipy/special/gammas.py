"""The gamma function and its relatives.

Sources: DLMF, chapters 5 (gamma), 8 (incomplete gamma and beta), 25 (zeta).
"""

from __future__ import annotations

import numpy as np

from ...errors import MissingRuleError
from ...ir import here
from .elementwise import Array, Binary, Predicate, Ternary, Unary, elementwise, fixed, like, sc

__all__: list[str] = []


class Gamma(Unary):
    """The gamma function. Derivative: gamma(x) psi(x) (DLMF 5.2.2)."""

    ufunc = sc.gamma
    impl = sc.gamma
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return y * sc.psi(x)


class Gammaln(Unary):
    """log |gamma(x)|. Derivative: psi(x) (DLMF 5.2.2)."""

    ufunc = sc.gammaln
    impl = sc.gammaln
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return sc.psi(x)


class Loggamma(Unary):
    """The principal branch of log gamma(z). Derivative: psi(z)."""

    ufunc = sc.loggamma
    impl = sc.loggamma
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        return sc.psi(x)


class Gammasgn(Predicate):
    """The sign of gamma(x); piecewise constant."""

    ufunc = sc.gammasgn
    impl = sc.gammasgn


class Rgamma(Unary):
    """1 / gamma(x), entire.

    Derivative: -psi(x) / gamma(x), which at x = -n is (-1)^n n! (DLMF 5.7.1, 5.2.2).
    """

    ufunc = sc.rgamma
    impl = sc.rgamma
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        if x.dtype.kind == "c":
            return -y * sc.psi(x)
        pole = (x <= 0) & (x == np.floor(x))
        n = np.where(pole, -x, 1)
        return np.where(pole, np.cos(np.pi * n) * sc.gamma(n + 1), -y * sc.psi(np.where(pole, 1, x)))


class Psi(Unary):
    """The digamma function. Derivative: the trigamma function zeta(2, x) (DLMF 5.15.1)."""

    ufunc = sc.psi
    impl = sc.psi
    weight = 30

    def derivative(self, x: Array, y: Array) -> Array:
        if x.dtype.kind == "c":
            raise MissingRuleError(
                f"psi: its derivative is offered for real arguments; got a complex one{here()}. Use real arguments."
            )
        return sc._zeta(2.0, x)


class Zeta(Binary):
    """Hurwitz' zeta function.

    In q the derivative is -s zeta(s + 1, q) (DLMF 25.11.17); none is offered in s.
    """

    ufunc = sc._zeta
    impl = sc._zeta
    weight = 50

    scale_x = fixed("zeta", "x")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -t * x * sc._zeta(x + 1, y)


class RiemannZeta(Unary):
    """Riemann's zeta function, of which no derivative is offered."""

    ufunc = sc._riemann_zeta
    impl = sc._riemann_zeta
    weight = 50

    scale_x = fixed("zeta", "x")


class Beta(Binary):
    """gamma(a) gamma(b) / gamma(a + b) (DLMF 5.12.1)."""

    ufunc = sc.beta
    impl = sc.beta
    weight = 50

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * z * (sc.psi(x) - sc.psi(x + y))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * z * (sc.psi(y) - sc.psi(x + y))


class Betaln(Binary):
    """log |beta(a, b)|."""

    ufunc = sc.betaln
    impl = sc.betaln
    weight = 50

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (sc.psi(x) - sc.psi(x + y))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * (sc.psi(y) - sc.psi(x + y))


class Poch(Binary):
    """Pochhammer's symbol gamma(z + m) / gamma(z) (DLMF 5.2.5)."""

    ufunc = sc.poch
    impl = sc.poch
    weight = 50

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * z * (sc.psi(x + y) - sc.psi(x))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * z * sc.psi(x + y)


class Binom(Binary):
    """The binomial coefficient of real n and k. NaN where n - k + 1 or k + 1 is a pole of gamma."""

    ufunc = sc.binom
    impl = sc.binom
    weight = 50

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        x, y = like(x, z), like(y, z)
        return t * z * (sc.psi(x + 1) - sc.psi(x - y + 1))

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        x, y = like(x, z), like(y, z)
        return t * z * (sc.psi(x - y + 1) - sc.psi(y + 1))


def gamma_density(a: Array, x: Array) -> Array:
    """x^(a-1) e^-x / gamma(a), the derivative of gammainc(a, x) in x (DLMF 8.8.13)."""
    return np.exp(sc.xlogy(a - 1, x) - x - sc.gammaln(a))


class Gammainc(Binary):
    """The regularised lower incomplete gamma function P(a, x) (DLMF 8.2.4). No derivative is offered in a."""

    ufunc = sc.gammainc
    impl = sc.gammainc
    weight = 100

    scale_x = fixed("gammainc", "a")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * gamma_density(x, y)


class Gammaincc(Binary):
    """The regularised upper incomplete gamma function 1 - P(a, x) (DLMF 8.2.4).

    No derivative is offered in a.
    """

    ufunc = sc.gammaincc
    impl = sc.gammaincc
    weight = 100

    scale_x = fixed("gammaincc", "a")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -t * gamma_density(x, y)


class Gammaincinv(Binary):
    """The x with gammainc(a, x) = y. No derivative is offered in a."""

    ufunc = sc.gammaincinv
    impl = sc.gammaincinv
    weight = 300

    scale_x = fixed("gammaincinv", "a")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t / gamma_density(x, z)


class Gammainccinv(Binary):
    """The x with gammaincc(a, x) = y. No derivative is offered in a."""

    ufunc = sc.gammainccinv
    impl = sc.gammainccinv
    weight = 300

    scale_x = fixed("gammainccinv", "a")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -t / gamma_density(x, z)


def beta_density(a: Array, b: Array, x: Array) -> Array:
    """x^(a-1) (1-x)^(b-1) / beta(a, b), the derivative of betainc(a, b, x) in x (DLMF 8.17.1)."""
    return np.exp(sc.xlogy(a - 1, x) + sc.xlog1py(b - 1, -x) - sc.betaln(a, b))


class Betainc(Ternary):
    """The regularised incomplete beta function I_x(a, b) (DLMF 8.17.2).

    No derivative is offered in a and b.
    """

    ufunc = sc.betainc
    impl = sc.betainc
    weight = 100

    scale_x = fixed("betainc", "a")
    scale_y = fixed("betainc", "b")

    def scale_z(self, t: Array, x: Array, y: Array, z: Array, w: Array) -> Array:
        return t * beta_density(x, y, z)


class Betaincc(Ternary):
    """1 - betainc(a, b, x). No derivative is offered in a and b."""

    ufunc = sc.betaincc
    impl = sc.betaincc
    weight = 100

    scale_x = fixed("betaincc", "a")
    scale_y = fixed("betaincc", "b")

    def scale_z(self, t: Array, x: Array, y: Array, z: Array, w: Array) -> Array:
        return -t * beta_density(x, y, z)


class Betaincinv(Ternary):
    """The x with betainc(a, b, x) = y. No derivative is offered in a and b."""

    ufunc = sc.betaincinv
    impl = sc.betaincinv
    weight = 300

    scale_x = fixed("betaincinv", "a")
    scale_y = fixed("betaincinv", "b")

    def scale_z(self, t: Array, x: Array, y: Array, z: Array, w: Array) -> Array:
        return t / beta_density(x, y, w)


def student_density(df: Array, t: Array) -> Array:
    """The density of Student's t distribution, the derivative of stdtr(df, t) in t."""
    half = 0.5 * df
    return np.exp(sc.gammaln(half + 0.5) - sc.gammaln(half) - (half + 0.5) * np.log1p(t * t / df)) / np.sqrt(np.pi * df)


class Stdtr(Binary):
    """The distribution function of Student's t distribution. No derivative is offered in df."""

    ufunc = sc.stdtr
    impl = sc.stdtr
    weight = 100

    scale_x = fixed("stdtr", "df")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t * student_density(like(x, y), y)


class Stdtrit(Binary):
    """The quantile function of Student's t distribution. No derivative is offered in df."""

    ufunc = sc.stdtrit
    impl = sc.stdtrit
    weight = 300

    scale_x = fixed("stdtrit", "df")

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return t / student_density(like(x, y), z)


for _primitive in (
    Gamma(),
    Gammaln(),
    Loggamma(),
    Gammasgn(),
    Rgamma(),
    Psi(),
    Zeta(),
    RiemannZeta(),
    Beta(),
    Betaln(),
    Poch(),
    Binom(),
    Gammainc(),
    Gammaincc(),
    Gammaincinv(),
    Gammainccinv(),
    Betainc(),
    Betaincc(),
    Betaincinv(),
    Stdtr(),
    Stdtrit(),
):
    elementwise(_primitive)
