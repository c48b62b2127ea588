"""A program as one flat Python function over NumPy calls."""

from __future__ import annotations

import linecache
import operator
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from ..ir import Atom, Jaxpr, Literal, Var, annotate, last_uses, place
from ..primitives.arithmetic import IntegerPow
from ..primitives.comparison import Select
from ..primitives.contraction import Einsum
from ..primitives.families import Elementwise
from ..primitives.promotion import Broadcast
from ..primitives.reduction import ReduceSum
from .kernels import ufunc_of
from .scalars import generate_scalar, is_scalar_program

__all__ = ["Compiled", "generate", "generate_scan", "generate_while"]

_INFIX: dict[Any, str] = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.floordiv: "//",
    operator.mod: "%",
    operator.pow: "**",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
    operator.and_: "&",
    operator.or_: "|",
    operator.xor: "^",
}
_AUGMENTED = frozenset({"+", "-", "*", "/", "//", "%", "**", "&", "|", "^"})
_PREFIX: dict[Any, str] = {operator.neg: "-", operator.pos: "+", operator.invert: "~"}

_FILE = "<autotrace program>"


class Compiled(NamedTuple):
    """A generated function from the program's inputs to the tuple of its outputs, and its source."""

    function: Callable[..., tuple[Any, ...]]
    source: str
    lines: dict[int, int]
    """Which equation stands at which line."""
    jaxpr: Jaxpr

    def commented(self) -> str:
        """Return the source, each stretch of lines under the line of the user's code that it comes from."""
        written, last = [], None
        for number, line in enumerate(self.source.split("\n"), start=1):
            spot = place(self.jaxpr.equations[self.lines[number]].source) if number in self.lines else None
            if spot is not None and spot != last:
                text = linecache.getline(spot.file, spot.line).strip()
                indent = line[: len(line) - len(line.lstrip())]
                written.append(f"{indent}# {spot}: {text}" if text else f"{indent}# {spot}")
                last = spot
            written.append(line)
        return "\n".join(written)

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        try:
            return self.function(*inputs)
        except Exception as error:
            line = _failing_line(error.__traceback__)
            if line not in self.lines:
                raise
            raise annotate(error, self.jaxpr.equations[self.lines[line]]) from error.__cause__


def generate(jaxpr: Jaxpr, rounding: bool = False) -> Compiled:
    """Generate and compile the function of ``jaxpr``. Values are dropped after their last use.

    With ``rounding``, results may differ from the interpreter's by rounding: scalars run on ``math``.
    """
    if rounding and is_scalar_program(jaxpr):
        return Compiled(*generate_scalar(jaxpr, Lazily(jaxpr)), jaxpr)
    writer = _Writer(jaxpr)
    lines = [f"def program({', '.join(writer.name(v) for v in jaxpr.in_vars)}):"]
    where: dict[int, int] = {}
    _write_equations(writer, jaxpr, lines, where, "    ", set(jaxpr.const_vars))
    outputs = [writer.name(v) for v in jaxpr.outputs]
    lines.append(f"    return ({', '.join(outputs)}{',' if len(outputs) == 1 else ''})")
    return _compiled(writer, lines, where, jaxpr)


def _compiled(writer: _Writer, lines: Sequence[str], where: dict[int, int], jaxpr: Jaxpr) -> Compiled:
    source = "\n".join(lines)
    exec(compile(source, _FILE, "exec"), writer.scope)
    return Compiled(writer.scope["program"], source, where, jaxpr)


def _write_equations(
    writer: _Writer, jaxpr: Jaxpr, lines: list[str], where: dict[int, int], indent: str, lasting: set[Atom]
) -> None:
    """Add the statements of ``jaxpr`` to ``lines``, and which equation stands at which to ``where``.

    Values are dropped after their last use, but for the ``lasting`` ones.
    """
    stretched = implicit_broadcasts(jaxpr)
    frees = last_uses(_renamed(jaxpr, stretched))
    spare = spare_buffers(jaxpr)
    for index, equation in enumerate(jaxpr.equations):
        if equation.outputs and equation.outputs[0] in stretched:
            writer.rename(equation.outputs[0], equation.inputs[0])
            continue
        dying = [v for v in frees.get(index, ()) if v not in lasting and v not in stretched]
        target = next((v for v in dying if v in spare and _may_hold(equation, v)), None)
        lines.append(indent + writer.statement(equation, target))
        where[len(lines)] = index
        dropped = [writer.name(v) for v in dying if v is not target]
        if dropped:
            lines.append(f"{indent}del {', '.join(dropped)}")


