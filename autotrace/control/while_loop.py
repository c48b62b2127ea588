"""while_loop: a program that runs again as long as another one says so; reverse mode keeps a growing stack."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, NoReturn

import numpy as np

from ..compile.blocks import Repeated
from ..compile.codegen import Compiled, generate_loop
from ..compile.loops import generate_while
from ..compile.passes import PASSES, run_passes
from ..compile.program import Program
from ..compile.reuse import shared
from ..errors import LoopMemoryError, MissingRuleError
from ..ir import (
    DYNAMIC,
    Jaxpr,
    Linearized,
    Literal,
    Operand,
    Primitive,
    Run,
    ShapedArray,
    Var,
    eliminate_dead_code,
    here,
    is_watching,
)
from ..primitives.gathers import gather
from ..tracing import Tracer, bind, evaluate
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
from .programs import (
    batched_program,
    conditional,
    derive,
    filled,
    has_effect,
    pushed_program,
    reached,
    remembered,
    repeated,
)
from .scan import Scan
from .series import Marks, gathered_series, higher, higher_avals, marks_of, pushed_series, ravelled, unravelled
from .sparsity import sparsity_of_loop

__all__ = ["While"]

_FIRST_ROWS = 64
_LARGEST_STACKS = 8 * 2**30
"""Bytes that a loop may keep for reverse mode; ``AUTOTRACE_LOOP_BYTES`` says another number."""


class While(Primitive):
    """``body`` as long as ``condition`` holds: ``(consts, carry) -> (carry, row of ys)``.

    Operands are the constants of the condition, those of the body, then the first carry; outputs the last carry, then
    the ``ys``, as many rows as there were runs. With ``masked`` the first of the ``ys`` tells which runs count, for
    each row of a batch.
    """

    condition: Jaxpr
    body: Jaxpr
    condition_consts: int
    body_consts: int
    masked: bool = False
    multiple: ClassVar[bool] = True
    dynamic: ClassVar[bool] = True

    @cached_property
    def carry(self) -> int:
        """The number of values that are handed on."""
        return len(self.body.in_vars) - self.body_consts

    @cached_property
    def effect(self) -> bool:  # type: ignore[override]
        """Whether the programs have equations that must be kept."""
        return has_effect(self.condition, self.body)

    @cached_property
    def programs(self) -> tuple[Program, Program]:
        """Condition and body, compiled once they have run often enough."""
        return Program(self.condition), Program(self.body)

    @cached_property
    def _block(self) -> Repeated:
        condition, body = (program.optimized for program in self.programs)
        return Repeated(condition, body, self.condition_consts, self.body_consts, _room, _refuse)

    def block(self) -> Repeated:
        return self._block

    @cached_property
    def on_scalars(self) -> Compiled | None:
        """The loop as one function of the operands, on Python's numbers, if all in it are scalars."""
        kind = While, self.condition_consts, self.body_consts
        return shared(kind, [self.condition, self.body], self._on_scalars)

    def _on_scalars(self) -> Compiled | None:
        given = [*self.condition.in_avals[: self.condition_consts], *self.body.in_avals]
        return generate_loop(self, given, self.abstract(*given), self._on_arrays)

    @cached_property
    def loop(self) -> Compiled:
        """The loop as one function, its programs written in its body."""
        passes = [step for step in PASSES if not step.exact]
        condition, body = (run_passes(program.optimized, passes) for program in self.programs)
        return generate_while(condition, body, self.condition_consts, self.body_consts, _grown)

    def parts(self, operands: Sequence[Any]) -> Parts:
        """Tell operands by their role: constants of the condition, of the body, carry."""
        middle = self.condition_consts + self.body_consts
        return Parts(operands[: self.condition_consts], operands[self.condition_consts : middle], operands[middle:])

    def impl(self, *operands: Any) -> tuple[Any, ...]:
        asked, consts, carry = self.parts(operands)
        goes_on, step = self.programs
        count = self.carry
        stacks: Sequence[Any] = self._stacks()
        runs = 0
        while is_watching() or not step.pays(1):
            if not goes_on(*asked, *carry)[0]:
                return (*carry, *[stack[:runs] for stack in stacks])
            outs = step(*consts, *carry)
            carry = outs[:count]
            if stacks and runs == len(stacks[0]):
                stacks = _grown(stacks, runs)
            for stack, y in zip(stacks, outs[count:]):
                stack[runs] = y
            runs += 1
        found = (self.on_scalars or self._on_arrays)(*asked, *consts, *carry)
        pairs = zip(stacks, found[count:], strict=True)
        return (*found[:count], *[np.concatenate((stack[:runs], more)) if runs else more for stack, more in pairs])

    def _on_arrays(self, *operands: Any) -> tuple[Any, ...]:
        found = self.loop(*operands, *self._stacks(), 0)
        count, runs = self.carry, found[-1]
        return (*found[:count], *[stack[:runs] for stack in found[count:-1]])

    def _stacks(self) -> list[Any]:
        return [np.empty((_FIRST_ROWS, *v.aval.shape), v.aval.dtype) for v in self.body.outputs[self.carry :]]

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        asked, consts, first = self.parts(operands)
        carry, stacks = targets[: self.carry], targets[self.carry :]
        avals = self.body.out_avals[self.carry :]
        rows = [page.local("rows") for _ in stacks]
        new = [page.local("row") for _ in stacks]
        return [
            *[f"{name} = {x}" for name, x in zip(carry, first, strict=True)],
            *[f"{name} = []" for name in rows],
            f"while {page.program(self.condition, 'condition')}({', '.join([*asked, *carry])}):",
            "    " + page.call([*carry, *new], self.body, [*consts, *carry], "body"),
            *[f"    {name}.append({x})" for name, x in zip(rows, new, strict=True)],
            *[
                f"{name} = np.array({r}, {page.dtype(a.dtype)}).reshape((len({r}), *{a.shape}))"
                for name, r, a in zip(stacks, rows, avals, strict=True)
            ],
        ]

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        asked, consts, carry = self.parts(avals)
        for given, jaxpr in (((*asked, *carry), self.condition), ((*consts, *carry), self.body)):
            if [(a.shape, a.dtype) for a in given] != [(v.aval.shape, v.aval.dtype) for v in jaxpr.in_vars]:
                raise TypeError(f"while: operands must be {jaxpr.in_avals}; got {given}.")
        outs = self.body.out_avals
        return (*[a.strong() for a in outs[: self.carry]], *[stack_aval(a, DYNAMIC) for a in outs[self.carry :]])

    def runs(self) -> Sequence[Run]:
        return (Run(self.condition, None), Run(self.body, None))

    @remembered
    def pruned(self, used: tuple[bool, ...]) -> tuple[While, list[int], list[int]] | None:
        """Drop ys, and values of the carry, that neither the condition nor anybody else needs."""
        asked = read_inputs(self.condition)[self.condition_consts :]
        wanted = needed_carry(self.body, self.body_consts, used, asked)
        if self.effect or all(wanted):
            return None
        body = eliminate_dead_code(self.body.replace(outputs=marked(self.body.outputs, wanted)))
        carry = wanted[: self.carry]
        consts = read_inputs(body)[: self.body_consts]
        body = body.replace(in_vars=marked(self.body.in_vars, [*consts, *carry]))
        first = [True] * self.condition_consts
        condition = self.condition.replace(in_vars=marked(self.condition.in_vars, [*first, *carry]))
        masked = self.masked and wanted[self.carry]
        loop = While(condition, body, self.condition_consts, sum(consts), masked)
        reads = [*first, *consts, *carry]
        return loop, marked(range(len(reads)), reads), marked(range(len(wanted)), wanted)

    # -- forward mode ------------------------------------------------------------------------------

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return self.push(primals, tangents)[1]

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        asked, consts, carry = self.parts(primals)
        _, const_dots, carry_dots = self.parts(tangents)
        moving, some = self._moving(tuple([t is not None for t in (*const_dots, *carry_dots)]))
        avals = self.body.in_avals[self.body_consts :]
        outs = bind(
            self._pushed(moving, some),
            *[*asked, *consts, *[t for t in const_dots if t is not None]],
            *[*carry, *filled(carry_dots, avals, moving[self.body_consts :])],
        )
        rest = iter(outs)
        ends = [next(rest) for _ in range(self.carry)]
        dots = [next(rest) if m else None for m in some[: self.carry]]
        ys = [next(rest) for _ in some[self.carry :]]
        return [*ends, *ys], [*dots, *[next(rest) if m else None for m in some[self.carry :]]]

    @remembered
    def _moving(self, marks: tuple[bool, ...]) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
        """Which inputs of the body move when the marked ones do, and which outputs."""
        return fixpoint(self.body, self.body_consts, self.carry, marks, derivatives=True)

    @remembered
    def _pushed(self, moving: tuple[bool, ...], some: tuple[bool, ...]) -> While:
        avals, marks = self.body.in_avals, moving
        at = self.body_consts
        groups = [avals[:at], tangents_of(avals[:at], marks[:at]), avals[at:], tangents_of(avals[at:], marks[at:])]

        def step(tracers: list[Any]) -> list[Any]:
            rest = iter(tracers)
            consts, const_dots, carry, carry_dots = [[next(rest) for _ in group] for group in groups]
            outs, dots = pushed_program(self.body, moving, some, [*consts, *carry], [*const_dots, *carry_dots])
            count = sum(some[: self.carry])
            return [*outs[: self.carry], *dots[:count], *outs[self.carry :], *dots[count:]]

        body = derive(step, [a for group in groups for a in group], "while_loop")
        condition = _widened(self.condition, groups[3])
        return While(condition, body, self.condition_consts, len(groups[0]) + len(groups[1]), self.masked)

    def jet(self, order: int, inputs: Sequence[Any]) -> Sequence[Any]:
        asked, consts, carry = self.parts(inputs)
        marks = marks_of([*consts, *carry])
        moving, some = self._moving(tuple([any(m) for m in marks]))
        marks = (*marks[: self.body_consts], *[(m,) * order for m in moving[self.body_consts :]])
        const_marks, carry_marks = marks[: self.body_consts], marks[self.body_consts :]
        avals = self.body.in_avals
        outs = bind(
            self._expanded(order, marks, some),
            *[x[0] for x in asked],
            *[*[x[0] for x in consts], *higher(consts, avals[: self.body_consts], const_marks)],
            *[*[x[0] for x in carry], *higher(carry, avals[self.body_consts :], carry_marks)],
        )
        return unravelled(outs, self.carry, some, order)

    @remembered
    def _expanded(self, order: int, marks: Marks, some: tuple[bool, ...]) -> While:
        """Return the loop of power series: beside each value its marked higher coefficients."""
        at, avals = self.body_consts, self.body.in_avals
        groups = [avals[:at], higher_avals(avals[:at], marks[:at]), avals[at:], higher_avals(avals[at:], marks[at:])]

        def step(tracers: list[Any]) -> list[Any]:
            rest = iter(tracers)
            consts, const_terms, carry, carry_terms = [[next(rest) for _ in group] for group in groups]
            series = gathered_series([*consts, *carry], iter([*const_terms, *carry_terms]), marks)
            return ravelled(self.carry, *pushed_series(self.body, series, some, order))

        body = derive(step, [a for group in groups for a in group], "while_loop")
        condition = _widened(self.condition, groups[3])
        return While(condition, body, self.condition_consts, len(groups[0]) + len(groups[1]), self.masked)

    # -- reverse mode ------------------------------------------------------------------------------

    def linearize(self, inputs: Sequence[Any], moving: Sequence[bool]) -> Linearized:
        asked, consts, carry = self.parts(inputs)
        marks = tuple(moving[len(asked) :])
        moved, some, forward, linear, parts = self._split(marks)
        outs = bind(forward, *inputs)
        ends, mask, rest = outs[: self.carry], outs[self.carry], outs[self.carry + 1 :]
        ys = len(self.body.outputs) - self.carry - self.masked
        fixed = evaluate(parts.prologue, consts)
        lower, upper = parts.operands([*consts, *carry], fixed, rest[ys:])
        slots = linear_slots(self.body.in_avals, marks, moved, range(len(asked), len(inputs)))
        if type(mask) is not Tracer and mask.ndim == 1:  # the length is known, and all runs count
            linear = Scan(linear.jaxpr, len(mask), linear.consts, linear.carry)
            rows = []
        else:
            rows = [mask]
        operands = [*lower, *[x for x in slots if x is not None], *rows, *upper]
        outputs = [*ends, *([mask] if self.masked else []), *rest[:ys]]
        return Linearized(outputs, linear, operands, some)

    @remembered
    def _split(self, marks: tuple[bool, ...]) -> tuple[tuple[bool, ...], tuple[bool, ...], While, Scan, Cut]:
        """Return what :meth:`linearize` does for operands of the body so marked."""
        moved, some = self._moving(marks)
        parts = cut(self.body, self.body_consts, self.carry, moved, some, "while_loop")
        body = parts.forward
        if not self.masked:
            body = body.replace(outputs=[*body.outputs[: self.carry], Literal(np.True_), *body.outputs[self.carry :]])
        forward = While(self.condition, body, self.condition_consts, self.body_consts, True)
        linear = Scan(parts.linear, DYNAMIC, parts.consts, parts.carry, False, True)
        return moved, some, forward, linear, parts

    def transpose(self, cts: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
        raise MissingRuleError(
            "while_loop: a loop that transposition goes through must be a scan, of known length; got a while loop"
            f"{here()}. Use scan or fori_loop, or differentiate the function instead of transposing it."
        )

    # -- batches -----------------------------------------------------------------------------------

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        asked, consts, carry = self.parts(inputs)
        asked_marks, const_marks, carry_marks = (tuple(marks) for marks in self.parts(batched))
        moved, some = fixpoint(self.body, self.body_consts, self.carry, (*const_marks, *carry_marks), derivatives=False)
        moved_carry = moved[self.body_consts :]
        if reached(self.condition, [*asked_marks, *moved_carry], derivatives=False)[0]:
            return self._batch_apart(size, inputs, batched)
        first = [
            repeated(x, size) if m and not b else x for x, m, b in zip(carry, moved_carry, carry_marks, strict=True)
        ]
        outs = bind(self._batched(size, asked_marks, moved, some), *asked, *consts, *first)
        ends = [x if m else repeated(x, size) for x, m in zip(outs[: self.carry], some, strict=False)]
        return [*ends, *[rows_first(y) for y in outs[self.carry :]]]

    @remembered
    def _batched(self, size: int, asked: tuple[bool, ...], moved: tuple[bool, ...], some: tuple[bool, ...]) -> While:
        """Return the loop for a batch whose rows all stop at the same time."""
        wanted = (*some[: self.carry], *[True] * (len(some) - self.carry))
        avals = batched_avals(self.body.in_avals, size, moved)

        def step(tracers: list[Any]) -> list[Any]:
            return batched_program(self.body, size, tracers, moved, wanted)

        marks = (*asked, *moved[self.body_consts :])
        condition = _retyped(self.condition, batched_avals(self.condition.in_avals, size, marks))
        return While(condition, derive(step, avals, "while_loop"), self.condition_consts, self.body_consts)

    def _batch_apart(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        """Run rows that stop at different times; each program sees only values that a row really has.

        A row that has stopped runs on with what it was given in its last run, and one that never runs with what
        another one is given: so nothing that a row does not reach can warn, or spoil a derivative.
        """
        asked, consts, carry = self.parts(inputs)
        _, _, carry_marks = self.parts(batched)
        first = [x if b else repeated(x, size) for x, b in zip(carry, carry_marks, strict=True)]
        marks = tuple(batched[: -self.carry] if self.carry else batched)
        [active] = batched_program(
            self.condition, size, [*asked, *first], [*marks[: len(asked)], *[True] * self.carry], [True]
        )
        rows = own_rows(active)
        fixed = [gather(x, [rows]) if b else x for x, b in zip((*asked, *consts), marks, strict=True)]
        outs = bind(self._apart(size, marks), *fixed, active, *[gather(x, [rows]) for x in first], *first)
        ends = outs[1 + self.carry : 1 + 2 * self.carry]
        return [*ends, *[rows_first(y) for y in outs[1 + 2 * self.carry :]]]

    @remembered
    def _apart(self, size: int, marks: tuple[bool, ...]) -> While:
        """Return the loop whose carry is: which rows still run, what they run on, and the result."""
        at, count = self.condition_consts, self.carry
        consts = batched_avals((*self.condition.in_avals[:at], *self.body.in_avals[: self.body_consts]), size, marks)
        one = batched_avals(self.condition.in_avals[at:], size, [True] * count)
        flags = ShapedArray((size,), np.dtype(bool))
        body = conditional(self.body) if has_effect(self.body) else _widened_in_front(self.body)
        asks = conditional(self.condition) if has_effect(self.condition) else _widened_in_front(self.condition)

        def goes_on(tracers: list[Any]) -> list[Any]:
            return [tracers[0].any()]

        def step(tracers: list[Any]) -> list[Any]:
            rest = iter(tracers)
            fixed = [next(rest) for _ in consts]
            active = next(rest)
            given, result = [next(rest) for _ in one], [next(rest) for _ in one]
            whole = [True] * count
            outs = batched_program(
                body, size, [active, *fixed[at:], *given], [True, *marks[at:], *whole], [True] * len(body.outputs)
            )
            new, ys = outs[:count], outs[count:]
            [still] = batched_program(asks, size, [active, *fixed[:at], *new], [True, *marks[:at], *whole], [True])
            running = still & active
            return [
                running,
                *[chosen(running, x, y) for x, y in zip(new, given, strict=True)],
                *[chosen(active, x, y) for x, y in zip(new, result, strict=True)],
                *[_counted(active, y) for y in ys],
            ]

        condition = derive(goes_on, [flags, *one, *one], "while_loop")
        return While(condition, derive(step, [*consts, flags, *one, *one], "while_loop"), 0, len(consts))

    def when(self, active: Any, operands: Sequence[Any]) -> Sequence[Any]:
        """Run; call no callback unless ``active``."""
        at = self.condition_consts
        return bind(self._conditional(), active, *operands[:at], active, *operands[at:])

    @remembered
    def _conditional(self) -> While:
        programs = conditional(self.condition), conditional(self.body)
        return While(*programs, self.condition_consts + 1, self.body_consts + 1, self.masked)

    # -- sparsity ----------------------------------------------------------------------------------

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        """What any number of runs may make of it."""
        _, consts, carry = self.parts(operands)
        return sparsity_of_loop(self.body, Parts(consts, carry, ()), outputs)


def _counted(active: Any, y: Any) -> Any:
    """Return a row of ys whose truths are false where a run does not count.

    What such a run gives is read through a mask only; so every mask, that of a batch inside too, must be false there.
    """
    return y & np.reshape(active, (active.shape[0], *[1] * (y.ndim - 1))) if y.dtype == bool else y


def own_rows(active: Any) -> Any:
    """Return for each row its number where it is ``active``, and the number of one that is elsewhere."""
    if not active.shape[0]:
        return np.zeros(0, int)
    numbers = np.arange(active.shape[0])
    return np.where(active, numbers, np.argmax(active)) if active.shape[0] else numbers


def _widened_in_front(jaxpr: Jaxpr) -> Jaxpr:
    """Return ``jaxpr`` with a truth in front, which it does not read."""
    inputs = [Var(ShapedArray((), np.dtype(bool))), *jaxpr.in_vars]
    return Jaxpr(inputs, jaxpr.equations, jaxpr.outputs, jaxpr.const_vars, jaxpr.constants)


def _widened(jaxpr: Jaxpr, avals: Sequence[ShapedArray]) -> Jaxpr:
    """Return ``jaxpr`` with further inputs, which it does not read."""
    inputs = [*jaxpr.in_vars, *[Var(a) for a in avals]]
    return Jaxpr(inputs, jaxpr.equations, jaxpr.outputs, jaxpr.const_vars, jaxpr.constants)


def _retyped(jaxpr: Jaxpr, avals: Sequence[ShapedArray]) -> Jaxpr:
    """Return ``jaxpr`` with inputs of ``avals``; those that change it does not read."""
    inputs = [v if v.aval is a else Var(a) for v, a in zip(jaxpr.in_vars, avals, strict=True)]
    return Jaxpr(inputs, jaxpr.equations, jaxpr.outputs, jaxpr.const_vars, jaxpr.constants)


def _limit() -> int:
    """Return how many bytes a loop may keep."""
    given = os.environ.get("AUTOTRACE_LOOP_BYTES")
    if given is not None and not given.strip().isdecimal():
        raise ValueError(f"AUTOTRACE_LOOP_BYTES: it must be a number of bytes; got {given!r}. Write it in digits.")
    return _LARGEST_STACKS if given is None else int(given)


def _room(width: int) -> int:
    """Return how many rows of so many bytes may be kept: as many as buffers have that grow as :func:`_grown` says."""
    limit, rows = _limit(), _FIRST_ROWS
    while 2 * rows * width <= limit:
        rows *= 2
    return rows


def _refuse(runs: int, width: int) -> NoReturn:
    raise LoopMemoryError(
        f"while_loop: reverse mode may keep {_limit()} bytes of a loop's values; got {runs} runs that keep "
        f"{runs * width}, and the loop goes on{here()}. End it sooner, wrap its body in checkpoint, use forward mode, "
        "or set AUTOTRACE_LOOP_BYTES."
    )


def _grown(stacks: Sequence[Any], runs: int) -> list[Any]:
    """Return buffers with room for as many rows again, within the bound."""
    kept = sum(stack.nbytes for stack in stacks)
    if 2 * kept > _limit():
        _refuse(runs, kept // len(stacks[0]))
    grown = []
    for stack in stacks:
        larger = np.empty((2 * len(stack), *stack.shape[1:]), stack.dtype)
        larger[: len(stack)] = stack
        grown.append(larger)
    return grown
