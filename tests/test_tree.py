"""Pytrees: the laws of flattening, over known and random trees, and every error word for word."""

import copy
import dataclasses
import enum
import functools
import pickle
import re
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from autotrace.tree import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    Partial,
    SequenceKey,
    broadcast_prefix,
    keystr,
    register_dataclass,
    register_leaf,
    register_pytree_node,
    register_pytree_node_class,
    register_static,
    tree_all,
    tree_broadcast,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_leaves_with_path,
    tree_map,
    tree_map_with_path,
    tree_reduce,
    tree_structure,
    tree_transpose,
    tree_unflatten,
)

Point = namedtuple("Point", ["x", "y"])


@dataclass
class Layer:
    w: Any
    b: Any
    activation: Any = field(default="relu", metadata={"static": True})


@dataclass(frozen=True, slots=True)
class Frozen:
    low: Any
    high: Any

    def __post_init__(self):
        if not self.low <= self.high:
            raise ValueError("low must not exceed high")


@dataclass
class Empty:
    pass


@register_pytree_node_class
class Box:
    def __init__(self, value, label):
        self.value, self.label = value, label

    def __eq__(self, other):
        return isinstance(other, Box) and (self.value, self.label) == (other.value, other.label)

    def tree_flatten(self):
        return (self.value,), self.label

    @classmethod
    def tree_unflatten(cls, aux, children):
        return cls(*children, aux)


@register_static
@dataclass(frozen=True)
class Config:
    depth: int


class SubConfig(Config):
    pass


@register_leaf
@dataclass(frozen=True)
class Unit:
    name: str


class SubUnit(Unit):
    pass


class Color(enum.Enum):
    RED = 2
    BLUE = 1


def is_none(tree):
    return tree is None


# tree -> leaves, repr of its structure, paths
KNOWN = [
    (1.5, [1.5], "*", [""]),
    ("text", ["text"], "*", [""]),
    (None, [], "None", []),
    ((), [], "()", []),
    ([], [], "[]", []),
    ({}, [], "{}", []),
    ((1,), [1], "(*,)", ["[0]"]),
    ((1, [2, None]), [1, 2], "(*, [*, None])", ["[0]", "[1][0]"]),
    ({"b": 1, "a": (2,)}, [2, 1], "{'a': (*,), 'b': *}", ["['a'][0]", "['b']"]),
    ({"a": 1, 2: 3, 10: 4}, [3, 4, 1], "{2: *, 10: *, 'a': *}", ["[2]", "[10]", "['a']"]),
    (
        {Color.RED: 1, Color.BLUE: 2},
        [2, 1],
        "{<Color.BLUE: 1>: *, <Color.RED: 2>: *}",
        ["[<Color.BLUE: 1>]", "[<Color.RED: 2>]"],
    ),
    (OrderedDict(b=1, a=2), [1, 2], "OrderedDict({'b': *, 'a': *})", ["['b']", "['a']"]),
    (
        defaultdict(list, b=1, a=2),
        [2, 1],
        "defaultdict(<class 'list'>, {'a': *, 'b': *})",
        ["['a']", "['b']"],
    ),
    (Point(1, (2, 3)), [1, 2, 3], "Point(x=*, y=(*, *))", [".x", ".y[0]", ".y[1]"]),
    (Layer([1], 2), [1, 2], "Layer(w=[*], b=*, activation='relu')", [".w[0]", ".b"]),
    (Frozen(1, 2), [1, 2], "Frozen(low=*, high=*)", [".low", ".high"]),
    (Empty(), [], "Empty()", []),
    (Box({"v": 1}, "red"), [1], "CustomNode(Box[red], [{'v': *}])", ["[<flat index 0>]['v']"]),
    ((Config(2), 3), [3], "(Config(depth=2), *)", ["[1]"]),
    ((SubConfig(2), 3), [3], "(SubConfig(depth=2), *)", ["[1]"]),
    ([Unit("m"), SubUnit("s")], [Unit("m"), SubUnit("s")], "[*, *]", ["[0]", "[1]"]),
    ([DictKey("a"), SequenceKey(0)], [DictKey("a"), SequenceKey(0)], "[*, *]", ["[0]", "[1]"]),
]


