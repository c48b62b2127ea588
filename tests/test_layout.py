"""Arrays with a long axis before a short last one are computed transposed: where, and that nobody sees it."""

import numpy as np
import pytest

from autotrace import check_jaxpr, grad, hessian, jacrev, jit, vmap
from autotrace.compile import layout

RNG = np.random.default_rng(0)
POINTS, CENTRES, WEIGHTS = RNG.normal(size=(1_000, 3)), RNG.normal(size=(4, 3)), RNG.normal(size=(3, 3))


def shapes(f, *args):
    """The shapes of what the compiled program computes, by primitive."""
    jaxpr = jit(f).lower(*args).compile().jaxpr
    check_jaxpr(jaxpr)
    return [(e.primitive.name, v.aval.shape) for e in jaxpr.equations for v in e.outputs]


def distances(x, c):
    return np.sum((x[:, None, :] - c) ** 2, axis=-1)


def softmax(x, c):
    z = x @ c.T
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def rotated(x, c):
    a, b, d = x[:, 0], x[:, 1], x[:, 2]
    return np.stack([a * np.cos(d), b * np.sin(d), a - b], axis=1) @ c.T


FUNCTIONS = {
    "distances": distances,
    "nearest": lambda x, c: np.min(distances(x, c), axis=1),
    "farthest index": lambda x, c: np.argmax(distances(x, c), axis=1),
    "softmax": softmax,
    "rotated": rotated,
    "outer": lambda x, c: x[:, :, None] * x[:, None, :],
    "quadratic": lambda x, c: np.einsum("ni,ij,nj->n", x, WEIGHTS, x),
    "batched": lambda x, c: np.einsum("kd,nkd->nk", c, x[:, None, :] - c),
    "concatenated": lambda x, c: np.concatenate([x[:, None] * c, np.sin(x)[:, None] - c], axis=1),
    "transposed": lambda x, c: (x @ c.T).T * np.sum(x, axis=1),
    "twice": lambda x, c: (softmax(x, c), softmax(x, c).T, np.cumsum(softmax(x, c), axis=1)),
    "gathered": lambda x, c: softmax(x, c)[:, [2, 0]] + softmax(x, c)[3, :2],
    "where": lambda x, c: np.where(distances(x, c) > 1.0, x @ c.T, 0.0),
    "float32": lambda x, c: softmax(x.astype(np.float32), c.astype(np.float32)),
    "per point": lambda x, c: vmap(lambda p: np.tanh(WEIGHTS @ p) * p[0] + p[1] * p[2])(x),
    "flattened": lambda x, c: softmax(x, c).ravel(),
}


def test_results_share_no_memory():
    compiled = jit(FUNCTIONS["twice"])
    for _ in range(40):
        results = compiled(POINTS, CENTRES)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(results) for b in results[:i])


def listed(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_those_of_numpy(name):
    f = FUNCTIONS[name]
    expected = f(POINTS, CENTRES)
    compiled = jit(f)
    for _ in range(40):
        got = compiled(POINTS, CENTRES)
    for a, b in zip(listed(got), listed(expected), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5 if name == "float32" else 1e-12, atol=1e-12)


@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_arguments_may_lie_in_any_order(order):
    x = np.repeat(POINTS, 2, axis=0)[::2] if order == "strided" else np.array(POINTS, order=order)
    before = x.copy()
    for f in FUNCTIONS.values():
        for got, expected in zip(
            listed(jit(f).lower(x, CENTRES).compile()(x, CENTRES)), listed(f(POINTS, CENTRES)), strict=True
        ):
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", ["distances", "softmax", "rotated", "quadratic", "batched", "per point", "where"])
def test_derivatives_are_the_interpreted_ones(name):
    def loss(c, x):
        return np.sum(np.sin(FUNCTIONS[name](x, c)))

    for derivative in (grad(loss), grad(loss, 1), lambda c, x: hessian(loss)(c, x[:200])):
        expected = derivative(CENTRES, POINTS)
        compiled = jit(derivative)
        for _ in range(30):
            got = compiled(CENTRES, POINTS)
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


def test_what_is_computed_has_the_long_axis_last():
    assert ("sub", (4, 3, 1_000)) in shapes(distances, POINTS, CENTRES)
    assert ("reduce_sum", (4, 1_000)) in shapes(distances, POINTS, CENTRES)
    assert ("exp", (4, 1_000)) in shapes(softmax, POINTS, CENTRES)
    jacobians = shapes(vmap(jacrev(lambda p: np.stack([p[0] * np.sin(p[1]), p[1] / p[2]]))), POINTS)
    assert not any(shape[-1] < 4 for name, shape in jacobians if len(shape) > 1 and name in ("mul", "div", "embed_sum"))


@pytest.mark.parametrize("shape", [(100, 3), (1_000, 200), (300, 50), (100_000, 3), (0, 3), (3, 1_000)])
def test_other_arrays_stay_as_they_are(shape):
    x = np.ones(shape)
    names = [name for name, _ in shapes(lambda x: np.exp(x - np.max(x, axis=1, keepdims=True, initial=0.0)), x)]
    assert "laid_out" not in names
    assert "transpose" not in names


def test_elementwise_work_on_arguments_is_not_turned():
    names = [name for name, _ in shapes(lambda x: np.tanh(x) * x, POINTS)]
    assert names == ["tanh", "mul"]


def test_short_stacks_of_vectors_are_multiplied_elementwise():
    def rows(x, c):
        y = np.tanh(x @ c.T)
        return np.einsum("nk,nk->n", y, y)

    assert "einsum" in [name for name, _ in shapes(rows, POINTS[:100], CENTRES)[1:]]
    assert [name for name, _ in shapes(rows, POINTS, CENTRES)][-2:] == ["mul", "reduce_sum"]


def test_the_order_that_is_wanted():
    def wanted(*shape):
        return layout._wanted(jit(np.sin).lower(np.zeros(shape)).jaxpr.in_vars[0].aval)

    assert wanted(1_000, 3) == (1, 0)
    assert wanted(4, 1_000, 3) == (0, 2, 1)
    assert wanted(1_000, 4, 3) == (1, 2, 0)
    assert wanted(1_000, 1_000, 3) == (1, 2, 0)
    assert wanted(3, 1_000) is None
    assert wanted(1_000) is None
    assert wanted(1_000, 0) is None
