"""Equations as Python statements over NumPy: each the shortest call that does it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir import Atom, Equation, Jaxpr, Literal
from ..primitives.contraction import Einsum
from ..primitives.gathers import Gather
from ..primitives.promotion import Broadcast, Convert
from ..primitives.reduction import ReduceMax, ReduceMin, ReduceSum
from ..primitives.shape import Reshape, Transpose
from ..primitives.slices import Embed, EmbedSum, Slice
from .kernels import ufunc_of

__all__ = ["Writer", "has_place"]

_INFIX: dict[Any, str] = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.floordiv: "//",
    operator.mod: "%",
    operator.pow: "**",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
    operator.and_: "&",
    operator.or_: "|",
    operator.xor: "^",
}
_AUGMENTED = frozenset({"+", "-", "*", "/", "//", "%", "**", "&", "|", "^"})
_PREFIX: dict[Any, str] = {operator.neg: "-", operator.pos: "+", operator.invert: "~"}


_DOT_WARNS = np.lib.NumpyVersion(np.__version__) >= "2.3.0"
"""``ndarray.dot`` is half the price of ``np.matmul`` for small operands, but tells of no overflow before NumPy 2.3."""
_COPIED = 4_096
"""Elements up to which a stretched array is rather filled than made a view of: the view costs 3 us."""
_LONGEST_ROW = 512
"""Elements of a row that is summed as a product with ones."""
_MOST_ONES = 100_000
_SHORT_ROW = 32
"""Elements of a row whose extremum is found through its position."""


def has_place(equation: Equation, rounding: bool) -> bool:
    """Whether the result of an equation can be written into memory that is given."""
    out = equation.outputs[0].aval if len(equation.outputs) == 1 else None
    if out is None or not out.ndim or min(out.shape) < 0:
        return False
    return ufunc_of(equation.primitive) is not None or (rounding and (_is_product(equation) or _is_stack(equation)))


def _is_product(equation: Equation) -> bool:
    """Whether an equation is a matrix product that ``ndarray.dot`` does: half the price of ``np.matmul``."""
    primitive = equation.primitive
    if type(primitive) is not Einsum or primitive.turns is None:
        return False
    dtype = equation.inputs[0].aval.dtype
    return dtype.kind in "fc" and dtype.itemsize >= 4


def _is_stack(equation: Equation) -> bool:
    """Whether an equation is a stack of matrix products, which ``np.matmul`` writes where it is told to."""
    return type(equation.primitive) is Einsum and equation.primitive.is_stack


class Writer:
    """Names for variables, and the scope that holds constants, numbers and functions.

    With ``rounding``, results may differ from the interpreter's by rounding.
    """

    def __init__(self, jaxpr: Jaxpr, rounding: bool = False) -> None:
        self.scope: dict[str, Any] = {"empty": np.empty, "zeros": np.zeros}
        self.rounding = rounding
        self.fixed: set[str] = set()
        """Names of what a loop does not change: their transposes are made before it."""
        self.turned: set[str] = set()
        """Those of which a transpose is needed, called ``name_T``."""
        self._names: dict[Any, str] = {}
        self.add_constants(jaxpr)

    def add_constants(self, jaxpr: Jaxpr) -> None:
        """Hold the constants of ``jaxpr``."""
        for var, value in zip(jaxpr.const_vars, jaxpr.constants, strict=True):
            self._names[var] = self.hold("constant", value)

    def name(self, atom: Atom) -> str:
        """Return the name of a variable, or of the number of a literal."""
        found = self._names.get(atom)
        if found is None:
            found = self.hold("number", atom.value) if type(atom) is Literal else f"v{len(self._names)}"
            self._names[atom] = found
        return found

    def rename(self, var: Atom, atom: Atom) -> None:
        """Let ``var`` be another name of ``atom``."""
        self._names[var] = self.name(atom)

    def hold(self, word: str, value: Any) -> str:
        """Put ``value`` in the scope, under a name that begins with ``word``."""
        name = f"{word}_{len(self.scope)}"
        self.scope[name] = value
        return name

    def statements(self, equation: Equation, place: str | None = None, keywords: str = "") -> list[str]:
        """Return the statements that evaluate ``equation``; with ``place``, into the memory of that name.

        Its result is called so from then on. ``keywords`` are more arguments for a primitive with several results.
        """
        primitive, inputs, outputs, _ = equation
        operands = [self.name(v) for v in inputs]
        if place is not None:
            self._names[outputs[0]] = place
            return [self._update(equation, operands, place)]
        if primitive.multiple:
            targets = "".join(f"{self.name(v)}, " for v in outputs)
            call = self._call(primitive, [*operands, keywords] if keywords else operands)
            return [f"{targets}= {call}" if targets else call]
        target = self.name(outputs[0])
        lines = _LINES.get(type(primitive))
        written = None if lines is None else lines(self, equation, operands, target)
        return [f"{target} = {self._expression(equation, operands)}"] if written is None else written

    def _update(self, equation: Equation, operands: Sequence[str], place: str) -> str:
        primitive = equation.primitive
        if type(primitive) is Einsum:
            if primitive.turns is None:
                return self._call(primitive, [*operands, place])
            return _product(self, primitive, operands, f", {place}")
        symbol = _INFIX.get(primitive.impl)
        if symbol in _AUGMENTED and operands[0] == place:
            return f"{place} {symbol}= {operands[1]}"
        ufunc: Any = ufunc_of(primitive)
        # By position it is found faster; for these two NumPy takes it by name only.
        out = f"out={place}" if ufunc in (np.maximum, np.minimum) else place
        return f"{self._function(ufunc, ufunc.__name__, ufunc)}({', '.join(operands)}, {out})"

    def _function(self, key: Any, word: str, function: Any) -> str:
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self.hold(word, function)
        return name

    def _expression(self, equation: Equation, operands: Sequence[str]) -> str:
        if self.rounding and _is_product(equation):
            return _product(self, equation.primitive, operands, "")
        write = _EXPRESSIONS.get(type(equation.primitive))
        if write is not None and type(equation.inputs[0]) is not Literal:
            written = write(self, equation, operands)
            if written is not None:
                return written
        return self._call(equation.primitive, operands)

    def _call(self, primitive: Any, operands: Sequence[str]) -> str:
        impl = primitive.impl
        if impl in _INFIX and len(operands) == 2:
            return f"{operands[0]} {_INFIX[impl]} {operands[1]}"
        if impl in _PREFIX and len(operands) == 1:
            return f"{_PREFIX[impl]}{operands[0]}"
        function = getattr(primitive, "kernel", impl)
        return f"{self._function(('impl', primitive), primitive.name, function)}({', '.join(operands)})"

    def dot(self, x: str, y: str, rest: str = "") -> str:
        """Return the product of two matrices or vectors; ``rest`` are more arguments."""
        return (
            f"{x}.dot({y}{rest})" if _DOT_WARNS else f"{self._function('matmul', 'matmul', np.matmul)}({x}, {y}{rest})"
        )

    def constant(self, key: Any, word: str, make: Callable[[], Any]) -> str:
        """Return the name of an array that the source needs, made once."""
        name = self._names.get(key)
        if name is None:
            array = make()
            array.flags.writeable = False
            name = self._names[key] = self.hold(word, array)
        return name

    def part(self, index: Any) -> str:
        """Return the name of a basic index, made once: slices would be made anew at each use."""
        return self._function(("part", index), "part", tuple([i if type(i) is int else slice(*i) for i in index]))


def _product(writer: Writer, primitive: Any, operands: Sequence[str], rest: str) -> str:
    swap, turn_x, turn_y = primitive.turns
    x, y = [_turned(writer, v) if turn else v for v, turn in zip(operands, (turn_x, turn_y), strict=True)]
    return writer.dot(y, x, rest) if swap else writer.dot(x, y, rest)


def _turned(writer: Writer, name: str) -> str:
    if name not in writer.fixed:
        return f"{name}.T"
    writer.turned.add(name)
    return f"{name}_T"


def _slice(writer: Writer, equation: Any, operands: Sequence[str]) -> str:
    index = equation.primitive.index
    if all(type(i) is int for i in index):
        return f"{operands[0]}[{', '.join(map(str, index))}]" if index else f"{operands[0]}[()]"
    return f"{operands[0]}[{writer.part(index)}]"


def _gather(writer: Writer, equation: Any, operands: Sequence[str]) -> str:
    return f"{operands[0]}[{', '.join(operands[1:])}]"


def _transpose(writer: Writer, equation: Any, operands: Sequence[str]) -> str:
    axes = equation.primitive.axes
    return f"{operands[0]}.T" if axes == tuple(range(len(axes)))[::-1] else f"{operands[0]}.transpose({axes})"


def _reshape(writer: Writer, equation: Any, operands: Sequence[str]) -> str:
    return f"{operands[0]}.reshape({equation.primitive.shape})"


def _convert(writer: Writer, equation: Any, operands: Sequence[str]) -> str:
    dtype = equation.primitive.dtype
    real = ".real" * (equation.inputs[0].aval.dtype.kind == "c" != dtype.kind)
    return f"{operands[0]}{real}.astype({writer._function(('dtype', dtype), dtype.name, dtype)})"


def _reduce_sum(writer: Writer, equation: Any, operands: Sequence[str]) -> str | None:
    """Sums over leading or trailing axes as a product with ones, which is several times as fast.

    Long rows are left to NumPy, which adds them pairwise and so more exactly.
    """
    aval, out, axes = equation.inputs[0].aval, equation.outputs[0].aval, equation.primitive.axes
    if not writer.rounding or aval.dtype.kind != "f" or aval.dtype.itemsize < 4 or not out.ndim or not axes:
        return None
    if min(aval.shape) < 1:
        return None
    count = aval.size // out.size
    if count > _MOST_ONES:
        return None
    ones = writer.constant(("ones", count, aval.dtype), "ones", lambda: np.ones(count, aval.dtype))
    leading = axes == tuple(range(len(axes)))
    if leading:
        rows = operands[0] if aval.ndim == 2 else f"{operands[0]}.reshape({(count, out.size)})"
        product = writer.dot(ones, rows)
    elif axes == tuple(range(aval.ndim - len(axes), aval.ndim)) and count <= _LONGEST_ROW:
        rows = operands[0] if aval.ndim == 2 else f"{operands[0]}.reshape({(out.size, count)})"
        product = writer.dot(rows, ones)
    else:
        return None
    return product if out.ndim == 1 else f"{product}.reshape({out.shape})"


def _extremum(writer: Writer, equation: Any, operands: Sequence[str]) -> str | None:
    """The extrema of short rows through their positions, which is twice as fast."""
    aval = equation.inputs[0].aval
    if aval.ndim != 2 or equation.primitive.axes != (1,) or aval.dtype.kind != "f":
        return None
    rows, count = aval.shape
    if not 1 <= count <= _SHORT_ROW or rows < 4 * count:
        return None
    numbers = writer.constant(("arange", rows), "numbers", lambda: np.arange(rows))
    word = "argmin" if type(equation.primitive) is ReduceMin else "argmax"
    return f"{operands[0]}[{numbers}, {operands[0]}.{word}(1)]"


_EXPRESSIONS: dict[type, Callable[[Writer, Any, Sequence[str]], str | None]] = {
    Slice: _slice,
    Gather: _gather,
    Transpose: _transpose,
    Reshape: _reshape,
    Convert: _convert,
    ReduceSum: _reduce_sum,
    ReduceMin: _extremum,
    ReduceMax: _extremum,
}


def _broadcast(writer: Writer, equation: Any, operands: Sequence[str], target: str) -> list[str] | None:
    out = equation.outputs[0].aval
    if not writer.rounding or out.size > _COPIED or not out.ndim or min(out.shape) < 0:
        return None  # sums over a view and over a copy may round differently
    return [_made(writer, "empty", out, target), f"{target}[...] = {operands[0]}"]


def _embed(writer: Writer, equation: Any, operands: Sequence[str], target: str) -> list[str]:
    out = equation.outputs[0].aval
    return [_made(writer, "zeros", out, target), f"{target}[{writer.part(equation.primitive.index)}] = {operands[0]}"]


def _embed_sum(writer: Writer, equation: Any, operands: Sequence[str], target: str) -> list[str]:
    """Parts that have nothing in common are set; if they are the whole, there need not be zeros before."""
    out = equation.outputs[0].aval
    sums: dict[Any, list[str]] = {}
    for index, x in zip(equation.primitive.indices, operands, strict=True):
        sums.setdefault(index, []).append(x)
    parts = [Slice(index) for index in sums]
    apart = len(parts) < 20 and all(a.disjoint(b) for i, a in enumerate(parts) for b in parts[:i])
    whole = apart and sum(part.abstract(out).size for part in parts) == out.size
    made = _made(writer, "empty" if whole else "zeros", out, target)
    if apart:
        return [made, *[f"{target}[{writer.part(i)}] = {' + '.join(xs)}" for i, xs in sums.items()]]
    added = zip(equation.primitive.indices, operands, strict=True)
    return [made, *[f"{target}[{writer.part(i)}] += {x}" for i, x in added]]


def _made(writer: Writer, function: str, aval: Any, target: str) -> str:
    dtype = writer._function(("dtype", aval.dtype), aval.dtype.name, aval.dtype)
    return f"{target} = {function}({aval.shape}, {dtype})"


_LINES: dict[type, Callable[[Writer, Any, Sequence[str], str], list[str] | None]] = {
    Broadcast: _broadcast,
    Embed: _embed,
    EmbedSum: _embed_sum,
}
