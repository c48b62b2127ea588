"""odeint against closed forms: values, derivatives of both orders and both ways, batches, and what it refuses."""

import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from autotrace import (
    ShapeDtypeStruct,
    check_jaxpr,
    checkpoint,
    cost,
    eval_jaxpr,
    grad,
    hessian,
    jacfwd,
    jacobian,
    jacrev,
    jet,
    jit,
    jvp,
    linear_call,
    make_jaxpr,
    odeint,
    parse_jaxpr,
    scan,
    sparsity_pattern,
    vjp,
    vmap,
    while_loop,
)
from autotrace.errors import IntegrationError, TracerBoolConversionError
from autotrace.test_util import check_grads

TIMES = np.array([0.0, 0.3, 0.3, 1.0, 2.5])
BOTH = pytest.mark.parametrize("gradient", ["direct", "adjoint"])
near = partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7)


def decay(y: Any, t: Any, rate: Any) -> Any:
    return -rate * y


def oscillator(state: Any, t: Any, w: Any) -> Any:
    x, v = state
    return v, -w * w * x


def logistic(y: Any, t: Any, r: Any, k: Any) -> Any:
    return r * y * (1 - y / k)


def logistic_solution(y0: Any, t: Any, r: Any, k: Any) -> Any:
    return k / (1 + (k / y0 - 1) * np.exp(-r * (t - t[0])))


def solved(gradient: str = "direct", **options: Any) -> Callable[..., Any]:
    return lambda y0, t, r, k: odeint(logistic, y0, t, r, k, gradient=gradient, **options)


# -- values ------------------------------------------------------------------------------------------


def test_the_logistic_equation():
    near(odeint(logistic, 0.1, TIMES, 2.0, 3.0), logistic_solution(0.1, TIMES, 2.0, 3.0))


def test_the_first_state_is_the_one_given_and_equal_times_give_equal_states():
    found = odeint(logistic, 0.1, TIMES, 2.0, 3.0)
    assert found[0] == 0.1
    assert found[1] == found[2]


def test_times_may_decrease_and_go_there_and_back():
    forward = odeint(logistic, 0.1, TIMES, 2.0, 3.0)
    near(odeint(logistic, forward[-1], TIMES[::-1], 2.0, 3.0), forward[::-1])


def test_one_time_and_equal_times_need_no_step():
    assert odeint(decay, 2.0, np.array([1.0]), 1.0).tolist() == [2.0]
    assert odeint(decay, 2.0, np.array([1.0, 1.0]), 1.0).tolist() == [2.0, 2.0]


def test_an_equilibrium_stays():
    assert odeint(decay, np.zeros(3), np.array([0.0, 1e3]), 1.0).tolist() == [[0.0] * 3] * 2


def test_the_result_has_the_structure_of_the_state():
    def field(state, t, rates):
        return {"a": -rates[0] * state["a"], "b": (np.cos(t) * np.ones(2),)}

    found = odeint(field, {"a": 1.0, "b": (np.zeros(2),)}, TIMES, (0.5, 1))
    near(found["a"], np.exp(-0.5 * TIMES))
    near(found["b"][0], np.sin(TIMES)[:, None] * np.ones(2))


def test_derivatives_that_are_plain_numbers_take_the_dtype_of_the_state():
    found = odeint(lambda s, t: (2, s[0]), (np.float64(0), np.float64(0)), TIMES)
    near(found[1], TIMES**2)


def test_integers_are_states_in_double_precision():
    found = odeint(decay, 1, [0, 1], 1)
    assert found.dtype == np.float64
    near(found, np.exp([0, -1.0]))


def test_single_precision_stays():
    found = odeint(lambda y, t: -y * t, np.ones(2, np.float32), TIMES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], np.exp(-(TIMES**2) / 2), rtol=1e-4)
    assert grad(lambda y: odeint(decay, y, TIMES, np.float32(1))[-1])(np.float32(1)).dtype == np.float32


def test_complex_states():
    near(odeint(lambda y, t: 1j * y, 1.0 + 0j, TIMES), np.exp(1j * TIMES))


def test_tfirst_swaps_the_arguments():
    near(odeint(lambda t, y: np.cos(t), 0.0, TIMES, tfirst=True), np.sin(TIMES))


