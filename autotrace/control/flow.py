"""cond, switch, while_loop, fori_loop, scan, map: Python control flow as single equations.

The functions that they take are traced once, by shape alone, and may close over anything, traced values included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir import Jaxpr, ShapedArray, Var, here
from ..tracing import SCALAR_AVALS, Tracer, as_operand, bind, evaluate, leaf_value
from ..transforms.arguments import function_name, owned
from ..transforms.batching import vmap
from ..transforms.wrapper import check_callable
from ..tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path, tree_map, tree_unflatten
from .cond import Cond
from .loops import stack_aval
from .matching import check_same
from .programs import Body, derive, trace_body
from .scan import Scan
from .while_loop import While

__all__ = ["cond", "fori_loop", "map", "scan", "switch", "while_loop"]


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """Return ``true_fun(*operands)`` where ``pred`` holds, else ``false_fun(*operands)``.

    ``pred`` is one truth; the functions return trees of one structure, shapes and dtypes. Only the one that is chosen
    runs, also under ``vmap``: there each row runs its own.

    Raises ``TypeError`` for a ``pred`` that is no boolean scalar, and where the functions return what does not match.

    >>> import numpy as np
    >>> cond(np.True_, np.sin, np.cos, 0.0)
    np.float64(0.0)
    """
    for fun, role in ((true_fun, "true_fun"), (false_fun, "false_fun")):
        check_callable(fun, "cond", "cond(pred, true_fun, false_fun, x)", role)
    index = _truth(pred, "cond: the predicate")
    return _choose("cond", index, (false_fun, true_fun), ("false_fun", "true_fun"), operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Return ``branches[index](*operands)``; an ``index`` out of range means the nearest branch.

    Raises ``TypeError`` for an ``index`` that is no integer scalar, and where the branches return what does not match;
    ``ValueError`` without branches.

    >>> switch(1, [lambda x: x, lambda x: -x], 3.0)
    np.float64(-3.0)
    """
    if not branches:
        raise ValueError("switch: there must be at least one branch; got none. Give a list of functions.")
    roles = [f"branches[{k}]" for k in range(len(branches))]
    for fun, role in zip(branches, roles, strict=True):
        check_callable(fun, "switch", "switch(index, [f, g], x)", role)
    index = _integer(index, "switch: the index", "Use cond for a truth.")
    return _choose("switch", index, tuple(branches), roles, operands)


def _choose(what: str, index: Any, functions: Sequence[Callable[..., Any]], roles: Sequence[str], operands: Any) -> Any:
    """Record the choice of one of ``functions``, which messages call by their ``roles``."""
    given, tree = leaves_and_tree(operands, what)
    leaves = [as_array(x) for x in given]
    avals = [aval_as_seen(x) for x in leaves]
    bodies = [
        trace_body(lambda tracers, fun=fun: fun(*tree_unflatten(tree, tracers)), avals, f"{what}({function_name(fun)})")  # type: ignore[misc]
        for fun in functions
    ]
    named = [(_named(role, fun), body) for role, fun, body in zip(roles, functions, bodies, strict=True)]
    _check_branches(what, named[::-1] if what == "cond" else named)  # as the user has written them
    consts = [x for body in bodies for x in body.consts]
    branches = []
    for k, body in enumerate(bodies):
        before = [aval_as_seen(x) for other in bodies[:k] for x in other.consts]
        after = [aval_as_seen(x) for other in bodies[k + 1 :] for x in other.consts]
        branches.append(_padded(body, before, after))
    outs = bind(Cond(tuple(branches)), index, *consts, *leaves)
    return tree_unflatten(bodies[0].out_tree, owned(outs, [*consts, *leaves]))


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """Replace ``init_val`` by ``body_fun`` of it as long as ``cond_fun`` of it holds; return what it becomes.

    The value is a tree whose structure, shapes and dtypes stay. Forward and reverse mode both work, to any order;
    reverse mode keeps a row of intermediate values for each run (at most ``AUTOTRACE_LOOP_BYTES`` bytes).
    Under ``vmap`` each row runs as often as it would alone.

    Raises ``TypeError`` where the value changes type, or ``cond_fun`` returns no boolean scalar; ``LoopMemoryError``
    for a loop that keeps too much for reverse mode.

    >>> while_loop(lambda x: x < 100.0, lambda x: 2.0 * x, 3.0)
    np.float64(192.0)
    """
    for fun, role in ((cond_fun, "cond_fun"), (body_fun, "body_fun")):
        check_callable(fun, "while_loop", "while_loop(cond_fun, body_fun, init)", role)
    return _while("while_loop", body_fun, cond_fun, body_fun, init_val)


