"""pure_callback, debug.callback, debug.print: what is called, with what, how often, in which order."""

import threading

import numpy as np
import pytest

from autotrace import (
    ShapeDtypeStruct,
    check_jaxpr,
    checkpoint,
    checkpointed_scan,
    cond,
    custom_jvp,
    custom_vjp,
    debug,
    errors,
    grad,
    hessian,
    jacfwd,
    jacobian,
    jacrev,
    jit,
    jvp,
    linearize,
    make_jaxpr,
    pure_callback,
    scan,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
    while_loop,
)
from autotrace.test_util import check_grads
from tests.messages import message_of

NUMBER = ShapeDtypeStruct((), float)
X = np.array([0.5, 1.5, 2.5])


def like(x):
    return ShapeDtypeStruct(np.shape(x), float)


# -- pure_callback ---------------------------------------------------------------------------------


def test_trees_and_keywords():
    def host(a, *, b):
        assert isinstance(a["x"], np.ndarray) and isinstance(b, np.ndarray)
        return {"sum": a["x"] + b, "pair": (b.sum(), None)}

    declared = {"sum": like(X), "pair": (ShapeDtypeStruct((), np.float32), None)}
    for wrap in (lambda f: f, jit, lambda f: jit(jit(f))):
        found = wrap(lambda x: pure_callback(host, declared, {"x": x}, b=2 * x))(X)
        assert np.array_equal(found["sum"], 3 * X)
        assert found["pair"] == (np.float32(9.0), None)
        assert found["pair"][0].dtype == np.float32


@pytest.mark.parametrize(
    ("method", "shapes"),
    [
        ("sequential", [((), ())] * 3),
        ("expand_dims", [((3,), (1,))]),
        ("broadcast_all", [((3,), (3,))]),
    ],
)
def test_vmap_methods(method, shapes):
    seen = []

    def host(a, b):
        seen.append((np.shape(a), np.shape(b)))
        return np.asarray(a) + np.asarray(b)

    def f(a, b):
        return pure_callback(host, NUMBER, a, b, vmap_method=method)

    for wrap in (lambda f: f, jit):
        seen.clear()
        assert np.array_equal(wrap(vmap(f, in_axes=(0, None)))(X, 1.0), X + 1.0)
        assert seen == shapes
    other = np.array([10.0, 20.0])
    nested = vmap(vmap(f, in_axes=(0, None)), in_axes=(None, 0))(X, other)
    assert np.array_equal(nested, X + other[:, None])
    assert vmap(f, in_axes=(0, None))(np.zeros(0), 1.0).shape == (0,)
    assert np.array_equal(vmap(f)(X, X), 2 * X)


def test_vmap_needs_a_method():
    with pytest.raises(errors.MissingRuleError, match=r"pure_callback: vmap needs to know.*vmap_method=None at .*:\d+"):
        vmap(lambda x: pure_callback(np.sin, NUMBER, x))(X)
    with pytest.raises(ValueError, match=r"vmap_method must be one of None, 'sequential'.*got 'legacy'"):
        pure_callback(np.sin, NUMBER, 1.0, vmap_method="legacy")


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        ((1.0, 2.0), TypeError, r"declared structure, PyTreeDef\(\*\); got PyTreeDef\(\(\*, \*\)\)"),
        (None, TypeError, "declared structure"),
        (np.ones(2), TypeError, r"got f64\[2\] for f64\[\] at result\. Correct"),
        (1j, TypeError, r"got c128\[\] for f64\[\]"),
        ("text", TypeError, "declared shapes and dtypes"),
    ],
)
def test_results_are_checked(returned, error, message):
    f = lambda x: pure_callback(lambda _: returned, NUMBER, x)  # noqa: E731
    for call in (f, jit(f)):
        with pytest.raises(error, match=message):
            call(1.0)


