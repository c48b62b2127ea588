"""Loops made shorter: what a run does not need from the run before is computed for all rows at once.

A scan's program falls into four parts: what depends on the constants alone (computed once), what depends on the rows
(computed before the loop, for all of them), what the carry goes through, and what only the ys need (computed after the
loop). One call of NumPy for all rows costs less than one for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compile.program import optimize
from ..ir import Atom, Equation, Jaxpr, Literal, Var, deriving
from ..tracing import bind, evaluate
from .programs import batched_program, derive, repeated

if TYPE_CHECKING:
    from .scan import Scan

__all__ = ["separate"]

_SHORTEST = 4
_LARGEST = 2_000_000
"""Elements that the rows of all separated values may have together: more would not stay in cache, or fill memory."""


class _Layers(NamedTuple):
    """The equations of a loop's program, by what they depend on and who needs them."""

    once: list[Equation]
    before: list[Equation]
    inside: list[Equation]
    after: list[Equation]


def separate(loop: Scan) -> Jaxpr | None:
    """Return a program that does what ``loop`` does with a shorter loop in it, or None if nothing is gained."""
    if loop.effect or loop.masked or loop.length < _SHORTEST:
        return None
    body = optimize(loop.jaxpr)
    layers = _layers(body, loop.consts, loop.carry)
    apart = [v for e in (*layers.before, *layers.after) for v in e.outputs]
    if not (layers.once or apart) or loop.length * sum(v.aval.size for v in apart) > _LARGEST:
        return None
    plan = _Plan(loop, body, layers)
    if plan.stacks > len(layers.after):
        return None
    return derive(plan.program, loop.abstract_operands, "scan")


def _layers(body: Jaxpr, consts: int, carry: int) -> _Layers:
    fixed: set[Atom] = {*body.in_vars[:consts], *body.const_vars}
    rows: set[Atom] = set(body.in_vars[consts + carry :])
    layers = _Layers([], [], [], [])
    for equation in body.equations:
        read = {v for v in equation.inputs if type(v) is Var}
        if not _is_plain(equation):
            layers.inside.append(equation)
        elif read <= fixed:
            fixed.update(equation.outputs)
            layers.once.append(equation)
        elif read <= fixed | rows:
            rows.update(equation.outputs)
            layers.before.append(equation)
        else:
            layers.inside.append(equation)
    needed: set[Atom] = set(body.outputs[:carry])
    staying: list[Equation] = []
    for equation in reversed(layers.inside):
        if _is_plain(equation) and needed.isdisjoint(equation.outputs):
            layers.after.insert(0, equation)
        else:
            staying.insert(0, equation)
            needed.update(equation.inputs)
    return layers._replace(inside=staying)


def _is_plain(equation: Equation) -> bool:
    """Whether a batch of all rows is worth having: programs inside equations gain nothing."""
    return equation.primitive.push is None and not equation.primitive.effect


class _Plan:
    """Which values cross from one part of the loop to another."""

    def __init__(self, loop: Scan, body: Jaxpr, layers: _Layers) -> None:
        consts, middle = loop.consts, loop.consts + loop.carry
        self.loop, self.body, self.layers = loop, body, layers
        self.fixed = dict.fromkeys([*body.in_vars[:consts], *[v for e in layers.once for v in e.outputs]])
        self.rows = dict.fromkeys([*body.in_vars[middle:], *[v for e in layers.before for v in e.outputs]])
        self.late = {v for e in layers.after for v in e.outputs}
        ends, ys = body.outputs[: loop.carry], body.outputs[loop.carry :]
        inner = _reads(layers.inside, ends)
        self.inner_fixed = [v for v in inner if v in self.fixed]
        self.inner_rows = [v for v in inner if v in self.rows]
        carried = {*body.in_vars[consts:middle], *[v for e in layers.inside for v in e.outputs]}
        self.crossing = [v for v in _reads(layers.after, ys) if v in carried]
        self.stacks = len(set(self.crossing) - set(ys))
        """How many values are stacked that were not before."""

    def program(self, operands: list[Any]) -> list[Any]:
        """Record the loop in its parts."""
        loop, body, layers = self.loop, self.body, self.layers
        consts, carry, xs = loop.parts(operands)
        values: dict[Atom, Any] = dict(zip(body.const_vars, body.constants, strict=True))
        values.update(zip(body.in_vars[: loop.consts], consts, strict=True))
        values.update(zip(body.in_vars[loop.consts + loop.carry :], xs, strict=True))
        self._run(layers.once, values)
        self._run_rows(layers.before, values, set(body.in_vars[loop.consts + loop.carry :]))
        names = body.in_vars[loop.consts : loop.consts + loop.carry]
        inner = Jaxpr(
            [*self.inner_fixed, *names, *self.inner_rows],
            layers.inside,
            [*body.outputs[: loop.carry], *self.crossing],
            body.const_vars,
            body.constants,
        )
        shorter = type(loop)(inner.replace(), loop.length, len(self.inner_fixed), loop.carry, loop.reverse)
        given = [*[values[v] for v in self.inner_fixed], *carry, *[values[v] for v in self.inner_rows]]
        with deriving(next((e.source for e in body.equations), None)):  # the loop's own line is not known here
            outs = bind(shorter, *given)
        values.update(zip(self.crossing, outs[loop.carry :], strict=True))
        self._run_rows(layers.after, values, {*self.rows, *self.crossing})
        ys = [self._stacked(v, values) for v in body.outputs[loop.carry :]]
        return [*outs[: loop.carry], *ys]

    def _run(self, equations: Sequence[Equation], values: dict[Atom, Any]) -> None:
        """Compute values that are the same for all rows."""
        read = [v for v in _reads(equations, ()) if v in values]
        made = [v for e in equations for v in e.outputs]
        outs = evaluate(Jaxpr(read, equations, made), [values[v] for v in read])
        values.update(zip(made, outs, strict=True))

    def _run_rows(self, equations: Sequence[Equation], values: dict[Atom, Any], rows: set[Atom]) -> None:
        """Compute values of all rows at once; those so named have rows already."""
        read = [v for v in _reads(equations, ()) if v in values]
        made = [v for e in equations for v in e.outputs]
        outs = batched_program(
            Jaxpr(read, equations, made),
            self.loop.length,
            [values[v] for v in read],
            [v in rows for v in read],
            [True] * len(made),
        )
        values.update(zip(made, outs, strict=True))

    def _stacked(self, atom: Atom, values: dict[Atom, Any]) -> Any:
        if type(atom) is Literal:
            return repeated(atom.value, self.loop.length)
        return repeated(values[atom], self.loop.length) if atom in self.fixed else values[atom]


def _reads(equations: Sequence[Equation], outputs: Sequence[Atom]) -> list[Var]:
    """Return each variable that ``equations`` or ``outputs`` read, once."""
    read = [v for e in equations for v in e.inputs] + list(outputs)
    return list(dict.fromkeys([v for v in read if type(v) is Var]))
