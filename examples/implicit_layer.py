"""A layer defined by an equation, z = tanh(A z + U x + b), trained through its solution (a deep equilibrium layer).

The number of steps to the solution plays no part in the gradient: nothing is kept of them. The same gradient by
differentiating each step is compared at the end.
"""

import numpy as np

from autotrace import cost, fixed_point, grad, jit, scan, value_and_grad, vmap

rng = np.random.default_rng(3)
WIDTH, POINTS = 8, 60
x = rng.uniform(-2.0, 2.0, size=(POINTS, 1))
y = np.sin(2.0 * x[:, 0]) + 0.3 * x[:, 0]

parameters = {
    "W": 0.3 * rng.normal(size=(WIDTH, WIDTH)) / WIDTH**0.5,
    "U": rng.normal(size=(WIDTH, 1)),
    "b": 0.5 * rng.normal(size=WIDTH),
    "out": 0.3 * rng.normal(size=WIDTH),
}


def step(z, p, x):
    """One step of a contraction: the matrix has a norm below 0.9, whatever W is."""
    matrix = 0.9 * p["W"] / np.sqrt(1.0 + np.sum(p["W"] ** 2))
    return np.tanh(matrix @ z + p["U"] @ x + p["b"])


def equilibrium(p, x):
    """The state that the layer settles in."""
    return fixed_point(step, np.zeros(WIDTH), p, x, tol=1e-12)


def unrolled(p, x, length=200):
    """The same by so many steps, each of them differentiated."""
    return scan(lambda z, _: (step(z, p, x), None), np.zeros(WIDTH), length=length)[0]


def loss(p, layer):
    states = vmap(lambda x: layer(p, x))(x)
    return np.mean((states @ p["out"] - y) ** 2)


objective = jit(value_and_grad(lambda p: loss(p, equilibrium)))
first, slopes = objective(parameters)

# The implicit gradient is that of the unrolled layer, and its cost does not grow with the number of steps.
through_steps = grad(lambda p: loss(p, unrolled))(parameters)
for name, slope in slopes.items():
    assert np.allclose(slope, through_steps[name], atol=1e-9), name
by_steps = [cost(grad(lambda p, n=n: loss(p, lambda p, x: unrolled(p, x, n))))(parameters).flops for n in (50, 200)]
print(f"gradient through 50 steps: {by_steps[0]:,} operations; through 200: {by_steps[1]:,}")

# Adam (Kingma and Ba 2015).
mean = {name: np.zeros_like(v) for name, v in parameters.items()}
square = {name: np.zeros_like(v) for name, v in parameters.items()}
for k in range(1, 401):
    value, slopes = objective(parameters)
    for name, slope in slopes.items():
        mean[name] = 0.9 * mean[name] + 0.1 * slope
        square[name] = 0.99 * square[name] + 0.01 * slope**2
        change = mean[name] / (1 - 0.9**k) / (np.sqrt(square[name] / (1 - 0.99**k)) + 1e-8)
        parameters[name] = parameters[name] - 0.02 * change
    if k in (1, 10, 100, 400):
        print(f"step {k:3d}: loss {value:.6f}")

# The trained layer is still at rest where it says it is, and it fits.
states = vmap(lambda x: equilibrium(parameters, x))(x)
rest = vmap(lambda z, x: step(z, parameters, x))(states, x)
print("largest change by another step:", np.max(np.abs(rest - states)))
assert np.max(np.abs(rest - states)) < 1e-11
assert value < first / 50
