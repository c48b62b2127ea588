"""Methods of arrays, and bits."""

import numpy as np

from . import cases, normal, row

BYTES = np.array([[5, 130, 7], [255, 0, 64]], np.uint8)
BITS = np.array([[True, False, True], [False, True, True]])
WEAK = {"float32": "NumPy gives a Python float, of double precision: so do we, in its dtype"}

CASES = [
    *cases(
        lambda x: x.item() * np.ones(2), [(normal(1, 1),), (np.float64(0.5),)], name="method_item", covers=("item",)
    ),
    *cases(
        lambda x: np.stack([x.item(1), x.item((0, -1)), x.item(1, 0)]),
        [(normal(2, 3),)],
        name="method_item_index",
        covers=("item",),
        skip=WEAK,
    ),
    *cases(lambda x: np.array(x.tolist()).T, [(normal(2, 3),)], name="method_tolist", covers=("tolist",), skip=WEAK),
    *cases(lambda x: x.clip(-0.5, 0.5), [(normal(3),)], name="method_clip", covers=(np.clip,)),
    *cases(lambda x: x.clip(max=0.5), [(normal(2, 2),)], name="method_clip_max", covers=(np.clip,)),
    *cases(np.clip, [row(normal(3), 0.0, 1.0, dtype=np.float64)], name="clip_dtype"),
    *cases(lambda x: x.view() * x, [(normal(3),)], name="method_view", covers=("view",)),
    *cases(
        np.packbits,
        [(BITS,), row(BITS, axis=1), row(BITS, axis=0, bitorder="little"), (np.arange(10),), (np.array(True),)],
        traced=(0,),
        differentiable=False,
    ),
    *cases(
        np.unpackbits,
        [
            (BYTES,),
            row(BYTES, axis=1),
            row(BYTES, axis=0, bitorder="little"),
            row(BYTES, axis=1, count=10),
            row(BYTES, axis=1, count=-3),
            row(BYTES, axis=1, count=30),
        ],
        traced=(0,),
        differentiable=False,
    ),
    *cases(
        lambda x: np.ones(2) * np.min_scalar_type(x).itemsize * x,
        [(normal(2),)],
        name="min_scalar_type",
        covers=(np.min_scalar_type,),
        skip={"float32": "the value depends on the dtype"},
    ),
]
