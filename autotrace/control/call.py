"""The call of a program as one equation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir import Jaxpr
from ..transforms.batching import batch_jaxpr
from ..transforms.forward import push_forward
from ..transforms.taylor import push_series
from .applied import Applied
from .programs import repeated

__all__ = ["Call"]


class Call(Applied):
    """``jaxpr`` applied to the operands. Transforms and the compiler write the program out in its place."""

    jaxpr: Jaxpr
    label: str

    def called(self) -> Jaxpr:
        return self.jaxpr

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return push_forward(self.jaxpr, primals, tangents)[1]

    def jet(self, order: int, inputs: Sequence[Any]) -> Sequence[Any]:
        return push_series(self.jaxpr, inputs, order)

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        outs, mapped = batch_jaxpr(self.jaxpr, size, inputs, batched)
        return [x if b else repeated(x, size) for x, b in zip(outs, mapped, strict=True)]
