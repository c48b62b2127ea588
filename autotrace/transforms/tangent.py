"""jvp, linearize and linear_transpose: forward mode and linear maps of Python functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import MissingRuleError
from ..ir import Jaxpr, aval_of, eval_jaxpr, float0
from ..tracing import ShapeDtypeStruct, Traced, Tracer, evaluate, here, leaf_aval, leaf_value, trace
from ..tree import PyTreeDef, tree_flatten, tree_unflatten
from .arguments import Leaves, Run, copied, function_name, leaves_of, locate, owned, trace_leaves, zeros_of
from .derivatives import check_derivative, cotangent_leaves
from .forward import push_forward
from .linear import linearize_jaxpr, transpose_jaxpr
from .wrapper import check_callable

__all__ = ["jvp", "linear_transpose", "linearize"]


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Evaluate ``fun`` at ``primals`` and its derivative in the direction ``tangents``.

    Both are tuples or lists of as many trees of equal shapes and dtypes (float0 for the tangents of
    integers). Returns ``(output, output_tangent)``, with ``has_aux`` ``(output, output_tangent, aux)``.

    Raises ``TypeError`` or ``ValueError`` where a tangent does not fit its primal.

    >>> import numpy as np
    >>> jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    for word, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, tuple | list):
            raise TypeError(
                f"jvp: {word} must be a tuple or list, one entry per argument; got {type(value).__name__}. "
                f"Write jvp(f, (x,), (dx,)) for one argument."
            )
    check_callable(fun, "jvp", "jvp(f, (x,), (dx,)) rather than jvp(f(x), (x,), (dx,))")
    return push("jvp", fun, tuple(primals), tuple(tangents), has_aux)


def push(name: str, fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Do what :func:`jvp` says for the transform of that ``name``."""
    leaves = leaves_of(primals, name)
    dots = _tangents(tangents, leaves, name)
    run = trace_leaves(lambda values: fun(*values), leaves, f"{name}({function_name(fun)})", has_aux)
    outs, out_dots = push_forward(run.jaxpr, leaves.primals, dots, run.values, once=True)
    return _results(run, outs, out_dots, [*leaves.primals, *dots, *run.jaxpr.constants], has_aux)


def _tangents(tangents: Any, leaves: Leaves, name: str) -> list[Any]:
    """Check tangents against their primals; those of the moving leaves are returned."""
    given, tree = tree_flatten(tangents)
    if tree != leaves.tree:
        raise TypeError(
            f"{name}: primals and tangents must have one structure; got {leaves.tree} and {tree}. "
            "Give a tangent for each primal."
        )
    checked = [check_derivative(t, a, name, "tangent") for t, a in zip(given, leaves.avals, strict=True)]
    return [t for t, m in zip(checked, leaves.moving, strict=True) if m]


def _results(run: Run, outs: Sequence[Any], dots: Sequence[Any], foreign: Sequence[Any], has_aux: bool) -> Any:
    """Build output, its tangent and aux; all of them arrays that nobody else holds."""
    filled = [zeros_of_tangent(v.aval) if t is None else t for v, t in zip(run.jaxpr.outputs, dots, strict=True)]
    mine = owned([*outs, *filled[: run.outputs]], foreign)
    values, derivative = mine[: len(outs)], mine[len(outs) :]
    out = tree_unflatten(run.out_tree, values[: run.outputs])
    dot = tree_unflatten(run.out_tree, derivative)
    return (out, dot, run.aux(values[run.outputs :])) if has_aux else (out, dot)


def zeros_of_tangent(aval: Any) -> Any:
    """Return a zero tangent for a value of ``aval``: float0 for integers."""
    return zeros_of(aval) if aval.inexact else np.zeros(aval.shape, float0)


class LinearMapping:
    """The function from tangents of the arguments to tangents of the output that :func:`linearize` returns."""

    def __init__(self, jaxpr: Jaxpr, nonzero: Sequence[bool], leaves: Leaves, run: Run, what: str) -> None:
        self.jaxpr = jaxpr
        """The linear program, from the tangents of the floating-point leaves."""
        self._nonzero = nonzero
        self._leaves = leaves
        self._run = run
        self._what = what

    def __call__(self, *tangents: Any) -> Any:
        """Map tangents, one tree per argument, to the tangent of the output."""
        dots = _tangents(tangents, self._leaves, "linearize")
        filled = [zeros_of(v.aval) if t is None else t for v, t in zip(self.jaxpr.in_vars, dots, strict=True)]
        found = iter(evaluate(self.jaxpr, filled))
        avals = self._run.jaxpr.out_avals[: self._run.outputs]
        outs = [next(found) if some else zeros_of_tangent(a) for a, some in zip(avals, self._nonzero, strict=False)]
        return tree_unflatten(self._run.out_tree, owned(outs, [*filled, *self.jaxpr.constants]))

    def __repr__(self) -> str:
        return f"<linear map of {self._what}>"


