"""Containers: how each class is taken apart, put together, addressed and shown, and how a class becomes one.

A class is looked up in one table. One that is not there is classified once: a namedtuple or a dataclass is a
container by itself, and so are subclasses of what was registered as static; everything else is a leaf.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from .paths import DictKey, FlattenedIndexKey, GetAttrKey, KeyEntry, SequenceKey

Class = TypeVar("Class", bound=type)


# The three classes of this module that users never hold are no dataclasses: making one takes a third of a millisecond
# of the time that importing the package may take.
class Node:
    """How one class of containers is taken apart, put together, addressed and shown."""

    __slots__ = ("cls", "flatten", "keys", "show", "unflatten")

    def __init__(
        self,
        cls: type,
        flatten: Callable[[Any], tuple[Sequence[Any], Any]],  # tree -> children, static data
        unflatten: Callable[[Any, Sequence[Any]], Any],  # static data, children -> tree
        keys: Callable[[Any, int], Sequence[KeyEntry]],  # static data, number of children -> path steps
        show: Callable[[Any, Sequence[str]], str],  # static data, children as text -> text
    ) -> None:
        self.cls, self.flatten, self.unflatten, self.keys, self.show = cls, flatten, unflatten, keys, show


class _Static:
    """Static values, equal when the values and their types are: x * 2 and x * 2.0 differ in dtype."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values

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


def named_node(cls: type, names: Sequence[str], flatten: Any, unflatten: Any, statics: Any) -> Node:
    """Describe a container whose children have names; `statics` shows the static data, as a list of texts."""
    keys = tuple(GetAttrKey(name) for name in names)

    def show(aux: Any, parts: Sequence[str]) -> str:
        named = [f"{name}={part}" for name, part in zip(names, parts)]
        return f"{cls.__name__}({', '.join(named + statics(aux))})"

    return Node(cls, flatten, unflatten, lambda aux, count: keys, show)


def _namedtuple_node(cls: Any) -> Node:
    return named_node(
        cls, cls._fields, lambda tree: (tree, None), lambda _, children: cls._make(children), lambda _: []
    )


def _attribute_node(cls: type, data: Sequence[str], meta: Sequence[str]) -> Node:
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

    return named_node(cls, data, flatten, unflatten, statics)


def _dataclass_node(cls: Any) -> Node:
    static = {field.name: bool(field.metadata.get("static", False)) for field in dataclasses.fields(cls)}
    data = [name for name, is_static in static.items() if not is_static]
    return _attribute_node(cls, data, [name for name, is_static in static.items() if is_static])


LEAF_NODE = Node(
    object,
    lambda tree: ((), None),
    lambda _, children: children[0],
    lambda _, count: (),
    lambda _, parts: "*",
)


class _Registry(dict[type, Node]):
    """The node of every class met so far; a new class is classified once, at its first look-up."""

    def __missing__(self, cls: type) -> Node:
        node = next((_HEREDITARY[base] for base in cls.__mro__ if base in _HEREDITARY), None)
        if node is None and issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
            node = _namedtuple_node(cls)
        elif node is None and dataclasses.is_dataclass(cls):
            node = _dataclass_node(cls)
        self[cls] = node = node or LEAF_NODE
        return node


NODES = _Registry()
_REGISTERED: set[type] = set()  # by name, as opposed to classified at first sight
_HEREDITARY: dict[type, Node] = {}  # classes whose subclasses are the same kind: leaves and static classes


def register(name: str, cls: Class, node: Node, *, hereditary: bool = False) -> Class:
    """Enter a class in the table, once; `name` is the public function that was called."""
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
        for known in [known for known in NODES if cls in known.__mro__ and known not in _REGISTERED]:
            del NODES[known]
    NODES[cls] = node
    return cls


