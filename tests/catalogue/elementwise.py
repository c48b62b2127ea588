"""Elementwise functions: arithmetic, powers, exponentials, trigonometry, comparison and choice."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import Case, cases, cnormal, normal, positive, row, since, uniform

INF, NAN = np.inf, np.nan

NO_LIMIT = {
    "numeric": "infinite derivatives: differences mean nothing there",
    "second_order": "infinite derivatives: differences mean nothing there",
    "transpose": "infinite derivatives: their products have no one value",
    "linearize": "infinite derivatives: their products have no one value",
}
KINK = {
    "numeric": "a kink: differences of the sides differ from the convention, tested in test_conventions",
    "second_order": "a kink of the derivative: differences cross it",
}


def unary(function: np.ufunc, low: float, high: float, complex_: bool = True, name: str | None = None) -> list[Case]:
    """A function smooth on (low, high), and on complex numbers near it."""

    def sample(*shape: int) -> np.ndarray:
        return uniform(low, high, *shape)

    name = name or function.__name__
    made = [
        *cases(
            function,
            [(sample(3),), (sample(2, 3),), (sample(),), (sample(0),), (sample(1, 0, 2),)],
            name=name,
        ),
        *cases(function, [(float(sample()),), (np.float64(sample()),)], name=f"{name}_scalar"),
    ]
    if complex_:
        made += cases(function, [(sample(3) + 1j * uniform(0.1, 0.6, 3),)], name=f"{name}_complex")
    return made


def ints(*values: int) -> np.ndarray:
    """Integers, which are traced but carry no derivative."""
    return np.array(values)


def binary(function: np.ufunc, draw: Callable[..., np.ndarray], complex_: bool = True) -> list[Case]:
    """A function of two operands, broadcast in every way."""
    rows = [
        (draw(3), draw(3)),
        (draw(2, 3), draw(3)),
        (draw(2, 1), draw(1, 3)),
        (draw(), draw(2)),
        (draw(2, 2), float(draw())),
        (float(draw()), draw(2)),
        (float(draw()), float(draw())),
        (draw(0), draw(1)),
        (draw(2, 1, 3), draw(4, 1)),
    ]
    made = cases(function, rows)
    if complex_:
        z = [(cnormal(3), cnormal(3)), (cnormal(2, 2), normal(2)), (normal(2), cnormal()), (1.5, cnormal(2))]
        made += cases(function, z, name=f"{function.__name__}_complex")
    return made


def clear(*shape: int) -> np.ndarray:
    """Numbers away from 0, of both signs."""
    x = normal(*shape)
    return np.where(x < 0, x - 0.5, x + 0.5)


def fractional(*shape: int) -> np.ndarray:
    """Numbers away from integers and halves, of both signs."""
    return np.floor(uniform(-4, 4, *shape)) + uniform(0.1, 0.4, *shape)


SMOOTH = [
    *unary(np.sin, -3, 3),
    *unary(np.cos, -3, 3),
    *unary(np.tan, -1.2, 1.2),
    *unary(np.arcsin, -0.9, 0.9),
    *unary(np.arccos, -0.9, 0.9),
    *unary(np.arctan, -3, 3),
    *unary(np.sinh, -2, 2),
    *unary(np.cosh, -2, 2),
    *unary(np.tanh, -2, 2),
    *unary(np.arcsinh, -2, 2),
    *unary(np.arccosh, 1.2, 4),
    *unary(np.arctanh, -0.8, 0.8),
    *unary(np.exp, -2, 2),
    *unary(np.exp2, -2, 2),
    *unary(np.expm1, -2, 2),
    *unary(np.log, 0.3, 4),
    *unary(np.log2, 0.3, 4),
    *unary(np.log10, 0.3, 4),
    *unary(np.log1p, -0.6, 4),
    *unary(np.sqrt, 0.3, 4),
    *unary(np.cbrt, 0.3, 4, complex_=False),
    *unary(np.square, -2, 2),
    *unary(np.reciprocal, 0.3, 3),
    *unary(np.negative, -2, 2),
    *unary(np.positive, -2, 2),
    *unary(np.absolute, 0.2, 2),
    *unary(np.absolute, -2, -0.2, name="absolute_negative"),
    *unary(np.fabs, -2, -0.2, complex_=False),
    *unary(np.sign, 0.2, 2),
    *unary(np.conjugate, -2, 2),
    *unary(np.deg2rad, -90, 90, complex_=False),
    *unary(np.rad2deg, -2, 2, complex_=False),
    *unary(np.radians, -90, 90, complex_=False),
    *unary(np.degrees, -2, 2, complex_=False),
    *binary(np.add, normal),
    *binary(np.subtract, normal),
    *binary(np.multiply, normal),
    *binary(np.divide, clear),
    *binary(np.remainder, fractional, complex_=False),
    *binary(np.fmod, fractional, complex_=False),
    *binary(np.power, positive),
    *binary(np.hypot, clear, complex_=False),
    *binary(np.copysign, clear, complex_=False),
    *binary(np.heaviside, clear, complex_=False),
    *binary(np.arctan2, clear, complex_=False),
    *binary(np.logaddexp, normal, complex_=False),
    *binary(np.logaddexp2, normal, complex_=False),
    *binary(np.maximum, normal, complex_=False),
    *binary(np.minimum, normal, complex_=False),
    *binary(np.fmax, normal, complex_=False),
    *binary(np.fmin, normal, complex_=False),
    *cases(np.maximum, [(ints(1, 4), np.array([1.5, 2.5]))], name="maximum_mixed"),
    *cases(np.divmod, [(fractional(3), fractional(3)), (fractional(2, 2), 0.75), (7.3, fractional(2))]),
]

STEPS = [
    case
    for function in (
        np.floor,
        np.ceil,
        np.trunc,
        np.rint,
        np.fix,
        np.signbit,
        np.isnan,
        np.isinf,
        np.isfinite,
        np.logical_not,
    )
    for case in cases(
        function,
        [(fractional(3),), (fractional(2, 2),), (fractional(),), (2.3,), (fractional(0),)],
        differentiable=False,
    )
] + [
    case
    for function in (
        np.equal,
        np.not_equal,
        np.less,
        np.less_equal,
        np.greater,
        np.greater_equal,
        np.logical_and,
        np.logical_or,
        np.logical_xor,
        np.floor_divide,
        np.nextafter,
    )
    for case in cases(
        function,
        [
            (fractional(3), fractional(3)),
            (fractional(2, 1), fractional(3)),
            (fractional(2), 1.3),
            (0.2, fractional(2)),
        ],
        differentiable=False,
    )
]

ON_INTEGERS = [
    case
    for function in (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.left_shift, np.right_shift)
    for case in cases(
        function,
        [(ints(1, 6, 3), ints(2, 1, 3)), (ints(5, 2), 1)],
        traced=(0, 1),
        differentiable=False,
        skip={"float32": "integers have one precision"},
    )
] + [
    *cases(np.invert, [(ints(1, -6, 3),), (np.array([True, False]),)], traced=(0,), differentiable=False),
    *cases(
        np.bitwise_and,
        [(np.array([True, False]), np.array([[True], [False]]))],
        name="and_bool",
        traced=(0, 1),
        differentiable=False,
    ),
    *cases(
        np.add,
        [(ints(1, 2), ints(3, 4)), (ints(1, 2), 3), (np.array([True, False]), ints(3, 4))],
        name="add_int",
        traced=(0, 1),
        differentiable=False,
    ),
    *cases(
        np.add,
        [(np.array([True, False]), np.array([True, True]))],
        name="add_bool",
        traced=(0, 1),
        differentiable=False,
    ),
    *cases(
        np.power,
        [(ints(-2, 3), ints(2, 3)), (ints(2, 3), 2)],
        name="power_int",
        traced=(0, 1),
        differentiable=False,
    ),
    *cases(np.divide, [(ints(1, 2), ints(3, 4))], name="divide_int", traced=(0, 1), differentiable=False),
    *cases(np.absolute, [(ints(-1, 2),)], name="absolute_int", traced=(0,), differentiable=False),
    *cases(np.sign, [(ints(-1, 2),)], name="sign_int", traced=(0,), differentiable=False),
    *cases(np.sin, [(ints(-1, 2),)], name="sin_int", traced=(0,), differentiable=False),
    *cases(np.floor, [(ints(-1, 2),)], name="floor_int", traced=(0,), differentiable=False),
    *cases(np.conjugate, [(ints(-1, 2),)], name="conjugate_int", traced=(0,), differentiable=False),
    *cases(
        np.multiply,
        [(ints(1, 2), normal(2)), (normal(2), np.array([True, False])), (np.array(3), normal(2))],
        name="multiply_mixed",
        traced=(0, 1),
    ),
    *cases(
        np.multiply,
        [(normal(3), 2), (2, normal(3)), (True, normal(2)), (normal(), 3)],
        name="multiply_by_int",
    ),
    *cases(
        np.multiply,
        [
            (normal(2).astype(np.float32), normal(2)),
            (normal(2).astype(np.float32), 1.5),
            (normal(2).astype(np.float32), cnormal(2)),
        ],
        name="multiply_widths",
        tolerance=2e-3,  # differences in single precision
        skip={"second_order": "differences in single precision say nothing"},
    ),
]


def operators(x: Any, y: Any) -> list[object]:
    """Python's arithmetic."""
    return [x + y, x - y, x * y, x / y, x % y, x // y, -x, +x, abs(x)]


def comparisons(x: Any, y: Any) -> list[object]:
    """Python's comparisons."""
    return [x < y, x <= y, x > y, x >= y, x == y, x != y]


def powers_of(*exponents: object) -> Callable[..., object]:
    """Powers with constant exponents."""

    def function(x: Any) -> list[object]:
        return [x**y for y in exponents]

    return function


POWERS = [
    *cases(
        powers_of(0, 1, 2, 3, -1, -2),
        [(clear(3),), (clear(),), (clear(0),), (cnormal(3),), (1.5,), (np.float64(-0.7),)],
        name="integer_pow",
        covers=(),
    ),
    *cases(
        # Before 2.3 a NumPy scalar of float64 left a float32 array as it was, against NEP 50.
        powers_of(2.0, 0.5, -1.5, 3.0, *since("2.3", np.float64(2), np.int64(2)), np.float32(2)),
        [(positive(3),), (positive(),)],
        name="float_pow",
        covers=(),
    ),
    *cases(
        powers_of(0, 1, 2, 3),
        [(np.array([0.0, 1.0, -1.0]),), (np.array(0.0),), (0.0,)],
        name="pow_at_zero",
        covers=(),
    ),
    *cases(powers_of(0.0, 1.0, 2.0, 3.0), [(np.array([0.0, 1.0, -1.0]),)], name="float_pow_at_zero", covers=()),
    *cases(
        np.power,
        [(np.array([-1.5, 2.0]), ints(2, 3)), (clear(2, 3), ints(0, 1, -2)), (clear(2), np.array(3))],
        name="power_int_array",
        traced=(1,),
    ),
    *cases(
        np.power,
        [row(np.array([0.0, 0.0, 0.0]), ints(1, 2, 3)), row(np.array([0.0, -1.0]), ints(0, 2))],
        name="power_int_array_at_zero",
        traced=(1,),
    ),
    *cases(lambda x: 2**x, [(normal(3),), (0.5,)], name="rpow", covers=(np.power,)),
    *cases(lambda x: 2.5**x, [(normal(3),), (cnormal(2),)], name="rpow_float", covers=(np.power,)),
    *cases(
        operators,
        [
            (fractional(3), fractional(3)),
            (fractional(2, 2), 1.3),
            (2.3, fractional(2)),
            (3, fractional(2)),
            (fractional(2), np.float64(1.2)),
            (np.float64(1.2), fractional(2)),
            (1.4, 0.3),
        ],
        name="operators",
        covers=(),
    ),
    *cases(
        comparisons,
        [(fractional(3), fractional(3)), (1.3, fractional(2)), (fractional(2), 2)],
        name="comparisons",
        covers=(),
        differentiable=False,
    ),
]

CHOICES = [
    *cases(
        np.where,
        [
            (np.array([True, False, True]), normal(3), normal(3)),
            (np.array([[True], [False]]), normal(3), normal(2, 1)),
            (True, normal(3), normal(3)),
            (np.array([True, False]), 0.0, normal(2)),
            (np.array([True, False]), normal(2), 0),
            (np.array([True, False]), 1.5, 2.5),
            (np.array([1, 0, 2]), normal(3), normal()),
            (np.array([True, False]), cnormal(2), normal(2)),
            (np.zeros((0, 2), bool), normal(2), normal(0, 2)),
        ],
        traced=(0,),
    ),
    *cases(
        lambda x: np.where(x > 0, x, x**2),
        [(normal(4),), (np.float64(0.5),), (-0.5,)],
        name="where_self",
        covers=(np.where,),
    ),
    *cases(
        lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0),
        [(normal(4),)],
        name="where_safe",
        covers=(np.where,),
    ),
    *cases(
        np.clip,
        [
            row(normal(4), -0.5, 0.5),
            row(normal(2, 3), normal(3) - 2, normal(3) + 2),
            row(normal(3), 0.1, None),
            row(normal(3), None, 0.1),
            *since(
                "2.1",  # which gave the keywords
                row(normal(3), min=-0.2),
                row(normal(3), max=0.2),
                row(normal(3), min=-0.1, max=0.1),
            ),
            row(0.7, 0.0, 0.5),
            row(normal(0), 0.0, 1.0),
            row(normal(3), 0, 1),
            row(normal(3), 0.5, -0.5),
        ],
    ),
]

