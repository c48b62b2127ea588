"""The type checker of programs: every variable is bound once and before its use, every equation is well typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import JaxprTypeError
from .avals import ShapedArray, aval_of
from .equation import Atom, Equation, Literal, Var
from .rewrite import programs_in
from .source import deriving, located, place

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = ["check_jaxpr"]


def check_jaxpr(jaxpr: Jaxpr) -> None:
    """Check scoping and types of ``jaxpr`` and of every program among its parameters.

    Raises :class:`autotrace.errors.JaxprTypeError` naming the equation, what it must give and what it says.

    >>> import autotrace, numpy as np
    >>> check_jaxpr(autotrace.make_jaxpr(np.sin)(1.0))
    """
    if not hasattr(jaxpr, "in_vars"):
        raise TypeError(
            f"check_jaxpr: the argument must be a Jaxpr; got {type(jaxpr).__name__}. Make one: make_jaxpr(f)(*args)."
        )
    bound: set[Atom] = set()
    for var in (*jaxpr.const_vars, *jaxpr.in_vars):
        _bind(var, bound, "an input")
    for var, constant in zip(jaxpr.const_vars, jaxpr.constants, strict=True):
        _agree(_aval(constant), var.aval, "a constant")
    for equation in jaxpr.equations:
        what = _describe(equation)
        for atom in equation.inputs:
            _read(atom, bound, what)
        for value in equation.params.values():
            for inner in programs_in(value):
                check_jaxpr(inner)
        expected = _infer(equation, what)
        expected = expected if equation.primitive.multiple else (expected,)
        if len(expected) != len(equation.outputs):
            raise JaxprTypeError(
                f"check_jaxpr: {what} must give {len(expected)} outputs; got {len(equation.outputs)}. {_REPAIR}"
            )
        for aval, var in zip(expected, equation.outputs, strict=True):
            _agree(aval, var.aval, what)
            _bind(var, bound, what)
    for atom in jaxpr.outputs:
        _read(atom, bound, "an output")


def _infer(equation: Equation, what: str) -> Any:
    avals = [atom.aval for atom in equation.inputs]
    try:
        with deriving(equation.source):
            return equation.primitive.abstract(*avals)
    except Exception as error:
        raise JaxprTypeError(
            f"check_jaxpr: {what} must accept its operands; got {', '.join(map(str, avals))}: {error} {_REPAIR}"
        ) from error


_REPAIR = "Repair the transform that wrote it."


def _aval(constant: Any) -> ShapedArray:
    return constant.aval if hasattr(constant, "aval") else aval_of(constant)


def _bind(var: Var, bound: set[Atom], what: str) -> None:
    if var in bound:
        raise JaxprTypeError(
            f"check_jaxpr: a variable must be bound once; {what} binds one of {var.aval} again. {_REPAIR}"
        )
    bound.add(var)


def _read(atom: Atom, bound: set[Atom], what: str) -> None:
    if isinstance(atom, Literal):
        _agree(aval_of(atom.value), atom.aval, what)
    elif atom not in bound:
        raise JaxprTypeError(
            f"check_jaxpr: a variable must be bound before its use; {what} reads one of {atom.aval}. {_REPAIR}"
        )


def _agree(expected: ShapedArray, got: ShapedArray, what: str) -> None:
    if expected.shape != got.shape or expected.dtype != got.dtype:
        raise JaxprTypeError(f"check_jaxpr: {what} must be {expected}; the program says {got}. {_REPAIR}")


def _describe(equation: Equation) -> str:
    return f"{equation.primitive.name}{located(place(equation.source))}"
