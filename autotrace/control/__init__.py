"""Equations that hold programs, and the functions that make them. They stand above the transforms they use."""

from .jit import disable_jit, explain_cache_misses, jit

__all__ = ["disable_jit", "explain_cache_misses", "jit"]