@pytest.mark.parametrize(("tree", "leaves", "shown", "paths"), KNOWN, ids=lambda case: str(case)[:24])
def test_known_containers(tree, leaves, shown, paths):
    found, treedef = tree_flatten(tree)
    assert found == leaves
    assert repr(treedef) == f"PyTreeDef({shown})"
    assert treedef.num_leaves == len(leaves)
    pairs, same = tree_flatten_with_path(tree)
    assert same == treedef
    assert [(keystr(path), leaf) for path, leaf in pairs] == list(zip(paths, leaves, strict=True))
    assert_laws(tree)


def random_tree(rng, depth):
    """Draw a tree of every kind of container, with strings as leaves."""
    kind = rng.integers(12) if depth else 0
    if kind <= 1:
        return f"leaf{rng.integers(1000)}"
    children = [random_tree(rng, depth - 1) for _ in range(rng.integers(4))]
    pair = [random_tree(rng, depth - 1) for _ in range(2)]
    keys = [str(key) for key in rng.permutation(10)[: len(children)]]
    return [
        lambda: None,
        lambda: tuple(children),
        lambda: children,
        lambda: dict(zip(keys, children, strict=True)),
        lambda: OrderedDict(zip(keys, children, strict=True)),
        lambda: defaultdict(list, zip(keys, children, strict=True)),
        lambda: Point(*pair),
        lambda: Layer(*pair, activation=str(rng.integers(3))),
        lambda: Box(pair[0], int(rng.integers(3))),
        lambda: Config(int(rng.integers(3))),
    ][kind - 2]()


def assert_laws(tree):
    leaves, treedef = tree_flatten(tree)
    rebuilt = tree_unflatten(treedef, leaves)
    assert type(rebuilt) is type(tree) and rebuilt == tree
    assert tree_leaves(tree) == leaves and tree_structure(tree) == treedef
    assert tree_structure(rebuilt) == treedef and hash(tree_structure(rebuilt)) == hash(treedef)
    assert tree_map(lambda leaf: leaf, tree) == tree
    assert tree_map(lambda leaf, same: leaf is same, tree, tree) == tree_map(lambda _: True, tree)
    assert treedef.flatten_up_to(tree) == leaves
    assert broadcast_prefix(tree, tree) == leaves
    assert tree_broadcast(0, tree) == tree_map(lambda _: 0, tree)
    assert [leaf for _, leaf in tree_leaves_with_path(tree)] == leaves
    assert len({path for path, _ in tree_leaves_with_path(tree)}) == len(leaves)
    for copied in (pickle.loads(pickle.dumps(treedef)), copy.deepcopy(treedef)):
        assert copied == treedef and hash(copied) == hash(treedef) and repr(copied) == repr(treedef)
        assert copied.unflatten(leaves) == tree
    # Any objects may stand for leaves: None then is an empty container, and a list is more of the tree.
    assert tree_leaves(treedef.unflatten([None] * len(leaves))) == []
    assert tree_leaves(treedef.unflatten([[leaf, leaf] for leaf in leaves])) == [x for x in leaves for _ in "12"]


def test_laws_hold_for_random_trees(rng):
    trees = [random_tree(rng, 4) for _ in range(400)]
    for tree in trees:
        assert_laws(tree)
    structures = {tree_structure(tree) for tree in trees}
    assert len(structures) == len({repr(structure) for structure in structures}) > 50


def test_a_prefix_broadcasts_as_far_as_it_goes(rng):
    for _ in range(200):
        full = random_tree(rng, 4)
        # Cut at random containers: what is_leaf accepts is replaced by one number.
        cut = {id(tree) for tree in subtrees(full) if rng.random() < 0.3}
        parts, treedef = tree_flatten(full, lambda tree, cut=cut: id(tree) in cut)
        prefix = treedef.unflatten(range(len(parts)))
        expected = [n for n, part in enumerate(parts) for _ in tree_leaves(part)]
        assert broadcast_prefix(prefix, full) == expected
        assert tree_broadcast(prefix, full) == tree_unflatten(tree_structure(full), expected)
        assert all(a is b for a, b in zip(treedef.flatten_up_to(full), parts, strict=True))


def subtrees(tree):
    yield tree
    for child in tree_leaves(tree, lambda subtree: subtree is not tree):
        if child is not tree:
            yield from subtrees(child)


@dataclass
class Spy:
    """A dataclass that no constructor may touch when it is rebuilt."""

    x: Any
    total: Any = field(init=False)
    calls = 0

    def __post_init__(self):
        Spy.calls += 1
        self.total = self.x + 1


