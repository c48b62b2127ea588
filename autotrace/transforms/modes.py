"""jacobian: every way to a Jacobian, what each would cost for the program at hand, and the cheapest one.

- ``forward``: a tangent for each number of the argument; ``reverse``: a cotangent for each number of the output.
- ``mixed``: the program is cut where it is narrow, and the Jacobians of the pieces are multiplied in the cheapest order.
- ``elimination``: programs of scalars, by vertex elimination.
- ``sparse``: a tangent or cotangent for each colour of the sparsity pattern.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..compile.program import Program
from ..compile.reuse import is_concrete
from ..compile.simplify import simplify
from ..errors import AutotraceError
from ..ir import Atom, Equation, Jaxpr, ShapedArray, program_cost
from ..tracing import Tracer, run_all, trace
from ..tree import tree_unflatten
from .arguments import Leaves, Run, Selection, function_name, leaves_of, owned, select, trace_leaves
from .coloring import Coloring, color_bidirectional, color_columns, color_rows, color_symmetric
from .elimination import eliminated, of_scalars
from .pattern import Pattern
from .plan import (
    Candidate,
    Plan,
    Price,
    Recipe,
    equation_seconds,
    fingerprint,
    generalized,
    measure,
    seconds_of,
    sizes_of,
)
from .sparsity import jaxpr_pattern
from .spread import sparse_matrix, spread
from .sweeps import Sweeps, flat_rows, split_rows, unit_rows, value_of
from .waist import Bracket, Cut, bracketing, cuts_at, find_cuts, flowing
from .wrapper import Transformed, check_callable

__all__ = ["JacobianFunction", "Options", "Problem", "Started", "jacobian", "jacobian_with"]

MODES = ("auto", "forward", "reverse", "mixed", "elimination", "sparse")
FORMATS = ("dense", "coo", "csr")
FEWEST = 4
"""Directions: below, colours cannot save much."""
DENSE_ENTRIES = 4_000_000
"""Entries beyond which a pattern that was not asked for is not written out."""
KEPT = 128
"""Plans with their programs that are kept for functions called again."""
SEEDS_KEPT = 2**22
"""Bytes of seeds that are kept with a plan."""


class Problem(NamedTuple):
    """A program of which the Jacobian is wanted: of its first ``outputs`` outputs in its first ``count`` inputs."""

    jaxpr: Jaxpr
    count: int
    outputs: int
    symmetric: bool
    name: str

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        return self.jaxpr.in_avals[: self.count]

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


class Options(NamedTuple):
    """What the caller wants."""

    mode: Any = "auto"
    sparsity: Any = "auto"
    format: str = "dense"
    check_sparsity: bool = False
    holomorphic: bool = False


class Started(NamedTuple):
    """A traced call, up to the point where the way has to be chosen."""

    chosen: Selection
    leaves: Leaves
    run: Run
    name: str
    what: str
    symmetric: bool


class Entry(NamedTuple):
    """A plan with its program, for calls of one structure. ``held`` keeps alive what the key tells by identity."""

    plan: Plan
    program: Program
    seeds: Callable[[], list[Any]]
    held: Any


_ENTRIES: dict[Any, Entry] = {}


# -- the public function ---------------------------------------------------------------------------


def jacobian(
    fun: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    mode: Any = "auto",
    sparsity: Any = "auto",
    format: str = "dense",
    *,
    argnames: str | tuple[str, ...] | None = None,
    check_sparsity: bool = False,
) -> Any:
    """Make the function that evaluates the Jacobian of ``fun`` in the way that costs least.

    ``argnums``, ``has_aux``, ``holomorphic``, ``argnames``: as for :func:`jacrev`; so is the result: the tree of the
    output, in each leaf that of the argument, blocks of shape ``output.shape + argument.shape``.

    ``mode``: ``"auto"``, or ``"forward"``, ``"reverse"``, ``"mixed"`` (cut where it is narrow), ``"elimination"``
    (programs of scalars), ``"sparse"``, or a plan that :meth:`~JacobianFunction.plan` made. ``sparsity``: ``"auto"`` finds
    the pattern where it may pay; or a :class:`Pattern`, a boolean matrix, a ``scipy.sparse`` matrix, with a row for each
    number of the output and a column for each of the argument; None does without. ``check_sparsity`` checks a given
    one. ``format``: ``"dense"``, or ``"coo"`` or ``"csr"``: each block a ``scipy.sparse`` matrix of
    ``output.size`` rows and ``argument.size`` columns, or :class:`Triplets` without SciPy and inside of transforms.

    A real function of complex arguments is differentiated by reverse mode and a complex one of real arguments by forward
    mode, with the conventions of ``jacrev`` and ``jacfwd``.

    ``jacobian(f).explain(*args)`` tells what was chosen and why, ``.plan(*args)`` keeps the choice.

    Raises ``TypeError`` for arguments or outputs that carry no derivative, ``ValueError`` for a mode that cannot be had
    and for a pattern that does not fit.

    >>> import numpy as np
    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    options = Options(mode, sparsity, format, check_sparsity, holomorphic)
    return jacobian_with(jacobian, fun, start_jacobian, options, argnums, has_aux, argnames)


