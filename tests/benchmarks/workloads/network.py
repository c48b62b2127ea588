"""A network of two layers: tanh, then softmax and cross entropy; the gradient with respect to all weights."""

from typing import Any

import numpy

from .workload import Workload, gradients

BATCH, INPUTS, HIDDEN, CLASSES = 100, 64, 128, 10


def loss(np: Any) -> Any:
    def f(W1, b1, W2, b2, x, onehot):
        z = np.tanh(x @ W1 + b1) @ W2 + b2
        top = np.max(z, axis=1, keepdims=True)
        normalizer = np.log(np.sum(np.exp(z - top), axis=1)) + top[:, 0]
        return np.mean(normalizer - np.sum(z * onehot, axis=1))

    return f


def torch_loss(torch: Any) -> Any:
    def f(W1, b1, W2, b2, x, onehot):
        z = torch.tanh(x @ W1 + b1) @ W2 + b2
        return torch.nn.functional.cross_entropy(z, onehot)

    return f


def by_hand(W1: Any, b1: Any, W2: Any, b2: Any, x: Any, onehot: Any) -> Any:
    hidden = x @ W1
    hidden += b1
    numpy.tanh(hidden, out=hidden)
    z = hidden @ W2
    z += b2
    z -= z.max(axis=1, keepdims=True)
    numpy.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)
    z -= onehot
    z /= len(x)
    back = z @ W2.T
    back *= 1.0 - hidden * hidden
    return x.T @ back, back.sum(axis=0), hidden.T @ z, z.sum(axis=0)


def arguments() -> tuple[Any, ...]:
    rng = numpy.random.default_rng(0)
    W1 = rng.standard_normal((INPUTS, HIDDEN)) / INPUTS**0.5
    W2 = rng.standard_normal((HIDDEN, CLASSES)) / HIDDEN**0.5
    onehot = numpy.eye(CLASSES)[rng.integers(CLASSES, size=BATCH)]
    b1, b2 = rng.standard_normal(HIDDEN), rng.standard_normal(CLASSES)
    return W1, b1, W2, b2, rng.standard_normal((BATCH, INPUTS)), onehot


def workloads() -> list[Workload]:
    return [Workload("network", arguments, gradients(loss, torch_loss, by_hand, argnums=(0, 1, 2, 3)))]
