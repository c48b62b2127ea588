"""Programs inside equations: traced from the user's functions, and what the transforms make of them.

A program that an equation holds is closed: what its function closes over is among its inputs, in front.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..compile.simplify import simplify
from ..ir import (
    Atom,
    Equation,
    Jaxpr,
    Literal,
    ShapedArray,
    Var,
    deriving,
    eliminate_dead_code,
    inline,
    tangent_dtype,
)
from ..primitives.promotion import broadcast_to
from ..tracing import Traced, Tracer, evaluate, run, trace
from ..transforms.batching import batch_jaxpr
from ..transforms.forward import push_forward
from ..transforms.linear import linearize_jaxpr
from ..tree import PyTreeDef

__all__ = [
    "Body",
    "Split",
    "batched_program",
    "close",
    "conditional",
    "derive",
    "filled",
    "has_effect",
    "invariant",
    "pushed_program",
    "reached",
    "remembered",
    "repeated",
    "split",
    "tangent_of",
    "trace_body",
    "zeros",
]

Method = TypeVar("Method", bound=Callable[..., Any])


def remembered(method: Method) -> Method:
    """Let a method of a primitive, of hashable arguments, compute each answer once."""

    @functools.wraps(method)
    def ask(self: Any, *args: Any) -> Any:
        answers = vars(self).setdefault("_answers", {})
        key = (method.__name__, *args)
        if key not in answers:
            answers[key] = method(self, *args)
        return answers[key]

    return ask  # type: ignore[return-value]


class Body(NamedTuple):
    """A traced function: its closed program, the values it closes over, and the structure of its result."""

    jaxpr: Jaxpr
    consts: list[Any]
    out_tree: PyTreeDef


def trace_body(
    function: Callable[[list[Any]], Any],
    avals: Sequence[ShapedArray],
    what: str,
    values: Sequence[Any] | None = None,
) -> Body:
    """Trace ``function`` of tracers, which knows them by shape alone, or by their ``values``."""
    traced = trace(function, avals, values, what)
    jaxpr, consts = close(_finished(traced))
    return Body(jaxpr.replace(outputs=[_as_numpys(v) for v in jaxpr.outputs]), consts, traced.out_tree)


def _as_numpys(atom: Atom) -> Atom:
    """Return an output as NumPy gives it: equations hand on no Python numbers."""
    return Literal(atom.aval.dtype.type(atom.value)) if type(atom) is Literal and atom.aval.weak_type else atom


def derive(function: Callable[[list[Any]], list[Any]], avals: Sequence[ShapedArray], what: str) -> Jaxpr:
    """Trace what a transform does to a closed program; the result is simplified."""
    return _finished(trace(function, avals, None, what, snapshot=False))


def _finished(traced: Traced) -> Jaxpr:
    jaxpr = inline(traced.jaxpr)
    return simplify(jaxpr, reassociate=False) if traced.derived else jaxpr


def close(jaxpr: Jaxpr) -> tuple[Jaxpr, list[Any]]:
    """Return ``jaxpr`` with its constants as further inputs, in front, and their values."""
    return Jaxpr([*jaxpr.const_vars, *jaxpr.in_vars], jaxpr.equations, jaxpr.outputs), list(jaxpr.constants)


def has_effect(*programs: Jaxpr) -> bool:
    """Tell whether one of ``programs`` has equations that must be kept."""
    return any(equation.primitive.effect for jaxpr in programs for equation in jaxpr.equations)


def conditional(jaxpr: Jaxpr) -> Jaxpr:
    """Return ``jaxpr`` with a truth as a further input, in front: where it is false, no callback is called."""

    def whole(tracers: list[Any]) -> list[Any]:
        values: dict[Atom, Any] = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
        values.update(zip(jaxpr.in_vars, tracers[1:], strict=True))
        for equation in jaxpr.equations:
            when = getattr(equation.primitive, "when", None)
            if when is None or not equation.primitive.effect:
                run(equation, values)
                continue
            operands = [v.value if type(v) is Literal else values[v] for v in equation.inputs]
            with deriving(equation.source):
                values.update(zip(equation.outputs, when(tracers[0], operands), strict=True))
        return [v.value if type(v) is Literal else values[v] for v in jaxpr.outputs]

    return derive(whole, [ShapedArray((), np.dtype(bool)), *jaxpr.in_avals], "vmap")


def tangent_of(aval: ShapedArray) -> ShapedArray:
    """Return the aval of a tangent of ``aval``."""
    return ShapedArray(aval.shape, tangent_dtype(aval.dtype))


def zeros(aval: ShapedArray) -> Any:
    """Return zeros of ``aval`` that take no memory."""
    return broadcast_to(aval.dtype.type(0), tuple([max(n, 0) for n in aval.shape]))


def filled(tangents: Iterable[Any], avals: Iterable[ShapedArray], marks: Iterable[bool]) -> list[Any]:
    """Return the marked ``tangents``, zeros where they are None."""
    given = zip(tangents, avals, marks, strict=True)
    return [zeros(tangent_of(aval)) if t is None else t for t, aval, mark in given if mark]


def reached(jaxpr: Jaxpr, marks: Sequence[bool], derivatives: bool = True) -> list[bool]:
    """Tell which outputs may depend on the marked inputs; with ``derivatives``, in a way that has a derivative."""
    found: set[Atom] = {v for v, mark in zip(jaxpr.in_vars, marks, strict=True) if mark}
    for equation in jaxpr.equations:
        if (derivatives and equation.primitive.stops) or found.isdisjoint(equation.inputs):
            continue
        found.update([v for v in equation.outputs if v.aval.inexact or not derivatives])
    return [v in found and (v.aval.inexact or not derivatives) for v in jaxpr.outputs]


def invariant(jaxpr: Jaxpr, count: int, wanted: Sequence[Atom]) -> tuple[Jaxpr, list[bool]]:
    """Return the program of those ``wanted`` that depend on the first ``count`` inputs alone, and which they are."""
    known: set[Atom] = {*jaxpr.in_vars[:count], *jaxpr.const_vars}
    equations = []
    for equation in jaxpr.equations:
        if not equation.primitive.effect and all(type(v) is Literal or v in known for v in equation.inputs):
            known.update(equation.outputs)
            equations.append(equation)
    marks = [type(v) is Literal or v in known for v in wanted]
    outputs = [v for v, mark in zip(wanted, marks, strict=True) if mark]
    program = Jaxpr(jaxpr.in_vars[:count], equations, outputs, jaxpr.const_vars, jaxpr.constants)
    return eliminate_dead_code(program), marks


class Split(NamedTuple):
    """A program cut in two: one that also gives what its linear part needs, and that linear part.

    ``forward`` has the inputs of the program; its outputs are followed by those residuals that are new. ``linear``
    takes, in order, the inputs numbered ``inputs``, the new residuals, and the tangents of the moving inputs.
    """

    forward: Jaxpr
    linear: Jaxpr
    inputs: list[int]
    own: int
    """How many of the outputs of ``forward`` are those of the program."""

    @property
    def new(self) -> int:
        """How many of the outputs of ``forward`` are residuals, the last ones."""
        return len(self.forward.outputs) - self.own


def split(
    jaxpr: Jaxpr,
    moving: Sequence[bool],
    wanted: Sequence[bool],
    what: str,
    saves: Callable[[Equation], bool] = lambda _: True,
) -> Split:
    """Linearize a closed program: the linear part gives the tangents of the ``wanted`` outputs.

    What equations make that ``saves`` says no to is computed again in the linear part.
    """
    made: list[Any] = []

    def forward(tracers: list[Any]) -> list[Any]:
        outs, linear, nonzero = linearize_jaxpr(jaxpr, tracers, moving, None, what)
        made.extend((linear, nonzero))
        return [*outs, *[x for x in linear.constants if type(x) is Tracer]]

    program = derive(forward, [v.aval for v in jaxpr.in_vars], what)
    linear, nonzero = made
    given = iter(linear.outputs)
    dots = [next(given) if some else None for some in nonzero]
    count = len(jaxpr.outputs)
    residuals = [v for v, x in zip(linear.const_vars, linear.constants, strict=True) if type(x) is Tracer]
    others = [(v, x) for v, x in zip(linear.const_vars, linear.constants, strict=True) if type(x) is not Tracer]
    open_linear = Jaxpr(
        [*residuals, *linear.in_vars],
        linear.equations,
        [v for v in dots if v is not None],
        [v for v, _ in others],
        [x for _, x in others],
    )
    avals = [v.aval for v in jaxpr.outputs]

    def whole(tracers: list[Any]) -> list[Any]:
        found = iter(evaluate(open_linear, tracers))
        return filled([None if v is None else next(found) for v in dots], avals, wanted)

    linear = derive(whole, [v.aval for v in open_linear.in_vars], what)
    return _settle(program, linear, count, len(residuals), saves)


def _settle(program: Jaxpr, linear: Jaxpr, count: int, residuals: int, saves: Callable[[Equation], bool]) -> Split:
    """Keep each residual once: an input as that input. What a loop of unknown length made, which has no shape to be
    kept in, and what is not to be saved is made again."""
    made: dict[Atom, Equation] = {v: e for e in program.equations for v in e.outputs}
    position: dict[Atom, int] = {v: i for i, v in enumerate(program.in_vars)}
    names: dict[Atom, Atom] = {}
    again: list[Equation] = []
    kept: dict[Atom, Var] = {}

    def name(atom: Atom) -> Atom:
        """Return what the linear program calls a value of the forward one."""
        if type(atom) is Literal:
            return atom
        if atom in names:
            return names[atom]
        equation = made.get(atom)
        if equation is not None and (min(atom.aval.shape, default=0) < 0 or not saves(equation)):
            for step in _producers(equation, made, names, saves):
                read = tuple([name(v) for v in step.inputs])
                fresh = tuple([Var(v.aval) for v in step.outputs])
                again.append(step._replace(inputs=read, outputs=fresh))
                names.update(zip(step.outputs, fresh, strict=True))
        else:
            names[atom] = kept[atom] = Var(atom.aval)
        return names[atom]

    used: set[Atom] = {v for e in linear.equations for v in e.inputs}.union(linear.outputs)
    renamed: dict[Atom, Atom] = {}
    for var, atom in zip(linear.in_vars[:residuals], program.outputs[count:], strict=True):
        if var in used:
            renamed[var] = name(atom)
    constants: dict[Var, Any] = dict(zip(linear.const_vars, linear.constants, strict=True))
    for var, value in zip(program.const_vars, program.constants, strict=True):
        if var in kept:  # a constant of the program, not a value that a run makes
            constants[kept.pop(var)] = value
    equations = [
        *again,
        *[e._replace(inputs=tuple([renamed.get(v, v) for v in e.inputs])) for e in linear.equations],
    ]
    inputs = [v for v in kept if v in position]
    new = [v for v in kept if v not in position]
    forward = eliminate_dead_code(program.replace(outputs=[*program.outputs[:count], *new]))
    turned = Jaxpr(
        [*[kept[v] for v in inputs], *[kept[v] for v in new], *linear.in_vars[residuals:]],
        equations,
        [renamed.get(v, v) for v in linear.outputs],
        constants.keys(),
        constants.values(),
    )
    return Split(forward, turned, [position[v] for v in inputs], count)


def _producers(
    last: Equation, made: dict[Atom, Equation], names: dict[Atom, Atom], saves: Callable[[Equation], bool]
) -> list[Equation]:
    """Return the equations that make again what ``last`` makes, in an order in which they can run."""
    order: dict[Var, Equation] = {}
    stack = [last]
    while stack:
        equation = stack[-1]
        missing = [
            made[v]
            for v in equation.inputs
            if v in made
            and v not in names
            and made[v].outputs[0] not in order
            and (min(v.aval.shape, default=0) < 0 or not saves(made[v]))
        ]
        if missing:
            stack.extend(missing)
            continue
        order[stack.pop().outputs[0]] = equation
    return list(order.values())


def pushed_program(
    jaxpr: Jaxpr, moving: Sequence[bool], wanted: Sequence[bool], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Record ``jaxpr`` with the ``tangents`` of its moving inputs; returns outputs, and tangents of the ``wanted``."""
    given = iter(tangents)
    outs, dots = push_forward(jaxpr, primals, [next(given) if m else None for m in moving])
    return outs, filled(dots, [v.aval for v in jaxpr.outputs], wanted)


def batched_program(
    jaxpr: Jaxpr, size: int, inputs: Sequence[Any], batched: Sequence[bool], wanted: Sequence[bool]
) -> list[Any]:
    """Record ``jaxpr`` for a batch; the ``wanted`` outputs carry it as axis 0, and no others may."""
    outs, mapped = batch_jaxpr(jaxpr, size, inputs, batched)
    return [
        repeated(x, size) if want and not carries else x for x, carries, want in zip(outs, mapped, wanted, strict=True)
    ]


def repeated(x: Any, size: int) -> Any:
    """Return ``x`` for each row of a batch."""
    x = x if type(x) is Tracer else np.asarray(x)
    return broadcast_to(x, (size, *x.shape))
