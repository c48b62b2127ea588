"""Loops and branches of scalars run on Python's numbers: they give what NumPy's loop gives, warnings included."""

import operator
import warnings

import numpy as np
import pytest

from autotrace import cond, fori_loop, grad, jit, make_jaxpr, scan, switch, vjp, while_loop
from autotrace.compile import codegen, floats, scalars
from autotrace.compile.blocks import Branches, Rows
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
                goes_on = lambda d: (np.abs(d) > 1.0) & (np.abs(d) < 1e9)  # noqa: E731
                return while_loop(goes_on, lambda d: 0.5 * d, g(inner, x, a, b)), h(inner, x, c)

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


@pytest.mark.parametrize("impl", [np.multiply, np.maximum, np.floor])
def test_a_planted_fault_is_seen(monkeypatch, impl):
    wrong = {
        np.multiply: (operator.mul, floats.Operation("{0} * {1}", "01")),  # an overflow that nobody looks for
        np.maximum: (np.maximum, floats.Operation("max({0}, {1})")),  # loses a NaN that comes second
        np.floor: (np.floor, floats.Operation("float(int({0}))")),  # rounds to zero
    }[impl]
    monkeypatch.setitem(floats._TABLES[floats.FLOAT], *wrong)
    with pytest.raises(AssertionError):
        for seed in SEEDS:
            maker = Maker(seed, True)
            jaxpr = make_jaxpr(maker.function())(0.5, 0.25, np.ones(9))
            for args in tries(maker):
                agree(jaxpr, args, True)


def test_an_infinity_that_a_loop_swallows_still_warns():
    f = jit(lambda x: fori_loop(0, 30, lambda i, c: 1.0 + 1.0 / (c * x * x), x))
    program = Program(make_jaxpr(lambda x: fori_loop(0, 30, lambda i, c: 1.0 + 1.0 / (c * x * x), x))(1.0))
    assert np.isfinite(f(1.5))
    with pytest.warns(RuntimeWarning, match="overflow"):
        program.compiled(np.float64(1e200))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        program.compiled(np.float64(1e200))


def test_integers_wrap_as_numpys_do():
    def f(n):
        return fori_loop(0, 50, lambda i, c: c * 3 + i, n)

    jaxpr = make_jaxpr(f)(1)
    assert agree(jaxpr, [np.int64(1)], exact=True)
    assert not agree(make_jaxpr(lambda n: fori_loop(0, 20, lambda i, c: c * 3 + i, n))(1), [np.int64(1)], exact=True)
    count = make_jaxpr(lambda n: while_loop(lambda c: c[1] < 40, lambda c: (c[0] + 1, c[1] + 1), (n, 0))[0])(1)
    assert not agree(count, [np.int64(2**63 - 41)], exact=True)
    assert agree(count, [np.int64(2**63 - 3)], exact=True)
    assert agree(
        make_jaxpr(lambda x: x.astype(int) + fori_loop(0, 3, lambda i, c: c + i, 0))(1.0),
        [np.float64(1e30)],
    )


def test_a_number_that_is_infinite_from_the_start_needs_no_numpy():
    def least(xs):
        return scan(lambda best, x: (np.minimum(best, x), best), np.inf, xs)

    jaxpr = make_jaxpr(least)(np.ones(5))
    assert not agree(jaxpr, [np.array([3.0, 1.0, 2.0, -1.0, 5.0])], exact=True)


@pytest.mark.parametrize("length", [0, 1, 1_000, 250_000])
def test_loops_of_any_length(length):
    xs = np.sin(np.arange(float(length)))

    def f(k, xs):
        (total, n), (ys, odd) = scan(lambda c, x: ((0.5 * c[0] + k * x, c[1] + 1), (c[0], c[1] % 2 == 1)), (0.0, 0), xs)
        return total, n, ys, odd

    agree(make_jaxpr(f)(1.0, xs), [np.float64(0.25), xs])
    loss = lambda k, xs: np.sum(f(k, xs)[2] * 1.0)  # noqa: E731
    assert np.isfinite(jit(grad(loss, argnums=(0, 1)))(0.25, xs)[0])


def test_a_differentiated_while_loop_keeps_its_bound(monkeypatch):
    monkeypatch.setenv("AUTOTRACE_LOOP_BYTES", "20000")
    loss = lambda x, n: while_loop(lambda c: c[1] < n, lambda c: (np.sin(c[0]) * x, c[1] + 1), (x, 0))[0]  # noqa: E731
    slope = jit(lambda x, n: vjp(lambda x: loss(x, n), x)[1](1.0)[0])
    jaxpr = optimize(make_jaxpr(lambda x, n: vjp(lambda x: loss(x, n), x)[1](1.0)[0])(1.0, 5))
    program = Program(jaxpr)
    assert is_scalar_program(jaxpr)
    agree(jaxpr, [np.float64(1.2), np.int64(100)])
    np.testing.assert_allclose(slope(1.2, 100), program.compiled(np.float64(1.2), np.int64(100))[0])
    with pytest.raises(LoopMemoryError, match="runs that keep"):
        program.compiled(np.float64(1.2), np.int64(10**9))


