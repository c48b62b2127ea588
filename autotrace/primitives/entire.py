"""Two entire functions of NumPy with a removable singularity, and all their derivatives: sinc and Bessel's I.

Both families are closed under differentiation, so every order of derivative is finite everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tracing import as_operand, implements
from .families import Array, Unary
from .promotion import apply_elementwise, convert

__all__ = ["bessel_i", "i0", "sinc"]


class SphericalSinc(Unary):
    """The derivative of this ``order`` of s(x) = sin(x) / x.

    Far from 0 by x s^(n) + n s^(n-1) = sin(x + n pi / 2), which is Leibniz's rule on x s(x) = sin(x); near 0,
    where that cancels, by the Taylor series of s.
    """

    ufunc = np.sin
    weight = 30
    order: int = 0

    def impl(self, x: Array) -> Array:
        n = self.order
        near = np.abs(x) <= n + 1 if n else x == 0
        far = np.where(near, 1, x)
        value = np.sin(far) / far
        for k in range(1, n + 1):
            value = (np.sin(far + k * (np.pi / 2)) - k * value) / far
        return np.where(near, _sinc_series(np.where(near, x, 0), n), value).astype(x.dtype)[()]

    def derivative(self, x: Array, y: Array) -> Array:
        return apply_elementwise(SphericalSinc(self.order + 1), (x,))


def _sinc_series(x: Array, n: int) -> Array:
    """The n-th derivative of sum (-1)^k x^2k / (2k+1)!, for |x| <= n + 1."""
    first = (n + 1) // 2
    power = x if n % 2 else np.ones_like(x)  # x^(2k-n) / (2k-n)!
    total = np.zeros_like(x)
    for k in range(first, first + 2 * n + 12):
        total = total + (-1) ** k * power / (2 * k + 1)
        power = power * x * x / ((2 * k - n + 1) * (2 * k - n + 2))
    return total


class BesselI(Unary):
    """The modified Bessel function I of the first kind, of an integer ``order`` >= 0 and a real x.

    The power series (DLMF 10.25.2) has terms of one sign, so it is accurate wherever it is summed; beyond
    |x| = 30 the asymptotic one (DLMF 10.40.1). I_n' = (I_{n-1} + I_{n+1}) / 2 (DLMF 10.29.1), I_0' = I_1.
    """

    ufunc = np.cbrt
    weight = 30
    order: int = 0

    def impl(self, x: Array) -> Array:
        if self.order == 0:
            return np.i0(x).astype(x.dtype)[()]
        size = np.abs(x)
        near = size <= 30
        series = _bessel_series(np.where(near, size, 0), self.order)
        value = np.where(near, series, _bessel_asymptotic(np.where(near, 31, size), self.order))
        return (np.where(x < 0, (-1) ** self.order, 1) * value).astype(x.dtype)[()]

    def derivative(self, x: Array, y: Array) -> Array:
        above = apply_elementwise(BesselI(self.order + 1), (x,))
        return (bessel_i(self.order - 1, x) + above) / 2 if self.order else above


def _bessel_series(x: Array, n: int) -> Array:
    """(x/2)^n / n! * sum (x^2/4)^k / (k! (n+1)_k)."""
    quarter, term = x * x / 4, np.ones_like(x)
    for k in range(1, n + 1):
        term = term * (x / 2) / k
    total = term
    for k in range(1, 90):
        term = term * quarter / (k * (k + n))
        total = total + term
        if not np.any(term > 1e-18 * total):
            break
    return total


def _bessel_asymptotic(x: Array, n: int) -> Array:
    """e^x / sqrt(2 pi x) * sum (-1)^k a_k(n) / x^k; the exponential is halved so as not to overflow early."""
    term = total = np.ones_like(x)
    for k in range(1, 26):
        term = term * ((2 * k - 1) ** 2 - 4 * n * n) / (8 * k * x)
        total = total + term
    half = np.exp(x / 2)
    return half * (half / np.sqrt(2 * np.pi * x) * total)


def bessel_i(order: int, x: Any) -> Array:
    """Return I_n(x) for an integer ``order`` n >= 0."""
    return apply_elementwise(BesselI(order), (x,))


@implements(np.i0)
def i0(x: Any) -> Array:
    """Return the modified Bessel function I_0 of a real ``x``.

    Raises ``TypeError`` for a complex ``x``.

    >>> import autotrace, numpy as np
    >>> autotrace.grad(np.i0)(0.0)
    np.float64(0.0)
    """
    x = as_operand(x)
    if x.dtype.kind == "c":
        raise TypeError("i0 not supported for complex values")
    return bessel_i(0, x if x.dtype.kind == "f" else convert(x, np.dtype(np.float64)))


@implements(np.sinc)
def sinc(x: Any) -> Array:
    """Return sin(pi x) / (pi x), 1 at 0; its derivatives of every order are finite there.

    >>> import autotrace, numpy as np
    >>> print(f"{autotrace.grad(autotrace.grad(np.sinc))(0.0):.6f}")
    -3.289868
    """
    return apply_elementwise(SphericalSinc(0), (np.pi * as_operand(x),))
