"""Parts of arrays: slices and their embedding, gathers and their scatter.

Two kinds. Basic indexing (integers and slices) is ``slice``, whose transpose ``embed`` writes into zeros.
Integer-array indexing is ``gather``: the index arrays, all of one shape, select along the leading axes;
its transpose ``scatter_add`` adds what is selected twice. Everything that NumPy's brackets take is brought
to these by :func:`getitem`.
"""

from __future__ import annotations

import math
import operator as python
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ir import Dependence, Linear, Operand, Primitive, ShapedArray, joined, united
from ..tracing import Tracer, View, as_operand, bind, check_writable, here, link, mask_value, method, rebind
from .families import Array, Deferred, LinearMap, rearranged
from .promotion import broadcast_to, convert, unbroadcast
from .series import carried
from .shape import Reshape, Transpose

__all__ = [
    "At",
    "check_mask",
    "embed",
    "fitted",
    "gather",
    "getitem",
    "index_steps",
    "part_aval",
    "replaced",
    "scatter_add",
    "scatter_set",
    "setitem",
    "stored",
    "through",
]

Item = int | tuple[int, int | None, int]
"""One axis of a basic index: a position, or (start, stop, step) with a stop of None for "past the first"."""


def _to_numpy(index: tuple[Item, ...]) -> tuple[Any, ...]:
    return tuple([i if type(i) is int else slice(*i) for i in index])  # type: ignore[misc]


def _index_text(index: tuple[Item, ...], shape: tuple[int, ...]) -> str:
    """Return a basic index of an array of ``shape`` as one writes it: ``1:3, 0``."""
    items = [str(i) if type(i) is int else _slice_text(i, n) for i, n in zip(index, shape, strict=False)]
    while len(items) > 1 and items[-1] == ":":
        items.pop()
    return ", ".join(items)


def _slice_text(item: Any, length: int) -> str:
    start, stop, step = item
    first, last = (0, length) if step > 0 else (length - 1, None)
    text = f"{'' if start == first else start}:{'' if stop in (last, None) else stop}"
    return text if step == 1 else f"{text}:{step}"


class Slice(LinearMap):
    """``x[index]`` for integers and slices."""

    index: tuple[Item, ...]
    view: ClassVar[bool] = True
    gives_scalars: ClassVar[bool] = True

    def impl(self, x: Array) -> Array:
        return x[_to_numpy(self.index)]

    def spell(self, page: Any, x: Any) -> str:
        return f"{x}[{_index_text(self.index, x.aval.shape)}]" if self.index else str(x)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        lengths = [
            len(range(n)[slice(*item)])  # type: ignore[misc]
            for item, n in zip(self.index, x.shape, strict=False)
            if type(item) is not int
        ]
        return x.update(shape=(*lengths, *x.shape[len(self.index) :]))

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (bind(Embed(inputs[0].shape, self.index), ct),)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Parts]:
        return (Parts(inputs[0].shape, self.index, ct),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Slice(((0, size, 1), *self.index)), *inputs)

    def get(self, x: Array) -> Array:
        return bind(self, x)

    def put(self, x: Array, y: Array) -> Array:
        return bind(SliceSet(self.index), x, y)

    @property
    def row(self) -> int | None:
        """The only row that is touched, if it is one."""
        first = self.index[0]
        return first if type(first) is int else None

    def disjoint(self, other: Slice) -> bool:
        """Tell whether two parts of one array certainly have no element in common."""
        return any(_apart(a, b) for a, b in zip(self.index, other.index, strict=False))

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return rearranged(self, operands)


def _apart(a: Item, b: Item) -> bool:
    if type(a) is int:
        return a != b if type(b) is int else a not in _positions(b)
    if type(b) is int:
        return b not in _positions(a)
    one, other = _positions(a), _positions(b)
    if not one or not other:
        return True
    return one[0 if one.step > 0 else -1] > other[-1 if other.step > 0 else 0] or (
        other[0 if other.step > 0 else -1] > one[-1 if one.step > 0 else 0]
    )


