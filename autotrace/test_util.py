"""Checks of derivatives for tests: against central differences, and of reverse mode against forward mode.

Directions are drawn from a generator seeded with 0, so a check gives the same answer every time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .ir import float0, is_inexact
from .transforms import jvp, vjp
from .tree import keystr, tree_flatten_with_path, tree_leaves, tree_map

__all__ = ["check_grads", "check_jvp", "check_vjp", "inner_product", "numerical_jvp", "random_like"]

_EPS = {2: 1e-2, 4: 1e-2, 8: 1e-4, 16: 1e-4}
"""Steps of central differences by bytes of a real number: the fifth root of its precision, at most."""
_TOLERANCE = {2: 1e-1, 4: 2e-2, 8: 1e-6, 16: 1e-6}
"""Relative and absolute errors allowed by bytes of a real number."""


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check the derivatives of ``f`` at ``args`` up to ``order``, in every order of forward and reverse mode.

    ``args`` is the tuple of arguments, trees of arrays; those of inexact dtype move. ``modes`` may leave out
    ``"fwd"`` or ``"rev"``. Tolerances and the step ``eps`` of the differences default by dtype. Order k is
    checked against differences of the derivative of order k - 1. The function must be smooth at ``args``.

    Raises ``AssertionError`` naming the mode and order that are wrong, ``ValueError`` for unknown modes.

    >>> check_grads(np.sin, (np.array([0.3, 1.2]),), order=2)
    """
    unknown = set(modes) - {"fwd", "rev"}
    if unknown or not modes or order < 1:
        raise ValueError(
            "check_grads: order must be at least 1 and modes some of 'fwd', 'rev'; "
            f"got {order} and {modes!r}. Correct them."
        )
    _check_grads(f, tuple(args), order, modes, atol, rtol, eps, ())


def _check_grads(
    f: Any,
    args: tuple[Any, ...],
    order: int,
    modes: Sequence[str],
    atol: Any,
    rtol: Any,
    eps: Any,
    done: tuple[str, ...],
) -> None:
    if "fwd" in modes:
        name = " of ".join(("fwd", *done))
        check_jvp(f, lambda primals, tangents: jvp(f, primals, tangents), args, atol, rtol, eps, name)
        if order > 1:
            tangents = random_like(args, np.random.default_rng(1))
            forward = lambda *primals: jvp(f, primals, tangents)[1]  # noqa: E731 it closes over the loop's own direction
            _check_grads(forward, args, order - 1, modes, atol, rtol, eps, ("fwd", *done))
    if "rev" in modes:
        name = " of ".join(("rev", *done))
        check_vjp(f, lambda *primals: vjp(f, *primals), args, atol, rtol, eps, name)
        if order > 1:
            ct = random_like(f(*args), np.random.default_rng(2))
            _check_grads(
                lambda *primals: _inexact(vjp(f, *primals)[1](ct)),
                args,
                order - 1,
                modes,
                atol,
                rtol,
                eps,
                ("rev", *done),
            )


def check_jvp(
    f: Callable[..., Any],
    f_jvp: Callable[[Any, Any], tuple[Any, Any]],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    err_msg: str = "",
) -> None:
    """Check ``f_jvp(primals, tangents) -> (output, tangent)`` against ``f`` and its central differences.

    Raises ``AssertionError`` that begins with ``err_msg`` and names the output that is wrong.

    >>> check_jvp(np.sin, lambda x, dx: (np.sin(x[0]), np.cos(x[0]) * dx[0]), (0.5,))
    """
    args = tuple(args)
    tangents = random_like(args, np.random.default_rng(0))
    out, tangent = f_jvp(args, tangents)
    _close(out, f(*args), atol, rtol, f"{err_msg or 'jvp'}: value")
    _close(tangent, numerical_jvp(f, args, tangents, eps), atol, rtol, f"{err_msg or 'jvp'}: tangent")


def check_vjp(
    f: Callable[..., Any],
    f_vjp: Callable[..., tuple[Any, Callable[[Any], Any]]],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    err_msg: str = "",
) -> None:
    """Check ``f_vjp(*args) -> (output, pullback)`` against ``f`` and its central differences.

    For random tangents ``v`` and cotangents ``u``, ``<u, J v>`` must equal ``<J^T u, v>``, where
    ``<u, v> = Re sum u v`` (JAX's pairing of complex numbers).

    Raises ``AssertionError`` that begins with ``err_msg``.

    >>> check_vjp(np.sin, lambda x: (np.sin(x), lambda ct: (np.cos(x) * ct,)), (0.5,))
    """
    args = tuple(args)
    out, pullback = f_vjp(*args)
    _close(out, f(*args), atol, rtol, f"{err_msg or 'vjp'}: value")
    rng = np.random.default_rng(0)
    tangents = random_like(args, rng)
    ct = random_like(out, rng)
    expected = inner_product(ct, numerical_jvp(f, args, tangents, eps))
    _close(
        inner_product(pullback(ct), tangents),
        expected,
        atol,
        rtol,
        f"{err_msg or 'vjp'}: <J^T u, v>",
        _width(args),
    )


