"""Real and imaginary parts, conjugation, and the change of dtype that users ask for.

Cotangents follow JAX: the pairing is Re(ct * t), without conjugation, so the gradient of a real function
f(x + iy) is df/dx - i df/dy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import ShapedArray
from ..tracing import Tracer, bind, implements, method
from .families import Array, LinearMap
from .promotion import convert

__all__ = ["astype", "conj", "imag", "real"]


class _Part(LinearMap, family=True):
    """Linear over the reals, elementwise."""

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(self, *inputs)


class Real(_Part):
    """The real part."""

    def impl(self, x: Array) -> Array:
        return np.real(x)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(dtype=real_dtype(x.dtype))

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (convert(ct, inputs[0].aval.dtype),)


class Imag(_Part):
    """The imaginary part."""

    def impl(self, x: Array) -> Array:
        return np.imag(x)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(dtype=real_dtype(x.dtype))

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (convert(ct, inputs[0].aval.dtype) * -1j,)


class Conj(_Part):
    """The complex conjugate."""

    impl = np.conjugate

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (np.conj(ct),)


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the real part of ``dtype``."""
    return np.zeros((), dtype).real.dtype


def _is_complex(x: Any) -> bool:
    return bool(x.dtype.kind == "c")


@implements(np.real)
def real(x: Any) -> Array:
    """The real part; ``x`` itself if it is real."""
    return bind(Real(), x) if _is_complex(x) else x


@implements(np.imag)
def imag(x: Any) -> Array:
    """The imaginary part; zeros if ``x`` is real."""
    return bind(Imag(), x) if _is_complex(x) else np.zeros(x.shape, x.dtype)


@implements(np.conjugate)
def conj(x: Any) -> Array:
    """The complex conjugate; ``x`` itself if it is real."""
    return bind(Conj(), x) if _is_complex(x) else x


@method("astype")
def astype(x: Any, dtype: Any, *args: Any, **kwargs: Any) -> Array:
    """The values of ``x`` in another dtype. ``order``, ``casting`` and ``copy`` change no value."""
    return convert(x, np.dtype(dtype))


Tracer.real = property(real)  # type: ignore[attr-defined]
Tracer.imag = property(imag)  # type: ignore[attr-defined]
