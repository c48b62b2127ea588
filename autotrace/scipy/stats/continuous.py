"""Continuous distributions. Formulas as in SciPy's documentation of each, in terms of functions with
derivatives.

A derivative of a distribution function in a shape parameter that has no closed form (gamma's a, beta's a and
b,
Student's df) is an error where it is asked for; densities have derivatives in all parameters.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import _ufuncs as sc

from .family import Array, Continuous

__all__ = [
    "beta",
    "cauchy",
    "chi2",
    "expon",
    "gamma",
    "laplace",
    "logistic",
    "lognorm",
    "norm",
    "pareto",
    "t",
    "uniform",
]

_LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)


class Normal(Continuous):
    """The normal distribution."""

    name = "norm"

    def _logpdf(self, z: Array) -> Array:
        return -0.5 * (z * z) - _LOG_ROOT_2PI

    def _cdf(self, z: Array) -> Array:
        return sc.ndtr(z)

    def _sf(self, z: Array) -> Array:
        return sc.ndtr(-z)

    def _logcdf(self, z: Array) -> Array:
        return sc.log_ndtr(z)

    def _logsf(self, z: Array) -> Array:
        return sc.log_ndtr(-z)

    def _ppf(self, q: Array) -> Array:
        return sc.ndtri(q)

    def _isf(self, q: Array) -> Array:
        return -sc.ndtri(q)


class StudentT(Continuous):
    """Student's t distribution with ``df`` degrees of freedom; for df = inf the normal distribution."""

    name = "t"
    shapes = ("df",)

    def _logpdf(self, z: Array, df: Array) -> Array:
        normal = df == np.inf
        finite = np.where(normal, 1, df)
        half = 0.5 * finite
        value = sc.gammaln(half + 0.5) - sc.gammaln(half) - 0.5 * np.log(np.pi * finite)
        value = value - (half + 0.5) * np.log1p(z * z / finite)
        return np.where(normal, -0.5 * (z * z) - _LOG_ROOT_2PI, value)

    def _cdf(self, z: Array, df: Array) -> Array:
        return sc.stdtr(df, z)

    def _sf(self, z: Array, df: Array) -> Array:
        return sc.stdtr(df, -z)

    def _ppf(self, q: Array, df: Array) -> Array:
        return sc.stdtrit(df, q)

    def _isf(self, q: Array, df: Array) -> Array:
        return -sc.stdtrit(df, q)


class Gamma(Continuous):
    """The gamma distribution of shape ``a``."""

    name = "gamma"
    shapes = ("a",)
    low = 0.0

    def _logpdf(self, z: Array, a: Array) -> Array:
        return sc.xlogy(a - 1, z) - z - sc.gammaln(a)

    def _cdf(self, z: Array, a: Array) -> Array:
        return sc.gammainc(a, z)

    def _sf(self, z: Array, a: Array) -> Array:
        return sc.gammaincc(a, z)

    def _ppf(self, q: Array, a: Array) -> Array:
        return sc.gammaincinv(a, q)

    def _isf(self, q: Array, a: Array) -> Array:
        return sc.gammainccinv(a, q)


class ChiSquare(Continuous):
    """The chi-square distribution with ``df`` degrees of freedom."""

    name = "chi2"
    shapes = ("df",)
    low = 0.0

    def _logpdf(self, z: Array, df: Array) -> Array:
        half = 0.5 * df
        return sc.xlogy(half - 1, z) - 0.5 * z - sc.gammaln(half) - half * math.log(2.0)

    def _cdf(self, z: Array, df: Array) -> Array:
        return sc.gammainc(0.5 * df, 0.5 * z)

    def _sf(self, z: Array, df: Array) -> Array:
        return sc.gammaincc(0.5 * df, 0.5 * z)

    def _ppf(self, q: Array, df: Array) -> Array:
        return 2 * sc.gammaincinv(0.5 * df, q)

    def _isf(self, q: Array, df: Array) -> Array:
        return 2 * sc.gammainccinv(0.5 * df, q)


class Beta(Continuous):
    """The beta distribution of shapes ``a`` and ``b``."""

    name = "beta"
    shapes = ("a", "b")
    low = 0.0
    high = 1.0

    def _logpdf(self, z: Array, a: Array, b: Array) -> Array:
        return sc.xlog1py(b - 1, -z) + sc.xlogy(a - 1, z) - sc.betaln(a, b)

    def _cdf(self, z: Array, a: Array, b: Array) -> Array:
        return sc.betainc(a, b, z)

    def _sf(self, z: Array, a: Array, b: Array) -> Array:
        return sc.betaincc(a, b, z)

    def _ppf(self, q: Array, a: Array, b: Array) -> Array:
        return sc.betaincinv(a, b, q)


