"""What is asked of an array beside its elements: rank, shape, size, kind, and how it reads as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..errors import UnsupportedError
from ..tracing import UNKNOWN, Tracer, here, implements, linked, peek
from .arguments import array

__all__: list[str] = []


@implements(np.ndim)
def ndim(a: Any) -> int:
    """The number of axes."""
    return int(array(a).ndim)


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    """The lengths of the axes."""
    return tuple(array(a).shape)


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    """The number of elements; the length of ``axis``, or the product of the lengths of several."""
    x = array(a)
    lengths = x.shape if axis is None else [x.shape[i] for i in normalize_axis_tuple(axis, x.ndim)]
    return int(np.prod(lengths, dtype=np.intp))


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex."""
    return bool(array(x).dtype.kind == "c")


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return not iscomplexobj(x)


# -- dtypes and layouts: asked of an array of zeros that stands for the traced one ---------------------


def _stand_in(x: Any) -> Any:
    """What answers for ``x`` where its values do not matter: no memory is taken."""
    if type(x) is not Tracer:
        return x
    return x.dtype.type(0).item() if x.aval.weak_type else np.broadcast_to(np.zeros((), x.dtype), x.shape)


def _answered(function: Callable[..., Any]) -> Callable[..., Any]:
    def answer(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_stand_in, args), **{name: _stand_in(value) for name, value in kwargs.items()})

    answer.__name__ = function.__name__
    answer.__doc__ = f"NumPy's ``{function.__name__}``, of the shape and dtype alone."
    return answer


for _function in (
    np.common_type,
    np.diag_indices_from,
    np.einsum_path,
    np.tril_indices_from,
    np.triu_indices_from,
):
    implements(_function)(_answered(_function))


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Whether a dtype can be cast to another; an array stands for its dtype."""
    return bool(np.can_cast(from_.dtype if type(from_) is Tracer else from_, to, casting))


@implements(np.min_scalar_type)
def min_scalar_type(a: Any, /) -> np.dtype[Any]:
    """The dtype of an array. Of a scalar NumPy asks for the value: give it a plain one.

    Raises ``UnsupportedError`` for a traced scalar.
    """
    if not a.ndim:
        raise UnsupportedError(
            f"np.min_scalar_type: of a scalar the answer depends on its value, which must be plain; got {a.aval}"
            f"{here()}. Use x.dtype."
        )
    return np.dtype(a.dtype)


@implements(np.shares_memory, np.may_share_memory)
def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    """Whether writing into one array may change the other."""
    return type(a) is Tracer and type(b) is Tracer and linked(a, b)


# -- text --------------------------------------------------------------------------------------------


@implements(np.array_repr)
def array_repr(arr: Any, max_line_width: Any = None, precision: Any = None, suppress_small: Any = None) -> str:
    """The values of a traced array as NumPy would write them, where they are known."""
    return _text(np.array_repr, arr, max_line_width, precision, suppress_small)


@implements(np.array_str)
def array_str(a: Any, max_line_width: Any = None, precision: Any = None, suppress_small: Any = None) -> str:
    """The values of a traced array as text, where they are known."""
    return _text(np.array_str, a, max_line_width, precision, suppress_small)


@implements(np.array2string)
def array2string(a: Any, *args: Any, **kwargs: Any) -> str:
    """The values of a traced array as text, where they are known."""
    return _text(np.array2string, a, *args, **kwargs)


def _text(function: Callable[..., str], a: Any, *args: Any, **kwargs: Any) -> str:
    value = peek(a)
    return repr(a) if value is UNKNOWN else function(np.asarray(value), *args, **kwargs)
