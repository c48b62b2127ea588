"""Loops and branches as the compiler sees them: programs, and which of their values are which.

Primitives of control flow stand on a floor above; each says through :meth:`Primitive.block` which of these it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from ..ir import Atom, Equation, Jaxpr, Var

__all__ = ["Block", "Branches", "Repeated", "Roles", "Rows", "programs_of", "roles"]


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


class Roles(NamedTuple):
    """The operands of a loop, and its outputs, by what they are to it."""

    fixed: Sequence[Atom]
    """The constants, those of the condition first."""
    carry: Sequence[Atom]
    mask: Sequence[Atom]
    """The rows of truths, if there are any."""
    rows: Sequence[Atom]
    ends: Sequence[Var]
    """The carry after the last run."""
    ys: Sequence[Var]


def roles(equation: Equation) -> Roles:
    """Tell the operands and outputs of a loop by their roles."""
    block: Any = equation.primitive.block()
    is_rows = type(block) is Rows
    first = block.consts if is_rows else block.asked + block.consts
    count = block.carry if is_rows else len(block.body.in_vars) - block.consts
    mask = first + count
    rows = mask + (is_rows and block.masked)
    ins, outs = equation.inputs, equation.outputs
    return Roles(ins[:first], ins[first:mask], ins[mask:rows], ins[rows:], outs[:count], outs[count:])
