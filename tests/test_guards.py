"""Control flow on traced values: it works where values are known, leaves guards, fails clearly elsewhere."""

import numpy as np
import pytest

import autotrace.numpy as anp
from autotrace import (
    ShapeDtypeStruct,
    check_jaxpr,
    eval_jaxpr,
    eval_shape,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    make_jaxpr,
    stop_gradient,
    vjp,
    vmap,
)
from autotrace.compile.simplify import simplify
from autotrace.errors import (
    GuardError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
)
from autotrace.ir import place
from autotrace.tracing import evaluate


def leaky(x):
    if x > 0:
        return x * x
    elif x > -1:
        return 0.1 * x
    else:
        return -x


def newton(x):
    y = x
    while abs(y * y - x) > 1e-12:
        y = y - (y * y - x) / (2.0 * y)
    return y


def power(x, n):
    y = 1.0
    for _ in range(n):
        y = y * x
    return y


def horner(x, coefficients):
    y = 0.0
    for c in coefficients:
        y = y * x + c
    return y


def guards(jaxpr):
    return [(e.primitive.kind, e.primitive.expected) for e in jaxpr.equations if e.primitive.name == "guard"]


FIRST = {
    "grad": lambda f: grad(f),
    "jvp": lambda f: lambda x: jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f: lambda x: vjp(f, x)[1](1.0)[0],
    "linearize": lambda f: lambda x: linearize(f, x)[1](1.0),
    "jacfwd": lambda f: jacfwd(f),
    "jacrev": lambda f: jacrev(f),
    "value of grad in grad": lambda f: lambda x: grad(lambda y: y * stop_gradient(grad(f)(y)))(x),
    "the program of the gradient": lambda f: lambda x: make_jaxpr(grad(f))(x)(x)[0],
}


@pytest.mark.parametrize("how", FIRST)
@pytest.mark.parametrize("x, slope", [(3.0, 6.0), (-0.5, 0.1), (-2.0, -1.0)])
def test_if_under_every_transform(how, x, slope):
    assert FIRST[how](leaky)(x) == pytest.approx(slope, abs=1e-15)


@pytest.mark.parametrize("how", FIRST)
def test_while_under_every_transform(how):
    assert FIRST[how](newton)(2.0) == pytest.approx(0.5 / np.sqrt(2.0), rel=1e-12)


@pytest.mark.parametrize("derive", [grad(grad(leaky)), jacfwd(jacrev(leaky)), hessian(leaky), jacrev(grad(leaky))])
def test_if_at_second_order(derive):
    assert derive(3.0) == 2.0
    assert derive(-2.0) == 0.0


def test_while_at_second_order():
    assert grad(grad(newton))(2.0) == pytest.approx(-0.25 * 2.0**-1.5, rel=1e-10)


def test_for_on_a_traced_count_and_traced_items():
    assert grad(power)(3.0, 4) == 108.0
    assert make_jaxpr(power)(3.0, 4)(2.0, 4) == [16.0]
    np.testing.assert_allclose(grad(horner, argnums=1)(2.0, np.array([1.0, 2.0, 3.0])), [4.0, 2.0, 1.0])
    assert grad(horner)(2.0, np.array([1.0, 2.0, 3.0])) == 6.0


def test_questions_inside_an_inner_transform_about_an_outer_value():
    def f(x):
        return grad(lambda y: y * x if x > 0 else y * y)(x)

    assert grad(f)(3.0) == 1.0
    assert grad(f)(-3.0) == 2.0


# -- what is recorded ----------------------------------------------------------------------------------------


def test_guards_are_equations():
    jaxpr = make_jaxpr(leaky)(-0.5)
    check_jaxpr(jaxpr)
    assert guards(jaxpr) == [("bool", False), ("bool", True)]
    assert "guard[expected=False] b" in str(jaxpr)
    first = next(e for e in jaxpr.equations if e.primitive.name == "guard")
    assert place(first.source).line == leaky.__code__.co_firstlineno + 1


def test_guards_of_integers():
    jaxpr = make_jaxpr(power)(3.0, 4)
    assert guards(jaxpr) == [("index", 4)]
    assert eval_jaxpr(jaxpr, 2.0, 4) == [16.0]
    with pytest.raises(GuardError, match="index"):
        eval_jaxpr(jaxpr, 2.0, 5)


def test_guards_of_floats():
    jaxpr = make_jaxpr(lambda x: x * float(stop_gradient(x)))(3.0)
    assert guards(jaxpr) == [("float", 3.0)]
    assert jaxpr(3.0) == [9.0]
    with pytest.raises(GuardError):
        jaxpr(4.0)


def test_a_guard_of_nan_holds_for_nan():
    jaxpr = make_jaxpr(lambda x: x * float(stop_gradient(x)))(np.nan)
    assert np.isnan(jaxpr(np.nan)[0])
    with pytest.raises(GuardError):
        jaxpr(1.0)


