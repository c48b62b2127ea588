"""SciPy's array-agnostic functions, unchanged, on traced arrays: they compute with the namespace of their
argument.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import autotrace.numpy as anp
from autotrace import grad, make_jaxpr

scipy = pytest.importorskip("scipy", reason="SciPy is an optional partner: pip install 'autotrace-ad[interop]'")

FUNCTIONS = {
    "optimize.rosen": "scipy.optimize.rosen(x)",
    "optimize.rosen_der": "scipy.optimize.rosen_der(x).sum()",
    "optimize.rosen_hess_prod": "scipy.optimize.rosen_hess_prod(x, x).sum()",
    "special.logsumexp": "scipy.special.logsumexp(x)",
    "special.softmax": "(scipy.special.softmax(x) ** 2).sum()",
    "special.log_softmax": "(scipy.special.log_softmax(x) ** 2).sum()",
    "special.erf": "scipy.special.erf(x).sum()",
    "special.gammaln": "scipy.special.gammaln(x).sum()",
    "special.xlogy": "scipy.special.xlogy(x, x).sum()",
    "special.rel_entr": "scipy.special.rel_entr(x, 2 * x).sum()",
    "special.gammainc": "scipy.special.gammainc(2.0, x).sum()",
    "special.log_ndtr": "scipy.special.log_ndtr(x).sum()",
    "stats.entropy": "scipy.stats.entropy(x)",
    "stats.gmean": "scipy.stats.gmean(x)",
    "stats.hmean": "scipy.stats.hmean(x)",
    "stats.pmean": "scipy.stats.pmean(x, 2.0)",
    "stats.skew": "scipy.stats.skew(x)",
    "stats.kurtosis": "scipy.stats.kurtosis(x)",
    "stats.moment": "scipy.stats.moment(x, 3)",
    "stats.variation": "scipy.stats.variation(x)",
    "stats.sem": "scipy.stats.sem(x)",
    "stats.zscore": "(scipy.stats.zscore(x) ** 3).sum()",
    "stats.tmean": "scipy.stats.tmean(x)",
    "stats.tvar": "scipy.stats.tvar(x)",
    "stats.gstd": "scipy.stats.gstd(x)",
    "stats.kstat": "scipy.stats.kstat(x, 3)",
    "stats.circmean": "scipy.stats.circmean(x)",
    "stats.circvar": "scipy.stats.circvar(x)",
    "stats.differential_entropy": "scipy.stats.differential_entropy(x)",
    "stats.trim_mean": "scipy.stats.trim_mean(x, 0.2)",
    "stats.iqr": "scipy.stats.iqr(x)",
    "stats.median_abs_deviation": "scipy.stats.median_abs_deviation(x)",
    "stats.ttest_1samp": "scipy.stats.ttest_1samp(x, 0.5).pvalue",
    "stats.chisquare": "scipy.stats.chisquare(x).statistic",
    "stats.lmoment": "scipy.stats.lmoment(x)[1]",
    "stats.boxcox_llf": "scipy.stats.boxcox_llf(0.5, x)",
    "stats.jarque_bera": "scipy.stats.jarque_bera(x).statistic",
    "signal.fftconvolve": "(scipy.signal.fftconvolve(x, x) ** 2).sum()",
    "signal.oaconvolve": "(scipy.signal.oaconvolve(x, x) ** 2).sum()",
    "signal.hilbert": "abs(scipy.signal.hilbert(x)).sum()",
    "signal.envelope": "(scipy.signal.envelope(x) ** 2).sum()",
    "signal.gausspulse": "scipy.signal.gausspulse(x).sum()",
    "signal.vectorstrength": "scipy.signal.vectorstrength(x, 2.0)[0]",
    "fft.fft": "abs(scipy.fft.fft(x)).sum()",
    "fft.rfft": "abs(scipy.fft.rfft(x)).sum()",
    "fft.fftshift": "(scipy.fft.fftshift(x) ** 2)[0]",
    "integrate.trapezoid": "scipy.integrate.trapezoid(x, dx=0.1)",
    "integrate.cumulative_simpson": "scipy.integrate.cumulative_simpson(x, dx=0.1).sum()",
}
"""The functions of SciPy that are known to run on traced arrays, each in a scalar expression of ``x``."""

SINCE_1_17 = {
    "special.softmax",
    "special.log_softmax",
    "special.erf",
    "special.gammaln",
    "special.gammainc",
    "special.log_ndtr",
    "stats.entropy",
    "stats.tmean",
    "stats.tvar",
    "stats.gstd",
    "stats.trim_mean",
    "stats.iqr",
    "stats.lmoment",
    "stats.median_abs_deviation",
    "signal.fftconvolve",
    "signal.oaconvolve",
    "signal.hilbert",
    "signal.vectorstrength",
    "integrate.cumulative_simpson",
}
"""Those that some older SciPy does not let compute with the namespace of its argument."""

NUMPY_2_0 = not hasattr(np, "unstack")
"""Its functions, of which our namespace is made, do not keep to the standard in full."""

OLDER = tuple(int(part) for part in scipy.__version__.split(".")[:2]) < (1, 17)

PROGRAM = """
import json, sys, warnings
import numpy as np
import scipy.fft, scipy.integrate, scipy.optimize, scipy.signal, scipy.special, scipy.stats
import autotrace
from autotrace.test_util import numerical_jvp

