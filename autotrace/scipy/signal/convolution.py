"""Convolution and correlation of arrays of any rank."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import scipy.signal

from ...ir import Linear, Operand, Primitive, ShapedArray
from ...primitives.convolution import spread_by_kernel
from ...primitives.promotion import broadcast_to
from ...primitives.series import convolved
from ...tracing import as_operand, bind, here

__all__ = ["convolve", "correlate", "fftconvolve"]

Array = Any


class Convolution(Primitive):
    """The full convolution along the last ``rank`` axes: z[k] = sum over i of x[i] y[k - i]; the axes before
    are a stack.

    Linear in each operand. The transpose in x correlates with y: the part of the convolution of ct with y
    reversed that starts at the length of y, less 1.
    """

    rank: int
    method: str
    required: ClassVar[tuple[str, ...]] = ("impl", "abstract", "jvp", "transpose", "batch")

    def impl(self, x: Array, y: Array) -> Array:
        stack = x.ndim - self.rank
        shape = (*x.shape[:stack], *_whole_lengths(x.shape[stack:], y.shape[stack:]))
        if self.method == "fft" and math.prod(shape):
            return scipy.signal.fftconvolve(x, y, "full", axes=tuple(range(-self.rank, 0)))
        z = np.zeros(shape, x.dtype)
        small, large = (x, y) if _count(x, self.rank) < _count(y, self.rank) else (y, x)
        lengths = large.shape[large.ndim - self.rank :]
        for i in np.ndindex(*small.shape[small.ndim - self.rank :]):
            where = [slice(k, k + n) for k, n in zip(i, lengths, strict=True)]
            z[_trailing(where)] += large * small[_trailing(i)][_trailing((None,) * self.rank)]
        return z

    def abstract(self, x: ShapedArray, y: ShapedArray) -> ShapedArray:
        stack = x.ndim - self.rank
        if x.ndim != y.ndim or x.dtype != y.dtype or x.shape[:stack] != y.shape[:stack]:
            raise ValueError(
                f"convolve: operands must have equal rank and dtype; got {x} and {y}{here()}. Reshape one."
            )
        return x.update(shape=(*x.shape[:stack], *_whole_lengths(x.shape[stack:], y.shape[stack:])))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        (x, y), (dx, dy) = primals, tangents
        terms = [bind(self, dx, y)] if dx is not None else []
        terms += [bind(self, x, dy)] if dy is not None else []
        return sum(terms[1:], start=terms[0])

    def taylor(self, k: int, inputs: Sequence[Any], output: Any) -> Array:
        return convolved(partial(bind, self), inputs[0], inputs[1], k)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        x, y = inputs
        if type(x) is Linear and type(y) is Linear:
            return Primitive.transpose(self, ct, inputs)
        if type(x) is Linear:
            return (self._correlated(ct, y, x.shape), None)
        return (None, self._correlated(ct, x, y.shape))

    def _correlated(self, ct: Array, y: Array, shape: tuple[int, ...]) -> Array:
        stack = y.ndim - self.rank
        if not ct.size or not y.size:
            return np.zeros(shape, ct.dtype)
        whole = bind(self, ct, _reversed(y, self.rank))
        parts = [slice(m - 1, m - 1 + n) for m, n in zip(y.shape[stack:], shape[stack:], strict=True)]
        return whole[_trailing(parts)]

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(
            self,
            *[x if b else broadcast_to(x, (size, *x.shape)) for x, b in zip(inputs, batched, strict=True)],
        )

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        x, y = inputs
        return 2 * x.size * int(np.prod(y.shape[y.ndim - self.rank :], dtype=int))

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return spread_by_kernel(operands, outputs[0].shape, self.rank, (0,) * self.rank)


def _whole_lengths(lengths: Sequence[int], others: Sequence[int]) -> list[int]:
    return [m + n - 1 if m and n else 0 for m, n in zip(lengths, others, strict=True)]


def _count(x: Array, rank: int) -> int:
    return int(np.prod(x.shape[x.ndim - rank :], dtype=int))


def _reversed(x: Array, rank: int) -> Array:
    return x[_trailing([slice(None, None, -1)] * rank)] if rank else x


def _trailing(index: Iterable[Any]) -> Any:
    """The index of the last axes by ``index``."""
    return (Ellipsis, *index)


def _operands(name: str, in1: Any, in2: Any) -> tuple[Array, Array]:
    x, y = (v if hasattr(v := as_operand(u), "dtype") else np.asarray(v) for u in (in1, in2))
    if x.ndim != y.ndim:
        raise ValueError(
            f"{name}: in1 and in2 must have the same rank; got shapes {x.shape} and {y.shape}{here()}. Reshape one."
        )
    dtype = np.result_type(x.dtype, y.dtype)
    return x.astype(dtype) if x.dtype != dtype else x, y.astype(dtype) if y.dtype != dtype else y


def _swaps(name: str, mode: str, x: Array, y: Array, axes: Sequence[int]) -> bool:
    """Whether mode "valid" exchanges the operands: one of them must be at least as large as the other on
    every axis.
    """
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{name}: mode must be 'full', 'same' or 'valid'; got {mode!r}{here()}. Pass one of these.")
    if mode != "valid":
        return False
    if all(x.shape[i] >= y.shape[i] for i in axes):
        return False
    if all(y.shape[i] >= x.shape[i] for i in axes):
        return True
    raise ValueError(
        f"{name}: for mode 'valid' one operand must be at least as large as the other on every "
        "axis; got shapes "
        f"{x.shape} and {y.shape}{here()}. Use mode 'full'."
    )


def _part(z: Array, shape: tuple[int, ...], axes: Sequence[int]) -> Array:
    """The centre of ``z``, of the lengths ``shape`` along ``axes``."""
    index: list[Any] = [slice(None)] * z.ndim
    for i in axes:
        start = (z.shape[i] - shape[i]) // 2
        index[i] = slice(start, start + shape[i])
    return z[tuple(index)]


def _convolved(name: str, x: Array, y: Array, mode: str, method: str, axes: Sequence[int]) -> Array:
    if _swaps(name, mode, x, y, axes):
        x, y = y, x
    if x.size == 0 or y.size == 0:
        return np.zeros((0,), x.dtype)
    others = [i for i in range(x.ndim) if i not in axes]
    stack = np.broadcast_shapes(tuple(x.shape[i] for i in others), tuple(y.shape[i] for i in others))
    order = (*others, *axes)
    moved = []
    for v in (x, y):
        v = np.transpose(v, order) if others else v
        moved.append(broadcast_to(v, (*stack, *v.shape[len(others) :])))
    z = bind(Convolution(len(axes), method), *moved)
    if others:
        z = np.transpose(z, tuple(int(i) for i in np.argsort(order)))
    if mode == "full":
        return z
    return _part(
        z,
        x.shape if mode == "same" else tuple(max(m - n + 1, 0) for m, n in zip(x.shape, y.shape, strict=True)),
        axes,
    )


def _method(name: str, method: str, x: Array, y: Array) -> str:
    if method not in ("auto", "direct", "fft"):
        raise ValueError(
            f"{name}: method must be 'auto', 'direct' or 'fft'; got {method!r}{here()}. Pass one of these."
        )
    if x.dtype.kind not in "fc":
        return "direct"
    if method != "auto":
        return method
    return "direct" if min(x.size, y.size) <= 64 else "fft"


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Array:
    """Return the convolution of two arrays of equal rank along all axes.

    ``mode`` "full" has every term, "same" its centre with the shape of in1, "valid" what needs no padding.
    ``method`` "direct" adds products, "fft" uses Fourier transforms, "auto" takes "fft" where both arrays
    are large.

    >>> import autotrace, numpy as np
    >>> autotrace.grad(lambda y: convolve(np.array([1.0, 2.0]), y)[1])(np.array([3.0, 4.0, 5.0]))
    array([2., 1., 0.])
    """
    x, y = _operands("convolve", in1, in2)
    if x.ndim == 0:
        return x * y
    return _convolved("convolve", x, y, mode, _method("convolve", method, x, y), range(x.ndim))


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Array:
    """Return the correlation of two arrays of equal rank: the convolution of in1 with in2 reversed and
    conjugated.
    """
    x, y = _operands("correlate", in1, in2)
    if x.ndim == 0:
        return x * np.conj(y)
    method = _method("correlate", method, x, y)
    axes = range(x.ndim)
    if _swaps("correlate", mode, x, y, axes):
        # SciPy correlates the larger with the smaller, and turns the result round.
        return np.conj(_reversed(_convolved("correlate", y, np.conj(_reversed(x, x.ndim)), mode, method, axes), x.ndim))
    return _convolved("correlate", x, np.conj(_reversed(y, y.ndim)), mode, method, axes)


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Array:
    """Return the convolution along ``axes`` (None: all) by Fourier transforms; the other axes broadcast."""
    x, y = _operands("fftconvolve", in1, in2)
    if x.dtype.kind not in "fc":
        x, y = x.astype(np.float64), y.astype(np.float64)
    if x.ndim == 0:
        return x * y
    chosen = range(x.ndim) if axes is None else np.lib.array_utils.normalize_axis_tuple(axes, x.ndim)
    return _convolved("fftconvolve", x, y, mode, "fft", list(chosen))
