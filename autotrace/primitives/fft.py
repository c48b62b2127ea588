"""Discrete Fourier transforms along one axis; several axes are several equations.

Each keeps the length of its axis: padding and truncation are written out before it. ``norm`` is NumPy's,
always spelled out: where the factor 1/n stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Operand, ShapedArray
from ..tracing import bind, here
from .families import Array, LinearMap

__all__ = ["Fft", "Irfft", "Rfft"]

_SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def swapped(norm: str) -> str:
    """Return the norm that gives the inverse transform the factor of this one."""
    return _SWAPPED[norm]


class _Transform(LinearMap, family=True):
    axis: int
    norm: Any

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        """Count 5 n log2(n) of a complex transform of length n, half of it where one side is real (Van Loan 1992)."""
        real = inputs[0].dtype.kind != outputs[0].dtype.kind
        whole = inputs[0] if inputs[0].size > outputs[0].size else outputs[0]
        return int((2.5 if real else 5) * whole.size * math.log2(max(2, whole.shape[self.axis])))

    def check(self, x: ShapedArray, kind: str) -> None:
        """Raise ``TypeError`` unless ``x`` is of ``kind`` ('f' or 'c') and not empty along the axis."""
        if x.dtype.kind != kind or x.dtype == np.float16 or not x.shape[self.axis]:
            raise TypeError(f"{self.name}: the operand must be of kind {kind!r} and not empty; got {x}{here()}.")

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        dependence = operands[0].dependence
        return dependence and dependence.along((self.axis,), (outputs[0].shape[self.axis],))


class Fft(_Transform):
    """y_k = f sum_j x_j exp(-2 pi i j k / n), or with + if ``inverse``. Symmetric: its own transpose."""

    inverse: bool = False

    def impl(self, x: Array) -> Array:
        return (np.fft.ifft if self.inverse else np.fft.fft)(x, axis=self.axis, norm=self.norm)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        self.check(x, "c")
        return x

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (bind(self, ct),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Fft(self.axis + 1, self.norm, self.inverse), *inputs)


class Rfft(_Transform):
    """The first n // 2 + 1 elements of the transform of n real numbers; the others are their conjugates.

    x_j -> f Re sum_k ct_k exp(-2 pi i j k / n) over those elements: an inverse transform of conj(ct), where
    elements whose conjugates it adds by itself count by half.
    """

    def impl(self, x: Array) -> Array:
        return np.fft.rfft(x, axis=self.axis, norm=self.norm)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        self.check(x, "f")
        half = x.shape[self.axis] // 2 + 1
        shape = (*x.shape[: self.axis], half, *x.shape[self.axis + 1 :])
        return x.update(shape=shape, dtype=np.result_type(x.dtype, np.complex64))

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        n = inputs[0].shape[self.axis]
        weighted = np.conj(ct) * _weights(n, 0.5, self.axis, ct)
        return (bind(Irfft(self.axis, swapped(self.norm), n), weighted),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Rfft(self.axis + 1, self.norm), *inputs)


class Irfft(_Transform):
    """The ``n`` real numbers whose transform begins with x_0, ..., x_{n // 2}.

    Imaginary parts of elements that are their own conjugates are not read. The transpose is the conjugate of
    a forward transform, where elements that stand for their conjugates too count double.
    """

    n: int

    def impl(self, x: Array) -> Array:
        return np.fft.irfft(x, self.n, axis=self.axis, norm=self.norm)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        self.check(x, "c")
        if x.shape[self.axis] != self.n // 2 + 1:
            raise ValueError(f"irfft: axis {self.axis} must have length {self.n // 2 + 1}; got {x}{here()}.")
        shape = (*x.shape[: self.axis], self.n, *x.shape[self.axis + 1 :])
        return x.update(shape=shape, dtype=np.zeros((), x.dtype).real.dtype)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        forward = np.conj(bind(Rfft(self.axis, swapped(self.norm)), ct))
        return (forward * _weights(self.n, 2.0, self.axis, forward),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Irfft(self.axis + 1, self.norm, self.n), *inputs)


def _weights(n: int, weight: float, axis: int, like: Array) -> Array:
    """1 for the elements of a half transform that are their own conjugates, else ``weight``."""
    weights = np.full(n // 2 + 1, weight)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    shape = [1] * like.ndim
    shape[axis] = n // 2 + 1
    return weights.reshape(shape).astype(np.zeros((), like.dtype).real.dtype)
