"""Programs of scalars, loops and branches among them, as one function of Python's numbers and ``math``.

They run ten times as fast as on NumPy's scalars. What NumPy would do otherwise is left to NumPy: where Python raises
(the logarithm of zero, a division by zero), a number that is not finite could have been swallowed, or an integer leaves
the range of int64, the whole program runs again on NumPy and gives its infinities, NaN and warnings. So a result
differs from NumPy's by rounding at most.

What is stacked from run to run is a list, or past some length an array of the standard library's; a loop reads what
another one has stacked as it is. ``floats`` tells what an operation is, and which results are doubtful.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from ..errors import GuardError
from ..ir import Atom, Equation, Jaxpr, Literal, Var
from ..primitives.arithmetic import Add, Sub
from ..tracing import Guard
from .blocks import Branches, Repeated, Rows, programs_of
from .floats import BOOL, FLOAT, INT, MATH, Operation, operation
from .simplify import simplify

__all__ = ["generate_scalar", "is_scalar_program"]

_TYPES = {FLOAT: ("float", "float64"), INT: ("int", "int64"), BOOL: ("bool", "bool_")}
"""What each value is called as Python's number and as NumPy's scalar."""
_PYTHONS: dict[Any, type] = {FLOAT: float, INT: int, BOOL: bool}
_CODES = {FLOAT: "d", INT: "q", BOOL: "b"}
_LISTED = 200_000
"""Rows up to which they are a list: four times the memory of an array of the standard library's, less time."""
_DEEPEST = 8
"""Expressions that stand in one another; Python's parser has a bound."""
LONGEST = 100_000
"""Equations, those of loops and branches written out."""
_NESTED = 12
"""Loops and branches in one another; Python has a bound."""
_DOUBT = "raise ArithmeticError"


# -- which programs --------------------------------------------------------------------------------


def is_scalar_program(jaxpr: Jaxpr) -> bool:
    """Tell whether every value is a scalar of float64, int64 or bool, or rows of these that loops read or make.

    Arrays may also be handed through.
    """
    made = [v for v in jaxpr.outputs if not _is_handed_through(jaxpr, v)]
    read = _read(jaxpr)
    rank = max(
        [v.aval.ndim for v in (*made, *[v for v in (*jaxpr.in_vars, *jaxpr.const_vars) if v in read])], default=0
    )
    if not jaxpr.equations or rank > 1 or _room_left(jaxpr, LONGEST, _NESTED) < 0:
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
        all(v.aval.dtype in _TYPES for v in atoms)
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
    roles = _roles(equation)
    return (
        (type(block) is Rows or _is_scalar(block.condition))
        and _is_scalar(block.body, block.body.outputs[len(roles.carry) :])
        and not any(v.aval.ndim for v in roles.carry)
    )


class _Roles(NamedTuple):
    """The operands of a loop, and its outputs."""

    fixed: Sequence[Atom]
    carry: Sequence[Atom]
    mask: Sequence[Atom]
    rows: Sequence[Atom]
    ends: Sequence[Var]
    ys: Sequence[Var]


def _roles(equation: Equation) -> _Roles:
    block: Any = equation.primitive.block()
    first = block.consts if type(block) is Rows else block.asked + block.consts
    carry = block.carry if type(block) is Rows else len(block.body.in_vars) - block.consts
    at = first + carry
    rows = at + (type(block) is Rows and block.masked)
    ins, outs = equation.inputs, equation.outputs
    return _Roles(ins[:first], ins[first:at], ins[at:rows], ins[rows:], outs[:carry], outs[carry:])


# -- what must be looked at ------------------------------------------------------------------------


class _Plan(NamedTuple):
    """A loop as it is written: what is asked before each run, and what is done in it."""

    jaxpr: Jaxpr
    """Its inputs are the constants, the carry and the rows; its outputs the carry and the ys."""
    asking: Sequence[Equation]
    running: Sequence[Equation]
    truth: Atom | None
    carried: frozenset[int]
    """The values of the carry that are not finite at the end if they were not once."""
    listed: bool
    """The ys are to be looked at as a whole, after the loop."""
    asked: Sequence[Atom]
    """What must be looked at before it is told whether to go on."""
    looked_at: Sequence[Atom]
    """What must be looked at after each run."""


