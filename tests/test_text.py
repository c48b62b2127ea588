"""Programs as text and back: layout, names, options of printing, the round trip, and texts that are no programs."""

import copy
import io
import pickle
import random
import re
import subprocess
import sys

import numpy as np
import pytest

import autotrace as at
from autotrace import check_jaxpr, cond, errors, grad, jit, jvp, make_jaxpr, parse_jaxpr, print_jaxpr, scan, while_loop
from autotrace.ir import Equation, Jaxpr, Literal, ShapedArray, Var, variable_names
from autotrace.ir.layout import HARD, Break, Group, Nest, fill, render
from autotrace.ir.names import letters, unique_name
from autotrace.ir.primitive import REGISTRY, Primitive
from autotrace.ir.print import number_text, referenced

X = np.array([0.5, -1.0, 2.0])
TABLE = np.arange(40.0)


@jit
def square(x):
    return x * x


def energy(speed, weights):
    total = square(speed) + square(speed + 1.0)
    for _ in range(2):
        total = np.sin(total) * weights
    summed, _ = scan(lambda c, x: (c * x + 1.0, c), 0.0, total)
    chosen = cond(summed > 0, lambda x: x * 2.0, lambda x: x - 1.0, summed)
    return while_loop(lambda x: x < 100.0, lambda x: x * 2 + 1.0, chosen)


def mixed(x):
    return (
        x[1:, None] * np.arange(3) + 2j,
        np.float32(0.1) * x.astype("f4"),
        np.sort(x)[::-1],
        np.fft.fft(x),
        TABLE + 1,
    )


PROGRAMS = {
    "plain": lambda: make_jaxpr(lambda x, y: np.sin(x) * y + 1.0)(X, 2.0),
    "control": lambda: make_jaxpr(energy)(X, X),
    "tangent": lambda: make_jaxpr(lambda x, dx: jvp(lambda x: energy(x, X), (x,), (dx,))[1])(X, X),
    "gradient": lambda: make_jaxpr(grad(lambda x: np.sum(np.tanh(x * X) ** 2)))(X),
    "mixed": lambda: make_jaxpr(mixed)(np.ones(4)),
    "guards": lambda: make_jaxpr(grad(lambda x, n: x**n if n > 2 else x))(2.0, 3),
    "optimized": lambda: jit(energy).lower(X, X).jaxpr,
    "large": lambda: make_jaxpr(lambda x: x + np.linspace(0.0, 1.0, 50))(1.0),
    "no inputs": lambda: make_jaxpr(lambda: (1.0, 2, True, 3j, np.float32(1.5)))(),
    "nothing": lambda: Jaxpr([], [], []),
}


def back(jaxpr, text=None, **options):
    return parse_jaxpr(print_jaxpr(jaxpr, **options) if text is None else text, constants=referenced(jaxpr))


# -- layout and names ------------------------------------------------------------------------------


def test_a_group_is_broken_only_where_it_does_not_fit():
    doc = Group(["call(", Nest(4, fill(["first", "second", "third"], ",")), ")"])
    assert render(doc, 80) == "call(first, second, third)"
    assert render(doc, 20) == "call(first, second,\n    third)"
    assert render(["a", Nest(2, [HARD, "b"]), HARD, "c"], None) == "a\n  b\nc"
    assert render(Group(["a", Break(), "b"]), 2) == "a\nb"


def test_colour_takes_no_room():
    jaxpr = PROGRAMS["plain"]()
    plain, coloured = jaxpr.pretty(color=False, width=30), jaxpr.pretty(color=True, width=30)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == plain
    assert parse_jaxpr(coloured) == jaxpr


@pytest.mark.parametrize(("environment", "terminal", "expected"), [
    ({}, True, True), ({}, False, False), ({"NO_COLOR": "1"}, True, False), ({"TERM": "dumb"}, True, False),
])  # fmt: skip
def test_colour_by_itself_is_for_terminals(monkeypatch, environment, terminal, expected):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    out = io.StringIO()
    out.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stdout", out)
    assert ("\x1b[" in PROGRAMS["plain"]().pretty()) is expected
    assert "\x1b[" not in str(PROGRAMS["plain"]())


def test_letters_skip_words():
    names = [name for name, _ in zip(letters(), range(10_000), strict=False)]
    assert names[:3] == ["a", "b", "c"]
    assert names[24:28] == ["y", "z", "ba", "bb"]
    assert len(set(names)) == len(names)
    assert not {"in", "is", "if", "nan", "inf", "let", "for"} & set(names)


