"""Long programs: tracing, differentiating and evaluating take time linear in the number of equations."""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import autotrace

from . import harness

LENGTHS = (1_000, 10_000, 100_000)
# Garbage collection and full caches cost a long program something. A quadratic step would cost it 100 times.
ALLOWED_GROWTH = 3.0


def program(equations: int) -> Callable[[Any, Any], Any]:
    """Two equations a turn, each needed, none equal to another: nothing for a simplifier to remove."""

    def f(x, y):
        for _ in range(equations // 2):
            x = np.sin(x) * y
        return x

    return f


def stages(equations: int) -> dict[str, Callable[[], object]]:
    f = program(equations)
    x, y = 0.5, 1.5
    jaxpr = autotrace.make_jaxpr(f)(x, y)
    assert len(jaxpr.equations) >= equations
    backward = autotrace.grad(f)
    return {
        "trace": lambda: autotrace.make_jaxpr(f)(x, y),
        "evaluate": lambda: autotrace.eval_jaxpr(jaxpr, x, y),
        "jvp": lambda: autotrace.jvp(f, (x, y), (1.0, 0.0)),
        "grad": lambda: backward(x, y),
        "trace of grad": lambda: autotrace.make_jaxpr(backward)(x, y),
        "vmap": lambda: autotrace.vmap(f, in_axes=(0, None))(np.array([x, y]), y),
        "print": lambda: str(jaxpr),
    }


def time_stages(equations: int, rounds: int) -> dict[str, float]:
    """Microseconds per equation, the best of a few rounds: one call is long enough to time by itself."""
    best = {}
    for stage, call in stages(equations).items():
        durations = []
        for _ in range(rounds):
            start = time.perf_counter()
            call()
            durations.append(time.perf_counter() - start)
        best[stage] = min(durations) / equations * 1e6
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    rounds = 1 if parser.parse_args().quick else 3
    harness.print_versions("numpy")
    found = {equations: time_stages(equations, rounds) for equations in LENGTHS}
    lines = [["equations", *(f"{stage} [us each]" for stage in found[LENGTHS[0]])]]
    lines += [[f"{length:,}", *(f"{cost:.2f}" for cost in costs.values())] for length, costs in found.items()]
    harness.print_columns(lines)
    for stage, shortest in found[LENGTHS[0]].items():
        growth = found[LENGTHS[-1]][stage] / shortest
        harness.print_target(f"{stage}: cost of an equation, long to short", growth, ALLOWED_GROWTH, "x")


if __name__ == "__main__":
    main()
