"""What a solver returns."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["STATUS", "OptimizeResult"]

STATUS = (
    "The solution has been found.",
    "The maximum number of iterations has been reached.",
    "No step makes the function smaller, up to rounding: the tolerance may be too small.",
    "The function or its derivative is not finite.",
)


class OptimizeResult(NamedTuple):
    """The result of a solver: a tree, so it passes through ``jit`` and ``vmap``. Fields have SciPy's names."""

    x: Any
    """The solution, a tree like ``x0``."""
    success: Any
    """Whether it has been found."""
    status: Any
    """0 for success, or why there is none; :attr:`message` says it in words."""
    fun: Any
    """The value of the function at ``x``."""
    jac: Any
    """Its gradient there (``minimize``), a tree like ``x``; None from ``root``."""
    hess_inv: Any
    """The approximate inverse of the Hessian that BFGS has built, f[n, n]; None otherwise."""
    nit: Any
    """Iterations."""
    nfev: Any
    """Evaluations of the function with its derivative."""

    @property
    def message(self) -> str:
        """The status in words."""
        return STATUS[int(self.status)]
