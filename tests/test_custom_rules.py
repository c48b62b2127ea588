"""Functions with rules of their own: their derivatives under every transform, and what wrong rules are told."""

import gc
import pickle
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest

from autotrace import (
    CustomVJPPrimal,
    SymbolicZero,
    check_jaxpr,
    checkpoint,
    closure_convert,
    cond,
    custom_jvp,
    custom_vjp,
    custom_vmap,
    eval_jaxpr,
    float0,
    grad,
    hessian,
    jacfwd,
    jacobian,
    jacrev,
    jet,
    jit,
    jvp,
    linear_call,
    linear_transpose,
    linearize,
    make_jaxpr,
    parse_jaxpr,
    scan,
    sparsity_pattern,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
    while_loop,
)
from autotrace.errors import MissingRuleError, TracerBoolConversionError
from autotrace.tree import tree_leaves
from tests.messages import message_of

X = np.array([0.3, -1.2, 2.0])


def message(run: Callable[[], Any], kind: type[Exception]) -> str:
    """The words of the error that a call raises, without the place."""
    with pytest.raises(kind) as caught:
        run()
    text = message_of(caught.value)
    start, _, rest = text.partition(f" at {__file__}:")
    return start + rest.lstrip("0123456789") if rest else text


# -- one function, four ways ---------------------------------------------------------------------------


def plain(x: Any, y: Any) -> Any:
    return np.sin(x) * y


def by_jvp() -> Any:
    f = custom_jvp(plain)

    @f.defjvp
    def plain_jvp(primals: Any, tangents: Any) -> Any:
        (x, y), (dx, dy) = primals, tangents
        dot = 0.0 if dx.dtype == float0 else np.cos(x) * y * dx
        return f(x, y), dot if dy.dtype == float0 else dot + np.sin(x) * dy

    return f


def by_jvps() -> Any:
    f = custom_jvp(plain)
    f.defjvps(lambda dx, out, x, y: np.cos(x) * y * dx, lambda dy, out, x, y: np.sin(x) * dy)
    return f


def by_vjp() -> Any:
    f = custom_vjp(plain)

    def plain_fwd(x: Any, y: Any) -> Any:
        return f(x, y), {"parts": [np.cos(x), None, "text"], "x": x, "y": y}

    def plain_bwd(kept: Any, ct: Any) -> Any:
        return kept["parts"][0] * kept["y"] * ct, np.sin(kept["x"]) * ct

    f.defvjp(plain_fwd, plain_bwd)
    return f


def by_vmap() -> Any:
    f = custom_vmap(plain)
    f.def_vmap(lambda size, batched, x, y: (vmap(plain, [0 if b else None for b in batched])(x, y), True))
    return f


WAYS = [by_jvp, by_jvps, by_vjp, by_vmap]


def looped(h: Any, x: Any, y: Any) -> Any:
    return scan(lambda c, _: (h(c, y), c), x, None, length=4)[0]


def counted(h: Any, x: Any, y: Any) -> Any:
    return while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, h(s[1], y)), (0, x))[1]


