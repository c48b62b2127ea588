"""jet and taylor: closed forms, nested jvp on the whole catalogue, conventions, compositions, bad input."""

import math
from collections import namedtuple

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import autotrace as at
import autotrace.scipy.linalg
from autotrace import check_jaxpr, float0, grad, jacfwd, jet, jit, jvp, make_jaxpr, taylor, vmap
from autotrace.control.checkpoint import checkpoint
from autotrace.errors import MissingRuleError
from autotrace.primitives import Unary, elementwise
from autotrace.test_util import random_like
from autotrace.tree import tree_leaves
from tests import catalogue
from tests.laws import Problem, assert_same, quiet

POLYNOMIAL = np.polynomial.Polynomial
RNG = np.random.default_rng(7)


# -- closed forms ------------------------------------------------------------------------------------


def tan_like(sign):
    """Derivatives of tan (sign 1) or tanh (sign -1): polynomials p in t = f(x), the next is p'(t) (1 + sign t^2)."""

    def derivatives(x, order):
        t, p, found = (np.tan if sign > 0 else np.tanh)(x), POLYNOMIAL([0.0, 1.0]), []
        for _ in range(order + 1):
            found.append(p(t))
            p = p.deriv() * POLYNOMIAL([1.0, 0.0, sign])
        return found

    return derivatives


def arctan_derivatives(x, order):
    """The k-th derivative is (k-1)! cos(y)^k sin(k (y + pi/2)) with y = arctan(x)."""
    y = np.arctan(x)
    higher = [math.factorial(k - 1) * np.cos(y) ** k * np.sin(k * (y + np.pi / 2)) for k in range(1, order + 1)]
    return [y, *higher]


def bessel_derivatives(x, order):
    """DLMF 10.6.7: 2^k J_n^(k) is the alternating binomial sum of J_(n-k+2j)."""
    return [scipy.special.jvp(1, x, k) for k in range(order + 1)]


