"""jit: trace once per kind of arguments and per path through the function, then run programs.

Arguments are told apart by structure, shapes, dtypes, weak typing and static values. A value that Python
asked for is guarded: where the guard fails, the next path known for these kinds is tried, and in the end the
function is traced again. Every path is kept, the last used in front.
"""

from __future__ import annotations

import functools
import logging
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from ..compile.codegen import Compiled
from ..compile.program import Program
from ..errors import GuardError
from ..ir import Equation, Jaxpr, Literal, ShapedArray, place, print_jaxpr
from ..tracing import SCALAR_AVALS, Tracer, bind, leaf_aval, leaf_value, run_all, trace
from ..transforms.arguments import function_name, locate, owned, parameters_of
from ..transforms.wrapper import Transformed, transformed
from ..tree import PyTreeDef, tree_flatten, tree_unflatten
from .call import Call

__all__ = ["CacheInfo", "Jitted", "Lowered", "disable_jit", "explain_cache_misses", "jit"]

_LOG = logging.getLogger("autotrace.jit")
_disabled: ContextVar[bool] = ContextVar("autotrace_disable_jit", default=False)
_explaining: ContextVar[bool] = ContextVar("autotrace_explain_cache_misses", default=False)


class CacheInfo(NamedTuple):
    """How often a jitted function found a program, how often it traced, and what it keeps."""

    hits: int
    misses: int
    signatures: int
    paths: int


class _Path(NamedTuple):
    """One way through the function: its program and the structure of its result."""

    program: Program
    out_tree: PyTreeDef


def jit(
    fun: Callable[..., Any] | None = None,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    inline: bool = False,
    *,
    max_paths: int = 64,
) -> Any:
    """Make the function that traces ``fun`` once for each kind of arguments and then runs its program.

    Arguments are trees of arrays and numbers; ``static_argnums`` and ``static_argnames`` name hashable ones that are
    passed as they are, with a program for each value. Python's ``if`` and ``while`` on values work: each path
    through them is a program of its own, at most ``max_paths`` for one kind of arguments. Side effects and
    what the function closes over are those of tracing: they happen, and are read, once. Inside another
    transform a call is one equation, or with ``inline`` its program.

    Raises ``TypeError`` for arguments that are not arrays, ``ValueError`` for static ones that cannot be hashed,
    ``GuardError`` past ``max_paths``.

    >>> import numpy as np
    >>> @jit
    ... def f(x):
    ...     return np.sin(x) if x > 0 else x
    >>> f(-1.0), f(0.0)
    (np.float64(-1.0), np.float64(0.0))
    >>> f.cache_info().paths
    1
    """
    if fun is None:
        return transformed(jit, None, _never, static_argnums=static_argnums, static_argnames=static_argnames,
                           inline=inline, max_paths=max_paths)
    transformed(jit, fun, _never)  # checks that it is a function
    return Jitted(fun, static_argnums, static_argnames, inline, max_paths)


def _never(*args: Any) -> Any:
    raise AssertionError("this is a bug in autotrace: a jitted function calls itself")


