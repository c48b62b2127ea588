"""The names of :mod:`numpy`. Its functions work on traced values by themselves; this adds what they cannot reach.

NumPy calls us back wherever an argument is traced, so most names here are NumPy's own functions. What has no
traced argument (``zeros``, ``array`` of a list, ...) is replaced by a function that makes traced arrays while
a function is being traced. Each module of this folder registers the functions of one area.
"""

from __future__ import annotations

from typing import Any

import numpy as _numpy

from . import (
    differences,
    elementwise,
    fft,
    fourier,
    functional,
    grids,
    histograms,
    inquiry,
    joining,
    linalg,
    matrices,
    missing,
    padding,
    polynomial,
    predicates,
    products,
    quantiles,
    rearranging,
    selection,
    sets,
    statistics,
    targets,
    ufuncs,
    updates,
)
from .creation import *  # noqa: F403

targets.honour_out()

__all__ = sorted({*_numpy.__all__, "fft", "linalg"})


def __getattr__(name: str) -> Any:
    return getattr(_numpy, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_numpy)})
