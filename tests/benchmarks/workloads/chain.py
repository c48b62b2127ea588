"""Chains of 20 elementwise operations and a sum, from small arrays to ones that no cache holds.

Then a chain of 2,000 operations on a scalar, of which only the first gradient is of interest.
"""

from functools import partial
from typing import Any

import numpy

from .workload import Workload, gradients

SIZES = {"10": 10, "1e3": 1_000, "1e5": 100_000, "1e7": 10_000_000}
LONG = "1e7"  # a call takes about a second
ROUNDS = 5  # of four operations


def chain(np: Any) -> Any:
    def f(x, y):
        for _ in range(ROUNDS):
            x = np.tanh(np.sin(x) * y + 0.5)
        return np.sum(x)

    return f


def chain_by_hand(x: Any, y: Any) -> Any:
    values = [x]
    for _ in range(ROUNDS):
        z = numpy.sin(values[-1])
        z *= y
        z += 0.5
        values.append(numpy.tanh(z, out=z))
    ct = numpy.ones_like(x)
    scratch = numpy.empty_like(x)
    while len(values) > 1:
        out = values.pop()
        out *= out
        numpy.subtract(1.0, out, out=out)
        ct *= out
        ct *= y
        ct *= numpy.cos(values[-1], out=scratch)
    return ct


def long_chain(np: Any) -> Any:
    def f(x, y):
        for _ in range(1_000):
            x = np.sin(x) * y
        return x

    return f


def arrays(size: int) -> tuple[Any, ...]:
    return tuple(numpy.random.default_rng(0).uniform(0.5, 1.0, (2, size)))


def workloads() -> list[Workload]:
    builders = gradients(chain, chain, chain_by_hand)
    chains = [
        Workload(f"20 elementwise, {name}", partial(arrays, size), builders, long=name == LONG)
        for name, size in SIZES.items()
    ]
    first = Workload("2,000 operations", lambda: (0.5, 1.5), gradients(long_chain, long_chain), cold_only=True)
    return [*chains, first]
