"""Distributions of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import _ufuncs as sc

from ...errors import UnsupportedError
from ...tracing import Tracer, here
from ..linalg import solve_triangular
from .family import Array, operand

__all__ = ["dirichlet", "multivariate_normal"]


class MultivariateNormal:
    """The normal distribution of vectors.

    The covariance counts as the symmetric matrix (cov + cov^T) / 2: its derivative is shared by both
    triangles.
    """

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Array:
        """Return the logarithm of the density at x : f[..., d], for mean : f[d] and cov : f[d, d], f[d] (a
        diagonal) or f[].

        A vector x counts as d numbers, or as numbers of d = 1. Raises ``LinAlgError`` unless ``cov`` is
        positive definite, ``UnsupportedError`` for ``allow_singular``.
        """
        if allow_singular:
            raise UnsupportedError(
                f"multivariate_normal: allow_singular has no derivative; got True{here()}. Add a "
                "small multiple of 1 to cov."
            )
        x, cov = operand(x), operand(cov)
        mean = None if mean is None else operand(mean).reshape((-1,))
        size = cov.shape[-1] if cov.ndim else 1 if mean is None else mean.shape[0]
        mean = np.zeros(size) if mean is None else mean
        size = max(size, mean.shape[0])
        cov = _matrix(cov, size)
        if cov.shape != (size, size) or mean.shape != (size,):
            raise ValueError(
                f"multivariate_normal: mean and cov must fit; got shapes {mean.shape} and "
                f"{cov.shape}{here()}. Reshape one."
            )
        x = x.reshape((1,)) if x.ndim == 0 else x[:, None] if x.ndim == 1 and size == 1 else x
        factor = np.linalg.cholesky(0.5 * (cov + cov.T))
        deviation = x - mean
        flat = deviation.reshape((-1, size))
        z = solve_triangular(factor, flat.T, lower=True)
        logdet = 2 * np.log(np.diagonal(factor)).sum()
        value = -0.5 * ((z * z).sum(axis=0) + logdet + size * math.log(2 * math.pi))
        return value.reshape(deviation.shape[:-1])[()]

    def pdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Array:
        """Return the density at x : f[..., d]; arguments as of ``logpdf``."""
        return np.exp(self.logpdf(x, mean, cov, allow_singular))


def _matrix(cov: Array, size: int) -> Array:
    if cov.ndim == 0:
        return cov * np.eye(size)
    return cov[:, None] * np.eye(cov.shape[0]) if cov.ndim == 1 else cov


class Dirichlet:
    """Dirichlet's distribution of vectors that add up to 1."""

    def logpdf(self, x: Any, alpha: Any) -> Array:
        """Return the logarithm of the density at x : f[k] or f[k, n] for alpha : f[k]; x may lack the last
        element.

        Raises ``ValueError`` for plain ``x`` or ``alpha`` that are not valid; of traced ones the values are
        not looked at.
        """
        x, alpha = operand(x), operand(alpha)
        if x.shape[0] + 1 == alpha.shape[0]:
            x = np.concatenate([x, 1 - x.sum(axis=0, keepdims=True)])
        if alpha.ndim != 1 or x.shape[0] != alpha.shape[0]:
            raise ValueError(
                f"dirichlet: x must have the length of alpha, or one less; got shapes {x.shape} "
                f"and {alpha.shape}{here()}. "
                "Put the components on the first axis."
            )
        if not isinstance(x, Tracer) and (np.any(x < 0) or np.any(np.abs(x.sum(axis=0) - 1) > 1e-9)):
            raise ValueError(f"dirichlet: x must be positive and add up to 1; got {x}{here()}. Normalise it.")
        if not isinstance(alpha, Tracer) and np.any(alpha <= 0):
            raise ValueError(f"dirichlet: alpha must be positive; got {alpha}{here()}. Pass positive parameters.")
        powers = alpha.reshape((-1,) + (1,) * (x.ndim - 1)) - 1
        return sc.xlogy(powers, x).sum(axis=0) + sc.gammaln(alpha.sum()) - sc.gammaln(alpha).sum()

    def pdf(self, x: Any, alpha: Any) -> Array:
        """Return the density; arguments as of ``logpdf``."""
        return np.exp(self.logpdf(x, alpha))


multivariate_normal = MultivariateNormal()
dirichlet = Dirichlet()
