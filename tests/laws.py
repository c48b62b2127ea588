"""The laws that every differentiable function satisfies, as functions of a catalogue case.

Each raises ``AssertionError`` where the law is broken. ``tests/test_laws.py`` runs them on the catalogue,
``tests/test_checker.py`` shows that they catch wrong rules.
"""

import os
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np

from autotrace import (
    check_jaxpr,
    eval_jaxpr,
    float0,
    jit,
    jvp,
    linear_transpose,
    linearize,
    load_jaxpr,
    make_jaxpr,
    parse_jaxpr,
    vjp,
    vmap,
)
from autotrace.ir import DYNAMIC, Jaxpr, Literal, referenced
from autotrace.ir.print import WRITTEN_OUT
from autotrace.test_util import inner_product, numerical_jvp, random_like
from autotrace.tree import tree_flatten, tree_leaves, tree_unflatten
from tests.catalogue import Case

EXACT = 1e-12
"""Relative error of what differs by rounding only."""


class Problem:
    """A case as a function of a flat list of leaves, those that derivatives or batches may move."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.all_leaves, self.tree = tree_flatten(case.args)
        spots = _argument_numbers(case.args)
        self.places = [
            i for i, x in enumerate(self.all_leaves) if _moves(x) or (spots[i] in case.traced and _is_array(x))
        ]
        self.leaves = [self.all_leaves[i] for i in self.places]
        self.moving = [i for i, x in enumerate(self.leaves) if _moves(x)]
        self.rng = np.random.default_rng(zlib.crc32(case.id.encode()))

    def __call__(self, *leaves: Any) -> list[Any]:
        """The function, its outputs as a list of leaves."""
        whole = list(self.all_leaves)
        for place, leaf in zip(self.places, leaves, strict=True):
            whole[place] = leaf
        return tree_leaves(self.case.function(*tree_unflatten(self.tree, whole), **self.case.kwargs))

    @property
    def exact(self) -> float:
        """Relative error of what differs by rounding only, in the precision of the case."""
        widths = {x.dtype.itemsize // (2 if x.dtype.kind == "c" else 1) for x in numbers(self.point)}
        return EXACT if min(widths, default=8) == 8 else 1e-5

    @property
    def point(self) -> list[Any]:
        """The leaves that derivatives move."""
        return [self.leaves[i] for i in self.moving]

    def smooth(self, *point: Any) -> list[Any]:
        """The function of the leaves that derivatives move, those outputs that can move."""
        return [y for y in self.at(*point) if _dtype(y).kind in "fcO"]

    def at(self, *point: Any) -> list[Any]:
        """The function of the leaves that derivatives move."""
        leaves = list(self.leaves)
        for i, x in zip(self.moving, point, strict=True):
            leaves[i] = x
        return self(*leaves)


def _argument_numbers(args: Sequence[Any]) -> list[int]:
    return [number for number, arg in enumerate(args) for _ in tree_leaves(arg)]


def _moves(x: Any) -> bool:
    return isinstance(x, float | complex | np.ndarray | np.generic) and np.asarray(x).dtype.kind in "fc"


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic)


def _dtype(x: Any) -> np.dtype:
    return x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


# -- comparing -------------------------------------------------------------------------------------


def assert_same(got: Any, expected: Any, what: str, tolerance: float = EXACT) -> None:
    """Equal lists of arrays: number, shapes, dtypes, and values up to ``tolerance`` of the largest."""
    assert_alike(got, expected, what)
    for i, (x, y) in enumerate(zip(tree_leaves(got), tree_leaves(expected), strict=True)):
        if _dtype(y) != float0:
            assert_near(x, y, f"{what}, output {i}", tolerance)


def assert_alike(got: Any, expected: Any, what: str) -> None:
    """Lists of arrays of equal number, shapes and dtypes."""
    got, expected = tree_leaves(got), tree_leaves(expected)
    assert len(got) == len(expected), f"{what}: {len(expected)} outputs expected; got {len(got)}"
    for i, (x, y) in enumerate(zip(got, expected, strict=True)):
        assert _dtype(x) == _dtype(y), f"{what}, output {i}: dtype {_dtype(y)} expected; got {_dtype(x)}"
        assert np.shape(x) == np.shape(y), f"{what}, output {i}: shape {np.shape(y)} expected; got {np.shape(x)}"


def assert_near(x: Any, y: Any, what: str, tolerance: float) -> None:
    """Equal values up to ``tolerance`` of the largest; NaN equals only NaN, infinities themselves."""
    x, y = np.asarray(x), np.asarray(y)
    if y.dtype.kind not in "fc":
        assert np.array_equal(x, y), f"{what}: expected\n{y}\ngot\n{x}"
        return
    if not y.size:
        return
    finite = np.abs(y[np.isfinite(y)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    close = np.isclose(x, y, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
    assert close.all(), f"{what}: expected\n{y}\ngot\n{x}"


@contextmanager
def quiet() -> Iterator[None]:
    """Let functions warn at edges: the law of warnings looks at those."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def recorded(function: Callable[..., Any], *args: Any) -> tuple[Any, set[tuple[str, str]]]:
    """The value of a call, and the warnings that it gave: category, and NumPy's first words."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn"):
        warnings.simplefilter("always")
        value = function(*args)
    return value, {(w.category.__name__, _words(str(w.message))) for w in caught}


def _words(message: str) -> str:
    return message.split(" encountered")[0].rstrip(".")  # the full stop comes and goes with NumPy's version


def numbers(leaves: Sequence[Any]) -> list[Any]:
    """Leaves as NumPy arrays and scalars."""
    return [x if _is_array(x) else np.asarray(x)[()] for x in leaves]


def _known(shape: tuple[int, ...], told: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, unknown in the axes of which the program says that their lengths are known at run time only."""
    if len(shape) != len(told):
        return shape
    return tuple([t if t == DYNAMIC else n for n, t in zip(shape, told, strict=True)])


