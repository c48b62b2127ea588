"""Structured control flow against plain Python loops: words over the transforms, edges, errors and promises.

Each subject is written twice: with ``scan``, ``while_loop``, ``cond`` and the like, and as a plain Python loop. A
letter turns a scalar function into another one; the same word must make the same of both.
"""

import gc
import itertools
import threading
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autotrace as at
from autotrace import (
    check_jaxpr,
    checkpoint,
    cond,
    eval_jaxpr,
    fori_loop,
    grad,
    jacfwd,
    jacrev,
    jet,
    jit,
    jvp,
    linear_transpose,
    linearize,
    make_jaxpr,
    scan,
    switch,
    vjp,
    vmap,
    while_loop,
)
from autotrace.compile import program
from autotrace.errors import LoopMemoryError, UnexpectedTracerError
from autotrace.tracing import current_trace
from autotrace.tree import tree_leaves, tree_map

Function = Callable[[Any], Any]
Pair = namedtuple("Pair", "position speed")
RNG = np.random.default_rng(5)
MATRIX = RNG.normal(size=(3, 3)) * 0.4
ROWS = RNG.normal(size=(5, 3))
X = np.array([0.7, -0.4, 1.2])
DIRECTION = np.array([0.3, 1.0, -0.5])
SCALES = (0.6, 1.3, -0.9)
WEIGHTS = np.array([2.0, -0.75, 0.4])

# -- the letters: scalar function of a vector -> scalar function of a vector ---------------------------


def by_jvp(f: Function) -> Function:
    return lambda x: jvp(f, (x,), (DIRECTION,))[1]


def by_grad(f: Function) -> Function:
    return lambda x: grad(f)(x) @ DIRECTION


def by_jacfwd(f: Function) -> Function:
    return lambda x: jacfwd(f)(x) @ DIRECTION


def by_jacrev(f: Function) -> Function:
    return lambda x: jacrev(f)(x) @ DIRECTION


def by_vmap(f: Function) -> Function:
    return lambda x: vmap(f)(np.stack([x * c for c in SCALES])) @ WEIGHTS


def by_loop(f: Function) -> Function:
    return lambda x: sum(w * f(x * c) for c, w in zip(SCALES, WEIGHTS, strict=True))


def by_linearize(f: Function) -> Function:
    return lambda x: linearize(f, x)[1](DIRECTION)


def by_transpose(f: Function) -> Function:
    return lambda x: linear_transpose(linearize(f, x)[1], x)(np.float64(1.0))[0] @ DIRECTION


def by_jet(f: Function) -> Function:
    return lambda x: jet(f, (x,), ((DIRECTION,),))[1][0]


LETTERS: dict[str, tuple[Callable[[Function], Function], Callable[[Function], Function]]] = {
    "jvp": (by_jvp, by_jvp),
    "grad": (by_grad, by_grad),
    "jacfwd": (by_jacfwd, by_jacfwd),
    "jacrev": (by_jacrev, by_jacrev),
    "vmap": (by_vmap, by_loop),
    "jit": (jit, lambda f: f),
    "checkpoint": (checkpoint, lambda f: f),
    "linearize": (by_linearize, by_linearize),
    "linear_transpose": (by_transpose, by_transpose),
    "jet": (by_jet, by_jet),
}
SHORT = [word for length in (1, 2) for word in itertools.product(LETTERS, repeat=length)]
LONG = list(itertools.product(LETTERS, repeat=3))

# -- the subjects, each in two spellings ---------------------------------------------------------------


def rnn(x: Any) -> Any:
    def step(h: Any, row: Any) -> tuple[Any, Any]:
        h = np.tanh(MATRIX @ h + row * x)
        return h, np.sum(h) * row[0]

    h, ys = scan(step, x, ROWS)
    return np.sum(h) + np.sum(ys * ys)


def rnn_plain(x: Any) -> Any:
    h, total = x, 0.0
    for row in ROWS:
        h = np.tanh(MATRIX @ h + row * x)
        total = total + (np.sum(h) * row[0]) ** 2
    return np.sum(h) + total


def backwards(x: Any) -> Any:
    def step(carry: Any, row: Any) -> tuple[Any, Any]:
        new = {"a": carry["a"] * np.sin(row["k"]) + x[0], "n": carry["n"] + 1, "nothing": None}
        return new, (carry["a"], row["k"], x)

    end, ys = scan(step, {"a": x[1], "n": 0, "nothing": None}, {"k": np.outer(ROWS[:, 0], x)[:, 2]}, reverse=True)
    weights = np.arange(1.0, 6.0)
    return end["a"] * end["n"] + np.sum(ys[0] * weights) + np.sum(ys[1] ** 2 * weights) + np.sum(ys[2] * ROWS)


