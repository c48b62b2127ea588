"""The transforms as users hold them: decorators, trees, aux, complex numbers, axes, nesting, zeros."""

import copy
import functools
import inspect
import itertools
import pickle
import subprocess
import sys
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from autotrace import (
    check_jaxpr,
    eval_jaxpr,
    eval_shape,
    float0,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacrev,
    jvp,
    linear_transpose,
    linearize,
    make_jaxpr,
    ravel_pytree,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
)
from autotrace.tree import tree_leaves, tree_structure

WRAPPERS = [grad, value_and_grad, jacfwd, jacrev, hessian, hvp, vmap, make_jaxpr]
ids = lambda f: f.__name__  # noqa: E731


# -- how a transform is applied ------------------------------------------------------------------------------


@grad
def cubed_slope(x):
    """Return the slope of x cubed."""
    return x**3


@grad(argnums=1)
def slope_of_second(x, y):
    return x * y * y


@vmap(in_axes=(0, None))
def scaled(x, k=2.0):
    return x * k


def model(x, y: float = 2.0, *, scale: float = 1.0) -> float:
    """A model."""
    return x * y * y * scale


model_slope = grad(model, argnames="y")
model_slopes = vmap(grad(grad(model)), in_axes=(0, None))


class Layer:
    def __init__(self, w):
        self.w = w

    @grad
    def slope_of_x(self, x):
        return self.w * x * x

    @vmap
    def scaled(self, x):
        return self.w * x

    @grad(argnums=1)
    def slope(self, x):
        """Slope of the layer."""
        return self.w * x * x

    @vmap(in_axes=(None, 0))
    def rows(self, x):
        return self.w * x

    @staticmethod
    @grad
    def static(x):
        return x * x

    @classmethod
    def made(cls, x):
        return grad(lambda v: cls(2.0).w * v)(x)

    def loss(self, x):
        return self.w * x**3

    def __call__(self, x):
        return self.w * x**2


def test_decorators():
    assert cubed_slope(2.0) == 12.0
    assert slope_of_second(2.0, 3.0) == 12.0
    np.testing.assert_array_equal(scaled(np.arange(3.0), 3.0), [0.0, 3.0, 6.0])


def test_decorators_on_methods():
    layer = Layer(3.0)
    assert layer.slope(2.0) == 12.0
    assert Layer.slope(layer, 2.0) == 12.0
    np.testing.assert_array_equal(layer.rows(np.arange(3.0)), [0.0, 3.0, 6.0])
    assert Layer.static(2.0) == layer.static(2.0) == 4.0
    assert Layer.made(1.0) == 2.0
    assert layer.slope_of_x(2.0) == 12.0
    np.testing.assert_array_equal(layer.scaled(np.arange(3.0)), [0.0, 3.0, 6.0])
    assert layer.slope.__name__ == "slope"
    assert layer.slope.__doc__ == "Slope of the layer."


def test_bound_methods_callables_and_partials():
    layer = Layer(3.0)
    assert grad(layer.loss)(2.0) == 36.0
    assert grad(layer)(2.0) == 12.0
    assert grad(functools.partial(model, y=3.0))(1.0) == 9.0
    assert grad(functools.partial(model, 2.0))(3.0) == 12.0
    assert grad(np.sin)(0.0) == 1.0
    assert grad(functools.partial(np.multiply, 3.0))(0.0) == 3.0
    np.testing.assert_array_equal(vmap(layer)(np.arange(2.0)), [0.0, 3.0])


def test_argnames():
    assert grad(model, argnames="y")(2.0, 3.0) == 12.0
    assert grad(model, argnames="y")(2.0, y=3.0) == 12.0
    assert grad(model, argnames="scale")(2.0, 3.0, scale=1.0) == 18.0
    assert grad(model, argnames=("y",))(2.0, y=3.0) == (12.0,)
    assert grad(model, argnames=("scale", "x"))(2.0, 3.0, scale=1.0) == (9.0, 18.0)
    assert grad(model, argnums=0, argnames="scale")(2.0, 3.0, scale=1.0) == (9.0, 18.0)
    assert grad(model, argnums=(0,), argnames=("y", "scale"))(2.0, y=3.0, scale=1.0) == (9.0, 12.0, 18.0)
    assert value_and_grad(model, argnames="y")(2.0, 3.0) == (18.0, 12.0)
    assert jacrev(model, argnames="y")(2.0, y=3.0) == 12.0
    assert jacfwd(model, argnames="scale")(2.0, scale=1.0) == 8.0
    assert hessian(model, argnames="y")(2.0, 3.0) == 4.0
    assert grad(lambda **k: k["a"] * k["b"], argnames="a")(a=2.0, b=3.0) == 3.0
    assert grad(lambda *xs: xs[0] * xs[1], argnums=-1)(2.0, 3.0) == 2.0


def test_argnums_of_numpy_integers_and_lists():
    assert grad(model, argnums=np.int64(1))(2.0, 3.0) == 12.0
    assert grad(model, argnums=[1])(2.0, 3.0) == (12.0,)
    assert grad(model, argnums=(1, 0))(2.0, 3.0) == (12.0, 9.0)
    assert grad(model, argnums=-1)(2.0, 3.0) == 12.0


