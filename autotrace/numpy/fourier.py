"""The functions of :mod:`numpy.fft`: axes padded or truncated, then transformed one after the other.

Single precision stays single. As in NumPy, ``norm`` is None or "backward" (the inverse divides by n), "ortho"
(each by sqrt(n)) or "forward" (the forward transform divides). ``out`` is honoured by :mod:`.targets`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..primitives.fft import Fft, Irfft, Rfft, swapped
from ..primitives.promotion import convert
from ..primitives.slices import embed
from ..tracing import bind, fresh, here, implements
from .arguments import Array, array, integer

__all__ = [
    "fft",
    "fft2",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftn",
]


def _norm(norm: str | None) -> str:
    if norm is None:
        return "backward"
    if norm not in ("backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    return norm


def _points(n: Any) -> int:
    n = integer(n)
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    return n


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    """The index that takes ``part`` of an axis."""
    return (*[slice(None)] * axis, part)


def _fitted(x: Array, n: int, axis: int) -> Array:
    """``x`` cut off or filled with zeros to length ``n`` along ``axis``."""
    length = x.shape[axis]
    if length == n:
        return x
    if length > n:
        return x[_along(axis, slice(0, n))]
    index = (*[(0, size, 1) for size in x.shape[:axis]], (0, length, 1))
    return embed(x, (*x.shape[:axis], n, *x.shape[axis + 1 :]), index)


def _inexact(x: Array, of_complex: bool) -> Array:
    """``x`` in the precision in which NumPy transforms it."""
    if of_complex:
        return convert(x, np.result_type(x.dtype, np.complex64))
    if x.dtype.kind == "c":
        raise TypeError(f"rfft: the operand must be real; got {x.dtype}{here()}. Use fft, or the real part.")
    return convert(x, np.float32 if x.dtype == np.float16 else np.result_type(x.dtype, np.float32))


def _full(inverse: bool, a: Any, n: Any, axis: int, norm: str | None) -> Array:
    a = array(a)
    n, norm = _points(a.shape[axis] if n is None else n), _norm(norm)
    axis = normalize_axis_index(axis, a.ndim)
    return bind(Fft(axis, norm, inverse), _fitted(_inexact(a, True), n, axis))


@implements(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Array:
    """The discrete Fourier transform along ``axis``, cut off or padded with zeros to ``n`` points.

    Raises ``ValueError`` for fewer than one point.

    >>> from autotrace import grad
    >>> grad(lambda x: np.abs(np.fft.fft(x)[1]) ** 2)(np.array([1.0, 0.0, -1.0, 0.0]))
    array([ 4.,  0., -4.,  0.])
    """
    return _full(False, a, n, axis, norm)


@implements(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Array:
    """The inverse discrete Fourier transform along ``axis``."""
    return _full(True, a, n, axis, norm)


@implements(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Array:
    """The first n // 2 + 1 elements of the transform of real numbers."""
    a = array(a)
    n, norm = _points(a.shape[axis] if n is None else n), _norm(norm)
    axis = normalize_axis_index(axis, a.ndim)
    return bind(Rfft(axis, norm), _fitted(_inexact(a, False), n, axis))


