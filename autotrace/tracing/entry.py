"""From a Python function and its arguments to a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import AutotraceError, MutationError, UnsupportedError
from ..ir import Atom, Jaxpr, ShapedArray, add_note, aval_of, has_note, native, raised_at
from ..tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path
from .guards import here
from .protocols import FUNCTIONS
from .trace import SCALAR_AVALS, UNKNOWN, Trace, opened
from .tracer import Tracer

__all__ = ["ShapeDtypeStruct", "Traced", "as_operand", "leaf_aval", "leaf_value", "trace"]


class ShapeDtypeStruct:
    """The shape and dtype of an argument, in place of an array, for tracing without values.

    >>> ShapeDtypeStruct((2, 3), "float32")
    ShapeDtypeStruct(f32[2,3])
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype)

    def __repr__(self) -> str:
        return f"ShapeDtypeStruct({aval_of(self)})"


class Traced(NamedTuple):
    """What tracing gives: the program, the structure of the result, and the values that are known so far."""

    jaxpr: Jaxpr
    out_tree: PyTreeDef
    values: dict[Atom, Any] | None
    derived: bool


def trace(
    function: Callable[[list[Any]], Any],
    avals: Sequence[ShapedArray],
    values: Sequence[Any] | None,
    what: str,
    snapshot: bool = True,
    lasting: bool = False,
) -> Traced:
    """Run ``function`` on a list of tracers and return the program that it is.

    With ``values`` (arrays, or tracers of enclosing traces) Python may ask for truth and integers. ``what``
    names the call in messages. A ``lasting`` program runs after the call has returned to its caller.
    """
    record = Trace(what, None if values is None else {}, snapshot, lasting)
    with opened(record):
        tracers = [record.input(aval, UNKNOWN if values is None else values[i]) for i, aval in enumerate(avals)]
        try:
            result = function(tracers)
        except Exception as error:
            _explain(error, what)
            _locate(error, what)
            raise
        leaves, out_tree = tree_flatten(result)
        try:
            outputs = tuple(
                [x._var if type(x) is Tracer and x._trace is record else record.atom(as_operand(x)) for x in leaves]
            )
        except (TypeError, ValueError) as error:
            if isinstance(error, AutotraceError):
                raise
            raise _bad_output(result, what) from None
        return Traced(record.jaxpr(outputs), out_tree, record.values, record.derived)


def _locate(error: Exception, what: str) -> None:
    """Note on an error whose message does not tell it the user's line, once."""
    where = raised_at(error)
    if where and where not in str(error) and not has_note(error):
        add_note(error, f"raised{where} while {what} traced it")


def _explain(error: Exception, what: str) -> None:
    """Turn the errors that NumPy wraps around ours, or raises for us, into ones that tell the cure."""
    if not isinstance(error, ValueError | TypeError | IndexError):
        return
    if isinstance(error.__cause__, AutotraceError):
        raise error.__cause__ from None
    if "read-only" in str(error) and not isinstance(error, AutotraceError):
        raise MutationError(
            f"{what}: a traced function must not write into its caller's arrays; got NumPy's {str(error)!r}"
            f"{raised_at(error)}. "
            "Copy the argument first: x = x.copy()."
        ) from error
    if "only integers, slices" in str(error):
        add_note(error, "a NumPy array takes no traced index. Write autotrace.numpy.asarray(array)[index].")
    told = str(error)
    untyped = "not supported for the input types" in told and not _raised_in_ours(error)
    if untyped or "dtype('O')" in told or "which has no callable" in told:
        raise UnsupportedError(
            f"{what}: this NumPy function takes no array of objects, which np.array makes of traced scalars; got "
            f"NumPy's {str(error)!r}{raised_at(error)}. Build the array with np.stack or autotrace.numpy.array."
        ) from error


def _raised_in_ours(error: Exception) -> bool:
    """Tell whether ``error`` comes from a rule of ours, and so not from an array of objects that NumPy met alone."""
    step: Any = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step is not None and str(step.tb_frame.f_globals.get("__name__")).startswith("autotrace.")


def _bad_output(result: Any, what: str) -> TypeError:
    for path, leaf in tree_flatten_with_path(result)[0]:
        try:
            aval = leaf.aval if type(leaf) is Tracer else aval_of(as_operand(leaf))
            if aval.dtype.kind in "fciub":
                continue
        except (TypeError, ValueError, AttributeError):
            pass
        return TypeError(
            f"{what}: a traced function must return arrays and numbers, or trees of them; got {_kind_of(leaf)} "
            f"at output{keystr(path)}. Return it through has_aux where that is offered, or drop it."
        )
    return TypeError(f"{what}: a traced function must return arrays and numbers; got {result!r}.")


