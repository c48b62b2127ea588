"""The names of :mod:`numpy`: its own functions, which work on traced values, and what those cannot reach.

NumPy calls us back wherever an argument is traced, so most names here are NumPy's own functions. What has no
traced argument (``zeros``, ``array`` of a list, ...) is replaced by a function that makes traced arrays while
a function is being traced. Each module of this folder registers the functions of one area.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as _numpy

from ..tracing import Tracer, here, load_rules, method
from . import (
    bits,
    devices,
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
    methods,
    missing,
    norms,
    padding,
    polynomials,
    predicates,
    products,
    quantiles,
    rearranging,
    refusals,
    selection,
    sets,
    statistics,
    targets,
    ufuncs,
    updates,
)
from .creation import *  # noqa: F403
from .functional import take, vectorize

targets.honour_out()

__all__ = sorted({*_numpy.__all__, "fft", "linalg"})


@method("__array_namespace__")
def _array_namespace(self: Tracer, /, *, api_version: str | None = None) -> Any:
    """Answer libraries that compute with the namespace of their argument (the Python array API standard)."""
    if api_version is not None and api_version not in _API_VERSIONS:
        raise ValueError(
            f"__array_namespace__: api_version must be one of {', '.join(_API_VERSIONS)}; got {api_version!r}"
            f"{here()}. Leave it out."
        )
    load_rules()
    return sys.modules[__name__]


_API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


EXTENSIONS: dict[str, Any] = {}
"""Parts of the namespace that packages above provide: ``special``, where SciPy is in use."""


def __getattr__(name: str) -> Any:
    if name in EXTENSIONS:
        return EXTENSIONS[name]
    return getattr(_numpy, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_numpy)})
