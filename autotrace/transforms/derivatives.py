"""Tangents and cotangents that users hand in: checked against the values they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import ShapedArray, dtype_name, float0
from ..tracing import SCALAR_AVALS, Tracer, leaf_value
from ..tree import PyTreeDef, tree_flatten

__all__ = ["check_derivative", "cotangent_leaves"]


def cotangent_leaves(ct: Any, tree: PyTreeDef, avals: Any, name: str) -> list[Any]:
    """Check cotangents (or tangents) against the outputs they belong to; float0 and integers' become None."""
    leaves, got = tree_flatten(ct)
    if got != tree:
        raise TypeError(
            f"{name}: the cotangent must have the structure of the output, {tree}; got {got}. Give one for each output."
        )
    return [check_derivative(x, aval, name, "cotangent") for x, aval in zip(leaves, avals, strict=True)]


def check_derivative(x: Any, aval: ShapedArray, name: str, word: str) -> Any:
    """Return ``x`` if it may be a tangent or cotangent of a value of ``aval``; None for that of an integer."""
    if type(x) in SCALAR_AVALS and aval.inexact and (type(x) is not complex or aval.dtype.kind == "c"):
        x = aval.dtype.type(x)  # a Python number adapts to the dtype it meets
    try:
        x = leaf_value(x, word, name)
    except TypeError:
        raise TypeError(
            f"{name}: a {word} of {aval} must be an array or a number; got {type(x).__name__}. "
            "Give an array of its shape."
        ) from None
    shape, dtype = x.shape, x.dtype
    expected = aval.dtype if aval.inexact else float0
    if shape != aval.shape:
        raise ValueError(
            f"{name}: a {word} must have the shape of its value, {aval}; got shape {shape}. "
            "Broadcast it with np.broadcast_to."
        )
    if dtype == float0 or not aval.inexact:
        if expected != float0 or dtype != float0:
            cure = "Convert it with astype." if aval.inexact else "Use np.zeros(shape, autotrace.float0)."
            raise TypeError(
                f"{name}: a {word} of {aval} must have dtype {dtype_name(expected)}; got {dtype_name(dtype)}. {cure}"
            )
        return None
    if dtype != expected:
        if dtype.kind in "iub" or (aval.weak_type and np.can_cast(dtype, expected)) or _weak(x):
            return x.astype(expected)
        raise TypeError(
            f"{name}: a {word} of {aval} must have dtype {dtype_name(expected)}; got {dtype_name(dtype)}. "
            "Convert it with astype."
        )
    return x


def _weak(x: Any) -> bool:
    return type(x) is Tracer and x.aval.weak_type