def test_dataclasses_are_rebuilt_without_their_constructors():
    spy, calls = Spy(1), Spy.calls
    assert tree_map(str, spy).__dict__ == {"x": "1", "total": "2"}
    assert Spy.calls == calls
    swapped = tree_unflatten(tree_structure(Frozen(1, 2)), [None, "any"])
    assert (swapped.low, swapped.high) == (None, "any")
    with pytest.raises(dataclasses.FrozenInstanceError):
        swapped.low = 1


def test_classes_of_dataclasses_and_subclasses_of_builtins_are_leaves():
    class MyList(list):
        pass

    treedef = tree_structure((1, 2))
    for leaf in (Layer, MyList([1]), {1, 2}, functools.partial(max, 1), "abc", np.ones(2), treedef):
        assert tree_flatten(leaf)[0][0] is leaf


def test_structures_differ_where_trees_differ():
    different = [
        *(1, None, (), [], {}, (1,), [1], {"a": 1}, {"b": 1}, OrderedDict(a=1), (1, 2), (1, None), (None, 1)),
        *(Point(1, 2), Layer(1, 2), Layer(1, 2, "tanh"), Layer(1, 2, 2), Layer(1, 2, 2.0), Layer(1, 2, True)),
        *(
            Layer(1, 2, 1),
            Layer(1, None),
            ((1,), 2),
            (1, (2,)),
            Box(1, 0),
            Box(1, 1),
            Config(1),
            SubConfig(1),
        ),
        *(OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), {"a": 1, "b": 2}),
        *(defaultdict(list, a=1), defaultdict(int, a=1)),
    ]
    for m, a in enumerate(different):
        for n, b in enumerate(different):
            assert (tree_structure(a) == tree_structure(b)) == (m == n)
    assert tree_structure(1) != 1
    assert tree_structure({"a": 1, "b": 2}) == tree_structure({"b": 2, "a": 1})


def test_structures_of_leaves_and_flat_containers_are_one_object():
    for tree in (1, None, (1, 2, 3), [1, 2], Point(1, 2), ()):
        assert tree_structure(tree) is tree_structure(tree)
    assert tree_structure({"a": 1})._children[0] is tree_structure(5)
    assert pickle.loads(pickle.dumps(tree_structure(1))) is tree_structure(1)
    assert pickle.loads(pickle.dumps(tree_structure((1, 2)))) is tree_structure((1, 2))


def test_structures_are_immutable():
    treedef = tree_structure((1, 2))
    with pytest.raises(AttributeError):
        treedef.num_leaves = 3
    with pytest.raises(AttributeError):
        treedef.other = 3
    treedef.children().clear()
    assert treedef.children() == [tree_structure(0)] * 2 and tree_structure(0).children() == []


def test_results_share_no_list_with_what_they_came_from():
    tree = [1, 2]
    leaves, treedef = tree_flatten(tree)
    assert leaves is not tree and treedef.unflatten(leaves) is not leaves
    assert treedef.flatten_up_to(tree) is not tree and tree_map(abs, tree) is not tree


def test_is_leaf_stops_above_a_container():
    assert tree_leaves([(1, 2), None, 3], lambda tree: type(tree) is tuple) == [(1, 2), 3]
    assert tree_leaves([(1, 2), None, 3], is_none) == [1, 2, None, 3]
    assert tree_flatten(None, is_none) == ([None], tree_structure(0))
    assert tree_map(type, (None, 1), is_leaf=is_none) == (type(None), int)
    assert tree_structure([(), None], lambda tree: type(tree) is not list) == tree_structure([1, 2])


def test_is_leaf_is_not_asked_about_what_lies_below_a_leaf():
    asked = []
    tree_leaves([(1, [2])], lambda tree: asked.append(tree) or type(tree) is tuple)
    assert asked == [[(1, [2])], (1, [2])]


def test_maps_over_several_trees_stop_where_the_first_ends():
    assert tree_map(lambda x, y, z: (x, y, z), {"a": 1}, {"a": [2, 3]}, {"a": None}) == {"a": (1, [2, 3], None)}
    assert tree_map_with_path(lambda path, x, y: (keystr(path), x, y), [1, (2,)], [3, (4,)]) == [
        ("[0]", 1, 3),
        (("[1][0]", 2, 4),),
    ]


def test_reductions():
    assert tree_reduce(lambda a, b: f"({a}{b})", {"b": 3, "a": (1, 2)}) == "((12)3)"
    assert tree_reduce(max, None, 7) == 7
    assert tree_reduce(lambda a, b: a + b, [None, 1], 10, is_leaf=lambda x: type(x) is int) == 11
    assert tree_all([1, {"a": True}]) and tree_all(()) and not tree_all([1, 0])
    assert not tree_all([None], is_leaf=is_none)


