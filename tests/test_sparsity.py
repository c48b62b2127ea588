"""Sparsity patterns: they cover every derivative that is not zero, and where that is claimed they have no more."""

import pickle
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import autotrace as at
from autotrace import Jaxpr, Pattern, Primitive, hessian_pattern, jacrev, make_jaxpr, sparsity_pattern
from autotrace.control.custom_jvp import custom_jvp
from autotrace.errors import GuardError, UnsupportedError
from autotrace.ir import dependence, inline
from autotrace.primitives import LinearMap, Unary, contraction, convolution, elementwise
from autotrace.tracing import as_operand, bind
from autotrace.transforms.forward import push_forward
from autotrace.transforms.sparsity import hessian_pattern_of, jaxpr_pattern
from tests import catalogue
from tests.laws import Problem, numbers, quiet
from tests.test_random_programs import Program

CASES = [case for case in catalogue.all_cases() if Problem(case).point and "result_type" not in case.id]

EXACT = {
    "slice",
    "slice_set",
    "embed",
    "embed_sum",
    "gather",
    "scatter_add",
    "scatter_set",
    "reshape",
    "transpose",
    "broadcast",
    "concatenate",
    "stack",
    "reduce_sum",
    "reduce_prod",
    "cumsum",
    "cumprod",
    "einsum",
    "convolve",
    "convolution",
    "copy",
    "convert",
    "real",
    "imag",
    "conj",
    "complex",
    "weaken",
    "add",
    "sub",
    "neg",
    "positive",
    "mul",
    "div",
    "pow",
    "square",
    "reciprocal",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sinh",
    "cosh",
    "arctan",
    "arcsinh",
    "stop_gradient",
    "floor",
    "sign",
    "eq",
    "ne",
    "lt",
    "gt",
    "le",
    "ge",
    "not",
    "and",
    "or",
    "isnan",
    "round",
}
"""Where these are all that a program has, its pattern is that of its nonzeros at some input."""


def nonzeros(jaxpr: Jaxpr, point: Sequence[Any]) -> np.ndarray:
    """Which entries of the Jacobian are neither zero at ``point`` nor mere rounding; one tangent at a time."""
    columns = []
    for k, x in enumerate(point):
        for unit in np.eye(x.size, dtype=x.dtype):
            phases = (1, 1j) if x.dtype.kind == "c" else (1,)
            parts = [_column(jaxpr, point, k, phase * unit.reshape(x.shape)) for phase in phases]
            columns.append(np.max(parts, axis=0))
    height = sum(v.aval.size for v in jaxpr.outputs if v.aval.inexact)
    sizes = np.reshape(columns, (len(columns), height)).T
    return np.isfinite(sizes) & (sizes > 1e-13 * np.max(sizes, initial=0, where=np.isfinite(sizes)))


def _column(jaxpr: Jaxpr, point: Sequence[Any], k: int, tangent: Any) -> np.ndarray:
    tangents: list[Any] = [None] * len(point)
    tangents[k] = tangent if tangent.ndim else tangent[()]
    found = push_forward(jaxpr, point, tangents)[1]
    pairs = [(t, v.aval) for t, v in zip(found, jaxpr.outputs, strict=True) if v.aval.inexact]
    return np.concatenate([np.zeros(0), *[np.zeros(a.size) if t is None else np.abs(np.ravel(t)) for t, a in pairs]])


def points(point: Sequence[Any], rng: np.random.Generator) -> Iterator[list[Any]]:
    """The point, one near to it and one far from it."""
    point = numbers(point)
    yield point
    for size in (0.05, 1.0):
        yield [(x + size * rng.normal(size=x.shape)).astype(x.dtype)[()] for x in point]


def seen(jaxpr: Jaxpr, point: Sequence[Any], rng: np.random.Generator) -> np.ndarray:
    """The entries of the Jacobian that are nonzero at any of some points on the path that the program took."""
    found = nonzeros(jaxpr, numbers(point))
    for other in points(point, rng):
        try:
            found |= nonzeros(jaxpr, other)
        except (GuardError, ValueError, IndexError, np.linalg.LinAlgError):
            continue  # another path, or no value there
    return found


