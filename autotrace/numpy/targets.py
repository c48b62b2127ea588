"""``out=`` of every function that has it: the result is written into a traced array, by one rule for all."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from ..tracing import FUNCTIONS, Tracer, full_name, here
from .ufuncs import store

__all__ = ["honour_out"]


_BROADCASTING = {"np.clip", "clip", "np.fix", "np.isposinf", "np.isneginf"}
"""Functions that are ufuncs at heart: their result is broadcast to a larger target."""


def honour_out() -> None:
    """Let all functions and methods registered so far that name a parameter ``out`` store their result there.

    They are called without it and need not look at it.
    """
    for numpy_function, ours in FUNCTIONS.items():
        if _takes_out(ours):
            FUNCTIONS[numpy_function] = _storing(full_name(numpy_function), ours)
    for name, ours in list(vars(Tracer).items()):
        if _takes_out(ours):
            setattr(Tracer, name, _storing(name, ours))


def _takes_out(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and "out" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _storing(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, its result stored in ``out`` where that is given, by place or by name."""
    code: Any = function.__code__
    place = code.co_varnames.index("out")
    last = place if place < code.co_argcount else 1_000

    def stored(*args: Any, **kwargs: Any) -> Any:
        if len(args) <= last and "out" not in kwargs:
            return function(*args, **kwargs)
        out = kwargs.pop("out", None)
        if len(args) > last:
            out, args = args[last], (*args[:last], None, *args[last + 1 :])
        result = function(*args, **kwargs)
        if out is None:
            return result
        if np.shape(out) != np.shape(result) and name not in _BROADCASTING:
            raise ValueError(
                f"{name}: output parameter has the wrong shape; got {np.shape(out)} for a result of "
                f"{np.shape(result)}{here()}. Make it with the shape of the result."
            )
        return store(name, out, result)

    update_wrapper(stored, function)
    return stored
