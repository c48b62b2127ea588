"""Values that need no memory of their own: broadcasts that NumPy does by itself, results in memory of the dead."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Atom, Equation, Jaxpr
from ..primitives.arithmetic import IntegerPow
from ..primitives.comparison import Select
from ..primitives.contraction import Einsum
from ..primitives.families import Elementwise
from ..primitives.promotion import Broadcast, Convert
from ..primitives.reduction import ReduceMax, ReduceMin, ReduceProd, ReduceSum
from .fusion import Fused
from .kernels import ufunc_of

__all__ = ["computes", "implicit_broadcasts", "may_hold", "renamed", "spare_buffers", "unshared"]

_COMPUTING = (Select, IntegerPow, Convert, ReduceSum, ReduceProd, ReduceMax, ReduceMin, Einsum, Fused)


def implicit_broadcasts(jaxpr: Jaxpr) -> dict[Atom, Atom]:
    """Return the broadcasts that NumPy does by itself, from result to operand.

    Those are the ones that only elementwise equations read, beside operands that give the result its shape.
    """
    candidates: dict[Atom, Atom] = {
        e.outputs[0]: e.inputs[0] for e in jaxpr.equations if type(e.primitive) is Broadcast
    }
    for atom in jaxpr.outputs:
        candidates.pop(atom, None)
    for equation in jaxpr.equations:
        read = [v for v in equation.inputs if v in candidates]
        if not read or (type(equation.primitive) is Broadcast and equation.outputs[0] in candidates):
            continue
        if not isinstance(equation.primitive, Elementwise) or not _gives_shape(equation, candidates):
            for atom in read:
                candidates.pop(atom, None)
    return candidates


def _gives_shape(equation: Equation, candidates: dict[Atom, Atom]) -> bool:
    """Whether operands that are not stretched beforehand have the shape of the result, once NumPy stretches them."""
    shape = equation.outputs[0].aval.shape
    if any(v not in candidates and v.aval.shape == shape for v in equation.inputs):
        return True
    shapes = []
    for atom in equation.inputs:
        while atom in candidates:
            atom = candidates[atom]
        shapes.append(atom.aval.shape)
    return min(shape, default=0) >= 0 and np.broadcast_shapes(*shapes) == shape


def spare_buffers(jaxpr: Jaxpr) -> set[Atom]:
    """Return the arrays whose memory may be used again once they are dead: new ones, of which there are no views."""
    return unshared(jaxpr).difference(jaxpr.outputs)


def unshared(jaxpr: Jaxpr) -> set[Atom]:
    """Return the new arrays of which there are no views, outputs among them."""
    made: set[Atom] = set()
    for equation in jaxpr.equations:
        if not computes(equation.primitive):
            made.difference_update(equation.inputs)
        else:
            made.update([v for v in equation.outputs if v.aval.ndim])
    return made


def computes(primitive: Any) -> bool:
    """Whether a primitive returns a new array and keeps no view of an operand; of a user's own nobody knows."""
    return ufunc_of(primitive) is not None or type(primitive) in _COMPUTING


def may_hold(equation: Equation, var: Any) -> bool:
    """Whether the result of an elementwise equation fits in the memory of its operand ``var``."""
    ufunc = ufunc_of(equation.primitive)
    if ufunc is None:
        return False
    out = equation.outputs[0].aval
    return bool(var in equation.inputs and var.aval.shape == out.shape and var.aval.dtype == out.dtype)


def renamed(jaxpr: Jaxpr, names: dict[Atom, Atom]) -> Jaxpr:
    """Return the program as it reads with some variables replaced by others, for the sake of their last uses."""

    def final(atom: Atom) -> Atom:
        while atom in names:
            atom = names[atom]
        return atom

    equations = [e._replace(inputs=tuple([final(v) for v in e.inputs])) for e in jaxpr.equations]
    return Jaxpr(jaxpr.in_vars, equations, jaxpr.outputs, jaxpr.const_vars, jaxpr.constants)
