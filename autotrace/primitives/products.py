"""NumPy's sums of products: ``matmul``, ``dot``, ``tensordot``, ``einsum`` and their kin, as contractions of pairs.

Diagonals are taken and axes summed before; what has more than two operands is contracted two by two.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from ..tracing import Tracer, as_operand, bind, here, implements, method, operator
from .contraction import Einsum, contract
from .families import Array
from .promotion import convert

__all__ = ["dot", "einsum", "inner", "matmul", "outer", "tensordot", "vdot"]

_SIMPLE = {
    (1, 1): Einsum("a,a->"),
    (1, 2): Einsum("a,ab->b"),
    (2, 1): Einsum("ab,b->a"),
    (2, 2): Einsum("ab,bc->ac"),
}
"""Matrix products of vectors and matrices, by rank."""
_PLAIN = (Tracer, np.ndarray)


def _pair(x: Any, y: Any) -> tuple[Array, Array]:
    """Operands of one dtype, that of NumPy's promotion."""
    x, y = as_operand(x), as_operand(y)
    x, y = (v if hasattr(v, "dtype") else np.asarray(v) for v in (x, y))
    if x.dtype is y.dtype:
        return x, y
    # These functions convert their operands to arrays first: a Python number counts as float64 here.
    dtype = np.result_type(x.dtype, y.dtype)
    return convert(x, dtype), convert(y, dtype)


@operator("__matmul__", "__rmatmul__")
@implements(np.matmul)
def matmul(x1: Any, x2: Any, /) -> Array:
    """The matrix product, of stacks of matrices too; a vector counts as a row on the left, a column on the right.

    Raises ``ValueError`` for scalars and for inner lengths that differ.
    """
    if type(x1) in _PLAIN and type(x2) in _PLAIN and x1.dtype is x2.dtype:
        simple = _SIMPLE.get((x1.ndim, x2.ndim))
        if simple is not None and x1.shape[-1] == x2.shape[0]:
            return bind(simple, x1, x2)
    x, y = _pair(x1, x2)
    if not x.ndim or not y.ndim:
        raise ValueError(f"matmul: operands must have at least one axis; got a scalar{here()}. Use *.")
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: the last axis of the first and the last but one of the second operand must have one length; "
            f"got shapes {x.shape} and {y.shape}{here()}. Transpose one of them."
        )
    rows, columns = "i" * (x.ndim > 1), "k" * (y.ndim > 1)
    if x.ndim <= 2 and y.ndim <= 2:
        return contract(f"{rows}j,j{columns}->{rows}{columns}", x, y)
    return _stacked(f"{rows}j,j{columns}->{rows}{columns}", x, y)


def _stacked(core: str, x: Array, y: Array) -> Array:
    """Contract the core axes, the last ones, with NumPy's broadcasting of those before."""
    operands, out = core.split("->")
    core_x, core_y = operands.split(",")
    stack_x, stack_y = x.shape[: x.ndim - len(core_x)], y.shape[: y.ndim - len(core_y)]
    stack = np.broadcast_shapes(stack_x, stack_y)
    names = [c for c in ascii_letters if c not in core][: len(stack)]
    letters = []
    for shape in (stack_x, stack_y):
        own = names[len(stack) - len(shape) :]
        letters.append([c for c, n, m in zip(own, shape, stack[len(stack) - len(shape) :], strict=True) if n == m])
    x, y = (
        v.reshape(
            tuple(n for n, m in zip(shape, stack[len(stack) - len(shape) :], strict=True) if n == m)
            + v.shape[len(shape) :]
        )
        for v, shape in ((x, stack_x), (y, stack_y))
    )
    return contract(f"{''.join(letters[0])}{core_x},{''.join(letters[1])}{core_y}->{''.join(names)}{out}", x, y)


@implements(np.dot)
def dot(a: Any, b: Any, out: None = None) -> Array:
    """The last axis of ``a`` times the last but one (of a vector the only one) of ``b``; a scalar multiplies."""
    x, y = _pair(a, b)
    if not x.ndim or not y.ndim:
        return x * y
    return tensordot(x, y, axes=((x.ndim - 1,), (max(y.ndim - 2, 0),)))


