"""Every law on every case of the catalogue; and every public differentiable function has a case."""

import pytest

from autotrace.tracing import FUNCTIONS, UFUNCS, full_name
from tests import catalogue
from tests.laws import LAWS, Problem

CASES = catalogue.all_cases()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_law(case: catalogue.Case, law: str) -> None:
    if law not in case.skip:
        LAWS[law](Problem(case))


def test_laws_are_those_of_the_catalogue() -> None:
    assert tuple(LAWS) == catalogue.LAWS


def test_every_function_has_a_case() -> None:
    covered = {function for case in CASES for function in case.covers}
    missing = sorted(full_name(function) for function in {**FUNCTIONS, **UFUNCS} if function not in covered)
    assert not missing, f"functions without a case in tests/catalogue: {', '.join(missing)}"
