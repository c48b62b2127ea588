"""Order statistics: medians, quantiles, percentiles, by sorting.

The derivative of an order statistic goes to the element that takes that place in the sorted order; where a
quantile lies between two elements, to both by their weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..primitives.gathers import gather
from ..tracing import UNKNOWN, Tracer, here, implements, peek
from .arguments import Array, array

__all__ = ["fractions", "grouped", "of_sorted", "regrouped", "spread_weights", "taken", "weighted"]


def grouped(a: Array, axis: Any) -> tuple[Array, tuple[int, ...]]:
    """Return ``a`` with the axes named brought together as its last one, and their numbers."""
    axes = tuple(range(a.ndim)) if axis is None else normalize_axis_tuple(axis, a.ndim)
    rest = [i for i in range(a.ndim) if i not in axes]
    length = int(np.prod([a.shape[i] for i in axes], dtype=np.intp))
    return np.transpose(a, (*rest, *axes)).reshape((*[a.shape[i] for i in rest], length)), axes


def regrouped(result: Array, axes: tuple[int, ...], rank: int, keepdims: Any, before: int = 0) -> Array:
    """Give a result, its first ``before`` axes new, the axes back that were reduced, if ``keepdims``."""
    if not keepdims or keepdims is np._NoValue:
        return result
    lengths = iter(result.shape[before:])
    kept = [1 if i in axes else next(lengths) for i in range(rank)]
    return np.reshape(result, (*result.shape[:before], *kept))


@implements(np.median)
def median(a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: Any = False) -> Array:
    """The middle element along ``axis`` in sorted order, or the mean of the middle two; NaN if one is NaN."""
    a = array(a)
    x, axes = grouped(a, axis)
    return regrouped(_middle(np.sort(x, axis=-1), x.shape[-1]), axes, a.ndim, keepdims)


def _middle(x: Array, length: int) -> Array:
    """The median of the last axis, which is sorted: NaNs stand last."""
    start, stop = (length - 1) // 2, length // 2 + 1
    if not length:
        return np.mean(x, axis=-1)
    result = np.mean(x[..., start:stop], axis=-1)
    if x.dtype.kind not in "fc":
        return result
    last = x[..., -1]
    return np.where(np.isnan(last), last, result)


# -- quantiles ---------------------------------------------------------------------------------------


def _boundary(index: Array, keep: Array) -> Array:
    """The place at ``index`` where ``keep``, else the next one."""
    below = np.floor(index)
    return np.maximum(np.where(keep, below, below + 1), 0).astype(np.intp)


def _inverted(n: int, q: Array) -> Array:
    index = n * q - 1
    return _boundary(index, index == np.floor(index))


def _closest(n: int, q: Array) -> Array:
    index = n * q - 1.5
    below = np.floor(index)
    return _boundary(index, (index == below) & (below % 2 == 1))


def _plotting(alpha: float, beta: float) -> Callable[[int, Array], Array]:
    """The place, between elements, of Hyndman and Fan's (1996) continuous estimates."""
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


_DISCRETE: dict[str, Callable[[int, Array], Array]] = {
    "inverted_cdf": _inverted,
    "closest_observation": _closest,
    "lower": lambda n, q: np.floor((n - 1) * q).astype(np.intp),
    "higher": lambda n, q: np.ceil((n - 1) * q).astype(np.intp),
    "nearest": lambda n, q: np.rint((n - 1) * q).astype(np.intp),
}
"""Methods that choose one element, and the place where it stands."""

_CONTINUOUS: dict[str, Callable[[int, Array], Array]] = {
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "interpolated_inverted_cdf": _plotting(0, 1),
    "hazen": _plotting(0.5, 0.5),
    "weibull": _plotting(0, 0),
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": _plotting(1 / 3.0, 1 / 3.0),
    "normal_unbiased": _plotting(3 / 8.0, 3 / 8.0),
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
}
"""Methods that interpolate, and the place where they do."""


