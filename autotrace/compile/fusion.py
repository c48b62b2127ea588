"""Elementwise regions on large arrays, run block by block in scratch that stays in the cache, on several threads.

``fuse`` gathers equations of one shape in a ``fused`` equation that holds them as a program. Its kernel cuts
the axis in blocks; for each block it runs every equation into small buffers with ``out=``, so that
intermediate arrays never reach memory. Sums over the whole region are gathered block by block.
"""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise, zip_longest
from typing import Any, ClassVar

import numpy as np

from ..ir import Atom, Equation, Jaxpr, Literal, Primitive, ShapedArray, Var, eliminate_dead_code, program_cost
from ..primitives.arithmetic import IntegerPow
from ..primitives.comparison import Select
from ..primitives.promotion import Broadcast, Convert
from ..primitives.reduction import ReduceMax, ReduceMin, ReduceSum
from .kernels import ufunc_of

__all__ = ["Fused", "fuse", "threads"]

SMALLEST = 32_768
"""Elements: smaller arrays stay in the cache anyway."""
BLOCK = 32_768
"""Elements of a block, at most. Smaller ones fit the cache better, but then Python takes the larger share."""
SHARED_BLOCK = 65_536
"""Elements of a block where several threads work, at most: they wait for each other to have Python to themselves."""
PARALLEL = 2_000_000
"""Operations from which several threads share a region."""

_GATHERED: dict[Any, Any] = {ReduceSum: np.add, ReduceMax: np.maximum, ReduceMin: np.minimum}


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


class Fused(Primitive):
    """``jaxpr``, a program of elementwise equations of one shape and of whole sums, done in one pass."""

    jaxpr: Jaxpr
    multiple: ClassVar[bool] = True
    required: ClassVar[tuple[str, ...]] = ("impl", "abstract")

    @cached_property
    def kernel(self) -> Callable[..., Sequence[Any]]:
        """The pass over blocks."""
        return _Region(self.jaxpr)

    @cached_property
    def overwrites(self) -> list[tuple[int, int]]:
        """Pairs of an output and an input in whose memory it may be written: it is read no more by then."""
        last = {v: i for i, e in enumerate(self.jaxpr.equations) for v in e.inputs}
        made: dict[Atom, tuple[int, Primitive]] = {
            e.outputs[0]: (i, e.primitive) for i, e in enumerate(self.jaxpr.equations)
        }
        pairs = []
        for k, var in enumerate(self.jaxpr.in_vars):
            if var.aval.shape != _shape_of(self.jaxpr.equations) or var in self._stretched:
                continue
            for i, out in enumerate(self.jaxpr.outputs):
                index, primitive = made[out]
                before = last[var] < index or (last[var] == index and ufunc_of(primitive) is not None)
                if before and var.aval.shape == out.aval.shape and var.aval.dtype == out.aval.dtype:
                    pairs.append((i, k))
        return pairs

    @property
    def _stretched(self) -> set[Atom]:
        return {e.inputs[0] for e in self.jaxpr.equations if type(e.primitive) is Broadcast}

    def impl(self, *inputs: Any) -> Sequence[Any]:
        return self.kernel(*inputs)

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        return [page.call(targets, self.jaxpr, operands, self.name)]

    def abstract(self, *avals: ShapedArray) -> tuple[ShapedArray, ...]:
        return self.jaxpr.out_avals

    def called(self) -> Jaxpr:
        return self.jaxpr


def fuse(jaxpr: Jaxpr) -> Jaxpr:
    """Return ``jaxpr`` with runs of elementwise equations on large arrays as ``fused`` equations.

    A region is held back while equations of its shape join it, and written when something else reads from it.
    What is held back never depends on another region that is held back.
    """
    if not any(v.aval.size >= SMALLEST for e in jaxpr.equations for v in e.outputs):
        return jaxpr
    regions = _Regions()
    stretched = {e.outputs[0] for e in jaxpr.equations if type(e.primitive) is Broadcast}
    for equation in jaxpr.equations:
        # In a region a stretched operand stays as small as it is, which a sum over it must not see.
        sums_stretched = type(equation.primitive) in _GATHERED and equation.inputs[0] in stretched
        shape = None if sums_stretched else _region_of(equation)
        for atom in equation.inputs:
            regions.leave(atom, shape)
        if shape is None:
            regions.written.append([equation])
        else:
            regions.join(equation, shape)
    regions.flush_all()
    return _assemble(jaxpr, regions.written)


class _Regions:
    """The regions being gathered, by shape, and what is written already: lists of equations, each one region."""

    def __init__(self) -> None:
        self.written: list[list[Equation]] = []
        self._pending: dict[tuple[int, ...], list[Equation]] = {}
        self._owner: dict[Atom, tuple[tuple[int, ...], bool]] = {}
        """For what a pending region makes: its shape, and whether the region itself may read it."""

    def leave(self, atom: Atom, shape: tuple[int, ...] | None) -> None:
        """Write the region that makes ``atom`` unless an equation of ``shape``, which reads it, can join it."""
        found = self._owner.get(atom) if type(atom) is Var else None
        if found is not None and (found[0] != shape or not found[1]):
            self._flush(found[0])

    def join(self, equation: Equation, shape: tuple[int, ...]) -> None:
        self._pending.setdefault(shape, []).append(equation)
        (out,) = equation.outputs
        self._owner[out] = (shape, out.aval.shape == shape)

    def _flush(self, shape: tuple[int, ...]) -> None:
        group = self._pending.pop(shape)
        for equation in group:
            del self._owner[equation.outputs[0]]
        self.written.append(group)

    def flush_all(self) -> None:
        for shape in list(self._pending):
            self._flush(shape)


