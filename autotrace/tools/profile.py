"""profile: where the time and the memory of a function go, by the lines of its source."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..transforms.wrapper import transformed

if TYPE_CHECKING:
    from .profiling import Profile

__all__ = ["profile"]


def profile(fun: Callable[..., Any] | None = None, *, repeats: int | None = None, memory: bool = True) -> Any:
    """Make the function that runs ``fun`` and says where its time and memory go, by the lines of its source.

    ``profile(fun)(*args, **kwargs)`` traces ``fun`` and runs its program with a reading of the clock after each
    equation, ``repeats`` times (by default as often as fits in 0.3 s, at least 3 times); the fastest run counts. With
    ``memory`` it runs once more under ``tracemalloc``. Equations of a derivative belong to the line they are the
    derivative of; forward and backward are told apart. Before each run ``fun`` itself is called, for the time of a
    whole call. Jitted functions run the Python that is generated for them; ``grad`` and ``value_and_grad`` run that, or
    their equations one by one, whichever is nearer to the time of a call; any other function is interpreted. Returns
    a :class:`autotrace.tools.profiling.Profile`.

    Raises what ``fun`` raises; ``ValueError`` for ``repeats`` below 1.

    >>> import numpy as np
    >>> found = profile(lambda x: np.sum(np.sin(x) * x))(np.ones(1000))
    >>> len(found.lines), found.seconds > 0.0
    (1, True)
    """
    if repeats is not None and (isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1):
        raise ValueError(
            f"profile: repeats must be a whole number of runs, at least 1; got {repeats!r}. "
            "Leave it out to run for about 0.3 s."
        )
    return transformed(profile, fun, _profile, repeats=repeats, memory=memory)


def _profile(fun: Callable[..., Any], args: Any, kwargs: Any, repeats: int | None, memory: bool) -> Profile:
    found: Profile = importlib.import_module(".profiling", __package__).profiled(fun, args, kwargs, repeats, memory)
    return found
