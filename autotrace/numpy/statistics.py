"""Means, variances and their like: functions of :mod:`numpy` that summarise axes, written with sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..primitives.promotion import broadcast_to
from ..primitives.warn import warn_where
from ..tracing import as_operand, implements, method, peek, stop_gradient_leaf
from .arguments import Array, array
from .quantiles import spread_weights

__all__ = ["mean", "root", "std", "var"]


def _accumulator(dtype: Any, given: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which NumPy takes means: float64 for integers, float32 for halves."""
    if dtype is not None:
        return np.dtype(dtype)
    if given.kind in "biu":
        return np.dtype(np.float64)
    return np.dtype(np.float32) if given == np.float16 else given


def _count(a: Array, axis: Any, where: Any, keepdims: Any) -> Any:
    """How many elements of ``a`` a reduction takes: an integer, or with ``where`` an array of them."""
    if where is True:
        if axis is None:
            return a.size
        axes = normalize_axis_tuple(axis, a.ndim)
        return int(np.prod([a.shape[i] for i in axes], dtype=np.intp))
    return np.sum(broadcast_to(where, a.shape), axis=axis, dtype=np.intp, keepdims=keepdims)


def _mask(where: Any) -> Any:
    """``where`` as an array; True if nothing is left out."""
    return True if where is True or where is np._NoValue else array(where)


def _over(total: Array, count: Any) -> Array:
    """``total / count`` in the dtype of ``total``; where nothing is counted, the derivative is 0."""
    if total.dtype.kind in "biu":
        return np.true_divide(total, count).astype(total.dtype)
    if isinstance(count, int | float):
        return total / count if count > 0 else stop_gradient_leaf(total) / count
    count = count.astype(total.dtype)
    none = count == 0
    some = total / np.where(none, np.ones((), total.dtype), count)
    if isinstance(none, np.ndarray | np.generic) and not none.any():
        return some
    return np.where(none, stop_gradient_leaf(total) / count, some)


_WIDE = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.complex128), np.dtype(np.complex64))


@implements(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, *, where: Any = True
) -> Array:
    """The arithmetic mean along ``axis`` of the elements for which ``where`` holds; NaN of none."""
    if axis is None and dtype is None and keepdims is False and where is True and out is None:
        a = as_operand(a)
        if a.ndim and a.size and a.dtype in _WIDE:  # nearly every call: nothing to count, nothing to convert
            return np.sum(a) / float(a.size)
    a, where = array(a), _mask(where)
    total = np.sum(a, axis=axis, dtype=_accumulator(dtype, a.dtype), keepdims=keepdims, where=where)
    count = _count(a, axis, where, keepdims)
    result = warn_where(_over(total, count), count <= 0, "Mean of empty slice.")
    return result.astype(a.dtype) if dtype is None and a.dtype == np.float16 else result


@implements(np.var)
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
) -> Array:
    """The sum of ``|a - mean|**2`` along ``axis`` over the number of elements less ``ddof`` (``correction``).

    ``mean``, if given, is what ``np.mean(..., keepdims=True)`` returns; a derivative flows through it.
    Raises ``ValueError`` if both ``ddof`` and ``correction`` are given.
    """
    if correction is not np._NoValue:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    a, where = array(a), _mask(where)
    count = _count(a, axis, where, keepdims)
    working = _accumulator(dtype, a.dtype)
    if mean is np._NoValue:
        total = np.sum(a, axis=axis, dtype=working, keepdims=True, where=where)
        mean = _over(total, _count(a, axis, where, True))
    deviation = np.subtract(a, mean)
    if where is not True:
        # The mean of nothing is NaN: it must not reach the square.
        deviation = np.where(where, deviation, np.zeros((), deviation.dtype))
    squares = np.real(deviation * np.conj(deviation)) if a.dtype.kind == "c" else np.square(deviation)
    kept = working if dtype is not None or a.dtype.kind != "c" else squares.dtype
    total = np.sum(squares, axis=axis, dtype=kept, keepdims=keepdims, where=where)
    result = _over(total, max(count - ddof, 0) if where is True else np.maximum(count - ddof, 0))
    result = warn_where(result, count - ddof <= 0, "Degrees of freedom <= 0 for slice")
    return result.astype(a.dtype) if dtype is None and a.dtype == np.float16 else result


@implements(np.std)
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
) -> Array:
    """The root of :func:`var`. Where all elements are equal its derivative is 0, as that of a norm at 0."""
    variance = var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    return root(variance)


def root(x: Array) -> Array:
    """The square root in the dtype of ``x``, with derivative 0 at 0 and at NaN."""
    if x.dtype.kind not in "fc":
        return np.sqrt(x).astype(x.dtype)
    positive = x > 0
    return np.where(positive, np.sqrt(np.where(positive, x, np.ones((), x.dtype))), stop_gradient_leaf(x))


@implements(np.average)
def average(
    a: Any,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: Any = np._NoValue,
) -> Any:
    """The weighted mean along ``axis``; with ``returned``, the sum of the weights too. Both may be traced.

    Raises ``ZeroDivisionError`` where weights that are known sum to zero.
    """
    kept = {} if keepdims is np._NoValue else {"keepdims": keepdims}
    x = array(a)
    if weights is None:
        mean_of = np.mean(x, axis=axis, **kept)
        total = np.full(mean_of.shape, x.size / max(mean_of.size, 1), mean_of.dtype)
        return (mean_of, total) if returned else mean_of
    w = array(weights)
    dtype = np.result_type(x.dtype, w.dtype, np.float64) if x.dtype.kind in "biu" else np.result_type(x.dtype, w.dtype)
    w = spread_weights(w, x, axis)
    total = np.sum(w, axis=axis, dtype=dtype, **kept)
    # A traced sum is looked at, not asked: the program is the same either way.
    known = peek(total)
    if isinstance(known, np.ndarray | np.generic) and np.any(known == 0.0):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    mean_of = np.sum(np.multiply(x, w, dtype=dtype), axis=axis, dtype=dtype, **kept) / total
    return (mean_of, np.broadcast_to(total, mean_of.shape)) if returned else mean_of


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: None = None, keepdims: Any = False) -> Array:
    """The largest element less the smallest along ``axis``."""
    keepdims = False if keepdims is np._NoValue else keepdims
    return np.subtract(np.max(a, axis=axis, keepdims=keepdims), np.min(a, axis=axis, keepdims=keepdims))


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Array:
    """How many elements along ``axis`` are not zero."""
    return np.sum(np.not_equal(array(a), 0), axis=axis, dtype=np.intp, keepdims=keepdims)


for _function in (mean, var, std):
    method(_function.__name__)(_function)
