"""What an operation is: one class, its static parameters as fields, its rules as methods.

    class Scale(Linear):
        factor: float
        ...

``Scale(2.0)`` is an instance: a primitive with its parameters. Instances are interned, so two with equal
parameters are one object; that makes equality, hashing, common subexpressions and caches free.
"""

from __future__ import annotations

import re
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, NoReturn

import numpy as np

from ..errors import MissingRuleError
from .avals import DYNAMIC, ShapedArray
from .dependence import Operand, united
from .source import here

if sys.version_info >= (3, 11):
    from typing import Self, dataclass_transform
else:
    from typing_extensions import Self, dataclass_transform

__all__ = ["REGISTRY", "Linear", "Linearized", "Primitive", "Run", "Slot"]

REGISTRY: dict[str, type[Primitive]] = {}
"""Every primitive by its name, which is how a printed or saved program names it."""


class _Interned:
    """Instances by key, not kept alive. Keys of dead ones go when there are twice as many: that is cheap, and no leak.

    Whoever writes must hold the lock.
    """

    __slots__ = ("_limit", "_references")

    def __init__(self) -> None:
        self._references: dict[tuple[Any, ...], weakref.ref[Primitive]] = {}
        self._limit = 1_000

    def get(self, key: tuple[Any, ...]) -> Primitive | None:
        reference = self._references.get(key)
        return None if reference is None else reference()

    def __setitem__(self, key: tuple[Any, ...], value: Primitive) -> None:
        if len(self._references) >= self._limit:
            for dead in [key for key, reference in self._references.items() if reference() is None]:
                del self._references[dead]
            self._limit = max(1_000, 2 * len(self._references))
        self._references[key] = weakref.ref(value)


_INTERNING = threading.Lock()
_PLAIN = _Interned()
_HOLDERS: weakref.WeakValueDictionary[tuple[Any, ...], Primitive] = weakref.WeakValueDictionary()
"""Of primitives that hold programs, or functions of the user's: what these hold goes with the last reference."""
_PLAIN_FIELDS = frozenset(("int", "float", "complex", "bool", "str", "None", "tuple", "np", "dtype", "Item"))
"""Words of annotations of fields that hold no program; an Item is one of an index."""
_STANDS_FOR = frozenset(("called", "separated", "settled"))
"""Rules that give a program to stand in the place of an equation."""


def _told_apart(value: Any) -> Any:
    """Return a parameter as it is told apart: programs by identity, since equal ones may come from different lines."""
    if type(value) is tuple:
        return tuple(map(_told_apart, value))
    return ("program", id(value)) if hasattr(value, "in_vars") else value


class Run(NamedTuple):
    """A program that one evaluation of an equation runs, and how often; see :meth:`Primitive.runs`."""

    program: Any
    times: int | None = 1
    """``None`` if only the values tell, as for a ``while`` loop."""
    alternative: bool = False
    """Of the runs so marked one takes place, as of the branches of a ``cond``."""


class Linear:
    """Stands in for the operand that a transpose rule is to produce a cotangent for."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def ndim(self) -> int:
        return self.aval.ndim

    def __repr__(self) -> str:
        return f"Linear({self.aval})"

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise MissingRuleError(
            f"transpose: an operation must be linear in what it transposes; got one that needs the value of {self.aval}"
            f"{here()}. Make the function linear."
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __neg__ = _refuse
    __matmul__ = __rmatmul__ = __pow__ = __rpow__ = __getitem__ = __array__ = _refuse
    __array_ufunc__ = __array_function__ = _refuse


class Slot(NamedTuple):
    """The place, among the operands of a linear equation, of a tangent: of the input at ``position``, or a zero one."""

    position: int | None
    aval: ShapedArray


class Linearized(NamedTuple):
    """An equation that has run, and the linear equation that its tangents satisfy."""

    outputs: Sequence[Any]
    primitive: Primitive
    """The linear equation's: from operands to the tangents of the outputs that are ``reached``."""
    operands: Sequence[Any]
    """Its operands; a :class:`Slot` stands for the tangent of an input."""
    reached: Sequence[bool]

    def operands_with(self, tangents: Sequence[Any]) -> list[Any]:
        """Return the operands with the ``tangents`` of the inputs."""
        return [_tangent(x, tangents) if type(x) is Slot else x for x in self.operands]

    def spread(self, tangents: Sequence[Any]) -> list[Any]:
        """Return a tangent for each output, None for those that are not reached."""
        given = iter(tangents)
        return [next(given) if some else None for some in self.reached]

    def pull(self, cts: Sequence[Any], count: int) -> list[Any]:
        """Return the cotangents of all ``count`` inputs, given those of all outputs."""
        pulled: list[Any] = [None] * count
        reached = [ct for ct, some in zip(cts, self.reached, strict=True) if some]
        if any(ct is not None for ct in reached):
            found = self.primitive.transpose(reached, [Linear(x.aval) if type(x) is Slot else x for x in self.operands])
            for x, ct in zip(self.operands, found, strict=True):
                if type(x) is Slot and x.position is not None:
                    pulled[x.position] = ct
        return pulled


