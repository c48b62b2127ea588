"""The way into a compiled program that is called often: one generated function from arguments to result.

Looking up the program for some arguments, taking their tree apart and putting that of the result together cost
more than a small program. So for the kind of arguments of one call a function is written that checks them in
place, runs the program, and returns the result; it returns ``MISS`` for arguments of any other kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compile.codegen import Compiled
from ..compile.program import fresh_outputs
from ..errors import GuardError
from ..ir import Jaxpr
from ..transforms.arguments import owned
from ..tree import PyTreeDef, tree_flatten, tree_structure, tree_unflatten

__all__ = ["MISS", "Shortcut", "shortcut"]

MISS: Any = object()
"""What a short cut returns for arguments that it does not take, and where a guard fails."""

Shortcut = Callable[[tuple[Any, ...]], Any]
"""A function of the tuple of arguments."""

_NUMBERS: dict[type, str] = {float: "float64({})", complex: "complex128({})", bool: "bool_({})"}
"""Python's numbers of one size, as NumPy's. An ``int`` may be too large for any, which others look at."""


def shortcut(args: tuple[Any, ...], compiled: Compiled, out_tree: PyTreeDef) -> Shortcut | None:
    """Return the function of arguments of the kind of ``args``; None where only the general way will do.

    It takes tuples, lists and dicts, nested, of arrays and numbers.
    """
    if not _is_known(args):
        return None
    leaves, tree = tree_flatten(args)
    names = [f"x{i}" for i in range(len(leaves))]
    writer = _Writer()
    writer.check(args, tree_unflatten(tree, names), "args")
    writer.call(leaves, names, compiled, out_tree)
    exec(compile("\n".join(writer.lines), "<autotrace short cut>", "exec"), writer.scope)
    return writer.scope["enter"]


class _Writer:
    """The lines of a short cut, and what they name."""

    def __init__(self) -> None:
        self.lines = ["def enter(args):"]
        self.scope: dict[str, Any] = {
            "MISS": MISS,
            "GuardError": GuardError,
            "ndarray": np.ndarray,
            "float64": np.float64,
            "complex128": np.complex128,
            "bool_": np.bool_,
            "owned": owned,
            "unflatten": tree_unflatten,
        }

    def check(self, given: Any, names: Any, spot: str) -> None:
        """Write the check that what stands at ``spot`` is of the kind of ``given``.

        ``names`` is the tree ``given`` with the name of each leaf in its place.
        """
        kind = type(given)
        if kind is tuple or kind is list:
            self._unless(f"type({spot}) is {kind.__name__} and len({spot}) == {len(given)}")
            for i, (x, name) in enumerate(zip(given, names, strict=True)):
                self.check(x, name, f"{spot}[{i}]")
        elif kind is dict:
            self._unless(f"type({spot}) is dict and len({spot}) == {len(given)}")
            for key, x in given.items():
                local = f"d{len(self.lines)}"
                self.lines.append(f"    {local} = {spot}.get({self._hold(key)}, MISS)")
                self.check(x, names[key], local)
        elif given is None:
            self._unless(f"{spot} is None")
        else:
            self.lines.append(f"    {names} = {spot}")
            self._unless(f"type({names}) is {self._hold(kind)}")
            if kind is np.ndarray:
                dtype, shape = self._hold(given.dtype), self._hold(given.shape)
                self._unless(f"{names}.dtype is {dtype} and {names}.shape == {shape}")

    def call(self, given: Sequence[Any], leaves: Sequence[str], compiled: Compiled, out_tree: PyTreeDef) -> None:
        """Write the call of the program on ``leaves``, which are called so and of the kinds of ``given``."""
        if not compiled.takes_floats:
            leaves = [_NUMBERS.get(type(x), "{}").format(name) for x, name in zip(given, leaves, strict=True)]
        names = [f"y{i}" for i in range(len(compiled.jaxpr.outputs))]
        listed = "".join([f"{name}, " for name in names])
        self.scope |= {"program": compiled.function, "explained": compiled.explained, "out_tree": out_tree}
        self.lines += [
            "    try:",
            f"        {listed + '= ' if names else ''}program({', '.join(leaves)})",
            "    except GuardError:",
            "        return MISS",
            "    except Exception as error:",
            "        raise explained(error) from error.__cause__",
        ]
        results = _own(compiled.jaxpr, names)
        if results is None:
            self.scope["constants"] = compiled.jaxpr.constants
            self.lines.append(f"    {listed}= owned([{listed}], [{''.join([f'{x}, ' for x in leaves])}*constants])")
            results = names
        self.lines.append(f"    return {_text(out_tree, results)}")

    def _unless(self, holds: str) -> None:
        self.lines.append(f"    if not ({holds}): return MISS")

    def _hold(self, value: Any) -> str:
        name = f"c{len(self.scope)}"
        self.scope[name] = value
        return name


def _own(jaxpr: Jaxpr, names: Sequence[str]) -> list[str] | None:
    """Return the expressions of results that share memory with nothing; None where one must look at the arrays."""
    made = fresh_outputs(jaxpr)
    given = {*jaxpr.in_vars, *jaxpr.const_vars}
    results = [
        name if v in made else f"{name}.copy()" if v in given and v.aval.ndim else None
        for name, v in zip(names, jaxpr.outputs, strict=True)
    ]
    return None if None in results else [text for text in results if text is not None]


def _is_known(tree: Any) -> bool:
    """Tell whether a tree holds nothing but tuples, lists, dicts, arrays and numbers of one size."""
    kind = type(tree)
    if kind is tuple or kind is list:
        return all(map(_is_known, tree))
    if kind is dict:
        return all(map(_is_known, tree.values()))
    if kind is np.ndarray:
        return bool(tree.dtype != object and tree.dtype.isnative)  # others are converted first
    return tree is None or kind in _NUMBERS or issubclass(kind, np.generic)


def _text(tree: PyTreeDef, results: Sequence[str]) -> str:
    """Return the expression of the tree with these leaves: no call where it is one, or a tuple or list of them."""
    listed = "".join([f"{x}, " for x in results])
    if tree == tree_structure(0):
        return results[0]
    if tree == tree_structure((0,) * len(results)):
        return f"({listed})"
    if tree == tree_structure([0] * len(results)):
        return f"[{listed}]"
    return f"unflatten(out_tree, ({listed}))"