class Jitted(Transformed):
    """The function that :func:`jit` makes."""

    def __init__(
        self, fun: Callable[..., Any], static_argnums: Any, static_argnames: Any, inline: bool, max_paths: int
    ) -> None:
        options = {"static_argnums": static_argnums, "static_argnames": static_argnames, "inline": inline,
                   "max_paths": max_paths}
        super().__init__(jit, fun, _never, options)
        self._static_argnums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
        self._static_argnames = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
        self._plain = not self._static_argnums and not self._static_argnames
        self._inline = inline
        self._max_paths = max_paths
        self._bound: dict[int, tuple[Any, Jitted]] = {}
        self.clear_cache()

    def clear_cache(self) -> None:
        """Forget every program."""
        self._paths: dict[Any, tuple[_Path, ...]] = {}
        self._hits = self._misses = 0

    def cache_info(self) -> CacheInfo:
        """Return how often a program was found and how often the function was traced.

        >>> f = jit(lambda x: x + 1.0)
        >>> f(1.0), f(2.0), f.cache_info()
        (np.float64(2.0), np.float64(3.0), CacheInfo(hits=1, misses=1, signatures=1, paths=1))
        """
        return CacheInfo(self._hits, self._misses, len(self._paths), sum(map(len, self._paths.values())))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind to an instance; each keeps programs of its own as long as it lives."""
        if instance is None:
            return self
        found = self._bound.get(id(instance))
        if found is None or found[0]() is not instance:
            bound = Jitted(self._fun.__get__(instance, owner), *self._options.values())
            try:
                reference = weakref.ref(instance, functools.partial(self._forget, id(instance)))
            except TypeError:
                return bound
            found = self._bound[id(instance)] = (reference, bound)
        return found[1]

    def _forget(self, number: int, reference: Any) -> None:
        self._bound.pop(number, None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._plain and not kwargs:
            key: list[Any] = []
            leaves: list[Any] = []
            for x in args:
                kind = type(x)
                if kind is np.ndarray:
                    key.append((x.shape, x.dtype))
                    leaves.append(x)
                elif kind is float:
                    key.append(float)
                    leaves.append(np.float64(x))
                elif kind is np.float64:
                    key.append(np.float64)
                    leaves.append(x)
                else:
                    return self._general(args, kwargs)
            paths = self._paths.get(tuple(key))
            if paths is not None and not _disabled.get():
                return self._run(tuple(key), paths, leaves, args, kwargs)
            return self._general(args, kwargs, tuple(key))
        return self._general(args, kwargs)

    def _run(self, key: Any, paths: tuple[_Path, ...], leaves: Sequence[Any], args: Any, kwargs: Any) -> Any:
        """Run the first path whose guards hold; trace another where none does."""
        for path in paths:
            try:
                outs = path.program(*leaves)
            except GuardError:
                continue
            self._hits += 1
            if path is not paths[0]:
                self._paths[key] = (path, *[p for p in paths if p is not path])
            return _result(path, outs, leaves)
        return self._trace(key, self._arguments(args, kwargs))

    def _general(self, args: tuple[Any, ...], kwargs: dict[str, Any], key: Any = None) -> Any:
        """Call with any arguments: trees, static ones, tracers."""
        if _disabled.get():
            return self._fun(*args, **kwargs)
        arguments = self._arguments(args, kwargs)
        if key is None:
            key = (arguments.tree, tuple(arguments.avals), arguments.static)
        if any(type(x) is Tracer for x in arguments.leaves):
            return self._in_trace(key, arguments)
        paths = self._paths.get(key)
        if paths is None:
            return self._trace(key, arguments)
        return self._run(key, paths, arguments.leaves, args, kwargs)

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Arguments:
        """Split the arguments of a call in leaves to trace and static values."""
        what = f"jit({function_name(self._fun)})"
        numbers = {i % len(args) for i in self._static_argnums if -len(args) <= i < len(args)}
        numbers |= positions_of(self._fun, self._static_argnames, len(args))
        names = [name for name in self._static_argnames if name in kwargs]
        static = tuple([(i, type(args[i]), args[i]) for i in sorted(numbers)] + [(n, type(kwargs[n]), kwargs[n]) for n in names])
        for place_, _, value in static:
            try:
                hash(value)
            except TypeError:
                raise ValueError(
                    f"{what}: static arguments must be hashable; got {type(value).__name__} for argument {place_!r}. "
                    "Pass a tuple for a list, or do not declare it static."
                ) from None
        dynamic = tuple([None if i in numbers else x for i, x in enumerate(args)])
        keywords = {k: v for k, v in kwargs.items() if k not in names} if names else kwargs
        raw, tree = tree_flatten((dynamic, keywords))
        try:
            leaves = [leaf_value(x, "", what) for x in raw]
        except TypeError:
            labels = [*[f"argument[{i}]" for i in range(len(args))], "keyword argument"]
            locate(leaf_value, [*dynamic, keywords], what, labels)
            raise
        avals = [SCALAR_AVALS.get(type(r)) or leaf_aval(x) for x, r in zip(leaves, raw, strict=True)]

        def call(tracers: Sequence[Any]) -> Any:
            given, given_keywords = tree_unflatten(tree, tracers)
            positional = [args[i] if i in numbers else x for i, x in enumerate(given)]
            return self._fun(*positional, **given_keywords, **{name: kwargs[name] for name in names})

        return _Arguments(leaves, avals, tree, static, call)

    def _trace(self, key: Any, arguments: _Arguments) -> Any:
        """Trace the function on concrete arguments, keep the path, and finish this call."""
        paths = self._paths.get(key, ())
        if len(paths) >= self._max_paths:
            raise self._unsettled(paths)
        path, values = self._record(arguments)
        jaxpr = path.program.jaxpr
        if path.program.is_large and not any(type(x) is Tracer for x in jaxpr.constants):
            outs = path.program(*arguments.leaves)
        else:
            outs = _finish(jaxpr, arguments.leaves, values)
        if any(type(x) is Tracer for x in jaxpr.constants):
            return tree_unflatten(path.out_tree, outs)  # closes over an enclosing trace: good for this call only
        self._misses += 1
        if _explaining.get():
            _LOG.warning("%s", self._explanation(key, paths))
        self._paths[key] = (path, *paths)
        return _result(path, outs, arguments.leaves)

    def _record(self, arguments: _Arguments) -> tuple[_Path, dict[Any, Any]]:
        what = f"jit({function_name(self._fun)})"
        traced = trace(arguments.call, arguments.avals, arguments.leaves, what, lasting=True)
        return _Path(Program(traced.jaxpr), traced.out_tree), traced.values or {}

    def _in_trace(self, key: Any, arguments: _Arguments) -> Any:
        """Record a call, one equation; with guards, or closing over tracers, the equations themselves."""
        paths = self._paths.get(key, ())
        if len(paths) == 1 and not _guards(paths[0].program.jaxpr):
            path = paths[0]
            values: dict[Any, Any] = {}
        else:
            path, values = self._record(arguments)
        jaxpr = path.program.jaxpr
        if self._inline or _guards(jaxpr) or any(type(x) is Tracer for x in jaxpr.constants):
            return tree_unflatten(path.out_tree, _finish(jaxpr, arguments.leaves, values))
        if not paths:
            self._misses += 1
            self._paths[key] = (path,)
        return tree_unflatten(path.out_tree, bind(Call(jaxpr, function_name(self._fun)), *arguments.leaves))

    def _unsettled(self, paths: Sequence[_Path]) -> GuardError:
        guards = [e for path in paths[:1] for e in _guards(path.program.jaxpr)]
        where = place(guards[-1].source) if guards else None
        at = f" at {where.file}:{where.line}" if where else ""
        return GuardError(
            f"jit({function_name(self._fun)}): a function may take max_paths={self._max_paths} paths for one kind of "
            f"arguments; got another one{at}. Use np.where, cond or while_loop there, or a larger max_paths."
        )

    def _explanation(self, key: Any, paths: Sequence[_Path]) -> str:
        name = f"jit({function_name(self._fun)})"
        if paths:
            guards = _guards(paths[0].program.jaxpr)
            where = place(guards[-1].source) if guards else None
            return f"{name}: traced again, since a guard failed" + (f"; the last one is at {where}" if where else "")
        known = [k for k in self._paths if k != key]
        if not known:
            return f"{name}: traced, since it was never called before"
        return f"{name}: traced again, since arguments were never of this kind: {key}; the last kind was {known[-1]}"

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Trace for these arguments and return the program that would run, without running it."""
        arguments = self._arguments(args, kwargs)
        path, _ = self._record(arguments)
        return Lowered(path.program)


