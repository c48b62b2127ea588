"""Bad input: one table, each entry with its class and its message, word for word, and with the user's line.

In a message ``{here}`` stands for the line of the entry that ends in ``# here`` (``{born}``: ``# born``), as
``file:line``. So an entry fails if the words change, and if the line is not that of the user.
"""

import inspect
import math
import operator
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest

import autotrace
from autotrace import (
    Equation,
    Jaxpr,
    Literal,
    Primitive,
    ShapedArray,
    ShapeDtypeStruct,
    Var,
    associative_scan,
    bind,
    check_jaxpr,
    cond,
    eval_jaxpr,
    eval_shape,
    fixed_point,
    fori_loop,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacrev,
    jvp,
    linear_transpose,
    linearize,
    load_jaxpr,
    make_jaxpr,
    odeint,
    parse_jaxpr,
    ravel_pytree,
    scan,
    stop_gradient,
    switch,
    value_and_grad,
    vjp,
    vmap,
    while_loop,
)
from autotrace import errors as e
from autotrace.primitives.arithmetic import Add
from autotrace.primitives.trigonometric import Sin
from tests.messages import message_of

TABLE = []


def bad(error, message):
    """Enter the decorated function in the table: calling it must raise ``error`` with ``message``."""

    def enter(function):
        TABLE.append(pytest.param(function, error, message, id=function.__name__))
        return function

    return enter


def _marked(function, mark):
    """Return ``file:line`` of the line of ``function`` that ends in the comment ``mark``."""
    lines, start = inspect.getsourcelines(function)
    found = [start + i for i, line in enumerate(lines) if line.rstrip().endswith(f"# {mark}")]
    return f"{__file__}:{found[0]}" if found else f"no line is marked {mark}"


@pytest.mark.parametrize("function, error, message", TABLE)
def test_message(function, error, message):
    with pytest.raises(error) as caught:
        function()
    expected = message
    for mark in ("here", "born", "there", "beyond"):
        expected = expected.replace(f"{{{mark}}}", _marked(function, mark))
    assert message_of(caught.value) == expected
    assert type(caught.value) is error


def test_every_error_class_is_in_the_table():
    raised = {entry.values[1] for entry in TABLE}
    assert {getattr(e, name) for name in e.__all__} - raised == {e.AutotraceError}


# -- argnums and argnames ------------------------------------------------------------------------------------


def f(x, y=2.0):
    return x * y


@bad(
    ValueError,
    "grad: argnums must name positional arguments of the call; got 2 for a call with 2 of them. Pass the "
    "argument by position, or use argnames.",
)
def argnums_too_large():
    grad(f, argnums=2)(1.0, 2.0)


@bad(
    ValueError,
    "grad: argnums must name positional arguments of the call; got -3 for a call with 2 of them. Pass the "
    "argument by position, or use argnames.",
)
def argnums_too_small():
    grad(f, argnums=-3)(1.0, 2.0)


@bad(
    ValueError,
    "grad: argnums must name positional arguments of the call; got 0 for a call with 0 of them. Pass the "
    "argument by position, or use argnames.",
)
def argnums_of_a_call_without_arguments():
    grad(lambda: 1.0)()


@bad(
    ValueError,
    "grad: argnums must name positional arguments of the call; got 1 for a call with 1 of them. Pass the "
    "argument by position, or use argnames.",
)
def argnums_of_a_keyword():
    grad(f, argnums=1)(1.0, y=2.0)


@bad(TypeError, "grad: argnums must be an integer or a tuple of integers; got 1.0. Use argnames for names.")
def argnums_float():
    grad(f, argnums=1.0)(1.0, 2.0)


@bad(TypeError, "grad: argnums must be an integer or a tuple of integers; got 'y'. Use argnames for names.")
def argnums_string():
    grad(f, argnums="y")(1.0, 2.0)


@bad(TypeError, "grad: argnums must be an integer or a tuple of integers; got True. Use argnames for names.")
def argnums_bool():
    grad(f, argnums=True)(1.0, 2.0)


@bad(
    TypeError,
    "jacrev: argnums must be an integer or a tuple of integers; got (0, 'y'). Use argnames for names.",
)
def argnums_tuple_of_strings():
    jacrev(f, argnums=(0, "y"))(1.0, 2.0)


@bad(ValueError, "grad: argnums must name each argument once; got (0, -2). Drop the repetition.")
def argnums_repeated():
    grad(f, argnums=(0, -2))(1.0, 2.0)


@bad(
    ValueError,
    "grad: argnames must name arguments of the call; got 'z' for f(x, y) called with 2 positional "
    "arguments and the keywords (). Pass the argument in the call.",
)
def argnames_unknown():
    grad(f, argnames="z")(1.0, 2.0)


@bad(
    ValueError,
    "grad: argnames must name arguments of the call; got 'y' for f(x, y) called with 1 positional "
    "arguments and the keywords (). Pass the argument in the call.",
)
def argnames_not_passed():
    grad(f, argnames="y")(1.0)


@bad(TypeError, "grad: argnames must be a string or a tuple of strings; got 1. Use argnums for positions.")
def argnames_number():
    grad(f, argnames=1)(1.0, 2.0)


@bad(
    TypeError,
    "grad: argnames must be a string or a tuple of strings; got ('x', 1). Use argnums for positions.",
)
def argnames_tuple_of_numbers():
    grad(f, argnames=("x", 1))(1.0, 2.0)


@bad(
    ValueError,
    "grad: argnums and argnames must name each argument once; got None and ('x', 'x'). Drop the repetition.",
)
def argnames_repeated():
    grad(f, argnames=("x", "x"))(1.0, 2.0)


@bad(
    ValueError,
    "grad: argnums and argnames must name each argument once; got 0 and 'x'. Drop the repetition.",
)
def argnums_and_argnames_name_one_argument():
    grad(f, argnums=0, argnames="x")(1.0, 2.0)


@bad(
    ValueError,
    "jacfwd: argnums must name positional arguments of the call; got 5 for a call with 1 of them. Pass the "
    "argument by position, or use argnames.",
)
def jacfwd_argnums():
    jacfwd(f, argnums=5)(1.0)


@bad(
    ValueError,
    "hessian: argnums must name positional arguments of the call; got 5 for a call with 1 of them. Pass "
    "the argument by position, or use argnames.",
)
def hessian_argnums():
    hessian(f, argnums=5)(1.0)


@bad(
    ValueError,
    "hvp: argnums must name positional arguments of the call; got 1 for a call with 1 of them. Pass the "
    "argument by position, or use argnames.",
)
def hvp_argnums():
    hvp(f, argnums=1)(1.0, 1.0)


@bad(TypeError, "hvp: the arguments must be followed by the vector; got 1 of them. Write hvp(f)(x, v).")
def hvp_without_vector():
    hvp(f)(1.0)


@bad(
    TypeError,
    "hvp: primals and tangents must have one structure; got PyTreeDef((*,)) and PyTreeDef(((*,),)). Give a "
    "tangent for each primal.",
)
def hvp_vector_of_another_structure():
    hvp(lambda x: x**3)(1.0, (1.0,))


# -- what is not a function ----------------------------------------------------------------------------------


@bad(
    TypeError,
    "grad: the first argument must be a function; got float. Write grad(f)(x) rather than grad(f(x)).",
)
def grad_of_a_value():
    grad(f(1.0))


@bad(
    TypeError,
    "vmap: the first argument must be a function; got ndarray. Write vmap(f)(x) rather than vmap(f(x)).",
)
def vmap_of_an_array():
    vmap(np.ones(3))


@bad(
    TypeError,
    "jvp: the first argument must be a function; got float. Write jvp(f, (x,), (dx,)) rather than "
    "jvp(f(x), (x,), (dx,)).",
)
def jvp_of_a_value():
    jvp(1.0, (1.0,), (1.0,))


@bad(
    TypeError,
    "vjp: the first argument must be a function; got float64. Write vjp(f, x) rather than vjp(f(x), x).",
)
def vjp_of_a_value():
    vjp(np.sin(1.0), 1.0)


@bad(
    TypeError,
    "linearize: the first argument must be a function; got ndarray. Write linearize(f, x) rather than "
    "linearize(f(x), x).",
)
def linearize_of_a_value():
    linearize(np.ones(2), 1.0)


@bad(
    TypeError,
    "linear_transpose: the first argument must be a function; got float. Write linear_transpose(f, x) "
    "rather than linear_transpose(f(x), x).",
)
def linear_transpose_of_a_value():
    linear_transpose(1.0, 1.0)


@bad(
    TypeError,
    "eval_shape: the first argument must be a function; got float. Write eval_shape(f, x) rather than "
    "eval_shape(f(x), x).",
)
def eval_shape_of_a_value():
    eval_shape(1.0, 1.0)


# -- outputs of grad -----------------------------------------------------------------------------------------


@bad(
    TypeError,
    "grad: the function must return one scalar; got f64[3]. Sum it, or use jacrev, jacfwd or vjp for "
    "functions of many outputs.",
)
def grad_of_an_array_output():
    grad(lambda x: x * 2.0)(np.ones(3))


@bad(
    TypeError,
    "grad: the function must return one scalar; got f64[], f64[] in PyTreeDef((*, *)). Sum it, or use "
    "jacrev, jacfwd or vjp for functions of many outputs.",
)
def grad_of_a_tuple_output():
    grad(lambda x: (x, x))(1.0)


@bad(
    TypeError,
    "grad: the function must return one scalar; got f64[] in PyTreeDef((*,)). Sum it, or use jacrev, "
    "jacfwd or vjp for functions of many outputs.",
)
def grad_of_a_tuple_of_one():
    grad(lambda x: (x,))(1.0)


@bad(
    TypeError,
    "grad: the function must return one scalar; got no arrays. Sum it, or use jacrev, jacfwd or vjp for "
    "functions of many outputs.",
)
def grad_of_none():
    grad(lambda x: None)(1.0)


@bad(TypeError, "grad: the function must return a real floating-point scalar; got i64[]. Return a float.")
def grad_of_an_integer_output():
    grad(lambda x: x.astype(int))(1.0)