def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Evaluate ``fun`` and return its value with its derivative at ``primals`` as a linear function.

    Returns ``(output, f_jvp)``, with ``has_aux`` ``(output, f_jvp, aux)``. ``f_jvp(*tangents)`` costs no
    re-evaluation of ``fun``; its program is ``f_jvp.jaxpr``.

    >>> import numpy as np
    >>> y, f_jvp = linearize(np.sin, 0.0)
    >>> f_jvp(3.0)
    np.float64(3.0)
    """
    check_callable(fun, "linearize", "linearize(f, x) rather than linearize(f(x), x)")
    leaves = copied(leaves_of(primals, "linearize"))
    what = f"linearize({function_name(fun)})"
    run = trace_leaves(lambda values: fun(*values), leaves, what, has_aux, lasting=True)
    outs, linear, nonzero = linearize_jaxpr(run.jaxpr, leaves.primals, [True] * len(leaves.primals), run.values, what)
    values = owned(outs, [*leaves.primals, *run.jaxpr.constants, *linear.constants])
    kept = [i for i, some in enumerate(nonzero) if some]
    linear = linear.replace(outputs=[v for v, i in zip(linear.outputs, kept, strict=True) if i < run.outputs])
    mapping = LinearMapping(linear, nonzero[: run.outputs], leaves, run, what)
    out = tree_unflatten(run.out_tree, values[: run.outputs])
    return (out, mapping, run.aux(values[run.outputs :])) if has_aux else (out, mapping)


class Transposed:
    """The transpose of a linear function, which :func:`linear_transpose` returns."""

    def __init__(self, traced: Traced, tree: PyTreeDef, avals: Sequence[Any], what: str) -> None:
        self._traced = traced
        self._tree = tree
        self._avals = avals
        self._what = what

    def __call__(self, ct: Any) -> Any:
        """Map a cotangent of the output's tree to a tuple with the cotangent of each argument."""
        jaxpr = self._traced.jaxpr
        cts = cotangent_leaves(ct, self._traced.out_tree, jaxpr.out_avals, "linear_transpose")
        found = transpose_jaxpr(jaxpr, cts)
        filled = [zeros_of(a) if t is None else t for t, a in zip(found, self._avals, strict=True)]
        return tree_unflatten(self._tree, owned(filled, [*cts, *jaxpr.constants]))

    def __repr__(self) -> str:
        return f"<transpose of {self._what}>"


def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Transposed:
    """Transpose a function that is linear in all its arguments.

    ``primals`` give shapes and dtypes (arrays or ``ShapeDtypeStruct``). Returns the function from a cotangent
    of the output to a tuple of cotangents of the arguments.

    Raises ``MissingRuleError`` where the function is not linear.

    >>> linear_transpose(lambda x: 3.0 * x, 1.0)(2.0)
    (np.float64(6.0),)
    """
    check_callable(fun, "linear_transpose", "linear_transpose(f, x) rather than linear_transpose(f(x), x)")
    raw, tree = tree_flatten(primals)
    avals = avals_from(raw, primals, "linear_transpose", [f"argument[{i}]" for i in range(len(primals))])
    if not all(aval.inexact for aval in avals):
        raise TypeError(
            f"linear_transpose: arguments must be of floating-point or complex dtype; got "
            f"{', '.join(map(str, avals))}. Close over the others."
        )
    what = f"linear_transpose({function_name(fun)})"
    traced = trace(lambda tracers: fun(*tree_unflatten(tree, tracers)), avals, None, what, lasting=True)
    _check_zero(traced.jaxpr)
    return Transposed(traced, tree, avals, what)


def _check_zero(jaxpr: Jaxpr) -> None:
    """Raise unless the program maps zeros to zeros: transposition would drop what it adds. Unknown constants pass."""
    if any(type(c) is Tracer for c in jaxpr.constants):
        return
    with np.errstate(all="ignore"):
        outs = eval_jaxpr(jaxpr, *[zeros_of(v.aval) for v in jaxpr.in_vars])
    if any(np.any((np.asarray(x) != 0) & (np.asarray(x) == x)) for x in outs):  # NaN may be a factor
        raise MissingRuleError(
            f"linear_transpose: the function must be linear; got one that adds a constant{here()}. Subtract f(0)."
        )


def avals_from(raw: Sequence[Any], arguments: Sequence[Any], what: str, labels: Sequence[str]) -> list[Any]:
    """Return the avals of the leaves ``raw`` of the arguments: arrays, numbers or ``ShapeDtypeStruct``."""
    try:
        return [_aval_from(x, "", what) for x in raw]
    except TypeError:
        locate(_aval_from, arguments, what, labels)
        raise


def _aval_from(x: Any, label: str, what: str) -> Any:
    if isinstance(x, ShapeDtypeStruct):
        return aval_of(x)
    return leaf_aval(x) if type(x) in (float, int, complex, bool) else leaf_aval(leaf_value(x, label, what))
