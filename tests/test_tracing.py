"""Tracing: when values are computed, what Python and NumPy may do with them, and what a trace leaves."""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from autotrace import (
    Primitive,
    ShapeDtypeStruct,
    bind,
    check_jaxpr,
    cond,
    float0,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jit,
    jvp,
    linearize,
    load_jaxpr,
    make_jaxpr,
    parse_jaxpr,
    print_jaxpr,
    scan,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
    while_loop,
)
from autotrace.compile.simplify import simplify
from autotrace.errors import ConcretizationTypeError, UnexpectedTracerError
from autotrace.ir import COTANGENT, PRIMAL, SOURCE, TANGENT, place
from autotrace.tracing import Tracer, current_trace
from autotrace.tree import tree_leaves
from tests.messages import message_of

# -- values are lazy -----------------------------------------------------------------------------------------

CALLS: list[str] = []


class Counted(Primitive, name="test_counted"):
    """The identity, which notes each evaluation under its label."""

    label: str

    def impl(self, x):
        CALLS.append(self.label)
        return x

    def abstract(self, x):
        return x

    def jvp(self, primals, tangents, output):
        return tangents[0]

    def batch(self, size, inputs, batched):
        return bind(self, *inputs)


def counted(label, x):
    return bind(Counted(label), x)


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


def test_tracing_computes_nothing():
    make_jaxpr(lambda x: counted("a", x) + 1.0)(1.0)
    assert CALLS == []


def test_a_question_evaluates_what_it_needs_and_no_more():
    def f(x):
        a = counted("a", x * 2.0)
        b = counted("b", a + 1.0)
        c = counted("c", x)
        assert CALLS == []
        assert b > 0
        assert CALLS == ["a", "b"]
        return a * b * c

    make_jaxpr(f)(1.0)
    assert CALLS == ["a", "b"]


def test_values_are_computed_once():
    def f(x):
        a = counted("a", x)
        assert a > 0
        assert a < 10
        assert int(a) == 1
        assert f"{a:.1f}" == "1.0"
        return a * a

    assert value_and_grad(f)(1.0) == (1.0, 2.0)
    assert CALLS == ["a"]


def test_a_value_that_is_needed_in_two_ways_is_computed_once():
    def f(x):
        a = counted("a", x)
        b = counted("b", a * 2.0)
        return x if a + b > 0 else -x

    make_jaxpr(f)(1.0)
    assert CALLS == ["a", "b"]


def test_values_of_an_inner_trace_are_computed_once():
    def f(x):
        return grad(lambda y: counted("a", y) ** 2 if counted("b", y) > 0 else y)(x)

    assert grad(f)(3.0) == 2.0
    assert CALLS.count("b") == 1
    assert CALLS.count("a") == 1


def test_values_that_tracing_computed_are_not_computed_again():
    def f(x):
        a = counted("a", np.sin(x))
        return a if a > 0 else -a

    assert jvp(f, (1.0,), (1.0,))[1] == np.cos(1.0)
    assert vjp(f, 1.0)[1](1.0) == (np.cos(1.0),)
    assert CALLS == ["a", "a"]


def test_a_long_chain_of_values_needs_no_recursion():
    def f(x):
        y = x
        for _ in range(5000):
            y = y + 1.0
        return y if y > 0 else x

    assert grad(f)(1.0) == 1.0


# -- text ----------------------------------------------------------------------------------------------------


def shown(function, *args, how=grad):
    """Return what ``function`` made of its traced argument."""
    seen = []
    how(lambda *xs: (seen.append(function(*xs)), xs[0].sum())[1])(*args)
    return seen[0]


def test_repr_with_a_value():
    assert shown(repr, 1.5) == "Traced<f64[]>(1.5)"
    assert shown(repr, np.array([1.0, 2.0])) == "Traced<f64[2]>([1., 2.])"
    assert shown(lambda x: repr(x * 2.0), np.float32(1.5)) == "Traced<f32[]>(3.)"


def test_repr_without_a_value():
    assert shown(repr, np.ones((2, 3)), how=vmap) == "Traced<f64[3]>"
    assert shown(lambda x: f"{x} {x!r} {x:.3f}", np.ones(2), how=vmap) == "Traced<f64[]> Traced<f64[]> Traced<f64[]>"


def test_format_with_a_value():
    assert shown(lambda x: f"{x * 2.0:.3f}|{x:8.1e}|{x}", 1.5) == "3.000| 1.5e+00|1.5"
    assert shown(lambda x: f"{x[0]:.2f} {x}", np.array([1.0, 2.0])) == "1.00 [1. 2.]"
    assert shown(lambda x: "{:.1f} {}".format(x, x), 2.5) == "2.5 2.5"  # noqa: UP032  another way into format


def test_format_in_nested_traces():
    assert shown(lambda x: shown(lambda y: f"{x * y:.2f} {y!r}", x), 3.0) == "9.00 Traced<f64[]>(3.)"
    assert shown(lambda x: shown(lambda y: f"{y:.1f}", x), np.ones(3), how=vmap) == "Traced<f64[]>"


def test_text_records_nothing_and_asks_for_no_guard():
    jaxpr = make_jaxpr(lambda x: (str(x), repr(x), f"{x:.3f}", x * 2.0)[-1])(1.0)
    assert [e.primitive.name for e in jaxpr.equations] == ["mul"]


def test_text_of_values_that_cannot_be_computed_does_not_fail():
    class Broken(Primitive, name="test_broken"):
        def impl(self, x):
            raise ZeroDivisionError("not now")

        abstract = jvp = batch = lambda self, x, *_: x

    seen = []
    make_jaxpr(lambda x: seen.append(repr(bind(Broken(), x))))(1.0)
    assert seen == ["Traced<f64[]>"]


def test_text_of_a_leaked_value_still_tells_its_type():
    kept = []
    grad(lambda x: (kept.append(x * 2.0), x)[1])(1.0)
    assert repr(kept[0]).startswith("Traced<f64[]>")


def test_wide_arrays_print_like_numpy_arrays():
    assert "..." in shown(repr, np.ones(5000))


# -- numbers out of a trace ----------------------------------------------------------------------------------


def test_float_of_stop_gradient_is_the_number():
    def f(x):
        scale = float(stop_gradient(x * 2.0))
        assert type(scale) is float
        return x * scale

    assert value_and_grad(f)(3.0) == (18.0, 6.0)
    assert grad(grad(lambda x: x * float(stop_gradient(x)) * x))(3.0) == 6.0


