"""What the pictures and pages have in common: colours, what they stand for, and escaped text."""

from __future__ import annotations

from .graph import (
    CONSTANT,
    EQUATION,
    FOLDED,
    GUARD,
    INPUT,
    NOTE,
    OUTPUT,
    PHASES,
    PROGRAM,
    RESIDUAL,
    Box,
    Graph,
    Node,
)

__all__ = ["DARK", "LIGHT", "MONOSPACE", "Colors", "escape", "legend", "look", "look_of_box"]

MONOSPACE = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"

Colors = dict[str, tuple[str, str]]
"""For each look the colours of its ground and of its line."""

LIGHT: Colors = {
    "primal": ("#dbeafe", "#2563eb"),
    "tangent": ("#dcfce7", "#15803d"),
    "backward": ("#ffedd5", "#c2410c"),
    "guard": ("#fee2e2", "#dc2626"),
    "residual": ("#f3e8ff", "#9333ea"),
    "input": ("#f1f5f9", "#64748b"),
    "output": ("#e2e8f0", "#1e293b"),
    "box": ("#f8fafc", "#94a3b8"),
    "edge": ("none", "#94a3b8"),
    "page": ("#ffffff", "#0f172a"),
    "faint": ("none", "#475569"),
}
DARK: Colors = {
    "primal": ("#1e3358", "#60a5fa"),
    "tangent": ("#173d2a", "#4ade80"),
    "backward": ("#4a2a14", "#fb923c"),
    "guard": ("#4c1d1d", "#f87171"),
    "residual": ("#3b2357", "#c084fc"),
    "input": ("#1e293b", "#94a3b8"),
    "output": ("#334155", "#cbd5e1"),
    "box": ("#151d2e", "#64748b"),
    "edge": ("none", "#64748b"),
    "page": ("#0f172a", "#e2e8f0"),
    "faint": ("none", "#a3b1c6"),
}

_LOOKS = {INPUT: "input", CONSTANT: "input", OUTPUT: "output", GUARD: "guard", NOTE: "input"}
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def escape(text: str) -> str:
    """Return ``text`` as it is written in XML and HTML, between tags and in attributes of either quote.

    >>> escape('<b title="]]>">')
    '&lt;b title=&quot;]]&gt;&quot;&gt;'
    """
    return text.translate(_ESCAPES)


def look(node: Node) -> str:
    """Return the look of ``node``, a key of ``LIGHT`` and ``DARK``."""
    return PHASES.get(node.phase, "primal") if node.kind in (EQUATION, FOLDED) else _LOOKS[node.kind]


def look_of_box(box: Box) -> str:
    """Return the look of ``box``: programs have the line of their phase, functions are grey."""
    return PHASES.get(box.phase, "primal") if box.kind == PROGRAM else "box"


def legend(graph: Graph) -> list[tuple[str, str]]:
    """Return what the colours of ``graph`` mean, as (look, words), where there is anything to tell apart."""
    looks = {look(node) for node in graph.nodes} | {look_of_box(box) for box in graph.boxes if box.kind == PROGRAM}
    words = {"primal": "primal", "tangent": "tangent", "backward": "backward (cotangent)", "guard": "guard"}
    found = [(key, text) for key, text in words.items() if key in looks]
    if any(edge.kind == RESIDUAL for edge in graph.edges):
        found.append(("residual", "residual: kept for the backward part"))
    return found if len(found) > 1 else []
