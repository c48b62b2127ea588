"""Linear systems with structure: triangular, factored, symmetric, and Sylvester's equation.

Source: Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation"; Kao and Hennequin (2020), "Automatic differentiation of Sylvester, Lyapunov, and algebraic
Riccati equations".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg

from ...ir import Linear, ShapedArray
from ...primitives.linalg.stacked import Stacked, hermitian, lower_part
from ...primitives.promotion import broadcast_to
from ...primitives.series import convolved, difference
from ...tracing import bind, here
from .arguments import Array, operands, refuse, square, transposed

__all__ = ["cho_solve", "inv", "solve", "solve_sylvester", "solve_triangular", "structured"]


class TriangularSolve(Stacked):
    """x with a x = b, of which only one triangle of a : f[..., n, n] is read; b : f[..., n, k].

    With ``unit`` the diagonal counts as 1 and is not read either. Linear in b; dx = a^-1 (db - tri(da) x).
    """

    lower: bool
    unit: bool

    def impl(self, a: Array, b: Array) -> Array:
        x = np.empty(b.shape, b.dtype)
        for i in np.ndindex(*b.shape[:-2]):
            x[i] = _solve_one(a[i], b[i], self.lower, self.unit)
        return x

    def abstract(self, a: ShapedArray, b: ShapedArray) -> ShapedArray:
        self.check_square(a)
        if a.shape[:-1] != b.shape[:-1] or a.dtype != b.dtype:
            raise ValueError(f"triangular_solve: the right-hand sides must fit the matrices; got {a} and {b}{here()}.")
        return b

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        (a, _), (da, db) = primals, tangents
        if da is None:
            return bind(self, a, db)
        change = np.matmul(self._triangle(da), output)
        return bind(self, a, -change if db is None else db - change)

    def taylor(self, k: int, inputs: Sequence[Any], output: Any) -> Array:
        """Coefficient k of a x = b, solved for x_k."""
        a, b = inputs
        rest = convolved(lambda da, x: np.matmul(self._triangle(da), x), a, output, k, first=1)
        rest = difference(b[k], rest)
        return rest if rest is None else bind(self, a[0], rest)

    def _triangle(self, da: Array) -> Array:
        shift = -1 if self.unit else 0
        return lower_part(da, shift) if self.lower else lower_part(da.mT, shift).mT

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        a, _ = inputs
        if type(a) is Linear:
            return super().transpose(ct, inputs)
        return (None, bind(TriangularSolve(not self.lower, self.unit), a.mT, ct))

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return a[-1] ** 2 * others[0][-1]  # section 3.1: substitution


def _solve_one(a: Array, b: Array, lower: bool, unit: bool) -> Array:
    if not b.size:
        return b
    return scipy.linalg.solve_triangular(a, b, lower=lower, unit_diagonal=unit, check_finite=False)


def triangular(a: Array, b: Array, lower: bool, unit: bool = False) -> Array:
    """Solve with a stack of triangular matrices; ``b`` has the stack's shape and dtype."""
    return bind(TriangularSolve(lower, unit), a, b)


def _aligned(name: str, a: Array, b: Array) -> tuple[Array, Array, bool]:
    """Bring the right-hand sides to the form f[..., n, k]; tell whether they were one vector."""
    vector = b.ndim == 1
    b = b[:, None] if vector else b
    if a.shape[-1] != b.shape[-2]:
        avals = f"{ShapedArray(a.shape, a.dtype)} and {ShapedArray(b.shape, b.dtype)}"
        raise ValueError(
            f"{name}: the right-hand sides must fit the matrices; got {avals}{here()}. Transpose or reshape b."
        )
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return broadcast_to(a, (*stack, *a.shape[-2:])), broadcast_to(b, (*stack, *b.shape[-2:])), vector


def solve_triangular(
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """Return x with op(a) x = b for triangular a : f[..., n, n] and b : f[n] or f[..., n, k].

    op is the identity, the transpose or the adjoint (``trans`` 0, 1, 2). The other triangle has derivative
    zero.

    >>> import autotrace, numpy as np
    >>> a = np.array([[2.0, 0.0], [1.0, 4.0]])
    >>> autotrace.grad(lambda b: solve_triangular(a, b, lower=True).sum())(np.ones(2))
    array([0.375, 0.25 ])
    """
    a, b = operands(a, b)
    a, swapped = transposed("solve_triangular", square("solve_triangular", a), trans)
    a, b, vector = _aligned("solve_triangular", a, b)
    x = triangular(a, b, bool(lower) != swapped, bool(unit_diagonal))
    return x[..., 0] if vector else x


_STRUCTURES = {
    None: "general",
    "gen": "general",
    "sym": "symmetric",
    "her": "hermitian",
    "pos": "positive definite",
    "positive_definite": "positive definite",
    "banded": "general",
    "upper_triangular": "upper triangular",
    "lower_triangular": "lower triangular",
}
_KNOWN = (
    "general",
    "symmetric",
    "hermitian",
    "positive definite",
    "diagonal",
    "tridiagonal",
    "upper triangular",
    "lower triangular",
)


def structured(name: str, a: Array, assume_a: Any, lower: bool) -> Array:
    """Return the matrix that SciPy reads out of ``a``: the elements that the structure does not let it read
    do not count.
    """
    kind = _STRUCTURES.get(assume_a, assume_a)
    if kind not in _KNOWN:
        raise ValueError(
            f"{name}: assume_a must be one of {', '.join(_KNOWN)}; got {assume_a!r}{here()}. Pass one of these."
        )
    if kind in ("hermitian", "positive definite"):
        return hermitian(a, upper=not lower)
    if kind == "symmetric":
        x = a if lower else a.mT
        return lower_part(x) + lower_part(x, -1).mT
    if kind == "upper triangular":
        return lower_part(a.mT).mT
    if kind == "lower triangular":
        return lower_part(a)
    if kind in ("diagonal", "tridiagonal"):
        n = np.arange(a.shape[-1])
        return np.where(np.abs(n[:, None] - n) <= (kind == "tridiagonal"), a, 0)
    return a


def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: Any = None,
    transposed: bool = False,
) -> Array:
    """Return x with a x = b for a : f[..., n, n] and b : f[n] or f[..., n, k].

    ``assume_a`` names a structure; what SciPy does not read then has derivative zero. With ``transposed``
    the system is a^T x = b. Raises ``LinAlgError`` if a is singular.
    """
    a, b = operands(a, b)
    a = structured("solve", square("solve", a), assume_a, lower)
    if transposed:
        if a.dtype.kind == "c":
            raise NotImplementedError(f"solve: transposed is for real systems; got a complex one{here()}. Pass a.T.")
        a = a.mT
    a, b, vector = _aligned("solve", a, b)
    x = np.linalg.solve(a, b)
    return x[..., 0] if vector else x


