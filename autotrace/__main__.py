"""``python -m autotrace``: see ``python -m autotrace --help``."""

from __future__ import annotations

import sys

from . import __version__
from .tools.command_line import main

if __name__ == "__main__":
    sys.exit(main(version=__version__))
