"""Polynomials by their coefficients."""

import numpy as np

from . import cases, cnormal, normal, positive, row

_ASKS = {"vmap": "asks for the value"}

CASES = [
    *cases(np.polyadd, [(normal(3), normal(2)), (normal(2), normal(3)), (cnormal(2), 0.5)]),
    *cases(np.polysub, [(normal(3), normal(2)), (1.5, normal(3))]),
    *cases(np.polymul, [(normal(3), normal(2)), (2.0, normal(3)), (cnormal(2), normal(2))]),
    *cases(
        np.polymul,
        [(np.array([0.0, 0.0, 2.0, 1.0]), np.array([0.0, 1.5])), (np.zeros(2), normal(2))],
        name="polymul_zeros",
        skip=_ASKS | dict.fromkeys(("numeric", "second_order"), "a leading zero that moves changes the length"),
    ),
    *cases(
        np.polydiv,
        [
            (normal(4), normal(2)),
            (normal(2), normal(3)),
            (normal(3), normal(1)),
            (cnormal(3), normal(2)),
            (normal(2), normal(2)),
        ],
    ),
    *cases(
        np.polydiv,
        [(np.array([1.0, 3.0, 2.0]), np.array([1.0, 1.0]))],
        name="polydiv_exact",
        skip=_ASKS | dict.fromkeys(("numeric", "second_order"), "the length of the remainder jumps"),
    ),
    *cases(np.polyder, [(normal(4),), (normal(4), 2), row(normal(3), m=0), (normal(1),), (normal(2), 3)]),
    *cases(np.polyder, [(np.arange(4),)], name="polyder_integers", traced=(0,)),
    *cases(
        np.polyint,
        [
            (normal(3),),
            (normal(3), 2),
            row(normal(2), 2, k=[1, 2]),
            row(normal(2), m=0),
            row(normal(2), 2, 1.5),
        ],
    ),
    *cases(
        lambda p, k: np.polyint(p, 2, k),
        [(normal(2), normal(2)), (normal(2), 0.5)],
        name="polyint_constants",
        covers=(np.polyint,),
    ),
    *cases(
        np.polyval,
        [
            (normal(3), normal(2, 2)),
            (normal(3), 0.5),
            (normal(0), normal(2)),
            (cnormal(2), normal(2)),
            ([1.0, 2.0], normal(2)),
        ],
    ),
    *cases(np.polyval, [(normal(3), 2), (np.arange(3), 0.5)], name="polyval_integers"),
    *cases(np.poly, [(normal(3),), (normal(1),), (normal(0),)]),
    *cases(np.poly, [(cnormal(2),)], name="poly_complex", skip=_ASKS),
    *cases(
        np.poly,
        [(np.array([1 + 2j, 1 - 2j, 3.0]),)],
        name="poly_conjugate",
        skip=_ASKS | dict.fromkeys(("numeric", "second_order"), "real only while conjugate"),
    ),
    *cases(np.poly, [(normal(3, 3),)], name="poly_matrix", skip=_ASKS),
    *cases(np.roots, [(np.array([2.0, 1.0, 3.0]),), (cnormal(3),), (normal(1),)]),
    *cases(
        np.roots,
        [(np.array([1.0, -6.0, 11.0, -6.0]),), (np.array([2.0, -3.0]),)],
        name="roots_real",
        skip={"vmap": "of a batch they are complex"},
    ),
    *cases(
        np.roots,
        [(np.array([0.0, 1.0, -3.0, 2.0, 0.0]),)],
        name="roots_zeros",
        skip=_ASKS | dict.fromkeys(("numeric", "second_order"), "a zero that moves changes the length"),
    ),
    *cases(
        np.polyfit,
        [
            (normal(5), normal(5), 2),
            (normal(5), normal(5, 2), 1),
            row(normal(5), normal(5), 1, cov=True),
            row(normal(5), normal(5), 1, cov="unscaled"),
            (normal(3), normal(3), 0),
        ],
    ),
    *cases(
        lambda x, y, w: np.polyfit(x, y, 1, w=w),
        [(normal(5), normal(5), positive(5)), (normal(4), normal(4, 2), positive(4))],
        name="polyfit_weights",
        covers=(np.polyfit,),
    ),
    *cases(
        lambda x, y: np.polyfit(x, y, 1, full=True)[:2],
        [(normal(5), normal(5))],
        name="polyfit_full",
        covers=(np.polyfit,),
    ),
]