EDGES = [
    *cases(np.log, [(np.array([0.0, 1.0, -1.0, INF, NAN]),)], name="log_edge", skip=NO_LIMIT),
    *cases(np.sqrt, [(np.array([0.0, 1.0, -1.0, INF]),)], name="sqrt_edge", skip=NO_LIMIT),
    *cases(np.divide, [(np.array([0.0, 1.0, INF]), np.array([0.0, 0.0, 2.0]))], name="divide_edge", skip=NO_LIMIT),
    *cases(np.exp, [(np.array([800.0, -800.0, -INF, NAN]),)], name="exp_edge", skip=NO_LIMIT),
    *cases(np.arcsin, [(np.array([1.0, -1.0, 2.0]),)], name="arcsin_edge", skip=NO_LIMIT),
    *cases(np.arccosh, [(np.array([1.0, 0.5]),)], name="arccosh_edge", skip=NO_LIMIT),
    *cases(np.arctanh, [(np.array([1.0, 2.0]),)], name="arctanh_edge", skip=NO_LIMIT),
    *cases(np.reciprocal, [(np.array([0.0, -0.0]),)], name="reciprocal_edge", skip=NO_LIMIT),
    *cases(np.power, [(np.array([0.0, -1.0, 0.0]), np.array([-1.0, 0.5, 0.0]))], name="power_edge", skip=NO_LIMIT),
    *cases(
        np.logaddexp,
        [(np.array([-INF, INF, 0.0]), np.array([-INF, INF, -INF]))],
        name="logaddexp_edge",
        skip=NO_LIMIT,
    ),
    *cases(np.maximum, [(np.array([NAN, 1.0]), np.array([1.0, NAN]))], name="maximum_nan", skip=NO_LIMIT),
    *cases(np.fmax, [(np.array([NAN, 1.0, 3.0]), np.array([1.0, NAN, 2.0]))], name="fmax_nan", skip=NO_LIMIT),
    *cases(np.remainder, [(np.array([1.0, 0.0]), np.array([0.0, 2.0]))], name="remainder_edge", skip=NO_LIMIT),
    *cases(
        np.floor_divide,
        [(np.array([1.0, 0.0]), np.array([0.0, 2.0]))],
        name="floor_divide_edge",
        differentiable=False,
    ),
    *cases(
        np.absolute,
        [(np.array([0.0, -0.0]),), (np.array([0j, 1j]),)],
        name="absolute_zero",
        skip={
            "second_order": "a kink of the derivative",
            "numeric": "a kink: the convention 0 is tested in test_conventions",
        },
    ),
    *cases(np.sign, [(np.array([0.0, 2.0]),)], name="sign_zero", skip=KINK),
    *cases(np.hypot, [(np.array([0.0, 3.0]), np.array([0.0, 4.0]))], name="hypot_zero", skip=KINK),
    *cases(np.arctan2, [(np.array([0.0, 3.0]), np.array([0.0, -4.0]))], name="arctan2_zero", skip=KINK),
    *cases(
        np.maximum,
        [(np.array([1.0, 2.0]), np.array([1.0, 2.0])), (np.array([0.0, 1.0]), 0.0)],
        name="maximum_tie",
        skip=KINK,
    ),
    *cases(np.clip, [(np.array([0.0, 1.0, 2.0]), 0.0, 1.0)], name="clip_edge", skip=KINK),
    *cases(np.tanh, [(np.array([30.0, -30.0, 400.0]),)], name="tanh_far"),
    *cases(np.logaddexp, [(np.array([700.0, -700.0]), np.array([-700.0, 700.0]))], name="logaddexp_far"),
    *cases(np.expm1, [(np.array([1e-9, -1e-12]),)], name="expm1_near"),
    *cases(
        np.hypot,
        [(np.array([3e200]), np.array([4e200]))],
        name="hypot_far",
        skip={
            "numeric": "steps vanish beside 1e200",
            "second_order": "steps vanish beside 1e200",
            "float32": "beyond single precision",
        },
    ),
]

CASES = [*SMOOTH, *STEPS, *ON_INTEGERS, *POWERS, *CHOICES, *EDGES]
