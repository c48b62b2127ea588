"""Counts: bincount and histograms.

Derivatives flow through weights and edges; which bin an element falls in is piecewise constant.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..ir import Primitive, ShapedArray
from ..primitives.gathers import scatter_add
from ..primitives.promotion import convert
from ..tracing import Tracer, bind, implements, peek
from .arguments import Array, array, integer

__all__: list[str] = []

_INTP = np.dtype(np.intp)


class AutomaticBins(Primitive):
    """How many bins of equal width one of NumPy's rules gives for ``x : f[n]`` within ``range``."""

    method: str
    range: tuple[float, float] | None
    stops: ClassVar[bool] = True

    def impl(self, x: Array) -> Array:
        return np.array(len(np.histogram_bin_edges(x, self.method, self.range)) - 1)[()]

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(shape=(), dtype=_INTP)

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> None:
        return None

    def vjp(self, ct: Any, output: Any, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[None]:
        return (None,)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return np.stack([bind(self, inputs[0][i]) for i in range(size)])


def _sums(shape: tuple[int, ...], positions: Sequence[Array], weights: Array) -> Array:
    """Return zeros with the weights added at their positions."""
    return scatter_add(np.zeros(shape, weights.dtype), weights, positions)


# -- bincount ----------------------------------------------------------------------------------------


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> Array:
    """Return how often each of 0, 1, ... occurs in ``x : i[n]``, or the sums of their ``weights : f[n]``.

    The length, one more than the largest (``minlength`` at least), depends on ``x``: the program records it.

    Raises ``ValueError`` for negative integers, more than one axis, or weights of another length;
    ``TypeError`` for what is not an integer, and for complex weights.
    """
    x, minlength = array(x), integer(minlength)
    np.bincount(np.zeros(x.shape[:0] + (1,) * x.ndim, x.dtype), minlength=minlength)  # NumPy's errors
    if not x.size:
        return np.zeros(minlength, _INTP)  # whatever the weights, as NumPy
    if np.any(x < 0):
        raise ValueError("'list' argument must have no negative elements")
    length = max(minlength, int(np.max(x)) + 1)
    x = convert(x, _INTP)
    if weights is None:
        return _sums((length,), (x,), np.ones(x.shape, _INTP))
    weights = array(weights)
    if weights.dtype.kind == "c":
        raise TypeError("Cannot cast array data from complex to float64 according to the rule 'safe'")
    if weights.shape != x.shape:
        raise ValueError("The weights and list don't have the same length.")
    return _sums((length,), (x,), convert(weights, np.dtype(np.float64)))


# -- edges -------------------------------------------------------------------------------------------


def _seen(x: Any) -> Any:
    """Return the value of ``x`` for a check that changes nothing in the program; None if it is not known."""
    value = peek(x)
    return value if type(x) is not Tracer or isinstance(value, np.ndarray | np.generic) else None


def _limits(a: Array, range: Any) -> tuple[Array, Array]:
    """Return the outer edges: those asked for, or the extremes; half a unit around them if they are one."""
    if range is None:
        first, last = (np.min(a), np.max(a)) if a.size else (0, 1)
        how = "autodetected"
    else:
        first, last = range
        how = "supplied"
    low, high = _seen(first), _seen(last)
    if low is not None and high is not None:
        if low > high:
            raise ValueError("max must be larger than min in range parameter.")
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError(f"{how} range of [{low}, {high}] is not finite")
        if not isinstance(first, Tracer) and not isinstance(last, Tracer):
            return (first - 0.5, last + 0.5) if first == last else (first, last)
    narrow = first == last
    return np.where(narrow, first - 0.5, first), np.where(narrow, last + 0.5, last)


def _ascending(edges: Array, message: str) -> Array:
    if _seen(edges) is not None and np.any(edges[:-1] > edges[1:]):
        raise ValueError(message)
    return edges


def _edges(a: Array, bins: Any, range: Any, weights: Any) -> Array:
    """Return the edges of the bins that are asked for by number, by a rule's name, or by themselves."""
    if isinstance(bins, str):
        if weights is not None:
            raise TypeError("Automated estimation of the number of bins is not supported for weighted data")
        within = None if range is None else (float(range[0]), float(range[1]))
        bins = int(bind(AutomaticBins(bins, within), a))
    if np.ndim(bins) == 1:
        return _ascending(array(bins), "`bins` must increase monotonically, when an array")
    if np.ndim(bins) > 1:
        raise ValueError("`bins` must be 1d, when an array")
    try:
        number = integer(bins)
    except TypeError:
        raise TypeError("`bins` must be an integer, a string, or an array") from None
    if isinstance(bins, float) or number != bins:
        raise TypeError("`bins` must be an integer, a string, or an array")
    if number < 1:
        raise ValueError("`bins` must be positive, when an integer")
    first, last = _limits(a, range)
    kind = np.result_type(first, last, a)
    kind = np.result_type(kind, float) if kind.kind in "iu" else kind
    return np.linspace(first, last, number + 1, dtype=kind)


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Array:
    """Return the edges of a histogram's bins; derivatives flow from the extremes of ``a`` or ``range``."""
    a, weights = _ravelled(a, weights)
    return _edges(a, bins, range, weights)


# -- histograms --------------------------------------------------------------------------------------


def _ravelled(a: Any, weights: Any) -> tuple[Array, Array]:
    a = array(a)
    if a.dtype == np.bool_:
        warnings.warn("Converting input from bool to uint8 for compatibility.", RuntimeWarning, stacklevel=4)
        a = convert(a, np.dtype(np.uint8))
    if weights is None:
        return a.reshape((a.size,)), None
    weights = array(weights)
    if weights.shape != a.shape:
        raise ValueError("weights should have the same shape as a.")
    return a.reshape((a.size,)), weights.reshape((weights.size,))


def _bins_of(a: Array, edges: Array) -> Array:
    """Return the number of each element's bin, from 1; 0 and one too many are outside; the last is closed."""
    bins = np.searchsorted(edges, a, side="right")
    return np.where(a == edges[-1], edges.size - 1, bins)


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, Array]:
    """Return how many of ``a`` (or of what weight) fall in each bin, and the edges of the bins.

    ``bins``: their number, edges, or a rule's name; ``density`` scales the counts to an integral of 1.

    Raises ``ValueError`` and ``TypeError`` as NumPy does.

    >>> import autotrace, numpy as np
    >>> x = np.array([0.1, 0.2, 0.9])
    >>> autotrace.jacfwd(lambda w: np.histogram(x, 2, weights=w)[0])(np.ones(3))
    array([[1., 1., 0.],
           [0., 0., 1.]])
    """
    a, weights = _ravelled(a, weights)
    edges = _edges(a, bins, range, weights)
    given = np.ones(a.shape, _INTP) if weights is None else weights
    counts = _sums((edges.size + 1,), (_bins_of(a, edges),), given)[1:-1]
    if density:
        widths = convert(edges[1:] - edges[:-1], np.dtype(np.float64))
        return counts / widths / np.sum(counts), edges
    return counts, edges


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, list[Array]]:
    """Return how many points ``sample : f[n, d]`` (or a list of d vectors) fall in each box, and the edges.

    ``bins`` and ``range``: one for all dimensions, or one for each.

    Raises ``ValueError`` and ``TypeError`` as NumPy does.
    """
    points = array(sample) if hasattr(sample, "shape") else np.atleast_2d(array(sample)).T
    if points.ndim != 2:
        points = np.atleast_2d(points).T
    dimensions = points.shape[1]
    bins = [bins] * dimensions if not isinstance(bins, list | tuple) and np.ndim(bins) == 0 else bins
    if len(bins) != dimensions:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    ranges = [None] * dimensions if range is None else range
    if len(ranges) != dimensions:
        raise ValueError("range argument must have one entry per dimension")
    columns = [points[:, i] for i in np.arange(dimensions).tolist()]
    edges = [_side(i, *given) for i, given in enumerate(zip(columns, bins, ranges, strict=True))]
    given = np.ones(len(points)) if weights is None else array(weights)
    if given.dtype.kind == "c":
        raise TypeError("Cannot cast array data from complex to float64 according to the rule 'safe'")
    if given.shape != points.shape[:1]:
        raise ValueError("The weights and list don't have the same length.")
    positions = [_bins_of(column, side) for column, side in zip(columns, edges, strict=True)]
    counts = _sums(tuple(side.size + 1 for side in edges), positions, convert(given, np.dtype(np.float64)))
    counts = counts[(slice(1, -1),) * dimensions]
    if density:
        total = np.sum(counts)
        for i, side in enumerate(edges):
            width = side[1:] - side[:-1]
            counts = counts / width.reshape([-1 if j == i else 1 for j in np.arange(dimensions).tolist()])
        counts = counts / total
    return counts, edges


def _side(i: int, column: Array, bins: Any, range: Any) -> Array:
    """Return the edges along one dimension."""
    if np.ndim(bins) == 1:
        return _ascending(array(bins), f"`bins[{i}]` must be monotonically increasing, when an array")
    if np.ndim(bins) > 1:
        raise ValueError(f"`bins[{i}]` must be a scalar or 1d array")
    if isinstance(bins, str | float):
        raise TypeError(f"`bins[{i}]` must be an integer, when a scalar")
    number = integer(bins)
    if number < 1:
        raise ValueError(f"`bins[{i}]` must be positive, when an integer")
    first, last = _limits(column, range)
    return np.linspace(first, last, number + 1)


@implements(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, Array, Array]:
    """Return how many points of coordinates ``x, y : f[n]`` fall in each box, and the edges along both axes.

    ``bins``: a number, edges for both axes, or a pair of either.
    """
    x, y = array(x), array(y)
    if len(x) != len(y):
        raise ValueError("x and y must have the same length.")
    if np.ndim(bins) == 1 and np.shape(bins)[0] not in (1, 2):
        bins = [bins, bins]
    counts, (xedges, yedges) = histogramdd(np.stack([x, y], axis=1), bins, range, density, weights)
    return counts, xedges, yedges