method("dot")(dot)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Array:
    """The sum of products over ``axes``: a number of trailing and leading axes, or a pair of lists."""
    x, y = _pair(a, b)
    if isinstance(axes, int | np.integer):
        axes = (tuple(range(x.ndim - int(axes), x.ndim)), tuple(range(int(axes))))
    axes_x, axes_y = (tuple(v) if isinstance(v, tuple | list | np.ndarray) else (v,) for v in axes)
    axes_x, axes_y = tuple(int(i) % x.ndim for i in axes_x), tuple(int(i) % y.ndim for i in axes_y)
    if len(axes_x) != len(axes_y) or any(x.shape[i] != y.shape[j] for i, j in zip(axes_x, axes_y, strict=True)):
        raise ValueError(
            f"tensordot: summed axes must have equal lengths (shape-mismatch for sum); got {x.shape} and {y.shape} "
            f"over {axes}{here()}. Name other axes, or transpose one operand."
        )
    letters_x = list(ascii_letters[: x.ndim])
    letters_y = list(ascii_letters[x.ndim : x.ndim + y.ndim])
    for i, j in zip(axes_x, axes_y, strict=True):
        letters_y[j] = letters_x[i]
    free = [c for i, c in enumerate(letters_x) if i not in axes_x]
    free += [c for j, c in enumerate(letters_y) if j not in axes_y]
    return contract(f"{''.join(letters_x)},{''.join(letters_y)}->{''.join(free)}", x, y)


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Array:
    """The sum of products over the last axes."""
    x, y = _pair(a, b)
    return x * y if not x.ndim or not y.ndim else tensordot(x, y, axes=(-1, -1))


@implements(np.outer)
def outer(a: Any, b: Any, out: None = None) -> Array:
    """The products of every element of ``a`` with every element of ``b``, both flattened."""
    x, y = _pair(a, b)
    return contract("i,j->ij", x.reshape((x.size,)), y.reshape((y.size,)))


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Array:
    """The inner product of the flattened arrays, the first one conjugated."""
    x, y = _pair(a, b)
    return contract("i,i->", np.conj(x.reshape((x.size,))), y.reshape((y.size,)))


@implements(np.einsum)
def einsum(*operands: Any, out: None = None, optimize: Any = False, dtype: Any = None, **kwargs: Any) -> Array:
    """Einstein's summation in all of NumPy's forms; several operands are contracted in pairs, left to right
    or in the order that ``optimize`` finds.
    """
    subscripts, arrays = _parse(operands)
    arrays = [convert(x, dtype) for x in arrays] if dtype is not None else arrays
    inputs, out_letters = subscripts.split("->")
    terms = list(zip(inputs.split(","), arrays, strict=True))
    path = _path(subscripts, arrays, optimize)
    for positions in path:
        chosen = [terms[i] for i in positions]
        terms = [term for i, term in enumerate(terms) if i not in positions]
        later = set(out_letters).union(*[letters for letters, _ in terms])
        terms.append(_contract_group(chosen, later, out_letters if not terms else None))
    return terms[0][1]


def _parse(operands: Sequence[Any]) -> tuple[str, list[Array]]:
    """Return explicit subscripts, the ellipsis spelled out in letters, and the operands of one dtype."""
    if isinstance(operands[0], str):
        text, arrays = operands[0].replace(" ", ""), list(operands[1:])
    else:
        text, arrays = _from_lists(operands)
    arrays = [as_operand(x) for x in arrays]
    arrays = [x if hasattr(x, "dtype") else np.asarray(x) for x in arrays]
    dtype = np.result_type(*[x.dtype for x in arrays])
    arrays = [convert(x, dtype) for x in arrays]
    inputs, _, out = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(arrays):
        raise ValueError(
            f"einsum: the subscripts must name each operand; got {text!r} and {len(arrays)} operands{here()}."
        )
    used = set(text)
    spare = [c for c in ascii_letters if c not in used]
    widths = [x.ndim - len(t.replace("...", "")) if "..." in t else 0 for t, x in zip(terms, arrays, strict=True)]
    dots = "".join(spare[: max(widths, default=0)])
    terms = [t.replace("...", dots[len(dots) - w :]) for t, w in zip(terms, widths, strict=True)]
    if "->" in text:
        out = out.replace("...", dots)
    else:
        flat = "".join(terms)
        out = dots + "".join(sorted(c for c in set(flat) if flat.count(c) == 1 and c not in dots))
    for t, x in zip(terms, arrays, strict=True):
        if len(t) != x.ndim:
            raise ValueError(f"einsum: {t!r} must name every axis of its operand; got shape {x.shape}{here()}.")
    return f"{','.join(terms)}->{out}", arrays


