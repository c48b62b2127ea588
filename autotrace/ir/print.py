"""A program as text, close to JAX's.

{ lambda constants ; inputs . let
    outputs = primitive[parameters] inputs
  in (outputs,) }
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from .avals import dtype_name
from .equation import Atom, Equation, Var
from .primitive import Primitive
from .source import place

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = ["print_jaxpr"]


def print_jaxpr(jaxpr: Jaxpr, *, source: bool = False) -> str:
    """Return ``jaxpr`` as text; with ``source``, each equation is followed by the user's file, line and function.

    >>> import autotrace
    >>> print(print_jaxpr(autotrace.make_jaxpr(lambda x: x * x + 1.0)(3.0)))
    { lambda ; a:f64[]. let
        b:f64[] = mul a a
        c:f64[] = add b 1.0
      in (c,) }
    """
    return "\n".join(_lines(jaxpr, _Names(), source))


class _Names(dict[Var, str]):
    """Letters for variables, in the order in which they are met: a ... z, ba, bb, ..."""

    def __init__(self) -> None:
        self._numbers = count()

    def __missing__(self, var: Var) -> str:
        number, text = next(self._numbers), ""
        while True:
            number, digit = divmod(number, 26)
            text = chr(ord("a") + digit) + text
            if number == 0:
                break
        self[var] = text
        return text


def _lines(jaxpr: Jaxpr, names: _Names, source: bool) -> list[str]:
    constants, inputs = (_binders(vs, names) for vs in (jaxpr.const_vars, jaxpr.in_vars))
    lines = [f"{{ lambda {constants}{' ' if constants else ''}; {inputs}. let"]
    for equation in jaxpr.equations:
        lines.extend("    " + line for line in _equation(equation, names, source))
    outputs = ", ".join(_atom(atom, names) for atom in jaxpr.outputs)
    lines.append(f"  in ({outputs}{',' if len(jaxpr.outputs) == 1 else ''}) }}")
    return lines


def _binders(variables: Iterable[Var], names: _Names) -> str:
    return " ".join(f"{names[v]}:{v.aval}" for v in variables)


def _atom(atom: Atom, names: _Names) -> str:
    return names[atom] if isinstance(atom, Var) else _number(atom.value)


def _number(value: Any) -> str:
    """Print a literal's number; the dtypes that the context does not tell are written out."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    dtype = np.asarray(value).dtype
    return text if dtype in _PLAIN else f"{text}:{dtype_name(dtype)}"


_PLAIN = (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_), np.dtype(np.complex128))


def _equation(equation: Equation, names: _Names, source: bool) -> list[str]:
    operands = "".join(" " + _atom(atom, names) for atom in equation.inputs)
    binders = _binders(equation.outputs, names)
    head = f"{binders} = {equation.primitive.name}" if binders else equation.primitive.name
    params = _params(equation.primitive)
    where = place(equation.source) if source else None
    tail = operands + (f"  # {where}" if where else "")
    if any("\n" in text for text in params):
        inner = [line for text in params for line in ("  " + text).split("\n")]
        return [f"{head}[", *inner, f"]{tail}"]
    return [head + (f"[{' '.join(params)}]" if params else "") + tail]


def _params(primitive: Primitive) -> list[str]:
    shown = {k: v for k, v in primitive.params.items() if k not in primitive.defaults or primitive.defaults[k] != v}
    return [f"{key}={_param(value)}" for key, value in shown.items()]


def _param(value: Any) -> str:
    if isinstance(value, np.dtype):
        return dtype_name(value)
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, tuple):
        return f"({', '.join(map(_param, value))}{',' if len(value) == 1 else ''})"
    if hasattr(value, "in_vars"):
        return "\n  ".join(_lines(value, _Names(), source=False))
    return repr(value) if not callable(value) else getattr(value, "__name__", repr(value))