@bad(
    TypeError,
    "value_and_grad: the function must return a real floating-point scalar; got bool[]. Return a float.",
)
def grad_of_a_comparison():
    value_and_grad(lambda x: x > 0)(1.0)


@bad(
    TypeError,
    "grad: the function must return a real floating-point scalar; got c128[]. Take its real part or "
    "absolute value, or pass holomorphic=True.",
)
def grad_of_a_complex_output():
    grad(lambda z: z * z)(1j)


@bad(
    TypeError,
    "grad(<lambda>): a traced function must return arrays and numbers, or trees of them; got str at "
    "output. Return it through has_aux where that is offered, or drop it.",
)
def string_output():
    grad(lambda x: "abc")(1.0)


@bad(
    TypeError,
    "vjp(<lambda>): a traced function must return arrays and numbers, or trees of them; got str at "
    "output['name']. Return it through has_aux where that is offered, or drop it.",
)
def string_inside_an_output():
    vjp(lambda x: {"loss": x, "name": "abc"}, 1.0)


@bad(
    TypeError,
    "make_jaxpr(<lambda>): a traced function must return arrays and numbers, or trees of them; got object "
    "at output[1]. Return it through has_aux where that is offered, or drop it.",
)
def object_output():
    make_jaxpr(lambda x: (x, object()))(1.0)


@bad(
    TypeError,
    "vmap(<lambda>): a traced function must return arrays and numbers, or trees of them; got object at "
    "output. Return it through has_aux where that is offered, or drop it.",
)
def object_output_of_vmap():
    vmap(lambda x: object())(np.ones(2))


@bad(
    TypeError,
    "vjp(<lambda>): a traced function must return arrays and numbers, or trees of them; got an array of "
    "dtype <U1 at output. Return it through has_aux where that is offered, or drop it.",
)
def string_array_output():
    vjp(lambda x: np.array(["a", "b"]), 1.0)


@bad(
    TypeError,
    "grad(<lambda>): with has_aux=True the function must return a pair (output, aux); got Tracer. Return "
    "the pair, or drop has_aux.",
)
def has_aux_without_a_pair():
    grad(lambda x: x, has_aux=True)(1.0)


@bad(
    TypeError,
    "vjp(<lambda>): with has_aux=True the function must return a pair (output, aux); got tuple. Return the "
    "pair, or drop has_aux.",
)
def has_aux_with_a_triple():
    vjp(lambda x: (x, x, x), 1.0, has_aux=True)


# -- arguments -----------------------------------------------------------------------------------------------


@bad(
    TypeError,
    "grad: arguments to differentiate must be of floating-point or complex dtype; got i64[]. Pass a float "
    "(3.0 for 3), or allow_int=True for zeros of dtype float0.",
)
def integer_argument():
    grad(lambda x: x * 2.0)(3)


@bad(
    TypeError,
    "grad: arguments to differentiate must be of floating-point or complex dtype; got i64[3], bool[]. Pass "
    "a float (3.0 for 3), or allow_int=True for zeros of dtype float0.",
)
def integer_arrays():
    grad(lambda t: t["a"].sum() * 2.0)({"a": np.arange(3), "b": True})


@bad(
    TypeError,
    "jacfwd: arguments to differentiate must be of floating-point or complex dtype; got i64[]. Pass a "
    "float (3.0 for 3).",
)
def integer_argument_of_jacfwd():
    jacfwd(lambda x: x * 2.0)(3)


@bad(
    TypeError,
    "jacrev: arguments to differentiate must be of floating-point or complex dtype; got i64[]. Pass a "
    "float (3.0 for 3).",
)
def integer_argument_of_jacrev():
    jacrev(lambda x: x * 2.0)(3)


@bad(
    TypeError,
    "grad: arguments to differentiate must be of floating-point or complex dtype; got no arrays. Pass a "
    "float (3.0 for 3), or allow_int=True for zeros of dtype float0.",
)
def empty_argument():
    grad(lambda x: 1.0)(())


@bad(
    TypeError,
    "grad: arguments must be arrays and numbers, or trees of them; got str at argument[0]. Pass it as an "
    "argument that is not differentiated or mapped, or close over it.",
)
def string_argument():
    grad(lambda x: x)("abc")


@bad(
    TypeError,
    "grad: arguments must be arrays and numbers, or trees of them; got str at "
    "argument[0]['opt']['name'][0]. Pass it as an argument that is not differentiated or mapped, or close "
    "over it.",
)
def string_in_a_tree():
    grad(lambda t: t["w"])({"w": 1.0, "opt": {"name": ["adam"]}})


@bad(
    TypeError,
    "grad: arguments must be arrays and numbers, or trees of them; got str at argument[1]. Pass it as an "
    "argument that is not differentiated or mapped, or close over it.",
)
def string_in_the_second_argument():
    grad(f, argnums=(1,))(1.0, "b")


@bad(
    TypeError,
    "value_and_grad: arguments must be arrays and numbers, or trees of them; got str at "
    "argument['y']['k']. Pass it as an argument that is not differentiated or mapped, or close over it.",
)
def string_in_a_named_argument():
    value_and_grad(f, argnames="y")(1.0, y={"k": "b"})


@bad(
    TypeError,
    "jvp: arguments must be arrays and numbers, or trees of them; got str at argument[1]. Pass it as an "
    "argument that is not differentiated or mapped, or close over it.",
)
def string_in_jvp():
    jvp(lambda x, y: x, (1.0, "a"), (1.0, 1.0))


@bad(
    TypeError,
    "grad: arguments must be arrays and numbers, or trees of them; got an array of objects (object) at "
    "argument[0]. Pass it as an argument that is not differentiated or mapped, or close over it.",
)
def object_array_argument():
    grad(lambda x: x)(np.array([object()]))


@bad(
    TypeError,
    "vmap: arguments must be arrays and numbers, or trees of them; got an array of objects (dict) at "
    "argument[0]. Pass it as an argument that is not differentiated or mapped, or close over it.",
)
def ragged_list_leaf():
    vmap(lambda x: x)(np.array([{}, {}]))


@bad(
    TypeError,
    "make_jaxpr(<lambda>): arguments must be arrays and numbers, or trees of them; got an array of dtype "
    "datetime64[D] at argument[0]. Pass it as an argument that is not differentiated or mapped, or close "
    "over it.",
)
def datetime_argument():
    make_jaxpr(lambda x: x)(np.array(["2020-01-01"], "datetime64[D]"))


@bad(
    TypeError,
    "make_jaxpr(<lambda>): arguments must be arrays and numbers, or trees of them; got str at argument[1]. "
    "Pass it as an argument that is not differentiated or mapped, or close over it.",
)
def string_to_make_jaxpr():
    make_jaxpr(lambda x, name: x)(1.0, "adam")


@bad(
    TypeError,
    "eval_shape(<lambda>): arguments must be arrays and numbers, or trees of them; got str at "
    "argument[0]['a']. Pass it as an argument that is not differentiated or mapped, or close over it.",
)
def string_to_eval_shape():
    eval_shape(lambda x: x["a"], {"a": "b"})


@bad(
    TypeError,
    "grad: with holomorphic=True arguments must be complex; got f64[]. Pass complex arguments, or drop holomorphic.",
)
def holomorphic_of_a_real_argument():
    grad(lambda z: z * z, holomorphic=True)(1.0)


@bad(TypeError, "grad: with holomorphic=True the output must be complex; got f64[]. Drop holomorphic.")
def holomorphic_of_a_real_output():
    grad(lambda z: np.abs(z), holomorphic=True)(1j)


@bad(
    TypeError,
    "jacfwd: arguments must be real without holomorphic=True; got c128[]. Use jacrev, or holomorphic=True.",
)
def jacfwd_of_a_complex_argument():
    jacfwd(lambda z: z * z)(1j)


@bad(
    TypeError,
    "jacfwd: arguments must be complex with holomorphic=True; got f64[]. Pass complex arguments.",
)
def jacfwd_holomorphic_of_a_real_argument():
    jacfwd(lambda z: z * z, holomorphic=True)(1.0)


@bad(
    TypeError,
    "jacrev: outputs must be real floating-point arrays; got c128[]. Return floats, or pass "
    "holomorphic=True for complex functions.",
)
def jacrev_of_a_complex_output():
    jacrev(lambda z: z * z)(1j)


@bad(TypeError, "jacrev: with holomorphic=True outputs must be complex; got f64[]. Drop holomorphic.")
def jacrev_holomorphic_of_a_real_output():
    jacrev(lambda z: np.real(z), holomorphic=True)(1j)


@bad(
    TypeError,
    "hessian: arguments must be real without holomorphic=True; got c128[]. Use jacrev, or holomorphic=True.",
)
def hessian_of_a_complex_output():
    hessian(lambda z: z * z)(1j)


# -- tangents and cotangents ---------------------------------------------------------------------------------


@bad(
    TypeError,
    "jvp: primals must be a tuple or list, one entry per argument; got float. Write jvp(f, (x,), (dx,)) "
    "for one argument.",
)
def jvp_primals_not_a_tuple():
    jvp(np.sin, 1.0, (1.0,))


@bad(
    TypeError,
    "jvp: tangents must be a tuple or list, one entry per argument; got ndarray. Write jvp(f, (x,), (dx,)) "
    "for one argument.",
)
def jvp_tangents_not_a_tuple():
    jvp(np.sin, (np.ones(2),), np.ones(2))


@bad(
    TypeError,
    "jvp: primals and tangents must have one structure; got PyTreeDef((*, *)) and PyTreeDef((*,)). Give a "
    "tangent for each primal.",
)
def jvp_tangents_missing():
    jvp(f, (1.0, 2.0), (1.0,))


@bad(
    TypeError,
    "jvp: primals and tangents must have one structure; got PyTreeDef(({'a': *},)) and PyTreeDef(({'b': "
    "*},)). Give a tangent for each primal.",
)
def jvp_tangent_of_another_tree():
    jvp(lambda t: t["a"], ({"a": 1.0},), ({"b": 1.0},))


@bad(
    ValueError,
    "jvp: a tangent must have the shape of its value, f64[3]; got shape (2,). Broadcast it with np.broadcast_to.",
)
def jvp_tangent_of_another_shape():
    jvp(np.sin, (np.ones(3),), (np.ones(2),))


