"""From the text of a program back to the program; the grammar is in docs/ir.md.

A reader by recursive descent. It never executes anything: values are numbers, strings, dtypes, tuples and programs,
and names of primitives are looked up among those that are known. Depth is bounded, and so is memory by the length
of the text. An equation ends where a line starts that is indented no deeper than it is.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..errors import AutotraceError, JaxprSyntaxError, JaxprTypeError
from .avals import DYNAMIC, ShapedArray, dtype_name, float0, native
from .check import check_jaxpr
from .equation import Atom, Equation, Literal, Var
from .jaxpr import Jaxpr
from .names import letters
from .primitive import REGISTRY, Primitive
from .source import Place, Source

__all__ = ["parse_jaxpr"]

_DEEPEST = 40
"""Programs and tuples, one in the other."""
_LONGEST_AXIS = 2**62


def parse_jaxpr(text: str, constants: Sequence[Any] | Mapping[str, Any] | None = None) -> Jaxpr:
    """Return the program whose text is ``text``, as :func:`autotrace.print_jaxpr` writes it; nothing is executed.

    ``constants`` are the arrays that the text names and does not write out: in the order of the text, or by name.
    Comments that tell a source are read. The program is checked (:func:`autotrace.check_jaxpr`).

    Raises :class:`autotrace.errors.JaxprSyntaxError` for a text that is no program, with line, column and a caret;
    :class:`autotrace.errors.JaxprTypeError` for a program that is ill typed; ``TypeError`` for what is no text.

    >>> jaxpr = parse_jaxpr('''
    ... { lambda ; a:f64[] b:f64[]. let
    ...     c:f64[] = sin a
    ...     d:f64[] = mul c b
    ...   in (d,) }''')
    >>> jaxpr(0.5, 2.0)
    [np.float64(0.958851077208406)]
    """
    if not isinstance(text, str):
        raise TypeError(f"parse_jaxpr: the argument must be a string; got {type(text).__name__}. Pass str(jaxpr).")
    if isinstance(constants, str | bytes | np.ndarray):
        raise TypeError(
            f"parse_jaxpr: constants must be a list of arrays or a dict of them by name; got "
            f"{type(constants).__name__}. Put it into a list."
        )
    return _Parser(text, constants).document()


# -- tokens ----------------------------------------------------------------------------------------

_REAL = r"(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|inf|nan)"
_TOKEN = rf"""(?P<space>[ \t\r\f]+) | (?P<newline>\n) | (?P<comment>\#[^\n]*)
    | (?P<complex>\([-+]?{_REAL}[-+]{_REAL}j\) | [-+]?{_REAL}j(?!\w))
    | (?P<number>[-+]?{_REAL}(?!\w))
    | (?P<string>'(?:[^'\\\n]|\\[^\n])*' | "(?:[^"\\\n]|\\[^\n])*")
    | (?P<name>[^\W\d]\w*)
    | (?P<sign>\.\.\.|[{{}}()\[\]:;,.=?])"""
_COLOR = r"\x1b\[[0-9;]*m"
_COMPLEX = rf"\(?(?P<real>[-+]?{_REAL}(?![j\d.]))?(?P<imaginary>[-+]?{_REAL})j\)?"
_PLACE = r"(?P<file>.*):(?P<line>\d{1,9}) \((?P<function>.*?)\)(?:, (?P<phase>tangent|cotangent))?"
_NEEDS = r"# primitive (\w+): import ([\w.]+)"


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    line: int
    column: int
    """Counted from 0."""
    first: bool
    """Nothing but blanks stands before it on its line."""


class _Parser:
    """The text, the tokens still to be read, and what was found so far."""

    def __init__(self, text: str, constants: Sequence[Any] | Mapping[str, Any] | None) -> None:
        self._text = re.sub(_COLOR, "", text)
        self._given = constants
        self._taken: list[str] = []
        self._comments: dict[int, str] = {}
        self._needs: dict[str, str] = {}
        self._programs: dict[str, Jaxpr] = {}
        self._places: list[tuple[Equation, _Token]] = []
        self._tokens = list(self._scan())
        self._next = 0
        self._depth = 0

    def _scan(self) -> Iterator[_Token]:
        text, position, line, start, first = self._text, 0, 1, 0, True
        scan = re.compile(_TOKEN, re.VERBOSE).match  # here, so that importing the package need not compile it
        while position < len(text):
            match = scan(text, position)
            if match is None:
                what = (
                    "the sign of an object (functions and the like have no text)"
                    if text[position] == "<"
                    else "this character"
                )
                self._fail(f"{what} means nothing here", _Token("", text[position], position, line, 0, False))
            kind, found = str(match.lastgroup), match[0]
            if kind == "newline":
                line, start, first = line + 1, match.end(), True
            elif kind == "comment":
                self._comments[line] = found
                self._needs.update(re.findall(_NEEDS, found))
            elif kind != "space":
                yield _Token(kind, found, position, line, position - start, first)
                first = False
            position = match.end()
        yield _Token("end", "the end of the text", position, line, position - start, True)

    # -- reading -----------------------------------------------------------------------------------

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _advance(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _follows(self, text: str) -> bool:
        """Tell whether the next token is this sign or word."""
        token = self._tokens[self._next]
        return token.text == text and token.kind in ("sign", "name")

    def _accept(self, text: str) -> bool:
        if self._follows(text):
            self._next += 1
            return True
        return False

    def _expect(self, text: str, what: str) -> _Token:
        if not self._follows(text):
            self._fail(f"{what} needs {text!r} here", self._token)
        return self._advance()

    def _name(self, what: str) -> _Token:
        if self._token.kind != "name" or self._token.text in ("lambda", "let", "in"):
            self._fail(f"{what} must stand here", self._token)
        return self._advance()

    def _fail(self, what: str, token: _Token, cure: str = "Correct the text.") -> NoReturn:
        """Raise the error of a text that is no program at ``token``."""
        got = token.text if token.kind == "end" else repr(token.text[:40])
        where, caret = self._pointer(token)
        error = JaxprSyntaxError(f"parse_jaxpr: {what}; got {got} at {where}. {cure}\n{caret}")
        error.line, error.column = token.line, self._column(token) + 1
        raise error

    def _column(self, token: _Token) -> int:
        return token.start - (self._text.rfind("\n", 0, token.start) + 1)

    def _pointer(self, token: _Token) -> tuple[str, str]:
        """Return the place of ``token``, and its line with a caret below it."""
        column = self._column(token)
        line = self._text[token.start - column :].split("\n", 1)[0]
        cut = max(0, column - 60)
        shown = line[cut : cut + 100].replace("\t", " ").replace("\r", " ")
        return f"line {token.line}, column {column + 1}", f"    {shown}\n    {' ' * (column - cut)}^"

    def _deeper(self, token: _Token) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(f"programs and tuples must be nested at most {_DEEPEST} deep", token)

    # -- programs ----------------------------------------------------------------------------------

    def document(self) -> Jaxpr:
        while self._token.kind == "name":
            name = self._name("a program or its name")
            self._expect("=", "the name of a program")
            if name.text in self._programs:
                self._fail("a program's name must be given once", name)
            self._programs[name.text] = self._program()
        jaxpr = self._program()
        if self._token.kind != "end":
            self._fail("nothing may follow the program", self._token)
        self._count_constants()
        self._check(jaxpr)
        return jaxpr

    def _program(self) -> Jaxpr:
        self._deeper(self._expect("{", "a program"))
        self._expect("lambda", "a program")
        scope: dict[str, Var] = {}
        const_vars, constants = [], []
        while not self._accept(";"):
            var, name = self._binder(scope, scope)
            const_vars.append(var)
            constants.append(self._constant(var.aval, name))
        in_vars = []
        while not self._accept("."):
            in_vars.append(self._binder(scope, scope)[0])
        self._expect("let", "the head of a program")
        equations = []
        while not self._follows("in"):
            equations.append(self._equation(scope))
        self._advance()
        self._expect("(", "the outputs of a program")
        outputs = list(self._items(")", lambda: self._atom(scope)))
        self._expect("}", "a program")
        self._depth -= 1
        _keep_names(scope)
        return Jaxpr(in_vars, equations, outputs, const_vars, constants)

    def _items(self, end: str, item: Callable[[], Any]) -> Iterator[Any]:
        """Yield items with commas between them up to the sign ``end``."""
        while not self._accept(end):
            yield item()
            if not self._accept(",") and not self._follows(end):
                self._fail(f"a comma or {end!r} must stand here", self._token)

    def _binder(self, scope: dict[str, Var], made: dict[str, Var]) -> tuple[Var, _Token]:
        """Read ``name:type`` and add it to ``made``; names of the ``scope`` are taken."""
        name = self._name("a variable")
        if name.text in scope or name.text in made:
            self._fail("a variable must be bound once", name, "Give it another name.")
        self._expect(":", "a variable")
        var = made[name.text] = Var(self._shaped(self._dtype(self._name("a dtype"))))
        return var, name

    def _shaped(self, dtype: np.dtype[Any]) -> ShapedArray:
        """Read the shape after a dtype."""
        self._expect("[", "a type")
        shape = tuple(self._items("]", self._length))
        if len(shape) > 64:
            self._fail("an array must have at most 64 axes", self._token)
        return ShapedArray(shape, dtype)

    def _length(self) -> int:
        if self._accept("?"):
            return DYNAMIC
        token = self._advance()
        if not re.fullmatch(r"\d{1,19}", token.text) or int(token.text) > _LONGEST_AXIS:
            self._fail("the length of an axis must stand here", token)
        return int(token.text)

    def _dtype(self, token: _Token) -> np.dtype[Any]:
        dtype = _dtypes().get(token.text)
        if dtype is None:
            self._fail("the name of a dtype, such as f64, must stand here", token)
        return dtype

    def _equation(self, scope: dict[str, Var]) -> Equation:
        start = self._token
        if start.kind != "name":
            known = "the equations of a program that was printed with max_equations are lost; " * (start.text == "...")
            self._fail(f"{known}an equation, or 'in' and the outputs, must stand here", start)
        made: dict[str, Var] = {}
        outputs: list[Var] = []
        if self._tokens[self._next + 1].text == ":":
            while not self._accept("="):
                outputs.append(self._binder(scope, made)[0])
        primitive = self._primitive()
        inputs = []
        while not (self._token.first and self._token.column <= start.column) and not self._follows("in"):
            if self._token.kind not in ("name", "number", "complex"):
                self._fail("a variable or a number must stand here", self._token)
            if self._tokens[self._next + 1].text == ":" and self._token.kind == "name":
                self._fail("each equation must start a line of its own, indented like the others", self._token)
            inputs.append(self._atom(scope))
        equation = Equation(primitive, tuple(inputs), tuple(outputs), self._source(self._tokens[self._next - 1].line))
        scope.update(made)
        self._places.append((equation, start))
        return equation

    def _source(self, line: int) -> Source | None:
        """Return the place that the comment on ``line`` tells, if it tells one."""
        told = re.fullmatch(_PLACE, self._comments.get(line, "").removeprefix("# ").rpartition("; ")[2].strip())
        if told is None:
            return None
        return Place(told["file"], int(told["line"]), told["function"]), 0, told["phase"] or ""

    def _primitive(self) -> Primitive:
        name = self._name("the name of a primitive")
        kind = REGISTRY.get(name.text) or _late(name.text)
        if kind is None:
            module = self._needs.get(name.text)
            cure = f"Import {module}, which defines it." if module else "Import the module that defines it."
            self._fail("the name of a known primitive must stand here", name, cure)
        named: dict[str, Any] = {}
        if self._accept("["):
            while not self._accept("]"):
                key = self._name("the name of a parameter")
                if key.text not in kind.fields or key.text in named:
                    told = f"{name.text} takes each of ({', '.join(kind.fields)}) once"
                    self._fail(told if kind.fields else f"{name.text} takes no parameters", key)
                self._expect("=", "a parameter")
                named[key.text] = self._value()
        missing = [field for field in kind.fields if field not in named and field not in kind.defaults]
        if missing:
            self._fail(f"{name.text} needs the parameters {', '.join(missing)}", name)
        try:
            return kind(**named)
        except (TypeError, ValueError, OverflowError) as error:
            self._fail(f"{name.text} must accept its parameters ({error})", name)

    def _check(self, jaxpr: Jaxpr) -> None:
        """Run the checker; where it objects to one equation, tell the line."""
        try:
            check_jaxpr(jaxpr)
        except JaxprTypeError as error:
            for equation, token in self._places:
                found = _complaint(equation)
                if found:
                    where, caret = self._pointer(token)
                    raise JaxprTypeError(f"parse_jaxpr: {found} at {where}. Correct the text.\n{caret}") from None
            raise error
        except AutotraceError:
            raise
        except Exception as error:  # a parameter of another kind than the primitive's rules expect
            raise JaxprTypeError(f"parse_jaxpr: the program must pass check_jaxpr; got {error!r}.") from error

    # -- values ------------------------------------------------------------------------------------

    def _atom(self, scope: dict[str, Var]) -> Atom:
        token = self._token
        if token.kind == "name" and token.text not in _WORDS:
            if token.text not in scope:
                self._fail("a variable must be bound before its use", token)
            return scope[self._advance().text]
        value = self._number(self._advance())
        return Literal(value if isinstance(value, np.generic) else self._converted(token, _PLAIN[type(value)]))

    def _number(self, token: _Token) -> Any:
        """Read a number, with its dtype if that is told: then it is NumPy's."""
        if token.kind not in ("number", "complex") and token.text not in ("True", "False"):
            self._fail("a number must stand here", token)
        if self._accept(":"):
            return self._converted(token, self._dtype(self._advance()))
        return self._plain(token)

    def _plain(self, token: _Token) -> Any:
        if token.kind == "name":
            return token.text == "True"
        if token.kind == "complex":
            return complex(self._converted(token, np.dtype(complex)))
        if re.fullmatch(r"[-+]?\d+", token.text):
            if len(token.text) > 4000:
                self._fail("a number must have at most 4000 digits", token)
            return int(token.text)
        return float(token.text)

    def _converted(self, token: _Token, dtype: np.dtype[Any]) -> Any:
        """Return the number that ``token`` says as a NumPy scalar of ``dtype``, which must hold it."""
        kind = dtype.kind
        if dtype == float0:
            return np.zeros((), float0)[()]
        with np.errstate(all="ignore"):
            if kind == "c" and token.kind == "complex":
                told = re.fullmatch(_COMPLEX, token.text)
                assert told is not None, "this is a bug in autotrace: the scanner and the reader disagree"
                part = np.dtype(f"f{dtype.itemsize // 2}").type
                return _complex(dtype, part(told["real"] or 0), part(told["imaginary"]))
            if kind in "fc" and token.kind == "number":
                return dtype.type(np.dtype(f"f{dtype.itemsize // 2}" if kind == "c" else dtype).type(token.text))
            if kind == "b" and token.text in ("True", "False"):
                return dtype.type(token.text == "True")
            if kind in "iu" and token.kind == "number" and re.fullmatch(r"[-+]?\d{1,30}", token.text):
                number = int(token.text)
                if np.iinfo(dtype).min <= number <= np.iinfo(dtype).max:
                    return dtype.type(number)
        return self._fail(f"a number of {dtype_name(dtype)} must stand here", token)

    def _value(self) -> Any:
        """Read a parameter."""
        token = self._token
        if token.text == "{" and token.kind == "sign":
            return self._program()
        self._advance()
        if token.kind in ("number", "complex"):
            return self._number(token)
        if token.kind == "string":
            return self._string(token)
        if token.kind == "name":
            return self._word(token)
        if token.text == "(" and token.kind == "sign":
            self._deeper(token)
            items = tuple(self._items(")", self._value))
            self._depth -= 1
            return items
        if token.text == "..." and token.kind == "sign":
            return Ellipsis
        return self._fail("the value of a parameter must stand here", token)

    def _word(self, token: _Token) -> Any:
        text = token.text
        if text in ("True", "False"):
            return self._number(token)
        if text == "None":
            return None
        if text == "slice" and self._accept("("):
            parts = list(self._items(")", self._value))
            if len(parts) != 3 or not all(part is None or type(part) is int for part in parts):
                self._fail("a slice has three parts, integers or None", token)
            return slice(*parts)
        if text in self._programs:
            return self._programs[text]
        if text in _dtypes():
            return self._shaped(_dtypes()[text]) if self._follows("[") else _dtypes()[text]
        return self._fail("the value of a parameter must stand here", token)

    def _string(self, token: _Token) -> str:
        def character(match: re.Match[str]) -> str:
            found = match[1]
            if found[0] in "xuU":
                return chr(int(found[1:], 16))
            return _ESCAPES[found]

        try:
            return re.sub(_ESCAPE, character, token.text[1:-1])
        except (KeyError, ValueError, OverflowError):
            self._fail("a string may hold Python's escapes only", token)

    # -- constants ---------------------------------------------------------------------------------

    def _constant(self, aval: ShapedArray, name: _Token) -> Any:
        """Read the array after ``name:type``, or take it from those that the caller gave."""
        try:
            if self._accept("="):
                array = self._array(aval)
            elif aval.dtype == float0 or 0 in aval.shape:
                array = np.zeros(aval.shape, aval.dtype)
            else:
                return self._passed(aval, name)
        except (ValueError, MemoryError, OverflowError) as error:
            if isinstance(error, AutotraceError):
                raise
            self._fail(f"a constant must have a type that memory can hold ({error})", name)
        array.flags.writeable = False
        return array

    def _array(self, aval: ShapedArray) -> np.ndarray[Any, Any]:
        if not self._follows("["):
            number = self._converted(self._advance(), aval.dtype)
            return np.broadcast_to(number, aval.shape).view()
        numbers: list[Any] = []
        self._elements(aval, 0, numbers)
        return np.array(numbers, aval.dtype).reshape(aval.shape)

    def _elements(self, aval: ShapedArray, axis: int, numbers: list[Any]) -> None:
        """Read the brackets of ``axis`` and those inside them."""
        start = self._expect("[", "an array")

        def element() -> None:
            if axis + 1 < aval.ndim:
                self._elements(aval, axis + 1, numbers)
            else:
                numbers.append(self._converted(self._advance(), aval.dtype))

        if axis >= aval.ndim or len(list(self._items("]", element))) != aval.shape[axis]:
            self._fail(f"an array of {aval} must stand here", start)

    def _passed(self, aval: ShapedArray, name: _Token) -> Any:
        given, count = self._given, len(self._taken)
        self._taken.append(name.text)
        if isinstance(given, Mapping):
            array = given.get(name.text)
        else:
            array = given[count] if given is not None and count < len(given) else None
        if array is None:
            self._fail(
                f"the constant {name.text}:{aval} is not written out in the text", name,
                "Pass it: parse_jaxpr(text, constants=[...]), in the order of the text, or constants={name: array}.",
            )  # fmt: skip
        shape, dtype = getattr(array, "shape", None), getattr(array, "dtype", None)
        if isinstance(dtype, np.dtype) and not dtype.isnative:
            array = native(array)
            dtype = array.dtype
        if shape != aval.shape or dtype != aval.dtype:
            got = ShapedArray(shape, dtype) if isinstance(dtype, np.dtype) and shape is not None else type(array)
            self._fail(f"the constant must be {aval}, and {got} was passed", name, "Pass another array.")
        if isinstance(array, np.ndarray) and array.flags.writeable:
            array = array.copy()
            array.flags.writeable = False
        return array

    def _count_constants(self) -> None:
        given, taken = self._given, ", ".join(self._taken) or "none"
        if isinstance(given, Mapping):
            unused = ", ".join(str(name) for name in given if name not in self._taken)
        else:
            unused = str(len(given)) if given is not None and len(given) > len(self._taken) else ""
        if unused:
            raise JaxprSyntaxError(
                f"parse_jaxpr: constants must be those that the text names and does not write out ({taken}); "
                f"got {unused}. Pass these alone."
            )


