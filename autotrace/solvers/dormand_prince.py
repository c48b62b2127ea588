"""One explicit Runge-Kutta step of Dormand and Prince, its error, its interpolant, and the choice of step sizes.

A state is a list of arrays, its leaves; a field is a function ``field(state, t) -> state`` that gives its derivative.
Nothing here knows about output times, loops or derivatives.

Sources: J. R. Dormand and P. J. Prince, A family of embedded Runge-Kutta formulae, J. Comp. Appl. Math. 6 (1980);
E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, 2nd ed., II.4 (step sizes), II.5
(the pair), II.6 (the interpolant).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["dense_output", "error_norm", "factor_of", "initial_step", "interpolate", "shifted", "step"]

Array = Any
State = list[Array]
Field = Callable[[State, Array], State]

_NODES = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
"""The last row gives the result: so the last stage is the first one of the next step."""
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
"""The result of order 5 less that of order 4."""
_DENSE = (
    -12715105075 / 11282082432,
    0.0,
    87487479700 / 32700410799,
    -10690763975 / 1880347072,
    701980252875 / 199316789632,
    -1453857185 / 822651844,
    69997945 / 29380423,
)

_SAFETY, _SMALLEST, _LARGEST = 0.9, 0.2, 10.0


def step(field: Field, t: Array, end: Array, y: State, h: Array, k: State) -> tuple[State, list[State]]:
    """Return the state after a step of size ``h``, and the derivatives at the 7 stages, of which ``k`` is the first.

    ``end`` is ``t + h``, given so that rounding does not go beyond the last time.
    """
    stages = [k]
    for node, row in zip(_NODES, _STAGES, strict=True):
        y_stage = _plus(y, h, row, stages)
        stages.append(field(y_stage, end if node == 1.0 else t + node * h))
    return y_stage, stages


def _sum(weights: Sequence[float], stages: Sequence[State], leaf: int) -> Array:
    """Return the weighted sum of the derivatives of one leaf."""
    total = None
    for weight, k in zip(weights, stages, strict=True):
        if weight:
            total = weight * k[leaf] if total is None else total + weight * k[leaf]
    return total


def _plus(y: State, h: Array, weights: Sequence[float], stages: Sequence[State]) -> State:
    return [x + like(h, x) * _sum(weights, stages, i) for i, x in enumerate(y)]


def like(h: Array, x: Array) -> Array:
    """Return the real scalar ``h`` in the precision of ``x``, so that it leaves the dtype of ``x`` as it is."""
    return h.astype(real_dtype(x.dtype))


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the real part of ``dtype``."""
    return np.dtype(dtype.type(0).real.dtype)


def norm(y: State, scale: State) -> Array:
    """Return the root of the mean square of ``y / scale``, over all elements of all leaves."""
    count = max(1, sum(int(np.prod(x.shape)) for x in y))
    total: Any = np.float64(0)
    for x, s in zip(y, scale, strict=True):
        ratio = np.minimum((np.abs(x) / s).astype(np.float64), 1e100)  # whose square does not overflow
        total = total + np.sum(ratio * ratio)
    return np.sqrt(total / count)


def error_norm(y: State, y_new: State, h: Array, stages: Sequence[State], rtol: float, atol: float) -> Array:
    """Return the estimated error of a step as a multiple of what the tolerances allow."""
    error = [like(h, x) * _sum(_ERROR, stages, i) for i, x in enumerate(y)]
    scale = [atol + rtol * np.maximum(np.abs(a), np.abs(b)) for a, b in zip(y, y_new, strict=True)]
    return norm(error, scale)


def factor_of(error: Array, rejected: Array) -> Array:
    """Return by what to multiply the step size after an ``error``; it does not grow where one was ``rejected``."""
    finite = np.isfinite(error)
    safe = np.maximum(np.where(finite, error, 1.0), 1e-10)
    best = np.clip(_SAFETY * safe**-0.2, _SMALLEST, np.where(rejected, 1.0, _LARGEST))
    return np.where(finite, best, _SMALLEST)


def initial_step(
    field: Field, t: Array, y: State, k: State, direction: Array, longest: Array, rtol: float, atol: float
) -> Array:
    """Return the size of the first step, by the algorithm of Hairer, Norsett and Wanner, II.4; at most ``longest``."""
    scale = [atol + rtol * np.abs(x) for x in y]
    d0, d1 = norm(y, scale), norm(k, scale)
    small = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = np.minimum(np.where(small, 1e-6, 0.01 * d0 / np.where(small, 1.0, d1)), longest)
    probe = field([x + like(direction * h0, x) * dx for x, dx in zip(y, k, strict=True)], t + direction * h0)
    some = np.where(h0 > 0, h0, 1.0)
    d2 = norm([a - b for a, b in zip(probe, k, strict=True)], scale) / some
    largest = np.maximum(d1, d2)
    flat = ~(largest > 1e-15) | ~np.isfinite(largest)
    h1 = np.where(flat, np.maximum(1e-6, 1e-3 * h0), (0.01 / np.where(flat, 1.0, largest)) ** 0.2)
    return np.minimum(np.minimum(100 * h0, h1), longest)


def dense_output(y: State, y_new: State, h: Array, stages: Sequence[State]) -> list[State]:
    """Return the coefficients of the interpolant of order 4 of a step."""
    terms: list[State] = [[], [], [], [], []]
    for i, (a, b) in enumerate(zip(y, y_new, strict=True)):
        size, change = like(h, a), b - a
        first = size * stages[0][i] - change
        found = (a, change, first, change - size * stages[-1][i] - first, size * _sum(_DENSE, stages, i))
        for term, x in zip(terms, found, strict=True):
            term.append(x)
    return terms


def interpolate(terms: Sequence[State], part: Array) -> State:
    """Return the interpolant where ``part`` of the step is done: 0 at its start, 1 at its end."""
    found = []
    for a, b, c, d, e in zip(*terms, strict=True):
        p = like(part, a)
        q = 1 - p
        found.append(a + p * (b + q * (c + p * (d + q * e))))
    return found


def shifted(field: Field, y: State, t: Array, h: Array) -> State:
    """Return the state that is ``y`` at ``t`` at the time ``t + h``, by one step of the classical method of order 4.

    For an ``h`` whose value is 0 this is ``y``, and its derivatives in ``h`` and all others up to order 4 are those of
    the solution.
    """
    k1 = field(y, t)
    k2 = field(_plus(y, h, (0.5,), [k1]), t + 0.5 * h)
    k3 = field(_plus(y, h, (0.5,), [k2]), t + 0.5 * h)
    k4 = field(_plus(y, h, (1.0,), [k3]), t + h)
    return _plus(y, h, (1 / 6, 1 / 3, 1 / 3, 1 / 6), [k1, k2, k3, k4])
