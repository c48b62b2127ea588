"""Distributions with SciPy's names and arguments, on plain and on traced values.

A distribution states what it is for location 0 and scale 1; location, scale, what lies outside of the support
(density 0, with derivative 0) and parameters that are not valid (NaN) are dealt with here.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...tracing import as_operand

__all__ = ["Array", "Continuous", "Discrete", "operand"]

Array = Any


def operand(x: Any) -> Array:
    """Return ``x`` as a traced or plain array of float64, in which SciPy's distributions compute whatever
    they get.
    """
    x = as_operand(x)
    x = x if hasattr(x, "dtype") else np.asarray(x)
    return x if x.dtype == np.float64 else x.astype(np.float64)


class Frozen:
    """A distribution with its parameters: ``norm(0.0, 2.0).logpdf(x)``."""

    def __init__(self, family: Distribution, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        family.parameters(args, kwargs)
        self._family, self._args, self._kwargs = family, args, kwargs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        method = getattr(self._family, name)
        return lambda x: method(x, *self._args, **self._kwargs)


class Distribution:
    """What continuous and discrete distributions share: their arguments."""

    name: ClassVar[str]
    shapes: ClassVar[tuple[str, ...]] = ()
    """The names of the parameters before ``loc``."""
    common: ClassVar[dict[str, float]]
    """The parameters after them, with their defaults."""

    def __call__(self, *args: Any, **kwargs: Any) -> Frozen:
        return Frozen(self, args, kwargs)

    def parameters(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Array]:
        """Return the parameters in order; raise ``TypeError`` for names or a number that do not fit."""
        names = (*self.shapes, *self.common)
        given = dict(zip(names, args, strict=False))
        wrong = [key for key in kwargs if key not in names or key in given]
        missing = [key for key in self.shapes if key not in given and key not in kwargs]
        if wrong or missing or len(args) > len(names):
            raise TypeError(
                f"{self.name}: parameters must be {', '.join(names)}; got {len(args)} by position and "
                f"{', '.join(kwargs) or 'none'} by name. Pass each once."
            )
        given = {**self.common, **given, **kwargs}
        return [operand(given[key]) for key in names]

    def valid(self, *shapes: Array) -> Array:
        """Tell where the shape parameters are valid: by default where positive."""
        ok: Array = True
        for shape in shapes:
            ok = ok & (shape > 0)
        return ok


class Continuous(Distribution):
    """A distribution with a density; subclasses define ``_logpdf``, ``_cdf``, ``_sf``, ``_ppf`` and their
    like.
    """

    common: ClassVar[dict[str, float]] = {"loc": 0, "scale": 1}
    low: ClassVar[float] = -np.inf
    high: ClassVar[float] = np.inf
    inside: ClassVar[float] = 0.5
    """A point within the support, which stands in for those outside."""
    closed: ClassVar[bool] = True
    """The density is finite at the ends of the support, as far as it depends on them."""

    def _standardised(
        self, x: Any, args: Any, kwargs: Any, closed: bool
    ) -> tuple[Array, list[Array], Array, Array, Array, Array]:
        """Return z safe inside the support, the shapes, the scale, and where: below, above, valid."""
        *shapes, loc, scale = self.parameters(args, kwargs)
        ok = self.valid(*shapes) & (scale > 0)
        z = (operand(x) - loc) / np.where(scale > 0, scale, 1)
        below, above = (z < self.low, z > self.high) if closed else (z <= self.low, z >= self.high)
        return np.where(below | above, self.inside, z), shapes, scale, below, above, ok

    def logpdf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the logarithm of the density at ``x``."""
        z, shapes, scale, below, above, ok = self._standardised(x, args, kwargs, self.closed)
        value = self._logpdf(z, *shapes) - np.log(np.where(scale > 0, scale, 1))
        return np.where(ok, np.where(below | above, -np.inf, value), np.nan)

    def pdf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the density at ``x``."""
        return np.exp(self.logpdf(x, *args, **kwargs))

    def _distribution(self, function: Any, x: Any, args: Any, kwargs: Any, at_low: float, at_high: float) -> Array:
        z, shapes, _, below, above, ok = self._standardised(x, args, kwargs, False)
        value = np.where(below, at_low, np.where(above, at_high, function(z, *shapes)))
        return np.where(ok, value, np.nan)

    def cdf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the probability of values up to ``x``."""
        return self._distribution(self._cdf, x, args, kwargs, 0.0, 1.0)

    def sf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the probability of values above ``x``."""
        return self._distribution(self._sf, x, args, kwargs, 1.0, 0.0)

    def logcdf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the logarithm of ``cdf``."""
        return self._distribution(self._logcdf, x, args, kwargs, -np.inf, 0.0)

    def logsf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the logarithm of ``sf``."""
        return self._distribution(self._logsf, x, args, kwargs, 0.0, -np.inf)

    def ppf(self, q: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the quantile of probability ``q``: the inverse of ``cdf``."""
        return self._quantile(self._ppf, q, args, kwargs, self.low, self.high)

    def isf(self, q: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the inverse of ``sf`` at ``q``."""
        return self._quantile(self._isf, q, args, kwargs, self.high, self.low)

    def _quantile(self, function: Any, q: Any, args: Any, kwargs: Any, at_0: float, at_1: float) -> Array:
        *shapes, loc, scale = self.parameters(args, kwargs)
        q = operand(q)
        within = (q > 0) & (q < 1)
        z = function(np.where(within, q, 0.5), *shapes)
        z = np.where(within, z, np.where(q == 0, at_0, np.where(q == 1, at_1, np.nan)))
        return np.where(self.valid(*shapes) & (scale > 0), loc + scale * z, np.nan)

    def _logpdf(self, z: Array, *shapes: Array) -> Array:
        raise NotImplementedError(f"this is a bug in autotrace: {self.name} has no density")

    def _cdf(self, z: Array, *shapes: Array) -> Array:
        raise NotImplementedError(f"this is a bug in autotrace: {self.name} has no distribution function")

    def _ppf(self, q: Array, *shapes: Array) -> Array:
        raise NotImplementedError(f"this is a bug in autotrace: {self.name} has no quantile function")

    def _sf(self, z: Array, *shapes: Array) -> Array:
        return 1 - self._cdf(z, *shapes)

    def _logcdf(self, z: Array, *shapes: Array) -> Array:
        return np.log(self._cdf(z, *shapes))

    def _logsf(self, z: Array, *shapes: Array) -> Array:
        return np.log(self._sf(z, *shapes))

    def _isf(self, q: Array, *shapes: Array) -> Array:
        return self._ppf(1 - q, *shapes)


class Discrete(Distribution):
    """A distribution on integers; subclasses define ``_logpmf``, ``_support`` and, if in closed form,
    ``_cdf``, ``_sf``.
    """

    common: ClassVar[dict[str, float]] = {"loc": 0}

    def logpmf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the logarithm of the probability of ``k``; -inf for what is no integer."""
        *shapes, loc = self.parameters(args, kwargs)
        j = operand(k) - loc
        high = self._high(*shapes)
        outside = (j < 0) | (j > high) | (j != np.floor(j))
        value = self._logpmf(np.where(outside, 0, j), *shapes)
        return np.where(self.valid(*shapes), np.where(outside, -np.inf, value), np.nan)

    def pmf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the probability of ``k``."""
        return np.exp(self.logpmf(k, *args, **kwargs))

    def cdf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the probability of values up to ``k``."""
        return self._distribution(self._cdf, k, args, kwargs, 0.0, 1.0)

    def sf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the probability of values above ``k``."""
        return self._distribution(self._sf, k, args, kwargs, 1.0, 0.0)

    def logcdf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the logarithm of ``cdf``."""
        return np.log(self.cdf(k, *args, **kwargs))

    def logsf(self, k: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the logarithm of ``sf``."""
        return np.log(self.sf(k, *args, **kwargs))

    def _distribution(self, function: Any, k: Any, args: Any, kwargs: Any, at_low: float, at_high: float) -> Array:
        *shapes, loc = self.parameters(args, kwargs)
        j = np.floor(operand(k) - loc)
        below, above = j < 0, j >= self._high(*shapes)
        value = function(np.where(below | above, 0, j), *shapes)
        return np.where(self.valid(*shapes), np.where(below, at_low, np.where(above, at_high, value)), np.nan)

    def _high(self, *shapes: Array) -> Array:
        return np.inf

    def _logpmf(self, k: Array, *shapes: Array) -> Array:
        raise NotImplementedError(f"this is a bug in autotrace: {self.name} has no probabilities")

    def _cdf(self, k: Array, *shapes: Array) -> Array:
        raise NotImplementedError(f"this is a bug in autotrace: {self.name} has no distribution function")

    def _sf(self, k: Array, *shapes: Array) -> Array:
        return 1 - self._cdf(k, *shapes)
