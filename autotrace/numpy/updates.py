"""In place by function: ``np.put``, ``np.copyto``, ``np.add.at``, ``x.sort()``; and ``x.at[i].set(v)``.

Also what finds the true elements of a mask: the shapes of those depend on values, which the program records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..errors import MutationError
from ..primitives.assignment import fitted, setitem, stored
from ..primitives.gathers import At
from ..primitives.indexing import getitem, index_steps, part_aval, replaced, through
from ..tracing import (
    FUNCTIONS,
    UFUNC_METHODS,
    Tracer,
    check_writable,
    fresh,
    here,
    implements,
    mask_value,
    method,
    rebind,
)
from .arguments import Array, array

__all__: list[str] = []


def _target(x: Any, name: str) -> Any:
    """Return the array that a function writes into; a plain one cannot hold traced values."""
    if type(x) is not Tracer:
        raise MutationError(
            f"{name}: a traced value cannot be stored in a plain NumPy array{here()}. "
            "Make the target with autotrace.numpy.zeros, or use np.where or np.stack."
            + (" For np.full and np.full_like: np.broadcast_to(value, shape)." if name == "np.copyto" else "")
        )
    check_writable(x, name)
    return x


# -- functions that write ----------------------------------------------------------------------------


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """Write ``src``, broadcast, over the elements of ``dst`` where ``where`` holds."""
    x, y = _target(dst, "np.copyto"), array(src)
    weak = type(src) in (bool, int, float, complex)
    if not (np.can_cast(y.dtype, x.dtype, casting) or (weak and np.result_type(src, x.dtype) == x.dtype)):
        kind = "scalar" if y.ndim == 0 else "array data"
        raise TypeError(f"Cannot cast {kind} from {y.dtype!r} to {x.dtype!r} according to the rule {casting!r}{here()}")
    y = fitted(stored(src if weak else y, x.dtype), x.shape)
    if where is not True:
        y = np.where(fitted(array(where), x.shape), y, x)
    rebind(x, y)


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Write ``v``, repeated as needed, at the positions ``ind`` of the flattened ``a``."""
    x = _target(a, "np.put")
    index, values = array(ind), array(v)
    index, values = index.reshape((index.size,)), values.reshape((values.size,))
    if not index.size or not values.size:
        return
    index = _in_mode(index, x.size, mode)
    values = values[np.arange(index.size) % values.size]
    _through_flat(x, index, values)


def _in_mode(index: Array, length: int, mode: str) -> Array:
    if mode == "wrap":
        return np.remainder(index, length)
    if mode == "clip":
        return np.clip(index, 0, length - 1)
    if mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    return index


def _through_flat(x: Any, index: Any, values: Any) -> None:
    """Write by position in C order, whatever the layout."""
    flat = fresh(np.reshape(x, (x.size,)))
    setitem(flat, index, values)
    rebind(x, np.reshape(flat, x.shape))


method("put")(put)


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write ``vals``, repeated as needed in order, where ``mask`` holds."""
    x = _target(arr, "np.place")
    condition, values = array(mask), array(vals)
    if condition.size != x.size:
        raise ValueError("place: mask and data must be the same size")
    condition = _truths(condition).reshape(x.shape)
    values = values.reshape((values.size,))
    if values.size == 0:
        if np.any(mask_value(condition)):
            raise ValueError("Cannot insert from an empty array!")
        return
    # The n-th true element takes the n-th value; where that is nothing needs to be known.
    order = np.cumsum(condition.reshape((x.size,)).astype(np.intp)) - 1
    chosen = values[np.where(order < 0, 0, order) % values.size].reshape(x.shape)
    rebind(x, np.where(condition, stored(chosen, x.dtype), x))


@implements(np.putmask)
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    """Write where ``mask`` holds: element n of ``values``, repeated as needed, into element n of ``a``."""
    x = _target(a, "np.putmask")
    condition, values = array(mask), array(values)
    if condition.size != x.size:
        raise ValueError("putmask: mask and data must be the same size")
    values = values.reshape((values.size,))
    if not values.size:
        return
    chosen = values[np.arange(x.size) % values.size].reshape(x.shape)
    rebind(x, np.where(_truths(condition).reshape(x.shape), stored(chosen, x.dtype), x))


def _truths(mask: Array) -> Array:
    return mask if mask.dtype == np.bool_ else np.not_equal(mask, 0)


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write ``val``, repeated as needed, on the main diagonal; with ``wrap``, on and on in a tall matrix."""
    x = _target(a, "np.fill_diagonal")
    if x.ndim < 2:
        raise ValueError("array must be at least 2-d")
    stop: int | None = None
    if x.ndim == 2:
        step = x.shape[1] + 1
        stop = None if wrap else x.shape[1] * x.shape[1]
    else:
        if len(set(x.shape)) > 1:
            raise ValueError("All dimensions of input must be of equal length")
        step = 1 + sum(int(np.prod(x.shape[:i])) for i in range(1, x.ndim))
    positions = np.arange(x.size)[: x.size if stop is None else stop : step]
    values = array(val)
    if values.ndim and values.size and positions.size:
        values = values.reshape((values.size,))[np.arange(positions.size) % values.size]
    _through_flat(x, positions, values)


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    """Write ``values`` at ``indices`` along ``axis``, matched with the positions in the other axes."""
    x, index = _target(arr, "np.put_along_axis"), array(indices)
    if axis is None:
        if index.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        _through_flat(x, index, values)
        return
    axis = normalize_axis_index(axis, x.ndim)
    if index.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if index.ndim != x.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    places = [
        index if i == axis else np.arange(n).reshape((-1, *(1,) * (x.ndim - i - 1))) for i, n in enumerate(x.shape)
    ]
    setitem(x, tuple(places), values)


