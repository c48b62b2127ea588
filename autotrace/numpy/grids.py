"""Grids between traced end points."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitives.promotion import broadcast_to, convert
from ..tracing import here, implements, peek
from .arguments import Array, array, integer
from .ufuncs import operand

__all__: list[str] = []


@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """Return ``num`` evenly spaced numbers from ``start`` to ``stop``, along a new axis ``axis``.

    ``endpoint=False`` leaves ``stop`` out; ``retstep`` returns the step too. Both ends may be arrays.

    Raises ``ValueError`` for a negative ``num``.

    >>> import autotrace, numpy as np
    >>> autotrace.jacfwd(lambda stop: np.linspace(0.0, stop, 3))(2.0)
    array([0. , 0.5, 1. ])
    """
    if device not in (None, "cpu"):
        raise ValueError(f'np.linspace: device must be "cpu" or None; got {device!r}{here()}. Leave it out.')
    num = integer(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    ends = [operand(x) for x in (start, stop)]
    kind = np.result_type(*ends, 0.0)
    start, stop = (convert(array(x), kind) for x in ends)
    width = stop - start
    intervals = num - 1 if endpoint else num
    count = np.arange(num, dtype=kind).reshape((num, *(1,) * width.ndim))
    step = width / intervals if intervals > 0 else width * np.nan
    grid = count * (step if intervals > 0 else width) + start
    if endpoint and num > 1:
        last = broadcast_to(stop, grid.shape[1:])
        grid = np.concatenate([grid[:-1], last[None]])
    grid = np.moveaxis(grid, 0, axis)
    if dtype is not None:
        grid = convert(np.floor(grid) if np.dtype(dtype).kind in "iu" else grid, np.dtype(dtype))
    return (grid, step) if retstep else grid


@implements(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    """Return ``num`` numbers from base ** start to base ** stop, evenly spaced in their logarithms."""
    if np.ndim(base):
        rank = max(np.ndim(x) for x in (start, stop, base))
        start, stop, base = (_with_rank(array(x), rank) for x in (start, stop, base))
        base = np.expand_dims(base, axis)
    powers = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return powers if dtype is None else convert(powers, np.dtype(dtype))


def _with_rank(x: Array, rank: int) -> Array:
    return x.reshape((*(1,) * (rank - x.ndim), *x.shape))


@implements(np.geomspace)
def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Array:
    """Return ``num`` numbers from ``start`` to ``stop``, each a constant multiple of the one before.

    Raises ``ValueError`` if an end is zero, where that is known.
    """
    start, stop = array(start), array(stop)
    if any(np.any(value == 0) for value in map(_value, (start, stop)) if value is not None):
        raise ValueError("Geometric sequence cannot include zero")
    num = integer(num)
    kind = np.result_type(start.dtype, stop.dtype, float(num), np.dtype(dtype))  # of None: float64, as in NumPy
    shape = np.broadcast_shapes(start.shape, stop.shape)
    start, stop = (broadcast_to(convert(x, kind), shape) for x in (start, stop))
    sign = np.sign(start)
    grid = logspace(np.log10(start / sign), np.log10(stop / sign), num, endpoint) * sign
    if num:
        middle, last = (grid[1:-1], [stop[None]]) if endpoint and num > 1 else (grid[1:], [])
        grid = np.concatenate([start[None], middle, *last])
    return convert(np.moveaxis(grid, 0, axis), kind if dtype is None else np.dtype(dtype))


def _value(x: Array) -> Any:
    """Return what is known of ``x``, without making the program depend on it; None if nothing is."""
    value = peek(x)
    return value if hasattr(value, "dtype") else None
