"""In place: ``x += y`` and its like, ``copy``, ``fill``; what they write, the views of x see.

A traced array of rank 1 or more is changed as NumPy's arrays are; a traced scalar is a number, and
``t += 1`` gives another one.
"""

from __future__ import annotations

import operator as python
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir import Operand, ShapedArray
from ..tracing import Tracer, View, bind, check_writable, fresh, here, method, rebind
from .assignment import setitem
from .families import Array, LinearMap
from .promotion import broadcast_to, convert

__all__ = ["overwrite"]


def overwrite(x: Tracer, value: Array, what: str, casting: Any = "same_kind", name: str = "") -> Tracer:
    """Write ``value`` over all of ``x``, broadcast to its shape and cast to its dtype; return ``x``.

    ``what`` is the user's expression for messages, ``name`` the ufunc whose output it is.

    Raises ``TypeError`` if ``casting`` forbids the cast, ``ValueError`` if the shape of x is too small,
    ``MutationError`` if x belongs to the caller.
    """
    check_writable(x, what)
    if not np.can_cast(value.dtype, x.dtype, casting):
        output = f"ufunc {name!r} output" if name else "output"
        raise TypeError(
            f"Cannot cast {output} from {value.dtype!r} to {x.dtype!r} with casting rule {casting!r}"
            f"{here()}. Convert the array first: x = x.astype({value.dtype.name!r})."
        )
    if value.shape != x.shape and np.broadcast_shapes(value.shape, x.shape) != x.shape:
        raise ValueError(
            f"non-broadcastable output operand with shape {x.shape} doesn't match the broadcast shape "
            f"{value.shape}{here()}. Give a target of that shape."
        )
    rebind(x, broadcast_to(convert(value, x.dtype), x.shape))
    return x


def _in_place(symbol: str, ufunc: np.ufunc, function: Callable[[Any, Any], Any]) -> None:
    """Define the augmented operator of ``function``."""

    def augmented(x: Any, y: Any) -> Any:
        result = function(x, y)
        if not x.ndim and type(x._alias) is not View:
            return result  # a scalar: Python binds the name to the new number
        return overwrite(x, result, f"x {symbol}= y", name=ufunc.__name__)

    method(f"__i{function.__name__.strip('_')}__")(augmented)


for _symbol, _ufunc, _function in (
    ("+", np.add, python.add),
    ("-", np.subtract, python.sub),
    ("*", np.multiply, python.mul),
    ("/", np.true_divide, python.truediv),
    ("//", np.floor_divide, python.floordiv),
    ("%", np.remainder, python.mod),
    ("**", np.power, python.pow),
    ("@", np.matmul, python.matmul),
    ("<<", np.left_shift, python.lshift),
    (">>", np.right_shift, python.rshift),
    ("&", np.bitwise_and, python.and_),
    ("|", np.bitwise_or, python.or_),
    ("^", np.bitwise_xor, python.xor),
):
    _in_place(_symbol, _ufunc, _function)


class Copy(LinearMap):
    """The values of ``x`` in C order, whatever the memory layout of ``x``: later reshapes depend on it."""

    def impl(self, x: Array) -> Array:
        return np.array(x, order="C")

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        return tangents[0]

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (ct,)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(self, *inputs)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return operands[0].dependence


@method("copy", "__copy__")
def copy(x: Any, order: str = "C") -> Array:
    """Return the same values in an array of one's own."""
    return fresh(bind(Copy(), x) if order == "C" and x.ndim > 1 else x)


@method("__deepcopy__")
def _deepcopy(x: Any, memo: Any) -> Array:
    return fresh(x)


@method("fill")
def fill(x: Any, value: Any) -> None:
    """Set every element of ``x`` to the scalar ``value``."""
    setitem(x, ..., value)


def _set_part(name: str) -> None:
    """Let ``x.real = y`` and ``x.imag = y`` write into ``x``."""
    part: property = vars(Tracer)[name]
    setattr(Tracer, name, part.setter(lambda x, value: setitem(getattr(x, name), ..., value)))


_set_part("real")
_set_part("imag")
