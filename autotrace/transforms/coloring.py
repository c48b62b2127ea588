"""Few directions for many columns: colourings of sparse matrices.

Columns that have no row in common can share a direction: one product with the sum of their unit vectors gives all their
entries. So a matrix is had from as many products as its columns need colours; from products with its transpose the same
for rows; of a symmetric matrix either of two equal entries is enough; and where a few rows are dense and a few columns
too, from some of both. Which columns may share is a graph colouring, and greedy algorithms do well on those of
derivatives: Coleman and Moré (1983); Coleman and Verma (1998), "The efficient computation of sparse Jacobian matrices
using automatic differentiation"; Gebremedhin, Manne and Pothen (2005), "What color is your Jacobian?", SIAM Review 47.

Every entry is read off directly from one product, so values are as exact as the products are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .pattern import Pattern

__all__ = ["Coloring", "color_bidirectional", "color_columns", "color_rows", "color_symmetric"]

Array = Any

_ENTRIES = 250_000
"""Of a symmetric matrix of more entries no star colouring is looked for."""


class Coloring:
    """A choice of directions from which every entry of a matrix of ``pattern`` can be read off.

    ``column_colors[j]`` is the number of the direction that has column j, -1 for none; ``row_colors[i]`` likewise that
    of the transposed direction that has row i. In a ``symmetric`` matrix an entry may be read off in place of the one
    across the diagonal. Immutable, and of use for every matrix of the pattern.

    Raises ``ValueError`` if some entry cannot be read off.

    >>> c = color_columns(Pattern.of([[1, 1, 0], [0, 1, 1]]))
    >>> c.columns, c.column_seeds(float)
    (2, array([[1., 0., 1.],
           [0., 1., 0.]]))
    >>> matrix = np.array([[1.0, 2.0, 0.0], [0.0, 3.0, 4.0]])
    >>> c.decompress(c.column_seeds(float) @ matrix.T)
    array([1., 2., 3., 4.])
    """

    __slots__ = ("_places", "column_colors", "columns", "pattern", "row_colors", "rows", "symmetric")

    pattern: Pattern
    column_colors: Array
    row_colors: Array
    symmetric: bool
    columns: int
    """The number of directions."""
    rows: int
    """The number of transposed directions."""
    _places: Array

    def __init__(
        self, pattern: Any, column_colors: Any = None, row_colors: Any = None, symmetric: bool = False
    ) -> None:
        pattern = Pattern.of(pattern)
        columns = _colors(column_colors, pattern.shape[1], "column_colors")
        rows = _colors(row_colors, pattern.shape[0], "row_colors")
        self._set("pattern", pattern)
        self._set("column_colors", columns)
        self._set("row_colors", rows)
        self._set("symmetric", bool(symmetric))
        self._set("columns", int(columns.max(initial=-1)) + 1)
        self._set("rows", int(rows.max(initial=-1)) + 1)
        self._set("_places", self._find())

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Coloring is immutable; got {name} = {value!r}. Make another one.")

    def __reduce__(self) -> tuple[Any, ...]:
        return Coloring, (self.pattern, np.asarray(self.column_colors), np.asarray(self.row_colors), self.symmetric)

    def __repr__(self) -> str:
        kind = "symmetric " if self.symmetric else ""
        return (
            f"<Coloring of a {kind}{self.pattern.shape[0]} x {self.pattern.shape[1]} matrix: "
            f"{self.columns} directions by column, {self.rows} by row>"
        )

    def _find(self) -> Array:
        """Return for each entry its place in the flattened products: those by column, then those by row."""
        rows, cols = self.pattern.rows, self.pattern.cols
        high, wide = self.pattern.shape
        color = self.column_colors[cols]
        places = color * high + rows
        good = _alone(rows, color, self.columns, high)
        if self.symmetric and not good.all():
            mirror = _mirror(self.pattern, "Coloring")
            places, good = np.where(good, places, places[mirror]), good | good[mirror]
        if self.rows and not good.all():
            color = self.row_colors[rows]
            places = np.where(good, places, self.columns * high + color * wide + cols)
            good = good | _alone(cols, color, self.rows, wide)
        if not good.all():
            k = int(np.argmin(good))
            raise ValueError(
                f"Coloring: every entry must be alone in its row or column among those of its colour; got entry "
                f"({rows[k]}, {cols[k]}), which is not. Use color_columns or its like."
            )
        return _frozen(places)

    def column_seeds(self, dtype: Any = np.float64) -> Array:
        """Return the directions, ``[columns, matrix columns]``: each is the sum of the unit vectors of its columns."""
        return _seeds(self.column_colors, self.columns, dtype)

    def row_seeds(self, dtype: Any = np.float64) -> Array:
        """Return the transposed directions, ``[rows, matrix rows]``: each the sum of the unit vectors of its rows."""
        return _seeds(self.row_colors, self.rows, dtype)

    def decompress(self, compressed_columns: Any = None, compressed_rows: Any = None) -> Array:
        """Return the values at ``(pattern.rows, pattern.cols)``.

        ``compressed_columns : [columns, matrix rows]`` are the products of the matrix with the directions, one to a
        row; ``compressed_rows : [rows, matrix columns]`` those of the transposed directions with the matrix. What has
        no directions need not be given.

        Raises ``ValueError`` if one that is needed is missing or has another shape.
        """
        parts = []
        for name, x, shape in (
            ("compressed_columns", compressed_columns, (self.columns, self.pattern.shape[0])),
            ("compressed_rows", compressed_rows, (self.rows, self.pattern.shape[1])),
        ):
            if shape[0] == 0 and x is None:
                continue
            if x is None or np.shape(x) != shape:
                given = "none" if x is None else f"shape {np.shape(x)}"
                raise ValueError(
                    f"Coloring.decompress: {name} must have shape {shape}; got {given}. Give the products."
                )
            parts.append(np.reshape(x, (shape[0] * shape[1],)))
        if not parts:
            return np.zeros(0)
        return (parts[0] if len(parts) == 1 else np.concatenate(parts))[self._places]


def color_columns(pattern: Any) -> Coloring:
    """Colour columns so that none of one colour have a row in common.

    The products are those of the matrix with ``columns`` directions. A band of width w takes w, which is the least.
    Greedy, largest first, where no regular colouring does it.

    >>> color_columns(np.eye(5) + np.eye(5, k=1) + np.eye(5, k=-1)).columns
    3
    """
    pattern = Pattern.of(pattern)
    return Coloring(pattern, _column_colors(pattern.rows, pattern.cols, pattern.shape))


def color_rows(pattern: Any) -> Coloring:
    """Colour rows so that none of one colour have a column in common: for products with the transpose."""
    pattern = Pattern.of(pattern)
    return Coloring(pattern, None, _row_colors(pattern.rows, pattern.cols, pattern.shape))


def color_bidirectional(pattern: Any) -> Coloring:
    """Colour rows and columns so that every entry is alone in either, with as few directions in all as are found.

    A few dense rows are had by row, what is left by column; or a few dense columns by column, and what is left by row;
    or everything one way, if that is no worse.

    >>> arrow = np.eye(6)
    >>> arrow[0] = arrow[:, 0] = 1
    >>> both = color_bidirectional(arrow)
    >>> both.columns + both.rows, color_columns(arrow).columns
    (3, 6)
    """
    pattern = Pattern.of(pattern)
    rows, cols, (high, wide) = pattern.rows, pattern.cols, pattern.shape
    by_column: list[tuple[int, bool, Array]] = [(bound, False, dense) for bound, dense in _splits(rows, cols, high)]
    by_row = [(bound, True, dense) for bound, dense in _splits(cols, rows, wide)]
    best: Coloring | None = None
    for bound, turned, dense in sorted(by_column + by_row, key=lambda split: split[0]):
        if best is not None and bound >= best.columns + best.rows:
            break
        found = _split_colors(rows, cols, (high, wide), dense, turned)
        total = sum(int(c.max(initial=-1)) + 1 for c in found)
        if best is None or total < best.columns + best.rows:
            best = Coloring(pattern, *found)
    return Coloring(pattern) if best is None else best


def color_symmetric(pattern: Any) -> Coloring:
    """Colour the columns of a symmetric matrix so that each entry, or the one across the diagonal, is alone in its row.

    That is a star colouring: no path of four has but two colours (Gebremedhin, Tarafdar, Manne and Pothen 2007,
    "New acyclic and star coloring algorithms with application to computing Hessians").

    Raises ``ValueError`` if the pattern is not symmetric.

    >>> arrow = np.eye(6)
    >>> arrow[0] = arrow[:, 0] = 1
    >>> color_symmetric(arrow).columns
    2
    """
    pattern = Pattern.of(pattern)
    _mirror(pattern, "color_symmetric")
    rows, cols, (size, _) = pattern.rows, pattern.cols, pattern.shape
    best = np.full(size, -1)
    least = None
    for bound, hubs in sorted(_hub_splits(rows, cols, size), key=lambda split: split[0]):
        if least is not None and bound >= least:
            break
        colors = _hub_colors(rows, cols, size, hubs)
        count = int(colors.max(initial=-1)) + 1
        if least is None or count < least:
            best, least = colors, count
    if least is not None and least > 2 and pattern.nnz <= _ENTRIES:
        colors = _star_colors(rows, cols, size, least)
        if colors is not None:
            best = colors
    return Coloring(pattern, best, symmetric=True)


def _colors(x: Any, size: int, name: str) -> Array:
    if x is None:
        return _frozen(np.full(size, -1))
    colors = np.array(x)
    if colors.shape != (size,) or (colors.dtype.kind not in "iu" and size):
        raise ValueError(
            f"Coloring: {name} must be {size} integers; got shape {colors.shape} of {colors.dtype}. Give one per line."
        )
    return _frozen(colors.astype(np.int64))


def _frozen(x: Array) -> Array:
    x.flags.writeable = False
    return x


def _seeds(colors: Array, count: int, dtype: Any) -> Array:
    seeds = np.zeros((count, colors.size), dtype)
    (some,) = np.nonzero(colors >= 0)
    seeds[colors[some], some] = 1
    return seeds


def _mirror(pattern: Pattern, what: str) -> Array:
    """Return for each entry of a symmetric pattern the number of the entry across the diagonal."""
    mirror = np.argsort(pattern.cols, kind="stable")
    if pattern.shape[0] != pattern.shape[1] or not (
        np.array_equal(pattern.cols[mirror], pattern.rows) and np.array_equal(pattern.rows[mirror], pattern.cols)
    ):
        raise ValueError(f"{what}: the pattern must be symmetric; got {pattern!r}. Take pattern.union(pattern.T).")
    return mirror


def _alone(lines: Array, color: Array, count: int, size: int) -> Array:
    """Tell which entries have a colour (not -1) and are the only ones of it in their line."""
    keys = lines * count + color
    colored = color >= 0
    if size * count <= 8 * keys.size + 1_000_000:
        times = np.bincount(keys[colored], minlength=size * count + 1)
        return colored & (times[np.where(colored, keys, 0)] == 1)
    _, inverse, times = np.unique(np.where(colored, keys, -1), return_inverse=True, return_counts=True)
    return colored & (times[inverse] == 1)


def _counts(lines: Array, size: int) -> Array:
    return np.bincount(lines, minlength=size)


def _row_colors(rows: Array, cols: Array, shape: tuple[int, int]) -> Array:
    return _column_colors(cols, rows, (shape[1], shape[0]))


def _column_colors(rows: Array, cols: Array, shape: tuple[int, int]) -> Array:
    """Return colours of the columns, -1 for those without entries; those that share a row differ."""
    high, wide = shape
    colors = np.full(wide, -1)
    (some,) = np.nonzero(_counts(cols, wide))
    if not some.size:
        return colors
    least = int(_counts(rows, high).max())
    if least == some.size:  # one row has them all
        colors[some] = np.arange(least)
        return colors
    if _regular(rows, cols, least, high):
        colors[some] = some % least
        return colors
    greedy = _greedy(rows, cols, shape, least)
    for count in range(least + 1, min(int(greedy.max()) + 1, least + 4)):
        if _regular(rows, cols, count, high):
            colors[some] = some % count
            return colors
    return greedy


def _regular(rows: Array, cols: Array, count: int, high: int) -> bool:
    """Tell whether every ``count``-th column may have one colour, as in a band of that width."""
    color = cols % count
    keys = rows * count + color
    if high * count <= 8 * rows.size + 1_000_000:
        return int(np.bincount(keys).max(initial=0)) <= 1
    keys = np.sort(keys)
    return not np.any(keys[1:] == keys[:-1])


def _greedy(rows: Array, cols: Array, shape: tuple[int, int], least: int) -> Array:
    """Give column after column the first colour that none of its rows has: largest first, then as they come.

    The colours that a row has are the bits of an integer, so no column need know its neighbours.
    """
    high, wide = shape
    order = np.argsort(cols, kind="stable")
    counts = _counts(cols, wide)
    bounds = np.concatenate([[0], np.cumsum(counts)]).tolist()
    members = rows[order].tolist()
    conflicts = np.bincount(cols, weights=_counts(rows, high)[rows] - 1.0, minlength=wide)
    (some,) = np.nonzero(counts)
    best: list[int] = []
    for vertices in (some[np.argsort(-conflicts[some], kind="stable")], some):
        taken = [0] * high
        colors = [-1] * wide
        for j in vertices.tolist():
            own = members[bounds[j] : bounds[j + 1]]
            used = 0
            for i in own:
                used |= taken[i]
            bit = ~used & (used + 1)
            for i in own:
                taken[i] |= bit
            colors[j] = bit.bit_length() - 1
        if not best or max(colors) < max(best):
            best = colors
        if max(best) + 1 == least:
            break
    return np.array(best)


_CUTS = 12
"""So many ways to tell dense lines from others are looked at."""


def _cuts(counts: Array) -> list[Array]:
    """Return ways to tell dense lines by their number of entries, as masks; first that none is."""
    levels = np.unique(counts)[::-1]
    if levels.size > _CUTS:
        levels = levels[np.unique(np.geomspace(1, levels.size, _CUTS).astype(int)) - 1]
    return [counts > level for level in levels]


def _splits(rows: Array, cols: Array, high: int) -> list[tuple[int, Array]]:
    """Return ways to choose dense rows, and with each a bound from below of the directions it takes."""
    counts = _counts(rows, high)
    found = []
    for dense in _cuts(counts):
        by_row = int(np.bincount(cols[dense[rows]]).max(initial=0))
        found.append((by_row + int(counts[~dense].max(initial=0)), dense))
    return found


def _split_colors(rows: Array, cols: Array, shape: tuple[int, int], dense: Array, turned: bool) -> tuple[Array, Array]:
    """Return colours of columns and rows: dense rows are had by row, the rest by column; if ``turned``, transposed."""
    if turned:
        by_row, by_column = _split_colors(cols, rows, (shape[1], shape[0]), dense, False)
        return by_column, by_row
    mask = dense[rows]
    return _column_colors(rows[~mask], cols[~mask], shape), _row_colors(rows[mask], cols[mask], shape)


def _hub_splits(rows: Array, cols: Array, size: int) -> list[tuple[int, Array]]:
    """Return ways to choose hubs, columns with a colour of their own, and a bound of the colours that it takes."""
    found = []
    for hubs in _cuts(_counts(rows, size)):
        rest = ~(hubs[rows] | hubs[cols])
        found.append((int(hubs.sum()) + int(np.bincount(rows[rest]).max(initial=0)), hubs))
    return found


def _hub_colors(rows: Array, cols: Array, size: int, hubs: Array) -> Array:
    """Return colours of a symmetric matrix: hubs their own, the others so that none share a row, hubs aside."""
    rest = ~(hubs[rows] | hubs[cols])
    colors = _column_colors(rows[rest], cols[rest], (size, size))
    count = int(hubs.sum())
    colors[colors >= 0] += count
    colors[hubs] = np.arange(count)
    return colors


def _star_colors(rows: Array, cols: Array, size: int, limit: int) -> Array | None:
    """Return a greedy star colouring, or None if it takes ``limit`` colours: largest first, and as vertices come."""
    off = rows != cols
    counts = _counts(rows[off], size)
    bounds = np.concatenate([[0], np.cumsum(counts)]).tolist()
    members = cols[off].tolist()
    present = np.unique(rows)
    best = None
    for order in (present, present[np.argsort(-counts[present], kind="stable")]):
        found = _star_greedy(order.tolist(), bounds, members, limit)
        if found is not None:
            best, limit = found, int(found.max()) + 1
    return best


def _star_greedy(order: list[int], bounds: list[int], members: list[int], limit: int) -> Array | None:
    """Give the vertices in ``order`` the first colour that makes no path of four with two; None if it is ``limit``.

    Algorithm 4.1 of Gebremedhin, Tarafdar, Manne and Pothen (2007): colours are the bits of integers. While a vertex
    has no colour its neighbours' differ; so a new path of four with two colours ends at the vertex that gets one.
    """
    size = len(bounds) - 1
    bits = [0] * size
    around = [0] * size  # the colours of the neighbours
    twice = [0] * size  # those that two neighbours have
    for v in order:
        near = members[bounds[v] : bounds[v + 1]]
        used = 0
        for w in near:
            bit = bits[w]
            if not bit:
                used |= around[w]
                continue
            used |= bit
            for x in members[bounds[w] : bounds[w + 1]]:
                if twice[x] & bit:
                    used |= bits[x]
        bit = ~used & (used + 1)
        if bit.bit_length() > limit - 1:
            return None
        bits[v] = bit
        for w in near:
            twice[w] |= around[w] & bit
            around[w] |= bit
    return np.array([bit.bit_length() - 1 for bit in bits])