@implements(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Array:
    """The ``q``-th quantiles along ``axis`` by any of NumPy's methods, the axis of ``q`` in front.

    ``a`` and ``q`` may be traced; ``weights`` go with the method "inverted_cdf" only, in which the result is
    an element: they get no derivative. Raises ``ValueError`` for ``q`` outside [0, 1] where it is known.
    """
    return _quantile("quantile", a, q, 1, axis, out, method, keepdims, weights)


@implements(np.percentile)
def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Array:
    """The ``q``-th percentiles, quantiles at ``q / 100``: see :func:`quantile`."""
    return _quantile("percentile", a, q, 100, axis, out, method, keepdims, weights)


def _quantile(
    name: str, a: Any, q: Any, scale: int, axis: Any, out: Any, method: str, keepdims: Any, weights: Any
) -> Array:
    a = array(a)
    if a.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    q, keep = fractions(q, scale, a.dtype)
    x, axes = grouped(a, axis)
    if weights is not None:
        if method != "inverted_cdf":
            raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
        result = weighted(x, q, _weights_like(array(weights), a, axis))
    else:
        result = of_sorted(np.sort(x, axis=-1), q, keep, method)
    return regrouped(result, axes, a.ndim, keepdims, q.ndim)


def fractions(q: Any, scale: int, dtype: np.dtype[Any]) -> tuple[Array, np.dtype[Any] | None]:
    """Return ``q`` as fractions of 1; and if it is a plain number, the dtype that the data keep beside it."""
    weak = type(q) in (int, float) or (type(q) is Tracer and q.aval.weak_type)
    q = array(q)
    if scale != 1:
        q = np.true_divide(q, scale)
    if q.ndim > 2:
        raise ValueError("q must be a scalar or 1d")
    # A traced q is looked at, not asked: the program is the same either way.
    known: Any = peek(q)
    if known is not UNKNOWN and not np.all((known >= 0) & (known <= 1)):
        raise ValueError(
            "Quantiles must be in the range [0, 1]" if scale == 1 else "Percentiles must be in the range [0, 100]"
        )
    return q, dtype if weak and dtype.kind == "f" else None


def of_sorted(x: Array, q: Array, keep: np.dtype[Any] | None, method: str, length: Any = None) -> Array:
    """The quantiles of the last axis, which is sorted; NaNs stand last. The axes of ``q`` come first.

    ``length``, if given, says how many elements count, for each vector: the first ones, none of them NaN.
    """
    q = np.reshape(q, (*q.shape, *(1,) * (x.ndim - 1)))
    n = x.shape[-1] if length is None else length.astype(q.dtype)
    if method in _DISCRETE:
        result = taken(x, _DISCRETE[method](n, q))
    elif method in _CONTINUOUS:
        result = _interpolated(x, n, q, keep, method)
    else:
        raise ValueError(f"{method!r} is not a valid method. Use one of: {[*_DISCRETE, *_CONTINUOUS]}")
    if length is not None or x.dtype.kind != "f" or not x.shape[-1]:
        return result
    last = x[..., -1]
    return np.where(np.isnan(last), last.astype(result.dtype), result)


def _interpolated(x: Array, n: Any, q: Array, keep: np.dtype[Any] | None, method: str) -> Array:
    place = _CONTINUOUS[method](n, q)
    last = n - 1
    if place.dtype.kind in "iu":  # an integer q: 0 or 1, an end
        end = taken(x, np.clip(place, 0, last))
        return end if method == "linear" or x.dtype.kind == "f" else end.astype(np.float64)
    below = np.floor(place)
    part = place - below
    low = np.clip(below, 0, last).astype(np.intp)
    high = np.clip(below + 1, 0, last).astype(np.intp)
    if method == "averaged_inverted_cdf":
        part = np.where(part == 0, 0.5, 1.0).astype(place.dtype)
    elif method == "midpoint":
        part = np.where(place % 1 == 0, 0.0, 0.5).astype(place.dtype)
    part = part if keep is None else part.astype(keep)
    # Beyond the ends there is nothing to go to; there the end is taken, and its derivative in q is 0.
    high = np.where(place < 0, 0, high)
    start, stop = taken(x, low), taken(x, high)
    step = stop - start
    return np.where(part >= 0.5, stop - step * (1 - part), start + step * part)


def taken(x: Array, places: Array) -> Array:
    """The elements of the last axis at ``places``, whose axes in front are those of q."""
    rank = x.ndim - 1
    shape = (*places.shape[: places.ndim - rank], *x.shape[:-1])
    grid = [np.broadcast_to(rows, shape) for rows in np.indices(x.shape[:-1], sparse=True)]
    return gather(x, (*grid, np.broadcast_to(places, shape)))


def _weights_like(weights: Array, a: Array, axis: Any) -> Array:
    """One weight for each element, axes arranged like those of the data."""
    if np.any(np.less(peek(weights) if isinstance(peek(weights), np.ndarray) else 0, 0)):
        raise ValueError("Weights must be non-negative.")
    return grouped(spread_weights(weights, a, axis), axis)[0]


def spread_weights(weights: Array, a: Array, axis: Any) -> Array:
    """Weights of the shape of ``a``, or of its axes named, brought to the shape of ``a``."""
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = normalize_axis_tuple(axis, a.ndim, argname="axis")
    if weights.shape != tuple(a.shape[i] for i in axes):
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    weights = np.transpose(weights, tuple(int(i) for i in np.argsort(axes)))
    return np.broadcast_to(weights.reshape(tuple(n if i in axes else 1 for i, n in enumerate(a.shape))), a.shape)


def weighted(x: Array, q: Array, weights: Array, leave_out: bool = False) -> Array:
    """The first element at which the running sum of the weights reaches q of the whole.

    ``leave_out``: the weights of NaNs are 0, and they do not spoil the rest.
    """
    order = np.argsort(x, axis=-1)
    x = np.take_along_axis(x, order, axis=-1)
    weights = np.take_along_axis(weights, order, axis=-1)
    running = np.cumsum(weights, axis=-1, dtype=np.float64)
    running = running / running[..., -1:]
    if not leave_out and isinstance(running, np.ndarray) and np.isnan(running[..., -1]).any():
        raise ValueError(f"Weights included NaN, inf or were all zero{here()}.")
    if q.dtype.kind == "f":
        running = running.astype(q.dtype)
    # Elements without weight at the front are never chosen, for q = 0 neither.
    running = np.where(running == 0, -1, running)
    places = np.sum(running < np.reshape(q, (*q.shape, *(1,) * x.ndim)), axis=-1)
    result = taken(x, np.minimum(places, x.shape[-1] - 1))
    if leave_out or x.dtype.kind != "f":
        return result
    last = x[..., -1]
    return np.where(np.isnan(last), last, result)
