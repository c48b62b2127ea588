"""linear_call: a linear function whose transpose is what the user says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir import Linear, Linearized, Primitive, ShapedArray, Slot, here
from ..tracing import Tracer, bind, current_trace, evaluate, leaf_aval
from ..transforms.arguments import function_name
from ..transforms.forward import push_forward
from ..transforms.linear import linearize_jaxpr, record_linear
from ..transforms.wrapper import check_callable
from ..tree import PyTreeDef, tree_unflatten
from .call import Call as ProgramCall
from .captured import standing_for, traced_in
from .custom_vjp import BatchedBackward
from .flow import leaves_and_tree
from .programs import close, filled, tangent_of
from .rules import (
    Call,
    OwnRule,
    RuleCall,
    conformed,
    given,
    numpy_number,
    padded,
    recorded,
    ruling,
    strong,
)

__all__ = ["LinearCall", "linear_call"]


class TransposeRule(OwnRule):
    """The user's transpose, of the leaves of the residual arguments; in front stand the values of ``held``."""

    def __init__(
        self,
        name: str,
        what: str,
        function: Callable[..., Any],
        held: Sequence[Tracer],
        residuals: tuple[PyTreeDef, Sequence[ShapedArray]],
        arguments: tuple[PyTreeDef, Sequence[ShapedArray]],
        out_tree: PyTreeDef,
    ) -> None:
        self._function = function
        self._held = held
        self._residuals = residuals
        self._arguments = arguments
        self._out_tree = out_tree

    def pull(self, operands: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        """Return the cotangents of the leaves of the linear arguments, None for zero."""
        count = len(self._held)
        tree, avals = self._residuals

        def run() -> list[Any]:
            with ruling(operands):
                result = self._function(
                    tree_unflatten(tree, given(operands[count:])),
                    tree_unflatten(self._out_tree, given(cts)),
                )
            when = ("for the linear arguments", f"from the transpose {self}")
            return conformed(result, *self._arguments, self.what, "cotangent", when, any(a.weak_type for a in avals))

        return standing_for(self._held, operands[:count], run, f"the transpose of {self.what}")


class LinearCall(RuleCall):
    """``jaxpr``, linear in the operands after the ``consts`` and ``residuals``, whose transpose is ``rule``."""

    residuals: int = 0

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return self.push(primals, tangents)[1]

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        count = self.consts + self.residuals
        if any(t is not None for t in tangents[:count]):
            return push_forward(self.jaxpr, primals, tangents)
        avals = self.jaxpr.in_avals[count:]
        dots = bind(self, *primals[:count], *filled(tangents[count:], avals, [True] * len(avals)))
        return bind(self, *primals), dots

    def linearize(self, inputs: Sequence[Any], moving: Sequence[bool]) -> Linearized:
        """Split the tangents in those of the residuals, which are the program's, and of the rest, on which it acts."""
        count, avals = self.consts + self.residuals, self.jaxpr.in_avals
        known, rest = list(inputs[:count]), avals[count:]
        some = [m and i < count for i, m in enumerate(moving)]
        outs, linear, nonzero = linearize_jaxpr(self.jaxpr, inputs, some, None, self.what)

        def tangents_of(tangents: list[Any]) -> list[Any]:
            found = iter(evaluate(linear, tangents[: sum(some)]))
            dots = [next(found) if m else None for m in nonzero]
            if not any(moving[count:]):
                return dots
            given = iter(tangents[sum(some) :])
            own = [next(given) if m else None for m in moving[count:]]
            acted = bind(self, *known, *filled(own, rest, [True] * len(rest)))
            return [a if dot is None else a + dot for a, dot in zip(acted, dots, strict=True)]

        places = [i for i, m in enumerate(moving) if m]
        slots = [Slot(i, tangent_of(avals[i])) for i in places]
        jaxpr, reached = record_linear(tangents_of, [x.aval for x in slots], self.what)
        closed, consts = close(jaxpr)
        return Linearized(outs, ProgramCall(closed, self.label), [*consts, *slots], reached)

    def transpose(self, cts: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
        count = self.consts + self.residuals
        if any(type(x) is Linear for x in inputs[:count]):
            return Primitive.transpose(self, cts, inputs)
        avals = self.jaxpr.out_avals
        found = self.own_rule.pull(inputs[self.consts : count], filled(cts, avals, [True] * len(avals)))
        return [
            *[None] * count,
            *[ct if type(x) is Linear else None for ct, x in zip(found, inputs[count:], strict=True)],
        ]

    def batched_rule(self, size: int, marks: tuple[bool, ...]) -> OwnRule:
        rule, at, end = self.rule, self.consts, self.consts + self.residuals
        return BatchedBackward(rule, rule.what, rule, size, marks[at:end], self.jaxpr.in_avals[at:end], marks[end:])


def linear_call(
    fun: Callable[[Any, Any], Any], fun_transpose: Callable[[Any, Any], Any], residual_args: Any, linear_args: Any
) -> Any:
    """Return ``fun(residual_args, linear_args)``, linear in the latter, whose transpose is ``fun_transpose``.

    ``fun_transpose(residual_args, ct)`` takes a cotangent of the output and returns one of ``linear_args``. Use it on
    tangents, in rules of :func:`~autotrace.custom_jvp`, where reverse mode would transpose what is hard to transpose.
    Derivatives in ``residual_args`` are those of ``fun``.

    Raises ``TypeError`` for linear arguments or outputs that are not inexact, and for a transpose that does not return
    what belongs to ``linear_args``.

    >>> import numpy as np
    >>> from autotrace import linear_transpose
    >>> def shifted(x):
    ...     return linear_call(lambda n, x: np.roll(x, n), lambda n, ct: np.roll(ct, -n), 1, x)
    >>> linear_transpose(shifted, np.zeros(3))(np.array([1.0, 0.0, 0.0]))
    (array([0., 0., 1.]),)
    """
    for function, role in ((fun, "fun"), (fun_transpose, "fun_transpose")):
        check_callable(function, "linear_call", "linear_call(f, f_transposed, residuals, x)", role)
    if current_trace() is None:
        return fun(residual_args, linear_args)
    label = function_name(fun)
    what = f"linear_call({label})"
    raw_known, known_tree = leaves_and_tree(residual_args, "linear_call")
    raw, tree = leaves_and_tree(linear_args, "linear_call")
    known, leaves = [numpy_number(x) for x in raw_known], [numpy_number(x) for x in raw]
    avals, count = [leaf_aval(x) for x in (*raw_known, *raw)], len(known)

    def flat(tracers: list[Any]) -> Any:
        return fun(tree_unflatten(known_tree, tracers[:count]), tree_unflatten(tree, tracers[count:]))

    body = recorded(flat, [*known, *leaves], avals, what)
    for word, types in (("linear arguments", [strong(x) for x in leaves]), ("outputs", body.jaxpr.out_avals)):
        for aval in types:
            if not aval.inexact:
                raise TypeError(
                    f"{what}: {word} must be of floating-point or complex dtype; got {aval}{here()}. "
                    "Pass others among residual_args, or convert them with astype."
                )
    held = traced_in(fun_transpose)
    rule = TransposeRule(
        function_name(fun_transpose),
        what,
        fun_transpose,
        held,
        (known_tree, avals[:count]),
        (tree, [strong(x) for x in leaves]),
        body.out_tree,
    )
    consts = len(body.consts)
    jaxpr = padded(body.jaxpr, consts, [strong(x) for x in held])
    call = Call(body, [*known, *leaves], tree, [], avals)
    primitive = LinearCall(jaxpr, label, rule, consts, len(held) + count)
    return call.outputs(primitive, [*body.consts, *held, *known, *leaves])
