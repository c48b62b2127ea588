"""Fourier transforms beyond the laws: exact transposes, types, targets, warnings, errors."""

import numpy as np
import pytest

from autotrace import grad, jacfwd, jacrev, linear_transpose, make_jaxpr


@pytest.mark.parametrize("n", range(1, 8))
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_both_modes_give_the_matrix_of_the_transform(n, norm) -> None:
    x = np.zeros(n)
    for part in (np.real, np.imag):

        def transform(v, part=part):
            return part(np.fft.rfft(v, norm=norm))

        matrix = part(np.fft.rfft(np.eye(n), axis=0, norm=norm))
        np.testing.assert_allclose(jacfwd(transform)(x), matrix, atol=1e-14)
        np.testing.assert_allclose(jacrev(transform)(x), matrix, atol=1e-14)


@pytest.mark.parametrize("n", [4, 5])
def test_irfft_does_not_read_imaginary_parts_that_cannot_be(n) -> None:
    ct = np.arange(1.0, n + 1)
    (pulled,) = linear_transpose(lambda z: np.fft.irfft(z, n), np.zeros(n // 2 + 1, complex))(ct)
    assert pulled[0].imag == 0
    assert (pulled[-1].imag == 0) == (n % 2 == 0)


def test_energy_has_the_gradient_that_parseval_says(rng) -> None:
    x = rng.normal(size=(3, 5))
    got = grad(lambda v: (np.abs(np.fft.fft2(v, norm="ortho")) ** 2).sum())(x)
    np.testing.assert_allclose(got, 2 * x, rtol=1e-12)


def test_single_precision_stays_single() -> None:
    x = np.ones(4, np.float32)
    assert grad(lambda v: np.abs(np.fft.rfft(v)).sum())(x).dtype == np.float32
    assert "c128" not in str(make_jaxpr(np.fft.fftn)(x))


def test_the_program_is_one_equation_for_each_axis() -> None:
    program = make_jaxpr(np.fft.fft2)(np.ones((2, 2), complex))
    assert [equation.primitive.name for equation in program.equations] == ["fft", "fft"]


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (lambda x: np.fft.fft(x, 0), np.ones(3)),
        (np.fft.fft, np.ones(0)),
        (np.fft.irfft, np.ones(1)),
        (lambda x: np.fft.fft(x, norm="none"), np.ones(3)),
        (lambda x: np.fft.fftn(x, s=(2,), axes=(0, 1)), np.ones((2, 2))),
        (lambda x: np.fft.fft(x, axis=3), np.ones(3)),
    ],
)
def test_bad_input_raises_what_numpy_raises(function, argument) -> None:
    with pytest.raises((ValueError, IndexError)) as expected:
        function(argument)
    with pytest.raises(expected.type):
        make_jaxpr(function)(argument)


def test_rfft_of_complex_numbers_is_an_error() -> None:
    with pytest.raises(TypeError, match="rfft: the operand must be real"):
        make_jaxpr(np.fft.rfft)(np.ones(3, complex))


def test_deprecated_arguments_warn_as_numpy_does() -> None:
    x = np.ones((2, 3))
    for options in ({"s": (2, 2)}, {"s": (None, 2), "axes": (0, 1)}):
        with pytest.warns(DeprecationWarning) as ours:
            make_jaxpr(lambda v, o=options: np.fft.fftn(v, **o))(x)
        with pytest.warns(DeprecationWarning) as numpys:
            np.fft.fftn(x, **options)
        assert str(ours[0].message) == str(numpys[0].message)
