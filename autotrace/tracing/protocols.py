"""The tables through which NumPy, Python's operators and methods reach the operations.

Operations register themselves where they are defined; a tracer looks them up and knows none by name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from .tracer import Tracer

__all__ = [
    "FUNCTIONS",
    "LAZY_RULES",
    "REFUSED",
    "REFUSED_ATTRIBUTES",
    "UFUNCS",
    "UFUNC_METHODS",
    "find",
    "implements",
    "load_rules",
    "method",
    "operator",
]

F = TypeVar("F", bound=Callable[..., Any])

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
"""What ``np.sin(t)`` calls: positional operands, and the ufunc's keywords where they are given."""

UFUNC_METHODS: dict[str, Callable[..., Any]] = {}
"""What ``np.add.reduce(t)`` and its like call: ``"reduce"`` to a function of the ufunc and its arguments."""

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""What ``np.sum(t)`` and its like call: the same arguments as NumPy's own function."""

REFUSED: dict[Callable[..., Any], str] = {}
"""NumPy's functions that have no meaning for a traced value, and what to do instead."""

REFUSED_ATTRIBUTES: dict[str, str] = {}
"""Methods and attributes of NumPy's arrays that traced arrays do not have, and what to do instead."""


LAZY_RULES: dict[str, str] = {"scipy.special": "autotrace.scipy.special"}
"""Modules of functions to the modules of their rules, which are imported when one of the functions is first met."""


def find(table: dict[Any, Callable[..., Any]], function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return what ``table`` holds for ``function``, after loading the rules of the module that it comes from."""
    found = table.get(function)
    if found is None and LAZY_RULES:
        _load_rules(function)
        found = table.get(function)
    return found


def load_rules() -> None:
    """Import the rules of every module that has some and is in use."""
    if LAZY_RULES:
        _load_rules(None)


def _load_rules(function: Any) -> None:
    """Import the rules of the module of ``function``. A ufunc does not tell its module: any in use may be it."""
    home = getattr(function, "__module__", None)
    for module, rules in list(LAZY_RULES.items()):
        if module in sys.modules and (home is None or home == module or home.startswith(module + ".")):
            import_module(rules)
            LAZY_RULES.pop(module, None)


def implements(*numpy_functions: Callable[..., Any]) -> Callable[[F], F]:
    """Let NumPy's functions of the same meaning call the decorated one on traced values."""

    def register(function: F) -> F:
        for numpy_function in numpy_functions:
            table: dict[Any, Callable[..., Any]] = UFUNCS if isinstance(numpy_function, np.ufunc) else FUNCTIONS
            table[numpy_function] = function
        return function

    return register


def method(*names: str) -> Callable[[F], F]:
    """Make the decorated function a method of traced arrays under ``names``."""

    def register(function: F) -> F:
        for name in names:
            setattr(Tracer, name, function)
        return function

    return register


def operator(name: str, reflected: str | None = None) -> Callable[[F], F]:
    """Make the decorated function Python's operator ``name`` of traced arrays (``reflected``: swapped)."""

    def register(function: F) -> F:
        setattr(Tracer, name, function)
        if reflected is not None:
            setattr(Tracer, reflected, lambda self, other: function(other, self))
        return function

    return register