def test_results_take_the_declared_dtype():
    found = jit(lambda x: pure_callback(lambda _: 3, NUMBER, x))(1.0)
    assert found == 3.0 and found.dtype == np.float64


def test_wrong_declarations():
    with pytest.raises(TypeError, match="result_shape_dtypes must be a tree of ShapeDtypeStruct; got str"):
        pure_callback(np.sin, "f64", 1.0)
    with pytest.raises(TypeError, match="pure_callback: the first argument must be a function; got float"):
        pure_callback(1.0, NUMBER, 1.0)


def test_callbacks_get_copies():
    """A callback may write into what it gets, and keep it: nothing of the program's changes."""
    kept = []

    def host(x):
        kept.append(x)
        x[:] = -1.0
        return x

    def f(x):
        y = 2 * x
        return pure_callback(host, like(X), y), y, pure_callback(host, like(X), x)

    for wrap in (lambda f: f, jit):
        x = X.copy()
        negative, double, _ = wrap(f)(x)
        assert np.array_equal(negative, -np.ones(3))
        assert np.array_equal(double, 2 * X) and np.array_equal(x, X)
        kept[-1][:] = 7.0
        kept[-2][:] = 7.0
        assert np.array_equal(negative, -np.ones(3)) and np.array_equal(double, 2 * X) and np.array_equal(x, X)


def test_a_buffer_that_is_returned_twice():
    buffer = np.zeros(3)

    def host(x):
        buffer[:] = x
        return buffer

    first, second = jit(lambda x: (pure_callback(host, like(X), x), pure_callback(host, like(X), 2 * x)))(X)
    assert np.array_equal(first, X) and np.array_equal(second, 2 * X)


class PlannedError(Exception):
    pass


def failing(x):
    raise PlannedError("planned")


@pytest.mark.parametrize(
    "call",
    [
        lambda f: jit(f)(1.0),
        lambda f: jit(jit(f))(1.0),
        lambda f: vmap(f)(X),
        lambda f: scan(lambda c, _: (f(c), None), 1.0, length=3),
        lambda f: jit(lambda x: scan(lambda c, _: (f(c), None), x, length=50))(1.0),
        lambda f: while_loop(lambda c: c < 3, f, 1.0),
        lambda f: cond(True, f, np.sin, 1.0),
        lambda f: checkpoint(f)(1.0),
        lambda f: grad(lambda x: x * f(stop_gradient(x)))(1.0),
    ],
    ids=["jit", "jit jit", "vmap", "scan", "jit long scan", "while", "cond", "checkpoint", "grad"],
)
@pytest.mark.parametrize("kind", ["pure", "debug"])
def test_exceptions_come_through_with_the_line(call, kind):
    def f(x):
        if kind == "pure":
            return pure_callback(failing, NUMBER, x, vmap_method="sequential")
        debug.callback(failing, x)
        return x

    with pytest.raises(PlannedError, match="planned") as error:
        call(f)
    assert message_of(error.value) == "planned"
    line = f.__code__.co_firstlineno + (2 if kind == "pure" else 3)
    assert any(f"test_callbacks.py:{line}" in note for note in error.value.__notes__)
    assert len(error.value.__notes__) == 1


def test_a_derivative_needs_a_rule():
    f = lambda x: pure_callback(np.sin, NUMBER, x)  # noqa: E731
    line = f.__code__.co_firstlineno
    for transform in (grad, jacrev, lambda f: jit(grad(f)), lambda f: lambda x: jvp(f, (x,), (1.0,))):
        with pytest.raises(errors.MissingRuleError, match=rf"got none for sin at .*test_callbacks.py:{line}\. Wrap"):
            transform(f)(1.0)
    assert grad(lambda x: x * f(stop_gradient(x)))(1.0) == np.sin(1.0)
    whole = lambda x: pure_callback(lambda x: int(x), ShapeDtypeStruct((), int), x)  # noqa: E731
    assert grad(lambda x: x * whole(x))(2.5) == 2.0