def test_complex_and_int_of_stop_gradient_are_numbers():
    assert grad(lambda x: x * complex(stop_gradient(x)).real)(3.0) == 3.0
    assert grad(lambda x: x * int(stop_gradient(x)))(3.7) == 3.0


def test_float_of_an_integer_is_the_number():
    assert grad(lambda x, n: x * float(n), argnums=0)(3.0, 2) == 2.0
    assert make_jaxpr(lambda n: float(n) * 2.0)(3).outputs[0].value == 6.0


def test_float_of_what_carries_no_derivative():
    assert grad(lambda x: x * float(np.floor(x)))(3.5) == 3.0
    assert grad(lambda x: x * float(x > 0))(3.5) == 1.0


def test_float_of_a_stopped_outer_value():
    def f(x):
        return grad(lambda y: y * float(stop_gradient(x)))(x)

    assert value_and_grad(f)(3.0) == (3.0, 0.0)


def test_stop_gradient_of_a_tree_and_of_plain_values():
    assert stop_gradient({"a": 1.0, "b": (2, None)}) == {"a": 1.0, "b": (2, None)}


# -- arrays of traced scalars --------------------------------------------------------------------------------

FIRST_USE = {
    "returned": lambda a: a,
    "times a float": lambda a: a * 2.0,
    "float times": lambda a: 2.0 * a,
    "plus array": lambda a: a + np.ones(2),
    "array plus": lambda a: np.ones(2) + a,
    "minus": lambda a: 1.0 - a,
    "negated": lambda a: -a,
    "power": lambda a: a**2,
    "divided": lambda a: a / 3.0,
    "absolute": lambda a: abs(a),
    "sin": lambda a: np.sin(a),
    "exp": lambda a: np.exp(a),
    "sqrt": lambda a: np.sqrt(a),
    "square": lambda a: np.square(a),
    "maximum": lambda a: np.maximum(a, 0.5),
    "where": lambda a: np.where(np.array([True, False]), a, 0.0),
    "np.sum": lambda a: np.sum(a),
    "sum method": lambda a: a.sum(),
    "prod method": lambda a: a.prod(),
    "max method": lambda a: a.max(),
    "np.prod": lambda a: np.prod(a),
    "np.max": lambda a: np.max(a),
    "cumsum": lambda a: np.cumsum(a),
    "matmul": lambda a: np.array([[1.0, 2.0], [3.0, 4.0]]) @ a,
    "rmatmul": lambda a: a @ np.array([[1.0, 2.0], [3.0, 4.0]]),
    "dot": lambda a: np.dot(a, np.array([1.0, 2.0])),
    "dot method": lambda a: a.dot(np.array([1.0, 2.0])),
    "einsum": lambda a: np.einsum("i,j->ij", a, np.array([1.0, 2.0])),
    "outer": lambda a: np.outer(a, np.array([1.0, 2.0])),
    "with itself": lambda a: a @ a,
    "norm": lambda a: np.linalg.norm(a),
    "index": lambda a: a[0] * a[1],
    "slice": lambda a: a[::-1] * np.array([1.0, 2.0]),
    "mask": lambda a: a[np.array([True, False])],
    "reshape": lambda a: a.reshape(2, 1),
    "transpose": lambda a: a.T * np.ones((3, 2)),
    "iterated": lambda a: np.stack([v * v for v in a]),
    "unpacked": lambda a: a[0] + sum(a),
    "stacked": lambda a: np.stack([a, a]),
    "concatenated": lambda a: np.concatenate([a, np.ones(1)]),
    "in a tree": lambda a: {"a": a, "b": [a]},
    "compared": lambda a: np.where(a > 0, a, 0.0),
    "of an array": lambda a: np.array([a[0], a[1], 1.0]) * 2.0,
    "with a traced array": lambda a: a * np.sin(np.stack(list(a))),
    "assigned to an object array": lambda a: _filled(a) * 2.0,
}


def _filled(a):
    b = np.empty(2, object)
    b[0], b[1] = a[1], a[0]
    return b


@pytest.mark.parametrize("use", FIRST_USE)
def test_np_array_of_traced_scalars(use):
    """``np.array([t0, t1])`` of plain NumPy, through every kind of first use, against ``np.stack``."""
    function = FIRST_USE[use]

    def built(x):
        return function(np.array([x[0] * x[1], x[1] + 1.0]))

    def stacked(x):
        return function(np.stack([x[0] * x[1], x[1] + 1.0]))

    x = np.array([1.5, 2.5])
    for derive in (jacfwd, jacrev):
        got, expected = _leaves(derive(built)(x)), _leaves(derive(stacked)(x))
        assert len(got) == len(expected)
        for g, e in zip(got, expected):
            assert g.dtype == np.float64
            assert g.shape == e.shape
            np.testing.assert_allclose(g, e, rtol=1e-14)
            assert np.any(g != 0)
    plain = _leaves(function(np.array([x[0] * x[1], x[1] + 1.0])))
    for value, e in zip(_leaves(vjp(built, x)[0]), plain):
        np.testing.assert_array_equal(value, np.asarray(e, float))


def _leaves(tree):
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in _leaves(value)]
    if isinstance(tree, list | tuple):
        return [leaf for value in tree for leaf in _leaves(value)]
    return [tree]


LISTS = {
    "times": lambda x, m: x * m([x[0], 2]),
    "reflected": lambda x, m: m([[x[0], 2.0], [1, x[1]]]) / x,
    "matmul": lambda x, m: x @ m([[x[0], 2.0], [1, x[1]]]),
    "dot": lambda x, m: np.dot(m([[x[0], 2.0], [1, x[1]]]), x),
    "rows": lambda x, m: x * m([x, x * 2.0]),
    "rows and numbers": lambda x, m: x + m([x, [1.0, 2.0]]),
    "tuples": lambda x, m: np.maximum(x, m((x[1], 0.5))),
    "three deep": lambda x, m: x * m([[[x[0], 1.0]], [[2.0, x[1] * x[0]]]]),
    "nested rows": lambda x, m: x * m([[x, x * 2.0], [x, [1.0, x[0]]]]),
    "where": lambda x, m: np.where(x > 0.5, m([x[1], 1.0]), m([x[0], x[0]])),
    "concatenate": lambda x, m: np.concatenate([m([x[0] * x[1], 1.0]), x]),
    "stack": lambda x, m: np.stack([m([x[0] * x[1], 1.0]), x]),
    "einsum": lambda x, m: np.einsum("ij,j->i", m([[x[0], 2.0], [1, x[1]]]), x),
    "hypot": lambda x, m: np.hypot(m([x[1], 3.0]), x),
}


