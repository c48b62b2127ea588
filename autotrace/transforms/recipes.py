"""Recipes carried out: from the inputs of a program to the blocks of its Jacobian, in the mode that was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..compile.simplify import simplify
from ..ir import Atom, Equation, Jaxpr, ShapedArray
from ..primitives.promotion import convert
from ..tracing import Tracer, run_all, trace
from .coloring import Coloring
from .elimination import eliminated
from .plan import Recipe, sizes_of
from .spread import spread
from .sweeps import Sweeps, flat_rows, split_rows, unit_rows, value_of
from .waist import Bracket, Cut, cuts_at, flowing

__all__ = ["Problem", "carry_out", "seed_avals", "seeds_of", "write"]


class Problem(NamedTuple):
    """A program of which the Jacobian is wanted: of its first ``outputs`` outputs in its first ``inputs`` inputs."""

    jaxpr: Jaxpr
    inputs: int
    outputs: int
    symmetric: bool
    name: str

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        return self.jaxpr.in_avals[: self.inputs]

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        return self.jaxpr.out_avals[: self.outputs]

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the whole Jacobian."""
        return sizes_of(self.out_avals), sizes_of(self.in_avals)

    def dtype(self) -> Any:
        """The one dtype of all inputs and outputs, None if there are several."""
        found = {aval.dtype for aval in (*self.in_avals, *self.out_avals)}
        return found.pop() if len(found) == 1 else None


def write(problem: Problem, recipe: Recipe, dense: bool) -> Jaxpr:
    """Write down the program from the inputs and the seeds to the outputs and the numbers of the Jacobian."""
    inputs = len(problem.jaxpr.in_vars)

    def flat(tracers: list[Any]) -> list[Any]:
        return carry_out(problem, recipe, dense, tracers[:inputs], tracers[inputs:], None)

    avals = [*problem.jaxpr.in_avals, *seed_avals(problem, recipe)]
    return simplify(trace(flat, avals, None, problem.name, snapshot=False).jaxpr)


def seed_avals(problem: Problem, recipe: Recipe) -> list[ShapedArray]:
    """Return the avals of what :func:`seeds_of` returns."""
    rows, columns = problem.shape
    by_column = [(columns, problem.in_avals)] if recipe.mode == "forward" else []
    by_row = [(rows, problem.out_avals)] if recipe.mode == "reverse" else []
    if recipe.mode == "sparse":
        by_column = [(recipe.coloring.columns, problem.in_avals)] if recipe.coloring.columns else []
        by_row = [(recipe.coloring.rows, problem.out_avals)] if recipe.coloring.rows else []
    return [ShapedArray((k, *a.shape), a.dtype) for k, avals in (*by_column, *by_row) for a in avals]


def seeds_of(problem: Problem, recipe: Recipe) -> list[Any]:
    """Return the directions that the recipe needs: first tangents of the inputs, then cotangents of the outputs."""
    if recipe.mode == "forward":
        return unit_rows(problem.in_avals)
    if recipe.mode == "reverse":
        return unit_rows(problem.out_avals)
    found = []
    if recipe.mode == "sparse":
        if recipe.coloring.columns:
            found += [x.astype(a.dtype) for x, a in _parts(recipe.coloring.column_seeds(np.float64), problem.in_avals)]
        if recipe.coloring.rows:
            found += [x.astype(a.dtype) for x, a in _parts(recipe.coloring.row_seeds(np.float64), problem.out_avals)]
    return found


def _parts(seeds: Any, avals: Sequence[ShapedArray]) -> list[tuple[Any, ShapedArray]]:
    return list(zip(split_rows(seeds, avals), avals, strict=True))


def carry_out(
    problem: Problem,
    recipe: Recipe,
    dense: bool,
    inputs: Sequence[Any],
    seeds: Sequence[Any],
    known: dict[Atom, Any] | None,
) -> list[Any]:
    """Return all outputs of the program, then the Jacobian: its blocks, or the entries of the pattern."""
    jaxpr = problem.jaxpr
    values: dict[Atom, Any] = {} if known is None else known
    values.update(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip(jaxpr.in_vars, inputs, strict=True))
    run_all(jaxpr, values)
    outs = [value_of(v, values) for v in jaxpr.outputs]
    equations = flowing(jaxpr, problem.inputs, problem.outputs)
    sweeps = Sweeps(equations, values, problem.name)
    starts, ends = jaxpr.in_vars[: problem.inputs], jaxpr.outputs[: problem.outputs]
    first, last = Cut(0, starts), Cut(len(equations), ends)
    entries: Any = None
    blocks: list[Any] = []
    if recipe.mode == "forward":
        blocks = _from_columns(sweeps.push(first, last, seeds), problem)
    elif recipe.mode == "reverse":
        blocks = _from_rows(sweeps.pull(first, last, seeds), problem)
    elif recipe.mode == "mixed":
        cuts = [first, *cuts_at(recipe.positions, starts, equations, ends), last]
        assert recipe.bracket is not None
        blocks = _from_matrix(_multiplied(recipe.bracket, cuts, sweeps), problem)
    elif recipe.mode == "elimination":
        blocks = _from_matrix(_eliminated_matrix(equations, values, starts, ends, problem), problem)
    else:
        entries = _sparse_entries(recipe.coloring, sweeps, first, last, seeds)
        if dense:
            rows, columns = problem.shape
            places = recipe.pattern.rows.astype(np.int64) * columns + recipe.pattern.cols
            blocks = _from_matrix(spread(entries, places, rows * columns).reshape((rows, columns)), problem)
    if dense:
        return [*outs, *blocks]
    if entries is None:
        entries = _whole_matrix(blocks, problem)[recipe.pattern.rows, recipe.pattern.cols]
    return [*outs, entries]


