"""The programs behind a training step of the digits network: read, priced, profiled, drawn, and written as NumPy."""

import tempfile
from pathlib import Path

import numpy as np

from autotrace import cost, grad, hvp, make_jaxpr, profile, value_and_grad
from autotrace.tree import tree_leaves

DATA = Path(__file__).parent / "data" / "digits.csv.gz"
HIDDEN, BATCH = 64, 32

table = np.loadtxt(DATA, delimiter=",", max_rows=BATCH)
x, y = table[:, :64] / 16, table[:, 64].astype(int)
rng = np.random.default_rng(0)
params = {
    "W1": rng.normal(0, np.sqrt(2 / 64), (64, HIDDEN)),
    "b1": np.zeros(HIDDEN),
    "W2": rng.normal(0, np.sqrt(1 / HIDDEN), (HIDDEN, 10)),
    "b2": np.zeros(10),
}


def loss(params, x, y):
    """The mean cross-entropy of a network of two layers, as in digits.py."""
    hidden = np.maximum(x @ params["W1"] + params["b1"], 0)
    s = hidden @ params["W2"] + params["b2"]
    s = s - np.max(s, axis=1, keepdims=True)
    log_total = np.log(np.sum(np.exp(s), axis=1))
    return np.mean(log_total - s[np.arange(len(y)), y])


def product(params, direction, x, y):
    """The Hessian of the loss times ``direction``: how the gradient turns when the parameters move that way."""
    return hvp(lambda params: loss(params, x, y))(params, direction)


programs = {
    "loss": make_jaxpr(loss)(params, x, y),
    "gradient": make_jaxpr(grad(loss))(params, x, y),
    "Hessian times vector": make_jaxpr(product)(params, params, x, y),
}
for name, jaxpr in programs.items():
    print(f"--- {name}\n{jaxpr.check().pretty(names='user', max_equations=30)}\n")

print("--- Read: how many equations of each kind")
for name, jaxpr in programs.items():
    print(f"{name:>20}: " + ", ".join(f"{n} {kind}" for kind, n in jaxpr.count_primitives().most_common(6)))

print("\n--- Priced")
flops = {name: jaxpr.cost().flops for name, jaxpr in programs.items()}
for name, jaxpr in programs.items():
    price = jaxpr.cost()
    ratio = price.flops / flops["loss"]
    print(f"{name:>20}: {price.flops:10,} flops ({ratio:.1f} losses), {price.peak_bytes / 1e3:5.0f} kB at its peak")
print(f"\n{cost(value_and_grad(loss))(params, x, y)}")

print("\n--- Profiled: a training step, by the lines of the loss")
found = profile(value_and_grad(loss))(params, x, y)
print(found)

drawing = Path(tempfile.gettempdir()) / "digits_loss.svg"
drawing.write_text(programs["loss"].to_svg(engine="plain", names="user"), encoding="utf-8")
print(f"\n--- Drawn: {drawing}")

print("\n--- Written: the gradient as a file that needs NumPy alone")
text = programs["gradient"].to_python("gradient", names="user")
print(text)
alone = {}
exec(text, alone)
leaves = tree_leaves((params, x, y))
slopes = alone["gradient"](*leaves, **text.constants)

# The loss is two products of matrices, its gradient three more, the Hessian-vector product as many as again.
assert programs["loss"].count_primitives()["einsum"] == 2
assert flops["loss"] > 2 * BATCH * HIDDEN * (64 + 10)
assert 1.5 < flops["gradient"] / flops["loss"] < 4
assert flops["Hessian times vector"] < 8 * flops["loss"]
assert found.lines and found.seconds <= found.total_seconds
assert all(np.array_equal(s, t) for s, t in zip(slopes, programs["gradient"](*leaves)))
