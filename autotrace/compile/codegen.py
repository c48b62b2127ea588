"""A program as one flat Python function over NumPy calls."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from ..ir import Atom, Equation, Jaxpr, Primitive, ShapedArray, Var, annotate, last_uses, place
from .buffers import implicit_broadcasts, may_hold, renamed, spare_buffers
from .expressions import Writer, has_place
from .fusion import Fused
from .kept import SMALLEST_KEPT, Kept
from .scalars import generate_scalar, is_scalar_program

__all__ = ["Compiled", "Memory", "compiled", "generate", "generate_loop", "generate_on_scalars", "write_equations"]

_FILE = "<autotrace program>"


class Compiled(NamedTuple):
    """A generated function from the program's inputs to the tuple of its outputs, and its source."""

    function: Callable[..., tuple[Any, ...]]
    source: str
    lines: dict[int, int]
    """Which equation stands at which line."""
    jaxpr: Jaxpr
    takes_floats: bool = False
    """Python's floats will do for float64 scalars."""

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
            raise self.explained(error) from error.__cause__

    def explained(self, error: Exception) -> Exception:
        """Return an error that the function raised, with the equation that did it."""
        line = _failing_line(error.__traceback__)
        return annotate(error, self.jaxpr.equations[self.lines[line]]) if line in self.lines else error


def generate(jaxpr: Jaxpr, rounding: bool = False) -> Compiled:
    """Generate and compile the function of ``jaxpr``. Values are dropped after their last use.

    With ``rounding``, results may differ from the interpreter's by rounding: scalars run on ``math``.
    """
    on_scalars = generate_on_scalars(jaxpr) if rounding else None
    if on_scalars is not None:
        return on_scalars
    writer = Writer(jaxpr, rounding)
    head = [f"def program({', '.join(writer.name(v) for v in jaxpr.in_vars)}):"]
    body: list[str] = []
    where: dict[int, int] = {}
    memory = Memory({}, SMALLEST_KEPT)
    write_equations(writer, jaxpr, body, where, "    ", set(jaxpr.const_vars), memory)
    if memory.made:
        kept = Kept([aval for _, aval in memory.made])
        writer.scope |= {"take": kept.take, "give": kept.give}
        head += ["    kept = take()", f"    {''.join([f'{name}, ' for name, _ in memory.made])}= kept"]
        body.append("    give(kept)")
    outputs = [writer.name(v) for v in jaxpr.outputs]
    body.append(f"    return ({', '.join(outputs)}{',' if len(outputs) == 1 else ''})")
    return compiled(writer, [*head, *body], {line + len(head): index for line, index in where.items()}, jaxpr)


def generate_on_scalars(jaxpr: Jaxpr, on_numpy: Callable[..., Sequence[Any]] | None = None) -> Compiled | None:
    """Generate the function of ``jaxpr`` on Python's numbers; None if not all in it are scalars.

    ``on_numpy`` does the same on NumPy.
    """
    if not is_scalar_program(jaxpr):
        return None
    return Compiled(*generate_scalar(jaxpr, on_numpy or Lazily(jaxpr)), jaxpr, takes_floats=True)


def generate_loop(
    primitive: Primitive,
    inputs: Sequence[ShapedArray],
    outputs: Sequence[ShapedArray],
    on_numpy: Callable[..., Sequence[Any]],
) -> Compiled | None:
    """Generate the function of a loop on Python's numbers; None if not all in it are scalars."""
    given, made = tuple([Var(a) for a in inputs]), tuple([Var(a) for a in outputs])
    return generate_on_scalars(Jaxpr(given, [Equation(primitive, given, made)], made), on_numpy)


def compiled(writer: Writer, lines: Sequence[str], where: dict[int, int], jaxpr: Jaxpr) -> Compiled:
    """Compile the lines of a function called ``program``."""
    source = "\n".join(lines)
    exec(compile(source, _FILE, "exec"), writer.scope)
    return Compiled(writer.scope["program"], source, where, jaxpr)


