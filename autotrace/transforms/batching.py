"""vmap: each equation becomes the one that does it for a whole batch.

Inside, a batched value carries the batch as axis 0; values that do not depend on a mapped argument stay as
they are, and are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir import SOURCE, Atom, Jaxpr, Literal, ShapedArray, annotate, is_watching, phase_name, watch
from ..primitives.promotion import broadcast_to
from ..tracing import Tracer, bind, leaf_value, trace
from ..tree import broadcast_prefix, keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from .arguments import function_name, owned, protect
from .wrapper import transformed

__all__ = ["batch_jaxpr", "vmap"]


def batch_jaxpr(
    jaxpr: Jaxpr, size: int, inputs: Sequence[Any], batched: Sequence[bool]
) -> tuple[list[Any], list[bool]]:
    """Run ``jaxpr`` on a batch: inputs so marked carry it as axis 0. Returns outputs, and which carry it."""
    values: dict[Atom, Any] = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip(jaxpr.in_vars, inputs, strict=True))
    mapped: set[Atom] = {v for v, b in zip(jaxpr.in_vars, batched, strict=True) if b}
    watching = is_watching()
    token = SOURCE.set(None)
    try:
        for equation in jaxpr.equations:
            primitive, ins, outs, source = equation
            SOURCE.set(source)
            args = [v.value if type(v) is Literal else values[v] for v in ins]
            if mapped.isdisjoint(ins):
                result = bind(primitive, *args)
            else:
                result = primitive.batch(size, args, [v in mapped for v in ins])
                mapped.update(outs)
            if watching:
                watch(equation, args, result if primitive.multiple else (result,), phase_name(source))
            if primitive.multiple:
                values.update(zip(outs, result, strict=True))
            else:
                values[outs[0]] = result
    except Exception as error:
        raise annotate(error, equation) from error.__cause__
    finally:
        SOURCE.reset(token)
    return (
        [v.value if type(v) is Literal else values[v] for v in jaxpr.outputs],
        [v in mapped for v in jaxpr.outputs],
    )


def vmap(
    fun: Callable[..., Any] | None = None,
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_size: int | None = None,
) -> Any:
    """Make the function that maps ``fun`` over an axis of its arguments.

    ``in_axes``: for each argument the axis to map over, None to pass it whole; an integer for all, or a
    tuple of integers, None and trees that are prefixes of the arguments. Negative axes count from the end.
    Keyword arguments are mapped over axis 0. ``out_axes``: where the mapped axis goes in each output.
    ``axis_size`` is needed only if no argument is mapped.

    Raises ``ValueError`` where sizes differ (naming every argument), ``TypeError`` for wrong ``in_axes``.

    >>> import numpy as np
    >>> vmap(lambda x, y: x @ y, in_axes=(0, None))(np.eye(3), np.arange(3.0))
    array([0., 1., 2.])
    """
    return transformed(vmap, fun, _vmap, in_axes=in_axes, out_axes=out_axes, axis_size=axis_size)


def _vmap(fun: Any, args: Any, kwargs: Any, in_axes: Any, out_axes: Any, axis_size: int | None) -> Any:
    what = f"vmap({function_name(fun)})"
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    raw, tree = tree_flatten((args, kwargs))
    axes = _leaf_axes(in_axes, args, kwargs)
    values = _leaf_values(raw, axes, (args, kwargs))
    axes = [
        _normal(axis, np.ndim(x) if type(x) is not Tracer else x.ndim) for axis, x in zip(axes, values, strict=True)
    ]
    size = _size(values, axes, axis_size, (args, kwargs))
    mapped = [i for i, axis in enumerate(axes) if axis is not None]
    fronted = [np.moveaxis(values[i], axes[i], 0) if axes[i] else values[i] for i in mapped]  # type: ignore[arg-type]
    others = [None if axis is not None else protect(x) for x, axis in zip(raw, axes, strict=True)]

    def flat(tracers: list[Any]) -> Any:
        leaves = list(others)
        for i, tracer in zip(mapped, tracers, strict=True):
            leaves[i] = tracer
        inner_args, inner_kwargs = tree_unflatten(tree, leaves)
        return fun(*inner_args, **inner_kwargs)

    avals = [ShapedArray(x.shape[1:], x.dtype) for x in fronted]
    traced = trace(flat, avals, None, what)
    outs, batched = batch_jaxpr(traced.jaxpr, size, fronted, [True] * len(fronted))
    places = _out_places(out_axes, traced.out_tree, what)
    results = [
        _place(x, b, axis, size, v.aval, what)
        for x, b, axis, v in zip(outs, batched, places, traced.jaxpr.outputs, strict=True)
    ]
    return tree_unflatten(traced.out_tree, owned(results, [*values, *traced.jaxpr.constants]))


def _leaf_axes(in_axes: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int | None]:
    """Return the axis of every leaf, positional arguments first."""
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise ValueError(
            f"vmap: in_axes must have an entry for each positional argument; got {in_axes!r} for {len(args)} of them. "
            "Add None for arguments that are not mapped."
        )
    try:
        axes = broadcast_prefix(in_axes, args, is_leaf=lambda x: x is None)
    except ValueError as error:
        raise ValueError(f"vmap: in_axes must be an integer, None or a prefix of the arguments; {error}") from None
    for axis in axes:
        if axis is not None and not _is_integer(axis):
            raise TypeError(f"vmap: in_axes must hold integers and None; got {axis!r}. Name an axis by its number.")
    return [*axes, *[0] * len(tree_flatten(kwargs)[0])]


def _is_integer(axis: Any) -> bool:
    return isinstance(axis, int | np.integer) and not isinstance(axis, bool)


def _leaf_values(raw: Sequence[Any], axes: Sequence[Any], arguments: Any) -> list[Any]:
    """Check mapped leaves; others may be anything."""
    paths = None
    values = []
    for i, (x, axis) in enumerate(zip(raw, axes, strict=True)):
        if axis is None:
            values.append(x)
            continue
        if paths is None:
            paths = [path for path, _ in tree_flatten_with_path(arguments)[0]]
        values.append(leaf_value(x, f"argument{keystr(paths[i][1:])}", "vmap"))
    return values


def _normal(axis: int | None, rank: int) -> int | None:
    if axis is None:
        return None
    if not -rank <= axis < rank:
        raise ValueError(
            f"vmap: in_axes must name an axis of the argument; got axis {axis} for an array of rank {rank}. "
            "Use None for arguments that are not mapped."
        )
    return axis % rank


def _size(values: Sequence[Any], axes: Sequence[int | None], axis_size: int | None, arguments: Any) -> int:
    """Return the one size of all mapped axes."""
    sizes = [x.shape[axis] for x, axis in zip(values, axes, strict=True) if axis is not None]
    if axis_size is not None:
        if not _is_integer(axis_size):
            raise TypeError(f"vmap: axis_size must be an integer; got {axis_size!r}. Give the number of rows.")
        if axis_size < 0:
            raise ValueError(f"vmap: axis_size must be at least 0; got {axis_size}. Give the number of rows.")
        sizes.append(axis_size)
    if not sizes:
        got = "None for all in in_axes" if axes else "no arguments"
        raise ValueError(f"vmap: at least one argument must be mapped; got {got}. Give axis_size.")
    if len(set(sizes)) > 1:
        paths = [keystr(path[1:]) for path, _ in tree_flatten_with_path(arguments)[0]]
        named = "; ".join(
            f"argument{path} of shape {x.shape} has size {x.shape[axis]} at axis {axis}"
            for path, x, axis in zip(paths, values, axes, strict=True)
            if axis is not None
        )
        given = "" if axis_size is None else f"; axis_size is {axis_size}"
        raise ValueError(
            f"vmap: mapped axes must have one size; got {named}{given}. Set in_axes to None for what is not mapped."
        )
    return int(sizes[0])


def _out_places(out_axes: Any, out_tree: Any, what: str) -> list[Any]:
    dummy = tree_unflatten(out_tree, [0] * out_tree.num_leaves)
    if isinstance(out_axes, list) and not isinstance(dummy, list):
        out_axes = tuple(out_axes)
    try:
        places = broadcast_prefix(out_axes, dummy, is_leaf=lambda x: x is None)
    except ValueError as error:
        raise ValueError(f"vmap: out_axes must be an integer, None or a prefix of the output; {error}") from None
    for axis in places:
        if axis is not None and not _is_integer(axis):
            raise TypeError(f"vmap: out_axes must hold integers and None; got {axis!r}. Name an axis by its number.")
    return places


def _place(x: Any, batched: bool, axis: Any, size: int, aval: ShapedArray, what: str) -> Any:
    """Move the batch axis of an output to where it is asked for."""
    if axis is None:
        if batched:
            raise ValueError(
                f"vmap: out_axes may be None only for outputs that do not depend on mapped arguments; got None for one "
                f"of {aval} that does. Give an integer."
            )
        return x
    rank = aval.ndim + 1
    if not -rank <= axis < rank:
        raise ValueError(
            f"vmap: out_axes must name an axis of the batched output; got {axis} for one of rank {rank}. "
            f"Give an integer from {-rank} to {rank - 1}."
        )
    if not batched:
        x = broadcast_to(x if type(x) is Tracer else np.asarray(x), (size, *aval.shape))
    return np.moveaxis(x, 0, int(axis)) if axis % rank else x
