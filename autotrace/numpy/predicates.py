"""Questions whose answer is a truth: comparisons within a tolerance, and of whole arrays. No derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitives.promotion import convert
from ..tracing import implements
from .arguments import Array, array
from .ufuncs import store

__all__: list[str] = []


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Array:
    """Tell where ``|a - b| <= atol + rtol |b|``, or both are one infinity (or NaN, with ``equal_nan``)."""
    a, b = array(a), array(b)
    b = convert(b, np.result_type(b.dtype, 1.0))
    same = a == b
    distance = np.abs(np.where(same, 0, a) - np.where(same, 0, b))
    finite = np.isfinite(b)
    close = (distance <= atol + rtol * np.abs(np.where(finite, b, 0))) & finite | same
    return close | (np.isnan(a) & np.isnan(b)) if equal_nan else close


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Array:
    """Tell whether all elements are close, see ``np.isclose``."""
    return np.all(isclose(a, b, rtol, atol, equal_nan))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Tell whether two arrays have one shape and the same elements."""
    a1, a2 = array(a1), array(a2)
    if a1.shape != a2.shape:
        return False
    same = a1 == a2
    return np.all(same | (np.isnan(a1) & np.isnan(a2)) if equal_nan else same)


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """Tell whether two arrays broadcast to the same elements."""
    a1, a2 = array(a1), array(a2)
    try:
        np.broadcast_shapes(a1.shape, a2.shape)
    except ValueError:
        return False
    return np.all(a1 == a2)


@implements(np.isreal)
def isreal(x: Any) -> Array:
    """Tell where the imaginary part is zero."""
    x = array(x)
    return x.imag == 0 if x.dtype.kind == "c" else np.ones(x.shape, bool)[()]


@implements(np.iscomplex)
def iscomplex(x: Any) -> Array:
    """Tell where the imaginary part is not zero."""
    x = array(x)
    return x.imag != 0 if x.dtype.kind == "c" else np.zeros(x.shape, bool)[()]


def _infinite(name: str, x: Any, negative: bool, out: Any) -> Array:
    x = array(x)
    if x.dtype.kind == "c":
        raise TypeError(f"This operation is not supported for {x.dtype} values because it would be ambiguous.")
    result = np.isinf(x) & (np.signbit(x) == negative)
    return result if out is None else store(name, out, result)


@implements(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Array:
    """Tell where ``x`` is infinite and positive."""
    return _infinite("np.isposinf", x, False, out)


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Array:
    """Tell where ``x`` is infinite and negative."""
    return _infinite("np.isneginf", x, True, out)