@pytest.mark.parametrize("wanted", ["x", "lambda", "f64", "nan", "0", "", "a b", "w['k']", "é", "<listcomp>", "__x__"])
def test_unique_names_are_identifiers(wanted):
    name = unique_name(wanted, ())
    assert name.isidentifier()
    other = unique_name(wanted, {name})
    assert other != name
    assert other.isidentifier()


def names_of(jaxpr):
    return list(variable_names(jaxpr, "user").values())


def test_names_of_arguments():
    def f(params, x, *rest, scale):
        return params["w"][0] * x * rest[0] * rest[1] * scale

    assert names_of(make_jaxpr(f)({"w": [1.0]}, 2.0, 3.0, 4.0, scale=5.0))[:5] == [
        "params_w_0", "x", "rest_0", "rest_1", "scale",
    ]  # fmt: skip
    assert names_of(make_jaxpr(grad(f))({"w": [1.0]}, 2.0, 3.0, 4.0, scale=5.0))[0] == "params_w_0"
    assert names_of(make_jaxpr(lambda n, x: x * n, static_argnums=0)(2, 1.0))[0] == "x"
    assert names_of(make_jaxpr(np.sin)(1.0)) == ["x", "a"]
    assert names_of(make_jaxpr(np.add)(1.0, 2.0)) == ["x1", "x2", "a"]


def test_names_of_local_variables():
    def f(x):
        y = np.sin(x)
        y += 1.0
        u, v = np.modf(y)
        if (z := u * v) is None:
            return z
        mean = np.mean(x)
        return mean * z

    assert names_of(make_jaxpr(f)(X)) == ["x", "y", "y_1", "u", "v", "z", "a", "mean", "b"]


def test_names_of_what_functions_written_in_python_return():
    def f(x):
        total = x.sum()
        inner = x.dot(x)
        parts = [np.sin(element) for element in x]
        last, rows = scan(lambda carry, row: (carry + row, carry * row), inner, x)
        return total, parts, last, rows

    named = {"total", "inner", "element", "element_1", "element_2", "last", "rows"}
    assert named <= set(names_of(make_jaxpr(f)(X)))


def test_names_of_tangents():
    def f(x):
        y = np.sin(x)
        return y * 2.0

    assert "dy" in names_of(make_jaxpr(lambda x, dx: jvp(f, (x,), (dx,)))(1.0, 1.0))


# -- options ---------------------------------------------------------------------------------------


def test_lines_are_no_longer_than_the_width():
    text = PROGRAMS["mixed"]().pretty(width=60, color=False)
    assert max(map(len, text.splitlines())) <= 60
    assert "\n" not in print_jaxpr(make_jaxpr(lambda *x: x)(*[1.0] * 100), width=None).split(" let")[0]


def test_long_programs_are_folded():
    def f(x):
        for _ in range(100):
            x = np.sin(x)
        return x

    text = make_jaxpr(f)(1.0).pretty(max_equations=6, color=False)
    assert text.count("sin") == 6
    assert "... 94 equations ..." in text
    with pytest.raises(errors.JaxprSyntaxError, match="max_equations"):
        parse_jaxpr(text)


def test_source_cost_and_shapes():
    jaxpr = PROGRAMS["gradient"]()
    assert re.search(r"# test_text.py:\d+ \(.*\), cotangent", print_jaxpr(jaxpr, source=True))
    assert "3 flop, 48 B moved, " in print_jaxpr(jaxpr, cost=True)
    assert "f64" not in print_jaxpr(jaxpr, shapes=False)


def test_a_source_comes_back_from_its_comment():
    jaxpr = PROGRAMS["gradient"]()
    text = print_jaxpr(jaxpr, source=True, cost=True)
    assert print_jaxpr(back(jaxpr, text), source=True, cost=True) == text


def test_programs_used_twice_are_written_once():
    text = str(PROGRAMS["control"]())
    assert text.startswith("square = { lambda ")
    assert text.count("mul a a") == 1
    parsed = back(PROGRAMS["control"]())
    calls = [e.primitive for e in parsed.equations if e.primitive.name == "call"]
    assert calls[0] is calls[1]


