"""The primitive in a file of its own that docs/primitives.md shows: under every transform, and in text."""

import importlib.util
import pickle
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from autotrace import (
    Linear,
    bind,
    check_jaxpr,
    cost,
    eval_jaxpr,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jet,
    jit,
    jvp,
    linear_transpose,
    linearize,
    load_jaxpr,
    make_jaxpr,
    parse_jaxpr,
    scan,
    vmap,
)
from autotrace.errors import MissingRuleError
from autotrace.ir import REGISTRY
from autotrace.primitives import Bilinear
from autotrace.test_util import check_grads

PAGE = Path(__file__).parents[1] / "docs" / "primitives.md"
X, D = np.array([1.0, -0.5, 2.0, 0.25]), 0.7


@pytest.fixture(scope="module")
def smoothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The file of the page, imported from another folder."""
    found = re.search(r"```python\n# file: smoothing\.py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found, "the page must show the file"
    path = tmp_path_factory.mktemp("own") / "smoothing.py"
    path.write_text(found[1], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("smoothing", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["smoothing"] = module
    REGISTRY.pop("smooth", None)  # the page itself may have run
    spec.loader.exec_module(module)
    yield module
    del sys.modules["smoothing"], REGISTRY["smooth"]


def plain(x: Any, decay: Any) -> Any:
    """The same filter, written out."""
    rows = [x[0]]
    for i in range(1, x.shape[0]):
        rows.append(decay * rows[-1] + x[i])
    return np.stack(rows)


def test_every_transform_agrees_with_the_loop_written_out(smoothing: ModuleType) -> None:
    smooth = smoothing.smooth
    check_grads(smooth, (X, D), order=3)
    rows, decays = np.stack([X, 2 * X, X - 1]), np.array([0.1, 0.5, -0.3])

    def loss(f: Any) -> Any:
        return lambda x, d: np.sum(f(x, d) ** 2)

    for use in (
        lambda f: f(X, D),
        lambda f: jvp(f, (X, D), (X[::-1], 1.0)),
        lambda f: linearize(f, X, D)[1](X[::-1], 1.0),
        lambda f: grad(loss(f), (0, 1))(X, D),
        lambda f: jit(grad(loss(f), (0, 1)))(X, D),
        lambda f: grad(jit(loss(f)), (0, 1))(X, D),
        lambda f: hessian(loss(f), (0, 1))(X, D),
        lambda f: (jacfwd(f, (0, 1))(X, D), jacrev(f, (0, 1))(X, D)),
        lambda f: vmap(f)(rows, decays),
        lambda f: vmap(f, (None, 0))(X, decays),
        lambda f: vmap(f, (0, None))(rows, D),
        lambda f: vmap(grad(loss(f), (0, 1)))(rows, decays),
        lambda f: vmap(vmap(f, (0, None)), (None, 0))(rows, decays),
        lambda f: vmap(vmap(f, (None, 0)), (0, None))(rows, decays),
        lambda f: grad(lambda x, d: np.sum(vmap(f)(x, d) ** 2), (0, 1))(rows, decays),
        lambda f: grad(lambda d: scan(lambda c, x: (c + np.sum(f(x, d) ** 2), None), 0.0, rows)[0])(D),
        lambda f: linear_transpose(lambda x: f(x, D), X)(X),
    ):
        got, expected = use(smooth), use(plain)
        for a, b in zip(_leaves(got), _leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    assert smooth(X.astype(np.float32), D).dtype == np.float32


def _leaves(tree: Any) -> list[Any]:
    return [x for part in tree for x in _leaves(part)] if isinstance(tree, tuple | list) else [tree]


def test_it_prints_parses_saves_and_is_priced(smoothing: ModuleType, tmp_path: Path) -> None:
    program = make_jaxpr(grad(lambda x, d: np.sum(smoothing.smooth(x, d) ** 2), (0, 1)))(X, D)
    check_jaxpr(program)
    assert "smooth[back=True]" in str(program)
    assert parse_jaxpr(str(program)) == program
    assert pickle.loads(pickle.dumps(program)) == program
    program.save(tmp_path / "program")
    assert load_jaxpr(tmp_path / "program") == program
    expected = grad(lambda x, d: np.sum(plain(x, d) ** 2), (0, 1))(X, D)
    for a, b in zip(eval_jaxpr(program, X, D), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert "smooth" in str(cost(smoothing.smooth)(X, D))


def test_wrong_uses_are_told(smoothing: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"smooth: x must be a vector and decay a number of its dtype; got f64\[\]"):
        make_jaxpr(smoothing.smooth)(1.0, 0.5)
    with pytest.raises(MissingRuleError, match=r"the function must be linear"):
        linear_transpose(lambda d: smoothing.smooth(X, d), 0.5)(X)


# -- linear in each of two operands ----------------------------------------------------------------


class Woven(Bilinear):
    """x[i] y[n - 1 - i], along the last axis."""

    def impl(self, x, y):
        return x * y[..., ::-1]

    def abstract(self, x, y):
        return x

    def transpose(self, ct, inputs):
        x, y = inputs
        if type(x) is Linear:
            return bind(self, ct, y), None
        return None, (ct * x)[..., ::-1]

    def batch(self, size, inputs, batched):
        return bind(self, *[x if b else np.broadcast_to(x, (size, *x.shape)) for x, b in zip(inputs, batched)])


def test_a_bilinear_map_needs_its_value_and_its_transpose():
    woven = lambda x, y: bind(Woven(), x, y)  # noqa: E731
    x, y = np.array([1.0, 2.0, -0.5]), np.array([0.3, -1.0, 2.0])
    check_grads(woven, (x, y), order=2)
    check_grads(lambda x: woven(np.sin(x), x), (x,), order=2)
    assert np.array_equal(vmap(woven, in_axes=(0, None))(np.stack([x, y]), y), [x * y[::-1], y * y[::-1]])
    series = [np.cos(y), -np.sin(y)]
    _, (first, second) = jet(lambda x: woven(x, x), (x,), (series,))
    assert np.allclose(first, woven(x, series[0]) + woven(series[0], x))
    assert np.allclose(second, woven(x, series[1]) + 2 * woven(series[0], series[0]) + woven(series[1], x))
