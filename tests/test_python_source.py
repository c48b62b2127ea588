"""``jaxpr.to_python``: the text runs alone and computes what the program does, on the whole catalogue."""

import builtins
import sys
from typing import Any

import numpy as np
import pytest

import autotrace as at
from autotrace import check_jaxpr, eval_jaxpr, make_jaxpr, vjp, vmap
from autotrace.compile.fusion import fuse
from autotrace.test_util import random_like
from tests import catalogue
from tests.laws import Problem, numbers, quiet
from tests.test_random_programs import Program

CASES = catalogue.all_cases()
ROUNDING = 1e-12
"""Where ``np.einsum`` stands for products of larger arrays it adds in another order than ``np.matmul``."""


def run(text: str, name: str = "program") -> Any:
    """Run ``text`` where this library cannot be imported, and return its function ``name``."""

    def guarded_import(module: str, *args: Any, **kwargs: Any) -> Any:
        if module.partition(".")[0] not in ("numpy", "scipy", "math", "warnings", "operator", "itertools", "functools"):
            raise ImportError(f"a file that runs alone imports {module}")
        return builtins.__import__(module, *args, **kwargs)

    scope: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": guarded_import}, "__name__": "alone"}
    exec(compile(text, "alone.py", "exec"), scope)
    assert not any(str(getattr(x, "__module__", "")).startswith("autotrace") for x in scope.values())
    return scope[name]


def results(returned: Any, count: int) -> list[Any]:
    return [returned] if count == 1 else list(returned)


def same_bits(x: np.ndarray, y: np.ndarray) -> bool:
    """Tell whether arrays are equal to the bit; long doubles have bits that mean nothing."""
    if x.dtype == np.longdouble:
        return np.array_equal(x, y, equal_nan=True) and np.array_equal(np.signbit(x), np.signbit(y))
    return x.tobytes() == y.tobytes()


