"""The recorder: one per run of a traced function. It appends equations; tracers stand for its variables.

A trace opened on real arguments can also tell values: it runs, once, the equations that a value needs.
Values of an inner trace may be tracers of an outer one; evaluating them records equations there.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakValueDictionary

import numpy as np

from ..errors import UnexpectedTracerError
from ..ir import (
    PRIMAL,
    SOURCE,
    Atom,
    Equation,
    Jaxpr,
    Literal,
    Primitive,
    ShapedArray,
    Var,
    annotate,
    aval_of,
    in_phase,
    is_watching,
    last_uses,
    native,
    phase_name,
    place,
    user_source,
    watch,
)
from .tracer import CALLER, Tracer

__all__ = [
    "PROTECTED",
    "SCALAR_AVALS",
    "UNKNOWN",
    "Trace",
    "bind",
    "current_trace",
    "effect_trace",
    "evaluate",
    "infer",
    "innermost",
    "opened",
    "peek",
    "run",
    "run_all",
]


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()

PROTECTED: WeakValueDictionary[int, Any] = WeakValueDictionary()
"""Read-only views of the caller's arrays, by identity: nobody writes there while the call runs."""

_new = tuple.__new__  # a NamedTuple's own constructor costs twice as much
_orders = itertools.count()
_current: ContextVar[Trace | None] = ContextVar("autotrace_trace", default=None)

_abstract: dict[tuple[Any, ...], ShapedArray | tuple[ShapedArray, ...]] = {}
"""Memo of abstract evaluation: primitive and input avals to output avals."""
_ABSTRACT_LIMIT = 100_000
_SMALL = 4096
"""Bytes: arrays up to here are compared faster as byte strings."""

SCALAR_AVALS = {kind: aval_of(kind(0)) for kind in (bool, int, float, complex)}


