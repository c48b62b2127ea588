"""A graph in the flowchart language of Mermaid, which renders in Markdown on many sites."""

from __future__ import annotations

from collections.abc import Iterator

from .graph import CONSTANT, EQUATION, FOLDED, GUARD, HOLDS, INPUT, NOTE, OUTPUT, PROGRAM, RESIDUAL, Contents, Graph
from .markup import LIGHT, look, look_of_box

__all__ = ["mermaid_text"]

_SHAPES = {
    INPUT: ("([", "])"),
    CONSTANT: ("[(", ")]"),
    OUTPUT: ("([", "])"),
    EQUATION: ("[", "]"),
    GUARD: ("{{", "}}"),
    FOLDED: ("[[", "]]"),
    NOTE: ("[", "]"),
}
_ARROWS = {RESIDUAL: "==>", HOLDS: "-.->"}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 '_.,:=+-/()[]…×")


def mermaid_text(graph: Graph) -> str:
    """Return ``graph`` as a Mermaid flowchart."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield "flowchart TD"
    yield from _inside(graph.contents(), None, "  ")
    for edge in graph.edges:
        yield f"  {edge.start} {_ARROWS.get(edge.kind, '-->')} {edge.end}"
    yield from _styles(graph)


def _inside(contents: Contents, box: str | None, indent: str) -> Iterator[str]:
    """Write the nodes and boxes that stand in ``box``."""
    nodes, boxes = contents[box]
    for node in nodes:
        opening, closing = _SHAPES[node.kind]
        yield f'{indent}{node.name}{opening}"{"<br/>".join(map(plain, node.lines))}"{closing}'
    for inner in boxes:
        yield f'{indent}subgraph {inner.name}["{plain(inner.label)}"]'
        yield from _inside(contents, inner.name, indent + "  ")
        yield f"{indent}end"


def _styles(graph: Graph) -> Iterator[str]:
    ink = LIGHT["page"][1]
    members: dict[str, list[str]] = {}
    for node in graph.nodes:
        members.setdefault(look(node), []).append(node.name)
    for key, names in members.items():
        ground, line = LIGHT[key]
        yield f"  classDef {key} fill:{ground},stroke:{line},color:{ink}"
        yield f"  class {','.join(names)} {key}"
    residuals = [node.name for node in graph.nodes if node.residual]
    if residuals:
        yield f"  classDef residual stroke:{LIGHT['residual'][1]},stroke-width:3px"
        yield f"  class {','.join(residuals)} residual"
    for box in graph.boxes:
        dash = "" if box.kind == PROGRAM else ",stroke-dasharray:4 3"
        yield f"  style {box.name} fill:{LIGHT['box'][0]},stroke:{LIGHT[look_of_box(box)][1]},color:{ink}{dash}"
    thick = [str(number) for number, edge in enumerate(graph.edges) if edge.kind == RESIDUAL]
    if thick:
        yield f"  linkStyle {','.join(thick)} stroke:{LIGHT['residual'][1]}"


def plain(text: str) -> str:
    """Return ``text`` with all that means something to Mermaid, Markdown or HTML written as a number.

    >>> plain('<b> "%%{init}%%"; #1')
    '#60;b#62; #34;#37;#37;#123;init#125;#37;#37;#34;#59; #35;1'
    """
    return "".join(c if c in _PLAIN or (ord(c) > 127 and c.isalnum()) else f"#{ord(c)};" for c in text)