@pytest.mark.parametrize("case", LISTS)
def test_nested_lists_are_arrays(case):
    """Lists of numbers, traced scalars and traced rows, beside a traced array, against ``np.stack``."""
    function = LISTS[case]

    def stacked(items):
        return np.stack([stacked(i) if isinstance(i, list | tuple) else i for i in items])

    x = np.array([0.3, 0.7])
    value, expected = (vjp(lambda x, make=make: function(x, make), x)[0] for make in (lambda i: i, stacked))
    np.testing.assert_array_equal(value, expected)
    for derive in (jacfwd, jacrev):
        got, expected = (derive(lambda x, make=make: function(x, make))(x) for make in (lambda i: i, stacked))
        np.testing.assert_allclose(got, expected, rtol=1e-14)
        assert np.any(got != 0)


def test_a_list_of_traced_values_may_be_returned_and_has_a_derivative():
    value, pullback = vjp(lambda x: [x[0], [x[1] * 2.0]], np.array([1.0, 2.0]))
    assert value == [1.0, [4.0]]
    np.testing.assert_array_equal(pullback([1.0, [1.0]])[0], [1.0, 2.0])


def test_object_arrays_of_numbers_beside_traced_ones():
    assert grad(lambda x: np.sum(x * np.array([1, 2.5], object)))(3.0) == 3.5


