"""Second derivatives: the Hessian, its products with vectors, its diagonal and its trace."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compile.simplify import simplify
from ..ir import ShapedArray, has_own_rules
from ..primitives.promotion import broadcast_to
from ..tracing import current_trace, evaluate, trace
from ..tree import tree_flatten, tree_unflatten
from .arguments import Leaves, Run, Selection, function_name, leaves_of, owned, select, trace_leaves
from .batching import batch_jaxpr
from .choice import FEWEST, Options, Started
from .coloring import Coloring, color_symmetric
from .derivatives import check_derivative
from .forward import push_forward
from .gradient import grad
from .jacobian import jacrev, start
from .linear import linearize_jaxpr
from .modes import jacobian_with
from .plan import equation_seconds
from .reverse import pull_back, run_forward
from .sparsity import jaxpr_pattern, symmetrized
from .spread import spread
from .sweeps import flat_rows, split_rows, zero_rows
from .tangent import push
from .wrapper import transformed

__all__ = ["diag_hessian", "ggnvp", "hessian", "hvp", "laplacian", "vhp"]

DIRECTIONS_AT_ONCE = 64
"""Directions of a Hessian of which only the diagonal is kept: more at a time would only take memory."""


def hessian(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    mode: Any = "auto",
    sparsity: Any = "auto",
    format: str = "dense",
    *,
    argnames: str | tuple[str, ...] | None = None,
    check_sparsity: bool = False,
) -> Any:
    """Make the function that evaluates the Hessian of ``fun``: the Jacobian of its gradient.

    Blocks are as those of :func:`jacfwd` of :func:`jacrev`. The modes are those of :func:`jacobian`, of the program of
    the gradient: ``"forward"`` is forward over reverse, ``"sparse"`` colours a symmetric matrix if ``fun`` returns one
    scalar. ``sparsity`` and ``format`` are as for :func:`jacobian`; so are ``.explain(*args)`` and ``.plan(*args)``.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    options = Options(mode, sparsity, format, check_sparsity, holomorphic)
    return jacobian_with(hessian, fun, _start_hessian, options, argnums, has_aux, argnames)


def _start_hessian(
    fun: Any, args: Any, kwargs: Any, argnums: Any, argnames: Any, has_aux: bool, options: Options
) -> Started:
    holomorphic = options.holomorphic
    own_rules: list[bool] = []

    @functools.wraps(fun)
    def watched(*values: Any, **named: Any) -> Any:
        result = fun(*values, **named)
        running = current_trace()
        own_rules.append(running is not None and has_own_rules(running.equations))
        return result

    inner = jacrev(watched, argnums=argnums, has_aux=has_aux, holomorphic=holomorphic, argnames=argnames)
    chosen, leaves, run = start("hessian", inner, args, kwargs, argnums, argnames, has_aux, holomorphic, False)
    # The gradient of one scalar has as many numbers as the argument; the matrix is then symmetric.
    outs = run.jaxpr.out_avals[: run.outputs]
    # Rules of the user's may give second derivatives that are not.
    symmetric = [a.shape for a in outs] == [a.shape for a in _moving_avals(leaves)] and not any(own_rules)
    return Started(chosen, leaves, run, "hessian", function_name(fun), symmetric)


def hvp(fun: Callable[..., Any] | None = None, argnums: int | tuple[int, ...] = 0) -> Any:
    """Make the function that multiplies the Hessian of ``fun`` by a vector, without forming it.

    ``hvp(f)(x, v)`` takes the arguments of ``f``, then ``v`` of the tree and shapes of the argument
    ``argnums`` (of a tuple of them if ``argnums`` is one); it costs a small multiple of ``f``: forward over
    reverse mode (Pearlmutter 1994).

    >>> import numpy as np
    >>> hvp(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """
    return transformed(hvp, fun, _hvp, argnums=argnums)


def _hvp(fun: Any, args: Any, kwargs: Any, argnums: Any) -> Any:
    chosen, v = _point_and_vector("hvp", fun, args, kwargs, argnums)
    if chosen.single:
        return push("hvp", grad(chosen.call), chosen.values, (v,))[1]
    return push("hvp", grad(chosen.call, argnums=tuple(range(len(chosen.values)))), chosen.values, v)[1]


def vhp(fun: Callable[..., Any] | None = None, argnums: int | tuple[int, ...] = 0) -> Any:
    """Make the function that multiplies a vector by the Hessian of ``fun``: reverse over reverse mode.

    ``vhp(f)(x, v)`` takes what :func:`hvp` takes. The Hessian is symmetric, so the result is the same up to rounding;
    :func:`hvp` is usually cheaper, this one serves where an operation has no forward rule.

    >>> import numpy as np
    >>> vhp(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """
    return transformed(vhp, fun, _vhp, argnums=argnums)