def _positions(item: Any) -> range:
    start, stop, step = item
    return range(start, -1 if stop is None and step < 0 else stop, step)


class SliceSet(Primitive):
    """``x`` with ``y`` at ``index``; y has the shape of that part, or rank 0."""

    index: tuple[Item, ...]
    taylor = carried

    def impl(self, x: Array, y: Array) -> Array:
        out = x.copy(order="K")
        out[_to_numpy(self.index)] = y
        return out

    def spell_lines(self, page: Any, targets: Sequence[str], x: Any, y: Any) -> list[str]:
        (out,) = targets
        return [f'{out} = {x}.copy(order="K")', f"{out}[{_index_text(self.index, x.aval.shape)}] = {y}"]

    def abstract(self, x: ShapedArray, y: ShapedArray) -> ShapedArray:
        part = Slice(self.index).abstract(x)
        if y.dtype != x.dtype or y.shape not in (part.shape, ()):
            raise TypeError(f"slice_set: the update must be {part}, or of rank 0; got {y}{here()}.")
        return x

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        (x, y), (dx, dy) = primals, tangents
        if dx is None:
            part = Slice(self.index).abstract(_aval(x)).shape
            return bind(Embed(x.shape, self.index), broadcast_to(dy, part))
        return bind(self, dx, np.zeros((), y.dtype)[()] if dy is None else dy)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        return self._back(ct, inputs[1].shape, wanted)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        return self._back(ct, inputs[1].shape, [type(x) is Linear for x in inputs])

    def _back(self, ct: Array, shape: tuple[int, ...], wanted: Sequence[bool]) -> Sequence[Array]:
        dx = bind(self, ct, np.zeros((), ct.dtype)[()]) if wanted[0] else None
        return dx, unbroadcast(bind(Slice(self.index), ct), shape) if wanted[1] else None

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        x, y = inputs
        x = x if batched[0] else broadcast_to(x, (size, *x.shape))
        whole = SliceSet(((0, size, 1), *self.index))
        part = Slice(whole.index).abstract(_aval(x)).shape
        if batched[1] and y.ndim < len(part):
            y = broadcast_to(y.reshape((size,) + (1,) * (len(part) - 1)), part)
        elif not batched[1] and y.ndim:
            y = broadcast_to(y, part)
        return bind(whole, x, y)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return rearranged(self, operands)


class Embed(LinearMap):
    """Zeros of ``shape`` with ``x`` at ``index``."""

    shape: tuple[int, ...]
    index: tuple[Item, ...]

    def impl(self, x: Array) -> Array:
        out = np.zeros_like(x, shape=self.shape)
        out[_to_numpy(self.index)] = x
        return out

    def spell_lines(self, page: Any, targets: Sequence[str], x: Any) -> list[str]:
        (out,) = targets
        return [
            f"{out} = np.zeros_like({x}, shape={self.shape})",
            f"{out}[{_index_text(self.index, self.shape)}] = {x}",
        ]

    def abstract(self, x: ShapedArray) -> ShapedArray:
        whole = x.update(shape=self.shape)
        if Slice(self.index).abstract(whole).shape != x.shape:
            raise ValueError(f"embed: the operand must fit {self.index} of {whole}; got {x}.")
        return whole

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (bind(Slice(self.index), ct),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Embed((size, *self.shape), ((0, size, 1), *self.index)), *inputs)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return rearranged(self, operands)


