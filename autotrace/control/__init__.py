"""Equations that hold programs, and the functions that make them. They stand above the transforms they use."""

from .associative import associative_scan
from .callbacks import pure_callback
from .checkpoint import (
    checkpoint,
    checkpoint_name,
    checkpoint_policies,
    checkpointed_scan,
    print_saved_residuals,
    remat,
    saved_residuals,
)
from .closures import closure_convert
from .custom_jvp import custom_jvp
from .custom_vjp import CustomVJPPrimal, custom_vjp
from .custom_vmap import custom_vmap
from .flow import cond, fori_loop, map, scan, switch, while_loop
from .jit import disable_jit, explain_cache_misses, jit
from .linear_call import linear_call
from .rules import SymbolicZero

__all__ = [
    "CustomVJPPrimal",
    "SymbolicZero",
    "associative_scan",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "checkpointed_scan",
    "closure_convert",
    "cond",
    "custom_jvp",
    "custom_vjp",
    "custom_vmap",
    "disable_jit",
    "explain_cache_misses",
    "fori_loop",
    "jit",
    "linear_call",
    "map",
    "print_saved_residuals",
    "pure_callback",
    "remat",
    "saved_residuals",
    "scan",
    "switch",
    "while_loop",
]
