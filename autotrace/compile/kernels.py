"""The ufunc behind an elementwise primitive, for those who pass ``out=``."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..primitives.arithmetic import IntegerPow
from ..primitives.comparison import Select
from ..primitives.families import Elementwise

__all__ = ["ufunc_of"]

_UFUNCS: dict[Any, np.ufunc] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.true_divide,
    operator.floordiv: np.floor_divide,
    operator.mod: np.remainder,
    operator.pow: np.power,
    operator.neg: np.negative,
    operator.pos: np.positive,
    operator.lt: np.less,
    operator.le: np.less_equal,
    operator.gt: np.greater,
    operator.ge: np.greater_equal,
    operator.eq: np.equal,
    operator.ne: np.not_equal,
    operator.and_: np.bitwise_and,
    operator.or_: np.bitwise_or,
    operator.xor: np.bitwise_xor,
    operator.invert: np.invert,
}


def ufunc_of(primitive: Any) -> np.ufunc | None:
    """Return the ufunc that computes an elementwise primitive, with ``out=``; None if it is another function."""
    if not isinstance(primitive, Elementwise) or type(primitive) in (Select, IntegerPow):
        return None
    impl = primitive.impl
    if isinstance(impl, np.ufunc):
        return impl
    try:
        return _UFUNCS.get(impl)
    except TypeError:
        return None
