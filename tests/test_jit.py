"""What jit promises: one program for each kind of arguments and each path, and NumPy's answer from every tier."""

import asyncio
import copy
import functools
import gc
import logging
import pickle
import threading
import tracemalloc
import warnings
import weakref
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import autotrace.numpy as anp
from autotrace import (
    ShapeDtypeStruct,
    check_jaxpr,
    disable_jit,
    eval_shape,
    explain_cache_misses,
    grad,
    hessian,
    jit,
    jvp,
    linearize,
    make_jaxpr,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
)
from autotrace.control.jit import Jitted
from autotrace.errors import (
    ConcretizationTypeError,
    GuardError,
    MutationError,
    TracerBoolConversionError,
    UnexpectedTracerError,
)
from autotrace.tree import register_dataclass, tree_leaves, tree_structure
from tests import catalogue
from tests.laws import Problem, assert_same, numbers, quiet, recorded

TIERS = 40
"""Calls after which a program has been traced, interpreted and compiled."""


def counted(f):
    """``f``, and the list of how it was called: one entry a trace."""
    calls: list[Any] = []

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        calls.append((args, kwargs))
        return f(*args, **kwargs)

    return wrapper, calls


def names(f, *args):
    jaxpr = make_jaxpr(f)(*args)
    check_jaxpr(jaxpr)
    return [e.primitive.name for e in jaxpr.equations]


# -- forms --------------------------------------------------------------------------------------------


@jit
def module_level(x):
    """Twice."""
    return x * 2.0


@jit(static_argnames="n", max_paths=3)
def powers(x, n):
    return x**n


def test_decorator_forms_keep_name_doc_and_signature():
    assert (module_level.__name__, module_level.__doc__) == ("module_level", "Twice.")
    assert module_level(1.5) == 3.0
    assert powers(3.0, n=2) == 9.0
    assert jit(static_argnums=1)(lambda x, n: x * n)(3.0, 2) == 6.0
    assert jit(np.sin)(0.0) == 0.0
    assert jit(functools.partial(np.add, 1.0))(2.0) == 3.0


@pytest.mark.parametrize(
    ("jitted", "text"),
    [
        (module_level, "jit(module_level)"),
        (powers, "jit(powers, static_argnames='n', max_paths=3)"),
        (jit(grad(np.sin)), "jit(grad(sin))"),
        (jit(jit(np.cos), inline=True), "jit(jit(cos), inline=True)"),
    ],
)
def test_repr(jitted, text):
    assert repr(jitted) == text


def test_not_a_function():
    with pytest.raises(TypeError, match=r"jit: the first argument must be a function; got float64"):
        jit(np.sin(1.0))


def test_pickle_and_copy():
    assert pickle.loads(pickle.dumps(module_level)) is module_level
    assert copy.copy(module_level) is module_level
    assert copy.deepcopy([module_level])[0] is module_level
    rebuilt = pickle.loads(pickle.dumps(jit(np.sin)))
    assert isinstance(rebuilt, Jitted)
    assert rebuilt(0.5) == np.sin(0.5)
    bound = pickle.loads(pickle.dumps(Scale(3.0).times))
    np.testing.assert_array_equal(bound(np.ones(2), 2), [6.0, 6.0])
    assert bound.cache_info().misses == 1


class Scale:
    """An object with jitted methods."""

    traces = 0

    def __init__(self, k):
        self.k = k

    @jit
    def scaled(self, x):
        Scale.traces += 1
        return x * self.k

    @jit(static_argnums=2)
    def times(self, x, n):
        return sum([x * self.k for _ in range(n)])

    @jit(static_argnums=-1)
    def last(self, x, n=2):
        return sum([x * self.k for _ in range(n)])

    @functools.partial(jit, static_argnums=0)
    def itself(self, x):
        return x * self.k

    @classmethod
    def made(cls, x):
        return cls.doubled(x)

    @staticmethod
    @jit
    def doubled(x):
        return x * 2.0


def test_methods_have_programs_of_their_own():
    a, b = Scale(2.0), Scale(3.0)
    before = Scale.traces
    for _ in range(TIERS):
        assert (a.scaled(1.5), b.scaled(1.5)) == (3.0, 4.5)
    assert Scale.traces - before == 2
    assert a.scaled.cache_info() == (TIERS - 1, 1, 1, 1)
    a.scaled.clear_cache()
    assert (a.scaled.cache_info(), b.scaled.cache_info().hits) == ((0, 0, 0, 0), TIERS - 1)
    assert Scale.made(2.0) == a.doubled(2.0) == 4.0
    assert Scale.scaled.cache_info() == (0, 0, 0, 0)


def test_positions_of_methods_count_self():
    a = Scale(2.0)
    x = np.ones(2)
    for method in (a.times, a.last):
        np.testing.assert_array_equal(method(x, 3), [6.0, 6.0])
        np.testing.assert_array_equal(method(x, n=3), [6.0, 6.0])
        assert "guard" not in method.lower(x, 3).as_text()
    np.testing.assert_array_equal(a.last(x), [4.0, 4.0])
    for _ in range(3):
        np.testing.assert_array_equal(a.itself(x), [2.0, 2.0])
    assert a.itself.cache_info().misses == 1


def test_instances_are_not_kept_alive():
    a = Scale(2.0)
    a.scaled(1.0), a.scaled(np.ones(2))
    dead = weakref.ref(a)
    del a
    assert dead() is None
    assert not Scale.scaled._instances
    for k in range(20):  # addresses are used again: no program of a dead instance answers
        assert Scale(float(k)).scaled(1.0) == k


def test_an_instance_that_takes_no_weak_reference():
    class Slotted:
        __slots__ = ("k",)

        @jit
        def scaled(self, x):
            return x * self.k

    a = Slotted()
    for k in (2.0, 3.0):
        a.k = k
        assert a.scaled(1.5) == 1.5 * k


