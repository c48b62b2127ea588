"""A program as nodes, edges and boxes: what every picture of it shows, before anything is placed or written.

:func:`graph_of` decides what is drawn: which equations stand alone, which are boxed or folded by source function,
which nested programs are opened, which values are residuals. The formats (``dot``, ``mermaid``, ``svg``) only write
down what it says, and know nothing of programs. All texts of a graph are single lines of printable characters;
escaping them for a format is the format's part.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, NamedTuple

from .equality import is_program
from .equation import Atom, Equation, Literal, Var
from .names import STYLES, variable_names
from .primitive import Primitive
from .print import constant_text, literal_text, parameter_texts
from .source import COTANGENT, PRIMAL, TANGENT, Place, place

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = [
    "GROUPINGS",
    "PHASES",
    "Box",
    "Contents",
    "Edge",
    "Graph",
    "Node",
    "clip",
    "graph_of",
    "printable",
    "programs_in",
    "require_names",
]

INPUT, CONSTANT, OUTPUT = "input", "constant", "output"
EQUATION, GUARD, FOLDED, NOTE = "equation", "guard", "folded", "note"
"""Kinds of nodes. A guard is any equation that is kept for its effect; a note says that there is nothing to draw."""

VALUE, RESIDUAL, HOLDS = "value", "residual", "holds"
"""Kinds of edges. A residual is a value of the primal part that the backward part reads; ``HOLDS`` leads from an
equation to the program that it holds, where operands and inputs do not correspond one to one."""

FUNCTION, PROGRAM = "function", "program"
"""Kinds of boxes: equations of one source function, and a nested program (or the equation that holds one)."""

PHASES = {PRIMAL: "primal", TANGENT: "tangent", COTANGENT: "backward"}
"""What a reader calls the phases of ``equation.source``."""

GROUPINGS = ("auto", "none", "boxes", "folded")

BOXED_ABOVE = 60
"""With ``"auto"``: more equations than these are boxed by source function."""
FOLDED_ABOVE = 200
"""With ``"auto"``: more equations than these are folded by source function."""
MOST_PARTS = 80
"""A folded program has about this many nodes at most,"""
FEWEST_PARTS = 20
"""and of a long one no node is more than one in this many of its equations."""
MOST_NESTED = 6
"""Programs inside programs are opened to this depth."""
MOST_ELEMENTS = 4
"""Constants up to this size are written out."""
WIDEST = 56
"""Longer lines of text are cut; tooltips have them whole."""


class Node(NamedTuple):
    """A figure with a few lines of text. ``name`` is ``n0``, ``n1``, ... in the order of the program."""

    name: str
    kind: str
    lines: tuple[str, ...]
    tooltip: str
    phase: str = PRIMAL
    box: str | None = None
    residual: bool = False
    """A value of this node is read by the backward part."""


class Edge(NamedTuple):
    """A value, or several, on the way from one node to another."""

    start: str
    end: str
    kind: str
    label: str


class Box(NamedTuple):
    """A frame around nodes and other boxes. ``name`` is ``b0``, ``b1``, ...; a parent comes before its children."""

    name: str
    kind: str
    label: str
    tooltip: str
    phase: str = PRIMAL
    parent: str | None = None


Contents = dict[str | None, tuple[list[Node], list[Box]]]


class Graph(NamedTuple):
    """Nodes, edges and boxes; without cycles, also when every box counts as one node."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    boxes: tuple[Box, ...]

    def contents(self) -> Contents:
        """Return the nodes and boxes that stand directly in each box, and, under None, in none."""
        found: Contents = {None: ([], [])}
        for box in self.boxes:
            found[box.name] = ([], [])
            found[box.parent][1].append(box)
        for node in self.nodes:
            found[node.box][0].append(node)
        return found


