"""dense_solve: a linear equation whose map is a function, solved by writing the map down as a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..control.flow import as_array, leaves_and_tree
from ..control.matching import check_same
from ..ir import ShapedArray, here, is_inexact
from ..transforms.arguments import function_name
from ..transforms.batching import vmap
from ..transforms.stop import ravel_pytree
from ..transforms.wrapper import check_callable
from ..tree import tree_flatten, tree_unflatten
from .checked import checked

__all__ = ["dense", "dense_solve"]

_SINGULAR = (
    "dense_solve: the linear map must be invertible; got one whose smallest pivot is {} of its largest{}. "
    "Make the equations independent, or write a tangent_solve that chooses among solutions."
)


def dense_solve(g: Callable[[Any], Any], y: Any) -> Any:
    """Return ``v`` with ``g(v) = y``, for a linear function ``g`` between trees of one structure.

    The matrix of ``g`` is written down, so ``g`` is applied to a batch of n vectors and n^2 numbers are kept, n being
    the number of elements of ``y``. Meant as ``tangent_solve`` of :func:`custom_root`, or as ``solve`` and
    ``transpose_solve`` of :func:`custom_linear_solve`. For large systems see ``autotrace.scipy.sparse.linalg``.

    Raises ``TypeError`` where ``g`` returns what is not like ``y``; ``ConvergenceError``, when it runs, if the matrix
    is singular up to rounding.

    >>> import numpy as np
    >>> dense_solve(lambda v: np.array([[2.0, 1.0], [1.0, 3.0]]) @ v, np.array([3.0, 4.0]))
    array([1., 1.])
    """
    check_callable(g, "dense_solve", "dense_solve(g, y)")
    leaves, tree = leaves_and_tree(y, "dense_solve")
    flat, unravel = ravel_pytree(tree_unflatten(tree, [as_array(x) for x in leaves]))
    if not is_inexact(flat.dtype):
        raise TypeError(
            f"dense_solve: y must be of floating-point or complex dtype; got {ShapedArray(flat.shape, flat.dtype)}"
            f"{here()}. Convert it: y.astype(float)."
        )

    def matvec(v: Any) -> Any:
        x = unravel(v)
        found = g(x)
        given, out_tree = tree_flatten(found)
        avals = [[ShapedArray(np.shape(leaf), leaf.dtype) for leaf in map(as_array, part)] for part in (leaves, given)]
        when = ("in y", f"from {function_name(g)}")
        check_same("dense_solve", "result of g", tree, avals[0], out_tree, avals[1], when)
        return ravel_pytree(found)[0]

    x, ok, ratio = dense(matvec, flat)
    return unravel(checked(x, ok, ratio, _SINGULAR))


def dense(matvec: Callable[[Any], Any], b: Any) -> tuple[Any, Any, Any]:
    """Solve with the matrix of ``matvec``; returns x, whether the matrix is regular, and its ratio of pivots.

    The pivots are the diagonal of R in A = QR. Those that are zero up to rounding (n eps times the largest) count as 1,
    so that nothing is divided by zero.
    """
    size = b.shape[0]
    if not size:
        return b, np.True_, np.float64(1.0)
    matrix = vmap(matvec, out_axes=1)(np.eye(size, dtype=b.dtype))
    q, r = np.linalg.qr(matrix)
    pivots = np.abs(np.diagonal(r))
    largest = np.max(pivots)
    small = ~(pivots > size * np.finfo(b.dtype).eps * largest)
    ratio = np.min(pivots) / np.where(largest > 0, largest, 1)
    x = np.linalg.solve(r + np.diag(np.where(small, 1 - np.diagonal(r), 0)), q.conj().T @ b)
    return x, ~np.any(small), ratio
