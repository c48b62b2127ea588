"""The structure of a tree: taken from it, filled with leaves again, compared, and matched against other trees."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from .containers import LEAF_NODE, NODES, Node
from .paths import KeyEntry, keystr

IsLeaf = Callable[[Any], bool] | None


def _same(aux: Any, other: Any) -> bool:
    try:
        return aux is other or bool(aux == other)
    except ValueError as error:  # NumPy's: the truth value of an array is ambiguous
        raise ValueError(
            f"PyTreeDef: static data must compare to one bool by ==; got {aux!r} and {other!r}. "
            "Make arrays children, not static data."
        ) from error


class PyTreeDef:
    """The structure of a tree: its containers, their keys and static data, and a `*` for each leaf.

    Immutable; equal structures are equal and hash alike; made by `tree_structure` or `tree_flatten`.

    >>> from autotrace.tree import tree_structure
    >>> tree_structure({"b": (1.0, None), "a": 2.0})
    PyTreeDef({'a': *, 'b': (*, None)})
    """

    __slots__ = ("_aux", "_children", "_flat", "_hash", "_node", "_num_leaves")

    def __init__(self, node: Node, aux: Any, children: tuple[PyTreeDef, ...], num_leaves: int, flat: bool) -> None:
        self._node = node
        self._aux = aux
        self._children = children
        self._num_leaves = num_leaves
        self._flat = flat  # a container of nothing but leaves
        self._hash: int | None = None

    @property
    def num_leaves(self) -> int:
        """The number of leaves."""
        return self._num_leaves

    def children(self) -> list[PyTreeDef]:
        """Return the structures of the children of the outermost container; none for a leaf."""
        return list(self._children)

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """Build the tree of this structure that has these leaves, of any type, in order.

        Raises ValueError if there are more or fewer leaves than `num_leaves`.

        >>> from autotrace.tree import tree_structure
        >>> tree_structure([0, (0, 0)]).unflatten("abc")
        ['a', ('b', 'c')]
        """
        leaves = leaves if isinstance(leaves, (list, tuple)) else list(leaves)
        if len(leaves) != self._num_leaves:
            raise ValueError(
                f"tree_unflatten: leaves must be as many as the structure has, {self._num_leaves}; "
                f"got {len(leaves)} for {self!r}. Pass one object for each * of it."
            )
        if self is LEAF or self._flat:
            return self._node.unflatten(self._aux, leaves)
        return _build(self, iter(leaves))

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """Return the subtrees of `tree` at the leaves of this structure, which must be a prefix of it.

        Raises ValueError, naming the path, where the containers differ.

        >>> from autotrace.tree import tree_structure
        >>> tree_structure([0, 0]).flatten_up_to([1.0, (2.0, 3.0)])
        [1.0, (2.0, 3.0)]
        """
        return flatten_up_to(self, tree, _FLATTEN_UP_TO)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PyTreeDef):
            return NotImplemented
        pairs = [(self, other)]
        while pairs:
            a, b = pairs.pop()
            if a is b:
                continue
            if a._node is not b._node or len(a._children) != len(b._children) or not _same(a._aux, b._aux):
                return False
            if not (a._flat and b._flat):
                pairs.extend(zip(a._children, b._children))
        return True

    def __hash__(self) -> int:
        if self._hash is None:
            try:
                aux = hash(self._aux)
            except TypeError as error:
                raise TypeError(
                    f"PyTreeDef: static data must be hashable; got {self._show(0)} ({error}). "
                    "Make it a child, or a tuple instead of a list."
                ) from error
            self._hash = hash((self._node, aux, self._num_leaves, self._flat or self._children))
        return self._hash

    def __repr__(self) -> str:
        return f"PyTreeDef({self._show()})"

    def _show(self, depth: int = -1) -> str:
        return self._node.show(self._aux, [child._show(depth - 1) if depth else "*" for child in self._children])

    def __reduce__(self) -> str | tuple[Any, ...]:
        return "LEAF" if self is LEAF else (_restore, (self._node.cls, self._aux, self._children))


def _restore(cls: type, aux: Any, children: tuple[PyTreeDef, ...]) -> PyTreeDef:
    """Unpickle a PyTreeDef."""
    node = NODES[cls]
    if node is LEAF_NODE:
        raise ValueError(
            f"PyTreeDef: the classes of a structure must be registered; got {cls.__name__}, a leaf here. "
            "Import the module that registers it before unpickling."
        )
    flat = all(child is LEAF for child in children)
    if flat and aux is None:
        return _flat_structure(node, len(children))
    return PyTreeDef(node, aux, children, sum(child._num_leaves for child in children), flat)


LEAF = PyTreeDef(LEAF_NODE, None, (), 1, False)


@functools.lru_cache(maxsize=1024)
def _flat_structure(node: Node, count: int) -> PyTreeDef:
    """Return the one structure of a container that holds `count` leaves and no static data."""
    return PyTreeDef(node, None, (LEAF,) * count, count, True)


def _build(treedef: PyTreeDef, leaves: Iterator[Any]) -> Any:
    children = []
    for child in treedef._children:
        children.append(next(leaves) if child is LEAF else _build(child, leaves))
    return treedef._node.unflatten(treedef._aux, children)


def _flatten(tree: Any, is_leaf: IsLeaf, leaves: list[Any]) -> PyTreeDef:
    """Append the leaves of `tree` to `leaves` and return its structure."""
    node = NODES[type(tree)]
    if node is LEAF_NODE or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        return LEAF
    children, aux = node.flatten(tree)
    for child in children:
        if NODES[type(child)] is not LEAF_NODE:
            break
    else:  # most containers hold nothing but leaves
        leaves.extend(children)
        count = len(children)
        return _flat_structure(node, count) if aux is None else PyTreeDef(node, aux, (LEAF,) * count, count, True)
    before = len(leaves)
    structures = []
    for child in children:
        structures.append(_flatten(child, is_leaf, leaves))
    flat = len(structures) == len(leaves) - before and all(structure is LEAF for structure in structures)
    return PyTreeDef(node, aux, tuple(structures), len(leaves) - before, flat)


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """Take a tree apart into its leaves and its structure; where `is_leaf(subtree)` holds, go no deeper.

    >>> from autotrace.tree import tree_flatten
    >>> tree_flatten({"b": [1, 2], "a": None})
    ([1, 2], PyTreeDef({'a': None, 'b': [*, *]}))
    """
    if NODES[type(tree)] is LEAF_NODE:
        return [tree], LEAF
    leaves: list[Any] = []
    try:
        return leaves, _flatten(tree, is_leaf, leaves)
    except RecursionError as error:
        raise ValueError(
            f"tree_flatten: a tree must end; got a {type(tree).__name__} that contains itself, or nests "
            "deeper than Python's recursion limit. Remove the cycle, or pass is_leaf to stop above it."
        ) from error


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """Build the tree of a structure from its leaves: the inverse of `tree_flatten`.

    >>> from autotrace.tree import tree_flatten, tree_unflatten
    >>> leaves, treedef = tree_flatten((1, [2]))
    >>> tree_unflatten(treedef, leaves)
    (1, [2])
    """
    return treedef.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """Return the leaves of a tree, in order.

    >>> from autotrace.tree import tree_leaves
    >>> tree_leaves({"b": 1, "a": (2, None)})
    [2, 1]
    """
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> PyTreeDef:
    """Return the structure of a tree.

    >>> from autotrace.tree import tree_structure
    >>> tree_structure((1, [2, 3])) == tree_structure((0, ["x", "y"]))
    True
    """
    return tree_flatten(tree, is_leaf)[1]


def keys_of(treedef: PyTreeDef) -> Sequence[KeyEntry]:
    """Return the steps from the outermost container to each of its children."""
    return treedef._node.keys(treedef._aux, len(treedef._children))


class Blame(NamedTuple):
    """The words of an error: the public name, the tree that fails to match, and the cure."""

    name: str
    subject: str
    cure: str


_FLATTEN_UP_TO = Blame("PyTreeDef.flatten_up_to", "the tree", "Pass a tree that has the structure as a prefix.")


_Trail = tuple[Any, PyTreeDef, int] | None  # where we are: the trail above, the structure there, which child


def flatten_up_to(treedef: PyTreeDef, tree: Any, blame: Blame) -> list[Any]:
    """Return what `tree` has at the leaves of `treedef`; where they do not match, say so in the words of `blame`."""
    if treedef is LEAF:
        return [tree]
    subtrees: list[Any] = []
    _collect(treedef, tree, subtrees, None, blame)
    return subtrees


def _collect(treedef: PyTreeDef, tree: Any, subtrees: list[Any], trail: _Trail, blame: Blame) -> None:
    """Append to `subtrees` what `tree` has at the leaves of `treedef`."""
    if NODES[type(tree)] is not treedef._node:
        _refuse(treedef, tree, trail, blame)
    children, aux = treedef._node.flatten(tree)
    if len(children) != len(treedef._children) or not _same(treedef._aux, aux):
        _refuse(treedef, tree, trail, blame)
    if treedef._flat:
        subtrees.extend(children)
        return
    for index, (structure, child) in enumerate(zip(treedef._children, children)):
        if structure is LEAF:
            subtrees.append(child)
        else:
            _collect(structure, child, subtrees, (trail, treedef, index), blame)


def _refuse(treedef: PyTreeDef, tree: Any, trail: _Trail, blame: Blame) -> NoReturn:
    path: list[KeyEntry] = []
    while trail is not None:
        trail, above, index = trail
        path.insert(0, keys_of(above)[index])
    where = f" at {keystr(path)}" if path else ""
    raise ValueError(
        f"{blame.name}: {blame.subject} must be {_short(treedef._show(0))}{where}; "
        f"got {_outline(tree)}{_difference(treedef, tree)}. {blame.cure}"
    )


def _outline(tree: Any) -> str:
    """Show the outermost container of a tree."""
    if NODES[type(tree)] is LEAF_NODE:
        return f"a leaf of type {type(tree).__name__}"
    structure = tree_structure(tree, lambda subtree: subtree is not tree)
    return _short(structure._show())


def _difference(treedef: PyTreeDef, tree: Any) -> str:
    """Name the children that a container of the right class has too few or too many."""
    if NODES[type(tree)] is not treedef._node:
        return ""
    expected = keys_of(treedef)
    found = keys_of(tree_structure(tree, lambda subtree: subtree is not tree))
    missing = [key for key in expected if key not in found]
    surplus = [key for key in found if key not in expected]
    lists = [("missing", missing), ("unexpected", surplus)]
    texts = [f"{word} {_short(', '.join(map(str, keys)))}" for word, keys in lists if keys]
    return f" ({'; '.join(texts)})" if texts else ""


def _short(text: str, width: int = 160) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