def interpreted(jaxpr: at.Jaxpr, leaves: Any) -> list[Any]:
    """Run a program, its loops not compiled: those differ by rounding, which the steps of odeint amplify."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["autotrace.compile.program"], "RUNS_BEFORE_COMPILING", 10**9)
        return eval_jaxpr(jaxpr, *leaves)


def assert_runs_alone(jaxpr: at.Jaxpr, leaves: Any) -> None:
    check_jaxpr(jaxpr)
    text = jaxpr.to_python()
    function = run(text)
    expected = interpreted(jaxpr, leaves)
    got = results(function(*leaves, **text.constants), len(jaxpr.outputs))
    assert len(got) == len(expected)
    for x, y in zip(got, expected, strict=True):
        assert (np.shape(x), np.asarray(x).dtype, isinstance(x, np.ndarray)) == (
            np.shape(y),
            np.asarray(y).dtype,
            isinstance(y, np.ndarray),
        ), text
        if "np.einsum(" in jaxpr.to_python(comments=False):
            np.testing.assert_allclose(x, y, rtol=ROUNDING, atol=ROUNDING * np.max(np.abs(y), initial=1e-300))
        else:
            assert same_bits(np.asarray(x), np.asarray(y)), text


def programs(problem: Problem) -> Any:
    """The program of a case, of its gradient, and of its batch."""
    leaves = numbers(problem.leaves)
    yield make_jaxpr(problem)(*leaves), leaves
    if problem.point:
        point = numbers(problem.point)
        cts = random_like(problem.smooth(*point), problem.rng)
        gradient = make_jaxpr(lambda *x: vjp(problem.smooth, *x)[1](cts))(*point)
        yield gradient, point
    if leaves and "vmap" not in problem.case.skip:
        batch = [np.stack([x, x]) for x in leaves]
        yield make_jaxpr(vmap(problem))(*batch), batch


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES if "check" not in case.skip])
def test_the_catalogue_runs_alone(case: catalogue.Case) -> None:
    with quiet():
        for jaxpr, leaves in programs(Problem(case)):
            assert_runs_alone(jaxpr, leaves)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_run_alone(seed: int) -> None:
    program = Program(seed)
    functions: list[Any] = [program]
    if seed % 4 == 0:
        functions += [at.grad(program.scalar), at.jit(program.scalar)]
    if np.ndim(program.args[0]) == 0:
        functions.append(at.grad(at.grad(program.scalar)))
    with quiet():
        for function in functions:
            assert_runs_alone(make_jaxpr(function)(*program.args), program.args)


@pytest.mark.parametrize("function", [lambda x: np.sum(np.exp(x) * 2.0 + np.sin(x)), lambda x: x @ x + np.tanh(x)])
def test_compiled_programs_run_alone(function: Any) -> None:
    x = np.linspace(-1.0, 1.0, 90_000).reshape(300, 300)
    fused = fuse(at.jit(function).lower(x).jaxpr)
    assert "fused" in fused.count_primitives()
    got, expected = run(fused.to_python())(x), eval_jaxpr(fused, x)[0]
    np.testing.assert_allclose(got, expected, rtol=1e-13)  # a sum by blocks rounds otherwise


def test_long_programs_take_linear_time() -> None:
    def f(x: Any) -> Any:
        for _ in range(5_000):
            x = np.sin(x) + 0.5
        return x

    jaxpr = make_jaxpr(f)(0.1)
    assert run(jaxpr.to_python(names="user"))(np.float64(0.1)) == jaxpr(0.1)[0]


# -- nothing that a program says is run as code


HOSTILE = "');__import__('os').abort()#"


def test_hostile_parameters_stay_text() -> None:
    jaxpr = make_jaxpr(lambda x: x if x > 0 else -x)(1.0)
    guard = type(jaxpr.equations[-1].primitive)
    for primitive in (
        guard(HOSTILE, "index"),
        guard(HOSTILE, "mask"),
        guard(HOSTILE, "float"),
        guard(HOSTILE, HOSTILE),
    ):
        changed = jaxpr.map_equations(lambda e, p=primitive: e._replace(primitive=p) if e.primitive.effect else e)
        with pytest.raises(ValueError, match="this is the program of"):
            run(changed.to_python())(np.float64(1.0))


def test_hostile_places_and_labels_stay_text() -> None:
    jaxpr = make_jaxpr(lambda x: at.jit(np.sin)(x))(1.0)
    place = (at.Place("a\nraise SystemExit\r", 1, "f\nraise SystemExit\x0c"), 0, "")
    call = jaxpr.equations[0].primitive
    for label in ("class", "f(x):\nraise SystemExit\ndef g", "np", "print"):
        primitive = type(call)(call.jaxpr, label)
        changed = jaxpr.map_equations(lambda e, p=primitive: e._replace(primitive=p, source=place))
        assert run(changed.to_python())(1.0) == np.sin(1.0)


def test_what_is_no_program_is_refused() -> None:
    jaxpr = make_jaxpr(lambda x: np.sum(x[1:], axis=0))(X)
    for wrong in ("0]", HOSTILE, 5):
        slices = type(jaxpr.equations[0].primitive)(((wrong, 3, 1),))
        broken = jaxpr.map_equations(lambda e, p=slices: e._replace(primitive=p) if e.primitive.name == "slice" else e)
        with pytest.raises(at.errors.JaxprTypeError):
            broken.to_python()


# -- what the text looks like


def body(text: str) -> str:
    """The statements of the program, without the docstring."""
    return text.split('"""\n')[-1].replace("    ", "")


def written(function: Any, *args: Any, **options: Any) -> str:
    return body(make_jaxpr(function)(*args).to_python(comments=False, **options))


X = np.array([0.5, -1.0, 2.0])


def test_arithmetic_is_written_as_a_person_would() -> None:
    text = written(lambda x, y: (np.sin(x) * y + 2.0, x[1:], x[::-1], -x, x > 0, np.sum(x), x[0] ** 2), X, 3.0)
    assert text == (
        "c = np.sin(a)\nd = c * b\ne = d + 2.0\nf = a[1:]\ng = a[::-1]\nh = -a\ni = a > 0.0\nj = np.sum(a)\n"
        "k = a[0]\nl = k ** 2\nreturn e, f, g, h, i, j, l\n"
    )