def generate_scan(jaxpr: Jaxpr, consts: int, carry: int, length: int, reverse: bool) -> Compiled:
    """Generate the function of a loop over rows, ``(consts, carry, row) -> (carry, row of ys)`` written in its body.

    The function takes the constants, the first carry and all rows; it returns the last carry and all ys. A negative
    ``length`` is that of the first rows.
    """
    writer = _Writer(jaxpr)
    names = [writer.name(v) for v in jaxpr.in_vars]
    first = consts + carry
    rows = [f"rows_{name}" for name in names[first:]]
    writer.scope |= {"empty": np.empty}
    lines = [f"def program({', '.join([*names[:first], *rows])}):"]
    lines.append(f"    length = {length if length >= 0 else f'len({rows[0]})'}")
    ys = []
    for i, atom in enumerate(jaxpr.outputs[carry:]):
        writer.scope[f"dtype_{i}"] = atom.aval.dtype
        shape = "".join(f", {n}" for n in atom.aval.shape)
        ys.append(f"ys_{i}")
        lines.append(
            f"    ys_{i} = empty((length{shape},), dtype_{i})"
            if not shape
            else f"    ys_{i} = empty((length{shape}), dtype_{i})"
        )
    lines.append(f"    for i in {'range(length - 1, -1, -1)' if reverse else 'range(length)'}:")
    lines += [f"        {name} = {row}[i]" for name, row in zip(names[first:], rows, strict=True)]
    where: dict[int, int] = {}
    _write_equations(writer, jaxpr, lines, where, "        ", {*jaxpr.const_vars, *jaxpr.in_vars})
    lines += [f"        {y}[i] = {writer.name(v)}" for y, v in zip(ys, jaxpr.outputs[carry:], strict=True)]
    targets = names[consts:first]
    if targets:
        lines.append(f"        {', '.join(targets)} = {', '.join(writer.name(v) for v in jaxpr.outputs[:carry])}")
    if lines[-1].startswith("    for"):
        lines.append("        pass")
    lines.append(f"    return ({''.join(f'{name}, ' for name in (*targets, *ys))})")
    return _compiled(writer, lines, where, jaxpr)


def generate_while(
    condition: Jaxpr, body: Jaxpr, asked: int, consts: int, grow: Callable[[Sequence[Any], int], Sequence[Any]]
) -> Compiled:
    """Generate the function of a loop that runs ``body`` as long as ``condition`` holds, both written in it.

    It takes the constants of both, the carry, buffers for the rows of ys, and the number of runs so far; it returns the
    carry, the buffers and the number of runs. ``grow(buffers, runs)`` makes larger ones.
    """
    writer = _Writer(body)
    writer.add_constants(condition)
    names = [writer.name(v) for v in (*condition.in_vars[:asked], *body.in_vars)]
    targets = names[asked + consts :]
    for var, carried in zip(condition.in_vars[asked:], body.in_vars[consts:], strict=True):
        writer.rename(var, carried)
    stacks = [f"ys_{i}" for i in range(len(body.outputs) - len(targets))]
    writer.scope["grow"] = grow
    lines = [f"def program({', '.join([*names, *stacks, 'runs'])}):", "    while True:"]
    where: dict[int, int] = {}
    lasting: set[Atom] = {*condition.const_vars, *condition.in_vars, *body.const_vars, *body.in_vars}
    _write_equations(writer, condition, lines, where, "        ", lasting)
    lines += [f"        if not {writer.name(condition.outputs[0])}:", "            break"]
    later: dict[int, int] = {}
    _write_equations(writer, body, lines, later, "        ", lasting)
    where.update({line: index + len(condition.equations) for line, index in later.items()})
    if stacks:
        lines += [
            f"        if runs == len({stacks[0]}):",
            f"            {', '.join(stacks)}, = grow(({', '.join(stacks)},), runs)",
        ]
    outputs = [writer.name(v) for v in body.outputs]
    lines += [f"        {y}[runs] = {x}" for y, x in zip(stacks, outputs[len(targets) :], strict=True)]
    lines.append("        runs += 1")
    if targets:
        lines.append(f"        {', '.join(targets)} = {', '.join(outputs[: len(targets)])}")
    lines.append(f"    return ({', '.join([*targets, *stacks, 'runs'])},)")
    both = Jaxpr(body.in_vars, [*condition.equations, *body.equations], body.outputs)
    return _compiled(writer, lines, where, both)


class Lazily:
    """The program on NumPy, generated when it is first asked for."""

    __slots__ = ("_compiled", "_jaxpr")

    def __init__(self, jaxpr: Jaxpr) -> None:
        self._jaxpr = jaxpr
        self._compiled: Compiled | None = None

    def __call__(self, *inputs: Any) -> Any:
        if self._compiled is None:
            self._compiled = generate(self._jaxpr)
        return self._compiled(*inputs)


def implicit_broadcasts(jaxpr: Jaxpr) -> dict[Atom, Atom]:
    """Return the broadcasts that NumPy does by itself, from result to operand.

    Those are the ones that only elementwise equations read, each beside an operand of full shape.
    """
    candidates: dict[Atom, Atom] = {
        e.outputs[0]: e.inputs[0] for e in jaxpr.equations if type(e.primitive) is Broadcast
    }
    for atom in jaxpr.outputs:
        candidates.pop(atom, None)
    for equation in jaxpr.equations:
        read = [v for v in equation.inputs if v in candidates]
        if not read or (type(equation.primitive) is Broadcast and equation.outputs[0] in candidates):
            continue
        full = [v for v in equation.inputs if v not in candidates and v.aval.shape == equation.outputs[0].aval.shape]
        if not isinstance(equation.primitive, Elementwise) or not full:
            for atom in read:
                candidates.pop(atom, None)
    return candidates


