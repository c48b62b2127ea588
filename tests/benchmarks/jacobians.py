"""jacobian: is the mode that it picks the best one, and what is that worth against JAX and asdex.

    python -m tests.benchmarks.jacobians            # shapes: every mode by hand against auto, all jitted
    python -m tests.benchmarks.jacobians peers      # JAX's jitted jacobian, and asdex where it is installed

Jitted functions are measured warm, in interleaved rounds (see ``harness``); planning is told beside them.
"""

import importlib
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from autotrace import jacobian, jacrev, jit

from .harness import interleave, print_columns, print_target, print_versions

MODES = ("forward", "reverse", "mixed", "elimination", "sparse")
RNG = np.random.default_rng(0)
SLOW = 5.0  # seconds by estimate: modes that are left out


def matrix(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape) / np.sqrt(shape[-1])


def layers(*sizes: int, at: Any = np) -> Callable[[Any], Any]:
    """A network of these widths."""
    weights = [matrix(b, a) for a, b in pairwise(sizes)]

    def network(x: Any) -> Any:
        for w in weights:
            x = at.tanh(w @ x)
        return x

    return network


def tridiagonal(x: Any, at: Any = np) -> Any:
    y = x * x
    return at.concatenate([y[:1] - x[1:2], x[:-2] - 2 * y[1:-1] + at.sin(x[2:]), y[-1:] * x[-2:-1]])


def pentadiagonal(x: Any) -> Any:
    return x[:-4] * x[4:] - 4 * x[1:-3] ** 2 + 6 * x[2:-2] - np.exp(-x[3:-1])


def arrow(x: Any) -> Any:
    return np.concatenate([np.sum(x * x, keepdims=True), x[1:] ** 2 + x[0]])


def kepler(x: Any) -> Any:
    a, e, m = x[0], x[1], x[2]
    big = m + e * np.sin(m)
    for _ in range(4):
        big = big - (big - e * np.sin(big) - m) / (1 - e * np.cos(big))
    return np.stack([a * (np.cos(big) - e), a * np.sqrt(1 - e * e) * np.sin(big)])


def rosenbrock_residuals(x: Any) -> Any:
    return np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]])


def heat(x: Any) -> Any:
    u = x.reshape(24, 24)
    inner = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
    return inner + u[1:-1, 1:-1] ** 3


def blocks(count: int, size: int) -> Callable[[Any], Any]:
    w = matrix(count, size, size)
    return lambda x: np.tanh(np.einsum("bij,bj->bi", w, x.reshape(count, size)))


def mixture(x: Any) -> Any:
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def curve(rows: int) -> Callable[[Any], Any]:
    t = np.linspace(0.0, 1.0, rows)
    return lambda x: x[0] * np.exp(-x[1] * t)


def distances(x: Any) -> Any:
    return np.sqrt(np.sum((x.reshape(-1, 3) - 1.0) ** 2, axis=1))


SHAPES: dict[str, tuple[Callable[[Any], Any], int]] = {
    "tall 2 -> 5000, curve": (curve(5000), 2),
    "tall 20 -> 2000": (layers(20, 2000), 20),
    "wide 2000 -> 20": (layers(2000, 20), 2000),
    "wide 600 -> 1": (lambda x: np.sum(np.tanh(x) ** 2, keepdims=True), 600),
    "square 100, dense": (layers(100, 100), 100),
    "square 300, dense, 3 layers": (layers(300, 300, 300, 300), 300),
    "square 200, narrowing": (layers(200, 100, 200), 200),
    "square 300, softmax": (mixture, 300),
    "waist 300 -> 3 -> 300": (layers(300, 300, 3, 300, 300), 300),
    "waist 1000 -> 3 -> 1000": (layers(1000, 3, 1000), 1000),
    "two waists": (layers(200, 5, 200, 5, 200), 200),
    "chain 300-40-200-20-150": (layers(300, 40, 200, 20, 150), 300),
    "chain widening": (layers(10, 50, 250, 500), 10),
    "chain 100-30-60": (layers(100, 30, 60), 100),
    "tridiagonal 1000": (tridiagonal, 1000),
    "tridiagonal 10": (tridiagonal, 10),
    "pentadiagonal 600": (pentadiagonal, 600),
    "residuals 400 -> 798": (rosenbrock_residuals, 400),
    "heat 24 x 24": (heat, 576),
    "arrow 600": (arrow, 600),
    "blocks 50 of 8 x 8": (blocks(50, 8), 400),
    "blocks 4 of 50 x 50": (blocks(4, 50), 200),
    "distances 300 -> 100": (distances, 300),
    "scalars 3 -> 2, kepler": (kepler, 3),
}