def _from_lists(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """Turn ``einsum(x, [0, 1], y, [1, 2], [0, 2])`` into letters."""

    def letters(item: Any) -> str:
        return "".join("..." if i is Ellipsis else ascii_letters[int(i)] for i in item)

    pairs = len(operands) // 2
    text = ",".join(letters(operands[2 * i + 1]) for i in range(pairs))
    if len(operands) % 2:
        text += "->" + letters(operands[-1])
    return text, [operands[2 * i] for i in range(pairs)]


def _path(subscripts: str, arrays: Sequence[Array], optimize: Any) -> list[tuple[int, ...]]:
    """The order of contraction: positions of the terms contracted together; a result goes to the end."""
    if len(arrays) == 1:
        return [(0,)]
    if optimize is False or len(arrays) == 2:
        return [(0, 1), *[(0, len(arrays) - i - 1) for i in range(1, len(arrays) - 1)]]
    shapes = [np.broadcast_to(np.zeros((), np.int8), x.shape) for x in arrays]
    found = np.einsum_path(subscripts, *shapes, optimize=optimize)[0][1:]
    return [tuple(group) for group in found]


def _contract_group(terms: Sequence[tuple[str, Array]], later: set[str], final: str | None) -> tuple[str, Array]:
    """Contract terms to one that keeps the letters needed ``later``, in the order ``final`` if it is the last."""
    letters, x = _simplify(*terms[0], later.union(*[t for t, _ in terms[1:]]))
    for i, (other, y) in enumerate(terms[1:], start=1):
        rest = later.union(*[t for t, _ in terms[i + 1 :]])
        other, y = _simplify(other, y, rest | set(letters))
        letters, x = _simplify(letters, x, rest | set(other))
        letters, x, other, y = _drop_ones(letters, x, other, y)
        other, y = _simplify(other, y, rest | set(letters))
        letters, x = _simplify(letters, x, rest | set(other))
        kept = [c for c in dict.fromkeys(letters + other) if c in rest]
        x = contract(f"{letters},{other}->{''.join(kept)}", x, y)
        letters = "".join(kept)
    if final is not None and final != letters:
        x = np.transpose(x, tuple(letters.index(c) for c in final))
        letters = final
    return letters, x


def _simplify(letters: str, x: Array, needed: set[str]) -> tuple[str, Array]:
    """Take diagonals of repeated letters and sum over letters that nobody needs."""
    while len(set(letters)) < len(letters):
        c = next(c for c in letters if letters.count(c) > 1)
        i = letters.index(c)
        j = letters.index(c, i + 1)
        x = np.diagonal(x, axis1=i, axis2=j)
        letters = letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + c
    gone = tuple(i for i, c in enumerate(letters) if c not in needed)
    return ("".join(c for c in letters if c in needed), x.sum(axis=gone)) if gone else (letters, x)


def _drop_ones(letters: str, x: Array, other: str, y: Array) -> tuple[str, Array, str, Array]:
    """einsum broadcasts a length 1 against a longer axis of the same letter: drop it from that operand."""
    lengths = dict(zip(letters, x.shape, strict=True))
    ones_y = {c for c, n in zip(other, y.shape, strict=True) if n == 1 and lengths.get(c, 1) != 1}
    lengths_y = dict(zip(other, y.shape, strict=True))
    ones_x = {c for c, n in lengths.items() if n == 1 and lengths_y.get(c, 1) != 1}
    if ones_x:
        x = x.reshape(tuple(n for c, n in lengths.items() if c not in ones_x))
        letters = "".join(c for c in letters if c not in ones_x)
    if ones_y:
        y = y.reshape(tuple(n for c, n in lengths_y.items() if c not in ones_y))
        other = "".join(c for c in other if c not in ones_y)
    return letters, x, other, y
