"""Unique elements and operations on sets."""

import numpy as np

from . import cases, cnormal, normal, row, since

_ASKS = {"vmap": "asks for the values"}
_AT_TIES = _ASKS | dict.fromkeys(("numeric", "second_order"), "elements that part change the shape")
_TIES = np.array([2.0, 1.0, 2.0, np.nan, 3.0, np.nan, 1.0])
_ROWS = np.array([[1.0, 2.0], [0.0, 5.0], [1.0, 2.0]])
_ALL = {"return_index": True, "return_inverse": True, "return_counts": True}
_INTEGERS = np.array([[3, 1], [3, 2]])

CASES = [
    *cases(
        np.unique,
        [
            (normal(4),),
            row(normal(2, 2), **_ALL),
            row(normal(3, 2), axis=0),
            (cnormal(3),),
            (normal(0),),
            (0.5,),
        ],
        skip=_ASKS,
    ),
    *cases(
        np.unique,
        [
            (_TIES,),
            row(_TIES, **_ALL),
            row(_TIES, equal_nan=False),
            row(_TIES, return_counts=True),
            row(_ROWS, axis=0, **_ALL),
            row(_ROWS.T, axis=1),
            row(_ROWS.T, axis=-1, return_inverse=True),
            row(np.array([1 + 1j, 2.0, 1 + 1j]), **_ALL),
            *since("2.4", row(_TIES, axis=0, return_inverse=True)),  # NaN were different where axis was given
        ],
        name="unique_ties",
        skip=_AT_TIES,
    ),
    *cases(
        np.unique,
        [row(_INTEGERS, **_ALL), row(_INTEGERS, axis=0)],
        name="unique_integers",
        traced=(0,),
        skip=_ASKS,
    ),
    *cases(np.unique, [row(normal(2, 0), axis=0), row(normal(0, 2), axis=0)], name="unique_empty", skip=_ASKS),
    *cases(np.unique_all, [(_TIES,)], skip=_AT_TIES),
    *cases(np.unique_counts, [(_TIES,)], skip=_AT_TIES),
    *cases(np.unique_inverse, [(_TIES,), (np.array([[1.0, 2.0], [2.0, 1.0]]),)], skip=_AT_TIES),
    *cases(
        lambda x: np.sort(np.unique_values(x)),
        [(normal(3),)],
        name="unique_values",
        covers=(np.unique_values,),
        skip=_ASKS,
    ),
    *cases(np.union1d, [(normal(3), normal(2)), (normal(2, 2), normal(0))], skip=_ASKS),
    *cases(np.union1d, [(_TIES, np.array([5.0, 1.0]))], name="union1d_ties", skip=_AT_TIES),
    *cases(np.intersect1d, [(normal(3), normal(2))], skip=_ASKS),
    *cases(
        np.intersect1d,
        [
            (_TIES, np.array([3.0, 1.0, 1.0, 7.0])),
            row(_TIES, np.array([3.0, 1.0, 1.0, 7.0]), return_indices=True),
            row(np.array([1.0, 3.0, 2.0]), np.array([2.0, 3.0, 4.0]), assume_unique=True, return_indices=True),
        ],
        name="intersect1d_ties",
        skip=_AT_TIES,
    ),
    *cases(np.setxor1d, [(normal(3), normal(2)), (normal(0), normal(0))], skip=_ASKS),
    *cases(
        np.setxor1d,
        [
            (_TIES[:3], np.array([3.0, 1.0])),
            row(np.array([2.0, 1.0]), np.array([3.0, 1.0]), assume_unique=True),
        ],
        name="setxor1d_ties",
        skip=_AT_TIES,
    ),
    *cases(np.setdiff1d, [(normal(3), normal(2))], skip=_ASKS),
    *cases(
        np.setdiff1d,
        [
            (_TIES[:3], np.array([3.0, 1.0])),
            row(np.array([2.0, 1.0, 5.0]), np.array([3.0, 1.0]), assume_unique=True),
        ],
        name="setdiff1d_ties",
        skip=_AT_TIES,
    ),
    *cases(
        np.isin,
        [
            (_TIES, np.array([1.0, np.nan, 3.0])),
            row(normal(2, 2), normal(3), invert=True),
            (0.5, np.array([0.5])),
            (normal(2), normal(0)),
            (cnormal(2), cnormal(2)),
        ],
        differentiable=False,
    ),
    *cases(
        np.isin,
        [(_INTEGERS, np.array([3, 7])), row(_INTEGERS, np.array([3, 7]), kind="table")],
        name="isin_integers",
        traced=(0, 1),
        differentiable=False,
    ),
]
