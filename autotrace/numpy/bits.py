"""Bits packed into bytes, and taken out. No derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..tracing import implements
from .arguments import Array, array

__all__: list[str] = []


def _weights(bitorder: str) -> Any:
    """The place values of the eight bits of a byte, in the order in which they stand."""
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    shifts = np.arange(8, dtype=np.uint8)
    return shifts[::-1] if bitorder == "big" else shifts


@implements(np.packbits)
def packbits(a: Any, /, axis: Any = None, bitorder: str = "big") -> Array:
    """Eight elements along ``axis``, each a bit, in one byte; zeros fill the last one.

    Raises ``TypeError`` for what is neither integer nor boolean.
    """
    x = array(a)
    if x.dtype.kind not in "biu":
        raise TypeError("Expected an input array of integer or boolean data type")
    x = np.reshape(x, (x.size,)) if axis is None or not x.ndim else x
    axis = normalize_axis_index(0 if axis is None else axis, x.ndim)
    bits = np.moveaxis(np.not_equal(x, 0).astype(np.uint8), axis, -1)
    bits = np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, -bits.shape[-1] % 8)])
    bytes_of = bits.reshape((*bits.shape[:-1], bits.shape[-1] // 8, 8))
    packed: Any = np.sum(np.left_shift(bytes_of, _weights(bitorder)), axis=-1, dtype=np.uint8)
    return np.moveaxis(packed, -1, axis)


@implements(np.unpackbits)
def unpackbits(a: Any, /, axis: Any = None, count: Any = None, bitorder: str = "big") -> Array:
    """The bits of bytes along ``axis``: the first ``count``, zeros after the last; all but the last -``count``.

    Raises ``TypeError`` for what is not uint8.
    """
    x = array(a)
    if x.dtype != np.uint8:
        raise TypeError("Expected an input array of unsigned byte data type")
    x = np.reshape(x, (x.size,)) if axis is None or not x.ndim else x
    axis = normalize_axis_index(0 if axis is None else axis, x.ndim)
    rows = np.moveaxis(x, axis, -1)[..., None]
    bits: Any = np.bitwise_and(np.right_shift(rows, _weights(bitorder)), np.uint8(1))
    length = 8 * x.shape[axis]
    bits = bits.reshape((*bits.shape[:-2], length))
    wanted = length if count is None else int(count) if count >= 0 else length + int(count)
    if wanted < 0:
        raise ValueError(f"-ve count must be smaller in magnitude than the length; got {count}")
    bits = np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, max(wanted - length, 0))])[..., :wanted]
    return np.moveaxis(bits, -1, axis)