def backwards_plain(x: Any) -> Any:
    a, total = x[1], 0.0
    k = ROWS[:, 0] * x[2]
    for i in reversed(range(5)):
        total = total + a * (i + 1.0) + k[i] ** 2 * (i + 1.0) + np.sum(x * ROWS[i])
        a = a * np.sin(k[i]) + x[0]
    return a * 5 + total


def unrolled(x: Any) -> Any:
    carry, ys = scan(lambda c, row: (np.cos(c) * row + x, c * row), x * x, ROWS, unroll=2, reverse=True)
    again, zs = scan(lambda c, row: (np.cos(c) * row + x, c * row), carry, ROWS, unroll=True)
    return np.sum(carry * again) + np.sum(ys * ys * ROWS) + np.sum(zs * ROWS)


def unrolled_plain(x: Any) -> Any:
    c, total = x * x, 0.0
    for row in ROWS[::-1]:
        total = total + np.sum((c * row) ** 2 * row)
        c = np.cos(c) * row + x
    first = c
    for row in ROWS:
        total = total + np.sum(c * row * row)
        c = np.cos(c) * row + x
    return np.sum(first * c) + total


def halving(x: Any) -> Any:
    def body(state: Any) -> Any:
        n, y = state
        return n + 1, np.sin(y) * 0.8 + 0.1 * x / (n + 1)

    n, y = while_loop(lambda state: np.sum(state[1] ** 2) > 0.3, body, (0.0, x))
    return np.sum(y * x) * n


def halving_plain(x: Any) -> Any:
    n, y = 0.0, x
    while np.sum(y**2) > 0.3:
        n, y = n + 1, np.sin(y) * 0.8 + 0.1 * x / (n + 1)
    return np.sum(y * x) * n


def newton(x: Any) -> Any:
    a = np.sum(x * x) + 1.0
    root = while_loop(lambda r: np.abs(r * r - a) > 1e-12, lambda r: 0.5 * (r + a / r), a)
    return root * x[0]


def newton_plain(x: Any) -> Any:
    a = np.sum(x * x) + 1.0
    root = a
    while np.abs(root * root - a) > 1e-12:
        root = 0.5 * (root + a / root)
    return root * x[0]


def counted(x: Any) -> Any:
    n = np.where(x[0] > 0, 3, 1)
    y = fori_loop(0, n, lambda i, y: y * x + i, x)
    return np.sum(fori_loop(1, 4, lambda i, z: z * np.sin(x) / i, y))


def counted_plain(x: Any) -> Any:
    y = x
    for i in range(3 if x[0] > 0 else 1):
        y = y * x + i
    for i in range(1, 4):
        y = y * np.sin(x) / i
    return np.sum(y)


def choosing(x: Any) -> Any:
    y = cond(x[0] > 0.5, lambda v: np.exp(v) * x[1], lambda v: (v * v) @ MATRIX, x)
    z = switch(np.where(x[2] > 0.0, 1, 2), [lambda v: v, lambda v: v * y, lambda v: np.sin(y) + x[0]], x)
    return np.sum(y * z)


def choosing_plain(x: Any) -> Any:
    y = np.exp(x) * x[1] if x[0] > 0.5 else (x * x) @ MATRIX
    z = x * y if x[2] > 0.0 else np.sin(y) + x[0]
    return np.sum(y * z)


def nested(x: Any) -> Any:
    """scan in while in cond."""

    def body(state: Any) -> Any:
        n, y = state
        inner, _ = scan(lambda c, row: (np.sin(c) + row * y, None), y, ROWS[:2])
        return n + 1, inner * 0.5

    def deep(y: Any) -> Any:
        return while_loop(lambda s: s[0] < 2, body, (0, y))[1]

    return np.sum(cond(x[0] > 0.5, deep, lambda y: y**3, x) * x)


def nested_plain(x: Any) -> Any:
    y = x
    if x[0] > 0.5:
        for _ in range(2):
            c = y
            for row in ROWS[:2]:
                c = np.sin(c) + row * y
            y = c * 0.5
    else:
        y = y**3
    return np.sum(y * x)


def while_in_scan(x: Any) -> Any:
    def step(c: Any, row: Any) -> tuple[Any, Any]:
        c = while_loop(lambda v: np.sum(v * v) > 1.0, lambda v: v * 0.7 + 0.1 * np.sin(x), c + row)
        return c, cond(c[0] > 0, lambda v: np.sum(v), lambda v: np.prod(v), c)

    c, ys = scan(step, x, ROWS)
    return np.sum(c) + ys @ np.arange(5.0)


def while_in_scan_plain(x: Any) -> Any:
    c, total = x, 0.0
    for i, row in enumerate(ROWS):
        c = c + row
        while np.sum(c * c) > 1.0:
            c = c * 0.7 + 0.1 * np.sin(x)
        total = total + i * (np.sum(c) if c[0] > 0 else np.prod(c))
    return np.sum(c) + total


