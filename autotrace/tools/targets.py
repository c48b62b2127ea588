"""What the command line names: functions in modules and files, and their arguments written as types and numbers."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..tracing import ShapeDtypeStruct
from ..tree import tree_map

__all__ = ["TargetError", "drawn", "load_function", "parse_arguments"]


class TargetError(Exception):
    """The command line names what is not there, or cannot be read: the user's typing, not the user's program."""


# -- functions ---------------------------------------------------------------------------------------


def load_function(target: str) -> Callable[..., Any]:
    """Return the function that ``MODULE:FUNCTION`` or ``path/to/file.py:FUNCTION`` names; dots go into classes.

    Raises :class:`TargetError` where there is none; what the module itself raises comes through.
    """
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name:
        raise TargetError(
            f"TARGET must be MODULE:FUNCTION or FILE.py:FUNCTION; got {target!r}. Write for instance model.py:loss."
        )
    module = _load_file(where) if where.endswith(".py") else _load_module(where)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise TargetError(f"{where} has no {name!r}.{_nearby(part, found)}")
        found = getattr(found, part)
    if not callable(found):
        raise TargetError(f"{target} must be a function; got {type(found).__name__}.")
    function: Callable[..., Any] = found
    return function


def _load_file(path: str) -> Any:
    if not os.path.isfile(path):
        raise TargetError(f"there is no file {path!r}.")
    name = os.path.splitext(os.path.basename(path))[0]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # as Python does for a script
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path!r} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _load_module(name: str) -> Any:
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise  # the module is there, and one that it needs is not
        raise TargetError(f"there is no module {error.name!r}. Name a file as path/to/{name}.py.") from None


def _nearby(name: str, owner: Any) -> str:
    """Return a hint: what the owner has under a name like this."""
    public = [key for key in dir(owner) if not key.startswith("_") and callable(getattr(owner, key, None))]
    close = [key for key in public if key.lower().startswith(name.lower()[:3])] or public
    return f" It has {', '.join(close[:6])}{', ...' if len(close) > 6 else ''}." if close else ""


# -- arguments ---------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<aval>(?:(?:bool)|[fiuc]\d+)\[[^\]]*\])
      | (?P<number>[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?j?|inf|nan)(?![\w.]))
      | (?P<word>True|False|None)\b
      | (?P<name>[A-Za-z_]\w*)(?=\s*=)
      | (?P<text>"[^"]*"|'[^']*')
      | (?P<sign>[][(){},:=])
    )""",
    re.VERBOSE,
)
_WORDS = {"True": True, "False": False, "None": None}
_CLOSING = {"(": ")", "[": "]"}
_EXPECTED = "a type such as f64[3], a number, or (...), [...], {...} of them"


