"""Polynomials by their coefficients, the highest power first: NumPy's ``poly...`` functions and ``roots``.

Where NumPy strips leading zeros, the length of the result depends on values: the program records the answer.
Where values are not known (under ``vmap``) nothing is stripped, which is the same polynomial.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..primitives.promotion import convert
from ..tracing import Tracer, implements, peek
from .arguments import Array, array, integer

__all__: list[str] = []


def _known(x: Array) -> bool:
    return isinstance(peek(x), np.ndarray | np.generic) if type(x) is Tracer else True


def _coefficients(p: Any) -> Array:
    return np.atleast_1d(array(p))


def _trimmed(p: Any) -> Array:
    """Return coefficients without leading zeros, as ``np.poly1d`` holds them: at least one."""
    p = _coefficients(p)
    if p.ndim > 1:
        raise ValueError("Polynomial must be 1d only.")
    if not _known(p):
        return p
    while len(p) and p[0] == 0:
        p = p[1:]
    return p if len(p) else np.zeros(1, p.dtype)


def _padded(p: Array, length: int) -> Array:
    """Return coefficients with zeros in front."""
    return np.concatenate([np.zeros(length - len(p), p.dtype), p]) if length > len(p) else p


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Array:
    """Return the sum of two polynomials."""
    a1, a2 = _coefficients(a1), _coefficients(a2)
    length = max(len(a1), len(a2))
    return _padded(a1, length) + _padded(a2, length)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Array:
    """Return the difference of two polynomials."""
    a1, a2 = _coefficients(a1), _coefficients(a2)
    length = max(len(a1), len(a2))
    return _padded(a1, length) - _padded(a2, length)


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Array:
    """Return the product of two polynomials, leading zeros stripped."""
    return np.convolve(_trimmed(a1), _trimmed(a2))


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Array, Array]:
    """Return quotient and remainder of two polynomials; leading zeros of the remainder are stripped."""
    u, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    kind = np.result_type(u.dtype, v.dtype)
    r, v = convert(u, kind), convert(v, kind)
    steps, degree = len(u) - len(v) + 1, len(v)
    quotient = []
    scale = 1.0 / v[0]
    for k in range(steps):
        factor = scale * r[k]
        quotient.append(factor)
        r = np.concatenate([r[:k], r[k : k + degree] - factor * v, r[k + degree :]])
    if _known(r):
        while len(r) > 1 and np.allclose(r[0], 0, rtol=1e-14):
            r = r[1:]
    else:
        r = r[min(max(steps, 0), len(r) - 1) :]  # these are zero by construction
    return (np.stack(quotient) if quotient else np.zeros(1, kind)), r


@implements(np.polyder)
def polyder(p: Any, m: Any = 1) -> Array:
    """Return the ``m``-th derivative of a polynomial in its variable.

    Raises ``ValueError`` for a negative ``m``.
    """
    m, p = integer(m), array(p)
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    for _ in range(m):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


@implements(np.polyint)
def polyint(p: Any, m: Any = 1, k: Any = None) -> Array:
    """Return the ``m``-th antiderivative of a polynomial, with integration constants ``k`` (0 if None).

    Raises ``ValueError`` for a negative ``m`` or too few constants.
    """
    m, p = integer(m), array(p)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = np.zeros(m) if k is None else np.atleast_1d(array(k))
    if len(constants) == 1 and m > 1:
        constants = constants[0] * np.ones(m)
    if len(constants) < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for i in range(m):
        p = np.concatenate([p / np.arange(len(p), 0, -1), constants[i : i + 1]])
    return p


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Array:
    """Return the values of a polynomial at ``x``, by Horner's scheme.

    >>> import autotrace, numpy as np
    >>> autotrace.grad(np.polyval)(np.array([3.0, 2.0, 1.0]), 2.0)
    array([4., 2., 1.])
    """
    p, x = array(p), array(x)
    y = np.zeros(x.shape, x.dtype)[()]
    for i in range(len(p)):
        y = y * x + p[i]
    return y


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """Return the coefficients of the polynomial of given roots, or the characteristic one of a matrix.

    Real if the roots come in conjugate pairs, which the program records.

    Raises ``ValueError`` for input that is neither a vector nor a square matrix.
    """
    zeros = _coefficients(seq_of_zeros)
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] and zeros.shape[0]:
        zeros = np.linalg.eigvals(zeros)
    elif zeros.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    elif zeros.dtype.kind != "c" and zeros.dtype.char not in "fd":
        zeros = convert(zeros, np.dtype(np.float64))
    if not len(zeros):
        return 1.0
    p, nothing = np.ones(1, zeros.dtype), np.zeros(1, zeros.dtype)
    for i in range(len(zeros)):
        p = np.concatenate([p, nothing]) - zeros[i] * np.concatenate([nothing, p])
    if zeros.dtype.kind == "c" and np.all(np.sort(zeros) == np.sort(np.conj(zeros))):
        return p.real
    return p


@implements(np.roots)
def roots(p: Any) -> Array:
    """Return the roots of a polynomial: the eigenvalues of its companion matrix.

    Raises ``ValueError`` for coefficients that are not a vector.
    """
    p = _coefficients(p)
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    p = p if p.dtype.kind in "fc" else convert(p, np.dtype(np.float64))
    trailing = 0
    if _known(p):
        places = np.nonzero(p)[0]
        if not len(places):
            return np.array([])
        first, last = int(places[0]), int(places[-1])
        trailing, p = len(p) - last - 1, p[first : last + 1]
    if len(p) < 2:
        return np.zeros(trailing)
    below = np.eye(len(p) - 2, len(p) - 1, dtype=p.dtype)
    found = np.linalg.eigvals(np.concatenate([(-p[1:] / p[0])[None], below]))
    return np.concatenate([found, np.zeros(trailing, found.dtype)]) if trailing else found


@implements(np.polyfit)
def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """Return the coefficients of the polynomial of degree ``deg`` that fits ``y`` at ``x`` in least squares.

    ``x : f[n]``, ``y : f[n] or f[n, k]``, weights ``w : f[n]`` of the residuals. ``full`` returns residuals,
    rank, singular values and rcond too; ``cov`` their covariance too, not scaled if it is "unscaled".

    Raises ``ValueError`` and ``TypeError`` as NumPy does.
    """
    order = integer(deg) + 1
    x, y = array(x) + 0.0, array(y) + 0.0
    weights = None if w is None else array(w) + 0.0
    _check_fit(x, y, order, weights)
    rcond = len(x) * np.finfo(x.dtype).eps if rcond is None else rcond
    base = convert(x, np.promote_types(x.dtype, int))  # as np.vander
    powers = [np.ones(x.shape, base.dtype)]
    for _ in range(order - 1):
        powers.append(powers[-1] * base)
    left, right = np.stack(powers[::-1], axis=1), y
    if weights is not None:
        left = left * weights[:, None]
        right = right * (weights[:, None] if right.ndim == 2 else weights)
    scale = np.sqrt(np.sum(left * left, axis=0))
    left = left / scale
    c, residuals, rank, singular = np.linalg.lstsq(left, right, rcond)
    c = (c.T / scale).T
    seen = peek(rank)
    if not full and isinstance(seen, int | np.integer | np.ndarray) and seen != order:
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=4)
    if full:
        return c, residuals, rank, singular, rcond
    if not cov:
        return c
    covariance = np.linalg.inv(left.T @ left) / (scale[:, None] * scale)
    if cov != "unscaled":
        if len(x) <= order:
            raise ValueError("the number of data points must exceed order to scale the covariance matrix")
        variance = residuals / (len(x) - order)
        covariance = (covariance if y.ndim == 1 else covariance[:, :, None]) * variance
    elif y.ndim != 1:
        covariance = covariance[:, :, None] * 1
    return c, covariance


def _check_fit(x: Array, y: Array, order: int, weights: Any) -> None:
    if order < 1:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if not x.size:
        raise TypeError("expected non-empty vector for x")
    if y.ndim not in (1, 2):
        raise TypeError("expected 1D or 2D array for y")
    if len(x) != len(y):
        raise TypeError("expected x and y to have same length")
    if weights is not None and weights.ndim != 1:
        raise TypeError("expected a 1-d array for weights")
    if weights is not None and len(weights) != len(y):
        raise TypeError("expected w and y to have the same length")
