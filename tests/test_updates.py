"""In-place updates: the same function, plain and traced, gives the same arrays; and the derivatives are right.

A seeded generator writes random programs of views, reads and writes; the cases below it are those that people write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autotrace as at

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
        return self.pick([lambda a: a.copy(), np.copy, np.sin, lambda a: a * 2.0, lambda a: a.astype(float)])(
            a
        )

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
