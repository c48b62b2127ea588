"""A program as a plain NumPy function: the text of a Python file that runs alone, without this library.

Every primitive spells itself (``Primitive.spell``); by default its spelling is its ``impl``, see
:mod:`autotrace.ir.translate`. This module puts the lines together: names, numbers, constants, comments.
"""

from __future__ import annotations

import builtins
import keyword
import linecache
from collections.abc import Collection, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from .avals import ShapedArray, float0
from .check import check_jaxpr
from .equation import Atom, Equation, Literal, Var
from .names import variable_names
from .source import COTANGENT, TANGENT, Source, here, place
from .translate import Translator, dtype_text, is_uniform, number_text, value_text

__all__ = ["Page", "PythonText", "Spelled", "to_python"]

SMALL = 64
"""Constants of up to so many elements are written into the text; larger ones only if all elements are one number."""
_WIDTH = 100
_RESERVED = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "np"})
_PHASES = {TANGENT: "derivative of ", COTANGENT: "cotangent of "}


class PythonText(str):
    """The text of a Python file. ``constants`` holds the arrays that are too large for it, by parameter name."""

    constants: dict[str, Any]


class Spelled(str):
    """The text of an operand: a name or a number. ``aval`` is its shape and dtype."""

    __slots__ = ("aval",)
    aval: ShapedArray

    def __new__(cls, text: str, aval: ShapedArray) -> Spelled:
        self = str.__new__(cls, text)
        self.aval = aval
        return self


def to_python(jaxpr: Any, name: str = "program", *, names: str = "letters", comments: bool = True) -> PythonText:
    """Return the text of a Python file with a function ``name`` that does what ``jaxpr`` does, on NumPy alone.

    It takes the inputs of the program as positional arguments and returns its output, or the tuple of its outputs.
    Variables are called as in the printed program, by letters, or with ``names="user"`` as the user calls them.
    Constants of up to 64 elements, and those whose elements are all one number, stand in the text; others become
    keyword arguments, and the text carries the arrays: ``program(*leaves, **text.constants)``. A guard becomes an
    ``if`` that raises ``ValueError``. With ``comments``, the user's lines stand over what they became.

    Raises ``ValueError`` if ``name`` is no name, :class:`autotrace.errors.MissingRuleError` if a primitive can not be
    spelled, :class:`autotrace.errors.UnsupportedError` for constants that are no NumPy arrays, and
    :class:`autotrace.errors.JaxprTypeError` if the program is not well formed.

    >>> import autotrace
    >>> text = to_python(autotrace.make_jaxpr(lambda x: np.sin(x) * 2.0)(1.0), comments=False)
    >>> print(text[text.index("    b =") :])
        b = np.sin(a)
        c = b * 2.0
        return c
    <BLANKLINE>
    """
    if not isinstance(name, str) or not name.isidentifier() or name in _RESERVED:
        raise ValueError(f"to_python: name must be the name of a function; got {name!r}. Pass one like 'program'.")
    check_jaxpr(jaxpr)
    return Page(name, names, comments).finished(jaxpr)


