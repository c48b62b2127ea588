"""Sums, products, extrema and counts along axes; cumulative sums and products.

A reduction equation drops its axes; ``keepdims``, ``where`` and ``initial`` are spelled out around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache, partial
from typing import Any, ClassVar

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..ir import Operand, Primitive, ShapedArray
from ..tracing import as_operand, bind, here, implements, method
from .families import Array, LinearMap
from .promotion import broadcast_to, convert
from .series import carried
from .shape import with_shape

__all__ = ["Reduction", "argmax", "argmin", "cumprod", "cumsum", "max", "min", "prod", "sum"]


class Reduction(Primitive, family=True):
    """Drops ``axes`` (ascending, not negative)."""

    axes: tuple[int, ...]
    gives_scalars: ClassVar[bool] = True

    reduce: ClassVar[Callable[..., Array]]

    @cached_property
    def kernel(self) -> Callable[[Array], Array]:
        """The NumPy call that does it."""
        return partial(type(self).reduce, axis=self.axes)

    def impl(self, x: Array) -> Array:
        return self.kernel(x)

    def spell(self, page: Any, x: Any) -> str:
        name = self.name.removeprefix("reduce_")
        if len(self.axes) == x.aval.ndim:
            return f"np.{name}({x})"
        return f"np.{name}({x}, axis={page.value(self.axes[0] if len(self.axes) == 1 else self.axes)})"

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(shape=tuple(n for i, n in enumerate(x.shape) if i not in self.axes))

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(type(self)(tuple(axis + 1 for axis in self.axes)), *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return inputs[0].size * (2 if inputs[0].dtype.kind == "c" else 1)

    def spread(self, y: Array, shape: tuple[int, ...]) -> Array:
        """Give a reduced array back the axes of an operand of ``shape``."""
        if self.axes != tuple(range(len(self.axes))):  # else the others are the last ones, which broadcasting meets
            y = with_shape(y, tuple([1 if i in self.axes else n for i, n in enumerate(shape)]))
        return broadcast_to(y, shape)

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        dependence = operands[0].dependence
        return dependence and dependence.reduced(self.axes)


class ReduceSum(Reduction, LinearMap):
    """The sum along ``axes``."""

    reduce = np.add.reduce

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (self.spread(ct, inputs[0].shape),)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array]:
        return (self.spread(ct, inputs[0].shape),)


class _Extremum(Reduction, family=True):
    """The derivative is shared equally among the elements that attain the extremum."""

    taylor = carried

    def _shared(self, t: Array, x: Array, y: Array) -> Array:
        """Give each element that attains ``y`` its share of ``t`` (reduced); all of it is NaN where ``y`` is.

        The others get zero times their share, which is NaN where ``t`` is infinite, as for ``np.maximum``.
        """
        attains = (x == self.spread(y, x.shape)).astype(x.dtype)
        share = t / np.maximum(attains.sum(axis=self.axes), 1)
        return attains * self.spread(np.where(y == y, share, np.nan).astype(x.dtype), x.shape)

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        ones = np.ones(output.shape, output.dtype)
        return (tangents[0] * self._shared(ones, primals[0], output)).sum(axis=self.axes)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array]:
        return (self._shared(ct, inputs[0], output),)


class ReduceMax(_Extremum):
    """The largest element along ``axes``, NaN if one is."""

    reduce = np.maximum.reduce


class ReduceMin(_Extremum):
    """The smallest element along ``axes``, NaN if one is."""

    reduce = np.minimum.reduce


class ReduceProd(Reduction):
    """The product along ``axes``; its derivative, the products of all others, is right where elements are zero."""

    reduce = np.multiply.reduce

    def _others(self, x: Array) -> Array:
        """The product of all other elements along the axes: those before times those after."""
        rest = tuple(i for i in range(x.ndim) if i not in self.axes)
        order = (*self.axes, *rest)
        flat = np.transpose(x, order)
        shape = flat.shape
        flat = flat.reshape((-1, *shape[len(self.axes) :])) if x.size else flat.reshape((0, *flat.shape))
        ones = np.ones((1, *flat.shape[1:]), x.dtype)
        before = cumprod(np.concatenate([ones, flat[:-1]]), axis=0)
        after = cumprod(np.concatenate([ones, flat[:0:-1]]), axis=0)[::-1]
        return np.transpose((before * after).reshape(shape), tuple(int(i) for i in np.argsort(order)))

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        (x,) = primals
        return (
            (tangents[0] * self._others(x)).sum(axis=self.axes)
            if x.size
            else broadcast_to(np.zeros((), x.dtype), output.shape)
        )

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array]:
        (x,) = inputs
        return (self.spread(ct, x.shape) * self._others(x) if x.size else np.zeros(x.shape, x.dtype),)


class _Stops(Primitive, family=True):
    """Piecewise constant: no derivative."""

    stops: ClassVar[bool] = True

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> None:
        return None

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[None]:
        return (None,)


class ReduceAny(_Stops, Reduction):
    """Whether any element is true."""

    reduce = np.logical_or.reduce

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return super().abstract(x).update(dtype=np.dtype(np.bool_))


class ReduceAll(_Stops, Reduction):
    """Whether all elements are true."""

    reduce = np.logical_and.reduce

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return super().abstract(x).update(dtype=np.dtype(np.bool_))


class _ArgExtremum(_Stops, family=True):
    axis: int

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(shape=(*x.shape[: self.axis], *x.shape[self.axis + 1 :]), dtype=np.dtype(np.intp))

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(type(self)(self.axis + 1), *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return inputs[0].size


class Argmax(_ArgExtremum):
    """The index of the first largest element along ``axis``."""

    def impl(self, x: Array) -> Array:
        return np.argmax(x, axis=self.axis)


class Argmin(_ArgExtremum):
    """The index of the first smallest element along ``axis``."""

    def impl(self, x: Array) -> Array:
        return np.argmin(x, axis=self.axis)


class Cumsum(LinearMap):
    """Sums of the elements up to each, along ``axis``; the transpose sums from each on."""

    axis: int

    def impl(self, x: Array) -> Array:
        return np.cumsum(x, axis=self.axis)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (_reverse(bind(self, _reverse(ct, self.axis)), self.axis),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Cumsum(self.axis + 1), *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return inputs[0].size

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        dependence = operands[0].dependence
        return dependence and dependence.accumulated(self.axis)


def _reverse(x: Array, axis: int) -> Array:
    return x[(slice(None),) * axis + (slice(None, None, -1),)]


class Cumprod(Primitive):
    """Products of the elements up to each, along ``axis``.

    The derivative runs the scan (x, dx) o (y, dy) = (xy, dx y + x dy) in log2(n) steps (Hillis and Steele
    1986), so zeros need no care and every order of derivative exists.
    """

    axis: int

    def impl(self, x: Array) -> Array:
        return np.cumprod(x, axis=self.axis)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        (x,), (dx,) = primals, tangents
        n, step = x.shape[self.axis], 1
        before = (slice(None),) * self.axis
        while step < n:
            head, old, late = ((*before, s) for s in (slice(None, step), slice(None, -step), slice(step, None)))
            dx = np.concatenate([dx[head], dx[old] * x[late] + x[old] * dx[late]], axis=self.axis)
            x = np.concatenate([x[head], x[old] * x[late]], axis=self.axis)
            step *= 2
        return dx

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(Cumprod(self.axis + 1), *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return inputs[0].size

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        dependence = operands[0].dependence
        return dependence and dependence.accumulated(self.axis)


# -- public functions --------------------------------------------------------------------------------


def _axes(axis: Any, rank: int) -> tuple[int, ...]:
    if rank == 0 and isinstance(axis, int) and axis in (0, -1):
        return ()  # NumPy lets a scalar pass for a vector of one element here
    return tuple(range(rank)) if axis is None else tuple(sorted(normalize_axis_tuple(axis, rank)))


def _reduce(
    primitive: type[Reduction],
    a: Any,
    axis: Any,
    keepdims: Any,
    where: Any,
    initial: Any,
    neutral: Any,
    ufunc: Any,
) -> Array:
    """Reduce with NumPy's keywords. ``neutral`` fills what ``where`` leaves out; None if there is none."""
    initial = None if initial is np._NoValue else initial
    if initial is not None:
        initial = as_operand(initial)
        initial = convert(initial, a.dtype) if hasattr(initial, "dtype") else np.asarray(initial, a.dtype)
    if where is not True and where is not np._NoValue:
        fill = neutral if neutral is not None else initial
        if fill is None:
            raise ValueError(
                f"reduction operation '{ufunc.__name__}' does not have an identity, so to use a where mask one has "
                "to specify 'initial'"
            )
        where = where if hasattr(where, "ndim") else np.asarray(where, bool)
        where = where if where.ndim == 0 or where.shape == a.shape else broadcast_to(where, a.shape)
        a = np.where(where, a, fill)
    axes = _axes(axis, a.ndim)
    if neutral is None and initial is None and any(a.shape[i] == 0 for i in axes):
        raise ValueError(
            f"zero-size array to reduction operation {ufunc.__name__} which has no identity; got {a.aval}{here()}. "
            "Give initial=."
        )
    if neutral is None and any(a.shape[i] == 0 for i in axes):
        shape = tuple(n for i, n in enumerate(a.shape) if i not in axes)
        result = broadcast_to(np.zeros((), a.dtype), shape) + as_operand(initial)
    else:
        result = bind(primitive(axes), a)
        if initial is not None:
            result = ufunc(result, initial)
    if keepdims and keepdims is not np._NoValue:
        result = result.reshape(tuple(1 if i in axes else n for i, n in enumerate(a.shape)))
    return result