@custom_jvp
def host_sin(x):
    return pure_callback(np.sin, like(x), x, vmap_method="broadcast_all")


@host_sin.defjvp
def host_sin_jvp(primals, tangents):
    return host_sin(*primals), host_cos(*primals) * tangents[0]


@custom_vjp
def host_cos(x):
    return pure_callback(np.cos, like(x), x, vmap_method="expand_dims")


host_cos.defvjp(lambda x: (host_cos(x), x), lambda x, ct: (-host_sin(x) * ct,))


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: lambda x: jvp(f, (x,), (np.ones_like(x),)),
        lambda f: grad(lambda x: np.sum(f(x))),
        lambda f: jit(grad(lambda x: np.sum(f(x)))),
        lambda f: vmap(grad(f)),
        lambda f: jit(vmap(grad(grad(f)))),
        lambda f: grad(lambda x: np.sum(vmap(f)(x))),
        lambda f: grad(checkpoint(lambda x: np.sum(f(x)))),
        lambda f: hessian(lambda x: np.sum(f(x))),
        lambda f: grad(lambda x: np.sum(scan(lambda c, _: (f(c), None), x, length=30)[0])),
    ],
)
def test_derivatives_by_rules_of_ones_own(transform):
    for host, plain in ((host_sin, np.sin), (host_cos, np.cos)):
        for got, expected in zip(np.atleast_1d(transform(host)(X)), np.atleast_1d(transform(plain)(X)), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)
    check_grads(host_sin, (X,), order=3)


# -- debug.callback and debug.print ----------------------------------------------------------------


class Lines:
    """What was printed since it was last asked."""

    def __init__(self, capsys):
        self._capsys = capsys

    def __call__(self):
        return self._capsys.readouterr().out.splitlines()


@pytest.fixture
def lines(capsys):
    return Lines(capsys)


def talking(x):
    debug.print("x={}", x)
    y = np.sin(x)
    debug.print("y={y:.3f}", y=y)
    return y * x


def said(*xs):
    return [line for x in xs for line in (f"x={np.float64(x)}", f"y={np.sin(x):.3f}")]


WORDS = {
    "plain": lambda f: f,
    "jit": jit,
    "jit jit": lambda f: jit(jit(f)),
    "grad": grad,
    "value_and_grad": value_and_grad,
    "jit grad": lambda f: jit(grad(f)),
    "grad jit": lambda f: grad(jit(f)),
    "grad grad": lambda f: grad(grad(f)),
    "jit grad grad": lambda f: jit(grad(grad(f))),
    "jvp": lambda f: lambda x: jvp(f, (x,), (1.0,)),
    "jit jvp": lambda f: jit(lambda x: jvp(f, (x,), (1.0,))),
    "vjp": lambda f: lambda x: vjp(f, x)[1](1.0),
    "linearize": lambda f: lambda x: linearize(f, x)[1](1.0),
    "hessian": hessian,
    "jacfwd": jacfwd,
    "jacrev": jacrev,
    "checkpoint": checkpoint,
    "grad checkpoint": lambda f: grad(checkpoint(f)),
    "jit grad checkpoint": lambda f: jit(grad(checkpoint(f))),
}


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_once_and_in_order(word, lines):
    call = word(talking)
    for x in [0.5, 1.5, *np.linspace(0, 1, 40)]:  # more often than programs are interpreted
        call(x)
        assert lines() == said(x)


def test_each_row(lines):
    for call in (vmap(talking), jit(vmap(talking)), vmap(jit(talking)), vmap(grad(talking)), jacrev(vmap(talking))):
        call(X)
        assert lines() == [*[f"x={x}" for x in X], *[f"y={np.sin(x):.3f}" for x in X]]
    for transform in (jacfwd, jacobian):
        transform(vmap(talking))(X)
        assert lines() == [*[f"x={x}" for x in X], *[f"y={np.sin(x):.3f}" for x in X]]


