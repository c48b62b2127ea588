"""Linear algebra. Vectors that LAPACK may give any phase enter through functions that do not depend on it."""

import numpy as np

from . import cases, cnormal, normal, row, since


def _apart(n: int) -> np.ndarray:
    """A matrix whose eigenvalues and singular values are well apart, in any of its rolled copies."""
    return normal(n, n)


def _definite(x: np.ndarray) -> np.ndarray:
    return np.matmul(x, np.conj(x.mT)) + np.eye(x.shape[-2])


def _projector(v: np.ndarray) -> np.ndarray:
    return np.matmul(v, np.conj(v.mT))


# -- systems, inverses, determinants

_SYSTEMS = [
    (_apart(3), normal(3)),
    (_apart(3), normal(3, 2)),
    (normal(2, 3, 3), normal(3)),
    (normal(2, 3, 3), normal(2, 3, 1)),
    (_apart(3), normal(2, 3, 2)),
    (normal(2, 1, 2, 2), normal(3, 2, 2)),
    (cnormal(2, 2), normal(2)),
    (normal(2, 2), cnormal(2, 2)),
    (np.eye(2, dtype=int) * 2, normal(2)),
    (_apart(2), np.array([1, 2])),
    (normal(0, 0), normal(0)),
    (normal(2, 2), normal(2, 0)),
]
_SQUARES = [
    (_apart(3),),
    (normal(2, 2, 2),),
    (cnormal(3, 3),),
    (normal(1, 1),),
    (normal(0, 0),),
    (normal(0, 2, 2),),
]
_SINGULAR = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
_RANK_ONE = np.outer([1.0, 2.0, -1.0, 0.5], [1.0, -2.0, 3.0, 0.3])

SYSTEMS = [
    *cases(np.linalg.solve, _SYSTEMS),
    *cases(np.linalg.inv, _SQUARES),
    *cases(np.linalg.det, _SQUARES),
    *cases(
        np.linalg.det,
        [
            (_SINGULAR,),
            (_RANK_ONE,),
            (np.zeros((2, 2)),),
            (np.zeros((3, 3)),),
            (np.eye(3),),
            (np.ones((2, 2)) * 1j,),
        ],
        name="det_singular",
    ),
    *cases(np.linalg.slogdet, _SQUARES),
    *cases(
        lambda a, n: np.linalg.matrix_power(a, n),
        [(normal(3, 3), n) for n in (-2, -1, 0, 1, 2, 3, 5)] + [(cnormal(2, 2, 2), 6)],
        name="matrix_power",
        covers=(np.linalg.matrix_power,),
    ),
    *cases(np.linalg.tensorinv, [row(normal(2, 3, 6), ind=2), row(normal(4, 2, 2), ind=1)]),
    *cases(
        np.linalg.tensorsolve,
        [(normal(2, 3, 6), normal(2, 3)), row(normal(2, 6, 3), normal(2, 3), axes=(1,))],
    ),
]

# -- factorisations

_upper = row(cnormal(3, 3), upper=True)

