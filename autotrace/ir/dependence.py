"""Which inputs each element of a value depends on: what the ``sparsity`` rules of primitives give and get.

A value's dependence is a union of *layers*. A layer is an array of the value's own shape: for each element the
number of a set of inputs, 0 for none. In most layers the sets are the single inputs, so that the layer holds one
input for each element. Then what rearranges a value (a slice, a gather, a reshape) rearranges the arrays of its
layers by the same NumPy call, and a stencil of three shifted slices is three views of one array. A layer of larger
sets comes of reductions; many elements may name one set, as those of a broadcast do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["PAIRS", "Dependence", "Layer", "Operand", "Sets", "count_of", "entries_of", "joined", "united"]

Array = Any

_FEW = 12
"""So many single inputs of an element are kept as layers; more become sets."""
PAIRS = 4_000_000
"""So many pairs of elements are looked at one by one; where there are more, a rule is content with less."""
_MANY = 20_000_000
"""Sets of more members in all are not written down: every element depends on all inputs that any depends on."""


class Sets:
    """Sets of inputs: set i (from 1 on) holds ``members[starts[i - 1]:starts[i]]``, ascending."""

    __slots__ = ("members", "starts", "width")

    def __init__(self, starts: Array, members: Array, width: int) -> None:
        self.starts = starts
        self.members = members
        self.width = width
        """How many inputs there are in all."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def single(self) -> bool:
        """Whether set i holds input i - 1 alone, for every input."""
        return self.members is None

    def sizes(self, numbers: Array) -> Array:
        """Return the sizes of the sets of these ``numbers`` (from 1 on)."""
        return self.starts[numbers] - self.starts[numbers - 1]

    def expand(self, numbers: Array) -> tuple[Array, Array]:
        """Return all members of the sets of these ``numbers``, and for each the position of its set in them."""
        if self.single:
            return numbers - 1, np.arange(numbers.size)
        sizes = self.sizes(numbers)
        ends = np.cumsum(sizes)
        owners = np.repeat(np.arange(numbers.size), sizes)
        shifts = self.starts[numbers - 1] - (ends - sizes)
        return self.members[np.arange(ends[-1] if ends.size else 0) + np.repeat(shifts, sizes)], owners

    @staticmethod
    def singles(width: int) -> Sets:
        """Return the sets of one input each."""
        return Sets(range(width + 1), None, width)

    @staticmethod
    def of(owners: Array, members: Array, count: int, width: int) -> Sets:
        """Return ``count`` sets from pairs (position of a set, member), in any order, with repetitions."""
        keys = _unique(owners.astype(np.int64) * width + members)
        owners, members = np.divmod(keys, width) if width else (keys, keys)
        return Sets(np.searchsorted(owners, np.arange(count + 1)), members, width)


class Layer(NamedTuple):
    """For each element of a value the number of one of ``sets``, 0 for none."""

    numbers: Array
    sets: Sets

    def same(self, other: Layer) -> bool:
        """Tell whether two layers of one shape are equal."""
        if self.sets is not other.sets:
            return False
        a, b = self.numbers, other.numbers
        return a is b or not a.size or (a.item(0) == b.item(0) and a.item(-1) == b.item(-1) and np.array_equal(a, b))


