"""Families of primitives: what can be derived is derived here, once.

A sine is its ufunc and its derivative; a transposition is its value and its transpose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..ir import Linear, Operand, Primitive, ShapedArray, joined, united
from ..tracing import UFUNCS, UNKNOWN, bind, here, implements, operator, peek
from .promotion import apply_elementwise, broadcast_to, quick_function, unbroadcast
from .series import carried, convolved

__all__ = [
    "Array",
    "Bilinear",
    "Binary",
    "Deferred",
    "Elementwise",
    "LinearMap",
    "Predicate",
    "Unary",
    "elementwise",
    "rearranged",
]

Array = Any
_PYTHON_TYPES = {"b": bool, "i": int, "f": float, "c": complex}
"""Of weakly typed numbers, by the kind of their dtype."""


class Deferred:
    """A cotangent that a ``vjp`` rule leaves to be put together when all that is added to it is known.

    A kind of it says what it can ``absorb``, and how it is ``gathered``; all else that is added is kept beside.
    """

    _rest: Array = None

    def plus(self, other: Any) -> Deferred:
        """Add an array or another deferred cotangent; may change this one."""
        if isinstance(other, Deferred):
            other = other._rest if self.absorb(other) else other.whole()
        if other is not None:
            self._rest = other if self._rest is None else self._rest + other
        return self

    def whole(self) -> Array:
        """Return the cotangent as an array."""
        ct = self.gathered()
        return ct if self._rest is None else self._rest + ct

    def absorb(self, other: Any) -> bool:
        """Take in what ``other`` has gathered, if it is of this kind; tell whether it is."""
        raise NotImplementedError

    def gathered(self) -> Array:
        """Return the sum of what was gathered."""
        raise NotImplementedError


class Elementwise(Primitive, family=True):
    """Works on each element: the Jacobian is diagonal.

    So one formula per operand serves both directions: ``scale_i(t, *inputs, output)`` is the partial
    derivative times ``t``, be it a tangent or a cotangent. ``linear`` lists the operands in which the
    operation is linear; for those ``scale_i`` may use neither that operand nor the output.
    """

    ufunc: ClassVar[Any]
    """NumPy's function, which decides the dtypes."""
    linear: ClassVar[tuple[int, ...]] = ()
    together: ClassVar[bool] = False
    """Linear in the operands ``linear`` together, as a sum is; a product is linear in one at a time."""
    constant: ClassVar[tuple[int, ...]] = ()
    """The operands in which the derivative is zero everywhere."""
    scales: ClassVar[tuple[str, ...]]
    """The names of the methods that scale by the derivative, one for each operand."""
    weak_numbers: ClassVar[bool] = True
    gives_scalars: ClassVar[bool] = True
    is_typed_by_ufunc: ClassVar[bool] = True
    """The output has the dtype that the ufunc gives: ``abstract`` is the family's."""
    weight: ClassVar[int] = 1
    """Real operations for one element: functions in tens, as libraries take about so many times as long for them as
    for a sum. Of complex numbers a sum is two operations, and whatever is more like a product six."""

    def __init_subclass__(cls, family: bool = False, name: str | None = None) -> None:
        cls.is_typed_by_ufunc = cls.abstract is Elementwise.abstract
        super().__init_subclass__(family=family, name=name)

    def loop_dtypes(self, avals: Sequence[ShapedArray]) -> tuple[np.dtype[Any], ...]:
        """Return the dtypes that NumPy's loop takes for operands of these avals, and then those of what it gives."""
        asked: list[Any] = [aval.dtype for aval in avals]
        weak = [aval.weak_type for aval in avals]
        if any(weak) and not all(weak):
            asked = [_PYTHON_TYPES[dtype.kind] if is_weak else dtype for dtype, is_weak in zip(asked, weak)]
        try:
            return tuple(self.ufunc.resolve_dtypes((*asked, *[None] * self.ufunc.nout)))
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}{here()}. Convert the operands first.") from None

    def abstract(self, *avals: ShapedArray) -> ShapedArray:
        shapes = {aval.shape for aval in avals if aval.ndim}
        if len(shapes) > 1:
            raise TypeError(
                f"{self.name}: operands must have equal shapes or rank 0; got {', '.join(map(str, avals))}{here()}. "
                "Broadcast them first."
            )
        given = tuple([aval.dtype for aval in avals])
        dtypes = self.ufunc.resolve_dtypes(given + (None,) * self.ufunc.nout)
        if dtypes[: len(given)] != given:
            raise TypeError(
                f"{self.name}: operands must have dtypes {dtypes[: len(avals)]}; got {', '.join(map(str, avals))}"
                f"{here()}. Convert them first."
            )
        return ShapedArray(shapes.pop() if shapes else (), dtypes[len(given)])

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        total: Array = None
        for scale, t in zip(self.scales, tangents, strict=True):
            if t is not None:
                term = getattr(self, scale)(t, *primals, output)
                total = term if total is None else total + term
        return total if total is None or total.ndim == output.ndim else broadcast_to(total, output.shape)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        cts: list[Array] = []
        for scale, x, want in zip(self.scales, inputs, wanted, strict=True):
            if want:
                c = getattr(self, scale)(ct, *inputs, output)
                cts.append(c if c.ndim == x.ndim else unbroadcast(c, x.shape))
            else:
                cts.append(None)
        return cts

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> Sequence[Array]:
        unknown = [i for i, x in enumerate(inputs) if type(x) is Linear]
        if not set(unknown) <= set(self.linear) or not (
            self._adds_zeros(inputs) if self.together else len(unknown) == 1
        ):
            return super().transpose(ct, inputs)
        cts: list[Array] = [None] * len(inputs)
        for i in unknown:
            cts[i] = unbroadcast(getattr(self, self.scales[i])(ct, *inputs, None), inputs[i].shape)
        return cts

    def _adds_zeros(self, inputs: Sequence[Any]) -> bool:
        """Whether what is added to the linear operands is zero, as far as it is known: else the whole is affine."""
        others = [x for i, x in enumerate(inputs) if i in self.linear and type(x) is not Linear]
        return all(value is UNKNOWN or not np.any(value) for value in map(peek, others))

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        rank = max(getattr(x, "ndim", 0) - b for x, b in zip(inputs, batched, strict=True))  # a literal may be a bool
        return apply_elementwise(self, tuple([_align(x, b, rank) for x, b in zip(inputs, batched, strict=True)]))

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        if all(aval.dtype.kind != "c" for aval in inputs):
            return self.weight * outputs[0].size
        adds = self.together or (len(self.scales) < 2 and len(self.linear) == len(self.scales))
        return self.weight * (2 if adds else 6) * outputs[0].size

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        moving = [x.dependence for i, x in enumerate(operands) if i not in self.constant]
        return united(moving, outputs[0].shape)


