"""The names of :mod:`scipy.linalg`, on plain and on traced values; what has no rule here is SciPy's own.

``overwrite_*``, drivers and ``check_finite`` are permissions and hints: they change no result that exists.
The elements of arrays are not looked at beforehand: NaN spreads.
"""

from __future__ import annotations

from .. import installed  # isort: skip

from typing import Any

import scipy.linalg as _linalg

from .building import block_diag, circulant, hankel, toeplitz
from .factoring import (
    cho_factor,
    cholesky,
    det,
    eigh,
    eigvalsh,
    lu,
    lu_factor,
    lu_solve,
    norm,
    qr,
    svd,
    svdvals,
)
from .functions import coshm, cosm, expm, expm_frechet, logm, sinhm, sinm, sqrtm
from .solving import cho_solve, inv, pinv, solve, solve_sylvester, solve_triangular

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "circulant",
    "coshm",
    "cosm",
    "det",
    "eigh",
    "eigvalsh",
    "expm",
    "expm_frechet",
    "hankel",
    "inv",
    "logm",
    "lu",
    "lu_factor",
    "lu_solve",
    "norm",
    "pinv",
    "qr",
    "sinhm",
    "sinm",
    "solve",
    "solve_sylvester",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "toeplitz",
]


def __getattr__(name: str) -> Any:
    return getattr(_linalg, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_linalg)})