CLOSED = {
    "exp": (np.exp, lambda x, n: [np.exp(x)] * (n + 1), (-2, 2)),
    "sin": (np.sin, lambda x, n: [np.sin(x + k * np.pi / 2) for k in range(n + 1)], (-5, 5)),
    "cos": (np.cos, lambda x, n: [np.cos(x + k * np.pi / 2) for k in range(n + 1)], (-5, 5)),
    "geometric": (
        lambda x: 1 / (1 - x),
        lambda x, n: [math.factorial(k) / (1 - x) ** (k + 1) for k in range(n + 1)],
        (-1, 0.6),
    ),
    "log": (
        np.log,
        lambda x, n: [np.log(x), *[(-1) ** (k - 1) * math.factorial(k - 1) / x**k for k in range(1, n + 1)]],
        (0.3, 4),
    ),
    "power": (
        lambda x: x**-1.7,
        lambda x, n: [np.prod([-1.7 - i for i in range(k)]) * x ** (-1.7 - k) for k in range(n + 1)],
        (0.5, 3),
    ),
    "integer power": (
        lambda x: x**5,
        lambda x, n: [np.prod([5.0 - i for i in range(k)]) * x ** max(5 - k, 0) for k in range(n + 1)],
        (-2, 2),
    ),
    "negative power": (
        lambda x: x**-3,
        lambda x, n: [np.prod([-3.0 - i for i in range(k)]) * x ** (-3.0 - k) for k in range(n + 1)],
        (0.5, 2),
    ),
    "base": (lambda x: 2.0**x, lambda x, n: [np.log(2.0) ** k * 2.0**x for k in range(n + 1)], (-2, 2)),
    "sqrt": (
        np.sqrt,
        lambda x, n: [np.prod([0.5 - i for i in range(k)]) * x ** (0.5 - k) for k in range(n + 1)],
        (0.5, 3),
    ),
    "tan": (np.tan, tan_like(1), (-1, 1)),
    "tanh": (np.tanh, tan_like(-1), (-2, 2)),
    "arctan": (np.arctan, arctan_derivatives, (-3, 3)),
    "bessel": (lambda x: scipy.special.jv(1, x), bessel_derivatives, (0.5, 8)),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_to_order_8(name):
    function, closed, (low, high) = CLOSED[name]
    for x in np.random.default_rng(3).uniform(low, high, 5):
        expected = np.array(closed(x, 8))
        found = taylor(function, x, 8, derivatives=True)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
        np.testing.assert_allclose(
            taylor(function, x, 8), expected / [math.factorial(k) for k in range(9)], rtol=1e-10, atol=1e-10
        )


def test_taylor_is_a_polynomial_near_the_point():
    coefficients = taylor(lambda x: np.exp(np.sin(x)), 0.4, 12)
    h = np.linspace(-0.2, 0.2, 5)
    near = np.polynomial.polynomial.polyval(h, coefficients)
    np.testing.assert_allclose(near, np.exp(np.sin(0.4 + h)), rtol=1e-12)


def test_bessel_functions_of_all_orders_are_computed_once():
    """2^k of them would be, if the same function of the same series were not found again."""
    program = make_jaxpr(lambda x: taylor(lambda x: scipy.special.jv(0, x), x, 12))(1.0)
    assert sum(equation.primitive.name.startswith("bessel") for equation in program.equations) <= 26
    assert len(program.equations) < 800


# -- nested jvp --------------------------------------------------------------------------------------

ORDER = 3
SINGULAR = {
    "linalg:norm_deficient-1-f64[3,2]-ord='nuc'": "a singular value of the size of rounding is divided by",
    "scipy_special:gamma_complex-0-c128[3]": "the second derivative is refused",
}


def nested(function, point, directions, order):
    """Derivatives 1 to ``order`` of ``function`` along the path with these derivatives, by nested jvp."""

    def along(t):
        powers = [t**k / math.factorial(k) for k in range(1, order + 1)]
        moved = []
        for x, ds in zip(point, directions, strict=True):
            for d, power in zip(ds, powers, strict=True):
                x = x + d * power.astype(d.real.dtype)
            moved.append(x)
        return function(*moved)

    levels = [along]
    for _ in range(order):
        levels.append(lambda t, inner=levels[-1]: jvp(inner, (t,), (1.0,))[1])
    return [level(0.0) for level in levels[1:]]


@pytest.mark.parametrize("module", sorted({case.id.partition(":")[0] for case in catalogue.all_cases()}))
def test_jet_is_nested_jvp(module):
    cases = [case for case in catalogue.all_cases() if case.id.startswith(f"{module}:")]
    for case in cases:
        problem = Problem(case)
        if not problem.point or case.id in SINGULAR or "second_order" in case.skip:
            continue
        _follows_a_path(problem)


def _follows_a_path(problem):
    point = tuple([np.asarray(x)[()] if np.ndim(x) == 0 else x for x in problem.point])
    directions = [[random_like(x, problem.rng) for _ in range(ORDER)] for x in point]

    def function(*xs):
        return [y for y in problem.smooth(*xs) if not isinstance(y, np.dtype)]

    with quiet():
        _, found = jet(function, point, tuple(directions))
        expected = nested(function, point, directions, ORDER)
    for k in range(ORDER):
        got = [terms[k] for terms in found]
        assert_same(got, expected[k], f"{problem.case.id}, derivative {k + 1}", max(1e-9, problem.exact))


# -- loops, branches, calls --------------------------------------------------------------------------


def scanned(x):
    return at.scan(lambda c, row: (np.sin(c) * x + row, c * row), x * 2, np.stack([x, x**2, np.ones(2)]))


def scanned_back(x):
    rows = np.arange(6.0).reshape(3, 2)
    return at.scan(lambda c, row: ((c[0] * x, c[1] + 1), c[0] + row), (x, 0), rows, reverse=True)[0][0]


CONTROL = {
    "scan": scanned,
    "scan back": scanned_back,
    "while": lambda x: at.while_loop(lambda c: np.sum(c) < 10, lambda c: c * (1 + x), x),
    "fori": lambda x: at.fori_loop(0, 5, lambda i, c: c * x + i, x),
    "cond": lambda x: at.cond(x[0] > 0, lambda a: np.exp(a) * 3, lambda a: a * 0, x),
    "switch": lambda x: at.switch(1, [np.sin, lambda a: np.cos(a) * x, np.exp], x),
    "call": jit(lambda x: np.sin(x) * x),
    "checkpoint": checkpoint(lambda x: np.sin(x) * x),
}


@pytest.mark.parametrize("name", CONTROL)
def test_control_flow(name):
    function, point = CONTROL[name], np.array([0.3, 0.7])
    directions = [RNG.normal(size=2) for _ in range(4)]

    def flat(x):
        return tree_leaves(function(x))

    expected = nested(flat, [point], [directions], 4)
    for run in (jet, jit(jet, static_argnums=0)):
        _, found = run(flat, (point,), (directions,))
        assert_same([[terms[k] for terms in found] for k in range(4)], expected, name, 1e-11)
    batch = np.stack([point, 2 * point, point / 3])
    _, mapped = vmap(lambda x: jet(flat, (x,), (directions,)))(batch)
    _, inside = jet(vmap(flat), (batch,), ([np.broadcast_to(d, batch.shape) for d in directions],))
    each = [jet(flat, (x,), (directions,))[1] for x in batch]
    stacked = [[np.stack([row[i][k] for row in each]) for k in range(4)] for i in range(len(found))]
    assert_same(mapped, stacked, f"vmap of jet of {name}")
    assert_same(inside, stacked, f"jet of vmap of {name}")


def test_a_loop_of_series_is_one_loop():
    program = make_jaxpr(lambda x: jet(CONTROL["while"], (x,), ([np.ones(2), None],)))(np.ones(2))
    assert sum(equation.primitive.name == "while" for equation in program.equations) == 1


# -- compositions ------------------------------------------------------------------------------------


def wave(x):
    return np.sum(np.sin(x) * np.exp(x) / (1 + x * x))


def test_jit_vmap_grad_and_jvp_of_jet():
    x, dx = np.array([0.2, 0.9]), np.array([1.0, -2.0])

    def third(x):
        return jet(wave, (x,), ([dx, None, None],))[1][2]

    check_jaxpr(make_jaxpr(third)(x))
    np.testing.assert_allclose(jit(third)(x), third(x), rtol=1e-12)
    np.testing.assert_allclose(vmap(third)(np.stack([x, x + 1])), [third(x), third(x + 1)], rtol=1e-12)
    np.testing.assert_allclose(grad(third)(x), jacfwd(third)(x), rtol=1e-12)
    _, fourth = jvp(third, (x,), (dx,))
    np.testing.assert_allclose(fourth, jet(wave, (x,), ([dx, None, None, None],))[1][3], rtol=1e-12)


def test_jet_of_grad_and_of_jet():
    x, dx = np.array([0.2, 0.9]), np.array([1.0, -2.0])
    _, (first, second) = jet(grad(wave), (x,), ([dx, None],))
    np.testing.assert_allclose(first, at.hvp(wave)(x, dx), rtol=1e-12)
    np.testing.assert_allclose(second, jvp(lambda x: at.hvp(wave)(x, dx), (x,), (dx,))[1], rtol=1e-12)
    inner = lambda t: jet(np.sin, (t,), ([1.0, None],))[1][1] * t  # noqa: E731
    np.testing.assert_allclose(taylor(inner, 0.3, 2), taylor(lambda t: -np.sin(t) * t, 0.3, 2), rtol=1e-12)


def test_closing_over_an_outer_path():
    outer = jet(lambda x: jet(lambda y: x * y**2, (2.0,), ([1.0, None],))[1][1], (3.0,), ([1.0],))
    assert outer == (6.0, [2.0])


def test_what_comes_out_goes_in():
    x, series = (np.array([0.1, 0.5]), 2.0), ([np.ones(2), None], [1.0, 3.0])
    inner = lambda x, s: (np.sin(x) * s, x.sum() + s**2)  # noqa: E731
    outer = lambda u, v: np.tanh(u) * v  # noqa: E731
    middle, middle_series = jet(inner, x, series)
    got = jet(outer, middle, middle_series)
    assert_same(list(got), list(jet(lambda *x: outer(*inner(*x)), x, series)), "jet after jet")


Point = namedtuple("Point", "x y")


def test_trees():
    primals = ({"a": Point(1.0, np.ones(2)), "n": 3}, [2.0])
    series = ({"a": Point([1.0, 0.5], [np.ones(2), None]), "n": None}, [[None, 1.0]])
    out, found = jet(lambda p, q: {"z": p["a"].x * p["a"].y * p["n"] + q[0], "k": p["n"]}, primals, series)
    np.testing.assert_allclose(out["z"], [5.0, 5.0])
    np.testing.assert_allclose(found["z"], [[6.0, 6.0], [8.5, 8.5]])
    assert out["k"] == 3
    assert [x.dtype for x in found["k"]] == [float0, float0]


def test_results_are_ones_own():
    x, dx = np.ones(2), np.ones(2)
    out, (first, second) = jet(lambda x: x, (x,), ([dx, dx],))
    for result in (out, first, second):
        result[:] = 7
    assert np.array_equal(x, np.ones(2))
    assert np.array_equal(dx, np.ones(2))


def test_a_row_of_derivatives_may_be_an_array():
    rows = RNG.normal(size=(3, 2))
    one = jet(np.exp, (np.ones(2),), (rows,))
    assert_same(list(one), list(jet(np.exp, (np.ones(2),), (list(rows),))), "rows")
    assert_same(list(jit(lambda r: jet(np.exp, (np.ones(2),), (r,)))(rows)), list(one), "traced rows")


# -- dtypes, zeros, kinks ----------------------------------------------------------------------------


def test_float32_stays():
    x, dx = np.float32([0.5, 2.0]), np.ones(2, np.float32)
    for function in (np.exp, np.tanh, lambda x: x**2.5, lambda x: x / (1 + x), np.linalg.norm, np.cumprod):
        out, found = jet(function, (x,), ([dx, None, dx, dx],))
        assert {y.dtype for y in (out, *found)} == {np.dtype(np.float32)}
    assert taylor(np.sin, np.float32(1), 4).dtype == np.float32


def test_complex():
    z = 0.3 + 0.4j
    np.testing.assert_allclose(taylor(np.exp, z, 4, derivatives=True), [np.exp(z)] * 5)
    np.testing.assert_allclose(taylor(lambda x: np.exp(1j * x), 0.5, 3, derivatives=True)[3], -1j * np.exp(0.5j))
    directions = [1 + 2j, -1j, 0.5, 2.0 + 0j]
    directions = [np.complex128(d) for d in directions]
    for function in (np.abs, np.sign, np.real, np.conj, np.angle, lambda z: np.log(z) * np.conj(z)):
        _, found = jet(function, (z,), (directions,))
        np.testing.assert_allclose(found, nested(function, [np.complex128(z)], [directions], 4), rtol=1e-12)


def test_integers_do_not_move():
    out, found = jet(lambda x, n: x * n, (2.0, 3), ([1.0, 1.0], None))
    assert (out, found) == (6.0, [3.0, 3.0])
    zeros = [np.zeros((), float0)] * 2
    assert jet(lambda x, n: x * n, (2.0, 3), ([1.0, 1.0], zeros)) == (6.0, [3.0, 3.0])
    _, found = jet(lambda x: np.floor(x).astype(int), (2.5,), ([1.0],))
    assert found[0].dtype == float0


def test_zeros_are_symbolic():
    assert jet(lambda x, y: x * np.exp(y), (1.0, 0.0), ([1.0, 0.0], None)) == (1.0, [1.0, 0.0])
    program = make_jaxpr(lambda x, y: jet(lambda x, y: x * np.exp(y), (x, y), ([1.0, None], None)))(1.0, 2.0)
    assert len(program.equations) <= 3
    assert jet(lambda x: 4.0, (1.0,), ([1.0, 2.0],)) == (4.0, [0.0, 0.0])
    assert jet(np.exp, (0.0,), ([None, 1.0],)) == (1.0, [0.0, 1.0])
    np.testing.assert_allclose(
        jet(np.sin, (0.5,), ([None, 1.0, None, None],))[1], [0, np.cos(0.5), 0, -3 * np.sin(0.5)]
    )


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (np.abs, 0.0, [0.0, 0.0, 0.0]),
        (lambda x: np.maximum(x, 0.0), 0.0, [0.0, 0.5, 0.0]),
        (lambda x: np.maximum(x * x, x), 1.0, [1.0, 1.5, 1.0]),
        (lambda x: np.clip(x, 0.0, 1.0), 1.0, [1.0, 0.5, 0.0]),
        (lambda x: np.hypot(x, 0.0), 0.0, [0.0, 0.0, 1.0]),
        (lambda x: x**0.0, 0.0, [1.0, 0.0, 0.0]),
        (lambda x: x ** np.float64(2.0), 0.0, [0.0, 0.0, 2.0]),
        (lambda x: x ** np.array(3.0), 0.0, [0.0, 0.0, 0.0]),
        (lambda x: x**2, 0.0, [0.0, 0.0, 2.0]),
        (lambda x: x**3, 0.0, [0.0, 0.0, 0.0]),
        (lambda x: np.prod(np.stack([x, x, 5.0])), 0.0, [0.0, 0.0, 10.0]),
        (np.floor, 2.0, [2.0, 0.0, 0.0]),
        (lambda x: x % 3.0, 7.0, [1.0, 1.0, 0.0]),
        (lambda x: np.sort(np.stack([x, 1.0, x**2]))[0], 0.5, [0.25, 1.0, 2.0]),
        (lambda x: np.where(x > 0, x**2, 0.0), 1.0, [1.0, 2.0, 2.0]),
        (np.sinc, 0.0, [1.0, 0.0, -(np.pi**2) / 3]),
    ],
)
def test_conventions_at_kinks(function, x, expected):
    found = taylor(function, x, 2, derivatives=True)
    np.testing.assert_allclose(found, expected, atol=1e-15)
    first = lambda x: jvp(function, (x,), (1.0,))[1]  # noqa: E731
    np.testing.assert_allclose(found[1:], [first(x), jvp(first, (x,), (1.0,))[1]], atol=1e-15)
    np.testing.assert_allclose(jit(lambda x: taylor(function, x, 2, derivatives=True))(x), expected, atol=1e-15)


