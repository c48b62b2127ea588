"""A recurrent network of T steps on 16 numbers, as a Python loop and as a scan: many small operations."""

from functools import partial
from typing import Any

import numpy

from .workload import Workload, gradients, scans

INPUTS, HIDDEN = 8, 16
UNROLLED_BY_JAX = 100  # steps; XLA compiles longer programs for minutes


def loss(np: Any) -> Any:
    def f(W, U, b, x):
        h = np.zeros(HIDDEN)
        for drive in x @ U + b:
            h = np.tanh(h @ W + drive)
        return np.sum(h * h)

    return f


def torch_loss(torch: Any) -> Any:
    def f(W, U, b, x):
        h = torch.zeros(HIDDEN)
        for drive in (x @ U + b).unbind():
            h = torch.tanh(h @ W + drive)
        return torch.sum(h * h)

    return f


def scanned_loss(np: Any, scan: Any) -> Any:
    def f(W, U, b, x):
        h, _ = scan(lambda h, drive: (np.tanh(h @ W + drive), None), np.zeros(HIDDEN), x @ U + b)
        return np.sum(h * h)

    return f


def by_hand(W: Any, U: Any, b: Any, x: Any) -> Any:
    steps = len(x)
    drives = x @ U
    drives += b
    states = numpy.zeros((steps + 1, HIDDEN))
    for t in range(steps):
        z = states[t] @ W
        z += drives[t]
        numpy.tanh(z, out=states[t + 1])
    slopes = 1.0 - states[1:] ** 2
    back, transposed = 2.0 * states[-1], W.T
    for t in reversed(range(steps)):
        slopes[t] *= back
        back = slopes[t] @ transposed
    return states[:-1].T @ slopes, x.T @ slopes, slopes.sum(axis=0)


def arguments(steps: int) -> tuple[Any, ...]:
    rng = numpy.random.default_rng(0)
    W = rng.standard_normal((HIDDEN, HIDDEN)) / HIDDEN**0.5
    return (
        W,
        rng.standard_normal((INPUTS, HIDDEN)),
        rng.standard_normal(HIDDEN),
        rng.standard_normal((steps, INPUTS)),
    )


def workloads() -> list[Workload]:
    found = []
    for steps in (10, 100, 1_000, 10_000):
        builders = gradients(loss, torch_loss, by_hand, argnums=(0, 1, 2))
        builders |= scans(scanned_loss, argnums=(0, 1, 2))
        if steps > UNROLLED_BY_JAX:
            del builders["jax"]
        slow = ("jax",) if steps > 10 else ()
        name, made = f"recurrent, T={steps:,}", partial(arguments, steps)
        found.append(Workload(name, made, builders, long=steps > 1_000, long_forms=slow))
    return found
