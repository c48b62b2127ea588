"""Linear algebra on stacks of matrices: the factorisations of LAPACK and what rests on them, with their rules."""

from . import factoring, least_squares, solving, spectral, stacked

__all__ = ["factoring", "least_squares", "solving", "spectral", "stacked"]
