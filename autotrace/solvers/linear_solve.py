"""custom_linear_solve: the solution of A x = b, where A is a function, differentiated as such and not as its solver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, ClassVar

from ..compile.program import Program
from ..control.flow import as_array, leaves_and_tree
from ..control.loops import batched_avals
from ..control.matching import check_same
from ..control.programs import Body, batched_program, derive, filled, has_effect, remembered, repeated, trace_body
from ..errors import MissingRuleError
from ..ir import Jaxpr, Linear, Primitive, Run, ShapedArray, here
from ..tracing import Tracer, bind, evaluate
from ..transforms.arguments import owned
from ..transforms.forward import push_forward
from ..transforms.linear import transpose_jaxpr
from ..transforms.wrapper import check_callable
from ..tree import PyTreeDef, tree_flatten, tree_unflatten
from .checked import checked, demand

__all__ = ["LinearSolve", "custom_linear_solve", "linear_solve", "with_aux"]


class LinearSolve(Primitive):
    """x of ``matvec(x) = b``, computed by ``solve``; its tangents by ``again``, its cotangents by ``back``.

    ``again`` (``solve`` if there is none) solves the same equation, ``back`` the transposed one. Operands are what the
    programs of ``matvec``, ``solve``, ``again`` and ``back`` close over, ``consts`` of each, then b. Outputs are x,
    then what else ``solve`` gives. Of the constants, those of ``matvec`` alone carry derivatives: A dx = db - dA x.

    With a ``message``, the last two outputs of each solver tell whether it has converged, and a figure for the message:
    derivatives of what has not converged, or by a solver that does not, are errors. ``strict`` solves nothing else.
    """

    matvec: Jaxpr
    solve: Jaxpr
    again: Jaxpr | None
    back: Jaxpr | None
    consts: tuple[int, int, int, int]
    message: str = ""
    strict: bool = False
    multiple: ClassVar[bool] = True

    @cached_property
    def program(self) -> Program:
        """The program of ``solve``."""
        return Program(self.solve)

    @cached_property
    def effect(self) -> bool:  # type: ignore[override]
        """Whether the program of ``solve`` has equations that must be kept."""
        return has_effect(self.solve)

    @cached_property
    def count(self) -> int:
        """The number of arrays in b, and in x."""
        return len(self.matvec.outputs)

    def parts(self, operands: Sequence[Any]) -> list[list[Any]]:
        """Tell operands by their role: constants of the four programs, b."""
        ends = [0, *accumulate(self.consts), len(operands)]
        return [list(operands[a:b]) for a, b in pairwise(ends)]

    def impl(self, *operands: Any) -> Sequence[Any]:
        _, consts, _, _, b = self.parts(operands)
        outs = self.program(*consts, *b)
        if self.strict and self.message:
            demand(outs[-2], outs[-1], self.message)
        return outs

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        _, consts, _, _, b = self.parts(operands)
        return [page.call(targets, self.solve, [*consts, *b], "solve")]

    def runs(self) -> Sequence[Run]:
        return (Run(self.solve),)

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        fixed, consts, _, _, b = self.parts(avals)
        for given, jaxpr in (([*fixed, *b], self.matvec), ([*consts, *b], self.solve)):
            if [(a.shape, a.dtype) for a in given] != [(v.aval.shape, v.aval.dtype) for v in jaxpr.in_vars]:
                raise TypeError(f"linear_solve: operands must be {jaxpr.in_avals}; got {given}.")
        return self.solve.out_avals

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
        fixed, solving, again, back, _ = self.parts(primals)
        fixed_dots, *_, db = self.parts(tangents)
        x = outputs[: self.count]
        _, moved = push_forward(self.matvec, [*fixed, *x], [*fixed_dots, *[None] * self.count])
        rhs = [d if m is None else -m if d is None else d - m for d, m in zip(db, moved, strict=True)]
        nothing = [None] * len(outputs)
        if all(r is None for r in rhs):
            return nothing
        whole = filled(rhs, self.matvec.out_avals, [True] * self.count)
        if self.message and not self.strict:
            whole = [checked(r, outputs[-2], outputs[-1], self.message) for r in whole]
        consts = again if self.again is not None else solving
        dots = bind(self._repeated(), *fixed, *consts, *back, *whole)
        return [*dots[: self.count], *nothing[self.count :]]

    @remembered
    def _repeated(self) -> LinearSolve:
        """Return what solves the equation of the tangents."""
        matvec, solving, again, back = self.consts
        if self.again is None:
            return LinearSolve(self.matvec, self.solve, None, self.back, (matvec, solving, 0, back), self.message, True)
        return LinearSolve(self.matvec, self.again, None, self.back, (matvec, again, 0, back), self.message, True)

    def transpose(self, cts: Sequence[Any], inputs: Sequence[Any]) -> Sequence[Any]:
        fixed, solving, again, back, b = self.parts(inputs)
        if self.back is None:
            raise MissingRuleError(
                f"custom_linear_solve: reverse mode solves the transposed equation; got no way to{here()}. "
                "Give transpose_solve, or symmetric=True if the map is symmetric."
            )
        if any(type(x) is Linear for x in inputs[: sum(self.consts)]):
            raise MissingRuleError(
                "custom_linear_solve: transposition is possible in b alone; got a linear map to be transposed"
                f"{here()}. Differentiate the function instead of transposing it."
            )
        given = filled(cts[: self.count], self.matvec.out_avals, [True] * self.count)
        forth = solving if self.again is None else again
        found = bind(self._turned(), *fixed, *back, *forth, *given)
        none = [None] * sum(self.consts)
        return [*none, *[ct if type(x) is Linear else None for x, ct in zip(b, found, strict=False)]]

    @remembered
    def _turned(self) -> LinearSolve:
        """Return what solves the transposed equation, of the cotangents."""
        assert self.back is not None
        forth = self._repeated()
        turned, (matvec, again, _, back) = transposed(self.matvec, self.consts[0]), forth.consts
        return LinearSolve(turned, self.back, None, forth.solve, (matvec, back, 0, again), self.message, True)

    def batch(self, size: int, inputs: Sequence[Any], batched: Sequence[bool]) -> Sequence[Any]:
        *_, b = self.parts(inputs)
        *_, marks = self.parts(batched)
        whole = [x if mark else repeated(x, size) for x, mark in zip(b, marks, strict=True)]
        return bind(self._batched(size, tuple(batched[: sum(self.consts)])), *inputs[: sum(self.consts)], *whole)

    @remembered
    def _batched(self, size: int, marks: tuple[bool, ...]) -> LinearSolve:
        groups = self.parts(marks)[:4]

        def batched(jaxpr: Jaxpr | None, group: Sequence[bool]) -> Any:
            if jaxpr is None:
                return None
            given = [*group, *[True] * (len(jaxpr.in_vars) - len(group))]
            wanted = [True] * len(jaxpr.outputs)
            return derive(
                lambda tracers: batched_program(jaxpr, size, tracers, given, wanted),
                batched_avals(jaxpr.in_avals, size, given),
                "custom_linear_solve",
            )

        matvec, solve, again, back = map(batched, (self.matvec, self.solve, self.again, self.back), groups)
        return LinearSolve(matvec, solve, again, back, self.consts, self.message, self.strict)


def transposed(matvec: Jaxpr, consts: int) -> Jaxpr:
    """Return the program of the transposed map, of the same constants."""
    fixed = [v.aval for v in matvec.in_vars[:consts]]
    marks = [False] * consts + [True] * (len(matvec.in_vars) - consts)

    def back(tracers: list[Any]) -> list[Any]:
        found = transpose_jaxpr(matvec, tracers[consts:], marks, tracers[:consts])
        return filled(found, matvec.in_avals[consts:], marks[consts:])

    return derive(back, [*fixed, *matvec.out_avals], "custom_linear_solve")


def custom_linear_solve(
    matvec: Callable[[Any], Any],
    b: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    transpose_solve: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """Solve ``matvec(x) = b`` by ``solve(matvec, b)``, and differentiate the solution, not the solver.

    ``b`` and ``x`` are trees of one structure and shapes, ``matvec`` a linear function. Derivatives solve the same
    equation with another right-hand side, reverse mode the transposed one, by ``transpose_solve(vecmat, b)``, or by
    ``solve`` if ``symmetric``. With ``has_aux`` both return ``(x, aux)``; the result is ``(x, aux)``, and aux carries
    no derivative.

    Raises ``TypeError`` where ``matvec`` or ``solve`` returns what is not like ``b``; ``MissingRuleError`` in reverse
    mode without a way to solve the transposed equation.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> A = np.array([[2.0, 0.0], [0.0, 4.0]])
    >>> def f(b):
    ...     x = custom_linear_solve(lambda v: A @ v, b, lambda _, r: np.linalg.solve(A, r), symmetric=True)
    ...     return x.sum()
    >>> grad(f)(np.ones(2))
    array([0.5 , 0.25])
    """
    for fun, role in ((matvec, "matvec"), (solve, "solve"), (transpose_solve or solve, "transpose_solve")):
        check_callable(fun, "custom_linear_solve", "custom_linear_solve(matvec, b, solve, transpose_solve)", role)
    return linear_solve(matvec, b, solve, transpose_solve=transpose_solve, symmetric=symmetric, has_aux=has_aux)


def linear_solve(
    matvec: Callable[[Any], Any],
    b: Any,
    solve: Callable[..., Any],
    *,
    again: Callable[..., Any] | None = None,
    transpose_solve: Callable[..., Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
    message: str = "",
    strict: bool = False,
) -> Any:
    """Do what :func:`custom_linear_solve` tells; ``again``, if given, solves for tangents in place of ``solve``.

    With a ``message``, all solvers return ``(x, aux)``, and the last leaves of aux are ``ok, figure``: see
    :class:`LinearSolve`, also for ``strict``.
    """
    leaves, tree = leaves_and_tree(b, "custom_linear_solve")
    given = [as_array(x) for x in leaves]
    avals = [ShapedArray(x.shape, x.dtype) for x in given]

    def linear(tracers: list[Any]) -> Any:
        return matvec(tree_unflatten(tree, tracers))

    mat = trace_body(linear, avals, "custom_linear_solve(matvec)")
    check_same("custom_linear_solve", "result of matvec", tree, avals, *_result(mat), ("in b", "from it"))
    if symmetric and transpose_solve is None:
        transpose_solve = solve if again is None else again
    forward, aux_tree = _solver(solve, matvec, avals, tree, has_aux, "solve")
    forth: Body | None = None
    back: Body | None = None
    if any(type(x) is Tracer for x in (*mat.consts, *forward.consts, *given)):  # else no derivative can be asked for
        if again is not None:
            forth, _ = _solver(again, matvec, avals, tree, has_aux, "solve")
        if transpose_solve is not None:
            turned = mat.jaxpr if symmetric else transposed(mat.jaxpr, len(mat.consts))

            def vecmat(x: Any) -> Any:
                return tree_unflatten(tree, evaluate(turned, [*mat.consts, *tree_flatten(x)[0]]))

            back, _ = _solver(transpose_solve, vecmat, avals, tree, has_aux, "transpose_solve")
    programs = (mat, forward, forth, back)
    primitive = LinearSolve(
        mat.jaxpr,
        forward.jaxpr,
        forth and forth.jaxpr,
        back and back.jaxpr,
        tuple([0 if body is None else len(body.consts) for body in programs]),  # type: ignore[arg-type]
        message,
        strict,
    )
    operands = [*[x for body in programs if body is not None for x in body.consts], *given]
    outs = owned(bind(primitive, *operands), operands)
    x = tree_unflatten(tree, outs[: len(given)])
    return (x, tree_unflatten(aux_tree, outs[len(given) :])) if has_aux else x


def _result(body: Body) -> tuple[PyTreeDef, Sequence[ShapedArray]]:
    return body.out_tree, body.jaxpr.out_avals


def _solver(
    solve: Callable[..., Any],
    matvec: Callable[[Any], Any],
    avals: Sequence[ShapedArray],
    tree: PyTreeDef,
    has_aux: bool,
    word: str,
) -> tuple[Body, Any]:
    """Trace a solver; returns its program, and the structure of aux."""
    trees: list[PyTreeDef] = []

    def run(tracers: list[Any]) -> list[Any]:
        x, aux = with_aux(solve(matvec, tree_unflatten(tree, tracers)), has_aux, "custom_linear_solve", word)
        (leaves, x_tree), (rest, aux_tree) = tree_flatten(x), tree_flatten(aux)
        trees[:] = [x_tree, aux_tree]
        return [*leaves, *rest]

    body = trace_body(run, avals, f"custom_linear_solve({word})")
    found = body.jaxpr.out_avals[: trees[0].num_leaves]
    check_same("custom_linear_solve", "solution", tree, avals, trees[0], found, ("in b", f"from {word}"))
    return body, trees[1]


def with_aux(found: Any, has_aux: bool, what: str, word: str) -> tuple[Any, Any]:
    """Return what a solver gives as a pair ``(x, aux)``."""
    if not has_aux:
        return found, ()
    if not isinstance(found, tuple) or len(found) != 2:
        raise TypeError(
            f"{what}: with has_aux, {word} must return a pair (x, aux); got {type(found).__name__}{here()}. "
            "Return both, or drop has_aux."
        )
    return found
