"""The names of :mod:`scipy.signal` that are differentiable here, and SciPy's own for the rest."""

from __future__ import annotations

from .. import installed  # isort: skip

from typing import Any

import scipy.signal as _signal

from .convolution import convolve, correlate, fftconvolve

__all__ = ["convolve", "correlate", "fftconvolve"]


def __getattr__(name: str) -> Any:
    return getattr(_signal, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_signal)})