def test_format_python_runs():
    scope = {}
    exec(make_jaxpr(lambda x: np.sin(x) * 2.0)(1.0).pretty(format="python"), scope)
    assert scope["program"](1.0) == np.sin(1.0) * 2.0


@pytest.mark.parametrize("options", [
    {"width": 0}, {"width": "x"}, {"names": "greek"}, {"color": "no"}, {"max_equations": -1}, {"format": "rst"},
])  # fmt: skip
def test_wrong_options(options):
    with pytest.raises(ValueError, match=r"pretty: .* got"):
        PROGRAMS["plain"]().pretty(**options)


def test_only_programs_print():
    with pytest.raises(TypeError, match="must be a Jaxpr"):
        print_jaxpr(3)


# -- the round trip --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    {}, {"names": "user", "source": True}, {"width": 20}, {"width": None, "cost": True}, {"color": True},
])  # fmt: skip
@pytest.mark.parametrize("name", PROGRAMS)
def test_round_trip(name, options):
    jaxpr = PROGRAMS[name]()
    text = print_jaxpr(jaxpr, **options)
    parsed = parse_jaxpr(text, constants=referenced(jaxpr))
    assert parsed == jaxpr
    assert hash(parsed) == hash(jaxpr)
    if options.get("names") != "user":
        assert print_jaxpr(parsed, **options) == text


def test_a_parsed_program_runs():
    jaxpr = PROGRAMS["control"]()
    assert back(jaxpr)(X, X) == jaxpr(X, X)


NUMBERS = [
    0.0, -0.0, 1e300, 5e-324, np.inf, -np.inf, np.nan, 0.1, 3, -7, 2**62, True, False, 2j, -0j, 1 - 2j,
    complex(-0.0, 1.0), complex(np.nan, np.inf), complex(np.inf, -0.0), np.float32(0.1), np.float16(1e-7),
    np.int8(-128), np.uint64(2**64 - 1), np.complex64(0.1 + 0.2j), np.longdouble("0.1"), np.clongdouble(1 + 0.1j),
    np.float32(np.nan), np.float32(1e-45), np.bool_(True),
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS, ids=lambda x: f"{type(x).__name__}-{x!r}")
def test_numbers_come_back_exactly(number):
    jaxpr = Jaxpr([], [], [Literal(number)])
    value = parse_jaxpr(str(jaxpr)).outputs[0].value
    assert parse_jaxpr(str(jaxpr)) == jaxpr
    assert value.dtype == np.asarray(number).dtype
    assert repr(value[()]) == repr(np.asarray(number)[()])
    array = np.array([number, number, 0], np.asarray(number).dtype)
    held = Var(ShapedArray(array.shape, array.dtype))
    constant = Jaxpr([], [], [held], [held], [array])
    assert parse_jaxpr(str(constant)) == constant


def test_numbers_are_short():
    assert number_text(np.float32(0.1)) == "0.1"
    assert [number_text(x) for x in (1.0, 1j, 1 + 2j, np.int8(3))] == ["1.0", "1j", "(1+2j)", "3"]


@pytest.mark.parametrize("array", [
    np.zeros((2, 3)), np.arange(6).reshape(2, 3), np.zeros((0, 2)), np.zeros((2, 0), "i4"), np.array([True, False]),
    np.zeros(3, at.float0), np.array([0.0, -0.0]), np.array([[1 + 2j], [3j]]), np.full(10**6, 2.5, "f4"),
    np.broadcast_to(np.float64(7.0), (10**9,)), np.array(1.5),
], ids=lambda x: f"{x.dtype}{x.shape}")  # fmt: skip
def test_constants_come_back(array):
    var = Var(ShapedArray(array.shape, array.dtype))
    jaxpr = Jaxpr([], [], [var], [var], [array])
    parsed = parse_jaxpr(str(jaxpr))
    assert parsed == jaxpr
    assert parsed.constants[0].dtype == array.dtype
    assert not parsed.constants[0].flags.writeable


class Everything(Primitive):
    """A primitive of every kind of parameter."""

    value: object

    def impl(self, x):
        return x

    def abstract(self, x):
        return x

    def jvp(self, primals, tangents, output):
        return tangents[0]

    def batch(self, size, inputs, batched):
        return inputs[0]