def run_checked(jaxpr: Jaxpr, leaves: Sequence[Any], what: str) -> list[Any]:
    """Evaluate a program, asserting that every value is what its type says."""
    check_jaxpr(jaxpr)
    env = dict(zip(jaxpr.const_vars, jaxpr.constants, strict=True))
    env.update(zip(jaxpr.in_vars, numbers(leaves), strict=True))
    for equation in jaxpr.equations:
        primitive, inputs, outputs, _ = equation
        result = primitive.impl(*[v.value if type(v) is Literal else env[v] for v in inputs])
        results = result if primitive.multiple else (result,)
        for var, value in zip(outputs, results, strict=True):
            got = (_known(np.shape(value), var.aval.shape), _dtype(value))
            assert got == (var.aval.shape, var.aval.dtype), f"{what}: {primitive} says {var.aval}; computes {got}"
            env[var] = value
    return [v.value if type(v) is Literal else env[v] for v in jaxpr.outputs]


# -- the laws --------------------------------------------------------------------------------------


def value(p: Problem) -> None:
    """The traced function returns what NumPy returns: values, dtypes, shapes; so do jvp and vjp."""
    with quiet():
        expected = p(*p.leaves)
        jaxpr = make_jaxpr(p)(*p.leaves)
        assert_same(eval_jaxpr(jaxpr, *numbers(p.leaves)), expected, "value")
        dots = random_like(p.point, p.rng)
        assert_same(jvp(p.at, tuple(p.point), tuple(dots))[0], expected, "value of jvp")
        assert_same(vjp(p.at, *p.point)[0], expected, "value of vjp")
        assert_same(linearize(p.at, *p.point)[0], expected, "value of linearize")


