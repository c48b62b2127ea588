"""Functions with rules of their own, which agree with the functions' derivatives: custom_jvp, custom_vjp, ..."""

import numpy as np

from autotrace import custom_jvp, custom_vjp, custom_vmap, linear_call

from . import cases, cnormal, normal, row

TEXT = {"text": "a rule is a Python function, and is but a name in the text of a program"}


@custom_jvp
def softplus(x):
    return np.log1p(np.exp(x))


@softplus.defjvp
def softplus_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return softplus(x), dx / (1 + np.exp(-x))


@custom_jvp
def scaled(x, weights, power):
    return {"sum": np.sum(x * weights["w"]) ** power, "x": [x * 2, None]}


@scaled.defjvp
def scaled_jvp(primals, tangents):
    (x, weights, power), (dx, dweights, _) = primals, tangents
    inner = np.sum(x * weights["w"])
    dot = power * inner ** (power - 1) * np.sum(dx * weights["w"] + x * dweights["w"])
    return {"sum": inner**power, "x": [x * 2, None]}, {"sum": dot, "x": [dx * 2, None]}


@custom_vjp
def product(x, y):
    return np.sin(x) * y, np.sum(x)


def product_fwd(x, y):
    return (np.sin(x) * y, np.sum(x)), {"x": x, "y": y, "kind": "product"}


def product_bwd(kept, cts):
    ct, total = cts
    return ct * np.cos(kept["x"]) * kept["y"] + total, ct * np.sin(kept["x"])


product.defvjp(product_fwd, product_bwd)


@custom_vmap
def inner(x, y):
    return np.sum(x * y)


@inner.def_vmap
def inner_rows(axis_size, in_batched, x, y):
    return np.sum(x * y, axis=-1) if any(in_batched) else inner(x, y), True


def cumulated(x, factor):
    return linear_call(lambda k, x: np.cumsum(x) * k, lambda k, ct: np.cumsum((ct * k)[::-1])[::-1], factor, x)


CASES = [
    *cases(softplus, [(normal(3),), (1.5,), (normal(2, 2),), (normal(0),)], skip=TEXT, covers=(custom_jvp,)),
    *cases(scaled, [(normal(3), {"w": normal(3)}, 2)], skip=TEXT, covers=(custom_jvp,)),
    *cases(product, [(normal(3), normal(3)), (0.5, 2.0), (cnormal(2), cnormal(2))], skip=TEXT, covers=(custom_vjp,)),
    *cases(inner, [(normal(3), normal(3))], skip=TEXT, covers=(custom_vmap,)),
    *cases(cumulated, [(normal(4), 2.5), row(normal(3), factor=-1.0)], skip=TEXT, covers=(linear_call,)),
]
