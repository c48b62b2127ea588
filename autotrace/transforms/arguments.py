"""Which arguments a transform is about, as leaves; and results that nobody else holds."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..compile.simplify import simplify
from ..ir import Jaxpr, ShapedArray, float0, inline
from ..tracing import PROTECTED, SCALAR_AVALS, Traced, Tracer, as_operand, fresh, leaf_aval, leaf_value, trace
from ..tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path, tree_unflatten

__all__ = [
    "Leaves",
    "Run",
    "Selection",
    "check_moving",
    "copied",
    "function_name",
    "leaves_of",
    "locate",
    "owned",
    "parameters_of",
    "positions_of",
    "protect",
    "select",
    "trace_leaves",
    "zeros_of",
]


def function_name(fun: Callable[..., Any]) -> str:
    """Return a name for messages."""
    return getattr(fun, "__name__", None) or type(fun).__name__


class Selection(NamedTuple):
    """The chosen arguments, and how to call the function with others in their place."""

    values: tuple[Any, ...]
    call: Callable[..., Any]
    single: bool
    """One argument was asked for by itself, not as a tuple of one."""
    labels: tuple[str, ...] = ("argument[0]",)
    """What messages call the chosen arguments."""


def select(
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    argnums: Any,
    argnames: Any,
    what: str,
) -> Selection:
    """Choose arguments by position and by name. The others are passed on, their arrays read-only.

    Raises ``TypeError`` or ``ValueError`` for positions and names that the call does not have.
    """
    if argnames is None and (argnums is None or type(argnums) is int):
        argnums = argnums or 0
        if argnums == 0 and len(args) == 1 and not kwargs:
            return Selection(args, fun, True, ("argument[0]",))
    positions = () if argnums is None else positions_of(argnums, len(args), what)
    names: tuple[str, ...] = ()
    if argnames is not None:
        found, names = _split_names(fun, args, kwargs, _names(argnames, what), what)
        positions = (*positions, *found)
        if len(set(positions)) + len(set(names)) < len(positions) + len(names):
            raise ValueError(
                f"{what}: argnums and argnames must name each argument once; got {argnums!r} and {argnames!r}. "
                "Drop the repetition."
            )
    single = len(positions) + len(names) == 1 and isinstance(
        argnums if argnames is None else argnames, int | str | np.integer
    )
    others = [x if i in positions else protect(x) for i, x in enumerate(args)]
    keywords = {k: protect(v) for k, v in kwargs.items() if k not in names} if kwargs else kwargs

    def call(*values: Any) -> Any:
        for i, value in zip(positions, values, strict=False):
            others[i] = value
        if names:
            return fun(*others, **keywords, **dict(zip(names, values[len(positions) :], strict=True)))
        return fun(*others, **keywords)

    values = tuple([args[i] for i in positions] + [kwargs[name] for name in names])
    labels = tuple([f"argument[{i}]" for i in positions] + [f"argument[{name!r}]" for name in names])
    return Selection(values, call, single, labels)


def _names(argnames: Any, what: str) -> tuple[str, ...]:
    many = argnames if isinstance(argnames, tuple | list) else (argnames,)
    if not all(isinstance(name, str) for name in many):
        raise TypeError(
            f"{what}: argnames must be a string or a tuple of strings; got {argnames!r}. Use argnums for positions."
        )
    return tuple(many)


def positions_of(argnums: Any, count: int, what: str, word: str = "argnums") -> tuple[int, ...]:
    """Check positions of arguments in a call with ``count`` of them; return them without negative ones."""
    many = argnums if isinstance(argnums, tuple | list) else (argnums,)
    if not all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in many):
        cure = "Use argnames for names." if word == "argnums" else "Give positions."
        raise TypeError(f"{what}: {word} must be an integer or a tuple of integers; got {argnums!r}. {cure}")
    for i in many:
        if not -count <= i < count:
            raise ValueError(
                f"{what}: {word} must name positional arguments of the call; got {argnums!r} for a call with {count} "
                f"of them. Pass the argument by position{', or use argnames' if word == 'argnums' else ''}."
            )
    found = tuple(int(i) % count for i in many)
    if len(set(found)) < len(found):
        raise ValueError(f"{what}: {word} must name each argument once; got {argnums!r}. Drop the repetition.")
    return found


def _split_names(
    fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], names: Sequence[str], what: str
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Tell which of ``names`` were passed by position (where) and which by keyword."""
    positions: list[int] = []
    keywords: list[str] = []
    for name in names:
        if name in kwargs:
            keywords.append(name)
            continue
        parameters = parameters_of(fun)
        if name in parameters and parameters.index(name) < len(args):
            positions.append(parameters.index(name))
        else:
            raise ValueError(
                f"{what}: argnames must name arguments of the call; got {name!r} for {function_name(fun)}"
                f"({', '.join(parameters)}) called with {len(args)} positional arguments and the keywords "
                f"({', '.join(sorted(kwargs))}). Pass the argument in the call."
            )
    return tuple(positions), tuple(keywords)


