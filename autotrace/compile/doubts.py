"""Which results of a program of scalars must be looked at, so that no number that is not finite is swallowed.

Infinities and NaN mostly make what is computed of them infinite or NaN. So a program is looked at in few places: at
results that are not passed on in that way, and in loops at what is handed on from run to run, once they have ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..ir import Atom, Equation, Jaxpr, Literal, Var
from .blocks import Branches, Repeated, Rows, roles
from .floats import FLOAT, operation
from .simplify import simplify

__all__ = ["Doubts", "Plan", "Run"]


class Run(NamedTuple):
    """One run of a loop: what is asked before it, and what is done in it."""

    jaxpr: Jaxpr
    """Its inputs are the constants, the carry and the rows; its outputs the carry and the ys."""
    asking: Sequence[Equation]
    running: Sequence[Equation]
    truth: Atom | None
    """What tells whether to go on; None where the rows tell."""


class Plan(NamedTuple):
    """A loop as it is written, and where it is looked at."""

    run: Run
    carried: frozenset[int]
    """The values of the carry that are not finite at the end if they were not once."""
    listed: bool
    """The ys are to be looked at as a whole, after the loop."""
    asked: Sequence[Atom]
    """What must be looked at before it is told whether to go on."""
    looked_at: Sequence[Atom]
    """What must be looked at after each run."""


class Doubts:
    """How the loops of a program are written, each planned once, and which of its values must be looked at."""

    def __init__(self) -> None:
        self._plans: dict[int, Plan] = {}

    def plan(self, equation: Equation) -> Plan:
        """Return the plan of a loop."""
        found = self._plans.get(id(equation))
        if found is None:
            found = self._plans[id(equation)] = self._made(equation)
        return found

    def of(self, equations: Sequence[Equation], covered: set[Atom]) -> list[Atom]:
        """Return which results of ``equations`` must be looked at.

        Those ``covered`` are looked at in any case, or make something not finite that is; more are added.
        """
        found: list[Atom] = []
        for equation in reversed(equations):
            doubtful, telling = self._of_equation(equation)
            found += [v for v in doubtful if v not in covered]
            covered.update(doubtful)
            for out, operands in telling:
                if out in covered:
                    covered.update([v for v in operands if type(v) is not Literal])
        return found

    def _of_equation(self, equation: Equation) -> tuple[Sequence[Atom], Sequence[tuple[Atom, Sequence[Atom]]]]:
        """Return the doubtful results of an equation, and for results the operands that make them not finite."""
        block = equation.primitive.block()
        if type(block) is Branches:
            return _floats(equation.outputs), ()
        if block is not None:
            plan, parts = self.plan(equation), roles(equation)
            ends = [parts.ends[i] for i in plan.carried]
            rows = [v for v in _floats(parts.ys) if v.aval.ndim == 1] if plan.listed else []
            return [*ends, *rows], [(parts.ends[i], [parts.carry[i]]) for i in plan.carried]
        known = operation(equation)
        if known is None or not equation.outputs:
            return (), ()
        doubtful = _floats(equation.outputs) if known.doubtful else ()
        return doubtful, [(equation.outputs[0], [equation.inputs[int(k)] for k in known.kept])]

    def _made(self, equation: Equation) -> Plan:
        block, parts = equation.primitive.block(), roles(equation)
        run = _run_of_rows(block, parts.fixed) if type(block) is Rows else _run_while(block, parts.fixed)
        plans = [self._looked_through(run, len(parts.fixed), len(parts.carry), listed) for listed in (False, True)]
        return min(plans, key=lambda plan: len(plan.looked_at))  # the first if they are alike

    def _looked_through(self, run: Run, first: int, count: int, listed: bool) -> Plan:
        """Return the plan of a loop whose carry is ``count`` inputs from the ``first`` on.

        That its values at the end tell of all runs is supposed of all of them, and given up until it holds of the rest.
        """
        before, after = run.jaxpr.in_vars[first : first + count], run.jaxpr.outputs[:count]
        carried = frozenset([i for i, v in enumerate(before) if v.aval.dtype == FLOAT])
        while True:
            covered: set[Atom] = set()
            asked = self.of(run.asking, covered)
            covered.update([after[i] for i in carried])
            if listed:
                covered.update([v for v in run.jaxpr.outputs[count:] if not v.aval.ndim])
            looked_at = self.of(run.running, covered)
            still = frozenset([i for i in carried if before[i] in covered])
            if still == carried:
                return Plan(run, carried, listed, asked, looked_at)
            carried = still


def _floats(results: Sequence[Var]) -> list[Var]:
    return [v for v in results if v.aval.dtype == FLOAT]


def _as_operands(inputs: Sequence[Var], operands: Sequence[Atom]) -> dict[Atom, Atom]:
    """Return what constants of a loop are to be called: equal ones alike, and numbers as such."""
    first: dict[Atom, Var] = {}
    return {
        v: Literal(v.aval.dtype.type(atom.value)) if type(atom) is Literal else first.setdefault(atom, v)
        for v, atom in zip(inputs, operands, strict=True)
    }


def _renamed(equations: Iterable[Equation], names: dict[Atom, Atom]) -> list[Equation]:
    return [e._replace(inputs=tuple([names.get(v, v) for v in e.inputs])) for e in equations]


def _run_of_rows(block: Rows, fixed: Sequence[Atom]) -> Run:
    """Return a run for given constants, with nothing to be asked."""
    body = block.body
    names = _as_operands(body.in_vars[: block.consts], fixed)
    outputs = [names.get(v, v) for v in body.outputs]
    program = simplify(body.replace(equations=_renamed(body.equations, names), outputs=outputs), reassociate=False)
    return Run(program, [], program.equations, None)


def _run_while(block: Repeated, fixed: Sequence[Atom]) -> Run:
    """Return condition and body for given constants, what both compute computed once."""
    condition, body = block.condition, block.body
    own = [*condition.in_vars[: block.asked], *body.in_vars[: block.consts]]
    names = _as_operands(own, fixed)
    names.update(zip(condition.in_vars[block.asked :], body.in_vars[block.consts :], strict=True))
    program = Jaxpr(
        [*own, *body.in_vars[block.consts :]],
        _renamed([*condition.equations, *body.equations], names),
        [names.get(v, v) for v in (condition.outputs[0], *body.outputs)],
        [*condition.const_vars, *body.const_vars],
        [*condition.constants, *body.constants],
    )
    program = simplify(program, reassociate=False)
    truth = program.outputs[0]
    needed: set[Atom] = {truth}
    asking: list[Equation] = []
    for equation in reversed(program.equations):
        if not needed.isdisjoint(equation.outputs):
            needed.update(equation.inputs)
            asking.append(equation)
    running = [e for e in program.equations if needed.isdisjoint(e.outputs)]
    return Run(program.replace(outputs=program.outputs[1:]), asking[::-1], running, truth)
