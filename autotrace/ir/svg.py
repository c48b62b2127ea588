"""A graph as SVG: drawn by Graphviz where that is installed, else by the layered layout of ``layers``.

Our own drawing places the content of each box first, and the box then as one figure of what surrounds it. Where an
edge enters or leaves a box there is a port on its border.
"""

from __future__ import annotations

import importlib
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from .dot import dot_text
from .graph import (
    CONSTANT,
    EQUATION,
    FOLDED,
    GUARD,
    HOLDS,
    INPUT,
    NOTE,
    OUTPUT,
    PROGRAM,
    RESIDUAL,
    Box,
    Edge,
    Graph,
    Node,
)
from .layers import Drawing, Line, draw
from .markup import DARK, LIGHT, MONOSPACE, escape, legend, look, look_of_box

__all__ = ["ENGINES", "svg_text"]

ENGINES = ("auto", "graphviz", "plain")

_LETTER = 7.3
"""Width of a letter of 12 pixels in the widest of the usual monospaced fonts."""
_ROW = 16.0
_MARGIN = 14.0
_HEAD = 24.0
"""Height of a box's title."""
_PAD = 14.0
_PATIENCE = 60.0
"""Seconds that ``dot`` may take."""


def svg_text(graph: Graph, *, engine: str = "auto") -> str:
    """Return a drawing of ``graph`` as an ``<svg>`` element that is also a whole file.

    ``engine`` is ``"graphviz"`` (its program ``dot``), ``"plain"`` (our own layout) or ``"auto"``: the first that
    there is.

    Raises ``ValueError`` for another ``engine``, ``RuntimeError`` where ``"graphviz"`` is asked for and does not work.
    """
    if engine not in ENGINES:
        raise ValueError(
            f"to_svg: engine must be one of {', '.join(map(repr, ENGINES))}; got {engine!r}. Leave it out for 'auto'."
        )
    if engine == "plain" or (engine == "auto" and _dot() is None):
        return _plain(graph)
    try:
        return _by_graphviz(graph)
    except RuntimeError:
        if engine == "graphviz":
            raise
        return _plain(graph)


def _dot() -> str | None:
    """Return the program ``dot``, if it is on the path."""
    return importlib.import_module("shutil").which("dot")