def graph_of(jaxpr: Jaxpr, *, group: str = "auto", names: str = "letters", caller: str = "graph") -> Graph:
    """Return what a picture of ``jaxpr`` shows.

    ``group`` says what becomes of equations of one source function and phase that can stand together: ``"none"``
    leaves them apart, ``"boxes"`` frames them, ``"folded"`` makes one node of them, ``"auto"`` decides by their
    number (boxes above 60 equations, folded above 200). ``names`` is ``"letters"`` or ``"user"``, as in printing.
    ``caller`` is named in errors.

    Raises ``ValueError`` for another ``group`` or ``names``.
    """
    if group not in GROUPINGS:
        raise ValueError(
            f"{caller}: group must be one of {', '.join(map(repr, GROUPINGS))}; got {group!r}. Leave it out for 'auto'."
        )
    require_names(names, caller)
    if group == "auto":
        count = _count(jaxpr)
        group = "none" if count <= BOXED_ABOVE else "boxes" if count <= FOLDED_ABOVE else "folded"
    builder = _Builder(group, names)
    builder.program(jaxpr, None, 0)
    return builder.graph()


def require_names(names: str, caller: str) -> None:
    """Raise ``ValueError`` for a style of names that there is not."""
    if names not in STYLES:
        raise ValueError(f"{caller}: names must be 'letters' or 'user'; got {names!r}. Use one of these.")


# Texts.