_PLAIN = {bool: np.dtype(bool), int: np.dtype(np.int64), float: np.dtype(float), complex: np.dtype(complex)}
_WORDS = frozenset(("True", "False", "None", "lambda", "let", "in"))
_ESCAPE = r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)"
_ESCAPES = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"}
_SCIPY_RULES = tuple(f"autotrace.scipy.{area}" for area in ("special", "linalg", "signal", "stats"))


def _dtypes() -> dict[str, np.dtype[Any]]:
    """Return the dtypes that programs may have, by their short names."""
    if not _DTYPES:
        kinds = [np.dtype(code) for code in "?bhilqBHILQefdgFDG"]
        _DTYPES.update({dtype_name(dtype): dtype for dtype in [*kinds, *map(np.dtype, ("i8", "u8", "f8", "c16"))]})
        _DTYPES["float0"] = float0
    return _DTYPES


_DTYPES: dict[str, np.dtype[Any]] = {}


def _complex(dtype: np.dtype[Any], real: Any, imaginary: Any) -> Any:
    """Return the two parts as one number; a sum would lose infinities, NaNs and zeros' signs."""
    number = np.empty((), dtype)
    number.real, number.imag = real, imaginary
    return number[()]


def _late(name: str) -> type[Primitive] | None:
    """Return a primitive of those that are loaded with SciPy's rules, where SciPy is there."""
    for module in _SCIPY_RULES:
        try:
            importlib.import_module(module)
        except ImportError:
            return None
        if name in REGISTRY:
            return REGISTRY[name]
    return None


def _keep_names(scope: Mapping[str, Var]) -> None:
    """Remember names that are not just letters, to show them again with ``names="user"``."""
    if list(scope) != list(islice(letters(), len(scope))):
        for name, var in scope.items():
            var.hint = name


def _complaint(equation: Equation) -> str:
    """Return what the checker has against one equation by itself."""
    free = [atom for atom in dict.fromkeys(equation.inputs) if type(atom) is Var]
    try:
        check_jaxpr(Jaxpr(free, [equation], ()))
    except Exception as error:
        told = str(error).removeprefix("check_jaxpr: ").removesuffix(" Repair the transform that wrote it.")
        return told.rstrip(".") or repr(error)
    return ""
