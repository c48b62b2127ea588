"""Linear algebra on stacks of matrices: LAPACK's factorisations and what rests on them."""

from . import factoring, least_squares, solving, spectral, stacked

__all__ = ["factoring", "least_squares", "solving", "spectral", "stacked"]
