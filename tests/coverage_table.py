"""What becomes of every public name of NumPy, its arrays' methods, and SciPy's parts: docs/numpy-coverage.md.

``make coverage`` writes the page; ``tests/test_coverage.py`` checks that it is up to date. What the page says is
taken from the tables of the library and from the catalogue, whose cases pass the laws that they name: else the
test suite fails.
"""

import importlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

import autotrace.numpy as anp
from autotrace.tracing import FUNCTIONS, REFUSED, REFUSED_ATTRIBUTES, UFUNCS, Tracer
from tests import catalogue
from tests.catalogue import LAWS, Case

PAGE = Path(__file__).parents[1] / "docs" / "numpy-coverage.md"

DIFFERENTIABLE, ZERO, MADE, PASSED, REFUSES = "differentiable", "zero derivative", "made", "passed through", "refused"

STATUSES = {
    DIFFERENTIABLE: "takes traced values; derivatives of every order, in both modes, and in batches",
    ZERO: "takes traced values, returns what NumPy returns; its derivative is zero, or its result carries none",
    MADE: "has no array to be asked: NumPy's own makes plain arrays, that of `autotrace.numpy` traced ones",
    PASSED: "takes no traced array: the same object in `autotrace.numpy`",
    REFUSES: "raises an error for a traced array; the table says what to write instead",
}

_ASARRAY = "Leave it out, or use autotrace.numpy.asarray."
_MATRIX = "Use arrays of rank 2, and @."
_LOOP = "Loop over np.ndindex(x.shape)."
_JOIN = "Use np.concatenate, np.stack or np.column_stack."
_TEXT = "Format it: f'{x:.3f}', where the value is known."
_PLAIN = "Give it plain values: stop_gradient(x) says that no derivative is meant."

UNASKED: dict[str, str] = {
    **dict.fromkeys(("asfortranarray", "require", "asarray_chkfinite", "isfortran"), _ASARRAY),
    **dict.fromkeys(("asmatrix", "matrix", "bmat"), _MATRIX),
    **dict.fromkeys(("ndenumerate", "nditer", "nested_iters", "flatiter", "broadcast"), _LOOP),
    **dict.fromkeys(("c_", "r_"), _JOIN),
    **dict.fromkeys(("format_float_positional", "format_float_scientific"), _TEXT),
    **dict.fromkeys(("base_repr", "binary_repr"), "Convert the integer first: int(x)."),
    **dict.fromkeys(("from_dlpack", "frombuffer"), "Return the array from the traced function first."),
    **dict.fromkeys(("recarray", "record", "rec", "memmap", "ma"), "Use plain arrays; pass a mask as where=."),
    "random": "Draw plain numbers, and scale them: loc + scale * rng.normal(size=n).",
    "polynomial": "Use np.polyval, np.polyfit and their like.",
    "frompyfunc": "Use np.vectorize of autotrace.numpy, or array operations.",
    "mintypecode": "Pass x.dtype.char.",
    "testing": _PLAIN,
}
"""Names whose functions take arrays and do not ask traced ones (NumPy converts them), and what to do instead."""

_OPERATORS: dict[str, np.ufunc] = {
    "x + y": np.add,
    "x - y": np.subtract,
    "x * y": np.multiply,
    "x / y": np.true_divide,
    "x // y": np.floor_divide,
    "x % y": np.remainder,
    "divmod(x, y)": np.divmod,
    "x ** y": np.power,
    "x @ y": np.matmul,
    "-x": np.negative,
    "+x": np.positive,
    "abs(x)": np.absolute,
    "~x": np.invert,
    "x & y": np.bitwise_and,
    "x | y": np.bitwise_or,
    "x ^ y": np.bitwise_xor,
    "x << y": np.left_shift,
    "x >> y": np.right_shift,
    "x == y": np.equal,
    "x != y": np.not_equal,
    "x < y": np.less,
    "x <= y": np.less_equal,
    "x > y": np.greater,
    "x >= y": np.greater_equal,
}

_METHODS: dict[str, Any] = {
    "T": np.transpose,
    "mT": np.matrix_transpose,
    "astype": np.astype,
    "conj": np.conjugate,
    "flatten": np.ravel,
    "flat": np.ravel,
}
"""Methods whose cases are those of a function of another name."""

