"""Random programs of 20 to 60 operations on arrays of many shapes; every law holds on each.

A program is drawn from a seed, so that a failure can be run again: ``python -m pytest -k "laws and 17"``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autotrace
from autotrace import check_jaxpr, eval_jaxpr, grad, jvp, make_jaxpr, vjp, vmap
from autotrace.compile.simplify import simplify
from autotrace.test_util import random_like
from tests.catalogue import Case
from tests.laws import LAWS, Problem, assert_same, run_checked

Draw = np.random.Generator
Step = tuple[Callable[..., Any], tuple[int, ...]]
"""A function, and the positions of its operands among the values so far."""

LIMIT = 24
"""Elements of the largest array: larger ones are not made."""

UNARY = [
    np.sin,
    np.cos,
    np.tanh,
    np.arctan,
    np.negative,
    np.square,
    np.abs,
    np.arcsinh,
    np.expm1,
    lambda x: np.cbrt(x + 5.0),
    lambda x: np.exp(-x * x),
    lambda x: np.log1p(x * x),
    lambda x: np.sqrt(x * x + 0.1),
    lambda x: 1.0 / (2.0 + np.sin(x)),
    lambda x: x**2,
    lambda x: x**3 * 0.1,
    lambda x: (x + 4.0) ** 0.5,
    lambda x: 2 - x,
    lambda x: x * 3,
    lambda x: x + 0,
    lambda x: x * 1.0,
    lambda x: np.clip(x, -0.8, 0.9),
    lambda x: np.maximum(x, 0.05),
    lambda x: np.where(x > 0.1, x, 0.3 * x * x),
    lambda x: x - np.floor(x),
    lambda x: np.real(np.exp(1j * x)),
    lambda x: np.logaddexp(x, 0.5),
    lambda x: np.sign(x) * x,
    lambda x: x.astype(complex).real,
    lambda x: -(0 - x),
    lambda x: x - x,
    lambda x: x / 1,
    lambda x: np.reciprocal(x * x + 1),
]
BINARY = [
    np.add,
    np.subtract,
    np.multiply,
    np.maximum,
    np.minimum,
    np.arctan2,
    lambda x, y: x / (1.5 + y * y),
    lambda x, y: np.where(x > y, x, y * 0.5),
    lambda x, y: np.hypot(x, y + 3.0),
    lambda x, y: (x * x + 0.5) ** y,
    lambda x, y: x * y + y,
    lambda x, y: x * (y > 0.0),
    np.logaddexp,
    np.fmin,
]


def elementwise(rng: Draw, values: list[np.ndarray]) -> Step:
    return _pick(rng, UNARY), (_any(rng, values),)


def combination(rng: Draw, values: list[np.ndarray]) -> Step | None:
    i, j = _any(rng, values), _any(rng, values)
    try:
        shape = np.broadcast_shapes(values[i].shape, values[j].shape)
    except ValueError:
        j = i
        shape = values[i].shape
    return (_pick(rng, BINARY), (i, j)) if np.prod(shape) <= LIMIT else None


def reduction(rng: Draw, values: list[np.ndarray]) -> Step | None:
    i = _any(rng, values)
    rank = values[i].ndim
    axis = None if not rank or rng.random() < 0.2 else int(rng.integers(-rank, rank))
    keepdims = bool(rng.random() < 0.4)
    function = _pick(rng, [np.sum, np.max, np.min, np.prod, np.mean])
    return lambda x: function(x, axis=axis, keepdims=keepdims), (i,)


def scan(rng: Draw, values: list[np.ndarray]) -> Step | None:
    i = _any(rng, values)
    if not values[i].ndim:
        return None
    axis = int(rng.integers(0, values[i].ndim))
    function = _pick(rng, [np.cumsum, np.cumprod])
    return lambda x: function(x, axis=axis), (i,)


def rearrangement(rng: Draw, values: list[np.ndarray]) -> Step:
    i = _any(rng, values)
    x = values[i]
    order = tuple(int(k) for k in rng.permutation(x.ndim))
    shape = x.shape[::-1]
    position = int(rng.integers(0, x.ndim + 1))
    return _pick(
        rng,
        [
            lambda x: np.transpose(x, order),
            lambda x: np.reshape(x, shape),
            np.ravel,
            np.squeeze,
            lambda x: np.expand_dims(x, position),
            lambda x: x.T,
            lambda x: x[...],
            lambda x: np.reshape(x, (-1, 1)),
        ],
    ), (i,)


def broadcast(rng: Draw, values: list[np.ndarray]) -> Step | None:
    i = _any(rng, values)
    shape = (int(rng.integers(1, 4)), *[int(rng.integers(1, 4)) if n == 1 else n for n in values[i].shape])
    return (lambda x: np.broadcast_to(x, shape), (i,)) if np.prod(shape) <= LIMIT and len(shape) <= 3 else None


def selection(rng: Draw, values: list[np.ndarray]) -> Step | None:
    i = _any(rng, values)
    if not values[i].ndim or not values[i].size:
        return None
    n = values[i].shape[0]
    at, start, step = int(rng.integers(-n, n)), int(rng.integers(0, n)), int(_pick(rng, [1, -1, 2]))
    many = rng.integers(-n, n, size=int(rng.integers(1, 4)))
    mask = rng.random(n) < 0.7
    return _pick(
        rng,
        [
            lambda x: x[at],
            lambda x: x[start::step],
            lambda x: x[many],
            lambda x: x[..., :2],
            lambda x: x[::-1],
            lambda x: x[:, None] if x.ndim < 3 else x,
            lambda x: x[mask] if mask.any() else x,
            lambda x: np.take(x, many, axis=0),
        ],
    ), (i,)


def joining(rng: Draw, values: list[np.ndarray]) -> Step | None:
    i = _any(rng, values)
    alike = [k for k, v in enumerate(values) if v.shape == values[i].shape]
    j = int(_pick(rng, alike))
    if not values[i].ndim or values[i].size > LIMIT // 2:
        return (lambda x, y: np.stack([x, y]), (i, j)) if values[i].ndim < 2 and values[i].size <= LIMIT // 2 else None
    axis = int(rng.integers(0, values[i].ndim))
    return lambda x, y: np.concatenate([x, y, x], axis=axis)[: LIMIT // 4], (i, j)


def product(rng: Draw, values: list[np.ndarray]) -> Step | None:
    i, j = _any(rng, values), _any(rng, values)
    x, y = values[i], values[j]
    if x.ndim == y.ndim == 2 and x.shape[1] == y.shape[1]:
        return _pick(
            rng,
            [
                lambda x, y: x @ y.T,
                lambda x, y: np.einsum("ij,kj->ki", x, y),
                lambda x, y: np.einsum("ij,kj->j", x, y),
            ],
        ), (i, j)
    if x.ndim and y.ndim == 1 and x.shape[-1] == y.shape[0]:
        return _pick(
            rng,
            [
                lambda x, y: x @ y,
                lambda x, y: np.einsum("...i,i->...", x, y),
                lambda x, y: np.tensordot(x, y, axes=([-1], [0])),
            ],
        ), (i, j)
    if x.ndim == y.ndim == 1 and x.size * y.size <= LIMIT:
        return np.outer, (i, j)
    return None


def loop(rng: Draw, values: list[np.ndarray]) -> Step | None:
    """A scan over the rows of one value, or a loop of unknown length, with other steps in its body."""
    i, j = _any(rng, values), _any(rng, values)
    x = values[i]
    if not x.ndim or not x.size or values[j].size > LIMIT // 4:
        return None
    first, second = _pick(rng, UNARY), _pick(rng, [np.sin, np.tanh, np.cos, lambda c: c * 0.5])
    reverse, unroll, kind = bool(rng.random() < 0.5), _pick(rng, [1, 1, 2, True]), int(rng.integers(4))
    limit = float(rng.uniform(0.5, 2.0))

    def step(carry: Any, row: Any) -> tuple[Any, Any]:
        carry = (second(carry) + np.sum(np.tanh(first(row)))).astype(carry.dtype)
        return carry, (carry, second(row))[kind % 2]

    def scanned(x: Any, c: Any) -> Any:
        end, ys = autotrace.scan(step, np.tanh(c) * 1.0, x, reverse=reverse, unroll=unroll)
        return ys if kind < 2 else end

    def repeated(x: Any, c: Any) -> Any:
        start = (np.sum(np.tanh(x)) * 0.1, np.tanh(c) * 1.0)
        return autotrace.while_loop(
            lambda s: s[0] < limit,
            lambda s: ((s[0] + 0.3 + 0.01 * np.sum(s[1]) ** 2).astype(s[0].dtype), second(s[1])),
            start,
        )[1]

    return (repeated if kind == 3 else scanned), (i, j)


def branch(rng: Draw, values: list[np.ndarray]) -> Step:
    i = _any(rng, values)
    first, second, limit = _pick(rng, UNARY), _pick(rng, UNARY), float(rng.uniform(-0.5, 0.5))

    def chosen(x: Any) -> Any:
        x = x * 1.0
        fns = (lambda v: first(v), lambda v: second(v) * limit + np.mean(v))
        return autotrace.cond(np.sum(x) > limit, *[lambda v, f=f: f(v).astype(v.dtype) for f in fns], x)

    return chosen, (i,)


STEPS = [
    elementwise,
    elementwise,
    combination,
    combination,
    combination,
    reduction,
    scan,
    rearrangement,
    broadcast,
    selection,
    joining,
    product,
    loop,
    branch,
]


def _pick(rng: Draw, options: list[Any]) -> Any:
    return options[int(rng.integers(len(options)))]


def _any(rng: Draw, values: list[np.ndarray]) -> int:
    """One of the values, the late ones more often."""
    return int(len(values) * rng.random() ** 0.75)


class Program:
    """A function of some arrays, drawn step by step from a seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        shapes = [(), (3,), (2, 3), (1, 3), (2, 1), (4,), (1,), (2, 1, 2)]
        chosen = [shapes[int(k)] for k in rng.integers(len(shapes), size=int(rng.integers(1, 4)))]
        self.args = [np.asarray(rng.uniform(-1.2, 1.2, size=shape)) for shape in chosen]
        self.args = [x if x.ndim else x[()] for x in self.args]
        self.steps: list[Step] = []
        self.constants = [rng.uniform(-1, 1, size=(3,)), np.float64(0.4), rng.integers(-2, 3, size=(2, 3))]
        values = [np.asarray(x) for x in (*self.constants, *self.args)]
        wanted = int(rng.integers(20, 61))
        while len(self.steps) < wanted:
            step = _pick(rng, STEPS)(rng, values)
            if step is not None:
                self._take(step, values)
        used = {i for _, operands in self.steps for i in operands}
        self.outputs = [i for i in range(len(values)) if i not in used]
        """What no step uses, so that no step is in vain."""

    def _take(self, step: Step, values: list[np.ndarray]) -> None:
        function, operands = step
        result = np.asarray(function(*[values[i] for i in operands]))
        if result.size > LIMIT or result.ndim > 3:
            return
        self.steps.append(step)
        values.append(result)
        if result.size and np.max(np.abs(result)) > 3.0:
            self._take((np.tanh, (len(values) - 1,)), values)

    def __call__(self, *args: Any) -> list[Any]:
        values: list[Any] = [*self.constants, *args]
        for function, operands in self.steps:
            values.append(function(*[values[i] for i in operands]))
        return [values[i] for i in self.outputs]

    def scalar(self, *args: Any) -> Any:
        return sum(np.sum(np.sin(y)) for y in self(*args))