class Page:
    """The file so far. Rules that spell primitives ask it for the names of what they use."""

    def __init__(self, name: str, style: str, comments: bool) -> None:
        self.name = name
        self.style = style
        self.comments = comments
        self.constants: dict[str, Any] = {}
        self.imports: set[str] = set()
        self.helpers: dict[str, str] = {}
        self._held: list[str] = []
        self._reserved = {*_RESERVED, name}
        self._used: set[str] = set()
        self._programs: dict[int, tuple[str, Any]] = {}
        self._inner: list[str] = []
        self._scopes: list[_Scope] = []
        self._translator = Translator(self)

    # -- what rules may ask for

    def spelled(self, primitive: Any, operands: Sequence[Spelled]) -> str:
        """Return an expression that is what ``primitive.impl`` does."""
        return self._translator.expression(primitive, operands)

    def function(self, function: Any) -> str:
        """Return the name of a function of a library, or of one of plain NumPy, whose source is copied."""
        return self._translator.function(function)

    def value(self, value: Any) -> str:
        """Return an expression for a static parameter: a number, a string, a dtype, a tuple of such, an array."""
        return value_text(value, self)

    def dtype(self, dtype: np.dtype[Any]) -> str:
        """Return an expression for a dtype where NumPy takes one: ``np.float32``."""
        return dtype_text(dtype)

    def program(self, jaxpr: Any, word: str = "inner") -> str:
        """Return the name, like ``word``, of an inner function that returns the output of ``jaxpr``, or all of them."""
        known = self._programs.get(id(jaxpr))
        if known is None:
            name = self.fresh(word if word.isidentifier() else "inner")
            known = self._programs[id(jaxpr)] = (name, jaxpr)
            scope = _Scope(self, jaxpr)
            body = self._body(scope, jaxpr)
            outputs = [scope.operand(atom) for atom in jaxpr.outputs]
            returned = f"return {', '.join(outputs) or '()'}"
            arguments = ", ".join(scope.names[v] for v in jaxpr.in_vars)
            self._inner += [f"def {name}({arguments}):", *_indented([*body, returned]), ""]
        return known[0]

    def call(self, targets: Sequence[str], jaxpr: Any, operands: Sequence[str], word: str = "inner") -> str:
        """Return the statement that calls an inner program and gives ``targets`` its outputs."""
        call = f"{self.program(jaxpr, word)}({', '.join(operands)})"
        return f"{', '.join(targets)} = {call}" if targets else call

    def module(self, name: str) -> str:
        """Import the module called ``name`` in the file; return the name to use."""
        if name == "numpy" or name.startswith("numpy."):
            return "np" + name[len("numpy") :]
        self.imports.add(name)
        self._reserved.add(name.partition(".")[0])
        return name

    def local(self, word: str) -> str:
        """Return a new name like ``word`` for a value of the function that is being written."""
        scope = self._scopes[-1]
        return self._claim(word, scope.extra, self._reserved, set(scope.names.values()))

    def fresh(self, word: str) -> str:
        """Return a new name like ``word`` that means one thing in the whole file."""
        return self._claim(word, self._reserved, self._used)

    def _claim(self, word: str, owner: set[str], *taken: Collection[str]) -> str:
        """Return ``word``, or a name like it, that is not ``taken`` nor in ``owner``, to which it is added."""
        name, count = word, 2
        while name in owner or any(name in names for names in taken):
            name, count = f"{word}_{count}", count + 1
        owner.add(name)
        return name

    # -- putting it together

    def finished(self, jaxpr: Any) -> PythonText:
        """Return the whole file of ``jaxpr``."""
        scope = _Scope(self, jaxpr)
        body = self._body(scope, jaxpr)
        outputs = [_scalar(scope.operand(atom), atom, scope) for atom in jaxpr.outputs]
        inputs = [scope.names[v] for v in jaxpr.in_vars]
        keywords = ["*", *self.constants] if self.constants else []
        lines = ["import numpy as np", *[f"import {module}" for module in sorted(self.imports)]]
        lines = [*sorted(lines, key=lambda line: line.split()[1])]
        for text in self.helpers.values():
            lines += ["", "", text]
        if self._held:
            lines += ["", *([""] if self.helpers else []), *self._held]
        lines += ["", "", *_wrapped(f"def {self.name}({', '.join([*inputs, *keywords])}):")]
        lines += _indented(self._docstring(jaxpr, scope))
        lines += _indented([*self._inner, *body, *([f"return {', '.join(outputs)}"] if outputs else ["return ()"])])
        text = PythonText("\n".join(lines) + "\n")
        text.constants = dict(self.constants)
        return text

    def _docstring(self, jaxpr: Any, scope: _Scope) -> list[str]:
        count = len(jaxpr.equations)
        lines = [f'"""Written by autotrace: a program of {count} equation{"" if count == 1 else "s"}.', ""]
        lines += [f"{scope.names[v]} : {v.aval}" for v in jaxpr.in_vars]
        for name, array in self.constants.items():
            aval = ShapedArray(array.shape, array.dtype)
            lines.append(f"{name} : {aval}, a constant of the program: text.constants[{name!r}]")
        returned = [f"{scope.operand(atom)} : {atom.aval}" for atom in jaxpr.outputs]
        return [*lines, *([""] if len(lines) > 2 else []), f"Returns {', '.join(returned) or 'nothing'}.", '"""']

    def _body(self, scope: _Scope, jaxpr: Any) -> list[str]:
        """Write the equations of ``jaxpr`` as statements."""
        lines: list[str] = []
        last = ""
        self._scopes.append(scope)
        for equation in jaxpr.equations:
            if equation.outputs and equation.outputs[0] in scope.stretched:
                continue
            targets = [scope.names[v] for v in equation.outputs]
            written = equation.primitive.spell_lines(self, targets, *scope.operands(equation))
            comment = _comment(equation.source) if self.comments else ""
            if comment and comment != last:
                lines.append(comment)
                last = comment
            lines += [piece for line in written for piece in _wrapped(line)]
        self._scopes.pop()
        return lines

    def hold(self, name: str, value: Any) -> str:
        """Keep a constant of a program, in the text or beside it; return its name."""
        name = self._claim(name, self._reserved, self._used)
        if not isinstance(value, np.ndarray | np.generic) or (
            value.dtype.kind not in "biufc" and value.dtype != float0
        ):
            aval = getattr(value, "aval", None) or type(value).__name__
            raise UnsupportedError(
                f"to_python: constants must be NumPy arrays of numbers; got {aval}{here()}, which is traced or another "
                "library's. Pass it as an argument."
            )
        if np.size(value) > SMALL and not is_uniform(np.asarray(value)):
            self.constants[name] = np.asarray(value)
        else:
            self._held += _wrapped(f"{name} = {value_text(np.asarray(value), self)}")
        return name

    def names_of(self, jaxpr: Any) -> dict[Var, str]:
        """Return the names of the variables of a program, which mean nothing else in the file."""
        names, held = variable_names(jaxpr, self.style), set(jaxpr.const_vars)
        taken: set[str] = set()
        for var, name in names.items():
            if var not in held:
                names[var] = self._claim(name, taken, self._reserved)
        self._used |= taken
        for var, value in zip(jaxpr.const_vars, jaxpr.constants, strict=True):
            names[var] = self.hold(names[var], value)
        return names


