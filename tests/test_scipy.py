"""SciPy's functions on traced values, beyond the laws: how they are reached, what is refused, edges, and
SciPy as the oracle.
"""

import subprocess
import sys

import numpy as np
import pytest

from autotrace import grad, jacfwd, jacrev, make_jaxpr, vmap
from autotrace.errors import MissingRuleError, TracerArrayConversionError, UnsupportedError
from tests.catalogue import scipy_linalg, scipy_signal, scipy_special, scipy_stats

pytest.importorskip("scipy", reason="SciPy is an optional partner: pip install 'autotrace-ad[interop]'")

import scipy.linalg
import scipy.signal
import scipy.special
import scipy.stats

import autotrace.scipy.linalg as asl
import autotrace.scipy.signal as asg
import autotrace.scipy.special as asp
import autotrace.scipy.stats as ass


def run(code: str, **environment: str) -> str:
    """What ``code`` prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment or None)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -- how they are reached ----------------------------------------------------------------------------


def test_importing_autotrace_does_not_import_scipy():
    assert run("import autotrace, sys; print(any(m.startswith('scipy') for m in sys.modules))") == "False"


def test_a_ufunc_of_scipy_loads_its_rule_when_it_is_met():
    code = """
import sys, scipy.special, autotrace
assert "autotrace.scipy" not in sys.modules
print(autotrace.grad(scipy.special.erf)(0.0) == 2 / scipy.special.gamma(0.5))
"""
    assert run(code) == "True"


def test_without_scipy_the_import_names_the_extra():
    code = """
import sys
sys.modules["scipy"] = None
try:
    import autotrace.scipy.special
except ImportError as error:
    print(error)
