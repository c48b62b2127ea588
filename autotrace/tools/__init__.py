"""What one does with a program but run it: price it, profile it, look at it from the command line."""

from .cost import cost
from .profile import profile

__all__ = ["cost", "profile"]
