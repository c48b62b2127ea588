"""The derivatives of order 1 to 8 of a scalar function: one call gives all eight."""

import cmath
import math
from typing import Any

from ..libraries import Library
from .workload import Builder, Call, Maker, Workload, by_hand

ORDERS = 8
POINT = 0.3


def tanh(np: Any) -> Any:
    return lambda x: np.tanh(x)


def tanh_by_hand(x: float) -> list[float]:
    """Each derivative is a polynomial p in t = tanh x, and the next is p'(t) (1 - t^2)."""
    t = math.tanh(x)
    return [evaluate(p, t) for p in TANH]


def evaluate(coefficients: list[int], t: float) -> float:
    total = 0.0
    for c in reversed(coefficients):
        total = total * t + c
    return total


def tanh_polynomials() -> list[list[int]]:
    p, found = [0, 1], []
    for _ in range(ORDERS):
        slope = [k * c for k, c in enumerate(p)][1:]
        p = [a - b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
        found.append(p)
    return found


TANH = tanh_polynomials()


def product(np: Any) -> Any:
    return lambda x: x * np.sin(x) * np.exp(x)


def product_by_hand(x: float) -> list[float]:
    """Of Im(x exp(c x)), c = 1 + i: the k-th is Im((c x + k) c^(k-1) exp(c x)) by Leibniz."""
    power, found = cmath.exp((1 + 1j) * x), []
    for k in range(1, ORDERS + 1):
        found.append((((1 + 1j) * x + k) * power).imag)
        power *= 1 + 1j
    return found


def derivatives(f: Any, grad: Any) -> Any:
    """The function that gives all derivatives."""
    nested = []
    for _ in range(ORDERS):
        f = grad(f)
        nested.append(f)
    return lambda x: [g(x) for g in nested]


def with_autotrace(make: Maker) -> Builder:
    def build(library: Library, x: Any) -> Call:
        compiled = library.ad.jit(derivatives(make(library.np), library.ad.grad))
        return lambda: compiled(x)

    return build


def with_autograd(make: Maker) -> Builder:
    def build(library: Library, x: Any) -> Call:
        all_of = derivatives(make(library.np), library.ad.grad)
        return lambda: all_of(x)

    return build


def with_jax(make: Maker) -> Builder:
    def build(library: Library, x: Any) -> Call:
        jax = library.ad
        compiled = jax.jit(derivatives(make(library.np), jax.grad))
        return lambda: jax.block_until_ready(compiled(x))

    return build


def with_torch(make: Maker) -> Builder:
    def build(library: Library, x: Any) -> Call:
        f, grad = make(library.np), library.ad.autograd.grad
        x.requires_grad_()

        def all_of():
            y, found = f(x), []
            for _ in range(ORDERS):
                (y,) = grad(y, x, create_graph=True)
                found.append(y)
            return found

        return all_of

    return build


def workloads() -> list[Workload]:
    found = []
    for name, make, written in [("tanh", tanh, tanh_by_hand), ("x sin x exp x", product, product_by_hand)]:
        builders = {
            "autotrace": with_autotrace(make),
            "by hand": by_hand(written),
            "autograd": with_autograd(make),
            "torch": with_torch(make),
            "jax": with_jax(make),
        }
        found.append(Workload(f"derivatives 1-{ORDERS}, {name}", lambda: (POINT,), builders))
    return found
