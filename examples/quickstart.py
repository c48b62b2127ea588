"""A tour: trace, print, differentiate, nest, batch. Everything here is plain NumPy."""

import numpy as np

from autotrace import grad, hessian, jacfwd, jacrev, jvp, make_jaxpr, value_and_grad, vjp, vmap


def wave(x, k):
    """A scalar function of a vector and a number."""
    return np.sum(np.sin(k * x) * x)


x = np.array([0.5, 1.0, 2.0])
k = 3.0

# The program that a function is, and that of its derivative.
print("The program of wave:")
print(make_jaxpr(wave)(x, k))
print("\nThe program of its gradient:")
print(make_jaxpr(grad(wave))(x, k))

# Gradients: of the first argument, of another, of several; with the value.
value, slope = value_and_grad(wave)(x, k)
print("\nvalue     ", value)
print("d/dx      ", slope)
print("d/dk      ", grad(wave, argnames="k")(x, k))
assert np.allclose(slope, np.sin(k * x) + k * x * np.cos(k * x))
assert np.allclose(grad(wave, argnums=(0, 1))(x, k)[1], np.sum(x * x * np.cos(k * x)))

# Forward mode: the derivative in one direction. Reverse mode: the pullback of a cotangent.
direction = np.array([1.0, 0.0, -1.0])
_, rate = jvp(lambda x: wave(x, k), (x,), (direction,))
print("along     ", rate)
assert np.isclose(rate, slope @ direction)

y, pullback = vjp(np.exp, x)
(back,) = pullback(direction)
print("pulled    ", back)
assert np.allclose(back, direction * y)

# Derivatives of derivatives.
tanh_3 = grad(grad(grad(np.tanh)))(0.5)
print("tanh'''   ", tanh_3)
t = np.tanh(0.5)
assert np.isclose(tanh_3, -2 * (1 - t**2) * (1 - 3 * t**2))

# Jacobians by either mode, and a Hessian.
rotate = np.array([[0.0, -1.0], [1.0, 0.0]])


def swirl(p):
    return rotate @ p * np.sum(p * p)


p = np.array([1.0, 2.0])
print("Jacobian  ", jacfwd(swirl)(p).tolist())
assert np.allclose(jacfwd(swirl)(p), jacrev(swirl)(p))
H = hessian(wave)(x, k)
print("Hessian   ", np.diag(H))
assert np.allclose(H, np.diag(2 * k * np.cos(k * x) - k * k * x * np.sin(k * x)))

# One point becomes many: a gradient for each row of a batch.
batch = np.stack([x, 2 * x, 3 * x])
slopes = vmap(grad(wave), in_axes=(0, None))(batch, k)
print("batch     ", slopes.shape)
assert np.allclose(slopes, [grad(wave)(row, k) for row in batch])


# Python's own control flow is part of the trace.
def square_root(a):
    guess = a
    while abs(guess * guess - a) > 1e-12:
        guess = 0.5 * (guess + a / guess)
    return guess


print("d sqrt(2) ", grad(square_root)(2.0))
assert np.isclose(grad(square_root)(2.0), 0.5 / np.sqrt(2.0))
