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

from ..compile.program import Program
from ..errors import GuardError
from ..ir import Equation, Jaxpr, ShapedArray, is_watching, place
from ..tracing import (
    SCALAR_AVALS,
    Guard,
    ShapeDtypeStruct,
    Tracer,
    bind,
    effect_trace,
    evaluate,
    leaf_aval,
    leaf_value,
    trace,
)
from ..transforms.arguments import function_name, locate, owned
from ..transforms.inspection import name_arguments
from ..transforms.wrapper import Transformed, check_callable, transformed
from ..tree import PyTreeDef, tree_flatten, tree_unflatten
from .call import Call
from .lowered import Lowered
from .shortcut import MISS, Shortcut, shortcut
from .statics import static_key, static_parameters

__all__ = ["CacheInfo", "Jitted", "disable_jit", "explain_cache_misses", "jit"]

_LOG = logging.getLogger("autotrace.jit")
MOST_SHORTCUTS = 4
"""Kinds of arguments that have a short cut of their own: each is tried before the next."""
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
    talks: bool
    """It does something beside computing: inside another trace, it is recorded there whatever its operands are."""


class _Cache:
    """The paths known for each kind of arguments, the last used first, and the short cuts to those called often."""

    __slots__ = ("hits", "misses", "paths", "shortcuts", "shortened")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.paths: dict[Any, tuple[_Path, ...]] = {}
        self.shortcuts: tuple[Shortcut, ...] = ()
        self.shortened: set[Any] = set()
        """The kinds of arguments that have a short cut, or can have none."""
        self.hits = self.misses = 0


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

    A method keeps programs for each instance; positions count ``self``.

    Raises ``TypeError`` for arguments that are not arrays, ``ValueError`` for static ones that cannot be hashed or
    that the function does not have, ``GuardError`` past ``max_paths``.

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
        return transformed(
            jit,
            None,
            _never,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            inline=inline,
            max_paths=max_paths,
        )
    check_callable(fun, "jit", "jit(f)(x) rather than jit(f(x))")
    return Jitted(fun, static_argnums, static_argnames, inline, max_paths)


def _never(*args: Any) -> Any:
    raise AssertionError("this is a bug in autotrace: a jitted function calls itself")


