"""What was derived once from a program serves every program of the same structure.

A plain ``grad(f)(x)`` traces ``f`` anew at every call, since Python may take another path. Most calls give the
same program but for the numbers in it. So a derived program is kept under the structure of the one it came
from; arrays and most numbers are its inputs. Deriving and compiling costs as much as some twenty
interpreted calls, so it waits until that many have been made.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from ..errors import ConcretizationTypeError
from ..ir import Atom, Equation, Jaxpr, Literal, Var, is_watching, parameters_key
from ..tracing import Guard, Tracer
from .codegen import Compiled, generate

__all__ = ["DerivedPrograms", "shared", "structure"]

_CALLS_BEFORE_COMPILING = 16
_LONGEST = 20_000
"""Equations; longer programs are interpreted: compiling them would take seconds."""
_KEPT = 256
_WRITTEN_OUT = frozenset({-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 4.0})
"""Numbers that stay in the structure, since simplification makes use of them."""

_NEVER = 1 << 62
"""Calls before a program is derived that cannot be."""


def structure(jaxpr: Jaxpr) -> tuple[tuple[Any, ...], list[Any]]:
    """Return a hashable structure of ``jaxpr``, and the numbers and arrays that it leaves out, in order."""
    numbers: dict[Atom, int] = {}
    parts: list[Any] = [v.aval for v in jaxpr.in_vars]
    for var in (*jaxpr.in_vars, *jaxpr.const_vars):
        numbers[var] = len(numbers)
    parts.extend([v.aval for v in jaxpr.const_vars])
    operands = list(jaxpr.constants)
    count = len(numbers)
    add = parts.append
    for primitive, inputs, outputs, _ in jaxpr.equations:
        # A program that an equation holds is traced anew at each call, and another object each time.
        add(primitive if primitive.push is None else (type(primitive), parameters_key(primitive)))
        for atom in inputs:
            if type(atom) is Literal:
                _add_literal(atom, add, operands)
            else:
                add(numbers[atom])
        for var in outputs:
            numbers[var] = count
            count += 1
    for atom in jaxpr.outputs:
        if type(atom) is Literal:
            _add_literal(atom, add, operands)
        else:
            add(numbers[atom])
    return tuple(parts), operands


def _add_literal(atom: Literal, add: Callable[[Any], None], operands: list[Any]) -> None:
    add(atom.aval)
    if _is_hoisted(atom):
        operands.append(atom.value)
    else:
        add(float(atom.value))


def _is_hoisted(atom: Literal) -> bool:
    return atom.aval.dtype.kind != "f" or atom.value not in _WRITTEN_OUT


def template(jaxpr: Jaxpr) -> Jaxpr:
    """Return ``jaxpr`` with its constants and hoisted numbers as further inputs, in the order of :func:`structure`.

    Guards are dropped: the structure includes them, so they hold.
    """
    extra = list(jaxpr.const_vars)

    def hoist(atom: Atom) -> Atom:
        if type(atom) is Literal and _is_hoisted(atom):
            extra.append(Var(atom.aval))
            return extra[-1]
        return atom

    equations = [Equation(p, tuple([hoist(v) for v in ins]), outs, src) for p, ins, outs, src in jaxpr.equations]
    outputs = [hoist(v) for v in jaxpr.outputs]
    kept = [e for e in equations if type(e.primitive) is not Guard]
    return Jaxpr([*jaxpr.in_vars, *extra], kept, outputs)


class _Entry:
    """How often a structure was met, and what was derived from it once that was often enough."""

    __slots__ = ("calls", "info", "program")

    def __init__(self) -> None:
        self.calls = 0
        self.program: Compiled | None = None
        self.info: Any = None


class DerivedPrograms:
    """Compiled programs that ``derive`` makes of templates, by structure.

    ``derive(template, count)`` gets a program whose first ``count`` inputs are the original's; it returns the
    derived program, which has the same inputs, and anything else that the caller wants back.
    """

    def __init__(self, derive: Callable[[Jaxpr, int], tuple[Jaxpr, Any]]) -> None:
        self._derive = derive
        self._entries: dict[tuple[Any, ...], _Entry] = {}

    def run(self, jaxpr: Jaxpr, inputs: Sequence[Any]) -> tuple[tuple[Any, ...], Any] | None:
        """Run what was derived from ``jaxpr``'s structure; None if it is not (or not yet) worth having."""
        if len(jaxpr.equations) > _LONGEST or is_watching():
            return None
        key, operands = structure(jaxpr)
        entry = self._entries.get(key)
        if entry is None:
            while len(self._entries) >= _KEPT:
                self._entries.pop(next(iter(self._entries)), None)
            entry = self._entries[key] = _Entry()
        entry.calls += 1
        if entry.program is None:
            if entry.calls <= _CALLS_BEFORE_COMPILING:
                return None
            try:
                derived, entry.info = self._derive(template(jaxpr), len(jaxpr.in_vars))
            except ConcretizationTypeError:  # a rule of the user's asks for values: it runs anew every time
                entry.calls = -_NEVER
                return None
            entry.program = generate(derived)
        return entry.program(*inputs, *operands), entry.info


_SHARED: dict[Any, Any] = {}
_NOTHING = object()


def shared(key: Hashable, programs: Sequence[Jaxpr], make: Callable[[], Any]) -> Any:
    """Return what ``make`` gives, made once for all ``programs`` that are the same, numbers included.

    A loop that is not jitted traces its body anew at each call; so what is generated from it is kept here.
    """
    parts: list[Any] = [key]
    for jaxpr in programs:
        own, operands = structure(jaxpr)
        if any([np.ndim(x) for x in operands]):
            return make()
        parts += [own, *[(type(x), repr(x)) for x in operands]]
    told = tuple(parts)
    found = _SHARED.get(told, _NOTHING)
    if found is _NOTHING:
        while len(_SHARED) >= _KEPT:
            _SHARED.pop(next(iter(_SHARED)), None)
        found = _SHARED[told] = make()
    return found


def is_concrete(jaxpr: Jaxpr, inputs: Sequence[Any]) -> bool:
    """Tell whether no tracer of an enclosing trace is among the values."""
    return not any([type(x) is Tracer for x in (*inputs, *jaxpr.constants)])
