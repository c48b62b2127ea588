"""Arrays that functions make for themselves, of traced values and to be written into."""

import numpy as np

import autotrace.numpy as anp

from . import cases, normal


def _written(make, *args, **kwargs):
    """A function that makes an array, adds a traced one to a part, and returns all of it."""

    def function(x):
        made = make(*args, **kwargs)
        made[..., 0] = x
        return made * x[0]

    return function


CASES = [
    *cases(lambda x, y: anp.array([x, [y, 1.0]]), [(normal(2), 0.5)], name="array", covers=(anp.array,)),
    *cases(lambda x: anp.array(x, ndmin=3) * x, [(normal(2, 2),)], name="array_ndmin", covers=(anp.array,)),
    *cases(lambda x, y: anp.asarray([x, y]), [(0.5, 1.5)], name="asarray", covers=(anp.asarray,)),
    *cases(
        lambda x, y: anp.asanyarray([[x], [y]]), [(normal(2), normal(2))], name="asanyarray", covers=(anp.asanyarray,)
    ),
    *cases(
        lambda x: anp.ascontiguousarray(x.T),
        [(normal(2, 3),)],
        name="ascontiguousarray",
        covers=(anp.ascontiguousarray,),
    ),
    *cases(lambda x: anp.full((2, 2), x), [(0.5,), (normal(2),)], name="full", covers=(anp.full,)),
    *cases(lambda x: x * anp.arange(3.0), [(normal(3),)], name="arange", covers=(anp.arange,)),
    *cases(_written(anp.zeros, (2, 3)), [(normal(2),)], name="zeros", covers=(anp.zeros,)),
    *cases(_written(anp.ones, (2, 3)), [(normal(2),)], name="ones", covers=(anp.ones,)),
    *cases(_written(anp.eye, 2, 3, 1), [(normal(2),)], name="eye", covers=(anp.eye,)),
    *cases(_written(anp.identity, 2), [(normal(2),)], name="identity", covers=(anp.identity,)),
    *cases(_written(anp.empty, (2, 1)), [(normal(2),)], name="empty", covers=(anp.empty,)),
    *cases(lambda x: _filled(x), [(normal(2),)], name="method_fill", covers=("fill",)),
    *cases(
        lambda x: anp.vectorize(lambda a, b: a * b if b > 0 else a)(x, 2.0),
        [(normal(3),)],
        name="vectorize",
        covers=(anp.vectorize,),
    ),
]


def _filled(x):
    made = np.ones_like(x)
    made.fill(x[1])
    return made * x
