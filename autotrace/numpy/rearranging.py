"""The elements of an array in another order: flip, roll, rotate; diagonals and triangles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..errors import UnsupportedError
from ..primitives.slices import embed
from ..tracing import ReadOnly, Tracer, fresh, here, implements, link, method
from .arguments import Array, array, integer, integers
from .joining import along

__all__: list[str] = []


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Array:
    """The same values under an identity of their own."""
    return fresh(array(a))


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Array:
    """The elements in reverse along ``axis`` (an integer, a tuple, or None for all)."""
    x = array(m)
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return x[tuple(slice(None, None, -1 if i in axes else 1) for i in range(x.ndim))]


@implements(np.fliplr)
def fliplr(m: Any) -> Array:
    """The columns in reverse."""
    x = array(m)
    if x.ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return x[:, ::-1]


@implements(np.flipud)
def flipud(m: Any) -> Array:
    """The rows in reverse."""
    x = array(m)
    if x.ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return x[::-1]


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Array:
    """Every window of ``window_shape`` along the axes, the windows' own axes last.

    The windows overlap, so what they share is read-only: ``writeable`` is refused.
    Raises ``ValueError`` where a window is longer than its axis.
    """
    if writeable:
        raise UnsupportedError(
            f"sliding_window_view: writeable must be False for a traced array{here()}. Write to the array itself."
        )
    x = array(x)
    lengths = integers(window_shape)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)
    if any(n < 0 for n in lengths):
        raise ValueError("`window_shape` cannot contain negative values")
    if len(lengths) != len(axes):
        raise ValueError(
            f"window_shape must have a length for each axis; got {window_shape} for {len(axes)} axes{here()}"
        )
    left = list(x.shape)
    for n, i in zip(lengths, axes, strict=True):
        left[i] -= n - 1
    if any(left[i] < 1 for i in axes):
        raise ValueError("window shape cannot be larger than input array shape")

    def windows(x: Array) -> Array:
        for n, i in zip(lengths, axes, strict=True):
            starts = np.arange(x.shape[i] - n + 1)
            x = np.moveaxis(x[along(i, starts[:, None] + np.arange(n))], i + 1, -1)
        return x

    return link(x, windows(x), ReadOnly(windows), readonly=True)


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Array:
    """The elements moved on by ``shift`` along ``axis``, those that leave coming in at the other end."""
    x = array(a)
    if axis is None:
        return roll(x.reshape((x.size,)), shift, 0).reshape(x.shape)
    axes = normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)
    shifts = integers(shift)
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
    count = len(shifts) if len(axes) == 1 else len(axes)
    for steps, i in zip(shifts * (count // len(shifts)), axes * (count // len(axes)), strict=True):
        steps = steps % x.shape[i] if x.shape[i] else 0
        if steps:
            x = np.concatenate((x[along(i, slice(-steps, None))], x[along(i, slice(None, -steps))]), i)
    return x


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Array:
    """Turn ``k`` times by 90 degrees from the first towards the second of ``axes``."""
    x = array(m)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    first, second = (normalize_axis_index(i, x.ndim) for i in axes)
    if first == second:
        raise ValueError("Axes must be different.")
    turns = k % 4
    if turns in (0, 2):
        return flip(x, (first, second)) if turns else x[...]
    if turns == 1:
        return np.swapaxes(flip(x, second), first, second)
    return flip(np.swapaxes(x, first, second), second)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Array:
    """``a`` with ``axis`` moved back to stand before what is now axis ``start``."""
    x = array(a)
    axis = normalize_axis_index(axis, x.ndim)
    before = start + x.ndim if start < 0 else start
    if not 0 <= before <= x.ndim:
        raise np.exceptions.AxisError(
            f"'start' arg requires {-x.ndim} <= start < {x.ndim + 1}, but {start} was passed in"
        )
    return np.moveaxis(x, axis, before - (before > axis))


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Array:
    """``filt`` without the zeros at its front ("f") and back ("b"), along every axis or those given.

    How many there are decides the shape, so the program records it.
    """
    x = array(filt)
    sides = trim.lower()
    if sides not in ("f", "b", "fb", "bf"):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    index = [slice(None)] * x.ndim
    for i in axes:
        alive = np.any(np.not_equal(x, 0), axis=tuple(j for j in range(x.ndim) if j != i))
        length = x.shape[i]
        start = next((j for j in range(length) if alive[j]), None) if "f" in sides else 0
        stop = next((j for j in range(length, 0, -1) if alive[j - 1]), None) if "b" in sides else length
        index[i] = slice(0, 0) if start is None or stop is None else slice(start, stop)
    return x[tuple(index)]


# -- diagonals ---------------------------------------------------------------------------------------


def _diagonal_items(rows: int, columns: int, offset: int) -> slice:
    """Where the diagonal lies in the flattened matrix: every (columns + 1)-th element."""
    length = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    start = offset if offset >= 0 else -offset * columns
    return slice(start, start + (length - 1) * (columns + 1) + 1, columns + 1) if length else slice(0, 0)


@method("diagonal")
@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The elements ``a[..., i, i + offset]`` of two axes, as a new last axis."""
    given = x = array(a)
    if x.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    first, second = (normalize_axis_index(i, x.ndim) for i in (axis1, axis2))
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    x = np.moveaxis(x, (first, second), (-2, -1))
    *before, rows, columns = x.shape
    flat = x.reshape((*before, rows * columns))
    result = flat[(..., _diagonal_items(rows, columns, integer(offset)))]
    if type(given) is not Tracer:
        return result
    step = ReadOnly(lambda x: diagonal(x, offset, axis1, axis2))
    return link(given, Tracer(result._trace, result._var), step, readonly=True)


