"""The functions of :mod:`numpy.linalg`: arguments brought to what the primitives of linear algebra take.

All take stacks of matrices: the last two axes are the matrix. Integers become float64; of inexact dtypes
LAPACK has single and double precision, real and complex, and others raise ``TypeError``, as in NumPy.
"""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..primitives.linalg.factoring import Cholesky, Qr
from ..primitives.linalg.least_squares import Lstsq, Pinv
from ..primitives.linalg.solving import Det, Inverse, Slogdet, Solve
from ..primitives.linalg.spectral import Eig, Eigh, Eigvals, Eigvalsh, Svd, Svdvals
from ..primitives.promotion import broadcast_to, convert
from ..tracing import UNKNOWN, bind, here, implements, peek
from .arguments import Array, array

__all__ = [
    "cholesky",
    "cond",
    "det",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matrix_power",
    "matrix_rank",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
]

LinAlgError = np.linalg.LinAlgError


# -- arguments -------------------------------------------------------------------------------------


def _common(name: str, *arrays: Any) -> list[Array]:
    """Bring arrays to the one dtype in which LAPACK works on them."""
    xs = [array(x) for x in arrays]
    for x in xs:
        if x.dtype.kind not in "biu" and x.dtype.char not in "fdFD":
            raise TypeError(f"array type {x.dtype.name} is unsupported in linalg; got it in {name}{here()}")
    kinds = [x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64) for x in xs]
    dtype = np.result_type(*kinds)
    return [convert(x, dtype) for x in xs]


def _matrices(name: str, a: Any) -> Array:
    (a,) = _common(name, a)
    if a.ndim < 2:
        raise LinAlgError(f"{a.ndim}-dimensional array given. Array must be at least two-dimensional{here()}")
    return a


def _squares(name: str, a: Any) -> Array:
    a = _matrices(name, a)
    if a.shape[-1] != a.shape[-2]:
        raise LinAlgError(f"Last 2 dimensions of the array must be square; got shape {a.shape}{here()}")
    return a


def _triangle(uplo: str) -> str:
    uplo = uplo.upper()
    if uplo not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return uplo


@functools.cache
def _result_type(function: Callable[..., Any]) -> Callable[..., Any]:
    """The named tuple that a function of NumPy's returns."""
    return type(function(np.eye(1)))


# -- systems and determinants ----------------------------------------------------------------------


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Array:
    """Solve a x = b for a : f[..., n, n] and b : f[n] or f[..., n, k].

    ``b`` is a vector, or one for all matrices, only if it has one axis.

    Raises ``LinAlgError`` if a matrix is singular or not square.

    >>> from autotrace import grad
    >>> grad(lambda a: np.linalg.solve(a, np.array([1.0, 2.0])).sum())(2.0 * np.eye(2))
    array([[-0.25, -0.5 ],
           [-0.25, -0.5 ]])
    """
    a, b = _common("solve", a, b)
    a = _squares("solve", a)
    if b.ndim == 1:
        return _solve(a, b[:, None])[..., 0]
    return _solve(a, b)


def _solve(a: Array, b: Array) -> Array:
    if not b.ndim or a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"solve: the matrices and the right-hand sides must have equally many rows; got shapes {a.shape} "
            f"and {b.shape}{here()}. A stack of vectors needs a last axis of length 1: b[..., None]."
        )
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    b = broadcast_to(b, (*stack, *b.shape[-2:]))
    if a.ndim == 2 and stack:
        flat = b.reshape((int(np.prod(stack, dtype=int)), *b.shape[-2:]))
        return Solve().batch(flat.shape[0], (a, flat), (False, True)).reshape(b.shape)
    return bind(Solve(), broadcast_to(a, (*stack, *a.shape[-2:])), b)


@implements(np.linalg.inv)
def inv(a: Any) -> Array:
    """The inverses of matrices a : f[..., n, n].

    Raises ``LinAlgError`` if a matrix is singular or not square.
    """
    return bind(Inverse(), _squares("inv", a))


