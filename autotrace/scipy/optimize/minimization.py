"""minimize: descent along directions of three methods, with one line search; the minimum is what is differentiated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...control.flow import as_array, while_loop
from ...ir import ShapedArray, here, is_inexact
from ...solvers.root import find_root
from ...solvers.slopes import hermitian_solve, matrix_solve
from ...tracing import as_operand
from ...transforms.arguments import function_name
from ...transforms.gradient import grad, value_and_grad
from ...transforms.tangent import jvp
from .arguments import check_function, integer_option, number_option, options_of, start_of
from .line_search import search
from .result import OptimizeResult

__all__ = ["minimize"]

Map = Callable[[Any], Any]


class Method(NamedTuple):
    """How the next direction is found: from a memory of the steps so far, of arrays of fixed shapes."""

    start: Map
    """From x to the first memory."""
    direction: Callable[[Any, Any, Any], Any]
    """From memory, x and the gradient to a direction of descent."""
    update: Callable[[Any, Any, Any], Any]
    """From memory, a step and the change of the gradient to the next memory."""


def _curved(step: Any, change: Any) -> Any:
    """Tell whether the function curves upwards along a step, beyond rounding."""
    return step @ change > np.finfo(step.dtype).eps * np.sqrt((step @ step) * (change @ change))


def _divisor(x: Any) -> Any:
    return np.where(x == 0, np.ones((), x.dtype), x)


def bfgs() -> Method:
    """BFGS: an approximate inverse Hessian; Nocedal and Wright (2006), (6.17) and (6.20)."""

    def start(x: Any) -> Any:
        return np.eye(x.shape[0], dtype=x.dtype), np.True_

    def update(memory: Any, s: Any, y: Any) -> Any:
        inverse, fresh = memory
        curved = _curved(s, y)
        rho = 1 / _divisor(s @ y)
        inverse = np.where(fresh & curved, (s @ y) / _divisor(y @ y), np.ones((), s.dtype)) * inverse
        hy = inverse @ y
        change = rho * ((1 + rho * (y @ hy)) * np.outer(s, s) - np.outer(hy, s) - np.outer(s, hy))
        return np.where(curved, inverse + change, inverse), fresh & ~curved

    return Method(start, lambda memory, x, g: -(memory[0] @ g), update)


def limited_memory(count: int) -> Method:
    """L-BFGS: the last ``count`` steps; Nocedal and Wright (2006), algorithm 7.4."""

    def start(x: Any) -> Any:
        rows = np.zeros((count, x.shape[0]), x.dtype)
        return rows, rows, np.zeros(count, x.dtype)

    def direction(memory: Any, x: Any, g: Any) -> Any:
        steps, changes, rhos = memory
        q, alphas = g, []
        for i in reversed(range(count)):  # the newest step is the last row; rows not filled yet do nothing
            alpha = rhos[i] * (steps[i] @ q)
            alphas.append(alpha)
            q = q - alpha * changes[i]
        newest = changes[count - 1] @ changes[count - 1]
        scale = np.where(newest > 0, (steps[count - 1] @ changes[count - 1]) / _divisor(newest), 1)
        r = scale * q
        for i, alpha in zip(range(count), reversed(alphas), strict=True):
            r = r + steps[i] * (alpha - rhos[i] * (changes[i] @ r))
        return -r

    def update(memory: Any, s: Any, y: Any) -> Any:
        curved = _curved(s, y)
        new = (s[None], y[None], (1 / _divisor(s @ y))[None])
        return tuple(
            [np.where(curved, np.concatenate([old[1:], row]), old) for old, row in zip(memory, new, strict=True)]
        )

    return Method(start, direction, update)


def newton_cg(gradient: Map) -> Method:
    """Newton's method, its equation solved by few conjugate gradients; Nocedal and Wright (2006), algorithm 7.1."""

    def direction(memory: Any, x: Any, g: Any) -> Any:
        norm = np.sqrt(g @ g)
        limit = np.minimum(0.5, np.sqrt(norm)) * norm

        def goes_on(state: Any) -> Any:
            _, r, _, steps, stopped = state
            return ~stopped & (r @ r > limit * limit) & (steps < 2 * x.shape[0] + 10)

        def step(state: Any) -> Any:
            z, r, d, steps, _ = state
            hd = jvp(gradient, (x,), (d,))[1]
            curvature = d @ hd
            positive = curvature > 0
            square = r @ r
            alpha = square / np.where(positive, curvature, 1)
            r_new = r + alpha * hd
            d_new = -r_new + (r_new @ r_new) / _divisor(square) * d
            first = np.where(steps == 0, d, z)  # of negative curvature from the start: steepest descent
            return np.where(positive, z + alpha * d, first), r_new, d_new, steps + 1, ~positive

        return while_loop(goes_on, step, (np.zeros_like(g), g, -g, np.int64(0), np.False_))[0]

    return Method(lambda x: np.zeros((), x.dtype), direction, lambda memory, s, y: memory)


