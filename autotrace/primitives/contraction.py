"""Products summed over shared axes: one primitive, ``einsum`` of two operands, closed under its own transpose.

In ``ij,jk->ik`` each letter stands once in an operand, and each letter of an operand is also in the other
operand or in the result. What does not have that form is brought to it: diagonals are taken and axes summed
before. The transpose of ``ij,jk->ik`` in the first operand is ``ik,jk->ij``; a batch is one more letter.
"""

from __future__ import annotations

import math
import operator as operator_
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from string import ascii_letters
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..ir import PAIRS, Dependence, Linear, Operand, ShapedArray, united
from ..tracing import bind, here
from .families import Array, Bilinear, Deferred

__all__ = ["contract"]

_SMALL_MATRIX = 64
"""Elements of a matrix from which a product by BLAS is worth a copy."""


@lru_cache(maxsize=4096)
def canonical(subscripts: str) -> str:
    """Rename letters in the order of their first use: a, b, c, ...

    >>> canonical("ij,jk->ik")
    'ab,bc->ac'
    """
    names: dict[str, str] = {}
    return "".join(names.setdefault(c, ascii_letters[len(names)]) if c.isalpha() else c for c in subscripts)


class _Groups(NamedTuple):
    """The axes of a contraction: batch (in both operands and the result), summed (in both operands alone), and free
    (in one operand and the result).
    """

    batch: list[str]
    summed: list[str]
    free_x: list[str]
    free_y: list[str]

    def is_stack(self, out: str) -> bool:
        """Whether it is a stack of matrix products, its result as ``np.matmul`` gives it."""
        batch, summed, free_x, free_y = self
        return bool(batch and summed and free_x and free_y) and [*out] == [*batch, *free_x, *free_y]


def _groups(x: str, y: str, out: str) -> _Groups:
    return _Groups(
        [c for c in out if c in x and c in y],
        [c for c in x if c in y and c not in out],
        [c for c in x if c not in y],
        [c for c in y if c not in x],
    )


def _kernel(subscripts: str) -> Callable[..., Array]:
    """Return NumPy's fastest way to contract as ``subscripts`` say: a product or ``np.matmul``, operands transposed.

    For a stack of matrix products it takes, after the operands, the array to write into.
    """
    operands, out = subscripts.split("->")
    x, y = operands.split(",")
    groups = _groups(x, y, out)
    batch, summed, free_x, free_y = groups
    if _groups(y, x, out).is_stack(out):
        swapped = _kernel(f"{y},{x}->{out}")
        return lambda x, y, *place: swapped(y, x, *place)
    if not summed:
        return _product(x, y, out)
    if not batch and len(summed) == 1 and len(free_x) < 2 and len(free_y) < 2:
        return _matrix_product(_turns(x, y, out, summed[0]))
    if batch and x == y and len(summed) == 1 and out == x.replace(summed[0], ""):
        return _row_products(x.index(summed[0]))
    x_axes = tuple(x.index(c) for c in (*batch, *free_x, *summed))
    y_axes = tuple(y.index(c) for c in (*batch, *summed, *free_y))
    out_axes = tuple([*batch, *free_x, *free_y].index(c) for c in out)
    b, i, j = len(batch), len(free_x), len(free_y)

    def general(x: Array, y: Array, place: Array | None = None) -> Array:
        x, y = _for_blas(np.transpose(x, x_axes)), _for_blas(np.transpose(y, y_axes))
        stack, rows, columns = x.shape[:b], x.shape[b : b + i], y.shape[y.ndim - j :]
        inner = math.prod(x.shape[b + i :])
        left = x.reshape((*stack, math.prod(rows), inner))
        right = y.reshape((*stack, inner, math.prod(columns)))
        if place is not None:
            np.matmul(left, right, place.reshape((*stack, left.shape[-2], right.shape[-1])))
            return place
        return np.transpose(np.matmul(left, right).reshape((*stack, *rows, *columns)), out_axes)

    return general


def _for_blas(x: Array) -> Array:
    """Copy matrices of which neither rows nor columns are in one piece: ``np.matmul`` would do without BLAS."""
    if x.ndim < 3 or x.itemsize in x.strides[-2:] or x.shape[-1] * x.shape[-2] < _SMALL_MATRIX:
        return x
    return np.ascontiguousarray(x)


