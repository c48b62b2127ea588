"""The catalogue: every public differentiable function with sample inputs, on which the laws are run.

To add functions, write a module in this folder (it is found by itself) that binds ``CASES`` to a list::

    import numpy as np
    from . import cases, normal, positive, row

    CASES = [
        *cases(np.hypot, [(normal(3), normal(3)), (normal(2, 3), normal(3)), (0.5, normal(0))]),
        *cases(np.sum, [row(normal(2, 3), axis=0), row(normal(2, 3), keepdims=True)]),
        *cases(lambda x: x.cumsum(), [(normal(4),)], name="method_cumsum", covers=(np.cumsum,)),
        *cases(np.sign, [(normal(3),)], differentiable=False),
    ]

What a row says. Its positional arguments may be arrays, numbers, and lists, tuples and dicts of them.
Every **inexact** leaf (float or complex; ``np.ndarray``, ``np.float64``, ``1.5``) is traced,
differentiated and batched, all in every combination. Every other leaf (integers, bools, strings, None) is
passed as it is; name positions of integer arrays in ``traced=(1,)`` to have those traced and batched too
(never differentiated). Keywords of ``row(...)`` are static: passed as they are, floats included.
Functions must not depend on anything random and must not change their arguments.

What it must satisfy: see ``tests/laws.py``. Options of ``cases`` (and of ``Case``):

- ``covers``: the NumPy (SciPy, autotrace) functions that the cases stand for, as objects; by default the
  function.
- ``differentiable=False``: returns what NumPy returns and carries zero derivative, which is a law too.
- ``tolerance``: relative error allowed of numeric derivatives (default 1e-6); a comment says why it is
  larger.
- ``skip={"law": "reason"}``: a law that does not apply, and the reason, which may not be empty. The laws:
  ``value``, ``warnings``, ``check``, ``numeric``, ``transpose``, ``second_order``, ``vmap``,
  ``linearize``, ``float32``. At a kink where central differences mean nothing (a three-way tie), skip
  ``numeric``; the algebraic laws still run.

Keep it cheap: arrays of 0 to 6 elements. All float64 and complex128: the law ``float32`` casts the same
row down by itself. Data come from ``normal``, ``uniform``, ``positive``, ``cnormal``, seeded by the order
of calls in a module, so a row never changes when another module does. The rows of a batch are the sample
rolled and scaled a little.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["LAWS", "Case", "Row", "all_cases", "cases", "cnormal", "normal", "positive", "row", "since", "uniform"]

LAWS = (
    "value",
    "warnings",
    "check",
    "numeric",
    "transpose",
    "second_order",
    "vmap",
    "linearize",
    "float32",
    "text",
)


@dataclass(frozen=True)
class Case:
    """One function with one set of sample arguments."""

    id: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    covers: tuple[Any, ...] = ()
    differentiable: bool = True
    traced: tuple[int, ...] = ()
    tolerance: float = 1e-6
    skip: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for law, reason in self.skip.items():
            if law not in LAWS or not reason.strip():
                raise ValueError(f"{self.id}: skip must map a law to a reason; got {law!r}: {reason!r}")

    def __repr__(self) -> str:
        return self.id


@dataclass(frozen=True)
class Row:
    """Arguments of one case; a plain tuple of arguments serves where there is no keyword."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def row(*args: Any, **kwargs: Any) -> Row:
    """Positional arguments, which are traced where inexact, and keywords, which never are."""
    return Row(args, kwargs)


def since(version: str, *rows: Any) -> tuple[Any, ...]:
    """Give the rows, or none where NumPy is older than ``version``, with which its answers to them changed."""
    return rows if np.lib.NumpyVersion(np.__version__) >= f"{version}.0" else ()


def cases(
    function: Callable[..., Any],
    rows: Iterable[Row | tuple[Any, ...]],
    name: str | None = None,
    covers: tuple[Any, ...] | None = None,
    **options: Any,
) -> list[Case]:
    """Make the cases of ``function``, one for each row, with ids like ``sum-1-f64[2,3]-axis=0``."""
    name = name or function.__name__
    if name == "<lambda>":
        raise ValueError("cases: a lambda must be given a name; got none. Pass name='what_it_does'.")
    made = []
    for index, given in enumerate(rows):
        given = given if isinstance(given, Row) else Row(given)
        described = [_describe(x) for x in given.args] + [f"{k}={_describe(v)}" for k, v in given.kwargs.items()]
        made.append(
            Case(
                "-".join([name, str(index), *described]),
                function,
                given.args,
                given.kwargs,
                (function,) if covers is None else covers,
                **options,
            )
        )
    return made


def _describe(x: Any) -> str:
    if isinstance(x, np.ndarray | np.generic):
        return f"{x.dtype.kind}{8 * x.dtype.itemsize}[{','.join(map(str, x.shape))}]"
    if isinstance(x, list | tuple):
        inner = ",".join(map(_describe, x))
        return f"({inner})" if len(inner) < 40 else f"{type(x).__name__}{len(x)}"
    return getattr(x, "__name__", None) or repr(x).replace(" ", "")[:20]


_draws: dict[tuple[Any, ...], int] = {}


def _rng(kind: str, shape: tuple[int, ...]) -> np.random.Generator:
    """A generator for the n-th draw of this kind and shape by the calling module."""
    module = _calling_module()
    n = _draws[module, kind, shape] = _draws.get((module, kind, shape), 0) + 1
    return np.random.default_rng([zlib.crc32(f"{module}:{kind}:{shape}".encode()), n])


def _calling_module() -> str:
    frame = sys._getframe(1)
    while frame.f_globals["__name__"] == __name__:
        frame = frame.f_back  # type: ignore[assignment]
    return str(frame.f_globals["__name__"])


def normal(*shape: int) -> np.ndarray:
    """Standard normal float64, no two of them closer than makes a kink."""
    return np.asarray(_rng("normal", shape).normal(size=shape))


def uniform(low: float, high: float, *shape: int) -> np.ndarray:
    """Uniform float64 in (low, high)."""
    return np.asarray(_rng("uniform", shape).uniform(low, high, size=shape))


def positive(*shape: int) -> np.ndarray:
    """Uniform float64 in (0.5, 2.5)."""
    return np.asarray(_rng("positive", shape).uniform(0.5, 2.5, size=shape))


def cnormal(*shape: int) -> np.ndarray:
    """Standard normal complex128."""
    rng = _rng("cnormal", shape)
    return np.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape))


def all_cases() -> list[Case]:
    """Every case of every module in this folder; ids are unique."""
    found: dict[str, Case] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for case in module.CASES:
            case = Case(**{**vars(case), "id": f"{info.name}:{case.id}"})
            if case.id in found:
                raise ValueError(f"catalogue: ids must be unique; got {case.id!r} twice. Give one a name.")
            found[case.id] = case
    return list(found.values())
