"""Derivatives of one number, orders 1 to 10: Taylor mode beside nested jvp, and JAX's jet where JAX is installed.

For each: one call from the start, tracing included, and the equations of the program.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import autotrace

from . import harness

try:
    import jax
    import jax.experimental.jet
    import jax.numpy as jax_numpy

    jax.config.update("jax_enable_x64", True)
except ImportError:
    jax = None

POINT = 0.3
ORDERS = (1, 2, 3, 5, 10)
FUNCTIONS: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "tanh(x)": lambda np: lambda x: np.tanh(x),
    "x*sin(x)*exp(x)": lambda np: lambda x: x * np.sin(x) * np.exp(x),
    "log(1+exp(x*sin(x)))/sqrt(1+x*x)": lambda np: lambda x: np.log(1 + np.exp(x * np.sin(x))) / np.sqrt(1 + x * x),
}


def nested(function: Callable[[Any], Any], order: int) -> Callable[[Any], Any]:
    """Return the derivative of this order by nested jvp."""
    for _ in range(order):
        function = lambda x, inner=function: autotrace.jvp(inner, (x,), (1.0,))[1]  # noqa: E731
    return function


def expanded(function: Callable[[Any], Any], order: int) -> Callable[[Any], Any]:
    """Return all derivatives to this order by Taylor mode."""
    return lambda x: autotrace.taylor(function, x, order, derivatives=True)


def jax_jet(function: Callable[[Any], Any], order: int) -> Callable[[Any], Any]:
    series = [1.0] + [0.0] * (order - 1)
    return lambda x: jax.experimental.jet.jet(function, (x,), (series,))[1][-1]


def measure(name: str, repeat: int) -> None:
    """Print a line for each order."""
    lines = [[name, "nested [us]", "taylor [us]", "nested [equations]", "taylor [equations]", "jax jet [us]"]]
    for order in ORDERS:
        function = FUNCTIONS[name](np)
        by_jvp, by_series = nested(function, order), expanded(function, order)
        np.testing.assert_allclose(by_series(POINT)[-1], by_jvp(POINT), rtol=1e-11)
        calls: dict[str, Callable[[], Any]] = {"nested": partial(by_jvp, POINT), "taylor": partial(by_series, POINT)}
        if jax is not None:
            calls["jax"] = partial(jax_jet(FUNCTIONS[name](jax_numpy), order), POINT)
        timings = harness.interleave(calls, repeat, min_time=0.02)
        sizes = [len(autotrace.make_jaxpr(f)(POINT).equations) for f in (by_jvp, by_series)]
        micro = {key: f"{timing.median * 1e6:.0f}" for key, timing in timings.items()}
        lines.append([f"order {order}", micro["nested"], micro["taylor"], *map(str, sizes), micro.get("jax", "-")])
    harness.print_columns(lines)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    repeat = 3 if parser.parse_args().quick else 15
    harness.print_versions("numpy", "jax")
    for name in FUNCTIONS:
        measure(name, repeat)


if __name__ == "__main__":
    main()
