"""A program to be run many times: interpreted at first, compiled once that pays.

Compiling an equation costs as much as some thirty interpretations save, so it waits until a program has run
that often: neither the first call nor the thousandth is slower than it need be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..ir import Atom, Jaxpr, is_watching
from ..primitives.families import Elementwise
from ..primitives.reduction import Reduction
from ..tracing import evaluate
from .buffers import unshared
from .codegen import Compiled, generate, generate_on_scalars
from .fusion import SMALLEST
from .passes import PASSES, run_passes

__all__ = ["Program", "fresh_outputs", "optimize"]

RUNS_BEFORE_COMPILING = 24
ELEMENTS_OF_COMPILING = 2_000
"""Elements of output for each equation from which a second run pays for compiling."""
ELEMENTS_OF_COMPILING_AT_ONCE = 12_000
"""Elements of output that are computed in about the time of compiling one equation."""
LONGEST = 100_000
"""Equations; longer programs stay interpreted: compiling them would take seconds."""


def optimize(jaxpr: Jaxpr) -> Jaxpr:
    """Return what the exact passes make of ``jaxpr``: it gives the same bits."""
    return run_passes(jaxpr, [step for step in PASSES if step.exact])


class Program:
    """A callable of a jaxpr, from its leaves (arrays and NumPy scalars) to the list of its outputs."""

    __slots__ = ("_compiled", "_optimized", "_runs", "fresh", "is_huge", "is_large", "jaxpr")

    def __init__(self, jaxpr: Jaxpr) -> None:
        self.jaxpr = jaxpr
        self._optimized: Jaxpr | None = None
        self._compiled: Compiled | None = None
        self._runs = 0
        self.fresh = False
        """Outputs are arrays of their own by construction: nobody has to look, and copy."""
        elements = sum([v.aval.size for e in jaxpr.equations for v in e.outputs])
        self.is_large = elements >= max(SMALLEST, ELEMENTS_OF_COMPILING * len(jaxpr.equations))
        """A few runs cost more than compiling, and would keep more."""
        self.is_huge = elements >= max(SMALLEST, ELEMENTS_OF_COMPILING_AT_ONCE * len(jaxpr.equations))
        """One run costs more than compiling."""

    def __call__(self, *leaves: Any) -> Sequence[Any]:
        if self._compiled is not None and not is_watching():
            return self._compiled(*leaves)
        self._runs += 1
        if is_watching():
            return evaluate(self.jaxpr, leaves)
        if (self._runs > RUNS_BEFORE_COMPILING or self.is_large) and len(self.optimized.equations) <= LONGEST:
            return self.compiled(*leaves)
        return evaluate(self.jaxpr if self._optimized is None else self._optimized, leaves)

    def pays(self, runs: int) -> bool:
        """Tell whether, for so many runs more, compiling is worth its while."""
        return self._runs + runs > RUNS_BEFORE_COMPILING and len(self.optimized.equations) <= LONGEST

    @property
    def frequent(self) -> Compiled | None:
        """The generated function, if the program is compiled because it is called often."""
        return None if self.is_large else self._compiled

    @property
    def optimized(self) -> Jaxpr:
        """The program after all passes."""
        if self._optimized is None:
            self._optimized = optimize(self.jaxpr)
        return self._optimized

    @property
    def compiled(self) -> Compiled:
        """The generated function, made now if need be."""
        if self._compiled is None:
            # Before the passes: they would take what NumPy does for all rows at once out of loops of scalars.
            self._compiled = generate_on_scalars(self.optimized) or generate(
                run_passes(self.optimized, [s for s in PASSES if not s.exact]), rounding=True
            )
            jaxpr = self._compiled.jaxpr
            self.fresh = len(fresh_outputs(jaxpr)) == len(jaxpr.outputs)
        return self._compiled


def fresh_outputs(jaxpr: Jaxpr) -> set[Atom]:
    """Return the outputs that share memory with nothing by construction: computed, never seen otherwise, given once."""
    new = unshared(jaxpr)
    for equation in jaxpr.equations:
        if isinstance(equation.primitive, Elementwise | Reduction) and not equation.outputs[0].aval.ndim:
            new.add(equation.outputs[0])
    return {v for v, times in Counter(jaxpr.outputs).items() if times == 1 and v in new}
