"""Taylor mode: the derivatives of every order of a function along a path, in one run of its program.

A path ``x(t)`` is a power series; so is the image ``f(x(t))``. Within this module a series is the list of its Taylor
coefficients, in which None is zero; derivatives, which users give and get, are coefficients times k!.

An equation ``y = p(x)`` gets its coefficients one after the other. Where the primitive has a rule (``taylor``), by
that. Elsewhere by the derivative that every primitive has: ``y' = jvp(x, x', y)`` is an ordinary differential equation
whose right-hand side is a small program. Its equations are series too, of one order less, and so on. A series is
known by its primitive and operands, so that ``sin`` and ``cos`` find each other, and each series is computed once:
what comes out for elementary functions are the recurrences of Griewank and Walther, "Evaluating Derivatives" (2nd
edition, 2008), table 13.2, at O(order^2). That coefficients are computed when they are asked for is McIlroy's idea,
"Power series, power serious" (1999).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..compile.simplify import simplify
from ..ir import (
    SOURCE,
    TANGENT,
    Atom,
    Equation,
    Jaxpr,
    Literal,
    ShapedArray,
    annotate,
    has_backward_rule,
    in_phase,
    inline,
)
from ..tracing import Tracer, bind, run, run_all
from ..tree import PyTreeDef, tree_structure, tree_unflatten
from .arguments import Leaves, Run, function_name, leaves_of, owned, trace_leaves, zeros_of
from .derivatives import check_derivative
from .linear import record_linear
from .tangent import zeros_of_tangent
from .wrapper import check_callable

__all__ = ["jet", "push_series", "repeated_derivative", "taylor"]

_LEAF = tree_structure(0.0)

Terms = list[Any]
"""Taylor coefficients from order 0 on; None is zero."""


class Series:
    """A power series. Coefficients that are not there yet come from its ``maker``; without one they are zero."""

    __slots__ = ("aval", "maker", "terms")

    def __init__(self, aval: ShapedArray, terms: Terms, maker: Any = None) -> None:
        self.aval = aval
        self.terms = terms
        self.maker = maker

    @property
    def moves(self) -> bool:
        """Whether coefficients beyond the first may be other than zero."""
        return self.maker is not None or any(x is not None for x in self.terms[1:])

    def reach(self, k: int) -> Any:
        """Return the coefficient ``k``; it and those below are in ``terms`` then."""
        terms = self.terms
        while len(terms) <= k:
            if self.maker is None:
                terms.append(None)
            else:
                self.maker.advance()
        return terms[k]


class Slope:
    """Makes the derivative of a series: y_k = (k + 1) x_(k+1)."""

    __slots__ = ("series", "whole")

    def __init__(self, whole: Series) -> None:
        self.whole = whole
        self.series = Series(whole.aval, [], self)

    def advance(self) -> None:
        k = len(self.series.terms)
        term = self.whole.reach(k + 1)
        if term is None and not k:
            term = zeros_of(self.whole.aval)
        self.series.terms.append(term if term is None or not k else term * (k + 1))


class Applied:
    """Makes the series of the outputs of a primitive."""

    __slots__ = ("inputs", "network", "outputs", "primitive", "program")

    def __init__(self, network: Network, primitive: Any, inputs: Sequence[Series]) -> None:
        self.network = network
        self.primitive = primitive
        self.inputs = inputs
        self.outputs: list[Series] = []
        self.program: tuple[Sequence[Applied], Sequence[Series | None]] | None = None

    def advance(self) -> None:
        """Compute one more coefficient of each output."""
        k = len(self.outputs[0].terms)
        for x in self.inputs:
            x.reach(k)
        for y, term in zip(self.outputs, self._next(k), strict=True):
            y.terms.append(term)

    def _next(self, k: int) -> Sequence[Any]:
        primitive = self.primitive
        if primitive.jet is not None:
            whole = primitive.jet(k, [x.terms[: k + 1] for x in self.inputs])
            return [terms[k] for terms in whole]
        if primitive.taylor is not None:
            inputs, outputs = [x.terms for x in self.inputs], [y.terms for y in self.outputs]
            term = primitive.taylor(k, inputs, outputs if primitive.multiple else outputs[0])
            if term is not NotImplemented:
                return term if primitive.multiple else (term,)
        return self._integrated(k)

    def _integrated(self, k: int) -> Sequence[Any]:
        """Return coefficient k of the solution of y' = jvp(x, x', y): that of the right-hand side before, over k."""
        if self.program is None:
            self.program = self.network.expand(self)
        equations, slopes = self.program
        for equation in equations:
            equation.outputs[0].reach(k - 1)
        terms = [None if slope is None else slope.reach(k - 1) for slope in slopes]
        return terms if k == 1 else [None if term is None else term / k for term in terms]


class Network:
    """The series of one computation, each of them once."""

    def __init__(self) -> None:
        self._applied: dict[tuple[Any, ...], Applied] = {}
        self._slopes: dict[int, Slope] = {}
        self._fixed: dict[Atom, Series] = {}

    def fixed(self, atom: Atom, value: Any) -> Series:
        """Return the series of what does not move."""
        found = self._fixed.get(atom)
        if found is None:
            found = self._fixed[atom] = Series(atom.aval, [value])
        return found

    def slope(self, x: Series) -> Series:
        """Return the derivative of ``x``."""
        found = self._slopes.get(id(x))
        if found is None:
            found = self._slopes[id(x)] = Slope(x)
            if x.maker is None:  # all is known, perhaps that it does not move
                found.series.reach(max(len(x.terms) - 2, 0))
                found.series.maker = None
        return found.series

    def apply(self, primitive: Any, inputs: Sequence[Series], avals: Sequence[ShapedArray], values: Any) -> Applied:
        """Return the series of the outputs, of ``avals``; their first coefficients are ``values``, if known."""
        key = (primitive, *map(id, inputs))
        found = self._applied.get(key)
        if found is None:
            found = self._applied[key] = Applied(self, primitive, inputs)
            if values is None:
                values = bind(primitive, *[x.reach(0) for x in inputs])
                values = values if primitive.multiple else (values,)
            moves = not primitive.stops and any([x.moves for x in inputs])
            found.outputs = [
                Series(aval, [value], found if moves else None) for aval, value in zip(avals, values, strict=True)
            ]
        return found

    def expand(self, applied: Applied) -> tuple[list[Applied], list[Series | None]]:
        """Write out y' = jvp(x, x', y) for the outputs y: the equations, and the series of each y'."""
        inputs, outputs = applied.inputs, applied.outputs
        moving = tuple([x.moves for x in inputs])
        program, nonzero = _slope_program(
            applied.primitive, tuple([x.aval for x in inputs]), moving, tuple([y.aval for y in outputs])
        )
        slopes = [self.slope(x) for x in inputs if x.moves]
        env: dict[Atom, Series] = dict(zip(program.in_vars, [*inputs, *slopes, *outputs], strict=True))
        for var, value in zip(program.const_vars, program.constants, strict=True):
            env[var] = self.fixed(var, value)
        equations = []
        for primitive, atoms, made, _ in program.equations:
            operands = [self.fixed(v, v.value) if type(v) is Literal else env[v] for v in atoms]
            one = self.apply(primitive, operands, [v.aval for v in made], None)
            env.update(zip(made, one.outputs, strict=True))
            if one.outputs and one.outputs[0].maker is not None:
                equations.append(one)
        found = iter([self.fixed(v, v.value) if type(v) is Literal else env[v] for v in program.outputs])
        return equations, [next(found) if some else None for some in nonzero]

    def close(self) -> None:
        """Cut the ties between series that define each other, so that their memory is freed at once."""
        for applied in self._applied.values():
            applied.program = None
            applied.inputs = ()
        for slope in self._slopes.values():
            slope.series.maker = None


