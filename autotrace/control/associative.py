"""associative_scan: all prefix "sums" of an associative operation in few calls on many rows.

Blelloch, "Prefix Sums and Their Applications" (1990): combine neighbours, solve the problem of half the length, and
combine its answers with the rows between. That is plain slicing, joining and calling the user's function, so every
transform goes through it without a rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..ir import here
from ..tracing import Tracer
from ..transforms.arguments import function_name, owned, protect
from ..transforms.wrapper import check_callable
from ..tree import PyTreeDef, keystr, tree_flatten_with_path, tree_unflatten
from .flow import as_array, aval_as_seen, leaves_and_tree
from .matching import check_same

__all__ = ["associative_scan"]

_WHAT = "associative_scan"


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Return for each row what ``fn`` makes of all rows up to it: ``x0, fn(x0, x1), fn(fn(x0, x1), x2), ...``.

    ``elems`` is a tree of arrays that have one length n along ``axis``. ``fn`` takes two such trees of several rows
    each and combines them row by row; it must be associative, and need not be commutative. It is called some
    2 log2(n) times, on 2 n rows in all: where a row is small this is far faster than :func:`scan`. ``reverse`` starts
    from the last row: ``fn`` then gets the later rows first.

    Raises ``TypeError`` where ``fn`` returns what does not match its arguments, ``ValueError`` for rows that are
    missing or differ in number.

    >>> import numpy as np
    >>> associative_scan(np.add, np.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    """
    check_callable(fn, _WHAT, f"{_WHAT}(fn, elems)")
    leaves, tree = leaves_and_tree(elems, _WHAT)
    rows, axes = _along(axis, [as_array(x) for x in leaves], elems)
    if reverse:
        rows = [np.flip(x, at) for x, at in zip(rows, axes, strict=True)]
    ends = _prefixes(fn, [x if type(x) is Tracer else protect(x) for x in rows], tree, axes)
    if reverse:
        ends = [np.flip(x, at) for x, at in zip(ends, axes, strict=True)]
    return tree_unflatten(tree, owned(ends, leaves))


def _along(axis: int, leaves: Sequence[Any], elems: Any) -> tuple[list[Any], list[int]]:
    """Return the leaves, and for each its axis, not negative; check that they have rows, equally many."""
    if not leaves:
        raise ValueError(f"{_WHAT}: elems must hold arrays; got none{here()}. Give a tree of arrays.")
    paths = [keystr(path) for path, _ in tree_flatten_with_path(elems)[0]]
    axes = []
    for x, path in zip(leaves, paths, strict=True):
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(
                f"{_WHAT}: elems must have an axis {axis}; got {aval_as_seen(x)} at elems{path}{here()}. "
                "Give an axis that all of them have."
            )
        axes.append(normalize_axis_index(axis, x.ndim))
    lengths = [x.shape[at] for x, at in zip(leaves, axes, strict=True)]
    if len(set(lengths)) > 1:
        named = ", ".join(f"{n} at elems{path}" for n, path in zip(lengths, paths, strict=True))
        raise ValueError(f"{_WHAT}: elems must have one number of rows; got {named}{here()}. Cut them to one length.")
    return list(leaves), axes


def _prefixes(fn: Callable[[Any, Any], Any], rows: list[Any], tree: PyTreeDef, axes: list[int]) -> list[Any]:
    """Return the prefixes of ``rows``; those at odd places are the prefixes of the combined pairs."""
    length = rows[0].shape[axes[0]]
    if length < 2:
        return rows

    def part(xs: Sequence[Any], *which: int | None) -> list[Any]:
        return [x[(slice(None),) * at + (slice(*which),)] for x, at in zip(xs, axes, strict=True)]

    odd = _prefixes(fn, _combined(fn, part(rows, 0, length - 1, 2), part(rows, 1, None, 2), tree), tree, axes)
    first = part(rows, 0, 1)
    if length == 2:
        return _joined(first, odd, axes)
    between = part(odd, 0, (length - 1) // 2)
    even = _joined(first, _combined(fn, between, part(rows, 2, None, 2), tree), axes)
    if length % 2:
        return _joined(_interleaved(part(even, 0, length // 2), odd, axes), part(even, length // 2, None), axes)
    return _interleaved(even, odd, axes)


def _combined(fn: Callable[[Any, Any], Any], left: list[Any], right: list[Any], tree: PyTreeDef) -> list[Any]:
    """Return ``fn`` of two lots of rows, which must be of their type."""
    made, made_tree = leaves_and_tree(fn(tree_unflatten(tree, left), tree_unflatten(tree, right)), _WHAT)
    made = [as_array(x) for x in made]
    when = ("as argument", f"from {function_name(fn)}")
    check_same(_WHAT, "rows", tree, [aval_as_seen(x) for x in left], made_tree, [aval_as_seen(x) for x in made], when)
    return made


def _joined(left: Sequence[Any], right: Sequence[Any], axes: Sequence[int]) -> list[Any]:
    return [np.concatenate([x, y], axis=at) for x, y, at in zip(left, right, axes, strict=True)]


def _interleaved(left: Sequence[Any], right: Sequence[Any], axes: Sequence[int]) -> list[Any]:
    """Return rows of ``left`` and ``right``, equally many, in turn."""
    return [
        np.reshape(np.stack([x, y], axis=at + 1), (*x.shape[:at], 2 * x.shape[at], *x.shape[at + 1 :]))
        for x, y, at in zip(left, right, axes, strict=True)
    ]
