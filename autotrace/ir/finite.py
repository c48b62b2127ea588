"""Watching for NaN and infinity: which equation made one first, and in which phase of a derivative."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..errors import NonFiniteError
from .avals import ShapedArray
from .equation import Equation, Var
from .print import equation_text
from .source import place

__all__ = ["debug_infs", "debug_nans", "is_watching", "watch"]


_NANS, _INFS = (
    os.environ.get(name, "").lower() not in ("", "0", "false", "off", "no")
    for name in ("AUTOTRACE_DEBUG_NANS", "AUTOTRACE_DEBUG_INFS")
)
_nans: ContextVar[bool] = ContextVar("autotrace_debug_nans", default=_NANS)
_infs: ContextVar[bool] = ContextVar("autotrace_debug_infs", default=_INFS)


@contextmanager
def _set(variable: ContextVar[bool], on: bool) -> Iterator[None]:
    token = variable.set(on)
    try:
        yield
    finally:
        variable.reset(token)


def debug_nans(on: bool = True) -> Any:
    """Raise ``NonFiniteError`` at the equation that makes the first NaN, inside the ``with`` block.

    The error names the equation, its inputs, the user's line, and whether the NaN arose in the primal, a tangent or a
    cotangent. What was NaN before is let pass. Programs are interpreted meanwhile. The environment variable
    ``AUTOTRACE_DEBUG_NANS=1`` does the same for a whole run.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> with debug_nans():
    ...     grad(lambda x: np.sqrt(x))(4.0)
    np.float64(0.25)
    """
    return _set(_nans, on)


def debug_infs(on: bool = True) -> Any:
    """Raise ``NonFiniteError`` at the equation that makes the first infinity, as :func:`debug_nans` does for NaN.

    The environment variable is ``AUTOTRACE_DEBUG_INFS``.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> with debug_infs():
    ...     grad(lambda x: np.log(x))(2.0)
    np.float64(0.5)
    """
    return _set(_infs, on)


def is_watching() -> bool:
    """Tell whether values are looked at."""
    return _nans.get() or _infs.get()


def watch(equation: Equation, inputs: Sequence[Any], made: Sequence[Any], phase: str) -> None:
    """Raise ``NonFiniteError`` if ``made``, in a ``phase`` of ``equation``, has a NaN or infinity that no input has.

    ``inputs`` are the operands of the equation, and after them what else took part: tangents, or cotangents. Values
    that are not arrays (tracers of an enclosing trace, zeros known as None) are not looked at.
    """
    for on, test, word in ((_nans.get(), np.isnan, "NaN"), (_infs.get(), np.isinf, "infinity")):
        if on and any(_has(x, test) for x in made) and not any(_has(x, test) for x in inputs):
            raise NonFiniteError(
                f"{'debug_nans' if word == 'NaN' else 'debug_infs'}: values must stay free of {word}; got one in the "
                f"{phase} of {_where(equation, inputs, made, test, phase)}. "
                "Keep the operands away from there: np.where(bad, safe, x) before the function."
            )


def _where(equation: Equation, inputs: Sequence[Any], made: Sequence[Any], test: Any, phase: str) -> str:
    """Return the equation as text, the element, the line, and the values that went in."""
    names: dict[Var, str] = {}
    for atom in (*equation.inputs, *equation.outputs):
        if type(atom) is Var:
            names.setdefault(atom, "abcdefghijklmnopqrstuvwxyz"[len(names)] if len(names) < 26 else f"x{len(names)}")
    where = place(equation.source)
    line = f" at {where.file}:{where.line} ({where.function})" if where else ""
    bad = next(x for x in made if _has(x, test))
    index = [int(i) for i in np.argwhere(test(bad))[0]] if np.ndim(bad) else []
    element = f", element {index} of shape {list(np.shape(bad))}," if index else ""
    count = len(equation.inputs)
    given = {names[v]: _text(x) for v, x in zip(equation.inputs, inputs) if type(v) is Var and _is_value(x)}
    rest = [_text(x) for x in inputs[count:] if _is_value(x)]
    shown = [f"{name} = {text}" for name, text in given.items()]
    shown += [f"{'cotangent' if phase == 'cotangent' else 'tangent'} {text}" for text in rest]
    return f"`{equation_text(equation, names)}`{element}{line}, where {', '.join(shown) or 'nothing was known'}"


def _is_value(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic | int | float | complex)


def _has(x: Any, test: Any) -> bool:
    return isinstance(x, np.ndarray | np.inexact) and x.dtype.kind in "fc" and bool(test(x).any())


def _text(x: Any) -> str:
    if isinstance(x, np.ndarray) and x.size > 6:
        finite = x[np.isfinite(x)] if x.dtype.kind in "fc" else x
        span = f" from {finite.min()} to {finite.max()}" if finite.size and x.dtype.kind != "c" else ""
        return f"{ShapedArray(x.shape, x.dtype)}{span}"
    return str(x.tolist()) if isinstance(x, np.ndarray | np.generic) else str(x)
