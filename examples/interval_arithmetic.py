"""A transform of one's own (docs/transforms.md): bounds prove that noise cannot change what a network reads."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autotrace import Literal, ShapeDtypeStruct, bind, grad, make_jaxpr, vmap

DATA = Path(__file__).parent / "data" / "digits.csv.gz"


class Interval(NamedTuple):
    low: Any
    high: Any


def increasing(primitive, *xs):
    lows, highs = zip(*[x if isinstance(x, Interval) else (x, x) for x in xs])  # a plain array is known exactly
    return Interval(bind(primitive, *lows), bind(primitive, *highs))


def product(primitive, x, y):
    """A sum of products with known weights: positive ones take one end, negative ones the other."""
    box, weights, flip = (x, y, 1) if isinstance(x, Interval) else (y, x, -1)

    def end(positive, negative):
        pairs = (positive, np.maximum(weights, 0)), (negative, np.minimum(weights, 0))
        return sum(bind(primitive, *pair[::flip]) for pair in pairs)

    return Interval(end(box.low, box.high), end(box.high, box.low))


RULES = dict.fromkeys(("add", "max", "tanh", "exp", "log", "reshape", "broadcast", "slice", "reduce_sum"), increasing)
RULES |= {"einsum": product, "mul": product}


def bounds(f):
    """Make the function of an Interval that returns an Interval which holds ``f`` of every point of it."""

    def bounded(box):
        jaxpr = make_jaxpr(f)(ShapeDtypeStruct(box.low.shape, box.low.dtype)).inline()
        known = dict(zip((*jaxpr.const_vars, *jaxpr.in_vars), (*jaxpr.constants, box)))
        for equation in jaxpr.equations:
            operands = [v.value if isinstance(v, Literal) else known[v] for v in equation.inputs]
            inexact = any(isinstance(x, Interval) for x in operands)
            apply = RULES[equation.primitive.name] if inexact else bind  # an operation without a rule: KeyError
            known[equation.outputs[0]] = apply(equation.primitive, *operands)
        return known[jaxpr.outputs[0]]

    return bounded


table = np.loadtxt(DATA, delimiter=",")
x, y = table[:, :64] / 16, table[:, 64].astype(int)
rng = np.random.default_rng(0)
params = {"W1": rng.normal(0, 0.2, (64, 24)), "b1": np.zeros(24), "W2": rng.normal(0, 0.2, (24, 10))}


def scores(params, x):
    return np.tanh(x @ params["W1"] + params["b1"]) @ params["W2"]


def loss(params, x, y):
    s = scores(params, x)
    return np.mean(np.log(np.sum(np.exp(s), axis=1)) - s[np.arange(len(y)), y])


for _ in range(200):
    slope = grad(loss)(params, x[:1000], y[:1000])
    params = {name: params[name] - 0.5 * slope[name] for name in params}


def margin(image, target, noise):
    """Bound from below how far the score of the digit that ``target`` marks stays above all others under ``noise``."""
    others = np.eye(10) - target  # scores less that of the digit, in the last layer: closer than bounds of each
    network = {**params, "W2": params["W2"] @ others.T}
    box = bounds(lambda image: scores(network, image))(Interval(image - noise, image + noise))
    return np.min(np.where(target == 1, np.inf, -box.high))


test_x, test_y = x[1000:1400], y[1000:1400]
targets = np.eye(10)[test_y]
right = np.argmax(scores(params, test_x), axis=1) == test_y
print(f"read right: {right.mean():.1%} of {len(test_y)} images")
for noise in (0.0, 0.005, 0.01, 0.02):
    proven = vmap(margin, in_axes=(0, 0, None))(test_x, targets, noise) > 0
    tried = test_x + noise * rng.choice([-1, 1], (20, *test_x.shape))
    survived = np.all(np.argmax(scores(params, tried), axis=-1) == test_y, axis=0)
    print(f"noise {noise:5.3f}: {proven.mean():6.1%} proven, {survived.mean():6.1%} survive 20 trials")
    assert np.all(survived[proven]) and (noise or np.array_equal(proven, right))

slope = grad(margin, argnums=2)(test_x[0], targets[0], 0.01)
print(f"The margin of the first one falls by {-slope:.2f} for each unit of noise.")
numeric = margin(test_x[0], targets[0], 0.01 + 1e-6) - margin(test_x[0], targets[0], 0.01 - 1e-6)
assert abs(slope - numeric / 2e-6) < 1e-5 * abs(slope)