_Programs = tuple[Jaxpr, Sequence[Equation], Sequence[Equation], Atom | None]


class _Plans:
    """How the loops of a program are written, each planned once, and which of its values must be looked at."""

    def __init__(self) -> None:
        self._known: dict[int, _Plan] = {}

    def of(self, equation: Equation) -> _Plan:
        """Return the plan of a loop."""
        found = self._known.get(id(equation))
        if found is None:
            found = self._known[id(equation)] = self._made(equation)
        return found

    def doubts(self, equations: Sequence[Equation], covered: set[Atom]) -> list[Atom]:
        """Return which results must be looked at, so that no number that is not finite is swallowed.

        Those ``covered`` are looked at in any case, or make something not finite that is; more are added.
        """
        found: list[Atom] = []

        def relied_on(atom: Atom) -> None:
            if atom not in covered:
                found.append(atom)
                covered.add(atom)

        for equation in reversed(equations):
            block = equation.primitive.block()
            if block is None:
                known = operation(equation)
                if known is None or not equation.outputs:
                    continue
                out = equation.outputs[0]
                if known.doubtful and out.aval.dtype == FLOAT:
                    relied_on(out)
                if known.kept and out in covered:
                    kept = [equation.inputs[int(k)] for k in known.kept]
                    covered.update([v for v in kept if type(v) is not Literal])
                continue
            if type(block) is Branches:
                for out in equation.outputs:
                    if out.aval.dtype == FLOAT:
                        relied_on(out)
                continue
            plan, roles = self.of(equation), _roles(equation)
            for i in plan.carried:
                relied_on(roles.ends[i])
                covered.add(roles.carry[i])
            for out in roles.ys if plan.listed else ():
                if out.aval.dtype == FLOAT and out.aval.ndim == 1:
                    relied_on(out)
        return found

    def _made(self, equation: Equation) -> _Plan:
        block, roles = equation.primitive.block(), _roles(equation)
        counts = len(roles.fixed), len(roles.carry)
        programs = _program_of_rows(block, roles.fixed) if type(block) is Rows else _one_program(block, roles.fixed)
        plans = [self._plan(*programs, *counts, listed) for listed in (False, True)]
        return min(plans, key=lambda plan: len(plan.looked_at))  # the first if they are alike

    def _plan(
        self,
        jaxpr: Jaxpr,
        asking: Sequence[Equation],
        running: Sequence[Equation],
        truth: Atom | None,
        first: int,
        count: int,
        listed: bool,
    ) -> _Plan:
        before, after = jaxpr.in_vars[first : first + count], jaxpr.outputs[:count]
        carried = frozenset([i for i, v in enumerate(before) if v.aval.dtype == FLOAT])
        while True:
            covered: set[Atom] = set()
            asked = self.doubts(asking, covered)
            covered.update([after[i] for i in carried])
            if listed:
                covered.update([v for v in jaxpr.outputs[count:] if not v.aval.ndim])
            looked_at = self.doubts(running, covered)
            still = frozenset([i for i in carried if before[i] in covered])
            if still == carried:
                return _Plan(jaxpr, asking, running, truth, carried, listed, asked, looked_at)
            carried = still


def _as_operands(inputs: Sequence[Var], operands: Sequence[Atom]) -> dict[Atom, Atom]:
    """Return what constants of a loop are to be called: equal ones alike, and numbers as such."""
    first: dict[Atom, Var] = {}
    return {
        v: Literal(v.aval.dtype.type(atom.value)) if type(atom) is Literal else first.setdefault(atom, v)
        for v, atom in zip(inputs, operands, strict=True)
    }


def _renamed(equations: Iterable[Equation], names: dict[Atom, Atom]) -> list[Equation]:
    return [e._replace(inputs=tuple([names.get(v, v) for v in e.inputs])) for e in equations]


def _program_of_rows(block: Rows, fixed: Sequence[Atom]) -> _Programs:
    """Return the program of a run for given constants, with nothing to be asked."""
    body = block.body
    names = _as_operands(body.in_vars[: block.consts], fixed)
    outputs = [names.get(v, v) for v in body.outputs]
    program = simplify(body.replace(equations=_renamed(body.equations, names), outputs=outputs), reassociate=False)
    return program, [], program.equations, None


