"""Choices among arrays and pieces, interpolation, and positions as single numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..ir import Primitive, ShapedArray
from ..primitives.promotion import broadcast_to, convert
from ..primitives.sorting import take, take_along_axis
from ..tracing import Tracer, bind, here, implements, mask_value, method, peek, stop_gradient_leaf
from .arguments import Array, array
from .ufuncs import operand, store

__all__: list[str] = []

_INTP = np.dtype(np.intp)


@implements(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Array:
    """Return from each choice the elements where its condition is the first to hold, else ``default``.

    Raises ``ValueError`` for unequal or empty lists, ``TypeError`` for a condition that is not bool.
    """
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not len(condlist):
        raise ValueError("select with an empty condition list is not possible")
    choices = [operand(x) for x in (*choicelist, default)]
    kind = np.result_type(*choices)
    *choices, result = (convert(array(x), kind) for x in choices)
    for i, condition in reversed(list(enumerate(map(array, condlist)))):
        if condition.dtype != np.bool_:
            raise TypeError(f"invalid entry {i} in condlist: should be boolean ndarray")
        result = np.where(condition, choices[i], result)
    return result


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Array:
    """Return elements of the array ``choices[a]``, ``a`` and the choices broadcast to one shape.

    ``mode`` "wrap" takes ``a`` modulo their number, "clip" limits it.

    Raises ``ValueError`` for an index out of bounds (``IndexError`` where it is found as the program runs).
    """
    index, given = array(a), [operand(x) for x in choices]
    if index.dtype.kind not in "iub":
        raise TypeError(f"choose: indices must be integers; got {index.dtype}{here()}. Use a.astype(int).")
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    kind = np.result_type(*given)
    arrays = [array(x) for x in given]
    shape = np.broadcast_shapes(index.shape, *[x.shape for x in arrays])
    stacked = np.stack([broadcast_to(convert(x, kind), shape) for x in arrays])
    index = _choice(convert(index, _INTP), len(arrays), mode)
    result = take_along_axis(stacked, broadcast_to(index, shape)[None], axis=0)[0]
    return result if out is None else store("np.choose", out, result)


def _choice(index: Array, number: int, mode: str) -> Array:
    if mode == "wrap":
        return index % number
    if mode == "clip":
        return np.clip(index, 0, number - 1)
    if type(index) is not Tracer and index.size and (index.min() < 0 or index.max() >= number):
        raise ValueError("invalid entry in choice array")
    return np.where(index < 0, number, index)  # a negative index is out of bounds too


@method("choose")
def _choose_method(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Array:
    return choose(a, choices, out, mode)


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """Return the value of each function where its condition holds (the last that does), 0 where none does.

    One function more than conditions serves elsewhere; numbers stand for constants. A function is called on
    all of ``x``, elements outside its condition replaced by one inside: so never out of its domain.

    Raises ``ValueError`` for another number of functions.
    """
    x = array(x)
    conditions = _conditions(x, condlist)
    if len(conditions) == len(funclist) - 1:
        conditions.append(~np.any(np.stack(conditions), axis=0))
    elif len(conditions) != len(funclist):
        n = len(conditions)
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected")
    y: Array = np.zeros(x.shape, x.dtype)
    for condition, piece in zip(conditions, funclist, strict=True):
        if not isinstance(piece, Callable):  # type: ignore[arg-type]
            number = isinstance(piece, int | float | complex) and not isinstance(piece, np.generic)
            constant = np.asarray(piece, x.dtype) if number else convert(array(piece), x.dtype)
            y = np.where(condition, constant, y)
        elif x.size and _holds_somewhere(condition):
            flat, flags = x.reshape((x.size,)), condition.reshape((x.size,))
            inside = np.where(condition, x, stop_gradient_leaf(take(flat, np.argmax(flags))))
            y = np.where(condition, convert(array(piece(inside, *args, **kw)), x.dtype), y)
    return y


def _conditions(x: Array, condlist: Any) -> list[Array]:
    """Return the conditions as arrays of truths of the shape of ``x``; a single one need not be in a list."""
    if (
        np.isscalar(condlist)
        or (not isinstance(condlist[0], list | np.ndarray | Tracer) and x.ndim)
        or (isinstance(condlist, Tracer) and condlist.ndim == x.ndim and x.ndim)
    ):
        condlist = [condlist]
    arrays = [array(condition) for condition in condlist]
    return [broadcast_to(c if c.dtype == np.bool_ else np.not_equal(c, 0), x.shape) for c in arrays]


def _holds_somewhere(condition: Array) -> bool:
    """Tell whether a condition holds for any element, and record it; assume so where that is not known."""
    some: Any = np.any(condition)
    return bool(some) if type(some) is not Tracer or isinstance(peek(some), np.ndarray | np.generic) else True


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Array:
    """Return the piecewise linear function through ``(xp, fp) : f[n]`` at ``x``.

    Beyond the ends it is ``left`` and ``right`` (the end values if None), or repeats with ``period``. At a
    point of the grid the derivative in ``x`` is that of the piece to the right, at the last the one before.

    Raises ``ValueError`` for points that are not vectors of one length, and for no points.

    >>> import autotrace, numpy as np
    >>> autotrace.grad(lambda x: np.interp(x, [0.0, 1.0, 3.0], [0.0, 2.0, 0.0]))(2.0)
    np.float64(-1.0)
    """
    x, xp, fp = array(x), array(xp), array(fp)
    if x.dtype.kind == "c" or xp.dtype.kind == "c":
        raise TypeError("Cannot cast array data from complex to float64 according to the rule 'safe'")
    x, xp = (convert(v, np.dtype(np.float64)) for v in (x, xp))
    fp = convert(fp, np.dtype(np.complex128 if fp.dtype.kind == "c" else np.float64))
    if xp.ndim != 1 or fp.ndim != 1:
        raise ValueError("Data points must be 1-D sequences")
    if len(xp) != len(fp):
        raise ValueError("fp and xp are not of the same length.")
    if not len(xp):
        raise ValueError("array of sample points is empty")
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, period)
        left = right = None
    last = len(xp) - 1
    piece = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, max(last - 1, 0))
    start, value = take(xp, piece), take(fp, piece)
    if last:
        width = take(xp, piece + 1) - start
        rise = np.where(width == 0, 0, take(fp, piece + 1) - value)
        slope = rise / np.where(width == 0, 1, width)
        at_end = x == xp[last]
        value = np.where(at_end, fp[last], value) + slope * (x - np.where(at_end, xp[last], start))
    else:
        value = value + 0 * x
    value = np.where(x < xp[0], fp[0] if left is None else left, value)
    return np.where(x > xp[last], fp[last] if right is None else right, value)


def _periodic(x: Array, xp: Array, fp: Array, period: Any) -> tuple[Array, Array, Array]:
    """Bring the points into one period, sorted, with one more at either end."""
    if period == 0:
        raise ValueError("period must be a non-zero value")
    period = np.abs(period)
    x, xp = x % period, xp % period
    order = np.argsort(xp)
    xp, fp = take(xp, order), take(fp, order)
    return x, np.concatenate([xp[-1:] - period, xp, xp[:1] + period]), np.concatenate([fp[-1:], fp, fp[:1]])


@implements(np.ix_)
def ix_(*args: Any) -> tuple[Array, ...]:
    """Return vectors as arrays that broadcast against each other; of truths, the positions of the true ones.

    Raises ``ValueError`` for arguments that are not vectors.
    """
    grids = []
    for i, vector in enumerate(map(array, args)):
        if vector.ndim != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if vector.dtype == np.bool_:
            vector = np.flatnonzero(mask_value(vector))
        grids.append(vector.reshape([1] * i + [vector.size] + [1] * (len(args) - i - 1)))
    return tuple(grids)


class _Positions(Primitive, family=True):
    """Positions in an array as tuples and as single numbers; NumPy checks them as the program runs."""

    stops: ClassVar[bool] = True

    def vjp(self, ct: Any, output: Any, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[None]:
        return [None] * len(inputs)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Any:
        return bind(
            self,
            *[x if b else broadcast_to(x, (size, *x.shape)) for x, b in zip(inputs, batched, strict=True)],
        )


class UnravelIndex(_Positions):
    """The position along each axis of elements numbered in ``order``."""

    shape: tuple[int, ...]
    order: Any = "C"
    multiple: ClassVar[bool] = True

    def impl(self, x: Array) -> tuple[Array, ...]:
        return np.unravel_index(x, self.shape, self.order)

    def abstract(self, x: ShapedArray) -> tuple[ShapedArray, ...]:
        return (x.update(dtype=_INTP),) * len(self.shape)

    def jvp(self, primals: Any, tangents: Any, outputs: Sequence[Any]) -> Sequence[None]:
        return [None] * len(outputs)


class RavelMultiIndex(_Positions):
    """The number in ``order`` of elements at a position along each axis."""

    shape: tuple[int, ...]
    mode: Any = "raise"
    order: Any = "C"

    def impl(self, *positions: Array) -> Array:
        return np.ravel_multi_index(positions, self.shape, self.mode, self.order)

    def abstract(self, *positions: ShapedArray) -> ShapedArray:
        return positions[0].update(dtype=_INTP)

    def jvp(self, primals: Any, tangents: Any, output: Any) -> None:
        return None


def _whole(x: Any, name: str) -> Array:
    x = array(x)
    if x.dtype.kind not in "iub":
        raise TypeError(f"{name}: only int indices permitted; got {x.dtype}{here()}. Use x.astype(int).")
    return x


def _lengths(shape: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in np.ravel(shape))


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: Any = "C") -> tuple[Array, ...]:
    """Return for numbers of elements their positions along each axis.

    Raises ``ValueError`` for a number out of bounds, when the program runs.
    """
    lengths = _lengths(shape)
    np.unravel_index(np.zeros(0, int), lengths, order)
    positions: tuple[Array, ...] = bind(UnravelIndex(lengths, order), _whole(indices, "unravel_index"))
    return positions


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Sequence[Any], dims: Any, mode: Any = "raise", order: Any = "C") -> Array:
    """Return for positions along each axis the numbers of their elements.

    ``mode`` "wrap" or "clip" brings positions within bounds, one for all axes or one for each.

    Raises ``ValueError`` for a position out of bounds, when the program runs.
    """
    lengths = _lengths(dims)
    positions = [_whole(x, "ravel_multi_index") for x in multi_index]
    mode = tuple(mode) if isinstance(mode, list | tuple) else mode
    np.ravel_multi_index([np.zeros(0, int)] * len(positions), lengths, mode, order)
    shape = np.broadcast_shapes(*[x.shape for x in positions])
    return bind(RavelMultiIndex(lengths, mode, order), *[broadcast_to(x, shape) for x in positions])
