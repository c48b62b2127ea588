"""Special functions: SciPy's own ufuncs called on traced values, and those of autotrace.scipy.special.

Empty where SciPy is not installed: the rows need it.
"""

from typing import Any

import numpy as np

from . import Case, cases, cnormal, normal, row, uniform

try:
    from scipy.special import _ufuncs as sc

    import autotrace.scipy.special as asp
except ImportError:
    sc = None

SKIP_NUMERIC = {
    "numeric": "infinite or one-sided at an edge",
    "second_order": "infinite or one-sided at an edge",
    "transpose": "infinite derivatives: their products have no one value",
    "linearize": "infinite derivatives: their products have no one value",
}


def unary(
    function: Any, low: float, high: float, *, name: str | None = None, z: float = 0.0, **options: Any
) -> list[Case]:
    """A function smooth on (low, high); with ``z``, also on complex numbers with imaginary parts up to it."""
    name = name or function.__name__
    made = cases(
        function,
        [
            (uniform(low, high, 3),),
            (uniform(low, high, 2, 2),),
            (uniform(low, high),),
            (uniform(low, high, 0),),
        ],
        name=name,
        **options,
    )
    if z:
        sample = uniform(low, high, 3) + 1j * uniform(0.1 * z, z, 3)
        made += cases(function, [(sample,)], name=f"{name}_complex", **options)
    return made


def binary(function: Any, x: tuple[float, float], y: tuple[float, float], **options: Any) -> list[Case]:
    """A function of two real operands in the given ranges."""
    rows = [
        (uniform(*x, 3), uniform(*y, 3)),
        (uniform(*x, 2, 1), uniform(*y, 3)),
        (uniform(*x), uniform(*y, 2)),
        (float(uniform(*x)), uniform(*y, 2)),
        (uniform(*x, 0), uniform(*y, 1)),
    ]
    return cases(function, rows, **options)


def of_order(function: Any, orders: list[Any], low: float, high: float, z: float = 0.0, **options: Any) -> list[Case]:
    """A function of an order that carries no derivative, and an argument."""

    def at(x: Any, order: Any) -> Any:
        return function(order, x)

    rows = [row(uniform(low, high, 3), order=order) for order in orders]
    rows += [row(uniform(low, high), order=orders[0]), row(uniform(low, high, 0), order=orders[0])]
    if z:
        rows += [
            row(uniform(low, high, 2) + 1j * uniform(0.1 * z, z, 2), order=order)
            for order in orders
            if np.ndim(order) == 0
        ]
    return cases(at, rows, name=function.__name__, covers=(function,), **options)


def build() -> list[Case]:
    """All rows."""
    return [*gammas(), *errors(), *logarithms(), *bessels(), *integrals(), *sums()]


