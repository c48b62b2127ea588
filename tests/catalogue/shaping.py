"""Functions that cut up, join, repeat and rearrange."""

import numpy as np

from . import cases, cnormal, normal, row, since

UNSTACK = (
    [*cases(np.unstack, [(normal(2, 3),), row(normal(2, 3), axis=-1), (cnormal(2),)])] if hasattr(np, "unstack") else []
)

SPLITTING = [
    *cases(
        np.array_split,
        [(normal(5), 3), row(normal(2, 5), [1, 3], axis=1), (normal(2), 4), (normal(4), [3, 1, -1])],
    ),
    *cases(np.split, [(normal(6), 3), row(normal(2, 4), 2, axis=-1), (normal(5), [2, 2, 7]), (cnormal(4), 2)]),
    *cases(np.hsplit, [(normal(4), 2), (normal(2, 3), [1]), (normal(2, 2, 2), 2)]),
    *cases(np.vsplit, [(normal(4, 1), 2), (normal(2, 3), [1])]),
    *cases(np.dsplit, [(normal(1, 2, 4), 2), (normal(1, 2, 3), [1])]),
    *UNSTACK,
]


def _pair(function, **kwargs):
    """The functions that take a sequence of arrays, as functions of two arrays."""

    def joined(x, y):
        return function([x, y], **kwargs)

    return joined


JOINING = [
    *cases(np.atleast_1d, [(0.5,), (normal(),), (normal(2),), (normal(2), 1.5)]),
    *cases(np.atleast_2d, [(0.5,), (normal(2),), (normal(1, 2),), (normal(1, 2, 2), normal(0))]),
    *cases(np.atleast_3d, [(0.5,), (normal(2),), (normal(2, 3),), (normal(1, 2, 2), normal(2))]),
    *cases(
        _pair(np.vstack),
        [(normal(3), normal(3)), (normal(2, 3), normal(3)), (cnormal(1, 2), normal(2))],
        "vstack",
        (np.vstack,),
    ),
    *cases(
        _pair(np.hstack),
        [(normal(3), normal(2)), (normal(2, 1), normal(2, 2)), (0.5, normal(2))],
        "hstack",
        (np.hstack,),
    ),
    *cases(_pair(np.hstack, dtype=complex), [(normal(3), normal(2))], "hstack_complex", (np.hstack,)),
    *cases(
        _pair(np.dstack),
        [(normal(2), normal(2)), (normal(2, 2), normal(2, 2)), (normal(1, 2, 2), normal(1, 2))],
        "dstack",
        (np.dstack,),
    ),
    *cases(
        _pair(np.column_stack),
        [(normal(3), normal(3)), (normal(2, 2), normal(2)), (normal(0), normal(0))],
        "column_stack",
        (np.column_stack,),
    ),
    *cases(np.append, [(normal(3), normal(2)), (normal(2, 2), 0.5), row(normal(2, 2), normal(2, 1), axis=1)]),
    *cases(
        np.block,
        [
            ([normal(2), normal(1)],),
            ([[normal(2, 2), normal(2, 1)], [normal(3)]],),
            ([[0.5, 1.5], [2.5, 3.5]],),
            (normal(2),),
        ],
    ),
    *cases(np.broadcast_arrays, [(normal(3), normal(2, 1)), (0.5, normal(2)), (normal(0), 1.5)]),
    *cases(
        np.meshgrid,
        [
            (normal(2), normal(3)),
            row(normal(2), normal(3), indexing="ij"),
            row(normal(2), normal(1), normal(2), sparse=True),
            row(normal(2), normal(0), copy=False),
            (normal(2),),
            (0.5, normal(2)),
        ],
    ),
]

