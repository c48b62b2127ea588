"""``jaxpr.to_python``: the text runs alone and computes what the program does, on the whole catalogue."""

import builtins
from typing import Any

import numpy as np
import pytest

import autotrace as at
from autotrace import check_jaxpr, eval_jaxpr, make_jaxpr, vjp, vmap
from autotrace.test_util import random_like
from tests import catalogue
from tests.laws import Problem, numbers, quiet

CASES = catalogue.all_cases()
ROUNDING = 1e-12
"""Where ``np.einsum`` stands for products of larger arrays it adds in another order than ``np.matmul``."""


def run(text: str, name: str = "program") -> Any:
    """Run ``text`` where this library cannot be imported, and return its function ``name``."""

    def guarded_import(module: str, *args: Any, **kwargs: Any) -> Any:
        if module.partition(".")[0] not in ("numpy", "scipy", "math", "warnings", "operator", "itertools", "functools"):
            raise ImportError(f"a file that runs alone imports {module}")
        return builtins.__import__(module, *args, **kwargs)

    scope: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": guarded_import}, "__name__": "alone"}
    exec(compile(text, "alone.py", "exec"), scope)
    assert not any(str(getattr(x, "__module__", "")).startswith("autotrace") for x in scope.values())
    return scope[name]


def results(returned: Any, count: int) -> list[Any]:
    return [returned] if count == 1 else list(returned)


def assert_runs_alone(jaxpr: at.Jaxpr, leaves: Any) -> None:
    check_jaxpr(jaxpr)
    text = jaxpr.to_python()
    function = run(text)
    expected = eval_jaxpr(jaxpr, *leaves)
    got = results(function(*leaves, **text.constants), len(jaxpr.outputs))
    assert len(got) == len(expected)
    for x, y in zip(got, expected, strict=True):
        assert (np.shape(x), np.asarray(x).dtype, isinstance(x, np.ndarray)) == (
            np.shape(y),
            np.asarray(y).dtype,
            isinstance(y, np.ndarray),
        ), text
        if "np.einsum(" in text:
            np.testing.assert_allclose(x, y, rtol=ROUNDING, atol=ROUNDING * np.max(np.abs(y), initial=1e-300))
        else:
            assert np.asarray(x).tobytes() == np.asarray(y).tobytes(), text


def programs(problem: Problem) -> Any:
    """The program of a case, of its gradient, and of its batch."""
    leaves = numbers(problem.leaves)
    yield make_jaxpr(problem)(*leaves), leaves
    if problem.point:
        point = numbers(problem.point)
        cts = random_like(problem.smooth(*point), problem.rng)
        gradient = make_jaxpr(lambda *x: vjp(problem.smooth, *x)[1](cts))(*point)
        yield gradient, point
    if leaves and "vmap" not in problem.case.skip:
        batch = [np.stack([x, x]) for x in leaves]
        yield make_jaxpr(vmap(problem))(*batch), batch


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES if "check" not in case.skip])
def test_the_catalogue_runs_alone(case: catalogue.Case) -> None:
    with quiet():
        for jaxpr, leaves in programs(Problem(case)):
            assert_runs_alone(jaxpr, leaves)
