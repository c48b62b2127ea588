"""A long short-term memory (Hochreiter and Schmidhuber 1997) over a short sequence, 32 hidden units."""

from typing import Any

import numpy

from .workload import Workload, gradients, scans

STEPS, BATCH, INPUTS, HIDDEN = 10, 4, 32, 32


def cell(np: Any, sigmoid: Any, h: Any, c: Any, drive: Any, W: Any) -> tuple[Any, Any]:
    z = h @ W + drive
    i, f, o = (sigmoid(z[:, k * HIDDEN : (k + 1) * HIDDEN]) for k in range(3))
    c = f * c + i * np.tanh(z[:, 3 * HIDDEN :])
    return o * np.tanh(c), c


def loss(np: Any) -> Any:
    def sigmoid(x):
        return 1.0 / (1.0 + np.exp(-x))

    def f(W, U, b, x, target):
        h = c = np.zeros((BATCH, HIDDEN))
        drives = x @ U + b
        total = 0.0
        for t in range(STEPS):
            h, c = cell(np, sigmoid, h, c, drives[t], W)
            total = total + np.sum((h - target[t]) ** 2)
        return total / STEPS

    return f


def torch_loss(torch: Any) -> Any:
    def f(W, U, b, x, target):
        h = c = torch.zeros((BATCH, HIDDEN))
        drives, states = x @ U + b, []
        for t in range(STEPS):
            h, c = cell(torch, torch.sigmoid, h, c, drives[t], W)
            states.append(h)
        return ((torch.stack(states) - target) ** 2).sum() / STEPS

    return f


def scanned_loss(np: Any, scan: Any) -> Any:
    def f(W, U, b, x, target):
        def step(state, drive):
            h, c = cell(np, lambda x: 1.0 / (1.0 + np.exp(-x)), *state, drive, W)
            return (h, c), h

        start = np.zeros((BATCH, HIDDEN))
        _, states = scan(step, (start, start), x @ U + b)
        return np.sum((states - target) ** 2) / STEPS

    return f


def by_hand(W: Any, U: Any, b: Any, x: Any, target: Any) -> Any:
    drives = x @ U
    drives += b
    h = numpy.zeros((STEPS + 1, BATCH, HIDDEN))
    c = numpy.zeros((STEPS + 1, BATCH, HIDDEN))
    gates = numpy.empty((STEPS, BATCH, 4 * HIDDEN))
    squashed = numpy.empty((STEPS, BATCH, HIDDEN))
    for t in range(STEPS):
        z = numpy.matmul(h[t], W, out=gates[t])
        z += drives[t]
        s = z[:, : 3 * HIDDEN]
        numpy.negative(s, out=s)
        numpy.exp(s, out=s)
        s += 1.0
        numpy.reciprocal(s, out=s)
        i, f, o, g = (z[:, k * HIDDEN : (k + 1) * HIDDEN] for k in range(4))
        numpy.tanh(g, out=g)
        numpy.multiply(f, c[t], out=c[t + 1])
        c[t + 1] += i * g
        numpy.tanh(c[t + 1], out=squashed[t])
        numpy.multiply(o, squashed[t], out=h[t + 1])
    to_h = (2.0 / STEPS) * (h[1:] - target)
    slopes = gates[:, :, : 3 * HIDDEN] * (1.0 - gates[:, :, : 3 * HIDDEN])
    to_z = numpy.empty_like(gates)
    back_h, back_c = 0.0, 0.0
    for t in reversed(range(STEPS)):
        i, f, o, g = (gates[t, :, k * HIDDEN : (k + 1) * HIDDEN] for k in range(4))
        dh = to_h[t] + back_h
        dc = dh * o * (1.0 - squashed[t] ** 2) + back_c
        dz = to_z[t]
        dz[:, :HIDDEN] = dc * g
        dz[:, HIDDEN : 2 * HIDDEN] = dc * c[t]
        dz[:, 2 * HIDDEN : 3 * HIDDEN] = dh * squashed[t]
        dz[:, : 3 * HIDDEN] *= slopes[t]
        dz[:, 3 * HIDDEN :] = dc * i * (1.0 - g * g)
        back_c = dc * f
        back_h = dz @ W.T
    flat = to_z.reshape(-1, 4 * HIDDEN)
    return h[:-1].reshape(-1, HIDDEN).T @ flat, x.reshape(-1, INPUTS).T @ flat, flat.sum(axis=0)


def arguments() -> tuple[Any, ...]:
    rng = numpy.random.default_rng(0)
    W = rng.standard_normal((HIDDEN, 4 * HIDDEN)) / HIDDEN**0.5
    U = rng.standard_normal((INPUTS, 4 * HIDDEN)) / INPUTS**0.5
    x, target = rng.standard_normal((STEPS, BATCH, INPUTS)), rng.standard_normal((STEPS, BATCH, HIDDEN))
    return W, U, rng.standard_normal(4 * HIDDEN), x, target


def workloads() -> list[Workload]:
    builders = gradients(loss, torch_loss, by_hand, argnums=(0, 1, 2))
    builders |= scans(scanned_loss, argnums=(0, 1, 2))
    return [Workload("LSTM", arguments, builders, long_forms=("jax",))]
