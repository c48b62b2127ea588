"""Implicit derivatives: custom_linear_solve, custom_root, dense_solve, fixed_point, and autotrace.scipy's solvers."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from autotrace import (
    check_jaxpr,
    checkpoint,
    cond,
    cost,
    custom_linear_solve,
    custom_root,
    debug,
    dense_solve,
    fixed_point,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jet,
    jit,
    jvp,
    linear_transpose,
    linearize,
    make_jaxpr,
    scan,
    sparsity_pattern,
    stop_gradient,
    taylor,
    vjp,
    vmap,
    while_loop,
)
from autotrace.errors import ConvergenceError, MissingRuleError
from autotrace.scipy.optimize import OptimizeResult, minimize, root
from autotrace.scipy.sparse.linalg import bicgstab, cg, gmres
from autotrace.test_util import check_grads
from autotrace.tree import tree_leaves, tree_map
from tests.messages import message_of

RNG = np.random.default_rng(20)
N = 5
GENERAL = RNG.normal(size=(N, N)) + 5 * np.eye(N)
POSITIVE = GENERAL @ GENERAL.T
RIGHT = RNG.normal(size=N)


def message(run: Callable[[], Any], kind: type[Exception]) -> str:
    """The words of the error that a call raises, without the place."""
    with pytest.raises(kind) as caught:
        run()
    text = message_of(caught.value)
    start, _, rest = text.partition(f" at {__file__}:")
    return start + rest.lstrip("0123456789") if rest else text


def newton(f: Any, x: Any) -> Any:
    """Newton's method for one number."""
    return while_loop(lambda x: np.abs(f(x)) > 1e-14 * np.abs(x), lambda x: x - f(x) / grad(f)(x), x)


def rooted(tangent_solve: Any) -> Callable[[Any], Any]:
    def square_root(a: Any) -> Any:
        def steps(f: Any, x: Any) -> Any:
            return scan(lambda x, _: (x - f(x) / (2 * x), None), x, length=9)[0]

        return custom_root(lambda x: x * x - a, 1.5, steps, tangent_solve)

    return square_root


# Nine ways to the square root of a number: each function is a -> sqrt(a).
SQUARE_ROOTS: dict[str, Callable[[Any], Any]] = {
    "custom_root": rooted(lambda g, y: y / g(1.0)),
    "custom_root, dense": rooted(dense_solve),
    "custom_linear_solve": lambda a: custom_linear_solve(
        lambda v: v * a, a * np.sqrt(a), lambda _, b: b / a, symmetric=True
    ),
    "custom_linear_solve of its map": lambda a: custom_linear_solve(
        lambda v: v / np.sqrt(a), 1.0, dense_solve, dense_solve
    ),
    "fixed_point": lambda a: fixed_point(lambda x, a: 0.5 * (x + a / x), 1.0, a),
    "cg": lambda a: cg(lambda v: v / np.sqrt(a), np.ones(2), rtol=1e-13)[0][1],
    "gmres": lambda a: gmres(lambda v: v / np.sqrt(a), np.ones(2), rtol=1e-13)[0][1],
    "bicgstab": lambda a: bicgstab(lambda v: v / np.sqrt(a), np.ones(2), rtol=1e-13)[0][1],
    "minimize": lambda a: minimize(lambda x, a: x**3 / 3 - a * x, 3.0, args=(a,), tol=1e-12).x,
    "minimize, L-BFGS-B": lambda a: minimize(lambda x: x**3 / 3 - a * x, 3.0, method="L-BFGS-B", tol=1e-12).x,
    "minimize, Newton-CG": lambda a: minimize(lambda x: x**3 / 3 - a * x, 3.0, method="Newton-CG", tol=1e-12).x,
    "root": lambda a: root(lambda x: x * x - a, 1.0).x,
    "root, krylov": lambda a: root(lambda x, a: x * x - a, 1.0, (a,), method="krylov").x,
}
everyone = pytest.mark.parametrize("name", SQUARE_ROOTS)


