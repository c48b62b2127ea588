"""Products built from others: cross, kron, convolve, correlate, covariance; those of :mod:`numpy.linalg`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..primitives.convolution import convolve_vectors
from ..tracing import here, implements
from .arguments import Array, array

__all__: list[str] = []


# -- vectors -----------------------------------------------------------------------------------------


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Array:
    """The vector product of vectors of 3 components (or 2: the third is 0) along the axes given."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = array(a), array(b)
    if not x.ndim or not y.ndim:
        raise ValueError("At least one array has zero dimension")
    x, y = np.moveaxis(x, axisa, -1), np.moveaxis(y, axisb, -1)
    lengths = (x.shape[-1], y.shape[-1])
    if not set(lengths) <= {2, 3}:
        raise ValueError(
            f"incompatible dimensions for cross product\n(dimension must be 2 or 3); "
            f"got {lengths[0]} and {lengths[1]}{here()}"
        )
    if 2 in lengths:
        np.cross(np.zeros(lengths[0]), np.zeros(lengths[1]))  # warns, or refuses, as this version of NumPy does
    x0, x1, y0, y1 = x[..., 0], x[..., 1], y[..., 0], y[..., 1]
    last = x0 * y1 - x1 * y0
    if lengths == (2, 2):
        return last
    x2, y2 = (v[..., 2] if v.shape[-1] == 3 else None for v in (x, y))
    first, second = _turned(x1, y2, x2, y1), _turned(x2, y0, x0, y2)
    product = np.stack(np.broadcast_arrays(first, second, last), axis=-1)
    normalize_axis_index(axisc, product.ndim)
    return np.moveaxis(product, -1, axisc)


def _turned(u: Any, v: Any, w: Any, z: Any) -> Array:
    """u v - w z, where None stands for a component that is 0."""
    if u is None or v is None:
        return -(w * z)
    return u * v if w is None or z is None else u * v - w * z


@implements(np.linalg.cross)
def vector_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """The vector product of vectors of 3 components."""
    x, y = array(x1), array(x2)
    if x.shape[axis] != 3 or y.shape[axis] != 3:
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, "
            f"but they are {x.shape[axis]} and {y.shape[axis]} dimensional instead."
        )
    return cross(x, y, axis=axis)


@implements(np.kron)
def kron(a: Any, b: Any) -> Array:
    """Every element of ``a`` times all of ``b``, laid out in blocks."""
    x, y = array(a), array(b)
    rank = max(x.ndim, y.ndim)
    x, y = (v.reshape((*(1,) * (rank - v.ndim), *v.shape)) for v in (x, y))
    wide = x.reshape(tuple(m for n in x.shape for m in (n, 1))) * y.reshape(tuple(m for n in y.shape for m in (1, n)))
    return wide.reshape(tuple(n * m for n, m in zip(x.shape, y.shape, strict=True)))


def _mode(mode: Any) -> str:
    modes = {"valid": "valid", "same": "same", "full": "full", 0: "valid", 1: "same", 2: "full"}
    if mode not in modes:
        raise ValueError("mode must be one of 'valid', 'same', or 'full'")
    return modes[mode]


def _vectors(a: Any, v: Any) -> list[Array]:
    """Two vectors of one dtype, neither of them empty."""
    xs = [array(a), array(v)]
    dtype = np.result_type(*xs)
    for x, letter in zip(xs, "av", strict=True):
        if x.ndim > 1:
            raise ValueError("object too deep for desired array")
        if not x.size:
            raise ValueError(f"{letter} cannot be empty")
    return [x.reshape((x.size,)).astype(dtype) for x in xs]


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Array:
    """sum_j a[k - j] v[j] of vectors: "full", as long as the longer ("same"), or where they overlap fully."""
    x, y = _vectors(a, v)
    return convolve_vectors(x, y, _mode(mode))


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Array:
    """sum_n a[n + k] conj(v[n]) of two vectors."""
    if not np.ndim(a) or not np.ndim(v):
        raise ValueError("object of too small depth for desired array")
    x, y = _vectors(a, v)
    y = np.conj(y)[::-1]
    mode = _mode(mode)
    if mode == "same" and x.size < y.size and x.size % 2 == 0:
        # The part kept is that of the exchanged vectors, turned round: one place further.
        start = x.size // 2
        return convolve_vectors(x, y, "full")[start : start + y.size]
    return convolve_vectors(x, y, mode)