def _vhp(fun: Any, args: Any, kwargs: Any, argnums: Any) -> Any:
    chosen, v = _point_and_vector("vhp", fun, args, kwargs, argnums)
    count = len(chosen.values)
    gradient = grad(chosen.call, argnums=tuple(range(count)))
    vectors = (v,) if chosen.single else v
    leaves = leaves_of(chosen.values, "vhp", chosen.labels)
    cts = _vector_leaves("vhp", vectors, leaves)
    run = trace_leaves(lambda values: gradient(*values), leaves, f"vhp({function_name(fun)})")
    recorded = run_forward(run.jaxpr, leaves.primals, [True] * len(leaves.primals), run.values)
    given = iter(cts)
    found = pull_back(recorded, [next(given) if a.inexact else None for a in run.jaxpr.out_avals])
    result = leaves.fill(owned(found, [*leaves.primals, *cts, *run.jaxpr.constants]))
    return result[0] if chosen.single else result


def _vector_leaves(name: str, vector: Any, leaves: Any) -> list[Any]:
    """Check a vector against the arguments that it belongs to; return the leaves that carry derivatives."""
    given, tree = tree_flatten(vector)
    if tree != leaves.tree:
        raise TypeError(
            f"{name}: the vector must have the structure of the argument, {leaves.tree}; got {tree}. "
            "Give an array for each of the argument."
        )
    checked = [check_derivative(t, a, name, "tangent") for t, a in zip(given, leaves.avals, strict=True)]
    return [t for t, m in zip(checked, leaves.moving, strict=True) if m]


def _point_and_vector(name: str, fun: Any, args: Any, kwargs: Any, argnums: Any) -> tuple[Selection, Any]:
    if len(args) < 2:
        raise TypeError(
            f"{name}: the arguments must be followed by the vector; got {len(args)} of them. Write {name}(f)(x, v)."
        )
    *primals, v = args
    chosen = select(fun, tuple(primals), kwargs, argnums, None, name)
    chosen.call.__name__ = function_name(fun)
    return chosen, v


def ggnvp(model: Callable[..., Any], loss: Callable[[Any], Any]) -> Any:
    """Make the function that multiplies the generalized Gauss-Newton matrix of ``loss(model(x))`` by a vector.

    ``ggnvp(model, loss)(x, v)`` is ``J^T H J v``, where J is the Jacobian of ``model`` at x and H the Hessian of
    ``loss`` at ``model(x)``: positive semidefinite for every convex loss, and the Hessian of the whole where the
    model is linear (Schraudolph 2002). Further arguments stand between x and v and are passed to ``model``.

    Raises ``TypeError`` where ``loss`` does not return a real scalar, or v does not fit x.

    >>> import numpy as np
    >>> A = np.array([[1.0, 2.0], [0.0, 1.0]])
    >>> ggnvp(lambda x: A @ x, lambda y: np.sum(y**2))(np.zeros(2), np.array([1.0, 0.0]))
    array([2., 4.])
    """
    if not callable(loss):
        raise TypeError(
            f"ggnvp: the second argument must be a function; got {type(loss).__name__}. Write ggnvp(model, loss)(x, v)."
        )
    return transformed(ggnvp, model, _ggnvp, loss=loss)


def _ggnvp(model: Any, args: Any, kwargs: Any, loss: Any) -> Any:
    chosen, v = _point_and_vector("ggnvp", model, args, kwargs, 0)
    leaves = leaves_of(chosen.values, "ggnvp", chosen.labels)
    dots = _vector_leaves("ggnvp", (v,), leaves)
    run = trace_leaves(lambda values: chosen.call(*values), leaves, f"ggnvp({function_name(model)})")
    primals = leaves.primals
    outs, linear, nonzero = linearize_jaxpr(run.jaxpr, primals, [True] * len(primals), run.values, "ggnvp")
    given = iter(evaluate(linear, dots))
    pushed = [
        next(given) if some else np.zeros(a.shape, a.dtype)
        for a, some in zip(run.jaxpr.out_avals, nonzero, strict=True)
    ]
    curved = push("ggnvp", grad(loss), (tree_unflatten(run.out_tree, outs),), (tree_unflatten(run.out_tree, pushed),))
    cts, _ = tree_flatten(curved[1])
    recorded = run_forward(run.jaxpr, primals, [True] * len(primals))
    found = pull_back(recorded, cts)
    return leaves.fill(owned(found, [*primals, *dots, *run.jaxpr.constants]))[0]


