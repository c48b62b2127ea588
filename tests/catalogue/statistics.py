"""Reductions, scans and order statistics written with the primitives."""

import numpy as np

from . import cases, cnormal, normal, positive, row, since

MASK = np.array([[True, False, True], [False, True, True]])

OF_NONE = {
    "numeric": "the value is NaN; the derivative is 0 by convention",
    "second_order": "the value is NaN; the derivative is 0 by convention",
}

MEANS = [
    *cases(
        np.mean,
        [
            (normal(2, 3),),
            (0.5,),
            row(normal(2, 3), axis=1),
            row(normal(2, 3, 2), axis=(0, -1)),
            row(normal(2, 3), keepdims=True),
            row(normal(2, 3), axis=0, keepdims=True),
            row(normal(2, 3), where=MASK),
            row(normal(2, 3), axis=1, where=MASK),
            row(normal(2, 0), axis=0),
            row(normal(2, 3), dtype=np.float64, axis=0),
            row(normal(2, 3), dtype=complex),
            (cnormal(2, 2),),
            row(np.arange(4.0), axis=()),
        ],
    ),
    *cases(
        np.mean,
        [
            (normal(0),),
            row(normal(2, 0), axis=1),
            row(normal(2, 3), axis=0, where=[True, False, True], keepdims=True),
        ],
        name="mean_of_none",
        skip=OF_NONE,
    ),
    *cases(
        lambda x: np.mean(np.ones(3), where=x > 0),
        [(np.array([0.5, -1.5, 2.5]),)],
        name="mean_traced_mask",
        covers=(np.mean,),
        differentiable=False,
    ),
    *cases(lambda x: x.mean(0, keepdims=True), [(normal(2, 3),)], name="method_mean", covers=(np.mean,)),
    *cases(
        np.var,
        [
            (normal(2, 3),),
            (0.5,),
            row(normal(2, 3), axis=1),
            row(normal(2, 3, 2), axis=(0, -1)),
            row(normal(2, 3), keepdims=True),
            row(normal(2, 3), axis=1, ddof=1),
            row(normal(2, 3), axis=1, correction=1.5),
            row(normal(2, 3), axis=1, where=MASK),
            row(normal(2, 3), axis=1, ddof=1, where=MASK, keepdims=True),
            row(normal(2, 0), axis=0),
            row(normal(2, 3), dtype=np.float64, axis=0),
            (cnormal(2, 2),),
            row(cnormal(2, 2), axis=0, ddof=1),
            (np.array([1.5, 1.5]),),
        ],
    ),
    *cases(
        lambda x, m: np.var(x, axis=0, mean=m),
        [(normal(3, 2), normal(1, 2))],
        name="var_mean",
        covers=(np.var,),
    ),
    *cases(lambda x: x.var(1, ddof=1), [(normal(2, 3),)], name="method_var", covers=(np.var,)),
    *cases(
        np.std,
        [
            (normal(2, 3),),
            row(normal(2, 3), axis=1),
            row(normal(2, 3, 2), axis=(0, -1)),
            row(normal(2, 3), keepdims=True),
            row(normal(2, 3), axis=1, ddof=1),
            row(normal(2, 3), axis=1, correction=1.5),
            row(positive(2, 3), axis=0, where=np.array([[True], [True]])),
            row(normal(2, 0), axis=0),
            (cnormal(2, 2),),
        ],
    ),
    *cases(
        np.std,
        [(np.array([1.5, 1.5]),), (0.5,), row(normal(2, 1), axis=1)],
        name="std_equal",
        skip={
            "numeric": "a kink: the derivative is 0 by convention",
            "second_order": "a kink: the derivative is 0 by convention",
        },
    ),
    *cases(lambda x: x.std(0), [(normal(2, 3),)], name="method_std", covers=(np.std,)),
]

