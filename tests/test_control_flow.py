"""Structured control flow against plain Python loops: words over the transforms, edges, errors and promises.

Each subject is written twice: with ``scan``, ``while_loop``, ``cond`` and the like, and as a plain Python loop. A letter
turns a scalar function into another one; the same word must make the same of both.
"""

import gc
import itertools
import threading
import warnings
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
from autotrace.errors import LoopMemoryError, TracerBoolConversionError, UnexpectedTracerError

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
