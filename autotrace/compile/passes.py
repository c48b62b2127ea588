"""The passes, in their order, and a way to look on while they work.

After them, code generation leaves broadcasts to NumPy where it does them by itself, drops each value after
its last use, and computes into arrays that are dead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import NamedTuple

from ..ir import Jaxpr, inline
from .contract import contract_sums
from .fusion import fuse
from .layout import lay_out
from .simplify import simplify

__all__ = ["PASSES", "Pass", "run_passes", "show_passes"]


class Pass(NamedTuple):
    """A function from a program to one that does the same, faster."""

    name: str
    run: Callable[[Jaxpr], Jaxpr]
    exact: bool
    """Results keep every bit."""


PASSES = (
    Pass("inline", partial(inline, program_of=lambda primitive: primitive.settled()), exact=True),
    Pass("simplify", partial(simplify, reassociate=False), exact=True),
    Pass("separate", partial(inline, program_of=lambda primitive: primitive.separated()), exact=False),
    Pass("contract", contract_sums, exact=False),
    Pass("lay out", lay_out, exact=False),
    Pass("fuse", fuse, exact=False),
)

_showing: ContextVar[bool] = ContextVar("autotrace_show_passes", default=False)


def run_passes(jaxpr: Jaxpr, passes: Sequence[Pass] = PASSES) -> Jaxpr:
    """Return what ``passes`` make of ``jaxpr``, one after the other."""
    for step in passes:
        jaxpr = step.run(jaxpr)
        if _showing.get() or os.environ.get("AUTOTRACE_SHOW_PASSES"):
            print(f"# after {step.name}: {len(jaxpr.equations)} equations\n{jaxpr}", file=sys.stderr)
    return jaxpr


@contextmanager
def show_passes() -> Iterator[None]:
    """Print the program after each pass, to stderr, inside the ``with`` block.

    The environment variable ``AUTOTRACE_SHOW_PASSES`` does the same for a whole run.
    """
    token = _showing.set(True)
    try:
        yield
    finally:
        _showing.reset(token)
