"""Runs of a program with a reading of a clock, or of the allocator, after each equation.

What runs is the program itself: interpreted as ``eval_jaxpr`` does, or the Python that ``jit`` has generated, with one
more statement between every two. The readings are taken in the order of ``equations``, so a run is a list of them.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ..compile.codegen import Compiled
from ..ir import Atom, Equation, Jaxpr, Literal, annotate, inline, last_uses

__all__ = ["Allocated", "Timed", "Watched", "allocations", "cost_of_reading", "interpreted", "times", "watched"]

Read = Callable[[], Any]


class Watched(NamedTuple):
    """A program to be run on its leaves while somebody takes readings."""

    equations: Sequence[Equation]
    """In the order in which they run; a reading follows each."""
    run: Callable[[Sequence[Any], Read, Callable[[Any], None]], None]
    """``run(leaves, read, keep)`` runs the program and calls ``keep(read())`` after each equation."""


def interpreted(jaxpr: Jaxpr) -> Watched:
    """Return ``jaxpr``, its calls written out, to be interpreted."""
    jaxpr = inline(jaxpr)
    frees = last_uses(jaxpr)

    def run(leaves: Sequence[Any], read: Read, keep: Callable[[Any], None]) -> None:
        env: dict[Atom, Any] = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
        env.update(zip(jaxpr.in_vars, leaves, strict=True))
        for index, equation in enumerate(jaxpr.equations):
            primitive, inputs, outputs, _ = equation
            try:
                result = primitive.impl(*[v.value if type(v) is Literal else env[v] for v in inputs])
            except Exception as error:
                raise annotate(error, equation) from error.__cause__
            if primitive.multiple:
                env.update(zip(outputs, result, strict=True))
            else:
                env[outputs[0]] = result
            del result
            for var in frees.get(index, ()):
                env.pop(var, None)
            keep(read())

    return Watched(jaxpr.equations, run)


def watched(compiled: Compiled) -> Watched:
    """Return a generated program whose source takes a reading after the statements of each equation."""
    lines, order = _with_readings(compiled)
    scope = dict(compiled.function.__globals__)
    exec(compile("\n".join(lines), "<autotrace profiled program>", "exec"), scope)
    program = scope["program"]

    def run(leaves: Sequence[Any], read: Read, keep: Callable[[Any], None]) -> None:
        scope["read_"], scope["keep_"] = read, keep
        program(*leaves)

    return Watched([compiled.jaxpr.equations[index] for index in order], run)


def _with_readings(compiled: Compiled) -> tuple[list[str], list[int]]:
    """Return the source with a reading after each equation, and which equation it is each time.

    What an equation frees (a ``del``) still belongs to it.
    """
    lines: list[str] = []
    order: list[int] = []
    waiting: tuple[str, int] | None = None
    for number, line in enumerate(compiled.source.split("\n"), start=1):
        if waiting is not None and not line.lstrip().startswith("del "):
            lines.append(f"{waiting[0]}keep_(read_())")
            order.append(waiting[1])
            waiting = None
        lines.append(line)
        if number in compiled.lines:
            waiting = (line[: len(line) - len(line.lstrip())], compiled.lines[number])
    return lines, order


class Timed(NamedTuple):
    """One run by the clock, in nanoseconds. ``sum(equations) + timer + between == total``."""

    equations: list[int]
    """For each equation, without what reading the clock takes."""
    timer: int
    """For reading the clock."""
    between: int
    """Before the first equation and after the last one."""
    total: int


def times(program: Watched, leaves: Sequence[Any], reading: int) -> Timed:
    """Run ``program`` by the clock, of which one ``reading`` takes so many nanoseconds."""
    stamps: list[int] = []
    clock = time.perf_counter_ns
    start = clock()
    stamps.append(clock())
    program.run(leaves, clock, stamps.append)
    end = clock()
    spans = [after - before for before, after in pairwise(stamps)]
    own = [max(0, span - reading) for span in spans]
    timer = sum(spans) - sum(own)
    return Timed(own, timer, end - start - sum(spans), end - start)


def cost_of_reading() -> int:
    """Return the nanoseconds that one reading of the clock takes: the least of several tries."""
    clock = time.perf_counter_ns
    tries = []
    for _ in range(5):
        stamps: list[int] = []
        keep = stamps.append
        for _ in range(200):
            keep(clock())
        tries.append((stamps[-1] - stamps[0]) // 199)
    return min(tries)


class Allocated(NamedTuple):
    """The memory of one equation as the allocator saw it, in bytes."""

    new: int
    """How much more was allocated at some time during the equation than before it."""
    live: int
    """The most that was allocated during the equation since the program began."""


def allocations(program: Watched, leaves: Sequence[Any]) -> list[Allocated]:
    """Run ``program`` under :mod:`tracemalloc`, to which NumPy reports its arrays.

    Python's own objects are part of it: some hundred bytes an equation.
    """
    tracemalloc = importlib.import_module("tracemalloc")
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()

    def read() -> tuple[int, int]:
        found: tuple[int, int] = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        return found

    try:
        readings: list[tuple[int, int]] = []
        tracemalloc.reset_peak()
        start = read()[0]
        program.run(leaves, read, readings.append)
    finally:
        if not running:
            tracemalloc.stop()
    found, before = [], start
    for current, peak in readings:
        found.append(Allocated(max(0, peak - before), max(0, peak - start)))
        before = current
    return found
