"""Grids between traced end points."""

import numpy as np

from . import cases, cnormal, normal, positive, row

CASES = [
    *cases(
        np.linspace,
        [
            (0.5, 2.5, 5),
            (normal(), normal()),
            row(normal(2), normal(2), 3, axis=1),
            row(normal(2, 1), normal(3), 2, endpoint=False),
            row(0.0, 1.5, 4, retstep=True),
            row(normal(), 1, 1),
            row(normal(), 1, 1, retstep=True, endpoint=False),
            row(normal(2), 2.0, 0),
            row(normal(2), normal(2), 3, axis=-1),
            (cnormal(), cnormal(2), 3),
            row(1.0, 1.0, 3),
        ],
    ),
    *cases(
        np.linspace,
        [row(np.float64(0.2), np.float64(9.7), 4, dtype=int)],
        name="linspace_int",
        differentiable=False,
    ),
    *cases(np.linspace, [(np.array(0), np.array([5, 8]), 4)], name="linspace_integers", traced=(0, 1)),
    *cases(
        np.logspace,
        [
            (0.5, 1.5, 3),
            row(normal(), normal(2), 3, axis=1),
            row(0.0, 1.0, 3, endpoint=False, base=2.0),
            (normal(2), normal(2), 3, True, positive(2)),
            (0.5, 1.0, 0),
        ],
    ),
    *cases(
        np.geomspace,
        [
            (0.5, 8.0, 4),
            (positive(2), positive(2), 3),
            row(positive(), positive(2), 3, axis=1),
            row(-0.5, -4.0, 3, endpoint=False),
            (1.0 + 1.0j, 2.0 - 1.0j, 3),
            (np.float64(2.0), 3.0, 1),
            (0.5, 1.0, 0),
        ],
    ),
]
