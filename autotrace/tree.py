"""Pytrees: nested containers flattened to a list of leaves and a hashable structure, and rebuilt from them.

None (no leaves), list, tuple, dict, OrderedDict, defaultdict, namedtuples, dataclass instances and
registered classes are containers; everything else is a leaf. Names and semantics are those of
`jax.tree_util`, with two additions: dataclasses need no registration, and static data compare by type
as well as by value (2 and 2.0 are different programs). This floor knows nothing of arrays or tracers.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, TypeVar

__all__ = [
    "DictKey", "FlattenedIndexKey", "GetAttrKey", "KeyEntry", "KeyPath", "Partial", "PyTreeDef",
    "SequenceKey", "broadcast_prefix", "keystr", "register_dataclass", "register_leaf",
    "register_pytree_node", "register_pytree_node_class", "register_static", "tree_all", "tree_broadcast",
    "tree_flatten", "tree_flatten_with_path", "tree_leaves", "tree_leaves_with_path", "tree_map",
    "tree_map_with_path", "tree_reduce", "tree_structure", "tree_transpose", "tree_unflatten",
]  # fmt: skip

Class = TypeVar("Class", bound=type)
IsLeaf = Callable[[Any], bool] | None

# ---------------------------------------------------------------------------------------------- paths


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

    >>> keystr((DictKey("w"), SequenceKey(0), GetAttrKey("bias")))
    "['w'][0].bias"
    """
    return "".join(map(str, path))


# ----------------------------------------------------------------------------------------- containers


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """How one class of containers is taken apart, put together, addressed and shown."""

    cls: type
    flatten: Callable[[Any], tuple[Sequence[Any], Any]]  # tree -> children, static data
    unflatten: Callable[[Any, Sequence[Any]], Any]  # static data, children -> tree
    keys: Callable[[Any, int], Sequence[KeyEntry]]  # static data, number of children -> path steps
    show: Callable[[Any, Sequence[str]], str]  # static data, children as text -> text


@dataclass(frozen=True, slots=True, eq=False)
class _Static:
    """Static values, equal when the values and their types are: x * 2 and x * 2.0 differ in dtype."""

    values: tuple[Any, ...]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Static)
            and self.values == other.values
            and all(type(mine) is type(theirs) for mine, theirs in zip(self.values, other.values))
        )

    def __hash__(self) -> int:
        return hash(self.values)

    def __repr__(self) -> str:
        return repr(self.values)


def _sequence_keys(_: Any, count: int) -> Sequence[KeyEntry]:
    return [SequenceKey(index) for index in range(count)]


def _show_tuple(_: Any, parts: Sequence[str]) -> str:
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def _show_list(_: Any, parts: Sequence[str]) -> str:
    return f"[{', '.join(parts)}]"


def _show_dict(keys: Sequence[Any], parts: Sequence[str]) -> str:
    return "{" + ", ".join(f"{key!r}: {part}" for key, part in zip(keys, parts)) + "}"


def _sorted_keys(tree: dict[Any, Any]) -> list[Any]:
    try:
        return sorted(tree)
    except TypeError:
        pass  # keys of several types: group them by type
    try:
        return sorted(tree, key=lambda key: (type(key).__name__, key))
    except TypeError:  # keys without an order, such as the members of an Enum
        return sorted(tree, key=lambda key: (type(key).__name__, repr(key)))


def _flatten_dict(tree: dict[Any, Any]) -> tuple[Sequence[Any], Any]:
    keys = _sorted_keys(tree) if len(tree) > 1 else list(tree)
    return [tree[key] for key in keys], tuple(keys)


def _dict_keys(keys: Sequence[Any], _: int) -> Sequence[KeyEntry]:
    return [DictKey(key) for key in keys]


def _flatten_defaultdict(tree: defaultdict[Any, Any]) -> tuple[Sequence[Any], Any]:
    children, keys = _flatten_dict(tree)
    return children, (tree.default_factory, keys)