@lru_cache(maxsize=4096)
def _slope_program(
    primitive: Any, avals: tuple[ShapedArray, ...], moving: tuple[bool, ...], out_avals: tuple[ShapedArray, ...]
) -> tuple[Jaxpr, tuple[bool, ...]]:
    """Return the program of ``primitive.jvp`` of inputs, moving tangents and outputs, and which tangents it gives."""

    def derivative(tracers: list[Any]) -> Sequence[Any]:
        rest = iter(tracers)
        primals = [next(rest) for _ in avals]
        tangents = [next(rest) if m else None for m in moving]
        outs = list(rest)
        if primitive.multiple:
            return primitive.jvp(primals, tangents, outs)
        return [primitive.jvp(primals, tangents, outs[0])]

    given = [*avals, *[aval for aval, m in zip(avals, moving, strict=True) if m], *out_avals]
    jaxpr, nonzero = record_linear(derivative, [aval.strong() for aval in given], f"jet({primitive.name})")
    return simplify(inline(jaxpr), reassociate=False), tuple(nonzero)


def push_series(jaxpr: Jaxpr, inputs: Sequence[Terms], order: int, known: dict[Atom, Any] | None = None) -> list[Terms]:
    """Run ``jaxpr`` on power series: the coefficients 0 to ``order`` of each input give those of each output.

    Coefficients are arrays, or tracers of an enclosing trace: then the computation is recorded there. None is zero.
    ``known`` holds values (coefficients of order 0) that tracing has computed already.
    """
    values = {} if known is None else known
    values.update(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip(jaxpr.in_vars, [terms[0] for terms in inputs], strict=True))
    traced = any([type(x) is Tracer for x in values.values()])
    if not traced and all([equation.primitive.jet is None for equation in jaxpr.equations]):
        run_all(jaxpr, values)  # nothing of them is recorded, so they need not stand beside the other coefficients
    network = Network()
    env: dict[Atom, Series] = {}
    for var, terms in zip(jaxpr.in_vars, inputs, strict=True):
        series = Series(var.aval, list(terms))
        if series.moves:
            env[var] = series
    token = SOURCE.set(None)
    try:
        for equation in jaxpr.equations:
            primitive, atoms, outputs, source = equation
            still = primitive.stops or not outputs or env.keys().isdisjoint(atoms)
            if (still or primitive.jet is None) and (not outputs or outputs[0] not in values):
                run(equation, values)
            if not still:
                SOURCE.set(in_phase(source, TANGENT))
                operands = [env[v] if v in env else network.fixed(v, _value(v, values)) for v in atoms]
                found = _moved(network, equation, operands, values, order)
                env.update([(v, y) for v, y in zip(outputs, found, strict=True) if v.aval.inexact])
    except Exception as error:
        raise annotate(error, equation) from error.__cause__
    finally:
        SOURCE.reset(token)
        network.close()
    return [env[v].terms[: order + 1] if v in env else [_value(v, values), *[None] * order] for v in jaxpr.outputs]


