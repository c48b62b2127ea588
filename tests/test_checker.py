"""The checks are checked: a wrong rule of each kind is caught by its law, and a right one passes all."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import autotrace
from autotrace import Equation, Jaxpr, Literal, Primitive, ShapedArray, Var, bind, check_jaxpr, make_jaxpr
from autotrace.errors import JaxprTypeError, MissingRuleError
from autotrace.primitives.families import LinearMap, Unary
from autotrace.primitives.promotion import apply_elementwise
from autotrace.test_util import check_grads, check_jvp, check_vjp
from autotrace.tracing import Tracer
from autotrace.transforms.linear import local_pullback
from tests import laws
from tests.catalogue import Case, normal

F64 = ShapedArray((), np.dtype(np.float64))


def case(function: Callable[..., Any], *args: Any) -> laws.Problem:
    return laws.Problem(Case("planted", function, args or (normal(3),)))


def broken(problem: laws.Problem) -> set[str]:
    """The laws that the function breaks."""
    found = set()
    for name, law in laws.LAWS.items():
        try:
            law(problem)
        except (AssertionError, TypeError, ValueError, autotrace.errors.AutotraceError):
            found.add(name)
    return found


# -- an elementwise primitive, right and wrong -------------------------------------------------------


class Wave(Unary, family=True):
    """sin x, with its rules written out, for others to spoil."""

    ufunc = np.sin

    def impl(self, x: Any) -> Any:
        return np.sin(x)

    def scale_x(self, t: Any, x: Any, y: Any) -> Any:
        return t * np.cos(x)


class RightWave(Wave):
    pass


class WrongDerivative(Wave):
    def scale_x(self, t: Any, x: Any, y: Any) -> Any:
        return t * np.cos(x) * 1.001


class WrongPullback(Wave):
    def vjp(self, ct: Any, output: Any, inputs: Any, wanted: Any) -> Any:
        return (-ct * np.cos(inputs[0]),)


class WrongSecondDerivative(Wave):
    def scale_x(self, t: Any, x: Any, y: Any) -> Any:
        return t * np.cos(autotrace.stop_gradient(x))


class WrongDtype(Wave):
    def scale_x(self, t: Any, x: Any, y: Any) -> Any:
        return t * np.cos(x) * np.float64(1.0)


class WrongValue(Wave):
    def impl(self, x: Any) -> Any:
        return np.sin(x) + 1e-9


class WrongBatch(Wave):
    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Any:
        return super().batch(size, [inputs[0][::-1]], batched)


class WrongAbstract(Wave):
    def abstract(self, *avals: ShapedArray) -> ShapedArray:
        return ShapedArray((*avals[0].shape, 1), avals[0].dtype)


class WrongAbstractDtype(Wave):
    def abstract(self, *avals: ShapedArray) -> ShapedArray:
        return avals[0].update(dtype=np.dtype(np.float32))


class Muffled(Wave):
    """Hides the warning that NumPy gives at infinity."""

    def impl(self, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return np.sin(x)


def as_sine(primitive: Any) -> Callable[[Any], Any]:
    """NumPy's sine, but the given primitive where a traced value comes."""
    return lambda x: apply_elementwise(primitive, (x,)) if isinstance(x, Tracer) else np.sin(x)


def test_a_right_rule_passes_every_law() -> None:
    assert broken(case(as_sine(RightWave()))) == set()


@pytest.mark.parametrize(
    ("primitive", "law"),
    [
        (WrongDerivative(), "numeric"),
        (WrongPullback(), "transpose"),
        (WrongPullback(), "linearize"),
        (WrongSecondDerivative(), "second_order"),
        (WrongDtype(), "float32"),
        (WrongValue(), "value"),
        (WrongBatch(), "vmap"),
        (WrongAbstract(), "check"),
        (WrongAbstractDtype(), "check"),
    ],
)
def test_a_wrong_rule_breaks_its_law(primitive: Primitive, law: str) -> None:
    assert law in broken(case(as_sine(primitive)))


def test_a_hidden_warning_is_missed() -> None:
    point = np.array([np.inf, 1.0])
    assert "warnings" not in broken(case(as_sine(RightWave()), point))
    assert "warnings" in broken(case(as_sine(Muffled()), point))


# -- a linear primitive ------------------------------------------------------------------------------


class Weighted(LinearMap, family=True):
    """w * x with fixed weights, without symmetry between ends."""

    def impl(self, x: Any) -> Any:
        return np.cumsum(x)

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x

    def transpose(self, ct: Any, inputs: Any) -> Any:
        return (np.cumsum(ct[::-1])[::-1],)

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Any:
        return np.cumsum(inputs[0], axis=1)


class RightWeighted(Weighted):
    pass


