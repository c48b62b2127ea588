"""The solver behind odeint: from the first state to the states at all times, with step sizes of its own.

It is one while loop, of a run for each step; output times within a step are served by a loop in it. There are two ways.
The plain one tries a step and keeps it or not. The one that is differentiated first looks for a step size that is
accepted, which has no derivative, and then makes that step: so nothing of a rejected step, whose values may have
overflowed, takes part in a derivative, and reverse mode keeps accepted steps alone.

No loop around it may be run twice to get at values of this one: rounding may then make other steps, to which what was
kept of the first run does not belong. So the loop over steps is the outer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..control.flow import while_loop
from ..errors import IntegrationError
from ..ir import Jaxpr, here
from ..tracing import bind, evaluate
from ..transforms.batching import vmap
from ..transforms.stop import stop_gradient
from .checked import Passing
from .dormand_prince import (
    State,
    dense_output,
    error_norm,
    factor_of,
    initial_step,
    interpolate,
    shifted,
    step,
)

__all__ = ["Problem", "Reached", "check_order", "solve"]

Array = Any


class Problem(NamedTuple):
    """What is to be solved, and how well."""

    field: Jaxpr
    """From the leaves of the state, the time and the parameters to the derivatives of those leaves."""
    states: int
    """The number of leaves of the state."""
    rtol: float
    atol: float
    mxstep: int
    hmax: float
    timed: bool
    """Whether derivatives in the times may be asked for."""


class Progress(NamedTuple):
    """Where a solution stands after a step."""

    t: Array
    y: State
    k: State
    """The derivative of ``y``."""
    h: Array
    """The size of the next step to try."""
    rejected: Array
    """Whether the last step that was tried was rejected."""
    tries: Array
    """How many steps were tried since the last output time."""
    done: Array
    """How many output times were reached."""
    outputs: list[Array]
    """The states there, stacked; zeros at those to come."""


class Attempt(NamedTuple):
    """A step that was tried."""

    y: State
    stages: list[State]
    size: Array
    t: Array
    """The time after it."""
    accepted: Array
    h: Array
    """The size to try next."""


class Solver:
    """Solves one problem on values: plain, or in the way that is differentiated."""

    def __init__(self, problem: Problem, ts: Array, params: Sequence[Array], differentiable: bool) -> None:
        self.problem = problem
        self.params = params
        self.differentiable = differentiable
        self.ts = ts
        self.end = ts[-1]
        self.direction = np.where(ts[-1] < ts[0], -1.0, 1.0).astype(ts.dtype)
        eps = float(np.finfo(ts.dtype).eps)
        self.tiny = 8 * eps * np.maximum(np.abs(ts[0]), np.abs(ts[-1]))
        """A step that is smaller does not change the time by much more than rounding does."""

    def field(self, y: State, t: Array) -> State:
        """Return the derivative."""
        return self._field(y, t, self.params)

    def _field(self, y: State, t: Array, params: Sequence[Array]) -> State:
        jaxpr, count = self.problem.field, self.problem.states
        return list(evaluate(jaxpr, [*y, t.astype(jaxpr.in_avals[count].dtype), *params]))

    def still_field(self, y: State, t: Array) -> State:
        """Return the derivative without derivatives of its own."""
        return self._field(y, t, stop_gradient(list(self.params)))

    def first(self, y: State) -> Progress:
        """Return the progress before the first step."""
        problem, t = self.problem, self.ts[0]
        k = self.field(y, t)
        span = self.direction * (self.end - t)
        longest = np.minimum(span, problem.hmax)
        still_y, still_k = stop_gradient((y, k))
        h = initial_step(self.still_field, t, still_y, still_k, self.direction, longest, problem.rtol, problem.atol)
        h = np.maximum(h, 2 * self.tiny)  # NaN stays
        now = self.ts == t
        outputs = [np.where(np.reshape(now, (*now.shape, *[1] * x.ndim)), x, np.zeros_like(x)) for x in y]
        return Progress(t, y, k, h, np.False_, np.int64(0), np.sum(now).astype(np.int64), outputs)

    def attempt(self, field: Any, t: Array, y: State, k: State, h: Array, rejected: Array) -> Attempt:
        """Try a step of size ``h``, or to the end."""
        problem = self.problem
        left = self.direction * (self.end - t)
        last = (h >= left) | (left <= self.tiny)
        size = np.where(last, left, h)
        after = np.where(last, self.end, t + self.direction * size)
        y_new, stages = step(field, t, after, y, self.direction * size, k)
        error = error_norm(y, y_new, size, stages, problem.rtol, problem.atol)
        accepted = (error <= 1) | ((left <= self.tiny) & np.isfinite(error))
        h = np.minimum(size * factor_of(error, rejected), problem.hmax)
        return Attempt(y_new, stages, size, after, accepted, h)

    def goes_on(self, t: Array, h: Array, tries: Array) -> Array:
        """Tell whether another step may be tried: not too many were, and ``h`` is neither too small nor NaN."""
        left = self.direction * (self.end - t)
        return (tries < self.problem.mxstep) & ((h > self.tiny) | ((left <= self.tiny) & (h > 0)))

    def advance(self, now: Progress) -> Progress:
        """Try a step, and go on from its end if it is accepted."""
        tried = self.attempt(self.field, now.t, now.y, now.k, now.h, now.rejected)
        after = now._replace(h=tried.h, rejected=~tried.accepted, tries=now.tries + 1)
        after = self.output(after, tried.y, tried.stages, tried.size, np.where(tried.accepted, tried.t, now.t))
        pairs = zip([*tried.y, *tried.stages[-1]], [*now.y, *now.k], strict=True)
        kept = [np.where(tried.accepted, a, b) for a, b in pairs]
        count = len(now.y)
        return after._replace(y=kept[:count], k=kept[count:])

    def advance_surely(self, now: Progress) -> Progress:
        """Find a step that is accepted, and make it. If there is none, the step has size 0."""
        t, (y, k) = now.t, stop_gradient((now.y, now.k))

        def search(state: Any) -> Any:
            h, rejected, tries, _, _, _ = state
            tried = self.attempt(self.still_field, t, y, k, h, rejected)
            return tried.h, ~tried.accepted, tries + 1, tried.accepted, tried.size, tried.t

        def searching(state: Any) -> Any:
            h, _, tries, accepted, _, _ = state
            return ~accepted & self.goes_on(t, h, tries)

        begin = (now.h, now.rejected, now.tries, np.False_, np.zeros_like(t), t)
        h, rejected, tries, accepted, size, end = stop_gradient(while_loop(searching, search, begin))
        size, end = np.where(accepted, size, 0.0), np.where(accepted, end, t)
        y_new, stages = step(self.field, t, end, now.y, self.direction * size, now.k)
        after = now._replace(h=h, rejected=rejected, tries=tries)
        after = self.output(after, y_new, stages, size, end)
        return after._replace(y=y_new, k=stages[-1])

    def output(self, now: Progress, y_new: State, stages: list[State], size: Array, end: Array) -> Progress:
        """Write down the states at output times up to ``end``, within a step from ``now`` to ``y_new``."""
        terms = dense_output(now.y, y_new, self.direction * size, stages)
        last = len(self.ts) - 1
        some = np.where(size > 0, self.direction * size, 1.0)

        def target(done: Array) -> Array:
            return self.ts[np.minimum(done, last)]

        def due(state: Any) -> Any:
            return (state[0] <= last) & (self.direction * (target(state[0]) - end) <= 0)

        def write(state: Any) -> Any:
            done, outputs, _ = state
            found = interpolate(terms, (target(done) - now.t) / some)
            # rows are added to zeros, not set: then nothing is to be done for the others in reverse mode
            return done + 1, [ys.at[done].add(x) for ys, x in zip(outputs, found, strict=True)], np.int64(0)

        done, outputs, tries = while_loop(due, write, (now.done, now.outputs, now.tries))
        return now._replace(t=end, done=done, outputs=outputs, tries=tries)

    def run(self, y: State) -> list[Array]:
        """Return the states at all times, stacked; the program raises if the last is not reached."""
        advance = self.advance_surely if self.differentiable else self.advance

        def running(now: Progress) -> Any:
            return (now.done < len(self.ts)) & self.goes_on(now.t, now.h, now.tries)

        end = while_loop(running, advance, self.first(y))
        finite: Any = np.True_
        for k in end.k:
            finite = finite & np.all(np.isfinite(stop_gradient(k)))
        reason = np.where(end.tries >= self.problem.mxstep, TOO_MANY, np.where(finite, TOO_SMALL, NOT_FINITE))
        reason = np.where(end.done < len(self.ts), reason, FINE)
        target = self.ts[np.minimum(end.done, len(self.ts) - 1)]
        return [bind(Reached(), ys, reason, end.t, target, end.tries) for ys in end.outputs]


def solve(problem: Problem, y: State, ts: Array, params: Sequence[Array], differentiable: bool) -> list[Array]:
    """Return the states at all times, stacked.

    The times inside the solver are constants, as the step sizes are. Derivatives in them come from :func:`shifted`,
    which starts at the true first time and ends at the true output time.
    """
    still = stop_gradient(ts)
    solver = Solver(problem, still, params, differentiable)
    if not (problem.timed and differentiable):
        return solver.run(y)
    found = solver.run(shifted(solver.field, y, ts[0], still[0] - ts[0]))
    return list(vmap(lambda x, t, h: shifted(solver.field, x, t, h))(found, still, ts - still))


FINE, TOO_MANY, TOO_SMALL, NOT_FINITE, NO_ORDER = range(5)


class Reached(Passing):
    """``x``; but raises if ``reason`` says that the solution did not get to the time ``target``."""

    def impl(self, x: Array, reason: Array, t: Array, target: Array, tries: Array) -> Array:
        if np.any(reason):
            row = int(np.argmax(np.atleast_1d(reason) > 0))  # the first one of a batch
            _refuse(*[np.ravel(v)[row if np.ndim(v) else 0] for v in (reason, t, target, tries)])
        return x

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        x, reason, t = operands[:3]
        message = "odeint: the solution cannot be continued from t = "
        return [
            f"if {page.module('numpy')}.any({reason}):",
            f"    raise ArithmeticError({message!r} + str({t}))",
            f"{targets[0]} = {x}",
        ]


def _refuse(reason: Any, t: Any, target: Any, tries: Any) -> None:
    """Raise what ``reason`` means."""
    where = here()
    if reason == NO_ORDER:
        raise ValueError(
            "odeint: the times must be finite and not change direction; got times that do not"
            f"{where}. Sort them: np.sort(t)."
        )
    if reason == TOO_MANY:
        raise IntegrationError(
            f"odeint: t = {target:.9g} must be reached within mxstep steps; got {tries} of them from the output time "
            f"before up to t = {t:.9g}{where}. Raise mxstep or the tolerances; a stiff equation needs another method."
        )
    if reason == TOO_SMALL:
        raise IntegrationError(
            f"odeint: steps must change the time by more than rounding does; got one that does not at t = {t:.9g}, on "
            f"the way to t = {target:.9g}{where}. Look for a singularity there, or for NaN from func."
        )
    raise IntegrationError(
        f"odeint: func must give finite derivatives; got NaN or infinity at t = {t:.9g}{where}. "
        "Look at func and its arguments there."
    )


def check_order(ts: Array) -> Array:
    """Return the times; raises unless they are finite and monotone, when the program runs if they are traced."""
    still = stop_gradient(ts)
    change = np.diff(still)
    unsorted = (np.any(change > 0) & np.any(change < 0)) | ~np.all(np.isfinite(still))
    return bind(Reached(), ts, np.where(unsorted, NO_ORDER, FINE), still[0], still[-1], np.int64(0))
