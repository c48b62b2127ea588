"""Convolutions of autotrace.scipy.signal. Empty where SciPy is not installed: the rows need it."""

from . import Case, cases, cnormal, normal, row

try:
    import autotrace.scipy.signal as asg
except ImportError:
    asg = None  # type: ignore[assignment]


def build() -> list[Case]:
    """All rows."""
    made = []
    for function in (asg.convolve, asg.correlate):
        made += cases(
            function,
            [
                (normal(4), normal(3)),
                row(normal(4), normal(2), mode="same"),
                row(normal(4), normal(2), mode="valid"),
                row(normal(2), normal(4), mode="valid"),
                (normal(3, 2), normal(2, 2)),
                row(normal(3, 3), normal(2, 2), mode="valid"),
                row(normal(3, 2), normal(2, 2), mode="same", method="direct"),
                row(normal(4), normal(3), method="fft"),
                (cnormal(3), cnormal(2)),
                (normal(3), cnormal(2)),
                row(cnormal(2), cnormal(3), mode="valid"),
                (normal(), normal()),
            ],
        )
    made += cases(
        asg.fftconvolve,
        [
            (normal(4), normal(3)),
            row(normal(2, 4), normal(2, 3), axes=1),
            row(normal(1, 4), normal(2, 3), axes=(1,), mode="same"),
            row(normal(3, 2), normal(2, 3), mode="full"),
            row(normal(4, 2), normal(3, 2), axes=0, mode="valid"),
            (cnormal(3), normal(2)),
        ],
    )
    return made


CASES = build() if asg is not None else []
