"""The gradient of a mean of squares of a linear model."""

from typing import Any

import numpy

from .workload import Workload, gradients


def loss(np: Any) -> Any:
    def f(w, X, y):
        error = X @ w - y
        return np.mean(error * error)

    return f


def by_hand(w: Any, X: Any, y: Any) -> Any:
    error = X @ w
    error -= y
    error *= 2.0 / len(y)
    return error @ X


def arguments() -> tuple[Any, ...]:
    rng = numpy.random.default_rng(0)
    return rng.standard_normal(50), rng.standard_normal((1_000, 50)), rng.standard_normal(1_000)


def workloads() -> list[Workload]:
    return [Workload("least squares", arguments, gradients(loss, loss, by_hand))]
