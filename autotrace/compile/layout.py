"""The order in which arrays lie in memory: a long axis last, whatever place it has in the program.

NumPy runs along the last axis of an array. Where that is short and another is long, as in a batch of small vectors
or in distances from many points to few centres, stretching, reducing and cutting cost several times what they cost with
the long axis last. So such arrays are computed transposed. Elementwise equations, contractions, reductions, joins and
cuts take and give them so; the others get a transposed view, which is the array again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..ir import Atom, Equation, Jaxpr, Primitive, ShapedArray, Var, eliminate_dead_code
from ..primitives.arithmetic import Mul
from ..primitives.contraction import Einsum, canonical
from ..primitives.families import Elementwise
from ..primitives.promotion import Broadcast, Convert
from ..primitives.reduction import ReduceSum, Reduction
from ..primitives.shape import Concatenate, Reshape, Stack, Transpose
from ..primitives.slices import Embed, EmbedSum, Slice
from .simplify import simplify

__all__ = ["LaidOut", "lay_out"]

Axes = tuple[int, ...]
"""An order of axes: where in the program's array stands each axis of the array that is computed."""

_SHORT = 32
"""Length up to which a last axis is short."""
_LONG = 128
"""Length from which another axis is long, if it is eight times as long as the last one;"""
_LONGEST = 32_768
"""and up to which it is no array for blocks of rows."""


class LaidOut(Primitive):
    """``np.transpose(x, axes)`` in memory of that order."""

    axes: tuple[int, ...]
    required: ClassVar[tuple[str, ...]] = ("impl", "abstract")

    def impl(self, x: Any) -> Any:
        return np.ascontiguousarray(np.transpose(x, self.axes))

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(shape=tuple([x.shape[i] for i in self.axes]))


def lay_out(jaxpr: Jaxpr) -> Jaxpr:
    """Return ``jaxpr`` with arrays that have a long axis before a short last one computed with the long one last."""
    if not any(_wanted(v.aval) for e in jaxpr.equations for v in e.outputs):
        return jaxpr
    return simplify(_Layout(jaxpr).rewritten())  # axes of length 1 that come and go


def _wanted(aval: ShapedArray) -> Axes | None:
    """Return the order with the longest axis last, if the last one is short beside it."""
    shape = aval.shape
    if len(shape) < 2 or min(shape) < 1:
        return None
    longest = max(shape)
    if shape[-1] > _SHORT or not max(_LONG, 8 * shape[-1]) <= longest <= _LONGEST:
        return None
    axis = shape.index(longest)
    return (*[i for i in range(len(shape)) if i != axis], axis)


