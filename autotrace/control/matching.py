"""Two trees that must be of one type: of a carry before and after, of branches, of a function and its rule."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import ShapedArray, here
from ..tree import PyTreeDef, keystr, tree_flatten_with_path, tree_unflatten

__all__ = ["check_same"]


def check_same(
    what: str,
    word: str,
    tree: PyTreeDef,
    avals: Sequence[ShapedArray],
    other_tree: PyTreeDef,
    other_avals: Sequence[ShapedArray],
    when: tuple[str, str],
    cure: str | None = None,
) -> None:
    """Raise ``TypeError`` unless two trees have one structure, and their leaves one type; ``when`` tells them apart."""
    if tree != other_tree:
        shapes = {aval.shape for aval in other_avals}
        is_split = len(avals) == len(shapes) == 1 and avals[0].shape == (len(other_avals), *next(iter(shapes)))
        way_out = "Return one array: np.stack of these." if is_split else "Return the same structure."
        raise TypeError(
            f"{what}: the {word} must have one structure; got {tree} {when[0]} and {other_tree} {when[1]}{here()}. "
            f"{way_out}"
        )
    paths = [path for path, _ in tree_flatten_with_path(tree_unflatten(tree, [0] * len(avals)))[0]]
    for path, a, b in zip(paths, avals, other_avals, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            if cure is None:
                convert = f"Convert it with astype({a.dtype.name!r})."
                cure = convert if a.shape == b.shape else "Return one shape."
            raise TypeError(
                f"{what}: the {word} must have one shape and dtype; got {a.strong()} {when[0]} and {b.strong()} "
                f"{when[1]} at {word}{keystr(path)}{here()}. {cure}"
            )
