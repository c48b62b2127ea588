"""The dependence of what conditionals and loops give: the ``sparsity`` rules of ``cond``, ``scan`` and ``while``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import DYNAMIC, Dependence, Jaxpr, Operand, ShapedArray, entries_of, joined, united
from ..transforms.sparsity import through
from .loops import Parts

__all__ = ["sparsity_of_branches", "sparsity_of_loop", "sparsity_of_scan"]

_EQUATIONS = 10_000
"""A scan of so many equations in all its runs is followed run by run; a longer one as a loop of any length."""
_RUNS = 3
"""After so many runs that reach further, a value is taken to depend on everything in the loop."""

Found = list[Dependence | None]


def sparsity_of_branches(
    branches: Sequence[Jaxpr], owners: Sequence[int], operands: Sequence[Operand], outputs: Sequence[ShapedArray]
) -> Found:
    """Return that of one of several programs, which the first operand chooses; each output may have an owner."""
    index = operands[0].value
    if index is None:
        chosen = list(range(len(branches)))
    else:
        chosen = [min(max(int(index), 0), len(branches) - 1)]
    found = {k: through(branches[k], operands[1:]) for k in chosen}
    whole: Found = []
    for i, aval in enumerate(outputs):
        owner = owners[i] if owners else -1
        parts = [outs[i].dependence for k, outs in found.items() if owner in (-1, k)]
        whole.append(united(parts, _shape(aval)))
    return whole


def sparsity_of_scan(
    jaxpr: Jaxpr, operands: Parts, outputs: Sequence[ShapedArray], length: int, reverse: bool, masked: bool
) -> Found:
    """Return that of the last carry and the rows of a scan; a ``masked`` run may leave the carry as it was."""
    dynamic = length < 0 or any(DYNAMIC in x.shape for x in (*operands.consts, *operands.carry, *operands.xs))
    if dynamic or length * max(len(jaxpr.equations), 1) > _EQUATIONS:
        return sparsity_of_loop(jaxpr, operands, outputs)
    carry = list(operands.carry)
    count = len(carry)
    rows: list[list[Operand]] = [[]] * length
    for i in range(length - 1, -1, -1) if reverse else range(length):
        outs = through(jaxpr, [*operands.consts, *carry, *[_row(x, i) for x in operands.xs]])
        rows[i] = outs[count:]
        carry = [_kept(old, new, masked) for old, new in zip(carry, outs, strict=False)]
    found: Found = [x.dependence for x in carry]
    for k, aval in enumerate(outputs[count:]):
        column = [row[k].dependence for row in rows]
        some = any(d is not None for d in column)
        found.append(joined(column, [aval.shape[1:]] * length, _stacked) if some else None)
    return found


def _stacked(*rows: Any) -> Any:
    return np.stack(rows)


def _row(x: Operand, i: int) -> Operand:
    value = x.value
    row = x.dependence and x.dependence.mapped(lambda numbers: numbers[i])
    return Operand(ShapedArray(x.shape[1:], x.aval.dtype), row, lambda: None if value is None else value[i])


def _kept(old: Operand, new: Operand, masked: bool) -> Operand:
    """Return a part of the carry after a run. Known numbers, such as counters, stay known; inexact ones are let go."""
    if masked:
        both = united([old.dependence, new.dependence], old.shape)
        return Operand(old.aval, both, _unknown)
    value = None if new.aval.inexact else new.value
    return Operand(old.aval, new.dependence, lambda: value)


def _unknown() -> None:
    return None


def sparsity_of_loop(jaxpr: Jaxpr, operands: Parts, outputs: Sequence[ShapedArray]) -> Found:
    """Return that of the last carry and the rows of a loop of any length, no run included.

    The least dependence that a run does not change would be exact. Where it is not reached within a few runs, what
    still grows is taken to depend on all that anything in the loop depends on.
    """
    inside = jaxpr.in_avals
    rows = [_any_row(x, aval) for x, aval in zip(operands.xs, inside[len(inside) - len(operands.xs) :], strict=True)]
    found = [x.dependence for x in operands.carry]
    count = len(found)
    given = [*operands.consts, *operands.carry, *rows]
    wholes = [x.dependence.everywhere(()) for x in given if x.dependence is not None]
    everything = united(wholes, ())
    shapes = [_shape(aval) for aval in inside[len(operands.consts) :][:count]]
    run = 0
    while True:
        carry = [Operand(x.aval, d, _unknown) for x, d in zip(operands.carry, found, strict=True)]
        outs = [x.dependence for x in through(jaxpr, [*operands.consts, *carry, *rows])]
        grown = [united([old, new], s) for old, new, s in zip(found, outs, shapes, strict=False)]
        more = [_differs(old, new) for old, new in zip(found, grown, strict=True)]
        if not any(more):
            break
        run += 1
        if run > _RUNS and everything is not None:
            grown = [everything.broadcast(s) if m else d for d, m, s in zip(grown, more, shapes, strict=True)]
        found = grown
    for d, aval in zip(outs[count:], outputs[count:], strict=True):
        if d is not None:
            d = d.everywhere(()) if DYNAMIC in aval.shape else d.broadcast(aval.shape)
        found.append(d)
    return found


def _any_row(x: Operand, aval: ShapedArray) -> Operand:
    """Return what may be any row of ``x``."""
    d = x.dependence
    if d is not None:
        d = d.everywhere(aval.shape) if DYNAMIC in x.shape else d.reduced((0,))
    return Operand(aval, d, _unknown)


def _shape(aval: ShapedArray) -> tuple[int, ...]:
    """Return the shape of the dependence of a value: none where a length is unknown."""
    return () if DYNAMIC in aval.shape else aval.shape


def _differs(old: Dependence | None, new: Dependence | None) -> bool:
    if old is None or new is None:
        return new is not old
    if len(old.layers) == len(new.layers) and all(a.same(b) for a, b in zip(old.layers, new.layers, strict=True)):
        return False
    return entries_of([old])[0].size != entries_of([new])[0].size
