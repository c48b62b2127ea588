"""The methods of programs for those who write transforms: what they change, and that they change a copy."""

import numpy as np
import pytest

from autotrace import Literal, check_jaxpr, cond, eval_jaxpr, grad, jit, make_jaxpr, print_jaxpr, scan, vmap
from autotrace.errors import JaxprTypeError
from autotrace.ir import map_programs

SIN, COS = (make_jaxpr(f)(1.0).equations[0].primitive for f in (np.sin, np.cos))
X = np.array([0.5, -1.0, 2.0])


def nested(x):
    """A call that holds a scan that holds a cond."""

    def step(carry, row):
        return carry + cond(row > 0, np.sin, np.cos, row), np.sin(carry)

    return jit(lambda x: scan(step, np.sin(x[0]), x))(x)


def swap(equation):
    return equation._replace(primitive=COS) if equation.primitive is SIN else equation


@pytest.fixture
def jaxpr():
    return make_jaxpr(lambda x, y: (np.sin(x) * y, np.cos(x), x + np.array([1.0, 2.0, 3.0])))(X, 2.0)


def test_replace_changes_each_part_and_drops_what_nothing_reads(jaxpr):
    x, y = jaxpr.in_vars
    assert len(jaxpr.constants) == 1
    shorter = jaxpr.replace(equations=jaxpr.equations[:2], outputs=jaxpr.outputs[:1])
    assert check_jaxpr(shorter) is None and not shorter.constants and shorter.in_vars == (x, y)
    turned = jaxpr.replace(in_vars=[y, x])
    for got, expected in zip(turned(2.0, X), jaxpr(X, 2.0), strict=True):
        assert np.array_equal(got, expected)
    other = jaxpr.replace(constants=[np.zeros(3)])
    assert np.array_equal(other(X, 2.0)[2], X)
    with pytest.raises(ValueError, match=r"replace: .* got 0 variables and 1 constants"):
        jaxpr.replace(const_vars=[])


def test_map_equations_one_for_one(jaxpr):
    before = print_jaxpr(jaxpr)
    mapped = jaxpr.map_equations(swap).check()
    assert np.array_equal(mapped(X, 2.0)[0], np.cos(X) * 2.0)
    assert print_jaxpr(jaxpr) == before
    assert [e.source for e in mapped.equations] == [e.source for e in jaxpr.equations]


def test_map_equations_to_several_and_to_none(jaxpr):
    twice = jaxpr.map_equations(lambda e: [e._replace(outputs=tuple(type(v)(v.aval) for v in e.outputs)), e]).check()
    assert len(twice.equations) == 2 * len(jaxpr.equations)
    assert len(twice.dce().equations) == len(jaxpr.equations)
    without = jaxpr.map_equations(lambda e: None if e.primitive is COS else e)
    with pytest.raises(JaxprTypeError, match="bound before its use"):
        without.check()  # an output reads what was dropped


def test_map_equations_reaches_nested_programs_only_when_asked():
    jaxpr = make_jaxpr(nested)(X)
    flat, deep = jaxpr.map_equations(swap), jaxpr.map_equations(swap, nested=True).check()
    assert flat.count_primitives() == jaxpr.count_primitives()
    counts = jaxpr.count_primitives()
    assert counts["sin"] == 3 and deep.count_primitives()["cos"] == counts["sin"] + counts["cos"]
    assert "sin" not in deep.count_primitives()
    carry = np.cos(X[0])
    for row in X:
        carry = carry + np.cos(row)
    np.testing.assert_allclose(deep(X)[0], carry, rtol=1e-14)


def test_map_programs_leaves_a_primitive_without_programs_alone():
    assert map_programs(SIN, lambda program: program) is SIN
    equation = make_jaxpr(nested)(X).equations[0]
    assert map_programs(equation.primitive, lambda program: program) is equation.primitive


def test_substitute_an_input_and_an_inner_variable(jaxpr):
    x, y = jaxpr.in_vars
    fixed = jaxpr.substitute({y: Literal(np.float64(3.0))}).replace(in_vars=[x]).check()
    assert np.array_equal(fixed(X)[0], np.sin(X) * 3.0)
    inner = jaxpr.equations[0].outputs[0]
    assert np.array_equal(jaxpr.substitute({inner: x})(X, 2.0)[0], X * 2.0)
    first, last = jaxpr.outputs[:2]
    assert jaxpr.substitute({first: last}).outputs[0] is last


