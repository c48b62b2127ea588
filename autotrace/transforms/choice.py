"""Which mode: the price of each, told from the programs that it would run, and the cheapest one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ..compile.reuse import is_concrete
from ..errors import AutotraceError
from ..ir import Atom, Equation, Jaxpr, ShapedArray, has_backward_rule, program_cost
from ..tracing import run_all, trace
from .arguments import Leaves, Run, Selection
from .coloring import Coloring, color_bidirectional, color_columns, color_rows, color_symmetric
from .elimination import eliminated, of_scalars
from .pattern import Pattern
from .plan import Candidate, Plan, Price, Recipe, equation_seconds, fingerprint, seconds_of
from .recipes import Problem
from .sparsity import jaxpr_pattern
from .sweeps import Sweeps
from .waist import Bracket, Cut, bracketing, find_cuts, flowing

__all__ = ["FEWEST", "Options", "Started", "choose", "plan_key"]

FEWEST = 4
"""Directions: below, colours cannot save much."""
LONG = 300
"""Equations beyond which prices are told from programs of one direction: writing down batches would take too long."""
PATTERN_SECONDS = 2.5e-5
"""What finding the pattern takes for an equation, at least."""
DENSE_ENTRIES = 4_000_000
"""Entries beyond which a pattern that was not asked for is not written out."""


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
                for start, end in pairwise(cuts):
                    at = start if end_first else end
                    mark = len(record.equations)
                    program = sweeps.linear(start, end) if end_first else sweeps.backward(start, end)
                    once = list(record.equations[mark:])  # what the value did not compute, for any directions
                    if len(equations) > LONG:
                        prices.append(Price.of_long(once, program[0]))
                    else:
                        two, three = (written(sweep, start, end, at, k) for k in (2, 3))
                        prices.append(Price([*once, *two], [*once, *three]))
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
    equations = flowing(jaxpr, problem.inputs, problem.outputs)
    rows, columns = problem.shape
    kinds_in = {a.dtype.kind for a in problem.in_avals}
    kinds_out = {a.dtype.kind for a in problem.out_avals}
    real = kinds_in == kinds_out == {"f"} and problem.dtype() is not None
    cuts = find_cuts(jaxpr, problem.inputs, problem.outputs, equations)
    if not real or any(v.aval.dtype != problem.dtype() for cut in cuts for v in cut.vars):
        cuts = [cuts[0], cuts[-1]]
    backward = options.mode == "auto" and has_backward_rule(jaxpr)  # others would have to transpose it, if they can
    scalars = (
        real and not backward and of_scalars(equations, jaxpr.in_vars[: problem.inputs], options.mode == "elimination")
    )
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
        elimination = Candidate("elimination", "1", flops, moved, seconds, "Markowitz order", Recipe("elimination"))
    if backward:
        forward, mixed, elimination = (
            Candidate(c.mode, refused="a backward rule of the user's (ask for it by name)")
            for c in (forward, mixed, elimination)
        )
    dense = [forward, reverse, mixed, elimination]
    sparse = _sparse(
        problem, options, prices, forward, reverse, min([c.seconds for c in dense if not c.refused] or [0])
    )
    candidates = [*dense, sparse]
    if options.format != "dense":
        candidates = [_with_pattern(c, problem, options) for c in candidates]
    chosen, reason = _pick(candidates, options, problem)
    notes = []
    if any(e.primitive.effect and not e.outputs for e in started.run.jaxpr.equations):
        notes.append("Python asked for values: this is the program, and the pattern, of the path that was taken.")
    key = None
    if is_concrete(started.run.jaxpr, started.leaves.primals):
        key = plan_key(fingerprint(started.run.jaxpr)[0], started)
    taken = time.perf_counter() - begun
    return Plan(
        problem.name, started.what, key, (rows, columns), prices.primal, candidates, chosen, reason, notes, taken
    )


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
            f"{problem.name}: sparsity must have the shape of the whole Jacobian, {problem.shape}; got "
            f"{pattern.shape}. Give a row for each number of the output and a column for each of the argument."
        )
    return pattern


def _found_pattern(problem: Problem, limit: int | None) -> Pattern | None:
    jaxpr = problem.jaxpr.replace(outputs=problem.jaxpr.outputs[: problem.outputs])
    moving = [i < problem.inputs for i in range(len(jaxpr.in_vars))]
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
        if not asked and PATTERN_SECONDS * len(problem.jaxpr.equations) > max(0.05, 10 * best):
            return Candidate("sparse", refused="a pattern of so long a program is not looked for unasked")
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
                f"{problem.name}: mode {options.mode!r} must be one that can be had; got a function for which it "
                f"cannot: {chosen.refused}. Use mode='auto'."
            )
        return chosen, "asked for"
    if not had:
        raise TypeError(
            f"{problem.name}: a real function of complex arguments needs reverse mode, a complex one of real arguments "
            f"forward mode; got {', '.join(map(str, problem.in_avals))} to {', '.join(map(str, problem.out_avals))}, "
            "which needs both. Pass holomorphic=True, or split real and imaginary parts."
            if any(c.mode == "reverse" and "complex" in c.refused for c in candidates)
            else f"{problem.name}: {candidates[0].refused}"
        )
    # Prices that differ by rounding alone, which depends on how a version of Python sums, are equal: the first wins.
    chosen, *others = sorted(had, key=lambda c: round(c.seconds, 12))
    if not others:
        return chosen, f"{chosen.note}; no other mode can be had"
    ratio = others[0].seconds / max(chosen.seconds, 1e-12)
    return chosen, f"{chosen.note}; {ratio:.3g} times cheaper than {others[0].mode} ({others[0].note})"


def plan_key(structure: Any, started: Started) -> Any:
    """Return what tells calls apart that need plans of their own."""
    return structure, started.run.outputs, started.symmetric