def _region_of(equation: Equation) -> tuple[int, ...] | None:
    """Return the shape of the region that an equation may be part of."""
    primitive = equation.primitive
    if len(equation.outputs) != 1:
        return None
    shape = equation.outputs[0].aval.shape
    if type(primitive) in _GATHERED:
        if not primitive.axes:  # type: ignore[attr-defined]
            return None
        shape = equation.inputs[0].aval.shape
    elif ufunc_of(primitive) is None and type(primitive) not in (Select, IntegerPow, Convert):
        return None
    large = len(shape) > 0 and int(np.prod(shape)) >= SMALLEST
    return shape if large and all(v.aval.dtype.kind in "fciub" for v in equation.inputs) else None


def _assemble(jaxpr: Jaxpr, groups: Sequence[list[Equation]]) -> Jaxpr:
    """Write the program: groups of two and more that pay as fused equations, the others as they are.

    A broadcast that a region reads is repeated in it, where it costs nothing.
    """
    readers: dict[Atom, int] = {}
    for atom in (*jaxpr.outputs, *[v for e in jaxpr.equations for v in e.inputs]):
        readers[atom] = readers.get(atom, 0) + 1
    broadcasts: dict[Atom, Equation] = {e.outputs[0]: e for e in jaxpr.equations if type(e.primitive) is Broadcast}
    equations: list[Equation] = []
    for group in groups:
        read = dict.fromkeys(v for e in group for v in e.inputs if v in broadcasts)
        whole = [*[broadcasts[v] for v in read], *group]
        if len(group) < 2 or not _can_cut(whole):
            equations.extend(group)
        else:
            equations.append(_fused(whole, group, readers))
    return eliminate_dead_code(jaxpr.replace(equations=equations))


def _fused(whole: Sequence[Equation], group: Sequence[Equation], readers: dict[Atom, int]) -> Equation:
    made = {e.outputs[0] for e in whole}
    inner: dict[Atom, int] = {}
    for atom in [v for e in group for v in e.inputs]:
        inner[atom] = inner.get(atom, 0) + 1
    inputs = tuple(dict.fromkeys(v for e in whole for v in e.inputs if type(v) is Var and v not in made))
    outputs = tuple(v for e in group for v in e.outputs if readers.get(v, 0) > inner.get(v, 0))
    return Equation(Fused(Jaxpr(inputs, whole, outputs)), inputs, outputs, group[-1].source)


def _is_flat(group: Sequence[Equation]) -> bool:
    """Whether the region can be cut as one long axis: no broadcasts, and only whole sums."""
    return all(
        type(e.primitive) is not Broadcast and (type(e.primitive) not in _GATHERED or not e.outputs[0].aval.ndim)
        for e in group
    )


def _can_cut(group: Sequence[Equation]) -> bool:
    """Whether blocks of whole rows fit in the cache, where the region cannot be cut as one long axis."""
    shape = _shape_of(group)
    return _is_flat(group) or int(np.prod(shape[1:])) <= BLOCK


def _shape_of(group: Sequence[Equation]) -> tuple[int, ...]:
    first = group[0]
    return (first.inputs[0] if type(first.primitive) in _GATHERED else first.outputs[0]).aval.shape


class _Region:
    """The pass over the blocks of a region: a generated function of a range of the axis that is cut."""

    def __init__(self, jaxpr: Jaxpr) -> None:
        group = jaxpr.equations
        self._shape = _shape_of(group)
        self._flat = _is_flat(group)
        self._length = int(np.prod(self._shape)) if self._flat else self._shape[0]
        self._row = 1 if self._flat else max(1, int(np.prod(self._shape[1:])))
        self._shared = program_cost(jaxpr).flops >= PARALLEL
        self._inputs = [v.aval for v in jaxpr.in_vars]
        self._outputs = list(jaxpr.outputs)
        self._reductions = {e.outputs[0]: e.primitive for e in group if type(e.primitive) in _GATHERED}
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
        tasks = [_pool().submit(self._in_context(), part, arrays, targets) for part in others]
        gathered = [self._run(*first, arrays, targets), *[task.result() for task in tasks]]
        for i, var in enumerate(self._outputs):
            if self._is_gathered(var):
                ufunc = _GATHERED[type(self._reductions[var])]  # type: ignore[index]
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
        elif type(primitive) in _GATHERED:
            reduce = scratch.hold(_GATHERED[type(primitive)].reduce)
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
            from_complex = equation.inputs[0].aval.dtype.kind == "c"
            body.extend(_block_statements(primitive, operands, names[out], scratch, from_complex))
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


def _block_statements(
    primitive: Any, operands: Sequence[str], out: str, scratch: _Scratch, from_complex: bool
) -> list[str]:
    """Return the statements that compute one equation into the buffer ``out``."""
    if type(primitive) is Select:
        condition, x, y = operands
        return [f"copyto({out}, {y})", f"copyto({out}, {x}, where={condition})"]
    if type(primitive) is Convert:
        part = ".real" if from_complex and primitive.dtype.kind != "c" else ""
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
        free = self._free.setdefault(dtype, [])
        if free:
            name = free.pop()
        else:
            name = f"s{len(self.buffers)}"
            self.buffers.append((name, dtype))
        self._held[var] = (name, dtype)
        return name

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


def _forget_pool() -> None:
    global _executor
    _executor = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