# -- static arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"static_argnums": 1},
        {"static_argnums": (-1,)},
        {"static_argnames": "n"},
        {"static_argnums": [1], "static_argnames": ["n"]},
        {"static_argnums": np.int64(1)},
    ],
)
def test_static_by_position_and_by_keyword(options):
    def power(x, n=2):
        assert type(n) is int
        return x * n if n > 2 else x

    f, calls = counted(power)
    jitted = jit(f, **options)
    for n in (2, 3, 2, 3):
        assert jitted(1.5, n) == jitted(1.5, n=n) == power(1.5, n)
    assert jitted(1.5) == jitted(1.5) == 1.5
    assert len(calls) == 5  # two values by position, two by keyword, the default
    assert "guard" not in str(jitted.lower(1.5, 3).as_text())


@pytest.mark.parametrize(
    "values",
    [
        (2, 2.0, True + 1, np.int64(2), np.float64(2.0), np.float32(2.0)),
        (1, 1.0, True),
        (0.0, -0.0),
        (0j, complex(0.0, -0.0)),
        ((2,), (2.0,), (np.float32(2),)),
        ((1, (1,)), (1, (True,))),
        (frozenset([1]), frozenset([1.0])),
        (np.float32(0.0), np.float32(-0.0)),
    ],
)
def test_equal_static_values_are_told_apart(values):
    seen: list[Any] = []
    jitted = jit(lambda x, n: (seen.append(n), x)[1], static_argnums=1)
    for _ in range(2):
        for value in values:
            jitted(1.0, value)
    distinct = {repr(v) + str(type(v)) for v in values}
    assert len(seen) == len(distinct)


def test_not_a_number_is_one_static_value():
    jitted = jit(lambda x, n: x, static_argnums=1)
    jitted(1.0, float("nan")), jitted(1.0, float("nan")), jitted(1.0, (float("nan"),))
    assert jitted.cache_info().signatures == 2


@pytest.mark.parametrize("value", [[1], {"a": 1}, np.ones(2), ([1],)])
@pytest.mark.parametrize("keyword", [False, True])
def test_static_values_must_be_hashable(value, keyword):
    def f(x, n):
        return x

    with pytest.raises(ValueError) as caught:
        jit(f, static_argnums=1)(1.0, n=value) if keyword else jit(f, static_argnums=1)(1.0, value)
    place = "'n'" if keyword else "1"
    assert str(caught.value) == (
        f"jit(f): static arguments must be hashable; got {type(value).__name__} for argument {place}. "
        "Pass a tuple for a list, or do not declare it static."
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"static_argnums": 2},
            ValueError,
            "jit(f): static_argnums must name positional parameters; got 2 for a function of (x, n). Count from 0.",
        ),
        ({"static_argnums": (0, -3)}, ValueError, "got (0, -3) for"),
        (
            {"static_argnums": "n"},
            TypeError,
            "must be an integer or a tuple of integers; got 'n'. Use static_argnames",
        ),
        ({"static_argnums": True}, TypeError, "must be an integer or a tuple of integers; got True."),
        (
            {"static_argnames": 1},
            TypeError,
            "must be a string or a tuple of strings; got 1. Use static_argnums",
        ),
        (
            {"static_argnames": "m"},
            ValueError,
            "jit(f): static_argnames must name parameters; got 'm' for a function of (x, n). Correct the name.",
        ),
    ],
)
def test_static_parameters_that_the_function_does_not_have(options, error, message):
    def f(x, n):
        return x

    with pytest.raises(error) as caught:
        jit(f, **options)
    assert message in str(caught.value)


def test_static_parameters_beside_variadic_ones():
    jitted = jit(lambda x, *rest, n, **named: x * n + sum(rest) + named["m"], static_argnames=("n", "m"))
    assert jitted(1.0, 2.0, 3.0, n=2, m=1) == 8.0
    assert [v for v in jitted.lower(1.0, 2.0, 3.0, n=2, m=1).jaxpr.in_vars if v.aval.dtype.kind == "i"] == []
    last = jit(lambda *xs: xs[0] * xs[-1], static_argnums=-1)
    np.testing.assert_array_equal(last(np.ones(2), 3), [3.0, 3.0])
    np.testing.assert_array_equal(last(np.ones(2), np.ones(2), 3), [3.0, 3.0])
    assert jit(lambda x, *rest: x if rest[0] == "a" else -x, static_argnums=1)(1.0, "b") == -1.0


def test_static_values_may_be_anything_that_hashes():
    jitted = jit(lambda f, x, how: f(x) if how == "plain" else f(f(x)), static_argnums=0, static_argnames="how")
    assert jitted(np.sin, 0.5, how="plain") == np.sin(0.5)
    assert jitted(np.sin, 0.5, how="twice") == np.sin(np.sin(0.5))
    assert jitted(np.cos, 0.5, how="plain") == np.cos(0.5)
    assert jitted.cache_info().signatures == 3


# -- kinds of arguments ---------------------------------------------------------------------------------


@dataclass
class Body:
    mass: Any
    label: Any = "body"


register_dataclass(Body, ["mass"], ["label"])


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "tree",
    [
        (),
        None,
        [1.0, 2],
        {"b": np.ones(2), "a": [None, (3.0,)]},
        Point(1.0, np.arange(2)),
        OrderedDict(z=1.0, a=True),
        [Point(1j, np.float32(2)), {}],
    ],
    ids=repr,
)
def test_trees_go_in_and_out(tree):
    jitted = jit(lambda t: (t, t))
    for _ in range(TIERS):
        out, again = jitted(tree)
        assert type(out) is type(tree)
        assert repr(out) == repr(again)
        assert tree_structure(out) == tree_structure(tree)
    assert jitted.cache_info() == (TIERS - 1, 1, 1, 1)


def test_dataclasses_and_empty_calls():
    heavier = jit(lambda body: Body(body.mass * 2.0, body.label))
    for _ in range(TIERS):
        for label in ("moon", 2, 2.0, True):
            got = heavier(Body(1.5, label))
            assert (got.mass, got.label, type(got.label)) == (3.0, label, type(label))
        assert jit(lambda: None)() is None
    constant = jit(lambda: (np.arange(2.0), 3, np.float32(1.5), ()))
    for _ in range(TIERS):
        array, three, half, empty = constant()
        np.testing.assert_array_equal(array, [0.0, 1.0])
        assert (three, half, half.dtype, empty) == (3, 1.5, np.float32, ())
        array[:] = 7.0