def test_array_of_traced_scalars_under_vmap():
    got = vmap(grad(lambda x: np.sum(np.array([x[0] * x[1], 1.0]) ** 2)))(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_allclose(got, [[8.0, 4.0], [96.0, 72.0]])


def test_nothing_that_is_no_number_equals_a_traced_value():
    def f(x):
        assert not (x[0] == None)  # noqa: E711, SIM201  what is tested
        assert x[0] != "abc"
        assert "abc" in [x[0], "abc"]
        assert [x[0], None].index(None) == 1
        np.testing.assert_array_equal(x == None, np.array([False, False]))  # noqa: E711
        np.testing.assert_array_equal(x != "abc", np.array([True, True]))
        return x.sum()

    assert guards_of(f) == []


def guards_of(f):
    return [e for e in make_jaxpr(f)(np.ones(2)).equations if e.primitive.name == "guard"]


# -- dtypes --------------------------------------------------------------------------------------------------

F32, I8, F64 = np.float32(1.5), np.int8(3), np.float64(2.5)

MIXED = {
    "f32 + int": (lambda x: x + 1, F32),
    "f32 + float": (lambda x: x + 1.0, F32),
    "f32 + complex": (lambda x: x + 1j, F32),
    "f32 + bool": (lambda x: x + True, F32),
    "f32 + np.float64": (lambda x: x + F64, F32),
    "f32 + np.int8": (lambda x: x * I8, F32),
    "f32 + np.int64": (lambda x: x * np.int64(3), F32),
    "f32 array + np.float64": (lambda x: x + F64, np.ones(2, np.float32)),
    "f32 array + f64 array": (lambda x: x * np.ones(2), np.ones(2, np.float32)),
    "f32 array * float list": (lambda x: x * [1.0, 2.0], np.ones(2, np.float32)),
    "f32 ** int": (lambda x: x**2, F32),
    "f32 ** float": (lambda x: x**0.5, F32),
    "f32 ** np.float64": (lambda x: x**F64, F32),
    "float ** f32": (lambda x: 2.0**x, F32),
    "f32 / int": (lambda x: x / 2, F32),
    "int / f32": (lambda x: 2 / x, F32),
    "f32 // int": (lambda x: x // 2, F32),
    "f32 % float": (lambda x: x % 1.0, F32),
    "np.add f32 float": (lambda x: np.add(x, 1.0), F32),
    "np.maximum f32 float": (lambda x: np.maximum(x, 0.0), F32),
    "np.where f32 float": (lambda x: np.where(x > 0, x, 0.0), F32),
    "np.where f32 np.float64": (lambda x: np.where(x > 0, x, F64), F32),
    "np.sin f32": (np.sin, F32),
    "f32 sum": (lambda x: x.sum(), np.ones(3, np.float32)),
    "f32 mean": (lambda x: np.mean(x), np.ones(3, np.float32)),
    "f32 @ f64": (lambda x: x @ np.ones(2), np.ones(2, np.float32)),
    "i8 + int": (lambda x: x + 1, I8),
    "i8 + float": (lambda x: x + 1.0, I8),
    "i8 + bool": (lambda x: x + True, I8),
    "i8 / int": (lambda x: x / 2, I8),
    "i8 ** int": (lambda x: x**2, I8),
    "i8 * f32": (lambda x: x * F32, I8),
    "np.sin i8": (np.sin, I8),
    "i8 sum": (lambda x: x.sum(), np.ones(3, np.int8)),
    "i8 mean": (lambda x: x.mean(), np.ones(3, np.int8)),
    "i8 cumsum": (lambda x: np.cumsum(x), np.ones(3, np.int8)),
    "i8 comparison": (lambda x: x > 1.5, I8),
    "i8 clip": (lambda x: np.clip(x, 0, 2), I8),
    "bool + bool": (lambda x: x + x, np.True_),
    "bool * int": (lambda x: x * 2, np.True_),
    "bool * float": (lambda x: x * 2.0, np.True_),
    "bool sum": (lambda x: x.sum(), np.array([True, False])),
    "float argument + f32": (lambda x: x + F32, 2.0),
    "float argument * f32 array": (lambda x: x * np.ones(2, np.float32), 2.0),
    "float argument + int": (lambda x: x + 1, 2.0),
    "float argument * i8": (lambda x: x * I8, 2.0),
    "np.sin of a float argument": (lambda x: np.sin(x) * F32, 2.0),
    "operators of a float argument": (lambda x: (x * 2 + 1) * F32, 2.0),
    "negated float argument": (lambda x: -x * F32, 2.0),
    "abs of a float argument": (lambda x: abs(x) * F32, -2.0),
    "power of a float argument": (lambda x: x**2 * F32, 2.0),
    "float argument to a float power": (lambda x: x**1.5 * F32, 2.0),
    "float argument / float argument": (lambda x: (x / x) * F32, 2.0),
    "float argument // float": (lambda x: (x // 2.0) * F32, 5.0),
    "float argument % int": (lambda x: (x % 2) * F32, 5.0),
    "np.add of float arguments": (lambda x: np.add(x, x) * F32, 2.0),
    "np.maximum of a float argument": (lambda x: np.maximum(x, 1.0) * F32, 2.0),
    "np.where of a float argument": (lambda x: np.where(True, x, 1.0) * F32, 2.0),
    "np.sum of a float argument": (lambda x: np.sum(x) * F32, 2.0),
    "np.stack of a float argument": (lambda x: np.stack([x, 1.0]) * F32, 2.0),
    "np.array of a float argument": (lambda x: np.array([x, 1.0]) * F32, 2.0),
    "np.reshape of a float argument": (lambda x: np.reshape(x, (1,)) * F32, 2.0),
    "int argument + f32": (lambda x: x + F32, 2),
    "int argument * i8": (lambda x: x * I8, 2),
    "int argument / i8": (lambda x: x / I8, 2),
    "int argument / int": (lambda x: x / 2 * F32, 2),
    "np.add of int arguments": (lambda x: np.add(x, 1) * I8, 2),
    "bool argument + i8": (lambda x: x + I8, True),
    "complex argument * f32": (lambda x: x * F32, 2j),
    "np.squeeze of a float argument": (lambda x: np.squeeze(x) * F32, 2.0),
    "np.transpose of a float argument": (lambda x: np.transpose(x) * F32, 2.0),
    "np.copy of a float argument": (lambda x: np.copy(x) * F32, 2.0),
    "np.conj of a float argument": (lambda x: np.conj(x) * F32, 2.0),
    "np.real of a float argument": (lambda x: np.real(x) * F32, 2.0),
    "np.mean of a float argument": (lambda x: np.mean(x) * F32, 2.0),
    "np.max of a float argument": (lambda x: np.max(x) * F32, 2.0),
    "np.abs of a float argument": (lambda x: np.abs(x) * F32, -2.0),
    "np.power of a float argument": (lambda x: np.power(x, 2) * F32, 2.0),
    "divmod of a float argument": (lambda x: divmod(x, 3)[1] * F32, 5.0),
    "round of a float argument": (lambda x: round(x, 1) * F32, 5.25),
    "min of float arguments": (lambda x: min(x, 7.0) * F32, 5.25),
    "sum of float arguments": (lambda x: sum([x, x]) * F32, 5.25),
    "comparison of a float argument": (lambda x: (x > 1) * F32, 2.0),
}


@pytest.mark.parametrize("case", MIXED)
def test_traced_and_plain_agree_in_value_dtype_and_shape(case):
    function, x = MIXED[case]
    plain = function(x)
    jaxpr = make_jaxpr(function)(x)
    check_jaxpr(jaxpr)
    (traced,) = jaxpr(x)
    assert jaxpr.outputs[0].aval.dtype == np.asarray(plain).dtype
    assert np.asarray(traced).dtype == np.asarray(plain).dtype
    assert np.shape(traced) == np.shape(plain)
    np.testing.assert_array_equal(traced, plain)
    value, _ = jvp(function, (x,), (_tangent(x),))
    assert np.asarray(value).dtype == np.asarray(plain).dtype
    np.testing.assert_array_equal(value, plain)


def _tangent(x: Any) -> Any:
    x = np.asarray(x)
    return np.ones_like(x) if x.dtype.kind in "fc" else np.zeros(x.shape, float0)


@pytest.mark.parametrize("case", [c for c, (_, x) in MIXED.items() if np.asarray(x).dtype.kind == "f"])
def test_gradients_have_the_dtype_of_their_argument(case):
    function, x = MIXED[case]
    gradient = (
        grad(lambda x: np.real(np.sum(function(x))) * 1.0)(x) if np.asarray(function(x)).dtype.kind in "fc" else None
    )
    if gradient is not None:
        assert np.asarray(gradient).dtype == np.asarray(x).dtype
        assert np.shape(gradient) == np.shape(x)


# -- where an equation comes from ----------------------------------------------------------------------------


# fmt: off
def model(x):
    y = np.sin(x)
    z = [
        v * y
        for v in (x, 2.0)
    ]
    total = (
        z[0]
        + np.exp(
            z[1]
        )
    )
    return total.sum()
# fmt: on


def _line_of(text):
    lines, start = inspect.getsourcelines(model)
    return start + next(i for i, line in enumerate(lines) if text in line)


def _where(jaxpr):
    return {(e.primitive.name, place(e.source).line) for e in jaxpr.equations}


def test_every_equation_has_the_line_that_asked_for_it():
    jaxpr = make_jaxpr(model)(np.ones(3))
    assert [(e.primitive.name, place(e.source).line) for e in jaxpr.equations] == [
        ("sin", _line_of("np.sin")),
        ("mul", _line_of("v * y")),
        ("mul", _line_of("v * y")),
        ("exp", _line_of("np.exp")),
        ("add", _line_of("z[0]")),
        ("reduce_sum", _line_of("total.sum()")),
    ]
    assert all(place(e.source).file == __file__ for e in jaxpr.equations)


@pytest.mark.parametrize(
    "derive",
    [
        grad,
        lambda f: lambda x: jvp(f, (x,), (x,))[1],
        lambda f: lambda x: vjp(f, x)[1](1.0),
        lambda f: lambda x: linearize(f, x)[1](x),
        lambda f: lambda x: vmap(f)(np.stack([x, x])),
        lambda f: lambda x: grad(lambda y: grad(f)(y).sum())(x),
        hessian,
        lambda f: vmap(grad(f), axis_size=2, in_axes=None),
    ],
)
def test_lines_are_carried_through_every_transform(derive):
    """Every derived equation stands for a line of ``model`` (or of this test's own arithmetic)."""
    jaxpr = make_jaxpr(derive(model))(np.ones(3))
    lines, start = inspect.getsourcelines(model)
    inside = [e for e in jaxpr.equations if e.source and start <= place(e.source).line < start + len(lines)]
    assert all(e.source is not None for e in jaxpr.equations)
    assert all(place(e.source).file == __file__ for e in jaxpr.equations)
    assert {place(e.source).line for e in inside} >= {_line_of("v * y")}
    assert len(inside) >= len(jaxpr.equations) / 2
    assert all(e.source is not None for e in simplify(jaxpr).equations)


def test_the_cosine_of_a_sine_stands_on_the_line_of_the_sine():
    jaxpr = make_jaxpr(grad(model))(np.ones(3))
    cos = next(e for e in jaxpr.equations if e.primitive.name == "cos")
    assert place(cos.source).line == _line_of("np.sin")


def test_equations_know_whether_they_are_of_a_derivative():
    def phases(function, *args):
        return {(e.primitive.name, e.source[2]) for e in make_jaxpr(function)(*args).equations}

    x = np.ones(2)
    assert phases(np.sin, x) == {("sin", PRIMAL)}
    assert phases(lambda x: jvp(np.sin, (x,), (x,)), x) == {
        ("sin", PRIMAL),
        ("cos", TANGENT),
        ("mul", TANGENT),
    }
    backward = phases(lambda x: vjp(np.sin, x)[1](x), x)
    assert ("mul", COTANGENT) in backward
    assert ("cos", COTANGENT) in backward


def test_print_with_source():
    text = print_jaxpr(make_jaxpr(model)(np.ones(3)), source=True)
    assert f"# test_tracing.py:{_line_of('np.sin')} (model)" in text


# -- snapshots -----------------------------------------------------------------------------------------------


def test_a_scratch_buffer_may_be_used_again():
    def f(x):
        buffer, total = np.zeros(3), 0.0
        for k in range(4):
            buffer[:] = k
            total = total + np.sum(x * buffer)
        return total

    x = np.ones(3)
    np.testing.assert_array_equal(grad(f)(x), [6.0, 6.0, 6.0])
    np.testing.assert_array_equal(jvp(f, (x,), (x,))[1], 18.0)
    np.testing.assert_array_equal(make_jaxpr(f)(x)(x), [18.0])
    np.testing.assert_array_equal(vmap(f)(np.ones((2, 3))), [18.0, 18.0])


@pytest.mark.parametrize("new", [-0.0, np.nan, 5.0])
def test_a_scratch_buffer_changed_in_ways_that_compare_equal_or_unequal(new):
    def f(x):
        buffer = np.zeros(1)
        first = np.copysign(x, buffer)
        buffer[0] = new
        return np.stack([first, np.copysign(x, buffer)])

    expected = f(np.ones(1))
    np.testing.assert_array_equal(np.signbit(vjp(f, np.ones(1))[0]), np.signbit(expected))


def test_a_view_of_a_changing_array():
    def f(x):
        base = np.zeros((2, 3))
        row, total = base[0], 0.0
        for k in range(3):
            base[:] = k + 1.0
            total = total + np.sum(x * row)
        return total

    np.testing.assert_array_equal(grad(f)(np.ones(3)), [6.0] * 3)


def test_a_read_only_view_of_a_changing_array():
    base = np.ones(3)
    view = base.view()
    view.flags.writeable = False
    value, pullback = vjp(lambda x: np.sum(x * view), np.ones(3))
    _, f_jvp = linearize(lambda x: np.sum(x * view), np.ones(3))
    jaxpr = make_jaxpr(lambda x: np.sum(x * view))(np.ones(3))
    base[:] = 100.0
    assert value == 3.0
    np.testing.assert_array_equal(pullback(1.0)[0], np.ones(3))
    assert f_jvp(np.ones(3)) == 3.0
    assert jaxpr(np.ones(3)) == [3.0]


def test_a_broadcast_view_of_a_scratch_buffer():
    """A broadcast is read-only, but what it shows is not."""

    def f(x):
        buffer, total = np.zeros(3), 0.0
        for k in range(3):
            buffer[:] = k
            total = total + np.sum(x * np.broadcast_to(buffer, (2, 3)))
        return total

    np.testing.assert_array_equal(grad(f)(np.ones((2, 3))), np.full((2, 3), 3.0))
    assert jvp(f, (np.ones((2, 3)),), (np.ones((2, 3)),))[1] == 18.0


def test_arguments_that_are_not_differentiated_are_not_copied():
    """Nobody can write into them while the call runs; the program of a vjp keeps a copy."""
    data = np.ones(3)
    seen = []

    def f(x, data):
        y = x * x * data
        seen.append(y._trace.constants)
        return y.sum()

    grad(f)(2.0, data)
    (captured,) = seen[0].values()
    assert np.shares_memory(captured, data)
    _, pullback = vjp(lambda x: grad(f)(x, data) * x, 2.0)
    data[:] = 100.0
    assert pullback(1.0) == (24.0,)


def test_a_rule_that_shows_the_callers_array_in_another_shape():
    """The pullback of ``x @ data`` reads ``data.T``, a view."""
    data = np.arange(6.0).reshape(3, 2)

    def inner(x):
        return grad(lambda x, d: np.sum((x @ d) ** 2))(x, data)

    for jaxpr in (make_jaxpr(inner)(np.ones(3)), make_jaxpr(lambda x: vjp(inner, x)[1](x)[0])(np.ones(3))):
        data[:] = np.arange(6.0).reshape(3, 2)
        expected = jaxpr(np.ones(3))[0]
        data[:] = 100.0
        np.testing.assert_array_equal(jaxpr(np.ones(3))[0], expected)
    data[:] = np.arange(6.0).reshape(3, 2)
    _, pullback = vjp(inner, np.ones(3))
    (expected,) = pullback(np.ones(3))
    data[:] = 100.0
    np.testing.assert_array_equal(pullback(np.ones(3))[0], expected)


def test_large_arrays_whose_zeros_change_sign():
    def f(x):
        buffer = np.zeros(100_000)
        first = np.copysign(x, buffer)
        buffer[-1] = -0.0
        return np.stack([first, np.copysign(x, buffer)])[:, -1]

    np.testing.assert_array_equal(vjp(f, np.ones(100_000))[0], [1.0, -1.0])


def test_a_closure_changed_after_tracing():
    table = np.array([1.0, 2.0])
    jaxpr = make_jaxpr(lambda x: x * table)(1.0)
    value, pullback = vjp(lambda x: np.sum(x * table), 1.0)
    _, f_jvp = linearize(lambda x: np.sum(x * table), 1.0)
    table[:] = 100.0
    np.testing.assert_array_equal(jaxpr(1.0)[0], [1.0, 2.0])
    assert pullback(1.0) == (3.0,)
    assert f_jvp(1.0) == 3.0
    assert value == 3.0


def test_arguments_changed_after_tracing():
    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    value, pullback = vjp(lambda x, y: x * y, x, y)
    _, f_jvp = linearize(lambda x, y: x * y, x, y)
    x[:], y[:] = 100.0, 100.0
    np.testing.assert_array_equal(value, [3.0, 8.0])
    np.testing.assert_array_equal(pullback(np.ones(2)), [[3.0, 4.0], [1.0, 2.0]])
    np.testing.assert_array_equal(f_jvp(np.ones(2), np.zeros(2)), [3.0, 4.0])


def test_integer_arguments_changed_after_tracing():
    n = np.array([1, 2])
    value, pullback = vjp(lambda x, n: np.sum(x * n), np.ones(2), n)
    n[:] = 100
    np.testing.assert_array_equal(pullback(1.0)[0], [1.0, 2.0])
    assert value == 3.0


def test_the_result_changed_by_the_caller():
    x = np.array([1.0, 2.0])
    value, pullback = vjp(np.exp, x)
    expected = value.copy()
    value[:] = 0.0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], expected)
    first = pullback(np.ones(2))[0]
    first[:] = 0.0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], expected)


