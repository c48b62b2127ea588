"""Elementwise regions on large arrays, run block by block in scratch that stays in the cache, on several threads.

``fuse`` gathers equations of one shape in a ``fused`` equation that holds them as a program. Its kernel cuts
the axis in blocks; for each block it runs every equation into small buffers with ``out=``, so that
intermediate arrays never reach memory. Sums over the whole region are gathered block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..ir import Atom, Equation, Jaxpr, Primitive, ShapedArray, Var, eliminate_dead_code
from ..primitives.arithmetic import IntegerPow
from ..primitives.comparison import Select
from ..primitives.promotion import Broadcast, Convert
from .kernels import ufunc_of
from .region import GATHERED, Region, can_cut, shape_of

__all__ = ["SMALLEST", "Fused", "fuse"]

SMALLEST = 32_768
"""Elements: smaller arrays stay in the cache anyway."""


class Fused(Primitive):
    """``jaxpr``, a program of elementwise equations of one shape and of whole sums, done in one pass."""

    jaxpr: Jaxpr
    multiple: ClassVar[bool] = True
    required: ClassVar[tuple[str, ...]] = ("impl", "abstract")

    @cached_property
    def kernel(self) -> Callable[..., Sequence[Any]]:
        """The pass over blocks."""
        return Region(self.jaxpr)

    @cached_property
    def overwrites(self) -> list[tuple[int, int]]:
        """Pairs of an output and an input in whose memory it may be written: it is read no more by then."""
        equations = self.jaxpr.equations
        last = {v: i for i, e in enumerate(equations) for v in e.inputs}
        made: dict[Atom, tuple[int, Primitive]] = {e.outputs[0]: (i, e.primitive) for i, e in enumerate(equations)}
        stretched = {e.inputs[0] for e in equations if type(e.primitive) is Broadcast}
        shape = shape_of(equations)
        pairs = []
        for k, var in enumerate(self.jaxpr.in_vars):
            if var.aval.shape != shape or var in stretched:
                continue
            for i, out in enumerate(self.jaxpr.outputs):
                index, primitive = made[out]
                before = last[var] < index or (last[var] == index and ufunc_of(primitive) is not None)
                if before and out.aval.shape == shape and var.aval.dtype == out.aval.dtype:
                    pairs.append((i, k))
        return pairs

    def impl(self, *inputs: Any) -> Sequence[Any]:
        return self.kernel(*inputs)

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        return [page.call(targets, self.jaxpr, operands, self.name)]

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        return self.jaxpr.out_avals

    def called(self) -> Jaxpr:
        return self.jaxpr


def fuse(jaxpr: Jaxpr) -> Jaxpr:
    """Return ``jaxpr`` with runs of elementwise equations on large arrays as ``fused`` equations.

    A region is held back while equations of its shape join it, and written when something else reads from it.
    What is held back never depends on another region that is held back.
    """
    if not any(v.aval.size >= SMALLEST for e in jaxpr.equations for v in e.outputs):
        return jaxpr
    regions = _Regions()
    stretched = {e.outputs[0] for e in jaxpr.equations if type(e.primitive) is Broadcast}
    for equation in jaxpr.equations:
        # In a region a stretched operand stays as small as it is, which a sum over it must not see.
        sums_stretched = type(equation.primitive) in GATHERED and equation.inputs[0] in stretched
        shape = None if sums_stretched else _region_of(equation)
        for atom in equation.inputs:
            regions.leave(atom, shape)
        if shape is None:
            regions.written.append([equation])
        else:
            regions.join(equation, shape)
    regions.flush_all()
    return _assemble(jaxpr, regions.written)


class _Regions:
    """The regions being gathered, by shape, and what is written already: lists of equations, each one region."""

    def __init__(self) -> None:
        self.written: list[list[Equation]] = []
        self._pending: dict[tuple[int, ...], list[Equation]] = {}
        self._owner: dict[Atom, tuple[tuple[int, ...], bool]] = {}
        """For what a pending region makes: its shape, and whether the region itself may read it."""

    def leave(self, atom: Atom, shape: tuple[int, ...] | None) -> None:
        """Write the region that makes ``atom`` unless an equation of ``shape``, which reads it, can join it."""
        found = self._owner.get(atom) if type(atom) is Var else None
        if found is not None and (found[0] != shape or not found[1]):
            self._flush(found[0])

    def join(self, equation: Equation, shape: tuple[int, ...]) -> None:
        self._pending.setdefault(shape, []).append(equation)
        (out,) = equation.outputs
        self._owner[out] = (shape, out.aval.shape == shape)

    def _flush(self, shape: tuple[int, ...]) -> None:
        group = self._pending.pop(shape)
        for equation in group:
            del self._owner[equation.outputs[0]]
        self.written.append(group)

    def flush_all(self) -> None:
        for shape in list(self._pending):
            self._flush(shape)


def _region_of(equation: Equation) -> tuple[int, ...] | None:
    """Return the shape of the region that an equation may be part of."""
    primitive = equation.primitive
    if len(equation.outputs) != 1:
        return None
    shape = equation.outputs[0].aval.shape
    if type(primitive) in GATHERED:
        if not primitive.axes:  # type: ignore[attr-defined]
            return None
        shape = equation.inputs[0].aval.shape
    elif ufunc_of(primitive) is None and type(primitive) not in (Select, IntegerPow, Convert):
        return None
    large = len(shape) > 0 and int(np.prod(shape)) >= SMALLEST
    return shape if large and all(v.aval.dtype.kind in "fciub" for v in equation.inputs) else None


def _assemble(jaxpr: Jaxpr, groups: Sequence[list[Equation]]) -> Jaxpr:
    """Write the program: groups of two and more that pay as fused equations, the others as they are.

    A broadcast that a region reads is repeated in it, where it costs nothing.
    """
    readers: dict[Atom, int] = {}
    for atom in (*jaxpr.outputs, *[v for e in jaxpr.equations for v in e.inputs]):
        readers[atom] = readers.get(atom, 0) + 1
    broadcasts: dict[Atom, Equation] = {e.outputs[0]: e for e in jaxpr.equations if type(e.primitive) is Broadcast}
    equations: list[Equation] = []
    for group in groups:
        read = dict.fromkeys(v for e in group for v in e.inputs if v in broadcasts)
        whole = [*[broadcasts[v] for v in read], *group]
        if len(group) < 2 or not can_cut(whole):
            equations.extend(group)
        else:
            equations.append(_fused(whole, group, readers))
    return eliminate_dead_code(jaxpr.replace(equations=equations))


def _fused(whole: Sequence[Equation], group: Sequence[Equation], readers: dict[Atom, int]) -> Equation:
    made = {e.outputs[0] for e in whole}
    inner: dict[Atom, int] = {}
    for atom in [v for e in group for v in e.inputs]:
        inner[atom] = inner.get(atom, 0) + 1
    inputs = tuple(dict.fromkeys(v for e in whole for v in e.inputs if type(v) is Var and v not in made))
    outputs = tuple(v for e in group for v in e.outputs if readers.get(v, 0) > inner.get(v, 0))
    return Equation(Fused(Jaxpr(inputs, whole, outputs)), inputs, outputs, group[-1].source)