class State(NamedTuple):
    """Where a descent is."""

    x: Any
    value: Any
    gradient: Any
    memory: Any
    steps: Any
    trials: Any
    status: Any
    """-1 while it goes on."""


def descend(evaluate: Map, x: Any, method: Method, gtol: float, maxiter: int, newton: bool) -> State:
    """Descend from ``x`` until no element of the gradient is larger than ``gtol``."""

    def status_at(value: Any, gradient: Any, steps: Any) -> Any:
        size = np.max(np.abs(gradient))
        open_ = np.where(steps >= maxiter, 1, -1)
        return np.where(np.isfinite(value) & np.isfinite(size), np.where(size <= gtol, 0, open_), 3)

    def step(state: State) -> State:
        x, value, gradient, memory, steps, trials, _ = state
        p = method.direction(memory, x, gradient)
        downhill = p @ gradient < 0
        p = np.where(downhill, p, -gradient)
        norm = np.sqrt(gradient @ gradient)
        # Without memory a step along the gradient has no scale: the first goes a distance of 1 at most.
        unscaled = ~downhill | (np.equal(steps, 0) & (not newton))
        length = np.where(unscaled, np.minimum(1, 1 / _divisor(norm)), 1)
        ended = search(evaluate, x, value, gradient, p, length)
        better = ended.found | (ended.value < value)
        new = np.where(better, x + ended.length * p, x)
        value = np.where(better, ended.value, value)
        change = np.where(better, ended.gradient, gradient) - gradient
        status = status_at(value, gradient + change, steps + 1)
        status = np.where(~better & (status == -1), 2, status)
        memory = method.update(memory, new - x, change)
        return State(new, value, gradient + change, memory, steps + 1, trials + ended.trials, status)

    value, gradient = evaluate(x)
    none = np.int64(0)
    first = State(x, value, gradient, method.start(x), none, none + 1, status_at(value, gradient, none))
    return while_loop(lambda state: state.status == -1, step, first)


