"""What the Python array API standard asks of an array beyond NumPy's own methods: there is one device, the
CPU.
"""

from __future__ import annotations

from typing import Any

from ..tracing import Tracer, here, method

__all__: list[str] = []


def _device(x: Tracer) -> str:
    """Where the array is."""
    return "cpu"


Tracer.device = property(_device)  # type: ignore[attr-defined]


@method("to_device")
def to_device(x: Tracer, device: Any, /, *, stream: Any = None) -> Tracer:
    """Return ``x``, which is on the one device that there is.

    Raises ``ValueError`` for another device, or a ``stream``.
    """
    if device != "cpu" or stream is not None:
        raise ValueError(
            f"to_device: the device must be 'cpu', without a stream; got {device!r} and "
            f"{stream!r}{here()}. Leave the call out."
        )
    return x