@pytest.mark.parametrize("transform", WRAPPERS, ids=ids)
def test_names_signatures_and_docs_are_kept(transform):
    made = transform(model)
    assert made.__name__ == "model"
    assert made.__qualname__ == "model"
    assert made.__module__ == __name__
    assert made.__doc__ == "A model."
    assert made.__wrapped__ is model
    assert inspect.signature(made) == inspect.signature(model)
    assert callable(made)


def test_attributes_of_the_function_do_not_leak_into_options():
    def f(x):
        return x * x

    f._options = "mine"
    assert grad(f)(3.0) == 6.0


def test_reprs():
    assert repr(grad(model)) == "grad(model)"
    assert repr(grad(model, argnums=(0, 1))) == "grad(model, argnums=(0, 1))"
    assert repr(vmap(grad(model), in_axes=(0, None))) == "vmap(grad(model), in_axes=(0, None))"
    assert repr(grad(model, argnames="y", has_aux=True)) == "grad(model, has_aux=True, argnames='y')"
    assert repr(vjp(np.sin, 1.0)[1]) == "<pullback of vjp(sin)>"
    assert repr(linearize(np.sin, 1.0)[1]) == "<linear map of linearize(sin)>"
    assert repr(linear_transpose(lambda x: x, 1.0)) == "<transpose of linear_transpose(<lambda>)>"
    assert repr(make_jaxpr(model)(1.0, 2.0)) == "<Jaxpr (f64[], f64[]) -> (f64[]), 3 equations>"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["cubed_slope", "slope_of_second", "model_slope", "model_slopes", "scaled"])
def test_pickling(name, protocol):
    made = globals()[name]
    again = pickle.loads(pickle.dumps(made, protocol))
    args = {"scaled": (np.arange(3.0), 3.0), "cubed_slope": (2.0,), "model_slopes": (np.arange(3.0), 2.0)}
    args = args.get(name, (2.0, 3.0))
    np.testing.assert_array_equal(again(*args), made(*args))
    assert repr(again) == repr(made)
    if name in ("cubed_slope", "slope_of_second", "scaled"):
        assert again is made


def test_pickling_of_the_plain_function_beside_its_transform():
    for made in (grad(model), vmap(grad(model)), hessian(model), grad(np.sin), grad(Layer(2.0).loss)):
        again = pickle.loads(pickle.dumps(made))
        assert again is not made
        assert repr(again) == repr(made) or "Layer" in repr(made)
    assert pickle.loads(pickle.dumps(grad(Layer(2.0).loss)))(1.0) == 6.0


def test_pickles_load_in_another_process():
    code = "import pickle, sys\nfs = pickle.load(sys.stdin.buffer)\nprint([float(f(*args)) for f, args in fs])\n"
    fs = [(cubed_slope, (2.0,)), (model_slope, (2.0, 3.0)), (grad(grad(model), argnums=1), (2.0, 3.0))]
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(fs), capture_output=True, check=False, cwd=_root()
    )
    assert done.stdout.decode() == "[12.0, 12.0, 6.0]\n", done.stderr.decode()


def _root():
    return __file__.rsplit("tests", 1)[0]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=ids)
def test_copies(copied):
    assert copied(model_slope)(2.0, 3.0) == 12.0
    assert repr(copied(grad(model, argnums=1))) == "grad(model, argnums=1)"
    assert copied(cubed_slope)(2.0) == 12.0
    assert copied(grad(Layer(3.0)))(2.0) == 12.0


def test_programs_pickle_and_copy():
    jaxpr = make_jaxpr(grad(lambda x: np.sum(np.sin(x) * np.array([1.0, 2.0]))))(np.ones(2))
    for again in (pickle.loads(pickle.dumps(jaxpr)), copy.deepcopy(jaxpr), copy.copy(jaxpr)):
        assert str(again) == str(jaxpr)
        check_jaxpr(again)
        np.testing.assert_array_equal(again(np.ones(2))[0], jaxpr(np.ones(2))[0])


# -- trees ---------------------------------------------------------------------------------------------------

Pair = namedtuple("Pair", ["a", "b"])


@dataclass
class Params:
    w: Any
    b: Any


TREES = [
    {"w": np.ones(2), "b": 1.0},
    Pair(np.ones(2), 3.0),
    Params(np.ones((2, 2)), {"x": 1.0}),
    [1.0, (2.0, [3.0])],
    (1.0, None, {"none": None, "x": 2.0}),
    OrderedDict(z=1.0, a=2.0),
    {"empty": (), "x": 1.0, "also": {}},
    {"deep": {"er": [{"x": (1.0,)}]}},
]


@pytest.mark.parametrize("tree", TREES, ids=lambda t: type(t).__name__)
def test_derivatives_have_the_tree_of_their_argument(tree):
    def f(t):
        return sum(np.sum(leaf * leaf) for leaf in tree_leaves(t)) * 1.0

    for gradient in (
        grad(f)(tree),
        vjp(f, tree)[1](1.0)[0],
        value_and_grad(f)(tree)[1],
        jacrev(f)(tree),
        jacfwd(f)(tree),
    ):
        assert tree_structure(gradient) == tree_structure(tree)
        for g, x in zip(tree_leaves(gradient), tree_leaves(tree)):
            np.testing.assert_array_equal(g, 2.0 * np.asarray(x))
            assert np.shape(g) == np.shape(x)
    _, dot = jvp(f, (tree,), (tree,))
    assert dot == sum(2.0 * np.sum(np.square(x)) for x in tree_leaves(tree))
    flat, unravel = ravel_pytree(tree)
    assert tree_structure(unravel(flat)) == tree_structure(tree)
    np.testing.assert_array_equal(ravel_pytree(grad(f)(tree))[0], grad(lambda v: f(unravel(v)))(flat))


