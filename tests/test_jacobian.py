"""jacobian: every mode gives what jacrev gives, the plan is the cheap one, and what cannot be had is said."""

import importlib
import re

import numpy as np
import pytest
import scipy.sparse

import autotrace as at
from autotrace import grad, jacfwd, jacobian, jacrev, jit, jvp, vmap
from autotrace.transforms.waist import bracketing
from autotrace.tree import tree_leaves
from tests import catalogue
from tests.laws import Problem, assert_same, quiet

MODES = ("auto", "forward", "reverse", "mixed", "elimination", "sparse")
RNG = np.random.default_rng(6)
TALL = RNG.normal(size=(60, 2))
SQUARE = RNG.normal(size=(20, 20)) / 5
DOWN, UP = RNG.normal(size=(2, 20)), RNG.normal(size=(20, 2))
BLOCKS = RNG.normal(size=(5, 4, 4))
CHAIN = [RNG.normal(size=shape) / 4 for shape in ((6, 30), (25, 6), (4, 25), (18, 4), (30, 18))]


def tridiagonal(x):
    return np.concatenate([x[:1] ** 2 - x[1:2], x[:-2] - 2 * x[1:-1] ** 2 + np.sin(x[2:]), x[-1:] * x[-2:-1]])


def arrow(x):
    return np.concatenate([np.sum(x * x, keepdims=True), x[1:] ** 2 + x[0]])


def waist(x):
    return SQUARE @ np.tanh(UP @ np.tanh(DOWN @ np.tanh(SQUARE @ x)))


def chain(x):
    for matrix in CHAIN:
        x = np.tanh(matrix @ x)
    return x


def scalars(x):
    a = x[0] * x[1]
    b = np.sin(a) + x[2]
    c = np.exp(b) * a
    return np.stack([c * a, b / (1 + c * c), x[3] * c, a, x[2]])


