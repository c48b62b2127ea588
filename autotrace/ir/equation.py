"""The parts of a program: Var, Literal, Equation. Immutable, slotted, in static single assignment."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from .avals import ShapedArray, aval_of
from .primitive import Primitive
from .source import Source, saved

__all__ = ["Atom", "Equation", "Literal", "Var", "used_vars"]


class Var:
    """A name that is given a value once. Its identity is the name; ``hint`` is what the user calls it, where set."""

    __slots__ = ("aval", "hint")

    aval: ShapedArray
    hint: str

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"Var({self.aval})"


_NUMBERS = (np.float64, float, int, bool)
"""Types whose hash is as good as that of their text, NaN aside, and ten times as fast."""


class Literal:
    """A number written into the program. Compares and hashes by value and aval (and sign of zero)."""

    __slots__ = ("aval", "value")

    def __init__(self, value: Any, aval: ShapedArray | None = None) -> None:
        self.value = value
        self.aval = aval_of(value) if aval is None else aval

    def _key(self) -> tuple[Any, ...]:
        return self.aval.dtype, repr(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._key() == other._key()

    def __hash__(self) -> int:
        value = self.value
        return hash(value) if type(value) in _NUMBERS and value == value else hash(repr(value))

    def __repr__(self) -> str:
        return f"Literal({self.value!r})"


Atom = Var | Literal


class Equation(NamedTuple):
    """``outputs = primitive inputs``, and the place in the user's code that asked for it."""

    primitive: Primitive
    inputs: tuple[Atom, ...]
    outputs: tuple[Var, ...]
    source: Source | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Save the place in plain words: code objects do not pickle."""
        return Equation, (self.primitive, self.inputs, self.outputs, saved(self.source))

    def __deepcopy__(self, memo: dict[int, Any]) -> Equation:
        return Equation(self.primitive, deepcopy(self.inputs, memo), deepcopy(self.outputs, memo), self.source)

    @property
    def params(self) -> dict[str, Any]:
        """The static parameters of the primitive."""
        return self.primitive.params


def used_vars(equations: Iterable[Equation], outputs: Iterable[Atom]) -> set[Atom]:
    """Return every atom that an equation or an output reads."""
    used: set[Atom] = {atom for atom in outputs if type(atom) is Var}
    for equation in equations:
        used.update(atom for atom in equation.inputs if type(atom) is Var)
    return used
