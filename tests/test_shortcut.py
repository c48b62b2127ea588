"""The way into programs that are called often: it takes what it was written for, and nothing else."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import pytest

import autotrace as at
from autotrace import grad, jit
from autotrace.control.jit import MOST_SHORTCUTS, Jitted
from autotrace.control.shortcut import MISS, shortcut

HOT = 40


def heated(f, *args) -> Jitted:
    """Return ``jit(f)`` after so many calls that it has a short cut for ``args``."""
    jitted = jit(f)
    for _ in range(HOT):
        jitted(*args)
    assert len(jitted._cache.shortcuts) == 1
    return jitted


class Pair(NamedTuple):
    left: object
    right: object


KINDS = [
    (0.7,),
    (np.float64(0.7),),
    (np.float32(0.7),),
    (True,),
    (np.True_,),
    (1 + 2j,),
    (np.arange(3.0),),
    (np.array(2.0),),
    (np.arange(3.0, dtype=np.float32),),
    (np.arange(3),),
    (np.arange(4.0),),
    (np.arange(3.0)[::-1],),
    (np.arange(3.0).astype(">f8"),),
    (np.ones((1, 3)),),
    ([np.arange(3.0)],),
    ((np.arange(3.0),),),
    ((np.arange(3.0), None),),
    ({"a": np.arange(3.0)},),
    ({"b": np.arange(3.0)},),
    ({"a": np.arange(3.0), "b": 1.0},),
    ({0: np.arange(3.0), 1: {"x": [1.0]}},),
    (OrderedDict(a=np.arange(3.0)),),
    (Pair(np.arange(3.0), 2.0),),
    (3,),
    (np.int64(3),),
    (2**40,),
    (0.7, np.arange(3.0)),
    (),
]


def total(*args):
    """A function of any tree: what it returns tells dtypes and weak types apart."""
    return [x * np.float32(2) + np.sin(x) for x in at.tree.tree_leaves(args)]


@pytest.mark.parametrize("hot", KINDS, ids=repr)
def test_a_shortcut_takes_its_own_kind_and_leaves_others_alone(hot):
    jitted = jit(total)
    for _ in range(HOT):
        jitted(*hot)
    for args in KINDS:
        for _ in range(2):
            got, expected = jitted(*args), total(*args)
            assert [type(x) for x in got] == [type(x) for x in expected]
            for a, b in zip(got, expected, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("args", [(), (np.ones(3),), (1.0, 2.0), (np.ones(3), [np.ones(2), {"a": 1.0}])], ids=str)
def test_the_kinds_that_have_one(args):
    heated(lambda *args: [x + 1.0 for x in at.tree.tree_leaves(args)] or [np.sin(1.0)], *args)


@pytest.mark.parametrize("args", [(3,), (Pair(1.0, 2.0),), (OrderedDict(a=1.0),)], ids=str)
def test_the_kinds_that_have_none(args):
    jitted = jit(total)
    for _ in range(HOT):
        jitted(*args)
    assert jitted._cache.shortcuts == ()


def test_results_are_arrays_of_their_own():
    constant = np.arange(3.0)
    f = heated(lambda x, y: (x, constant, y, x, x[::-1], y * 2.0), np.ones(3), np.array(2.0))
    x, y = np.arange(3.0), np.array(5.0)
    results = f(x, y)
    arrays = [x, y, constant, *[r for r in results if isinstance(r, np.ndarray)]]
    for i, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in arrays[:i])
    assert type(results[2]) is np.float64
    results[1][:] = 0.0
    np.testing.assert_array_equal(f(x, y)[1], [0.0, 1.0, 2.0])


def test_results_of_a_gradient_of_three_arrays_are_copies():
    slope = heated(grad(lambda x, y, z: np.sum(x * y + z), argnums=(0, 1, 2)), *np.ones((3, 3)))
    x, y, z = np.arange(9.0).reshape(3, 3)
    a, b, c = slope(x, y, z)
    np.testing.assert_array_equal([a, b, c], [y, x, np.ones(3)])
    a[:] = b[:] = c[:] = 7.0
    np.testing.assert_array_equal(slope(x, y, z), [y, x, np.ones(3)])


@pytest.mark.parametrize(
    ("f", "result"),
    [
        (lambda x: x + 1.0, 2.0),
        (lambda x: (x + 1.0,), (2.0,)),
        (lambda x: [x + 1.0, x + 2.0], [2.0, 3.0]),
        (lambda x: {"b": x + 1.0, "a": (x + 2.0, None)}, {"b": 2.0, "a": (3.0, None)}),
        (lambda x: Pair(x + 1.0, 0.0), Pair(2.0, 0.0)),
        (lambda x: None, None),
        (lambda x: (), ()),
    ],
)
def test_results_keep_their_structure(f, result):
    f = heated(f, 5.0)
    assert f(1.0) == result
    assert at.tree.tree_structure(f(1.0)) == at.tree.tree_structure(result)


def test_hits_are_counted_and_the_cache_is_cleared():
    f = heated(lambda x: x + 1.0, 1.0)
    before = f.cache_info().hits
    f(2.0)
    assert f.cache_info().hits == before + 1
    f.clear_cache()
    assert f._cache.shortcuts == ()
    assert f(2.0) == 3.0
    assert f.cache_info().misses == 1


def test_a_guard_that_fails_goes_another_path():
    f = heated(lambda x: np.sin(x) if x > 0 else x, 1.0)
    for x in (2.0, -3.0, 4.0, -5.0):
        assert f(x) == (np.sin(x) if x > 0 else x)
    assert f.cache_info().paths == 2


def test_an_error_names_the_line():
    f = heated(lambda a: np.linalg.inv(a), np.eye(2))
    for _ in range(2):
        with pytest.raises(np.linalg.LinAlgError) as caught:
            f(np.zeros((2, 2)))
        assert "test_shortcut.py" in " ".join(caught.value.__notes__)
    np.testing.assert_array_equal(f(np.eye(2)), np.eye(2))


def test_what_numpy_decides_comes_from_numpy():
    f = heated(lambda x: np.log(x), 1.0)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert f(0.0) == -np.inf
    g = heated(lambda x, y: x / y, 1.0, 2.0)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert g(1.0, 0.0) == np.inf


def test_transforms_and_modes_see_the_function():
    calls = []

    def f(x):
        calls.append(x)
        return x * x

    jitted = heated(f, 1.0)
    assert grad(jitted)(3.0) == 6.0
    assert at.vmap(jitted)(np.arange(3.0)).tolist() == [0.0, 1.0, 4.0]
    before = len(calls)
    with at.disable_jit():
        jitted(2.0)
    assert len(calls) == before + 1
    inverse = heated(lambda x: np.log(x), np.ones(3))
    with at.debug_nans(), np.errstate(invalid="ignore"), pytest.raises(at.errors.NonFiniteError):
        inverse(-np.ones(3))


def test_shortcuts_are_bounded():
    f = jit(lambda x: x + 1.0)
    for n in range(1, MOST_SHORTCUTS + 3):
        for _ in range(HOT):
            f(np.ones(n))
    assert len(f._cache.shortcuts) == MOST_SHORTCUTS
    for n in range(1, MOST_SHORTCUTS + 3):
        np.testing.assert_array_equal(f(np.ones(n)), np.full(n, 2.0))


def test_a_shortcut_says_that_it_does_not_take_something():
    compiled = jit(lambda x: x + 1.0).lower(np.ones(3)).compile()
    enter = shortcut((np.ones(3),), compiled, at.tree.tree_structure(0))
    assert enter is not None
    np.testing.assert_array_equal(enter((np.ones(3),)), np.full(3, 2.0))
    for args in [(), (np.ones(4),), (np.ones(3), 1.0), ([1.0],), (np.ones(3, np.float32),), (np.ones((3, 1)),)]:
        assert enter(args) is MISS


def test_arrays_in_another_order_of_bytes_are_converted_first():
    """A fused region of a program that is called often looks at the bits of its operands."""

    def f(x, s):
        for k in range(60):
            s = np.sin(s) + 0.1 * k
        return np.where(x > 1.0, x, 0.0) * np.exp(-x) + s, x

    x = np.linspace(0.0, 3.0, 40_000)
    jitted, other = jit(f), x.astype(x.dtype.newbyteorder())
    for _ in range(HOT):
        got, same = jitted(other, 0.5)
        np.testing.assert_allclose(got, f(x, 0.5)[0], rtol=1e-12)
        assert same.dtype == np.float64 and same.dtype.isnative
