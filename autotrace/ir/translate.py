"""How a primitive is spelled by default: its ``impl``, read as source.

``impl`` is plain NumPy, so its text is the spelling: ``return np.round(x, self.decimals)`` becomes
``np.round(a, 2)``. Parameters stand in the text as values, and branches on them are decided. What is more than
one expression becomes a function of the file, together with the plain functions that it calls.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import operator
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NoReturn

import numpy as np

from ..errors import MissingRuleError
from .source import here

__all__ = ["Translator", "dtype_text", "is_uniform", "number_text", "refuse", "value_text"]

_BINARY: dict[Any, type[ast.operator]] = {
    operator.add: ast.Add,
    operator.sub: ast.Sub,
    operator.mul: ast.Mult,
    operator.truediv: ast.Div,
    operator.floordiv: ast.FloorDiv,
    operator.mod: ast.Mod,
    operator.pow: ast.Pow,
    operator.and_: ast.BitAnd,
    operator.or_: ast.BitOr,
    operator.xor: ast.BitXor,
    operator.lshift: ast.LShift,
    operator.rshift: ast.RShift,
}
_COMPARE: dict[Any, type[ast.cmpop]] = {
    operator.lt: ast.Lt,
    operator.le: ast.LtE,
    operator.gt: ast.Gt,
    operator.ge: ast.GtE,
    operator.eq: ast.Eq,
    operator.ne: ast.NotEq,
}
_UNARY: dict[Any, type[ast.unaryop]] = {operator.neg: ast.USub, operator.pos: ast.UAdd, operator.invert: ast.Invert}

_LIBRARIES = frozenset({*sys.stdlib_module_names, "numpy", "scipy"} - {"__main__"})
"""Packages that a file may import; functions of other modules are copied into it."""


class Translator:
    """Turns the ``impl`` of primitives into expressions, and what it calls into functions of the file."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self._names: dict[Any, str] = {}

    def expression(self, primitive: Any, operands: Sequence[str]) -> str:
        """Return an expression for ``primitive.impl(*operands)``."""
        impl = inspect.getattr_static(type(primitive), "impl")
        impl = impl.__func__ if isinstance(impl, staticmethod) else impl
        trees = [_parsed(text) for text in operands]
        node = _infix(impl, trees)
        if node is None and isinstance(impl, FunctionType):
            node = self._applied(impl, primitive, trees)
        elif node is None:
            node = ast.Call(_parsed(self.function(impl, primitive)), trees, [])
        return ast.unparse(node)

    def _applied(self, impl: FunctionType, primitive: Any, operands: list[ast.expr]) -> ast.expr:
        """Write ``impl`` out at the operands if it is one expression, else call a function made of it."""
        definition = self._definition(impl, primitive)
        body = definition.body[0]
        if len(definition.body) == 1 and isinstance(body, ast.Return) and body.value and not _binds(body.value):
            arguments = _arguments(definition.args, operands)
            if arguments is not None:
                return _Substitute(arguments).visit(body.value)
        return ast.Call(ast.Name(self._helper(impl, primitive, primitive.name)), operands, [])

    def function(self, function: Any, primitive: Any = None) -> str:
        """Return the name of ``function`` in the file: of a library, or its source is copied."""
        name = _library_name(function)
        if name is not None:
            module, _, last = name.rpartition(".")
            return f"{self.page.module(module)}.{last}" if module else last
        if isinstance(function, MethodType):
            owner: Any = function.__self__
            source: Any = function.__func__
            return self._helper(source, owner, f"{owner.name}_{function.__name__.strip('_')}")
        if isinstance(function, FunctionType) and function.__name__ != "<lambda>":
            return self._helper(function, None, function.__name__.strip("_"))
        refuse(primitive, f"{function!r} is not a function of NumPy, nor one whose source can be copied")

    def _helper(self, function: FunctionType, primitive: Any, word: str) -> str:
        key = (function, primitive)
        if key not in self._names:
            name = self._names[key] = self.page.fresh(word)
            definition = self._definition(function, primitive)
            definition.name = name
            # A function stands under those that it calls.
            self.page.helpers[name] = ast.unparse(definition)
        return self._names[key]

    def _definition(self, function: FunctionType, primitive: Any) -> ast.FunctionDef:
        """Return the definition of ``function`` with all that is not its own replaced by what the file calls it."""
        definition = _source(function)
        if definition is None:
            refuse(primitive, f"the source of {function.__qualname__} cannot be read")
        if primitive is not None:
            definition.args.args = definition.args.args[1:]
        definition.args.defaults, definition.args.kw_defaults = [], [None] * len(definition.args.kwonlyargs)
        definition = _Resolve(self, function, primitive).visit(definition)
        self._write_defaults(definition.args, function, primitive)
        definition.body = _shortened(definition.body)
        return ast.fix_missing_locations(definition)

    def _write_defaults(self, args: ast.arguments, function: FunctionType, primitive: Any) -> None:
        """Put the values of defaults in the place of the expressions that made them, whose names may be gone."""
        named = function.__kwdefaults__ or {}
        args.defaults = [_parsed(value_text(value, self.page, primitive)) for value in function.__defaults__ or ()]
        args.kw_defaults = [
            _parsed(value_text(named[arg.arg], self.page, primitive)) if arg.arg in named else None
            for arg in args.kwonlyargs
        ]


