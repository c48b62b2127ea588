"""The names of :mod:`scipy.sparse` that solve without a matrix: see :mod:`autotrace.scipy.sparse.linalg`."""

from . import linalg

__all__ = ["linalg"]
