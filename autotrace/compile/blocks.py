"""Loops and branches as the compiler sees them: programs, and which of their values are which.

Primitives of control flow stand on a floor above; each says through :meth:`Primitive.block` which of these it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn

from ..ir import Jaxpr

__all__ = ["Block", "Branches", "Repeated", "Rows", "programs_of"]


class Rows(NamedTuple):
    """``body`` once for each row: ``(consts, carry, row) -> (carry, row of ys)``.

    Operands are the constants, the first carry, with ``masked`` rows of truths, and the rows; a negative ``length`` is
    that of the rows.
    """

    body: Jaxpr
    consts: int
    carry: int
    length: int
    reverse: bool
    masked: bool


class Repeated(NamedTuple):
    """``body`` as long as ``condition`` holds: ``(consts, carry) -> (carry, row of ys)``.

    Operands are ``asked`` constants of the condition, ``consts`` of the body, and the first carry.
    """

    condition: Jaxpr
    body: Jaxpr
    asked: int
    consts: int
    room: Callable[[int], int]
    """How many rows of so many bytes may be kept."""
    refuse: Callable[[int, int], NoReturn]
    """What to call with the number of rows, and of bytes in each, where that is not enough."""


class Branches(NamedTuple):
    """The program of ``branches`` at the index, the first operand, on the other operands."""

    branches: tuple[Jaxpr, ...]


Block = Rows | Repeated | Branches


def programs_of(block: Block) -> tuple[Jaxpr, ...]:
    """Return the programs that a loop or branch runs."""
    if isinstance(block, Branches):
        return block.branches
    return (block.body,) if isinstance(block, Rows) else (block.condition, block.body)