@bad(TypeError, "jvp: a tangent of f32[3] must have dtype f32; got f64. Convert it with astype.")
def jvp_tangent_of_another_dtype():
    jvp(np.sin, (np.ones(3, np.float32),), (np.ones(3),))


@bad(TypeError, "jvp: a tangent of f64[] must have dtype f64; got c128. Convert it with astype.")
def jvp_complex_tangent_of_a_real_primal():
    jvp(np.sin, (1.0,), (1j,))


@bad(
    TypeError,
    "jvp: a tangent of i64[] must have dtype float0; got f64. Use np.zeros(shape, autotrace.float0).",
)
def jvp_float_tangent_of_an_integer():
    jvp(lambda x, n: x * n, (1.0, 3), (1.0, 1.0))


@bad(TypeError, "jvp: a tangent of f64[] must have dtype f64; got float0. Convert it with astype.")
def jvp_float0_tangent_of_a_float():
    jvp(lambda x: x, (1.0,), (np.zeros((), autotrace.float0),))


@bad(TypeError, "jvp: a tangent of f64[] must be an array or a number; got str. Give an array of its shape.")
def jvp_string_tangent():
    jvp(lambda x: x, (1.0,), ("a",))


@bad(
    TypeError,
    "vjp: the cotangent must have the structure of the output, PyTreeDef((*, *)); got PyTreeDef(*). Give "
    "one for each output.",
)
def pullback_of_another_tree():
    vjp(lambda x: (x, x), 1.0)[1](1.0)


@bad(
    ValueError,
    "vjp: a cotangent must have the shape of its value, f64[3]; got shape (3, 1). Broadcast it with np.broadcast_to.",
)
def pullback_of_another_shape():
    vjp(np.sin, np.ones(3))[1](np.ones((3, 1)))


@bad(TypeError, "vjp: a cotangent of f64[3] must have dtype f64; got c128. Convert it with astype.")
def pullback_of_another_dtype():
    vjp(np.sin, np.ones(3))[1](np.ones(3, np.complex128))


@bad(
    TypeError,
    "linearize: primals and tangents must have one structure; got PyTreeDef((*, *)) and PyTreeDef((*,)). "
    "Give a tangent for each primal.",
)
def linear_map_of_another_tree():
    linearize(f, 1.0, 2.0)[1](1.0)


@bad(
    ValueError,
    "linearize: a tangent must have the shape of its value, f64[2]; got shape (3,). Broadcast it with np.broadcast_to.",
)
def linear_map_of_another_shape():
    linearize(np.sin, np.ones(2))[1](np.ones(3))


@bad(
    TypeError,
    "linear_transpose: arguments must be of floating-point or complex dtype; got i64[]. Close over the others.",
)
def linear_transpose_of_integers():
    linear_transpose(lambda x: x * 2, 3)


@bad(
    ValueError,
    "linear_transpose: a cotangent must have the shape of its value, f64[2]; got shape (3,). Broadcast it "
    "with np.broadcast_to.",
)
def linear_transpose_cotangent_of_another_shape():
    linear_transpose(lambda x: x * 2.0, np.ones(2))(np.ones(3))


@bad(
    e.NonFiniteError,
    "debug_nans: values must stay free of NaN; got one in the primal of `b:f64[] = log a` at {here} "
    "(log_of_a_negative_number), where a = -1.0. Keep the operands away from there: np.where(bad, safe, x) before the "
    "function.",
)
def log_of_a_negative_number():
    with np.errstate(all="ignore"), autotrace.debug_nans():
        grad(np.log)(-1.0)  # here


@bad(
    e.MissingRuleError,
    "pure_callback: a derivative needs a rule; got none for sin at {here}. Wrap the call in a function with custom_jvp "
    "or custom_vjp, or its arguments in stop_gradient.",
)
def derivative_of_a_callback():
    grad(lambda x: autotrace.pure_callback(np.sin, autotrace.ShapeDtypeStruct((), float), x))(1.0)  # here


@bad(
    ValueError,
    "debug.print: each argument must have a field in the format; got '{}' for 2 positional arguments and the names () "
    "at {here}. Write {} or {name} for each.",
)
def print_without_a_field():
    grad(lambda x: autotrace.debug.print("{}", x, x))(1.0)  # here


@bad(
    e.MissingRuleError,
    "sin: transposition needs an operation that is linear in what it transposes; got sin(linear) at "
    "{here}. Make the function linear, or define transpose(cts, inputs) in the class of the primitive.",
)
def linear_transpose_of_a_sine():
    linear_transpose(lambda x: np.sin(x) + x, 1.0)(1.0)  # here


@bad(
    e.MissingRuleError,
    "mul: transposition needs an operation that is linear in what it transposes; got mul(linear, linear) "
    "at {here}. Make the function linear, or define transpose(cts, inputs) in the class of the primitive.",
)
def linear_transpose_of_a_product():
    linear_transpose(lambda x: x * x, 1.0)(1.0)  # here


@bad(
    e.MissingRuleError,
    "linear_transpose: the function must be linear; got one that adds a constant at {here}. Subtract f(0).",
)
def linear_transpose_of_an_affine_function():
    linear_transpose(lambda x: 2.0 * x + 1.0, 1.0)(1.0)  # here


@bad(
    e.MissingRuleError,
    "linear_transpose: the function must be linear; got one that adds a constant at {here}. Subtract f(0).",
)
def linear_transpose_of_a_constant():
    linear_transpose(lambda x: 1.0, 1.0)  # here


@bad(
    e.MissingRuleError,
    "linear_transpose: the function must be linear; got one that adds a constant at {here}. Subtract f(0).",
)
def linear_transpose_beside_a_constant():
    linear_transpose(lambda x: np.stack([x, 1.0]), 1.0)  # here


@bad(
    e.MissingRuleError,
    "add: transposition needs an operation that is linear in what it transposes; got add(linear, known) at "
    "{here}. Make the function linear, or define transpose(cts, inputs) in the class of the primitive.",
)
def linear_transpose_of_an_affine_function_of_an_outer_value():
    grad(lambda k: linear_transpose(lambda x: x + k, 1.0)(1.0)[0])(2.0)  # here


@bad(
    e.MissingRuleError,
    "transpose: an operation must be linear in what it transposes; got one that needs the value of f64[2] "
    "at {here}. Make the function linear.",
)
def linear_transpose_of_a_square_form():
    linear_transpose(lambda x: x @ x, np.ones(2))(1.0)  # here


@bad(
    TypeError,
    "make_jaxpr: static_argnums must be an integer or a tuple of integers; got 'x'. Give positions.",
)
def static_argnums_string():
    make_jaxpr(f, static_argnums="x")(1.0)


@bad(
    ValueError,
    "make_jaxpr: static_argnums must name positional arguments of the call; got 3 for a call with 1 of "
    "them. Pass the argument by position.",
)
def static_argnums_out_of_range():
    make_jaxpr(f, static_argnums=3)(1.0)


@bad(
    TypeError,
    "eval_jaxpr: the first argument must be a Jaxpr; got function. Make one: make_jaxpr(f)(*args).",
)
def eval_jaxpr_of_a_function():
    eval_jaxpr(f, 1.0)


@bad(TypeError, "check_jaxpr: the argument must be a Jaxpr; got function. Make one: make_jaxpr(f)(*args).")
def check_jaxpr_of_a_function():
    check_jaxpr(f)


@bad(
    e.MutationError,
    "grad(loss): a traced function must not write into its caller's arrays; got NumPy's 'assignment "
    "destination is read-only' at {here}. Copy the argument first: x = x.copy().",
)
def writing_into_an_integer_leaf():
    def loss(t):
        t["n"][0] = 5  # here
        return (t["x"] * t["n"]).sum()

    grad(loss)({"x": np.ones(2), "n": np.arange(2)})


@bad(
    e.MutationError,
    "vjp(loss): a traced function must not write into its caller's arrays; got NumPy's 'output array is "
    "read-only' at {here}. Copy the argument first: x = x.copy().",
)
def writing_into_an_integer_argument():
    def loss(x, n):
        n += 1  # here
        return (x * n).sum()

    vjp(loss, np.ones(2), np.arange(2))


@bad(
    e.MutationError,
    "make_jaxpr(loss): a traced function must not write into its caller's arrays; got NumPy's 'assignment "
    "destination is read-only' at {here}. Copy the argument first: x = x.copy().",
)
def writing_into_a_static_argument():
    def loss(x, n):
        n[:] = 1  # here
        return x * n

    make_jaxpr(loss, static_argnums=1)(1.0, np.arange(2))


@bad(
    e.MutationError,
    "x[index] = value: a traced function must not change its caller's arrays; got an argument, or a view "
    "of one, f64[2] at {here}. Copy it first: x = x.copy().",
)
def writing_into_a_differentiated_argument():
    def loss(x):
        x[0] = 1.0  # here
        return x.sum()

    grad(loss)(np.ones(2))


@bad(ValueError, "unravel: the vector must have shape (3,); got (2,). Pass one made by ravel_pytree.")
def unravel_of_another_size():
    ravel_pytree({"a": np.ones(3)})[1](np.ones(2))


# -- vmap ----------------------------------------------------------------------------------------------------


@bad(
    ValueError,
    "vmap: mapped axes must have one size; got argument[0] of shape (3,) has size 3 at axis 0; "
    "argument[1]['a'] of shape (2, 3) has size 2 at axis 0; argument[1]['b'][0] of shape (3,) has size 3 "
    "at axis 0; argument['k'] of shape (4, 1) has size 4 at axis 0. Set in_axes to None for what is not "
    "mapped.",
)
def vmap_sizes():
    vmap(lambda x, t, k: x)(np.ones(3), {"a": np.ones((2, 3)), "b": [np.ones(3)]}, k=np.ones((4, 1)))


@bad(
    ValueError,
    "vmap: mapped axes must have one size; got argument[0] of shape (3, 2) has size 3 at axis 0; "
    "argument[1] of shape (3, 2) has size 2 at axis 1. Set in_axes to None for what is not mapped.",
)
def vmap_sizes_of_other_axes():
    vmap(lambda x, y: x, in_axes=(0, -1))(np.ones((3, 2)), np.ones((3, 2)))


