"""Compiled programs do what interpreted ones do, over the whole catalogue; and what compiling promises besides."""

import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from autotrace import check_jaxpr, eval_jaxpr, grad, jit, make_jaxpr, vjp
from autotrace.compile import PASSES, codegen, fusion, layout, region, show_passes
from autotrace.compile.codegen import generate
from autotrace.compile.contract import contract_sums
from autotrace.compile.fusion import fuse
from autotrace.compile.passes import run_passes
from autotrace.compile.program import RUNS_BEFORE_COMPILING, Program, optimize
from autotrace.compile.scalars import is_scalar_program
from autotrace.test_util import random_like
from tests import catalogue
from tests.laws import Problem, assert_same, numbers, quiet, recorded
from tests.test_random_programs import SEEDS
from tests.test_random_programs import Program as RandomProgram

CASES = [case for case in catalogue.all_cases() if "value" not in case.skip]


def programs(p):
    """The program of a case, and that of its pullback."""
    yield make_jaxpr(p)(*p.leaves), numbers(p.leaves)
    if p.point and "transpose" not in p.case.skip:
        cts = random_like(p.smooth(*p.point), p.rng)
        yield make_jaxpr(lambda x, ct: vjp(p.smooth, *x)[1](ct))(p.point, cts), numbers([*p.point, *cts])


@pytest.fixture
def small_regions(monkeypatch):
    """Let fusion take arrays of any size, in blocks of two elements, on two threads."""
    monkeypatch.setattr(fusion, "SMALLEST", 1)
    for name, value in {"BLOCK": 2, "SHARED_BLOCK": 2, "PARALLEL": 4}.items():
        monkeypatch.setattr(region, name, value)
    monkeypatch.setenv("AUTOTRACE_NUM_THREADS", "2")


@pytest.fixture
def all_turned(monkeypatch):
    """Let every array be computed with its axes in the opposite order."""

    def backwards(aval):
        return tuple(range(aval.ndim))[::-1] if aval.ndim > 1 and min(aval.shape) > 0 else None

    monkeypatch.setattr(layout, "_wanted", backwards)


@pytest.fixture
def all_kept(monkeypatch):
    """Let arrays of any size be kept between calls."""
    monkeypatch.setattr(codegen, "SMALLEST_KEPT", 0)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_second_call_leaves_the_results_of_the_first(case, all_kept, small_regions):
    p = Problem(case)
    with quiet():
        for jaxpr, leaves in programs(p):
            compiled = generate(run_passes(optimize(jaxpr)), rounding=True)
            expected = eval_jaxpr(jaxpr, *leaves)
            first = compiled(*leaves)
            before = [np.copy(x) for x in first]
            compiled(*[0.75 * x if np.asarray(x).dtype.kind == "f" else x for x in leaves])
            for x, y in zip(first, before, strict=True):
                np.testing.assert_array_equal(x, y)
            assert_same(list(compiled(*leaves)), list(expected), "kept", p.exact)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_turned_is_interpreted(case, all_turned):
    p = Problem(case)
    with quiet():
        for jaxpr, leaves in programs(p):
            turned = layout.lay_out(contract_sums(optimize(jaxpr)))
            check_jaxpr(turned)
            assert_same(
                list(generate(turned, rounding=True)(*leaves)), list(eval_jaxpr(jaxpr, *leaves)), "turned", p.exact
            )


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_compiled_is_interpreted(case, small_regions):
    p = Problem(case)
    with quiet():
        for jaxpr, leaves in programs(p):
            # A loop compiles its own program once that has run often; from then on it rounds in its own way.
            loops = any(e.primitive.push is not None for e in jaxpr.equations)
            for _ in range(RUNS_BEFORE_COMPILING + 1 if loops else 1):
                expected = eval_jaxpr(jaxpr, *leaves)
            optimized = optimize(jaxpr)
            check_jaxpr(optimized)
            exact = generate(optimized)(*leaves)
            for got, value in zip(exact, expected, strict=True):
                assert np.array_equal(got, value, equal_nan=np.asarray(value).dtype.kind in "fc")
                assert np.asarray(got).dtype == np.asarray(value).dtype
            fused = fuse(optimized)
            check_jaxpr(fused)
            assert_same(list(generate(fused, rounding=True)(*leaves)), list(expected), "fused", p.exact)


