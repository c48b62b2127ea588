"""What a gradient costs without jit: each call traces, differentiates and runs.

Per operation of the function, forward and backward together, against HIPS autograd, PyTorch eager and JAX
un-jitted (float64, one CPU thread); then the first gradient of a fresh process; then what the import costs.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

import autotrace

from . import harness

try:
    import autograd
    import autograd.numpy as autograd_numpy
except ImportError:
    autograd = None
try:
    import torch

    torch.set_num_threads(1)
except ImportError:
    torch = None
try:
    import jax
    import jax.numpy as jax_numpy

    jax.config.update("jax_enable_x64", True)
except ImportError:
    jax = None

Function = Callable[..., Any]


@dataclass(frozen=True)
class Program:
    """A scalar function that any of the libraries can run, and how many operations it does.

    `make` : the module that spells sin, tanh, sum -> the function of `arguments`.
    `argnums` : the arguments that the gradient is of.
    """

    make: Callable[[ModuleType], Function]
    arguments: tuple[Any, ...]
    operations: int
    argnums: int | tuple[int, ...] = 0


def mixed(times: int, shape: tuple[int, ...]) -> Callable[[ModuleType], Function]:
    def make(np: ModuleType) -> Function:
        def f(x, y):
            for _ in range(times):
                x = np.tanh(np.sin(x) * y + 0.5)
            return np.sum(x) if shape else x

        return f

    return make


def arithmetic(times: int, shape: tuple[int, ...]) -> Callable[[ModuleType], Function]:
    def make(np: ModuleType) -> Function:
        def f(x, y):
            for _ in range(times):
                x = (x * y - y) / (x * x + 1.0)
            return np.sum(x) if shape else x

        return f

    return make


def layers(times: int) -> Callable[[ModuleType], Function]:
    def make(np: ModuleType) -> Function:
        def f(x, W):
            for _ in range(times):
                x = np.tanh(x @ W)
            return np.sum(x)

        return f

    return make


def network(np: ModuleType) -> Function:
    def loss(W1, b1, W2, b2, x, y):
        error = np.tanh(x @ W1 + b1) @ W2 + b2 - y
        return (error * error).mean()

    return loss


def programs() -> dict[str, Program]:
    rng = np.random.default_rng(0)
    found = {}
    for name, shape in {"scalar": (), "[3]": (3,), "[10]": (10,)}.items():
        x, y = (rng.uniform(0.5, 1.0, shape or None) for _ in range(2))
        summed = len(shape)  # the sum at the end of an array program is one more operation
        for times in (5, 50):
            found[f"{4 * times} mixed, {name}"] = Program(mixed(times, shape), (x, y), 4 * times + summed)
        found[f"20 arithmetic, {name}"] = Program(arithmetic(4, shape), (x, y), 20 + summed)
    for size in (3, 10):
        W = rng.standard_normal((size, size)) / math.sqrt(size)
        for times in (10, 100):
            label = f"{2 * times} tanh(x @ W), [{size}]"
            found[label] = Program(layers(times), (rng.standard_normal(size), W), 2 * times + 1)
    weights = (rng.standard_normal((8, 16)), np.zeros(16), rng.standard_normal((16, 3)), np.zeros(3))
    data = (rng.standard_normal((10, 8)), rng.standard_normal((10, 3)))
    found["network, all weights"] = Program(network, weights + data, 8, argnums=(0, 1, 2, 3))
    return found


def gradients(program: Program, libraries: set[str]) -> dict[str, harness.Call]:
    """The same gradient in each library that is installed, from arguments of its own kind made beforehand."""
    argnums, arguments = program.argnums, program.arguments
    calls: dict[str, harness.Call] = {}
    ours = autotrace.grad(program.make(np), argnums)
    calls["autotrace"] = lambda: ours(*arguments)
    if autograd is not None:
        theirs = autograd.grad(program.make(autograd_numpy), argnums)
        calls["autograd"] = lambda: theirs(*arguments)
    if torch is not None:
        f = program.make(torch)
        tensors = [torch.tensor(argument, dtype=torch.float64) for argument in arguments]
        wanted = [tensors[i].requires_grad_() for i in np.atleast_1d(argnums)]
        calls["torch"] = lambda: torch.autograd.grad(f(*tensors), wanted)
    if jax is not None:
        unjitted = jax.grad(program.make(jax_numpy), argnums)
        arrays = [jax_numpy.asarray(argument) for argument in arguments]
        calls["jax, no jit"] = lambda: jax.block_until_ready(unjitted(*arrays))
    return {library: call for library, call in calls.items() if library in libraries}


def check_agreement(label: str, calls: dict[str, harness.Call]) -> None:
    """A benchmark of different results would measure nothing."""

    def leaves(result: Any) -> list[np.ndarray]:
        return [np.asarray(leaf) for leaf in (result if isinstance(result, tuple | list) else [result])]

    expected = leaves(calls["autotrace"]())
    for library, call in calls.items():
        for got, want in zip(leaves(call()), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-12, err_msg=f"{library} on {label}")


def time_operations(repeat: int, min_time: float) -> None:
    # JAX un-jitted takes milliseconds for twenty operations: once for each kind of program says enough.
    with_jax = {"20 mixed, scalar", "20 mixed, [10]", "20 tanh(x @ W), [10]", "network, all weights"}
    found = programs()
    cases = {}
    for label, program in found.items():
        libraries = {"autotrace", "autograd", "torch"} | ({"jax, no jit"} if label in with_jax else set())
        cases[label] = gradients(program, libraries)
        check_agreement(label, cases[label])
    rows = harness.compare(
        cases,
        repeat=repeat,
        min_time=min_time,
        title="gradient, per operation",
        per={label: program.operations for label, program in found.items()},
    )
    for peer, limit in {"autograd": 0.5, "torch": 1.5}.items():
        ratios = {label: harness.ratio(row, peer) for label, row in rows.items() if peer in row}
        for label, ratio in sorted(ratios.items(), key=lambda item: -item[1]):
            if harness.print_target(f"autotrace / {peer}, {label}", ratio, limit, "x"):
                break  # the rest are better still
    print()


FUNCTION_OF_20_OPERATIONS = """
def f(x):
    for _ in range(5):
        x = np.tanh(np.sin(x) * x + 0.5)
    return x
