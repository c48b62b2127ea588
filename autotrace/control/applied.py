"""What equations have in common that apply one program to their operands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ..compile.program import Program
from ..ir import Jaxpr, Linear, Primitive, ShapedArray
from ..transforms.linear import transpose_jaxpr
from .programs import has_effect

__all__ = ["Applied"]


class Applied(Primitive, family=True):
    """``jaxpr`` applied to the operands. Each kind declares it, and a ``label``, among its parameters."""

    if TYPE_CHECKING:
        jaxpr: Jaxpr
        label: str
    multiple: ClassVar[bool] = True

    @cached_property
    def effect(self) -> bool:  # type: ignore[override]
        """Whether the program has equations that must be kept."""
        return has_effect(self.jaxpr)

    @cached_property
    def kernel(self) -> Program:
        """The program, compiled once it has run often enough."""
        return Program(self.jaxpr)

    def impl(self, *inputs: Any) -> Sequence[Any]:
        return self.kernel(*inputs)

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        return [page.call(targets, self.jaxpr, operands, self.label)]

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        if [(a.shape, a.dtype) for a in avals] != [(a.shape, a.dtype) for a in self.jaxpr.in_avals]:
            raise TypeError(f"{self.name}: operands must be {self.jaxpr.in_avals}; got {avals}.")
        return self.jaxpr.out_avals

    def transpose(self, cts: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
        linear = [type(x) is Linear for x in inputs]
        found = iter(transpose_jaxpr(self.jaxpr, cts, linear, [x for x in inputs if type(x) is not Linear]))
        return [next(found) if mark else None for mark in linear]
