"""k-means: the mean squared distance to the nearest centre; its gradient, and its Hessian times a vector."""

from typing import Any

import numpy

from ..libraries import Library
from .workload import Builder, Call, Workload, by_hand, gradients

POINTS, CENTRES, DIMENSION = 2_000, 16, 8


def loss(np: Any) -> Any:
    def f(centres, x):
        distances = np.sum(x * x, axis=1)[:, None] - 2.0 * (x @ centres.T) + np.sum(centres * centres, axis=1)
        return np.mean(np.min(distances, axis=1))

    return f


def torch_loss(torch: Any) -> Any:
    def f(centres, x):
        distances = (x * x).sum(1)[:, None] - 2.0 * (x @ centres.T) + (centres * centres).sum(1)
        return distances.min(1).values.mean()

    return f


def assignment(centres: Any, x: Any) -> Any:
    partial = x @ centres.T
    partial *= -2.0
    partial += numpy.einsum("ij,ij->i", centres, centres)
    return partial.argmin(axis=1)


def gradient_by_hand(centres: Any, x: Any) -> Any:
    onehot = numpy.zeros((len(x), len(centres)))
    onehot[numpy.arange(len(x)), assignment(centres, x)] = 1.0
    slope = onehot.sum(axis=0)[:, None] * centres
    slope -= onehot.T @ x
    slope *= 2.0 / len(x)
    return slope


def product_by_hand(centres: Any, x: Any, v: Any) -> Any:
    """Between ties the Hessian is diagonal."""
    count = numpy.bincount(assignment(centres, x), minlength=len(centres))
    return (2.0 / len(x) * count)[:, None] * v


def with_autotrace(library: Library, centres: Any, x: Any, v: Any) -> Call:
    f, ad = loss(library.np), library.ad
    product = ad.jit(ad.hvp(f))
    return lambda: product(centres, x, v)


def with_jax(library: Library, centres: Any, x: Any, v: Any) -> Call:
    f, jax = loss(library.np), library.ad
    product = jax.jit(lambda centres, x, v: jax.jvp(lambda c: jax.grad(f)(c, x), (centres,), (v,))[1])
    return lambda: jax.block_until_ready(product(centres, x, v))


def with_autograd(library: Library, centres: Any, x: Any, v: Any) -> Call:
    slope = library.ad.grad(loss(library.np))
    product = library.ad.grad(lambda c: library.np.sum(slope(c, x) * v))
    return lambda: product(centres)


def with_torch(library: Library, centres: Any, x: Any, v: Any) -> Call:
    f, grad = torch_loss(library.np), library.ad.autograd.grad
    centres.requires_grad_()

    def product():
        (slope,) = grad(f(centres, x), centres, create_graph=True)
        return grad(slope, centres, v)

    return product


def arguments() -> tuple[Any, ...]:
    rng = numpy.random.default_rng(0)
    return rng.standard_normal((CENTRES, DIMENSION)), rng.standard_normal((POINTS, DIMENSION))


def arguments_of_product() -> tuple[Any, ...]:
    return *arguments(), numpy.random.default_rng(1).standard_normal((CENTRES, DIMENSION))


def workloads() -> list[Workload]:
    products: dict[str, Builder] = {
        "autotrace": with_autotrace,
        "by hand": by_hand(product_by_hand),
        "autograd": with_autograd,
        "torch": with_torch,
        "jax": with_jax,
    }
    return [
        Workload("k-means gradient", arguments, gradients(loss, torch_loss, gradient_by_hand)),
        Workload("k-means Hessian product", arguments_of_product, products),
    ]