PARAMETERS = [
    None, True, 3, -0.0, np.inf, np.nan, 1j, 1 + 2j, "", "it's", 'a"b', "back\\slash\n\t\x00é\u2028\U0001f600",
    (), (1,), ((1, None), ("x",)),
    ShapedArray((2, 3), np.dtype("f4")), (ShapedArray((), at.float0),),
    np.dtype("f4"), np.dtype(bool), at.float0, np.float32(2.5), np.int64(3), ..., (np.nan, -0.0, 1.0), "# no comment",
]  # fmt: skip


@pytest.mark.parametrize("value", PARAMETERS, ids=repr)
def test_parameters_come_back(value):
    x, y = (Var(ShapedArray((), np.dtype(float))) for _ in range(2))
    jaxpr = Jaxpr([x], [Equation(Everything(value), (x,), (y,))], [y])
    parsed = parse_jaxpr(str(jaxpr))
    assert parsed == jaxpr
    got = parsed.equations[0].params["value"]
    assert type(got) is type(value)
    assert repr(got) == repr(value)


def test_slices_come_back():
    assert parse_jaxpr("{ lambda ; . let\n  in () }") == Jaxpr([], [], [])
    text = "{ lambda ; a:f64[]. let\n    b:f64[] = everything[value=slice(1, None, 2)] a\n  in (b,) }"
    if sys.version_info >= (3, 12):  # slices have had a hash since
        assert str(parse_jaxpr(text)) == text
    else:
        with pytest.raises(errors.JaxprSyntaxError, match="everything must accept its parameters"):
            parse_jaxpr(text)


def test_functions_among_parameters_are_refused():
    x, y = (Var(ShapedArray((), np.dtype(float))) for _ in range(2))
    jaxpr = Jaxpr([x], [Equation(Everything(len), (x,), (y,))], [y])
    with pytest.raises(errors.JaxprSyntaxError, match="functions and the like have no text"):
        parse_jaxpr(str(jaxpr))


# -- constants that the text only names ------------------------------------------------------------


def test_large_constants_are_passed():
    jaxpr = PROGRAMS["large"]()
    (array,) = referenced(jaxpr)
    assert parse_jaxpr(str(jaxpr), constants=[array]) == jaxpr
    assert parse_jaxpr(str(jaxpr), constants={"a": array}) == jaxpr
    assert parse_jaxpr(jaxpr.pretty(constants=100, color=False)) == jaxpr
    for wrong, what in [
        (None, "is not written out"), ([], "is not written out"), ({"b": array}, "is not written out"),
        ([array[1:]], "must be f64"), ([array.astype("f4")], "must be f64"), ([array, array], "got 2"),
        ([3.0], "must be"),
    ]:  # fmt: skip
        with pytest.raises(errors.JaxprSyntaxError, match=what):
            parse_jaxpr(str(jaxpr), constants=wrong)
    with pytest.raises(TypeError, match="a list of arrays"):
        parse_jaxpr(str(jaxpr), constants=array)


def test_a_passed_array_may_change_afterwards():
    array = np.linspace(0.0, 1.0, 50)
    jaxpr = parse_jaxpr(str(PROGRAMS["large"]()), constants=[array])
    array[:] = 7.0
    assert jaxpr == PROGRAMS["large"]()


# -- texts that are no programs --------------------------------------------------------------------

