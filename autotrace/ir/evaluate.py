"""The reference interpreter: an environment, a loop over equations, nothing else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from .avals import ShapedArray, native
from .equation import Atom, Equation, Literal, Var
from .finite import is_watching, watch
from .source import Place, phase_name, place

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = ["add_note", "annotate", "eval_jaxpr", "has_note", "last_uses"]


def eval_jaxpr(jaxpr: Jaxpr, *leaves: Any) -> list[Any]:
    """Run ``jaxpr`` on ``leaves``, one array for each input, and return the list of its outputs.

    Each value is freed after its last use. Any array type works that speaks NumPy's protocols.

    Raises ``TypeError`` for leaves of another number, shape or dtype than the program's inputs,
    :class:`autotrace.errors.GuardError` if a guard fails.

    >>> import autotrace, numpy as np
    >>> jaxpr = autotrace.make_jaxpr(lambda x: np.sin(x) * 2.0)(0.0)
    >>> eval_jaxpr(jaxpr, np.pi / 2)
    [np.float64(2.0)]
    """
    if not hasattr(jaxpr, "in_vars"):
        raise TypeError(
            f"eval_jaxpr: the first argument must be a Jaxpr; got {type(jaxpr).__name__}. "
            "Make one: make_jaxpr(f)(*args)."
        )
    if len(leaves) != len(jaxpr.in_vars):
        count = len(jaxpr.in_vars)
        raise TypeError(
            f"eval_jaxpr: the program takes {count} array{'' if count == 1 else 's'}; got {len(leaves)}. "
            f"Pass one for each of {', '.join(map(str, jaxpr.in_avals)) or 'its no inputs'}."
        )
    env: dict[Atom, Any] = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    env.update([(v, _fitting(x, v.aval, i)) for i, (v, x) in enumerate(zip(jaxpr.in_vars, leaves, strict=True))])
    frees = last_uses(jaxpr)
    watching = is_watching()
    for index, equation in enumerate(jaxpr.equations):
        primitive, inputs, outputs, _ = equation
        operands = [v.value if type(v) is Literal else env[v] for v in inputs]
        try:
            result = primitive.impl(*operands)
        except Exception as error:
            raise annotate(error, equation) from None
        if watching:
            watch(equation, operands, result if primitive.multiple else (result,), phase_name(equation.source))
        if primitive.multiple:
            env.update(zip(outputs, result, strict=True))
        else:
            env[outputs[0]] = result
        for var in frees.get(index, ()):
            env.pop(var, None)
    return [_scalar(v.value if type(v) is Literal else env[v]) for v in jaxpr.outputs]


def _scalar(x: Any) -> Any:
    """Return ``x``; of rank 0 as a NumPy scalar, as ufuncs return it."""
    return x[()] if type(x) is np.ndarray and x.ndim == 0 else x


def _fitting(x: Any, aval: ShapedArray, position: int) -> Any:
    """Return ``x`` if it is an array of ``aval``; a Python number becomes one."""
    if (
        type(x) in (bool, int, float, complex)
        and aval.ndim == 0
        and np.can_cast(np.min_scalar_type(x), aval.dtype, "same_kind")
    ):
        return aval.dtype.type(x)
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if isinstance(dtype, np.dtype) and not dtype.isnative:
        x = native(x)
        dtype = x.dtype
    if shape != aval.shape or dtype != aval.dtype:
        got = ShapedArray(shape, dtype) if isinstance(dtype, np.dtype) and shape is not None else type(x).__name__
        raise TypeError(
            f"eval_jaxpr: input {position} of the program must be {aval}; got {got}. "
            "Convert it, or trace the function again on arrays like it."
        )
    return x


def last_uses(jaxpr: Jaxpr) -> dict[int, list[Var]]:
    """Return for the index of each equation the variables whose value is not needed after it."""
    seen: set[Atom] = {atom for atom in jaxpr.outputs if type(atom) is Var}
    frees: dict[int, list[Var]] = {}
    for index in range(len(jaxpr.equations) - 1, -1, -1):
        _, inputs, outputs, _ = jaxpr.equations[index]
        for atom in (*inputs, *outputs):
            if type(atom) is Var and atom not in seen:
                seen.add(atom)
                frees.setdefault(index, []).append(atom)
    return frees


def annotate(error: Exception, equation: Equation) -> Exception:
    """Add to ``error`` the equation that raised it and the user's line, once; return it."""
    where: Place | None = place(equation.source)
    if not has_note(error):
        avals = ", ".join(str(atom.aval) for atom in equation.inputs)
        line = f" at {where.file}:{where.line} ({where.function})" if where else ""
        is_told = where is not None and f"{where.file}:{where.line}" in str(error)
        add_note(error, f"raised by {equation.primitive.name}({avals}){line}", is_told)
    return error


def has_note(error: Exception) -> bool:
    """Tell whether ``error`` has a note of ours."""
    return any(note.startswith("autotrace:") for note in getattr(error, "__notes__", ()))


def add_note(error: Exception, text: str, is_told: bool = False) -> None:
    """Add a note of ours to ``error``: ``error.add_note``, which Python 3.10 lacks.

    That shows no notes either: there the note ends the message too, unless what matters ``is_told`` by it.
    """
    note = f"autotrace: {text}"
    error.__dict__.setdefault("__notes__", []).append(note)
    if is_told:
        return
    if sys.version_info < (3, 11) and len(error.args) == 1 and str(error) == error.args[0]:
        error.args = (f"{error}\n{note}",)