class _Scope:
    """The names of one program's variables."""

    def __init__(self, page: Page, jaxpr: Any) -> None:
        self.names = page.names_of(jaxpr)
        self.extra: set[str] = set()
        self.stretched = implicit_broadcasts(jaxpr)
        self.inputs = set(jaxpr.in_vars)
        self.scalars = {v for e in jaxpr.equations if e.primitive.gives_scalars for v in e.outputs}

    def operands(self, equation: Equation) -> list[Spelled]:
        atoms = [self.stretched.get(atom, atom) for atom in equation.inputs]
        dtypes = {atom.aval.dtype for atom in atoms if type(atom) is Var} if equation.primitive.weak_numbers else ()
        return [self.operand(atom, plain=atom.aval.dtype in dtypes) for atom in atoms]

    def operand(self, atom: Atom, plain: bool = False) -> Spelled:
        """Return the text of ``atom``. A number keeps its dtype, unless it is ``plain``: then it adapts to others."""
        if isinstance(atom, Var):
            return Spelled(self.names[atom], atom.aval)
        value = atom.aval.dtype.type(atom.value)
        return Spelled(number_text(value) if plain else value_text(value, None), atom.aval)


def implicit_broadcasts(jaxpr: Any) -> dict[Atom, Atom]:
    """Return the broadcasts that NumPy does by itself, from result to operand.

    Those are the ones that only ufuncs read, each beside an operand of full shape.
    """
    found: dict[Atom, Atom] = {e.outputs[0]: e.inputs[0] for e in jaxpr.equations if e.primitive.stretches}
    for atom in jaxpr.outputs:
        found.pop(atom, None)
    for equation in jaxpr.equations:
        read = [v for v in equation.inputs if v in found]
        if not read:
            continue
        full = [v for v in equation.inputs if v not in found and v.aval.shape == equation.outputs[0].aval.shape]
        if not full or not equation.primitive.weak_numbers or isinstance(type(equation.primitive).impl, FunctionType):
            for atom in read:
                found.pop(atom, None)
    return found


def _scalar(text: str, atom: Atom, scope: _Scope) -> str:
    """Return the text of an output; of rank 0 it is a scalar, which reshaping and the like do not give."""
    if atom.aval.ndim or type(atom) is Literal or atom in scope.scalars:
        return text
    return f"np.asarray({text})[()]" if atom in scope.inputs else f"{text}[()]"  # callers may pass Python's numbers


def _comment(source: Source | None) -> str:
    """Return the user's line as a comment."""
    where = place(source)
    if where is None or source is None:
        return ""
    text = linecache.getline(where.file, where.line).strip()
    comment = f"# {_PHASES.get(source[2], '')}{where}{': ' if text else ''}{text}"
    return "".join(c if c.isprintable() else " " for c in comment)  # one line, whatever the file is called


def _indented(lines: Sequence[str]) -> list[str]:
    return ["    " + line if line else line for line in lines]


def _wrapped(line: str) -> list[str]:
    """Break a long line after commas, inside brackets, where Python lets lines be broken."""
    if len(line) <= _WIDTH or "'" in line or '"' in line or "#" in line or not line.endswith((")", "]", "):")):
        return [line]
    inner = " " * (len(line) - len(line.lstrip()) + 4)
    pieces: list[str] = []
    current = ""
    for part in line.replace(", ", ",\0 ").split("\0"):
        if current and len(current) + len(part) > _WIDTH and "(" in "".join(pieces) + current:
            pieces.append(current)
            current = inner + part.lstrip()
        else:
            current += part
    return [*pieces, current]