class Dependence:
    """The inputs that each element of a value of ``shape`` depends on. Immutable.

    >>> x = Dependence.identity((3,), 0, Sets.singles(3))
    >>> total = x.mapped(lambda numbers: numbers[1:]).reduced((0,))
    >>> entries_of([total])[1]
    array([1, 2])
    """

    __slots__ = ("layers", "shape")

    def __init__(self, shape: tuple[int, ...], layers: Iterable[Layer]) -> None:
        self.shape = shape
        self.layers = tuple(layers)

    @staticmethod
    def identity(shape: tuple[int, ...], start: int, sets: Sets) -> Dependence:
        """Return that of an input: each element depends on itself, the first one being number ``start`` of all."""
        size = int(np.prod(shape))
        kind = np.int32 if sets.width < 2**31 - 1 else np.int64
        return Dependence(shape, [Layer(np.arange(start + 1, start + size + 1, dtype=kind).reshape(shape), sets)])

    def mapped(self, function: Callable[[Array], Array]) -> Dependence | None:
        """Return that of a rearranged value; ``function`` rearranges an array of its shape, and fills in zeros."""
        return joined([self], [self.shape], function)

    def masked(self, keep: Array) -> Dependence:
        """Return that of a value which depends on nothing where ``keep`` (broadcast) is false."""
        return Dependence(self.shape, [Layer(np.where(keep, n, n.dtype.type(0)), sets) for n, sets in self.layers])

    def broadcast(self, shape: tuple[int, ...]) -> Dependence:
        """Return that of the value broadcast to ``shape``."""
        if shape == self.shape:
            return self
        return Dependence(shape, [Layer(np.broadcast_to(n, shape), sets) for n, sets in self.layers])

    def reduced(self, axes: Sequence[int]) -> Dependence:
        """Return that of a value reduced over ``axes``: each element depends on all that are reduced to it."""
        kept = [i for i in range(len(self.shape)) if i not in axes]
        shape = tuple(self.shape[i] for i in kept)
        size = int(np.prod(shape))
        length = int(np.prod([self.shape[i] for i in axes]))
        if size * length == 0:
            return Dependence(shape, ())
        rows = []
        for numbers, sets in self.layers:
            # Along an axis of stride 0 all elements are one.
            numbers = numbers[tuple([slice(1) if s == 0 and i in axes else slice(None)
                                     for i, s in enumerate(numbers.strides)])]  # fmt: skip
            rows.append((np.transpose(numbers, (*kept, *axes)).reshape(size, -1), sets))
        return _gathered(rows, shape)

    def accumulated(self, axis: int) -> Dependence:
        """Return that of a running sum: each element depends on those up to it along ``axis``."""
        length = self.shape[axis]
        size = int(np.prod(self.shape))
        if size * (length + 1) // 2 > PAIRS:
            return self.along((axis,))
        positions = np.moveaxis(np.arange(size).reshape(self.shape), axis, 0)
        later, earlier = np.tril_indices(length)
        return self.collected(positions[later].ravel(), positions[earlier].ravel(), self.shape)

    def reshaped(self, shape: tuple[int, ...]) -> Dependence:
        """Return that of the value in another shape."""
        return Dependence(shape, [Layer(n.reshape(shape), sets) for n, sets in self.layers])

    def everywhere(self, shape: tuple[int, ...]) -> Dependence:
        """Return that of a value of ``shape`` every element of which depends on all that this value depends on."""
        return self.reduced(tuple(range(len(self.shape)))).broadcast(shape)

    def along(self, axes: Sequence[int], lengths: Sequence[int] | None = None) -> Dependence:
        """Return that of a value mixed along ``axes``, which get new ``lengths``: all elements along them matter."""
        axes = [axis % len(self.shape) for axis in axes]
        if lengths is None:
            lengths = [self.shape[axis] for axis in axes]
        shape, kept = list(self.shape), list(self.shape)
        for axis, length in zip(axes, lengths, strict=True):
            shape[axis], kept[axis] = length, 1
        mixed = self.reduced(axes)
        return mixed.reshaped(tuple(kept)).broadcast(tuple(shape))

    def collected(self, targets: Array, sources: Array, shape: tuple[int, ...]) -> Dependence:
        """Return that of a value of ``shape`` whose element ``targets[i]`` depends on element ``sources[i]`` of this.

        Elements are counted in C order; both may repeat.
        """
        size = int(np.prod(shape))
        if not targets.size or not self.layers:
            return Dependence(shape, ())
        if targets.size > 1 and np.any(targets[1:] < targets[:-1]):
            order = np.argsort(targets, kind="stable")
            targets, sources = targets[order], sources[order]
        starts = np.searchsorted(targets, np.arange(size))
        ranks = np.arange(targets.size) - starts[targets]
        most = int(ranks.max()) + 1
        if most * len(self.layers) > _FEW or size * most > 4 * targets.size + 1000:
            return self._collected_sets(targets, sources, shape)
        rows = []
        for numbers, sets in self.layers:
            table = np.zeros((size, most), numbers.dtype)
            table[targets, ranks] = numbers.ravel()[sources]
            rows.append((table, sets))
        return _gathered(rows, shape)

    def _collected_sets(self, targets: Array, sources: Array, shape: tuple[int, ...]) -> Dependence:
        size = int(np.prod(shape))
        pairs, total = [], 0
        for numbers, sets in self.layers:
            chosen = numbers.ravel()[sources]
            some = chosen != 0
            pairs.append((chosen[some], targets[some], sets))
            total += int(chosen.size if sets.single else sets.sizes(chosen[some]).sum())
        return self.everywhere(shape) if total > _MANY else _from_pairs(pairs, size, shape)


def _from_pairs(pairs: Sequence[tuple[Array, Array, Sets]], size: int, shape: tuple[int, ...]) -> Dependence:
    """Return a dependence from triples (numbers of sets, the elements that have them, the sets)."""
    members, owners = [], []
    for numbers, targets, sets in pairs:
        found, positions = sets.expand(numbers)
        members.append(found)
        owners.append(targets[positions])
    width = pairs[0][2].width
    sets = Sets.of(np.concatenate(owners), np.concatenate(members), size, width)
    kind = np.int32 if size < 2**31 - 1 else np.int64
    numbers = np.arange(1, size + 1, dtype=kind)
    return Dependence(shape, [Layer(numbers.reshape(shape), sets)] if sets.members.size else [])