class _Arguments(NamedTuple):
    """The arguments of a call: leaves to trace, and the function of them."""

    leaves: list[Any]
    avals: list[ShapedArray]
    tree: PyTreeDef
    static: tuple[Any, ...]
    call: Callable[[Sequence[Any]], Any]


class Lowered:
    """A function lowered for one kind of arguments: the simplified program, and the Python generated for it."""

    def __init__(self, program: Program) -> None:
        self._program = program

    @property
    def jaxpr(self) -> Jaxpr:
        """The simplified program."""
        return self._program.optimized

    def as_text(self) -> str:
        """Return the simplified program as text."""
        return print_jaxpr(self.jaxpr)

    def source(self) -> str:
        """Return the generated Python, the user's lines as comments."""
        return self._program.compiled.commented()

    def compile(self) -> Compiled:
        """Return the compiled function of the leaves."""
        return self._program.compiled


def positions_of(fun: Callable[..., Any], names: Sequence[str], count: int) -> set[int]:
    """Return the positions below ``count`` of the parameters ``names``."""
    if not names:
        return set()
    parameters = parameters_of(fun)
    return {parameters.index(n) for n in names if n in parameters and parameters.index(n) < count}


def _finish(jaxpr: Jaxpr, leaves: Sequence[Any], values: dict[Any, Any]) -> list[Any]:
    """Run what tracing has not computed yet."""
    values.update(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    values.update(zip(jaxpr.in_vars, leaves, strict=True))
    run_all(jaxpr, values)
    return [v.value if type(v) is Literal else values[v] for v in jaxpr.outputs]


def _result(path: _Path, outs: Sequence[Any], leaves: Sequence[Any]) -> Any:
    if not path.program.fresh:
        outs = owned(outs, [*leaves, *path.program.jaxpr.constants])
    return tree_unflatten(path.out_tree, outs)


def _guards(jaxpr: Jaxpr) -> list[Equation]:
    return [e for e in jaxpr.equations if e.primitive.effect and not e.outputs]


@contextmanager
def disable_jit() -> Iterator[None]:
    """Run jitted functions as plain Python inside the ``with`` block."""
    token = _disabled.set(True)
    try:
        yield
    finally:
        _disabled.reset(token)


@contextmanager
def explain_cache_misses() -> Iterator[None]:
    """Log (as warnings of the logger ``autotrace.jit``) why jitted functions are traced inside the ``with`` block."""
    token = _explaining.set(True)
    try:
        yield
    finally:
        _explaining.reset(token)
