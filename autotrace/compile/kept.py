"""Memory that programs keep between their calls.

The C library gives large pieces of memory back to the system as soon as they are free, and each page of a new piece
costs an interrupt when it is first written: more than the arithmetic on it. So a program that is called again keeps
the arrays that nobody sees but itself. All programs together keep at most ``LIMIT`` bytes.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import ShapedArray

__all__ = ["LIMIT", "SMALLEST_KEPT", "Kept"]

SMALLEST_KEPT = 131_072
"""Bytes from which an array is worth keeping."""
LIMIT = 67_108_864
"""Bytes kept by all programs together; the one compiled last takes the room of the first."""

_lock = threading.Lock()
_numbers = itertools.count()
_keeping: weakref.WeakValueDictionary[int, Kept] = weakref.WeakValueDictionary()


class Kept:
    """The arrays of one program. A call takes a set of them and gives it back; the set of one call is kept."""

    def __init__(self, avals: Sequence[ShapedArray]) -> None:
        self._avals = tuple(avals)
        self.nbytes = sum([aval.nbytes for aval in avals])
        self._free: list[tuple[Any, ...]] = []
        self._keeps = self.nbytes <= LIMIT
        if self._keeps:
            self._make_room()

    def _make_room(self) -> None:
        with _lock:
            total = self.nbytes
            for number, other in sorted(_keeping.items(), reverse=True):
                total += other.nbytes
                if total > LIMIT:
                    del _keeping[number]
                    other._keeps = False
                    other._free.clear()
            _keeping[next(_numbers)] = self

    def take(self) -> tuple[Any, ...]:
        """Return arrays that no other call has."""
        try:
            return self._free.pop()
        except IndexError:
            return tuple([np.empty(aval.shape, aval.dtype) for aval in self._avals])

    def give(self, arrays: tuple[Any, ...]) -> None:
        """Take them back."""
        if self._keeps and not self._free:
            self._free.append(arrays)