class EmbedSum(Primitive):
    """Zeros of ``shape`` to which each operand is added at its index."""

    shape: tuple[int, ...]
    indices: tuple[tuple[Item, ...], ...]
    taylor = carried

    def impl(self, *xs: Array) -> Array:
        out = np.zeros_like(xs[0], shape=self.shape)
        for index, x in zip(self.indices, xs, strict=True):
            out[_to_numpy(index)] += x
        return out

    def spell_lines(self, page: Any, targets: Sequence[str], *xs: Any) -> list[str]:
        (out,) = targets
        parts = [f"{out}[{_index_text(i, self.shape)}] += {x}" for i, x in zip(self.indices, xs, strict=True)]
        return [f"{out} = np.zeros_like({xs[0]}, shape={self.shape})", *parts]

    def abstract(self, *xs: ShapedArray) -> ShapedArray:
        for index, x in zip(self.indices, xs, strict=True):
            Embed(self.shape, index).abstract(x)
        return xs[0].update(shape=self.shape)

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        moving = [(index, t) for index, t in zip(self.indices, tangents, strict=True) if t is not None]
        return bind(EmbedSum(self.shape, tuple(index for index, _ in moving)), *[t for _, t in moving])

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        return [bind(Slice(index), ct) if want else None for index, want in zip(self.indices, wanted, strict=True)]

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        return self.vjp(ct, None, inputs, [type(x) is Linear for x in inputs])

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        whole = [x if b else broadcast_to(x, (size, *x.shape)) for x, b in zip(inputs, batched, strict=True)]
        return bind(EmbedSum((size, *self.shape), tuple(((0, size, 1), *index) for index in self.indices)), *whole)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return sum(aval.size for aval in inputs)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        parts = [
            x.dependence and x.dependence.mapped(Embed(self.shape, index).impl)
            for x, index in zip(operands, self.indices, strict=True)
        ]
        return united(parts, self.shape)


class Parts(Deferred):
    """The cotangent of an array that was read part by part: written down once, when it is complete.

    Embedding each part in zeros by itself would make a loop over the rows of an array quadratic.
    """

    def __init__(self, shape: tuple[int, ...], index: tuple[Item, ...], ct: Array) -> None:
        self._shape = shape
        self._indices = [index]
        self._cts = [ct]

    def absorb(self, other: Any) -> bool:
        if not isinstance(other, Parts):
            return False
        self._indices += other._indices
        self._cts += other._cts
        return True

    def gathered(self) -> Array:
        if len(self._cts) == 1:
            return bind(Embed(self._shape, self._indices[0]), *self._cts)
        return bind(EmbedSum(self._shape, tuple(self._indices)), *self._cts)


def embed(x: Array, shape: tuple[int, ...], index: tuple[Item, ...]) -> Array:
    """Return zeros of ``shape`` with ``x`` at the basic ``index``."""
    return bind(Embed(shape, index), x)