def test_the_error_follows_the_tolerance():
    def error(tolerance):
        found = odeint(oscillator, (1.0, 0.0), np.array([0.0, 10.0]), 1.0, rtol=tolerance, atol=tolerance)[0][-1]
        return abs(found - np.cos(10.0))

    errors = np.array([error(10.0**-k) for k in (4, 6, 8, 10)])
    assert (errors < 20 * 10.0 ** -np.array([4, 6, 8, 10])).all()
    assert (errors[:-1] / errors[1:] > 30).all()


def test_the_method_is_of_order_five():
    def error(size):
        steps = {"hmax": size, "rtol": 1.0, "atol": 1e3}  # so loose that every step is as long as it may be
        return abs(odeint(oscillator, (1.0, 0.0), np.array([0.0, 6.0]), 1.0, **steps)[0][-1] - np.cos(6.0))

    orders = np.log2([error(0.2) / error(0.1), error(0.1) / error(0.05)])
    assert (orders > 4.85).all(), orders


def test_the_interpolant_is_of_order_four():
    def error(size):
        times = np.linspace(0.0, 4.0, 101)
        found = odeint(oscillator, (1.0, 0.0), times, 1.0, hmax=size, rtol=1.0, atol=1e3)[0]
        return abs(found - np.cos(times)).max()

    orders = np.log2([error(0.4) / error(0.2), error(0.2) / error(0.1)])
    assert (orders > 3.9).all(), orders


def test_output_times_do_not_change_the_steps():
    many = odeint(logistic, 0.1, np.linspace(0.0, 5.0, 1001), 2.0, 3.0)
    few = odeint(logistic, 0.1, np.array([0.0, 5.0]), 2.0, 3.0)
    assert many[-1] == few[-1]


def test_energy_is_kept_over_many_periods():
    x, v = odeint(oscillator, (1.0, 0.0), np.linspace(0.0, 100.0, 51), 1.0, rtol=1e-10, atol=1e-10)
    assert abs(x**2 + v**2 - 1).max() < 1e-7


def test_a_stiff_equation_within_mxstep():
    times = np.array([0.0, 0.5, 2.0])
    found = odeint(lambda y, t: -1000.0 * (y - np.cos(t)) - np.sin(t), 0.0, times, mxstep=2000)
    near(found, np.cos(times) - np.exp(-1000.0 * times), atol=1e-6)


def test_func_is_not_called_beyond_the_last_time():
    def field(y, t):
        return np.where(t <= 1.0, y, np.nan)

    near(odeint(field, 1.0, np.array([0.0, 1.0])), np.exp([0.0, 1.0]))
    for end in np.linspace(0.3, 1.7, 41):  # nor by rounding
        near(
            odeint(lambda y, t, end=end: np.where(t <= end, y, np.nan), 1.0, np.array([0.1, end]))[-1],
            np.exp(end - 0.1),
        )


# -- derivatives -------------------------------------------------------------------------------------


@BOTH
def test_derivatives_of_the_logistic_equation_in_everything(gradient):
    point = (0.4, TIMES, 1.5, 3.0)
    found = jacrev(solved(gradient), argnums=(0, 1, 2, 3))(*point)
    pushed = jacfwd(solved(gradient), argnums=(0, 1, 2, 3))(*point)
    wanted = jacfwd(logistic_solution, argnums=(0, 1, 2, 3))(*point)
    for got, other, want in zip(found, pushed, wanted, strict=True):
        near(got, want)
        near(other, want)


@BOTH
def test_second_derivatives_in_everything(gradient):
    def loss(solution):
        return lambda *point: np.sum(np.arange(1.0, 6.0) * solution(*point) ** 2)

    point = (0.4, TIMES, 1.5, 3.0)
    every = (0, 1, 2, 3)
    wanted = hessian(loss(logistic_solution), argnums=every)(*point)
    for by in (hessian, lambda f, argnums: jacrev(grad(f, argnums=argnums), argnums=argnums)):
        found = by(loss(solved(gradient)), argnums=every)(*point)
        for row, want_row in zip(found, wanted, strict=True):
            for got, want in zip(row, want_row, strict=True):
                near(got, want, rtol=1e-5, atol=1e-5)


