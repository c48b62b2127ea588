"""Elementwise functions made of others: angle, nan_to_num, unwrap, rounding, and those of ``np.emath``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..primitives.promotion import convert
from ..primitives.representation import round as _round
from ..tracing import here, implements, method
from .arguments import Array, array
from .creation import array as make_array
from .ufuncs import store

__all__: list[str] = []


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Array:
    """Return the argument of complex numbers, in (-pi, pi]; in degrees with ``deg``; derivative 0 at 0."""
    z = array(z)
    result = np.arctan2(z.imag, z.real) if z.dtype.kind == "c" else np.arctan2(0, z)
    return result * (180 / np.pi) if deg else result


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Array:
    """Return ``x`` with NaN and infinities replaced (these by the largest numbers, if not told otherwise).

    The derivative of an element that is replaced flows to what replaces it. ``copy=False`` writes into ``x``.
    """
    x = array(x)
    if x.dtype.kind == "c":
        parts = (_numbers(part, nan, posinf, neginf) for part in (x.real, x.imag))
        real, imag = parts
        result = convert(real, x.dtype) + convert(imag, x.dtype) * 1j
    elif x.dtype.kind == "f":
        result = _numbers(x, nan, posinf, neginf)
    else:
        return x
    if copy:
        return result
    x[...] = result
    return x


def _numbers(x: Array, nan: Any, posinf: Any, neginf: Any) -> Array:
    limits = np.finfo(x.dtype)
    infinite = np.isinf(x)
    for where, given, default in (
        (np.isnan(x), nan, 0.0),
        (infinite & (x > 0), posinf, limits.max),
        (infinite & (x < 0), neginf, limits.min),
    ):
        x = np.where(where, convert(array(default if given is None else given), x.dtype), x)
    return x


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Array:
    """Return the real part if all imaginary parts are below ``tol`` (in units of eps if above 1), else ``a``.

    Whether they are is a question to the values, and the program records the answer.
    """
    a = array(a)
    if a.dtype.kind != "c":
        return a
    limit = np.finfo(a.dtype).eps * tol if tol > 1 else tol
    return a.real if np.all(np.abs(a.imag) < limit) else a


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Array:
    """Return ``p`` with multiples of ``period`` added along ``axis``, so no step exceeds half of it.

    Steps shorter than ``discont`` stay. The multiples are constant, so the derivative is that of ``p``.
    """
    p = array(p)
    first_of = (*(slice(None),) * normalize_axis_index(axis, p.ndim), slice(0, 1))
    steps = np.diff(p, axis=axis)
    discont = period / 2 if discont is None else discont
    dtype = np.result_type(steps, period)
    if np.issubdtype(dtype, np.integer):
        high, rest = divmod(period, 2)
        ambiguous = rest == 0
    else:
        high, ambiguous = period / 2, True
    wrapped = np.mod(steps + high, period) - high
    if ambiguous:
        wrapped = np.where((wrapped == -high) & (steps > 0), high, wrapped)
    corrections = np.where(np.abs(steps) < discont, 0, wrapped - steps)
    if not p.size:
        return convert(p, dtype)
    first = np.zeros(p[first_of].shape, dtype)
    return convert(p + np.concatenate([first, np.cumsum(corrections, axis=axis)], axis=axis), dtype)


@implements(np.float_power)
def float_power(x1: Any, x2: Any) -> Array:
    """Return x1 ** x2 in double precision at least."""
    x1, x2 = array(x1), array(x2)
    dtype = np.float_power.resolve_dtypes((x1.dtype, x2.dtype, None))[2]
    return np.power(convert(x1, dtype), convert(x2, dtype))


@implements(np.round, np.around)
def around(a: Any, decimals: Any = 0, out: Any = None) -> Array:
    """Return ``a`` rounded to ``decimals``, ties to even; piecewise constant, so the derivative is zero."""
    result = _round(array(a), decimals)
    return result if out is None else store("np.round", out, result)


@method("round")
def _round_method(a: Any, decimals: Any = 0, out: Any = None) -> Array:
    return around(a, decimals, out)


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    """Return ``x`` in another dtype.

    Raises ``ValueError`` for a device other than the cpu.
    """
    if device not in (None, "cpu"):
        raise ValueError(f'astype: device must be "cpu" or None; got {device!r}{here()}. Leave it out.')
    return make_array(x, dtype, copy=True if copy else None)


# -- np.emath: complex where the real function is not defined -----------------------------------------


def _complex(x: Array) -> Array:
    return convert(x, np.dtype(np.complex64 if x.dtype.char in "fbhBH" else np.complex128))


def _outside(x: Any, outside: Any) -> Array:
    """Make ``x`` complex if any element is ``outside`` the domain; the program records the answer."""
    x = array(x)
    return _complex(x) if x.dtype.kind not in "c" and np.any(outside(x)) else x


def _negative(x: Array) -> Array:
    return x < 0


def _beyond_one(x: Array) -> Array:
    return np.abs(x) > 1


def _emath(name: str, function: Any, outside: Any) -> None:
    """Register a function of ``np.emath``: ``function`` of an argument made complex where it must be."""

    def extended(x: Any) -> Array:
        return function(_outside(x, outside))

    extended.__name__ = extended.__qualname__ = name
    extended.__doc__ = f"Return ``np.{name}(x)``, complex if any element is outside the real domain."
    implements(getattr(np.emath, name))(extended)


for _name, _function, _domain in (
    ("sqrt", np.sqrt, _negative),
    ("log", np.log, _negative),
    ("log2", np.log2, _negative),
    ("log10", np.log10, _negative),
    ("arccos", np.arccos, _beyond_one),
    ("arcsin", np.arcsin, _beyond_one),
    ("arctanh", np.arctanh, _beyond_one),
):
    _emath(_name, _function, _domain)


@implements(np.emath.logn)
def logn(n: Any, x: Any) -> Array:
    """Return the logarithm of ``x`` to base ``n``, complex if either has a negative element."""
    return np.log(_outside(array(x), _negative)) / np.log(_outside(array(n), _negative))


@implements(np.emath.power)
def emath_power(x: Any, p: Any) -> Array:
    """Return x ** p, complex if ``x`` has a negative element; negative integer exponents are made floats."""
    x, p = array(x), array(p)
    if p.dtype.kind == "i" and np.any(p < 0):
        p = p * 1.0
    return np.power(_outside(x, _negative), p)