def _align(x: Array, batched: bool, rank: int) -> Array:
    """Give a batched operand the rank that the others have, so that its batch axis stays in front."""
    if not batched or x.ndim == rank + 1:
        return x
    return x.reshape((x.shape[0], *(1,) * (rank + 1 - x.ndim), *x.shape[1:]))


class Unary(Elementwise, family=True):
    """One operand. ``derivative(x, y)`` at x, where y is the value, is enough."""

    scales: ClassVar[tuple[str, ...]] = ("scale_x",)
    required: ClassVar[tuple[str, ...]] = (*Primitive.required, "scale_x")

    derivative: ClassVar[Callable[..., Array]]

    def __init_subclass__(cls, family: bool = False, name: str | None = None) -> None:
        if "derivative" in vars(cls) and "scale_x" not in vars(cls):
            cls.scale_x = _scale_by_derivative  # type: ignore[attr-defined]
        super().__init_subclass__(family=family, name=name)

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array]:
        return (self.scale_x(ct, inputs[0], output),)  # type: ignore[attr-defined]


def _scale_by_derivative(self: Any, t: Array, x: Array, y: Array) -> Array:
    return t * self.derivative(x, y)


class Binary(Elementwise, family=True):
    """Two operands: ``scale_x(t, x, y, z)`` and ``scale_y(t, x, y, z)``, where z is the value."""

    scales: ClassVar[tuple[str, ...]] = ("scale_x", "scale_y")
    required: ClassVar[tuple[str, ...]] = (*Primitive.required, "scale_x", "scale_y")


class Predicate(Elementwise, family=True):
    """Elementwise and piecewise constant (comparisons, rounding, logic): the derivative is zero."""

    stops: ClassVar[bool] = True
    scales: ClassVar[tuple[str, ...]] = ()

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> None:
        return None

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[None]:
        return [None] * len(inputs)


class LinearMap(Primitive, family=True):
    """Linear in its one operand: the value and the transpose give both derivatives."""

    required: ClassVar[tuple[str, ...]] = ("impl", "abstract", "transpose", "batch")
    taylor = carried

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        return bind(self, tangents[0])

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> Sequence[Array]:
        return self.transpose(ct, (Linear(_aval(inputs[0])),))

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0


class Bilinear(Primitive, family=True):
    """Linear in each of its two operands: the value gives the derivative of any order."""

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        (x, y), (dx, dy) = primals, tangents
        if dx is None:
            return bind(self, x, dy)
        return bind(self, dx, y) if dy is None else bind(self, dx, y) + bind(self, x, dy)

    def taylor(self, k: int, inputs: Sequence[Any], output: Any) -> Array:
        return convolved(partial(bind, self), inputs[0], inputs[1], k)


def rearranged(primitive: Primitive, operands: Sequence[Operand]) -> Any:
    """Return the dependence of what puts together elements of its operands, and zeros, by their place alone."""
    return joined([x.dependence for x in operands], [x.shape for x in operands], primitive.impl)


def _aval(x: Array) -> ShapedArray:
    return x.aval if hasattr(x, "aval") else ShapedArray(x.shape, x.dtype)


def elementwise(
    primitive: Elementwise, *numpy_names: Any, operators: tuple[str, str | None] | None = None
) -> Callable[..., Array]:
    """Make the public function of an elementwise primitive and let NumPy's own (``numpy_names``) call it.

    By default that is the primitive's ufunc, unless another primitive has it: a primitive of one's own may name any
    ufunc that treats dtypes as it does.
    """

    arity = len(primitive.scales) or primitive.ufunc.nin
    function = quick_function(primitive, arity)
    function.__name__ = function.__qualname__ = primitive.name
    function.__doc__ = type(primitive).__doc__
    if operators is not None:
        operator(*operators)(quick_function(primitive, arity, keep_weak=True))
    names = numpy_names or [ufunc for ufunc in (primitive.ufunc,) if ufunc not in UFUNCS]
    return implements(*names)(function)
