"""odeint: ordinary differential equations, and two ways to differentiate their solutions.

A solution is one equation of a program. Its derivative is that of the solver's steps (``integrator.py``); or reverse
mode solves the adjoint equation, backwards in time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np

from ..compile.program import Program
from ..control.call import Call
from ..control.custom_jvp import custom_jvp
from ..control.flow import as_array, leaves_and_tree, scan
from ..control.linear_call import linear_call
from ..control.loops import batched_avals
from ..control.matching import check_same
from ..control.programs import Body, batched_program, close, derive, remembered, tangent_of, trace_body
from ..control.rules import SymbolicZero
from ..ir import Jaxpr, Linearized, Primitive, Run, ShapedArray, Slot, here
from ..tracing import Tracer, bind, evaluate
from ..transforms.arguments import function_name, owned
from ..transforms.forward import push_forward
from ..transforms.gradient import vjp
from ..transforms.linear import linearize_jaxpr
from ..transforms.tangent import jvp
from ..transforms.taylor import push_series
from ..transforms.wrapper import check_callable
from ..tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from .dormand_prince import State, real_dtype
from .integrator import Problem, check_order, solve

__all__ = ["MappedOdeint", "Odeint", "odeint"]

Array = Any
_GRADIENTS = ("direct", "adjoint")
_STEPS = 100_000


# -- equations -------------------------------------------------------------------------------------


class Solution(Primitive, family=True):
    """The states at all times, of two programs: a plain one, and one with the same result that is differentiated.

    Operands are the leaves of the first state, the times, then the parameters.
    """

    multiple: ClassVar[bool] = True

    def plain(self, *avals: ShapedArray) -> Jaxpr:
        """Return the program that runs."""
        raise NotImplementedError

    def smooth(self, *avals: ShapedArray) -> Jaxpr:
        """Return the program that is differentiated."""
        raise NotImplementedError

    @remembered
    def program(self, *avals: ShapedArray) -> Program:
        """Return the plain program, compiled once it has run often enough."""
        return Program(self.plain(*avals))

    def impl(self, *inputs: Any) -> Sequence[Any]:
        return self.program(*_avals(inputs))(*inputs)

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        return [page.call(targets, self.plain(*[x.aval for x in operands]), operands, "odeint")]

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return self.push(primals, tangents)[1]

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return push_forward(self.smooth(*_avals(primals)), primals, tangents)

    def linearize(self, inputs: Sequence[Any], moving: Sequence[bool]) -> Linearized:
        smooth = self.smooth(*_avals(inputs))
        outs, linear, reached = linearize_jaxpr(smooth, inputs, moving, None, "odeint")
        closed, consts = close(linear)
        slots = [Slot(i, tangent_of(v.aval)) for i, (v, m) in enumerate(zip(smooth.in_vars, moving, strict=True)) if m]
        return Linearized(outs, Call(closed, "odeint"), [*consts, *slots], reached)

    def jet(self, order: int, inputs: Sequence[Any]) -> Sequence[Any]:
        return push_series(self.smooth(*_avals([x[0] for x in inputs])), inputs, order)

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        marks = tuple(batched)
        rows = [ShapedArray(a.shape[1:], a.dtype) if mark else a for a, mark in zip(_avals(inputs), marks, strict=True)]
        return bind(self._mapped(size, marks, *rows), *inputs)

    @remembered
    def _mapped(self, size: int, marks: tuple[bool, ...], *rows: ShapedArray) -> MappedOdeint:
        def batched(jaxpr: Jaxpr) -> Jaxpr:
            wanted = [True] * len(jaxpr.outputs)
            return derive(
                lambda tracers: batched_program(jaxpr, size, tracers, marks, wanted),
                batched_avals(jaxpr.in_avals, size, marks),
                "vmap(odeint)",
            )

        return MappedOdeint(batched(self.plain(*rows)), batched(self.smooth(*rows)))


class Odeint(Solution):
    """The solution of one equation, whose derivative ``field`` gives from state, time and parameters."""

    field: Jaxpr
    states: int
    rtol: float
    atol: float
    mxstep: int
    hmax: float
    timed: bool

    @cached_property
    def problem(self) -> Problem:
        """The parameters."""
        return Problem(*[getattr(self, name) for name in Problem._fields])

    @remembered
    def plain(self, *avals: ShapedArray) -> Jaxpr:
        return self._traced(avals, False)

    @remembered
    def smooth(self, *avals: ShapedArray) -> Jaxpr:
        return self._traced(avals, True)

    def _traced(self, avals: Sequence[ShapedArray], differentiable: bool) -> Jaxpr:
        count = self.states

        def run(tracers: list[Any]) -> list[Any]:
            return solve(self.problem, tracers[:count], tracers[count], tracers[count + 1 :], differentiable)

        return derive(run, avals, "odeint")

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        length = avals[self.states].shape
        return tuple([ShapedArray((*length, *a.shape), a.dtype) for a in avals[: self.states]])

    def runs(self) -> Sequence[Run]:
        return (Run(self.field, None),)


class MappedOdeint(Solution):
    """The solutions of a batch of equations; each row makes steps of its own."""

    whole: Jaxpr
    differentiable: Jaxpr

    def plain(self, *avals: ShapedArray) -> Jaxpr:
        return self.whole

    def smooth(self, *avals: ShapedArray) -> Jaxpr:
        return self.differentiable

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        return self.whole.out_avals

    def runs(self) -> Sequence[Run]:
        return (Run(self.whole),)


def _avals(values: Sequence[Any]) -> list[ShapedArray]:
    return [ShapedArray(np.shape(x) if type(x) is not Tracer else x.shape, x.dtype) for x in values]


# -- the adjoint -----------------------------------------------------------------------------------


def _bound(problem: Problem, y: State, ts: Array, params: Sequence[Array]) -> list[Array]:
    return list(bind(Odeint(*problem), *y, ts, *params))


@partial(custom_jvp, nondiff_argnums=0)
def by_adjoint(problem: Problem, y: State, ts: Array, params: list[Array]) -> list[Array]:
    """Return the states at all times; reverse mode solves the adjoint equation backwards in time."""
    return _bound(problem, y, ts, params)


@partial(by_adjoint.defjvp, symbolic_zeros=True)
def _by_adjoint_jvp(problem: Problem, primals: Any, tangents: Any) -> Any:
    leaves, tree = tree_flatten(primals)
    given, _ = tree_flatten(tangents)
    moving = [type(t) is not SymbolicZero for t in given]
    states = by_adjoint(problem, *primals)

    def merged(residuals: Sequence[Any], values: Sequence[Any]) -> Any:
        rest = iter(values)
        return tree_unflatten(tree, [next(rest) if m else x for m, x in zip(moving, residuals, strict=True)])

    def forward(known: Any, dots: list[Any]) -> list[Any]:
        residuals, _ = known
        of_moving = [x for x, m in zip(residuals, moving, strict=True) if m]
        return jvp(lambda *xs: _bound(problem, *merged(residuals, xs)), of_moving, dots)[1]

    def backward(known: Any, cts: list[Any]) -> list[Any]:
        residuals, states = known
        y, ts, params = tree_unflatten(tree, residuals)
        y_bar, ts_bar, params_bar = adjoint(problem, states, ts, params, moving[len(y) + 1 :], cts)
        return [ct for ct, m in zip([*y_bar, ts_bar, *params_bar], moving, strict=True) if m]

    dots = [t for t, m in zip(given, moving, strict=True) if m]
    return states, linear_call(forward, backward, (leaves, states), dots)


def adjoint(
    problem: Problem, states: State, ts: Array, params: Sequence[Array], moving: Sequence[bool], cts: Sequence[Array]
) -> tuple[list[Array], Array, list[Any]]:
    """Return the cotangents of the first state, the times, and the parameters that are ``moving`` (None for others).

    The adjoint a of dy/dt = f(y, t, p) satisfies da/dt = -a df/dy, and a jump by the cotangent at each output time; the
    cotangent of p is the integral of a df/dp, that of an output time is ct f there, and that of the first time -a f
    (Pontryagin et al. 1962; Chen, Rubanova, Bettencourt, Duvenaud 2018). Between two output times y is solved again,
    backwards, from the solution at the later one.
    """
    count = problem.states
    back = _adjoint_problem(problem, tuple(moving), _avals([*[x[0] for x in states], *params]))

    def rate(y: State, t: Array) -> State:
        return list(evaluate(problem.field, [*y, t.astype(problem.field.in_avals[count].dtype), *params]))

    def interval(state: Any, row: Any) -> Any:
        a, w = state
        y, ct, later, earlier = row
        a = [x + dx for x, dx in zip(a, ct, strict=True)]
        found = by_adjoint(back, [*y, *a, *w], np.stack([later, earlier]), list(params))
        ends = [x[1] for x in found]
        return (ends[count : 2 * count], ends[2 * count :]), _paired(ct, rate(y, later))

    zeros = [np.zeros_like(x[0]) for x in states]
    weights = [np.zeros_like(p) for p, m in zip(params, moving, strict=True) if m]
    rows = ([x[1:] for x in states], [ct[1:] for ct in cts], ts[1:], ts[:-1])
    (a, weights), along = scan(interval, (zeros, weights), rows, reverse=True)
    first = -_paired(a, rate([x[0] for x in states], ts[0]))
    rest = iter(weights)
    return (
        [x + ct[0] for x, ct in zip(a, cts, strict=True)],
        np.concatenate([first[None], along]).astype(ts.dtype),
        [next(rest) if m else None for m in moving],
    )


def _paired(cts: Sequence[Array], dots: Sequence[Array]) -> Array:
    """Return the real part of the sum of the products: a cotangent of what is real."""
    total: Any = np.float64(0)
    for ct, dot in zip(cts, dots, strict=True):
        total = total + np.sum(ct * dot).real
    return total


def _adjoint_problem(problem: Problem, moving: tuple[bool, ...], avals: Sequence[ShapedArray]) -> Problem:
    """Return the equation of the state, its adjoint, and the integrals for the parameters that are ``moving``."""
    count = problem.states
    states, params = list(avals[:count]), list(avals[count:])
    weights = [a for a, m in zip(params, moving, strict=True) if m]
    time = problem.field.in_avals[count]

    def field(tracers: list[Any]) -> list[Any]:
        y, a = tracers[:count], tracers[count : 2 * count]
        t, given = tracers[-1 - len(params)], tracers[len(tracers) - len(params) :]

        def rate(y: State, some: Sequence[Any]) -> list[Any]:
            rest = iter(some)
            whole = [next(rest) if m else p for p, m in zip(given, moving, strict=True)]
            return list(evaluate(problem.field, [*y, t, *whole]))

        found, pull = vjp(rate, y, [p for p, m in zip(given, moving, strict=True) if m])
        y_bar, params_bar = pull(a)
        return [*found, *[-x for x in y_bar], *[-x for x in params_bar]]

    jaxpr = derive(field, [*states, *states, *weights, time, *params], "odeint")
    return problem._replace(field=jaxpr, states=2 * count + len(weights))


# -- the function ----------------------------------------------------------------------------------


def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    *args: Any,
    rtol: float | None = None,
    atol: float | None = None,
    mxstep: int = _STEPS,
    hmax: float = np.inf,
    gradient: str = "direct",
    tfirst: bool = False,
) -> Any:
    """Solve dy/dt = ``func(y, t, *args)`` from ``y0`` at ``t[0]``; return the states at all times ``t``, stacked.

    The method is that of Dormand and Prince, of order 5, with step sizes of its own: the error of each step is kept
    below ``atol + rtol * abs(y)``, as the root of the mean square over all elements. States at times between the ends
    of steps are interpolated to order 4. Under ``vmap`` each row makes its own steps.

    ``y0`` : tree of arrays; integers become float64. ``func`` returns a tree of the same structure and shapes.
    ``t`` : f[n], increasing or decreasing, equal neighbours allowed. ``args`` : trees, as ``func`` takes them.
    ``rtol``, ``atol`` : by default 1.4e-8, and 1e-5 for states of single precision. ``mxstep`` : most steps that are
    tried between two times. ``hmax`` : longest step. ``tfirst`` : call ``func(t, y, *args)``.

    Derivatives in ``y0``, ``t``, ``args`` and what ``func`` closes over are right in forward and reverse mode, to any
    order. ``gradient="direct"`` differentiates the steps, with their sizes as constants: the derivative of what is
    computed, up to rounding. Reverse mode keeps values of each step between two times. ``gradient="adjoint"`` solves
    another equation, backwards in time, in reverse mode: it keeps the states at ``t`` alone, its result is right within
    the tolerances, and wrong for equations that cannot be solved backwards in time.

    Returns a tree like ``y0``, of arrays ``[n, ...]``.

    Raises ``IntegrationError``, under ``jit`` too, where ``mxstep`` steps do not suffice, a step becomes too small, or
    ``func`` is not finite; ``TypeError`` where it returns what is not like ``y0``; ``ValueError`` for times that are
    not finite or change direction, and for options out of range.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> def decay(y, t, rate):
    ...     return -rate * y
    >>> odeint(decay, 1.0, np.array([0.0, 1.0, 2.0]), 0.5).round(6)
    array([1.      , 0.606531, 0.367879])
    >>> grad(lambda rate: odeint(decay, 1.0, np.array([0.0, 2.0]), rate)[-1])(0.5).round(6)
    np.float64(-0.735759)
    """
    check_callable(func, "odeint", "odeint(func, y0, t)")
    what = f"odeint({function_name(func)})"
    y, tree = _state(y0, what)
    ts = _times(t, y, what)
    leaves, args_tree = leaves_and_tree(args, what)
    params = [as_array(x) for x in leaves]
    precision = np.result_type(np.float16, *[real_dtype(x.dtype) for x in y])
    body = _field(func, y, tree, params, args_tree, precision, tfirst, what)
    loose = 1e-5 if precision.itemsize < 8 else 1.4e-8
    problem = Problem(
        body.jaxpr,
        len(y),
        _positive("rtol", loose if rtol is None else rtol, zero=True),
        _positive("atol", loose if atol is None else atol),
        _positive("mxstep", mxstep),
        _positive("hmax", hmax),
        isinstance(ts, Tracer),
    )
    if gradient not in _GRADIENTS:
        raise ValueError(
            f"odeint: gradient must be 'direct' or 'adjoint'; got {gradient!r}{here()}. Use 'direct' if in doubt."
        )
    given = [*body.consts, *params]
    outs = by_adjoint(problem, y, ts, given) if gradient == "adjoint" else _bound(problem, y, ts, given)
    return tree_unflatten(tree, owned(outs, [*y, ts, *given]))


def _state(y0: Any, what: str) -> tuple[State, PyTreeDef]:
    """Return the leaves of the first state as inexact arrays."""
    raw, tree = leaves_and_tree(y0, what)
    if not raw:
        raise TypeError(f"{what}: y0 must hold at least one array; got {y0!r}{here()}. Give the first state.")
    leaves = []
    for i, x in enumerate(map(as_array, raw)):
        if x.dtype.kind not in "iufc":
            path = keystr(tree_flatten_with_path(y0)[0][i][0])
            raise TypeError(
                f"{what}: y0 must be of numbers; got {ShapedArray(x.shape, x.dtype)} at y0{path}{here()}. "
                "Convert it with astype."
            )
        leaves.append(x.astype(np.float64) if x.dtype.kind in "iu" else x)
    return leaves, tree


def _times(t: Any, y: State, what: str) -> Array:
    """Return the times as an array; those that are traced are checked when the program runs."""
    if isinstance(t, list | tuple):
        t = np.stack(t) if any(isinstance(x, Tracer) for x in t) else np.asarray(t)
    if not isinstance(t, Tracer):
        t = np.asarray(t)
    if t.ndim != 1 or not t.shape[0] or t.dtype.kind not in "iuf":
        raise ValueError(
            f"{what}: t must be a vector of at least one real time; got {ShapedArray(t.shape, t.dtype)}{here()}. "
            "Write np.array([start, end])."
        )
    t = t.astype(np.result_type(t.dtype, np.float64))
    return check_order(t)


def _field(
    func: Callable[..., Any],
    y: State,
    tree: PyTreeDef,
    params: Sequence[Array],
    args_tree: PyTreeDef,
    precision: np.dtype[Any],
    tfirst: bool,
    what: str,
) -> Body:
    """Trace ``func``: from the leaves of the state, the time, what it closes over, and the leaves of ``args``."""
    count, avals = len(y), _avals(y)

    def run(tracers: list[Any]) -> Any:
        state, time = tree_unflatten(tree, tracers[:count]), tracers[count]
        args = tree_unflatten(args_tree, tracers[count + 1 :])
        return func(time, state, *args) if tfirst else func(state, time, *args)

    body = trace_body(run, [*avals, ShapedArray((), precision), *_avals(params)], what)
    found = body.jaxpr.out_avals
    fitting = [
        a if b.shape == a.shape and (b.weak_type or np.result_type(a.dtype, b.dtype) == a.dtype) else b
        for a, b in zip(avals, found, strict=False)
    ]
    when = ("in y0", "from func")
    check_same(what, "derivative", tree, avals, body.out_tree, fitting if len(found) == count else found, when)
    consts, own = len(body.consts), body.jaxpr

    def ordered(tracers: list[Any]) -> list[Any]:
        state, rest = tracers[: count + 1], tracers[count + 1 :]
        outs = evaluate(own, [*rest[:consts], *state, *rest[consts:]])
        return [as_array(x).astype(a.dtype) for x, a in zip(outs, avals, strict=True)]

    ins = own.in_avals
    order = [*ins[consts : consts + count + 1], *ins[:consts], *ins[consts + count + 1 :]]
    return Body(derive(ordered, order, what), body.consts, tree)


def _positive(name: str, value: Any, zero: bool = False) -> Any:
    """Return an option that must be a positive number, known when the function is traced."""
    kinds = (int, np.integer) if name == "mxstep" else (int, float, np.integer, np.floating)
    number = isinstance(value, kinds) and not isinstance(value, bool)
    if not number or not (value > 0 or (zero and value == 0)):
        kind = "integer" if name == "mxstep" else "number"
        got = "a traced value" if isinstance(value, Tracer) else repr(value)
        raise ValueError(
            f"odeint: {name} must be a positive {kind}{' or 0' if zero else ''}; got {got}{here()}. "
            f"{'Give a larger one' if number else f'Give a plain {kind}'}."
        )
    return int(value) if name == "mxstep" else float(value)
