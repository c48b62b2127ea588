"""Functions of trees that users call inside their own: stop_gradient, ravel_pytree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..tracing import as_operand, stop_gradient_leaf
from ..tree import tree_flatten, tree_map, tree_unflatten

__all__ = ["ravel_pytree", "stop_gradient"]


def stop_gradient(tree: Any) -> Any:
    """Return ``tree`` as it is, but no derivative flows through its leaves.

    ``float(stop_gradient(x))`` is the plain number behind a traced scalar, where it is known.

    >>> from autotrace import grad
    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return tree_map(stop_gradient_leaf, tree)


def ravel_pytree(tree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return the leaves of ``tree`` as one vector, and the function that makes a tree of such a vector.

    Leaves are promoted to their common dtype; unraveling gives each its own shape and dtype back.

    >>> flat, unravel = ravel_pytree({"a": 1.0, "b": np.array([2.0, 3.0])})
    >>> flat
    array([1., 2., 3.])
    >>> unravel(flat * 2)
    {'a': np.float64(2.0), 'b': array([4., 6.])}
    """
    leaves, treedef = tree_flatten(tree)
    arrays = [x if hasattr(x := as_operand(leaf), "dtype") else np.asarray(x) for leaf in leaves]
    shapes = [(x.shape, x.dtype) for x in arrays]
    sizes = [int(np.prod(shape, dtype=int)) for shape, _ in shapes]
    flat = np.concatenate([np.reshape(x, (n,)) for x, n in zip(arrays, sizes, strict=True)]) if arrays else np.zeros(0)

    def unravel(vector: Any) -> Any:
        if vector.shape != (sum(sizes),):
            raise ValueError(
                f"unravel: the vector must have shape ({sum(sizes)},); got {vector.shape}. "
                "Pass one made by ravel_pytree."
            )
        parts, start = [], 0
        for (shape, dtype), n in zip(shapes, sizes, strict=True):
            part = np.reshape(vector[start : start + n], shape)
            parts.append(part.astype(dtype) if shape else part.astype(dtype)[()])
            start += n
        return tree_unflatten(treedef, parts)

    return flat, unravel
