"""Loops as one Python function, their programs written in the body.

The runs of a loop write into the same arrays. A carry has two, one that is read and one that is written; rows of
what is stacked are written where they belong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..ir import Atom, Jaxpr
from .buffers import computes, unshared
from .codegen import Compiled, Memory, compiled, write_equations
from .expressions import Writer, has_place

__all__ = ["generate_scan", "generate_while"]


class _Carries:
    """What is handed on from run to run, and in which memory."""

    def __init__(self, writer: Writer, jaxpr: Jaxpr, consts: int, count: int, placed: dict[Atom, str]) -> None:
        self._writer = writer
        self._before = jaxpr.in_vars[consts : consts + count]
        self._after = jaxpr.outputs[:count]
        self.names = [writer.name(v) for v in self._before]
        own = _places(jaxpr)
        seen = {*[v for e in jaxpr.equations if not computes(e.primitive) for v in e.inputs], *jaxpr.outputs[:count]}
        self.swapped = [
            out in own and out not in placed and before not in seen and jaxpr.outputs.count(out) == 1
            for before, out in zip(self._before, self._after, strict=True)
        ]
        """Which have two arrays, one to read and one to write."""

    def places(self) -> dict[Atom, str]:
        """Return where the new values are written."""
        return {
            out: f"next_{name}"
            for out, name, swapped in zip(self._after, self.names, self.swapped, strict=True)
            if swapped
        }

    def arrays(self) -> list[tuple[str, Any]]:
        """Return the arrays to make before the loop, with their avals."""
        pairs = zip(self._after, self.names, self.swapped, strict=True)
        return [(f"{word}_{name}", v.aval) for v, name, swapped in pairs if swapped for word in ("next", "other")]

    def hand_on(self) -> list[str]:
        """Return the statement at the end of a run."""
        targets, values = [], []
        for name, out, swapped in zip(self.names, self._after, self.swapped, strict=True):
            targets += [name, f"next_{name}", f"other_{name}"] if swapped else [name]
            values += [f"next_{name}", f"other_{name}", f"next_{name}"] if swapped else [self._writer.name(out)]
        return [f"{', '.join(targets)} = {', '.join(values)}"] if targets != values else []

    def results(self) -> list[str]:
        """Return the last values, none of them memory of the caller's or of stacked rows."""
        return [
            name if swapped or not v.aval.ndim else f"{name}.copy()"
            for name, v, swapped in zip(self.names, self._before, self.swapped, strict=True)
        ]


def _places(jaxpr: Jaxpr) -> set[Atom]:
    """Return the results that may be written into given memory without anybody seeing it change."""
    new = unshared(jaxpr)
    return {e.outputs[0] for e in jaxpr.equations if has_place(e, True) and e.outputs[0] in new}


def _made(writer: Writer, arrays: Sequence[tuple[str, Any]], length: str | None = None) -> list[str]:
    """Return the statements that make arrays, of ``length`` rows if it is given."""
    lines = []
    for name, aval in arrays:
        dtype = writer.hold("dtype", aval.dtype)
        axes = [*([] if length is None else [length]), *map(str, aval.shape)]
        lines.append(f"    {name} = empty(({', '.join(axes)},), {dtype})")
    return lines


def generate_scan(jaxpr: Jaxpr, consts: int, carry: int, length: int, reverse: bool) -> Compiled:
    """Generate the function of a loop over rows, ``(consts, carry, row) -> (carry, row of ys)`` written in its body.

    The function takes the constants, the first carry and all rows; it returns the last carry and all ys. A negative
    ``length`` is that of the first rows.
    """
    writer = Writer(jaxpr, rounding=True)
    names = [writer.name(v) for v in jaxpr.in_vars]
    writer.fixed.update(names[:consts])
    first = consts + carry
    rows = [f"rows_{name}" for name in names[first:]]
    ys = [(f"ys_{i}", v) for i, v in enumerate(jaxpr.outputs[carry:])]
    own = {e.outputs[0] for e in jaxpr.equations if has_place(e, True)}
    placed: dict[Atom, str] = {}
    for y, atom in ys:
        if atom in own:
            placed.setdefault(atom, f"row_of_{y}")
    shifted = _shifted(jaxpr, names[:first], consts, ys, placed)
    carries = _Carries(writer, jaxpr, consts, carry, placed)
    memory = Memory(placed | carries.places())
    body: list[str] = []
    where: dict[int, int] = {}
    write_equations(writer, jaxpr, body, where, "        ", {*jaxpr.const_vars, *jaxpr.in_vars}, memory)
    filled = list(placed.values())
    copied = {y: placed[v].removeprefix("row_of_") for y, v in ys if v in placed and placed[v] != f"row_of_{y}"}
    later = {*[row.removeprefix("row_of_") for row in filled], *shifted, *copied}
    stored = [(y, v) for y, v in ys if y not in later]
    body += [f"        {y}[i] = {writer.name(v)}" for y, v in stored]
    body += [f"        {line}" for line in carries.hand_on()]
    parameters = ", ".join([*names[:first], *rows])
    lines = [f"def program({parameters}):", f"    length = {length if length >= 0 else f'len({rows[0]})'}"]
    longer = {after for _, after in shifted.values()}
    lines += _made(writer, [(y, v.aval) for y, v in ys if y not in (*copied, *shifted, *longer)], "length")
    lines += _made(writer, [(f"all_{y}", v.aval) for y, v in ys if y in longer], "length + 1")
    lines += _shifts(shifted, reverse)
    lines += _made(writer, [*memory.made, *carries.arrays()])
    lines += [f"    {name}_T = {name}.T" for name in sorted(writer.turned)]
    read: set[Atom] = {*jaxpr.outputs, *[v for e in jaxpr.equations for v in e.inputs]}
    given = zip(jaxpr.in_vars[first:], names[first:], rows, strict=True)
    pairs = [(name, array) for var, name, array in given if var in read]  # each row that is made takes its time
    pairs += [(row, row.removeprefix("row_of_")) for row in filled]
    lines.append(_head(pairs, bool(stored), reverse))
    start = len(lines)
    lines += body or ["        pass"]
    lines += [f"    {y} = {of}" for y, of in copied.items()]
    lines.append(f"    return ({''.join(f'{name}, ' for name in (*carries.results(), *[y for y, _ in ys]))})")
    return compiled(writer, lines, {line + start: index for line, index in where.items()}, jaxpr)


