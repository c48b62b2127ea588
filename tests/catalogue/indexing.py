"""Indexing, in-place updates and creation, as functions that return what they wrote."""

from __future__ import annotations

from typing import Any

import numpy as np

import autotrace.numpy as anp

from . import cases, cnormal, normal, row

BY_VALUE = {"vmap": "the shape depends on values, which vmap does not know"}


def updated(write: Any) -> Any:
    """The function that writes into a copy of its first argument and returns it.

    The copy is a traced one whenever something is traced, so that it can hold traced values.
    """

    def function(x: Any, *args: Any) -> Any:
        x = anp.array(x)
        write(x, *args)
        return x

    return function


def at(index: Any, method: str) -> Any:
    """``x.at[index].method(v)`` on traced arrays; on plain ones what NumPy writes."""
    ufuncs = {
        "add": np.add,
        "subtract": np.subtract,
        "multiply": np.multiply,
        "divide": np.true_divide,
        "power": np.power,
        "min": np.minimum,
        "max": np.maximum,
    }

    def function(x: Any, v: Any) -> Any:
        x = anp.array(x)
        if not isinstance(x, np.ndarray):
            return getattr(x.at[index], method)(v)
        if method == "set":
            x[index] = v
        else:
            ufuncs[method].at(x, index, v)
        return x

    return function


def _set(index: Any) -> Any:
    def write(x: Any, v: Any) -> None:
        x[index] = v

    return updated(write)


def _add(index: Any) -> Any:
    def write(x: Any, v: Any) -> None:
        x[index] += v

    return updated(write)


MASK = np.array([[True, False, True], [False, True, True]])
INDICES = {
    "integer": (1, (2, 3), (3,)),
    "negative": ((-1, -2), (2, 3), ()),
    "slice": ((slice(None), slice(0, 2)), (2, 3), (2, 1)),
    "negative_step": ((slice(None), slice(None, None, -2)), (2, 3), (2, 2)),
    "empty_slice": ((slice(2, 2),), (2, 3), (3,)),
    "ellipsis": ((..., 0), (2, 3), (2,)),
    "newaxis": ((slice(None), None, 1), (2, 3), (2, 1)),
    "whole": (..., (2, 3), (3,)),
    "integers": (np.array([1, 0]), (2, 3), (2, 3)),
    "repeated": (np.array([1, 1, 0]), (2, 3), (3, 1)),
    "list": ([0, 1], (2, 3), ()),
    "pairs": (([0, 1], [2, 2]), (2, 3), (2,)),
    "mixed": ((slice(1, None), np.array([[0, 2]])), (2, 3), (1, 1, 2)),
    "apart": ((np.array([0, 1]), slice(None), np.array([0, 0])), (2, 2, 2), (2, 2)),
    "beside_integer": ((0, slice(None), np.array([1, 0])), (2, 2, 2), (2, 1)),
    "mask": (MASK, (2, 3), ()),
    "mask_counted": (MASK, (2, 3), (4,)),
    "mask_of_rows": (np.array([True, False]), (2, 3), (3,)),
    "mask_of_columns": ((slice(None), np.array([True, False, True])), (2, 3), (2, 1)),
    "no_integers": (np.zeros(0, int), (2, 3), ()),
}


def _reads(index: Any) -> Any:
    return lambda x: x[index]


def _first_of(x: Any) -> Any:
    return x[np.argmax(x)]


def _rows_by_traced(x: Any, i: Any) -> Any:
    x = anp.array(x)
    return x[i] * x[i, i].reshape((*np.shape(i), 1))


def _set_by_traced(x: Any, v: Any, i: Any) -> Any:
    x = anp.array(x)
    x[i] = v
    x[i, 0] += v[0]
    np.add.at(x, (slice(None), i), 2 * v[0])
    np.multiply.at(x, i, v)
    return x


def _overlapping(x: Any) -> Any:
    x = anp.array(x)
    x[1:] += x[:-1]
    x[::-1][1:] *= x[:-1]
    return x


def _through_views(x: Any, v: Any) -> Any:
    x = anp.array(x)
    row, flat, turned = x[0], x.reshape(-1), x.T
    row *= v
    flat[1:4] += v[:1]
    turned[1:, 0] = v[0] * row[1:]
    np.fill_diagonal(turned, v)
    return [x, row, flat, turned]


def _parts(z: Any, v: Any) -> Any:
    z = anp.array(z)
    z.real[1:] *= v
    z.imag = v
    return z


def _masks(x: Any, v: Any) -> Any:
    x = anp.array(x)
    x[x > 0.3] = v
    x[x < v] = 2 * v
    return x


def _counted_masks(x: Any) -> Any:
    x = anp.array(x)
    x[x < 0] *= x[x < 0]
    return x


def _out(x: Any, v: Any) -> Any:
    x = anp.array(x)
    np.multiply(x, v, out=x)
    np.sin(x, out=x, where=x > 0)
    np.add(x[0], v, out=x[1])
    return x


def _created(v: Any) -> Any:
    zeros, ones, filled = anp.zeros((2, 3)), anp.ones_like(v), anp.full((2,), v[0])
    zeros[0] = v
    zeros[1, ::2] = v[1:]
    ones[1] *= v[2]
    return [zeros, ones, filled, anp.array([[v[0], 1.0], [v[1], v[2]]]), anp.asarray(v) * 1.0]


def _found(x: Any) -> Any:
    return [
        x[x > 0],
        x[np.nonzero(x < 0)],
        np.extract(x > 0, x),
        np.compress(x[:, 0] > 0, x, axis=0),
        x.reshape(-1)[np.flatnonzero(x > 0)],
        x[tuple(np.argwhere(x < 0).T)],
    ]


