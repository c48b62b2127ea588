"""Cuts of a program: where all that flows from the inputs to the outputs passes through few numbers.

A cut after some equation is the set of variables that were made before it and are read after it. The Jacobian is the
product of those of the pieces between cuts; in which order and direction to multiply is the matrix chain problem with
derivatives in it (Griewank and Naumann, Accumulating Jacobians as chained sparse matrix products, 2003).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..ir import Atom, Equation, Jaxpr, Literal, Var

__all__ = ["Bracket", "Cut", "Segment", "bracketing", "cuts_at", "find_cuts", "flowing", "segment_of"]

MOST_CUTS = 12
"""Cuts that are looked at: the search is cubic in them, and each piece of a program has a price to be told."""


class Cut(NamedTuple):
    """The variables that are live after the first ``position`` equations through which derivatives flow."""

    position: int
    vars: tuple[Atom, ...]

    @property
    def size(self) -> int:
        """The number of its numbers."""
        return sum(v.aval.size for v in self.vars)


class Segment(NamedTuple):
    """The equations between two cuts as a program; its first ``moving`` inputs are the cut, the others are fixed."""

    jaxpr: Jaxpr
    moving: int


def flowing(jaxpr: Jaxpr, count: int, outputs: int) -> list[Equation]:
    """Return the equations that carry a derivative from the first ``count`` inputs to the first ``outputs`` outputs."""
    active: set[Atom] = set(jaxpr.in_vars[:count])
    ahead: list[Equation] = []
    for equation in jaxpr.equations:
        if not equation.primitive.stops and not active.isdisjoint(equation.inputs):
            ahead.append(equation)
            active.update([v for v in equation.outputs if v.aval.inexact])
    needed: set[Atom] = {v for v in jaxpr.outputs[:outputs] if type(v) is Var}
    kept = []
    for equation in reversed(ahead):
        if not needed.isdisjoint(equation.outputs):
            kept.append(equation)
            needed.update([v for v in equation.inputs if type(v) is Var])
    return kept[::-1]


def find_cuts(jaxpr: Jaxpr, count: int, outputs: int, equations: Sequence[Equation]) -> list[Cut]:
    """Return the first cut (the inputs), narrow ones in between, and the last (the outputs)."""
    ends = jaxpr.outputs[:outputs]
    profile = _profile(jaxpr.in_vars[:count], equations, ends)
    first = Cut(0, jaxpr.in_vars[:count])
    last = Cut(len(equations), ends)
    limit = min(first.size, last.size)
    narrow = [p for p in range(1, len(equations)) if profile[p] < limit and profile[p] != profile[p - 1]]
    chosen = sorted(sorted(narrow, key=lambda p: profile[p])[:MOST_CUTS])
    return [first, *cuts_at(chosen, jaxpr.in_vars[:count], equations, ends), last]


def _last_readers(equations: Sequence[Equation], ends: Sequence[Atom]) -> dict[Atom, int]:
    """Return for each variable the position after which nothing reads it; outputs are read in the end."""
    last: dict[Atom, int] = {}
    for index, equation in enumerate(equations):
        for atom in equation.inputs:
            last[atom] = index
    last.update(dict.fromkeys(ends, len(equations)))
    return last


def _profile(starts: Sequence[Var], equations: Sequence[Equation], ends: Sequence[Atom]) -> list[int]:
    """Return the size of the cut at each position."""
    last = _last_readers(equations, ends)
    change = [0] * (len(equations) + 2)
    for position, made in [(0, starts), *[(i + 1, e.outputs) for i, e in enumerate(equations)]]:
        for var in made:
            if var.aval.inexact and last.get(var, -1) >= position:
                change[position] += var.aval.size
                change[last[var] + 1] -= var.aval.size
    sizes, size = [], 0
    for step in change[: len(equations) + 1]:
        size += step
        sizes.append(size)
    return sizes


def cuts_at(
    positions: Sequence[int], starts: Sequence[Var], equations: Sequence[Equation], ends: Sequence[Atom]
) -> list[Cut]:
    """Return the cuts at these positions, which are in order."""
    last = _last_readers(equations, ends)
    cuts, live, done = [], list(starts), 0
    for position in positions:
        for equation in equations[done:position]:
            live.extend([v for v in equation.outputs if v.aval.inexact])
        done = position
        live = [v for v in live if last.get(v, -1) >= position]
        cuts.append(Cut(position, tuple(live)))
    return cuts


def segment_of(equations: Sequence[Equation], start: Cut, end: Cut) -> Segment:
    """Return the program from the variables of ``start`` to those of ``end``; what else it reads are fixed inputs."""
    inside = equations[start.position : end.position]
    made: set[Atom] = set(start.vars)
    fixed: dict[Atom, None] = {}
    for equation in inside:
        fixed.update(dict.fromkeys([v for v in equation.inputs if type(v) is not Literal and v not in made]))
        made.update(equation.outputs)
    fixed.update(dict.fromkeys([v for v in end.vars if type(v) is not Literal and v not in made]))
    return Segment(Jaxpr((*start.vars, *fixed), inside, end.vars), len(start.vars))  # type: ignore[arg-type]


class Bracket(NamedTuple):
    """How the Jacobian from cut ``start`` to cut ``end`` is made: by one sweep, or from two parts met at ``split``.

    ``how`` is ``"forward"`` or ``"reverse"``: a sweep over all of it if ``split`` is None, and otherwise over one
    part, with what the other part gave as directions; or ``"multiply"``: both parts are made, and multiplied.
    """

    how: str
    start: int
    end: int
    split: int | None
    seconds: float
    before: Bracket | None = None
    after: Bracket | None = None

    def __str__(self) -> str:
        if self.split is None:
            return f"{self.how} {self.start}-{self.end}"
        if self.how == "multiply":
            return f"({self.after}) @ ({self.before})"
        return (
            f"forward {self.split}-{self.end} of ({self.before})"
            if self.how == "forward"
            else (f"reverse {self.start}-{self.split} of ({self.after})")
        )


def bracketing(
    sizes: Sequence[int],
    forward: Callable[[int, int, int], float],
    reverse: Callable[[int, int, int], float],
    multiply: Callable[[int, int, int], float],
    whole: bool = True,
) -> Bracket:
    """Return the cheapest way from the first cut to the last, by dynamic programming over the cuts.

    ``forward(i, j, k)`` and ``reverse(i, j, k)`` are the seconds of ``k`` directions through what lies between the
    cuts ``i`` and ``j``, ``multiply(a, b, c)`` those of a product of matrices. Without ``whole``, single sweeps over
    everything do not count.
    """
    best: dict[tuple[int, int], Bracket] = {}
    last = len(sizes) - 1
    for length in range(1, last + 1):
        for i in range(last - length + 1):
            j = i + length
            ways = [
                Bracket("forward", i, j, None, forward(i, j, sizes[i])),
                Bracket("reverse", i, j, None, reverse(i, j, sizes[j])),
            ]
            for m in range(i + 1, j):
                a, b = best[i, m], best[m, j]
                product = a.seconds + b.seconds + multiply(sizes[j], sizes[m], sizes[i])
                ways.append(Bracket("multiply", i, j, m, product, a, b))
                ways.append(Bracket("forward", i, j, m, a.seconds + forward(m, j, sizes[i]), before=a))
                ways.append(Bracket("reverse", i, j, m, b.seconds + reverse(i, m, sizes[j]), after=b))
            if length == last and not whole:
                ways = ways[2:]
            best[i, j] = min(ways, key=lambda way: way.seconds)
    return best[0, last]