def jacobian_with(
    transform: Any, fun: Any, start: Callable[..., Started], options: Options, argnums: Any, has_aux: Any, argnames: Any
) -> Any:
    """Return the function of ``transform``, whose calls begin with ``start``."""
    name = transform.__name__
    given = {
        "argnums": argnums,
        "has_aux": has_aux,
        "holomorphic": options.holomorphic,
        "mode": options.mode,
        "sparsity": options.sparsity,
        "format": options.format,
        "argnames": argnames,
        "check_sparsity": options.check_sparsity,
    }
    _check_options(name, options)
    if fun is None:
        return lambda fun: transform(fun, **given)
    check_callable(fun, name, f"{name}(f)(x) rather than {name}(f(x))")
    return JacobianFunction(transform, fun, start, given)


def _check_options(name: str, options: Options) -> None:
    if not isinstance(options.mode, Plan) and (not isinstance(options.mode, str) or options.mode not in MODES):
        raise ValueError(f"{name}: mode must be one of {', '.join(MODES)}, or a plan; got {options.mode!r}. Use 'auto'.")
    if options.format not in FORMATS:
        raise ValueError(f"{name}: format must be one of {', '.join(FORMATS)}; got {options.format!r}. Use 'dense'.")
    if isinstance(options.sparsity, str) and options.sparsity != "auto":
        raise ValueError(
            f"{name}: sparsity must be 'auto', None, a Pattern or a matrix; got {options.sparsity!r}. "
            "Give a boolean matrix."
        )


class JacobianFunction(Transformed):
    """The function that :func:`jacobian` and :func:`hessian` make."""

    def __init__(self, transform: Any, fun: Any, start: Callable[..., Started], options: dict[str, Any]) -> None:
        super().__init__(transform, fun, self._evaluate, options)
        self._start = start

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        bound = super().__get__(instance, owner)
        if type(bound) is not Transformed:
            return bound
        return JacobianFunction(self._transform, bound._fun, self._start, self._options)

    def _begin(self, fun: Any, args: Any, kwargs: Any) -> tuple[Started, Options]:
        o = self._options
        options = Options(o["mode"], o["sparsity"], o["format"], o["check_sparsity"], o["holomorphic"])
        return self._start(fun, args, kwargs, o["argnums"], o["argnames"], o["has_aux"], options), options

    def _evaluate(self, fun: Any, args: Any, kwargs: Any, **_: Any) -> Any:
        started, options = self._begin(fun, args, kwargs)
        return _finish(started, options, self._options["has_aux"])

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """Choose the way for these arguments and return it, to be called, printed, or passed as ``mode``.

        The choice holds for arguments of the same shapes that take the same path through the function.
        """
        started, options = self._begin(self._fun, args, kwargs)
        problem, _ = _problem(started)
        plan = options.mode if isinstance(options.mode, Plan) else choose(problem, options, started)
        return plan.bound(self._replay)

    def _replay(self, plan: Plan, args: Any, kwargs: Any) -> Any:
        started, options = self._begin(self._fun, args, kwargs)
        return _finish(started, options._replace(mode=plan), self._options["has_aux"])

    def explain(self, *args: Any, measure: bool = False, **kwargs: Any) -> str:
        """Return a table of all modes with their estimated prices, what is chosen for these arguments, and why.

        With ``measure`` every mode that can be had is run, and its time stands beside the estimate.
        """
        started, options = self._begin(self._fun, args, kwargs)
        problem, inputs = _problem(started)
        plan = options.mode if isinstance(options.mode, Plan) else choose(problem, options, started)
        if measure:
            _measure(plan, problem, inputs, options)
        return plan.explain()


