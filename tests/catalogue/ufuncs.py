"""Ufuncs with keywords, and their methods."""

import numpy as np

from . import cases, cnormal, normal, positive, row

_MASK = np.array([[True, False, True], [False, True, True]])
_NANS = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.nan]])
_OF_NAN = dict.fromkeys(("numeric", "second_order"), "NaN has no difference")
_INTEGERS = np.array([[6, 3, 4], [9, 12, 2]])
_FLAGS = np.array([[True, False, True], [True, True, True]])


def method(ufunc, how, rows, **options):
    """Cases of ``ufunc.how``."""
    return cases(getattr(ufunc, how), rows, name=f"{ufunc.__name__}_{how}", covers=(ufunc,), **options)


_reduced = [
    *method(
        np.add,
        "reduce",
        [
            (normal(3),),
            row(normal(2, 3), axis=1),
            row(normal(2, 3), axis=None, keepdims=True),
            row(normal(2, 3), initial=2.0, where=_MASK),
            row(normal(0), initial=1.0),
            (normal(0, 2),),
            row(normal(2), axis=()),
            row(normal(2), dtype=np.complex128),
            (cnormal(3),),
        ],
    ),
    *method(np.multiply, "reduce", [(np.array([0.0, 2.0, -1.0]),), row(normal(2, 3), axis=(0, 1), where=_MASK)]),
    *method(
        np.subtract,
        "reduce",
        [(normal(4),), row(normal(2, 3), axis=1, initial=3.0), row(normal(2, 3), initial=1.0, where=_MASK)],
    ),
    *method(
        np.divide,
        "reduce",
        [
            (positive(4),),
            row(positive(2, 3), axis=-1, keepdims=True),
            row(positive(2, 3), initial=1.0, where=_MASK),
        ],
    ),
    # Two elements: NumPy's vector loops of power and arctan2 skip all but the first and the last of more.
    *method(np.power, "reduce", [(positive(2),)]),
    *method(np.arctan2, "reduce", [(positive(2, 2),)]),
    *method(
        np.hypot,
        "reduce",
        [
            (normal(5),),
            row(normal(2, 3), axis=(0, 1)),
            (normal(0),),
            (normal(1),),
            row(normal(2, 3), where=_MASK),
        ],
    ),
    *method(np.logaddexp, "reduce", [(normal(5),), row(normal(2, 3), axis=1), row(normal(2, 3), where=_MASK)]),
    *method(
        np.logaddexp,
        "reduce",
        [(normal(0),)],
        skip=dict.fromkeys(("numeric", "second_order"), "-inf has no difference"),
    ),
    *method(np.logaddexp2, "reduce", [(normal(3),), row(normal(2, 2), axis=None)]),
    *method(
        np.maximum,
        "reduce",
        [
            (normal(4),),
            row(normal(2, 3), axis=None),
            row(normal(2, 3), initial=0.1, where=_MASK),
            row(normal(0), initial=1.0),
        ],
    ),
    *method(np.minimum, "reduce", [(normal(4),), row(normal(2, 3), axis=1, keepdims=True)]),
    *method(
        np.fmax,
        "reduce",
        [
            (normal(4),),
            row(normal(2, 3), axis=None),
            (normal(1),),
            row(normal(2, 3), initial=0.1, where=_MASK),
        ],
    ),
    *method(np.fmin, "reduce", [(normal(4),), row(normal(2, 3), axis=1)]),
    *method(np.fmax, "reduce", [row(_NANS, axis=1), row(_NANS)], skip=_OF_NAN),
    *method(np.remainder, "reduce", [(np.array([7.3, 2.9, 0.8]),)]),
    *method(np.copysign, "reduce", [(np.array([1.5, -2.0, 0.5]),)]),
    *method(np.logical_and, "reduce", [(normal(3),), row(normal(2, 3), axis=None)], differentiable=False),
    *method(np.logical_or, "reduce", [(np.array([0.0, 1.0]),), row(normal(0))], differentiable=False),
    *method(
        np.logical_xor,
        "reduce",
        [(np.array([0.0, 1.0, 2.0]),), (np.array([2.0]),), (normal(0),)],
        differentiable=False,
    ),
    *method(np.bitwise_and, "reduce", [(_INTEGERS,), row(_INTEGERS, axis=None)], traced=(0,), differentiable=False),
    *method(np.bitwise_or, "reduce", [(_INTEGERS,)], traced=(0,), differentiable=False),
    *method(np.bitwise_xor, "reduce", [row(_INTEGERS, axis=1)], traced=(0,), differentiable=False),
    *method(np.gcd, "reduce", [(_INTEGERS,)], traced=(0,), differentiable=False),
    *method(np.lcm, "reduce", [row(_INTEGERS, axis=1)], traced=(0,), differentiable=False),
    *method(np.less, "reduce", [(_FLAGS,)], traced=(0,), differentiable=False),
]

