"""Text laid out in lines of a given width: documents with places where a line may be broken.

The algorithm is that of C. Lindig, "Strictly Pretty" (2000), an eager form of P. Wadler, "A prettier printer"
(1998): a group is written on one line if it fits in what is left of the line; otherwise its own breaks become new
lines, and the groups inside it decide for themselves. It takes time linear in the length of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

__all__ = ["HARD", "Break", "Doc", "Group", "Nest", "Styled", "fill", "joined", "render"]


class Break(NamedTuple):
    """A place for a new line; ``flat`` is written where there is none."""

    flat: str = " "


class Nest(NamedTuple):
    """``doc``, whose new lines are indented by ``indent`` more."""

    indent: int
    doc: Doc


class Group(NamedTuple):
    """``doc`` on one line if it fits."""

    doc: Doc


class Styled(NamedTuple):
    """``text`` of a ``kind``, which says how it is coloured."""

    text: str
    kind: str


class _Hard(NamedTuple):
    """A new line, always."""


HARD = _Hard()
Doc: TypeAlias = "str | Styled | Break | Nest | Group | _Hard | list[Doc]"


def joined(docs: Iterable[Doc], between: Doc) -> list[Doc]:
    """Return ``docs`` with ``between`` between them."""
    parts: list[Doc] = []
    for doc in docs:
        parts += [between, doc] if parts else [doc]
    return parts


def fill(docs: Sequence[Doc], comma: str = "") -> list[Doc]:
    """Return ``docs`` side by side, as many on each line as fit, separated by ``comma`` and a blank.

    >>> print(render(fill(["one", "two", "three"], ","), 9))
    one, two,
    three
    """
    last = len(docs) - 1
    parts: list[Doc] = [[doc, comma] if comma and i < last else doc for i, doc in enumerate(docs)]
    return [*parts[:1], *[Group([Break(), part]) for part in parts[1:]]]


def render(doc: Doc, width: int | None, paint: Callable[[str, str], str] | None = None) -> str:
    """Return ``doc`` as text in lines of at most ``width`` characters where it can be broken so; None is no limit.

    ``paint(text, kind)`` colours styled text; what it adds has no width.
    """
    limit = float("inf") if width is None else width
    out: list[str] = []
    column = 0
    stack: list[tuple[int, bool, Doc]] = [(0, False, doc)]
    while stack:
        indent, flat, item = stack.pop()
        if isinstance(item, str):
            out.append(item)
            column += len(item)
        elif type(item) is list:
            stack.extend([(indent, flat, part) for part in reversed(item)])
        elif type(item) is Styled:
            out.append(paint(item.text, item.kind) if paint else item.text)
            column += len(item.text)
        elif type(item) is Nest:
            stack.append((indent + item.indent, flat, item.doc))
        elif type(item) is Group:
            stack.append((indent, flat or _fits(item.doc, limit - column), item.doc))
        elif type(item) is Break and flat:
            out.append(item.flat)
            column += len(item.flat)
        else:
            out.append("\n" + " " * indent)
            column = indent
    return "".join(out)


def _fits(doc: Doc, room: float) -> bool:
    """Tell whether ``doc``, on one line, takes no more than ``room``."""
    stack = [doc]
    while stack and room >= 0:
        item = stack.pop()
        if isinstance(item, str):
            room -= len(item)
        elif type(item) is list:
            stack.extend(reversed(item))
        elif type(item) is Styled:
            room -= len(item.text)
        elif type(item) is Break:
            room -= len(item.flat)
        elif type(item) is Nest or type(item) is Group:
            stack.append(item.doc)
        else:
            return False
    return room >= 0