def gammas() -> list[Case]:
    """The gamma function and its relatives."""

    def incomplete(a: float) -> Any:
        return lambda x: sc.gammainc(a, x)

    return [
        *unary(sc.gamma, 0.5, 4),
        *cases(
            sc.gamma,
            [(uniform(0.5, 4, 3) + 0.3j,)],
            name="gamma_complex",
            skip={"second_order": "the derivative of psi is offered for real arguments"},
        ),
        *unary(sc.gamma, -0.8, -0.2, name="gamma_negative"),
        *unary(sc.gammaln, 0.5, 4),
        *unary(sc.gammaln, -0.8, -0.2, name="gammaln_negative"),
        *unary(sc.loggamma, 0.5, 4),
        *unary(sc.rgamma, 0.5, 4),
        *cases(
            sc.rgamma,
            [(np.array([0.0, -1.0, -2.0, -0.3]),)],
            name="rgamma_poles",
            skip={
                "second_order": "the second derivative at a pole of gamma is NaN: it is not offered",
                "vmap": "batches move poles",
            },
        ),
        *cases(sc.gammasgn, [(np.array([0.5, -0.5, -1.5]),)], differentiable=False),
        *unary(sc.psi, 0.5, 4),
        *unary(sc.psi, -1.8, -1.2, name="psi_negative"),
        *of_order(sc._zeta, [2.0, 3.5, np.array([2.0, 3.0, 4.5])], 0.5, 3),
        *cases(sc._riemann_zeta, [(np.array([2, 3]),)], traced=(0,), differentiable=False),
        *binary(sc.beta, (0.5, 3), (0.5, 3)),
        *binary(sc.betaln, (0.5, 3), (0.5, 3)),
        *binary(sc.poch, (0.5, 3), (0.5, 3)),
        *binary(sc.binom, (4, 6), (0.5, 3)),
        *of_order(sc.gammainc, [0.5, 1.0, 2.5, np.array([0.7, 3.0, 9.0])], 0.5, 4),
        *of_order(sc.stdtr, [1.0, 4.5], -2, 2),
        *of_order(sc.stdtrit, [1.0, 4.5], 0.1, 0.9),
        *of_order(sc.gammaincc, [0.5, 1.0, 2.5], 0.5, 4),
        *of_order(sc.gammaincinv, [0.5, 2.5], 0.1, 0.9),
        *of_order(sc.gammainccinv, [0.5, 2.5], 0.1, 0.9),
        *[
            case
            for function in (sc.betainc, sc.betaincc, sc.betaincinv)
            for case in cases(
                lambda x, a, b, function=function: function(a, b, x),
                [row(uniform(0.1, 0.9, 3), a=a, b=b) for a, b in ((0.5, 0.5), (2.0, 1.0), (1.0, 3.5))],
                name=function.__name__,
                covers=(function,),
            )
        ],
    ]


def errors() -> list[Case]:
    """Error functions and the normal distribution."""
    return [
        *unary(sc.erf, -2, 2, z=0.5),
        *unary(sc.erfc, -2, 2, z=0.5),
        *unary(sc.erfi, -1.5, 1.5, z=0.5),
        *unary(sc.erfcx, -1.5, 4, z=0.5),
        *cases(sc.erfcx, [(np.array([60.0, 300.0]),)], name="erfcx_far"),
        *unary(sc.dawsn, -3, 3, z=0.5),
        *cases(sc.dawsn, [(np.array([60.0, -300.0]),)], name="dawsn_far"),
        *unary(sc.wofz, -2, 2, z=0.5),
        *unary(sc.erfinv, -0.9, 0.9),
        *unary(sc.erfcinv, 0.1, 1.9),
        *unary(sc.ndtr, -3, 3, z=0.5),
        *unary(sc.ndtri, 0.1, 0.9),
        *unary(sc.ndtri_exp, -3, -0.1),
        *unary(sc.log_ndtr, -4, 3, z=0.5),
        *cases(sc.log_ndtr, [(np.array([-120.0, -300.0, 45.0]),)], name="log_ndtr_far"),
        *cases(sc.fresnel, [(uniform(-2, 2, 3),), (uniform(-2, 2),)]),
        *binary(sc.owens_t, (-2, 2), (-2, 2)),
    ]


def logarithms() -> list[Case]:
    """Logarithms, exponentials and entropies."""
    edge = np.array([0.0, 0.5])
    return [
        *unary(sc.expit, -3, 3),
        *cases(sc.expit, [(np.array([800.0, -800.0]),)], name="expit_far"),
        *unary(sc.log_expit, -3, 3),
        *cases(sc.log_expit, [(np.array([800.0, -800.0]),)], name="log_expit_far"),
        *unary(sc.logit, 0.1, 0.9),
        *binary(sc.xlogy, (-2, 2), (0.5, 3)),
        *binary(sc.xlog1py, (-2, 2), (-0.5, 3)),
        *cases(sc.xlogy, [(edge, edge), (0.0, np.array([0.0, 2.0]))], name="xlogy_zero", skip=SKIP_NUMERIC),
        *cases(sc.xlogy, [(np.array([0.0, 1.0]), np.array([2.0, 3.0]))], name="xlogy_zero_x"),
        *cases(sc.xlog1py, [(np.array([0.0, 1.0]), np.array([2.0, 3.0]))], name="xlog1py_zero_x"),
        *unary(sc.entr, 0.2, 3),
        *cases(sc.entr, [(edge,)], name="entr_zero", skip=SKIP_NUMERIC),
        *binary(sc.rel_entr, (0.2, 3), (0.2, 3)),
        *binary(sc.kl_div, (0.2, 3), (0.2, 3)),
        *unary(sc.log1p, -0.5, 3, z=0.5),
        *unary(sc.expm1, -2, 2, z=0.5),
        *unary(sc.exp2, -2, 2),
        *unary(sc.exp10, -2, 2),
        *unary(sc.cbrt, 0.5, 3),
        *unary(sc.cosm1, -2, 2),
        *unary(sc.sindg, -80, 80),
        *unary(sc.cosdg, -80, 80),
        *unary(sc.tandg, -80, 80),
        *unary(sc.cotdg, 10, 80),
        *unary(sc.exprel, -3, 3),
        *cases(sc.exprel, [(np.array([0.0, 1e-9, -1.5, 0.99]),)], name="exprel_near"),
        *binary(sc.powm1, (0.5, 3), (-2, 2)),
    ]