def start_jacobian(
    fun: Any, args: Any, kwargs: Any, argnums: Any, argnames: Any, has_aux: bool, options: Options
) -> Started:
    """Trace a call of :func:`jacobian`."""
    name = "jacobian"
    chosen = select(fun, args, kwargs, argnums, argnames, name)
    leaves = leaves_of(chosen.values, name, chosen.labels)
    if not any(leaves.moving):
        raise TypeError(
            f"{name}: arguments to differentiate must be of floating-point or complex dtype; got "
            f"{', '.join(map(str, leaves.avals)) or 'no arrays'}. Pass a float (3.0 for 3)."
        )
    if options.holomorphic and any(a.dtype.kind != "c" for a, m in zip(leaves.avals, leaves.moving, strict=True) if m):
        raise TypeError(
            f"{name}: with holomorphic=True arguments must be complex; got {', '.join(map(str, leaves.avals))}. "
            "Pass complex arguments, or drop holomorphic."
        )
    what = f"{name}({function_name(fun)})"
    run = trace_leaves(lambda values: chosen.call(*values), leaves, what, has_aux)
    for aval in run.jaxpr.out_avals[: run.outputs]:
        if not aval.inexact:
            raise TypeError(
                f"{name}: outputs must be floating-point arrays; got {aval}. "
                "Return floats, or pass what is not differentiated through has_aux."
            )
        if options.holomorphic and aval.dtype.kind != "c":
            raise TypeError(f"{name}: with holomorphic=True outputs must be complex; got {aval}. Drop holomorphic.")
    return Started(chosen, leaves, run, name, function_name(fun), False)


# -- from a call to a result -----------------------------------------------------------------------


def _problem(started: Started) -> tuple[Problem, list[Any]]:
    """Return the program as others of its structure have it, and the values of its inputs; as it is in a trace."""
    run, primals = started.run, started.leaves.primals
    jaxpr, rest = run.jaxpr, []
    if is_concrete(jaxpr, primals):
        rest = fingerprint(jaxpr)[1]
        jaxpr = generalized(jaxpr)
    return Problem(jaxpr, len(primals), run.outputs, started.symmetric, started.name), [*primals, *rest]


def _finish(started: Started, options: Options, has_aux: bool) -> Any:
    run, leaves = started.run, started.leaves
    primals = leaves.primals
    pattern = None
    if is_concrete(run.jaxpr, primals):
        entry, rest = _entry(started, options)
        results = entry.program(*primals, *rest, *entry.seeds())
        recipe = entry.plan.recipe
    else:
        problem, _ = _problem(started)
        plan = options.mode if isinstance(options.mode, Plan) else choose(problem, options, started)
        recipe = plan.recipe
        results = carry_out(problem, recipe, options, primals, seeds_of(problem, recipe), run.values)
    pattern = recipe.pattern
    count = len(run.jaxpr.outputs)
    outs = results[:count]
    shape = Problem(run.jaxpr, len(primals), run.outputs, False, "")
    if options.check_sparsity and options.sparsity not in ("auto", None):
        _check_pattern(started, pattern)
    blocks = _blocks_of(shape, options, pattern, owned(results[count:], []))
    return _assembled(started, blocks, outs, has_aux)


