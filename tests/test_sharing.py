"""Results share memory with arguments exactly where NumPy's do: a write into one is seen in the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autotrace as at
from autotrace.tracing import Tracer, fresh, linked

from .catalogue import Case, all_cases
from .laws import Problem, quiet


def _big(leaves: Any) -> list[int]:
    return [i for i, x in enumerate(leaves) if np.ndim(x) and np.size(x) and np.asarray(x).dtype.kind in "fc"]


def _one_of_each() -> Iterator[Case]:
    """The first two rows of each function that have an array; scalars and empty arrays have no memory."""
    counts: dict[str, int] = {}
    for case in all_cases():
        if not _big(Problem(case).leaves):
            continue
        name = case.id.split("-")[0]
        counts[name] = counts.get(name, 0) + 1
        if counts[name] <= 2:
            yield case


@pytest.mark.parametrize("case", list(_one_of_each()), ids=repr)
def test_results_share_memory_as_numpy_s_do(case: Case) -> None:
    problem = Problem(case)
    arrays = [np.array(x) for x in problem.leaves]
    big = _big(arrays)
    with quiet():
        plain = problem(*arrays)
        expected = [[_shares(y, arrays[i]) for i in big] for y in plain]
        found: list[list[bool]] = []

        def function(leaves: list[Any]) -> list[Any]:
            own = [fresh(x) if type(x) is Tracer else x for x in leaves]
            results = problem(*own)
            found.extend([[_is_linked(y, own[i]) for i in big] for y in results])
            return [y for y in results if type(y) is Tracer]

        at.vjp(function, arrays)
    sized = [i for i, y in enumerate(plain) if np.ndim(y) and np.size(y)]
    assert [found[i] for i in sized] == [expected[i] for i in sized]


def _shares(y: Any, x: Any) -> bool:
    return isinstance(y, np.ndarray) and np.may_share_memory(y, x)


def _is_linked(y: Any, x: Any) -> bool:
    return type(y) is Tracer and type(x) is Tracer and linked(y, x)