def _flat(x: Any, v: Any) -> Any:
    x = anp.array(x)
    x.T.flat[1:3] = v
    return x * x.flat[2]


def _sorted(x: Any) -> Any:
    x = anp.array(x)
    x.sort(axis=0)
    x[0].sort()
    return x


CASES = [
    *[c for k, (i, s, _) in INDICES.items() for c in cases(_reads(i), [(normal(*s),)], name=f"read_{k}", covers=())],
    *[
        c
        for k, (i, s, v) in INDICES.items()
        for c in cases(_set(i), [(normal(*s), normal(*v)), (cnormal(*s), normal(*v))], name=f"set_{k}", covers=())
    ],
    *[
        c
        for k, (i, s, v) in INDICES.items()
        for c in cases(_add(i), [(normal(*s), normal(*v))], name=f"augment_{k}", covers=())
    ],
    *[
        c
        for m in ("set", "add", "subtract", "multiply", "divide", "min", "max")
        for c in cases(at(np.array([1, 1, 0]), m), [(normal(2, 3), normal(3, 3) + 2)], name=f"at_{m}", covers=())
    ],
    *cases(at(([0, 1, 0], [2, 2, 2]), "power"), [(abs(normal(2, 3)), normal(3))], name="at_power", covers=()),
    *cases(at((0, slice(1, None)), "multiply"), [(normal(2, 3), normal(2))], name="at_slice", covers=()),
    *cases(_first_of, [(normal(4),), (normal(3),)], name="read_at_argmax", covers=(np.argmax,)),
    *cases(
        _rows_by_traced,
        [(normal(3, 3), np.array([1, -1])), (normal(3, 3), np.int64(2))],
        traced=(1,),
        name="read_traced",
        covers=(),
    ),
    *cases(
        _set_by_traced,
        [(normal(3, 3), normal(3), np.array([1, 0])), (normal(3, 3), normal(3), np.int64(-1))],
        traced=(2,),
        name="set_traced",
        covers=(),
    ),
    *cases(_overlapping, [(normal(4),), (normal(3, 2),), (normal(1),)], name="overlapping", covers=()),
    *cases(_through_views, [(normal(3, 3), normal(3))], name="views", covers=(np.fill_diagonal,)),
    *cases(_parts, [(cnormal(3), normal(1))], name="real_and_imag", covers=()),
    *cases(_masks, [(normal(4), normal()), (normal(2, 3), normal(1))], name="masks", covers=()),
    *cases(_counted_masks, [(normal(4),), (normal(2, 3),)], name="counted_masks", covers=(), skip=BY_VALUE),
    *cases(_out, [(normal(2, 3), normal(3))], name="out", covers=()),
    *cases(_created, [(normal(3),)], name="created", covers=()),
    *cases(
        _found,
        [(normal(2, 3),)],
        name="found",
        covers=(np.nonzero, np.extract, np.compress, np.flatnonzero, np.argwhere),
        skip=BY_VALUE,
    ),
    *cases(_flat, [(normal(2, 3), normal(2))], name="flat", covers=()),
    *cases(_sorted, [(normal(3, 2),)], name="sort_in_place", covers=()),
    *cases(
        updated(lambda x, v: np.put(x, [4, -1, 0], v)),
        [(normal(2, 3), normal(2))],
        name="put",
        covers=(np.put,),
    ),
    *cases(
        updated(lambda x, v: np.put(x, [7, -9], v, mode="wrap")),
        [(normal(2, 3), normal())],
        name="put_wrap",
        covers=(),
    ),
    *cases(
        updated(lambda x, v: np.copyto(x, v, where=MASK)),
        [(normal(2, 3), normal(3))],
        name="copyto",
        covers=(np.copyto,),
    ),
    *cases(
        updated(lambda x, v: np.place(x, MASK, v)),
        [(normal(2, 3), normal(3))],
        name="place",
        covers=(np.place,),
    ),
    *cases(
        updated(lambda x, v: np.putmask(x, MASK, v)),
        [(normal(2, 3), normal(2))],
        name="putmask",
        covers=(np.putmask,),
    ),
    *cases(
        updated(np.fill_diagonal),
        [(normal(3, 3), normal(2)), (normal(2, 2, 2), normal())],
        name="fill_diagonal",
        covers=(np.fill_diagonal,),
    ),
    *cases(
        updated(lambda x, v: np.fill_diagonal(x, v, wrap=True)),
        [(normal(6, 2), normal())],
        name="fill_wrap",
        covers=(),
    ),
    *cases(
        updated(lambda x, v: np.put_along_axis(x, np.array([[0], [2]]), v, 1)),
        [(normal(2, 3), normal(2, 1))],
        name="put_along_axis",
        covers=(np.put_along_axis,),
    ),
    *cases(updated(lambda x, v: x.fill(v)), [(normal(2, 3), normal())], name="fill", covers=()),
    *cases(
        updated(lambda x, v: np.logaddexp.at(x, [1, 1], v)),
        [(normal(2, 3), normal(3))],
        name="ufunc_at",
        covers=(),
    ),
    *cases(updated(lambda x: np.negative.at(x, [1, 1, 0])), [(normal(2, 3),)], name="unary_at", covers=()),
    *cases(
        anp.full_like,
        [(normal(2, 3), normal()), row(normal(2), normal(), shape=(2, 2))],
        covers=(np.full_like,),
    ),
    *cases(np.zeros_like, [(normal(2, 3),)], differentiable=False),
    *cases(np.ones_like, [(normal(2, 3),)], differentiable=False),
]
