"""What the functions of this folder share: operands as stacks of matrices, and refusals."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ...errors import UnsupportedError
from ...ir import ShapedArray
from ...tracing import as_operand, here

__all__ = ["Array", "matrix", "operand", "operands", "refuse", "square", "transposed"]

Array = Any


def operand(x: Any) -> Array:
    """Return ``x`` as a traced or plain array that LAPACK takes: integers become float64, float16 float32."""
    x = as_operand(x)
    x = x if hasattr(x, "dtype") else np.asarray(x)
    if x.dtype.char in "fdFD":
        return x
    return x.astype(np.float32 if x.dtype == np.float16 else np.float64)


def operands(*xs: Any) -> list[Array]:
    """Return all as operands of one dtype."""
    arrays = [operand(x) for x in xs]
    dtype = np.result_type(*[x.dtype for x in arrays])
    return [x.astype(dtype) if x.dtype != dtype else x for x in arrays]


def matrix(name: str, x: Any) -> Array:
    """Return ``x`` as a stack of matrices, or raise ``ValueError``."""
    x = operand(x)
    if x.ndim < 2:
        raise ValueError(
            f"{name}: needs a matrix; got {ShapedArray(x.shape, x.dtype)}{here()}. Reshape it to two axes."
        )
    return x


def square(name: str, x: Any) -> Array:
    """Return ``x`` as a stack of square matrices, or raise ``ValueError``."""
    x = matrix(name, x)
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(
            f"{name}: needs a square matrix; got {ShapedArray(x.shape, x.dtype)}{here()}. Pass a square one."
        )
    return x


def transposed(name: str, a: Array, trans: Any) -> tuple[Array, bool]:
    """Return op(a) for LAPACK's ``trans`` (0 or "N", 1 or "T", 2 or "C"), and whether rows and columns
    changed places.
    """
    kind = {"N": 0, "T": 1, "C": 2}.get(trans, trans)
    if kind not in (0, 1, 2):
        raise ValueError(f"{name}: trans must be 0, 1 or 2; got {trans!r}{here()}. Pass one of these.")
    if kind == 0:
        return a, False
    return (np.conj(a.mT) if kind == 2 else a.mT), True


def refuse(name: str, keyword: str, value: Any, cure: str) -> NoReturn:
    """Raise ``UnsupportedError`` for a keyword that has no derivative here."""
    raise UnsupportedError(
        f"{name}: {keyword} is not offered on traced values; got {keyword}={value!r}{here()}. {cure}"
    )