def diag_hessian(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    *,
    argnames: str | tuple[str, ...] | None = None,
) -> Any:
    """Make the function that evaluates the diagonal of the Hessian of ``fun``, which returns a real scalar.

    Exact. The result has the tree and shapes of the argument. The pattern of the Hessian is coloured, so that a sparse
    one takes a few Hessian-vector products; a dense one takes one for each number, of which only the diagonal is kept.

    >>> import numpy as np
    >>> diag_hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([ 6., 12.])
    """
    return transformed(diag_hessian, fun, _diag_hessian, argnums=argnums, argnames=argnames)


def _diag_hessian(fun: Any, args: Any, kwargs: Any, argnums: Any, argnames: Any) -> Any:
    second = _second("diag_hessian", fun, args, kwargs, argnums, argnames)
    diagonal = _diagonal(second, second.coloring())
    parts = [x[0] for x in split_rows(diagonal.reshape((1, diagonal.size)), second.avals)]
    filled = second.leaves.fill(owned(parts, []))
    return filled[0] if second.chosen.single else filled


def laplacian(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    *,
    argnames: str | tuple[str, ...] | None = None,
) -> Any:
    """Make the function that evaluates the Laplacian of ``fun``: the trace of its Hessian, over all of the argument.

    ``fun`` returns a real scalar. The Hessian is not formed. If it is sparse, its diagonal is had as in
    :func:`diag_hessian`; else the second derivatives along all axes are, forward over forward or forward over reverse,
    whichever costs less.

    >>> import numpy as np
    >>> laplacian(lambda x: x[0] ** 2 + 3 * x[1] ** 2)(np.zeros(2))
    np.float64(8.0)
    """
    return transformed(laplacian, fun, _laplacian, argnums=argnums, argnames=argnames)


def _laplacian(fun: Any, args: Any, kwargs: Any, argnums: Any, argnames: Any) -> Any:
    second = _second("laplacian", fun, args, kwargs, argnums, argnames)
    size, dtype = sum(a.size for a in second.avals), second.avals[0].dtype
    coloring = second.coloring()
    if coloring is None and size:
        ways = [second.sum_of_curvatures, second.sum_of_products]
        avals = [*second.avals, *[ShapedArray((size, *a.shape), dtype) for a in second.avals]]
        prices = []
        for way in ways:

            def written(tracers: list[Any], way: Any = way) -> list[Any]:
                half = len(tracers) // 2
                return [way(tracers[:half], tracers[half:])]

            program = simplify(trace(written, avals, None, "laplacian", snapshot=False).jaxpr)
            prices.append(sum(map(equation_seconds, program.equations)))
        way = ways[prices.index(min(prices))]
        total: Any = None
        for first in range(0, size, DIRECTIONS_AT_ONCE):
            rows = np.eye(min(DIRECTIONS_AT_ONCE, size - first), size, first, dtype)
            part = way(second.primals, split_rows(rows, second.avals))
            total = part if total is None else total + part
        return owned([total], [])[0]
    return owned([np.sum(_diagonal(second, coloring))], [])[0]


def _moving_avals(leaves: Any) -> list[ShapedArray]:
    return [aval for aval, m in zip(leaves.avals, leaves.moving, strict=True) if m]


