"""The pass over the blocks of a fused region: a generated function of a range of the axis that is cut.

Each equation is computed for a block into small buffers that stay in the cache; several threads share a large region.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise, zip_longest
from typing import Any

import numpy as np

from ..ir import Atom, Equation, Jaxpr, Literal, ShapedArray, Var, program_cost
from ..primitives.arithmetic import IntegerPow
from ..primitives.comparison import Select
from ..primitives.promotion import Broadcast, Convert
from ..primitives.reduction import ReduceMax, ReduceMin, ReduceSum
from .kernels import ufunc_of

__all__ = ["GATHERED", "Region", "can_cut", "shape_of", "threads"]

BLOCK = 32_768
"""Elements of a block, at most. Smaller ones fit the cache better, but then Python takes the larger share."""
SHARED_BLOCK = 65_536
"""Elements of a block where several threads work, at most: they wait for each other to have Python to themselves."""
PARALLEL = 2_000_000
"""Operations from which several threads share a region."""

GATHERED: dict[Any, Any] = {ReduceSum: np.add, ReduceMax: np.maximum, ReduceMin: np.minimum}
"""Reductions that are put together from one value for each block."""


def threads() -> int:
    """Return how many threads share a large region: ``AUTOTRACE_NUM_THREADS``, or the processors that we may use."""
    asked = os.environ.get("AUTOTRACE_NUM_THREADS")
    if asked is not None:
        if not asked.strip().isdecimal():
            raise ValueError(
                f"jit: AUTOTRACE_NUM_THREADS must be a number of threads; got {asked!r}. "
                "Set it to 1 or more, or unset it."
            )
        return max(1, int(asked))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_flat(group: Sequence[Equation]) -> bool:
    """Whether the region can be cut as one long axis: no broadcasts, and only whole sums."""
    return all(
        type(e.primitive) is not Broadcast and (type(e.primitive) not in GATHERED or not e.outputs[0].aval.ndim)
        for e in group
    )


def can_cut(group: Sequence[Equation]) -> bool:
    """Whether blocks of whole rows fit in the cache, where the region cannot be cut as one long axis."""
    shape = shape_of(group)
    return _is_flat(group) or int(np.prod(shape[1:])) <= BLOCK


def shape_of(group: Sequence[Equation]) -> tuple[int, ...]:
    """Return the shape of a region: that of its arrays before they are reduced."""
    first = group[0]
    return (first.inputs[0] if type(first.primitive) in GATHERED else first.outputs[0]).aval.shape


class Region:
    """The pass over the blocks of a region: a generated function of a range of the axis that is cut."""

    def __init__(self, jaxpr: Jaxpr) -> None:
        group = jaxpr.equations
        self._shape = shape_of(group)
        self._flat = _is_flat(group)
        self._length = int(np.prod(self._shape)) if self._flat else self._shape[0]
        self._row = 1 if self._flat else max(1, int(np.prod(self._shape[1:])))
        self._shared = program_cost(jaxpr).flops >= PARALLEL
        self._inputs = [v.aval for v in jaxpr.in_vars]
        self._outputs = list(jaxpr.outputs)
        self._reductions = {e.outputs[0]: e.primitive for e in group if type(e.primitive) in GATHERED}
        self.source, self._run = _write_pass(jaxpr, self._shape, self._flat)

    def __call__(self, *inputs: Any, over: Sequence[Any] = ()) -> list[Any]:
        """Run over ``inputs``; ``over`` has for each output the input that it may be written over, or None."""
        arrays = [self._operand(x, aval) for x, aval in zip(inputs, self._inputs, strict=True)]
        results: list[Any] = [
            None if self._is_gathered(v) else x if x is not None and x.flags.c_contiguous else _empty(v.aval)
            for v, x in zip_longest(self._outputs, over)
        ]
        targets = [x.reshape(-1) if self._flat and x is not None else x for x in results]
        first, *others = self._parts()
        tasks = [_started(self._in_context(), part, arrays, targets) for part in others]
        gathered = [self._run(*first, arrays, targets), *[task.result() for task in tasks]]
        for i, var in enumerate(self._outputs):
            if self._is_gathered(var):
                ufunc = GATHERED[type(self._reductions[var])]  # type: ignore[index]
                results[i] = ufunc.reduce([x for found in gathered for x in found[i]], axis=0)
        return results

    def _in_context(self) -> Callable[..., list[list[Any]]]:
        """Return the pass as another thread must run it: under this thread's ``np.errstate``."""
        context = contextvars.copy_context()
        return lambda part, arrays, targets: context.run(self._run, *part, arrays, targets)

    def _is_gathered(self, var: Any) -> bool:
        """Whether an output is put together from one value for each block."""
        reduction = self._reductions.get(var)
        return reduction is not None and (self._flat or 0 in reduction.axes)  # type: ignore[attr-defined]

    def _operand(self, x: Any, aval: ShapedArray) -> Any:
        if not aval.ndim:
            return x
        if self._flat:
            return x.reshape(-1)
        return x.reshape((1,) * (len(self._shape) - aval.ndim) + aval.shape)

    def _parts(self) -> list[tuple[int, int, int]]:
        """Cut the axis for the threads: for each the start, the stop, and the length of a block, nearly all alike."""
        count = min(threads(), self._length) if self._shared else 1
        cuts = [self._length * k // count for k in range(count + 1)]
        whole = -(-self._length // count)
        blocks = -(-whole * self._row // (SHARED_BLOCK if count > 1 else BLOCK))
        step = max(1, -(-whole // max(1, blocks)))
        return [(a, b, step) for a, b in pairwise(cuts)]


def _empty(aval: ShapedArray) -> Any:
    return np.empty(aval.shape, aval.dtype)


def _write_pass(jaxpr: Jaxpr, shape: tuple[int, ...], flat: bool) -> tuple[str, Callable[..., list[list[Any]]]]:
    """Generate ``run(start, stop, step, inputs, outputs)``, which returns for each output its values per block, if any.

    Operations write into buffers, which they take over from operands that are read no more.
    """
    block = "(step,)" if flat else f"(step, {', '.join(map(str, shape[1:]))})"
    scope: dict[str, Any] = {"empty": np.empty, "copyto": np.copyto}
    names: dict[Atom, str] = {}
    head, body = ["def run(start, stop, step, inputs, outputs):"], []
    for i, var in enumerate(jaxpr.in_vars):
        head.append(f"    a{i} = inputs[{i}]")
        cut = var.aval.shape == shape or (
            not flat and len(var.aval.shape) == len(shape) and var.aval.shape[0] == shape[0]
        )
        names[var] = f"x{i}" if cut else f"a{i}"
        if cut:
            body.append(f"x{i} = a{i}[i:j]")
    kept = {v: f"outputs[{i}][i:j]" for i, v in enumerate(jaxpr.outputs)}
    scratch = _Scratch(jaxpr, names, scope)
    gathered: dict[Atom, str] = {}
    for index, equation in enumerate(jaxpr.equations):
        (out,) = equation.outputs
        primitive = equation.primitive
        operands = [scratch.operand(v) for v in equation.inputs]
        if type(primitive) is Broadcast:
            names[out] = operands[0]
        elif type(primitive) in GATHERED:
            reduce = scratch.hold(GATHERED[type(primitive)].reduce)
            axes = None if flat else primitive.axes  # type: ignore[attr-defined]
            if flat or 0 in primitive.axes:  # type: ignore[attr-defined]
                gathered[out] = f"g{len(gathered)}"
                head.append(f"    {gathered[out]} = []")
                body.append(f"{gathered[out]}.append({reduce}({operands[0]}, axis={axes}))")
            else:
                body.append(f"outputs[{jaxpr.outputs.index(out)}][i:j] = {reduce}({operands[0]}, axis={axes})")
        else:
            if ufunc_of(primitive) is not None:  # which may write over what it reads
                scratch.release(index, equation.inputs)
            if out in kept:
                names[out] = f"v{index}"
                body.append(f"{names[out]} = {kept[out]}")
            else:
                names[out] = scratch.take(out)
            body.extend(_block_statements(equation, operands, names[out], scratch))
        scratch.release(index, equation.inputs)
    head += [f"    {name} = empty({block}, {dtype!r})" for name, dtype in scratch.buffers]
    shorter = [f"            {name} = {name}[:j - i]" for name, _ in scratch.buffers]
    if shorter:
        shorter.insert(0, "        if j - i < step:")
    source = "\n".join(
        [
            *head,
            "    for i in range(start, stop, step):",
            "        j = min(i + step, stop)",
            *shorter,
            *[f"        {line}" for line in body],
            f"    return [{', '.join(gathered.get(v, '[]') for v in jaxpr.outputs)}]",
        ]
    )
    exec(compile(source, "<autotrace fused region>", "exec"), scope)
    return source, scope["run"]


def _block_statements(equation: Equation, operands: Sequence[str], out: str, scratch: _Scratch) -> list[str]:
    """Return the statements that compute one equation into the buffer ``out``."""
    primitive: Any = equation.primitive
    if type(primitive) is Select:
        condition, x, y = operands
        masked = _masked(equation, operands, out, scratch)
        return masked or [f"copyto({out}, {y})", f"copyto({out}, {x}, where={condition})"]
    if type(primitive) is Convert:
        part = ".real" if equation.inputs[0].aval.dtype.kind == "c" != primitive.dtype.kind else ""
        return [f"copyto({out}, {operands[0]}{part}, casting='unsafe')"]
    if type(primitive) is IntegerPow:
        multiply = scratch.hold(np.multiply)
        x = operands[0]
        if 2 <= primitive.y <= 4:  # products are many times as fast as NumPy's power
            steps = {2: [(x, x)], 3: [(x, x), (out, x)], 4: [(x, x), (out, out)]}[primitive.y]
            return [f"{multiply}({a}, {b}, {out})" for a, b in steps]
        return [f"{scratch.hold(np.power)}({x}, {scratch.hold(primitive.y)}, {out})"]
    ufunc = ufunc_of(primitive)
    return [f"{scratch.hold(ufunc)}({', '.join(operands)}, out={out})"]


def _masked(equation: Equation, operands: Sequence[str], out: str, scratch: _Scratch) -> list[str] | None:
    """Return the statements that choose between numbers and zeros by their bits; None where another is chosen.

    Processors guess which way a choice goes. Where it goes either way they are wrong half of the time, and it takes
    five to ten times as long as this: all bits of the numbers, or none.
    """
    bits = {"<f8": "<i8", "<f4": "<i4"}.get(equation.outputs[0].aval.dtype.str)
    if bits is None:
        return None
    zeros = [type(v) is Literal and not v.value and not np.signbit(v.value) for v in equation.inputs[1:]]
    if zeros.count(True) != 1:
        return None
    mask, dtype = scratch.spare(bits), scratch.hold(np.dtype(bits))
    x = operands[1 + zeros.index(False)]
    if zeros[1]:  # true: -1, which is all bits
        turned = f"{scratch.hold(np.negative)}({mask}, out={mask})"
    else:
        turned = f"{scratch.hold(np.subtract)}({mask}, 1, out={mask})"
    both = f"{scratch.hold(np.bitwise_and)}({x}.view({dtype}), {mask}, out={out}.view({dtype}))"
    return [f"copyto({mask}, {operands[0]})", turned, both]


class _Scratch:
    """Buffers of one block, given out to values and taken back after their last use."""

    def __init__(self, jaxpr: Jaxpr, names: dict[Atom, str], scope: dict[str, Any]) -> None:
        self.buffers: list[tuple[str, str]] = []
        self._free: dict[str, list[str]] = {}
        self._held: dict[Atom, tuple[str, str]] = {}
        self._names = names
        self._scope = scope
        self._known: dict[Any, str] = {}
        self._last: dict[Atom, int] = {}
        for index, equation in enumerate(jaxpr.equations):
            for atom in equation.inputs:
                self._last[atom] = index
        for equation in reversed(jaxpr.equations):  # what a broadcast reads lives as long as the broadcast
            if type(equation.primitive) is Broadcast:
                source = equation.inputs[0]
                self._last[source] = max(self._last[source], self._last.get(equation.outputs[0], 0))

    def operand(self, atom: Atom) -> str:
        """Return the name of an operand."""
        return self.hold(atom.value) if isinstance(atom, Literal) else self._names[atom]

    def hold(self, value: Any) -> str:
        """Return the name of a function or number in the generated code."""
        key = (type(value), id(value)) if callable(value) else (type(value), repr(value))
        if key not in self._known:
            name = self._known[key] = f"{getattr(value, '__name__', 'number')}_{len(self._known)}"
            self._scope[name] = value
        return self._known[key]

    def take(self, var: Var) -> str:
        """Return a buffer for ``var``."""
        dtype = var.aval.dtype.str
        name = self.spare(dtype)
        self._free[dtype].remove(name)
        self._held[var] = (name, dtype)
        return name

    def spare(self, dtype: str) -> str:
        """Return a buffer that nobody holds, for the use of one equation."""
        free = self._free.setdefault(dtype, [])
        if not free:
            free.append(f"s{len(self.buffers)}")
            self.buffers.append((free[0], dtype))
        return free[-1]

    def release(self, index: int, atoms: Sequence[Atom]) -> None:
        """Take back the buffers of values that are not read after equation ``index``."""
        for atom in atoms:
            if self._last.get(atom) == index and atom in self._held:
                name, dtype = self._held.pop(atom)
                self._free[dtype].append(name)


_executor: ThreadPoolExecutor | None = None


def _pool() -> ThreadPoolExecutor:
    """Return the threads that regions share, made at the first use and again in a forked child."""
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(max(1, threads() - 1), thread_name_prefix="autotrace")
    return _executor


def _started(run: Callable[..., Any], *args: Any) -> Future[Any]:
    """Let another thread call ``run``; do it here once the interpreter is on its way out and starts nothing more."""
    with contextlib.suppress(RuntimeError):
        return _pool().submit(run, *args)
    done: Future[Any] = Future()
    done.set_result(run(*args))
    return done


def _forget_pool() -> None:
    global _executor
    _executor = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
