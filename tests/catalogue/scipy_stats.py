"""Distributions of autotrace.scipy.stats. Empty where SciPy is not installed: the rows need it."""

from typing import Any

import numpy as np

from . import Case, cases, normal, row, uniform

try:
    import autotrace.scipy.stats as ass
except ImportError:
    ass = None  # type: ignore[assignment]

DENSITIES = {
    "norm": (-3, 3),
    "t": (-3, 3),
    "gamma": (0.3, 3),
    "chi2": (0.3, 3),
    "beta": (0.1, 0.9),
    "expon": (0.3, 3),
    "uniform": (0.1, 0.9),
    "laplace": (0.2, 3),
    "logistic": (-3, 3),
    "cauchy": (-3, 3),
    "pareto": (1.2, 4),
    "lognorm": (0.3, 3),
}
"""The name of each continuous distribution, and where to look at it."""
FIXED_IN_CDF = ("t", "gamma", "chi2", "beta")
"""Those whose distribution functions offer no derivative in their shapes."""


def build() -> list[Case]:
    """All rows."""
    made = []
    for name, (low, high) in DENSITIES.items():
        family = getattr(ass, name)
        shapes = [float(uniform(1.2, 3)) for _ in family.shapes]
        made += cases(
            family.logpdf,
            [
                (uniform(low, high, 2, 1), *shapes, uniform(-0.05, 0.05, 2), uniform(1.0, 1.1, 2)),
            ],
            name=f"{name}_logpdf",
        )
        made += cases(family.pdf, [(uniform(low, high, 2), *shapes)], name=f"{name}_pdf")
        logarithms = (
            ("logcdf", "logsf") if name in ("norm", "logistic", "lognorm", "expon", "pareto", "uniform") else ()
        )
        for method in ("cdf", "sf", "ppf", "isf", *logarithms):
            a, b = (0.1, 0.9) if method in ("ppf", "isf") else (low, high)
            rows: list[Any] = [(uniform(a, b, 3), uniform(-0.05, 0.05), uniform(1.0, 1.1))]
            if name in FIXED_IN_CDF:
                fixed = dict(zip(family.shapes, shapes, strict=True))
                made += cases(
                    located(getattr(family, method), fixed),
                    rows,
                    name=f"{name}_{method}",
                )
            else:
                rows = [(args[0], *shapes, *args[1:]) for args in rows]
                made += cases(getattr(family, method), rows, name=f"{name}_{method}")
    return [*made, *discrete(), *multivariate(), *edges()]


def located(method: Any, shapes: dict[str, float]) -> Any:
    """A method as a function of location and scale, its shapes being fixed."""
    return lambda x, loc, scale: method(x, loc=loc, scale=scale, **shapes)


def discrete() -> list[Case]:
    """Distributions on integers, as functions of their parameters."""
    counts = np.array([0, 1, 3, 7])
    made = []
    for name, shapes in (("poisson", ()), ("bernoulli", ()), ("geom", ()), ("binom", (6,))):
        family = getattr(ass, name)
        high = 3.0 if name == "poisson" else 0.9
        for method in ("logpmf", "pmf", "cdf", "sf"):
            made += cases(
                getattr(family, method),
                [(counts, *shapes, uniform(0.1, high)), (2, *shapes, uniform(0.1, high, 2))],
                name=f"{name}_{method}",
                skip={"numeric": "differences of -inf"} if method == "logpmf" else {},
            )
    return made


def multivariate() -> list[Case]:
    """Distributions of vectors."""
    mvn = ass.multivariate_normal

    def gram(x: Any) -> Any:
        return x @ x.T + 2 * np.eye(x.shape[0])

    return [
        *cases(
            lambda x, mean, a: mvn.logpdf(x, mean, gram(a)),
            [
                (normal(2), normal(2), normal(2, 2)),
                (normal(3, 2), normal(2), normal(2, 2)),
                (normal(2, 1, 2), normal(2), normal(2, 2)),
            ],
            name="multivariate_normal_logpdf",
        ),
        *cases(lambda x, a: mvn.pdf(x, cov=gram(a)), [(normal(2), normal(2, 2))], name="multivariate_normal_pdf"),
        *cases(
            mvn.logpdf,
            [
                (normal(3),),
                (normal(2), normal(2), 1.5),
                (normal(2), normal(2), uniform(0.5, 2, 2)),
                (normal(),),
            ],
            name="multivariate_normal_plain",
        ),
        *cases(
            lambda x, alpha: ass.dirichlet.logpdf(x / x.sum(axis=0), alpha),
            [
                (uniform(0.1, 1, 3), uniform(0.5, 3, 3)),
                (uniform(0.1, 1, 3, 2), uniform(0.5, 3, 3)),
            ],
            name="dirichlet_logpdf",
            skip={"float32": "numbers of single precision do not add up to 1 within the tolerance"},
        ),
        *cases(
            lambda x, alpha: ass.dirichlet.pdf(x, alpha),
            [(np.array([0.2, 0.3]), uniform(0.5, 3, 3))],
            name="dirichlet_pdf",
        ),
    ]


def edges() -> list[Case]:
    """Outside of the support, where densities are 0 with derivative 0."""
    return [
        *cases(
            lambda x, a: ass.gamma.logpdf(x, a),
            [(np.array([-1.0, 0.5]), 1.5)],
            name="gamma_outside",
            skip={"numeric": "differences of -inf"},
        ),
        *cases(
            lambda x: ass.gamma.pdf(x, 1.0),
            [(np.array([-1.0, 0.5, -np.inf, 3.0]),)],
            name="gamma_pdf_outside",
            skip={"numeric": "infinities", "second_order": "infinities"},
        ),
        *cases(lambda x: ass.uniform.cdf(x), [(np.array([-1.0, 0.5, 2.0]),)], name="uniform_outside"),
        *cases(
            lambda x: ass.lognorm.logpdf(x, 1.5),
            [(np.array([-1.0, 0.5]),)],
            name="lognorm_outside",
            skip={"numeric": "differences of -inf"},
        ),
        *cases(
            lambda q: ass.norm.ppf(q),
            [(np.array([-1.0, 0.5, 0.2, 2.0]),)],
            name="norm_ppf_outside",
            skip={"numeric": "differences of NaN"},
        ),
        *cases(
            lambda x, s: ass.norm.logpdf(x, 0.0, s),
            [row(normal(2), s=-1.0)],
            name="norm_invalid",
            differentiable=False,
            skip={"numeric": "NaN"},
        ),
    ]


CASES = build() if ass is not None else []