def _named_node(cls: type, names: Sequence[str], flatten: Any, unflatten: Any, statics: Any) -> _Node:
    """Describe a container whose children have names; `statics` shows the static data, as a list of texts."""
    keys = tuple(GetAttrKey(name) for name in names)

    def show(aux: Any, parts: Sequence[str]) -> str:
        named = [f"{name}={part}" for name, part in zip(names, parts)]
        return f"{cls.__name__}({', '.join(named + statics(aux))})"

    return _Node(cls, flatten, unflatten, lambda aux, count: keys, show)


def _namedtuple_node(cls: Any) -> _Node:
    return _named_node(
        cls, cls._fields, lambda tree: (tree, None), lambda _, children: cls._make(children), lambda _: []
    )


def _attribute_node(cls: type, data: Sequence[str], meta: Sequence[str]) -> _Node:
    """Describe a class by its attributes: rebuilt without its constructor, which may refuse a tracer."""
    names = (*data, *meta)
    assign = object.__setattr__  # a frozen dataclass has its own, which refuses

    def flatten(tree: Any) -> tuple[Sequence[Any], Any]:
        children = [getattr(tree, name) for name in data]
        return children, _Static(tuple(getattr(tree, name) for name in meta)) if meta else None

    def unflatten(aux: Any, children: Sequence[Any]) -> Any:
        tree: Any = object.__new__(cls)
        for name, value in zip(names, (*children, *aux.values) if meta else children):
            assign(tree, name, value)
        return tree

    def statics(aux: Any) -> list[str]:
        return [f"{name}={value!r}" for name, value in zip(meta, aux.values)] if meta else []

    return _named_node(cls, data, flatten, unflatten, statics)


def _dataclass_node(cls: Any) -> _Node:
    static = {field.name: bool(field.metadata.get("static", False)) for field in dataclasses.fields(cls)}
    data = [name for name, is_static in static.items() if not is_static]
    return _attribute_node(cls, data, [name for name, is_static in static.items() if is_static])


_LEAF_NODE = _Node(
    object,
    lambda tree: ((), None),
    lambda _, children: children[0],
    lambda _, count: (),
    lambda _, parts: "*",
)


class _Registry(dict[type, _Node]):
    """The node of every class met so far; a new class is classified once, at its first look-up."""

    def __missing__(self, cls: type) -> _Node:
        node = next((_HEREDITARY[base] for base in cls.__mro__ if base in _HEREDITARY), None)
        if node is None and issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
            node = _namedtuple_node(cls)
        elif node is None and dataclasses.is_dataclass(cls):
            node = _dataclass_node(cls)
        self[cls] = node = node or _LEAF_NODE
        return node


_NODES = _Registry()
_REGISTERED: set[type] = set()  # by name, as opposed to classified at first sight
_HEREDITARY: dict[type, _Node] = {}  # classes whose subclasses are the same kind: leaves and static classes


def _register(name: str, cls: Class, node: _Node, *, hereditary: bool = False) -> Class:
    if not isinstance(cls, type):
        raise TypeError(f"{name}: what is registered must be a class; got {cls!r}. Pass the class, not an instance.")
    if cls in _REGISTERED:
        raise ValueError(
            f"{name}: a class may be registered as a pytree once; got {cls.__name__} again. "
            "Remove one of the registrations."
        )
    _REGISTERED.add(cls)
    if hereditary:
        _HEREDITARY[cls] = node
        for known in [known for known in _NODES if cls in known.__mro__ and known not in _REGISTERED]:
            del _NODES[known]
    _NODES[cls] = node
    return cls


