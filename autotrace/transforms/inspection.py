"""make_jaxpr and eval_shape: the program, and its types alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from ..compile.simplify import simplify
from ..ir import Jaxpr, argument_name, user_source
from ..tracing import ShapeDtypeStruct, Traced, leaf_value, trace
from ..tree import PyTreeDef, tree_flatten, tree_leaves_with_path, tree_unflatten
from .arguments import function_name, positions_of, protect
from .tangent import avals_from
from .wrapper import check_callable, transformed

__all__ = ["eval_shape", "make_jaxpr", "name_arguments"]


def make_jaxpr(
    fun: Callable[..., Any] | None = None,
    static_argnums: int | tuple[int, ...] = (),
    return_shape: bool = False,
) -> Any:
    """Make the function that returns the program of ``fun`` for the arguments it is called with.

    Arguments are arrays and numbers, whose values Python's ``if`` and ``while`` may ask for, or
    ``ShapeDtypeStruct``, which have none. ``static_argnums`` are passed as they are. With ``return_shape`` the
    result is ``(jaxpr, shapes of the output)``. Programs that transforms wrote are simplified.

    >>> import numpy as np
    >>> print(make_jaxpr(lambda x, y: np.sin(x) * y)(1.0, 2.0))
    { lambda ; a:f64[] b:f64[]. let
        c:f64[] = sin a
        d:f64[] = mul c b
      in (d,) }
    """
    return transformed(make_jaxpr, fun, _make_jaxpr, static_argnums=static_argnums, return_shape=return_shape)


def _make_jaxpr(fun: Any, args: Any, kwargs: Any, static_argnums: Any, return_shape: bool) -> Any:
    traced = _trace_call(fun, args, kwargs, static_argnums, f"make_jaxpr({function_name(fun)})", True)
    jaxpr = simplify(traced.jaxpr) if traced.derived else traced.jaxpr
    return (jaxpr, _shapes(jaxpr, traced)) if return_shape else jaxpr


def _trace_call(fun: Any, args: Any, kwargs: Any, static_argnums: Any, what: str, with_values: bool) -> Traced:
    static = set(positions_of(static_argnums, len(args), "make_jaxpr", "static_argnums"))
    dynamic = tuple(x for i, x in enumerate(args) if i not in static)
    raw, tree = tree_flatten((dynamic, kwargs))
    labels = [f"argument[{i}]" for i in range(len(args)) if i not in static] + [f"argument[{k!r}]" for k in kwargs]
    avals = avals_from(raw, (*dynamic, *kwargs.values()), what, labels)
    known = with_values and not any(isinstance(x, ShapeDtypeStruct) for x in raw)

    def flat(tracers: list[Any]) -> Any:
        given, keywords = tree_unflatten(tree, tracers)
        rest = iter(given)
        return fun(*[protect(x) if i in static else next(rest) for i, x in enumerate(args)], **keywords)

    traced = trace(flat, avals, [leaf_value(x, "", what) for x in raw] if known else None, what, lasting=True)
    name_arguments(traced.jaxpr, fun, tree, static)
    caller = user_source()
    for equation in traced.jaxpr.equations:
        # Of a function without Python code (a ufunc) the line is that of this call, which stores another value.
        if equation.source is not None and caller is not None and equation.source[:2] == caller[:2]:
            for out in equation.outputs:
                out.hint = ""
    return traced


def name_arguments(jaxpr: Jaxpr, fun: Callable[..., Any], tree: PyTreeDef, static: Collection[int] = ()) -> None:
    """Call the inputs of ``jaxpr`` what ``fun`` calls its arguments.

    ``tree`` is the structure of the arguments, (positional, by keyword), without those at positions ``static``.
    """
    count = len(tree.children()[0].children()) + len(static)
    names = [name for i, name in enumerate(_parameters(fun, count)) if i not in static]
    for (_, first, *path), var in tree_leaves_with_path(tree.unflatten(jaxpr.in_vars)):
        key = getattr(first, "key", None)  # of a keyword; of a positional argument there is an index
        var.hint = argument_name(names[first.idx] if key is None else key, tuple(path))  # type: ignore[union-attr]


def _parameters(fun: Callable[..., Any], count: int) -> list[str]:
    """Return a name for each of ``count`` positional arguments: those of the signature as far as they go."""
    if isinstance(fun, np.ufunc):  # they have signatures since NumPy 2.4, and these names
        return ["x"] if count == 1 else [f"x{i + 1}" for i in range(count)]
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):  # Python does not tell, as for many built-in functions
        parameters = {}.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "x")
    return [names[i] if i < len(names) else f"{rest}_{i - len(names)}" for i in range(count)]


def _shapes(jaxpr: Jaxpr, traced: Traced) -> Any:
    return tree_unflatten(traced.out_tree, [ShapeDtypeStruct(a.shape, a.dtype) for a in jaxpr.out_avals])


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return the shapes and dtypes of the output of ``fun`` as ``ShapeDtypeStruct``, computing nothing.

    >>> import numpy as np
    >>> eval_shape(lambda x: x @ x.T, np.ones((2, 3)))
    ShapeDtypeStruct(f64[2,2])
    """
    check_callable(fun, "eval_shape", "eval_shape(f, x) rather than eval_shape(f(x), x)")
    traced = _trace_call(fun, args, kwargs, (), f"eval_shape({function_name(fun)})", False)
    return _shapes(traced.jaxpr, traced)
