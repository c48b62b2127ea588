"""Real and imaginary parts, conjugation, and the change of dtype that users ask for.

Cotangents follow JAX: the pairing is Re(ct * t), without conjugation, so the gradient of a real function
f(x + iy) is df/dx - i df/dy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ir import Operand, Primitive, ShapedArray, united
from ..tracing import Tracer, bind, fresh, here, implements, link, method
from .families import Array, LinearMap
from .promotion import broadcast_to, convert
from .series import carried

__all__ = ["astype", "conj", "imag", "real"]


class _Part(LinearMap, family=True):
    """Linear over the reals, elementwise."""

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(self, *inputs)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return operands[0].dependence


class Real(_Part):
    """The real part."""

    view: ClassVar[bool] = True

    def impl(self, x: Array) -> Array:
        return np.real(x)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(dtype=real_dtype(x.dtype))

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (convert(ct, inputs[0].aval.dtype),)

    def get(self, x: Array) -> Array:
        return bind(self, x)

    def put(self, x: Array, y: Array) -> Array:
        return bind(Compose(), y, bind(Imag(), x))


class Imag(_Part):
    """The imaginary part."""

    view: ClassVar[bool] = True

    def impl(self, x: Array) -> Array:
        return np.imag(x)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(dtype=real_dtype(x.dtype))

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (convert(ct, inputs[0].aval.dtype) * -1j,)

    def get(self, x: Array) -> Array:
        return bind(self, x)

    def put(self, x: Array, y: Array) -> Array:
        return bind(Compose(), bind(Real(), x), y)


class Compose(Primitive, name="complex"):
    """x + iy of real x and y, exact for infinities too."""

    taylor = carried

    def impl(self, x: Array, y: Array) -> Array:
        out = np.empty(np.shape(x), np.result_type(x, np.complex64))
        out.real, out.imag = x, y
        return out[()]

    def abstract(self, x: ShapedArray, y: ShapedArray) -> ShapedArray:
        if x.shape != y.shape or x.dtype != y.dtype or x.dtype.kind != "f":
            raise TypeError(f"complex: the parts must be real arrays of one type; got {x} and {y}.")
        return x.update(dtype=np.result_type(x.dtype, np.complex64))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        pairs = zip(primals, tangents, strict=True)
        filled = [np.zeros(x.shape, x.dtype) if t is None else t for x, t in pairs]
        return bind(self, *filled)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        return self.transpose(ct, inputs)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        return np.real(ct), -np.imag(ct)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        whole = [x if b else broadcast_to(x, (size, *x.shape)) for x, b in zip(inputs, batched, strict=True)]
        return bind(self, *whole)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return united([x.dependence for x in operands], outputs[0].shape)


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
def real(val: Any) -> Array:
    """The real part; ``val`` itself if it is real."""
    return link(val, bind(Real(), val), Real()) if _is_complex(val) else val


@implements(np.imag)
def imag(val: Any) -> Array:
    """The imaginary part; zeros if ``val`` is real."""
    return link(val, bind(Imag(), val), Imag()) if _is_complex(val) else np.zeros(val.shape, val.dtype)


@implements(np.conjugate)
def conj(x: Any) -> Array:
    """The complex conjugate; ``x`` itself if it is real."""
    if _is_complex(x):
        return bind(Conj(), x)
    if x.dtype == np.bool_:
        return convert(x, np.dtype(np.int8))  # the loop that NumPy runs
    weak: Any = x
    return np.positive(weak) if type(x) is Tracer and x.aval.weak_type else fresh(x)


@method("astype")
def astype(
    x: Any, dtype: Any, order: str = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
) -> Array:
    """The values of ``x`` in another dtype; a copy, unless ``copy`` is false and the dtype is the same.

    Raises ``TypeError`` if ``casting`` forbids the cast.
    """
    dtype = np.dtype(dtype)
    if not np.can_cast(x.dtype, dtype, casting):
        raise TypeError(
            f"Cannot cast array data from {x.dtype!r} to {dtype!r} according to the rule {casting!r}"
            f"{here()}. Use another casting."
        )
    if x.dtype == dtype:
        return fresh(x, "C" if order == "C" else "K") if copy else x
    return convert(x, dtype)


Tracer.real = property(real)  # type: ignore[attr-defined]
Tracer.imag = property(imag)  # type: ignore[attr-defined]