def _tangent(slot: Slot, tangents: Sequence[Any]) -> Any:
    if slot.position is None:
        return np.broadcast_to(slot.aval.dtype.type(0), slot.aval.shape)[()]
    return tangents[slot.position]


@dataclass_transform(frozen_default=True)
class Primitive:
    """The base of all operations. A subclass annotates its static parameters and defines its rules.

    Rules. A primitive of one output (``multiple = False``) gives and gets that output, its tangent and
    its cotangent bare; one of several gives and gets tuples. ``None`` as a tangent or cotangent is zero.

    - ``impl(*inputs)``: the value, through NumPy functions that dispatch.
    - ``abstract(*avals)``: the avals of the outputs, or an error that names what does not fit.
    - ``jvp(primals, tangents, outputs)``: the tangents of the outputs.
    - ``transpose(cts, inputs)``: for each input that is a :class:`Linear` placeholder its cotangent, else None.
    - ``batch(size, inputs, batched)``: the outputs for a whole batch; batched inputs and all outputs carry the
      batch as axis 0.
    - ``vjp(cts, outputs, inputs, wanted)``: derived from ``jvp`` and ``transpose``; families give it directly.
    - ``linearize(inputs, moving)``: for primitives that hold programs: run, and keep what the linear equation of the
      tangents needs (:class:`Linearized`). Reverse mode and ``linearize`` use it in place of ``impl``.
    - ``push(primals, tangents)``: outputs and tangents in one run, which forward mode uses in place of ``impl``.
    - ``flops(inputs, outputs)``: floating-point operations, from avals; ``reads(inputs, outputs)``: bytes read of each
      operand; ``view``: the output is another look at the first operand's memory; ``runs()``: programs that it runs.
    - ``sparsity(operands, outputs)``: which inputs of a program the elements of the outputs depend on, by derivatives
      that are not zero everywhere, given the same of the operands (:class:`Operand`, :class:`Dependence`).

    - ``spell(page, *operands)``: the operation as a Python expression, in ``to_python``; by default the text of
      ``impl``.

    - ``taylor(k, inputs, outputs)``: the Taylor coefficients k >= 1 of the outputs along a path, from lists of the
      coefficients 0..k of each input and 0..k-1 of each output. A coefficient of None is zero. NotImplemented, or no
      such rule: they follow from ``jvp``.
    - ``jet(order, inputs)``: in place of ``taylor``, lists of all coefficients 0..order of each output at once.

    A concrete class that lacks one of ``required`` is refused where it is defined. Abstract families are
    declared with ``class Family(Primitive, family=True)``.
    """

    impl: ClassVar[Callable[..., Any]]
    abstract: ClassVar[Callable[..., Any]]
    jvp: ClassVar[Callable[..., Any]]
    batch: ClassVar[Callable[..., Any]]
    taylor: ClassVar[Callable[..., Any] | None] = None
    jet: ClassVar[Callable[..., Any] | None] = None
    name: ClassVar[str]
    fields: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {}
    multiple: ClassVar[bool] = False
    """Several outputs: rules give and get tuples."""
    checks: ClassVar[bool] = False
    """Its effect is a check: on known values it is made at once, and not recorded."""
    effect: ClassVar[bool] = False
    """Kept though nothing uses its outputs."""
    stops: ClassVar[bool] = False
    """No derivative flows through it, whatever its inputs."""
    has_rules: ClassVar[bool] = False
    """It holds functions of the user's, which may do something else at the next call: what they gave is not kept."""
    backward: ClassVar[bool] = False
    """Its own derivative is that of reverse mode, which is to be used where forward mode would do as well."""
    view: ClassVar[bool] = False
    """The output shares the memory of the first operand, as a reshape does: nothing is moved or allocated."""
    weak_numbers: ClassVar[bool] = False
    """In Python, bare numbers among the operands adapt to the dtype of the others, as with ufuncs."""
    gives_scalars: ClassVar[bool] = False
    """At rank 0 its text in Python gives a NumPy scalar, never an array of rank 0."""
    stretches: ClassVar[bool] = False
    """Does what NumPy does by itself where a ufunc meets the output and an array of its shape."""
    dynamic: ClassVar[bool] = False
    """Its ``sparsity`` rule knows axes of unknown length; others are not asked where there are any."""
    linearize: ClassVar[Callable[..., Linearized] | None] = None
    push: ClassVar[Callable[..., tuple[Sequence[Any], Sequence[Any]]] | None] = None
    required: ClassVar[tuple[str, ...]] = ("impl", "abstract", "jvp", "batch")

    holds_programs: ClassVar[bool] = False
    """Some field may be a program, or what holds programs."""
    _interned: ClassVar[_Interned | weakref.WeakValueDictionary[tuple[Any, ...], Primitive]]

    def __init_subclass__(cls, family: bool = False, name: str | None = None) -> None:
        own = [key for key, kind in vars(cls).get("__annotations__", {}).items() if "ClassVar" not in str(kind)]
        inherited = [field for base in cls.__mro__[1:] for field in vars(base).get("fields", ())]
        cls.fields = tuple(dict.fromkeys((*inherited, *own)))
        kinds = " ".join(str(vars(cls)["__annotations__"][key]) for key in own).replace("dtype[Any]", "dtype")
        plain = _PLAIN_FIELDS.issuperset(re.findall(r"\w+", kinds)) and _STANDS_FOR.isdisjoint(vars(cls))
        cls.holds_programs |= not plain
        cls._interned = _HOLDERS if cls.holds_programs else _PLAIN
        cls.defaults = cls.defaults | {key: vars(cls)[key] for key in own if key in vars(cls)}
        if family:
            return
        cls.name = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        missing = [rule for rule in cls.required if getattr(cls, rule, None) is vars(Primitive).get(rule)]
        if missing:
            raise MissingRuleError(
                f"Primitive: a primitive must define its rules; {cls.__name__} lacks {', '.join(missing)}. "
                f"Define {'it' if len(missing) == 1 else 'them'} in the class, or derive it from a family."
            )
        known = REGISTRY.get(cls.name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise MissingRuleError(
                f"Primitive: a name must be used once; {cls.name!r} is {known.__module__}.{known.__qualname__}. "
                "Give the class another name."
            )
        REGISTRY[cls.name] = cls

    def __new__(cls, *values: Any, **named: Any) -> Self:
        if named or len(values) != len(cls.fields):
            values = cls._complete(values, named)
        told = tuple(map(_told_apart, values)) if cls.holds_programs else values
        # 1, 1.0 and True are equal, as are 0.0 and -0.0, but as parameters they are not the same.
        kinds: tuple[Any, ...] = tuple(map(type, values))
        if float in kinds:
            kinds = tuple([repr(v) if type(v) is float else type(v) for v in values])
        key = (cls, told, kinds)
        found = cls._interned.get(key)
        return cls._intern(key, values) if found is None else found  # type: ignore[return-value]

    @classmethod
    def _intern(cls, key: tuple[Any, ...], values: tuple[Any, ...]) -> Primitive:
        """Make the instance of ``key``, or return the one that another thread has just made."""
        with _INTERNING:
            found = cls._interned.get(key)
            if found is None:
                found = object.__new__(cls)
                vars(found).update(zip(cls.fields, values))
                cls._interned[key] = found
        return found

    @classmethod
    def _complete(cls, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        given = dict(zip(cls.fields, values, strict=False))
        wrong = [key for key in named if key not in cls.fields or key in given]
        if wrong or len(values) > len(cls.fields):
            raise TypeError(f"{cls.__name__}: parameters must be {cls.fields}; got {values} and {named}.")
        given = {**cls.defaults, **given, **named}
        missing = [key for key in cls.fields if key not in given]
        if missing:
            raise TypeError(f"{cls.__name__}: parameters must all be given; {', '.join(missing)} is missing.")
        return tuple(given[key] for key in cls.fields)

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError(f"{self.name}: a primitive is immutable; got {key} = {value!r}. Make another instance.")

    @property
    def params(self) -> dict[str, Any]:
        """The static parameters by name."""
        return {key: getattr(self, key) for key in self.fields}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.params.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(self.params.values())

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def called(self) -> Any:
        """Return the program that an equation of this primitive stands for, if it may be written in its place."""
        return None

    def pruned(self, used: tuple[bool, ...]) -> Any:
        """Return a primitive that gives the ``used`` outputs with less work, if there is one.

        With it go the positions of the operands that it reads, and those of the outputs that it gives.
        """
        return None

    def separated(self) -> Any:
        """Return a program that does the same with less in its loop, if any; results may differ by rounding."""
        return None

    def block(self) -> Any:
        """Return the loop or branch that an equation is, for compilers that write its programs in place."""
        return None

    def settled(self) -> Any:
        """Return what may be written in its place where nothing will be differentiated or batched any more."""
        return self.called()

    def flops(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> int:
        """Estimate the floating-point operations of one evaluation: one for each output element."""
        return sum(aval.size for aval in outputs)

    def reads(self, inputs: Sequence[ShapedArray], outputs: Sequence[ShapedArray]) -> Sequence[int]:
        """Return the bytes that one evaluation reads of each operand: all of it, or nothing for a view."""
        return [0 if self.view else aval.nbytes for aval in inputs]

    def runs(self) -> Sequence[Run]:
        """Return the programs that one evaluation runs: each parameter that is a program, once, unless overridden."""
        values = [value for field in self.fields for value in _flat(getattr(self, field))]
        return [Run(value) for value in values if hasattr(value, "in_vars")]

    def sparsity(self, operands: Sequence[Operand], outputs: Sequence[ShapedArray]) -> Any:
        """Return the dependence of each output; None is that on nothing.

        It must hold for every value of the operands but those with a ``value``, and may say more than there is. At
        least one operand has a dependence. By default every element of an output depends on all of all operands.
        """
        wholes = [x.dependence.everywhere(()) for x in operands if x.dependence is not None]
        whole = united(wholes, ())
        # Of an array of unknown length the dependence is that of all its elements, as of a scalar.
        shapes = [() if DYNAMIC in aval.shape else aval.shape for aval in outputs]
        found = [whole.broadcast(s) if whole and a.inexact else None for s, a in zip(shapes, outputs, strict=True)]
        return found if self.multiple else found[0]

    def spell(self, page: Any, *operands: Any) -> str:
        """Return the operation as a Python expression of ``operands``, names and numbers that know their ``aval``.

        By default it is the text of ``impl``. ``page`` (:class:`autotrace.ir.python.Page`) gives the names of modules,
        functions, static values and inner programs.
        """
        return str(page.spelled(self, operands))

    def spell_lines(self, page: Any, targets: Sequence[str], *operands: Any) -> list[str]:
        """Return Python statements that give the names ``targets`` the outputs; by default those of :meth:`spell`."""
        text = self.spell(page, *operands)
        return [f"{', '.join(targets)}{',' if self.multiple and len(targets) == 1 else ''} = {text}"]

    def transpose(self, cts: Any, inputs: Sequence[Any]) -> Sequence[Any]:
        """Refuse: a primitive that is not linear has no transpose."""
        raise MissingRuleError(
            f"{self.name}: transposition needs an operation that is linear in what it transposes; got "
            f"{self.name}({', '.join('linear' if type(x) is Linear else 'known' for x in inputs)}){here()}. "
            "Make the function linear, or define transpose(cts, inputs) in the class of the primitive."
        )


def _flat(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
