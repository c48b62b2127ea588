"""Order: sort, argsort, partition, lexsort, searchsorted; and the gathers along an axis that they lead to.

The derivative of a sort is the permutation that sorts: tangents move with their elements, cotangents back.
Elements that tie are in NumPy's order for the ``kind`` asked for. What gives positions is piecewise constant.
"""

from __future__ import annotations

import operator as python
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..errors import UnsupportedError
from ..ir import Operand, Primitive, ShapedArray
from ..tracing import Tracer, as_operand, bind, here, implements, method
from .families import Array
from .gathers import scatter_add
from .indexing import getitem
from .promotion import broadcast_to, convert
from .series import carried

__all__ = [
    "argpartition",
    "argsort",
    "digitize",
    "lexsort",
    "partition",
    "searchsorted",
    "sort",
    "sort_complex",
    "take",
    "take_along_axis",
]

_INTP = np.dtype(np.intp)


def _halvings(length: int) -> int:
    """Return how often ``length`` is halved to come down to 1: the comparisons of a binary search in it."""
    return max(length - 1, 0).bit_length()


def _comparisons_of_sorting(x: ShapedArray, axis: int) -> int:
    """Count n log2(n) comparisons for each row of ``x`` along ``axis``."""
    return x.size * _halvings(x.shape[axis])


def _comparisons_of_selecting(x: ShapedArray, ranks: int) -> int:
    """Count some three comparisons an element for each of ``ranks``, as quickselect takes on average (Knuth 1971)."""
    return 3 * ranks * x.size


class _Rearrangement(Primitive, family=True):
    """The elements of ``x`` in another order along ``axis``, an order that depends on them."""

    axis: int
    taylor = carried

    def order(self, x: Array, y: Array) -> Array:
        """Return the positions in ``x`` of the elements of the output ``y``."""
        raise NotImplementedError

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.strong()

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        return np.take_along_axis(tangents[0], self.order(primals[0], output), axis=self.axis)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array]:
        order = self.order(inputs[0], output)
        if ct.ndim == 1:  # for one axis a scatter is quicker than the sort that inverts
            return (scatter_add(np.zeros(ct.shape, ct.dtype), ct, (order,)),)
        return (np.take_along_axis(ct, np.argsort(order, axis=self.axis), axis=self.axis),)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        dependence = operands[0].dependence
        return dependence and dependence.along((self.axis,))


class _Positions(Primitive, family=True):
    """Integers that tell an order: piecewise constant, so no derivative."""

    stops: ClassVar[bool] = True

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> None:
        return None

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[None]:
        return [None] * len(inputs)


class Sort(_Rearrangement):
    """``x`` ascending along ``axis``, NaN last."""

    kind: Any = None

    def impl(self, x: Array) -> Array:
        return np.sort(x, axis=self.axis, kind=self.kind)

    def order(self, x: Array, y: Array) -> Array:
        return np.argsort(x, axis=self.axis, kind=self.kind)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Sort(self.axis + 1, self.kind), *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return _comparisons_of_sorting(inputs[0], self.axis)


class Argsort(_Positions):
    """The positions of the elements of ``x`` in ascending order along ``axis``."""

    axis: int
    kind: Any = None

    def impl(self, x: Array) -> Array:
        return np.argsort(x, axis=self.axis, kind=self.kind)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(dtype=_INTP)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Argsort(self.axis + 1, self.kind), *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return _comparisons_of_sorting(inputs[0], self.axis)


class Partition(_Rearrangement):
    """``x`` with the elements of rank ``kth`` along ``axis`` in place, smaller ones before, larger after."""

    kth: tuple[int, ...]

    def impl(self, x: Array) -> Array:
        return np.partition(x, self.kth, axis=self.axis)

    def order(self, x: Array, y: Array) -> Array:
        """Match the output with the operand rank by rank, so that both need not be partitioned alike."""
        ranks = np.argsort(np.argsort(y, axis=self.axis, kind="stable"), axis=self.axis)
        return np.take_along_axis(np.argsort(x, axis=self.axis, kind="stable"), ranks, axis=self.axis)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Partition(self.axis + 1, self.kth), *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return _comparisons_of_selecting(inputs[0], len(self.kth))


class Argpartition(_Positions):
    """The positions of the elements of ``x`` in partitioned order along ``axis``."""

    axis: int
    kth: tuple[int, ...]

    def impl(self, x: Array) -> Array:
        return np.argpartition(x, self.kth, axis=self.axis)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(dtype=_INTP)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Argpartition(self.axis + 1, self.kth), *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return _comparisons_of_selecting(inputs[0], len(self.kth))


