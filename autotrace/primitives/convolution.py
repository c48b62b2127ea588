"""Discrete convolution of vectors: bilinear, and closed under its own transpose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import PAIRS, Linear, Operand, ShapedArray, united
from ..tracing import bind, here
from .families import Array, Bilinear
from .promotion import broadcast_to

__all__ = ["convolve_vectors", "spread_by_kernel"]


class Convolve(Bilinear):
    """Along the last axis, sum_j x[k - j] y[j]: where the vectors meet, or where all of y does ("valid").

    The other axes are those of a batch. In the mode "valid" x is not shorter than y.
    """

    mode: Any

    def impl(self, x: Array, y: Array) -> Array:
        if x.ndim == 1:
            return np.convolve(x, y, self.mode)
        out = np.empty((*x.shape[:-1], self._length(x.shape[-1], y.shape[-1])), x.dtype)
        for i in np.ndindex(x.shape[:-1]):
            out[i] = np.convolve(x[i], y[i], self.mode)
        return out

    def _length(self, n: int, m: int) -> int:
        return n + m - 1 if self.mode == "full" else n - m + 1

    def abstract(self, x: ShapedArray, y: ShapedArray) -> ShapedArray:
        if x.dtype != y.dtype or x.shape[:-1] != y.shape[:-1] or not x.ndim or not x.shape[-1] or not y.shape[-1]:
            raise TypeError(f"convolve: operands must be vectors of one dtype, not empty; got {x} and {y}{here()}.")
        if self.mode == "valid" and x.shape[-1] < y.shape[-1]:
            raise TypeError(
                f"convolve: the first operand must not be shorter in mode 'valid'; got {x} and {y}{here()}."
            )
        return x.update(shape=(*x.shape[:-1], self._length(x.shape[-1], y.shape[-1])))

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        x, y = inputs
        return (self._to_x(ct, y) if wanted[0] else None, self._to_y(ct, x) if wanted[1] else None)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        x, y = inputs
        return (self._to_x(ct, y), None) if type(x) is Linear else (None, self._to_y(ct, x))

    def _to_x(self, ct: Array, y: Array) -> Array:
        """full: sum_j ct[i + j] y[j]; valid: sum_k ct[k] y[k + m - 1 - i]."""
        return bind(Convolve("valid" if self.mode == "full" else "full"), ct, _reverse(y))

    def _to_y(self, ct: Array, x: Array) -> Array:
        """full: sum_i ct[i + j] x[i]; valid: sum_k ct[k] x[k + m - 1 - j]."""
        if self.mode == "full":
            return bind(Convolve("valid"), ct, _reverse(x))
        return _reverse(bind(self, x, _reverse(ct)))

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        x, y = (v if b else broadcast_to(v, (size, *v.shape)) for v, b in zip(inputs, batched, strict=True))
        return bind(self, x, y)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        """Count a product and a sum for each pair of elements that meet."""
        x, y = inputs
        pairs = x.size if self.mode == "full" else outputs[0].size
        return 2 * pairs * y.shape[-1] * (4 if x.dtype.kind == "c" else 1)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        cut = operands[1].shape[-1] - 1 if self.mode == "valid" else 0
        return spread_by_kernel(operands, outputs[0].shape, 1, (cut,))


def spread_by_kernel(operands: Sequence[Operand], shape: tuple[int, ...], rank: int, cut: Sequence[int]) -> Any:
    """Return the dependence of z[k] = sum over i of x[i] y[k + cut - i], along the last ``rank`` axes.

    What a known operand multiplies by zero does not count.
    """
    x, y = operands
    return united([_spread_by(x, y, shape, rank, cut), _spread_by(y, x, shape, rank, cut)], shape)


def _spread_by(x: Operand, y: Operand, shape: tuple[int, ...], rank: int, cut: Sequence[int]) -> Any:
    if x.dependence is None:
        return None
    stack = len(shape) - rank
    kernel = np.ones(y.shape[stack:], bool)
    if y.value is not None:
        kernel = np.any(np.not_equal(y.value, 0), axis=tuple(range(stack)))
    taps = np.nonzero(kernel)
    inner = x.shape[stack:]
    axes = range(stack, len(shape))
    if taps[0].size * x.aval.size > PAIRS:
        return x.dependence.along(axes, shape[stack:])
    at = np.indices(inner).reshape(rank, 1, -1)
    target = at + np.stack(taps).reshape(rank, -1, 1) - np.reshape(cut, (rank, 1, 1))
    inside = np.all((target >= 0) & (target < np.reshape(shape[stack:], (rank, 1, 1))), axis=0)
    sources = np.broadcast_to(np.arange(at.shape[-1]), inside.shape)[inside]
    targets = np.zeros(sources.shape, np.int64)
    for k in range(rank):
        targets = targets * shape[stack + k] + target[k][inside]
    items = np.arange(math.prod(shape[:stack])).reshape(-1, 1)
    targets, sources = (items * math.prod(n) + i for n, i in ((shape[stack:], targets), (inner, sources)))
    return x.dependence.collected(targets.ravel(), sources.ravel(), shape)


def _reverse(x: Array) -> Array:
    return x[..., ::-1]


def convolve_vectors(x: Array, y: Array, mode: str) -> Array:
    """Convolve vectors of one dtype; ``mode`` is "full", "same" or "valid", as in NumPy."""
    x, y = (x, y) if x.shape[-1] >= y.shape[-1] else (y, x)
    if mode == "valid":
        return bind(Convolve("valid"), x, y)
    whole = bind(Convolve("full"), x, y)
    if mode == "full":
        return whole
    start = (y.shape[-1] - 1) // 2
    return whole[..., start : start + x.shape[-1]]
