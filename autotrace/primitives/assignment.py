"""``x[index] = value``: a functional update of what is written, and of all that are views of it.

An assignment converts the value, broadcasts it to the place, and follows the steps of the index back.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tracing import Tracer, View, as_operand, bind, check_writable, here, method, rebind
from .families import Array
from .indexing import check_mask, index_steps, part_aval, replaced
from .promotion import broadcast_to, convert
from .slices import Slice, SliceSet

__all__ = ["fitted", "setitem", "stored"]


@method("__setitem__")
def setitem(x: Any, index: Any, value: Any) -> None:
    """``x[index] = value`` with NumPy's meaning: of repeated indices the last one stands; views follow.

    ``value`` is broadcast to the place and converted to the dtype of ``x``.

    Raises ``IndexError`` and ``ValueError`` as NumPy does, ``MutationError`` if ``x`` belongs to the caller.
    """
    if x.ndim == 0 and x._alias is None:
        raise TypeError(
            f"x[index] = value: a traced scalar does not support item assignment; got {x.aval}{here()}. "
            "Assign the whole: x = value."
        )
    check_writable(x, "x[index] = value")
    mask = _mask_of(index)
    if mask is not None and _write_where(x, mask, value):
        return
    steps, copies = index_steps(x.shape, index)
    if _holds_already(x, steps, value):
        return
    aval = part_aval(x, steps)
    if isinstance(value, list | tuple) and not aval.shape and np.ndim(value):
        raise ValueError(f"setting an array element with a sequence{here()}.")
    y = stored(value, x.dtype)
    if y.ndim == 0 and len(steps) == 1 and type(steps[0]) is Slice:
        rebind(x, bind(SliceSet(steps[0].index), x, y), steps[0])
        return
    rebind(x, replaced(x, steps, fitted(y, aval.shape, copies)), steps[0] if steps else None)


def _holds_already(x: Any, steps: Sequence[Any], value: Any) -> bool:
    """Tell whether ``value`` is the view at that place, as it is after ``x[i] += ...`` wrote through it."""
    if type(value) is not Tracer or not steps:
        return False
    there, here_ = value._alias, x._alias
    if type(there) is not View or type(here_) is not View or there.root() is not here_.root():
        return False
    return [node.step for node in there.path()] == [*[node.step for node in here_.path()], *steps]


def _mask_of(index: Any) -> Any:
    """Return an index that is one mask of rank 1 or more, else None."""
    if type(index) is tuple and len(index) == 1:
        index = index[0]
    if isinstance(index, list) and index and isinstance(index[0], bool | list | np.bool_ | Tracer):
        index = as_operand(index)
    is_mask = isinstance(index, Tracer | np.ndarray) and index.dtype == np.bool_ and index.ndim
    return index if is_mask else None


def _write_where(x: Any, mask: Any, value: Any) -> bool:
    """Write under a mask by choosing: no shape depends on the mask. False where its count matters."""
    check_mask(mask.shape, x.shape)
    y = stored(value, x.dtype)
    inner = x.ndim - mask.ndim
    while y.ndim > inner and y.shape[0] == 1:
        y = y.reshape(y.shape[1:])
    if y.ndim > inner:
        return False
    mask = mask.reshape((*mask.shape, *(1,) * inner))
    rebind(x, np.where(mask, fitted(y, x.shape[mask.ndim - inner :] if y.ndim else (), True), x))
    return True


def stored(value: Any, dtype: np.dtype[Any]) -> Array:
    """Return ``value`` as an assignment stores it in an array of ``dtype``: converted, whatever it loses."""
    if type(value) in (bool, int, float, complex):
        return np.asarray(dtype.type(value))
    y = as_operand(value)
    if not hasattr(y, "dtype"):
        return np.asarray(dtype.type(y))
    if y.dtype == dtype:
        return y
    if type(y) is Tracer and y.dtype.kind == "c" and dtype.kind != "c":
        warnings.warn(
            "Casting complex values to real discards the imaginary part",
            np.exceptions.ComplexWarning,
            stacklevel=4,
        )
    return convert(y, dtype) if type(y) is Tracer else np.asarray(y).astype(dtype)


def fitted(y: Array, shape: tuple[int, ...], gathered: bool = False) -> Array:
    """Return ``y`` broadcast to the ``shape`` of the place that it is written to.

    Raises ``ValueError`` in NumPy's words if it does not fit.
    """
    given = y.shape
    while y.ndim > len(shape) and y.shape[0] == 1:
        y = y.reshape(y.shape[1:])
    try:
        fits = np.broadcast_shapes(y.shape, shape) == shape
    except ValueError:
        fits = False
    if fits:
        return broadcast_to(y, shape)
    if gathered:
        raise ValueError(
            f"shape mismatch: value array of shape {given} could not be broadcast to indexing result of "
            f"shape {shape}{here()}. Reshape the value."
        )
    if not shape:
        raise ValueError(f"setting an array element with a sequence; got a value of shape {given}{here()}.")
    raise ValueError(
        f"could not broadcast input array from shape {given} into shape {shape}{here()}. Reshape the value."
    )
