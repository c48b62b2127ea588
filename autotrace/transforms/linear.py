"""Linear programs: making them (linearize) and turning them round (transpose).

A linear program has the primals baked in as constants and maps tangents to tangents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir import (
    COTANGENT,
    SOURCE,
    Atom,
    Jaxpr,
    Linear,
    Literal,
    ShapedArray,
    annotate,
    in_phase,
    is_watching,
    tangent_dtype,
    watch,
)
from ..tracing import Trace, Tracer, opened, run
from .forward import push_forward

__all__ = ["add_to", "linearize_jaxpr", "local_pullback", "tangent_aval", "transpose_jaxpr"]


def tangent_aval(aval: ShapedArray) -> ShapedArray:
    """Return the aval of tangents of values of ``aval``."""
    return ShapedArray(aval.shape, tangent_dtype(aval.dtype))


def record_linear(
    function: Callable[[list[Any]], Sequence[Any]], avals: Sequence[ShapedArray], what: str
) -> tuple[Jaxpr, list[bool]]:
    """Record ``function`` of tangents; return its program, and which outputs are not known to be zero."""
    trace = Trace(what, snapshot=False)
    trace.aside = True
    source = SOURCE.get()
    with opened(trace):
        SOURCE.set(source)
        outs = function([trace.input(aval) for aval in avals])
        nonzero = [t is not None for t in outs]
        atoms = [trace.atom(t) for t in outs if t is not None]
        return trace.jaxpr(atoms), nonzero


def transpose_jaxpr(
    jaxpr: Jaxpr, cts: Sequence[Any], linear: Sequence[bool] | None = None, fixed: Sequence[Any] = ()
) -> list[Any]:
    """Pull ``cts``, one for each output (None is zero), back through a program linear in its inputs.

    With ``linear`` only the inputs so marked are linear; the others have the values ``fixed``. Returns the
    cotangents of the linear inputs, None where zero.
    """
    marks = [True] * len(jaxpr.in_vars) if linear is None else list(linear)
    unknown: set[Atom] = {v for v, mark in zip(jaxpr.in_vars, marks, strict=True) if mark}
    values: dict[Atom, Any] = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip([v for v, mark in zip(jaxpr.in_vars, marks, strict=True) if not mark], fixed, strict=True))
    pending = []
    for equation in jaxpr.equations:
        if unknown.isdisjoint(equation.inputs):
            run(equation, values)
        else:
            unknown.update(equation.outputs)
            pending.append(equation)
    total: dict[Atom, Any] = {}
    for var, ct in zip(jaxpr.outputs, cts, strict=True):
        add_to(total, var, ct, unknown)
    token = SOURCE.set(None)
    try:
        while pending:
            equation = pending.pop()
            primitive, inputs, outputs, source = equation
            got = [total.pop(v, None) for v in outputs]
            if all(ct is None for ct in got):
                continue
            SOURCE.set(in_phase(source, COTANGENT))
            operands = [
                v.value if type(v) is Literal else Linear(v.aval) if v in unknown else values[v] for v in inputs
            ]
            found = primitive.transpose(got if primitive.multiple else got[0], operands)
            if is_watching():
                watch(equation, [*operands, *got], found, "cotangent")
            for var, ct in zip(inputs, found, strict=True):
                add_to(total, var, ct, unknown)
    except Exception as error:
        raise annotate(error, equation) from error.__cause__
    finally:
        SOURCE.reset(token)
    return [total.get(v) for v, mark in zip(jaxpr.in_vars, marks, strict=True) if mark]


def add_to(total: dict[Atom, Any], var: Atom, ct: Any, wanted: Any) -> None:
    """Add ``ct`` to the cotangent of ``var``, which may be used many times."""
    if ct is not None and type(var) is not Literal and var in wanted:
        old = total.get(var)
        total[var] = ct if old is None else old + ct


def linearize_jaxpr(
    jaxpr: Jaxpr, primals: Sequence[Any], moving: Sequence[bool], known: dict[Atom, Any] | None, what: str
) -> tuple[list[Any], Jaxpr, list[bool]]:
    """Run ``jaxpr`` and record the linear program from the tangents of the ``moving`` inputs to those of the outputs.

    Returns the outputs, the linear program, and which outputs' tangents it gives (the others are zero).
    """
    outs: list[Any] = []

    def tangents_of(tangents: list[Any]) -> Sequence[Any]:
        given = iter(tangents)
        result, dots = push_forward(jaxpr, primals, [next(given) if m else None for m in moving], known, linear=True)
        outs.extend(result)
        return dots

    avals = [tangent_aval(v.aval) for v, m in zip(jaxpr.in_vars, moving, strict=True) if m]
    linear, nonzero = record_linear(tangents_of, avals, what)
    return outs, linear, nonzero


def local_pullback(
    primitive: Any, cts: Any, outputs: Any, inputs: Sequence[Any], wanted: Sequence[bool]
) -> Sequence[Any]:
    """Derive the vjp of one equation: linearize its jvp rule here, transpose what that recorded."""
    avals = [_tangent_aval_of(x) for x, want in zip(inputs, wanted, strict=True) if want]

    def tangents_of(tangents: list[Any]) -> Sequence[Any]:
        given = iter(tangents)
        dots = primitive.jvp(inputs, [next(given) if want else None for want in wanted], outputs)
        return dots if primitive.multiple else [dots]

    linear, nonzero = record_linear(tangents_of, avals, primitive.name)
    kept = [ct for ct, some in zip(cts if primitive.multiple else [cts], nonzero, strict=True) if some]
    found = iter(transpose_jaxpr(linear, kept))
    return [next(found) if want else None for want in wanted]


def _tangent_aval_of(x: Any) -> ShapedArray:
    return tangent_aval(x.aval if type(x) is Tracer else ShapedArray(np.shape(x), x.dtype))
