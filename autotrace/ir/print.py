"""A program as text, close to JAX's, that :func:`autotrace.parse_jaxpr` reads back.

{ lambda constants ; inputs . let
    outputs = primitive[parameters] inputs
  in (outputs,) }

A program among the parameters is written in its place; one that is used several times is named and written once, in
front. Small arrays among the constants are written out; large ones stand as a name, and :func:`referenced` lists them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .avals import ShapedArray, dtype_name, float0
from .cost import equation_cost, readable, readable_bytes
from .equality import is_program, is_repeated
from .equation import Atom, Equation, Literal, Var
from .layout import HARD, Break, Doc, Group, Nest, Styled, fill, joined, render
from .names import unique_name, variable_names
from .primitive import Primitive
from .source import place

if TYPE_CHECKING:
    from .jaxpr import Jaxpr
    from .pricing import EquationCost

__all__ = [
    "WIDTH",
    "WRITTEN_OUT",
    "constant_text",
    "literal_text",
    "number_text",
    "parameter_texts",
    "print_jaxpr",
    "referenced",
    "wants_color",
]

WIDTH = 100
WRITTEN_OUT = 16
"""Elements: constants up to this size are written out."""


def print_jaxpr(
    jaxpr: Jaxpr,
    *,
    width: int | None = WIDTH,
    source: bool = False,
    shapes: bool = True,
    names: str = "letters",
    cost: bool = False,
    color: bool | str = False,
    max_equations: int | None = None,
    constants: int = WRITTEN_OUT,
) -> str:
    """Return ``jaxpr`` as text.

    Lines are broken at ``width`` characters; None does not break them. ``source`` adds the user's file, line and
    function to each equation, ``cost`` its operations, bytes moved and bytes alive; without ``shapes`` types are left
    out. ``names`` are ``"letters"`` or, where they are known, those of the ``"user"``. ``color`` is True, False or
    ``"auto"``: on a terminal, unless the environment sets NO_COLOR. Of programs longer than ``max_equations`` the
    middle is left out. Arrays of up to ``constants`` elements are written out, as are those of one number repeated.

    :func:`autotrace.parse_jaxpr` reads all of this back but what leaves out shapes or equations.

    Raises ``TypeError`` for what is no program, ``ValueError`` for options that do not exist.

    >>> import autotrace
    >>> print(print_jaxpr(autotrace.make_jaxpr(lambda x: x * x + 1.0)(3.0)))
    { lambda ; a:f64[]. let
        b:f64[] = mul a a
        c:f64[] = add b 1.0
      in (c,) }
    """
    if not is_program(jaxpr):
        raise TypeError(
            f"print_jaxpr: the argument must be a Jaxpr; got {type(jaxpr).__name__}. Make one: make_jaxpr(f)(*args)."
        )
    for name, value, least in (("width", width, 1), ("max_equations", max_equations, 0)):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ValueError(
                f"pretty: {name} must be None or an integer of at least {least}; got {value!r}. Use None for no limit."
            )
    options = _Options(source, shapes, names, cost, max_equations, constants)
    return render(_Printer(jaxpr, options).text(), width, _paint if wants_color(color) else None)


class _Options(NamedTuple):
    source: bool
    shapes: bool
    names: str
    cost: bool
    max_equations: int | None
    constants: int


# -- colour ----------------------------------------------------------------------------------------

_COLORS = {"name": "1", "primitive": "36", "type": "2", "number": "33", "text": "32", "comment": "2", "word": "35"}


def wants_color(color: bool | str) -> bool:
    """Tell whether to colour: ``color`` says so, or is ``"auto"`` and the output a terminal that may be coloured.

    >>> wants_color(True), wants_color(False)
    (True, False)
    """
    if color != "auto":
        if color is True or color is False:
            return color
        raise ValueError(f"pretty: color must be True, False or 'auto'; got {color!r}. Use one of these.")
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and getattr(sys.stdout, "isatty", bool)()


def _paint(text: str, kind: str) -> str:
    return f"\x1b[{_COLORS[kind]}m{text}\x1b[0m"


# -- numbers and arrays ----------------------------------------------------------------------------


def referenced(jaxpr: Jaxpr, limit: int = WRITTEN_OUT) -> list[Any]:
    """Return the constants that the text of ``jaxpr`` does not write out, in the order in which they are named there.

    >>> import autotrace, numpy as np
    >>> jaxpr = autotrace.make_jaxpr(lambda x: x + np.arange(100.0))(1.0)
    >>> text = str(jaxpr)
    >>> autotrace.parse_jaxpr(text, constants=referenced(jaxpr)) == jaxpr
    True
    """
    printer = _Printer(jaxpr, _PLAIN_OPTIONS._replace(constants=limit))
    printer.text()
    return printer.references


def _walk(jaxpr: Jaxpr) -> tuple[list[Jaxpr], dict[int, int], dict[int, str]]:
    """Return the programs inside, innermost first; by identity how often each is written; and what to call it."""
    order: list[Jaxpr] = []
    uses: dict[int, int] = {id(jaxpr): 1}
    labels: dict[int, str] = {}
    stack = [(jaxpr, _held(jaxpr))]
    while stack:
        program, rest = stack[-1]
        found = next(rest, None)
        if found is None:
            order.append(program)
            stack.pop()
            continue
        label, inner = found
        uses[id(inner)] = uses.get(id(inner), 0) + 1
        if uses[id(inner)] == 1:
            labels[id(inner)] = label
            stack.append((inner, _held(inner)))
    return order, uses, labels


def _held(jaxpr: Jaxpr) -> Iterator[tuple[str, Jaxpr]]:
    """Yield the programs among the parameters of ``jaxpr``'s equations, each with a word for it."""
    for equation in jaxpr.equations:
        params = equation.primitive.params
        label = params.get("label")
        for key, value in params.items():
            for inner in _flat(value):
                yield label if isinstance(label, str) else key, inner


