"""Functions of whole trees: map, reduce, transpose, broadcast; each over leaves, or over leaves and their paths."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .paths import KeyPath
from .structure import LEAF, Blame, IsLeaf, PyTreeDef, flatten_up_to, keys_of, tree_flatten, tree_leaves, tree_structure


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Apply `f` to each leaf of `tree`, and to what stands in its place in each tree of `rest`.

    Raises ValueError, naming the path, if `tree` is not a prefix of a tree of `rest`.

    >>> from autotrace.tree import tree_map
    >>> tree_map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
    {'a': 11, 'b': (22, 33)}
    """
    leaves, treedef = tree_flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten([f(leaf) for leaf in leaves])
    return treedef.unflatten([f(*row) for row in zip(leaves, *_flatten_rest("tree_map", treedef, rest))])


def tree_all(tree: Any, *, is_leaf: IsLeaf = None) -> bool:
    """Tell whether every leaf is true; so it is of a tree without leaves.

    >>> from autotrace.tree import tree_all
    >>> tree_all([True, {"a": 1}]), tree_all((1, 0)), tree_all(None)
    (True, False, True)
    """
    return all(tree_leaves(tree, is_leaf))


_NOTHING = object()


def tree_reduce(
    function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _NOTHING, is_leaf: IsLeaf = None
) -> Any:
    """Combine the leaves from left to right, beginning with `initializer` if there is one.

    Raises ValueError for a tree without leaves and no initializer.

    >>> from autotrace.tree import tree_reduce
    >>> tree_reduce(lambda total, x: total + x, {"a": 1, "b": (2, 3)}, 10)
    16
    """
    leaves, treedef = tree_flatten(tree, is_leaf)
    if initializer is not _NOTHING:
        return functools.reduce(function, leaves, initializer)
    if not leaves:
        raise ValueError(
            f"tree_reduce: a tree without initializer must have a leaf; got {treedef!r}. "
            "Pass an initializer, such as 0 for a sum."
        )
    return functools.reduce(function, leaves)


def tree_transpose(outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any) -> Any:
    """Turn an outer tree of inner trees into an inner tree of outer trees.

    If `inner_treedef` is None it is the structure of the first inner tree.

    >>> from autotrace.tree import tree_structure, tree_transpose
    >>> outer, inner = tree_structure([0, 0]), tree_structure({"a": 0, "b": 0})
    >>> tree_transpose(outer, inner, [{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    {'a': [1, 3], 'b': [2, 4]}
    """
    trees = flatten_up_to(outer_treedef, pytree_to_transpose, _TRANSPOSE_OUTER)
    if inner_treedef is None:
        inner_treedef = tree_structure(trees[0]) if trees else LEAF
    rows = [flatten_up_to(inner_treedef, tree, _TRANSPOSE_INNER) for tree in trees]
    columns = [[row[column] for row in rows] for column in range(inner_treedef.num_leaves)]
    return inner_treedef.unflatten([outer_treedef.unflatten(column) for column in columns])


def broadcast_prefix(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """Return, for each leaf of `full_tree`, the leaf of `prefix_tree` at it or above it.

    A None in the prefix stands for an empty subtree, unless `is_leaf` says that it is a leaf.
    Raises ValueError, naming the path, if `prefix_tree` is not a prefix of `full_tree`.

    >>> from autotrace.tree import broadcast_prefix
    >>> broadcast_prefix((0, {"w": 1, "b": None}), ([5, 6], {"w": 7, "b": 8}), is_leaf=lambda x: x is None)
    [0, 0, None, 1]
    """
    return _broadcast(_BROADCAST_PREFIX, prefix_tree, full_tree, is_leaf)


def tree_broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> Any:
    """Return `full_tree` with each leaf replaced by the leaf of `prefix_tree` at it or above it.

    >>> from autotrace.tree import tree_broadcast
    >>> tree_broadcast((0, 1), ([5, 6], {"w": 7}))
    ([0, 0], {'w': 1})
    """
    return tree_structure(full_tree).unflatten(_broadcast(_TREE_BROADCAST, prefix_tree, full_tree, is_leaf))


def _broadcast(blame: Blame, prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf) -> list[Any]:
    leaves, treedef = tree_flatten(prefix_tree, is_leaf)
    result: list[Any] = []
    for leaf, subtree in zip(leaves, flatten_up_to(treedef, full_tree, blame)):
        result.extend([leaf] * tree_structure(subtree).num_leaves)
    return result


def _paths(treedef: PyTreeDef, above: KeyPath = ()) -> Iterator[KeyPath]:
    if treedef is LEAF:
        yield above
    for key, child in zip(keys_of(treedef), treedef._children):
        yield from _paths(child, (*above, key))


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """Take a tree apart into pairs of a path and a leaf, and its structure.

    >>> from autotrace.tree import keystr, tree_flatten_with_path
    >>> pairs, treedef = tree_flatten_with_path({"w": [1, 2]})
    >>> [(keystr(path), leaf) for path, leaf in pairs]
    [("['w'][0]", 1), ("['w'][1]", 2)]
    """
    leaves, treedef = tree_flatten(tree, is_leaf)
    return list(zip(_paths(treedef), leaves)), treedef


def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """Return the leaves of a tree, each with its path.

    >>> from autotrace.tree import tree_leaves_with_path
    >>> tree_leaves_with_path((5,))
    [((SequenceKey(idx=0),), 5)]
    """
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_map_with_path(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Apply `f(path, leaf, *others)` to each leaf, as `tree_map` does.

    >>> from autotrace.tree import keystr, tree_map_with_path
    >>> tree_map_with_path(lambda path, x: f"{keystr(path)} = {x}", {"w": (1, 2)})
    {'w': ("['w'][0] = 1", "['w'][1] = 2")}
    """
    leaves, treedef = tree_flatten(tree, is_leaf)
    columns = _flatten_rest("tree_map_with_path", treedef, rest)
    return treedef.unflatten([f(*row) for row in zip(_paths(treedef), leaves, *columns)])


def _flatten_rest(name: str, treedef: PyTreeDef, rest: Sequence[Any]) -> list[list[Any]]:
    cure = "Give every tree the structure of the first."
    return [flatten_up_to(treedef, tree, Blame(name, f"tree {n}", cure)) for n, tree in enumerate(rest, 2)]


_BROADCAST_PREFIX = Blame(
    "broadcast_prefix",
    "the full tree",
    "Give the prefix the containers of the full tree, or one leaf in their place.",
)
_TREE_BROADCAST = _BROADCAST_PREFIX._replace(name="tree_broadcast")
_TRANSPOSE_OUTER = Blame("tree_transpose", "the outer tree", "Give it the structure outer_treedef.")
_TRANSPOSE_INNER = Blame("tree_transpose", "each inner tree", "Give all of them the structure inner_treedef.")
