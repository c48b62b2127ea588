"""Functions of whole arrays, and functions that SciPy makes of several: logsumexp, softmax, polygamma,
multigammaln.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special
from scipy.special import _ufuncs as sc

from ...tracing import Tracer, as_operand, here, stop_gradient_leaf

__all__ = ["log_softmax", "logsumexp", "multigammaln", "polygamma", "softmax", "zeta"]

Array = Any


def _array(x: Any) -> Array:
    x = as_operand(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def _traced(*args: Any) -> bool:
    return any(isinstance(_array(x), Tracer) for x in args)


def _inexact(x: Array) -> Array:
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def _shift(x: Array, axis: Any) -> Array:
    """The largest element, by its real part, to subtract before exponentials; 0 where it is infinite or
    NaN.
    """
    top = np.max(stop_gradient_leaf(np.real(x)), axis=axis, keepdims=True)
    return np.where(np.isfinite(top), top, np.zeros((), top.dtype))


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """Return log(sum(b exp(a))) along ``axis`` (an integer, a tuple, or None for all) without overflow.

    Elements with weight 0 count as 0 even where exp(a) is infinite. A negative sum is NaN, or with
    ``return_sign`` the pair of log|sum| and the sign (for complex ``a`` the phase). The derivative is the
    softmax, weighted.

    >>> import autotrace, numpy as np
    >>> autotrace.grad(logsumexp)(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    if not _traced(a) and (b is None or not _traced(b)):
        return scipy.special.logsumexp(a, axis=axis, b=b, keepdims=keepdims, return_sign=return_sign)
    a = _inexact(_array(a))
    if b is not None:
        b = _array(b)
        a, b = np.broadcast_arrays(a, b)
        dtype = np.result_type(a.dtype, b.dtype)
        a, b = a.astype(dtype), b.astype(dtype)
        zero = b == 0
        a, b = np.where(zero, np.full((), -np.inf, a.dtype)[()], a), b
    if a.size == 0 and a.ndim and _empty(a, axis):
        like: Any = np.empty(a.shape)
        shape = like.sum(axis=axis, keepdims=keepdims).shape
        empty = np.full(shape, -np.inf, a.dtype)[()]
        return (empty.real, np.zeros(shape, a.dtype)[()]) if return_sign else empty
    shift = _shift(a, axis)
    terms = np.exp(a - shift)
    terms = terms if b is None else b * terms
    # The largest terms, 1 times their weights, are kept apart for the digits of what is small beside them.
    largest = np.real(a) == np.real(shift)
    top = np.sum(np.where(largest, terms, 0), axis=axis, keepdims=True)
    rest = np.sum(np.where(largest, 0, terms), axis=axis, keepdims=True)
    total = top + rest
    split = (np.real(top) > 0) & (np.abs(rest) < np.real(top)) & (np.imag(top) == 0)
    log = np.where(
        split,
        np.log(np.where(split, top, 1)) + sc.log1p(np.where(split, rest, 0) / np.where(split, top, 1)),
        np.log(_magnitude(np.where(split, 1, total), return_sign)),
    )
    out = np.real(log) if return_sign else log
    out = (out + shift).astype(out.dtype)
    sign = np.sign(total)
    if not keepdims:
        axes = tuple(range(a.ndim)) if axis is None else axis
        out, sign = np.squeeze(out, axis=axes), np.squeeze(sign, axis=axes)
    return (out, sign) if return_sign else out


def _empty(a: Array, axis: Any) -> bool:
    axes = range(a.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return any(a.shape[i] == 0 for i in axes)


def _magnitude(total: Array, signed: bool) -> Array:
    """What the logarithm is taken of: |total| where its sign is returned, else NaN for what is negative."""
    if signed:
        return np.abs(total)
    if total.dtype.kind == "c":
        return total
    return np.where(total < 0, np.full((), np.nan, total.dtype)[()], total)


def softmax(x: Any, axis: Any = None) -> Array:
    """Return exp(x) / sum(exp(x)) along ``axis`` (an integer, a tuple, or None for all) without overflow."""
    if not _traced(x):
        return scipy.special.softmax(x, axis=axis)
    x = _inexact(_array(x))
    e = np.exp(x - np.max(stop_gradient_leaf(x), axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: Any = None) -> Array:
    """Return x - log(sum(exp(x))) along ``axis`` (an integer, a tuple, or None for all) without overflow."""
    if not _traced(x):
        return scipy.special.log_softmax(x, axis=axis)
    x = _inexact(_array(x))
    moved = x - _shift(x, axis)
    return moved - np.log(np.sum(np.exp(moved), axis=axis, keepdims=True))


def polygamma(n: Any, x: Any) -> Array:
    """Return the ``n``-th derivative of the digamma function at ``x``, for integers n >= 0 (DLMF 5.15.1).

    It is (-1)^(n+1) n! zeta(n + 1, x), and its derivative in ``x`` is polygamma(n + 1, x); float64 as in
    SciPy.
    """
    if not _traced(n) and not _traced(x):
        return scipy.special.polygamma(n, x)
    n, x = _array(n), _array(x)
    if isinstance(n, Tracer):
        raise TypeError(
            f"polygamma: n must be known integers; got {n.aval}{here()}. Pass stop_gradient(n) as a number."
        )
    x = x.astype(np.float64) if x.dtype != np.float64 and n.dtype != np.float32 else x
    zero = n == 0
    order = np.where(zero, 1, n)
    derived = (-1.0) ** (order + 1) * sc.gamma(order + 1.0) * sc._zeta(order + 1.0, x)
    if np.all(zero):
        return np.broadcast_to(sc.psi(x), np.broadcast_shapes(n.shape, x.shape))
    return np.where(zero, sc.psi(x), derived) if np.any(zero) else derived


def zeta(x: Any, q: Any = None, out: None = None) -> Array:
    """Return Riemann's zeta function of ``x``, or with ``q`` Hurwitz'.

    It has a derivative in ``q`` only (DLMF 25.11.17).
    """
    if out is not None:
        raise TypeError(f"zeta: out must be None; got {type(out).__name__}{here()}. Assign the result.")
    return sc._riemann_zeta(x) if q is None else sc._zeta(x, q)


def multigammaln(a: Any, d: Any) -> Array:
    """Return the logarithm of the multivariate gamma function of dimension ``d`` at ``a`` > (d - 1) / 2.

    A traced ``a`` that is too small gives NaN, where SciPy raises. Raises ``ValueError`` unless ``d`` is a
    positive integer. Source: Muirhead (1982), "Aspects of multivariate statistical theory", theorem 2.1.12.
    """
    if not _traced(a):
        return scipy.special.multigammaln(a, d)
    if int(d) != d or d < 1:
        raise ValueError(f"multigammaln: d must be a positive integer; got {d}{here()}. Pass the dimension.")
    a = _array(a)
    total = np.float64(d * (d - 1) * 0.25 * math.log(math.pi))
    for j in range(1, int(d) + 1):
        total = total + sc.gammaln(a - 0.5 * (j - 1))
    return np.where(a > 0.5 * (d - 1), total, np.nan)
