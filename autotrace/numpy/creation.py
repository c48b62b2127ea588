"""New arrays: while a function is being traced they are traced, so that traced values fit into them.

Outside of any trace these are NumPy's own functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitives.promotion import broadcast_to, convert
from ..tracing import Tracer, as_operand, fresh, implements, laid_out_like, traced_constant
from .arguments import Array, integers

__all__ = [
    "arange",
    "array",
    "asanyarray",
    "asarray",
    "ascontiguousarray",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "identity",
    "linspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def _made(function: Callable[..., Any], *args: Any, like: Any = None, **kwargs: Any) -> Array:
    """Let NumPy make an array; inside a trace, a traced one."""
    if like is not None and type(like) is not Tracer:
        kwargs["like"] = like
    made = function(*args, **kwargs)
    return traced_constant(made) if isinstance(made, np.ndarray) else made


# -- from values -------------------------------------------------------------------------------------


def _holds_traced(x: Any) -> bool:
    if isinstance(x, list | tuple):
        return any(_holds_traced(item) for item in x)
    return type(x) is Tracer or (isinstance(x, np.ndarray) and x.dtype == object)


def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    like: Any = None,
) -> Array:
    """Make an array of numbers, arrays, traced values, or nested lists of them.

    An array of one's own unless ``copy`` is false or None and none is needed.

    >>> import autotrace
    >>> autotrace.grad(lambda x: array([x, x * x])[1])(3.0)
    np.float64(6.0)
    """
    if not _holds_traced(object):
        kwargs = {"copy": copy, "order": order, "subok": subok, "ndmin": ndmin}
        if like is not None and type(like) is not Tracer:
            kwargs["like"] = like
        made = np.array(object, dtype, **kwargs)
        return traced_constant(made, readonly=copy is not True and np.may_share_memory(made, object))
    x = as_operand(object)
    own = x is not object
    if dtype is not None and x.dtype != np.dtype(dtype):
        x, own = convert(x, np.dtype(dtype)), True
    if copy is False and own:
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    if (copy and not own) or (own and x.ndim == 0):
        x = _array_of(x, order)
    return np.reshape(x, (1,) * (ndmin - x.ndim) + x.shape) if x.ndim < ndmin else x


def _array_of(x: Array, order: Any = "K") -> Array:
    """A copy of ``x`` that can be written into, though it be of rank 0."""
    return fresh(x, "C" if order == "C" else "K") if x.ndim else fresh(np.reshape(x, (1,)))[0, ...]


def asarray(
    a: Any,
    dtype: Any = None,
    order: Any = None,
    *,
    device: Any = None,
    copy: bool | None = None,
    like: Any = None,
) -> Array:
    """Make an array of ``a``; an array, traced or not, is returned as it is if its dtype is right."""
    _on_cpu(device)
    return array(a, dtype, copy=copy, order=order or "K", like=like)


def asanyarray(
    a: Any,
    dtype: Any = None,
    order: Any = None,
    *,
    device: Any = None,
    copy: bool | None = None,
    like: Any = None,
) -> Array:
    """Make an array of ``a``, as :func:`asarray` does; subclasses of arrays pass where nothing is traced."""
    _on_cpu(device)
    return array(a, dtype, copy=copy, order=order or "K", subok=True, like=like)


def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Array:
    """Make an array of ``a`` of rank 1 or more in C order."""
    x = array(a, dtype, copy=None, order="C", ndmin=1, like=like)
    return fresh(x, "C") if type(x) is Tracer else x


def _on_cpu(device: Any) -> None:
    if device is not None and device != "cpu":
        raise ValueError(f'Device not understood. Only "cpu" is allowed, but received: {device}')


# -- of a shape --------------------------------------------------------------------------------------


def zeros(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None) -> Array:
    """Make an array of zeros.

    >>> import autotrace, numpy as np
    >>> def running(x):
    ...     total = zeros(3)
    ...     for i in range(3):
    ...         total[i] = x[: i + 1].sum()
    ...     return total
    >>> autotrace.jacrev(running)(np.ones(3))
    array([[1., 0., 0.],
           [1., 1., 0.],
           [1., 1., 1.]])
    """
    return _made(np.zeros, shape, dtype, order, device=device, like=like)


def ones(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None) -> Array:
    """Make an array of ones."""
    return _made(np.ones, shape, dtype, order, device=device, like=like)


def empty(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None) -> Array:
    """Make an array to be written into; it starts as zeros, so that programs say what they compute."""
    return _made(np.zeros, shape, dtype, order, device=device, like=like)


def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None
) -> Array:
    """Make an array filled with ``fill_value``, which may be traced."""
    if not _holds_traced(fill_value):
        return _made(np.full, shape, fill_value, dtype, order, device=device, like=like)
    _on_cpu(device)
    value = as_operand(fill_value)
    value = value if dtype is None else convert(value, np.dtype(dtype))
    return fresh(broadcast_to(value, tuple(integers(shape))), "C")


def eye(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: Any = float,
    order: Any = "C",
    *,
    device: Any = None,
    like: Any = None,
) -> Array:
    """Make an array of zeros with ones on the diagonal ``k``."""
    return _made(np.eye, N, M, k, dtype, order, device=device, like=like)


def identity(n: int, dtype: Any = None, *, like: Any = None) -> Array:
    """Make the identity matrix."""
    return _made(np.identity, n, dtype, like=like)


def arange(
    start_or_stop: Any,
    /,
    stop: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    like: Any = None,
) -> Array:
    """Make the numbers from start to before stop; of traced ones the program records how many they are."""
    if not _holds_traced([start_or_stop, stop, step]):
        args = (start_or_stop,) if stop is None and step == 1 else (start_or_stop, stop, step)
        args = (0, start_or_stop, step) if stop is None and step != 1 else args
        return _made(np.arange, *args, dtype=dtype, device=device, like=like)
    _on_cpu(device)
    start, stop = (0, start_or_stop) if stop is None else (start_or_stop, stop)
    count = max(int(np.ceil((stop - start) / step)), 0)
    kind = np.result_type(start, stop, step) if dtype is None else np.dtype(dtype)
    return fresh(convert(start + step * np.arange(count), kind))


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """Make ``num`` evenly spaced numbers from ``start`` to ``stop``."""
    make: Any = np.linspace
    made = make(start, stop, num, endpoint, retstep, dtype, axis, device=device)
    if retstep:
        return (traced_constant(made[0]) if isinstance(made[0], np.ndarray) else made[0]), made[1]
    return traced_constant(made) if isinstance(made, np.ndarray) else made


# -- like another ------------------------------------------------------------------------------------


def _like(a: Any, value: Any, dtype: Any, order: Any, shape: Any, device: Any) -> Array:
    """Make a constant array of the shape, dtype and memory layout of the traced ``a``."""
    _on_cpu(device)
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got {order!r})")
    new = a.shape if shape is None else tuple(integers(shape))
    made = np.full(new, value, a.dtype if dtype is None else dtype, "F" if order == "F" else "C")
    x = traced_constant(made)
    return laid_out_like(x, a) if order == "K" and new == a.shape and type(x) is Tracer else x


@implements(np.zeros_like)
def zeros_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Array:
    """Make zeros of the shape and dtype of ``a``."""
    if type(x := as_operand(a)) is not Tracer:
        return _made(np.zeros_like, a, dtype, order, subok, shape, device=device)
    return _like(x, 0, dtype, order, shape, device)


@implements(np.ones_like)
def ones_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Array:
    """Make ones of the shape and dtype of ``a``."""
    if type(x := as_operand(a)) is not Tracer:
        return _made(np.ones_like, a, dtype, order, subok, shape, device=device)
    return _like(x, 1, dtype, order, shape, device)


@implements(np.empty_like)
def empty_like(
    prototype: Any,
    /,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """Make an array of the shape and dtype of ``prototype``, to be written into; it starts as zeros."""
    return zeros_like(prototype, dtype, order, subok, shape, device=device)


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """Make an array of the shape and dtype of ``a`` filled with ``fill_value``, which may be traced."""
    x = as_operand(a)
    if not _holds_traced(fill_value):
        if type(x) is Tracer:
            return _like(x, fill_value, dtype, order, shape, device)
        return _made(np.full_like, a, fill_value, dtype, order, subok, shape, device=device)
    x = x if hasattr(x, "dtype") else np.asarray(x)
    new = x.shape if shape is None else tuple(integers(shape))
    return fresh(full(new, fill_value, x.dtype if dtype is None else dtype, device=device))
