"""What a program costs, equation by equation: operations, bytes moved, bytes alive at a time; and tables of them.

``jaxpr.cost()`` loads this module; the prices of single equations are in :mod:`autotrace.ir.cost`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .cost import Cost, added, own_cost, readable, readable_bytes, taken, times_of
from .equation import Atom, Equation, Literal
from .evaluate import last_uses
from .primitive import Run
from .source import COTANGENT, TANGENT, Place, located, phase_name, place

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = ["EquationCost", "ProgramCost", "aligned", "phase_of", "share"]

Key = TypeVar("Key", bound=Hashable)


class EquationCost(NamedTuple):
    """The cost of one equation in all its evaluations, ``times`` of them in one run of the program."""

    equation: Equation
    times: int
    flops: int
    bytes: int
    live_bytes: int
    """What is alive while it is evaluated: operands of this and later equations, and its outputs."""
    depth: int
    """How many programs, one in the other, hold it: 0 in the program itself."""

    @property
    def place(self) -> Place | None:
        """The line of the user's code."""
        return place(self.equation.source)

    @property
    def phase(self) -> str:
        """``"primal"``, ``"tangent"`` or ``"cotangent"``."""
        return phase_of(self.equation)


def phase_of(equation: Equation) -> str:
    """Return which part of a derivative ``equation`` belongs to: ``"primal"``, ``"tangent"``, ``"cotangent"``."""
    return phase_name(equation.source)


class ProgramCost:
    """What one run of a program costs, as :func:`autotrace.cost` and ``jaxpr.cost()`` return it. Prints as a table.

    - ``flops``: floating-point operations; ``bytes``: bytes that equations read and write.
    - ``peak_bytes``: the most bytes alive at a time: ``argument_bytes`` (inputs and constants, which live throughout),
      intermediate results until their last use, outputs (``output_bytes``) to the end; views take none.
    - ``intensity``: operations for each byte moved. Below about ten a program waits for memory.
    - ``by_equation``: a list of :class:`EquationCost`, those inside loops and calls included.
    - ``by_primitive``, ``by_line``, ``by_phase``: dictionaries of :class:`Cost`, the most expensive first, whose keys
      are names, :class:`autotrace.Place` (or None), and ``"primal"``, ``"tangent"``, ``"cotangent"``.
    - ``notes``: what could only be estimated, as sentences.
    """

    __slots__ = ("argument_bytes", "by_equation", "jaxpr", "notes", "output_bytes", "peak_bytes")

    def __init__(self, jaxpr: Jaxpr) -> None:
        self.jaxpr = jaxpr
        self.by_equation: list[EquationCost] = []
        self.notes: list[str] = []
        self.argument_bytes = sum([v.aval.nbytes for v in (*jaxpr.in_vars, *jaxpr.const_vars)])
        self.output_bytes = sum([v.aval.nbytes for v in dict.fromkeys(jaxpr.outputs) if type(v) is not Literal])
        self.peak_bytes = self._walk(jaxpr, 1, 0, 0)

    def _walk(self, jaxpr: Jaxpr, times: int, depth: int, outside: int) -> int:
        """Add a row for each equation; return the most bytes alive inside, what is alive ``outside`` included."""
        memory = _Memory(jaxpr)
        peak = outside + memory.live
        for index, equation in enumerate(jaxpr.equations):
            runs = equation.primitive.runs()
            before = outside + memory.live
            made = memory.evaluate(index, equation)
            if not runs:
                cost, live = times_of(own_cost(equation), times), before + made
                self.by_equation.append(EquationCost(equation, times, *cost, live, depth))
                peak = max(peak, live)
                continue
            self._note(equation, runs)
            counted = taken(runs)
            for run in counted:
                # What one evaluation returns takes no memory beside the equation's outputs; what many return may.
                once = run.times == 1 and len(counted) == 1
                held = before - sum([v.aval.nbytes for v in run.program.in_vars]) + (0 if once else made)
                rounds = 1 if run.times is None else run.times
                peak = max(peak, self._walk(run.program, times * rounds, depth + 1, max(held, outside)))
            peak = max(peak, before + made)
        return peak

    def _note(self, equation: Equation, runs: Sequence[Run]) -> None:
        what = f"{equation.primitive.name}{located(place(equation.source))}"
        if any(run.times is None for run in runs):
            self._add_note(f"{what}: only its values tell how many rounds it takes; one is counted.")
        if any(run.alternative for run in runs):
            self._add_note(f"{what}: of its branches the most expensive one is counted.")

    def _add_note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    @property
    def flops(self) -> int:
        """Floating-point operations of one run."""
        return sum([row.flops for row in self.by_equation])

    @property
    def bytes(self) -> int:
        """Bytes that equations read and write in one run."""
        return sum([row.bytes for row in self.by_equation])

    @property
    def intensity(self) -> float:
        """Operations for each byte moved."""
        return self.flops / self.bytes if self.bytes else 0.0

    @property
    def by_primitive(self) -> dict[str, Cost]:
        """Cost by the primitive's name, the most expensive first."""
        return self._by(lambda row: row.equation.primitive.name)

    @property
    def by_line(self) -> dict[Place | None, Cost]:
        """Cost by the line of the user's code, the most expensive first; None for equations without one."""
        return self._by(lambda row: row.place)

    @property
    def by_phase(self) -> dict[str, Cost]:
        """Cost of the primal, the tangent and the cotangent part, those that there are."""
        found = self._by(lambda row: row.phase)
        return {phase: found[phase] for phase in ("primal", TANGENT, COTANGENT) if phase in found}

    def _by(self, key: Callable[[EquationCost], Key]) -> dict[Key, Cost]:
        groups: dict[Key, list[Cost]] = {}
        for row in self.by_equation:
            groups.setdefault(key(row), []).append(Cost(row.flops, row.bytes))
        sums = {name: added(costs) for name, costs in groups.items()}
        return dict(sorted(sums.items(), key=lambda item: item[1], reverse=True))

    def table(self, by: str = "line", limit: int | None = 12) -> str:
        """Return the cost ``by`` ``"line"``, ``"primitive"``, ``"phase"`` or ``"equation"`` as text.

        At most ``limit`` rows are shown, the others as one sum; None shows all. Raises ``ValueError`` for another word.
        """
        if by == "equation":
            return self._table_of_equations(limit)
        if by not in ("line", "primitive", "phase"):
            raise ValueError(
                f"table: by must be 'line', 'primitive', 'phase' or 'equation'; got {by!r}. Choose one of them."
            )
        groups: dict[Any, Cost] = getattr(self, f"by_{by}")
        shown = [(_line(key) if by == "line" else key, cost) for key, cost in groups.items()]
        if limit is not None and len(shown) > limit:
            shown = [*shown[:limit], (f"{len(shown) - limit} more", added([cost for _, cost in shown[limit:]]))]
        return aligned(
            [
                (by, "flops", "", "moved"),
                *[(name, readable(c.flops), share(c.flops, self.flops), readable_bytes(c.bytes)) for name, c in shown],
            ]
        )

    def _table_of_equations(self, limit: int | None) -> str:
        """List equations in their order; the first ``limit``."""
        rows = [("equation", "flops", "", "moved", "alive", "line")]
        for index, row in enumerate(self.by_equation[:limit]):
            what, numbers = _described(index, row), Cost(row.flops, row.bytes)
            moved, alive = readable_bytes(numbers.bytes), readable_bytes(row.live_bytes)
            line = "" if row.place is None else str(row.place)
            rows.append((what, readable(numbers.flops), share(numbers.flops, self.flops), moved, alive, line))
        text = aligned(rows, left=(0, 5))
        rest = len(self.by_equation) - len(rows) + 1
        return f"{text}\n{rest} more" if rest else text

    def __str__(self) -> str:
        head = (
            f"{readable(self.flops)} flops, {readable_bytes(self.bytes)} moved ({self.intensity:.2g} flops/byte), "
            f"at most {readable_bytes(self.peak_bytes)} alive ({readable_bytes(self.argument_bytes)} arguments)"
        )
        parts = [head]
        if len(self.by_phase) > 1:
            parts.append(self.table("phase"))
        if self.by_equation:
            parts += [self.table("line"), self.table("primitive")]
        return "\n\n".join(parts) + "".join(f"\n\nNote: {note}" for note in self.notes)

    def __repr__(self) -> str:
        return (
            f"<cost of {len(self.by_equation)} equations: {readable(self.flops)} flops, "
            f"{readable_bytes(self.bytes)} moved, {readable_bytes(self.peak_bytes)} at most>"
        )


