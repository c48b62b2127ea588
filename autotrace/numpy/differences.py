"""Along an axis: differences, finite-difference gradients, the trapezoid rule, running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..tracing import here, implements
from .arguments import Array, array
from .joining import along

__all__: list[str] = []


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Array:
    """Differences of neighbours along ``axis``, taken ``n`` times; of booleans, whether they differ."""
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    x = array(a)
    if x.ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    axis = normalize_axis_index(axis, x.ndim)
    ends = [_end(end, x.shape, axis) for end in (prepend, append)]
    if any(end is not None for end in ends):
        x = np.concatenate([part for part in (ends[0], x, ends[1]) if part is not None], axis)
    minus = np.not_equal if x.dtype == np.bool_ else np.subtract
    for _ in range(n):
        x = minus(x[along(axis, slice(1, None))], x[along(axis, slice(None, -1))])
    return x


def _end(end: Any, shape: tuple[int, ...], axis: int) -> Array | None:
    """What is put before or after; a scalar stands for one along the axis."""
    if end is np._NoValue:
        return None
    end = array(end)
    return end if end.ndim else np.broadcast_to(end, (*shape[:axis], 1, *shape[axis + 1 :]))


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Array:
    """Differences of neighbours in the flattened array, with ``to_begin`` before and ``to_end`` after."""
    x = array(ary)
    x = x.reshape((x.size,))
    parts = [x[1:] - x[:-1]]
    for name, end in (("to_begin", to_begin), ("to_end", to_end)):
        if end is None:
            continue
        end = array(end)
        if not np.can_cast(end.dtype, x.dtype, casting="same_kind"):
            raise TypeError(f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule.")
        end = end.reshape((end.size,)).astype(x.dtype)
        parts = [end, *parts] if name == "to_begin" else [*parts, end]
    return np.concatenate(parts)


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """The integral along ``axis`` by the trapezoid rule, over coordinates ``x`` or steps ``dx``."""
    y = array(y)
    given, axis = axis, normalize_axis_index(axis, y.ndim)
    if x is None:
        step = dx
    else:
        x = array(x)
        if x.ndim == 1:
            step = np.diff(x).reshape((-1, *(1,) * (y.ndim - axis - 1)))
        else:
            step = np.diff(x, axis=given)
    return (step * (y[along(axis, slice(1, None))] + y[along(axis, slice(None, -1))]) / 2.0).sum(given)


def _cumulative(scan: Any, first: int, x: Any, axis: Any, dtype: Any, include_initial: bool) -> Array:
    x = array(x)
    if x.ndim == 0:
        x = x.reshape((1,))
    if axis is None:
        if x.ndim > 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0
    axis = normalize_axis_index(axis, x.ndim)
    result = scan(x, axis=axis, dtype=dtype)
    if not include_initial:
        return result
    head = np.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), first, result.dtype)
    return np.concatenate([head, result], axis)


if hasattr(np, "cumulative_sum"):

    @implements(np.cumulative_sum)
    def cumulative_sum(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: None = None, include_initial: bool = False
    ) -> Array:
        """Sums of the elements up to each along ``axis``, with 0 in front if ``include_initial``."""
        return _cumulative(np.cumsum, 0, x, axis, dtype, include_initial)

    @implements(np.cumulative_prod)
    def cumulative_prod(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: None = None, include_initial: bool = False
    ) -> Array:
        """Products of the elements up to each along ``axis``, with 1 in front if ``include_initial``."""
        return _cumulative(np.cumprod, 1, x, axis, dtype, include_initial)


# -- gradients of samples ----------------------------------------------------------------------------


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Second-order finite differences of samples, one-sided of ``edge_order`` 1 or 2 at the ends.

    ``varargs`` gives the spacing: one number for all axes, or for each axis a number or the coordinates; all
    may be traced. One array for each axis, in a tuple if there are several.
    Weights of unequal steps: Quarteroni, Sacco, Saleri, Numerical Mathematics (2007), 10.10.
    """
    y = array(f)
    y = y if y.dtype.kind in "fc" else y.astype(np.float64)
    axes = tuple(range(y.ndim)) if axis is None else normalize_axis_tuple(axis, y.ndim)
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    results = tuple(
        _gradient(y, i, step, edge_order).astype(y.dtype)
        for i, step in zip(axes, _steps(y, axes, varargs), strict=True)
    )
    return results[0] if len(axes) == 1 else results


def _steps(y: Array, axes: tuple[int, ...], spacing: tuple[Any, ...]) -> list[Array]:
    """For each axis the step, or the steps between coordinates."""
    if not spacing:
        return [np.ones((), y.dtype)] * len(axes)
    given: list[Any] = [array(h) if not isinstance(h, int | float | complex) else h for h in spacing]
    if len(given) == 1 and np.ndim(given[0]) == 0:
        return given * len(axes)
    if len(given) != len(axes):
        raise TypeError("invalid number of arguments")
    steps = []
    for i, h in zip(axes, given, strict=True):
        if np.ndim(h) > 1:
            raise ValueError("distances must be either scalars or 1d")
        if np.ndim(h) and h.shape[0] != y.shape[i]:
            raise ValueError(
                f"when 1d, distances must match the length of the corresponding dimension; got {h.shape[0]} "
                f"coordinates for {y.shape[i]} samples{here()}"
            )
        steps.append(np.diff(h if h.dtype.kind in "fc" else h.astype(np.float64)) if np.ndim(h) else h)
    return steps


def _gradient(y: Array, axis: int, step: Array, edge_order: int) -> Array:
    n = y.shape[axis]
    if n < edge_order + 1:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, "
            "at least (edge_order + 1) elements are required."
        )

    def at(start: int, stop: int | None) -> Array:
        return y[along(axis, slice(start, stop))]

    if np.ndim(step) == 0:
        inner = (at(2, None) - at(0, -2)) / (2.0 * step)
        first, last = step, step
        head, tail = (step, step), (step, step)
    else:
        column = (-1, *(1,) * (y.ndim - axis - 1))
        left, right = step[:-1].reshape(column), step[1:].reshape(column)
        both = left + right
        inner = (
            -right / (left * both) * at(0, -2)
            + (right - left) / (left * right) * at(1, -1)
            + left / (right * both) * at(2, None)
        )
        first, last = step[0], step[-1]
        head, tail = (step[0], step[1 % len(step)]), (step[-1], step[-2 % len(step)])
    if edge_order == 1:
        return np.concatenate([(at(1, 2) - at(0, 1)) / first, inner, (at(-1, None) - at(-2, -1)) / last], axis)
    start = _one_sided(at(0, 1), at(1, 2), at(2, 3), *head)
    stop = -_one_sided(at(n - 1, n), at(n - 2, n - 1), at(n - 3, n - 2), *tail)
    return np.concatenate([start, inner, stop], axis)


def _one_sided(y0: Array, y1: Array, y2: Array, h: Array, k: Array) -> Array:
    """The derivative at the first of three samples, h and then k apart."""
    return -(2.0 * h + k) / (h * (h + k)) * y0 + (h + k) / (h * k) * y1 - h / (k * (h + k)) * y2