WEAK = [
    (np.ones(2, np.float32), 2.0),
    (np.ones(2, np.float32), np.float64(2.0)),
    (np.ones(2, np.float32), 2),
    (np.ones(2, np.int8), 3),
    (np.ones(2, np.int8), True),
    (np.ones(2, np.float16), 2.0),
    (np.ones(2, np.complex64), 1j),
    (np.ones(2, np.float32), 1j),
    (np.ones(2, np.int32), 2.0),
    (np.float32(2.0), 2.0),
    (np.float32(2.0), np.float64(2.0)),
    (np.array(2.0, np.float32), np.array(2.0)),
    (np.array(2, np.uint8), 3),
    (True, 2),
    (np.ones(2, ">f8"), 2.0),
    (np.ones(2, np.longdouble), 2.0),
]


@pytest.mark.parametrize(("x", "y"), WEAK, ids=[f"{np.asarray(x).dtype}-{y!r}" for x, y in WEAK])
def test_promotion_is_numpys(x, y):
    jitted = jit(lambda x, y: x * y + y)
    expected = x * y + y
    for _ in range(TIERS):
        got = jitted(x, y)
        np.testing.assert_array_equal(got, expected)
        assert np.asarray(got).dtype == np.asarray(expected).dtype
    assert jitted.cache_info().signatures == 1


def test_kinds_are_told_apart_and_all_kept():
    jitted = jit(lambda x: x + x)
    kinds = [
        1,
        1.0,
        True,
        1j,
        np.float32(1),
        np.int64(1),
        np.array(1.0),
        np.ones(1),
        np.ones((1, 1)),
        np.ones(2),
        np.ones(2, int),
        [1.0],
        (1.0,),
        {"a": 1.0},
        {"b": 1.0},
    ]
    twice = lambda x: np.asarray(tree_leaves(x)[0]) + tree_leaves(x)[0]  # noqa: E731
    for _ in range(3):
        for x in kinds:
            if isinstance(x, list | tuple | dict):
                with pytest.raises(TypeError) if isinstance(x, dict) else quiet():
                    jitted(x)
            else:
                np.testing.assert_array_equal(jitted(x), twice(x))
    assert jitted.cache_info() == (2 * 13, 13, 13, 13)
    jitted.clear_cache()
    assert jitted.cache_info() == (0, 0, 0, 0)
    assert (jitted(1.0), jitted.cache_info()) == (2.0, (0, 1, 1, 1))


def test_scalars_out_are_numpy_scalars_in_every_tier():
    jitted = jit(lambda x: (x * 2.0, np.sum(x), x > 0, np.where(x > 0, x, 0.0), 3.0))
    for argument in (1.5, np.float64(1.5), np.array(1.5), np.float32(1.5)):
        kinds = {tuple(type(y) for y in jitted(argument)) for _ in range(TIERS)}
        assert len(kinds) == 1
        assert np.ndarray not in kinds.pop()


@pytest.mark.parametrize(
    ("bad", "kind"),
    [("text", "str"), (object(), "object"), ([1.0, "a"], "str"), (np.array(["a"]), "an array of dtype <U1")],
)
def test_arguments_that_are_no_arrays(bad, kind):
    jitted = jit(lambda x: x)
    for _ in range(2):
        with pytest.raises(
            TypeError,
            match=rf"jit\(<lambda>\): arguments must be arrays.*got {kind} at argument\[0\].*\. Declare it static",
        ):
            jitted(bad)
    assert jitted.cache_info() == (0, 0, 0, 0)


def test_arrays_of_objects_stay_what_they_were_at_the_first_call():
    jitted = jit(lambda x: x * 2.0)
    for _ in range(TIERS):
        assert jitted(np.array([1.0, 2.0], object)).dtype == np.float64
    with pytest.raises(TypeError):
        jitted(np.array(["a", None], object))


def generator(x):
    yield x


@pytest.mark.parametrize("f", [generator, lambda x: "text", lambda x: [x, object()], lambda x: np.sin])
def test_results_must_be_arrays(f):
    jitted = jit(f)
    with pytest.raises(TypeError, match="a traced function must return arrays and numbers"):
        jitted(1.0)
    assert jitted.cache_info() == (0, 0, 0, 0)


def test_coroutine_functions_are_refused_and_coroutines_may_call():
    async def later(x):
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "never awaited"
        with pytest.raises(TypeError, match="got coroutine"):
            jit(later)(1.0)
        gc.collect()

    f, calls = counted(lambda x: x * 2.0)
    jitted = jit(f)

    async def call(x):
        await asyncio.sleep(0)
        return jitted(x)

    async def plain(x):
        with disable_jit():
            await asyncio.sleep(0)
            return jitted(x)

    async def everybody():
        return await asyncio.gather(*[call(float(i)) for i in range(5)], plain(5.0))

    assert asyncio.run(everybody()) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert len(calls) == 2


# -- guards ---------------------------------------------------------------------------------------------


def by_if(x):
    return x * x if x > 0 else -x


def by_while(x):
    n = 0
    while x > 1.0:
        x = x / 2.0
        n += 1
    return x + n


def by_int(x):
    return sum([x * 0.5 for _ in range(int(x) % 5)], x)


def by_float(x):
    return x * float(stop_gradient(x))


@pytest.mark.parametrize("f", [by_if, by_while, by_int, by_float])
def test_every_path_gives_the_right_answer(f, rng):
    jitted = jit(f)
    for x in rng.choice([-3.0, -0.0, 0.0, 0.5, 2.0, 9.0, 3.5], 200):
        assert np.array_equal(jitted(x), f(x))
        assert np.signbit(jitted(x)) == np.signbit(f(x))
    info = jitted.cache_info()
    assert info.signatures == 1
    assert info.misses == info.paths <= 7


def test_guards_on_indices_and_masks():
    table = jit(lambda x, i: (10.0, 20.0, 30.0)[i] * x)
    chosen = jit(lambda x, m: np.sum(x[m] ** 2) * x[m].size)
    x, rng = np.arange(4.0), np.random.default_rng(0)
    for _ in range(TIERS):
        i, m = int(rng.integers(-3, 3)), rng.random(4) > 0.5
        assert table(1.5, i) == (10.0, 20.0, 30.0)[i] * 1.5
        assert chosen(x, m) == np.sum(x[m] ** 2) * m.sum()
    with pytest.raises(IndexError):
        table(1.5, 3)
    assert table(1.5, 0) == 15.0


