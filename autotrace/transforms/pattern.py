"""Which entries of a matrix may be nonzero."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError

__all__ = ["Pattern"]

Array = Any

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of Unicode's braille characters by row and column of the dot."""


class Pattern:
    """The places of a matrix of ``shape`` that may be nonzero: ``rows`` and ``cols``, sorted by row, then column.

    Immutable. Made by :func:`sparsity_pattern`, or by hand: from two integer arrays, in any order and with
    repetitions, and a shape; or with :meth:`of`.

    Raises ``TypeError`` for places that are no integers, ``ValueError`` for places outside of the shape.

    >>> p = Pattern([0, 1, 1], [0, 0, 1], (2, 2))
    >>> p.nnz, p.T.rows
    (3, array([0, 0, 1]))
    >>> print(Pattern.of(np.tri(4)))
    Pattern 4 x 4, 10 nonzeros (62.5%)
    ■ · · ·
    ■ ■ · ·
    ■ ■ ■ ·
    ■ ■ ■ ■
    """

    __slots__ = ("cols", "rows", "shape")

    rows: Array
    cols: Array
    shape: tuple[int, int]

    def __init__(self, rows: Any, cols: Any, shape: Sequence[int]) -> None:
        rows, cols = _places(rows, "rows"), _places(cols, "cols")
        if len(shape) != 2 or any(n < 0 for n in shape):
            raise ValueError(f"Pattern: shape must be two lengths; got {tuple(shape)}. Give (rows, columns).")
        shape = (int(shape[0]), int(shape[1]))
        if rows.shape != cols.shape:
            raise ValueError(
                f"Pattern: rows and cols must be of one length; got {rows.size} and {cols.size}. Give a pair per entry."
            )
        for name, places, length in (("rows", rows, shape[0]), ("cols", cols, shape[1])):
            if places.size and (places.min() < 0 or places.max() >= length):
                raise ValueError(
                    f"Pattern: {name} must be from 0 to {length - 1}; got {places.min()} to {places.max()} for the "
                    f"shape {shape}. Count from 0, or give a larger shape."
                )
        keys = rows * max(shape[1], 1) + cols
        if keys.size > 1 and not np.all(keys[1:] > keys[:-1]):
            rows, cols = np.divmod(np.unique(keys), max(shape[1], 1))
        self._fill(rows, cols, shape)

    def _fill(self, rows: Array, cols: Array, shape: tuple[int, int]) -> None:
        for name, value in (("rows", _frozen(rows)), ("cols", _frozen(cols)), ("shape", shape)):
            object.__setattr__(self, name, value)

    @classmethod
    def _sorted(cls, rows: Array, cols: Array, shape: tuple[int, int]) -> Pattern:
        """Make one of arrays that nobody else holds, sorted and without repetitions."""
        self = object.__new__(cls)
        self._fill(rows, cols, shape)
        return self

    @classmethod
    def of(cls, x: Any) -> Pattern:
        """Return the pattern of ``x``: a pattern, a matrix (what is not zero, or true), or a ``scipy.sparse`` matrix.

        Of a sparse matrix every stored entry counts, zeros included.

        Raises ``TypeError`` for anything else, ``ValueError`` for arrays that are no matrices.

        >>> Pattern.of([[True, False], [True, True]]).nnz
        3
        """
        if isinstance(x, Pattern):
            return x
        if hasattr(x, "tocoo"):
            coo = x.tocoo()
            return cls(np.asarray(coo.row), np.asarray(coo.col), coo.shape)
        array = np.asarray(x)
        if array.dtype.kind not in "biufc":
            raise TypeError(
                "Pattern.of: the argument must be a Pattern, a matrix of booleans or numbers, or a scipy.sparse "
                f"matrix; got {type(x).__name__}. Convert it to a boolean array."
            )
        if array.ndim != 2:
            raise ValueError(f"Pattern.of: an array must have two axes; got shape {array.shape}. Reshape it.")
        rows, cols = np.nonzero(array)
        return cls._sorted(rows, cols, (array.shape[0], array.shape[1]))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Pattern is immutable; got {name} = {value!r}. Make another one.")

    def __reduce__(self) -> tuple[Any, ...]:
        return Pattern, (np.asarray(self.rows), np.asarray(self.cols), self.shape)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pattern):
            return NotImplemented
        return (
            self.shape == other.shape
            and np.array_equal(self.rows, other.rows)
            and np.array_equal(self.cols, other.cols)
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.nnz, self.rows.tobytes(), self.cols.tobytes()))

    @property
    def nnz(self) -> int:
        """How many entries may be nonzero."""
        return int(self.rows.size)

    @property
    def density(self) -> float:
        """Which part of all entries that is; 0 for a matrix without entries."""
        size = self.shape[0] * self.shape[1]
        return self.nnz / size if size else 0.0

    @property
    def T(self) -> Pattern:
        """The pattern of the transpose."""
        order = np.argsort(self.cols, kind="stable")
        return Pattern._sorted(self.cols[order], self.rows[order], (self.shape[1], self.shape[0]))

    def toarray(self) -> Array:
        """Return the pattern as a boolean matrix."""
        dense = np.zeros(self.shape, bool)
        dense[self.rows, self.cols] = True
        return dense

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Give NumPy the boolean matrix: ``np.asarray(pattern)``."""
        if copy is False:
            raise ValueError("Pattern: its matrix is made anew each time; got copy=False. Use np.asarray(pattern).")
        return np.asarray(self.toarray(), dtype)

    def to_scipy(self) -> Any:
        """Return the pattern as a boolean ``scipy.sparse.csr_array``.

        Raises ``UnsupportedError`` if SciPy is not installed.
        """
        sparse = _optional("scipy.sparse", "Pattern.to_scipy", "SciPy")
        return sparse.csr_array((np.ones(self.nnz, bool), (self.rows, self.cols)), shape=self.shape)

    def union(self, other: Any) -> Pattern:
        """Return the pattern of what either may have. ``other`` is anything that :meth:`of` takes.

        >>> Pattern.of(np.eye(3)).union(np.tri(3, k=-1)).nnz
        6
        """
        other = self._fellow(other, "union")
        keys = np.union1d(self._keys(), other._keys())
        return self._from_keys(keys)

    def intersection(self, other: Any) -> Pattern:
        """Return the pattern of what both may have."""
        other = self._fellow(other, "intersection")
        return self._from_keys(np.intersect1d(self._keys(), other._keys(), assume_unique=True))

    def missing(self, other: Any) -> Pattern:
        """Return the entries of ``other`` that this pattern lacks.

        >>> Pattern.of(np.eye(3)).missing(np.tri(3)).rows
        array([1, 2, 2])
        """
        other = self._fellow(other, "missing")
        return self._from_keys(np.setdiff1d(other._keys(), self._keys(), assume_unique=True))

    def covers(self, other: Any) -> bool:
        """Tell whether this pattern has every entry of ``other``."""
        return self.missing(other).nnz == 0

    def __contains__(self, entry: Any) -> bool:
        row, col = entry
        start, stop = np.searchsorted(self.rows, [row, row + 1])
        place = start + np.searchsorted(self.cols[start:stop], col)
        return bool(place < stop and self.cols[place] == col)

    def _fellow(self, other: Any, what: str) -> Pattern:
        other = Pattern.of(other)
        if other.shape != self.shape:
            raise ValueError(
                f"Pattern.{what}: the patterns must have one shape; got {self.shape} and {other.shape}. "
                "Give a pattern of the same matrix."
            )
        return other

    def _keys(self) -> Array:
        return self.rows.astype(np.int64) * max(self.shape[1], 1) + self.cols

    def _from_keys(self, keys: Array) -> Pattern:
        rows, cols = np.divmod(keys, max(self.shape[1], 1))
        return Pattern._sorted(rows, cols, self.shape)

    # -- pictures --------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<Pattern {self.shape[0]} x {self.shape[1]}, {self.nnz} nonzeros ({100 * self.density:.3g}%)>"

    def __str__(self) -> str:
        return self.picture()

    def picture(self, width: int = 72, height: int = 24) -> str:
        """Return a picture in text, at most ``width`` columns and ``height`` lines.

        A small matrix has a mark for each entry. A larger one is drawn in dots, eight to a character, and where even
        those do not suffice a dot stands for a block of entries, any of which may be nonzero.
        """
        head = repr(self)[1:-1]
        rows, cols = self.shape
        if not rows or not cols:
            return head
        if rows <= height and 2 * cols - 1 <= width:
            return "\n".join([head, *[" ".join("■" if x else "·" for x in line) for line in self.toarray()]])
        fold = max(-(-rows // (4 * height)), -(-cols // (2 * width)))
        note = "" if fold == 1 else f"; a dot is {fold} x {fold} entries"
        high, wide = -(-rows // fold), -(-cols // fold)
        dots = np.zeros((-(-high // 4) * 4, -(-wide // 2) * 2), bool)
        dots[self.rows // fold, self.cols // fold] = True
        cells = dots.reshape(dots.shape[0] // 4, 4, dots.shape[1] // 2, 2)
        codes = 0x2800 + np.einsum("iajb,ab->ij", cells, np.array(_DOTS))
        return "\n".join([head + note, *["".join(map(chr, line)) for line in codes.tolist()]])

    def draw(self, ax: Any = None, **options: Any) -> Any:
        """Draw the pattern with Matplotlib on ``ax`` (a new figure's by default), and return the axes.

        ``options`` are those of ``Axes.scatter`` or, where the matrix is small, of ``Axes.imshow``.

        Raises ``UnsupportedError`` if Matplotlib is not installed.
        """
        if ax is None:
            ax = _optional("matplotlib.pyplot", "Pattern.draw", "Matplotlib").figure().add_subplot()
        rows, cols = self.shape
        if rows * cols <= 1_000_000:
            ax.imshow(self.toarray(), **{"cmap": "Greys", "interpolation": "none", "aspect": "equal", **options})
        else:
            size = max(0.05, 200 / max(rows, cols))
            ax.scatter(self.cols, self.rows, **{"s": size, "marker": "s", "linewidths": 0, "color": "black", **options})
            ax.set_xlim(-0.5, cols - 0.5)
            ax.set_ylim(rows - 0.5, -0.5)
            ax.set_aspect("equal")
        ax.set_title(repr(self)[1:-1])
        ax.set_xlabel("input")
        ax.set_ylabel("output")
        return ax

    plot = draw


def _places(x: Any, name: str) -> Array:
    array = np.asarray(x)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"Pattern: {name} must be integers; got an array of {array.dtype}. Convert it: x.astype(int).")
    return array.astype(np.int64).ravel()


def _frozen(x: Array) -> Array:
    x = x.view()
    x.flags.writeable = False
    return x


def _optional(module: str, what: str, product: str) -> Any:
    """Import what not everybody has."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UnsupportedError(
            f"{what}: {product} must be installed; got none. Install {product.lower()}, or use str(pattern)."
        ) from None