def _moved(
    network: Network, equation: Equation, operands: Sequence[Series], values: dict[Atom, Any], order: int
) -> list[Series]:
    """Return the series of the outputs of ``equation``, of which at least one operand moves."""
    primitive, _, outputs, _ = equation
    avals = [v.aval for v in outputs]
    if primitive.jet is None:
        applied = network.apply(primitive, operands, avals, [values[v] for v in outputs])
        for k in range(1, order + 1):
            applied.outputs[0].reach(k)
        return applied.outputs
    for x in operands:
        x.reach(order)
    lists = primitive.jet(order, [x.terms[: order + 1] for x in operands])
    values.update([(v, terms[0]) for v, terms in zip(outputs, lists, strict=True)])
    return [Series(aval, list(terms)) for aval, terms in zip(avals, lists, strict=True)]


def _value(atom: Atom, values: dict[Atom, Any]) -> Any:
    return atom.value if type(atom) is Literal else values[atom]


# -- public functions --------------------------------------------------------------------------------


def jet(fun: Callable[..., Any], primals: Any, series: Any) -> tuple[Any, Any]:
    """Evaluate ``fun`` and its derivatives along a path through ``primals``.

    The path ``x(t)`` starts at ``primals``, a tuple with one tree for each argument, and ``series`` has their structure
    with a list ``[x'(0), x''(0), ...]`` in the place of each leaf: derivatives, not Taylor coefficients. All lists have
    one length, the order; None in the place of a derivative, or of a list, is zero. Integer leaves do not move: None.

    Returns ``(output, series_out)``, where ``series_out`` has the structure of the output, with a list of as many
    derivatives of ``fun(*x(t))`` at t = 0 in the place of each leaf. So it can be handed to another ``jet``.

    Raises ``TypeError`` or ``ValueError`` where a derivative does not fit its primal.

    >>> import numpy as np
    >>> jet(np.exp, (0.0,), ([2.0, 0.0, 0.0],))
    (np.float64(1.0), [np.float64(2.0), np.float64(4.0), np.float64(8.0)])
    """
    for word, value in (("primals", primals), ("series", series)):
        if not isinstance(value, tuple | list):
            raise TypeError(
                f"jet: {word} must be a tuple or list, one entry per argument; got {type(value).__name__}. "
                "Write jet(f, (x,), ([dx, ddx],)) for one argument."
            )
    check_callable(fun, "jet", "jet(f, (x,), ([dx, ddx],)) rather than jet(f(x), ...)")
    leaves = leaves_of(tuple(primals), "jet")
    order, lists = _derivative_lists(series, leaves)
    _check_order(order, "jet")
    terms = [[x, *_scaled(rest, _reciprocal_factorial)] for x, rest in zip(leaves.primals, lists, strict=True)]
    traced, found = _pushed(fun, leaves, terms, order, "jet")
    outs = [y[0] for y in found]
    dots = [_scaled(y[1:], _factorial) for y in found]
    foreign = [x for given in [*lists, *terms, traced.jaxpr.constants] for x in given]
    return _results(traced, outs, dots, foreign)


