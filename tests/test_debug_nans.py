"""debug_nans and debug_infs: the equation, its operands, the line and the phase in which the first one arose."""

import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from autotrace import (
    checkpoint,
    cond,
    custom_jvp,
    custom_vjp,
    debug,
    debug_infs,
    debug_nans,
    errors,
    eval_jaxpr,
    grad,
    hessian,
    jacfwd,
    jacobian,
    jacrev,
    jit,
    jvp,
    linearize,
    make_jaxpr,
    scan,
    value_and_grad,
    vjp,
    vmap,
    while_loop,
)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

X = np.array([1.0, 0.0, 4.0])
FILE = re.escape(__file__)


def logarithm(x):
    y = x - 1.0
    return np.log(y)  # NaN for x < 1


def root(x):
    y = x * x
    return np.sqrt(y)  # infinite slope at 0


LOG = logarithm.__code__.co_firstlineno + 2
SQUARE, ROOT = root.__code__.co_firstlineno + 1, root.__code__.co_firstlineno + 2


def total(f):
    return lambda x: np.sum(f(x))


def repeated(f, warm):
    """Run ``f`` often enough on harmless values that it is compiled."""

    def call(x):
        with debug_nans(False):
            for _ in range(60):
                f(warm)
        return f(x)

    return call


def caught(call, *args):
    with debug_nans(), pytest.raises(errors.NonFiniteError) as error:
        call(*args)
    return str(error.value)


def looped(f):
    return lambda x: scan(lambda c, _: (f(c), None), x, length=40)[0]


def whiled(f):
    return lambda x: while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, f(s[1])), (0, x))[1]


def branched(f):
    return lambda x: cond(np.sum(x) > -10, f, np.sin, x)


def kept(f):
    return checkpoint(f)


@pytest.mark.parametrize("inside", [lambda f: f, looped, whiled, branched, kept, jit], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "word",
    [
        lambda f: grad(total(f)),
        lambda f: value_and_grad(total(f)),
        lambda f: jit(f),
        lambda f: jit(grad(total(f))),
        lambda f: repeated(jit(f), X + 100),
        lambda f: repeated(jit(grad(total(f))), X + 100),
        lambda f: repeated(grad(total(f)), X + 100),
        vmap,
        lambda f: jit(vmap(f)),
        lambda f: vmap(grad(f)),
        lambda f: lambda x: jvp(f, (x,), (x,)),
        lambda f: lambda x: vjp(f, x),
        lambda f: lambda x: linearize(f, x),
        jacfwd,
        jacrev,
        jacobian,
        lambda f: lambda x: eval_jaxpr(make_jaxpr(f)(x + 100), x),
    ],
    ids=lambda word: "",
)
def test_in_the_primal(inside, word):
    message = caught(word(inside(logarithm)), X)
    assert "debug_nans: values must stay free of NaN; got one in the primal of `" in message
    assert re.search(r"`b:f64\[\d*\] = log a`, element \[\d\] of shape \[3\], at", message)
    assert f"{__file__}:{LOG} (logarithm), where a = [" in message
    assert message.endswith("Keep the operands away from there: np.where(bad, safe, x) before the function.")


@pytest.mark.parametrize("inside", [lambda f: f, looped, whiled, branched, kept, jit], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "word",
    [
        lambda f: grad(total(f)),
        lambda f: jit(grad(total(f))),
        lambda f: repeated(grad(total(f)), X + 100),
        lambda f: repeated(jit(grad(total(f))), X + 100),
        lambda f: lambda x: vjp(f, x)[1](np.ones(3)),
        jacrev,
        lambda f: grad(lambda x: np.sum(vmap(f)(x))),
        lambda f: jit(lambda x: vjp(f, x)[1](np.ones(3))),
    ],
    ids=lambda word: "",
)
def test_in_a_cotangent(inside, word):
    message = caught(word(inside(root)), X)
    assert "got one in the cotangent of `" in message
    assert f"{__file__}:{SQUARE} (root)" in message or f"{__file__}:{ROOT} (root)" in message
    assert "inf" in message or "0.0" in message


@pytest.mark.parametrize("inside", [lambda f: f, looped, whiled, branched, kept, jit], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "word",
    [
        lambda f: lambda x: jvp(f, (x,), (np.ones(3),)),
        lambda f: jit(lambda x: jvp(f, (x,), (np.ones(3),))),
        lambda f: lambda x: linearize(f, x)[1](np.ones(3)),
        lambda f: vmap(grad(f)),
        jacfwd,
    ],
    ids=lambda word: "",
)
def test_in_a_tangent(inside, word):
    message = caught(word(inside(root)), X)
    assert "got one in the tangent of `" in message
    assert f"{__file__}:{ROOT} (root)" in message


def test_operands_are_shown():
    assert "where a = -1.0." in caught(grad(logarithm), 0.0)
    assert "`c:f64[] = div a b`" in caught(jit(lambda x, y: x / y), 0.0, 0.0)
    assert "where a = f64[100] from -1.0 to 1.0." in caught(jit(np.log), np.linspace(-1, 1, 100))
    assert "element [1, 0] of shape [2, 2]," in caught(jit(np.sqrt), np.array([[1.0, 1.0], [-1.0, -1.0]]))
    assert "cotangent [0.5, inf, 0.125]" in caught(grad(total(root)), X)
    assert "where a = 0.0, tangent 0.0." in caught(lambda: jvp(root, (0.0,), (1.0,)))


@custom_jvp
def rule_forward(x):
    return x * x