SUMS = [
    *cases(
        np.average,
        [
            (normal(2, 3),),
            row(normal(2, 3), axis=1),
            row(normal(2, 3), axis=0, returned=True),
            row(normal(2, 3), weights=positive(2, 3), returned=True),
            row(normal(2, 3), axis=1, weights=positive(3)),
            row(normal(2, 3, 2), axis=(2, 0), weights=positive(2, 2)),
            row(normal(2, 3), axis=1, keepdims=True),
            row(normal(2, 3), axis=0, weights=np.array([1, 2]), keepdims=True),
            (cnormal(3),),
            row(np.arange(4.0), weights=np.arange(4)),
        ],
    ),
    *cases(
        lambda x, w: np.average(x, axis=-1, weights=w, returned=True),
        [(normal(2, 3), positive(3)), (normal(2, 3), positive(2, 3))],
        name="average_traced_weights",
        covers=(np.average,),
    ),
    *cases(
        np.ptp,
        [
            (normal(3),),
            row(normal(2, 3), axis=1),
            row(normal(2, 3), axis=0, keepdims=True),
            (0.5,),
            row(normal(2, 3), axis=(0, 1)),
        ],
    ),
    *cases(
        np.count_nonzero,
        [
            (np.array([0.0, 1.5, 0.0]),),
            row(np.array([[0.0, 1.5], [2.5, 3.5]]), axis=1),
            row(np.array([[0.0, 1.5], [2.5, 3.5]]), axis=0, keepdims=True),
        ],
        differentiable=False,
    ),
]

DIFFERENCES = [
    *cases(
        np.diff,
        [
            (normal(4),),
            (normal(4), 2),
            (normal(3), 0),
            (normal(2), 3),
            row(normal(2, 3), axis=0),
            row(normal(2, 3), prepend=0.5),
            row(normal(2, 3), append=np.array([[1.0], [2.0]])),
            row(normal(2, 3), axis=0, prepend=1.5, append=np.array([[1.0, 2.0, 3.0]])),
            (normal(0),),
            (cnormal(3),),
        ],
    ),
    *cases(
        lambda x, p: np.diff(x, prepend=p, append=p),
        [(normal(3), 0.5), (normal(3), normal(2))],
        name="diff_traced_ends",
        covers=(np.diff,),
    ),
    *cases(
        np.ediff1d,
        [
            (normal(4),),
            (normal(2, 2), normal(2), 0.5),
            row(normal(3), to_begin=[1.5, 2.5]),
            (normal(1),),
            (cnormal(3),),
        ],
    ),
    *cases(
        np.trapezoid,
        [
            (normal(4),),
            (normal(4), normal(4)),
            (normal(2, 3), normal(3)),
            (normal(2, 3), normal(2, 3)),
            row(normal(2, 3), dx=0.5),
            row(normal(2, 3), axis=0),
            row(normal(2, 3), normal(2), axis=0),
            (normal(1),),
            (cnormal(3),),
        ],
    ),
    *cases(
        np.gradient,
        [
            (normal(4),),
            (normal(2, 3),),
            (normal(4), 0.5),
            (normal(4), np.array([0.0, 0.5, 1.5, 3.0])),
            row(normal(2, 3), axis=1),
            row(normal(3, 3), axis=(1, 0)),
            row(normal(4), edge_order=2),
            row(normal(4), np.array([0.0, 0.5, 1.5, 3.0]), edge_order=2),
            row(normal(3, 4), 0.5, np.array([0.0, 0.5, 1.5, 3.0]), edge_order=2),
            row(normal(3), np.array([0.0, 0.5, 1.5]), edge_order=2),
            row(normal(2, 2), 0.5),
            row(normal(3, 2, 3), 2.0, np.array([0.0, 1.0, 3.0]), axis=(0, -1)),
            (cnormal(3),),
            (normal(2), np.array([0.0, 0.5])),
        ],
    ),
    *(
        cases(
            np.cumulative_sum,
            [
                (normal(3),),
                row(normal(2, 3), axis=1),
                row(normal(2, 3), axis=0, include_initial=True),
                (0.5,),
                row(normal(0), include_initial=True),
            ],
        )
        if hasattr(np, "cumulative_sum")
        else []
    ),
    *(
        cases(
            np.cumulative_prod,
            [
                (normal(3),),
                row(normal(2, 3), axis=1),
                row(normal(2, 3), axis=-1, include_initial=True),
                (0.5,),
            ],
        )
        if hasattr(np, "cumulative_sum")
        else []
    ),
]