BAD = {
    "": "needs '{'",
    "{ lambda ; a:f64[]. let\n    b:f64[] = nope a\n  in (b,) }": "known primitive",
    "{ lambda ; a:f64[]. let\n    b:f64[] = sin c\n  in (b,) }": "bound before",
    "{ lambda ; a:f64[]. let\n    b:f64[] = sin b\n  in (b,) }": "bound before",
    "{ lambda ; a:f64[]. let\n    a:f64[] = sin a\n  in (a,) }": "bound once",
    "{ lambda ; a:f64[] a:f64[]. let\n  in (a,) }": "bound once",
    "{ lambda ; a:q64[]. let\n  in (a,) }": "a dtype",
    "{ lambda ; a:f64[-1]. let\n  in (a,) }": "length of an axis",
    "{ lambda ; a:f64[" + "9" * 5000 + "]. let\n  in (a,) }": "length of an axis",
    "{ lambda ; a:f64[]. let\n    b:f64[] = sin[x=1] a\n  in (b,) }": "takes no parameters",
    "{ lambda ; a:f64[3]. let\n    b:f64[] = reduce_sum a\n  in (b,) }": "needs the parameters axes",
    "{ lambda ; a:f64[3]. let\n    b:f64[] = reduce_sum[axes=(0,) axes=(0,)] a\n  in (b,) }": "once",
    "{ lambda ; a:f64[]. let\n    b:f64[] = sin a c:f64[] = sin b\n  in (b,) }": "a line of its own",
    "{ lambda ; a:i64[]. let\n    b:i64[] = add a 99999999999999999999\n  in (b,) }": "a number of i64",
    "{ lambda ; a:i8[]. let\n    b:i8[] = add a 128:i8\n  in (b,) }": "a number of i8",
    "{ lambda a:f64[2]=[1.0] ; . let\n  in (a,) }": r"an array of f64\[2\]",
    "{ lambda a:f64[2]=[[1.0, 2.0]] ; . let\n  in (a,) }": r"a number of f64",
    "{ lambda a:bool[2]=[1, 0] ; . let\n  in (a,) }": "a number of bool",
    "{ lambda ; . let\n  in () } x": "nothing may follow",
    "{ lambda ; a:f64[]. let\n    b:f64[] = integer_pow[y=" + "9" * 5000 + "] a\n  in (b,) }": "digits",
    "{ lambda ; a:f64[]. let\n    b:f64[] = everything[value=" + "(" * 5000: "nested at most",
    "{ lambda ; a:f64[]. let\n    b:f64[] = call[jaxpr=" * 500: "nested at most|bound once",
    "(" * 100_000: "needs '{'",
    "{ lambda a:f64[0,999999999999999999,9999999999] ; . let\n  in (a,) }": "memory can hold",
    r"{ lambda ; a:f64[]. let" + "\n    b:f64[] = everything[value='\\q'] a\n  in (b,) }": "escapes",
    "{ lambda ; a:f64[]. let\n    b:f64[] = everything[value=__import__] a\n  in (b,) }": "value of a parameter",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_malformed_texts(text):
    with pytest.raises(errors.JaxprSyntaxError, match=BAD[text]) as caught:
        parse_jaxpr(text)
    lines = str(caught.value).split("\n")
    assert f"line {caught.value.line}, column {caught.value.column}." in lines[0]
    assert lines[-1].strip() == "^"
    assert len(str(caught.value)) < 1000


def test_the_caret_points_at_the_place():
    with pytest.raises(errors.JaxprSyntaxError) as caught:
        parse_jaxpr("{ lambda ; a:f64[]. let\n    b:f64[] = sin c\n  in (b,) }")
    assert str(caught.value) == (
        "parse_jaxpr: a variable must be bound before its use; got 'c' at line 2, column 19. Correct the text.\n"
        "        b:f64[] = sin c\n"
        "                      ^"
    )


ILL_TYPED = [
    "{ lambda ; a:f64[3]. let\n    b:f64[2] = sin a\n  in (b,) }",
    "{ lambda ; a:f64[3]. let\n    b:f64[3] = sin a a\n  in (b,) }",
    "{ lambda ; a:f64[3]. let\n    b:f64[3] = add a 1.0:f32\n  in (b,) }",
    "{ lambda ; a:f64[3]. let\n    b:f64[] = reduce_sum[axes='x'] a\n  in (b,) }",
    "{ lambda ; a:f64[]. let\n    b:f64[] = call[jaxpr=3 label='f'] a\n  in (b,) }",
    "{ lambda ; a:f64[]. let\n    b:f64[] c:f64[] = sin a\n  in (b,) }",
]


@pytest.mark.parametrize("text", ILL_TYPED)
def test_programs_that_fail_the_checker(text):
    with pytest.raises(errors.JaxprTypeError, match=r"parse_jaxpr: .* at line 2, column 5\."):
        parse_jaxpr(text)


def test_only_texts_are_parsed():
    with pytest.raises(TypeError, match="must be a string"):
        parse_jaxpr(b"{ lambda ; . let in () }")


ALPHABET = "abz019.-+:;,=()[]{}#'\"\\ \n\tfjeinux?<>_é\x00%"


@pytest.mark.parametrize("name", ["plain", "control", "mixed", "guards"])
def test_damaged_texts_give_errors_or_programs(name):
    text = print_jaxpr(PROGRAMS[name](), names="user", source=name == "control", constants=100)
    draw = random.Random(f"damage to {name}")
    damaged = [text[:n] for n in range(len(text))]
    for _ in range(400):
        i, kind = draw.randrange(len(text)), draw.random()
        damaged.append(text[:i] + (draw.choice(ALPHABET) if kind < 0.7 else "") + text[i + (kind > 0.2) :])
    outcomes = set()
    for one in damaged:
        try:
            check_jaxpr(parse_jaxpr(one))
            outcomes.add("a program")
        except (errors.JaxprSyntaxError, errors.JaxprTypeError) as error:
            outcomes.add(type(error).__name__)
    assert outcomes == {"a program", "JaxprSyntaxError", "JaxprTypeError"}


def test_primitives_of_scipy_are_found_in_a_new_process():
    pytest.importorskip("scipy")
    text = "{ lambda ; a:f64[]. let\n    b:f64[] = erf a\n  in (b,) }"
    code = f"import autotrace, math; assert autotrace.parse_jaxpr({text!r})(0.5)[0] == math.erf(0.5)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# -- equality --------------------------------------------------------------------------------------


def test_programs_are_equal_up_to_names():
    one, other = (make_jaxpr(lambda x: np.sum(np.sin(x) * TABLE[:3]))(X) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other}) == 1


