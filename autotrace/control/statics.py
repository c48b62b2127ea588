"""Static arguments: which parameters they are, and what tells their values apart."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..transforms.arguments import function_name

__all__ = ["static_key", "static_parameters"]


def static_parameters(fun: Callable[..., Any], argnums: Any, argnames: Any) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the positions and the names of static parameters, each parameter by both where it has both.

    Positions are not negative, but where the function takes any number of them: they count from the end of the call.
    """
    if isinstance(argnums, tuple) and isinstance(argnames, tuple) and not (argnums or argnames):
        return (), ()
    what = f"jit({function_name(fun)})"
    numbers = argnums if isinstance(argnums, tuple | list) else (argnums,)
    if not all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in numbers):
        raise TypeError(
            f"{what}: static_argnums must be an integer or a tuple of integers; got {argnums!r}. "
            "Use static_argnames for names."
        )
    names = argnames if isinstance(argnames, tuple | list) else (argnames,)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"{what}: static_argnames must be a string or a tuple of strings; got {argnames!r}. "
            "Use static_argnums for positions."
        )
    try:
        parameters = inspect.signature(fun).parameters.values() if numbers or names else ()
    except (TypeError, ValueError):  # Python does not tell, as for many built-in functions
        return tuple(map(int, numbers)), tuple(names)
    kinds = [p.kind for p in parameters]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    known = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    places = {p.name: i for i, p in enumerate(positional)}
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        for i in numbers:
            if not -len(positional) <= i < len(positional):
                raise ValueError(
                    f"{what}: static_argnums must name positional parameters; got {argnums!r} for a function of "
                    f"({', '.join(places)}). Count from 0."
                )
        numbers = [i % len(positional) for i in numbers]
    for name in names:
        if name not in known and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise ValueError(
                f"{what}: static_argnames must name parameters; got {name!r} for a function of "
                f"({', '.join(p.name for p in parameters)}). Correct the name."
            )
    positions = [*map(int, numbers), *[places[name] for name in names if name in places]]
    also = [positional[i].name for i in positions if 0 <= i < len(positional) and positional[i].name in known]
    return tuple(dict.fromkeys(positions)), tuple(dict.fromkeys([*names, *also]))


def static_key(value: Any) -> tuple[Any, ...]:
    """Return a key that tells apart what Python calls equal: 2 from 2.0 and True, 0.0 from -0.0, inside tuples too."""
    kind = type(value)
    if isinstance(value, tuple):
        return kind, *map(static_key, value)
    if isinstance(value, frozenset):
        return kind, frozenset(map(static_key, value))
    if isinstance(value, float | complex | np.inexact):
        return kind, repr(value)
    return kind, value