class _Layout:
    """The program as it is rewritten, and how each variable of the old one is had in the new one.

    A variable is *stored* in some order of its axes. Broadcasts are *stretched*: they are written where they are
    read, in the order that is asked for, since they cost nothing there.
    """

    def __init__(self, jaxpr: Jaxpr) -> None:
        self._jaxpr = jaxpr
        self._equations: list[Equation] = []
        self._stored: dict[Atom, tuple[Atom, Axes]] = {}
        self._stretched: dict[Atom, Equation] = {}
        self._made: dict[tuple[Atom, Axes], Atom] = {}
        self._dynamic = any(map(_is_dynamic, jaxpr.equations))
        self._source: Any = None
        """Of the equation that is being rewritten."""

    def rewritten(self) -> Jaxpr:
        """Return the new program."""
        self._turn_inputs()
        for equation in self._jaxpr.equations:
            self._source = equation.source
            rule = _rule_of(type(equation.primitive))
            if rule is None or (self._dynamic and _is_dynamic(equation)) or not rule(self, equation):
                self._keep(equation)
        outputs = tuple([self._natural(v) for v in self._jaxpr.outputs])
        return eliminate_dead_code(self._jaxpr.replace(equations=self._equations, outputs=outputs))

    def _turn_inputs(self) -> None:
        """Lay out inputs that are cut in several parts, each of which would be read in steps."""
        cuts = Counter([e.inputs[0] for e in self._jaxpr.equations if type(e.primitive) is Slice])
        for var in self._jaxpr.in_vars:
            axes = _wanted(var.aval)
            if axes is not None and cuts[var] >= 3:
                self._made[var, _same(var)] = var
                self._stored[var] = self._put(LaidOut(axes), (var,), _permuted(var.aval, axes)), axes

    def _put(self, primitive: Primitive, inputs: Sequence[Atom], aval: ShapedArray) -> Var:
        out = Var(aval)
        self._equations.append(Equation(primitive, tuple(inputs), (out,), self._source))
        return out

    def _keep(self, equation: Equation) -> None:
        inputs = tuple([self._natural(v) for v in equation.inputs])
        self._equations.append(equation._replace(inputs=inputs))

    def _store(self, equation: Equation, primitive: Primitive, inputs: Sequence[Atom], axes: Axes) -> bool:
        """Write ``equation``, whose result has ``axes``."""
        (out,) = equation.outputs
        if axes == _same(out):
            self._equations.append(equation._replace(primitive=primitive, inputs=tuple(inputs)))
        else:
            self._stored[out] = self._put(primitive, inputs, _permuted(out.aval, axes)), axes
        return True

    def _stored_as(self, atom: Atom) -> tuple[Atom, Axes]:
        return self._stored.get(atom) or (self._natural(atom), _same(atom))

    def _is_turned(self, atom: Atom) -> bool:
        return atom in self._stored

    def _natural(self, atom: Atom) -> Atom:
        """Return the variable in the order that it has in the old program."""
        key = (atom, _same(atom))
        if key not in self._made:
            if atom in self._stretched:
                self._keep(self._stretched[atom])
            elif atom in self._stored:
                stored, axes = self._stored[atom]
                back = tuple([axes.index(i) for i in range(len(axes))])
                self._equations.append(Equation(Transpose(back), (stored,), (atom,), self._source))  # type: ignore[arg-type]
            self._made[key] = atom
        return self._made[key]

    def _ordered(self, atom: Atom, axes: Axes) -> Atom:
        """Return what has the elements of the variable with its axes in this order."""
        if not atom.aval.ndim or axes == _same(atom):
            return self._natural(atom)
        key = (atom, axes)
        if key not in self._made:
            if atom in self._stretched:
                narrow = self._stretched[atom].inputs[0]
                rank = len(axes)
                own = (1,) * (rank - narrow.aval.ndim) + narrow.aval.shape
                turned = self._turned(narrow, own, axes) if narrow.aval.ndim else narrow
                turned = self._without_ones(turned)
                aval = _permuted(atom.aval, axes)
                self._made[key] = self._put(Broadcast(aval.shape), (turned,), aval)
            else:
                self._made[key] = self._turned(atom, atom.aval.shape, axes)
        return self._made[key]

    def _turned(self, atom: Atom, shape: Axes, axes: Axes) -> Atom:
        """Return ``atom``, seen in a ``shape`` with more axes of length 1 in front, with its axes in this order."""
        stored, order = self._stored_as(atom)
        more = len(shape) - len(order)
        long = [i for i in axes if shape[i] != 1]
        final = atom.aval.update(shape=tuple([shape[i] for i in axes]))
        if [i + more for i in order if shape[i + more] != 1] == long:  # axes of length 1 are nowhere in memory
            return stored if stored.aval.shape == final.shape else self._put(Reshape(final.shape), (stored,), final)
        whole = self._natural(atom)
        if more:
            whole = self._put(Reshape(shape), (whole,), atom.aval.update(shape=shape))
        return self._put(LaidOut(axes), (whole,), final)

    def _without_ones(self, atom: Atom) -> Atom:
        """Drop axes of length 1 in front: NumPy stretches without them."""
        shape = atom.aval.shape
        rest = shape[next((i for i, n in enumerate(shape) if n != 1), len(shape)) :]
        return atom if rest == shape else self._put(Reshape(rest), (atom,), atom.aval.update(shape=rest))

    def stretch(self, equation: Equation) -> bool:
        """Put a broadcast off."""
        (out,) = equation.outputs
        if out.aval.ndim < 2:
            return False
        self._stretched[out] = equation
        return True

    def elementwise(self, equation: Equation) -> bool:
        """Take the order that most operands have; where all are stretched, the one that is wanted."""
        (out,) = equation.outputs
        shape = out.aval.shape
        if len(shape) < 2 or any(v.aval.ndim and v.aval.shape != shape for v in equation.inputs):
            return False
        whole = [v for v in equation.inputs if v.aval.ndim and v not in self._stretched]
        votes = Counter([self._stored_as(v)[1] for v in whole])
        wanted = _wanted(out.aval)
        axes = max(votes, key=lambda order: (votes[order], order == wanted)) if votes else wanted or _same(out)
        return self._store(equation, equation.primitive, [self._ordered(v, axes) for v in equation.inputs], axes)

    def reduction(self, equation: Equation) -> bool:
        (x,), primitive = equation.inputs, equation.primitive
        if not self._is_turned(x) or primitive.fields != ("axes",):
            return False
        stored, order = self._stored_as(x)
        dropped = primitive.axes  # type: ignore[attr-defined]
        places = tuple([j for j, i in enumerate(order) if i in dropped])
        return self._store(equation, type(primitive)(places), [stored], _renumbered(order, dropped))

    def contraction(self, equation: Equation) -> bool:
        (out,) = equation.outputs
        axes = _wanted(out.aval) or _same(out)
        if axes == _same(out) and not any(map(self._is_turned, equation.inputs)):
            return False
        operands, result = equation.primitive.subscripts.split("->")  # type: ignore[attr-defined]
        stored = [self._stored_as(v) for v in equation.inputs]
        x, y = [_letters(t, order) for t, (_, order) in zip(operands.split(","), stored, strict=True)]
        inputs, out_letters = [v for v, _ in stored], _letters(result, axes)
        product = self._product(x, y, out_letters, inputs)
        if product is not None:
            return self._store(equation, ReduceSum(product[1]), [product[0]], axes)
        return self._store(equation, Einsum(canonical(f"{x},{y}->{out_letters}")), inputs, axes)

    def _product(self, x: str, y: str, out: str, inputs: Sequence[Atom]) -> tuple[Atom, Axes] | None:
        """Multiply two stacks of short vectors, the stack along the last axis of both; return also the axes to sum.

        As products of matrices they would be taken one by one, each with its elements far apart.
        """
        whole, aval = max((x, inputs[0].aval), (y, inputs[1].aval), key=lambda operand: len(operand[0]))
        if any([c for c in whole if c in t] != [*t] or t[-1:] != whole[-1] for t in (x, y, out)):
            return None
        axes = tuple([i for i, c in enumerate(whole) if c not in out])
        if not axes or math.prod([aval.shape[i] for i in axes]) > _SHORT or aval.dtype.kind not in "fc":
            return None
        factors = []
        for letters, atom in zip((x, y), inputs, strict=True):
            shape = tuple([n if c in letters else 1 for c, n in zip(whole, aval.shape, strict=True)])
            if shape != aval.shape:
                spread = self._put(Reshape(shape), (atom,), aval.update(shape=shape))
                atom = self._put(Broadcast(aval.shape), (self._without_ones(spread),), aval)
            factors.append(atom)
        return self._put(Mul(), factors, aval), axes

    def transpose(self, equation: Equation) -> bool:
        """Only remember it."""
        (x,), (out,), axes = equation.inputs, equation.outputs, equation.primitive.axes  # type: ignore[attr-defined]
        stored, order = self._stored_as(x)
        turned = tuple([axes.index(i) for i in order])
        if turned == _same(out):
            self._made[out, turned] = stored
        else:
            self._stored[out] = stored, turned
        return True

    def reshape(self, equation: Equation) -> bool:
        """Add or drop axes of length 1; what else there is needs the natural order."""
        (x,), (out,) = equation.inputs, equation.outputs
        old, new = ([i for i, n in enumerate(v.aval.shape) if n != 1] for v in (x, out))
        if not self._is_turned(x) or [x.aval.shape[i] for i in old] != [out.aval.shape[i] for i in new]:
            return False
        stored, order = self._stored_as(x)
        ones = [i for i in range(out.aval.ndim) if i not in new]
        axes = (*ones, *[new[old.index(i)] for i in order if i in old])
        return self._store(equation, Reshape(_permuted(out.aval, axes).shape), [stored], axes)

    def cut(self, equation: Equation) -> bool:
        (x,), index = equation.inputs, equation.primitive.index  # type: ignore[attr-defined]
        if not self._is_turned(x):
            return False
        stored, order = self._stored_as(x)
        turned, left = _turned_index(index, x.aval.shape, order)
        return self._store(equation, Slice(turned), [stored], left)

    def embed(self, equation: Equation) -> bool:
        """Put parts in their places of an array that is laid out as it is wanted."""
        (out,), primitive = equation.outputs, equation.primitive
        axes = _wanted(out.aval)
        if axes is None:
            return False
        alone = type(primitive) is Embed
        indices = (primitive.index,) if alone else primitive.indices  # type: ignore[attr-defined]
        places, parts = [], []
        for index, x in zip(indices, equation.inputs, strict=True):
            turned, left = _turned_index(index, out.aval.shape, axes)
            places.append(turned)
            parts.append(self._ordered(x, left))
        shape = _permuted(out.aval, axes).shape
        made = Embed(shape, places[0]) if alone else EmbedSum(shape, tuple(places))
        return self._store(equation, made, parts, axes)

    def join(self, equation: Equation) -> bool:
        """Join arrays of which one is turned, or rows."""
        (out,), primitive = equation.outputs, equation.primitive
        axes, axis = _wanted(out.aval), primitive.axis  # type: ignore[attr-defined]
        if axes is None or not any(self._is_turned(v) or v.aval.ndim == 1 for v in equation.inputs):
            return False
        each = axes if type(primitive) is Concatenate else _renumbered(axes, [axis])
        parts = [self._ordered(v, each) for v in equation.inputs]
        return self._store(equation, type(primitive)(axes.index(axis)), parts, axes)


