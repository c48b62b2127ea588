"""What Python may ask of a traced value, and what the answer leaves behind in the program.

``bool``, ``int`` and ``operator.index`` answer with the value and record a ``guard``: the program is that
of the path taken, and says so. ``float`` and ``complex`` would drop a derivative, so they are errors unless
none flows through the value.
"""

from __future__ import annotations

import operator as python_operator
import os
import sys
from collections.abc import Callable, Sequence
from opcode import opname
from typing import Any, ClassVar, NoReturn

import numpy as np

from ..errors import (
    ConcretizationTypeError,
    GuardError,
    NonConcreteBooleanIndexError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
)
from ..ir import Primitive, ShapedArray, here, user_source
from .protocols import method
from .trace import UNKNOWN, bind, peek
from .tracer import Tracer

__all__ = [
    "BESIDE",
    "INDEXING",
    "STORING",
    "Guard",
    "StopGradient",
    "here",
    "indexing",
    "mask_value",
    "numpy_caller",
    "stop_gradient_leaf",
    "storing",
]

_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "int": int,
    "index": python_operator.index,
    "float": float,
    "complex": complex,
    "mask": lambda mask: np.packbits(np.asarray(mask)).tobytes().hex(),
}


class Guard(Primitive):
    """``kind(x) == expected`` must hold: Python asked, and took a path that depends on the answer."""

    expected: Any
    kind: str = "bool"
    multiple: ClassVar[bool] = True
    effect: ClassVar[bool] = True
    checks: ClassVar[bool] = True

    def impl(self, x: Any) -> tuple[()]:
        value = _CONVERSIONS[self.kind](x)
        # NaN is the same as NaN here, and 0.0 is not the same as -0.0.
        same = repr(value) == repr(self.expected) if self.kind in ("float", "complex") else value == self.expected
        if not same:
            raise GuardError(
                f"guard: the program was traced where {self.kind}(x) is {self.expected}; got {value}. "
                "Trace the function again on these values, or use cond or while_loop."
            )
        return ()

    def spell_lines(self, page: Any, targets: Sequence[str], x: Any) -> list[str]:
        message = f"this is the program of {self.kind}({x}) equal to {self.expected}"
        return [f"if {self._differs(page, x)}:", f"    raise ValueError({message!r})"]

    def _differs(self, page: Any, x: Any) -> str:
        """Return the Python expression that is true where the guard fails."""
        if self.kind == "bool":
            return f"not {x}" if self.expected else str(x)
        if self.kind == "mask":
            return f"np.packbits(np.asarray({x})).tobytes().hex() != {self.expected!r}"
        if self.kind in ("float", "complex"):
            return f"repr({self.kind}({x})) != {repr(self.expected)!r}"
        return f"{x} != {page.value(self.expected)}"

    def abstract(self, x: ShapedArray) -> tuple[()]:
        return ()

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> tuple[()]:
        return ()

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> tuple[()]:
        for row in inputs[0] if batched[0] else inputs:
            bind(self, row)
        return ()

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0