class Trace:
    """The record of one run of a function: equations, inputs, captured constants, values where known."""

    __slots__ = (
        "_captured",
        "_carrying",
        "_indexed",
        "_producers",
        "aside",
        "constants",
        "derived",
        "equations",
        "in_vars",
        "is_open",
        "lasting",
        "layouts",
        "marks",
        "order",
        "phase",
        "snapshot",
        "values",
        "what",
    )

    def __init__(
        self, what: str, values: dict[Atom, Any] | None = None, snapshot: bool = True, lasting: bool = False
    ) -> None:
        self.what = what
        self.values = values
        self.snapshot = snapshot
        """Copy arrays when they are captured, if their memory may change before the program has run."""
        self.lasting = lasting
        """The program outlives the call, so that the caller may change memory too."""
        self.order = next(_orders)
        self.phase = PRIMAL
        """What the function is traced for: rules of the user's compute tangents or cotangents."""
        self.aside = False
        """Records what is linear in tangents alone: what else runs meanwhile belongs to the enclosing trace."""
        self.layouts: dict[Var, tuple[Trace, Var, tuple[Any, ...]]] = {}
        """Of arrays that were written over, the array as it was first, and the steps to the part that is meant."""
        self.marks: tuple[tuple[Trace, int], ...] = ()
        """The enclosing traces, innermost first, and how many equations each had when this one was opened."""
        self.is_open = True
        self.derived = False
        """Some equations were written by a transform: it pays to simplify."""
        self.equations: list[Equation] = []
        self.in_vars: list[Var] = []
        self.constants: dict[Var, Any] = {}
        self._captured: dict[int, tuple[Any, Any, Var]] = {}
        self._producers: dict[Var, Equation] = {}
        self._carrying: set[Atom] = set()
        self._indexed = 0

    # -- recording ---------------------------------------------------------------------------------

    def input(self, aval: ShapedArray, value: Any = UNKNOWN) -> Tracer:
        """Add an input and return the tracer that stands for it."""
        var = Var(aval)
        self.in_vars.append(var)
        if value is not UNKNOWN and self.values is not None:
            self.values[var] = value
        if aval.inexact:
            self._carrying.add(var)
        tracer = Tracer(self, var)
        tracer._alias = CALLER
        return tracer

    def record(self, primitive: Primitive, atoms: tuple[Atom, ...]) -> Any:
        """Append the equation ``primitive atoms`` and return tracers of its outputs."""
        key = (primitive, *[atom.aval for atom in atoms])
        avals = _abstract.get(key)
        if avals is None:
            avals = infer(key)
        return self.append(primitive, atoms, avals)

    def append(self, primitive: Primitive, atoms: tuple[Atom, ...], avals: Any) -> Any:
        """Append an equation whose output avals are known already. Every traced operation passes here."""
        if not self.is_open:
            raise self.leak(primitive.name, atoms)
        source = SOURCE.get()
        if source is None:
            source = user_source()
            if self.phase:
                source = in_phase(source, self.phase)
        else:
            self.derived = True
        if primitive.multiple:
            outputs = tuple([Var(aval) for aval in avals])
            self.equations.append(Equation(primitive, atoms, outputs, source))
            return tuple([Tracer(self, var) for var in outputs])
        var = Var(avals)
        self.equations.append(_new(Equation, (primitive, atoms, (var,), source)))
        return Tracer(self, var)

    def copy(self, equation: Equation, atoms: tuple[Atom, ...], values: dict[Atom, Any], once: bool) -> None:
        """Append ``equation`` of another program, with operands of the same avals; keep its tracers in ``values``.

        Its results are as a transform gives them: not weakly typed. Of a program that runs ``once`` they have the
        variables that they have there.
        """
        primitive, inputs, outputs, source = equation
        if not self.is_open:
            raise self.leak(primitive.name, atoms)
        self.derived = True
        made = outputs
        if not once or any([v.aval.weak_type for v in outputs]):
            made = tuple([Var(v.aval.strong()) for v in outputs])
        if made is not outputs or atoms != inputs:
            equation = _new(Equation, (primitive, atoms, made, source))
        self.equations.append(equation)
        for old, var in zip(outputs, made):
            values[old] = Tracer(self, var)

    def atom(self, x: Any) -> Atom:
        """Return ``x`` as an operand of this trace: its variable, a literal, or a captured constant."""
        kind = type(x)
        if kind is Tracer:
            return x._var if x._trace is self else self._capture_tracer(x)
        aval = SCALAR_AVALS.get(kind)
        if aval is not None:
            return Literal(x, aval)
        if kind is not np.ndarray:
            x = np.asarray(x) if not isinstance(x, np.generic | np.ndarray) else x
        if x.ndim == 0:
            return Literal(x[()])
        return self.capture_array(x)

    def _capture_tracer(self, x: Tracer) -> Var:
        found = self._captured.get(id(x))
        if found is not None and found[1] is x._var:
            return found[2]
        if not x._trace.is_open:
            raise x._trace.leak(self.what, (x._var,))
        var = self.constant(x.aval, Tracer(x._trace, x._var))
        self._captured[id(x)] = (x, x._var, var)
        if x._trace.carries(x._var):
            self._carrying.add(var)
        return var

    def capture_array(self, x: Any) -> Var:
        """Return the constant that stands for an array of rank 1 or more."""
        found = self._captured.get(id(x))
        if found is not None and (found[1] is x or _same_bits(found[1], x)):
            return found[2]
        # What a transform's rule computes is nobody else's; but it may be a view of what is.
        theirs = (
            self.snapshot
            and isinstance(x, np.ndarray)
            and (SOURCE.get() is None or (self.lasting and x.base is not None))
        )
        if not x.dtype.isnative:
            copied = native(x)
        else:
            copied = _copy(x) if theirs and self._may_change(x) else x
        var = self.constant(ShapedArray(x.shape, x.dtype), copied)
        self._captured[id(x)] = (x, copied, var)
        return var

    def _may_change(self, x: Any) -> bool:
        """Whether someone may write into the memory of ``x``: through it, or through what it is a view of."""
        if PROTECTED.get(id(x)) is x and not self.lasting:
            return False
        while isinstance(x, np.ndarray):
            if x.flags.writeable:
                return True
            x = x.base
        return x is not None

    def constant(self, aval: ShapedArray, value: Any) -> Var:
        """Add a constant, which is not copied."""
        var = Var(aval)
        self.constants[var] = value
        if self.values is not None:
            self.values[var] = value
        return var

    def close(self) -> None:
        """End the recording: from now on, using one of its tracers is an error."""
        self.is_open = False

    def jaxpr(self, outputs: Sequence[Atom]) -> Jaxpr:
        """Return what was recorded as a program."""
        return Jaxpr(self.in_vars, self.equations, outputs, self.constants.keys(), self.constants.values())

    def leak(self, doing: str, atoms: Sequence[Atom]) -> UnexpectedTracerError:
        """Return the error of one who uses a traced value after the end of its trace."""
        self._index()
        mine = [atom for atom in atoms if isinstance(atom, Var)] or [Var(ShapedArray((), np.dtype(float)))]
        made = next((self._producers[v] for v in mine if v in self._producers), None)
        where = place(made.source) if made is not None else None
        born = f" made at {where.file}:{where.line} in" if where else ", an argument of"
        return UnexpectedTracerError(
            f"{doing}: a traced value must not outlive the call that traces it; got {mine[0].aval}{born} "
            f"{self.what}, which has ended. Return the value from the function instead of storing it."
        )

    # -- values ------------------------------------------------------------------------------------

    def value(self, var: Var, values: dict[Atom, Any] | None = None) -> Any:
        """Return the value of ``var``, running what it needs that has not run yet; UNKNOWN without values.

        ``values`` stands in for those of this trace.
        """
        values = self.values if values is None else values
        if values is None:
            return self.constants.get(var, UNKNOWN)
        found = values.get(var, UNKNOWN)
        if found is not UNKNOWN:
            return found
        self._index()
        stack = [var]
        token = _current.set(None)  # effects of what runs here happen now
        try:
            while stack:
                equation = self._producers[stack[-1]]
                missing = [v for v in equation.inputs if type(v) is Var and v not in values]
                if missing:
                    stack.extend(missing)
                    continue
                if stack.pop() not in values:
                    run(equation, values)
        finally:
            _current.reset(token)
        return values[var]

    def carries(self, var: Var) -> bool:
        """Tell whether a derivative may flow through ``var``."""
        self._index()
        return var in self._carrying

    def _index(self) -> None:
        """Bring the map from variables to their equations up to date; linear over the trace's life."""
        for equation in self.equations[self._indexed :]:
            carrying = not equation.primitive.stops and not self._carrying.isdisjoint(equation.inputs)
            for var in equation.outputs:
                self._producers[var] = equation
                if carrying and var.aval.inexact:
                    self._carrying.add(var)
        self._indexed = len(self.equations)


