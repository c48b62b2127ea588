"""A line search for the strong Wolfe conditions: Nocedal and Wright (2006), algorithms 3.5 and 3.6 in one loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...control.flow import while_loop

__all__ = ["Accepted", "search"]

_DECREASE = 1e-4
_CURVATURE = 0.9
_TRIALS = 40


class Accepted(NamedTuple):
    """Where the search has ended: the step's length, value, gradient; trials, and whether the conditions hold."""

    length: Any
    value: Any
    gradient: Any
    trials: Any
    found: Any


class _Bracket(NamedTuple):
    """Low: the best length with enough decrease, its value and slope; high: the other end; bracketed: there is one."""

    low: Any
    low_value: Any
    low_slope: Any
    high: Any
    high_value: Any
    high_slope: Any
    bracketed: Any


def search(
    evaluate: Callable[[Any], tuple[Any, Any]], x: Any, value: Any, gradient: Any, p: Any, length: Any
) -> Accepted:
    """Search along ``p``, a direction of descent, from ``x``; the first trial has the given ``length``.

    The decrease is asked for up to the rounding of the value, without which no length satisfies the conditions near a
    minimum (Hager and Zhang 2005).
    """
    slope = gradient @ p
    slack = 10 * np.finfo(x.dtype).eps * np.abs(value)

    def goes_on(state: Any) -> Any:
        return ~state[1].found & (state[1].trials < _TRIALS)

    def step(state: Any) -> Any:
        bracket, last, trial = state
        new, grad = evaluate(x + trial * p)
        d = grad @ p
        enough = new <= value + _DECREASE * trial * slope + slack
        enough = enough & np.isfinite(d) & (~bracket.bracketed | (new <= bracket.low_value + slack))
        found = enough & (np.abs(d) <= -_CURVATURE * slope)
        narrowed = _narrowed(bracket, trial, new, d, enough)
        done = Accepted(trial, new, grad, last.trials + 1, found)
        return narrowed, done, _next(narrowed, trial)

    zero = np.zeros_like(value)
    bracket = _Bracket(zero, value, slope, zero, value, slope, np.False_)
    first = Accepted(zero, value, gradient, np.int64(0), np.False_)
    return while_loop(goes_on, step, (bracket, first, length.astype(value.dtype)))[1]


def _narrowed(old: _Bracket, trial: Any, value: Any, slope: Any, enough: Any) -> _Bracket:
    """Return the bracket after a trial: its new low end if it goes down enough, else its new high end."""
    # The minimum lies between low and the end that the slope at low points to.
    turn = np.where(old.bracketed, slope * (old.high - old.low) >= 0, slope >= 0)
    low, low_value, low_slope = (
        np.where(enough, a, b) for a, b in ((trial, old.low), (value, old.low_value), (slope, old.low_slope))
    )
    ends = ((old.low, trial, old.high), (old.low_value, value, old.high_value), (old.low_slope, slope, old.high_slope))
    high, high_value, high_slope = (np.where(enough, np.where(turn, a, c), b) for a, b, c in ends)
    return _Bracket(low, low_value, low_slope, high, high_value, high_slope, old.bracketed | ~enough | turn)


def _next(bracket: _Bracket, trial: Any) -> Any:
    """Return the next length: further out, or the minimum of the cubic through both ends, kept off them."""
    low, width = bracket.low, bracket.high - bracket.low
    safe = np.where(width == 0, np.ones_like(width), width)
    # Nocedal and Wright (3.59); what is not finite falls back to the middle.
    fine = np.isfinite(bracket.high_value) & np.isfinite(bracket.high_slope) & (width != 0)
    high_value = np.where(fine, bracket.high_value, bracket.low_value)
    high_slope = np.where(fine, bracket.high_slope, -bracket.low_slope)
    d1 = bracket.low_slope + high_slope - 3 * (high_value - bracket.low_value) / safe
    inside = d1 * d1 - bracket.low_slope * high_slope
    d2 = np.sign(safe) * np.sqrt(np.maximum(inside, 0))
    bottom = high_slope - bracket.low_slope + 2 * d2
    fine = fine & (inside >= 0) & (bottom != 0)
    share = 1 - (high_slope + d2 - d1) / np.where(fine, bottom, np.ones_like(bottom))
    share = np.where(fine, np.clip(share, 0.1, 0.9), 0.5)
    return np.where(bracket.bracketed, low + share * width, 4 * trial).astype(trial.dtype)
