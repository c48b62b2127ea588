"""jacfwd and jacrev: a derivative applied to a basis, all directions in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compile.simplify import simplify
from ..ir import Jaxpr, ShapedArray, tangent_dtype
from ..primitives.promotion import broadcast_to
from ..tracing import trace
from ..tree import tree_unflatten
from .arguments import Leaves, Run, Selection, check_moving, function_name, leaves_of, owned, select, trace_leaves
from .batching import batch_jaxpr
from .linear import linearize_jaxpr
from .reverse import pull_back, run_forward
from .sweeps import unit_rows
from .wrapper import transformed

__all__ = ["jacfwd", "jacrev", "start"]


def jacfwd(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    argnames: str | tuple[str, ...] | None = None,
) -> Any:
    """Make the function that evaluates the Jacobian of ``fun`` by forward mode, one pass for all columns.

    The result has the tree of the output; each of its leaves the tree of the argument; each block the shape
    ``output.shape + argument.shape``. Cheap where the argument is small.

    >>> import numpy as np
    >>> jacfwd(lambda x: np.stack([x[0] * x[1], x[0] + x[1]]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [1., 1.]])
    """
    return transformed(
        jacfwd, fun, _jacfwd, argnums=argnums, has_aux=has_aux, holomorphic=holomorphic, argnames=argnames
    )


def jacrev(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    argnames: str | tuple[str, ...] | None = None,
) -> Any:
    """Make the function that evaluates the Jacobian of ``fun`` by reverse mode, one pass for all rows.

    The result is as that of :func:`jacfwd`. Cheap where the output is small.

    >>> import numpy as np
    >>> jacrev(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return transformed(
        jacrev,
        fun,
        _jacrev,
        argnums=argnums,
        has_aux=has_aux,
        holomorphic=holomorphic,
        allow_int=allow_int,
        argnames=argnames,
    )


def start(
    name: str,
    fun: Any,
    args: Any,
    kwargs: Any,
    argnums: Any,
    argnames: Any,
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
) -> tuple[Selection, Leaves, Run]:
    """Trace a call of the transform of that ``name`` and check arguments and outputs."""
    chosen = select(fun, args, kwargs, argnums, argnames, name)
    leaves = leaves_of(chosen.values, name, chosen.labels)
    if not allow_int:
        check_moving(leaves, name)
    kinds = [aval.dtype.kind for aval, m in zip(leaves.avals, leaves.moving, strict=True) if m]
    wrong = "f" if holomorphic else "c" if name != "jacrev" else ""
    if wrong in kinds and wrong:
        raise TypeError(
            f"{name}: arguments must be {'complex with' if holomorphic else 'real without'} holomorphic=True; got "
            f"{', '.join(map(str, leaves.avals))}. "
            f"{'Pass complex arguments' if holomorphic else 'Use jacrev, or holomorphic=True'}."
        )
    what = f"{name}({function_name(fun)})"
    run = trace_leaves(lambda values: chosen.call(*values), leaves, what, has_aux)
    for aval in run.jaxpr.out_avals[: run.outputs]:
        if holomorphic and aval.dtype.kind != "c":
            raise TypeError(f"{name}: with holomorphic=True outputs must be complex; got {aval}. Drop holomorphic.")
        if name == "jacrev" and not holomorphic and aval.dtype.kind != "f":
            raise TypeError(
                f"{name}: outputs must be real floating-point arrays; got {aval}. "
                "Return floats, or pass holomorphic=True for complex functions."
            )
    return chosen, leaves, run


def _jacfwd(
    fun: Any,
    args: Any,
    kwargs: Any,
    argnums: Any,
    has_aux: bool,
    holomorphic: bool,
    argnames: Any,
) -> Any:
    name = "jacfwd"
    chosen, leaves, run = start(name, fun, args, kwargs, argnums, argnames, has_aux, holomorphic, False)
    primals = leaves.primals
    outs, linear, nonzero = linearize_jaxpr(run.jaxpr, primals, [True] * len(primals), run.values, name)
    avals = [v.aval for v in linear.in_vars]
    columns, basis = sum(aval.size for aval in avals), unit_rows(avals)
    found, batched = batch_jaxpr(simplify(linear), columns, basis, [True] * len(basis))
    given = iter(zip(found, batched, strict=True))
    blocks = []
    for out_aval, some in zip(run.jaxpr.out_avals[: run.outputs], nonzero, strict=False):
        whole = (
            _whole(*next(given), columns, out_aval)
            if some
            else np.zeros((columns, *out_aval.shape), tangent_dtype(out_aval.dtype))
        )
        blocks.append(
            [
                np.moveaxis(part, 0, -1).reshape((*out_aval.shape, *aval.shape))
                for part, aval in zip(_split(whole, avals), avals, strict=True)
            ]
        )
    return _assemble(chosen, leaves, run, blocks, outs, has_aux)


def _jacrev(
    fun: Any,
    args: Any,
    kwargs: Any,
    argnums: Any,
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
    argnames: Any,
) -> Any:
    chosen, leaves, run = start("jacrev", fun, args, kwargs, argnums, argnames, has_aux, holomorphic, allow_int)
    primals = leaves.primals
    recorded = run_forward(run.jaxpr, primals, [True] * len(primals), run.values)
    out_avals = list(run.jaxpr.out_avals[: run.outputs])
    if sum(aval.size for aval in out_avals) == 1:  # a gradient: no batch of one
        one = [np.ones(aval.shape, aval.dtype)[()] if aval.size else np.zeros(aval.shape) for aval in out_avals]
        cts = pull_back(recorded, [*one, *[None] * (len(run.jaxpr.outputs) - len(one))])
        avals = [aval for aval, m in zip(leaves.avals, leaves.moving, strict=True) if m]
        filled = [np.zeros(a.shape, a.dtype) if ct is None else ct for ct, a in zip(cts, avals, strict=True)]
        blocks = [
            [
                ct.reshape((*o.shape, *a.shape)) if o.size else np.zeros((*o.shape, *a.shape), a.dtype)
                for ct, a in zip(filled, avals, strict=True)
            ]
            for o in out_avals
        ]
        return _assemble(chosen, leaves, run, blocks, recorded.outputs, has_aux)
    backward, reached = _backward_program(recorded, out_avals, len(run.jaxpr.outputs))
    rows, basis = sum(aval.size for aval in out_avals), unit_rows(out_avals)
    found, batched = batch_jaxpr(backward, rows, basis, [True] * len(basis))
    given = iter(zip(found, batched, strict=True))
    avals = [aval for aval, m in zip(leaves.avals, leaves.moving, strict=True) if m]
    wholes = [
        _whole(*next(given), rows, aval) if some else np.zeros((rows, *aval.shape), aval.dtype)
        for aval, some in zip(avals, reached, strict=True)
    ]
    parts = [_split(whole, out_avals) for whole in wholes]
    blocks = [
        [part[i].reshape((*out_aval.shape, *aval.shape)) for part, aval in zip(parts, avals, strict=True)]
        for i, out_aval in enumerate(out_avals)
    ]
    return _assemble(chosen, leaves, run, blocks, recorded.outputs, has_aux)


def _backward_program(recorded: Any, out_avals: Sequence[ShapedArray], count: int) -> tuple[Jaxpr, list[bool]]:
    """Record the walk back as a program of the cotangents."""
    reached: list[bool] = []

    def back(cts: list[Any]) -> list[Any]:
        found = pull_back(recorded, [*cts, *[None] * (count - len(cts))])
        reached.extend(ct is not None for ct in found)
        return [ct for ct in found if ct is not None]

    return simplify(trace(back, out_avals, None, "jacrev", snapshot=False).jaxpr), reached


def _whole(x: Any, batched: bool, size: int, aval: ShapedArray) -> Any:
    return x if batched else broadcast_to(x, (size, *aval.shape))


def _split(x: Any, avals: Sequence[ShapedArray]) -> list[Any]:
    """Cut axis 0 into the parts that belong to each aval."""
    parts, start = [], 0
    for aval in avals:
        parts.append(x[start : start + aval.size])
        start += aval.size
    return parts


def _assemble(
    chosen: Selection,
    leaves: Leaves,
    run: Run,
    blocks: Sequence[Sequence[Any]],
    outs: Sequence[Any],
    has_aux: bool,
) -> Any:
    """Nest blocks: the tree of the output, in each of its leaves the tree of the arguments."""
    flat = owned([b for row in blocks for b in row], [])
    width = len(blocks[0]) if blocks else 0
    rows = []
    for i in range(len(blocks)):
        filled = leaves.fill(flat[i * width : (i + 1) * width])
        rows.append(filled[0] if chosen.single else filled)
    result = tree_unflatten(run.out_tree, rows)
    return (result, run.aux(owned(outs[run.outputs :], run.jaxpr.constants))) if has_aux else result