def register_pytree_node(
    nodetype: Class,
    flatten_func: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_func: Callable[[Any, tuple[Any, ...]], Any],
) -> Class:
    """Make the instances of a class containers (those of its subclasses stay leaves).

    `flatten_func(tree)` returns `(children, aux)`, where `aux` is hashable static data;
    `unflatten_func(aux, children)` rebuilds, and must accept any objects as children.

    >>> class Interval:
    ...     def __init__(self, low, high): self.low, self.high = low, high
    >>> _ = register_pytree_node(Interval, lambda i: ((i.low, i.high), None), lambda _, ends: Interval(*ends))
    >>> tree_leaves({"x": Interval(1.0, 2.0)})
    [1.0, 2.0]
    """

    def flatten(tree: Any) -> tuple[Sequence[Any], Any]:
        result = flatten_func(tree)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError(
                f"register_pytree_node: flatten_func of {nodetype.__name__} must return (children, aux); "
                f"got {result!r}. Return a pair, with None as aux if there is no static data."
            )
        return tuple(result[0]), result[1]

    def show(aux: Any, parts: Sequence[str]) -> str:
        return f"CustomNode({nodetype.__name__}[{aux}], [{', '.join(parts)}])"

    def keys(_: Any, count: int) -> Sequence[KeyEntry]:
        return [FlattenedIndexKey(index) for index in range(count)]

    node = _Node(nodetype, flatten, lambda aux, children: unflatten_func(aux, tuple(children)), keys, show)
    return _register("register_pytree_node", nodetype, node)


def register_pytree_node_class(cls: Class) -> Class:
    """Make a class a container by its methods `tree_flatten(self)`, `tree_unflatten(cls, aux, children)`.

    >>> @register_pytree_node_class
    ... class Box:
    ...     def __init__(self, value): self.value = value
    ...     def tree_flatten(self): return (self.value,), None
    ...     @classmethod
    ...     def tree_unflatten(cls, aux, children): return cls(*children)
    >>> tree_leaves(Box((1, 2)))
    [1, 2]
    """
    methods: Any = cls
    return register_pytree_node(cls, methods.tree_flatten, methods.tree_unflatten)


def register_dataclass(
    nodetype: Class, data_fields: Sequence[str] | None = None, meta_fields: Sequence[str] | None = None
) -> Class:
    """Make a class with attributes a container: `data_fields` are its children, `meta_fields` static data.

    A dataclass needs this only to say which fields are static without `field(metadata={"static": True})`.
    Both lists together name every field of a dataclass; neither means what the metadata say. Instances are
    rebuilt from these attributes alone, without `__init__` and `__post_init__`.

    >>> class Scale:
    ...     def __init__(self, by, axis): self.by, self.axis = by, axis
    >>> _ = register_dataclass(Scale, ["by"], ["axis"])
    >>> tree_structure(Scale(2.0, axis=1))
    PyTreeDef(Scale(by=*, axis=1))
    """
    is_dataclass = dataclasses.is_dataclass(nodetype)
    if data_fields is None and meta_fields is None and is_dataclass:
        return _register("register_dataclass", nodetype, _dataclass_node(nodetype))
    if data_fields is None or meta_fields is None:
        raise TypeError(
            "register_dataclass: data_fields and meta_fields must be given both, or neither for a dataclass; "
            f"got data_fields={data_fields}, meta_fields={meta_fields} for {nodetype.__name__}. "
            "Name every field in one of them."
        )
    named = sorted((*data_fields, *meta_fields))
    fields = sorted(field.name for field in dataclasses.fields(nodetype)) if is_dataclass else sorted({*named})
    if named != fields:
        raise ValueError(
            f"register_dataclass: data_fields and meta_fields must name each field of {nodetype.__name__} "
            f"once, {fields}; got {named}. Name every field in one of them."
        )
    return _register("register_dataclass", nodetype, _attribute_node(nodetype, data_fields, meta_fields))


def register_static(cls: Class) -> Class:
    """Make the instances of a class (and its subclasses) static: no leaves, but part of the structure.

    >>> @register_static
    ... @dataclass(frozen=True)
    ... class Config:
    ...     depth: int
    >>> tree_flatten((Config(2), 5.0))
    ([5.0], PyTreeDef((Config(depth=2), *)))
    """
    node = _Node(
        cls,
        lambda tree: ((), tree),
        lambda aux, children: aux,
        lambda aux, count: (),
        lambda aux, parts: repr(aux),
    )
    return _register("register_static", cls, node, hereditary=True)


