"""``x[index]``: everything that NumPy's brackets take, brought to slices, gathers, reshapes and transposes.

An index becomes *steps*: operations that are done one after the other to read (``get``), and that can be undone one
after the other to write (``put``). What is read is a view wherever NumPy's is one.
"""

from __future__ import annotations

import operator as python
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import ShapedArray
from ..tracing import Tracer, as_operand, bind, here, link, mask_value, method
from .families import Array
from .gathers import At, Gather
from .promotion import broadcast_to
from .shape import Reshape, Transpose
from .slices import Item, Slice

__all__ = ["check_mask", "getitem", "index_steps", "part_aval", "replaced", "through"]


@method("__getitem__")
def getitem(x: Any, index: Any) -> Array:
    """``x[index]`` with NumPy's meaning: integers, slices, ..., None, integer and boolean arrays, mixed.

    Raises ``IndexError`` as NumPy does.
    """
    if type(index) is int and x.ndim:
        length = x.shape[0]
        if not -length <= index < length:
            raise IndexError(f"index {index} is out of bounds for axis 0 with size {length}{here()}")
        step = Slice((index % length,))
        result = bind(step, x)
        return link(x, result, step) if x.ndim > 1 else result
    steps, copies = index_steps(x.shape, index)
    if copies or type(x) is not Tracer:
        return through(x, steps)
    if not steps:
        return Tracer(x._trace, x._var) if not x.ndim and type(index) is tuple and not index else x
    for step in steps[:-1]:
        x = link(x, step.get(x), step)
    result = steps[-1].get(x)
    if result.ndim == 0 and not any(i is Ellipsis for i in (index if type(index) is tuple else (index,))):
        return result  # a scalar; with an ellipsis NumPy gives an array of rank 0
    return link(x, result, steps[-1])


def through(x: Array, steps: Sequence[Any]) -> Array:
    """Return the part of ``x`` that ``steps`` lead to."""
    for step in steps:
        x = step.get(x)
    return x


def replaced(x: Array, steps: Sequence[Any], y: Array, put: str = "put") -> Array:
    """Return ``x`` with ``y`` in the place that ``steps`` lead to; with ``put="add"``, added there."""
    wholes = [x]
    for step in steps[:-1]:
        wholes.append(step.get(wholes[-1]))
    for step, whole in zip(reversed(steps), reversed(wholes[: len(steps)]), strict=True):
        y = getattr(step, put)(whole, y) if type(step) is At else step.put(whole, y)
    return y


def index_steps(shape: tuple[int, ...], index: Any) -> tuple[list[Any], bool]:
    """Return the steps to ``x[index]`` of an array of ``shape``, and whether NumPy copies there."""
    items = _expand(shape, index if type(index) is tuple else (index,))
    arrays = [item for item in items if _is_array(item)]
    if not arrays:
        return _basic(shape, items), False
    steps = _advanced(shape, items)
    traced_numbers = all(type(item) is Tracer and item.ndim == 0 for item in arrays)
    return steps, not traced_numbers


class _Truth:
    """A boolean scalar in an index: a new axis, of length 1 if true and 0 if false."""

    __slots__ = ("shape",)

    def __init__(self, truth: bool) -> None:
        self.shape = (int(truth),)


def _is_array(item: Any) -> bool:
    return not (isinstance(item, slice | int) or item is None)


def _expand(shape: tuple[int, ...], index: tuple[Any, ...]) -> list[Any]:
    """Spell out an index, one item for each axis: the ellipsis as slices, masks as integer arrays."""
    items: list[Any] = []
    used = ellipses = 0
    for item in index:
        if item is None:
            items.append(item)
        elif item is Ellipsis:
            ellipses += 1
            items.append(item)
        elif isinstance(item, slice):
            items.append(_plain_slice(item))
            used += 1
        elif isinstance(item, int | np.integer) and not isinstance(item, bool):
            items.append(int(item))
            used += 1
        else:
            array = _index_array(item)
            items.append(array)
            used += 0 if type(array) is _Truth else array.ndim if array.dtype == np.bool_ else 1
    if ellipses > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    rank = len(shape)
    if used > rank:
        raise IndexError(f"too many indices for array: array is {rank}-dimensional, but {used} were indexed{here()}")
    if not ellipses:
        items.append(Ellipsis)
    position = next(i for i, item in enumerate(items) if item is Ellipsis)
    items[position : position + 1] = [slice(None)] * (rank - used)
    return _without_masks(shape, items)


def _plain_slice(item: slice) -> slice:
    """A slice whose bounds are plain integers; traced ones are asked for their value."""
    if Tracer in (type(item.start), type(item.stop), type(item.step)):
        return slice(*[i if i is None else python.index(i) for i in (item.start, item.stop, item.step)])
    return item


def _index_array(item: Any) -> Any:
    """Return an array in an index as an array of integers or booleans."""
    if isinstance(item, str):
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean "
            f"arrays are valid indices; got {item!r}{here()}"
        )
    array = as_operand(item) if not isinstance(item, list) or item else np.zeros(0, int)
    if not hasattr(array, "dtype"):
        array = np.asarray(array)
    if array.dtype.kind not in "iub":
        raise IndexError(
            f"arrays used as indices must be of integer (or boolean) type; got {array.dtype}{here()}. "
            "Convert them: i.astype(int)."
        )
    if type(array) is Tracer:  # a constant of the program needs no guard
        known = array._trace.constants.get(array._var)
        array = known if isinstance(known, np.ndarray) else array
    return _Truth(bool(array)) if array.dtype == np.bool_ and array.ndim == 0 else array


