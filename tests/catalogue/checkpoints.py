"""Functions that are computed again on the way back, and calls of plain Python with rules of their own."""

import numpy as np

from autotrace import (
    ShapeDtypeStruct,
    checkpoint,
    checkpoint_name,
    checkpoint_policies,
    checkpointed_scan,
    custom_jvp,
    pure_callback,
)

from . import cases, normal, row

TEXT = {"text": "policies and callbacks are Python functions, and but names in the text of a program"}


def layers(w, x):
    h = checkpoint_name(np.tanh(x @ w), "hidden")
    return {"h": np.sin(h) * h, "none": None}


kept = checkpoint(layers)
kept_by_policy = checkpoint(layers, policy=checkpoint_policies.save_only_these_names("hidden"))


def twice(x, n=2):
    return checkpoint(lambda x, n: checkpoint(np.sin)(x) ** n)(x, n)


def long_loop(x, xs, levels=2, reverse=False):
    def step(c, x):
        return np.sin(c) + x, c * x

    return checkpointed_scan(step, x, xs, levels=levels, reverse=reverse)


def named(x):
    return checkpoint_name({"x": x * x}, "square")


@custom_jvp
def host_sin(x):
    return pure_callback(np.sin, ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="broadcast_all")


@host_sin.defjvp
def host_sin_jvp(primals, tangents):
    return host_sin(*primals), np.cos(primals[0]) * tangents[0]


CASES = [
    *cases(kept, [(normal(3, 2), normal(4, 3))], covers=(checkpoint,)),
    *cases(kept_by_policy, [(normal(3, 2), normal(4, 3))], name="by_policy", skip=TEXT, covers=(checkpoint_policies,)),
    *cases(twice, [(normal(3),), row(0.5, n=3)]),
    *cases(host_sin, [(normal(3),), (normal(2, 2),)], skip=TEXT, covers=(pure_callback,)),
    *cases(named, [(normal(3),)], covers=(checkpoint_name,)),
    *cases(
        long_loop,
        [
            (normal(2), normal(5, 2)),
            row(normal(2), normal(7, 2), levels=3, reverse=True),
            row(normal(2), normal(7, 2), levels=None),
        ],
        covers=(checkpointed_scan,),
    ),
]
