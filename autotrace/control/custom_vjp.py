"""custom_vjp: a function whose reverse mode is what the user says; forward mode transposes that."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np

from ..errors import MissingRuleError
from ..ir import Jaxpr, Linear, Linearized, Primitive, ShapedArray, Slot, here
from ..tracing import Tracer, bind, evaluate, trace
from ..transforms.arguments import function_name
from ..transforms.batching import batch_jaxpr
from ..transforms.forward import push_forward
from ..transforms.linear import transpose_jaxpr
from ..tree import PyTreeDef, broadcast_prefix, tree_flatten, tree_unflatten
from .captured import standing_for, traced_in
from .programs import filled, repeated, tangent_of, zeros
from .rules import (
    BatchedRule,
    Call,
    OwnRule,
    RuleCall,
    WithRule,
    conformed,
    given,
    given_or_zero,
    padded,
    ruling,
    strong,
    tangent_zero,
)

__all__ = ["CustomVJPPrimal", "CustomVjp", "CustomVjpTangent", "custom_vjp"]


class CustomVJPPrimal:
    """What a forward rule with ``symbolic_zeros`` gets for each leaf.

    >>> CustomVJPPrimal(2.0, True)
    CustomVJPPrimal(2.0, perturbed=True)
    """

    __slots__ = ("perturbed", "value")

    def __init__(self, value: Any, perturbed: bool) -> None:
        self.value = value
        """The argument."""
        self.perturbed = perturbed
        """Whether it is differentiated."""

    def __repr__(self) -> str:
        return f"CustomVJPPrimal({self.value!r}, perturbed={self.perturbed})"


_OPERAND = object()
"""Stands, in the residuals, for a leaf that is an operand of the equation."""


def _is_value(x: Any) -> bool:
    """Tell whether a leaf of the residuals is an array or traced; anything else is kept as it is."""
    return type(x) is Tracer or (isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "fciub")


class VjpRule(OwnRule):
    """The user's rules of one call, of the leaves; in front stand the values of ``held``, which they close over."""

    def __init__(
        self,
        name: str,
        what: str,
        fwd: Callable[..., Any],
        bwd: Callable[..., Any],
        held: Sequence[Tracer],
        call: Call,
        function: WithRule,
        symbolic: bool,
    ) -> None:
        self.fwd = fwd
        self.bwd = bwd
        self.held = held
        self.fixed = call.fixed
        self.function = function
        self.symbolic = symbolic
        self.avals = call.avals
        self.loose = any(a.weak_type for a in call.avals)
        self.tree: PyTreeDef = call.tree
        self.out_tree: PyTreeDef = call.body.out_tree
        self.out_avals = call.body.jaxpr.out_avals

    def forward(self, operands: Sequence[Any], moving: Sequence[bool]) -> tuple[list[Any], list[Any], Any]:
        """Return the outputs, the residuals that are values, and the backward rule for the moving operands."""
        count = len(self.held)
        values, marks = operands[:count], list(moving[count:])
        made: list[Any] = []

        def run() -> list[Any]:
            outs, residuals = self._call(operands[count:], marks)
            raw, tree = tree_flatten(residuals)
            kept = [x if _is_value(x) else None for x in raw]
            made[:] = [tree, [_OPERAND if _is_value(x) else x for x in raw]]
            return [*outs, *[x for x in kept if x is not None]]

        found = standing_for(self.held, values, run, f"the rule of {self.what}")
        outs, residuals = found[: len(self.out_avals)], found[len(self.out_avals) :]
        backward = Backward(function_name(self.bwd), self.what, self, made[0], made[1], list(moving))
        return outs, [*values, *residuals], backward

    def _call(self, leaves: Sequence[Any], marks: Sequence[bool]) -> tuple[list[Any], Any]:
        arguments: list[Any] = given(leaves)
        if self.symbolic:
            arguments = [CustomVJPPrimal(x, m) for x, m in zip(arguments, marks, strict=True)]
        with ruling(leaves):
            result = self.fwd(*self.function.merged(self.fixed, tree_unflatten(self.tree, arguments)))
        name = function_name(self.fwd)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise TypeError(
                f"{self.what}: the forward rule {name} must return a pair (output, residuals); got "
                f"{type(result).__name__}{here()}. Return (output, None) if nothing is to be kept."
            )
        when = (f"from {self.function.label}", f"from the forward rule {name}")
        return conformed(result[0], self.out_tree, self.out_avals, self.what, "output", when, self.loose), result[1]