def compare_modes(calls: dict[str, Any], x: Any, took: str, rounds: int) -> tuple[Any, str, float]:
    """Return the timings, the best mode by hand, and the time of auto over its.

    Auto and the mode that it ``took`` run the same program: of two measurements of it the quieter one counts.
    """
    row = interleave({key: lambda call=call: call(x) for key, call in calls.items()}, rounds, 0.01)
    best = min((key for key in row if key != "auto"), key=lambda key: row[key].median)
    return row, best, min(row["auto"].median, row[took].median) / row[best].median


def compare_shapes() -> None:
    """Print for every shape the mode that auto took, its time, that of the best by hand, and the planning."""
    lines = [
        [
            "shape",
            "auto took",
            "auto [us]",
            "best by hand",
            "[us]",
            "ratio",
            "jacfwd or jacrev [us]",
            "planning [ms]",
            "first jacrev [ms]",
        ]
    ]
    ratios, slow = [], []
    for name, (f, n) in SHAPES.items():
        x = RNG.normal(size=n) / 3 + 0.5
        begun = time.perf_counter()
        jacrev(f)(x)
        dense = time.perf_counter() - begun
        plan = jacobian(f).plan(x)
        calls = {"auto": jit(jacobian(f))}
        for candidate in plan.candidates:
            if candidate.recipe is not None and candidate.seconds < SLOW:
                calls[candidate.mode] = jit(jacobian(f, mode=candidate.mode))
        for call in calls.values():
            for _ in range(30):  # past compiling
                call(x)
                if plan.candidates[0].seconds > 0.1:
                    break
        row, best, ratio = compare_modes(calls, x, plan.mode, 9)
        if ratio > 1.15:  # look again, longer: the machine is never quite still
            row, best, ratio = compare_modes(calls, x, plan.mode, 25)
        ratios.append(ratio)
        planning = plan.planning_seconds * 1e3
        if planning > max(50.0, dense * 1e3):
            slow.append(name)
        times = [f"{row[key].median * 1e6:,.1f}" for key in ("auto", best)]
        plain = min(row[key].median for key in ("forward", "reverse") if key in row)
        lines.append(
            [
                name,
                plan.mode,
                times[0],
                best,
                times[1],
                f"{ratio:.2f}",
                f"{plain * 1e6:,.1f}",
                f"{planning:.1f}",
                f"{dense * 1e3:.1f}",
            ]
        )
    print_columns(lines)
    print_target(f"auto over the best mode by hand, the worst of {len(ratios)} shapes", max(ratios), 1.3)
    print_target("shapes where planning takes more than 50 ms and than a first dense Jacobian", len(slow), 0)


