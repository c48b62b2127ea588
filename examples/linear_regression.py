"""A line through 100 noisy points of y = 2x + 1: by SGD, then to convergence against the closed form."""

import numpy as np

from autotrace import value_and_grad

RATE = 0.01
rng = np.random.default_rng(0)
x = rng.uniform(-1.0, 1.0, (100, 1))
y = 2 * x + 1 + rng.normal(0.0, 0.1, (100, 1))


def mean_squared_error(params, x, y):
    error = x @ params["w"] + params["b"] - y
    return np.mean(error**2)


loss_and_slope = value_and_grad(mean_squared_error)


def step(params, x, y, rate):
    """Move against the gradient; return the new parameters, the loss before, and the size of the gradient."""
    loss, slope = loss_and_slope(params, x, y)
    moved = {name: params[name] - rate * slope[name] for name in params}
    return moved, loss, max(np.max(np.abs(g)) for g in slope.values())


# Stochastic gradient descent: a step for each batch of ten points, in a new order every epoch.
params = {"w": np.zeros((1, 1)), "b": np.zeros(1)}
losses = []
for epoch in range(1, 101):
    order = rng.permutation(len(x))
    for rows in np.split(order, 10):
        params, loss, _ = step(params, x[rows], y[rows], RATE)
    losses.append(mean_squared_error(params, x, y))
    if epoch == 1 or epoch % 20 == 0:
        w, b = params["w"].item(), params["b"].item()
        print(f"epoch {epoch:3}: loss {losses[-1]:.5f}, y = {w:.3f} x + {b:.3f}")
assert losses[-1] < losses[0] / 100

# The whole data at a larger rate, until the gradient vanishes.
steps, size = 0, np.inf
while size > 1e-12:
    params, loss, size = step(params, x, y, 0.5)
    steps += 1

# The normal equations have the answer in closed form.
A = np.hstack([x, np.ones_like(x)])
w, b = np.linalg.solve(A.T @ A, A.T @ y)[:, 0]
print(f"{steps} full steps: loss {loss:.5f}, y = {params['w'].item():.9f} x + {params['b'].item():.9f}")
print(f"closed form:               y = {w:.9f} x + {b:.9f}")
assert np.isclose(params["w"].item(), w, rtol=1e-10)
assert np.isclose(params["b"].item(), b, rtol=1e-10)
