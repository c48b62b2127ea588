"""Logistic regression, fitted: one call is a whole minimisation by L-BFGS, the same for every library."""

from collections.abc import Callable
from typing import Any

import numpy

from ..libraries import Library
from .workload import Builder, Call, Workload

ITERATIONS = 12
PENALTY = 1e-2

ValueAndGradient = Callable[[numpy.ndarray], tuple[float, numpy.ndarray]]


def minimize(value_and_gradient: ValueAndGradient, w: numpy.ndarray, memory: int = 8) -> numpy.ndarray:
    """L-BFGS with halved steps (Nocedal and Wright 2006, algorithms 7.4 and 7.5)."""
    history: list[tuple[numpy.ndarray, numpy.ndarray, float]] = []
    value, slope = value_and_gradient(w)
    for _ in range(ITERATIONS):
        direction = -two_loops(history, slope)
        descent, step = direction @ slope, 1.0
        while True:
            new = w + step * direction
            new_value, new_slope = value_and_gradient(new)
            if new_value <= value + 1e-4 * step * descent or step < 1e-8:
                break
            step *= 0.5
        s, y = new - w, new_slope - slope
        if s @ y > 1e-12:
            history = [*history[-memory + 1 :], (s, y, 1.0 / (s @ y))]
        w, value, slope = new, new_value, new_slope
    return w


def two_loops(history: list[tuple[numpy.ndarray, numpy.ndarray, float]], slope: numpy.ndarray) -> numpy.ndarray:
    q, steps = slope.copy(), []
    for s, y, rho in reversed(history):
        steps.append(rho * (s @ q))
        q -= steps[-1] * y
    if history:
        s, y, _ = history[-1]
        q *= (s @ y) / (y @ y)
    for s, y, rho in history:
        q += (steps.pop() - rho * (y @ q)) * s
    return q


def loss(np: Any) -> Any:
    def f(w, X, y):
        margin = y * (X @ w)
        return np.mean(np.logaddexp(0.0, -margin)) + 0.5 * PENALTY * np.sum(w * w)

    return f


def with_autotrace(library: Library, w: Any, X: Any, y: Any) -> Call:
    evaluate = library.ad.jit(library.ad.value_and_grad(loss(library.np)))
    return lambda: minimize(lambda w: evaluate(w, X, y), w)


def with_autograd(library: Library, w: Any, X: Any, y: Any) -> Call:
    evaluate = library.ad.value_and_grad(loss(library.np))
    return lambda: minimize(lambda w: evaluate(w, X, y), w)


def with_jax(library: Library, w: Any, X: Any, y: Any) -> Call:
    evaluate = library.ad.jit(library.ad.value_and_grad(loss(library.np)))
    start = numpy.asarray(w)

    def value_and_gradient(w):
        value, slope = evaluate(w, X, y)
        return float(value), numpy.asarray(slope)

    return lambda: minimize(value_and_gradient, start)


def with_torch(library: Library, w: Any, X: Any, y: Any) -> Call:
    torch, start = library.ad, w.numpy()

    def value_and_gradient(w):
        w = torch.from_numpy(w).requires_grad_()
        margin = y * (X @ w)
        value = torch.nn.functional.softplus(-margin, threshold=1e9).mean() + 0.5 * PENALTY * (w * w).sum()
        (slope,) = torch.autograd.grad(value, w)
        return value.item(), slope.numpy()

    return lambda: minimize(value_and_gradient, start)


def written(w: Any, X: Any, y: Any) -> tuple[float, Any]:
    margin = X @ w
    margin *= y
    value = numpy.logaddexp(0.0, -margin).mean() + 0.5 * PENALTY * (w @ w)
    weight = y / (1.0 + numpy.exp(margin))
    weight *= -1.0 / len(y)
    slope = weight @ X
    slope += PENALTY * w
    return value, slope


def with_hands(library: Library, w: Any, X: Any, y: Any) -> Call:
    return lambda: minimize(lambda w: written(w, X, y), w)


def arguments() -> tuple[Any, ...]:
    rng = numpy.random.default_rng(0)
    X = rng.standard_normal((500, 20))
    y = numpy.sign(X @ rng.standard_normal(20) + rng.standard_normal(500))
    return numpy.zeros(20), X, y


def workloads() -> list[Workload]:
    builders: dict[str, Builder] = {
        "autotrace": with_autotrace,
        "by hand": with_hands,
        "autograd": with_autograd,
        "torch": with_torch,
        "jax": with_jax,
    }
    return [Workload("logistic, L-BFGS", arguments, builders)]