def _assembled(started: Started, flat: Sequence[Any], outs: Sequence[Any], has_aux: bool) -> Any:
    """Nest blocks: the tree of the output, in each of its leaves the tree of the arguments."""
    chosen, leaves, run = started.chosen, started.leaves, started.run
    width = len(leaves.primals)
    rows = []
    for i in range(run.outputs):
        filled = leaves.fill(flat[i * width : (i + 1) * width])
        rows.append(filled[0] if chosen.single else filled)
    result = tree_unflatten(run.out_tree, rows)
    return (result, run.aux(owned(outs[run.outputs :], run.jaxpr.constants))) if has_aux else result


def _entry(started: Started, options: Options) -> tuple[Entry, list[Any]]:
    """Return the plan and program for a call without tracers, made before or now, and its further inputs."""
    jaxpr = started.run.jaxpr
    structure, rest = fingerprint(jaxpr)
    if isinstance(options.mode, Plan):
        if not options.mode.fits(_plan_key(structure, started)):
            raise ValueError(
                f"{started.name}: a plan serves arguments of the shapes and the path that it was made for; got another "
                f"program of {started.what}. Make a plan for these arguments."
            )
    told = [x if isinstance(x, str | None) else id(x) for x in (options.mode, options.sparsity)]
    key = (structure, started.run.outputs, started.symmetric, options.format, options.holomorphic, *told)
    entry = _ENTRIES.get(key)
    if entry is None:
        problem, _ = _problem(started)
        plan = options.mode if isinstance(options.mode, Plan) else choose(problem, options, started)
        while len(_ENTRIES) >= KEPT:
            _ENTRIES.pop(next(iter(_ENTRIES)), None)
        program = Program(write(problem, plan.recipe, options))
        entry = Entry(plan, program, _kept_seeds(problem, plan.recipe), (options.mode, options.sparsity))
        _ENTRIES[key] = entry
    return entry, rest


def _plan_key(structure: Any, started: Started) -> Any:
    return structure, started.run.outputs, started.symmetric


def _kept_seeds(problem: Problem, recipe: Recipe) -> Callable[[], list[Any]]:
    """Return a function that gives the seeds: small ones are made once."""
    size = sum(np.prod(aval.shape, dtype=float) * aval.dtype.itemsize for aval in seed_avals(problem, recipe))
    if size > SEEDS_KEPT:
        return lambda: seeds_of(problem, recipe)
    seeds = seeds_of(problem, recipe)
    return lambda: seeds


def write(problem: Problem, recipe: Recipe, options: Options) -> Jaxpr:
    """Write down the program from the inputs and the seeds to the outputs and the numbers of the Jacobian."""
    inputs = len(problem.jaxpr.in_vars)

    def flat(tracers: list[Any]) -> list[Any]:
        return carry_out(problem, recipe, options, tracers[:inputs], tracers[inputs:], None)

    avals = [*problem.jaxpr.in_avals, *seed_avals(problem, recipe)]
    return simplify(trace(flat, avals, None, problem.name, snapshot=False).jaxpr)


# -- carrying a recipe out -------------------------------------------------------------------------


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
    options: Options,
    inputs: Sequence[Any],
    seeds: Sequence[Any],
    known: dict[Atom, Any] | None,
) -> list[Any]:
    """Return all outputs of the program, then the numbers of the Jacobian: its blocks, or the entries of the pattern."""
    jaxpr = problem.jaxpr
    values: dict[Atom, Any] = {} if known is None else known
    values.update(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip(jaxpr.in_vars, inputs, strict=True))
    run_all(jaxpr, values)
    outs = [value_of(v, values) for v in jaxpr.outputs]
    equations = flowing(jaxpr, problem.count, problem.outputs)
    sweeps = Sweeps(equations, values, problem.name)
    starts, ends = jaxpr.in_vars[: problem.count], jaxpr.outputs[: problem.outputs]
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
        if options.format == "dense":
            rows, columns = problem.shape
            places = recipe.pattern.rows.astype(np.int64) * columns + recipe.pattern.cols
            blocks = _from_matrix(spread(entries, places, rows * columns).reshape((rows, columns)), problem)
    if options.format == "dense":
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
            blocks.append(np.moveaxis(block, 0, -1).reshape((*out.shape, *aval.shape)))
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
    rows = [
        [next(given).reshape((out.size, aval.size)) for aval in problem.in_avals] for out in problem.out_avals
    ]
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
    stacked = np.stack([x if type(x) is Tracer else dtype.type(x) for x in entries])
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