def test_outputs_are_trees():
    def f(x):
        return {"a": x * 2.0, "b": [x, None, ()], "c": Pair(1.0, 2)}

    value, pullback = vjp(f, 3.0)
    assert value == {"a": 6.0, "b": [3.0, None, ()], "c": Pair(1.0, 2)}
    ct = {"a": 1.0, "b": [1.0, None, ()], "c": Pair(1.0, np.zeros((), float0))}
    assert pullback(ct) == (3.0,)
    out, dot = jvp(f, (3.0,), (1.0,))
    assert out == value
    assert dot["a"] == 2.0
    assert dot["c"].b.dtype == float0
    assert vmap(lambda x: (x, {"y": x + 1}), out_axes=(0, {"y": 0}))(np.arange(2.0))[1]["y"].tolist() == [
        1.0,
        2.0,
    ]


def test_integer_leaves_get_float0_zeros():
    tree = {"w": np.ones(2), "n": 3, "mask": np.array([True, False]), "i": np.arange(2)}
    gradient = grad(lambda t: np.sum(t["w"] * t["n"] * t["i"]) + t["mask"].sum())(tree)
    np.testing.assert_array_equal(gradient["w"], [0.0, 3.0])
    assert (gradient["n"].dtype, gradient["n"].shape) == (float0, ())
    assert (gradient["mask"].dtype, gradient["mask"].shape) == (float0, (2,))
    assert (gradient["i"].dtype, gradient["i"].shape) == (float0, (2,))


def test_integer_leaves_are_plain_values_for_the_function():
    """They may be used wherever Python wants a number: as a count, a shape, an index."""

    def f(t):
        return np.sum(np.zeros(t["n"]) + t["x"]) * [1.0, 2.0][t["n"] - 2]

    assert grad(f)({"x": 1.0, "n": 3})["x"] == 6.0
    assert jvp(f, ({"x": 1.0, "n": 3},), ({"x": 1.0, "n": np.zeros((), float0)},))[1] == 6.0


def test_allow_int():
    zero = grad(lambda n: n * 2.0, allow_int=True)(3)
    assert (zero.dtype, zero.shape) == (float0, ())
    zeros = grad(lambda n: (n * 2.0).sum(), allow_int=True)(np.arange(3))
    assert (zeros.dtype, zeros.shape) == (float0, (3,))
    assert value_and_grad(lambda n: n * 2.0, allow_int=True)(3)[0] == 6.0
    assert jacrev(lambda n: n * 2.0, allow_int=True)(3).dtype == float0


SCALARS = [
    (2.0, np.float64),
    (np.float32(2.0), np.float32),
    (np.float64(2.0), np.float64),
    (np.float16(2.0), np.float16),
    (np.array(2.0), np.float64),
    (np.array(2.0, np.float32), np.float32),
]


@pytest.mark.parametrize("x, dtype", SCALARS)
def test_scalar_arguments(x, dtype):
    for gradient in (
        grad(lambda x: x**3)(x),
        vjp(lambda x: x**3, x)[1](dtype(1))[0],
        jacfwd(lambda x: x**3)(x),
    ):
        assert gradient == 12.0
        assert gradient.dtype == dtype
        assert gradient.shape == ()


def test_complex_and_bool_scalars():
    assert grad(lambda z: z**3, holomorphic=True)(2j) == 3 * (2j) ** 2
    assert grad(lambda x, flag: x * flag)(2.0, True) == 1.0
    assert grad(lambda t: t[0] * t[1], argnums=0)([2.0, 3.0]) == [3.0, 2.0]


# -- aux -----------------------------------------------------------------------------------------------------


def with_aux(x):
    y = x * x
    return y * x, {"y": y, "name": "abc", "none": None, "n": 3, "list": [y, "s"], "object": Layer}


def test_aux_holds_values_strings_and_none():
    expected = {"y": 9.0, "name": "abc", "none": None, "n": 3, "list": [9.0, "s"], "object": Layer}
    assert grad(with_aux, has_aux=True)(3.0) == (27.0, expected)
    assert value_and_grad(with_aux, has_aux=True)(3.0) == ((27.0, expected), 27.0)
    assert jvp(with_aux, (3.0,), (1.0,), has_aux=True) == (27.0, 27.0, expected)
    assert jacfwd(with_aux, has_aux=True)(3.0) == (27.0, expected)
    assert jacrev(with_aux, has_aux=True)(3.0) == (27.0, expected)
    assert hessian(with_aux, has_aux=True)(3.0) == (18.0, expected)
    out, pullback, aux = vjp(with_aux, 3.0, has_aux=True)
    assert (out, pullback(1.0), aux) == (27.0, (27.0,), expected)
    out, f_jvp, aux = linearize(with_aux, 3.0, has_aux=True)
    assert (out, f_jvp(1.0), aux) == (27.0, 27.0, expected)
    for leaf in tree_leaves(aux["y"]):
        assert isinstance(leaf, np.float64)