class WrongTranspose(Weighted):
    def transpose(self, ct: Any, inputs: Any) -> Any:
        return (np.cumsum(ct),)


class MissingCotangent(Weighted):
    def transpose(self, ct: Any, inputs: Any) -> Any:
        return (None,)


def as_cumsum(primitive: Primitive) -> Callable[[Any], Any]:
    return lambda x: bind(primitive, x) if isinstance(x, Tracer) else np.cumsum(x)


def test_transposes() -> None:
    assert broken(case(as_cumsum(RightWeighted()))) == set()
    assert "transpose" in broken(case(as_cumsum(WrongTranspose())))
    assert "transpose" in broken(case(as_cumsum(MissingCotangent())))


# -- a wrong transform -------------------------------------------------------------------------------


def careless_vjp(fun: Callable[..., Any], *primals: Any) -> Any:
    """Reverse mode that overwrites the cotangent of a value used twice."""
    jaxpr = make_jaxpr(fun)(*primals)
    values: dict[Any, Any] = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip(jaxpr.in_vars, primals, strict=True))
    for equation in jaxpr.equations:
        values[equation.outputs[0]] = equation.primitive.impl(*[_read(values, v) for v in equation.inputs])

    def pullback(cts: Any) -> Any:
        total = dict(zip(jaxpr.outputs, cts, strict=True))
        for primitive, inputs, outputs, _ in reversed(jaxpr.equations):
            wanted = [type(v) is Var for v in inputs]
            found = local_pullback(
                primitive, total[outputs[0]], values[outputs[0]], [_read(values, v) for v in inputs], wanted
            )
            total.update({v: ct for v, ct, want in zip(inputs, found, wanted, strict=True) if want})
        return tuple(total[v] for v in jaxpr.in_vars)

    return [values[v] for v in jaxpr.outputs], pullback


def _read(values: dict[Any, Any], atom: Any) -> Any:
    return atom.value if type(atom) is Literal else values[atom]


def test_cotangents_that_are_not_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laws, "vjp", careless_vjp)
    laws.transpose(case(lambda x: np.sin(np.exp(x))))
    with pytest.raises(AssertionError, match="<u, J v>"):
        laws.transpose(case(lambda x: np.sin(x) * np.exp(x)))


def test_tangents_that_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    true_jvp = laws.jvp

    def careless_jvp(fun: Any, primals: Any, tangents: Any) -> Any:
        return true_jvp(fun, primals, (tangents[0], *[np.zeros_like(t) for t in tangents[1:]]))

    monkeypatch.setattr(laws, "jvp", careless_jvp)
    with pytest.raises(AssertionError, match="jvp"):
        laws.numeric(case(lambda x, y: x * y, normal(3), normal(3)))


def test_nan_is_not_zero() -> None:
    with pytest.raises(AssertionError):
        laws.assert_near(np.array([np.nan]), np.array([0.0]), "it", 1e-3)
    with pytest.raises(AssertionError):
        laws.assert_near(np.array([0.0]), np.array([np.nan]), "it", 1e-3)
    laws.assert_near(np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), "it", 1e-3)


# -- definitions that are refused --------------------------------------------------------------------


def test_a_missing_rule_is_refused_where_it_is_defined() -> None:
    with pytest.raises(
        MissingRuleError,
        match=r"a primitive must define its rules; Half lacks jvp, batch. Define them in the class",
    ):

        class Half(Primitive):
            def impl(self, x: Any) -> Any:
                return x / 2

            def abstract(self, x: ShapedArray) -> ShapedArray:
                return x


def test_a_linear_map_needs_its_transpose() -> None:
    with pytest.raises(MissingRuleError, match=r"HalfMap lacks transpose. Define it in the class"):

        class HalfMap(LinearMap):
            def impl(self, x: Any) -> Any:
                return x / 2

            def abstract(self, x: ShapedArray) -> ShapedArray:
                return x

            def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Any:
                return bind(self, *inputs)


def test_a_unary_needs_its_derivative() -> None:
    with pytest.raises(MissingRuleError, match="Flat lacks scale_x"):

        class Flat(Unary):
            ufunc = np.sin
            impl = np.sin


def test_a_name_is_used_once() -> None:
    with pytest.raises(
        MissingRuleError, match=r"a name must be used once; 'sin' is autotrace.primitives.trigonometric.Sin"
    ):

        class Sine(Wave, name="sin"):
            pass


# -- programs that are refused -----------------------------------------------------------------------


def program() -> Jaxpr:
    return make_jaxpr(lambda x: np.sin(x) * 2.0)(1.0)


