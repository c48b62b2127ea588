"""Keywords and methods of ufuncs: ``np.add(x, y, out=t)``, ``np.hypot.reduce(x)``, ``np.add.outer(x, y)``.

NumPy's own type resolution decides dtypes and refuses what it refuses; here operands are brought to them and
the ufunc is called without keywords. Reductions without a primitive are folded in log2(n) steps where the
order may change, else one element after the other, which is NumPy's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..errors import MutationError, UnsupportedError
from ..primitives.promotion import broadcast_to, convert
from ..tracing import FUNCTIONS, UFUNC_METHODS, UFUNCS, Tracer, here, implements
from .arguments import Array, array

__all__ = ["operand", "store"]

Ufunc = Any

_ASSOCIATIVE: set[Any] = {
    np.logaddexp,
    np.logaddexp2,
    np.hypot,
    np.maximum,
    np.minimum,
    np.fmax,
    np.fmin,
    np.logical_and,
    np.logical_or,
    np.logical_xor,
    np.bitwise_and,
    np.bitwise_or,
    np.bitwise_xor,
    np.gcd,
    np.lcm,
}

_LOGICAL: set[Any] = {np.logical_and, np.logical_or, np.logical_xor}

_SAFE: dict[Any, float] = {np.arccosh: 2.0}
"""What stands where ``where`` leaves an element out: there function and derivatives are finite; else 0.5."""


# -- calls with keywords -----------------------------------------------------------------------------


def _call(
    ufunc: Ufunc,
    *inputs: Any,
    out: Any = None,
    where: Any = True,
    casting: Any = "same_kind",
    order: Any = "K",
    dtype: Any = None,
    subok: bool = True,
    signature: Any = None,
    sig: Any = None,
    **core: Any,
) -> Any:
    """Call ``ufunc`` with NumPy's keywords. ``order`` and ``subok`` change no value; ``core`` is gufuncs'."""
    name = f"np.{ufunc.__name__}"
    if ufunc.signature is None and core:
        raise TypeError(f"{ufunc.__name__}() got an unexpected keyword argument {next(iter(core))!r}")
    np.positive(0.0, order=order, subok=subok, casting=casting)  # refuses values of these that NumPy does not know
    targets = _targets(ufunc, out)
    masked = where is not True and where is not np.True_
    if masked and all(target is None for target in targets):
        raise UnsupportedError(
            f"{name}: where= needs out=, or the elements left out are not initialised; got no out{here()}. "
            f"Use np.where(mask, {name}(...), value), or give out=np.zeros_like(x)."
        )
    xs: Sequence[Any] = [operand(x) for x in inputs]
    xs = _cast(ufunc, xs, casting, dtype, signature if sig is None else sig)
    function: Any = UFUNCS.get(ufunc, ufunc)
    if masked:
        where = array(where)
        if where.dtype != np.bool_:
            np.positive(0.0, out=np.zeros(()), where=np.zeros((), where.dtype))
        safe = _SAFE.get(ufunc, 0.5)
        xs = [np.where(where, x, np.asarray(safe if x.dtype.kind in "fc" else 1, x.dtype)[()]) for x in xs]
    result = _with_core_axes(ufunc, function, xs, core) if core else function(*xs)
    if out is None:
        return result
    results = result if ufunc.nout > 1 else (result,)
    stored = tuple(
        r if target is None else store(name, target, r, casting, where)
        for r, target in zip(results, targets, strict=True)
    )
    return stored if ufunc.nout > 1 else stored[0]


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float | complex) and not isinstance(x, np.generic)


def operand(x: Any) -> Any:
    """Return ``x`` as NumPy's promotion sees it: Python numbers, traced or not, stay weakly typed."""
    return x if _is_number(x) or type(x) is Tracer else array(x)


def _targets(ufunc: Ufunc, out: Any) -> tuple[Any, ...]:
    if out is None:
        return (None,) * ufunc.nout
    return out if isinstance(out, tuple) else (out,)


