"""The tables through which NumPy, Python's operators and methods reach the operations.

Operations register themselves where they are defined; a tracer looks them up and knows none by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .tracer import Tracer

__all__ = ["FUNCTIONS", "UFUNCS", "UFUNC_METHODS", "implements", "method", "operator"]

F = TypeVar("F", bound=Callable[..., Any])

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
"""What ``np.sin(t)`` calls: positional operands, and the ufunc's keywords where they are given."""

UFUNC_METHODS: dict[str, Callable[..., Any]] = {}
"""What ``np.add.reduce(t)`` and its like call: ``"reduce"`` to a function of the ufunc and its arguments."""

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""What ``np.sum(t)`` and its like call: the same arguments as NumPy's own function."""


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
