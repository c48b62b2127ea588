"""Reductions of nothing: empty slices, and slices of NaNs alone. Their warnings are NumPy's, each time they run."""

import numpy as np

from . import cases, row

NAN = np.nan
ROWS = np.array([[1.0, NAN, 2.0], [NAN, NAN, NAN]])
VALUE_IS_NAN = {
    "numeric": "the value is NaN; the derivative is 0 by convention",
    "second_order": "the value is NaN; the derivative is 0 by convention",
}
NONE_OF_THESE = [(ROWS.copy(),), row(ROWS.copy(), axis=1), row(ROWS.copy(), axis=0, keepdims=True), (np.full(2, NAN),)]
EMPTY = [(np.zeros(0),), row(np.zeros((2, 0)), axis=1), row(np.zeros((2, 0)), axis=0)]

CASES = [
    *[
        case
        for function in (np.nanmean, np.nanvar, np.nanstd, np.nanmedian, np.nanmax, np.nanmin)
        for case in cases(function, NONE_OF_THESE, name=f"{function.__name__}_of_nans", skip=VALUE_IS_NAN)
    ],
    *[
        case
        for function in (np.nanmean, np.nanvar, np.nanstd, np.nanmedian, np.mean, np.var, np.std, np.median)
        for case in cases(function, EMPTY, name=f"{function.__name__}_of_empty", skip=VALUE_IS_NAN)
    ],
    *[
        case
        for function in (np.nanvar, np.nanstd, np.var, np.std)
        for case in cases(
            function,
            [row(np.array([1.5]), ddof=1), row(np.array([1.5, 0.5]), ddof=2.5)],
            name=f"{function.__name__}_of_few",
            skip=VALUE_IS_NAN,
        )
    ],
    *[
        case
        for name, function, q in (("nanquantile", np.nanquantile, 0.3), ("nanpercentile", np.nanpercentile, 30.0))
        for case in cases(
            lambda x, function=function, q=q, **kwargs: function(x, q, **kwargs),
            [*NONE_OF_THESE, *EMPTY],
            name=f"{name}_of_nothing",
            covers=(function,),
            skip=VALUE_IS_NAN,
        )
    ],
]
