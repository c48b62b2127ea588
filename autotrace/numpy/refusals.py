"""What has no meaning for a traced value, by name: each with what to do instead."""

from __future__ import annotations

import numpy as np

from ..tracing import REFUSED, REFUSED_ATTRIBUTES

__all__: list[str] = []

_SAVE = "Return the array from the traced function, and save the result."
_DATES = "Count days outside of the traced function, or convert dates to numbers: dates.astype(float)."
_LAYOUT = "The memory of a traced array is not decided while it is traced; leave the question out."
_BYTES = "Return the array from the traced function, and read the bytes of the result."

_FUNCTIONS: dict[str, str] = {
    **dict.fromkeys(("save", "savetxt", "savez", "savez_compressed"), _SAVE),
    **dict.fromkeys(("busday_count", "busday_offset", "is_busday", "datetime_as_string"), _DATES),
}

REFUSED.update({getattr(np, name): cure for name, cure in _FUNCTIONS.items()})

_ATTRIBUTES: dict[str, str] = {
    **dict.fromkeys(("base", "ctypes", "data", "flags", "setflags", "strides"), _LAYOUT),
    **dict.fromkeys(("dump", "dumps", "tobytes", "tofile", "tostring"), _SAVE),
    **dict.fromkeys(("byteswap", "getfield", "setfield"), _BYTES),
    # NumPy 2 has taken these away, and says so where they are still found.
    "itemset": "Assign instead: x[index] = value.",
    "newbyteorder": "Use x.astype(dtype).",
    "ptp": "Use np.ptp(x).",
    "resize": "Assign instead: x = np.resize(x, shape).",
}

REFUSED_ATTRIBUTES.update(_ATTRIBUTES)