def test_the_last_path_used_is_tried_first():
    jitted = jit(by_if)
    jitted(1.0), jitted(-1.0)
    (paths,) = jitted._cache.paths.values()
    jitted(1.0), jitted(2.0)
    (moved,) = jitted._cache.paths.values()
    assert moved == paths[::-1]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_guards_on_values_that_are_not_finite(value):
    jitted = jit(by_float)
    with quiet():
        jitted(1.0)
        for _ in range(TIERS):
            assert np.array_equal(jitted(value), value * value, equal_nan=True)
    assert jitted.cache_info().paths == 2


def test_a_guard_that_never_settles():
    def unsettled(x):
        return x * int(x)  # the line

    jitted = jit(unsettled, max_paths=3)
    for n in (1, 2, 3):
        assert jitted(float(n)) == n * n
    for _ in range(2):
        with pytest.raises(GuardError) as caught:
            jitted(4.0)
        line = unsettled.__code__.co_firstlineno + 1
        message = str(caught.value)
        assert message.startswith(
            "jit(unsettled): a function may take max_paths=3 paths for one kind of arguments; got"
        )
        assert f"test_jit.py:{line}. Use cond or while_loop there, or a larger max_paths." in message
    assert jitted(2.0) == 4.0  # the known paths still answer
    assert jitted(np.float32(5.0)) == 25.0  # as does another kind


def test_guards_warn_as_the_path_that_is_taken():
    f = lambda x: np.log(x) if x > 0 else np.sqrt(-x)  # noqa: E731
    jitted = jit(f)
    for _ in range(TIERS):
        for x in (2.0, -1.0, 0.0, np.inf, -np.inf):
            assert recorded(jitted, x) == recorded(f, np.float64(x))


# -- what happens once ------------------------------------------------------------------------------------


def test_side_effects_and_closures_are_those_of_tracing():
    log, state = [], {"k": 2.0}

    @jit
    def f(x):
        log.append("traced")
        return x * state["k"]

    assert (f(1.0), f(2.0)) == (2.0, 4.0)
    state["k"] = 5.0
    assert f(3.0) == 6.0
    assert log == ["traced"]
    f.clear_cache()
    assert f(3.0) == 15.0


def test_arrays_that_the_function_closes_over_are_copied():
    k = np.ones(2)
    f = jit(lambda x: x * k)
    f(1.0)
    k[:] = 7.0
    np.testing.assert_array_equal(f(2.0), [2.0, 2.0])


def test_arrays_of_an_enclosing_call_are_copied_too():
    held = [np.ones(2)]
    inner = jit(lambda x: np.sum(x * held[0]))

    def f(x, k):
        held[0] = k
        return inner(np.ones(2)) * x

    k = np.ones(2)
    assert grad(f)(1.0, k) == 2.0
    k[:] = 7.0
    assert inner(np.ones(2)) == 2.0


def test_traced_values_do_not_outlive_the_call():
    kept = []
    f = jit(lambda x: (kept.append(x), x)[1])
    f(1.0)
    with pytest.raises(UnexpectedTracerError, match=r"jit\(<lambda>\)"):
        kept[0] + 1.0


# -- results and arguments are nobody else's --------------------------------------------------------------------


CASES = [case for case in catalogue.all_cases() if "value" not in case.skip]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_all_tiers_agree_and_nothing_is_shared(case):
    p = Problem(case)
    leaves = numbers(p.leaves)
    untouched = [np.copy(x) for x in leaves]
    jitted = jit(lambda *leaves: p(*leaves))
    with quiet():
        results = [jitted(*leaves)]
        for (path,) in jitted._cache.paths.values():
            _ = path.program.compiled
        results += [jitted(*leaves), jitted(*leaves)]
        for result in results[1:]:
            assert [type(y) for y in result] == [type(y) for y in results[0]]
            assert_same(result, results[0], "compiled", p.exact)
        arrays = [y for result in results for y in result if isinstance(y, np.ndarray)]
        theirs = [x for x in leaves if isinstance(x, np.ndarray)]
        assert not any(np.shares_memory(a, b) for a, b in combinations(arrays, 2))
        assert not any(np.shares_memory(a, b) for a in arrays for b in theirs)
        for a in arrays:
            a[...] = 0
        for x, y in zip(leaves, untouched, strict=True):
            assert np.array_equal(x, y, equal_nan=y.dtype.kind in "fc")
        assert_same(jitted(*leaves), p(*leaves), "again", p.exact)


def test_callers_may_change_their_arrays_between_calls():
    jitted = jit(lambda x: (x * 2.0, x, x.T, np.sum(x)))
    x = np.ones((2, 3))
    for k in range(TIERS):
        x[:] = k
        doubled, same, turned, total = jitted(x)
        assert (doubled == 2 * k).all() and (same == k).all() and (turned == k).all() and total == 6 * k
        same[:] = turned[:] = -1.0
        assert (x == k).all()


@pytest.mark.parametrize("write", ["x[0] = 1.0", "x += 1.0", "x.T[...] = 0.0", "np.add(x, 1.0, out=x)", "x.sort()"])
def test_arguments_may_not_be_written_into(write):
    def f(x):
        exec(write, {"np": np}, {"x": x})
        return x

    x = np.arange(3.0)[::-1].copy()
    before = x.copy()
    jitted = jit(f)
    for _ in range(2):
        with pytest.raises(MutationError):
            jitted(x)
    np.testing.assert_array_equal(x, before)
    assert jitted.cache_info() == (0, 0, 0, 0)


