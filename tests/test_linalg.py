"""Linear algebra beyond the laws: kinks, equal and zero singular values, high orders, types, errors."""

import numpy as np
import pytest

from autotrace import ShapeDtypeStruct, eval_shape, grad, jacfwd, jvp, make_jaxpr, vjp, vmap
from autotrace.errors import UnsupportedError


def _directional(f, a, e, order):
    """The derivative of ``f`` at ``a`` along ``e``, to some order."""

    def along(t):
        return f(a + t * e)

    for _ in range(order):
        along = jacfwd(along)
    return along(0.0)


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4, 5])
def test_det_has_all_its_derivatives_at_any_rank(rng, rank) -> None:
    a = rng.normal(size=(5, rank)) @ rng.normal(size=(rank, 5))
    e = rng.normal(size=(5, 5))
    # det(a + t e) is a polynomial of degree 5: seven points determine its coefficients.
    t = np.cos(np.pi * (np.arange(7) + 0.5) / 7)
    coefficients = np.polynomial.polynomial.polyfit(t, np.linalg.det(a + t[:, None, None] * e), 6)
    factorial = np.cumprod([1, 1, 2, 3, 4, 5])
    got = [_directional(np.linalg.det, a, e, order) for order in range(6)]
    np.testing.assert_allclose(got, coefficients[:6] * factorial, rtol=1e-9, atol=1e-8)


def test_det_of_complex_matrices_has_high_orders(rng) -> None:
    a = np.outer(rng.normal(size=4), rng.normal(size=4)) * (1 + 2j)
    e = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))

    def cubic(t):
        return np.linalg.det(a + t * e)

    third = jacfwd(jacfwd(jacfwd(lambda t: cubic(t).real)))(0.0)
    t = np.cos(np.pi * (np.arange(6) + 0.5) / 6)
    coefficients = np.polynomial.polynomial.polyfit(t, np.array([cubic(x).real for x in t]), 5)
    np.testing.assert_allclose(third, 6 * coefficients[3], rtol=1e-9)


def test_slogdet_of_a_singular_matrix_is_infinite_and_leaves_its_neighbours_alone() -> None:
    stack = np.stack([np.diag([2.0, 4.0]), np.zeros((2, 2))])
    with np.errstate(all="ignore"):
        got = grad(lambda a: np.linalg.slogdet(a).logabsdet[0])(stack)
        singular = vmap(grad(lambda a: np.linalg.slogdet(a)[1]))(stack)
    np.testing.assert_array_equal(got[0], np.diag([0.5, 0.25]))
    np.testing.assert_array_equal(singular[0], np.diag([0.5, 0.25]))
    assert np.isinf(singular[1]).all()


def test_equal_eigenvalues_spoil_the_derivative_of_their_own_vectors_only() -> None:
    a = np.diag([1.0, 2.0, 2.0])

    def first(x):
        v = np.linalg.eigh(x).eigenvectors[:, :1]
        return v @ v.mT

    e = np.array([[0.1, 0.3, 0.5], [0.3, 0.2, 0.7], [0.5, 0.7, 0.4]])
    expected = np.array([[0.0, -0.3, -0.5], [-0.3, 0.0, 0.0], [-0.5, 0.0, 0.0]])
    np.testing.assert_allclose(jvp(first, (a,), (e,))[1], expected, atol=1e-15)
    ct = np.arange(9.0).reshape(3, 3)
    (pulled,) = vjp(first, a)[1](ct)
    np.testing.assert_allclose((pulled * e).sum(), (ct * expected).sum(), atol=1e-14)


def test_a_function_of_a_matrix_with_equal_eigenvalues_is_nan_rather_than_wrong() -> None:
    def root(x):
        w, v = np.linalg.eigh(x)
        return (v * np.sqrt(w)) @ v.mT

    assert np.isnan(jvp(root, (np.eye(2),), (np.ones((2, 2)),))[1]).any()


def test_norms_of_zero_and_of_deficient_matrices() -> None:
    for order in ("nuc", "fro", 2, -2, 1, -1, np.inf, -np.inf):
        np.testing.assert_array_equal(grad(lambda a, p=order: np.linalg.norm(a, p))(np.zeros((2, 3))), 0)
    # The shortest of the subgradients: u v^T of the singular vectors whose value is not 0.
    np.testing.assert_allclose(grad(lambda a: np.linalg.norm(a, "nuc"))(np.ones((3, 3))), np.full((3, 3), 1 / 3))


def test_ties_of_norms_share_the_derivative() -> None:
    x = np.array([2.0, -2.0, 1.0])
    np.testing.assert_array_equal(grad(lambda v: np.linalg.norm(v, np.inf))(x), [0.5, -0.5, 0.0])
    a = np.array([[1.0, 2.0], [2.0, 1.0]])
    np.testing.assert_array_equal(grad(lambda m: np.linalg.norm(m, 1))(a), np.full((2, 2), 0.5))


def test_the_order_of_a_norm_has_a_derivative_too() -> None:
    x, h = np.array([1.0, 2.0, 3.0]), 1e-6
    got = grad(np.linalg.norm, argnums=(0, 1))(x, 3.0)[1]
    expected = (np.linalg.norm(x, 3 + h) - np.linalg.norm(x, 3 - h)) / (2 * h)
    np.testing.assert_allclose(got, expected, rtol=1e-8)


