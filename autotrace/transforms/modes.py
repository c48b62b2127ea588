"""jacobian: every way to a Jacobian, what each would cost for the program at hand, and the cheapest one.

- ``forward``: a tangent for each number of the argument; ``reverse``: a cotangent for each number of the output.
- ``mixed``: the program is cut where it is narrow, and the Jacobians of the pieces are multiplied, cheapest first.
- ``elimination``: programs of scalars, by vertex elimination.
- ``sparse``: a tangent or cotangent for each colour of the sparsity pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..compile.program import Program
from ..compile.reuse import is_concrete
from ..tracing import Tracer
from ..tree import tree_unflatten
from .arguments import check_moving, function_name, leaves_of, owned, select, trace_leaves
from .choice import Options, Started, choose, plan_key
from .pattern import Pattern
from .plan import Plan, Recipe, fingerprint, generalized, measured_seconds
from .recipes import Problem, carry_out, seed_avals, seeds_of, write
from .sparsity import jaxpr_pattern
from .spread import sparse_matrix
from .wrapper import Transformed, check_callable

__all__ = ["JacobianFunction", "jacobian", "jacobian_with"]

MODES = ("auto", "forward", "reverse", "mixed", "elimination", "sparse")
FORMATS = ("dense", "coo", "csr")
KEPT = 128
"""Plans with their programs that are kept for functions called again."""
SEEDS_KEPT = 2**22
"""Bytes of seeds that are kept with a plan."""


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
    (programs of scalars), ``"sparse"``, or a plan that :meth:`~JacobianFunction.plan` made. ``sparsity``: ``"auto"``
    finds the pattern where it may pay; or a :class:`Pattern`, a boolean matrix, a ``scipy.sparse`` matrix, with a row
    for each number of the output and a column for each of the argument; None does without.
    ``check_sparsity`` checks that a given one has every entry that is found. ``format``: ``"dense"``, or ``"coo"`` or
    ``"csr"``: each block a ``scipy.sparse`` matrix of ``output.size`` rows and ``argument.size`` columns, or
    :class:`Triplets` without SciPy and inside of transforms.

    A real function of complex arguments is differentiated by reverse mode and a complex one of real arguments by
    forward mode, with the conventions of ``jacrev`` and ``jacfwd``.

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
    _check_options(name, options)
    if not isinstance(options.sparsity, str | None):
        options = options._replace(sparsity=Pattern.of(options.sparsity))
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
    if fun is None:
        return lambda fun: transform(fun, **given)
    check_callable(fun, name, f"{name}(f)(x) rather than {name}(f(x))")
    return JacobianFunction(transform, fun, start, given)


def _check_options(name: str, options: Options) -> None:
    if not isinstance(options.mode, Plan) and (not isinstance(options.mode, str) or options.mode not in MODES):
        raise ValueError(
            f"{name}: mode must be one of {', '.join(MODES)}, or a plan; got {options.mode!r}. Use 'auto'."
        )
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
    check_moving(leaves, name)
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
    traced = not is_concrete(run.jaxpr, primals)
    if not traced:
        entry, rest = _entry(started, options)
        results = entry.program(*primals, *rest, *entry.seeds())
        recipe = entry.plan.recipe
    else:
        problem, _ = _problem(started)
        plan = options.mode if isinstance(options.mode, Plan) else choose(problem, options, started)
        recipe = plan.recipe
        results = carry_out(problem, recipe, options.format == "dense", primals, seeds_of(problem, recipe), run.values)
    pattern = recipe.pattern
    count = len(run.jaxpr.outputs)
    outs = results[:count]
    shape = Problem(run.jaxpr, len(primals), run.outputs, False, "")
    if options.check_sparsity and not isinstance(options.sparsity, str | None):  # whether it was used or not
        _check_pattern(started, Pattern.of(options.sparsity))
    blocks = _blocks_of(shape, options, pattern, owned(results[count:], []), traced)
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
    if isinstance(options.mode, Plan) and not options.mode.fits(plan_key(structure, started)):
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
        program = Program(write(problem, plan.recipe, options.format == "dense"))
        entry = Entry(plan, program, _kept_seeds(problem, plan.recipe), (options.mode, options.sparsity))
        _ENTRIES[key] = entry
    return entry, rest


def _kept_seeds(problem: Problem, recipe: Recipe) -> Callable[[], list[Any]]:
    """Return a function that gives the seeds: small ones are made once."""
    size = sum(np.prod(aval.shape, dtype=float) * aval.dtype.itemsize for aval in seed_avals(problem, recipe))
    if size > SEEDS_KEPT:
        return lambda: seeds_of(problem, recipe)
    seeds = seeds_of(problem, recipe)
    return lambda: seeds


def _blocks_of(problem: Problem, options: Options, pattern: Any, numbers: Sequence[Any], traced: bool) -> list[Any]:
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
            blocks.append(sparse_matrix(data, rows, cols, (out.size, aval.size), options.format, traced))
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
            f"{started.name}: with check_sparsity=True the pattern must have every entry that may be nonzero; got "
            f"one of {declared.nnz} entries that lacks {missing.nnz}, the first at row {missing.rows[0]}, column "
            f"{missing.cols[0]}. Use "
            f"{'hessian' if started.name == 'hessian' else 'sparsity'}_pattern({started.what})."
        )


def _measure(plan: Plan, problem: Problem, inputs: Sequence[Any], options: Options) -> None:
    """Time every mode that can be had, compiled."""
    if any(type(x) is Tracer for x in (*inputs, *problem.jaxpr.constants)):
        return
    for candidate in plan.candidates:
        if candidate.recipe is not None and candidate.seconds < 60:
            program = Program(write(problem, candidate.recipe, options.format == "dense")).compiled
            seeds = _kept_seeds(problem, candidate.recipe)
            plan.measured[candidate.mode] = measured_seconds(partial(_run, program, inputs, seeds))


def _run(program: Any, inputs: Sequence[Any], seeds: Callable[[], list[Any]]) -> Any:
    return program(*inputs, *seeds())
