"""Vertex elimination: the Jacobian of a program of scalars, multiplied out in a cheap order.

The elements of variables are vertices, the derivatives of equations edges. Eliminating a vertex replaces each path
through it by an edge: of weight the product, added to one that is there. When only inputs and outputs are left, the
edges are the Jacobian. Markowitz' rule takes the vertex with the fewest paths through it first (Griewank and Walther,
Evaluating Derivatives, 2nd ed., chapters 9 and 10).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Atom, Equation, Literal, Var
from ..primitives.families import LinearMap
from ..primitives.shape import Concatenate, Stack
from ..tracing import Tracer

__all__ = ["eliminated", "of_scalars"]

MOST_EQUATIONS = 3000
EQUATIONS_BY_ITSELF = 250
"""Equations beyond which elimination has to be asked for: writing it down would take longer than a Jacobian."""
LARGEST = 256
"""Numbers in a vector that is taken apart or put together of scalars."""

Vertex = tuple[Atom, int]


def of_scalars(equations: Sequence[Equation], starts: Sequence[Var], asked: bool = False) -> bool:
    """Tell whether ``equations`` work on scalars, but for those that take vectors apart or put them together.

    Long programs only if elimination was ``asked`` for."""
    if len(equations) > (MOST_EQUATIONS if asked else EQUATIONS_BY_ITSELF):
        return False
    active: set[Atom] = set(starts)
    arithmetic = False
    for equation in equations:
        moving = [v for v in equation.inputs if v in active]
        sizes = [v.aval.ndim for v in (*moving, *equation.outputs)]
        if not any(sizes):
            arithmetic = True
        elif not _takes_apart(equation):
            return False
        active.update([v for v in equation.outputs if v.aval.inexact])
    return arithmetic


def _takes_apart(equation: Equation) -> bool:
    """Whether the equation moves numbers about, so that its derivative is known beforehand and mostly zero."""
    kind = equation.primitive
    small = all(v.aval.size <= LARGEST for v in (*equation.inputs, *equation.outputs))
    return (
        small
        and isinstance(kind, LinearMap | Concatenate | Stack)
        and kind.flops([v.aval for v in equation.inputs], [v.aval for v in equation.outputs]) == 0
    )


def eliminated(
    equations: Sequence[Equation], values: dict[Atom, Any], starts: Sequence[Var], ends: Sequence[Atom]
) -> tuple[list[Any], list[tuple[int, int]]]:
    """Return the entries of the Jacobian from ``starts`` to ``ends`` that may not be zero, and their places."""
    before, after = _edges(equations, values, starts)
    inputs = [(v, i) for v in starts for i in range(v.aval.size)]
    outputs = [(v, i) for v in ends for i in range(v.aval.size)]
    kept = {*inputs, *outputs}
    _eliminate([vertex for vertex in before if vertex not in kept], before, after)
    # An output that another output is made of was kept: the paths through it are still to be multiplied out.
    inner = [vertex for vertex in outputs if after.get(vertex) and vertex not in set(inputs)]
    finals = _without_outputs(dict.fromkeys(inner), outputs, before)
    column = {vertex: j for j, vertex in enumerate(inputs)}
    entries: list[Any] = []
    places: list[tuple[int, int]] = []
    for i, vertex in enumerate(outputs):
        found = {vertex: 1.0} if vertex in column else finals.get(vertex, before.get(vertex, {}))
        for source, weight in sorted(found.items(), key=lambda item: column[item[0]]):
            entries.append(weight)
            places.append((i, column[source]))
    return entries, places


def _edges(
    equations: Sequence[Equation], values: dict[Atom, Any], starts: Sequence[Var]
) -> tuple[dict[Vertex, dict[Vertex, Any]], dict[Vertex, dict[Vertex, Any]]]:
    """Return the edges into each vertex and out of each."""
    before: dict[Vertex, dict[Vertex, Any]] = {}
    after: dict[Vertex, dict[Vertex, Any]] = {}
    active: set[Atom] = set(starts)
    for equation in equations:
        scalar = not any(v.aval.ndim for v in (*[v for v in equation.inputs if v in active], *equation.outputs))
        moving = dict.fromkeys([v for v in equation.inputs if v in active])
        for var in moving:
            edges = _partials(equation, var, values) if scalar else _places(equation, var)
            for source, target, weight in edges:
                before.setdefault(target, {})[source] = weight
                after.setdefault(source, {})[target] = weight
        # An output that no derivative reaches, such as a figure that a solver reports, stands still.
        active.update([v for v in equation.outputs if any((v, i) in before for i in range(v.aval.size))])
    return before, after


def _partials(equation: Equation, var: Atom, values: dict[Atom, Any]) -> list[tuple[Vertex, Vertex, Any]]:
    """Return the derivative of a scalar equation by one of its operands."""
    primitive = equation.primitive
    primals = [v.value if type(v) is Literal else values[v] for v in equation.inputs]
    one = var.aval.dtype.type(1)
    tangents = [one if v is var else None for v in equation.inputs]
    outs = [values[v] for v in equation.outputs]
    dots = primitive.jvp(primals, tangents, outs if primitive.multiple else outs[0])
    given = dots if primitive.multiple else (dots,)
    return [((var, 0), (out, 0), dot) for out, dot in zip(equation.outputs, given, strict=True) if dot is not None]


def _places(equation: Equation, var: Atom) -> list[tuple[Vertex, Vertex, Any]]:
    """Return the derivative of an equation that moves numbers about: it is run on unit vectors."""
    edges: list[tuple[Vertex, Vertex, Any]] = []
    for i in range(var.aval.size):
        unit = np.zeros(var.aval.size)
        unit[i] = 1.0
        operands = [unit.reshape(v.aval.shape) if v is var else np.zeros(v.aval.shape) for v in equation.inputs]
        result = equation.primitive.impl(*operands)
        for out, y in zip(equation.outputs, result if equation.primitive.multiple else (result,), strict=True):
            flat = np.ravel(y)
            edges.extend([((var, i), (out, int(k)), float(flat[k])) for k in np.flatnonzero(flat)])
    return edges


def _eliminate(
    vertices: Sequence[Vertex], before: dict[Vertex, dict[Vertex, Any]], after: dict[Vertex, dict[Vertex, Any]]
) -> None:
    """Eliminate ``vertices``, those with the fewest paths through them first."""

    def paths(vertex: Vertex) -> int:
        return len(before.get(vertex, ())) * len(after.get(vertex, ()))

    order = {vertex: k for k, vertex in enumerate(vertices)}
    heap = [(paths(vertex), k) for vertex, k in order.items()]
    heapq.heapify(heap)
    while heap:
        count, k = heapq.heappop(heap)
        vertex = vertices[k]
        if vertex not in order:
            continue
        if count != paths(vertex):  # it has changed since; look again in its turn
            heapq.heappush(heap, (paths(vertex), k))
            continue
        del order[vertex]
        sources, targets = before.pop(vertex, {}), after.pop(vertex, {})
        for source in sources:
            del after[source][vertex]
        for target, second in targets.items():
            into = before[target]
            del into[vertex]
            for source, first in sources.items():
                into[source] = after[source][target] = _sum(into.get(source), _product(first, second))
        for near in (*sources, *targets):
            if near in order:
                heapq.heappush(heap, (paths(near), order[near]))


def _without_outputs(
    inner: dict[Vertex, None], outputs: Sequence[Vertex], before: dict[Vertex, dict[Vertex, Any]]
) -> dict[Vertex, dict[Vertex, Any]]:
    """Return the edges into outputs with those from other outputs written out; outputs come in any order."""
    finals: dict[Vertex, dict[Vertex, Any]] = {}
    stack = list(outputs)
    while stack:
        vertex = stack[-1]
        edges = before.get(vertex, {})
        waiting = [source for source in edges if source in inner and source not in finals]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        total: dict[Vertex, Any] = {}
        for source, weight in edges.items():
            for start, first in finals[source].items() if source in inner else [(source, 1.0)]:
                total[start] = _sum(total.get(start), _product(first, weight))
        finals[vertex] = total
    return finals


def _product(x: Any, y: Any) -> Any:
    if _is_one(x):
        return y
    return x if _is_one(y) else x * y


def _sum(x: Any, y: Any) -> Any:
    return y if x is None else x + y


def _is_one(x: Any) -> bool:
    return type(x) is not Tracer and np.ndim(x) == 0 and bool(x == 1.0)
