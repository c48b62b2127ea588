"""Second derivatives: the Hessian, its products with vectors, its diagonal and its trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import ShapedArray
from ..primitives.promotion import broadcast_to
from ..tracing import evaluate, trace
from ..tree import tree_flatten, tree_unflatten
from .arguments import Selection, function_name, leaves_of, owned, select, trace_leaves
from .batching import batch_jaxpr
from .choice import FEWEST, Options, Started
from .coloring import color_symmetric
from .derivatives import check_derivative
from .gradient import grad
from .jacobian import jacrev, start
from .linear import linearize_jaxpr
from .modes import jacobian_with
from .reverse import pull_back, run_forward
from .sparsity import jaxpr_pattern
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
    inner = jacrev(fun, argnums=argnums, has_aux=has_aux, holomorphic=holomorphic, argnames=argnames)
    chosen, leaves, run = start("hessian", inner, args, kwargs, argnums, argnames, has_aux, holomorphic, False)
    # The gradient of one scalar has as many numbers as the argument; the matrix is then symmetric.
    outs = run.jaxpr.out_avals[: run.outputs]
    symmetric = [a.shape for a in outs] == [a.shape for a in _moving_avals(leaves)]
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
    chosen, leaves, diagonal = _diagonal("diag_hessian", fun, args, kwargs, argnums, argnames)
    parts = [x[0] for x in split_rows(diagonal.reshape((1, diagonal.size)), _moving_avals(leaves))]
    filled = leaves.fill(owned(parts, []))
    return filled[0] if chosen.single else filled


def laplacian(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    *,
    argnames: str | tuple[str, ...] | None = None,
) -> Any:
    """Make the function that evaluates the Laplacian of ``fun``: the trace of its Hessian, over all of the argument.

    ``fun`` returns a real scalar. The Hessian is not formed; its diagonal is had as in :func:`diag_hessian`.

    >>> import numpy as np
    >>> laplacian(lambda x: x[0] ** 2 + 3 * x[1] ** 2)(np.zeros(2))
    np.float64(8.0)
    """
    return transformed(laplacian, fun, _laplacian, argnums=argnums, argnames=argnames)


def _laplacian(fun: Any, args: Any, kwargs: Any, argnums: Any, argnames: Any) -> Any:
    return owned([np.sum(_diagonal("laplacian", fun, args, kwargs, argnums, argnames)[2])], [])[0]


def _moving_avals(leaves: Any) -> list[ShapedArray]:
    return [aval for aval, m in zip(leaves.avals, leaves.moving, strict=True) if m]


def _diagonal(name: str, fun: Any, args: Any, kwargs: Any, argnums: Any, argnames: Any) -> tuple[Any, Any, Any]:
    """Return the chosen arguments, their leaves, and the diagonal of the Hessian as one vector."""
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
    primals = leaves.primals

    def gradient(values: Any) -> list[Any]:
        recorded = run_forward(run.jaxpr, values, [True] * len(values))
        found = pull_back(recorded, [outs[0].dtype.type(1)])
        return [np.zeros(a.shape, a.dtype) if ct is None else ct for ct, a in zip(found, avals, strict=True)]

    program = trace(gradient, avals, None, name, snapshot=False).jaxpr
    _, linear, nonzero = linearize_jaxpr(program, primals, [True] * len(primals), None, name)

    def products(directions: Any) -> Any:
        """Return the products of the Hessian with directions, one to a row: a matrix."""
        parts = split_rows(directions, avals)
        found, batched = batch_jaxpr(linear, len(directions), parts, [True] * len(parts))
        given = iter(zip(found, batched, strict=True))
        whole = [
            _rows(*next(given), len(directions), a) if some else None for a, some in zip(avals, nonzero, strict=True)
        ]
        return flat_rows(
            [zero_rows(len(directions), a) if x is None else x for x, a in zip(whole, avals, strict=True)],
            linear.in_vars,
        )

    return chosen, leaves, _diagonal_from(products, program, sum(a.size for a in avals), avals[0].dtype)


def _rows(x: Any, batched: bool, size: int, aval: ShapedArray) -> Any:
    return x if batched else broadcast_to(x, (size, *aval.shape))


def _diagonal_from(products: Callable[[Any], Any], program: Any, size: int, dtype: Any) -> Any:
    """Return the diagonal of a symmetric matrix of which products can be had, by colours if it is sparse."""
    if size >= FEWEST:
        pattern = jaxpr_pattern(program, [True] * len(program.in_vars), max(size * size // 2, 64))
        coloring = None if pattern is None else color_symmetric(pattern.intersection(pattern.T))
        if coloring is not None and coloring.columns < size:
            rows = coloring.pattern.rows
            on_diagonal = np.flatnonzero(rows == coloring.pattern.cols)
            if not on_diagonal.size:
                return np.zeros(size, dtype)
            entries = coloring.decompress(products(coloring.column_seeds(np.float64).astype(dtype)))
            return spread(entries[on_diagonal], rows[on_diagonal], size)
    parts = []
    for first in range(0, size, DIRECTIONS_AT_ONCE):
        last = min(first + DIRECTIONS_AT_ONCE, size)
        matrix = products(np.eye(last - first, size, first, dtype))
        parts.append(np.diagonal(matrix[:, first:last]))
    return np.concatenate(parts) if len(parts) != 1 else parts[0]