def as_operand(x: Any) -> Any:
    """Return ``x`` as an operand: a tracer, an array or a number. Lists and arrays of tracers are stacked.

    Raises ``TypeError`` for what NumPy would keep as an object.
    """
    if type(x) is Tracer or type(x) in SCALAR_AVALS:
        return x
    if not isinstance(x, np.ndarray | np.generic):
        if hasattr(x, "__array_function__") and hasattr(x, "dtype"):
            return x  # an array of another library that speaks NumPy's protocols
        x = _as_array(x)
    if type(x) is not np.ndarray and getattr(x, "__array_priority__", 0.0) > 0 and isinstance(x, np.ndarray):
        raise _not_plain(x)
    if x.dtype.kind in "fciub":
        return x
    if x.dtype == object:
        return _stack(x)
    if x.dtype.kind == "V" and x.dtype.names == ("float0",):
        return x
    raise _not_numeric(x)


def _not_plain(x: Any) -> TypeError:
    """Refuse arrays that compute in another way than NumPy's: a mask, a unit, a matrix product would be lost."""
    return TypeError(
        f"operand: must be a plain array; got {type(x).__name__}{here()}. "
        "Convert it with np.asarray; pass the mask of a masked array as where=."
    )


def _not_numeric(x: Any) -> TypeError:
    return TypeError(f"operand: must be an array or a number; got {_kind_of(x)}{here()}. Convert it to numbers first.")


def _kind_of(x: Any) -> str:
    """Describe what is no numeric array."""
    if not isinstance(x, np.ndarray) or x.__array_priority__ > 0:
        return type(x).__name__
    if x.dtype != object:
        return f"an array of dtype {x.dtype}"
    kinds = sorted({type(item).__name__ for item in x.flat})
    return kinds[0] if x.ndim == 0 else f"an array of objects ({', '.join(kinds) or 'empty'})"


def _as_array(x: Any) -> Any:
    """``np.asarray`` that also takes lists of traced arrays."""
    if isinstance(x, list | tuple) and any(type(item) is Tracer and item.ndim for item in x):
        return FUNCTIONS[np.stack]([as_operand(item) for item in x])
    try:
        return np.asarray(x)
    except AutotraceError:
        return FUNCTIONS[np.stack]([as_operand(item) for item in x])


def _stack(x: Any) -> Any:
    """Stack an array of objects that holds traced scalars."""
    items = list(x.flat)
    if not items or not all(np.ndim(item) == 0 and isinstance(item, _NUMBERS) for item in items):
        raise _not_numeric(x)
    if x.ndim == 0:
        return items[0]
    return FUNCTIONS[np.reshape](FUNCTIONS[np.stack](items), x.shape)


_PASS_IT_ON = "Pass it as an argument that is not differentiated or mapped, or close over it."
_NUMBERS = (Tracer, bool, int, float, complex, np.number, np.bool_)


def leaf_value(x: Any, path: str, what: str, cure: str = _PASS_IT_ON) -> Any:
    """Return an argument's leaf as an array (or tracer); NumPy scalars for Python numbers.

    Raises ``TypeError`` naming the leaf's place among the arguments, and the ``cure``.
    """
    kind = type(x)
    if kind is Tracer or kind is np.float64:
        return x
    if kind is np.ndarray and x.dtype.kind in "fciub":
        return x if x.dtype.isnative else native(x)
    if kind in SCALAR_AVALS:
        return SCALAR_AVALS[kind].dtype.type(x)
    try:
        return as_operand(x)
    except (TypeError, ValueError) as error:
        if isinstance(error, AutotraceError):
            raise
        where = f" at {path}" if path else ""
        cure = "Pass an array of its shape and dtype." if type(x) is ShapeDtypeStruct else cure
        raise TypeError(
            f"{what}: arguments must be arrays and numbers, or trees of them; got {_kind_of(x)}{where}. {cure}"
        ) from None


def leaf_aval(x: Any) -> ShapedArray:
    """Return the aval of an argument's leaf; Python numbers are weakly typed."""
    if type(x) is Tracer:
        return x.aval
    return aval_of(x)