@bad(
    ValueError,
    "vmap: mapped axes must have one size; got argument[0] of shape (3,) has size 3 at axis 0; axis_size "
    "is 4. Set in_axes to None for what is not mapped.",
)
def vmap_axis_size():
    vmap(lambda x: x, axis_size=4)(np.ones(3))


@bad(ValueError, "vmap: at least one argument must be mapped; got None for all in in_axes. Give axis_size.")
def vmap_nothing_mapped():
    vmap(lambda x: x, in_axes=None)(np.ones(3))


@bad(ValueError, "vmap: at least one argument must be mapped; got no arguments. Give axis_size.")
def vmap_without_arguments():
    vmap(lambda: 1.0)()


@bad(
    ValueError,
    "vmap: in_axes must name an axis of the argument; got axis 0 for an array of rank 0. Use None for "
    "arguments that are not mapped.",
)
def vmap_scalar():
    vmap(lambda x: x)(1.0)


@bad(
    ValueError,
    "vmap: in_axes must name an axis of the argument; got axis 2 for an array of rank 2. Use None for "
    "arguments that are not mapped.",
)
def vmap_axis_out_of_range():
    vmap(lambda t: t["a"], in_axes=2)({"a": np.ones((2, 2))})


@bad(
    ValueError,
    "vmap: in_axes must have an entry for each positional argument; got (0, 0) for 1 of them. Add None for "
    "arguments that are not mapped.",
)
def vmap_in_axes_too_many():
    vmap(lambda x: x, in_axes=(0, 0))(np.ones(3))


@bad(
    ValueError,
    "vmap: in_axes must be an integer, None or a prefix of the arguments; broadcast_prefix: the full tree "
    "must be {'b': *} at [0]; got {'a': *} (missing ['b']; unexpected ['a']). Give the prefix the "
    "containers of the full tree, or one leaf in their place.",
)
def vmap_in_axes_not_a_prefix():
    vmap(lambda t: t["a"], in_axes=({"b": 0},))({"a": np.ones(3)})


@bad(TypeError, "vmap: in_axes must hold integers and None; got 'batch'. Name an axis by its number.")
def vmap_in_axes_string():
    vmap(lambda x: x, in_axes="batch")(np.ones(3))


@bad(TypeError, "vmap: in_axes must hold integers and None; got 0.0. Name an axis by its number.")
def vmap_in_axes_float():
    vmap(lambda x: x, in_axes=(0.0,))(np.ones(3))


@bad(TypeError, "vmap: in_axes must hold integers and None; got True. Name an axis by its number.")
def vmap_in_axes_bool():
    vmap(lambda x: x, in_axes=True)(np.ones((3, 3)))


@bad(TypeError, "vmap: axis_size must be an integer; got 3.0. Give the number of rows.")
def vmap_axis_size_float():
    vmap(lambda x: x, axis_size=3.0)(np.ones(3))


@bad(ValueError, "vmap: axis_size must be at least 0; got -1. Give the number of rows.")
def vmap_axis_size_negative():
    vmap(lambda x: x, in_axes=None, axis_size=-1)(np.ones(3))


@bad(
    ValueError,
    "vmap: out_axes must name an axis of the batched output; got 1 for one of rank 1. Give an integer from -1 to 0.",
)
def vmap_out_axes_out_of_range():
    vmap(lambda x: x, out_axes=1)(np.ones(3))


@bad(
    ValueError,
    "vmap: out_axes may be None only for outputs that do not depend on mapped arguments; got None for one "
    "of f64[] that does. Give an integer.",
)
def vmap_out_axes_none_of_a_mapped_output():
    vmap(lambda x: (x, 1.0), out_axes=(None, None))(np.ones(3))


@bad(
    ValueError,
    "vmap: out_axes must be an integer, None or a prefix of the output; broadcast_prefix: the full tree "
    "must be (*, *, *); got (*, *) (missing [2]). Give the prefix the containers of the full tree, or one "
    "leaf in their place.",
)
def vmap_out_axes_not_a_prefix():
    vmap(lambda x: (x, x), out_axes=(0, 0, 0))(np.ones(3))


@bad(TypeError, "vmap: out_axes must hold integers and None; got 'batch'. Name an axis by its number.")
def vmap_out_axes_string():
    vmap(lambda x: x, out_axes="batch")(np.ones(3))


@bad(
    TypeError,
    "vmap: arguments must be arrays and numbers, or trees of them; got str at argument[0]['name']. Pass it "
    "as an argument that is not differentiated or mapped, or close over it.",
)
def vmap_string_leaf():
    vmap(lambda t: t["x"])({"x": np.ones(3), "name": "abc"})


# -- traced values in Python's hands -------------------------------------------------------------------------


@bad(
    e.ConcretizationTypeError,
    "float(): a traced value must stay in the program, or its derivative would be lost; got f64[] at "
    "{here}. Use NumPy in place of math (np.sin for math.sin), float(stop_gradient(x)) for a plain "
    "number, or pure_callback for code that takes numbers alone.",
)
def float_of_a_traced_value():
    def loss(x):
        y = x * x
        return float(y)  # here

    grad(loss)(1.0)


@bad(
    e.ConcretizationTypeError,
    "complex(): a traced value must stay in the program, or its derivative would be lost; got f64[] at "
    "{here}. Use NumPy in place of math (np.sin for math.sin), complex(stop_gradient(x)) for a plain "
    "number, or pure_callback for code that takes numbers alone.",
)
def complex_of_a_traced_value():
    grad(lambda x: complex(x).real)(1.0)  # here


@bad(
    e.ConcretizationTypeError,
    "float(): a traced value must stay in the program, or its derivative would be lost; got f64[] at "
    "{here}. Use NumPy in place of math (np.sin for math.sin), float(stop_gradient(x)) for a plain "
    "number, or pure_callback for code that takes numbers alone.",
)
def math_of_a_traced_value():
    def loss(x):
        y = x + 1.0
        return (
            y * math.sin(y)  # here
        )

    grad(loss)(1.0)


@bad(
    e.ConcretizationTypeError,
    "float(): a traced value must stay in the program, or its derivative would be lost; got f64[] at "
    "{here}. Use NumPy in place of math (np.sin for math.sin), float(stop_gradient(x)) for a plain "
    "number, or pure_callback for code that takes numbers alone.",
)
def float_in_a_comprehension():
    def loss(x):
        return sum(
            [
                float(x)  # here
                for _ in range(3)
            ]
        )

    grad(loss)(1.0)


@bad(
    e.ConcretizationTypeError,
    "float(): a traced value must stay in the program, or its derivative would be lost; got f64[] at "
    "{here}. Use NumPy in place of math (np.sin for math.sin), float(stop_gradient(x)) for a plain "
    "number, or pure_callback for code that takes numbers alone.",
)
def float_in_a_nested_transform():
    def inner(x):
        return x * math.exp(x)  # here

    vmap(grad(lambda x: grad(inner)(x)))(np.ones(3))


@bad(
    e.ConcretizationTypeError,
    "float(): the value must be known; got f64[] at {here}, which vmap(<lambda>) knows by shape alone. "
    "Keep it as an array, or call what needs a number by pure_callback.",
)
def float_of_stop_gradient_under_vmap():
    vmap(lambda x: x * float(stop_gradient(x)))(np.ones(3))  # here


@bad(
    e.ConcretizationTypeError,
    "float(): a traced value must stay in the program, or its derivative would be lost; got f64[] at "
    "{here}. Use NumPy in place of math (np.sin for math.sin), float(stop_gradient(x)) for a plain "
    "number, or pure_callback for code that takes numbers alone.",
)
def float_of_an_outer_value():
    grad(lambda x: grad(lambda y: y * float(x))(x))(1.0)  # here


@bad(
    e.TracerArrayConversionError,
    "np.asarray: a traced array must stay in the program, or its derivative would be lost; got f64[3] at "
    "{here}. Use it as it is, np.stack to build a larger array, or pure_callback for code that takes arrays alone.",
)
def asarray_of_a_traced_array():
    grad(lambda x: np.asarray(x).sum())(np.ones(3))  # here


@bad(
    e.TracerArrayConversionError,
    "np.asarray: a traced array must stay in the program, or its derivative would be lost; got f64[3] at "
    "{here}. Use it as it is, np.stack to build a larger array, or pure_callback for code that takes arrays alone.",
)
def array_of_a_traced_array():
    grad(lambda x: np.array(x).sum())(np.ones(3))  # here


@bad(
    e.TracerArrayConversionError,
    "np.asarray: a traced array must stay in the program, or its derivative would be lost; got f64[3] at "
    "{here}. Use it as it is, np.stack to build a larger array, or pure_callback for code that takes arrays alone.",
)
def array_of_traced_rows():
    grad(lambda x: np.array([x, x]).sum())(np.ones(3))  # here


@bad(
    e.ConcretizationTypeError,
    "np.mean: a traced value must stay in the program, or its derivative would be lost; got f64[] at "
    "{here}. Build arrays of traced values with np.stack or autotrace.numpy.array; pass a plain array beside a "
    "traced one as autotrace.numpy.asarray(array).",
)
def mean_of_an_array_of_traced_scalars():
    grad(lambda x: np.array([x, 2.0]).mean())(1.0)  # here


@bad(
    e.UnsupportedError,
    "grad(<lambda>): this NumPy function takes no array of objects, which np.array makes of traced "
    "scalars; got NumPy's 'loop of ufunc does not support argument 1 of type float which has no callable "
    "sin method' at {here}. Build the array with np.stack or autotrace.numpy.array.",
)
def sine_of_a_list_of_traced_scalars():
    grad(lambda x: np.sin([x, 2.0]).sum())(1.0)  # here


@bad(
    e.UnsupportedError,
    "grad(<lambda>): this NumPy function takes no array of objects, which np.array makes of traced "
    "scalars; got NumPy's \"Cannot cast ufunc 'det' input from dtype('O') to dtype('float64') with casting "
    "rule 'same_kind'\" at {here}. Build the array with np.stack or autotrace.numpy.array.",
)
def determinant_of_an_array_of_traced_scalars():
    grad(lambda x: np.linalg.det(np.array([[x, 2.0], [1.0, x]])))(1.0)  # here