def store(name: str, target: Any, value: Any, casting: Any = "same_kind", where: Any = True) -> Any:
    """Write ``value`` into the traced array ``target``, which a user gave as ``out=``, and return it.

    Raises ``MutationError`` if ``target`` is a plain array, ``TypeError`` if ``casting`` forbids the cast.
    """
    if isinstance(target, tuple):
        (target,) = target
    if type(target) is not Tracer:
        raise MutationError(
            f"{name}: out= must be a traced array to hold a traced value; got an array of shape "
            f"{np.shape(target)}{here()}. Make it with autotrace.numpy.zeros, or assign the result."
        )
    value = array(value)
    if not np.can_cast(value.dtype, target.dtype, casting):
        raise TypeError(
            f"Cannot cast {name} output from {value.dtype!r} to {target.dtype!r} with casting rule {casting!r}{here()}"
        )
    held: Any = target
    held[...] = value if where is True else np.where(where, value, held)
    return held


def _cast(ufunc: Ufunc, xs: Sequence[Any], casting: Any, dtype: Any, signature: Any) -> list[Array]:
    """Bring the operands to the dtypes of the loop that NumPy would run."""
    if dtype is not None:
        if signature is not None:
            raise TypeError("cannot specify both 'signature' and 'dtype'")
        signature = (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout
    kinds = [
        type(x) if _is_number(x) and type(x) is not bool else np.asarray(x).dtype if _is_number(x) else x.dtype
        for x in xs
    ]
    weak = [type(x) is Tracer and x.aval.weak_type for x in xs]
    kinds = [type(k.type(0).item()) if w else k for k, w in zip(kinds, weak, strict=True)]
    if all(isinstance(kind, type) for kind in kinds):
        kinds = [np.dtype(kind) for kind in kinds]
    more = {} if signature is None else {"signature": signature}
    loop = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout), casting=casting, **more)
    return [np.asarray(x, d)[()] if _is_number(x) else convert(x, d) for x, d in zip(xs, loop, strict=False)]


def _with_core_axes(ufunc: Ufunc, function: Callable[..., Any], xs: Sequence[Array], core: dict[str, Any]) -> Array:
    """Call a gufunc (matmul, vecdot, matvec, vecmat) with its core dimensions on the axes asked for."""
    unknown = set(core) - {"axes", "axis", "keepdims"}
    if unknown:
        raise TypeError(f"{ufunc.__name__}() got an unexpected keyword argument {unknown.pop()!r}")
    ufunc(*[_small(x) for x in xs], **core)  # refuses keywords that do not fit
    axes, axis, keepdims = core.get("axes"), core.get("axis"), core.get("keepdims", False)
    if axes is None:
        axes = [(-1 if axis is None else axis,)] * (3 if keepdims else 2)
    axes = [entry if isinstance(entry, tuple) else (entry,) for entry in axes]
    xs = [np.moveaxis(x, entry, range(-len(entry), 0)) for x, entry in zip(xs, axes, strict=False)]
    result = function(*xs)
    places = axes[2] if len(axes) > 2 else ()
    if keepdims:
        return np.expand_dims(result, places or axes[0])
    return np.moveaxis(result, range(-len(places), 0), places) if places else result


def _small(x: Array) -> Array:
    """Return an array with which NumPy can check the same keywords at no cost: no axis is longer than 2."""
    return np.ones([min(n, 2) for n in x.shape], x.dtype)


# -- reduce ------------------------------------------------------------------------------------------


def _reduce(
    ufunc: Ufunc,
    a: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Array:
    """Fold ``a`` along ``axis`` by a binary ufunc."""
    a = array(a)
    mask = None if where is True or where is np.True_ else array(where)
    dtype = _checked(ufunc, a, axis, dtype, bool(keepdims), initial, mask)
    axes = tuple(range(a.ndim)) if axis is None else normalize_axis_tuple(axis, a.ndim)
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    result = _folded(ufunc, a, axes, dtype, initial, mask)
    result = result.reshape(kept if keepdims else tuple(n for i, n in enumerate(a.shape) if i not in axes))
    return result if out is None else store(f"np.{ufunc.__name__}.reduce", out, result)


def _checked(ufunc: Ufunc, a: Array, axis: Any, dtype: Any, keepdims: bool, initial: Any, mask: Any) -> Any:
    """Let NumPy reduce a small array of as many axes: its errors, and the dtype of the result."""
    plain = np.ones((), initial.dtype)[()] if type(initial) is Tracer else initial
    where = True if mask is None else _small(mask)
    with np.errstate(all="ignore"):
        return ufunc.reduce(_small(a), axis=axis, dtype=dtype, keepdims=keepdims, initial=plain, where=where).dtype


_DIRECT: dict[Any, Any] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_or: np.any,
    np.logical_and: np.all,
}