def inv(
    a: Any, overwrite_a: bool = False, check_finite: bool = True, *, assume_a: Any = None, lower: bool = False
) -> Array:
    """Return the inverse of a : f[..., n, n]; ``assume_a`` as in :func:`solve`."""
    (a,) = operands(a)
    return np.linalg.inv(structured("inv", square("inv", a), assume_a, lower))


def cho_solve(c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Array:
    """Return x with a x = b, given (c, lower), a's Cholesky factor as :func:`cho_factor` returns it."""
    c, lower = c_and_lower
    c, b = operands(c, b)
    c, b, vector = _aligned("cho_solve", square("cho_solve", c), b)
    adjoint = np.conj(c.mT)
    first, second = (c, adjoint) if lower else (adjoint, c)
    x = triangular(second, triangular(first, b, True), False)
    return x[..., 0] if vector else x


class Sylvester(Stacked):
    """x with a x + x b = q, for a : f[..., m, m], b : f[..., n, n], q : f[..., m, n].

    Linear in q (Kao and Hennequin 2020).
    """

    def impl(self, a: Array, b: Array, q: Array) -> Array:
        x = np.empty(q.shape, q.dtype)
        for i in np.ndindex(*q.shape[:-2]):
            x[i] = scipy.linalg.solve_sylvester(a[i], b[i], q[i]) if q[i].size else q[i]
        return x

    def abstract(self, a: ShapedArray, b: ShapedArray, q: ShapedArray) -> ShapedArray:
        self.check_square(a)
        self.check_square(b)
        if q.shape != (*a.shape[:-1], b.shape[-1]) or a.shape[:-2] != b.shape[:-2] or not a.dtype == b.dtype == q.dtype:
            raise ValueError(
                f"sylvester: q must have the rows of a and the columns of b; got {a}, {b} and {q}{here()}."
            )
        return q

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        (a, b, _), (da, db, dq), x = primals, tangents, output
        terms = [dq, None if da is None else -np.matmul(da, x), None if db is None else -np.matmul(x, db)]
        given = [term for term in terms if term is not None]
        return bind(self, a, b, sum(given[1:], start=given[0]))

    def taylor(self, k: int, inputs: Sequence[Any], output: Any) -> Array:
        """Coefficient k of a x + x b = q, solved for x_k."""
        a, b, q = inputs
        rest = difference(q[k], convolved(np.matmul, a, output, k, first=1))
        rest = difference(rest, convolved(lambda db, x: np.matmul(x, db), b, output, k, first=1))
        return rest if rest is None else bind(self, a[0], b[0], rest)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        a, b, _ = inputs
        if type(a) is Linear or type(b) is Linear:
            return super().transpose(ct, inputs)
        return (None, None, bind(self, a.mT, b.mT, ct))

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        """Count two Schur forms, four products, and the substitution; section 7.6."""
        (m, _), (n, _) = a, others[0]
        return 25 * (m**3 + n**3) + 5 * m * n * (m + n)


def solve_sylvester(a: Any, b: Any, q: Any) -> Array:
    """Return x with a x + x b = q for a : f[..., m, m], b : f[..., n, n] and q : f[..., m, n]."""
    a, b, q = operands(a, b, q)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2], q.shape[:-2])
    return bind(Sylvester(), *[broadcast_to(x, (*stack, *x.shape[-2:])) for x in (a, b, q)])


def pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, check_finite: bool = True) -> Array:
    """Return the pseudoinverse of a : f[..., m, n]; singular values up to ``rtol`` times the largest count
    as 0.
    """
    (a,) = operands(a)
    if atol is not None:
        refuse("pinv", "atol", atol, "Use rtol.")
    if return_rank:
        refuse("pinv", "return_rank", return_rank, "Use np.linalg.matrix_rank.")
    rtol = max(a.shape[-2:]) * np.finfo(a.dtype).eps if rtol is None else rtol
    return np.linalg.pinv(a, rtol)
