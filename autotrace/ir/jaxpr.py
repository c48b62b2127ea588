"""The program: a typed list of equations from inputs to outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .avals import ShapedArray
from .equation import Atom, Equation, Var, used_vars
from .evaluate import eval_jaxpr
from .print import print_jaxpr

__all__ = ["Jaxpr"]


class Jaxpr:
    """A typed list of equations from ``in_vars`` to ``outputs``.

    ``const_vars`` name the arrays ``constants`` that the traced function closed over.
    A jaxpr is callable on its leaves: ``jaxpr(*arrays)`` returns the list of its outputs.
    """

    __slots__ = ("const_vars", "constants", "equations", "in_vars", "outputs")

    in_vars: tuple[Var, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Atom, ...]
    const_vars: tuple[Var, ...]
    constants: tuple[Any, ...]

    def __init__(
        self,
        in_vars: Iterable[Var],
        equations: Iterable[Equation],
        outputs: Iterable[Atom],
        const_vars: Iterable[Var] = (),
        constants: Iterable[Any] = (),
    ) -> None:
        values = (tuple(const_vars), tuple(constants), tuple(equations), tuple(in_vars), tuple(outputs))
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Jaxpr is immutable; got {name} = {value!r}. Use .replace(...).")

    def __reduce__(self) -> tuple[Any, ...]:
        return Jaxpr, (self.in_vars, self.equations, self.outputs, self.const_vars, self.constants)

    def replace(self, *, equations: Iterable[Equation] | None = None, outputs: Iterable[Atom] | None = None) -> Jaxpr:
        """Return this program with other ``equations`` or ``outputs``; unused constants are dropped."""
        new_equations = self.equations if equations is None else tuple(equations)
        new_outputs = self.outputs if outputs is None else tuple(outputs)
        used = used_vars(new_equations, new_outputs)
        kept = [(v, c) for v, c in zip(self.const_vars, self.constants, strict=True) if v in used]
        return Jaxpr(self.in_vars, new_equations, new_outputs, [v for v, _ in kept], [c for _, c in kept])

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        """The avals of the inputs."""
        return tuple(v.aval for v in self.in_vars)

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        """The avals of the outputs."""
        return tuple(atom.aval for atom in self.outputs)

    def __call__(self, *leaves: Any) -> list[Any]:
        return eval_jaxpr(self, *leaves)

    def __str__(self) -> str:
        return print_jaxpr(self)

    def __repr__(self) -> str:
        takes = ", ".join(map(str, self.in_avals))
        gives = ", ".join(map(str, self.out_avals))
        return f"<Jaxpr ({takes}) -> ({gives}), {len(self.equations)} equations>"