PROBLEMS = {
    "tall": (lambda x: np.tanh(TALL @ x), np.array([0.3, -0.2]), "forward"),
    "wide": (lambda x: np.tanh(TALL.T @ x), RNG.normal(size=60), "reverse"),
    "dense": (lambda x: np.tanh(SQUARE @ x), RNG.normal(size=20), None),
    "waist": (waist, RNG.normal(size=20), "mixed"),
    "chain": (chain, RNG.normal(size=30), "mixed"),
    "tridiagonal": (tridiagonal, RNG.normal(size=200), "sparse"),
    "arrow": (arrow, RNG.normal(size=200), "sparse"),
    "blocks": (
        lambda x: np.tanh(np.einsum("bij,bj->bi", BLOCKS, x.reshape(5, 4))).ravel(),
        RNG.normal(size=20),
        None,
    ),
    "scalars": (scalars, np.array([0.3, 0.5, -0.2, 1.1]), "elimination"),
    "vmapped": (vmap(lambda x: x * np.sum(x)), RNG.normal(size=(30, 3)), "sparse"),
    "scalar": (np.sin, 0.5, None),
    "empty": (np.sin, np.zeros(0), None),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_mode_gives_what_jacrev_gives(name, mode):
    f, x, best = PROBLEMS[name]
    expected = jacrev(f)(x)
    function = jacobian(f, mode=mode)
    try:
        got = function(x)
    except ValueError as error:
        assert "cannot" in str(error)
        assert mode not in ("auto", "forward", "reverse", best)
        return
    assert_same(got, expected, mode)
    assert_same(jit(function)(x), expected, f"jit {mode}")
    assert_same(function(x), expected, f"{mode} again")
    assert_same(function(x + 0.25), jacrev(f)(x + 0.25), f"{mode} elsewhere")


@pytest.mark.parametrize("name", [name for name, (_, _, best) in PROBLEMS.items() if best])
def test_auto_takes_the_cheap_one(name):
    f, x, best = PROBLEMS[name]
    assert jacobian(f).plan(x).mode == best


@pytest.mark.parametrize("case", catalogue.all_cases(), ids=lambda case: case.id)
def test_all_modes_on_the_catalogue(case):
    if not case.differentiable or {"transpose", "value"} & set(case.skip):
        return
    problem = Problem(case)
    point = [np.asarray(x) for x in problem.point]
    if not point or any(x.dtype.kind == "c" or not np.all(np.isfinite(x)) for x in point):
        return  # where a partial derivative is NaN, so is its product with the zeros of a direction
    with quiet():

        def f(*leaves):
            return [y for y in problem.at(*leaves) if at.eval_shape(lambda v: v, y).dtype.kind == "f"]

        everything = tuple(range(len(point)))
        if not tree_leaves(f(*point)):
            return
        expected = jacrev(f, argnums=everything)(*point)
        for mode in MODES:
            try:
                got = jacobian(f, argnums=everything, mode=mode)(*point)
            except ValueError as error:
                if "cannot" not in str(error):
                    raise
                continue
            assert_same(got, expected, f"{case.id} {mode}", max(problem.exact, 1e-11))


# -- trees, conventions, composition ---------------------------------------------------------------


def test_blocks_are_those_of_jacrev():
    def f(tree, y):
        return {"u": np.sin(tree["a"]) * tree["b"] + y, "v": tree["a"][0] * tree["n"]}

    tree = {"a": RNG.normal(size=(3,)), "b": 2.0, "n": 3}
    for argnums in (0, 1, (0, 1), (1,)):
        assert_same(jacobian(f, argnums=argnums)(tree, 1.5), jacrev(f, argnums=argnums)(tree, 1.5), str(argnums))
    assert_same(jacobian(f, argnames="y")(tree, y=1.5), jacrev(f, argnames="y")(tree, y=1.5), "argnames")
    assert_same(jacobian(f, mode="sparse")(tree, 1.5), jacrev(f)(tree, 1.5), "sparse")


def test_aux_is_passed_on():
    value, aux = jacobian(lambda x: (x**2, ("told", x.sum())), has_aux=True)(np.array([1.0, 2.0]))
    assert np.array_equal(value, [[2.0, 0.0], [0.0, 4.0]])
    assert aux == ("told", 3.0)


def test_complex_conventions():
    z = np.array([1 + 2j, 0.5j])
    assert_same(jacobian(lambda z: z**2, holomorphic=True)(z), jacrev(lambda z: z**2, holomorphic=True)(z), "C to C")
    assert_same(jacobian(lambda z: np.abs(z) ** 2)(z), jacrev(lambda z: np.abs(z) ** 2)(z), "C to R")
    assert_same(jacobian(lambda x: x * 1j)(z.real), jacfwd(lambda x: x * 1j)(z.real), "R to C")


def test_composes_with_other_transforms():
    x, v = RNG.normal(size=20), RNG.normal(size=20)
    for f in (waist, tridiagonal):
        assert_same(vmap(jacobian(f))(np.stack([x, v])), np.stack([jacrev(f)(x), jacrev(f)(v)]), "vmap of it")
        assert_same(jacobian(vmap(f))(np.stack([x, v])), jacrev(vmap(f))(np.stack([x, v])), "it of vmap")
        assert_same(
            grad(lambda x, f=f: np.sum(jacobian(f)(x) ** 2))(x),
            grad(lambda x, f=f: np.sum(jacrev(f)(x) ** 2))(x),
            "grad",
        )
        assert_same(jvp(jacobian(f), (x,), (v,))[1], jvp(jacrev(f), (x,), (v,))[1], "jvp")
        assert_same(jacobian(jacobian(f))(x), jacrev(jacrev(f))(x), "twice")
        assert_same(jacobian(jit(f))(x), jacrev(f)(x), "it of jit")
        assert_same(jit(vmap(jacobian(f)))(np.stack([x, v])), np.stack([jacrev(f)(x), jacrev(f)(v)]), "jit vmap")
    scale = jit(lambda s, x: np.sum(jacobian(lambda y: s * tridiagonal(y))(x)))
    assert np.isclose(grad(scale)(2.0, x), np.sum(jacrev(tridiagonal)(x)))


def test_a_captured_array_is_not_stale():
    outs = [jacobian(lambda x, k=k: np.sin(x) * np.arange(1.0, 4.0) * k)(np.zeros(3)) for k in (1.5, 2.5)]
    assert np.allclose(outs[1] / 2.5, outs[0] / 1.5, equal_nan=True)
    index = [np.array([0, 1, 2, 3]), np.array([3, 2, 1, 0])]
    for order in index:
        expected = jacrev(lambda x, i=order: x[i] ** 2)(np.arange(4.0))
        assert_same(jacobian(lambda x, i=order: x[i] ** 2, mode="sparse")(np.arange(4.0)), expected, "index")


def test_results_are_the_callers_own():
    f = jacobian(lambda x: 2.0 * x)
    first = f(np.zeros(3))
    first[:] = 7.0
    assert np.array_equal(f(np.zeros(3)), 2 * np.eye(3))


# -- sparse ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["coo", "csr"])
@pytest.mark.parametrize("mode", MODES[:4] + MODES[5:])
def test_sparse_results(mode, format):
    f, x, _ = PROBLEMS["waist" if mode == "mixed" else "tridiagonal"]
    got = jacobian(f, mode=mode, format=format)(x)
    assert isinstance(got, getattr(scipy.sparse, f"{format}_array"))
    assert_same(got.toarray(), jacrev(f)(x), mode)
    traced = jit(jacobian(f, mode=mode, format=format))(x)
    assert isinstance(traced, at.Triplets)
    assert_same(traced.toarray(), jacrev(f)(x), mode)
    assert_same(traced.tocoo().toarray(), jacrev(f)(x), mode)


def test_sparse_blocks_of_trees():
    def f(t):
        return {"u": tridiagonal(t["a"]), "v": t["b"].ravel() ** 2}

    t = {"a": RNG.normal(size=8), "b": RNG.normal(size=(2, 3))}
    got, expected = jacobian(f, format="csr")(t), jacrev(f)(t)
    assert_same(got["u"]["a"].toarray(), expected["u"]["a"], "u, a")
    assert got["u"]["b"].shape == (8, 6)
    assert got["u"]["b"].nnz == 0
    assert_same(got["v"]["b"].toarray(), expected["v"]["b"].reshape(6, 6), "v, b")


def test_without_scipy_a_sparse_result_is_triplets(monkeypatch):
    real = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module", lambda name: real("no_such_module" if name == "scipy.sparse" else name)
    )
    got = jacobian(tridiagonal, format="csr")(np.arange(5.0))
    assert isinstance(got, at.Triplets)
    assert got.data.shape == got.rows.shape == got.cols.shape == (13,)
    assert "13 entries" in repr(got)


