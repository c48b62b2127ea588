"""Where an equation comes from: a place in the user's code.

A place is kept as the tuple ``(code, offset, phase)`` of a code object, a bytecode offset and one of the
phases below: that costs a tenth of a microsecond per equation; the line is looked up only when asked for.
After pickling, ``code`` is a :class:`Place`, which answers the same questions.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "COTANGENT",
    "PRIMAL",
    "SOURCE",
    "TANGENT",
    "Place",
    "Source",
    "deriving",
    "here",
    "in_phase",
    "located",
    "phase_name",
    "place",
    "raised_at",
    "saved",
    "user_source",
]

PRIMAL, TANGENT, COTANGENT = "", "tangent", "cotangent"

Source = tuple[Any, int, str]

SOURCE: ContextVar[Source | None] = ContextVar("autotrace_source", default=None)
"""While an interpreter rewrites an equation: that equation's source, which new equations inherit."""

_HIDDEN = (
    os.path.dirname(os.path.dirname(__file__)) + os.sep,
    os.path.dirname(np.__file__) + os.sep,
    os.path.join(os.path.dirname(os.path.dirname(np.__file__)), "scipy") + os.sep,
    "<frozen ",
    "<autotrace ",  # programs that the compiler has written
    os.path.join(os.path.dirname(os.__file__), "runpy.py"),  # Python's own start, which is frozen since 3.11
)
"""Where frames are not the user's: this library, NumPy, SciPy, which is installed beside it, and Python's own start."""
_is_hidden: dict[str, bool] = {}


class Place(NamedTuple):
    """A place in a file, free of code objects so that it can be saved."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line} ({self.function})"


def user_source() -> Source | None:
    """Return the place of the innermost running frame outside this library and NumPy; both callers are inside."""
    frame = sys._getframe(3)
    while True:
        code = frame.f_code
        name = code.co_filename
        hidden = _is_hidden.get(name)
        if hidden is None:
            hidden = _is_hidden[name] = name.startswith(_HIDDEN)
        if not hidden:
            return (code, frame.f_lasti, PRIMAL)
        outer = frame.f_back
        if outer is None:
            return None
        frame = outer


def here() -> str:
    """Return the user's line for a message, `` at file:line``: of the equation being rewritten, or the running one."""
    return located(place(SOURCE.get() or user_source()))


def located(where: Place | None) -> str:
    """Return a place for a message, `` at file:line``; nothing of no place."""
    return f" at {where.file}:{where.line}" if where else ""


def raised_at(error: BaseException) -> str:
    """Return the line of the user's code in which ``error`` was raised, as `` at file:line``."""
    where, step = "", error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith(_HIDDEN):
            where = f" at {file}:{step.tb_lineno}"
        step = step.tb_next
    return where


def place(source: Source | None) -> Place | None:
    """Resolve ``source`` to file, line and function."""
    if source is None:
        return None
    code, offset, _ = source
    if isinstance(code, Place):
        return code
    return Place(code.co_filename, _line(code, offset), getattr(code, "co_qualname", code.co_name))


def saved(source: Source | None) -> Source | None:
    """Return ``source`` without its code object, so that it can be saved."""
    where = place(source)
    return None if where is None or source is None else (where, 0, source[2])


def _line(code: CodeType, offset: int) -> int:
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return line
    return code.co_firstlineno


def in_phase(source: Source | None, phase: str) -> Source | None:
    """Return ``source`` marked as belonging to ``phase`` of a derivative."""
    if source is None or source[2] == phase:
        return source
    return (source[0], source[1], phase)


def phase_name(source: Source | None) -> str:
    """Return the phase of a place in words: ``"primal"``, ``"tangent"``, ``"cotangent"``."""
    return (source[2] if source is not None else PRIMAL) or "primal"


@contextmanager
def deriving(source: Source | None) -> Iterator[None]:
    """Let equations recorded inside inherit ``source``; restored after an exception too."""
    token = SOURCE.set(source)
    try:
        yield
    finally:
        SOURCE.reset(token)
