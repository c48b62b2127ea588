"""Loops and branches of scalars run on Python's numbers: they give what NumPy's loop gives, warnings included."""

import warnings

import numpy as np
import pytest

from autotrace import cond, fori_loop, grad, jit, make_jaxpr, scan, switch, value_and_grad, vjp, while_loop
from autotrace.compile import scalars
from autotrace.compile.blocks import Branches, Rows
from autotrace.compile.codegen import generate
from autotrace.compile.program import Program, optimize
from autotrace.compile.scalars import is_scalar_program
from autotrace.errors import LoopMemoryError
from autotrace.ir import Literal

SEEDS = range(60)
EDGES = (0.0, -0.0, 1.0, -2.5, 1e200, -1e300, 1e-310, np.inf, -np.inf, np.nan)


def on_numpy(jaxpr, args):
    """Interpret ``jaxpr`` on NumPy's scalars, the programs of its loops and branches too."""
    env = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True)) | dict(zip(jaxpr.in_vars, args, strict=True))
    read = lambda v: v.aval.dtype.type(v.value) if type(v) is Literal else env[v]  # noqa: E731
    for primitive, inputs, outputs, _ in jaxpr.equations:
        operands = [read(v) for v in inputs]
        block = primitive.block()
        if block is None:
            outs = primitive.impl(*operands)
            outs = outs if primitive.multiple else (outs,)
        elif type(block) is Branches:
            index = min(max(int(operands[0]), 0), len(block.branches) - 1)
            outs = on_numpy(block.branches[index], operands[1:])
        else:
            outs = loop_on_numpy(block, operands, [v.aval.dtype for v in outputs])
        env.update(zip(outputs, outs, strict=True))
    return [read(v) for v in jaxpr.outputs]


def loop_on_numpy(block, operands, dtypes):
    if type(block) is Rows:
        first, count = block.consts, block.carry
        consts, carry, rows = operands[:first], operands[first : first + count], operands[first + count :]
        length = block.length if block.length >= 0 else len(rows[0])
        rows = rows[block.masked :]
        order = range(length)[::-1] if block.reverse else range(length)
        steps = ([x[i] for x in rows] for i in order)
    else:
        first, count = block.asked + block.consts, len(block.body.in_vars) - block.consts
        asked, consts, carry = operands[: block.asked], operands[block.asked : first], operands[first:]
        steps = iter(lambda: [] if on_numpy(block.condition, [*asked, *carry])[0] else None, None)
    stacks = [[] for _ in dtypes[count:]]
    for step in steps:
        outs = on_numpy(block.body, [*consts, *carry, *step])
        carry = outs[:count]
        for stack, y in zip(stacks, outs[count:], strict=True):
            stack.append(y)
    turned = type(block) is Rows and block.reverse
    arrays = [np.array(s[::-1] if turned else s, d) for s, d in zip(stacks, dtypes[count:], strict=True)]
    return [*carry, *arrays]


def recorded(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outs = call()
    return outs, {str(w.message).split(" encountered")[0] for w in caught}


def agree(jaxpr, args, exact=False):
    """Check the program on Python's numbers against NumPy's; return whether NumPy had to be asked."""
    jaxpr = optimize(jaxpr)
    assert is_scalar_program(jaxpr)
    asked = []

    def instead(*leaves):
        asked.append(leaves)
        return on_numpy(jaxpr, leaves)

    function = scalars.generate_scalar(jaxpr, instead)[0]
    found, warned = recorded(lambda: function(*args))
    expected, expected_warned = recorded(lambda: on_numpy(jaxpr, args))
    assert warned == expected_warned
    for x, y in zip(found, expected, strict=True):
        assert type(x) is type(y)
        assert x.dtype == y.dtype
        if exact:
            np.testing.assert_array_equal(x, y)
            assert np.array_equal(np.signbit(x), np.signbit(y)) or np.isnan(y).any() or x.dtype.kind != "f"
        else:
            np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-9)
    return bool(asked)


