"""Distributions on integers.

Derivatives are those in the parameters: probabilities are constant between integers.
"""

from __future__ import annotations

import numpy as np
from scipy.special import _ufuncs as sc

from .family import Array, Discrete

__all__ = ["bernoulli", "binom", "geom", "poisson"]


class Poisson(Discrete):
    """Poisson's distribution of mean ``mu`` >= 0. The distribution function is gammaincc(k + 1, mu)."""

    name = "poisson"
    shapes = ("mu",)

    def valid(self, *shapes: Array) -> Array:
        return shapes[0] >= 0

    def _logpmf(self, k: Array, mu: Array) -> Array:
        return sc.xlogy(k, mu) - sc.gammaln(k + 1) - mu

    def _cdf(self, k: Array, mu: Array) -> Array:
        return sc.gammaincc(k + 1, mu)

    def _sf(self, k: Array, mu: Array) -> Array:
        return sc.gammainc(k + 1, mu)


class Bernoulli(Discrete):
    """One trial that succeeds with probability ``p``."""

    name = "bernoulli"
    shapes = ("p",)

    def valid(self, *shapes: Array) -> Array:
        return (shapes[0] >= 0) & (shapes[0] <= 1)

    def _high(self, *shapes: Array) -> Array:
        return 1

    def _logpmf(self, k: Array, p: Array) -> Array:
        return sc.xlogy(k, p) + sc.xlog1py(1 - k, -p)

    def _cdf(self, k: Array, p: Array) -> Array:
        return 1 - p

    def _sf(self, k: Array, p: Array) -> Array:
        return p


class Binomial(Discrete):
    """The successes of ``n`` trials that succeed with probability ``p``.

    Its distribution function is betainc(n - k, k + 1, 1 - p).
    """

    name = "binom"
    shapes = ("n", "p")

    def valid(self, *shapes: Array) -> Array:
        n, p = shapes
        return (n >= 0) & (n == np.floor(n)) & (p >= 0) & (p <= 1)

    def _high(self, *shapes: Array) -> Array:
        return shapes[0]

    def _logpmf(self, k: Array, n: Array, p: Array) -> Array:
        ways = sc.gammaln(n + 1) - sc.gammaln(k + 1) - sc.gammaln(n - k + 1)
        return ways + sc.xlogy(k, p) + sc.xlog1py(n - k, -p)

    def _cdf(self, k: Array, n: Array, p: Array) -> Array:
        return sc.betainc(np.where(n > k, n - k, 1), k + 1, 1 - p)

    def _sf(self, k: Array, n: Array, p: Array) -> Array:
        return sc.betainc(k + 1, np.where(n > k, n - k, 1), p)


class Geometric(Discrete):
    """The trials until the first success, at least 1, when each succeeds with probability ``p``."""

    name = "geom"
    shapes = ("p",)

    def valid(self, *shapes: Array) -> Array:
        return (shapes[0] > 0) & (shapes[0] <= 1)

    def _logpmf(self, k: Array, p: Array) -> Array:
        first = k < 1
        value = sc.xlog1py(np.where(first, 1, k) - 1, -p) + np.log(p)
        return np.where(first, -np.inf, value)

    def _cdf(self, k: Array, p: Array) -> Array:
        return -np.expm1(sc.xlog1py(k, -p))

    def _sf(self, k: Array, p: Array) -> Array:
        return np.exp(sc.xlog1py(k, -p))


poisson = Poisson()
bernoulli = Bernoulli()
binom = Binomial()
geom = Geometric()
