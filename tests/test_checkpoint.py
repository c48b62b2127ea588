"""checkpoint: the same values and derivatives, from less memory: what is kept, and what is computed again."""

import threading

import numpy as np
import pytest

import autotrace
from autotrace import (
    ShapeDtypeStruct,
    check_jaxpr,
    checkpoint,
    checkpoint_name,
    checkpoint_policies,
    checkpointed_scan,
    cond,
    grad,
    hessian,
    jacfwd,
    jacobian,
    jacrev,
    jit,
    jvp,
    linearize,
    make_jaxpr,
    print_saved_residuals,
    saved_residuals,
    scan,
    value_and_grad,
    vjp,
    vmap,
    while_loop,
)
from autotrace.test_util import check_grads

RANDOM = np.random.default_rng(5)
X = RANDOM.standard_normal((4, 3))
W = RANDOM.standard_normal((3, 2))


def layer(w, x):
    h = np.tanh(x @ w)
    h = checkpoint_name(np.sin(h), "h")
    return np.sum(np.cos(h) ** 2)


def count(jaxpr, name):
    """How often a primitive stands in a program and in all that it holds."""
    return jaxpr.count_primitives()[name]


POLICIES = {
    "default": None,
    "everything": checkpoint_policies.everything_saveable,
    "nothing": checkpoint_policies.nothing_saveable,
    "dots": checkpoint_policies.dots_saveable,
    "plain dots": checkpoint_policies.dots_with_no_batch_dims_saveable,
    "these": checkpoint_policies.save_only_these_names("h"),
    "others": checkpoint_policies.save_any_names_but_these("h"),
    "anything": checkpoint_policies.save_anything_except_these_names("h"),
    "both": checkpoint_policies.save_from_both_policies(
        checkpoint_policies.dots_saveable, checkpoint_policies.save_only_these_names("h")
    ),
    "own": lambda primitive, *avals, **params: primitive.name == "sin",
}


@pytest.fixture(params=POLICIES, name="policy")
def each_policy(request):
    return POLICIES[request.param]


# -- values and derivatives are those of the plain function ----------------------------------------


