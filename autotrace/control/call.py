"""The call of a program as one equation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from ..compile.program import Program
from ..ir import Jaxpr, Linear, Primitive, ShapedArray
from ..primitives.promotion import broadcast_to
from ..transforms.batching import batch_jaxpr
from ..transforms.forward import push_forward
from ..transforms.linear import transpose_jaxpr
from ..transforms.taylor import push_series

__all__ = ["Call"]


class Call(Primitive):
    """``jaxpr`` applied to the operands. Transforms and the compiler write the program out in its place."""

    jaxpr: Jaxpr
    label: str
    multiple: ClassVar[bool] = True

    @cached_property
    def effect(self) -> bool:  # type: ignore[override]
        """Whether the program has equations that must be kept."""
        return any(equation.primitive.effect for equation in self.jaxpr.equations)

    @cached_property
    def kernel(self) -> Program:
        """The program, compiled once it has run often enough."""
        return Program(self.jaxpr)

    def called(self) -> Jaxpr:
        return self.jaxpr

    def impl(self, *inputs: Any) -> Sequence[Any]:
        return self.kernel(*inputs)

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        return [page.call(targets, self.jaxpr, operands, self.label)]

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        if tuple((a.shape, a.dtype) for a in avals) != tuple((a.shape, a.dtype) for a in self.jaxpr.in_avals):
            raise TypeError(f"call: operands must be {self.jaxpr.in_avals}; got {avals}.")
        return self.jaxpr.out_avals

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return push_forward(self.jaxpr, primals, tangents)[1]

    def jet(self, order: int, inputs: Sequence[Any]) -> Sequence[Any]:
        return push_series(self.jaxpr, inputs, order)

    def transpose(self, cts: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
        linear = [type(x) is Linear for x in inputs]
        fixed = [x for x in inputs if type(x) is not Linear]
        found = iter(transpose_jaxpr(self.jaxpr, cts, linear, fixed))
        return [next(found) if mark else None for mark in linear]

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        outs, mapped = batch_jaxpr(self.jaxpr, size, inputs, batched)
        return [x if b else _repeat(x, size) for x, b in zip(outs, mapped, strict=True)]

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return sum(
            e.primitive.flops([v.aval for v in e.inputs], [v.aval for v in e.outputs]) for e in self.jaxpr.equations
        )


def _repeat(x: Any, size: int) -> Any:
    return broadcast_to(x, (size, *x.shape))
