"""Looking into programs while they run: ``print``, ``callback``, and watching for NaN and infinity."""

from .control.callbacks import callback
from .control.callbacks import print_ as print
from .ir import debug_infs as infs
from .ir import debug_nans as nans

__all__ = ["callback", "infs", "nans", "print"]
