"""Sums of products over the runs of a loop, as one product after it.

The cotangent of a matrix that a loop multiplies by is a sum over its runs of outer products. Run by run that is memory
traffic; over all rows at once it is one matrix product (the gradient of a recurrent net's weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..ir import Atom, Equation, Jaxpr, Var
from ..primitives.arithmetic import Add
from ..primitives.contraction import Einsum, canonical
from ..tracing import bind

__all__ = ["SummedProduct", "without_products"]


class SummedProduct(NamedTuple):
    """A product of two operands of all rows. A place is that of an operand of the loop, or of one of its ys."""

    primitive: Einsum
    left: tuple[str, int]
    right: tuple[str, int]

    def of(self, xs: Sequence[Any], ys: Sequence[Any]) -> Any:
        """Compute it from the rows that the loop was given and those that it made."""
        rows = {"xs": xs, "ys": ys}
        return bind(self.primitive, *[rows[kind][at] for kind, at in (self.left, self.right)])


def without_products(jaxpr: Jaxpr, consts: int, sums: int, carry: int) -> tuple[Jaxpr, list[SummedProduct | None]]:
    """Take out of a loop's program those of its first ``sums`` carries that only sum up products of fewer numbers.

    The rows that the products need are added to the outputs. Returns None for each sum that stays.
    """
    made: dict[Atom, Equation] = {e.outputs[0]: e for e in jaxpr.equations if e.outputs}
    readers: dict[Atom, int] = {}
    for atom in [v for e in jaxpr.equations for v in e.inputs] + list(jaxpr.outputs):
        readers[atom] = readers.get(atom, 0) + 1
    names = jaxpr.in_vars
    rows: dict[Atom, tuple[str, int]] = {v: ("xs", i) for i, v in enumerate(names[consts + sums + carry :])}
    fixed = {*names[:consts], *jaxpr.const_vars}
    outputs = list(jaxpr.outputs[sums + carry :])
    products: list[SummedProduct | None] = []
    for total, out in zip(names[consts : consts + sums], jaxpr.outputs, strict=False):
        product = _product(total, out, made, readers)
        if product is None or not fixed.isdisjoint(product.inputs):
            products.append(None)
            continue
        for v in product.inputs:
            if v not in rows:
                rows[v] = ("ys", len(outputs))
                outputs.append(v)
        left, right = product.inputs
        products.append(SummedProduct(_over_rows(product.primitive), rows[left], rows[right]))
    staying = [p is None for p in products]
    program = Jaxpr(
        [v for i, v in enumerate(names) if not consts <= i < consts + sums or staying[i - consts]],
        jaxpr.equations,
        [
            *[v for v, stays in zip(jaxpr.outputs, staying, strict=False) if stays],
            *jaxpr.outputs[sums : sums + carry],
            *outputs,
        ],
        jaxpr.const_vars,
        jaxpr.constants,
    )
    return program.dce(), products


def _product(total: Var, out: Atom, made: dict[Atom, Equation], readers: dict[Atom, int]) -> Equation | None:
    """Return the product of fewer numbers that a carry adds to itself, if it does nothing else."""
    added = made.get(out)
    if added is None or type(added.primitive) is not Add or readers[total] != 1 or readers[out] != 1:
        return None
    terms = [v for v in added.inputs if v is not total]
    product = made.get(terms[0]) if len(terms) == 1 else None
    if product is None or type(product.primitive) is not Einsum or readers[terms[0]] != 1:
        return None
    if sum(v.aval.size for v in product.inputs) > product.outputs[0].aval.size:
        return None
    return product if all(type(v) is Var for v in product.inputs) else None


def _over_rows(primitive: Any) -> Einsum:
    """Return the product of all rows, summed over them."""
    operands, out = primitive.subscripts.split("->")
    row = next(letter for letter in "zyxwvutsrqponmlkjihgfedcba" if letter not in primitive.subscripts)
    left, right = operands.split(",")
    return Einsum(canonical(f"{row}{left},{row}{right}->{out}"))
