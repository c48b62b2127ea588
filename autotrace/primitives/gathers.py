"""Parts of arrays by arrays of integers: ``gather``, whose transpose ``scatter_add`` adds what is selected twice.

The index arrays, all of one shape, select along the leading axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Dependence, Linear, Operand, Primitive, ShapedArray, joined, united
from ..tracing import bind, here
from .families import Array
from .promotion import broadcast_to
from .series import carried

__all__ = ["At", "gather", "scatter_add", "scatter_set"]


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
