"""grad, value_and_grad and vjp: reverse mode on Python functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compile.reuse import DerivedPrograms, is_concrete
from ..compile.simplify import simplify
from ..ir import Atom, Jaxpr, has_backward_rule, inline
from ..primitives.promotion import convert
from ..tracing import trace
from ..tree import PyTreeDef, tree_unflatten
from .arguments import Leaves, Run, copied, function_name, leaves_of, owned, select, trace_leaves
from .derivatives import cotangent_leaves
from .forward import push_forward
from .reverse import Recorded, pull_back, run_forward
from .taylor import repeated_derivative
from .wrapper import Transformed, applied_times, check_callable, transformed

__all__ = ["Pullback", "grad", "value_and_grad", "vjp"]


def grad(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    argnames: str | tuple[str, ...] | None = None,
) -> Any:
    """Make the function that evaluates the gradient of ``fun``, which returns a real scalar.

    ``argnums`` (positions; default 0) and ``argnames`` (names) say with respect to which arguments; a tuple
    gives a tuple of gradients. An argument may be any tree of arrays: the gradient has the same tree, each
    leaf the shape and dtype of the argument's. Integer leaves carry no derivative and give zeros of dtype
    ``float0``; an argument of integers alone is refused unless ``allow_int``. With ``has_aux``, ``fun`` returns
    ``(value, aux)`` and the result is ``(gradient, aux)``. ``holomorphic`` takes complex functions of complex
    arguments; without it the gradient of a real function at x + iy is df/dx - i df/dy.

    Raises ``TypeError`` for outputs that are not one real scalar and for arguments that are not inexact,
    ``ValueError`` for positions that the call does not have.

    >>> import numpy as np
    >>> grad(lambda x: np.sin(x) * x)(0.0)
    np.float64(0.0)
    >>> @grad(argnums=(0, 1))
    ... def slopes(a, b):
    ...     return a * b
    >>> slopes(2.0, 3.0)
    (np.float64(3.0), np.float64(2.0))
    """
    return transformed(
        grad,
        fun,
        _grad,
        argnums=argnums,
        has_aux=has_aux,
        holomorphic=holomorphic,
        allow_int=allow_int,
        argnames=argnames,
    )


def value_and_grad(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    argnames: str | tuple[str, ...] | None = None,
) -> Any:
    """Make the function that evaluates ``fun`` and its gradient together; arguments as for :func:`grad`.

    Returns ``(value, gradient)``, with ``has_aux`` ``((value, aux), gradient)``.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """
    return transformed(
        value_and_grad,
        fun,
        _value_and_grad,
        argnums=argnums,
        has_aux=has_aux,
        holomorphic=holomorphic,
        allow_int=allow_int,
        argnames=argnames,
    )


_NUMBERS = (float, np.float32)
"""Types of concrete numbers (np.float64 is a float)."""

_LEAST_INNER = 2
"""With two grads inside a grad, Taylor mode takes less than half the time; see docs/taylor.md."""


def _grad(fun: Any, args: Any, kwargs: Any, has_aux: bool, **options: Any) -> Any:
    if type(fun) is Transformed and not has_aux and not kwargs and len(args) == 1 and isinstance(args[0], _NUMBERS):
        count, inner = applied_times(grad, fun)
        if count >= _LEAST_INNER and not any(options.values()):
            derivative = repeated_derivative(inner, args[0], count + 1, f"grad({function_name(fun)})")
            if derivative is not None:
                return derivative
    value, gradient = _differentiate("grad", fun, args, kwargs, has_aux, **options)
    return (gradient, value[1]) if has_aux else gradient


def _value_and_grad(fun: Any, args: Any, kwargs: Any, has_aux: bool, **options: Any) -> Any:
    return _differentiate("value_and_grad", fun, args, kwargs, has_aux, **options)


def _differentiate(
    name: str,
    fun: Any,
    args: Any,
    kwargs: Any,
    has_aux: bool,
    argnums: Any,
    holomorphic: bool,
    allow_int: bool,
    argnames: Any,
) -> Any:
    chosen = select(fun, args, kwargs, argnums, argnames, name)
    leaves = leaves_of(chosen.values, name, chosen.labels)
    _check_inputs(leaves, holomorphic, allow_int, name)
    what = f"{name}({function_name(fun)})"
    run = trace_leaves(lambda values: chosen.call(*values), leaves, what, has_aux, keep_calls=True)
    _check_output(run.out_tree, run.jaxpr.out_avals[: run.outputs], holomorphic, name)
    primals = leaves.primals
    values, found = gradient_of(run, primals)
    foreign = [*primals, *run.jaxpr.constants]
    gradients = leaves.fill(owned(found, foreign))
    outputs = owned(values, foreign)
    value = (outputs[0], run.aux(outputs[run.outputs :])) if has_aux else outputs[0]
    return value, gradients[0] if chosen.single else gradients


def gradient_of(run: Run, primals: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return the outputs of a traced call, and the gradient of the first one by reverse mode.

    With respect to a single real scalar, forward mode gives the same at no more cost: it keeps nothing, and
    its programs stay smaller when derivatives are nested. A backward rule of the user's is used all the same.
    """
    if is_concrete(run.jaxpr, primals) and not any([e.primitive.has_rules for e in run.jaxpr.equations]):
        done = _GRADIENTS.run(run.jaxpr, primals)
        if done is not None:
            results, reached = done
            given = iter(results[len(run.jaxpr.outputs) :])
            return list(results[: len(run.jaxpr.outputs)]), [next(given) if some else None for some in reached]
    return _walk(inline(run.jaxpr), primals, len(primals), run.values)


