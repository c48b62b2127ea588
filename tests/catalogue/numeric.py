"""Numbers as they are stored, functions with removable singularities, and elementwise composites."""

import numpy as np

from autotrace.primitives import entire

from . import cases, cnormal, normal, positive, row, uniform

_ODD = np.array([np.nan, np.inf, -np.inf, 1.5, -0.0])
_NOT_FINITE = dict.fromkeys(("numeric", "second_order"), "NaN and infinities have no difference")
_ASKS = {"vmap": "asks for the value"}
_INTEGERS = np.array([12, 18, -7])
_AT_ZERO = np.array([0.0, 1e-9, 0.3, -1.7, 6.0])
_FAR = np.array([0.0, -0.5, 12.0, 29.0, 31.0])


def refuses_times(x):
    """Numbers are no times, traced or not."""
    try:
        np.isnat(x)
    except TypeError:
        return np.zeros(2)
    raise AssertionError("np.isnat took a number")


_representation = [
    *cases(refuses_times, [(normal(2),)], covers=(np.isnat,), differentiable=False),
    *cases(np.fabs, [(normal(3),), (-0.5,), (normal(0),)]),
    *cases(np.fabs, [(_INTEGERS,)], name="fabs_integers", traced=(0,)),
    *cases(np.ldexp, [(normal(3), np.array([1, -2, 0])), (normal(2, 2), 3), (0.5, [1, 2]), (normal(0), 1)]),
    *cases(np.ldexp, [(normal(3), np.array([1, -2, 0]))], name="ldexp_traced", traced=(1,)),
    *cases(np.frexp, [(normal(3),), (6.0,), (normal(2, 0),)]),
    *cases(np.frexp, [(np.array([0.0, np.inf, np.nan]),)], name="frexp_odd", skip=_NOT_FINITE),
    *cases(np.modf, [(normal(3),), (-2.5,), (normal(0),)]),
    *cases(np.modf, [(_ODD,)], name="modf_odd", skip=_NOT_FINITE),
    *cases(np.modf, [(_INTEGERS,)], name="modf_integers", traced=(0,)),
    *cases(np.spacing, [(normal(3),)], differentiable=False),
    *cases(np.bitwise_count, [(_INTEGERS,)], traced=(0,), differentiable=False),
    *cases(np.gcd, [(_INTEGERS, 6), (_INTEGERS, _INTEGERS[::-1])], traced=(0,), differentiable=False),
    *cases(np.lcm, [(_INTEGERS, np.array([[2], [3]]))], traced=(0, 1), differentiable=False),
    *cases(np.fix, [(normal(3),), (-2.5,)], differentiable=False),
    *cases(
        np.round,
        [
            (normal(3),),
            row(10 * normal(2, 2), decimals=1),
            (np.array([0.5, 1.5, -2.5]),),
            row(1.25, decimals=1),
            (cnormal(2),),
            (normal(0),),
        ],
        differentiable=False,
    ),
    *cases(np.round, [(_INTEGERS, -1)], name="round_integers", traced=(0,), differentiable=False),
    *cases(np.round, [(np.array([True, False]),)], name="round_bools", traced=(0,), differentiable=False),
    *cases(np.around, [(normal(3), 2)], differentiable=False),
    *cases(lambda x: x.round(1), [(normal(3),)], name="method_round", covers=(np.round,), differentiable=False),
    *cases(
        lambda x: round(x, 1),
        [(np.float64(0.26),)],
        name="python_round",
        covers=(np.round,),
        differentiable=False,
    ),
]

_entire = [
    *cases(np.i0, [(_FAR,), (normal(2, 2),), (0.5,), (normal(0),)]),
    *cases(lambda x: entire.bessel_i(1, x), [(_FAR,), (normal(2),)], name="bessel_i1", covers=()),
    *cases(lambda x: entire.bessel_i(3, x), [(_FAR,), (normal(2),)], name="bessel_i3", covers=()),
    *cases(np.i0, [(_INTEGERS,)], name="i0_integers", traced=(0,)),
    *cases(np.sinc, [(_AT_ZERO,), (normal(2, 2),), (0.0,), (normal(0),), (cnormal(3),)]),
    *cases(np.sinc, [(_INTEGERS,)], name="sinc_integers", traced=(0,)),
]

