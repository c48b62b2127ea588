"""Threads and coroutines that trace at once: each has its own traces, and all get the right answers."""

import asyncio
import contextvars
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from autotrace import check_jaxpr, grad, hessian, jvp, linearize, make_jaxpr, vjp, vmap
from autotrace.tracing import current_trace


@pytest.fixture(autouse=True)
def _switch_often():
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def _together(count, work):
    """Run ``work(i)`` in ``count`` threads that start at one moment; return the results."""
    barrier = threading.Barrier(count)

    def run(i):
        barrier.wait()
        return work(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_many_threads_trace_at_once():
    def work(i):
        k = float(i + 1)
        out = []
        for n in range(20):
            x = np.linspace(0.1, 1.0, 3 + (i + n) % 5)
            g = grad(lambda x, k=k: np.sum(np.sin(k * x) * x))(x)
            out.append(np.allclose(g, np.sin(k * x) + k * x * np.cos(k * x), rtol=1e-12))
            out.append(
                np.isclose(grad(grad(lambda x, k=k: np.exp(k * x) if x > 0 else x))(0.3), k * k * np.exp(0.3 * k))
            )
            out.append(np.allclose(vmap(grad(lambda x, k=k: x**3 * k))(x), 3 * k * x * x))
            out.append(np.allclose(hessian(lambda x, k=k: k * np.sum(x * x))(x), 2 * k * np.eye(len(x))))
            check_jaxpr(make_jaxpr(grad(lambda x: np.sum(x * k)))(x))
        return all(out) and current_trace() is None

    assert all(_together(8, work))


def test_one_function_differentiated_by_many_threads():
    decorated = grad(lambda x, n: x**3 * n)
    assert _together(8, lambda i: [float(decorated(float(i), 2.0)) for _ in range(50)]) == [
        [6.0 * i * i] * 50 for i in range(8)
    ]


def test_one_pullback_called_by_many_threads():
    x = np.linspace(0.0, 1.0, 50)
    _, pullback = vjp(lambda x: np.sin(x) * np.exp(x), x)
    _, f_jvp = linearize(lambda x: np.sin(x) * np.exp(x), x)
    slope = np.cos(x) * np.exp(x) + np.sin(x) * np.exp(x)

    def work(i):
        ct = np.full(50, float(i))
        return all(np.allclose(pullback(ct)[0], i * slope) and np.allclose(f_jvp(ct), i * slope) for _ in range(20))

    assert all(_together(8, work))


def test_one_program_run_by_many_threads():
    jaxpr = make_jaxpr(lambda x: np.cumsum(np.sin(x) * 2.0))(np.ones(10))

    def work(i):
        x = np.full(10, float(i))
        return all(np.allclose(jaxpr(x)[0], np.cumsum(np.sin(x) * 2.0)) for _ in range(50))

    assert all(_together(8, work))


def test_interned_values_are_one_object_in_all_threads():
    from autotrace import ShapedArray
    from autotrace.primitives.shape import Reshape

    shapes = [(1000 + i, 7) for i in range(200)]
    avals = _together(8, lambda i: [ShapedArray(s, np.dtype(np.float32)) for s in shapes])
    primitives = _together(8, lambda i: [Reshape(s) for s in shapes])
    for rows in (avals, primitives):
        assert all(a is b for row in rows for a, b in zip(row, rows[0]))


def test_a_thread_started_inside_a_trace_has_no_current_trace():
    seen = []

    def f(x):
        thread = threading.Thread(target=lambda: seen.append((current_trace(), grad(np.sin)(0.0))))
        thread.start()
        thread.join()
        return x * 2.0

    assert grad(f)(1.0) == 2.0
    assert seen == [(None, 1.0)]


def test_a_traced_value_used_in_another_thread_while_its_trace_is_open():
    """The trace is that of the value, not of the thread."""

    def f(x):
        with ThreadPoolExecutor(2) as pool:
            a, b = pool.map(lambda k: np.sin(x * k), [1.0, 2.0])
        return a + b

    assert grad(f)(0.3) == pytest.approx(np.cos(0.3) + 2 * np.cos(0.6), rel=1e-14)


def test_a_failure_in_one_thread_does_not_touch_the_others():
    def work(i):
        for _ in range(20):
            if i % 2:
                with pytest.raises(ZeroDivisionError):
                    grad(lambda x: 1 / 0)(1.0)
            else:
                assert grad(lambda x: grad(lambda y: x * y)(x))(2.0) == 1.0
        return current_trace() is None

    assert all(_together(8, work))


def test_coroutines_that_trace_in_turns():
    async def slope(k):
        def f(x):
            return np.sin(x * k)

        out = []
        for _ in range(10):
            out.append(float(grad(f)(0.0)))
            await asyncio.sleep(0)
        return out

    async def main():
        return await asyncio.gather(*[slope(float(k)) for k in range(5)])

    assert asyncio.run(main()) == [[float(k)] * 10 for k in range(5)]


def test_a_coroutine_suspended_inside_a_trace():
    """Two coroutines, each suspended in the midst of its own trace, stepped by hand in turns."""

    class Pause:
        def __await__(self):
            yield

    async def model(x, k):
        y = x * k
        await Pause()
        return y * x

    def stepped(x):
        runs = [model(x, 2.0), model(x, 3.0)]
        values = []
        while runs:
            for run in list(runs):
                try:
                    run.send(None)
                except StopIteration as stop:
                    values.append(stop.value)
                    runs.remove(run)
        return sum(values)

    assert grad(stepped)(1.0) == 10.0
    assert jvp(stepped, (1.0,), (1.0,))[1] == 10.0


def test_a_copied_context_runs_its_own_transforms_inside_a_trace():
    def f(x):
        inner = contextvars.copy_context().run(lambda: grad(lambda y: y * y)(3.0))
        return x * inner

    assert grad(f)(1.0) == 6.0
