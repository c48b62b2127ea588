"""What functions with rules of their own share: their arguments, their equations, and the calls of the rules.

A rule is the user's Python function. It is called when a derivative or a batch is asked for, on arrays or on tracers
of the trace that asks; so it may do what a plain function may. In a trace that knows shapes alone it sees those.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import MethodType
from typing import Any, ClassVar, NamedTuple, NoReturn

import numpy as np

from ..compile.simplify import simplify
from ..errors import AutotraceError, MissingRuleError
from ..ir import (
    PRIMAL,
    SOURCE,
    Atom,
    Jaxpr,
    Primitive,
    ShapedArray,
    Var,
    deriving,
    eliminate_dead_code,
    float0,
    here,
    inline,
    tangent_dtype,
)
from ..tracing import (
    SCALAR_AVALS,
    Guard,
    Tracer,
    as_operand,
    bind,
    current_trace,
    evaluate,
    innermost,
    leaf_aval,
    leaf_value,
    trace,
)
from ..tracing.tracer import CALLER
from ..transforms.arguments import function_name, protect
from ..transforms.wrapper import check_callable
from ..tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from .applied import Applied
from .loops import batched_avals
from .matching import check_same
from .programs import Body, batched_program, close, conditional, derive, remembered, zeros

__all__ = [
    "BatchedRule",
    "Call",
    "OwnRule",
    "RuleCall",
    "SymbolicZero",
    "WithRule",
    "conformed",
    "given",
    "given_or_zero",
    "numpy_number",
    "padded",
    "recorded",
    "ruling",
    "strong",
    "tangent_zero",
]


class SymbolicZero:
    """A tangent or cotangent that is known to be zero, of which no array is made.

    Rules that ask for ``symbolic_zeros`` get it in the place of arrays, and any rule may return it.

    >>> SymbolicZero((2,), "float64")
    SymbolicZero(f64[2])
    """

    __slots__ = ("aval",)

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
        self.aval = ShapedArray(tuple(shape), np.dtype(dtype))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the zeros."""
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the zeros."""
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        """The number of axes of the zeros."""
        return self.aval.ndim

    def instantiate(self) -> Any:
        """Return the zeros as an array, read-only."""
        return np.zeros(self.shape, float0) if self.dtype == float0 else zeros(self.aval)

    def __repr__(self) -> str:
        return f"SymbolicZero({self.aval})"


# -- equations -------------------------------------------------------------------------------------


class OwnRule(str):
    """A rule of the user's, as an equation holds it: its name, which is how it prints, and what subclasses add."""

    what: str
    """The function it belongs to, for messages: ``custom_jvp(f)``."""

    def __new__(cls, name: str, what: str, *details: Any) -> Any:
        rule = super().__new__(cls, name)
        rule.what = what
        return rule

    def __eq__(self, other: object) -> bool:
        """Tell whether this is the same rule, not one of the same name."""
        return self is other

    __hash__ = object.__hash__

    def __reduce__(self) -> Any:
        """Save the name: functions are not part of a saved program."""
        return str, (str(self),)


class BatchedRule(OwnRule):
    """A rule for a batch of ``size`` rows: operands so marked carry it as axis 0; ``avals`` are those of one row."""

    def __init__(
        self, name: str, what: str, rule: Any, size: int, marks: Sequence[bool], avals: Sequence[ShapedArray]
    ) -> None:
        self._rule = rule
        self._size = size
        self._marks = marks
        self._avals = avals


