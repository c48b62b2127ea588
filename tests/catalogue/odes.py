"""Solutions of differential equations. The laws are to hold in all that ``odeint`` takes: states, times, arguments."""

import numpy as np

from autotrace import odeint

from . import cases, cnormal, normal, positive, row


def relaxed(y, t, rates):
    return rates * (np.cos(t) - y)


def pair(state, t, w):
    x, v = state
    return v, -w * w * x


def between(start, span):
    return start + span * np.array([0.0, 0.4, 1.0])


FINE = {"rtol": 1e-11, "atol": 1e-11}
ADJOINT = {
    "text": "a rule is a Python function, and is but a name in the text of a program",
    "transpose": "forward mode differentiates the steps, reverse mode solves another equation: equal within tolerances",
}

CASES = [
    *cases(
        lambda y, start, span, rates: odeint(relaxed, y, between(start, span), rates, **FINE),
        [row(normal(2), 0.3, 1.0, positive(2)), row(0.5, 1.0, -0.8, 1.5)],
        name="odeint",
        covers=(odeint,),
    ),
    *cases(
        lambda x, v, w: odeint(pair, (x, v), np.array([0.0, 0.4, 1.0]), w, **FINE),
        [row(0.3, 1.0, 2.0)],
        name="odeint_tree",
        covers=(odeint,),
    ),
    *cases(
        lambda y, rate: odeint(lambda y, t: -rate * y, y, np.array([0.0, 0.5]), **FINE),
        [row(cnormal(2), 0.7 + 0.2j)],
        name="odeint_complex",
        covers=(odeint,),
    ),
    *cases(
        lambda y, start, span, rates: odeint(relaxed, y, between(start, span), rates, gradient="adjoint", **FINE),
        [row(normal(2), 0.3, 1.0, positive(2))],
        name="odeint_adjoint",
        covers=(odeint,),
        skip=ADJOINT,
    ),
]