@pytest.mark.parametrize("seed", SEEDS)
def test_compiled_is_interpreted_on_random_programs(seed, small_regions):
    program = RandomProgram(seed)
    args = program.args
    for jaxpr in (make_jaxpr(program)(*args), make_jaxpr(lambda *x: vjp(program.scalar, *x)[1](1.5))(*args)):
        expected = eval_jaxpr(jaxpr, *args)
        optimized = optimize(jaxpr)
        for got, value in zip(generate(optimized)(*args), expected, strict=True):
            assert np.array_equal(got, value, equal_nan=np.asarray(value).dtype.kind in "fc")
        assert_same(list(generate(fuse(optimized), rounding=True)(*args)), list(expected), "fused", 1e-11)


@pytest.mark.parametrize("seed", SEEDS)
def test_turned_is_interpreted_on_random_programs(seed, all_turned, all_kept, small_regions):
    program = RandomProgram(seed)
    args = program.args
    for jaxpr in (make_jaxpr(program)(*args), make_jaxpr(lambda *x: vjp(program.scalar, *x)[1](1.5))(*args)):
        turned = layout.lay_out(contract_sums(optimize(jaxpr)))
        check_jaxpr(turned)
        expected = eval_jaxpr(jaxpr, *args)
        assert_same(list(generate(fuse(turned), rounding=True)(*args)), list(expected), "turned", 1e-11)


def test_passes_can_be_watched(capsys):
    jitted = jit(lambda x: np.sum((x.T @ x) * 1.0))
    with show_passes():
        jitted.lower(np.ones((3, 2))).as_text()
    shown = capsys.readouterr().err
    titles = [line.split(":")[0] for line in shown.splitlines() if line[0] == "#"]
    assert titles == ["# after inline", "# after simplify"]
    assert [step.name for step in PASSES] == ["inline", "simplify", "separate", "contract", "lay out", "fuse"]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_compiled_warns_as_interpreted(case):
    p = Problem(case)
    with quiet():
        jaxpr = make_jaxpr(p)(*p.leaves)
        compiled = generate(optimize(jaxpr), rounding=True)
    leaves = numbers(p.leaves)
    _, expected = recorded(eval_jaxpr, jaxpr, *leaves)
    _, got = recorded(compiled, *leaves)
    assert {category for category, _ in got} == {category for category, _ in expected}


def chain(x):
    for _ in range(3):
        x = np.tanh(x * 1.5 + 0.25) * x - np.where(x > 0.5, x, 0.5)
    return x


def test_large_arrays_are_fused_and_right():
    x = np.linspace(-2.0, 2.0, 200_001)
    jaxpr = optimize(make_jaxpr(grad(lambda x: np.sum(chain(x))))(x))
    assert [e.primitive.name for e in fuse(jaxpr).equations] == ["fused"]
    jitted = jit(grad(lambda x: np.sum(chain(x))))
    expected = grad(lambda x: np.sum(chain(x)))(x)
    for _ in range(3):
        np.testing.assert_allclose(jitted(x), expected, rtol=1e-12)


def test_regions_with_broadcasts_and_sums_along_axes():
    rng = np.random.default_rng(0)
    x, row, column = rng.normal(size=(2_000, 40)), rng.normal(size=40), rng.normal(size=(2_000, 1))

    def f(x, row):
        scores = np.exp(x * row + column)
        return np.sum(np.log(scores.sum(axis=1))) + np.sum((x * row).sum(axis=0) ** 2) + np.max(x - row)

    jitted = jit(grad(f, argnums=(0, 1)))
    for _ in range(3):
        for got, expected in zip(jitted(x, row), grad(f, argnums=(0, 1))(x, row), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)


def test_operands_that_are_not_contiguous():
    x = np.asfortranarray(np.random.default_rng(0).normal(size=(300, 400)))
    jitted = jit(chain)
    for operand in (x, x[::2], x.T, np.broadcast_to(x[:1], x.shape)):
        jitted(operand)
        np.testing.assert_allclose(jitted(operand), chain(operand), rtol=1e-13)


