"""Which traced arrays share memory, as NumPy's arrays would; and writing into them.

A traced array is written by giving its tracer another variable. A view remembers the step by which it came
from its base: a *step* has ``get(x)``, the view of x, and ``put(x, y)``, x with the view replaced by y. A
write to any member of a family of views writes the root through the steps, then renews every other live
member; renewals that nothing uses are dead code. So reading costs nothing, and programs contain no mutation.

``Tracer._alias`` is None for an array of one's own, a :class:`View` for a member of a family, or
:data:`CALLER` for an array that belongs to the caller, and its views: those are never written.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from ..errors import MutationError
from ..ir import ShapedArray, Var, here
from .trace import UNKNOWN, Trace, current_trace, peek
from .tracer import CALLER, Tracer

__all__ = [
    "ReadOnly",
    "View",
    "check_writable",
    "fresh",
    "laid_out_like",
    "link",
    "linked",
    "rebind",
    "traced_constant",
]


class _Storage:
    """What the members of a family share: the variable of the root, and who they are."""

    __slots__ = (
        "callers",
        "count",
        "limit",
        "members",
        "order",
        "origin",
        "rows",
        "trace",
        "undecided",
        "var",
    )

    def __init__(self, trace: Trace, var: Var, callers: bool) -> None:
        self.trace = trace
        self.var = var
        self.origin = (trace, var)
        """The root as it was first: its memory layout is the one that counts."""
        self.order = "K"
        self.callers = callers
        """The memory belongs to the caller of the traced function."""
        self.members: list[weakref.ref[Tracer]] = []
        self.rows: dict[int, list[weakref.ref[Tracer]]] = {}
        """Members within one row of the root, by its number: a write to another row does not reach them."""
        self.count = 0
        self.limit = 16
        self.undecided = False
        """Of some members only the memory layout tells whether they are views."""

    def add(self, member: Tracer, first: Any = None) -> None:
        """Add a member to which the step ``first`` leads from the root."""
        if self.count >= self.limit:
            self._forget_dead()
        self.count += 1
        row = getattr(first, "row", None)
        (self.members if row is None else self.rows.setdefault(row, [])).append(weakref.ref(member))

    def _forget_dead(self) -> None:
        self.members = [ref for ref in self.members if ref() is not None]
        rows = {row: [ref for ref in refs if ref() is not None] for row, refs in self.rows.items()}
        self.rows = {row: refs for row, refs in rows.items() if refs}
        self.count = len(self.members) + sum(map(len, self.rows.values()))
        self.limit = 16 + 2 * self.count

    def reached(self, first: Any = None) -> list[Tracer]:
        """Return the live members that a write by way of the step ``first`` may reach."""
        row = getattr(first, "row", None)
        refs = [*self.members, *(self.rows.get(row, ()) if row is not None else chain(*self.rows.values()))]
        return [member for ref in refs if (member := ref()) is not None]


class View:
    """A place in the tree of views: ``step`` applied to the view ``parent``; the root has no parent."""

    __slots__ = ("parent", "readonly", "shares", "step", "storage")

    def __init__(self, parent: View | None, step: Any, shares: Any, readonly: bool, storage: _Storage | None) -> None:
        self.parent = parent
        self.step = step
        self.shares: Callable[[Any], bool] | None = shares
        """Where it depends on the layout whether NumPy makes a view: asks so of an array like the parent."""
        self.readonly = readonly
        self.storage = storage

    def root(self) -> View:
        node = self
        while node.parent is not None:
            node = node.parent
        return node

    def path(self) -> list[View]:
        """The nodes from below the root down to this one."""
        nodes, node = [], self
        while node.parent is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]


class ReadOnly:
    """The step of a view that NumPy lets nobody write through."""

    __slots__ = ("get",)

    def __init__(self, get: Callable[[Any], Any]) -> None:
        self.get = get


def _root(x: Tracer, callers: bool = False) -> View:
    storage = _Storage(x._trace, x._var, callers)
    if not callers:
        storage.add(x)
    return View(None, None, None, False, storage)


def link(base: Tracer, view: Tracer, step: Any, shares: Any = None, readonly: bool = False) -> Tracer:
    """Let ``view = step.get(base)`` share memory with ``base``; return it.

    ``shares`` decides by an array of the layout of ``base`` whether NumPy would give a view or a copy.
    """
    if type(base) is not Tracer:
        return view
    alias = base._alias
    if view is base or (base.ndim == 0 and (alias is None or alias is CALLER)):
        return view  # a scalar has no memory
    if alias is None:
        alias = base._alias = _root(base)
    elif alias is CALLER:
        if shares is None:
            view._alias = CALLER
            return view
        alias = _root(base, callers=True)
    view._alias = View(alias, step, shares, readonly, None)
    storage: Any = alias.root().storage
    storage.add(view, view._alias.path()[0].step)
    if shares is not None:
        storage.undecided = True
    return view


def linked(x: Tracer, y: Tracer) -> bool:
    """Tell whether two traced arrays share memory: writing one may change the other."""
    if x is y:
        return True
    for alias in (x._alias, y._alias):
        if isinstance(alias, View):
            _settle(alias.root().storage)  # type: ignore[arg-type]
    a, b = x._alias, y._alias
    if isinstance(a, View) and isinstance(b, View):
        return a.root() is b.root()
    return a is b is CALLER


def fresh(x: Any, order: str = "K") -> Any:
    """Return ``x`` under an identity of its own, where NumPy would copy: writing into one leaves the other.

    ``order``: the memory layout of the copy, "C", or "K" for that of ``x``.
    """
    if type(x) is not Tracer:
        return x
    alias = x._alias
    if order == "K" and type(alias) is View and alias.storage is not None:
        order = alias.storage.order
    current = current_trace()
    if current is not None and current is not x._trace and current.is_open and current.order > x._trace.order:
        copy = Tracer(current, current.atom(x))  # type: ignore[arg-type]
    else:
        copy = Tracer(x._trace, x._var)
    if order != "K" and x.ndim > 1:
        copy._alias = _root(copy)
        copy._alias.storage.order = order
    return copy


def laid_out_like(x: Tracer, prototype: Tracer) -> Tracer:
    """Give ``x``, new and of the same shape, the memory layout of ``prototype``; return it."""
    alias = prototype._alias
    if x.ndim > 1:
        storage: Any = x._alias.storage
        storage.origin = (prototype._trace, prototype._var)
        if type(alias) is View and alias.storage is not None:
            storage.origin, storage.order = alias.storage.origin, alias.storage.order
    return x


def traced_constant(array: Any, readonly: bool = False) -> Any:
    """Return ``array`` as a traced array that can be written into; outside of any trace the array itself.

    The program holds a copy. ``readonly``: the array is the caller's, and must not be written.
    """
    trace = current_trace()
    if trace is None or not trace.is_open:
        return array
    x = np.asarray(array)
    tracer = Tracer(trace, trace.constant(ShapedArray(x.shape, x.dtype), np.array(x, order="K")))
    tracer._alias = CALLER if readonly else _root(tracer)
    return tracer


# -- writing -----------------------------------------------------------------------------------------


def check_writable(x: Tracer, what: str) -> None:
    """Raise ``MutationError``, a ``ValueError``, for the caller's arrays and for read-only views."""
    alias = x._alias
    if isinstance(alias, View):
        _settle(alias.root().storage)  # type: ignore[arg-type]
        root = alias.root()
        if root.storage.callers:  # type: ignore[union-attr]
            alias = CALLER
        elif alias.readonly or any(node.readonly for node in alias.path()):
            raise MutationError(
                f"{what}: assignment destination is read-only; got a view of {x.aval}{here()}. "
                "Copy it first: x = x.copy()."
            )
    if alias is CALLER:
        raise MutationError(
            f"{what}: a traced function must not change its caller's arrays; got an argument, or a view of "
            f"one, {x.aval}{here()}. Copy it first: x = x.copy()."
        )
    current = current_trace()
    if current is not None and x._trace is not current and x._trace.is_open and not _made_inside(x, current):
        raise MutationError(
            f"{what}: a traced function must not change arrays made outside of it; got {x.aval} made in "
            f"{x._trace.what}, written in {current.what}{here()}. Copy it first: x = x.copy()."
        )