@implements(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Array:
    """The ``n`` real numbers, by default 2 (m - 1), whose transform begins with the m elements given."""
    a = array(a)
    n, norm = _points((a.shape[axis] - 1) * 2 if n is None else n), _norm(norm)
    axis = normalize_axis_index(axis, a.ndim)
    return bind(Irfft(axis, norm, n), _fitted(_inexact(a, True), n // 2 + 1, axis))


@implements(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Array:
    """The real transform, of ``n`` points, of what is its own conjugate reversed, given by its first half."""
    return irfft(np.conj(array(a)), n, axis, swapped(_norm(norm)))


@implements(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: str | None = None, out: Any = None) -> Array:
    """The first half of the inverse transform of real numbers."""
    return np.conj(rfft(a, n, axis, swapped(_norm(norm))))


def _lengths(a: Array, s: Any, axes: Any, half: bool = False) -> tuple[list[Any], list[int]]:
    """Return the lengths and the axes of a transform of several axes, by NumPy's defaults."""
    if axes is None:
        if s is not None:
            warnings.warn(
                "`axes` should not be `None` if `s` is not `None` (Deprecated in NumPy 2.0). In a future "
                "version of NumPy, this will raise an error and `s[i]` will correspond to the size along the "
                "transformed axis specified by `axes[i]`. To retain current behaviour, pass a sequence "
                "[0, ..., k-1] to `axes` for an array of dimension k.",
                DeprecationWarning,
                stacklevel=4,
            )
        axes = range(-len(a.shape if s is None else s), 0)
    axes = list(axes)
    lengths = [a.shape[i] for i in axes] if s is None else list(s)
    if len(lengths) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    if half and s is None:
        lengths[-1] = (a.shape[axes[-1]] - 1) * 2
    if any(n is None for n in lengths):
        warnings.warn(
            "Passing an array containing `None` values to `s` is deprecated in NumPy 2.0 and will raise an "
            "error in a future version of NumPy. To use the default behaviour of the corresponding 1-D "
            "transform, pass the value matching the default for its `n` parameter. To use the default "
            "behaviour for every axis, the `s` argument can be omitted.",
            DeprecationWarning,
            stacklevel=4,
        )
    return [a.shape[i] if n == -1 else n for n, i in zip(lengths, axes, strict=True)], axes


def _each(
    function: Callable[..., Array], a: Array, lengths: Sequence[Any], axes: Sequence[int], norm: str | None
) -> Array:
    for n, axis in zip(lengths, axes, strict=True):
        a = function(a, n, axis, norm)
    return a


@implements(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None) -> Array:
    """The transform along several ``axes`` (all by default), each fitted to its length in ``s``."""
    a = array(a)
    lengths, axes = _lengths(a, s, axes)
    return _each(fft, a, lengths[::-1], axes[::-1], norm)


@implements(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None) -> Array:
    """The inverse transform along several ``axes``."""
    a = array(a)
    lengths, axes = _lengths(a, s, axes)
    return _each(ifft, a, lengths[::-1], axes[::-1], norm)


@implements(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None) -> Array:
    """The transform of real numbers along several ``axes``; half of the last one is returned."""
    a = array(a)
    lengths, axes = _lengths(a, s, axes)
    return _each(fft, rfft(a, lengths[-1], axes[-1], norm), lengths[-2::-1], axes[-2::-1], norm)


@implements(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None) -> Array:
    """The real numbers whose transform along several ``axes`` has the half of the last one that is given."""
    a = array(a)
    lengths, axes = _lengths(a, s, axes, half=True)
    return irfft(_each(ifft, a, lengths[:-1], axes[:-1], norm), lengths[-1], axes[-1], norm)


@implements(np.fft.fft2)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None, out: Any = None) -> Array:
    """The transform along two ``axes``."""
    return fftn(a, s, axes, norm)


@implements(np.fft.ifft2)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None, out: Any = None) -> Array:
    """The inverse transform along two ``axes``."""
    return ifftn(a, s, axes, norm)


@implements(np.fft.rfft2)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None, out: Any = None) -> Array:
    """The transform of real numbers along two ``axes``."""
    return rfftn(a, s, axes, norm)


@implements(np.fft.irfft2)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None, out: Any = None) -> Array:
    """The real numbers whose transform along two ``axes`` is given by half."""
    return irfftn(a, s, axes, norm)


def _shifted(x: Any, axes: Any, inverse: bool) -> Array:
    x = fresh(array(x))
    axes = range(x.ndim) if axes is None else axes if isinstance(axes, tuple | list | np.ndarray) else (axes,)
    for axis in axes:
        axis = normalize_axis_index(integer(axis), x.ndim)
        n = x.shape[axis]
        start = n // 2 if inverse else n - n // 2
        if 0 < start < n:
            x = np.concatenate([x[_along(axis, slice(start, None))], x[_along(axis, slice(start))]], axis=axis)
    return x


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Array:
    """``x`` with the zero frequency in the middle of ``axes``, all of them by default."""
    return _shifted(x, axes, inverse=False)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Array:
    """The inverse of :func:`fftshift`, which for odd lengths is another shift."""
    return _shifted(x, axes, inverse=True)