FACTORISATIONS = [
    *cases(
        lambda x, upper=False: np.linalg.cholesky(_definite(x), upper=upper),
        [
            (_apart(3),),
            (normal(2, 2, 3),),
            (cnormal(3, 3),),
            row(normal(3, 3), upper=True),
            _upper,
            (normal(0, 0),),
        ],
        name="cholesky",
        covers=(np.linalg.cholesky,),
    ),
    *cases(
        lambda x: np.linalg.cholesky(_definite(x) + np.triu(x, 1)),
        [(_apart(3),)],
        name="cholesky_of_one_triangle",
        covers=(np.linalg.cholesky,),
    ),
    *cases(
        np.linalg.qr,
        [(x,) for x in (_apart(3), normal(4, 2), normal(2, 4), normal(2, 3, 2), cnormal(3, 2), cnormal(2, 3))]
        + [
            row(normal(4, 2), mode="complete"),
            row(cnormal(3, 1), mode="complete"),
            row(normal(2, 3), mode="complete"),
        ]
        + [row(normal(2, 4, 2), mode="complete"), row(normal(3, 2), mode="r"), row(cnormal(2, 3), mode="r")]
        + [(normal(0, 2),), (normal(3, 0),)],
    ),
    *cases(
        np.linalg.eigvalsh,
        [
            (_apart(3),),
            (normal(2, 3, 3),),
            (cnormal(3, 3),),
            row(normal(3, 3), UPLO="U"),
            row(cnormal(3, 3), UPLO="u"),
        ],
    ),
    *cases(np.linalg.eigvalsh, [(normal(0, 0),)], name="eigvalsh_empty"),
    *cases(np.linalg.eigh, [(_apart(3),), (normal(2, 2, 2),), row(normal(3, 3), UPLO="U"), (normal(0, 0),)]),
    *cases(
        lambda a: (np.linalg.eigh(a)[0], _projector(np.linalg.eigh(a)[1][..., :, :1])),
        [(cnormal(3, 3),), (cnormal(2, 2, 2),)],
        name="eigh_complex",
        covers=(np.linalg.eigh,),
    ),
    *cases(
        lambda a: np.matmul(
            np.linalg.eigh(a)[1] * np.exp(np.linalg.eigh(a)[0])[..., None, :],
            np.conj(np.linalg.eigh(a)[1].mT),
        ),
        [(cnormal(2, 2),), (normal(3, 3),)],
        name="eigh_function_of_a_matrix",
        covers=(np.linalg.eigh,),
    ),
    *cases(np.linalg.eig, [(cnormal(3, 3),), (cnormal(2, 2, 2),)]),
    *cases(np.linalg.eigvals, [(cnormal(3, 3),), (cnormal(2, 2, 2),)]),
    *cases(
        lambda a: [x + 0j for x in np.linalg.eig(a)],
        [
            (np.array([[0.0, 1.0, 0.3], [-1.0, 0.2, 0.5], [0.1, 0.4, 2.0]]),),
            (np.diag([1.0, 2.0]) + 0.1 * normal(2, 2),),
        ],
        name="eig_real",
        covers=(np.linalg.eig,),
    ),
    *cases(
        lambda a: np.linalg.eigvals(a) + 0j,
        [(np.array([[0.0, 1.0], [-1.0, 0.2]]),), (np.diag([1.0, 2.0]) + 0.1 * normal(2, 2),)],
        name="eigvals_real",
        covers=(np.linalg.eigvals,),
    ),
]

# -- singular values, least squares


def _rebuilt(a: np.ndarray, power: float = 1.5, full_matrices: bool = False) -> np.ndarray:
    """A function of u, s and vh together that no phase changes."""
    u, s, vh = np.linalg.svd(a, full_matrices=full_matrices)
    k = s.shape[-1]
    return np.matmul(u[..., :, :k] * (s**power)[..., None, :], vh[..., :k, :])


def _spans(a: np.ndarray) -> list[np.ndarray]:
    """Projectors on the leading and on the completing singular vectors."""
    u, s, vh = np.linalg.svd(a)
    k = s.shape[-1]
    return [_projector(x) for x in (u[..., :, :1], u[..., :, k:], vh.mT[..., :, :1], vh.mT[..., :, k:])]


_RECTANGLES = [
    (_apart(3),),
    (normal(4, 2),),
    (normal(2, 3),),
    (normal(2, 3, 2),),
    (cnormal(3, 2),),
    (cnormal(2, 3),),
]
_DEFICIENT = np.array([[1.0, 2.0], [2.0, 4.0], [-1.0, -2.0]])