_RULES: dict[Any, Callable[[_Layout, Equation], bool]] = {
    Elementwise: _Layout.elementwise,
    Convert: _Layout.elementwise,
    Broadcast: _Layout.stretch,
    Reduction: _Layout.reduction,
    Einsum: _Layout.contraction,
    Transpose: _Layout.transpose,
    Reshape: _Layout.reshape,
    Slice: _Layout.cut,
    Embed: _Layout.embed,
    EmbedSum: _Layout.embed,
    Concatenate: _Layout.join,
    Stack: _Layout.join,
}
"""Each writes an equation for operands as they are stored, or returns False."""


_known: dict[type, Callable[[_Layout, Equation], bool] | None] = {}


def _rule_of(kind: type) -> Callable[[_Layout, Equation], bool] | None:
    if kind not in _known:
        _known[kind] = next((rule for base, rule in _RULES.items() if issubclass(kind, base)), None)
    return _known[kind]


def _is_dynamic(equation: Equation) -> bool:
    """Whether a length is known only at run time."""
    return any(min(v.aval.shape, default=0) < 0 for v in (*equation.inputs, *equation.outputs))


def _same(atom: Atom) -> Axes:
    """The order of the program."""
    return tuple(range(atom.aval.ndim))


def _permuted(aval: ShapedArray, axes: Axes) -> ShapedArray:
    return aval.update(shape=tuple([aval.shape[i] for i in axes]))


def _renumbered(axes: Sequence[int], dropped: Sequence[int]) -> Axes:
    """Return the order of the axes that are left once some are dropped."""
    left = sorted(set(axes) - set(dropped))
    return tuple([left.index(i) for i in axes if i not in dropped])


def _turned_index(index: tuple[Any, ...], shape: Axes, axes: Axes) -> tuple[tuple[Any, ...], Axes]:
    """Return an index into an array of ``shape`` for its axes in another order, and the order of those it leaves."""
    items = (*index, *[(0, n, 1) for n in shape[len(index) :]])
    dropped = [i for i, item in enumerate(items) if type(item) is int]
    return tuple([items[i] for i in axes]), _renumbered(axes, dropped)


def _letters(letters: str, axes: Axes) -> str:
    return "".join([letters[i] for i in axes])