def test_a_cotangent_changed_after_the_pullback():
    ct = np.ones(2)
    (got,) = vjp(lambda x: x, np.zeros(2))[1](ct)
    ct[:] = 7.0
    np.testing.assert_array_equal(got, [1.0, 1.0])


# -- results never alias -------------------------------------------------------------------------------------

X = np.arange(6.0).reshape(2, 3)

ALIASING = {
    "identity": lambda x: x,
    "twice": lambda x: (x, x),
    "reshape": lambda x: x.reshape(3, 2),
    "transpose": lambda x: x.T,
    "ravel": lambda x: x.ravel(),
    "slice": lambda x: x[:, ::2],
    "row": lambda x: x[0],
    "broadcast": lambda x: np.broadcast_to(x, (2, 2, 3)),
    "column sum": lambda x: x.sum(axis=0),
    "sum": lambda x: x + x,
    "sum of two": lambda x: x + 2.0 * x,
    "computed twice": lambda x: (y := x * 2.0, y),
    "closure": lambda x: (x, X),
    "real": lambda x: np.real(x),
    "stack": lambda x: np.stack([x, x]),
    "whole slice": lambda x: x[:],
    "squeeze": lambda x: np.squeeze(x[None]),
    "negated": lambda x: -x,
    "constant": lambda x: np.ones(3),
}