def _product(x: str, y: str, out: str) -> Callable[[Array, Array], Array]:
    """Nothing is summed: align the axes with those of the result and multiply."""
    if {x, y} <= {"", out}:
        return operator_.mul
    x_axes, y_axes = ([t.index(c) for c in out if c in t] for t in (x, y))
    x_slots, y_slots = ([c in t for c in out] for t in (x, y))

    def product(x: Array, y: Array) -> Array:
        return _spread(np.transpose(x, x_axes), x_slots) * _spread(np.transpose(y, y_axes), y_slots)

    return product


def _spread(x: Array, slots: Sequence[bool]) -> Array:
    lengths = iter(x.shape)
    return x.reshape([next(lengths) if there else 1 for there in slots])


def _row_products(axis: int) -> Callable[[Array, Array], Array]:
    """Products of rows with rows; ``np.einsum`` would be as fast, but does not warn where numbers overflow."""

    vecdot: Any = np.vecdot

    def products(x: Array, y: Array) -> Array:
        if x.dtype.kind == "c":
            x = np.conj(x)  # np.vecdot conjugates it
        return vecdot(x, y, axis=axis)

    return products


Turns = tuple[bool, bool, bool]
"""Of a matrix product: whether it is ``y x`` instead of ``x y``, and whether x and y are transposed."""


def _turns(x: str, y: str, out: str, inner: str) -> Turns:
    """Return how ``np.matmul`` contracts where one axis is summed and no operand has more than one other."""
    turn_x, turn_y = x[-1] != inner, y[0] != inner
    if len(out) == 2 and out[0] not in x:  # the result is asked for transposed: (x y)^T = y^T x^T
        return True, not turn_x, not turn_y
    return False, turn_x, turn_y


def _matrix_product(turns: Turns) -> Callable[[Array, Array], Array]:
    forms: dict[Turns, Callable[[Array, Array], Array]] = {
        (False, False, False): np.matmul,
        (False, True, False): lambda x, y: np.matmul(x.T, y),
        (False, False, True): lambda x, y: np.matmul(x, y.T),
        (False, True, True): lambda x, y: np.matmul(x.T, y.T),
        (True, False, False): lambda x, y: np.matmul(y, x),
        (True, True, False): lambda x, y: np.matmul(y, x.T),
        (True, False, True): lambda x, y: np.matmul(y.T, x),
        (True, True, True): lambda x, y: np.matmul(y.T, x.T),
    }
    return forms[turns]


def _turns_of(subscripts: str) -> Turns | None:
    """Return how a contraction is a matrix product of two operands or their transposes; None if it is not one."""
    operands, out = subscripts.split("->")
    x, y = operands.split(",")
    summed = [c for c in x if c in y and c not in out]
    if len(summed) != 1 or len(x) > 2 or len(y) > 2 or len(out) != len(x) + len(y) - 2:
        return None
    return _turns(x, y, out, summed[0])


def _spelled(subscripts: str, x: str, y: str) -> str:
    """Return a contraction as one writes it: a product, ``np.matmul`` of operands or their transposes, an einsum.

    The first two are what the kernel does; ``np.einsum`` may add in another order.
    """
    operands, out = subscripts.split("->")
    a, b = operands.split(",")
    summed = [c for c in a if c in b and c not in out]
    if not summed:
        factors = _lined_up(a, out, x), _lined_up(b, out, y)
        return f"{factors[0]} * {factors[1]}" if None not in factors else f"np.einsum({subscripts!r}, {x}, {y})"
    stack = "".join(c for c in out if c in a and c in b)
    left, right = ([c for c in t if c not in (*stack, *summed)] for t in (a, b))
    if len(summed) != 1 or len(left) > 1 or len(right) > 1 or (stack and not (left and right)):
        return f"np.einsum({subscripts!r}, {x}, {y}{', optimize=True' if out else ''})"
    if out == stack + "".join(right + left) and left and right:
        (a, left, x), (b, right, y) = (b, right, y), (a, left, x)  # (x y)^T = y^T x^T
    rows, columns = "".join(left) + summed[0], summed[0] + "".join(right)
    turns = [{stack + t[len(stack) :][::-1]: ".mT" if stack else ".T"} | {t: ""} for t in (a, b)]
    turn_x, turn_y = turns[0].get(stack + rows), turns[1].get(stack + columns)
    if turn_x is None or turn_y is None or out != stack + "".join(left + right):
        return f"np.einsum({subscripts!r}, {x}, {y}, optimize=True)"
    return f"np.matmul({x}{turn_x}, {y}{turn_y})"