def refuse(primitive: Any, why: str) -> NoReturn:
    """Say that a primitive cannot be spelled."""
    what = "a function" if primitive is None else primitive.name
    raise MissingRuleError(
        f"to_python: {what} must be spelled in NumPy; {why}{here()}. "
        "Define spell(page, *operands) in the class of the primitive."
    )


def _infix(impl: Any, operands: list[ast.expr]) -> ast.expr | None:
    if not isinstance(impl, BuiltinFunctionType):
        return None
    if impl in _BINARY:
        return ast.BinOp(operands[0], _BINARY[impl](), operands[1])
    if impl in _COMPARE:
        return ast.Compare(operands[0], [_COMPARE[impl]()], [operands[1]])
    return ast.UnaryOp(_UNARY[impl](), operands[0]) if impl in _UNARY else None


@lru_cache(maxsize=4096)
def _text_of(function: FunctionType) -> str | None:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return None


def _source(function: FunctionType) -> ast.FunctionDef | None:
    """Return the definition of ``function``, free of decorators; None if there is no source, or it is a lambda's."""
    text = _text_of(function)
    try:
        tree = ast.parse(text).body[0] if text else None
    except SyntaxError:
        return None
    if not isinstance(tree, ast.FunctionDef):
        return None
    tree.decorator_list = []
    return tree