def _from_columns(parts: Sequence[Any], problem: Problem) -> list[Any]:
    """Cut what tangents gave, a batch ``[columns, *output]`` for each output, into blocks."""
    blocks = []
    for part, out in zip(parts, problem.out_avals, strict=True):
        start = 0
        for aval in problem.in_avals:
            block = part[start : start + aval.size] if len(problem.in_avals) > 1 else part
            start += aval.size
            block = np.moveaxis(block, 0, -1).reshape((*out.shape, *aval.shape))
            # As reverse mode has it: what does not depend on the mode must not change with it.
            alike = aval.dtype.kind == out.dtype.kind and aval.dtype != out.dtype
            blocks.append(convert(block, aval.dtype) if alike else block)
    return blocks


def _from_rows(parts: Sequence[Any], problem: Problem) -> list[Any]:
    """Cut what cotangents gave, a batch ``[rows, *input]`` for each input, into blocks."""
    blocks, start = [], 0
    for out in problem.out_avals:
        for part, aval in zip(parts, problem.in_avals, strict=True):
            block = part[start : start + out.size] if len(problem.out_avals) > 1 else part
            blocks.append(block.reshape((*out.shape, *aval.shape)))
        start += out.size
    return blocks


def _from_matrix(matrix: Any, problem: Problem) -> list[Any]:
    """Cut a matrix of all outputs by all inputs into blocks."""
    blocks, row = [], 0
    single = len(problem.out_avals) == len(problem.in_avals) == 1
    for out in problem.out_avals:
        column = 0
        for aval in problem.in_avals:
            block = matrix if single else matrix[row : row + out.size, column : column + aval.size]
            blocks.append(block.reshape((*out.shape, *aval.shape)))
            column += aval.size
        row += out.size
    return blocks


def _whole_matrix(blocks: Sequence[Any], problem: Problem) -> Any:
    """Undo :func:`_from_matrix`."""
    given = iter(blocks)
    rows = [[next(given).reshape((out.size, aval.size)) for aval in problem.in_avals] for out in problem.out_avals]
    joined = [row[0] if len(row) == 1 else np.concatenate(row, axis=1) for row in rows]
    return joined[0] if len(joined) == 1 else np.concatenate(joined, axis=0)


def _multiplied(bracket: Bracket, cuts: Sequence[Cut], sweeps: Sweeps) -> Any:
    """Return the Jacobian from one cut to another, ``[end, start]``, as the bracket says."""
    start, end = cuts[bracket.start], cuts[bracket.end]
    if bracket.split is None:
        if bracket.how == "forward":
            seeds = unit_rows([v.aval for v in start.vars])
            return flat_rows(sweeps.push(start, end, seeds), end.vars).T
        return flat_rows(sweeps.pull(start, end, unit_rows([v.aval for v in end.vars])), start.vars)
    middle = cuts[bracket.split]
    avals = [v.aval for v in middle.vars]
    if bracket.how == "forward":
        assert bracket.before is not None
        columns = _multiplied(bracket.before, cuts, sweeps).T
        return flat_rows(sweeps.push(middle, end, split_rows(columns, avals)), end.vars).T
    assert bracket.after is not None
    rows = _multiplied(bracket.after, cuts, sweeps)
    if bracket.how == "reverse":
        return flat_rows(sweeps.pull(start, middle, split_rows(rows, avals)), start.vars)
    assert bracket.before is not None
    return np.matmul(rows, _multiplied(bracket.before, cuts, sweeps))


def _eliminated_matrix(
    equations: Sequence[Equation], values: dict[Atom, Any], starts: Any, ends: Any, problem: Problem
) -> Any:
    entries, places = eliminated(equations, values, starts, ends)
    rows, columns = problem.shape
    dtype = problem.dtype()
    if not entries:
        return np.zeros((rows, columns), dtype)
    if not any(type(x) is Tracer for x in entries):
        matrix = np.zeros((rows, columns), dtype)
        matrix[tuple(np.array(places).T)] = entries
        return matrix
    flat = np.array([i * columns + j for i, j in places], np.int64)
    scalars: list[Any] = [x if type(x) is Tracer else dtype.type(x) for x in entries]
    stacked = np.stack(scalars)
    return spread(stacked, flat, rows * columns).reshape((rows, columns))


def _sparse_entries(coloring: Coloring, sweeps: Sweeps, first: Cut, last: Cut, seeds: Sequence[Any]) -> Any:
    """Return the entries of the pattern."""
    columns = rows = None
    count = len(first.vars) if coloring.columns else 0
    if coloring.columns:
        columns = flat_rows(sweeps.push(first, last, seeds[:count]), last.vars)
    if coloring.rows:
        rows = flat_rows(sweeps.pull(first, last, seeds[count:]), first.vars)
    return coloring.decompress(columns, rows)
