"""Methods of traced arrays that are NumPy functions under another signature."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..tracing import here, method
from .arguments import Array

__all__: list[str] = []


@method("clip")
def clip(x: Array, min: Any = None, max: Any = None, out: None = None, **kwargs: Any) -> Array:
    """The values brought between ``min`` and ``max``: ``np.clip``."""
    return np.clip(x, min, max, **kwargs)


@method("view")
def view(x: Array, dtype: Any = None, type: Any = None) -> Array:
    """Return a view of the whole array.

    Raises ``UnsupportedError`` for another dtype or type, which would read the bytes in another way.
    """
    if type is not None or (dtype is not None and np.dtype(dtype) != x.dtype):
        raise UnsupportedError(
            f"view: the bytes of a traced array cannot be read in another way; got {x.aval} to view as "
            f"{dtype if type is None else type}{here()}. Use x.astype(dtype), or x.real and x.imag."
        )
    return x[...]