class _Resolve(ast.NodeTransformer):
    """Replaces names from outside a function, and attributes of its primitive, by what the file calls them."""

    def __init__(self, translator: Translator, function: FunctionType, primitive: Any) -> None:
        self.translator = translator
        self.primitive = primitive
        self.function = function
        code = function.__code__
        self.self_name = code.co_varnames[0] if primitive is not None else None
        cells = dict(zip(code.co_freevars, [c.cell_contents for c in function.__closure__ or ()], strict=False))
        self.outside = {**vars(builtins), **function.__globals__, **cells}
        self.inside = {*code.co_varnames, *code.co_cellvars, *_bound_names(function)}

    def _expression(self, value: Any) -> ast.expr:
        return _parsed(self._text(value))

    def _text(self, value: Any) -> str:
        if isinstance(value, ModuleType):
            return str(self.translator.page.module(value.__name__))
        if callable(value) and not isinstance(value, np.dtype):
            return self.translator.function(value, self.primitive)
        return value_text(value, self.translator.page, self.primitive)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        self.visit(node.args)
        body: list[ast.stmt] = []
        for statement in node.body:
            body += _listed(self.visit(statement))
            if any(isinstance(line, ast.Return) for line in body):
                break  # a branch that is known to be taken: what follows is not read
        node.body = body
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return None
        return ast.Assign([node.target], self.visit(node.value), lineno=node.lineno)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == self.self_name:
            refuse(self.primitive, f"{self.function.__qualname__} passes the primitive itself on")
        if node.id in self.inside or isinstance(node.ctx, ast.Store):
            return node
        if node.id not in self.outside or node.id == "super":
            refuse(self.primitive, f"{self.function.__qualname__} uses the name {node.id}, which a file does not have")
        return self._expression(self.outside[node.id])

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        owner = node.value
        if isinstance(owner, ast.Name) and owner.id == self.self_name:
            return self._expression(getattr(self.primitive, node.attr))
        module = self._module(owner)
        if module is not None:
            value = getattr(module, node.attr)
            return self._public(module, node.attr) if _is_public(module, node.attr) else self._expression(value)
        return self.generic_visit(node)

    def _module(self, node: ast.expr) -> ModuleType | None:
        """Return the module that an expression such as ``scipy.linalg`` means."""
        if isinstance(node, ast.Name) and node.id not in self.inside:
            found = self.outside.get(node.id)
        elif isinstance(node, ast.Attribute):
            outer = self._module(node.value)
            found = None if outer is None else getattr(outer, node.attr, None)
        else:
            found = None
        return found if isinstance(found, ModuleType) else None

    def _public(self, module: ModuleType, attribute: str) -> ast.expr:
        return _parsed(f"{self.translator.page.module(module.__name__)}.{attribute}")

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and self.outside.get(node.func.id) is here:
            return ast.Constant("")  # a plain file does not know the user's line
        self.generic_visit(node)
        return _folded(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        return node.value if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        known = _constant(node.test)
        return node if known is None else node.body if known[0] else node.orelse

    def visit_If(self, node: ast.If) -> Any:
        node.test = self.visit(node.test)
        known = _constant(node.test)
        if known is None:
            self.generic_visit(node)
            return node
        kept = node.body if known[0] else node.orelse
        return [line for statement in kept for line in _listed(self.visit(statement))]

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        return _folded(node) if isinstance(node, ast.expr) else node


def _listed(found: Any) -> list[ast.stmt]:
    return found if isinstance(found, list) else [] if found is None else [found]


def _bound_names(function: FunctionType) -> set[str]:
    """Return the names that comprehensions and inner functions of ``function`` bind: code objects of their own."""
    found: set[str] = set()
    todo = list(function.__code__.co_consts)
    while todo:
        code = todo.pop()
        if hasattr(code, "co_varnames"):
            found.update(code.co_varnames)
            todo += code.co_consts
    return found


def _is_public(module: ModuleType, attribute: str) -> bool:
    return module.__name__.partition(".")[0] in _LIBRARIES and not attribute.startswith("_")


def _constant(node: ast.expr) -> tuple[Any] | None:
    """Return the value of an expression of constants alone, in a tuple of one; None if it is no such."""
    allowed = (
        ast.Constant, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.Tuple, ast.Load,
        ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
    )  # fmt: skip
    if not all(isinstance(part, allowed) for part in ast.walk(node)):
        return None
    try:
        return (eval(compile(ast.fix_missing_locations(ast.Expression(node)), "<constant>", "eval"), {}),)
    except Exception:
        return None


def _folded(node: ast.AST) -> ast.AST:
    """Compute integers and truths that have become known, such as ``n + 1`` of a parameter n."""
    if not isinstance(node, ast.BinOp | ast.Compare | ast.BoolOp | ast.UnaryOp) or isinstance(node, ast.Constant):
        return node
    known = _constant(node)
    return ast.Constant(known[0]) if known is not None and type(known[0]) in (bool, int) and known[0] >= 0 else node


def _shortened(body: list[ast.stmt]) -> list[ast.stmt]:
    """Drop what follows a return, and names that are only given to be returned: ``q, r = f(x); return q, r``."""
    for number, statement in enumerate(body):
        if isinstance(statement, ast.Return):
            body = body[: number + 1]
            break
    body = _plain_docstring(body)
    if len(body) == 2 and isinstance(body[0], ast.Assign) and isinstance(body[1], ast.Return) and body[1].value:
        (target,) = body[0].targets
        if ast.unparse(target) == ast.unparse(body[1].value):
            return [ast.Return(body[0].value)]
        uses = [n for n in ast.walk(body[1].value) if isinstance(n, ast.Name) and n.id == getattr(target, "id", None)]
        if len(uses) == 1 and isinstance(target, ast.Name) and not _binds(body[1].value):
            return [ast.Return(_Substitute({target.id: body[0].value}).visit(body[1].value))]
    return body


def _plain_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    text = first.value if isinstance(first, ast.Expr) else None
    is_text = isinstance(text, ast.Constant) and isinstance(text.value, str)
    return body[1:] if is_text and len(body) == 2 else body


def _binds(node: ast.expr) -> bool:
    """Tell whether an expression has names of its own, which those of operands might be mistaken for."""
    own = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.NamedExpr)
    return any(isinstance(part, own) for part in ast.walk(node))


def _arguments(parameters: ast.arguments, operands: list[ast.expr]) -> dict[str, ast.expr] | None:
    """Return what each parameter stands for: the last one may take a tuple of operands."""
    names = [arg.arg for arg in (*parameters.posonlyargs, *parameters.args)]
    if parameters.kwonlyargs or parameters.kwarg or parameters.defaults or len(names) > len(operands):
        return None
    found = dict(zip(names, operands, strict=False))
    if parameters.vararg is not None:
        found[parameters.vararg.arg] = ast.Tuple(operands[len(names) :], ast.Load())
    return found if parameters.vararg is not None or len(names) == len(operands) else None