def _low_rank(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.matmul(x, y)


SINGULAR_VALUES = [
    *cases(
        lambda a: np.linalg.svd(a, full_matrices=False),
        [(_apart(3),), (normal(4, 2),), (normal(2, 3),), (normal(2, 3, 2),)],
        name="svd",
        covers=(np.linalg.svd,),
    ),
    *cases(_rebuilt, _RECTANGLES, name="svd_rebuilt", covers=(np.linalg.svd,)),
    *cases(_spans, _RECTANGLES, name="svd_spans", covers=(np.linalg.svd,)),
    *cases(
        np.linalg.svd,
        [row(x, compute_uv=False) for (x,) in _RECTANGLES] + [row(normal(0, 2), compute_uv=False)],
        name="svd_values",
    ),
    *cases(
        lambda a: (np.linalg.svd(a, hermitian=True)[1], np.linalg.svd(a, compute_uv=False, hermitian=True)),
        [(_apart(3),), (cnormal(2, 2),), (normal(2, 2, 2),)],
        name="svd_hermitian",
        covers=(np.linalg.svd,),
    ),
    *cases(
        lambda a: np.matmul(
            np.linalg.svd(a, hermitian=True)[0] * np.linalg.svd(a, hermitian=True)[1][..., None, :] ** 2,
            np.linalg.svd(a, hermitian=True)[2],
        ),
        [(_apart(3),), (cnormal(2, 2),)],
        name="svd_hermitian_rebuilt",
        covers=(np.linalg.svd,),
    ),
    *cases(np.linalg.svdvals, [*_RECTANGLES, (normal(0, 3),)]),
    *cases(
        np.linalg.pinv,
        [
            *_RECTANGLES,
            row(normal(3, 2), rcond=0.001),
            row(normal(3, 2), rtol=0.0001),
            row(normal(2, 3), rtol=None),
            (normal(0, 2),),
            row(normal(3, 3), hermitian=True),
            row(cnormal(2, 2), hermitian=True),
            row(normal(2, 3, 2), rcond=np.array([1e-10, 1e-09])),
        ],
    ),
    *cases(
        lambda x, y: np.linalg.pinv(_low_rank(x, y)),
        [(normal(3, 1), normal(1, 2)), (cnormal(3, 2), cnormal(2, 4))],
        name="pinv_deficient",
        covers=(np.linalg.pinv,),
    ),
    *cases(
        np.linalg.lstsq,
        [
            (normal(4, 2), normal(4)),
            (normal(4, 2), normal(4, 3)),
            (normal(2, 2), normal(2)),
            (normal(2, 3), normal(2, 1)),
            (cnormal(3, 2), cnormal(3)),
            (normal(3, 2), cnormal(3)),
            row(normal(3, 2), normal(3), rcond=-1),
            row(normal(3, 2), normal(3), rcond=1e-8),
            (normal(3, 2), normal(3, 0)),
        ],
    ),
    *cases(
        lambda x, y, b: np.linalg.lstsq(_low_rank(x, y), b)[0],
        [(normal(4, 1), normal(1, 2), normal(4)), (cnormal(3, 1), cnormal(1, 2), normal(3, 2))],
        name="lstsq_deficient",
        covers=(np.linalg.lstsq,),
    ),
    *cases(
        np.linalg.matrix_rank,
        [
            (_apart(3),),
            (_DEFICIENT,),
            (normal(2, 3, 2),),
            (normal(3),),
            (np.zeros(2),),
            row(normal(3, 2), tol=1.0),
            row(normal(3, 2), rtol=0.5),
            row(normal(3, 3), hermitian=True),
            row(normal(2, 3, 2), tol=np.array([0.5, 1.0])),
        ],
        differentiable=False,
    ),
]

# -- norms

_ORDERS = (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
_POWERS = (None, 0, 1, -1, 2, 3, -2, 1.5, 0.5, np.inf, -np.inf, np.float64(2.5))

NORMS = [
    *cases(np.linalg.norm, [row(normal(4), ord=p) for p in _POWERS]),
    *cases(np.linalg.norm, [row(cnormal(4), ord=p) for p in _POWERS], name="norm_complex"),
    *cases(np.linalg.norm, [row(normal(2, 3), ord=p) for p in _ORDERS], name="norm_matrix"),
    *cases(np.linalg.norm, [row(cnormal(3, 2), ord=p) for p in _ORDERS], name="norm_complex_matrix"),
    *cases(
        np.linalg.norm,
        [row(normal(2, 3, 2), ord=p, axis=(2, 0), keepdims=True) for p in _ORDERS],
        name="norm_axes",
    ),
    *cases(np.linalg.norm, [row(normal(2, 3, 2), ord=p, axis=(0, -1)) for p in _ORDERS], name="norm_axes_2"),
    *cases(
        np.linalg.norm,
        [row(normal(2, 3), ord=p, axis=1, keepdims=k) for p in (None, 1, 3, np.inf) for k in (False, True)],
        name="norm_axis",
    ),
    *cases(
        np.linalg.norm,
        [row(normal(2, 2, 2)), row(normal(2, 2, 2), keepdims=True), (0.5,), (normal(0),), (normal(0, 2),)],
        name="norm_of_all",
    ),
    *cases(
        np.linalg.norm,
        [row(np.zeros(3), ord=p) for p in (None, 1, 2, 3, np.inf)]
        + [row(np.zeros((2, 2)), ord=p) for p in (None, "nuc", 1, 2, -2, np.inf)]
        + [row(np.array([0.0, 3.0, -4.0]), ord=p) for p in (1, -1, -np.inf)],
        name="norm_at_zero",
        skip={"second_order": "a kink"},
    ),
    *cases(
        np.linalg.norm,
        [
            row(np.ones((3, 3)), ord="nuc"),
            row(_DEFICIENT, ord="nuc"),
            row(np.outer([1.0, 2.0], [3.0, 1.0]), ord=-2),
        ],
        name="norm_deficient",
        skip=dict.fromkeys(("numeric", "second_order"), "a kink on whose sides the slopes differ in second order"),
    ),
    *cases(np.linalg.norm, [row(np.array([0.0, 1.5, -0.5]), ord=p) for p in (2, 4)], name="norm_zero_element"),
    *cases(
        np.linalg.norm,
        [row(np.array([2.0, -2.0, 1.0]), ord=np.inf), row(np.array([2.0, -1.0, 1.0]), ord=-np.inf)],
        name="norm_ties",
        skip={"second_order": "a kink"},
    ),
    *cases(
        np.linalg.vector_norm,
        [
            (normal(3),),
            row(normal(2, 3), axis=0),
            row(normal(2, 3, 2), axis=(0, 2), ord=3),
            row(normal(2, 3), keepdims=True),
            row(cnormal(2, 3), ord=1),
            row(normal(2, 3, 2), axis=(2, -3), keepdims=True, ord=np.inf),
            (0.5,),
        ],
    ),
    *cases(
        np.linalg.matrix_norm,
        [
            (normal(2, 3),),
            row(normal(2, 3, 2), keepdims=True),
            row(cnormal(3, 2), ord="nuc"),
            row(normal(2, 2, 3), ord=2),
        ],
    ),
    *cases(
        np.linalg.cond,
        [row(_apart(3), p=p) for p in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)]
        + [(normal(3, 2),), (cnormal(2, 3),), row(normal(2, 2, 2), p=1)]
        + [*since("2.3", row(cnormal(2, 2), p="fro"))],  # it was a complex number
    ),
    *cases(
        np.linalg.cond,
        [row(np.zeros((2, 2)), p=p) for p in (None, 1, -2)],
        name="cond_singular",
        skip=dict.fromkeys(("numeric", "second_order"), "infinite"),
    ),
]

# -- equal eigenvalues and singular values, where the function has a derivative

_EQUAL = [(np.eye(3),), (np.diag([1.0, 2.0, 2.0]),)]

EQUAL_VALUES = [
    *cases(
        lambda a: [
            np.linalg.eigvalsh(a).sum(),
            (np.linalg.eigvalsh(a) ** 3).sum(),
            np.prod(np.linalg.eigvalsh(a)),
        ],
        _EQUAL,
        name="eigvalsh_equal",
        covers=(np.linalg.eigvalsh,),
        skip={"second_order": "the eigenvalues' second derivative does not exist and is NaN"},
    ),
    *cases(
        lambda a: [np.linalg.svdvals(a).sum(), (np.linalg.svdvals(a) ** 3).sum(), np.linalg.norm(a, "nuc")],
        _EQUAL,
        name="svdvals_equal",
        covers=(np.linalg.svdvals,),
        skip={"second_order": "the singular values' second derivative does not exist and is NaN"},
    ),
    *cases(
        lambda a: np.linalg.eigvals(a + 0j).sum(),
        _EQUAL,
        name="eigvals_equal",
        covers=(np.linalg.eigvals,),
        skip={"second_order": "the eigenvalues' second derivative does not exist and is NaN"},
    ),
]

CASES = [*SYSTEMS, *FACTORISATIONS, *SINGULAR_VALUES, *NORMS, *EQUAL_VALUES]
