"""The libraries compared, each loaded only when asked for: a process that times one holds no other."""

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy

__all__ = ["NAMES", "Library", "installed", "load", "to_numpy"]


class Library(NamedTuple):
    """`np` spells the mathematics, `ad` the derivatives; `array` makes an argument of its own kind."""

    name: str
    np: Any
    ad: Any
    array: Callable[[Any], Any]


# In the order of the tables. "by hand" is the gradient that an expert writes in NumPy.
_MODULES = {
    "autotrace": ("numpy", "autotrace"),
    "by hand": ("numpy", "numpy"),
    "autograd": ("autograd.numpy", "autograd"),
    "torch": ("torch", "torch"),
    "jax": ("jax.numpy", "jax"),
}
NAMES = tuple(_MODULES)


def installed() -> tuple[str, ...]:
    """Return the names of the libraries that can be loaded."""
    return tuple(name for name, (_, ad) in _MODULES.items() if importlib.util.find_spec(ad) is not None)


@cache
def load(name: str) -> Library:
    """Import a library, float64 as its default. Threads stay as each library sets them: all cores."""
    np, ad = map(importlib.import_module, _MODULES[name])
    if name == "jax":
        ad.config.update("jax_enable_x64", True)
        return Library(name, np, ad, np.asarray)
    if name == "torch":
        ad.set_default_dtype(ad.float64)
        return Library(name, np, ad, ad.tensor)
    return Library(name, np, ad, lambda x: x)


def to_numpy(result: Any) -> list[numpy.ndarray]:
    """Return the arrays of a result, in order, whichever library made it."""
    if isinstance(result, tuple | list):
        return [array for part in result for array in to_numpy(part)]
    return [numpy.asarray(result.detach() if hasattr(result, "detach") else result)]
