"""Reductions that leave NaNs out: nansum, nanmean, nanquantile and their like.

NaNs are replaced before they reach arithmetic, so no derivative is NaN because a value left out is. What is
left out has derivative 0, as has a result that is NaN because nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitives.warn import warn_where
from ..tracing import UNKNOWN, here, implements, peek
from .arguments import Array, array
from .quantiles import fractions, grouped, of_sorted, regrouped, spread_weights, taken, weighted
from .statistics import root

__all__: list[str] = []

_NONE: Any = np._NoValue


def _missing(a: Any) -> tuple[Array, Array | None]:
    """Return the array, and where it is NaN; None if its dtype has no NaN."""
    x = array(a)
    return x, (np.isnan(x) if x.dtype.kind in "fc" else None)


def _filled(x: Array, missing: Array | None, value: float) -> Array:
    return x if missing is None else np.where(missing, np.asarray(value, x.dtype)[()], x)


def _given(**kwargs: Any) -> dict[str, Any]:
    """The keywords that were given."""
    return {name: value for name, value in kwargs.items() if value is not _NONE}


@implements(np.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: Any = _NONE,
    initial: Any = _NONE,
    where: Any = _NONE,
) -> Array:
    """The sum along ``axis`` of what is not NaN."""
    kwargs = _given(keepdims=keepdims, initial=initial, where=where)
    return np.sum(_filled(*_missing(a), 0), axis=axis, dtype=dtype, **kwargs)


@implements(np.nanprod)
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: Any = _NONE,
    initial: Any = _NONE,
    where: Any = _NONE,
) -> Array:
    """The product along ``axis`` of what is not NaN."""
    kwargs = _given(keepdims=keepdims, initial=initial, where=where)
    return np.prod(_filled(*_missing(a), 1), axis=axis, dtype=dtype, **kwargs)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
    """Running sums along ``axis``, NaNs counting as 0."""
    return np.cumsum(_filled(*_missing(a), 0), axis=axis, dtype=dtype)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
    """Running products along ``axis``, NaNs counting as 1."""
    return np.cumprod(_filled(*_missing(a), 1), axis=axis, dtype=dtype)


def _extremum(reduce: Callable[..., Array], worst: float, a: Any, axis: Any, **kwargs: Any) -> Array:
    x, missing = _missing(a)
    result = reduce(_filled(x, missing, worst), axis=axis, **kwargs)
    if missing is None:
        return result
    if kwargs.get("initial") is not None:
        return result
    none = np.all(missing, axis=axis, **{k: v for k, v in kwargs.items() if k != "initial"})
    result = np.where(none, np.asarray(np.nan, x.dtype)[()], result)
    return warn_where(result, none, f"All-NaN {'slice' if x.ndim else 'axis'} encountered")


@implements(np.nanmax)
def nanmax(
    a: Any,
    axis: Any = None,
    out: None = None,
    keepdims: Any = _NONE,
    initial: Any = _NONE,
    where: Any = _NONE,
) -> Array:
    """The largest element along ``axis`` that is not NaN; ties share the derivative."""
    return _extremum(np.max, -np.inf, a, axis, **_given(keepdims=keepdims, initial=initial, where=where))


@implements(np.nanmin)
def nanmin(
    a: Any,
    axis: Any = None,
    out: None = None,
    keepdims: Any = _NONE,
    initial: Any = _NONE,
    where: Any = _NONE,
) -> Array:
    """The smallest element along ``axis`` that is not NaN; ties share the derivative."""
    return _extremum(np.min, np.inf, a, axis, **_given(keepdims=keepdims, initial=initial, where=where))


def _check_dtype(dtype: Any) -> None:
    """Refuse integers, in which there is no NaN."""
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise TypeError("If a is inexact, then dtype must be inexact")


def _present(missing: Array, where: Any) -> Array:
    """Where an element counts."""
    return ~missing if where is _NONE or where is True else np.logical_and(~missing, array(where))


def _number(present: Array, x: Array, axis: Any, kwargs: dict[str, Any]) -> Array:
    """How many elements count along ``axis``."""
    return np.sum(np.broadcast_to(present, x.shape), axis=axis, dtype=np.intp, **kwargs)


def _shared_out(total: Array, count: Array) -> Array:
    """``total / count`` in the dtype of ``total``; NaN, with no warning, where the count is not positive."""
    none = count <= 0
    divisor = np.where(none, 1, count).astype(total.real.dtype)
    return np.where(none, np.asarray(np.nan, total.dtype)[()], total / divisor)


@implements(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: Any = _NONE,
    *,
    where: Any = _NONE,
) -> Array:
    """The mean along ``axis`` of what is not NaN."""
    x, missing = _missing(a)
    kwargs = _given(keepdims=keepdims)
    if missing is None:
        return np.mean(x, axis=axis, dtype=dtype, **kwargs, **_given(where=where))
    _check_dtype(dtype)
    present = _present(missing, where)
    count = _number(present, x, axis, kwargs)
    total = np.sum(_filled(x, missing, 0), axis=axis, dtype=dtype, where=present, **kwargs)
    result = _shared_out(total, count)
    return warn_where(result, count == 0, "Mean of empty slice")


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: Any = _NONE,
    *,
    where: Any = _NONE,
    mean: Any = _NONE,
    correction: Any = _NONE,
) -> Array:
    """The variance along ``axis`` of what is not NaN; NaN where no more than ``ddof`` are."""
    x, missing = _missing(a)
    kwargs = _given(keepdims=keepdims)
    more = _given(mean=mean, correction=correction)
    if missing is None:
        return np.var(x, axis=axis, dtype=dtype, ddof=ddof, **kwargs, **more, **_given(where=where))
    _check_dtype(dtype)
    if correction is not _NONE:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    filled, present = _filled(x, missing, 0), _present(missing, where)
    count = _number(present, x, axis, kwargs)
    if mean is _NONE:
        total = np.sum(filled, axis=axis, dtype=dtype, where=present, keepdims=True)
        mean = _shared_out(total, _number(present, x, axis, {"keepdims": True}))
    deviation = np.subtract(filled, mean)
    deviation = np.where(present, deviation, np.zeros((), deviation.dtype))
    squares = np.real(deviation * np.conj(deviation)) if x.dtype.kind == "c" else np.square(deviation)
    kept = dtype if dtype is not None and np.dtype(dtype).kind == x.dtype.kind != "c" else None
    result = _shared_out(np.sum(squares, axis=axis, dtype=kept, **kwargs), count - ddof)
    return warn_where(result, count - ddof <= 0, "Degrees of freedom <= 0 for slice.")


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    ddof: Any = 0,
    keepdims: Any = _NONE,
    *,
    where: Any = _NONE,
    mean: Any = _NONE,
    correction: Any = _NONE,
) -> Array:
    """The standard deviation along ``axis`` of what is not NaN; its derivative is 0 where all are equal."""
    return root(nanvar(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction))


# -- order statistics --------------------------------------------------------------------------------


@implements(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: Any = _NONE
) -> Array:
    """The median along ``axis`` of what is not NaN."""
    x, missing = _missing(a)
    if missing is None:
        return np.median(x, axis=axis, **_given(keepdims=keepdims))
    if not x.size:
        return np.nanmean(x, axis=axis, **_given(keepdims=keepdims))
    rows, axes = grouped(x, axis)
    count = np.sum(~np.isnan(rows), axis=-1)
    ordered = np.sort(rows, axis=-1)
    low, high = taken(ordered, np.maximum(count - 1, 0) // 2), taken(ordered, count // 2)
    middle = np.where(count % 2 == 1, low, (low + high) / 2)
    return regrouped(_nan_of_none(middle, count), axes, x.ndim, keepdims)


def _nan_of_none(result: Array, count: Array) -> Array:
    result = np.where(count == 0, np.asarray(np.nan, result.dtype)[()], result)
    return warn_where(result, count == 0, "All-NaN slice encountered")


@implements(np.nanquantile)
def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = _NONE,
    *,
    weights: Any = None,
) -> Array:
    """The ``q``-th quantiles along ``axis`` of what is not NaN."""
    return _quantile(a, q, 1, axis, method, keepdims, weights)


@implements(np.nanpercentile)
def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = _NONE,
    *,
    weights: Any = None,
) -> Array:
    """The ``q``-th percentiles along ``axis`` of what is not NaN."""
    return _quantile(a, q, 100, axis, method, keepdims, weights)


def _quantile(a: Any, q: Any, scale: int, axis: Any, method: str, keepdims: Any, weights: Any) -> Array:
    x, missing = _missing(a)
    if missing is None:
        function: Any = np.quantile if scale == 1 else np.percentile
        return function(x, q, axis=axis, method=method, weights=weights, **_given(keepdims=keepdims))
    if x.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    q, keep = fractions(q, scale, x.dtype)
    if not x.size:
        return np.nanmean(x, axis=axis, **_given(keepdims=keepdims))
    rows, axes = grouped(x, axis)
    count = np.sum(~np.isnan(rows), axis=-1)
    if weights is None:
        result = of_sorted(np.sort(rows, axis=-1), q, keep, method, count)
    elif method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    else:
        given = np.where(missing, 0, spread_weights(array(weights), x, axis))
        result = weighted(rows, q, grouped(given, axis)[0], leave_out=True)
    return regrouped(_nan_of_none(result, count), axes, x.ndim, keepdims, q.ndim)


# -- positions ---------------------------------------------------------------------------------------


def _position(find: Callable[..., Array], worst: float, a: Any, axis: Any, keepdims: Any) -> Array:
    x, missing = _missing(a)
    kwargs = _given(keepdims=keepdims)
    if missing is not None:
        none = np.any(np.all(missing, axis=axis))
        # Where the values are known the program records that no slice is all NaN; a batch cannot ask.
        if peek(none) is not UNKNOWN and none:
            raise ValueError(f"All-NaN slice encountered{here()}")
    return find(_filled(x, missing, worst), axis=axis, **kwargs)


@implements(np.nanargmax)
def nanargmax(a: Any, axis: Any = None, out: None = None, *, keepdims: Any = _NONE) -> Array:
    """The index of the first largest element along ``axis`` that is not NaN."""
    return _position(np.argmax, -np.inf, a, axis, keepdims)


@implements(np.nanargmin)
def nanargmin(a: Any, axis: Any = None, out: None = None, *, keepdims: Any = _NONE) -> Array:
    """The index of the first smallest element along ``axis`` that is not NaN."""
    return _position(np.argmin, np.inf, a, axis, keepdims)
