"""Programs as text: a change of any transform or pass shows here as a diff.

The expected texts are in ``golden/``, one file a program. After a change that is meant, write them anew with
``AUTOTRACE_GOLDEN=write pytest tests/test_golden.py`` and read the diff of the repository.
"""

import difflib
import os
from pathlib import Path

import numpy as np
import pytest

from autotrace import check_jaxpr, grad, hvp, jacfwd, jvp, make_jaxpr, print_jaxpr, value_and_grad, vjp, vmap
from autotrace.compile.simplify import simplify

FOLDER = Path(__file__).parent / "golden"


def f(x, y):
    return np.sin(x) * y + np.exp(-x) / 2.0


def relu_sum(x):
    return np.sum(np.maximum(x, 0.0) ** 2)


def newton(x):
    y = x
    while abs(y * y - x) > 1e-3:
        y = 0.5 * (y + x / y)
    return y


def network(params, images, labels):
    """The loss of a two-layer network: mean cross-entropy of softmax, as in examples/digits.py."""
    hidden = np.tanh(images @ params["w1"] + params["b1"])
    logits = hidden @ params["w2"] + params["b2"]
    logits = logits - logits.max(axis=1, keepdims=True)
    log_likelihood = logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))
    return -np.mean(log_likelihood[np.arange(len(labels)), labels])


def _network_arguments():
    params = {"w1": np.ones((4, 3)), "b1": np.zeros(3), "w2": np.ones((3, 2)), "b2": np.zeros(2)}
    return params, np.ones((5, 4)), np.array([0, 1, 1, 0, 1])


def digits_loss(params, x, y):
    """The loss of examples/digits.py and examples/read_the_program.py."""
    hidden = np.maximum(x @ params["W1"] + params["b1"], 0)
    s = hidden @ params["W2"] + params["b2"]
    s = s - np.max(s, axis=1, keepdims=True)
    log_total = np.log(np.sum(np.exp(s), axis=1))
    return np.mean(log_total - s[np.arange(len(y)), y])


def digits_product(params, direction, x, y):
    return hvp(lambda params: digits_loss(params, x, y))(params, direction)


def _digits_arguments(count=1):
    params = {"W1": np.ones((64, 64)), "b1": np.zeros(64), "W2": np.ones((64, 10)), "b2": np.zeros(10)}
    return *[params] * count, np.ones((32, 64)), np.arange(32) % 10


TABLE = np.array([1.0, 2.0, 3.0])
X = np.array([0.5, -1.0, 2.0])

PROGRAMS = {
    "function": lambda: make_jaxpr(f)(0.5, 2.0),
    "types": lambda: make_jaxpr(lambda x, n, z: (x * 2, n + 1, z * x, x > n))(np.ones(2, np.float32), np.int8(3), 2j),
    "grad": lambda: make_jaxpr(grad(f))(0.5, 2.0),
    "grad_of_both": lambda: make_jaxpr(grad(f, argnums=(0, 1)))(0.5, 2.0),
    "value_and_grad_of_an_array": lambda: make_jaxpr(value_and_grad(relu_sum))(X),
    "vjp": lambda: make_jaxpr(lambda x, ct: vjp(lambda x: np.cumsum(x)[::2], x)[1](ct))(X, np.ones(2)),
    "jvp": lambda: make_jaxpr(lambda x, dx: jvp(f, (x, 2.0), (dx, 0.0)))(X, X),
    "second_derivative": lambda: make_jaxpr(grad(grad(np.tanh)))(0.5),
    "vmap": lambda: make_jaxpr(vmap(lambda x, w: np.tanh(w @ x) + TABLE[0], in_axes=(0, None)))(
        np.ones((4, 3)), np.ones((2, 3))
    ),
    "vmap_of_grad": lambda: make_jaxpr(vmap(grad(relu_sum)))(np.ones((4, 3))),
    "jacobian": lambda: make_jaxpr(jacfwd(lambda x: np.stack([x[0] * x[1], x[0] + x[1]])))(np.array([1.0, 2.0])),
    "guards": lambda: make_jaxpr(newton)(2.0),
    "guards_of_the_gradient": lambda: make_jaxpr(grad(lambda x, n: x**n if n > 2 else x))(2.0, 3),
    "constants": lambda: make_jaxpr(lambda x: np.dot(x, TABLE) + np.dot(x, TABLE))(X),
    "constants_simplified": lambda: simplify(make_jaxpr(lambda x: np.dot(x, TABLE) + np.dot(x, TABLE))(X)),
    "broadcast_and_indices": lambda: make_jaxpr(grad(lambda x: np.sum((x[:, None] * TABLE)[np.array([0, 0, 2])])))(X),
    "network": lambda: make_jaxpr(network)(*_network_arguments()),
    "digits_loss": lambda: make_jaxpr(digits_loss)(*_digits_arguments()),
    "digits_gradient": lambda: make_jaxpr(grad(digits_loss))(*_digits_arguments()),
    "digits_hessian_vector_product": lambda: make_jaxpr(digits_product)(*_digits_arguments(2)),
    "network_gradient": lambda: make_jaxpr(value_and_grad(network))(*_network_arguments()),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name):
    jaxpr = PROGRAMS[name]()
    check_jaxpr(jaxpr)
    assert_is_golden(FOLDER / f"{name}.txt", print_jaxpr(jaxpr) + "\n")


def assert_is_golden(file, text):
    if os.environ.get("AUTOTRACE_GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    expected = file.read_text(encoding="utf-8")
    if text != expected:
        diff = difflib.unified_diff(expected.splitlines(), text.splitlines(), "expected", "got", lineterm="")
        pytest.fail("\n".join([f"{file.name}: the program changed", *diff]), pytrace=False)


PYTHON = {
    "digits_gradient": lambda: make_jaxpr(grad(digits_loss))(*_digits_arguments()),
    "guards": lambda: make_jaxpr(newton)(2.0),
    "network": lambda: make_jaxpr(network)(*_network_arguments()),
}


@pytest.mark.parametrize("name", PYTHON)
def test_golden_python(name):
    text = PYTHON[name]().to_python(name, names="user", comments=False)
    assert_is_golden(FOLDER / f"{name}.py.txt", text)


def test_every_golden_file_has_its_program():
    assert {file.stem for file in FOLDER.glob("*.txt")} == {*PROGRAMS, *[f"{name}.py" for name in PYTHON]}


def test_printing_is_deterministic():
    assert all(str(make()) == str(make()) for make in PROGRAMS.values())