def _one_program(block: Repeated, fixed: Sequence[Atom]) -> _Programs:
    """Return condition and body as one program, what both compute computed once, and cut in two again."""
    condition, body = block.condition, block.body
    own = [*condition.in_vars[: block.asked], *body.in_vars[: block.consts]]
    names = _as_operands(own, fixed)
    names.update(zip(condition.in_vars[block.asked :], body.in_vars[block.consts :], strict=True))
    program = Jaxpr(
        [*own, *body.in_vars[block.consts :]],
        _renamed([*condition.equations, *body.equations], names),
        [names.get(v, v) for v in (condition.outputs[0], *body.outputs)],
        [*condition.const_vars, *body.const_vars],
        [*condition.constants, *body.constants],
    )
    program = simplify(program, reassociate=False)
    truth = program.outputs[0]
    needed: set[Atom] = {truth}
    asking: list[Equation] = []
    for equation in reversed(program.equations):
        if not needed.isdisjoint(equation.outputs):
            needed.update(equation.inputs)
            asking.insert(0, equation)
    running = [e for e in program.equations if needed.isdisjoint(e.outputs)]
    return program.replace(outputs=program.outputs[1:]), asking, running, truth


# -- the function ----------------------------------------------------------------------------------


def generate_scalar(
    jaxpr: Jaxpr, on_numpy: Callable[..., Sequence[Any]]
) -> tuple[Callable[..., Any], str, dict[int, int]]:
    """Generate the function of a scalar program, its source, and which equation stands at which line.

    ``on_numpy`` is the same program on NumPy. Python's numbers are as good as NumPy's scalars for inputs.
    """
    writer = _Writer(len(jaxpr.in_vars))
    parameters = [f"v{i}" for i in range(len(jaxpr.in_vars))]
    taken = [f"{name}_" for name in parameters]
    read = _read(jaxpr).union([v for v in jaxpr.outputs if not v.aval.ndim])
    for var, name, own in zip(jaxpr.in_vars, parameters, taken, strict=True):
        if var in read:
            writer.line(f"{own} = {'listed' if var.aval.ndim else _TYPES[var.aval.dtype][0]}({name})")
    program = _Block(writer, jaxpr, taken)
    where: dict[int, int] = {}
    for index, equation in enumerate(jaxpr.equations):
        start = len(writer.lines)
        program.write([equation])
        if equation.primitive.block() is not None:
            writer.line("pass")  # the end of the equation, for those who want to know when that is
        lines = writer.lines[start:]
        if equation.outputs:
            where.update({start + i: index for i in {1, len(lines)} if not lines[i - 1].endswith(":")})
    program.look(writer.plans.doubts(jaxpr.equations, set()))
    results = [
        parameters[jaxpr.in_vars.index(v)] if v.aval.ndim and v in jaxpr.in_vars else _result(program, jaxpr, v)
        for v in jaxpr.outputs
    ]
    writer.line(f"return ({', '.join(results)}{',' if len(results) == 1 else ''})")
    numbers = [
        name if v.aval.ndim else f"{_TYPES[v.aval.dtype][1]}({name})"
        for v, name in zip(jaxpr.in_vars, parameters, strict=True)
    ]
    source = "\n".join(
        [
            f"def program({', '.join(parameters)}):",
            "    try:",
            *writer.lines,
            "    except NumPyDecides:",
            "        pass",
            f"    return on_numpy({', '.join(numbers)})",
        ]
    )
    writer.scope["on_numpy"] = on_numpy
    exec(compile(source, "<autotrace scalar program>", "exec"), writer.scope)
    return writer.scope["program"], source, {line + 2: index for line, index in where.items()}


def _result(program: _Block, jaxpr: Jaxpr, atom: Atom) -> str:
    """Return the expression of an output, a scalar of NumPy's or an array."""
    if type(atom) is Literal:
        return program.writer.hold(atom.value)
    if _is_handed_through(jaxpr, atom):
        return program.writer.hold(jaxpr.constants[jaxpr.const_vars.index(atom)])
    kind = _TYPES[atom.aval.dtype][1]
    return f"as_array({program.name(atom)}, {kind})" if atom.aval.ndim else f"{kind}({program.name(atom)})"