def _flat(value: Any) -> Iterator[Jaxpr]:
    if is_program(value):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _flat(item)


def _is_written(value: Any, limit: int) -> bool:
    """Tell whether a constant's text says its content."""
    if not isinstance(value, np.ndarray | np.generic) or (value.dtype.kind not in "fciub" and value.dtype != float0):
        return False
    return value.size <= limit or value.dtype == float0 or is_repeated(value)


def number_text(value: Any) -> str:
    """Return the shortest text that reads back as the number ``value``, without its dtype.

    >>> number_text(np.float32(0.1)), number_text(True), number_text(np.complex128(1 - 0.5j)), number_text(-np.inf)
    ('0.1', 'True', '(1-0.5j)', '-inf')
    """
    if isinstance(value, np.complexfloating | complex):
        real, imaginary = (f"{number_text(part)}" for part in (value.real, value.imag))
        real, imaginary = real.removesuffix(".0"), imaginary.removesuffix(".0")
        if real == "0":
            return f"{imaginary}j"
        return f"({real}{'' if imaginary[0] == '-' else '+'}{imaginary}j)"
    if isinstance(value, np.floating) and value.dtype.itemsize != 8:
        return str(value)
    return repr(value.item() if isinstance(value, np.generic) else value)


_PLAIN = frozenset(np.dtype(kind) for kind in ("f8", "i8", "?", "c16"))
"""Dtypes of numbers that are not written beside them."""


def _literal(value: Any) -> Doc:
    """Print a literal's number; the dtypes that Python's numbers do not tell are written out."""
    dtype = np.asarray(value).dtype
    if dtype == float0:
        return Styled("0:float0", "number")
    text = number_text(np.asarray(value)[()] if isinstance(value, np.ndarray) else value)
    return Styled(text if dtype in _PLAIN else f"{text}:{dtype_name(dtype)}", "number")


def _elements(array: np.ndarray[Any, Any]) -> Doc:
    if array.ndim == 0:
        return Styled(number_text(array[()]), "number")
    return ["[", Nest(1, fill([_elements(row) for row in array], ",")), "]"]


# -- programs --------------------------------------------------------------------------------------


def equation_text(equation: Equation, names: dict[Var, str]) -> str:
    """Return an equation as text with given ``names``; programs among its parameters are written as ``...``."""
    return render(_Printer(None, _PLAIN_OPTIONS, folded=True).equation(equation, names), None)


def head_text(jaxpr: Jaxpr, names: dict[Var, str]) -> str:
    """Return the first line of a program as text with given ``names``."""
    return render(_Printer(None, _PLAIN_OPTIONS).head(jaxpr, names), None)


def outputs_text(jaxpr: Jaxpr, names: dict[Var, str]) -> str:
    """Return the last line of a program as text with given ``names``."""
    return render(_Printer(None, _PLAIN_OPTIONS).foot(jaxpr, names), None)


