"""The work of :func:`autotrace.profile`: runs, and what they say of each line of the source."""

from __future__ import annotations

import importlib
import linecache
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..compile.program import Program
from ..control.jit import Jitted
from ..ir import Equation, Jaxpr, Place, equation_cost, located, place
from ..ir.cost import readable_bytes, taken
from ..ir.pricing import aligned, phase_of, share
from ..tracing import leaf_value
from ..transforms import grad, value_and_grad
from ..transforms.arguments import function_name
from ..tree import tree_leaves
from .cost import program_of
from .timing import Allocated, Timed, Watched, allocations, cost_of_reading, interpreted, times, watched

__all__ = ["Event", "LineProfile", "Profile", "duration", "profiled"]

FEWEST, MOST = 3, 200
"""Runs, where the caller does not say how many."""
BUDGET = 0.3
"""Seconds after which no further run is begun, where the caller does not say how many."""


def profiled(fun: Callable[..., Any], args: Any, kwargs: Any, repeats: int | None, memory: bool) -> Profile:
    """Run ``fun`` and its program, and return where the time and memory of the fastest run went."""
    start = time.perf_counter()
    jaxpr = program_of(fun, args, kwargs)
    tracing = time.perf_counter() - start
    if isinstance(fun, Jitted):
        leaves: Sequence[Any] = fun.leaves(*args, **kwargs)
    else:
        leaves = [leaf_value(x, "", "profile") for x in tree_leaves((args, kwargs))]
    programs = _programs(fun, jaxpr)
    reading = cost_of_reading()

    def once() -> tuple[float, list[Timed]]:
        """Call the function, then run its program: what slows the machine down for a while slows both."""
        return _seconds_of(lambda: fun(*args, **kwargs)), [times(program, leaves, reading) for program in programs]

    rounds = _repeated(once, repeats)
    call = min([spent for spent, _ in rounds])
    runs = [list(of_one) for of_one in zip(*[timed for _, timed in rounds], strict=True)]
    nearest = min(range(len(programs)), key=lambda i: abs(min([run.total for run in runs[i]]) * 1e-9 - call))
    allocated = allocations(programs[nearest], leaves) if memory else None
    return Profile(function_name(fun), jaxpr, programs[nearest], runs[nearest], allocated, call, tracing)


def _programs(fun: Callable[..., Any], jaxpr: Jaxpr) -> list[Watched]:
    """Return the ways in which calls of ``fun`` run its program.

    Jitted functions run generated Python, gradients do once they have been called often, others never do.
    """
    if isinstance(fun, Jitted):
        return [watched(Program(jaxpr).compiled)]
    if getattr(fun, "_transform", None) in (grad, value_and_grad):
        return [interpreted(jaxpr), watched(Program(jaxpr).compiled)]
    return [interpreted(jaxpr)]


