"""Cutting arrays up and putting them together: split, stack, block, tile, repeat, insert, delete."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..primitives.promotion import broadcast_to
from ..tracing import Tracer, fresh, here, implements, method
from .arguments import Array, array, integer, integers

__all__: list[str] = []


def along(axis: int, item: Any) -> tuple[Any, ...]:
    """Return the index that applies ``item`` to ``axis`` and takes the axes before whole."""
    return (*(slice(None),) * axis, item)


# -- cutting -----------------------------------------------------------------------------------------


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Cut ``ary`` along ``axis`` at the indices, or into so many nearly equal parts, longer ones first."""
    x = array(ary)
    axis = normalize_axis_index(axis, x.ndim)
    length = x.shape[axis]
    if np.ndim(indices_or_sections):
        edges: list[int | None] = [0, *integers(indices_or_sections), None]
    else:
        sections = integer(indices_or_sections)
        if sections <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, longer = divmod(length, sections)
        edges = [i * each + min(i, longer) for i in range(sections + 1)]
    return [x[along(axis, slice(start, stop))] for start, stop in pairwise(edges)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Cut ``ary`` along ``axis`` into so many equal parts, or at the indices given.

    Raises ``ValueError`` if the length is no multiple of the number of parts.
    """
    x = array(ary)
    if not np.ndim(indices_or_sections) and x.shape[axis] % integer(indices_or_sections):
        raise ValueError("array split does not result in an equal division")
    return array_split(x, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """Cut along the second axis; a vector along its only one."""
    x = array(ary)
    if x.ndim == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """Cut along the first axis of at least two."""
    x = array(ary)
    if x.ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(x, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Array]:
    """Cut along the third axis."""
    x = array(ary)
    if x.ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(x, indices_or_sections, 2)


if hasattr(np, "unstack"):

    @implements(np.unstack)
    def unstack(x: Any, /, *, axis: int = 0) -> tuple[Array, ...]:
        """The parts of ``x`` along ``axis``, as a tuple."""
        x = array(x)
        if x.ndim == 0:
            raise ValueError("Input array must be at least 1-d.")
        axis = normalize_axis_index(axis, x.ndim)
        return tuple(x[along(axis, i)] for i in range(x.shape[axis]))


# -- stacking ----------------------------------------------------------------------------------------


def _each(arrays: Sequence[Any], function: Any) -> Any:
    results = tuple(function(array(x)) for x in arrays)
    return results[0] if len(results) == 1 else results


@implements(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    """Each array with at least one axis; a tuple where there are several."""
    return _each(arys, lambda x: x if x.ndim else x.reshape((1,)))


@implements(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    """Each array with at least two axes, new ones in front."""
    return _each(arys, lambda x: x if x.ndim > 1 else x.reshape((1, x.size)))


@implements(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    """Each array with at least three axes: (n,) becomes (1, n, 1), and (m, n) becomes (m, n, 1)."""

    def raised(x: Array) -> Array:
        return x if x.ndim > 2 else x.reshape((*x.shape, 1) if x.ndim == 2 else (1, x.size, 1))

    return _each(arys, raised)


def _raised(arrays: Any, raise_to: Any) -> list[Array]:
    raised = raise_to(*arrays)
    return [raised] if len(arrays) == 1 else list(raised)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Array:
    """Rows on top of each other: along the first axis, vectors counting as rows."""
    return np.concatenate(_raised(tup, atleast_2d), 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Array:
    """Columns side by side: along the second axis, vectors along their only one."""
    parts = _raised(tup, atleast_1d)
    return np.concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Array:
    """Along the third axis; (n,) counts as (1, n, 1) and (m, n) as (m, n, 1)."""
    return np.concatenate(_raised(tup, atleast_3d), 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Array:
    """Side by side, vectors counting as columns."""
    parts = [array(x) for x in tup]
    return np.concatenate([x if x.ndim > 1 else x.reshape((x.size, 1)) for x in parts], 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Array:
    """``values`` after ``arr`` along ``axis``; both flattened if it is None."""
    x, y = array(arr), array(values)
    if axis is None:
        return np.concatenate((x.reshape((x.size,)), y.reshape((y.size,))))
    return np.concatenate((x, y), axis)


@implements(np.block)
def block(arrays: Any) -> Array:
    """Join nested lists of blocks: the innermost along the last axis, and so outwards.

    Raises ``TypeError`` for tuples, ``ValueError`` for empty lists or lists nested to different depths.
    """
    depth = _depth(arrays)
    rank = max(depth, *[array(x).ndim for x in _leaves(arrays)])
    return _joined(arrays, depth, rank)


def _depth(arrays: Any) -> int:
    """How deep the lists are nested, everywhere the same."""
    if isinstance(arrays, tuple):
        raise TypeError(
            "arrays is a tuple. Only lists can be used to arrange blocks, and np.block does not allow "
            "implicit conversion from tuple to ndarray."
        )
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ValueError("List at arrays cannot be empty")
    depths = {_depth(item) for item in arrays}
    if len(depths) > 1:
        raise ValueError(f"List depths are mismatched. Depths {sorted(depths)} stand side by side{here()}.")
    return 1 + depths.pop()


def _leaves(arrays: Any) -> list[Any]:
    return [leaf for item in arrays for leaf in _leaves(item)] if isinstance(arrays, list) else [arrays]


def _joined(arrays: Any, depth: int, rank: int) -> Array:
    if depth == 0:
        x = array(arrays)
        return x.reshape((*(1,) * (rank - x.ndim), *x.shape))
    return np.concatenate([_joined(item, depth - 1, rank) for item in arrays], rank - depth)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Array, ...]:
    """The arrays, all repeated to their common shape."""
    xs = [array(x) for x in args]
    shape = np.broadcast_shapes(*[x.shape for x in xs])
    return tuple(np.broadcast_to(x, shape) for x in xs)


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Array, ...]:
    """Coordinate arrays of the grid that vectors span; "xy": of shape (len(y), len(x), ...)."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    rank = len(xi)
    grids = []
    for axis, x in enumerate(map(array, xi)):
        # With "xy" the first two axes change places.
        place = 1 - axis if indexing == "xy" and rank > 1 and axis < 2 else axis
        grids.append(x.reshape(tuple(-1 if i == place else 1 for i in range(rank))))
    return tuple(grids) if sparse else broadcast_arrays(*grids)


# -- repeating ---------------------------------------------------------------------------------------


@implements(np.tile)
def tile(A: Any, reps: Any) -> Array:
    """``A`` laid side by side ``reps`` times along each axis."""
    x = array(A)
    counts = integers(reps)
    rank = max(x.ndim, len(counts))
    shape = (*(1,) * (rank - x.ndim), *x.shape)
    counts = [1] * (rank - len(counts)) + counts
    x = x.reshape(tuple(n for length in shape for n in (1, length)))
    x = broadcast_to(x, tuple(n for pair in zip(counts, shape, strict=True) for n in pair))
    return x.reshape(tuple(count * n for count, n in zip(counts, shape, strict=True)))


@method("repeat")
@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Array:
    """Each element (along ``axis``, each part) ``repeats`` times, one number for all or one for each."""
    x = array(a)
    if axis is None or not x.ndim:
        x, axis = x.reshape((x.size,)), axis or 0
    axis = normalize_axis_index(axis, x.ndim)
    counts = integers(repeats)
    if len(counts) != 1:
        return x[along(axis, np.repeat(np.arange(x.shape[axis]), counts))]
    before, after = x.shape[: axis + 1], x.shape[axis + 1 :]
    if counts[0] < 0:
        raise ValueError("repeats may not contain negative values.")
    wide = broadcast_to(x.reshape((*before, 1, *after)), (*before, counts[0], *after))
    return fresh(wide.reshape((*before[:-1], before[-1] * counts[0], *after)))


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Array:
    """The elements of ``a`` in C order, repeated until they fill ``new_shape``; zeros if there are none."""
    x = array(a)
    shape = tuple(integers(new_shape))
    if any(n < 0 for n in shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    size = int(np.prod(shape, dtype=np.intp))
    if not x.size or not size:
        return np.zeros(shape, x.dtype)
    flat = x.reshape((x.size,))
    return tile(flat, -(-size // x.size))[:size].reshape(shape)


# -- inserting and deleting --------------------------------------------------------------------------


def _positions(obj: Any) -> Any:
    """An argument that says where, as NumPy's own function takes it: traced integers become known."""
    if isinstance(obj, Tracer):
        known = [integer(item) for item in array(obj).reshape((obj.size,))]
        return np.reshape(known, obj.shape).astype(obj.dtype)
    return obj


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Array:
    """``arr`` without the parts at ``obj`` (an integer, a slice, integers or a mask) along ``axis``."""
    x = array(arr)
    if axis is None:
        x, axis = x.reshape((x.size,)), 0
    axis = normalize_axis_index(axis, x.ndim)
    return x[along(axis, np.delete(np.arange(x.shape[axis]), _positions(obj)))]


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Array:
    """``arr`` with ``values`` put in before positions ``obj`` along ``axis``; flattened if that is None."""
    x, y = array(arr), array(values)
    if axis is None:
        x, axis = x.reshape((x.size,)), 0
    axis = normalize_axis_index(axis, x.ndim)
    length = x.shape[axis]
    obj = _positions(obj)
    y = y.astype(x.dtype)
    if y.ndim < x.ndim:
        y = y.reshape((*(1,) * (x.ndim - y.ndim), *y.shape))
    if not isinstance(obj, slice) and np.ndim(obj) == 0:
        # Without an axis of positions, the parts lie along the first axis of values.
        y = np.moveaxis(y, 0, axis)
    order = _inserted(length, obj, y.shape[axis])
    count = order.size - length
    y = np.broadcast_to(y, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
    return np.concatenate((x, y), axis)[along(axis, order)]


def _inserted(length: int, obj: Any, parts: int) -> Any:
    """Where each part of the result comes from: below ``length`` from the array, above from the values."""
    count = np.insert(np.zeros(length), obj, 0).size - length
    # A single position takes all the parts that there are; several take one each.
    count = parts if count == 1 else count
    return np.insert(np.arange(length), obj, np.arange(length, length + count))