def test_transposing_swaps_outer_and_inner():
    outer, inner = tree_structure([0, 0, 0]), tree_structure((0, {"a": 0}))
    tree = [(1, {"a": 2}), (3, {"a": 4}), (5, {"a": 6})]
    turned = tree_transpose(outer, inner, tree)
    assert turned == ([1, 3, 5], {"a": [2, 4, 6]})
    assert tree_transpose(inner, outer, turned) == tree
    assert tree_transpose(outer, None, tree) == turned
    assert tree_transpose(tree_structure([]), inner, []) == ([], {"a": []})
    assert tree_transpose(outer, tree_structure(()), [(), (), ()]) == ()


def test_none_in_a_prefix_is_empty_unless_is_leaf_takes_it():
    assert broadcast_prefix((0, None), ([1, 2], [3, 4]), is_leaf=is_none) == [0, 0, None, None]
    assert broadcast_prefix((0, None), ([1, 2], None)) == [0, 0]
    assert broadcast_prefix(None, {"a": 1, "b": 2}, is_leaf=is_none) == [None, None]


def test_partial_is_a_container_and_a_partial():
    power = Partial(pow, 2, exp=3)
    assert power() == 8 and isinstance(power, functools.partial)
    leaves, treedef = tree_flatten(power)
    assert leaves == [2, 3]
    assert [keystr(path) for path, _ in tree_leaves_with_path(power)] == [".args[0]", ".keywords['exp']"]
    assert repr(treedef) == "PyTreeDef(Partial(args=(*,), keywords={'exp': *}, func=<built-in function pow>))"
    assert treedef.unflatten([3, 2])() == 9
    assert treedef == tree_structure(Partial(pow, 5, exp=1)) != tree_structure(Partial(max, 5, exp=1))
    assert pickle.loads(pickle.dumps(treedef)) == treedef


def test_partial_of_a_partial_keeps_what_was_static_static():
    plain = functools.partial(pow, 2)
    nested = Partial(plain, 3)
    assert nested() == 8 and tree_leaves(nested) == [3]
    assert tree_structure(nested) == tree_structure(Partial(plain, 4))
    assert tree_map(lambda x: x + 1, nested)() == 16
    merged = Partial(Partial(pow, 2), 3)
    assert merged() == 8 and tree_leaves(merged) == [2, 3]


def test_registering_a_class_makes_it_a_container():
    class Pair:
        def __init__(self, *items):
            self.items = items

    assert tree_leaves(Pair(1, 2)) != [1, 2]  # not yet, and seen as a leaf
    assert register_pytree_node(Pair, lambda p: (iter(p.items), len(p.items)), lambda _, xs: Pair(*xs)) is Pair
    assert tree_leaves(Pair(1, Pair(2, 3))) == [1, 2, 3]
    assert tree_map(str, Pair(1, 2)).items == ("1", "2")
    assert tree_leaves_with_path(Pair(1, 2))[1] == ((FlattenedIndexKey(1),), 2)

    class SubPair(Pair):
        pass

    assert len(tree_leaves(SubPair(1, 2))) == 1


def test_registering_a_dataclass_chooses_its_static_fields():
    @functools.partial(register_dataclass, data_fields=["x"], meta_fields=["name"])
    @dataclass
    class Named:
        name: str
        x: Any

    @register_dataclass
    @dataclass
    class Scaled:
        x: Any
        by: Any = field(metadata={"static": True})

    class Plain:
        pass

    register_dataclass(Plain, ("x",), ())
    plain = Plain()
    plain.x = 1
    assert tree_flatten(Named("a", 1)) == ([1], tree_structure(Named("a", 2)))
    assert tree_structure(Named("a", 1)) != tree_structure(Named("b", 1))
    assert repr(tree_structure(Scaled(1, 2))) == "PyTreeDef(Scaled(x=*, by=2))"
    assert tree_map(str, plain).x == "1"


def test_registering_reaches_subclasses_seen_before():
    @dataclass(frozen=True)
    class Shape:
        size: int

    class Square(Shape):
        pass

    assert tree_leaves(Square(2)) == [2]
    register_leaf(Shape)
    assert tree_leaves(Square(2)) == [Square(2)]


