"""Linear algebra of autotrace.scipy.linalg. Empty where SciPy is not installed: the rows need it."""

from typing import Any

import numpy as np

from . import Case, cases, cnormal, normal, row

try:
    import autotrace.scipy.linalg as asl
except ImportError:
    asl = None  # type: ignore[assignment]


def dominant(n: int, draw: Any = normal, stack: tuple[int, ...] = ()) -> np.ndarray:
    """Well-conditioned matrices."""
    return np.asarray(draw(*stack, n, n) + 3 * np.eye(n))


def definite(n: int, draw: Any = normal, stack: tuple[int, ...] = ()) -> np.ndarray:
    """Positive definite matrices."""
    x = draw(*stack, n, n)
    return np.asarray(x @ np.conj(x.swapaxes(-1, -2)) + n * np.eye(n))


def gram(x: Any) -> Any:
    """A positive definite matrix for any x, so that the batches of the laws keep what the functions need."""
    return x @ np.conj(x).mT + x.shape[-1] * np.eye(x.shape[-1])


def build() -> list[Case]:
    """All rows."""
    return [*solving(), *factoring(), *functions(), *building()]


def solving() -> list[Case]:
    """Systems with structure."""
    tri = asl.solve_triangular
    structures = (
        "sym",
        "her",
        "pos",
        "diagonal",
        "tridiagonal",
        "upper triangular",
        "lower triangular",
        "gen",
        "banded",
    )
    return [
        *cases(
            tri,
            [
                (dominant(3), normal(3)),
                row(dominant(3), normal(3, 2), lower=True),
                row(dominant(3), normal(3, 2), lower=True, trans=1),
                row(dominant(2), normal(2), trans="T", unit_diagonal=True),
                row(dominant(3, cnormal), cnormal(3), trans=2),
                (dominant(2, stack=(2,)), normal(2, 1)),
                (dominant(2), normal(2, 0)),
                row(dominant(2), cnormal(2), lower=True, unit_diagonal=True),
            ],
        ),
        *cases(
            asl.solve,
            [
                (dominant(3), normal(3)),
                (dominant(2, stack=(2,)), normal(2, 1)),
                row(dominant(3), normal(3, 2), transposed=True),
                *[row(definite(3), normal(3), assume_a=kind) for kind in structures],
                row(definite(3), normal(3), assume_a="pos", lower=True),
                row(definite(3, cnormal), cnormal(3), assume_a="sym"),
            ],
        ),
        *cases(asl.inv, [(dominant(3),), row(definite(3), assume_a="pos"), (dominant(2, stack=(2,)),)]),
        *cases(asl.pinv, [(normal(3, 2),), row(normal(2, 3), rtol=1e-9)]),
        *cases(
            lambda x, b, lower: asl.cho_solve(asl.cho_factor(gram(x), lower), b),
            [
                row(normal(3, 3), normal(3), lower=True),
                row(normal(3, 3), normal(3, 2), lower=False),
                row(cnormal(2, 2), cnormal(2), lower=True),
                row(normal(2, 2, 2), normal(2, 1), lower=True),
            ],
            name="cho_solve",
        ),
        *cases(
            asl.solve_sylvester,
            [(dominant(3), dominant(2), normal(3, 2)), (dominant(2, cnormal), dominant(2), cnormal(2, 2))],
        ),
    ]


