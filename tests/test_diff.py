"""How programs differ: what is matched, what is shown, and that no difference is shown where there is none."""

import numpy as np
import pytest

from autotrace import cond, diff_jaxprs, grad, jit, make_jaxpr, scan
from autotrace.ir import JaxprDiff

X = np.array([0.5, -1.0, 2.0])


def diff(f, g, *args):
    args = args or (X,)
    return diff_jaxprs(make_jaxpr(f)(*args), make_jaxpr(g)(*args))


def signs(difference):
    return "".join(change.sign for change in difference)


def test_equal_programs_do_not_differ():
    difference = diff(np.sin, lambda y: np.sin(y))
    assert not difference
    assert str(difference) == "no difference"
    assert signs(difference) == "   "


def test_a_changed_number_does_not_echo():
    difference = diff(grad(lambda x: np.sum(np.tanh(x * 2.0))), grad(lambda x: np.sum(np.tanh(x * 3.0))))
    assert difference
    assert str(difference) == "\n".join(
        [
            "  { lambda ; a:f64[3]. let",
            "-     b:f64[3] = mul a 2.0",
            "+     b:f64[3] = mul a 3.0",
            "      c:f64[3] = tanh b",
            "      d:f64[3] = mul c c",
            "      e:f64[3] = sub 1.0 d",
            "-     f:f64[3] = mul e 2.0",
            "+     f:f64[3] = mul e 3.0",
            "    in (f,) }",
        ]
    )


def test_added_and_removed_equations():
    longer = diff(lambda x: np.sin(x), lambda x: np.cos(np.sin(x)))
    assert "+     c:f64[3] = cos b" in str(longer).splitlines()
    assert signs(longer) == "  +-+"
    shorter = diff(lambda x: np.cos(np.sin(x)), lambda x: np.sin(x))
    assert "-     c:f64[3] = cos b" in str(shorter).splitlines()


def test_changed_parameters_are_told():
    difference = diff(lambda x: np.sum(x, axis=0), lambda x: np.sum(x, axis=1), np.ones((2, 2)))
    assert "?     axes: (0,) -> (1,)" in str(difference).splitlines()


def test_changed_types_are_shown():
    difference = diff_jaxprs(make_jaxpr(np.sin)(X), make_jaxpr(np.sin)(X.astype("f4")))
    assert signs(difference) == "-+-+ "


def test_constants_are_compared_by_value():
    small = diff(lambda x: x + np.arange(3.0), lambda x: x + np.arange(3.0)[::-1])
    assert "=[2.0, 1.0, 0.0]" in str(small)
    large, other = np.arange(50.0), np.arange(50.0)
    assert not diff(lambda x: x + large, lambda x: x + other, 1.0)
    other[7] = -1.0
    assert (
        "?     the constant a has other values" in str(diff(lambda x: x + large, lambda x: x + other, 1.0)).splitlines()
    )


def test_programs_inside_are_compared():
    inside = diff(lambda x: jit(lambda y: np.sin(y) * 2)(x) + 1, lambda x: jit(lambda y: np.cos(y) * 2)(x) + 1)
    lines = str(inside).splitlines()
    assert "?     jaxpr of call:" in lines
    assert "-             b:f64[3] = sin a" in lines
    loops = diff(lambda x: scan(lambda c, r: (c + r, c), 0.0, x), lambda x: scan(lambda c, r: (c * r, c), 0.0, x))
    assert "-             c:f64[] = add a b" in str(loops).splitlines()
    branches = diff(
        lambda x: cond(x > 0, np.sin, np.cos, x), lambda x: cond(x > 0, np.sin, lambda x: -x, x), np.float64(1.0)
    )
    assert "?     branches[0] of cond:" in str(branches).splitlines()


def test_long_stretches_alike_are_folded():
    def chain(number):
        def f(x):
            for _ in range(50):
                x = np.sin(x)
            return x * number

        return f

    difference = diff(chain(2.0), chain(3.0), 1.0)
    assert "      ... 48 lines alike ..." in str(difference).splitlines()
    assert len(str(difference).splitlines()) == 7
    assert len(list(difference)) == 54


def test_long_programs_are_compared_in_good_time():
    def chain(start):
        def f(x):
            x = x + start
            for i in range(1500):
                x = np.sin(x) * float(i)
            return x

        return f

    assert signs(diff(chain(1.0), chain(2.0), 1.0)).count("-") == 1


def test_operands_of_other_places():
    assert signs(diff(lambda x, y: x - y, lambda x, y: y - x, 1.0, 2.0)) == " -+ "
    assert diff(lambda x, y: (x, y), lambda x, y: (y, x), 1.0, 2.0)


def test_a_difference_prints_shortly():
    difference = diff(lambda x: x * 2.0, lambda x: x * 3.0)
    assert isinstance(difference, JaxprDiff)
    assert repr(difference) == "<JaxprDiff: 1 lines of the first, 1 of the second>"


def test_only_programs_are_compared():
    with pytest.raises(TypeError, match="both arguments must be Jaxprs; got str"):
        diff_jaxprs(make_jaxpr(np.sin)(1.0), "sin")