@pytest.mark.parametrize("name", ALIASING)
def test_results_share_memory_with_nothing(name):
    function = ALIASING[name]
    x, dx = X.copy(), np.ones_like(X)
    results = []
    value, pullback = vjp(function, x)
    cts = _map(np.ones_like, value)
    results += _leaves(value) + _leaves(pullback(cts)) + _leaves(pullback(cts))
    out, dot = jvp(function, (x,), (dx,))
    results += _leaves(out) + _leaves(dot)
    linear_out, f_jvp = linearize(function, x)
    results += _leaves(linear_out) + _leaves(f_jvp(dx)) + _leaves(f_jvp(dx))
    results += _leaves(vmap(function)(x[None])) if name != "closure" else []
    results += _leaves(vmap(function, in_axes=None, axis_size=2)(x)) if name != "closure" else []
    results += _leaves(jacfwd(function)(x)) + _leaves(jacrev(function)(x))
    _own(results, [x, dx, X, *_leaves(cts)])


def _map(f, tree):
    return tuple(map(f, tree)) if isinstance(tree, tuple) else f(tree)


def _own(results, others):
    for i, r in enumerate(results):
        assert type(r) is np.ndarray or isinstance(r, np.generic)
        if isinstance(r, np.generic):
            continue
        assert r.flags.writeable
        assert r.base is None or r.base.size == r.size
        for other in (*results[:i], *others):
            assert not np.shares_memory(r, other)


def test_gradients_of_several_arguments_are_separate():
    def f(a, b):
        return np.sum(a + b)

    for loss in (f, lambda a, b: np.sum(np.sin(a + b)), lambda a, b: f(a * 1.0, b + 0.0) * 2.0):
        results = grad(loss, argnums=(0, 1))(np.zeros(3), np.zeros(3))
        _own(list(results), [])
        expected = results[1].copy()
        results[0][:] = 5.0
        np.testing.assert_array_equal(results[1], expected)


def test_aux_is_separate():
    x = np.ones(3)
    gradient, aux = grad(lambda x: (x.sum(), {"x": x, "again": x, "n": 3}), has_aux=True)(x)
    _own([gradient, aux["x"], aux["again"]], [x])


# -- failures ------------------------------------------------------------------------------------------------


class Fails(Primitive, name="test_fails"):
    """Fails in the rule it names."""

    rule: str
    error: ClassVar[type] = ArithmeticError

    def _perhaps(self, rule):
        if self.rule == rule:
            raise self.error(f"in {rule}")

    def impl(self, x):
        self._perhaps("impl")
        return x

    def abstract(self, x):
        self._perhaps("abstract")
        return x

    def jvp(self, primals, tangents, output):
        self._perhaps("jvp")
        return bind(self, tangents[0])

    def transpose(self, ct, inputs):
        self._perhaps("transpose")
        return (ct,)

    def batch(self, size, inputs, batched):
        self._perhaps("batch")
        return bind(self, *inputs)


# fmt: off
def failing(rule):
    def f(x):
        y = np.sin(x)
        return (
            bind(Fails(rule), y)  # the line that fails
        ).sum()

    return f
# fmt: on


_FAILS_AT = inspect.getsourcelines(failing)[1] + 4

TRANSFORMS = {
    "grad": lambda f: grad(f)(np.ones(2)),
    "vjp": lambda f: vjp(f, np.ones(2))[1](1.0),
    "jvp": lambda f: jvp(f, (np.ones(2),), (np.ones(2),)),
    "linearize": lambda f: linearize(f, np.ones(2))[1](np.ones(2)),
    "vmap": lambda f: vmap(f)(np.ones((2, 2))),
    "vmap grad": lambda f: vmap(grad(f))(np.ones((2, 2))),
    "grad vmap": lambda f: grad(lambda x: vmap(f)(x).sum())(np.ones((2, 2))),
    "grad grad": lambda f: grad(lambda x: grad(f)(x).sum())(np.ones(2)),
    "jacfwd": lambda f: jacfwd(f)(np.ones(2)),
    "jacrev": lambda f: jacrev(f)(np.ones(2)),
    "hessian": lambda f: hessian(f)(np.ones(2)),
    "eval": lambda f: make_jaxpr(f)(np.ones(2))(np.ones(2)),
}