def test_another_path_is_an_error_and_the_same_path_is_not():
    jaxpr = make_jaxpr(leaky)(3.0)
    assert jaxpr(5.0) == [25.0]
    with pytest.raises(GuardError) as caught:
        jaxpr(-0.5)
    assert any(f"test_guards.py:{leaky.__code__.co_firstlineno + 1}" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("derive", [grad, jacfwd, lambda f: lambda x: vjp(f, x)[1](1.0)[0], lambda f: grad(grad(f))])
def test_guards_survive_transforms_and_simplification(derive):
    jaxpr = make_jaxpr(derive(leaky))(3.0)
    check_jaxpr(jaxpr)
    assert ("bool", True) in guards(jaxpr)
    assert ("bool", True) in guards(simplify(jaxpr))
    with pytest.raises(GuardError):
        jaxpr(-3.0)
    with pytest.raises(GuardError):
        simplify(jaxpr)(-3.0)


def test_guards_of_an_inner_transform_reach_the_outer_program():
    jaxpr = make_jaxpr(lambda x: grad(leaky)(x) + 1.0)(3.0)
    assert guards(jaxpr) == [("bool", True)]
    with pytest.raises(GuardError):
        jaxpr(-3.0)


def test_a_guard_that_a_jaxpr_evaluates_inside_a_trace():
    jaxpr = make_jaxpr(leaky)(3.0)
    assert grad(lambda x: jaxpr(x)[0])(5.0) == 10.0
    with pytest.raises(GuardError):
        grad(lambda x: jaxpr(x)[0])(-5.0)


# -- what Python may ask -------------------------------------------------------------------------------------

QUESTIONS = {
    "and": (lambda x: x * 2.0 if x > 0 and x < 5 else x, 3.0, 2.0),
    "or": (lambda x: x * 2.0 if x < 0 or x < 5 else x, 3.0, 2.0),
    "not": (lambda x: x if not x > 0 else x * 2.0, 3.0, 2.0),
    "chained": (lambda x: x * 2.0 if 0 < x < 5 else x, 3.0, 2.0),
    "truth of a float": (lambda x: x * 2.0 if x else x, 3.0, 2.0),
    "equality": (lambda x: x * 2.0 if x == 3.0 else x, 3.0, 2.0),
    "membership": (lambda x: x * 2.0 if x in [1.0, 3.0] else x, 3.0, 2.0),
    "value of and": (lambda x: (x * 0.0) and x, 3.0, 0.0),
    "value of or": (lambda x: (x * 0.0) or x * 2.0, 3.0, 2.0),
    "min": (lambda x: min(x, 5.0, x * x), 3.0, 1.0),
    "max": (lambda x: max(x, 5.0, x * x), 3.0, 6.0),
    "min of one kind": (lambda x: min([x * 2.0, x * x]), 3.0, 2.0),
    "sorted": (lambda x: sorted([x * x, x, 5.0])[2], 3.0, 6.0),
    "sorted by a key": (lambda x: sorted([x, -x * 4.0], key=lambda t: -t)[0], 3.0, 1.0),
    "sum": (lambda x: sum([x, x * x]), 3.0, 7.0),
    "any": (lambda x: x * 2.0 if any([x < 0, x > 2]) else x, 3.0, 2.0),
    "all": (lambda x: x * 2.0 if all(t > 0 for t in (x, x + 1)) else x, 3.0, 2.0),
    "int": (lambda x: x * int(x), 3.7, 3.0),
    "int of a negative": (lambda x: x * int(x), -3.7, -3.0),
    "range of an int": (lambda x: sum(x for _ in range(int(x))), 3.7, 3.0),
    "index of a list": (lambda x: [x, x * 2.0][int(x)], 1.5, 2.0),
    "slice of a list": (lambda x: sum([x, x, x][: int(x)]), 2.5, 2.0),
    "assert": (lambda x: _asserted(x), 3.0, 2.0),
    "if expression inside a comprehension": (lambda x: sum(x if x > k else -x for k in range(5)), 3.0, 1.0),
    "while True and break": (lambda x: _counted(x), 10.0, 1.0 / 16.0),
    "abs in a condition": (lambda x: x * 2.0 if abs(x) > 1 else x, -3.0, 2.0),
    "np.isnan": (lambda x: 0.0 if np.isnan(x) else x * 2.0, 3.0, 2.0),
    "np.all": (lambda x: x * 2.0 if np.all(np.stack([x, x]) > 0) else x, 3.0, 2.0),
    "np.allclose by hand": (lambda x: x * 2.0 if np.abs(x - 3.0) <= 1e-8 else x, 3.0, 2.0),
    "any method": (lambda x: x * 2.0 if (np.stack([x, -x]) > 0).any() else x, 3.0, 2.0),
    "match": (lambda x: _matched(x), 3.0, 2.0),
    "ternary in a default": (lambda x: (lambda y=x if x > 0 else -x: y * 2.0)(), 3.0, 2.0),
    "try": (lambda x: _tried(x), 3.0, 2.0),
}


def _asserted(x):
    assert x > 0, "positive"
    return x * 2.0


def _counted(x):
    while True:
        if x < 1:
            return x
        x = x / 2.0


def _matched(x):
    match x > 0:
        case b if b:
            return x * 2.0
        case _:
            return x


def _tried(x):
    try:
        return [x][int(x)]
    except IndexError:
        return x * 2.0


@pytest.mark.parametrize("case", QUESTIONS)
def test_what_python_may_ask(case):
    function, x, slope = QUESTIONS[case]
    assert grad(function)(x) == slope
    assert jvp(function, (x,), (1.0,))[1] == slope
    assert vjp(function, x)[1](1.0) == (slope,)
    assert jacfwd(function)(x) == slope
    value, plain = jvp(function, (x,), (1.0,))[0], function(x)
    assert value == plain
    assert make_jaxpr(function)(x)(x) == [plain]


@pytest.mark.parametrize("case", sorted(set(QUESTIONS) - {"sum"}))
def test_every_question_leaves_a_guard_and_fails_without_values(case):
    function, x, _ = QUESTIONS[case]
    assert guards(make_jaxpr(function)(x))
    for how in (
        lambda: vmap(function)(np.array([x, x])),
        lambda: make_jaxpr(function)(ShapeDtypeStruct((), float)),
        lambda: eval_shape(function, x),
        lambda: vmap(grad(function))(np.array([x, x])),
        lambda: jacfwd(vmap(function))(np.array([x, x])),
    ):
        with pytest.raises((TracerBoolConversionError, TracerIntegerConversionError), match=r"by shape alone"):
            how()


def test_arrays_are_indexed_by_traced_integers_without_a_question():
    def f(x, i):
        return anp.asarray(x)[i] * 2.0

    assert grad(lambda x, i: x[i] * 2.0)(np.array([1.0, 2.0]), 1)[1] == 2.0
    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(grad(f)(x, 1), [0.0, 2.0, 0.0])
    np.testing.assert_array_equal(vmap(f, in_axes=(None, 0))(x, np.array([2, 0, -1])), [6.0, 2.0, 6.0])
    assert guards(make_jaxpr(f)(ShapeDtypeStruct((3,), float), ShapeDtypeStruct((), int))) == []


def test_a_numpy_array_indexed_by_a_traced_integer():
    table = np.array([1.0, 2.0, 3.0])
    jaxpr = make_jaxpr(lambda i: table[i] * 1.0)(1)
    assert guards(jaxpr) == [("index", 1)]
    with pytest.raises(IndexError, match="only integers, slices") as caught:
        vmap(lambda i: table[i])(np.array([0, 1]))
    assert caught.value.__notes__ == [
        "autotrace: a NumPy array takes no traced index. Write autotrace.numpy.asarray(array)[index]."
    ]
    np.testing.assert_array_equal(vmap(lambda i: anp.asarray(table)[i])(np.array([0, 1])), [1.0, 2.0])


def test_an_array_of_one_element_has_a_truth():
    assert grad(lambda x: x.sum() * 2.0 if x > 0 else x.sum())(np.array([3.0])) == 2.0


def test_bool_of_several_elements_is_numpys_error_with_and_without_values():
    def f(x):
        return x.sum() if x > 0 else x

    for how in (
        lambda: grad(f)(np.ones(3)),
        lambda: vmap(f)(np.ones((2, 3))),
        lambda: eval_shape(f, np.ones(3)),
    ):
        with pytest.raises(ValueError, match="truth value of an array with more than one element is ambiguous"):
            how()


def test_tracers_are_no_keys():
    def f(x):
        with pytest.raises(TypeError, match="key"):
            _ = {x: 1.0}
        with pytest.raises(TypeError, match="key"):
            _ = {x}
        return x

    assert grad(f)(1.0) == 1.0


def test_guards_under_vmap_of_what_is_not_mapped():
    """A value that does not depend on a mapped argument is known: vmap is no obstacle."""

    def f(x, n):
        return x * 2.0 if n > 0 else x

    np.testing.assert_array_equal(vmap(f, in_axes=(0, None))(np.ones(2), 1), [2.0, 2.0])
    assert grad(lambda n: vmap(lambda x: x * n if n > 0 else x)(np.ones(2)).sum())(3.0) == 2.0


def test_batching_a_program_with_guards_checks_every_row():
    jaxpr = make_jaxpr(leaky)(3.0)
    np.testing.assert_array_equal(vmap(lambda x: jaxpr_call(jaxpr, x))(np.array([1.0, 2.0])), [1.0, 4.0])
    with pytest.raises(GuardError):
        vmap(lambda x: jaxpr_call(jaxpr, x))(np.array([1.0, -2.0]))


def jaxpr_call(jaxpr, x):
    return evaluate(jaxpr, [x])[0]
