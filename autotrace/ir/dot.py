"""A graph in DOT, the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

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
    Contents,
    Graph,
    Node,
)
from .markup import LIGHT, escape, legend, look, look_of_box

__all__ = ["dot_text"]

_SHAPES = {
    INPUT: 'shape=box style="rounded,filled"',
    CONSTANT: 'shape=box style="rounded,filled,dashed"',
    OUTPUT: 'shape=box style="rounded,filled"',
    EQUATION: "shape=box style=filled",
    GUARD: "shape=hexagon style=filled",
    FOLDED: "shape=box3d style=filled",
    NOTE: "shape=plaintext",
}


def dot_text(graph: Graph) -> str:
    """Return ``graph`` as a DOT program that any ``dot`` accepts."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield "digraph program {"
    yield '  graph [compound=true rankdir=TB ranksep=0.35 nodesep=0.25 fontname=monospace fontsize=11 tooltip=" "];'
    yield f'  node [fontname=monospace fontsize=11 height=0.3 margin="0.12,0.05" fontcolor="{LIGHT["page"][1]}"];'
    yield f'  edge [color="{LIGHT["edge"][1]}" arrowsize=0.6];'
    yield from _inside(graph.contents(), None, "  ")
    homes = {node.name: node.box for node in graph.nodes}
    for edge in graph.edges:
        yield f"  {edge.start} -> {edge.end} [{_edge(edge.kind, homes[edge.end])}tooltip={quoted(edge.label)}];"
    yield from _legend(graph)
    yield "}"


def _inside(contents: Contents, box: str | None, indent: str) -> Iterator[str]:
    """Write the nodes and boxes that stand in ``box``."""
    nodes, boxes = contents[box]
    for node in nodes:
        yield f"{indent}{node.name} [{_node(node)}];"
    for inner in boxes:
        yield f"{indent}subgraph cluster_{inner.name} {{"
        yield f"{indent}  {_box(inner)}"
        yield from _inside(contents, inner.name, indent + "  ")
        yield f"{indent}}}"


def _node(node: Node) -> str:
    ground, line = LIGHT[look(node)]
    border = f'color="{LIGHT["residual"][1]}" penwidth=2.5' if node.residual else f'color="{line}"'
    label = quoted(*node.lines)
    return f'label={label} {_SHAPES[node.kind]} fillcolor="{ground}" {border} tooltip={quoted(node.tooltip)}'


def _box(box: Box) -> str:
    style = "rounded" if box.kind == PROGRAM else '"rounded,dashed"'
    line = LIGHT[look_of_box(box)][1]
    return (
        f'label={quoted(box.label)} labeljust=l style={style} color="{line}" '
        f'fontcolor="{LIGHT["faint"][1]}" tooltip={quoted(box.tooltip)};'
    )


def _edge(kind: str, box: str | None) -> str:
    if kind == RESIDUAL:
        return f'color="{LIGHT["residual"][1]}" penwidth=1.6 '
    if kind == HOLDS:
        return f"style=dashed lhead=cluster_{box} "
    return ""


def _legend(graph: Graph) -> Iterator[str]:
    words = legend(graph)
    if not words:
        return
    cells = "".join(
        f'<TD BGCOLOR="{LIGHT[key][0]}" COLOR="{LIGHT[key][1]}" BORDER="1">{escape(text)}</TD>' for key, text in words
    )
    yield "  labelloc=b;"
    yield f'  label=<<TABLE BORDER="0" CELLSPACING="6" CELLPADDING="3"><TR>{cells}</TR></TABLE>>;'


def quoted(*lines: str) -> str:
    r"""Return ``lines`` as one DOT string that shows them as they are.

    In labels a backslash begins an escape and ``&`` an entity of HTML; both are themselves escaped.

    >>> print(quoted('say "\\N" & go', "twice"))
    "say \"\\N\" &amp; go\ntwice"
    """
    texts = [line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines]
    return '"' + "\\n".join(texts) + '"'