@BOTH
def test_derivatives_of_a_tree(gradient):
    def end(x0, v0, w):
        x, v = odeint(oscillator, (x0, v0), np.array([0.0, 2.0]), w, gradient=gradient)
        return x[-1], v[-1]

    def wanted(x0, v0, w):
        return x0 * np.cos(2 * w) + v0 * np.sin(2 * w) / w, v0 * np.cos(2 * w) - w * x0 * np.sin(2 * w)

    for mode in (jacfwd, jacrev, jit(jacrev(end, argnums=(0, 1, 2)))):
        found = mode(end, argnums=(0, 1, 2))(1.0, 0.5, 1.3) if mode in (jacfwd, jacrev) else mode(1.0, 0.5, 1.3)
        near(found, jacfwd(wanted, argnums=(0, 1, 2))(1.0, 0.5, 1.3))


@BOTH
def test_derivatives_in_what_func_closes_over(gradient):
    def end(rates):
        return odeint(lambda y, t: -rates * y, np.ones(2), np.array([0.0, 2.0]), gradient=gradient)[-1]

    rates = np.array([0.5, 1.0])
    near(jacrev(end)(rates), np.diag(-2 * np.exp(-2 * rates)))
    near(hessian(lambda r: end(r).sum())(rates), np.diag(4 * np.exp(-2 * rates)))


@BOTH
def test_complex_cotangents(gradient):
    def end(y0, rate):
        return odeint(decay, y0, np.array([0.0, 1.0]), rate, gradient=gradient)[-1]

    point = (1.0 + 2.0j, 0.3 - 1.0j)
    found = vjp(end, *point)[1](0.5 + 1.0j)
    wanted = vjp(lambda y0, rate: y0 * np.exp(-rate), *point)[1](0.5 + 1.0j)
    near(found, wanted)
    near(
        grad(lambda t: odeint(decay, 1.0 + 0j, t, 1.0j, gradient=gradient)[-1].real)(np.array([0.0, 1.0])),
        [np.sin(1.0), -np.sin(1.0)],
    )


@BOTH
def test_decreasing_times(gradient):
    def loss(y0, t, rate):
        return np.sum(odeint(decay, y0, t, rate, gradient=gradient)[1:] ** 2)

    point = (1.0, np.array([2.0, 1.5, 0.0]), 0.7)
    wanted = grad(lambda y0, t, rate: np.sum((y0 * np.exp(-rate * (t - t[0]))[1:]) ** 2), argnums=(0, 1, 2))(*point)
    for got, want in zip(grad(loss, argnums=(0, 1, 2))(*point), wanted, strict=True):
        near(got, want)


@BOTH
def test_integer_arguments_carry_no_derivative(gradient):
    def power(y0, n):
        return odeint(lambda y, t, n: y**n, y0, np.array([0.0, 0.5]), n, gradient=gradient)[-1]

    near(jacrev(power)(1.0, 2), 4.0)  # y0 / (1 - y0 t)
    near(jit(grad(power))(1.0, np.int64(2)), 4.0)


def test_direct_derivatives_are_those_of_the_steps():
    def end(rate):
        return odeint(decay, 1.0, np.array([0.0, 1.0]), rate, rtol=1.0, atol=1e3, hmax=0.25)[-1]

    # hmax makes the steps, so that they are the same at near rates
    numeric = (end(1.0 + 1e-5) - end(1.0 - 1e-5)) / 2e-5
    np.testing.assert_allclose(grad(end)(1.0), numeric, rtol=1e-9)
    np.testing.assert_allclose(jacrev(end)(np.float64(1.0)), numeric, rtol=1e-9)


def test_forward_and_reverse_mode_agree_to_rounding():
    def run(p):
        return odeint(logistic, p[0], TIMES, p[1], p[2])

    check_grads(run, (np.array([0.4, 1.5, 3.0]),), order=2)
    p = np.array([0.4, 1.5, 3.0])
    np.testing.assert_allclose(jacrev(run)(p), jacfwd(run)(p), rtol=1e-12, atol=1e-14)


def test_rejected_steps_that_overflow_spoil_no_derivative():
    def end(a):
        # nothing happens before t = 1, so that steps grow; then one is far too long, and takes the root of what is < 0
        return odeint(lambda y, t, a: -np.where(t > 1.0, 100 * a, 0.0) * y * np.sqrt(y), 1.0, np.array([0.0, 2.0]), a)[
            -1
        ]

    def wanted(a):
        return (1 + 50 * a) ** -2.0

    with pytest.raises(RuntimeWarning, match="invalid value"):
        end(1.0)
    with np.errstate(invalid="ignore"):
        for mode in (grad, jacrev, jacfwd, lambda f: jit(jacrev(f))):
            np.testing.assert_allclose(mode(end)(1.0), grad(wanted)(1.0), rtol=1e-4)


