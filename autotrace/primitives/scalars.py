"""Elements as Python numbers: ``x.item()`` and ``x.tolist()``.

NumPy gives an ``int`` or a ``float`` here, which adapts to the dtype that it meets (NEP 50). A traced element
stays in the program and is marked so: its derivative is kept, and so are the dtypes of what it meets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..ir import Operand, Primitive, ShapedArray, is_inexact
from ..tracing import SCALAR_AVALS, Tracer, bind, here, method
from .promotion import convert
from .series import carried

__all__ = ["Weaken", "item", "tolist"]

Array = Any

_PYTHON = {
    "b": SCALAR_AVALS[bool],
    "i": SCALAR_AVALS[int],
    "f": SCALAR_AVALS[float],
    "c": SCALAR_AVALS[complex],
}


class Weaken(Primitive):
    """``x`` in the dtype of Python's number of its kind, weakly typed. Linear where it is inexact."""

    view: ClassVar[bool] = True
    taylor = carried

    def impl(self, x: Array) -> Array:
        return np.asarray(x).astype(_python(x.dtype).dtype)[()]

    def spell(self, page: Any, x: Any) -> str:
        return f"np.asarray({x}).astype({page.dtype(_python(x.aval.dtype).dtype)})[()]"

    def abstract(self, x: ShapedArray) -> ShapedArray:
        number = _python(x.dtype)
        return ShapedArray(x.shape, number.dtype, number.weak_type)

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        return convert(tangents[0], output.dtype) if is_inexact(output.dtype) else None

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array]:
        return (convert(ct, inputs[0].dtype) if is_inexact(output.dtype) else None,)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(self, *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return operands[0].dependence


def _python(dtype: np.dtype[Any]) -> ShapedArray:
    return _PYTHON["i" if dtype.kind == "u" else dtype.kind]


@method("item")
def item(x: Array, *args: Any) -> Array:
    """Return the element at a flat index, or at one index for each axis; the only element by default.

    Raises ``ValueError`` where there are several and no index is given, ``IndexError`` out of bounds.

    >>> import autotrace
    >>> autotrace.grad(lambda x: x.item(1) ** 2)(np.array([1.0, 3.0]))
    array([0., 6.])
    """
    index = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
    if not index:
        if x.size != 1:
            raise ValueError(f"can only convert an array of size 1 to a Python scalar; got {x.aval}{here()}")
        return _number(x.reshape(()))
    if len(index) == 1 and x.ndim != 1:
        return _number(x.reshape((x.size,))[normalize_axis_index(index[0].__index__(), x.size)])
    if len(index) != x.ndim:
        raise ValueError(f"incorrect number of indices for array; got {len(index)} for {x.aval}{here()}")
    return _number(x[tuple([i.__index__() for i in index])])


def _number(x: Array) -> Any:
    return x if type(x) is Tracer and x.aval.weak_type else bind(Weaken(), x)


@method("tolist")
def tolist(x: Array) -> Any:
    """Return the elements as nested lists, one level for each axis; of rank 0 the element."""
    return _number(x) if x.ndim == 0 else [row.tolist() for row in x]


@method("__contains__")
def _contains(x: Array, value: Any) -> bool:
    """Whether any element equals ``value``; the program records the answer."""
    return bool(np.any(np.equal(x, value)))