def test_matrices_and_indices_are_written_as_a_person_would() -> None:
    m, v, i = np.ones((3, 4)), np.ones(4), np.array([0, 2])
    text = written(
        lambda m, v, i: (m @ v, m.T @ m, np.outer(v, v), m[i], np.sum(m, axis=0), m.reshape(2, 6), m + v), m, v, i
    )
    assert text == (
        "d = np.matmul(a, b)\ne = a.T\nf = np.matmul(e, a)\ng = b[:, None] * b\nh = a[c]\ni = np.sum(a, axis=0)\n"
        "j = np.reshape(a, (2, 6))\nl = a + b\nreturn d, f, g, h, i, j, l\n"
    )


def test_updates_are_assignments_to_a_copy() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        y[0] = 5.0
        return y

    assert written(f, X) == 'b = a * 1.0\nc = b.copy(order="K")\nc[0] = np.float64(5.0)\nreturn c\n'
    assert "np.add.at(" in written(at.grad(lambda x: np.sum(x[np.array([0, 0])] ** 2)), X)


def test_user_names_and_lines_are_kept() -> None:
    def energy(mass: Any, speed: Any) -> Any:
        square = speed * speed
        return 0.5 * mass * square

    text = make_jaxpr(energy)(2.0, 3.0).to_python("energy", names="user")
    assert "def energy(mass, speed):" in text
    assert "    square = speed * speed\n" in text
    assert "        square = speed * speed" not in text
    assert "energy): square = speed * speed\n" in text  # the comment
    assert run(text, "energy")(2.0, 3.0) == 9.0


def test_names_that_mean_something_in_python_are_not_used() -> None:
    def f(x: Any) -> Any:
        for _ in range(1000):
            x = x + 1.0
        return x

    jaxpr = make_jaxpr(f)(0.0)
    assert run(jaxpr.to_python())(0.0) == 1000.0  # ... as, if, in, is, or, ..., all, any, int ...

    def np_(np: Any, sum: Any) -> Any:
        return np * sum

    assert run(make_jaxpr(np_)(2.0, 3.0).to_python(names="user"))(2.0, 3.0) == 6.0


@pytest.mark.parametrize("name", ["", "a b", "1x", "lambda", "np", "print", "x;y", None])
def test_a_name_must_be_a_name(name: Any) -> None:
    with pytest.raises(ValueError, match="to_python: name must be"):
        make_jaxpr(np.sin)(1.0).to_python(name)


def test_guards_raise() -> None:
    def f(x: Any, n: Any) -> Any:
        return x * [1.0, 2.0, 3.0][n] if x > 0 else x

    function = run(make_jaxpr(f)(2.0, 1).to_python())
    assert function(3.0, np.int64(1)) == 6.0
    for wrong in ((-1.0, 1), (3.0, 2)):
        with pytest.raises(ValueError, match="this is the program of"):
            function(*wrong)


@pytest.mark.parametrize("value", [0.5, float("nan"), -0.0])
def test_guards_of_floats_tell_nan_and_the_sign_of_zero(value: float) -> None:
    jaxpr = make_jaxpr(lambda x: float(at.stop_gradient(x)) * x)(value)
    function = run(jaxpr.to_python())
    with np.errstate(invalid="ignore"):
        function(np.float64(value))
        with pytest.raises(ValueError, match="this is the program of"):
            function(np.float64(abs(value) + 0.25 if value == value else 0.0))


def test_small_constants_stand_in_the_text_and_large_ones_beside_it(tmp_path: Any) -> None:
    small, large = np.array([1.5, np.nan, -0.0]), np.arange(100.0)
    text = make_jaxpr(lambda x: (np.sum(x * small), np.sum(x[0] * large)))(X).to_python(comments=False)
    assert "= np.array([1.5, np.nan, -0.0])" in text
    ((name, array),) = text.constants.items()
    assert np.array_equal(array, large) and f"def program(c, *, {name}):" in text
    assert f"{name} : f64[100], a constant of the program" in text
    np.savez(tmp_path / "beside.npz", **text.constants)
    with np.load(tmp_path / "beside.npz") as beside:
        assert run(text)(X, **beside)[1] == 0.5 * large.sum()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16", "i1", "u8", "i8", "?", "longdouble"])
