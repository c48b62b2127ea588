"""scan: one program, run once for each row of its inputs, that hands a carry on from run to run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..compile.blocks import Rows
from ..compile.codegen import Compiled, generate_loop
from ..compile.loops import generate_scan
from ..compile.passes import PASSES, run_passes
from ..compile.program import Program
from ..compile.reuse import shared
from ..ir import (
    DYNAMIC,
    Jaxpr,
    Linear,
    Linearized,
    Operand,
    Primitive,
    Run,
    ShapedArray,
    Var,
    eliminate_dead_code,
    is_watching,
)
from ..tracing import bind, evaluate
from ..transforms.linear import transpose_jaxpr
from .loops import (
    Cut,
    Parts,
    batched_avals,
    chosen,
    cut,
    fixpoint,
    linear_slots,
    marked,
    needed_carry,
    read_inputs,
    rows_first,
    stack_aval,
    tangents_of,
)
from .products import SummedProduct, without_products
from .programs import (
    batched_program,
    conditional,
    derive,
    filled,
    has_effect,
    pushed_program,
    remembered,
    repeated,
    zeros,
)
from .separate import separate
from .series import Marks, gathered_series, higher, higher_avals, marks_of, pushed_series, ravelled, unravelled
from .sparsity import sparsity_of_scan

__all__ = ["Scan"]


class Scan(Primitive):
    """``jaxpr`` once for each row of the ``xs``: ``(consts, carry, row) -> (carry, row of ys)``.

    Operands are the ``consts``, the first carry, then the ``xs``; outputs the last carry, then the ``ys``, of
    ``length`` rows. The length may be ``DYNAMIC``: as many rows as the ``xs`` have at run time. With ``masked`` a row
    of truths stands before the ``xs``: where it is false, the carry stays as it is.
    """

    jaxpr: Jaxpr
    length: int
    consts: int
    carry: int
    reverse: bool = False
    masked: bool = False
    multiple: ClassVar[bool] = True
    dynamic: ClassVar[bool] = True

    @cached_property
    def effect(self) -> bool:  # type: ignore[override]
        """Whether the program has equations that must be kept."""
        return has_effect(self.jaxpr)

    @cached_property
    def program(self) -> Program:
        """The program, compiled once it has run often enough."""
        return Program(self.jaxpr)

    @cached_property
    def _block(self) -> Rows:
        return Rows(self.program.optimized, self.consts, self.carry, self.length, self.reverse, self.masked)

    def block(self) -> Rows:
        return self._block

    @cached_property
    def on_scalars(self) -> Compiled | None:
        """The loop as one function of the operands, on Python's numbers, if all in it are scalars."""
        kind = Scan, self.consts, self.carry, self.length, self.reverse, self.masked
        return shared(kind, [self.jaxpr], self._on_scalars)

    def _on_scalars(self) -> Compiled | None:
        xs = [stack_aval(v.aval, self.length) for v in self.jaxpr.in_vars[self.consts + self.carry :]]
        if self.masked:
            xs.insert(0, ShapedArray((self.length,), np.dtype(bool)))
        given = [*self.jaxpr.in_avals[: self.consts + self.carry], *xs]
        return generate_loop(self, given, self.abstract(*given), self._on_arrays)

    @cached_property
    def loop(self) -> Compiled:
        """The loop as one function, its program written in its body; a mask alone stands for the rows."""
        body = run_passes(self.program.optimized, [step for step in PASSES if not step.exact])
        if self.masked and len(body.in_vars) == self.consts + self.carry:
            body = body.replace(in_vars=[*body.in_vars, Var(ShapedArray((), np.dtype(bool)))])
        return generate_scan(body, self.consts, self.carry, self.length, self.reverse)

    def parts(self, operands: Sequence[Any]) -> Parts:
        """Tell operands (without the mask) by their role."""
        middle = self.consts + self.carry
        return Parts(operands[: self.consts], operands[self.consts : middle], operands[middle:])

    def unmasked(self, operands: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return the mask, a list of one or none, and the other operands."""
        if not self.masked:
            return [], list(operands)
        at = self.consts + self.carry
        return [operands[at]], [*operands[:at], *operands[at + 1 :]]

    def impl(self, *operands: Any) -> tuple[Any, ...]:
        mask, rest = self.unmasked(operands)
        consts, carry, xs = self.parts(rest)
        length = self.length if self.length >= 0 else len((*mask, *xs)[0])
        if mask and not mask[0].all():
            raise AssertionError("this is a bug in autotrace: a mask for one row only must be true")
        if not is_watching() and self.program.pays(length):
            return (self.on_scalars or self._on_arrays)(*operands)
        step = self.program
        ys = [np.empty((length, *v.aval.shape), v.aval.dtype) for v in self.jaxpr.outputs[self.carry :]]
        for i in range(length - 1, -1, -1) if self.reverse else range(length):
            outs = step(*consts, *carry, *[x[i] for x in xs])
            carry = outs[: self.carry]
            for rows, y in zip(ys, outs[self.carry :]):
                rows[i] = y
        return (*carry, *ys)

    def _on_arrays(self, *operands: Any) -> tuple[Any, ...]:
        mask, rest = self.unmasked(operands)
        consts, carry, xs = self.parts(rest)
        return self.loop(*consts, *carry, *(xs or mask))

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        mask, rest = self.unmasked(operands)  # for one row only the mask is true
        consts, first, xs = self.parts(rest)
        carry, stacks = targets[: self.carry], targets[self.carry :]
        avals = self.jaxpr.out_avals[self.carry :]
        length = self.length if self.length >= 0 else f"len({(*mask, *xs)[0]})"
        index = page.local("i")
        steps = f"range({length})"
        given = [*consts, *carry, *[f"{x}[{index}]" for x in xs]]
        return [
            *[f"{name} = {x}" for name, x in zip(carry, first, strict=True)],
            *[
                f"{name} = np.empty({_row_shape(length, a.shape)}, {page.dtype(a.dtype)})"
                for name, a in zip(stacks, avals, strict=True)
            ],
            f"for {index} in {f'reversed({steps})' if self.reverse else steps}:",
            "    " + page.call([*carry, *[f"{name}[{index}]" for name in stacks]], self.jaxpr, given, "body"),
        ]

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        mask, rest = self.unmasked(avals)
        consts, carry, xs = self.parts(rest)
        given = [*consts, *carry, *[ShapedArray(x.shape[1:], x.dtype) for x in xs]]
        if [(a.shape, a.dtype) for a in given] != [(v.aval.shape, v.aval.dtype) for v in self.jaxpr.in_vars]:
            raise TypeError(f"scan: operands must be rows of {self.jaxpr.in_avals}; got {avals}.")
        lengths = {x.shape[0] for x in (*mask, *xs)} - {DYNAMIC, self.length}
        if self.length >= 0 and lengths:
            raise TypeError(f"scan: operands must have {self.length} rows; got {avals}.")
        length = self.length if self.length >= 0 else max(lengths, default=DYNAMIC)
        outs = self.jaxpr.out_avals
        return (*[a.strong() for a in outs[: self.carry]], *[stack_aval(a, length) for a in outs[self.carry :]])

    @remembered
    def pruned(self, used: tuple[bool, ...]) -> tuple[Scan, list[int], list[int]] | None:
        """Drop ys, and values of the carry, that nobody needs."""
        wanted = needed_carry(self.jaxpr, self.consts, used, [False] * self.carry)
        if self.effect or all(wanted):
            return None
        program = eliminate_dead_code(self.jaxpr.replace(outputs=marked(self.jaxpr.outputs, wanted)))
        marks = self.parts(read_inputs(program))
        carry = wanted[: self.carry]
        xs = list(marks.xs)
        if self.length < 0 and not self.masked and not any(xs):
            return None  # the rows tell how many runs there are
        reads = [*marks.consts, *carry, *xs]
        program = program.replace(in_vars=marked(self.jaxpr.in_vars, reads))
        loop = Scan(program, self.length, sum(marks.consts), sum(carry), self.reverse, self.masked)
        places = marked(self._places(), reads)
        if self.masked:
            places.insert(loop.consts + loop.carry, self.consts + self.carry)
        return loop, places, marked(range(len(wanted)), wanted)

    def separated(self) -> Jaxpr | None:
        return self._separated()

    @remembered
    def _separated(self) -> Jaxpr | None:
        return separate(self)

    @property
    def abstract_operands(self) -> list[ShapedArray]:
        """The avals of the operands of a loop that is not masked and of known length."""
        consts, carry, xs = self.parts(self.jaxpr.in_avals)
        return [*consts, *carry, *[stack_aval(x, self.length) for x in xs]]

    def runs(self) -> Sequence[Run]:
        return (Run(self.jaxpr, self.length if self.length >= 0 else None),)

    # -- forward mode ------------------------------------------------------------------------------

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return self.push(primals, tangents)[1]

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        mask, rest = self.unmasked(primals)
        _, dots = self.unmasked(tangents)
        moving, some = self._moving(tuple([t is not None for t in dots]))
        avals = self.jaxpr.in_avals
        given = self.parts(dots)
        carry_dots = filled(given.carry, self.parts(avals).carry, self.parts(moving).carry)
        primal = self.parts(rest)
        outs = bind(
            self._pushed(moving, some),
            *[*primal.consts, *[t for t in given.consts if t is not None]],
            *[*primal.carry, *carry_dots],
            *[*mask, *primal.xs, *[t for t in given.xs if t is not None]],
        )
        return self._unravel(outs, some)

    def _unravel(self, outs: Sequence[Any], some: Sequence[bool]) -> tuple[list[Any], list[Any]]:
        """Tell outputs of the program with tangents: carry, its tangents, ys, theirs."""
        rest = iter(outs)
        carry = [next(rest) for _ in range(self.carry)]
        carry_dots = [next(rest) if m else None for m in some[: self.carry]]
        ys = [next(rest) for _ in some[self.carry :]]
        return [*carry, *ys], [*carry_dots, *[next(rest) if m else None for m in some[self.carry :]]]

    @remembered
    def _moving(self, marks: tuple[bool, ...]) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
        """Which operands move when the marked ones do (those of the carry come round), and which outputs."""
        return fixpoint(self.jaxpr, self.consts, self.carry, marks, derivatives=True)

    @remembered
    def _pushed(self, moving: tuple[bool, ...], some: tuple[bool, ...]) -> Scan:
        avals = self.parts(self.jaxpr.in_avals)
        marks = self.parts(moving)
        groups = [[*a, *tangents_of(a, m)] for a, m in zip(avals, marks, strict=True)]

        def step(tracers: list[Any]) -> list[Any]:
            rest = iter(tracers)
            primals: list[Any] = []
            dots: list[Any] = []
            for a, m in zip(avals, marks, strict=True):
                primals.extend([next(rest) for _ in a])
                dots.extend([next(rest) for mark in m if mark])
            outs, found = pushed_program(self.jaxpr, moving, some, primals, dots)
            count = sum(some[: self.carry])
            return [*outs[: self.carry], *found[:count], *outs[self.carry :], *found[count:]]

        jaxpr = derive(step, [a for group in groups for a in group], "scan")
        return Scan(jaxpr, self.length, len(groups[0]), len(groups[1]), self.reverse, self.masked)

    def jet(self, order: int, inputs: Sequence[Any]) -> Sequence[Any]:
        mask, rest = self.unmasked(inputs)
        marks = marks_of(rest)
        moving, some = self._moving(tuple([any(m) for m in marks]))
        at, middle = self.consts, self.consts + self.carry
        marks = (*marks[:at], *[(m,) * order for m in moving[at:middle]], *marks[middle:])
        groups = zip(self.parts(rest), self.parts(self.jaxpr.in_avals), self.parts(marks), strict=True)
        consts, carry, xs = [[*[x[0] for x in part], *higher(part, a, m)] for part, a, m in groups]
        outs = bind(self._expanded(order, marks, some), *consts, *carry, *[x[0] for x in mask], *xs)
        return unravelled(outs, self.carry, some, order)

    @remembered
    def _expanded(self, order: int, marks: Marks, some: tuple[bool, ...]) -> Scan:
        """Return the loop of power series: beside each value its marked higher coefficients."""
        avals = self.parts(self.jaxpr.in_avals)
        parts = self.parts(marks)
        groups = [[*a, *higher_avals(a, m)] for a, m in zip(avals, parts, strict=True)]

        def step(tracers: list[Any]) -> list[Any]:
            rest = iter(tracers)
            series = [
                x for a, m in zip(avals, parts, strict=True) for x in gathered_series([next(rest) for _ in a], rest, m)
            ]
            return ravelled(self.carry, *pushed_series(self.jaxpr, series, some, order))

        jaxpr = derive(step, [a for group in groups for a in group], "scan")
        return Scan(jaxpr, self.length, len(groups[0]), len(groups[1]), self.reverse, self.masked)

    # -- reverse mode ------------------------------------------------------------------------------

    def linearize(self, inputs: Sequence[Any], moving: Sequence[bool]) -> Linearized:
        mask, rest = self.unmasked(inputs)
        _, marks = self.unmasked(moving)
        moved, some, forward, linear, parts = self._split(tuple(marks))
        outs = bind(forward, *inputs)
        count = len(self.jaxpr.outputs)
        fixed = evaluate(parts.prologue, rest[: self.consts])
        lower, upper = parts.operands(rest, fixed, outs[count:])
        slots = self.parts(linear_slots(self.jaxpr.in_avals, marks, moved, self._places()))
        consts, carry, xs = ([x for x in group if x is not None] for group in slots)
        operands = [*lower, *consts, *carry, *mask, *upper, *xs]
        return Linearized(outs[:count], linear, operands, some)

    def _places(self) -> list[int]:
        """Return the position of each operand of the program."""
        count, middle = len(self.jaxpr.in_vars), self.consts + self.carry
        return [i + (self.masked and i >= middle) for i in range(count)]

    @remembered
    def _split(self, marks: tuple[bool, ...]) -> tuple[tuple[bool, ...], tuple[bool, ...], Scan, Scan, Cut]:
        """Return what :meth:`linearize` does for operands so marked."""
        moved, some = self._moving(marks)
        parts = cut(self.jaxpr, self.consts, self.carry, moved, some, "scan")
        forward = Scan(parts.forward, self.length, self.consts, self.carry, self.reverse, self.masked)
        linear = Scan(parts.linear, self.length, parts.consts, parts.carry, self.reverse, self.masked)
        return moved, some, forward, linear, parts

    def transpose(self, cts: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
        mask, rest = self.unmasked(inputs)
        marks = tuple([type(x) is Linear for x in rest])
        moved, _ = self._moving(marks)
        if moved != marks:
            return self._transpose_moved(cts, inputs, moved)
        if not all(self.parts(marks).carry):
            return self._transpose_beside_known(cts, inputs, marks)
        given = tuple([ct is not None for ct in cts])
        turned, products = self._transposed(marks, given)
        avals = self.parts(self.jaxpr.in_avals)
        fixed, linear = self.parts(rest), self.parts(marks)
        totals = [zeros(a) for a, m in zip(avals.consts, linear.consts, strict=True) if m]
        carry = filled(cts[: self.carry], self.jaxpr.out_avals[: self.carry], [True] * self.carry)
        rows = [x for x, m in zip(fixed.xs, linear.xs, strict=True) if not m]
        rows += [ct for ct in cts[self.carry :] if ct is not None]
        outs = bind(
            turned,
            *[x for x, m in zip(fixed.consts, linear.consts, strict=True) if not m],
            *[x for x, product in zip(totals, products, strict=True) if product is None],
            *[*carry, *mask, *rows],
        )
        rest_outs = iter(outs)
        sums = [next(rest_outs) if product is None else None for product in products]
        carry = [next(rest_outs) for _ in range(self.carry)]
        ys = list(rest_outs)
        summed = iter([x if p is None else p.of(rows, ys) for x, p in zip(sums, products, strict=True)])
        pulled, ends = iter(ys), iter(carry)
        found = [next(summed) if m else None for m in linear.consts]
        found += [next(ends) if m else None for m in linear.carry]
        found += [next(pulled) if m else None for m in linear.xs]
        if self.masked:
            found.insert(self.consts + self.carry, None)
        return found

    def _transpose_moved(self, cts: Sequence[Any], inputs: Sequence[Any], moved: Sequence[bool]) -> Sequence[Any]:
        """Transpose a loop a part of whose carry starts from a known value and is linear after the first run."""
        avals = self.jaxpr.in_avals
        linear = dict(zip(self._places(), [Linear(a) if m else None for a, m in zip(avals, moved, strict=True)]))
        found = self.transpose(cts, [linear.get(i) or x for i, x in enumerate(inputs)])
        return [ct if type(x) is Linear else None for x, ct in zip(inputs, found, strict=True)]

    def _transpose_beside_known(
        self, cts: Sequence[Any], inputs: Sequence[Any], marks: Sequence[bool]
    ) -> Sequence[Any]:
        """Transpose a loop a part of whose carry is known: run that part first, and take its values as rows."""
        known, rest = self._known_part(tuple(marks))
        mask, operands = self.unmasked(inputs)
        linear = self.parts(marks)
        whole = self.parts(operands)
        consts = [x for x, m in zip(whole.consts, linear.consts, strict=True) if not m]
        first = [x for x, m in zip(whole.carry, linear.carry, strict=True) if not m]
        rows = [x for x, m in zip(whole.xs, linear.xs, strict=True) if not m]
        stacks = bind(known, *consts, *first, *mask, *rows)[len(first) :]
        moving = [x for x, m in zip(whole.carry, linear.carry, strict=True) if m]
        given = [ct for ct, m in zip(cts, linear.carry, strict=False) if m]
        found = iter(rest.transpose([*given, *cts[self.carry :]], [*whole.consts, *moving, *mask, *stacks, *whole.xs]))
        pulled = [next(found) for _ in whole.consts]
        pulled += [next(found) if m else None for m in linear.carry]
        after = list(found)
        return [*pulled, *after[: len(mask)], *after[len(mask) + len(stacks) :]]

    @remembered
    def _known_part(self, marks: tuple[bool, ...]) -> tuple[Scan, Scan]:
        """Return the loop of the carry that is not linear, which gives it at each run too, and the loop of the rest."""
        linear, names, outs = self.parts(marks), self.parts(self.jaxpr.in_vars), self.jaxpr.outputs
        moves = list(linear.carry)
        still = [v for v, m in zip(names.carry, moves, strict=True) if not m]
        inputs = [v for v, m in zip(self.jaxpr.in_vars, marks, strict=True) if not m]
        ends = [v for v, m in zip(outs, moves, strict=False) if not m]
        program = Jaxpr(inputs, self.jaxpr.equations, [*ends, *still], self.jaxpr.const_vars, self.jaxpr.constants)
        consts = linear.consts.count(False)
        known = Scan(eliminate_dead_code(program), self.length, consts, len(still), self.reverse, self.masked)
        carry = [v for v, m in zip(names.carry, moves, strict=True) if m]
        kept = [v for v, m in zip(outs, moves, strict=False) if m]
        other = Jaxpr(
            [*names.consts, *carry, *still, *names.xs],
            self.jaxpr.equations,
            [*kept, *outs[self.carry :]],
            self.jaxpr.const_vars,
            self.jaxpr.constants,
        )
        rest = Scan(eliminate_dead_code(other), self.length, self.consts, len(carry), self.reverse, self.masked)
        return known, rest

    @remembered
    def _transposed(self, marks: tuple[bool, ...], given: tuple[bool, ...]) -> tuple[Scan, list[SummedProduct | None]]:
        """Return the loop that runs back: its carry are the sums of the constants' cotangents, and the carry's.

        Sums that are better computed as one product, after the loop, are not among them.
        """
        linear, avals = self.parts(marks), self.parts(self.jaxpr.in_avals)
        outs = self.jaxpr.out_avals
        fixed_consts = [a for a, m in zip(avals.consts, linear.consts, strict=True) if not m]
        sums = [a for a, m in zip(avals.consts, linear.consts, strict=True) if m]
        carry = list(outs[: self.carry])
        fixed_xs = [a for a, m in zip(avals.xs, linear.xs, strict=True) if not m]
        ys = [a for a, some in zip(outs[self.carry :], given[self.carry :], strict=True) if some]
        wanted = [v.aval for v, m in zip(self.jaxpr.in_vars, marks, strict=True) if m]
        groups = [fixed_consts, sums, carry, fixed_xs, ys]

        def step(tracers: list[Any]) -> list[Any]:
            rest = iter(tracers)
            known, totals, carry_cts, rows, found = [[next(rest) for _ in group] for group in groups]
            back = iter(found)
            ys_cts = [next(back) if some else None for some in given[self.carry :]]
            pulled = transpose_jaxpr(self.jaxpr, [*carry_cts, *ys_cts], marks, [*known, *rows])
            added = [t if ct is None else t + ct for t, ct in zip(totals, pulled, strict=False)]
            return [*added, *filled(pulled[len(sums) :], wanted[len(sums) :], [True] * (len(wanted) - len(sums)))]

        jaxpr = derive(step, [a for group in groups for a in group], "scan")
        products: list[SummedProduct | None] = [None] * len(sums)
        if not self.masked:
            jaxpr, products = without_products(jaxpr, len(fixed_consts), len(sums), len(carry))
        carried = products.count(None) + len(carry)
        return Scan(jaxpr, self.length, len(fixed_consts), carried, not self.reverse, self.masked), products

    # -- batches -----------------------------------------------------------------------------------

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        mask, rest = self.unmasked(inputs)
        mask_batched, marks = self.unmasked(batched)
        if any(mask_batched):
            marks = [m or self.consts <= i < self.consts + self.carry for i, m in enumerate(marks)]
        moved, some = fixpoint(self.jaxpr, self.consts, self.carry, tuple(marks), derivatives=False)
        if any(mask_batched) or self.length < 0:
            some = (*some[: self.carry], *[True] * (len(some) - self.carry))
        whole = self.parts(rest)
        given = self.parts(self.unmasked(batched)[1])
        carry = [
            repeated(x, size) if m and not b else x
            for x, b, m in zip(whole.carry, given.carry, self.parts(moved).carry, strict=True)
        ]
        xs = [rows_first(x) if b else x for x, b in zip(whole.xs, given.xs, strict=True)]
        mask = [rows_first(x) if b else x for x, b in zip(mask, mask_batched, strict=True)]
        loop = self._batched(size, moved, some, any(mask_batched))
        outs = bind(loop, *whole.consts, *carry, *mask, *xs)
        ends = [x if m else repeated(x, size) for x, m in zip(outs[: self.carry], some, strict=False)]
        ys = [
            rows_first(x) if m else repeated(x, size)
            for x, m in zip(outs[self.carry :], some[self.carry :], strict=True)
        ]
        return [*ends, *ys]

    @remembered
    def _batched(self, size: int, moved: tuple[bool, ...], some: tuple[bool, ...], masked: bool) -> Scan:
        avals = batched_avals(self.jaxpr.in_avals, size, moved)
        middle = self.consts + self.carry
        if masked:
            avals.insert(middle, ShapedArray((size,), np.dtype(bool)))

        def step(tracers: list[Any]) -> list[Any]:
            active = tracers.pop(middle) if masked else None
            if active is None:
                return batched_program(self.jaxpr, size, tracers, moved, some)
            if has_effect(self.jaxpr):  # a row that has stopped calls nothing
                outs = batched_program(conditional(self.jaxpr), size, [active, *tracers], (True, *moved), some)
            else:
                outs = batched_program(self.jaxpr, size, tracers, moved, some)
            old = [*tracers[self.consts : middle], *[None] * (len(outs) - self.carry)]
            return [chosen(active, y, zeros(y.aval) if x is None else x) for x, y in zip(old, outs, strict=True)]

        jaxpr = derive(step, avals, "scan")
        return Scan(jaxpr, self.length, self.consts, self.carry, self.reverse, self.masked and not masked)

    def when(self, active: Any, operands: Sequence[Any]) -> Sequence[Any]:
        """Run; call no callback unless ``active``."""
        return bind(self._conditional(), active, *operands)

    @remembered
    def _conditional(self) -> Scan:
        program = conditional(self.jaxpr)
        return Scan(program, self.length, self.consts + 1, self.carry, self.reverse, self.masked)

    # -- sparsity ----------------------------------------------------------------------------------

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        """Run by run, where the length is known and not too great; else what any number of runs may make of it."""
        mask, rest = self.unmasked(operands)
        return sparsity_of_scan(self.jaxpr, self.parts(rest), outputs, self.length, self.reverse, bool(mask))


def _row_shape(length: Any, shape: tuple[int, ...]) -> str:
    """Return the shape of stacked rows as an expression."""
    return f"({', '.join(map(str, (length, *shape)))}{'' if shape else ','})"
