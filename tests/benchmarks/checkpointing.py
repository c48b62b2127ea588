"""Checkpointed loops: the memory and the time of a gradient through 10,000 runs over a vector of 10^5 numbers.

Each way runs in a process of its own, whose peak memory the system tells (``ru_maxrss``); what the process takes
before it starts is subtracted. The plain way needs 8 GB. On a machine that has less to spare (or with ``--quick``), all
ways run a shorter loop, and the plain way's memory, which is proportional to the length, is extrapolated.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import autotrace

from . import harness

LENGTH, SIZE = 10_000, 100_000
SHORTER = 2_000
WAYS = ("plain", "levels=2", "levels=3", "levels=None")
MEMORY_TARGET, TIME_TARGET = 1 / 20, 2.2


def loop(way: str, length: int) -> Callable[[Any], Any]:
    """A number made by ``length`` runs of a step that reverse mode must remember; ``way`` says how."""

    def step(x: Any, _: None) -> tuple[Any, None]:
        return 1.0001 * np.sin(x) + 0.01, None

    if way == "plain":
        return lambda x: np.sum(autotrace.scan(step, x, length=length)[0])
    levels = None if way == "levels=None" else int(way[-1])
    return lambda x: np.sum(autotrace.checkpointed_scan(step, x, length=length, levels=levels)[0])


def peak() -> int:
    """The most bytes that this process has held."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def measure_here(way: str, length: int, size: int) -> dict[str, float]:
    x = np.linspace(0.1, 1.0, size)
    backward = autotrace.grad(loop(way, length))
    before, start = peak(), time.perf_counter()
    result = backward(x)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "bytes": peak() - before, "sum": float(np.sum(result))}


def measure(way: str, length: int, size: int) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, "--only", way, str(length), str(size)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def available() -> int:
    """Bytes of memory that may be had, as Linux tells; elsewhere the plain loop's are taken to be there."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 2 * 8 * LENGTH * SIZE
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter loop")
    parser.add_argument("--only", nargs=3, metavar=("WAY", "LENGTH", "SIZE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        way, length, size = chosen.only
        print(json.dumps(measure_here(way, int(length), int(size))))
        return
    harness.print_versions("numpy")
    length = SHORTER if chosen.quick or available() < 1.25 * 8 * LENGTH * SIZE else LENGTH
    found = {way: measure(way, length, SIZE) for way in WAYS}
    plain = found["plain"]
    rows = [["way", "peak memory [MB]", "seconds", "memory", "time"]]
    for way, result in found.items():
        assert np.isclose(result["sum"], plain["sum"], rtol=1e-9), f"{way} gives another gradient"
        shares = [f"1/{plain['bytes'] / result['bytes']:.0f}", f"{result['seconds'] / plain['seconds']:.2f} x"]
        rows.append([way, f"{result['bytes'] / 1e6:,.0f}", f"{result['seconds']:.1f}", *shares])
    print(f"{length:,} runs over a vector of {SIZE:,} numbers")
    harness.print_columns(rows)
    whole = plain["bytes"] * LENGTH / length
    if length < LENGTH:
        print(f"extrapolated: {LENGTH:,} runs keep {whole / 1e6:,.0f} MB; below, ways are compared at {length:,} runs")
    for way in WAYS[1:]:
        harness.print_target(
            f"{way}: memory to that of plain", found[way]["bytes"] / plain["bytes"], MEMORY_TARGET, "x"
        )
        harness.print_target(
            f"{way}: time to that of plain", found[way]["seconds"] / plain["seconds"], TIME_TARGET, "x"
        )


if __name__ == "__main__":
    main()