def _folded(ufunc: Ufunc, a: Array, axes: tuple[int, ...], dtype: Any, initial: Any, mask: Any) -> Array:
    """Choose how to reduce: a primitive, halving, or element by element."""
    given = initial is not np._NoValue and initial is not None
    fill = initial if ufunc in (np.maximum, np.minimum, np.fmax, np.fmin) else ufunc.identity
    if mask is not None and fill is not None:
        if a.dtype.kind == "u" and type(fill) is int:
            fill = np.asarray(fill).astype(a.dtype)[()]  # -1 means all bits
        a, mask = np.where(mask, a, fill), None
    direct = _DIRECT.get(ufunc)
    if direct is not None and mask is None and all(a.shape[i] for i in axes):
        more = {"dtype": dtype} if direct in (np.sum, np.prod) else {}
        result = FUNCTIONS[direct](a, axis=axes, **more)
        return convert(ufunc(result, initial) if given else result, dtype)
    order = (*axes, *[i for i in range(a.ndim) if i not in axes])
    shape = (-1 if a.size else int(not axes), *[a.shape[i] for i in order[len(axes) :]])
    rows = np.transpose(a, order).reshape(shape)
    if mask is not None:
        mask = np.transpose(broadcast_to(mask, a.shape), order).reshape(shape)
    return _fold(ufunc, rows, mask, dtype, initial)


def _operands(ufunc: Ufunc, rows: Array, dtype: Any) -> Array:
    """Bring rows to the dtype in which they are folded: truths for logic; ldexp takes two kinds."""
    if ufunc is np.ldexp:
        return rows
    return np.not_equal(rows, 0) if ufunc in _LOGICAL else convert(rows, dtype)


def _fold(ufunc: Ufunc, rows: Array, mask: Any, dtype: np.dtype[Any], initial: Any) -> Array:
    """Fold over the first axis, starting from ``initial``, or else from the first row."""
    if initial is np._NoValue:
        initial = None if len(rows) else ufunc.reduce(np.empty(0, rows.dtype))
    total = None if initial is None else broadcast_to(convert(array(initial), dtype), rows.shape[1:])
    rows = _operands(ufunc, rows, dtype)
    if mask is None and ufunc in _ASSOCIATIVE and len(rows):
        halved = convert(_halved(ufunc, rows), dtype)
        return halved if total is None else convert(ufunc(total, halved), dtype)
    for i in range(len(rows)):
        if total is None:
            total = convert(rows[i], dtype)
        elif mask is None:
            total = convert(ufunc(total, rows[i]), dtype)
        else:
            row = np.where(mask[i], rows[i], np.ones((), rows.dtype)[()])
            total = np.where(mask[i], convert(ufunc(total, row), dtype), total)
    return convert(total, dtype)


def _halved(ufunc: Ufunc, rows: Array) -> Array:
    """Fold an associative and commutative operation over the first axis by halves."""
    if ufunc in (np.fmax, np.fmin) and rows.dtype.kind == "f":
        return _ignoring_nan(ufunc, rows)
    while len(rows) > 1:
        half = len(rows) // 2
        joined = ufunc(rows[:half], rows[half : 2 * half])
        rows = np.concatenate([joined, rows[2 * half :]]) if len(rows) % 2 else joined
    return rows[0]


def _ignoring_nan(ufunc: Ufunc, rows: Array) -> Array:
    """fmax and fmin of many: the extremum of those that are numbers; equals share the derivative equally."""
    absent = np.isnan(rows)
    neutral = rows.dtype.type(-np.inf if ufunc is np.fmax else np.inf)
    extremum = (np.max if ufunc is np.fmax else np.min)(np.where(absent, neutral, rows), axis=0)
    return np.where(np.all(absent, axis=0), rows.dtype.type(np.nan), extremum)


# -- accumulate, outer, reduceat ---------------------------------------------------------------------