def _accumulator(a: Any, dtype: Any, ufunc: Any) -> Array:
    """Convert to the dtype in which NumPy adds or multiplies: small integers to the machine's.

    Where a smaller one is asked for, the machine's too: the result wraps around when it is narrowed.
    """
    if dtype is None and a.dtype.kind in "fc":
        return a
    x = convert(a, _accumulator_dtype(ufunc, a.dtype) if dtype is None else np.dtype(dtype))
    return x if dtype is None or x.dtype.kind in "fc" else convert(x, _accumulator_dtype(ufunc, x.dtype))


def _narrowed(result: Array, dtype: Any) -> Array:
    """Return ``result`` in the dtype that was asked for; of truths the sum is "or", the product "and"."""
    return result if dtype is None else convert(result, np.dtype(dtype))


@lru_cache(maxsize=256)
def _accumulator_dtype(ufunc: Any, dtype: np.dtype[Any]) -> np.dtype[Any]:
    found: np.dtype[Any] = ufunc.reduce(np.zeros(1, dtype)).dtype
    return found


@implements(np.sum)
def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Array:
    """The sum of elements along ``axis`` (an integer, a tuple, or None for all)."""
    a = _accumulator(as_operand(a), dtype, np.add)
    if axis is None and keepdims is not True and where is True and initial is None:
        return _narrowed(bind(ReduceSum(tuple(range(a.ndim))), a) if a.ndim else a, dtype)
    return _narrowed(_reduce(ReduceSum, a, axis, keepdims, where, initial, 0, np.add), dtype)