def register_leaf(cls: Class) -> Class:
    """Make the instances of a class (and its subclasses) leaves, though it is a dataclass or a namedtuple.

    >>> @register_leaf
    ... @dataclass(frozen=True)
    ... class Unit:
    ...     name: str
    >>> tree_leaves([Unit("metre"), 1.0])
    [Unit(name='metre'), 1.0]
    """
    return _register("register_leaf", cls, _LEAF_NODE, hereditary=True)


# ------------------------------------------------------------------------------------------ structures


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

    >>> tree_structure({"b": (1.0, None), "a": 2.0})
    PyTreeDef({'a': *, 'b': (*, None)})
    """

    __slots__ = ("_aux", "_children", "_flat", "_hash", "_node", "_num_leaves")

    def __init__(self, node: _Node, aux: Any, children: tuple[PyTreeDef, ...], num_leaves: int, flat: bool) -> None:
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

        >>> tree_structure([0, (0, 0)]).unflatten("abc")
        ['a', ('b', 'c')]
        """
        leaves = leaves if isinstance(leaves, (list, tuple)) else list(leaves)
        if len(leaves) != self._num_leaves:
            raise ValueError(
                f"tree_unflatten: leaves must be as many as the structure has, {self._num_leaves}; "
                f"got {len(leaves)} for {self!r}. Pass one object for each * of it."
            )
        if self is _LEAF or self._flat:
            return self._node.unflatten(self._aux, leaves)
        return _build(self, iter(leaves))

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """Return the subtrees of `tree` at the leaves of this structure, which must be a prefix of it.

        Raises ValueError, naming the path, where the containers differ.

        >>> tree_structure([0, 0]).flatten_up_to([1.0, (2.0, 3.0)])
        [1.0, (2.0, 3.0)]
        """
        return _flatten_up_to(self, tree, _FLATTEN_UP_TO)

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
        return "_LEAF" if self is _LEAF else (_restore, (self._node.cls, self._aux, self._children))


def _restore(cls: type, aux: Any, children: tuple[PyTreeDef, ...]) -> PyTreeDef:
    """Unpickle a PyTreeDef."""
    node = _NODES[cls]
    if node is _LEAF_NODE:
        raise ValueError(
            f"PyTreeDef: the classes of a structure must be registered; got {cls.__name__}, a leaf here. "
            "Import the module that registers it before unpickling."
        )
    flat = all(child is _LEAF for child in children)
    if flat and aux is None:
        return _flat_structure(node, len(children))
    return PyTreeDef(node, aux, children, sum(child._num_leaves for child in children), flat)


_LEAF = PyTreeDef(_LEAF_NODE, None, (), 1, False)


@functools.lru_cache(maxsize=1024)
def _flat_structure(node: _Node, count: int) -> PyTreeDef:
    """Return the one structure of a container that holds `count` leaves and no static data."""
    return PyTreeDef(node, None, (_LEAF,) * count, count, True)


def _build(treedef: PyTreeDef, leaves: Iterator[Any]) -> Any:
    children = []
    for child in treedef._children:
        children.append(next(leaves) if child is _LEAF else _build(child, leaves))
    return treedef._node.unflatten(treedef._aux, children)


def _flatten(tree: Any, is_leaf: IsLeaf, leaves: list[Any]) -> PyTreeDef:
    """Append the leaves of `tree` to `leaves` and return its structure."""
    node = _NODES[type(tree)]
    if node is _LEAF_NODE or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        return _LEAF
    children, aux = node.flatten(tree)
    for child in children:
        if _NODES[type(child)] is not _LEAF_NODE:
            break
    else:  # most containers hold nothing but leaves
        leaves.extend(children)
        count = len(children)
        return _flat_structure(node, count) if aux is None else PyTreeDef(node, aux, (_LEAF,) * count, count, True)
    before = len(leaves)
    structures = []
    for child in children:
        structures.append(_flatten(child, is_leaf, leaves))
    flat = len(structures) == len(leaves) - before and all(structure is _LEAF for structure in structures)
    return PyTreeDef(node, aux, tuple(structures), len(leaves) - before, flat)


