"""cg, gmres, bicgstab with the names and arguments of :mod:`scipy.sparse.linalg`: A x = b, where A may be a function.

Their derivatives solve the same system again, with another right-hand side: A dx = db - dA x; reverse mode solves the
transposed one. They are as exact as ``rtol`` asks for. Where the solution has not converged, or the system of a
derivative does not, the derivative is an error and not a wrong number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...control.flow import as_array, leaves_and_tree
from ...control.matching import check_same
from ...control.programs import trace_body
from ...errors import MissingRuleError
from ...ir import ShapedArray, here, is_inexact
from ...solvers.krylov import bicgstab as _bicgstab
from ...solvers.krylov import cg as _cg
from ...solvers.krylov import gmres as _gmres
from ...solvers.linear_solve import linear_solve
from ...tracing import as_operand
from ...transforms.stop import ravel_pytree, stop_gradient
from ...transforms.tangent import linear_transpose
from ...tree import PyTreeDef, tree_flatten, tree_unflatten

__all__ = ["bicgstab", "cg", "gmres"]

Map = Callable[[Any], Any]


def cg(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
) -> tuple[Any, Any]:
    """Solve A x = b by conjugate gradients, for a symmetric (complex: Hermitian) positive definite A.

    ``A`` is a matrix f[n, n], or a linear function from trees like ``b`` to such trees; ``b`` is a vector f[n], or a
    tree of arrays. ``x0`` is where to start, ``M`` an approximate inverse of A, as a matrix or a function. The residual
    must fall to ``max(rtol * norm(b), atol)`` within ``maxiter`` iterations, 10 n if it is not given.

    Returns ``(x, info)``: ``info`` is 0 for success, the number of iterations without, -1 where A is not positive
    definite. Derivatives with respect to A (also what a function closes over) and b are those of the solution.

    Raises ``TypeError`` and ``ValueError`` for operands that do not fit; ``ConvergenceError``, when it runs, for a
    derivative that has not converged.

    >>> import numpy as np
    >>> from autotrace import grad
    >>> A = np.array([[2.0, 1.0], [1.0, 3.0]])
    >>> x, info = cg(A, np.array([3.0, 4.0]), rtol=1e-12)
    >>> np.round(x, 9), int(info)
    (array([1., 1.]), 0)
    >>> np.round(grad(lambda b: cg(A, b, rtol=1e-12)[0].sum())(np.ones(2)), 9)
    array([0.4, 0.2])
    """
    return _solved(
        "cg", A, b, x0, M, rtol, atol, lambda n: partial(_cg, maxiter=_count("cg", "maxiter", maxiter, 10 * n))
    )


def bicgstab(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
) -> tuple[Any, Any]:
    """Solve A x = b by the stabilized biconjugate gradients method, for any invertible A. Arguments as of :func:`cg`.

    ``info`` is -10 or -11 where the method breaks down; :func:`gmres` does not.

    >>> import numpy as np
    >>> x, info = bicgstab(np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([3.0, 3.0]), rtol=1e-12)
    >>> np.round(x, 9), int(info)
    (array([1., 1.]), 0)
    """
    name = "bicgstab"
    return _solved(
        name, A, b, x0, M, rtol, atol, lambda n: partial(_bicgstab, maxiter=_count(name, "maxiter", maxiter, 10 * n))
    )


def gmres(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    restart: int | None = None,
    maxiter: int | None = None,
    M: Any = None,
) -> tuple[Any, Any]:
    """Solve A x = b by the generalized minimal residual method, for any invertible A. Arguments as of :func:`cg`.

    It keeps ``restart`` vectors, the smaller of 20 and n if it is not given, and starts anew ``maxiter`` times at most.
    ``M`` is applied from the right, so the residual is that of the system itself.

    >>> import numpy as np
    >>> from autotrace import jacobian
    >>> x, info = gmres(lambda v: {"u": v["w"], "w": -2.0 * v["u"]}, {"u": 1.0, "w": 4.0})
    >>> {k: float(np.round(v, 6)) for k, v in x.items()}, int(info)
    ({'u': -2.0, 'w': 1.0}, 0)
    """

    def method(n: int) -> Callable[..., Any]:
        cycles = _count("gmres", "maxiter", maxiter, 10 * n)
        return partial(_gmres, restart=min(_count("gmres", "restart", restart, 20), n), maxiter=cycles)

    return _solved("gmres", A, b, x0, M, rtol, atol, method)


class _System(NamedTuple):
    """A x = b on vectors: the map, the right-hand side, and the way back to trees."""

    a: Map
    b: Any
    unravel: Map
    tree: PyTreeDef
    avals: list[ShapedArray]

    def flat(self, function: Map) -> Map:
        """Return a function of trees as one of vectors."""
        return lambda v: ravel_pytree(function(self.unravel(v)))[0].astype(v.dtype)


def _solved(
    name: str, A: Any, b: Any, x0: Any, M: Any, rtol: Any, atol: Any, method: Callable[[int], Callable[..., Any]]
) -> tuple[Any, Any]:
    rtol, atol = _tolerance(name, "rtol", rtol), _tolerance(name, "atol", atol)
    system = _system(name, A, b)
    b = system.b
    run = method(b.shape[0])
    if not b.shape[0]:
        return system.unravel(b), np.int64(0)
    forth, back = _preconditioners(name, M, system)
    start = np.zeros_like(b)
    if x0 is not None:
        start = np.where(_norm(b) == 0, 0, stop_gradient(_like_b(name, "x0", x0, system)))
    eps = float(np.finfo(b.dtype).eps)
    # A tangent has another size than b, so an absolute tolerance is worth what it was relative to b.
    again = rtol
    if not rtol:
        norm = stop_gradient(_norm(b))
        again = np.clip(atol / np.where(norm > 0, norm, 1), 10 * eps, 1e-5).astype(norm.dtype)

    def solver(m: Map, start: Any, rtol: Any, atol: float) -> Callable[[Map, Any], Any]:
        def solve(a: Map, b: Any) -> Any:
            x, found = run(a, b, np.zeros_like(b) if start is None else start, m, np.maximum(rtol * _norm(b), atol))
            return x, (found.info, found.ok, found.figure)

        return solve

    message = (
        f"{name}: a derivative needs a solution, and solves again; got a residual of {{}} times its tolerance{{}}. "
        "Raise maxiter, give M, or raise rtol."
    )
    x, (info, _, _) = linear_solve(
        system.a,
        b,
        solver(forth, start, rtol, atol),
        again=solver(forth, None, again, 0.0),
        transpose_solve=solver(back, None, again, 0.0),
        has_aux=True,
        message=message,
    )
    return system.unravel(x), info


def _norm(x: Any) -> Any:
    return np.sqrt(np.sum(np.real(x * np.conj(x))))


def _system(name: str, A: Any, b: Any) -> _System:
    """Bring A and b to one dtype, the smallest that holds what A makes of b."""
    leaves, tree = leaves_and_tree(b, name)
    arrays = [as_array(x) for x in leaves]
    dtype = np.result_type(*[x.dtype for x in arrays]) if arrays else np.dtype(float)
    dtype = dtype if is_inexact(dtype) else np.dtype(float)
    if not callable(A):
        A = _matrix(name, "A", A, arrays, tree)
        dtype = np.result_type(A.dtype, dtype)
        apply: Map = lambda v: tree_unflatten(tree, [A @ tree_flatten(v)[0][0]])  # noqa: E731
    else:
        apply = A
        dtype = np.result_type(dtype, *_out_dtypes(name, A, arrays, tree, dtype))
        _out_dtypes(name, A, arrays, tree, dtype)
    avals = [ShapedArray(x.shape, dtype) for x in arrays]
    flat, unravel = ravel_pytree(tree_unflatten(tree, [x.astype(dtype) for x in arrays]))
    system = _System(apply, flat, unravel, tree, avals)
    return system._replace(a=system.flat(apply))


def _out_dtypes(name: str, A: Map, arrays: list[Any], tree: PyTreeDef, dtype: Any) -> list[Any]:
    """Return the dtypes of A of a tree of ``dtype``; it must be like b."""
    avals = [ShapedArray(x.shape, dtype) for x in arrays]
    body = trace_body(lambda tracers: A(tree_unflatten(tree, tracers)), avals, f"{name}(A)")
    found = [ShapedArray(v.shape, dtype) for v in body.jaxpr.out_avals]
    check_same(name, "result of A", tree, avals, body.out_tree, found, ("in b", "from A"))
    return [v.dtype for v in body.jaxpr.out_avals]


def _matrix(name: str, word: str, A: Any, arrays: list[Any], tree: PyTreeDef) -> Any:
    """Return a matrix given as an argument; b must be one vector of its size."""
    try:
        A = as_operand(A)
        A = A if hasattr(A, "dtype") else np.asarray(A)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name}: {word} must be a matrix or a function; got {type(A).__name__}{here()}. "
            "Pass the function that applies it: lambda v: S @ v, or an array."
        ) from None
    shapes = [x.shape for x in arrays]
    fits = A.ndim == 2 and A.shape[0] == A.shape[1] and shapes in ([A.shape[:1]], [(*A.shape[:1], 1)])
    if not fits or tree.num_leaves != 1:
        got = ", ".join(str(ShapedArray(x.shape, x.dtype)) for x in arrays)
        raise ValueError(
            f"{name}: {word} must be a square matrix that fits b; got {ShapedArray(A.shape, A.dtype)} for b of {got}"
            f"{here()}. Pass a function of trees like b, or one vector."
        )
    return A


def _like_b(name: str, word: str, x: Any, system: _System) -> Any:
    """Return a tree like b as a vector."""
    leaves, tree = leaves_and_tree(x, name)
    found = [ShapedArray(np.shape(v), a.dtype) for v, a in zip(leaves, system.avals, strict=False)]
    found += [ShapedArray(np.shape(v), np.dtype(float)) for v in leaves[len(found) :]]
    check_same(name, word, system.tree, system.avals, tree, found, ("in b", f"in {word}"))
    dtype = system.b.dtype
    return ravel_pytree(tree_unflatten(tree, [as_array(v).astype(dtype) for v in leaves]))[0]


def _preconditioners(name: str, M: Any, system: _System) -> tuple[Map, Map]:
    """Return M, and what stands for its transpose: a conjugate if M is Hermitian, as it is for cg."""
    if M is None:
        return (lambda r: r), (lambda r: r)
    if callable(M):
        m = system.flat(M)
    else:
        matrix = _matrix(name, "M", M, [system.b], tree_flatten(0)[1])
        dtype = system.b.dtype
        m = lambda r: (matrix @ r).astype(dtype)  # noqa: E731
    if name == "cg":
        return m, lambda r: np.conj(m(np.conj(r)))
    try:
        turned = linear_transpose(m, np.zeros(system.b.shape, system.b.dtype))
    except MissingRuleError:
        return m, m  # it makes nothing wrong, only slower
    return m, lambda r: turned(r)[0]


def _tolerance(name: str, word: str, x: Any) -> float:
    if isinstance(x, bool) or not isinstance(x, int | float | np.number) or not 0 <= x < np.inf:
        raise ValueError(f"{name}: {word} must be a number of at least 0; got {x!r}{here()}. Give a float.")
    return float(x)


def _count(name: str, word: str, n: Any, default: int) -> int:
    if n is None:
        return default
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"{name}: {word} must be an integer of at least 1; got {n!r}{here()}. Give a plain integer.")
    return int(n)
