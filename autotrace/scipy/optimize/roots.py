"""root: Newton's method in a trust region; the root is what is differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...control.flow import as_array, while_loop
from ...control.matching import check_same
from ...ir import ShapedArray, here
from ...solvers.dense import dense
from ...solvers.krylov import gmres
from ...solvers.root import find_root
from ...solvers.slopes import krylov_solve, matrix_solve
from ...tracing import as_operand
from ...transforms.arguments import function_name
from ...transforms.gradient import vjp
from ...transforms.stop import ravel_pytree
from ...transforms.tangent import jvp
from ...tree import tree_flatten, tree_unflatten
from .arguments import Start, check_function, integer_option, number_option, options_of, start_of
from .result import OptimizeResult

__all__ = ["root"]

Map = Callable[[Any], Any]


class State(NamedTuple):
    """Where the search for a root is: x, the function there, the radius of the trust region."""

    x: Any
    value: Any
    radius: Any
    steps: Any
    trials: Any
    status: Any
    """-1 while it goes on."""
    error: Any
    """The length of the last Newton step, relative to its tolerance."""


def _norm(x: Any) -> Any:
    return np.sqrt(x @ x)


def _divisor(x: Any) -> Any:
    return np.where(x == 0, np.ones((), x.dtype), x)


def _dogleg(newton: Any, cauchy: Any, steepest: Any, radius: Any) -> Any:
    """Return the step within the radius: to the Newton point, or along the path there by way of the Cauchy point.

    Powell (1970); Nocedal and Wright (2006), section 4.1.
    """
    turn = newton - cauchy
    a, b, c = turn @ turn, 2 * (cauchy @ turn), cauchy @ cauchy - radius * radius
    share = (-b + np.sqrt(np.maximum(b * b - 4 * a * c, 0))) / _divisor(2 * a)
    short = radius / _divisor(_norm(steepest)) * steepest
    bent = np.where(_norm(cauchy) >= radius, short, cauchy + np.clip(share, 0, 1) * turn)
    return np.where(_norm(newton) <= radius, newton, bent)


def _powell(f: Map, newton: Callable[[Map, Any], tuple[Any, Any]], x: Any, xtol: float, maxiter: int) -> State:
    """Take Newton steps, inside a region in which they make |f| smaller as foreseen.

    The length of a Newton step is the error of x, to first order: when it is below the tolerance the step is taken, and
    is the last.
    """

    def step(state: State) -> State:
        x, r = state.x, state.value
        point, regular = newton(lambda v: jvp(f, (x,), (v,))[1], -r)
        steepest = -vjp(f, x)[1](r)[0]
        slope = jvp(f, (x,), (steepest,))[1]
        cauchy = (steepest @ steepest) / _divisor(slope @ slope) * steepest
        # Without a Newton point (a singular Jacobian) the path ends at the Cauchy point.
        p = _dogleg(np.where(regular, point, cauchy), cauchy, steepest, state.radius)
        new = x + p
        value = f(new)
        before, after = r @ r, value @ value
        foreseen = r + jvp(f, (x,), (p,))[1]
        ratio = (before - after) / _divisor(before - foreseen @ foreseen)
        error = _norm(point) / (xtol * np.maximum(_norm(x), xtol))
        small = regular & (error <= 1)
        better = np.isfinite(after) & (after < before)
        taken = better & ((ratio > 1e-4) | small)
        length = _norm(p)
        shrunk = np.where(ratio < 0.25, 0.25 * length, state.radius)
        radius = np.where(~better, 0.25 * length, np.where(ratio > 0.75, np.maximum(state.radius, 2 * length), shrunk))
        done = small | (taken & (after == 0))
        stuck = (radius <= np.finfo(x.dtype).eps * _norm(x)) | (length == 0)
        going = np.where(state.steps + 1 >= maxiter, 1, np.where(stuck & ~taken, 2, -1))
        status = np.where(done, 0, going)
        x, r = np.where(taken, new, x), np.where(taken, value, r)
        error = np.where(done, np.minimum(error, 1), error).astype(np.float64)
        return State(x, r, radius, state.steps + 1, state.trials + 1, status, error)

    value = f(x)
    none = np.int64(0)
    radius = 100 * np.where(_norm(x) > 0, _norm(x), np.ones((), x.dtype))
    status = np.where(np.all(np.isfinite(value)), np.where(value @ value == 0, 0, -1), 3)
    first = State(x, value, radius.astype(x.dtype), none, none + 1, status, np.float64(0.0))
    return while_loop(lambda state: state.status == -1, step, first)


def _exact(j: Map, y: Any) -> tuple[Any, Any]:
    """Solve for a Newton step with the Jacobian as a matrix."""
    v, regular, _ = dense(j, y)
    return v, regular & np.all(np.isfinite(v))


def _inexact(j: Map, y: Any) -> tuple[Any, Any]:
    """Solve for a Newton step by GMRES, as well as is needed for the error to fall by a factor of a thousand."""
    v, found = gmres(j, y, np.zeros_like(y), lambda r: r, 1e-3 * _norm(y), min(50, y.shape[0]), 20)
    return v, found.ok


_METHODS = {"hybr": (_exact, matrix_solve), "krylov": (_inexact, krylov_solve)}


def root(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    *,
    tol: float | None = None,
    options: dict[str, Any] | None = None,
) -> OptimizeResult:
    """Find a root of ``fun(x, *args)``, a function from trees of real arrays like ``x0`` to such trees.

    ``method`` is "hybr", Powell's hybrid method with the Jacobian as a matrix, which this library computes, or
    "krylov", for large x: the same with GMRES and without a matrix. It ends where a Newton step is shorter than
    ``xtol`` times |x|; ``xtol`` is ``tol``, or an option, or 1.49e-8 (for float32 3e-4). The other option is
    ``maxiter``, by default 100 (n + 1).

    Returns an :class:`OptimizeResult`, in which ``fun`` is the function at ``x``. ``x`` has the derivatives of a root,
    with respect to ``args`` and whatever ``fun`` closes over: dx = -J^-1 df. The other fields have none.

    Where there is no success, or the Jacobian is singular, derivatives are a ``ConvergenceError`` when the program
    runs. Raises ``TypeError`` and ``ValueError`` for arguments that do not fit.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> result = root(lambda x, a: x * x - a, np.ones(2), args=(np.array([4.0, 9.0]),))
    >>> result.x, result.success
    (array([2., 3.]), np.True_)
    >>> grad(lambda a: root(lambda x: x**3 - a, 1.0).x)(8.0)
    np.float64(0.08333333333333333)
    """
    args = check_function("root", fun, args)
    if method not in _METHODS:
        raise ValueError(
            f"root: method must be one of {', '.join(_METHODS)}; got {method!r}{here()}. Choose one of them."
        )
    found = options_of("root", options, ("xtol", "maxiter"))
    start = start_of("root", x0)
    default = 1.49012e-8 if start.vector.dtype.itemsize >= 8 else float(np.finfo(start.vector.dtype).eps) ** 0.5
    xtol = number_option("root", "tol", found.get("xtol", default) if tol is None else tol)
    maxiter = integer_option("root", "maxiter", found.get("maxiter", 100 * (start.vector.shape[0] + 1)))
    newton, slopes = _METHODS[method]

    def f(v: Any) -> Any:
        return _flat(fun(start.unravel(v), *args), start, v.dtype)

    def solve(_: Map, x: Any) -> Any:
        state = _powell(f, newton, x, xtol, maxiter)
        figure = _norm(state.value).astype(np.float64)
        return state.x, ((state.value, state.status, state.steps, state.trials), (state.status == 0, figure))

    name = f"root({function_name(fun)})"
    x, ((value, status, steps, trials), (success, _)) = find_root(
        f,
        start.vector,
        solve,
        slopes,
        True,
        what="root",
        message=f"{name}: a derivative needs a root; got a function of norm {{}} where the solver has ended{{}}. "
        "Raise maxiter, start nearer, or raise tol.",
        slope_message=f"{name}: a derivative needs a Jacobian that is invertible; got a system that cannot be solved "
        "(figure {}){}. Check that the root is isolated.",
    )
    return OptimizeResult(start.unravel(x), success, status, start.unravel(value), None, None, steps, trials)


def _flat(value: Any, start: Start, dtype: Any) -> Any:
    """Return the value of the function as a vector; where x0 is one array it may be a list, as SciPy's users write."""
    if start.tree.num_leaves == 1 and isinstance(value, list | tuple) and start.tree == tree_flatten(0)[1]:
        value = as_operand(list(value))
    leaves, tree = tree_flatten(value)
    avals = [ShapedArray(np.shape(x), dtype) for x in leaves]
    avals = [ShapedArray(x.shape, old.dtype) for x, old in zip(avals, start.avals, strict=False)] + avals[
        len(start.avals) :
    ]
    check_same("root", "value of fun", start.tree, start.avals, tree, avals, ("in x0", "from fun"))
    for x in map(as_array, leaves):
        if x.dtype.kind == "c":
            raise TypeError(
                f"root: fun must return real numbers; got {ShapedArray(x.shape, x.dtype)}{here()}. "
                "Return real and imaginary parts apart."
            )
    return ravel_pytree(tree_unflatten(tree, [as_array(x) for x in leaves]))[0].astype(dtype)