METHODS = [
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "linear",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
]
WITH_NAN = np.array([np.nan, 1.5, -0.5])

QUANTILES = [
    *cases(
        np.median,
        [
            (normal(3),),
            (normal(4),),
            row(normal(2, 3), axis=1),
            row(normal(3, 2, 2), axis=(0, -1)),
            row(normal(2, 4), axis=0, keepdims=True),
            row(normal(2, 3), keepdims=True),
            (0.5,),
        ],
    ),
    *cases(np.median, [(WITH_NAN,)], name="median_of_nan", skip=OF_NONE),
    *cases(np.quantile, [(WITH_NAN, 0.4)], name="quantile_of_nan", skip=OF_NONE),
    *cases(np.median, [(normal(0),), row(normal(2, 0), axis=1)], name="median_of_none", skip=OF_NONE),
    *cases(
        np.quantile,
        [(normal(5), 0.3), (normal(2, 3), 0.5), (normal(1), 0.4), (normal(5), np.array([0.13, 0.62]))],
    ),
    *cases(np.percentile, [(normal(5), 30.0), (normal(4), np.array([13.0, 62.0]))]),
]

FRACTIONS = np.array([0.0, 0.13, 0.2, 0.5, 0.77, 1.0])
SCALES = {np.quantile: 1.0, np.percentile: 100.0, np.nanquantile: 1.0, np.nanpercentile: 100.0}


def _at(function, q, **kwargs):
    """Quantiles at q, which is not traced."""

    def quantiles(x):
        return function(x, q, **kwargs)

    return quantiles


for _method in METHODS:
    for _function, _scale in SCALES.items():
        _several = _at(_function, _scale * FRACTIONS, method=_method)
        _one = _at(_function, _scale * 0.3, axis=-1, method=_method)
        _name = f"{_function.__name__}_{_method}"
        QUANTILES += [
            *cases(_several, [(normal(5),)], name=_name, covers=(_function,)),
            *cases(_one, [(normal(2, 4),)], name=f"{_name}_axis", covers=(_function,)),
        ]

QUANTILES += [
    *cases(
        lambda x: np.quantile(x, [0.25, 0.6], axis=(0, 2)),
        [(normal(2, 3, 2),)],
        name="quantile_axes",
        covers=(np.quantile,),
    ),
    *cases(
        lambda x: np.quantile(x, [0.25, 0.6], axis=0, keepdims=True),
        [(normal(2, 3),)],
        name="quantile_keepdims",
        covers=(np.quantile,),
    ),
    *cases(lambda x: np.quantile(x, 1), [(normal(4),)], name="quantile_integer", covers=(np.quantile,)),
    *cases(
        lambda x: np.quantile(x, 0.4, weights=[1.0, 2.0, 0.5, 3.0], method="inverted_cdf"),
        [(normal(4),)],
        name="quantile_weights",
        covers=(np.quantile,),
    ),
    *cases(
        lambda x: np.quantile(x, [0.0, 0.4, 1.0], axis=1, weights=[0.0, 2.0, 0.5], method="inverted_cdf"),
        [*since("2.1", (normal(2, 3),))],  # an element of weight 0 was the minimum
        name="quantile_weights_axis",
        covers=(np.quantile,),
    ),
    *cases(
        lambda x: np.nanquantile(
            x, [0.0, 0.4, 1.0], axis=1, weights=[[0.5, 2.0, 0.5], [1.0, 0.5, 2.0]], method="inverted_cdf"
        ),
        [(np.array([[1.5, np.nan, 0.5], [0.0, 2.0, 1.0]]),)],
        name="nanquantile_weights_axis",
        covers=(np.nanquantile,),
    ),
]

