"""cond: one of several programs, as an index says."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..compile.blocks import Branches
from ..compile.program import Program
from ..ir import Jaxpr, Linear, Linearized, Operand, Primitive, Run, ShapedArray, Slot, Var, eliminate_dead_code
from ..primitives.gathers import gather
from ..tracing import bind, evaluate
from ..transforms.linear import transpose_jaxpr
from .loops import batched_avals, chosen, marked, read_inputs, tangents_of
from .programs import (
    Split,
    batched_program,
    conditional,
    derive,
    filled,
    has_effect,
    pushed_program,
    reached,
    remembered,
    split,
    tangent_of,
    zeros,
)
from .series import Marks, gathered_series, higher, higher_avals, marks_of, pushed_series
from .sparsity import sparsity_of_branches
from .while_loop import own_rows

__all__ = ["Cond"]


class Cond(Primitive):
    """The program of ``branches`` at the index, the first operand, on the other operands.

    An index out of range means the nearest branch; ``False`` is the first one, ``True`` the second. ``owners`` tells
    for an output the branch that alone gives it a meaning (-1: all do); none need be told.
    """

    branches: tuple[Jaxpr, ...]
    owners: tuple[int, ...] = ()
    multiple: ClassVar[bool] = True
    dynamic: ClassVar[bool] = True

    @cached_property
    def effect(self) -> bool:  # type: ignore[override]
        """Whether a program has equations that must be kept."""
        return has_effect(*self.branches)

    @cached_property
    def programs(self) -> tuple[Program, ...]:
        """The branches, compiled once they have run often enough."""
        return tuple(map(Program, self.branches))

    @cached_property
    def _block(self) -> Branches:
        return Branches(tuple([program.optimized for program in self.programs]))

    def block(self) -> Branches:
        return self._block

    @cached_property
    def outputs(self) -> tuple[ShapedArray, ...]:
        """The avals of the outputs: those of the branch that gives them their meaning."""
        owners = self.owners or (-1,) * len(self.branches[0].outputs)
        return tuple([self.branches[max(k, 0)].outputs[i].aval.strong() for i, k in enumerate(owners)])

    def impl(self, index: Any, *operands: Any) -> Sequence[Any]:
        return self.programs[min(max(int(index), 0), len(self.branches) - 1)](*operands)

    def spell_lines(self, page: Any, targets: Sequence[str], index: Any, *operands: Any) -> list[str]:
        calls = [page.call(targets, branch, operands, "branch") for branch in self.branches]
        if index.aval.dtype.kind == "b" and len(calls) == 2:
            return [f"if {index}:", "    " + calls[1], "else:", "    " + calls[0]]
        if len(calls) == 1:
            return calls
        heads = [f"{'elif' if k else 'if'} {index} {'==' if k else '<='} {k}:" for k in range(len(calls) - 1)]
        cases = zip([*heads, "else:"], calls, strict=True)
        return [line for head, call in cases for line in (head, "    " + call)]

    def abstract(self, index: ShapedArray, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        if index.ndim or index.dtype.kind not in "biu":
            raise TypeError(f"cond: the index must be an integer or a truth; got {index}.")
        for branch in self.branches:
            if [(a.shape, a.dtype) for a in avals] != [(v.aval.shape, v.aval.dtype) for v in branch.in_vars]:
                raise TypeError(f"cond: operands must be {branch.in_avals}; got {avals}.")
        return self.outputs

    def runs(self) -> Sequence[Run]:
        return [Run(branch, 1, alternative=True) for branch in self.branches]

    def _reached(self, marks: Sequence[bool], derivatives: bool) -> list[bool]:
        """Tell which outputs depend on marked operands in some branch."""
        found = [reached(branch, marks, derivatives) for branch in self.branches]
        return [any(some) for some in zip(*found, strict=True)]

    @remembered
    def pruned(self, used: tuple[bool, ...]) -> tuple[Cond, list[int], list[int]] | None:
        """Drop outputs that nobody needs, and operands that no branch reads then."""
        if self.effect or all(used):
            return None
        shorter = [eliminate_dead_code(b.replace(outputs=marked(b.outputs, used))) for b in self.branches]
        reads = [any(some) for some in zip(*map(read_inputs, shorter), strict=True)]
        branches = tuple([b.replace(in_vars=marked(b.in_vars, reads)) for b in shorter])
        owners = tuple(marked(self.owners, used)) if self.owners else ()
        places = [0, *[i + 1 for i, read in enumerate(reads) if read]]
        return Cond(branches, owners), places, marked(range(len(used)), used)

    # -- derivatives -------------------------------------------------------------------------------

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return self.push(primals, tangents)[1]

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        marks = tuple([t is not None for t in tangents[1:]])
        primitive, some = self._pushed(marks)
        outs = bind(primitive, *primals, *[t for t in tangents[1:] if t is not None])
        count = len(self.outputs)
        rest = iter(outs[count:])
        return outs[:count], [next(rest) if m else None for m in some]

    @remembered
    def _pushed(self, marks: tuple[bool, ...]) -> tuple[Cond, list[bool]]:
        some = self._reached(marks, derivatives=True)
        avals = self.branches[0].in_avals

        def pushed(branch: Jaxpr) -> Jaxpr:
            def both(tracers: list[Any]) -> list[Any]:
                outs, dots = pushed_program(branch, marks, some, tracers[: len(avals)], tracers[len(avals) :])
                return [*outs, *dots]

            return derive(both, [*avals, *tangents_of(avals, marks)], "cond")

        owners = (*self.owners, *[k for k, m in zip(self.owners, some, strict=False) if m])
        return Cond(tuple(map(pushed, self.branches)), owners), some

    def jet(self, order: int, inputs: Sequence[Any]) -> Sequence[Any]:
        index, *rest = inputs
        marks = marks_of(rest)
        primitive, some = self._expanded(order, marks)
        avals = self.branches[0].in_avals
        outs = bind(primitive, index[0], *[x[0] for x in rest], *higher(rest, avals, marks))
        count = len(some)
        return gathered_series(outs[:count], iter(outs[count:]), tuple([(m,) * order for m in some]))

    @remembered
    def _expanded(self, order: int, marks: Marks) -> tuple[Cond, list[bool]]:
        """Return the branches of power series: from coefficients of order 0, then the marked others, to the same."""
        some = self._reached([any(m) for m in marks], derivatives=True)
        avals = self.branches[0].in_avals

        def expanded(branch: Jaxpr) -> Jaxpr:
            def whole(tracers: list[Any]) -> list[Any]:
                series = gathered_series(tracers[: len(avals)], iter(tracers[len(avals) :]), marks)
                outs, rest = pushed_series(branch, series, some, order)
                return [*outs, *itertools.chain(*rest)]

            return derive(whole, [*avals, *higher_avals(avals, marks)], "cond")

        owners = (*self.owners, *[k for k, m in zip(self.owners, some, strict=False) if m for _ in range(order)])
        return Cond(tuple(map(expanded, self.branches)), owners), some

    def linearize(self, inputs: Sequence[Any], moving: Sequence[bool]) -> Linearized:
        marks = tuple(moving[1:])
        forward, linear, kept, some = self._split(marks)
        outs = bind(forward, *inputs)
        count = len(self.outputs)
        avals = self.branches[0].in_avals
        slots = [Slot(i + 1, tangent_of(avals[i])) for i, m in enumerate(marks) if m]
        operands = [inputs[0], *[inputs[1 + i] for i in kept], *outs[count:], *slots]
        return Linearized(outs[:count], linear, operands, some)

    @remembered
    def _split(self, marks: tuple[bool, ...]) -> tuple[Cond, Cond, list[int], list[bool]]:
        """Return the forward and the linear primitive, the operands that the latter reads, and its outputs."""
        some = self._reached(marks, derivatives=True)
        parts = [split(branch, marks, some, "cond") for branch in self.branches]
        kept = sorted({i for part in parts for i in part.inputs})
        news = [[v.aval for v in part.forward.outputs[part.own :]] for part in parts]
        owners = [*(self.owners or (-1,) * len(self.outputs)), *[k for k, new in enumerate(news) for _ in new]]
        forward = tuple([self._with_slots(part, k, news) for k, part in enumerate(parts)])
        avals = self.branches[0].in_avals
        linear = tuple([_among(part, k, news, kept, avals) for k, part in enumerate(parts)])
        return Cond(forward, tuple(owners)), Cond(linear), kept, some

    def _with_slots(self, part: Split, position: int, news: Sequence[Sequence[ShapedArray]]) -> Jaxpr:
        """Let a branch also give residuals for all others: zeros, which nobody reads."""

        def whole(tracers: list[Any]) -> list[Any]:
            rest = evaluate(part.forward, tracers)
            own = rest[part.own :]
            others = [own if k == position else [zeros(a) for a in new] for k, new in enumerate(news)]
            return [*rest[: part.own], *[x for new in others for x in new]]

        return derive(whole, part.forward.in_avals, "cond")

    def transpose(self, cts: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
        marks = tuple([type(x) is Linear for x in inputs[1:]])
        given = tuple([ct is not None for ct in cts])
        fixed = [x for x, m in zip(inputs[1:], marks, strict=True) if not m]
        outs = iter(bind(self._transposed(marks, given), inputs[0], *fixed, *[ct for ct in cts if ct is not None]))
        return [None, *[next(outs) if m else None for m in marks]]

    @remembered
    def _transposed(self, marks: tuple[bool, ...], given: tuple[bool, ...]) -> Cond:
        avals = self.branches[0].in_avals
        fixed = [a for a, m in zip(avals, marks, strict=True) if not m]
        wanted = [a for a, m in zip(avals, marks, strict=True) if m]
        outs = [a for a, some in zip(self.outputs, given, strict=True) if some]

        def turned(branch: Jaxpr) -> Jaxpr:
            def back(tracers: list[Any]) -> list[Any]:
                rest = iter(tracers[len(fixed) :])
                cts = [next(rest) if some else None for some in given]
                found = transpose_jaxpr(branch, cts, marks, tracers[: len(fixed)])
                return filled(found, wanted, [True] * len(wanted))

            return derive(back, [*fixed, *outs], "cond")

        return Cond(tuple(map(turned, self.branches)))

    # -- batches -----------------------------------------------------------------------------------

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        index, *operands = inputs
        marks = tuple(batched[1:])
        if not batched[0]:
            return bind(self._batched(size, marks), index, *operands)
        return self._each_its_own(size, index, operands, marks)

    def when(self, active: Any, operands: Sequence[Any]) -> Sequence[Any]:
        """Run; call no callback unless ``active``."""
        return bind(self._conditional(), operands[0], active, *operands[1:])

    @remembered
    def _conditional(self) -> Cond:
        return Cond(tuple(map(conditional, self.branches)), self.owners)

    @remembered
    def _batched(self, size: int, marks: tuple[bool, ...]) -> Cond:
        avals = batched_avals(self.branches[0].in_avals, size, marks)
        wanted = [True] * len(self.outputs)

        def whole(branch: Jaxpr) -> Jaxpr:
            return derive(lambda tracers: batched_program(branch, size, tracers, marks, wanted), avals, "cond")

        return Cond(tuple(map(whole, self.branches)), self.owners)

    def _each_its_own(self, size: int, index: Any, operands: Sequence[Any], marks: tuple[bool, ...]) -> Sequence[Any]:
        """Run each branch that some row takes, on rows that take it: the others' places are filled with one of them."""
        whole = self._conditional()._batched(size, (True, *marks)) if self.effect else self._batched(size, marks)
        outs: list[Any] = []
        owners = self.owners or (-1,) * len(self.outputs)
        last = len(self.branches) - 1
        for k, branch in enumerate(whole.branches):
            taken = _takes(index, k, last)
            rows = own_rows(taken)
            given = [gather(x, [rows]) if m else x for x, m in zip(operands, marks, strict=True)]
            found = bind(_if_any(branch), taken.any(), *([taken] if self.effect else []), *given)
            outs = [
                x if not outs or owner == k else outs[i] if owner >= 0 else chosen(taken, x, outs[i])
                for i, (x, owner) in enumerate(zip(found, owners, strict=True))
            ]
        return outs

    # -- sparsity ----------------------------------------------------------------------------------

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        """The union of the branches, or the one that a known index means."""
        return sparsity_of_branches(self.branches, self.owners, operands, outputs)