def _made_inside(x: Tracer, current: Trace) -> bool:
    """Tell whether an array of an enclosing trace was made while the current one is open."""
    owner, var = x._trace, x._var
    alias = x._alias
    if isinstance(alias, View):
        owner, var = alias.root().storage.origin  # type: ignore[union-attr]
    if owner is current:
        return True
    for trace, start in current.marks:
        if trace is owner:
            return any(var is v for equation in owner.equations[start:] for v in equation.outputs)
    return False


def rebind(x: Tracer, value: Any, region: Any = None) -> None:
    """Let ``x`` stand for ``value``, of the same shape and dtype; the arrays that share its memory follow.

    ``region`` is the step to the only part that changes: members that do not touch it are left as they are.
    The caller has called :func:`check_writable`.
    """
    if type(value) is not Tracer:
        trace = current_trace() or x._trace
        value = Tracer(trace, trace.constant(x.aval, np.asarray(value)))
    alias = x._alias
    if alias is None and x.ndim > 1:
        alias = x._alias = _root(x)  # remembers the memory layout, which a write does not change
    if alias is None:
        x._trace, x._var = value._trace, value._var
        return
    storage, path = alias.root().storage, alias.path()
    steps = tuple([node.step for node in path])
    befores = [Tracer(storage.trace, storage.var)]
    for step in steps[:-1]:
        befores.append(step.get(befores[-1]))
    known = {steps: value}
    for depth in range(len(steps) - 1, -1, -1):
        value = known[steps[:depth]] = steps[depth].put(befores[depth], value)
    storage.trace, storage.var = value._trace, value._var
    for part, written in known.items():
        if written.ndim > 1:
            written._trace.layouts[written._var] = (*storage.origin, part)
    _renew(storage, known, steps if region is None else (*steps, region), x, known[steps])


