"""checkpoint: keep less for reverse mode, and compute it again on the way back.

The memory of reverse mode is what the forward pass keeps. A checkpointed function keeps its arguments, and of the rest
only what a policy says; the backward pass runs it again (Griewank and Walther 2008, ch. 12; Chen et al. 2016).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir import Atom, Equation, Jaxpr, Linear, Linearized, Operand, Primitive, ShapedArray, Slot, inline, place
from ..primitives.contraction import Einsum
from ..primitives.families import LinearMap
from ..tracing import ShapeDtypeStruct, Tracer, bind, leaf_aval, leaf_value
from ..transforms.arguments import function_name, locate, owned, positions_of
from ..transforms.inspection import make_jaxpr
from ..transforms.linear import transpose_jaxpr
from ..transforms.sparsity import through
from ..transforms.wrapper import check_callable, transformed
from ..tree import keystr, tree_flatten, tree_flatten_with_path, tree_leaves, tree_map, tree_unflatten
from .applied import Applied
from .flow import leaves_and_tree, rows_length, scan
from .loops import batched_avals, tangents_of
from .programs import (
    batched_program,
    close,
    conditional,
    derive,
    filled,
    pushed_program,
    reached,
    remembered,
    repeated,
    split,
    tangent_of,
    trace_body,
)
from .scan import Scan
from .series import Marks, gathered_series, higher, higher_avals, marks_of, pushed_series
from .while_loop import While

__all__ = [
    "Checkpoint",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "checkpointed_scan",
    "print_saved_residuals",
    "remat",
    "saved_residuals",
]

Policy = Callable[..., bool]


class Checkpoint(Applied):
    """``jaxpr`` applied to the operands; reverse mode keeps them and what the ``policy`` says, and runs it again.

    The compiler does not write the program out in its place: it would find the second run to be the first one.
    """

    jaxpr: Jaxpr
    label: str
    policy: Policy | None = None

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        return self.push(primals, tangents)[1]

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        primitive, some = self._pushed(tuple([t is not None for t in tangents]))
        outs = bind(primitive, *primals, *[t for t in tangents if t is not None])
        count = len(self.jaxpr.outputs)
        dots = iter(outs[count:])
        return outs[:count], [next(dots) if m else None for m in some]

    @remembered
    def _pushed(self, marks: tuple[bool, ...]) -> tuple[Checkpoint, list[bool]]:
        avals, some = self.jaxpr.in_avals, reached(self.jaxpr, marks)

        def both(tracers: list[Any]) -> list[Any]:
            outs, dots = pushed_program(self.jaxpr, marks, some, tracers[: len(avals)], tracers[len(avals) :])
            return [*outs, *dots]

        return self._of(derive(both, [*avals, *tangents_of(avals, marks)], self.label)), some

    def jet(self, order: int, inputs: Sequence[Any]) -> Sequence[Any]:
        marks = marks_of(inputs)
        primitive, some = self._expanded(order, marks)
        outs = bind(primitive, *[x[0] for x in inputs], *higher(inputs, self.jaxpr.in_avals, marks))
        count = len(some)
        return gathered_series(outs[:count], iter(outs[count:]), tuple([(m,) * order for m in some]))

    @remembered
    def _expanded(self, order: int, marks: Marks) -> tuple[Checkpoint, list[bool]]:
        """Return the program of power series: from coefficients of order 0, then the marked others, to the same."""
        avals, some = self.jaxpr.in_avals, reached(self.jaxpr, [any(m) for m in marks])

        def whole(tracers: list[Any]) -> list[Any]:
            series = gathered_series(tracers[: len(avals)], iter(tracers[len(avals) :]), marks)
            outs, rest = pushed_series(self.jaxpr, series, some, order)
            return [*outs, *itertools.chain(*rest)]

        return self._of(derive(whole, [*avals, *higher_avals(avals, marks)], self.label)), some

    def _of(self, jaxpr: Jaxpr) -> Checkpoint:
        return Checkpoint(jaxpr, self.label, self.policy)

    def linearize(self, inputs: Sequence[Any], moving: Sequence[bool]) -> Linearized:
        forward, linear, kept, some = self._split(tuple(moving))
        outs = bind(forward, *inputs)
        count = len(self.jaxpr.outputs)
        slots = [Slot(i, tangent_of(a)) for i, (a, m) in enumerate(zip(self.jaxpr.in_avals, moving, strict=True)) if m]
        operands = [*[inputs[i] for i in kept], *outs[count:], *slots]
        return Linearized(outs[:count], linear, operands, some)

    @remembered
    def _split(self, marks: tuple[bool, ...]) -> tuple[Checkpoint, Checkpoint, list[int], list[bool]]:
        some = reached(self.jaxpr, marks)
        parts = split(self.jaxpr, marks, some, self.label, self._saves)
        return self._of(parts.forward), self._of(parts.linear), parts.inputs, some

    def _saves(self, equation: Equation) -> bool:
        if self.policy is None:
            return False
        return bool(self.policy(equation.primitive, *[v.aval for v in equation.inputs], **equation.params))

    def transpose(self, cts: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
        marks = tuple([type(x) is Linear for x in inputs])
        fixed = [x for x, m in zip(inputs, marks, strict=True) if not m]
        turned = self._transposed(marks, tuple([ct is not None for ct in cts]))
        found = iter(bind(turned, *fixed, *[ct for ct in cts if ct is not None]))
        return [next(found) if m else None for m in marks]

    @remembered
    def _transposed(self, marks: tuple[bool, ...], given: tuple[bool, ...]) -> Checkpoint:
        avals = self.jaxpr.in_avals
        fixed = [a for a, m in zip(avals, marks, strict=True) if not m]
        wanted = [a for a, m in zip(avals, marks, strict=True) if m]
        cts = [v.aval for v, some in zip(self.jaxpr.outputs, given, strict=True) if some]

        def back(tracers: list[Any]) -> list[Any]:
            rest = iter(tracers[len(fixed) :])
            found = transpose_jaxpr(
                self.jaxpr, [next(rest) if some else None for some in given], marks, tracers[: len(fixed)]
            )
            return filled(found, wanted, [True] * len(wanted))

        return self._of(derive(back, [*fixed, *cts], self.label))

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        marks = tuple(batched)
        some = reached(self.jaxpr, marks, derivatives=False)
        outs = bind(self._batched(size, marks, tuple(some)), *inputs)
        return [x if m else repeated(x, size) for x, m in zip(outs, some, strict=True)]

    @remembered
    def _batched(self, size: int, marks: tuple[bool, ...], some: tuple[bool, ...]) -> Checkpoint:
        avals = batched_avals(self.jaxpr.in_avals, size, marks)
        return self._of(
            derive(lambda tracers: batched_program(self.jaxpr, size, tracers, marks, some), avals, self.label)
        )

    def when(self, active: Any, operands: Sequence[Any]) -> Sequence[Any]:
        """Run; call no callback unless ``active``."""
        return bind(self._conditional(), active, *operands)

    @remembered
    def _conditional(self) -> Checkpoint:
        return self._of(conditional(self.jaxpr))

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        return [x.dependence for x in through(self.jaxpr, operands)]


class Name(LinearMap):
    """The identity; its result has a name, by which a policy may save it."""

    label: str

    def impl(self, x: Any) -> Any:
        return x

    def abstract(self, x: ShapedArray) -> ShapedArray:
        return x.strong()

    def transpose(self, ct: Any, inputs: Sequence[Any]) -> tuple[Any]:
        return (ct,)

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Any:
        return bind(self, *inputs)

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        return 0


def checkpoint_name(x: Any, name: str) -> Any:
    """Return the tree ``x``; a policy may save its leaves by ``name``.

    Raises ``TypeError`` for a name that is no string, and for leaves that are no arrays or numbers.

    >>> checkpoint_name(2.0, "product")
    2.0
    """
    _check_names("checkpoint_name", [name])
    leaves, tree = leaves_and_tree(x, "checkpoint_name")
    return tree_unflatten(tree, [bind(Name(name), leaf) for leaf in leaves])


def _check_names(what: str, names: Sequence[Any]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f'{what}: a name must be a string; got {type(name).__name__}. Write {what}(..., "name").')


class checkpoint_policies:  # noqa: N801  a namespace, as in JAX
    """What a checkpointed function keeps: functions ``policy(primitive, *avals, **params) -> bool``."""

    @staticmethod
    def everything_saveable(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
        """Keep all, as without checkpoint."""
        return True

    @staticmethod
    def nothing_saveable(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
        """Keep the arguments alone."""
        return False

    @staticmethod
    def dots_saveable(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
        """Keep the results of matrix products, which are dear to compute again."""
        return isinstance(primitive, Einsum)

    @staticmethod
    def dots_with_no_batch_dims_saveable(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
        """Keep the results of matrix products but those of whole batches of matrices, which are large."""
        return isinstance(primitive, Einsum) and not _batch_indices(primitive)

    @staticmethod
    def save_only_these_names(*names: str) -> Policy:
        """Keep what :func:`checkpoint_name` has given one of ``names``."""
        _check_names("save_only_these_names", names)

        def policy(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
            return isinstance(primitive, Name) and primitive.label in names

        return policy

    @staticmethod
    def save_any_names_but_these(*names: str) -> Policy:
        """Keep what has a name, but for those of ``names``."""
        _check_names("save_any_names_but_these", names)

        def policy(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
            return isinstance(primitive, Name) and primitive.label not in names

        return policy

    @staticmethod
    def save_anything_except_these_names(*names: str) -> Policy:
        """Keep all but what has one of ``names``."""
        _check_names("save_anything_except_these_names", names)

        def policy(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
            return not (isinstance(primitive, Name) and primitive.label in names)

        return policy

    @staticmethod
    def save_from_both_policies(one: Policy, other: Policy) -> Policy:
        """Keep what either policy keeps."""
        for policy_ in (one, other):
            _check_policy("save_from_both_policies", policy_)

        def policy(primitive: Primitive, *avals: ShapedArray, **params: Any) -> bool:
            return one(primitive, *avals, **params) or other(primitive, *avals, **params)

        return policy


def _batch_indices(product: Einsum) -> set[str]:
    """Return the letters of axes that both operands and the result have."""
    operands, out = product.subscripts.split("->")
    x, y = operands.split(",")
    return set(x) & set(y) & set(out)


def _check_policy(what: str, policy: Any) -> None:
    if not callable(policy):
        raise TypeError(
            f"{what}: a policy must be a function of checkpoint_policies, or one of your own; got {policy!r}. "
            "Write checkpoint_policies.dots_saveable."
        )


def checkpoint(
    fun: Callable[..., Any] | None = None,
    *,
    policy: Policy | None = None,
    static_argnums: int | tuple[int, ...] = (),
) -> Any:
    """Make the function that computes ``fun`` and, under reverse mode, keeps only its arguments.

    The backward pass computes the rest again. ``policy`` says what is kept all the same: one of
    :class:`checkpoint_policies`, or a function ``policy(primitive, *avals, **params) -> bool`` of each equation. May be
    nested. Values do not change. Arguments that are neither arrays nor inexact numbers (integers, strings, functions)
    are passed to ``fun`` as they are, and so are those at the positions ``static_argnums``. ``remat`` is another name.

    Raises ``TypeError`` for a ``fun`` or a ``policy`` that is no function.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> grad(checkpoint(lambda x: np.sin(np.sin(x)).sum()))(np.zeros(2))
    array([1., 1.])
    """
    if policy is not None:
        _check_policy("checkpoint", policy)
    return transformed(checkpoint, fun, _checkpoint, policy=policy, static_argnums=static_argnums)


remat = checkpoint


def _may_move(x: Any) -> bool:
    """Tell whether a leaf is traced by a checkpointed function: an array, or a number of inexact dtype."""
    return type(x) is Tracer or isinstance(x, np.ndarray | np.inexact | float | complex)


def _check_leaf(x: Any, path: str, what: str) -> None:
    if _may_move(x):
        leaf_value(x, path, what)


def _checkpoint(fun: Any, args: Any, kwargs: Any, policy: Policy | None, static_argnums: Any) -> Any:
    what = f"checkpoint({function_name(fun)})"
    static = positions_of(static_argnums, len(args), "checkpoint", "static_argnums")
    dynamic = tuple([None if i in static else x for i, x in enumerate(args)])
    raw, tree = tree_flatten((dynamic, kwargs))
    traced = list(map(_may_move, raw))
    given = [x for x, t in zip(raw, traced, strict=True) if t]
    try:
        leaves = [leaf_value(x, "", what) for x in given]
    except TypeError:
        labels = [*[f"argument[{i}]" for i in range(len(args))], "argument"]
        locate(_check_leaf, [*dynamic, kwargs], what, labels)
        raise

    def flat(tracers: list[Any]) -> Any:
        rest = iter(tracers)
        inner, keywords = tree_unflatten(tree, [next(rest) if t else x for x, t in zip(raw, traced, strict=True)])
        return fun(*[args[i] if i in static else x for i, x in enumerate(inner)], **keywords)

    body = trace_body(flat, [leaf_aval(x) for x in given], what, leaves)
    operands = [*body.consts, *leaves]
    outs = bind(Checkpoint(body.jaxpr, function_name(fun), policy), *operands)
    return tree_unflatten(body.out_tree, owned(outs, operands))


def checkpointed_scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    *,
    levels: int | None = 2,
) -> tuple[Any, Any]:
    """Do what :func:`~autotrace.scan` does, and keep far less for reverse mode.

    The loop is cut into a loop of loops, each of which is checkpointed, ``levels`` deep. For n runs, reverse mode keeps
    about ``levels * n ** (1 / levels)`` carries in place of n, and computes each run at most ``levels`` times more.
    ``None`` means log(n) / 2 levels: then memory grows as log(n), about 4 log(n) carries.

    Raises ``ValueError`` for ``levels`` that are not a positive integer, and what ``scan`` raises.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> grad(lambda x: checkpointed_scan(lambda c, _: (np.sin(c), None), x, length=100)[0])(1.0)
    np.float64(0.003698...)
    """
    if levels is not None and (isinstance(levels, bool) or not isinstance(levels, int) or levels < 1):
        raise ValueError(f"checkpointed_scan: levels must be a positive integer or None; got {levels!r}. Give 2.")
    rows, tree = leaves_and_tree(xs, "checkpointed_scan")
    length = rows_length(rows, xs, length, "checkpointed_scan")
    # k levels keep k * n ** (1 / k) carries: e * log(n), the least, for k = log(n). Half as many levels take half the
    # time, and keep a third more.
    depth = max(1, round(math.log(max(length, 2)) / 2)) if levels is None else levels
    return _nested_scan(f, init, rows, tree, length, reverse, depth)


def _nested_scan(
    f: Callable[[Any, Any], Any], init: Any, rows: Sequence[Any], tree: Any, length: int, reverse: bool, levels: int
) -> tuple[Any, Any]:
    """Scan in pieces of equal length, each a nested scan of one level less; what is left over is a piece of its own."""
    pieces = max(2, round(length ** (1 / levels))) if levels > 1 else length
    if levels == 1 or length <= 2:
        return scan(checkpoint(f), init, tree_unflatten(tree, rows), length=length, reverse=reverse)
    size = length // pieces
    whole = size * pieces
    main = slice(length - whole, None) if reverse else slice(None, whole)
    left = slice(None, length - whole) if reverse else slice(whole, None)

    @checkpoint
    def piece(carry: Any, part: Any) -> tuple[Any, Any]:
        return _nested_scan(f, carry, tree_leaves(part), tree, size, reverse, levels - 1)

    chunks = [np.reshape(x[main], (pieces, size, *x.shape[1:])) for x in rows]
    carry, ys = scan(piece, init, tree_unflatten(tree, chunks), length=pieces, reverse=reverse)
    ys = tree_map(lambda y: np.reshape(y, (whole, *y.shape[2:])), ys)
    if whole == length:
        return carry, ys
    carry, rest = _nested_scan(f, carry, [x[left] for x in rows], tree, length - whole, reverse, levels - 1)
    first, second = (rest, ys) if reverse else (ys, rest)
    return carry, tree_map(lambda a, b: np.concatenate([a, b]), first, second)


class Residual(NamedTuple):
    """A value that reverse mode keeps: its type, where it comes from, and the line."""

    aval: ShapedArray
    origin: str

    @property
    def nbytes(self) -> int:
        """Bytes that it takes; of rows whose number only the run tells, those of one."""
        return math.prod([abs(n) for n in self.aval.shape]) * self.aval.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.aval!s:<14} {self.nbytes:>14,} bytes  {self.origin}"


def saved_residuals(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> list[Residual]:
    """Return what reverse mode through ``fun(*args, **kwargs)`` keeps between the forward and the backward pass.

    That is: of the program of the forward pass that ``linearize`` writes, which ``jit(grad(fun))`` runs. A
    ``ShapeDtypeStruct`` may stand for an array: nothing is computed.

    >>> import numpy as np
    >>> [r.origin.split(" at ")[0] for r in saved_residuals(lambda x: np.sin(x) * x, 1.0)]
    ['argument[0]', 'cos', 'sin']
    """
    check_callable(fun, "saved_residuals", "saved_residuals(f, x)")
    raw, tree = tree_flatten((args, kwargs))
    traced = [_is_traced(x) for x in raw]

    def flat(*leaves: Any) -> Any:
        rest = iter(leaves)
        given, keywords = tree_unflatten(tree, [next(rest) if t else x for x, t in zip(raw, traced, strict=True)])
        return fun(*given, **keywords)

    given = [x for x, t in zip(raw, traced, strict=True) if t]
    jaxpr, constants = close(inline(make_jaxpr(flat)(*given)))
    count = len(constants)
    marks = [i >= count and v.aval.inexact for i, v in enumerate(jaxpr.in_vars)]
    parts = split(jaxpr, marks, reached(jaxpr, marks), "saved_residuals")
    paths = [*tree_flatten_with_path(args)[0], *tree_flatten_with_path(kwargs)[0]]
    names = [f"argument{keystr(path)}" for (path, _), t in zip(paths, traced, strict=True) if t]
    names = [*["a constant"] * count, *names]
    kept = [Residual(parts.forward.in_vars[i].aval, names[i]) for i in parts.inputs]
    new = zip(parts.forward.outputs[parts.own :], _origins(parts.forward)[parts.own :], strict=True)
    return [*kept, *[Residual(v.aval, origin) for v, origin in new]]


def _is_traced(x: Any) -> bool:
    """Tell whether a derivative may flow through a leaf, or it is known by shape alone."""
    return isinstance(x, ShapeDtypeStruct | np.inexact | float | complex | Tracer) or (
        isinstance(x, np.ndarray) and x.dtype.kind in "fc"
    )


def _origins(jaxpr: Jaxpr) -> list[str]:
    """Name for each output of ``jaxpr`` the equation that made it, inside a loop or a checkpoint too, and its line."""
    made: dict[Atom, tuple[Equation, int]] = {v: (e, i) for e in jaxpr.equations for i, v in enumerate(e.outputs)}
    return [_origin(*made[v]) if v in made else "" for v in jaxpr.outputs]


def _origin(equation: Equation, position: int) -> str:
    primitive, where = equation.primitive, place(equation.source)
    at = f" at {where}" if where else ""
    if isinstance(primitive, Checkpoint | Scan):
        inner = _origins(primitive.jaxpr)[position]
        if inner:
            return inner if isinstance(primitive, Checkpoint) else f"{inner}, in a loop{at}"
    if isinstance(primitive, Scan | While):
        return f"{'the carry of ' if isinstance(primitive, Scan) else ''}{primitive.name}{at}"
    label = getattr(primitive, "label", None)
    return f"{primitive.name} {label!r}{at}" if label else f"{primitive.name}{at}"


def print_saved_residuals(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Print what reverse mode through ``fun`` keeps, a line for each value: type, bytes, origin and line.

    As :func:`saved_residuals`.

    >>> print_saved_residuals(lambda x: x * x, 2.0)
    f64[]                       8 bytes  argument[0]
                                8 bytes  in all
    """
    residuals = saved_residuals(fun, *args, **kwargs)
    for residual in residuals:
        print(residual)
    total = sum(residual.nbytes for residual in residuals)
    print(f"{'':<14} {total:>14,} bytes  in all")