def warned(p: Problem) -> None:
    """The program warns where NumPy warns, and of the same; of what is deprecated tracing does."""
    _, expected = recorded(p, *p.leaves)
    jaxpr, traced = recorded(make_jaxpr(p), *p.leaves)
    _, got = recorded(eval_jaxpr, jaxpr, *numbers(p.leaves))
    got |= {warning for warning in traced if warning[0] == "DeprecationWarning"}
    assert got == expected, f"warnings: {expected} expected; got {got}"


def check(p: Problem) -> None:
    """Programs of the function, its jvp and its vjp are well typed, and every value is what its type says."""
    with quiet():
        jaxpr = make_jaxpr(p)(*p.leaves)
        run_checked(jaxpr, p.leaves, "program")
        point, dots = p.point, random_like(p.point, p.rng)
        forward = make_jaxpr(lambda x, dx: jvp(p.smooth, tuple(x), tuple(dx))[1])(point, dots)
        expected = jvp(p.smooth, tuple(point), tuple(dots))[1]
        assert_same(run_checked(forward, [*point, *dots], "jvp"), expected, "program of jvp")
        cts = random_like(expected, p.rng)
        reverse = make_jaxpr(lambda x, ct: vjp(p.smooth, *x)[1](ct))(point, cts)
        pulled = vjp(p.smooth, *point)[1](cts)
        assert_same(run_checked(reverse, [*point, *cts], "vjp"), pulled, "program of vjp")
        assert_alike(pulled, numbers(point), "types of vjp")
        assert_alike(expected, p.smooth(*point), "types of jvp")


def _zeros(arrays: Any) -> list[Any]:
    return [np.zeros(np.shape(x), _dtype(x)) for x in arrays]


def numeric(p: Problem) -> None:
    """jvp is the central difference in a random direction; of integers it is float0."""
    with quiet():
        point = tuple(p.point)
        dots = tuple(random_like(point, p.rng))
        out, tangent = jvp(p.at, point, dots)
        for y, dy in zip(out, tangent, strict=True):
            assert _dtype(dy) == (_dtype(y) if _dtype(y).kind in "fc" else float0), (
                f"tangent of {_dtype(y)}: {_dtype(dy)}"
            )
        slopes = jvp(p.smooth, point, dots)[1]
        expected = _zeros(slopes) if not p.case.differentiable else numerical_jvp(p.smooth, point, dots)
        assert_same(slopes, expected, "jvp", p.case.tolerance)


def transpose(p: Problem) -> None:
    """<u, J v> = <J^T u, v>; and derivatives in some of the arguments are parts of the whole one."""
    with quiet():
        point = tuple(p.point)
        dots = tuple(random_like(point, p.rng))
        pushed = jvp(p.smooth, point, dots)[1]
        cts = random_like(pushed, p.rng)
        pulled = vjp(p.smooth, *point)[1](cts)
        left, right = inner_product(cts, pushed), inner_product(pulled, dots)
        scale = sum(float(np.sum(np.abs(ct) * np.abs(t))) for ct, t in zip(cts, pushed, strict=True))
        scale += sum(float(np.sum(np.abs(ct) * np.abs(t))) for ct, t in zip(pulled, dots, strict=True))
        assert_near(left, right, "<u, J v> = <J^T u, v>", p.exact * max(1.0, scale if np.isfinite(scale) else 1.0))
        if len(point) > 1:
            _check_parts(p, point, dots, cts, pushed, pulled)


def _check_parts(p: Problem, point: Any, dots: Any, cts: Any, pushed: Any, pulled: Any) -> None:
    total = _zeros(pushed)
    for i in range(len(point)):

        def partial(x: Any, i: int = i) -> Any:
            return p.smooth(*point[:i], x, *point[i + 1 :])

        part = jvp(partial, (point[i],), (dots[i],))[1]
        total = [a + b for a, b in zip(total, part, strict=True)]
        assert_same(vjp(partial, point[i])[1](cts)[0], pulled[i], f"vjp in argument {i} alone")
    assert_same(total, pushed, "sum of the partial jvp")


