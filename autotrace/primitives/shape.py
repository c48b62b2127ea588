"""The same elements in another arrangement: reshape, transpose, join."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..ir import Linear, Operand, Primitive, ShapedArray
from ..tracing import ReadOnly, Tracer, as_operand, bind, fresh, here, implements, link, method
from .families import Array, LinearMap, rearranged
from .promotion import broadcast_to, convert
from .series import carried

__all__ = ["concatenate", "expand_dims", "reshape", "squeeze", "stack", "transpose", "with_shape"]


class Reshape(LinearMap):
    """The elements of ``x`` in C order, in another ``shape``."""

    shape: tuple[int, ...]
    view: ClassVar[bool] = True

    def impl(self, x: Array) -> Array:
        return np.reshape(x, self.shape)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        out = x.update(shape=self.shape)
        if out.size != x.size:
            raise ValueError(
                f"reshape: cannot reshape array of size {x.size} into shape {self.shape}; got {x}{here()}. "
                "Give a shape of as many elements."
            )
        return out

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (with_shape(ct, inputs[0].shape),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return with_shape(inputs[0], (size, *self.shape))

    def get(self, x: Array) -> Array:
        return bind(self, x) if type(x) is Tracer else np.reshape(x, self.shape)

    def put(self, x: Array, y: Array) -> Array:
        return bind(Reshape(x.shape), y)

    def shares(self, x: Array) -> bool:
        """Tell whether NumPy gives a view of an array like ``x``."""
        return np.may_share_memory(x, np.reshape(x, self.shape))

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return rearranged(self, operands)


class Transpose(LinearMap):
    """The axes of ``x`` in another order."""

    axes: tuple[int, ...]
    view: ClassVar[bool] = True

    def impl(self, x: Array) -> Array:
        return np.transpose(x, self.axes)

    def spell(self, page: Any, x: Any) -> str:
        turned = self.axes == tuple(range(len(self.axes)))[::-1]
        return f"{x}.T" if turned else f"np.transpose({x}, {self.axes})"

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(shape=tuple(x.shape[i] for i in self.axes))

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (_permute(ct, tuple(int(i) for i in np.argsort(self.axes))),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return _permute(inputs[0], (0, *[i + 1 for i in self.axes]))

    def get(self, x: Array) -> Array:
        return bind(self, x)

    def put(self, x: Array, y: Array) -> Array:
        return bind(Transpose(tuple(int(i) for i in np.argsort(self.axes))), y)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return rearranged(self, operands)


class _Join(Primitive, family=True):
    """Several operands of one dtype become one array; the transpose cuts it up again."""

    axis: int
    taylor = carried

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        filled = [np.zeros(x.shape, output.dtype) if t is None else t for x, t in zip(primals, tangents, strict=True)]
        return bind(self, *filled)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        return self._cut(ct, [x.shape for x in inputs], wanted)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        return self._cut(ct, [x.shape for x in inputs], [type(x) is Linear for x in inputs])

    def _cut(self, ct: Array, shapes: Sequence[tuple[int, ...]], wanted: Sequence[bool]) -> Sequence[Array]:
        raise NotImplementedError

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        whole = [x if b else broadcast_to(x, (size, *x.shape)) for x, b in zip(inputs, batched, strict=True)]
        return bind(type(self)(self.axis + 1), *whole)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return rearranged(self, operands)


class Concatenate(_Join):
    """Operands one after the other along ``axis``."""

    def impl(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=self.axis)

    def abstract(self, *xs: ShapedArray) -> ShapedArray:
        rest = {(x.shape[: self.axis], x.shape[self.axis + 1 :], x.dtype) for x in xs}
        if len(rest) != 1:
            raise ValueError(
                "concatenate: all the input array dimensions except for the concatenation axis must match exactly; "
                f"got {', '.join(map(str, xs))} along axis {self.axis}{here()}. Reshape or broadcast them first."
            )
        length = sum(x.shape[self.axis] for x in xs)
        return xs[0].update(shape=(*xs[0].shape[: self.axis], length, *xs[0].shape[self.axis + 1 :]))

    def _cut(self, ct: Array, shapes: Sequence[tuple[int, ...]], wanted: Sequence[bool]) -> Sequence[Array]:
        cts: list[Array] = []
        start = 0
        for shape, want in zip(shapes, wanted, strict=True):
            stop = start + shape[self.axis]
            cts.append(ct[(slice(None),) * self.axis + (slice(start, stop),)] if want else None)
            start = stop
        return cts


class Stack(_Join):
    """Operands of one shape side by side along a new ``axis``."""

    @cached_property
    def kernel(self) -> Callable[..., Array]:
        """The NumPy call that does it; of many small arrays, ``np.array`` makes less ado than ``np.stack``."""
        return (lambda *xs: np.array(xs)) if self.axis == 0 else self.impl

    def impl(self, *xs: Array) -> Array:
        return np.stack(xs, axis=self.axis)

    def abstract(self, *xs: ShapedArray) -> ShapedArray:
        if len({(x.shape, x.dtype) for x in xs}) != 1:
            raise ValueError(
                f"stack: all input arrays must have the same shape; got {', '.join(map(str, xs))}{here()}. "
                "Broadcast them first."
            )
        shape = xs[0].shape
        return xs[0].update(shape=(*shape[: self.axis], len(xs), *shape[self.axis :]))

    def _cut(self, ct: Array, shapes: Sequence[tuple[int, ...]], wanted: Sequence[bool]) -> Sequence[Array]:
        before = (slice(None),) * self.axis
        places = [(*before, i) for i in range(len(shapes))]
        return [ct[place] if want else None for place, want in zip(places, wanted, strict=True)]


def with_shape(x: Array, shape: tuple[int, ...]) -> Array:
    """Return ``x`` in another ``shape``, for rules: it is not known to share memory with ``x``."""
    return x if x.shape == shape else bind(Reshape(shape), x)


def _permute(x: Array, axes: tuple[int, ...]) -> Array:
    return x if axes == tuple(range(x.ndim)) else _view(x, Transpose(axes))


def _view(x: Array, step: Any, shares: Any = None) -> Array:
    """Apply ``step``; the result shares memory with ``x`` as NumPy's does."""
    return link(x, bind(step, x), step, shares)


