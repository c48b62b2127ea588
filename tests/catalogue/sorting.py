"""Order: sorts, partitions, positions in order, and gathers along an axis."""

import numpy as np

from autotrace.primitives import sorting

from . import cases, cnormal, normal, row, since

_TIES = np.array([2.0, 1.0, 2.0, 1.0, 3.0])
_NANS = np.array([2.0, np.nan, -1.0, np.nan, 0.5])
_AT_TIES = dict.fromkeys(("numeric", "second_order"), "central differences across a tie mean nothing")
_OF_NAN = dict.fromkeys(("numeric", "second_order"), "NaN has no difference")
_INTS = np.array([[3, 1, 2], [0, 5, 1]])
_I = np.array([[2, 0], [1, 1]])

CASES = [
    *cases(
        np.sort,
        [
            (normal(5),),
            row(normal(2, 4)),
            row(normal(2, 4), axis=0),
            row(normal(2, 4), axis=None),
            row(normal(3, 2), axis=-2, kind="mergesort"),
            row(normal(4), stable=True),
            row(normal(4), kind="heapsort"),
            (normal(0),),
            row(normal(2, 0), axis=0),
            (cnormal(4),),
        ],
    ),
    *cases(np.sort, [row(_TIES, kind="stable"), (_TIES,)], name="sort_ties", skip=_AT_TIES),
    *cases(np.sort, [(_NANS,)], name="sort_nan", skip=_OF_NAN),
    *cases(np.sort, [(_INTS,)], name="sort_integers", traced=(0,)),
    *cases(
        np.argsort,
        [
            (normal(5),),
            row(normal(2, 3), axis=0),
            row(normal(2, 3), axis=None),
            row(_TIES, stable=True),
            (_NANS,),
            (normal(0),),
            (0.5,),
        ],
        differentiable=False,
    ),
    *cases(
        lambda x: x.argsort(axis=0),
        [(normal(3, 2),)],
        name="method_argsort",
        covers=(np.argsort,),
        differentiable=False,
    ),
    *cases(
        np.partition,
        [
            (normal(5), 2),
            (normal(5), (1, 3)),
            (normal(5), -1),
            row(normal(2, 4), 1, axis=0),
            row(normal(2, 3), 2, axis=None),
            (normal(0), 0),
        ],
    ),
    *cases(np.partition, [(_TIES, 2)], name="partition_ties", skip=_AT_TIES),
    *cases(
        np.argpartition,
        [(normal(5), 2), row(normal(3, 2), 1, axis=0), row(normal(2, 3), 2, axis=None)],
        differentiable=False,
    ),
    *cases(np.sort_complex, [(normal(4),), (cnormal(2, 3),)]),
    *cases(
        np.lexsort,
        [((normal(4), _TIES[:4]),), row((normal(2, 3), normal(2, 3)), axis=0), ([0.5, 1.5],)],
        differentiable=False,
    ),
    *cases(
        np.searchsorted,
        [
            (np.array([0.0, 1.0, 2.0]), normal(4)),
            row(np.array([0.0, 1.0, 1.0, 2.0]), 1.0, side="right"),
            row(np.array([2.0, 0.0, 1.0]), normal(2, 2), sorter=np.array([1, 2, 0])),
            (np.zeros(0), normal(2)),
            (np.array([0.0, 1.0]), normal(0)),
        ],
        differentiable=False,
    ),
    *cases(
        lambda x: np.digitize(x, np.array([-1.0, 0.0, 1.0])),
        [(normal(4),), (np.array([[-1.0, 0.0]]),), (0.5,)],
        name="digitize_up",
        covers=(np.digitize,),
        differentiable=False,
    ),
    *cases(
        lambda x: np.digitize(x, np.array([1.0, 0.0, -1.0]), right=True),
        [(np.array([-1.0, 0.0, 0.5]),), (normal(0),)],
        name="digitize_down",
        covers=(np.digitize,),
        differentiable=False,
    ),
    *cases(
        np.take,
        [
            (normal(4), [0, 2, 0]),
            (normal(2, 3), 4),
            row(normal(2, 3), [[0, 1], [2, -1]], axis=1),
            row(normal(2, 3), 1, axis=0),
            row(normal(4), [-5, 7], mode="wrap"),
            row(normal(4), [-5, 7], mode="clip"),
            row(normal(3), [True, False]),
            (normal(3), np.zeros(0, int)),
            (0.5, 0),
            (cnormal(3), [1]),
        ],
    ),
    # np.take asks only its first argument whether it overrides: traced indices of a plain array need ours.
    *cases(
        sorting.take,
        [
            (normal(4), np.array([1, -1])),
            row(normal(2, 3), _I, axis=1),
            row(normal(3), np.array([7, -9]), mode="wrap"),
        ],
        name="take_traced",
        traced=(1,),
        covers=(np.take,),
    ),
    *cases(lambda x: x.take([1, 0], axis=0), [(normal(3, 2),)], name="method_take", covers=(np.take,)),
    *cases(
        np.take_along_axis,
        [
            row(normal(2, 3), _I, axis=1),
            row(normal(2, 3), _I[1:, 1:], axis=0),
            row(normal(2, 2), np.array([3, 0]), axis=None),
            *since("2.3", (normal(0), np.zeros(0, int))),  # which gave axis its default
        ],
    ),
    *cases(
        np.take_along_axis,
        [row(normal(2, 3), _I, axis=1), *since("2.3", row(normal(4), np.array([-1, 0, -1])))],
        name="take_along_axis_traced",
        traced=(1,),
    ),
]