# ------------------------------------------------------------------------------- flattening and mapping


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """Take a tree apart into its leaves and its structure; where `is_leaf(subtree)` holds, go no deeper.

    >>> tree_flatten({"b": [1, 2], "a": None})
    ([1, 2], PyTreeDef({'a': None, 'b': [*, *]}))
    """
    if _NODES[type(tree)] is _LEAF_NODE:
        return [tree], _LEAF
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

    >>> leaves, treedef = tree_flatten((1, [2]))
    >>> tree_unflatten(treedef, leaves)
    (1, [2])
    """
    return treedef.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """Return the leaves of a tree, in order.

    >>> tree_leaves({"b": 1, "a": (2, None)})
    [2, 1]
    """
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> PyTreeDef:
    """Return the structure of a tree.

    >>> tree_structure((1, [2, 3])) == tree_structure((0, ["x", "y"]))
    True
    """
    return tree_flatten(tree, is_leaf)[1]


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Apply `f` to each leaf of `tree`, and to what stands in its place in each tree of `rest`.

    Raises ValueError, naming the path, if `tree` is not a prefix of a tree of `rest`.

    >>> tree_map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
    {'a': 11, 'b': (22, 33)}
    """
    leaves, treedef = tree_flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten([f(leaf) for leaf in leaves])
    return treedef.unflatten([f(*row) for row in zip(leaves, *_flatten_rest("tree_map", treedef, rest))])


def tree_all(tree: Any, *, is_leaf: IsLeaf = None) -> bool:
    """Tell whether every leaf is true; so it is of a tree without leaves.

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

    >>> outer, inner = tree_structure([0, 0]), tree_structure({"a": 0, "b": 0})
    >>> tree_transpose(outer, inner, [{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    {'a': [1, 3], 'b': [2, 4]}
    """
    trees = _flatten_up_to(outer_treedef, pytree_to_transpose, _TRANSPOSE_OUTER)
    if inner_treedef is None:
        inner_treedef = tree_structure(trees[0]) if trees else _LEAF
    rows = [_flatten_up_to(inner_treedef, tree, _TRANSPOSE_INNER) for tree in trees]
    columns = [[row[column] for row in rows] for column in range(inner_treedef.num_leaves)]
    return inner_treedef.unflatten([outer_treedef.unflatten(column) for column in columns])