REPEATING = [
    *cases(
        np.tile,
        [
            (normal(3), 2),
            (normal(2), (2, 2)),
            (normal(1, 2), 3),
            (normal(2, 2), (2, 1, 1)),
            (0.5, 2),
            (normal(2), 0),
            (normal(2), 1),
        ],
    ),
    *cases(
        np.repeat,
        [
            (normal(2, 2), 2),
            row(normal(2, 2), 3, axis=1),
            row(normal(3, 2), [1, 0, 2], axis=0),
            (normal(2), [2]),
            (0.5, 3),
            row(normal(2, 2), 0, axis=0),
            row(cnormal(2, 2), np.array([2, 1]), axis=-1),
        ],
    ),
    *cases(lambda x: x.repeat(2, axis=0), [(normal(2, 2),)], name="method_repeat", covers=(np.repeat,)),
    *cases(
        np.resize,
        [
            (normal(3), 5),
            (normal(2, 3), (2, 2)),
            (normal(2), (3, 2)),
            (normal(0), 2),
            (normal(2), 0),
            (0.5, (2, 2)),
        ],
    ),
    *cases(
        np.insert,
        [
            (normal(4), 1, 0.5),
            (normal(4), [0, 2, 4], normal(3)),
            (normal(2, 3), 2, 0.5),
            row(normal(2, 3), 1, normal(2), axis=1),
            row(normal(2, 3), [1], normal(2, 1), axis=1),
            row(normal(2, 3), [0, 2], normal(2), axis=1),
            row(normal(2, 3), -1, normal(3), axis=0),
            (normal(4), slice(1, 3), normal(2)),
            *since("2.2", (normal(3), np.array([True, False, True]), 1.5)),  # they were taken for integers
            row(normal(2, 2), [1], normal(2, 2), axis=1),
            row(normal(2, 3), 1, normal(2, 3), axis=0),
        ],
    ),
    *cases(
        np.delete,
        [
            (normal(4), 1),
            (normal(4), [0, -1]),
            row(normal(2, 3), 1, axis=1),
            row(normal(3, 2), slice(None, None, 2), axis=0),
            row(normal(3, 2), [True, False, True], axis=0),
            (normal(2, 2), []),
            (normal(2), [0, 1]),
        ],
    ),
]