def bessels() -> list[Case]:
    """Bessel functions and their relatives."""
    entire = [sc.j0, sc.j1, sc.i0, sc.i1]
    second = [sc.y0, sc.y1, sc.k0, sc.k1, sc.k0e, sc.k1e]
    return [
        *[case for function in entire for case in unary(function, -3, 3)],
        *[case for function in entire for case in cases(function, [(np.zeros(1),)], name=f"{function.__name__}_zero")],
        *[
            case
            for function in (sc.i0e, sc.i1e)
            for case in (
                *unary(function, 0.3, 3),
                *unary(function, -3, -0.3, name=f"{function.__name__}_negative"),
            )
        ],
        *[case for function in second for case in unary(function, 0.5, 4)],
        *of_order(sc.jv, [0, 2, 0.5, np.array([1.0, 2.5, 0.0])], 0.5, 4, z=0.5),
        *of_order(sc.yv, [0, 2, 0.5], 0.5, 4, z=0.5),
        *of_order(sc.jve, [0.5], 0.5, 4),
        *of_order(sc.yve, [0.5], 0.5, 4),
        *of_order(sc.yn, [0, 2], 0.5, 4),
        *of_order(sc.kn, [0, 2, np.array([0, 1, 2])], 0.5, 4),
        *of_order(sc.iv, [0, 2, 0.5], 0.5, 4, z=0.5),
        *of_order(sc.ive, [0, 0.5], 0.5, 4),
        *of_order(sc.kv, [0, 2, 0.5], 0.5, 4, z=0.5),
        *of_order(sc.kve, [0, 0.5], 0.5, 4, z=0.5),
        *of_order(sc.hankel1, [0, 0.5], 0.5, 4, z=0.5),
        *of_order(sc.hankel2, [0, 0.5], 0.5, 4, z=0.5),
        *cases(sc.airy, [(uniform(-2, 2, 3),), (uniform(-2, 2),), (uniform(-2, 2, 2) + 0.3j,)]),
        *[
            case
            for function, raw in (
                (asp.spherical_jn, sc._spherical_jn),
                (asp.spherical_yn, sc._spherical_yn),
                (asp.spherical_in, sc._spherical_in),
                (asp.spherical_kn, sc._spherical_kn),
            )
            for case in cases(
                lambda x, n, function=function, **k: function(n, x, **k),
                [
                    row(uniform(0.5, 3, 3), n=0),
                    row(uniform(0.5, 3), n=2),
                    row(uniform(0.5, 3, 2), n=1, derivative=True),
                    row(uniform(0.5, 3, 2) + 0.3j, n=1),
                ],
                name=function.__name__,
                covers=(function, raw),
            )
        ],
        *cases(
            lambda x: asp.spherical_jn(np.array([1, 2, 3]), x),
            [(np.array([0.0, -1.5, -2.0]),)],
            name="spherical_jn_reflected",
        ),
    ]