def test_nested_batches_are_one_equation(lines):
    def f(x, y):
        debug.print("{} {}", x, y)
        return x + y

    both = vmap(vmap(f, in_axes=(None, 0)), in_axes=(0, None))
    both(X[:2], X)
    assert lines() == [f"{x} {y}" for x in X[:2] for y in X]
    jaxpr = make_jaxpr(both)(X[:2], X)
    assert jaxpr.count_primitives()["debug_callback"] == 1
    check_jaxpr(jaxpr)


def test_in_loops_and_branches(lines):
    loop = lambda x: scan(lambda c, _: (talking(c), None), x, length=3)[0]  # noqa: E731
    steps = [1.0, np.sin(1.0)]
    steps.append(np.sin(steps[1]) * steps[1])
    for call in (loop, jit(loop), grad(loop), jit(grad(loop)), grad(grad(loop)), grad(jit(loop))):
        call(1.0)
        assert lines() == said(*steps)
    grad(lambda x: checkpointed_scan(lambda c, _: (talking(c), None), x, length=3)[0])(1.0)
    assert lines() == said(*steps)

    whiles = lambda x: while_loop(lambda c: c < 5, lambda c: (debug.print("{}", c), 2 * c)[1], x)  # noqa: E731
    for call in (whiles, jit(whiles), grad(whiles), jit(grad(whiles))):
        call(1.0)
        assert lines() == ["1.0", "2.0", "4.0"]

    def branch(name):
        return lambda x: (debug.print(name + " {}", x), x * x)[1]

    chosen = lambda x: cond(x > 1, branch("big"), branch("small"), x)  # noqa: E731
    for call in (chosen, jit(chosen), grad(chosen), jit(grad(chosen))):
        call(0.5), call(2.0)
        assert lines() == ["small 0.5", "big 2.0"]


def test_rows_that_do_not_run_say_nothing(lines):
    whiles = lambda x: while_loop(lambda c: c < 5, lambda c: (debug.print("{}", c), 2 * c)[1], x)  # noqa: E731
    rows = np.array([1.0, 3.0, 9.0])
    for call in (vmap(whiles), jit(vmap(whiles)), vmap(grad(whiles))):
        call(rows)
        assert lines() == ["1.0", "3.0", "2.0", "4.0"]

    asking = lambda x: while_loop(lambda c: (debug.print("? {}", c), c < 5)[1], lambda c: 2 * c, x)  # noqa: E731
    vmap(asking)(rows)
    assert lines() == ["? 1.0", "? 3.0", "? 9.0", "? 2.0", "? 6.0", "? 4.0", "? 8.0"]

    def branch(name):
        def inner(c, _):
            debug.print(name + " in a loop {}", c)
            return c * 2, None

        return lambda x: (debug.print(name), scan(inner, x, length=2)[0])[1]

    chosen = lambda x: cond(x > 1, branch("big"), branch("small"), x)  # noqa: E731
    vmap(chosen)(np.array([0.5, 2.0, 0.25]))
    assert lines() == [
        *[
            "small",
            "small",
            "small in a loop 0.5",
            "small in a loop 0.25",
            "small in a loop 1.0",
            "small in a loop 0.5",
        ],
        *["big", "big in a loop 2.0", "big in a loop 4.0"],
    ]
    nested = lambda x: cond(x > 0, lambda x: checkpoint(chosen)(x), lambda x: whiles(x), x)  # noqa: E731
    vmap(nested)(np.array([2.0, 0.5]))
    assert [line for line in lines() if "loop" not in line] == ["small", "big"]


def nothing_traced(x):
    debug.print("hello")
    debug.print("three: {}", 3)
    return x * x