class Second:
    """The second derivative of a traced function of one scalar."""

    def __init__(self, chosen: Selection, leaves: Leaves, run: Run, name: str) -> None:
        self.chosen = chosen
        self.leaves = leaves
        self.primals = leaves.primals
        self.avals = _moving_avals(leaves)
        self._jaxpr = run.jaxpr
        self._name = name
        self._gradient = trace(self._pulled, self.avals, None, name, snapshot=False).jaxpr

    def _pulled(self, values: Any) -> list[Any]:
        recorded = run_forward(self._jaxpr, values, [True] * len(values))
        found = pull_back(recorded, [self._jaxpr.out_avals[0].dtype.type(1)])
        return [np.zeros(a.shape, a.dtype) if ct is None else ct for ct, a in zip(found, self.avals, strict=True)]

    def coloring(self) -> Coloring | None:
        """Return symmetric colours of the Hessian, None if they would not save directions."""
        size = sum(a.size for a in self.avals)
        if size < FEWEST:
            return None
        moving = [True] * len(self.avals)
        pattern = jaxpr_pattern(self._gradient, moving, max(size * size // 2, 64))
        found = None if pattern is None else color_symmetric(symmetrized(pattern, has_own_rules(self._jaxpr.equations)))
        return found if found is not None and found.columns < size else None

    def products(self, primals: Sequence[Any], directions: Sequence[Any]) -> Any:
        """Return the products of the Hessian with a batch of directions, one to a row: a matrix."""
        size = directions[0].shape[0]
        _, linear, nonzero = linearize_jaxpr(self._gradient, primals, [True] * len(primals), None, self._name)
        found, batched = batch_jaxpr(linear, size, directions, [True] * len(directions))
        given = iter(zip(found, batched, strict=True))
        pairs = zip(self.avals, nonzero, strict=True)
        parts = [_rows(given, size, a) if some else zero_rows(size, a) for a, some in pairs]
        return flat_rows(parts, linear.in_vars)

    def sum_of_products(self, primals: Sequence[Any], directions: Sequence[Any]) -> Any:
        """Return the sum of ``v @ H @ v`` over a batch of directions, forward over reverse."""
        return np.sum(self.products(primals, directions) * flat_rows(directions, self._gradient.in_vars))

    def sum_of_curvatures(self, primals: Sequence[Any], directions: Sequence[Any]) -> Any:
        """Return the same, forward over forward: nothing is kept for a way back."""
        count = len(self.avals)

        def slope(leaves: list[Any]) -> list[Any]:
            return [_or_zero(push_forward(self._jaxpr, leaves[:count], leaves[count:])[1][0], self.avals[0])]

        def curvature(leaves: list[Any]) -> list[Any]:
            once = simplify(trace(slope, [*self.avals, *self.avals], None, self._name, snapshot=False).jaxpr)
            return [_or_zero(push_forward(once, leaves, [*leaves[count:], *[None] * count])[1][0], self.avals[0])]

        twice = simplify(trace(curvature, [*self.avals, *self.avals], None, self._name, snapshot=False).jaxpr)
        size = directions[0].shape[0]
        marks = [False] * count + [True] * count
        (found,), (batched,) = batch_jaxpr(twice, size, [*primals, *directions], marks)
        return np.sum(found) if batched else found * size


def _or_zero(x: Any, aval: ShapedArray) -> Any:
    return aval.dtype.type(0) if x is None else x


def _rows(given: Any, size: int, aval: ShapedArray) -> Any:
    x, batched = next(given)
    return x if batched else broadcast_to(x, (size, *aval.shape))


def _second(name: str, fun: Any, args: Any, kwargs: Any, argnums: Any, argnames: Any) -> Second:
    """Trace a call and check that it is a real scalar function of real arguments."""
    chosen = select(fun, args, kwargs, argnums, argnames, name)
    leaves = leaves_of(chosen.values, name, chosen.labels)
    avals = _moving_avals(leaves)
    if not avals or {a.dtype.kind for a in avals} != {"f"} or len({a.dtype for a in avals}) > 1:
        raise TypeError(
            f"{name}: arguments to differentiate must be real, of one floating-point dtype; got "
            f"{', '.join(map(str, leaves.avals)) or 'no arrays'}. Convert them with astype."
        )
    run = trace_leaves(lambda values: chosen.call(*values), leaves, f"{name}({function_name(fun)})")
    outs = run.jaxpr.out_avals
    if len(outs) != 1 or outs[0].ndim or outs[0].dtype.kind != "f" or run.out_tree.children():
        raise TypeError(
            f"{name}: the function must return one real scalar; got {', '.join(map(str, outs)) or 'no arrays'}. Sum it."
        )
    return Second(chosen, leaves, run, name)


def _diagonal(second: Second, coloring: Coloring | None) -> Any:
    """Return the diagonal of the Hessian as one vector."""
    avals, primals = second.avals, second.primals
    size, dtype = sum(a.size for a in avals), avals[0].dtype
    if coloring is not None:
        rows = coloring.pattern.rows
        on_diagonal = np.flatnonzero(rows == coloring.pattern.cols)
        if not on_diagonal.size:
            return np.zeros(size, dtype)
        seeds = coloring.column_seeds(np.float64).astype(dtype)
        entries = coloring.decompress(second.products(primals, split_rows(seeds, avals)))
        return spread(entries[on_diagonal], rows[on_diagonal], size)
    parts = []
    for first in range(0, size, DIRECTIONS_AT_ONCE):
        last = min(first + DIRECTIONS_AT_ONCE, size)
        seeds = np.eye(last - first, size, first, dtype)
        parts.append(np.diagonal(second.products(primals, split_rows(seeds, avals))[:, first:last]))
    if not parts:
        return np.zeros(size, dtype)
    return np.concatenate(parts) if len(parts) != 1 else parts[0]