def _without_masks(shape: tuple[int, ...], items: Sequence[Any]) -> list[Any]:
    """Replace each mask by the integer arrays that it stands for, one for each of its axes."""
    plain: list[Any] = []
    axis = 0
    for item in items:
        if not (_is_array(item) and type(item) is not _Truth and item.dtype == np.bool_):
            plain.append(item)
            axis += item is not None and type(item) is not _Truth
            continue
        check_mask(item.shape, shape, axis)
        plain.extend(np.nonzero(mask_value(item)))
        axis += item.ndim
    return plain


def check_mask(mask: tuple[int, ...], shape: tuple[int, ...], axis: int = 0) -> None:
    """Raise NumPy's ``IndexError`` unless a mask of that shape fits axes of ``shape`` from ``axis`` on."""
    if len(mask) > len(shape) - axis:
        raise IndexError(
            f"too many indices for array: array is {len(shape)}-dimensional, but {axis + len(mask)} were "
            f"indexed{here()}"
        )
    for i, n in enumerate(mask, axis):
        if n != shape[i]:
            raise IndexError(
                f"boolean index did not match indexed array along axis {i}; size of axis is {shape[i]} but "
                f"size of corresponding boolean axis is {n}{here()}"
            )


def _basic(shape: tuple[int, ...], items: Sequence[Any]) -> list[Any]:
    """Index by integers, slices and None."""
    index: list[Item] = []
    out: list[int] = []
    for item in items:
        if item is None:
            out.append(1)
            continue
        axis, length = len(index), shape[len(index)]
        if isinstance(item, slice):
            start, stop, step = item.indices(length)
            positions = range(start, stop, step)
            index.append((start, stop if stop >= 0 else None, step) if positions else (0, 0, 1))
            out.append(len(positions))
        elif -length <= item < length:
            index.append(item % length)
        else:
            raise IndexError(f"index {item} is out of bounds for axis {axis} with size {length}{here()}")
    whole = all(i == (0, n, 1) for i, n in zip(index, shape, strict=True))
    steps: list[Any] = [] if whole else [Slice(tuple(index))]
    if None in items:
        steps.append(Reshape(tuple(out)))
    return steps


def _advanced(shape: tuple[int, ...], items: Sequence[Any]) -> list[Any]:
    """Index by arrays among others: basic parts first, then gather, then the axes into NumPy's order."""
    # An integer beside arrays counts as an array: it takes part in where the new axes go.
    advanced = [i for i, item in enumerate(items) if _is_array(item) or isinstance(item, int)]
    together = advanced == list(range(advanced[0], advanced[-1] + 1))
    front = advanced[0] if together else 0
    kept = [None if type(i) is _Truth else slice(None) if n in advanced else i for n, i in enumerate(items)]
    steps = _basic(shape, kept)
    lengths = part_aval(ShapedArray(shape, np.dtype(np.bool_)), steps).shape
    arrays = []
    for axis in advanced:
        item = items[axis]
        if type(item) is _Truth:
            item = np.zeros(item.shape, np.intp)
        elif isinstance(item, int):
            item = np.asarray(item)
        _check_bounds(item, lengths[axis], axis)
        arrays.append(item)
    try:
        common = np.broadcast_shapes(*[array.shape for array in arrays])
    except ValueError:
        raise IndexError(
            "shape mismatch: indexing arrays could not be broadcast together with shapes "
            f"{' '.join(str(array.shape) for array in arrays)}{here()}"
        ) from None
    rank, rest = len(common), [i for i in range(len(lengths)) if i not in advanced]
    order = (*range(rank, rank + front), *range(rank), *range(rank + front, rank + len(rest)))
    return [
        *steps,
        *_permutation((*advanced, *rest)),
        At([broadcast_to(array, common) for array in arrays]),
        *_permutation(order),
    ]


def _permutation(axes: tuple[int, ...]) -> list[Any]:
    return [] if axes == tuple(range(len(axes))) else [Transpose(axes)]


def _check_bounds(index: Any, length: int, axis: int) -> None:
    """Raise NumPy's error at the user's line, where the index is known."""
    if isinstance(index, Tracer) or not index.size:
        return
    wrong = index[(index < -length) | (index >= length)]
    if wrong.size:
        raise IndexError(f"index {wrong.flat[0]} is out of bounds for axis {axis} with size {length}{here()}")


def part_aval(x: Any, steps: Sequence[Any]) -> ShapedArray:
    """Return the aval of the part of ``x`` that ``steps`` lead to."""
    aval = ShapedArray(x.shape, x.dtype)
    for step in steps:
        aval = (
            Gather().abstract(aval, *[ShapedArray(i.shape, i.dtype) for i in step.indices])
            if type(step) is At
            else step.abstract(aval)
        )
    return aval


@method("__iter__")
def _iterate(x: Any) -> Any:
    if x.ndim == 0:
        raise TypeError(f"iteration over a 0-d array; got {x.aval}{here()}. Use x itself, or pass an array.")
    return (getitem(x, i) for i in range(x.shape[0]))
