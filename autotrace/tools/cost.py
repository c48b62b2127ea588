"""cost: what a function costs on arguments like these."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..control.jit import Jitted
from ..ir import Jaxpr
from ..transforms import make_jaxpr
from ..transforms.wrapper import transformed

if TYPE_CHECKING:
    from ..ir.pricing import ProgramCost

__all__ = ["cost", "program_of"]


def cost(fun: Callable[..., Any]) -> Any:
    """Make the function that prices ``fun``: what it costs on arguments like those given, computed from their types.

    ``cost(fun)(*args, **kwargs)`` returns an :class:`autotrace.ir.pricing.ProgramCost`, which prints as a table and has
    ``flops``, ``bytes``, ``peak_bytes``, ``by_line`` and so on. ``fun`` may be what any transform returns; of a jitted
    function the simplified program is priced. A ``ShapeDtypeStruct`` may stand for an array: nothing is computed.

    Raises what tracing ``fun`` raises; ``TypeError`` unless ``fun`` is a function.

    >>> import numpy as np
    >>> found = cost(lambda a, b: np.sum(a @ b))(np.ones((10, 20)), np.ones((20, 30)))
    >>> found.flops, found.peak_bytes
    (12300, 8808)
    """
    return transformed(cost, fun, _cost)


def _cost(fun: Callable[..., Any], args: Any, kwargs: Any) -> ProgramCost:
    return program_of(fun, args, kwargs).cost()


def program_of(fun: Callable[..., Any], args: Any, kwargs: Any) -> Jaxpr:
    """Return the program of ``fun`` for these arguments; of a jitted function the one that runs."""
    if isinstance(fun, Jitted):
        return fun.lower(*args, **kwargs).jaxpr
    jaxpr: Jaxpr = make_jaxpr(fun)(*args, **kwargs)
    return jaxpr