def _blocks_of(problem: Problem, options: Options, pattern: Any, numbers: Sequence[Any]) -> list[Any]:
    """Return the blocks as they are, or the entries of a pattern as a sparse matrix for each block."""
    if options.format == "dense":
        return list(numbers)
    entries, blocks, row = numbers[0], [], 0
    for out in problem.out_avals:
        column = 0
        for aval in problem.in_avals:
            rows, cols, data = pattern.rows, pattern.cols, entries
            if len(problem.out_avals) * len(problem.in_avals) > 1:
                inside = (rows >= row) & (rows < row + out.size) & (cols >= column) & (cols < column + aval.size)
                kept = np.flatnonzero(inside)
                rows, cols, data = rows[kept] - row, cols[kept] - column, entries[kept]
            blocks.append(sparse_matrix(data, rows, cols, (out.size, aval.size), options.format))
            column += aval.size
        row += out.size
    return blocks


def _check_pattern(started: Started, declared: Pattern) -> None:
    """Raise if the program may have an entry that the declared pattern lacks."""
    run = started.run
    moving = [True] * len(run.jaxpr.in_vars)
    found = jaxpr_pattern(run.jaxpr.replace(outputs=run.jaxpr.outputs[: run.outputs]), moving)
    assert found is not None
    missing = declared.missing(found)
    if missing.nnz:
        raise ValueError(
            f"{started.name}: with check_sparsity=True the pattern must have every entry that may be nonzero; got one of "
            f"{declared.nnz} entries that lacks {missing.nnz}, the first at row {missing.rows[0]}, column "
            f"{missing.cols[0]}. Use sparsity_pattern({started.what})."
        )


# -- choosing --------------------------------------------------------------------------------------


class Survey(NamedTuple):
    """Prices of sweeps over the pieces between cuts."""

    primal: tuple[int, int, float]
    forward: list[Price] | str
    reverse: list[Price] | str
    elimination: tuple[int, int, float] | str


def survey(problem: Problem, equations: Sequence[Equation], cuts: Sequence[Cut], scalars: bool) -> Survey:
    """Write each piece's sweeps down for two and for three directions, on shapes alone, and price them."""
    jaxpr = problem.jaxpr
    found: list[Any] = []

    def flat(tracers: list[Any]) -> list[Any]:
        record = tracers[0]._trace
        values: dict[Atom, Any] = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
        values.update(zip(jaxpr.in_vars, tracers, strict=True))
        run_all(jaxpr, values)
        cost = program_cost(jaxpr)
        found.append((cost.flops, cost.bytes, sum(map(equation_seconds, jaxpr.equations))))
        sweeps = Sweeps(equations, values, problem.name)

        def written(sweep: Any, start: Cut, end: Cut, at: Cut, size: int) -> list[Equation]:
            mark = len(record.equations)
            sweep(start, end, [record.input(ShapedArray((size, *v.aval.shape), v.aval.dtype)) for v in at.vars])
            return list(record.equations[mark:])

        for sweep, end_first in ((sweeps.push, True), (sweeps.pull, False)):
            prices: Any = []
            try:
                for start, end in zip(cuts, cuts[1:], strict=False):
                    at = start if end_first else end
                    prices.append(Price(*[written(sweep, start, end, at, k) for k in (2, 3)]))
            except AutotraceError as error:
                prices = str(error)
            found.append(prices)
        found.append("not a program of scalars")
        if scalars:
            mark = len(record.equations)
            entries = eliminated(equations, values, cuts[0].vars, cuts[-1].vars)[0]  # type: ignore[arg-type]
            ops = record.equations[mark:]
            stacking = seconds_of(0, 8 * len(entries)) + len(entries) * 2e-7
            total = sum(map(equation_seconds, ops)) + stacking
            costs = program_cost(Jaxpr((), ops, ()))
            found[-1] = (costs.flops, costs.bytes, total)
        return []

    trace(flat, jaxpr.in_avals, None, problem.name, snapshot=False)
    return Survey(*found)


