"""Sums of products as contractions, and the short forms of generated code, against plain NumPy."""

import numpy as np
import pytest

from autotrace import grad, jit, make_jaxpr, scan
from autotrace.compile.codegen import generate
from autotrace.compile.contract import contract_sums
from autotrace.compile.program import optimize
from autotrace.ir import check_jaxpr, eval_jaxpr

X = np.random.default_rng(0).standard_normal((40, 6))
Y = np.random.default_rng(1).standard_normal((40, 6))
ROW, COLUMN = X[0], Y[:, 0]
CUBE = np.random.default_rng(2).standard_normal((7, 5, 3))


@pytest.mark.parametrize(
    ("f", "args", "contracted"),
    [
        (lambda x, y: np.sum(x * y), (X, Y), True),
        (lambda x, y: np.sum(x * y, axis=1), (X, Y), True),
        (lambda x, y: np.sum(x * y, axis=0), (X, ROW), False),  # x is summed alone, then scaled: nothing is gained
        (lambda x, y: np.sum(x * y, axis=1), (X, ROW), True),
        (lambda x, y: np.sum(x * y[:, None], axis=0), (X, COLUMN), True),
        (lambda x: np.sum(x * x, axis=2), (CUBE,), True),
        (lambda x: np.sum(x * x, axis=(0, 2)), (CUBE,), True),
        (lambda x: np.sum(x * 2.0, axis=1), (X,), False),
        (lambda x: np.sum((x * x).astype(int), axis=1), (X,), False),
    ],
)
def test_sums_of_products(f, args, contracted):
    jaxpr = optimize(make_jaxpr(f)(*args))
    short = contract_sums(jaxpr)
    check_jaxpr(short)
    assert ("einsum" in str(short)) == contracted
    for run in (eval_jaxpr, lambda j, *xs: generate(j, rounding=True)(*xs)):
        np.testing.assert_allclose(run(short, *args)[0], f(*args), rtol=1e-12, atol=1e-13)


def test_a_product_that_is_read_elsewhere_stays():
    jaxpr = optimize(make_jaxpr(lambda x, y: (np.sum(x * y), x * y))(X, Y))
    assert "einsum" not in str(contract_sums(jaxpr))


def test_products_of_large_arrays_that_are_made_block_by_block_stay():
    large = np.ones(50_000)
    assert "einsum" not in str(contract_sums(optimize(make_jaxpr(lambda x: np.sum(np.sin(x) * x))(large))))
    assert "einsum" in str(contract_sums(optimize(make_jaxpr(lambda x: np.sum(x * x))(large))))


@pytest.mark.parametrize("axis", [0, 1, 2, (0, 1), (1, 2), (0, 2)])
def test_sums_by_ones(axis):
    jaxpr = make_jaxpr(lambda x: np.sum(x, axis=axis))(CUBE)
    np.testing.assert_allclose(generate(jaxpr, rounding=True)(CUBE)[0], CUBE.sum(axis), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", ["min", "max"])
def test_extrema_of_short_rows_keep_nan(name):
    x = X.copy()
    x[3, 2] = np.nan
    source = generate(make_jaxpr(lambda x: getattr(np, name)(x, axis=1))(x), rounding=True)
    assert f"arg{name}" in source.source
    assert np.array_equal(source(x)[0], getattr(x, name)(axis=1), equal_nan=True)


def swapped(c, x):
    return (c[1], np.tanh(c[0] + x)), (c[0], c[1])


def handed_on(c, x):
    return (c[1], c[0] + x), c[0]


def turned(c, x):
    return (c[0][::-1], c[1] * x), c[0]


def stacked_twice(c, x):
    h = np.sin(c[0]) + x
    return (h, c[0]), (h, h, c[0], h[1:])


@pytest.mark.parametrize("step", [swapped, handed_on, turned, stacked_twice])
@pytest.mark.parametrize("reverse", [False, True])
def test_memory_of_loops_is_never_seen(step, reverse):
    first = (X[0].copy(), Y[0].copy())
    expected, rows = first, [None] * len(X)
    for i in reversed(range(len(X))) if reverse else range(len(X)):
        expected, rows[i] = step(expected, X[i])
    rows = [np.array(part) for part in zip(*rows, strict=True)] if isinstance(rows[0], tuple) else [np.array(rows)]
    f = jit(lambda first, xs: scan(step, first, xs, reverse=reverse))
    for _ in range(2):
        carry, ys = f(first, X)
        outputs = [*carry, *(ys if isinstance(ys, tuple) else [ys])]
        for got, want in zip(outputs, [*expected, *rows], strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-14)
        for i, a in enumerate(outputs):
            assert not any(np.shares_memory(a, b) for b in (*outputs[:i], *first, X))
    assert np.array_equal(first[0], X[0]) and np.array_equal(first[1], Y[0])


def test_parts_of_a_gradient_are_set_in_one_array():
    def f(x):
        return np.sum(np.sin(x[:3])) + np.sum(x[3:] ** 3)

    source = jit(grad(f)).lower(ROW).source()
    assert "empty" in source and "zeros(" not in source
    np.testing.assert_allclose(jit(grad(f))(ROW), np.r_[np.cos(ROW[:3]), 3 * ROW[3:] ** 2], rtol=1e-13)


@pytest.mark.parametrize(
    "f", [lambda x: np.sum(x, axis=1), lambda x: np.sum(x * x), lambda x: np.sum(x * x, axis=1), lambda x: x.T @ x]
)
def test_overflow_still_warns(f):
    large = np.full((40, 6), 1e308)
    jaxpr = contract_sums(optimize(make_jaxpr(f)(large)))
    with pytest.warns(RuntimeWarning, match="overflow"):
        generate(jaxpr, rounding=True)(large)


def test_twice_a_number_of_half_precision_does_not_overflow():
    """``c x + c x`` is ``(2 c) x`` where 2 c is finite."""

    def f(x):
        y = np.float16(40_000) * x
        return y + y

    x = np.array([0.25, 0.5], np.float16)
    jitted = jit(f)
    for _ in range(30):
        np.testing.assert_array_equal(jitted(x), f(x))
