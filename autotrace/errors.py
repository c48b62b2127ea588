"""Every error class of the library: one base, and beside it the builtin that a NumPy user expects.

Messages have the form ``{public name}: {what must hold}; got {what came} at {file:line}. {One cure}.``
Class names are JAX's where JAX has the class.
"""

from __future__ import annotations

__all__ = [
    "AutotraceError",
    "ConcretizationTypeError",
    "ConvergenceError",
    "GuardError",
    "IntegrationError",
    "JaxprFileError",
    "JaxprSyntaxError",
    "JaxprTypeError",
    "LoopMemoryError",
    "MissingRuleError",
    "MutationError",
    "NonConcreteBooleanIndexError",
    "NonFiniteError",
    "TracerArrayConversionError",
    "TracerBoolConversionError",
    "TracerIntegerConversionError",
    "UnexpectedTracerError",
    "UnsupportedError",
]


class AutotraceError(Exception):
    """The common base of all errors that autotrace raises by class."""


class ConcretizationTypeError(AutotraceError, TypeError):
    """Python asked a traced value for a number that the program may not depend on unseen."""


class TracerBoolConversionError(ConcretizationTypeError):
    """Python asked for the truth of a value that is known by shape alone."""


class TracerIntegerConversionError(ConcretizationTypeError):
    """Python asked for the integer of a value that is known by shape alone."""


class NonConcreteBooleanIndexError(ConcretizationTypeError, IndexError):
    """A shape depends on the count of true elements of a mask that is known by shape alone."""


class TracerArrayConversionError(ConcretizationTypeError):
    """NumPy asked for the array behind a traced value; its derivative would be lost."""


class UnexpectedTracerError(AutotraceError, RuntimeError):
    """A traced value outlived the function call in which it was made."""


class ConvergenceError(AutotraceError, RuntimeError):
    """A solver has not found what its result, or a derivative of it, rests on."""


class GuardError(AutotraceError, RuntimeError):
    """A program was run on values that take another path through Python's control flow."""


class IntegrationError(AutotraceError, ArithmeticError):
    """A differential equation cannot be solved up to the time that was asked for: see :func:`autotrace.odeint`."""


class JaxprFileError(AutotraceError, ValueError):
    """A file is no saved program, or a damaged one: see :func:`autotrace.load_jaxpr`."""


class JaxprSyntaxError(AutotraceError, ValueError):
    """A text is no program; ``line`` and ``column`` count from 1: see :func:`autotrace.parse_jaxpr`."""

    line: int
    column: int


class JaxprTypeError(AutotraceError, TypeError):
    """A program is ill typed: see :func:`autotrace.check_jaxpr`."""


class LoopMemoryError(AutotraceError, MemoryError):
    """A loop of unknown length keeps more for reverse mode than it may."""


class MissingRuleError(AutotraceError, NotImplementedError):
    """A primitive lacks the rule that a transform needs."""


class MutationError(AutotraceError, ValueError):
    """A traced function wrote into an array that belongs to its caller."""


class NonFiniteError(AutotraceError, FloatingPointError):
    """A NaN or an infinity arose while ``debug_nans`` or ``debug_infs`` watched for it."""


class UnsupportedError(AutotraceError, TypeError):
    """A NumPy function or one of its keywords has no meaning on traced values here."""
