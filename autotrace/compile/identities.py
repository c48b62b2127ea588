"""Algebraic identities that are exact in floating point, signs of zeros, infinities and NaN included;
one, marked by ``reassociate``, rounds differently.

Each function takes the operands of its primitive and returns an equal atom, or None. What is not here is
left out on purpose: x + 0 is not x where x is -0, and 0 * x is not 0 where x is infinite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Atom, Literal
from ..primitives.arithmetic import Add, Div, IntegerPow, Mul, Neg, Positive, Square, Sub
from ..primitives.comparison import And, Or, Select
from ..primitives.contraction import Einsum, canonical
from ..primitives.promotion import Broadcast, Convert
from ..primitives.shape import Reshape, Transpose
from ..primitives.slices import Embed, EmbedSum

__all__ = ["IDENTITIES"]


def _is(atom: Atom, number: float) -> bool:
    return type(atom) is Literal and bool(atom.value == number)


def _fits(atom: Atom, *others: Atom) -> bool:
    """Whether an operand has the shape of the result of an elementwise equation."""
    return all(atom.aval.ndim >= other.aval.ndim for other in others)


def _add(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    x, y = inputs
    if (d := b.definition(y, Neg)) is not None:  # x + -y = x - y
        return b.emit(Sub(), (x, d.inputs[0]))
    if (d := b.definition(x, Neg)) is not None:  # -x + y = y - x
        return b.emit(Sub(), (y, d.inputs[0]))
    return _embedded(b, x, y) or _embedded(b, y, x)


def _embedded(b: Any, x: Atom, y: Atom) -> Atom | None:
    """Parts embedded in zeros, and one more: they are added in the order in which they stood."""
    one = b.definition(y, Embed)
    if one is None or b.readers(x) > 1 or b.readers(y) > 1:
        return None
    first, sum_ = b.definition(x, Embed), b.definition(x, EmbedSum)
    if first is None and sum_ is None:
        return None
    before = sum_.primitive.indices if first is None else (first.primitive.index,)
    summed = EmbedSum(one.primitive.shape, (*before, one.primitive.index))
    return b.emit(summed, (*(sum_ or first).inputs, *one.inputs))


def _sub(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    x, y = inputs
    if _is(y, 0) and not np.any(np.signbit([np.real(y.value), np.imag(y.value)])):  # type: ignore[union-attr]
        return x  # x - 0 = x
    if (d := b.definition(y, Neg)) is not None:  # x - -y = x + y
        return b.emit(Add(), (x, d.inputs[0]))
    return None


def _mul(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    x, y = inputs
    if x.aval.dtype.kind == "c":
        return None  # inf * (1 + 0j) is inf + nan j
    for u, v in ((x, y), (y, x)):
        if _is(v, 1):  # u * 1 = u
            return u
        if _is(v, -1):  # u * -1 = -u
            return b.emit(Neg(), (u,))
        if (d := b.definition(v, Neg)) is not None:  # u * -w = -(u * w)
            return b.emit(Neg(), (b.emit(Mul(), (u, d.inputs[0])),))
        if b.reassociate and _whole(v) and (d := b.definition(u, Mul)) is not None:  # (w * m) * n = w * (m n)
            for w, m in (d.inputs, d.inputs[::-1]):
                if _whole(m):
                    return b.emit(Mul(), (w, b.emit(Mul(), (m, v))))
    return None


def _whole(atom: Atom) -> bool:
    """A small integer, at least 1: scaling by two of them overflows just where scaling by their product does."""
    if type(atom) is not Literal or atom.aval.dtype.kind != "f" or atom.aval.dtype.itemsize < 4:
        return False  # the product of two of them would overflow half precision
    return 1 <= abs(atom.value) <= 2**20 and bool(atom.value == int(atom.value))


def _div(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    x, y = inputs
    if x.aval.dtype.kind == "c":
        return None  # as in products
    if _is(y, 1):  # x / 1 = x
        return x
    if (d := b.definition(x, Neg)) is not None:  # -x / y = -(x / y)
        return b.emit(Neg(), (b.emit(Div(), (d.inputs[0], y)),))
    if (d := b.definition(y, Neg)) is not None:  # x / -y = -(x / y)
        return b.emit(Neg(), (b.emit(Div(), (x, d.inputs[0])),))
    return None


def _neg(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    if (d := b.definition(inputs[0], Neg)) is not None:
        return d.inputs[0]  # --x = x
    if b.readers(inputs[0]) <= 1 and (d := b.definition(inputs[0], Mul)) is not None:
        number, x = d.inputs
        if type(number) is Literal and number.aval.dtype.kind == "f":
            return b.emit(Mul(), (Literal(-number.value), x))  # -(c x) = (-c) x
    return None


def _positive(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    return inputs[0]  # +x = x


def _square(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    return b.emit(Mul(), (inputs[0], inputs[0])) if inputs[0].aval.inexact else None


def _integer_pow(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    if p.y == 1:  # x^1 = x
        return inputs[0]
    return _square(b, p, inputs) if p.y == 2 else None  # x^2 = x * x


def _select(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    condition, x, y = inputs
    return x if x == y and _fits(x, condition) else None  # the same on either side


def _and(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    return _of_truths(b, inputs, False)


def _or(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    return _of_truths(b, inputs, True)


def _of_truths(b: Any, inputs: tuple[Atom, ...], deciding: bool) -> Atom | None:
    """One truth value that decides is the result; of another one the other operand is."""
    for u, v in (inputs, inputs[::-1]):
        if type(v) is Literal and u.aval.dtype == v.aval.dtype == np.bool_:
            return u if bool(v.value) != deciding else b.emit(Broadcast(u.aval.shape), (v,))
    return None


def _convert(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    return inputs[0] if inputs[0].aval.dtype == p.dtype else None


def _broadcast(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    return inputs[0] if inputs[0].aval.shape == p.shape else None


def _reshape(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    if inputs[0].aval.shape == p.shape:
        return inputs[0]
    d = b.definition(inputs[0], Reshape)
    return b.emit(p, d.inputs) if d is not None else None


def _transpose(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    if p.axes == tuple(range(len(p.axes))):
        return inputs[0]
    d = b.definition(inputs[0], Transpose)
    if d is None:
        return None
    return b.emit(Transpose(tuple(d.primitive.axes[i] for i in p.axes)), d.inputs)


def _einsum(b: Any, p: Any, inputs: tuple[Atom, ...]) -> Atom | None:
    """A transposed operand is the operand, its letters in another order."""
    operands, out = p.subscripts.split("->")
    letters = operands.split(",")
    for i, atom in enumerate(inputs):
        d = b.definition(atom, Transpose)
        if d is not None:
            order = d.primitive.axes
            letters[i] = "".join(letters[i][order.index(axis)] for axis in range(len(order)))
            inputs = (*inputs[:i], d.inputs[0], *inputs[i + 1 :])
            return b.emit(Einsum(canonical(f"{letters[0]},{letters[1]}->{out}")), inputs)
    return None


IDENTITIES: dict[type, Callable[[Any, Any, tuple[Atom, ...]], Atom | None]] = {
    Add: _add,
    Sub: _sub,
    Mul: _mul,
    Div: _div,
    Neg: _neg,
    Positive: _positive,
    Square: _square,
    IntegerPow: _integer_pow,
    Select: _select,
    And: _and,
    Or: _or,
    Convert: _convert,
    Broadcast: _broadcast,
    Reshape: _reshape,
    Transpose: _transpose,
    Einsum: _einsum,
}
