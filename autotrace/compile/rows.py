"""Rows of numbers as Python reads and makes them: a list, or past some length an array of the standard library's.

A list takes four times the memory of such an array, and less time.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from .floats import BOOL, FLOAT, INT

__all__ = ["as_array", "constant_rows", "empty_rows", "is_short", "listed", "typecode"]

_LISTED = 200_000
"""Rows up to which they are a list."""
_CODES = {FLOAT: "d", INT: "q", BOOL: "b"}


def is_short(length: int) -> bool:
    """Tell whether so many rows are a list."""
    return length <= _LISTED


def typecode(dtype: Any) -> str:
    """Return what ``array.array`` calls the type of float64, int64, or bool."""
    return _CODES[dtype]


def listed(x: Any) -> Any:
    """Return the rows of ``x``, an array of rank 1, as Python's numbers."""
    return x.tolist() if is_short(len(x)) else array(typecode(x.dtype), np.ascontiguousarray(x).tobytes())


def as_array(rows: Any, kind: Any) -> Any:
    """Return the array of rows of Python's numbers."""
    return np.fromiter(rows, kind, len(rows)) if type(rows) is list else np.array(rows, kind)


def empty_rows(length: int, code: str) -> Any:
    """Return what ``length`` rows of a type code are to be appended to."""
    return [] if is_short(length) else array(code)


def constant_rows(value: Any) -> Any:
    """Return the rows of a constant: a range if they are one, which takes no memory."""
    if value.dtype == INT and len(value) > 1:
        first, step = int(value[0]), int(value[1]) - int(value[0])
        numbers = range(first, first + step * len(value), step or 1)
        if len(numbers) == len(value) and np.array_equal(value, np.arange(len(value)) * step + first):
            return numbers
    return listed(value)