class Memory:
    """Arrays made beforehand, in which the runs of a loop, or the calls of a program, write one after the other.

    `places` : names of the memory that certain results go to. Other results, of `smallest` bytes and more, take a
    buffer of their shape and give it back when they are read no more.
    """

    def __init__(self, places: dict[Atom, str], smallest: float = 0) -> None:
        self.places = places
        self._smallest = smallest
        self.made: list[tuple[str, ShapedArray]] = []
        self._free: dict[ShapedArray, list[str]] = {}
        self.owned: dict[Atom, str] = {}

    def suits(self, var: Atom) -> bool:
        """Tell whether a result is large enough to take a buffer."""
        return bool(var.aval.nbytes >= self._smallest)

    def take(self, var: Atom) -> str:
        """Return the memory for ``var``."""
        if var in self.places:
            return self.places[var]
        free = self._free.setdefault(var.aval, [])
        if not free:
            free.append(f"buffer_{len(self.made)}")
            self.made.append((free[0], var.aval))
        self.owned[var] = free.pop()
        return self.owned[var]

    def follow(self, var: Atom, dead: Atom) -> None:
        """Note that ``var`` is now in the memory of ``dead``."""
        if dead in self.owned:
            self.owned[var] = self.owned.pop(dead)

    def give_back(self, var: Atom) -> bool:
        """Take back the memory of ``var``, which is dead; tell whether it had any of these."""
        if var in self.owned:
            self._free[var.aval].append(self.owned.pop(var))
            return True
        return var in self.places


def write_equations(
    writer: Writer,
    jaxpr: Jaxpr,
    lines: list[str],
    where: dict[int, int],
    indent: str,
    lasting: set[Atom],
    memory: Memory,
) -> None:
    """Add the statements of ``jaxpr`` to ``lines``, and which equation stands at which to ``where``.

    Values are dropped after their last use, but for the ``lasting`` ones.
    """
    stretched = implicit_broadcasts(jaxpr)
    frees = last_uses(renamed(jaxpr, stretched))
    spare = spare_buffers(jaxpr)
    for index, equation in enumerate(jaxpr.equations):
        out: Any = equation.outputs[0] if equation.outputs else None
        if out in stretched:
            writer.rename(out, equation.inputs[0])
            continue
        dying = [v for v in frees.get(index, ()) if v not in lasting and v not in stretched]
        dead = [v for v in dying if v in spare]
        target, place = _placed(writer, equation, dead, out in spare, memory)
        over, handed = _overwritten(writer, equation, dead, spare, memory)
        for statement in writer.statements(equation, place, over):
            lines.append(indent + statement)
            where[len(lines)] = index
        stays = {target, *handed}
        dropped = [v for v in dying if v not in stays and not memory.give_back(v)]
        if dropped:
            lines.append(f"{indent}del {', '.join(map(writer.name, dropped))}")


def _placed(
    writer: Writer, equation: Equation, dead: Sequence[Atom], is_spare: bool, memory: Memory
) -> tuple[Atom | None, str | None]:
    """Return the dead operand that gives its memory to the result, and the name of the memory; None for new memory."""
    out: Any = equation.outputs[0] if equation.outputs else None
    if out in memory.places:
        return None, memory.take(out)
    target = next((v for v in dead if may_hold(equation, v)), None)
    if target is None:
        taken = is_spare and memory.suits(out) and has_place(equation, writer.rounding)
        return None, memory.take(out) if taken else None
    if target in memory.owned and not is_spare:
        return None, None  # what outlives a run, or is seen from elsewhere, has memory of its own
    memory.follow(out, target)
    return target, writer.name(target)


def _overwritten(
    writer: Writer, equation: Equation, dead: Sequence[Atom], spare: set[Atom], memory: Memory
) -> tuple[str, set[Atom]]:
    """Return how a fused region is told in what memory to write its results, and operands that handed on buffers."""
    if type(equation.primitive) is not Fused:
        return "", set()
    places: dict[int, str] = {}
    used: set[Atom] = set()
    handed: set[Atom] = set()
    for i, k in equation.primitive.overwrites:
        operand, out = equation.inputs[k], equation.outputs[i]
        is_buffer = operand in memory.owned
        if i in places or operand in used or operand not in dead or (is_buffer and out not in spare):
            continue
        places[i] = writer.name(operand)
        used.add(operand)
        if is_buffer:
            memory.follow(out, operand)
            handed.add(operand)
    for i, out in enumerate(equation.outputs):
        if i not in places and out in spare and memory.suits(out):
            places[i] = memory.take(out)
    names = [places.get(i, "None") for i in range(len(equation.outputs))]
    return f"over=({', '.join(names)},)" if places else "", handed


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


def _failing_line(traceback: TracebackType | None) -> int | None:
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == _FILE:
            return traceback.tb_lineno
        traceback = traceback.tb_next
    return None