def _lined_up(letters: str, out: str, x: str) -> str | None:
    """Return ``x`` with axes of length 1 for those of ``out`` that it lacks; None if its axes are in another order."""
    if [c for c in out if c in letters] != list(letters):
        return None
    index = [":" if c in letters else "None" for c in out]
    while index and index[0] == "None":
        index.pop(0)  # NumPy puts these in front by itself
    return f"{x}[{', '.join(index)}]" if "None" in index else x


class Einsum(Bilinear):
    """The sum over the letters that the result lacks of the products of two operands."""

    subscripts: str
    gives_scalars: ClassVar[bool] = True

    @cached_property
    def kernel(self) -> Callable[..., Array]:
        """The NumPy call that does it."""
        return _kernel(self.subscripts)

    @cached_property
    def is_stack(self) -> bool:
        """Whether it is a stack of matrix products, which the kernel writes where it is told to."""
        operands, out = self.subscripts.split("->")
        x, y = operands.split(",")
        return _groups(x, y, out).is_stack(out) or _groups(y, x, out).is_stack(out)

    @cached_property
    def turns(self) -> Turns | None:
        """How it is a product of two matrices or vectors, if it is one."""
        return _turns_of(self.subscripts)

    def impl(self, x: Array, y: Array) -> Array:
        return self.kernel(x, y)

    def spell(self, page: Any, x: Any, y: Any) -> str:
        return _spelled(self.subscripts, x, y)

    @cached_property
    def _transposed(self) -> tuple[Einsum, Einsum]:
        """The transposes in either operand, in which the cotangent stands in that operand's place."""
        operands, out = self.subscripts.split("->")
        x, y = operands.split(",")
        return Einsum(canonical(f"{out},{y}->{x}")), Einsum(canonical(f"{x},{out}->{y}"))

    def abstract(self, x: ShapedArray, y: ShapedArray) -> ShapedArray:
        operands, out = self.subscripts.split("->")
        lengths: dict[str, int] = {}
        for letters, aval in zip(operands.split(","), (x, y), strict=True):
            if len(letters) != aval.ndim:
                raise ValueError(f"einsum: {letters!r} must name the axes of its operand; got {aval}{here()}.")
            for letter, length in zip(letters, aval.shape, strict=True):
                if lengths.setdefault(letter, length) != length:
                    raise ValueError(
                        f"einsum: axes that are multiplied must have equal lengths; got {x} and {y} for "
                        f"{self.subscripts}{here()}. Transpose or reshape one operand."
                    )
        if x.dtype != y.dtype:
            raise TypeError(f"einsum: operands must have one dtype; got {x} and {y}{here()}.")
        return x.update(shape=tuple(lengths[c] for c in out))

    def _with(self, ct: Array, other: Array, which: int) -> Array:
        """The transpose in operand ``which``."""
        return bind(self._transposed[which], *((ct, other) if which == 0 else (other, ct)))

    def vjp(
        self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]
    ) -> Sequence[Array | Products]:
        x, y = inputs
        return (
            self._back(x, ct, y, 0) if wanted[0] else None,
            self._back(y, ct, x, 1) if wanted[1] else None,
        )

    def _back(self, to: Array, ct: Array, other: Array, which: int) -> Array | Products:
        """The cotangent of operand ``to``; one that is larger than what it is a product of is put off."""
        if to.size > ct.size + other.size:
            return Products(self._transposed[which], *((ct, other) if which == 0 else (other, ct)))
        return self._with(ct, other, which)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        x, y = inputs
        if type(x) is Linear:
            return (self._with(ct, y, 0), None)
        return (None, self._with(ct, x, 1))

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        operands, out = self.subscripts.split("->")
        letter = next(c for c in ascii_letters if c not in self.subscripts)
        x, y = (letter * b + names for names, b in zip(operands.split(","), batched, strict=True))
        return contract(f"{x},{y}->{letter}{out}", *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        """Count a product for each combination of indices, and a sum where an index is summed over."""
        operands, out = self.subscripts.split("->")
        lengths: dict[str, int] = {}
        for letters, aval in zip(operands.split(","), inputs, strict=True):
            lengths.update(zip(letters, aval.shape, strict=True))
        product, sum_ = (6, 2) if outputs[0].dtype.kind == "c" else (1, 1)
        return math.prod(lengths.values()) * (product + (sum_ if set(lengths) - set(out) else 0))

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        """Where the other operand is known, what it multiplies by zero does not count."""
        names, out = self.subscripts.split("->")
        x, y = operands
        a, b = names.split(",")
        return united([_contracted(x, a, y, b, out), _contracted(y, b, x, a, out)], outputs[0].shape)


def _contracted(x: Operand, a: str, y: Operand, b: str, out: str) -> Any:
    """Return how ``a,b->out`` depends on what ``x`` does; its letters are ``a``, those of ``y`` are ``b``."""
    if x.dependence is None:
        return None
    lengths = dict(zip(a + b, x.shape + y.shape, strict=True))
    shape = tuple(lengths[c] for c in out)
    free = [c for c in a if c not in b]
    if y.shape and y.value is not None:
        nonzero = np.nonzero(y.value)
        count = nonzero[0].size
        if count < y.aval.size and count * math.prod(lengths[c] for c in free) <= PAIRS:
            return _through_zeros(x.dependence, a, b, out, nonzero, lengths)
    part = x.dependence.reduced([i for i, c in enumerate(a) if c not in out])
    kept = [c for c in a if c in out]
    order = [kept.index(c) for c in out if c in a]
    stretched = tuple(lengths[c] if c in a else 1 for c in out)
    turned = part.mapped(lambda numbers: np.transpose(numbers, order).reshape(stretched))
    return turned and turned.broadcast(shape)


def _through_zeros(
    x: Dependence, a: str, b: str, out: str, nonzero: Sequence[Array], lengths: dict[str, int]
) -> Dependence:
    """Return the dependence of ``a,b->out`` on x, where the other operand is zero but at ``nonzero``."""
    free = [c for c in a if c not in b]
    at = {c: i.reshape((-1,) + (1,) * len(free)) for c, i in zip(b, nonzero, strict=True)}
    for k, c in enumerate(free):
        at[c] = np.arange(lengths[c]).reshape((1,) * (k + 1) + (-1,) + (1,) * (len(free) - k - 1))

    def places(letters: str) -> Array:
        number: Array = np.zeros((nonzero[0].size, *[lengths[c] for c in free]), np.int64)
        for c in letters:
            number = number * lengths[c] + at[c]
        return number.ravel()

    return x.collected(places(out), places(a), tuple(lengths[c] for c in out))


class Products(Deferred):
    """A sum of contractions alike, such as the cotangent of a matrix used in every step of a loop.

    Each alone is a large outer product of small vectors; together they are one product of two matrices.
    """

    def __init__(self, einsum: Einsum, x: Array, y: Array) -> None:
        self._einsum = einsum
        self._xs = [x]
        self._ys = [y]

    def absorb(self, other: Any) -> bool:
        if not isinstance(other, Products) or other._einsum is not self._einsum:
            return False
        if other._xs[0].shape != self._xs[0].shape:
            return False
        self._xs += other._xs
        self._ys += other._ys
        return True

    def gathered(self) -> Array:
        if len(self._xs) == 1:
            return bind(self._einsum, self._xs[0], self._ys[0])
        operands, out = self._einsum.subscripts.split("->")
        x, y = operands.split(",")
        letter = next(c for c in ascii_letters if c not in operands)
        return contract(f"{letter}{x},{letter}{y}->{out}", np.stack(self._xs), np.stack(self._ys))


def contract(subscripts: str, x: Any, y: Any) -> Array:
    """Contract two arrays of one dtype as ``subscripts`` say: ``ij,jk->ik``."""
    return bind(Einsum(canonical(subscripts)), x, y)
