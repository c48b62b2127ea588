"""Paths: the steps that lead from a tree to one of its leaves, and how they are spelled."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar


class _Step:
    """A step of a path, with one part: immutable, equal to a step of its class with an equal part.

    No dataclass: making four of those takes a millisecond of the time that importing the package may take.
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str]]

    def __init__(self, part: Any) -> None:
        object.__setattr__(self, self.__match_args__[0], part)

    def _part(self) -> Any:
        return getattr(self, self.__match_args__[0])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}: a step of a path cannot be changed; got {name} = {value!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}: a step of a path cannot be changed; got del {name}.")

    def __eq__(self, other: object) -> bool:
        return self._part() == other._part() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self._part()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__match_args__[0]}={self._part()!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._part(),)


class SequenceKey(_Step):
    """The step of a path into item `idx` of a list or tuple."""

    __slots__ = __match_args__ = ("idx",)
    idx: int

    def __init__(self, idx: int) -> None:
        super().__init__(idx)

    def __str__(self) -> str:
        return f"[{self.idx}]"


class DictKey(_Step):
    """The step of a path to the value of `key` in a dict."""

    __slots__ = __match_args__ = ("key",)
    key: Hashable

    def __init__(self, key: Hashable) -> None:
        super().__init__(key)

    def __str__(self) -> str:
        return f"[{self.key!r}]"


class GetAttrKey(_Step):
    """The step of a path to the attribute `name` of a dataclass or namedtuple."""

    __slots__ = __match_args__ = ("name",)
    name: str

    def __init__(self, name: str) -> None:
        super().__init__(name)

    def __str__(self) -> str:
        return f".{self.name}"


class FlattenedIndexKey(_Step):
    """The step of a path to child number `key` of a registered class, whose children have no names."""

    __slots__ = __match_args__ = ("key",)
    key: int

    def __init__(self, key: int) -> None:
        super().__init__(key)

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


KeyEntry = SequenceKey | DictKey | GetAttrKey | FlattenedIndexKey
KeyPath = tuple[KeyEntry, ...]


def keystr(path: Iterable[KeyEntry]) -> str:
    """Spell a path as Python would: a suffix that leads from the tree to the leaf.

    >>> from autotrace.tree import DictKey, GetAttrKey, SequenceKey, keystr
    >>> keystr((DictKey("w"), SequenceKey(0), GetAttrKey("bias")))
    "['w'][0].bias"
    """
    return "".join(map(str, path))