def _by_graphviz(graph: Graph) -> str:
    program = _dot()
    cure = "Install Graphviz, or pass engine='plain'."
    if program is None:
        raise RuntimeError(f"to_svg: engine='graphviz' needs the program dot; got none on the path. {cure}")
    subprocess = importlib.import_module("subprocess")  # some milliseconds, for those who ask for it
    try:
        run = subprocess.run(
            [program, "-Tsvg"], input=dot_text(graph).encode(), capture_output=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(
            f"to_svg: dot must finish in {_PATIENCE:.0f} seconds; got none for {len(graph.nodes)} nodes. "
            "Pass group='folded', or engine='plain'."
        ) from None
    except OSError as error:
        raise RuntimeError(f"to_svg: the program dot must run; got {error}. {cure}") from error
    text = run.stdout.decode("utf-8", "replace")
    start = text.find("<svg")
    if run.returncode or start < 0:
        said = run.stderr.decode("utf-8", "replace").strip()[:200]
        raise RuntimeError(f"to_svg: dot must draw the program; got exit code {run.returncode}: {said}. {cure}")
    return text[start:]


# Our own drawing.


class _Piece(NamedTuple):
    """Something drawn, as SVG that stands at the origin, and its size."""

    svg: list[str]
    width: float
    height: float


class _Level:
    """What stands directly in one box (or in none): figures, and the lines between them."""

    def __init__(self) -> None:
        self.figures: dict[str, int] = {}
        self.lines: dict[tuple[str, str, str, str], tuple[str, list[str], bool]] = {}
        self.first: list[str] = []
        self.last: list[str] = []

    def add(self, name: str) -> None:
        self.figures.setdefault(name, len(self.figures))

    def port(self, name: str, border: list[str]) -> None:
        """Add a port on ``border``, unless it is there."""
        if name not in self.figures:
            self.add(name)
            border.append(name)

    def line(self, start: str, end: str, out: str, into: str, edge: Edge, arrow: bool) -> None:
        """Draw a part of ``edge``; ``out`` and ``into`` are its ports where ``start`` or ``end`` is a box."""
        kind, labels, _ = self.lines.get((start, end, out, into), (edge.kind, [], arrow))
        if edge.label not in labels:
            labels.append(edge.label)
        self.lines[start, end, out, into] = (RESIDUAL if RESIDUAL in (kind, edge.kind) else kind, labels, arrow)


def _plain(graph: Graph) -> str:
    levels = _levels(graph)
    nodes = {node.name: node for node in graph.nodes}
    drawn: dict[str, _Piece] = {}
    ports: dict[str, dict[str, float]] = {}
    for box in reversed(graph.boxes):  # children come after their parents
        piece, ports[box.name] = _content(levels[box.name], nodes, drawn, ports)
        drawn[box.name], shift = _framed(box, piece, _stubs(levels[box.name], ports[box.name], piece.height))
        ports[box.name] = {port: x + shift for port, x in ports[box.name].items()}
    whole, _ = _content(levels[None], nodes, drawn, ports)
    return _document(whole, graph)


def _levels(graph: Graph) -> dict[str | None, _Level]:
    """Cut every edge at the borders of the boxes that it crosses."""
    levels: dict[str | None, _Level] = {None: _Level(), **{box.name: _Level() for box in graph.boxes}}
    parents = {box.name: box.parent for box in graph.boxes}
    homes = {node.name: node.box for node in graph.nodes}
    for node in graph.nodes:
        levels[node.box].add(node.name)
    for box in graph.boxes:
        levels[box.parent].add(box.name)

    for edge in graph.edges:
        leaving, entering = _around(homes[edge.start], parents), _around(homes[edge.end], parents)
        while leaving and entering and leaving[-1] == entering[-1]:
            leaving.pop()
            entering.pop()
        crossed = leaving or entering
        _cut(edge, leaving, entering, levels, parents[crossed[-1]] if crossed else homes[edge.start])
    return levels


def _around(box: str | None, parents: dict[str, str | None]) -> list[str]:
    """Return ``box`` and the boxes that it stands in, outwards."""
    found = []
    while box is not None:
        found.append(box)
        box = parents[box]
    return found


def _cut(
    edge: Edge, leaving: list[str], entering: list[str], levels: dict[str | None, _Level], common: str | None
) -> None:
    """Draw ``edge`` out of the boxes ``leaving``, across ``common`` and into the boxes ``entering`` (innermost first).

    A node has one port on each border that its values cross: lines to several readers part behind it.
    """
    here, out, into = edge.start, "", f"into:{edge.start}" if entering else ""
    for box in leaving:
        port = f"out:{edge.start}"
        levels[box].port(port, levels[box].last)
        levels[box].line(here, port, out, "", edge, False)
        here, out = box, port
    levels[common].line(here, entering[-1] if entering else edge.end, out, into, edge, not entering)
    inwards = [*entering[::-1], edge.end]
    for box, target in pairwise(inwards):
        levels[box].port(into, levels[box].first)
        levels[box].line(into, target, "", "" if target == edge.end else into, edge, target == edge.end)


def _content(
    level: _Level, nodes: dict[str, Node], drawn: dict[str, _Piece], ports: dict[str, dict[str, float]]
) -> tuple[_Piece, dict[str, float]]:
    """Draw what stands in one box; return it, and where the ports are across."""
    pieces = [drawn[name] if name in drawn else _figure(nodes.get(name)) for name in level.figures]
    number = level.figures

    def off(figure: str, port: str) -> float:
        return ports[figure][port] - drawn[figure].width / 2 if port else 0.0

    lines = [Line(number[start], number[end], off(start, out), off(end, into)) for start, end, out, into in level.lines]
    drawing = draw(
        [(piece.width, piece.height) for piece in pieces],
        lines,
        [number[name] for name in level.first],
        [number[name] for name in level.last],
    )
    svg = [*_edges(level, drawing)]
    for piece, (x, y) in zip(pieces, drawing.places, strict=True):
        if piece.svg:
            svg.append(f'<g transform="translate({_n(x - piece.width / 2)} {_n(y - piece.height / 2)})">')
            svg.extend(piece.svg)
            svg.append("</g>")
    where = {name: drawing.places[number[name]][0] for name in (*level.first, *level.last)}
    return _Piece(svg, drawing.width, drawing.height), where


def _edges(level: _Level, drawing: Drawing) -> Iterator[str]:
    """Draw the lines, residuals over the others."""
    order = sorted(zip(level.lines.values(), drawing.ways, strict=True), key=lambda pair: pair[0][0] == RESIDUAL)
    for (kind, labels, arrow), way in order:
        key = RESIDUAL if kind == RESIDUAL else "edge"
        color = LIGHT[key][1]
        x, y = way[-1]
        head = f"M{_n(x - 3.5)} {_n(y - 7)}L{_n(x)} {_n(y)}L{_n(x + 3.5)} {_n(y - 7)}Z" if arrow else ""
        thick = 2 if kind == RESIDUAL else 1.2
        dash = ' stroke-dasharray="4 3"' if kind == HOLDS else ""
        yield f'<g class="line {key}" stroke="{color}" fill="none"><title>{escape(", ".join(labels))}</title>'
        yield f'<path d="{_path(way, 5.0 if arrow else 0.0)}" stroke-width="{thick}"{dash}/>'
        if head:
            yield f'<path class="head" d="{head}" fill="{color}" stroke="none"/>'
        yield "</g>"


def _path(way: list[tuple[float, float]], short: float) -> str:
    """Lead a line through the points of ``way``, upright where it passes a layer, ``short`` of the last one."""
    *points, (x, y) = way
    text, (u, v) = f"M{_n(points[0][0])} {_n(points[0][1])}", points[0]
    for a, b in [*points[1:], (x, y - short)]:
        if abs(a - u) < 0.05:
            text += f"V{_n(b)}" if abs(b - v) > 0.05 else ""
        else:
            middle = (b + v) / 2
            text += f"C{_n(u)} {_n(middle)} {_n(a)} {_n(middle)} {_n(a)} {_n(b)}"
        u, v = a, b
    return text


def _figure(node: Node | None) -> _Piece:
    """Draw a node, or nothing: a port."""
    if node is None:
        return _Piece([], 0.0, 0.0)
    look_here = look(node)
    ground, line = LIGHT[look_here]
    side = 16.0 if node.kind in (GUARD, INPUT, OUTPUT) else 10.0
    width = max(map(_wide, node.lines), default=0.0) + 2 * side
    height = _ROW * max(1, len(node.lines)) + 9
    marked = ""
    if node.residual:
        line, marked = LIGHT["residual"][1], " marked"
    border = f'fill="{ground}" stroke="{line}" stroke-width="{2.5 if node.residual else 1.2}"'
    svg = [f'<g class="node {look_here}{marked}">', f"<title>{escape(_told(node))}</title>"]
    if node.kind == GUARD:
        half, slant = height / 2, 9
        points = (
            f"0,{_n(half)} {slant},0 {_n(width - slant)},0 {_n(width)},{_n(half)} {_n(width - slant)},{_n(height)} "
        )
        svg.append(f'<polygon points="{points}{slant},{_n(height)}" {border}/>')
    else:
        if node.kind == FOLDED:
            svg.append(f'<rect x="4" y="4" width="{_n(width)}" height="{_n(height)}" rx="4" {border}/>')
        round_by = {EQUATION: 4.0, FOLDED: 4.0, NOTE: 0.0}.get(node.kind, 12.5)
        dash = ' stroke-dasharray="4 3"' if node.kind == CONSTANT else ""
        svg.append(f'<rect width="{_n(width)}" height="{_n(height)}" rx="{_n(round_by)}" {border}{dash}/>')
    for number, text in enumerate(node.lines):
        key = "page" if number == 0 else "faint"
        y = _n(_ROW * number + 16.5)
        svg.append(f'<text class="{key}" x="{_n(side)}" y="{y}" fill="{LIGHT[key][1]}">{escape(text)}</text>')
    svg.append("</g>")
    return _Piece(svg, width + (4 if node.kind == FOLDED else 0), height + (4 if node.kind == FOLDED else 0))


def _told(node: Node) -> str:
    return node.tooltip + (" | residual: read by the backward part" if node.residual else "")


def _stubs(level: _Level, ports: dict[str, float], height: float) -> Iterator[str]:
    """Lead the lines from the ports of a box to its border."""
    kinds: dict[str, str] = {}
    for (start, end, _, _), (kind, _, _) in level.lines.items():
        for port in (start, end):
            if port in ports and kinds.get(port) != RESIDUAL:
                kinds[port] = kind
    for port, kind in kinds.items():
        key = RESIDUAL if kind == RESIDUAL else "edge"
        y, by = (-_HEAD, _HEAD) if port in level.first else (height, _PAD)
        thick = 2 if kind == RESIDUAL else 1.2
        yield (
            f'<path class="line {key}" stroke="{LIGHT[key][1]}" fill="none" '
            f'd="M{_n(ports[port])} {_n(y)}v{_n(by)}" stroke-width="{thick}"/>'
        )


def _framed(box: Box, inner: _Piece, stubs: Iterator[str]) -> tuple[_Piece, float]:
    """Draw a box around its content; return it, and how far the content has moved to the right."""
    width = max(inner.width, _wide(box.label)) + 2 * _PAD
    height = inner.height + _HEAD + _PAD
    shift = (width - inner.width) / 2
    look_here = look_of_box(box)
    ground, line = LIGHT["box"][0], LIGHT[look_here][1]
    dash = "" if box.kind == PROGRAM else ' stroke-dasharray="5 4"'
    svg = [
        f'<g class="box {look_here}"><title>{escape(box.tooltip)}</title>',
        f'<rect width="{_n(width)}" height="{_n(height)}" rx="8" fill="{ground}" stroke="{line}"{dash}/></g>',
        f'<g transform="translate({_n(shift)} {_n(_HEAD)})">',
        *stubs,
        *inner.svg,
        "</g>",
        f'<text class="title" x="{_n(_PAD)}" y="17" fill="{LIGHT["faint"][1]}" stroke="{ground}" stroke-width="4" '
        f'paint-order="stroke">{escape(box.label)}</text>',
    ]
    return _Piece(svg, width, height), shift


def _document(whole: _Piece, graph: Graph) -> str:
    words = legend(graph)
    keys = _legend(words)
    width = max(whole.width, keys.width) + 2 * _MARGIN
    height = whole.height + 2 * _MARGIN + keys.height
    size = f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}"'
    equations = sum(node.kind in (EQUATION, GUARD, FOLDED) for node in graph.nodes)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="autotrace-graph" {size} role="img" '
            f'aria-label="program of {equations} figures" font-family="{MONOSPACE}" font-size="12">',
            f"<style>{_dark()}</style>",
            f'<rect class="ground" width="100%" height="100%" fill="{LIGHT["page"][0]}"/>',
            f'<g transform="translate({_n((width - whole.width) / 2)} {_n(_MARGIN)})">',
            *whole.svg,
            "</g>",
            f'<g transform="translate({_n(_MARGIN)} {_n(whole.height + 2 * _MARGIN)})">',
            *keys.svg,
            "</g>",
            "</svg>\n",
        ]
    )


