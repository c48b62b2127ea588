"""jit follows Python's while and if: a root finder in plain NumPy, compiled path by path, and differentiated."""

import numpy as np

from autotrace import grad, jit


def kepler(mean, e):
    """Solve Kepler's equation E - e sin(E) = mean for E: Newton's method, bisection where a step leaves the bracket."""
    low, high = mean - e, mean + e
    anomaly = mean
    for _ in range(60):
        error = anomaly - e * np.sin(anomaly) - mean
        if np.abs(error) < 1e-13:
            break
        if error > 0:
            high = anomaly
        else:
            low = anomaly
        step = anomaly - error / (1.0 - e * np.cos(anomaly))
        anomaly = step if low <= step <= high else 0.5 * (low + high)
    # One more step of Newton's: at the root its derivative is that of the implicit function.
    return anomaly - (anomaly - e * np.sin(anomaly) - mean) / (1.0 - e * np.cos(anomaly))


def cube_root(a):
    """The cube root by Newton's method, for either sign."""
    x = a
    while np.abs(x * x * x - a) > 1e-13 * np.abs(a):
        x = (2.0 * x + a / (x * x)) / 3.0
    return x


fast_root = jit(cube_root)

# Two arguments, two paths: the program of each is a straight line, its guards say where it holds.
print("The program at 1.0, where no step is needed:")
print(fast_root.lower(1.0).as_text())
print("\nThe program at 1.03, after three steps:")
print(fast_root.lower(1.03).as_text())

for a in (1.0, 1.03, -8.0, 2.0, 1e6, 1.0):
    assert np.isclose(fast_root(a), np.cbrt(a), rtol=1e-12)
print("\npaths of the cube root:  ", fast_root.cache_info())

# jit of a gradient: the same paths, each with its derivative.
slope = jit(grad(cube_root))
for a in (1.03, 2.0, -8.0):
    assert np.isclose(slope(a), 1.0 / (3.0 * np.cbrt(a) ** 2), rtol=1e-9)
print("d cbrt(2) =", slope(2.0), " exactly", 1.0 / (3.0 * np.cbrt(2.0) ** 2))

# An orbit, from its pericentre around. The loop takes a few different paths; then everything is known.
solve = jit(kepler, max_paths=200)
speed = jit(grad(kepler), max_paths=200)
means, e = np.linspace(0.05, 3.1, 100), 0.8
for _ in range(2):
    orbit = np.array([solve(m, e) for m in means])
    rates = np.array([speed(m, e) for m in means])
print("\nKepler's equation:       ", solve.cache_info())
print("its derivative:          ", speed.cache_info())

# Checks: the equation holds, the derivative is that of the implicit function, 1 / (1 - e cos E).
assert np.allclose(orbit - e * np.sin(orbit), means, atol=1e-12)
assert np.allclose(rates, 1.0 / (1.0 - e * np.cos(orbit)), rtol=1e-9)
assert solve.cache_info().hits >= 150
print("largest error:           ", np.max(np.abs(orbit - e * np.sin(orbit) - means)))
