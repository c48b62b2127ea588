"""Parts of arrays: slices and their embedding, gathers and their scatter.

Two kinds. Basic indexing (integers and slices) is ``slice``, whose transpose ``embed`` writes into zeros.
Integer-array indexing is ``gather``: the index arrays, all of one shape, select along the leading axes;
its transpose ``scatter_add`` adds what is selected twice. Everything that NumPy's brackets take is brought
to these by :func:`getitem`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import MutationError
from ..ir import Linear, Primitive, ShapedArray
from ..tracing import Tracer, as_operand, bind, here, method
from .families import Array, LinearMap
from .promotion import broadcast_to

__all__ = ["embed", "gather", "getitem", "scatter_add", "scatter_set"]

Item = int | tuple[int, int | None, int]
"""One axis of a basic index: a position, or (start, stop, step) with a stop of None for "past the first"."""


def _to_numpy(index: tuple[Item, ...]) -> tuple[Any, ...]:
    return tuple([i if type(i) is int else slice(*i) for i in index])  # type: ignore[misc]


class Slice(LinearMap):
    """``x[index]`` for integers and slices."""

    index: tuple[Item, ...]

    def impl(self, x: Array) -> Array:
        return x[_to_numpy(self.index)]

    def abstract(self, x: ShapedArray) -> ShapedArray:
        lengths = [
            len(range(*slice(*item).indices(n)))
            for item, n in zip(self.index, x.shape, strict=False)
            if type(item) is not int
        ]
        return x.update(shape=(*lengths, *x.shape[len(self.index) :]))

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (bind(Embed(inputs[0].shape, self.index), ct),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Slice(((0, size, 1), *self.index)), *inputs)


class Embed(LinearMap):
    """Zeros of ``shape`` with ``x`` at ``index``."""

    shape: tuple[int, ...]
    index: tuple[Item, ...]

    def impl(self, x: Array) -> Array:
        out = np.zeros_like(x, shape=self.shape)
        out[_to_numpy(self.index)] = x
        return out

    def abstract(self, x: ShapedArray) -> ShapedArray:
        whole = x.update(shape=self.shape)
        if Slice(self.index).abstract(whole).shape != x.shape:
            raise ValueError(f"embed: the operand must fit {self.index} of {whole}; got {x}.")
        return whole

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (bind(Slice(self.index), ct),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Embed((size, *self.shape), ((0, size, 1), *self.index)), *inputs)


def embed(x: Array, shape: tuple[int, ...], index: tuple[Item, ...]) -> Array:
    """Return zeros of ``shape`` with ``x`` at the basic ``index``."""
    return bind(Embed(shape, index), x)


class Gather(Primitive):
    """``x[i1, ..., ik]`` for integer arrays of one shape; the selected axes become the leading ones."""

    def impl(self, x: Array, *indices: Array) -> Array:
        return x[indices]

    def abstract(self, x: ShapedArray, *indices: ShapedArray) -> ShapedArray:
        shapes = {i.shape for i in indices}
        if len(shapes) != 1 or len(indices) > x.ndim or any(i.dtype.kind not in "iu" for i in indices):
            raise TypeError(f"gather: indices must be integer arrays of one shape; got {indices} for {x}{here()}.")
        return x.update(shape=(*indices[0].shape, *x.shape[len(indices) :]))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        return None if tangents[0] is None else bind(self, tangents[0], *primals[1:])

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        return self._back(ct, inputs[0].shape, inputs[1:])

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        return self._back(ct, inputs[0].shape, inputs[1:])

    def _back(self, ct: Array, shape: tuple[int, ...], indices: Sequence[Array]) -> Sequence[Array]:
        zeros = np.zeros(shape, ct.dtype)
        return (bind(ScatterAdd(), zeros, ct, *indices), *[None] * len(indices))

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        x, *indices = inputs
        if not any(batched[1:]):
            axes = (*range(1, len(indices) + 1), 0, *range(len(indices) + 1, x.ndim))
            return np.moveaxis(bind(self, np.transpose(x, axes), *indices), indices[0].ndim, 0)
        return bind(self, *_with_rows(size, x, indices, batched[0], batched[1:]))

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0


def _with_rows(
    size: int, x: Array, indices: Sequence[Array], x_batched: bool, batched: Sequence[bool]
) -> tuple[Array, ...]:
    """Give indices their batch axis; if x has one too, index it by the number of the row."""
    whole = [i if b else broadcast_to(i, (size, *i.shape)) for i, b in zip(indices, batched, strict=True)]
    if not x_batched:
        return (x, *whole)
    rows = np.arange(size).reshape((size,) + (1,) * (whole[0].ndim - 1))
    return (x, np.broadcast_to(rows, whole[0].shape), *whole)


class _Scatter(Primitive, family=True):
    """``x`` changed by ``y`` at ``[i1, ..., ik]``."""

    def abstract(self, x: ShapedArray, y: ShapedArray, *indices: ShapedArray) -> ShapedArray:
        expected = Gather().abstract(x, *indices)
        if expected.shape != y.shape or x.dtype != y.dtype:
            raise TypeError(f"{self.name}: the update must be {expected}; got {y}{here()}.")
        return x

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        x, y, *indices = inputs
        x = x if batched[0] else broadcast_to(x, (size, *x.shape))
        y = y if batched[1] else broadcast_to(y, (size, *y.shape))
        x, *indices = _with_rows(size, x, indices, True, batched[2:])
        return bind(self, x, y, *indices)


class ScatterAdd(_Scatter):
    """``x`` with ``y`` added at ``[i1, ..., ik]``; repeated indices add up."""

    def impl(self, x: Array, y: Array, *indices: Array) -> Array:
        out = x.copy()
        np.add.at(out, indices, y)
        return out

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        x, y, *indices = primals
        dx, dy = (np.zeros(p.shape, p.dtype) if t is None else t for p, t in zip((x, y), tangents[:2], strict=True))
        return dx if tangents[1] is None else bind(self, dx, dy, *indices)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        indices = inputs[2:]
        return (ct, bind(Gather(), ct, *indices) if wanted[1] else None, *[None] * len(indices))

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        x, y, *indices = inputs
        return (
            ct if type(x) is Linear else None,
            bind(Gather(), ct, *indices) if type(y) is Linear else None,
            *[None] * len(indices),
        )


class ScatterSet(_Scatter):
    """``x`` with ``y`` written at ``[i1, ..., ik]``; of repeated indices the last one stands, as in NumPy."""

    def impl(self, x: Array, y: Array, *indices: Array) -> Array:
        out = x.copy()
        out[indices] = y
        return out

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        x, y, *indices = primals
        dx, dy = (np.zeros(p.shape, p.dtype) if t is None else t for p, t in zip((x, y), tangents[:2], strict=True))
        return bind(self, dx, dy, *indices)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        return self._back(ct, inputs[2:], wanted[:2])

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        return self._back(ct, inputs[2:], [type(x) is Linear for x in inputs[:2]])

    def _back(self, ct: Array, indices: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        dx = bind(self, ct, np.zeros(_gathered(ct, indices), ct.dtype), *indices) if wanted[0] else None
        dy = None
        if wanted[1]:
            dy = bind(Gather(), ct, *indices)
            dy = np.where(_stands(ct.shape, indices, dy.ndim), dy, np.zeros((), dy.dtype)[()])
        return (dx, dy, *[None] * len(indices))


def _gathered(x: Array, indices: Sequence[Array]) -> tuple[int, ...]:
    return (*indices[0].shape, *x.shape[len(indices) :])


def _stands(shape: tuple[int, ...], indices: Sequence[Array], rank: int) -> Array:
    """Which of the written elements remain: the last one of those written to the same place."""
    order = np.arange(int(np.prod(indices[0].shape))).reshape(indices[0].shape)
    last = bind(ScatterSet(), np.full(shape[: len(indices)], -1), order, *indices)
    kept = bind(Gather(), last, *indices) == order
    return kept.reshape(kept.shape + (1,) * (rank - kept.ndim))


def gather(x: Array, indices: Sequence[Array]) -> Array:
    """Return ``x[i1, ..., ik]`` for integer arrays of one shape."""
    return bind(Gather(), x, *indices)


def scatter_add(x: Array, y: Array, indices: Sequence[Array]) -> Array:
    """Return ``x`` with ``y`` added at ``[i1, ..., ik]``."""
    return bind(ScatterAdd(), x, y, *indices)


def scatter_set(x: Array, y: Array, indices: Sequence[Array]) -> Array:
    """Return ``x`` with ``y`` written at ``[i1, ..., ik]``."""
    return bind(ScatterSet(), x, y, *indices)


@method("__getitem__")
def getitem(x: Any, index: Any) -> Array:
    """``x[index]`` with NumPy's meaning: integers, slices, ..., None, integer and boolean arrays, mixed.

    Raises ``IndexError`` as NumPy does.
    """
    kind = type(index)
    if kind is int and x.ndim:
        length = x.shape[0]
        if not -length <= index < length:
            raise IndexError(f"index {index} is out of bounds for axis 0 with size {length}{here()}")
        return bind(Slice((index % length,)), x)
    items = _expand(x, index if kind is tuple else (index,))
    basic = [item for item in items if not _is_array(item)]
    if len(basic) == len(items):
        return _basic(x, items)
    return _advanced(x, items)


def _is_array(item: Any) -> bool:
    return not (isinstance(item, slice | int | np.integer) or item is None)


def _expand(x: Any, index: tuple[Any, ...]) -> list[Any]:
    """Spell out an index: the ellipsis as slices, masks as integer arrays, lists as arrays."""
    items: list[Any] = []
    for item in index:
        if item is None or item is Ellipsis or isinstance(item, slice):
            items.append(item)
        elif isinstance(item, int | np.integer) and not isinstance(item, bool):
            items.append(int(item))
        else:
            items.extend(_index_arrays(item))
    used = sum(1 for item in items if item is not None and item is not Ellipsis)
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > x.ndim:
        raise IndexError(
            f"too many indices for array: array is {x.ndim}-dimensional, but {used} were indexed{here()}"
        )
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    position = next(i for i, item in enumerate(items) if item is Ellipsis)
    items[position : position + 1] = [slice(None)] * (x.ndim - used)
    return items


def _index_arrays(item: Any) -> list[Array]:
    """Return an index array as a list of integer arrays: one, or for a mask one for each of its axes."""
    array = as_operand(item) if not isinstance(item, list) or item else np.zeros(0, int)
    if not hasattr(array, "dtype"):
        array = np.asarray(array)
    if array.dtype == np.bool_:
        return list(np.nonzero(array))
    if array.dtype.kind not in "iu":
        raise IndexError(
            f"arrays used as indices must be of integer (or boolean) type; got {array.dtype}{here()}"
        )
    return [array]


def _basic(x: Any, items: Sequence[Any]) -> Array:
    """Index by integers, slices and None."""
    index: list[Item] = []
    for item in items:
        if item is None:
            continue
        axis, length = len(index), x.shape[len(index)]
        if isinstance(item, slice):
            start, stop, step = item.indices(length)
            empty = not range(start, stop, step)
            index.append((0, 0, 1) if empty else (start, stop if stop >= 0 else None, step))
        elif -length <= item < length:
            index.append(item % length)
        else:
            raise IndexError(f"index {item} is out of bounds for axis {axis} with size {length}{here()}")
    whole = all(i == (0, n, 1) for i, n in zip(index, x.shape, strict=True))
    result = x if whole else bind(Slice(tuple(index)), x)
    if None not in items:
        return result
    lengths = iter(result.shape)
    return np.reshape(result, tuple(1 if i is None else next(lengths) for i in items if not isinstance(i, int)))


def _advanced(x: Any, items: Sequence[Any]) -> Array:
    """Index by arrays among other things: basic parts first, then gather, then the axes into NumPy's order."""
    shape = np.broadcast_shapes(*[item.shape for item in items if _is_array(item)])
    # An integer beside arrays counts as an array: it takes part in where the new axes go.
    advanced = [i for i, item in enumerate(items) if _is_array(item) or isinstance(item, int)]
    together = advanced == list(range(advanced[0], advanced[-1] + 1))
    front = sum(1 for item in items[: advanced[0]]) if together else 0
    kept = [slice(None) if i in advanced else item for i, item in enumerate(items)]
    x = _basic(x, kept)
    arrays = []
    for i in advanced:
        item = np.asarray(items[i]) if isinstance(items[i], int) else items[i]
        _check_bounds(item, x.shape[i], i)
        arrays.append(broadcast_to(item, shape))
    rest = [i for i in range(x.ndim) if i not in advanced]
    result = bind(Gather(), np.transpose(x, (*advanced, *rest)), *arrays)
    rank = len(shape)
    order = (*range(rank, rank + front), *range(rank), *range(rank + front, result.ndim))
    return np.transpose(result, order)


def _check_bounds(index: Any, length: int, axis: int) -> None:
    """Raise NumPy's error at the user's line, where the index is known."""
    if isinstance(index, Tracer) or not index.size:
        return
    wrong = index[(index < -length) | (index >= length)]
    if wrong.size:
        raise IndexError(f"index {wrong.flat[0]} is out of bounds for axis {axis} with size {length}{here()}")


@method("__setitem__")
def setitem(x: Any, index: Any, value: Any) -> None:
    """Refuse for now: assignment into traced arrays."""
    raise MutationError(
        f"x[index] = value: a traced array is not changed in place; got {x.aval}{here()}. "
        "Use np.where, np.stack or np.concatenate to build the new array."
    )


@method("__iter__")
def _iterate(x: Any) -> Any:
    if x.ndim == 0:
        raise TypeError(f"iteration over a 0-d array; got {x.aval}{here()}. Use x itself, or pass an array.")
    return iter([getitem(x, i) for i in range(x.shape[0])])