class StopGradient(Primitive):
    """The identity, through which no derivative flows."""

    stops: ClassVar[bool] = True
    view: ClassVar[bool] = True

    def impl(self, x: Any) -> Any:
        return x

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], output: Any) -> None:
        return None

    def vjp(self, ct: Any, output: Any, inputs: Sequence[Any], wanted: Sequence[bool]) -> tuple[None]:
        return (None,)

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Any:
        return bind(self, *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0


def stop_gradient_leaf(x: Any) -> Any:
    """Return ``x`` with no derivative flowing through it."""
    return bind(StopGradient(), x) if type(x) is Tracer else x


def _ask(x: Tracer, kind: str, error: type[ConcretizationTypeError], cure: str) -> Any:
    if x.size != 1 or (x.ndim and kind != "bool"):
        _refuse_array(x, kind)
    if not x._trace.is_open:
        raise x._trace.leak(f"{kind}()", (x._var,))
    value: Any = x
    while type(value) is Tracer:
        owner = value._trace
        value = owner.value(value._var)
    if value is UNKNOWN:
        raise error(
            f"{kind}(): the value must be known; got {x.aval}{here()}, which {owner.what} knows by shape alone. {cure}"
        )
    answer = _CONVERSIONS[kind](value)
    bind(Guard(answer, kind), x)
    return answer


_BRANCHES = "Use cond(pred, f, g, x), while_loop for a loop, or np.where for elements."


@method("__bool__")
def _bool(x: Tracer) -> bool:
    return bool(_ask(x, "bool", TracerBoolConversionError, _BRANCHES))


@method("__int__", "__trunc__")
def _int(x: Tracer) -> int:
    return int(
        _ask(
            x,
            "int",
            TracerIntegerConversionError,
            "Use x.astype(int) to stay in the program, autotrace.numpy.asarray(array)[x] to index.",
        )
    )


@method("__index__")
def _index(x: Tracer) -> int:
    if x.dtype.kind not in "iu" or x.ndim:  # a truth is no index: to an array it is a mask
        raise TypeError(
            f"index(): an index must be a scalar integer; got {x.aval}{here()}. Use int(x) or x.astype(int)."
        )
    return int(_ask(x, "index", TracerIntegerConversionError, "Use autotrace.numpy.asarray(array)[x]."))


@method("__float__")
def _float(x: Tracer) -> float:
    return float(_inert(x, "float"))


@method("__complex__")
def _complex(x: Tracer) -> complex:
    return complex(_inert(x, "complex"))


def _inert(x: Tracer, kind: str) -> Any:
    """Answer for values through which no derivative flows; the guard keeps the number from going stale."""
    if x.aval.inexact and x._trace.carries(x._var):
        _refuse(x, kind)
    return _ask(x, kind, ConcretizationTypeError, "Keep it as an array, or call what needs a number by pure_callback.")


def _refuse_array(x: Tracer, kind: str) -> NoReturn:
    """Say what NumPy says of an array that is asked for one truth or one number."""
    if kind != "bool":
        raise TypeError(
            f"{kind}(): only 0-dimensional arrays can be converted to Python scalars; got {x.aval}{here()}. "
            "Index the element, or reduce the array first."
        )
    count = "more than one element" if x.size else "no elements"
    raise ValueError(
        f"bool(): the truth value of an array with {count} is ambiguous; got {x.aval}{here()}. "
        "Use x.any(), x.all() or x.size."
    )


def _refuse(x: Tracer, kind: str) -> NoReturn:
    cure = (
        f"Use NumPy in place of math (np.sin for math.sin), {kind}(stop_gradient(x)) for a plain number, or "
        "pure_callback for code that takes numbers alone."
    )
    asked = f"{kind}()"
    if storing():
        asked, cure = "buffer[index] = x", STORING
    elif asked_by := numpy_caller():
        asked, cure = (
            asked_by,
            BESIDE,
        )
    raise ConcretizationTypeError(
        f"{asked}: a traced value must stay in the program, or its derivative would be lost; "
        f"got {x.aval}{here()}. {cure}"
    )


STORING = "Make the buffer with autotrace.numpy.zeros, or build the array with np.stack."


def numpy_caller() -> str:
    """Name the function of NumPy that the user called and that asks; empty where the user asks."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    name = ""
    while frame is not None and frame.f_code.co_filename.startswith(_NUMPYS):
        name, frame = frame.f_code.co_name.strip("_"), frame.f_back
    return f"np.{_BRACKETS.get(name, name)}" if name else ""


_BRACKETS = {"getitem": "r_, np.c_, np.mgrid"}

_OURS, _NUMPYS = (os.path.dirname(file) + os.sep for file in (os.path.dirname(__file__), np.__file__))


BESIDE = (
    "Build arrays of traced values with np.stack or autotrace.numpy.array; pass a plain array beside a traced one as "
    "autotrace.numpy.asarray(array)."
)

INDEXING = "Write autotrace.numpy.asarray(array)[x]."


def indexing() -> bool:
    """Tell whether the user's running line takes an element or a part by an index."""
    source = user_source()
    if source is None:
        return False
    code, at = source[0].co_code, source[1]
    # From Python 3.14 on an index is one of the binary operations.
    return opname[code[at]] == "BINARY_SUBSCR" or (opname[code[at]] == "BINARY_OP" and code[at + 1] == 26)


def storing() -> bool:
    """Tell whether the user's running line assigns to an element or a slice."""
    source = user_source()
    return source is not None and opname[source[0].co_code[source[1]]] in ("STORE_SUBSCR", "STORE_SLICE")


@method("__reduce_ex__")
def _reduce(x: Tracer, protocol: int) -> NoReturn:
    raise TypeError(f"pickle: a traced value cannot be saved; got {x.aval}{here()}. Return it, and save the result.")


@method("__hash__")
def _hash(x: Tracer) -> int:
    raise TypeError(
        f"hash(): a traced array cannot be a key or an element of a set; got {x.aval}{here()}. "
        "Use int(x) where it is an integer."
    )


def mask_value(mask: Any) -> Any:
    """Return the value of a mask on which a shape depends; the program records it.

    Raises ``NonConcreteBooleanIndexError`` where it is known by shape alone.
    """
    if type(mask) is not Tracer:
        return np.asarray(mask)
    if not mask._trace.is_open:
        raise mask._trace.leak("a boolean index", (mask._var,))
    value = mask._trace.value(mask._var)
    if value is UNKNOWN:
        raise NonConcreteBooleanIndexError(
            f"boolean index: the number of true elements must be known; got {mask.aval}{here()}, which "
            f"{mask._trace.what} knows by shape alone. Use np.where(mask, x, 0), or a reduction with where=mask."
        )
    answer = mask_value(value)
    bind(Guard(_CONVERSIONS["mask"](answer), "mask"), mask)
    return answer


@method("__repr__")
def _repr(x: Tracer) -> str:
    value = _shown(x)
    return f"Traced<{x.aval}>" if value is UNKNOWN else f"Traced<{x.aval}>({_text(value)})"


@method("__format__")
def _format(x: Tracer, spec: str) -> str:
    value = _shown(x)
    return format(value, spec) if value is not UNKNOWN else repr(x)


@method("__str__")
def _str(x: Tracer) -> str:
    value = _shown(x)
    return repr(x) if value is UNKNOWN else str(value)


def _shown(x: Tracer) -> Any:
    """The value for display; looking must neither warn nor fail."""
    try:
        with np.errstate(all="ignore"):
            return peek(x)
    except Exception:
        return UNKNOWN


def _text(value: Any) -> str:
    return np.array2string(np.asarray(value), separator=", ", prefix=" " * 14)
