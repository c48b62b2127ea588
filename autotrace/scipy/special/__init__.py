"""The names of :mod:`scipy.special`: its ufuncs, which take traced values by themselves, and functions made
of them.

A derivative that is not offered (in the order of a Bessel function, say) is an error where it is asked for.
What has no rule here is SciPy's own and refuses traced values.
"""

from __future__ import annotations

from .. import installed  # isort: skip

from typing import Any

import scipy.special as _special

from ...numpy import EXTENSIONS
from ...tracing import UFUNCS
from . import bessels, elementwise, errors, gammas, integrals, logarithms
from .bessels import spherical_in, spherical_jn, spherical_kn, spherical_yn
from .sums import log_softmax, logsumexp, multigammaln, polygamma, softmax, zeta

__all__ = [
    "log_softmax",
    "logsumexp",
    "multigammaln",
    "polygamma",
    "softmax",
    "spherical_in",
    "spherical_jn",
    "spherical_kn",
    "spherical_yn",
    "zeta",
]


def __getattr__(name: str) -> Any:
    found = getattr(elementwise.sc, name, None)
    return getattr(_special, name) if found is None or name.startswith("_") else found


class _Extension:
    """What array-agnostic code finds as ``special`` in the namespace of a traced array: what has rules
    here.
    """

    def __getattr__(self, name: str) -> Any:
        found = globals()[name] if name in __all__ else getattr(elementwise.sc, name, None)
        if name in __all__ or found in UFUNCS:
            return found
        raise AttributeError(f"special: {name} has no derivative here. Use functions that have one.")


EXTENSIONS["special"] = _Extension()


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_special)})