def printable(text: str) -> str:
    """Return ``text`` as one line that no format can choke on: what does not print is written as in Python."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def clip(text: str, width: int = WIDEST) -> str:
    """Cut ``text`` to ``width`` characters, the last of them an ellipsis where something is missing."""
    return text if len(text) <= width else text[: width - 1] + "…"


def programs_in(value: Any) -> Iterator[Jaxpr]:
    """Yield the programs that a parameter is or holds."""
    if is_program(value):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from programs_in(item)


def held_programs(primitive: Primitive) -> list[tuple[str, Jaxpr]]:
    """Return the programs among the parameters, with the names of the parameters."""
    return [(key, program) for key, value in primitive.params.items() for program in programs_in(value)]


def where(equation: Equation) -> str:
    """Return file, line and function, or nothing where that is not known."""
    found = place(equation.source)
    return printable(str(found)) if found else ""


def phase_of(equation: Equation) -> str:
    """Return the phase of a derivative that the equation belongs to."""
    return equation.source[2] if equation.source else PRIMAL


# Which equations stand together.


def _count(jaxpr: Jaxpr) -> int:
    """Count the equations that may be drawn: of each program in ``jaxpr`` once."""
    seen, level, total = {id(jaxpr)}, [jaxpr], 0
    for _ in range(MOST_NESTED + 1):
        inner = []
        for program in level:
            total += len(program.equations)
            for equation in program.equations:
                for _, held in held_programs(equation.primitive):
                    if id(held) not in seen:
                        seen.add(id(held))
                        inner.append(held)
        level = inner
    return total


def _parts(equations: Sequence[Equation], group: str) -> list[list[Equation]]:
    """Divide ``equations`` into parts that are drawn as one; the parts are in topological order."""
    if group == "none":
        return [[equation] for equation in equations]
    functions: dict[Any, tuple[str, str]] = {}

    def of_function(index: int) -> Hashable:
        equation = equations[index]
        if held_programs(equation.primitive):
            return index  # the program in it is drawn: that takes a node of its own
        source = equation.source
        if source is None:
            return (None, PRIMAL)
        key = source[0] if not isinstance(source[0], Place) else source[0]._replace(line=0)
        if key not in functions:
            found = place(source)
            assert found is not None
            functions[key] = (found.file, found.function)
        return (functions[key], source[2])

    parts = _runs(equations, of_function)
    if group == "boxes" or len(equations) <= FOLDED_ABOVE:
        return parts
    if len(parts) <= MOST_PARTS:
        return _pieces(parts, -(-len(equations) // FEWEST_PARTS))
    # Too many still: forget the functions, then the phases too.
    size = -(-len(equations) // (MOST_PARTS * 3 // 4))
    forgetful: list[Callable[[int], Hashable]] = [lambda i: phase_of(equations[i]), lambda i: None]
    for key_of in forgetful:
        parts = _pieces(_runs(equations, key_of), size)
        if len(parts) <= MOST_PARTS:
            break
    return parts


def _pieces(runs: list[list[Equation]], size: int) -> list[list[Equation]]:
    """Cut runs longer than ``size``: a program of a single function is to be more than a single figure."""
    return [run[i : i + size] for run in runs for i in range(0, len(run), size)]


def _runs(equations: Sequence[Equation], key_of: Callable[[int], Hashable]) -> list[list[Equation]]:
    """Reorder ``equations``, keeping definitions before uses, so that equal keys come together; return the runs.

    A run of any topological order can be contracted to one node without making a cycle. The order is greedy: as
    long as an equation of the present key is ready, it is next; else the earliest equation that is ready.
    """
    made = {var: i for i, equation in enumerate(equations) for var in equation.outputs}
    users: list[list[int]] = [[] for _ in equations]
    waits = [0] * len(equations)
    for i, equation in enumerate(equations):
        for before in {made[atom] for atom in equation.inputs if isinstance(atom, Var) and atom in made}:
            users[before].append(i)
            waits[i] += 1
    keys = [key_of(i) for i in range(len(equations))]
    ready: dict[Hashable, list[int]] = {}
    everyone: list[int] = []
    done = [False] * len(equations)

    def release(i: int) -> None:
        heappush(ready.setdefault(keys[i], []), i)
        heappush(everyone, i)

    for i, count in enumerate(waits):
        if count == 0:
            release(i)
    runs: list[list[Equation]] = []
    while everyone:
        first = heappop(everyone)
        if done[first]:
            continue
        run, mine = [], ready[keys[first]]
        while mine:
            i = heappop(mine)
            done[i] = True
            run.append(equations[i])
            for user in users[i]:
                waits[user] -= 1
                if waits[user] == 0:
                    release(user)
        runs.append(run)
    return runs


# The graph.


class _Origin(NamedTuple):
    """Where a variable comes from: a node, and whether an equation of the primal part made it."""

    node: str
    primal: bool
    text: str


class _Builder:
    """Gathers the parts of a graph; ``program`` is called for each program that is drawn, outermost first."""

    def __init__(self, group: str, names: str) -> None:
        self.group = group
        self.names = names
        self.nodes: dict[str, Node] = {}
        self.boxes: list[Box] = []
        self.edges: dict[tuple[str, str], tuple[str, list[str]]] = {}
        self.residuals: set[str] = set()
        self.drawn: set[int] = set()

    def graph(self) -> Graph:
        nodes = tuple(n._replace(residual=n.name in self.residuals) for n in self.nodes.values())
        edges = tuple(Edge(start, end, kind, _listed(texts)) for (start, end), (kind, texts) in self.edges.items())
        return Graph(nodes, edges, tuple(self.boxes))

    def node(self, kind: str, lines: Iterable[str], tooltip: str, phase: str, box: str | None) -> str:
        name = f"n{len(self.nodes)}"
        shown = tuple(clip(printable(line)) for line in lines if line)
        self.nodes[name] = Node(name, kind, shown, tooltip, phase, box)
        return name

    def box(self, kind: str, label: str, tooltip: str, phase: str, parent: str | None) -> str:
        name = f"b{len(self.boxes)}"
        self.boxes.append(Box(name, kind, clip(printable(label), 80), tooltip, phase, parent))
        return name

    def edge(self, origin: _Origin, end: str, phase: str = PRIMAL) -> None:
        kind = RESIDUAL if origin.primal and phase == COTANGENT else VALUE
        if kind == RESIDUAL:
            self.residuals.add(origin.node)
        known, texts = self.edges.get((origin.node, end), (kind, []))
        if origin.text not in texts:
            texts.append(origin.text)
        self.edges[origin.node, end] = (RESIDUAL if RESIDUAL in (known, kind) else VALUE, texts)

    def program(
        self,
        jaxpr: Jaxpr,
        box: str | None,
        depth: int,
        given: Sequence[Atom] = (),
        outer: _Scope | None = None,
        phase: str = PRIMAL,
    ) -> list[str]:
        """Draw ``jaxpr`` inside ``box``; return the nodes of its outputs.

        ``given`` are the operands of the equation that holds it, one for each input, and ``outer`` the scope in
        which they mean something; ``phase`` is that of the equation.
        """
        self.drawn.add(id(jaxpr))
        scope = _Scope(variable_names(jaxpr, self.names), box, depth)
        for var, value in zip(jaxpr.const_vars, jaxpr.constants, strict=False):
            text = scope.binder(var) + constant_text(value, MOST_ELEMENTS)
            scope.origins[var] = _Origin(self.node(CONSTANT, [text], f"constant {text}", PRIMAL, box), False, text)
        for number, var in enumerate(jaxpr.in_vars):
            text = scope.binder(var)
            atom = given[number] if given else None
            line = f"{text} = {literal_text(atom)}" if isinstance(atom, Literal) else text
            name = self.node(INPUT, [line], f"input {number}: {line}", PRIMAL, box)
            scope.origins[var] = _Origin(name, False, text)
            if outer is not None and atom in outer.origins:
                self.edge(outer.origins[atom], name, phase)
        for part in _parts(jaxpr.equations, self.group):
            self.part(part, scope)
        outputs = []
        for number, atom in enumerate(jaxpr.outputs):
            text = scope.atom(atom)
            tooltip = f"output {number}: {text}:{atom.aval}"
            outputs.append(self.node(OUTPUT, [f"output {text}"], printable(tooltip), PRIMAL, box))
            if atom in scope.origins:
                self.edge(scope.origins[atom], outputs[-1])
        if not (jaxpr.const_vars or jaxpr.in_vars or jaxpr.equations or jaxpr.outputs):
            self.node(NOTE, ["empty program"], "a program without inputs, equations and outputs", PRIMAL, box)
        return outputs

    def part(self, equations: Sequence[Equation], scope: _Scope) -> None:
        if len(equations) == 1:
            self.equation(equations[0], scope, scope.box)
        elif self.group == "folded":
            self.folded(equations, scope)
        else:
            phase = phase_of(equations[0])
            frame = self.box(FUNCTION, _title(equations, phase), _lines_of(equations), phase, scope.box)
            for equation in equations:
                self.equation(equation, scope, frame)

    def equation(self, equation: Equation, scope: _Scope, box: str | None) -> None:
        held = held_programs(equation.primitive)
        phase = phase_of(equation)
        text, params = scope.equation(equation), scope.params(equation)
        tooltip = scope.tooltip(equation)
        kind = GUARD if equation.primitive.effect else EQUATION
        opened = bool(held) and scope.depth < MOST_NESTED and not any(id(p) in self.drawn for _, p in held)
        if not opened:
            counts = [f"{key}: {_equations(len(p.equations))}" for key, p in held]
            where_is = ["drawn elsewhere" if id(p) in self.drawn else "not drawn" for _, p in held]
            more = [f"{count}, {mark}" for count, mark in zip(counts, where_is, strict=True)]
            name = self.node(kind, [text, params, *more], tooltip, phase, box)
            self.connect(equation, name, scope)
            return
        frame = self.box(PROGRAM, f"{text}  {params}".rstrip(), tooltip, phase, box)
        if len(held) == 1 and _fits(equation, held[0][1]):
            outputs = self.program(held[0][1], frame, scope.depth + 1, equation.inputs, scope, phase)
            for var, name in zip(equation.outputs, outputs, strict=True):
                scope.origins[var] = _Origin(name, phase == PRIMAL, scope.binder(var))
            return
        name = self.node(kind, [text, params], tooltip, phase, frame)
        self.connect(equation, name, scope)
        for number, (key, program) in enumerate(held):
            label = key if sum(other == key for other, _ in held) == 1 else f"{key} {number}"
            inner = self.box(PROGRAM, label, f"{label} of {tooltip}", phase, frame)
            first = f"n{len(self.nodes)}"
            self.program(program, inner, scope.depth + 1)
            self.edges[name, first] = (HOLDS, [label])

    def connect(self, equation: Equation, name: str, scope: _Scope) -> None:
        """Lead the operands of ``equation`` to node ``name``, and its outputs from there."""
        phase = phase_of(equation)
        for atom in equation.inputs:
            origin = scope.origins.get(atom)
            if origin is not None and origin.node != name:
                self.edge(origin, name, phase)
        for var in equation.outputs:
            scope.origins[var] = _Origin(name, phase == PRIMAL, scope.binder(var))

    def folded(self, equations: Sequence[Equation], scope: _Scope) -> None:
        phases = {phase_of(equation) for equation in equations}
        phase = phases.pop() if len(phases) == 1 else PRIMAL
        guards = any(equation.primitive.effect for equation in equations)
        count = Counter(equation.primitive.name for equation in equations)
        most = [f"{name} ×{n}" if n > 1 else name for name, n in count.most_common(3)]
        lines = [
            _title(equations, phase),
            _equations(len(equations)) + (" with guards" if guards else ""),
            ", ".join(most) + (", …" if len(count) > 3 else ""),
        ]
        name = self.node(FOLDED, lines, _lines_of(equations), phase, scope.box)
        for equation in equations:
            self.connect(equation, name, scope)


class _Scope:
    """The variables of one program: their names, and the nodes that they come from."""

    def __init__(self, names: dict[Var, str], box: str | None, depth: int) -> None:
        self.names = names
        self.box = box
        self.depth = depth
        self.origins: dict[Atom, _Origin] = {}

    def binder(self, var: Var) -> str:
        return f"{self.names.get(var, '_unbound')}:{var.aval}"

    def atom(self, atom: Atom) -> str:
        """Name an operand; one that nothing defines, in a program that is not right, is ``_unbound``."""
        return self.names.get(atom, "_unbound") if isinstance(atom, Var) else literal_text(atom)

    def equation(self, equation: Equation) -> str:
        binders = " ".join(map(self.binder, equation.outputs))
        operands = "".join(f" {self.atom(atom)}" for atom in equation.inputs)
        return f"{binders} = {equation.primitive.name}{operands}" if binders else equation.primitive.name + operands

    def params(self, equation: Equation) -> str:
        """Write the parameters out, but for programs, which are drawn."""
        drawn = {key for key, _ in held_programs(equation.primitive)}
        return " ".join(f"{key}={text}" for key, text in parameter_texts(equation.primitive) if key not in drawn)

    def tooltip(self, equation: Equation) -> str:
        params, origin = self.params(equation), where(equation)
        inputs = ", ".join(f"{self.atom(atom)}:{atom.aval}" for atom in equation.inputs if isinstance(atom, Var))
        parts = [self.equation(equation), params, f"of {inputs}" if inputs else "", origin]
        return printable(" | ".join([*filter(None, parts), PHASES.get(phase_of(equation), phase_of(equation))]))


def _fits(equation: Equation, program: Jaxpr) -> bool:
    """Whether the operands and outputs of ``equation`` can be those of ``program``, one by one."""
    return len(equation.inputs) == len(program.in_vars) and len(equation.outputs) == len(program.outputs)


def _equations(count: int) -> str:
    return f"{count} equation{'' if count == 1 else 's'}"


def _title(equations: Sequence[Equation], phase: str) -> str:
    """Name the source functions of ``equations``, the innermost part of their names, and the phase."""
    functions = Counter(
        found.function.rpartition("<locals>.")[2] if (found := place(e.source)) else "unknown source" for e in equations
    )
    listed = _listed([name for name, _ in functions.most_common()])
    return listed if phase == PRIMAL else f"{listed}, {PHASES.get(phase, phase)}"


def _lines_of(equations: Sequence[Equation]) -> str:
    """Tell the lines that ``equations`` come from: ``net.py:3-9 (layer)``."""
    lines: dict[tuple[str, str], list[int]] = {}
    for equation in equations:
        found = place(equation.source)
        if found:
            lines.setdefault((os.path.basename(found.file), found.function), []).append(found.line)
    texts = [
        f"{file}:{min(numbers)}{f'-{max(numbers)}' if max(numbers) > min(numbers) else ''} ({function})"
        for (file, function), numbers in lines.items()
    ]
    return printable(f"{_equations(len(equations))} of {_listed(texts, 6) if texts else 'unknown source'}")


def _listed(texts: Sequence[str], most: int = 3) -> str:
    """Join ``texts``, of many the first ones and the number of the others."""
    if len(texts) <= most + 1:
        return ", ".join(texts)
    return f"{', '.join(texts[:most])} and {len(texts) - most} more"
