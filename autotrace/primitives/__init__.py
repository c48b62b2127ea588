"""The vocabulary: one file per family; all rules of one primitive stand together, its public function under it."""

from . import (
    arithmetic,
    comparison,
    complex,
    contraction,
    entire,
    exponential,
    fft,
    indexing,
    linalg,
    reduction,
    representation,
    shape,
    sorting,
    trigonometric,
    updates,
)
from .families import Binary, Elementwise, LinearMap, Predicate, Unary, elementwise
from .promotion import broadcast_to, convert, unbroadcast

__all__ = [
    "Binary",
    "Elementwise",
    "LinearMap",
    "Predicate",
    "Unary",
    "arithmetic",
    "broadcast_to",
    "comparison",
    "complex",
    "contraction",
    "convert",
    "elementwise",
    "entire",
    "exponential",
    "fft",
    "indexing",
    "linalg",
    "reduction",
    "representation",
    "shape",
    "sorting",
    "trigonometric",
    "unbroadcast",
    "updates",
]
