"""The pseudoinverse and least squares, right at any constant rank.

Source: Golub and Pereyra (1973), "The differentiation of pseudo-inverses and nonlinear least squares problems
whose variables separate", equation 4.12.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...ir import ShapedArray
from ...tracing import here
from .spectral import check_matrix, work_of_svd
from .stacked import Array, Stacked, adjoint, hermitian, real_dtype

__all__ = ["Lstsq", "Pinv"]


class Pinv(Stacked):
    """The pseudoinverse p : f[..., n, m] of a : f[..., m, n].

    Singular values up to ``rcond`` times the largest count as 0. At constant rank dp = -p da p + p p^H da^H
    (1 - a p) + (1 - p a) da^H p^H p. Where the rank is about to change the pseudoinverse is not continuous,
    and this is its derivative along changes that keep the rank.
    """

    is_hermitian: bool = False

    def impl(self, a: Array, rcond: Array) -> Array:
        return np.linalg.pinv(a, rcond, self.is_hermitian)

    def abstract(self, a: ShapedArray, rcond: ShapedArray) -> ShapedArray:
        check_matrix(self.name, a)
        if rcond.shape != a.shape[:-2]:
            raise ValueError(f"pinv: rcond must be a number for each matrix; got {rcond} for {a}{here()}.")
        return a.update(shape=(*a.shape[:-2], a.shape[-1], a.shape[-2]))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        (a, _), (da, _), p = primals, tangents, output
        if da is None:
            return None
        if self.is_hermitian:
            a, da = hermitian(a), hermitian(da)
        back = adjoint(da)
        left = np.matmul(p, np.matmul(adjoint(p), back))
        right = np.matmul(np.matmul(back, adjoint(p)), p)
        change = left - np.matmul(np.matmul(left, a), p) + right - np.matmul(p, np.matmul(a, right))
        return change - np.matmul(np.matmul(p, da), p)

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        """Count the decomposition and the product of its parts."""
        decomposition = 9 * a[-1] ** 3 if self.is_hermitian else work_of_svd(a, vectors="thin")
        return decomposition + 2 * a[0] * a[1] * min(a)


class Lstsq(Stacked):
    """The shortest x that minimises |b - a x|^2, the minima, the rank of a and its singular values.

    For a : f[..., m, n] and b : f[..., m, k]; singular values up to ``rcond`` times the largest count as 0.
    With the pseudoinverse p and the residual r = b - a x: dx = p (db - da x) + p p^H da^H r + (1 - p a) da^H
    p^H x at constant rank. The minima, one for each column, are NaN where the rank is below n; d|r|^2 = 2 Re
    r^H (db - da x).
    """

    rcond: float
    multiple: ClassVar[bool] = True

    def impl(self, a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
        (*stack, m, n), k, real = a.shape, b.shape[-1], real_dtype(a.dtype)
        x, minima = np.empty((*stack, n, k), a.dtype), np.empty((*stack, k), real)
        rank, s = np.empty(stack, np.int32), np.empty((*stack, min(m, n)), real)
        for i in np.ndindex(*a.shape[:-2]):
            x[i], found, rank[i], s[i] = np.linalg.lstsq(a[i], b[i], self.rcond)
            minima[i] = found if found.size else 0.0 if rank[i] == a.shape[-1] else np.nan
        return x, minima, rank[()], s

    def abstract(self, a: ShapedArray, b: ShapedArray) -> tuple[ShapedArray, ShapedArray, ShapedArray, ShapedArray]:
        check_matrix(self.name, a)
        if a.shape[:-1] != b.shape[:-1] or a.dtype != b.dtype:
            raise ValueError(f"lstsq: the right-hand sides must fit the matrices; got {a} and {b}{here()}.")
        (*stack, m, n), k, real = a.shape, b.shape[-1], real_dtype(a.dtype)
        return (
            a.update(shape=(*stack, n, k)),
            a.update(shape=(*stack, k), dtype=real),
            a.update(shape=tuple(stack), dtype=np.dtype(np.int32)),
            a.update(shape=(*stack, min(m, n)), dtype=real),
        )

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], outputs: Sequence[Array]) -> Sequence[Array]:
        (a, b), (da, db), x = primals, tangents, outputs[0]
        p = np.linalg.pinv(a, self.rcond)
        r = b - np.matmul(a, x)
        misfit = -np.matmul(da, x) if db is None else db if da is None else db - np.matmul(da, x)
        dx = np.matmul(p, misfit)
        ds = None
        if da is not None:
            back, ph = adjoint(da), adjoint(p)
            turn = np.matmul(back, np.matmul(ph, x))
            dx = dx + np.matmul(p, np.matmul(ph, np.matmul(back, r))) + turn - np.matmul(p, np.matmul(a, turn))
            u, _, vh = np.linalg.svd(a, full_matrices=False)
            ds = np.real((np.conj(u) * np.matmul(da, adjoint(vh))).sum(axis=-2))
        return dx, 2 * np.real((np.conj(r) * misfit).sum(axis=-2)), None, ds

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        """Count a decomposition whose left vectors are applied, not formed (section 5.5), and the right-hand sides."""
        n, m = sorted(a)
        return min(4 * m * n**2 + 8 * n**3, 2 * m * n**2 + 11 * n**3) + 4 * m * n * others[0][-1]