@implements(np.linalg.diagonal)
def matrix_diagonal(x: Any, /, *, offset: int = 0) -> Array:
    """The diagonals of matrices, the last two axes."""
    return diagonal(x, offset, -2, -1)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Array:
    """The ``k``-th diagonal of a matrix, or the square matrix with a vector there."""
    x = array(v)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    size = x.size + abs(k)
    if not x.size or not isinstance(x, Tracer):
        return np.diag(np.zeros(0, x.dtype), k) if isinstance(x, Tracer) else np.diag(x, k)
    place = _diagonal_items(size, size, k)
    return embed(x, (size * size,), ((place.start, place.stop, place.step),)).reshape((size, size))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Array:
    """The square matrix with the flattened array on its ``k``-th diagonal."""
    x = array(v)
    return diag(x.reshape((x.size,)), k)


@method("trace")
@implements(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Array:
    """The sum of the diagonal of two axes."""
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@implements(np.linalg.trace)
def matrix_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """The sums of the diagonals of matrices, the last two axes."""
    return trace(x, offset, -2, -1, dtype)


def _triangle(x: Array, k: int) -> Array:
    """Where the last two axes lie on or below the ``k``-th diagonal; a vector stands for a square."""
    rows, columns = x.shape[-2:] if x.ndim > 1 else (x.shape[0], x.shape[0])
    return np.tri(rows, columns, k=k, dtype=bool)


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Array:
    """Zeros above the ``k``-th diagonal of the last two axes."""
    x = array(m)
    return np.where(_triangle(x, k), x, np.zeros((), x.dtype))


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Array:
    """Zeros below the ``k``-th diagonal of the last two axes."""
    x = array(m)
    return np.where(_triangle(x, k - 1), np.zeros((), x.dtype), x)


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Array:
    """The matrix of the powers of a vector, the highest first unless ``increasing``."""
    x = array(x)
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = x.size if N is None else integer(N)
    dtype = np.promote_types(x.dtype, int)
    if count == 0:
        return np.zeros((x.size, 0), dtype)
    columns = x.astype(dtype).reshape((x.size, 1))
    factors = np.concatenate((np.ones((x.size, 1), dtype), np.broadcast_to(columns, (x.size, count - 1))), 1)
    powers = np.cumprod(factors, axis=1)
    return powers if increasing else powers[:, ::-1]
