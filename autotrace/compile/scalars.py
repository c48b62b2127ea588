"""Programs of scalars, loops and branches among them, as one function of Python's numbers and ``math``.

They run ten times as fast as on NumPy's scalars. What NumPy would do otherwise is left to NumPy: where Python raises
(the logarithm of zero, a division by zero), a number that is not finite could have been swallowed, or an integer leaves
the range of int64, the whole program runs again on NumPy and gives its infinities, NaN and warnings. So a result
differs from NumPy's by rounding at most.

``floats`` tells what an operation is, ``doubts`` which results must be looked at; ``numbers`` writes the statements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir import Atom, Equation, Jaxpr, Literal, Var
from .blocks import Branches, Rows, programs_of, roles
from .floats import BOOL, FLOAT, INT, PYTHON, operation
from .numbers import Block, Writer

__all__ = ["generate_scalar", "is_scalar_program"]

_SCALARS = {FLOAT: "float64", INT: "int64", BOOL: "bool_"}
"""What NumPy's scalars are called in the function."""
_LONGEST = 100_000
"""Equations, those of loops and branches written out."""
_NESTED = 12
"""Loops and branches in one another; Python has a bound."""


def is_scalar_program(jaxpr: Jaxpr) -> bool:
    """Tell whether every value is a scalar of float64, int64 or bool, or rows of these that loops read or make.

    Arrays may also be handed through.
    """
    made = [v for v in jaxpr.outputs if not _is_handed_through(jaxpr, v)]
    read = _read(jaxpr)
    given = [v for v in (*jaxpr.in_vars, *jaxpr.const_vars) if v in read]
    rank = max([v.aval.ndim for v in (*made, *given)], default=0)
    if not jaxpr.equations or rank > 1 or _room_left(jaxpr, _LONGEST, _NESTED) < 0:
        return False
    return _is_scalar(jaxpr.replace(outputs=made), made)


def _room_left(jaxpr: Jaxpr, room: int, levels: int) -> int:
    """Return how many of ``room`` equations are left once ``jaxpr`` is written out; negative if it is too long or deep.

    A program may stand in many equations, which other programs hold in turn: written out, it can be of any length.
    """
    room -= len(jaxpr.equations)
    for equation in jaxpr.equations:
        block = equation.primitive.block()
        if block is None:
            continue
        for program in programs_of(block):
            if room < 0 or not levels:
                return -1
            room = _room_left(program, room, levels - 1)
    return room


def _read(jaxpr: Jaxpr) -> set[Atom]:
    """Return the variables that equations read."""
    return {v for e in jaxpr.equations for v in e.inputs if type(v) is Var}


def _is_handed_through(jaxpr: Jaxpr, atom: Atom) -> bool:
    return bool(atom.aval.ndim) and (atom in jaxpr.in_vars or atom in jaxpr.const_vars)


def _is_scalar(jaxpr: Jaxpr, ys: Sequence[Atom] = ()) -> bool:
    """Tell whether a program is of scalars and rows; of its outputs, the ``ys`` alone may be rows."""
    made: set[Atom] = set()
    given: set[Atom] = set()
    atoms: set[Atom] = set(jaxpr.outputs)
    for equation in jaxpr.equations:
        inputs = [v for v in equation.inputs if type(v) is not Literal]
        atoms.update(inputs, equation.outputs)
        rows = [v for v in inputs if v.aval.ndim]
        if equation.primitive.block() is not None:
            made.update(equation.outputs)
            given.update(rows)
        elif not made.issuperset(rows):
            return False  # a sum of rows that no loop makes: NumPy's is faster
    return (
        all(v.aval.dtype in PYTHON for v in atoms)
        and all(v in made or v in given for v in atoms if v.aval.ndim)
        and all(v in ys and v in made for v in jaxpr.outputs if v.aval.ndim)
        and all(map(_is_known, jaxpr.equations))
    )


