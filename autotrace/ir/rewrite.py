"""Programs changed: equations mapped, variables substituted, calls written out, dead equations dropped.

For those who write transforms. Each function returns another program and leaves the given one as it is; they are
methods of :class:`autotrace.Jaxpr` too. They know programs by their parts alone, and no operation by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import JaxprTypeError
from .equation import Atom, Equation, Literal, Var
from .primitive import Primitive
from .source import here

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = [
    "count_primitives",
    "eliminate_dead_code",
    "has_backward_rule",
    "has_own_rules",
    "inline",
    "map_equations",
    "map_programs",
    "programs_in",
    "subjaxprs",
    "substitute",
]


# -- programs in equations


def programs_in(value: Any) -> Iterator[Jaxpr]:
    """Yield the programs that ``value``, a parameter of a primitive, is or holds in tuples."""
    if hasattr(value, "in_vars"):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from programs_in(item)


def subjaxprs(jaxpr: Jaxpr) -> tuple[Jaxpr, ...]:
    """Return the programs that the equations of ``jaxpr`` hold, each once, in order; not those inside these."""
    found: dict[int, Jaxpr] = {}
    for equation in jaxpr.equations:
        for value in equation.params.values():
            found.update((id(program), program) for program in programs_in(value))
    return tuple(found.values())


def map_programs(primitive: Primitive, function: Callable[[Jaxpr], Jaxpr]) -> Primitive:
    """Return ``primitive`` with ``function`` of every program that it holds in its place."""
    params = primitive.params
    mapped = {key: _mapped(value, function) for key, value in params.items()}
    return primitive if all(mapped[key] is params[key] for key in params) else type(primitive)(**mapped)


def _mapped(value: Any, function: Callable[[Jaxpr], Jaxpr]) -> Any:
    if hasattr(value, "in_vars"):
        return function(value)
    if isinstance(value, tuple) and any(True for _ in programs_in(value)):
        return tuple([_mapped(item, function) for item in value])
    return value


def count_primitives(jaxpr: Jaxpr) -> Counter[str]:
    """Return how many equations of each primitive the text of ``jaxpr`` has, those of nested programs included."""
    counts: Counter[str] = Counter()
    todo = [jaxpr]
    while todo:
        program = todo.pop()
        for equation in program.equations:
            counts[equation.primitive.name] += 1
            todo.extend(inner for value in equation.params.values() for inner in programs_in(value))
    return counts


# -- equations


def map_equations(
    jaxpr: Jaxpr, function: Callable[[Equation], Equation | Iterable[Equation] | None], nested: bool = False
) -> Jaxpr:
    """Return ``jaxpr`` with what ``function`` returns in place of each equation: one, several, or None for none.

    With ``nested`` it is done in programs inside equations too, before ``function`` sees the equation.
    """
    if not callable(function):
        raise TypeError(
            f"map_equations: the argument must be a function of an equation; got {type(function).__name__}. "
            "Pass lambda equation: ..."
        )
    equations: list[Equation] = []
    for equation in jaxpr.equations:
        if nested:
            primitive = map_programs(equation.primitive, lambda inner: map_equations(inner, function, nested=True))
            equation = equation._replace(primitive=primitive)
        equations += _equations(function(equation))
    return jaxpr.replace(equations=equations)


def _equations(found: Any) -> Sequence[Equation]:
    """Return what the user's function returned as a list of equations."""
    if isinstance(found, Iterable) and not isinstance(found, Equation):  # an equation is a tuple, too
        listed = list(found)
    else:
        listed = [] if found is None else [found]
    if not all(isinstance(e, Equation) for e in listed):
        raise TypeError(
            "map_equations: the function must return an equation, several, or None; got "
            f"{type(found).__name__}{here()}. Make one: equation._replace(...)."
        )
    return listed


def substitute(jaxpr: Jaxpr, atoms: Mapping[Var, Atom]) -> Jaxpr:
    """Return ``jaxpr`` reading ``atoms[v]`` wherever it read the variable v, all at once; v may be an input.

    Raises :class:`autotrace.errors.JaxprTypeError` where an atom has another shape or dtype than its variable.
    """
    for var, atom in atoms.items():
        if not isinstance(var, Var) or not isinstance(atom, Var | Literal):
            raise TypeError(
                f"substitute: keys must be variables, values variables or literals; got {type(var).__name__} and "
                f"{type(atom).__name__}. Write a number as Literal(np.float64(2.0))."
            )
        if (var.aval.shape, var.aval.dtype) != (atom.aval.shape, atom.aval.dtype):
            raise JaxprTypeError(
                f"substitute: an atom must have the type of the variable it replaces, {var.aval}; got {atom.aval}. "
                "Convert or broadcast it in an equation of its own."
            )

    def named(read: Sequence[Atom]) -> tuple[Atom, ...]:
        return tuple([atoms.get(v, v) if type(v) is Var else v for v in read])

    equations = [equation._replace(inputs=named(equation.inputs)) for equation in jaxpr.equations]
    return jaxpr.replace(equations=equations, outputs=named(jaxpr.outputs))