def factoring() -> list[Case]:
    """Factorisations."""
    return [
        *cases(
            asl.lu,
            [
                (normal(3, 3),),
                (normal(3, 2),),
                (normal(2, 3),),
                (cnormal(2, 2),),
                row(normal(3, 3), permute_l=True),
                row(normal(2, 3, 3), p_indices=True),
                (normal(0, 0),),
            ],
        ),
        *cases(asl.lu_factor, [(normal(3, 3),), (cnormal(2, 2),), (normal(3, 2),), (normal(2, 3),)]),
        *cases(
            lambda a, b, trans: asl.lu_solve(asl.lu_factor(a), b, trans),
            [
                row(normal(3, 3), normal(3), trans=0),
                row(normal(3, 3), normal(3, 2), trans=1),
                row(cnormal(3, 3), cnormal(3), trans=2),
            ],
            name="lu_solve",
        ),
        *cases(
            lambda x, **k: asl.cholesky(gram(x), **k),
            [(normal(3, 3),), row(normal(3, 3), lower=True), (cnormal(2, 2),)],
            name="cholesky",
        ),
        *cases(asl.qr, [(normal(3, 2),), row(normal(3, 3), mode="economic"), row(normal(2, 3), mode="r")]),
        *cases(asl.svdvals, [(normal(3, 2),)]),
        *cases(lambda a: asl.svd(a, full_matrices=False), [(normal(3, 2),)], name="svd"),
        *cases(
            asl.eigh,
            [
                (normal(3, 3),),
                row(normal(3, 3), lower=False),
                row(normal(3, 3), eigvals_only=True),
                row(normal(3, 3), subset_by_index=(1, 2)),
            ],
        ),
        *cases(
            lambda a, x, **k: asl.eigh(a, gram(x), **k),
            [
                (normal(3, 3), normal(3, 3)),
                row(normal(3, 3), normal(3, 3), type=2, lower=False),
                row(normal(3, 3), normal(3, 3), type=3),
            ],
            name="eigh_pencil",
        ),
        *cases(asl.eigvalsh, [(normal(3, 3),)]),
        *cases(lambda a, x: asl.eigvalsh(a, gram(x)), [(cnormal(2, 2), cnormal(2, 2))], name="eigvalsh_pencil"),
        *cases(asl.det, [(normal(3, 3),), (normal(2, 2, 2),)]),
        *cases(asl.norm, [(normal(3),), row(normal(2, 3), ord=1), row(normal(2, 3), axis=0, keepdims=True)]),
    ]


def functions() -> list[Case]:
    """Functions of matrices."""
    return [
        *cases(
            asl.expm,
            [(normal(3, 3),), (cnormal(2, 2),), (normal(2, 2, 2),), (np.diag([1.0, 1.0]),), (normal(0, 0),)],
        ),
        *cases(asl.sqrtm, [(dominant(2, cnormal),)]),
        *cases(asl.logm, [(dominant(2, cnormal),)]),
        *cases(lambda x: asl.sqrtm(gram(x)), [(normal(3, 3),), (normal(2, 2, 2),)], name="sqrtm_real"),
        *cases(lambda x: asl.logm(gram(x)), [(normal(3, 3),)], name="logm_real"),
        *cases(
            asl.expm_frechet,
            [(normal(2, 2), normal(2, 2)), row(normal(2, 2), normal(2, 2), compute_expm=False)],
        ),
        *cases(asl.cosm, [(normal(2, 2),), (cnormal(2, 2),)]),
        *cases(asl.sinm, [(normal(2, 2),), (cnormal(2, 2),)]),
        *cases(asl.coshm, [(normal(2, 2),)]),
        *cases(asl.sinhm, [(normal(2, 2),)]),
    ]


def building() -> list[Case]:
    """Matrices of vectors and blocks."""
    return [
        *cases(
            asl.block_diag,
            [
                (normal(2, 2), normal(1, 3)),
                (normal(2), 1.5),
                (normal(2, 2, 1), normal(2, 2)),
                (cnormal(1, 1), normal(2, 2)),
            ],
        ),
        *cases(asl.toeplitz, [(normal(3),), (normal(3), normal(2)), (cnormal(3),), (normal(2, 3),)]),
        *cases(asl.hankel, [(normal(3),), (normal(3), normal(2))]),
        *cases(asl.circulant, [(normal(3),), (normal(2, 3),)]),
    ]


CASES = build() if asl is not None else []
