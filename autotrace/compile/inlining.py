"""Which values of a program of scalars are written where they are read, as part of another expression.

A value with a name of its own costs Python a store and a load.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..ir import Atom, Equation
from .floats import INT, Operation, operation

__all__ = ["assignment", "inlined", "last_reads"]

_DEEPEST = 8
"""Expressions that stand in one another; Python's parser has a bound."""


def assignment(equation: Equation) -> Operation | None:
    """Return the operation of an equation that is written as one assignment: of one result, no loop and no branch."""
    return operation(equation) if equation.primitive.block() is None and len(equation.outputs) == 1 else None


def inlined(equations: Sequence[Equation], kept: Collection[Atom], truth: Atom | None = None) -> dict[Atom, int]:
    """Return the values that are written where they are read, and how many expressions deep each is.

    Those ``kept`` have names. ``truth`` is read once more, by itself, after the equation that makes it and before
    what depends on it.
    """
    uses: dict[Atom, int] = {}
    for atom in (*kept, *kept, *[v for e in equations for v in e.inputs]):  # twice: never read only once
        uses[atom] = uses.get(atom, 0) + 1
    readers: dict[Atom, Equation] = {v: e for e in equations for v in e.inputs if uses[v] == 1}
    depths: dict[Atom, int] = {}
    for equation in equations:
        known = assignment(equation)
        if known is None or equation.outputs[0].aval.ndim:
            continue
        out = equation.outputs[0]
        depth = 1 + max([depths.get(v, 0) for v in equation.inputs], default=0)
        if depth > _DEEPEST or (known.doubtful and out.aval.dtype == INT):  # its range is checked, by its name
            continue
        fits = out not in uses if out is truth else out in readers and _stands_once(out, readers[out])
        if fits:
            depths[out] = depth
    return depths


def _stands_once(atom: Atom, reader: Equation) -> bool:
    """Tell whether the expression of ``reader`` computes an operand once if that stands in its place."""
    known = assignment(reader)
    return known is not None and known.text.count(f"{{{reader.inputs.index(atom)}}}") == 1


def last_reads(equations: Sequence[Equation], inside: Collection[Atom]) -> dict[Atom, int]:
    """Return the last of ``equations`` in whose statements each value is read, those ``inside`` being inlined."""
    found: dict[Atom, int] = {}
    for index in reversed(range(len(equations))):
        equation = equations[index]
        out = equation.outputs[0] if equation.outputs else None
        written = found.get(out, index) if out is not None and out in inside else index
        for atom in equation.inputs:
            found[atom] = max(found.get(atom, -1), written)
    return found