def test_reverse_mode_over_forward_mode_of_the_adjoint():
    def slope(rate):
        return jvp(lambda r: odeint(decay, 1.0, TIMES, r, gradient="adjoint")[-1], (rate,), (1.0,))[1]

    near(jacrev(slope)(np.array(0.5)), TIMES[-1] ** 2 * np.exp(-0.5 * TIMES[-1]))
    near(jit(jacrev(slope))(np.array(0.5)), TIMES[-1] ** 2 * np.exp(-0.5 * TIMES[-1]))


def test_residuals_of_a_linear_call_that_a_loop_reads():
    def run(p, x):
        def loop(p, x):
            return while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, p * s[1]), (0, x))[1]

        return linear_call(loop, loop, p, x)

    for f in (jacrev, jacfwd):
        near(f(run, argnums=(0, 1))(2.0, 5.0), (60.0, 8.0))
        near(f(grad(run), argnums=(0, 1))(np.array(2.0), 5.0), (60.0, 12.0))
    near(jit(jacrev(lambda p: jvp(lambda x: run(p, x), (5.0,), (1.0,))[1]))(np.array(2.0)), 12.0)


def test_forward_and_reverse_mode_make_the_same_steps_inside_a_loop():
    def run(y):
        def body(y, _):
            found = odeint(lambda y, t: 1.6 * (np.cos(t) - y), y, TIMES + 0.3, rtol=1e-11, atol=1e-11)
            return found[-1], found[1]

        end, inner = scan(body, y, length=4)
        return end.sum() + inner.sum()

    y = np.array([-0.867, -1.006])
    np.testing.assert_allclose(grad(run)(y), jacfwd(run)(y), rtol=1e-9)
    np.testing.assert_allclose(grad(checkpoint(run))(y), jacfwd(run)(y), rtol=1e-9)


def test_the_adjoint_keeps_states_alone():
    y0 = np.linspace(0.1, 0.5, 5000)

    def peak(gradient):
        f = jit(
            grad(lambda y: np.sum(odeint(lambda y, t: -y * y, y, np.array([0.0, 20.0]), gradient=gradient, hmax=0.5)))
        )
        near(f(y0), 1 + (1 + 20 * y0) ** -2.0)
        tracemalloc.start()
        f(y0)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak("adjoint") < peak("direct") / 5


def test_times_may_be_a_list_of_traced_numbers():
    near(grad(lambda s: odeint(decay, 1.0, [0.0, s, 2 * s], 1.0)[-1])(0.5), -2 * np.exp(-1.0))


def test_third_derivatives_in_a_time():
    def end(s):
        return odeint(decay, 1.0, np.array([0.0, 1.0]) * s, 1.0)[-1]

    near(grad(grad(grad(end)))(1.0), -np.exp(-1.0))


# -- under other transforms --------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("wrap", [vmap, lambda f: jit(vmap(f)), lambda f: vmap(jit(f))])
def test_each_row_of_a_batch_makes_its_own_steps(gradient, wrap):
    def end(rate, y0):
        return odeint(
            lambda y, t, r: -r * (y - np.cos(t)), y0, np.linspace(0.0, 1.0, 4), rate, gradient=gradient, mxstep=500
        )[-1]

    stiff = 300.0 if gradient == "direct" else 30.0  # backwards in time, which the adjoint goes, it explodes
    rates, starts = np.array([0.1, 10.0, stiff]), np.array([0.0, 1.0, -1.0])
    for f in (end, grad(end, argnums=(0, 1))):
        found = wrap(f)(rates, starts)
        one_by_one = [f(r, y) for r, y in zip(rates, starts, strict=True)]
        np.testing.assert_allclose(found, np.array(one_by_one).T, rtol=1e-11, atol=1e-13)


def test_derivatives_of_a_batch():
    rates = np.array([0.5, 20.0])
    for gradient in ("direct", "adjoint"):
        f = vmap(lambda r, gradient=gradient: odeint(decay, 1.0, np.array([0.0, 0.5]), r, gradient=gradient)[-1])
        near(jacrev(f)(rates), np.diag(-0.5 * np.exp(-0.5 * rates)))
        near(jacobian(jacrev(f))(rates)[1, 1, 1], 0.25 * np.exp(-10.0))


