"""Elementwise functions of one and two arguments."""

import numpy as np

from . import cases, cnormal, normal, positive, row, uniform

CASES = [
    *cases(np.sin, [(normal(3),), (normal(2, 3),), (normal(),), (0.5,), (normal(0),), (cnormal(3),)]),
]