def second_order(p: Problem) -> None:
    """The derivative of <u, f> twice: numeric, and alike in every order of the modes."""
    with quiet():
        point = tuple(p.point)
        dots = tuple(random_like(point, p.rng))
        cts = random_like(p.smooth(*point), p.rng)

        def gradient(*x: Any) -> Any:
            return vjp(p.smooth, *x)[1](cts)

        def slope(*x: Any) -> Any:
            return jvp(p.smooth, x, dots)[1]

        forward_reverse = jvp(gradient, point, dots)[1]
        expected = numerical_jvp(gradient, point, dots)
        assert_same(forward_reverse, expected, "forward over reverse", 10 * p.case.tolerance)
        assert_same(vjp(gradient, *point)[1](dots), forward_reverse, "reverse over reverse", 1e-10)
        assert_same(vjp(slope, *point)[1](cts), forward_reverse, "reverse over forward", 1e-10)
        curved = jvp(slope, point, dots)[1]
        assert_near(inner_product(cts, curved), inner_product(forward_reverse, dots), "forward over forward", 1e-10)


def linear(p: Problem) -> None:
    """linearize gives the map that jvp applies; its transpose is vjp."""
    with quiet():
        point = tuple(p.point)
        dots = tuple(random_like(point, p.rng))
        _, mapping = linearize(p.smooth, *point)
        pushed = jvp(p.smooth, point, dots)[1]
        assert_same(mapping(*dots), pushed, "linearize")
        check_jaxpr(mapping.jaxpr)
        cts = random_like(pushed, p.rng)
        assert_same(
            linear_transpose(mapping, *numbers(point))(cts),
            vjp(p.smooth, *point)[1](cts),
            "transpose of linearize",
        )


def float32(p: Problem) -> None:
    """In single precision everything stays in it: values, tangents and cotangents."""
    with quiet():
        low = Problem(Case(**{**vars(p.case), "args": tree_unflatten(p.tree, [_lower(x) for x in p.all_leaves])}))
        expected = low(*low.leaves)
        got = eval_jaxpr(make_jaxpr(low)(*low.leaves), *numbers(low.leaves))
        assert_same(got, expected, "value", 1e-5)
        point, dots = tuple(low.point), tuple(random_like(low.point, p.rng))
        pushed = jvp(low.smooth, point, dots)[1]
        assert_alike(pushed, [y for y in expected if _dtype(y).kind in "fc"], "jvp")
        cts = random_like(pushed, p.rng)
        assert_alike(vjp(low.smooth, *point)[1](cts), numbers(point), "vjp")


_LOWER = {np.dtype("f8"): np.dtype("f4"), np.dtype("c16"): np.dtype("c8")}


def _lower(x: Any) -> Any:
    return x.astype(_LOWER[x.dtype]) if _is_array(x) and x.dtype in _LOWER else x


def batching(p: Problem) -> None:
    """vmap is a loop, stacked: for every choice of arguments, sizes 3 and 0, the last axis, derivatives."""
    with quiet():
        singles = numbers(p.leaves)
        for mapped in _choices(len(singles)):
            _check_batch(p, singles, mapped, 3, 0, str(mapped))
        everything = tuple(range(len(singles)))
        _check_batch(p, singles, everything, 0, 0, "size 0")
        _check_batch(p, singles, everything, 3, -1, "last axis")
        _check_batched_derivatives(p)


def _choices(count: int) -> list[tuple[int, ...]]:
    sizes = range(1, count + 1) if count <= 3 else (1, count)
    return [mapped for size in sizes for mapped in combinations(range(count), size)]