def test_batches_of_times():
    times = np.array([[0.0, 1.0], [1.0, -1.0], [2.0, 2.0]])
    near(vmap(lambda t: odeint(decay, 1.0, t, 1.0))(times), np.exp(times[:, :1] - times))


def test_empty_states_and_batches():
    assert odeint(decay, np.ones((0, 2)), TIMES, 1.0).shape == (5, 0, 2)
    for f in (odeint, lambda *args: jacrev(odeint, argnums=1)(*args)):
        assert vmap(lambda y, f=f: f(decay, y, TIMES, 1.0))(np.ones(0)).shape == (0, 5)


def test_power_series():
    _, found = jet(lambda r: odeint(decay, 1.0, TIMES, r, rtol=1e-11, atol=1e-11), (0.5,), ([1.0, 0.0, 0.0],))
    near(found, [(-TIMES) ** k * np.exp(-0.5 * TIMES) for k in (1, 2, 3)])


def test_sparsity_and_cost():
    def end(y0):
        return odeint(decay, y0, np.array([0.0, 1.0]), 1.0)[-1]

    near(sparsity_pattern(end)(np.ones(3)).toarray(), np.eye(3))
    assert cost(end)(np.ones(3)).flops == 6


def test_jit_and_loops_around():
    f = jit(lambda y0, t, r: odeint(decay, y0, t, r))
    for _ in range(4):
        assert np.array_equal(f(1.0, TIMES, 0.5), odeint(decay, 1.0, TIMES, 0.5))

    def steps(y0, r):
        return scan(lambda y, _: (odeint(decay, y, np.array([0.0, 0.5]), r)[-1], None), y0, length=4)[0]

    near(steps(1.0, 0.3), np.exp(-0.6))
    near(grad(steps, argnums=(0, 1))(1.0, 0.3), (np.exp(-0.6), -2 * np.exp(-0.6)))
    near(jacrev(checkpoint(steps), argnums=1)(1.0, np.array(0.3)), -2 * np.exp(-0.6))


def test_a_solution_is_one_equation_that_prints_and_parses():
    jaxpr = make_jaxpr(lambda y0, r: odeint(decay, y0, TIMES, r))(1.0, 0.5)
    assert [e.primitive.name for e in jaxpr.equations] == ["odeint"]
    check_jaxpr(jaxpr)
    again = parse_jaxpr(str(jaxpr))
    assert str(again) == str(jaxpr)
    near(eval_jaxpr(again, 1.0, 0.5)[0], np.exp(-0.5 * TIMES))
    space: dict[str, Any] = {}
    exec(jaxpr.to_python(), space)
    near(space["program"](1.0, 0.5), np.exp(-0.5 * TIMES))


@BOTH
@pytest.mark.parametrize("transform", [jacrev, jacfwd, vmap, lambda f: vmap(jacrev(f)), lambda f: jacfwd(jacrev(f))])
def test_what_transforms_write_is_well_typed(gradient, transform):
    run = transform(lambda y0, r: odeint(decay, y0, TIMES, r, gradient=gradient))
    check_jaxpr(make_jaxpr(run)(np.ones(2), np.ones(2)))


def test_func_is_traced_once():
    calls = []

    def field(y, t):
        calls.append(1)
        return -y

    odeint(field, 1.0, TIMES)
    assert len(calls) == 1


def test_the_callers_arrays_stay_and_results_are_new():
    y0 = np.ones(2)
    found = odeint(decay, y0, np.array([0.0]), 1.0)
    found[0] = 7.0
    assert y0.tolist() == [1.0, 1.0]


# -- what it refuses ---------------------------------------------------------------------------------

WAYS = pytest.mark.parametrize(
    "way",
    [
        lambda f: f,
        jit,
        grad,
        lambda f: jit(grad(f)),
        lambda f: lambda x: vmap(f)(np.array([x, x])),
        lambda f: lambda x: jvp(f, (x,), (1.0,)),
        lambda f: lambda x: jacrev(f)(np.array(x)),
    ],
    ids=["plain", "jit", "grad", "jit_grad", "vmap", "jvp", "jacrev"],
)


@WAYS
def test_too_many_steps(way):
    def end(y0):
        return odeint(decay, y0, np.array([0.0, 1.0, 200.0]), 1.0, mxstep=20)[-1]

    with pytest.raises(IntegrationError, match=r"t = 200 must be reached within mxstep.*20.*up to t = \d.*test_odeint"):
        way(end)(1.0)