@method("sort")
def _sort(x: Any, axis: int = -1, kind: Any = None, order: Any = None, *, stable: bool | None = None) -> None:
    """Sort ``x`` in place along ``axis``."""
    check_writable(x, "x.sort()")
    rebind(x, np.sort(x, axis=axis, kind=kind, order=order, stable=stable))


@method("partition")
def _partition(x: Any, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None) -> None:
    """Partition ``x`` in place along ``axis``."""
    check_writable(x, "x.partition()")
    rebind(x, FUNCTIONS[np.partition](x, kth, axis=axis, kind=kind, order=order))


# -- ufunc.at ----------------------------------------------------------------------------------------


def _ufunc_at(ufunc: Any, a: Any, indices: Any, *operands: Any) -> None:
    """``ufunc.at(a, indices, b)``: unbuffered, so that repeated indices count repeatedly, in order."""
    x = _target(a, f"np.{ufunc.__name__}.at")
    if len(operands) != ufunc.nin - 1 or ufunc.nout != 1:
        raise ValueError(
            f"np.{ufunc.__name__}.at: the ufunc must give one output and be given {ufunc.nin - 1} operands; "
            f"got {len(operands)}{here()}. Give as many operands as it takes."
        )
    rebind(x, _applied_at(ufunc, x, indices, *operands))


UFUNC_METHODS["at"] = _ufunc_at


def _applied_at(ufunc: Any, x: Any, index: Any, *operands: Any) -> Any:
    """Return ``x`` with ``ufunc`` applied at ``index``, once for each time that a place is named."""
    steps, gathers = index_steps(x.shape, index)
    aval = part_aval(x, steps)
    operands = tuple([fitted(array(y), aval.shape, True) for y in operands])
    additive: Any = _ADDITIVE.get(ufunc)
    adds = additive is not None and gathers and x.dtype != np.bool_
    if adds and np.can_cast(operands[0].dtype, x.dtype, "same_kind"):
        return replaced(x, steps, additive(stored(operands[0], x.dtype)), "add")
    if not gathers:
        return replaced(x, steps, stored(ufunc(through(x, steps), *operands), x.dtype))
    place = next(i for i, step in enumerate(steps) if type(step) is At)
    for step in reversed(steps[place + 1 :]):
        operands = tuple([step.put(None, y) for y in operands])
    indices = steps[place].indices
    rank, count = indices[0].ndim, indices[0].size
    indices = [i.reshape((count,)) for i in indices]
    operands = tuple([y.reshape((count, *y.shape[rank:])) for y in operands])
    for chosen in _rounds(indices, part_aval(x, steps[:place]).shape):
        part = [*steps[:place], At([i[chosen] for i in indices])]
        x = replaced(x, part, stored(ufunc(through(x, part), *[y[chosen] for y in operands]), x.dtype))
    return x


_ADDITIVE: dict[Any, Callable[[Any], Any]] = {np.add: lambda y: y, np.subtract: lambda y: -y}


def _rounds(indices: Sequence[Array], shape: tuple[int, ...]) -> list[Array]:
    """Split positions in index arrays into rounds in which no place is named twice, in their order.

    Where places are traced, every position is a round of its own.
    """
    count = indices[0].size
    if any(type(i) is Tracer for i in indices):
        return [np.asarray([i]) for i in range(count)]
    places = np.zeros(count, np.intp)
    for i, n in zip(indices, shape, strict=False):
        places = places * n + i % max(n, 1)
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    occurrence = np.empty(count, np.intp)
    occurrence[order] = np.arange(count) - np.repeat(starts, np.diff(starts, append=count))
    return [np.flatnonzero(occurrence == k) for k in range(int(occurrence.max(initial=-1)) + 1)]


# -- x.at ----------------------------------------------------------------------------------------------


