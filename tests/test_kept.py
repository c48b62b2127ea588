"""Large arrays that programs keep between their calls: nobody sees them, and there are not too many."""

import gc
import threading

import numpy as np
import pytest

from autotrace import jit
from autotrace.compile import kept
from autotrace.compile.kept import LIMIT, Kept
from autotrace.ir import ShapedArray

N = 20_000  # float64 numbers: more than the smallest array that is kept, less than a fused region


def hidden(x, y):
    """Two arrays that only the program sees, and a result."""
    a = np.sin(x) * y
    b = a[::-1] * np.max(a)
    return np.cumsum(b * np.max(b)) + a[0]


def warm(f, *args, calls=30):
    jitted = jit(f)
    for _ in range(calls):
        result = jitted(*args)
    return jitted, result


def test_a_program_keeps_arrays_and_results_are_not_among_them():
    x, y = np.linspace(0.0, 1.0, N), np.linspace(1.0, 2.0, N)
    jitted, first = warm(hidden, x, y)
    assert "kept = take()" in jitted.lower(x, y).source()
    copy = first.copy()
    second = jitted(2.0 * x, y)
    np.testing.assert_array_equal(first, copy)
    np.testing.assert_allclose(first, hidden(x, y), rtol=1e-12)
    np.testing.assert_allclose(second, hidden(2.0 * x, y), rtol=1e-12)
    assert not np.shares_memory(first, second)


def test_small_arrays_are_not_kept():
    assert "take()" not in jit(hidden).lower(np.ones(1_000), np.ones(1_000)).source()


def test_threads_have_arrays_of_their_own():
    x, y = np.linspace(0.0, 1.0, N), np.linspace(1.0, 2.0, N)
    jitted, _ = warm(hidden, x, y)
    scales = np.linspace(0.5, 1.5, 8)
    results = {}

    def work(scale):
        for _ in range(20):
            results[scale] = jitted(scale * x, y)

    threads = [threading.Thread(target=work, args=(scale,)) for scale in scales]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for scale in scales:
        np.testing.assert_allclose(results[scale], hidden(scale * x, y), rtol=1e-12)


def test_after_an_error_the_next_call_is_right():
    def f(x, m):
        a = np.sin(x) * 2.0
        return np.max(a) * np.linalg.inv(m), np.sum(a * np.max(a))

    x = np.linspace(0.0, 1.0, N)
    jitted, expected = warm(f, x, np.eye(2))
    with pytest.raises(np.linalg.LinAlgError):
        jitted(x, np.zeros((2, 2)))
    for a, b in zip(jitted(x, np.eye(2)), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def avals(nbytes):
    return [ShapedArray((nbytes // 8,), np.dtype(float))]


def test_one_set_is_kept():
    arrays = Kept(avals(800))
    one, two = arrays.take(), arrays.take()
    assert one[0] is not two[0]
    arrays.give(one)
    arrays.give(two)
    assert arrays.take()[0] is one[0]
    assert arrays.take()[0] is not two[0]


def test_what_is_kept_is_bounded():
    programs = []
    for _ in range(5):
        programs.append(Kept(avals(LIMIT // 2)))
        programs[-1].give(programs[-1].take())
    assert sum(len(p._free) for p in programs) == 2
    assert programs[-1]._free
    programs[0].give(programs[0].take())
    assert not programs[0]._free  # its room is taken
    large = Kept(avals(LIMIT + 8))
    large.give(large.take())
    assert not large._free
    assert programs[-1]._free
    del programs, large
    gc.collect()
    assert sum(p.nbytes for p in kept._keeping.values()) < LIMIT // 2