def choose(problem: Problem, options: Options, started: Started) -> Plan:
    """Price every mode that applies, and return the plan of the cheapest, or of the one asked for."""
    begun = time.perf_counter()
    jaxpr = problem.jaxpr
    equations = flowing(jaxpr, problem.count, problem.outputs)
    rows, columns = problem.shape
    kinds_in = {a.dtype.kind for a in problem.in_avals}
    kinds_out = {a.dtype.kind for a in problem.out_avals}
    real = kinds_in == kinds_out == {"f"} and problem.dtype() is not None
    cuts = find_cuts(jaxpr, problem.count, problem.outputs, equations)
    if not real or any(v.aval.dtype != problem.dtype() for cut in cuts for v in cut.vars):
        cuts = [cuts[0], cuts[-1]]
    scalars = real and of_scalars(equations, jaxpr.in_vars[: problem.count])
    prices = survey(problem, equations, cuts, scalars)
    forward = _sweep("forward", prices.forward, columns, rows * columns)
    reverse = _sweep("reverse", prices.reverse, rows, rows * columns)
    if not options.holomorphic and "c" in kinds_in:
        forward = Candidate("forward", refused="complex arguments without holomorphic=True")
    if not options.holomorphic and "c" in kinds_out:
        reverse = Candidate("reverse", refused="complex outputs without holomorphic=True")
    mixed = _mixed(prices, cuts, real, rows * columns)
    elimination = Candidate("elimination", refused=str(prices.elimination))
    if not isinstance(prices.elimination, str):
        flops, moved, seconds = prices.elimination
        elimination = Candidate(
            "elimination", "1", flops, moved, seconds, "Markowitz order", Recipe("elimination")
        )
    dense = [forward, reverse, mixed, elimination]
    sparse = _sparse(problem, options, prices, forward, reverse, min([c.seconds for c in dense if not c.refused] or [0]))
    candidates = [*dense, sparse]
    if options.format != "dense":
        candidates = [_with_pattern(c, problem, options) for c in candidates]
    chosen, reason = _pick(candidates, options, problem)
    notes = []
    if any(e.primitive.effect and not e.outputs for e in started.run.jaxpr.equations):
        notes.append("Python asked for values: this is the program, and the pattern, of the path that was taken.")
    key = None
    if is_concrete(started.run.jaxpr, started.leaves.primals):
        key = _plan_key(fingerprint(started.run.jaxpr)[0], started)
    taken = time.perf_counter() - begun
    return Plan(problem.name, started.what, key, (rows, columns), prices.primal, candidates, chosen, reason, notes, taken)


def _sweep(mode: str, prices: list[Price] | str, directions: int, entries: int) -> Candidate:
    if isinstance(prices, str):
        return Candidate(mode, refused=prices)
    parts = [price(directions) for price in prices]
    flops, moved, seconds = (sum(p[i] for p in parts) for i in range(3))
    what = "tangent" if mode == "forward" else "cotangent"
    return Candidate(
        mode,
        str(directions),
        int(flops),
        int(moved),
        seconds + seconds_of(0, 16 * entries),
        f"{directions} {what}{'s' if directions != 1 else ''}",
        Recipe(mode),
    )


def _mixed(prices: Survey, cuts: Sequence[Cut], real: bool, entries: int) -> Candidate:
    """Return the best bracketing of the pieces, if it is none of the plain sweeps."""
    if not real:
        return Candidate("mixed", refused="needs one real dtype for all inputs and outputs")
    if len(cuts) == 2:
        return Candidate("mixed", refused="no cut is narrower than both the inputs and the outputs")
    if isinstance(prices.forward, str) or isinstance(prices.reverse, str):
        return Candidate("mixed", refused="needs both forward and reverse mode")
    ahead, back = prices.forward, prices.reverse

    def total(parts: Sequence[Price], i: int, j: int, k: int) -> float:
        return sum(price(k)[2] for price in parts[i:j])

    def multiply(a: int, b: int, c: int) -> float:
        return seconds_of(2 * a * b * c, 8 * (a * b + b * c + a * c))

    best = bracketing(
        [cut.size for cut in cuts],
        lambda i, j, k: total(ahead, i, j, k),
        lambda i, j, k: total(back, i, j, k),
        multiply,
        whole=False,
    )
    flops, moved, passes = _bracket_cost(best, cuts, ahead, back)
    splits = sorted(_splits(best))
    sizes = " -> ".join(f"R^{cuts[i].size}" for i in (0, *splits, len(cuts) - 1))
    recipe = Recipe("mixed", tuple(cut.position for cut in cuts[1:-1]), best)
    return Candidate("mixed", str(passes), flops, moved, best.seconds + seconds_of(0, 8 * entries), sizes, recipe)


