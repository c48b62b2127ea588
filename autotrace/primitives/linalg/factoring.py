"""The Cholesky and the QR factorisation.

Sources: Murray (2016), "Differentiation of the Cholesky decomposition"; Walter and Lehmann (2010),
"Algorithmic differentiation of linear algebra functions with application in optimum experimental design";
Roberts and Roberts (2020), "QR and LQ decomposition matrix backpropagation algorithms for square, wide, and
deep matrices"; Ballard et al. (2014), "Reconstructing Householder vectors from tall-skinny QR".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...ir import ShapedArray
from ...tracing import here
from .stacked import Array, Stacked, adjoint, diagonal_part, hermitian, lower_part

__all__ = ["Cholesky", "Qr"]


class Cholesky(Stacked):
    """The lower triangular l with l l^H = a, or the ``upper`` u with u^H u = a, for a : f[..., n, n].

    dl = l phi(l^-1 da l^-H), where phi keeps the lower triangle and halves the diagonal (Murray 2016). Only
    the lower (upper) triangle of ``a`` is read, so the derivative in the elements of the other one is zero.
    """

    upper: bool = False

    def impl(self, a: Array) -> Array:
        return np.linalg.cholesky(a, upper=self.upper)

    def abstract(self, a: ShapedArray) -> ShapedArray:
        self.check_square(a)
        return a

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        factor = adjoint(output) if self.upper else output
        inverse = np.linalg.inv(factor)
        change = np.matmul(np.matmul(inverse, hermitian(tangents[0], self.upper)), adjoint(inverse))
        half = lower_part(change, -1) + np.where(np.eye(change.shape[-1], dtype=bool), change, 0) * 0.5
        moved = np.matmul(factor, half)
        return adjoint(moved) if self.upper else moved

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return a[-1] ** 3 / 3  # section 4.2


class Qr(Stacked):
    """q with orthonormal columns and r upper triangular, q r = a : f[..., m, n].

    With k = min(m, n), a1 and r1 the first k columns of a and r, and c = q^H da1 r1^-1: dq = q w + (da1 r1^-1
    - q c), dr = q^H da - w r, where w is anti-Hermitian, has the strict lower triangle of c, and of its
    diagonal the imaginary part, since LAPACK makes the diagonal of r real. If the first k columns of ``a``
    are not independent there is no derivative: ``LinAlgError``.

    If ``complete`` and m > n, q has m columns. LAPACK's further ones are those of a product of Householder
    reflections, and follow from the first n, q1, through w = [1; 0] - q1 with top w1: q = 1 - w w1^-H w^H
    (Ballard et al. 2014, section 2.3). That gives their derivative too.
    """

    complete: bool = False
    multiple: ClassVar[bool] = True

    def impl(self, a: Array) -> tuple[Array, Array]:
        q, r = np.linalg.qr(a, "complete" if self.complete else "reduced")
        return q, r

    def abstract(self, a: ShapedArray) -> tuple[ShapedArray, ShapedArray]:
        if a.ndim < 2 or a.dtype.char not in "fdFD":
            raise TypeError(f"qr: the operand must be a stack of inexact matrices; got {a}{here()}.")
        *stack, m, n = a.shape
        k = m if self.complete else min(m, n)
        return a.update(shape=(*stack, m, k)), a.update(shape=(*stack, k, n))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], outputs: Sequence[Array]) -> tuple[Array, Array]:
        (da,), (q, r) = tangents, outputs
        k = min(da.shape[-2:])
        q1, r1 = q[..., :, :k], r[..., :k, :]
        scaled = np.matmul(da[..., :, :k], np.linalg.inv(r1[..., :, :k]))
        c = np.matmul(adjoint(q1), scaled)
        strict = lower_part(c, -1)
        turn = strict - adjoint(strict)
        if da.dtype.kind == "c":
            imaginary = np.imag(diagonal_part(c))
            turn = turn + np.eye(k, dtype=da.dtype) * (1j * imaginary)[..., None, :]
        dq = np.matmul(q1, turn - c) + scaled
        dr = np.matmul(adjoint(q1), da) - np.matmul(turn, r1)
        dr = _upper(dr)
        if not self.complete or q.shape[-1] == k:
            return dq, dr
        rows = r.shape[-2] - k
        dr = np.concatenate([dr, np.zeros((*dr.shape[:-2], rows, dr.shape[-1]), dr.dtype)], axis=-2)
        return np.concatenate([dq, self._further(q1, dq)], axis=-1), dr

    def _further(self, q1: Array, dq1: Array) -> Array:
        """The derivative of the columns that complete q1: -w w1^-H w2^H, where w2 is the bottom of w."""
        m, n = q1.shape[-2:]
        w = np.eye(m, n, dtype=q1.dtype) - q1
        y = adjoint(np.linalg.inv(w[..., :n, :]))
        end, dend = adjoint(q1[..., n:, :]), adjoint(dq1[..., n:, :])
        dy = np.matmul(np.matmul(y, adjoint(dq1[..., :n, :])), y)
        inner = np.matmul(y, dend) + np.matmul(dy, end)
        return np.matmul(w, inner) - np.matmul(np.matmul(dq1, y), end)

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        """Count Householder's reduction, and as much for the columns of q that are formed; section 5.2."""
        m, n = a
        k = min(m, n)
        return _reflections(m, n, k) + _reflections(m, m if self.complete else k, k)


def _reflections(m: int, n: int, k: int) -> float:
    """Count the operations of applying ``k`` reflections, each a row shorter than the one before, to f[m, n]."""
    return 4 * m * n * k - 2 * (m + n) * k**2 + 4 * k**3 / 3


def _upper(x: Array) -> Array:
    """Zeros below the diagonal, where rounding would leave more than that."""
    return np.where(np.tri(x.shape[-2], x.shape[-1], -1, dtype=np.bool_), 0, x)