warnings.simplefilter("ignore")
x = np.array([1.3, 0.7, 0.8, 1.9, 1.2])
d = np.array([0.3, -0.5, 0.2, 0.7, -0.4])
found = {}
for name, expression in json.load(sys.stdin).items():
    function = eval("lambda x: " + expression)
    try:
        slope = float(autotrace.grad(function)(x) @ d)
        expected = float(numerical_jvp(lambda y: [np.asarray(function(y))], (x,), (d,))[0])
        found[name] = [slope, expected]
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    """The derivative of each function, and its difference quotient, in a process with SciPy's array API
    switched on.
    """
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}  # SciPy reads it when it is imported
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(FUNCTIONS),
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_scipy_differentiate_unchanged(found, name):
    if isinstance(found[name], str) and OLDER and name in SINCE_1_17:
        assert found[name].split(":")[0] in ("TracerArrayConversionError", "TypeError"), found[name]
        pytest.skip(f"SciPy {scipy.__version__} does not keep to the namespace of its argument here")
    if NUMPY_2_0 and name == "stats.circvar":
        pytest.skip("np.clip has taken the names of the standard since NumPy 2.1")
    assert isinstance(found[name], list), found[name]
    slope, expected = found[name]
    assert slope == pytest.approx(expected, rel=1e-5, abs=1e-7)


# -- what the standard asks --------------------------------------------------------------------------


def traced(function):
    """What ``function`` answers about a traced array."""
    answers = []
    make_jaxpr(lambda x: (answers.append(function(x)), x)[1])(np.ones((2, 3)))
    return answers[0]


def test_the_namespace_of_a_traced_array():
    assert traced(lambda x: x.__array_namespace__()) is anp
    assert traced(lambda x: x.__array_namespace__(api_version="2023.12")) is anp
    with pytest.raises(ValueError, match=r"^__array_namespace__: api_version must be one of .*; got '1999.1' at "):
        traced(lambda x: x.__array_namespace__(api_version="1999.1"))


def test_there_is_one_device():
    assert traced(lambda x: x.device) == "cpu"
    assert traced(lambda x: x.to_device("cpu") is x)
    with pytest.raises(
        ValueError, match=r"^to_device: the device must be 'cpu', without a stream; got 'gpu' and None at "
    ):
        traced(lambda x: x.to_device("gpu"))


def test_inspection():
    if not NUMPY_2_0:
        assert anp.__array_namespace_info__().default_device() == "cpu"
    assert anp.isdtype(traced(lambda x: x.dtype), "real floating")
    assert traced(lambda x: anp.result_type(x, np.float32)) == np.float64
    assert traced(lambda x: anp.finfo(x.dtype).bits) == 64


NAMES = [
    "abs", "acos", "acosh", "add", "all", "any", "arange", "argmax", "argmin", "argsort", "asarray", "asin",
    "asinh", "astype", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert", "bitwise_left_shift",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bool", "broadcast_arrays", "broadcast_to",
    "can_cast", "ceil", "clip", "complex128", "complex64", "concat", "conj", "copysign", "cos", "cosh",
    "count_nonzero", "cumulative_prod", "cumulative_sum", "diff", "divide", "e", "empty", "empty_like",
    "equal", "exp", "expand_dims", "expm1", "eye", "finfo", "flip", "float32", "float64", "floor",
    "floor_divide", "from_dlpack", "full", "full_like", "greater", "greater_equal", "hypot", "iinfo",
    "imag", "inf", "int16", "int32", "int64", "int8", "isdtype", "isfinite", "isinf", "isnan", "less",
    "less_equal", "linspace", "log", "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not",
    "logical_or", "logical_xor", "matmul", "matrix_transpose", "max", "maximum", "mean", "meshgrid", "min",
    "minimum", "moveaxis", "multiply", "nan", "negative", "newaxis", "nextafter", "nonzero", "not_equal",
    "ones", "ones_like", "permute_dims", "pi", "positive", "pow", "prod", "real", "reciprocal", "remainder",
    "repeat", "reshape", "result_type", "roll", "round", "searchsorted", "sign", "signbit", "sin", "sinh",
    "sort", "sqrt", "square", "squeeze", "stack", "std", "subtract", "sum", "take", "take_along_axis",
    "tan", "tanh", "tensordot", "tile", "tril", "triu", "trunc", "uint16", "uint32", "uint64", "uint8",
    "unique_all", "unique_counts", "unique_inverse", "unique_values", "unstack", "var", "vecdot", "where",
    "zeros", "zeros_like",
]  # fmt: skip


def test_the_namespace_has_the_names_of_the_standard():
    missing = [name for name in NAMES if not hasattr(anp, name)]
    assert set(missing) <= ({"unstack", "cumulative_prod", "cumulative_sum"} if NUMPY_2_0 else set())


def test_generic_code_differentiates():
    def standardise(x):
        xp = x.__array_namespace__()
        y = xp.asarray(x, copy=True)
        y = (y - xp.mean(y)) / xp.std(y)
        return xp.sum(xp.where(y > 0, xp.exp(y), xp.astype(y, xp.float64)))

    x = np.array([0.7, 2.0, -1.0])
    assert np.allclose(grad(standardise)(x), _slope(standardise, x), atol=1e-6)


def _slope(function, x):
    steps = np.eye(3) * 1e-6
    return np.array([(function(x + h) - function(x - h)) / 2e-6 for h in steps])