def _splits(bracket: Bracket) -> set[int]:
    found = set() if bracket.split is None else {bracket.split}
    for part in (bracket.before, bracket.after):
        if part is not None:
            found |= _splits(part)
    return found


def _bracket_cost(
    bracket: Bracket, cuts: Sequence[Cut], ahead: Sequence[Price], back: Sequence[Price]
) -> tuple[int, int, int]:
    """Return operations, bytes and directions of a bracketing."""
    flops = moved = passes = 0
    for part in (bracket.before, bracket.after):
        if part is not None:
            f, b, p = _bracket_cost(part, cuts, ahead, back)
            flops, moved, passes = flops + f, moved + b, passes + p
    i, j, m = bracket.start, bracket.end, bracket.split
    if bracket.how == "multiply":
        assert m is not None
        a, b, c = cuts[j].size, cuts[m].size, cuts[i].size
        return flops + 2 * a * b * c, moved + 8 * (a * b + b * c + a * c), passes
    if bracket.how == "forward":
        parts, k = ahead[i if m is None else m : j], cuts[i].size
    else:
        parts, k = back[i : j if m is None else m], cuts[j].size
    for price in parts:
        f, b, _ = price(k)
        flops, moved = flops + f, moved + b
    return flops, moved, passes + k


def _declared(problem: Problem, options: Options) -> Pattern:
    pattern = Pattern.of(options.sparsity)
    if pattern.shape != problem.shape:
        raise ValueError(
            f"{problem.name}: sparsity must have the shape of the whole Jacobian, {problem.shape}; got {pattern.shape}. "
            "Give a row for each number of the output and a column for each of the argument."
        )
    return pattern


def _found_pattern(problem: Problem, limit: int | None) -> Pattern | None:
    jaxpr = problem.jaxpr.replace(outputs=problem.jaxpr.outputs[: problem.outputs])
    moving = [i < problem.count for i in range(len(jaxpr.in_vars))]
    pattern = jaxpr_pattern(jaxpr, moving, limit)
    return pattern.intersection(pattern.T) if pattern is not None and problem.symmetric else pattern


