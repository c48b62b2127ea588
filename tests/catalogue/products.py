"""Products built from contractions, convolution and covariance."""

import numpy as np

from . import cases, cnormal, normal, positive, row

CROSS = [
    *cases(
        np.cross,
        [
            (normal(3), normal(3)),
            (normal(2, 3), normal(3)),
            row(normal(3, 2), normal(3, 2), axis=0),
            row(normal(3, 2), normal(2, 3), axisa=0, axisc=0),
            (cnormal(3), normal(3)),
            (normal(0, 3), normal(3)),
        ],
    ),
    *cases(
        np.linalg.cross,
        [(normal(3), normal(2, 3)), row(normal(3, 2), normal(3, 2), axis=0)],
        name="linalg.cross",
    ),
]

PRODUCTS = [
    *cases(
        np.kron,
        [
            (normal(2), normal(3)),
            (normal(2, 1), normal(1, 3)),
            (normal(2, 2), normal(2)),
            (0.5, normal(2)),
            (cnormal(2), normal(1, 2, 1)),
            (normal(0), normal(2)),
        ],
    ),
    *cases(
        np.convolve,
        [
            (normal(4), normal(2)),
            (normal(2), normal(5)),
            (normal(4), normal(3), "same"),
            (normal(4), normal(2), "same"),
            (normal(2), normal(5), "same"),
            (normal(5), normal(2), "valid"),
            (normal(2), normal(4), "valid"),
            (normal(3), normal(3), "valid"),
            (0.5, normal(3)),
            (cnormal(3), normal(2)),
            (normal(3), cnormal(2), "same"),
        ],
    ),
    *cases(
        np.correlate,
        [
            (normal(4), normal(2)),
            (normal(2), normal(5)),
            (normal(4), normal(3), "same"),
            (normal(4), normal(2), "same"),
            (normal(2), normal(5), "same"),
            (normal(3), normal(4), "same"),
            (normal(2), normal(4), "same"),
            (normal(3), normal(5), "same"),
            (normal(1), normal(4), "same"),
            (normal(4), normal(6), "same"),
            (normal(5), normal(6), "same"),
            (normal(5), normal(2), "full"),
            (normal(2), normal(4), "full"),
            (cnormal(3), cnormal(2)),
            (cnormal(2), cnormal(3), "full"),
            (cnormal(2), cnormal(3), "same"),
            (cnormal(2), cnormal(3)),
        ],
    ),
    *cases(np.linalg.matmul, [(normal(2, 3), normal(3, 2)), (normal(2, 2, 3), normal(3))], name="linalg.matmul"),
    *cases(
        np.linalg.tensordot,
        [(normal(2, 3), normal(2, 3)), row(normal(2, 3), normal(3), axes=1)],
        name="linalg.tensordot",
    ),
    *cases(np.linalg.outer, [(normal(2), normal(3)), (cnormal(2), normal(2))], name="linalg.outer"),
    *cases(
        lambda *xs: np.linalg.multi_dot(xs),
        [
            (normal(2, 3), normal(3, 1), normal(1, 4)),
            (normal(2), normal(2, 3), normal(3, 2), normal(2)),
            (normal(2), normal(2)),
            (normal(2, 2), normal(2)),
            (cnormal(2, 2), normal(2, 2)),
        ],
        name="multi_dot",
        covers=(np.linalg.multi_dot,),
    ),
]

COVARIANCE = [
    *cases(
        np.cov,
        [
            (normal(2, 4),),
            (normal(4),),
            (normal(2, 3), normal(3)),
            (normal(2, 3), normal(1, 3)),
            row(normal(4, 2), rowvar=False),
            row(normal(3, 2), normal(3), rowvar=False),
            row(normal(2, 4), bias=True),
            row(normal(2, 4), ddof=0),
            row(normal(2, 4), fweights=np.array([1, 2, 1, 3])),
            row(normal(2, 4), aweights=np.array([0.5, 1.5, 1.0, 2.0])),
            row(normal(2, 4), aweights=np.array([0.5, 1.5, 1.0, 2.0]), fweights=np.array([1, 2, 1, 3]), ddof=0),
            (cnormal(2, 3),),
            (normal(0, 3),),
        ],
    ),
    *cases(
        lambda x, w: np.cov(x, aweights=w),
        [(normal(2, 4), positive(4))],
        name="cov_traced_weights",
        covers=(np.cov,),
    ),
    *cases(
        np.corrcoef,
        [
            (normal(2, 4),),
            (normal(3, 4),),
            (normal(2, 3), normal(3)),
            row(normal(4, 2), rowvar=False),
            (cnormal(2, 4),),
            (normal(4),),
        ],
    ),
]

CASES = [*CROSS, *PRODUCTS, *COVARIANCE]
