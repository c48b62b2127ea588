"""Functions of matrices: exponential, logarithm, square root and what is made of them.

Every derivative of f at a, in directions e1, ..., ek, is a block of f at a larger matrix (Mathias 1996, "A
chain rule for matrix functions and applications"; Higham, "Functions of matrices", theorem 3.6):

    f([[a, e], [0, a]]) = [[f(a), Df(a)[e]], [0, f(a)]]

and so on with this matrix in place of a. The derivatives are symmetric in their directions and linear in
each, and the transpose in one of them is a derivative at a^T: so one primitive has all rules, to every order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import scipy.linalg

from ...ir import Linear, ShapedArray
from ...primitives.linalg.stacked import Stacked
from ...primitives.promotion import broadcast_to
from ...tracing import bind, here
from .arguments import Array, operands, square

__all__ = ["coshm", "cosm", "expm", "expm_frechet", "logm", "sinhm", "sinm", "sqrtm"]

_FUNCTIONS: Final[dict[str, Callable[[Array], Array]]] = {
    "expm": scipy.linalg.expm,
    "logm": scipy.linalg.logm,
    "sqrtm": scipy.linalg.sqrtm,
}


class MatrixFunction(Stacked):
    """The derivative of ``function`` at a : f[..., n, n] in the directions that follow: without any, its
    value.
    """

    function: str

    def impl(self, a: Array, *directions: Array) -> Array:
        n = a.shape[-1]
        out = np.empty(a.shape, a.dtype)
        for i in np.ndindex(*a.shape[:-2]):
            value = _FUNCTIONS[self.function](_blocks(a[i], [e[i] for e in directions])) if n else a[i]
            if value.dtype.kind == "c" and a.dtype.kind != "c":
                raise ValueError(
                    f"{self.function}: of a real matrix the result must be real; got a matrix "
                    f"without a real one{here()}. "
                    "Make it complex: a.astype(complex)."
                )
            out[i] = value[:n, -n:] if n else value
        return out

    def abstract(self, a: ShapedArray, *directions: ShapedArray) -> ShapedArray:
        self.check_square(a)
        if any(e.shape != a.shape or e.dtype != a.dtype for e in directions):
            raise ValueError(f"{self.function}: directions must be like the matrix; got {a} and {directions}{here()}.")
        return a

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        a, *directions = primals
        da, *changes = tangents
        terms = [
            bind(self, a, *directions[:i], de, *directions[i + 1 :]) for i, de in enumerate(changes) if de is not None
        ]
        if da is not None:
            terms.append(bind(self, a, *directions, da))
        return sum(terms[1:], start=terms[0])

    def jet(self, order: int, inputs: Sequence[Any]) -> Sequence[Any]:
        """The function of a power series is that of a block triangular Toeplitz matrix of its coefficients.

        Such matrices multiply as truncated power series do; coefficients of the result are in the first row of blocks.
        """
        n = inputs[0][0].shape[-1]
        row = bind(self, *[_toeplitz(terms) for terms in inputs])[..., :n, :]
        return [[row[..., k * n : (k + 1) * n] for k in range(order + 1)]]

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        a, *directions = inputs
        unknown = [i for i, e in enumerate(directions) if type(e) is Linear]
        if type(a) is Linear or len(unknown) != 1:
            return super().transpose(ct, inputs)
        others = [e.mT for e in directions if type(e) is not Linear]
        found = bind(self, a.mT, *others, ct)
        return (None, *[found if type(e) is Linear else None for e in directions])

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 30 * 8 ** (len(inputs) - 1) * inputs[0].size * inputs[0].shape[-1]


def _toeplitz(terms: Sequence[Any]) -> Array:
    """The block matrix with the coefficient j - i in row i and column j; None is zero."""
    zero = np.zeros(terms[0].shape, terms[0].dtype)
    blocks = [zero if x is None else x for x in terms]
    rows = [[*[zero] * i, *blocks[: len(blocks) - i]] for i in range(len(blocks))]
    return np.concatenate([np.concatenate(row, axis=-1) for row in rows], axis=-2)


def _blocks(a: Array, directions: Sequence[Array]) -> Array:
    """The block triangular matrix whose function holds the mixed derivative in its last block of the first
    row.
    """
    for k, e in enumerate(directions):
        side = np.kron(np.eye(2**k, dtype=e.dtype), e)
        a = np.block([[a, side], [np.zeros_like(a), a]])
    return a


def expm(A: Any) -> Array:
    """Return the exponential of A : f[..., n, n]. Source: Mathias (1996).

    >>> import autotrace, numpy as np
    >>> autotrace.grad(lambda t: expm(np.array([[0.0, -1.0], [1.0, 0.0]]) * t)[0, 0])(np.pi / 2)
    np.float64(-1.0)
    """
    return bind(MatrixFunction("expm"), square("expm", A))


def logm(A: Any) -> Array:
    """Return the principal logarithm of A : f[..., n, n].

    Raises ``ValueError`` if A is real and its logarithm is not: make it complex first.
    """
    return bind(MatrixFunction("logm"), square("logm", A))


def sqrtm(A: Any) -> Array:
    """Return the principal square root of A : f[..., n, n].

    Raises ``ValueError`` if A is real and its root is not: make it complex first.
    """
    return bind(MatrixFunction("sqrtm"), square("sqrtm", A))


def expm_frechet(A: Any, E: Any, method: Any = None, compute_expm: bool = True, check_finite: bool = True) -> Any:
    """Return the exponential of A : f[..., n, n] and its derivative in the direction E, or the derivative
    alone.

    ``method`` changes SciPy's algorithm, not the result.
    """
    a, e = operands(A, E)
    stack = np.broadcast_shapes(a.shape, e.shape)
    a, e = broadcast_to(square("expm_frechet", a), stack), broadcast_to(e, stack)
    derivative = bind(MatrixFunction("expm"), a, e)
    return (expm(a), derivative) if compute_expm else derivative


def cosm(A: Any) -> Array:
    """Return the cosine of A : f[..., n, n]."""
    a = square("cosm", A)
    return 0.5 * (expm(1j * a) + expm(-1j * a)) if a.dtype.kind == "c" else np.real(expm(1j * a))


def sinm(A: Any) -> Array:
    """Return the sine of A : f[..., n, n]."""
    a = square("sinm", A)
    return -0.5j * (expm(1j * a) - expm(-1j * a)) if a.dtype.kind == "c" else np.imag(expm(1j * a))


def coshm(A: Any) -> Array:
    """Return the hyperbolic cosine of A : f[..., n, n]."""
    a = square("coshm", A)
    return 0.5 * (expm(a) + expm(-a))


def sinhm(A: Any) -> Array:
    """Return the hyperbolic sine of A : f[..., n, n]."""
    a = square("sinhm", A)
    return 0.5 * (expm(a) - expm(-a))