def _legend(words: list[tuple[str, str]]) -> _Piece:
    """Draw the meaning of the colours, in a column."""
    svg, width = [], 0.0
    for number, (key, text) in enumerate(words):
        ground, line = LIGHT[key]
        y = 20 * number
        svg.append(
            f'<g class="node {key}"><rect y="{y}" width="22" height="13" rx="3" fill="{ground}" stroke="{line}" '
            f'stroke-width="{2.5 if key == RESIDUAL else 1.2}"/><text class="faint" x="30" y="{y + 11}" '
            f'fill="{LIGHT["faint"][1]}">{escape(text)}</text></g>'
        )
        width = max(width, 30 + _wide(text))
    return _Piece(svg, width, 20.0 * len(words) + (4 if words else 0))


def _dark() -> str:
    """Return rules that recolour the drawing where the reader prefers dark pages."""
    ground, line = DARK["box"]
    rules = [
        f".autotrace-graph .ground{{fill:{DARK['page'][0]}}}",
        f".autotrace-graph .box rect{{fill:{ground};stroke:{line}}}",
    ]
    for key, (ground, line) in DARK.items():
        if key in ("page", "faint"):
            rules.append(f".autotrace-graph .{key}{{fill:{line}}}")
        elif key in ("edge", "residual"):
            rules.append(f".autotrace-graph .line.{key}{{stroke:{line}}}.autotrace-graph .{key} .head{{fill:{line}}}")
        if key not in ("page", "faint", "edge", "box"):
            shapes = f".autotrace-graph .node.{key} rect,.autotrace-graph .node.{key} polygon"
            rules.append(f"{shapes}{{fill:{ground};stroke:{line}}}")
            rules.append(f".autotrace-graph .box.{key} rect{{stroke:{line}}}")
    marked = DARK["residual"][1]
    rules.append(f".autotrace-graph .marked rect,.autotrace-graph .marked polygon{{stroke:{marked} !important}}")
    rules.append(f".autotrace-graph .title{{fill:{DARK['faint'][1]};stroke:{DARK['box'][0]}}}")
    return "@media (prefers-color-scheme: dark){" + "".join(rules) + "}"


def _wide(text: str) -> float:
    """Return the width of ``text``; the letters of East Asian scripts take two places."""
    return _LETTER * sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _n(number: float) -> str:
    """Write a coordinate with at most one digit after the point."""
    return f"{number:.1f}".removesuffix(".0")
