"""What differs between two programs, in the form that people read: lines taken away and lines added.

Equations are matched in three rounds, each within the gaps that the one before left: those that compute the same
value from the inputs (the same primitive, parameters and operands, wherever they stand), then those of the same
primitive and parameters, then those of the same primitive. What is matched bears one name on both sides, so a
change does not echo through all the lines after it. The order is kept: SequenceMatcher of difflib (J. Ratcliff and D.
Metzener, "Pattern Matching: The Gestalt Approach", 1988).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .equality import is_program, parameters_key, value_key
from .equation import Atom, Equation, Literal, Var
from .jaxpr import Jaxpr
from .names import letters, variable_names
from .print import equation_text, head_text, outputs_text

__all__ = ["Change", "JaxprDiff", "diff_jaxprs"]

_CONTEXT = 2
"""Lines shown before and after a change."""


class Change(NamedTuple):
    """One line: ``sign`` is ``" "`` for both programs, ``"-"`` for the first, ``"+"`` the second, ``"?"`` a remark."""

    sign: str
    text: str


class JaxprDiff:
    """The difference of two programs: false if there is none, iterable over its :class:`Change` s, printed as lines."""

    __slots__ = ("changes",)

    changes: tuple[Change, ...]

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = tuple(changes)

    def __bool__(self) -> bool:
        return any(change.sign != " " for change in self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __str__(self) -> str:
        if not self:
            return "no difference"
        return "\n".join(f"{sign} {text}".rstrip() for sign, text in _folded(self.changes))

    def __repr__(self) -> str:
        less, more = (sum(change.sign == sign for change in self.changes) for sign in "-+")
        return f"<JaxprDiff: {less} lines of the first, {more} of the second>"


def diff_jaxprs(first: Jaxpr, second: Jaxpr) -> JaxprDiff:
    """Return how ``second`` differs from ``first``, as lines taken away (``-``), added (``+``) and remarks (``?``).

    Variables that hold the same, or stand in the same place, have one name in both. Programs are equal exactly if the
    difference is false.

    Raises ``TypeError`` for what is no program.

    >>> import autotrace, numpy as np
    >>> one = autotrace.make_jaxpr(lambda x: np.sum(np.sin(x)))(np.ones((2, 3)))
    >>> other = autotrace.make_jaxpr(lambda x: np.sum(np.cos(x), axis=0))(np.ones((2, 3)))
    >>> print(diff_jaxprs(one, other))
      { lambda ; a:f64[2,3]. let
    -     b:f64[2,3] = sin a
    +     d:f64[2,3] = cos a
    -     c:f64[] = reduce_sum[axes=(0, 1)] b
    +     c:f64[3] = reduce_sum[axes=(0,)] d
    ?     axes: (0, 1) -> (0,)
        in (c,) }
    """
    for program in (first, second):
        if not isinstance(program, Jaxpr):
            raise TypeError(
                f"diff_jaxprs: both arguments must be Jaxprs; got {type(program).__name__}. "
                "Make one: make_jaxpr(f)(*args)."
            )
    if first == second:
        names = variable_names(first)
        lines = [
            head_text(first, names),
            *[_line(e, names) for e in first.equations],
            f"  {outputs_text(first, names)}",
        ]
        return JaxprDiff([Change(" ", line) for line in lines])
    return JaxprDiff(list(_compare(first, second)))


def _folded(changes: Sequence[Change]) -> Iterator[Change]:
    """Yield the changes, of those alike only the ones that are near others, and a count of the rest."""
    near = {
        j
        for i, change in enumerate(changes)
        if change.sign != " "
        for j in range(i - _CONTEXT, i + _CONTEXT + 1)
    } | {0, len(changes) - 1}  # fmt: skip
    left_out: list[Change] = []
    for i, change in enumerate(changes):
        if i not in near:
            left_out.append(change)
            continue
        yield from left_out if len(left_out) < 2 else [Change(" ", f"    ... {len(left_out)} lines alike ...")]
        yield change
        left_out = []


# -- matching --------------------------------------------------------------------------------------


def _compare(first: Jaxpr, second: Jaxpr) -> Iterator[Change]:
    pairs = _matched(first, second)
    names = variable_names(first)
    others = _other_names(first, second, names, pairs)
    yield from _pair(head_text(first, names), head_text(second, others))
    yield from _constants(first, second, names)
    i = j = 0
    for p, q in [*pairs, (len(first.equations), len(second.equations))]:
        yield from (Change("-", _line(e, names)) for e in first.equations[i:p])
        yield from (Change("+", _line(e, others)) for e in second.equations[j:q])
        i, j = p + 1, q + 1
        if p < len(first.equations):
            yield from _equations(first.equations[p], second.equations[q], names, others)
    yield from _pair(f"  {outputs_text(first, names)}", f"  {outputs_text(second, others)}")


def _line(equation: Equation, names: dict[Var, str]) -> str:
    return f"    {equation_text(equation, names)}"


def _pair(one: str, other: str) -> Iterator[Change]:
    if one == other:
        yield Change(" ", one)
    else:
        yield Change("-", one)
        yield Change("+", other)


def _equations(one: Equation, other: Equation, names: dict[Var, str], others: dict[Var, str]) -> Iterator[Change]:
    """Yield the lines of two matched equations, and which parameters changed."""
    yield from _pair(_line(one, names), _line(other, others))
    for key, before in one.params.items():
        after = other.params[key]
        programs = list(zip(_programs(before), _programs(after), strict=False))
        if len(list(_programs(before))) != len(list(_programs(after))):
            yield Change("?", f"    {key}: {len(list(_programs(before)))} programs -> {len(list(_programs(after)))}")
        for number, (program, changed) in enumerate(programs):
            if program != changed:
                yield Change("?", f"    {key}{f'[{number}]' if len(programs) > 1 else ''} of {one.primitive.name}:")
                yield from (Change(sign, f"        {text}") for sign, text in _compare(program, changed))
        if not programs and not _same_value(before, after):
            yield Change("?", f"    {key}: {before} -> {after}")


def _same_value(before: Any, after: Any) -> bool:
    return type(before) is type(after) and repr(before) == repr(after)


def _programs(value: Any) -> Iterator[Jaxpr]:
    if is_program(value):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _programs(item)


def _constants(first: Jaxpr, second: Jaxpr, names: dict[Var, str]) -> Iterator[Change]:
    """Yield remarks on constants of equal types and other values, which their names alone do not tell."""
    for var, one, other in zip(first.const_vars, first.constants, second.constants, strict=False):
        alike = np.shape(one) == np.shape(other) and getattr(one, "dtype", 0) == getattr(other, "dtype", 0)
        if alike and value_key(one) != value_key(other):
            yield Change("?", f"    the constant {names[var]} has other values")


def _matched(first: Jaxpr, second: Jaxpr) -> list[tuple[int, int]]:
    """Return the positions of matched equations, in order."""
    numbers: dict[Hashable, int] = {}
    keys = _values(first, numbers), _values(second, numbers)
    rounds: list[Callable[[int, int], Any]] = [
        lambda side, i: keys[side][i],
        lambda side, i: (type(p := programs[side][i].primitive), parameters_key(p)),
        lambda side, i: type(programs[side][i].primitive),
    ]
    programs = first.equations, second.equations
    gaps = [(0, len(programs[0]), 0, len(programs[1]))]
    pairs: list[tuple[int, int]] = []
    for key in rounds:
        found: list[tuple[int, int]] = []
        for a, b, c, d in gaps:
            left, right = [key(0, i) for i in range(a, b)], [key(1, j) for j in range(c, d)]
            for i, j, size in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks():
                found.extend((a + i + k, c + j + k) for k in range(size))
        pairs = sorted({*pairs, *found})
        bounds = [(-1, -1), *pairs, (len(programs[0]), len(programs[1]))]
        gaps = [
            (i + 1, p, j + 1, q)
            for (i, j), (p, q) in pairwise(bounds)
            if p > i + 1 and q > j + 1
        ]  # fmt: skip
    return pairs


def _values(jaxpr: Jaxpr, numbers: dict[Hashable, int]) -> list[Hashable]:
    """Return a number for what each equation computes: equal numbers are equal values of equal inputs."""
    known: dict[Atom, Hashable] = {v: ("input", i) for i, v in enumerate(jaxpr.in_vars)}
    known.update((v, ("constant", value_key(c))) for v, c in zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    keys: list[Hashable] = []
    for primitive, inputs, outputs, _ in jaxpr.equations:
        read = tuple(value_key(v.value) if type(v) is Literal else known[v] for v in inputs)
        key = (type(primitive), parameters_key(primitive), read, tuple(v.aval.strong() for v in outputs))
        number = numbers.setdefault(key, len(numbers))
        known.update((v, (number, i)) for i, v in enumerate(outputs))
        keys.append(number)
    return keys


def _other_names(
    first: Jaxpr, second: Jaxpr, names: dict[Var, str], pairs: Sequence[tuple[int, int]]
) -> dict[Var, str]:
    """Return names for the variables of ``second``: those of ``first`` for what is matched, new ones for the rest."""
    others: dict[Var, str] = {}
    sides = [(first.in_vars, second.in_vars), (first.const_vars, second.const_vars)]
    sides += [(first.equations[i].outputs, second.equations[j].outputs) for i, j in pairs]
    for mine, theirs in sides:
        others.update((w, names[v]) for v, w in zip(mine, theirs, strict=False))
    fresh = letters(set(names.values()))
    for var in variable_names(second):
        if var not in others:
            others[var] = next(fresh)
    return others