class Backward(OwnRule):
    """The user's backward rule, with the residuals that are no values; operands are ``held`` values and residuals."""

    def __init__(
        self, name: str, what: str, rule: VjpRule, tree: PyTreeDef, residuals: Sequence[Any], moving: Sequence[bool]
    ) -> None:
        self._rule = rule
        self._tree = tree
        self._residuals = residuals
        self._moving = moving

    def pull(self, operands: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        """Return the cotangents of the moving operands of the forward rule, given those of the inexact outputs."""
        count = len(self._rule.held)
        what = f"the rule of {self.what}"
        found = standing_for(self._rule.held, operands[:count], lambda: self._call(operands[count:], cts), what)
        whole = [*[None] * count, *found]
        return [ct for ct, m in zip(whole, self._moving, strict=True) if m]

    def _call(self, operands: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        rest, given_cts = iter(given(operands)), iter(cts)
        residuals = [next(rest) if x is _OPERAND else x for x in self._residuals]
        rule = self._rule
        filled_cts = [given_or_zero(next(given_cts) if a.inexact else None, a, rule.symbolic) for a in rule.out_avals]
        with ruling(operands):
            result = rule.bwd(
                *rule.fixed, tree_unflatten(self._tree, residuals), tree_unflatten(rule.out_tree, filled_cts)
            )
        return self._checked(result)

    def _checked(self, result: Any) -> list[Any]:
        """Return a cotangent for each leaf, None for zero."""
        arguments = tree_unflatten(self._rule.tree, self._rule.avals)
        count = len(arguments)
        if not isinstance(result, tuple | list) or len(result) != count:
            got = f"{len(result)}" if isinstance(result, tuple | list) else type(result).__name__
            raise TypeError(
                f"{self.what}: the backward rule {self} must return a tuple of {count}, a cotangent for each argument; "
                f"got {got}{here()}. Return {'(ct,)' if count == 1 else 'None where it is zero'}."
            )
        leaves: list[Any] = []
        for i, (argument, entry) in enumerate(zip(arguments, result, strict=True)):
            leaves.extend(self._entry(f"cotangent[{i}]", argument, entry))
        return leaves

    def _entry(self, word: str, argument: Any, entry: Any) -> list[Any]:
        """Return the cotangents of the leaves of one argument; None in the place of any subtree is zero."""
        avals, tree = tree_flatten(argument)
        when = ("for the argument", f"from the backward rule {self}")
        if tree_flatten(entry)[1] != tree:
            with suppress(ValueError):  # trees that differ by more than None are told below
                entry = tree_unflatten(tree, self._with_zeros(entry, argument, avals))
        raw, got = tree_flatten(entry)
        if got == tree:  # whatever is returned for an integer is dropped: it has no derivative
            raw = [x if a.inexact else tangent_zero(a) for x, a in zip(raw, avals, strict=True)]
            entry = tree_unflatten(tree, raw)
        found = conformed(entry, tree, [tangent_of(a) for a in avals], self.what, word, when, self._rule.loose)
        return [ct if a.inexact else None for ct, a in zip(found, avals, strict=True)]

    def _with_zeros(self, entry: Any, argument: Any, avals: Sequence[ShapedArray]) -> list[Any]:
        spread = broadcast_prefix(entry, argument, is_leaf=lambda x: x is None)
        if sum(x is not None for x in spread) != len(tree_flatten(entry)[0]):
            raise ValueError("only None may stand for a subtree")
        return [tangent_zero(a) if x is None else x for x, a in zip(spread, avals, strict=True)]


class BatchedVjpRule(BatchedRule):
    """Rules for a batch, which all outputs carry as axis 0."""

    def forward(self, operands: Sequence[Any], moving: Sequence[bool]) -> tuple[list[Any], list[Any], Any]:
        """Return the outputs, the residuals, and the backward rule for the moving operands."""
        made: list[Any] = []

        def row(tracers: list[Any]) -> list[Any]:
            outs, residuals, backward = self._rule.forward(tracers, moving)
            made[:] = [len(outs), backward]
            return [*outs, *residuals]

        traced = trace(row, self._avals, None, f"vmap({self.what})")
        found, mapped = batch_jaxpr(traced.jaxpr, self._size, operands, self._marks)
        count, backward = made
        outs = [x if m else repeated(x, self._size) for x, m in zip(found[:count], mapped, strict=False)]
        avals = [strong(v.aval) for v in traced.jaxpr.outputs[count:]]
        marks = [m for m, moves in zip(self._marks, moving, strict=True) if moves]
        batched = BatchedBackward(backward, backward.what, backward, self._size, mapped[count:], avals, marks)
        return outs, found[count:], batched


class BatchedBackward(OwnRule):
    """A backward rule for a batch: residuals so marked and all cotangents carry it as axis 0."""

    def __init__(
        self,
        name: str,
        what: str,
        rule: Any,
        size: int,
        marks: Sequence[bool],
        avals: Sequence[ShapedArray],
        results: Sequence[bool],
    ) -> None:
        self._rule = rule
        self._size = size
        self._marks = marks
        self._avals = avals
        self._results = results
        """Which of the operands that get cotangents are batches; the cotangents of others are sums over it."""

    def pull(self, operands: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        """Return the cotangents of the moving operands."""
        some = [ct is not None for ct in cts]
        given_cts = [ct for ct in cts if ct is not None]
        nonzero: list[bool] = []

        def row(tracers: list[Any]) -> list[Any]:
            rest = iter(tracers[len(operands) :])
            found = self._rule.pull(tracers[: len(operands)], [next(rest) if m else None for m in some])
            nonzero[:] = [ct is not None for ct in found]
            return [ct for ct in found if ct is not None]

        avals = [*self._avals, *[ShapedArray(ct.shape[1:], ct.dtype) for ct in given_cts]]
        traced = trace(row, avals, None, f"vmap({self.what})")
        marks = [*self._marks, *[True] * len(given_cts)]
        found, mapped = batch_jaxpr(traced.jaxpr, self._size, [*operands, *given_cts], marks)
        rest = iter(zip(found, mapped, strict=True))
        return [
            self._gathered(*next(rest), want) if m else None for m, want in zip(nonzero, self._results, strict=True)
        ]

    def _gathered(self, ct: Any, batched: bool, wanted: bool) -> Any:
        if wanted:
            return ct if batched else repeated(ct, self._size)
        return np.sum(ct, axis=0) if batched else ct * self._size


# -- equations -------------------------------------------------------------------------------------


class CustomVjp(RuleCall):
    """``jaxpr``, whose cotangents are what ``rule`` says."""

    backward: ClassVar[bool] = True

    def linearize(self, inputs: Sequence[Any], moving: Sequence[bool]) -> Linearized:
        self.check_closed(moving, "differentiated")
        outs, residuals, backward = self.own_rule.forward(inputs[self.consts :], list(moving[self.consts :]))
        avals = self.jaxpr.in_avals
        slots = [Slot(i, tangent_of(avals[i])) for i, m in enumerate(moving) if m]
        reached = [a.inexact for a in self.jaxpr.out_avals]
        moved = [a for a in self.jaxpr.out_avals if a.inexact]
        tangent = CustomVjpTangent(
            self.label, backward, len(residuals), tuple([a.shape for a in moved]), tuple([a.dtype for a in moved])
        )
        return Linearized(outs, tangent, [*residuals, *slots], reached)

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return self.push(primals, tangents)[1]

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        done = self.linearize(primals, [t is not None for t in tangents])
        dots = done.primitive.pushed(done.operands_with(tangents))  # type: ignore[attr-defined]
        return done.outputs, done.spread(dots)

    def batched_rule(self, size: int, marks: tuple[bool, ...]) -> OwnRule:
        rule, at = self.rule, self.consts
        return BatchedVjpRule(rule, rule.what, rule, size, marks[at:], self.jaxpr.in_avals[at:])


class CustomVjpTangent(Primitive):
    """The tangents of a function with a backward rule: the linear map whose transpose is that rule.

    Operands are the residuals, then the tangents. The map is found by transposing the rule, once more.
    """

    label: str
    rule: Any
    residuals: int
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype[Any], ...]
    multiple: ClassVar[bool] = True

    @property
    def outputs(self) -> tuple[ShapedArray, ...]:
        """The avals of the outputs."""
        return tuple([ShapedArray(s, d) for s, d in zip(self.shapes, self.dtypes, strict=True)])

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        return self.outputs

    def impl(self, *operands: Any) -> Sequence[Any]:
        return self.pushed(operands)

    def pushed(self, operands: Sequence[Any]) -> list[Any]:
        """Return the tangents of the outputs: the transpose of the backward rule at the tangents of the inputs.

        Raises ``MissingRuleError`` where the rule is not linear in the cotangent.
        """
        residuals, tangents = operands[: self.residuals], operands[self.residuals :]
        nonzero: list[bool] = []

        def back(cts: list[Any]) -> list[Any]:
            found = self._backward.pull(residuals, cts)
            nonzero[:] = [ct is not None for ct in found]
            return [ct for ct in found if ct is not None]

        traced = trace(back, self.outputs, None, f"the transpose of {self._backward}")
        try:
            self._check_zero(traced.jaxpr)
            dots = transpose_jaxpr(traced.jaxpr, [t for t, m in zip(tangents, nonzero, strict=True) if m])
        except MissingRuleError as error:
            raise MissingRuleError(
                f"custom_vjp({self.label}): forward mode needs a backward rule that is linear in the cotangent; got "
                f"{self._backward}, which is not{here()}. Use reverse mode, or write the rule for custom_jvp."
            ) from error
        return filled(dots, self.outputs, [True] * len(dots))

    def _check_zero(self, jaxpr: Jaxpr) -> None:
        """Raise unless the rule maps zero to zero: its transpose would drop what it adds. Unknown constants pass."""
        if any(type(c) is Tracer for c in jaxpr.constants):
            return
        with np.errstate(all="ignore"):
            outs = evaluate(jaxpr, [zeros(v.aval) for v in jaxpr.in_vars])
        if any(np.any((np.asarray(x) != 0) & (np.asarray(x) == x)) for x in outs):  # NaN may be a factor
            raise MissingRuleError(f"transpose: a linear rule maps zero to zero; got one that adds a constant{here()}.")

    @property
    def _backward(self) -> Any:
        if not isinstance(self.rule, OwnRule):
            raise MissingRuleError(
                f"custom_vjp({self.label}): a rule is a Python function, which the text of a program does not hold; "
                f"got the name {self.rule!r}{here()}. Trace the function again."
            )
        return self.rule

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        count = self.residuals
        if all(t is None for t in tangents[:count]):
            dots = [
                zeros(strong(x)) if t is None else t for x, t in zip(primals[count:], tangents[count:], strict=True)
            ]
            return bind(self, *primals[:count], *dots)
        traced = trace(self.pushed, [strong(x) for x in primals], None, f"custom_vjp({self.label})")
        return push_forward(traced.jaxpr, primals, tangents)[1]

    def transpose(self, cts: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
        count = self.residuals
        if any(type(x) is Linear for x in inputs[:count]):
            return super().transpose(cts, inputs)
        found = self._backward.pull(inputs[:count], cts)
        return [
            *[None] * count,
            *[ct if type(x) is Linear else None for ct, x in zip(found, inputs[count:], strict=True)],
        ]

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        count = self.residuals
        avals = [
            ShapedArray(a.shape[1:] if b else a.shape, a.dtype)
            for a, b in zip(map(strong, inputs), batched, strict=True)
        ]
        back = self._backward
        rule = BatchedBackward(back, back.what, back, size, batched[:count], avals[:count], batched[count:])
        shapes = tuple([(size, *shape) for shape in self.shapes])
        return bind(CustomVjpTangent(self.label, rule, count, shapes, self.dtypes), *inputs)


# -- the decorator ---------------------------------------------------------------------------------


class custom_vjp(WithRule):  # noqa: N801  a decorator
    """Give ``fun`` a reverse mode of your own: ``@custom_vjp`` over it, then ``fun.defvjp(fwd, bwd)``.

    ``fwd`` takes the arguments of ``fun`` and returns ``(output, residuals)``: any tree, which is kept; ``bwd`` gets
    the residuals and the cotangent of the output, and returns a tuple of cotangents: one for each argument, or None.
    ``nondiff_argnums`` (and ``nondiff_argnames``) are arguments that may be anything, such as functions; ``bwd`` gets
    them first. Forward mode works too where ``bwd`` is linear in the cotangent: it transposes it.

    Raises ``MissingRuleError`` for a call without rules, and in forward mode for a rule that is not linear;
    ``TypeError`` where a rule does not return what it must, and where a derivative in what the function closes over is
    asked for.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> @custom_vjp
    ... def clipped(x):
    ...     return x
    >>> def clipped_fwd(x):
    ...     return x, None
    >>> def clipped_bwd(_, ct):
    ...     return (np.clip(ct, -1.0, 1.0),)
    >>> clipped.defvjp(clipped_fwd, clipped_bwd)
    >>> grad(lambda x: 5.0 * np.sum(clipped(x)))(np.zeros(2))
    array([1., 1.])
    """

    decorator: ClassVar[str] = "custom_vjp"

    def __new__(cls, fun: Any = None, nondiff_argnums: Any = (), nondiff_argnames: Any = ()) -> Any:
        if fun is None:
            return functools.partial(cls, nondiff_argnums=nondiff_argnums, nondiff_argnames=nondiff_argnames)
        return super().__new__(cls)

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Any = (), nondiff_argnames: Any = ()) -> None:
        super().__init__(fun, nondiff_argnums, nondiff_argnames)
        self._rules: tuple[Callable[..., Any], Callable[..., Any]] | None = None
        self._symbolic = False

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any], symbolic_zeros: bool = False) -> None:
        """Set the rules ``fwd(*args) -> (output, residuals)`` and ``bwd(residuals, ct) -> cotangents``.

        With ``nondiff_argnums`` the latter is ``bwd(*nondiff, residuals, ct)``. With ``symbolic_zeros`` the leaves that
        ``fwd`` gets are :class:`CustomVJPPrimal`, and cotangents that are zero are :class:`SymbolicZero`.
        """
        for word, rule in (("forward", fwd), ("backward", bwd)):
            if not callable(rule):
                raise TypeError(
                    f"{self._what}: defvjp takes two rules, functions; got {type(rule).__name__} as the {word} "
                    f"one{here()}. Write f.defvjp(f_fwd, f_bwd)."
                )
        self._rules, self._symbolic = (fwd, bwd), bool(symbolic_zeros)

    def _check_rule(self) -> None:
        if self._rules is None:
            raise MissingRuleError(
                f"{self._what}: rules must be set before the call; got none{here()}. "
                f"Write {self.label}.defvjp(fwd, bwd)."
            )

    def _record(self, call: Call) -> Any:
        assert self._rules is not None
        fwd, bwd = self._rules
        held = traced_in(fwd, bwd, call.fixed)
        rule = VjpRule(function_name(bwd), self._what, fwd, bwd, held, call, self, self._symbolic)
        jaxpr, count = call.body.jaxpr, len(call.body.consts)
        whole = padded(jaxpr, count, [strong(x) for x in held])
        primitive = CustomVjp(whole, self.label, rule, count)
        return call.outputs(primitive, [*call.body.consts, *held, *call.leaves])