class Maker:
    """Random functions of scalars. The ``exact`` ones have operations only that Python rounds as NumPy does."""

    def __init__(self, seed, exact):
        self.rng = np.random.default_rng(seed)
        self.exact = exact

    def number(self):
        return float(self.rng.choice([-1.5, -0.5, 0.0, 0.25, 0.75, 2.0, 3.0]))

    def value(self, pool, depth=3):
        """Return an expression of the scalars in ``pool``, as a function of them."""
        kinds = ["leaf", "add", "sub", "mul", "div", "least", "most", "abs", "square", "neg"]
        kinds += (
            ["where", "floor", "sign", "mod"] if self.exact else ["sin", "exp", "tanh", "atan", "sqrt", "log", "cube"]
        )
        kind = self.rng.choice(kinds) if depth else "leaf"
        if kind == "leaf":
            i = self.rng.integers(pool + 1)
            number = self.number()
            return lambda *xs: xs[i] if i < pool else np.float64(number)
        x, y, z = (self.value(pool, depth - 1) for _ in range(3))
        return {
            "add": lambda *a: x(*a) + y(*a),
            "sub": lambda *a: x(*a) - y(*a),
            "mul": lambda *a: x(*a) * y(*a),
            "div": lambda *a: x(*a) / (y(*a) + 0.125),
            "least": lambda *a: np.minimum(x(*a), y(*a)),
            "most": lambda *a: np.maximum(x(*a), y(*a)),
            "abs": lambda *a: np.abs(x(*a)),
            "square": lambda *a: np.square(x(*a)),
            "neg": lambda *a: -x(*a),
            "where": lambda *a: np.where(x(*a) < y(*a), z(*a), x(*a)),
            "floor": lambda *a: np.floor(x(*a)) + np.ceil(y(*a)),
            "sign": lambda *a: np.sign(x(*a)) * y(*a),
            "mod": lambda *a: x(*a) % 3.0,
            "sin": lambda *a: np.sin(x(*a)) * np.cos(y(*a)),
            "exp": lambda *a: np.exp(-np.abs(x(*a))),
            "tanh": lambda *a: np.tanh(x(*a)),
            "atan": lambda *a: np.arctan2(x(*a), y(*a)),
            "sqrt": lambda *a: np.sqrt(np.abs(x(*a))),
            "log": lambda *a: np.log1p(np.abs(x(*a))),
            "cube": lambda *a: x(*a) ** 3,
        }[kind]

    def damped(self, pool):
        """Return an expression that stays small."""
        value = self.value(pool)
        if self.rng.integers(4) == 0 and self.exact:
            return value
        return lambda *a: np.minimum(np.maximum(value(*a), -4.0), 4.0) if self.exact else 0.5 * np.tanh(value(*a))

    def function(self):
        """Return a function of two scalars and rows that has a loop of a random kind."""
        kind = self.rng.choice(["scan", "fori", "while", "nested", "branches", "rows of rows", "counting"])
        f, g, h, end = (self.damped(n) for n in (4, 4, 3, 3))
        reverse = bool(self.rng.integers(2))

        def with_scan(a, b, xs):
            (p, q), ys = scan(lambda c, x: ((f(*c, x, b), g(*c, x, a)), h(*c, x)), (a, b), xs, reverse=reverse)
            return end(p, q, a), ys

        def with_fori(a, b, xs):
            step = lambda i, c: (f(*c, i * 0.125, b), g(*c, a, b))  # noqa: E731
            p, q = fori_loop(2, 13, step, (a, b))
            return end(p, q, b), scan(lambda c, x: (c, x), 0.0, xs)[1]

        def with_while(a, b, xs):
            goes_on = lambda c: (c[2] < 11) & ~(h(c[0], c[1], a) > 1.75)  # noqa: E731
            p, q, n = while_loop(goes_on, lambda c: (f(*c[:2], a, b), g(*c[:2], a, b), c[2] + 1), (a, b, 0))
            return end(p, q, n * 0.5), scan(lambda c, x: (c + x, c), 0.0, xs)[1]

        def nested(a, b, xs):
            def step(c, x):
                inner = fori_loop(0, 3, lambda j, d: f(d, x, b, j * 1.0), c)
                return while_loop(lambda d: np.abs(d) > 1.0, lambda d: 0.5 * d, g(inner, x, a, b)), h(inner, x, c)

            p, ys = scan(step, a, xs, reverse=reverse)
            return end(p, a, b), ys

        def branches(a, b, xs):
            def step(c, x):
                p, q = cond(c[0] < x, lambda p, q: (f(p, q, x, b), q), lambda p, q: (q, g(p, q, x, a)), *c[:2])
                n = c[2] + 1
                kept = switch(n % 3, [lambda: h(p, q, x), lambda: p, lambda: q * 0.5])
                return (p, kept, n), kept

            (p, q, n), ys = scan(step, (a, b, 0), xs, reverse=reverse)
            return end(p, q, n * 1.0), ys

        def rows_of_rows(a, b, xs):
            (p, q), ys = scan(lambda c, x: ((f(*c, x, b), g(*c, x, a)), (c[0], h(*c, x))), (a, b), xs)
            r, zs = scan(lambda c, row: (f(c, *row, a), g(c, *row, b)), p, ys, reverse=not reverse)
            return end(q, r, a) if self.exact else end(q, r, a) + np.sum(ys[0]), zs

        def counting(a, b, xs):
            def step(c, x):
                n = c[1] * 3 - 7
                return (f(c[0], x, n * 0.25, b), np.where(n > 50, n % 11, n)), (n, c[0] > x)

            (p, n), (ns, truths) = scan(step, (a, 5), xs, reverse=reverse)
            return end(p, n * 0.25, b), ns, truths

        return {
            "scan": with_scan,
            "fori": with_fori,
            "while": with_while,
            "nested": nested,
            "branches": branches,
            "rows of rows": rows_of_rows,
            "counting": counting,
        }[kind]


def tries(maker, count=6):
    rng = maker.rng
    for k in range(count):
        a, b = rng.choice(EDGES, 2) if k % 2 else rng.normal(size=2)
        xs = rng.normal(size=9)
        if k == 5:
            xs[rng.integers(9)] = rng.choice(EDGES)
        yield np.float64(a), np.float64(b), xs


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_loops_give_what_numpy_gives(seed, exact):
    maker = Maker(seed, exact)
    f = maker.function()
    jaxpr = make_jaxpr(f)(0.5, 0.25, np.ones(9))
    for args in tries(maker):
        agree(jaxpr, args, exact)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_derivatives_of_loops_give_what_numpy_gives(seed):
    maker = Maker(seed, False)
    f = maker.function()
    total = lambda a, b, xs: f(a, b, xs)[0]  # noqa: E731
    forward = make_jaxpr(grad(total))(0.5, 0.25, np.ones(9))
    back = make_jaxpr(lambda a, b, xs: vjp(total, a, b, xs)[1](1.0))(0.5, 0.25, np.ones(9))
    for args in tries(maker, 4):
        if optimize(forward).equations:
            agree(forward, args)
        if is_scalar_program(optimize(back)):
            agree(back, args)
