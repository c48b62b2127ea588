"""Power series through programs that equations hold: which coefficients go in, and the program that carries them.

A series is the list of its Taylor coefficients, in which None is zero; see :mod:`autotrace.transforms.taylor`. Those
of order 1 and above are called its higher ones. ``marks`` tell for each value which of them there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from ..ir import Jaxpr, ShapedArray
from ..transforms.taylor import push_series
from .programs import tangent_of, zeros

__all__ = [
    "Marks",
    "gathered_series",
    "higher",
    "higher_avals",
    "marks_of",
    "pushed_series",
    "ravelled",
    "unravelled",
]

Marks = Sequence[tuple[bool, ...]]


def marks_of(inputs: Sequence[Sequence[Any]]) -> Marks:
    """Tell which higher coefficients of each series are not zero."""
    return tuple([tuple([term is not None for term in terms[1:]]) for terms in inputs])


def higher(inputs: Iterable[Sequence[Any]], avals: Iterable[ShapedArray], marks: Marks) -> list[Any]:
    """Return the marked higher coefficients of the series in one list, zeros where they are None."""
    return [
        zeros(tangent_of(aval)) if term is None else term
        for terms, aval, marked in zip(inputs, avals, marks, strict=True)
        for term, mark in zip(terms[1:], marked, strict=True)
        if mark
    ]


def higher_avals(avals: Iterable[ShapedArray], marks: Marks) -> list[ShapedArray]:
    """Return the avals of the marked higher coefficients."""
    return [tangent_of(aval) for aval, marked in zip(avals, marks, strict=True) for mark in marked if mark]


def gathered_series(firsts: Iterable[Any], rest: Iterator[Any], marks: Marks) -> list[list[Any]]:
    """Return series of the coefficients ``firsts`` and the marked higher ones, which ``rest`` gives in order."""
    return [[x, *[next(rest) if m else None for m in marked]] for x, marked in zip(firsts, marks, strict=True)]


def pushed_series(
    jaxpr: Jaxpr, inputs: Sequence[Sequence[Any]], some: Sequence[bool], order: int
) -> tuple[list[Any], list[list[Any]]]:
    """Record ``jaxpr`` of series; returns the outputs, and for each the higher coefficients, if ``some`` says so."""
    found = push_series(jaxpr, [list(terms) for terms in inputs], order)
    marks = tuple([(mark,) * order for mark in some])
    rest = [higher([terms], [v.aval], (marked,)) for terms, v, marked in zip(found, jaxpr.outputs, marks, strict=True)]
    return [terms[0] for terms in found], rest


def ravelled(carry: int, outs: Sequence[Any], rest: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the outputs of a loop's body of series: the carry, its higher coefficients, the ys, theirs."""
    return [*outs[:carry], *chain(*rest[:carry]), *outs[carry:], *chain(*rest[carry:])]


def unravelled(outs: Sequence[Any], carry: int, some: Sequence[bool], order: int) -> list[list[Any]]:
    """Return what :func:`ravelled` has put in a row as series; those of which ``some`` is false do not move."""
    rest = iter(outs)
    marks = [(mark,) * order for mark in some]
    found = []
    for part in (marks[:carry], marks[carry:]):
        firsts = [next(rest) for _ in part]
        found += gathered_series(firsts, rest, tuple(part))
    return found