"""
FIRST_GRADIENT = """
import time
{imports}
{function}
start = time.perf_counter()
{call}
print(time.perf_counter() - start)
"""


def time_first_gradient(repeat: int) -> None:
    """Fresh processes; importing the library is not counted, whatever it does at its first call is."""
    calls = {"autotrace": ("import numpy as np, autotrace", "autotrace.grad(f)(0.5)")}
    if autograd is not None:
        calls["autograd"] = ("import autograd, autograd.numpy as np", "autograd.grad(f)(0.5)")
    if torch is not None:
        calls["torch"] = (
            "import torch, torch as np",
            "x = torch.tensor(0.5, dtype=torch.float64, requires_grad=True); torch.autograd.grad(f(x), x)",
        )
    if jax is not None:
        calls["jax, no jit"] = ("import jax, jax.numpy as np", "jax.grad(f)(0.5).block_until_ready()")
    scripts = {
        library: FIRST_GRADIENT.format(imports=imports, function=FUNCTION_OF_20_OPERATIONS, call=call)
        for library, (imports, call) in calls.items()
    }
    row = harness.interleave_processes(scripts, repeat)
    harness.print_table({"20 operations, fresh process": row}, title="first gradient")
    harness.print_target("first gradient", row["autotrace"].median * 1e3, 5.0, " ms")
    print()


IMPORT = "import time\nstart = time.perf_counter()\nimport {modules}\nprint(time.perf_counter() - start)"
IMPORT_AFTER_NUMPY = "import numpy\n" + IMPORT.format(modules="autotrace")


def time_import(repeat: int) -> None:
    """Fresh processes: the difference of two medians, then the import alone, timed with NumPy loaded."""
    row = harness.interleave_processes(
        {
            "numpy": IMPORT.format(modules="numpy"),
            "numpy, autotrace": IMPORT.format(modules="numpy, autotrace"),
            "autotrace after numpy": IMPORT_AFTER_NUMPY,
        },
        repeat,
    )
    harness.print_table({"fresh process": row}, title="import")
    added = row["numpy, autotrace"].median - row["numpy"].median
    harness.print_target("added to `import numpy`", added * 1e3, 40.0, " ms")
    alone = row["autotrace after numpy"].median
    harness.print_target("`import autotrace` after numpy", alone * 1e3, 40.0, " ms")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and noisier")
    quick = parser.parse_args().quick
    harness.print_versions("numpy", "autograd", "torch", "jax")
    time_operations(repeat=5 if quick else 15, min_time=0.005 if quick else 0.02)
    time_first_gradient(repeat=5 if quick else 15)
    time_import(repeat=5 if quick else 15)


if __name__ == "__main__":
    main()