def test_an_infinite_slope_is_infinite():
    with np.errstate(all="ignore"):
        assert taylor(np.sqrt, 0.0, 1)[1] == np.inf
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        taylor(np.sqrt, 0.0, 1)


def test_a_power_of_paths_with_and_without_zeros():
    x = np.array([0.0, 1.5, -2.0])
    for run in (lambda f: f, jit):
        found = run(lambda x: jet(lambda x: x ** np.array(4.0), (x,), ([np.ones(3), None, None],)))(x)[1]
        np.testing.assert_allclose(found, [4 * x**3, 12 * x**2, 24 * x])


def test_matrix_functions_of_high_order():
    a, e = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
    found = taylor(lambda t: autotrace.scipy.linalg.expm(a + t * e), 0.0, 5)
    for h in (0.01, -0.02):
        np.testing.assert_allclose(
            np.polynomial.polynomial.polyval(h, found), scipy.linalg.expm(a + h * e), rtol=1e-8, atol=1e-8
        )


@pytest.mark.parametrize(
    "function",
    [
        lambda a, t: np.linalg.inv(a),
        lambda a, t: np.linalg.solve(a, np.stack([t * np.ones(3), np.exp(t) * np.ones(3)], axis=-1)),
        lambda a, t: np.linalg.cholesky(a),
        lambda a, t: np.linalg.qr(a),
        lambda a, t: np.linalg.eigh(a),
        lambda a, t: np.linalg.svd(a),
        lambda a, t: np.linalg.det(a),
        lambda a, t: np.linalg.slogdet(a)[1],
        lambda a, t: np.linalg.lstsq(a[:, :2], a[:, 2], rcond=None)[0],
    ],
    ids=["inv", "solve", "cholesky", "qr", "eigh", "svd", "det", "slogdet", "lstsq"],
)
def test_linear_algebra_to_order_5(function):
    """The Taylor polynomial meets the function to the order of what is left out."""
    base, e = (
        np.array([[4.0, 1.0, 0.5], [1.0, 7.0, 0.2], [0.5, 0.2, 2.0]]),
        np.array([[1, 2, 0], [2, 0, 1], [0, 1, 3.0]]),
    )
    parts = tree_leaves(taylor(lambda t: tuple(tree_leaves(function(base + t * e, t))), 0.0, 5))
    for h in (0.02, -0.02):
        for part, whole in zip(parts, tree_leaves(function(base + h * e, h)), strict=True):
            near = np.polynomial.polynomial.polyval(h, part)
            np.testing.assert_allclose(near, whole, rtol=1e-7, atol=1e-8)


