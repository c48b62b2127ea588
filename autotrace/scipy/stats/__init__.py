"""Distributions with the names and arguments of :mod:`scipy.stats`, on plain and on traced values.

Densities, distribution functions and quantiles; nothing random. ``norm(loc, scale)`` holds its parameters as
SciPy's does.

>>> import autotrace
>>> from autotrace.scipy.stats import norm
>>> autotrace.grad(norm.logpdf, argnums=(1, 2))(1.0, 0.0, 2.0)
(np.float64(0.25), np.float64(-0.375))
"""

from .continuous import beta, cauchy, chi2, expon, gamma, laplace, logistic, lognorm, norm, pareto, t, uniform
from .discrete import bernoulli, binom, geom, poisson
from .multivariate import dirichlet, multivariate_normal

__all__ = [
    "bernoulli",
    "beta",
    "binom",
    "cauchy",
    "chi2",
    "dirichlet",
    "expon",
    "gamma",
    "geom",
    "laplace",
    "logistic",
    "lognorm",
    "multivariate_normal",
    "norm",
    "pareto",
    "poisson",
    "t",
    "uniform",
]
