"""When two programs are the same.

Programs are equal if one becomes the other when its variables are renamed: the same types of inputs, equations of the
same primitives and parameters in the same order, equal numbers and constants. Where an equation comes from does
not count, nor does weak typing, which matters while tracing only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .equation import Atom, Literal, Var
from .primitive import Primitive

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = ["Structure", "is_program", "is_repeated", "parameters_key", "sketch", "structure", "value_key"]

Structure = tuple[Any, ...]


def is_program(value: Any) -> bool:
    """Tell whether a parameter is a program."""
    return hasattr(value, "in_vars")


def structure(jaxpr: Jaxpr) -> Structure:
    """Return a hashable key that equal programs share, and only they.

    >>> import autotrace, numpy as np
    >>> one, other = (autotrace.make_jaxpr(f)(1.0) for f in (np.sin, lambda x: np.sin(x)))
    >>> structure(one) == structure(other)
    True
    """
    numbers: dict[Atom, int] = {}
    for var in (*jaxpr.const_vars, *jaxpr.in_vars):
        numbers[var] = len(numbers)

    def key(atom: Atom) -> Any:
        # A variable that nothing binds makes an ill-typed program, which is equal to itself alone.
        return value_key(atom.value) if type(atom) is Literal else numbers.get(atom, atom)

    parts: list[Any] = [_type(jaxpr.in_vars), tuple(map(value_key, jaxpr.constants)), _type(jaxpr.const_vars)]
    for primitive, inputs, outputs, _ in jaxpr.equations:
        read = tuple(map(key, inputs))
        for var in outputs:
            numbers[var] = len(numbers)
        parts.append((type(primitive), parameters_key(primitive), read, _type(outputs)))
    return (*parts, tuple(map(key, jaxpr.outputs)))


def sketch(jaxpr: Jaxpr) -> Structure:
    """Return a small part of the structure, for hashing: no number and no constant is looked at."""
    primitives = tuple([equation.primitive.name for equation in jaxpr.equations])
    return (_type(jaxpr.in_vars), primitives, len(jaxpr.constants), len(jaxpr.outputs))


def _type(variables: Sequence[Var]) -> tuple[Any, ...]:
    return tuple([var.aval.strong() for var in variables])


def parameters_key(primitive: Primitive) -> tuple[Any, ...]:
    """Return the parameters of ``primitive`` as a key: programs by structure, numbers by kind, NaN as equal to NaN."""
    return tuple([_parameter_key(getattr(primitive, field)) for field in primitive.fields])


def _parameter_key(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_parameter_key, value))
    if is_program(value):
        return structure(value)
    if isinstance(value, slice):
        return ("slice", *map(_parameter_key, (value.start, value.stop, value.step)))
    if isinstance(value, np.generic):
        return value_key(value)
    if isinstance(value, str):
        return str.__str__(value)  # a name that carries an object (a rule of the user's) counts as its text does
    if isinstance(value, bool | int | float | complex):
        return type(value), repr(value)  # 1, 1.0 and True are not the same, nor 0.0 and -0.0
    return value


def value_key(value: Any) -> Any:
    """Return a key of a number or array by value: dtype, shape and content. NaN equals NaN, 0.0 is not -0.0.

    What is not NumPy's (a traced value, an array of another library) is known by identity.
    """
    if not isinstance(value, np.ndarray | np.generic | bool | int | float | complex):
        return ("object", id(value))
    array = np.asarray(value)
    if array.dtype.kind not in "fciub":
        return array.dtype, array.shape
    if not array.size:
        return array.dtype, array.shape
    if is_repeated(array):  # one number repeated, which may take no memory, is not written out
        return array.dtype, array.shape, _content(np.asarray(array[(0,) * array.ndim]))
    return array.dtype, array.shape, _content(array)


def is_repeated(array: Any) -> bool:
    """Tell whether an array is one number repeated (or is one number).

    >>> is_repeated(np.zeros(3)), is_repeated(np.array([0.0, -0.0])), is_repeated(np.array([]))
    (True, False, False)
    """
    if not array.size:
        return False
    if not any(array.strides):
        return True
    first, second = (_content(np.asarray(array.reshape(-1)[:n])) for n in (1, 2))
    return second == first * min(2, array.size) and _content(array) == first * array.size


def _content(array: np.ndarray[Any, Any]) -> bytes | tuple[str, ...]:
    real = np.ascontiguousarray(array).reshape(-1)
    if array.dtype.itemsize > 16 or array.dtype.char in "gG":  # extended precision has bytes that mean nothing
        return tuple(map(repr, real))
    if array.dtype.kind == "c":
        real = real.view(f"f{array.dtype.itemsize // 2}")
    if real.dtype.kind == "f":
        missing = np.isnan(real)
        if missing.any():
            real = np.where(missing, real.dtype.type(np.nan), real)  # one NaN, whatever its bits
    return real.tobytes()