def _accumulate(ufunc: Ufunc, a: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Array:
    """Return the folds of the elements up to each along ``axis``."""
    a = array(a)
    with np.errstate(all="ignore"):
        dtype = ufunc.accumulate(_small(a), axis=axis, dtype=dtype).dtype
    axis = normalize_axis_index(axis, a.ndim)
    scans: dict[Any, Any] = {np.add: np.cumsum, np.multiply: np.cumprod}
    direct = scans.get(ufunc)
    if direct is not None:
        result = direct(a, axis=axis, dtype=dtype)
    elif not a.size:
        result = convert(a, dtype)
    else:
        rows = _operands(ufunc, np.moveaxis(a, axis, 0), dtype)
        scan = _scan_by_doubling if ufunc in _ASSOCIATIVE else _scan_by_rows
        result = np.moveaxis(scan(ufunc, rows, dtype), 0, axis)
    return result if out is None else store(f"np.{ufunc.__name__}.accumulate", out, result)


def _scan_by_rows(ufunc: Ufunc, rows: Array, dtype: Any) -> Array:
    totals = [convert(rows[0], dtype)]
    for i in range(1, len(rows)):
        totals.append(convert(ufunc(totals[-1], rows[i]), dtype))
    return np.stack(totals)


def _scan_by_doubling(ufunc: Ufunc, rows: Array, dtype: Any) -> Array:
    """Scan an associative operation in log2(n) steps (Hillis and Steele 1986)."""
    step = 1
    while step < len(rows):
        rows = np.concatenate([rows[:step], ufunc(rows[:-step], rows[step:])])
        step *= 2
    return convert(rows, dtype)


def _outer(ufunc: Ufunc, a: Any, b: Any, **kwargs: Any) -> Any:
    """Apply a binary ufunc to every pair of elements of ``a`` and ``b``."""
    if ufunc.nin != 2:
        raise ValueError("outer product only supported for binary functions")
    if ufunc.signature is not None:
        raise RuntimeError("outer product not defined on ufunc with signature")  # NumPy's words
    a, b = array(a), array(b)
    a = a.reshape((*a.shape, *(1,) * b.ndim))
    return _call(ufunc, a, b, **kwargs) if kwargs else ufunc(a, b)


def _reduceat(ufunc: Ufunc, a: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Array:
    """Fold the stretches of ``a`` from each index to the next; one element if the next is not greater."""
    a = array(a)
    starts = [int(i) for i in indices]
    blank = np.broadcast_to(np.ones((), a.dtype), a.shape)
    with np.errstate(all="ignore"):
        dtype = ufunc.reduceat(blank, starts, axis=axis, dtype=dtype).dtype
    axis = normalize_axis_index(axis, a.ndim)
    rows = np.moveaxis(a, axis, 0)
    parts = [
        convert(rows[start], dtype)
        if stop is not None and stop <= start
        else _reduce(ufunc, rows[start:stop], 0, dtype)
        for start, stop in zip(starts, [*starts[1:], None], strict=False)
    ]
    empty = broadcast_to(np.zeros((), dtype), (0, *rows.shape[1:]))
    result = np.moveaxis(np.stack(parts) if parts else empty, 0, axis)
    return result if out is None else store(f"np.{ufunc.__name__}.reduceat", out, result)


# -- products of vectors -----------------------------------------------------------------------------


def _conjugate(x: Array) -> Array:
    return np.conj(x) if x.dtype.kind == "c" else x


@implements(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """Return the inner products of vectors along ``axis``, the first conjugated; other axes broadcast."""
    x1, x2 = (np.moveaxis(array(x), axis, -1) for x in (x1, x2))
    return np.einsum("...n,...n->...", _conjugate(x1), x2)


if hasattr(np, "matvec"):  # NumPy 2.2

    @implements(np.matvec)
    def matvec(x1: Any, x2: Any, /) -> Array:
        """Return ``x1 : f[..., m, n]`` times ``x2 : f[..., n]``, stacks broadcast."""
        return np.einsum("...mn,...n->...m", array(x1), array(x2))

    @implements(np.vecmat)
    def vecmat(x1: Any, x2: Any, /) -> Array:
        """Return the conjugate of ``x1 : f[..., m]`` times ``x2 : f[..., m, n]``, stacks broadcast."""
        return np.einsum("...m,...mn->...n", _conjugate(array(x1)), array(x2))


UFUNC_METHODS.update(call=_call, reduce=_reduce, accumulate=_accumulate, outer=_outer, reduceat=_reduceat)
