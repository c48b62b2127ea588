"""Paths: the steps that lead from a tree to one of its leaves, and how they are spelled."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SequenceKey:
    """The step of a path into item `idx` of a list or tuple."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx}]"


@dataclass(frozen=True, slots=True)
class DictKey:
    """The step of a path to the value of `key` in a dict."""

    key: Hashable

    def __str__(self) -> str:
        return f"[{self.key!r}]"


@dataclass(frozen=True, slots=True)
class GetAttrKey:
    """The step of a path to the attribute `name` of a dataclass or namedtuple."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclass(frozen=True, slots=True)
class FlattenedIndexKey:
    """The step of a path to child number `key` of a registered class, whose children have no names."""

    key: int

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