def _while(
    what: str, named: Any, cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any, weak: int = 0
) -> Any:
    """Run a loop whose body messages call ``what`` of ``named``; its first ``weak`` values are as Python's numbers."""
    leaves, tree = leaves_and_tree(init_val, what)

    def traced(avals: Sequence[ShapedArray]) -> Body:
        seen = [ShapedArray(a.shape, a.dtype, i < weak) for i, a in enumerate(avals)]
        return trace_body(
            lambda tracers: body_fun(tree_unflatten(tree, tracers)), seen, f"{what}({function_name(named)})"
        )

    leaves, body = _settled(what, leaves, init_val, tree, traced, lambda body: (body.out_tree, body.jaxpr.out_avals))
    condition = trace_body(
        lambda tracers: cond_fun(tree_unflatten(tree, tracers)),
        [aval_as_seen(x) for x in leaves],
        f"{what}({function_name(cond_fun)})",
    )
    _check_truth(condition, f"{what}: cond_fun")
    loop = While(condition.jaxpr, body.jaxpr, len(condition.consts), len(body.consts))
    outs = bind(loop, *condition.consts, *body.consts, *leaves)
    return tree_unflatten(tree, owned(outs, [*leaves, *body.consts]))


def fori_loop(
    lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any, *, unroll: int | bool | None = None
) -> Any:
    """Return ``init_val`` replaced by ``body_fun(i, value)`` for each integer from ``lower`` up to ``upper``.

    Plain integers make a :func:`scan`; if one is traced, the loop is a :func:`while_loop`. ``unroll`` is that of
    ``scan``.

    Raises ``TypeError`` for bounds that are not integer scalars, and as :func:`scan`.

    >>> fori_loop(1, 5, lambda i, x: x * i, 1.0)
    np.float64(24.0)
    """
    check_callable(body_fun, "fori_loop", "fori_loop(0, n, body_fun, init)", "body_fun")
    bounds = [
        _integer(x, f"fori_loop: {word}", "Convert it: int(x).") for x, word in ((lower, "lower"), (upper, "upper"))
    ]
    weak = all(type(x) is int or (isinstance(x, Tracer) and x.aval.weak_type) for x in (lower, upper))
    dtype = np.result_type(*[x.dtype for x in bounds])
    if not any(isinstance(x, Tracer) for x in bounds):
        rows = np.arange(int(bounds[0]), int(bounds[1]), dtype=dtype)

        def step(value: Any, i: Any) -> tuple[Any, None]:
            return body_fun(i, value), None

        unroll = 1 if unroll is None else unroll
        return _scan("fori_loop", body_fun, step, init_val, rows, None, False, unroll, weak)[0]
    if unroll is not None and _runs_in_one("fori_loop", unroll, 2) > 1:
        raise ValueError(
            f"fori_loop: a loop of unknown length cannot be unrolled; got unroll={unroll!r}{here()}. "
            "Pass plain integers as bounds, or drop unroll."
        )
    first, last = [x.astype(dtype) for x in bounds]

    def goes_on(state: Any) -> Any:
        return state[0] < last

    def run(state: Any) -> Any:
        return state[0] + dtype.type(1), body_fun(state[0], state[1])

    return _while("fori_loop", body_fun, goes_on, run, (first, init_val), int(weak))[1]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Run ``carry, y = f(carry, x)`` for each row ``x`` of ``xs``; return the last carry and all ``y``, stacked.

    ``xs`` is a tree of arrays whose axis 0 has one ``length``, which must be given if there are none. ``reverse``
    starts from the last row. ``unroll`` writes that many runs into one run of the loop's program; ``True`` all of them.

    Raises ``TypeError`` where the carry changes structure, shape or dtype or ``f`` returns no pair, ``ValueError`` for
    lengths that differ.

    >>> import numpy as np
    >>> scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))
    """
    check_callable(f, "scan", "scan(f, init, xs)")
    return _scan("scan", f, f, init, xs, length, reverse, unroll)


def _scan(
    what: str,
    named: Any,
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    length: int | None,
    reverse: bool,
    unroll: int | bool,
    weak: bool = False,
) -> tuple[Any, Any]:
    """Run ``f``, which messages call ``what`` of ``named``; with ``weak``, rows are as Python's numbers to it."""
    leaves, tree = leaves_and_tree(init, what)
    rows, rows_tree = leaves_and_tree(xs, what)
    length = rows_length(rows, xs, length, what)
    several = _runs_in_one(what, unroll, length)
    row_avals = [ShapedArray(x.shape[1:], x.dtype, weak) for x in rows]
    trees: list[PyTreeDef] = []

    def traced(avals: Sequence[ShapedArray]) -> Body:
        def step(tracers: list[Any]) -> list[Any]:
            pair = f(tree_unflatten(tree, tracers[: len(leaves)]), tree_unflatten(rows_tree, tracers[len(leaves) :]))
            carry, y = _pair(pair)
            (out, out_tree), (ys, ys_tree) = tree_flatten(carry), tree_flatten(y)
            trees[:] = [out_tree, ys_tree]
            return [*out, *ys]

        return trace_body(step, [*avals, *row_avals], f"{what}({function_name(named)})")

    def carried(body: Body) -> tuple[PyTreeDef, Sequence[ShapedArray]]:
        return trees[0], body.jaxpr.out_avals[: trees[0].num_leaves]

    leaves, body = _settled(what, leaves, init, tree, traced, carried)
    if several == 1:
        loop = Scan(body.jaxpr, length, len(body.consts), len(leaves), bool(reverse))
        outs = bind(loop, *body.consts, *leaves, *rows)
    else:
        outs = _unrolled(body, leaves, rows, length, bool(reverse), several)
    outs = owned(outs, [*leaves, *body.consts, *rows])
    return tree_unflatten(tree, outs[: len(leaves)]), tree_unflatten(trees[1], outs[len(leaves) :])