@bad(
    e.TracerBoolConversionError,
    "bool(): the value must be known; got bool[] at {here}, which vmap(relu) knows by shape alone. Use "
    "cond(pred, f, g, x), while_loop for a loop, or np.where for elements.",
)
def bool_under_vmap():
    def relu(x):
        if x > 0:  # here
            return x
        return 0.0

    vmap(relu)(np.ones(3))


@bad(
    e.TracerBoolConversionError,
    "bool(): the value must be known; got f64[] at {here}, which make_jaxpr(<lambda>) knows by shape "
    "alone. Use cond(pred, f, g, x), while_loop for a loop, or np.where for elements.",
)
def bool_of_a_shape():
    make_jaxpr(lambda x: x if x else -x)(ShapeDtypeStruct((), float))  # here


@bad(
    e.TracerIntegerConversionError,
    "int(): the value must be known; got f64[] at {here}, which vmap(<lambda>) knows by shape alone. Use "
    "x.astype(int) to stay in the program, autotrace.numpy.asarray(array)[x] to index.",
)
def int_under_vmap():
    vmap(lambda x: x * int(x))(np.ones(3))  # here


@bad(
    e.TracerIntegerConversionError,
    "index(): the value must be known; got i64[] at {here}, which eval_shape(<lambda>) knows by shape "
    "alone. Use autotrace.numpy.asarray(array)[x].",
)
def index_of_a_shape():
    eval_shape(lambda n: np.ones(3)[operator.index(n)], ShapeDtypeStruct((), int))  # here


@bad(
    TypeError,
    "index(): an index must be a scalar integer; got f64[] at {here}. Use int(x) or x.astype(int).",
)
def range_of_a_float():
    grad(lambda x: sum(x for _ in range(x)))(3.0)  # here


@bad(
    TypeError,
    "index(): an index must be a scalar integer; got f64[] at {here}. Use int(x) or x.astype(int).",
)
def float_as_a_list_index():
    grad(lambda x: [1.0, 2.0][x])(1.0)  # here


@bad(
    ValueError,
    "bool(): the truth value of an array with more than one element is ambiguous; got bool[3] at {here}. "
    "Use x.any(), x.all() or x.size.",
)
def bool_of_several_elements():
    grad(lambda x: x.sum() if x > 0 else 0.0)(np.ones(3))  # here


@bad(
    TypeError,
    "int(): only 0-dimensional arrays can be converted to Python scalars; got f64[3] at {here}. Index the "
    "element, or reduce the array first.",
)
def int_of_several_elements():
    grad(lambda x: x.sum() * int(x))(np.ones(3))  # here


@bad(
    TypeError,
    "float(): only 0-dimensional arrays can be converted to Python scalars; got i64[3] at {here}. Index "
    "the element, or reduce the array first.",
)
def float_of_several_elements():
    make_jaxpr(lambda n: float(n))(np.arange(3))  # here


@bad(
    TypeError,
    "hash(): a traced array cannot be a key or an element of a set; got f64[] at {here}. Use int(x) where "
    "it is an integer.",
)
def traced_dict_key():
    grad(lambda x: {x: 1.0}[x])(1.0)  # here


@bad(TypeError, "len() of unsized object; got f64[] at {here}. Use x.size, or pass an array.")
def len_of_a_traced_scalar():
    grad(lambda x: len(x) * x)(1.0)  # here


@bad(TypeError, "iteration over a 0-d array; got f64[] at {here}. Use x itself, or pass an array.")
def iteration_over_a_traced_scalar():
    grad(lambda x: sum(x))(1.0)  # here


@bad(
    AttributeError,
    "traced array f64[] has no attribute 'frobnicate' at {here}. Use the NumPy function of that name, or "
    "see docs/numpy-coverage.md for the methods of traced arrays.",
)
def unknown_attribute():
    grad(lambda x: x.frobnicate())(1.0)  # here


@bad(
    e.UnexpectedTracerError,
    "add: a traced value must not outlive the call that traces it; got f64[] made at {born} in grad(loss), "
    "which has ended. Return the value from the function instead of storing it.",
)
def leaked_tracer():
    kept = []

    def loss(x):
        kept.append(
            x * 2.0  # born
        )
        return x

    grad(loss)(1.0)
    kept[0] + 1.0


@bad(
    e.UnexpectedTracerError,
    "grad(<lambda>): a traced value must not outlive the call that traces it; got f64[] made at {born} in "
    "vmap(<lambda>), which has ended. Return the value from the function instead of storing it.",
)
def leaked_tracer_in_another_trace():
    kept = []
    vmap(lambda x: kept.append(np.sin(x)))(np.ones(3))  # born
    grad(lambda x: x * kept[0])(1.0)


@bad(
    e.UnexpectedTracerError,
    "sin: a traced value must not outlive the call that traces it; got f64[], an argument of "
    "grad(<lambda>), which has ended. Return the value from the function instead of storing it.",
)
def leaked_argument():
    kept = []
    grad(lambda x: (kept.append(x), x)[1])(1.0)
    np.sin(kept[0])


@bad(
    e.UnexpectedTracerError,
    "grad(<lambda>): a traced value must not outlive the call that traces it; got f64[] made at {born} in "
    "grad(<lambda>), which has ended. Return the value from the function instead of storing it.",
)
def leaked_tracer_returned():
    kept = []
    grad(lambda x: (kept.append(x * 2.0), x)[1])(1.0)  # born
    grad(lambda x: kept[0])(1.0)


@bad(
    e.UnexpectedTracerError,
    "mul: a traced value must not outlive the call that traces it; got f64[] made at {born} in "
    "grad(<lambda>), which has ended. Return the value from the function instead of storing it.",
)
def leaked_tracer_as_argument():
    kept = []
    grad(lambda x: (kept.append(x * 2.0), x)[1])(1.0)  # born
    grad(lambda x: x * x)(kept[0])


@bad(
    e.UnexpectedTracerError,
    "gt: a traced value must not outlive the call that traces it; got f64[] made at {born} in "
    "grad(<lambda>), which has ended. Return the value from the function instead of storing it.",
)
def leaked_tracer_tested():
    kept = []
    grad(lambda x: (kept.append(x * 2.0), x)[1])(1.0)  # born
    bool(kept[0] > 1.0)


@bad(
    e.UnexpectedTracerError,
    "bool(): a traced value must not outlive the call that traces it; got bool[] made at {born} in "
    "grad(<lambda>), which has ended. Return the value from the function instead of storing it.",
)
def leaked_tracer_asked_for_truth():
    kept = []
    grad(lambda x: (kept.append(x > 2.0), x)[1])(1.0)  # born
    bool(kept[0])


# -- writing -------------------------------------------------------------------------------------------------


@bad(
    e.ConcretizationTypeError,
    "buffer[index] = x: a traced value must stay in the program, or its derivative would be lost; got "
    "f64[] at {here}. Make the buffer with autotrace.numpy.zeros, or build the array with np.stack.",
)
def traced_value_into_an_element():
    def loss(x):
        buffer = np.zeros(3)
        buffer[0] = x * x  # here
        return buffer.sum()

    grad(loss)(1.0)


@bad(
    e.TracerArrayConversionError,
    "buffer[index] = x: a traced array must stay in the program, or its derivative would be lost; got "
    "f64[3] at {here}. Make the buffer with autotrace.numpy.zeros, or build the array with np.stack.",
)
def traced_value_into_a_row():
    def loss(x):
        buffer = np.zeros((2, 3))
        for i in range(2):
            buffer[i] = x * i  # here
        return buffer.sum()

    grad(loss)(np.ones(3))


@bad(
    e.ConcretizationTypeError,
    "buffer[index] = x: a traced value must stay in the program, or its derivative would be lost; got "
    "f64[] at {here}. Make the buffer with autotrace.numpy.zeros, or build the array with np.stack.",
)
def traced_value_into_a_slice():
    def loss(x):
        buffer = np.zeros(3)
        buffer[:2] = x  # here
        return buffer.sum()

    grad(loss)(1.0)


@bad(
    e.ConcretizationTypeError,
    "buffer[index] = x: a traced value must stay in the program, or its derivative would be lost; got "
    "f64[] at {here}. Make the buffer with autotrace.numpy.zeros, or build the array with np.stack.",
)
def traced_value_into_an_element_under_vmap():
    def total(x):
        buffer = np.zeros(3)
        buffer[1] = x  # here
        return buffer

    vmap(total)(np.ones(2))


@bad(
    e.MutationError,
    "np.add: out= must be a traced array to hold a traced value; got an array of shape (3,) at {here}. "
    "Make it with autotrace.numpy.zeros, or assign the result.",
)
def traced_value_added_to_a_buffer():
    def loss(x):
        buffer = np.zeros(3)
        buffer += x  # here
        return buffer.sum()

    grad(loss)(np.ones(3))


@bad(
    e.MutationError,
    "np.copyto: a traced value cannot be stored in a plain NumPy array at {here}. Make the target with "
    "autotrace.numpy.zeros, or use np.where or np.stack. For np.full and np.full_like: "
    "np.broadcast_to(value, shape).",
)
def copyto_a_buffer():
    def loss(x):
        buffer = np.zeros(3)
        np.copyto(buffer, x)  # here
        return buffer.sum()

    grad(loss)(np.ones(3))


@bad(
    e.MutationError,
    "np.sin: out= must be a traced array to hold a traced value; got an array of shape (3,) at {here}. "
    "Make it with autotrace.numpy.zeros, or assign the result.",
)
def out_is_a_buffer():
    def loss(x):
        buffer = np.zeros(3)
        np.sin(x, out=buffer)  # here
        return buffer.sum()

    grad(loss)(np.ones(3))


@bad(
    e.MutationError,
    "grad(loss): a traced function must not write into its caller's arrays; got NumPy's 'assignment "
    "destination is read-only' at {here}. Copy the argument first: x = x.copy().",
)
def writing_into_an_argument_that_is_passed_on():
    def loss(x, table):
        table[0] = 5.0  # here
        return (x * table).sum()

    grad(loss)(np.ones(3), np.ones(3))