_scanned = [
    *method(
        np.add,
        "accumulate",
        [(normal(4),), row(normal(2, 3), axis=1), (normal(0),), row(normal(3), dtype=np.complex128)],
    ),
    *method(np.multiply, "accumulate", [(np.array([2.0, 0.0, -1.0, 0.5]),)]),
    *method(np.subtract, "accumulate", [(normal(4),), row(normal(2, 3), axis=-1)]),
    *method(np.divide, "accumulate", [(positive(3),)]),
    *method(np.maximum, "accumulate", [(normal(5),), row(normal(2, 3), axis=1)]),
    *method(np.minimum, "accumulate", [(normal(5),)]),
    *method(np.logaddexp, "accumulate", [(normal(5),)]),
    *method(np.hypot, "accumulate", [(normal(3),), (normal(0, 2),)]),
    *method(np.logical_or, "accumulate", [(np.array([0.0, 2.0, 0.0]),), (normal(1),)], differentiable=False),
    *method(np.bitwise_xor, "accumulate", [(_INTEGERS,)], traced=(0,), differentiable=False),
]

_paired = [
    *method(np.add, "outer", [(normal(2), normal(3)), (normal(2, 2), 0.5), (normal(0), normal(2))]),
    *method(np.multiply, "outer", [(normal(2), cnormal(2)), row(normal(2), normal(2), dtype=np.complex128)]),
    *method(np.hypot, "outer", [(normal(2), normal(2))]),
    *method(np.divmod, "outer", [(positive(2), positive(2))]),
    *method(np.less, "outer", [(normal(2), normal(2))], differentiable=False),
    *method(
        np.add,
        "reduceat",
        [(normal(6), [0, 4, 1, 5]), row(normal(2, 3), np.array([0, 2]), axis=1), (normal(3), [])],
    ),
    *method(np.multiply, "reduceat", [(normal(4), [0, 2])]),
    *method(np.maximum, "reduceat", [(normal(4), [3, 1])]),
    *method(np.subtract, "reduceat", [(normal(4), [0, 1])]),
]

_called = [
    *cases(
        lambda x, y: np.add(x, y, dtype=np.complex128),
        [(normal(2), normal(2)), (normal(2), 1.5)],
        name="add_dtype",
        covers=(np.add,),
    ),
    *cases(
        lambda x: np.multiply(x, 3, dtype=float),
        [(np.arange(3),)],
        name="multiply_integers_dtype",
        covers=(np.multiply,),
        traced=(0,),
    ),
    *cases(
        lambda x: np.sin(x, dtype=np.float64, order="C", subok=False, casting="safe"),
        [(normal(2),)],
        name="sin_keywords",
        covers=(np.sin,),
    ),
    *cases(
        lambda x, y: np.add(x, y, signature="DD->D"),
        [(normal(2), normal(2))],
        name="add_signature",
        covers=(np.add,),
    ),
    *cases(
        lambda x, y: np.less(x, y, dtype=bool),
        [(normal(2), normal(2))],
        name="less_dtype",
        covers=(np.less,),
        differentiable=False,
    ),
]

