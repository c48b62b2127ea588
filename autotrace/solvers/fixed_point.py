"""fixed_point: the solution of x = f(x), differentiated by the implicit function theorem."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..control.flow import as_array, leaves_and_tree, while_loop
from ..control.matching import check_same
from ..ir import ShapedArray, here, is_inexact
from ..transforms.arguments import function_name
from ..transforms.stop import stop_gradient
from ..transforms.wrapper import check_callable
from ..tree import keystr, tree_flatten, tree_flatten_with_path, tree_map, tree_unflatten
from .checked import checked
from .root import find_root
from .slopes import krylov_solve

__all__ = ["fixed_point", "largest"]


def fixed_point(f: Callable[..., Any], init: Any, *args: Any, tol: float | None = None, max_steps: int = 1000) -> Any:
    """Return ``x`` with ``x = f(x, *args)``, found by applying ``f`` again and again, from ``init``.

    ``x`` is a tree of floating-point or complex arrays; ``f`` keeps its structure, shapes and dtypes. It has been found
    when no element changes by more than ``tol`` times the largest of 1 and the elements of x; by default ``tol`` is
    eps^(2/3), 4e-11 for float64.

    Derivatives with respect to ``args``, and whatever else ``f`` closes over, are those of the solution:
    dx = (I - df/dx)^-1 (df/da) da. That system is solved by GMRES, which needs no matrix, and its transpose in reverse
    mode; the steps that led to x are not kept. They do not depend on ``init``.

    Raises ``TypeError`` for an ``init`` or an ``f`` that does not fit; ``ConvergenceError``, when it runs, if there is
    no solution after ``max_steps`` steps, and in a derivative if I - df/dx is singular.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> def square_root(a):
    ...     return fixed_point(lambda x, a: 0.5 * (x + a / x), 1.0, a)
    >>> square_root(4.0), grad(square_root)(4.0)
    (np.float64(2.0), np.float64(0.25))
    """
    what = f"fixed_point({function_name(f)})"
    check_callable(f, "fixed_point", "fixed_point(f, init, *args)")
    max_steps = _positive(max_steps, "fixed_point: max_steps")
    leaves, tree = leaves_and_tree(init, "fixed_point")
    guess = tree_unflatten(tree, [_inexact(x, i, init) for i, x in enumerate(leaves)])
    limit = _tolerance(tol, tree_flatten(guess)[0])

    def residual(x: Any) -> Any:
        found = f(x, *args)
        _check(found, x)
        return tree_map(operator.sub, x, found)

    def solve(_: Any, start: Any) -> Any:
        def goes_on(state: Any) -> Any:
            _, gap, steps = state
            return ~(gap <= 1) & (steps < max_steps) & (gap < np.inf)

        def step(state: Any) -> Any:
            x, _, steps = state
            new = f(x, *args)
            _check(new, x)
            change = largest(tree_map(operator.sub, new, x))
            return new, change / (limit * np.maximum(largest(x), 1)), steps + 1

        first = (start, np.float64(np.finfo(float).max), np.int64(0))
        x, gap, _ = while_loop(goes_on, step, first)
        return x, (gap <= 1, gap)

    message = (
        f"{what}: steps must become smaller than the tolerance within max_steps={max_steps}; got a last one of {{}} "
        "times that{}. Start nearer, damp f, or raise max_steps or tol."
    )
    singular = (
        f"{what}: its derivative solves with I - df/dx, which must be invertible; got a system that cannot be solved "
        "(figure {}){}. Check that the solution is isolated."
    )
    x, (ok, gap) = find_root(
        residual, stop_gradient(guess), solve, krylov_solve, True, what="fixed_point", slope_message=singular
    )
    return tree_map(lambda leaf: checked(leaf, ok, gap, message), x)


def largest(x: Any) -> Any:
    """Return the largest absolute value in a tree, as float64; NaN if there is one."""
    found = [np.max(np.abs(leaf)).astype(np.float64) for leaf in tree_flatten(x)[0] if leaf.size]
    total = np.float64(0.0)
    for value in found:
        total = np.maximum(total, value)
    return total


def _check(found: Any, x: Any) -> None:
    """Raise unless ``f`` keeps the type of its argument."""
    (old, tree), (new, new_tree) = tree_flatten(x), tree_flatten(found)
    avals = [[ShapedArray(np.shape(v), v.dtype) for v in map(as_array, part)] for part in (old, new)]
    check_same("fixed_point", "value of f", tree, avals[0], new_tree, avals[1], ("in init", "from f"))


def _inexact(x: Any, index: int, init: Any) -> Any:
    """Return a leaf of ``init`` as an array; integers of Python's become floats."""
    if type(x) is int:
        return np.float64(x)
    x = as_array(x)
    if not is_inexact(x.dtype):
        path = keystr(tree_flatten_with_path(init)[0][index][0])
        raise TypeError(
            f"fixed_point: init must be of floating-point or complex dtype; got {ShapedArray(x.shape, x.dtype)} at "
            f"init{path}{here()}. Convert it: x.astype(float)."
        )
    return x


def _tolerance(tol: Any, leaves: list[Any]) -> float:
    if tol is None:
        return float(max([np.finfo(x.dtype).eps for x in leaves], default=1e-16) ** (2 / 3))
    if isinstance(tol, bool) or not isinstance(tol, int | float | np.number) or not tol > 0:
        raise ValueError(f"fixed_point: tol must be a positive number; got {tol!r}{here()}. Give a float, or drop it.")
    return float(tol)


def _positive(n: Any, what: str) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"{what} must be an integer of at least 1; got {n!r}{here()}. Give a plain integer.")
    return int(n)