def parse_arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments that ``text`` describes.

    Types (``f64[3,2]``, ``i32[]``, ``bool[4]``) become ``ShapeDtypeStruct``; numbers, True, False, None and quoted text
    are themselves; tuples, lists and dicts hold them; ``name=value`` is a keyword argument.

    Raises :class:`TargetError`, with a caret under what was not understood.

    >>> parse_arguments("f64[3], {'w': f32[2,2]}, n=3")
    ([ShapeDtypeStruct(f64[3]), {'w': ShapeDtypeStruct(f32[2,2])}], {'n': 3})
    """
    return _Arguments(text).all()


class _Arguments:
    """A parser of one line, by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._kind = self._token = ""
        self._start = 0
        self._advance()

    def _advance(self) -> None:
        """Read the next token; at the end its kind is "end"."""
        rest = self._text[self._at :]
        self._start = self._at + len(rest) - len(rest.lstrip())
        if not rest.strip():
            self._kind, self._token = "end", ""
            return
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            word = re.match(r"[\w.\[\]]*", self._text[self._start :])
            self._kind, self._token = "unknown", (word and word[0]) or self._text[self._start]
            return
        self._kind = str(match.lastgroup)
        self._token = match[self._kind]
        self._at = match.end()

    def _fail(self, expected: str) -> NoReturn:
        got = repr(self._token) if self._kind != "end" else "the end"
        raise TargetError(
            f"--args: expected {expected}; got {got} at column {self._start + 1}.\n"
            f"  {self._text}\n  {' ' * self._start}^"
        )

    def all(self) -> tuple[list[Any], dict[str, Any]]:
        """Parse everything."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        while self._kind != "end":
            if self._kind == "name":
                if self._token in named:
                    self._fail("a name that was not given before")
                name = self._token
                self._advance()
                self._sign("=")
                named[name] = self._value()
            elif named:
                self._fail("name=value after the first one of this kind")
            else:
                positional.append(self._value())
            if self._kind != "end":
                self._sign(",")
        return positional, named

    def _sign(self, sign: str) -> None:
        if self._token != sign or self._kind != "sign":
            self._fail(f"{sign!r}")
        self._advance()

    def _value(self) -> Any:
        kind, token = self._kind, self._token
        if kind == "aval":
            value: Any = self._aval(token)
        elif kind == "number":
            value = _number(token)
        elif kind == "word":
            value = _WORDS[token]
        elif kind == "text":
            value = token[1:-1]
        elif kind == "sign" and token in _CLOSING:
            return self._sequence(token)
        elif kind == "sign" and token == "{":
            return self._mapping()
        elif kind == "unknown" and re.fullmatch(r"bool|[fiuc]\d+", token):
            self._fail(f"brackets after a type, {token}[] for a scalar and {token}[3] for a vector")
        else:
            self._fail(_EXPECTED)
        self._advance()
        return value

    def _aval(self, token: str) -> ShapeDtypeStruct:
        name, _, shape = token[:-1].partition("[")
        lengths = [part.strip() for part in shape.split(",")] if shape.strip() else []
        if not all(part.isdecimal() and len(part) < 19 for part in lengths):
            self._fail("lengths of axes such as f64[3,2]")
        try:
            dtype = np.dtype(name if name == "bool" else f"{name[0]}{int(name[1:]) // 8}")
            known = name == "bool" or dtype.itemsize * 8 == int(name[1:])
        except (TypeError, ValueError):
            known = False
        if not known:
            self._fail("a dtype such as f64, f32, i64, u8, c128, bool")
        return ShapeDtypeStruct([int(part) for part in lengths], dtype)

    def _sequence(self, opening: str) -> Any:
        closing, items, comma = _CLOSING[opening], [], False
        self._advance()
        while not (self._kind == "sign" and self._token == closing):
            items.append(self._value())
            comma = self._kind == "sign" and self._token == ","
            if not comma and self._token != closing:
                self._fail(f"',' or {closing!r}")
            if comma:
                self._advance()
        self._advance()
        if opening == "[":
            return items
        return items[0] if len(items) == 1 and not comma else tuple(items)

    def _mapping(self) -> dict[Any, Any]:
        items: dict[Any, Any] = {}
        self._advance()
        while not (self._kind == "sign" and self._token == "}"):
            if self._kind not in ("text", "number"):
                self._fail("a key: quoted text or a number")
            key = self._value()
            self._sign(":")
            items[key] = self._value()
            if self._kind == "sign" and self._token == ",":
                self._advance()
            elif self._token != "}":
                self._fail("',' or '}'")
        self._advance()
        return items


def _number(token: str) -> int | float | complex:
    if token.endswith("j"):
        return complex(token)
    return int(token) if re.fullmatch(r"[-+]?\d+", token) else float(token)


def drawn(tree: Any, seed: int) -> Any:
    """Return ``tree`` with an array of random numbers in the place of each ``ShapeDtypeStruct``.

    Floats are drawn from the standard normal distribution, integers from 0 to 9.
    """
    rng = np.random.default_rng(seed)

    def draw(x: Any) -> Any:
        if type(x) is not ShapeDtypeStruct:
            return x
        kind = x.dtype.kind
        if kind in "iu":
            value: Any = rng.integers(0, 10, x.shape)
        elif kind == "b":
            value = rng.integers(0, 2, x.shape)
        else:
            value = rng.standard_normal(x.shape)
            value = value + 1j * rng.standard_normal(x.shape) if kind == "c" else value
        return np.asarray(value).astype(x.dtype)[()]

    return tree_map(draw, tree)
