"""Krylov methods for A x = b, on vectors: they apply A and M, an approximate inverse, and need no matrix.

Each returns the solution and a :class:`Found`. Vectors have rank 1 and one dtype. None of them is to be differentiated:
``linear_solve`` differentiates solutions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..control.flow import while_loop

__all__ = ["Found", "bicgstab", "cg", "gmres"]

Map = Callable[[Any], Any]


class Found(NamedTuple):
    """How a solver has ended: SciPy's ``info``, whether the residual is small enough, and the residual over its limit.

    ``info`` is 0 for success, the number of iterations without it, and negative if the method broke down.
    """

    info: Any
    ok: Any
    figure: Any


def _norm(x: Any) -> Any:
    return np.sqrt(np.sum(np.real(x * np.conj(x))))


def _dot(x: Any, y: Any) -> Any:
    return np.sum(np.conj(x) * y)


def _nonzero(x: Any) -> Any:
    """Return a divisor: 1 in place of 0."""
    return np.where(x == 0, np.ones((), x.dtype), x)


def _ended(norm: Any, limit: Any, steps: Any, broken: Any) -> Found:
    ok = norm <= limit
    info = np.where(ok, 0, np.where(broken < 0, broken, np.maximum(steps, 1)))[()]
    return Found(info, ok, norm / np.where(limit > 0, limit, np.ones((), limit.dtype)))


def cg(a: Map, b: Any, x: Any, m: Map, limit: Any, maxiter: int) -> tuple[Any, Found]:
    """Conjugate gradients, for a positive definite (complex: Hermitian) A; Hestenes and Stiefel 1952.

    It stops where p* A p is not positive along a direction p, as a singular or indefinite A may have it (info -1).
    """
    r = b - a(x)

    def goes_on(state: Any) -> Any:
        _, _, _, _, norm, steps, broken = state
        return (norm > limit) & (steps < maxiter) & (broken == 0)

    def step(state: Any) -> Any:
        x, r, p, rho, _, steps, _ = state
        ap = a(p)
        curvature = np.real(_dot(p, ap))
        alpha = rho / _nonzero(curvature)
        fine = curvature > 0
        alpha = np.where(fine, alpha, 0)
        x, r = x + alpha * p, r - alpha * ap
        z = m(r)
        new = np.real(_dot(r, z))
        p = z + new / _nonzero(rho) * p
        return x, r, p, new, _norm(r), steps + 1, np.where(fine, 0, -1)

    z = m(r)
    first = (x, r, z, np.real(_dot(r, z)), _norm(r), np.int64(0), np.int64(0))
    x, _, _, _, norm, steps, broken = while_loop(goes_on, step, first)
    return x, _ended(norm, limit, steps, broken)


def bicgstab(a: Map, b: Any, x: Any, m: Map, limit: Any, maxiter: int) -> tuple[Any, Found]:
    """Stabilized biconjugate gradients, for any A; van der Vorst 1992, preconditioned from the right.

    It breaks down where rho (info -10) or omega (info -11) vanishes.
    """
    r = b - a(x)
    shadow = r
    tiny = np.finfo(b.dtype).eps ** 2

    def goes_on(state: Any) -> Any:
        *_, norm, steps, broken = state
        return (norm > limit) & (steps < maxiter) & (broken == 0)

    def step(state: Any) -> Any:
        x, r, p, v, rho, alpha, omega, _, steps, _ = state
        new = _dot(shadow, r)
        beta = new / _nonzero(rho) * (alpha / _nonzero(omega))
        p = r + beta * (p - omega * v)
        p_hat = m(p)
        v = a(p_hat)
        denominator = _dot(shadow, v)
        alpha = new / _nonzero(denominator)
        s = r - alpha * v
        s_hat = m(s)
        t = a(s_hat)
        square = np.real(_dot(t, t))
        omega = _dot(t, s) / _nonzero(square)
        x, r = x + alpha * p_hat + omega * s_hat, s - omega * t
        norm = _norm(r)
        flat = np.abs(new) <= tiny * _norm(shadow) ** 2
        stuck = (denominator == 0) | ((omega == 0) & (norm > limit))
        broken = np.where(flat & (norm > limit), -10, np.where(stuck, -11, 0))
        return x, r, p, v, new, alpha, omega, norm, steps + 1, broken

    one = np.ones((), b.dtype)
    first = (x, r, np.zeros_like(b), np.zeros_like(b), one, one, one, _norm(r), np.int64(0), np.int64(0))
    x, *_, norm, steps, broken = while_loop(goes_on, step, first)
    return x, _ended(norm, limit, steps, broken)


def gmres(a: Map, b: Any, x: Any, m: Map, limit: Any, restart: int, maxiter: int) -> tuple[Any, Found]:
    """Restarted GMRES, for any A, preconditioned from the right; Saad and Schultz 1986.

    ``maxiter`` counts cycles of ``restart`` steps. Each cycle starts from the true residual. It ends where a cycle does
    not make that smaller, since all later ones would be the same.
    """
    r = b - a(x)

    def goes_on(state: Any) -> Any:
        _, _, norm, cycles, _, stuck = state
        return (norm > limit) & (cycles < maxiter) & ~stuck

    def cycle(state: Any) -> Any:
        x, r, norm, cycles, steps, _ = state
        change, count = _arnoldi(lambda v: a(m(v)), r, norm, limit, restart)
        x = x + m(change)
        r = b - a(x)
        new = _norm(r)
        return x, r, new, cycles + 1, steps + count, ~(new < norm)

    first = (x, r, _norm(r), np.int64(0), np.int64(0), np.False_)
    x, _, norm, _, steps, _ = while_loop(goes_on, cycle, first)
    return x, _ended(norm, limit, steps, np.int64(0))


def _arnoldi(a: Map, r: Any, norm: Any, limit: Any, restart: int) -> tuple[Any, Any]:
    """Return the d, from the Krylov space of ``r``, that makes r - A d smallest, and the number of steps.

    The residual's norm is ``norm / |u|``, where u, with u_0 = 1, is orthogonal to the columns of the Hessenberg matrix;
    each step adds one element to u (Ayachour 2003). Columns that are not reached stay zero.
    """
    tiny = np.finfo(r.dtype).eps
    basis = np.zeros((restart + 1, r.shape[0]), r.dtype)
    basis = np.concatenate([(r / _nonzero(norm))[None], basis[1:]])
    rows = np.arange(restart + 1)

    def goes_on(state: Any) -> Any:
        _, _, u, j, over = state
        return (j < restart) & ~over & (norm > limit * _norm(u))

    def step(state: Any) -> Any:
        basis, hessenberg, u, j, _ = state
        w = a(basis[j])
        before = _norm(w)
        h = np.conj(basis) @ w
        w = w - h @ basis
        again = np.conj(basis) @ w  # once more, since rounding leaves w not quite orthogonal
        w = w - again @ basis
        h = h + again
        length = _norm(w)
        over = ~(length > tiny * before)
        length = np.where(over, 0, length)
        new = np.where(over, 0, -np.sum(np.conj(h) * u) / _nonzero(length))
        below = rows == j + 1
        basis = np.where(below[:, None], (w / _nonzero(length))[None], basis)
        column = h + np.where(below, length, 0)
        hessenberg = np.where((rows == j)[None, :restart], column[:, None], hessenberg)
        return basis, hessenberg, np.where(below, new, u), j + 1, over

    u = (rows == 0).astype(r.dtype)
    first = (basis, np.zeros((restart + 1, restart), r.dtype), u, np.int64(0), np.False_)
    basis, hessenberg, _, count, _ = while_loop(goes_on, step, first)
    q, upper = np.linalg.qr(hessenberg)
    pivots = np.diagonal(upper)
    small = ~(np.abs(pivots) > tiny * np.max(np.abs(pivots)))
    rhs = np.where(small, 0, np.conj(q[0]) * norm)
    y = np.linalg.solve(upper + np.diag(np.where(small, 1 - pivots, 0)), rhs)
    return y @ basis[:restart], count
