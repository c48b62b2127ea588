"""A pendulum, solved to 14 digits by a Taylor method: at each step the series of the solution, to any order.

The equation y' = f(y) gives the derivatives of its own solution: if those up to order k are known, ``jet`` of f along
them gives the next one. So the step is a polynomial of order 20, and few steps go far. The check is the energy, which
the pendulum keeps, and the period, which an elliptic integral gives.
"""

import math

import numpy as np

from autotrace import jet, jit, taylor

ORDER = 20


def pendulum(state):
    """Return the derivative of (angle, speed)."""
    angle, speed = state
    return np.stack([speed, -np.sin(angle)])


def energy(state):
    return state[1] ** 2 / 2 - np.cos(state[0])


@jit
def solution_series(state):
    """Return the Taylor coefficients of the solution that starts at ``state``."""
    derivatives = [pendulum(state)]
    while len(derivatives) < ORDER:
        _, found = jet(pendulum, (state,), (derivatives,))
        derivatives.append(found[-1])
    return np.stack([state, *[d / math.factorial(k) for k, d in enumerate(derivatives, 1)]])


def step_length(series, tolerance=1e-15):
    """Return the step at which the last terms are as small as rounding."""
    return min((tolerance / np.abs(series[k]).max()) ** (1 / k) for k in (ORDER - 1, ORDER))


def swing_down(state):
    """Follow the pendulum to the lowest point; return the time, the number of steps, and the state there."""
    time, steps = 0.0, 0
    while True:
        series = solution_series(state)
        h = step_length(series)
        angle = np.polynomial.Polynomial(series[:, 0])
        if angle(h) < 0:  # the lowest point is within this step: Newton's method on the polynomial
            for _ in range(8):
                h -= angle(h) / angle.deriv()(h)
            return time + h, steps + 1, np.polynomial.polynomial.polyval(h, series)
        state, time, steps = np.polynomial.polynomial.polyval(h, series), time + h, steps + 1


def quarter_period(amplitude):
    """Return K(sin(amplitude / 2)) by the arithmetic-geometric mean."""
    a, b = 1.0, math.cos(amplitude / 2)
    for _ in range(8):
        a, b = (a + b) / 2, math.sqrt(a * b)
    return math.pi / (2 * a)


start = np.array([3.0, 0.0])  # nearly upright, at rest
time, steps, end = swing_down(start)
print(f"lowest point after {time:.14f} in {steps} steps of order {ORDER}")
print(f"by the elliptic integral {quarter_period(3.0):.14f}")
print(f"energy lost: {abs(energy(end) - energy(start)):.1e}")
assert abs(time - quarter_period(3.0)) < 1e-12
assert abs(energy(end) - energy(start)) < 1e-13

coefficients = taylor(np.tan, 0.0, 9)
print("tan x =", " + ".join(f"{c:.6g} x^{k}" for k, c in enumerate(coefficients) if c))
assert np.allclose(coefficients[1::2], [1, 1 / 3, 2 / 15, 17 / 315, 62 / 2835])