def taylor(fun: Callable[..., Any], x: Any, order: int, derivatives: bool = False) -> Any:
    """Return the Taylor coefficients of ``fun``, a function of one number, at ``x``.

    ``x : f[]`` is a real or complex number (at a complex one ``fun`` must be holomorphic). Every leaf ``y : f[...]`` of
    the output becomes ``c : f[order + 1, ...]``: ``c[k]`` is the k-th derivative over k!, so that ``fun(x + h)`` is
    ``c[0] + c[1] h + c[2] h^2 + ...``, which ``np.polynomial.polynomial.polyval(h, c)`` evaluates. With ``derivatives``
    ``c[k]`` is the k-th derivative itself.

    Raises ``TypeError`` unless ``x`` is a number of floating-point or complex dtype and the outputs are, ``ValueError``
    for a negative ``order``.

    >>> import numpy as np
    >>> taylor(np.exp, 0.0, 3)
    array([1.        , 1.        , 0.5       , 0.16666667])
    >>> taylor(np.exp, 0.0, 3, derivatives=True)
    array([1., 1., 1., 1.])
    """
    check_callable(fun, "taylor", "taylor(f, x, order) rather than taylor(f(x), x, order)")
    leaves = leaves_of((x,), "taylor")
    _check_expansion(leaves, order)
    if derivatives:
        _check_order(order, "taylor")
    one = leaves.avals[0].dtype.type(1)
    path = [*leaves.primals, one, *[None] * (int(order) - 1)][: int(order) + 1]
    traced, found = _pushed(fun, leaves, [path], int(order), "taylor")
    stacked = []
    for var, terms in zip(traced.jaxpr.outputs, found, strict=True):
        aval = var.aval
        if not aval.inexact:
            raise TypeError(
                f"taylor: the function must return floating-point or complex numbers; got {aval}. "
                "Convert the output, or leave it out."
            )
        if derivatives:
            terms = [terms[0], *_scaled(terms[1:], _factorial)]
        stacked.append(np.stack([zeros_of(aval) if term is None else term for term in terms]))
    return tree_unflatten(traced.out_tree, owned(stacked, ()))


def repeated_derivative(fun: Callable[..., Any], x: Any, order: int, what: str) -> Any:
    """Return the derivative of this ``order`` at the real number ``x``.

    None unless ``fun`` returns one real number, and where it has a backward rule of the user's.
    """
    leaves = leaves_of((x,), what)
    path = [*leaves.primals, leaves.avals[0].dtype.type(1), *[None] * (order - 1)]
    traced = trace_leaves(lambda values: fun(*values), leaves, what)
    outputs = traced.jaxpr.outputs
    if has_backward_rule(traced.jaxpr):
        return None
    if order > _LARGEST_ORDER or traced.out_tree != _LEAF or [v.aval.shape for v in outputs] != [()]:
        return None
    aval = outputs[0].aval
    if aval.dtype != leaves.avals[0].dtype:
        return None
    ((*_, last),) = push_series(traced.jaxpr, [path], order, traced.values)
    return owned([zeros_of(aval) if last is None else last * _factorial(order)], ())[0]


def _check_expansion(leaves: Leaves, order: Any) -> None:
    """Raise unless one inexact number is expanded to an order that is one."""
    if not isinstance(order, int | np.integer) or isinstance(order, bool):
        raise TypeError(f"taylor: the order must be an integer; got {order!r}. Give the number of derivatives.")
    if order < 0:
        raise ValueError(f"taylor: the order must not be negative; got {order}. Give 0 for the value alone.")
    if [aval.shape for aval in leaves.avals] != [()] or not leaves.moving[0]:
        got = ", ".join(map(str, leaves.avals)) or "no array"
        raise TypeError(
            f"taylor: x must be one number of floating-point or complex dtype; got {got}. "
            "Convert an integer with float(x); use jet for arrays."
        )


