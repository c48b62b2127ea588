"""Structured control flow: cond, switch, while_loop, fori_loop, scan, map, associative_scan."""

import numpy as np

from autotrace import associative_scan, cond, fori_loop, scan, switch, while_loop
from autotrace import map as map_rows

from . import cases, cnormal, normal, positive, row, uniform


def either(x, limit=0.0):
    return cond(np.sum(np.real(x)) > limit, np.sin, lambda x: x * x, x)


def one_of(x, index=1):
    return switch(index, [np.sin, lambda x: x * x, lambda x: x + 0.5 * x[::-1]], x)


def doubled(x, limit=20.0):
    """x doubled until it is large: the number of runs depends on x, and stays near the sample."""
    return while_loop(lambda s: np.sum(np.abs(s[1])) < limit, lambda s: (s[0] + 1, 1.7 * s[1]), (0, x))


def powers(x, n=3):
    return fori_loop(0, n, lambda i, y: y * x + i, x)


def powers_counted(x, n):
    """The number of runs is traced."""
    return fori_loop(0, n, lambda i, y: y * x + i, x)


def recurrent(w, h, xs, reverse=False, unroll=1):
    return scan(lambda h, x: (np.tanh(w @ h + x), {"y": h * x}), h, xs, reverse=reverse, unroll=unroll)


def counted(x):
    return scan(lambda c, _: ((c[0] * x, None), c[0]), (x, None), length=3)


def rows(xs, batch_size=None):
    return map_rows(lambda x: np.sin(x) * np.sum(x), xs, batch_size=batch_size)


def affine(a, b, reverse=False, axis=0):
    return associative_scan(lambda p, q: (p[0] * q[0], p[1] * q[0] + q[1]), (a, b), reverse, axis)


CASES = [
    *cases(
        either,
        [(positive(3),), (-positive(2, 2),), (0.5,), (cnormal(2),), row(positive(2), limit=99.0)],
        covers=(cond,),
    ),
    *cases(
        one_of,
        [(normal(3),), row(normal(3), index=0), row(normal(3), index=7), row(normal(2), index=-1)],
        covers=(switch,),
    ),
    *cases(doubled, [(positive(3),), (0.8,), row(positive(2), limit=0.0)], covers=(while_loop,)),
    *cases(powers, [(normal(3),), (0.5,), row(normal(2), n=0), row(normal(2), n=1)], covers=(fori_loop,)),
    *cases(
        powers_counted,
        [(normal(2), np.int64(3)), (0.5, np.int64(0))],
        traced=(1,),
        covers=(fori_loop,),
        skip={"float32": "a counter of NumPy's is int64, and makes float64 of float32"},
    ),
    *cases(
        recurrent,
        [
            (normal(2, 2), normal(2), normal(4, 2)),
            row(normal(2, 2), normal(2), normal(3, 2), reverse=True),
            row(normal(2, 2), normal(2), normal(3, 2), unroll=2),
            row(normal(2, 2), normal(2), normal(2, 2), unroll=True),
            (normal(2, 2), normal(2), normal(0, 2)),
            (normal(2, 2), normal(2), normal(1, 2)),
        ],
        covers=(scan,),
    ),
    *cases(counted, [(normal(2),), (0.5,), (cnormal(2),)], covers=(scan,)),
    *cases(rows, [(normal(3, 2),), row(normal(3, 2), batch_size=2), (normal(1, 2),)], covers=(map_rows,)),
    *cases(
        affine,
        [
            (uniform(0.5, 1.0, 5), normal(5)),
            row(uniform(0.5, 1.0, 2, 4), normal(2, 4), axis=1, reverse=True),
            (uniform(0.5, 1.0, 1), normal(1)),
        ],
        covers=(associative_scan,),
    ),
]
