"""Rules ``taylor`` that many primitives share. A series is the list of its Taylor coefficients; None is zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["carried", "convolved", "difference"]

Array = Any


def carried(self: Any, k: int, inputs: Sequence[Sequence[Array]], outputs: Any) -> Any:
    """Return coefficient k of an operation that is linear, or is so piece by piece: it moves as a tangent does.

    To be used as a rule: ``taylor = carried``.
    """
    moving = [x[k] for x in inputs]
    if all([t is None for t in moving]):
        return [None] * len(outputs) if self.multiple else None
    return self.jvp([x[0] for x in inputs], moving, [y[0] for y in outputs] if self.multiple else outputs[0])


def convolved(
    product: Callable[[Array, Array], Array], x: Sequence[Array], y: Sequence[Array], k: int, first: int = 0
) -> Array:
    """Return Leibniz's sum of ``product(x[j], y[k - j])`` for j = first, ..., k; None, which is zero, if it is empty.

    From j = 0 on it is coefficient k of a product, for any ``product`` that is linear in either operand.
    """
    total: Array = None
    for a, b in zip(x[first : k + 1], reversed(y[: k + 1 - first]), strict=True):
        if a is not None and b is not None:
            term = product(a, b)
            total = term if total is None else total + term
    return total


def difference(x: Array, y: Array) -> Array:
    """Return x - y, where None is zero."""
    return x if y is None else -y if x is None else x - y
