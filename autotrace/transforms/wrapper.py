"""What every transform returns: a callable that keeps name, signature and doc, prints, binds and pickles."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any

__all__ = ["Transformed", "applied_times", "check_callable", "transformed"]


class Transformed:
    """The function that a transform makes of ``fun``.

    Works as a method (it binds to an instance; positions in ``argnums`` and ``in_axes`` count ``self``, without them
    ``self`` takes no part), pickles if ``fun`` does, and prints as the call that made it.
    """

    def __init__(
        self,
        transform: Callable[..., Any],
        fun: Callable[..., Any],
        call: Callable[..., Any],
        options: dict[str, Any],
    ) -> None:
        functools.update_wrapper(self, fun, updated=())
        self._transform = transform
        self._fun = fun
        self._call = call
        self._options = options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._fun, args, kwargs, **self._options)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        if self._counts_arguments():
            return MethodType(self, instance)  # positions are those of the definition, where self is 0
        bind = getattr(self._fun, "__get__", None)
        bound = bind(instance, owner) if bind else functools.partial(self._fun, instance)
        return Transformed(self._transform, bound, self._call, self._options)

    def _counts_arguments(self) -> bool:
        """Whether options tell arguments by their position."""
        shown = {k: v for k, v in self._options.items() if v != _default(self._transform, k)}
        return "argnums" in shown or "static_argnums" in shown or isinstance(shown.get("in_axes"), tuple | list)

    def __repr__(self) -> str:
        name: Any = repr(self._fun)
        if not isinstance(self._fun, Transformed):  # ufuncs have had a qualified name since NumPy 2.2
            name = getattr(self._fun, "__qualname__", None) or getattr(self._fun, "__name__", name)
        shown = "".join(f", {k}={v!r}" for k, v in self._options.items() if v != _default(self._transform, k))
        return f"{self._transform.__name__}({name}{shown})"

    def __reduce__(self) -> Any:
        """A decorated module-level function pickles by name, any other by what it was made of."""
        found: Any = sys.modules.get(getattr(self, "__module__", ""))
        for part in getattr(self, "__qualname__", "").split("."):
            found = getattr(found, part, None)
        if found is self:
            return self.__qualname__
        return _rebuild, (self._transform, self._fun, self._options)


def applied_times(transform: Callable[..., Any], fun: Any) -> tuple[int, Any]:
    """Return how often ``fun`` is ``transform``, without options, of something, and what that is."""
    count = 0
    while type(fun) is Transformed and fun._transform is transform:
        if any(value != _default(transform, option) for option, value in fun._options.items()):
            break
        count, fun = count + 1, fun._fun
    return count, fun


def _default(transform: Callable[..., Any], option: str) -> Any:
    return (transform.__kwdefaults__ or {}).get(option, _positional_defaults(transform).get(option))


@functools.cache
def _positional_defaults(transform: Callable[..., Any]) -> dict[str, Any]:
    code, values = transform.__code__, transform.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    return dict(zip(names[len(names) - len(values) :], values, strict=True))


def _rebuild(transform: Callable[..., Any], fun: Callable[..., Any], options: dict[str, Any]) -> Any:
    return transform(fun, **options)


def check_callable(fun: Any, name: str, spelling: str, argument: str = "the first argument") -> None:
    """Raise ``TypeError`` unless ``fun``, which messages call ``argument``, can be called."""
    if not callable(fun):
        raise TypeError(f"{name}: {argument} must be a function; got {type(fun).__name__}. Write {spelling}.")


def transformed(
    transform: Callable[..., Any], fun: Callable[..., Any] | None, call: Callable[..., Any], **options: Any
) -> Any:
    """Return ``transform``'s function of ``fun``; without ``fun``, a decorator with these options."""
    if fun is None:
        return functools.partial(transform, **options)
    name = transform.__name__
    check_callable(fun, name, f"{name}(f)(x) rather than {name}(f(x))")
    return Transformed(transform, fun, call, options)