def test_substitute_is_done_all_at_once(jaxpr):
    swapped = make_jaxpr(lambda a, b: a - b)(1.0, 2.0)
    a, b = swapped.in_vars
    assert swapped.substitute({a: b, b: a})(5.0, 3.0) == [-2.0]


def test_substitute_refuses_another_type(jaxpr):
    x, y = jaxpr.in_vars
    with pytest.raises(JaxprTypeError, match=r"must have the type .* f64\[3\]; got f64\[\]"):
        jaxpr.substitute({x: y})


def test_wrong_arguments_are_named(jaxpr):
    x = jaxpr.in_vars[0]
    for atoms in ({1: x}, {x: 3.0}, {x: np.ones(3)}):
        with pytest.raises(TypeError, match="substitute: keys must be variables"):
            jaxpr.substitute(atoms)
    with pytest.raises(TypeError, match="map_equations: the argument must be a function"):
        jaxpr.map_equations(3)
    for found in (3, [3], "sin", SIN):
        with pytest.raises(TypeError, match="map_equations: the function must return"):
            jaxpr.map_equations(lambda equation, found=found: found)


def test_subjaxprs_in_order_each_once():
    jaxpr = make_jaxpr(nested)(X)
    (called,) = jaxpr.subjaxprs()
    (body,) = called.subjaxprs()
    assert [len(branch.equations) for branch in body.subjaxprs()] == [1, 1]
    f = jit(np.sin)
    assert len(make_jaxpr(lambda x: f(x) + f(x + 1.0))(1.0).subjaxprs()) == 1
    assert make_jaxpr(np.sin)(1.0).subjaxprs() == ()


def test_count_primitives_counts_nested_programs():
    counts = make_jaxpr(nested)(X).count_primitives()
    assert counts["call"] == counts["scan"] == counts["cond"] == 1
    assert counts["sin"] == 3 and counts["cos"] == 1


def test_inline_writes_calls_out_and_leaves_loops():
    jaxpr = make_jaxpr(nested)(X)
    flat = jaxpr.inline().check()
    assert "call" not in flat.count_primitives() and flat.count_primitives()["scan"] == 1
    for got, expected in zip(flat(X), jaxpr(X), strict=True):
        assert np.array_equal(got, expected)
    assert flat.inline() is flat


def test_inline_gives_every_copy_new_variables():
    table = np.array([1.0, 2.0, 3.0])
    f = jit(lambda x: np.sin(x) * table)
    flat = make_jaxpr(lambda x: f(f(x)))(X).inline().check()
    assert flat.count_primitives()["sin"] == 2
    np.testing.assert_array_equal(flat(X)[0], np.sin(np.sin(X) * table) * table)


def test_dce_keeps_effects_and_inputs():
    def f(x, y):
        np.sin(y)
        return x if x > 0 else -x

    jaxpr = make_jaxpr(f)(1.0, 2.0)
    kept = jaxpr.dce().check()
    assert kept.in_vars == jaxpr.in_vars
    assert sorted(kept.count_primitives()) == ["gt", "guard"]


def test_check_returns_the_program_or_raises(jaxpr):
    assert jaxpr.check() is jaxpr
    with pytest.raises(JaxprTypeError):
        jaxpr.replace(equations=jaxpr.equations[1:]).check()


@pytest.mark.parametrize("transform", [grad, lambda f: vmap(f), jit], ids=["grad", "vmap", "jit"])
def test_a_rewritten_program_is_a_function_like_any_other(transform):
    mapped = make_jaxpr(lambda x: np.sin(x) * x)(0.5).map_equations(swap)
    point = X if transform is not grad and transform is not jit else np.float64(0.5)
    got = transform(lambda x: eval_jaxpr(mapped, x)[0] if np.ndim(x) == 0 else mapped(x)[0])(point)
    expected = transform(lambda x: np.cos(x) * x)(point)
    np.testing.assert_allclose(got, expected, rtol=1e-15)
