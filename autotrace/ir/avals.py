"""Abstract values: what is known of an array before its numbers are.

An aval is interned, so equal avals are one object and compare, hash and print at the cost of a pointer.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Final

import numpy as np

__all__ = ["DYNAMIC", "ShapedArray", "aval_of", "dtype_name", "float0", "is_inexact", "native", "tangent_dtype"]

DYNAMIC: Final = -1
"""The length of an axis that only the run of a program tells."""

float0: Final = np.dtype([("float0", np.void, 0)])
"""The dtype of the derivative of an integer: it has a shape and no content (JAX's convention)."""

_KIND_LETTER = {"f": "f", "c": "c", "i": "i", "u": "u"}


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return the short name of ``dtype``: ``f64``, ``c128``, ``i32``, ``bool``.

    >>> dtype_name(np.dtype(np.float32))
    'f32'
    """
    letter = _KIND_LETTER.get(dtype.kind)
    if letter is not None:
        return f"{letter}{8 * dtype.itemsize}"
    return "float0" if dtype == float0 else dtype.name


class ShapedArray:
    """An array of known ``shape`` and ``dtype`` and unknown content.

    An axis of length ``DYNAMIC`` is as long as the run makes it: what a loop of unknown length keeps. It prints as
    ``?``, and counts as one in ``size``.

    The order of bytes is the machine's: arrays of another one are converted where they enter (:func:`native`).

    ``weak_type`` marks what came from a Python number: it adapts to the dtype it meets (NEP 50). It
    steers promotion while tracing only: operands of an equation have their dtypes made equal before.

    >>> ShapedArray((3,), np.dtype(np.float64))
    f64[3]
    >>> ShapedArray((3,), np.dtype(np.float64)) is ShapedArray((3,), np.dtype(np.float64))
    True
    """

    __slots__ = ("dtype", "inexact", "ndim", "shape", "size", "weak_type")

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    weak_type: bool
    ndim: int
    size: int
    inexact: bool

    _interned: ClassVar[dict[tuple[tuple[int, ...], np.dtype[Any], bool], ShapedArray]] = {}

    def __new__(cls, shape: tuple[int, ...], dtype: np.dtype[Any], weak_type: bool = False) -> ShapedArray:
        key = (shape, dtype, weak_type)
        found = cls._interned.get(key)
        return cls._intern(key) if found is None else found

    @classmethod
    def _intern(cls, key: tuple[tuple[int, ...], np.dtype[Any], bool]) -> ShapedArray:
        shape, dtype, weak_type = key
        shape, dtype = tuple(map(int, shape)), np.dtype(dtype)
        dtype = dtype if dtype.isnative else dtype.newbyteorder("=")
        self = object.__new__(cls)
        size = 1
        for length in shape:
            size *= length if length >= 0 else 1
        values = (dtype, dtype.kind in "fc", len(shape), shape, size, bool(weak_type))
        for name, value in zip(cls.__slots__, values):
            object.__setattr__(self, name, value)
        return cls._interned.setdefault((shape, dtype, bool(weak_type)), self)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"ShapedArray is immutable; got {name} = {value!r}. Use .update(...).")

    def update(self, shape: tuple[int, ...] | None = None, dtype: np.dtype[Any] | None = None) -> ShapedArray:
        """Return this aval with another ``shape`` or ``dtype``; the result is not weakly typed."""
        return ShapedArray(self.shape if shape is None else shape, self.dtype if dtype is None else dtype)

    def strong(self) -> ShapedArray:
        """Return this aval without weak typing."""
        return ShapedArray(self.shape, self.dtype) if self.weak_type else self

    @property
    def nbytes(self) -> int:
        """The bytes that such an array takes.

        >>> ShapedArray((2, 3), np.dtype(np.float32)).nbytes
        24
        """
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        return _text(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return ShapedArray, (self.shape, self.dtype, self.weak_type)


@cache
def _text(aval: ShapedArray) -> str:
    """Return an aval as it prints; most are never printed, and the rest often."""
    return f"{dtype_name(aval.dtype)}[{','.join([str(n) if n >= 0 else '?' for n in aval.shape])}]"


def native(x: Any) -> Any:
    """Return an array with its bytes in the order of this machine, as NumPy's functions return theirs.

    >>> native(np.array([1.0, 2.0], ">f8")).dtype.isnative
    True
    """
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def is_inexact(dtype: np.dtype[Any]) -> bool:
    """Tell whether values of ``dtype`` carry derivatives: real or complex floating point."""
    return dtype.kind in "fc"


def tangent_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of tangents and cotangents of ``dtype``."""
    return dtype if is_inexact(dtype) else float0


_PYTHON_SCALARS = {
    bool: ShapedArray((), np.dtype(np.bool_)),
    int: ShapedArray((), np.dtype(np.int64), weak_type=True),
    float: ShapedArray((), np.dtype(np.float64), weak_type=True),
    complex: ShapedArray((), np.dtype(np.complex128), weak_type=True),
}


def aval_of(value: Any) -> ShapedArray:
    """Return the aval of a concrete array or number.

    >>> aval_of(np.ones((2, 3))), aval_of(1.5)
    (f64[2,3], f64[])
    """
    scalar = _PYTHON_SCALARS.get(type(value))
    if scalar is not None:
        return scalar
    return ShapedArray(value.shape, value.dtype)
