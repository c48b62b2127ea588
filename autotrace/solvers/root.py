"""custom_root: the solution of f(x) = 0, differentiated by the implicit function theorem and not through its solver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from ..compile.program import Program
from ..control.flow import as_array, leaves_and_tree
from ..control.loops import batched_avals, tangents_of
from ..control.matching import check_same
from ..control.programs import batched_program, derive, filled, has_effect, remembered, repeated, trace_body
from ..ir import Jaxpr, Primitive, Run, ShapedArray, Var
from ..tracing import bind
from ..transforms.arguments import owned
from ..transforms.batching import batch_jaxpr
from ..transforms.forward import push_forward
from ..transforms.wrapper import check_callable
from ..tree import PyTreeDef, tree_flatten, tree_unflatten
from .checked import checked
from .linear_solve import linear_solve, with_aux

__all__ = ["MappedRoot", "Root", "custom_root", "find_root"]


class Root(Primitive):
    """x of ``f(x) = 0``, found by ``solve``: operands are what f closes over, then what ``solve`` does.

    Outputs are x, of ``tree``, then what else ``solve`` gives. With J the derivative of f in x, J dx = -df, which
    ``tangent_solve`` solves.

    With a ``message``, the last two outputs tell whether x is a root, and a figure for the message: derivatives of what
    is none are errors. With a ``slope_message``, ``tangent_solve`` tells the same of its solution.
    """

    f: Jaxpr
    solve: Jaxpr
    tangent_solve: Callable[..., Any]
    tree: PyTreeDef
    consts: int
    message: str = ""
    slope_message: str = ""
    multiple: ClassVar[bool] = True

    @cached_property
    def effect(self) -> bool:  # type: ignore[override]
        """Whether the program of ``solve`` has equations that must be kept."""
        return has_effect(self.solve)

    @cached_property
    def program(self) -> Program:
        """The program of ``solve``."""
        return Program(self.solve)

    def solver(self, *avals: ShapedArray) -> Jaxpr:
        """Return the program that finds the root, of all operands."""
        inputs = [*[Var(a) for a in avals[: self.consts]], *self.solve.in_vars]
        return Jaxpr(inputs, self.solve.equations, self.solve.outputs, self.solve.const_vars, self.solve.constants)

    def impl(self, *operands: Any) -> Sequence[Any]:
        return self.program(*operands[self.consts :])

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        return [page.call(targets, self.solve, operands[self.consts :], "solve")]

    def runs(self) -> Sequence[Run]:
        return (Run(self.solve),)

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        return self.solve.out_avals

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        fixed, count = list(primals[: self.consts]), self.tree.num_leaves
        x, still = list(outputs[:count]), [None] * count
        _, moved = push_forward(self.f, [*fixed, *x], [*tangents[: self.consts], *still])
        nothing = [None] * len(outputs)
        if all(t is None for t in moved):
            return nothing
        rhs = [-t for t in filled(moved, self.f.out_avals, [True] * count)]
        if self.message:
            rhs = [checked(r, outputs[-2], outputs[-1], self.message) for r in rhs]
        avals = self.f.out_avals

        def slope(v: Any) -> Any:
            dots = push_forward(self.f, [*fixed, *x], [*[None] * self.consts, *tree_flatten(v)[0]])[1]
            return tree_unflatten(self.tree, filled(dots, avals, [True] * count))

        found = linear_solve(
            slope,
            tree_unflatten(self.tree, rhs),
            self.tangent_solve,
            transpose_solve=self.tangent_solve,
            has_aux=bool(self.slope_message),
            message=self.slope_message,
            strict=bool(self.slope_message),
        )
        found = found[0] if self.slope_message else found
        return [*tree_flatten(found)[0], *nothing[count:]]

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        return bind(MappedRoot(self, size, tuple(batched)), *inputs)


class MappedRoot(Primitive):
    """A root for each of ``size`` rows: of the operands so ``batched``, the others are the same for all.

    Its derivative is that of one row, batched; so ``tangent_solve`` never sees a batch.
    """

    inner: Any
    size: int
    batched: tuple[bool, ...]
    multiple: ClassVar[bool] = True

    def rows(self, avals: Sequence[ShapedArray]) -> list[ShapedArray]:
        """Return the avals of one row."""
        return [ShapedArray(a.shape[1:], a.dtype) if b else a for a, b in zip(avals, self.batched, strict=True)]

    @remembered
    def solver(self, *avals: ShapedArray) -> Jaxpr:
        """Return the program that finds all roots."""
        one = self.inner.solver(*self.rows(avals))
        wanted = [True] * len(one.outputs)
        return derive(
            lambda tracers: batched_program(one, self.size, tracers, self.batched, wanted), avals, "custom_root"
        )

    @remembered
    def program(self, *avals: ShapedArray) -> Program:
        """Return it to be run."""
        return Program(self.solver(*avals))

    def impl(self, *operands: Any) -> Sequence[Any]:
        return self.program(*[ShapedArray(x.shape, x.dtype) for x in operands])(*operands)

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        return [page.call(targets, self.solver(*[x.aval.strong() for x in operands]), operands, "solve")]

    @cached_property
    def effect(self) -> bool:  # type: ignore[override]
        """Whether the program of one row has equations that must be kept."""
        return bool(self.inner.effect)

    def runs(self) -> Sequence[Run]:
        return tuple([Run(run.program, run.times and run.times * self.size) for run in self.inner.runs()])

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        outs = self.inner.abstract(*self.rows(avals))
        return tuple(batched_avals(outs, self.size, [True] * len(outs)))

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        moving = tuple([t is not None for t in tangents])
        avals = tuple([ShapedArray(x.shape, x.dtype) for x in primals])
        program, some = self._slope(avals, moving)
        given = [t for t in tangents if t is not None]
        marks = [*self.batched, *[True] * len(outputs), *[b for b, m in zip(self.batched, moving, strict=True) if m]]
        dots, mapped = batch_jaxpr(program, self.size, [*primals, *outputs, *given], marks)
        found = iter([d if m else repeated(d, self.size) for d, m in zip(dots, mapped, strict=True)])
        return [next(found) if m else None for m in some]

    @remembered
    def _slope(self, avals: tuple[ShapedArray, ...], moving: tuple[bool, ...]) -> tuple[Jaxpr, list[bool]]:
        """Return the program of one row's tangents, from primals, outputs and tangents, and which outputs have one."""
        rows = self.rows(avals)
        outs = self.inner.abstract(*rows)
        some: list[bool] = []

        def slope(tracers: list[Any]) -> list[Any]:
            given = iter(tracers[len(rows) + len(outs) :])
            dots = self.inner.jvp(
                tracers[: len(rows)],
                [next(given) if m else None for m in moving],
                tracers[len(rows) : len(rows) + len(outs)],
            )
            some[:] = [d is not None for d in dots]
            return [d for d in dots if d is not None]

        return derive(slope, [*rows, *outs, *tangents_of(rows, moving)], "custom_root"), some

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        return bind(MappedRoot(self, size, tuple(batched)), *inputs)