TRANSFORMS = {
    "value": lambda f: f(W, X),
    "grad": lambda f: grad(f)(W, X),
    "grad of the second": lambda f: grad(f, argnums=1)(W, X),
    "jit grad": lambda f: jit(grad(f))(W, X),
    "grad jit": lambda f: grad(jit(f))(W, X),
    "jvp": lambda f: jvp(f, (W, X), (W, X)),
    "vjp": lambda f: vjp(f, W, X)[1](2.0),
    "linearize": lambda f: linearize(f, W, X)[1](W, X),
    "vmap grad": lambda f: vmap(grad(f), in_axes=(None, 0))(W, X[:, None]),
    "grad vmap": lambda f: grad(lambda w: np.sum(vmap(f, in_axes=(None, 0))(w, X[:, None])))(W),
    "jacfwd": lambda f: jacfwd(f)(W, X),
    "jacrev": lambda f: jacrev(f)(W, X),
    "jacobian": lambda f: jacobian(f)(W, X),
    "hessian": lambda f: hessian(f)(W, X),
    "grad grad": lambda f: grad(lambda w: np.sum(grad(f)(w, X) ** 2))(W),
    "jit hessian": lambda f: jit(hessian(f))(W, X),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_nothing_changes(transform, policy):
    for got, expected in zip(
        autotrace.tree.tree_leaves(transform(checkpoint(layer, policy=policy))),
        autotrace.tree.tree_leaves(transform(layer)),
        strict=True,
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


def test_derivatives_agree_with_differences(policy):
    check_grads(checkpoint(layer, policy=policy), (W, X), order=2)


def test_programs_are_sound(policy):
    f = checkpoint(layer, policy=policy)
    for g in (f, grad(f), grad(lambda w, x: np.sum(grad(f)(w, x))), vmap(f, in_axes=(None, 0))):
        args = (W, X[:, None]) if g is not f and "vmap" in repr(g) else (W, X)
        check_jaxpr(make_jaxpr(g)(*args))
    backward = make_jaxpr(grad(f))(W, X)
    assert np.array_equal(backward(W, X)[0], grad(f)(W, X))


@pytest.mark.parametrize("depth", [2, 3])
def test_nested(depth):
    def f(x):
        return np.sin(x) * np.exp(-x)

    g = f
    for _ in range(depth):
        g = checkpoint(lambda x, inner=g: np.cos(inner(x)))
    plain = f
    for _ in range(depth):
        plain = lambda x, inner=plain: np.cos(inner(x))  # noqa: E731
    for transform in (lambda f: f, grad, lambda f: grad(grad(f)), lambda f: jit(grad(f))):
        np.testing.assert_allclose(transform(g)(0.7), transform(plain)(0.7), rtol=1e-12)


@pytest.mark.parametrize("wrap", [lambda f: f, jit], ids=["eager", "jit"])
def test_inside_control_flow(wrap):
    def body(c):
        return np.sin(c) * 1.1 + 0.1

    def loops(step):
        return [
            lambda x: np.sum(scan(lambda c, _: (step(c), None), x, length=40)[0]),
            lambda x: np.sum(while_loop(lambda s: s[0] < 7, lambda s: (s[0] + 1, step(s[1])), (0, x))[1]),
            lambda x: np.sum(cond(np.sum(x) > 0, step, np.cos, x)),
        ]

    for kept, plain in zip(loops(checkpoint(body)), loops(body), strict=True):
        for transform in (lambda f: f, grad, lambda f: hessian(f), lambda f: vmap(grad(f))):
            x = X if "vmap" in repr(transform(plain)) else X[0]
            np.testing.assert_allclose(wrap(transform(kept))(x), transform(plain)(x), rtol=1e-11)


def test_a_checkpoint_around_a_loop():
    def f(x):
        return np.sum(scan(lambda c, _: (np.sin(c), None), x, length=30)[0])

    np.testing.assert_allclose(grad(checkpoint(f))(X), grad(f)(X), rtol=1e-12)
    assert [r.origin for r in saved_residuals(checkpoint(f), X)] == ["argument[0]"]


# -- arguments, results ----------------------------------------------------------------------------


def test_trees_none_and_keywords():
    @checkpoint
    def f(batch, *, scale=None, mode="sum"):
        x, nothing = batch["x"], batch["nothing"]
        assert nothing is None
        y = x * (1.0 if scale is None else scale)
        return {"y": y if mode == "same" else np.sum(y), "none": None}

    batch = {"x": X, "nothing": None}
    assert np.array_equal(f(batch, mode="same")["y"], X)
    assert f(batch)["none"] is None
    found = grad(lambda batch: f(batch, scale=3.0)["y"])(batch)
    assert found["nothing"] is None
    assert np.array_equal(found["x"], np.full(X.shape, 3.0))
    assert grad(lambda s: f(batch, scale=s)["y"])(2.0) == pytest.approx(X.sum())


def test_auxiliary_output():
    f = checkpoint(lambda x: (x * x, {"next": x + 1.0, "none": None}))
    (value, aux), slope = value_and_grad(f, has_aux=True)(3.0)
    assert (value, aux, slope) == (9.0, {"next": 4.0, "none": None}, 6.0)


def test_python_values_stay_python_values():
    def power(x, n, mode):
        assert type(n) is int and type(mode) is str
        return x**n if mode == "power" else x

    assert grad(checkpoint(power))(2.0, 3, "power") == 12.0
    assert grad(checkpoint(power))(2.0, 3, mode="other") == 1.0
    assert jit(grad(lambda x: checkpoint(power)(x, 3, "power")))(2.0) == 12.0


def test_traced_integers_may_still_be_asked():
    f = jit(grad(checkpoint(lambda x, n: x**n if n > 2 else x)))
    assert [f(2.0, n) for n in (3, 1, 3, 1)] == [12.0, 1.0, 12.0, 1.0]


def test_static_arguments():
    def f(x, scale, steps=(1.0, 2.0)):
        assert type(scale) is float
        return x * scale * sum(steps)

    assert grad(checkpoint(f, static_argnums=1))(1.0, 2.0) == 6.0
    assert checkpoint(f, static_argnums=(1, 2))(1.0, 2.0, (5.0,)) == 10.0
    assert checkpoint(f, static_argnums=-1)(1.0, 2.0) == 6.0
    with pytest.raises(ValueError, match="checkpoint: static_argnums must name positional arguments"):
        checkpoint(f, static_argnums=3)(1.0, 2.0)


class Model:
    """A method that is checkpointed, with and without options."""

    factor = 2.0

    @checkpoint
    def square(self, x):
        return self.factor * x * x

    @checkpoint(policy=checkpoint_policies.dots_saveable)
    def cube(self, x):
        return self.factor * x**3

    @jit
    @checkpoint
    def compiled(self, x):
        return self.factor * x * x


def test_methods():
    model = Model()
    assert (grad(model.square)(3.0), grad(model.cube)(2.0), grad(model.compiled)(3.0)) == (12.0, 24.0, 12.0)


def test_it_looks_like_the_function():
    assert checkpoint(layer).__name__ == "layer"
    assert repr(checkpoint(layer)) == "checkpoint(layer)"
    assert autotrace.remat is checkpoint


def test_a_python_number_adapts_as_without():
    f = lambda x: np.float32(1.0) * x  # noqa: E731
    for call in (lambda f: f(2.0), lambda f: f(np.float32(2.0)), lambda f: jit(f)(2.0), lambda f: grad(f)(2.0)):
        assert call(checkpoint(f)).dtype == call(f).dtype


def test_results_share_no_memory():
    x = X.copy()
    same = checkpoint(lambda x: x)(x)
    same[:] = 0.0
    assert np.array_equal(x, X)


def test_a_pullback_stays_right_when_arguments_change():
    x = X.copy()
    _, pull = vjp(checkpoint(lambda x: np.sum(np.sin(x))), x)
    x[:] = 100.0
    np.testing.assert_allclose(pull(1.0)[0], np.cos(X))


def test_wrong_use():
    with pytest.raises(TypeError, match=r"checkpoint: a policy must be a function.*got 'dots'"):
        checkpoint(layer, policy="dots")
    with pytest.raises(TypeError, match="checkpoint: the first argument must be a function; got int"):
        checkpoint(3)
    with pytest.raises(TypeError, match="checkpoint_name: a name must be a string; got int"):
        checkpoint_name(X, 3)
    for make in ("save_only_these_names", "save_any_names_but_these", "save_anything_except_these_names"):
        with pytest.raises(TypeError, match=f"{make}: a name must be a string; got list"):
            getattr(checkpoint_policies, make)(["h"])
    with pytest.raises(TypeError, match="save_from_both_policies: a policy must be a function"):
        checkpoint_policies.save_from_both_policies(checkpoint_policies.dots_saveable, None)
    with pytest.raises(TypeError, match=r"checkpoint\(<lambda>\).*str at output\[0\]"):
        checkpoint(lambda x: ["a", x])(1.0)
    with pytest.raises(TypeError, match=r"got an array of dtype <U1 at argument\[0\]\['a'\]\."):
        checkpoint(lambda x: x)({"a": np.array(["text"])[:, None].astype("<U1")})
    for levels in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="checkpointed_scan: levels must be a positive integer or None"):
            checkpointed_scan(lambda c, _: (c, None), 1.0, length=3, levels=levels)


# -- Python's own control flow inside --------------------------------------------------------------


def branching(x):
    if x > 0:
        return np.sin(x)
    return x * x * x


def late(x):
    y = x * 2
    if np.sum(y) > 0:
        return np.sum(np.sin(y))
    return np.sum(y * y * y)


POINTS = (1.0, -1.0, 2.0, -2.0, 1.5)


@pytest.mark.parametrize("function", [branching, late])
@pytest.mark.parametrize(
    "word",
    [
        lambda f: f,
        grad,
        lambda f: jit(f),
        lambda f: jit(grad(f)),
        lambda f: grad(jit(f)),
        lambda f: jit(jit(f)),
        lambda f: jit(grad(jit(f))),
        lambda f: grad(grad(f)),
        lambda f: jit(grad(grad(f))),
        lambda f: jit(grad(lambda x: np.sum(vmap(lambda y: y * f(x))(np.ones(3))))),
        lambda f: jit(grad(lambda x: scan(lambda c, _: (c * f(x), None), 1.0, length=2)[0])),
        lambda f: jit(grad(lambda x: f(x) * cond(x > 0, np.sin, np.cos, x))),
    ],
    ids=lambda word: "",
)
def test_both_branches_are_right_under_every_word(function, word):
    for depth in (1, 2):
        kept = function
        for _ in range(depth):
            kept = checkpoint(kept)
        compiled, plain = word(kept), word(function)
        for x in POINTS * 2:
            np.testing.assert_allclose(compiled(x), plain(x), rtol=1e-12)


def test_a_branch_taken_many_times():
    backward = grad(checkpoint(late))
    for i in range(60):  # more often than a derivative is interpreted
        x = np.full(3, (-1.0) ** i * (1 + i))
        np.testing.assert_allclose(backward(x), grad(late)(x), rtol=1e-12)


def test_a_python_loop_inside():
    def f(x):
        while x < 10.0:
            x = x * x
        return x

    g = jit(grad(checkpoint(f)))
    assert [g(x) for x in (3.0, 20.0, 1.5, 3.0)] == [grad(f)(x) for x in (3.0, 20.0, 1.5, 3.0)]


def test_vmap_cannot_branch():
    with pytest.raises(autotrace.errors.TracerBoolConversionError, match=r"test_checkpoint.py:\d+"):
        vmap(checkpoint(branching))(np.array(POINTS))


def test_threads():
    compiled = jit(grad(checkpoint(late)))
    results = {}

    def work(i):
        x = np.full(3, float(i - 4))
        results[i] = [compiled(x) for _ in range(30)][-1]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(8):
        np.testing.assert_allclose(results[i], grad(late)(np.full(3, float(i - 4))), rtol=1e-12)


# -- what is kept, and what is computed again ------------------------------------------------------


def test_the_gradient_computes_again():
    f = lambda x: np.sum(np.sin(np.exp(x)))  # noqa: E731
    plain, kept = (make_jaxpr(value_and_grad(g))(X) for g in (f, checkpoint(f)))
    assert count(plain, "exp") == 1
    assert count(kept, "exp") == 2  # once forward, once more on the way back
    optimized = jit(value_and_grad(checkpoint(f))).lower(X).jaxpr
    assert count(optimized, "exp") == 2  # no pass merges the two
    assert count(make_jaxpr(grad(checkpoint(f)))(X), "exp") == 1  # the first is for the value, which nobody wants


def test_a_policy_says_what_is_not_computed_again():
    def products(policy):
        jaxpr = make_jaxpr(value_and_grad(checkpoint(layer, policy=policy)))(W, X)
        return count(jaxpr, "einsum"), count(jaxpr, "sin")

    plain = make_jaxpr(value_and_grad(layer))(W, X)
    forward, sines = count(plain, "einsum"), count(plain, "sin")
    assert products(None) == products(POLICIES["nothing"]) == (forward + 1, sines + 1)
    assert products(POLICIES["dots"])[0] == forward
    assert products(POLICIES["everything"]) == (forward, sines)
    assert products(POLICIES["these"])[1] <= products(None)[1]


def origins(function, *args, **kwargs):
    return [r.origin.split(" at ")[0] for r in saved_residuals(function, *args, **kwargs)]


def test_what_policies_keep():
    def kept(name):
        return origins(checkpoint(layer, policy=POLICIES[name]), W, X)[2:]

    assert origins(checkpoint(layer), W, X) == ["argument[0]", "argument[1]"]
    assert kept("nothing") == kept("others") == []
    assert kept("dots") == kept("plain dots") == ["einsum"]
    assert kept("these") == ["name 'h'"]
    assert kept("both") == ["einsum", "name 'h'"]
    assert kept("everything") == kept("anything") == origins(layer, W, X)[2:]


def test_batches_of_matrices_are_no_plain_dots():
    def f(x):
        return np.sum(np.sin(x @ x) ** 2)

    stack = np.ones((5, 2, 2))
    assert "einsum" in origins(checkpoint(f, policy=POLICIES["dots"]), stack)
    assert "einsum" not in origins(checkpoint(f, policy=POLICIES["plain dots"]), stack)
    assert "einsum" in origins(checkpoint(f, policy=POLICIES["plain dots"]), stack[0])


def test_a_name_changes_nothing_else():
    named = lambda x: checkpoint_name({"a": np.sin(x), "none": None}, "n")["a"]  # noqa: E731
    for transform in (lambda f: f, grad, lambda f: grad(grad(f)), lambda f: jit(grad(f))):
        assert transform(named)(0.5) == transform(np.sin)(0.5)
    assert np.array_equal(vmap(named)(X), np.sin(X))


def test_residuals_have_type_bytes_and_line():
    def f(x):
        y = np.sin(x)
        return np.sum(y * y * 3.0)

    line = f.__code__.co_firstlineno + 1
    residuals = saved_residuals(f, np.ones((2, 5), np.float32))
    assert all(r.nbytes == 40 and str(r.aval) == "f32[2,5]" for r in residuals)
    assert any(f"cos at test_checkpoint.py:{line} (" in r.origin for r in residuals)


def test_residuals_of_arguments_are_named_by_path():
    def f(params, *, x):
        return np.sum(params["w"][0] * x)

    assert sorted(origins(f, {"w": [X, 1.0]}, x=X)) == ["argument['x']", "argument[0]['w'][0]"]
    assert origins(lambda x: np.sum(x * X), X) == ["a constant"]


def test_residuals_of_a_loop_are_one_with_all_its_bytes():
    def step(c, _):
        return np.sin(c), None

    line = step.__code__.co_firstlineno + 1
    plain = saved_residuals(lambda c: np.sum(scan(step, c, length=10)[0]), X)
    assert [r.nbytes for r in plain] == [10 * X.nbytes]
    assert f"cos at test_checkpoint.py:{line} (" in plain[0].origin
    assert "in a loop" in plain[0].origin
    kept = saved_residuals(lambda c: np.sum(scan(checkpoint(step), c, length=10)[0]), X)
    assert [(r.nbytes, r.origin.split(" at ")[0]) for r in kept] == [(10 * X.nbytes, "the carry of scan")]


def test_residuals_need_no_arrays(capsys):
    shape = ShapeDtypeStruct((1_000_000, 1_000), float)
    print_saved_residuals(checkpoint(lambda x: np.sum(np.sin(x))), shape)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["f64[1000000,1000]", "8,000,000,000", "bytes", "argument[0]"]
    assert printed[1].split() == ["8,000,000,000", "bytes", "in", "all"]


def test_residuals_of_a_branch_are_those_of_the_path_taken():
    assert origins(branching, 1.0) == ["cos"]
    assert len(origins(branching, -1.0)) == 2


def test_residuals_refuse_what_is_no_function():
    with pytest.raises(TypeError, match="saved_residuals: the first argument must be a function"):
        saved_residuals(3.0, 1.0)


# -- long loops ------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1, 2, 3, 5, None])
@pytest.mark.parametrize("length", [0, 1, 2, 7, 30, 101])
@pytest.mark.parametrize("reverse", [False, True])
def test_checkpointed_scan_is_scan(levels, length, reverse):
    xs = {"x": RANDOM.standard_normal((length, 3)), "n": np.arange(length)}

    def step(carry, row):
        total, product = carry
        new = (np.sin(total) + row["x"] * row["n"], product * np.cos(total[0]))
        return new, (total[0] * row["x"], None)

    def through(loop, options):
        def f(init, xs):
            carry, (ys, _) = loop(step, init, xs, reverse=reverse, **options)
            return carry, ys

        return f

    init = (np.array([0.1, 0.2, 0.3]), 1.5)
    kept, plain = through(checkpointed_scan, {"levels": levels}), through(scan, {})
    scalar = lambda f: lambda x: sum(np.sum(y) for y in autotrace.tree.tree_leaves(f(init, {**xs, "x": x})))  # noqa: E731
    for got, expected in zip(
        autotrace.tree.tree_leaves(kept(init, xs)), autotrace.tree.tree_leaves(plain(init, xs)), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-12)
    np.testing.assert_allclose(grad(scalar(kept))(xs["x"]), grad(scalar(plain))(xs["x"]), rtol=1e-9, atol=1e-12)


def test_checkpointed_scan_under_transforms():
    def through(loop):
        return lambda c: loop(lambda c, _: (np.sin(c) * 1.1, c), c, length=50)[0]

    kept, plain = through(checkpointed_scan), through(scan)
    for transform in (
        lambda f: vmap(grad(f)),
        lambda f: jit(vmap(grad(f))),
        lambda f: vmap(grad(grad(f))),
        lambda f: vmap(lambda x: jvp(f, (x,), (1.0,))),
    ):
        np.testing.assert_allclose(transform(kept)(X[0]), transform(plain)(X[0]), rtol=1e-10)


@pytest.mark.parametrize(("levels", "most"), [(2, 2 * 20 + 2), (3, 3 * 8 + 3), (None, 3 * 7)])
def test_checkpointed_scan_keeps_little(levels, most):
    """Of 400 carries: about n ** (1 / levels) at a time, at each level."""
    length, kept = 400, []

    def loop(c):
        return np.sum(checkpointed_scan(lambda c, _: (np.sin(c), None), c, length=length, levels=levels)[0])

    outer = saved_residuals(loop, X[0])
    kept = sum(r.nbytes for r in outer) / X[0].nbytes
    assert kept <= most
    plain = sum(
        r.nbytes for r in saved_residuals(lambda c: scan(lambda c, _: (np.sin(c), None), c, length=length)[0], X[0])
    )
    assert plain == length * X[0].nbytes