def _listed(x: Any) -> Any:
    """Return the rows of an array as Python's numbers."""
    return x.tolist() if len(x) <= _LISTED else array(_CODES[x.dtype], np.ascontiguousarray(x).tobytes())


def _as_array(rows: Any, kind: Any) -> Any:
    return np.fromiter(rows, kind, len(rows)) if type(rows) is list else np.array(rows, kind)


def _stack(length: int, code: str) -> Any:
    """Return what the rows of a loop of so many runs are appended to."""
    return [] if length <= _LISTED else array(code)


class _Writer:
    """The lines of the function, and the scope that holds what it reads."""

    def __init__(self, names: int) -> None:
        self.lines: list[str] = []
        self.plans = _Plans()
        self.scope: dict[str, Any] = MATH | {
            "float64": np.float64,
            "int64": np.int64,
            "bool_": np.bool_,
            "listed": _listed,
            "as_array": _as_array,
            "stack": _stack,
            "array": array,
            "repeat": repeat,
            "GuardError": GuardError,
            "NumPyDecides": (ArithmeticError, ValueError),
        }
        self.true_rows: set[str] = set()
        """Rows of truths that are all true."""
        self._count = names
        self._indent = 2

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self._indent + text)

    @contextmanager
    def under(self, head: str) -> Iterator[None]:
        """Add ``head``, and what is written inside the ``with`` block under it."""
        self.line(head)
        self._indent += 1
        count = len(self.lines)
        yield
        if len(self.lines) == count:
            self.line("pass")
        self._indent -= 1

    def fresh(self) -> str:
        """Return a name that nothing has."""
        self._count += 1
        return f"v{self._count - 1}"

    def hold(self, value: Any) -> str:
        """Put ``value`` in the scope; return its name."""
        name = f"number_{len(self.scope)}"
        self.scope[name] = value
        return name

    def check_range(self, name: str) -> None:
        """Write that the program is left to NumPy if an integer is beyond int64."""
        self.line(f"if not {-(2**63)} <= {name} <= {2**63 - 1}: {_DOUBT}")


