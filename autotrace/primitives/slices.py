"""Parts of arrays by integers and slices: ``slice``, whose transpose ``embed`` writes into zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ir import Linear, Operand, Primitive, ShapedArray, united
from ..tracing import bind, here
from .families import Array, Deferred, LinearMap, rearranged
from .promotion import broadcast_to, unbroadcast
from .series import carried

__all__ = ["embed"]


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


def _aval(x: Any) -> ShapedArray:
    return ShapedArray(x.shape, x.dtype)


def embed(x: Array, shape: tuple[int, ...], index: tuple[Item, ...]) -> Array:
    """Return zeros of ``shape`` with ``x`` at the basic ``index``."""
    return bind(Embed(shape, index), x)
