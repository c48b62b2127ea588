"""Sums of products as contractions: what ``np.sum(x * y, axis)`` computes, without the products in memory.

Products and sums come in another order, so results differ by rounding. Left alone are products of large arrays that
elementwise equations make: those run block by block, and never reach memory either.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters

from ..ir import Atom, Equation, Jaxpr, Literal, Var, eliminate_dead_code
from ..primitives.arithmetic import Add, Mul, Neg
from ..primitives.contraction import Einsum, canonical
from ..primitives.families import Elementwise
from ..primitives.promotion import Broadcast
from ..primitives.reduction import ReduceSum
from ..primitives.shape import Reshape
from ..tracing import infer
from .fusion import SMALLEST

__all__ = ["contract_sums"]


def contract_sums(jaxpr: Jaxpr) -> Jaxpr:
    """Return ``jaxpr`` with sums of products as ``einsum``, the sum of ``-x`` as that of x, negated, and ``c x + c x``
    as ``(2 c) x`` for a number c.
    """
    made: dict[Atom, Equation] = {e.outputs[0]: e for e in jaxpr.equations if len(e.outputs) == 1}
    readers: dict[Atom, int] = {}
    for atom in (*jaxpr.outputs, *[v for e in jaxpr.equations for v in e.inputs]):
        readers[atom] = readers.get(atom, 0) + 1
    equations: list[Equation] = []
    for equation in jaxpr.equations:
        kind = type(equation.primitive)
        found: Sequence[Equation] | None = None
        if kind is ReduceSum and readers[equation.inputs[0]] == 1:
            found = _summed(equation, made)
        elif kind is Add and equation.inputs[0] is equation.inputs[1] and readers[equation.inputs[0]] == 2:
            found = _doubled(equation, made)
        equations.extend([equation] if found is None else found)
    if len(equations) == len(jaxpr.equations) and all(a is b for a, b in zip(equations, jaxpr.equations, strict=True)):
        return jaxpr
    return eliminate_dead_code(jaxpr.replace(equations=equations))


def _summed(equation: Equation, made: dict[Atom, Equation]) -> Sequence[Equation] | None:
    """Return the equations that sum with less work, if there are any."""
    negated = _negated(equation, made)
    if negated is not None:
        total, negative = negated
        return [*(_summed(total, made) or [total]), negative]
    return _contracted(equation, made)


def _contracted(equation: Equation, made: dict[Atom, Equation]) -> list[Equation] | None:
    """Return the equations that sum products without making them."""
    product = made.get(equation.inputs[0])
    axes = equation.primitive.axes  # type: ignore[attr-defined]
    if product is None or type(product.primitive) is not Mul or not axes:
        return None
    aval = product.outputs[0].aval
    if aval.dtype.kind != "f" or aval.dtype.itemsize < 4 or min(aval.shape) < 1 or aval.ndim > 8:
        return None
    if aval.size >= SMALLEST and any(_is_elementwise(made.get(v)) for v in product.inputs):
        return None
    before: list[Equation] = []
    parts = [_unstretched(v, aval.shape, made, before) for v in product.inputs]
    letters, operands = [p[0] for p in parts], [p[1] for p in parts]
    kept = "".join(c for i, c in enumerate(ascii_letters[: aval.ndim]) if i not in axes)
    summed = {c for i, c in enumerate(ascii_letters[: aval.ndim]) if i in axes}
    if not (summed <= {*letters[0]} & {*letters[1]} and {*kept} <= {*letters[0]} | {*letters[1]}):
        return None
    subscripts = canonical(f"{letters[0]},{letters[1]}->{kept}")
    return [*before, Equation(Einsum(subscripts), tuple(operands), equation.outputs, equation.source)]


def _negated(equation: Equation, made: dict[Atom, Equation]) -> list[Equation] | None:
    """Return the equations that negate the sum rather than its terms; where they cancel, its zero may change sign."""
    negative, (out,) = made.get(equation.inputs[0]), equation.outputs
    if negative is None or type(negative.primitive) is not Neg or out.aval.dtype.kind not in "fc":
        return None
    total = Var(out.aval)
    return [
        equation._replace(inputs=negative.inputs, outputs=(total,)),
        Equation(Neg(), (total,), (out,), equation.source),
    ]


def _is_elementwise(equation: Equation | None) -> bool:
    return equation is not None and isinstance(equation.primitive, Elementwise)


def _unstretched(
    atom: Atom, shape: tuple[int, ...], made: dict[Atom, Equation], before: list[Equation]
) -> tuple[str, Atom]:
    """Return the axes that an operand has before it is stretched to ``shape``, and what has them."""
    if type(atom) is Literal or not atom.aval.ndim:
        return "", atom
    equation = made.get(atom)
    if equation is None or type(equation.primitive) is not Broadcast:
        return ascii_letters[: len(shape)], atom
    narrow = equation.inputs[0]
    own = (1,) * (len(shape) - narrow.aval.ndim) + narrow.aval.shape
    kept = [i for i, n in enumerate(own) if n != 1]
    letters = "".join(ascii_letters[i] for i in kept)
    squeezed = tuple(own[i] for i in kept)
    reshaped = made.get(narrow)
    if reshaped is not None and type(reshaped.primitive) is Reshape and reshaped.inputs[0].aval.shape == squeezed:
        return letters, reshaped.inputs[0]
    if narrow.aval.shape != squeezed:
        primitive = Reshape(squeezed)
        out = Var(infer((primitive, narrow.aval)))
        before.append(Equation(primitive, (narrow,), (out,), equation.source))
        narrow = out
    return letters, narrow


def _doubled(equation: Equation, made: dict[Atom, Equation]) -> list[Equation] | None:
    scaled = made.get(equation.inputs[0])
    if scaled is None or type(scaled.primitive) is not Mul or equation.outputs[0].aval.dtype.kind != "f":
        return None
    number, x = scaled.inputs
    if type(number) is not Literal or equation.outputs[0].aval.dtype.itemsize < 4:
        return None  # twice a number of half precision may overflow
    if not 1e-30 < abs(float(number.value)) < 1e30:
        return None
    double = Literal(number.value + number.value)
    return [Equation(Mul(), (double, x), equation.outputs, equation.source)]