def _check_batch(p: Problem, singles: Sequence[Any], mapped: Sequence[int], size: int, axis: int, what: str) -> None:
    rows = [[_vary(x, k) if i in mapped else x for i, x in enumerate(singles)] for k in range(size)]
    batched = list(singles)
    for i in mapped:
        batched[i] = (
            np.stack([row[i] for row in rows], axis=axis)
            if size
            else np.zeros((0, *singles[i].shape), singles[i].dtype)
        )
    got = vmap(p, in_axes=tuple(axis if i in mapped else None for i in range(len(singles))))(*batched)
    outs = [p(*row) for row in rows] or [p(*singles)]
    expected = [np.stack(column)[:size] for column in zip(*outs, strict=True)]
    assert_same(got, expected, f"vmap of arguments {what}", 1e-11)


def _check_batched_derivatives(p: Problem) -> None:
    if not p.point:
        return
    points = [[_vary(x, k) for x in numbers(p.point)] for k in range(2)]
    dots = [random_like(x, p.rng) for x in points]
    cts = [random_like(p.smooth(*x), p.rng) for x in points]
    stacked, stacked_dots, stacked_cts = (
        [np.stack(c) for c in zip(*rows, strict=True)] for rows in (points, dots, cts)
    )
    if not stacked_cts:
        return

    def push(x: Any, dx: Any) -> Any:
        return jvp(p.smooth, tuple(x), tuple(dx))[1]

    def pull(x: Any, ct: Any) -> Any:
        return vjp(p.smooth, *x)[1](ct)

    for name, function, other, others in (("jvp", push, stacked_dots, dots), ("vjp", pull, stacked_cts, cts)):
        got = vmap(function)(stacked, other)
        rows = [function(x, d) for x, d in zip(points, others, strict=True)]
        assert_same(got, [np.stack(column) for column in zip(*rows, strict=True)], f"vmap of {name}", 1e-11)
    # Cotangents alone in a batch are what jacrev asks for.
    got = vmap(pull, in_axes=(None, 0))(points[0], stacked_cts)
    rows = [pull(points[0], ct) for ct in cts]
    assert_same(got, [np.stack(column) for column in zip(*rows, strict=True)], "vmap of vjp in the cotangent", 1e-11)


def _vary(x: Any, k: int) -> Any:
    """Another sample like ``x`` for row ``k`` of a batch: rolled, and a little smaller."""
    if x.dtype.kind not in "fc":
        return np.roll(x, k)[()]
    return (np.roll(x, k) * x.dtype.type(1 - 0.01 * k))[()]


def text(p: Problem) -> None:
    """Programs, of derivatives, batches and jit too, are what their text says, and come back from a file."""
    with quiet():
        jaxpr = make_jaxpr(p)(*p.leaves)
        with tempfile.TemporaryDirectory() as folder:
            jaxpr.save(os.path.join(folder, "program"))
            assert load_jaxpr(os.path.join(folder, "program")) == jaxpr, f"another program was loaded:\n{jaxpr}"
        check_text(jit(p).lower(*p.leaves).jaxpr)
        if "vmap" not in p.case.skip:
            check_text(make_jaxpr(vmap(p))(*[np.stack([x, x]) for x in numbers(p.leaves)]))
        point, dots = p.point, random_like(p.point, p.rng)
        check_text(make_jaxpr(lambda x, dx: jvp(p.smooth, tuple(x), tuple(dx))[1])(point, dots))
        cts = random_like(p.smooth(*point), p.rng)
        check_text(make_jaxpr(lambda x, ct: vjp(p.smooth, *x)[1](ct))(point, cts))


def check_text(jaxpr: Jaxpr) -> None:
    """Assert that a program's text is parsed to the same program."""
    written = str(jaxpr)
    large = any(constant.size > WRITTEN_OUT for constant in jaxpr.constants)
    constants = referenced(jaxpr) if large or "{" in written[1:] else None
    assert parse_jaxpr(written, constants) == jaxpr, f"another program was parsed:\n{written}"


LAWS: dict[str, Callable[[Problem], None]] = {
    "value": value,
    "warnings": warned,
    "check": check,
    "numeric": numeric,
    "transpose": transpose,
    "second_order": second_order,
    "vmap": batching,
    "linearize": linear,
    "float32": float32,
    "text": text,
}