_PLAIN_OPTIONS = _Options(False, True, "letters", False, None, WRITTEN_OUT)


class _Printer:
    """The document of a program and of those that it shares with itself."""

    def __init__(self, jaxpr: Jaxpr | None, options: _Options, folded: bool = False) -> None:
        self.references: list[Any] = []
        self._jaxpr = jaxpr
        self._options = options
        self._folded = folded
        order, uses, labels = _walk(jaxpr) if jaxpr is not None else ([], {}, {})
        self._shared = [program for program in order if uses[id(program)] > 1]
        self._names: dict[int, str] = {}
        for program in self._shared:
            self._names[id(program)] = unique_name(labels[id(program)], self._names.values())
        rows = jaxpr.cost().by_equation if options.cost and jaxpr is not None else []
        self._costs: dict[int, EquationCost] = {id(row.equation): row for row in rows}

    def text(self) -> Doc:
        docs: list[Doc] = [[Styled(self._names[id(p)], "name"), " = ", self._program(p), HARD] for p in self._shared]
        return [*docs, self._program(self._jaxpr)] if self._jaxpr is not None else docs

    def _program(self, jaxpr: Jaxpr) -> Doc:
        names = variable_names(jaxpr, self._options.names)
        head = self.head(jaxpr, names)
        return [
            head,
            Nest(4, [[HARD, line] for line in self._lines(jaxpr, names)]),
            Nest(2, [HARD, self.foot(jaxpr, names)]),
        ]

    def head(self, jaxpr: Jaxpr, names: dict[Var, str]) -> Doc:
        """``{ lambda constants ; inputs. let``."""
        constants = [self._constant(v, c, names) for v, c in zip(jaxpr.const_vars, jaxpr.constants, strict=True)]
        inputs = [self._binder(v, names) for v in jaxpr.in_vars]
        binders = Nest(9, fill([*constants, Styled(";", "word"), *inputs]))
        return ["{ ", Styled("lambda", "word"), " ", binders, ". " if inputs else " . ", Styled("let", "word")]

    def foot(self, jaxpr: Jaxpr, names: dict[Var, str]) -> Doc:
        """``in (outputs) }``."""
        outputs = [self._atom(atom, names) for atom in jaxpr.outputs]
        comma = "," if len(outputs) == 1 else ""
        return [Styled("in", "word"), " (", Nest(4, fill(outputs, ",")), f"{comma}) }}"]

    def _lines(self, jaxpr: Jaxpr, names: dict[Var, str]) -> Iterator[Doc]:
        equations, limit = jaxpr.equations, self._options.max_equations
        hidden = 0 if limit is None else len(equations) - limit
        if hidden <= 1:
            yield from (self.equation(equation, names) for equation in equations)
            return
        first = len(equations) - hidden - (len(equations) - hidden) // 2
        yield from (self.equation(equation, names) for equation in islice(equations, first))
        yield Styled(f"... {hidden} equations ...", "comment")
        yield from (self.equation(equation, names) for equation in islice(equations, first + hidden, None))

    def _binder(self, var: Var, names: dict[Var, str]) -> Doc:
        name = Styled(names[var], "name")
        return [name, Styled(f":{var.aval}", "type")] if self._options.shapes else name

    def _constant(self, var: Var, value: Any, names: dict[Var, str]) -> Doc:
        binder = self._binder(var, names)
        if not _is_written(value, self._options.constants):
            self.references.append(value)
            return binder
        if not value.size or value.dtype == float0:
            return binder  # an array without content needs none
        array = np.asarray(value)
        if array.size > 1 and is_repeated(array):
            return [binder, "=", _elements(np.asarray(array[(0,) * array.ndim]))]
        return [binder, "=", _elements(array)]

    def _atom(self, atom: Atom, names: dict[Var, str]) -> Doc:
        return _literal(atom.value) if isinstance(atom, Literal) else names.get(atom, "_unbound")

    def equation(self, equation: Equation, names: dict[Var, str]) -> Doc:
        """``outputs = primitive[parameters] inputs``."""
        outputs = [self._binder(v, names) for v in equation.outputs]
        operands: list[Doc] = [Group([Break(), self._atom(atom, names)]) for atom in equation.inputs]
        name = Styled(equation.primitive.name, "primitive")
        head: Doc = [Nest(4, fill(outputs)), " = ", name] if outputs else name
        return [head, self._parameters(equation.primitive), Nest(4, operands), self._comment(equation)]

    def _comment(self, equation: Equation) -> Doc:
        parts = []
        if self._options.cost:
            cost, row = equation_cost(equation), self._costs.get(id(equation))
            alive = f", {readable_bytes(row.live_bytes)} alive" if row is not None else ""
            parts.append(f"{readable(cost.flops)} flop, {readable_bytes(cost.bytes)} moved{alive}")
        if self._options.source and equation.source is not None:
            phase = equation.source[2]
            where = str(place(equation.source)).encode("unicode_escape").decode()
            parts.append(f"{where}, {phase}" if phase else where)
        return ["  ", Styled(f"# {'; '.join(parts)}", "comment")] if parts else ""

    def _parameters(self, primitive: Primitive) -> Doc:
        shown = [(k, v) for k, v in primitive.params.items() if not _is_default(primitive, k, v)]
        if not shown:
            return ""
        docs: list[Doc] = [[f"{key}=", self._value(value)] for key, value in shown]
        if self._is_long(value for _, value in shown):
            return ["[", Nest(2, [[HARD, doc] for doc in docs]), HARD, "]"]
        return ["[", Nest(4, fill(docs)), "]"]

    def _is_long(self, values: Iterable[Any]) -> bool:
        """Tell whether programs among ``values`` are written out here."""
        return not self._folded and any(id(p) not in self._names for value in values for p in _flat(value))

    def _value(self, value: Any) -> Doc:
        if is_program(value):
            if self._folded:
                return "{...}"
            name = self._names.get(id(value))
            return self._program(value) if name is None else Styled(name, "name")
        if isinstance(value, tuple):
            items: Sequence[Doc] = [self._value(item) for item in value]
            if self._is_long(value):
                return ["(", Nest(2, [HARD, joined(items, [",", HARD])]), ",", HARD, ")"]
            return ["(", Nest(4, fill(items, ",")), ",)" if len(items) == 1 else ")"]
        return _plain_value(value)


