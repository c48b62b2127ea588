"""A program as a page: its text in colours, with the lines that it comes from.

Hover a variable to light its definition and its uses, click an equation for its source line, fold a nested program.
The first needs the few lines of script that stand in the page; the others are plain HTML, and without script the
text and its colours are the same. Nothing is fetched from anywhere, no identifier is used twice because none is
used at all, and every rule of style is confined to the class ``autotrace``: views on one page leave one another and
the page alone.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .equation import Atom, Equation, Var
from .graph import (
    PHASES,
    held_programs,
    phase_of,
    printable,
    where,
)
from .markup import DARK, LIGHT, MONOSPACE, escape
from .names import variable_names
from .print import WRITTEN_OUT, constant_text, literal_text, parameter_texts
from .source import COTANGENT, PRIMAL, place

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = ["html_fragment", "html_page"]

_DEEPEST = 20
"""Programs in programs in programs: deeper ones are only counted."""
_LARGEST_FILE = 10_000_000
"""Larger files are not looked into for a line of source."""


def html_page(jaxpr: Jaxpr, *, names: str = "letters", max_equations: int | None = None, picture: str = "") -> str:
    """Return a whole page that shows ``jaxpr``; see :func:`html_fragment`."""
    grounds = "".join(f"@media (prefers-color-scheme: {scheme}){{body{{background:{colors['page'][0]}}}}}"
                      for scheme, colors in (("light", LIGHT), ("dark", DARK)))  # fmt: skip
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        '<meta name="color-scheme" content="light dark"/>\n'
        f"<title>{escape(_summary(jaxpr))}</title>\n"
        f"<style>{grounds}body .autotrace{{max-height:none}}</style>\n</head>\n<body>\n"
        f"{html_fragment(jaxpr, names=names, max_equations=max_equations, picture=picture)}</body>\n</html>\n"
    )


def html_fragment(jaxpr: Jaxpr, *, names: str = "letters", max_equations: int | None = None, picture: str = "") -> str:
    """Return an element that shows ``jaxpr``, for a notebook or another page.

    Of a program of more than ``max_equations`` the middle is left out, and counted. ``picture`` is SVG that is shown,
    folded, under the text. ``names`` is ``"letters"`` or ``"user"``, as in printing.
    """
    view = _View(names, max_equations)
    lines = "\n".join(view.program(jaxpr, 0, "", " }"))
    drawn = f'<details class="at-picture"><summary>picture</summary>\n{picture}</details>\n' if picture else ""
    return (
        f'<div class="autotrace">\n<style>{_style()}</style>\n<div class="at-text">\n{lines}\n</div>\n'
        f"{view.legend()}{drawn}<script>{_SCRIPT}</script>\n</div>\n"
    )


def _summary(jaxpr: Jaxpr) -> str:
    count = len(jaxpr.equations)
    return f"program of {count} equation{'' if count == 1 else 's'}"


class _View:
    """Writes programs; remembers which were written, and what the legend has to explain."""

    def __init__(self, names: str, max_equations: int | None) -> None:
        self.names = names
        self.most = max_equations
        self.seen: set[int] = set()
        self.scopes = 0
        self.looks: set[str] = set()

    def program(self, jaxpr: Jaxpr, depth: int, indent: str, closing: str) -> Iterator[str]:
        self.seen.add(id(jaxpr))
        scope = _Scope(jaxpr, variable_names(jaxpr, self.names), self.scopes)
        self.scopes += 1
        constants, inputs = scope.constants(jaxpr), scope.binders(jaxpr.in_vars)
        yield _row(f"{indent}{{ {_word('lambda')} {constants}{' ' if constants else ''}; {inputs}. {_word('let')}")
        for equation in self.kept(jaxpr.equations):
            if isinstance(equation, int):
                yield _row(f'{indent}    <span class="at-more">... {equation} equations ...</span>')
            else:
                yield from self.equation(equation, scope, depth, indent + "    ")
        outputs = ", ".join(map(scope.atom, jaxpr.outputs)) + ("," if len(jaxpr.outputs) == 1 else "")
        yield _row(f"{indent}  {_word('in')} ({outputs}){closing}")

    def kept(self, equations: Sequence[Equation]) -> Iterable[Equation | int]:
        """Yield the equations that are shown, and the number of those in the middle that are not."""
        hidden = 0 if self.most is None else len(equations) - self.most
        if hidden <= 1:
            return equations
        head = (len(equations) - hidden + 1) // 2
        return [*equations[:head], hidden, *equations[head + hidden :]]

    def equation(self, equation: Equation, scope: _Scope, depth: int, indent: str) -> Iterator[str]:
        key = "guard" if equation.primitive.effect else PHASES.get(phase_of(equation), "primal")
        self.looks.add(key)
        if any(var in scope.residuals for var in equation.outputs):
            self.looks.add("residual")
        yield f'<details class="at-equation at-{key}"><summary>{indent}{scope.equation(equation)}</summary>'
        yield f'<div class="at-source">{_source(equation)}</div></details>'
        for name, program in held_programs(equation.primitive):
            yield from self.nested(name, program, depth, indent + "  ")

    def nested(self, name: str, program: Jaxpr, depth: int, indent: str) -> Iterator[str]:
        if id(program) in self.seen or depth >= _DEEPEST:
            told = "the same as above" if id(program) in self.seen else "not shown"
            yield _row(f'{indent}<span class="at-more">{escape(name)}: {_summary(program)}, {told}</span>')
            return
        yield '<details class="at-nested" open="open">'
        yield f'<summary>{indent}<span class="at-more">{escape(name)}: {_summary(program)}</span></summary>'
        yield from self.program(program, depth + 1, indent, " }")
        yield "</details>"

    def legend(self) -> str:
        words = {
            "primal": "primal",
            "tangent": "tangent",
            "backward": "backward (cotangent)",
            "guard": "guard",
            "residual": "residual: kept for the backward part",
        }
        shown = [key for key in words if key in self.looks]
        if len(shown) < 2:
            return ""
        keys = " ".join(f'<span class="at-key at-{key}">{words[key]}</span>' for key in shown)
        return f'<div class="at-legend">{keys}</div>\n'


class _Scope:
    """The variables of one program, as marked names. ``data-v`` says which belong together."""

    def __init__(self, jaxpr: Jaxpr, names: dict[Var, str], number: int) -> None:
        self.names = names
        self.marks = {var: f"{number}.{k}" for k, var in enumerate(self.names)}
        self.residuals = _residuals(jaxpr)

    def name(self, var: Var, defined: bool) -> str:
        if var not in self.names:
            return "_unbound"
        told = f"{self.names[var]}:{var.aval}" + (", residual" if var in self.residuals else "")
        kinds = "at-v" + (" at-def" if defined else "") + (" at-residual" if var in self.residuals else "")
        return (
            f'<span class="{kinds}" data-v="{self.marks[var]}" title="{escape(told)}">{escape(self.names[var])}</span>'
        )

    def binders(self, variables: Iterable[Var]) -> str:
        return " ".join(
            f'{self.name(var, True)}<span class="at-aval">:{escape(str(var.aval))}</span>' for var in variables
        )

    def constants(self, jaxpr: Jaxpr) -> str:
        texts = [constant_text(value, WRITTEN_OUT) for value in jaxpr.constants]
        return " ".join(
            f'{self.binders([var])}<span class="at-number">{escape(text)}</span>'
            for var, text in zip(jaxpr.const_vars, texts, strict=False)
        )

    def atom(self, atom: Atom) -> str:
        if isinstance(atom, Var):
            return self.name(atom, False)
        return f'<span class="at-number">{escape(printable(literal_text(atom)))}</span>'

    def equation(self, equation: Equation) -> str:
        binders = self.binders(equation.outputs)
        params = [f"{key}={text}" for key, text in parameter_texts(equation.primitive)]
        listed = f'<span class="at-params">[{escape(printable(" ".join(params)))}]</span>' if params else ""
        operands = "".join(f" {self.atom(atom)}" for atom in equation.inputs)
        name = f'<span class="at-name">{escape(equation.primitive.name)}</span>'
        return f"{binders} = {name}{listed}{operands}" if binders else f"{name}{listed}{operands}"


def _residuals(jaxpr: Jaxpr) -> set[Var]:
    """Return what equations of the primal part make and equations of the backward part read."""
    made = {var for equation in jaxpr.equations if phase_of(equation) == PRIMAL for var in equation.outputs}
    return {
        atom
        for equation in jaxpr.equations
        if phase_of(equation) == COTANGENT
        for atom in equation.inputs
        if isinstance(atom, Var) and atom in made
    }


def _row(text: str) -> str:
    return f'<div class="at-row">{text}</div>'


def _word(text: str) -> str:
    return f'<span class="at-word">{text}</span>'


def _source(equation: Equation) -> str:
    """Show where ``equation`` comes from, and the text of that line where it can be read."""
    phase = PHASES.get(phase_of(equation), "")
    found = place(equation.source)
    if found is None:
        return f"line unknown, {phase}"
    line = _line(found.file, found.line)
    code = f"<code>{escape(printable(line))}</code>" if line else ""
    return f'<span class="at-place">{escape(where(equation))}, {phase}</span>{code}'


def _line(file: str, number: int) -> str:
    """Return a line of source, or nothing; only plain files of reasonable size are opened."""
    if file not in linecache.cache:
        try:
            if not os.path.isfile(file) or os.path.getsize(file) > _LARGEST_FILE:
                return ""
        except (OSError, ValueError):
            return ""
    return linecache.getline(file, number).expandtabs(4).strip()


_SCRIPT = """
(function () {
  Array.prototype.forEach.call(document.querySelectorAll(".autotrace"), function (view) {
    if (view.autotraceReady) { return; }
    view.autotraceReady = true;
    var lit = [];
    function light(name) {
      lit.forEach(function (item) { item.classList.remove("at-lit"); });
      lit = name ? Array.prototype.slice.call(view.querySelectorAll('[data-v="' + name + '"]')) : [];
      lit.forEach(function (item) { item.classList.add("at-lit"); });
    }
    view.addEventListener("mouseover", function (event) {
      var item = event.target.closest(".at-v");
      light(item ? item.getAttribute("data-v") : "");
    });
    view.addEventListener("mouseleave", function () { light(""); });
  });
})();
"""
"""No ``<`` and no ``&``: the text is the same to a parser of HTML and to one of XML."""


def _style() -> str:
    light, dark = _variables(LIGHT), _variables(DARK)
    looks = ("primal", "tangent", "backward", "guard", "residual")
    rules = [
        f".autotrace{{{light}color-scheme:light}}",
        f"@media (prefers-color-scheme:dark){{.autotrace{{{dark}color-scheme:dark}}}}",
        # What the notebook says of its theme is worth more than what the system says.
        f'[data-jp-theme-light="true"] .autotrace,.vscode-light .autotrace{{{light}color-scheme:light}}',
        f'[data-jp-theme-light="false"] .autotrace,.vscode-dark .autotrace{{{dark}color-scheme:dark}}',
        ".autotrace{background:var(--at-page);color:var(--at-ink);border:1px solid var(--at-rule);border-radius:6px;"
        f"padding:8px 0;font:13px/1.55 {MONOSPACE};text-align:left;overflow:auto;max-height:85vh}}",
        ".autotrace .at-text{min-width:max-content}",
        ".autotrace .at-row,.autotrace summary{white-space:pre;padding:0 12px;border-left:4px solid transparent}",
        ".autotrace summary{cursor:pointer;list-style:none;display:block}",
        ".autotrace summary::-webkit-details-marker{display:none}",
        ".autotrace details{margin:0;padding:0}",
        ".autotrace summary:hover{background:var(--at-shade)}",
        ".autotrace .at-source{margin:2px 12px 6px 52px;padding:4px 10px;border-radius:4px;background:var(--at-shade);"
        "color:var(--at-faint)}",
        ".autotrace .at-source code{display:block;color:var(--at-ink);background:none;padding:0;font:inherit;"
        "white-space:pre-wrap}",
        ".autotrace .at-word,.autotrace .at-aval,.autotrace .at-params,.autotrace .at-more{color:var(--at-faint)}",
        ".autotrace .at-name{font-weight:600}",
        ".autotrace .at-nested summary .at-more::before{content:'▸ '}",
        ".autotrace .at-nested[open] summary .at-more::before{content:'▾ '}",
        ".autotrace .at-residual{text-decoration:underline;text-decoration-thickness:2px;text-underline-offset:3px;"
        "text-decoration-color:var(--at-residual)}",
        ".autotrace .at-lit{background:var(--at-lit);border-radius:3px;box-shadow:0 0 0 2px var(--at-lit)}",
        ".autotrace .at-lit.at-def{box-shadow:0 0 0 2px var(--at-ink)}",
        ".autotrace .at-legend{padding:8px 12px 0;color:var(--at-faint)}",
        ".autotrace .at-key{border-left:12px solid;padding-left:6px;margin-right:14px;text-decoration:none}",
        ".autotrace .at-picture{margin-top:8px}",
        ".autotrace .at-picture svg{display:block;margin:4px 12px;max-width:none}",
    ]
    for key in looks:
        rules.append(f".autotrace .at-key.at-{key}{{border-color:var(--at-{key})}}")
        rules.append(f".autotrace .at-equation.at-{key} summary{{border-left-color:var(--at-{key})}}")
        rules.append(f".autotrace .at-{key} .at-name{{color:var(--at-{key})}}")
    return "\n".join(rules)


def _variables(colors: dict[str, tuple[str, str]]) -> str:
    named = {
        "page": colors["page"][0],
        "ink": colors["page"][1],
        "faint": colors["faint"][1],
        "rule": colors["box"][1],
        "shade": colors["input"][0],
        "lit": colors["residual"][0],
        **{key: colors[key][1] for key in ("primal", "tangent", "backward", "guard", "residual")},
    }
    return "".join(f"--at-{key}:{value};" for key, value in named.items())
