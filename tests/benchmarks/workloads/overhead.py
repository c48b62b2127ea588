"""What a call costs where there is next to nothing to compute."""

import math
from typing import Any

import numpy

from .workload import Workload, gradients


def scalar(np: Any) -> Any:
    return lambda x: x * np.sin(x)


def scalar_by_hand(x: float) -> float:
    return math.sin(x) + x * math.cos(x)


def arrays(np: Any) -> Any:
    return lambda x, y, z: np.sum(x * y + z)


def arrays_by_hand(x: Any, y: Any, z: Any) -> Any:
    return y.copy(), x.copy(), numpy.ones_like(z)


def three_arrays() -> tuple[Any, ...]:
    return tuple(numpy.random.default_rng(0).standard_normal((3, 3)))


def workloads() -> list[Workload]:
    return [
        Workload("overhead, scalar", lambda: (0.7,), gradients(scalar, scalar, scalar_by_hand)),
        Workload(
            "overhead, 3 arrays",
            three_arrays,
            gradients(arrays, arrays, arrays_by_hand, argnums=(0, 1, 2)),
        ),
    ]
