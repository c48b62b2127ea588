"""A neural ODE: the law of motion of a pendulum with friction, learnt from what it did.

The derivative of the state is a small network, and the data are states at some times; the loss compares the solution
of the network's equation with them. Nothing is known of derivatives: the gradient goes through the solver (Chen,
Rubanova, Bettencourt, Duvenaud 2018). The check: the equation that was learnt predicts motions that it was not shown.
"""

import numpy as np

from autotrace import jit, odeint, value_and_grad, vmap
from autotrace.tree import tree_map

rng = np.random.default_rng(0)
HIDDEN = 32
TIMES = np.linspace(0.0, 3.0, 16)
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}


def pendulum(state, t):
    """The truth: angle and speed, with friction."""
    angle, speed = state
    return np.stack([speed, -2.0 * np.sin(angle) - 0.3 * speed])


def network(state, t, params):
    hidden = np.tanh(params["w1"] @ state + params["b1"])
    return params["w2"] @ hidden + params["b2"]


def motions(starts):
    """Return the true states ``[motion, time, 2]``."""
    return vmap(lambda start: odeint(pendulum, start, TIMES))(starts)


def predicted(params, starts):
    return vmap(lambda start: odeint(network, start, TIMES, params, **TOLERANCE))(starts)


def loss(params, starts, states):
    return np.mean((predicted(params, starts) - states) ** 2)


def adam(params, moments, gradient, k, rate):
    """Return parameters and moments after step ``k`` (Kingma and Ba 2015)."""
    first = tree_map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], gradient)
    second = tree_map(lambda v, g: 0.99 * v + 0.01 * g * g, moments[1], gradient)
    ahead = tree_map(
        lambda p, m, v: p - rate * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.99**k)) + 1e-8), params, first, second
    )
    return ahead, (first, second)


def train(starts, states, steps):
    params = {
        "w1": rng.normal(size=(HIDDEN, 2)) / 2,
        "b1": np.zeros(HIDDEN),
        "w2": 0.1 * rng.normal(size=(2, HIDDEN)),
        "b2": np.zeros(2),
    }
    moments = (tree_map(np.zeros_like, params), tree_map(np.zeros_like, params))
    step = jit(value_and_grad(loss))
    for k in range(1, steps + 1):
        value, gradient = step(params, starts, states)
        params, moments = adam(params, moments, gradient, k, rate=0.06 * (1 - k / (steps + 1)))
        if k % 50 == 0:
            print(f"step {k:3}: loss {value:.2e}")
    return params


def main():
    starts = rng.uniform(-1.5, 1.5, size=(24, 2))
    params = train(starts, motions(starts), steps=250)
    others = rng.uniform(-1.0, 1.0, size=(10, 2))
    error = np.sqrt(loss(params, others, motions(others)))
    print(f"motions that it was not shown: root mean square error {error:.4f}")
    assert error < 0.03


if __name__ == "__main__":
    main()