def whiles_in_branches(x: Any) -> Any:
    def up(v: Any) -> Any:
        return while_loop(lambda v: np.sum(v) < 3.0, lambda v: v * v + 1.0, v)

    def down(v: Any) -> Any:
        return while_loop(lambda v: np.sum(v) > -3.0, lambda v: v - np.exp(0.1 * v) * x[0] ** 2 - 0.5, v)

    return np.sum(cond(np.sum(x) > 0, up, down, x) * x)


def whiles_in_branches_plain(x: Any) -> Any:
    v = x
    if np.sum(x) > 0:
        while np.sum(v) < 3.0:
            v = v * v + 1.0
    else:
        while np.sum(v) > -3.0:
            v = v - np.exp(0.1 * v) * x[0] ** 2 - 0.5
    return np.sum(v * x)


def differentiated_inside(x: Any) -> Any:
    """grad inside a body, of what closes over the carry and over the outer variable."""

    def step(c: Any, row: Any) -> tuple[Any, Any]:
        return c - 0.1 * grad(lambda v: np.sum(np.sin(v * x) * c) + row @ v)(c), np.sum(c)

    c, ys = scan(step, x * 0.5, ROWS)
    return np.sum(c * c) + np.sum(ys)


def differentiated_inside_plain(x: Any) -> Any:
    c, total = x * 0.5, 0.0
    for row in ROWS:
        total = total + np.sum(c)
        c = c - 0.1 * (np.cos(c * x) * x * c + row)
    return np.sum(c * c) + total


def updated(x: Any) -> Any:
    """In-place updates in a body, of a carried array and of one that is closed over."""
    weights = np.arange(3.0)

    def body(i: Any, state: Any) -> Any:
        state = state.copy()
        state[i] += x[i] * state[(i + 1) % 3]
        state *= 1.0 + weights * 0.1
        return state

    return np.sum(fori_loop(0, 3, body, x * 1.0) ** 2)


def updated_plain(x: Any) -> Any:
    y = [x[0], x[1], x[2]]
    for i in range(3):
        y[i] = y[i] + x[i] * y[(i + 1) % 3]
        y = [v * (1.0 + k * 0.1) for k, v in enumerate(y)]
    return y[0] ** 2 + y[1] ** 2 + y[2] ** 2


def rows_of_all_kinds(x: Any) -> Any:
    """ys that are the carry, a constant, a literal, a row, and one value twice; a carry that nothing uses."""

    def step(carry: Any, row: Any) -> tuple[Any, Any]:
        c, unused, still = carry
        new = c * row + x
        return (new, unused * 2.0, still), (c, x, 1.5, row, new, new, still)

    (end, _, still), ys = scan(step, (x, 1.0, x[0]), np.stack([x, x * 0.5, np.ones(3), x, x * 2.0, x]))
    return sum(np.sum(y * y) * k for k, y in enumerate(ys, 1)) + np.sum(end) * still


def rows_of_all_kinds_plain(x: Any) -> Any:
    c, total = x, 0.0
    for row in (x, x * 0.5, np.ones(3), x, x * 2.0, x):
        new = c * row + x
        for k, y in enumerate((c, x, 1.5, row, new, new, x[0]), 1):
            total = total + np.sum(y * y) * k
        c = new
    return total + np.sum(c) * x[0]


def complex_carry(x: Any) -> Any:
    end, ys = scan(lambda z, row: (z * (1j * row + 0.5) + x, np.abs(z)), x + 0.3j * x, ROWS)
    return np.sum(np.real(end * end)) + np.sum(ys)


def complex_carry_plain(x: Any) -> Any:
    z, total = x + 0.3j * x, 0.0
    for row in ROWS:
        total = total + np.sum(np.abs(z))
        z = z * (1j * row + 0.5) + x
    return np.sum(np.real(z * z)) + total


def mapped(x: Any) -> Any:
    return np.sum(at.map(lambda row: np.tanh(row @ x) * row, ROWS) ** 2) + np.sum(
        at.map(lambda row: np.sin(row * x), ROWS, batch_size=2)
    )


def mapped_plain(x: Any) -> Any:
    return sum(np.sum((np.tanh(row @ x) * row) ** 2) + np.sum(np.sin(row * x)) for row in ROWS)


def associated(x: Any) -> Any:
    def combine(left: Any, right: Any) -> Any:
        (a, b), (c, d) = left, right
        return a * c, b * c + d

    ends = at.associative_scan(combine, (np.tanh(ROWS * x), ROWS + x), reverse=True)
    return np.sum(ends[0] * ROWS) + np.sum(ends[1] ** 2)


