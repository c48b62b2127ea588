"""How the answer of a Newton solver depends on its data: gradients through a loop whose length nobody knows before.

Kepler's equation, E - e sin(E) = M, is solved for E by Newton's method: with a plain Python ``while``, and with
``while_loop``. Both have gradients, to second order; with ``while_loop`` the solver also runs in batches, each row as
often as it needs. The check is the implicit function theorem, which gives the derivatives in closed form.
"""

import numpy as np

from autotrace import grad, hessian, jit, make_jaxpr, vmap, while_loop

TOLERANCE = 1e-9
"""Newton's method doubles the digits with every step: one more makes values and derivatives exact."""


def newton_step(angle, mean, eccentricity):
    error = angle - eccentricity * np.sin(angle) - mean
    return angle - error / (1 - eccentricity * np.cos(angle)), error


def solve_with_python(data):
    """Return the angle for ``data``, (mean anomaly, eccentricity): plain Python."""
    mean, eccentricity = data
    angle, error = newton_step(mean, mean, eccentricity)
    while np.abs(error) > TOLERANCE:
        angle, error = newton_step(angle, mean, eccentricity)
    return newton_step(angle, mean, eccentricity)[0]


def solve(data):
    """Return the angle for ``data``: the loop is one equation of the program."""
    mean, eccentricity = data
    angle, _ = while_loop(
        lambda state: np.abs(state[1]) > TOLERANCE,
        lambda state: newton_step(state[0], mean, eccentricity),
        newton_step(mean, mean, eccentricity),
    )
    return newton_step(angle, mean, eccentricity)[0]


def exact_gradient(data):
    """Differentiate the equation: (1 - e cos E) dE = dM + sin(E) de."""
    angle = solve_with_python(data)
    return np.array([1.0, np.sin(angle)]) / (1 - data[1] * np.cos(angle))


def main():
    data = np.array([0.8, 0.6])
    for solver in (solve_with_python, solve):
        found = grad(solver)(data)
        print(f"{solver.__name__}: angle {solver(data):.12f}, gradient {found}")
        np.testing.assert_allclose(found, exact_gradient(data), rtol=1e-11)

    curvature = hessian(solve)(data)
    step = 1e-6 * np.eye(2)
    slopes = [(exact_gradient(data + h) - exact_gradient(data - h)) / 2e-6 for h in step]
    print(f"second derivatives\n{curvature}")
    np.testing.assert_allclose(curvature, slopes, rtol=1e-7)

    orbits = np.stack([np.linspace(0.1, 3.0, 200), np.linspace(0.0, 0.95, 200)], axis=1)
    gradients = jit(vmap(grad(solve)))(orbits)
    np.testing.assert_allclose(gradients, [exact_gradient(orbit) for orbit in orbits], rtol=1e-9)
    print(f"{len(orbits)} orbits at once; the program has {len(make_jaxpr(solve)(data).equations)} equations")


if __name__ == "__main__":
    main()
