"""Dtypes and shapes made equal: the two primitives that do it, and the plan for a list of operands.

Operands of an elementwise equation have equal shapes or rank 0, and the dtypes that NumPy's own loop takes.
What NumPy does silently is written into the program here, once, as ``convert`` and ``broadcast``; so no
rule of any primitive has to think of promotion or to undo a broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..ir import Atom, Literal, Operand, Primitive, ShapedArray, is_inexact
from ..tracing import SCALAR_AVALS, Trace, Tracer, as_operand, bind, here, innermost
from .series import carried

__all__ = [
    "Broadcast",
    "Convert",
    "apply_elementwise",
    "broadcast_to",
    "convert",
    "quick_function",
    "unbroadcast",
]

Array = Any


class Convert(Primitive):
    """The values of ``x`` in another dtype. Linear between inexact dtypes; to a real dtype it takes the real part."""

    dtype: np.dtype[Any]
    taylor = carried

    def impl(self, x: Array) -> Array:
        if self.dtype.kind != "c" and x.dtype.kind == "c":
            x = x.real
        return x.astype(self.dtype)

    def spell(self, page: Any, x: Any) -> str:
        real = ".real" if self.dtype.kind != "c" and x.aval.dtype.kind == "c" else ""
        return f"{x}{real}.astype({page.dtype(self.dtype)})"

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.update(dtype=self.dtype)

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        return bind(self, tangents[0]) if is_inexact(self.dtype) else None

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array]:
        return (convert(ct, inputs[0].dtype) if is_inexact(self.dtype) else None,)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (convert(ct, inputs[0].aval.dtype),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        return bind(self, *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return operands[0].dependence


def convert(x: Array, dtype: Any) -> Array:
    """Return ``x`` as an array of ``dtype``; no equation if it is one."""
    if x.dtype is dtype or x.dtype == dtype:
        return x
    dtype = ShapedArray((), dtype).dtype  # in the machine's order of bytes
    return x if x.dtype == dtype else bind(Convert(dtype), x)


class Broadcast(Primitive):
    """``x`` repeated to ``shape`` by NumPy's rule (trailing axes meet; length 1 stretches). Transpose: a sum."""

    shape: tuple[int, ...]
    view: ClassVar[bool] = True
    stretches: ClassVar[bool] = True
    taylor = carried

    def impl(self, x: Array) -> Array:
        if isinstance(x, np.generic):  # four times as fast: the number's own memory, read again and again
            return np.ndarray(self.shape, x.dtype, x, 0, (0,) * len(self.shape))
        return np.broadcast_to(x, self.shape)

    def spell(self, page: Any, x: Any) -> str:
        return f"np.broadcast_to({x}, {page.value(self.shape)})"

    def abstract(self, x: ShapedArray) -> ShapedArray:
        if np.broadcast_shapes(x.shape, self.shape) != self.shape:
            raise ValueError(f"broadcast: the operand must broadcast to {self.shape}; got {x}{here()}.")
        return x.update(shape=self.shape)

    def jvp(self, primals: Sequence[Array], tangents: Sequence[Array], output: Array) -> Array:
        return bind(self, tangents[0])

    def vjp(self, ct: Array, output: Array, inputs: Sequence[Array], wanted: Sequence[bool]) -> tuple[Array]:
        return (unbroadcast(ct, inputs[0].shape),)

    def transpose(self, ct: Array, inputs: Sequence[Any]) -> tuple[Array]:
        return (unbroadcast(ct, inputs[0].shape),)

    def batch(self, size: int, inputs: Sequence[Array], batched: Sequence[bool]) -> Array:
        (x,) = inputs
        new_axes = (1,) * (len(self.shape) + 1 - x.ndim)
        return broadcast_to(x.reshape((size, *new_axes, *x.shape[1:])), (size, *self.shape))

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        dependence = operands[0].dependence
        return dependence and dependence.broadcast(self.shape)


def broadcast_to(x: Array, shape: tuple[int, ...]) -> Array:
    """Return ``x`` broadcast to ``shape``; no equation if it has that shape."""
    return x if x.shape == shape else bind(Broadcast(shape), x)


def unbroadcast(x: Array, shape: tuple[int, ...]) -> Array:
    """Sum ``x`` down to ``shape``: the transpose of a broadcast from ``shape`` to ``x.shape``."""
    if x.shape == shape:
        return x
    if shape == ():
        return x.sum()
    extra = x.ndim - len(shape)
    stretched = [i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1]
    x = x.sum(axis=(*range(extra), *stretched))
    return x if x.shape == shape else x.reshape(shape)


class _Plan(NamedTuple):
    """How operands of given avals become operands of one equation."""

    steps: tuple[tuple[np.dtype[Any] | None, Broadcast | None], ...] | None
    """For each operand the dtype to bring it to and how to stretch it; None if all fit as they are."""
    out: ShapedArray
    fits: bool
    """No step but the conversion of Python floats to float64."""


_plans: dict[tuple[Any, ...], _Plan] = {}
_PLAN_LIMIT = 100_000


