"""np.pad in every mode. Axis after axis, as NumPy does, so corners are padding of padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitives.slices import embed
from ..tracing import Tracer, fresh, here, implements
from .arguments import Array
from .arguments import array as as_array
from .joining import along

__all__: list[str] = []

_STATISTICS: dict[str, Callable[..., Array]] = {
    "maximum": np.max,
    "minimum": np.min,
    "mean": np.mean,
    "median": np.median,
}

_KEYWORDS: dict[str, tuple[str, ...]] = {
    "constant": ("constant_values",),
    "linear_ramp": ("end_values",),
    "reflect": ("reflect_type",),
    "symmetric": ("reflect_type",),
    "edge": (),
    "empty": (),
    "wrap": (),
    **dict.fromkeys(_STATISTICS, ("stat_length",)),
}


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    """``array`` with more elements before and after each axis; the keywords are those of the mode.

    ``constant_values`` and ``end_values`` may be traced. Mode "empty" fills with zeros.
    Raises ``ValueError`` as NumPy does: unknown modes and keywords, negative widths, nothing to repeat.
    """
    x = as_array(array)
    widths = _widths(pad_width, x.ndim)
    if callable(mode):
        return _by_function(x, widths, mode, kwargs)
    if mode not in _KEYWORDS:
        raise ValueError(f"mode '{mode}' is not supported")
    extra = set(kwargs) - set(_KEYWORDS[mode])
    if extra:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {extra}")
    if mode in ("constant", "empty"):
        return _constant(x, widths, kwargs.get("constant_values", 0))
    if not x.size:
        _refuse_empty(x, widths, mode)
    axes = range(x.ndim)
    if mode in _STATISTICS:
        lengths = _lengths(kwargs.get("stat_length"), x.ndim)
        return _axis_by_axis(x, widths, lambda x, i: _statistic(x, i, widths[i], mode, lengths[i]))
    if mode == "linear_ramp":
        ends = _pairs(kwargs.get("end_values", 0), x.ndim)
        return _axis_by_axis(x, widths, lambda x, i: _ramp(x, i, widths[i], ends[i]))
    if kwargs.get("reflect_type", "even") == "odd":
        for i in axes:
            x = _odd(x, i, widths[i], mode) if widths[i] != (0, 0) else x
        return x
    for i in axes:
        if widths[i] != (0, 0):
            x = x[along(i, np.pad(np.arange(x.shape[i]), widths[i], mode))]
    return x


def _axis_by_axis(x: Array, widths: list[tuple[int, int]], parts: Callable[..., tuple[Array, Array]]) -> Array:
    """Put what ``parts(x, axis)`` returns before and after ``x``, for one axis after the other."""
    for i, width in enumerate(widths):
        if width != (0, 0):
            before, after = parts(x, i)
            x = np.concatenate([before, x, after], i)
    return x


def _widths(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        widths = [(0, 0)] * rank
        for axis, given in pad_width.items():
            widths[axis] = _widths(given, 1)[0]
        return widths
    given = np.asarray(pad_width)
    if given.dtype.kind not in "iu":
        raise TypeError("`pad_width` must be of integral type.")
    pairs = np.broadcast_to(given, (rank, 2))
    if (given < 0).any():
        raise ValueError("index can't contain negative values")
    return [(int(before), int(after)) for before, after in pairs]


def _lengths(stat_length: Any, rank: int) -> list[tuple[int | None, int | None]]:
    if stat_length is None:
        return [(None, None)] * rank
    pairs = np.broadcast_to(np.asarray(stat_length), (rank, 2))
    if (pairs < 0).any():
        raise ValueError("index can't contain negative values")
    return [(int(before), int(after)) for before, after in pairs]


def _pairs(values: Any, rank: int) -> list[tuple[Any, Any]]:
    """One value before and one after each axis."""
    pairs = np.broadcast_to(as_array(values), (rank, 2))
    return [(pairs[i, 0], pairs[i, 1]) for i in range(rank)]


def _refuse_empty(x: Array, widths: list[tuple[int, int]], mode: str) -> None:
    for i, width in enumerate(widths):
        if x.shape[i] == 0 and width != (0, 0):
            raise ValueError(f"can't extend empty axis {i} using modes other than 'constant' or 'empty'{here()}")


def _constant(x: Array, widths: list[tuple[int, int]], values: Any) -> Array:
    if isinstance(x, Tracer) and not isinstance(values, Tracer) and np.ndim(values) == 0 and values == 0:
        shape = tuple(n + sum(width) for n, width in zip(x.shape, widths, strict=True))
        if not x.size:
            return np.zeros(shape, x.dtype)
        return embed(x, shape, tuple((w[0], w[0] + n, 1) for n, w in zip(x.shape, widths, strict=True)))
    pairs = _pairs(values, x.ndim)

    def parts(x: Array, i: int) -> tuple[Array, Array]:
        return tuple(_filled(x, i, w, v) for w, v in zip(widths[i], pairs[i], strict=True))

    return _axis_by_axis(x, widths, parts)


def _filled(x: Array, axis: int, width: int, value: Array) -> Array:
    """``value`` in the dtype of ``x``, as wide along the axis as asked."""
    return np.broadcast_to(value.astype(x.dtype), (*x.shape[:axis], width, *x.shape[axis + 1 :]))


def _statistic(
    x: Array, axis: int, widths: tuple[int, int], mode: str, lengths: tuple[int | None, int | None]
) -> tuple[Array, Array]:
    length = x.shape[axis]
    if mode in ("maximum", "minimum") and 0 in lengths:
        raise ValueError("stat_length of 0 yields no value for padding")
    parts = []
    for side, (width, asked) in enumerate(zip(widths, lengths, strict=True)):
        taken = length if asked is None or asked > length else asked
        items = slice(0, taken) if side == 0 else slice(length - taken, length)
        value = _STATISTICS[mode](x[along(axis, items)], axis=axis, keepdims=True)
        if x.dtype.kind in "iu":
            value = np.round(value)
        parts.append(np.repeat(value.astype(x.dtype), width, axis))
    return parts[0], parts[1]


def _ramp(x: Array, axis: int, widths: tuple[int, int], ends: tuple[Array, Array]) -> tuple[Array, Array]:
    """Straight lines from the end values, which are reached, to the edges, which are not repeated."""
    parts = []
    for side, (width, end) in enumerate(zip(widths, ends, strict=True)):
        edge = x[along(axis, slice(0, 1) if side == 0 else slice(-1, None))]
        steps = np.arange(width).reshape((-1, *(1,) * (x.ndim - axis - 1)))
        steps = steps if side == 0 else np.flip(steps, 0)
        line = end + (edge - end) * (steps / max(width, 1))
        parts.append((np.floor(line) if x.dtype.kind in "iu" else line).astype(x.dtype))
    return parts[0], parts[1]


def _odd(x: Array, axis: int, widths: tuple[int, int], mode: str) -> Array:
    """Reflection at a point: the continuation takes twice the edge less the mirrored elements.

    With period p (n - 1, or n if the edge is repeated) and D = last - first, place q p + r holds
    x[r] + q D for even q, and 2 first + (q + 1) D less the mirror image for odd q.
    """
    n = x.shape[axis]
    period = n if mode == "symmetric" else n - 1
    places = np.arange(-widths[0], n + widths[1])
    if period == 0:
        return x[along(axis, np.zeros(places.size, int))]
    turns, rest = np.divmod(places, period)
    # The last element, when the edge is not repeated, belongs to the original, not to the first turn.
    odd = turns % 2 == 1
    mirrored = n - 1 - rest
    column = (-1, *(1,) * (x.ndim - axis - 1))
    taken = x[along(axis, np.where(odd, mirrored, rest))]
    first, last = x[along(axis, slice(0, 1))], x[along(axis, slice(-1, None))]
    climbs = np.where(odd, turns + 1, turns).reshape(column)
    # No turn adds nothing, were the ends infinite.
    climb = np.where(climbs == 0, np.zeros((), x.dtype), (last - first) * climbs.astype(x.dtype))
    turned = 2 * first + climb - taken
    moved = taken + climb
    original = (places >= 0) & (places < n)
    untouched = x[along(axis, np.clip(places, 0, n - 1))]
    return np.where(original.reshape(column), untouched, np.where(odd.reshape(column), turned, moved))


def _by_function(x: Array, widths: list[tuple[int, int]], function: Callable[..., Any], kwargs: Any) -> Array:
    """Let a function write the padding into each vector of the array, along one axis after the other."""
    x = _constant(x, widths, 0)
    for axis, width in enumerate(widths):
        rows = np.moveaxis(x, axis, -1)
        shape = rows.shape
        rows = rows.reshape((-1, shape[-1]))
        written = []
        for i in range(rows.shape[0]):
            vector = fresh(rows[i])
            result = function(vector, width, axis, kwargs)
            written.append(vector if result is None else result)
        x = np.moveaxis(np.stack(written).reshape(shape), -1, axis) if written else x
    return x