@rule_forward.defjvp
def rule_forward_jvp(primals, tangents):
    return rule_forward(*primals), np.sqrt(-1.0 - primals[0] ** 2) * tangents[0]


@custom_vjp
def rule_back(x):
    return x * x


def rule_back_backward(x, ct):
    return (np.sqrt(-1.0 - x * x) * ct,)


rule_back.defvjp(lambda x: (rule_back(x), x), rule_back_backward)


def test_in_rules_of_ones_own():
    line = rule_back_backward.__code__.co_firstlineno + 1
    for call in (jit(grad(total(rule_back))), grad(looped(lambda x: rule_back(x)))):
        message = caught(call, X if call is not None and "jit" in repr(call) else 1.0)
        assert "in the cotangent of `" in message
        assert f"{__file__}:{line} (rule_back_backward)" in message
    message = caught(grad(total(rule_back)), X)  # the rule is plain NumPy here: its call is what is seen
    assert "in the cotangent of `b:f64[3] = custom_vjp[" in message and "label='rule_back'" in message
    message = caught(jvp, rule_forward, (1.0,), (1.0,))
    assert "in the tangent of `b:f64[] = custom_jvp[" in message and "label='rule_forward'" in message
    assert "NaN; got one in the tangent" in caught(jit(grad(rule_forward)), 1.0)


def test_what_is_nan_already_passes():
    with debug_nans():
        assert np.isnan(grad(lambda x: x * np.float64(np.nan))(1.0))
        assert np.isnan(jit(np.sin)(np.nan))
        assert np.array_equal(jit(lambda x: x + 1.0)(np.array([np.nan, 1.0])), [np.nan, 2.0], equal_nan=True)


def test_finite_values_are_those_without():
    calls = (grad(total(np.sin)), jit(grad(total(np.exp))), hessian(total(np.cos)), vmap(grad(np.tanh)))
    with debug_nans(), debug_infs():
        watched = [call(X) for call in calls]
    for call, found in zip(calls, watched, strict=True):
        np.testing.assert_array_equal(found, call(X))


def test_infinities():
    with debug_infs():
        with pytest.raises(errors.NonFiniteError, match=r"debug_infs: values must stay free of infinity.*primal.*log"):
            grad(np.log)(0.0)
        with pytest.raises(errors.NonFiniteError, match=r"`b:f64\[3\] = div 1.0 a`, element \[1\]"):
            jit(lambda x: 1.0 / x)(X)
        with pytest.raises(errors.NonFiniteError, match=r"debug_infs.*in the cotangent of `b:f64\[3\] = sqrt a`"):
            grad(lambda x: np.sum(np.sqrt(x)))(X)
        assert np.isnan(jit(logarithm)(0.5))  # NaN is another matter
    with debug_nans():
        assert jit(np.log)(0.0) == -np.inf


def test_off_inside_on():
    with debug_nans():
        with debug_nans(False):
            assert np.isnan(jit(logarithm)(0.0))
        with pytest.raises(errors.NonFiniteError):
            jit(logarithm)(0.0)
    assert np.isnan(jit(logarithm)(0.0))


def test_the_state_comes_back_after_an_exception():
    with pytest.raises(KeyError), debug_nans():
        raise KeyError
    assert np.isnan(grad(lambda x: logarithm(x) * np.float64(np.nan))(0.0))
    with pytest.raises(errors.NonFiniteError), debug_nans():
        jit(logarithm)(0.0)
    assert np.isnan(jit(logarithm)(0.0))


def test_the_names_in_debug():
    assert debug.nans is debug_nans and debug.infs is debug_infs


def test_threads_are_watched_each_for_itself():
    results = {}
    compiled = jit(logarithm)
    compiled(2.0)

    def work(watched):
        try:
            with debug_nans(watched):
                results[watched] = compiled(0.0)
        except errors.NonFiniteError as error:
            results[watched] = error

    threads = [threading.Thread(target=work, args=(watched,)) for watched in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert isinstance(results[True], errors.NonFiniteError)
    assert np.isnan(results[False])


def test_it_is_a_floating_point_error():
    assert issubclass(errors.NonFiniteError, FloatingPointError)


@pytest.mark.parametrize(
    ("variable", "setting", "program", "found"),
    [
        ("AUTOTRACE_DEBUG_NANS", "1", "jit(np.log)(-1.0)", "debug_nans: values must stay free of NaN"),
        ("AUTOTRACE_DEBUG_NANS", "true", "grad(np.log)(-1.0)", "debug_nans: values must stay free of NaN"),
        ("AUTOTRACE_DEBUG_NANS", "0", "jit(np.log)(-1.0)", ""),
        ("AUTOTRACE_DEBUG_NANS", "", "jit(np.log)(-1.0)", ""),
        ("AUTOTRACE_DEBUG_NANS", "1", "jit(np.log)(0.0)", ""),
        ("AUTOTRACE_DEBUG_INFS", "on", "jit(np.log)(0.0)", "debug_infs: values must stay free of infinity"),
        ("AUTOTRACE_DEBUG_NANS", "1", "in_thread(lambda: jit(np.log)(-1.0))", "debug_nans: values must stay"),
    ],
)
def test_environment_variables(variable, setting, program, found):
    code = f"""
import threading, warnings
import numpy as np
from autotrace import grad, jit
warnings.simplefilter("ignore")
def in_thread(f):
    thread = threading.Thread(target=f)
    thread.start()
    thread.join()
{program}
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AUTOTRACE_DEBUG")} | {variable: setting}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert found in done.stderr
    assert bool(found) == ("NonFiniteError" in done.stderr)
