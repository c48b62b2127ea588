"""Eigenvalues and singular values, with and without their vectors.

Sources: Giles (2008), sections 3.1 and 3.2; Townsend (2016), "Differentiating the singular value
decomposition"; Boeddeker et al. (2017), "On the computation of complex-valued gradients with application to
statistically optimum beamforming", section 4.7.

Equal values. Where two eigenvalues or singular values are equal, each of them has a kink, and their vectors
no derivative. The derivative of values alone is then taken in the basis that LAPACK returns: right for
functions that treat the equal ones alike (sums, products, the largest). The derivative of vectors is NaN
where a direction mixes those of equal values, and right elsewhere: a finite number there would be wrong for
functions of matrices such as v f(w) v^H. The second derivative of values contains the first of vectors.

Gauge. A vector of a complex matrix may be multiplied by any phase. For ``eig`` the derivative keeps LAPACK's
normalisation (length 1, largest component real). For ``eigh`` and ``svd`` LAPACK promises none, and the
derivative is that of vectors which turn as little as they can: right for functions that do not depend on the
phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...ir import ShapedArray
from ...tracing import here
from .stacked import Array, Stacked, adjoint, diagonal_part, hermitian, ratio, real_dtype

__all__ = ["Eig", "Eigh", "Eigvals", "Eigvalsh", "Svd", "Svdvals"]


class Eigvalsh(Stacked):
    """The ascending eigenvalues of Hermitian a : f[..., n, n], of one triangle. dw = diag(v^H da v)."""

    uplo: Any = "L"

    def impl(self, a: Array) -> Array:
        return np.linalg.eigvalsh(a, self.uplo)

    def abstract(self, a: ShapedArray) -> ShapedArray:
        self.check_square(a)
        return a.update(shape=a.shape[:-1], dtype=real_dtype(a.dtype))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        v = np.linalg.eigh(primals[0], self.uplo).eigenvectors
        return _quadratic(v, hermitian(tangents[0], self.uplo == "U"))

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return 4 * a[-1] ** 3 / 3  # section 8.3: reduction to tridiagonal form


def _quadratic(v: Array, a: Array) -> Array:
    """The real diagonal of v^H a v."""
    return np.real((np.conj(v) * np.matmul(a, v)).sum(axis=-2))


class Eigh(Stacked):
    """Ascending eigenvalues w and orthonormal eigenvectors v of a Hermitian a : f[..., n, n].

    One triangle is read. dw = diag(v^H da v); dv = v x with x_ij = (v^H da v)_ij / (w_j - w_i) and x_ii = 0.
    """

    uplo: Any = "L"
    multiple: ClassVar[bool] = True

    def impl(self, a: Array) -> tuple[Array, Array]:
        w, v = np.linalg.eigh(a, self.uplo)
        return w, v

    def abstract(self, a: ShapedArray) -> tuple[ShapedArray, ShapedArray]:
        self.check_square(a)
        return a.update(shape=a.shape[:-1], dtype=real_dtype(a.dtype)), a

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], outputs: Sequence[Array]) -> tuple[Array, Array]:
        w, v = outputs
        change = np.matmul(adjoint(v), np.matmul(hermitian(tangents[0], self.uplo == "U"), v))
        return np.real(diagonal_part(change)), np.matmul(v, _over_gaps(change, _gaps(w).astype(v.dtype)))

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return 9 * a[-1] ** 3  # section 8.3: the symmetric QR algorithm with vectors


def _over_gaps(x: Array, gaps: Array) -> Array:
    """``x / gaps`` off the diagonal, zeros on it."""
    diagonal = np.eye(x.shape[-1], dtype=bool)
    return ratio(np.where(diagonal, 0, x), np.where(diagonal, 1, gaps))


def _gaps(w: Array) -> Array:
    """The differences w_j - w_i."""
    return w[..., None, :] - w[..., :, None]


class Eigvals(Stacked):
    """The eigenvalues, as complex numbers, of a : f[..., n, n]. dw = diag(v^-1 da v)."""

    def impl(self, a: Array) -> Array:
        return np.linalg.eigvals(a).astype(_complex_dtype(a.dtype))

    def abstract(self, a: ShapedArray) -> ShapedArray:
        self.check_square(a)
        return a.update(shape=a.shape[:-1], dtype=_complex_dtype(a.dtype))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        v = np.linalg.eig(primals[0].astype(output.dtype)).eigenvectors
        return (np.linalg.inv(v) * np.matmul(tangents[0].astype(output.dtype), v).mT).sum(axis=-1)

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return 10 * a[-1] ** 3  # section 7.5: the QR algorithm without vectors


def _complex_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(dtype.char.upper())


class Eig(Stacked):
    """Eigenvalues w and eigenvectors v, as complex numbers, of a : f[..., n, n].

    With c = v^-1 da v: dw = diag(c), and dv = v x with x_ij = c_ij / (w_j - w_i), from which as much of v is
    taken away as keeps each vector at length 1 and its largest component real (Boeddeker et al. 2017 for the
    rest).
    """

    multiple: ClassVar[bool] = True

    def impl(self, a: Array) -> tuple[Array, Array]:
        dtype = _complex_dtype(a.dtype)
        w, v = np.linalg.eig(a)
        return w.astype(dtype), v.astype(dtype)

    def abstract(self, a: ShapedArray) -> tuple[ShapedArray, ShapedArray]:
        self.check_square(a)
        v = a.update(dtype=_complex_dtype(a.dtype))
        return v.update(shape=a.shape[:-1]), v

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], outputs: Sequence[Array]) -> tuple[Array, Array]:
        w, v = outputs
        c = np.matmul(np.linalg.inv(v), np.matmul(tangents[0].astype(v.dtype), v))
        dv = np.matmul(v, _over_gaps(c, _gaps(w)))
        length = np.real((np.conj(v) * dv).sum(axis=-2))
        size = np.real(v * np.conj(v))
        largest = np.arange(v.shape[-1])[:, None] == np.argmax(size, axis=-2)[..., None, :] if v.size else size > 0
        phase = np.where(largest, np.imag(dv * np.conj(v)) / np.where(largest, size, 1), 0).sum(axis=-2)
        return diagonal_part(c), dv - v * (length + 1j * phase)[..., None, :]

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return 25 * a[-1] ** 3  # section 7.5: the QR algorithm with vectors


class Svdvals(Stacked):
    """The descending singular values of a : f[..., m, n]. ds = Re diag(u^H da v)."""

    def impl(self, a: Array) -> Array:
        return np.linalg.svd(a, compute_uv=False)

    def abstract(self, a: ShapedArray) -> ShapedArray:
        check_matrix(self.name, a)
        return a.update(shape=(*a.shape[:-2], min(a.shape[-2:])), dtype=real_dtype(a.dtype))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        u, _, vh = np.linalg.svd(primals[0], full_matrices=False)
        return np.real((np.conj(u) * np.matmul(tangents[0], adjoint(vh))).sum(axis=-2))

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return work_of_svd(a, vectors="none")


def work_of_svd(a: tuple[int, ...], vectors: str) -> float:
    """Count a decomposition, with a QR factorization first where that is less work; figure 8.6.1 of Golub, Van Loan."""
    n, m = sorted(a)
    return {
        "none": min(4 * m * n**2 - 4 * n**3 / 3, 2 * m * n**2 + 2 * n**3),
        "thin": min(14 * m * n**2 + 8 * n**3, 6 * m * n**2 + 20 * n**3),
        "full": min(4 * m**2 * n + 8 * m * n**2 + 9 * n**3, 4 * m**2 * n + 22 * n**3),
    }[vectors]


def check_matrix(name: str, a: ShapedArray) -> None:
    """Raise ``TypeError`` unless ``a`` is a stack of matrices that LAPACK takes."""
    if a.ndim < 2 or a.dtype.char not in "fdFD":
        raise TypeError(f"{name}: the operand must be a stack of inexact matrices; got {a}{here()}.")


class Svd(Stacked):
    """u s vh = a : f[..., m, n] with orthonormal columns of u and v = vh^H and s descending.

    ``full`` completes u and v to bases. With c = u^H da v: ds = Re diag(c). du = u x and dv = v y with x, y
    anti-Hermitian, solving c = x s + ds - s y: x_ij = (c_ij s_j + s_i conj(c_ji)) / (s_j^2 - s_i^2), y_ij =
    (s_i c_ij + conj(c_ji) s_j) / (s_j^2 - s_i^2) off the diagonal; the imaginary part of c_ii is shared
    equally between x and -y. What leaves the span of u is (1 - u u^H) da v / s, and likewise for v (Townsend
    2016). The bases that ``full`` completes u and v to are determined up to a rotation; the derivative is
    that of bases which turn as little as they can.
    """

    full: bool = False
    multiple: ClassVar[bool] = True

    def impl(self, a: Array) -> tuple[Array, Array, Array]:
        u, s, vh = np.linalg.svd(a, full_matrices=self.full)
        return u, s, vh

    def abstract(self, a: ShapedArray) -> tuple[ShapedArray, ShapedArray, ShapedArray]:
        check_matrix(self.name, a)
        *stack, m, n = a.shape
        k = min(m, n)
        rows, columns = (m, n) if self.full else (k, k)
        s = a.update(shape=(*stack, k), dtype=real_dtype(a.dtype))
        return a.update(shape=(*stack, m, rows)), s, a.update(shape=(*stack, columns, n))

    def jvp(
        self, primals: Sequence[Array], tangents: Sequence[Array], outputs: Sequence[Array]
    ) -> tuple[Array, Array, Array]:
        (da,), (u, s, vh) = tangents, outputs
        k = s.shape[-1]
        u1, v1 = u[..., :, :k], adjoint(vh[..., :k, :])
        c = np.matmul(np.matmul(adjoint(u1), da), v1)
        x, y = self._turns(c, s)
        scale = s[..., None, :].astype(u.dtype)
        du = np.matmul(u1, x)
        dv = np.matmul(v1, y)
        if da.shape[-2] > k:
            du = self._leave(du, u, np.matmul(da, v1), scale)
        if da.shape[-1] > k:
            dv = self._leave(dv, adjoint(vh), np.matmul(adjoint(da), u1), scale)
        return du, np.real(diagonal_part(c)), adjoint(dv)

    def _turns(self, c: Array, s: Array) -> tuple[Array, Array]:
        """The rotations x and y within the spans of u and v."""
        back, row, column = adjoint(c), s[..., None, :].astype(c.dtype), s[..., :, None].astype(c.dtype)
        gaps = (row - column) * (row + column)
        x = _over_gaps(c * row + column * back, gaps)
        y = _over_gaps(column * c + back * row, gaps)
        if c.dtype.kind != "c":
            return x, y
        phase = ratio(0.5j * np.imag(diagonal_part(c)), s.astype(c.dtype))
        phases = np.eye(s.shape[-1], dtype=c.dtype) * phase[..., None, :]
        return x + phases, y - phases

    def _leave(self, du: Array, u: Array, moved: Array, scale: Array) -> Array:
        """Add to du what leaves the span of its vectors, and turn those that complete the basis."""
        k = scale.shape[-1]
        inside = u[..., :, :k]
        if not self.full:
            return du + ratio(moved - np.matmul(inside, np.matmul(adjoint(inside), moved)), scale)
        outside = u[..., :, k:]
        turn = ratio(np.matmul(adjoint(outside), moved), scale)
        return np.concatenate([du + np.matmul(outside, turn), -np.matmul(inside, adjoint(turn))], axis=-1)

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return work_of_svd(a, vectors="full" if self.full else "thin")