def test_constants_and_numbers_keep_their_dtype(dtype: str) -> None:
    table = np.array([[0, 1, 3]]).astype(dtype)
    number = table.dtype.type(1)
    for constant in (table, table[:0], np.tile(table, (1, 5)), np.zeros((4, 4), dtype)):
        jaxpr = make_jaxpr(lambda x, c=constant: (np.add(x, c), c, number, np.where(x == x, x, number)))(number)
        assert_runs_alone(jaxpr, [number])


def test_traced_constants_are_refused() -> None:
    def f(x: Any) -> Any:
        make_jaxpr(lambda y: y * x)(1.0).to_python()

    for transform in (at.grad, vmap, at.jit):
        with pytest.raises(at.errors.UnsupportedError, match="to_python: constants must be NumPy arrays"):
            transform(f)(X if transform is vmap else 2.0)


def test_numbers_at_the_edges_survive() -> None:
    edges = [np.inf, -np.inf, np.nan, -0.0, 5e-324, complex(-0.0, 1), complex(1, -0.0), complex(np.nan, -np.inf)]
    jaxpr = make_jaxpr(lambda x: tuple(x * 0 + e for e in edges) + tuple(edges))(1.0)
    with np.errstate(invalid="ignore"):
        assert_runs_alone(jaxpr, [np.float64(1.0)])


def test_single_precision_stays() -> None:
    text = written(lambda x: np.maximum(x * 2.5, 0.1), X.astype("f4"))
    assert text == "b = a * 2.5\nc = np.maximum(b, 0.10000000149011612)\nreturn c\n"


def test_control_flow_becomes_loops_and_branches() -> None:
    def f(x: Any, w: Any) -> Any:
        total, rows = at.scan(lambda c, r: (c * 0.9 + np.sin(r), c * r + w), x[0], x)
        chosen = at.cond(total > 0, lambda a: a * 2, lambda a: a - 1.0, total)
        grown, _ = at.while_loop(lambda t: t[0] < 10.0, lambda t: (t[0] + abs(w) + 1.0, t[1] * 1.1), (chosen, 1.0))
        return np.sum(rows) * grown + at.switch((x[0] * 3).astype(int), [np.sin, np.cos, np.tan], x)[1]

    text = make_jaxpr(f)(X, 0.7).to_python()
    for part in ("for i_2 in range(3):", "while condition(", "if ", "elif ", "else:", "def body(", "def branch("):
        assert part in text
    for function in (f, at.grad(f), at.grad(f, argnums=1), at.jit(f), at.grad(lambda x, w: np.sum(at.grad(f)(x, w)))):
        assert_runs_alone(make_jaxpr(function)(X, 0.7), (X, 0.7))
    rows = np.stack([X, -X])
    for function in (vmap(f, in_axes=(0, None)), vmap(at.grad(f), in_axes=(0, None))):
        assert_runs_alone(make_jaxpr(function)(rows, 0.7), (rows, 0.7))


def test_a_called_program_is_one_inner_function() -> None:
    table = np.arange(200.0)
    softplus = at.jit(lambda x: np.log1p(np.exp(x)) + np.sum(table * x))
    jaxpr = make_jaxpr(lambda x: softplus(x) * softplus(x + 1.0))(1.0)
    text = jaxpr.to_python()
    assert text.count("    def ") == 1 and len(text.constants) == 1
    assert_runs_alone(jaxpr, [np.float64(1.0)])


def test_warnings_are_given() -> None:
    jaxpr = make_jaxpr(lambda x: np.var(x, ddof=3))(X)
    if "warn" in jaxpr.count_primitives():
        with pytest.warns(RuntimeWarning):
            run(jaxpr.to_python())(X)


def test_einsum_agrees_to_rounding() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 4, 5)), rng.normal(size=(5, 6, 3))
    for subscripts in ("abc,cda->bd", "abc,cda->dba", "abc,cda->adb", "abc,cda->abcd", "abc,cda->"):
        jaxpr = make_jaxpr(lambda x, y, s=subscripts: np.einsum(s, x, y))(x, y)
        assert_runs_alone(jaxpr, (x, y))


