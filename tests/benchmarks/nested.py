"""How programs grow when derivatives are nested: the equations of grad^k(f) for k = 1..8.

Beside the program that results, the largest that was built on the way, and JAX's where JAX is installed.
"""

import argparse
import cmath
import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import autotrace

from . import harness

try:
    import jax
    import jax.numpy as jax_numpy

    jax.config.update("jax_enable_x64", True)
except ImportError:
    jax = None

DEPTH = 8
POINT = 0.3


def tanh_derivative(x: float, order: int) -> float:
    """Each derivative is a polynomial p in t = tanh x; since dt/dx = 1 - t^2, the next is p'(t) (1 - t^2)."""
    p = np.polynomial.Polynomial([0.0, 1.0])
    for _ in range(order):
        p = p.deriv() * np.polynomial.Polynomial([1.0, 0.0, -1.0])
    return float(p(math.tanh(x)))


def product_derivative(x: float, order: int) -> float:
    """Of x sin(x) exp(x) = Im(x exp(c x)), c = 1 + i, by Leibniz: Im((c^n x + n c^(n-1)) exp(c x))."""
    c = 1 + 1j
    return ((c**order * x + order * c ** (order - 1)) * cmath.exp(c * x)).imag


FUNCTIONS: dict[str, tuple[Callable[[Any], Callable[[Any], Any]], Callable[[float, int], float]]] = {
    "tanh(x)": (lambda np: lambda x: np.tanh(x), tanh_derivative),
    "x*sin(x)*exp(x)": (lambda np: lambda x: x * np.sin(x) * np.exp(x), product_derivative),
}


def nest(grad: Callable[[Any], Any], f: Callable[[Any], Any], order: int) -> Callable[[Any], Any]:
    for _ in range(order):
        f = grad(f)
    return f


def size(jaxpr: Any) -> int:
    """The equations of a program, those of the programs inside it included."""
    return sum(1 + sum(map(inner_size, equation.params.values())) for equation in jaxpr.equations)


def inner_size(value: Any) -> int:
    if isinstance(value, tuple | list):
        return sum(map(inner_size, value))
    return size(value) if hasattr(value, "equations") else 0


@contextlib.contextmanager
def largest_program() -> Iterator[Callable[[], int]]:
    """Watch every program that is built, intermediate ones too; give a function that tells the largest."""
    built: list[int] = [0]
    Jaxpr = type(autotrace.make_jaxpr(lambda x: x)(1.0))
    original = Jaxpr.__init__

    def watching(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        built[0] = max(built[0], len(self.equations))

    Jaxpr.__init__ = watching
    try:
        yield lambda: built[0]
    finally:
        Jaxpr.__init__ = original


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def jax_size(jaxpr: Any) -> int:
    """As `size`, for JAX: a call (pjit) counts as the equations inside it."""
    total = 0
    for equation in jaxpr.eqns:
        inner = (getattr(value, "jaxpr", value) for value in equation.params.values())
        total += sum(jax_size(jaxpr) for jaxpr in inner if hasattr(jaxpr, "eqns")) or 1
    return total


def count_equations(name: str) -> tuple[int, int]:
    """Print the sizes for one function, order by order; return the last program's and the largest of all."""
    make, derivative = FUNCTIONS[name]
    lines = [["grad^k of " + name, "equations", "largest on the way", "trace [ms]", "jax"]]
    largest_of_all = 0
    for order in range(1, DEPTH + 1):
        g = nest(autotrace.grad, make(np), order)
        with largest_program() as largest:
            duration = seconds(lambda g=g: autotrace.make_jaxpr(g)(POINT))
        equations = size(autotrace.make_jaxpr(g)(POINT))
        largest_of_all = max(largest_of_all, largest())
        theirs = "-"
        if jax is not None:
            theirs = str(jax_size(jax.make_jaxpr(nest(jax.grad, make(jax_numpy), order))(POINT).jaxpr))
        lines.append([f"k = {order}", str(equations), str(largest()), f"{duration * 1e3:.1f}", theirs])
        np.testing.assert_allclose(g(POINT), derivative(POINT, order), rtol=1e-9)
    harness.print_columns(lines)
    return equations, largest_of_all


def time_evaluation(name: str, repeat: int) -> float:
    """Seconds of grad^8(f)(x), tracing included: each call traces anew."""
    g = nest(autotrace.grad, FUNCTIONS[name][0](np), DEPTH)
    return harness.interleave({"autotrace": lambda: g(POINT)}, repeat, min_time=0.02)["autotrace"].median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    repeat = 3 if parser.parse_args().quick else 15
    harness.print_versions("numpy", "jax")
    for name in FUNCTIONS:
        final, largest = count_equations(name)
        harness.print_target(f"equations of grad^{DEPTH}", final, 200)
        harness.print_target("largest on the way", largest, 1000)
        harness.print_target(f"evaluate grad^{DEPTH}", time_evaluation(name, repeat) * 1e3, 50, " ms")
        print()


if __name__ == "__main__":
    main()