class _Block:
    """A program that is being written: the function's own, that of a run of a loop, or a branch."""

    def __init__(self, writer: _Writer, jaxpr: Jaxpr, inputs: Sequence[str]) -> None:
        self.writer = writer
        self._jaxpr = jaxpr
        self._names: dict[Atom, str] = dict(zip(jaxpr.in_vars, inputs, strict=True))
        for var, value in zip(jaxpr.const_vars, jaxpr.constants, strict=True):
            if var.aval.ndim > 1 or var.aval.dtype not in _TYPES:
                continue  # handed through
            self._names[var] = writer.hold(_rows(value) if var.aval.ndim else np.asarray(value).item())
        self._inlined: dict[Atom, int] = {}
        """What is written where it is read, the one time that it is, and how deep it is."""
        self._pending: dict[Atom, str] = {}
        self.counters: set[Atom] = set()
        """Integers of the carry that change by a number: the last one tells that none has left the range."""

    def expression(self, atom: Atom) -> str:
        """Return what stands for a value where nothing stands beside it."""
        if type(atom) is not Literal:
            return self._pending.pop(atom) if atom in self._pending else self.name(atom)
        number = _PYTHONS[atom.aval.dtype](atom.value)
        return repr(number) if math.isfinite(number) else self.writer.hold(number)

    def name(self, atom: Atom) -> str:
        """Return the name of a value, or a number as it is written, in brackets where it needs them."""
        if type(atom) is Literal or atom in self._pending:
            text = self.expression(atom)
            return f"({text})" if " " in text or text[0] == "-" else text
        found = self._names.get(atom)
        if found is None:
            found = self._names[atom] = self.writer.fresh()
        return found

    def look(self, atoms: Sequence[Atom]) -> None:
        """Write that the program is left to NumPy if one of ``atoms`` is not finite."""
        parts = [f"sum({self.name(v)})" if v.aval.ndim else self.name(v) for v in dict.fromkeys(atoms)]
        if parts:
            whole = parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"
            self.writer.line(f"if {whole} * 0.0: {_DOUBT}")  # infinity times zero is NaN, which is true

    def shorten(self, equations: Sequence[Equation], kept: Collection[Atom], truth: Atom | None = None) -> None:
        """Decide which values are written where they are read. Those ``kept`` have names.

        ``truth`` is read once more, by itself, after the equation that makes it and before what depends on it.
        """
        uses: dict[Atom, int] = {}
        for atom in (*kept, *kept, *[v for e in equations for v in e.inputs]):
            uses[atom] = uses.get(atom, 0) + 1
        once: dict[Atom, Equation] = {v: e for e in equations for v in e.inputs if uses[v] == 1}
        for equation in equations:
            known = _plain(equation)
            if known is None or equation.outputs[0].aval.ndim:
                continue
            out = equation.outputs[0]
            depth = 1 + max([self._inlined.get(v, 0) for v in equation.inputs], default=0)
            if depth > _DEEPEST or (known.doubtful and out.aval.dtype == INT):
                continue
            if out is truth and out not in uses:
                self._inlined[out] = depth
            reader = once.get(out)
            if reader is None or out is truth:
                continue
            text = _plain(reader)
            if text is not None and text.text.count(f"{{{reader.inputs.index(out)}}}") == 1:
                self._inlined[out] = depth

    def last_reads(self, equations: Sequence[Equation]) -> dict[Atom, int]:
        """Return the last of ``equations`` in whose statements each value is read."""
        found: dict[Atom, int] = {}
        for index in reversed(range(len(equations))):
            equation = equations[index]
            out = equation.outputs[0] if equation.outputs else None
            root = found.get(out, index) if out is not None and out in self._inlined else index
            for atom in equation.inputs:
                found[atom] = max(found.get(atom, -1), root)
        return found

    def call(self, atom: Atom, name: str) -> None:
        """Let the result ``atom`` be called ``name``."""
        self._names[atom] = name

    def write(self, equations: Sequence[Equation]) -> None:
        """Write the statements of ``equations``."""
        for equation in equations:
            block = equation.primitive.block()
            if type(block) is Rows:
                self._write_rows(equation, block)
            elif type(block) is Repeated:
                self._write_repeated(equation, block)
            elif type(block) is Branches:
                self._write_branches(equation, block)
            else:
                self._write_plain(equation)

    def _write_plain(self, equation: Equation) -> None:
        known = operation(equation)
        if known is None:
            raise AssertionError(f"this is a bug in autotrace: {equation.primitive} is not of scalars")
        operands = [self.name(v) for v in equation.inputs]
        if type(equation.primitive) is Guard:
            self.writer.line(_guard(equation.primitive, operands[0]))
            return
        (out,) = equation.outputs
        text = known.text.format(*operands)
        if out in self._inlined:
            self._pending[out] = text
            return
        self.writer.line(f"{self.name(out)} = {text}")
        if known.doubtful and out.aval.dtype == INT and out not in self.counters:
            self.writer.check_range(self.name(out))

    # -- branches --

    def _write_branches(self, equation: Equation, block: Branches) -> None:
        index, *operands = [self.name(v) for v in equation.inputs]
        targets = [self.name(v) for v in equation.outputs]
        last = len(block.branches) - 1
        order = [*range(last + 1)]
        heads = [f"{'elif' if k else 'if'} {index} {'==' if k else '<='} {k}:" for k in order[:-1]] + ["else:"]
        if equation.inputs[0].aval.dtype == BOOL and last == 1:
            heads, order = [f"if {index}:", "else:"], [1, 0]
        for head, k in zip(["if True:"] if not last else heads, order, strict=True):
            with self.writer.under(head):
                self._write_branch(block.branches[k], operands, targets)

    def _write_branch(self, jaxpr: Jaxpr, operands: Sequence[str], targets: Sequence[str]) -> None:
        inner = _Block(self.writer, jaxpr, operands)
        looked_at = self.writer.plans.doubts(jaxpr.equations, {v for v in jaxpr.outputs if type(v) is Var})
        inner.shorten(jaxpr.equations, {*jaxpr.outputs, *looked_at})
        made = {v for e in jaxpr.equations if _plain(e) is not None for v in e.outputs}
        pairs = list(zip(targets, jaxpr.outputs, strict=True))
        for target, atom in pairs:
            if atom in made and jaxpr.outputs.count(atom) == 1:
                inner.call(atom, target)
        inner.write(jaxpr.equations)
        inner.look(looked_at)
        for target, atom in pairs:
            if inner.name(atom) != target:
                self.writer.line(f"{target} = {inner.name(atom)}")

    # -- loops --

    def _write_rows(self, equation: Equation, block: Rows) -> None:
        roles, writer, body = _roles(equation), self.writer, self.writer.plans.of(equation).jaxpr
        read = {v for e in body.equations for v in e.inputs}.union(body.outputs)
        for mask in roles.mask:
            if self.name(mask) not in writer.true_rows:
                writer.line(f"if not all({self.name(mask)}): {_DOUBT}")
        rows = {
            v: self.name(atom)
            for v, atom in zip(body.in_vars[block.consts + block.carry :], roles.rows, strict=True)
            if v in read
        }
        length = str(block.length)
        if block.length < 0:
            length = f"len({self.name((*roles.rows, *roles.mask)[0])})"
        row_names = [writer.fresh() if v in rows else "_" for v in body.in_vars[block.consts + block.carry :]]
        loop = _Loop(self, equation, row_names)
        loop.begin("[]" if 0 <= block.length <= _LISTED else f"stack({length}, {{!r}})", length)
        sources = [f"reversed({x})" if block.reverse else x for x in rows.values()]
        targets = [name for name in row_names if name != "_"]
        head = f"for _ in repeat(None, {length}):"
        if sources:
            whole = sources[0] if len(sources) == 1 else f"zip({', '.join(sources)})"
            head = f"for {', '.join(targets)} in {whole}:"
        with writer.under(head):
            loop.run()
        loop.end(length, block.reverse)

    def _write_repeated(self, equation: Equation, block: Repeated) -> None:
        roles, writer = _roles(equation), self.writer
        loop = _Loop(self, equation, ())
        loop.begin("array({!r})", None)
        if not roles.ys:
            with writer.under("while True:"):
                loop.ask()
                loop.run()
        else:
            width = sum([v.aval.dtype.itemsize for v in roles.ys])
            room, refuse = writer.hold(block.room), writer.hold(block.refuse)
            limit = writer.fresh()
            writer.line(f"{limit} = {room}({width})")
            with writer.under(f"for _ in repeat(None, {limit} + 1):"):
                loop.ask()
                loop.run()
            with writer.under("else:"):
                writer.line(f"{refuse}({limit}, {width})")
        loop.end(None, False)