@implements(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Array:
    """The product of elements along ``axis``."""
    a = _accumulator(as_operand(a), dtype, np.multiply)
    return _narrowed(_reduce(ReduceProd, a, axis, keepdims, where, initial, 1, np.multiply), dtype)


@implements(np.max, np.amax)
def max(
    a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Array:
    """The largest element along ``axis``; elements that tie share the derivative equally."""
    return _reduce(ReduceMax, as_operand(a), axis, keepdims, where, initial, None, np.maximum)


@implements(np.min, np.amin)
def min(
    a: Any, axis: Any = None, out: None = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Array:
    """The smallest element along ``axis``; elements that tie share the derivative equally."""
    return _reduce(ReduceMin, as_operand(a), axis, keepdims, where, initial, None, np.minimum)


@implements(np.any)
def any_(a: Any, axis: Any = None, out: None = None, keepdims: Any = False, *, where: Any = True) -> Array:
    """Whether any element along ``axis`` is true."""
    return _reduce(ReduceAny, as_operand(a), axis, keepdims, where, None, False, np.logical_or)


@implements(np.all)
def all_(a: Any, axis: Any = None, out: None = None, keepdims: Any = False, *, where: Any = True) -> Array:
    """Whether all elements along ``axis`` are true."""
    return _reduce(ReduceAll, as_operand(a), axis, keepdims, where, None, True, np.logical_and)


def _argument(primitive: Any, a: Any, axis: Any, keepdims: Any) -> Array:
    a = as_operand(a)
    shape = a.shape
    if axis is None or (not shape and axis in (0, -1)):
        a, axis = a.reshape((a.size,)), 0
        kept = (1,) * len(shape)
    else:
        axis = normalize_axis_index(axis, a.ndim)
        kept = (*shape[:axis], 1, *shape[axis + 1 :])
    if a.shape[axis] == 0:
        raise ValueError(f"attempt to get {primitive.name} of an empty sequence")
    result = bind(primitive(axis), a)
    return result.reshape(kept) if keepdims and keepdims is not np._NoValue else result


@implements(np.argmax)
def argmax(a: Any, axis: Any = None, out: None = None, *, keepdims: Any = False) -> Array:
    """The index of the first largest element along ``axis``."""
    return _argument(Argmax, a, axis, keepdims)


@implements(np.argmin)
def argmin(a: Any, axis: Any = None, out: None = None, *, keepdims: Any = False) -> Array:
    """The index of the first smallest element along ``axis``."""
    return _argument(Argmin, a, axis, keepdims)


def _scan(primitive: Any, a: Any, axis: Any, dtype: Any, ufunc: Any) -> Array:
    a = _accumulator(as_operand(a), dtype, ufunc)
    if axis is None or not a.ndim:
        a, axis = a.reshape((a.size,)), 0 if axis is None else axis
    return _narrowed(bind(primitive(normalize_axis_index(axis, a.ndim)), a), dtype)


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
    """Sums of the elements up to each along ``axis``; of the flattened array if it is None."""
    return _scan(Cumsum, a, axis, dtype, np.add)


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
    """Products of the elements up to each along ``axis``; of the flattened array if it is None."""
    return _scan(Cumprod, a, axis, dtype, np.multiply)


for _function in (sum, prod, max, min, argmax, argmin, cumsum, cumprod):
    method(_function.__name__)(_function)
method("any")(any_)
method("all")(all_)