def custom_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Callable[[Callable[[Any], Any], Any], Any],
    has_aux: bool = False,
) -> Any:
    """Return ``x = solve(f, initial_guess)``, a root of ``f``, whose derivatives are those of the root.

    They do not depend on how it was found: with f(x, p) = 0, dx = -(df/dx)^-1 (df/dp) dp (the implicit function
    theorem). ``f`` maps a tree to one of the same structure and shapes, and may close over what derivatives are asked
    for. ``tangent_solve(g, y)`` solves ``g(v) = y`` for a linear ``g``, and also its transpose in reverse mode:
    ``lambda g, y: y / g(1.0)`` for scalars, :func:`dense_solve` for anything small. It must not close over traced
    values. With ``has_aux``, ``solve`` returns ``(x, aux)`` and so does this.

    Raises ``TypeError`` where ``f`` or ``solve`` returns what is not like the guess.

    >>> import numpy as np
    >>> from autotrace import grad, while_loop
    >>> def newton(f, x):
    ...     return while_loop(lambda x: np.abs(f(x)) > 1e-12, lambda x: x - f(x) / grad(f)(x), x)
    >>> def square_root(a):
    ...     return custom_root(lambda x: x * x - a, 1.0, newton, lambda g, y: y / g(1.0))
    >>> [round(float(f(4.0)), 9) for f in (square_root, grad(square_root), grad(grad(square_root)))]
    [2.0, 0.25, -0.03125]
    """
    for fun, role in ((f, "f"), (solve, "solve"), (tangent_solve, "tangent_solve")):
        check_callable(fun, "custom_root", "custom_root(f, guess, solve, tangent_solve)", role)
    return find_root(f, initial_guess, solve, tangent_solve, has_aux)


def find_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[..., Any],
    tangent_solve: Callable[..., Any],
    has_aux: bool = False,
    *,
    what: str = "custom_root",
    message: str = "",
    slope_message: str = "",
) -> Any:
    """Do what :func:`custom_root` tells, in the name of ``what``; for the messages see :class:`Root`."""
    leaves, tree = leaves_and_tree(initial_guess, what)
    given = [as_array(x) for x in leaves]
    avals = [ShapedArray(x.shape, x.dtype) for x in given]
    body = trace_body(lambda tracers: f(tree_unflatten(tree, tracers)), avals, f"{what}(f)")
    when = ("in the guess", "from f")
    check_same(what, "value of f", tree, avals, body.out_tree, body.jaxpr.out_avals, when)
    trees: list[PyTreeDef] = []

    def run(tracers: list[Any]) -> list[Any]:
        x, aux = with_aux(solve(f, tree_unflatten(tree, tracers)), has_aux, what, "solve")
        (outs, x_tree), (rest, aux_tree) = tree_flatten(x), tree_flatten(aux)
        trees[:] = [x_tree, aux_tree]
        return [*outs, *rest]

    solver = trace_body(run, avals, f"{what}(solve)")
    found = solver.jaxpr.out_avals[: trees[0].num_leaves]
    check_same(what, "root", tree, avals, trees[0], found, ("in the guess", "from solve"))
    operands = [*body.consts, *solver.consts, *given]
    root = Root(body.jaxpr, solver.jaxpr, tangent_solve, tree, len(body.consts), message, slope_message)
    outs = owned(bind(root, *operands), operands)
    x = tree_unflatten(tree, outs[: len(given)])
    return (x, tree_unflatten(trees[1], outs[len(given) :])) if has_aux else x