SEEDS = range(60)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("seed", SEEDS)
def test_laws(seed: int, law: str) -> None:
    program = Program(seed)
    LAWS[law](Problem(Case(f"program{seed}", program, tuple(program.args))))


@pytest.mark.parametrize("seed", SEEDS)
def test_simplify_changes_no_value(seed: int) -> None:
    program = Program(seed)
    args = program.args
    dots = random_like(args, np.random.default_rng(seed))
    ct = np.float64(1.5)
    written = {
        "function": make_jaxpr(program)(*args),
        "jvp": make_jaxpr(lambda *x: jvp(program.scalar, x, tuple(dots)))(*args),
        "vjp": make_jaxpr(lambda *x: vjp(program.scalar, *x)[1](ct))(*args),
        "jvp of grad": make_jaxpr(lambda *x: jvp(grad(program.scalar), x, tuple(dots)))(*args),
        "vmap": make_jaxpr(
            lambda *x: vmap(program.scalar, axis_size=2, in_axes=(0,) * len(x))(*[np.stack([a, a]) for a in x])
        )(*args),
    }
    for name, jaxpr in written.items():
        expected = eval_jaxpr(jaxpr, *args)
        simplified = simplify(jaxpr)
        check_jaxpr(simplified)
        assert len(simplified.equations) <= len(jaxpr.equations), name
        assert_same(run_checked(simplified, args, name), expected, f"simplified {name}")
        again = simplify(simplified)
        assert len(again.equations) <= len(simplified.equations), name


def test_programs_are_drawn_alike_from_a_seed() -> None:
    assert_same(Program(3)(*Program(3).args), Program(3)(*Program(3).args), "values")


def test_programs_are_worth_testing() -> None:
    programs = [Program(seed) for seed in SEEDS]
    slopes = [grad(p.scalar, argnums=tuple(range(len(p.args))))(*p.args) for p in programs]
    moving = [any(np.any(np.abs(g) > 1e-3) for g in gs) for gs in slopes]
    assert np.mean(moving) > 0.9
    lengths = [len(simplify(make_jaxpr(p)(*p.args)).equations) for p in programs]
    assert np.median(lengths) > 20