def associated_plain(x: Any) -> Any:
    a, b, total = np.ones(3), np.zeros(3), 0.0
    for row in ROWS[::-1]:
        factor, shift = np.tanh(row * x), row + x
        a, b = a * factor, b * factor + shift
        total = total + np.sum(a * row) + np.sum(b**2)
    return total


def never(x: Any) -> Any:
    """Loops that never run."""
    y = while_loop(lambda v: np.sum(v) > 1e9, lambda v: v * np.log(-np.abs(v)), x)
    z, ys = scan(lambda c, row: (c * row, c), x, np.zeros((0, 3)))
    w = fori_loop(2, 2, lambda i, v: v / i, x)
    return np.sum(y * z * w) + np.sum(ys)


def never_plain(x: Any) -> Any:
    return np.sum(x * x * x)


SUBJECTS = [
    (rnn, rnn_plain),
    (backwards, backwards_plain),
    (unrolled, unrolled_plain),
    (halving, halving_plain),
    (newton, newton_plain),
    (counted, counted_plain),
    (choosing, choosing_plain),
    (nested, nested_plain),
    (while_in_scan, while_in_scan_plain),
    (whiles_in_branches, whiles_in_branches_plain),
    (differentiated_inside, differentiated_inside_plain),
    (updated, updated_plain),
    (rows_of_all_kinds, rows_of_all_kinds_plain),
    (complex_carry, complex_carry_plain),
    (mapped, mapped_plain),
    (associated, associated_plain),
    (never, never_plain),
]
NAMES = [f.__name__ for f, _ in SUBJECTS]


def spell(word: tuple[str, ...], f: Function, plain: bool) -> Function:
    """The function that the word makes of ``f``; the last letter is applied first."""
    for letter in reversed(word):
        f = LETTERS[letter][plain](f)
    return f


def assert_word(word: tuple[str, ...], f: Function, plain: Function, checked: bool) -> None:
    expected = spell(word, plain, plain=True)(X)
    spelled = spell(word, f, plain=False)
    got = spelled(X)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)
    if "jit" in word:  # what runs a second time is compiled
        np.testing.assert_allclose(spelled(X), expected, rtol=1e-9, atol=1e-9)
    if checked:
        jaxpr = make_jaxpr(spelled)(X)
        check_jaxpr(jaxpr)
        np.testing.assert_allclose(eval_jaxpr(jaxpr, X)[0], expected, rtol=1e-9, atol=1e-9)