def parameters_of(fun: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters of ``fun``, none if Python does not tell."""
    try:
        return list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        return []


def protect(x: Any) -> Any:
    """Return ``x`` with its arrays read-only, so that a traced function cannot change its caller's.

    Containers without arrays stay the caller's own: a function may log into a list.
    """
    kind = type(x)
    if kind is np.ndarray:
        if x.flags.writeable and x.dtype != object:
            x = x.view()
            x.flags.writeable = False
            PROTECTED[id(x)] = x
        return x
    if kind is list or kind is tuple:
        items = [protect(item) for item in x]
        return x if all(map(operator.is_, items, x)) else kind(items)
    if kind is dict:
        items = [protect(item) for item in x.values()]
        return x if all(map(operator.is_, items, x.values())) else dict(zip(x, items, strict=True))
    return x


class Leaves(NamedTuple):
    """A tree of arguments as leaves; only the ``moving`` ones, of inexact dtype, are traced."""

    values: list[Any]
    tree: PyTreeDef
    moving: list[bool]
    avals: list[ShapedArray]

    @property
    def primals(self) -> list[Any]:
        """The values of the moving leaves."""
        return [x for x, m in zip(self.values, self.moving, strict=True) if m]

    def rebuild(self, primals: Iterable[Any]) -> Any:
        """Return the tree with other values for the moving leaves."""
        if all(self.moving):
            return tree_unflatten(self.tree, primals)
        given = iter(primals)
        return tree_unflatten(
            self.tree, [next(given) if m else x for x, m in zip(self.values, self.moving, strict=True)]
        )

    def fill(self, derivatives: Iterable[Any]) -> Any:
        """Return the tree of derivatives: one for each moving leaf (None is zero), float0 zeros for the others."""
        given = iter(derivatives)
        filled = []
        for x, aval, moves in zip(self.values, self.avals, self.moving, strict=True):
            d = next(given) if moves else np.zeros(np.shape(x), float0)
            filled.append(zeros_of(aval) if d is None else d)
        return tree_unflatten(self.tree, filled)


def leaves_of(tree: tuple[Any, ...], what: str, labels: Sequence[str] | None = None) -> Leaves:
    """Flatten a tuple of arguments, which messages call by ``labels``, and check each leaf."""
    raw, treedef = tree_flatten(tree)
    try:
        values = [leaf_value(x, "", what) for x in raw]
    except TypeError:
        locate(leaf_value, tree, what, labels or [f"argument[{i}]" for i in range(len(tree))])
        raise
    # A Python number is weakly typed, and what it became is not.
    avals = [SCALAR_AVALS.get(type(r)) or leaf_aval(x) for x, r in zip(values, raw, strict=True)]
    moving = [aval.inexact for aval in avals]
    if not all(moving):
        values = [x if m else protect(r) for x, r, m in zip(values, raw, moving, strict=True)]
    return Leaves(values, treedef, moving, avals)


def check_moving(leaves: Leaves, name: str) -> None:
    """Raise ``TypeError``, in the name of a transform, unless one of its arguments carries a derivative."""
    if not any(leaves.moving):
        raise TypeError(
            f"{name}: arguments to differentiate must be of floating-point or complex dtype; got "
            f"{', '.join(map(str, leaves.avals)) or 'no arrays'}. Pass a float (3.0 for 3)."
        )


def locate(check: Callable[[Any, str, str], Any], arguments: Iterable[Any], what: str, labels: Iterable[str]) -> None:
    """Run ``check`` on each leaf with the leaf's place among the arguments, so that its error tells the place."""
    for argument, label in zip(arguments, labels):
        for path, x in tree_flatten_with_path(argument)[0]:
            check(x, label + keystr(path), what)


class Run(NamedTuple):
    """A traced call: the program, its output tree, values known so far, and what ``aux`` was."""

    jaxpr: Jaxpr
    out_tree: PyTreeDef
    values: dict[Any, Any] | None
    outputs: int
    """How many of the program's outputs are the function's; the rest belong to ``aux``."""
    aux: Callable[[Sequence[Any]], Any]


def trace_leaves(
    function: Callable[..., Any],
    leaves: Leaves,
    what: str,
    has_aux: bool = False,
    lasting: bool = False,
    keep_calls: bool = False,
) -> Run:
    """Trace ``function`` of the tree of ``leaves`` on their values. Calls are written out unless ``keep_calls``.

    With ``has_aux`` it returns ``(output, aux)``; aux may hold anything, and comes back as values.
    """
    structure: list[Any] = []

    def flat(tracers: list[Any]) -> Any:
        result = function(leaves.rebuild(tracers))
        if has_aux:
            result = _split_aux(result, structure, what)
        return result

    avals = [aval for aval, m in zip(leaves.avals, leaves.moving, strict=True) if m]
    traced: Traced = trace(flat, avals, leaves.primals, what, lasting=lasting)
    jaxpr = traced.jaxpr if keep_calls and not traced.derived else inline(traced.jaxpr)
    jaxpr = simplify(jaxpr) if traced.derived else jaxpr
    if not has_aux:
        return Run(jaxpr, traced.out_tree, traced.values, len(jaxpr.outputs), lambda _: None)
    out_tree, aux_tree, aux_leaves = structure
    count = out_tree.num_leaves

    def aux(values: Sequence[Any]) -> Any:
        given = iter(values)
        return tree_unflatten(aux_tree, [next(given) if type(x) is Tracer else x for x in aux_leaves])

    return Run(jaxpr, out_tree, traced.values, count, aux)


def _split_aux(result: Any, structure: list[Any], what: str) -> Any:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"{what}: with has_aux=True the function must return a pair (output, aux); got {type(result).__name__}. "
            "Return the pair, or drop has_aux."
        )
    out, aux = result
    out_leaves, out_tree = tree_flatten(out)
    aux_leaves, aux_tree = tree_flatten(aux)
    aux_leaves = [as_operand(x) if _holds_traced(x) else x for x in aux_leaves]
    structure[:] = (out_tree, aux_tree, aux_leaves)
    return [*out_leaves, *[x for x in aux_leaves if type(x) is Tracer]]


