"""Traced values that rules of the user's own close over: found, and replaced by other values while the rule runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType, MethodType
from typing import Any

from ..tracing import Tracer, evaluate, leaf_aval, trace
from ..tracing.tracer import CALLER
from ..tree import tree_leaves
from .rules import WithRule

__all__ = ["standing_for", "traced_in"]


def traced_in(*things: Any) -> list[Tracer]:
    """Return the traced values that functions, or trees of them, hold: in closures, defaults and bound arguments."""
    found: list[Tracer] = []
    seen: set[int] = set()
    stack = list(things)
    while stack:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if type(x) is Tracer:
            found.append(x)
        else:
            stack.extend(_held(x))
    return found


def standing_for(
    held: Sequence[Tracer], values: Sequence[Any], function: Callable[[], list[Any]], what: str
) -> list[Any]:
    """Return what ``function`` does while the traced values ``held`` that it closes over stand for ``values``.

    The trace in which they were made may have ended: what was recorded there may run much later, or for a batch.
    ``function`` returns a list of values and None.
    """
    if not held:
        return function()
    some: list[bool] = []

    def flat(tracers: list[Any]) -> list[Any]:
        before = [(x._trace, x._var, getattr(x, "_alias", CALLER)) for x in held]
        try:
            for x, tracer in zip(held, tracers, strict=True):
                x._trace, x._var, x._alias = tracer._trace, tracer._var, CALLER
            found = [Tracer(y._trace, y._var) if type(y) is Tracer else y for y in function()]
        finally:
            for x, state in zip(held, before, strict=True):
                x._trace, x._var, x._alias = state
        some[:] = [y is not None for y in found]
        return [y for y in found if y is not None]

    traced = trace(flat, [leaf_aval(x) for x in values], values, what)
    rest = iter(evaluate(traced.jaxpr, values, traced.values))
    return [next(rest) if m else None for m in some]


def _held(x: Any) -> Iterable[Any]:
    if isinstance(x, FunctionType):
        cells = [cell.cell_contents for cell in x.__closure__ or () if _is_filled(cell)]
        return [*cells, *(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values()]
    if isinstance(x, functools.partial):
        return [x.func, *x.args, *x.keywords.values()]
    if isinstance(x, MethodType):
        return [x.__func__, x.__self__]
    if isinstance(x, WithRule):
        return vars(x).values()
    if type(x).__module__.startswith("autotrace.") and hasattr(x, "__wrapped__"):
        return [x.__wrapped__]
    if isinstance(x, tuple | list | dict):
        return tree_leaves(x)
    return ()


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  asking is the test
    except ValueError:
        return False
    return True
