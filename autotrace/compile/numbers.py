"""The statements of a program on Python's numbers, loops and branches among them.

What is stacked from run to run is rows, as ``rows`` makes them; a loop reads what another one has stacked as it is.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import numpy as np

from ..errors import GuardError
from ..ir import Atom, Equation, Jaxpr, Literal, Var
from ..primitives.arithmetic import Add, Sub
from ..tracing import Guard
from .blocks import Branches, Repeated, Rows, roles
from .doubts import Doubts
from .floats import BOOL, INT, MATH, PYTHON, operation
from .inlining import assignment, inlined, last_reads
from .rows import as_array, constant_rows, empty_rows, is_short, listed, typecode

__all__ = ["Block", "Writer"]

_DOUBT = "raise ArithmeticError"
"""What the program is left to NumPy with."""


class Writer:
    """The lines of the function, and the scope that holds what it reads."""

    def __init__(self, names: int) -> None:
        self.lines: list[str] = []
        self.doubts = Doubts()
        self.scope: dict[str, Any] = MATH | {
            "float64": np.float64,
            "int64": np.int64,
            "bool_": np.bool_,
            "listed": listed,
            "as_array": as_array,
            "stack": empty_rows,
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


class Block:
    """A program that is being written: the function's own, that of a run of a loop, or a branch."""

    def __init__(self, writer: Writer, jaxpr: Jaxpr, inputs: Sequence[str]) -> None:
        self.writer = writer
        self._jaxpr = jaxpr
        self._names: dict[Atom, str] = dict(zip(jaxpr.in_vars, inputs, strict=True))
        for var, value in zip(jaxpr.const_vars, jaxpr.constants, strict=True):
            if var.aval.ndim > 1 or var.aval.dtype not in PYTHON:
                continue  # handed through
            self._names[var] = writer.hold(constant_rows(value) if var.aval.ndim else np.asarray(value).item())
        self._inlined: dict[Atom, int] = {}
        """What is written where it is read, the one time that it is, and how deep it is."""
        self._pending: dict[Atom, str] = {}
        self.counters: set[Atom] = set()
        """Integers of the carry that change by a number: the last one tells that none has left the range."""

    def expression(self, atom: Atom) -> str:
        """Return what stands for a value where nothing stands beside it."""
        if type(atom) is not Literal:
            return self._pending.pop(atom) if atom in self._pending else self.name(atom)
        number = PYTHON[atom.aval.dtype](atom.value)
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
        """Decide which values are written where they are read. Those ``kept`` have names."""
        self._inlined = inlined(equations, kept, truth)

    def last_reads(self, equations: Sequence[Equation]) -> dict[Atom, int]:
        """Return the last of ``equations`` in whose statements each value is read."""
        return last_reads(equations, self._inlined)

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
            self.writer.line(f"if {known.text.format(*operands)}: raise GuardError('guard: another path')")
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
        inner = Block(self.writer, jaxpr, operands)
        looked_at = self.writer.doubts.of(jaxpr.equations, {v for v in jaxpr.outputs if type(v) is Var})
        inner.shorten(jaxpr.equations, {*jaxpr.outputs, *looked_at})
        made = {v for e in jaxpr.equations if assignment(e) is not None for v in e.outputs}
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
        parts, writer, body = roles(equation), self.writer, self.writer.doubts.plan(equation).run.jaxpr
        read = {v for e in body.equations for v in e.inputs}.union(body.outputs)
        for mask in parts.mask:
            if self.name(mask) not in writer.true_rows:
                writer.line(f"if not all({self.name(mask)}): {_DOUBT}")
        rows = {
            v: self.name(atom)
            for v, atom in zip(body.in_vars[block.consts + block.carry :], parts.rows, strict=True)
            if v in read
        }
        length = str(block.length)
        if block.length < 0:
            length = f"len({self.name((*parts.rows, *parts.mask)[0])})"
        row_names = [writer.fresh() if v in rows else "_" for v in body.in_vars[block.consts + block.carry :]]
        loop = _Loop(self, equation, row_names)
        loop.begin("[]" if block.length >= 0 and is_short(block.length) else f"stack({length}, {{!r}})", length)
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
        parts, writer = roles(equation), self.writer
        loop = _Loop(self, equation, ())
        loop.begin("array({!r})", None)
        if not parts.ys:
            with writer.under("while True:"):
                loop.ask()
                loop.run()
        else:
            width = sum([v.aval.dtype.itemsize for v in parts.ys])
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

    def __init__(self, outer: Block, equation: Equation, row_names: Sequence[str]) -> None:
        self._outer, self._writer = outer, outer.writer
        self._roles = parts = roles(equation)
        self._plan = outer.writer.doubts.plan(equation)
        self._run = run = self._plan.run
        first, count = len(parts.fixed), len(parts.carry)
        self._names = [outer.writer.fresh() for _ in parts.carry]
        inputs = [*[outer.name(v) for v in parts.fixed], *self._names, *row_names]
        self._inner = Block(outer.writer, run.jaxpr, inputs)
        self._fixed = run.jaxpr.in_vars[:first]
        self._before = run.jaxpr.in_vars[first : first + count]
        self._after, self._ys = run.jaxpr.outputs[:count], run.jaxpr.outputs[count:]
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
                empty = "[]" if y.aval.ndim else stack.format(typecode(y.aval.dtype))
                self._writer.line(f"{name} = {empty}")
                self._writer.line(f"add_{name} = {name}.append")
        self._decide()

    def _decide(self) -> None:
        """Decide how values are called: what is handed on takes the name in the carry where that is read no more."""
        plan, run, inner, outputs = self._plan, self._run, self._inner, self._run.jaxpr.outputs
        equations = [*run.asking, *run.running]
        inner.shorten(equations, {*outputs, *plan.asked, *plan.looked_at}, run.truth)
        last = inner.last_reads(equations)
        made: dict[Atom, int] = {e.outputs[0]: i for i, e in enumerate(equations) if assignment(e) is not None}
        for name, before, after in zip(self._names, self._before, self._after, strict=True):
            index = made.get(after, -1)
            if index < 0:
                continue
            if before.aval.dtype == INT and _counts(equations[index], before):
                inner.counters.add(after)
            is_free = before not in self._after and self._after.count(after) == 1 and index >= len(run.asking)
            if is_free and last.get(before, -1) <= index:
                inner.call(after, name)

    def ask(self) -> None:
        """Write whether to go on."""
        if self._run.truth is not None:
            self._inner.write(self._run.asking)
            self._inner.look(self._plan.asked)
            self._writer.line(f"if not {self._inner.expression(self._run.truth)}: break")

    def run(self) -> None:
        """Write a run."""
        inner = self._inner
        added = [(name, y) for i, (name, y) in enumerate(zip(self._stacks, self._ys)) if i not in self._repeated]
        given = set(self._run.jaxpr.in_vars)
        for early in (True, False):
            for name, y in added:
                if (y in given) is early:
                    self._writer.line(f"add_{name}({inner.name(y)})")
            if early:
                inner.write(self._run.running)
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


def _counts(equation: Equation, before: Atom) -> bool:
    """Tell whether an equation changes a value of the carry by a number."""
    x, y = equation.inputs[0], equation.inputs[-1]
    kind = type(equation.primitive)
    return (kind in (Add, Sub) and x is before and type(y) is Literal) or (
        kind is Add and y is before and type(x) is Literal
    )
