"""The sparsity pattern of a derivative: which outputs of a program depend on which inputs.

One walk over the program with the ``sparsity`` rule of each primitive. No values of the inputs are looked at, so the
pattern holds for all of them; what the program itself determines (constants, and what is computed of them) is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..compile.simplify import simplify
from ..errors import AutotraceError
from ..ir import (
    DYNAMIC,
    Atom,
    Dependence,
    Equation,
    Jaxpr,
    Literal,
    Operand,
    Primitive,
    Sets,
    ShapedArray,
    Var,
    annotate,
    count_of,
    entries_of,
    has_own_rules,
    inline,
)
from ..tracing import trace
from .arguments import check_moving, function_name, leaves_of, select, trace_leaves
from .pattern import Pattern
from .reverse import pull_back, run_forward
from .wrapper import transformed

__all__ = ["dependences", "hessian_pattern", "hessian_pattern_of", "jaxpr_pattern", "sparsity_pattern"]


def dependences(jaxpr: Jaxpr, moving: Sequence[bool], known: Sequence[Any] | None = None) -> list[Dependence | None]:
    """Return for each output of ``jaxpr`` which elements of the ``moving`` inputs it depends on, None for nothing.

    The elements of the moving inputs are counted through all of them. ``known`` has the values of inputs that do not
    move, None where they are to be left open.
    """
    width = sum(v.aval.size for v, m in zip(jaxpr.in_vars, moving, strict=True) if m)
    found: dict[Atom, Dependence | None] = {}
    sets, start = Sets.singles(width), 0
    for var, moves in zip(jaxpr.in_vars, moving, strict=True):
        if moves:
            found[var] = Dependence.identity(var.aval.shape, start, sets)
            start += var.aval.size
    propagate(jaxpr, found, _Values(jaxpr, known))
    return [found.get(v) for v in jaxpr.outputs]


def propagate(
    jaxpr: Jaxpr, found: dict[Atom, Dependence | None], values: _Values, within: tuple[type[Primitive], ...] = ()
) -> None:
    """Add to ``found``, which has that of the inputs, the dependence of every variable that depends on something.

    A primitive without a ``sparsity`` rule is looked into through its ``jvp`` rule, but for those of ``within``, whose
    ``jvp`` rules are being looked into.
    """
    for equation in jaxpr.equations:
        primitive, inputs, outputs, _ = equation
        if primitive.stops or found.keys().isdisjoint(inputs):
            continue
        operands = [Operand(v.aval, found.get(v), values.getter(v)) for v in inputs]
        rule = primitive.sparsity
        if not primitive.dynamic and any(DYNAMIC in v.aval.shape for v in (*inputs, *outputs)):
            rule = partial(Primitive.sparsity, primitive)
        try:
            got: Sequence[Dependence | None] | None = None
            if type(primitive).sparsity is Primitive.sparsity and type(primitive) not in within:
                got = _by_tangents(primitive, operands, [v.aval for v in outputs], within)
            if got is None:
                ruled = rule(operands, [v.aval for v in outputs])
                got = ruled if primitive.multiple else (ruled,)
        except Exception as error:
            raise annotate(error, equation) from error.__cause__
        for var, dependence in zip(outputs, got, strict=True):
            if dependence is not None and dependence.layers and var.aval.inexact:
                found[var] = dependence


def _by_tangents(
    primitive: Primitive, operands: Sequence[Operand], outputs: Sequence[ShapedArray], within: tuple[type, ...]
) -> list[Dependence | None] | None:
    """Return the dependence of tangents on tangents in the ``jvp`` rule of a primitive, None if it needs values."""
    if any(DYNAMIC in aval.shape for aval in (*outputs, *[x.aval for x in operands])):
        return None
    some: list[bool] = []

    def push(leaves: list[Any]) -> list[Any]:
        rest = iter(leaves)
        primals = [next(rest) for _ in operands]
        values: Any = tuple([next(rest) for _ in outputs])
        tangents = [None if x.dependence is None else next(rest) for x in operands]
        pushed = primitive.jvp(primals, tangents, values if primitive.multiple else values[0])
        pushed = pushed if primitive.multiple else (pushed,)
        some[:] = [t is not None for t in pushed]
        return [t for t in pushed if t is not None]

    moving = [x for x in operands if x.dependence is not None]
    avals = [x.aval.strong() for x in operands]
    try:
        traced = trace(push, [*avals, *outputs, *[x.aval.strong() for x in moving]], None, primitive.name)
    except AutotraceError:
        return None
    jaxpr = inline(traced.jaxpr)
    tangents = jaxpr.in_vars[len(jaxpr.in_vars) - len(moving) :]
    found: dict[Atom, Dependence | None] = dict(zip(tangents, [x.dependence for x in moving], strict=True))
    propagate(jaxpr, found, _Values(jaxpr, [x.value for x in operands]), (*within, type(primitive)))
    given = iter(jaxpr.outputs)
    return [found.get(next(given)) if reached else None for reached in some]


def through(jaxpr: Jaxpr, operands: Sequence[Operand]) -> list[Operand]:
    """Return the outputs of a program that an equation holds, as operands: their dependence, and values known."""
    jaxpr = inline(jaxpr)
    values = _Values(jaxpr, [x.value for x in operands])
    found: dict[Atom, Dependence | None] = {
        v: x.dependence for v, x in zip(jaxpr.in_vars, operands, strict=True) if x.dependence is not None
    }
    propagate(jaxpr, found, values)
    return [Operand(v.aval, found.get(v), values.getter(v)) for v in jaxpr.outputs]


class _Values:
    """The values that a program determines by itself, computed when a rule asks for them."""

    def __init__(self, jaxpr: Jaxpr, known: Sequence[Any] | None = None) -> None:
        self._values: dict[Atom, Any] = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
        for var, value in zip(jaxpr.in_vars, known or ()):
            if value is not None:
                self._values[var] = value
        self._makers: dict[Atom, Equation] = {}
        determined = set(self._values)
        for equation in jaxpr.equations:
            inputs = [v for v in equation.inputs if type(v) is Var]
            if not equation.primitive.effect and determined.issuperset(inputs):
                determined.update(equation.outputs)
                self._makers.update(dict.fromkeys(equation.outputs, equation))

    def getter(self, atom: Atom) -> Callable[[], Any]:
        return lambda: self.value(atom)

    def value(self, atom: Atom) -> Any:
        """Return the value of ``atom``, None if the program does not determine it."""
        if type(atom) is Literal:
            return atom.value
        if atom not in self._values and atom not in self._makers:
            return None
        waiting = [atom]
        while waiting:
            var = waiting[-1]
            if type(var) is Literal or var in self._values:
                waiting.pop()
                continue
            equation = self._makers[var]
            missing = [v for v in equation.inputs if type(v) is Var and v not in self._values]
            if missing:
                waiting += missing
            else:
                read = [v.value if type(v) is Literal else self._values[v] for v in equation.inputs]
                with np.errstate(all="ignore"):  # the program itself will warn
                    result = equation.primitive.impl(*read)
                many = result if equation.primitive.multiple else (result,)
                self._values.update(zip(equation.outputs, many, strict=True))
        return self._values[atom]


def jaxpr_pattern(
    jaxpr: Jaxpr, moving: Sequence[bool], limit: int | None = None, known: Sequence[Any] | None = None
) -> Pattern | None:
    """Return the pattern of the Jacobian of a program.

    Its rows are the elements of all inexact outputs, flattened and one output after the other; its columns those of all
    ``moving`` inputs. ``known`` are values of inputs that do not move. None if there are more than ``limit`` entries.
    """
    jaxpr = inline(jaxpr)
    found = [d for d, v in zip(dependences(jaxpr, moving, known), jaxpr.outputs, strict=True) if v.aval.inexact]
    sizes = [v.aval.size for v in jaxpr.outputs if v.aval.inexact]
    shape = (sum(sizes), sum(v.aval.size for v, m in zip(jaxpr.in_vars, moving, strict=True) if m))
    if limit is not None and count_of(found) > limit:
        return None
    return Pattern._sorted(*entries_of(found, sizes), shape)


def hessian_program(jaxpr: Jaxpr, moving: Sequence[bool]) -> tuple[Jaxpr, list[bool]]:
    """Return the program of the gradient of the sum of all inexact outputs, each element weighted, and what moves.

    Its inputs are those of ``jaxpr`` and then one array of weights for each inexact output, which do not move; its
    outputs the gradients of all moving inputs.
    """
    jaxpr = inline(jaxpr)
    count = len(jaxpr.in_vars)
    outs = [v.aval for v in jaxpr.outputs]
    weights = [aval for aval in outs if aval.inexact]
    of = [v.aval for v, m in zip(jaxpr.in_vars, moving, strict=True) if m]

    def gradient(leaves: list[Any]) -> list[Any]:
        recorded = run_forward(jaxpr, leaves[:count], moving)
        given = iter(leaves[count:])
        found = pull_back(recorded, [next(given) if aval.inexact else None for aval in outs])
        found = [ct for ct, m in zip(found, moving, strict=True) if m]
        return [np.zeros(aval.shape, aval.dtype) if ct is None else ct for ct, aval in zip(found, of, strict=True)]

    traced = trace(gradient, [*jaxpr.in_avals, *weights], None, "hessian_pattern", snapshot=False)
    return simplify(traced.jaxpr), [*moving, *[False] * len(weights)]


def hessian_pattern_of(
    jaxpr: Jaxpr, moving: Sequence[bool], limit: int | None = None, known: Sequence[Any] | None = None
) -> Pattern | None:
    """Return the pattern of the second derivatives of a program: that of the Jacobian of its gradient.

    Rows and columns are the elements of all ``moving`` inputs. If there are several outputs, it is the union of their
    Hessians. It is symmetric: what only one half has is zero, since it is in the other; but functions with derivatives
    of their own may break that, and then both halves have what either has. None if there are more than ``limit``
    entries.
    """
    program, moves = hessian_program(jaxpr, moving)
    rest = None if known is None else [*known, *[None] * (len(moves) - len(moving))]
    found = jaxpr_pattern(program, moves, limit, rest)
    return None if found is None else symmetrized(found, has_own_rules(jaxpr.equations))


def symmetrized(pattern: Pattern, own_rules: bool) -> Pattern:
    """Return the symmetric pattern of second derivatives of which ``pattern`` tells one half or the other.

    What only one half has is zero; but a function with ``own_rules`` may break the symmetry, and both are kept.
    """
    if pattern == pattern.T:
        return pattern
    return pattern.union(pattern.T) if own_rules else pattern.intersection(pattern.T)


def sparsity_pattern(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    has_aux: bool = False,
    *,
    argnames: str | tuple[str, ...] | None = None,
) -> Any:
    """Make the function that returns the :class:`Pattern` of the Jacobian of ``fun``.

    For one array in and one out its shape is ``(output.size, argument.size)``; for trees of arrays the flattened leaves
    stand one after the other, integers left out. It has every entry that is nonzero for some value of the arguments,
    and may have more where an operation is not looked into. Where Python's ``if`` asked for a value, it is the pattern
    of the path taken. Derivatives are not computed.

    Raises ``TypeError`` for arguments that carry no derivative.

    >>> import numpy as np
    >>> print(sparsity_pattern(np.diff)(np.zeros(5)))
    Pattern 4 x 5, 8 nonzeros (40%)
    ■ ■ · · ·
    · ■ ■ · ·
    · · ■ ■ ·
    · · · ■ ■
    """
    return transformed(sparsity_pattern, fun, _pattern, argnums=argnums, has_aux=has_aux, argnames=argnames)


def hessian_pattern(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    has_aux: bool = False,
    *,
    argnames: str | tuple[str, ...] | None = None,
) -> Any:
    """Make the function that returns the :class:`Pattern` of the Hessian of ``fun``.

    Rows and columns are the elements of the arguments, as the columns of :func:`sparsity_pattern` are. Of a function
    with several outputs it is the union of the patterns of their Hessians. It is symmetric.

    Raises ``TypeError`` for arguments that carry no derivative.

    >>> import numpy as np
    >>> hessian_pattern(lambda x: np.sum(x[1:] * x[:-1]))(np.zeros(3)).toarray().astype(int)
    array([[0, 1, 0],
           [1, 0, 1],
           [0, 1, 0]])
    """
    return transformed(hessian_pattern, fun, _hessian_pattern, argnums=argnums, has_aux=has_aux, argnames=argnames)


def _pattern(
    fun: Any, args: Any, kwargs: Any, argnums: Any, has_aux: bool, argnames: Any, name: str = "sparsity_pattern"
) -> Any:
    jaxpr = _program(name, fun, args, kwargs, argnums, has_aux, argnames)
    return jaxpr_pattern(jaxpr, [True] * len(jaxpr.in_vars))


def _hessian_pattern(fun: Any, args: Any, kwargs: Any, argnums: Any, has_aux: bool, argnames: Any) -> Any:
    jaxpr = _program("hessian_pattern", fun, args, kwargs, argnums, has_aux, argnames)
    return hessian_pattern_of(jaxpr, [True] * len(jaxpr.in_vars))


def _program(name: str, fun: Any, args: Any, kwargs: Any, argnums: Any, has_aux: bool, argnames: Any) -> Jaxpr:
    chosen = select(fun, args, kwargs, argnums, argnames, name)
    leaves = leaves_of(chosen.values, name, chosen.labels)
    check_moving(leaves, name)
    run = trace_leaves(lambda values: chosen.call(*values), leaves, f"{name}({function_name(fun)})", has_aux)
    return run.jaxpr.replace(outputs=run.jaxpr.outputs[: run.outputs])