def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """Return ``f`` of each row of ``xs``, stacked: a loop, where ``vmap`` makes one batch of all rows.

    ``xs`` is a tree of arrays of one length. With ``batch_size``, batches of that many rows are run by ``vmap``, one
    after the other.

    >>> import numpy as np
    >>> map(lambda x: x @ x, np.ones((3, 2)))
    array([2., 2., 2.])
    """
    check_callable(f, "map", "map(f, xs)")
    rows, tree = leaves_and_tree(xs, "map")
    length = rows_length(rows, xs, None, "map")
    if batch_size is None:
        return _scan("map", f, lambda _, x: (None, f(x)), None, xs, None, False, 1)[1]
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"map: batch_size must be a positive integer; got {batch_size!r}. Give the number of rows.")
    whole = length - length % batch_size
    parts = []
    if whole:
        chunks = [np.reshape(x[:whole], (whole // batch_size, batch_size, *x.shape[1:])) for x in rows]
        batches = tree_unflatten(tree, chunks)
        done = _scan("map", f, lambda _, x: (None, vmap(f)(x)), None, batches, None, False, 1)[1]
        parts.append(tree_map(lambda y: np.reshape(y, (whole, *y.shape[2:])), done))
    if whole < length:
        parts.append(vmap(f)(tree_unflatten(tree, [x[whole:] for x in rows])))
    return parts[0] if len(parts) == 1 else tree_map(lambda *ys: np.concatenate(ys), *parts)


# -- what they share -------------------------------------------------------------------------------


def leaves_and_tree(tree: Any, what: str) -> tuple[list[Any], PyTreeDef]:
    """Return the leaves of ``tree`` as arrays, Python's numbers as they are, and its structure."""
    raw, treedef = tree_flatten(tree)
    checked = []
    for i, x in enumerate(raw):
        if type(x) in SCALAR_AVALS:
            checked.append(x)
            continue
        try:
            checked.append(leaf_value(x, "", what))
        except TypeError:
            leaf_value(x, f"argument{keystr(tree_flatten_with_path(tree)[0][i][0])}", what, "Close over it.")
            raise
    return checked, treedef


def aval_as_seen(x: Any) -> ShapedArray:
    """Return the aval of a leaf as a loop or a branch sees it: never weakly typed."""
    if type(x) in SCALAR_AVALS:
        return SCALAR_AVALS[type(x)].strong()
    return ShapedArray(x.shape, x.dtype)


def as_array(x: Any) -> Any:
    """Return a leaf as an array: a Python number as NumPy's."""
    return SCALAR_AVALS[type(x)].dtype.type(x) if type(x) in SCALAR_AVALS else x


def _is_weak(x: Any) -> bool:
    return type(x) in SCALAR_AVALS or (type(x) is Tracer and x.aval.weak_type)


def _settled(
    what: str,
    leaves: Sequence[Any],
    init: Any,
    tree: PyTreeDef,
    traced: Callable[[Sequence[ShapedArray]], Body],
    carried: Callable[[Body], tuple[PyTreeDef, Sequence[ShapedArray]]],
) -> tuple[list[Any], Body]:
    """Trace the body, and check that the carry keeps its type. Python's numbers take the dtype that comes back."""
    body = traced([aval_as_seen(x) for x in leaves])
    out_tree, avals = carried(body)
    values = [as_array(x) for x in leaves]
    if out_tree == tree:
        for i, (x, aval) in enumerate(zip(leaves, avals, strict=True)):
            if (
                _is_weak(x)
                and aval.dtype != aval_as_seen(x).dtype
                and np.result_type(aval_as_seen(x).dtype, aval.dtype) == aval.dtype
            ):
                values[i] = values[i].astype(aval.dtype)
        if [v.dtype for v in values] != [aval_as_seen(x).dtype for x in leaves]:
            body = traced([aval_as_seen(v) for v in values])
            out_tree, avals = carried(body)
    check_same(what, "carry", tree, [aval_as_seen(v) for v in values], out_tree, avals, ("at first", "after one run"))
    return values, body


def _check_branches(what: str, named: Sequence[tuple[str, Body]]) -> None:
    (name, first), *others = named
    for other, body in others:
        when = (f"from {name}", f"from {other}")
        check_same(what, "output", first.out_tree, first.jaxpr.out_avals, body.out_tree, body.jaxpr.out_avals, when)


def _named(role: str, fun: Callable[..., Any]) -> str:
    """Return what messages call a branch: its ``role``, its name and where it is defined."""
    code = getattr(fun, "__code__", None)
    where = f" at {code.co_filename}:{code.co_firstlineno}" if code is not None else ""
    return f"{role} ({function_name(fun)}{where})"


def _truth(x: Any, what: str) -> Any:
    x = as_operand(x)
    x = np.bool_(x) if type(x) is bool else x
    if not hasattr(x, "dtype") or x.dtype != bool or x.ndim:
        raise TypeError(f"{what} must be a boolean scalar; got {_shown(x)}{here()}. Compare it: x != 0.")
    return x if isinstance(x, Tracer) else np.bool_(x)


def _check_truth(condition: Body, what: str) -> None:
    avals = condition.jaxpr.out_avals
    if len(avals) != 1 or avals[0].ndim or avals[0].dtype != bool:
        got = ", ".join(str(a) for a in avals) or "nothing"
        raise TypeError(f"{what} must return a boolean scalar; got {got}{here()}. Compare, and reduce with all or any.")


def _shown(x: Any) -> str:
    return str(aval_as_seen(x)) if type(x) in SCALAR_AVALS or hasattr(x, "dtype") else type(x).__name__


def _integer(x: Any, what: str, cure: str) -> Any:
    x = as_operand(x)
    x = x if hasattr(x, "dtype") else np.asarray(x)[()]
    if x.ndim or x.dtype.kind not in "iu":
        raise TypeError(f"{what} must be an integer scalar; got {_shown(x)}{here()}. {cure}")
    return x if isinstance(x, Tracer) else x.astype(x.dtype)


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"scan: the function must return a pair (carry, y); got {type(result).__name__}{here()}. "
            "Return (carry, None) if there is nothing to stack."
        )
    return result


def rows_length(rows: Sequence[Any], xs: Any, length: Any, what: str = "scan") -> int:
    """Return the one length of all ``rows``."""
    for i, x in enumerate(rows):
        if type(x) in SCALAR_AVALS or not x.ndim:
            path = keystr(tree_flatten_with_path(xs)[0][i][0])
            raise ValueError(
                f"{what}: xs must have rows; got a scalar at xs{path}{here()}. Close over it, or stack it."
            )
    lengths = [x.shape[0] for x in rows]
    if length is not None:
        if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 0:
            raise ValueError(f"{what}: length must be an integer of at least 0; got {length!r}. Give a plain integer.")
        lengths.append(int(length))
    if not lengths:
        raise ValueError(f"{what}: the number of rows must be known; got no xs{here()}. Give length.")
    if len(set(lengths)) > 1:
        paths = [keystr(path) for path, _ in tree_flatten_with_path(xs)[0]]
        named = ", ".join(f"{n} at xs{path}" for n, path in zip(lengths, paths, strict=False))
        given = f"; length is {length}" if length is not None else ""
        raise ValueError(
            f"{what}: xs must have one number of rows; got {named}{given}{here()}. Cut them to one length."
        )
    return lengths[0]


def _runs_in_one(what: str, unroll: Any, length: int) -> int:
    """Return how many runs of a scan are written into one run of its loop."""
    if isinstance(unroll, bool | np.bool_):
        return max(length, 1) if unroll else 1
    if not isinstance(unroll, int | np.integer) or unroll < 1:
        raise ValueError(
            f"{what}: unroll must be a positive integer or a truth; got {unroll!r}{here()}. Give how many runs."
        )
    return max(min(int(unroll), length), 1)


def _unrolled(
    body: Body, carry: Sequence[Any], rows: Sequence[Any], length: int, reverse: bool, several: int
) -> list[Any]:
    """Run a scan in whose loop one run is ``several`` of the ``body``; the rows that are left come last."""
    count, consts = len(carry), len(body.consts)
    whole = length - length % several

    def run(operands: Sequence[Any], runs: int) -> list[Any]:
        carry, ys = list(operands[consts : consts + count]), []
        for i in reversed(range(runs)) if reverse else range(runs):
            row = [x[i] for x in operands[consts + count :]]
            outs = evaluate(body.jaxpr, [*operands[:consts], *carry, *row])
            carry = outs[:count]
            ys.append(outs[count:])
        return [*carry, *[np.stack(column) for column in zip(*(ys[::-1] if reverse else ys), strict=True)]]

    if whole == several == length:
        return run([*body.consts, *carry, *rows], length)
    main, left = slice(whole), slice(whole, None)
    if reverse:
        main, left = slice(length - whole, None), slice(length - whole)
    avals = body.jaxpr.in_avals
    chunk_avals = [*avals[: consts + count], *[stack_aval(a, several) for a in avals[consts + count :]]]
    program = derive(lambda tracers: run(tracers, several), chunk_avals, "scan")
    chunks = [np.reshape(x[main], (whole // several, several, *x.shape[1:])) for x in rows]
    outs = bind(Scan(program, whole // several, consts, count, reverse), *body.consts, *carry, *chunks)
    ys = [np.reshape(y, (whole, *y.shape[2:])) for y in outs[count:]]
    if whole == length:
        return [*outs[:count], *ys]
    rest = run([*body.consts, *outs[:count], *[x[left] for x in rows]], length - whole)
    parts = zip(rest[count:], ys, strict=True) if reverse else zip(ys, rest[count:], strict=True)
    return [*rest[:count], *[np.concatenate(pair) for pair in parts]]


def _padded(body: Body, before: Sequence[ShapedArray], after: Sequence[ShapedArray]) -> Any:
    """Return the program of a branch that also takes what the other branches close over."""
    jaxpr, count = body.jaxpr, len(body.consts)
    inputs = [
        *[Var(a) for a in before],
        *jaxpr.in_vars[:count],
        *[Var(a) for a in after],
        *jaxpr.in_vars[count:],
    ]
    return Jaxpr(inputs, jaxpr.equations, jaxpr.outputs, jaxpr.const_vars, jaxpr.constants)
