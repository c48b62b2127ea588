"""Values that hold only if a solver has converged: what must not be used otherwise is refused when the program runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..control.programs import repeated
from ..errors import ConvergenceError
from ..ir import Linear, Operand, Primitive, ShapedArray, here
from ..primitives.series import carried
from ..tracing import bind

__all__ = ["Checked", "Passing", "checked", "demand"]


def demand(ok: Any, figure: Any, message: str) -> None:
    """Raise ``ConvergenceError`` unless all of ``ok``; ``message`` has fields for the worst ``figure`` and the line."""
    if not np.all(ok):
        failed = np.asarray(figure)[~np.asarray(ok)] if np.shape(figure) == np.shape(ok) else np.ravel(figure)
        raise ConvergenceError(message.format(f"{np.max(failed):.3g}", here()))


class Passing(Primitive, family=True):
    """The first operand, if what the others say of it is right; else an error. Linear in it, and its own transpose.

    It is no effect, which loops would have to keep in order: whoever uses it, its tangent or its cotangent is told.
    """

    view: ClassVar[bool] = True
    taylor = carried

    def abstract(self, x: ShapedArray, *avals: ShapedArray) -> ShapedArray:
        return x.strong()

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], output: Any) -> Any:
        return None if tangents[0] is None else bind(self, tangents[0], *primals[1:])

    def vjp(self, ct: Any, output: Any, inputs: Sequence[Any], wanted: Sequence[bool]) -> Sequence[Any]:
        return self.transpose(ct, inputs)

    def transpose(self, ct: Any, inputs: Sequence[Any]) -> Sequence[Any]:
        if any(type(x) is Linear for x in inputs[1:]):
            return super().transpose(ct, inputs)
        return (bind(self, ct, *inputs[1:]), *[None] * (len(inputs) - 1))

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Any:
        return bind(self, inputs[0] if batched[0] else repeated(inputs[0], size), *inputs[1:])

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return operands[0].dependence


class Checked(Passing):
    """``x``, if all of ``ok`` is true; else an error that shows ``figure``."""

    message: str

    def impl(self, x: Any, ok: Any, figure: Any) -> Any:
        demand(ok, figure, self.message)
        return x

    def spell_lines(self, page: Any, targets: Sequence[str], x: Any, ok: Any, figure: Any) -> list[str]:
        text = self.message.format("another", "")
        return [f"if not {page.module('numpy')}.all({ok}):", f"    raise RuntimeError({text!r})", f"{targets[0]} = {x}"]


def checked(x: Any, ok: Any, figure: Any, message: str) -> Any:
    """Return ``x``, which it is an error to use unless ``ok``; see :func:`demand`."""
    return bind(Checked(message), x, ok, figure)
