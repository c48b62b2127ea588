"""The names of :mod:`numpy.linalg`: those made differentiable here, and NumPy's own for the rest."""

from __future__ import annotations

from typing import Any

import numpy as np


def __getattr__(name: str) -> Any:
    return getattr(np.linalg, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(np.linalg)})