def _gathered(rows: Sequence[tuple[Array, Sets]], shape: tuple[int, ...]) -> Dependence:
    """Return that of a value whose element i depends on the sets that row i of each table names."""
    if sum(table.shape[1] for table, _ in rows) <= _FEW:
        layers = [Layer(table[:, k].reshape(shape), sets) for table, sets in rows for k in range(table.shape[1])]
        return _tidy(shape, layers)
    pairs, total = [], 0
    for table, sets in rows:
        # Equal neighbours, as they come from a broadcast value, count once.
        fresh = table != 0
        fresh[:, 1:] &= table[:, 1:] != table[:, :-1]
        owners, _ = np.nonzero(fresh)
        numbers = table[fresh]
        total += int(numbers.size if sets.single else sets.sizes(numbers).sum())
        pairs.append((numbers, owners, sets))
    size = rows[0][0].shape[0]
    return _mixed(pairs, shape) if total > _MANY else _from_pairs(pairs, size, shape)


def _mixed(pairs: Sequence[tuple[Array, Array, Sets]], shape: tuple[int, ...]) -> Dependence:
    """Return that of a value of ``shape`` every element of which depends on all sets that are named."""
    once = [(_unique(numbers), sets) for numbers, _, sets in pairs]
    return _from_pairs([(n, np.zeros(n.size, int), sets) for n, sets in once], 1, ()).broadcast(shape)


def _tidy(shape: tuple[int, ...], layers: Sequence[Layer]) -> Dependence:
    """Return the union of ``layers`` without repetitions; too many become sets."""
    found: list[Layer] = []
    for layer in layers:
        if not any(layer.same(other) for other in found):
            found.append(layer)
    tables = [layer for layer in found if not layer.sets.single]
    if tables and len(found) > 1:
        widest = max(tables, key=lambda layer: layer.sets.members.size)
        found = [layer for layer in found if layer is widest or not _within(layer, widest)]
    if len(found) > 2 * _FEW or sum(not layer.sets.single for layer in found) > 2:
        return _consolidated(shape, found)
    return Dependence(shape, found)


def _within(layer: Layer, table: Layer) -> bool:
    """Tell whether every element's set in ``layer`` is certainly part of its set in ``table``."""
    if not layer.numbers.size:
        return True
    sets, width = table.sets, table.sets.width
    if sets.members.size == len(sets) * width:
        return bool(np.all(table.numbers != 0))
    if not layer.sets.single:
        return False
    inner, outer = (n[_first(layer.numbers, table.numbers)] for n in (layer.numbers, table.numbers))
    inner, outer = inner.ravel(), outer.ravel()
    some = inner != 0
    inner, outer = inner[some].astype(np.int64) - 1, outer[some].astype(np.int64)
    if np.any(outer == 0):
        return False
    keys = np.repeat(np.arange(len(sets), dtype=np.int64), np.diff(sets.starts)) * width + sets.members
    wanted = (outer - 1) * width + inner
    places = np.searchsorted(keys, wanted)
    return bool(np.all(places < keys.size)) and np.array_equal(keys[places], wanted)


def _first(*arrays: Array) -> tuple[slice, ...]:
    """Return the index of the first element along each axis along which none of ``arrays`` varies: of stride 0."""
    return tuple(
        slice(1) if all(array.strides[i] == 0 for array in arrays) else slice(None) for i in range(arrays[0].ndim)
    )


def _consolidated(shape: tuple[int, ...], layers: Sequence[Layer]) -> Dependence:
    """Return layers as one, of sets."""
    index = _first(*[layer.numbers for layer in layers])
    part = [(layer.numbers[index], layer.sets) for layer in layers]
    inner = part[0][0].shape
    pairs, total = [], 0
    for numbers, sets in part:
        flat = numbers.ravel()
        (owners,) = np.nonzero(flat)
        total += int(owners.size if sets.single else sets.sizes(flat[owners]).sum())
        pairs.append((flat[owners], owners, sets))
    if total > _MANY:
        return _mixed(pairs, shape)
    return _from_pairs(pairs, int(np.prod(inner)), inner).broadcast(shape)


