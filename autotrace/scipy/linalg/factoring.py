"""Factorisations: LU, Cholesky, QR, singular values, eigenvalues of Hermitian matrices (generalised too).

Sources for LU: de Hoog, Anderssen and Lukas (2011), "Differentiation of matrix functionals using triangular
factorization"; the padding of rectangular matrices is JAX's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.linalg

from ...ir import ShapedArray
from ...primitives.linalg.spectral import check_matrix
from ...primitives.linalg.stacked import Stacked, adjoint, hermitian, lower_part
from ...tracing import bind, here
from .arguments import Array, matrix, operand, operands, refuse, square
from .solving import cho_solve, solve_triangular, triangular

__all__ = [
    "cho_factor",
    "cho_solve",
    "cholesky",
    "eigh",
    "eigvalsh",
    "lu",
    "lu_factor",
    "lu_solve",
    "qr",
    "svd",
    "svdvals",
]


class Lu(Stacked):
    """l, u and the exchanges of rows in a[perm] = l u, for a : f[..., m, n], k = min(m, n).

    l : f[..., m, k] is lower triangular with unit diagonal, u : f[..., k, n] upper triangular; ``perm`` :
    i32[..., m]. With c = l^-1 da[perm] u^-1, l and u completed to square matrices: dl = l strict_lower(c),
    du = upper(c) u.
    """

    multiple: ClassVar[bool] = True

    def impl(self, a: Array) -> tuple[Array, Array, Array]:
        *stack, m, n = a.shape
        k = min(m, n)
        left, u = np.empty((*stack, m, k), a.dtype), np.empty((*stack, k, n), a.dtype)
        perm = np.empty((*stack, m), np.int32)
        for i in np.ndindex(*a.shape[:-2]):
            packed, exchanges = scipy.linalg.lu_factor(a[i], check_finite=False)
            left[i] = np.tril(packed[:, :k], -1) + np.eye(a.shape[-2], k, dtype=a.dtype)
            u[i] = np.triu(packed[:k])
            perm[i] = _permutation(exchanges, a.shape[-2])
        return left, u, perm

    def abstract(self, a: ShapedArray) -> tuple[ShapedArray, ShapedArray, ShapedArray]:
        check_matrix(self.name, a)
        *stack, m, n = a.shape
        k = min(m, n)
        perm = a.update(shape=(*stack, m), dtype=np.dtype(np.int32))
        return a.update(shape=(*stack, m, k)), a.update(shape=(*stack, k, n)), perm

    def jvp(
        self, primals: Sequence[Array], tangents: Sequence[Array], outputs: Sequence[Array]
    ) -> tuple[Array, Array, None]:
        (da,), (left, u, perm) = tangents, outputs
        *stack, m, n = da.shape
        k = min(m, n)
        moved = np.take_along_axis(da, perm[..., None].astype(np.intp), axis=-2)
        if m > k:
            left = np.concatenate(
                [left, np.broadcast_to(np.eye(m, dtype=da.dtype)[:, k:], (*stack, m, m - k))], axis=-1
            )
        if n > k:
            u = np.concatenate([u, np.broadcast_to(np.eye(n, dtype=da.dtype)[k:], (*stack, n - k, n))], axis=-2)
        c = triangular(left, moved, True, unit=True)
        c = triangular(u.mT, c.mT, True).mT
        strict = lower_part(c, -1)
        dl, du = np.matmul(left, strict)[..., :k], np.matmul(c - strict, u)[..., :k, :]
        return dl, np.where(np.tri(k, n, -1, dtype=bool), 0, du), None

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        m, n = a
        k = min(m, n)
        return 2 * m * n * k - (m + n) * k**2 + 2 * k**3 / 3  # section 3.2: elimination


def _permutation(exchanges: Array, m: int) -> Array:
    """The order of rows after LAPACK's successive ``exchanges``."""
    order = np.arange(m)
    for i, j in enumerate(exchanges):
        order[[i, j]] = order[[j, i]]
    return order


