"""What the suite found, as Markdown: tables, geometric means, and which targets are met."""

import math
import os
import platform
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .cold import COUNTS

__all__ = ["Results", "Row", "markdown", "write"]

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
OURS, HAND = "autotrace", "by hand"
NOISY = 0.15

FIRST_LIMIT = 1 / 30  # of JAX's
LONG_PROGRAM, LONG_LIMIT = "2,000 operations", 0.150  # seconds
STEADY_MEANS = {"autograd": 1 / 8, "torch": 1 / 2, "jax": 1.0}
STEADY_WORST = {HAND: 1.0, "jax": 4.0}
MEMORY_LIMIT = 1.2


@dataclass
class Row:
    """What was measured of one workload, by library, in seconds.

    `until` : to the end of N calls from cold. `reached` : how many were made, the rest being reckoned.
    """

    name: str
    first: dict[str, float] = field(default_factory=dict)
    steady: dict[str, float] = field(default_factory=dict)
    until: dict[str, dict[int, float]] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)
    noisy: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class Results:
    """What one run of the suite found."""

    names: tuple[str, ...]
    quick: bool
    rows: list[Row] = field(default_factory=list)
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)
    imports: dict[str, float] = field(default_factory=dict)
    minutes: float = 0.0

    @property
    def peers(self) -> list[str]:
        return [name for name in self.names if name != OURS]


