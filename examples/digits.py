"""A two-layer network learns to read handwritten digits; every fifth image is held out to test it."""

from pathlib import Path

import numpy as np

from autotrace import value_and_grad

DATA = Path(__file__).parent / "data" / "digits.csv.gz"
HIDDEN, BATCH, EPOCHS, RATE, MOMENTUM = 64, 32, 20, 0.1, 0.9

table = np.loadtxt(DATA, delimiter=",")
pixels, labels = table[:, :64] / 16, table[:, 64].astype(int)
held_out = np.arange(len(table)) % 5 == 4
train_x, train_y = pixels[~held_out], labels[~held_out]
test_x, test_y = pixels[held_out], labels[held_out]

rng = np.random.default_rng(0)
params = {
    "W1": rng.normal(0, np.sqrt(2 / 64), (64, HIDDEN)),
    "b1": np.zeros(HIDDEN),
    "W2": rng.normal(0, np.sqrt(1 / HIDDEN), (HIDDEN, 10)),
    "b2": np.zeros(10),
}


def scores(params, x):
    """Two layers: x[n, 64] to a score for each of ten digits."""
    hidden = np.maximum(x @ params["W1"] + params["b1"], 0)
    return hidden @ params["W2"] + params["b2"]


def loss(params, x, y):
    """The mean of -log p, where p is the probability (softmax of the scores) of the right digit."""
    s = scores(params, x)
    s = s - np.max(s, axis=1, keepdims=True)
    log_total = np.log(np.sum(np.exp(s), axis=1))
    return np.mean(log_total - s[np.arange(len(y)), y])


def accuracy(params, x, y):
    return np.mean(np.argmax(scores(params, x), axis=1) == y)


print(f"{len(train_y)} images to learn from, {len(test_y)} held out")
loss_and_slope = value_and_grad(loss)
velocity = {name: np.zeros_like(value) for name, value in params.items()}
for epoch in range(1, EPOCHS + 1):
    order = rng.permutation(len(train_y))
    total = 0.0
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        value, slope = loss_and_slope(params, train_x[rows], train_y[rows])
        total += value * len(rows)
        for name in params:
            velocity[name] = MOMENTUM * velocity[name] - RATE * slope[name]
            params[name] = params[name] + velocity[name]
    right = accuracy(params, test_x, test_y)
    print(f"epoch {epoch:2}: loss {total / len(order):.4f}, {right:.1%} of the held-out right", flush=True)

sample = test_x[0].reshape(8, 8)
print("\nOne of them:")
for row in sample:
    print("   " + "".join(" .:-=+*#%@"[int(9 * p)] * 2 for p in row))
print(f"read as {np.argmax(scores(params, test_x[:1]))}, is {test_y[0]}")
assert right >= 0.95