def test_a_constant_jacobian_in_a_trace_is_triplets():
    got = jit(jacobian(lambda x: 2.0 * x, format="coo"))(np.ones(5))
    assert isinstance(got, at.Triplets)
    assert np.array_equal(got.toarray(), 2 * np.eye(5))


def test_few_colours():
    x = RNG.normal(size=10_000)
    plan = jacobian(tridiagonal, format="csr").plan(x)
    assert plan.coloring.columns + plan.coloring.rows == 3
    plan = jacobian(arrow, format="csr").plan(x)
    assert (plan.mode, plan.coloring.columns + plan.coloring.rows) == ("sparse", 3)


@pytest.mark.parametrize("make", [lambda p: p, lambda p: p.toarray(), lambda p: scipy.sparse.csr_array(p.toarray())])
def test_a_pattern_by_hand(make):
    x = RNG.normal(size=12)
    pattern = at.sparsity_pattern(tridiagonal)(x)
    f = jacobian(tridiagonal, sparsity=make(pattern), mode="sparse", check_sparsity=True)
    assert_same(f(x), jacrev(tridiagonal)(x), "by hand")


# -- plans -----------------------------------------------------------------------------------------


def test_a_plan_is_used_again():
    x = RNG.normal(size=20)
    plan = jacobian(waist).plan(x)
    assert_same(plan(x + 1), jacrev(waist)(x + 1), "plan")
    assert_same(jacobian(waist, mode=plan)(x + 1), jacrev(waist)(x + 1), "mode=plan")
    assert plan.shape == (20, 20)
    assert repr(plan) == "<Plan of waist: mixed>"
    assert str(plan) == plan.explain()


