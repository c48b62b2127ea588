"""Derivatives where the mathematics leaves a choice: kinks, ties, edges of domains, infinities."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autotrace import grad, jit, jvp, make_jaxpr

KINKS: list[tuple[str, Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]] = [
    ("abs at 0", np.abs, (0.0,), (0.0,)),
    ("abs at -0", np.abs, (-0.0,), (0.0,)),
    ("abs of complex 0", lambda z: np.abs(z), (0j,), (0j,)),
    ("sign", np.sign, (2.0,), (0.0,)),
    ("maximum tie", np.maximum, (1.0, 1.0), (0.5, 0.5)),
    ("minimum tie", np.minimum, (1.0, 1.0), (0.5, 0.5)),
    ("fmax tie", np.fmax, (1.0, 1.0), (0.5, 0.5)),
    ("fmin tie", np.fmin, (1.0, 1.0), (0.5, 0.5)),
    ("fmax beside nan", np.fmax, (np.nan, 1.0), (0.0, 1.0)),
    ("relu at 0", lambda x: np.maximum(x, 0), (0.0,), (0.5,)),
    ("max of three", np.max, (np.ones(3),), (np.full(3, 1 / 3),)),
    ("min of two among three", np.min, (np.array([1.0, 2.0, 1.0]),), (np.array([0.5, 0.0, 0.5]),)),
    ("clip at the lower edge", lambda x: np.clip(x, 0.0, 1.0), (0.0,), (0.5,)),
    ("clip at the upper edge", lambda x: np.clip(x, 0.0, 1.0), (1.0,), (0.5,)),
    ("hypot at the origin", np.hypot, (0.0, 0.0), (0.0, 0.0)),
    ("arctan2 at the origin", np.arctan2, (0.0, 0.0), (0.0, 0.0)),
    ("x ** 0 at 0", lambda x: x**0, (0.0,), (0.0,)),
    ("x ** 1 at 0", lambda x: x**1, (0.0,), (1.0,)),
    ("x ** 2 at 0", lambda x: x**2, (0.0,), (0.0,)),
    ("power in the exponent at 0", np.power, (0.0, 2.0), (0.0, 0.0)),
    ("power with exponent 1 at 0", np.power, (0.0, 1.0), (1.0, 0.0)),
    ("power with exponent 0 at 0", np.power, (0.0, 0.0), (0.0, 0.0)),
    ("prod with one zero", np.prod, (np.array([0.0, 2.0, 3.0]),), (np.array([6.0, 0.0, 0.0]),)),
    ("prod with two zeros", np.prod, (np.array([0.0, 0.0, 3.0]),), (np.array([0.0, 0.0, 0.0]),)),
    ("floor", lambda x: np.floor(x) * x, (2.5,), (2.0,)),
    ("remainder", np.remainder, (5.5, 2.0), (1.0, -2.0)),
    ("logaddexp of -inf", np.logaddexp, (-np.inf, 0.0), (0.0, 1.0)),
    ("heaviside at 0", np.heaviside, (0.0, 0.5), (0.0, 1.0)),
    ("copysign", np.copysign, (3.0, -2.0), (-1.0, 0.0)),
]


@pytest.mark.parametrize(("function", "point", "expected"), [k[1:] for k in KINKS], ids=[k[0] for k in KINKS])
def test_reverse(function: Callable[..., Any], point: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    got = grad(function, argnums=tuple(range(len(point))))(*point)
    for x, y in zip(got, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-15)


@pytest.mark.parametrize(("function", "point", "expected"), [k[1:] for k in KINKS], ids=[k[0] for k in KINKS])
def test_forward(function: Callable[..., Any], point: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    dots = tuple(np.ones_like(x)[()] for x in point)
    pushed = jvp(function, point, dots)[1]
    np.testing.assert_allclose(pushed, sum(np.real(np.sum(y)) for y in expected), rtol=1e-15)


def test_infinite_slopes_are_infinite_and_warned_of() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert grad(np.sqrt)(0.0) == np.inf


def test_a_masked_singularity_leaves_no_nan() -> None:
    def safe(x: Any) -> Any:
        return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0).sum()

    np.testing.assert_array_equal(grad(safe)(np.array([-1.0, 0.0, 2.0])), [0.0, 0.0, 0.5])


@pytest.mark.parametrize("function", [np.exp, np.tanh, np.arctan, np.cosh, np.log1p])
def test_derivatives_warn_no_more_than_functions(function: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(grad(function)(0.0))
        assert np.isfinite(grad(grad(function))(0.0))


def test_complex_gradients_follow_jax() -> None:
    # The gradient of a real f at x + iy is df/dx - i df/dy: steepest ascent is its conjugate.
    assert grad(lambda z: np.real(z) ** 2 + 3 * np.imag(z) ** 2)(1.0 + 2.0j) == 2.0 - 12.0j
    assert grad(lambda z: z**3, holomorphic=True)(1.0 + 1.0j) == pytest.approx(3 * (1 + 1j) ** 2)
    assert grad(lambda z: np.abs(z))(3.0 + 4.0j) == pytest.approx(0.6 - 0.8j)


@pytest.mark.parametrize("number", [1.0, 1, 1j])
def test_truths_times_a_python_number_are_no_python_number(number):
    truths, x = np.array([True, False]), np.ones(2, np.float32)

    def f(truths, x):
        return truths * number + x

    assert make_jaxpr(f)(truths, x).out_avals[0].dtype == f(truths, x).dtype
    assert jit(f)(truths, x).dtype == f(truths, x).dtype