def test_updates_of_copies_and_of_arrays_made_inside():
    def f(x):
        y = x.copy()
        y[0] = 5.0
        y[y > 2] *= 2.0
        tail = y[1:]
        tail += x[:-1]
        buffer = anp.zeros(3)
        buffer[1] = y.sum()
        return y, buffer

    jitted = jit(f)
    x = np.array([1.0, 2.0, 3.0])
    for _ in range(TIERS):
        y, buffer = jitted(x)
        np.testing.assert_array_equal(y, [10.0, 3.0, 8.0])
        np.testing.assert_array_equal(buffer, [0.0, 21.0, 0.0])
        y[:] = buffer[:] = -1.0
    np.testing.assert_array_equal(x, [1.0, 2.0, 3.0])


# -- NumPy's errors, infinities and warnings -------------------------------------------------------------------


def test_an_error_of_numpy_names_the_line_and_the_next_call_is_right():
    def f(a):
        return np.linalg.inv(a) * 2.0

    jitted = jit(f)
    for n in range(TIERS):
        np.testing.assert_array_equal(jitted(np.eye(2)), 2.0 * np.eye(2))
        if n % 13 == 0:
            with pytest.raises(np.linalg.LinAlgError, match="Singular") as caught:
                jitted(np.zeros((2, 2)))
            assert any(f"test_jit.py:{f.__code__.co_firstlineno + 1}" in note for note in caught.value.__notes__)
    assert jitted.cache_info().misses == 1


def test_a_function_that_raises_leaves_the_cache_as_it_was():
    bad = [True]

    def f(x):
        if x > 0 and bad[0]:
            raise KeyError("not now")
        return x * 2.0

    jitted = jit(f)
    assert jitted(-1.0) == -2.0
    before = jitted.cache_info()
    for _ in range(2):
        with pytest.raises(KeyError, match="not now") as caught:
            jitted(1.0)
    assert "test_jit.py" in caught.value.__notes__[0]
    assert jitted.cache_info() == before
    bad[0] = False
    assert (jitted(1.0), jitted(-1.0)) == (2.0, -2.0)