def compare_peers() -> None:
    """Print autotrace, JAX and asdex on a tall, a waist and a tridiagonal Jacobian."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = importlib.import_module("jax.numpy")
    lines = [["case", "autotrace [us]", "JAX [us]", "JAX / autotrace"]]
    figures = {}

    def versus(name: str, f: Any, g: Any, x: Any, rounds: int = 7, **options: Any) -> None:
        ours, theirs = jit(jacobian(f, **options)), jax.jit(jax.jacobian(g))
        y = jnp.asarray(x)
        for _ in range(30):
            ours(x)
        row = interleave({"ours": lambda: ours(x), "jax": lambda: theirs(y).block_until_ready()}, rounds, 0.01)
        figures[name] = row["jax"].median / row["ours"].median
        lines.append([name, *[f"{row[k].median * 1e6:,.1f}" for k in ("ours", "jax")], f"{figures[name]:,.0f}x"])

    t = np.linspace(0.0, 1.0, 5000)
    versus("tall 2 -> 5000", curve(5000), lambda x: x[0] * jnp.exp(-x[1] * t), np.array([1.0, 2.0]))
    x = RNG.normal(size=1000)
    for name, sizes in (("waist 1000-3-1000", (1000, 3, 1000)), ("waist in a network", (1000, 1000, 3, 1000, 1000))):
        weights = [matrix(b, a) for a, b in pairwise(sizes)]

        def network(x: Any, at: Any = np, weights: Any = weights) -> Any:
            for w in weights:
                x = at.tanh(w @ x)
            return x

        versus(name, network, lambda x, network=network: network(x, jnp), x)

    def stirred(x: Any, at: Any) -> Any:
        for _ in range(10):
            x = x + 0.1 * at.sin(at.roll(x, 1) * x)
        w = at.stack([at.sum(x), at.sum(x * x), at.sum(at.sin(x))]) / len(x)
        y = at.linspace(0.0, 1.0, 1000) * w[0] + w[1]
        for _ in range(10):
            y = y + 0.1 * at.sin(at.roll(y, 1) * y + w[2])
        return y

    versus("waist, 10 steps to and fro", lambda x: stirred(x, np), lambda x: stirred(x, jnp), x)
    jax_band = lambda x: tridiagonal(x, jnp)  # noqa: E731
    versus("tridiagonal 2000, dense", tridiagonal, jax_band, RNG.normal(size=2000))
    versus("tridiagonal 10000, sparse; JAX dense", tridiagonal, jax_band, RNG.normal(size=10_000), 3, format="csr")
    print_columns(lines)
    for name in ("tall 2 -> 5000", "waist in a network", "waist, 10 steps to and fro"):
        print_target(f"autotrace over JAX, {name}", 1 / figures[name], 1 / 50)
    print_target("autotrace over JAX, tridiagonal 10000", 1 / figures["tridiagonal 10000, sparse; JAX dense"], 0.01)
    compare_asdex(jax, jnp, jax_band)


def compare_asdex(jax: Any, jnp: Any, band: Any) -> None:
    """Print the first call and the warm one beside asdex's."""
    try:
        asdex = importlib.import_module("asdex")
    except ImportError:
        print("asdex is not installed")
        return
    x = RNG.normal(size=10_000)
    y = jnp.asarray(x)
    jax.jit(lambda y: y + 1)(y).block_until_ready()  # JAX itself is ready
    begun = time.perf_counter()
    theirs = jax.jit(asdex.jacobian(band, y))
    theirs(y).data.block_until_ready()
    their_first = time.perf_counter() - begun
    begun = time.perf_counter()
    ours = jit(jacobian(tridiagonal, format="coo"))
    ours(x)
    our_first = time.perf_counter() - begun
    for _ in range(30):
        ours(x)
    row = interleave({"ours": lambda: ours(x), "asdex": lambda: theirs(y).data.block_until_ready()}, 15, 0.02)
    print_columns(
        [
            ["tridiagonal 10000", "autotrace", "asdex"],
            ["first call [ms]", f"{our_first * 1e3:,.1f}", f"{their_first * 1e3:,.1f}"],
            ["warm [us]", *[f"{row[k].median * 1e6:,.1f}" for k in ("ours", "asdex")]],
        ]
    )
    print_target("warm, over asdex", row["ours"].median / row["asdex"].median, 1.0)
    print_target("first call, over asdex", our_first / their_first, 0.1)


if __name__ == "__main__":
    print_versions("numpy", "jax", "asdex")
    compare_peers() if sys.argv[1:] == ["peers"] else compare_shapes()