@bad(
    e.MutationError,
    "grad(loss): a traced function must not write into its caller's arrays; got NumPy's 'output array is "
    "read-only' at {here}. Copy the argument first: x = x.copy().",
)
def writing_into_a_keyword_argument():
    def loss(x, table):
        table += 5.0  # here
        return (x * table).sum()

    grad(loss)(np.ones(3), table=np.ones(3))


@bad(
    e.MutationError,
    "vmap(loss): a traced function must not write into its caller's arrays; got NumPy's 'assignment "
    "destination is read-only' at {here}. Copy the argument first: x = x.copy().",
)
def writing_into_an_argument_that_is_not_mapped():
    def loss(x, t):
        t["a"][0] = 5.0  # here
        return x

    vmap(loss, in_axes=(0, None))(np.ones(3), {"a": np.ones(3)})


# -- NumPy's own errors --------------------------------------------------------------------------------------


@bad(
    ValueError,
    "add: operands could not be broadcast together with shapes (3,) (4,) at {here}. Reshape one of them.",
)
def shapes_that_do_not_broadcast():
    def loss(x):
        y = x * 2.0
        return (y + np.ones(4)).sum()  # here

    grad(loss)(np.ones(3))


@bad(
    ValueError,
    "hypot: operands could not be broadcast together with shapes (3,) (2, 2) at {here}. Reshape one of them.",
)
def shapes_that_do_not_broadcast_in_a_function():
    grad(lambda x: np.hypot(x, np.ones((2, 2))).sum())(np.ones(3))  # here


@bad(
    ValueError,
    "matmul: the last axis of the first and the last but one of the second operand must have one length; "
    "got shapes (2, 3) and (4, 2) at {here}. Transpose one of them.",
)
def matmul_mismatch():
    grad(lambda x: (x @ np.ones((4, 2))).sum())(np.ones((2, 3)))  # here


@bad(ValueError, "matmul: operands must have at least one axis; got a scalar at {here}. Use *.")
def matmul_of_a_scalar():
    grad(lambda x: x @ x)(1.0)  # here


@bad(
    ValueError,
    "tensordot: summed axes must have equal lengths (shape-mismatch for sum); got (3,) and (4,) over "
    "((0,), (0,)) at {here}. Name other axes, or transpose one operand.",
)
def dot_mismatch():
    grad(lambda x: np.dot(x, np.ones(4)))(np.ones(3))  # here


@bad(
    ValueError,
    "reshape: cannot reshape array of size 3 into shape (2, 2); got f64[3] at {here}. Give a shape of as "
    "many elements.",
)
def bad_reshape():
    grad(lambda x: x.reshape(2, 2).sum())(np.ones(3))  # here


@bad(
    ValueError,
    "stack: all input arrays must have the same shape; got (3,), (2,) at {here}. Broadcast them first.",
)
def stack_mismatch():
    grad(lambda x: np.stack([x, x[:2]]).sum())(np.ones(3))  # here


@bad(
    ValueError,
    "concatenate: all the input arrays must have same number of dimensions; got ranks 1, 2 at {here}. "
    "Reshape them first.",
)
def concatenate_mismatch():
    grad(lambda x: np.concatenate([x, np.ones((2, 2))]).sum())(np.ones(3))  # here


@bad(
    ValueError,
    "select: operands could not be broadcast together with shapes (3,) (3,) (4,) at {here}. Reshape one of them.",
)
def where_mismatch():
    grad(lambda x: np.where(x > 0, x, np.ones(4)).sum())(np.ones(3))  # here


@bad(IndexError, "index 3 is out of bounds for axis 0 with size 3 at {here}")
def index_out_of_range():
    grad(lambda x: x[3])(np.ones(3))  # here


@bad(IndexError, "index -4 is out of bounds for axis 0 with size 3 at {here}")
def index_array_out_of_range():
    grad(lambda x: x[np.array([0, -4])].sum())(np.ones(3))  # here


@bad(IndexError, "too many indices for array: array is 1-dimensional, but 2 were indexed at {here}")
def too_many_indices():
    grad(lambda x: x[0, 0])(np.ones(3))  # here


@bad(
    IndexError,
    "arrays used as indices must be of integer (or boolean) type; got float64 at {here}. Convert them: i.astype(int).",
)
def float_index():
    grad(lambda x: x[1.5])(np.ones(3))  # here


@bad(np.exceptions.AxisError, "axis 1 is out of bounds for array of dimension 1")
def axis_out_of_range():
    grad(lambda x: x.sum(axis=1).sum())(np.ones(3))


@bad(
    TypeError,
    "shift_left: ufunc 'left_shift' not supported for the input types, and the inputs could not be safely "
    "coerced to any supported types according to the casting rule ''safe'' at {here}. Convert the operands "
    "first.",
)
def operands_of_no_common_dtype():
    grad(lambda x: x << 2)(1.0)  # here


@bad(
    TypeError,
    "operand: must be an array or a number; got an array of dtype <U3 at {here}. Convert it to numbers first.",
)
def string_operand():
    grad(lambda x: x + "abc")(1.0)  # here


@bad(
    TypeError,
    "operand: must be an array or a number; got NoneType at {here}. Convert it to numbers first.",
)
def none_operand():
    grad(lambda x: x * None)(1.0)  # here


@bad(
    TypeError,
    "grad: arguments must be arrays and numbers, or trees of them; got MaskedArray at argument[0]. Pass it "
    "as an argument that is not differentiated or mapped, or close over it.",
)
def masked_array_argument():
    grad(lambda x: x.sum())(np.ma.masked_array([1.0, 2.0], [True, False]))


@bad(
    TypeError,
    "operand: must be a plain array; got MaskedArray at {here}. Convert it with np.asarray; pass the mask "
    "of a masked array as where=.",
)
def masked_array_operand():
    mask = np.ma.masked_array([1.0, 2.0], [True, False])
    grad(lambda x: (x * mask).sum())(np.ones(2))  # here


@bad(
    TypeError,
    "operand: must be a plain array; got MaskedArray at {here}. Convert it with np.asarray; pass the mask "
    "of a masked array as where=.",
)
def masked_array_passed_on():
    mask = np.ma.masked_array([1.0, 2.0], [True, False])
    grad(lambda x, m: (x * m).sum())(np.ones(2), mask)  # here


@bad(
    TypeError,
    "pickle: a traced value cannot be saved; got f64[] at {here}. Return it, and save the result.",
)
def pickled_tracer():
    grad(lambda x: pickle.dumps({"x": x}))(1.0)  # here


@bad(
    e.UnsupportedError,
    "np.busday_count: this function takes plain values; it was called on a traced value at {here}. "
    "Count days outside of the traced function, or convert dates to numbers: dates.astype(float).",
)
def refused_function():
    grad(lambda x: np.busday_count(x, x))(1.0)  # here


@bad(
    AttributeError,
    "traced array f64[] has no attribute 'flags' at {here}. The memory of a traced array is not decided while "
    "it is traced; leave the question out.",
)
def refused_attribute():
    grad(lambda x: x.flags)(1.0)  # here


@bad(
    e.UnsupportedError,
    "np.char.equal: autotrace has no derivative for this function; it was called on a traced value at "
    "{here}. Write it with functions that have one, or add a primitive (see docs/primitives.md).",
)
def uncovered_function():
    grad(lambda x: np.char.equal(x, x))(1.0)  # here


@bad(
    e.UnsupportedError,
    "<lambda> (vectorized): autotrace has no derivative for this function; it was called on a traced value "
    "at {here}. Write it with functions that have one, or add a primitive (see docs/primitives.md).",
)
def uncovered_ufunc():
    halve = np.frompyfunc(lambda x: x / 2, 1, 1)
    grad(lambda x: halve(x))(1.0)  # here


@bad(
    TypeError,
    "gcd: ufunc 'gcd' did not contain a loop with signature matching types (<class "
    "'numpy.dtypes.Float64DType'>, <class 'numpy.dtypes.Int64DType'>) -> None at {here}. Convert the "
    "operands first.",
)
def integer_ufunc_of_a_float():
    grad(lambda x: np.gcd(x, 2))(1.0)  # here


@bad(
    e.NonConcreteBooleanIndexError,
    "boolean index: the number of true elements must be known; got bool[3] at {here}, which vmap(<lambda>) "
    "knows by shape alone. Use np.where(mask, x, 0), or a reduction with where=mask.",
)
def mask_under_vmap():
    vmap(lambda x: x[x > 0].sum())(np.ones((2, 3)))  # here


@bad(TypeError, "sum() got an unexpected keyword argument 'colour'")
def unknown_keyword():
    grad(lambda x: np.sum(x, colour=1))(np.ones(3))


# -- primitives and programs ---------------------------------------------------------------------------------


@bad(
    e.MissingRuleError,
    "Primitive: a primitive must define its rules; Halve lacks jvp, batch. Define them in the class, or "
    "derive it from a family.",
)
def primitive_without_rules():
    class Halve(Primitive):
        def impl(self, x):
            return x / 2

        def abstract(self, x):
            return x


@bad(
    e.MissingRuleError,
    "Primitive: a primitive must define its rules; Halve lacks scale_x. Define it in the class, or derive "
    "it from a family.",
)
def unary_without_a_derivative():
    class Halve(autotrace.primitives.families.Unary):
        ufunc = np.sin
        impl = np.sin


@bad(
    e.MissingRuleError,
    "test_half: transposition needs an operation that is linear in what it transposes; got "
    "test_half(linear) at {here}. Make the function linear, or define transpose(cts, inputs) in the class "
    "of the primitive.",
)
def primitive_without_a_transpose():
    class TestHalf(Primitive):
        def impl(self, x):
            return x / 2

        def abstract(self, x):
            return x

        def jvp(self, primals, tangents, output):
            return bind(self, tangents[0])

        def batch(self, size, inputs, batched):
            return bind(self, *inputs)

    assert jvp(lambda x: bind(TestHalf(), x), (1.0,), (1.0,)) == (0.5, 0.5)
    grad(lambda x: bind(TestHalf(), x).sum())(np.ones(2))  # here


