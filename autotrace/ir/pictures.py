"""The pictures of a program, one function for each format: what the methods of ``Jaxpr`` load when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dot import dot_text
from .graph import graph_of, require_names
from .html import html_fragment, html_page
from .mermaid import mermaid_text
from .svg import svg_text

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = ["to_dot", "to_html", "to_mermaid", "to_svg"]


def to_dot(jaxpr: Jaxpr, group: str, names: str) -> str:
    """See ``Jaxpr.to_dot``."""
    return dot_text(graph_of(jaxpr, group=group, names=names, caller="to_dot"))


def to_mermaid(jaxpr: Jaxpr, group: str, names: str) -> str:
    """See ``Jaxpr.to_mermaid``."""
    return mermaid_text(graph_of(jaxpr, group=group, names=names, caller="to_mermaid"))


def to_svg(jaxpr: Jaxpr, engine: str, group: str, names: str) -> str:
    """See ``Jaxpr.to_svg``."""
    return svg_text(graph_of(jaxpr, group=group, names=names, caller="to_svg"), engine=engine)


def to_html(jaxpr: Jaxpr, page: bool, picture: bool, names: str, max_equations: int | None) -> str:
    """See ``Jaxpr.to_html``."""
    require_names(names, "to_html")
    if max_equations is not None and (not isinstance(max_equations, int) or max_equations < 0):
        raise ValueError(
            f"to_html: max_equations must be None or an integer of at least 0; got {max_equations!r}. "
            "Use None for no limit."
        )
    drawn = svg_text(graph_of(jaxpr, names=names, caller="to_html"), engine="plain") if picture else ""
    write = html_page if page else html_fragment
    return write(jaxpr, names=names, max_equations=max_equations, picture=drawn)