def _renew(storage: _Storage, known: dict[Any, Any], written: tuple[Any, ...], x: Tracer, value: Tracer) -> None:
    """Bring the live members up to date; ``known`` holds values by the steps that lead to them."""
    for member in storage.reached(written[0] if written else None):
        if member is x:
            x._trace, x._var = value._trace, value._var
            continue
        steps = tuple([node.step for node in member._alias.path()])
        if not _disjoint(steps, written):
            found = _derive(known, steps)
            member._trace, member._var = found._trace, found._var


def _derive(known: dict[Any, Any], steps: tuple[Any, ...]) -> Any:
    """The value that ``steps`` lead to, from the longest prefix that is known."""
    depth = len(steps)
    while steps[:depth] not in known:
        depth -= 1
    value = known[steps[:depth]]
    for step in steps[depth:]:
        value = step.get(value)
        depth += 1
        known[steps[:depth]] = value
    return value


def _disjoint(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Tell whether two paths certainly lead to different elements."""
    for a, b in zip(one, other, strict=False):
        if a is not b:
            return type(a) is type(b) and hasattr(a, "disjoint") and a.disjoint(b)
    return False


# -- views that may be copies ------------------------------------------------------------------------


def _settle(storage: _Storage) -> None:
    """Decide which of the undecided members NumPy would have copied; those found a family of their own.

    Runs before anything is written, so that a copy still has the value of its birth.
    """
    if not storage.undecided:
        return
    layouts: dict[Any, Any] = {}
    for member in storage.reached():
        for node in member._alias.path():
            if node.shares is None:
                continue
            if not node.shares(_layout(node.parent, storage, layouts)):
                _settle(_part(node, storage))
                return _settle(storage)
            node.shares = None
    storage.undecided = False


def _layout(node: View, storage: _Storage, layouts: dict[Any, Any]) -> Any:
    """An array with the memory layout that the view ``node`` has in NumPy."""
    if node not in layouts:
        if node.parent is None:
            layouts[node] = _layout_of(*storage.origin, storage)
        else:
            above = _layout(node.parent, storage, layouts)
            layouts[node] = getattr(node.step, "layout", node.step.get)(above)
    return layouts[node]


def _layout_of(trace: Trace, var: Var, storage: _Storage) -> Any:
    value = peek(Tracer(trace, var))
    if value is UNKNOWN or not all(_is_plain(trace, v) for v in trace.layouts):
        value = _rehearsed(trace, var)
    # What the function made itself is packed, whatever views its value may be made of here.
    order: Any = storage.order
    return value if storage.callers else np.empty_like(value, order=order)


def _rehearsed(trace: Trace, var: Var) -> Any:
    """An array such as ``var`` will be; arguments that are not known are zeros in C order.

    What a function wrote over keeps the memory layout that it had.
    """
    values: dict[Any, Any] = {}
    for v, known in [*((v, Tracer(trace, v)) for v in trace.in_vars), *trace.constants.items()]:
        array = peek(known)
        values[v] = np.zeros(v.aval.shape, v.aval.dtype) if array is UNKNOWN else array
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for v, (owner, origin, steps) in trace.layouts.items():
            if owner is trace:
                like = trace.value(origin, values)
                for step in steps:
                    like = getattr(step, "layout", step.get)(like)
                laid = np.empty_like(like, dtype=v.aval.dtype)
                laid[...] = trace.value(v, values)
                values[v] = laid
        return trace.value(var, values)


def _is_plain(trace: Trace, var: Var) -> bool:
    """Tell whether an array that was written over is in C order, and was when it was made."""
    owner, origin, _ = trace.layouts[var]
    arrays = [peek(Tracer(trace, var)), peek(Tracer(owner, origin))]
    return all(isinstance(array, np.ndarray) and array.flags.c_contiguous for array in arrays)


def _part(node: View, storage: _Storage) -> _Storage:
    """Make ``node`` the root of a family of its own: it was a copy."""
    steps = tuple([step.step for step in node.path()])
    value = _derive({(): Tracer(storage.trace, storage.var)}, steps)
    node.parent, node.step, node.shares, node.readonly = None, None, None, False
    node.storage = apart = _Storage(value._trace, value._var, callers=False)
    apart.undecided = True
    members = storage.reached()
    storage.members, storage.rows, storage.count = [], {}, 0
    for member in members:
        path = member._alias.path()
        owner = apart if member._alias.root() is node else storage
        owner.add(member, path[0].step if path else None)
    return apart