def _plain_value(value: Any) -> Doc:
    """Return the text of a parameter that holds no others; of what has none, its kind in angle brackets."""
    if isinstance(value, np.dtype):
        return Styled(dtype_name(value), "type")
    if isinstance(value, ShapedArray):
        return Styled(str(value), "type")
    if isinstance(value, np.generic):
        return Styled(f"{number_text(value)}:{dtype_name(value.dtype)}", "number")
    if value is None or value is Ellipsis or isinstance(value, bool):
        return Styled("..." if value is Ellipsis else repr(value), "number")
    if isinstance(value, int | float | complex):
        return Styled(number_text(value), "number")
    if isinstance(value, str):
        return Styled(repr(value), "text")
    if isinstance(value, slice):
        return f"slice({', '.join(_flat_text(x) for x in (value.start, value.stop, value.step))})"
    return f"<{getattr(value, '__qualname__', None) or type(value).__qualname__}>"


def _flat_text(value: Any) -> str:
    return render(_plain_value(value), None)


def _is_default(primitive: Primitive, key: str, value: Any) -> bool:
    if key not in primitive.defaults:
        return False
    default = primitive.defaults[key]
    return type(default) is type(value) and repr(default) == repr(value)


# -- parts of the text, for pictures and pages -----------------------------------------------------


def literal_text(literal: Literal) -> str:
    """Return the text of an operand that is a number."""
    return render(_literal(literal.value), None)


def constant_text(value: Any, limit: int) -> str:
    """Return ``=`` and the elements of a constant of at most ``limit`` of them, or of equal ones; else nothing."""
    if not _is_written(value, limit) or not value.size or value.dtype == float0:
        return ""
    array = np.asarray(value)
    repeated = array.size > 1 and is_repeated(array)
    return "=" + render(_elements(np.asarray(array[(0,) * array.ndim]) if repeated else array), None)


def parameter_texts(primitive: Primitive) -> list[tuple[str, str]]:
    """Return name and text of the parameters that the text of an equation shows; a program is ``{ ... }``."""
    params = primitive.params.items()
    return [(key, _one_line(value)) for key, value in params if not _is_default(primitive, key, value)]


def _one_line(value: Any) -> str:
    if is_program(value):
        return "{ ... }"
    if isinstance(value, tuple):
        return f"({', '.join(map(_one_line, value))}{',' if len(value) == 1 else ''})"
    return _flat_text(value)
