"""Calls of plain Python from inside a program: pure_callback, debug.print, debug.callback."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from ..errors import MissingRuleError
from ..ir import SOURCE, Primitive, ShapedArray, deriving, here
from ..primitives.promotion import broadcast_to
from ..tracing import Tracer, bind
from ..transforms.arguments import function_name, owned
from ..transforms.wrapper import check_callable
from ..tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path, tree_map, tree_unflatten
from .flow import leaves_and_tree, scan
from .programs import repeated

__all__ = ["DebugCallback", "PureCallback", "callback", "print_", "pure_callback"]

_METHODS = (None, "sequential", "expand_dims", "broadcast_all")


class PureCallback(Primitive):
    """What ``function``, plain Python on arrays, returns: a tree of ``results``."""

    function: Callable[..., Any]
    tree: PyTreeDef
    results: tuple[ShapedArray, ...]
    out_tree: PyTreeDef
    vmap_method: str | None = None
    multiple: ClassVar[bool] = True

    def impl(self, *operands: Any) -> tuple[Any, ...]:
        args, kwargs = tree_unflatten(self.tree, [x.copy() if isinstance(x, np.ndarray) else x for x in operands])
        returned = self.function(*args, **kwargs)
        leaves, tree = tree_flatten(returned)
        name = f"pure_callback({function_name(self.function)})"
        if tree != self.out_tree:
            raise TypeError(
                f"{name}: the function must return the declared structure, {self.out_tree}; got {tree}. "
                "Correct result_shape_dtypes, or what it returns."
            )
        found = [np.asarray(x) for x in leaves]
        for i, (x, aval) in enumerate(zip(found, self.results, strict=True)):
            if x.shape != aval.shape or not np.can_cast(x.dtype, aval.dtype, "same_kind"):
                path = keystr(tree_flatten_with_path(returned)[0][i][0])
                raise TypeError(
                    f"{name}: the function must return the declared shapes and dtypes; got "
                    f"{ShapedArray(x.shape, x.dtype)} for {aval} at result{path}. Correct result_shape_dtypes."
                )
        return tuple([x.astype(aval.dtype)[()] for x, aval in zip(found, self.results, strict=True)])

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        found = page.local("found")
        paths = tree_flatten_with_path(tree_unflatten(self.out_tree, list(self.results)))[0]
        return [
            f"{found} = {page.function(self.function)}({_arguments(page, self.tree, operands)})",
            *[
                f"{target} = np.asarray({found}{keystr(path)}).astype({page.dtype(aval.dtype)})[()]"
                for target, (path, aval) in zip(targets, paths, strict=True)
            ],
        ]

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        return self.results

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        if not any(aval.inexact for aval in self.results):
            return [None] * len(self.results)
        raise MissingRuleError(
            f"pure_callback: a derivative needs a rule; got none for {function_name(self.function)}{here()}. "
            "Wrap the call in a function with custom_jvp or custom_vjp, or its arguments in stop_gradient."
        )

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        if self.vmap_method is None:
            raise MissingRuleError(
                f"pure_callback: vmap needs to know how to call {function_name(self.function)} for a batch; got "
                f"vmap_method=None{here()}. Give 'sequential', or 'expand_dims' or 'broadcast_all' if it takes batches."
            )
        if self.vmap_method == "sequential":
            return self._one_by_one(inputs, batched)
        ranks = {"expand_dims": 1, "broadcast_all": size}
        given = [x if b else repeated(x, ranks[self.vmap_method]) for x, b in zip(inputs, batched, strict=True)]
        results = tuple([ShapedArray((size, *a.shape), a.dtype) for a in self.results])
        return bind(PureCallback(self.function, self.tree, results, self.out_tree, self.vmap_method), *given)

    def _one_by_one(self, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        source = SOURCE.get()

        def step(_: Any, rows: list[Any]) -> tuple[None, Any]:
            given = iter(rows)
            with deriving(source):
                return None, bind(self, *[next(given) if b else x for x, b in zip(inputs, batched, strict=True)])

        return scan(step, None, [x for x, b in zip(inputs, batched, strict=True) if b])[1]


def pure_callback(
    callback: Callable[..., Any], result_shape_dtypes: Any, *args: Any, vmap_method: str | None = None, **kwargs: Any
) -> Any:
    """Call ``callback``, plain Python on NumPy arrays, from inside a traced function.

    ``result_shape_dtypes`` is a tree of ``ShapeDtypeStruct`` (or arrays) like what it returns. It must be pure: it may
    be called more or less often than the program says. Derivatives need a rule: wrap the call in ``custom_jvp``.
    ``vmap_method`` says what ``vmap`` does: "sequential" calls it for each row; "expand_dims" calls it once with the
    batch as axis 0, of length 1 where an argument is not mapped; "broadcast_all" repeats those; ``None`` refuses.

    Raises ``TypeError`` where it returns something else than declared.

    >>> import numpy as np, math
    >>> from autotrace import ShapeDtypeStruct, jit
    >>> jit(lambda x: 2.0 * pure_callback(math.gamma, ShapeDtypeStruct((), float), x))(5.0)
    np.float64(48.0)
    """
    check_callable(callback, "pure_callback", "pure_callback(f, ShapeDtypeStruct(shape, dtype), x)")
    if vmap_method not in _METHODS:
        raise ValueError(
            f"pure_callback: vmap_method must be one of {', '.join(map(repr, _METHODS))}; got {vmap_method!r}. "
            "Use 'sequential' if in doubt."
        )
    declared, out_tree = tree_flatten(result_shape_dtypes)
    for x in declared:
        if not hasattr(x, "shape") or not hasattr(x, "dtype"):
            raise TypeError(
                f"pure_callback: result_shape_dtypes must be a tree of ShapeDtypeStruct; got {type(x).__name__}. "
                "Write ShapeDtypeStruct(shape, dtype)."
            )
    results = tuple([ShapedArray(tuple(x.shape), np.dtype(x.dtype)) for x in declared])
    leaves, tree = leaves_and_tree((args, kwargs), "pure_callback")
    operands = [x if hasattr(x, "dtype") else np.asarray(x)[()] for x in leaves]
    outs = bind(PureCallback(callback, tree, results, out_tree, vmap_method), *operands)
    return tree_unflatten(out_tree, owned(outs, operands))


class DebugCallback(Primitive):
    """Calls ``function`` for what it does; there is no result. Stays in the program, in its place.

    All operands carry ``axes`` axes of batches in front: it is called for each of their elements, in order. With
    ``masked``, the first operand is a truth for each, and it is called where that holds.
    """

    function: Callable[..., Any]
    tree: PyTreeDef
    axes: int = 0
    masked: bool = False
    multiple: ClassVar[bool] = True
    effect: ClassVar[bool] = True
    stops: ClassVar[bool] = True

    def impl(self, *operands: Any) -> tuple[()]:
        for index in np.ndindex(np.shape(operands[0])[: self.axes] if self.axes else ()):
            mask, rest = self._unmasked([x[index] if index else x for x in operands])
            if all(mask):
                args, kwargs = tree_unflatten(self.tree, [x.copy() if isinstance(x, np.ndarray) else x for x in rest])
                self.function(*args, **kwargs)
        return ()

    def _unmasked(self, operands: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return the mask, of one or none, and the other operands."""
        return operands[: self.masked], operands[self.masked :]

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        lines, indent, names = [], "", list(operands)
        if self.axes:
            index = page.local("i")
            shape = operands[0].aval.shape[: self.axes]
            lines = [f"for {index} in np.ndindex({', '.join(map(str, shape))}):"]
            indent, names = "    ", [f"{x}[{index}]" for x in operands]
        mask, rest = self._unmasked(names)
        for truth in mask:
            lines.append(f"{indent}if {truth}:")
            indent += "    "
        arguments = _arguments(page, self.tree, rest)
        if isinstance(self.function, _Print):
            return [*lines, f"{indent}print({self.function.fmt!r}.format({arguments}))"]
        return [*lines, f"{indent}{page.function(self.function)}({arguments})"]

    def abstract(self, *avals: ShapedArray) -> tuple[()]:
        return ()

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> tuple[()]:
        return ()

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> tuple[()]:
        rows = [x if b else repeated(x, size) for x, b in zip(inputs, batched, strict=True)]
        return bind(DebugCallback(self.function, self.tree, self.axes + 1, self.masked), *rows)

    def when(self, active: Any, operands: Sequence[Any]) -> tuple[()]:
        """Call where ``active``, a truth, holds too."""
        mask, rest = self._unmasked(operands)
        shape = operands[0].shape[: self.axes] if self.axes else ()
        every = broadcast_to(active, shape)
        return bind(DebugCallback(self.function, self.tree, self.axes, True), mask[0] & every if mask else every, *rest)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0


