"""Core array functions: complex parts, reductions, scans, shapes, joining, indexing."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import LAWS, Case, cases, cnormal, normal, row

PLAIN = {"vmap": "a plain array's own brackets refuse traced indices; test_compositions maps both"}
KINK3 = {
    "numeric": "three elements tie: sides of the difference see another share than a third each",
    "second_order": "ties: differences of the derivative cross the kink",
}
KINK = {"second_order": "ties: differences of the derivative cross the kink"}


def parts(z: Any) -> list[Any]:
    """Attributes and methods of complex numbers."""
    return [z.real, z.imag, z.conj(), z.conjugate()]


COMPLEX = [
    *cases(np.real, [(cnormal(3),), (normal(3),), (cnormal(),), (normal(2, 0),)]),
    *cases(np.imag, [(cnormal(3),), (normal(3),), (cnormal(),), (0.5 + 1j,)]),
    *cases(parts, [(cnormal(2, 2),), (normal(3),), (cnormal(),)], covers=(np.real, np.imag)),
    *cases(
        lambda z: np.abs(z) ** 2 + np.real(z * np.conj(z) * 1j) + np.sign(z),
        [(cnormal(3),)],
        name="complex_mixed",
        covers=(),
    ),
    *cases(
        lambda x, y: np.exp(1j * x) * y + x,
        [(normal(3), normal(3)), (normal(), cnormal(2))],
        name="complex_from_real",
        covers=(),
    ),
    *cases(
        lambda x: [x.astype(np.complex128), x.astype(complex).real, x.astype(np.float64)],
        [(normal(3),), (normal(),)],
        name="astype",
        covers=(),
    ),
    *cases(
        lambda x: x.astype(np.float32),
        [(normal(3),)],
        name="astype_narrow",
        covers=(),
        tolerance=2e-3,
        skip={
            "second_order": "differences in single precision say nothing",
            "transpose": "rounded to single precision",
        },
    ),
    *cases(
        lambda x: [x.astype(int), x.astype(bool)],
        [(normal(3) * 5,), (normal(),)],
        name="astype_int",
        covers=(),
        differentiable=False,
    ),
    *cases(
        lambda x, i: x * i.astype(float),
        [(normal(3), np.arange(3))],
        name="astype_of_int",
        covers=(),
        traced=(1,),
    ),
]

SMOOTH_REDUCTIONS = [
    case
    for function in (np.sum, np.prod)
    for case in cases(
        function,
        [
            row(normal(3)),
            row(normal(2, 3)),
            row(normal(2, 3), axis=0),
            row(normal(2, 3), axis=-1),
            row(normal()),
            row(0.5),
            row(normal(2, 3, 2), axis=(0, 2)),
            row(normal(2, 3, 2), axis=(-1, 0), keepdims=True),
            row(normal(2, 3), axis=()),
            row(normal(2, 3), keepdims=True),
            row(normal(2, 3), axis=1, keepdims=True),
            row(normal(3), initial=2.0),
            row(normal(2, 3), axis=0, initial=2.0),
            row(normal(2, 3), where=np.array([True, False, True])),
            row(normal(2, 3), axis=1, where=np.array([[True], [False]])),
            row(normal(2, 3), axis=0, where=False),
            row(normal(0)),
            row(normal(0, 3)),
            row(normal(0, 3), axis=0),
            row(normal(2, 0), axis=0),
            row(normal(2, 0), axis=1, initial=3.0),
            row(cnormal(3)),
            row(cnormal(2, 2), axis=0),
            row(normal(3), dtype=np.complex128),
            row(normal(1, 1, 1), axis=1),
            row([0.5, 1.5]),
            row(normal(2, 3), axis=1, initial=1.5, keepdims=True, where=np.array([True, False, False])),
        ],
    )
]

EXTREMES = [
    case
    for function in (np.max, np.min)
    for case in cases(
        function,
        [
            row(normal(3)),
            row(normal(2, 3)),
            row(normal(2, 3), axis=0),
            row(normal(2, 3), axis=-1),
            row(normal()),
            row(0.5),
            row(normal(2, 3, 2), axis=(0, 2)),
            row(normal(2, 3, 2), axis=(1,), keepdims=True),
            row(normal(2, 3), keepdims=True),
            row(normal(3), initial=0.1),
            row(normal(2, 3), axis=1, initial=0.1),
            row(normal(0), initial=1.0),
            row(normal(2, 3), where=np.array([True, False, True]), initial=-0.1),
            row(normal(2, 0), axis=0),
            row(normal(2, 3), axis=()),
            row(normal(2, 3), axis=1, where=np.array([[True], [False]]), initial=0.3),
            row(normal(2, 0), axis=1, initial=2.0),
        ],
        covers=(function, {np.max: np.amax, np.min: np.amin}[function]),
    )
]

TIES = [
    *cases(
        np.max,
        [(np.array([1.0, 1.0, 0.0]),), row(np.array([[1.0, 2.0], [1.0, 0.0]]), axis=0)],
        name="max_tie",
        skip=KINK,
    ),
    *cases(
        np.min,
        [(np.array([1.0, 1.0, 2.0]),), row(np.array([[1.0, 2.0], [1.0, 3.0]]), axis=0)],
        name="min_tie",
        skip=KINK,
    ),
    *cases(np.max, [(np.zeros(4),), row(np.ones((2, 3)), axis=1)], name="max_ties", skip=KINK3),
    *cases(
        np.max,
        [(np.array([1.0, np.nan, 2.0]),)],
        name="max_nan",
        skip={"numeric": "NaN", "second_order": "NaN"},
    ),
    *cases(
        np.prod,
        [
            (np.array([0.0, 2.0, 3.0]),),
            (np.array([0.0, 2.0, 0.0]),),
            row(np.array([[0.0, 2.0, 1.0], [0.0, 0.0, 3.0]]), axis=1),
            row(np.array([[0.0, 2.0], [0.0, 3.0]]), axis=0),
            (np.array([0.0, 0.0, 0.0]),),
            (np.array([0j, 1 + 1j]),),
        ],
        name="prod_zeros",
    ),
    *cases(
        np.cumprod,
        [
            (np.array([2.0, 0.0, 3.0, 1.5]),),
            (np.array([0.0, 2.0, 0.0, 1.0]),),
            row(np.array([[0.0, 2.0], [1.0, 0.0]]), axis=0),
            (np.zeros(3),),
        ],
        name="cumprod_zeros",
    ),
]

SCANS = [
    case
    for function in (np.cumsum, np.cumprod)
    for case in cases(
        function,
        [
            row(normal(4)),
            row(normal(2, 3)),
            row(normal(2, 3), axis=0),
            row(normal(2, 3), axis=-1),
            row(normal()),
            row(normal(0)),
            row(normal(2, 0), axis=1),
            row(normal(0, 2), axis=1),
            row(cnormal(3)),
            row(normal(2, 2, 2), axis=1),
            row(normal(3), dtype=complex),
        ],
    )
]

COUNTS = (
    [
        case
        for function in (np.argmax, np.argmin)
        for case in cases(
            function,
            [
                row(normal(4)),
                row(normal(2, 3)),
                row(normal(2, 3), axis=0),
                row(normal(2, 3), axis=-1, keepdims=True),
                row(normal(2, 3), keepdims=True),
                row(np.array([1.0, 1.0, 0.0, 0.0])),
                row(np.array([1.0, np.nan])),
            ],
            differentiable=False,
        )
    ]
    + [
        case
        for function in (np.any, np.all)
        for case in cases(
            function,
            [
                row(normal(4)),
                row(normal(2, 3), axis=0),
                row(np.zeros((2, 3)), axis=(0, 1), keepdims=True),
                row(normal(0)),
                row(normal(2, 3), axis=1, where=np.array([True, False, False])),
                row(normal()),
            ],
            differentiable=False,
        )
    ]
    + [
        *cases(
            lambda i: [
                np.sum(i),
                np.prod(i, axis=0),
                np.max(i),
                np.cumsum(i),
                np.any(i),
                np.argmax(i, axis=1),
            ],
            [
                (np.array([[1, 2], [3, 0]]),),
                (np.array([[True, False], [True, True]]),),
                (np.array([[1, 2], [3, 4]], np.int8),),
            ],
            name="reduce_int",
            covers=(),
            traced=(0,),
            differentiable=False,
        ),
        *cases(
            lambda x: [
                x.sum(),
                x.prod(axis=0),
                x.max(),
                x.min(axis=-1),
                x.cumsum(axis=0),
                x.cumprod(),
                x.argmax(),
                x.any(),
                x.all(axis=0),
            ],
            [(normal(3),), (normal(2, 2),)],
            name="reduction_methods",
            covers=(),
        ),
        *cases(
            lambda x: [
                np.add.reduce(x),
                np.multiply.reduce(x, axis=None),
                np.maximum.reduce(x, axis=-1),
                np.minimum.reduce(x),
                np.add.reduce(x, axis=0, keepdims=True),
            ],
            [(normal(3),), (normal(2, 2),)],
            name="ufunc_reduce",
            covers=(),
        ),
    ]
)


def methods_of_shape(x: Any) -> list[Any]:
    """Methods and attributes that rearrange."""
    return [
        x.reshape(3, 2),
        x.reshape((6,)),
        x.reshape(-1),
        x.ravel(),
        x.flatten(),
        x.T,
        x.mT,
        x.transpose(),
        x.transpose(1, 0),
        x.transpose((1, 0)),
        x.swapaxes(0, 1),
        x[None].squeeze(),
        x[None].squeeze(axis=0),
        x.reshape(2, 3, order="F"),
        x.ravel(order="F"),
    ]


SHAPES = [
    *cases(
        np.reshape,
        [
            row(normal(6), (2, 3)),
            row(normal(2, 3), 6),
            row(normal(2, 3), -1),
            row(normal(2, 3), (3, -1)),
            row(normal(), (1, 1)),
            row(normal(2, 3), (3, 2), order="F"),
            row(normal(0), (0, 3)),
            row(normal(1), ()),
            row(cnormal(4), (2, 2)),
            row(normal(2, 3), (3, 2), order="A"),
            row(0.5, (1,)),
        ],
    ),
    *cases(np.ravel, [row(normal(2, 3)), row(normal(2, 3), order="F"), row(normal())]),
    *cases(methods_of_shape, [(normal(2, 3),), (cnormal(2, 3),)], covers=()),
    *cases(
        np.transpose,
        [
            row(normal(2, 3)),
            row(normal(2, 1, 3), (2, 0, 1)),
            row(normal(2, 1, 3), axes=(-1, 0, 1)),
            row(normal(3)),
            row(normal()),
            row(normal(0, 2)),
        ],
        covers=(np.transpose, np.permute_dims),
    ),
    *cases(np.swapaxes, [row(normal(2, 3), 0, 1), row(normal(2, 1, 3), -1, 0), row(normal(2, 1, 3), 1, 1)]),
    *cases(
        np.moveaxis,
        [row(normal(2, 1, 3), 0, -1), row(normal(2, 1, 3), (0, 1), (-1, 0)), row(normal(2, 1, 3), [2], [0])],
    ),
    *cases(
        np.matrix_transpose,
        [(normal(2, 3),), (normal(2, 1, 3),)],
        covers=(np.matrix_transpose, np.linalg.matrix_transpose),
    ),
    *cases(np.expand_dims, [row(normal(3), 0), row(normal(3), -1), row(normal(2, 3), (0, 2)), row(normal(), 0)]),
    *cases(
        np.squeeze,
        [
            row(normal(1, 3, 1)),
            row(normal(1, 3, 1), 0),
            row(normal(1, 3, 1), axis=(0, -1)),
            row(normal(1, 0)),
            row(normal()),
        ],
    ),
    *cases(
        np.broadcast_to,
        [
            row(normal(3), (2, 3)),
            row(normal(1, 3), (2, 3)),
            row(normal(2, 1), (4, 2, 3)),
            row(normal(), (2,)),
            row(normal(3), 3),
            row(normal(1), (0,)),
            row(normal(1, 0), (2, 0)),
            row(0.5, (2, 1)),
        ],
    ),
    *cases(
        np.concatenate,
        [
            row([normal(2), normal(3)]),
            row((normal(2, 2), normal(1, 2))),
            row([normal(2, 1), normal(2, 2)], axis=1),
            row([normal(2, 1), normal(3)], axis=None),
            row([normal(2), cnormal(1)]),
            row([normal(0), normal(2)]),
            row([normal(2, 3)], axis=-1),
            row([normal(2), np.arange(2)]),
            row([normal(2), normal(2)], dtype=np.complex128),
        ],
    ),
    *cases(
        np.stack,
        [
            row([normal(2), normal(2)]),
            row([normal(2), normal(2), normal(2)], axis=1),
            row((normal(), normal())),
            row([normal(2, 1), normal(2, 1)], axis=-1),
            row([normal(2), cnormal(2)]),
            row([normal(2), np.arange(2)]),
            row([0.5, normal()]),
            row([normal(0), normal(0)]),
            row([normal(2), normal(2)], dtype=complex),
        ],
    ),
    *cases(
        np.result_type,
        [(normal(2), cnormal(2)), (normal(2), 1)],
        differentiable=False,
        skip=dict.fromkeys(LAWS, "returns a dtype, not an array"),
    ),
    *cases(
        lambda a, b: [
            np.stack([a, b]),
            np.array([a, b]) if isinstance(a, np.generic | float) else np.stack([a, b]),
        ],
        [(0.5, 1.5)],
        name="stack_scalars",
        covers=(),
    ),
]


def filled(x: Any) -> Any:
    """A buffer whose content says nothing until it is written."""
    y = np.empty_like(x)
    y[...] = x * 2.0
    y[:1] = 3.0
    return y


BUFFERS = cases(filled, [(normal(3),), (normal(2, 3),), (cnormal(2),)], covers=(np.empty_like,))


def at(*index: Any) -> Callable[[Any], Any]:
    """``x[index]`` for each index."""

    def function(x: Any) -> list[Any]:
        return [x[i] for i in index]

    return function


J, M = np.array([0, 1, 1]), np.array([[0, 1], [-1, 0]])

INDEXING = [
    *cases(
        at(
            0,
            -1,
            slice(None),
            slice(1, None),
            slice(None, None, -1),
            slice(None, None, 2),
            slice(3, 0, -2),
            slice(5, 2),
            slice(-2, None),
            Ellipsis,
            None,
            (None, 0),
            (Ellipsis, None),
            np.int64(2),
            slice(10, None),
            slice(None, -10, -1),
        ),
        [(normal(4),), (normal(4, 2),), (cnormal(4),)],
        name="basic",
        covers=(),
    ),
    *cases(
        at(
            (0, 1),
            (slice(None), 1),
            (1, slice(None, None, -1)),
            (Ellipsis, 0),
            (0, Ellipsis),
            (slice(None), None, 0),
            (Ellipsis, slice(1, None)),
            (slice(0, 0), slice(None)),
            (None, 0, None, 1, None),
            (slice(None, None, -1), slice(None, None, -2)),
        ),
        [(normal(2, 3),), (normal(2, 3, 2),)],
        name="basic_2d",
        covers=(),
    ),
    *cases(
        at((), Ellipsis, None, (None, Ellipsis)),
        [(normal(),), (normal(3),), (normal(0),)],
        name="basic_all",
        covers=(),
    ),
    *cases(
        at(
            J,
            M,
            [0, 2],
            [1, 1, 1],
            np.array([], int),
            np.array(1),
            [-1, 0],
            np.array([True, False, True, True]),
            M.astype(np.int8),
        ),
        [(normal(4),), (normal(4, 2),), (cnormal(4),)],
        name="arrays",
        covers=(),
    ),
    *cases(
        at(
            (J, J),
            (J, 0),
            (0, J),
            (slice(None), J),
            (J, slice(None)),
            (J[:, None], J),
            (Ellipsis, J),
            (None, J),
            (J, None),
            (M, slice(1, None)),
            (slice(None, None, -1), M),
            (np.array([True, False]), 1),
            (np.array([True, True]), J[:2]),
            np.array([[True, False, True], [False, False, True]]),
        ),
        [(normal(2, 3),), (normal(2, 3, 2),)],
        name="mixed",
        covers=(),
    ),
    *cases(
        at(
            (J, slice(None), J),
            (0, slice(None), J),
            (slice(None), J, J),
            (J, J),
            (slice(None), 0, J),
            (J, None, J),
            (Ellipsis, J, J),
            (slice(1), J[:, None], M[0]),
            (J, slice(None, None, -1), 1),
            (slice(None), M, slice(None)),
            (0, J, slice(None)),
        ),
        [(normal(2, 3, 2),)],
        name="mixed_3d",
        covers=(),
    ),
    *cases(
        lambda x, i: x[i],
        [(normal(4), J), (normal(4, 2), M), (normal(3), np.array(1)), (normal(3), np.array([], int))],
        name="traced_index",
        covers=(),
        traced=(1,),
        skip=PLAIN,
    ),
    *cases(
        lambda x, i: [x[:, i], x[i, ..., 0], x[i, i]],
        [(normal(2, 2), np.array([0, 1, 1])), (normal(3, 3), np.array([[-1, 2]]))],
        name="traced_mixed_index",
        covers=(),
        traced=(1,),
        skip=PLAIN,
    ),
    *cases(lambda x: x[np.argmax(x)], [(normal(4),)], name="index_by_own", covers=()),
    *cases(lambda x: x[0] * x[1] + x[0], [(normal(3),)], name="index_twice", covers=()),
]

CASES: list[Case] = [
    *COMPLEX,
    *SMOOTH_REDUCTIONS,
    *EXTREMES,
    *TIES,
    *SCANS,
    *COUNTS,
    *SHAPES,
    *BUFFERS,
    *INDEXING,
]
