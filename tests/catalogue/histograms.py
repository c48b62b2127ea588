"""Counts: bincount and histograms."""

import numpy as np

from autotrace.numpy import histograms

from . import cases, normal, positive, row

_INTEGERS = np.array([3, 0, 1, 1, 5])
_EDGES = np.array([-1.0, 0.0, 0.3, 2.0])
_ON_EDGES = np.array([-1.0, 0.0, 2.0, 2.5, -3.0, 0.3])
_POINTS = np.array([[0.1, 0.2], [1.3, -0.4], [0.7, 1.1], [2.1, 0.15]])
_ASKS = {"vmap": "asks for the value"}
_AT_EDGES = dict.fromkeys(("numeric", "second_order"), "elements on an edge jump into another bin")

CASES = [
    *cases(
        np.bincount,
        [
            (_INTEGERS, normal(5)),
            row(_INTEGERS, normal(5), minlength=8),
            (np.zeros(0, int), normal(0)),
            row(np.zeros(0, int), normal(0), minlength=2),
        ],
    ),
    *cases(
        lambda x, w: histograms.bincount(x, w),
        [(_INTEGERS, normal(5))],
        name="bincount_traced",
        covers=(np.bincount,),
        traced=(0,),
        skip=_ASKS | {"float32": "weights are summed in float64"},
    ),
    *cases(
        lambda x: np.bincount(x + 0, minlength=7),
        [(_INTEGERS,)],
        name="bincount_counts",
        covers=(np.bincount,),
        traced=(0,),
        skip=_ASKS,
    ),
    *cases(
        np.histogram,
        [
            (normal(6), 3),
            row(normal(2, 3), 4, range=(-1.0, 1.5)),
            row(normal(6), 3, density=True),
            (normal(0), 2),
            row(normal(6), bins=_EDGES),
        ],
    ),
    *cases(
        np.histogram,
        [row(_ON_EDGES, bins=_EDGES), row(_ON_EDGES, 5, range=(-1, 2)), (np.array([1.0, 1.0]), 2)],
        name="histogram_edges",
        skip=_AT_EDGES,
    ),
    *cases(
        lambda a, w: np.histogram(a, 3, weights=w),
        [(normal(5), normal(5))],
        name="histogram_weights",
        covers=(np.histogram,),
    ),
    *cases(
        lambda a, w: np.histogram(a, 3, (-2, 2), weights=w, density=True),
        [(normal(5), positive(5))],
        name="histogram_density",
        covers=(np.histogram,),
    ),
    *cases(
        np.histogram,
        [(_ON_EDGES[::2] + 0.1, _EDGES)],
        name="histogram_traced_edges",
        skip={"vmap": "a batch of them need not ascend"},
    ),
    *cases(
        lambda a: np.histogram(a, "sturges"),
        [(normal(6),)],
        name="histogram_rule",
        covers=(np.histogram,),
        skip=_ASKS,
    ),
    *cases(
        lambda a: np.histogram(a, 3),
        [(_INTEGERS,)],
        name="histogram_integers",
        covers=(np.histogram,),
        traced=(0,),
    ),
    *cases(
        np.histogram_bin_edges,
        [(normal(5), 3), row(normal(5), 3, range=(0, 1)), (normal(2, 2), 2), row(normal(3), bins=_EDGES)],
    ),
    *cases(
        np.histogram_bin_edges,
        [(np.array([2.0, 2.0]), 2)],
        name="histogram_bin_edges_narrow",
        skip=dict.fromkeys(("numeric", "second_order"), "the edges jump where the extremes part"),
    ),
    *cases(
        lambda x, y, w: np.histogram2d(x, y, [2, 3], weights=w),
        [(normal(5), normal(5), normal(5))],
        name="histogram2d",
        covers=(np.histogram2d,),
    ),
    *cases(
        np.histogram2d,
        [
            row(normal(5), normal(5), 2, [[-1, 1], [-2, 2]], density=True),
            row(normal(4), normal(4), bins=_EDGES),
        ],
        name="histogram2d_range",
    ),
    *cases(
        lambda s, w: np.histogramdd(s, (2, _EDGES), weights=w, density=True),
        [(_POINTS, positive(4))],
        name="histogramdd",
        covers=(np.histogramdd,),
    ),
    *cases(np.histogramdd, [(normal(4, 3), 2), ([normal(4), normal(4)], 3)], name="histogramdd_sample"),
]
