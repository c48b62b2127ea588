"""Equations that hold programs, and the functions that make them. They stand above the transforms they use."""

from .flow import cond, fori_loop, map, scan, switch, while_loop
from .jit import disable_jit, explain_cache_misses, jit

__all__ = [
    "cond",
    "disable_jit",
    "explain_cache_misses",
    "fori_loop",
    "jit",
    "map",
    "scan",
    "switch",
    "while_loop",
]
