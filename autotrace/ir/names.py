"""What variables are called where a program is shown: letters, or the names of the user's own variables.

A variable of a program has no name; its identity is enough. Names are made when somebody looks:
``variable_names(jaxpr)`` gives one to every variable of a program (programs inside it have their own), unique
and fit to be a Python identifier, and :func:`autotrace.parse_jaxpr` reads all of them.

The user's names cost nothing while tracing. Those of arguments are set as ``Var.hint`` by those who trace for show.
Those of local variables are found in the bytecode: an equation knows the instruction that asked for it, and the
instruction after that one stores its value.
"""

from __future__ import annotations

import dis
import keyword
import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import count
from types import CodeType
from typing import TYPE_CHECKING, Any

from ..tree import KeyPath
from .equation import Equation, Var
from .source import PRIMAL, TANGENT

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = ["STYLES", "argument_name", "letters", "unique_name", "variable_names"]

STYLES = ("letters", "user")

_RESERVED = frozenset({*keyword.kwlist, "let", "nan", "inf", "nanj", "infj", "float0"})
_DTYPE = re.compile(r"[fiuc]\d+")


def variable_names(jaxpr: Jaxpr, style: str = "letters") -> dict[Var, str]:
    """Return the name of every variable of ``jaxpr`` itself: constants, inputs, and outputs of equations in order.

    ``style`` is ``"letters"`` (a ... z, ba, bb, ...) or ``"user"``: the user's argument and local variable names
    where they are known, numbered where one is used again, and letters otherwise.

    >>> import autotrace
    >>> def f(speed):
    ...     energy = 0.5 * speed**2
    ...     return energy + 1.0
    >>> jaxpr = autotrace.make_jaxpr(f)(3.0)
    >>> list(variable_names(jaxpr).values()), list(variable_names(jaxpr, "user").values())
    (['a', 'b', 'c', 'd'], ['speed', 'a', 'energy', 'b'])
    """
    if style not in STYLES:
        raise ValueError(f"pretty: names must be 'user' or 'letters'; got {style!r}. Use one of these.")
    variables = [*jaxpr.const_vars, *jaxpr.in_vars, *[v for e in jaxpr.equations for v in e.outputs]]
    wanted = {} if style == "letters" else _wanted(jaxpr, variables)
    names: dict[Var, str] = {}
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    for var in variables:
        if var in wanted and var not in names:
            names[var] = unique_name(wanted[var], taken, numbers)
            taken.add(names[var])
    free = letters(taken)
    return {var: names[var] if var in names else next(free) for var in dict.fromkeys(variables)}


def letters(taken: Collection[str] = ()) -> Iterator[str]:
    """Yield a ... z, ba, bb, ... without words that mean something, and without those ``taken``.

    >>> from itertools import islice
    >>> list(islice(letters({"b"}), 3))
    ['a', 'c', 'd']
    """
    for number in count():
        text, rest = "", number
        while True:
            rest, digit = divmod(rest, 26)
            text = chr(ord("a") + digit) + text
            if rest == 0:
                break
        if text not in _RESERVED and text not in taken:
            yield text


def unique_name(wanted: str, taken: Collection[str], numbers: dict[str, int] | None = None) -> str:
    """Return an identifier like ``wanted`` that is not ``taken`` and means nothing else: ``x``, ``x_1``, ``x_2``.

    ``numbers`` remembers from call to call how far the numbers of a name have gone, so that many alike take no time.

    >>> unique_name("x", {"x", "x_1"}), unique_name("lambda", ()), unique_name("w['a'][0]", ())
    ('x_2', 'lambda_', 'w_a_0')
    """
    name = re.sub(r"\W+", "_", wanted).strip("_") or "v"
    if not name.isidentifier():
        name = "v" + name
    if not name.isidentifier():
        name = "v"
    if name in _RESERVED or _DTYPE.fullmatch(name):
        name += "_"
    if name not in taken:
        return name
    numbers = {} if numbers is None else numbers
    number = next(n for n in count(numbers.get(name, 1)) if f"{name}_{n}" not in taken)
    numbers[name] = number + 1
    return f"{name}_{number}"


