"""Fair timing on a machine that is never quite still.

All libraries of a row are measured in one interleaved run: round after round, each in turn runs for the same
time, and the order rotates. What slows the machine for a while then slows all of them. Medians are compared.
"""

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest

Call = Callable[[], object]

NOISY = 0.15  # an interquartile range above this share of the median


@dataclass(frozen=True)
class Timing:
    """The seconds that one call took in each round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """The interquartile range over the median."""
        if len(self.rounds) < 4:
            return 0.0
        low, _, high = statistics.quantiles(self.rounds, n=4)
        return (high - low) / self.median


Row = dict[str, Timing]


def seconds_of(call: Call, loops: int) -> float:
    start = time.perf_counter()
    for _ in range(loops):
        call()
    return (time.perf_counter() - start) / loops


def loops_for(call: Call, min_time: float) -> int:
    """How many calls last `min_time` seconds, once warm."""
    call()
    loops = 1
    while True:
        total = seconds_of(call, loops) * loops
        if total >= min_time:
            return loops
        loops = max(2 * loops, int(loops * min_time / max(total, 1e-9)))


def interleave(calls: Mapping[str, Call], repeat: int, min_time: float) -> Row:
    """Time `calls` round-robin: `repeat` rounds, `min_time` seconds of each library in a round."""
    loops = {library: loops_for(call, min_time) for library, call in calls.items()}
    rounds: dict[str, list[float]] = {library: [] for library in calls}
    order = list(calls)
    # The collector stays on, as it is for users; only what earlier rows left behind is not ours to pay for.
    gc.collect()
    for _ in range(repeat):
        for library in order:
            rounds[library].append(seconds_of(calls[library], loops[library]))
        order.append(order.pop(0))
    return {library: Timing(tuple(times)) for library, times in rounds.items()}


def interleave_processes(scripts: Mapping[str, str], repeat: int) -> Row:
    """Run each script in fresh processes, round-robin; each prints the seconds that it measured itself.

    Bytecode is cached, as it is for users, even where the environment says not to.
    """
    rounds: dict[str, list[float]] = {name: [] for name in scripts}
    with tempfile.TemporaryDirectory() as cache:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = cache
        for number in range(repeat + 1):
            for name, script in scripts.items():
                command = [sys.executable, "-c", script]
                run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
                if number:  # the first round only warms the disk's cache and compiles bytecode
                    rounds[name].append(float(run.stdout))
    return {name: Timing(tuple(times)) for name, times in rounds.items()}


def compare(
    cases: Mapping[str, Mapping[str, Call]],
    *,
    repeat: int = 15,
    min_time: float = 0.02,
    title: str = "",
    per: Mapping[str, int] | None = None,
) -> dict[str, Row]:
    """Measure every case, each with its libraries interleaved, and print one table: see `print_table`.

    `cases` : label -> library -> call. A library that a case leaves out has an empty place in its row.
    `per` : label -> how many operations one call does; the table then shows the cost of one.
    """
    timings = {label: interleave(calls, repeat, min_time) for label, calls in cases.items()}
    if per is not None:
        timings = {label: divided(row, per[label]) for label, row in timings.items()}
    print_table(timings, title=title)
    return timings


def divided(row: Row, count: int) -> Row:
    return {name: Timing(tuple(seconds / count for seconds in timing.rounds)) for name, timing in row.items()}


def ratio(row: Row, peer: str) -> float:
    """The time of the row's first library over that of `peer`."""
    return next(iter(row.values())).median / row[peer].median


def print_table(timings: Mapping[str, Row], *, title: str = "") -> None:
    """Print microseconds, each with its ratio to the first library's; then name what was noisy."""
    libraries = list(dict.fromkeys(library for row in timings.values() for library in row))
    lines = [[f"{title} [us]", *libraries]]
    for label, row in timings.items():
        base = row[libraries[0]].median if libraries[0] in row else None
        lines.append([label, *(entry(row.get(library), base) for library in libraries)])
    print_columns(lines)
    for label, row in timings.items():
        for library, timing in row.items():
            if timing.spread > NOISY:
                print(f"  noisy: {library} on {label!r}: half of the rounds lie {timing.spread:.0%} apart")


def entry(timing: Timing | None, base: float | None) -> str:
    if timing is None:
        return "-"
    shown = f"{timing.median * 1e6:,.2f}"
    return shown if base is None or timing.median == base else f"{shown} ({timing.median / base:.2f}x)"


def print_columns(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    for line in lines:
        label, *figures = line
        print(f"{label:<{widths[0]}}", *map(str.rjust, figures, widths[1:]), sep="  ")
    print()


def print_target(what: str, figure: float, limit: float, unit: str = "") -> bool:
    """Print whether `figure` keeps within `limit`."""
    met = figure <= limit
    print(f"  {'met   ' if met else 'MISSED'}  {what}: {figure:,.4g}{unit} (at most {limit:,.4g}{unit})")
    return met


def print_versions(*distributions: str) -> None:
    """Print the versions that the figures below belong to."""
    found = [f"Python {sys.version.split()[0]}"]
    for name in distributions:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} absent")
    print(", ".join(found), end="\n\n")
