"""What the rules of special functions share.

SciPy's functions here are its ufuncs, taken from where they are defined: with ``SCIPY_ARRAY_API=1`` the
public module holds wrappers in their place. A rule calls them as NumPy's functions are called elsewhere: on
arrays that is direct, on traced values it comes back to the primitives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np
from scipy.special import _ufuncs as sc

from ...errors import MissingRuleError
from ...ir import ShapedArray, here
from ...primitives.families import Array, Binary, Elementwise, Predicate, Unary, elementwise
from ...primitives.promotion import quick_function
from ...tracing import implements

__all__ = [
    "Array",
    "Binary",
    "Part",
    "Predicate",
    "Ternary",
    "Unary",
    "elementwise",
    "fixed",
    "like",
    "parts",
    "polynomial",
    "quick_function",
    "real_only",
    "sc",
]


class Ternary(Elementwise, family=True):
    """Three operands: ``scale_x(t, x, y, z, w)``, ``scale_y`` and ``scale_z``, where w is the value."""

    scales: ClassVar[tuple[str, ...]] = ("scale_x", "scale_y", "scale_z")
    required: ClassVar[tuple[str, ...]] = (*Elementwise.required, "scale_x", "scale_y", "scale_z")


def parts(family: type[Part]) -> list[Callable[..., Array]]:
    """Return the public function of each output of a ufunc, and let the ufunc itself return all of them."""
    functions = [quick_function(family(part), 1) for part in range(family.ufunc.nout)]
    implements(family.ufunc)(lambda x: tuple([function(x) for function in functions]))
    return functions


class Part(Unary, family=True):
    """One of the several outputs of a ufunc, that of number ``part``; what is not asked for is not
    computed.
    """

    part: int

    def impl(self, x: Array) -> Array:
        return self.ufunc(x)[self.part]


def fixed(name: str, argument: str) -> Callable[..., NoReturn]:
    """Make the rule of an ``argument`` in which no derivative is offered: it says so, and never gives a
    zero.
    """

    def refuse(self: Any, t: Array, *operands: Array) -> NoReturn:
        raise MissingRuleError(
            f"{name}: has no derivative in {argument} here, for which no closed form is known; "
            f"a derivative through {argument} was asked for{here()}. "
            f"Keep {argument} constant, or pass it through stop_gradient."
        )

    return refuse


def real_only(name: str, x: Array) -> None:
    """Raise ``MissingRuleError`` where the derivative exists for real ``x`` only."""
    if x.dtype.kind == "c":
        raise MissingRuleError(
            f"{name}: is not complex differentiable; got {ShapedArray(x.shape, x.dtype)}{here()}. "
            "Use the function without its scaling, or real arguments."
        )


def like(order: Array, x: Array) -> Array:
    """Return an order, perhaps an integer, as a number of the precision of ``x``."""
    return np.asarray(order, x.real.dtype)[()] if not hasattr(order, "aval") else order.astype(x.real.dtype)


def polynomial(coefficients: Sequence[float], x: Array) -> Array:
    """Evaluate the polynomial with ``coefficients``, of the constant first, by Horner's rule."""
    total: Array = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * x + c
    return total