def register_pytree_node(
    nodetype: Class,
    flatten_func: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_func: Callable[[Any, tuple[Any, ...]], Any],
) -> Class:
    """Make the instances of a class containers (those of its subclasses stay leaves).

    `flatten_func(tree)` returns `(children, aux)`, where `aux` is hashable static data;
    `unflatten_func(aux, children)` rebuilds, and must accept any objects as children.

    >>> from autotrace.tree import register_pytree_node, tree_leaves
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

    node = Node(nodetype, flatten, lambda aux, children: unflatten_func(aux, tuple(children)), keys, show)
    return register("register_pytree_node", nodetype, node)


def register_pytree_node_class(cls: Class) -> Class:
    """Make a class a container by its methods `tree_flatten(self)`, `tree_unflatten(cls, aux, children)`.

    >>> from autotrace.tree import register_pytree_node_class, tree_leaves
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

    >>> from autotrace.tree import register_dataclass, tree_structure
    >>> class Scale:
    ...     def __init__(self, by, axis): self.by, self.axis = by, axis
    >>> _ = register_dataclass(Scale, ["by"], ["axis"])
    >>> tree_structure(Scale(2.0, axis=1))
    PyTreeDef(Scale(by=*, axis=1))
    """
    is_dataclass = dataclasses.is_dataclass(nodetype)
    if data_fields is None and meta_fields is None and is_dataclass:
        return register("register_dataclass", nodetype, _dataclass_node(nodetype))
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
    return register("register_dataclass", nodetype, _attribute_node(nodetype, data_fields, meta_fields))


def register_static(cls: Class) -> Class:
    """Make the instances of a class (and its subclasses) static: no leaves, but part of the structure.

    >>> from dataclasses import dataclass
    >>> from autotrace.tree import register_static, tree_flatten
    >>> @register_static
    ... @dataclass(frozen=True)
    ... class Config:
    ...     depth: int
    >>> tree_flatten((Config(2), 5.0))
    ([5.0], PyTreeDef((Config(depth=2), *)))
    """
    node = Node(
        cls,
        lambda tree: ((), tree),
        lambda aux, children: aux,
        lambda aux, count: (),
        lambda aux, parts: repr(aux),
    )
    return register("register_static", cls, node, hereditary=True)


def register_leaf(cls: Class) -> Class:
    """Make the instances of a class (and its subclasses) leaves, though it is a dataclass or a namedtuple.

    >>> from dataclasses import dataclass
    >>> from autotrace.tree import register_leaf, tree_leaves
    >>> @register_leaf
    ... @dataclass(frozen=True)
    ... class Unit:
    ...     name: str
    >>> tree_leaves([Unit("metre"), 1.0])
    [Unit(name='metre'), 1.0]
    """
    return register("register_leaf", cls, LEAF_NODE, hereditary=True)


class _Opaque:
    """A `functools.partial` that Partial does not merge with: its arguments stay static."""

    __slots__ = ("func",)

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Opaque) and self.func == other.func

    def __hash__(self) -> int:
        return hash((_Opaque, self.func))

    def __repr__(self) -> str:
        return f"_Opaque(func={self.func!r})"

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.func(*args, **keywords)


class Partial(functools.partial[Any]):
    """A `functools.partial` that is a container: its arguments are children, its function is static data.

    >>> from autotrace.tree import Partial, tree_map
    >>> tree_map(lambda x: 10 * x, Partial(max, 2, 3))()
    30
    """

    def __new__(cls, func: Callable[..., Any], /, *args: Any, **keywords: Any) -> Partial:
        if isinstance(func, functools.partial) and not isinstance(func, Partial):
            func = _Opaque(func)
        return super().__new__(cls, func, *args, **keywords)


def _known_nodes() -> Iterator[Node]:
    yield Node(type(None), lambda tree: ((), None), lambda *_: None, _sequence_keys, lambda aux, parts: "None")
    yield Node(tuple, lambda tree: (tree, None), lambda aux, xs: tuple(xs), _sequence_keys, _show_tuple)
    yield Node(list, lambda tree: (tree, None), lambda aux, xs: list(xs), _sequence_keys, _show_list)
    yield Node(dict, _flatten_dict, lambda keys, xs: dict(zip(keys, xs)), _dict_keys, _show_dict)
    yield Node(
        OrderedDict,
        lambda tree: (list(tree.values()), tuple(tree)),
        lambda keys, xs: OrderedDict(zip(keys, xs)),
        _dict_keys,
        lambda keys, parts: f"OrderedDict({_show_dict(keys, parts)})",
    )
    yield Node(
        defaultdict,
        _flatten_defaultdict,
        lambda aux, xs: defaultdict(aux[0], zip(aux[1], xs)),
        lambda aux, count: _dict_keys(aux[1], count),
        lambda aux, parts: f"defaultdict({aux[0]}, {_show_dict(aux[1], parts)})",
    )
    yield named_node(
        Partial,
        ("args", "keywords"),
        lambda tree: ((tree.args, tree.keywords), tree.func),
        lambda func, children: Partial(func, *children[0], **children[1]),
        lambda func: [f"func={func!r}"],
    )


for _node in _known_nodes():
    register("register_pytree_node", _node.cls, _node)
