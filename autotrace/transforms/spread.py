"""Numbers put in their places: a dense array that is zero but for some entries, and sparse matrices."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Primitive, ShapedArray
from ..tracing import bind
from ..tree import register_pytree_node_class

__all__ = ["Spread", "Triplets", "sparse_matrix", "spread"]


class Spread(Primitive):
    """An array of ``size`` zeros with the operand's elements at places that are all different; linear in them."""

    size: int

    def impl(self, x: Any, places: Any) -> Any:
        y = np.zeros((*x.shape[:-1], self.size), x.dtype)  # memory that is never touched costs nothing
        y[..., places] = x
        return y

    def abstract(self, x: ShapedArray, places: ShapedArray) -> ShapedArray:
        if places.ndim != 1 or x.shape[-1:] != places.shape or places.dtype.kind != "i":
            raise TypeError(f"spread: there must be one integer place for each element; got {x} and {places}.")
        return x.update(shape=(*x.shape[:-1], self.size))

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], output: Any) -> Any:
        return bind(self, tangents[0], primals[1])

    def transpose(self, ct: Any, inputs: Sequence[Any]) -> Sequence[Any]:
        return (ct[..., inputs[1]], None)

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Any:
        return bind(self, *inputs)  # the places are constants: never in a batch


def spread(x: Any, places: Any, size: int) -> Any:
    """Return ``size`` zeros with the elements of the vector ``x`` at ``places``."""
    return bind(Spread(size), x, places)


class Triplets:
    """A sparse matrix as ``data``, ``rows`` and ``cols``: what ``format="coo"`` gives where SciPy's cannot be had.

    >>> Triplets(np.array([2.0, 3.0]), np.array([0, 1]), np.array([1, 0]), (2, 2)).toarray()
    array([[0., 2.],
           [3., 0.]])
    """

    def __init__(self, data: Any, rows: Any, cols: Any, shape: tuple[int, int]) -> None:
        self.data = data
        self.rows = rows
        self.cols = cols
        self.shape = shape

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[int, int]]:
        """Return the arrays, and the shape."""
        return (self.data, self.rows, self.cols), self.shape

    @classmethod
    def tree_unflatten(cls, shape: tuple[int, int], arrays: Sequence[Any]) -> Triplets:
        """Put arrays and shape together."""
        data, rows, cols = arrays
        return cls(data, rows, cols, shape)

    def toarray(self) -> Any:
        """Return the matrix as an array."""
        places = np.asarray(self.rows) * self.shape[1] + np.asarray(self.cols)
        return spread(self.data, places, self.shape[0] * self.shape[1]).reshape(self.shape)

    def tocoo(self) -> Any:
        """Return the matrix as a ``scipy.sparse.coo_array``."""
        sparse = importlib.import_module("scipy.sparse")
        return sparse.coo_array((self.data, (self.rows, self.cols)), shape=self.shape)

    def __repr__(self) -> str:
        return f"<Triplets {self.shape[0]} x {self.shape[1]}, {self.rows.size} entries>"


register_pytree_node_class(Triplets)


def sparse_matrix(data: Any, rows: Any, cols: Any, shape: tuple[int, int], format: str, traced: bool) -> Any:
    """Return a matrix of ``scipy.sparse`` in ``format``; triplets if ``traced``, and where SciPy is missing."""
    if not traced:
        try:
            sparse = importlib.import_module("scipy.sparse")
        except ImportError:
            return Triplets(data, rows, cols, shape)
        if format == "coo":
            return sparse.coo_array((data, (rows, cols)), shape=shape)
        starts = np.searchsorted(rows, np.arange(shape[0] + 1))  # patterns are sorted by row, then column
        return sparse.csr_array((data, cols, starts), shape=shape)
    return Triplets(data, rows, cols, shape)