def _pushed(
    fun: Callable[..., Any], leaves: Leaves, terms: Sequence[Terms], order: int, name: str
) -> tuple[Run, list[Terms]]:
    """Trace ``fun`` of the ``leaves`` and run it on the power series ``terms`` of those that move."""
    traced = trace_leaves(lambda values: fun(*values), leaves, f"{name}({function_name(fun)})")
    return traced, push_series(traced.jaxpr, terms, order, traced.values)


_LARGEST_ORDER = 170
"""170! is the largest factorial that a float holds."""


def _check_order(order: int, name: str) -> None:
    if order > _LARGEST_ORDER:
        raise ValueError(
            f"{name}: derivatives must be of order {_LARGEST_ORDER} at most; got {order}, whose factorial is infinite. "
            "Use taylor for coefficients."
        )


def _factorial(k: int) -> float:
    return float(math.factorial(k))


def _reciprocal_factorial(k: int) -> float:
    return 1 / math.factorial(k)


def _scaled(terms: Sequence[Any], scale: Callable[[int], float]) -> Terms:
    """Return the coefficients 1, 2, ..., scaled."""
    return [x if x is None or k == 1 else x * scale(k) for k, x in enumerate(terms, 1)]


def _derivative_lists(series: Any, leaves: Leaves) -> tuple[int, list[Terms]]:
    """Return the order, and for each moving leaf the list of its derivatives, checked against it; None is zero."""
    lists = [_as_list(x, a) for x, a in zip(_lists_of(tuple(series), leaves.tree), leaves.avals, strict=True)]
    lengths = sorted({len(given) for given in lists if given is not None})
    if len(lengths) != 1 or not lengths[0]:
        raise ValueError(
            f"jet: all lists of derivatives must have one length, the order, at least 1; got "
            f"{', '.join(map(str, lengths)) or 'no list'}. Fill up with None, which is zero."
        )
    order = lengths[0]
    checked: list[Terms] = []
    for given, aval, moves in zip(lists, leaves.avals, leaves.moving, strict=True):
        found = [_checked(x, aval) for x in given or [None] * order]
        if moves:
            checked.append(found)
    return order, checked


def _lists_of(series: Any, tree: PyTreeDef) -> list[Any]:
    """Return what stands in ``series`` in the place of each leaf of the primals."""
    try:
        return tree.flatten_up_to(series)
    except ValueError as error:
        raise TypeError(
            f"jet: series must have the structure of the primals, {tree}, with a list of derivatives in the place of "
            f"each leaf; got {str(error).partition('got ')[2].partition('. ')[0]}. Write ([dx, ddx],) for one array x."
        ) from None


def _as_list(given: Any, aval: ShapedArray) -> list[Any] | None:
    """Return derivatives as a list; they may be the rows of an array."""
    if given is None or isinstance(given, list | tuple):
        return None if given is None else list(given)
    if isinstance(given, Tracer | np.ndarray) and given.shape[1:] == aval.shape and given.ndim:
        rows: Any = given
        return [rows[k] for k in range(rows.shape[0])]
    raise TypeError(
        f"jet: the derivatives of a leaf must be a list, from the first on; got {type(given).__name__}"
        f"{f' of shape {given.shape} for {aval}' if hasattr(given, 'shape') else ''}. "
        "Write ([dx, ddx],) for one array x, ([dx],) for the first derivative alone."
    )


def _checked(x: Any, aval: ShapedArray) -> Any:
    """Return ``x`` as a derivative of a value of ``aval``; None if it is zero, as the program or the user says."""
    if x is None or (type(x) in (int, float) and x == 0 and not aval.ndim and aval.inexact):
        return None
    return check_derivative(x, aval, "jet", "derivative")


def _results(traced: Run, outs: Sequence[Any], dots: Sequence[Terms], foreign: Sequence[Any]) -> tuple[Any, Any]:
    """Build the output and its derivatives; all of them arrays that nobody else holds."""
    count = len(outs)
    filled = [
        zeros_of_tangent(var.aval) if x is None else x
        for var, terms in zip(traced.jaxpr.outputs, dots, strict=True)
        for x in terms
    ]
    mine = owned([*outs, *filled], foreign)
    order = len(filled) // count if count else 0
    lists = [mine[count + i * order : count + (i + 1) * order] for i in range(count)]
    return tree_unflatten(traced.out_tree, mine[:count]), tree_unflatten(traced.out_tree, lists)