def test_paths_are_made_of_hashable_keys():
    tree = {"w": [Point(1, 2)], "v": Box(3, "")}
    assert [path for path, _ in tree_leaves_with_path(tree)] == [
        (DictKey("v"), FlattenedIndexKey(0)),
        (DictKey("w"), SequenceKey(0), GetAttrKey("x")),
        (DictKey("w"), SequenceKey(0), GetAttrKey("y")),
    ]
    assert keystr(()) == "" and keystr((DictKey("w"), SequenceKey(0), GetAttrKey("bias"))) == "['w'][0].bias"


def test_deep_trees_are_trees():
    deep = functools.reduce(lambda tree, _: [tree], range(200), 1)
    assert tree_leaves(deep) == [1]
    assert tree_structure(deep) == tree_structure([deep]).children()[0]
    assert hash(tree_structure(deep)) == hash(tree_structure(tree_map(abs, deep)))


# --------------------------------------------------------------------------------------------- errors

MANY = {f"k{n:02}": n for n in range(40)}
MANY_SHOWN = "{" + ", ".join(f"{key!r}: *" for key in MANY) + "}"
UP_TO = "Pass a tree that has the structure as a prefix."
FIRST = "Give every tree the structure of the first."
PREFIX = "Give the prefix the containers of the full tree, or one leaf in their place."


def cyclic():
    tree = []
    tree.append(tree)
    return tree