def test_only_the_triangle_that_numpy_reads_has_a_derivative() -> None:
    a = np.array([[2.0, 0.3], [0.3, 1.0]])
    assert grad(lambda x: np.linalg.cholesky(x).sum())(a)[0, 1] == 0
    assert grad(lambda x: np.linalg.cholesky(x, upper=True).sum())(a)[1, 0] == 0
    assert grad(lambda x: np.linalg.eigvalsh(x)[0])(a)[0, 1] == 0
    assert grad(lambda x: np.linalg.eigvalsh(x, "U")[0])(a)[1, 0] == 0


def test_complete_qr_differentiates_the_completing_columns_that_lapack_makes(rng) -> None:
    a, e, h = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), 1e-6
    dq = jvp(lambda x: np.linalg.qr(x, "complete").Q, (a,), (e,))[1]
    expected = (np.linalg.qr(a + h * e, "complete").Q - np.linalg.qr(a - h * e, "complete").Q) / (2 * h)
    np.testing.assert_allclose(dq, expected, atol=1e-8)


def test_lstsq_of_a_deficient_matrix_has_no_residuals_where_the_rank_is_known() -> None:
    a, b = np.outer([1.0, 2.0, 3.0], [1.0, 1.0]), np.array([1.0, 0.0, 1.0])
    expected = np.linalg.lstsq(a, b)
    found = []

    def solution(x):
        found[:] = np.linalg.lstsq(x, b)
        assert found[1].shape == (0,)
        return found[0].sum()

    assert np.isfinite(grad(solution)(a)).all()
    assert expected[1].shape == (0,)
    residuals = vmap(lambda x: np.linalg.lstsq(x, b)[1])(a[None])
    assert residuals.shape == (1, 1)
    assert np.isnan(residuals).all()


def test_eigenvalues_are_real_where_numpys_are_and_values_are_known() -> None:
    rotation, triangle = np.array([[0.0, 1.0], [-1.0, 0.0]]), np.array([[1.0, 2.0], [0.0, 3.0]])
    for a, kind in ((rotation, "c"), (triangle, "f")):
        w, v = jvp(lambda x: tuple(np.linalg.eig(x)), (a,), (a,))[0]
        assert w.dtype.kind == v.dtype.kind == kind
    assert "guard" in str(make_jaxpr(np.linalg.eigvals)(triangle))
    assert eval_shape(np.linalg.eigvals, ShapeDtypeStruct((2, 2), float)).dtype == np.complex128


def test_results_are_numpys_named_tuples() -> None:
    a = np.array([[2.0, 1.0], [0.5, 3.0]])
    for function, names in (
        (np.linalg.eig, ("eigenvalues", "eigenvectors")),
        (np.linalg.eigh, ("eigenvalues", "eigenvectors")),
        (np.linalg.qr, ("Q", "R")),
        (np.linalg.slogdet, ("sign", "logabsdet")),
        (np.linalg.svd, ("U", "S", "Vh")),
    ):
        seen = []
        grad(lambda x, f=function, into=seen: into.append(f(x)) or x.sum())(a)
        assert type(seen[0]) is type(function(a))
        assert type(seen[0])._fields == names


def test_solve_takes_a_stack_of_vectors_for_matrices_as_numpy_does(rng) -> None:
    a, b = rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2))
    with pytest.raises(ValueError, match=r"solve: the matrices and the right-hand sides must have equally many rows"):
        grad(lambda x: np.linalg.solve(x, b).sum())(a)


@pytest.mark.parametrize("mode", ["raw", "economic"])
def test_qr_refuses_the_storage_of_lapack(mode) -> None:
    with pytest.raises(UnsupportedError, match=f"np.linalg.qr: mode='{mode}' returns LAPACK's own storage"):
        grad(lambda a: np.linalg.qr(a, mode)[0].sum())(np.eye(2))


@pytest.mark.parametrize(
    ("function", "argument", "error"),
    [
        (np.linalg.inv, np.ones((2, 3)), np.linalg.LinAlgError),
        (np.linalg.inv, np.zeros((2, 2)), np.linalg.LinAlgError),
        (np.linalg.det, np.ones(3), np.linalg.LinAlgError),
        (np.linalg.cholesky, -np.eye(2), np.linalg.LinAlgError),
        (np.linalg.qr, np.ones(3), np.linalg.LinAlgError),
        (np.linalg.qr, np.zeros((3, 2)), None),
        (np.linalg.inv, np.eye(2, dtype=np.float16), TypeError),
        (lambda a: np.linalg.eigh(a, "X"), np.eye(2), ValueError),
        (lambda a: np.linalg.norm(a, "nuc"), np.ones(2), ValueError),
        (lambda a: np.linalg.norm(a, 3), np.ones((2, 2)), ValueError),
        (lambda a: np.linalg.norm(a, axis=(0, 0)), np.ones((2, 2)), ValueError),
        (lambda a: np.linalg.pinv(a, rcond=0.1, rtol=0.1), np.ones((2, 2)), ValueError),
        (lambda a: np.linalg.matrix_power(a, 0.5), np.eye(2), TypeError),
        (lambda a: np.linalg.qr(a, "none"), np.eye(2), ValueError),
        (lambda a: np.linalg.lstsq(a, np.ones(3)), np.eye(2), np.linalg.LinAlgError),
        (lambda a: np.linalg.tensorinv(a, ind=0), np.eye(2), ValueError),
        (np.linalg.cond, np.zeros((0, 0)), np.linalg.LinAlgError),
    ],
)
def test_bad_input_raises_what_numpy_raises(function, argument, error) -> None:
    if error is None:  # NumPy factors dependent columns; only their derivative does not exist
        function(argument)
        with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
            jvp(function, (argument,), (argument,))
        return
    with pytest.raises(error):
        function(argument)
    with pytest.raises(error):
        make_jaxpr(function)(argument)(argument)
