"""Unique elements and operations on sets. Derivatives flow through the elements that are kept.

How many there are depends on values, so the program records which neighbours in sorted order are equal; the
order itself may change. Where values are not known (under ``vmap``) nor is the shape, which is an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..primitives.sorting import take
from ..tracing import implements, mask_value
from .arguments import Array, array

__all__: list[str] = []


def _flat(x: Any) -> Array:
    x = array(x)
    return x.reshape((x.size,))


def _differ(rows: Array, equal_nan: bool) -> Any:
    """Tell which rows of sorted ones differ from the row before; the first does. A known array of truths."""
    later, earlier = rows[1:], rows[:-1]
    differ = later != earlier
    if equal_nan and rows.dtype.kind in "fc":
        differ = differ & ~(np.isnan(later) & np.isnan(earlier))
    if rows.ndim > 1:
        differ = np.any(differ, axis=1)
    return np.concatenate([np.ones(min(len(rows), 1), bool), mask_value(differ)])


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """Return the sorted unique elements of ``ar`` (or slices along ``axis``).

    With them, as asked for: the index of each one's first occurrence, for every element the index of its
    unique one, how often each occurs. ``sorted=False`` allows any order, and gets the sorted one.

    >>> import autotrace, numpy as np
    >>> autotrace.grad(lambda x: np.unique(x)[0])(np.array([3.0, 1.0, 1.0]))
    array([0., 1., 0.])
    """
    ar = array(ar)
    if axis is None or ar.ndim == 1:
        if axis is not None:
            normalize_axis_index(axis, ar.ndim)
        rows = _flat(ar)
        order = np.argsort(rows, kind="stable")
        shape = ar.shape if axis is None else rows.shape
    else:
        along = normalize_axis_index(axis, ar.ndim)
        moved = np.moveaxis(ar, along, 0)
        rows = moved.reshape((len(moved), ar.size // max(len(moved), 1)))
        order = np.lexsort(tuple(rows.T[::-1])) if rows.shape[1] else np.arange(len(rows))
        shape = rows.shape[:1]
    first = _differ(take(rows, order, axis=0), equal_nan and rows.ndim == 1)
    places = np.flatnonzero(first)
    index = order[places]
    elements = take(rows, index) if rows.ndim == 1 else np.moveaxis(take(moved, index, axis=0), 0, along)
    results = [elements]
    if return_index:
        results.append(index)
    if return_inverse:
        results.append(take(np.cumsum(first) - 1, np.argsort(order)).reshape(shape))
    if return_counts:
        results.append(np.diff(np.append(places, len(first))))
    return tuple(results) if len(results) > 1 else elements


def _named(function: Any, *fields: Any) -> Any:
    """Return the fields in the named tuple that NumPy's function returns."""
    return type(function(np.zeros(1)))(*fields)


@implements(np.unique_all)
def unique_all(x: Any) -> Any:
    """Return unique elements, first indices, inverse indices and counts, by name; NaN are all different."""
    return _named(np.unique_all, *unique(x, True, True, True, equal_nan=False))


@implements(np.unique_counts)
def unique_counts(x: Any) -> Any:
    """Return unique elements and counts, by name; NaN are all different."""
    return _named(np.unique_counts, *unique(x, return_counts=True, equal_nan=False))


@implements(np.unique_inverse)
def unique_inverse(x: Any) -> Any:
    """Return unique elements and inverse indices, by name; NaN are all different."""
    return _named(np.unique_inverse, *unique(x, return_inverse=True, equal_nan=False))


@implements(np.unique_values)
def unique_values(x: Any) -> Array:
    """Return the unique elements; NaN are all different."""
    return unique(x, equal_nan=False)


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Array:
    """Return the sorted unique elements of either array."""
    return unique(np.concatenate([_flat(ar1), _flat(ar2)]))


@implements(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """Return the sorted elements common to both arrays; the derivative flows to those of the first.

    ``return_indices``: their first indices in both arrays too.
    """
    firsts = None
    ar1, ar2 = _flat(ar1), _flat(ar2)
    if not assume_unique:
        (ar1, first1), (ar2, first2) = unique(ar1, return_index=True), unique(ar2, return_index=True)
        firsts = first1, first2
    both = np.concatenate([ar1, ar2])
    order = np.argsort(both, kind="stable")
    both = take(both, order)
    places = np.flatnonzero(mask_value(both[1:] == both[:-1]))
    if not return_indices:
        return both[places]
    indices = [order[places], order[places + 1] - len(ar1)]
    if firsts is not None:
        indices = [take(first, index) for first, index in zip(firsts, indices, strict=True)]
    return (both[places], *indices)


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Array:
    """Return the sorted elements of exactly one of the arrays."""
    ar1, ar2 = (_flat(x) if assume_unique else unique(x) for x in (ar1, ar2))
    both = np.sort(np.concatenate([ar1, ar2]))
    if not both.size:
        return both
    flags = np.concatenate([[True], mask_value(both[1:] != both[:-1]), [True]])
    return both[np.flatnonzero(flags[1:] & flags[:-1])]


@implements(np.isin)
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Array:
    """Tell which elements are among ``test_elements`` (are not, with ``invert``).

    ``kind`` and ``assume_unique`` change no value.

    Raises ``ValueError`` for a ``kind`` that NumPy does not know, or "table" of what are not integers.
    """
    element, tests = array(element), _flat(test_elements)
    np.isin(np.zeros(1, element.dtype), np.zeros(1, tests.dtype), kind=kind)
    if not tests.size:
        return np.full(element.shape, bool(invert))
    tests = np.sort(tests)
    place = np.minimum(np.searchsorted(tests, element), tests.size - 1)
    found = take(tests, place)
    return found != element if invert else found == element


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Array:
    """Return the elements of the first array that are not in the second: sorted, or as they come."""
    ar1 = _flat(ar1) if assume_unique else unique(ar1)
    return ar1[np.flatnonzero(mask_value(isin(ar1, ar2, invert=True)))]