def test_a_value_read_before_it_is_bound() -> None:
    jaxpr = program()
    with pytest.raises(JaxprTypeError, match=r"a variable must be bound before its use; mul at .* reads"):
        check_jaxpr(jaxpr.replace(equations=jaxpr.equations[::-1]))


def test_a_value_bound_twice() -> None:
    jaxpr = program()
    with pytest.raises(JaxprTypeError, match="a variable must be bound once; sin"):
        check_jaxpr(jaxpr.replace(equations=(*jaxpr.equations, jaxpr.equations[0])))


def test_an_output_that_is_not_bound() -> None:
    with pytest.raises(JaxprTypeError, match="an output reads"):
        check_jaxpr(program().replace(outputs=(Var(F64),)))


def test_an_output_of_another_type() -> None:
    jaxpr = program()
    sine, times = jaxpr.equations
    wrong = Var(ShapedArray((3,), np.dtype(np.float64)))
    with pytest.raises(JaxprTypeError, match=r"mul at .* must be f64\[\]; the program says f64\[3\]"):
        check_jaxpr(
            jaxpr.replace(
                equations=(sine, Equation(times.primitive, times.inputs, (wrong,), times.source)),
                outputs=(wrong,),
            )
        )


def test_too_many_outputs() -> None:
    jaxpr = program()
    sine, times = jaxpr.equations
    with pytest.raises(JaxprTypeError, match="must give 1 outputs; got 2"):
        check_jaxpr(jaxpr.replace(equations=(sine, times._replace(outputs=(*times.outputs, Var(F64))))))


def test_a_constant_of_another_type() -> None:
    jaxpr = make_jaxpr(lambda x: x * np.arange(3.0))(1.0)
    with pytest.raises(JaxprTypeError, match="a constant must be"):
        check_jaxpr(Jaxpr(jaxpr.in_vars, jaxpr.equations, jaxpr.outputs, jaxpr.const_vars, (np.arange(4.0),)))


# -- the checks offered to users ----------------------------------------------------------------------


def test_check_grads_accepts_what_is_right() -> None:
    check_grads(lambda x, y: {"a": np.sin(x) * y, "b": x @ x}, (normal(3), 0.5), order=3)
    check_grads(lambda x, n: x**3 * n, (normal(3), 2), order=2)
    check_grads(lambda z: np.exp(z) * np.conj(z), (normal(2) + 1j * normal(2),), order=2)
    check_grads(np.sin, (normal(3).astype(np.float32),), order=1)
    check_grads(lambda tree: tree["w"] * tree["b"] ** 2, ({"w": normal(2), "b": 1.5},), order=2, modes=["rev"])


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_check_grads_refuses_what_is_wrong(mode: str) -> None:
    with pytest.raises(AssertionError, match=rf"^{mode}: "):
        check_grads(as_sine(WrongDerivative()), (normal(3),), order=1, modes=[mode])


def test_check_grads_refuses_a_wrong_pullback() -> None:
    function = as_sine(WrongPullback())
    check_grads(function, (normal(3),), order=1, modes=["fwd"])
    with pytest.raises(AssertionError, match=r"^rev: <J\^T u, v>"):
        check_grads(function, (normal(3),), order=1, modes=["rev"])


def test_check_grads_refuses_a_wrong_second_derivative() -> None:
    function = as_sine(WrongSecondDerivative())
    check_grads(function, (normal(3),), order=1)
    with pytest.raises(AssertionError, match=r"^(fwd|rev) of (fwd|rev): "):
        check_grads(function, (normal(3),), order=2)


def test_check_grads_refuses_unknown_modes() -> None:
    with pytest.raises(
        ValueError,
        match=r"check_grads: order must be at least 1 and modes some of .*; got 1 and \['forward'\]",
    ):
        check_grads(np.sin, (1.0,), order=1, modes=["forward"])
    with pytest.raises(ValueError, match="check_grads"):
        check_grads(np.sin, (1.0,), order=0)


def test_check_jvp_and_check_vjp_refuse_what_is_wrong() -> None:
    with pytest.raises(AssertionError, match="mine: value"):
        check_jvp(np.sin, lambda x, dx: (np.sin(x[0]) + 1, np.cos(x[0]) * dx[0]), (0.5,), err_msg="mine")
    with pytest.raises(AssertionError, match="jvp: tangent"):
        check_jvp(np.sin, lambda x, dx: (np.sin(x[0]), dx[0]), (0.5,))
    with pytest.raises(AssertionError, match="vjp: <J"):
        check_vjp(np.sin, lambda x: (np.sin(x), lambda ct: (ct,)), (0.5,))
    with pytest.raises(AssertionError, match="arrays expected"):
        check_jvp(np.sin, lambda x, dx: ((np.sin(x[0]), 1.0), np.cos(x[0]) * dx[0]), (0.5,))
