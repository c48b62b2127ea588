"""What minimize and root do with their arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...control.flow import as_array, leaves_and_tree
from ...ir import ShapedArray, here
from ...transforms.stop import ravel_pytree, stop_gradient
from ...transforms.wrapper import check_callable
from ...tree import PyTreeDef, keystr, tree_flatten_with_path, tree_unflatten

__all__ = ["Start", "check_function", "integer_option", "number_option", "options_of", "start_of"]


class Start(NamedTuple):
    """Where a solver starts: x0 as a vector, and as what its structure and avals are."""

    vector: Any
    unravel: Callable[[Any], Any]
    tree: PyTreeDef
    avals: list[ShapedArray]


def check_function(name: str, fun: Any, args: Any) -> tuple[Any, ...]:
    """Raise unless ``fun`` is a function; return ``args`` as a tuple, as SciPy takes one that is none."""
    check_callable(fun, name, f"{name}(fun, x0)")
    return args if isinstance(args, tuple) else (args,)


def start_of(name: str, x0: Any) -> Start:
    """Bring the start, a tree of real numbers, into the form of one vector."""
    leaves, tree = leaves_and_tree(x0, name)
    arrays = [as_array(x) for x in leaves]
    if not sum(x.size for x in arrays):
        raise ValueError(f"{name}: x0 must hold at least one number; got none{here()}. Give a start.")
    for i, x in enumerate(arrays):
        if x.dtype.kind not in "fiu":
            path = keystr(tree_flatten_with_path(x0)[0][i][0])
            raise TypeError(
                f"{name}: x0 must hold real numbers; got {ShapedArray(x.shape, x.dtype)} at x0{path}{here()}. "
                "Pass real and imaginary parts apart."
            )
    arrays = [x if x.dtype.kind == "f" else x.astype(float) for x in arrays]
    vector, unravel = ravel_pytree(tree_unflatten(tree, arrays))
    return Start(stop_gradient(vector), unravel, tree, [ShapedArray(x.shape, x.dtype) for x in arrays])


def options_of(name: str, options: Any, known: Sequence[str]) -> dict[str, Any]:
    """Return the options, all of which must be known."""
    found = dict(options or {})
    wrong = [key for key in found if key not in known]
    if wrong:
        raise ValueError(
            f"{name}: options must be among {', '.join(known)}; got {', '.join(map(repr, wrong))}{here()}. Drop them."
        )
    return found


def number_option(name: str, word: str, x: Any) -> float:
    """Return a positive number."""
    if isinstance(x, bool) or not isinstance(x, int | float | np.number) or not 0 < x < np.inf:
        raise ValueError(f"{name}: {word} must be a positive number; got {x!r}{here()}. Give a float.")
    return float(x)


def integer_option(name: str, word: str, n: Any) -> int:
    """Return an integer of at least 1."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"{name}: {word} must be an integer of at least 1; got {n!r}{here()}. Give a plain integer.")
    return int(n)