# -- primitives of one's own -------------------------------------------------------------------------


class Gudermann(Unary):
    """2 arctan(tanh(x / 2)), whose derivative is 1 / cosh(x) = cos(y)."""

    ufunc = np.arctan

    def impl(self, x):
        return 2 * np.arctan(np.tanh(x / 2))

    def derivative(self, x, y):
        return np.cos(y)


class Roughly(Unary):
    """A sine that claims another derivative by its own rule, so that the rule is seen to be used."""

    ufunc = impl = np.sin

    def derivative(self, x, y):
        return np.cos(x)

    def taylor(self, k, inputs, output):
        return NotImplemented if inputs[0][k] is None else 100.0 * inputs[0][k]


def test_a_users_primitive_has_all_orders():
    found = taylor(elementwise(Gudermann()), 0.7, 7)
    np.testing.assert_allclose(found, taylor(lambda x: 2 * np.arctan(np.tanh(x / 2)), 0.7, 7), rtol=1e-12)


def test_a_users_rule_is_used_and_may_decline():
    np.testing.assert_allclose(taylor(elementwise(Roughly()), 0.7, 2)[:2], [np.sin(0.7), 100.0])
    assert taylor(elementwise(Roughly()), 0.7, 2)[2] == pytest.approx(-np.sin(0.7) / 2)