def raising(call, error, message):
    return pytest.param(call, error, message, id=message[:60])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        raising(
            lambda: tree_structure((1, [2])).unflatten([1]),
            ValueError,
            "tree_unflatten: leaves must be as many as the structure has, 2; got 1 for PyTreeDef((*, [*])). "
            "Pass one object for each * of it.",
        ),
        raising(
            lambda: tree_unflatten(tree_structure(1), iter("ab")),
            ValueError,
            "tree_unflatten: leaves must be as many as the structure has, 1; got 2 for PyTreeDef(*). "
            "Pass one object for each * of it.",
        ),
        raising(
            lambda: tree_structure((1, 2)).flatten_up_to([1, 2]),
            ValueError,
            f"PyTreeDef.flatten_up_to: the tree must be (*, *); got [*, *]. {UP_TO}",
        ),
        raising(
            lambda: tree_structure({"w": [1, (2, 3)]}).flatten_up_to({"w": [1, (2, 3, 4)]}),
            ValueError,
            f"PyTreeDef.flatten_up_to: the tree must be (*, *) at ['w'][1]; got (*, *, *) (unexpected [2]). {UP_TO}",
        ),
        raising(
            lambda: tree_structure(None).flatten_up_to(1.0),
            ValueError,
            f"PyTreeDef.flatten_up_to: the tree must be None; got a leaf of type float. {UP_TO}",
        ),
        raising(
            lambda: tree_map(max, Layer([1], 2), Layer([1], 2), Layer(np.ones(3), 2)),
            ValueError,
            f"tree_map: tree 3 must be [*] at .w; got a leaf of type ndarray. {FIRST}",
        ),
        raising(
            lambda: tree_map(max, {"a": 1, "b": (2,)}, {"a": 1, "c": (2,)}),
            ValueError,
            "tree_map: tree 2 must be {'a': *, 'b': *}; got {'a': *, 'c': *} "
            f"(missing ['b']; unexpected ['c']). {FIRST}",
        ),
        raising(
            lambda: tree_map(max, [Layer(1, 2)], [Layer(1, 2, "tanh")]),
            ValueError,
            "tree_map: tree 2 must be Layer(w=*, b=*, activation='relu') at [0]; "
            f"got Layer(w=*, b=*, activation='tanh'). {FIRST}",
        ),
        raising(
            lambda: tree_map(max, MANY, {**MANY, "k40": 40}),
            ValueError,
            f"tree_map: tree 2 must be {MANY_SHOWN[:157]}...; got {MANY_SHOWN[:157]}... (unexpected ['k40']). {FIRST}",
        ),
        raising(
            lambda: tree_map_with_path(max, Point(1, [2]), Point(1, None)),
            ValueError,
            f"tree_map_with_path: tree 2 must be [*] at .y; got None. {FIRST}",
        ),
        raising(
            lambda: broadcast_prefix({"in": (0, 1)}, {"in": [2, 3]}),
            ValueError,
            f"broadcast_prefix: the full tree must be (*, *) at ['in']; got [*, *]. {PREFIX}",
        ),
        raising(
            lambda: tree_broadcast((0, None), (1, 2)),
            ValueError,
            f"tree_broadcast: the full tree must be None at [1]; got a leaf of type int. {PREFIX}",
        ),
        raising(
            lambda: tree_transpose(tree_structure([0, 0]), tree_structure((0, 0)), ((1, 2), (3, 4))),
            ValueError,
            "tree_transpose: the outer tree must be [*, *]; got (*, *). Give it the structure outer_treedef.",
        ),
        raising(
            lambda: tree_transpose(tree_structure([0, 0]), None, [(1, 2), (3, 4, 5)]),
            ValueError,
            "tree_transpose: each inner tree must be (*, *); got (*, *, *) (unexpected [2]). "
            "Give all of them the structure inner_treedef.",
        ),
        raising(
            lambda: tree_reduce(max, (None,)),
            ValueError,
            "tree_reduce: a tree without initializer must have a leaf; got PyTreeDef((None,)). "
            "Pass an initializer, such as 0 for a sum.",
        ),
        raising(
            lambda: tree_map(abs, {"a": cyclic()}),
            ValueError,
            "tree_flatten: a tree must end; got a dict that contains itself, or nests deeper than Python's "
            "recursion limit. Remove the cycle, or pass is_leaf to stop above it.",
        ),
        raising(
            lambda: hash(tree_structure(({"x": Layer(1, 2, [3])},))),
            TypeError,
            "PyTreeDef: static data must be hashable; got Layer(w=*, b=*, activation=[3]) "
            "(unhashable type: 'list'). Make it a child, or a tuple instead of a list.",
        ),
        raising(
            lambda: tree_structure(Box(1, np.ones(2))) == tree_structure(Box(1, np.ones(2))),
            ValueError,
            "PyTreeDef: static data must compare to one bool by ==; got array([1., 1.]) and array([1., 1.]). "
            "Make arrays children, not static data.",
        ),
        raising(
            lambda: register_pytree_node(Box, None, None),
            ValueError,
            "register_pytree_node: a class may be registered as a pytree once; got Box again. "
            "Remove one of the registrations.",
        ),
        raising(
            lambda: register_static(3),
            TypeError,
            "register_static: what is registered must be a class; got 3. Pass the class, not an instance.",
        ),
        raising(
            lambda: register_dataclass(type("Plain", (), {})),
            TypeError,
            "register_dataclass: data_fields and meta_fields must be given both, or neither for a dataclass; "
            "got data_fields=None, meta_fields=None for Plain. Name every field in one of them.",
        ),
        raising(
            lambda: register_dataclass(Layer, ["w"], ["b"]),
            ValueError,
            "register_dataclass: data_fields and meta_fields must name each field of Layer once, "
            "['activation', 'b', 'w']; got ['b', 'w']. Name every field in one of them.",
        ),
    ],
)
def test_errors_say_what_must_hold_what_came_and_what_to_do(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_a_flatten_function_must_return_a_pair():
    class Wrong:
        pass

    register_pytree_node(Wrong, lambda tree: [1], lambda aux, children: Wrong())
    message = (
        "register_pytree_node: flatten_func of Wrong must return (children, aux); got [1]. "
        "Return a pair, with None as aux if there is no static data."
    )
    with pytest.raises(TypeError, match=re.escape(message)):
        tree_leaves(Wrong())


def test_a_structure_is_unpickled_where_its_classes_are_registered(monkeypatch):
    data = pickle.dumps(tree_structure(Box(1, "")))
    monkeypatch.setitem(globals(), "Box", type("Box", (), {}))
    message = (
        "PyTreeDef: the classes of a structure must be registered; got Box, a leaf here. "
        "Import the module that registers it before unpickling."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        pickle.loads(data)


@pytest.mark.parametrize("key", [SequenceKey(1), DictKey("a"), GetAttrKey("x"), FlattenedIndexKey(1)], ids=repr)
def test_steps_of_paths_are_values(key):
    assert key == copy.deepcopy(key) == pickle.loads(pickle.dumps(key)) and hash(key) == hash(copy.copy(key))
    assert [other for other in (SequenceKey(1), FlattenedIndexKey(1)) if other == key] == [key] * (
        type(key) in (SequenceKey, FlattenedIndexKey)
    )
    assert tree_leaves([key]) == [key]
    (name,) = key.__match_args__
    assert eval(repr(key)) == key == type(key)(**{name: getattr(key, name)})
    for change in (lambda: setattr(key, name, 2), lambda: delattr(key, name)):
        with pytest.raises(AttributeError, match="cannot be changed"):
            change()