def _untouched():
    assert current_trace() is None
    assert SOURCE.get() is None
    assert grad(lambda x: grad(lambda y: x * y * y)(x))(3.0) == 12.0
    np.testing.assert_array_equal(vmap(grad(np.sin))(np.zeros(2)), [1.0, 1.0])


@pytest.mark.parametrize("rule", ["impl", "abstract", "jvp", "transpose", "batch"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_rule_that_raises_leaves_the_library_as_it_was(name, rule):
    try:
        TRANSFORMS[name](failing(rule))
    except ArithmeticError as error:
        assert message_of(error) == f"in {rule}"
        if rule in ("impl", "jvp", "batch"):
            assert any(f"{__file__}:{_FAILS_AT}" in note for note in getattr(error, "__notes__", [])), error.__notes__
    else:
        assert rule in _UNUSED[name]
    _untouched()


_UNUSED = {
    "grad": {"batch"},
    "vjp": {"batch"},
    "jvp": {"batch", "transpose"},
    "linearize": {"batch", "transpose"},
    "vmap": {"jvp", "transpose"},
    "vmap grad": {"impl", "batch"},  # the sum's derivative does not need the value: it is never computed
    "grad vmap": set(),
    "grad grad": {"impl", "batch"},
    "jacfwd": {"transpose"},
    "jacrev": {"batch"},  # one row needs no batch
    "hessian": {"impl", "batch"},
    "eval": {"jvp", "transpose", "batch"},
}


@pytest.mark.parametrize("error", [ValueError, KeyError, ZeroDivisionError, StopIteration, KeyboardInterrupt])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_function_that_raises_leaves_the_library_as_it_was(name, error):
    mine = error("mine")

    def f(x):
        np.sin(x)
        raise mine

    with pytest.raises(error) as caught:
        TRANSFORMS[name](f)
    assert caught.value is mine
    _untouched()


@pytest.mark.parametrize(
    "mistake, error, message",
    [
        (
            lambda x: np.squeeze(x, 0),
            ValueError,
            "cannot select an axis to squeeze out which has size not equal to one",
        ),
        (lambda x: np.transpose(x, (0, 0)), ValueError, "repeated axis in `axes` argument"),
        (
            lambda x: x.sum(axis=3),
            np.exceptions.AxisError,
            "axis 3 is out of bounds for array of dimension 1",
        ),
        (lambda x: x.reshape(-1, -1), ValueError, "can only specify one unknown dimension"),
        (lambda x: {}["key"], KeyError, "'key'"),
    ],
)
def test_errors_of_numpy_and_of_the_user_get_the_line_in_a_note(mistake, error, message):
    for how in (grad, vmap, jacfwd):
        with pytest.raises(error) as caught:
            how(lambda x: mistake(x).sum())(np.ones((3, 3)) if how is vmap else np.ones(3))
        assert message_of(caught.value) == message
        (note,) = caught.value.__notes__
        line = mistake.__code__.co_firstlineno
        assert note == f"autotrace: raised at {__file__}:{line} while {how.__name__}(<lambda>) traced it"
    with pytest.raises(error) as caught:
        grad(lambda x: vmap(mistake)(x).sum())(np.ones((3, 3)))
    assert [note.split(" while ")[1] for note in caught.value.__notes__] == ["vmap(<lambda>) traced it"]


def test_a_function_may_catch_its_own_errors():
    def f(x):
        for mistake, error in (
            (lambda: float(x[0]), ConcretizationTypeError),
            (lambda: grad(lambda y: y[7])(x), IndexError),
            (lambda: x + np.ones(5), ValueError),
        ):
            with pytest.raises(error):
                mistake()
        return (x * x).sum()

    np.testing.assert_array_equal(grad(f)(np.ones(3)), [2.0] * 3)


def test_a_warning_turned_error_inside_a_trace_keeps_its_type():
    with pytest.raises(FloatingPointError) as caught, np.errstate(all="raise"):
        grad(lambda x: np.log(x))(0.0)
    assert any(f"{__file__}:" in note for note in caught.value.__notes__)
    _untouched()


def test_values_warn_as_numpy_does():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        make_jaxpr(np.log)(1.0)(0.0)


# -- generators ----------------------------------------------------------------------------------------------


def test_a_generator_that_is_not_finished_leaks_nothing():
    def terms(x):
        for k in range(10):
            yield x**k

    assert grad(lambda x: sum(t for t, _ in zip(terms(x), range(3))))(2.0) == 5.0
    assert grad(lambda x: next(terms(x)) * x)(2.0) == 1.0
    _untouched()


def test_a_generator_resumed_in_another_trace_is_an_error():
    kept = []

    def terms(x):
        while True:
            x = x * 2.0
            yield x

    def first(x):
        kept.append(terms(x))
        return next(kept[0])

    assert grad(first)(1.0) == 2.0
    with pytest.raises(UnexpectedTracerError):
        next(kept[0])


def test_a_generator_of_gradients():
    def gradients():
        for k in (1.0, 2.0):
            yield grad(lambda x, k=k: k * x * x)(1.0)

    assert list(gradients()) == [2.0, 4.0]
    assert grad(lambda x: sum(gradients()) * x)(1.0) == 6.0


def test_tracers_have_no_hidden_state():
    seen = []
    grad(lambda x: (seen.append(x), x)[1])(1.0)
    assert isinstance(seen[0], Tracer)
    assert seen[0].shape == ()
    assert seen[0].dtype == np.float64


def test_shape_only_traces_know_no_values():
    def f(x):
        assert repr(x * 2.0) == "Traced<f64[3]>"
        return x

    make_jaxpr(f)(ShapeDtypeStruct((3,), float))


def test_the_line_is_in_what_the_interpreter_shows(tmp_path):
    """Python 3.10 shows no notes: there they end the message."""
    script = tmp_path / "fails.py"
    script.write_text(
        "import numpy as np\n"
        "from autotrace import jit\n"
        "def f(x):\n"
        "    return np.linalg.cholesky(x)\n"
        "jit(f)(-np.eye(2))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr.count(f"autotrace: raised by cholesky(f64[2,2]) at {script}:4 (f)") == 1
    with pytest.raises(KeyError) as caught:
        grad(lambda x: {}["key"])(1.0)
    assert caught.value.args == ("key",)


# -- bytes in another order ------------------------------------------------------------------------


FOREIGN = np.array([1.0, 2.0, 3.0], ">f8")
OTHER_WAY = {
    "grad": lambda x: grad(lambda x: np.sum(np.sin(x) * x))(x),
    "vmap": lambda x: vmap(lambda x: x)(x),
    "jvp": lambda x: jvp(np.sin, (np.ones(3),), (x,)),
    "vjp": lambda x: vjp(np.sin, np.ones(3))[1](x),
    "jacobian": lambda x: jacfwd(lambda x: x**3)(x),
    "hessian": lambda x: hessian(lambda x: np.sum(x**3))(x),
    "constant": lambda x: vjp(lambda y: (x * y, x[::2] + y[::2]), np.ones(3))[0],
    "while_loop": lambda x: while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * 2), (0, x)),
    "cond": lambda x: cond(True, lambda x: x, lambda x: 2 * x, x),
    "scan": lambda x: scan(lambda c, row: (c + row, c * row), x[0], x),
    "program": lambda x: make_jaxpr(lambda x: x + 1)(np.ones(3))(x),
    "converted": lambda x: vmap(lambda y: y.astype(x.dtype) + 1)(np.ones(3)),
    "single": lambda x: grad(lambda y: np.sum(y * y))(x.astype(">f4")),
    "integers": lambda x: grad(lambda y: np.sum(y * x.astype(">i4")))(np.ones(3)),
    "complex": lambda x: grad(lambda y: np.real(np.sum(y * y)))(x.astype(">c16")),
    "sorted": lambda x: grad(lambda x: np.sum(np.sort(x) * np.arange(3)))(x),
}


@pytest.mark.parametrize("name", OTHER_WAY)
def test_arrays_of_another_order_of_bytes_are_as_those_of_the_machines(name):
    foreign = FOREIGN if FOREIGN.dtype != np.dtype(float) else FOREIGN.astype("<f8")
    found, expected = tree_leaves(OTHER_WAY[name](foreign)), tree_leaves(OTHER_WAY[name](foreign.astype(float)))
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_array_equal(x, y)
        assert x.dtype.isnative and x.dtype == y.dtype


def test_programs_that_hold_arrays_of_another_order_are_printed_and_saved(tmp_path):
    jaxpr = make_jaxpr(lambda y: FOREIGN * y + FOREIGN)(np.ones(3))
    assert len(jaxpr.constants) == 1 and "a:f64[3]=[1.0, 2.0, 3.0]" in str(jaxpr)
    jaxpr.save(tmp_path / "foreign.jaxpr")
    for again in (load_jaxpr(tmp_path / "foreign.jaxpr"), parse_jaxpr(str(jaxpr))):
        np.testing.assert_array_equal(again(np.ones(3))[0], 2 * FOREIGN)
    held = parse_jaxpr("{ lambda a:f64[3] ; b:f64[3]. let c:f64[3] = mul a b in (c,) }", [FOREIGN])
    np.testing.assert_array_equal(held(FOREIGN)[0], FOREIGN * FOREIGN)


def test_jit_keeps_no_program_for_another_order_of_bytes():
    f = jit(lambda x: (x, x + 1))
    for _ in range(4):
        x, y = f(FOREIGN)
        assert x.dtype.isnative and y.tolist() == [2.0, 3.0, 4.0] and x.tolist() == [1.0, 2.0, 3.0]
    assert f.cache_info().misses == 1


# -- equations taken over from an inner program --------------------------------------------------------------


def test_results_of_a_derivative_are_not_weakly_typed():
    small = np.ones(2, np.float32)

    def f(x):
        return value_and_grad(lambda y: y * y)(x)[0] * small

    assert f(2.0).dtype == jit(f)(2.0).dtype == np.float64


def test_a_pullback_recorded_twice_in_one_trace():
    def f(x):
        y, pullback = vjp(lambda x: np.sin(x) * x, x)
        return pullback(y)[0] + pullback(2.0 * y)[0]

    x = np.array([0.5, 1.5])
    jaxpr = make_jaxpr(f)(x).check()
    np.testing.assert_allclose(jaxpr(x)[0], f(x), rtol=1e-15)


def test_one_derivative_taken_twice_in_one_trace():
    slope = grad(lambda x, y: np.sum(np.exp(x * y) * y))

    def f(x):
        return slope(x, 2.0 * x) + slope(x, 2.0 * x)

    x = np.array([0.5, 1.5])
    jaxpr = make_jaxpr(f)(x).check()
    np.testing.assert_allclose(jaxpr(x)[0], f(x), rtol=1e-15)


def test_operands_of_two_traces_meet_in_the_inner_one():
    def f(x, y):
        inner = grad(lambda z: np.sum(z * y + y * z - y / z))(x)
        return np.sum(inner * y)

    x, y = np.array([0.5, 1.5]), np.array([2.0, 3.0])
    np.testing.assert_allclose(grad(f, 1)(x, y), 4 * y + 2 * y / x**2, rtol=1e-14)
    np.testing.assert_allclose(jit(grad(f, 1))(x, y), 4 * y + 2 * y / x**2, rtol=1e-14)


def test_a_weak_integer_beside_an_array_is_converted():
    jaxpr = make_jaxpr(lambda x, n: (x * 2.0, x * n, n * x))(np.ones(2), 3).check()
    assert [e.primitive.name for e in jaxpr.equations].count("convert") == 2


# -- interning -----------------------------------------------------------------------------------------------


def test_equal_primitives_are_one_object_while_they_live():
    kept = [Scaled(i) for i in range(3_000)]
    assert all(Scaled(i) is kept[i] for i in range(3_000))
    assert Scaled(1) is not Scaled(1.0) and Scaled(0.0) is not Scaled(-0.0) and Scaled(True) is not Scaled(1)


def test_keys_of_dead_primitives_are_forgotten():
    table = Scaled._interned
    for i in range(20_000):
        Scaled(i)
    assert len(table._references) < 15_000


class Scaled(Primitive):
    factor: int | float

    def impl(self, x):
        return x * self.factor

    def abstract(self, x):
        return x

    def jvp(self, primals, tangents, output):
        return bind(self, tangents[0])

    def batch(self, size, inputs, batched):
        return bind(self, *inputs)
