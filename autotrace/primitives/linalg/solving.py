"""Linear systems, inverses and determinants.

Sources: Giles (2008), "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", sections 2.2.3 to 2.2.5; Jacobi's formula for the determinant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...ir import Linear, Operand, ShapedArray, united
from ...tracing import bind, here
from ..promotion import broadcast_to
from ..series import convolved, difference
from .stacked import Array, Stacked, adjoint, diagonal_part, real_dtype

__all__ = ["Cofactors", "Det", "Inverse", "Slogdet", "Solve"]


def _of_matrix(a: Operand, shape: tuple[int, ...]) -> Any:
    """Return the dependence of stacks of ``shape`` in which everything depends on all of the matrix of its stack."""
    whole = a.dependence and a.dependence.reduced((len(a.shape) - 2, len(a.shape) - 1))
    return whole and whole.reshaped((*whole.shape, 1, 1)).broadcast(shape)


class Solve(Stacked):
    """x with a x = b, for a : f[..., n, n] and b : f[..., n, k]. Linear in b; dx = a^-1 (db - da x)."""

    def impl(self, a: Array, b: Array) -> Array:
        return np.linalg.solve(a, b)

    def abstract(self, a: ShapedArray, b: ShapedArray) -> ShapedArray:
        self.check_square(a)
        if a.shape[:-1] != b.shape[:-1] or a.dtype != b.dtype:
            raise ValueError(f"solve: the right-hand sides must fit the matrices; got {a} and {b}{here()}.")
        return b

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        (a, _), (da, db) = primals, tangents
        if da is None:
            return bind(self, a, db)
        change = np.matmul(da, output)
        return bind(self, a, -change if db is None else db - change)

    def taylor(self, k: int, inputs: Sequence[Any], output: Any) -> Array:
        """Coefficient k of a x = b, solved for x_k."""
        a, b = inputs
        rest = difference(b[k], convolved(np.matmul, a, output, k, first=1))
        return rest if rest is None else bind(self, a[0], rest)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        ct_b = bind(self, inputs[0].mT, ct)
        return (-np.matmul(ct_b, output.mT) if wanted[0] else None, ct_b if wanted[1] else None)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        a, _ = inputs
        if type(a) is Linear:
            return super().transpose(ct, inputs)
        return (None, bind(self, a.mT, ct))

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        a, b = inputs
        if batched[0]:
            return super().batch(size, inputs, batched)
        # One matrix for the whole batch is factored once: the batch becomes more columns.
        n, k = b.shape[-2:]
        wide = np.moveaxis(b, 0, -2).reshape((*b.shape[1:-1], size * k))
        return np.moveaxis(bind(self, a, wide).reshape((*b.shape[1:-2], n, size, k)), -2, 0)

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return 2 * a[-1] ** 3 / 3 + 2 * a[-1] ** 2 * others[0][-1]  # section 3.2: elimination, two substitutions

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        a, b = operands
        return united([_of_matrix(a, b.shape), b.dependence and b.dependence.along((-2,))], b.shape)


class Inverse(Stacked):
    """x with a x = 1, for a : f[..., n, n]. dx = -x da x."""

    def impl(self, a: Array) -> Array:
        return np.linalg.inv(a)

    def abstract(self, a: ShapedArray) -> ShapedArray:
        self.check_square(a)
        return a

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        return -np.matmul(np.matmul(output, tangents[0]), output)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array]:
        return (-np.matmul(np.matmul(output.mT, ct), output.mT),)

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return 2 * a[-1] ** 3  # section 3.2: elimination, then n systems with unit right-hand sides


class Det(Stacked):
    """The determinant of a : f[..., n, n]. ddet = sum(cofactors(a) * da), finite where singular."""

    def impl(self, a: Array) -> Array:
        return np.linalg.det(a)

    def abstract(self, a: ShapedArray) -> ShapedArray:
        self.check_square(a)
        return a.update(shape=a.shape[:-2])

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        return (bind(Cofactors(), primals[0]) * tangents[0]).sum(axis=(-2, -1))

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array]:
        return (ct[..., None, None] * bind(Cofactors(), inputs[0]),)

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return 2 * a[-1] ** 3 / 3  # section 3.2: elimination


class Cofactors(Stacked):
    """The matrix g with sum(g * f) = D^(k+1) det(a)[e1, ..., ek, f] for all f; with no e the cofactors of a.

    The determinant is a polynomial, linear in each e and symmetric in all, so every derivative of this
    operation is the same operation: of one e more in the direction of a, itself with another e, itself for
    its transpose. Nothing divides by a singular value: all orders are right for singular matrices, and 0 from
    order n on.

    With the decomposition a = u s vh the cofactors are det(u vh) conj(u) diag(p) conj(vh), where p_i is the
    product of all singular values but s_i, and the next order takes products of all but two. Higher orders
    are the coefficient of t in this expression at a + t e, a polynomial in t that is sampled at roots of
    unity.
    """

    def impl(self, a: Array, *directions: Array) -> Array:
        n = a.shape[-1]
        if len(directions) >= n:
            return np.zeros(a.shape, a.dtype)
        if len(directions) < 2:
            return _minors(a, *directions)
        return self._interpolate(a, *directions)

    def abstract(self, a: ShapedArray, *directions: ShapedArray) -> ShapedArray:
        self.check_square(a)
        if any(e is not a for e in directions):
            raise ValueError(f"cofactors: directions must be like the matrix; got {(a, *directions)}{here()}.")
        return a

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        a, *directions = primals
        terms = [] if tangents[0] is None else [bind(self, a, *directions, tangents[0])]
        for i, t in enumerate(tangents[1:]):
            if t is not None:
                terms.append(bind(self, a, *directions[:i], t, *directions[i + 1 :]))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        unknown = [i for i, x in enumerate(inputs) if type(x) is Linear]
        if unknown[0] == 0 or len(unknown) > 1:
            return super().transpose(ct, inputs)
        return [
            bind(self, *[ct if j == i else x for j, x in enumerate(inputs)]) if i in unknown else None
            for i in range(len(inputs))
        ]

    def _interpolate(self, a: Array, *directions: Array) -> Array:
        *others, e = directions
        n = a.shape[-1]
        points = n - len(others)  # one more than the degree in t
        size_a, size_e = (np.sqrt((np.abs(x) ** 2).sum(axis=(-2, -1), keepdims=True)) for x in (a, e))
        step = np.where(size_a == 0, 1, size_a) / np.where(size_e == 0, 1, size_e)
        total: Array = 0
        for root in np.exp(2j * np.pi * np.arange(points) / points):
            there = [x.astype(np.complex128) for x in (a + root * step * e, *others)]
            total = total + self.impl(*there) / root
        total = total / (points * step)
        return (total if a.dtype.kind == "c" else total.real).astype(a.dtype)

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        """Count an inverse and a determinant; one of higher order is sampled at points for each direction."""
        return (2 + 2 / 3) * a[-1] ** 3 * max(1, a[-1]) ** max(0, len(others) - 1)


def _minors(a: Array, *direction: Array) -> Array:
    """The cofactors of ``a``, or their derivative in one direction, by the singular value decomposition."""
    found = None if direction else _regular_cofactors(a)
    if found is not None:
        return found
    u, s, vh = np.linalg.svd(a)
    sign = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    left, right = np.conj(u), np.conj(vh)
    if not direction:
        return sign * np.matmul(left * _others(s)[..., None, :], right)
    n = a.shape[-1]
    without = _others(np.where(np.eye(n, dtype=bool), 1, s[..., None, :]))
    without = np.where(np.eye(n, dtype=bool), 0, without).astype(s.dtype)
    f = np.matmul(np.matmul(adjoint(u), direction[0]), adjoint(vh))
    inner = -without * f.mT
    shares = (without * diagonal_part(f)[..., None, :]).sum(axis=-1)
    inner = inner + np.eye(n, dtype=s.dtype) * shares[..., None]
    return sign * np.matmul(np.matmul(left, inner), right)


def _regular_cofactors(a: Array) -> Array | None:
    """The cofactors as det(a) a^-T, several times faster; None unless all matrices are far from singular."""
    try:
        x = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return None
    sizes = [np.abs(y).sum(axis=-2).max(axis=-1, initial=0) for y in (a, x)]
    return np.linalg.det(a)[..., None, None] * x.mT if np.all(sizes[0] * sizes[1] < 1e3) else None


def _others(s: Array) -> Array:
    """For each element the product of all others along the last axis."""
    ones = np.ones((*s.shape[:-1], 1), s.dtype)
    before = np.cumprod(np.concatenate([ones, s[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, s[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before * after


class Slogdet(Stacked):
    """Sign (or phase) and logarithm of the absolute determinant of a : f[..., n, n]. dlogdet = tr(a^-1 da).

    For a singular matrix the logarithm is -inf and its derivative infinite (NaN where infinities cancel).
    """

    multiple: ClassVar[bool] = True

    def impl(self, a: Array) -> tuple[Array, Array]:
        return tuple(np.linalg.slogdet(a))

    def abstract(self, a: ShapedArray) -> tuple[ShapedArray, ShapedArray]:
        self.check_square(a)
        sign = a.update(shape=a.shape[:-2])
        return sign, sign.update(dtype=real_dtype(a.dtype))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], outputs: Sequence[Array]) -> Sequence[Array]:
        (a,), (da,), (sign, logdet) = primals, tangents, outputs
        change = (self._inverse(a, logdet).mT * da).sum(axis=(-2, -1))
        if a.dtype.kind != "c":
            return None, change
        return sign * np.imag(change) * 1j, np.real(change)

    def _inverse(self, a: Array, logdet: Array) -> Array:
        singular = broadcast_to((logdet == -np.inf)[..., None, None], a.shape)
        x = np.linalg.inv(np.where(singular, np.eye(a.shape[-1], dtype=a.dtype), a))
        return np.where(singular, np.inf, x)

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        return 2 * a[-1] ** 3 / 3  # section 3.2: elimination