def _seconds_of(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _repeated(run: Callable[[], Any], repeats: int | None) -> list[Any]:
    if repeats is not None:
        return [run() for _ in range(repeats)]
    found: list[Any] = []
    end = time.perf_counter() + BUDGET
    while len(found) < FEWEST or (len(found) < MOST and time.perf_counter() < end):
        found.append(run())
    return found


class Event(NamedTuple):
    """One equation in the run: when it began (seconds from the start), how long it took, what it allocated."""

    equation: Equation
    start: float
    seconds: float
    new_bytes: int | None
    live_bytes: int | None

    @property
    def place(self) -> Place | None:
        """The line of the user's code."""
        return place(self.equation.source)

    @property
    def phase(self) -> str:
        """``"primal"``, ``"tangent"`` or ``"cotangent"``."""
        return phase_of(self.equation)


class LineProfile(NamedTuple):
    """Time and memory of one line of source."""

    place: Place | None
    """File, line, function; None for equations that come from no line."""
    forward: float
    """Seconds of the function itself."""
    tangent: float
    """Seconds of its forward derivative."""
    backward: float
    """Seconds of its reverse derivative."""
    new_bytes: int | None
    """Allocated by its equations, one after the other; None without ``memory``."""
    live_bytes: int | None
    """The most that was alive during one of them."""
    equations: int

    def plus(self, event: Event, phase: str, part: float) -> LineProfile:
        """Return this line with the ``part`` of ``event`` that belongs to it added to ``phase``."""
        column = {"primal": "forward", "tangent": "tangent", "cotangent": "backward"}[phase]
        line = self._replace(**{column: getattr(self, column) + event.seconds * part}, equations=self.equations + 1)
        if event.new_bytes is None or event.live_bytes is None:
            return line
        new = (self.new_bytes or 0) + int(event.new_bytes * part)
        return line._replace(new_bytes=new, live_bytes=max(self.live_bytes or 0, event.live_bytes))

    @property
    def seconds(self) -> float:
        """Of all three."""
        return self.forward + self.tangent + self.backward

    @property
    def text(self) -> str:
        """The line of source, without its indentation; empty where the file is not there."""
        return "" if self.place is None else linecache.getline(self.place.file, self.place.line).strip()


class Profile:
    """Where time and memory of one run went. Prints as a table; :func:`autotrace.profile` makes it.

    The accounts, in seconds, of the fastest run:

    - ``seconds``: of all equations, the sum over ``lines``; ``between_seconds``: before, after and between them;
      ``timer_seconds``: for reading the clock. ``total_seconds`` is their sum, and the wall clock of that run.
    - ``call_seconds``: of one call of the function as it is, the fastest; ``trace_seconds``: of tracing it once.
    - ``runs``: the total of every run, to see how they scatter.
    - ``lines``: a :class:`LineProfile` for each line, in the order of the source; ``events``: an :class:`Event` for
      each equation, in the order in which they ran; ``peak_bytes``: the most that was allocated at a time, arguments
      not counted (None without ``memory``).

    What runs inside one equation (a loop's body, a fused region) cannot be timed apart: its time is shared out among
    its lines by their estimated cost, and ``notes`` say so.
    """

    def __init__(
        self,
        name: str,
        jaxpr: Jaxpr,
        program: Watched,
        runs: Sequence[Timed],
        allocated: Sequence[Allocated] | None,
        call: float,
        tracing: float,
    ) -> None:
        best = min(runs, key=lambda run: run.total)
        self.name = name
        self.jaxpr = jaxpr
        self.runs = [run.total * 1e-9 for run in runs]
        self.total_seconds = best.total * 1e-9
        self.timer_seconds = best.timer * 1e-9
        self.between_seconds = best.between * 1e-9
        self.seconds = sum(best.equations) * 1e-9
        self.call_seconds = call
        self.trace_seconds = tracing
        self.events: list[Event] = []
        self.notes: list[str] = []
        clock = 0.0
        known: Sequence[Allocated | None] = allocated if allocated is not None else [None] * len(best.equations)
        for equation, spent, memory in zip(program.equations, best.equations, known, strict=False):
            new, live = (None, None) if memory is None else memory
            self.events.append(Event(equation, clock, spent * 1e-9, new, live))
            clock += spent * 1e-9
        self.lines = self._by_line()
        self.peak_bytes = max([e.live_bytes or 0 for e in self.events], default=0) if allocated is not None else None

    def _by_line(self) -> list[LineProfile]:
        """Gather what every equation, and every part of one that holds programs, took."""
        gathered: dict[tuple[str, int], LineProfile] = {}
        for event in self.events:
            parts = _parts(event.equation)
            if len(parts) > 1:
                self._note(event)
            for equation, part in parts:
                where = place(equation.source)
                key = ("", 0) if where is None else (where.file, where.line)
                line = gathered.get(key, LineProfile(where, 0.0, 0.0, 0.0, None, None, 0))
                gathered[key] = line.plus(event, phase_of(equation), part)
        return [gathered[key] for key in sorted(gathered)]

    def _note(self, event: Event) -> None:
        what = f"{event.equation.primitive.name}{located(event.place)}"
        note = f"{what}: its time is shared out among its lines by their estimated cost."
        if note not in self.notes:
            self.notes.append(note)

    @property
    def forward_seconds(self) -> float:
        """Of the function itself, over all lines."""
        return sum([line.forward for line in self.lines])

    @property
    def tangent_seconds(self) -> float:
        """Of its forward derivative, over all lines."""
        return sum([line.tangent for line in self.lines])

    @property
    def backward_seconds(self) -> float:
        """Of its reverse derivative, over all lines."""
        return sum([line.backward for line in self.lines])

    def columns(self) -> list[str]:
        """Return the phases that took place: of ``"forward"``, ``"tangent"``, ``"backward"``."""
        found = [word for word in ("forward", "tangent", "backward") if any(getattr(x, word) for x in self.lines)]
        return found or ["forward"]

    def table(self, limit: int | None = 40) -> str:
        """Return the ``limit`` lines that take longest (None: all of them) as text, in the order of the source."""
        slowest = sorted(self.lines, key=lambda line: line.seconds, reverse=True)[:limit]
        shown = [line for line in self.lines if line in slowest]
        words = self.columns()
        head = ("line", *words, "", *(() if self.peak_bytes is None else ("new", "alive")))
        rows, ends, files = [head], ["source"], {}
        for line in shown:
            files[len(rows)] = "" if line.place is None else line.place.file
            spent = [duration(getattr(line, word)) if getattr(line, word) else "" for word in words]
            memory = [] if self.peak_bytes is None else [readable_bytes(line.new_bytes or 0)]
            memory += [] if self.peak_bytes is None else [readable_bytes(line.live_bytes or 0)]
            number = "-" if line.place is None else str(line.place.line)
            rows.append((number, *spent, share(line.seconds, self.seconds), *memory))
            ends.append(line.text)
        written, last = [], None
        for index, (text, end) in enumerate(zip(aligned(rows, left=()).splitlines(), ends, strict=True)):
            if index and files[index] != last:
                last = files[index]
                written.append(os.path.basename(last) or "no source line")
            written.append(f"{text.ljust(len(text))}  {end}".rstrip())
        hidden = len(self.lines) - len(shown)
        return "\n".join([*written, *([f"{hidden} more lines"] if hidden else [])])

    def __str__(self) -> str:
        accounts = [
            ("one call", duration(self.call_seconds), "as you call it, the fastest"),
            ("tracing", duration(self.trace_seconds), "once"),
            ("program", duration(self.total_seconds), f"the fastest of {len(self.runs)} runs, of it"),
            ("  lines", duration(self.seconds), ", ".join([f"{w} {duration(self._of(w))}" for w in self.columns()])),
            ("  between", duration(self.between_seconds), "before the first equation and after the last"),
            ("  timer", duration(self.timer_seconds), "reading the clock"),
        ]
        if self.peak_bytes is not None:
            accounts.append(("memory", readable_bytes(self.peak_bytes), "the most at a time, arguments not counted"))
        numbers = aligned([row[:2] for row in accounts]).splitlines()
        told = [f"{text}  {row[2]}" for text, row in zip(numbers, accounts, strict=True)]
        notes = [f"Note: {note}" for note in self.notes]
        return "\n".join([f"profile of {self.name}", *told, "", self.table(), *notes])

    def _of(self, word: str) -> float:
        found: float = getattr(self, f"{word}_seconds")
        return found

    def __repr__(self) -> str:
        return f"<profile of {self.name}: {duration(self.total_seconds)}, {len(self.lines)} lines>"

    def to_html(self) -> str:
        """Return a page that stands alone: the accounts, and each line with its source and bars for its time."""
        page: str = _views().html_page(self)
        return page

    def _repr_html_(self) -> str:
        fragment: str = _views().html_fragment(self)
        return fragment

    def to_json(self) -> str:
        """Return the run in the trace event format that speedscope, Perfetto and Chrome's ``chrome://tracing`` open.

        Functions, phases, lines and equations stand in each other as in a flame graph.
        """
        text: str = _views().trace_events(self)
        return text

    def save(self, path: Any) -> None:
        """Write the profile to a file: HTML, JSON or text, as the name ends in .html, .json or .txt.

        Raises ``ValueError`` for other endings.
        """
        ending = os.path.splitext(os.fspath(path))[1].lower()
        makers: dict[str, Callable[[], str]] = {".html": self.to_html, ".json": self.to_json, ".txt": self.__str__}
        if ending not in makers:
            raise ValueError(f"save: the name must end in .html, .json or .txt; got {os.fspath(path)!r}. Rename it.")
        with open(path, "w", encoding="utf-8") as file:
            file.write(makers[ending]() + "\n")


def _views() -> Any:
    """Return the module that writes HTML and JSON, loaded when one is asked for."""
    return importlib.import_module(".views", __package__)


def _parts(equation: Equation) -> list[tuple[Equation, float]]:
    """Return the innermost equations of ``equation``, itself if it holds no program, with their shares of its time."""
    found = _weighed(equation, 1)
    total = sum([weight for _, weight in found])
    if not total:
        return [(equation, 1.0)]
    return [(inner, weight / total) for inner, weight in found]


def _weighed(equation: Equation, times: int) -> list[tuple[Equation, float]]:
    runs = equation.primitive.runs()
    if not runs:
        cost = equation_cost(equation)
        # A microsecond to call NumPy, a nanosecond for two operations, one for ten bytes.
        return [(equation, times * (1e-6 + 0.5e-9 * cost.flops + 0.1e-9 * cost.bytes))]
    found = []
    for run in taken(runs):
        for inner in run.program.equations:
            found += _weighed(inner, times * (1 if run.times is None else run.times))
    return found


def duration(seconds: float) -> str:
    """Return ``seconds`` with three digits and a unit.

    >>> duration(0), duration(1.5e-6), duration(0.0234), duration(2)
    ('0 ns', '1.50 us', '23.4 ms', '2.00 s')
    """
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 0.9995:
            number = seconds * factor
            return f"{number:.{max(0, 3 - len(str(int(number + 0.5))))}f} {unit}"
    return f"{np.rint(seconds * 1e9):.0f} ns"
