"""Matrices built from vectors and blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir import ShapedArray
from ...tracing import as_operand, here

__all__ = ["block_diag", "circulant", "hankel", "toeplitz"]

Array = Any


def _array(x: Any) -> Array:
    x = as_operand(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def _vector(name: str, x: Any) -> Array:
    """A vector, or a stack of them; a number is a vector of one."""
    x = _array(x)
    return x.reshape((1,)) if x.ndim == 0 else x


def _placed(vectors: Array, index: Array) -> Array:
    """Take elements along the last axis."""
    return vectors[..., index]


def block_diag(*arrs: Any) -> Array:
    """Return the matrix with ``arrs`` as blocks on its diagonal, zeros elsewhere; vectors count as rows."""
    blocks = [np.atleast_2d(_array(x)) for x in arrs] or [np.zeros((1, 0))]
    dtype = np.result_type(*[x.dtype for x in blocks])
    stack = np.broadcast_shapes(*[x.shape[:-2] for x in blocks])
    width = sum(x.shape[-1] for x in blocks)
    rows, start = [], 0
    for x in blocks:
        m, n = x.shape[-2:]
        x = np.broadcast_to(x, (*stack, m, n)).astype(dtype)
        before, after = np.zeros((*stack, m, start), dtype), np.zeros((*stack, m, width - start - n), dtype)
        rows.append(np.concatenate([before, x, after], axis=-1))
        start += n
    return np.concatenate(rows, axis=-2)


def toeplitz(c: Any, r: Any = None) -> Array:
    """Return the matrix with first column c : f[..., m] and first row r : f[..., n], constant along
    diagonals.

    r[0] is not read; without r it is conj(c).
    """
    c = _vector("toeplitz", c)
    r = np.conj(c) if r is None else _vector("toeplitz", r)
    m, n = c.shape[-1], r.shape[-1]
    return _placed(_joined(c[..., ::-1], r[..., 1:]), m - 1 - np.arange(m)[:, None] + np.arange(n))


def hankel(c: Any, r: Any = None) -> Array:
    """Return the matrix with first column c : f[..., m] and last row r : f[..., n], constant along
    antidiagonals.

    r[0] is not read; without r it is zero.
    """
    c = _vector("hankel", c)
    r = np.zeros(c.shape, c.dtype) if r is None else _vector("hankel", r)
    m, n = c.shape[-1], r.shape[-1]
    return _placed(_joined(c, r[..., 1:]), np.arange(m)[:, None] + np.arange(n))


def _joined(x: Array, y: Array) -> Array:
    stack = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    return np.concatenate([np.broadcast_to(v, (*stack, v.shape[-1])) for v in (x, y)], axis=-1)


def circulant(c: Any) -> Array:
    """Return the matrix with first column c : f[..., n] in which each column is the one before, moved down
    by one.
    """
    c = _vector("circulant", c)
    if c.shape[-1] == 0:
        raise ValueError(
            f"circulant: needs a vector with elements; got {ShapedArray(c.shape, c.dtype)}{here()}. Pass one."
        )
    i = np.arange(c.shape[-1])
    return _placed(c, (i[:, None] - i) % c.shape[-1])