def test_a_plan_of_another_program_is_refused():
    plan = jacobian(waist).plan(np.ones(20))
    message = (
        "jacobian: a plan serves arguments of the shapes and the path that it was made for; got another program of "
        "tridiagonal. Make a plan for these arguments."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        jacobian(tridiagonal, mode=plan)(np.ones(20))


def test_explain_shows_every_mode():
    text = jacobian(waist).explain(RNG.normal(size=20), measure=True)
    lines = text.splitlines()
    assert lines[0] == "jacobian of waist: R^20 -> R^20"
    assert [line.split()[0] for line in lines[1:8]] == ["mode", "(value)", *MODES[1:]]
    assert "measured" in lines[1]
    assert sum("<- chosen" in line for line in lines) == 1
    assert "R^20 -> R^2 -> R^20" in text
    assert lines[8].startswith("mixed: R^20 -> R^2 -> R^20; ")


def test_explain_tells_of_paths():
    def f(x):
        return x**2 if x[0] > 0 else x

    assert "the path that was taken" in jacobian(f).explain(np.ones(5))
    for x in (np.ones(5), -np.ones(5), 3 * np.ones(5)):
        assert_same(jacobian(f)(x), jacrev(f)(x), "paths")
        assert_same(jit(jacobian(f, mode="sparse"))(x), jacrev(f)(x), "paths")


def test_long_programs_are_priced_from_one_direction():
    def narrowing(x):
        for _ in range(200):
            x = np.sin(x) * 1.01
        x = UP @ (DOWN @ x)
        for _ in range(200):
            x = np.cos(x) + 0.5
        return x

    x = RNG.normal(size=20)
    plan = jacobian(narrowing).plan(x)
    assert plan.mode == "mixed"
    assert_same(plan(x), jacrev(narrowing)(x), "long")


def test_the_cheapest_bracketing_is_that_of_the_matrix_chain():
    sizes = [10, 100, 5, 50]
    never = 1e9
    pieces = {(0, 1), (1, 2), (2, 3)}
    found = bracketing(
        sizes,
        lambda i, j, k: 0.0 if (i, j) in pieces and k == sizes[i] else never,
        lambda i, j, k: never,
        lambda a, b, c: float(a * b * c),
    )
    # Leftmost multiplication first costs 10 * 100 * 5 + 10 * 5 * 50 = 7500, the other order 75000.
    assert (found.seconds, found.split) == (7500.0, 2)


# -- what cannot be had ----------------------------------------------------------------------------

BAD = {
    "mode": (
        lambda: jacobian(np.sin, mode="fast"),
        ValueError,
        "jacobian: mode must be one of auto, forward, reverse, mixed, elimination, sparse, or a plan; got 'fast'. "
        "Use 'auto'.",
    ),
    "format": (
        lambda: jacobian(np.sin, format="bsr"),
        ValueError,
        "jacobian: format must be one of dense, coo, csr; got 'bsr'. Use 'dense'.",
    ),
    "sparsity": (
        lambda: jacobian(np.sin, sparsity="band"),
        ValueError,
        "jacobian: sparsity must be 'auto', None, a Pattern or a matrix; got 'band'. Give a boolean matrix.",
    ),
    "shape of the pattern": (
        lambda: jacobian(np.sin, sparsity=np.eye(2, dtype=bool), mode="sparse")(np.ones(3)),
        ValueError,
        "jacobian: sparsity must have the shape of the whole Jacobian, (3, 3); got (2, 2). Give a row for each "
        "number of "
        "the output and a column for each of the argument.",
    ),
    "a missing entry": (
        lambda: jacobian(np.cumsum, sparsity=np.eye(3, dtype=bool), mode="sparse", check_sparsity=True)(np.ones(3)),
        ValueError,
        "jacobian: with check_sparsity=True the pattern must have every entry that may be nonzero; got one of 3 "
        "entries "
        "that lacks 3, the first at row 1, column 0. Use sparsity_pattern(cumsum).",
    ),
    "no waist": (
        lambda: jacobian(np.sin, mode="mixed")(np.ones(3)),
        ValueError,
        "jacobian: mode 'mixed' must be one that can be had; got a function for which it cannot: no cut is "
        "narrower than "
        "both the inputs and the outputs. Use mode='auto'.",
    ),
    "no scalars": (
        lambda: jacobian(np.sin, mode="elimination")(np.ones(3)),
        ValueError,
        "jacobian: mode 'elimination' must be one that can be had; got a function for which it cannot: not a "
        "program of "
        "scalars. Use mode='auto'.",
    ),
    "integers in": (
        lambda: jacobian(np.sin)(3),
        TypeError,
        "jacobian: arguments to differentiate must be of floating-point or complex dtype; got i64[]. Pass a float "
        "(3.0 for 3).",
    ),
    "integers out": (
        lambda: jacobian(np.argsort)(np.ones(3)),
        TypeError,
        "jacobian: outputs must be floating-point arrays; got i64[3]. Return floats, or pass what is not "
        "differentiated "
        "through has_aux.",
    ),
    "text out": (
        lambda: jacobian(lambda x: "no")(np.ones(3)),
        TypeError,
        "jacobian(<lambda>): a traced function must return arrays and numbers, or trees of them; got str at output. "
        "Return it through has_aux where that is offered, or drop it.",
    ),
    "no function": (
        lambda: jacobian(3.0),
        TypeError,
        "jacobian: the first argument must be a function; got float. Write jacobian(f)(x) rather than jacobian(f(x)).",
    ),
    "complex both ways": (
        lambda: jacobian(lambda z: z * z)(np.ones(2, complex)),
        TypeError,
        "jacobian: a real function of complex arguments needs reverse mode, a complex one of real arguments "
        "forward mode; "
        "got c128[2] to c128[2], which needs both. Pass holomorphic=True, or split real and imaginary parts.",
    ),
    "forward of complex arguments": (
        lambda: jacobian(lambda z: np.abs(z), mode="forward")(np.ones(2, complex)),
        ValueError,
        "jacobian: mode 'forward' must be one that can be had; got a function for which it cannot: complex arguments "
        "without holomorphic=True. Use mode='auto'.",
    ),
    "holomorphic of reals": (
        lambda: jacobian(np.sin, holomorphic=True)(np.ones(2)),
        TypeError,
        "jacobian: with holomorphic=True arguments must be complex; got f64[2]. Pass complex arguments, or drop "
        "holomorphic.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    call, kind, message = BAD[name]
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == message


def test_serves_as_decorator_and_method():
    @jacobian(mode="forward")
    def f(x):
        """Square."""
        return x**2

    assert f.__doc__ == "Square."
    assert np.array_equal(f(np.ones(2)), 2 * np.eye(2))

    class Model:
        scale = 3.0

        @jacobian
        def response(self, x):
            return self.scale * x

    assert np.array_equal(Model().response(np.ones(2)), 3 * np.eye(2))
    assert "R^2 -> R^2" in Model().response.explain(np.ones(2))


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse", "sparse"])
@pytest.mark.parametrize("outer", [lambda f: f, lambda f: vmap(f)], ids=["plain", "vmap"])
def test_a_declared_pattern_is_checked_whether_it_is_used_or_not(mode, outer):
    x = np.arange(1.0, 4.0)
    x = x if outer(np.sin) is np.sin else np.stack([x, x])
    diagonal = np.eye(3, dtype=bool)
    right = outer(jacobian(np.sin, sparsity=diagonal, mode=mode, check_sparsity=True))(x)
    assert np.allclose(right, np.cos(x)[..., None] * np.eye(3))
    with pytest.raises(ValueError, match=r"got one of 3 entries that lacks 6, the first at row 0, column 1\. Use"):
        outer(jacobian(lambda x: x * np.sum(x), sparsity=diagonal, mode=mode, check_sparsity=True))(x)