REARRANGING = [
    *cases(np.copy, [(normal(3),), (normal(2, 2),), (0.5,)]),
    *cases(
        np.flip,
        [
            (normal(3),),
            (normal(2, 3),),
            row(normal(2, 3), axis=0),
            row(normal(2, 3), axis=(0, -1)),
            (normal(),),
            (normal(0, 2),),
        ],
    ),
    *cases(np.fliplr, [(normal(2, 3),), (normal(2, 2, 2),)]),
    *cases(np.flipud, [(normal(3),), (normal(2, 3),)]),
    *cases(
        np.roll,
        [
            (normal(4), 1),
            (normal(2, 3), 2),
            row(normal(2, 3), -1, axis=1),
            row(normal(2, 3), (1, 2), axis=(0, 1)),
            row(normal(3, 2), 1, axis=(0, 1)),
            row(normal(2, 3), (1, 1), axis=1),
            (normal(0), 3),
            (normal(3), 0),
            (cnormal(3), 7),
            (0.5, 1),
        ],
    ),
    *cases(
        np.lib.stride_tricks.sliding_window_view,
        [
            (normal(4), 2),
            (normal(3, 4), (2, 3)),
            row(normal(3, 4), 2, axis=1),
            row(normal(4), (2, 2), axis=(0, 0)),
            (normal(3), 1),
            (cnormal(3), 3),
        ],
    ),
    *cases(
        np.rot90,
        [
            (normal(2, 3),),
            (normal(2, 3), 2),
            (normal(2, 3), 3),
            (normal(2, 3), -1),
            (normal(2, 3), 0),
            row(normal(2, 2, 3), axes=(1, 2)),
            row(normal(2, 2, 3), axes=(2, 0)),
        ],
    ),
    *cases(
        np.rollaxis,
        [(normal(2, 1, 3), 2), (normal(2, 1, 3), 0, 3), (normal(2, 1, 3), 1, 1), (normal(2, 1, 3), -1, -2)],
    ),
    *cases(
        np.trim_zeros,
        [
            (np.array([0.0, 0.0, 1.5, 0.0, 2.5, 0.0]), "f"),
            (np.array([1.0, 0.0]), "b"),
            (np.array([1.5, 2.5]),),
        ],
        skip={
            "numeric": "steps make zeros nonzero, which changes the shape",
            "second_order": "steps make zeros nonzero, which changes the shape",
            "vmap": "the shape depends on values",
        },
    ),
    *cases(
        np.diagonal,
        [
            (normal(3, 3),),
            (normal(2, 3),),
            (normal(3, 2),),
            (normal(2, 3), 1),
            (normal(2, 3), -1),
            (normal(3, 2), -2),
            (normal(2, 3), 3),
            (normal(2, 3), 7),
            (normal(3, 2), -3),
            row(normal(2, 3, 2), axis1=2, axis2=0),
            row(normal(2, 3, 2), 1, axis1=-1, axis2=1),
            (normal(0, 2),),
            (cnormal(2, 2),),
        ],
    ),
    *cases(lambda x: x.diagonal(1), [(normal(2, 3),)], name="method_diagonal", covers=(np.diagonal,)),
    *cases(
        np.diag,
        [
            (normal(3),),
            (normal(2), 1),
            (normal(2), -2),
            (normal(2, 3),),
            (normal(3, 2), 1),
            (normal(3, 2), -1),
            (normal(0),),
            (normal(0), 2),
            (cnormal(2),),
        ],
    ),
    *cases(np.diagflat, [(normal(2, 2),), (normal(2), 1), (0.5,), (normal(0),)]),
    *cases(
        np.trace,
        [
            (normal(3, 3),),
            (normal(2, 3), 1),
            row(normal(2, 3, 2), axis1=2, axis2=0),
            row(normal(3, 2), -1, dtype=complex),
            (normal(0, 2),),
            (cnormal(2, 2),),
        ],
    ),
    *cases(lambda x: x.trace(), [(normal(2, 3),)], name="method_trace", covers=(np.trace,)),
    *cases(
        np.tril,
        [
            (normal(3, 3),),
            (normal(2, 3), 1),
            (normal(3, 2), -1),
            (normal(2, 2, 2),),
            (normal(3),),
            (normal(0, 2),),
            (cnormal(2, 2),),
        ],
    ),
    *cases(
        np.triu,
        [
            (normal(3, 3),),
            (normal(2, 3), 1),
            (normal(3, 2), -1),
            (normal(2, 2, 2),),
            (normal(3),),
            (normal(0, 2),),
            (cnormal(2, 2),),
        ],
    ),
    *cases(
        np.vander,
        [
            (normal(3),),
            (normal(2), 4),
            row(normal(3), increasing=True),
            (normal(2), 0),
            (normal(2), 1),
            (normal(0), 2),
            (np.array([0.0, 1.5]),),
            (cnormal(2),),
        ],
    ),
]


def _joined(x, v):
    """x, traced wherever v is: NumPy asks only the first argument of np.pad whether it is."""
    return x + 0 * np.sum(v)


PADDING = [
    *cases(
        np.pad,
        [
            (normal(3), 2),
            (normal(2, 3), (1, 2)),
            (normal(2, 3), ((1, 0), (0, 2))),
            (normal(0), 1),
            (cnormal(2), 1),
            row(normal(2, 3), 1, constant_values=1.5),
            row(normal(2, 3), ((1, 2), (0, 1)), constant_values=((1.5, 2.5), (3.5, 4.5))),
            row(normal(3), (2, 1), mode="edge"),
            row(normal(2, 3), 1, mode="edge"),
            row(normal(3), (5, 4), mode="linear_ramp"),
            row(normal(2, 3), ((2, 1), (0, 3)), mode="linear_ramp", end_values=((1.5, -0.5), (2.0, 0.5))),
            row(normal(3), (2, 1), mode="maximum"),
            row(normal(2, 3), 1, mode="minimum", stat_length=2),
            row(normal(2, 4), ((1, 1), (2, 0)), mode="mean", stat_length=((1, 2), (3, 9))),
            row(normal(4), 2, mode="median"),
            row(normal(3, 3), 1, mode="median", stat_length=2),
            row(normal(4), (2, 3), mode="reflect"),
            row(normal(3), (7, 8), mode="reflect"),
            row(normal(2, 3), 2, mode="reflect"),
            row(normal(1), 2, mode="reflect"),
            row(normal(4), (2, 3), mode="reflect", reflect_type="odd"),
            row(normal(3), (7, 8), mode="reflect", reflect_type="odd"),
            row(normal(2, 3), ((1, 2), (3, 0)), mode="reflect", reflect_type="odd"),
            row(normal(1), 2, mode="reflect", reflect_type="odd"),
            row(normal(3), (2, 1), mode="symmetric"),
            row(normal(2, 3), (5, 7), mode="symmetric"),
            row(normal(2, 3), (5, 7), mode="symmetric", reflect_type="odd"),
            row(normal(3), (2, 7), mode="wrap"),
            row(normal(2, 3), 1, mode="wrap"),
            row(normal(3), 0, mode="wrap"),
            row(normal(2, 0), ((0, 0), (1, 1)), constant_values=0.5),
            row(normal(3, 0), ((2, 2), (0, 0)), mode="edge"),
        ],
    ),
    *cases(
        lambda x, v: np.pad(_joined(x, v), 1, constant_values=v),
        [(normal(2), normal()), (normal(2, 2), normal(2)), (normal(2, 2), normal(2, 2))],
        name="pad_traced_constant",
        covers=(np.pad,),
    ),
    *cases(
        lambda x, v: np.pad(_joined(x, v), 2, mode="linear_ramp", end_values=v),
        [(normal(2), normal()), (normal(2), normal(2))],
        name="pad_traced_ends",
        covers=(np.pad,),
    ),
    *cases(lambda x: np.pad(x, 1, mode="empty")[1:-1], [(normal(3),)], name="pad_empty", covers=(np.pad,)),
]