def _is_known(equation: Equation) -> bool:
    """Tell whether an equation can be written with Python's numbers."""
    block = equation.primitive.block()
    if block is None:
        return len(equation.outputs) <= 1 and operation(equation) is not None
    if type(block) is Branches:
        index = equation.inputs[0].aval
        return not index.ndim and index.dtype in (INT, BOOL) and all(map(_is_scalar, block.branches))
    carry = roles(equation).carry
    return (
        (type(block) is Rows or _is_scalar(block.condition))
        and _is_scalar(block.body, block.body.outputs[len(carry) :])
        and not any(v.aval.ndim for v in carry)
    )


def generate_scalar(
    jaxpr: Jaxpr, on_numpy: Callable[..., Sequence[Any]]
) -> tuple[Callable[..., Any], str, dict[int, int]]:
    """Generate the function of a scalar program, its source, and which equation stands at which line.

    ``on_numpy`` is the same program on NumPy. Python's numbers are as good as NumPy's scalars for inputs.
    """
    writer = Writer(len(jaxpr.in_vars))
    parameters = [f"v{i}" for i in range(len(jaxpr.in_vars))]
    program = Block(writer, jaxpr, _write_inputs(writer, jaxpr, parameters))
    where = _write_equations(program, jaxpr)
    results = [
        parameters[jaxpr.in_vars.index(v)] if v.aval.ndim and v in jaxpr.in_vars else _result(program, jaxpr, v)
        for v in jaxpr.outputs
    ]
    writer.line(f"return ({', '.join(results)}{',' if len(results) == 1 else ''})")
    numbers = [
        name if v.aval.ndim else f"{_SCALARS[v.aval.dtype]}({name})"
        for v, name in zip(jaxpr.in_vars, parameters, strict=True)
    ]
    head = [f"def program({', '.join(parameters)}):", "    try:"]
    otherwise = ["    except NumPyDecides:", "        pass", f"    return on_numpy({', '.join(numbers)})"]
    source = "\n".join([*head, *writer.lines, *otherwise])
    writer.scope["on_numpy"] = on_numpy
    exec(compile(source, "<autotrace scalar program>", "exec"), writer.scope)
    return writer.scope["program"], source, {line + len(head): index for line, index in where.items()}


def _write_inputs(writer: Writer, jaxpr: Jaxpr, parameters: Sequence[str]) -> list[str]:
    """Write that the inputs are Python's numbers and rows of them; return what those are called."""
    names = [f"{name}_" for name in parameters]
    read = _read(jaxpr).union([v for v in jaxpr.outputs if not v.aval.ndim])
    for var, parameter, name in zip(jaxpr.in_vars, parameters, names, strict=True):
        if var in read:
            writer.line(f"{name} = {'listed' if var.aval.ndim else PYTHON[var.aval.dtype].__name__}({parameter})")
    return names


def _write_equations(program: Block, jaxpr: Jaxpr) -> dict[int, int]:
    """Write the equations, and look at results; return which equation starts or ends at which line."""
    writer = program.writer
    where: dict[int, int] = {}
    for index, equation in enumerate(jaxpr.equations):
        start = len(writer.lines)
        program.write([equation])
        if equation.primitive.block() is not None:
            writer.line("pass")  # the end of the equation, for those who want to know when that is
        lines = writer.lines[start:]
        if equation.outputs:
            where.update({start + i: index for i in {1, len(lines)} if not lines[i - 1].endswith(":")})
    program.look(writer.doubts.of(jaxpr.equations, set()))
    return where


def _result(program: Block, jaxpr: Jaxpr, atom: Atom) -> str:
    """Return the expression of an output, a scalar of NumPy's or an array."""
    if type(atom) is Literal:
        return program.writer.hold(atom.value)
    if _is_handed_through(jaxpr, atom):
        return program.writer.hold(jaxpr.constants[jaxpr.const_vars.index(atom)])
    kind = _SCALARS[atom.aval.dtype]
    return f"as_array({program.name(atom)}, {kind})" if atom.aval.ndim else f"{kind}({program.name(atom)})"