def _holds_traced(x: Any) -> bool:
    """Whether ``x`` is an array of objects with traced scalars in it, as ``np.array([t])`` makes."""
    return type(x) is np.ndarray and x.dtype == object and any(type(item) is Tracer for item in x.flat)


def zeros_of(aval: ShapedArray) -> Any:
    """Return zeros of ``aval``: an array of one's own, or a NumPy scalar."""
    return np.zeros(aval.shape, aval.dtype) if aval.ndim else aval.dtype.type(0)


def owned(results: Sequence[Any], foreign: Iterable[Any]) -> list[Any]:
    """Return ``results`` as arrays that share memory with nothing: not the caller's, not one another, not ours.

    Those of rank 0 become NumPy scalars, as ufuncs return them.
    """
    taken = {id(x) for x in foreign}
    mine = []
    for x in results:
        if type(x) is np.ndarray and (x.base is not None or id(x) in taken or not x.flags.writeable):
            x = x.copy()
        elif type(x) is Tracer:
            x = fresh(x)
        taken.add(id(x))
        mine.append(x[()] if type(x) is np.ndarray and x.ndim == 0 else x)
    return mine


def copied(leaves: Leaves) -> Leaves:
    """Own the arrays that a later call will read."""
    values = [x.copy() if type(x) is np.ndarray else fresh(x) for x in leaves.values]
    return leaves._replace(values=[x if m else protect(x) for x, m in zip(values, leaves.moving, strict=True)])
