"""Every mode of jacobian wins somewhere: four problems where Jacobians are what the time goes into."""

from itertools import pairwise

import numpy as np
from scipy.sparse import eye_array
from scipy.sparse.linalg import spsolve

from autotrace import jacobian, jacrev, jit

rng = np.random.default_rng(1)


# 1. Sparse: a stiff reaction-diffusion equation, u_t = u_xx + 50 u (1 - u) (u - 0.3), by implicit Euler steps.
n, dt = 2000, 0.002


def reaction_diffusion(u):
    left, right = np.concatenate([u[:1], u[:-1]]), np.concatenate([u[1:], u[-1:]])
    return n * (left - 2 * u + right) + 50 * u * (1 - u) * (u - 0.3)


slope = jacobian(reaction_diffusion, format="csr")
u = np.where(np.arange(n) < n // 4, 1.0, 0.0)
for _ in range(5):
    new = u.copy()
    for _ in range(6):  # Newton's method
        residual = new - u - dt * reaction_diffusion(new)
        new = new - spsolve((eye_array(n) - dt * slope(new)).tocsc(), residual)
    u = new
plan = slope.plan(u)
print(f"reaction-diffusion: {plan.mode}, {plan.coloring.columns + plan.coloring.rows} directions for {n} columns")
assert plan.mode == "sparse"
assert np.abs(residual).max() < 1e-10  # Newton's method has converged
assert np.allclose(slope(u).toarray(), jacrev(reaction_diffusion)(u))


# 2. Forward: least squares, a damped oscillation through 3000 measurements, by Gauss and Newton.
t = np.linspace(0.0, 10.0, 3000)
truth = np.array([2.0, 0.3, 1.7])


def oscillation(p):
    return p[0] * np.exp(-p[1] * t) * np.cos(p[2] * t)


measured = oscillation(truth) + 0.01 * rng.normal(size=t.size)
fit, curve_slope = np.array([1.5, 0.2, 1.6]), jit(jacobian(oscillation))
for _ in range(12):
    J = curve_slope(fit)
    fit = fit + np.linalg.solve(J.T @ J, J.T @ (measured - oscillation(fit)))
plan = jacobian(oscillation).plan(fit)
print(f"least squares: {plan.mode}, found {np.round(fit, 2)}")
assert plan.mode == "forward"
assert np.allclose(fit, truth, atol=0.01)


# 3. Mixed: how each output of an autoencoder with three hidden numbers depends on each input.
sizes = [400, 400, 3, 400, 400]
weights = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]


def autoencoder(x):
    for w in weights:
        x = np.tanh(w @ x)
    return x


x = rng.normal(size=400)
print(jacobian(autoencoder).explain(x))
assert jacobian(autoencoder).plan(x).mode == "mixed"
assert np.allclose(jacobian(autoencoder)(x), jacrev(autoencoder)(x))


# 4. Elimination: a robot's arm, a program of scalars.
def arm(q):
    x = y = angle = 0.0
    for k in range(4):
        angle = angle + q[k]
        x, y = x + np.cos(angle), y + np.sin(angle)
    return np.stack([x, y, angle])


q, target = np.array([0.3, 0.4, -0.2, 0.5]), np.array([2.5, 2.2, 1.0])
arm_slope = jit(jacobian(arm))
for _ in range(20):
    q = q + np.linalg.pinv(arm_slope(q)) @ (target - arm(q))
print(f"robot arm: {jacobian(arm).plan(q).mode}, reached {np.round(arm(q), 6)}")
assert jacobian(arm).plan(q).mode == "elimination"
assert np.allclose(arm(q), target)


# 5. Reverse: many numbers in, few out.
def statistics(x):
    return np.stack([np.mean(x), np.std(x), np.mean((x - np.mean(x)) ** 3)])


print(f"statistics: {jacobian(statistics).plan(x).mode}")
assert jacobian(statistics).plan(x).mode == "reverse"
