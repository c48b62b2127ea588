"""Colourings: every entry is read off exactly, with as few directions as are known to do."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from autotrace import (
    Coloring,
    Pattern,
    color_bidirectional,
    color_columns,
    color_rows,
    color_symmetric,
    jit,
)

WAYS = [color_columns, color_rows, color_bidirectional]


def band(size: int, offsets: tuple[int, ...], periodic: bool = False) -> Pattern:
    rows = np.repeat(np.arange(size), len(offsets))
    cols = rows + np.tile(offsets, size)
    cols = cols % size if periodic else cols
    inside = (cols >= 0) & (cols < size)
    return Pattern(rows[inside], cols[inside], (size, size))


def arrow(size: int) -> Pattern:
    every, first = np.arange(size), np.zeros(size, int)
    return Pattern(np.concatenate([every, every, first]), np.concatenate([every, first, every]), (size, size))


def grid(side: int, corners: bool) -> Pattern:
    """The stencil of five points on a square grid, or of nine."""
    place = np.arange(side * side).reshape(side, side)
    near = np.zeros((side * side, side * side), bool)
    for i, j in np.ndindex(side, side):
        for di, dj in [(0, 0), (0, 1), (1, 0), *([(1, 1), (1, -1)] if corners else [])]:
            if i + di < side and 0 <= j + dj < side:
                near[place[i, j], place[i + di, j + dj]] = near[place[i + di, j + dj], place[i, j]] = True
    return Pattern.of(near)


def drawn(seed: int) -> Pattern:
    """A random pattern: thin or thick, with dense rows or columns, empty ones, or in blocks."""
    rng = np.random.default_rng(seed)
    high, wide = rng.integers(1, 30, size=2)
    x = rng.random((high, wide)) < rng.choice([0.02, 0.1, 0.3, 0.9])
    if seed % 3 == 0:
        x[rng.integers(high, size=2)] = True
    if seed % 4 == 0:
        x[:, rng.integers(wide, size=2)] = True
    if seed % 5 == 0:
        x[: high // 2, : wide // 2] = x[high // 2 :, wide // 2 :] = False
    return Pattern.of(x)


def matrix_of(pattern: Pattern, seed: int = 0) -> np.ndarray:
    matrix = np.zeros(pattern.shape)
    matrix[pattern.rows, pattern.cols] = np.random.default_rng(seed).normal(size=pattern.nnz)
    return matrix


def recovered(coloring: Coloring, matrix: np.ndarray) -> np.ndarray:
    """The matrix, from its products with the directions."""
    found = np.zeros(matrix.shape)
    values = coloring.decompress(
        coloring.column_seeds(matrix.dtype) @ matrix.T, coloring.row_seeds(matrix.dtype) @ matrix
    )
    found[coloring.pattern.rows, coloring.pattern.cols] = values
    return found


@pytest.mark.parametrize("seed", range(120))
@pytest.mark.parametrize("way", WAYS)
def test_random_matrices_are_recovered_exactly(way: Callable[..., Coloring], seed: int) -> None:
    pattern = drawn(seed)
    matrix = np.round(100 * matrix_of(pattern, seed))  # integers: sums of columns that meet would show
    assert np.array_equal(recovered(way(pattern), matrix), matrix)


@pytest.mark.parametrize("seed", range(120))
def test_random_symmetric_matrices_are_recovered_exactly(seed: int) -> None:
    half = drawn(seed)
    size = min(half.shape)
    pattern = Pattern.of(half.toarray()[:size, :size])
    pattern = pattern.union(pattern.T)
    matrix = np.round(100 * matrix_of(pattern, seed))
    matrix = matrix + matrix.T
    coloring = color_symmetric(pattern)
    assert coloring.rows == 0
    assert np.array_equal(recovered(coloring, matrix), matrix)
    assert coloring.columns <= max(color_columns(pattern).columns, 1)


@pytest.mark.parametrize("seed", range(40))
def test_columns_of_one_colour_share_no_row(seed: int) -> None:
    pattern = drawn(seed)
    dense = pattern.toarray().astype(int)
    assert np.all(color_columns(pattern).column_seeds(int) @ dense.T <= 1)
    assert np.all(color_rows(pattern).row_seeds(int) @ dense <= 1)


@pytest.mark.parametrize("seed", range(40))
def test_two_sided_is_never_worse_than_one_sided(seed: int) -> None:
    pattern = drawn(seed)
    both = color_bidirectional(pattern)
    assert both.columns + both.rows <= min(color_columns(pattern).columns, color_rows(pattern).rows)


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        (band(10_000, (-1, 0, 1)), 3),
        (band(100_000, (-1, 0, 1)), 3),
        (band(1000, (-2, -1, 0, 1, 2)), 5),
        (band(999, (-1, 0, 1), periodic=True), 3),
        (band(1000, (-1, 0, 1), periodic=True), 4),  # four: 1000 is no multiple of three
        (band(500, (0,)), 1),
        (grid(12, corners=True), 9),
        (Pattern.of(np.ones((7, 4))), 4),
        (Pattern.of(np.zeros((7, 4))), 0),
    ],
)
def test_regular_matrices_take_the_least_that_is_possible(pattern: Pattern, least: int) -> None:
    assert color_columns(pattern).columns == least
    assert color_rows(pattern.T).rows == least


def test_five_points_take_few() -> None:
    assert color_columns(grid(20, corners=False)).columns <= 7  # five is the least


def test_arrow_takes_three_directions_and_its_symmetric_kind_two() -> None:
    pattern = arrow(10_000)
    both = color_bidirectional(pattern)
    assert (both.columns, both.rows) == (2, 1)
    assert color_symmetric(pattern).columns == 2
    assert color_columns(pattern).columns == 10_000
    small = arrow(50)
    matrix = matrix_of(small)
    assert np.array_equal(recovered(color_bidirectional(small), matrix), matrix)
    symmetric = matrix + matrix.T
    assert np.array_equal(recovered(color_symmetric(small), symmetric), symmetric)


def test_dense_columns_and_dense_rows() -> None:
    rng = np.random.default_rng(0)
    x = np.eye(60, dtype=bool)
    x[rng.choice(60, 3, replace=False)] = True
    x[:, rng.choice(60, 2, replace=False)] = True
    both = color_bidirectional(x)
    assert both.columns + both.rows <= 7
    matrix = matrix_of(Pattern.of(x))
    assert np.array_equal(recovered(both, matrix), matrix)


def test_star_colouring_beats_columns() -> None:
    """A tree: three colours do for a star colouring of any, columns take one more than its degree."""
    rows = np.arange(1, 200)
    parents = (rows - 1) // 8
    every = np.arange(200)
    tree = Pattern(np.concatenate([rows, parents, every]), np.concatenate([parents, rows, every]), (200, 200))
    assert color_columns(tree).columns >= 9
    coloring = color_symmetric(tree)
    assert coloring.columns <= 4
    matrix = matrix_of(tree)
    matrix = matrix + matrix.T
    assert np.array_equal(recovered(coloring, matrix), matrix)


def test_seeds_are_sums_of_unit_vectors() -> None:
    coloring = color_bidirectional(arrow(6))
    seeds = coloring.column_seeds(np.float32)
    assert seeds.dtype == np.float32
    assert seeds.shape == (2, 6)
    assert coloring.row_seeds().shape == (1, 6)
    assert np.array_equal(coloring.row_seeds()[0], [1, 0, 0, 0, 0, 0])


def test_lines_without_entries_have_no_direction() -> None:
    coloring = color_columns([[0, 1, 0], [0, 1, 0]])
    assert coloring.column_colors.tolist() == [-1, 0, -1]
    assert coloring.columns == 1


def test_decompress_keeps_dtypes_and_may_be_compiled() -> None:
    coloring = color_columns(band(6, (-1, 0, 1)))
    matrix = matrix_of(coloring.pattern).astype(np.complex64)
    products = coloring.column_seeds(np.complex64) @ matrix.T
    expected = matrix[coloring.pattern.rows, coloring.pattern.cols]
    values = coloring.decompress(products)
    assert values.dtype == np.complex64
    assert np.array_equal(values, expected)
    compiled = jit(coloring.decompress)
    for _ in range(3):
        assert np.array_equal(compiled(products), expected)


def test_a_colouring_that_does_not_do_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Coloring: every entry must be alone .* got entry \(0, 0\)"):
        Coloring([[1, 1]], [0, 0])
    with pytest.raises(ValueError, match=r"Coloring: every entry must be alone"):
        Coloring([[1, 1], [1, 0]], [0, -1], [-1, -1])
    with pytest.raises(ValueError, match="column_colors must be 2 integers; got shape"):
        Coloring([[1, 1]], [0])
    with pytest.raises(ValueError, match="color_symmetric: the pattern must be symmetric"):
        color_symmetric([[1, 1], [0, 1]])
    with pytest.raises(ValueError, match="the pattern must be symmetric"):
        color_symmetric(np.ones((2, 3)))


def test_products_of_a_wrong_shape_are_refused() -> None:
    coloring = color_columns(np.eye(3))
    with pytest.raises(ValueError, match=r"decompress: compressed_columns must have shape \(1, 3\); got none"):
        coloring.decompress()
    with pytest.raises(ValueError, match=r"must have shape \(1, 3\); got shape \(3, 1\)"):
        coloring.decompress(np.ones((3, 1)))


def test_colourings_are_immutable_print_and_pickle() -> None:
    coloring = color_bidirectional(arrow(6))
    with pytest.raises(AttributeError, match="immutable"):
        coloring.columns = 3
    with pytest.raises(ValueError, match="read-only"):
        coloring.column_colors[0] = 1
    assert repr(coloring) == "<Coloring of a 6 x 6 matrix: 2 directions by column, 1 by row>"
    again = pickle.loads(pickle.dumps(coloring))
    matrix = matrix_of(coloring.pattern)
    assert np.array_equal(recovered(again, matrix), matrix)