def spare_buffers(jaxpr: Jaxpr) -> set[Atom]:
    """Return the arrays whose memory may be used again once they are dead: new ones, of which there are no views."""
    made: set[Atom] = set()
    for equation in jaxpr.equations:
        if not _computes(equation.primitive):
            made.difference_update(equation.inputs)
        elif not equation.primitive.multiple and equation.outputs[0].aval.ndim:
            made.add(equation.outputs[0])
    return made.difference(jaxpr.outputs)


def _computes(primitive: Any) -> bool:
    """Whether a primitive returns a new array and keeps no view of an operand; of a user's own nobody knows."""
    return ufunc_of(primitive) is not None or type(primitive) in (Select, IntegerPow, ReduceSum, Einsum)


def _may_hold(equation: Any, var: Any) -> bool:
    """Whether the result of an elementwise equation fits in the memory of its operand ``var``."""
    ufunc = ufunc_of(equation.primitive)
    if ufunc is None:
        return False
    out = equation.outputs[0].aval
    return bool(var in equation.inputs and var.aval.shape == out.shape and var.aval.dtype == out.dtype)


def _renamed(jaxpr: Jaxpr, names: dict[Atom, Atom]) -> Jaxpr:
    """Return the program as it reads with some variables replaced by others, for the sake of their last uses."""

    def final(atom: Atom) -> Atom:
        while atom in names:
            atom = names[atom]
        return atom

    equations = [e._replace(inputs=tuple([final(v) for v in e.inputs])) for e in jaxpr.equations]
    return Jaxpr(jaxpr.in_vars, equations, jaxpr.outputs, jaxpr.const_vars, jaxpr.constants)


class _Writer:
    """Names for variables, and the scope that holds constants, numbers and functions."""

    def __init__(self, jaxpr: Jaxpr) -> None:
        self.scope: dict[str, Any] = {}
        self._names: dict[Any, str] = {}
        self.add_constants(jaxpr)

    def add_constants(self, jaxpr: Jaxpr) -> None:
        """Hold the constants of ``jaxpr``."""
        for var, value in zip(jaxpr.const_vars, jaxpr.constants, strict=True):
            self._names[var] = self._hold("constant", value)

    def name(self, atom: Atom) -> str:
        """Return the name of a variable, or of the number of a literal."""
        found = self._names.get(atom)
        if found is None:
            found = self._hold("number", atom.value) if type(atom) is Literal else f"v{len(self._names)}"
            self._names[atom] = found
        return found

    def rename(self, var: Atom, atom: Atom) -> None:
        """Let ``var`` be another name of ``atom``."""
        self._names[var] = self.name(atom)

    def _hold(self, word: str, value: Any) -> str:
        name = f"{word}_{len(self.scope)}"
        self.scope[name] = value
        return name

    def statement(self, equation: Any, target: Var | None = None) -> str:
        """Return the assignment that evaluates ``equation``, into the memory of ``target`` if one is given."""
        primitive, inputs, outputs, _ = equation
        operands = [self.name(v) for v in inputs]
        if target is not None:
            self.rename(outputs[0], target)
            return self._update(primitive, operands, self.name(target))
        call = self._call(primitive, operands)
        if primitive.multiple:
            targets = "".join(f"{self.name(v)}, " for v in outputs)
            return f"{targets}= {call}" if targets else call
        return f"{self.name(outputs[0])} = {call}"

    def _update(self, primitive: Any, operands: Sequence[str], target: str) -> str:
        symbol = _INFIX.get(primitive.impl)
        if symbol in _AUGMENTED and operands[0] == target:
            return f"{target} {symbol}= {operands[1]}"
        ufunc: Any = ufunc_of(primitive)
        name = self._names.get(ufunc)
        if name is None:
            name = self._names[ufunc] = f"{ufunc.__name__}_{len(self.scope)}"
            self.scope[name] = ufunc
        return f"{name}({', '.join(operands)}, out={target})"

    def _call(self, primitive: Any, operands: Sequence[str]) -> str:
        impl = primitive.impl
        if impl in _INFIX and len(operands) == 2:
            return f"{operands[0]} {_INFIX[impl]} {operands[1]}"
        if impl in _PREFIX and len(operands) == 1:
            return f"{_PREFIX[impl]}{operands[0]}"
        key = ("impl", primitive)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"{primitive.name}_{len(self.scope)}"
            self.scope[name] = getattr(primitive, "kernel", impl)
        return f"{name}({', '.join(operands)})"


def _failing_line(traceback: TracebackType | None) -> int | None:
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == _FILE:
            return traceback.tb_lineno
        traceback = traceback.tb_next
    return None
