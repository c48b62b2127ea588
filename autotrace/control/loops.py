"""What loops have in common: which parts of the carry move, what is kept for the way back, batches of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import Atom, Jaxpr, ShapedArray, Slot, eliminate_dead_code
from ..primitives.comparison import select
from ..primitives.shape import Transpose
from ..tracing import Tracer, bind
from .programs import invariant, reached, split, tangent_of

__all__ = [
    "Cut",
    "Parts",
    "batched_avals",
    "chosen",
    "cut",
    "fixpoint",
    "linear_slots",
    "marked",
    "needed_carry",
    "read_inputs",
    "rows_first",
    "stack_aval",
    "tangents_of",
]


class Parts(NamedTuple):
    """The operands of a loop by their role; and anything else that is told apart like them."""

    consts: Sequence[Any]
    carry: Sequence[Any]
    xs: Sequence[Any]


def stack_aval(row: ShapedArray, length: int) -> ShapedArray:
    """Return the aval of ``length`` rows."""
    return ShapedArray((length, *row.shape), row.dtype)


def batched_avals(avals: Sequence[ShapedArray], size: int, marks: Sequence[bool]) -> list[ShapedArray]:
    """Return the avals of values of which the marked ones are batches."""
    return [stack_aval(a, size) if mark else a for a, mark in zip(avals, marks, strict=True)]


def tangents_of(avals: Sequence[ShapedArray], marks: Sequence[bool]) -> list[ShapedArray]:
    """Return the avals of the tangents of the marked values."""
    return [tangent_of(a) for a, mark in zip(avals, marks, strict=True) if mark]


def fixpoint(
    jaxpr: Jaxpr, consts: int, carry: int, marks: Sequence[bool], derivatives: bool
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Return which inputs of a loop's program are marked once the carry has come round, and which outputs.

    ``marks`` tells which are at first; an output that depends on a marked input is marked, in the sense of
    :func:`~.programs.reached`.
    """
    moved = list(marks)
    while True:
        outs = reached(jaxpr, moved, derivatives)
        grown = [m or o for m, o in zip(moved[consts : consts + carry], outs, strict=False)]
        if grown == moved[consts : consts + carry]:
            return tuple(moved), (*grown, *outs[carry:])
        moved[consts : consts + carry] = grown


class Cut(NamedTuple):
    """A loop's program cut into a forward and a linear one.

    ``plan`` tells what the residuals of the linear program are, in order: an input of the loop and its position, a
    value that the ``prologue`` computes once from the constants ("fixed"), or rows that the forward program gives after
    its own outputs ("stack"). Those of no rows stand before the tangents of the constants, the others before those of
    the xs.
    """

    forward: Jaxpr
    linear: Jaxpr
    prologue: Jaxpr
    plan: list[tuple[str, int]]
    consts: int
    carry: int

    def operands(
        self, inputs: Sequence[Any], fixed: Sequence[Any], stacks: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Return the residuals without rows and those with rows."""
        whole, rows = iter(fixed), iter(stacks)
        lower = [inputs[at] if kind == "const" else next(whole) for kind, at in self.plan if kind in ("const", "fixed")]
        upper = [inputs[at] if kind == "row" else next(rows) for kind, at in self.plan if kind in ("row", "stack")]
        return lower, upper


def cut(jaxpr: Jaxpr, consts: int, carry: int, moved: Sequence[bool], some: Sequence[bool], what: str) -> Cut:
    """Cut a loop's program, whose inputs move as ``moved`` tells; the linear one gives tangents of outputs ``some``.

    What does not change from run to run is computed and kept once.
    """
    parts = split(jaxpr, moved, some, what)
    middle = consts + carry
    new = list(parts.forward.outputs[parts.own :])
    prologue, still = invariant(parts.forward, consts, new)
    names = list(parts.linear.in_vars)
    given = list(zip(parts.inputs, names, strict=False))
    made = list(zip(new, still, names[len(given) :], strict=False))
    tangents = names[len(given) + len(new) :]
    lower = [("const", i, v) for i, v in given if i < consts] + [("fixed", 0, v) for _, s, v in made if s]
    upper = [("stack", 0, v) for i, v in given if consts <= i < middle]
    upper += [("stack", 0, v) for _, s, v in made if not s]
    upper += [("row", i, v) for i, v in given if i >= middle]
    stacks: list[Atom] = [parts.forward.in_vars[i] for i, _ in given if consts <= i < middle]
    stacks += [v for v, s, _ in made if not s]
    ends = [sum(moved[:consts]), sum(moved[:middle])]
    linear = Jaxpr(
        [
            *[v for _, _, v in lower],
            *tangents[: ends[1]],
            *[v for _, _, v in upper],
            *tangents[ends[1] :],
        ],
        parts.linear.equations,
        parts.linear.outputs,
        parts.linear.const_vars,
        parts.linear.constants,
    )
    return Cut(
        parts.forward.replace(outputs=[*parts.forward.outputs[: parts.own], *stacks]),
        linear,
        prologue,
        [(kind, at) for kind, at, _ in (*lower, *upper)],
        len(lower) + ends[0],
        ends[1] - ends[0],
    )


def needed_carry(jaxpr: Jaxpr, consts: int, used: Sequence[bool], asked: Sequence[bool]) -> list[bool]:
    """Return which outputs of a loop's program are needed for the ``used`` ones, the carry coming round.

    ``asked`` tells which values of the carry are needed in any case.
    """
    count = len(asked)
    wanted = [*[u or a for u, a in zip(used, asked, strict=False)], *used[count:]]
    while True:
        program = eliminate_dead_code(
            jaxpr.replace(outputs=[v for v, w in zip(jaxpr.outputs, wanted, strict=True) if w])
        )
        read = read_inputs(program)[consts : consts + count]
        grown = [w or r for w, r in zip(wanted, read, strict=False)]
        if grown == wanted[:count]:
            return wanted
        wanted[:count] = grown


def read_inputs(jaxpr: Jaxpr) -> list[bool]:
    """Tell which inputs a program reads."""
    read: set[Atom] = {v for e in jaxpr.equations for v in e.inputs}.union(jaxpr.outputs)
    return [v in read for v in jaxpr.in_vars]


def marked(items: Sequence[Any], marks: Sequence[bool]) -> list[Any]:
    """Return the marked ``items``."""
    return [x for x, mark in zip(items, marks, strict=True) if mark]


def rows_first(x: Any) -> Any:
    """Exchange the first two axes: rows of batches for batches of rows."""
    x = x if type(x) is Tracer else np.asarray(x)
    return bind(Transpose((1, 0, *range(2, x.ndim))), x)


def chosen(active: Any, x: Any, y: Any) -> Any:
    """Return the rows of ``x`` where ``active``, of rank 1, is true, and those of ``y`` elsewhere."""
    rank = max(np.ndim(v) if type(v) is not Tracer else v.ndim for v in (x, y))
    return select(np.reshape(active, (active.shape[0], *[1] * (rank - 1))), x, y)


def linear_slots(
    avals: Sequence[ShapedArray], marks: Sequence[bool], moved: Sequence[bool], positions: Sequence[int]
) -> list[Slot | None]:
    """Return the places of the tangents of operands that have ``moved``: zeros for those not marked at first."""
    return [
        Slot(at if mark else None, tangent_of(aval)) if moves else None
        for aval, mark, moves, at in zip(avals, marks, moved, positions, strict=True)
    ]
