"""Many directions through a program at once: a batch of tangents forward, a batch of cotangents back.

Directions are rows: of a variable of shape ``s`` a batch of ``k`` has shape ``(k, *s)``. Nothing here knows which
directions they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..compile.simplify import simplify
from ..ir import Atom, Equation, Jaxpr, Literal, ShapedArray, tangent_dtype
from ..primitives.promotion import broadcast_to
from ..tracing import trace
from .batching import batch_jaxpr
from .linear import linearize_jaxpr
from .reverse import pull_back, run_forward
from .waist import Cut, segment_of

__all__ = ["Sweeps", "flat_rows", "split_rows", "unit_rows"]


class Sweeps:
    """The derivative of a program at a point whose values are known (arrays, or tracers: then it is recorded)."""

    def __init__(self, equations: Sequence[Equation], values: dict[Atom, Any], what: str) -> None:
        self._equations = equations
        self._values = values
        self._what = what
        self._linear: dict[tuple[int, int], tuple[Jaxpr, list[bool]]] = {}
        self._backward: dict[tuple[int, int], tuple[Jaxpr, list[bool]]] = {}

    def push(self, start: Cut, end: Cut, tangents: Sequence[Any]) -> list[Any]:
        """Carry tangents of the variables of ``start``, one batch each, to those of ``end``."""
        linear, nonzero = self.linear(start, end)
        return _carried(linear, tangents, nonzero, end)

    def pull(self, start: Cut, end: Cut, cotangents: Sequence[Any]) -> list[Any]:
        """Carry cotangents of the variables of ``end``, one batch each, back to those of ``start``."""
        backward, reached = self.backward(start, end)
        return _carried(backward, cotangents, reached, start)

    def linear(self, start: Cut, end: Cut) -> tuple[Jaxpr, list[bool]]:
        """Return the program of one tangent of ``start``, and which variables of ``end`` it gives tangents of."""
        key = start.position, end.position
        if key not in self._linear:
            segment = segment_of(self._equations, start, end)
            primals = [self._values[v] for v in segment.jaxpr.in_vars]
            moving = [i < segment.moving for i in range(len(primals))]
            _, linear, nonzero = linearize_jaxpr(segment.jaxpr, primals, moving, dict(self._values), self._what)
            self._linear[key] = simplify(linear), nonzero
        return self._linear[key]

    def backward(self, start: Cut, end: Cut) -> tuple[Jaxpr, list[bool]]:
        """Return the program of one cotangent of ``end``, and which variables of ``start`` it gives cotangents of."""
        key = start.position, end.position
        if key in self._backward:
            return self._backward[key]
        segment = segment_of(self._equations, start, end)
        primals = [self._values[v] for v in segment.jaxpr.in_vars]
        moving = [i < segment.moving for i in range(len(primals))]
        recorded = run_forward(segment.jaxpr, primals, moving, dict(self._values))
        reached: list[bool] = []

        def back(cts: list[Any]) -> list[Any]:
            found = pull_back(recorded, cts)[: segment.moving]
            reached.extend(ct is not None for ct in found)
            return [ct for ct in found if ct is not None]

        avals = [v.aval for v in end.vars]
        backward = simplify(trace(back, avals, None, self._what, snapshot=False).jaxpr)
        self._backward[key] = backward, reached
        return self._backward[key]


def _carried(program: Jaxpr, rows: Sequence[Any], given: Sequence[bool], end: Cut) -> list[Any]:
    """Run a linear program on a batch; it gives those variables of ``end`` so marked, the others are zero."""
    size = rows[0].shape[0]
    found, batched = batch_jaxpr(program, size, rows, [True] * len(rows))
    some = iter(zip(found, batched, strict=True))
    return [
        _whole(*next(some), size, v.aval) if m else zero_rows(size, v.aval)
        for v, m in zip(end.vars, given, strict=True)
    ]


def _whole(x: Any, batched: bool, size: int, aval: ShapedArray) -> Any:
    return x if batched else broadcast_to(x, (size, *aval.shape))


def zero_rows(size: int, aval: ShapedArray) -> Any:
    """Return a batch of zero directions; they take no memory."""
    return np.broadcast_to(np.zeros((), tangent_dtype(aval.dtype)), (size, *aval.shape))


def unit_rows(avals: Sequence[ShapedArray]) -> list[Any]:
    """Return all unit directions of ``avals`` together, for each aval its part of them."""
    total = sum(aval.size for aval in avals)
    basis, start = [], 0
    for aval in avals:
        units = np.zeros((total, aval.size), aval.dtype)
        units[start + np.arange(aval.size), np.arange(aval.size)] = 1
        basis.append(units.reshape((total, *aval.shape)))
        start += aval.size
    return basis


def split_rows(matrix: Any, avals: Sequence[ShapedArray]) -> list[Any]:
    """Cut directions that are rows of a matrix into a batch for each aval."""
    parts, start = [], 0
    for aval in avals:
        part = matrix if len(avals) == 1 else matrix[:, start : start + aval.size]
        parts.append(part.reshape((matrix.shape[0], *aval.shape)))
        start += aval.size
    return parts


def flat_rows(parts: Sequence[Any], atoms: Sequence[Atom]) -> Any:
    """Undo :func:`split_rows`."""
    flat = [x.reshape((x.shape[0], v.aval.size)) for x, v in zip(parts, atoms, strict=True)]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)


def value_of(atom: Atom, values: dict[Atom, Any]) -> Any:
    """Return the value of an atom."""
    return atom.value if type(atom) is Literal else values[atom]