def broadcast_prefix(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """Return, for each leaf of `full_tree`, the leaf of `prefix_tree` at it or above it.

    A None in the prefix stands for an empty subtree, unless `is_leaf` says that it is a leaf.
    Raises ValueError, naming the path, if `prefix_tree` is not a prefix of `full_tree`.

    >>> broadcast_prefix((0, {"w": 1, "b": None}), ([5, 6], {"w": 7, "b": 8}), is_leaf=lambda x: x is None)
    [0, 0, None, 1]
    """
    return _broadcast(_BROADCAST_PREFIX, prefix_tree, full_tree, is_leaf)


def tree_broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> Any:
    """Return `full_tree` with each leaf replaced by the leaf of `prefix_tree` at it or above it.

    >>> tree_broadcast((0, 1), ([5, 6], {"w": 7}))
    ([0, 0], {'w': 1})
    """
    return tree_structure(full_tree).unflatten(_broadcast(_TREE_BROADCAST, prefix_tree, full_tree, is_leaf))


def _broadcast(blame: _Blame, prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf) -> list[Any]:
    leaves, treedef = tree_flatten(prefix_tree, is_leaf)
    result: list[Any] = []
    for leaf, subtree in zip(leaves, _flatten_up_to(treedef, full_tree, blame)):
        result.extend([leaf] * tree_structure(subtree).num_leaves)
    return result


def _paths(treedef: PyTreeDef, above: KeyPath = ()) -> Iterator[KeyPath]:
    if treedef is _LEAF:
        yield above
    for key, child in zip(_keys(treedef), treedef._children):
        yield from _paths(child, (*above, key))


def _keys(treedef: PyTreeDef) -> Sequence[KeyEntry]:
    return treedef._node.keys(treedef._aux, len(treedef._children))


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """Take a tree apart into pairs of a path and a leaf, and its structure.

    >>> pairs, treedef = tree_flatten_with_path({"w": [1, 2]})
    >>> [(keystr(path), leaf) for path, leaf in pairs]
    [("['w'][0]", 1), ("['w'][1]", 2)]
    """
    leaves, treedef = tree_flatten(tree, is_leaf)
    return list(zip(_paths(treedef), leaves)), treedef


def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """Return the leaves of a tree, each with its path.

    >>> tree_leaves_with_path((5,))
    [((SequenceKey(idx=0),), 5)]
    """
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_map_with_path(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Apply `f(path, leaf, *others)` to each leaf, as `tree_map` does.

    >>> tree_map_with_path(lambda path, x: f"{keystr(path)} = {x}", {"w": (1, 2)})
    {'w': ("['w'][0] = 1", "['w'][1] = 2")}
    """
    leaves, treedef = tree_flatten(tree, is_leaf)
    columns = _flatten_rest("tree_map_with_path", treedef, rest)
    return treedef.unflatten([f(*row) for row in zip(_paths(treedef), leaves, *columns)])


# --------------------------------------------------------------------------- matching one tree to another


class _Blame(NamedTuple):
    """The words of an error: the public name, the tree that fails to match, and the cure."""

    name: str
    subject: str
    cure: str


_FLATTEN_UP_TO = _Blame("PyTreeDef.flatten_up_to", "the tree", "Pass a tree that has the structure as a prefix.")
_BROADCAST_PREFIX = _Blame(
    "broadcast_prefix",
    "the full tree",
    "Give the prefix the containers of the full tree, or one leaf in their place.",
)
_TREE_BROADCAST = _BROADCAST_PREFIX._replace(name="tree_broadcast")
_TRANSPOSE_OUTER = _Blame("tree_transpose", "the outer tree", "Give it the structure outer_treedef.")
_TRANSPOSE_INNER = _Blame("tree_transpose", "each inner tree", "Give all of them the structure inner_treedef.")

_Trail = tuple[Any, PyTreeDef, int] | None  # where we are: the trail above, the structure there, which child


def _flatten_rest(name: str, treedef: PyTreeDef, rest: Sequence[Any]) -> list[list[Any]]:
    cure = "Give every tree the structure of the first."
    return [_flatten_up_to(treedef, tree, _Blame(name, f"tree {n}", cure)) for n, tree in enumerate(rest, 2)]


def _flatten_up_to(treedef: PyTreeDef, tree: Any, blame: _Blame) -> list[Any]:
    if treedef is _LEAF:
        return [tree]
    subtrees: list[Any] = []
    _collect(treedef, tree, subtrees, None, blame)
    return subtrees


def _collect(treedef: PyTreeDef, tree: Any, subtrees: list[Any], trail: _Trail, blame: _Blame) -> None:
    """Append to `subtrees` what `tree` has at the leaves of `treedef`."""
    if _NODES[type(tree)] is not treedef._node:
        _refuse(treedef, tree, trail, blame)
    children, aux = treedef._node.flatten(tree)
    if len(children) != len(treedef._children) or not _same(treedef._aux, aux):
        _refuse(treedef, tree, trail, blame)
    if treedef._flat:
        subtrees.extend(children)
        return
    for index, (structure, child) in enumerate(zip(treedef._children, children)):
        if structure is _LEAF:
            subtrees.append(child)
        else:
            _collect(structure, child, subtrees, (trail, treedef, index), blame)


def _refuse(treedef: PyTreeDef, tree: Any, trail: _Trail, blame: _Blame) -> NoReturn:
    path: list[KeyEntry] = []
    while trail is not None:
        trail, above, index = trail
        path.insert(0, _keys(above)[index])
    where = f" at {keystr(path)}" if path else ""
    raise ValueError(
        f"{blame.name}: {blame.subject} must be {_short(treedef._show(0))}{where}; "
        f"got {_outline(tree)}{_difference(treedef, tree)}. {blame.cure}"
    )


def _outline(tree: Any) -> str:
    """Show the outermost container of a tree."""
    if _NODES[type(tree)] is _LEAF_NODE:
        return f"a leaf of type {type(tree).__name__}"
    structure = tree_structure(tree, lambda subtree: subtree is not tree)
    return _short(structure._show())


def _difference(treedef: PyTreeDef, tree: Any) -> str:
    """Name the children that a container of the right class has too few or too many."""
    if _NODES[type(tree)] is not treedef._node:
        return ""
    expected = _keys(treedef)
    found = _keys(tree_structure(tree, lambda subtree: subtree is not tree))
    missing = [key for key in expected if key not in found]
    surplus = [key for key in found if key not in expected]
    lists = [("missing", missing), ("unexpected", surplus)]
    texts = [f"{word} {_short(', '.join(map(str, keys)))}" for word, keys in lists if keys]
    return f" ({'; '.join(texts)})" if texts else ""


def _short(text: str, width: int = 160) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


# ------------------------------------------------------------------------------------ the known classes


@dataclass(frozen=True, slots=True)
class _Opaque:
    """A `functools.partial` that Partial does not merge with: its arguments stay static."""

    func: Callable[..., Any]

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.func(*args, **keywords)


class Partial(functools.partial[Any]):
    """A `functools.partial` that is a container: its arguments are children, its function is static data.

    >>> tree_map(lambda x: 10 * x, Partial(max, 2, 3))()
    30
    """

    def __new__(cls, func: Callable[..., Any], /, *args: Any, **keywords: Any) -> Partial:
        if isinstance(func, functools.partial) and not isinstance(func, Partial):
            func = _Opaque(func)
        return super().__new__(cls, func, *args, **keywords)


def _known_nodes() -> Iterator[_Node]:
    yield _Node(type(None), lambda tree: ((), None), lambda *_: None, _sequence_keys, lambda aux, parts: "None")
    yield _Node(tuple, lambda tree: (tree, None), lambda aux, xs: tuple(xs), _sequence_keys, _show_tuple)
    yield _Node(list, lambda tree: (tree, None), lambda aux, xs: list(xs), _sequence_keys, _show_list)
    yield _Node(dict, _flatten_dict, lambda keys, xs: dict(zip(keys, xs)), _dict_keys, _show_dict)
    yield _Node(
        OrderedDict,
        lambda tree: (list(tree.values()), tuple(tree)),
        lambda keys, xs: OrderedDict(zip(keys, xs)),
        _dict_keys,
        lambda keys, parts: f"OrderedDict({_show_dict(keys, parts)})",
    )
    yield _Node(
        defaultdict,
        _flatten_defaultdict,
        lambda aux, xs: defaultdict(aux[0], zip(aux[1], xs)),
        lambda aux, count: _dict_keys(aux[1], count),
        lambda aux, parts: f"defaultdict({aux[0]}, {_show_dict(aux[1], parts)})",
    )
    yield _named_node(
        Partial,
        ("args", "keywords"),
        lambda tree: ((tree.args, tree.keywords), tree.func),
        lambda func, children: Partial(func, *children[0], **children[1]),
        lambda func: [f"func={func!r}"],
    )


for _node in _known_nodes():
    _register("register_pytree_node", _node.cls, _node)
for _key in (SequenceKey, DictKey, GetAttrKey, FlattenedIndexKey):
    register_leaf(_key)