EDGES: list[tuple[Any, list[Any]]] = [
    (lambda x: 1.0 / x, [0.0, -0.0, np.inf, np.nan, 5e-324]),
    (lambda x: np.log(x) * 2.0, [0.0, -1.0, np.inf]),
    (lambda x: np.exp(x) + 1.0, [1000.0, -1000.0, np.inf, -np.inf]),
    (lambda x: np.sqrt(x) - x, [-1.0, -0.0, np.inf]),
    (lambda x: x**-2, [0.0, 1e200, np.nan]),
    (lambda x: np.sin(x) / x, [0.0, np.inf]),
    (lambda x: np.arccos(x), [2.0, -1.5]),
    (lambda x: np.maximum(x, 0.5) * np.minimum(x, 0.5), [np.nan, np.inf, 0.5]),
    (lambda x: np.maximum(x, 0.5) + 1.0, [np.nan, -np.inf]),
    (lambda x: np.maximum(0.5, x) + 1.0, [np.nan, -np.inf]),
    (lambda x: np.minimum(x, 0.5) + 1.0, [np.nan, np.inf]),
    (lambda x: np.minimum(0.5, x) + 1.0, [np.nan, np.inf]),
    (lambda x: np.logical_or(x, -x) * (x + 1.0), [np.nan, 0.0, 2.0]),
    (lambda x: np.logical_and(x, 3.0) * (x + 1.0), [np.nan, 0.0, 2.0]),
    (lambda x: x * x * x - x, [1e200, np.inf]),
    (lambda x: np.where(x > 0, np.log(np.abs(x)), 0.0), [0.0, -1.0]),
    (lambda x: np.arctan2(x, 0.0) + np.hypot(x, 1.0), [-0.0, np.inf, np.nan, 1e308]),
    (lambda x: x // 2.0 + x % 3.0, [np.inf, -1.0, np.nan, 0.0]),
    (lambda x: x % (x - x), [1.0, np.inf]),
    (lambda x: np.cosh(x) - np.tanh(x), [800.0, -800.0]),
    (lambda x: np.power(np.abs(x), x), [0.0, 1e3, np.inf]),
]


def unless_tiny(f):
    """NumPy does not tell of underflow unless it is asked to, and ``math`` cannot."""
    return np.errstate(under="ignore")(f)


@pytest.mark.parametrize(("f", "values"), EDGES)
@pytest.mark.parametrize("size", [None, 3, 40_000])
def test_infinities_and_warnings_are_numpys_in_every_tier(f, values, size):
    jitted = jit(f)
    with quiet():
        jitted(1.0 if size is None else np.ones(size))
    for value in [*values, 1.25]:
        x = np.float64(value) if size is None else np.full(size, value)
        expected, told = recorded(unless_tiny(f), x)
        for _ in range(TIERS if size != 40_000 else 3):
            got, told_now = recorded(unless_tiny(jitted), x)
            np.testing.assert_allclose(got, expected, rtol=1e-14)
            assert np.array_equal(np.signbit(got), np.signbit(expected)) or np.isnan(expected).any()
            assert {w.replace("scalar ", "") for _, w in told_now} == {w.replace("scalar ", "") for _, w in told}


def test_complex_infinities_are_numpys():
    z = np.array([complex(np.inf, 0.0), complex(0.0, -0.0), 1e200 + 1e200j, complex(np.nan, 1.0)])
    with quiet():
        for f in (
            lambda z: z * 1.0,
            lambda z: z / 1.0,
            lambda z: z - 0.0,
            lambda z: -(z * -1.0),
            lambda z: z**2,
        ):
            jitted = jit(f)
            for _ in range(TIERS):
                got, expected = jitted(z), f(z)
                np.testing.assert_array_equal(got.real, expected.real)
                np.testing.assert_array_equal(got.imag, expected.imag)


# -- inside other transforms ------------------------------------------------------------------------------------


@jit
def wave(x):
    return np.sum(np.sin(x) * x)


@jit
def slope(x):
    return grad(wave)(x)


def test_jit_composes_both_ways():
    x, v = np.linspace(0.1, 1.0, 4), np.array([1.0, -1.0, 0.5, 2.0])
    plain = wave.__wrapped__
    pairs = [
        (grad, ()),
        (hessian, ()),
        (value_and_grad, ()),
        (lambda f: lambda x: jvp(f, (x,), (v,)), ()),
        (lambda f: lambda x: vjp(f, x)[1](2.0), ()),
        (lambda f: lambda x: linearize(f, x)[1](v), ()),
        (lambda f: lambda x: vmap(f)(np.stack([x, 2.0 * x])), ()),
        (lambda f: lambda x: vmap(grad(f))(np.stack([x, 2.0 * x])), ()),
        (lambda f: grad(lambda x: np.sum(vmap(f)(np.stack([x, 2.0 * x])))), ()),
        (lambda f: hessian(lambda x: jvp(f, (x,), (v,))[1]), ()),
    ]
    for transform, _ in pairs:
        expected = transform(plain)(x)
        inside, outside, both = transform(wave), jit(transform(plain)), jit(transform(wave))
        for _ in range(TIERS):
            for f in (inside, outside, both):
                assert_same(f(x), expected, "jit", 1e-13)
        for f in (inside, outside, both):
            check_jaxpr(make_jaxpr(f)(x))
            check_jaxpr(jit(f).lower(x).jaxpr)


def test_a_call_inside_a_trace_is_one_equation():
    x = np.ones(3)
    assert names(wave, x) == ["call"]
    assert names(lambda x: wave(x) * wave(2.0 * x), x) == ["call", "mul", "call", "mul"]
    assert names(wave, ShapeDtypeStruct((3,), float)) == ["call"]
    assert names(jit(wave.__wrapped__, inline=True), x) == ["sin", "mul", "reduce_sum"]
    assert names(slope, x) == ["call"]
    (call,) = make_jaxpr(wave)(x).equations
    assert call.primitive.label == "wave"
    check_jaxpr(call.primitive.jaxpr)
    assert eval_shape(wave, x).shape == ()


def test_nested_calls_are_written_out_by_the_compiler():
    @jit
    def outer(x):
        return wave(x) * wave(x) + slope(x)[0]

    lowered = outer.lower(np.ones(3))
    assert "call" not in lowered.as_text()
    assert lowered.as_text().count(" sin ") == 1
    for _ in range(TIERS):
        assert outer(np.ones(3)) == pytest.approx((3 * np.sin(1)) ** 2 + np.sin(1) + np.cos(1))


def test_equal_calls_share_a_program():
    f, calls = counted(lambda x: x * 2.0)
    jitted = jit(f)
    make_jaxpr(lambda x: jitted(x) + jitted(x * 3.0) + jitted(x[::-1]))(np.ones(3))
    assert len(calls) == 1
    assert jitted.cache_info() == (2, 1, 1, 1)


def test_guards_inside_other_transforms():
    guarded = jit(by_if)
    for _ in range(TIERS):
        assert (grad(guarded)(3.0), grad(guarded)(-3.0)) == (6.0, -1.0)
        assert (grad(grad(guarded))(3.0), jvp(guarded, (-3.0,), (2.0,))) == (2.0, (3.0, -2.0))
    outer = jit(lambda x: guarded(x) * 2.0)
    for _ in range(TIERS):
        assert (outer(3.0), outer(-3.0)) == (18.0, 6.0)
    assert outer.cache_info().paths == 2
    check_jaxpr(make_jaxpr(guarded)(3.0))
    assert names(guarded, 3.0) == ["gt", "guard", "mul"]
    with pytest.raises(TracerBoolConversionError, match=r"which vmap\(by_if\) knows by shape alone. Use cond\(pred"):
        vmap(guarded)(np.ones(3))
    with pytest.raises(TracerBoolConversionError, match=r"make_jaxpr\(by_if\) knows by shape alone"):
        make_jaxpr(guarded)(ShapeDtypeStruct((), float))
    assert (guarded(3.0), guarded(-3.0)) == (9.0, 3.0)
    of_list = jit(lambda xs: by_if(xs[0]))
    for _ in range(TIERS):
        assert of_list([3.0]) == 9.0  # a path that is known, and not the one that is taken next
        assert grad(of_list)([-3.0]) == [-1.0]


def test_closing_over_values_of_an_enclosing_trace():
    @jit
    def inner(x):
        return x * holder[0]

    holder = [2.0]

    def f(a):
        holder[0] = a
        return inner(3.0) * a

    for _ in range(TIERS):
        assert grad(f)(2.0) == 12.0
    assert inner.cache_info().paths == 0  # good for one call only: never kept
    assert jit(f)(2.0) == 12.0
    assert jit(grad(f))(2.0) == 12.0
    assert inner.cache_info().paths == 0
    np.testing.assert_array_equal(vmap(f)(np.array([1.0, 2.0])), [3.0, 12.0])

    def g(a):
        return jit(lambda x: x * a * x)(a)  # and where an argument is traced as well

    assert grad(g)(2.0) == 12.0
    assert grad(grad(g))(2.0) == 12.0
    assert grad(jit(g))(2.0) == 12.0


def test_losing_a_derivative_is_an_error_under_jit_too():
    with pytest.raises(ConcretizationTypeError, match=r"float\(\): a traced value must stay"):
        jit(lambda x: float(x) * x)(1.0)


def test_a_function_that_calls_itself():
    @jit(static_argnums=1)
    def power(x, n):
        return np.ones_like(x) if n == 0 else x * power(x, n - 1)

    for _ in range(TIERS):
        assert power(2.0, 6) == 64.0
    assert grad(lambda x: power(x, 6))(2.0) == 192.0
    assert "call" not in power.lower(2.0, 6).as_text()
    assert names(lambda x: power(x, 3), 2.0) == ["call"]

    @jit
    def halvings(x):
        return 0 if x <= 1.0 else 1 + halvings(x / 2.0)

    for _ in range(TIERS):
        assert [halvings(x) for x in (1.0, 2.0, 10.0)] == [0, 1, 4]


# -- switches and looking inside ----------------------------------------------------------------------------------


def test_disable_jit_is_nested_and_undone():
    f, calls = counted(lambda x: x * 2.0)
    jitted = jit(f)
    jitted(1.0)
    with disable_jit():
        with disable_jit():
            assert jitted(1.5) == 3.0
        assert type(jitted(np.ones(2))) is np.ndarray
        assert names(jitted, 1.0) == ["mul"]
        with pytest.raises(KeyError), disable_jit():
            raise KeyError
        jitted(1.0)
    assert len(calls) == 5
    assert [type(args[0]).__name__ for args, _ in calls] == ["Tracer", "float", "ndarray", "Tracer", "float"]
    jitted(2.0)
    assert (len(calls), jitted.cache_info()) == (5, (1, 1, 1, 1))


def test_explain_cache_misses(caplog):
    caplog.set_level(logging.WARNING, "autotrace.jit")
    guarded = jit(by_if)
    with explain_cache_misses():
        guarded(1.0), guarded(2.0), guarded(-1.0), guarded(np.float32(1.0))
    guarded(np.float16(1.0))
    first, second, third = [record.getMessage() for record in caplog.records]
    assert first == "jit(by_if): traced, since it was never called before"
    line = by_if.__code__.co_firstlineno + 1
    assert second.startswith("jit(by_if): traced again, since a guard failed; the last one is at ")
    assert f"test_jit.py:{line}" in second
    assert third.startswith("jit(by_if): traced again, since arguments were never of this kind: ")
    assert "f32[]" in third


def test_explained_kinds_are_types_in_words(caplog):
    caplog.set_level(logging.WARNING, "autotrace.jit")
    scaled = jit(lambda x, n=2, mode="a": x * n, static_argnames="mode")
    arrays = jit(np.sin)
    with explain_cache_misses():
        scaled(1.0), scaled(np.ones(2, np.float32), mode="b"), scaled(1, 2.0)
        arrays(np.ones((2, 3))), arrays(1.0)
    said = [record.getMessage().partition("this kind: ")[2] for record in caplog.records]
    assert said[1] == (
        "f32[2] in ((*,), {}), 'mode' static: ('b',); the last kind was f64[] (a Python number) in ((*,), {})"
    )
    assert said[2].startswith("i64[] (a Python number), f64[] (a Python number) in ((*, *), {}); ")
    assert said[4] == "float; the last kind was f64[2,3]"


def test_lowering_shows_the_program_and_its_source():
    def f(x, k):
        y = np.sin(x) * 1.0
        return np.sum(y * k)

    jitted = jit(f)
    lowered = jitted.lower(np.ones(3), k=2.0)
    assert lowered.as_text() == (
        "{ lambda ; a:f64[3] b:f64[]. let\n    c:f64[3] = sin a\n    d:f64[3] = mul c b\n"
        "    e:f64[] = reduce_sum[axes=(0,)] d\n  in (e,) }"
    )
    source = lowered.source()
    assert f"test_jit.py:{f.__code__.co_firstlineno + 1}" in source
    assert "y = np.sin(x) * 1.0" in source
    assert lowered.compile()(np.ones(3), np.float64(2.0))[0] == pytest.approx(6 * np.sin(1.0))
    assert jitted.cache_info() == (0, 0, 0, 0)
    compile(source, "source", "exec")


def test_lowering_on_shapes_alone():
    shape = ShapeDtypeStruct((3,), "float32")
    assert jit(lambda x, k: x * k).lower(shape, k=2.0).as_text().startswith("{ lambda ; a:f32[3] b:f64[]. let")
    with pytest.raises(TracerBoolConversionError, match=r"jit\(by_if\) knows by shape alone"):
        jit(by_if).lower(ShapeDtypeStruct((), float))
    with pytest.raises(TypeError, match=r"got ShapeDtypeStruct at argument\[0\]"):
        jit(np.sin)(shape)
    with pytest.raises(TypeError, match=r"got str at argument\['k'\]. Declare it static, or close over it."):
        jit(lambda x, k: x).lower(shape, k="a")


def test_bad_options():
    with pytest.raises(ValueError, match=r"jit\(sin\): max_paths must be at least 1; got 0. Use disable_jit"):
        jit(np.sin, max_paths=0)


def test_a_bad_number_of_threads(monkeypatch):
    monkeypatch.setenv("AUTOTRACE_NUM_THREADS", "many")
    with pytest.raises(ValueError, match=r"AUTOTRACE_NUM_THREADS must be .*; got 'many'\. Set it to 1"):
        jit(lambda x: x * 2.0 + 1.0)(np.ones(2_000_000))
    monkeypatch.setenv("AUTOTRACE_NUM_THREADS", "0")
    assert jit(lambda x: x * 2.0 + 1.0)(np.ones(2_000_000))[-1] == 3.0


def test_threads_of_a_region_take_the_callers_error_state(monkeypatch):
    monkeypatch.setenv("AUTOTRACE_NUM_THREADS", "3")
    x = np.ones(400_000)
    x[-1] = 0.0
    jitted = jit(lambda x: 1.0 / (x * 2.0) + 1.0)
    with np.errstate(divide="ignore"):
        for _ in range(3):
            assert jitted(x)[-1] == np.inf
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
        jitted(x)
    with pytest.raises(RuntimeWarning, match="divide by zero"):  # warnings are errors here
        jitted(x)
    assert jitted(x + 1.0)[-1] == 1.5


# -- many callers ---------------------------------------------------------------------------------------------------


def test_threads_share_one_jitted_function():
    jitted = jit(by_while)
    expected = {x: by_while(x) for x in (0.5, 3.0, 20.0, 100.0)}
    wrong, start = [], threading.Barrier(4)

    def work(first):
        start.wait()
        for i in range(100):
            x = list(expected)[(first + i) % 4]
            if jitted(x) != expected[x] or grad(jitted)(x) != 2.0 ** -int(by_count(x)):
                wrong.append(x)

    def by_count(x):
        return sum(1 for _ in iter(lambda: None, None)) if x is None else max(0, int(np.ceil(np.log2(x))))

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    with disable_jit():
        results = []
        other = threading.Thread(target=lambda: results.append(jitted(3.0)))
        other.start()
        other.join()
    assert results == [expected[3.0]]


# -- large arrays ---------------------------------------------------------------------------------------------------

BASE = np.random.default_rng(0).normal(size=(200, 210)) * 3.0
HOLED = BASE.copy()
HOLED[3, 4], HOLED[10], HOLED[50, 50] = np.nan, np.inf, -np.inf
COMPLEX = BASE.astype(complex)
COMPLEX.imag = HOLED
FROZEN = BASE.copy()
FROZEN.flags.writeable = False

ARRAYS = {
    "f64": BASE,
    "not finite": HOLED,
    "read-only": FROZEN,
    "column-major": np.asfortranarray(BASE),
    "transposed": BASE.T,
    "strided": np.tile(BASE, (2, 2))[::2, ::2],
    "reversed": BASE[::-1, ::-1],
    "broadcast": np.broadcast_to(BASE[0], BASE.shape),
    "f32": BASE.astype(np.float32),
    "f16": BASE.astype(np.float16),
    "i64": (BASE * 10).astype(int),
    "i8": (BASE * 10).astype(np.int8),
    "bool": BASE > 0,
    "c128": COMPLEX,
    "c64": (BASE + 1j).astype(np.complex64),
    "long": np.tile(BASE.ravel(), 4),
    "deep": BASE.reshape(20, 10, 210),
    "thin": BASE.reshape(-1, 1),
    "wide": BASE.reshape(1, -1),
    "no rows": np.zeros((0, 5)),
    "no columns": np.zeros((5, 0)),
    "big-endian": BASE.astype(">f8"),
}


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


REGIONS = {
    "chain": (lambda x: np.sqrt(x * x + 1) * x - x, "fciub"),
    "where": (lambda x: np.where(x > 1, x * 2, x + 1) * x, "fiub"),
    "compared": (lambda x: (x * 2 > x, x + x), "fiub"),
    "sum": (lambda x: np.sum(x * x + x), "fciub"),
    "sum of rows": (lambda x: np.sum(x * x + x, axis=-1), "fciub"),
    "sum of columns": (lambda x: (x * x + x).sum(axis=0), "fciub"),
    "extrema": (lambda x: np.max(x * 2 + x, initial=0) - np.min(x * 3 - x, initial=0), "fi"),
    "twice": (lambda x: (x * 2, x * 2, x), "fciub"),
    "powers": (lambda x: x**3 + x**4, "fci"),
    "quotients": (lambda x: x // 2 + x % 3, "fi"),
    "converted": (lambda x: (x * 2).astype(np.float32) * 2, "fiub"),
    "truth": (lambda x: np.sum((x * 2 > 1) & (x < 5)), "fiub"),
    "rows": (lambda x: x * np.arange(x.shape[-1]) + x * 2, "fciub"),
    "softmax": (softmax, "f"),
    "both": (lambda x: np.maximum(x * 2, x) + np.minimum(x, 1), "fi"),
    "clipped": (lambda x: np.clip(x * 2, 0, 1) + x, "fi"),
    "guarded": (lambda x: x * 2 + x if np.sum(x) != 0 else x * 3, "fciub"),
}


def within(dtype):
    return {2: 2e-2, 4: 2e-5}.get(dtype.itemsize // (2 if dtype.kind == "c" else 1), 1e-11)


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("name", REGIONS)
def test_large_arrays_of_every_layout_and_dtype(name, threads, monkeypatch):
    monkeypatch.setenv("AUTOTRACE_NUM_THREADS", threads)
    f, kinds = REGIONS[name]
    for layout, x in ARRAYS.items():
        if x.dtype.kind not in kinds or (not x.shape[-1] and name == "softmax"):
            continue
        before = x.copy()
        with quiet():
            expected = f(x.astype(x.dtype.newbyteorder("=")))  # as arrays come out of almost all of NumPy
            jitted = jit(f)
            for _ in range(3):
                got = jitted(x)
                for a, b in zip(*[y if isinstance(y, tuple) else (y,) for y in (got, expected)], strict=True):
                    assert_same([a], [b], f"{name} on {layout}", within(np.asarray(b).dtype))
                    assert not np.shares_memory(a, x)
        assert np.array_equal(x, before, equal_nan=x.dtype.kind in "fc")


def test_duplicated_outputs_and_arguments_of_large_programs_are_independent():
    x = np.ones(200_000)
    jitted = jit(lambda x: (x * 2.0 + 1.0, x * 2.0 + 1.0, x, x))
    for _ in range(3):
        outs = jitted(x)
        assert not any(np.shares_memory(a, b) for a, b in combinations([*outs, x], 2))
        for i, y in enumerate(outs):
            assert (y == (3.0 if i < 2 else 1.0)).all()
            y[:] = -1.0
    assert (x == 1.0).all()


def test_python_control_flow_on_large_arrays():
    def f(x):
        while np.sum(x * x) > 1.0:
            x = x * 0.5 + 0.0
        return x

    jitted = jit(f)
    for scale in (1.0, 30.0, 1.0, 30.0, 5.0):
        x = np.full(50_000, scale)
        np.testing.assert_array_equal(jitted(x), f(x))
    assert jitted.cache_info().paths == 3


def test_the_leaves_of_a_call_are_the_inputs_of_its_program():
    f = jit(lambda n, tree, x=1.0: n * tree["b"] + tree["a"][0] + x, static_argnums=0)
    leaves = f.leaves(3, {"a": [np.ones(2)], "b": 2}, x=0.5)
    assert [type(leaf) for leaf in leaves] == [np.ndarray, np.int64, np.float64]
    (out,) = f.lower(3, {"a": [np.ones(2)], "b": 2}, x=0.5).jaxpr(*leaves)
    assert out.tolist() == [7.5, 7.5]


# -- the first calls -----------------------------------------------------------------------------------------


def chain(x):
    for _ in range(15):
        x = np.sin(x) * 1.5
    return x


@pytest.mark.parametrize(("size", "compiled_at"), [(1_000, 26), (5_000, 2), (40_000, 1)])
def test_programs_are_compiled_by_the_size_of_their_arrays(size, compiled_at):
    f = jit(chain)
    x = np.linspace(0.0, 1.0, size)
    for count in range(1, compiled_at + 1):
        f(x)
        (path,) = next(iter(f._cache.paths.values()))
        assert (path.program._compiled is not None) == (count == compiled_at)


def test_a_first_call_that_is_interpreted_keeps_no_array_longer_than_needed():
    x = np.linspace(0.0, 1.0, 10_000)
    jit(chain)(x)
    tracemalloc.start()
    try:
        jit(chain)(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * x.nbytes  # of 30 results