def integrals() -> list[Case]:
    """Integrals, hypergeometric functions, Lambert's W."""
    return [
        *unary(sc.exp1, 0.5, 3),
        *unary(sc.expi, 0.5, 3),
        *of_order(sc.expn, [1, 2, 3, np.array([0, 1, 2])], 0.5, 3),
        *cases(sc.sici, [(uniform(0.5, 3, 3),), (uniform(0.5, 3),)]),
        *cases(lambda x: sc.sici(x)[0], [(np.array([0.0, -1.0, 1e-6]),)], name="si_zero"),
        *cases(sc.shichi, [(uniform(0.5, 3, 3),), (uniform(0.5, 3),)]),
        *unary(sc.spence, 0.5, 3),
        *cases(sc.spence, [(np.array([1.0, 1.01, 1.0 + 1e-8]),)], name="spence_one"),
        *unary(sc.ellipk, -2, 0.9),
        *cases(sc.ellipk, [(np.zeros(1),)], name="ellipk_zero"),
        *unary(sc.ellipe, -2, 0.9),
        *of_order(sc.hyp0f1, [1.5], -1, 1, z=0.5),
        *cases(
            lambda x: sc.hyp1f1(0.5, 1.5, x),
            [(normal(3),), (cnormal(2),)],
            name="hyp1f1",
            covers=(sc.hyp1f1,),
        ),
        *cases(lambda x: sc.hyperu(0.5, 1.5, x), [(uniform(0.5, 3, 3),)], name="hyperu", covers=(sc.hyperu,)),
        *cases(
            lambda x: sc.hyp2f1(0.5, 1.5, 2.5, x),
            [(uniform(-0.7, 0.7, 3),)],
            name="hyp2f1",
            covers=(sc.hyp2f1,),
        ),
        *cases(
            lambda x: asp.lambertw(x),
            [(uniform(0.2, 3, 3),), (np.zeros(1),), (uniform(0.2, 3, 2) + 0.3j,)],
            name="lambertw",
            covers=(sc._lambertw,),
        ),
        *cases(lambda x: asp.lambertw(x, -1), [(uniform(-0.3, -0.1, 3),)], name="lambertw_branch"),
        *unary(sc.wrightomega, -1, 2, z=0.5),
    ]


def sums() -> list[Case]:
    """Functions of whole arrays."""
    weights = np.array([1.0, 2.0, -0.5])
    return [
        *cases(
            asp.logsumexp,
            [
                (normal(3),),
                row(normal(2, 3), axis=1),
                row(normal(2, 3), axis=0, keepdims=True),
                (normal(),),
                row(normal(2, 3), axis=(0, 1)),
                row(np.array([1000.0, 1001.0])),
                row(np.array([0.0, -40.0])),
                row(normal(2, 3), axis=1, b=weights, return_sign=True),
                row(np.array([-np.inf, 0.0])),
                (np.zeros(3),),
                row(normal(3), b=np.array([1.0, 0.0, 2.0])),
                row(normal(2, 0), axis=0),
                (cnormal(3),),
            ],
        ),
        *cases(
            lambda a, b: asp.logsumexp(a, b=b, axis=0),
            [(normal(3), uniform(0.5, 2, 3)), (normal(2, 2), uniform(0.5, 2, 2))],
            name="logsumexp_weights",
        ),
        *cases(
            asp.softmax,
            [
                (normal(3),),
                row(normal(2, 3), axis=1),
                row(normal(2, 3), axis=(0, 1)),
                (np.array([1e3, 1.0]),),
            ],
        ),
        *cases(asp.log_softmax, [(normal(3),), row(normal(2, 3), axis=0), (np.array([1e3, 1.0]),)]),
        *cases(
            lambda x, n: asp.polygamma(n, x),
            [row(uniform(0.5, 3, 3), n=n) for n in (0, 1, 2, np.array([0, 1, 3]))] + [row(uniform(0.5, 3), n=1)],
            name="polygamma",
            skip={"float32": "polygamma of float32 is float64, as SciPy's"},
        ),
        *cases(
            lambda x, d: asp.multigammaln(x, d),
            [row(uniform(1.5, 4), d=1), row(uniform(1.5, 4, 2), d=3)],
            name="multigammaln",
        ),
    ]


CASES = build() if sc is not None else []