_OPTIONS = {
    "BFGS": ("gtol", "maxiter"),
    "L-BFGS-B": ("gtol", "maxiter", "maxcor"),
    "Newton-CG": ("gtol", "maxiter"),
}


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str | None = None,
    *,
    tol: float | None = None,
    options: dict[str, Any] | None = None,
) -> OptimizeResult:
    """Find a minimum of ``fun(x, *args)``, a real number, from ``x0``, a tree of real arrays. Unconstrained.

    ``method`` is "BFGS" (also if it is not given), "L-BFGS-B" (here without bounds), for large x, or "Newton-CG", which
    also uses products with the Hessian. It ends where no element of the gradient is larger than ``gtol``: ``tol``, or
    an option, or 1e-5. Further options: ``maxiter`` (200 n) and, for L-BFGS-B, ``maxcor``, the number of steps that are
    remembered (10). Gradients are computed by this library: ``fun`` is traced, by shape.

    Returns an :class:`OptimizeResult`. ``x`` has the derivatives of a minimum, with respect to ``args`` and whatever
    ``fun`` closes over: dx = -H^-1 d(grad fun), H being the Hessian. They are those at the x that was found: the error
    of x is about ``gtol`` over the least eigenvalue of H, so ask for a small ``tol`` where derivatives matter. ``fun``
    has derivatives too; the other fields have none, nor does anything depend on ``x0``.

    Where there is no success, x is the best that was found, and its derivatives are a ``ConvergenceError`` when the
    program runs; so are they where the Hessian is singular. Raises ``TypeError`` and ``ValueError`` for arguments
    that do not fit.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> def nearest(a):
    ...     return minimize(lambda x: np.sum((x - a) ** 2) + np.sum(x**4), np.zeros(2), tol=1e-10).x
    >>> result = minimize(lambda x, a: (x - a) ** 2, 0.0, args=(3.0,))
    >>> result.success, np.round(result.x, 6), result.message
    (np.True_, np.float64(3.0), 'The solution has been found.')
    >>> np.round(grad(lambda a: nearest(a).sum())(np.array([3.0, 6.0])), 6)
    array([0.142857, 0.086469])
    """
    name = f"minimize({function_name(fun)})"
    args = check_function("minimize", fun, args)
    method = "BFGS" if method is None else method
    if method not in _OPTIONS:
        raise ValueError(
            f"minimize: method must be one of {', '.join(_OPTIONS)}; got {method!r}{here()}. Choose one of them."
        )
    found = options_of("minimize", options, _OPTIONS[method])
    start = start_of("minimize", x0)
    size = start.vector.shape[0]
    gtol = number_option("minimize", "tol", found.get("gtol", 1e-5) if tol is None else tol)
    maxiter = integer_option("minimize", "maxiter", found.get("maxiter", 200 * size))
    maxcor = integer_option("minimize", "maxcor", found.get("maxcor", 10))

    def value(v: Any) -> Any:
        return _scalar(fun(start.unravel(v), *args), v.dtype)

    def solve(_: Map, x: Any) -> Any:
        kind: dict[str, Callable[[], Method]] = {
            "BFGS": bfgs,
            "L-BFGS-B": partial(limited_memory, maxcor),
            "Newton-CG": lambda: newton_cg(grad(value)),
        }
        state = descend(value_and_grad(value), x, kind[method](), gtol, maxiter, method == "Newton-CG")
        inverse = state.memory[0] if method == "BFGS" else None
        figure = np.max(np.abs(state.gradient)).astype(np.float64)
        rest = (state.status, state.gradient, inverse, state.steps, state.trials)
        return state.x, (rest, (state.status == 0, figure))

    slopes = matrix_solve if method == "BFGS" else hermitian_solve
    x, (rest, (success, _)) = find_root(
        grad(value),
        start.vector,
        solve,
        slopes,
        True,
        what="minimize",
        message=f"{name}: a derivative needs a minimum, where no element of the gradient is larger than {gtol}; "
        "got one of {}{}. Raise maxiter, start nearer, or raise tol.",
        slope_message=f"{name}: a derivative needs a Hessian that is "
        f"{'invertible' if method == 'BFGS' else 'positive definite'}; got a system that cannot be solved (figure {{}})"
        "{}. Add a term that makes the minimum unique.",
    )
    status, gradient, inverse, steps, trials = rest
    return OptimizeResult(start.unravel(x), success, status, value(x), start.unravel(gradient), inverse, steps, trials)


def _scalar(x: Any, dtype: Any) -> Any:
    """Return what the function to be minimized gives, which must be one real number."""
    try:
        x = as_array(as_operand(x))
    except (TypeError, ValueError):
        raise TypeError(
            f"minimize: fun must return a real scalar; got {type(x).__name__}{here()}. Return the number alone."
        ) from None
    x = x if hasattr(x, "dtype") else np.asarray(x)
    if x.ndim or x.dtype.kind == "c" or not is_inexact(x.dtype):
        raise TypeError(
            f"minimize: fun must return a real scalar; got {ShapedArray(x.shape, x.dtype)}{here()}. "
            "Reduce it to one float: np.sum(...)."
        )
    return x.astype(dtype)
