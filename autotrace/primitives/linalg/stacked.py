"""What all of linear algebra shares: operands are stacks of matrices; a batch is one more axis of the stack.

The derivatives are JAX's: transposes without conjugation, the pairing Re(ct * t).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir import Operand, Primitive, ShapedArray, united
from ...tracing import bind, here
from ..families import Array, Binary
from ..promotion import apply_elementwise, broadcast_to
from ..series import convolved, difference

__all__ = ["Array", "Stacked", "adjoint", "diagonal_part", "hermitian", "lower_part", "ratio", "real_dtype"]


class Stacked(Primitive, family=True):
    """Works on the last axes of its operands; the axes before, the stack, are equal in all of them."""

    required = ("impl", "abstract", "jvp")

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Any:
        whole = [x if b else broadcast_to(x, (size, *x.shape)) for x, b in zip(inputs, batched, strict=True)]
        return bind(self, *whole)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        """Count ``work`` for each matrix of the stack; complex numbers take four times as many operations."""
        matrices = [aval.shape[-2:] if aval.ndim >= 2 else (1, 1) for aval in inputs]
        stack = math.prod(inputs[0].shape[:-2])
        return int(stack * self.work(*matrices)) * (4 if inputs[0].dtype.kind == "c" else 1)

    def work(self, a: tuple[int, ...], *others: tuple[int, ...]) -> float:
        """Return the operations for one matrix of shape ``a``, and the last two lengths of the other operands.

        The counts of the library's own primitives are those of Golub and Van Loan (2013), "Matrix Computations",
        4th edition: terms of third order, of the algorithm that LAPACK runs or one like it.
        """
        m, n = a
        return m * n * max(m, n)

    def check_square(self, a: ShapedArray) -> None:
        """Raise ``TypeError`` unless ``a`` is a stack of square matrices that LAPACK takes."""
        if a.ndim < 2 or a.shape[-1] != a.shape[-2] or a.dtype.char not in "fdFD":
            raise TypeError(f"{self.name}: the operand must be a stack of square inexact matrices; got {a}{here()}.")

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        """Within each item of the stack everything depends on everything."""
        rank = len(operands[0].shape) - 2
        parts = []
        for x in operands:
            if x.dependence is not None:
                parts.append(x.dependence.reduced(range(rank, len(x.shape))))
        whole = united(parts, operands[0].shape[:rank])
        found = [
            whole.reshaped((*whole.shape, *(1,) * (aval.ndim - rank))).broadcast(aval.shape) if whole else None
            for aval in outputs
        ]
        return found if self.multiple else found[0]


class Ratio(Binary):
    """x / y, where 0 / 0 is 0 and any other x / 0 is NaN, without a warning.

    Divides by differences of eigenvalues: where two are equal, what does not turn one eigenvector into the
    other is no harm; what does has no derivative.
    """

    ufunc = np.true_divide
    linear = (0,)

    def impl(self, x: Array, y: Array) -> Array:
        zero = np.equal(y, 0)
        quotient = np.true_divide(x, np.where(zero, np.ones((), x.dtype), y))
        return np.where(zero, np.where(np.equal(x, 0), x, np.full((), np.nan, x.dtype)), quotient)[()]

    def scale_x(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return ratio(t, y)

    def scale_y(self, t: Array, x: Array, y: Array, z: Array) -> Array:
        return -t * ratio(z, y)

    def taylor(self, k: int, inputs: Sequence[Any], output: Any) -> Array:
        """Coefficient k of x = y z, solved for z_k."""
        x, y = inputs
        rest = difference(x[k], convolved(np.multiply, y, output, k, first=1))
        return rest if rest is None else ratio(rest, y[0])


def ratio(x: Array, y: Array) -> Array:
    """Return x / y with 0 / 0 = 0 and x / 0 = NaN for other x."""
    return apply_elementwise(Ratio(), (x, y))


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the real part of ``dtype``."""
    return np.dtype(dtype.char.lower())


def adjoint(x: Array) -> Array:
    """Return the conjugate transpose of each matrix."""
    return np.conj(x.mT) if x.dtype.kind == "c" else x.mT


def lower_part(x: Array, diagonal: int = 0) -> Array:
    """Return each matrix with zeros above its ``diagonal``."""
    return np.where(np.tri(x.shape[-2], x.shape[-1], diagonal, dtype=np.bool_), x, 0)


def diagonal_part(x: Array) -> Array:
    """Return the diagonal of each square matrix."""
    return np.where(np.eye(x.shape[-1], dtype=bool), x, 0).sum(axis=-1)


def hermitian(x: Array, upper: bool = False) -> Array:
    """Return the Hermitian matrices whose lower (``upper``) triangle is that of ``x``, as LAPACK reads them.

    The other triangle, and the imaginary part of the diagonal, are not read.
    """
    if upper:
        x = x.mT
    strict = lower_part(x, -1)
    diagonal = np.where(np.eye(x.shape[-1], dtype=bool), x, 0)
    if x.dtype.kind == "c":
        diagonal = np.real(diagonal).astype(x.dtype)
    whole = strict + adjoint(strict) + diagonal
    return whole.mT if upper else whole
