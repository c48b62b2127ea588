"""Equations that hold programs, and the functions that make them. They stand above the transforms they use."""

from .callbacks import pure_callback
from .checkpoint import (
    checkpoint,
    checkpoint_name,
    checkpoint_policies,
    checkpointed_scan,
    print_saved_residuals,
    saved_residuals,
)
from .flow import cond, fori_loop, map, scan, switch, while_loop
from .jit import disable_jit, explain_cache_misses, jit
from .linear_solve import custom_linear_solve
from .root import custom_root

__all__ = [
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "checkpointed_scan",
    "cond",
    "custom_linear_solve",
    "custom_root",
    "disable_jit",
    "explain_cache_misses",
    "fori_loop",
    "jit",
    "map",
    "print_saved_residuals",
    "pure_callback",
    "saved_residuals",
    "scan",
    "switch",
    "while_loop",
]