def _head(pairs: Sequence[tuple[str, str]], counted: bool, reverse: bool) -> str:
    """Return the head of a loop over rows: names of a row, and of the array that it comes from."""
    numbers = "range(length - 1, -1, -1)" if reverse else "range(length)"
    if not pairs:
        return f"    for i in {numbers}:"
    turned = "[::-1]" if reverse else ""
    targets = [*(["i"] if counted else []), *[name for name, _ in pairs]]
    sources = [*([numbers] if counted else []), *[f"{array}{turned}" for _, array in pairs]]
    if len(targets) == 1:
        return f"    for {targets[0]} in {sources[0]}:"
    return f"    for {', '.join(targets)} in zip({', '.join(sources)}):"


def _shifted(
    jaxpr: Jaxpr, names: Sequence[str], consts: int, ys: Sequence[tuple[str, Atom]], placed: dict[Atom, str]
) -> dict[str, tuple[str, str]]:
    """Return the ys that are a carry as it was before each run, where what it was after is stacked too.

    For each: the name of the carry's first value, and of the stack of values after.
    """
    carried = zip(jaxpr.in_vars[consts : len(names)], names[consts:], jaxpr.outputs, strict=False)
    after: dict[Atom, tuple[str, str]] = {
        before: (name, placed[out].removeprefix("row_of_")) for before, name, out in carried if out in placed
    }
    return {y: after[atom] for y, atom in ys if atom in after}


def _shifts(shifted: dict[str, tuple[str, str]], reverse: bool) -> list[str]:
    """Return the statements that make two stacks of one: values before each run, and those after, a row further on."""
    edge, before, after = ("-1", "1:", ":-1") if reverse else ("0", ":-1", "1:")
    lines = []
    for y, (first, later) in shifted.items():
        lines += [
            f"    all_{later}[{edge}] = {first}",
            f"    {later} = all_{later}[{after}]",
            f"    {y} = all_{later}[{before}]",
        ]
    return lines


def generate_while(
    condition: Jaxpr, body: Jaxpr, asked: int, consts: int, grow: Callable[[Sequence[Any], int], Sequence[Any]]
) -> Compiled:
    """Generate the function of a loop that runs ``body`` as long as ``condition`` holds, both written in it.

    It takes the constants of both, the carry, buffers for the rows of ys, and the number of runs so far; it returns the
    carry, the buffers and the number of runs. ``grow(buffers, runs)`` makes larger ones.
    """
    writer = Writer(body, rounding=True)
    writer.add_constants(condition)
    names = [writer.name(v) for v in (*condition.in_vars[:asked], *body.in_vars)]
    count = len(body.in_vars) - consts
    writer.fixed.update(names[: asked + consts])
    for var, carried in zip(condition.in_vars[asked:], body.in_vars[consts:], strict=True):
        writer.rename(var, carried)
    carries = _Carries(writer, body, consts, count, {})
    stacks = [f"ys_{i}" for i in range(len(body.outputs) - count)]
    writer.scope["grow"] = grow
    memory = Memory(carries.places())
    written = ["    while True:"]
    where: dict[int, int] = {}
    lasting: set[Atom] = {*condition.const_vars, *condition.in_vars, *body.const_vars, *body.in_vars}
    write_equations(writer, condition, written, where, "        ", lasting, Memory({}, math.inf))
    written += [f"        if not {writer.name(condition.outputs[0])}:", "            break"]
    later: dict[int, int] = {}
    write_equations(writer, body, written, later, "        ", lasting, memory)
    where.update({line: index + len(condition.equations) for line, index in later.items()})
    if stacks:
        written += [
            f"        if runs == len({stacks[0]}):",
            f"            {', '.join(stacks)}, = grow(({', '.join(stacks)},), runs)",
        ]
    rows = [writer.name(v) for v in body.outputs[count:]]
    written += [f"        {y}[runs] = {x}" for y, x in zip(stacks, rows, strict=True)]
    written.append("        runs += 1")
    written += [f"        {line}" for line in carries.hand_on()]
    written.append(f"    return ({', '.join([*carries.results(), *stacks, 'runs'])},)")
    lines = [f"def program({', '.join([*names, *stacks, 'runs'])}):"]
    lines += _made(writer, [*memory.made, *carries.arrays()])
    lines += [f"    {name}_T = {name}.T" for name in sorted(writer.turned)]
    both = Jaxpr(body.in_vars, [*condition.equations, *body.equations], body.outputs)
    moved = {line + len(lines): index for line, index in where.items()}
    return compiled(writer, [*lines, *written], moved, both)
