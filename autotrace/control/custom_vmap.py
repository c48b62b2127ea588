"""custom_vmap: a function whose batches are computed as the user says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ..errors import MissingRuleError
from ..ir import Linearized, ShapedArray, Slot, here
from ..tracing import Tracer, bind
from ..transforms.arguments import function_name
from ..transforms.forward import push_forward
from ..transforms.linear import linearize_jaxpr
from ..tree import PyTreeDef, broadcast_prefix, tree_unflatten
from .call import Call as ProgramCall
from .captured import standing_for, traced_in
from .programs import close, repeated, tangent_of
from .rules import Call, OwnRule, RuleCall, WithRule, conformed, given, padded, ruling, strong

__all__ = ["CustomVmap", "custom_vmap"]


class VmapRule(OwnRule):
    """The user's rule of one call, of the leaves; ``held`` are traced values that it closes over."""

    def __init__(
        self, name: str, what: str, function: Callable[..., Any], held: Sequence[Tracer], call: Call, label: str
    ) -> None:
        self._function = function
        self._held = held
        self._tree: PyTreeDef = call.tree
        self._avals = call.avals
        self._out_tree: PyTreeDef = call.body.out_tree
        self._out_avals = call.body.jaxpr.out_avals
        self._label = label

    def batch(self, size: int, operands: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
        """Return the outputs for a batch, which they all carry as axis 0. The last operands are the leaves."""
        first = len(operands) - self._tree.num_leaves
        values = operands[first - len(self._held) : first]
        what = f"the rule of {self.what}"
        return standing_for(self._held, values, lambda: self._call(size, operands[first:], batched[first:]), what)

    def _call(self, size: int, leaves: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
        marks = list(tree_unflatten(self._tree, list(batched)))
        with ruling(leaves):
            result = self._function(
                size,
                marks,
                *tree_unflatten(self._tree, given(leaves)),
            )
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise TypeError(
                f"{self.what}: the rule {self} must return a pair (output, out_batched); got {type(result).__name__}"
                f"{here()}. Tell for each output whether it carries the batch."
            )
        out, told = result
        carries = self._marks(told)
        avals = [
            ShapedArray((size, *a.shape), a.dtype) if b else strong(a)
            for a, b in zip(self._out_avals, carries, strict=True)
        ]
        when = (f"as told of {self._label}", f"from the rule {self}")
        outs = conformed(out, self._out_tree, avals, self.what, "output", when, any(a.weak_type for a in self._avals))
        return [x if b else repeated(x, size) for x, b in zip(outs, carries, strict=True)]

    def _marks(self, told: Any) -> list[Any]:
        """Return for each output whether it carries the batch."""
        whole = tree_unflatten(self._out_tree, self._out_avals)
        try:
            carries = broadcast_prefix(told, whole)
        except ValueError:
            carries = None
        if carries is None or not all(isinstance(b, bool) for b in carries):
            raise TypeError(
                f"{self.what}: out_batched must tell True or False for each output; got {told!r} from the rule {self}"
                f"{here()}. Return one truth for all, or a tree of them like the output, {self._out_tree}."
            )
        return carries


class CustomVmap(RuleCall):
    """``jaxpr``, whose batches are what ``rule`` says. Its derivative is that of the program."""

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return push_forward(self.jaxpr, primals, tangents)[1]

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return push_forward(self.jaxpr, primals, tangents)

    def linearize(self, inputs: Sequence[Any], moving: Sequence[bool]) -> Linearized:
        outs, program, nonzero = linearize_jaxpr(self.jaxpr, inputs, moving, None, self.what)
        linear, consts = close(program)
        slots = [
            Slot(i, tangent_of(v.aval)) for i, (v, m) in enumerate(zip(self.jaxpr.in_vars, moving, strict=True)) if m
        ]
        return Linearized(outs, ProgramCall(linear, self.label), [*consts, *slots], nonzero)

    def when(self, active: Any, operands: Sequence[Any]) -> Sequence[Any]:
        """Apply all of it: the rule of a batch replaces what the program calls, and sees the whole batch."""
        return bind(self, *operands)

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        self.check_closed(batched, "mapped")
        return self.own_rule.batch(size, inputs, batched)


class custom_vmap(WithRule):  # noqa: N801  a decorator
    """Give ``fun`` a batching rule of your own: ``@custom_vmap`` over it, then ``@fun.def_vmap`` over the rule.

    The rule gets the size of the batch, a list that tells for each argument (a tree, for a tree) whether it carries the
    batch, as axis 0, and the arguments; it returns ``(output, out_batched)``. It may call ``fun``. A derivative that is
    taken before ``vmap`` is that of ``fun``; one that is taken after is that of the rule.

    Raises ``MissingRuleError`` for a call without a rule; ``TypeError`` where the rule does not return what it must,
    and where ``fun`` closes over what is mapped.

    >>> import numpy as np
    >>> from autotrace import vmap
    >>> @custom_vmap
    ... def dot(x, y):
    ...     return x @ y
    >>> @dot.def_vmap
    ... def dot_rows(axis_size, in_batched, xs, y):
    ...     assert in_batched == [True, False]
    ...     return xs @ y, True
    >>> vmap(dot, in_axes=(0, None))(np.eye(2), np.array([3.0, 4.0]))
    array([3., 4.])
    """

    decorator: ClassVar[str] = "custom_vmap"

    def __init__(self, fun: Callable[..., Any]) -> None:
        super().__init__(fun)
        self._rule: Callable[..., Any] | None = None

    def def_vmap(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule ``rule(axis_size, in_batched, *args) -> (output, out_batched)``, and return it."""
        if not callable(rule):
            raise TypeError(
                f"{self._what}: def_vmap takes the rule, a function; got {type(rule).__name__}{here()}. "
                "Write f.def_vmap(f_batched)."
            )
        self._rule = rule
        return rule

    def _check_rule(self) -> None:
        if self._rule is None:
            raise MissingRuleError(
                f"{self._what}: a rule must be set before the call; got none{here()}. "
                f"Write @{self.label}.def_vmap over it."
            )

    def _record(self, call: Call) -> Any:
        assert self._rule is not None
        label, body = self.label, call.body
        held = traced_in(self._rule)
        rule = VmapRule(function_name(self._rule), self._what, self._rule, held, call, label)
        count = len(body.consts)
        jaxpr = padded(body.jaxpr, count, [strong(x) for x in held])
        return call.outputs(CustomVmap(jaxpr, label, rule, count + len(held)), [*body.consts, *held, *call.leaves])