_ALIASES = {"row_stack": "vstack"}
"""Functions that only call another one."""

_TOGETHER = {"cho_factor": "cho_solve"}
"""Functions whose results only another one reads: they share its cases."""

_POSITIONS = {"argmax", "argmin", "argwhere", "flatnonzero", "nonzero", "searchsorted", "count_nonzero"}
"""Their results are integers, whatever the cases make of them."""

_ASKED = "answered without an equation"


class Row(NamedTuple):
    """A name, what becomes of it, and the evidence or the cure."""

    name: str
    status: str
    says: str


class Table(NamedTuple):
    """A table of the page: the version that it was made with, and its rows by name."""

    title: str
    version: str
    rows: dict[str, Row]


def _by_function() -> dict[Any, list[Case]]:
    found: dict[Any, list[Case]] = {}
    for case in catalogue.all_cases():
        for function in case.covers:
            found.setdefault(function, []).append(case)
    return found


def _is_hashable(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True


def evidence(cases: list[Case]) -> str:
    """Say how many cases there are, and which laws they pass; where a law is skipped, in how many and why."""
    count = f"{len(cases)} case{'s' if len(cases) != 1 else ''}"
    exceptions = []
    for law in LAWS:
        reasons = Counter(case.skip[law] for case in cases if law in case.skip)
        if reasons:
            why = "; ".join(sorted(reasons))
            left = sum(reasons.values())
            exceptions.append(f"`{law}` but for {left if left < len(cases) else 'all'} ({why})")
    return f"{count}, all laws" + (f": {', '.join(exceptions)}" if exceptions else "")


def _tested(name: str, cases: list[Case]) -> Row:
    moves = any(c.differentiable for c in cases) and name not in _POSITIONS
    return Row(name, DIFFERENTIABLE if moves else ZERO, evidence(cases))


def public_names(module: ModuleType) -> list[str]:
    """The public names of a module; of dtypes named by their size only those that every platform has."""
    names = getattr(module, "__all__", None) or dir(module)
    big = {"float96", "float128", "complex192", "complex256"}
    return sorted({n for n in names if not n.startswith("_") and hasattr(module, n)} - big, key=str.lower)


def numpy_row(name: str, thing: Any, ours: Any, cases: dict[Any, list[Case]]) -> Row:
    """What becomes of ``thing``, ``name`` in a module of NumPy and ``ours`` in that of autotrace."""
    if name in _ALIASES:
        return _tested(name, cases[getattr(np, _ALIASES[name])])
    if _is_hashable(thing) and (thing in FUNCTIONS or thing in UFUNCS):
        return _tested(name, cases.get(thing, []))
    if _is_hashable(thing) and thing in REFUSED:
        return Row(name, REFUSES, REFUSED[thing])
    if name in UNASKED and ours is thing:
        return Row(name, REFUSES, UNASKED[name])
    if ours is not thing and not isinstance(thing, ModuleType):
        made = cases.get(ours, [])
        return Row(name, MADE, evidence(made) if made else "")
    return Row(name, PASSED, _kind(thing))


def _kind(thing: Any) -> str:
    if isinstance(thing, ModuleType):
        return "module"
    if isinstance(thing, type):
        return "type" if issubclass(thing, np.generic) else "class"
    return "function" if callable(thing) else "constant"


def method_rows(cases: dict[Any, list[Case]]) -> Iterator[Row]:
    """Every public method and attribute of NumPy's arrays, and the operators."""
    for name in sorted(n for n in dir(np.ndarray) if not n.startswith("_")):
        if name in REFUSED_ATTRIBUTES:
            yield Row(name, REFUSES, REFUSED_ATTRIBUTES[name])
            continue
        assert hasattr(Tracer, name), f"x.{name} is neither offered nor refused"
        known = cases.get(_METHODS.get(name, getattr(np, name, None))) or cases.get(name)
        yield _tested(name, known) if known else Row(name, PASSED, _ASKED)
    for text, ufunc in _OPERATORS.items():
        yield _tested(text, cases[ufunc])


def scipy_rows(part: str, cases: dict[Any, list[Case]]) -> Iterator[Row]:
    """What ``autotrace.scipy`` offers of one of SciPy's parts."""
    ours = importlib.import_module(f"autotrace.scipy.{part}")
    theirs = importlib.import_module(f"scipy.{part}")
    everything = [case for found in cases.values() for case in found]
    everything = list({case.id: case for case in everything}.values())
    for name in sorted({*ours.__all__, *public_names(theirs)}):
        thing = getattr(theirs, name, None)
        known = [*cases.get(getattr(ours, name, None), []), *(cases.get(thing, []) if _is_hashable(thing) else [])]
        if name in ours.__all__:
            known += [c for c in everything if _is_of(c, f"scipy_{part}", _TOGETHER.get(name, name))]
        if known:
            yield _tested(name, list({case.id: case for case in known}.values()))


def _is_of(case: Case, module: str, name: str) -> bool:
    found, _, rest = case.id.partition(":")
    called = rest.split("-")[0]
    return found == module and (called in (name, f"_{name}") or called.startswith(f"{name}_"))


def tables() -> list[Table]:
    """Every table of the page; those of SciPy only where it is installed."""
    cases = _by_function()
    version = np.__version__.rpartition(".")[0]
    found = []
    for title, theirs, ours in (
        ("numpy", np, anp),
        ("numpy.linalg", np.linalg, anp.linalg),
        ("numpy.fft", np.fft, anp.fft),
    ):
        rows = [numpy_row(n, getattr(theirs, n), getattr(ours, n), cases) for n in public_names(theirs)]
        found.append(Table(title, f"NumPy {version}", {row.name: row for row in rows}))
    methods = {row.name: row for row in method_rows(cases)}
    found.append(Table("Methods, attributes and operators of arrays", f"NumPy {version}", methods))
    try:
        scipy: Any = importlib.import_module("scipy")
    except ImportError:
        return found
    for part in ("special", "linalg", "stats", "signal"):
        rows = list(scipy_rows(part, cases))
        version = scipy.__version__.rpartition(".")[0]
        found.append(Table(f"autotrace.scipy.{part}", f"SciPy {version}", {row.name: row for row in rows}))
    return found


_HEAD = """\
# NumPy, name by name

Written by `make coverage`, from the library's own tables and the catalogue of the tests; not to be edited by hand.

{statuses}

The *laws* are those of `tests/laws.py`, each run on every case by the test suite: {laws}. Where a law does not apply to
a case the reason is given. Sample arrays of every case are traced in all combinations of their arguments.
"""


def page(found: list[Table]) -> str:
    """The page as Markdown."""
    statuses = "\n".join(f"- **{status}**: {means}." for status, means in STATUSES.items())
    parts = [_HEAD.format(statuses=statuses, laws=", ".join(f"`{law}`" for law in LAWS))]
    for table in found:
        counts = Counter(row.status for row in table.rows.values())
        figures = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
        parts.append(f"\n## {table.title}\n\n{table.version}: {len(table.rows)} names, {figures}.\n\n")
        parts.append("| Name | Status | |\n|---|---|---|\n")
        parts += [f"| {_code(row.name)} | {row.status} | {_cell(row.says)} |\n" for row in table.rows.values()]
    return "".join(parts)


def _code(name: str) -> str:
    return f"`{_cell(name)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def read(text: str) -> list[Table]:
    """The tables of a page."""
    found: list[Table] = []
    for section in text.split("\n## ")[1:]:
        title, _, rest = section.partition("\n")
        rows = [_read_row(line) for line in rest.splitlines() if line.startswith("| `")]
        found.append(Table(title, rest.strip().split(":")[0], {row.name: row for row in rows}))
    return found


def _read_row(line: str) -> Row:
    name, status, says = line.replace("\\|", "\0").removeprefix("| `").removesuffix(" |").split(" | ", 2)
    return Row(*(cell.replace("\0", "|") for cell in (name.rstrip("`"), status, says)))


def main(write: Callable[[str], Any]) -> None:
    write(page(tables()))


if __name__ == "__main__":
    main(sys.stdout.write)
