"""What is asked of an array without looking at its values: rank, shape, size, kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..tracing import implements
from .arguments import array

__all__: list[str] = []


@implements(np.ndim)
def ndim(a: Any) -> int:
    """The number of axes."""
    return int(array(a).ndim)


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    """The lengths of the axes."""
    return tuple(array(a).shape)


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    """The number of elements; the length of ``axis``, or the product of the lengths of several."""
    x = array(a)
    lengths = x.shape if axis is None else [x.shape[i] for i in normalize_axis_tuple(axis, x.ndim)]
    return int(np.prod(lengths, dtype=np.intp))


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex."""
    return bool(array(x).dtype.kind == "c")


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return not iscomplexobj(x)