USES: dict[str, Callable[[Any], Any]] = {
    "value": lambda h: h,
    "grad": lambda h: grad(h, (0, 1)),
    "value_and_grad": lambda h: value_and_grad(h, (0, 1)),
    "jvp": lambda h: lambda x, y: jvp(h, (x, y), (0.3, 0.7)),
    "linearize": lambda h: lambda x, y: linearize(h, x, y)[1](0.3, 0.7),
    "vjp": lambda h: lambda x, y: vjp(h, x, y)[1](1.5),
    "grad of grad": lambda h: grad(lambda x, y: grad(h)(x, y) * x, (0, 1)),
    "three grads": lambda h: grad(grad(grad(h))),
    "hessian": lambda h: hessian(h, (0, 1)),
    "jvp of grad": lambda h: lambda x, y: jvp(grad(h, 1), (x, y), (0.3, 0.7)),
    "grad of jvp": lambda h: grad(lambda x, y: jvp(h, (x, y), (x, 0.7))[1], (0, 1)),
    "grad of linearize": lambda h: grad(lambda x, y: linearize(h, x, y)[1](0.3, x), (0, 1)),
    "jacobians": lambda h: lambda x, y: (jacfwd(jacrev(h))(x, y), jacrev(jacfwd(h))(x, y), jacfwd(jacfwd(h))(x, y)),
    "jit of grad": lambda h: jit(grad(h)),
    "grad of jit": lambda h: grad(jit(h), (0, 1)),
    "vmap": lambda h: lambda x, y: vmap(h, (0, None))(X * x, y),
    "vmap of both": lambda h: lambda x, y: vmap(h)(X * x, X * y),
    "vmap of grad": lambda h: lambda x, y: vmap(grad(h, (0, 1)), (0, None))(X * x, y),
    "vmap of vmap": lambda h: lambda x, y: vmap(vmap(grad(h, 1), (None, 0)), (0, None))(X * x, X * y),
    "grad of vmap": lambda h: grad(lambda x, y: np.sum(vmap(h, (0, None))(X * x, y) ** 2), (0, 1)),
    "grad of vmap of vmap": lambda h: grad(
        lambda x, y: np.sum(vmap(vmap(h, (None, 0)), (0, None))(X * x, X * y) ** 2), (0, 1)
    ),
    "jvp of vmap": lambda h: lambda x, y: jvp(lambda x, y: vmap(h, (0, None))(X * x, y), (x, y), (1.0, 2.0)),
    "hessian of vmap": lambda h: hessian(lambda x, y: np.sum(vmap(h, (0, None))(X * x, y)), (0, 1)),
    "jacfwd of vmap": lambda h: jacfwd(lambda x, y: vmap(h, (0, None))(X * x, y), (0, 1)),
    "jit of vmap": lambda h: jit(lambda x, y: vmap(h, (0, None))(X * x, y)),
    "vmap of jit": lambda h: lambda x, y: vmap(jit(h), (0, None))(X * x, y),
    "scan": lambda h: grad(partial(looped, h), (0, 1)),
    "jvp of scan": lambda h: lambda x, y: jvp(partial(looped, h), (x, y), (1.0, 0.3)),
    "second order of scan": lambda h: grad(lambda x, y: grad(partial(looped, h))(x, y) * y, (0, 1)),
    "vmap of grad of scan": lambda h: lambda x, y: vmap(grad(partial(looped, h), (0, 1)))(X * x, X * y),
    "while": lambda h: grad(partial(counted, h), (0, 1)),
    "cond": lambda h: grad(lambda x, y: cond(x > 0, lambda x: h(x, y), lambda x: x, x), (0, 1)),
    "checkpoint": lambda h: grad(checkpoint(lambda x, y: h(h(x, y), y)), (0, 1)),
    "second order of checkpoint": lambda h: grad(grad(checkpoint(lambda x, y: h(h(x, y), y))), 1),
    "keyword": lambda h: grad(lambda x, y: h(y=y, x=x), (0, 1)),
    "integer": lambda h: grad(lambda x, y: h(x, 3) + h(2, y), (0, 1)),
    "constants": lambda h: grad(lambda x, y: x * h(0.5, 2.0), (0, 1)),
    "has_aux": lambda h: grad(lambda x, y: (h(x, y), h(y, x)), (0, 1), has_aux=True),
    "stop_gradient": lambda h: grad(lambda x, y: h(stop_gradient(x) * x, stop_gradient(y)), (0, 1)),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_rules_that_agree_change_nothing(way: Callable[[], Any], use: str) -> None:
    got, expected = USES[use](way())(1.2, 0.4), USES[use](plain)(1.2, 0.4)
    assert len(tree_leaves(got)) == len(tree_leaves(expected))
    for a, b in zip(tree_leaves(got), tree_leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    jaxpr = make_jaxpr(USES[use](way()))(1.2, 0.4)
    check_jaxpr(jaxpr)
    for a, b in zip(eval_jaxpr(jaxpr, np.float64(1.2), np.float64(0.4)), tree_leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


# -- the rule stands in place of the function --------------------------------------------------------


def tripled(kind: str) -> Any:
    """The identity, whose derivative is said to be 3."""
    if kind == "jvp":
        f = custom_jvp(lambda x: x * 1.0)
        f.defjvp(lambda primals, tangents: (f(*primals), tangents[0] * 3.0))
    else:
        f = custom_vjp(lambda x: x * 1.0)
        f.defvjp(lambda x: (f(x), None), lambda kept, ct: (ct * 3.0,))
    return f


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_the_rule_is_used_everywhere(kind: str) -> None:
    f = tripled(kind)
    for derivative in (grad(f), grad(jit(f)), jit(grad(f)), lambda x: jvp(f, (x,), (1.0,))[1], jacfwd(f), jacrev(f)):
        assert derivative(2.0) == 3.0
    np.testing.assert_array_equal(vmap(grad(f))(X), [3.0] * 3)
    np.testing.assert_array_equal(grad(lambda x: np.sum(vmap(f)(x)))(X), [3.0] * 3)
    np.testing.assert_array_equal(grad(lambda x: np.sum(jit(vmap(f))(x)))(X), [3.0] * 3)
    twice = lambda x: scan(lambda c, _: (f(c), None), x, length=2)[0]  # noqa: E731
    np.testing.assert_array_equal(grad(lambda x: np.sum(vmap(twice)(x)))(X), [9.0] * 3)
    assert grad(lambda x: while_loop(lambda c: c < 9.0, lambda c: f(c) * 2.0, x))(1.0) == 6.0**4
    assert grad(lambda x: cond(True, f, lambda x: x, x))(1.0) == 3.0
    assert grad(checkpoint(lambda x: f(f(x))))(1.0) == 9.0
    assert grad(lambda x: f(x) * f(x))(2.0) == 12.0
    assert grad(lambda x: f(stop_gradient(x)) + x)(2.0) == 1.0


def test_a_softplus_that_does_not_overflow() -> None:
    @custom_jvp
    def softplus(x: Any) -> Any:
        return np.log1p(np.exp(x))

    @softplus.defjvp
    def softplus_jvp(primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        return softplus(x), dx / (1.0 + np.exp(-x))

    x = np.array([-50.0, 0.0, 700.0])
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(vmap(grad(softplus))(x), 1 / (1 + np.exp(-x)), rtol=1e-15)
    np.testing.assert_allclose(grad(grad(softplus))(0.0), 0.25)
    assert grad(softplus)(np.float32(2.0)).dtype == np.float32


def test_a_square_root_with_a_slope_at_zero() -> None:
    @custom_jvp
    def root(x: Any) -> Any:
        return np.sqrt(x)

    @root.defjvp
    def root_jvp(primals: Any, tangents: Any) -> Any:
        (x,), (dx,) = primals, tangents
        y = root(x)
        return y, np.where(x > 0, dx / np.where(x > 0, 2 * y, 1.0), 0.0)

    assert grad(root)(0.0) == 0.0
    assert grad(root)(4.0) == 0.25
    np.testing.assert_array_equal(grad(lambda x: np.sum(root(x)))(np.array([0.0, 4.0])), [0.0, 0.25])


def test_clipped_gradients() -> None:
    @partial(custom_vjp, nondiff_argnums=(0, 1))
    def clip_gradient(low: float, high: float, x: Any) -> Any:
        return x

    clip_gradient.defvjp(lambda low, high, x: (x, None), lambda low, high, kept, ct: (np.clip(ct, low, high),))
    f = lambda x: 5.0 * clip_gradient(-1.0, 2.0, x) ** 2  # noqa: E731
    assert grad(f)(3.0) == 2.0 and grad(f)(-3.0) == -1.0
    np.testing.assert_array_equal(vmap(grad(f))(np.array([3.0, -3.0, 0.05])), [2.0, -1.0, 0.5])
    np.testing.assert_array_equal(jit(grad(lambda x: np.sum(f(x))))(np.array([3.0, -3.0])), [2.0, -1.0])
    np.testing.assert_array_equal(jacobian(f)(np.array([3.0, -3.0])), np.diag([2.0, -1.0]) * 1.0)
    assert jacobian(f)(3.0) == 2.0
    for _ in range(40):  # also once the gradient is compiled
        assert grad(jit(f))(3.0) == 2.0
    assert grad(grad(grad(lambda x: 0.001 * f(x))))(1.0) == 0.0
    got = message(lambda: jvp(f, (3.0,), (1.0,)), MissingRuleError)
    assert got == (
        "custom_vjp(clip_gradient): forward mode needs a backward rule that is linear in the cotangent; got <lambda>, "
        "which is not. Use reverse mode, or write the rule for custom_jvp."
    )


def test_a_rule_that_adds_a_constant_is_not_linear() -> None:
    f = custom_vjp(lambda x: x * 2.0)
    f.defvjp(lambda x: (x * 2.0, None), lambda kept, ct: (ct * 2.0 + 1.0,))
    assert grad(f)(1.0) == 3.0
    assert "linear in the cotangent" in message(lambda: jvp(f, (1.0,), (1.0,)), MissingRuleError)


# -- when rules run ------------------------------------------------------------------------------------


def test_rules_run_only_for_derivatives_and_once() -> None:
    calls: list[str] = []

    @custom_vjp
    def f(x: Any) -> Any:
        calls.append("f")
        return np.sin(x)

    def fwd(x: Any) -> Any:
        calls.append("fwd")
        return np.sin(x), np.cos(x)

    def bwd(cosine: Any, ct: Any) -> Any:
        calls.append("bwd")
        return (ct * cosine,)

    f.defvjp(fwd, bwd)
    f(1.0), jit(f)(1.0), make_jaxpr(f)(1.0), vmap(f)(X)
    assert set(calls) == {"f"}
    calls.clear()
    _, pullback = vjp(f, 1.0)
    assert calls == ["f", "fwd"]  # traced, then run by its rule
    pullback(1.0), pullback(2.0)
    assert calls == ["f", "fwd", "bwd", "bwd"]


def test_one_equation_until_differentiated() -> None:
    f = by_vjp()
    jaxpr = make_jaxpr(f)(1.0, 2.0)
    assert [e.primitive.name for e in jaxpr.equations] == ["custom_vjp"]
    assert str(jaxpr) == str(parse_jaxpr(str(jaxpr)))
    assert "label='plain'" in str(jaxpr) and "rule='plain_bwd'" in str(jaxpr)
    assert [e.primitive.name for e in make_jaxpr(vmap(f))(X, X).equations] == ["custom_vjp"]
    assert "custom" not in str(make_jaxpr(grad(tripled("vjp")))(1.0))
    assert "custom" not in str(jit(lambda x, y: f(x, y) + 1.0).lower(1.0, 2.0).jaxpr)  # nothing left to differentiate
    assert [e.primitive.name for e in make_jaxpr(by_vmap())(1.0, 2.0).equations] == ["custom_vmap"]
    assert "custom_vmap" not in str(make_jaxpr(vmap(lambda x: by_vmap()(x, 2.0)))(X))


def test_a_parsed_rule_is_but_a_name() -> None:
    jaxpr = parse_jaxpr(str(make_jaxpr(by_jvp())(1.0, 2.0)))
    np.testing.assert_allclose(eval_jaxpr(jaxpr, np.float64(1.0), np.float64(2.0))[0], plain(1.0, 2.0))
    got = message(lambda: grad(lambda x: eval_jaxpr(jaxpr, x, 2.0)[0])(1.0), MissingRuleError)
    assert got.startswith("custom_jvp(plain): a rule is a Python function, which the text of a program does not hold;")


def test_lines_of_rules_are_told() -> None:
    sources = make_jaxpr(grad(by_vjp()))(1.0, 2.0).pretty(source=True)
    assert "plain_fwd)" in sources and "plain_bwd)" in sources and "(plain)" not in sources


def test_control_flow_on_values_in_function_and_rule() -> None:
    @custom_jvp
    def f(x: Any, n: int) -> Any:
        for _ in range(n):
            x = x * 2.0 if x > 0 else x * 3.0
        return x

    @f.defjvp
    def f_jvp(primals: Any, tangents: Any) -> Any:
        (x, n), (dx, _) = primals, tangents
        return f(x, n), dx * (10.0 if x > 0 else 20.0)

    assert f(1.0, 2) == 4.0
    for _ in range(40):
        assert grad(f)(1.0, 2) == 10.0 and grad(f)(-1.0, 2) == 20.0
    both = jit(f)
    assert [both(1.0, 2), both(-1.0, 2), both(1.0, 3)] == [4.0, -9.0, 8.0]
    slope = jit(grad(f))
    assert [slope(1.0, 2), slope(-1.0, 2), slope(1.0, 3)] == [10.0, 20.0, 10.0]
    nested = jit(lambda x: jit(f)(x, 2) + 1.0)
    assert [nested(1.0), nested(-1.0), nested(1.0)] == [5.0, -8.0, 5.0]
    assert [grad(nested)(-1.0), grad(nested)(1.0)] == [20.0, 10.0]
    with pytest.raises(TracerBoolConversionError, match=r"which vmap\(f\) knows by shape alone"):
        vmap(f, (0, None))(X, 1)


def test_gradients_are_never_those_of_an_earlier_rule() -> None:
    for i in range(60):
        scale = float(i)

        @custom_jvp
        def f(x: Any) -> Any:
            return x * 1.0

        @f.defjvp
        def f_jvp(primals: Any, tangents: Any, scale: float = scale) -> Any:
            return f(*primals), tangents[0] * scale

        assert grad(f)(2.0) == scale
        assert grad(lambda x: np.sum(f(x)))(X)[0] == scale


def test_rules_are_forgotten_with_their_functions() -> None:
    class Held:
        pass

    def use() -> weakref.ref[Held]:
        held = Held()
        f = custom_vjp(lambda x: x * 2.0)
        f.defvjp(lambda x: (x * 2.0, held), lambda kept, ct: (ct * 2.0,))
        grad(f)(1.0), jit(grad(f))(1.0), vmap(grad(f))(X), jvp(f, (1.0,), (1.0,))
        grad(lambda x: scan(lambda c, _: (f(c), None), x, length=2)[0])(1.0)
        return weakref.ref(held)

    reference = use()
    gc.collect()
    assert reference() is None


def test_sparsity_is_that_of_the_rule() -> None:
    f = custom_vjp(lambda x: x * 1.0)
    f.defvjp(lambda x: (x, None), lambda kept, ct: (np.cumsum(ct),))
    np.testing.assert_array_equal(sparsity_pattern(f)(X).toarray(), np.triu(np.ones((3, 3))))
    g = tripled("jvp")
    np.testing.assert_array_equal(sparsity_pattern(g)(X).toarray(), np.eye(3))


def test_series_are_those_of_the_rule() -> None:
    for way in WAYS:
        got = jet(lambda x, way=way: way()(x, 2.0), (0.7,), ([1.0, 0.0, 0.0],))
        expected = jet(lambda x: plain(x, 2.0), (0.7,), ([1.0, 0.0, 0.0],))
        np.testing.assert_allclose(tree_leaves(got), tree_leaves(expected), rtol=1e-12)
    assert jet(tripled("jvp"), (2.0,), ([1.0, 0.0],)) == (2.0, [3.0, 0.0])


def test_rules_that_close_over_traced_values_run_in_threads() -> None:
    def slope(s: float) -> float:
        return float(np.sum(vmap(grad(scaled_slope, 1))(np.full(3, s), X)))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(slope, map(float, range(40)))) == [3.0 * s for s in range(40)]


# -- what rules close over -----------------------------------------------------------------------------


def scaled_slope(s: Any, x: Any, kind: str = "jvp") -> Any:
    """2 x, whose slope in x is said to be s."""
    f: Any
    if kind == "jvp":
        f = custom_jvp(lambda x: x * 2.0)
        f.defjvp(lambda primals, tangents: (f(*primals), tangents[0] * s))
    else:
        f = custom_vjp(lambda x: x * 2.0)
        f.defvjp(lambda x: (f(x), {"s": s}), lambda kept, ct: (ct * kept["s"] * (s / s),))
    return f(x)


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_rules_may_close_over_traced_values(kind: str) -> None:
    f = partial(scaled_slope, kind=kind)
    slope = grad(f, 1)
    assert slope(5.0, 1.0) == 5.0
    assert grad(f, (0, 1))(5.0, 1.0) == (0.0, 5.0)
    assert jit(slope)(5.0, 1.0) == 5.0
    assert grad(jit(f), 1)(5.0, 1.0) == 5.0
    assert grad(lambda s: slope(s, 1.0) * s)(5.0) == 10.0
    assert jvp(lambda x: f(5.0, x), (1.0,), (1.0,)) == (2.0, 5.0)
    np.testing.assert_array_equal(vmap(slope)(X, X), X)
    np.testing.assert_array_equal(grad(lambda x: np.sum(vmap(f)(X, x)))(X), X)
    np.testing.assert_array_equal(grad(lambda x: np.sum(vmap(jit(f), (None, 0))(4.0, x)))(X), [4.0] * 3)
    assert grad(lambda x: scan(lambda c, s: (f(s, c), None), x, X)[0])(1.0) == pytest.approx(np.prod(X))


def test_a_derivative_in_what_is_closed_over_is_refused() -> None:
    def closing(s: Any) -> Any:
        f = custom_jvp(lambda x: x * s)
        f.defjvp(lambda primals, tangents: (f(*primals), tangents[0] * s))
        return f(3.0)

    assert message(lambda: grad(closing)(2.0), TypeError) == (
        "custom_jvp(<lambda>): what is differentiated must be an argument that its rule knows; got f64[] that it "
        "closes over or has in nondiff_argnums. Pass it as an argument, or wrap it in stop_gradient."
    )
    assert grad(lambda s: closing(stop_gradient(s)) + s)(2.0) == 1.0
    np.testing.assert_array_equal(vmap(closing)(X), 3.0 * X)


def test_arguments_that_are_not_differentiated() -> None:
    @partial(custom_jvp, nondiff_argnames="f")
    def apply(x: Any, f: Any = np.sin, scale: Any = 1.0) -> Any:
        return f(x) * scale

    @apply.defjvp
    def apply_jvp(f: Any, primals: Any, tangents: Any) -> Any:
        (x, scale), (dx, dscale) = primals, tangents
        return apply(x, f, scale), 10.0 * dx + 100.0 * dscale

    assert apply(0.5) == np.sin(0.5)
    assert grad(apply)(0.5) == 10.0
    assert grad(lambda x: apply(scale=x, x=x, f=np.cos))(0.5) == 110.0

    @partial(custom_vjp, nondiff_argnums=-1)
    def power(x: Any, n: Any) -> Any:
        return x**n

    power.defvjp(lambda x, n: (x**n, x), lambda n, x, ct: (ct * n * x ** (n - 1),))
    assert grad(power)(3.0, 2) == 6.0
    assert vmap(grad(power), (0, None))(X, 3) == pytest.approx(3 * X**2)
    # traced, but not differentiated: allowed, as long as nobody asks for that derivative
    n = np.array([2.0, 3.0, 1.5])
    np.testing.assert_allclose(vmap(grad(power))(X**2, n), n * (X**2) ** (n - 1))
    assert "has in nondiff_argnums" in message(lambda: grad(power, 1)(3.0, 2.0), TypeError)


def test_functions_without_a_signature() -> None:
    f = custom_jvp(np.sin)
    f.defjvp(lambda primals, tangents: (f(*primals), 2.0 * tangents[0]))
    assert f(1.0) == np.sin(1.0) and grad(f)(1.0) == 2.0
    assert message(lambda: grad(lambda x: f(1.0, dtype=x))(1.0), TypeError) == (
        "custom_jvp(sin): arguments by name need a signature, and sin has none; got dtype. Pass them by position."
    )


class Model:
    def __init__(self, scale: float) -> None:
        self.scale = scale

    @partial(custom_jvp, nondiff_argnums=0)
    def __call__(self, x: Any) -> Any:
        return self.scale * x

    @__call__.defjvp
    def slope(self, primals: Any, tangents: Any) -> Any:
        return self(*primals), 7.0 * self.scale * tangents[0]


def test_methods() -> None:
    assert grad(Model(2.0))(1.0) == 14.0


@custom_jvp
def at_the_top(x: Any) -> Any:
    """Say so."""
    return x


def test_names_docs_and_pickles() -> None:
    assert repr(at_the_top) == "custom_jvp(at_the_top)" and at_the_top.__doc__ == "Say so."
    assert pickle.loads(pickle.dumps(at_the_top)) is at_the_top
    assert repr(custom_vjp(plain)) == "custom_vjp(plain)" and custom_vmap(plain).__name__ == "plain"


# -- zeros, integers, complex numbers, trees -----------------------------------------------------------


def test_zeros_that_rules_are_given() -> None:
    seen: list[Any] = []
    f = custom_jvp(lambda x, n, y: x * n + y)

    def rule(primals: Any, tangents: Any) -> Any:
        seen.append(tangents)
        return f(*primals), tangents[0] * 2.0

    f.defjvp(rule)
    assert grad(f)(1.0, 3, X[0]) == 2.0
    _, dn, dy = seen.pop()
    assert dn.dtype == float0 and dy == 0.0
    f.defjvp(rule, symbolic_zeros=True)
    assert grad(f)(1.0, 3, X[0]) == 2.0
    _, dn, dy = seen.pop()
    assert repr(dn) == "SymbolicZero(float0[])" and repr(dy) == "SymbolicZero(f64[])"
    f.defjvp(lambda primals, tangents: (f(*primals), SymbolicZero((), "float64")))
    assert grad(f)(1.0, 3, 2.0) == 0.0


def test_symbolic_zeros_of_backward_rules() -> None:
    seen: list[Any] = []
    f = custom_vjp(lambda x, y: (x * y, x + y))

    def fwd(x: Any, y: Any) -> Any:
        assert type(x) is CustomVJPPrimal
        seen.append((x.perturbed, y.perturbed))
        return (x.value * y.value, x.value + y.value), None

    def bwd(kept: Any, cts: Any) -> Any:
        seen.append([type(ct) is SymbolicZero for ct in cts])
        return 2.0, SymbolicZero((), "float64")

    f.defvjp(fwd, bwd, symbolic_zeros=True)
    assert grad(lambda x: f(x, 3.0)[0])(1.0) == 2.0
    assert seen == [(True, False), [False, True]]


def test_integers_carry_no_derivative() -> None:
    f = custom_vjp(lambda x, i: (x[i], i * 2))
    f.defvjp(lambda x, i: ((x[i], i * 2), (x, i)), lambda kept, cts: (kept[0] * cts[0], kept[1]))
    value, _ = vjp(lambda x: f(x, np.array([0, 2])), X)
    np.testing.assert_array_equal(value[1], [0, 4])
    g = custom_vjp(lambda x, i: x[i])
    g.defvjp(lambda x, i: (x[i], (x, i)), lambda kept, ct: (np.where(np.arange(3) == kept[1], ct, 0.0), None))
    np.testing.assert_array_equal(grad(g)(X, 1), [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(vmap(grad(g), (None, 0))(X, np.arange(3)), np.eye(3))
    np.testing.assert_array_equal(jacfwd(lambda x: vmap(g, (None, 0))(x, np.arange(3)))(X), np.eye(3))


def test_complex_numbers() -> None:
    def square(z: Any) -> Any:
        return z * z

    f, g = custom_jvp(square), custom_vjp(square)
    f.defjvp(lambda p, t: (p[0] * p[0], 2.0 * p[0] * t[0]))
    g.defvjp(lambda z: (z * z, z), lambda z, ct: (2.0 * z * ct,))
    z = np.array([1.0 + 2.0j, -0.5j])
    for h in (f, g):
        real = lambda z, h=h: np.sum(np.abs(h(z)) ** 2)  # noqa: E731
        np.testing.assert_allclose(grad(real)(z), grad(partial(real, h=square))(z), rtol=1e-12)
        np.testing.assert_allclose(jvp(h, (z,), (z * 1j,))[1], jvp(square, (z,), (z * 1j,))[1], rtol=1e-12)
        assert grad(h, holomorphic=True)(3.0 + 1.0j) == 6.0 + 2.0j


def test_single_precision_stays() -> None:
    x = np.float32(0.3)
    for way in WAYS:
        f = way()
        for derivative in (grad(f), jit(grad(f)), lambda x, y, f=f: grad(lambda x: f(x, y))(x)):
            assert derivative(x, 2.0).dtype == np.float32, way
        assert jvp(f, (x, 2.0), (x, 1.0))[1].dtype == np.float32
        assert grad(f, 1)(x, 2.0).dtype == np.float64
        assert vmap(grad(f), (0, None))(X.astype(np.float32), 2.0).dtype == np.float32


def test_trees_and_none() -> None:
    f = custom_vjp(lambda p, q: {"a": p["w"] * q[0], "none": None, "b": [p["b"]]})

    def bwd(kept: Any, cts: Any) -> Any:
        _, q = kept
        return {"w": cts["a"] * q[0], "b": cts["b"][0], "unused": None}, None

    f.defvjp(lambda p, q: ({"a": p["w"] * q[0], "none": None, "b": [p["b"]]}, (p, q)), bwd)
    p = {"w": 2.0, "b": 3.0, "unused": (1.0, 2.0)}
    g = grad(lambda p, q: f(p, q)["a"] + f(p, q)["b"][0], (0, 1))(p, (5.0, None))
    assert g == ({"w": 5.0, "b": 1.0, "unused": (0.0, 0.0)}, (0.0, None))


def test_arguments_of_rules_must_not_be_written() -> None:
    f = custom_jvp(lambda x: x * 1.0)

    def rule(primals: Any, tangents: Any) -> Any:
        primals[0][0] = 7.0
        return primals[0], tangents[0]

    f.defjvp(rule)
    x = X.copy()
    with pytest.raises(ValueError, match="read-only"):
        jvp(f, (x,), (x,))
    np.testing.assert_array_equal(x, X)


# -- custom_vmap ---------------------------------------------------------------------------------------


def test_batches_are_those_of_the_rule() -> None:
    seen: list[Any] = []

    @custom_vmap
    def f(x: Any, tree: Any) -> Any:
        return np.sum(x * tree["y"]), tree["y"]

    @f.def_vmap
    def rule(size: int, batched: Any, x: Any, tree: Any) -> Any:
        seen.append((size, batched))
        total = np.sum(x * tree["y"], axis=-1) * 10.0
        return (total, tree["y"]), (True, batched[1]["y"])

    rows = np.arange(6.0).reshape(2, 3)
    total, y = vmap(f, in_axes=(0, None))(rows, {"y": X})
    np.testing.assert_allclose(total, 10.0 * rows @ X)
    np.testing.assert_array_equal(y, np.stack([X, X]))
    assert seen == [(2, [True, {"y": False}])]
    total, _ = vmap(vmap(f, in_axes=(0, None)), in_axes=(None, 0))(rows, {"y": rows})
    assert total.shape == (2, 2) and seen[1:] == [(2, [True, {"y": False}])]
    got = grad(lambda rows: np.sum(vmap(f, (0, None))(rows, {"y": X})[0]))(rows)
    np.testing.assert_allclose(got, 10.0 * np.stack([X, X]))  # vmap first: the rule's derivative
    np.testing.assert_allclose(vmap(grad(lambda r: f(r, {"y": X})[0]))(rows), np.stack([X, X]))  # that of f
    np.testing.assert_allclose(jit(vmap(f, (0, None)))(rows, {"y": X})[0], 10.0 * rows @ X)
    np.testing.assert_allclose(vmap(jit(f), (0, None))(rows, {"y": X})[0], 10.0 * rows @ X)
    once = lambda r: scan(lambda c, _: (f(c, {"y": X})[0] * c, None), r, length=1)[0]  # noqa: E731
    np.testing.assert_allclose(vmap(once)(rows), 10.0 * (rows @ X)[:, None] * rows)


def test_a_batching_rule_may_close_over_traced_values() -> None:
    def outer(s: Any, x: Any) -> Any:
        f = custom_vmap(lambda x: x + 0.0)
        f.def_vmap(lambda size, batched, x: (x * s, True))
        return f(x)

    assert jit(vmap(outer, (None, 0)))(2.0, X) == pytest.approx(2.0 * X)
    assert vmap(jit(outer), (None, 0))(2.0, X) == pytest.approx(2.0 * X)


# -- linear_call, closure_convert ----------------------------------------------------------------------


def test_linear_call() -> None:
    log: list[str] = []

    def cumulated(k: Any, x: Any) -> Any:
        return {"y": np.cumsum(x["x"]) * k}

    def transposed(k: Any, ct: Any) -> Any:
        log.append("transposed")
        return {"x": np.cumsum((ct["y"] * k)[::-1])[::-1]}

    def f(k: Any, x: Any) -> Any:
        return linear_call(cumulated, transposed, k, {"x": x})["y"]

    def without(k: Any, x: Any) -> Any:
        return np.cumsum(x) * k

    np.testing.assert_array_equal(f(2.0, X), without(2.0, X))
    assert not log
    (back,) = linear_transpose(partial(f, 2.0), X)(X)
    np.testing.assert_allclose(back, linear_transpose(partial(without, 2.0), X)(X)[0])
    assert log == ["transposed"]
    for use in (
        lambda h: jvp(h, (2.0, X), (3.0, X)),
        lambda h: grad(lambda k, x: np.sum(h(k, x) ** 2), (0, 1))(2.0, X),
        lambda h: hessian(lambda k, x: np.sum(h(k, x) ** 2), (0, 1))(2.0, X),
        lambda h: vmap(grad(lambda k, x: np.sum(h(k, x) ** 2), (0, 1)))(X, np.stack([X, X, X])),
        lambda h: vmap(grad(lambda k, x: np.sum(h(k, x) ** 2), (0, 1)), (None, 0))(2.0, np.stack([X, X, X])),
        lambda h: grad(lambda k, x: np.sum(vmap(h, (0, None))(k, x) ** 2), (0, 1))(X, X),
        lambda h: jit(grad(lambda x: np.sum(h(2.0, x) ** 2)))(X),
        lambda h: grad(lambda x: np.sum(scan(lambda c, _: (h(0.5, c), None), x, length=3)[0]))(X),
    ):
        got, expected = tree_leaves(use(f)), tree_leaves(use(without))
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    text = str(make_jaxpr(partial(f, 2.0))(X))
    assert "linear_call[" in text and "rule='transposed'" in text


def test_the_transpose_is_the_users() -> None:
    f = lambda x: linear_call(lambda _, x: 2.0 * x, lambda _, ct: 100.0 * ct, None, x)  # noqa: E731
    assert grad(lambda x: f(x) * 1.0 if x.ndim else f(np.reshape(x, (1,)))[0])(X[0]) == 2.0  # forward mode needs none
    np.testing.assert_array_equal(grad(lambda x: np.sum(f(x)))(X), [100.0] * 3)
    g = custom_jvp(lambda x: x * x)
    g.defjvp(lambda p, t: (p[0] * p[0], linear_call(lambda x, t: 2.0 * x * t, lambda x, ct: 100.0 * ct, p[0], t[0])))
    np.testing.assert_array_equal(grad(lambda x: np.sum(g(x)))(X), [100.0] * 3)


def test_closure_convert() -> None:
    @partial(custom_vjp, nondiff_argnums=(0,))
    def cubed(f: Any, x: Any, *aux: Any) -> Any:
        return f(x, *aux) ** 3

    def bwd(f: Any, kept: Any, ct: Any) -> Any:
        x, aux = kept
        y, pullback = vjp(f, x, *aux)
        return pullback(ct * 3.0 * y**2)

    cubed.defvjp(lambda f, x, *aux: (f(x, *aux) ** 3, (x, aux)), bwd)

    def use(a: Any, b: Any) -> Any:
        converted, aux = closure_convert(lambda x: x * a + b["b"], 1.0)
        assert len(aux) == 2
        return cubed(converted, 2.0, *aux)

    assert grad(use, (0, 1))(3.0, {"b": 1.0}) == (294.0, {"b": 147.0})
    assert jit(use)(3.0, {"b": 1.0}) == 7.0**3
    converted, aux = closure_convert(lambda x: {"y": x + X}, X)
    assert aux == []
    np.testing.assert_array_equal(converted(X)["y"], 2 * X)
    assert message(lambda: converted(X[:2]), TypeError) == (
        "closure_convert(<lambda>): the argument must have one shape and dtype; got f64[3] in the examples and f64[2] "
        "in the call at argument[0]. Pass arguments like the examples."
    )


# -- wrong rules ---------------------------------------------------------------------------------------


def with_jvp(rule: Any, fun: Any = lambda x: (x, x * 2.0)) -> Any:
    f = custom_jvp(fun)
    f.defjvp(rule)
    return lambda: jvp(f, (X,), (X,))


def named(function: Any, name: str = "rule") -> Any:
    function.__name__ = name
    return function


def test_wrong_jvp_rules() -> None:
    assert message(with_jvp(named(lambda p, t: p[0])), TypeError) == (
        "custom_jvp(<lambda>): the rule rule must return a pair (output, tangent); got ndarray. Return both."
    )
    assert message(with_jvp(named(lambda p, t: (p[0], t[0]))), TypeError) == (
        "custom_jvp(<lambda>): the output must have one structure; got PyTreeDef((*, *)) from <lambda> and "
        "PyTreeDef(*) from the rule rule. Return the same structure."
    )
    assert message(with_jvp(named(lambda p, t: ((p[0], p[0]), (t[0], t[0][:2])))), TypeError) == (
        "custom_jvp(<lambda>): the tangent must have one shape and dtype; got f64[3] for the output and f64[2] from "
        "the rule rule at tangent[1]. Return one shape."
    )
    assert message(with_jvp(named(lambda p, t: ((p[0], p[0].astype("f4")), (t[0], t[0])))), TypeError) == (
        "custom_jvp(<lambda>): the output must have one shape and dtype; got f64[3] from <lambda> and f32[3] from the "
        "rule rule at output[1]. Convert it with astype('float64')."
    )
    assert message(with_jvp(named(lambda p, t: (p[0], "text")), fun=lambda x: x), TypeError) == (
        "custom_jvp(<lambda>): the tangent must hold arrays and numbers; got str from the rule rule. Return arrays."
    )
    f = custom_jvp(lambda x: np.sum(x))
    f.defjvp(named(lambda p, t: (np.sum(t[0]), np.sum(t[0]))))
    assert message(lambda: grad(f)(X), TypeError) == (
        "custom_jvp(<lambda>): the output of the rule rule must not depend on tangents; got one that does. Compute it "
        "from the primals."
    )
    f.defjvp(named(lambda p, t: (np.sum(p[0]), np.sum(np.exp(t[0])))))
    assert message(lambda: grad(f)(X), MissingRuleError) == (
        "custom_jvp: reverse mode needs a rule that is linear in the tangents; got rule, which is not. Use forward "
        "mode, or write the rule for custom_vjp."
    )


def test_missing_and_misplaced_rules() -> None:
    assert message(lambda: custom_jvp(plain)(1.0, 2.0), MissingRuleError) == (
        "custom_jvp(plain): a rule must be set before the call; got none. Write @plain.defjvp over it."
    )
    assert message(lambda: custom_vjp(plain)(1.0, 2.0), MissingRuleError) == (
        "custom_vjp(plain): rules must be set before the call; got none. Write plain.defvjp(fwd, bwd)."
    )
    assert message(lambda: custom_vmap(plain)(1.0, 2.0), MissingRuleError) == (
        "custom_vmap(plain): a rule must be set before the call; got none. Write @plain.def_vmap over it."
    )
    assert message(lambda: custom_jvp(plain).defjvp(3), TypeError) == (
        "custom_jvp(plain): defjvp takes the rule, a function; got int. Write f.defjvp(f_jvp)."
    )
    assert message(lambda: custom_jvp(plain).defjvps(3), TypeError) == (
        "custom_jvp(plain): defjvps takes functions and None; got int. Write f.defjvps(jvp_of_x, None)."
    )
    assert message(lambda: custom_jvp(plain, nondiff_argnums=0).defjvps(None), TypeError) == (
        "custom_jvp(plain): defjvps takes no nondiff_argnums; got (0,). Use defjvp."
    )
    assert message(lambda: custom_vjp(plain).defvjp(plain, None), TypeError) == (
        "custom_vjp(plain): defvjp takes two rules, functions; got NoneType as the backward one. Write "
        "f.defvjp(f_fwd, f_bwd)."
    )
    assert message(lambda: custom_vmap(plain).def_vmap(0), TypeError) == (
        "custom_vmap(plain): def_vmap takes the rule, a function; got int. Write f.def_vmap(f_batched)."
    )
    assert message(lambda: custom_vjp(3), TypeError).startswith("custom_vjp: the first argument must be a function;")
    assert message(lambda: custom_jvp(plain, nondiff_argnums=2), ValueError) == (
        "custom_jvp(plain): nondiff_argnums must name parameters; got 2 for a function of (x, y). Count from 0."
    )
    assert message(lambda: custom_jvp(plain, nondiff_argnums="x"), TypeError) == (
        "custom_jvp(plain): nondiff_argnums must be an integer or a tuple of integers; got 'x'. Use nondiff_argnames "
        "for names."
    )
    assert message(lambda: custom_jvp(plain, nondiff_argnames="z"), ValueError) == (
        "custom_jvp(plain): nondiff_argnames must name parameters; got 'z' for a function of (x, y). Correct the name."
    )
    f = custom_jvp(plain)
    f.defjvps(None)
    assert message(lambda: grad(f)(1.0, 2.0), TypeError) == (
        "custom_jvp(plain): defjvps must have a rule for each argument; got 1 for 2 arguments. Give None for an "
        "argument whose derivative is zero."
    )
    assert message(lambda: grad(lambda x: by_jvp()(x, "text"))(1.0), TypeError) == (
        "custom_jvp(plain): arguments must be arrays and numbers, or trees of them; got str at argument[1]. Name it in "
        "nondiff_argnums, or close over it."
    )
    g = custom_jvp(lambda x, *, n: x * n)
    g.defjvp(lambda p, t: (p, t))
    assert message(lambda: grad(lambda x: g(x, n=2))(1.0), TypeError) == (
        "custom_jvp(<lambda>): every argument must have a position, for its rule; got the keyword-only n. Drop the "
        "star from the signature."
    )


def with_vjp(fwd: Any, bwd: Any) -> Any:
    f = custom_vjp(plain)
    f.defvjp(named(fwd, "fwd"), named(bwd, "bwd"))
    return lambda: grad(lambda x, y: np.sum(f(x, y)), (0, 1))(X, X)


def test_backward_rules_of_the_wrong_structure() -> None:
    fwd = lambda x, y: (plain(x, y), None)  # noqa: E731
    assert message(with_vjp(lambda x, y: plain(x, y), lambda _, ct: ct), TypeError) == (
        "custom_vjp(plain): the forward rule fwd must return a pair (output, residuals); got ndarray. Return (output, "
        "None) if nothing is to be kept."
    )
    assert message(with_vjp(lambda x, y: (x[0], None), lambda _, ct: ct), TypeError) == (
        "custom_vjp(plain): the output must have one shape and dtype; got f64[3] from plain and f64[] from the forward "
        "rule fwd at output. Return one shape."
    )
    assert message(with_vjp(fwd, lambda _, ct: ct), TypeError) == (
        "custom_vjp(plain): the backward rule bwd must return a tuple of 2, a cotangent for each argument; got "
        "ndarray. Return None where it is zero."
    )
    assert message(with_vjp(fwd, lambda _, ct: (ct, ct, ct)), TypeError) == (
        "custom_vjp(plain): the backward rule bwd must return a tuple of 2, a cotangent for each argument; got 3. "
        "Return None where it is zero."
    )
    assert message(with_vjp(fwd, lambda _, ct: (ct, {"y": ct})), TypeError) == (
        "custom_vjp(plain): the cotangent[1] must have one structure; got PyTreeDef(*) for the argument and "
        "PyTreeDef({'y': *}) from the backward rule bwd. Return the same structure."
    )
    assert message(with_vjp(fwd, lambda _, ct: (ct, ct[:1])), TypeError) == (
        "custom_vjp(plain): the cotangent[1] must have one shape and dtype; got f64[3] for the argument and f64[1] "
        "from the backward rule bwd at cotangent[1]. Return one shape."
    )


def test_wrong_batching_rules() -> None:
    def batch(rule: Any) -> Any:
        f = custom_vmap(lambda x: x * 1.0)
        f.def_vmap(named(rule))
        return lambda: vmap(f)(X)

    assert message(batch(lambda n, b, x: x), TypeError) == (
        "custom_vmap(<lambda>): the rule rule must return a pair (output, out_batched); got ndarray. Tell for each "
        "output whether it carries the batch."
    )
    assert message(batch(lambda n, b, x: (x, [True])), TypeError) == (
        "custom_vmap(<lambda>): out_batched must tell True or False for each output; got [True] from the rule rule. "
        "Return one truth for all, or a tree of them like the output, PyTreeDef(*)."
    )
    assert message(batch(lambda n, b, x: (x[0], True)), TypeError) == (
        "custom_vmap(<lambda>): the output must have one shape and dtype; got f64[3] as told of <lambda> and f64[] "
        "from the rule rule at output. Return one shape."
    )

    def closing(s: Any) -> Any:
        f = custom_vmap(lambda x: x * s)
        f.def_vmap(lambda n, b, x: (x, True))
        return f(2.0)

    assert message(lambda: vmap(closing)(X), TypeError) == (
        "custom_vmap(<lambda>): what is mapped must be an argument that its rule knows; got f64[] that it closes over "
        "or has in nondiff_argnums. Pass it as an argument."
    )


def test_wrong_linear_calls() -> None:
    def call(fun: Any, back: Any, x: Any = X) -> Any:
        return lambda: grad(lambda s: np.sum(linear_call(fun, named(back), None, x * s)))(X)

    assert message(lambda: jit(lambda n: linear_call(lambda _, n: n, lambda _, ct: ct, None, n))(3), TypeError) == (
        "linear_call(<lambda>): linear arguments must be of floating-point or complex dtype; got i64[]. Pass others "
        "among residual_args, or convert them with astype."
    )
    assert message(call(lambda _, x: x, lambda _, ct: ct[:1]), TypeError) == (
        "linear_call(<lambda>): the cotangent must have one shape and dtype; got f64[3] for the linear arguments and "
        "f64[1] from the transpose rule at cotangent. Return one shape."
    )
    assert message(lambda: linear_call(3, plain, None, X), TypeError) == (
        "linear_call: fun must be a function; got int. Write linear_call(f, f_transposed, residuals, x)."
    )


LOOPS_IN_RULES = {
    "while": lambda x: while_loop(lambda v: v < 10, lambda v: v * x, 1.5),
    "scan": lambda x: scan(lambda c, _: (np.sin(c) * x, None), x, None, length=5)[0],
    "cond": lambda x: cond(x > 1, lambda x: x**3, lambda x: x, x),
    "checkpoint": lambda x: checkpoint(lambda x: np.sin(np.sin(x)))(x),
}


@pytest.mark.parametrize("name", LOOPS_IN_RULES)
@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
def test_a_rule_may_be_the_jvp_of_a_loop(name, apart):
    f = LOOPS_IN_RULES[name]
    ruled = custom_jvp(f)
    ruled.defjvp(lambda p, t: (f(*p), jvp(f, p, t)[1]) if apart else jvp(f, p, t))
    for word in (
        lambda g: vjp(g, 2.0)[1](1.0)[0],
        lambda g: jacfwd(jacrev(g))(2.0),
        lambda g: jacrev(jacrev(g))(2.0),
        lambda g: jit(vmap(jacrev(g)))(np.array([2.0, 3.0])),
    ):
        np.testing.assert_allclose(word(ruled), word(f), rtol=1e-13)
