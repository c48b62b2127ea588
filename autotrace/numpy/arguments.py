"""What the functions of this floor share: lifting their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tracing import Tracer, as_operand, fresh

__all__ = ["Array", "array", "fresh", "integer", "integers"]

Array = Any


def array(x: Any) -> Array:
    """Return ``x`` as a tracer or an array; lists of traced values are stacked, numbers become arrays."""
    x = as_operand(x)
    if type(x) is Tracer and x.aval.weak_type:
        # np.asarray of a Python number is a float64, which no longer gives way to other dtypes.
        positive: Any = np.positive
        return positive(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def integer(x: Any) -> int:
    """Return an integer that decides a shape; of a traced one the program records the value."""
    return x.__index__() if hasattr(x, "__index__") else int(x)


def integers(x: Any) -> list[int]:
    """Return one or several integers that decide a shape as a list."""
    return [integer(item) for item in (x if np.ndim(x) else [x])]