class Gather(Primitive):
    """``x[i1, ..., ik]`` for integer arrays of one shape; the selected axes become the leading ones."""

    taylor = carried

    def impl(self, x: Array, *indices: Array) -> Array:
        return x[indices]

    def spell(self, page: Any, x: Any, *indices: Any) -> str:
        return f"{x}[{', '.join(indices)}]"

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

    def reads(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> Sequence[int]:
        return [outputs[0].nbytes, *[aval.nbytes for aval in inputs[1:]]]

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        x, *indices = operands
        if x.dependence is None:
            return None
        known = [i.value for i in indices if i.value is not None]
        # Along an axis where the position is not known, every element may be the one.
        part = x.dependence.reduced([axis for axis, i in enumerate(indices) if i.value is None])
        if known:
            return part.mapped(lambda numbers: numbers[tuple(known)])
        return part.broadcast(outputs[0].shape)


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

    taylor = carried

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

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        x, y, *indices = operands
        values = [i.value for i in indices]
        if y.dependence is None:
            written = None
        elif all(i is not None for i in values):
            written = _added(y.dependence, x.shape, values)
        else:
            written = _placed_somewhere(y.dependence, x.shape, values)
        return united([x.dependence, written], x.shape)


def _added(y: Dependence, shape: tuple[int, ...], indices: Sequence[Array]) -> Dependence:
    """Return the dependence of zeros of ``shape`` with ``y`` added at ``indices``."""
    places = np.arange(math.prod(shape)).reshape(shape)[tuple(indices)]
    return y.collected(places.ravel(), np.arange(places.size), shape)


def _placed_somewhere(y: Dependence, shape: tuple[int, ...], indices: Sequence[Any]) -> Dependence:
    """Return the dependence of zeros with ``y`` at ``indices``; None is any position along its axis."""
    rank = len(indices)
    fixed = [i for i in indices if i is not None]
    inner = (*[n for n, i in zip(shape, indices, strict=False) if i is not None], *shape[rank:])
    part = _added(y, inner, fixed) if fixed else y.reduced(range(len(y.shape) - len(shape) + rank))
    stretched = (*[1 if i is None else n for n, i in zip(shape, indices, strict=False)], *shape[rank:])
    return part.reshaped(stretched).broadcast(shape)


class ScatterAdd(_Scatter):
    """``x`` with ``y`` added at ``[i1, ..., ik]``; repeated indices add up."""

    def impl(self, x: Array, y: Array, *indices: Array) -> Array:
        out = x.copy(order="K")
        np.add.at(out, indices, y)
        return out

    def spell_lines(self, page: Any, targets: Sequence[str], x: Any, y: Any, *indices: Any) -> list[str]:
        (out,) = targets
        index = indices[0] if len(indices) == 1 else f"({', '.join(indices)})"
        return [f'{out} = {x}.copy(order="K")', f"np.add.at({out}, {index}, {y})"]

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

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return inputs[1].size


class ScatterSet(_Scatter):
    """``x`` with ``y`` written at ``[i1, ..., ik]``; of repeated indices the last one stands, as in NumPy."""

    def impl(self, x: Array, y: Array, *indices: Array) -> Array:
        out = x.copy(order="K")
        out[indices] = y
        return out

    def spell_lines(self, page: Any, targets: Sequence[str], x: Any, y: Any, *indices: Any) -> list[str]:
        (out,) = targets
        return [f'{out} = {x}.copy(order="K")', f"{out}[{', '.join(indices)}] = {y}"]

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

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        values = [i.value for i in operands[2:]]
        if any(i is None for i in values):
            return super().sparsity(operands, outputs)
        x, y = operands[:2]
        return joined([x.dependence, y.dependence], [x.shape, y.shape], lambda a, b: self.impl(a, b, *values))


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


class At:
    """The step to the elements at integer arrays: see :mod:`autotrace.tracing.aliases`."""

    __slots__ = ("indices",)

    def __init__(self, indices: Sequence[Array]) -> None:
        self.indices = tuple(indices)

    def get(self, x: Array) -> Array:
        return bind(Gather(), x, *self.indices)

    def put(self, x: Array, y: Array) -> Array:
        return bind(ScatterSet(), x, y, *self.indices)

    def layout(self, x: Array) -> Array:
        """Return the view of ``x`` at some element: they differ in place only."""
        return x[(0,) * len(self.indices)]

    def add(self, x: Array, y: Array) -> Array:
        """Return ``x`` with ``y`` added; repeated indices add up."""
        return bind(ScatterAdd(), x, y, *self.indices)


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


# -- writing -----------------------------------------------------------------------------------------


@method("__setitem__")
def setitem(x: Any, index: Any, value: Any) -> None:
    """``x[index] = value`` with NumPy's meaning: of repeated indices the last one stands; views follow.

    ``value`` is broadcast to the place and converted to the dtype of ``x``.

    Raises ``IndexError`` and ``ValueError`` as NumPy does, ``MutationError`` if ``x`` belongs to the caller.
    """
    if x.ndim == 0 and x._alias is None:
        raise TypeError(
            f"x[index] = value: a traced scalar does not support item assignment; got {x.aval}{here()}. "
            "Assign the whole: x = value."
        )
    check_writable(x, "x[index] = value")
    mask = _mask_of(index)
    if mask is not None and _write_where(x, mask, value):
        return
    steps, copies = index_steps(x.shape, index)
    if _holds_already(x, steps, value):
        return
    aval = part_aval(x, steps)
    if isinstance(value, list | tuple) and not aval.shape and np.ndim(value):
        raise ValueError(f"setting an array element with a sequence{here()}.")
    y = stored(value, x.dtype)
    if y.ndim == 0 and len(steps) == 1 and type(steps[0]) is Slice:
        rebind(x, bind(SliceSet(steps[0].index), x, y), steps[0])
        return
    rebind(x, replaced(x, steps, fitted(y, aval.shape, copies)), steps[0] if steps else None)


def part_aval(x: Any, steps: Sequence[Any]) -> ShapedArray:
    """Return the aval of the part of ``x`` that ``steps`` lead to."""
    aval = ShapedArray(x.shape, x.dtype)
    for step in steps:
        aval = Gather().abstract(aval, *[_aval(i) for i in step.indices]) if type(step) is At else step.abstract(aval)
    return aval


def _aval(x: Any) -> ShapedArray:
    return ShapedArray(x.shape, x.dtype)


def _holds_already(x: Any, steps: Sequence[Any], value: Any) -> bool:
    """Tell whether ``value`` is the view at that place, as it is after ``x[i] += ...`` wrote through it."""
    if type(value) is not Tracer or not steps:
        return False
    there, here_ = value._alias, x._alias
    if type(there) is not View or type(here_) is not View or there.root() is not here_.root():
        return False
    return [node.step for node in there.path()] == [*[node.step for node in here_.path()], *steps]


def _mask_of(index: Any) -> Any:
    """Return an index that is one mask of rank 1 or more, else None."""
    if type(index) is tuple and len(index) == 1:
        index = index[0]
    if isinstance(index, list) and index and isinstance(index[0], bool | list | np.bool_ | Tracer):
        index = as_operand(index)
    is_mask = isinstance(index, Tracer | np.ndarray) and index.dtype == np.bool_ and index.ndim
    return index if is_mask else None


def _write_where(x: Any, mask: Any, value: Any) -> bool:
    """Write under a mask by choosing: no shape depends on the mask. False where its count matters."""
    check_mask(mask.shape, x.shape)
    y = stored(value, x.dtype)
    inner = x.ndim - mask.ndim
    while y.ndim > inner and y.shape[0] == 1:
        y = y.reshape(y.shape[1:])
    if y.ndim > inner:
        return False
    mask = mask.reshape((*mask.shape, *(1,) * inner))
    rebind(x, np.where(mask, fitted(y, x.shape[mask.ndim - inner :] if y.ndim else (), True), x))
    return True


def stored(value: Any, dtype: np.dtype[Any]) -> Array:
    """Return ``value`` as an assignment stores it in an array of ``dtype``: converted, whatever it loses."""
    if type(value) in (bool, int, float, complex):
        return np.asarray(dtype.type(value))
    y = as_operand(value)
    if not hasattr(y, "dtype"):
        return np.asarray(dtype.type(y))
    if y.dtype == dtype:
        return y
    if type(y) is Tracer and y.dtype.kind == "c" and dtype.kind != "c":
        warnings.warn(
            "Casting complex values to real discards the imaginary part",
            np.exceptions.ComplexWarning,
            stacklevel=4,
        )
    return convert(y, dtype) if type(y) is Tracer else np.asarray(y).astype(dtype)


def fitted(y: Array, shape: tuple[int, ...], gathered: bool = False) -> Array:
    """Return ``y`` broadcast to the ``shape`` of the place that it is written to.

    Raises ``ValueError`` in NumPy's words if it does not fit.
    """
    given = y.shape
    while y.ndim > len(shape) and y.shape[0] == 1:
        y = y.reshape(y.shape[1:])
    try:
        fits = np.broadcast_shapes(y.shape, shape) == shape
    except ValueError:
        fits = False
    if fits:
        return broadcast_to(y, shape)
    if gathered:
        raise ValueError(
            f"shape mismatch: value array of shape {given} could not be broadcast to indexing result of "
            f"shape {shape}{here()}. Reshape the value."
        )
    if not shape:
        raise ValueError(f"setting an array element with a sequence; got a value of shape {given}{here()}.")
    raise ValueError(
        f"could not broadcast input array from shape {given} into shape {shape}{here()}. Reshape the value."
    )


@method("__iter__")
def _iterate(x: Any) -> Any:
    if x.ndim == 0:
        raise TypeError(f"iteration over a 0-d array; got {x.aval}{here()}. Use x itself, or pass an array.")
    return (getitem(x, i) for i in range(x.shape[0]))
