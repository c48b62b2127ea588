"""Keywords and edges of the composites of :mod:`autotrace.numpy` that the laws do not reach."""

import numpy as np
import pytest

import autotrace
from autotrace.errors import MutationError


def test_out_receives_the_result_by_name_and_by_place() -> None:
    def f(x):
        by_name = np.zeros_like(x[0]) + 0 * x[0]
        assert np.mean(x, axis=0, out=by_name) is by_name
        by_place = by_name.copy()
        np.sum(x, 0, None, by_place)
        by_method = by_name.copy()
        x.max(0, out=by_method)
        return np.sum(by_name + 10 * by_place + 100 * by_method)

    x = np.array([[1.0, 5.0], [3.0, 2.0]])
    np.testing.assert_allclose(autotrace.grad(f)(x), [[10.5, 110.5], [110.5, 10.5]])


def test_a_plain_array_as_out_is_refused() -> None:
    target = np.zeros(2)
    with pytest.raises(MutationError, match=r"np\.mean: out= must be a traced array to hold a traced value"):
        autotrace.grad(lambda x: np.sum(np.mean(x, axis=0, out=target)))(np.ones((3, 2)))
    assert (target == 0).all()


@pytest.mark.parametrize("keepdims", [1, np.True_])
@pytest.mark.parametrize("function", [np.sum, np.mean, np.var, np.max, np.argmax, np.median, np.nanmean])
def test_keepdims_is_true_by_its_truth(function, keepdims) -> None:
    shape = autotrace.eval_shape(lambda x: function(x, axis=1, keepdims=keepdims), np.ones((2, 3))).shape
    assert shape == (2, 1)


def test_derivative_of_std_of_equal_numbers_is_zero_and_of_var_beside_a_nan_is_finite() -> None:
    np.testing.assert_array_equal(autotrace.grad(np.std)(np.full(3, 2.0)), np.zeros(3))
    gradient = autotrace.grad(np.nanvar)(np.array([1.0, np.nan, 3.0]))
    np.testing.assert_allclose(gradient, [-1.0, 0.0, 1.0])


def test_known_weights_that_sum_to_zero_are_refused() -> None:
    with pytest.raises(ZeroDivisionError):
        autotrace.grad(lambda x: np.average(x, weights=[1.0, -1.0]))(np.ones(2))


def test_quantiles_outside_of_the_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"range \[0, 1\]"):
        autotrace.grad(lambda x: np.quantile(x, 1.5))(np.ones(2))
    with pytest.raises(ValueError, match="not a valid method"):
        autotrace.grad(lambda x: np.quantile(x, 0.5, method="best"))(np.ones(2))


def test_pad_refuses_keywords_of_other_modes() -> None:
    with pytest.raises(ValueError, match="unsupported keyword arguments for mode 'edge'"):
        autotrace.grad(lambda x: np.pad(x, 1, "edge", constant_values=1).sum())(np.ones(2))


def test_pad_by_a_function_of_ones_own() -> None:
    def ends(vector, width, axis, kwargs):
        vector[: width[0]] = kwargs["value"] * vector[width[0]]
        vector[-width[1] :] = vector[-width[1] - 1]

    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(autotrace.vjp(lambda x: np.pad(x, 1, ends, value=3.0), x)[0], [3, 1, 2, 3, 3])
    np.testing.assert_allclose(autotrace.grad(lambda x: np.pad(x, 1, ends, value=3.0).sum())(x), [4, 1, 2])


def test_counts_that_decide_a_shape_are_recorded() -> None:
    jaxpr = autotrace.make_jaxpr(lambda x, n: np.repeat(x, n))(np.ones(2), np.array([1, 2]))
    assert "guard" in str(jaxpr)
    with pytest.raises(autotrace.errors.GuardError):
        autotrace.eval_jaxpr(jaxpr, np.ones(2), np.array([2, 2]))


def test_the_namespace_has_every_name_of_numpy() -> None:
    assert not [name for name in np.__all__ if not hasattr(autotrace.numpy, name)]
    assert not [name for name in np.linalg.__all__ if not hasattr(autotrace.numpy.linalg, name)]
    assert not [name for name in np.fft.__all__ if not hasattr(autotrace.numpy.fft, name)]


@pytest.mark.parametrize("join", [np.concatenate, np.stack, np.vstack, np.hstack])
def test_joining_honours_casting(join) -> None:
    x = np.ones(2)
    with pytest.raises(TypeError, match="according to the rule 'same_kind'"):
        autotrace.make_jaxpr(lambda x: join([x, x], dtype=int))(x)
    with pytest.raises(TypeError, match="according to the rule 'no'"):
        autotrace.make_jaxpr(lambda x: join([x, x.astype(np.float32)], casting="no"))(x)
    assert autotrace.eval_shape(lambda x: join([x, x], dtype=int, casting="unsafe"), x).dtype == int