def test_nothing_traced_prints_at_every_run(lines):
    for word in ("jit", "jit jit", "grad", "jit grad", "grad jit", "jit grad grad", "jit grad checkpoint", "linearize"):
        call = WORDS[word](nothing_traced)
        for x in (1.0, 2.0, 3.0):
            call(x)
            assert lines() == ["hello", "three: 3"], word
    compiled = jit(lambda: (debug.print("alone"), 1.0)[1])
    assert [compiled(), compiled()] == [1.0, 1.0]
    assert lines() == ["alone", "alone"]
    scan(lambda c, _: (nothing_traced(c), None), 1.0, length=2)
    assert lines() == ["hello", "three: 3"] * 2
    jit(grad(lambda c: scan(lambda c, _: (nothing_traced(c), None), c, length=2)[0]))(1.0)
    assert lines() == ["hello", "three: 3"] * 2


def test_calls_on_known_values_inside_a_program(lines):
    """A function that says something is part of the program that calls it, whatever it is called on."""
    inner = jit(talking)
    inner(2.0)
    lines()
    for f in (
        lambda x: x * inner(2.0),
        lambda x: x * jit(talking)(2.0),
        lambda x: x * grad(talking)(2.0),
        lambda x: x * checkpoint(talking)(2.0),
    ):
        compiled = jit(f)
        for x in (1.0, 2.0):
            compiled(x)
            assert lines() == said(2.0)


def branching(x):
    debug.print("before {}", x)
    if x > 0:
        debug.print("positive")
        return 2 * x
    debug.print("negative")
    return x


@pytest.mark.parametrize("word", [jit, lambda f: jit(grad(f)), lambda f: grad(jit(f)), lambda f: jit(jit(f))])
def test_a_failed_guard_repeats_nothing(word, lines):
    call = word(branching)
    for x in (1.0, -1.0, 2.0, -2.0, 3.0):
        call(x)
        assert lines() == [f"before {x}", "positive" if x > 0 else "negative"]


def test_a_python_loop_repeats_nothing(lines):
    @jit
    def f(x):
        while x < 10:
            debug.print("{}", x)
            x = 2 * x
        return x

    for x in (1.0, 3.0, 1.5, 20.0, 3.0):
        f(x)
        steps = []
        while x < 10:
            steps.append(str(x))
            x = 2 * x
        assert lines() == steps


def test_levels_keep_their_order(lines):
    """Inside a function of a function, prints of the outer and the inner value come in the order of the text."""

    def outer(x):
        def inner(y):
            debug.print("inner {}", y)
            debug.print("outer {}", x)
            debug.print("inner again {}", y)
            return x * y * y

        debug.print("start {}", x)
        slope = grad(inner)(2.0)
        debug.print("end {}", x)
        return slope

    expected = ["start 1.0", "inner 2.0", "outer 1.0", "inner again 2.0", "end 1.0"]
    for call in (outer, jit(outer), grad(outer), jit(grad(outer))):
        call(1.0)
        assert lines() == expected
    vmap(outer)(np.array([1.0, 1.0]))
    assert len(lines()) == 8  # the inner value does not depend on the row


def test_callback_gets_trees_of_copies():
    seen = []

    def f(x):
        y = 2 * x
        debug.callback(lambda tree, *, k: (seen.append(tree), tree["a"].fill(0.0)), {"a": y, "b": None}, k=3)
        return y

    for wrap in (lambda f: f, jit):
        assert np.array_equal(wrap(f)(X), 2 * X)
    assert all(isinstance(tree["a"], np.ndarray) and tree["b"] is None for tree in seen)
    with pytest.raises(TypeError, match=r"debug\.callback: the first argument must be a function"):
        debug.callback(3, X)