def check(jaxpr: Jaxpr, point: Sequence[Any], rng: np.random.Generator, exact: bool = False) -> None:
    pattern = jaxpr_pattern(jaxpr, [True] * len(jaxpr.in_vars))
    with quiet():
        found = seen(inline(jaxpr), point, rng)
    missing = pattern.missing(found)
    assert not missing.nnz, f"the pattern misses\n{missing}\nof\n{jaxpr}"
    if exact:
        more = Pattern.of(found).missing(pattern)
        assert not more.nnz, f"the pattern has too much:\n{more}\nof\n{jaxpr}"


def _names(jaxpr: Jaxpr) -> set[str]:
    return {equation.primitive.name for equation in jaxpr.equations}


CANCEL = (
    "creation:zeros-",
    "creation:eye-",
    "creation:identity-",
    "elementwise:power_int_array-1",
    "elementwise:power_int_array_at_zero-1",
    "elementwise:log_edge-",
    "elementwise:sqrt_edge-",
    "elementwise:divide_edge-",
    "elementwise:exp_edge-",
    "elementwise:power_edge-",
    "elementwise:tanh_far-",
    "polynomials:poly-0",
    "products:corrcoef-5",
    "statistics:var-1-0.5",
)
"""Cases whose terms cancel (x - mean(x) of one number), or that stand at an edge where the derivative is 0 or NaN."""


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_pattern_covers_the_derivative(case: catalogue.Case) -> None:
    problem = Problem(case)
    with quiet():
        jaxpr = inline(make_jaxpr(problem.smooth)(*problem.point))
    check(jaxpr, problem.point, problem.rng, _names(jaxpr) <= EXACT and not case.id.startswith(CANCEL))


def test_most_of_the_catalogue_is_exact() -> None:
    known = {"elementwise", "indexing", "shaping", "products", "contractions"}
    exact = 0
    for case in CASES:
        if case.id.split(":")[0] in known:
            with quiet():
                exact += _names(inline(make_jaxpr(Problem(case).smooth)(*Problem(case).point))) <= EXACT
    assert exact > 500


@pytest.mark.parametrize("seed", range(40))
def test_pattern_covers_the_derivative_of_random_programs(seed: int) -> None:
    program = Program(seed)
    rng = np.random.default_rng(seed)
    check(make_jaxpr(program)(*program.args), program.args, rng)
    args = tuple(range(len(program.args)))
    check(make_jaxpr(at.grad(program.scalar, argnums=args))(*program.args), program.args, rng)
    batch = make_jaxpr(lambda *x: at.vmap(program)(*[np.stack([a, a]) for a in x]))(*program.args)
    check(batch, program.args, rng)


