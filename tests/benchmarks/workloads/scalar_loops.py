"""Loops of numbers: Newton's method, the logistic map and a pendulum by Euler's method, each with its derivative."""

import math
from collections.abc import Callable
from typing import Any

from ..libraries import Library
from .workload import Builder, Call, Workload, by_hand

MAP_STEPS, PENDULUM_STEPS = 10_000, 1_000
STEP = 0.01


# -- Newton's method for x^3 + x = a, until the residual is small ----------------------------------


def residual(x: Any, a: Any) -> Any:
    return x * x * x + x - a


def newton(while_loop: Callable[..., Any]) -> Any:
    def root(a):
        def goes_on(x):
            return abs(residual(x, a)) > 1e-12

        def step(x):
            return x - residual(x, a) / (3.0 * x * x + 1.0)

        return while_loop(goes_on, step, a)

    return root


def newton_by_hand(a: float) -> float:
    x, dx = a, 1.0
    while abs(r := x * x * x + x - a) > 1e-12:
        slope = 3.0 * x * x + 1.0
        step = r / slope
        dx -= (slope * dx - 1.0 - 6.0 * x * dx * step) / slope
        x -= step
    return dx


# -- the logistic map, 10,000 times: r is where it has a cycle of length two -----------------------


def logistic_map(fori_loop: Callable[..., Any]) -> Any:
    return lambda r: fori_loop(0, MAP_STEPS, lambda i, x: r * x * (1.0 - x), 0.5)


def logistic_map_by_hand(r: float) -> float:
    x, dx = 0.5, 0.0
    for _ in range(MAP_STEPS):
        growth = r * x
        rest = 1.0 - x
        dx = (x + r * dx) * rest - growth * dx
        x = growth * rest
    return dx


# -- a pendulum: the energy at the end by the angle at first and the stiffness ---------------------


def pendulum(np: Any, scan: Callable[..., Any]) -> Any:
    def energy(angle, stiffness):
        def step(state, _):
            x, v = state
            return (x + STEP * v, v - STEP * stiffness * np.sin(x)), None

        (x, v), _ = scan(step, (angle, 0.0), None, PENDULUM_STEPS)
        return 0.5 * v * v - stiffness * np.cos(x)

    return energy


def pendulum_by_hand(angle: float, stiffness: float) -> tuple[float, float]:
    x, v, angles = angle, 0.0, []
    sin, cos, factor = math.sin, math.cos, STEP * stiffness
    for _ in range(PENDULUM_STEPS):
        angles.append(x)
        x, v = x + STEP * v, v - factor * sin(x)
    back_x, back_v, total = stiffness * sin(x), v, 0.0
    for past in reversed(angles):
        total += back_v * sin(past)
        back_x, back_v = back_x - back_v * factor * cos(past), back_v + STEP * back_x
    return back_x, -cos(x) - STEP * total


# -- in each library -------------------------------------------------------------------------------


def python_while(goes_on: Any, step: Any, state: Any) -> Any:
    while goes_on(state):
        state = step(state)
    return state


def python_fori(start: int, stop: int, step: Any, state: Any) -> Any:
    for i in range(start, stop):
        state = step(i, state)
    return state


def python_scan(step: Any, state: Any, rows: None, length: int) -> tuple[Any, None]:
    for _ in range(length):
        state, _ = step(state, None)
    return state, None


def compiled(loss: Callable[[Any, Any], Any], argnums: Any, reverse: bool = True) -> dict[str, Builder]:
    """The gradient of ``loss(np, loops)``, compiled; JAX has no reverse mode for a loop of unknown length."""

    def in_autotrace(library: Library, *arguments: Any) -> Call:
        gradient = library.ad.jit(library.ad.grad(loss(library.np, library.ad), argnums))
        return lambda: gradient(*arguments)

    def in_jax(library: Library, *arguments: Any) -> Call:
        jax = library.ad
        derivative = (jax.grad if reverse else jax.jacfwd)(loss(jax.numpy, jax.lax), argnums)
        gradient = jax.jit(derivative)
        return lambda: jax.block_until_ready(gradient(*arguments))

    return {"autotrace": in_autotrace, "jax": in_jax}


def eager(loss: Callable[[Any], Any], argnums: Any) -> dict[str, Builder]:
    """The gradient of a loop of Python's; ``loss`` gets the module for the mathematics."""
    positions = (argnums,) if isinstance(argnums, int) else argnums

    def in_autograd(library: Library, *arguments: Any) -> Call:
        gradient = library.ad.grad(loss(library.np), argnums)
        return lambda: gradient(*arguments)

    def in_torch(library: Library, *arguments: Any) -> Call:
        torch, f = library.ad, loss(library.np)
        wanted = [arguments[i].requires_grad_() for i in positions]
        return lambda: torch.autograd.grad(f(*arguments), wanted)

    return {"autograd": in_autograd, "torch": in_torch}


def workloads() -> list[Workload]:
    by_newton = compiled(lambda np, loops: newton(loops.while_loop), 0, reverse=False)
    by_map = compiled(lambda np, loops: logistic_map(loops.fori_loop), 0)
    of_pendulum = compiled(lambda np, loops: pendulum(np, loops.scan), (0, 1))
    return [
        Workload(
            "scalar loops, Newton",
            lambda: (20.0,),
            by_newton | eager(lambda np: newton(python_while), 0) | {"by hand": by_hand(newton_by_hand)},
        ),
        Workload(
            "scalar loops, logistic map",
            lambda: (3.2,),
            by_map | eager(lambda np: logistic_map(python_fori), 0) | {"by hand": by_hand(logistic_map_by_hand)},
            long_forms=("autograd", "torch"),
        ),
        Workload(
            "scalar loops, pendulum",
            lambda: (1.2, 2.0),
            of_pendulum | eager(lambda np: pendulum(np, python_scan), (0, 1)) | {"by hand": by_hand(pendulum_by_hand)},
        ),
    ]
