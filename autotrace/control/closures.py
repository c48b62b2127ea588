"""closure_convert: what a function closes over, as arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir import Jaxpr, ShapedArray
from ..tracing import Tracer, evaluate
from ..transforms.arguments import function_name
from ..transforms.wrapper import check_callable
from ..tree import PyTreeDef, tree_unflatten
from .flow import leaves_and_tree
from .matching import check_same
from .programs import trace_body
from .rules import strong

__all__ = ["closure_convert"]


class Converted:
    """A function of the arguments, then of what the original one closed over: see :func:`closure_convert`."""

    def __init__(
        self, jaxpr: Jaxpr, fixed: list[Any], types: tuple[PyTreeDef, list[ShapedArray]], out_tree: PyTreeDef, what: str
    ) -> None:
        self._jaxpr = jaxpr
        self._fixed = fixed
        """What is closed over and not traced; None for what is traced, and passed."""
        self._types = types
        self._out_tree = out_tree
        self._what = what

    def __call__(self, *args: Any) -> Any:
        """Return the function of ``args``, of the shapes and dtypes of the examples, with the auxiliary ones behind."""
        count = sum(x is None for x in self._fixed)
        own, aux = args[: len(args) - count], args[len(args) - count :]
        leaves, tree = leaves_and_tree(own, self._what)
        check_same(
            self._what,
            "argument",
            *self._types,
            tree,
            [strong(x) for x in leaves],
            ("in the examples", "in the call"),
            "Pass arguments like the examples.",
        )
        rest = iter(aux)
        consts = [next(rest) if x is None else x for x in self._fixed]
        return tree_unflatten(self._out_tree, evaluate(self._jaxpr, [*consts, *leaves]))

    def __repr__(self) -> str:
        return f"<{self._what}>"


def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Callable[..., Any], list[Any]]:
    """Return ``(converted, aux_args)``: ``converted(*args, *aux_args)`` is ``fun(*args)``, and closes over nothing.

    ``aux_args`` are the traced values that ``fun`` closes over: pass them to a function with rules of its own, which
    differentiates arguments alone. ``example_args`` give structure, shapes and dtypes; ``fun`` is traced once, by
    shape.

    >>> converted, aux_args = closure_convert(lambda x: x + 1.0, 2.0)
    >>> converted(2.0, *aux_args), aux_args
    (np.float64(3.0), [])
    """
    check_callable(fun, "closure_convert", "closure_convert(f, x)")
    what = f"closure_convert({function_name(fun)})"
    leaves, tree = leaves_and_tree(example_args, what)
    avals = [strong(x) for x in leaves]
    body = trace_body(lambda tracers: fun(*tree_unflatten(tree, tracers)), avals, what)
    fixed = [None if type(x) is Tracer else x for x in body.consts]
    aux = [x for x in body.consts if type(x) is Tracer]
    return Converted(body.jaxpr, fixed, (tree, avals), body.out_tree, what), aux