class Bare(at.Primitive):
    """The identity, with a derivative that refuses."""

    def impl(self, x):
        return x

    def abstract(self, x):
        return x

    def jvp(self, primals, tangents, output):
        raise MissingRuleError("bare: it has no derivative. Use another operation.")

    def batch(self, size, inputs, batched):
        return at.bind(self, *inputs)


def test_a_derivative_that_is_refused_is_refused_by_name():
    with pytest.raises(MissingRuleError, match="bare: it has no derivative") as caught:
        jet(lambda x: at.bind(Bare(), x), (np.ones(2),), ([np.ones(2)],))
    assert any("raised by bare(f64[2])" in note and "test_jet.py" in note for note in caught.value.__notes__)


# -- bad input ---------------------------------------------------------------------------------------

X = np.ones(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jet(3.0, (X,), ([X],)), TypeError, "jet: the first argument must be a function; got float"),
        (lambda: jet(np.sin, X, ([X],)), TypeError, "jet: primals must be a tuple or list.*got ndarray"),
        (lambda: jet(np.sin, (X,), X), TypeError, "jet: series must be a tuple or list.*got ndarray"),
        (lambda: jet(np.sin, (X,), ([X], [X])), TypeError, "jet: series must have the structure of the primals"),
        (lambda: jet(np.sin, (X,), ()), TypeError, "jet: series must have the structure of the primals"),
        (lambda: jet(lambda p: p["a"], ({"a": X},), ([X],)), TypeError, "series must have the structure.*a list of"),
        (
            lambda: jet(np.sin, (X,), ([X, X[:2]],)),
            ValueError,
            r"jet: a derivative must have the shape.*got shape \(2,\)",
        ),
        (lambda: jet(np.sin, (X,), ([1.0],)), ValueError, r"jet: a derivative must have the shape.*got shape \(\)"),
        (
            lambda: jet(np.sin, (X,), ([X + 0j],)),
            TypeError,
            "jet: a derivative of f64.3. must have dtype f64; got c128",
        ),
        (lambda: jet(np.sin, (X,), (["no"],)), TypeError, "jet: a derivative of f64.3. must be an array or a number"),
        (
            lambda: jet(np.sin, (X,), (X,)),
            TypeError,
            r"derivatives of a leaf must be a list.*ndarray of shape \(3,\) for",
        ),
        (lambda: jet(np.sin, (1.0,), (1.0,)), TypeError, "jet: the derivatives of a leaf must be a list.*got float"),
        (lambda: jet(np.add, (X, X), ([X], [X, X])), ValueError, "must have one length.*got 1, 2"),
        (lambda: jet(np.sin, (X,), ([],)), ValueError, "must have one length, the order, at least 1; got 0"),
        (lambda: jet(np.sin, (X,), (None,)), ValueError, "must have one length.*got no list"),
        (lambda: jet(np.sin, (3,), ([1.0],)), TypeError, "jet: a derivative of i64.. must have dtype float0; got f64"),
        (lambda: jet(np.sin, ("a",), ([1.0],)), TypeError, "jet: arguments must be arrays and numbers.*got str"),
        (lambda: jet(lambda x: "text", (X,), ([X],)), TypeError, "must return arrays and numbers.*got str"),
        (lambda: taylor(1.0, 1.0, 2), TypeError, "taylor: the first argument must be a function; got float"),
        (lambda: taylor(np.sin, 1.0, 2.0), TypeError, "taylor: the order must be an integer; got 2.0"),
        (lambda: taylor(np.sin, 1.0, True), TypeError, "taylor: the order must be an integer; got True"),
        (lambda: taylor(np.sin, 1.0, -1), ValueError, "taylor: the order must not be negative; got -1"),
        (lambda: taylor(np.sin, X, 2), TypeError, r"taylor: x must be one number.*got f64\[3\].*Use jet|use jet"),
        (lambda: taylor(np.sin, 1, 2), TypeError, r"taylor: x must be one number.*got i64\[\]"),
        (lambda: taylor(lambda x: 3, 1.0, 2), TypeError, r"taylor: the function must return floating-point.*i64\[\]"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_order_zero_is_the_value():
    np.testing.assert_array_equal(taylor(np.sin, 1.0, 0), [np.sin(1.0)])


# -- nested grad -------------------------------------------------------------------------------------


def nest(function, order):
    for _ in range(order):
        function = grad(function)
    return function


@pytest.mark.parametrize("order", range(3, 8))
@pytest.mark.parametrize(
    "function",
    [np.tanh, lambda x: x * np.sin(x) * np.exp(x), lambda x: np.log(1 + np.exp(x)) / np.sqrt(1 + x * x), np.abs],
    ids=["tanh", "product", "quotient", "abs"],
)
def test_nested_grad_of_a_number_is_taylor_mode(function, order):
    x = 0.3
    by_walks = float(jit(nest(function, order))(x))  # traced numbers are differentiated one after the other
    found = nest(function, order)(x)
    assert type(found) is np.float64
    np.testing.assert_allclose(found, by_walks, rtol=1e-12)
    single = nest(function, order)(np.float32(x))
    assert type(single) is np.float32
    np.testing.assert_allclose(single, by_walks, rtol=1e-4)


def test_nested_grad_traces_the_function_once():
    calls = []
    nest(lambda x: calls.append(0) or np.sin(x), 5)(1.0)
    assert len(calls) == 1


def test_nested_grad_of_what_closes_over_a_traced_number():
    slope = grad(lambda y: nest(lambda x: np.sin(x * y), 3)(0.5))(2.0)
    np.testing.assert_allclose(slope, -3 * 4 * np.cos(1.0) + 8 * 0.5 * np.sin(1.0), rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.stack([x, x]), "grad: .*scalar"),
        (lambda x: (x, x), "grad: .*"),
        (lambda x: 3, "grad: .*i64"),
        (lambda x: x * 1j, "grad: .*c128"),
    ],
)
def test_nested_grad_refuses_what_grad_refuses(function, message):
    with pytest.raises(TypeError, match=message):
        nest(function, 4)(1.0)


def test_orders_whose_factorial_is_infinite():
    assert taylor(lambda x: 1 / (1 - x), 0.0, 200)[-1] == 1.0
    for call in (
        lambda: taylor(np.exp, 0.0, 171, derivatives=True),
        lambda: jet(np.exp, (0.0,), ([1.0] + [None] * 170,)),
    ):
        with pytest.raises(ValueError, match="derivatives must be of order 170 at most; got 171"):
            call()