@WAYS
def test_a_singularity(way):
    def end(y0):
        return odeint(lambda y, t: y * y, y0, np.array([0.0, 2.0]))[-1]

    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(IntegrationError, match=r"at t = 1, on the way"):
        way(end)(1.0)


@WAYS
def test_a_derivative_that_is_not_finite(way):
    def end(y0):
        return odeint(lambda y, t: y / t, y0, np.array([0.0, 2.0]))[-1]

    with np.errstate(all="ignore"), pytest.raises(IntegrationError, match=r"finite derivatives; got NaN or inf.*t = 0"):
        way(end)(1.0)


def test_the_row_that_fails_is_told():
    with pytest.raises(IntegrationError, match=r"t = 3 must"):
        vmap(lambda r, end: odeint(decay, 1.0, np.stack([0 * end, end]), r, mxstep=30))(
            np.array([1.0, 1e4, 1.0]), np.array([2.0, 3.0, 4.0])
        )


@pytest.mark.parametrize("times", [[0.0, 2.0, 1.0], [0.0, np.nan, 1.0], [0.0, np.inf]])
def test_times_out_of_order(times):
    for run in (lambda t: odeint(decay, 1.0, t, 1.0), jit(lambda t: odeint(decay, 1.0, t, 1.0))):
        with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=r"not change direction.*test_odeint"):
            run(np.array(times))
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="not change direction"):
        jacrev(lambda t: odeint(decay, 1.0, t, 1.0))(np.array(times))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (lambda y, t: (y, y), r"one structure; got .* in y0 and .* from func"),
        (lambda y, t: np.stack([y, y]), r"one shape and dtype; got f64\[\] in y0 and f64\[2\] from func"),
        (lambda y, t: 1j * y, r"got f64\[\] in y0 and c128\[\] from func"),
        (lambda y, t: None, "one structure"),
    ],
)
def test_what_func_returns(field, text):
    with pytest.raises(TypeError, match=text):
        odeint(field, 1.0, TIMES)


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "text"),
    [
        ((1, 1.0, TIMES), {}, TypeError, "must be a function"),
        ((decay, True, TIMES, 1.0), {}, TypeError, r"y0 must be of numbers; got bool\[\]"),
        ((decay, [], TIMES, 1.0), {}, TypeError, "at least one array"),
        ((decay, 1.0, 3.0, 1.0), {}, ValueError, r"t must be a vector .* got f64\[\]"),
        ((decay, 1.0, np.zeros(0), 1.0), {}, ValueError, r"got f64\[0\]"),
        ((decay, 1.0, 1j * TIMES, 1.0), {}, ValueError, r"got c128\[5\]"),
        ((decay, 1.0, TIMES, 1.0), {"rtol": -1.0}, ValueError, "rtol must be a positive number or 0; got -1.0"),
        ((decay, 1.0, TIMES, 1.0), {"atol": 0.0}, ValueError, "atol must be a positive number; got 0.0"),
        ((decay, 1.0, TIMES, 1.0), {"mxstep": 1.5}, ValueError, "mxstep must be a positive integer; got 1.5"),
        ((decay, 1.0, TIMES, 1.0), {"hmax": np.nan}, ValueError, "hmax must be a positive number; got nan"),
        ((decay, 1.0, TIMES, 1.0), {"gradient": "both"}, ValueError, "'direct' or 'adjoint'; got 'both'"),
        ((lambda y, t: y if t > 1 else -y, 1.0, TIMES), {}, TracerBoolConversionError, "known"),
    ],
)
def test_arguments(arguments, options, kind, text):
    with pytest.raises(kind, match=text):
        odeint(*arguments, **options)


def test_traced_options():
    with pytest.raises(ValueError, match=r"rtol must .* got a traced value .* plain number"):
        jit(lambda r: odeint(decay, 1.0, TIMES, 1.0, rtol=r))(0.1)


def test_shapes_alone_suffice_to_trace():
    jaxpr = make_jaxpr(lambda y, t: odeint(decay, y, t, 1.0))(
        ShapeDtypeStruct((2,), "f8"), ShapeDtypeStruct((3,), "f8")
    )
    assert [str(a) for a in jaxpr.out_avals] == ["f64[3,2]"]