@bad(
    e.MissingRuleError,
    "sin: transposition needs an operation that is linear in what it transposes; got sin(linear) at "
    "{here}. Make the function linear, or define transpose(cts, inputs) in the class of the primitive.",
)
def primitive_with_a_nonlinear_jvp():
    class TestOdd(Primitive):
        def impl(self, x):
            return x

        def abstract(self, x):
            return x

        def jvp(self, primals, tangents, output):
            return np.sin(tangents[0])

        def batch(self, size, inputs, batched):
            return bind(self, *inputs)

    grad(lambda x: bind(TestOdd(), x).sum())(np.ones(2))  # here


@bad(
    e.MissingRuleError,
    "Primitive: a name must be used once; 'sin' is autotrace.primitives.trigonometric.Sin. Give the class "
    "another name.",
)
def primitive_of_a_taken_name():
    class Sin(Primitive):
        def impl(self, x):
            return x

        abstract = jvp = batch = impl


@bad(TypeError, "Reshape: parameters must all be given; shape is missing.")
def primitive_parameter_missing():
    autotrace.primitives.shape.Reshape()


@bad(TypeError, "Reshape: parameters must be ('shape',); got ((2,),) and {'order': 'F'}.")
def primitive_parameter_unknown():
    autotrace.primitives.shape.Reshape((2,), order="F")


@bad(AttributeError, "reshape: a primitive is immutable; got shape = (3,). Make another instance.")
def primitive_is_immutable():
    autotrace.primitives.shape.Reshape((2,)).shape = (3,)


@bad(AttributeError, "ShapedArray is immutable; got shape = (3,). Use .update(...).")
def aval_is_immutable():
    ShapedArray((2,), np.dtype(float)).shape = (3,)


@bad(AttributeError, "Jaxpr is immutable; got outputs = (). Use .replace(...).")
def program_is_immutable():
    make_jaxpr(np.sin)(1.0).outputs = ()


@bad(AttributeError, "can't set attribute")
def equation_is_immutable():
    make_jaxpr(np.sin)(1.0).equations[0].inputs = ()


@bad(TypeError, "eval_jaxpr: the program takes 2 arrays; got 1. Pass one for each of f64[], f64[].")
def eval_jaxpr_with_too_few_arrays():
    eval_jaxpr(make_jaxpr(f)(1.0, 2.0), 1.0)


@bad(TypeError, "eval_jaxpr: the program takes 1 array; got 2. Pass one for each of f64[].")
def eval_jaxpr_with_too_many_arrays():
    make_jaxpr(np.sin)(1.0)(1.0, 2.0)


@bad(
    TypeError,
    "eval_jaxpr: input 0 of the program must be f64[3]; got f64[4]. Convert it, or trace the function "
    "again on arrays like it.",
)
def eval_jaxpr_on_another_shape():
    eval_jaxpr(make_jaxpr(np.mean)(np.ones(3)), np.ones(4))


@bad(
    TypeError,
    "eval_jaxpr: input 1 of the program must be f64[]; got i8[]. Convert it, or trace the function again "
    "on arrays like it.",
)
def eval_jaxpr_on_another_dtype():
    make_jaxpr(f)(1.0, 2.0)(1.0, np.int8(3))


@bad(
    TypeError,
    "eval_jaxpr: input 0 of the program must be i64[]; got float. Convert it, or trace the function again "
    "on arrays like it.",
)
def eval_jaxpr_of_a_float_for_an_integer():
    make_jaxpr(lambda n: n * 2)(1)(1.5)


@bad(
    TypeError,
    "eval_jaxpr: input 0 of the program must be f64[2]; got list. Convert it, or trace the function again "
    "on arrays like it.",
)
def eval_jaxpr_of_a_list():
    make_jaxpr(np.sin)(np.ones(2))([1.0, 2.0])


@bad(
    e.GuardError,
    "guard: the program was traced where bool(x) is True; got False. Trace the function again on these "
    "values, or use cond or while_loop.",
)
def guard_of_another_path():
    program = make_jaxpr(lambda x: x if x > 0 else -x)(1.0)  # here
    program(np.float64(-1.0))


def _f64(*shape):
    return ShapedArray(shape, np.dtype(float))


@bad(
    e.JaxprTypeError,
    "check_jaxpr: a variable must be bound before its use; sin reads one of f64[]. Repair the transform that wrote it.",
)
def check_variable_before_its_use():
    x, y = Var(_f64()), Var(_f64())
    check_jaxpr(Jaxpr([x], [Equation(Sin(), (y,), (Var(_f64()),))], [x]))


@bad(
    e.JaxprTypeError,
    "check_jaxpr: a variable must be bound once; sin binds one of f64[] again. Repair the transform that wrote it.",
)
def check_variable_bound_twice():
    x = Var(_f64())
    check_jaxpr(Jaxpr([x], [Equation(Sin(), (x,), (x,))], [x]))


@bad(
    e.JaxprTypeError,
    "check_jaxpr: a variable must be bound before its use; an output reads one of f64[3]. Repair the "
    "transform that wrote it.",
)
def check_output_not_bound():
    check_jaxpr(Jaxpr([], [], [Var(_f64(3))]))


@bad(
    e.JaxprTypeError,
    "check_jaxpr: sin must be f64[3]; the program says f64[4]. Repair the transform that wrote it.",
)
def check_wrong_shape():
    program = make_jaxpr(np.sin)(np.ones(3))
    first = program.equations[0]._replace(outputs=(Var(_f64(4)),), source=None)
    check_jaxpr(Jaxpr(program.in_vars, [first], first.outputs))


@bad(
    e.JaxprSyntaxError,
    "parse_jaxpr: a variable must be bound before its use; got 'c' at line 2, column 19. Correct the text.\n"
    "        b:f64[] = sin c\n"
    "                      ^",
)
def parse_variable_not_bound():
    parse_jaxpr("{ lambda ; a:f64[]. let\n    b:f64[] = sin c\n  in (b,) }")


@bad(
    e.JaxprFileError,
    "load_jaxpr: the file must be a program that jaxpr.save wrote; got notes.txt (it is no archive). Save it again.",
)
def load_another_file():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "notes.txt"
        path.write_text("hello")
        load_jaxpr(path)


@bad(e.JaxprTypeError, "check_jaxpr: sin must give 1 outputs; got 0. Repair the transform that wrote it.")
def check_number_of_outputs():
    x = Var(_f64())
    check_jaxpr(Jaxpr([x], [Equation(Sin(), (x,), ())], [x]))


@bad(
    e.JaxprTypeError,
    "check_jaxpr: sin must accept its operands; got f64[], f64[]: resolve_dtypes: The dtypes must be a "
    "tuple of `ufunc.nargs` length. Repair the transform that wrote it.",
)
def check_number_of_operands():
    x, y = Var(_f64()), Var(_f64())
    check_jaxpr(Jaxpr([x], [Equation(Sin(), (x, x), (y,))], [y]))


@bad(
    e.JaxprTypeError,
    "check_jaxpr: add must accept its operands; got f64[3], f64[4]: add: operands must have equal shapes "
    "or rank 0; got f64[3], f64[4] at {here}. Broadcast them first. Repair the transform that wrote it.",
)
def check_operands_of_unequal_shape():
    x, y, z = Var(_f64(3)), Var(_f64(4)), Var(_f64(3))
    check_jaxpr(Jaxpr([x, y], [Equation(Add(), (x, y), (z,))], [z]))  # here


@bad(
    e.JaxprTypeError,
    "check_jaxpr: a constant must be f64[4]; the program says f64[3]. Repair the transform that wrote it.",
)
def check_constant_of_another_type():
    x = Var(_f64(3))
    check_jaxpr(Jaxpr([], [], [x], [x], [np.ones(4)]))


@bad(
    e.JaxprTypeError,
    "check_jaxpr: sin must be f64[]; the program says f64[3]. Repair the transform that wrote it.",
)
def check_literal_of_another_type():
    y = Var(_f64(3))
    check_jaxpr(Jaxpr([], [Equation(Sin(), (Literal(1.0, _f64(3)),), (y,))], [y]))


# -- control flow


def _memory_of_a_loop(size, function):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTRACE_LOOP_BYTES", size)
        function()


@bad(TypeError, "cond: the predicate must be a boolean scalar; got i64[] at {here}. Compare it: x != 0.")
def cond_of_a_number():
    cond(1, np.sin, np.cos, 1.0)  # here


@bad(TypeError, "cond: the predicate must be a boolean scalar; got bool[2] at {here}. Compare it: x != 0.")
def cond_of_many_truths():
    cond(np.array([True, False]), np.sin, np.cos, 1.0)  # here


@bad(
    TypeError,
    "cond: the output must have one structure; got PyTreeDef(*) from true_fun (sin) and PyTreeDef([*, *]) from "
    "false_fun (both at {there}) at {here}. Return the same structure.",
)
def branches_of_other_structure():
    def both(x):  # there
        return [x, x]

    cond(True, np.sin, both, 1.0)  # here


@bad(
    TypeError,
    "cond: the output must have one shape and dtype; got f64[] from true_fun (<lambda> at {there}) and f64[2] from "
    "false_fun (<lambda> at {beyond}) at output['a'] at {here}. Return one shape.",
)
def branches_of_other_shape():
    plain = lambda x: {"a": x}  # noqa: E731  # there
    stacked = lambda x: {"a": np.stack([x, x])}  # noqa: E731  # beyond
    cond(True, plain, stacked, 1.0)  # here


@bad(
    TypeError,
    "switch: the output must have one shape and dtype; got f64[] from branches[0] (sin) and i64[] from branches[2] "
    "(one at {there}) at output at {here}. Convert it with astype('float64').",
)
def branches_of_other_dtype():
    def one(x):  # there
        return 1

    switch(0, [np.sin, np.cos, one], 1.0)  # here


@bad(
    TypeError,
    "profile: arguments must be arrays and numbers, or trees of them; got ShapeDtypeStruct. Pass an array of its shape "
    "and dtype.",
)
def profile_of_a_shape():
    autotrace.profile(np.sin)(autotrace.ShapeDtypeStruct((3,), float))


