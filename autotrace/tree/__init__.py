"""Pytrees: nested containers flattened to a list of leaves and a hashable structure, and rebuilt from them.

None (no leaves), list, tuple, dict, OrderedDict, defaultdict, namedtuples, dataclass instances and
registered classes are containers; everything else is a leaf. Names and semantics are those of
`jax.tree_util`, with two additions: dataclasses need no registration, and static data compare by type
as well as by value (2 and 2.0 are different programs). This floor knows nothing of arrays or tracers.
"""

from .containers import (
    Partial,
    register_dataclass,
    register_leaf,
    register_pytree_node,
    register_pytree_node_class,
    register_static,
)
from .functions import (
    broadcast_prefix,
    tree_all,
    tree_broadcast,
    tree_flatten_with_path,
    tree_leaves_with_path,
    tree_map,
    tree_map_with_path,
    tree_reduce,
    tree_transpose,
)
from .paths import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    KeyEntry,
    KeyPath,
    SequenceKey,
    keystr,
)
from .structure import (
    PyTreeDef,
    tree_flatten,
    tree_leaves,
    tree_structure,
    tree_unflatten,
)

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "broadcast_prefix",
    "keystr",
    "register_dataclass",
    "register_leaf",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_static",
    "tree_all",
    "tree_broadcast",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_with_path",
    "tree_reduce",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
]