class RuleCall(Applied, family=True):
    """``jaxpr`` applied to the operands; some transform asks a rule instead of looking into the program.

    The first ``consts`` operands are what the function closes over. Where nothing is to be transformed any more, the
    compiler writes the program out in its place. A rule that was read from text is but a name.
    """

    jaxpr: Jaxpr
    label: str
    rule: Any
    consts: int = 0
    has_rules: ClassVar[bool] = True

    def settled(self) -> Jaxpr:
        return self.jaxpr

    def impl(self, *inputs: Any) -> Sequence[Any]:
        if innermost(inputs) is not None:  # from eval_jaxpr on traced values, which must not lose the rule
            return bind(self, *inputs)
        return super().impl(*inputs)

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        return bind(self._batched(size, tuple(batched)), *inputs)

    @remembered
    def _batched(self, size: int, marks: tuple[bool, ...]) -> RuleCall:
        wanted = [True] * len(self.jaxpr.outputs)
        jaxpr = derive(
            lambda tracers: batched_program(self.jaxpr, size, tracers, marks, wanted),
            batched_avals(self.jaxpr.in_avals, size, marks),
            f"vmap({self.what})",
        )
        rule = self.batched_rule(size, marks) if isinstance(self.rule, OwnRule) else self.rule
        return type(self)(**(self.params | {"jaxpr": jaxpr, "rule": rule}))

    def when(self, active: Any, operands: Sequence[Any]) -> Sequence[Any]:
        """Apply the program, and call no callback of it unless ``active``, a truth, holds. Rules do as they like."""
        return bind(self._conditional(), active, *operands)

    @remembered
    def _conditional(self) -> RuleCall:
        return type(self)(**(self.params | {"jaxpr": conditional(self.jaxpr), "consts": self.consts + 1}))

    def batched_rule(self, size: int, marks: tuple[bool, ...]) -> OwnRule:
        """Return the rule for a batch of which the operands so marked carry an axis."""
        raise AssertionError(f"this is a bug in autotrace: {self.name} has no rule for a batch")

    @property
    def what(self) -> str:
        """The function as messages call it."""
        return f"{self.name}({self.label})"

    @property
    def own_rule(self) -> Any:
        """The rule. Raises ``MissingRuleError`` where it is but a name, read from text."""
        if not isinstance(self.rule, OwnRule):
            raise MissingRuleError(
                f"{self.what}: a rule is a Python function, which the text of a program does not hold; got the name "
                f"{self.rule!r}{here()}. Trace the function again."
            )
        return self.rule

    def check_closed(self, marks: Sequence[bool], doing: str) -> None:
        """Raise ``TypeError`` if one of the values that the function closes over is marked."""
        if any(marks[: self.consts]):
            aval = self.jaxpr.in_avals[list(marks).index(True)]
            cure = ", or wrap it in stop_gradient" if doing == "differentiated" else ""
            raise TypeError(
                f"{self.what}: what is {doing} must be an argument that its rule knows; got {aval.strong()} that it "
                f"closes over or has in nondiff_argnums{here()}. Pass it as an argument{cure}."
            )


def padded(jaxpr: Jaxpr, at: int, avals: Sequence[ShapedArray]) -> Jaxpr:
    """Return ``jaxpr`` with inputs of ``avals``, which it does not read, at position ``at``."""
    inputs = [*jaxpr.in_vars[:at], *[Var(a) for a in avals], *jaxpr.in_vars[at:]]
    return Jaxpr(inputs, jaxpr.equations, jaxpr.outputs, jaxpr.const_vars, jaxpr.constants)


# -- functions -------------------------------------------------------------------------------------


class Call(NamedTuple):
    """One call inside a trace: the function's program, its operands, and the arguments as trees."""

    body: Body
    leaves: list[Any]
    tree: PyTreeDef
    fixed: list[Any]
    """The arguments of ``nondiff_argnums``."""

    avals: list[ShapedArray]
    """The types of the leaves; those of Python's numbers are weak."""

    def outputs(self, primitive: Primitive, operands: Sequence[Any]) -> Any:
        """Return the result of the call as one equation; computed at once if nothing of it is traced."""
        if innermost(operands) is None:
            return tree_unflatten(self.body.out_tree, evaluate(primitive.jaxpr, operands))  # type: ignore[attr-defined]
        return tree_unflatten(self.body.out_tree, bind(primitive, *operands))