def test_threads():
    heard = {}

    def f(x):
        debug.callback(lambda x: heard.setdefault(threading.current_thread().name, []).append(float(x)), x)
        return np.sin(x)

    compiled = jit(grad(f))

    def work(start):
        for i in range(50):
            compiled(start + i)

    threads = [threading.Thread(target=work, args=(1000.0 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard.values()) == [[1000.0 * k + i for i in range(50)] for k in range(4)]


@pytest.mark.parametrize(
    ("fmt", "args", "kwargs", "printed"),
    [
        ("100%", (), {}, "100%"),
        ("{{}}", (), {}, "{}"),
        ("{0} {0}", (2,), {}, "2 2"),
        ("{!r:>18}", (1.0,), {}, "   np.float64(1.0)"),
        ("{:{w}.2f}", (1.5,), {"w": 8}, "    1.50"),
        ("{0.shape} {x[1]}", (X,), {"x": X}, "(3,) 1.5"),
        ("{[a]}", ({"a": 1},), {}, "1"),
        ("{}", (None,), {}, "None"),
        ("{a} {b}", (), {"a": 1, "b": [1, 2.0]}, "1 [np.int64(1), np.float64(2.0)]"),
    ],
)
def test_formats(fmt, args, kwargs, printed, lines):
    debug.print(fmt, *args, **kwargs)
    jit(lambda x: (debug.print(fmt, *args, **kwargs), x)[1])(1.0)
    jit(lambda a, k: debug.print(fmt, *a, **k))(args, kwargs)
    assert lines() == [printed] * 3


@pytest.mark.parametrize(
    ("fmt", "args", "kwargs", "error", "message"),
    [
        ("{", (), {}, ValueError, "must be well formed; got '{'"),
        ("{} {}", (1,), {}, ValueError, "each argument must have a field"),
        ("{}", (1, 2), {}, ValueError, "each argument must have a field"),
        ("{a}", (), {"b": 1}, ValueError, r"the names \(b\)"),
        ("{0}{1}{}", (1, 2), {}, ValueError, "each argument must have a field"),
        ("{:d}", (1.5,), {}, ValueError, "Unknown format code 'd'"),
        ("{:.2f}", (X,), {}, TypeError, "the format must suit its arguments"),
        ("{!z}", (1.0,), {}, ValueError, "Unknown conversion specifier"),
        ("{.missing}", (1.0,), {}, ValueError, "has no attribute 'missing'"),
        (3, (), {}, TypeError, "the first argument must be a format string; got int"),
    ],
)
def test_format_errors_come_when_it_is_traced(fmt, args, kwargs, error, message, lines):
    for trace in (
        lambda f: f(*args, **kwargs),
        lambda f: make_jaxpr(lambda a, k: f(*a, **k))(args, kwargs),
        lambda f: vmap(lambda _: f(*args, **kwargs))(X),
    ):
        with pytest.raises(error, match=message):
            trace(lambda *a, **k: debug.print(fmt, *a, **k))
    assert lines() == []


def test_programs_are_sound_and_say_it_in_python(lines):
    for f, x in ((talking, 1.0), (grad(talking), 1.0), (vmap(talking), X), (vmap(branch_of_rows), X)):
        jaxpr = make_jaxpr(f)(x)
        check_jaxpr(jaxpr)
        namespace = {}
        lines()
        jaxpr(x)
        expected = lines()
        exec(str(jaxpr.to_python(comments=False)), namespace)
        namespace["program"](x)
        assert lines() == expected != []


def branch_of_rows(x):
    return cond(x > 1, lambda x: (debug.print("big {}", x), x)[1], lambda x: (debug.print("small {}", x), -x)[1], x)


def test_print_takes_fields_by_name_before_those_by_place(capsys):
    debug.print("{x} {} {y:.1f} {} {x}", 1, 2, x=0, y=0.5)
    debug.print("{0} {x} {1}", 1, 2, x=0)
    assert capsys.readouterr().out == "0 1 0.5 2 0\n1 0 2\n"
    for fmt in ("{x} {}", "{x} {} {} {}", "{x} {1}"):
        with pytest.raises(ValueError, match="each argument must have a field"):
            debug.print(fmt, 1, 2, x=0)


# -- in rules of the user's own --------------------------------------------------------------------


def _with_jvp(say):
    @custom_jvp
    def double(x):
        say("function", x)
        return 2 * x

    @double.defjvp
    def _(primals, tangents):
        say("rule", primals[0])
        return 2 * primals[0], 2 * tangents[0]

    return double


def _with_vjp(say):
    @custom_vjp
    def double(x):
        say("function", x)
        return 2 * x

    def forward(x):
        say("rule", x)
        return 2 * x, x

    def backward(x, ct):
        say("backward", x)
        return (2 * ct,)

    double.defvjp(forward, backward)
    return double


@pytest.mark.parametrize("decorated", [_with_jvp, _with_vjp])
def test_rows_that_have_stopped_call_nothing_inside_rules(decorated):
    seen = []

    def say(word, x):
        debug.callback(lambda x: seen.append((word, float(x))), x)

    double = decorated(say)
    loop = lambda x: while_loop(lambda x: x < 10.0, double, x)  # noqa: E731
    runs = [1.0, 2.0, 4.0, 6.0, 8.0]
    for transform in (vmap(loop), jit(vmap(loop))):
        seen.clear()
        assert transform(np.array([1.0, 6.0])).tolist() == [16.0, 12.0]
        assert sorted(seen) == [("function", x) for x in runs]
    seen.clear()
    assert vmap(grad(loop))(np.array([1.0, 6.0])).tolist() == [16.0, 2.0]
    backward = [("backward", x) for x in runs] if decorated is _with_vjp else []
    assert sorted(seen) == [*backward, *[("rule", x) for x in runs]]


def test_rows_that_take_another_branch_call_nothing_inside_rules():
    seen = []
    double = _with_jvp(lambda word, x: debug.callback(lambda x: seen.append((word, float(x))), x))
    choice = lambda x: cond(x < 3.0, double, lambda x: x, x)  # noqa: E731
    assert vmap(choice)(np.array([1.0, 6.0, 2.0])).tolist() == [2.0, 6.0, 4.0]
    assert seen == [("function", 1.0), ("function", 2.0)]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda f: lambda x: scan(lambda c, _: (f(c), None), x, None, length=3)[0],
        lambda f: lambda x: while_loop(lambda x: x < 7.0, f, x),
        lambda f: lambda x: f(f(f(x))),
    ],
    ids=["scan", "while_loop", "calls"],
)
def test_what_a_rule_says_of_primals_belongs_to_the_forward_pass(wrap):
    """It was recorded among the tangents, whose trace it outlived."""
    seen = []
    f = wrap(_with_jvp(lambda word, x: debug.callback(lambda x: seen.append((word, float(x))), x)))
    value, push = linearize(f, 1.0)
    assert (value, seen) == (8.0, [("rule", 1.0), ("rule", 2.0), ("rule", 4.0)])
    assert push(1.0) == 8.0 and len(seen) == 3
    assert jacrev(vmap(f))(np.array([1.0])).tolist() == [[8.0]]
    assert jacfwd(vmap(f))(np.array([1.0])).tolist() == [[8.0]]
    assert jvp(f, (1.0,), (1.0,)) == (8.0, 8.0) and grad(f)(1.0) == 8.0


def test_what_a_rule_says_of_tangents_is_said_where_they_are():
    seen = []

    @custom_jvp
    def double(x):
        return 2 * x

    @double.defjvp
    def _(primals, tangents):
        debug.callback(lambda t: seen.append(float(t)), tangents[0])
        return 2 * primals[0], 2 * tangents[0]

    loop = lambda x: scan(lambda c, _: (double(c), None), x, None, length=2)[0]  # noqa: E731
    assert jvp(loop, (1.0,), (3.0,)) == (4.0, 12.0) and seen == [3.0, 6.0]
    seen.clear()
    assert linearize(loop, 1.0)[1](3.0) == 12.0 and seen == [3.0, 6.0]
    seen.clear()
    assert grad(lambda x: loop(x) * 1.0)(1.0) == 4.0