def test_aux_of_arrays_of_traced_scalars():
    _, aux = grad(lambda x: (x, [np.array([x, 1.0]), {"rows": np.array([[x], [2.0]])}]), has_aux=True)(3.0)
    assert aux[0].dtype == aux[1]["rows"].dtype == np.float64
    np.testing.assert_array_equal(aux[0], [3.0, 1.0])
    np.testing.assert_array_equal(aux[1]["rows"], [[3.0], [2.0]])


def test_a_function_may_log_into_its_arguments():
    history, cache = [], {"calls": 0}

    def f(x, history, cache):
        history.append(float(stop_gradient(x)))
        cache["calls"] += 1
        return x * x

    for x in (1.0, 2.0):
        grad(f)(x, history, cache)
    assert history == [1.0, 2.0]
    assert cache == {"calls": 2}


def test_python_numbers_as_cotangents_and_tangents_adapt():
    for dtype in (np.float16, np.float32, np.float64):
        (ct,) = vjp(lambda x: x * 2, dtype(1))[1](3.0)
        assert (ct, ct.dtype) == (6.0, dtype)
        assert jvp(lambda x: x * 2, (dtype(1),), (3,))[1].dtype == dtype
    assert vjp(lambda z: z * 2, 1j)[1](1.0) == (2.0,)


def test_aux_under_nesting():
    gradient, aux = grad(lambda x: grad(with_aux, has_aux=True)(x), has_aux=True)(3.0)
    assert (gradient, aux["y"], aux["name"]) == (18.0, 9.0, "abc")
    assert grad(lambda x: grad(with_aux, has_aux=True)(x)[1]["y"])(3.0) == 6.0
    gradient, aux = vmap(grad(lambda x: (x**3, x * 2.0), has_aux=True))(np.arange(3.0))
    np.testing.assert_array_equal(gradient, [0.0, 3.0, 12.0])
    np.testing.assert_array_equal(aux, [0.0, 2.0, 4.0])
    (value, aux), gradient = value_and_grad(lambda x: (jvp(np.sin, (x,), (1.0,))[1], x), has_aux=True)(0.3)
    assert (value, aux, gradient) == (np.cos(0.3), 0.3, -np.sin(0.3))


# -- complex numbers -----------------------------------------------------------------------------------------

Z = 1.5 - 0.5j


def test_complex_convention():
    """The gradient of a real function at x + iy is df/dx - i df/dy."""
    assert grad(lambda z: np.real(z))(Z) == 1.0
    assert grad(lambda z: np.imag(z))(Z) == -1j
    assert grad(lambda z: np.real(z * np.conj(z)))(Z) == 2 * np.conj(Z)
    assert grad(lambda z: np.abs(z) ** 2)(Z) == pytest.approx(2 * np.conj(Z), rel=1e-15)
    assert grad(lambda z: np.abs(z))(Z) == pytest.approx(np.conj(Z) / abs(Z), rel=1e-15)
    assert grad(lambda z: np.real(np.exp(z)))(Z) == pytest.approx(np.exp(Z), rel=1e-15)
    assert grad(lambda z: np.imag(z**2))(Z) == pytest.approx(-1j * 2 * Z, rel=1e-15)
    assert grad(lambda z: np.abs(z))(0j) == 0