@pytest.fixture
def compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let loops and programs be compiled when they first run."""
    monkeypatch.setattr(program, "RUNS_BEFORE_COMPILING", 0)


@pytest.mark.parametrize("word", SHORT, ids=".".join)
@pytest.mark.parametrize(("f", "plain"), SUBJECTS, ids=NAMES)
def test_word(f: Function, plain: Function, word: tuple[str, ...], compiled_at_once: None) -> None:
    assert_word(word, f, plain, checked=True)


@pytest.mark.parametrize("k", range(12))
@pytest.mark.parametrize(("f", "plain"), SUBJECTS, ids=NAMES)
def test_long_word(f: Function, plain: Function, k: int) -> None:
    word = LONG[int(np.random.default_rng([k, NAMES.index(f.__name__)]).integers(len(LONG)))]
    assert_word(word, f, plain, checked=True)


@pytest.mark.parametrize("word", [("vmap", "vmap", "jacrev"), ("grad", "jacrev", "linearize")], ids=".".join)
@pytest.mark.parametrize(("f", "plain"), SUBJECTS, ids=NAMES)
def test_words_that_once_failed(f: Function, plain: Function, word: tuple[str, ...]) -> None:
    assert_word(word, f, plain, checked=True)


@pytest.mark.parametrize(("f", "plain"), SUBJECTS, ids=NAMES)
def test_compiled_loops_equal_interpreted_ones(f: Function, plain: Function, compiled_at_once: None) -> None:
    batch = np.stack([X * c for c in SCALES])
    for g, x in ((f, X), (grad(f), X), (vmap(f), batch), (vmap(grad(f)), batch), (jacfwd(grad(f)), X)):
        jaxpr = make_jaxpr(g)(x)
        np.testing.assert_allclose(jit(g)(x), eval_jaxpr(jaxpr, x)[0], rtol=1e-10, atol=1e-12)


# -- batches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [a for a in itertools.product((0, None), repeat=3) if any(k == 0 for k in a)], ids=str)
def test_every_choice_of_batched_arguments(axes: tuple[int | None, ...]) -> None:
    def f(a: Any, b: Any, c: Any) -> Any:
        y = while_loop(lambda s: np.sum(s) < b + 5.0, lambda s: s * 1.3 + np.abs(c), np.abs(a))
        z, ys = scan(lambda k, row: (k * 0.5 + row * c, k * b), b, y)
        return np.sum(cond(z > b, lambda: z * ys, lambda: ys + a) ** 2)

    rng = np.random.default_rng(0)
    args: list[Any] = [np.abs(rng.normal(size=(4, 3))) + 0.2, np.array([1.0, 2.0, 0.5, 3.0]), rng.uniform(0.1, 1, 4)]
    args = [x if k == 0 else x[0] for x, k in zip(args, axes, strict=True)]
    for g in (f, grad(f, argnums=(0, 1, 2)), jacfwd(grad(f, argnums=(0, 1, 2)), argnums=1)):
        rows = [g(*[x[i] if k == 0 else x for x, k in zip(args, axes, strict=True)]) for i in range(4)]
        expected = tree_leaves(tree_map(lambda *leaves: np.stack(leaves), *rows))
        for batched in (vmap(g, in_axes=axes), jit(vmap(g, in_axes=axes))):
            for got, want in zip(tree_leaves(batched(*args)), expected, strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


def test_rows_that_have_stopped_neither_warn_nor_spoil_derivatives() -> None:
    def f(v: Any) -> Any:
        return while_loop(lambda s: s[0] > 0, lambda s: (s[0] - 1.0, s[1] + 1.0 / s[0]), (v, 0.0))[1]

    x = np.array([3.0, 0.0, 1.0])
    expected = [-1.0 / 9 - 0.25 - 1.0, 0.0, -1.0]
    for g in (
        vmap(grad(f)),
        jit(vmap(grad(f))),
        vmap(jacfwd(f)),
        vmap(jit(grad(f))),
        grad(lambda v: np.sum(vmap(f)(v))),
    ):
        np.testing.assert_allclose(g(x), expected, rtol=1e-14)
    np.testing.assert_array_equal(vmap(grad(grad(f)))(np.zeros(2)), np.zeros(2))


def test_branches_see_only_rows_that_take_them() -> None:
    def f(v: Any) -> Any:
        return cond(v > 0, np.log, lambda v: np.sqrt(-v), v)

    x = np.array([-1.0, 2.0, -4.0])
    for g in (vmap(grad(f)), jit(vmap(grad(f))), vmap(jacfwd(f)), grad(lambda v: np.sum(vmap(f)(v)))):
        np.testing.assert_allclose(g(x), [-0.5, 0.5, -0.25])


def test_a_batch_of_no_rows() -> None:
    for f in (
        lambda v: while_loop(lambda s: s > 0, lambda s: s - 1.0, v),
        lambda v: cond(v > 0, np.sin, np.cos, v),
        lambda v: scan(lambda c, row: (c * v, c), v, np.ones(3))[0],
    ):
        for g in (f, grad(f), jacfwd(grad(f))):
            assert vmap(g)(np.zeros(0)).shape == (0,)


# -- lengths and types ---------------------------------------------------------------------------------


@pytest.mark.parametrize("unroll", [1, 2, 3, 5, 9, True, False, np.int64(2)], ids=str)
@pytest.mark.parametrize("length", [0, 1, 2, 5])
@pytest.mark.parametrize("reverse", [False, True])
def test_unroll_changes_nothing(length: int, reverse: bool, unroll: Any) -> None:
    xs = np.arange(1.0, 1.0 + length)

    def run(c: Any, unroll: Any) -> Any:
        return scan(lambda c, row: (c * row + 1, {"y": (c, row), "n": None}), c, xs, reverse=reverse, unroll=unroll)

    for transform in (lambda f: f, jit, lambda f: grad(lambda c: f(c)[0])):
        got, expected = transform(lambda c: run(c, unroll))(2.0), transform(lambda c: run(c, 1))(2.0)
        tree_map(np.testing.assert_array_equal, got, expected)
        assert [x.dtype for x in tree_leaves(got)] == [x.dtype for x in tree_leaves(expected)]


def test_python_numbers_take_the_dtype_that_comes_back() -> None:
    assert scan(lambda c, row: (c + row, c), 0, X)[1].dtype == np.float64
    assert scan(lambda c, row: (c | (row > 0), c), False, X)[0] is np.True_
    assert type(while_loop(lambda c: c < 3, lambda c: c + 1.5, 0)) is np.float64
    assert scan(lambda c, _: (c * 2.0 + 1, c), np.float32(1), length=3)[1].dtype == np.float32


def test_counters_are_as_pythons_integers() -> None:
    single = np.ones(2, np.float32)
    assert fori_loop(0, 3, lambda i, v: v * i, single).dtype == np.float32
    assert fori_loop(0, np.int64(3), lambda i, v: i, 7) == 2
    assert fori_loop(1, 4, lambda i, v: v * i, single, unroll=True).dtype == np.float32
    assert fori_loop(0, 3, lambda i, n: n + i, np.int8(1)).dtype == np.int8
    assert fori_loop(np.int32(0), np.int32(3), lambda i, n: n + i, np.int32(1)).dtype == np.int32
    assert jit(lambda n: fori_loop(0, n, lambda i, v: v * i, single))(3).dtype == np.float32
    assert fori_loop(3, 3, lambda i, v: v / i, 2.0) == 2.0
    assert fori_loop(5, 3, lambda i, v: v / i, 2.0) == 2.0


def test_results_are_numpys_where_a_function_returns_python_numbers() -> None:
    def f(x: Any) -> Any:
        last = scan(lambda c, row: (1.0, 2), x, length=2)
        return last, cond(x > 0, lambda: 1.0, lambda: 2.0), while_loop(lambda s: s > 3, lambda s: 2.0, x)

    for got in (f(3.5), jit(f)(3.5)):
        assert [x.dtype.kind for x in tree_leaves(got)] == ["f", "i", "f", "f"]
        assert (got[1] * np.float32(2)).dtype == np.float64
    assert jit(lambda x: f(x)[0][0] * np.float32(2))(3.5).dtype == np.float64


def test_carries_of_every_kind() -> None:
    def f(v: Any) -> Any:
        init = {"n": 0, "seen": False, "pair": Pair(v, None), "z": v * 1j}

        def step(c: Any, row: Any) -> Any:
            pair = Pair(c["pair"].position * row, None)
            return {"n": c["n"] + 1, "seen": c["seen"] | (row > 1), "pair": pair, "z": c["z"] * row}, None

        return scan(step, init, X)[0]

    end = f(1.5)
    assert end["n"] == 3 and end["n"].dtype.kind == "i" and end["seen"] is np.True_ and end["pair"].speed is None
    np.testing.assert_allclose(grad(lambda v: f(v)["pair"].position * f(v)["n"])(1.5), 3 * np.prod(X))
    np.testing.assert_allclose(vmap(jit(f))(np.array([1.0, 2.0]))["z"], [1j * np.prod(X), 2j * np.prod(X)])


def test_holomorphic_loops() -> None:
    def f(z: Any) -> Any:
        return while_loop(lambda s: np.abs(s) < 5, lambda s: s * s + z, z)

    z = 1.2 + 0.5j
    assert grad(f, holomorphic=True)(z) == pytest.approx(jvp(f, (z,), (1 + 0j,))[1])
    step = 1e-6
    assert grad(f, holomorphic=True)(z) == pytest.approx((f(z + step) - f(z - step)) / (2 * step))


# -- promises ------------------------------------------------------------------------------------------


def test_results_share_memory_with_nothing() -> None:
    rows, first = np.ones((3, 2)), np.ones(2)
    for unroll in (1, 2, True):
        end, ys = scan(lambda c, row: (row, c), first, rows, unroll=unroll)
        same, _ = scan(lambda c, _: (c, None), (first, first), length=3, unroll=unroll)
        results = [end, ys, *same]
        for a, b in itertools.combinations([*results, rows, first], 2):
            assert a is rows or not np.shares_memory(a, b)
    kept = while_loop(lambda s: np.False_, lambda s: s, (first, first))
    taken = cond(True, lambda v: (v, v), lambda v: (v * 1, v), first)
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations([*kept, *taken, first], 2))
    ends = at.associative_scan(np.add, first[:1])
    assert not np.shares_memory(ends, first)


def test_captured_arrays_may_change_later() -> None:
    weights = np.ones(3)
    _, pullback = vjp(lambda v: scan(lambda c, row: (c * weights + row, None), v, np.ones((2, 3)))[0], X)
    compiled = jit(lambda v: fori_loop(0, 2, lambda i, v: v * weights, v))
    before = compiled(X)
    weights[:] = 7.0
    np.testing.assert_array_equal(pullback(np.ones(3))[0], np.ones(3))
    np.testing.assert_array_equal(compiled(X), before)


def test_bodies_may_not_write_into_what_the_caller_owns() -> None:
    first = np.ones(2)

    def step(c: Any, row: Any) -> Any:
        c += 1
        return c, row

    for unroll in (1, True):
        with pytest.raises(at.errors.MutationError):
            scan(step, first, np.ones((3, 2)), unroll=unroll)
    np.testing.assert_array_equal(first, np.ones(2))


def test_programs_that_differ_in_a_number_or_a_branch_are_told_apart() -> None:
    for k in range(60):
        w, n, branch = np.array([1.0, 2.0, 3.0]) * (1 + k % 5), 1.0 + k % 7, bool(k % 2)

        def f(v: Any, w: Any = w, n: Any = n, branch: Any = branch) -> Any:
            y = scan(lambda c, row: (np.sin(c * w) + row, None), v, np.ones((3, 3)) * n, reverse=branch)[0]
            y = while_loop(lambda s: np.sum(s * s) > n * 0.1, lambda s: s * 0.5, y)
            return np.sum(cond(branch, lambda q: q * w, lambda q: q + q * n, y))

        y, d = X, np.ones(3)
        for _ in range(3):
            y, d = np.sin(y * w) + n, d * np.cos(y * w) * w
        while np.sum(y * y) > n * 0.1:
            y, d = y * 0.5, d * 0.5
        np.testing.assert_allclose(grad(f)(X), d * w if branch else d * (1 + n), rtol=1e-12)


def test_loops_in_threads() -> None:
    def f(v: Any) -> Any:
        y = while_loop(lambda s: np.sum(s) < 50, lambda s: s * 1.01 + 0.1, v)
        return np.sum(y * scan(lambda c, row: (c + row, None), v, np.ones((40, 3)))[0])

    g = grad(jit(f))
    expected, got = grad(f)(X), []
    threads = [threading.Thread(target=lambda: got.extend(g(X) for _ in range(20))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 120
    np.testing.assert_allclose(got, np.broadcast_to(expected, (120, 3)), rtol=1e-12)


@pytest.mark.parametrize("transform", [lambda f: f, grad, jit, vmap], ids=["plain", "grad", "jit", "vmap"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_a_body_raises_leaves_nothing_behind(transform: Any, error: type[BaseException]) -> None:
    def body(c: Any) -> Any:
        raise error("stop")

    x = np.ones((2, 2)) if transform is vmap else np.ones(2)
    for loop in (lambda v: while_loop(lambda s: np.sum(s) > 0, body, v), lambda v: cond(True, body, body, v)):
        with pytest.raises(error, match="stop"):
            transform(lambda v, loop=loop: np.sum(loop(v)))(x)
        assert current_trace() is None
    assert grad(rnn)(X).shape == (3,)


@pytest.mark.parametrize("length", [3, 80])
def test_an_exception_in_a_run_names_the_line(length: int) -> None:
    def step(c: Any, _: Any) -> Any:
        c = c - 1.0
        return c, np.linalg.inv(c * np.eye(2))  # singular in the last run

    with pytest.raises(np.linalg.LinAlgError) as caught:
        scan(step, float(length), length=length)
    line = step.__code__.co_firstlineno + 2
    assert f"test_control_flow.py:{line}" in " ".join(caught.value.__notes__)


def test_a_kept_tracer_is_refused() -> None:
    kept: list[Any] = []
    scan(lambda c, row: (kept.append(c) or c, row), 0.0, X)
    with pytest.raises(UnexpectedTracerError, match=r"an argument of scan\(<lambda>\)"):
        kept[0] + 1


def test_prints_in_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    def step(c: Any, row: Any) -> Any:
        at.debug.print("{}", c)
        return c + row, None

    for run in (
        lambda: scan(step, 0.0, np.ones(3)),
        lambda: scan(step, 0.0, np.ones(3), unroll=True),
        lambda: jit(lambda v: scan(step, v, np.ones(3))[0])(0.0),
        lambda: grad(lambda v: scan(step, v, np.ones(3))[0])(0.0),
        lambda: while_loop(lambda s: s < 3, lambda s: step(s, 1.0)[0], 0.0),
    ):
        run()
        assert capsys.readouterr().out.split() == ["0.0", "1.0", "2.0"]


# -- memory ---------------------------------------------------------------------------------------------


def test_reverse_mode_through_a_loop_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOTRACE_LOOP_BYTES", "100000")

    def forever(v: Any) -> Any:
        return while_loop(lambda s: s > -1.0, lambda s: np.sin(s) * np.cos(v), v)

    with pytest.raises(LoopMemoryError, match=r"may keep 100000 bytes.* and the loop goes on at .*test_control_flow"):
        vjp(forever, 1.0)
    monkeypatch.setenv("AUTOTRACE_LOOP_BYTES", "many")
    with pytest.raises(ValueError, match="AUTOTRACE_LOOP_BYTES: it must be a number of bytes; got 'many'"):
        vjp(forever, 1.0)


def test_what_does_not_change_is_kept_once() -> None:
    big = RNG.normal(size=(40, 40))

    def f(w: Any, v: Any) -> Any:
        return np.sum(while_loop(lambda s: s[0] < 50, lambda s: (s[0] + 1, np.tanh(np.exp(w) @ s[1])), (0, v))[1])

    _, pullback = vjp(f, big, np.ones(40))
    gc.collect()
    kept = sum(x.nbytes for x in gc.get_objects() if type(x) is np.ndarray and x.shape[-2:] == (40, 40))
    assert kept < 12 * big.nbytes  # and not fifty times
    assert pullback(np.float64(1.0))[0].shape == (40, 40)


# -- associative_scan ------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(10))
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_associative_scan_of_matrices(length: int, reverse: bool, axis: int) -> None:
    shape = [2, 2, 2]
    shape[axis] = length
    # Composition of affine maps of numbers is associative and does not commute.
    a, b = RNG.normal(size=shape), RNG.normal(size=shape)

    def combine(left: Any, right: Any) -> Any:
        return {"a": left["a"] * right["a"], "b": left["b"] * right["a"] + right["b"]}

    got = at.associative_scan(combine, {"a": a, "b": b}, reverse, axis)
    rows = [{"a": p, "b": q} for p, q in zip(np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0), strict=True)]
    expected = list(itertools.accumulate(rows[::-1] if reverse else rows, combine))
    for key in "ab":
        assert got[key].shape == a.shape and got[key].flags.writeable
        want = [row[key] for row in (expected[::-1] if reverse else expected)]
        if length:
            np.testing.assert_allclose(np.moveaxis(got[key], axis, 0), want, rtol=1e-12, atol=1e-12)


def test_associative_scan_of_other_dtypes() -> None:
    assert at.associative_scan(np.maximum, np.array([3, 1, 4, 1, 5])).tolist() == [3, 3, 4, 4, 5]
    assert at.associative_scan(np.logical_or, np.array([False, True, False])).tolist() == [False, True, True]
    assert at.associative_scan(np.add, np.ones(3, np.float32)).dtype == np.float32


# -- what the compiler does to loops -----------------------------------------------------------------------


def test_loops_are_separated_and_say_so() -> None:
    def f(x: Any, w: Any, xs: Any) -> Any:
        return scan(lambda c, row: (np.tanh(c + row @ w), np.sin(c) * np.exp(row[0])), x, xs)

    args = (X[0], X, RNG.normal(size=(30, 3)))
    jaxpr = make_jaxpr(f)(*args)
    shorter = jaxpr.equations[-1].primitive.separated()
    assert shorter is not None
    check_jaxpr(shorter)
    inner = next(e.primitive.jaxpr for e in shorter.equations if e.primitive.name == "scan")
    assert len(inner.equations) < len(jaxpr.equations[-1].primitive.jaxpr.equations)
    for got, expected in zip(eval_jaxpr(shorter, X, X[0], args[2]), f(*args), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_what_nobody_needs_of_a_loop_is_dropped() -> None:
    def f(x: Any) -> Any:
        return scan(
            lambda c, row: ((np.sin(c[0]) * row, np.cos(c[1]), c[2] * c[0]), (c[0], c[1])), (x, x, x), ROWS[:, 0]
        )

    for out, carry, ys in ((lambda x: f(x)[0][0], 1, 0), (lambda x: f(x)[0][2], 2, 0), (lambda x: f(x)[1][0], 1, 1)):
        jaxpr = make_jaxpr(out)(0.3)
        shorter = jaxpr.dce()
        check_jaxpr(shorter)
        loop = next(e for e in shorter.equations if e.primitive.name == "scan")
        assert (loop.primitive.carry, len(loop.outputs)) == (carry, carry + ys)
        np.testing.assert_array_equal(eval_jaxpr(shorter, np.float64(0.3))[0], out(0.3))
    tangent = make_jaxpr(lambda x: jvp(f, (x,), (1.0,))[1][0][0])(0.3)
    assert next(e.primitive.carry for e in tangent.equations if e.primitive.name == "scan") == 2


def test_what_nobody_needs_of_while_loops_and_branches_is_dropped() -> None:
    def loop(x: Any) -> Any:
        return while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * x, s[2] + s[1]), (0, x, x))[1]

    def branch(x: Any) -> Any:
        return cond(x > 0, lambda x: (np.sin(x), x * 2), lambda x: (x, x), x)[1]

    def kept_for_reverse_mode(x: Any) -> Any:
        return vjp(loop, x)[0]

    for f, outputs in ((loop, 2), (branch, 1), (kept_for_reverse_mode, 2)):
        shorter = make_jaxpr(f)(0.7).dce()
        check_jaxpr(shorter)
        assert len(shorter.equations[-1].outputs) == outputs
        np.testing.assert_array_equal(eval_jaxpr(shorter, np.float64(0.7))[0], f(0.7))


def test_loops_with_effects_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    def step(c: Any, row: Any) -> Any:
        at.debug.print("{}", c[1])
        return (c[0] * row, c[1] + 1.0), None

    make_jaxpr(lambda x: scan(step, (x, 0.0), np.ones(2))[0][0])(1.0).dce()(np.float64(1.0))
    assert capsys.readouterr().out.split()[-2:] == ["0.0", "1.0"]