def test_derivatives_of_a_while_loop_to_second_order():
    root = lambda a: while_loop(lambda x: np.abs(x * x - a) > 1e-12, lambda x: x - (x * x - a) / (2.0 * x), a)  # noqa: E731
    slope = lambda a: vjp(root, a)[1](1.0)[0]  # noqa: E731
    for f, expected in (
        (root, 3.0),
        (slope, 1 / 6),
        (grad(slope), -1 / 108),
        (lambda a: vjp(slope, a)[1](1.0)[0], -1 / 108),
    ):
        jaxpr = make_jaxpr(f)(9.0)
        assert not agree(jaxpr, [np.float64(9.0)])
        for _ in range(30):
            np.testing.assert_allclose(jit(f)(9.0), expected, rtol=1e-9)


def test_a_loop_beside_arrays_runs_on_floats_itself():
    def f(x, a):
        y, ys = scan(lambda c, row: (np.sin(c) * row, c), a, x @ x[0])
        return np.sum(y * np.tanh(x @ ys))

    x = np.linspace(-1.0, 1.0, 3_600).reshape(60, 60)
    jitted, expected = jit(f), f(x, 0.5)
    for _ in range(30):
        np.testing.assert_allclose(jitted(x, 0.5), expected, rtol=1e-12)
    [loop] = [e.primitive for e in make_jaxpr(f)(x, 0.5).equations if e.primitive.name == "scan"]
    assert loop.on_scalars is not None
    assert "sin(" in loop.on_scalars.source


def test_results_of_loops_are_nobody_elses():
    xs = np.arange(30.0)
    f = jit(lambda xs: (scan(lambda c, x: (c + x, x), 0.0, xs), xs))
    for _ in range(30):
        (_, ys), same = f(xs)
        ys[...] = same[...] = 7.0
    np.testing.assert_array_equal(xs, np.arange(30.0))


def test_programs_that_stay_with_numpy():
    xs = np.ones(5)
    for f, args in (
        (lambda x: fori_loop(0, 5, lambda i, c: c * x, np.float32(1.0)), [np.float32(0.5)]),
        (lambda x: fori_loop(0, 5, lambda i, c: c * x, 1.0 + 0.0j), [1.0j]),
        (lambda x: fori_loop(0, 5, lambda i, c: c * x, np.ones(3)), [2.0]),
        (lambda x: np.sum(x), [xs]),
        (lambda x: scan(lambda c, y: (c + np.sum(x), y), 0.0, x), [xs]),
        (lambda x: fori_loop(0, 5, lambda i, c: c + np.int8(1), np.int8(1)) + x, [np.int8(3)]),
    ):
        assert not is_scalar_program(optimize(make_jaxpr(f)(*args)))


def test_the_source_of_a_loop():
    newton = lambda a: while_loop(lambda x: np.abs(x * x - a) > 1e-12, lambda x: x - (x * x - a) / (2.0 * x), 1.0)  # noqa: E731
    source = jit(newton).lower(2.0).source()
    for line in ("while True:", "v2 = (v1 * v1) - v0_", "if not abs(v2) > 1e-12: break", "v1 = v1 - (v2 / v3)"):
        assert f"{line}\n" in source
    source = jit(lambda r: fori_loop(0, 100, lambda i, x: r * x * (1.0 - x), 0.5)).lower(2.0).source()
    assert "for _ in repeat(None, 100):\n            v1 = (v0_ * v1) * (1.0 - v1)\n" in source


def test_a_loop_that_is_traced_again_is_generated_once(monkeypatch):
    made = []
    generate_scalar = scalars.generate_scalar
    monkeypatch.setattr(codegen, "generate_scalar", lambda *args: made.append(args) or generate_scalar(*args))
    xs = np.arange(1.0, 40.0)
    for factor in (0.123, 0.123, 0.456, 0.123):
        last, _ = scan(lambda c, x, factor=factor: (np.sin(c) * factor + x, None), 0.5, xs)
        expected = 0.5
        for x in xs:
            expected = np.sin(expected) * factor + x
        np.testing.assert_allclose(last, expected, rtol=1e-12)
    assert len(made) == 2


def test_loops_in_loops_that_are_too_deep_or_too_long_to_be_written_out():
    def nested(levels, both):
        f = lambda x: 0.5 * x  # noqa: E731
        for _ in range(levels):
            f = lambda x, f=f: fori_loop(0, 1, lambda i, c: f(c) + (f(c) if both else 1.0), x)  # noqa: E731
        return f

    for levels, both, fits in ((8, False, True), (40, False, False), (10, True, True)):
        jaxpr = make_jaxpr(nested(levels, both))(1.0)
        assert is_scalar_program(jaxpr) == fits
        np.testing.assert_allclose(Program(jaxpr).compiled(np.float64(1.0))[0], on_numpy(jaxpr, [1.0])[0])
