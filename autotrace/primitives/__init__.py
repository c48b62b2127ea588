"""The vocabulary: one file per family; all rules of one primitive stand together, its public function under it."""

from . import arithmetic, comparison, complex, contraction, exponential, indexing, reduction, shape, sorting, trigonometric
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
    "exponential",
    "indexing",
    "reduction",
    "shape",
    "sorting",
    "trigonometric",
    "unbroadcast",
]