def united(dependences: Iterable[Dependence | None], shape: tuple[int, ...]) -> Dependence | None:
    """Return that of a value whose elements depend on those of several values of ``shape`` or rank 0."""
    found = [d for d in dependences if d is not None]
    if len(found) == 1:
        return found[0].broadcast(shape)
    return _tidy(shape, [layer for d in found for layer in d.broadcast(shape).layers]) if found else None


def joined(
    dependences: Sequence[Dependence | None], shapes: Sequence[tuple[int, ...]], function: Callable[..., Array]
) -> Dependence | None:
    """Return that of a value put together from several; ``function`` does so for arrays of their ``shapes``.

    Each element of its result is one of theirs, or 0.
    """
    tables = {id(s): s for d in dependences if d is not None for _, s in d.layers if not s.single}
    offsets: dict[int, int] = {}
    whole: Sets | None = None
    if len(tables) == 1:
        whole = next(iter(tables.values()))
        offsets[id(whole)] = 0
    elif tables:
        whole = _appended(list(tables.values()), offsets)
    layers: list[Layer] = []
    shape: tuple[int, ...] | None = None
    for single in (True, False):
        stacks = [[] if d is None else [layer for layer in d.layers if layer.sets.single is single]
                  for d in dependences]  # fmt: skip
        for level in range(max(map(len, stacks), default=0)):
            arrays = [
                _renumbered(stack[level], offsets) if level < len(stack) else _nothing(s)
                for stack, s in zip(stacks, shapes, strict=True)
            ]
            sets = next(stack[level].sets for stack in stacks if level < len(stack)) if single else whole
            numbers = np.asarray(function(*arrays))
            shape = numbers.shape
            layers.append(Layer(numbers, sets))  # type: ignore[arg-type]
    return None if shape is None else _tidy(shape, layers)


def _renumbered(layer: Layer, offsets: dict[int, int]) -> Array:
    """Return the numbers of a layer's sets among all sets, appended to each other."""
    offset = offsets.get(id(layer.sets), 0)
    return np.where(layer.numbers, layer.numbers + offset, 0) if offset else layer.numbers


def _nothing(shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.int32(0), shape)


def _appended(tables: Sequence[Sets], offsets: dict[int, int]) -> Sets:
    """Return the sets of several tables as one, and in ``offsets`` how far the numbers of each have moved."""
    count = size = 0
    starts = [np.zeros(1, np.int64)]
    for table in tables:
        offsets[id(table)] = count
        starts.append(np.asarray(table.starts[1:]) + size)
        count += len(table)
        size += table.members.size
    return Sets(np.concatenate(starts), np.concatenate([t.members for t in tables]), tables[0].width)


def _unique(keys: Array) -> Array:
    """Return ``keys`` ascending without repetitions."""
    if keys.size < 2:
        return keys
    if not np.all(keys[1:] > keys[:-1]):
        keys = np.sort(keys, axis=None)
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    return keys


def count_of(dependences: Iterable[Dependence | None]) -> int:
    """Return how many pairs (element, input) the layers hold; those in several layers count in each."""
    total = 0
    for dependence in dependences:
        for numbers, sets in () if dependence is None else dependence.layers:
            if sets.single:
                total += numbers.size
            else:
                total += int(np.concatenate([[0], np.diff(sets.starts)])[numbers].sum())
    return total


def entries_of(dependences: Iterable[Dependence | None], sizes: Sequence[int] | None = None) -> tuple[Array, Array]:
    """Return all pairs (element, input) of several values in a row, as two arrays sorted by element, then input.

    ``sizes`` are the numbers of elements of the values; they need be given if some depend on nothing.
    """
    dependences = list(dependences)
    if sizes is None:
        sizes = [int(np.prod(d.shape)) for d in dependences if d is not None]
    keys: list[Array] = []
    start, width = 0, 1
    for dependence, size in zip(dependences, sizes, strict=True):
        for numbers, sets in () if dependence is None else dependence.layers:
            flat, width = numbers.ravel(), sets.width
            elements = np.arange(start, start + size, dtype=np.int64)
            if not flat.all():
                elements, flat = elements[flat != 0], flat[flat != 0]
            members, positions = sets.expand(flat)
            keys.append((elements if sets.single else elements[positions]) * width + members)
        start += size
    if not keys:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows, columns = np.divmod(_unique(np.concatenate(keys)), width)
    return rows, columns


class Operand:
    """An operand of an equation, as ``sparsity`` rules see it."""

    __slots__ = ("_value", "aval", "dependence")

    def __init__(self, aval: Any, dependence: Dependence | None, value: Callable[[], Any]) -> None:
        self.aval = aval
        self.dependence = dependence
        """None if it depends on no input; always None unless it is inexact."""
        self._value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def value(self) -> Any:
        """The array, if the program itself determines it; else None."""
        return self._value()
