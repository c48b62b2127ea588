"""A profile as a page of HTML, and as the events that viewers of flame graphs open."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..ir.cost import readable_bytes
from ..ir.markup import DARK, LIGHT, MONOSPACE, escape
from ..ir.pricing import share
from .profiling import Event, LineProfile, Profile, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["html_fragment", "html_page", "trace_events"]

_PHASES = {"forward": "primal", "tangent": "tangent", "backward": "backward"}
"""What the columns are called in the colours that all pages share."""


# -- HTML --------------------------------------------------------------------------------------------


def html_page(profile: Profile) -> str:
    """Return a page that needs nothing from elsewhere."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>profile of {escape(profile.name)}</title>\n</head>\n"
        f'<body style="margin:16px">\n{html_fragment(profile)}\n</body>\n</html>'
    )


def html_fragment(profile: Profile) -> str:
    """Return an element for another page: a notebook's."""
    words = profile.columns()
    accounts = [
        ("one call", profile.call_seconds),
        ("tracing", profile.trace_seconds),
        ("program", profile.total_seconds),
        ("of it lines", profile.seconds),
        ("between", profile.between_seconds),
        ("timer", profile.timer_seconds),
    ]
    told = "".join(f"<span>{word} <b>{duration(seconds)}</b></span>" for word, seconds in accounts)
    if profile.peak_bytes is not None:
        told += f"<span>memory <b>{readable_bytes(profile.peak_bytes)}</b></span>"
    memory = "" if profile.peak_bytes is None else "<th>new</th><th>alive</th>"
    head = "".join(f'<th class="at-{_PHASES[word]}">{word}</th>' for word in words)
    notes = "".join(f"<p>{escape(note)}</p>" for note in profile.notes)
    return (
        f'<div class="autotrace-profile">\n<style>\n{_style()}\n</style>\n'
        f"<h2>profile of {escape(profile.name)}</h2>\n<p class='at-accounts'>{told}</p>\n"
        f"<table>\n<thead><tr><th>line</th>{head}<th></th><th></th>{memory}<th class='at-code'>source</th></tr></thead>"
        f"\n{''.join(_rows(profile, words))}</table>\n{notes}</div>"
    )


def _rows(profile: Profile, words: Sequence[str]) -> Iterator[str]:
    longest = max([line.seconds for line in profile.lines], default=0.0) or 1.0
    columns = len(words) + (6 if profile.peak_bytes is not None else 4)
    for file, lines in groupby(profile.lines, key=lambda line: "" if line.place is None else line.place.file):
        name = os.path.basename(file) or "no source line"
        yield f'<tr class="at-file"><td colspan="{columns}" title="{escape(file)}">{escape(name)}</td></tr>\n'
        for line in lines:
            yield _row(profile, line, words, longest)


def _row(profile: Profile, line: LineProfile, words: Sequence[str], longest: float) -> str:
    number, function = ("", "") if line.place is None else (str(line.place.line), line.place.function)
    spent = "".join(f"<td>{duration(getattr(line, w)) if getattr(line, w) else ''}</td>" for w in words)
    bars = "".join(
        f'<i class="at-{_PHASES[w]}" style="width:{120 * getattr(line, w) / longest:.1f}px"></i>' for w in words
    )
    memory = ""
    if profile.peak_bytes is not None:
        memory = f"<td>{readable_bytes(line.new_bytes or 0)}</td><td>{readable_bytes(line.live_bytes or 0)}</td>"
    return (
        f'<tr title="{escape(function)}, {line.equations} equations"><td>{number}</td>{spent}'
        f"<td>{share(line.seconds, profile.seconds)}</td><td class='at-bar'>{bars}</td>{memory}"
        f"<td class='at-code'>{escape(line.text)}</td></tr>\n"
    )