def _takes(index: Any, k: int, last: int) -> Any:
    """Return which rows of a batch of indices take branch ``k``."""
    if index.dtype == bool:
        return index if k else ~index
    return index <= 0 if k == 0 else index >= last if k == last else index == k


def _if_any(branch: Jaxpr) -> Cond:
    """Return the primitive that runs ``branch`` where its index is true, and gives zeros elsewhere."""
    none = Jaxpr([Var(v.aval) for v in branch.in_vars], (), *_constants([zeros(v.aval) for v in branch.outputs]))
    return Cond((none, branch), (1,) * len(branch.outputs))


def _constants(values: Sequence[Any]) -> tuple[list[Var], list[Var], list[Any]]:
    names = [Var(ShapedArray(np.shape(x), x.dtype)) for x in values]
    return names, names, list(values)


def _among(
    part: Split, position: int, news: Sequence[Sequence[ShapedArray]], kept: Sequence[int], avals: Sequence[ShapedArray]
) -> Jaxpr:
    """Return the linear program of a branch with the residuals of all branches as inputs."""
    linear = part.linear
    own = dict(zip(part.inputs, linear.in_vars, strict=False))
    new = linear.in_vars[len(part.inputs) : len(part.inputs) + part.new]
    shared = [own.get(i) or Var(avals[i]) for i in kept]
    slots = [v for k, group in enumerate(news) for v in (new if k == position else [Var(a) for a in group])]
    tangents = linear.in_vars[len(part.inputs) + part.new :]
    return Jaxpr([*shared, *slots, *tangents], linear.equations, linear.outputs, linear.const_vars, linear.constants)