@bad(
    TypeError,
    "grad: arguments must be arrays and numbers, or trees of them; got ShapeDtypeStruct at argument[0]. Pass an array "
    "of its shape and dtype.",
)
def grad_at_a_shape():
    grad(np.sin)(autotrace.ShapeDtypeStruct((), float))


@bad(TypeError, "cond: false_fun must be a function; got float. Write cond(pred, true_fun, false_fun, x).")
def cond_of_no_function():
    cond(True, np.sin, 2.0)


@bad(TypeError, "switch: branches[1] must be a function; got float. Write switch(index, [f, g], x).")
def switch_of_no_function():
    switch(0, [np.sin, 2.0], 1.0)


@bad(TypeError, "while_loop: body_fun must be a function; got float. Write while_loop(cond_fun, body_fun, init).")
def while_loop_of_no_function():
    while_loop(np.isfinite, 1.0, 1.0)


@bad(ValueError, "switch: there must be at least one branch; got none. Give a list of functions.")
def switch_of_none():
    switch(0, [])


@bad(TypeError, "switch: the index must be an integer scalar; got f64[] at {here}. Use cond for a truth.")
def switch_of_a_float():
    switch(1.0, [np.sin], 1.0)  # here


@bad(
    TypeError,
    "while_loop: the carry must have one shape and dtype; got f64[] at first and f64[2] after one run at carry[1] at "
    "{here}. Return one shape.",
)
def while_loop_that_grows():
    while_loop(lambda s: s[0] < 3, lambda s: (s[0], np.stack([s[1], s[1]])), (0.0, 1.0))  # here


@bad(
    TypeError,
    "while_loop: cond_fun must return a boolean scalar; got f64[] at {here}. Compare, and reduce with all or any.",
)
def while_loop_asked_for_a_number():
    while_loop(lambda s: s - 3.0, lambda s: s, 1.0)  # here


@bad(
    TypeError,
    "while_loop: cond_fun must return a boolean scalar; got nothing at {here}. Compare, and reduce with all or any.",
)
def while_loop_asked_for_nothing():
    while_loop(lambda s: None, lambda s: s, 1.0)  # here


@bad(
    e.LoopMemoryError,
    "while_loop: reverse mode may keep 1000 bytes of a loop's values; got 64 runs that keep 576, and the loop goes on "
    "at {here}. End it sooner, wrap its body in checkpoint, use forward mode, or set AUTOTRACE_LOOP_BYTES.",
)
def while_loop_that_never_ends():
    _memory_of_a_loop(
        "1000",
        lambda: vjp(lambda x: while_loop(lambda s: s > -2.0, np.sin, x), 1.0),  # here
    )


@bad(
    TypeError,
    "odeint(<lambda>): the derivative must have one structure; got PyTreeDef(*) in y0 and PyTreeDef([*, *]) from func "
    "at {here}. Return one array: np.stack of these.",
)
def integration_of_a_list():
    odeint(lambda y, t: [y[1], -y[0]], np.ones(2), [0.0, 1.0])  # here


@bad(
    TypeError,
    "odeint(<lambda>): the derivative must have one structure; got PyTreeDef({'a': *}) in y0 and PyTreeDef(*) from "
    "func at {here}. Return the same structure.",
)
def integration_of_another_tree():
    odeint(lambda y, t: y["a"], {"a": 1.0}, [0.0, 1.0])  # here


@bad(
    e.IntegrationError,
    "odeint: t = 1 must be reached within mxstep steps; got 2 of them from the output time before up to t = "
    "0.00228423705 at {here}. Raise mxstep or the tolerances; a stiff equation needs another method.",
)
def integration_of_too_many_steps():
    odeint(lambda y, t: -50.0 * y, 1.0, np.array([0.0, 1.0]), mxstep=2)  # here


@bad(
    e.ConvergenceError,
    "fixed_point(<lambda>): steps must become smaller than the tolerance within max_steps=5; got a last one of "
    "2.82e+10 times that at {here}. Start nearer, damp f, or raise max_steps or tol.",
)
def fixed_point_that_runs_away():
    fixed_point(lambda x: 2.0 * x + 1.0, 1.0, max_steps=5)  # here


@bad(ValueError, "AUTOTRACE_LOOP_BYTES: it must be a number of bytes; got '1 GB'. Write it in digits.")
def loop_bytes_in_words():
    _memory_of_a_loop("1 GB", lambda: vjp(lambda x: while_loop(lambda s: s > -2.0, np.sin, x), 1.0))


@bad(
    e.MissingRuleError,
    "while_loop: a loop that transposition goes through must be a scan, of known length; got a while loop at {here}. "
    "Use scan or fori_loop, or differentiate the function instead of transposing it.",
)
def while_loop_transposed():
    def double(x):
        return while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, 2 * s[1]), (0, x))[1]  # here

    linear_transpose(double, 1.0)(1.0)


@bad(TypeError, "fori_loop: upper must be an integer scalar; got f64[] at {here}. Convert it: int(x).")
def fori_loop_to_a_float():
    fori_loop(0, 3.0, lambda i, x: x, 1.0)  # here


@bad(
    ValueError,
    "fori_loop: a loop of unknown length cannot be unrolled; got unroll=2 at {here}. Pass plain integers as bounds, or "
    "drop unroll.",
)
def fori_loop_unrolled():
    make_jaxpr(lambda n: fori_loop(0, n, lambda i, x: x, 1.0, unroll=2))(3)  # here


@bad(
    TypeError,
    "fori_loop: the carry must have one shape and dtype; got f32[] at first and f64[] after one run at carry at "
    "{here}. Convert it with astype('float32').",
)
def fori_loop_that_widens():
    fori_loop(0, 3, lambda i, x: x + np.float64(1), np.float32(0))  # here


@bad(
    TypeError,
    "scan: the function must return a pair (carry, y); got float64 at {here}. Return (carry, None) if there is nothing "
    "to stack.",
)
def scan_without_rows_of_results():
    scan(lambda c, x: np.float64(1.0), 0.0, np.ones(3))  # here


@bad(
    TypeError,
    "scan: the carry must have one shape and dtype; got f32[] at first and f64[] after one run at carry['a'] at "
    "{here}. Convert it with astype('float32').",
)
def scan_that_widens():
    scan(lambda c, x: ({"a": c["a"] + x}, None), {"a": np.float32(0)}, np.ones(3))  # here


@bad(ValueError, "scan: xs must have rows; got a scalar at xs['b'] at {here}. Close over it, or stack it.")
def scan_of_a_scalar():
    scan(lambda c, x: (c, x), 0.0, {"a": np.ones(3), "b": 1.0})  # here


@bad(
    ValueError,
    "scan: xs must have one number of rows; got 3 at xs[0], 2 at xs[1] at {here}. Cut them to one length.",
)
def scan_of_uneven_rows():
    scan(lambda c, x: (c, x), 0.0, (np.ones(3), np.ones(2)))  # here


@bad(
    ValueError,
    "scan: xs must have one number of rows; got 3 at xs; length is 4 at {here}. Cut them to one length.",
)
def scan_of_another_length():
    scan(lambda c, x: (c, x), 0.0, np.ones(3), length=4)  # here


@bad(ValueError, "scan: length must be an integer of at least 0; got -1. Give a plain integer.")
def scan_of_negative_length():
    scan(lambda c, x: (c, x), 0.0, length=-1)


@bad(ValueError, "scan: the number of rows must be known; got no xs at {here}. Give length.")
def scan_of_no_length():
    scan(lambda c, x: (c, x), 0.0)  # here


@bad(ValueError, "scan: unroll must be a positive integer or a truth; got 1.5 at {here}. Give how many runs.")
def scan_unrolled_by_a_float():
    scan(lambda c, x: (c, x), 0.0, np.ones(3), unroll=1.5)  # here


@bad(ValueError, "scan: unroll must be a positive integer or a truth; got 0 at {here}. Give how many runs.")
def scan_unrolled_by_none():
    scan(lambda c, x: (c, x), 0.0, np.ones(3), unroll=0)  # here


@bad(ValueError, "scan: unroll must be a positive integer or a truth; got None at {here}. Give how many runs.")
def scan_unrolled_by_nothing():
    scan(lambda c, x: (c, x), 0.0, np.ones(3), unroll=None)  # here


@bad(ValueError, "fori_loop: unroll must be a positive integer or a truth; got 0 at {here}. Give how many runs.")
def fori_loop_unrolled_by_none():
    make_jaxpr(lambda n: fori_loop(0, n, lambda i, x: x, 1.0, unroll=0))(3)  # here


@bad(
    ValueError,
    "fori_loop: a loop of unknown length cannot be unrolled; got unroll=True at {here}. Pass plain integers as bounds, "
    "or drop unroll.",
)
def fori_loop_unrolled_to_its_end():
    make_jaxpr(lambda n: fori_loop(0, n, lambda i, x: x, 1.0, unroll=True))(3)  # here


@bad(ValueError, "map: batch_size must be a positive integer; got 0. Give the number of rows.")
def map_in_batches_of_none():
    autotrace.map(np.sin, np.ones(3), batch_size=0)


@bad(
    ValueError,
    "associative_scan: elems must have an axis 1; got f64[3] at elems['b'] at {here}. Give an axis that all of them "
    "have.",
)
def associative_scan_along_no_axis():
    associative_scan(np.add, {"a": np.ones((3, 3)), "b": np.ones(3)}, axis=1)  # here


@bad(
    ValueError,
    "associative_scan: elems must have one number of rows; got 3 at elems[0], 2 at elems[1] at {here}. Cut them to one "
    "length.",
)
def associative_scan_of_uneven_rows():
    associative_scan(np.add, (np.ones(3), np.ones(2)))  # here


@bad(ValueError, "associative_scan: elems must hold arrays; got none at {here}. Give a tree of arrays.")
def associative_scan_of_nothing():
    associative_scan(np.add, [])  # here


@bad(
    TypeError,
    "associative_scan: the rows must have one shape and dtype; got f64[1] as argument and f64[] from dot at rows at "
    "{here}. Return one shape.",
)
def associative_scan_that_sums():
    associative_scan(np.dot, np.ones(3))  # here