_composites = [
    *cases(np.angle, [(cnormal(3),), (normal(3),), row(cnormal(2), deg=True), (-1.5,), (cnormal(0),)]),
    *cases(
        np.angle,
        [(np.array([0j, 1.0, -1.0 + 0.5j]),)],
        name="angle_origin",
        skip=dict.fromkeys(("numeric", "second_order"), "a jump at the origin"),
    ),
    *cases(np.nan_to_num, [(normal(3),), (cnormal(2),), (0.5,), (normal(0),)]),
    *cases(
        np.nan_to_num,
        [
            (_ODD,),
            row(_ODD, nan=1.0, posinf=2.0, neginf=-3.0),
            (np.array([1 + 1j * np.nan, np.inf - 1j]),),
            row(_ODD, nan=np.arange(5.0)),
        ],
        name="nan_to_num_odd",
        skip=_NOT_FINITE,
    ),
    *cases(np.nan_to_num, [(_INTEGERS,)], name="nan_to_num_integers", traced=(0,)),
    *cases(np.real_if_close, [(normal(2),)]),
    *cases(np.real_if_close, [(cnormal(2),)], name="real_if_close_complex", skip=_ASKS),
    *cases(
        np.unwrap,
        [
            (np.array([0.1, 6.9, 14.2, 13.0]),),
            row(5 * normal(2, 3), axis=0),
            row(5 * normal(2, 3), axis=-2, discont=4.0),
            row(5 * normal(4), discont=1.0),
            row(4 * normal(4), period=3.0),
            (normal(1),),
            (normal(0),),
        ],
    ),
    *cases(np.unwrap, [row(np.array([0, 5, 11, 12, 18]), period=6)], name="unwrap_integers", traced=(0,)),
    *cases(np.float_power, [(positive(3), 2.5), (positive(2), normal(2, 2)), (cnormal(2), 1.5)]),
    *cases(np.float_power, [(_INTEGERS, 3)], name="float_power_integers", traced=(0,)),
    *cases(
        lambda x: np.astype(x, np.complex128),
        [(normal(2),)],
        name="astype",
        covers=(np.astype,),
        skip={"float32": "the dtype is asked for"},
    ),
]

_inside = [
    case
    for name in ("sqrt", "log", "log2", "log10", "arccos", "arcsin", "arctanh")
    for case in (
        *cases(getattr(np.emath, name), [(uniform(0.1, 0.9, 3),)], name=f"emath_{name}", skip=_ASKS),
        *cases(getattr(np.emath, name), [(cnormal(2),)], name=f"emath_{name}_complex"),
        *cases(
            getattr(np.emath, name),
            [(np.array([-1.5, 0.5, 2.0]),)],
            name=f"emath_{name}_outside",
            skip=_ASKS,
        ),
    )
]
_emath = [
    *_inside,
    *cases(np.emath.logn, [(positive(2), positive(2)), (2.0, cnormal(2))], skip=_ASKS),
    *cases(
        np.emath.power,
        [(positive(2), -2), (np.array([-1.5, 0.5]), 2.5), (positive(2), normal(2))],
        name="emath_power",
        skip=_ASKS,
    ),
]

_predicates = [
    *cases(
        np.isclose,
        [
            (normal(3), normal(3)),
            (np.array([1.0, 2.0]), np.array([1.0 + 1e-9, 2.1])),
            (_ODD, _ODD),
            row(_ODD, _ODD, equal_nan=True),
            (_ODD, np.array([np.inf, -np.inf, np.inf, 1.5, 0.0])),
            row(normal(2), normal(2), rtol=0.0, atol=2.0),
            (0.5, normal(2)),
            (cnormal(2), cnormal(2)),
            (normal(0), normal(0)),
        ],
        differentiable=False,
    ),
    *cases(np.isclose, [(_INTEGERS, _INTEGERS + 1)], name="isclose_integers", traced=(0, 1), differentiable=False),
    *cases(
        lambda a, b: np.allclose(a, b) & True,
        [(normal(2), normal(2)), (_ODD[1:], _ODD[1:])],
        name="allclose",
        covers=(np.allclose,),
        differentiable=False,
    ),
    *cases(
        lambda a, b: np.array_equal(a, b) & True,
        [(normal(2), normal(2)), (normal(2), normal(3))],
        name="array_equal",
        covers=(np.array_equal,),
        differentiable=False,
    ),
    *cases(
        lambda a: np.array_equal(a, a, equal_nan=True) & True,
        [(_ODD,)],
        name="array_equal_nan",
        covers=(np.array_equal,),
        differentiable=False,
    ),
    *cases(
        lambda a, b: np.array_equiv(a, b) & True,
        [(normal(2), normal(2, 2)), (np.ones(2), np.ones((2, 2)))],
        name="array_equiv",
        covers=(np.array_equiv,),
        differentiable=False,
    ),
    *cases(np.isreal, [(normal(2),), (np.array([1 + 0j, 1 + 1j]),)], differentiable=False),
    *cases(np.iscomplex, [(normal(2),), (np.array([1 + 0j, 1 + 1j]),)], differentiable=False),
    *cases(np.isposinf, [(_ODD,)], differentiable=False),
    *cases(np.isneginf, [(_ODD,)], differentiable=False),
]

CASES = [*_representation, *_entire, *_composites, *_emath, *_predicates]