class _Loop:
    """A loop that is being written: ``begin``, the statements of a run under its head, ``end``."""

    def __init__(self, outer: _Block, equation: Equation, row_names: Sequence[str]) -> None:
        self._outer, self._writer = outer, outer.writer
        self._roles = roles = _roles(equation)
        self._plan = plan = outer.writer.plans.of(equation)
        first, count = len(roles.fixed), len(roles.carry)
        self._names = [outer.writer.fresh() for _ in roles.carry]
        inputs = [*[outer.name(v) for v in roles.fixed], *self._names, *row_names]
        self._inner = _Block(outer.writer, plan.jaxpr, inputs)
        self._fixed = plan.jaxpr.in_vars[:first]
        self._before = plan.jaxpr.in_vars[first : first + count]
        self._after, self._ys = plan.jaxpr.outputs[:count], plan.jaxpr.outputs[count:]
        self._stacks = [outer.writer.fresh() for _ in self._ys]
        self._repeated: list[int] = []
        """The ys that are the same in each run."""

    def begin(self, stack: str, length: str | None) -> None:
        """Write what stands before the head. ``stack`` is the expression of a stack of a given code."""
        for name, atom in zip(self._names, self._roles.carry, strict=True):
            self._writer.line(f"{name} = {self._outer.name(atom)}")
        self._repeated = [i for i, y in enumerate(self._ys) if type(y) is Literal or y in self._fixed]
        if length is None and len(self._repeated) == len(self._ys):
            self._repeated = []  # one of them must count
        for i, (name, y) in enumerate(zip(self._stacks, self._ys, strict=True)):
            if i not in self._repeated:
                empty = "[]" if y.aval.ndim else stack.format(_CODES[y.aval.dtype])
                self._writer.line(f"{name} = {empty}")
                self._writer.line(f"add_{name} = {name}.append")
        self._decide()

    def _decide(self) -> None:
        """Decide how values are called: what is handed on takes the name in the carry where that is read no more."""
        plan, inner, outputs = self._plan, self._inner, self._plan.jaxpr.outputs
        equations = [*plan.asking, *plan.running]
        inner.shorten(equations, {*outputs, *plan.asked, *plan.looked_at}, plan.truth)
        last = inner.last_reads(equations)
        made: dict[Atom, int] = {e.outputs[0]: i for i, e in enumerate(equations) if _plain(e) is not None}
        for name, before, after in zip(self._names, self._before, self._after, strict=True):
            index = made.get(after, -1)
            if index < 0:
                continue
            if before.aval.dtype == INT and _counts(equations[index], before):
                inner.counters.add(after)
            is_free = before not in self._after and self._after.count(after) == 1 and index >= len(plan.asking)
            if is_free and last.get(before, -1) <= index:
                inner.call(after, name)

    def ask(self) -> None:
        """Write whether to go on."""
        if self._plan.truth is not None:
            self._inner.write(self._plan.asking)
            self._inner.look(self._plan.asked)
            self._writer.line(f"if not {self._inner.expression(self._plan.truth)}: break")

    def run(self) -> None:
        """Write a run."""
        inner = self._inner
        added = [(name, y) for i, (name, y) in enumerate(zip(self._stacks, self._ys)) if i not in self._repeated]
        given = set(self._plan.jaxpr.in_vars)
        for early in (True, False):
            for name, y in added:
                if (y in given) is early:
                    self._writer.line(f"add_{name}({inner.name(y)})")
            if early:
                inner.write(self._plan.running)
                inner.look(self._plan.looked_at)
        pairs = [(name, inner.name(v)) for name, v in zip(self._names, self._after, strict=True)]
        pairs = [pair for pair in pairs if pair[0] != pair[1]]
        targets = [name for name, _ in pairs]
        if any(value in targets for _, value in pairs):
            self._writer.line(f"{', '.join(targets)} = {', '.join([value for _, value in pairs])}")
        else:
            for name, value in pairs:
                self._writer.line(f"{name} = {value}")

    def end(self, length: str | None, reverse: bool) -> None:
        """Write what stands after the loop, and name its results."""
        for i, name in enumerate(self._stacks):
            if i not in self._repeated and reverse:
                self._writer.line(f"{name}.reverse()")
        if length is None:
            length = next((f"len({name})" for i, name in enumerate(self._stacks) if i not in self._repeated), "0")
        for i in self._repeated:
            value = self._inner.name(self._ys[i])
            self._writer.line(f"{self._stacks[i]} = [{value}] * {length}")
            if value == "True":
                self._writer.true_rows.add(self._stacks[i])
        for name, after in zip(self._names, self._after, strict=True):
            if after in self._inner.counters:
                self._writer.check_range(name)
        for var, name in zip((*self._roles.ends, *self._roles.ys), (*self._names, *self._stacks), strict=True):
            self._outer.call(var, name)


