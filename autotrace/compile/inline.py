"""Calls written out: the equations of a called program in the place of the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir import Atom, Equation, Jaxpr, Literal, Var

__all__ = ["inline"]


def inline(jaxpr: Jaxpr) -> Jaxpr:
    """Return ``jaxpr`` with every equation that stands for a program replaced by that program."""
    if not any(equation.primitive.called() is not None for equation in jaxpr.equations):
        return jaxpr
    written: list[Equation] = []
    constants: dict[Var, Any] = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    names: dict[Atom, Atom] = {}
    _write(jaxpr, names, written, constants, fresh=False)
    outputs = [names.get(v, v) for v in jaxpr.outputs]
    return Jaxpr(jaxpr.in_vars, written, outputs, constants.keys(), constants.values())


def _write(
    jaxpr: Jaxpr, names: dict[Atom, Atom], written: list[Equation], constants: dict[Var, Any], fresh: bool
) -> None:
    """Write the equations of ``jaxpr``; ``names`` says what its variables are called in the whole."""
    for primitive, inputs, outputs, source in jaxpr.equations:
        read = tuple([v if type(v) is Literal else names.get(v, v) for v in inputs])
        called = primitive.called()
        if called is not None:
            _rename(outputs, _call(called, read, written, constants), names)
            continue
        if fresh:
            made = tuple([Var(v.aval) for v in outputs])
            names.update(zip(outputs, made, strict=True))
            outputs = made
        written.append(Equation(primitive, read, outputs, source))


def _call(called: Jaxpr, read: Sequence[Atom], written: list[Equation], constants: dict[Var, Any]) -> list[Atom]:
    """Write a called program for operands ``read`` and return the atoms of its outputs. Every copy has new names."""
    names: dict[Atom, Atom] = dict(zip(called.in_vars, read, strict=True))
    for var, value in zip(called.const_vars, called.constants, strict=True):
        copy = Var(var.aval)
        constants[copy] = value
        names[var] = copy
    _write(called, names, written, constants, fresh=True)
    return [v if type(v) is Literal else names[v] for v in called.outputs]


def _rename(outputs: Sequence[Var], atoms: Sequence[Atom], names: dict[Atom, Atom]) -> None:
    names.update(zip(outputs, atoms, strict=True))
