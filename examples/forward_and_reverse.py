"""Forward and reverse mode give the same derivatives, and an array built inside a function keeps its own."""

import numpy as np

from autotrace import grad, jacfwd, jacrev, jvp, vjp


def parabola(x):
    return x**2 + 2 * x + 1


# Reverse mode: one cotangent back.
reverse = grad(parabola)(2.0)
_, pullback = vjp(parabola, 2.0)
# Forward mode: one tangent along.
_, forward = jvp(parabola, (2.0,), (1.0,))
print("y = x^2 + 2x + 1, at x = 2")
print("  grad", reverse)
print("  vjp ", pullback(1.0)[0])
print("  jvp ", forward)
assert reverse == forward == pullback(1.0)[0] == 6.0


# Building an array from traced numbers with plain np.array is where other libraries lose the derivative.
def with_array(x):
    return np.array([x[0] ** 2 + x[1], x[0] + x[1] ** 2])


def with_stack(x):
    return np.stack([x[0] ** 2 + x[1], x[0] + x[1] ** 2])


x = np.array([1.0, 2.0])
print("f(x) = [x0^2 + x1, x0 + x1^2], at x = (1, 2)")
for function in (with_array, with_stack):
    for mode in (jacfwd, jacrev):
        J = mode(function)(x)
        print(f"  {mode.__name__} of {function.__name__}: {J.tolist()}")
        assert J.tolist() == [[2.0, 1.0], [1.0, 4.0]]
