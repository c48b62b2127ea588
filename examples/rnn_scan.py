"""A recurrent net learns to add: two marked numbers of a sequence, by gradients through ``scan``.

Each step of the net is one run of the scan's program, which is traced, differentiated and compiled once, however long
the sequence. ``vmap`` makes batches of it. The check: the error falls to a small part of that of the best constant.
"""

import numpy as np

from autotrace import jit, scan, value_and_grad, vmap
from autotrace.tree import tree_map

UNITS, LENGTH, BATCH, STEPS = 24, 10, 64, 500
RATE = 0.01


def start(rng):
    """Return the parameters of the net."""
    return {
        "into": 0.5 * rng.normal(size=(UNITS, 2)),
        "again": np.eye(UNITS) * 0.9 + 0.05 * rng.normal(size=(UNITS, UNITS)),
        "bias": np.zeros(UNITS),
        "out": rng.normal(size=UNITS) / UNITS,
    }


def predict(net, sequence):
    """Return what the net says after the last row of ``sequence``, f[LENGTH, 2]."""

    def step(state, row):
        return np.tanh(net["into"] @ row + net["again"] @ state + net["bias"]), None

    state, _ = scan(step, np.zeros(UNITS), sequence)
    return net["out"] @ state


def loss(net, sequences, sums):
    """Return the mean squared error on a batch."""
    return np.mean((vmap(predict, in_axes=(None, 0))(net, sequences) - sums) ** 2)


def batch(rng):
    """Return sequences of (number, mark), and the sums of the two marked numbers."""
    numbers = rng.uniform(-0.5, 0.5, size=(BATCH, LENGTH))
    marks = np.zeros((BATCH, LENGTH))
    for row in marks:
        row[rng.choice(LENGTH, 2, replace=False)] = 1.0
    return np.stack([numbers, marks], axis=-1), np.sum(numbers * marks, axis=1)


def train(rng):
    """Return the trained net: Adam, with its usual constants."""
    net = start(rng)
    slope = jit(value_and_grad(loss))
    first, second = tree_map(np.zeros_like, net), tree_map(np.zeros_like, net)
    for t in range(1, STEPS + 1):
        error, gradient = slope(net, *batch(rng))
        first = tree_map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate = RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        net = tree_map(lambda w, m, v, rate=rate: w - rate * m / (np.sqrt(v) + 1e-8), net, first, second)
        if t % 100 == 0:
            print(f"step {t}: error {error:.4f}")
    return net


def main():
    rng = np.random.default_rng(0)
    net = train(rng)
    sequences, sums = batch(rng)
    error, constant = loss(net, sequences, sums), np.var(sums)
    print(f"error on new sequences {error:.4f}; of the best constant {constant:.4f}")
    assert error < 0.1 * constant


if __name__ == "__main__":
    main()