class _Substitute(ast.NodeTransformer):
    """Replaces names by expressions."""

    def __init__(self, names: dict[str, ast.expr]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self.names.get(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        arguments: list[ast.expr] = []
        for argument in node.args:
            replaced = self.visit(argument)
            if isinstance(replaced, ast.Starred) and isinstance(replaced.value, ast.Tuple):
                arguments += replaced.value.elts
            else:
                arguments.append(replaced)
        keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        return ast.Call(self.visit(node.func), arguments, keywords)


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


# -- the names of libraries


def _library_name(function: Any) -> str | None:
    """Return the dotted name by which a library offers ``function``; of builtins, the bare name."""
    name = getattr(function, "__name__", None)
    if name is None or isinstance(function, MethodType):
        return None
    if getattr(builtins, name, None) is function:
        return str(name)
    owner = getattr(function, "__module__", None) or ""
    parts = owner.split(".")
    places = [".".join(parts[: n + 1]) for n in range(len(parts))] if parts[0] in _LIBRARIES else []
    if isinstance(function, np.ufunc):
        places += ["numpy", "scipy.special", "scipy.special._ufuncs"]
    elif getattr(function, "__qualname__", name) != name:  # np.add.reduce and its like belong to an object
        places = []
    return next((f"{p}.{name}" for p in places if getattr(sys.modules.get(p), name, None) is function), None)


# -- values


def number_text(value: Any) -> str:
    """Return a Python number as an expression: one without a dtype, which adapts to what it meets."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):  # a long double has no Python number
        return value_text(value, None)
    if isinstance(value, complex):
        return _complex_text(value)
    return _float_text(value) if isinstance(value, float) else repr(value)


def _float_text(value: float) -> str:
    if value != value:
        return "np.nan"
    return repr(value) if abs(value) != float("inf") else "np.inf" if value > 0 else "-np.inf"


def _complex_text(value: complex) -> str:
    """Return a complex number; ``1 + 2j`` written as a sum would lose the signs of zeros."""
    if repr(value) == repr(complex(0.0, value.imag)) and 0 < value.imag < float("inf"):
        return repr(value)
    return f"complex({_float_text(value.real)}, {_float_text(value.imag)})"


def value_text(value: Any, page: Any, primitive: Any = None) -> str:
    """Return an expression whose value is ``value``, dtype included."""
    kind = type(value)
    if value is None or value is Ellipsis or kind in (bool, int, str, bytes):
        return repr(value)
    if kind in (float, complex):
        return number_text(value)
    if isinstance(value, np.dtype):
        return f"np.dtype({dtype_text(value)})"
    if isinstance(value, np.generic):
        return _scalar_text(value)
    if isinstance(value, np.ndarray):
        return _array_text(value)
    if isinstance(value, tuple | list) and kind in (tuple, list):
        inner = ", ".join(value_text(v, page, primitive) for v in value)
        return f"[{inner}]" if kind is list else f"({inner}{',' if len(value) == 1 else ''})"
    if kind is dict:
        return (
            "{" + ", ".join(f"{value_text(k, page)}: {value_text(v, page, primitive)}" for k, v in value.items()) + "}"
        )
    if kind is slice:
        return f"slice({value_text(value.start, page)}, {value_text(value.stop, page)}, {value_text(value.step, page)})"
    if page is not None and hasattr(value, "in_vars"):
        return str(page.program(value))
    if page is not None and callable(value):
        return str(page.function(value))
    refuse(primitive, f"a {kind.__name__} cannot be written down")


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Return a dtype as one writes it: ``np.float32``."""
    if dtype.kind in "biufc" and dtype.isnative:
        return "np.bool_" if dtype.kind == "b" else f"np.{dtype.type.__name__}"
    return repr(dtype.descr) if dtype.names else repr(dtype.str)


def _scalar_text(value: Any) -> str:
    if value.dtype.kind == "b":
        return f"np.bool_({bool(value)})"
    if isinstance(value.item(), np.generic):
        return f"np.{type(value).__name__}({str(value)!r})" if value.dtype.kind == "f" else repr(value)
    if value.dtype.kind not in "iufc":
        return f"np.zeros((), {dtype_text(value.dtype)})[()]"
    return f"{dtype_text(value.dtype)}({number_text(value)})"


_SHORT = 8
"""Arrays of up to so many elements are written as lists, whatever is in them."""
_INFERRED = (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_), np.dtype(np.complex128))


def _array_text(array: np.ndarray) -> str:
    if not array.size or array.dtype.kind not in "biufc":
        return f"np.zeros({array.shape}, {dtype_text(array.dtype)})"
    flat = array.ravel()
    dtype = "" if array.dtype in _INFERRED else f", {dtype_text(array.dtype)}"
    if array.size > _SHORT and is_uniform(array):
        return f"np.full({array.shape}, {number_text(flat[0])}{dtype})"
    if array.size > _SHORT and array.ndim == 1 and array.dtype == np.int64 and (array == np.arange(array.size)).all():
        return f"np.arange({array.size})"
    return f"np.array({_nested(array.tolist(), number_text)}{dtype})"


def is_uniform(array: np.ndarray) -> bool:
    """Tell whether all elements of an array are the same number, to the bit."""
    flat = array.ravel()
    return bool(array.size) and array.dtype.kind in "biufc" and flat.tobytes() == flat[:1].tobytes() * array.size


def _nested(values: Any, text: Callable[[Any], str]) -> str:
    return f"[{', '.join(_nested(v, text) for v in values)}]" if isinstance(values, list) else text(values)
