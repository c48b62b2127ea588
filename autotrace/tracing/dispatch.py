"""NumPy's protocols on traced values: ufuncs, functions, conversion."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..errors import TracerArrayConversionError, UnsupportedError
from .aliases import fresh
from .guards import BESIDE, INDEXING, STORING, here, indexing, numpy_caller, storing
from .protocols import FUNCTIONS, REFUSED, REFUSED_ATTRIBUTES, UFUNC_METHODS, UFUNCS, find, method
from .tracer import Tracer

__all__ = ["VIEWS", "full_name"]


@method("__array_ufunc__")
def _array_ufunc(self: Tracer, ufunc: np.ufunc, how: str, *inputs: Any, **kwargs: Any) -> Any:
    if how == "__call__":
        function = UFUNCS.get(ufunc) or find(UFUNCS, ufunc)
        if function is None:
            _uncovered(ufunc_name(ufunc))
        if not kwargs:
            return function(*inputs)
        how = "call"
    function = UFUNC_METHODS.get(how)
    if function is None:
        _uncovered(f"{ufunc_name(ufunc)}.{how}")
    return function(ufunc, *inputs, **kwargs)


@method("__array_function__")
def _array_function(self: Tracer, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
    ours = FUNCTIONS.get(function) or find(FUNCTIONS, function)
    if ours is None:
        _uncovered(full_name(function), REFUSED.get(function))
    result = ours(*args, **kwargs)
    if type(result) is Tracer and result.aval.weak_type and function not in _KEEP_PYTHON:
        result = UFUNCS[np.positive](result)
    return result if function in VIEWS or "out" in kwargs else _copied(result, args)


_KEEP_PYTHON = (np.real, np.imag)
"""Of a Python number these give a Python number, which adapts to the dtype it meets; all others give a NumPy scalar."""

VIEWS: set[Callable[..., Any]] = {
    np.array_split,
    np.astype,
    np.atleast_1d,
    np.atleast_2d,
    np.atleast_3d,
    np.broadcast_arrays,
    np.broadcast_to,
    np.diag,
    np.diagonal,
    np.diff,
    np.dsplit,
    np.einsum,
    np.expand_dims,
    np.flip,
    np.fliplr,
    np.flipud,
    np.histogram,
    np.hsplit,
    np.imag,
    np.ix_,
    np.linalg.diagonal,
    np.linalg.matrix_power,
    np.linalg.matrix_transpose,
    np.matrix_transpose,
    np.moveaxis,
    np.nan_to_num,
    np.permute_dims,
    np.polyder,
    np.polyint,
    np.ravel,
    np.real,
    np.real_if_close,
    np.reshape,
    np.rollaxis,
    np.rot90,
    np.split,
    np.squeeze,
    np.swapaxes,
    np.transpose,
    np.trim_zeros,
    np.vsplit,
    np.lib.stride_tricks.sliding_window_view,
    *([np.unstack] if hasattr(np, "unstack") else []),
}
"""NumPy's functions whose results share memory with their arguments; results of all others are arrays of their own."""


def _copied(result: Any, args: Sequence[Any]) -> Any:
    """Give an identity of its own to what NumPy would have copied."""
    if type(result) is Tracer:
        return fresh(result) if result._alias is not None or any(result is x for x in args) else result
    if type(result) is tuple or type(result) is list:
        return type(result)([_copied(x, args) for x in result])
    return result


def full_name(function: Callable[..., Any]) -> str:
    """Return the name by which users know a NumPy function: ``np.linalg.norm``."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module.replace('numpy', 'np', 1)}.{function.__name__}"


def ufunc_name(ufunc: np.ufunc) -> str:
    """Return the name by which users know a ufunc: ``np.sin``, or its bare name where it is not NumPy's."""
    name = ufunc.__name__
    return f"np.{name}" if getattr(np, name, None) is ufunc else name


def _uncovered(name: str, cure: str | None = None) -> NoReturn:
    if cure is not None:
        raise UnsupportedError(
            f"{name}: this function takes plain values; it was called on a traced value{here()}. {cure}"
        )
    raise UnsupportedError(
        f"{name}: autotrace has no derivative for this function; it was called on a traced value{here()}. "
        "Write it with functions that have one, or add a primitive (see docs/primitives.md)."
    )


def _array(self: Tracer) -> Callable[..., NoReturn]:
    """NumPy looks this up when it wants the array behind a traced value.

    A scalar answers that it has none: NumPy then keeps it whole in an array of objects, which is stacked
    wherever it meets the library again. Arrays refuse.
    """
    if self.ndim == 0:
        raise AttributeError("__array__")

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        asked = "np.asarray"
        cure = "Use it as it is, np.stack to build a larger array, or pure_callback for code that takes arrays alone."
        scipys = _function_of_scipy()
        if scipys is not None:
            asked, cure = (
                scipys,
                "Call it from autotrace.scipy, or set SCIPY_ARRAY_API=1 before SciPy is imported.",
            )
        elif storing():
            asked, cure = "buffer[index] = x", STORING
        elif caller := numpy_caller():
            asked, cure = caller, BESIDE
        elif indexing():
            asked, cure = "array[x]", INDEXING
        raise TracerArrayConversionError(
            f"{asked}: a traced array must stay in the program, or its derivative would be lost; "
            f"got {self.aval}{here()}. {cure}"
        )

    return refuse


def _function_of_scipy() -> str | None:
    """Return the name of SciPy's function that the user called, if that is what asks."""
    frame, found = sys._getframe(2), None
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.startswith("scipy."):
            name = frame.f_code.co_name
            if found is None or not ("wrap" in name or name.startswith("<")):
                found = ".".join([part for part in module.split(".") if not part.startswith("_")] + [name])
        elif found is not None:
            break
        frame = frame.f_back  # type: ignore[assignment]
    return found


Tracer.__array__ = property(_array)  # type: ignore[attr-defined]


@method("__getattr__")
def _getattr(self: Tracer, name: str) -> Any:
    """Offer ufuncs as methods: NumPy calls ``x.sin()`` on the elements of an array of objects."""
    ufunc: Any = getattr(np, name, None) if not name.startswith("_") else None
    function = UFUNCS.get(ufunc)
    if function is None:
        cure = REFUSED_ATTRIBUTES.get(name) or (
            "Use the NumPy function of that name, or see docs/numpy-coverage.md for the methods of traced arrays."
        )
        raise AttributeError(f"traced array {self.aval} has no attribute {name!r}{here()}. {cure}")
    return lambda *args: function(self, *args)
