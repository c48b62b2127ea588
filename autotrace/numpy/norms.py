"""Norms of vectors and of matrices; where a norm is 0 its derivative is 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..primitives.promotion import convert
from ..tracing import implements, stop_gradient_leaf
from .arguments import Array, array

__all__ = ["matrix_norm", "norm", "vector_norm"]


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """The norm of vectors (one axis) or matrices (two): ``ord`` None, 'fro', 'nuc', inf, -inf, or a number.

    Where a norm is 0 its derivative is 0; elements or singular values that tie for the largest share it.

    >>> from autotrace import grad
    >>> grad(np.linalg.norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    >>> grad(np.linalg.norm)(np.zeros(2))
    array([0., 0.])
    """
    x = array(x)
    if x.dtype.kind in "biu":
        x = convert(x, np.dtype(np.float64))
    if axis is None:
        if (
            ord is None
            or (x.ndim == 2 and _is(ord, "f", "fro"))
            or (x.ndim == 1 and not isinstance(ord, str) and ord == 2)
        ):
            return _flat_norm(x, keepdims)
        axis = tuple(range(x.ndim))
    elif not isinstance(axis, tuple):
        try:
            axis = (int(axis),)
        except Exception as error:
            raise TypeError("'axis' must be None, an integer or a tuple of integers") from error
    if len(axis) == 1:
        return _vector_norm(x, ord, normalize_axis_index(axis[0], x.ndim), bool(keepdims))
    if len(axis) == 2:
        row, column = (normalize_axis_index(i, x.ndim) for i in axis)
        if row == column:
            raise ValueError("Duplicate axes given.")
        result = _matrix_norm(x, ord, row, column)
        if keepdims:
            result = result.reshape(tuple(1 if i in (row, column) else n for i, n in enumerate(x.shape)))
        return result
    raise ValueError("Improper number of dimensions to norm.")


def _is(ord: Any, *names: str) -> bool:
    return isinstance(ord, str) and ord in names


def _flat_norm(x: Array, keepdims: bool) -> Array:
    """The Euclidean norm of all elements."""
    flat = x.reshape((x.size,))
    if x.dtype.kind == "c":
        square = np.dot(np.real(flat), np.real(flat)) + np.dot(np.imag(flat), np.imag(flat))
    else:
        square = np.dot(flat, flat)
    return _root(square).reshape((1,) * x.ndim) if keepdims else _root(square)


def _root(square: Array) -> Array:
    """The square root; at 0 with derivative 0."""
    zero = np.equal(square, 0)
    return np.where(zero, 0, np.sqrt(np.where(zero, 1, square)))[()]


def _squared(x: Array) -> Array:
    return np.real(np.conj(x) * x) if x.dtype.kind == "c" else x * x


def _vector_norm(x: Array, ord: Any, axis: int, keepdims: bool) -> Array:
    options: Any = {"axis": axis, "keepdims": keepdims}
    if ord is None:
        return _root(np.sum(_squared(x), **options))
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord == np.inf:
        return np.max(np.abs(x), initial=0, **options)
    if ord == -np.inf:
        return np.min(np.abs(x), **options)
    if ord == 0:
        return np.sum(np.not_equal(x, 0).astype(np.abs(x).dtype), **options)
    if ord == 1:
        return np.sum(np.abs(x), **options)
    if ord == 2:
        return _root(np.sum(_squared(x), **options))
    return _power_norm(np.abs(x), ord.item() if isinstance(ord, np.generic) else ord, options)


def _power_norm(x: Array, p: Any, options: Any) -> Array:
    """The p-th root of the sum of p-th powers of x >= 0; elements and sums that are 0 have derivative 0."""
    zero = np.equal(x, 0)
    of_zero = 0 if p > 0 else stop_gradient_leaf(np.where(zero, x, 1)) ** p
    total = np.sum(np.where(zero, of_zero, np.where(zero, 1, x) ** p), **options)
    if p < 0:
        return total ** (1 / p)
    none = np.equal(total, 0)
    return np.where(none, 0, np.where(none, 1, total) ** (1 / p))[()]


def _matrix_norm(x: Array, ord: Any, row: int, column: int) -> Array:
    if ord is None or _is(ord, "f", "fro"):
        return _root(np.sum(_squared(x), axis=(row, column)))
    if _is(ord, "nuc"):
        return np.sum(_singular(x, row, column), axis=-1)
    if isinstance(ord, str) or ord not in (1, -1, 2, -2, np.inf, -np.inf):
        raise ValueError("Invalid norm order for matrices.")
    if ord in (2, -2):
        s = _singular(x, row, column)
        return np.max(s, axis=-1, initial=0) if ord == 2 else np.min(s, axis=-1)
    summed, left = (row, column) if ord in (1, -1) else (column, row)
    sums = np.sum(np.abs(x), axis=summed)
    left -= left > summed
    return np.max(sums, axis=left, initial=0) if ord > 0 else np.min(sums, axis=left)


def _singular(x: Array, row: int, column: int) -> Array:
    """Singular values; those that are 0 up to rounding are absolute values at their kink: derivative 0."""
    s = np.linalg.svd(np.moveaxis(x, (row, column), (-2, -1)), compute_uv=False)
    rounding = max(x.shape[row], x.shape[column]) * np.finfo(s.dtype).eps
    return np.where(s > rounding * np.max(s, axis=-1, keepdims=True, initial=0), s, stop_gradient_leaf(s))


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """The norm of vectors along any number of axes, which count as one."""
    x = array(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    length = int(np.prod([x.shape[i] for i in axes], dtype=int))
    flat = np.transpose(x, (*axes, *rest)).reshape((length, *[x.shape[i] for i in rest]))
    result = np.linalg.norm(flat, axis=0, ord=ord)
    return result.reshape(tuple(1 if i in axes else n for i, n in enumerate(x.shape))) if keepdims else result


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """The norm of matrices x[..., m, n]."""
    return np.linalg.norm(x, axis=(-2, -1), keepdims=keepdims, ord=ord)