class WithRule:
    """A function that has rules of its own: what the decorators return."""

    decorator: ClassVar[str]

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Any = (), nondiff_argnames: Any = ()) -> None:
        check_callable(fun, self.decorator, f"@{self.decorator} over a function")
        functools.update_wrapper(self, fun, updated=())
        self._fun = fun
        self.label = function_name(fun)
        """What equations and messages call it."""
        self._what = f"{self.decorator}({self.label})"
        self._signature: inspect.Signature | None = None
        if not isinstance(fun, np.ufunc):  # whose signature, where it tells one, has out and where
            with suppress(TypeError, ValueError):  # Python does not tell, as for many built-in functions
                self._signature = inspect.signature(fun)
        self._nondiff = self._positions(nondiff_argnums, nondiff_argnames)

    def _positions(self, argnums: Any, argnames: Any) -> tuple[int, ...]:
        """Return the positions of the arguments that no rule differentiates."""
        numbers = argnums if isinstance(argnums, tuple | list) else (argnums,)
        if not all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in numbers):
            raise TypeError(
                f"{self._what}: nondiff_argnums must be an integer or a tuple of integers; got {argnums!r}. "
                "Use nondiff_argnames for names."
            )
        names = (argnames,) if isinstance(argnames, str) else tuple(argnames)
        parameters = list(self._signature.parameters.values()) if self._signature else []
        places = {p.name: i for i, p in enumerate(parameters) if p.kind is not p.VAR_POSITIONAL}
        for name in names:
            if name not in places:
                raise ValueError(
                    f"{self._what}: nondiff_argnames must name parameters; got {name!r} for a function of "
                    f"({', '.join(places)}). Correct the name."
                )
        count = len(parameters)
        if self._signature and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            for i in numbers:
                if not -count <= i < count:
                    raise ValueError(
                        f"{self._what}: nondiff_argnums must name parameters; got {argnums!r} for a function of "
                        f"({', '.join(places)}). Count from 0."
                    )
            numbers = [i % count for i in numbers]
        return tuple(sorted({*map(int, numbers), *[places[name] for name in names]}))

    def __repr__(self) -> str:
        return self._what

    def __reduce__(self) -> str:
        return str(self.__qualname__)  # type: ignore[attr-defined]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def _check_rule(self) -> None:
        """Raise ``MissingRuleError`` if the rule was not given."""
        raise AssertionError(f"this is a bug in autotrace: {self._what} has no rule for a batch")

    def _record(self, call: Call) -> Any:
        """Bind the equation of a call, and return the result."""
        raise AssertionError(f"this is a bug in autotrace: {self._what} has no rule for a batch")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._check_rule()
        if current_trace() is None:
            return self._fun(*args, **kwargs)
        positional = self._resolved(args, kwargs)
        fixed = [protect(positional[i]) for i in self._nondiff if i < len(positional)]
        others = tuple([x for i, x in enumerate(positional) if i not in self._nondiff])
        raw, tree = self._leaves(others, [i for i in range(len(positional)) if i not in self._nondiff])
        leaves = [numpy_number(x) for x in raw]
        avals = [leaf_aval(x) for x in raw]

        def flat(tracers: list[Any]) -> Any:
            return self._fun(*self.merged(fixed, tree_unflatten(tree, tracers)))

        return self._record(Call(recorded(flat, leaves, avals, self._what), leaves, tree, fixed, avals))

    def _resolved(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return all arguments by position, defaults included."""
        if self._signature is None:
            if kwargs:
                raise TypeError(
                    f"{self._what}: arguments by name need a signature, and {function_name(self._fun)} has none; got "
                    f"{', '.join(kwargs)}{here()}. Pass them by position."
                )
            return args
        bound = self._signature.bind(*args, **kwargs)
        given_by_name = bound.kwargs
        bound.apply_defaults()
        if given_by_name:
            raise TypeError(
                f"{self._what}: every argument must have a position, for its rule; got the keyword-only "
                f"{', '.join(given_by_name)}{here()}. Drop the star from the signature."
            )
        return bound.args

    def merged(self, fixed: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        """Return the arguments in their order."""
        rest, known = iter(others), iter(fixed)
        count = len(fixed) + len(others)
        return [next(known) if i in self._nondiff else next(rest) for i in range(count)]

    def _leaves(self, others: tuple[Any, ...], positions: Sequence[int]) -> tuple[list[Any], PyTreeDef]:
        raw, tree = tree_flatten(others)
        try:
            return [x if type(x) in SCALAR_AVALS else leaf_value(x, "", self._what) for x in raw], tree
        except TypeError:
            cure = "Name it in nondiff_argnums, or close over it."
            for position, argument in zip(positions, others, strict=True):
                for path, x in tree_flatten_with_path(argument)[0]:
                    leaf_value(x, f"argument[{position}]{keystr(path)}", self._what, cure)
            raise


def numpy_number(x: Any) -> Any:
    """Return a number of Python as NumPy's, anything else as it is."""
    return SCALAR_AVALS[type(x)].dtype.type(x) if type(x) in SCALAR_AVALS else x


def recorded(
    function: Callable[[list[Any]], Any], values: Sequence[Any], avals: Sequence[ShapedArray], what: str
) -> Body:
    """Trace ``function`` of known ``values``. What Python asks of them is recorded outside of its program."""
    traced = trace(function, avals, values, what)
    asked, jaxpr = _guards_apart(traced.jaxpr)
    if asked is not None:
        evaluate(asked, values, traced.values)
    jaxpr = inline(jaxpr)
    jaxpr = simplify(jaxpr, reassociate=False) if traced.derived else jaxpr
    return Body(*close(jaxpr if asked is None else eliminate_dead_code(jaxpr)), traced.out_tree)


def _guards_apart(jaxpr: Jaxpr) -> tuple[Jaxpr | None, Jaxpr]:
    """Return the program of the guards, with what they need, and ``jaxpr`` without them."""
    if not any(type(e.primitive) is Guard for e in jaxpr.equations):
        return None, jaxpr
    needed: set[Atom] = set()
    asked = []
    for equation in reversed(jaxpr.equations):
        if type(equation.primitive) is Guard or not needed.isdisjoint(equation.outputs):
            asked.append(equation)
            needed.update([v for v in equation.inputs if type(v) is Var])
    rest = [e for e in jaxpr.equations if type(e.primitive) is not Guard]
    return jaxpr.replace(equations=asked[::-1], outputs=()), jaxpr.replace(equations=rest)


# -- what rules are given, and what they return ----------------------------------------------------


@contextmanager
def ruling(values: Sequence[Any]) -> Iterator[None]:
    """Run a rule of ``values`` in a ``with`` block: what it records comes from its own lines, and is simplified."""
    owner, source = innermost(values), SOURCE.get()
    phase = owner.phase if owner is not None else PRIMAL
    if owner is not None and source is not None:
        owner.phase = source[2] or phase
    try:
        with deriving(None):
            yield
    finally:
        if owner is not None:
            owner.phase = phase
    if owner is not None:
        owner.derived = True


def given(values: Sequence[Any]) -> list[Any]:
    """Return ``values`` as arguments of a rule, which must not write into them; all are traced where some are.

    So a rule may index an array with a traced number, as a traced function may.
    """
    owner = innermost(values)
    return [_argument(x, owner) for x in values]


def _argument(x: Any, owner: Any) -> Any:
    if type(x) is not Tracer:
        if owner is None or not isinstance(x, np.ndarray | np.generic) or x.dtype == float0:
            return protect(x)
        return Tracer(owner, owner.constant(ShapedArray(x.shape, x.dtype), x))
    argument = Tracer(x._trace, x._var)
    argument._alias = CALLER
    return argument


def strong(x: Any) -> ShapedArray:
    """Return the aval of an operand, never weakly typed."""
    if type(x) in SCALAR_AVALS:
        return SCALAR_AVALS[type(x)].strong()
    return ShapedArray(tuple(x.shape), x.dtype)


def conformed(
    result: Any,
    tree: PyTreeDef,
    avals: Sequence[ShapedArray],
    what: str,
    word: str,
    when: tuple[str, str],
    loose: bool = False,
) -> list[Any]:
    """Return the leaves of what a rule has returned, which must be of ``tree`` and ``avals``; None for symbolic zeros.

    Python's numbers adapt to the dtype that they meet, and all do where ``loose``: if arguments are weakly typed.
    """
    raw, got = tree_flatten(result)
    if got != tree:
        check_same(what, word, tree, avals, got, (), when)
    leaves = [_adapted(x, a, what, word, when, loose or a.weak_type) for x, a in zip(raw, avals, strict=True)]
    found = [x.aval if type(x) is SymbolicZero else strong(x) for x in leaves]
    check_same(what, word, tree, avals, got, found, when)
    return [None if type(x) is SymbolicZero else x for x in leaves]


def _adapted(x: Any, aval: ShapedArray, what: str, word: str, when: tuple[str, str], loose: bool) -> Any:
    kind = type(x)
    if kind is SymbolicZero:
        return x
    if kind in SCALAR_AVALS:
        dtype = SCALAR_AVALS[kind].dtype
        fits = aval.dtype.kind in "fciub" and np.can_cast(dtype, aval.dtype, "same_kind")
        return (aval.dtype if fits else dtype).type(x)
    try:
        x = as_operand(x)
    except (TypeError, ValueError) as error:
        if isinstance(error, AutotraceError):
            raise
        _refuse(x, what, word, when)
    weak = (loose or (type(x) is Tracer and x.aval.weak_type)) and x.dtype != aval.dtype
    return x.astype(aval.dtype) if weak and np.can_cast(x.dtype, aval.dtype, "same_kind") else x


def _refuse(x: Any, what: str, word: str, when: tuple[str, str]) -> NoReturn:
    raise TypeError(
        f"{what}: the {word} must hold arrays and numbers; got {type(x).__name__} {when[1]}{here()}. Return arrays."
    ) from None


def given_or_zero(t: Any, aval: ShapedArray, symbolic: bool) -> Any:
    """Return a tangent or cotangent of a value of ``aval`` as a rule gets it; None is zero."""
    if t is not None:
        return given([t])[0]
    zero = tangent_zero(aval)
    return zero if symbolic else zero.instantiate()


def tangent_zero(aval: ShapedArray) -> SymbolicZero:
    """Return the zero tangent of a value of ``aval``."""
    return SymbolicZero(aval.shape, tangent_dtype(aval.dtype))