def _reshaped(x: Array, shape: tuple[int, ...]) -> Array:
    """Reshape ``x``: a view, unless axes are merged whose elements do not follow each other in memory."""
    if x.shape == shape:
        return x
    step = Reshape(shape)
    return _view(x, step, step.shares if _merges(x.shape, shape) else None)


def _merges(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Tell whether some axis of ``new`` runs over several axes of ``old``."""
    if 0 in old or 0 in new:
        return False  # nothing to share
    lengths = iter([n for n in new if n != 1])
    for n in old:
        part = 1
        while part < n:
            part *= next(lengths, n + 1)
        if part > n:
            return True
    return False


def _is_packed(x: Any) -> bool:
    return bool(x.flags.c_contiguous)


@implements(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Array:
    """``a`` in another shape; one length may be -1. ``order`` "C" or "F" says in which order elements are read."""
    a = as_operand(a)
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"reshape: order must be one of 'C', 'F', or 'A' (got {order!r}).")
    shape = _full_shape(a, shape)
    if order == "F":
        return _permute(_reshaped(a.T, shape[::-1]), tuple(range(len(shape)))[::-1])
    return _reshaped(a, shape)


def _full_shape(a: Any, shape: Any) -> tuple[int, ...]:
    """Return ``shape`` as integers, with -1 filled in."""
    lengths = tuple(int(n) for n in (shape if isinstance(shape, tuple | list | np.ndarray) else (shape,)))
    if lengths.count(-1) > 1:
        raise ValueError("can only specify one unknown dimension")
    if -1 in lengths:
        known = 1
        for n in lengths:
            known *= n if n != -1 else 1
        if known == 0 or a.size % known:
            raise ValueError(f"reshape: cannot reshape array of size {a.size} into shape {shape}{here()}.")
        lengths = tuple(a.size // known if n == -1 else n for n in lengths)
    return lengths


@method("reshape")
def _reshape_method(a: Any, *shape: Any, order: str = "C", copy: bool | None = None) -> Array:
    return reshape(a, shape[0] if len(shape) == 1 else shape, order=order)


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Array:
    """``a`` with one axis."""
    a = as_operand(a)
    if order == "F":
        a = a.T
    if type(a) is not Tracer or (a.ndim == 1 and a._alias is None):
        return np.reshape(a, (a.size,))
    step = Reshape((a.size,))
    result = Tracer(a._trace, a._var) if a.ndim == 1 else bind(step, a)
    return link(a, result, step, _is_packed)


method("ravel")(ravel)


@method("flatten")
def flatten(a: Any, order: str = "C") -> Array:
    """A copy of ``a`` with one axis."""
    return fresh(ravel(a, order))


@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Array:
    """``a`` with its axes in another order; reversed if ``axes`` is None."""
    a = as_operand(a)
    if axes is None:
        return _permute(a, tuple(range(a.ndim))[::-1])
    axes = normalize_axis_tuple(axes, a.ndim, "axes")
    if len(axes) != a.ndim:
        raise ValueError("axes don't match array")
    return _permute(a, axes)


@method("transpose")
def _transpose_method(a: Any, *axes: Any) -> Array:
    if not axes or axes == (None,):
        return transpose(a)
    return transpose(a, axes[0] if isinstance(axes[0], tuple | list) else axes)


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Array:
    """``a`` with two axes exchanged."""
    a = as_operand(a)
    i, j = (normalize_axis_index(axis, a.ndim) for axis in (axis1, axis2))
    order = list(range(a.ndim))
    order[i], order[j] = j, i
    return _permute(a, tuple(order))


method("swapaxes")(swapaxes)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Array:
    """``a`` with axes moved to other positions; the others keep their order."""
    a = as_operand(a)
    old, new = (
        normalize_axis_tuple(source, a.ndim, "source"),
        normalize_axis_tuple(destination, a.ndim, "destination"),
    )
    if len(old) != len(new):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [axis for axis in range(a.ndim) if axis not in old]
    for position, axis in sorted(zip(new, old, strict=True)):
        order.insert(position, axis)
    return _permute(a, tuple(order))


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Array:
    """``x`` with its last two axes exchanged."""
    x = as_operand(x)
    if x.ndim < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {x.ndim}")
    return np.swapaxes(x, -1, -2)


Tracer.T = property(transpose)  # type: ignore[attr-defined]
Tracer.mT = property(matrix_transpose)  # type: ignore[attr-defined]


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Array:
    """``a`` with new axes of length 1 at ``axis``."""
    a = as_operand(a)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    rank = a.ndim + len(axes)
    new = normalize_axis_tuple(axes, rank)
    lengths = iter(a.shape)
    return _reshaped(a, tuple(1 if i in new else next(lengths) for i in range(rank)))


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Array:
    """``a`` without its axes of length 1, or without those named."""
    a = as_operand(a)
    if axis is None:
        gone: tuple[int, ...] = tuple(i for i, n in enumerate(a.shape) if n == 1)
    else:
        gone = normalize_axis_tuple(axis, a.ndim)
    if any(a.shape[i] != 1 for i in gone):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return _reshaped(a, tuple(n for i, n in enumerate(a.shape) if i not in gone))


method("squeeze")(squeeze)


@implements(np.broadcast_to)
def broadcast(array: Any, shape: Any, subok: bool = False) -> Array:
    """``array`` repeated to ``shape``."""
    array = as_operand(array)
    shape = (int(shape),) if isinstance(shape, int | np.integer) else tuple(int(n) for n in shape)
    if array.ndim > len(shape):
        raise ValueError("input operand has more dimensions than allowed by the axis remapping")
    result = broadcast_to(array, shape)
    if type(result) is not Tracer:
        return result
    if result is array:
        result = Tracer(array._trace, array._var)
    return link(array, result, ReadOnly(lambda x: broadcast_to(x, shape)), readonly=True)


def _promoted(arrays: Sequence[Any], dtype: Any, casting: str) -> list[Array]:
    """Bring arrays to their common dtype (or ``dtype``), as far as ``casting`` allows."""
    xs = [as_operand(x) for x in arrays]
    xs = [x if hasattr(x, "dtype") else np.asarray(x) for x in xs]
    # NumPy makes arrays of the operands first: a Python number counts as float64 here.
    common = np.dtype(dtype) if dtype is not None else np.result_type(*[x.dtype for x in xs])
    for x in xs:
        if x.dtype != common and not np.can_cast(x.dtype, common, casting):  # type: ignore[arg-type]
            raise TypeError(
                f"Cannot cast array data from {x.dtype!r} to {common!r} according to the rule {casting!r}{here()}. "
                "Convert it first."
            )
    return [convert(x, common) for x in xs]


@implements(np.result_type)
def result_type(*operands: Any) -> np.dtype[Any]:
    """The dtype that NumPy's promotion gives to these operands; Python numbers are weak."""
    kinds: list[Any] = []
    for x in operands:
        if type(x) is Tracer:
            kinds.append(x.dtype.type(0).item() if x.aval.weak_type else x.dtype)
        else:
            kinds.append(x if isinstance(x, int | float | complex | np.dtype | type | str) else x.dtype)
    return np.result_type(*kinds)


@implements(np.concatenate)
def concatenate(
    arrays: Any, axis: int | None = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Array:
    """Arrays one after the other along an axis that they have; flattened first if ``axis`` is None."""
    xs = _promoted(list(arrays), dtype, casting)
    if not xs:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    if any(x.ndim == 0 for x in xs):
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    if len({x.ndim for x in xs}) > 1:
        raise ValueError(
            "concatenate: all the input arrays must have same number of dimensions; got ranks "
            f"{', '.join(str(x.ndim) for x in xs)}{here()}. Reshape them first."
        )
    return bind(Concatenate(normalize_axis_index(axis, xs[0].ndim)), *xs)


@implements(np.stack)
def stack(arrays: Any, axis: int = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Arrays of one shape side by side along a new axis."""
    xs = _promoted(list(arrays), dtype, casting)
    if not xs:
        raise ValueError("need at least one array to stack")
    if len({x.shape for x in xs}) > 1:
        raise ValueError(
            f"stack: all input arrays must have the same shape; got {', '.join(str(x.shape) for x in xs)}{here()}. "
            "Broadcast them first."
        )
    return bind(Stack(normalize_axis_index(axis, xs[0].ndim + 1)), *xs)