def markdown(results: Results) -> str:
    """Return every table; ratios are autotrace's time over the other's, so below 1 autotrace is faster."""
    parts = [
        machine(results),
        steady_table(results),
        cold_table(results),
        first_table(results),
        memory_table(results),
        import_table(results),
        failures(results),
        "### The whole in one table\n\n" + means_table(results),
        "### Targets\n\n" + "\n".join(targets(results)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(page: Path, text: str) -> None:
    """Put `text` between the markers of `page`. Raises `ValueError` where the page has none."""
    old = page.read_text(encoding="utf-8")
    if BEGIN not in old or END not in old:
        raise ValueError(f"{page}: has no lines {BEGIN} and {END}. Put them where the tables belong.")
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{text}\n{END}{tail}", encoding="utf-8")


def machine(results: Results) -> str:
    versions = [f"Python {platform.python_version()}"]
    for distribution in ("numpy", "autograd", "torch", "jax"):
        try:
            versions.append(f"{distribution} {version(distribution)}")
        except PackageNotFoundError:
            versions.append(f"{distribution} absent")
    kind = "A quick run" if results.quick else "A full run"
    return (
        f"{kind} of {time.strftime('%d %B %Y')}, {results.minutes:.0f} minutes: {processor()}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}. {', '.join(versions)}. float64, "
        "each library on the threads that it takes by itself, PyTorch also on one."
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.processor() or platform.machine())


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = "|".join(["---", *["---:"] * (len(header) - 1)])
    return "\n".join([f"| {' | '.join(header)} |", f"|{rule}|", *(f"| {' | '.join(line)} |" for line in lines)])


def geometric_mean(ratios: Iterable[float]) -> float | None:
    found = [math.log(ratio) for ratio in ratios]
    return math.exp(statistics.fmean(found)) if found else None


def seconds(x: float) -> str:
    """Return a duration with three digits and a unit."""
    for limit, factor, unit in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if x < limit:
            return f"{x * factor:.3g} {unit}"
    return f"{x:,.3g} s" if x < 1000 else f"{x:,.0f} s"


def ratio(x: float | None) -> str:
    return "-" if x is None else f"{x:,.0f}x" if x >= 100 else f"{x:.2f}x" if x >= 0.1 else f"{float(f'{x:.2g}')}x"


def beside(times: Mapping[str, float], name: str) -> str:
    """The time of `name`, and autotrace's over it."""
    if name not in times:
        return "-"
    shown = seconds(times[name])
    return shown if name == OURS or OURS not in times else f"{shown} ({ratio(times[OURS] / times[name])})"


def ratios(times: Iterable[Mapping[str, float]], peer: str) -> list[float]:
    return [row[OURS] / row[peer] for row in times if OURS in row and peer in row]


def steady_table(results: Results) -> str:
    rows = [row for row in results.rows if row.steady]
    if not rows:
        return ""
    lines = [[row.name, *(beside(row.steady, name) for name in results.names)] for row in rows]
    mean = ["geometric mean", ""]
    mean += [ratio(geometric_mean(ratios([row.steady for row in rows], peer))) for peer in results.peers]
    if OURS not in results.names:
        mean = mean[:1]
    text = "### Steady state: one gradient\n\nIn brackets autotrace's time over the other's.\n\n"
    text += table(["", *results.names], [*lines, mean])
    return text + noise(rows)


def noise(rows: Sequence[Row]) -> str:
    """Say how many figures are uncertain, and name the worst."""
    spreads = sorted(((x, f"{name} on {row.name}") for row in rows for name, x in row.noisy.items()), reverse=True)
    found = [f"{what} ({spread:.0%})" for spread, what in spreads if spread > NOISY]
    if not found:
        return ""
    return (
        f"\n\nNoisy, the middle half of the rounds more than {NOISY:.0%} apart: {len(found)} of "
        f"{len(spreads)} figures, the worst {'; '.join(found[:5])}."
    )


def cold_table(results: Results) -> str:
    rows = [row for row in results.rows if row.until and OURS in row.until]
    if not rows:
        return ""
    lines = []
    for row in rows:
        cells = []
        for n in COUNTS:
            reckoned = "~" if row.reached[OURS] < n else ""
            others = {name: row.until[name][n] for name in row.until if name not in (OURS, HAND)}
            cell = reckoned + seconds(row.until[OURS][n])
            if others:
                best = min(others, key=others.__getitem__)
                cell += f" ({ratio(row.until[OURS][n] / others[best])} {best})"
            cells.append(cell)
        lines.append([row.name, *cells])
    return (
        "### From cold to N gradients\n\nautotrace's time from cold to the end of N calls, with its ratio to "
        "the best other library at that N. A ~ marks what is reckoned beyond the calls that were made: each "
        "further one takes the steady median.\n\n" + table(["", *(f"N = {n:,}" for n in COUNTS)], lines)
    )


def first_table(results: Results) -> str:
    rows = [row for row in results.rows if row.first]
    lines = [[row.name, *(beside(row.first, name) for name in results.names)] for row in rows]
    return "### Time to the first gradient\n\nFresh process, imports done.\n\n" + table(["", *results.names], lines)


def megabytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:,.2f}"


def memory_table(results: Results) -> str:
    if not results.memory:
        return ""
    lines = []
    for workload, found in results.memory.items():
        for name in results.names:
            memory = found.get(name)
            if memory is None:
                continue
            if isinstance(memory, str):
                lines.append([workload, name, memory, "-", ""])
                continue
            how = "growth of the process" if memory.resident else "allocations"
            lines.append([workload, name, megabytes(memory.first), megabytes(memory.later), how])
    header = ["", "library", "first call [MB]", "later call [MB]", "counted"]
    return "### Peak memory of a gradient\n\n" + table(header, lines)


def import_table(results: Results) -> str:
    if not results.imports:
        return ""
    return "### Import\n\n" + table(["", "time"], [[name, seconds(x)] for name, x in results.imports.items()])


def failures(results: Results) -> str:
    lines = [f"- {name} on {row.name}: {why}" for row in results.rows for name, why in row.failures.items()]
    return "### Not finished\n\n" + "\n".join(lines) if lines else ""


def means_table(results: Results) -> str:
    """autotrace over each other library: geometric means over the workloads that both did."""
    rows = [row for row in results.rows if row.until]
    lines = []
    for peer in results.peers:
        cells = [ratio(geometric_mean(ratios([r.first for r in results.rows], peer)))]
        for n in COUNTS:
            cells.append(ratio(geometric_mean(ratios([at(row, n) for row in rows], peer))))
        found = ratios([row.steady for row in rows], peer)
        cells += [ratio(geometric_mean(found)), ratio(max(found, default=None)), str(len(found))]
        lines.append([peer, *cells])
    header = ["autotrace over", "first", *(f"N = {n:,}" for n in COUNTS), "steady", "worst", "workloads"]
    return table(header, lines)


def at(row: Row, n: int) -> dict[str, float]:
    return {name: found[n] for name, found in row.until.items()}


def targets(results: Results) -> list[str]:
    """Return a line for each target: met, or missed and by which workloads, the worst first."""
    rows = [row for row in results.rows if row.until]
    lines = []
    for n in COUNTS:
        means = {p: geometric_mean(ratios([at(row, n) for row in rows], p)) for p in results.peers if p != HAND}
        for peer, mean in means.items():
            if mean is not None:
                lines.append(verdict(f"from cold to {n:,} gradients over {peer}, geometric mean", mean, 1.0))
    for peer, limit in STEADY_MEANS.items():
        mean = geometric_mean(ratios([row.steady for row in rows], peer))
        if mean is not None:
            lines.append(verdict(f"steady state over {peer}, geometric mean", mean, limit))
    for peer, limit in STEADY_WORST.items():
        lines += every(f"steady state over {peer}", {r.name: ratios([r.steady], peer) for r in rows}, limit)
    lines += every("first gradient over jax", {r.name: ratios([r.first], "jax") for r in results.rows}, FIRST_LIMIT)
    for row in results.rows:
        if row.name == LONG_PROGRAM and OURS in row.first:
            lines.append(verdict(f"first gradient of {LONG_PROGRAM} in seconds", row.first[OURS], LONG_LIMIT, ""))
    return lines + every("peak memory over by hand", memory_ratios(results), MEMORY_LIMIT)


def memory_ratios(results: Results) -> dict[str, list[float]]:
    found = {}
    for workload, memory in results.memory.items():
        ours, hand = memory.get(OURS), memory.get(HAND)
        if ours is None or hand is None or isinstance(ours, str) or isinstance(hand, str):
            continue
        found[f"{workload}, first call"] = [ours.first / hand.first]
        found[f"{workload}, later call"] = [ours.later / hand.later]
    return found


def verdict(what: str, figure: float, limit: float, unit: str = "x") -> str:
    word = "met" if figure <= limit else "**missed**"
    return f"- {word}: {what}: {figure:.3g}{unit} (at most {limit:.3g}{unit})"


def every(what: str, found: Mapping[str, Sequence[float]], limit: float) -> list[str]:
    """One line for a target that holds for each workload; those that miss it, the worst first."""
    figures = {name: ratios[0] for name, ratios in found.items() if ratios}
    missed = sorted((name for name in figures if figures[name] > limit), key=lambda name: -figures[name])
    if not figures:
        return []
    head = f"{what}, on every workload at most {limit:.3g}x"
    if not missed:
        return [f"- met: {head}: the worst of {len(figures)} is {max(figures.values()):.3g}x"]
    listed = ", ".join(f"{name} {figures[name]:.3g}x" for name in missed)
    return [f"- **missed**: {head}: {len(missed)} of {len(figures)} miss it: {listed}"]
