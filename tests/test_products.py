"""Second derivatives and their products against the Hessian that is written out."""

import re

import numpy as np
import pytest
import scipy.sparse

from autotrace import (
    Pattern,
    custom_jvp,
    diag_hessian,
    ggnvp,
    grad,
    hessian,
    hessian_pattern,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jit,
    jvp,
    laplacian,
    vhp,
    vmap,
)
from autotrace.transforms.products import _second
from tests.laws import assert_same

RNG = np.random.default_rng(7)
A = RNG.normal(size=(4, 9)) / 3
X, V = RNG.normal(size=9), RNG.normal(size=9)


def dense(x):
    return np.sum(np.tanh(A @ x) ** 2)


def banded(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def separable(x):
    return np.sum(np.exp(x) * x)


def linear(x):
    return np.sum(2.0 * x)


FUNCTIONS = [dense, banded, separable, linear]


def reference(f, x):
    return jacfwd(jacrev(f))(x)


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse", "sparse"])
def test_hessian(f, mode):
    got = hessian(f, mode=mode)
    assert_same(got(X), reference(f, X), mode)
    assert_same(jit(got)(X), reference(f, X), f"jit {mode}")
    assert_same(vmap(got)(np.stack([X, V])), np.stack([reference(f, X), reference(f, V)]), f"vmap {mode}")


def test_a_sparse_hessian_has_symmetric_colours():
    x = RNG.normal(size=500)
    plan = hessian(banded).plan(x)
    assert (plan.mode, plan.coloring.symmetric, plan.coloring.columns) == ("sparse", True, 3)
    assert "hessian of banded: R^500 -> R^500" in hessian(banded).explain(x)
    got = hessian(banded, format="csr")(x)
    assert isinstance(got, scipy.sparse.csr_array)
    assert_same(got.toarray(), reference(banded, x), "csr")
    assert_same(plan(x + 1), reference(banded, x + 1), "plan")


def test_hessians_of_vectors_and_trees():
    assert_same(hessian(lambda x: np.tanh(A @ x))(X), reference(lambda x: np.tanh(A @ x), X), "vector")
    tree = {"a": X[:3], "b": 2.0, "n": 3}

    def f(t):
        return np.sum(np.sin(t["a"]) * t["b"]) * t["n"]

    assert_same(hessian(f)(tree), reference(f, tree), "tree")

    def g(x, y):
        return np.sum(x * x) * y

    assert_same(hessian(g, argnums=(0, 1))(X, 2.0), jacfwd(jacrev(g, (0, 1)), (0, 1))(X, 2.0), "argnums")
    value, aux = hessian(lambda x: (np.sum(x**3), "told"), has_aux=True)(X)
    assert aux == "told"
    assert_same(value, np.diag(6 * X), "aux")


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("wrap", [lambda f: f, jit])
def test_products_with_vectors(f, wrap):
    expected = reference(f, X) @ V
    assert_same(wrap(hvp(f))(X, V), expected, "hvp")
    assert_same(wrap(vhp(f))(X, V), expected, "vhp")
    assert_same(wrap(diag_hessian(f))(X), np.diag(reference(f, X)), "diag")
    assert_same(wrap(laplacian(f))(X), np.trace(reference(f, X)), "laplacian")


def test_products_of_trees_and_several_arguments():
    def f(t, y):
        return np.sum(np.sin(t["a"]) * t["b"]) * y**2

    t, v = {"a": X[:3], "b": 2.0}, {"a": V[:3], "b": 1.0}
    assert_same(vhp(f)(t, 1.5, v), hvp(f)(t, 1.5, v), "tree")
    assert_same(vhp(f, argnums=(0, 1))(t, 1.5, (v, 0.5)), hvp(f, argnums=(0, 1))(t, 1.5, (v, 0.5)), "several")
    blocks = hessian(f)(t, 1.5)
    assert_same(diag_hessian(f)(t, 1.5)["a"], np.diag(blocks["a"]["a"]), "diag a")
    assert_same(diag_hessian(f)(t, 1.5)["b"], blocks["b"]["b"], "diag b")
    assert_same(laplacian(f)(t, 1.5), np.trace(blocks["a"]["a"]) + blocks["b"]["b"], "laplacian")
    assert_same(diag_hessian(f, argnums=1)(t, 1.5), hessian(f, argnums=1)(t, 1.5), "argnums")


@pytest.mark.parametrize("size", [1, 3, 64, 65, 130])
def test_the_diagonal_of_a_dense_hessian_of_any_size(size):
    x = RNG.normal(size=size)

    def f(x):
        return np.sum(np.sin(x)) ** 2

    assert_same(diag_hessian(f)(x), np.diag(reference(f, x)), "diag")
    assert_same(laplacian(f)(x), np.trace(reference(f, x)), "laplacian")
    assert_same(grad(laplacian(f))(x), grad(lambda x: np.trace(reference(f, x)))(x), "grad")
    assert_same(jvp(diag_hessian(f), (x,), (x,))[1], jvp(lambda x: np.diag(reference(f, x)), (x,), (x,))[1], "jvp")


def test_gauss_newton():
    def model(x):
        return np.tanh(A @ x)

    def loss(y):
        return np.sum(np.exp(y) * y)

    J, H = jacobian(model)(X), hessian(loss)(model(X))
    assert_same(ggnvp(model, loss)(X, V), J.T @ H @ J @ V, "ggnvp")
    assert_same(jit(ggnvp(model, loss))(X, V), J.T @ H @ J @ V, "jit")
    many = vmap(ggnvp(model, loss), in_axes=(None, 0))(X, np.eye(9))
    assert_same(many, J.T @ H @ J, "vmap")
    pair = ggnvp(lambda x, w: {"u": w * (A @ x)}, lambda y: loss(y["u"]))(X, 2.0, V)
    assert_same(pair, 4 * A.T @ hessian(loss)(2 * A @ X) @ A @ V, "trees, further arguments")


BAD = {
    "hvp without a vector": (
        lambda: hvp(dense)(X),
        TypeError,
        "hvp: the arguments must be followed by the vector; got 1 of them. Write hvp(f)(x, v).",
    ),
    "vhp without a vector": (
        lambda: vhp(dense)(X),
        TypeError,
        "vhp: the arguments must be followed by the vector; got 1 of them. Write vhp(f)(x, v).",
    ),
    "vhp of another tree": (
        lambda: vhp(dense)(X, [V]),
        TypeError,
        "vhp: the vector must have the structure of the argument, PyTreeDef((*,)); got PyTreeDef(([*],)). Give "
        "an array "
        "for each of the argument.",
    ),
    "vhp of another shape": (
        lambda: vhp(dense)(X, V[:3]),
        ValueError,
        "vhp: a tangent must have the shape of its value, f64[9]; got shape (3,). Broadcast it with np.broadcast_to.",
    ),
    "no loss": (
        lambda: ggnvp(dense, 3.0),
        TypeError,
        "ggnvp: the second argument must be a function; got float. Write ggnvp(model, loss)(x, v).",
    ),
    "diagonal of a vector": (
        lambda: diag_hessian(np.sin)(X),
        TypeError,
        "diag_hessian: the function must return one real scalar; got f64[9]. Sum it.",
    ),
    "laplacian of integers": (
        lambda: laplacian(np.sum)(np.arange(3)),
        TypeError,
        "laplacian: arguments to differentiate must be real, of one floating-point dtype; got i64[3]. Convert "
        "them with "
        "astype.",
    ),
    "mode": (
        lambda: hessian(dense, mode="fast"),
        ValueError,
        "hessian: mode must be one of auto, forward, reverse, mixed, elimination, sparse, or a plan; got 'fast'. Use "
        "'auto'.",
    ),
    "a missing entry": (
        lambda: hessian(banded, sparsity=np.eye(9), check_sparsity=True, mode="sparse")(X),
        ValueError,
        "hessian: with check_sparsity=True the pattern must have every entry that may be nonzero; got one of 9 entries "
        "that lacks 16, the first at row 0, column 1. Use hessian_pattern(banded).",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    call, kind, message = BAD[name]
    with pytest.raises(kind, match=re.escape(message)):
        call()


@pytest.mark.parametrize("f", FUNCTIONS)
def test_both_ways_to_a_laplacian(f):
    second = _second("laplacian", f, (X,), {}, None, None)
    for way in (second.sum_of_curvatures, second.sum_of_products):
        assert_same(way(second.primals, [np.eye(9)]), np.trace(reference(f, X)), way.__name__)


def test_rules_of_the_users_may_break_the_symmetry_of_a_hessian():
    @custom_jvp
    def sine(x):
        return np.sin(x)

    @sine.defjvp
    def _(primals, tangents):
        (x,) = primals
        return sine(x), np.concatenate([2.0 * x[1:], x[:1]]) * tangents[0]

    def f(x):
        return np.sum(sine(x))

    x = np.arange(1.0, 41.0)
    expected = jacfwd(jacrev(f))(x)
    assert np.any(expected != expected.T)
    for mode in ("auto", "forward", "sparse"):
        assert np.array_equal(hessian(f, mode=mode)(x), expected)
    assert np.array_equal(diag_hessian(f)(x), np.diag(expected))
    assert hessian_pattern(f)(x).covers(Pattern.of(expected != 0))
