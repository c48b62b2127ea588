"""Forward mode: each equation is followed by the one that carries its tangent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir import SOURCE, TANGENT, Atom, Jaxpr, Literal, annotate, in_phase, is_watching, watch
from ..tracing import Tracer, bind, innermost, run, run_all

__all__ = ["push_forward"]


def push_forward(
    jaxpr: Jaxpr,
    primals: Sequence[Any],
    tangents: Sequence[Any],
    known: dict[Atom, Any] | None = None,
    linear: bool = False,
    once: bool = False,
) -> tuple[list[Any], list[Any]]:
    """Run ``jaxpr`` on ``primals`` and carry ``tangents`` along; None is a zero tangent.

    Values are arrays, or tracers of an enclosing trace: then the derivative is recorded there. ``known`` holds
    values that tracing has computed already. With ``linear``, equations that hold programs are followed by linear ones.
    A program that is run ``once``, and not again in the same trace, lends its variables.
    """
    values = {} if known is None else known
    values.update(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip(jaxpr.in_vars, primals, strict=True))
    holding = [e for e in jaxpr.equations if e.primitive.push is not None]
    ahead = not holding and not any([type(x) is Tracer for x in values.values()])
    if ahead:
        run_all(jaxpr, values)  # nothing of the primal is recorded, so it need not stand beside its tangent
    moving: dict[Atom, Any] = {v: t for v, t in zip(jaxpr.in_vars, tangents, strict=True) if t is not None}
    watching = is_watching()
    token = SOURCE.set(None)
    try:
        for equation in jaxpr.equations:
            primitive, inputs, outputs, source = equation
            still = primitive.stops or moving.keys().isdisjoint(inputs)
            done = outputs[0] in values if outputs else ahead
            if (still or primitive.push is None) and not done:
                run(equation, values, once)
            if still:
                continue
            SOURCE.set(in_phase(source, TANGENT))
            ins = [v.value if type(v) is Literal else values[v] for v in inputs]
            dots = [moving.get(v) for v in inputs]
            if primitive.multiple:
                if primitive.push is None:
                    found = primitive.jvp(ins, dots, [values[v] for v in outputs])
                else:
                    outs, found = _advance(primitive, ins, dots, linear)
                    values.update(zip(outputs, outs, strict=True))
                if watching:
                    watch(equation, [*ins, *dots], found, "tangent")
                for var, dot in zip(outputs, found, strict=True):
                    if dot is not None:
                        moving[var] = dot
            else:
                dot = primitive.jvp(ins, dots, values[outputs[0]])
                if watching:
                    watch(equation, [*ins, *dots], (dot,), "tangent")
                if dot is not None:
                    moving[outputs[0]] = dot
    except Exception as error:
        raise annotate(error, equation) from error.__cause__
    finally:
        SOURCE.reset(token)
    outs = [v.value if type(v) is Literal else values[v] for v in jaxpr.outputs]
    return outs, [moving.get(v) for v in jaxpr.outputs]


def _advance(primitive: Any, inputs: list[Any], tangents: list[Any], linear: bool) -> tuple[Sequence[Any], list[Any]]:
    """Run an equation that holds a program, and carry its tangents along: in one run, or by a linear equation."""
    if not linear and (primitive.linearize is None or not _only_tangents_unknown(inputs, tangents)):
        outs, found = primitive.push(inputs, tangents)
        return outs, list(found)
    done = primitive.linearize(inputs, [t is not None for t in tangents])
    found = bind(done.primitive, *done.operands_with(tangents)) if any(done.reached) else ()
    return done.outputs, done.spread(found)


def _only_tangents_unknown(inputs: list[Any], tangents: list[Any]) -> bool:
    """Tell whether tangents belong to a trace inside that of the primals: there, outputs must not depend on them."""
    inner, outer = innermost(tangents), innermost(inputs)
    return inner is not None and (outer is None or outer.order < inner.order)
