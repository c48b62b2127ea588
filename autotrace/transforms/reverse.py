"""Reverse mode: one walk forward over the equations, one back.

The walk back linearizes and transposes one equation at a time (``primitive.vjp``, derived from ``jvp`` and
``transpose`` where a family does not give it), so no linear program is built; that is what makes a plain
``grad`` fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..ir import (
    COTANGENT,
    SOURCE,
    Atom,
    Equation,
    Jaxpr,
    Linearized,
    Literal,
    Var,
    annotate,
    in_phase,
    is_watching,
    watch,
)
from ..primitives.families import Deferred
from ..tracing import run, run_all
from .linear import add_to, local_pullback

__all__ = ["Recorded", "pull_back", "run_forward"]


class Recorded(NamedTuple):
    """A forward run: the values, and the equations through which derivatives flow, to be walked back."""

    jaxpr: Jaxpr
    values: dict[Atom, Any]
    active: set[Atom]
    path: list[Equation]
    outputs: list[Any]
    linear: dict[Atom, Linearized]
    """Of equations that hold programs, by their first output: what their run has kept."""


def run_forward(
    jaxpr: Jaxpr,
    primals: Sequence[Any],
    moving: Sequence[bool],
    known: dict[Atom, Any] | None = None,
    once: bool = False,
) -> Recorded:
    """Run ``jaxpr``, keeping what the walk back from its outputs to the ``moving`` inputs needs.

    A program that is run ``once``, and not again in the same trace, lends its variables.
    """
    values = {} if known is None else known
    values.update(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip(jaxpr.in_vars, primals, strict=True))
    active: set[Atom] = {v for v, m in zip(jaxpr.in_vars, moving, strict=True) if m}
    path: list[Equation] = []
    for equation in jaxpr.equations:
        if not equation[0].stops and not active.isdisjoint(equation[1]):
            path.append(equation)
            for var in equation[2]:
                if var.aval.inexact:
                    active.add(var)
    linear: dict[Atom, Linearized] = {}
    if any([e[0].linearize is not None for e in path]):
        _run_keeping(jaxpr, values, active, linear)
    else:
        run_all(jaxpr, values, once=once)
    outs = [v.value if type(v) is Literal else values[v] for v in jaxpr.outputs]
    return Recorded(jaxpr, values, active, path, outs, linear)


def _run_keeping(jaxpr: Jaxpr, values: dict[Atom, Any], active: set[Atom], linear: dict[Atom, Linearized]) -> None:
    """Run ``jaxpr``; equations that hold programs and through which derivatives flow keep what the way back needs."""
    for equation in jaxpr.equations:
        primitive, inputs, outputs, source = equation
        if primitive.linearize is None or primitive.stops or active.isdisjoint(inputs):
            if not outputs or outputs[0] not in values:
                run(equation, values)
            continue
        token = SOURCE.set(source)
        try:
            ins = [v.value if type(v) is Literal else values[v] for v in inputs]
            done = primitive.linearize(ins, [v in active for v in inputs])
        except Exception as error:
            raise annotate(error, equation) from error.__cause__
        finally:
            SOURCE.reset(token)
        values.update(zip(outputs, done.outputs, strict=True))
        linear[outputs[0]] = done


def pull_back(recorded: Recorded, cts: Sequence[Any]) -> list[Any]:
    """Return the cotangents of the inputs, None where zero, given those of the outputs."""
    jaxpr, values, active, path, _, linear = recorded
    total: dict[Atom, Any] = {}
    for var, ct in zip(jaxpr.outputs, cts, strict=True):
        add_to(total, var, ct, active)
    watching = is_watching()
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
            done = linear.get(outputs[0]) if linear else None
            try:
                found: Sequence[Any]
                if done is not None:
                    found = done.pull(got, len(inputs))
                else:
                    found = rule(got, out, ins, wanted) if rule else local_pullback(primitive, got, out, ins, wanted)
                if watching:
                    _watch(Equation(primitive, inputs, outputs, source), ins, got, found, wanted)
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


def _watch(equation: Equation, inputs: Sequence[Any], cts: Any, found: Sequence[Any], wanted: Sequence[bool]) -> None:
    """Look at the cotangents that one equation gives."""
    given = cts if equation.primitive.multiple else [cts]
    watch(equation, [*inputs, *given], [_whole(ct) for ct, want in zip(found, wanted) if want], "cotangent")


def _plus(old: Any, ct: Any) -> Any:
    return old.plus(ct) if isinstance(old, Deferred) else old + ct


def _whole(ct: Any) -> Any:
    return ct.whole() if isinstance(ct, Deferred) else ct