class _Memory:
    """Which arrays are alive, equation by equation. A view keeps alive what it is a view of, and takes no memory."""

    def __init__(self, jaxpr: Jaxpr) -> None:
        self._frees = last_uses(jaxpr)
        self._owner: dict[Atom, Atom] = {}
        self._size: dict[Atom, int] = {}
        self._users: dict[Atom, int] = {}
        """Of each array that is alive, how many names of it and of its views are."""
        self._held = {*jaxpr.in_vars, *jaxpr.const_vars}  # these are the caller's, and stay
        self.live = sum([var.aval.nbytes for var in self._held])

    def evaluate(self, index: int, equation: Equation) -> int:
        """Let the outputs of ``equation`` live, and what is read for the last time die; return what was added."""
        made = 0
        for var in equation.outputs:
            first = equation.inputs[0] if equation.primitive.view and equation.inputs else None
            owner: Atom = var if first is None or type(first) is Literal else self._owner.get(first, first)
            self._owner[var] = owner
            self._users[owner] = self._users.get(owner, 0) + 1
            if owner is var:
                self._size[var] = 0 if equation.primitive.view else var.aval.nbytes
                made += self._size[var]
        self.live += made
        for var in self._frees.get(index, ()):
            owner = self._owner.get(var, var)
            if owner in self._held:
                continue
            self._users[owner] -= 1
            if not self._users[owner]:
                self.live -= self._size[owner]
        return made


# -- text --------------------------------------------------------------------------------------------


def share(part: float, whole: float) -> str:
    """Return ``part`` as a percentage of ``whole``."""
    return f"{100 * part / whole:.0f}%" if whole else ""


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Return ``rows`` as text in columns: those ``left`` to the left, the others to the right."""
    widths = [max([len(row[i]) for row in rows]) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            text.ljust(width) if i in left else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _line(where: Place | None) -> str:
    return "no source line" if where is None else str(where)


def _described(index: int, row: EquationCost) -> str:
    outputs = ", ".join([str(var.aval) for var in row.equation.outputs])
    times = f" x {row.times}" if row.times != 1 else ""
    return f"{index} {'  ' * row.depth}{row.equation.primitive.name}{' -> ' if outputs else ''}{outputs}{times}"