@pytest.mark.parametrize("subscripts", ["ab,bc->ac", "ba,bc->ac", "ab,cb->ac", "ba,cb->ac", "ab,bc->ca", "ba,cb->ca"])
@pytest.mark.parametrize("stack", ["", "s"])
def test_products_of_matrices_are_matmul(subscripts: str, stack: str) -> None:
    operands, out = subscripts.split("->")
    x, y = operands.split(",")
    subscripts = f"{stack}{x},{stack}{y}->{stack}{out}"
    sizes = {"a": 3, "b": 4, "c": 5, "s": 2}
    rng = np.random.default_rng(0)
    args = [rng.normal(size=[sizes[c] for c in stack + t]) for t in (x, y)]
    jaxpr = make_jaxpr(lambda x, y: np.einsum(subscripts, x, y))(*args)
    text = jaxpr.to_python(comments=False)
    assert "np.matmul" in text and "np.einsum" not in text
    assert_runs_alone(jaxpr, args)


# -- primitives of one's own


def helper(x: Any, power: int) -> Any:
    return np.abs(x) ** power


class PlainExpression(at.primitives.Unary):
    """One expression of the operand and a parameter."""

    ufunc = np.tanh
    slope: float

    def impl(self, x: Any) -> Any:
        return np.tanh(self.slope * x)

    def derivative(self, x: Any, y: Any) -> Any:
        return self.slope * (1 - y * y)


class WithHelper(at.primitives.Unary):
    """Statements, a function of the module, a branch on a parameter, a method."""

    ufunc = np.tanh
    power: int

    def impl(self, x: Any) -> Any:
        """Compute it."""
        if self.power == 0:
            return np.ones_like(x)
        total: Any = self._start(x)
        for _ in range(self.power + 1):
            total = total + helper(x, self.power)
        return total

    def _start(self, x: Any) -> Any:
        return x * self.power

    def derivative(self, x: Any, y: Any) -> Any:
        return x


STEP = np.float32(1.5)


def make_helper(step: float) -> Any:
    def with_defaults(x: Any, start: float = 2 * step, *, table: Any = (step, STEP)) -> Any:
        def inner(y: Any) -> Any:
            return [y + t for t in table]

        return inner(x)[1] + start * step

    return with_defaults


defaults = make_helper(0.25)


class WithDefaults(at.primitives.Unary):
    """A helper with defaults, a closure, a function and a comprehension inside."""

    ufunc = np.tanh

    def impl(self, x: Any) -> Any:
        return defaults(x) * 2.0

    def derivative(self, x: Any, y: Any) -> Any:
        return x


class WithSuper(PlainExpression):
    """Nothing in a file is its super class."""

    def impl(self, x: Any) -> Any:
        return super().impl(x)


class Unreadable(at.primitives.Unary):
    """Its impl is compiled code that no library offers."""

    ufunc = np.tanh
    impl = np.frompyfunc(lambda x: x, 1, 1)

    def derivative(self, x: Any, y: Any) -> Any:
        return x


class Spelled(at.primitives.Unary):
    """It spells itself."""

    ufunc = np.tanh
    impl = np.frompyfunc(lambda x: x, 1, 1)

    def derivative(self, x: Any, y: Any) -> Any:
        return x

    def spell(self, page: Any, x: Any) -> str:
        return f"{page.module('math')}.tanh({x})"


def test_a_primitive_of_ones_own_is_spelled_by_its_impl() -> None:
    plain = at.primitives.elementwise(PlainExpression(2.0))
    assert written(plain, 1.0) == "b = np.tanh(2.0 * a)\nreturn b\n"
    for primitive in (PlainExpression(0.5), WithHelper(0), WithHelper(2), WithDefaults()):
        jaxpr = make_jaxpr(at.primitives.elementwise(primitive))(X)
        assert_runs_alone(jaxpr, [X])
    text = make_jaxpr(at.primitives.elementwise(WithHelper(2)))(X).to_python()
    assert "def helper(x, power):" in text and "self" not in text and "range(3)" in text and ": int" not in text