class Lexsort(_Positions):
    """The positions that sort by the last of several keys of one shape, ties by the one before it."""

    axis: int

    def impl(self, *keys: Array) -> Array:
        return np.lexsort(keys, axis=self.axis)

    def abstract(self, *keys: ShapedArray) -> ShapedArray:
        if len({key.shape for key in keys}) != 1:
            raise ValueError(f"lexsort: all keys need to be the same shape; got {', '.join(map(str, keys))}{here()}.")
        return keys[0].update(dtype=_INTP)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        whole = [x if b else broadcast_to(x, (size, *x.shape)) for x, b in zip(inputs, batched, strict=True)]
        return bind(Lexsort(self.axis + 1), *whole)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return sum(_comparisons_of_sorting(key, self.axis) for key in inputs)


class Searchsorted(_Positions):
    """Where each of ``v : [b..., ...]`` belongs in ascending ``a : [b..., n]``; b are ``batch_rank`` axes."""

    side: Any = "left"
    batch_rank: int = 0

    def impl(self, a: Array, v: Array) -> Array:
        if not self.batch_rank:
            return np.searchsorted(a, v, side=self.side)
        out = np.zeros(v.shape, _INTP)
        for row in np.ndindex(a.shape[:-1]):
            out[row] = np.searchsorted(a[row], v[row], side=self.side)
        return out

    def abstract(self, a: ShapedArray, v: ShapedArray) -> ShapedArray:
        if a.ndim != self.batch_rank + 1 or a.shape[:-1] != v.shape[: self.batch_rank]:
            raise ValueError(f"searchsorted: the sorted array must have one axis; got {a} for {v}{here()}.")
        return v.update(dtype=_INTP)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        a, v = inputs
        if not batched[0] and not self.batch_rank:
            return bind(self, a, v)
        whole = [x if b else broadcast_to(x, (size, *x.shape)) for x, b in zip(inputs, batched, strict=True)]
        return bind(Searchsorted(self.side, self.batch_rank + 1), *whole)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return inputs[1].size * _halvings(inputs[0].shape[-1] + 1)