def _arguments(page: Any, tree: PyTreeDef, operands: Sequence[Any]) -> str:
    """Return the arguments of a call as Python text."""
    args, kwargs = tree_unflatten(tree, list(operands))
    return ", ".join([*[_written(page, x) for x in args], *[f"{k}={_written(page, x)}" for k, x in kwargs.items()]])


def _written(page: Any, x: Any) -> str:
    """Return a tree of names as Python text: of tuples, lists and dicts.

    Raises ``MissingRuleError`` for others, whose classes a plain file does not have.
    """
    if isinstance(x, str):
        return str(x)
    if type(x) is tuple:
        return f"({', '.join(_written(page, v) for v in x)}{',' if len(x) == 1 else ''})"
    if type(x) is list:
        return f"[{', '.join(_written(page, v) for v in x)}]"
    if type(x) is dict:
        return f"{{{', '.join(f'{page.value(k)}: {_written(page, v)}' for k, v in x.items())}}}"
    if x is None:
        return "None"
    raise MissingRuleError(
        f"to_python: callbacks must take tuples, lists and dicts; got {type(x).__name__}{here()}. Pass its parts."
    )


def callback(callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Call ``callback`` whenever the program runs, for what it does. Calls keep their order.

    It gets the values of the arguments as NumPy arrays; under ``vmap`` it is called for each row, and under ``grad``
    once, in the forward pass. What it returns is dropped. Code that does not run, as the other branch of ``cond``, does
    not call.

    >>> from autotrace import debug, jit
    >>> seen = []
    >>> @jit
    ... def f(x):
    ...     debug.callback(seen.append, x)
    ...     return x
    >>> f(1.0), f(2.0), seen
    (np.float64(1.0), np.float64(2.0), [np.float64(1.0), np.float64(2.0)])
    """
    check_callable(callback, "debug.callback", "debug.callback(f, x)")
    leaves, tree = leaves_and_tree((args, kwargs), "debug.callback")
    bind(DebugCallback(callback, tree), *[x if hasattr(x, "dtype") else np.asarray(x)[()] for x in leaves])


def print_(fmt: str, *args: Any, **kwargs: Any) -> None:
    """Print ``fmt.format(*args, **kwargs)`` whenever the program runs, with the values that traced arguments then have.

    As :func:`callback`: in order, for each row under ``vmap``, once under ``grad``.

    Raises ``ValueError`` or ``TypeError`` where ``fmt`` and the arguments do not fit, when the function is traced.

    >>> from autotrace import debug, grad
    >>> def f(x):
    ...     debug.print("x is {} and its square {square:.2f}", x, square=x * x)
    ...     return x * x
    >>> grad(f)(3.0)
    x is 3.0 and its square 9.00
    np.float64(6.0)
    """
    if not isinstance(fmt, str):
        raise TypeError(
            f"debug.print: the first argument must be a format string; got {type(fmt).__name__}. "
            'Write debug.print("{}", x).'
        )
    _check_format(fmt, args, kwargs)
    callback(_Print(fmt), *args, **kwargs)


class _Print:
    """Prints its format; a function that is equal to another one of the same format."""

    def __init__(self, fmt: str) -> None:
        self.fmt = fmt
        self.__name__ = repr(fmt)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        print(self.fmt.format(*args, **kwargs))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Print) and other.fmt == self.fmt

    def __hash__(self) -> int:
        return hash(self.fmt)


def _check_format(fmt: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Raise where ``fmt`` and the arguments do not fit: each argument must have a field that can show it."""
    try:
        fields = list(_fields(fmt))
    except ValueError as error:
        raise ValueError(
            f"debug.print: the format must be well formed; got {fmt!r}: {error}{here()}. Double braces that are meant."
        ) from None
    roots = [re.split(r"[.\[]", name)[0] for name in fields]
    written = [int(root) for root in roots if root.isdigit()]
    numbers = {*range(roots.count("")), *written}
    names = {root for root in roots if root and not root.isdigit()}
    if numbers != set(range(len(args))) or names != set(kwargs) or (written and "" in roots):
        raise ValueError(
            f"debug.print: each argument must have a field in the format; got {fmt!r} for {len(args)} positional "
            f"arguments and the names ({', '.join(kwargs)}){here()}. Write {{}} or {{name}} for each."
        )
    shown, shown_names = tree_map(_example, (tuple(args), kwargs))
    try:
        fmt.format(*shown, **shown_names)
    except Exception as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"debug.print: the format must suit its arguments; got {fmt!r}: {error}{here()}. "
            "Write {} for arrays, and numbers' formats for scalars."
        ) from None


def _fields(fmt: str) -> Iterator[str]:
    """Yield the name of each field, and of those in the formats of fields."""
    for _, name, inner, _ in string.Formatter().parse(fmt):
        if name is not None:
            yield name
            yield from _fields(inner or "")


def _example(x: Any) -> Any:
    """Return a value like ``x`` to try a format on."""
    if type(x) is Tracer:
        return np.broadcast_to(np.ones((), x.dtype), tuple([max(n, 0) for n in x.shape]))[()]
    return np.asarray(x)[()] if not hasattr(x, "dtype") else x
