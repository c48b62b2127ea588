"""Python functions applied along axes and to elements, and what NumPy does not ask us about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..primitives.promotion import broadcast_to, convert
from ..tracing import FUNCTIONS, Tracer, here, implements
from .arguments import Array, array

__all__ = ["take", "vectorize"]


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Array:
    """Apply ``func1d`` to every slice of ``arr`` along ``axis``; its axes, if any, stand in that axis' place.

    Raises ``ValueError`` for an array without slices.
    """
    arr = array(arr)
    axis = normalize_axis_index(axis, arr.ndim)
    rows = np.moveaxis(arr, axis, -1)
    shape = rows.shape[:-1]
    if 0 in shape:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    results = [array(func1d(rows[index], *args, **kwargs)) for index in np.ndindex(shape)]
    whole = np.stack(results).reshape((*shape, *results[0].shape))
    rank = len(shape)
    return np.moveaxis(whole, range(rank, whole.ndim), range(axis, axis + whole.ndim - rank))


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[[Array, int], Array], a: Any, axes: Any) -> Array:
    """Apply ``func(a, axis)`` for one axis after the other, keeping the number of axes.

    Raises ``ValueError`` if a result has another number of axes than ``a``, or one fewer.
    """
    value = array(a)
    rank = value.ndim
    for axis in np.ravel(axes):
        result = func(value, int(axis) % rank if axis < 0 else int(axis))
        if result.ndim != value.ndim:
            result = np.expand_dims(result, int(axis) % rank)
            if result.ndim != value.ndim:
                raise ValueError("function is not returning an array of the correct shape")
        value = result
    return value


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Array:
    """Return the elements of ``a`` at ``indices``, also where only these are traced."""
    function = FUNCTIONS[np.take] if type(indices) is Tracer else np.take
    return function(a, indices, axis, out, mode)


class vectorize:  # noqa: N801  NumPy's name
    """A function of numbers made one of arrays, as ``np.vectorize``, and differentiable: one call an element.

    ``otypes``: the dtypes of the outputs; ``excluded``: places and names of arguments passed whole;
    ``signature``: the core dimensions of arguments and outputs, such as ``"(n),(n)->()"``.
    ``cache`` changes nothing.

    Raises ``ValueError`` for empty input without ``otypes``, and for core dimensions that do not agree.

    >>> import autotrace, numpy as np
    >>> relu = vectorize(lambda x: x if x > 0 else 0.0 * x)
    >>> autotrace.grad(lambda x: relu(x).sum())(np.array([2.0, -1.0]))
    array([1., 0.])
    """

    def __init__(
        self,
        pyfunc: Any = None,
        otypes: Any = None,
        doc: str | None = None,
        excluded: Iterable[Any] | None = None,
        cache: bool = False,
        signature: str | None = None,
    ) -> None:
        self.pyfunc = pyfunc
        self.otypes = None if otypes is None else [np.dtype(kind) for kind in otypes]
        self.excluded = set() if excluded is None else set(excluded)
        self.signature = None if signature is None else _parsed(signature)
        self._options = (otypes, doc, excluded, cache, signature)
        if pyfunc is not None:
            update_wrapper(self, pyfunc)
        if doc is not None:
            self.__doc__ = doc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.pyfunc is None:
            return vectorize(args[0], *self._options)
        names = [*range(len(args)), *kwargs]
        given = [*args, *kwargs.values()]
        mapped = [i for i, name in enumerate(names) if name not in self.excluded]
        arrays = [array(given[i]) for i in mapped]
        cores = self._cores([given[i] for i in mapped], arrays)
        shape = np.broadcast_shapes(*[x.shape[: x.ndim - core] for x, core in zip(arrays, cores, strict=True)])
        arrays = [broadcast_to(x, shape + x.shape[x.ndim - core :]) for x, core in zip(arrays, cores, strict=True)]
        rows = []
        for index in np.ndindex(shape):
            whole = list(given)
            for i, x in zip(mapped, arrays, strict=True):
                whole[i] = x[index]
            rows.append(self.pyfunc(*whole[: len(args)], **dict(zip(kwargs, whole[len(args) :], strict=True))))
        return self._collected(rows, shape)

    def _cores(self, values: list[Any], arrays: list[Array]) -> list[int]:
        """Return for each argument the number of its core dimensions, whose lengths must agree by name."""
        if self.signature is None:
            return [0] * len(arrays)
        inputs = self.signature[0]
        if len(inputs) != len(arrays):
            raise TypeError(f"wrong number of positional arguments: expected {len(inputs)}, got {len(arrays)}")
        lengths: dict[str, int] = {}
        for dims, x in zip(inputs, arrays, strict=True):
            if x.ndim < len(dims):
                raise ValueError(
                    f"vectorize: an argument must have core dimensions {dims}; got shape {x.shape}{here()}."
                )
            for name, length in zip(dims, x.shape[x.ndim - len(dims) :], strict=True):
                if lengths.setdefault(name, length) != length:
                    raise ValueError(
                        f"vectorize: core dimension {name!r} must have one length; got {lengths[name]} and "
                        f"{length}{here()}."
                    )
        return [len(dims) for dims in inputs]

    def _collected(self, rows: list[Any], shape: tuple[int, ...]) -> Any:
        """Stack what the calls returned: one array, or a tuple where the function returns tuples."""
        if not rows:
            if self.otypes is None or self.signature is not None:
                raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
            empty = tuple(np.zeros(shape, kind) for kind in self.otypes)
            return empty if len(empty) > 1 else empty[0]
        several = isinstance(rows[0], tuple)
        outputs = []
        for n, column in enumerate(zip(*rows, strict=True) if several else [rows]):
            values = [array(value) for value in column]
            # NumPy takes the dtype of the first result for all of them.
            kind = values[0].dtype if self.otypes is None else self.otypes[n]
            stacked = np.stack([convert(value, kind) for value in values])
            outputs.append(stacked.reshape((*shape, *values[0].shape)))
        return tuple(outputs) if several else outputs[0]


def _parsed(signature: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return the names of the core dimensions of inputs and of outputs."""
    sides = re.sub(r"\s+", "", signature).split("->")
    group = r"\(\w*(?:,\w+)*\)"
    if len(sides) != 2 or not all(re.fullmatch(rf"(?:{group}(?:,{group})*)?", side) for side in sides):
        raise ValueError(f"not a valid gufunc signature: {signature}")
    inputs, outputs = (
        [tuple(name for name in part[1:-1].split(",") if name) for part in re.findall(group, side)] for side in sides
    )
    return inputs, outputs