class _Updates:
    """``x.at[i]``: a part of ``x`` whose methods make new arrays; ``x`` stays as it is (JAX's interface)."""

    __slots__ = ("_index", "_x")

    def __init__(self, x: Any, index: Any) -> None:
        self._x = x
        self._index = index

    def get(self) -> Array:
        """Return ``x[i]``, an array of its own."""
        return fresh(getitem(self._x, self._index))

    def set(self, values: Any) -> Array:
        """Return ``x`` with ``x[i] = values``."""
        x = _buffer(self._x)
        setitem(x, self._index, values)
        return x

    def apply(self, function: Callable[[Any], Any]) -> Array:
        """Return ``x`` with ``x[i] = function(x[i])``."""
        return self.set(function(self.get()))

    def add(self, values: Any) -> Array:
        """Return ``x`` with ``values`` added at ``i``; repeated indices add up."""
        return self._with(np.add, values)

    def subtract(self, values: Any) -> Array:
        """Return ``x`` with ``values`` subtracted at ``i``, once for each time that a place is named."""
        return self._with(np.subtract, values)

    def multiply(self, values: Any) -> Array:
        """Return ``x`` multiplied by ``values`` at ``i``, once for each time that a place is named."""
        return self._with(np.multiply, values)

    mul = multiply

    def divide(self, values: Any) -> Array:
        """Return ``x`` divided by ``values`` at ``i``, once for each time that a place is named."""
        return self._with(np.true_divide, values)

    def power(self, values: Any) -> Array:
        """Return ``x`` raised to ``values`` at ``i``, once for each time that a place is named."""
        return self._with(np.power, values)

    def min(self, values: Any) -> Array:
        """Return ``x`` with the smaller of itself and ``values`` at ``i``."""
        return self._with(np.minimum, values)

    def max(self, values: Any) -> Array:
        """Return ``x`` with the larger of itself and ``values`` at ``i``."""
        return self._with(np.maximum, values)

    def _with(self, ufunc: Any, values: Any) -> Array:
        x = _buffer(self._x)
        return fresh(_applied_at(ufunc, x, self._index, values))


def _buffer(x: Any) -> Any:
    """Return a copy of ``x`` that can be written into; of a scalar too."""
    return fresh(x, "C") if x.ndim else fresh(np.reshape(x, (1,)))[0, ...]


class _At:
    """``x.at``: to be indexed."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, index: Any) -> _Updates:
        return _Updates(self._x, index)


Tracer.at = property(_At)  # type: ignore[attr-defined]


# -- x.flat --------------------------------------------------------------------------------------------


class _Flat:
    """``x.flat``: the elements in C order, to be read, iterated over and written."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __len__(self) -> int:
        return int(self._x.size)

    def __iter__(self) -> Any:
        return (self[i] for i in range(self._x.size))

    def __getitem__(self, index: Any) -> Array:
        return fresh(getitem(np.reshape(self._x, (self._x.size,)), index))

    def __setitem__(self, index: Any, value: Any) -> None:
        x = _target(self._x, "x.flat[index] = value")
        values = array(value)
        count = part_aval(np.empty(x.size, np.bool_), index_steps((x.size,), index)[0]).size
        if values.ndim and count and values.size:
            values = values.reshape((values.size,))[np.arange(count) % values.size]
        _through_flat(x, index, values)

    def copy(self) -> Array:
        """Return the elements as a vector."""
        return self[:]


def _set_flat(x: Any, value: Any) -> None:
    _Flat(x)[:] = value


Tracer.flat = property(_Flat, _set_flat)  # type: ignore[attr-defined]


# -- true elements of a mask ---------------------------------------------------------------------------


@implements(np.nonzero)
def nonzero(a: Any) -> tuple[Array, ...]:
    """The indices of the elements that are not zero, an array for each axis; the program records them."""
    x = array(a)
    if x.ndim == 0:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(x).nonzero().")
    return np.nonzero(mask_value(_truths(x)))


method("nonzero")(nonzero)


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> Array:
    """The positions of the elements that are not zero in the flattened array; the program records them."""
    return np.flatnonzero(mask_value(_truths(array(a))))


@implements(np.argwhere)
def argwhere(a: Any) -> Array:
    """The indices of the elements that are not zero, one row for each; the program records them."""
    return np.argwhere(mask_value(_truths(array(a))))


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Array:
    """The elements of ``arr`` where ``condition`` holds, in order; the program records where it does."""
    x, positions = array(arr), np.flatnonzero(mask_value(_truths(array(condition))))
    return np.reshape(x, (x.size,))[positions]


@implements(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Array:
    """The parts of ``a`` along ``axis`` where ``condition`` holds; the program records where it does."""
    chosen = _truths(array(condition))
    if chosen.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    x = array(a)
    if axis is None:
        x, axis = np.reshape(x, (x.size,)), 0
    axis = normalize_axis_index(axis, x.ndim)
    index = (*(slice(None),) * axis, np.flatnonzero(mask_value(chosen)))
    return x[index]


@method("compress")
def _compress_method(a: Any, condition: Any, axis: int | None = None, out: Any = None) -> Array:
    return compress(condition, a, axis)