def apply_elementwise(
    primitive: Any, args: tuple[Any, ...], keep_weak: bool = False, fits: dict[Any, ShapedArray] | None = None
) -> Array:
    """Apply an elementwise primitive to any operands that NumPy's function would take.

    Python's own operators keep weak typing (``2.0 * 3.0`` adapts), NumPy's functions end it: ``keep_weak``.
    ``fits`` is told of avals that fit as they are, and what comes out.
    """
    trace = innermost(args)
    if trace is None:
        args = tuple([x if type(x) in _DIRECT else as_operand(x) for x in args])
        trace = innermost(args)
        if trace is None:
            return primitive.impl(*args)
    atoms = tuple(
        [
            x._var
            if type(x) is Tracer and x._trace is trace
            else trace.atom(x if type(x) in _DIRECT else as_operand(x))
            for x in args
        ]
    )
    key = (primitive, *[atom.aval for atom in atoms])
    plan = _plans.get(key)
    if plan is None:
        plan = _make_plan(key)
    if fits is not None and plan.fits and (keep_weak or not plan.out.weak_type):
        fits[key[1] if len(key) == 2 else key[1:]] = plan.out
    if plan.steps is not None:
        atoms = tuple([_fit(trace, atom, *step) for atom, step in zip(atoms, plan.steps, strict=True)])
    result = trace.append(primitive, atoms, plan.out)
    if plan.out.weak_type and not keep_weak:
        result._var.aval = plan.out.strong()
    return result


_FLOAT64 = np.dtype(np.float64)
_FLOAT64_SCALAR = ShapedArray((), _FLOAT64)
_FLOAT_AVAL = SCALAR_AVALS[float]
_DIRECT = frozenset({Tracer, np.float64, *SCALAR_AVALS})


def quick_function(primitive: Any, arity: int, keep_weak: bool = False) -> Callable[..., Array]:
    """Return the public function of an elementwise primitive.

    It is :func:`apply_elementwise` with a short way in front for what nearly every call is: traced operands,
    or a traced operand and an array or a Python float, that fit as they are. ``fits`` remembers those.
    """
    fits: dict[Any, ShapedArray] = {}

    def general(*args: Any) -> Array:
        return apply_elementwise(primitive, args, keep_weak, fits)

    def unary(x: Any) -> Array:
        if type(x) is Tracer:
            var = x._var
            out = fits.get(var.aval)
            if out is not None:
                return x._trace.append(primitive, (var,), out)
        return general(x)

    def binary(x: Any, y: Any) -> Array:
        if type(x) is Tracer:
            trace = x._trace
            u: Atom = x._var
            if type(y) is Tracer:
                v: Atom = y._var
                if y._trace is not trace:
                    if y._trace.order > trace.order:
                        trace, u = y._trace, y._trace.atom(x)
                    else:
                        v = trace.atom(y)
                out = fits.get((u.aval, v.aval))
                if out is not None:
                    return trace.append(primitive, (u, v), out)
            elif type(y) is np.ndarray:
                if y.ndim and y.dtype != object:
                    captured = trace.capture_array(y)
                    out = fits.get((u.aval, captured.aval))
                    if out is not None:
                        return trace.append(primitive, (u, captured), out)
            elif type(y) is float:
                out = fits.get((u.aval, _FLOAT_AVAL))
                if out is not None:
                    return trace.append(primitive, (u, Literal(np.float64(y), _FLOAT64_SCALAR)), out)
        elif type(x) is float and type(y) is Tracer:
            v = y._var
            out = fits.get((_FLOAT_AVAL, v.aval))
            if out is not None:
                return y._trace.append(primitive, (Literal(np.float64(x), _FLOAT64_SCALAR), v), out)
        return general(x, y)

    by_arity: dict[int, Callable[..., Array]] = {1: unary, 2: binary}
    return by_arity.get(arity, general)


def _make_plan(key: tuple[Any, ...]) -> _Plan:
    primitive, *avals = key
    shape, dtypes = _common_shape(primitive, avals), primitive.loop_dtypes(avals)
    steps, targets, are_plain, fits = [], [], True, True
    for aval, dtype in zip(avals, dtypes):
        target = ShapedArray(shape if aval.ndim else (), dtype)
        changed = target.dtype if target.dtype != aval.dtype or aval.weak_type else None
        stretch = Broadcast(target.shape) if target.shape != aval.shape else None
        if changed is not None or stretch is not None:
            are_plain = False
            fits &= stretch is None and aval is _FLOAT_AVAL and changed is _FLOAT64
        targets.append(target)
        steps.append((changed, stretch))
    if primitive.is_typed_by_ufunc:
        out = ShapedArray(shape, dtypes[len(avals)])
    else:
        out = primitive.abstract(*targets)
    # A truth of rank 0 may be Python's, as in (x > 0) * 1.0 for a number x.
    if any([a.weak_type for a in avals]) and all([a.weak_type or (a.dtype == np.bool_ and not a.ndim) for a in avals]):
        out = ShapedArray(out.shape, out.dtype, out.dtype != np.bool_)
    if len(_plans) >= _PLAN_LIMIT:
        _plans.clear()
    plan = _plans[key] = _Plan(None if are_plain else tuple(steps), out, fits)
    return plan


def _common_shape(primitive: Any, avals: Sequence[ShapedArray]) -> tuple[int, ...]:
    """Return the shape that the operands broadcast to; equal ones may have an axis of unknown length."""
    shapes = {aval.shape for aval in avals if aval.ndim}
    if len(shapes) < 2:
        return shapes.pop() if shapes else ()
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"{primitive.name}: operands could not be broadcast together with shapes "
            f"{' '.join(str(aval.shape) for aval in avals)}{here()}. Reshape one of them."
        ) from None


def _fit(trace: Trace, atom: Atom, dtype: np.dtype[Any] | None, stretch: Broadcast | None) -> Atom:
    """Bring one operand to the dtype and shape that its equation needs; literals are converted at once."""
    if dtype is not None:
        if type(atom) is Literal:
            if dtype is _FLOAT64:
                return Literal(np.float64(atom.value), _FLOAT64_SCALAR)
            return Literal(np.asarray(atom.value, dtype)[()], ShapedArray((), dtype))
        if dtype != atom.aval.dtype:
            atom = trace.record(Convert(dtype), (atom,))._var
    if stretch is not None:
        atom = trace.record(stretch, (atom,))._var
    return atom