def _plain(equation: Equation) -> Operation | None:
    """Return the operation of an equation of one result that is no loop and no branch."""
    return operation(equation) if equation.primitive.block() is None and len(equation.outputs) == 1 else None


def _counts(equation: Equation, before: Atom) -> bool:
    """Tell whether an equation changes a value of the carry by a number."""
    x, y = equation.inputs[0], equation.inputs[-1]
    kind = type(equation.primitive)
    return (kind in (Add, Sub) and x is before and type(y) is Literal) or (
        kind is Add and y is before and type(x) is Literal
    )


def _rows(value: Any) -> Any:
    """Return the rows of a constant: a range if they are one."""
    if value.dtype == INT and len(value) > 1:
        first, step = int(value[0]), int(value[1]) - int(value[0])
        numbers = range(first, first + step * len(value), step or 1)
        if len(numbers) == len(value) and np.array_equal(value, np.arange(len(value)) * step + first):
            return numbers
    return _listed(value)


def _guard(primitive: Any, operand: str) -> str:
    expected = primitive.expected
    if primitive.kind == "bool":
        test = f"not {operand}" if expected else operand
    elif primitive.kind == "float":  # NaN, infinities and the sign of zero count
        test = f"repr(float({operand})) != {repr(expected)!r}"
    else:
        test = f"int({operand}) != {expected}"
    return f"if {test}: raise GuardError('guard: another path')"
