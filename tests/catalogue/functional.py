"""Functions applied along axes and to elements."""

import numpy as np

from autotrace.numpy import vectorize

from . import cases, normal


def bend(x, slope=0.5):
    """A function of numbers with a branch."""
    return np.sin(x) if x > 0 else slope * x


_ASKS = {"vmap": "asks for the value"}

CASES = [
    *cases(
        lambda x: np.apply_along_axis(np.sum, 0, x),
        [(normal(2, 3),)],
        name="along_sum",
        covers=(np.apply_along_axis,),
    ),
    *cases(
        lambda x: np.apply_along_axis(lambda r, k: k * np.outer(r, r), 1, x, 2.0),
        [(normal(2, 2, 2),)],
        name="along_outer",
        covers=(np.apply_along_axis,),
    ),
    *cases(
        lambda x: np.apply_along_axis(np.sort, -1, x),
        [(normal(3),), (normal(2, 3),)],
        name="along_sort",
        covers=(np.apply_along_axis,),
    ),
    *cases(
        lambda x: np.apply_over_axes(np.sum, x, [0, -1]),
        [(normal(2, 3, 2),)],
        name="over_sum",
        covers=(np.apply_over_axes,),
    ),
    *cases(
        lambda x: np.apply_over_axes(np.cumsum, x, 1),
        [(normal(2, 3),)],
        name="over_cumsum",
        covers=(np.apply_over_axes,),
    ),
    *cases(
        lambda x: np.fromfunction(lambda i, j: x * i + np.sin(x + j), (2, 3)),
        [(0.5,), (np.float64(1.5),)],
        name="fromfunction",
        covers=(),
    ),
    *cases(
        lambda x: vectorize(bend)(x),
        [(normal(4),), (normal(2, 2),), (0.5,)],
        name="vectorize_branch",
        covers=(),
        skip=_ASKS,
    ),
    *cases(
        lambda x, y: vectorize(lambda a, b: (a * b, a + b))(x, y),
        [(normal(2, 1), normal(3))],
        name="vectorize_two",
        covers=(),
    ),
    *cases(
        lambda x, y: vectorize(np.dot, signature="(n),(n)->()")(x, y),
        [(normal(2, 3), normal(3))],
        name="vectorize_core",
        covers=(),
    ),
    *cases(
        lambda p, x: vectorize(np.polyval, excluded=[0])(p, x),
        [(normal(3), normal(2))],
        name="vectorize_excluded",
        covers=(),
    ),
    *cases(
        lambda x: vectorize(np.sin, otypes=[float])(x),
        [(normal(0),)],
        name="vectorize_empty",
        covers=(),
        skip={"float32": "the dtype is asked for"},
    ),
]