@pytest.mark.parametrize(
    "f, df",
    [
        (np.exp, np.exp),
        (np.sin, np.cos),
        (lambda z: z**3, lambda z: 3 * z * z),
        (np.log, lambda z: 1 / z),
        (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
        (lambda z: 1 / z, lambda z: -1 / z**2),
        (np.sqrt, lambda z: 0.5 / np.sqrt(z)),
    ],
)
def test_holomorphic_functions(f, df):
    for got in (
        grad(f, holomorphic=True)(Z),
        jvp(f, (Z,), (1.0 + 0j,))[1],
        vjp(f, Z)[1](1.0 + 0j)[0],
        jacfwd(f, holomorphic=True)(Z),
        jacrev(f, holomorphic=True)(Z),
    ):
        assert got == pytest.approx(df(Z), rel=1e-13)
    step = 1e-5
    second = (df(Z + step) - df(Z - step)) / (2 * step)
    assert grad(grad(f, holomorphic=True), holomorphic=True)(Z) == pytest.approx(second, rel=1e-8)
    assert hessian(f, holomorphic=True)(Z) == pytest.approx(second, rel=1e-8)


def test_real_functions_of_real_arguments_through_complex_values():
    def f(x):
        return np.real(np.exp(1j * x) * (2 + 1j))

    assert grad(f)(0.3) == pytest.approx(np.real(1j * np.exp(0.3j) * (2 + 1j)), rel=1e-15)
    assert grad(f)(0.3).dtype == np.float64
    assert jvp(f, (0.3,), (1.0,))[1] == pytest.approx(grad(f)(0.3), rel=1e-15)


def test_the_pullback_of_a_conjugate():
    assert vjp(np.conj, Z)[1](1j) == (-1j,)
    assert jvp(np.conj, (Z,), (1j,))[1] == -1j


# -- vmap ----------------------------------------------------------------------------------------------------


def test_vmap_axes():
    x = np.arange(24.0).reshape(2, 3, 4)
    for axis in (0, 1, 2, -1, -2, -3):
        got = vmap(lambda row: row.sum(), in_axes=axis)(x)
        np.testing.assert_array_equal(got, np.moveaxis(x, axis, 0).sum(axis=(1, 2)))
        for out in (0, 1, 2, -1, -3):
            got = vmap(lambda row: row * 2.0, in_axes=axis, out_axes=out)(x)
            np.testing.assert_array_equal(got, np.moveaxis(2.0 * np.moveaxis(x, axis, 0), 0, out))


def test_vmap_prefixes():
    tree = {"a": np.ones((3, 2)), "b": [np.ones((2, 3)), 5.0]}

    def f(t, k):
        return t["a"].sum() + t["b"][0].sum() * t["b"][1] * k

    got = vmap(f, in_axes=({"a": 0, "b": [1, None]}, None))(tree, 2.0)
    np.testing.assert_array_equal(got, [22.0] * 3)
    got = vmap(lambda t: t[0] + t[1], in_axes=((0, 0),))((np.ones(3), np.ones(3)))
    np.testing.assert_array_equal(got, [2.0] * 3)
    got = vmap(lambda t: t[0] + t[1], in_axes=[[0, None]])([np.ones(3), 1.0])
    np.testing.assert_array_equal(got, [2.0] * 3)


def test_vmap_of_what_is_not_mapped():
    a, b = vmap(lambda x, y: (x, y * 2.0), in_axes=(0, None), out_axes=(0, None))(np.arange(3.0), 4.0)
    np.testing.assert_array_equal(a, [0.0, 1.0, 2.0])
    assert b == 8.0
    assert vmap(lambda x, name: (x, len(name)), in_axes=(0, None))(np.arange(2.0), "abc")[1].tolist() == [
        3,
        3,
    ]
    np.testing.assert_array_equal(vmap(lambda: np.ones(2), axis_size=3)(), np.ones((3, 2)))
    np.testing.assert_array_equal(vmap(lambda x: 5.0)(np.ones(3)), [5.0] * 3)


def test_vmap_of_keywords_and_numbers_of_rows():
    np.testing.assert_array_equal(vmap(lambda x, *, k: x * k)(np.arange(3.0), k=np.arange(3.0)), [0.0, 1.0, 4.0])
    np.testing.assert_array_equal(vmap(lambda *, k: k * 2)(k=np.arange(3)), [0, 2, 4])
    assert vmap(lambda x: x * 2.0)(np.ones((0, 3))).shape == (0, 3)
    assert vmap(grad(lambda x: (x * x).sum()))(np.ones((0, 3))).shape == (0, 3)
    assert vmap(lambda x: x, axis_size=3)(np.ones(3)).shape == (3,)


def test_vmap_nested():
    x, y = np.arange(3.0), np.arange(4.0)
    got = vmap(vmap(lambda a, b: a * b + 1.0, in_axes=(None, 0)), in_axes=(0, None))(x, y)
    np.testing.assert_array_equal(got, x[:, None] * y + 1.0)
    got = vmap(vmap(lambda a, b: a * b, in_axes=(0, None)), in_axes=(None, 0), out_axes=1)(x, y)
    np.testing.assert_array_equal(got, x[:, None] * y)
    m = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(vmap(vmap(vmap(lambda a: a * 2.0)))(m[None]), 2.0 * m[None])
    np.testing.assert_array_equal(vmap(lambda r: vmap(lambda e: e * r.sum())(r))(m), m * m.sum(1, keepdims=True))


def test_vmap_of_derivatives_and_derivatives_of_vmap():
    x = np.linspace(0.1, 1.0, 5)
    np.testing.assert_allclose(vmap(grad(lambda v: np.sin(v) * v))(x), np.cos(x) * x + np.sin(x))
    np.testing.assert_allclose(vmap(grad(grad(np.exp)))(x), np.exp(x))
    np.testing.assert_allclose(grad(lambda v: vmap(np.sin)(v).sum())(x), np.cos(x))
    np.testing.assert_allclose(jacfwd(vmap(np.sin))(x), np.diag(np.cos(x)))
    np.testing.assert_allclose(
        vmap(hessian(lambda v: np.prod(v)))(np.array([[1.0, 2.0], [3.0, 4.0]])), [[[0, 1], [1, 0]]] * 2
    )
    _, dot = jvp(vmap(np.sin), (x,), (np.ones(5),))
    np.testing.assert_allclose(dot, np.cos(x))
    _, dots = vmap(lambda v: jvp(np.sin, (v,), (1.0,)))(x)
    np.testing.assert_allclose(dots, np.cos(x))
    _, (cts,) = vmap(lambda v, ct: (np.sin(v), vjp(np.sin, v)[1](ct)))(x, np.full(5, 2.0))
    np.testing.assert_allclose(cts, 2.0 * np.cos(x))


def test_vmap_closing_over_traced_values():
    def f(k):
        return vmap(lambda v: v * k)(np.arange(3.0)).sum()

    assert grad(f)(2.0) == 3.0
    assert vmap(grad(f))(np.ones(2)).tolist() == [3.0, 3.0]
    assert jvp(lambda k: vmap(lambda v: np.sin(v * k))(np.ones(2)), (0.0,), (1.0,))[1].tolist() == [1.0, 1.0]


# -- jacobians -----------------------------------------------------------------------------------------------


def test_jacobian_blocks_of_trees():
    """Outside the tree of the output, in it the argument's; blocks ``output.shape + argument.shape``."""

    def f(p, x):
        return {"y": p["w"] @ x + p["b"], "s": (x * x).sum()}

    p, x = {"w": np.arange(6.0).reshape(2, 3), "b": np.ones(2)}, np.arange(3.0)
    for derive in (jacfwd, jacrev):
        jacobian = derive(f)(p, x)
        assert sorted(jacobian) == ["s", "y"]
        assert sorted(jacobian["y"]) == ["b", "w"]
        assert jacobian["y"]["w"].shape == (2, 2, 3)
        np.testing.assert_array_equal(jacobian["y"]["w"], np.einsum("ij,k->ijk", np.eye(2), x))
        np.testing.assert_array_equal(jacobian["y"]["b"], np.eye(2))
        np.testing.assert_array_equal(jacobian["s"]["w"], np.zeros((2, 3)))
        both = derive(f, argnums=(0, 1))(p, x)
        assert isinstance(both["y"], tuple)
        np.testing.assert_array_equal(both["y"][1], p["w"])
        np.testing.assert_array_equal(both["s"][1], 2.0 * x)
        assert isinstance(derive(f, argnums=(1,))(p, x)["s"], tuple)


def test_hessian_blocks_of_trees():
    def f(p):
        return p["a"] ** 2 * np.sum(p["b"]) + np.sum(p["b"] ** 3)

    h = hessian(f)({"a": 2.0, "b": np.array([1.0, 2.0])})
    assert h["a"]["a"] == 6.0
    np.testing.assert_array_equal(h["a"]["b"], [4.0, 4.0])
    np.testing.assert_array_equal(h["b"]["a"], [4.0, 4.0])
    np.testing.assert_array_equal(h["b"]["b"], np.diag([6.0, 12.0]))
    rows = hessian(lambda x, y: x * x * y, argnums=(0, 1))(2.0, 3.0)
    assert rows == ((6.0, 4.0), (4.0, 0.0))


def test_jacobians_of_scalars_constants_and_empty_arrays():
    assert jacfwd(np.sin)(0.0) == 1.0
    assert jacrev(np.sin)(0.0) == 1.0
    for derive in (jacfwd, jacrev):
        np.testing.assert_array_equal(derive(lambda x: np.ones(2))(np.ones(3)), np.zeros((2, 3)))
        assert derive(lambda x: x)(np.ones(0)).shape == (0, 0)
        assert derive(lambda x: x.sum())(np.ones((0, 2))).shape == (0, 2)
        assert derive(lambda x: x[:0])(np.ones(3)).shape == (0, 3)


def test_jacobians_at_dtypes():
    for derive in (jacfwd, jacrev):
        assert derive(lambda x: x.astype(np.float32))(np.ones(2)).shape == (2, 2)
        assert derive(np.sin)(np.ones(2, np.float32)).dtype == np.float32


def test_hvp_is_the_hessian_times_a_vector(rng):
    a = rng.normal(size=(4, 4))

    def f(x):
        return np.sum(np.sin(a @ x) * x)

    x, v = rng.normal(size=4), rng.normal(size=4)
    np.testing.assert_allclose(hvp(f)(x, v), hessian(f)(x) @ v, rtol=1e-12)
    np.testing.assert_allclose(hvp(lambda k, x: k * f(x), argnums=1)(2.0, x, v), 2 * hessian(f)(x) @ v, rtol=1e-12)
    np.testing.assert_allclose(hvp(lambda k, x: k * f(x), argnums=-1)(2.0, x, v), 2 * hessian(f)(x) @ v, rtol=1e-12)
    tree = hvp(lambda t: t["a"] ** 2 * t["b"])({"a": 2.0, "b": 3.0}, {"a": 1.0, "b": 0.0})
    assert tree == {"a": 6.0, "b": 4.0}
    assert hvp(lambda x, y: x * x * y, argnums=(0, 1))(2.0, 3.0, (1.0, 1.0)) == (10.0, 4.0)
    assert hvp(lambda x, *, k: k * x**2)(3.0, 1.0, k=2.0) == 4.0


# -- linear maps ---------------------------------------------------------------------------------------------


def test_linearize_and_its_transpose(rng):
    x, v, ct = rng.normal(size=3), rng.normal(size=3), rng.normal(size=3)
    _, f_jvp = linearize(lambda x: np.sin(x) * x.sum(), x)
    _, pullback = vjp(lambda x: np.sin(x) * x.sum(), x)
    assert np.vdot(ct, f_jvp(v)) == pytest.approx(np.vdot(pullback(ct)[0], v), rel=1e-13)
    check_jaxpr(f_jvp.jaxpr)
    (back,) = linear_transpose(f_jvp, x)(ct)
    np.testing.assert_allclose(back, pullback(ct)[0], rtol=1e-13)
    np.testing.assert_allclose(vmap(f_jvp)(np.eye(3)).T, jacfwd(lambda x: np.sin(x) * x.sum())(x), rtol=1e-13)
    assert grad(lambda v: f_jvp(v).sum())(v).shape == (3,)


def test_linear_transpose_of_linear_functions(rng):
    a = rng.normal(size=(2, 3))
    x, y = rng.normal(size=3), rng.normal(size=2)
    (back,) = linear_transpose(lambda x: a @ x, x)(y)
    np.testing.assert_allclose(back, a.T @ y)
    np.testing.assert_allclose(linear_transpose(lambda x: np.cumsum(x), x)(x)[0], np.cumsum(x[::-1])[::-1])
    back = linear_transpose(lambda t: {"s": t[0].sum() + t[1]}, (x, 1.0))({"s": 2.0})
    np.testing.assert_array_equal(back[0][0], [2.0] * 3)
    assert back[0][1] == 2.0
    assert linear_transpose(lambda x: x * 0.0 + 0.0, 1.0)(1.0) == (0.0,)
    np.testing.assert_array_equal(
        linear_transpose(lambda x: np.where(np.arange(3) > 0, x, 0.0), x)(np.ones(3))[0], [0, 1, 1]
    )


# -- nesting -------------------------------------------------------------------------------------------------


def test_perturbation_confusion():
    """An inner derivative must not see the outer perturbation (Siskind and Pearlmutter 2005)."""
    derivative = lambda f: lambda x: jvp(f, (x,), (1.0,))[1]  # noqa: E731
    for d in (grad, derivative, jacfwd, jacrev):
        for inner in (grad, derivative, jacfwd, jacrev):
            assert d(lambda x, inner=inner: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0
            assert d(lambda x, inner=inner: x * inner(lambda y: x * y)(2.0))(3.0) == 6.0
            assert d(lambda x, inner=inner: inner(lambda y: x * y * y)(x))(3.0) == 12.0
    assert grad(lambda x: grad(lambda y: y * grad(lambda z: x * y * z)(2.0))(x))(3.0) == 12.0


def test_amazing_bug():
    """Manzyuk et al. 2019: a derivative that returns a function closes over its own perturbation."""

    def s(u):
        return lambda f: lambda x: f(x + u)

    def d(f):
        return lambda x: jvp(f, (x,), (1.0,))[1]

    assert d(lambda u: s(u)(lambda x: x**3)(2.0))(0.0) == 12.0
    assert d(lambda u: s(u)(d(lambda x: x**3))(2.0))(0.0) == 12.0
    assert d(lambda u: s(u)(d(lambda x: s(u)(lambda w: w**4)(x)))(1.0))(0.0) == 24.0


def test_closing_over_an_outer_variable():
    def f(x):
        def g(y):
            return np.sin(x * y) + stop_gradient(x) * y

        return grad(g)(x * 2.0)

    x, h = 0.7, 1e-5
    plain = lambda x: np.cos(x * 2 * x) * x + 0.7  # noqa: E731
    assert grad(f)(x) == pytest.approx((plain(x + h) - plain(x - h)) / (2 * h), rel=1e-8)


LEVELS = {
    "grad": grad,
    "jvp": lambda f: lambda x: jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f: lambda x: vjp(f, x)[1](1.0)[0],
    "jacfwd": jacfwd,
    "jacrev": jacrev,
    "linearize": lambda f: lambda x: linearize(f, x)[1](1.0),
}


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("mapped", range(5))
def test_any_order_of_nesting(order, mapped):
    """Every word of transforms of this length, with a vmap at one place, is the derivative of that order."""
    if mapped > order:
        return
    expected = [np.exp(0.3 * 2.0) * 2.0**order, np.exp(0.4 * 2.0) * 2.0**order]
    words = itertools.product(LEVELS, repeat=order)
    for i, word in enumerate(words):
        if order == 4 and i % 27:
            continue
        f = lambda x: np.exp(2.0 * x)  # noqa: E731
        for k, name in enumerate(word):
            f = LEVELS[name](f)
            if k + 1 == mapped:
                f = (lambda g: lambda x: vmap(g)(np.array([1.0, 1.0]) * x)[0])(f)
        got = vmap(f)(np.array([0.3, 0.4])) if mapped == 0 else [f(0.3), f(0.4)]
        np.testing.assert_allclose(got, expected, rtol=1e-12, err_msg=str(word))


def test_programs_of_transforms_nest_too():
    jaxpr = make_jaxpr(grad(lambda x: np.sum(np.sin(x) ** 2)))(np.ones(3))
    check_jaxpr(jaxpr)
    np.testing.assert_allclose(jacfwd(lambda x: jaxpr(x)[0])(np.zeros(3)), 2.0 * np.eye(3))
    inner = make_jaxpr(lambda x: make_jaxpr(grad(np.sin))(x)(x)[0])(0.3)
    assert inner(0.3) == [np.cos(0.3)]


# -- what is known to be zero --------------------------------------------------------------------------------


def _names(function, *args):
    return [e.primitive.name for e in make_jaxpr(function)(*args).equations]


def test_no_equation_for_what_is_known_to_be_zero():
    assert _names(grad(lambda x, y: x * 2.0 + np.sin(y)), 1.0, 2.0) == []
    assert _names(lambda x: jvp(lambda x, y: x * np.sin(y), (x, 2.0), (1.0, 0.0))[1], 1.0) != []
    assert _names(grad(lambda x: x * 3.0 + np.floor(x) * np.sign(x)), 1.5) == []
    assert _names(grad(lambda x: x + stop_gradient(np.exp(x))), 1.5) == []
    assert _names(grad(lambda t: t["x"] * 2.0), {"x": 1.0, "unused": np.ones(3)}) == []
    assert _names(grad(lambda x: np.sum(x * 2.0)), np.ones(3)).count("mul") <= 1


def test_unused_arguments_cost_nothing_in_reverse_mode():
    """The derivative with respect to x alone holds no trace of the derivative of the other branch."""
    names = _names(grad(lambda x, y: np.sum(np.sin(x)) + np.sum(np.tanh(y) ** 3)), np.ones(2), np.ones(2))
    assert "tanh" not in names
    assert names.count("cos") == 1


def test_zero_tangents_are_not_multiplied():
    def f(x, y):
        return x * np.exp(y) + np.exp(np.sin(y))

    linear = linearize(lambda x: f(x, 2.0), 1.0)[1].jaxpr
    assert [e.primitive.name for e in linear.equations] == ["mul"]
    assert linearize(lambda x: 3.0, 1.0)[1].jaxpr.equations == ()
    assert len(linearize(lambda x: (x * 2.0, np.sin(2.0)), 1.0)[1].jaxpr.outputs) == 1


def test_derivatives_of_constants_are_zeros_of_the_right_type():
    assert grad(lambda x: 3.0)(1.0) == 0.0
    zeros = grad(lambda x: 3.0)(np.ones((2, 3), np.float32))
    assert (zeros.dtype, zeros.shape) == (np.float32, (2, 3))
    value, pullback = vjp(lambda x: np.array([1, 2]), 2.0)
    assert value.dtype == np.int64
    assert pullback(np.zeros(2, float0)) == (0.0,)
    assert jvp(lambda x: 5, (1.0,), (1.0,))[1].dtype == float0


# -- arrays of other libraries -------------------------------------------------------------------------------


class Logged(np.lib.mixins.NDArrayOperatorsMixin):
    """A minimal array that speaks NumPy's protocols, as dask's does, and logs what is asked of it."""

    log: ClassVar[list[str]] = []

    def __init__(self, data):
        self.data = np.asarray(data)

    shape = property(lambda self: self.data.shape)
    dtype = property(lambda self: self.data.dtype)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        self.log.append(ufunc.__name__)
        return Logged(getattr(ufunc, method)(*map(_bare, inputs), **kwargs))

    def __array_function__(self, function, types, args, kwargs):
        self.log.append(function.__name__)
        args = [[_bare(x) for x in a] if isinstance(a, list | tuple) else _bare(a) for a in args]
        return Logged(function(*args, **kwargs))

    def __getitem__(self, index):
        return Logged(self.data[index])

    def __array__(self, *args, **kwargs):
        raise AssertionError("the array must not be converted")

    def astype(self, dtype):
        return Logged(self.data.astype(dtype))


def _bare(x):
    return x.data if isinstance(x, Logged) else x


DUCKS = {
    "elementwise": lambda x: np.sin(x) * 2.0 + np.exp(-x) / (1.0 + x**2),
    "gradient": grad(lambda x: np.sum(np.sin(x) * x)),
    "reduction": lambda x: np.sum(x * x, axis=0),
    "matmul": lambda x: x @ np.ones((3, 2)),
    "where": lambda x: np.where(x > 0.5, x, 0.0),
    "shapes": lambda x: np.transpose(np.reshape(x, (3, 2))),
    "join": lambda x: np.concatenate([x, x * 2.0]),
    "slice": lambda x: x[0] * 3.0,
}


@pytest.mark.parametrize("name", DUCKS)
def test_programs_run_on_arrays_of_other_libraries(name):
    x = np.arange(6.0).reshape(2, 3) / 3.0
    jaxpr = make_jaxpr(DUCKS[name])(x)
    Logged.log.clear()
    (got,) = eval_jaxpr(jaxpr, Logged(x))
    assert isinstance(got, Logged)
    np.testing.assert_array_equal(got.data, jaxpr(x)[0])


# -- shapes alone --------------------------------------------------------------------------------------------


def test_eval_shape():
    def f(x, t):
        return {"y": x @ t["w"], "n": np.argmax(x), "s": np.float32(2) * x.astype(np.float32).sum()}

    shapes = eval_shape(f, np.ones((4, 3)), {"w": np.ones((3, 2))})
    assert repr(shapes) == (
        "{'n': ShapeDtypeStruct(i64[]), 's': ShapeDtypeStruct(f32[]), 'y': ShapeDtypeStruct(f64[4,2])}"
    )
    _, again = make_jaxpr(f, return_shape=True)(np.ones((4, 3)), {"w": np.ones((3, 2))})
    assert repr(again) == repr(shapes)
    assert eval_shape(grad(lambda x: (x * x).sum()), shapes["y"]).shape == (4, 2)


def test_make_jaxpr_with_static_arguments():
    jaxpr = make_jaxpr(lambda x, n, name: x * n if name == "a" else x, static_argnums=(1, 2))(1.0, 3, "a")
    assert len(jaxpr.in_vars) == 1
    assert jaxpr(2.0) == [6.0]
    assert len(make_jaxpr(lambda name, x: x, static_argnums=0)("a", 1.0).in_vars) == 1
    assert len(make_jaxpr(lambda x, name: x, static_argnums=-1)(1.0, "a").in_vars) == 1