class Exponential(Continuous):
    """The exponential distribution."""

    name = "expon"
    low = 0.0

    def _logpdf(self, z: Array) -> Array:
        return -z

    def _cdf(self, z: Array) -> Array:
        return -np.expm1(-z)

    def _sf(self, z: Array) -> Array:
        return np.exp(-z)

    def _logsf(self, z: Array) -> Array:
        return -z

    def _ppf(self, q: Array) -> Array:
        return -np.log1p(-q)

    def _isf(self, q: Array) -> Array:
        return -np.log(q)


class Uniform(Continuous):
    """The uniform distribution on (loc, loc + scale)."""

    name = "uniform"
    low = 0.0
    high = 1.0

    def _logpdf(self, z: Array) -> Array:
        return 0 * z

    def _cdf(self, z: Array) -> Array:
        return z

    def _ppf(self, q: Array) -> Array:
        return q


class Laplace(Continuous):
    """Laplace's distribution; the derivative of its density at the peak is 0, midway between the sides."""

    name = "laplace"

    def _logpdf(self, z: Array) -> Array:
        return math.log(0.5) - np.abs(z)

    def _cdf(self, z: Array) -> Array:
        tail = 0.5 * np.exp(-np.abs(z))
        return np.where(z > 0, 1 - tail, np.where(z == 0, 0.5 + 0.5 * z, tail))

    def _sf(self, z: Array) -> Array:
        return self._cdf(-z)

    def _ppf(self, q: Array) -> Array:
        upper = q > 0.5
        return np.where(upper, -np.log(2 * np.where(upper, 1 - q, 0.5)), np.log(2 * np.where(upper, 0.5, q)))

    def _isf(self, q: Array) -> Array:
        return -self._ppf(q)


class Logistic(Continuous):
    """The logistic distribution."""

    name = "logistic"

    def _logpdf(self, z: Array) -> Array:
        return sc.log_expit(z) + sc.log_expit(-z)

    def _cdf(self, z: Array) -> Array:
        return sc.expit(z)

    def _sf(self, z: Array) -> Array:
        return sc.expit(-z)

    def _logcdf(self, z: Array) -> Array:
        return sc.log_expit(z)

    def _logsf(self, z: Array) -> Array:
        return sc.log_expit(-z)

    def _ppf(self, q: Array) -> Array:
        return sc.logit(q)

    def _isf(self, q: Array) -> Array:
        return -sc.logit(q)


class Cauchy(Continuous):
    """Cauchy's distribution."""

    name = "cauchy"

    def _logpdf(self, z: Array) -> Array:
        return -math.log(math.pi) - np.log1p(z * z)

    def _cdf(self, z: Array) -> Array:
        return np.arctan2(1.0, -z) / np.pi

    def _sf(self, z: Array) -> Array:
        return np.arctan2(1.0, z) / np.pi

    def _ppf(self, q: Array) -> Array:
        return np.tan(np.pi * (q - 0.5))


class Pareto(Continuous):
    """Pareto's distribution of shape ``b``."""

    name = "pareto"
    shapes = ("b",)
    low = 1.0
    inside = 2.0

    def _logpdf(self, z: Array, b: Array) -> Array:
        return np.log(b) - (b + 1) * np.log(z)

    def _cdf(self, z: Array, b: Array) -> Array:
        return -np.expm1(-b * np.log(z))

    def _sf(self, z: Array, b: Array) -> Array:
        return np.exp(-b * np.log(z))

    def _logsf(self, z: Array, b: Array) -> Array:
        return -b * np.log(z)

    def _ppf(self, q: Array, b: Array) -> Array:
        return np.exp(-np.log1p(-q) / b)

    def _isf(self, q: Array, b: Array) -> Array:
        return np.exp(-np.log(q) / b)


class Lognormal(Continuous):
    """The distribution of exp(s x), for x of the standard normal distribution."""

    name = "lognorm"
    shapes = ("s",)
    low = 0.0
    closed = False

    def _logpdf(self, z: Array, s: Array) -> Array:
        u = np.log(z)
        return -0.5 * (u / s) ** 2 - np.log(s) - u - _LOG_ROOT_2PI

    def _cdf(self, z: Array, s: Array) -> Array:
        return sc.ndtr(np.log(z) / s)

    def _sf(self, z: Array, s: Array) -> Array:
        return sc.ndtr(-np.log(z) / s)

    def _logcdf(self, z: Array, s: Array) -> Array:
        return sc.log_ndtr(np.log(z) / s)

    def _logsf(self, z: Array, s: Array) -> Array:
        return sc.log_ndtr(-np.log(z) / s)

    def _ppf(self, q: Array, s: Array) -> Array:
        return np.exp(s * sc.ndtri(q))

    def _isf(self, q: Array, s: Array) -> Array:
        return np.exp(-s * sc.ndtri(q))


norm = Normal()
t = StudentT()
gamma = Gamma()
chi2 = ChiSquare()
beta = Beta()
expon = Exponential()
uniform = Uniform()
laplace = Laplace()
logistic = Logistic()
cauchy = Cauchy()
pareto = Pareto()
lognorm = Lognormal()
