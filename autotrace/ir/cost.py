"""What a program costs, counted from its types: floating-point operations and bytes moved.

Every primitive tells its own (``flops``, ``reads``, ``view``) and which programs it runs how often (``runs``); here
they are added up. Nothing is run and nothing is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .equation import Equation, Literal

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = ["Cost", "equation_cost", "program_cost"]


class Cost(NamedTuple):
    """Floating-point operations, and bytes read and written."""

    flops: int
    bytes: int


def equation_cost(equation: Equation) -> Cost:
    """Return what one evaluation of ``equation`` costs.

    Bytes are the operands read and the outputs written, as if nothing stayed in a cache. An operand that appears twice
    is read once; numbers written into the program are not read, and views (a reshape, a slice) move nothing.
    An equation that holds programs costs what these cost, each as often as it is run; a loop whose number of rounds
    only its values tell is counted with one round, of alternatives the most expensive one.

    >>> import autotrace, numpy as np
    >>> jaxpr = autotrace.make_jaxpr(lambda a, b: a @ b)(np.ones((2, 3)), np.ones((3, 4)))
    >>> equation_cost(jaxpr.equations[0])
    Cost(flops=48, bytes=208)
    """
    primitive, inputs, outputs, _ = equation
    runs = primitive.runs()
    if runs:
        costs = [(run, program_cost(run.program)) for run in runs]
        always = [cost_times(cost, run.times) for run, cost in costs if not run.alternative]
        chosen = [cost_times(cost, run.times) for run, cost in costs if run.alternative]
        return added([*always, max(chosen)] if chosen else always)
    in_avals, out_avals = [atom.aval for atom in inputs], [var.aval for var in outputs]
    read = {
        atom: size
        for atom, size in zip(inputs, primitive.reads(in_avals, out_avals), strict=True)
        if type(atom) is not Literal
    }
    written = 0 if primitive.view else sum(aval.nbytes for aval in out_avals)
    return Cost(primitive.flops(in_avals, out_avals), sum(read.values()) + written)


def program_cost(jaxpr: Jaxpr) -> Cost:
    """Return what one run of ``jaxpr`` costs: the sum over its equations.

    >>> import autotrace, numpy as np
    >>> program_cost(autotrace.make_jaxpr(lambda x: np.sum(x * x))(np.ones(10)))
    Cost(flops=20, bytes=248)
    """
    return added([equation_cost(equation) for equation in jaxpr.equations])


def added(costs: list[Cost]) -> Cost:
    """Return the sum of ``costs``."""
    return Cost(sum(cost.flops for cost in costs), sum(cost.bytes for cost in costs))


def cost_times(cost: Cost, times: int | None) -> Cost:
    """Return ``times`` as much; once if the number is not known."""
    return cost if times is None else Cost(cost.flops * times, cost.bytes * times)