def _copy(x: Any) -> Any:
    """Return a copy that nobody else holds; one number repeated stays that, and takes no memory."""
    if x.size and not any(x.strides):
        return np.broadcast_to(x.flat[0], x.shape)
    return x.copy()


def _same_bits(a: Any, b: Any) -> bool:
    """Tell whether two arrays hold the same bits (a changed NaN or sign of zero is a change)."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return not b.dtype.isnative and _same_bits(a, native(b))
    if a.nbytes <= _SMALL:
        return bool(a.tobytes() == b.tobytes())
    bits = f"u{min(a.itemsize, 8)}"
    flat_a, flat_b = (np.ascontiguousarray(x).reshape(-1).view(bits) for x in (a, b))
    return bool(np.array_equal(flat_a, flat_b))


def infer(key: tuple[Any, ...]) -> Any:
    """Evaluate the abstract rule of ``key = (primitive, *avals)`` and remember the answer."""
    avals = key[0].abstract(*key[1:])
    if key[0].holds_programs:  # it would be kept alive, with all that its programs and rules close over
        return avals
    if len(_abstract) >= _ABSTRACT_LIMIT:
        _abstract.clear()
    _abstract[key] = avals
    return avals


def run(equation: Equation, values: dict[Atom, Any], once: bool = False) -> None:
    """Evaluate ``equation`` on ``values`` (arrays, or tracers of an outer trace) and store its outputs there.

    If it is recorded, and not again in the same trace, it may be the same object there: ``once``.
    """
    primitive, inputs, outputs, source = equation
    if source is not None and not primitive.effect and _copied(equation, values, once):
        return
    token = SOURCE.set(source)
    operands = [v.value if type(v) is Literal else values[v] for v in inputs]
    try:
        result = bind(primitive, *operands)
        if is_watching():
            watch(equation, operands, result if primitive.multiple else (result,), phase_name(equation.source))
    except Exception as error:
        raise annotate(error, equation) from error.__cause__
    finally:
        SOURCE.reset(token)
    if primitive.multiple:
        values.update(zip(outputs, result, strict=True))
    else:
        values[outputs[0]] = result


def _copied(equation: Equation, values: dict[Atom, Any], once: bool) -> bool:
    """Record ``equation`` as it stands, if its operands are tracers of one trace, of the avals that it was made for.

    What it gives is known then: nothing has to be inferred, promoted or broadcast again.
    """
    trace: Trace | None = None
    atoms: list[Atom] = []
    for atom in equation[1]:
        if type(atom) is Var:
            x = values[atom]
            if type(x) is not Tracer or x._var.aval is not atom.aval:
                return False
            if trace is None:
                trace = x._trace
            elif trace is not x._trace:
                return False
            atom = x._var
        atoms.append(atom)
    if trace is None:
        return False
    trace.copy(equation, tuple(atoms), values, once)
    return True


def run_all(
    jaxpr: Jaxpr, values: dict[Atom, Any], frees: dict[int, list[Var]] | None = None, once: bool = False
) -> None:
    """Evaluate every equation whose outputs are not in ``values`` yet.

    ``frees`` lists by the index of an equation the variables whose arrays nobody will ask for after it. ``once`` is as
    for :func:`run`.
    """
    if is_watching() or _current.get() is not None or any([type(x) is Tracer for x in values.values()]):
        for equation in jaxpr.equations:
            if not equation.outputs or equation.outputs[0] not in values:
                run(equation, values, once)
        return
    try:  # on arrays alone nothing is recorded: no dispatch, no source to keep
        for index, equation in enumerate(jaxpr.equations):
            primitive, inputs, outputs, _ = equation
            if outputs and outputs[0] in values:
                continue
            result = primitive.impl(*[v.value if type(v) is Literal else values[v] for v in inputs])
            if primitive.multiple:
                values.update(zip(outputs, result, strict=True))
            else:
                values[outputs[0]] = result
            if frees is not None:
                del result
                for var in frees.get(index, ()):
                    values.pop(var, None)
    except Exception as error:
        raise annotate(error, equation) from error.__cause__


def evaluate(
    jaxpr: Jaxpr, inputs: Sequence[Any], known: dict[Atom, Any] | None = None, frugal: bool = False
) -> list[Any]:
    """Run ``jaxpr`` on arrays, or on tracers: then its equations are recorded in their trace.

    ``known`` holds values that tracing has computed already, and takes the others, with ``frugal`` no longer than they
    are needed.
    """
    values: dict[Atom, Any] = {} if known is None else known
    values.update(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip(jaxpr.in_vars, inputs, strict=True))
    run_all(jaxpr, values, last_uses(jaxpr) if frugal else None)
    return [v.value if type(v) is Literal else values[v] for v in jaxpr.outputs]


def innermost(args: Sequence[Any]) -> Trace | None:
    """Return the trace opened last among those of the tracers in ``args``."""
    best = None
    for x in args:
        if type(x) is Tracer:
            trace = x._trace
            if best is None or trace.order > best.order:
                best = trace
    return best


def bind(primitive: Primitive, *args: Any) -> Any:
    """Apply ``primitive``: recorded in the innermost trace of ``args``, or computed where there is none.

    The operands must suit the primitive exactly; promotion and broadcasting are the public functions' work. Effects are
    recorded in the running trace, whatever their operands are, so that they keep their order.
    """
    trace = innermost(args)
    if primitive.effect and not primitive.checks:
        running = effect_trace()
        # A linear part is no running trace; what says its tangents belongs there all the same.
        if running is not None and (trace is None or trace.order < running.order):
            trace = running
    if trace is None:
        return primitive.impl(*args)
    return trace.record(primitive, tuple([trace.atom(x) for x in args]))


def peek(x: Any) -> Any:
    """Return the concrete value behind ``x``, or UNKNOWN; nothing is recorded."""
    while type(x) is Tracer:
        x = x._trace.value(x._var)
    return x


def current_trace() -> Trace | None:
    """Return the innermost open trace of this thread, if any."""
    return _current.get()


def effect_trace() -> Trace | None:
    """Return the innermost open trace that records what runs now, if any."""
    trace = _current.get()
    if trace is None or not trace.aside:
        return trace
    return next((outer for outer, _ in trace.marks if not outer.aside), None)


class opened:  # noqa: N801  used as `with opened(trace):`, like a function
    """Run the body of a ``with`` with ``trace`` as the current one; close it afterwards, after an exception too."""

    __slots__ = ("_source", "_token", "_trace")

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __enter__(self) -> Trace:
        outer = _current.get()
        if outer is not None:
            marks = [(trace, len(trace.equations)) for trace, _ in outer.marks]
            self._trace.marks = ((outer, len(outer.equations)), *marks)
        self._token = _current.set(self._trace)
        source = SOURCE.get()
        if source is not None:
            self._trace.phase = source[2]
        self._source = SOURCE.set(None)
        return self._trace

    def __exit__(self, *error: object) -> None:
        self._trace.close()
        SOURCE.reset(self._source)
        _current.reset(self._token)
