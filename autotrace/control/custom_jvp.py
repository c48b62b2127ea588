"""custom_jvp: a function whose derivative is what the user says, in forward mode; reverse mode transposes that."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..errors import MissingRuleError
from ..ir import Linearized, ShapedArray, Slot, float0, here
from ..tracing import Tracer, trace
from ..transforms.arguments import function_name
from ..transforms.batching import batch_jaxpr
from ..transforms.linear import record_linear
from ..tree import PyTreeDef, tree_flatten, tree_map, tree_unflatten
from .call import Call as ProgramCall
from .captured import standing_for, traced_in
from .programs import close, repeated, tangent_of
from .rules import (
    BatchedRule,
    Call,
    OwnRule,
    RuleCall,
    SymbolicZero,
    WithRule,
    conformed,
    given,
    given_or_zero,
    padded,
    ruling,
    strong,
    tangent_zero,
)

__all__ = ["CustomJvp", "custom_jvp"]


class JvpRule(OwnRule):
    """The user's rule of one call: of the leaves and their tangents, None for zero.

    In front of the leaves stand the values of ``held``, traced values that the rule closes over.
    """

    def __init__(
        self,
        name: str,
        what: str,
        function: Callable[..., Any],
        held: Sequence[Tracer],
        call: Call,
        label: str,
        symbolic: bool,
    ) -> None:
        self._function = function
        self._held = held
        self._fixed = call.fixed
        self._tree: PyTreeDef = call.tree
        self._avals = call.avals
        self._out_tree: PyTreeDef = call.body.out_tree
        self._out_avals = call.body.jaxpr.out_avals
        self._label = label
        self._symbolic = symbolic

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return the outputs and their tangents, None for zero."""
        count = len(self._held)
        found = standing_for(
            self._held,
            primals[:count],
            lambda: self._call(primals[count:], tangents[count:]),
            f"the rule of {self.what}",
        )
        return found[: len(self._out_avals)], found[len(self._out_avals) :]

    def _call(self, primals: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        dots = [given_or_zero(t, a, self._symbolic) for t, a in zip(tangents, self._avals, strict=True)]
        with ruling(primals):
            result = self._function(
                *self._fixed,
                tree_unflatten(self._tree, given(primals)),
                tree_unflatten(self._tree, dots),
            )
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise TypeError(
                f"{self.what}: the rule {self} must return a pair (output, tangent); got {type(result).__name__}"
                f"{here()}. Return both."
            )
        rule, loose = f"from the rule {self}", any(a.weak_type for a in self._avals)
        when = (f"from {self._label}", rule)
        outs = conformed(result[0], self._out_tree, self._out_avals, self.what, "output", when, loose)
        avals = [tangent_of(a) for a in self._out_avals]
        found = conformed(result[1], self._out_tree, avals, self.what, "tangent", ("for the output", rule), loose)
        return [*outs, *[t if a.inexact else None for t, a in zip(found, self._out_avals, strict=True)]]


class BatchedJvpRule(BatchedRule):
    """A rule for a batch, which all outputs carry as axis 0."""

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return the outputs and their tangents, None for zero."""
        some = [t is not None for t in tangents]
        nonzero: list[bool] = []

        def row(tracers: list[Any]) -> list[Any]:
            rest = iter(tracers[len(primals) :])
            outs, dots = self._rule.push(tracers[: len(primals)], [next(rest) if m else None for m in some])
            nonzero[:] = [t is not None for t in dots]
            return [*outs, *[t for t in dots if t is not None]]

        moving = [(tangent_of(a), b) for a, b, m in zip(self._avals, self._marks, some, strict=True) if m]
        traced = trace(row, [*self._avals, *[a for a, _ in moving]], None, f"vmap({self.what})")
        operands = [*primals, *[t for t in tangents if t is not None]]
        outs, mapped = batch_jaxpr(traced.jaxpr, self._size, operands, [*self._marks, *[b for _, b in moving]])
        whole = [x if m else repeated(x, self._size) for x, m in zip(outs, mapped, strict=True)]
        rest = iter(whole[len(nonzero) :])
        return whole[: len(nonzero)], [next(rest) if m else None for m in nonzero]


def _taken_from_outside(x: Any) -> Any:
    """Return the value that a trace, which has ended, took from outside, if ``x`` is one: it depends on no tangent."""
    while type(x) is Tracer and not x._trace.is_open and x._var in x._trace.constants:
        x = x._trace.constants[x._var]
    return x


class CustomJvp(RuleCall):
    """``jaxpr``, whose tangents are what ``rule`` says."""

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return self.push(primals, tangents)[1]

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        self.check_closed([t is not None for t in tangents], "differentiated")
        return self.own_rule.push(primals[self.consts :], tangents[self.consts :])

    def linearize(self, inputs: Sequence[Any], moving: Sequence[bool]) -> Linearized:
        self.check_closed(moving, "differentiated")
        places = [i for i, m in enumerate(moving) if m]
        avals = [tangent_of(self.jaxpr.in_avals[i]) for i in places]
        outs: list[Any] = []
        nonzero: list[bool] = []

        def tangents_of(tangents: list[Any]) -> list[Any]:
            rest = iter(tangents)
            found, dots = self.own_rule.push(
                inputs[self.consts :], [next(rest) if m else None for m in moving[self.consts :]]
            )
            outs[:], nonzero[:] = found, [t is not None for t in dots]
            return [t for t in dots if t is not None]

        linear, consts = close(record_linear(tangents_of, avals, f"the rule of {self.what}")[0])
        outs = [_taken_from_outside(x) for x in outs]
        if any(type(x) is Tracer and not x._trace.is_open for x in outs):
            raise TypeError(
                f"{self.what}: the output of the rule {self.own_rule} must not depend on tangents; got one that "
                f"does{here()}. Compute it from the primals."
            )
        slots = [Slot(i, a) for i, a in zip(places, avals, strict=True)]
        return Linearized(outs, CustomJvpTangent(linear, str(self.own_rule)), [*consts, *slots], nonzero)

    def batched_rule(self, size: int, marks: tuple[bool, ...]) -> OwnRule:
        rule, at = self.rule, self.consts
        return BatchedJvpRule(rule, rule.what, rule, size, marks[at:], self.jaxpr.in_avals[at:])


class CustomJvpTangent(ProgramCall):
    """The program of the tangents that a rule has given; it must be linear where it is transposed."""

    def transpose(self, cts: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
        try:
            return super().transpose(cts, inputs)
        except MissingRuleError as error:
            raise MissingRuleError(
                f"custom_jvp: reverse mode needs a rule that is linear in the tangents; got {self.label}, which is "
                f"not{here()}. Use forward mode, or write the rule for custom_vjp."
            ) from error


class custom_jvp(WithRule):  # noqa: N801  a decorator
    """Give ``fun`` a derivative of your own: ``@custom_jvp`` over it, then ``@fun.defjvp`` over the rule.

    The rule gets the tuples of primals and of tangents and returns output and tangent; it must be linear in the
    tangents where reverse mode is to work. Arguments and results are trees. ``nondiff_argnums`` (and
    ``nondiff_argnames``) are arguments that may be anything, such as functions; the rule gets them first. The rule runs
    only where a derivative is asked for, in place of the function; it may itself be differentiated.

    Raises ``MissingRuleError`` for a call without a rule, ``TypeError`` where the rule does not return what the
    function does, and where a derivative in what the function closes over is asked for.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> @custom_jvp
    ... def softplus(x):
    ...     return np.log(1 + np.exp(x))
    >>> @softplus.defjvp
    ... def softplus_jvp(primals, tangents):
    ...     (x,), (dx,) = primals, tangents
    ...     return softplus(x), dx / (1 + np.exp(-x))
    >>> grad(softplus)(700.0)
    np.float64(1.0)
    """

    decorator: ClassVar[str] = "custom_jvp"

    def __new__(cls, fun: Any = None, nondiff_argnums: Any = (), nondiff_argnames: Any = ()) -> Any:
        if fun is None:
            return functools.partial(cls, nondiff_argnums=nondiff_argnums, nondiff_argnames=nondiff_argnames)
        return super().__new__(cls)

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Any = (), nondiff_argnames: Any = ()) -> None:
        super().__init__(fun, nondiff_argnums, nondiff_argnames)
        self._jvp: Callable[..., Any] | None = None
        self._symbolic = False

    def defjvp(self, jvp: Callable[..., Any] | None = None, symbolic_zeros: bool = False) -> Any:
        """Set the rule ``jvp(primals, tangents) -> (output, tangent)``, and return it.

        With ``nondiff_argnums`` it is ``jvp(*nondiff, primals, tangents)``. Tangents that are zero are arrays of zeros,
        of dtype float0 for integers, or with ``symbolic_zeros`` a :class:`SymbolicZero`.
        """
        if jvp is None:
            return functools.partial(self.defjvp, symbolic_zeros=symbolic_zeros)
        if not callable(jvp):
            raise TypeError(
                f"{self._what}: defjvp takes the rule, a function; got {type(jvp).__name__}{here()}. "
                "Write f.defjvp(f_jvp)."
            )
        self._jvp, self._symbolic = jvp, bool(symbolic_zeros)
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Set the rule by one ``jvp(tangent, output, *primals) -> tangent`` for each argument; None for zero."""
        if self._nondiff:
            raise TypeError(f"{self._what}: defjvps takes no nondiff_argnums; got {self._nondiff}. Use defjvp.")
        for jvp in jvps:
            if jvp is not None and not callable(jvp):
                raise TypeError(
                    f"{self._what}: defjvps takes functions and None; got {type(jvp).__name__}{here()}. "
                    "Write f.defjvps(jvp_of_x, None)."
                )

        def by_argument(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
            if len(jvps) != len(primals):
                raise TypeError(
                    f"{self._what}: defjvps must have a rule for each argument; got {len(jvps)} for {len(primals)} "
                    "arguments. Give None for an argument whose derivative is zero."
                )
            out = self(*primals)
            total: Any = tree_map(lambda y: tangent_zero(_aval(y)), out)
            for jvp, t in zip(jvps, tangents, strict=True):
                if jvp is not None and not all(type(x) is SymbolicZero for x in tree_flatten(t)[0]):
                    whole = tree_map(lambda x: x.instantiate() if type(x) is SymbolicZero else x, t)
                    total = tree_map(_plus, total, jvp(whole, out, *primals))
            return out, total

        by_argument.__name__ = f"defjvps of {self.label}"
        self._jvp, self._symbolic = by_argument, True

    def _check_rule(self) -> None:
        if self._jvp is None:
            raise MissingRuleError(
                f"{self._what}: a rule must be set before the call; got none{here()}. "
                f"Write @{self.label}.defjvp over it."
            )

    def _record(self, call: Call) -> Any:
        assert self._jvp is not None
        body, label = call.body, self.label
        held = traced_in(self._jvp, call.fixed)
        rule = JvpRule(function_name(self._jvp), self._what, self._jvp, held, call, label, self._symbolic)
        jaxpr, count = body.jaxpr, len(body.consts)
        primitive = CustomJvp(padded(jaxpr, count, [strong(x) for x in held]), label, rule, count)
        return call.outputs(primitive, [*body.consts, *held, *call.leaves])


def _aval(x: Any) -> ShapedArray:
    return ShapedArray(np.shape(x), x.dtype) if hasattr(x, "dtype") else ShapedArray((), np.result_type(x))


def _plus(total: Any, t: Any) -> Any:
    """Add tangents; those of integers are zero."""
    if type(t) is SymbolicZero or getattr(t, "dtype", None) == float0:
        return total
    return t if type(total) is SymbolicZero else total + t
