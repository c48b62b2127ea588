"""The whole comparison: steady state, from cold to N gradients, first gradients, memory, import; one table.

`python -m tests.benchmarks.suite [--quick] [--only NAME] [--write PAGE]`, part of `make bench`. The tables go
to the terminal as Markdown and with `--write` also between the markers of a page, with machine and versions.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import harness, report
from .cold import COUNTS, Cold, Server
from .libraries import NAMES, installed, load, to_numpy
from .report import Results, Row
from .workloads import Workload, all_workloads

MEMORY = {"quick": ("20 elementwise, 1e5", "network"), "full": ("20 elementwise, 1e7", "network")}
IMPORT = "import time\nstart = time.perf_counter()\nimport {module}\nprint(time.perf_counter() - start)"


@dataclass(frozen=True)
class Effort:
    """How long to look.

    `cold_seconds` : calls from cold go on for so long. `warm_seconds` : calls before the steady ones, at
    least 2 and at most 60. `steady_seconds` : for all libraries of a row together.
    """

    quick: bool
    cold_rounds: int
    cold_seconds: float
    warm_seconds: float
    steady_seconds: float
    rounds: int


QUICK = Effort(True, cold_rounds=1, cold_seconds=0.1, warm_seconds=0.4, steady_seconds=0.6, rounds=5)
FULL = Effort(False, cold_rounds=3, cold_seconds=1.0, warm_seconds=5.0, steady_seconds=10.0, rounds=15)

MIN_ROUNDS = 3

Calls = dict[str, Callable[[], Any]]


def library_of(form: str) -> str:
    return form.partition(":")[0]


def built(workload: Workload, forms: Sequence[str]) -> tuple[Calls, dict[str, str]]:
    """Build every form and compare the results; return the calls, and why others are missing."""
    calls: Calls = {}
    failures = {}
    expected: list[np.ndarray] | None = None
    for form in forms:
        library = load(library_of(form))
        try:
            call = workload.build(form, library, [library.array(x) for x in workload.arguments()])
            result = to_numpy(call())
        except Exception as error:
            failures[form] = f"{type(error).__name__}: {error}".splitlines()[0]
            continue
        if expected is None:
            expected = result
        check_agreement(result, expected, f"{form} on {workload.name}")
        calls[form] = call
    return calls, failures


def check_agreement(result: Sequence[np.ndarray], expected: Sequence[np.ndarray], what: str) -> None:
    """A benchmark of different results would measure nothing."""
    for got, want in zip(result, expected, strict=True):
        assert got.dtype == want.dtype == np.float64, f"{what}: {got.dtype}"
        scale = float(np.max(np.abs(want), initial=1e-300))
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8 * scale, err_msg=what)


def warm(call: Callable[[], Any], seconds: float) -> float:
    """Call until what is called often has been compiled; return the seconds of the last call."""
    start, last = time.perf_counter(), 0.0
    for count in range(60):
        last = harness.seconds_of(call, 1)
        if count and time.perf_counter() - start > seconds:
            break
    return last


def steady(calls: Calls, effort: Effort) -> dict[str, harness.Timing]:
    """One interleaved run; fewer rounds where one takes long."""
    each = {form: warm(call, effort.warm_seconds) for form, call in calls.items()}
    smallest = effort.steady_seconds / effort.rounds / len(calls)
    round_seconds = sum(max(smallest, seconds) for seconds in each.values())
    rounds = min(effort.rounds, max(MIN_ROUNDS, int(effort.steady_seconds / round_seconds)))
    return harness.interleave(calls, rounds, smallest)


def cold(workload: Workload, forms: Sequence[str], servers: dict[str, Server], effort: Effort) -> dict[str, Any]:
    """The calls from cold of every form, the median of rounds by the first call; or what went wrong."""
    found: dict[str, list[Cold]] = {}
    failures: dict[str, str] = {}
    for _ in range(effort.cold_rounds):
        for form in forms:
            if form in failures:
                continue
            result = servers[library_of(form)].first_calls(workload.name, form, effort.cold_seconds)
            if isinstance(result, str):
                failures[form] = result
                found.pop(form, None)
            else:
                found.setdefault(form, []).append(result)
    middle = {form: sorted(runs, key=lambda c: c.seconds[1])[len(runs) // 2] for form, runs in found.items()}
    return middle | failures


def measure(workload: Workload, names: Sequence[str], servers: dict[str, Server], effort: Effort) -> Row:
    """Everything about one workload; of several forms of a library, the better one at each question."""
    forms = [form for name in names for form in workload.forms(effort.quick) if library_of(form) == name]
    first = cold(workload, forms, servers, effort)
    failures = {form: result for form, result in first.items() if isinstance(result, str)}
    row = Row(workload.name)
    calls, further = built(workload, [form for form in forms if form not in failures])
    failures |= further
    timings = {} if workload.cold_only else steady(calls, effort)
    for name in names:
        mine = [form for form in calls if library_of(form) == name]
        if not mine:
            why = [failure for form, failure in failures.items() if library_of(form) == name]
            if why:
                row.failures[name] = why[0]
            continue
        row.first[name] = min(first[form].seconds[1] for form in mine)
        row.reached[name] = max(first[form].last for form in mine)
        if timings:
            row.steady[name] = min(timings[form].median for form in mine)
            row.until[name] = {n: min(first[f].until(n, timings[f].median) for f in mine) for n in COUNTS}
            row.noisy[name] = max(timings[form].spread for form in mine)
    return row


def measure_memory(names: Sequence[str], servers: dict[str, Server], effort: Effort) -> dict[str, Any]:
    chosen = MEMORY["quick" if effort.quick else "full"]
    return {
        workload: {name: servers[name].memory(workload, name, effort.warm_seconds) for name in names}
        for workload in chosen
    }


def measure_imports(names: Sequence[str], repeat: int) -> dict[str, float]:
    """Seconds of an import in a fresh process; of autotrace also once NumPy is there."""
    modules = {
        "numpy": "numpy",
        "autotrace": "autotrace",
        "autograd": "autograd.numpy",
        "torch": "torch",
        "jax": "jax",
    }
    scripts = {name: IMPORT.format(module=module) for name, module in modules.items() if name in ("numpy", *names)}
    scripts["autotrace, after numpy"] = "import numpy\n" + IMPORT.format(module="autotrace")
    return {name: timing.median for name, timing in harness.interleave_processes(scripts, repeat).items()}


def chosen_workloads(only: Sequence[str], quick: bool) -> list[Workload]:
    found = [w for w in all_workloads().values() if not (quick and w.long)]
    if only:
        found = [w for w in all_workloads().values() if any(word.lower() in w.name.lower() for word in only)]
    if not found:
        raise SystemExit(f"no workload is called {only}; there are: {'; '.join(all_workloads())}")
    return found


def run(workloads: Sequence[Workload], names: Sequence[str], effort: Effort, partial: bool) -> Results:
    servers = {name: Server(name, fork=effort.quick and name in ("torch", "jax")) for name in names}
    results = Results(names=tuple(names), quick=effort.quick)
    try:
        for workload in workloads:
            start = time.perf_counter()
            results.rows.append(measure(workload, names, servers, effort))
            print(f"  {workload.name}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
        if not partial:
            results.memory = measure_memory(names, servers, effort)
            results.imports = measure_imports(names, 3 if effort.quick else 15)
    finally:
        for server in servers.values():
            server.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one look at each, and noisier; no long workloads")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="workloads with this in their name")
    parser.add_argument("--libraries", nargs="+", choices=NAMES, default=NAMES, help="leave the others out")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between the markers of this page")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of other libraries, on Pythons and NumPys newer than they are
    names = [name for name in installed() if name in options.libraries]
    effort = QUICK if options.quick else FULL
    start = time.perf_counter()
    results = run(chosen_workloads(options.only, options.quick), names, effort, partial=bool(options.only))
    results.minutes = (time.perf_counter() - start) / 60
    text = report.markdown(results)
    print(text)
    if options.write is not None:
        report.write(options.write, text)


if __name__ == "__main__":
    main()
