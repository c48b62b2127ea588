"""Solutions of equations, which agree with closed forms: fixed points, roots, minima, linear systems."""

import numpy as np

from autotrace import custom_linear_solve, custom_root, dense_solve, fixed_point, scan
from autotrace.scipy.optimize import minimize, root
from autotrace.scipy.sparse.linalg import bicgstab, cg, gmres

from . import cases, cnormal, normal, positive

TEXT = {"text": "tangent_solve is a Python function, and is but a name in the text of a program"}
ONE = np.array(1.5)


def matrix(shift, *others):
    """A matrix that is far from singular, positive definite for a large shift, from few numbers."""
    return np.outer(shift, shift) + (2.0 + 0.1 * shift) * np.eye(3, dtype=shift.dtype)


def tight(x):
    """A tolerance near the precision of x."""
    return float(np.finfo(x.dtype).eps) * 50


def dense(shift, b):
    a = matrix(shift)
    return custom_linear_solve(lambda v: a @ v, b, dense_solve, dense_solve)


def symmetric(scale, b):
    return custom_linear_solve(lambda v: (2 + scale**2) * v, b, lambda _, r: r / (2 + scale**2), symmetric=True)


def tree_solve(scale, b):
    x, steps = custom_linear_solve(
        lambda v: {"p": (3 + scale) * v["p"], "q": v["q"] + v["p"]},
        b,
        lambda g, y: (dense_solve(g, y), {"none": np.zeros(2)}),
        lambda g, y: (dense_solve(g, y), {"none": np.zeros(2)}),
        has_aux=True,
    )
    return x, steps


def by_cg(shift, b):
    a = matrix(shift)
    return cg(0.5 * (a + a.T), b, rtol=tight(b))[0]


def by_gmres(shift, b):
    return gmres(lambda v: matrix(shift) @ v, b, rtol=tight(b))[0]


def by_bicgstab(shift, b):
    return bicgstab(matrix(shift), b, rtol=tight(b))[0]


def square_root(a):
    def steps(f, x):
        return scan(lambda x, _: (x - f(x) / (2 * x), None), x, length=8)[0]

    return custom_root(lambda x: x * x - a, np.ones_like(a), steps, lambda g, y: y / g(np.ones_like(y)))


def layer(weights, b):
    weights = weights / (2 * np.sqrt(1 + np.sum(weights**2)))
    return fixed_point(lambda x: np.tanh(weights @ x) + b, np.zeros_like(b))


def crossing(a):
    return root(lambda x: np.stack([x[0] ** 3 + x[1] - a[0], x[1] ** 3 + 2 * x[1] - x[0]]), np.ones_like(a)).x


def nearest(a, weight):
    loss = lambda x, a: np.sum(np.cosh(x - a)) + (1 + weight**2) * np.sum(x * x)  # noqa: E731
    tol = 1e-9 if a.dtype == np.float64 else 1e-4
    return minimize(loss, np.zeros_like(a), args=(a,), tol=tol).x


CASES = [
    *cases(dense, [(normal(3), normal(3))], covers=(custom_linear_solve, dense_solve)),
    *cases(symmetric, [(ONE, normal(2, 2))], covers=(custom_linear_solve,)),
    *cases(tree_solve, [(ONE, {"p": normal(2), "q": normal(2)})], covers=(custom_linear_solve,)),
    *cases(by_cg, [(normal(3), normal(3))], covers=(cg,)),
    *cases(by_gmres, [(normal(3), normal(3)), (normal(3), cnormal(3))], covers=(gmres,)),
    *cases(by_bicgstab, [(normal(3), normal(3))], covers=(bicgstab,)),
    *cases(square_root, [(positive(3),), (ONE,)], covers=(custom_root,), skip=TEXT),
    *cases(layer, [(normal(3, 3), normal(3))], covers=(fixed_point,), skip=TEXT),
    *cases(crossing, [(normal(2),)], covers=(root,), skip=TEXT),
    *cases(nearest, [(normal(3), ONE)], covers=(minimize,), skip=TEXT),
]
