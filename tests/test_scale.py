"""Programs of 100,000 equations: every step over them iterates, and takes time linear in the length."""

import gc
import sys
import time

import numpy as np
import pytest

from autotrace import check_jaxpr, eval_jaxpr, grad, jvp, linearize, make_jaxpr, vjp, vmap
from autotrace.compile.simplify import simplify
from autotrace.ir import eliminate_dead_code

SMALL, LARGE = 10_000, 100_000


def chain(length):
    def f(x):
        for _ in range(length // 2):
            x = np.sin(x) + 0.5
        return x

    return f


@pytest.fixture(scope="module")
def programs():
    gc.collect()
    gc.freeze()  # the collector shall not look through the whole suite's objects while these tests run
    yield {length: make_jaxpr(chain(length))(0.3) for length in (SMALL, LARGE)}
    gc.unfreeze()


STEPS = {
    "trace": lambda n, program: make_jaxpr(chain(n))(0.3),
    "print": lambda n, program: str(program),
    "check": lambda n, program: check_jaxpr(program),
    "evaluate": lambda n, program: eval_jaxpr(program, 0.3),
    "simplify": lambda n, program: simplify(program),
    "drop dead code": lambda n, program: eliminate_dead_code(program),
    "grad": lambda n, program: grad(chain(n))(0.3),
    "vjp": lambda n, program: vjp(lambda x: chain(n)(x[0]), np.array([0.3]))[1](1.0),
    "jvp": lambda n, program: jvp(chain(n), (0.3,), (1.0,)),
    "linearize": lambda n, program: linearize(chain(n), 0.3)[1](1.0),
    "vmap": lambda n, program: vmap(chain(n))(np.ones(2)),
    "program of grad": lambda n, program: make_jaxpr(grad(chain(n)))(0.3),
    "a question at the end": lambda n, program: grad(lambda x: y if (y := chain(n)(x)) > 0 else x)(0.3),
}


def _seconds(step, length, program):
    start = time.process_time()
    step(length, program)
    return time.process_time() - start


@pytest.mark.parametrize("name", STEPS)
def test_linear_time_without_recursion(name, programs):
    """Ten times the length takes at most thirty times as long: quadratic time would take a hundred.

    Three tries: a busy machine may delay one.
    """
    limit = sys.getrecursionlimit()
    for _ in range(3):
        small = _seconds(STEPS[name], SMALL, programs[SMALL])
        sys.setrecursionlimit(150 + len(_frames()))
        try:
            large = _seconds(STEPS[name], LARGE, programs[LARGE])
        finally:
            sys.setrecursionlimit(limit)
        if large < 30 * small + 0.1:
            return
    raise AssertionError(f"{name}: {small} s for {SMALL} equations, {large} s for {LARGE}")


def _frames():
    frame, found = sys._getframe(), []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


def test_the_program_has_the_length_and_its_derivative_a_small_multiple(programs):
    assert len(programs[LARGE].equations) == LARGE
    assert len(make_jaxpr(grad(chain(SMALL)))(0.3).equations) <= 3 * SMALL


def test_a_wide_sum_is_linear_too():
    """One value used 10,000 times: its cotangents are added one by one."""

    def f(x):
        return sum([x * float(k) for k in range(SMALL)])

    assert grad(f)(1.0) == SMALL * (SMALL - 1) / 2
    assert vjp(lambda x: f(x[0]), np.ones(1))[1](1.0)[0] == SMALL * (SMALL - 1) / 2


def test_many_arguments_and_many_outputs():
    xs = [float(i) for i in range(5000)]
    gradient = grad(lambda xs: sum(x * x for x in xs))(xs)
    assert gradient == [2.0 * x for x in xs]
    assert len(make_jaxpr(lambda x: [x * k for k in xs])(1.0).outputs) == 5000


def test_values_are_freed_after_their_last_use():
    """A chain of 1,000 equations on a megabyte needs a few megabytes, not a thousand."""
    import tracemalloc

    x = np.ones(125_000)
    jaxpr = make_jaxpr(chain(1000))(x)
    tracemalloc.start()
    eval_jaxpr(jaxpr, x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6