@pytest.mark.parametrize("limits", [{"_FEW": 1}, {"_MANY": 8, "PAIRS": 4}, {"_FEW": 2, "_MANY": 30}])
@pytest.mark.parametrize("seed", range(12))
def test_patterns_that_grow_too_large_are_still_right(
    seed: int, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in limits.items():
        for module in (dependence, contraction, convolution):
            monkeypatch.setattr(module, name, value, raising=False)
    program = Program(seed)
    check(make_jaxpr(program)(*program.args), program.args, np.random.default_rng(seed))
    for f, _ in KNOWN.values():
        check(make_jaxpr(f)(X), [X], np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(20))
def test_hessian_pattern_covers_the_hessian_of_random_programs(seed: int) -> None:
    program = Program(seed)
    arguments = tuple(range(len(program.args)))
    gradient = make_jaxpr(at.grad(program.scalar, argnums=arguments))(*program.args)
    pattern = hessian_pattern(program.scalar, argnums=arguments)(*program.args)
    with quiet():
        found = seen(inline(gradient), program.args, np.random.default_rng(seed))
    assert pattern.covers(found)
    assert pattern == pattern.T


# -- functions with known patterns -----------------------------------------------------------------


def exactly(f: Any, x: np.ndarray, seed: int = 0) -> Pattern:
    """The pattern of ``f`` at ``x``, having asserted that it is that of the nonzeros of the derivative."""
    pattern = sparsity_pattern(f)(x)
    jaxpr = inline(make_jaxpr(f)(x))
    check(jaxpr, [x], np.random.default_rng(seed), exact=True)
    return pattern


X = np.random.default_rng(7).uniform(0.5, 1.5, size=12)


def heat(x: Any) -> Any:
    wide = np.concatenate([[0.0], x, [0.0]])
    return wide[2:] - 2 * wide[1:-1] + wide[:-2] + np.exp(x)


def arrow(x: Any) -> Any:
    return np.concatenate([[np.sum(x * x)], x[1:] * x[0]])


KERNEL = np.array([1.0, 0.0, -2.0])
BANDED = np.eye(12) + np.eye(12, k=3)

KNOWN = {
    "heat": (heat, 34),
    "arrow": (arrow, 12 + 22),
    "constant matrix": (lambda x: BANDED @ x, 12 + 9),
    "matrix times matrix": (lambda x: BANDED @ x.reshape(12, 1) @ np.array([[1.0, 0.0, 2.0]]), 2 * 21),
    "kernel with a zero": (lambda x: np.convolve(x, KERNEL), 24),
    "convolution with itself": (lambda x: np.convolve(x[:4], x[4:]), None),
    "gather": (lambda x: x[np.array([[3, 3], [0, 11]])] * x[5], 8),
    "scatter": (lambda x: x.at[np.array([1, 1, 4])].set(x[:3] * x[5]), 14),
    "scatter add": (lambda x: x.at[np.array([1, 1, 4])].add(x[6:9]), 15),
    "mask": (lambda x: np.where(np.arange(12) % 2 == 0, x, x[::-1] ** 2), 12),
    "mask by zeros": (lambda x: x * (np.arange(12) > 3), 8),
    "running": (np.cumsum, 78),
    "blocks": (lambda x: np.prod(x.reshape(3, 4), axis=1), 12),
    "norms of rows": (lambda x: x.reshape(3, 4) / np.sum(x.reshape(3, 4) ** 2, axis=1, keepdims=True), 48),
    "softmax": (lambda x: np.exp(x) / np.sum(np.exp(x)), 144),
    "outer": (lambda x: np.outer(x[:3], x[3:6]), 18),
    "in place": (lambda x: _rolled(x), 24),
    "python loop": (lambda x: np.stack([x[i] * x[i - 1] for i in range(12)]), 24),
    "vmap": (lambda x: at.vmap(lambda row: row * row[0])(x.reshape(4, 3)), 12 + 8),
    "grad": (at.grad(lambda x: np.sum((x[1:] - x[:-1]) ** 4)), 34),
    "jit": (at.jit(lambda x: x[1:] * x[:-1]), 22),
    "nothing": (lambda x: np.sign(x) + at.stop_gradient(x), 0),
    "scan": (lambda x: at.scan(lambda c, r: (c + r, c * c), 0.0, x)[1], 66),
    "scan, reversed": (lambda x: at.scan(lambda c, r: (c + r, c * c), 0.0, x, reverse=True)[1], 66),
    "steps": (lambda x: at.scan(lambda c, _: (heat(c), None), x, None, length=2)[0], 12 + 22 + 20),
    "counter": (lambda x: at.fori_loop(1, 12, lambda i, y: y.at[i].set(x[i] * x[i - 1]), np.zeros(12)), 22),
    "while": (lambda x: at.while_loop(lambda c: np.sum(c) < 50.0, lambda c: c * 2, x), 12),
}


def _rolled(x: Any) -> Any:
    y = np.zeros_like(x)
    y[1:] = x[:-1]
    y[0] = x[-1]
    y *= x
    return y


@pytest.mark.parametrize("name", KNOWN)
def test_known_patterns(name: str) -> None:
    f, count = KNOWN[name]
    pattern = exactly(f, X)
    assert count is None or pattern.nnz == count


def test_where_unites_its_branches() -> None:
    pattern = sparsity_pattern(lambda x: np.where(x > 100.0, x[::-1], x))(np.ones(4))
    assert pattern == Pattern.of(np.eye(4) + np.eye(4)[::-1])


def test_cond_unites_its_branches_unless_the_index_is_known() -> None:
    def f(x: Any) -> Any:
        return at.cond(x[0] > 9.0, lambda x: x[::-1], lambda x: x, x)

    assert sparsity_pattern(f)(np.ones(4)) == Pattern.of(np.eye(4) + np.eye(4)[::-1])
    known = sparsity_pattern(lambda x: at.switch(1, [lambda x: x, lambda x: x[::-1]], x))(np.ones(4))
    assert known == Pattern.of(np.eye(4)[::-1])


def test_python_if_gives_the_pattern_of_the_path_taken() -> None:
    def f(x: Any) -> Any:
        return x[::-1] if x[0] > 0 else x

    assert sparsity_pattern(f)(np.ones(3)) == Pattern.of(np.eye(3)[::-1])
    assert sparsity_pattern(f)(-np.ones(3)) == Pattern.of(np.eye(3))


def test_an_unknown_index_may_be_any() -> None:
    pattern = sparsity_pattern(lambda x: x[np.argsort(x)[:2]])(np.ones(3))
    assert pattern.nnz == 6
    rows = sparsity_pattern(at.vmap(lambda x: x[np.argmax(x)]))(np.ones((3, 4)))
    assert rows == Pattern.of(np.kron(np.eye(3), np.ones((1, 4))))
    written = sparsity_pattern(lambda x: np.outer(x[:2], np.zeros(3)).at[:, np.argmax(x)].set(x[:2]))(np.ones(4))
    assert written.covers(np.kron(np.array([[1, 0, 0, 0], [0, 1, 0, 0]]), np.ones((3, 1))))


def test_loops_of_any_length_hold_for_all() -> None:
    def spread(x: Any) -> Any:
        return at.while_loop(
            lambda c: c[1] < c[2], lambda c: (c[0] + np.roll(c[0], 1), c[1] + 1, c[2]), (x, 0.0, x[0])
        )[0]

    assert sparsity_pattern(spread)(np.ones(7)).nnz == 49
    long = sparsity_pattern(lambda x: at.scan(lambda c, _: (c * 2, None), x, None, length=50_000)[0])(np.ones(3))
    assert long == Pattern.of(np.eye(3))


def test_linear_algebra_is_dense_within_each_matrix() -> None:
    stack = np.random.default_rng(0).normal(size=(3, 2, 2)) + 3 * np.eye(2)
    pattern = sparsity_pattern(np.linalg.inv)(stack)
    assert pattern == Pattern.of(np.kron(np.eye(3), np.ones((4, 4))))
    solved = sparsity_pattern(lambda b: np.linalg.solve(np.ones((2, 2)) + np.eye(2), b))(np.ones((2, 5)))
    assert solved == Pattern.of(np.kron(np.ones((2, 2)), np.eye(5)))


def test_trees_are_flattened_and_integers_left_out() -> None:
    def f(tree: Any) -> Any:
        return {"a": tree["x"] * tree["n"], "b": (np.sum(tree["y"]), np.arange(3)), "c": tree["y"].astype(int)}

    tree = {"x": np.ones(2), "n": np.array([1, 2]), "y": np.ones(3)}
    pattern = sparsity_pattern(f)(tree)
    assert pattern == Pattern.of([[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 1, 1]])


def test_argnums_argnames_aux_and_decorators() -> None:
    @sparsity_pattern(argnums=(1, 0))
    def f(a: Any, b: Any) -> Any:
        return a * b[0]

    assert f(np.ones(2), np.ones(3)) == Pattern.of([[1, 0, 0, 1, 0], [1, 0, 0, 0, 1]])
    named = sparsity_pattern(lambda a, b: (a * b[0], a), argnames="b", has_aux=True)
    assert named(np.ones(2), b=np.ones(3)) == Pattern.of([[1, 0, 0], [1, 0, 0]])
    assert repr(sparsity_pattern(heat)) == "sparsity_pattern(heat)"


def test_complex_and_float32() -> None:
    assert sparsity_pattern(lambda z: np.abs(z) * z[::-1])(np.ones(2, complex)).nnz == 4
    assert sparsity_pattern(lambda x: np.fft.fft(x.reshape(2, 2), axis=0))(np.ones(4, np.float32)).nnz == 8
    assert sparsity_pattern(heat)(X.astype(np.float32)).nnz == 34


def test_empty_arrays_and_scalars() -> None:
    assert sparsity_pattern(lambda x: x * 2)(np.ones(0)).shape == (0, 0)
    assert sparsity_pattern(np.sin)(1.0) == Pattern.of([[1]])
    assert sparsity_pattern(lambda x: np.ones(3))(np.ones(2)).nnz == 0
    assert sparsity_pattern(lambda x: np.sum(x, axis=0))(np.ones((0, 2))) == Pattern([], [], (2, 0))


def test_arguments_without_derivatives_are_refused() -> None:
    with pytest.raises(TypeError, match="sparsity_pattern: arguments to differentiate must be of floating-point"):
        sparsity_pattern(np.sum)(np.arange(3))
    with pytest.raises(TypeError, match="hessian_pattern: arguments"):
        hessian_pattern(np.sum)(3)
    with pytest.raises(TypeError, match="sparsity_pattern: the first argument must be a function"):
        sparsity_pattern(np.ones(3))


def test_a_limit_stops_before_dense_patterns_are_written_down() -> None:
    jaxpr = make_jaxpr(lambda x: np.cumsum(x) / np.sum(x))(np.ones(2000))
    assert jaxpr_pattern(jaxpr, [True], limit=100_000) is None
    assert hessian_pattern_of(make_jaxpr(lambda x: np.sum(x) ** 2)(np.ones(2000)), [True], limit=100_000) is None
    assert jaxpr_pattern(make_jaxpr(heat)(X), [True], limit=1000) == sparsity_pattern(heat)(X)


def test_inputs_that_do_not_move_may_be_known() -> None:
    jaxpr = make_jaxpr(lambda a, x: a @ x)(BANDED, X)
    assert jaxpr_pattern(jaxpr, [False, True]).nnz == 144
    assert jaxpr_pattern(jaxpr, [False, True], known=[BANDED, None]).nnz == 21


def test_long_programs_and_large_stencils() -> None:
    def f(x: Any) -> Any:
        for _ in range(3000):
            x = x + 0.5
        return x

    assert sparsity_pattern(f)(np.ones(3)) == Pattern.of(np.eye(3))
    assert sparsity_pattern(heat)(np.ones(100_000)).nnz == 299_998


# -- Hessians --------------------------------------------------------------------------------------


def rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_hessian_patterns() -> None:
    assert hessian_pattern(rosenbrock)(X) == sparsity_pattern(heat)(X)
    assert hessian_pattern(lambda x: np.sum(3 * x))(X).nnz == 0
    assert hessian_pattern(lambda x: np.sum(np.sin(x)))(X) == Pattern.of(np.eye(12))
    assert hessian_pattern(lambda x: x[0] * np.sum(x))(X).nnz == 23
    assert hessian_pattern(lambda x: np.sum(x) ** 2)(X).nnz == 144


def test_hessian_pattern_of_several_outputs_and_arguments() -> None:
    union = hessian_pattern(lambda x: np.stack([x[0] * x[1], x[2] ** 2]))(np.ones(3))
    assert union == Pattern.of([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    both = hessian_pattern(lambda a, b: np.sum(a * b) + b[0] ** 2, argnums=(0, 1))(np.ones(2), np.ones(2))
    assert both == Pattern.of([[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 1, 0], [0, 1, 0, 0]])


def test_hessian_of_loops() -> None:
    diagonal = hessian_pattern(lambda x: at.scan(lambda c, r: (c + r**2, None), 0.0, x)[0])(X)
    assert diagonal == Pattern.of(np.eye(12))
    dense = hessian_pattern(lambda x: np.sum(at.while_loop(lambda c: np.sum(c) < 30.0, lambda c: c * c + 1, x)))(X)
    assert dense.covers(np.eye(12))


# -- wrong rules are found -------------------------------------------------------------------------


class TurnedRound(LinearMap):
    """x in reverse order, but for a rule that says it is in order."""

    def impl(self, x: Any) -> Any:
        return x[..., ::-1]

    def abstract(self, x: Any) -> Any:
        return x

    def transpose(self, ct: Any, inputs: Any) -> Any:
        return (bind(self, ct),)

    def batch(self, size: int, inputs: Any, batched: Any) -> Any:
        return bind(self, *inputs)

    def sparsity(self, operands: Any, outputs: Any) -> Any:
        return operands[0].dependence


class Constant(Unary):
    """x ** 2, but for a rule that says it is constant."""

    ufunc = np.square
    impl = np.square
    constant = (0,)

    def derivative(self, x: Any, y: Any) -> Any:
        return 2 * x


class Mixed(LinearMap):
    """A map without a rule: every element may depend on every other."""

    def impl(self, x: Any) -> Any:
        return np.roll(x, 1, axis=-1)

    def abstract(self, x: Any) -> Any:
        return x

    def transpose(self, ct: Any, inputs: Any) -> Any:
        return (np.roll(ct, -1, axis=-1),)

    def batch(self, size: int, inputs: Any, batched: Any) -> Any:
        return bind(self, *inputs)


@pytest.mark.parametrize("f", [lambda x: bind(TurnedRound(), as_operand(x)), elementwise(Constant())])
def test_planted_wrong_rules_are_found(f: Any) -> None:
    with pytest.raises(AssertionError, match="the pattern misses"):
        check(make_jaxpr(f)(X), [X], np.random.default_rng(0))


def test_a_rule_that_says_too_much_is_found() -> None:
    with pytest.raises(AssertionError, match="the pattern has too much"):
        check(make_jaxpr(lambda x: bind(Mixed(), x))(X), [X], np.random.default_rng(0), exact=True)


def test_without_a_rule_everything_may_depend_on_everything() -> None:
    pattern = sparsity_pattern(lambda x: bind(Mixed(), as_operand(x[:3])))(X)
    assert pattern.nnz == 9
    assert pattern.covers(jacrev(lambda x: bind(Mixed(), as_operand(x[:3])))(X))


class Differences(Primitive):
    """The differences of neighbours, squared: a rule for the derivative alone."""

    def impl(self, x: Any) -> Any:
        return np.diff(x) ** 2

    def abstract(self, x: Any) -> Any:
        return x.update(shape=(x.shape[0] - 1,))

    def jvp(self, primals: Any, tangents: Any, output: Any) -> Any:
        return 2 * np.diff(primals[0]) * np.diff(tangents[0])

    def batch(self, size: int, inputs: Any, batched: Any) -> Any:
        return np.stack([bind(self, x) for x in inputs[0]])


def test_without_a_rule_the_derivative_is_looked_into() -> None:
    assert sparsity_pattern(lambda x: bind(Differences(), as_operand(x)))(X) == sparsity_pattern(np.diff)(X)


def test_a_custom_derivative_counts_and_not_the_value() -> None:
    @custom_jvp
    def rounded(x: Any) -> Any:
        return np.round(x)

    rounded.defjvp(lambda primals, tangents: (np.round(primals[0]), tangents[0][::-1]))
    assert sparsity_pattern(lambda x: rounded(x * x))(np.ones(4)) == Pattern.of(np.eye(4)[::-1])


def test_a_custom_second_derivative_need_not_be_symmetric() -> None:
    @custom_jvp
    def odd(x: Any) -> Any:
        return x[0] * x[1]

    odd.defjvp(lambda primals, tangents: (primals[0][0] * primals[0][1], tangents[0][0] * primals[0][1]))
    pattern = hessian_pattern(odd)(np.ones(2))
    assert pattern.covers(at.jacfwd(at.grad(odd))(np.ones(2)))
    assert pattern == pattern.T


def test_checkpoints_are_looked_into() -> None:
    f = at.checkpoint(lambda x: np.sum(np.diff(np.sin(x)) ** 2))
    assert hessian_pattern(f)(np.ones(5)) == hessian_pattern(lambda x: np.sum(np.diff(x) ** 2))(np.ones(5))


# -- the pattern object ----------------------------------------------------------------------------


def test_pattern_is_sorted_and_has_each_place_once() -> None:
    pattern = Pattern([2, 0, 2, 0], [1, 3, 1, 0], (3, 4))
    assert pattern.rows.tolist() == [0, 0, 2]
    assert pattern.cols.tolist() == [0, 3, 1]
    assert (pattern.nnz, pattern.shape, pattern.density) == (3, (3, 4), 0.25)
    assert pattern == pattern.T.T
    assert np.array_equal(pattern.T.toarray(), pattern.toarray().T)
    assert (2, 1) in pattern
    assert (2, 2) not in pattern
    assert hash(pattern) == hash(Pattern.of(pattern.toarray()))
    assert pickle.loads(pickle.dumps(pattern)) == pattern


def test_pattern_of_what() -> None:
    dense = np.array([[0, 1.5], [np.nan, 0]])
    pattern = Pattern.of(dense)
    assert pattern == Pattern([0, 1], [1, 0], (2, 2))
    assert Pattern.of(pattern) is pattern
    sparse = pytest.importorskip("scipy.sparse")
    stored = sparse.csr_matrix((np.array([0.0, 1.0]), (np.array([0, 1]), np.array([0, 0]))), shape=(2, 3))
    assert Pattern.of(stored) == Pattern([0, 1], [0, 0], (2, 3))
    assert Pattern.of(sparse.coo_array(dense)) == pattern
    assert np.array_equal(pattern.to_scipy().toarray(), pattern.toarray())
    assert pattern.to_scipy().format == "csr"


def test_sets_of_places() -> None:
    a, b = Pattern.of(np.eye(3)), Pattern.of(np.tri(3))
    assert a.union(b) == b
    assert a.intersection(b) == a
    assert b.covers(a)
    assert not a.covers(b)
    assert a.missing(b) == Pattern.of(np.tri(3, k=-1))
    assert a.union(np.ones((3, 3))).nnz == 9
    with pytest.raises(ValueError, match=r"Pattern.union: the patterns must have one shape; got \(3, 3\) and \(2, 2\)"):
        a.union(np.eye(2))


def test_wrong_patterns_are_refused() -> None:
    with pytest.raises(ValueError, match="rows must be from 0 to 1; got 0 to 2"):
        Pattern([0, 2], [0, 0], (2, 2))
    with pytest.raises(ValueError, match="cols must be from 0 to 1; got -1 to 0"):
        Pattern([0, 1], [0, -1], (2, 2))
    with pytest.raises(ValueError, match="of one length; got 2 and 1"):
        Pattern([0, 1], [0], (2, 2))
    with pytest.raises(ValueError, match="shape must be two lengths"):
        Pattern([], [], (2,))
    with pytest.raises(TypeError, match="rows must be integers; got an array of float64"):
        Pattern([0.5], [0], (2, 2))
    with pytest.raises(ValueError, match="must have two axes"):
        Pattern.of(np.ones(3))
    with pytest.raises(TypeError, match=r"Pattern\.of: the argument must be a Pattern"):
        Pattern.of("dense")
    with pytest.raises(AttributeError, match="immutable"):
        Pattern.of(np.eye(2)).shape = (3, 3)
    with pytest.raises(ValueError, match="read-only"):
        Pattern.of(np.eye(2)).rows[0] = 1


def test_pictures() -> None:
    assert str(Pattern.of([[1, 0], [1, 1]])) == "Pattern 2 x 2, 3 nonzeros (75%)\n■ ·\n■ ■"
    assert str(Pattern([], [], (0, 3))) == "Pattern 0 x 3, 0 nonzeros (0%)"
    dots = str(Pattern.of(np.eye(40))).splitlines()
    assert len(dots) == 11
    assert dots[1].startswith("⠑⢄")
    assert not any(np.count_nonzero([c != "⠀" for c in line]) != 2 for line in dots[1:])
    folded = str(sparsity_pattern(heat)(np.ones(1000))).splitlines()
    assert "a dot is 11 x 11 entries" in folded[0]
    assert len(folded) <= 25
    assert max(map(len, folded[1:])) <= 72
    assert repr(Pattern.of(np.eye(2))) == "<Pattern 2 x 2, 2 nonzeros (50%)>"


def test_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Axes:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: calls.append(name)

    axes = Axes()
    assert Pattern.of(np.eye(3)).draw(axes) is axes
    assert "imshow" in calls
    sparsity_pattern(heat)(np.ones(2000)).plot(axes)
    assert "scatter" in calls
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(UnsupportedError, match=r"Pattern\.draw: Matplotlib must be installed"):
        Pattern.of(np.eye(3)).draw()


def test_numpy_sees_a_pattern_as_its_matrix() -> None:
    pattern = sparsity_pattern(lambda x: x[1:] * x[:-1])(np.ones(3))
    expected = [[True, True, False], [False, True, True]]
    assert np.asarray(pattern).tolist() == pattern.toarray().tolist() == expected
    assert np.array(pattern, float).dtype == np.float64 and np.sum(pattern) == 4
    assert Pattern.of(np.asarray(pattern)) == pattern == Pattern.of(pattern)
    with pytest.raises(ValueError, match="made anew"):
        np.array(pattern, copy=False)