class Jitted(Transformed):
    """The function that :func:`jit` makes."""

    def __init__(
        self, fun: Callable[..., Any], static_argnums: Any, static_argnames: Any, inline: bool, max_paths: int
    ) -> None:
        options = {
            "static_argnums": static_argnums,
            "static_argnames": static_argnames,
            "inline": inline,
            "max_paths": max_paths,
        }
        super().__init__(jit, fun, _never, options)
        self._positions, self._names = static_parameters(fun, static_argnums, static_argnames)
        self._plain = not self._positions and not self._names
        self._inline = inline
        if max_paths < 1:
            raise ValueError(
                f"jit({function_name(fun)}): max_paths must be at least 1; got {max_paths!r}. "
                "Use disable_jit to trace nothing."
            )
        self._max_paths = max_paths
        self._cache = _Cache()
        self._instances: dict[int, tuple[weakref.ref[Any], _Cache]] = {}

    def clear_cache(self) -> None:
        """Forget every program."""
        self._cache.clear()

    def cache_info(self) -> CacheInfo:
        """Return how often a program was found and how often the function was traced.

        >>> f = jit(lambda x: x + 1.0)
        >>> f(1.0), f(2.0), f.cache_info()
        (np.float64(2.0), np.float64(3.0), CacheInfo(hits=1, misses=1, signatures=1, paths=1))
        """
        cache = self._cache
        return CacheInfo(cache.hits, cache.misses, len(cache.paths), sum(map(len, cache.paths.values())))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind to an instance. Each has programs of its own, as long as it lives, and is not kept alive by them.

        An instance that takes no weak reference (a class with ``__slots__``) has them for one access only.
        """
        if instance is None:
            return self
        bound = object.__new__(Jitted)
        vars(bound).update(vars(self))
        bind_to = getattr(self._fun, "__get__", None)
        bound._fun = bind_to(instance, owner) if bind_to else functools.partial(self._fun, instance)
        if self._positions:
            bound._positions = tuple([i - 1 if i > 0 else i for i in self._positions if i])
            bound._options = self._options | {"static_argnums": bound._positions}
        bound._cache = self._cache_of(instance)
        return bound

    def _cache_of(self, instance: Any) -> _Cache:
        key = id(instance)
        found = self._instances.get(key)
        if found is not None and found[0]() is instance:
            return found[1]
        cache = _Cache()
        try:
            reference = weakref.ref(instance, lambda _: self._instances.pop(key, None))
        except TypeError:
            return cache
        self._instances[key] = (reference, cache)
        return cache

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._plain and not kwargs:
            if not (_disabled.get() or is_watching()):
                for enter in self._cache.shortcuts:
                    result = enter(args)
                    if result is not MISS:
                        self._cache.hits += 1
                        return result
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
            paths = self._cache.paths.get(tuple(key))
            if paths is not None and not _disabled.get():
                return self._run(tuple(key), paths, leaves, args, kwargs)
            return self._general(args, kwargs, tuple(key))
        return self._general(args, kwargs)

    def _run(self, key: Any, paths: tuple[_Path, ...], leaves: Sequence[Any], args: Any, kwargs: Any) -> Any:
        """Run the first path whose guards hold; trace another where none does."""
        for path in paths:
            if path.talks and effect_trace() is not None:
                return self._in_trace(key, self._arguments(args, kwargs))
            try:
                outs = path.program(*leaves)
            except GuardError:
                continue
            self._cache.hits += 1
            if path is not paths[0]:
                self._cache.paths[key] = (path, *[p for p in paths if p is not path])
            if self._plain and not kwargs and not path.talks:
                self._shorten(key, path, args)
            return _result(path, outs, leaves)
        return self._trace(key, self._arguments(args, kwargs))

    def _shorten(self, key: Any, path: _Path, args: tuple[Any, ...]) -> None:
        """Write the short cut to a path, once it is known to be called often, and if there is room."""
        compiled, cache = path.program.frequent, self._cache
        if compiled is None or key in cache.shortened or len(cache.shortcuts) >= MOST_SHORTCUTS:
            return
        cache.shortened.add(key)
        made = shortcut(args, compiled, path.out_tree)
        if made is not None:
            cache.shortcuts = (*cache.shortcuts, made)

    def _general(self, args: tuple[Any, ...], kwargs: dict[str, Any], key: Any = None) -> Any:
        """Call with any arguments: trees, static ones, tracers."""
        if _disabled.get():
            return self._fun(*args, **kwargs)
        arguments = self._arguments(args, kwargs)
        if key is None or any(type(x) is np.ndarray and (x.dtype == object or not x.dtype.isnative) for x in args):
            key = (arguments.tree, tuple(arguments.avals), arguments.static)
        if any(type(x) is Tracer for x in arguments.leaves):
            return self._in_trace(key, arguments)
        paths = self._cache.paths.get(key)
        if paths is None:
            return self._trace(key, arguments)
        return self._run(key, paths, arguments.leaves, args, kwargs)

    def _static(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], what: str
    ) -> tuple[set[int], list[str], tuple[Any, ...]]:
        """Tell which arguments of a call are static, by position and by name, with keys of their values."""
        if self._plain:
            return set(), [], ()
        numbers = {i % len(args) for i in self._positions if -len(args) <= i < len(args)}
        names = [name for name in self._names if name in kwargs]
        given = [*[(i, args[i]) for i in sorted(numbers)], *[(name, kwargs[name]) for name in names]]
        static = tuple([(place_, static_key(value)) for place_, value in given])
        for place_, value in static:
            try:
                hash(value)
            except TypeError:
                raise ValueError(
                    f"{what}: static arguments must be hashable; got {value[0].__name__} for argument {place_!r}. "
                    "Pass a tuple for a list, or do not declare it static."
                ) from None
        return numbers, names, static

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any], shapes: bool = False) -> _Arguments:
        """Split the arguments of a call in leaves to trace, which may be ``shapes`` alone, and static values."""
        what = f"jit({function_name(self._fun)})"
        numbers, names, static = self._static(args, kwargs, what)
        dynamic = tuple([None if i in numbers else x for i, x in enumerate(args)]) if numbers else args
        keywords = {k: v for k, v in kwargs.items() if k not in names} if names else kwargs
        raw, tree = tree_flatten((dynamic, keywords))

        def leaf(x: Any, path: str, what: str) -> Any:
            if shapes and type(x) is ShapeDtypeStruct:
                return x
            return leaf_value(x, path, what, "Declare it static, or close over it.")

        try:
            leaves = [leaf(x, "", what) for x in raw]
        except TypeError:
            labels = [*[f"argument[{i}]" for i in range(len(args))], "argument"]
            locate(leaf, [*dynamic, keywords], what, labels)
            raise
        avals = [SCALAR_AVALS.get(type(r)) or leaf_aval(x) for x, r in zip(leaves, raw, strict=True)]

        def call(tracers: Sequence[Any]) -> Any:
            given, given_keywords = tree_unflatten(tree, tracers)
            positional = [args[i] if i in numbers else x for i, x in enumerate(given)]
            return self._fun(*positional, **given_keywords, **{name: kwargs[name] for name in names})

        return _Arguments(leaves, avals, tree, static, call)

    def _trace(self, key: Any, arguments: _Arguments) -> Any:
        """Trace the function on concrete arguments, keep the path, and finish this call."""
        paths = self._cache.paths.get(key, ())
        if len(paths) >= self._max_paths:
            raise self._unsettled(paths)
        path, values = self._record(arguments)
        jaxpr = path.program.jaxpr
        spoken = path.talks and effect_trace() is not None
        if path.program.is_huge and not spoken and not any(type(x) is Tracer for x in jaxpr.constants):
            outs = path.program(*arguments.leaves)
        else:
            outs = evaluate(jaxpr, arguments.leaves, values, frugal=path.program.is_large)
        if any(type(x) is Tracer for x in (*jaxpr.constants, *outs)):
            return tree_unflatten(path.out_tree, outs)  # closes over an enclosing trace: good for this call only
        self._cache.misses += 1
        if _explaining.get():
            _LOG.warning("%s", self._explanation(key, paths))
        self._cache.paths[key] = (path, *paths)
        return _result(path, outs, arguments.leaves)

    def _record(self, arguments: _Arguments) -> tuple[_Path, dict[Any, Any]]:
        what = f"jit({function_name(self._fun)})"
        known = not any(type(x) is ShapeDtypeStruct for x in arguments.leaves)
        values = arguments.leaves if known else None
        traced = trace(arguments.call, arguments.avals, values, what, lasting=True)
        effects = [e for e in traced.jaxpr.equations if e.primitive.effect]
        jaxpr = _guards_first(traced.jaxpr) if effects else traced.jaxpr
        talks = any(map(_talks, effects))
        return _Path(Program(jaxpr), traced.out_tree, talks), traced.values or {}

    def _in_trace(self, key: Any, arguments: _Arguments) -> Any:
        """Record a call, one equation; with guards, or closing over tracers, the equations themselves."""
        paths = self._cache.paths.get(key, ())
        if len(paths) == 1 and not _guards(paths[0].program.jaxpr):
            path = paths[0]
            values: dict[Any, Any] = {}
        else:
            path, values = self._record(arguments)
        jaxpr = path.program.jaxpr
        if self._inline or _guards(jaxpr) or any(type(x) is Tracer for x in jaxpr.constants):
            return tree_unflatten(path.out_tree, evaluate(jaxpr, arguments.leaves, values))
        if paths:
            self._cache.hits += 1
        else:
            self._cache.misses += 1
            self._cache.paths[key] = (path,)
            name_arguments(jaxpr, self._fun, arguments.tree)
        return tree_unflatten(path.out_tree, bind(Call(jaxpr, function_name(self._fun)), *arguments.leaves))

    def _unsettled(self, paths: Sequence[_Path]) -> GuardError:
        guards = [e for path in paths[:1] for e in _guards(path.program.jaxpr)]
        where = place(guards[-1].source) if guards else None
        at = f" at {where.file}:{where.line}" if where else ""
        return GuardError(
            f"jit({function_name(self._fun)}): a function may take max_paths={self._max_paths} paths for one kind of "
            f"arguments; got another one{at}. Use cond or while_loop there, or a larger max_paths."
        )

    def _explanation(self, key: Any, paths: Sequence[_Path]) -> str:
        name = f"jit({function_name(self._fun)})"
        if paths:
            guards = _guards(paths[0].program.jaxpr)
            where = place(guards[-1].source) if guards else None
            return f"{name}: traced again, since a guard failed" + (f"; the last one is at {where}" if where else "")
        known = [k for k in self._cache.paths if k != key]
        if not known:
            return f"{name}: traced, since it was never called before"
        return (
            f"{name}: traced again, since arguments were never of this kind: {_kind_text(key)}; the last kind was "
            f"{_kind_text(known[-1])}"
        )

    def leaves(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return what its program takes of these arguments: the leaves of those that are not static."""
        return self._arguments(args, kwargs).leaves

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Trace for these arguments and return the program that would run, without running it.

        A ``ShapeDtypeStruct`` may stand for an array; then Python's ``if`` and ``while`` may not ask for values.
        """
        arguments = self._arguments(args, kwargs, shapes=True)
        path, _ = self._record(arguments)
        name_arguments(path.program.jaxpr, self._fun, arguments.tree)
        return Lowered(path.program)


class _Arguments(NamedTuple):
    """The arguments of a call: leaves to trace, and the function of them."""

    leaves: list[Any]
    avals: list[ShapedArray]
    tree: PyTreeDef
    static: tuple[Any, ...]
    call: Callable[[Sequence[Any]], Any]


def _kind_text(key: Any) -> str:
    """Return a kind of arguments, a key of the cache, in words: ``f64[3], float``."""
    if not (key and isinstance(key[0], PyTreeDef)):  # of positional arrays and numbers
        return ", ".join([k.__name__ if isinstance(k, type) else str(ShapedArray(*k)) for k in key]) or "none"
    tree, avals, static = key
    kinds = [f"{a} (a Python number)" if a.weak_type else str(a) for a in avals]
    text = f"{', '.join(kinds) or 'none'} in {str(tree)[len('PyTreeDef(') : -1]}"
    return text + "".join([f", {place_!r} static: {value[1:]}" for place_, value in static])


def _result(path: _Path, outs: Sequence[Any], leaves: Sequence[Any]) -> Any:
    if not path.program.fresh:
        outs = owned(outs, [*leaves, *path.program.jaxpr.constants])
    return tree_unflatten(path.out_tree, outs)


def _talks(equation: Equation) -> bool:
    """Tell whether an equation does more than compute and check."""
    primitive = equation.primitive
    if not primitive.effect or primitive.checks:
        return False
    programs = [run.program for run in primitive.runs()]
    return not programs or any(_talks(inner) for program in programs for inner in program.equations)


def _guards_first(jaxpr: Jaxpr) -> Jaxpr:
    """Return ``jaxpr`` with what it says put off until all guards have held: another path would say it again.

    Where something that both computes and talks stands before a guard, all stays in its place.
    """
    equations = jaxpr.equations
    last = max([i for i, e in enumerate(equations) if type(e.primitive) is Guard], default=0)
    talking = [e for e in equations[:last] if _talks(e)]
    if not talking or any(e.outputs for e in talking):
        return jaxpr
    rest = [e for e in equations[: last + 1] if not _talks(e)]
    return jaxpr.replace(equations=[*rest, *talking, *equations[last + 1 :]])


def _guards(jaxpr: Jaxpr) -> list[Equation]:
    """Return the guards of ``jaxpr``, and those of the programs that its equations hold."""
    found = []
    for equation in jaxpr.equations:
        if type(equation.primitive) is Guard:
            found.append(equation)
        elif equation.primitive.effect:
            found += [guard for run in equation.primitive.runs() for guard in _guards(run.program)]
    return found


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