def test_two_instances_are_two_functions() -> None:
    one, two = (at.primitives.elementwise(WithHelper(n)) for n in (1, 2))
    jaxpr = make_jaxpr(lambda x: one(x) + two(x))(X)
    assert_runs_alone(jaxpr, [X])


def test_a_primitive_that_cannot_be_read_says_what_to_write() -> None:
    jaxpr = make_jaxpr(at.primitives.elementwise(Unreadable()))(1.0)
    with pytest.raises(at.errors.MissingRuleError, match=r"unreadable must be spelled .* Define spell\(page"):
        jaxpr.to_python()


def test_a_primitive_that_needs_its_class_says_what_to_write() -> None:
    jaxpr = make_jaxpr(at.primitives.elementwise(WithSuper(1.0)))(1.0)
    with pytest.raises(at.errors.MissingRuleError, match=r"with_super must be spelled .* uses the name super"):
        jaxpr.to_python()


def test_a_primitive_may_spell_itself() -> None:
    text = make_jaxpr(at.primitives.elementwise(Spelled()))(1.0).to_python()
    assert "import math\n" in text and run(text)(1.0) == np.tanh(1.0)


def test_every_primitive_of_the_library_can_be_spelled() -> None:
    """Those whose impl is compiled code are functions of NumPy or SciPy; the source of the others is at hand."""
    from autotrace.ir import REGISTRY

    met: set[str] = set()
    with quiet():
        for case in CASES:
            if "check" not in case.skip:
                for jaxpr, _ in programs(Problem(case)):
                    met |= set(jaxpr.count_primitives())
    # Made by the compiler, or by control flow, or by an order of derivative that the catalogue does not reach.
    elsewhere = {"fused", "call", "cond", "scan", "while"}
    own = {name for name, kind in REGISTRY.items() if kind.__module__.startswith("autotrace.")}
    missing = own - met - elsewhere
    for name in sorted(missing):
        kind = REGISTRY[name]
        assert "spell" in vars(kind) or "spell_lines" in vars(kind) or callable(kind.impl), name
    assert len(missing) < 25, missing


# -- functions with rules of their own, checkpoints, callbacks


def cube(x: Any) -> Any:
    return x**3


def both(x: Any, scale: Any) -> Any:
    return {"value": cube(x), "sum": [np.sum(x) * scale["by"]]}


def test_callbacks_are_copied() -> None:
    def f(x: Any) -> Any:
        like = at.ShapeDtypeStruct(x.shape, x.dtype)
        y = at.pure_callback(cube, like, x)
        tree = {"value": like, "sum": [at.ShapeDtypeStruct((), x.dtype)]}
        found = at.pure_callback(both, tree, x, {"by": 2.0})
        return y + found["value"] + found["sum"][0]

    jaxpr = make_jaxpr(f)(X)
    assert jaxpr.to_python().count("def cube(x):") == 1
    assert np.array_equal(run(jaxpr.to_python())(X), f(X))


def test_printing_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        at.debug.print("x is {} and twice it {twice:.1f}", x, twice=2 * x)
        return x

    run(make_jaxpr(f)(1.5).to_python())(1.5)
    assert capsys.readouterr().out == "x is 1.5 and twice it 3.0\n"


def test_a_checkpoint_is_an_inner_function() -> None:
    f = at.checkpoint(lambda x: np.sin(x) * np.exp(x))
    for function in (f, at.grad(lambda x: np.sum(f(x)))):
        assert_runs_alone(make_jaxpr(function)(X), [X])


@pytest.mark.skipif(not hasattr(at, "custom_jvp"), reason="custom_jvp is not public")
def test_a_function_with_its_own_rule_is_an_inner_function() -> None:
    @at.custom_jvp
    def clipped(x: Any) -> Any:
        return np.clip(x, -1.0, 1.0)

    clipped.defjvp(lambda primals, tangents: (clipped(primals[0]), tangents[0]))
    for function in (clipped, at.grad(lambda x: np.sum(clipped(x)))):
        assert_runs_alone(make_jaxpr(function)(X), [X])
