"""Lists and arrays of traced values, plain arrays beside them, with plain NumPy: right, or refused with the cure."""

import numpy as np
import pytest

from autotrace import errors, grad

W = np.array([2.0, 3.0])
A = np.array([10.0, 20.0, 30.0])
X = np.array([0.6, 1.7])

RIGHT = """
    np.sum([x[0], x[1]])
    np.sum([[x[0], 1.0], [2.0, x[1]]])
    np.dot([x[0], x[1]], W)
    np.dot(W, [x[0], x[1]])
    np.array([x[0], x[1]]) @ W
    W @ np.array([x[0], x[1]])
    (W * np.array([x[0], x[1]])).sum()
    np.sum(np.array([[x[0], x[1]], [1.0, 2.0]]))
    np.array([x[0], x[1]]).sum()
    np.array([x[0], x[1]]).max()
    np.array([x[0], x[1]]).dot(W)
    np.array([x[0], x[1]]).reshape(1, 2).sum()
    np.sin([x[0], x[1]]).sum()
    np.sin(np.array([x[0], x[1]])).sum()
    np.stack([x, W]).sum()
    np.concatenate([x, [x[0]], W]).sum()
    np.concatenate([np.array([x[0]]), W]).sum()
    np.linalg.norm([x[0], x[1]])
    np.maximum([x[0], 0.0], 0.7).sum()
    np.where([True, False], x, [x[1], x[0]]).sum()
    np.cumsum([x[0], x[1]]).sum()
    np.prod([x[0], x[1]])
    np.polyval([x[0], x[1]], 2.0)
    np.einsum("i,i->", [x[0], x[1]], W)
    np.append(W, x[0]).sum()
    np.insert(W, 1, x[0]).sum()
    np.diag(np.array([x[0], x[1]])).sum()
    np.kron([x[0], x[1]], W).sum()
    np.outer(np.array([x[0], x[1]]), W).sum()
    np.full(2, x[0]).sum()
    np.r_[x[0], x[1]].sum()
    np.linspace(0, x[0], 3).sum()
    np.clip(W, x[0], 2.5).sum()
    np.sqrt(x.tolist()).sum()
    np.sort(np.array([x[0], x[1]]))[0]
    sorted([x[0], x[1]])[0]
    sum(x)
    A[np.argmax(x)] * x[0]
    A[: np.argmax(x)].sum() * x[0]
    [10.0, 20.0][np.argmax(x)] * x[0]
""".strip().splitlines()

STACKED = "np.stack"
BESIDE = "autotrace.numpy.asarray(array)"

REFUSED = {
    "np.sum([x, x])": STACKED,
    "np.sum((x, W))": STACKED,
    "np.dot([x, x], W).sum()": STACKED,
    "np.sum(np.array([x, x]))": STACKED,
    "np.asarray(x).sum()": STACKED,
    "np.mean([x[0], x[1]])": STACKED,
    "np.array([x[0], x[1]]).std()": STACKED,
    "np.linalg.det([[x[0], 1.0], [1.0, x[1]]])": STACKED,
    "np.linalg.solve(np.array([[x[0], 1.0], [1.0, x[1]]]), W).sum()": STACKED,
    "np.isfinite(np.array([x[0]])).sum() * x[0]": STACKED,
    "np.full((2, 2), x).sum()": STACKED,
    "np.full_like(W, x[0]).sum()": "np.broadcast_to(value, shape)",
    "np.interp(0.5, [x[0], x[1]], W)": STACKED,
    "np.pad(W, 1, constant_values=x[0]).sum()": BESIDE,
    "np.take(A, x.astype(int)).sum() * x[0]": BESIDE,
    "np.r_[x, x].sum()": STACKED,
    "np.vectorize(lambda v: v * v)(x).sum()": "autotrace.numpy",
    "A[x.astype(int)].sum() * x[0]": "Write autotrace.numpy.asarray(array)[x].",
    "A[x > 1].sum() * x[0]": "Write autotrace.numpy.asarray(array)[x].",
    "np.float64(x[0])": "stop_gradient",
    "np.arange(x[0]).sum()": "stop_gradient",
}
"""The form, and words of the cure."""


def evaluate(form, x):
    return eval(form, {"np": np, "W": W, "A": A, "x": x})


@pytest.mark.parametrize("form", RIGHT, ids=str.strip)
def test_right(form):
    def slope(step):
        return (np.sum(evaluate(form.strip(), X + step)) - np.sum(evaluate(form.strip(), X - step))) / 2e-6

    expected = [slope(1e-6 * direction) for direction in np.eye(2)]
    np.testing.assert_allclose(grad(lambda x: evaluate(form.strip(), x))(X), expected, atol=1e-6)


@pytest.mark.parametrize("form", REFUSED)
def test_refused(form):
    with pytest.raises(errors.AutotraceError) as caught:
        grad(lambda x: evaluate(form, x))(X)
    message = str(caught.value)
    assert " at <string>:1" in message  # the line of the form
    assert REFUSED[form] in message


def test_a_traced_truth_as_an_index_is_numpys_error_and_our_note():
    with pytest.raises(IndexError) as caught:
        grad(lambda x: W[x[0] > 1].sum())(X)
    assert any("autotrace.numpy.asarray(array)[index]" in note for note in caught.value.__notes__)