@implements(np.linalg.det)
def det(a: Any) -> Array:
    """The determinants of matrices a : f[..., n, n]. Its derivatives are right for singular matrices too.

    >>> from autotrace import grad
    >>> grad(np.linalg.det)(np.diag([0.0, 2.0]))
    array([[2., 0.],
           [0., 0.]])
    """
    return bind(Det(), _squares("det", a))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """Sign and logarithm of the absolute determinants of a : f[..., n, n].

    The derivative of the logarithm is infinite where a matrix is singular.
    """
    return _result_type(np.linalg.slogdet)(*bind(Slogdet(), _squares("slogdet", a)))


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Array:
    """Matrices a[..., n, n] to an integer power by repeated squaring; of the inverse for a negative one."""
    a = array(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        _squares("matrix_power", a)
    try:
        n = operator.index(n)
    except TypeError as error:
        raise TypeError("exponent must be an integer") from error
    if n == 0:
        return broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    base, n = (a, n) if n > 0 else (np.linalg.inv(a), -n)
    result = None
    while True:
        if n % 2:
            result = base if result is None else np.matmul(result, base)
        n //= 2
        if not n:
            return result
        base = np.matmul(base, base)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Array:
    """The inverse of ``a`` as a map of tensors: to its first ``ind`` axes from the others."""
    a = array(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    size = int(np.prod(a.shape[ind:], dtype=int))
    return np.linalg.inv(a.reshape(size, -1)).reshape(a.shape[ind:] + a.shape[:ind])


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Array:
    """Solve tensordot(a, x, x.ndim) = b; ``axes`` of ``a`` are moved to its end first."""
    a, b = array(a), array(b)
    if axes is not None:
        order = list(range(a.ndim))
        for k in axes:
            order.remove(k)
            order.insert(a.ndim, k)
        a = np.transpose(a, order)
    shape = a.shape[-(a.ndim - b.ndim) :]
    size = int(np.prod(shape, dtype=int))
    if a.size != size**2:
        raise LinAlgError(
            "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim]); "
            f"got shapes {a.shape} and {b.shape}{here()}"
        )
    return np.linalg.solve(a.reshape(size, size), b.reshape(b.size)).reshape(shape)


# -- factorisations --------------------------------------------------------------------------------


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Array:
    """The lower triangular Cholesky factors of a : f[..., n, n], or the ``upper`` ones.

    As NumPy reads only that triangle of ``a``, the derivative in the other one is zero.
    Raises ``LinAlgError`` if a matrix is not positive definite.
    """
    return bind(Cholesky(bool(upper)), _squares("cholesky", a))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """The factors q and r of a : f[..., m, n]. ``mode``: 'reduced', 'complete', or 'r' for r alone.

    Raises ``LinAlgError`` for the derivative where the first min(m, n) columns are dependent,
    ``UnsupportedError`` for mode 'raw'.
    """
    if mode in ("f", "full"):
        warnings.warn(
            "The 'full' option is deprecated in favor of 'reduced'.\nFor backward compatibility let mode default.",
            DeprecationWarning,
            stacklevel=2,
        )
        mode = "reduced"
    if mode in ("raw", "e", "economic"):
        raise UnsupportedError(
            f"np.linalg.qr: mode={mode!r} returns LAPACK's own storage, which has no derivative{here()}. "
            "Use mode='reduced', 'complete' or 'r'."
        )
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"Unrecognized mode '{mode}'")
    a = _matrices("qr", a)
    q, r = bind(Qr(mode == "complete" and a.shape[-2] > a.shape[-1]), a)
    return r if mode == "r" else _result_type(np.linalg.qr)(q, r)


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Ascending eigenvalues and the eigenvectors, as columns, of Hermitian a : f[..., n, n].

    As NumPy reads only the triangle ``UPLO`` of ``a``, the derivative in the other one is zero. The
    derivative of eigenvectors is NaN where eigenvalues are equal; of complex ones it is right for functions
    of no phase.
    """
    return _result_type(np.linalg.eigh)(*bind(Eigh(_triangle(UPLO)), _squares("eigh", a)))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Array:
    """Ascending eigenvalues of Hermitian a : f[..., n, n]; sums of equal ones are differentiable."""
    return bind(Eigvalsh(_triangle(UPLO)), _squares("eigvalsh", a))


def _real_if_known(a: Array, w: Array, *others: Array) -> tuple[Array, ...]:
    """Real numbers, as NumPy returns, if all eigenvalues of a real array are real and values are known."""
    if a.dtype.kind == "c" or peek(w) is UNKNOWN or not bool(np.all(np.imag(w) == 0)):
        return (w, *others)
    return tuple(np.real(x) for x in (w, *others))


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """Eigenvalues and eigenvectors, as columns, of a : f[..., n, n].

    They are real if NumPy's are and the trace knows values (the program records a guard); in a trace of
    shapes alone, as under ``vmap``, they are complex.
    """
    a = _squares("eig", a)
    return _result_type(np.linalg.eig)(*_real_if_known(a, *bind(Eig(), a)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Array:
    """Eigenvalues of a : f[..., n, n], real or complex as those of :func:`eig`."""
    a = _squares("eigvals", a)
    return _real_if_known(a, bind(Eigvals(), a))[0]


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """The singular value decomposition u, s, vh of a : f[..., m, n]; s alone without ``compute_uv``.

    The derivative of u and vh is NaN where singular values are equal, that of s is right where equal ones are
    treated alike. Of complex u and vh, and of the vectors that ``full_matrices`` adds, it is right for
    functions that do not depend on their phase or rotation.
    """
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    a = _matrices("svd", a)
    if not compute_uv:
        return bind(Svdvals(), a)
    full = bool(full_matrices) and a.shape[-2] != a.shape[-1]
    return _result_type(np.linalg.svd)(*bind(Svd(full), a))


def _hermitian_svd(a: Any, compute_uv: bool) -> Any:
    if not compute_uv:
        return np.sort(np.abs(np.linalg.eigvalsh(a)), axis=-1)[..., ::-1]
    s, u = np.linalg.eigh(a)
    sign = np.where(np.signbit(s), -1, 1).astype(s.dtype)
    s = np.abs(s)
    order = np.argsort(s, axis=-1)[..., ::-1]
    sign, s = np.take_along_axis(sign, order, axis=-1), np.take_along_axis(s, order, axis=-1)
    u = np.take_along_axis(u, order[..., None, :], axis=-1)
    return _result_type(np.linalg.svd)(u, s, np.conj((u * sign[..., None, :]).mT))


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Array:
    """The descending singular values of x : f[..., m, n]."""
    return np.linalg.svd(x, compute_uv=False, hermitian=False)


# -- least squares ---------------------------------------------------------------------------------


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Array:
    """The pseudoinverses of a : f[..., m, n].

    Singular values up to ``rcond`` (or ``rtol``) times the largest count as 0. The derivative is that at
    constant rank.
    """
    a = _matrices("pinv", a)
    if rcond is None:
        default = max(a.shape[-2:]) * np.finfo(a.dtype).eps
        rcond = 1e-15 if rtol is np._NoValue else default if rtol is None else rtol
    elif rtol is not np._NoValue:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    if hermitian and a.shape[-1] != a.shape[-2]:
        _squares("pinv", a)
    return bind(Pinv(bool(hermitian)), a, broadcast_to(array(rcond), a.shape[:-2]))


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Array, Array, Array, Array]:
    """Minimise |b - a x|^2 for a : f[m, n] and b : f[m] or f[m, k].

    Returns x, the squared residuals, the rank and the singular values of ``a``.

    The derivative is that at constant rank. The residuals are empty if m <= n or the rank is below n; in a
    trace of shapes alone, which cannot know the rank, those of m > n are NaN where the rank is below n.
    """
    a, b = _common("lstsq", a, b)
    vector = b.ndim == 1
    b = b[:, None] if vector else b
    for x in (a, b):
        if x.ndim != 2:
            raise LinAlgError(f"{x.ndim}-dimensional array given. Array must be two-dimensional{here()}")
    (m, n), real = a.shape, np.finfo(a.dtype)
    if m != b.shape[0]:
        raise LinAlgError(f"Incompatible dimensions; got shapes {a.shape} and {b.shape}{here()}")
    double = np.finfo(np.float64).eps
    x, residuals, rank, s = bind(Lstsq(float(double * max(m, n) if rcond is None else rcond)), a, b)
    if m <= n or (peek(rank) is not UNKNOWN and int(rank) != n):
        residuals = np.zeros(0, real.dtype)
    return x[:, 0] if vector else x, residuals, rank, s


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    """How many singular values are above ``tol``, or ``rtol`` times the largest; piecewise constant."""
    if rtol is not None and tol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    A = array(A)
    if A.ndim < 2:
        return np.any(np.not_equal(A, 0)).astype(np.int64)
    s = np.linalg.svd(A, compute_uv=False, hermitian=hermitian)
    if tol is None:
        rtol = max(A.shape[-2:]) * np.finfo(s.dtype).eps if rtol is None else array(rtol)[..., None]
        tol = np.max(s, axis=-1, keepdims=True, initial=0) * rtol
    else:
        tol = array(tol)[..., None]
    return np.sum(np.greater(s, tol), axis=-1)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Array:
    """The condition number of matrices in the norm ``p``; infinite for singular ones.

    Raises ``LinAlgError`` for empty matrices.
    """
    x = array(x)
    if x.size == 0 and 0 in x.shape[-2:]:
        raise LinAlgError("cond is not defined on empty arrays")
    if p is None or (not isinstance(p, str) and p in (2, -2)):
        s = np.linalg.svd(x, compute_uv=False)
        high, low = (s[..., -1], s[..., 0]) if p == -2 else (s[..., 0], s[..., -1])
        none = np.equal(low, 0)
        result = np.where(none, np.inf, high / np.where(none, 1, low))
    else:
        x = _squares("cond", x)
        none = np.equal(np.linalg.slogdet(x).logabsdet, -np.inf)
        regular = np.where(none[..., None, None], np.eye(x.shape[-1], dtype=x.dtype), x)
        both = np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(regular), p, axis=(-2, -1))
        result = np.where(none, np.inf, both)
    given = np.any(np.isnan(x), axis=(-2, -1))
    return np.where(np.isnan(result) & np.logical_not(given), np.inf, result)[()]