_core = [
    *cases(
        lambda x, y: np.linalg.vecdot(x, y, axis=0),
        [(normal(3, 2), normal(3, 2)), (cnormal(2), cnormal(2))],
        name="linalg_vecdot",
        covers=(np.linalg.vecdot,),
    ),
    *cases(
        np.matmul,
        [
            row(normal(2, 3), normal(3, 4), axes=[(0, 1), (0, 1), (1, 0)]),
            row(normal(3, 2), normal(4, 3), axes=[(1, 0), (1, 0), (0, 1)]),
            row(normal(2, 3), normal(3, 2), dtype=np.complex128),
        ],
        name="matmul_axes",
        covers=(np.matmul,),
    ),
    *cases(
        np.vecdot,
        [
            (normal(3), normal(3)),
            (cnormal(2, 3), cnormal(3)),
            row(normal(3, 2), normal(3, 2), axis=0),
            row(normal(3, 2), normal(3, 1), axis=0, keepdims=True),
            row(normal(2, 3), normal(2, 3), keepdims=True),
            row(normal(3, 2), normal(2, 3), axes=[0, 1, ()]),
            (normal(2, 0), normal(2, 0)),
        ],
    ),
    *(
        [
            *cases(
                np.matvec,
                [
                    (normal(2, 3), normal(3)),
                    (cnormal(2, 2), cnormal(3, 2)),
                    row(normal(3, 2), normal(3), axes=[(1, 0), 0, 0]),
                ],
            ),
            *cases(
                np.vecmat,
                [
                    (normal(3), normal(3, 2)),
                    (cnormal(3, 2), cnormal(2, 2)),
                    row(normal(3), normal(2, 3), axes=[0, (1, 0), 0]),
                ],
            ),
        ]
        if hasattr(np, "matvec")
        else []
    ),
]

_PARTLY = np.array([-1.0, 0.0, 0.5, 2.1])

_stored = [
    *cases(
        lambda x: np.multiply(x, x, out=np.zeros_like(x)),
        [(normal(3),)],
        name="multiply_out",
        covers=(np.multiply,),
    ),
    *cases(
        lambda x: np.log(x, where=x > 0.1, out=np.zeros_like(x)),
        [(_PARTLY,)],
        name="log_where",
        covers=(np.log,),
    ),
    *cases(
        lambda x: np.sqrt(x, x * x, where=x > 0),
        [(_PARTLY,)],
        name="sqrt_where",
        covers=(np.sqrt,),
        skip=dict.fromkeys(("numeric", "second_order"), "a choice between pieces at 0"),
    ),
    *cases(
        lambda x: np.divide(2.0, x, where=x > 0.1, out=3 * x),
        [(_PARTLY,)],
        name="divide_where",
        covers=(np.divide,),
    ),
    *cases(
        lambda x: np.arccosh(x, where=x > 1, out=x.copy()),
        [(_PARTLY,)],
        name="arccosh_where",
        covers=(np.arccosh,),
    ),
    *cases(
        lambda x: np.divmod(x, 0.4, out=(np.zeros_like(x), np.zeros_like(x)), where=x > 0.1),
        [(_PARTLY,)],
        name="divmod_where",
        covers=(np.divmod,),
    ),
    *cases(
        lambda x: np.add.reduce(x, out=np.zeros_like(x[0])),
        [(normal(2, 3),)],
        name="reduce_out",
        covers=(np.add,),
    ),
    *cases(
        lambda x: np.add.accumulate(x, out=np.zeros_like(x)),
        [(normal(3),)],
        name="accumulate_out",
        covers=(np.add,),
    ),
    *cases(
        lambda x: np.add.reduceat(x, [0, 1], out=np.zeros_like(x)),
        [(normal(2),)],
        name="reduceat_out",
        covers=(np.add,),
    ),
    *cases(
        lambda x: np.add.outer(x, x, out=np.zeros((2, 2)) * x),
        [(normal(2),)],
        name="outer_out",
        covers=(np.add,),
    ),
]

CASES = [*_stored, *_reduced, *_scanned, *_paired, *_called, *_core]
