"""What an equation costs, counted from its types: floating-point operations and bytes moved.

Every primitive tells its own (``flops``, ``reads``, ``view``) and which programs it runs how often (``runs``); here
they are added up. Nothing is run and nothing is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .equation import Equation, Literal
from .primitive import Run

if TYPE_CHECKING:
    from .jaxpr import Jaxpr

__all__ = [
    "Cost",
    "added",
    "equation_cost",
    "own_cost",
    "program_cost",
    "readable",
    "readable_bytes",
    "taken",
    "times_of",
]


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
    runs = equation.primitive.runs()
    if runs:
        return added([times_of(program_cost(run.program), run.times) for run in taken(runs)])
    return own_cost(equation)


def own_cost(equation: Equation) -> Cost:
    """Return the cost of an equation that holds no programs."""
    primitive, inputs, outputs, _ = equation
    in_avals, out_avals = [atom.aval for atom in inputs], [var.aval for var in outputs]
    sizes = zip(inputs, primitive.reads(in_avals, out_avals), strict=True)
    read = {atom: size for atom, size in sizes if type(atom) is not Literal}
    written = 0 if primitive.view else sum(aval.nbytes for aval in out_avals)
    return Cost(primitive.flops(in_avals, out_avals), sum(read.values()) + written)


def program_cost(jaxpr: Jaxpr) -> Cost:
    """Return what one run of ``jaxpr`` costs: the sum over its equations.

    >>> import autotrace, numpy as np
    >>> program_cost(autotrace.make_jaxpr(lambda x: np.sum(x * x))(np.ones(10)))
    Cost(flops=20, bytes=248)
    """
    return added([equation_cost(equation) for equation in jaxpr.equations])


def taken(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that are counted: of alternatives only the most expensive one."""
    always = [run for run in runs if not run.alternative]
    others = [run for run in runs if run.alternative]
    return [*always, max(others, key=lambda run: times_of(program_cost(run.program), run.times))] if others else always


def added(costs: Sequence[Cost]) -> Cost:
    """Return the sum of ``costs``."""
    return Cost(sum([cost.flops for cost in costs]), sum([cost.bytes for cost in costs]))


def times_of(cost: Cost, times: int | None) -> Cost:
    """Return ``times`` as much; once if the number is not known."""
    return cost if times is None else Cost(cost.flops * times, cost.bytes * times)


def readable(number: float) -> str:
    """Return ``number`` with three digits and a letter: k, M, G, T.

    >>> readable(999), readable(12345), readable(2_500_000)
    ('999', '12.3k', '2.50M')
    """
    for unit in ("", "k", "M", "G", "T"):
        if abs(number) < 999.5 or unit == "T":
            break
        number /= 1000
    if not unit:
        return f"{number:.0f}"
    return f"{number:.{max(0, 3 - len(str(int(number + 0.5))))}f}{unit}"


def readable_bytes(number: float) -> str:
    """Return ``number`` bytes with three digits and a unit: B, kB, MB, GB, TB.

    >>> readable_bytes(24), readable_bytes(8000)
    ('24 B', '8.00 kB')
    """
    text = readable(number)
    return f"{text[:-1]} {text[-1]}B" if text[-1].isalpha() else f"{text} B"