def _style() -> str:
    light, dark = _variables(LIGHT), _variables(DARK)
    box = ".autotrace-profile"
    rules = [
        f"{box}{{{light}color-scheme:light}}",
        f"@media (prefers-color-scheme:dark){{{box}{{{dark}color-scheme:dark}}}}",
        f'[data-jp-theme-light="true"] {box},.vscode-light {box}{{{light}color-scheme:light}}',
        f'[data-jp-theme-light="false"] {box},.vscode-dark {box}{{{dark}color-scheme:dark}}',
        f"{box}{{background:var(--at-page);color:var(--at-ink);border:1px solid var(--at-rule);border-radius:6px;"
        f"padding:8px 12px;font:13px/1.55 {MONOSPACE};overflow:auto}}",
        f"{box} h2{{font:inherit;font-weight:600;margin:0}}",
        f"{box} .at-accounts span{{margin-right:18px;white-space:nowrap;display:inline-block}}",
        f"{box} table{{border-collapse:collapse;background:none}}",
        f"{box} td,{box} th{{text-align:right;padding:1px 8px;white-space:pre;background:none;color:inherit}}",
        f"{box} th{{border-bottom:1px solid var(--at-rule)}}",
        f"{box} td.at-code,{box} th.at-code,{box} td.at-bar,{box} .at-file td{{text-align:left}}",
        f"{box} .at-file td{{font-weight:600;padding-top:8px}}",
        f"{box} tbody tr:hover,{box} tr[title]:hover{{background:var(--at-shade)}}",
        f"{box} .at-bar i{{display:inline-block;height:9px}}",
    ]
    for look in _PHASES.values():
        rules.append(f"{box} th.at-{look}{{color:var(--at-{look})}}")
        rules.append(f"{box} i.at-{look}{{background:var(--at-{look})}}")
    return "\n".join(rules)


def _variables(colors: dict[str, tuple[str, str]]) -> str:
    named = {
        "page": colors["page"][0],
        "ink": colors["page"][1],
        "rule": colors["box"][1],
        "shade": colors["input"][0],
        **{look: colors[look][1] for look in _PHASES.values()},
    }
    return "".join(f"--at-{key}:{value};" for key, value in named.items())


# -- trace events ------------------------------------------------------------------------------------


def trace_events(profile: Profile) -> str:
    """Return the fastest run as complete events ("ph": "X"), in microseconds; what lasts longer holds the shorter.

    The format: "Trace Event Format", the Chromium project (2016).
    """
    events: list[dict[str, Any]] = [_event(profile.name, "function", profile.events, {})]
    keys: list[tuple[str, Callable[[Event], Any], Callable[[Event], str]]] = [
        ("phase", lambda e: e.phase, lambda e: {"primal": "forward", "cotangent": "backward"}.get(e.phase, e.phase)),
        ("line", lambda e: (e.phase, e.place), lambda e: "no source line" if e.place is None else str(e.place)),
        ("equation", id, lambda e: e.equation.primitive.name),
    ]
    for category, key, name in keys if profile.events else ():
        for _, group in groupby(profile.events, key=key):
            members = list(group)
            events.append(_event(name(members[0]), category, members, _details(category, members[0])))
    whole = {
        "traceEvents": [
            {"name": "process_name", "ph": "M", "pid": 1, "tid": 1, "args": {"name": "autotrace"}},
            *events,
        ],
        "displayTimeUnit": "ns",
        "otherData": {
            "total_seconds": profile.total_seconds,
            "between_seconds": profile.between_seconds,
            "timer_seconds": profile.timer_seconds,
            "call_seconds": profile.call_seconds,
            "trace_seconds": profile.trace_seconds,
            "peak_bytes": profile.peak_bytes,
        },
    }
    return json.dumps(whole, indent=1)


def _event(name: str, category: str, members: Sequence[Event], details: dict[str, Any]) -> dict[str, Any]:
    start = members[0].start if members else 0.0
    end = members[-1].start + members[-1].seconds if members else 0.0
    times = {"ts": round(start * 1e6, 3), "dur": round((end - start) * 1e6, 3)}
    return {"name": name, "cat": category, "ph": "X", "pid": 1, "tid": 1, **times, "args": details}


def _details(category: str, event: Event) -> dict[str, Any]:
    where = event.place
    details: dict[str, Any] = {} if where is None else {"file": os.path.basename(where.file), "line": where.line}
    if category == "equation":
        details["outputs"] = [str(var.aval) for var in event.equation.outputs]
        if event.new_bytes is not None:
            details |= {"new_bytes": event.new_bytes, "live_bytes": event.live_bytes}
    return details