def _sparse(
    problem: Problem, options: Options, prices: Survey, forward: Candidate, reverse: Candidate, best: float
) -> Candidate:
    """Find the pattern and the colouring with the lowest price, if it may be lower than ``best``."""
    rows, columns = problem.shape
    asked = options.mode == "sparse" or options.format != "dense"
    if problem.dtype() is None:
        return Candidate("sparse", refused="needs one dtype for all inputs and outputs")
    if options.sparsity is None and not asked:
        return Candidate("sparse", refused="sparsity=None")
    if isinstance(options.sparsity, str | None):
        if not asked and min(rows, columns) < FEWEST:
            return Candidate("sparse", refused=f"fewer than {FEWEST} directions do")
        if not asked and options.mode != "auto":
            return Candidate("sparse", refused="not looked for")
        pattern = _found_pattern(problem, None if asked else min(max(rows * columns // 2, 64), DENSE_ENTRIES))
        if pattern is None:
            return Candidate("sparse", refused="the pattern is dense")
    else:
        pattern = _declared(problem, options)
    ways: list[tuple[float, Coloring, tuple[int, int]]] = []
    makers: list[Callable[[Pattern], Coloring]] = []
    if not forward.refused:
        makers.append(color_symmetric if problem.symmetric else color_columns)
    if not reverse.refused and not problem.symmetric:
        makers.append(color_rows)
    if not forward.refused and not reverse.refused and not problem.symmetric:
        makers.append(color_bidirectional)
    for make in makers:
        if make is color_bidirectional and ways and min(w[1].columns + w[1].rows for w in ways) <= 2:
            continue
        coloring = make(pattern)
        flops = moved = 0
        seconds = 0.0
        for count, parts in ((coloring.columns, prices.forward), (coloring.rows, prices.reverse)):
            if count:
                for price in parts:
                    f, b, s = price(count)  # type: ignore[operator]
                    flops, moved, seconds = flops + f, moved + b, seconds + s
        size = 8 * pattern.nnz + (rows * columns if options.format == "dense" else 8 * pattern.nnz)
        ways.append((seconds + seconds_of(0, size) + seconds_of(0, 8 * pattern.nnz), coloring, (flops, moved)))
    if not ways:
        return Candidate("sparse", refused="needs forward or reverse mode")
    seconds, coloring, (flops, moved) = min(ways, key=lambda way: way[0])
    kinds = [
        f"{n} colour{'s' if n > 1 else ''} of {what}"
        for n, what in ((coloring.columns, "columns"), (coloring.rows, "rows"))
        if n
    ]
    kind = "symmetric, " if coloring.symmetric else ""
    note = f"{kind}{pattern.nnz} entries, {' and '.join(kinds) or 'no colours'}"
    recipe = Recipe("sparse", pattern=pattern, coloring=coloring)
    return Candidate("sparse", str(coloring.columns + coloring.rows), flops, moved, seconds, note, recipe)


def _with_pattern(candidate: Candidate, problem: Problem, options: Options) -> Candidate:
    """Give a dense mode the pattern whose entries are picked from it."""
    if candidate.recipe is None or candidate.recipe.pattern is not None:
        return candidate
    if isinstance(options.sparsity, str | None):
        pattern = _found_pattern(problem, None)
    else:
        pattern = _declared(problem, options)
    return candidate._replace(recipe=candidate.recipe._replace(pattern=pattern))


def _pick(candidates: Sequence[Candidate], options: Options, problem: Problem) -> tuple[Candidate, str]:
    had = [c for c in candidates if not c.refused]
    if options.mode != "auto":
        chosen = next(c for c in candidates if c.mode == options.mode)
        if chosen.refused:
            raise ValueError(
                f"{problem.name}: mode {options.mode!r} must be one that can be had; got a function for which it cannot: "
                f"{chosen.refused}. Use mode='auto'."
            )
        return chosen, "asked for"
    if not had:
        raise TypeError(
            f"{problem.name}: a real function of complex arguments needs reverse mode, a complex one of real arguments "
            f"forward mode; got {', '.join(map(str, problem.in_avals))} to {', '.join(map(str, problem.out_avals))}, which "
            "needs both. Pass holomorphic=True, or split real and imaginary parts."
            if any(c.mode == "reverse" and "complex" in c.refused for c in candidates)
            else f"{problem.name}: {candidates[0].refused}"
        )
    chosen = min(had, key=lambda c: c.seconds)
    others = sorted([c for c in had if c is not chosen], key=lambda c: c.seconds)
    if not others:
        return chosen, f"{chosen.note}; no other mode can be had"
    ratio = others[0].seconds / max(chosen.seconds, 1e-12)
    return chosen, f"{chosen.note}; {ratio:.3g} times cheaper than {others[0].mode} ({others[0].note})"


def _measure(plan: Plan, problem: Problem, inputs: Sequence[Any], options: Options) -> None:
    """Time every mode that can be had, compiled."""
    if any(type(x) is Tracer for x in (*inputs, *problem.jaxpr.constants)):
        return
    for candidate in plan.candidates:
        if candidate.recipe is not None and candidate.seconds < 60:
            program = Program(write(problem, candidate.recipe, options)).compiled
            seeds = _kept_seeds(problem, candidate.recipe)
            plan.measured[candidate.mode] = measure(lambda p=program, s=seeds: p(*inputs, *s()))  # type: ignore[misc]
