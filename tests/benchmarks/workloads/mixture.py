"""The log-likelihood of a Gaussian mixture, as in ADBench (Srajer, Kukelova, Fitzgibbon 2018, "A benchmark of
selected algorithmic differentiation tools"): inverse covariances by their Cholesky factors Q, diagonals as
logarithms, with a Wishart prior. Terms that depend on no parameter are left out.
"""

from functools import partial
from typing import Any

import numpy

from .workload import Workload, gradients

GAMMA, M = 1.0, 0  # of the prior


def factor_index(d: int) -> Any:
    """Where the entries of Q stand in a row (0, d diagonal entries, those below by columns); 0 for none."""
    index = numpy.zeros((d, d), dtype=int)
    index[numpy.arange(d), numpy.arange(d)] = 1 + numpy.arange(d)
    columns, rows = numpy.triu_indices(d, 1)
    index[rows, columns] = 1 + d + numpy.arange(len(rows))
    return index


def loss(np: Any) -> Any:
    def f(alphas, means, icf, x, index):
        n, d = x.shape
        k = len(alphas)
        log_diagonal, lower = icf[:, :d], icf[:, d:]
        diagonal, log_sum = np.exp(log_diagonal), np.sum(log_diagonal, axis=1)
        entries = np.concatenate([np.zeros((k, 1)), diagonal, lower], axis=1)
        Q = entries[:, index]
        scaled = np.einsum("kij,nkj->nki", Q, x[:, None, :] - means)
        terms = alphas + log_sum - 0.5 * np.sum(scaled * scaled, axis=2)
        prior = 0.5 * GAMMA**2 * (np.sum(diagonal**2) + np.sum(lower**2)) - M * np.sum(log_sum)
        return np.sum(log_sum_exp(np, terms)) - n * log_sum_exp(np, alphas) + prior

    return f


def log_sum_exp(np: Any, x: Any) -> Any:
    top = np.max(x, axis=-1, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=-1)) + top[..., 0]


def torch_loss(torch: Any) -> Any:
    def f(alphas, means, icf, x, index):
        n, d = x.shape
        k = len(alphas)
        log_diagonal, lower = icf[:, :d], icf[:, d:]
        diagonal, log_sum = log_diagonal.exp(), log_diagonal.sum(1)
        entries = torch.cat([torch.zeros((k, 1)), diagonal, lower], 1)
        Q = entries[:, index]
        scaled = torch.einsum("kij,nkj->nki", Q, x[:, None, :] - means)
        terms = alphas + log_sum - 0.5 * (scaled * scaled).sum(2)
        prior = 0.5 * GAMMA**2 * ((diagonal**2).sum() + (lower**2).sum()) - M * log_sum.sum()
        return torch.logsumexp(terms, 1).sum() - n * torch.logsumexp(alphas, 0) + prior

    return f


def by_hand(alphas: Any, means: Any, icf: Any, x: Any, index: Any) -> Any:
    """With r the responsibilities, u = Q (x - mean): d/dmean = sum r Q^T u, d/dQ = -sum r u (x - mean)^T."""
    n, d = x.shape
    k = len(alphas)
    diagonal, lower = numpy.exp(icf[:, :d]), icf[:, d:]
    entries = numpy.concatenate([numpy.zeros((k, 1)), diagonal, lower], axis=1)
    Q = entries[:, index]
    centred = x - means[:, None, :]  # k, n, d
    u = centred @ Q.transpose(0, 2, 1)
    r = numpy.einsum("kni,kni->kn", u, u)
    r *= -0.5
    r += (alphas + icf[:, :d].sum(axis=1))[:, None]
    r -= r.max(axis=0)
    numpy.exp(r, out=r)
    r /= r.sum(axis=0)
    total = r.sum(axis=1)
    u *= r[:, :, None]
    to_Q = u.transpose(0, 2, 1) @ centred
    to_means = (u.sum(axis=1)[:, None, :] @ Q)[:, 0]
    weights = numpy.exp(alphas - alphas.max())
    to_icf = numpy.empty_like(icf)
    steps = numpy.arange(d)
    to_icf[:, :d] = (total - M)[:, None] + (GAMMA**2 * diagonal - to_Q[:, steps, steps]) * diagonal
    columns, rows = numpy.triu_indices(d, 1)
    to_icf[:, d:] = GAMMA**2 * lower - to_Q[:, rows, columns]
    return total - n * weights / weights.sum(), to_means, to_icf


def arguments(n: int, d: int, k: int) -> tuple[Any, ...]:
    rng = numpy.random.default_rng(0)
    icf = 0.3 * rng.standard_normal((k, d + d * (d - 1) // 2))
    return (
        rng.standard_normal(k),
        rng.standard_normal((k, d)),
        icf,
        rng.standard_normal((n, d)),
        factor_index(d),
    )


def workloads() -> list[Workload]:
    builders = gradients(loss, torch_loss, by_hand, argnums=(0, 1, 2))
    return [
        Workload("Gaussian mixture, small", partial(arguments, 50, 2, 5), builders),
        Workload("Gaussian mixture", partial(arguments, 1_000, 10, 25), builders),
    ]
