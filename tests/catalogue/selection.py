"""Choices among arrays and pieces, interpolation, and positions as single numbers."""

import numpy as np

from autotrace.numpy import selection

from . import cases, cnormal, normal, row

_INDEX = np.array([[0, 2, 1], [1, 1, 0]])
_FLAGS = np.array([True, False, True])
_GRID = np.array([0.0, 1.0, 2.5, 4.0])
_AT = np.array([-1.0, 0.3, 1.7, 3.9, 5.0])
_KINKS = np.array([0.0, 1.0, 4.0])
_AT_KINKS = dict.fromkeys(("numeric", "second_order"), "points of the grid are kinks")


def pieces(x):
    """Each piece is defined only where it is used."""
    return np.piecewise(x, [x < -1, x > 1], [lambda v: np.sqrt(-v), np.log, lambda v: v * v])


CASES = [
    *cases(
        lambda x, y, z: np.select([x < 0, x > 0.5], [y, z * x], x),
        [(normal(4), normal(4), 0.5), (normal(2, 2), normal(2), normal(2, 1))],
        name="select",
        covers=(np.select,),
    ),
    *cases(
        np.select,
        [
            ([_FLAGS, ~_FLAGS], [normal(3), normal()], 1.5),
            ([_FLAGS], [cnormal(3)]),
            ([_FLAGS, True], [normal(3), normal(2, 3)]),
        ],
        name="select_plain",
    ),
    *cases(
        np.choose,
        [
            (_INDEX, [normal(3), normal(2, 3), 0.5]),
            row(_INDEX, normal(3, 2, 3)),
            row(np.array([-1, 5]), [normal(2), normal(2)], mode="wrap"),
            row(np.array([-1, 5]), [normal(2), normal(2)], mode="clip"),
            (1, [normal(2), cnormal(2)]),
        ],
    ),
    *cases(
        np.choose,
        [
            (_INDEX, [normal(3), normal(2, 3), 0.5]),
            row(np.array([-1, 5]), [normal(2), normal(2)], mode="wrap"),
        ],
        name="choose_traced",
        traced=(0,),
    ),
    *cases(
        pieces,
        [
            (np.array([-4.0, -0.5, 0.5, 2.0]),),
            (np.array([[0.5], [3.0]]),),
            (np.array([-2.0]),),
            (0.5,),
            (normal(0),),
        ],
        name="piecewise",
        covers=(np.piecewise,),
    ),
    *cases(
        lambda x: np.piecewise(x, x < 0, [x[0], lambda v, k: k * v], 3.0),
        [(normal(4),)],
        name="piecewise_constant",
        covers=(np.piecewise,),
    ),
    *cases(
        lambda x: np.piecewise(x, [x < 1, x < 0], [np.sin, np.cos]),
        [(normal(4),)],
        name="piecewise_overlap",
        covers=(np.piecewise,),
    ),
    *cases(
        np.interp,
        [
            (_AT, _GRID, normal(4)),
            row(_AT, _GRID, normal(4), left=1.5, right=-2.0),
            (0.7, _GRID, cnormal(4)),
            (normal(2, 2), np.array([0.5]), normal(1)),
            (np.zeros(0), _GRID, normal(4)),
            row(_AT, np.array([0.5, 1.5, 2.0]), normal(3), period=2.7),
            row(_AT, np.array([2.0, -0.5, 1.2]), normal(3), period=-3.5),
        ],
    ),
    *cases(
        lambda x, xp, fp: np.interp(x, xp, fp, 2 * fp[0], np.sin(x[0])),
        [(_AT, _GRID, normal(4))],
        name="interp_ends",
        covers=(np.interp,),
    ),
    *cases(np.interp, [(_KINKS, _GRID, normal(4))], name="interp_kinks", skip=_AT_KINKS),
    *cases(
        np.interp,
        [(np.array([1.7, np.nan]), _GRID, normal(4))],
        name="interp_nan",
        skip=dict.fromkeys(("numeric", "second_order", "linearize"), "NaN has no difference, and 0 times it is not 0"),
    ),
    *cases(np.interp, [(np.arange(3), np.arange(3), normal(3))], name="interp_integers", traced=(0,)),
    *cases(np.ix_, [(normal(2), normal(3)), (normal(2), [0, 1], normal(1))]),
    *cases(
        np.ix_,
        [(_FLAGS, np.array([0, 1]))],
        name="ix_flags",
        traced=(0,),
        skip={"vmap": "asks for the value"},
    ),
    *cases(
        np.unravel_index,
        [(np.array([5, 0, 3]), (2, 3)), row(np.array([[5], [2]]), (2, 3), order="F"), (np.array(4), 6)],
        traced=(0,),
        differentiable=False,
    ),
    *cases(
        lambda i, j, **options: np.ravel_multi_index((i, j), (2, 3), **options),
        [
            (np.array([1, 0]), np.array([[2], [1]])),
            row(np.array([1, 5]), np.array([-2, 1]), mode=("clip", "wrap")),
            row(np.array([1, 0]), 2, order="F"),
        ],
        name="ravel_multi_index",
        covers=(np.ravel_multi_index,),
        traced=(0, 1),
        differentiable=False,
    ),
    *cases(
        lambda i, x: selection.choose(i, [x, 2 * x]),
        [(np.array([0, 1]), normal(2))],
        name="choose_function",
        covers=(np.choose,),
    ),
]
