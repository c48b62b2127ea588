"""What the laws do not say of ufuncs' keywords, order, sets and selections: refusals, and a few answers."""

import re

import numpy as np
import pytest

import autotrace.numpy as anp
from autotrace import grad, jit, make_jaxpr, vmap
from autotrace.errors import AutotraceError, MutationError, UnsupportedError

X = np.array([3.0, 1.0, 2.0])
I = np.array([1, 0])  # noqa: E741

REFUSED = [
    (
        lambda x: np.add(x, 1, where=x > 2),
        UnsupportedError,
        r"np.add: where= needs out=.*Use np.where\(mask, np.add\(",
    ),
    (
        lambda x: np.add(x, 1, out=np.zeros(3)),
        MutationError,
        r"np.add: out= must be a traced array.*autotrace.numpy.zeros",
    ),
    (lambda x: np.add(x, 1, casting="foo"), ValueError, "casting must be one of"),
    (lambda x: np.add(x, 1, order="Q"), ValueError, "order must be one of"),
    (lambda x: np.add(x, 1, axis=0), TypeError, "unexpected keyword argument 'axis'"),
    (lambda x: np.add(x, 1, dtype=int), TypeError, "Cannot cast ufunc 'add' input 0"),
    (lambda x: np.matmul(x, x, keepdims=True), TypeError, "matmul does not support keepdims"),
    (lambda x: np.subtract.reduce(x[:0]), ValueError, "zero-size array to reduction operation subtract"),
    (lambda x: np.subtract.reduce(np.stack([x, x]), axis=(0, 1)), ValueError, "not reorderable"),
    (lambda x: np.sin.reduce(x), ValueError, "only supported for binary functions"),
    (lambda x: np.add.accumulate(x[0]), TypeError, "cannot accumulate on a scalar"),
    (lambda x: np.add.reduceat(x, [5]), IndexError, "out-of-bounds"),
    (lambda x: np.partition(x, 5), ValueError, r"kth\(=5\) out of bounds"),
    (lambda x: np.sort(x, order="a"), ValueError, "array has no fields"),
    (lambda x: np.take(x, 5), IndexError, "out of bounds"),
    (lambda x: np.take_along_axis(x, np.array([0.5]), 0), IndexError, "must be an integer array"),
    (lambda x: np.digitize(x, np.stack([x[0], x[1], x[0]])), ValueError, "monotonically"),
    (lambda x: np.i0(x * 1j), TypeError, "not supported for complex"),
    (lambda x: np.histogram(x * np.nan, 2), ValueError, "is not finite"),
    (lambda x: np.histogram(x, [3, 1]), ValueError, "increase monotonically"),
    (lambda x: np.bincount(x), TypeError, "Cannot cast"),
    (lambda x: np.select([x], [x]), TypeError, "should be boolean"),
    (lambda x: np.piecewise(x, [x > 1, x < 1, x == 1], [1]), ValueError, "either 3 or 4 functions"),
    (lambda x: np.interp(x, x, x[:2]), ValueError, "not of the same length"),
    (lambda x: np.geomspace(0.0, x[0]), ValueError, "cannot include zero"),
    (lambda x: np.polyfit(x, x[:2], 1), TypeError, "same length"),
    (lambda x: np.full_like(np.ones(3), x[0]), MutationError, "np.full_like: np.broadcast_to"),
    (lambda x: anp.vectorize(np.sin, signature="n->()")(x), ValueError, "not a valid gufunc signature"),
]


@pytest.mark.parametrize(("function", "error", "message"), REFUSED)
def test_refused(function, error, message):
    with pytest.raises(error, match=re.compile(message, re.DOTALL)):
        make_jaxpr(function)(X)


def test_every_ufunc_is_covered():
    def run(ufunc, x):
        operand = np.astype(x, int) if ufunc.nin and ufunc.__name__ in INTEGRAL else x
        shaped = {
            "matmul": [operand, operand],
            "matvec": [np.stack([x, x]), x],
            "vecmat": [x, np.stack([x, x, x])],
        }
        if ufunc is np.ldexp:
            return ufunc(x, 2)
        return ufunc(*shaped.get(ufunc.__name__, [operand] * ufunc.nin))

    for ufunc in {f for f in vars(np).values() if isinstance(f, np.ufunc)} - {np.isnat}:
        make_jaxpr(lambda x, ufunc=ufunc: run(ufunc, x))(X / 4)


INTEGRAL = {f"bitwise_{name}" for name in ("and", "or", "xor", "count")} | {
    *("invert", "left_shift", "right_shift", "gcd", "lcm")
}


def test_power_is_folded_over_every_element():
    jaxpr = make_jaxpr(np.power.reduce)(np.array([2.0, 3.0, 2.0]))
    assert jaxpr(np.array([2.0, 3.0, 2.0])) == [64.0]


def test_replacing_nan_in_place_changes_the_array():
    def loss(x):
        y = x / np.array([1.0, 0.0])
        np.nan_to_num(y, copy=False, posinf=0.0)
        return np.sum(y * y)

    with np.errstate(divide="ignore", invalid="ignore"):
        assert grad(loss)(np.array([3.0, 1.0]))[0] == 6.0


def test_a_negative_choice_is_refused_as_the_program_runs():
    jaxpr = make_jaxpr(lambda i, x: np.choose(i, [x, 2 * x]))(I, X[:2])
    with pytest.raises((IndexError, ValueError)):
        jaxpr(np.array([-1, 0]), X[:2])


def test_traced_indices_take_from_a_plain_array():
    assert vmap(lambda i: anp.take(X, i))(I).tolist() == [1.0, 3.0]
    with pytest.raises(AutotraceError, match="must be known"):
        vmap(lambda i: np.take(X, i))(I)


def test_sets_follow_new_values_under_jit():
    total = jit(lambda x: np.unique(x).sum())
    assert total(np.array([1.0, 1.0, 2.0])) == 3.0
    assert total(np.array([1.0, 3.0, 2.0])) == 6.0
    assert total(np.array([4.0, 4.0, 4.0])) == 4.0


def test_derivatives_of_sinc_and_i0_at_the_origin():
    from_origin = [np.sinc, np.i0]
    fourth = [np.pi**4 / 5, 3 / 8]
    for function, expected in zip(from_origin, fourth, strict=True):
        for _ in range(4):
            function = grad(function)
        assert np.isclose(function(0.0), expected, rtol=1e-14)
