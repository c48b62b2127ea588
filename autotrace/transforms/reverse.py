"""Reverse mode: one walk forward over the equations, one back.

The walk back linearizes and transposes one equation at a time (``primitive.vjp``, derived from ``jvp`` and
``transpose`` where a family does not give it), so no linear program is built; that is what makes a plain
``grad`` fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..ir import COTANGENT, SOURCE, Atom, Equation, Jaxpr, Literal, Var, annotate, in_phase
from ..primitives.families import Deferred
from ..tracing import run_all
from .linear import add_to, local_pullback

__all__ = ["Recorded", "pull_back", "run_forward"]


class Recorded(NamedTuple):
    """A forward run: the values, and the equations through which derivatives flow, to be walked back."""

    jaxpr: Jaxpr
    values: dict[Atom, Any]
    active: set[Atom]
    path: list[Equation]
    outputs: list[Any]


def run_forward(
    jaxpr: Jaxpr, primals: Sequence[Any], moving: Sequence[bool], known: dict[Atom, Any] | None = None
) -> Recorded:
    """Run ``jaxpr``, keeping what the walk back from its outputs to the ``moving`` inputs needs."""
    values = {} if known is None else known
    values.update(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip(jaxpr.in_vars, primals, strict=True))
    run_all(jaxpr, values)
    active: set[Atom] = {v for v, m in zip(jaxpr.in_vars, moving, strict=True) if m}
    path: list[Equation] = []
    for equation in jaxpr.equations:
        if not equation[0].stops and not active.isdisjoint(equation[1]):
            path.append(equation)
            for var in equation[2]:
                if var.aval.inexact:
                    active.add(var)
    outs = [v.value if type(v) is Literal else values[v] for v in jaxpr.outputs]
    return Recorded(jaxpr, values, active, path, outs)


def pull_back(recorded: Recorded, cts: Sequence[Any]) -> list[Any]:
    """Return the cotangents of the inputs, None where zero, given those of the outputs."""
    jaxpr, values, active, path, _ = recorded
    total: dict[Atom, Any] = {}
    for var, ct in zip(jaxpr.outputs, cts, strict=True):
        add_to(total, var, ct, active)
    token = SOURCE.set(None)
    try:
        for primitive, inputs, outputs, source in reversed(path):
            if primitive.multiple:
                got: Any = [_whole(total.pop(v, None)) for v in outputs]
                if all(ct is None for ct in got):
                    continue
                out: Any = [values[v] for v in outputs]
            else:
                got = total.pop(outputs[0], None)
                if got is None:
                    continue
                if isinstance(got, Deferred):
                    got = got.whole()
                out = values[outputs[0]]
            SOURCE.set(in_phase(source, COTANGENT))
            ins = [v.value if type(v) is Literal else values[v] for v in inputs]
            wanted = [v in active if type(v) is Var else False for v in inputs]
            rule = getattr(primitive, "vjp", None)
            try:
                found = rule(got, out, ins, wanted) if rule else local_pullback(primitive, got, out, ins, wanted)
            except Exception as error:
                raise annotate(error, Equation(primitive, inputs, outputs, source)) from error.__cause__
            for var, ct, want in zip(inputs, found, wanted):
                if want and ct is not None:
                    old = total.get(var)
                    if old is None:
                        total[var] = ct
                    else:
                        total[var] = ct.plus(old) if isinstance(ct, Deferred) else _plus(old, ct)
        return [_whole(total.get(v)) for v in jaxpr.in_vars]
    finally:
        SOURCE.reset(token)


def _plus(old: Any, ct: Any) -> Any:
    return old.plus(ct) if isinstance(old, Deferred) else old + ct


def _whole(ct: Any) -> Any:
    return ct.whole() if isinstance(ct, Deferred) else ct