def _walk(
    jaxpr: Jaxpr, inputs: Sequence[Any], count: int, values: dict[Atom, Any] | None
) -> tuple[list[Any], list[Any]]:
    """Differentiate the first output in the first ``count`` inputs, equation by equation.

    ``jaxpr`` is nobody else's: the trace may have its variables.
    """
    first = jaxpr.in_avals[0] if count else None
    one_number = count == 1 and first is not None and first.ndim == 0 and first.dtype.kind == "f"
    if first is not None and one_number and not has_backward_rule(jaxpr):
        tangents = [first.dtype.type(1), *[None] * (len(inputs) - 1)]
        outputs, dots = push_forward(jaxpr, inputs, tangents, values, once=True)
        return outputs, [None if dots[0] is None else convert(dots[0], first.dtype)]
    recorded = run_forward(jaxpr, inputs, [i < count for i in range(len(inputs))], values, once=True)
    one = jaxpr.outputs[0].aval.dtype.type(1)
    return recorded.outputs, pull_back(recorded, [one, *[None] * (len(jaxpr.outputs) - 1)])[:count]


def _derive(jaxpr: Jaxpr, count: int) -> tuple[Jaxpr, list[bool]]:
    """Write the walk down as a program: outputs, then the gradients that are not known to be zero."""
    written, reached = inline(jaxpr), list[bool]()

    def flat(tracers: list[Any]) -> list[Any]:
        outputs, found = _walk(written, tracers, count, None)
        reached.extend(g is not None for g in found)
        return [*outputs, *[g for g in found if g is not None]]

    return simplify(trace(flat, jaxpr.in_avals, None, "grad", snapshot=False).jaxpr, reassociate=False), reached


_GRADIENTS = DerivedPrograms(_derive)


def _check_inputs(leaves: Leaves, holomorphic: bool, allow_int: bool, name: str) -> None:
    if not any(leaves.moving) and not allow_int:
        kinds = ", ".join(map(str, leaves.avals)) or "no arrays"
        raise TypeError(
            f"{name}: arguments to differentiate must be of floating-point or complex dtype; got {kinds}. "
            "Pass a float (3.0 for 3), or allow_int=True for zeros of dtype float0."
        )
    if holomorphic and any(aval.dtype.kind != "c" for aval, m in zip(leaves.avals, leaves.moving, strict=True) if m):
        raise TypeError(
            f"{name}: with holomorphic=True arguments must be complex; got {', '.join(map(str, leaves.avals))}. "
            "Pass complex arguments, or drop holomorphic."
        )


def _check_output(tree: PyTreeDef, avals: Any, holomorphic: bool, name: str) -> None:
    if len(avals) != 1 or avals[0].ndim or tree.children():
        got = ", ".join(map(str, avals)) or "no arrays"
        if tree.children():
            got = f"{got} in {tree}"
        raise TypeError(
            f"{name}: the function must return one scalar; got {got}. "
            "Sum it, or use jacrev, jacfwd or vjp for functions of many outputs."
        )
    kind = avals[0].dtype.kind
    if holomorphic and kind != "c":
        raise TypeError(f"{name}: with holomorphic=True the output must be complex; got {avals[0]}. Drop holomorphic.")
    if not holomorphic and kind != "f":
        raise TypeError(
            f"{name}: the function must return a real floating-point scalar; got {avals[0]}. "
            + ("Take its real part or absolute value, or pass holomorphic=True." if kind == "c" else "Return a float.")
        )


class Pullback:
    """The function from cotangents of the outputs to cotangents of the inputs that :func:`vjp` returns."""

    def __init__(self, recorded: Recorded, leaves: Leaves, out_tree: PyTreeDef, outputs: int, what: str) -> None:
        self._recorded = recorded
        self._leaves = leaves
        self._out_tree = out_tree
        self._outputs = outputs
        self._what = what

    def __call__(self, ct: Any) -> Any:
        """Pull ``ct``, of the output's tree, shapes and dtypes, back; returns a tuple, one entry per argument."""
        atoms = self._recorded.jaxpr.outputs
        cts = cotangent_leaves(ct, self._out_tree, [v.aval for v in atoms[: self._outputs]], "vjp")
        found = pull_back(self._recorded, [*cts, *[None] * (len(atoms) - self._outputs)])
        foreign = [*self._recorded.values.values(), *cts]
        return self._leaves.fill(owned(found, foreign))

    def __repr__(self) -> str:
        return f"<pullback of {self._what}>"


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Evaluate ``fun`` and return its value with its pullback, the transpose of its derivative at ``primals``.

    Returns ``(output, pullback)``, with ``has_aux`` ``(output, pullback, aux)``. ``pullback(ct)`` takes a cotangent of
    the output's tree and returns a tuple with the cotangent of each primal. It stays right if the caller
    changes the arrays afterwards.

    >>> import numpy as np
    >>> y, pullback = vjp(np.sin, 0.0)
    >>> pullback(1.0)
    (np.float64(1.0),)
    """
    check_callable(fun, "vjp", "vjp(f, x) rather than vjp(f(x), x)")
    leaves = copied(leaves_of(primals, "vjp"))
    what = f"vjp({function_name(fun)})"
    run = trace_leaves(lambda values: fun(*values), leaves, what, has_aux, lasting=True)
    recorded = run_forward(run.jaxpr, leaves.primals, [True] * len(leaves.primals), run.values, once=True)
    outputs = owned(recorded.outputs, recorded.values.values())
    pullback = Pullback(recorded, leaves, run.out_tree, run.outputs, what)
    out = tree_unflatten(run.out_tree, outputs[: run.outputs])
    return (out, pullback, run.aux(outputs[run.outputs :])) if has_aux else (out, pullback)