class Exchanges(Stacked):
    """LAPACK's successive exchanges that make the permutation ``perm`` : i32[..., m]; of its first k rows."""

    count: int
    stops: ClassVar[bool] = True

    def impl(self, perm: Array) -> Array:
        found = np.empty((*perm.shape[:-1], self.count), np.int32)
        for i in np.ndindex(*perm.shape[:-1]):
            order = list(range(perm.shape[-1]))
            for row in range(self.count):
                at = order.index(perm[i][row])
                order[row], order[at] = order[at], order[row]
                found[i][row] = at
        return found

    def abstract(self, perm: ShapedArray) -> ShapedArray:
        return perm.update(shape=(*perm.shape[:-1], self.count))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> None:
        return None

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0


class Permutation(Stacked):
    """The order of rows after LAPACK's successive exchanges, i32[..., n]."""

    stops: ClassVar[bool] = True

    def impl(self, exchanges: Array) -> Array:
        order = np.empty(exchanges.shape, np.intp)
        for i in np.ndindex(*exchanges.shape[:-1]):
            order[i] = _permutation(exchanges[i], exchanges.shape[-1])
        return order

    def abstract(self, exchanges: ShapedArray) -> ShapedArray:
        return exchanges.update(dtype=np.dtype(np.intp))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> None:
        return None

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0


def lu(
    a: Any,
    permute_l: bool = False,
    overwrite_a: bool = False,
    check_finite: bool = True,
    p_indices: bool = False,
) -> Any:
    """Return p, l, u with a = p l u for a : f[..., m, n]; with ``permute_l`` the pair (p l, u).

    With ``p_indices`` p is an array of indices, a = l[p] u. p is piecewise constant: its derivative is zero.
    """
    left, u, perm = bind(Lu(), matrix("lu", a))
    inverse = np.argsort(perm, axis=-1)
    if permute_l:
        return np.take_along_axis(left, inverse[..., None], axis=-2), u
    if p_indices:
        return inverse.astype(np.int32), left, u
    m = left.shape[-2]
    return (inverse[..., None] == np.arange(m)).astype(np.zeros((), left.dtype).real.dtype), left, u


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, Array]:
    """Return l and u in one matrix, f[..., m, n], and LAPACK's exchanges of rows, i32[..., min(m, n)]."""
    left, u, perm = bind(Lu(), matrix("lu_factor", a))
    m, k = left.shape[-2:]
    n = u.shape[-1]
    stack = left.shape[:-2]
    strict = lower_part(left, -1)
    if n > k:
        strict = np.concatenate([strict, np.zeros((*stack, m, n - k), left.dtype)], axis=-1)
    if m > k:
        u = np.concatenate([u, np.zeros((*stack, m - k, n), u.dtype)], axis=-2)
    return strict + u, bind(Exchanges(k), perm)


def lu_solve(lu_and_piv: Any, b: Any, trans: Any = 0, overwrite_b: bool = False, check_finite: bool = True) -> Array:
    """Return x with op(a) x = b, given (lu, piv) as :func:`lu_factor` returns it; op is chosen by ``trans``
    (0, 1, 2).
    """
    packed, exchanges = lu_and_piv
    packed, b = operands(packed, b)
    packed = square("lu_solve", packed)
    vector = b.ndim == 1
    b = b[:, None] if vector else b
    perm = bind(Permutation(), exchanges if hasattr(exchanges, "aval") else np.asarray(exchanges, np.int32))[..., None]
    if trans in (0, "N"):
        b = np.take_along_axis(b, np.broadcast_to(perm, (*b.shape[:-1], 1)), axis=-2)
        x = solve_triangular(packed, b, lower=True, unit_diagonal=True)
        x = solve_triangular(packed, x)
    else:
        x = solve_triangular(packed, b, trans=trans)
        x = solve_triangular(packed, x, trans=trans, lower=True, unit_diagonal=True)
        inverse = np.argsort(perm, axis=-2)
        x = np.take_along_axis(x, np.broadcast_to(inverse, (*x.shape[:-1], 1)), axis=-2)
    return x[..., 0] if vector else x