def eliminate_dead_code(jaxpr: Jaxpr) -> Jaxpr:
    """Return ``jaxpr`` without equations that no output and no effect needs. Inputs stay.

    A loop of whose outputs only some are needed becomes one that gives those alone (``primitive.pruned``).
    """
    needed: set[Atom] = {v for v in jaxpr.outputs if type(v) is Var}
    kept = []
    for equation in reversed(jaxpr.equations):
        if equation.primitive.effect or not needed.isdisjoint(equation.outputs):
            if equation.primitive.holds_programs and not needed.issuperset(equation.outputs):
                equation = _pruned(equation, needed)
            kept.append(equation)
            needed.update([v for v in equation.inputs if type(v) is Var])
    kept.reverse()
    return jaxpr.replace(equations=kept)


def _pruned(equation: Equation, needed: set[Atom]) -> Equation:
    """Return ``equation`` without the outputs that nobody needs, and the operands that only they need."""
    found = equation.primitive.pruned(tuple([v in needed for v in equation.outputs]))
    if found is None:
        return equation
    primitive, inputs, outputs = found
    return equation._replace(
        primitive=primitive,
        inputs=tuple([equation.inputs[i] for i in inputs]),
        outputs=tuple([equation.outputs[i] for i in outputs]),
    )


def has_backward_rule(jaxpr: Jaxpr) -> bool:
    """Tell whether an equation of ``jaxpr``, or of a program that it runs, has a backward rule of the user's."""
    return any(
        [
            p.backward or (p.holds_programs and any([has_backward_rule(run.program) for run in p.runs()]))
            for p in [equation.primitive for equation in jaxpr.equations]
        ]
    )


def has_own_rules(equations: Iterable[Equation]) -> bool:
    """Tell whether one of ``equations``, or of a program that it runs, has rules of the user's."""
    return any(
        [
            p.has_rules or (p.holds_programs and any([has_own_rules(run.program.equations) for run in p.runs()]))
            for p in [equation.primitive for equation in equations]
        ]
    )


# -- calls written out


def inline(jaxpr: Jaxpr, program_of: Callable[[Any], Jaxpr | None] = lambda primitive: primitive.called()) -> Jaxpr:
    """Return ``jaxpr`` with every equation that stands for a program replaced by that program.

    ``program_of`` says for a primitive which one, if any. A program that will not be differentiated or batched is
    settled: there, functions with rules of their own are written out too (``primitive.settled()``).
    """
    holding = [equation.primitive for equation in jaxpr.equations if equation.primitive.holds_programs]
    if all([program_of(primitive) is None for primitive in holding]):
        return jaxpr
    written: list[Equation] = []
    constants: dict[Var, Any] = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    names: dict[Atom, Atom] = {}
    _write(jaxpr, names, written, constants, fresh=False, program_of=program_of)
    outputs = [names.get(v, v) for v in jaxpr.outputs]
    return jaxpr.replace(
        equations=written, outputs=outputs, const_vars=tuple(constants), constants=tuple(constants.values())
    )


def _write(
    jaxpr: Jaxpr,
    names: dict[Atom, Atom],
    written: list[Equation],
    constants: dict[Var, Any],
    fresh: bool,
    program_of: Callable[[Any], Jaxpr | None],
) -> None:
    """Write the equations of ``jaxpr``; ``names`` says what its variables are called in the whole."""
    for primitive, inputs, outputs, source in jaxpr.equations:
        read = tuple([v if type(v) is Literal else names.get(v, v) for v in inputs])
        called = program_of(primitive)
        if called is not None:
            names.update(zip(outputs, _call(called, read, written, constants, program_of), strict=True))
            continue
        if fresh:
            made = tuple([Var(v.aval) for v in outputs])
            names.update(zip(outputs, made, strict=True))
            outputs = made
        written.append(Equation(primitive, read, outputs, source))


def _call(
    called: Jaxpr,
    read: Sequence[Atom],
    written: list[Equation],
    constants: dict[Var, Any],
    program_of: Callable[[Any], Jaxpr | None],
) -> list[Atom]:
    """Write a called program for operands ``read`` and return the atoms of its outputs. Every copy has new names."""
    names: dict[Atom, Atom] = dict(zip(called.in_vars, read, strict=True))
    for var, value in zip(called.const_vars, called.constants, strict=True):
        copy = Var(var.aval)
        constants[copy] = value
        names[var] = copy
    _write(called, names, written, constants, fresh=True, program_of=program_of)
    return [v if type(v) is Literal else names[v] for v in called.outputs]
