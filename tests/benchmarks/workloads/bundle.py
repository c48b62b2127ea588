"""Bundle adjustment as in ADBench: the residual of each observation, and its Jacobian, one block for each.

A camera is rotation (by Rodrigues' formula), centre, focal length, principal point and two coefficients of
radial distortion. A block is [2, 15]: two residuals by 11 parameters of the camera, 3 of the point, a weight.
"""

from typing import Any

import numpy

from ..libraries import Library
from .workload import Builder, Call, Workload, by_hand

OBSERVATIONS = 500
PARAMETERS = 15


def residual(np: Any) -> Any:
    """The residual of one observation, [2]; or of a batch of them [2, n] where parameters are [15, n]."""

    def f(p, feature):
        rotation, centre, focal, principal, radial = p[0:3], p[3:6], p[6], p[7:9], p[9:11]
        x = rotated(np, rotation, p[11:14] - centre)
        projected = x[:2] / x[2]
        squared = projected[0] * projected[0] + projected[1] * projected[1]
        distorted = projected * (1.0 + radial[0] * squared + radial[1] * squared * squared)
        return p[14] * (focal * distorted + principal - feature)

    return f


def rotated(np: Any, r: Any, x: Any) -> Any:
    """Rodrigues: x cos a + (w cross x) sin a + w (w . x)(1 - cos a), a = |r|, w = r / a. Here r is not 0."""
    angle = np.sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2])
    w = r / angle
    cross = np.stack([w[1] * x[2] - w[2] * x[1], w[2] * x[0] - w[0] * x[2], w[0] * x[1] - w[1] * x[0]])
    dot = w[0] * x[0] + w[1] * x[1] + w[2] * x[2]
    cosine = np.cos(angle)
    return x * cosine + cross * np.sin(angle) + w * (dot * (1.0 - cosine))


def mapped(library: Library, parameters: Any, features: Any) -> Call:
    """One block, mapped over the observations: autotrace and JAX."""
    ad = library.ad
    blocks = ad.jit(ad.vmap(ad.jacrev(residual(library.np))))
    if library.name == "jax":
        return lambda: ad.block_until_ready(blocks(parameters, features))
    return lambda: blocks(parameters, features)


def forward_mapped(library: Library, parameters: Any, features: Any) -> Call:
    ad = library.ad
    blocks = ad.jit(ad.vmap(ad.jacfwd(residual(library.np))))
    return lambda: ad.block_until_ready(blocks(parameters, features))


def with_autograd(library: Library, parameters: Any, features: Any) -> Call:
    """Observations are independent: the gradient of the sum of all their residuals has every block's row."""
    np, f = library.np, residual(library.np)
    rows = [library.ad.grad(lambda p, i=i: np.sum(f(p, features.T)[i])) for i in range(2)]
    p = numpy.ascontiguousarray(parameters.T)
    return lambda: np.stack([row(p) for row in rows]).transpose(2, 0, 1)


def with_torch(library: Library, parameters: Any, features: Any) -> Call:
    torch, f = library.ad, residual(library.np)
    p = parameters.T.contiguous().requires_grad_()

    def blocks():
        x, y = f(p, features.T)
        rows = [torch.autograd.grad(r.sum(), p, retain_graph=True)[0] for r in (x, y)]
        return torch.stack(rows).permute(2, 0, 1)

    return blocks


def written(parameters: Any, features: Any) -> Any:
    """The chain rule by hand, all observations at once, the rotation through its angle and its axis."""
    p = numpy.ascontiguousarray(parameters.T)
    r, x, focal, k1, k2, weight = p[0:3], p[11:14] - p[3:6], p[6], p[9], p[10], p[14]
    angle = numpy.sqrt(numpy.einsum("in,in->n", r, r))
    w = r / angle
    sine, cosine = numpy.sin(angle), numpy.cos(angle)
    versine = 1.0 - cosine
    n = len(angle)
    W = numpy.zeros((3, 3, n))  # W x = w cross x
    W[0, 1], W[0, 2], W[1, 2] = -w[2], w[1], -w[0]
    W[1, 0], W[2, 0], W[2, 1] = w[2], -w[1], w[0]
    outer = w[:, None] * w
    R = versine * outer
    R += sine * W
    R[0, 0] += cosine
    R[1, 1] += cosine
    R[2, 2] += cosine
    y = numpy.einsum("ijn,jn->in", R, x)
    cross = numpy.einsum("ijn,jn->in", W, x)
    dot = numpy.einsum("in,in->n", w, x)
    # d y / d angle, and d y / d w through d w / d r = (1 - w w^T) / angle
    by_angle = cosine * cross - sine * (x - dot * w)
    X = numpy.zeros((3, 3, n))  # X w = w cross x
    X[0, 1], X[0, 2], X[1, 2] = x[2], -x[1], x[0]
    X[1, 0], X[2, 0], X[2, 1] = -x[2], x[1], -x[0]
    by_w = sine * X
    by_w += versine * (w[:, None] * x)
    for i in range(3):
        by_w[i, i] += versine * dot
    along = numpy.einsum("ijn,jn->in", by_w, w)
    by_r = (by_w - along[:, None] * w) / angle
    by_r += by_angle[:, None] * w
    u = y[:2] / y[2]
    squared = u[0] * u[0] + u[1] * u[1]
    factor = 1.0 + squared * (k1 + squared * k2)
    scale = weight * focal
    slope = 2.0 * (k1 + 2.0 * squared * k2)
    by_u = scale * slope * (u[:, None] * u)
    by_u[0, 0] += scale * factor
    by_u[1, 1] += scale * factor
    by_y = numpy.empty((2, 3, n))
    by_y[:, :2] = by_u / y[2]
    by_y[:, 2] = -numpy.einsum("ijn,jn->in", by_u, u) / y[2]
    blocks = numpy.zeros((2, PARAMETERS, n))
    blocks[:, 0:3] = numpy.einsum("ijn,jkn->ikn", by_y, by_r)
    blocks[:, 11:14] = numpy.einsum("ijn,jkn->ikn", by_y, R)
    blocks[:, 3:6] = -blocks[:, 11:14]
    distorted = u * factor
    blocks[:, 6] = weight * distorted
    blocks[0, 7] = blocks[1, 8] = weight
    blocks[:, 9] = scale * squared * u
    blocks[:, 10] = squared * blocks[:, 9]
    blocks[:, 14] = focal * distorted + p[7:9] - features.T
    return blocks.transpose(2, 0, 1)


def arguments() -> tuple[Any, ...]:
    rng = numpy.random.default_rng(0)
    parameters = rng.standard_normal((OBSERVATIONS, PARAMETERS))
    parameters[:, 0:3] = rng.uniform(0.1, 0.5, (OBSERVATIONS, 3))
    parameters[:, 9:11] *= 0.1
    parameters[:, 13] = parameters[:, 5] + rng.uniform(8.0, 12.0, OBSERVATIONS)  # in front of the camera
    return parameters, rng.standard_normal((OBSERVATIONS, 2))


def workloads() -> list[Workload]:
    builders: dict[str, Builder] = {
        "autotrace": mapped,
        "by hand": by_hand(written),
        "autograd": with_autograd,
        "torch": with_torch,
        "jax": mapped,
        "jax: forward": forward_mapped,
    }
    return [Workload("bundle adjustment", arguments, builders)]