# -- covariance --------------------------------------------------------------------------------------


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Array:
    """The covariance matrix of variables in the rows (columns, unless ``rowvar``) of ``m`` and ``y``.

    ``aweights`` may be traced; ``fweights`` are counts. Raises ``ValueError`` and ``TypeError`` as NumPy.
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    x = _variables(m, "m", rowvar)
    parts = [x] if y is None else [x, _variables(y, "y", rowvar, upright=True)]
    dtype = np.result_type(*[p.dtype for p in parts], np.float64) if dtype is None else np.dtype(dtype)
    parts = [p.astype(dtype) for p in parts]
    if parts[0].shape[0] == 0:
        return np.zeros((0, 0), dtype)
    x = np.concatenate(parts, axis=0) if len(parts) > 1 else parts[0]
    if ddof is None:
        ddof = 0 if bias else 1
    weights = _observation_weights(x.shape[1], fweights, aweights)
    if weights is None:
        center, total = np.mean(x, axis=1, keepdims=True), x.shape[1]
        degrees: Any = total - ddof
    else:
        total = np.sum(weights)
        center = np.sum(x * weights, axis=1, keepdims=True) / total
        squares = 1 if aweights is None else np.sum(weights * array(aweights)) / total
        degrees = total - ddof * squares
    if not hasattr(degrees, "aval"):
        if degrees <= 0:
            warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
            degrees = 0.0
    else:
        degrees = np.where(degrees <= 0, np.zeros((), degrees.dtype), degrees)
    x = x - center
    other = x if weights is None else x * weights
    product = np.matmul(x, np.conj(other.T))
    return np.squeeze(product * np.true_divide(1, degrees))


def _variables(m: Any, name: str, rowvar: bool, upright: bool = False) -> Array:
    """Observations of variables, one variable a row; ``upright``: a single row is always one variable."""
    x = array(m)
    if x.ndim > 2:
        raise ValueError(f"{name} has more than 2 dimensions")
    if x.ndim < 2:
        return x.reshape((1, x.size))
    return x if rowvar or (upright and x.shape[0] == 1) else x.T


def _observation_weights(count: int, fweights: Any, aweights: Any) -> Any:
    weights = None
    if fweights is not None:
        f = array(fweights)
        if f.dtype.kind == "f" and not isinstance(f, np.ndarray):
            raise TypeError("fweights must be integer")
        f = f.astype(np.float64)
        if isinstance(f, np.ndarray) and not np.all(f == np.around(f)):
            raise TypeError("fweights must be integer")
        _check_weights("fweights", f, count)
        weights = f
    if aweights is not None:
        a = array(aweights)
        a = a.astype(np.float64)
        _check_weights("aweights", a, count)
        weights = a if weights is None else weights * a
    return weights


def _check_weights(name: str, weights: Array, count: int) -> None:
    if weights.ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if weights.shape[0] != count:
        raise RuntimeError(f"incompatible numbers of samples and {name}")
    if isinstance(weights, np.ndarray) and np.any(weights < 0):
        raise ValueError(f"{name} cannot be negative")


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    """The correlation coefficients of variables: covariances over the product of standard deviations."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(np.real(np.diagonal(c)))
    c = c / deviation[:, None] / deviation[None, :]
    if c.dtype.kind == "c":
        return np.clip(np.real(c), -1, 1) + 1j * np.clip(np.imag(c), -1, 1)
    return np.clip(c, -1, 1)


# -- the same under numpy.linalg ---------------------------------------------------------------------


@implements(np.linalg.matmul)
def matrix_product(x1: Any, x2: Any, /) -> Array:
    """The matrix product: ``np.matmul``."""
    return np.matmul(array(x1), array(x2))


@implements(np.linalg.tensordot)
def tensor_product(x1: Any, x2: Any, /, *, axes: Any = 2) -> Array:
    """The sum of products over ``axes``: ``np.tensordot``."""
    return np.tensordot(array(x1), array(x2), axes=axes)


@implements(np.linalg.outer)
def vector_outer(x1: Any, x2: Any, /) -> Array:
    """All products of the elements of two vectors."""
    x, y = array(x1), array(x2)
    if x.ndim != 1 or y.ndim != 1:
        raise ValueError(f"Input arrays must be one-dimensional, but they are x1.ndim={x.ndim} and x2.ndim={y.ndim}.")
    return np.outer(x, y)


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: None = None) -> Array:
    """The product of several matrices in the order that costs least; a vector may stand first and last.

    Cormen et al., Introduction to Algorithms, 15.2.
    """
    xs = [array(x) for x in arrays]
    if len(xs) < 2:
        raise ValueError("Expecting at least two arrays.")
    if len(xs) == 2:
        return np.dot(xs[0], xs[1])
    row, column = xs[0].ndim == 1, xs[-1].ndim == 1
    xs[0] = xs[0].reshape((1, -1)) if row else xs[0]
    xs[-1] = xs[-1].reshape((-1, 1)) if column else xs[-1]
    for x in xs:
        if x.ndim != 2:
            raise np.linalg.LinAlgError(f"{x.ndim}-dimensional array given. Array must be two-dimensional")
    product = _chain(xs, _splits([x.shape[0] for x in xs] + [xs[-1].shape[1]]), 0, len(xs) - 1)
    return product.reshape(product.shape[int(row) : 2 - int(column)])


def _splits(lengths: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut the product of matrices i to j; matrix i is ``lengths[i]`` by ``lengths[i + 1]``."""
    count = len(lengths) - 1
    cost: dict[tuple[int, int], int] = {(i, i): 0 for i in range(count)}
    cut: dict[tuple[int, int], int] = {}
    for width in range(1, count):
        for i in range(count - width):
            j = i + width
            cost[i, j], cut[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + lengths[i] * lengths[k + 1] * lengths[j + 1], k) for k in range(i, j)
            )
    return cut


def _chain(xs: list[Array], cut: dict[tuple[int, int], int], i: int, j: int) -> Array:
    if i == j:
        return xs[i]
    k = cut[i, j]
    return np.matmul(_chain(xs, cut, i, k), _chain(xs, cut, k + 1, j))
