"""Solvers for the linear systems of implicit derivatives, g(v) = y, to nearly the precision of y.

Each returns v and ``(ok, figure)``: whether v has been found, and how far from it the solver ended (with a matrix, how
small its smallest pivot is beside the largest).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..transforms.stop import ravel_pytree
from .dense import dense
from .krylov import cg, gmres

__all__ = ["hermitian_solve", "krylov_solve", "matrix_solve"]

_SMALL = 32
"""Numbers up to which a system is solved with its matrix, which is then faster."""
_RESTART = 50
_CYCLES = 100

Map = Callable[[Any], Any]


def matrix_solve(g: Map, y: Any) -> tuple[Any, tuple[Any, Any]]:
    """Solve with the matrix of ``g``."""
    matvec, b, unravel = _on_vectors(g, y)
    v, ok, figure = dense(matvec, b)
    return unravel(v), (ok, figure.astype(np.float64))


def krylov_solve(g: Map, y: Any) -> tuple[Any, tuple[Any, Any]]:
    """Solve by GMRES; with the matrix if it is small."""
    matvec, b, unravel = _on_vectors(g, y)
    if b.shape[0] <= _SMALL:
        return matrix_solve(g, y)
    v, found = gmres(matvec, b, np.zeros_like(b), _same, _limit(b), _RESTART, _CYCLES)
    return unravel(v), (found.ok, found.figure.astype(np.float64))


def hermitian_solve(g: Map, y: Any) -> tuple[Any, tuple[Any, Any]]:
    """Solve by conjugate gradients, for a positive definite ``g``; with the matrix if it is small."""
    matvec, b, unravel = _on_vectors(g, y)
    if b.shape[0] <= _SMALL:
        return matrix_solve(g, y)
    v, found = cg(matvec, b, np.zeros_like(b), _same, _limit(b), 10 * b.shape[0])
    return unravel(v), (found.ok, found.figure.astype(np.float64))


def _on_vectors(g: Map, y: Any) -> tuple[Map, Any, Map]:
    b, unravel = ravel_pytree(y)
    return (lambda v: ravel_pytree(g(unravel(v)))[0]), b, unravel


def _same(r: Any) -> Any:
    return r


def _limit(b: Any) -> Any:
    """Return the norm that the residual may keep: eps^(3/4) of that of ``b``."""
    return float(np.finfo(b.dtype).eps) ** 0.75 * np.sqrt(np.sum(np.real(b * np.conj(b))))
