"""Plans: what each way to a Jacobian would cost, which one was chosen, and why; as a table and to be used again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..compile.reuse import structure, template
from ..ir import Cost, Equation, Jaxpr, ShapedArray, equation_cost
from .waist import Bracket

__all__ = [
    "Candidate",
    "Plan",
    "Price",
    "Recipe",
    "equation_seconds",
    "fingerprint",
    "generalized",
    "measured_seconds",
    "seconds_of",
    "sizes_of",
]

# Measured once on one core of a server of 2023 (AVX2), NumPy 2.4 with OpenBLAS. What they are matters less than their
# ratios: they weigh calls against memory against arithmetic.
CALL_SECONDS = 1.0e-6
"""A NumPy call on a small array, with what the interpreter or a compiled program adds."""
OPERAND_SECONDS = 5.0e-7
"""Each operand beyond the second: a part that is written into a whole."""
VIEW_SECONDS = 2.0e-7
SCALAR_SECONDS = 1.5e-7
"""An operation on numbers, which compiled programs do on Python floats or NumPy scalars."""
FLOPS_PER_SECOND = 2.0e10
"""Of matrix products, which alone are bound by arithmetic."""
CACHED_BYTES_PER_SECOND = 2.0e10
MEMORY_BYTES_PER_SECOND = 4.0e9
"""Of arrays too large for the cache: new memory has to be mapped, too."""
CACHE_BYTES = 2**20


def seconds_of(flops: float, moved: float, calls: float = CALL_SECONDS) -> float:
    """Estimate the time of ``flops`` operations on so many bytes, beside ``calls``: that of the calls themselves."""
    memory = min(moved, CACHE_BYTES) / CACHED_BYTES_PER_SECOND + max(moved - CACHE_BYTES, 0) / MEMORY_BYTES_PER_SECOND
    return calls + max(flops / FLOPS_PER_SECOND, memory)


def call_seconds(equation: Equation) -> float:
    """Estimate what calling NumPy for ``equation`` takes, whatever the sizes."""
    primitive, inputs, outputs, _ = equation
    runs = [run for run in primitive.runs() if not run.alternative] or list(primitive.runs())[:1]
    if runs:
        return CALL_SECONDS + sum((run.times or 1) * sum(map(call_seconds, run.program.equations)) for run in runs)
    if all(atom.aval.ndim == 0 for atom in (*inputs, *outputs)):
        return SCALAR_SECONDS
    if primitive.view:
        return VIEW_SECONDS
    return CALL_SECONDS + OPERAND_SECONDS * max(len(inputs) - 2, 0)


def equation_seconds(equation: Equation) -> float:
    """Estimate the time of ``equation``."""
    cost = equation_cost(equation)
    return seconds_of(cost.flops, cost.bytes, call_seconds(equation))


class Price:
    """What equations cost as a function of the number of directions, told from those written for two and three."""

    def __init__(self, two: Sequence[Equation], three: Sequence[Equation]) -> None:
        a, b = ([equation_cost(e) for e in equations] for equations in (two, three))
        calls = [call_seconds(e) for e in two]
        if len(a) != len(b):  # one of them had a shorter way: extrapolate from the whole
            a, b = ([Cost(sum(c.flops for c in x), sum(c.bytes for c in x))] for x in (a, b))
            calls = [sum(calls)]
        more = [Cost(y.flops - x.flops, y.bytes - x.bytes) for x, y in zip(a, b, strict=True)]
        self._terms = list(zip(a, more, calls, strict=True))
        self._known: dict[int, tuple[int, int, float]] = {}

    @classmethod
    def of_long(cls, once: Sequence[Equation], jaxpr: Jaxpr) -> Price:
        """Return the price of ``once`` and of a program of one direction in batches, without writing them down.

        All of it grows with the batch but for reading what the program closes over.
        """
        self = cls(once, once)
        constants = set(jaxpr.const_vars)
        for equation in jaxpr.equations:
            cost = equation_cost(equation)
            fixed = min(sum(v.aval.nbytes for v in equation.inputs if v in constants), cost.bytes)
            more = Cost(cost.flops, cost.bytes - fixed)
            self._terms.append((Cost(2 * cost.flops, fixed + 2 * more.bytes), more, call_seconds(equation)))
        return self

    def __call__(self, directions: int) -> tuple[int, int, float]:
        """Return operations, bytes and estimated seconds."""
        found = self._known.get(directions)
        if found is None:
            costs = [
                (max(x.flops + (directions - 2) * d.flops, 0), max(x.bytes + (directions - 2) * d.bytes, 0), calls)
                for x, d, calls in self._terms
            ]
            flops, moved = sum(f for f, _, _ in costs), sum(b for _, b, _ in costs)
            found = self._known[directions] = flops, moved, sum(seconds_of(*cost) for cost in costs)
        return found


class Recipe(NamedTuple):
    """What has to be known to carry a mode out, beside the program: nothing in it belongs to one trace."""

    mode: str
    positions: tuple[int, ...] = ()
    """Where the program is cut (mode ``mixed``), and in which order the pieces are multiplied."""
    bracket: Bracket | None = None
    pattern: Any = None
    coloring: Any = None


class Candidate(NamedTuple):
    """One way, and its price; ``refused`` says why it cannot be had."""

    mode: str
    passes: str = ""
    flops: int = 0
    bytes: int = 0
    seconds: float = 0.0
    note: str = ""
    recipe: Recipe | None = None
    refused: str = ""


class Plan:
    """How the Jacobian of a function is evaluated: chosen once for a program, and used for every call like it.

    Made by ``jacobian(f).plan(*args)``. ``plan(*args)`` evaluates the Jacobian so, and so does
    ``jacobian(f, mode=plan)(*args)``; ``print(plan)`` shows the table that :meth:`explain` returns.
    """

    def __init__(
        self,
        name: str,
        what: str,
        key: Any,
        sizes: tuple[int, int],
        primal: tuple[int, int, float],
        candidates: Sequence[Candidate],
        chosen: Candidate,
        reason: str,
        notes: Sequence[str],
        planning: float,
    ) -> None:
        self._name = name
        self._what = what
        self._key = key
        self._primal = primal
        self._reason = reason
        self._notes = tuple(notes)
        self._chosen = chosen
        self._call: Callable[..., Any] | None = None
        self.shape = sizes
        """Numbers out and numbers in: the shape of the whole Jacobian."""
        self.candidates = tuple(candidates)
        """Every mode with its estimated price."""
        self.planning_seconds = planning
        """How long it took to choose."""
        self.measured: dict[str, float] = {}
        """Seconds by mode, if they were measured."""

    @property
    def mode(self) -> str:
        """The mode that was chosen."""
        return self._chosen.mode

    @property
    def reason(self) -> str:
        """Why it was chosen, in a sentence."""
        return self._reason

    @property
    def pattern(self) -> Any:
        """The sparsity pattern that was found or given, or None."""
        return next((c.recipe.pattern for c in self.candidates if c.recipe and c.recipe.pattern is not None), None)

    @property
    def coloring(self) -> Any:
        """The colouring that mode ``sparse`` uses, or None."""
        return next((c.recipe.coloring for c in self.candidates if c.recipe and c.recipe.coloring is not None), None)

    @property
    def recipe(self) -> Recipe:
        """What the chosen mode needs to know."""
        recipe = self._chosen.recipe
        assert recipe is not None
        return recipe

    def fits(self, key: Any) -> bool:
        """Tell whether the plan was made for a program of this structure."""
        return bool(key == self._key)

    def bound(self, call: Callable[..., Any]) -> Plan:
        """Let calls of the plan be ``call(plan, args, kwargs)``."""
        self._call = call
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert self._call is not None
        return self._call(self, args, kwargs)

    def __repr__(self) -> str:
        return f"<Plan of {self._what}: {self.mode}>"

    def __str__(self) -> str:
        return self.explain()

    def explain(self) -> str:
        """Return the table: sizes, modes with operations, bytes, passes and time, what was chosen, and why."""
        rows, columns = self.shape
        head = ["mode", "passes", "flops", "bytes", "estimate", *(["measured"] if self.measured else []), ""]
        table = [head]
        table.append(["(value)", "1", _count(self._primal[0]), _count(self._primal[1]), _time(self._primal[2])])
        for c in self.candidates:
            if c.refused:
                table.append([c.mode, "-", "-", "-", "-", *(["-"] if self.measured else []), c.refused])
                continue
            measured = [_time(self.measured[c.mode]) if c.mode in self.measured else "-"] if self.measured else []
            mark = "<- chosen" + (f"; {c.note}" if c.note else "") if c is self._chosen else c.note
            table.append([c.mode, c.passes, _count(c.flops), _count(c.bytes), _time(c.seconds), *measured, mark])
        widths = [max(len(row[i]) for row in table if i < len(row)) for i in range(len(head) - 1)]
        lines = [f"{self._name} of {self._what}: R^{columns} -> R^{rows}"]
        for row in table:
            cells = [f"{x:<{w}}" if i == 0 else f"{x:>{w}}" for i, (x, w) in enumerate(zip(row, widths, strict=False))]
            lines.append("  " + "  ".join([*cells, *row[len(widths) :]]).rstrip())
        lines.append(f"{self.mode}: {self._reason}")
        lines.extend(self._notes)
        return "\n".join(lines)


def measured_seconds(call: Callable[[], Any], least: float = 0.02) -> float:
    """Return the seconds of the fastest of at least three calls, once warm."""
    call()
    best, spent, rounds = float("inf"), 0.0, 0
    while rounds < 3 or (spent < least and rounds < 100):
        start = time.perf_counter()
        call()
        taken = time.perf_counter() - start
        best, spent, rounds = min(best, taken), spent + taken, rounds + 1
    return best


def _count(n: float) -> str:
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f}"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def fingerprint(jaxpr: Jaxpr) -> tuple[Any, list[Any]]:
    """Return a hashable structure of a program without tracers in it, and the numbers and arrays that it leaves out.

    Whole numbers and truths are part of the structure, since patterns depend on them: they are indices and masks.
    """
    parts, operands = structure(jaxpr)
    fixed = tuple([np.asarray(x).tobytes() for x in operands if _is_fixed(x)])
    return (parts, fixed), [x for x in operands if not _is_fixed(x)]


def generalized(jaxpr: Jaxpr) -> Jaxpr:
    """Return the program with what :func:`fingerprint` leaves out as further inputs. Guards are dropped: they hold."""
    whole = template(jaxpr)
    _, operands = structure(jaxpr)
    extra = whole.in_vars[len(jaxpr.in_vars) :]
    pairs = list(zip(extra, operands, strict=True))
    fixed = [(v, x) for v, x in pairs if _is_fixed(x)]
    inputs = [*jaxpr.in_vars, *[v for v, x in pairs if not _is_fixed(x)]]
    return Jaxpr(inputs, whole.equations, whole.outputs, [v for v, _ in fixed], [x for _, x in fixed])


def _is_fixed(x: Any) -> bool:
    return np.asarray(x).dtype.kind not in "fc"


def sizes_of(avals: Sequence[ShapedArray]) -> int:
    """Return the number of numbers in all of ``avals``."""
    return sum(aval.size for aval in avals)