@pytest.mark.parametrize("other", [
    lambda x: np.sum(np.cos(x) * TABLE[:3]), lambda x: np.sum(np.sin(x) * TABLE[1:4]), lambda x: np.sin(x) * TABLE[:3],
    lambda x: np.sum(TABLE[:3] * np.sin(x)), lambda x: np.sum(np.sin(x) * np.array([0.0, 1.0, -2.0])),
])  # fmt: skip
def test_programs_that_differ(other):
    one = make_jaxpr(lambda x: np.sum(np.sin(x) * TABLE[:3]))(X)
    assert one != make_jaxpr(other)(X)
    assert one != str(one)


def test_numbers_that_python_calls_equal_are_told_apart():
    programs = [Jaxpr([], [], [Literal(value)]) for value in (1, 1.0, True, np.float32(1), 0.0, -0.0)]
    assert all((a == b) is (a is b) for a in programs for b in programs)
    assert Jaxpr([], [], [Literal(np.nan)]) == Jaxpr([], [], [Literal(-np.nan)])


def test_copies_and_pickles_are_equal():
    for make in PROGRAMS.values():
        jaxpr = make()
        assert copy.copy(jaxpr) == copy.deepcopy(jaxpr) == jaxpr == pickle.loads(pickle.dumps(jaxpr))
    jaxpr = PROGRAMS["large"]()
    deep = copy.deepcopy(jaxpr)
    assert deep.constants[0] is not jaxpr.constants[0]
    assert print_jaxpr(deep, source=True) == print_jaxpr(jaxpr, source=True)


def test_primitives_tell_programs_apart_by_identity():
    one, other = PROGRAMS["plain"](), PROGRAMS["plain"]()
    call = REGISTRY["call"]
    assert one == other
    assert call(one, "f") is call(one, "f")
    assert call(one, "f") is not call(other, "f")
    assert Everything((1, (one,))) is Everything((1, (one,)))
    assert Everything((1, (one,))) is not Everything((1, (other,)))


class Terminal:
    def __init__(self):
        self.written = ""

    def text(self, text):
        self.written += text


def test_ipython_shows_the_program():
    terminal = Terminal()
    jaxpr = PROGRAMS["plain"]()
    jaxpr._repr_pretty_(terminal, False)
    assert terminal.written == str(jaxpr)


def test_programs_of_jitted_functions_have_the_names_of_their_arguments():
    @jit
    def layer(weights, data):
        return np.tanh(data @ weights["w"])

    jaxpr = make_jaxpr(lambda w, x: np.sum(layer({"w": w}, x)))(X, X)
    assert "{ lambda ; weights_w:f64[3] data:f64[3]. let" in jaxpr.pretty(names="user")
    lowered = layer.lower({"w": X}, data=X).jaxpr
    assert lowered.pretty(names="user").startswith("{ lambda ; weights_w:f64[3] data:f64[3]. let")
    static = jit(lambda n, x: x**n, static_argnums=0).lower(3, 2.0).jaxpr
    assert static.pretty(names="user").startswith("{ lambda ; x:f64[]. let")
    assert str(jaxpr).startswith("{ lambda ; a:f64[3] b:f64[3]. let")
