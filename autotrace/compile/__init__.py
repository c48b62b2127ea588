"""From a program to a faster one: passes over the IR, then one flat Python function over NumPy."""

from .passes import PASSES, Pass, run_passes, show_passes
from .program import Program

__all__ = ["PASSES", "Pass", "Program", "run_passes", "show_passes"]