def forwards(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda a: jvp(f, (a,), (1.0,))[1]


def mapped(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """f of one number, through a batch."""
    return lambda a: vmap(f)(np.stack([2.0 * a, a]))[1]


WORDS = {"jvp": forwards, "grad": grad, "jacfwd": jacfwd, "jacrev": jacrev, "vmap": mapped, "jit": jit}
SLOPES = {"jvp", "grad", "jacfwd", "jacrev"}


@everyone
def test_words_of_transforms_on_square_roots(name: str) -> None:
    f, a = SQUARE_ROOTS[name], 3.0
    exact = [a**0.5, 0.5 * a**-0.5, -0.25 * a**-1.5]
    assert np.allclose(f(a), exact[0], rtol=1e-12)
    for words in product(WORDS, repeat=2):
        g = f
        for word in words:
            g = WORDS[word](g)
        order = sum(word in SLOPES for word in words)
        assert np.allclose(g(a), exact[order], rtol=1e-9), words


@everyone
def test_three_words(name: str) -> None:
    f, a = SQUARE_ROOTS[name], 3.0
    words: list[tuple[str, ...]] = [
        ("vmap", "grad", "jvp"),
        ("grad", "vmap", "grad"),
        ("jit", "jacrev", "vmap"),
        ("vmap", "vmap", "grad"),
    ]
    exact = [a**0.5, 0.5 * a**-0.5, -0.25 * a**-1.5]
    for word in words:
        g = f
        for one in word:
            g = WORDS[one](g)
        assert np.allclose(g(a), exact[sum(one in SLOPES for one in word)], rtol=1e-9), word
    assert np.allclose(hessian(f)(a), exact[2], rtol=1e-9)
    assert np.allclose(grad(grad(grad(f)))(a), 0.375 * a**-2.5, rtol=1e-8)


@everyone
def test_series_loops_and_programs(name: str) -> None:
    f = SQUARE_ROOTS[name]
    assert np.allclose(taylor(f, 4.0, 3), [2, 1 / 4, -1 / 64, 1 / 512], rtol=1e-9)
    assert np.allclose(jet(f, (4.0,), ((1.0, 0.0),))[1], [1 / 4, -1 / 32], rtol=1e-9)
    assert np.isclose(linearize(f, 4.0)[1](2.0), 0.5)
    assert np.isclose(vjp(f, 4.0)[1](2.0)[0], 0.5)
    assert np.isclose(grad(checkpoint(f))(4.0), 0.25)
    assert np.isclose(grad(lambda a: cond(a > 0, f, lambda a: a, a))(4.0), 0.25)
    powers = 256.0 ** (1 / 8)  # by three square roots in a loop
    repeated = grad(lambda a: scan(lambda c, _: (f(c), None), a, length=3)[0])
    assert np.isclose(repeated(256.0), powers / 8 / 256, rtol=1e-9)
    repeated = grad(lambda a: while_loop(lambda c: c > 3.0, f, a))
    assert np.isclose(repeated(256.0), powers / 8 / 256, rtol=1e-9)
    for g in (f, grad(f), vmap(f), vmap(grad(f)), jit(grad(f))):
        x = np.array([4.0, 9.0]) if "vmap" in repr(g) else 4.0
        jaxpr = make_jaxpr(g)(x)
        check_jaxpr(jaxpr)
        assert cost(g)(x).flops > 0
        namespace: dict[str, Any] = {}
        exec(jaxpr.to_python(), namespace)
        assert np.allclose(namespace["program"](x), g(x))
    assert sparsity_pattern(vmap(f))(np.array([4.0, 9.0])).toarray().diagonal().all()


def test_a_derivative_costs_no_more_for_more_steps() -> None:
    def flops(steps: int) -> int:
        def f(a: Any) -> Any:
            return custom_root(
                lambda x: x * x - a,
                a,
                lambda f, x: scan(lambda x, _: (0.5 * (x + a / x), None), x, length=steps)[0],
                lambda g, y: y / g(1.0),
            )

        return cost(grad(f))(2.0).flops - cost(f)(2.0).flops

    assert flops(10) == flops(1000)


# -- linear systems --------------------------------------------------------------------------------


def by_numpy(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b)


def symmetric_part(a: Any) -> Any:
    return 0.5 * (a + np.conj(a.T))


LINEAR: dict[str, Callable[[Any, Any], Any]] = {
    "dense": lambda a, b: custom_linear_solve(lambda v: a @ v, b, dense_solve, dense_solve),
    "symmetric": lambda a, b: custom_linear_solve(
        lambda v: symmetric_part(a) @ v, b, lambda _, r: np.linalg.solve(symmetric_part(a), r), symmetric=True
    ),
    "cg": lambda a, b: cg(symmetric_part(a), b, rtol=1e-13)[0],
    "cg, M": lambda a, b: cg(symmetric_part(a), b, M=np.diag(1 / np.diag(POSITIVE)), rtol=1e-13)[0],
    "cg of a function": lambda a, b: cg(lambda v: symmetric_part(a) @ v, b, M=lambda v: 0.1 * v, rtol=1e-13)[0],
    "gmres": lambda a, b: gmres(a, b, rtol=1e-13)[0],
    "gmres, M, x0": lambda a, b: gmres(a, b, np.ones(N), M=np.diag(1 / np.diag(POSITIVE)), rtol=1e-13)[0],
    "gmres, restart": lambda a, b: gmres(a, b, restart=2, rtol=1e-13, maxiter=1000)[0],
    "bicgstab": lambda a, b: bicgstab(lambda v: a @ v, b, rtol=1e-13)[0],
    "bicgstab, atol": lambda a, b: bicgstab(lambda v: a @ v, b, rtol=0.0, atol=1e-12)[0],
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_systems(name: str) -> None:
    f, a = LINEAR[name], POSITIVE if name.startswith(("cg", "sym")) else GENERAL
    exact = (lambda a, b: by_numpy(symmetric_part(a), b)) if name.startswith(("cg", "sym")) else by_numpy
    assert np.allclose(f(a, RIGHT), exact(a, RIGHT), rtol=1e-9)
    for argnums in (0, 1):
        for mode in (jacfwd, jacrev):
            assert np.allclose(mode(f, argnums)(a, RIGHT), jacfwd(exact, argnums)(a, RIGHT), atol=1e-9)
    second = jacfwd(jacrev(exact, 0), 1)(a, RIGHT)
    assert np.allclose(jacrev(jacfwd(f, 0), 1)(a, RIGHT), second, atol=1e-8)
    assert np.allclose(jit(jacrev(jacrev(f, 1), 0))(a, RIGHT), np.moveaxis(second, 3, 1), atol=1e-8)
    check_grads(f, (a, RIGHT), order=2)
    rows = np.stack([RIGHT, -2 * RIGHT, 0 * RIGHT])
    assert np.allclose(vmap(f, (None, 0))(a, rows), [exact(a, row) for row in rows], atol=1e-9)
    maps = np.stack([a, 2 * a])
    got = vmap(grad(lambda a, b: np.sum(f(a, b) ** 2), (0, 1)), (0, None))(maps, RIGHT)
    wanted = vmap(grad(lambda a, b: np.sum(exact(a, b) ** 2), (0, 1)), (0, None))(maps, RIGHT)
    assert all(np.allclose(x, y, atol=1e-9) for x, y in zip(got, wanted, strict=True))
    both = grad(lambda a: np.sum(vmap(vmap(f, (None, 0)), (0, None))(a, rows) ** 2))(maps)
    plain = grad(lambda a: np.sum(vmap(vmap(exact, (None, 0)), (0, None))(a, rows) ** 2))(maps)
    assert np.allclose(both, plain, atol=1e-8)


@pytest.mark.parametrize("name", ["dense", "cg", "cg, M", "gmres", "bicgstab"])
def test_complex_systems(name: str) -> None:
    f = LINEAR[name]
    a = GENERAL + 1j * RNG.normal(size=(N, N))
    a = a @ np.conj(a.T) + np.eye(N) if name.startswith("cg") else a
    exact = (lambda a, b: by_numpy(symmetric_part(a), b)) if name.startswith("cg") else by_numpy
    b = RIGHT + 1j * RNG.normal(size=N)
    assert np.allclose(f(a, b), exact(a, b), rtol=1e-9)
    check_grads(f, (a, b), order=2)
    weights = RNG.normal(size=N)
    got = grad(lambda a, b: np.sum(weights * np.abs(f(a, b))), (0, 1))(a, b)
    wanted = grad(lambda a, b: np.sum(weights * np.abs(exact(a, b))), (0, 1))(a, b)
    assert all(np.allclose(x, y, atol=1e-9) for x, y in zip(got, wanted, strict=True))


@pytest.mark.parametrize("solver", [cg, gmres, bicgstab])
def test_krylov_methods_on_trees_dtypes_and_edges(solver: Any) -> None:
    b = {"u": np.ones(3), "w": (np.array(2.0), np.zeros((0, 2)))}
    x, info = solver(lambda v: tree_map(lambda leaf: 2.0 * leaf, v), b)
    assert info == 0 and np.allclose(x["u"], 0.5) and x["w"][0] == 1.0 and x["w"][1].shape == (0, 2)
    x, info = solver(np.eye(3, dtype="float32"), np.arange(3, dtype="float32"))
    assert x.dtype == np.float32 and info == 0
    assert solver(np.eye(3), np.arange(3))[0].dtype == np.float64
    x, info = solver(np.eye(3, dtype="float32") * 3, np.arange(3.0))  # of what A makes of b
    assert x.dtype == np.float64 and np.allclose(x, np.arange(3.0) / 3, rtol=1e-5)
    assert solver(np.eye(2), np.ones((2, 1)))[0].shape == (2, 1)
    assert solver(np.eye(0), np.zeros(0))[0].shape == (0,)
    x, info = solver(np.eye(2), np.zeros(2), np.ones(2))
    assert info == 0 and np.array_equal(x, np.zeros(2))
    x, info = jit(lambda b: solver(POSITIVE, b, rtol=1e-12))(RIGHT)
    assert np.allclose(x, by_numpy(POSITIVE, RIGHT)) and info == 0
    assert not np.any(grad(lambda x0: np.sum(solver(POSITIVE, RIGHT, x0)[0]))(np.ones(N)))  # where it starts
    if solver is not cg:
        assert np.allclose(solver(lambda v: 1j * v, np.arange(3.0))[0], -1j * np.arange(3))


def test_krylov_methods_meet_the_tolerance_and_say_when_they_do_not() -> None:
    size = 60
    a = RNG.normal(size=(size, size)) / 8 + 2 * np.eye(size)
    s, b = a @ a.T, RNG.normal(size=size)
    for solver, m in ((cg, s), (gmres, a), (bicgstab, a)):
        for rtol in (1e-2, 1e-5, 1e-9):
            x, info = solver(m, b, rtol=rtol)
            assert info == 0
            assert np.linalg.norm(m @ x - b) <= 1.001 * rtol * np.linalg.norm(b)
        x, info = solver(m, b, rtol=1e-12, maxiter=1, **({"restart": 3} if solver is gmres else {}))
        assert info > 0
        assert np.linalg.norm(m @ x - b) > 1e-12 * np.linalg.norm(b)
        exact = np.linalg.solve(m, b)
        assert solver(m, b, exact, rtol=1e-6, maxiter=1)[1] == 0
    steps: list[Any] = []

    def counted(v: Any) -> Any:
        debug.callback(lambda: steps.append(1))
        return s @ v

    cg(counted, b, rtol=1e-8)
    plain = len(steps)
    steps.clear()
    cg(counted, b, rtol=1e-8, M=np.linalg.inv(s))
    assert len(steps) < 6 < plain


def test_krylov_methods_where_they_break_down() -> None:
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert np.allclose(gmres(turn, np.ones(2))[0], [-1.0, 1.0])
    assert cg(np.diag([1.0, -1.0]), np.ones(2))[1] == -1
    assert bicgstab(turn, np.ones(2))[1] < 0
    singular = np.diag([1.0, 1.0, 0.0])
    for solver in (cg, gmres, bicgstab):
        assert solver(singular, np.ones(3))[1] != 0
        assert solver(np.zeros((2, 2)), np.ones(2))[1] != 0
        x, info = solver(singular, np.array([1.0, 2.0, 0.0]))  # what it can solve it solves
        assert info == 0 and np.allclose(x, [1.0, 2.0, 0.0])


GOOD = np.array([1.0, 1.0, 0.0])


def test_derivatives_of_what_has_not_converged_are_errors() -> None:
    singular = np.diag([1.0, 1.0, 0.0])
    told = (
        "{}: a derivative needs a solution, and solves again; got a residual of 5.77e+04 times its tolerance. "
        "Raise maxiter, give M, or raise rtol."
    )
    for solver in (cg, gmres, bicgstab):
        f = lambda b, solver=solver: solver(singular, b)[0]  # noqa: E731
        assert np.allclose(jvp(f, (GOOD,), (GOOD,))[1], GOOD)
        for run in (
            lambda f=f: jvp(f, (GOOD,), (np.ones(3),)),
            lambda f=f: grad(lambda b: f(b).sum())(GOOD),
            lambda f=f: jit(grad(lambda b: f(b).sum()))(GOOD),
            lambda f=f: vmap(grad(lambda b: f(b).sum()))(np.stack([GOOD, GOOD])),
            lambda f=f: grad(lambda b: f(b) @ GOOD)(np.ones(3)),  # it has not converged itself
        ):
            text = message(run, ConvergenceError)
            assert text.startswith(
                f"{solver.__name__}: a derivative needs a solution, and solves again; got a residual"
            )
            assert text.endswith("times its tolerance. Raise maxiter, give M, or raise rtol.")
        assert not f(1 - GOOD)[0]
    text = message(
        lambda: jvp(lambda b: gmres(singular, b)[0], (np.array([1.0, 1, 0]),), (np.ones(3),)), ConvergenceError
    )
    assert text == told.format("gmres")


def test_linear_solve_has_aux_trees_and_captured_values() -> None:
    def f(a: Any, b: Any) -> Any:
        x, steps = custom_linear_solve(
            lambda v: {"p": a * v["p"] + v["q"], "q": 3.0 * v["q"]},
            b,
            lambda g, y: (dense_solve(g, y), {"steps": np.int64(7), "norm": np.sum(y["p"])}),
            lambda g, y: (dense_solve(g, y), {"steps": np.int64(8), "norm": np.sum(y["p"])}),
            has_aux=True,
        )
        return x, steps

    b = {"p": np.array([1.0, 2.0]), "q": np.array([3.0, 3.0])}
    x, aux = f(2.0, b)
    assert np.allclose(x["p"], [0.0, 0.5]) and np.allclose(x["q"], 1.0)
    assert aux == {"steps": 7, "norm": 3.0}
    assert np.isclose(grad(lambda a: f(a, b)[0]["p"].sum())(2.0), -0.25)
    assert np.allclose(grad(lambda b: f(2.0, b)[0]["p"].sum())(b)["q"], -1 / 6)
    assert grad(lambda a: f(a, b)[1]["norm"] * a)(2.0) == 3.0  # aux carries no derivative
    # What solve closes over carries none: here it is not even right.
    g = lambda s: custom_linear_solve(lambda v: 2.0 * v, 1.0, lambda _, y: s * y, symmetric=True)  # noqa: E731
    assert g(0.5) == 0.5 and grad(g)(0.5) == 0.0


def test_linear_solve_transposed_twice_and_as_a_linear_function() -> None:
    solve = lambda b: custom_linear_solve(lambda v: GENERAL @ v, b, dense_solve, dense_solve)  # noqa: E731
    (found,) = linear_transpose(solve, RIGHT)(RIGHT)
    assert np.allclose(found, np.linalg.solve(GENERAL.T, RIGHT))
    (found,) = linear_transpose(lambda ct: linear_transpose(solve, RIGHT)(ct)[0], RIGHT)(RIGHT)
    assert np.allclose(found, np.linalg.solve(GENERAL, RIGHT))
    one_way = lambda b: custom_linear_solve(lambda v: GENERAL @ v, b, dense_solve)  # noqa: E731
    assert np.allclose(jacfwd(one_way)(RIGHT), np.linalg.inv(GENERAL))
    assert message(lambda: jacrev(one_way)(RIGHT), MissingRuleError) == (
        "custom_linear_solve: reverse mode solves the transposed equation; got no way to. Give transpose_solve, or "
        "symmetric=True if the map is symmetric."
    )


def test_dense_solve() -> None:
    assert np.allclose(dense_solve(lambda v: GENERAL @ v, RIGHT), by_numpy(GENERAL, RIGHT))
    assert np.isclose(dense_solve(lambda v: 1j * v, 2.0 + 0j), -2j)
    assert dense_solve(lambda v: v, np.zeros((0, 2))).shape == (0, 2)
    x = dense_solve(lambda v: (v[1], 2.0 * v[0]), (np.ones(2), np.full(2, 4.0)))
    assert np.array_equal(x, [np.full(2, 2.0), np.ones(2)])
    check_grads(lambda a, b: dense_solve(lambda v: a @ v, b), (GENERAL, RIGHT), order=2)
    rows = np.stack([RIGHT, 2 * RIGHT])
    assert np.allclose(vmap(lambda b: dense_solve(lambda v: GENERAL @ v, b))(rows), np.linalg.solve(GENERAL, rows.T).T)
    for singular in (np.ones((3, 3)), np.zeros((3, 3)), np.arange(9.0).reshape(3, 3)):
        text = message(lambda a=singular: dense_solve(lambda v: a @ v, np.ones(3)), ConvergenceError)
        assert text.startswith("dense_solve: the linear map must be invertible; got one whose smallest pivot is ")
    assert message(lambda: dense_solve(lambda v: v, np.arange(3)), TypeError) == (
        "dense_solve: y must be of floating-point or complex dtype; got i64[3]. Convert it: y.astype(float)."
    )
    assert message(lambda: dense_solve(lambda v: v[:2], np.ones(3)), TypeError) == (
        "dense_solve: the result of g must have one shape and dtype; got f64[3] in y and f64[2] from <lambda> at "
        "result of g. Return one shape."
    )


# -- roots -----------------------------------------------------------------------------------------


def test_a_root_against_the_unrolled_solver() -> None:
    weights = RNG.normal(size=(4, 4)) * 0.3

    def f(x: Any, w: Any, b: Any) -> Any:
        return x - np.tanh(w @ x + b)

    def unrolled(w: Any, b: Any) -> Any:
        return scan(lambda x, _: (np.tanh(w @ x + b), None), np.zeros(4), length=200)[0]

    ways = {
        "custom_root": lambda w, b: custom_root(
            lambda x: f(x, w, b), np.zeros(4), lambda f, x: unrolled(w, b), dense_solve
        ),
        "fixed_point": lambda w, b: fixed_point(lambda x: np.tanh(w @ x + b), np.zeros(4), tol=1e-14),
        "root": lambda w, b: root(f, np.zeros(4), (w, b), tol=1e-10).x,
    }
    b = RNG.normal(size=4)
    for name, way in ways.items():
        assert np.allclose(way(weights, b), unrolled(weights, b), atol=1e-12), name
        for argnums in (0, 1):
            wanted = jacrev(unrolled, argnums)(weights, b)
            for g in (jacfwd(way, argnums), jacrev(way, argnums), jit(jacrev(way, argnums))):
                assert np.allclose(g(weights, b), wanted, atol=1e-10), name
        wanted = jacfwd(jacrev(unrolled, 1), 0)(weights, b)
        assert np.allclose(jacfwd(jacrev(way, 1), 0)(weights, b), wanted, atol=1e-8), name
        assert np.allclose(jit(jacrev(jacfwd(way, 0), 1))(weights, b), np.moveaxis(wanted, 1, 3), atol=1e-8), name


def test_roots_under_vmap_of_vmap() -> None:
    a, p = np.array([1.0, 4.0, 9.0]), np.array([2.0, 3.0])
    for tangent_solve in (dense_solve, lambda g, y: y / g(1.0)):
        f = lambda a, p, t=tangent_solve: custom_root(lambda x: x**p - a, 1.5 + 0 * a, newton, t)  # noqa: E731
        both = vmap(vmap(f, (None, 0)), (0, None))
        grid = a[:, None] ** (1 / p)
        assert np.allclose(both(a, p), grid)
        got = grad(lambda a, both=both: np.sum(both(a, p)))(a)
        assert np.allclose(got, np.sum(grid / (p * a[:, None]), axis=1))
        slopes = vmap(vmap(grad(grad(f)), (None, 0)), (0, None))(a, p)
        assert np.allclose(slopes, grid * (1 / p) * (1 / p - 1) / a[:, None] ** 2)
        assert np.allclose(jit(jacrev(both, 1))(a, p), jacfwd(lambda p: a[:, None] ** (1 / p))(p))
    same = vmap(vmap(lambda a: SQUARE_ROOTS["custom_root"](4.0) + 0 * a))(np.ones((2, 3)))
    assert np.array_equal(same, np.full((2, 3), 2.0))


def test_roots_with_aux_trees_and_complex_numbers() -> None:
    def steps(f: Any, x: Any) -> Any:
        x = {"r": np.sqrt(stop_gradient(x["r"])), "s": x["s"]}
        return x, (np.int64(3), f(x)["r"])

    def f(a: Any) -> Any:
        return custom_root(
            lambda x: {"r": x["r"] ** 2 - a, "s": x["s"] - x["r"] * a},
            {"r": stop_gradient(a), "s": stop_gradient(a) ** 1.5},
            steps,
            dense_solve,
            has_aux=True,
        )

    x, (count, residual) = f(4.0)
    assert x == {"r": 2.0, "s": 8.0} and count == 3 and residual == 0.0
    assert np.isclose(grad(lambda a: f(a)[0]["s"])(4.0), 1.5 * 2.0)
    assert np.isclose(jit(grad(grad(lambda a: f(a)[0]["s"])))(4.0), 0.75 / 2.0)
    assert grad(lambda a: f(a)[1][1] + a)(4.0) == 1.0

    def complex_root(a: Any) -> Any:
        return custom_root(
            lambda z: z * z - a, np.complex128(1 + 1j), lambda f, z: np.sqrt(a), lambda g, y: y / g(1 + 0j)
        )

    check_grads(complex_root, (2.0 - 3.0j,), order=2)
    assert np.isclose(grad(complex_root, holomorphic=True)(-4.0 + 0.1j), 0.5 / np.sqrt(-4.0 + 0.1j))


def test_fixed_points() -> None:
    # The logistic map x = r x (1 - x) has the fixed point 1 - 1/r.
    logistic = lambda r: fixed_point(lambda x: r * x * (1 - x), 0.3)  # noqa: E731
    assert np.isclose(logistic(2.5), 0.6) and np.isclose(grad(logistic)(2.5), 0.16)
    assert np.isclose(grad(grad(logistic))(2.5), -2 / 2.5**3, rtol=1e-8)
    rates = np.array([1.5, 2.0, 2.8])
    assert np.allclose(vmap(grad(logistic))(rates), rates**-2.0)
    assert np.allclose(jit(vmap(logistic))(rates), 1 - 1 / rates)
    assert not grad(lambda x: fixed_point(lambda x: np.cos(x), x))(0.5)  # where it starts does not matter
    pair = lambda a: fixed_point(  # noqa: E731
        lambda x, a: {"p": 0.5 * np.sum(x["q"]) + a, "q": 0.25 * x["p"] * np.ones(2)}, {"p": 0, "q": np.zeros(2)}, a
    )
    assert np.isclose(pair(3.0)["p"], 4.0) and np.allclose(jacrev(pair)(3.0)["q"], 1 / 3)
    single = fixed_point(lambda x, a: (0.5 * x + a).astype("float32"), np.float32(0), np.float32(1))
    assert single.dtype == np.float32 and np.isclose(single, 2.0, rtol=1e-4)
    z = fixed_point(lambda z, c: z * z + c, np.complex128(0), 0.1 + 0.1j)
    assert np.isclose(z, 0.5 - np.sqrt(0.25 - (0.1 + 0.1j)))
    check_grads(lambda c: fixed_point(lambda z: z * z + c, np.complex128(0)), (0.1 + 0.1j,), order=2)


@pytest.mark.parametrize("size", [3, 40])
def test_a_layer_of_both_sizes(size: int) -> None:
    """Small systems are solved with a matrix, large ones by GMRES."""
    w, b = 0.5 * RNG.normal(size=(size, size)) / size**0.5, RNG.normal(size=size)
    layer = lambda w, b: fixed_point(lambda x: np.tanh(w @ x + b), np.zeros(size))  # noqa: E731
    x = layer(w, b)
    slope = 1 - np.tanh(w @ x + b) ** 2
    assert np.allclose(jacrev(layer, 1)(w, b), np.linalg.solve(np.eye(size) - slope[:, None] * w, np.diag(slope)))
    check_grads(layer, (w, b), order=2)
    rows = np.stack([b, 2 * b])
    got = grad(lambda w: np.sum(vmap(layer, (None, 0))(w, rows) ** 2))(w)
    assert np.allclose(got, sum(grad(lambda w, b=row: np.sum(layer(w, b) ** 2))(w) for row in rows), atol=1e-9)


def test_fixed_points_that_are_not_found() -> None:
    told = (
        "fixed_point(<lambda>): steps must become smaller than the tolerance within max_steps=50; got a last one of "
        "{} times that. Start nearer, damp f, or raise max_steps or tol."
    )
    away = lambda a: fixed_point(lambda x: x + a, 1.0, tol=0.5 / 50, max_steps=50)  # noqa: E731
    for run in (lambda: away(1.0), lambda: jit(away)(1.0), lambda: vmap(away)(np.ones(2)), lambda: grad(away)(1.0)):
        assert message(run, ConvergenceError) == told.format("2")
    with np.errstate(all="ignore"):
        for f in (lambda x: 2 * x + 1, lambda x: -x, np.exp, lambda x: x / 0 - x / 0, lambda x: x * np.nan):
            with pytest.raises(ConvergenceError, match=r"^fixed_point\(\w*<?\w*>?\): steps must become smaller"):
                fixed_point(f, 1.0)
    with pytest.raises(ConvergenceError):  # one row of a batch is enough
        vmap(lambda a: fixed_point(lambda x: a * x + 1, 0.0))(np.array([0.5, 1.5]))
    singular = (
        "fixed_point(<lambda>): its derivative solves with I - df/dx, which must be invertible; got a system "
        "that cannot "
        "be solved (figure "
    )
    for size in (1, 40):
        f = lambda a, n=size: np.sum(fixed_point(lambda x: x + 0 * x + (a - 1), np.ones(n)))  # noqa: E731
        for g in (grad(f), lambda a, f=f: jvp(f, (a,), (1.0,)), jit(jacrev(f))):
            assert message(lambda g=g: g(1.0), ConvergenceError).startswith(singular)


# -- minima ----------------------------------------------------------------------------------------

DATA, TARGET = RNG.normal(size=(20, 4)), RNG.normal(size=20)
METHODS = ["BFGS", "L-BFGS-B", "Newton-CG"]


def rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("method", METHODS)
def test_minimizing_rosenbrocks_function(method: str) -> None:
    for size in (2, 12):
        x0 = np.linspace(-1.2, 1.3, size)
        result = minimize(rosenbrock, x0, method=method, tol=1e-8)
        assert result.success and result.status == 0 and np.allclose(result.x, 1.0, atol=1e-6)
        assert np.max(np.abs(result.jac)) <= 1e-8 and result.fun < 1e-12
        assert result.nit < 60 * size and result.nit <= result.nfev < 2 * result.nit + 60
        assert result.message == "The solution has been found."
        assert np.array_equal(x0, np.linspace(-1.2, 1.3, size))
    short = minimize(rosenbrock, x0, method=method, options={"maxiter": 3})
    assert not short.success and short.status == 1 and short.nit == 3 and short.fun < rosenbrock(x0)
    assert short.message == "The maximum number of iterations has been reached."
    assert (result.hess_inv is not None) == (method == "BFGS")


@pytest.mark.parametrize("method", METHODS)
def test_ridge_regression_depends_on_its_weight(method: str) -> None:
    def fitted(weight: Any, target: Any) -> Any:
        loss = lambda w, weight: np.sum((DATA @ w - target) ** 2) + weight * np.sum(w * w)  # noqa: E731
        return minimize(loss, np.zeros(4), args=(weight,), method=method, tol=1e-11)

    exact = lambda weight, target: np.linalg.solve(DATA.T @ DATA + weight * np.eye(4), DATA.T @ target)  # noqa: E731
    f = lambda weight, target: fitted(weight, target).x  # noqa: E731
    for transform in (
        jacfwd,
        jacrev,
        lambda f: jit(jacrev(f)),
        lambda f: jacfwd(jit(f)),
        lambda f: jacfwd(jacrev(f)),
        lambda f: jacrev(jacrev(f)),
        lambda f: jacrev(jacfwd(f, 1)),
        hessian,
    ):
        assert np.allclose(transform(f)(0.7, TARGET), transform(exact)(0.7, TARGET), rtol=1e-8, atol=1e-11)
    weights = np.array([0.1, 1.0, 10.0])
    assert np.allclose(vmap(f, (0, None))(weights, TARGET), [exact(w, TARGET) for w in weights])
    got = grad(lambda w: np.sum(vmap(vmap(f, (0, None)), (None, 0))(w, np.stack([TARGET, -TARGET])) ** 2))(weights)
    assert np.allclose(got, grad(lambda w: 2 * sum(np.sum(exact(v, TARGET) ** 2) for v in w))(weights))
    # The least value: its derivative is that of the function at the minimum (the envelope theorem).
    assert np.isclose(grad(lambda w: fitted(w, TARGET).fun)(0.7), np.sum(exact(0.7, TARGET) ** 2))
    assert np.isclose(
        grad(grad(lambda w: fitted(w, TARGET).fun))(0.7), grad(lambda w: np.sum(exact(w, TARGET) ** 2))(0.7)
    )
    assert not np.any(jacrev(lambda w: fitted(w, TARGET).jac)(0.7))


def test_minimizing_trees_batches_and_single_precision() -> None:
    def f(a: Any) -> Any:
        return minimize(
            lambda p, a: (p["u"] - a) ** 2 + np.sum((p["w"] - a * p["u"]) ** 4 + (p["w"] - a * p["u"]) ** 2),
            {"u": 0, "w": np.zeros(2)},
            args=a,
            tol=1e-12,
        )

    result = jit(f)(2.0)
    assert isinstance(result, OptimizeResult) and result.success
    assert np.isclose(result.x["u"], 2.0) and np.allclose(result.x["w"], 4.0)
    slopes = jacrev(lambda a: f(a).x)(2.0)
    assert np.isclose(slopes["u"], 1.0) and np.allclose(slopes["w"], 4.0)
    assert np.allclose(jacrev(jacrev(lambda a: f(a).x))(2.0)["w"], 2.0)
    batch = vmap(f)(np.array([1.0, 3.0]))
    assert batch.success.all() and np.allclose(batch.x["w"], [[1.0, 1.0], [9.0, 9.0]]) and batch.nit.shape == (2,)
    single = minimize(lambda x: np.sum((x - 1) ** 2), np.zeros(3, "float32"), tol=1e-4)
    assert single.x.dtype == np.float32 and single.success
    assert minimize(lambda x: np.sum((x - 1.5) ** 2), np.zeros((2, 2), int)).x.shape == (2, 2)
    large = RNG.normal(size=50)  # its Hessian is solved by conjugate gradients
    for method in METHODS:
        g = lambda a, m=method: minimize(lambda x: np.sum(np.cosh(x - a)), np.zeros(50), method=m, tol=1e-10).x  # noqa: E731
        assert np.allclose(jacrev(g)(large), np.eye(50), atol=1e-9)
        assert np.allclose(grad(lambda a, g=g: np.sum(g(a) ** 3))(large), 3 * large**2, rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_minimization_that_fails(method: str) -> None:
    told = (
        "minimize(<lambda>): a derivative needs a minimum, where no element of the gradient is larger than 1e-05; got "
        "one of {}. Raise maxiter, start nearer, or raise tol."
    )
    down = lambda a: minimize(lambda x: -x * a, 0.0, method=method)  # noqa: E731
    assert not down(1.0).success
    for run in (lambda: grad(lambda a: down(a).x)(1.0), lambda: jit(jacfwd(lambda a: down(a).x))(1.0)):
        assert message(run, ConvergenceError) == told.format("1")
    flat = lambda a: minimize(lambda x: (x[0] - a) ** 2 + 0 * x[1], np.zeros(2), method=method).x.sum()  # noqa: E731
    assert np.isclose(flat(1.0), 1.0, atol=1e-5)
    text = message(lambda: grad(flat)(1.0), ConvergenceError)
    word = "invertible" if method == "BFGS" else "positive definite"
    assert text == (
        f"minimize(<lambda>): a derivative needs a Hessian that is {word}; got a system that cannot be solved "
        "(figure 0). Add a term that makes the minimum unique."
    )
    with np.errstate(all="ignore"):
        wrong = minimize(np.log, -1.0, method=method)
        assert (
            not wrong.success
            and wrong.status == 3
            and wrong.message.startswith("The function or its derivative is not")
        )
        edge = minimize(lambda x: -np.sqrt(1 - x), 2.0, method=method)
        assert not edge.success
    rows = vmap(lambda a: minimize(lambda x: np.where(a > 0, (x - a) ** 2, -x), 0.0, method=method))
    assert rows(np.array([1.0, -1.0])).success.tolist() == [True, False]


# -- root ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["hybr", "krylov"])
def test_roots_of_systems(method: str) -> None:
    pair = root(lambda x: [x[0] * np.cos(x[1]) - 4, x[1] * x[0] - x[1] - 5], [1.0, 1.0], method=method)  # type: ignore[arg-type]
    assert pair.success and np.allclose(pair.x, [6.50409711, 0.90841421])
    assert np.allclose(root(lambda x: x + 2 * np.cos(x), 0.3, method=method).x, -1.02986653)
    for f, x0, x in (
        (np.arctan, 10.0, 0.0),
        (np.sin, 1.0, 0.0),
        (lambda x: np.exp(x) - 1, -3.0, 0.0),
        (lambda x: x**3 - 1e-12, 1.0, 1e-4),
        (lambda x: 1e12 * (x - 3.0), 1.0, 3.0),
        (lambda x: 1e-12 * (x * x - 9.0), 1.0, 3.0),
    ):
        found = root(f, x0, method=method)
        assert found.success and np.isclose(found.x, x, rtol=1e-12, atol=1e-12), (f, found)

    def f(a: Any) -> Any:
        start = {"u": np.ones(2), "w": np.ones(2)}
        rows = lambda x, a: {"u": x["u"] ** 2 + x["w"] - a, "w": x["u"] - x["w"] ** 3}  # noqa: E731
        return root(rows, start, args=(a,), method=method, tol=1e-12).x

    check_grads(f, (np.array([1.7, 2.5]),), order=2)
    weights = 0.2 * RNG.normal(size=(40, 40))
    g = lambda w: root(lambda x: np.tanh(w @ x) + 2 * x - 1, np.zeros(40), method=method, tol=1e-12)  # noqa: E731
    assert g(weights).success and g(weights).nit < 15
    check_grads(lambda w: g(w).x, (weights,), order=2)


@pytest.mark.parametrize("method", ["hybr", "krylov"])
def test_roots_that_are_not_found(method: str) -> None:
    none = lambda a: root(lambda x: x * x + a, 1.0, method=method)  # noqa: E731
    assert not none(1.0).success and none(1.0).status == 2
    assert message(lambda: grad(lambda a: none(a).x)(1.0), ConvergenceError) == (
        "root(<lambda>): a derivative needs a root; got a function of norm 1 where the solver has ended. "
        "Raise maxiter, start nearer, or raise tol."
    )
    many = lambda a: root(lambda x: np.stack([x[0] + x[1] - a] * 2), np.ones(2), method=method)  # noqa: E731
    text = message(lambda: grad(lambda a: many(a).x.sum())(2.0), ConvergenceError)
    assert text.startswith(
        "root(<lambda>): a derivative needs a Jacobian that is invertible; got a system that cannot be solved (figure "
    )
    assert text.endswith("). Check that the root is isolated.")
    assert root(lambda x: x - 5.0, 1.0, method=method, options={"maxiter": 1}).success
    short = root(lambda x: x**5 - 5.0, 1.0, method=method, options={"maxiter": 2})
    assert short.status == 1 and short.message == "The maximum number of iterations has been reached."
    with np.errstate(all="ignore"):
        assert root(lambda x: x / 0, 1.0, method=method).status == 3


# -- words -----------------------------------------------------------------------------------------

_ROOT = (lambda x: x, 1.0, lambda f, x: x, lambda g, y: y)
WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: custom_root(lambda x: (x, x), *_ROOT[1:]),
        TypeError,
        "custom_root: the value of f must have one structure; got PyTreeDef(*) in the guess and "
        "PyTreeDef((*, *)) from f. "
        "Return the same structure.",
    ),
    (
        lambda: custom_root(lambda x: x[:2], np.ones(3), *_ROOT[2:]),
        TypeError,
        "custom_root: the value of f must have one shape and dtype; got f64[3] in the guess and f64[2] from f at value "
        "of f. Return one shape.",
    ),
    (
        lambda: custom_root(*_ROOT[:2], lambda f, x: [x], _ROOT[3]),
        TypeError,
        "custom_root: the root must have one structure; got PyTreeDef(*) in the guess and PyTreeDef([*]) from solve. "
        "Return the same structure.",
    ),
    (
        lambda: custom_root(*_ROOT, has_aux=True),
        TypeError,
        "custom_root: with has_aux, solve must return a pair (x, aux); got Tracer. Return both, or drop has_aux.",
    ),
    (
        lambda: custom_root(*_ROOT[:3], 3),  # type: ignore[arg-type]
        TypeError,
        "custom_root: tangent_solve must be a function; got int. Write custom_root(f, guess, solve, tangent_solve).",
    ),
    (
        lambda: grad(lambda a: custom_root(lambda x: x - a, 1.0, lambda f, x: a, lambda g, y: (y, y)))(1.0),
        TypeError,
        "custom_linear_solve: the solution must have one structure; got PyTreeDef(*) in b and PyTreeDef((*, *)) from "
        "solve. Return the same structure.",
    ),
    (
        lambda: custom_linear_solve(lambda v: v[None], np.ones(2), lambda g, b: b),
        TypeError,
        "custom_linear_solve: the result of matvec must have one shape and dtype; got f64[2] in b and "
        "f64[1,2] from it at "
        "result of matvec. Return one shape.",
    ),
    (
        lambda: custom_linear_solve(lambda v: v, np.ones(2), lambda g, b: b.astype("float32")),
        TypeError,
        "custom_linear_solve: the solution must have one shape and dtype; got f64[2] in b and f32[2] from solve at "
        "solution. Convert it with astype('float64').",
    ),
    (
        lambda: custom_linear_solve(lambda v: v, np.ones(2), lambda g, b: b, has_aux=True),
        TypeError,
        "custom_linear_solve: with has_aux, solve must return a pair (x, aux); got Tracer. Return both, or "
        "drop has_aux.",
    ),
    (
        lambda: custom_linear_solve(np.eye(2), np.ones(2), lambda g, b: b),  # type: ignore[arg-type]
        TypeError,
        "custom_linear_solve: matvec must be a function; got ndarray. Write custom_linear_solve(matvec, b, solve, "
        "transpose_solve).",
    ),
    (
        lambda: fixed_point(lambda x: x, np.arange(3)),
        TypeError,
        "fixed_point: init must be of floating-point or complex dtype; got i64[3] at init. Convert it: "
        "x.astype(float).",
    ),
    (
        lambda: fixed_point(lambda x: x[None], np.ones(3)),
        TypeError,
        "fixed_point: the value of f must have one shape and dtype; got f64[3] in init and f64[1,3] from f "
        "at value of f. "
        "Return one shape.",
    ),
    (
        lambda: fixed_point(lambda x: (x, x), np.ones(3)),
        TypeError,
        "fixed_point: the value of f must have one structure; got PyTreeDef(*) in init and PyTreeDef((*, *)) from f. "
        "Return the same structure.",
    ),
    (
        lambda: fixed_point(lambda x: x, 1.0, tol=0.0),
        ValueError,
        "fixed_point: tol must be a positive number; got 0.0. Give a float, or drop it.",
    ),
    (
        lambda: fixed_point(lambda x: x, 1.0, max_steps=0),
        ValueError,
        "fixed_point: max_steps must be an integer of at least 1; got 0. Give a plain integer.",
    ),
    (
        lambda: cg("A", np.ones(3)),
        TypeError,
        "cg: A must be a matrix or a function; got str. Pass the function that applies it: lambda v: S @ v, "
        "or an array.",
    ),
    (
        lambda: gmres(np.ones((2, 3)), np.ones(3)),
        ValueError,
        "gmres: A must be a square matrix that fits b; got f64[2,3] for b of f64[3]. Pass a function of "
        "trees like b, or "
        "one vector.",
    ),
    (
        lambda: bicgstab(lambda v: v[:2], np.ones(3)),
        TypeError,
        "bicgstab: the result of A must have one shape and dtype; got f64[3] in b and f64[2] from A at result of A. "
        "Return one shape.",
    ),
    (
        lambda: cg(np.eye(3), np.ones(3), np.ones(2)),
        TypeError,
        "cg: the x0 must have one shape and dtype; got f64[3] in b and f64[2] in x0 at x0. Return one shape.",
    ),
    (
        lambda: cg(np.eye(3), np.ones(3), rtol=-1.0),
        ValueError,
        "cg: rtol must be a number of at least 0; got -1.0. Give a float.",
    ),
    (
        lambda: gmres(np.eye(3), np.ones(3), restart=0),
        ValueError,
        "gmres: restart must be an integer of at least 1; got 0. Give a plain integer.",
    ),
    (
        lambda: minimize(lambda x: x, np.ones(2)),
        TypeError,
        "minimize: fun must return a real scalar; got f64[2]. Reduce it to one float: np.sum(...).",
    ),
    (
        lambda: minimize(lambda x: x * x, 1j),
        TypeError,
        "minimize: x0 must hold real numbers; got c128[] at x0. Pass real and imaginary parts apart.",
    ),
    (
        lambda: minimize(lambda x: np.sum(x), np.zeros(0)),
        ValueError,
        "minimize: x0 must hold at least one number; got none. Give a start.",
    ),
    (
        lambda: minimize(lambda x: x * x, 1.0, method="SLSQP"),
        ValueError,
        "minimize: method must be one of BFGS, L-BFGS-B, Newton-CG; got 'SLSQP'. Choose one of them.",
    ),
    (
        lambda: minimize(lambda x: x * x, 1.0, options={"disp": True}),
        ValueError,
        "minimize: options must be among gtol, maxiter; got 'disp'. Drop them.",
    ),
    (
        lambda: root(lambda x: x, 1.0, method="lm"),
        ValueError,
        "root: method must be one of hybr, krylov; got 'lm'. Choose one of them.",
    ),
    (
        lambda: root(lambda x: x[0], np.ones(2)),
        TypeError,
        "root: the value of fun must have one shape and dtype; got f64[2] in x0 and f64[] from fun at value of fun. "
        "Return one shape.",
    ),
    (
        lambda: root(lambda x: 1j * x, np.ones(2)),
        TypeError,
        "root: fun must return real numbers; got c128[2]. Return real and imaginary parts apart.",
    ),
    (
        lambda: root(lambda x: x, 1.0, tol=0.0),
        ValueError,
        "root: tol must be a positive number; got 0.0. Give a float.",
    ),
]


@pytest.mark.parametrize("case", range(len(WRONG)))
def test_wrong_uses_are_told(case: int) -> None:
    run, kind, words = WRONG[case]
    assert message(run, kind) == words


def test_results_are_the_callers_own() -> None:
    b = np.ones(3)
    x, _ = cg(np.eye(3), b, b)
    x[0] = 7.0
    y = custom_linear_solve(lambda v: v, b, lambda _, b: b)
    y[0] = 7.0
    z = fixed_point(lambda x: x, b)
    z[0] = 7.0
    assert np.array_equal(b, np.ones(3))
    assert len(tree_leaves(minimize(lambda x: np.sum(x * x), b))) == 8
