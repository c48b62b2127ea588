"""Words over the transforms, up to three letters, on functions chosen to confuse them.

A letter turns a scalar function of a tree into another one, so letters compose to words. Each word is
compared with its first letter's plain meaning (a central difference, a loop) of the word without that
letter: by induction over the length every word is right. To add a transform, add a letter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest

from autotrace import (
    check_jaxpr,
    cond,
    custom_jvp,
    custom_vjp,
    custom_vmap,
    eval_jaxpr,
    fori_loop,
    grad,
    jacfwd,
    jacrev,
    jit,
    jvp,
    linear_call,
    linearize,
    make_jaxpr,
    scan,
    value_and_grad,
    vjp,
    vmap,
    while_loop,
)
from autotrace.compile import program
from autotrace.compile.simplify import simplify
from autotrace.errors import ConcretizationTypeError
from autotrace.test_util import numerical_jvp, random_like
from autotrace.tree import register_dataclass, tree_leaves, tree_map

Function = Callable[[Any], Any]
SCALES = (0.5, 1.25)
WEIGHTS = (2.0, -0.75)

# -- the letters: what they do, and what that means ----------------------------------------------------


def by_grad(f: Function, direction: Any) -> Function:
    """The slope along a direction, from the gradient."""

    def slope(x: Any) -> Any:
        pairs = zip(tree_leaves(grad(f)(x)), tree_leaves(direction), strict=True)
        return sum(np.sum(g * np.asarray(d)) for g, d in pairs if g.dtype.kind in "fc")

    return slope


def by_jvp(f: Function, direction: Any) -> Function:
    """The slope along a direction, from forward mode."""
    return lambda x: jvp(f, (x,), (direction,))[1]


def by_difference(f: Function, direction: Any) -> Function:
    """The slope along a direction, from values."""
    return lambda x: numerical_jvp(f, (x,), (direction,))


def by_vmap(f: Function, direction: Any) -> Function:
    """A weighted sum of values at multiples of the argument, as one batch."""

    def batched(x: Any) -> Any:
        rows = tree_map(lambda leaf: np.stack([leaf * c for c in SCALES]) if _moves(leaf) else leaf, x)
        axes = tree_map(lambda leaf: 0 if _moves(leaf) else None, x)
        return np.sum(vmap(f, in_axes=(axes,))(rows) * np.array(WEIGHTS))

    return batched


def by_loop(f: Function, direction: Any) -> Function:
    """The same sum, one after the other."""

    def scaled(x: Any, c: float) -> Any:
        return tree_map(lambda leaf: leaf * c if _moves(leaf) else leaf, x)

    return lambda x: sum(w * f(scaled(x, c)) for c, w in zip(SCALES, WEIGHTS, strict=True))


def by_jit(f: Function, direction: Any) -> Function:
    """The same function, compiled."""
    return jit(f)


def by_itself(f: Function, direction: Any) -> Function:
    """The same function."""
    return f


def _moves(leaf: Any) -> bool:
    return (not hasattr(leaf, "dtype") and isinstance(leaf, float)) or (
        hasattr(leaf, "dtype") and leaf.dtype.kind in "fc"
    )


LETTERS: dict[str, tuple[Callable[[Function, Any], Function], Callable[[Function, Any], Function]]] = {
    "grad": (by_grad, by_difference),
    "jvp": (by_jvp, by_difference),
    "vmap": (by_vmap, by_loop),
    "jit": (by_jit, by_itself),
}
WORDS = [word for length in (1, 2, 3) for word in product(LETTERS, repeat=length)]

# -- the functions -----------------------------------------------------------------------------------


@register_dataclass
@dataclass
class Layer:
    weight: Any
    bias: Any


def used_twice(x: Any) -> Any:
    y = np.sin(x) * x
    return np.sum(y * x + y)


def closes_over_in_grad(x: Any) -> Any:
    return np.sum(grad(lambda y: np.sum(x * y**3))(x * 1.5) * x)


def closes_over_in_jvp(x: Any) -> Any:
    return np.sum(jvp(lambda y: y * np.sin(x * y), (np.cos(x),), (x,))[1])


def closes_over_in_vmap(x: Any) -> Any:
    return np.sum(vmap(lambda row: np.sum(np.exp(row * 0.3) * x))(np.outer(x, x)))


def nested_scalar(x: Any) -> Any:
    return x * grad(lambda y: x * y + np.sin(x * y) * grad(lambda z: z * x * y)(y))(x)


def branches(x: Any) -> Any:
    y = x * 1.0
    for i in range(3):
        y = y * y - x[i] if y[i] > 0 else np.sin(y) + x[i]
    return np.sum(y)


def newton(x: Any) -> Any:
    root = x
    while np.abs(root * root - x) > 1e-13:
        root = 0.5 * (root + x / root)
    return root


def mixed_dtypes(tree: Any) -> Any:
    return np.sum(tree["wide"] * tree["narrow"].astype(np.float64) ** 2) + np.sum(np.tanh(tree["wide"])) * 0.5


def integer_leaf(tree: Any) -> Any:
    return np.sum(tree["w"] ** tree["n"]) * tree["n"] + np.sum(tree["w"][tree["n"] - 2 :])


def layers(tree: Any) -> Any:
    x = np.array([0.3, -0.7])
    for layer in tree:
        x = np.tanh(layer.weight @ x + layer.bias)
    return np.sum(x * x)


def contractions(x: Any) -> Any:
    a = np.reshape(np.concatenate([x, x[::-1] * 2.0]), (2, 4))
    b = np.einsum("ij,kj->ik", a, a)
    return np.einsum("ij,ji,i->", b, b[::-1], a[:, 1]) * 0.1 + np.sum(a[[0, 1, 1], [3, 0, 0]] ** 2)


def choices(x: Any) -> Any:
    y = np.where(x > 0.11, np.exp(x * 0.5), x**2)
    return np.sum(np.maximum(y, x) * np.clip(x, -0.9, 5.0)) + np.max(y * y) - np.min(x)


def scans(x: Any) -> Any:
    return np.sum(np.cumsum(x) * np.cumprod(x)) + np.prod(x + 2.0) - np.sum(np.mean(x) * x)


def complex_inside(x: Any) -> Any:
    z = np.exp(1j * x) * (1.0 + 0.5j)
    return np.sum(np.real(z * z) * np.imag(z)) + np.abs(np.sum(z))


def shapes(x: Any) -> Any:
    y = np.stack([x, x * x], axis=1)
    z = np.broadcast_to(y[:, None, :], (4, 3, 2)).T
    return np.sum(np.squeeze(z[1:, :, 1:2]) * np.sum(z, axis=(0, 1), keepdims=True)[0, 0, 1]) + np.sum(
        np.swapaxes(z, 0, 2)[..., 0]
    )


def constant(x: Any) -> Any:
    return np.float64(3.0)


@custom_jvp
def ruled_forward(x: Any) -> Any:
    return np.sin(x) * x


@ruled_forward.defjvp
def ruled_forward_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (dx,) = primals, tangents
    return ruled_forward(x), (np.cos(x) * x + np.sin(x)) * dx


@custom_vjp
def ruled_backward(x: Any, y: Any) -> Any:
    return np.exp(x * 0.5) * y, np.sum(y)


ruled_backward.defvjp(
    lambda x, y: ((np.exp(x * 0.5) * y, np.sum(y)), {"x": x, "y": y}),
    lambda kept, cts: (
        0.5 * np.exp(kept["x"] * 0.5) * kept["y"] * cts[0],
        np.exp(kept["x"] * 0.5) * cts[0] + cts[1],
    ),
)


@custom_vmap
def ruled_batch(x: Any) -> Any:
    return np.sum(x * x) * x


@ruled_batch.def_vmap
def ruled_rows(size: int, batched: Any, x: Any) -> Any:
    return np.sum(x * x, axis=-1, keepdims=True) * x, True


def ruled_transpose(k: Any, x: Any) -> Any:
    return linear_call(lambda k, x: np.cumsum(x) * k, lambda k, ct: np.cumsum((ct * k)[::-1])[::-1], k, x)


def own_rules(x: Any) -> Any:
    y, total = ruled_backward(ruled_forward(x), x[::-1])
    return np.sum(ruled_batch(y * 0.3) * x) + total * np.sum(ruled_transpose(x[0], ruled_forward(y)))


def looped(tree: Any) -> Any:
    def step(h: Any, x: Any) -> tuple[Any, Any]:
        return np.tanh(tree["w"] * h + x), h * x

    h, ys = scan(step, tree["h"], np.stack([tree["w"], tree["h"] ** 2, tree["w"] * tree["h"]]), reverse=True)
    return np.sum(h * tree["w"]) + np.sum(ys * ys)


def looped_until(x: Any) -> Any:
    def body(state: Any) -> Any:
        n, y = state
        return n + 1, cond(y[0] > 0.37, lambda y: np.sin(y) * x, lambda y: y * 0.7 - 0.1 * x[0], y)

    n, y = while_loop(lambda state: np.sum(state[1] ** 2) > 0.05 * state[0], body, (0, x))
    return np.sum(y * y) * n + np.sum(fori_loop(0, 3, lambda i, z: z * x + i, y))


VECTOR = np.array([0.8, -0.6, 1.3, 0.4])
FUNCTIONS: list[tuple[Function, Any]] = [
    (used_twice, VECTOR),
    (closes_over_in_grad, VECTOR),
    (closes_over_in_jvp, VECTOR),
    (closes_over_in_vmap, VECTOR),
    (nested_scalar, 0.7),
    (mixed_dtypes, {"wide": VECTOR, "narrow": np.array([0.5, 1.0, -0.5, 0.25], np.float32)}),
    (integer_leaf, {"w": VECTOR, "n": 3}),
    (
        layers,
        [
            Layer(np.array([[0.4, -0.2], [0.1, 0.9]]), np.array([0.1, 0.0])),
            Layer(np.array([[1.0, 0.3]]), 0.2),
        ],
    ),
    (contractions, VECTOR),
    (choices, VECTOR),
    (scans, VECTOR),
    (complex_inside, VECTOR),
    (shapes, VECTOR),
    (constant, VECTOR),
    (own_rules, VECTOR),
    (branches, VECTOR),
    (newton, 1.7),
    (looped, {"w": VECTOR, "h": VECTOR[::-1] * 0.5}),
    (looped_until, VECTOR),
]
GUARDED = (branches, newton)
SINGLE = (mixed_dtypes,)


def spell(word: tuple[str, ...], f: Function, x: Any) -> Function:
    """The function that the word makes of ``f``; the last letter is applied first."""
    rng = np.random.default_rng(7)
    for letter in reversed(word):
        f = LETTERS[letter][0](f, random_like(x, rng))
    return f


def direction_of(word: tuple[str, ...], x: Any) -> Any:
    """The direction that the first letter of the word was given."""
    rng = np.random.default_rng(7)
    for _ in word:
        direction = random_like(x, rng)
    return direction


@pytest.mark.parametrize("word", WORDS, ids=".".join)
@pytest.mark.parametrize(("f", "x"), FUNCTIONS, ids=[f.__name__ for f, _ in FUNCTIONS])
def test_word(f: Function, x: Any, word: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "RUNS_BEFORE_COMPILING", 0)  # what runs a second time is compiled
    spelled = spell(word, f, x)
    if f in GUARDED and "vmap" in word:
        with pytest.raises(ConcretizationTypeError):
            spelled(x)
        return
    got = spelled(x)
    rounding = 1e-6 if f in SINGLE and "jit" in word else 1e-12  # compiled sums add in another order; float32 has 6e-8
    if "jit" in word:
        np.testing.assert_allclose(spelled(x), got, rtol=rounding, atol=rounding)
    expected = LETTERS[word[0]][1](spell(word[1:], f, x), direction_of(word, x))(x)
    # Differences of a function that has single-precision arguments are no better than their steps.
    np.testing.assert_allclose(got, expected, rtol=2e-3 if f in SINGLE else 1e-7, atol=2e-3 if f in SINGLE else 1e-7)
    jaxpr = make_jaxpr(spelled)(x)
    check_jaxpr(jaxpr)
    for same in (jaxpr, simplify(jaxpr)):
        check_jaxpr(same)
        value = eval_jaxpr(same, *map(np.asarray, tree_leaves(x)))[0]
        np.testing.assert_allclose(value, got, rtol=rounding, atol=rounding)


# -- closed forms --------------------------------------------------------------------------------------


def test_no_perturbation_is_confused() -> None:
    # Siskind and Pearlmutter 2008: d/dx [x d/dy (x + y) at y = 1] = 1, where confusing the two gives 2.
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1] == 1.0
    assert grad(lambda x: x * jvp(lambda y: x * y, (3.0,), (1.0,))[1])(2.0) == 4.0
    assert jvp(lambda x: x * grad(lambda y: x * y)(3.0), (2.0,), (1.0,))[1] == 4.0
    # d/dy (x y^2) at y = x, times x: 2 x^3, so 6 x^2.
    assert grad(lambda x: x * grad(lambda y: x * y * y)(x))(2.0) == 24.0


def test_three_levels_close_over_each_other() -> None:
    def f(x: Any) -> Any:
        return grad(lambda y: grad(lambda z: x * y * y * z**3)(y) * x)(x)

    # x * 3 y^2 y^2 x = 3 x^2 y^4; its derivative in y, with the y inside counted too, at y = x is 12 x^5.
    assert f(1.5) == pytest.approx(12 * 1.5**5)
    assert grad(f)(1.5) == pytest.approx(60 * 1.5**4)
    assert grad(grad(f))(1.5) == pytest.approx(240 * 1.5**3)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_high_derivatives(order: int) -> None:
    f = np.sin
    for _ in range(order):
        f = grad(f)
    assert f(0.6) == pytest.approx(np.sin(0.6 + order * np.pi / 2), abs=1e-14)


@pytest.mark.parametrize(
    "word", list(product([grad, jacfwd, jacrev], repeat=3)), ids=lambda w: ".".join(t.__name__ for t in w)
)
def test_third_derivatives_in_every_mode(word: Any) -> None:
    f: Any = lambda x: np.exp(2 * x) * x  # noqa: E731
    for transform in word:
        f = transform(f)
    assert f(0.3) == pytest.approx((8 * 0.3 + 12) * np.exp(0.6))


def test_hessians_agree() -> None:
    def f(x: Any) -> Any:
        return np.prod(x) + np.sum(np.sin(x)) * x[0]

    x = VECTOR
    expected = jacfwd(jacrev(f))(x)
    for outer, inner in product([jacfwd, jacrev], repeat=2):
        np.testing.assert_allclose(outer(inner(f))(x), expected, rtol=1e-13)
    np.testing.assert_allclose(expected, expected.T, rtol=1e-13)
    rows = vmap(lambda v: jvp(grad(f), (x,), (v,))[1])(np.eye(4))
    np.testing.assert_allclose(rows, expected, rtol=1e-13)


def test_vmap_of_vmap_in_every_pair_of_axes() -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.arange(6.0, 12.0).reshape(3, 2)
    got = vmap(vmap(lambda a, b: a * b, in_axes=(None, 0)), in_axes=(0, None))(x[:, 0], y[0])
    np.testing.assert_array_equal(got, np.outer(x[:, 0], y[0]))
    for axis_x, axis_y, out in product((0, 1, -1), (0, 1, -2), (0, 1, -1)):
        first, second = np.moveaxis(x, axis_x, 0), np.moveaxis(y, axis_y, 0)
        if len(first) != len(second):
            continue
        expected = np.stack([np.outer(a, b) for a, b in zip(first, second, strict=True)], axis=out)
        got = vmap(np.outer, in_axes=(axis_x, axis_y), out_axes=out)(x, y)
        np.testing.assert_array_equal(got, expected)


def test_vmap_maps_arrays_and_their_indices() -> None:
    x, i = np.arange(12.0).reshape(3, 4), np.array([[0, 1], [3, 3], [2, -1]])
    np.testing.assert_array_equal(vmap(lambda row, at: row[at])(x, i), [row[at] for row, at in zip(x, i, strict=True)])
    np.testing.assert_array_equal(
        vmap(lambda row, at: row[at])(x, i[:, 0]), [row[at] for row, at in zip(x, i[:, 0], strict=True)]
    )
    np.testing.assert_array_equal(vmap(lambda at: vmap(lambda row: row[at])(x))(i), np.stack([x[:, at] for at in i]))
    slopes = vmap(grad(lambda row, at: np.sum(row[at] ** 2)))(x, i)
    expected = np.stack([grad(lambda row, at=at: np.sum(row[at] ** 2))(row) for row, at in zip(x, i, strict=True)])
    np.testing.assert_array_equal(slopes, expected)


def test_vmap_of_a_function_that_ignores_its_argument() -> None:
    np.testing.assert_array_equal(vmap(lambda x: 2.0)(np.zeros(3)), [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(vmap(grad(lambda x: np.float64(2.0)))(np.ones(3)), np.zeros(3))


def test_a_batch_of_none() -> None:
    assert vmap(grad(lambda x: np.sum(np.sin(x) * x[0])))(np.zeros((0, 3))).shape == (0, 3)


def test_per_example_gradients() -> None:
    rng = np.random.default_rng(0)
    w, xs, ys = rng.normal(size=(3, 2)), rng.normal(size=(5, 2)), rng.normal(size=(5, 3))

    def loss(w: Any, x: Any, y: Any) -> Any:
        return np.sum((np.tanh(w @ x) - y) ** 2)

    got = vmap(grad(loss), in_axes=(None, 0, 0))(w, xs, ys)
    np.testing.assert_allclose(got, np.stack([grad(loss)(w, x, y) for x, y in zip(xs, ys, strict=True)]), rtol=1e-12)
    total = grad(lambda w: np.sum(vmap(loss, in_axes=(None, 0, 0))(w, xs, ys)))(w)
    np.testing.assert_allclose(total, got.sum(axis=0), rtol=1e-12)


def test_pullbacks_and_linear_maps_compose() -> None:
    def f(x: Any) -> Any:
        return np.sin(x) * x[0]

    def through_pullback(x: Any) -> Any:
        y, pullback = vjp(f, x)
        return np.sum(pullback(y)[0])

    def through_linear_map(x: Any) -> Any:
        y, mapping = linearize(f, x)
        return np.sum(mapping(x) * y)

    for g in (through_pullback, through_linear_map):
        direction = np.array([0.3, 1.0, -0.2, 0.5])
        value, slope = jvp(g, (VECTOR,), (direction,))
        np.testing.assert_allclose(value, g(VECTOR), rtol=1e-14)
        np.testing.assert_allclose(slope, numerical_jvp(g, (VECTOR,), (direction,)), rtol=1e-8)
        np.testing.assert_allclose(value_and_grad(g)(VECTOR)[1] @ direction, slope, rtol=1e-12)