def test_a_region_warns_once_or_more_and_raises_under_errstate():
    x = np.zeros(100_000)
    f = jit(lambda x: 1.0 / (x * 2.0) + 1.0)
    with np.errstate(all="ignore"):
        f(x)
        assert np.isinf(f(x)).all()
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        f(x)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        f(x)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(f(x + 1.0), np.full(100_000, 1.5))


def test_scalars_run_on_floats_and_leave_the_rest_to_numpy():
    f = lambda x: np.log(x) / x + np.exp(-x) * np.maximum(x, 0.5)  # noqa: E731
    program = Program(make_jaxpr(f)(1.0))
    assert is_scalar_program(program.optimized)
    assert "log(v0_)" in program.compiled.source
    for value in (0.3, 2.0, 700.0, 1e-300):
        np.testing.assert_allclose(program.compiled(np.float64(value))[0], f(np.float64(value)), rtol=1e-14)
    for value in (0.0, -1.0, np.inf, -np.inf, np.nan, 1e-320, -800.0):
        got, got_warnings = recorded(lambda v: program.compiled(np.float64(v))[0], value)
        expected, expected_warnings = recorded(lambda v: f(np.float64(v)), value)
        assert np.array_equal(got, expected, equal_nan=True)
        assert {w[0] for w in got_warnings} == {w[0] for w in expected_warnings}


def test_an_infinity_that_is_swallowed_still_warns():
    f = lambda x: 1.0 / (x * x * x)  # noqa: E731
    program = Program(make_jaxpr(f)(1.0))
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert program.compiled(np.float64(1e200))[0] == 0.0


def test_errors_of_compiled_programs_name_the_user_line():
    def f(a):
        return np.linalg.inv(a)

    program = Program(make_jaxpr(f)(np.eye(2)))
    with pytest.raises(np.linalg.LinAlgError) as caught:
        program.compiled(np.zeros((2, 2)))
    assert "test_compile.py" in caught.value.__notes__[0]
    np.testing.assert_array_equal(program.compiled(np.eye(2))[0], np.eye(2))


def test_results_are_nobody_elses():
    x = np.arange(3.0)
    for f in (lambda x: x, lambda x: x.reshape(3, 1), lambda x: (x, x), lambda x: x[1:], np.transpose):
        jitted = jit(f)
        for _ in range(40):
            result = jitted(x)
        for y in result if isinstance(result, tuple) else (result,):
            y[...] = 7.0
        np.testing.assert_array_equal(x, np.arange(3.0))
        np.testing.assert_array_equal(np.asarray(jitted(x)), np.asarray(f(x)))


def test_many_threads_call_one_program():
    x = np.linspace(0.0, 1.0, 150_000)
    jitted = jit(chain)
    jitted(x)
    expected = [chain(x * k) for k in range(4)]
    wrong = []

    def work(k):
        for _ in range(5):
            if not np.allclose(jitted(x * k), expected[k]):
                wrong.append(k)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_a_plain_gradient_gives_the_same_bits_before_and_after_it_is_compiled():
    x = np.linspace(0.1, 1.0, 7)
    g = grad(lambda x: np.sum(np.sin(x) ** 3 / x + np.exp(x) * x.mean()))
    results = [g(x) for _ in range(40)]
    assert all(np.array_equal(r, results[0]) for r in results)


def test_warnings_of_a_compiled_gradient_are_those_of_the_first():
    g = grad(lambda x: np.sum(np.sqrt(x)))
    for _ in range(40):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert np.isinf(g(np.zeros(2))).all()
        assert len(caught) == 1


def test_large_regions_run_while_the_interpreter_ends(tmp_path):
    """Threads are not started any more then."""
    script = tmp_path / "last.py"
    script.write_text(
        "import atexit\n"
        "import numpy as np\n"
        "from autotrace import jit\n"
        "f = jit(lambda x: np.sum(np.sin(x) * np.exp(x) + np.cos(x)))\n"
        "x = np.ones(1_000_000)\n"
        "f(x)\n"
        "atexit.register(lambda: print(f(x) > 0.0))\n"
    )
    environment = os.environ | {"AUTOTRACE_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout == "True\n", done.stderr
