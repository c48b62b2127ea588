"""The tracer: what a traced function sees in place of an array. A variable of one trace, and nothing else.

It answers Python's questions (truth, integer, length, text) and NumPy's protocols. The operations
themselves are attached by the floors above, through the tables of :mod:`.protocols`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..ir import ShapedArray, Var, here

if TYPE_CHECKING:
    from .trace import Trace

__all__ = ["CALLER", "Tracer"]


class _Caller:
    def __repr__(self) -> str:
        return "CALLER"


CALLER: Final = _Caller()
"""The alias of arguments of traced functions, and of views of them: arrays that the function must not write."""


class Tracer:
    """Stands for an array while a function is traced."""

    __slots__ = ("__weakref__", "_alias", "_trace", "_var")

    _trace: Trace
    _var: Var
    _alias: Any
    """What it shares memory with, None if with nothing: see :mod:`.aliases`."""

    __array_priority__ = 1000

    def __init__(self, trace: Trace, var: Var) -> None:
        self._trace = trace
        self._var = var
        self._alias = None

    @property
    def aval(self) -> ShapedArray:
        """Shape, dtype and weak typing."""
        return self._var.aval

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self._var.aval.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self._var.aval.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._var.aval.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._var.aval.size

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._var.aval.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError(f"len() of unsized object; got {self.aval}{here()}. Use x.size, or pass an array.")
        return self.shape[0]

    __hash__ = None  # type: ignore[assignment]