LINALG = [
    *cases(np.linalg.diagonal, [(normal(2, 3, 3),), row(normal(2, 3), offset=1)], name="linalg.diagonal"),
    *cases(
        np.linalg.trace,
        [(normal(2, 3, 3),), row(normal(2, 3), offset=1), row(normal(2, 2), dtype=complex)],
        name="linalg.trace",
    ),
]

INQUIRY = [
    *cases(lambda x: x * (len(np.array_repr(x)) > 3), [(normal(2),)], name="array_repr", covers=(np.array_repr,)),
    *cases(lambda x: x * (len(np.array_str(x)) > 3), [(normal(2),)], name="array_str", covers=(np.array_str,)),
    *cases(
        lambda x: x * (len(np.array2string(x, precision=2)) > 3),
        [(normal(2),)],
        name="array2string",
        covers=(np.array2string,),
    ),
    *cases(np.ndim, [(normal(2, 3),), (0.5,)], differentiable=False),
    *cases(np.shape, [(normal(2, 3),), (0.5,)], differentiable=False),
    *cases(np.size, [(normal(2, 3),), row(normal(2, 3), axis=1)], differentiable=False),
    *cases(np.iscomplexobj, [(normal(2),), (cnormal(2),)], differentiable=False),
    *cases(
        lambda x: np.common_type(x) == x.dtype,
        [(normal(2),), (cnormal(2),)],
        "common_type",
        (np.common_type,),
        differentiable=False,
    ),
    *cases(lambda x: np.can_cast(x, np.float32), [(normal(2),)], "can_cast", (np.can_cast,), differentiable=False),
    *cases(
        lambda x: x * np.shares_memory(x, x + 1),
        [(normal(2),)],
        "shares_memory",
        (np.shares_memory, np.may_share_memory),
    ),
    *cases(lambda x: x[np.diag_indices_from(x)], [(normal(2, 2),)], "diag_indices_from", (np.diag_indices_from,)),
    *cases(lambda x: x[np.tril_indices_from(x)], [(normal(2, 3),)], "tril_indices_from", (np.tril_indices_from,)),
    *cases(
        lambda x: x[np.triu_indices_from(x, 1)],
        [(normal(2, 3),)],
        "triu_indices_from",
        (np.triu_indices_from,),
    ),
    *cases(
        lambda x, y: np.einsum("ij,jk", x, y, optimize=np.einsum_path("ij,jk", x, y)[0]),
        [(normal(2, 3), normal(3, 2))],
        "einsum_path",
        (np.einsum_path,),
    ),
    *cases(np.isrealobj, [(normal(2),), (cnormal(2),)], differentiable=False),
]

CASES = [*SPLITTING, *JOINING, *REPEATING, *REARRANGING, *PADDING, *LINALG, *INQUIRY]
