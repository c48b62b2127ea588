"""Warnings that NumPy's functions give by their own words, which no arithmetic in a program would give."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ir import Operand, Primitive, ShapedArray
from ..tracing import bind
from .promotion import broadcast_to
from .series import carried

__all__ = ["Warn", "warn_where"]

Array = Any


class Warn(Primitive):
    """``x``; where any element of ``mask`` is true a ``RuntimeWarning`` is given, each time the program runs."""

    message: str
    effect: ClassVar[bool] = True
    view: ClassVar[bool] = True
    taylor = carried

    def impl(self, x: Array, mask: Array) -> Array:
        if np.any(mask):
            warnings.warn(self.message, RuntimeWarning, stacklevel=2)
        return x

    def abstract(self, x: ShapedArray, mask: ShapedArray) -> ShapedArray:
        return x.strong()

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        return tangents[0]

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array, None]:
        return ct, None

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        x, mask = inputs
        return bind(self, x if batched[0] else broadcast_to(x, (size, *x.shape)), mask)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0

    def reads(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> Sequence[int]:
        return [0, inputs[1].nbytes]

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return operands[0].dependence


def warn_where(x: Array, mask: Any, message: str) -> Array:
    """Return ``x``; if any of ``mask`` is true when the program runs, it warns. No equation if none ever is."""
    if isinstance(mask, bool | np.bool_ | np.ndarray) and not np.any(mask):
        return x
    return bind(Warn(message), x, mask)