def _array(x: Any) -> Array:
    """Return ``x`` as a tracer or an array, never a Python number."""
    x = as_operand(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def _text(x: Array) -> str:
    return repr(ShapedArray(x.shape, x.dtype))


def _along(a: Any, axis: Any) -> tuple[Array, int]:
    """Return the array and the axis to work along: that of the flattened array if ``axis`` is None."""
    a = _array(a)
    if axis is None:
        return a.reshape((a.size,)), 0
    return a, normalize_axis_index(python.index(axis), a.ndim)


def _kind(kind: Any, order: Any, stable: bool | None) -> Any:
    """Return the sorting algorithm asked for; NumPy itself refuses what it does not know."""
    np.sort(np.empty(0), kind=kind, order=order, stable=stable)
    return "stable" if stable else kind


@implements(np.sort)
def sort(a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: bool | None = None) -> Array:
    """Return ``a`` in ascending order along ``axis`` (of the flattened array if None), NaN last.

    The derivative moves with the elements; those that tie are in the order of ``np.argsort`` of that kind.

    Raises ``ValueError`` for an unknown ``kind``, or ``order``, which is for structured arrays.

    >>> import autotrace, numpy as np
    >>> autotrace.grad(lambda x: np.sort(x)[0])(np.array([3.0, 1.0, 2.0]))
    array([0., 1., 0.])
    """
    kind = _kind(kind, order, stable)
    a, axis = _along(a, axis)
    return bind(Sort(axis, kind), a)


@implements(np.argsort)
def argsort(
    a: Any, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: bool | None = None
) -> Array:
    """Return the positions that sort ``a`` along ``axis`` (of the flattened array if None)."""
    kind = _kind(kind, order, stable)
    a = _array(a)
    a, axis = _along(a, axis if a.ndim else None)
    return bind(Argsort(axis, kind), a)


method("argsort")(argsort)


def _ranks(kth: Any, length: int, kind: Any, order: Any) -> tuple[int, ...]:
    """Return the ranks as integers; NumPy itself refuses what it would refuse."""
    if isinstance(kth, Tracer):
        kth = [python.index(getitem(kth, i)) for i in range(kth.shape[0])] if kth.ndim else python.index(kth)  # type: ignore[arg-type]
    np.partition(np.empty(length), kth, kind=kind, order=order)
    return tuple(int(k) for k in np.ravel(kth))


@implements(np.partition)
def partition(a: Any, kth: Any, axis: int | None = -1, kind: Any = "introselect", order: None = None) -> Array:
    """Return ``a`` with the elements of rank ``kth`` along ``axis`` in place, smaller before, larger after.

    Raises ``ValueError`` for a rank out of bounds.
    """
    a, axis = _along(a, axis)
    return bind(Partition(axis, _ranks(kth, a.shape[axis], kind, order)), a)


@implements(np.argpartition)
def argpartition(a: Any, kth: Any, axis: int | None = -1, kind: Any = "introselect", order: None = None) -> Array:
    """Return the positions that partition ``a`` along ``axis``."""
    a = _array(a)
    a, axis = _along(a, axis if a.ndim else None)
    return bind(Argpartition(axis, _ranks(kth, a.shape[axis], kind, order)), a)


method("argpartition")(argpartition)


@implements(np.sort_complex)
def sort_complex(a: Any) -> Array:
    """Return ``a`` as complex numbers, sorted along its last axis by the real part, then the imaginary."""
    a = sort(a)
    return a if a.dtype.kind == "c" else convert(a, np.sort_complex(np.empty(0, a.dtype)).dtype)


@implements(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Array:
    """Return the positions that sort by the last key, ties by the one before it, and so on.

    Raises ``TypeError`` without keys, ``ValueError`` if their shapes differ.
    """
    arrays = [_array(key) for key in keys]
    if not arrays:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if arrays[0].ndim == 0:
        return np.lexsort([np.zeros(()) for _ in arrays], axis=axis)
    return bind(Lexsort(normalize_axis_index(axis, arrays[0].ndim)), *arrays)


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Array:
    """Return where each of ``v`` belongs in the ascending ``a : f[n]``; ``sorter`` sorts ``a`` first.

    ``side`` "left" gives the first suitable place, "right" the last. Piecewise constant: zero derivative.
    """
    np.searchsorted(np.empty(0), 0.0, side=side)
    a, v = _array(a), _array(v)
    if sorter is not None:
        a = np.take(a, sorter)
    if a.ndim != 1:
        raise ValueError(f"searchsorted: the sorted array must have one axis; got {_text(a)}{here()}. Flatten it.")
    return bind(Searchsorted(side), a, v)


method("searchsorted")(searchsorted)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Array:
    """Return the number of the bin that each of ``x`` falls into. Piecewise constant: the derivative is zero.

    ``bins : f[n]`` ascends or descends; traced bins are asked which, and the answer is guarded.

    Raises ``ValueError`` for bins that do neither, ``TypeError`` for complex ``x``.
    """
    x, bins = _array(x), _array(bins)
    if x.dtype.kind == "c":
        raise TypeError("x may not be complex")
    if bins.ndim != 1:
        raise ValueError(f"digitize: bins must have one axis; got {_text(bins)}{here()}. Flatten them.")
    side = "left" if right else "right"
    if np.all(bins[1:] >= bins[:-1]):
        return searchsorted(bins, x, side=side)
    if not np.all(bins[1:] <= bins[:-1]):
        raise ValueError("bins must be monotonically increasing or decreasing")
    return bins.size - searchsorted(bins[::-1], x, side=side)


@implements(np.take)
def take(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: Any = "raise") -> Array:
    """Return the elements (slices along ``axis``) of ``a`` at ``indices``; of the flattened array if None.

    ``mode`` "wrap" counts indices modulo the length, "clip" limits them to it.

    Raises ``IndexError`` for an index out of bounds, unless its value is not known before the program runs.

    >>> import autotrace, numpy as np
    >>> autotrace.grad(lambda x: np.take(x, [0, 0, 2]).sum())(np.array([3.0, 1.0, 2.0]))
    array([2., 0., 1.])
    """
    if out is not None:
        raise UnsupportedError(f"np.take: out= must not be given; got {type(out).__name__}{here()}. Assign the result.")
    a = _array(a)
    a, axis = (a.reshape((a.size,)), 0) if axis is None or a.ndim == 0 else _along(a, axis)
    length = a.shape[axis]
    return getitem(a, (slice(None),) * axis + (_resolved(indices, length, mode),))


def _resolved(indices: Any, length: int, mode: Any) -> Array:
    """Return ``indices`` within bounds."""
    indices = as_operand(indices)
    if not isinstance(indices, Tracer):
        return np.take(np.arange(length), indices, mode=mode)
    if indices.dtype.kind not in "iub":
        raise TypeError(f"take: indices must be integers; got {indices.aval}{here()}. Use indices.astype(int).")
    np.take(np.arange(1), 0, mode=mode)
    if not length and indices.size:
        raise IndexError("cannot do a non-empty take from an empty axes.")
    indices = convert(indices, _INTP)
    if mode == "wrap":
        return indices % length
    return np.clip(indices, 0, length - 1) if mode == "clip" else indices


@method("take")
def _take_method(a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: Any = "raise") -> Array:
    return take(a, indices, axis, out, mode)


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Array:
    """Return the elements of ``arr`` at ``indices`` along ``axis``; the other axes of the two broadcast.

    Raises ``IndexError`` for indices that are no integers, ``ValueError`` for a different number of axes.
    """
    arr, indices = _array(arr), _array(indices)
    if axis is None:
        if indices.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        arr, axis = arr.reshape((arr.size,)), 0
    axis = normalize_axis_index(axis, arr.ndim)
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if indices.ndim != arr.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    rows = np.ix_(*[np.arange(n) for n in arr.shape])
    return getitem(arr, tuple(indices if i == axis else row for i, row in enumerate(rows)))