"""
    assert run(code) == (
        "autotrace.scipy: SciPy must be installed; it was not found. Install it: pip install 'autotrace-ad[interop]'."
    )


def test_the_ufuncs_of_the_namespace_are_scipys_own():
    assert asp.erf is scipy.special.erf
    assert np.array_equal(asp.gammaln(np.array([0.5, 3.0])), scipy.special.gammaln(np.array([0.5, 3.0])))


def test_a_program_names_special_functions():
    assert "erf a" in str(make_jaxpr(scipy.special.erf)(1.0))


def test_the_catalogue_has_rows():
    assert all(module.CASES for module in (scipy_special, scipy_linalg, scipy_signal, scipy_stats))


# -- what is refused ---------------------------------------------------------------------------------

ORDERS = {
    "jv": (scipy.special.jv, (1.5, 2.0), 0, "v"),
    "iv": (scipy.special.iv, (1.5, 2.0), 0, "v"),
    "kv": (scipy.special.kv, (1.5, 2.0), 0, "v"),
    "gammainc": (scipy.special.gammainc, (1.5, 2.0), 0, "a"),
    "betainc": (scipy.special.betainc, (1.5, 2.0, 0.3), 1, "b"),
    "stdtr": (scipy.special.stdtr, (1.5, 2.0), 0, "df"),
    "hyp2f1": (scipy.special.hyp2f1, (1.5, 2.0, 2.5, 0.3), 2, "c"),
    "zeta": (asp.zeta, (1.5, 2.0), 0, "x"),
}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("transform", [jacfwd, jacrev])
def test_a_derivative_that_is_not_offered_is_an_error(name, transform):
    function, args, position, argument = ORDERS[name]
    with pytest.raises(
        MissingRuleError,
        match=rf"^{name}: has no derivative in {argument} here.* at .*\. Keep {argument} constant",
    ):
        transform(function, argnums=position)(*args)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: scipy.special.softmax(x).sum(), "scipy.special.softmax"),
        (lambda x: scipy.linalg.det(np.eye(3) * x), "scipy.linalg.det"),
        (lambda x: scipy.signal.convolve(x, x).sum(), "scipy.signal.convolve"),
        (lambda x: scipy.stats.norm.logpdf(x).sum(), "scipy.stats"),
    ],
    ids=["special", "linalg", "signal", "stats"],
)
def test_functions_of_scipy_that_convert_to_arrays_name_the_cure(call, name):
    with pytest.raises(TracerArrayConversionError) as caught:
        grad(call)(np.ones(3))
    message = str(caught.value)
    assert message.startswith(name)
    assert f" at {__file__}:" in message
    assert message.endswith("Call it from autotrace.scipy, or set SCIPY_ARRAY_API=1 before SciPy is imported.")


@pytest.mark.parametrize(
    ("call", "keyword"),
    [
        (lambda a: asl.qr(a, pivoting=True), "qr: pivoting"),
        (lambda a: asl.qr(a, mode="raw"), "qr: mode"),
        (lambda a: asl.pinv(a, atol=0.1), "pinv: atol"),
        (lambda a: asl.eigh(a, subset_by_value=(0, 1)), "eigh: subset_by_value"),
    ],
)
def test_keywords_without_a_derivative_are_refused(call, keyword):
    with pytest.raises(UnsupportedError, match=rf"^{keyword} is not offered"):
        jacrev(call)(np.eye(2))


def test_distributions_refuse_parameters_that_do_not_fit():
    with pytest.raises(
        TypeError, match=r"^gamma: parameters must be a, loc, scale; got 0 by position and none by name"
    ):
        ass.gamma.logpdf(1.0)
    with pytest.raises(TypeError, match=r"^norm: .* got 1 by position and loc by name"):
        ass.norm.logpdf(1.0, 2.0, loc=3.0)


def test_a_real_matrix_without_a_real_root_is_an_error():
    with pytest.raises(ValueError, match=r"^sqrtm: of a real matrix the result must be real.*a\.astype\(complex\)\."):
        grad(lambda t: asl.sqrtm(t * np.diag([1.0, -1.0]))[0, 0])(1.0)


# -- edges -------------------------------------------------------------------------------------------


def test_derivatives_at_edges():
    assert jacrev(scipy.special.xlogy, argnums=(0, 1))(0.0, 2.0) == (np.log(2.0), 0.0)
    assert grad(scipy.special.xlogy, argnums=1)(0.0, 0.0) == 0.0
    assert grad(lambda x: scipy.special.airy(x)[0])(0.0) == pytest.approx(scipy.special.airy(0.0)[1])
    with np.errstate(divide="ignore"):
        assert grad(scipy.special.entr)(0.0) == np.inf
    assert grad(scipy.special.i0e)(0.0) == 0.0
    assert grad(grad(scipy.special.ellipk))(0.0) == pytest.approx(9 * np.pi / 64)  # DLMF 19.5.1
    assert grad(scipy.special.rgamma)(-2.0) == pytest.approx(2.0)
    assert grad(grad(scipy.special.log_ndtr))(-1e6) == pytest.approx(-1.0)


def test_logsumexp_keeps_what_is_small_beside_the_largest():
    x = np.array([0.0, -40.0])
    traced = vmap(asp.logsumexp)(x[None])[0]
    assert traced == pytest.approx(scipy.special.logsumexp(x), rel=1e-12)
    assert traced > 0


def test_outside_of_the_support_nothing_turns_to_nan():
    assert grad(lambda a: ass.gamma.pdf(np.array([-1.0, 1.0]), a).sum())(2.0) == pytest.approx(
        grad(lambda a: ass.gamma.pdf(1.0, a))(2.0)
    )


def test_high_orders_of_the_matrix_exponential():
    a = np.array([[0.3, -0.2], [0.5, 0.1]])

    def f(t):
        return asl.expm(a * t)[0, 1]

    fourth = grad(grad(grad(grad(f))))(0.7)
    assert fourth == pytest.approx((np.linalg.matrix_power(a, 4) @ scipy.linalg.expm(0.7 * a))[0, 1], rel=1e-9)


# -- SciPy as the oracle: values, edges of supports and keywords -------------------------------------

X = np.array([-1.5, -0.2, 0.0, 0.3, 0.9, 1.0, 2.0, 5.0, np.inf, -np.inf, np.nan])
Q = np.array([-0.1, 0.0, 0.2, 0.7, 1.0, 1.5])
CONTINUOUS = {
    "norm": (),
    "t": (2.5,),
    "gamma": (1.7,),
    "chi2": (3.0,),
    "beta": (2.0, 1.0),
    "expon": (),
    "uniform": (),
    "laplace": (),
    "logistic": (),
    "cauchy": (),
    "pareto": (1.5,),
    "lognorm": (0.7,),
}
DISCRETE = {"poisson": (1.3,), "bernoulli": (0.3,), "binom": (6, 0.4), "geom": (0.3,)}


@pytest.mark.parametrize("method", ["logpdf", "pdf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_distributions_agree_with_scipy(name, method):
    x = Q if method in ("ppf", "isf") else X
    for loc, scale in ((0, 1), (0.3, 2.0), (0, -1)):
        args = (x, *CONTINUOUS[name], loc, scale)
        with np.errstate(all="ignore"):
            expected = getattr(getattr(scipy.stats, name), method)(*args)
            assert np.allclose(getattr(getattr(ass, name), method)(*args), expected, equal_nan=True)


@pytest.mark.parametrize("method", ["logpmf", "pmf", "cdf", "sf"])
@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_distributions_agree_with_scipy(name, method):
    k = np.array([-1, 0, 1, 2, 3, 6, 7, 2.5])
    for loc in (0, 1):
        args = (k, *DISCRETE[name], loc)
        with np.errstate(all="ignore"):
            expected = getattr(getattr(scipy.stats, name), method)(*args)
            assert np.allclose(getattr(getattr(ass, name), method)(*args), expected, equal_nan=True)


COV = np.array([[2.0, 0.5], [0.5, 1.0]])


@pytest.mark.parametrize(
    "args",
    [
        (np.ones(2), np.zeros(2), COV),
        (np.ones((3, 2)), np.zeros(2), COV),
        (1.0,),
        (np.ones(3),),
        (np.ones(3), 1.0, 2.0),
        (np.ones(2), np.ones(2), [1.0, 2.0]),
        (np.ones((2, 3, 2)), None, COV),
        (np.ones(2), [0.0, 0.0]),
    ],
)
def test_multivariate_normal_agrees_with_scipy(args):
    expected = scipy.stats.multivariate_normal.logpdf(*args)
    got = ass.multivariate_normal.logpdf(*args)
    assert np.shape(got) == np.shape(expected)
    assert np.allclose(got, expected)


def test_frozen_distributions():
    assert ass.norm(1.0, scale=2.0).cdf(0.5) == pytest.approx(scipy.stats.norm(1.0, 2.0).cdf(0.5))


A = np.array([[0.1, 0.6, -1.2], [0.9, -0.5, 0.3], [0.4, 1.3, 0.7]])
S = A @ A.T + np.eye(3)
B = np.array([[1.0, 2.0], [0.5, -1.0], [0.3, 0.8]])
LINALG = [
    ("solve", (A, B), {}),
    ("solve", (S, B), {"assume_a": "pos"}),
    ("inv", (A,), {}),
    ("lu", (A,), {}),
    ("lu", (B,), {}),
    ("lu", (B.T,), {}),
    ("lu", (A,), {"permute_l": True}),
    ("lu", (A,), {"p_indices": True}),
    ("lu_factor", (A,), {}),
    ("lu_factor", (B,), {}),
    ("cholesky", (S,), {}),
    ("qr", (A,), {}),
    ("qr", (B,), {"mode": "r"}),
    ("eigvalsh", (A, S), {}),
    ("qr", (B,), {"mode": "economic"}),
    ("eigvalsh", (A,), {"lower": False}),
    ("eigvalsh", (A, S), {"type": 3}),
    ("svdvals", (B,), {}),
    ("expm", (A,), {}),
    ("sqrtm", (S,), {}),
    ("logm", (S,), {}),
    ("cosm", (A,), {}),
    ("sinm", (A,), {}),
    ("expm_frechet", (A, S), {}),
    ("block_diag", (A, B), {}),
    ("block_diag", ([1, 2], 3), {}),
    ("toeplitz", (A[0],), {}),
    ("toeplitz", (A[0], B[:, 0]), {}),
    ("hankel", (A[0], B[:, 1]), {}),
    ("circulant", (A[0],), {}),
    ("pinv", (B,), {}),
    ("solve_sylvester", (A, S, A), {}),
    ("solve_triangular", (A, B), {"trans": 1}),
    ("det", (A,), {}),
    ("norm", (A,), {}),
    ("lu_solve", (scipy.linalg.lu_factor(A), B), {"trans": 1}),
    ("coshm", (A,), {}),
    ("sinhm", (A,), {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), LINALG, ids=[f"{name}-{kwargs}" for name, _, kwargs in LINALG])
def test_linear_algebra_agrees_with_scipy(name, args, kwargs):
    expected, got = (getattr(module, name)(*args, **kwargs) for module in (scipy.linalg, asl))
    expected, got = (x if isinstance(x, tuple) else (x,) for x in (expected, got))
    for x, y in zip(got, expected, strict=True):
        assert np.shape(x) == np.shape(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        assert np.allclose(x, y)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve"])
def test_convolutions_agree_with_scipy(name, mode, rng):
    for m, n in (((5,), (3,)), ((3,), (5,)), ((4,), (4,)), ((3, 4), (2, 3)), ((2, 2), (3, 4)), ((1,), (3,))):
        x, y = rng.normal(size=m), rng.normal(size=n) + 1j * rng.normal(size=n)
        expected = getattr(scipy.signal, name)(x, y, mode)
        got = getattr(asg, name)(x, y, mode)
        assert got.shape == expected.shape
        assert np.allclose(got, expected)
    assert asg.convolve([1, 2], [1, 1]).dtype == np.int64


def test_spherical_bessel_functions_agree_with_scipy():
    z = np.array([0.5, 2.0])
    for name in ("spherical_jn", "spherical_yn", "spherical_in", "spherical_kn"):
        for n in (0, 1, 2):
            for derivative in (False, True):
                expected = getattr(scipy.special, name)(n, z, derivative)
                assert np.allclose(getattr(asp, name)(n, z, derivative), expected)
