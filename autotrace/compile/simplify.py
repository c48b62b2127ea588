"""The program made shorter: constants folded, identities used, equal expressions computed once, dead ones dropped.

One forward pass does value numbering (each equation is looked up by primitive and operands after its operands
were simplified); one backward pass drops what nothing reads. Both are linear in the number of equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Atom, Equation, Jaxpr, Literal, Primitive, Source, Var, eliminate_dead_code
from ..primitives.arithmetic import Add, Mul
from ..primitives.families import Elementwise
from ..primitives.promotion import Broadcast
from ..tracing import infer
from .identities import IDENTITIES

__all__ = ["simplify"]


def simplify(jaxpr: Jaxpr, reassociate: bool = True) -> Jaxpr:
    """Return a program with the same outputs and no more equations than ``jaxpr``.

    NaN, infinities and warnings stay. Results change by no more than the rounding of products with whole
    numbers, (x * 2) * 3 = x * 6, and not at all without ``reassociate``.
    """
    builder = Builder(reassociate, _readers(jaxpr))
    for var, value in zip(jaxpr.const_vars, jaxpr.constants, strict=True):
        builder.constant(var, value)
    for equation in jaxpr.equations:
        builder.rewrite(equation)
    outputs = [builder.renamed.get(v, v) for v in jaxpr.outputs]
    return eliminate_dead_code(jaxpr.replace(equations=builder.equations, outputs=outputs))


class Builder:
    """The simplified program so far."""

    def __init__(self, reassociate: bool, readers: dict[Atom, int]) -> None:
        self.reassociate = reassociate
        self._readers = readers
        self._constants: set[Atom] = set()
        self.equations: list[Equation] = []
        self.renamed: dict[Atom, Atom] = {}
        self.producers: dict[Atom, Equation] = {}
        self._numbered: dict[tuple[Any, ...], tuple[Var, ...]] = {}
        self._order: dict[Atom, int] = {}
        self._source: Source | None = None

    def constant(self, var: Var, value: Any) -> None:
        """Note a constant that is one number repeated, so that readers may take the number instead."""
        if type(value) is np.ndarray and value.size and value.ndim and not any(value.strides):
            self._constants.add(var)
            self.producers[var] = Equation(Broadcast(value.shape), (Literal(value.flat[0]),), (var,))

    def rewrite(self, equation: Equation) -> None:
        """Add ``equation``, or rename its outputs to what is equal to them."""
        primitive, inputs, outputs, source = equation
        renamed = self.renamed
        inputs = tuple([renamed.get(v, v) for v in inputs])
        if primitive.effect:
            self.equations.append(Equation(primitive, inputs, outputs, source))
            return
        self._source = source
        if primitive.multiple:
            found = self._lookup(primitive, inputs, outputs)
        else:
            atom = self.emit(primitive, inputs, outputs[0])
            if atom is not outputs[0]:
                renamed[outputs[0]] = atom
            return
        for var, atom in zip(outputs, found, strict=True):
            if var is not atom:
                renamed[var] = atom

    def emit(self, primitive: Primitive, inputs: tuple[Atom, ...], out: Var | None = None) -> Atom:
        """Return an atom equal to ``primitive inputs``: an operand, a number, an earlier variable, or a new one."""
        if isinstance(primitive, Elementwise):
            shape, inputs = self._unstretch(inputs)
            if shape is not None:
                narrow = self.emit(primitive, inputs)
                if narrow.aval.shape == shape:
                    return narrow
                return self.emit(Broadcast(shape), (narrow,), out)
        identity = IDENTITIES.get(type(primitive))
        if identity is not None:
            atom = identity(self, primitive, inputs)
            if atom is not None:
                return atom
        if all([type(v) is Literal for v in inputs]):
            folded = _fold(primitive, inputs)
            if folded is not None:
                return folded
        if out is None:
            aval = infer((primitive, *[v.aval for v in inputs]))
            out = Var(aval)
        return self._lookup(primitive, inputs, (out,))[0]

    def _unstretch(self, inputs: tuple[Atom, ...]) -> tuple[tuple[int, ...] | None, tuple[Atom, ...]]:
        """Do not stretch operands that need not be: a number beside a whole array, or all of them alike.

        Returns the operands, and the shape to stretch the result to where that comes afterwards.
        """
        sources: list[Atom | None] = []
        for atom in inputs:
            made = self.definition(atom, Broadcast) if atom.aval.ndim else None
            sources.append(made.inputs[0] if made is not None else None)
        if not any(sources):
            return None, inputs
        arrays = [s for v, s in zip(inputs, sources, strict=True) if v.aval.ndim]
        alike = all(s is not None and s.aval.shape == arrays[0].aval.shape for s in arrays)  # type: ignore[union-attr]
        if alike and all(self._readers.get(v) == 1 and v not in self._constants for v in inputs if v.aval.ndim):
            shape = next(v.aval.shape for v in inputs if v.aval.ndim)
            return shape, tuple([v if s is None else s for v, s in zip(inputs, sources, strict=True)])
        if all(s is not None for s in arrays):
            return None, inputs
        return None, tuple(
            [s if s is not None and not s.aval.ndim else v for v, s in zip(inputs, sources, strict=True)]
        )

    def readers(self, atom: Atom) -> int:
        """Return how many equations and outputs of the given program read ``atom``."""
        return self._readers.get(atom, 0)

    def definition(self, atom: Atom, kind: type[Primitive]) -> Equation | None:
        """Return the equation that made ``atom`` if its primitive is of ``kind``."""
        equation = self.producers.get(atom)
        return equation if equation is not None and type(equation.primitive) is kind else None

    def _lookup(self, primitive: Primitive, inputs: tuple[Atom, ...], outputs: tuple[Var, ...]) -> tuple[Var, ...]:
        key: tuple[Any, ...] = (primitive, *inputs)
        if type(primitive) in _COMMUTATIVE:
            a, b = inputs
            if self._number(a) > self._number(b):
                key = (primitive, b, a)
        found = self._numbered.get(key)
        if found is not None:
            return found
        self._numbered[key] = outputs
        equation = Equation(primitive, inputs, outputs, self._source)
        self.equations.append(equation)
        for var in outputs:
            self.producers[var] = equation
        return outputs

    def _number(self, atom: Atom) -> int:
        return self._order.setdefault(atom, len(self._order))


_COMMUTATIVE = (Add, Mul)


def _readers(jaxpr: Jaxpr) -> dict[Atom, int]:
    """Return how many equations and outputs read each variable."""
    readers: dict[Atom, int] = {}
    for read in [*[set(e.inputs) for e in jaxpr.equations], *[{v} for v in jaxpr.outputs]]:
        for atom in read:
            if type(atom) is Var:
                readers[atom] = readers.get(atom, 0) + 1
    return readers


def _fold(primitive: Primitive, inputs: Sequence[Any]) -> Literal | None:
    """Compute an equation of numbers; one that would warn is left to warn when it runs."""
    try:
        with np.errstate(all="raise"):
            value = primitive.impl(*[v.value for v in inputs])
    except (ArithmeticError, ValueError, TypeError):
        return None
    return Literal(value) if isinstance(value, np.generic) else None