def argument_name(parameter: str, path: KeyPath) -> str:
    """Return the name of the leaf at ``path`` of the argument for ``parameter``.

    >>> from autotrace.tree import DictKey, GetAttrKey, SequenceKey
    >>> argument_name("params", (DictKey("w"), SequenceKey(0))), argument_name("model", (GetAttrKey("bias"),))
    ('params_w_0', 'model_bias')
    """
    steps = [str(getattr(step, "key", getattr(step, "idx", getattr(step, "name", "")))) for step in path]
    return "_".join([parameter, *steps])


def _wanted(jaxpr: Jaxpr, variables: Sequence[Var]) -> dict[Var, str]:
    """Return the user's names of those variables whose names are known."""
    hints = {var: var.hint for var in variables if hasattr(var, "hint")}  # "" says that there is no name
    wanted = {var: hint for var, hint in hints.items() if hint}
    following: Sequence[Equation | None] = [*jaxpr.equations[1:], None]
    for equation, after in zip(jaxpr.equations, following, strict=False):
        # One call of the user's may be several equations: the last one makes the value that is stored.
        if after is not None and after.source == equation.source:
            continue
        for var, name in zip(equation.outputs, _stored(equation), strict=False):
            if var not in hints:
                wanted[var] = name
    return wanted


def _stored(equation: Equation) -> Sequence[str]:
    """Return the names that the user's code stores the outputs of ``equation`` in; ``dy`` for the tangent of ``y``."""
    if equation.source is None or not isinstance(equation.source[0], CodeType):
        return ()
    code, offset, phase = equation.source
    names = _stores(code).get(offset, ())
    if phase == TANGENT:
        return [f"d{name}" for name in names]
    return names if phase == PRIMAL else ()


@lru_cache(maxsize=256)
def _stores(code: CodeType) -> dict[int, tuple[str, ...]]:
    """Return for each instruction of ``code`` whose value is stored in variables at once their names."""
    instructions = [i for i in dis.get_instructions(code) if i.opname not in _SILENT]
    found: dict[int, tuple[str, ...]] = {}
    for position, instruction in enumerate(instructions[:-1]):
        names = tuple(_names_stored(instructions[position + 1 : position + 2 + _MOST_TARGETS]))
        if names and all(map(str.isidentifier, names)):  # others are those of tools that rewrite code
            # While a function written in Python runs, Python 3.11 and 3.12 point into the caches behind the call.
            for offset in range(instruction.offset, instructions[position + 1].offset, 2):
                found[offset] = names
    return found


_SILENT = frozenset({"NOP", "CACHE", "EXTENDED_ARG"})
_STORES = frozenset({"STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF", "STORE_FAST_MAYBE_NULL"})
_MOST_TARGETS = 16


def _names_stored(instructions: Sequence[Any]) -> Iterator[str]:
    """Yield the names that ``instructions`` store the value on the stack in: ``y =``, ``y :=`` or ``u, v =``."""
    if not instructions:
        return
    first, *rest = instructions
    if first.opname in ("COPY", "DUP_TOP"):
        yield from _names_stored(rest[:1])
    elif first.opname == "UNPACK_SEQUENCE":
        yield from _unpacked(rest, first.arg)
    elif first.opname in _STORES:
        yield str(first.argval)
    elif first.opname in ("STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST"):  # two instructions in one, since 3.13
        yield first.argval[0]


def _unpacked(instructions: Sequence[Any], wanted: int) -> Iterator[str]:
    names: list[str] = []
    for instruction in instructions:
        if instruction.opname in _STORES:
            names.append(str(instruction.argval))
        elif instruction.opname == "STORE_FAST_STORE_FAST":
            names.extend(instruction.argval)
        elif instruction.opname == "STORE_FAST_LOAD_FAST":
            names.append(instruction.argval[0])
        else:
            break
        if len(names) >= wanted:
            break
    yield from names[:wanted]
