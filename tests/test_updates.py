"""In-place updates: the same function, plain and traced, gives the same arrays, and right derivatives.

A seeded generator writes random programs of views, reads and writes; below it is what people write.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import autotrace as at
import autotrace.numpy as anp
from autotrace.errors import MutationError, NonConcreteBooleanIndexError

X = np.array([0.5, 1.5, -2.0, 3.0])
A = np.arange(12.0).reshape(3, 4) / 3 - 1.5


# -- random programs ---------------------------------------------------------------------------------


class Program:
    """A random sequence of views, copies and writes on a few arrays, the same whatever the arrays are."""

    SIZE = 12

    def __init__(self, seed: int, masks: bool = True) -> None:
        self.seed = seed
        self.masks = masks
        """Let shapes depend on values."""

    def __call__(self, x: Any) -> list[Any]:
        self.rng = np.random.default_rng(self.seed)
        self.x = x
        arrays = [self.start()]
        for _ in range(14):
            target = arrays[self.rng.integers(len(arrays))]
            if self.rng.random() < 0.45:
                readonly = self.is_readonly(target)
                made = self.view(target) if self.rng.random() < 0.75 and not readonly else self.new(target)
                if made.ndim and made.size:
                    arrays.append(made)
            elif not self.is_readonly(target):
                self.write(target)
        return arrays

    def is_readonly(self, a: Any) -> bool:
        return any(a is other for other in self.readonly)

    def start(self) -> Any:
        self.readonly: list[Any] = []
        a = self.x.copy()
        shape = self.pick([(12,), (3, 4), (2, 3, 2), (4, 3)])
        return a.reshape(shape)

    def pick(self, options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def axis_item(self, n: int) -> Any:
        kind = self.rng.integers(4)
        if kind == 0:
            return int(self.rng.integers(-n, n))
        if kind == 1:
            return slice(None, None, int(self.pick([-2, -1, 2])))
        start = int(self.rng.integers(n))
        return slice(start, int(self.rng.integers(start, n)) + 1)

    def basic(self, shape: tuple[int, ...], ellipsis: float = 0.3) -> Any:
        used = int(self.rng.integers(len(shape) + 1))
        items = [self.axis_item(n) for n in shape[:used]]
        if self.rng.random() < ellipsis:
            place = int(self.rng.integers(used + 1))
            items[place:] = [Ellipsis, *[self.axis_item(n) for n in shape[len(shape) - used + place :]]]
        if self.rng.random() < 0.3:
            items.insert(int(self.rng.integers(len(items) + 1)), None)
        return tuple(items)

    def index(self, shape: tuple[int, ...]) -> Any:
        kind = self.rng.integers(6)
        if kind < 2:
            return self.basic(shape)
        if kind == 5:
            return np.argmax(self.x) % shape[0]
        if kind == 2:
            return self.rng.random(shape[: self.rng.integers(1, len(shape) + 1)]) < 0.4
        items = list(self.basic(shape[:-1], ellipsis=0)) if len(shape) > 1 else []
        used = sum(i is not None for i in items)
        n = shape[used]
        place = self.rng.integers(-n, n, size=self.pick([(2,), (1,), (2, 2), (3,)]))
        if kind == 4 and used + 1 < len(shape):
            m = shape[used + 1]
            return (*items, place, self.rng.integers(-m, m, size=place.shape[-1:]))
        return (*items, place)

    def view(self, a: Any) -> Any:
        kind = self.rng.integers(11)
        if kind < 2:
            return a[self.basic(a.shape)]
        if kind == 7:
            return self.pick(np.array_split(a, 2, axis=-1))
        if kind == 8:
            return a[np.argmax(self.x) % a.shape[0], ...]
        if kind == 9:
            return self.pick(list(a))
        if kind == 10:
            view = np.diagonal(a) if a.ndim > 1 else np.broadcast_to(a, (2, *a.shape))
            self.readonly.append(view)
            return view
        if kind == 2:
            return a.T
        if kind == 3:
            return a.reshape(-1)
        if kind == 4:
            return self.pick([np.ravel, np.flip, np.squeeze, np.atleast_2d])(a)
        if kind == 5 and a.size % 2 == 0:
            return a.reshape((2, -1))
        return np.moveaxis(a, 0, -1)

    def new(self, a: Any) -> Any:
        return self.pick([lambda a: a.copy(), np.copy, np.sin, lambda a: a * 2.0, lambda a: a.astype(float)])(a)

    def write(self, a: Any) -> None:
        kind = self.rng.integers(17)
        index = self.index(a.shape)
        value = float(self.rng.normal())
        if kind == 0:
            a[index] = value
        elif kind == 1:
            a[index] = self.x[self.rng.integers(12)] * value
        elif kind == 2:
            a[index] += self.x[1] * value
        elif kind == 3:
            a[index] *= np.cos(a[index])
        elif kind == 4:
            a += value
        elif kind == 5:
            a *= np.sin(self.x[: a.shape[-1]]) if a.shape[-1] <= 12 else value
        elif kind == 6 and a.shape[0] > 1:
            a[1:] += a[:-1]
        elif kind == 7:
            np.multiply.at(a, index, self.x[3])
        elif kind == 8:
            a[a > value] = self.x[4]
        elif kind == 9 and self.masks:
            a[a > value] += a[a > value] * self.x[5]
        elif kind == 10:
            np.put(a, self.rng.integers(a.size, size=3), self.x[:2])
        elif kind == 11 and a.ndim > 1 and len(set(a.shape)) == 1:
            np.fill_diagonal(a, self.x[6])
        elif kind == 12:
            a.sort(axis=int(self.rng.integers(a.ndim)))
        elif kind == 13:
            np.multiply(a, self.x[7], out=a, where=a < value)
        elif kind == 14:
            a.flat[self.rng.integers(a.size, size=2)] = self.x[8]
        elif kind == 15:
            np.copyto(a, self.x[9], where=self.rng.random(a.shape) < 0.5)
        else:
            np.add.at(a, index, self.x[3])


def plain(program: Callable[[Any], Any], x: Any) -> list[Any]:
    return [np.array(a) for a in program(x)]


@pytest.mark.parametrize("seed", range(400))
def test_random_programs_equal_numpy(seed: int) -> None:
    x = np.random.default_rng([seed, 1]).normal(size=12)
    program = Program(seed)
    expected = plain(program, x)
    got = at.vjp(program, x)[0]
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", range(0, 400, 5))
def test_random_programs_by_shape_alone(seed: int) -> None:
    xs = np.random.default_rng([seed, 1]).normal(size=(2, 12))
    program = Program(seed, masks=False)
    got = at.vmap(program)(xs)
    for i, x in enumerate(xs):
        for a, b in zip(got, plain(program, x), strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-14)


@pytest.mark.parametrize("seed", range(0, 400, 5))
def test_random_programs_have_right_derivatives(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    x, dx = rng.normal(size=12), rng.normal(size=12)
    program = Program(seed)

    def total(x: Any) -> Any:
        return sum(np.sum(np.sin(a) * (i + 1)) for i, a in enumerate(program(x)))

    h = 1e-6
    slope = (float(total(x + h * dx)) - float(total(x - h * dx))) / (2 * h)
    forward = at.jvp(total, (x,), (dx,))[1]
    reverse = at.grad(total)(x)
    scale = 1 + abs(slope) + np.abs(reverse * dx).sum()
    assert abs(forward - slope) < 1e-7 * scale
    assert abs(np.dot(reverse, dx) - forward) < 1e-12 * scale
    second = at.jvp(at.grad(total), (x,), (dx,))[1]
    numeric = (at.grad(total)(x + h * dx) - at.grad(total)(x - h * dx)) / (2 * h)
    np.testing.assert_allclose(second, numeric, atol=1e-5 * (1 + np.abs(numeric).max()))


# -- what people write -------------------------------------------------------------------------------


def same(function: Callable[..., Any], *args: Any) -> None:
    """Check that a function gives plain what it gives traced, values known or not."""
    expected = function(*args)
    np.testing.assert_array_equal(at.vjp(function, *args)[0], expected)
    np.testing.assert_array_equal(at.make_jaxpr(function)(*args)(*args)[0], expected)
    stacked = [np.stack([x, x]) for x in args]
    np.testing.assert_array_equal(at.vmap(function)(*stacked)[1], expected)


def transposed_result_reshaped(x: Any) -> Any:
    y = np.sin(x.T)  # in Fortran order: the reshape is a copy
    y.reshape(-1)[0] = 5.0
    y.T.reshape(-1)[1] = 7.0
    return y


def raveled(x: Any) -> Any:
    y = x.copy()
    y[0, ::2].ravel()[0] = 5.0
    y[1, ::2].reshape(-1)[0] = 6.0
    y.ravel()[-1] = 7.0
    y.flatten()[0] = 8.0
    y.T.ravel()[3] = 9.0
    y.ravel("F")[4] = 10.0
    return y


def copies(x: Any) -> Any:
    y = x.copy()
    for z in (
        y.copy(),
        np.copy(y),
        y.astype(float),
        +y,
        np.conj(y),
        np.take(y, [0, 1]),
        np.concatenate([y]),
        np.roll(y, 0),
        np.tile(y, 1),
        y.flatten(),
        np.positive(y),
        y.repeat(1),
    ):
        z += 100.0
    return y


def views(x: Any) -> Any:
    y = x.copy()
    for z in (
        y[1:],
        y.T,
        y.mT,
        y.swapaxes(0, 1),
        np.moveaxis(y, 0, 1),
        y.squeeze(),
        np.expand_dims(y, 0),
        y[None],
        y.real,
        np.flip(y),
        np.rot90(y),
        np.atleast_3d(y),
        y.conj(),
        y.astype(float, copy=False),
        y[...],
        y.reshape(4, 3),
        *np.vsplit(y, 3),
        *np.array_split(y, 2, axis=1),
        *y,
    ):
        z += 1.0
        z *= 1.01
    return y


def rank_zero(x: Any) -> Any:
    y = x.copy()
    element = y[0, 0]
    element += 5.0  # a number: y keeps its own
    corner = y[1, 1, ...]
    corner += 5.0  # an array of rank 0, a view
    corner[...] *= 2.0
    return y + element


def rows_in_a_list(x: Any) -> Any:
    y = x.copy()
    rows = list(y)
    for upper, lower in pairwise(rows):
        lower -= upper * lower[0]
    y[1] = rows[0] * 2.0
    return np.stack(rows) + y


def gauss(x: Any) -> Any:
    a = x[:, :3].copy() + 3 * np.eye(3)
    b = x[:, 3].copy()
    for i in range(3):
        b[i] /= a[i, i]
        a[i] /= a[i, i]
        for j in range(3):
            if j != i:
                b[j] -= a[j, i] * b[i]
                a[j] -= a[j, i] * a[i]
    return b


def readonly_views_follow(x: Any) -> Any:
    y = x.copy()
    wide, diagonal = np.broadcast_to(y, (2, 3, 4)), np.diagonal(y)
    y[1, 1] = 9.0
    return wide + diagonal.sum()


def out_and_where(x: Any) -> Any:
    y, z = x.copy(), np.zeros_like(x)
    np.add(x, 1.0, out=y)
    np.multiply(y, y, y)
    np.sum(x, axis=0, out=y[1])
    np.exp(x, out=z, where=x > 0)
    return y + z


def buffers(x: Any) -> Any:
    y, z = anp.zeros((3, 4)), anp.empty(4)
    y[:] = x
    y[1, 2] = 0.0
    z[:] = x[0]
    z[1:] *= z[:-1]
    w = anp.array([z, z])
    w[0] = 1.0
    return y + z + w[0] * w[1]


@pytest.mark.parametrize(
    "function",
    [
        transposed_result_reshaped,
        raveled,
        copies,
        views,
        rank_zero,
        rows_in_a_list,
        gauss,
        readonly_views_follow,
        out_and_where,
        buffers,
    ],
    ids=lambda f: f.__name__,
)
def test_equals_numpy(function: Callable[..., Any]) -> None:
    same(function, A)
    jacobian = at.jacfwd(function)(A)
    np.testing.assert_allclose(at.jacrev(function)(A), jacobian, atol=1e-12)


def test_masks_become_guards() -> None:
    def function(x: Any) -> Any:
        return np.sum(x[x > 0] ** 2)

    np.testing.assert_array_equal(at.grad(function)(X), np.where(X > 0, 2 * X, 0))
    jaxpr = at.make_jaxpr(function)(X)
    assert "guard[expected='d0' kind='mask']" in str(jaxpr)
    assert jaxpr(X)[0] == function(X)
    with pytest.raises(at.errors.GuardError):
        jaxpr(-X)
    with pytest.raises(NonConcreteBooleanIndexError, match=r"Use np\.where"):
        at.vmap(function)(X[None])


def test_writing_under_a_mask_needs_no_guard() -> None:
    def function(x: Any) -> Any:
        y = x.copy()
        y[y < 0] = 0.0
        return y

    assert "guard" not in str(at.make_jaxpr(function)(X))
    np.testing.assert_array_equal(at.vmap(function)(np.stack([X, -X])), np.maximum([X, -X], 0))


def test_repeated_indices() -> None:
    index = np.array([2, 0, 2])

    def last_wins(v: Any) -> Any:
        x = anp.zeros(3)
        x[index] = v
        return x

    def buffered(v: Any) -> Any:
        x = anp.zeros(3)
        x[index] += v
        return x

    def unbuffered(v: Any) -> Any:
        x = anp.zeros(3)
        np.add.at(x, index, v)
        return x

    last = np.array([[0.0, 1, 0], [0, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(at.jacrev(last_wins)(X[:3]), last)
    np.testing.assert_array_equal(at.jacrev(buffered)(X[:3]), last)
    np.testing.assert_array_equal(at.jacrev(unbuffered)(X[:3]), [[0, 1, 0], [0, 0, 0], [1, 0, 1]])


def test_casting_rules_are_numpy_s() -> None:
    def function(x: Any) -> Any:
        count = (x > 0).astype(int)
        count[0] += 1.7  # stored, truncated
        with pytest.raises(TypeError, match="Cannot cast ufunc 'add' output from dtype"):
            count += 1.5
        with pytest.raises(TypeError, match="same_kind"):
            np.add(x, 1.0, out=count)
        with pytest.raises(TypeError, match="Cannot cast"):
            np.copyto(count, x)
        np.copyto(count[1:], x[1:], casting="unsafe")
        return count

    np.testing.assert_array_equal(at.make_jaxpr(function)(X)(X)[0], [2, 1, -2, 3])


# -- what must not happen ----------------------------------------------------------------------------


def set_argument(x: Any) -> None:
    x[0] = 1.0


def augment_argument(x: Any) -> None:
    x += 1.0


def through_a_view(x: Any) -> None:
    x.reshape(2, 2).T[0] = 1.0


def by_function(x: Any) -> None:
    np.put(x, [0], 1.0)


def sort_argument(x: Any) -> None:
    x.sort()


def fill_argument(x: Any) -> None:
    x.fill(0.0)


def out_argument(x: Any) -> None:
    np.sin(x, out=x)


def at_argument(x: Any) -> None:
    np.add.at(x, [0], 1.0)


@pytest.mark.parametrize(
    "write",
    [
        set_argument,
        augment_argument,
        through_a_view,
        by_function,
        sort_argument,
        fill_argument,
        out_argument,
        at_argument,
    ],
    ids=lambda f: f.__name__,
)
def test_arguments_belong_to_the_caller(write: Callable[[Any], None]) -> None:
    def function(x: Any) -> Any:
        write(x)
        return x.sum()

    x = X.copy()
    with pytest.raises(MutationError, match=r"caller's arrays.*test_updates.py:\d+\. Copy it first: x = x\.copy\(\)\."):
        at.grad(function)(x)
    np.testing.assert_array_equal(x, X)


def test_a_reshape_that_copies_an_argument_may_be_written() -> None:
    def function(x: Any) -> Any:
        y = x.T.reshape(-1)
        y[0] = 0.0
        return y.sum()

    assert at.grad(function)(A)[0, 0] == 0
    with pytest.raises(MutationError):
        at.grad(function)(np.asfortranarray(A))


def test_arrays_of_an_enclosing_function_are_not_written() -> None:
    def outer(x: Any) -> Any:
        buffer = anp.zeros(2)

        def inner(y: Any) -> Any:
            buffer[0] = y
            return buffer.sum()

        return at.vmap(inner)(x).sum()

    with pytest.raises(MutationError, match=r"made in grad\(outer\), written in vmap\(inner\)"):
        at.grad(outer)(X)


def test_arrays_made_inside_of_outer_values_are_written() -> None:
    def outer(x: Any) -> Any:
        def inner(y: Any) -> Any:
            a, b = x.copy(), np.sin(x)
            a[0] = y
            b[1:] *= y * y
            return np.sum(a * b)

        return at.grad(inner)(x[0])

    def plain(x: Any) -> Any:
        b, y = np.sin(x), x[0]
        return b[0] + 2 * y * np.sum(x[1:] * b[1:])

    np.testing.assert_allclose(at.grad(outer)(X), at.grad(plain)(X))


def test_a_pullback_stays_right() -> None:
    def function(x: Any) -> Any:
        y = x.copy()
        z, pull = at.vjp(lambda a: a * a, y)
        y += 100.0
        z[0] = 0.0
        return pull(np.ones(4))[0].sum()

    np.testing.assert_array_equal(at.grad(function)(X), np.full(4, 2.0))


def test_plain_buffers_say_what_to_do() -> None:
    def store(x: Any) -> Any:
        buffer = np.zeros(4)
        buffer[0] = x[0]
        return buffer

    def augment(x: Any) -> Any:
        buffer = np.zeros(4)
        buffer += x
        return buffer

    for function in (store, augment):
        with pytest.raises((MutationError, TypeError), match=r"autotrace\.numpy\.zeros"):
            at.grad(function)(X)


def test_index_errors_are_numpy_s() -> None:
    for index in (
        4,
        (0, 0),
        [5],
        np.array([-5]),
        np.zeros(3, bool),
        np.zeros((4, 4), bool),
        "a",
        1.5,
        (..., ...),
    ):

        def read(x: Any, index: Any = index) -> Any:
            return x[index]

        def write(x: Any, index: Any = index) -> Any:
            y = x.copy()
            y[index] = 1.0
            return y

        for function in (read, write):
            with pytest.raises(IndexError):
                function(X)
            with pytest.raises(IndexError):
                at.vjp(function, X)


def test_traced_indices_out_of_range() -> None:
    jaxpr = at.make_jaxpr(lambda x, i: x[i])(X, np.array([1]))
    with pytest.raises(IndexError):
        jaxpr(X, np.array([7]))


def test_reading_and_writing_in_a_loop_is_linear() -> None:
    def equations(n: int) -> int:
        def function(x: Any) -> Any:
            y = x.copy()
            rows = list(y)
            for i in range(1, n):
                y[i] += y[i - 1]
                rows[i] *= 2.0
            return y

        return len(at.make_jaxpr(function)(np.ones((n, 2))).equations)

    assert equations(80) < 2.2 * equations(40)
