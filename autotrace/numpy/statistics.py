"""Means, variances and their like: functions of :mod:`numpy` that summarise axes, written with sums."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..primitives.promotion import broadcast_to
from ..tracing import implements, method
from .arguments import Array, array, refuse_out

__all__ = ["mean", "std", "var"]


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
        axes = axis if isinstance(axis, tuple) else (axis,)
        return int(np.prod([a.shape[i] for i in axes], dtype=np.intp))
    return np.sum(broadcast_to(where, a.shape), axis=axis, dtype=np.intp, keepdims=keepdims)


def _mask(where: Any) -> Any:
    """``where`` as an array; True if nothing is left out."""
    return True if where is True or where is np._NoValue else array(where)  # type: ignore[attr-defined]


def _warn_if_none(count: Any, message: str) -> None:
    """Warn as NumPy does where a count that is known while tracing is not positive."""
    if isinstance(count, int | np.integer | np.ndarray) and np.any(np.less_equal(count, 0)):
        warnings.warn(message, RuntimeWarning, stacklevel=3)


def _over(total: Array, count: Any) -> Array:
    """``total / count`` in the dtype of ``total``."""
    if total.dtype.kind in "biu":
        return np.true_divide(total, count).astype(total.dtype)
    return total / (count if isinstance(count, int) else count.astype(total.dtype))


@implements(np.mean)
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: Any = False, *, where: Any = True
) -> Array:
    """The arithmetic mean along ``axis`` of the elements for which ``where`` holds; NaN of none."""
    refuse_out("mean", out)
    a, where = array(a), _mask(where)
    total = np.sum(a, axis=axis, dtype=_accumulator(dtype, a.dtype), keepdims=keepdims, where=where)
    count = _count(a, axis, where, keepdims)
    _warn_if_none(count, "Mean of empty slice.")
    result = _over(total, count)
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
    mean: Any = np._NoValue,  # type: ignore[attr-defined]
    correction: Any = np._NoValue,  # type: ignore[attr-defined]
) -> Array:
    """The mean of ``|a - mean|**2`` along ``axis``, over the number of elements less ``ddof`` (``correction``).

    ``mean``, if given, is what ``np.mean(..., keepdims=True)`` returns; a derivative flows through it.
    Raises ``ValueError`` if both ``ddof`` and ``correction`` are given.
    """
    refuse_out("var", out)
    if correction is not np._NoValue:  # type: ignore[attr-defined]
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    a, where = array(a), _mask(where)
    count = _count(a, axis, where, keepdims)
    _warn_if_none(count - ddof, "Degrees of freedom <= 0 for slice")
    working = _accumulator(dtype, a.dtype)
    if mean is np._NoValue:  # type: ignore[attr-defined]
        total = np.sum(a, axis=axis, dtype=working, keepdims=True, where=where)
        mean = _over(total, _count(a, axis, where, True))
    deviation = np.subtract(a, mean)
    squares = np.real(deviation * np.conj(deviation)) if deviation.dtype.kind == "c" else np.square(deviation)
    kept = working if working.kind != "c" else np.zeros((), working).real.dtype
    total = np.sum(squares, axis=axis, dtype=kept, keepdims=keepdims, where=where)
    result = _over(total, max(count - ddof, 0) if where is True else np.maximum(count - ddof, 0))
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
    mean: Any = np._NoValue,  # type: ignore[attr-defined]
    correction: Any = np._NoValue,  # type: ignore[attr-defined]
) -> Array:
    """The root of :func:`var`. Where all elements are equal its derivative is 0, as that of a norm at 0."""
    refuse_out("std", out)
    variance = var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    return _root(variance)


def _root(x: Array) -> Array:
    """The square root, with derivative 0 at 0."""
    zero = x == 0
    return np.where(zero, x, np.sqrt(np.where(zero, np.ones((), x.dtype), x)))


for _function in (mean, var, std):
    method(_function.__name__)(_function)