HOLES = np.array([[np.nan, 1.5, -0.5, 2.5], [0.3, np.nan, 0.7, np.nan]])
NONE = np.array([[np.nan, 1.5], [np.nan, 0.5]])

MISSING = [
    *[
        case
        for function in (
            np.nansum,
            np.nanprod,
            np.nanmax,
            np.nanmin,
            np.nanmean,
            np.nanvar,
            np.nanstd,
            np.nanmedian,
        )
        for case in cases(
            function,
            [
                (HOLES,),
                row(HOLES, axis=1),
                row(HOLES, axis=-1, keepdims=True),
                (normal(2, 3),),
                row(normal(2, 3), axis=0),
                (1.5,),
            ][: None if function is not np.nanstd else -1],
        )
    ],
    *[
        case
        for function in (np.nanmean, np.nanvar, np.nanstd, np.nanmedian, np.nanmax, np.nanmin)
        for case in cases(
            function,
            [row(NONE[:, :1], axis=0), row(NONE[:, :1].T, axis=1)],
            name=function.__name__ + "_of_none",
            skip=OF_NONE,
        )
    ],
    *cases(
        np.nansum,
        [
            row(HOLES, axis=0, where=np.array([True, False, True, True])),
            row(HOLES, initial=1.5),
            row(HOLES, dtype=complex),
            (NONE,),
            (cnormal(3),),
        ],
        name="nansum_more",
    ),
    *cases(
        np.nanprod,
        [
            row(HOLES, axis=0, where=np.array([True, False, True, True])),
            row(HOLES, initial=1.5),
            row(np.array([0.0, np.nan, 1.5])),
        ],
        name="nanprod_more",
    ),
    *cases(
        np.nanmax,
        [
            row(HOLES, initial=2.0),
            row(HOLES, axis=1, initial=-9.0, where=np.array([True, False, True, True])),
        ],
        name="nanmax_more",
    ),
    *cases(
        np.nanmin,
        [row(HOLES, initial=2.0), row(HOLES, axis=1, initial=9.0, where=np.array([True, False, True, True]))],
        name="nanmin_more",
    ),
    *cases(
        np.nanmean,
        [row(HOLES, axis=1, where=np.array([True, False, True, True])), (cnormal(3),)],
        name="nanmean_more",
    ),
    *cases(
        np.nanvar,
        [row(HOLES, axis=1, ddof=1), row(HOLES, axis=1, correction=1), (cnormal(3),)],
        name="nanvar_more",
    ),
    *cases(
        np.nanvar,
        [row(HOLES, axis=1, ddof=2), row(HOLES, axis=0, where=np.array([True, False, True, True]))],
        name="nanvar_of_none",
        skip=OF_NONE,
    ),
    *cases(np.nanstd, [row(HOLES, axis=1, ddof=1)], name="nanstd_more"),
    *cases(
        np.nanargmax,
        [(HOLES,), row(HOLES, axis=1), row(HOLES, axis=1, keepdims=True), (normal(3),)],
        differentiable=False,
    ),
    *cases(
        np.nanargmin,
        [(HOLES,), row(HOLES, axis=1), row(HOLES, axis=1, keepdims=True), (normal(3),)],
        differentiable=False,
    ),
    *cases(np.nancumsum, [(HOLES,), row(HOLES, axis=1), (normal(3),)]),
    *cases(np.nancumprod, [(HOLES,), row(HOLES, axis=1), (normal(3),)]),
    *cases(
        lambda x: np.nanquantile(x, [0.2, 0.75], axis=1),
        [(HOLES,)],
        name="nanquantile_holes",
        covers=(np.nanquantile,),
    ),
    *cases(
        lambda x: np.nanquantile(x, 0.6, axis=0, keepdims=True),
        [(HOLES[:, 1:3],)],
        name="nanquantile_keepdims",
        covers=(np.nanquantile,),
    ),
    *cases(lambda x: np.nanpercentile(x, 35), [(HOLES,)], name="nanpercentile_holes", covers=(np.nanpercentile,)),
]

CASES = [*MEANS, *SUMS, *DIFFERENCES, *QUANTILES, *MISSING]