def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return the upper u with u^H u = a, or the ``lower`` l with l l^H = a, for a : f[..., n, n]."""
    return np.linalg.cholesky(square("cholesky", a), upper=not lower)


def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, bool]:
    """Return (c, lower) for :func:`cho_solve`. The triangle that SciPy leaves as it finds it is zero here."""
    return cholesky(a, lower), bool(lower)


def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    """Return q and r with q r = a : f[..., m, n]: all of q, or with mode "economic" its first min(m, n)
    columns.

    Mode "r" gives the tuple (r,). Raises ``UnsupportedError`` for ``pivoting`` and mode "raw".
    """
    if pivoting:
        refuse("qr", "pivoting", pivoting, "Permute the columns by indexing.")
    if mode not in ("full", "economic", "r"):
        refuse("qr", "mode", mode, "Use 'full', 'economic' or 'r'.")
    q, r = np.linalg.qr(matrix("qr", a), "reduced" if mode == "economic" else "complete")
    return (r,) if mode == "r" else (q, r)


def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """Return u, s, vh with u diag(s) vh = a : f[..., m, n], or s alone. The driver changes rounding only."""
    a = matrix("svd", a)
    if not compute_uv:
        return np.linalg.svd(a, compute_uv=False)
    return tuple(np.linalg.svd(a, full_matrices=full_matrices))


def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return the singular values of a : f[..., m, n], descending."""
    return svd(a, compute_uv=False)


def eigh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: Any = None,
) -> Any:
    """Return ascending eigenvalues w and eigenvectors v of a Hermitian a : f[..., n, n], of which one
    triangle is read.

    With a positive definite ``b``: a v = w b v, a b v = w v or b a v = w v (``type`` 1, 2, 3), through the
    Cholesky factor of b. Where eigenvalues are equal, derivatives are as in :func:`numpy.linalg.eigh` here.
    """
    if subset_by_value is not None:
        refuse("eigh", "subset_by_value", subset_by_value, "Use subset_by_index, or select from all.")
    a, factor = square("eigh", a), None
    if b is not None:
        a, b = operands(a, b)
        factor = np.linalg.cholesky(b) if lower else adjoint(np.linalg.cholesky(b, upper=True))
        a = _reduced(hermitian(a, upper=not lower), factor, type)
        lower = True
    chosen = slice(None) if subset_by_index is None else slice(int(subset_by_index[0]), int(subset_by_index[1]) + 1)
    if eigvals_only:
        return np.linalg.eigvalsh(a, "L" if lower else "U")[..., chosen]
    w, v = np.linalg.eigh(a, "L" if lower else "U")
    if factor is not None:
        v = np.matmul(factor, v) if type == 3 else triangular(adjoint(factor), v, False)
    return w[..., chosen], v[..., chosen]


def _reduced(a: Array, factor: Array, kind: int) -> Array:
    """The matrix whose eigenvalues are those of the pencil (Golub and Van Loan, "Matrix computations",
    8.7).
    """
    if kind not in (1, 2, 3):
        raise ValueError(f"eigh: type must be 1, 2 or 3; got {kind!r}{here()}. Pass one of these.")
    if kind == 1:
        half = triangular(factor, a, True)
        return triangular(factor, adjoint(half), True)
    return np.matmul(np.matmul(adjoint(factor), a), factor)


def eigvalsh(
    a: Any,
    b: Any = None,
    *,
    lower: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: Any = None,
) -> Array:
    """Return the ascending eigenvalues of a Hermitian matrix or pencil: see :func:`eigh`."""
    return eigh(
        a,
        b,
        lower=lower,
        eigvals_only=True,
        type=type,
        subset_by_index=subset_by_index,
        subset_by_value=subset_by_value,
    )


def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return the determinant of a : f[..., n, n]."""
    return np.linalg.det(square("det", a))


def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Array:
    """Return a norm of vectors or matrices, as :func:`numpy.linalg.norm` does."""
    return np.linalg.norm(operand(a), ord, axis, keepdims)