def numerical_jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], eps: float | None = None
) -> Any:
    """Return the derivative of ``f`` at ``primals`` along ``tangents`` by fourth-order differences.

    Tangents of integers have dtype float0 and move nothing.

    >>> round(float(numerical_jvp(np.sin, (0.0,), (1.0,))), 9)
    1.0
    """
    h = _EPS[_width(primals)] if eps is None else eps

    def at(step: float) -> Any:
        return f(*[tree_map(lambda x, t: _moved(x, t, step), x, t) for x, t in zip(primals, tangents, strict=True)])

    def slope(a: Any, b: Any, c: Any, d: Any) -> Any:
        a, b, c, d = (np.asarray(v) for v in (a, b, c, d))
        if not is_inexact(a.dtype):
            return np.zeros(a.shape, a.dtype)
        # Abramowitz & Stegun 25.3.6: error h^4 f^(5) / 30.
        return ((a - d) + 8 * (c - b)) / a.dtype.type(12 * h)

    return tree_map(slope, at(-2 * h), at(-h), at(h), at(2 * h))


def _moved(x: Any, t: Any, step: float) -> Any:
    if not is_inexact(np.asarray(x).dtype):
        return x
    moved = x + np.asarray(t, np.asarray(x).dtype) * np.asarray(x).dtype.type(step)
    return moved if isinstance(x, np.ndarray | np.generic) else type(x)(moved)


def random_like(tree: Any, rng: np.random.Generator) -> Any:
    """Return a tree of standard normal tangents for ``tree``; float0 zeros for integers.

    >>> random_like({"a": 1.0, "n": 3}, np.random.default_rng(0))["n"].dtype.names
    ('float0',)
    """

    def draw(x: Any) -> Any:
        x = np.asarray(x)
        if not is_inexact(x.dtype):
            return np.zeros(x.shape, float0)
        t = rng.normal(size=x.shape)
        if x.dtype.kind == "c":
            t = t + 1j * rng.normal(size=x.shape)
        return np.asarray(t).astype(x.dtype)[()]

    return tree_map(draw, tree)


def inner_product(cts: Any, tangents: Any) -> float:
    """Return ``Re sum ct t`` over the leaves of inexact dtype of two trees.

    >>> inner_product((np.array([1.0, 2.0]),), (np.array([3.0, 4.0]),))
    11.0
    """
    total = 0.0
    for ct, t in zip(tree_leaves(cts), tree_leaves(tangents), strict=True):
        ct, t = np.asarray(ct), np.asarray(t)
        if is_inexact(ct.dtype) and is_inexact(t.dtype):
            total += float(np.real(np.sum(ct * t)))
    return total


def _inexact(tree: Any) -> list[Any]:
    return [x for x in tree_leaves(tree) if is_inexact(np.dtype(x.dtype))]


def _width(tree: Any) -> int:
    """Bytes of the least precise real number in ``tree``."""
    widths = [np.asarray(x).real.dtype.itemsize for x in tree_leaves(tree) if is_inexact(np.asarray(x).dtype)]
    return min(widths, default=8)


def _close(
    got: Any, expected: Any, atol: float | None, rtol: float | None, what: str, width: int | None = None
) -> None:
    got_leaves, expected_leaves = (tree_flatten_with_path(tree)[0] for tree in (got, expected))
    if len(got_leaves) != len(expected_leaves):
        raise AssertionError(f"{what}: {len(expected_leaves)} arrays expected; got {len(got_leaves)}")
    for (path, x), (_, y) in zip(got_leaves, expected_leaves, strict=True):
        x, y = np.asarray(x), np.asarray(y)
        if not is_inexact(y.dtype):
            continue
        default = _TOLERANCE[_width(y) if width is None else width]
        close = np.shape(x) == np.shape(y) and np.allclose(
            x,
            y,
            rtol=default if rtol is None else rtol,
            atol=default if atol is None else atol,
            equal_nan=True,
        )
        if not close:
            raise AssertionError(f"{what}{keystr(path)} must be\n{y}\ngot\n{x}")
