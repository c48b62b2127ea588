"""Rules of one's own: three places where what would be derived is not what is wanted, each checked at the end.

1. log(1 + exp(x)), whose slope has a formula that is right where exp(x) overflows: custom_jvp.
2. The principal square root of a matrix: its derivative is the solution of a Sylvester equation, a theorem, and needs
   none of the steps of the iteration that computes it: custom_vjp.
3. Gradients that are cut, so that one wild sample cannot spoil a fit: custom_vjp with a parameter.
"""

from functools import partial

import numpy as np

from autotrace import custom_jvp, custom_vjp, grad, jit, jvp, vmap
from autotrace.test_util import check_grads


@custom_jvp
def softplus(x):
    return np.logaddexp(0.0, x)


@softplus.defjvp
def softplus_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return softplus(x), dx / (1.0 + np.exp(-x))


@custom_vjp
def square_root(a):
    """Return s with s @ s = a, for a with positive eigenvalues, by the iteration of Denman and Beavers (1976)."""
    s, t = a, np.eye(a.shape[0])
    for _ in range(20):
        s, t = 0.5 * (s + np.linalg.inv(t)), 0.5 * (t + np.linalg.inv(s))
    return s


def square_root_fwd(a):
    s = square_root(a)
    return s, s


def square_root_bwd(s, ct):
    # s ds + ds s = da, so with vec(s ds + ds s) = (s (x) 1 + 1 (x) s^T) vec(ds) the cotangent solves the transpose.
    one = np.eye(s.shape[0])
    system = np.kron(s, one) + np.kron(one, s.T)
    return (np.linalg.solve(system.T, ct.reshape(-1)).reshape(s.shape),)


square_root.defvjp(square_root_fwd, square_root_bwd)


@partial(custom_vjp, nondiff_argnums=1)
def cut_gradient(x, limit):
    return x


cut_gradient.defvjp(lambda x, limit: (x, None), lambda limit, _, ct: (np.clip(ct, -limit, limit),))


def fit(limit):
    """Return the slope of the line through the data, by gradient descent on squares."""
    x = np.linspace(0.0, 1.0, 20)
    y = 3.0 * x
    y[-1] = 1e3  # the wild one

    @jit
    def step(slope):
        def loss(slope):
            return np.mean((cut_gradient(slope * x, limit) - y) ** 2)

        return slope - 2.0 * grad(loss)(slope)

    slope = 0.0
    for _ in range(200):
        slope = step(slope)
    return slope


def main():
    slopes = vmap(grad(softplus))(np.array([-40.0, 0.0, 800.0]))
    print("slopes of softplus:", slopes)
    assert np.allclose(slopes, [0.0, 0.5, 1.0])

    a = np.array([[4.0, 1.0], [0.5, 3.0]])
    s = square_root(a)
    print("square root:\n", s)
    assert np.allclose(s @ s, a)
    check_grads(square_root, (a,), order=2)  # forward mode too: the transpose of the rule
    da = np.array([[1.0, 0.0], [2.0, -1.0]])
    ds = jvp(square_root, (a,), (da,))[1]
    assert np.allclose(s @ ds + ds @ s, da)

    cut, free = fit(0.05), fit(np.inf)
    print(f"slope, true 3: with cut gradients {cut:.3f}, without {free:.1f}")
    assert abs(cut - 3.0) < 0.2 < abs(free - 3.0)


if __name__ == "__main__":
    main()
