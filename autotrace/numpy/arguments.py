"""What the functions of this floor share: lifting arguments, refusing what cannot be honoured."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..tracing import Tracer, as_operand, here

__all__ = ["Array", "array", "fresh", "integer", "integers", "refuse_out"]

Array = Any


def array(x: Any) -> Array:
    """Return ``x`` as a tracer or an array; lists of traced values are stacked, Python numbers become arrays."""
    x = as_operand(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def fresh(x: Array) -> Array:
    """Return ``x`` under an identity of its own, where NumPy would copy: writing into one leaves the other."""
    return Tracer(x._trace, x._var) if type(x) is Tracer else x


def integer(x: Any) -> int:
    """Return an integer that decides a shape; of a traced one the program records the value."""
    return x.__index__() if hasattr(x, "__index__") else int(x)


def integers(x: Any) -> list[int]:
    """Return one or several integers that decide a shape as a list."""
    return [integer(item) for item in (x if np.ndim(x) else [x])]


def refuse_out(name: str, out: Any) -> None:
    """Raise ``UnsupportedError`` if a target array was given."""
    if out is not None and out is not np._NoValue:  # type: ignore[attr-defined]
        raise UnsupportedError(
            f"np.{name}: out= is not honoured on traced values; got a target of shape {np.shape(out)}{here()}. "
            f"Assign the result instead: target = np.{name}(...)."
        )
