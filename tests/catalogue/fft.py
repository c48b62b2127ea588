"""Fourier transforms: every function, lengths odd and even, padding and truncation, every norm."""

import itertools

import numpy as np

from . import Row, cases, cnormal, normal, row

_NORMS = (None, "backward", "ortho", "forward")

_LINES = [
    *[row(x, n=n) for x in (normal(4), normal(5)) for n in (None, 1, 3, 6)],
    *[row(normal(2, 3), axis=0, norm=norm) for norm in _NORMS],
    *[row(normal(5), norm=norm) for norm in _NORMS],
    row(normal(2, 3, 2), n=4, axis=-2),
    row(normal(1)),
    row(normal(0, 3)),
    row(normal(3, 0), n=2),
]
_COMPLEX_LINES = [
    *[row(x, n=n) for x in (cnormal(4), cnormal(5)) for n in (None, 1, 3, 6)],
    *[row(cnormal(3, 2), axis=0, norm=norm) for norm in _NORMS],
    *[row(cnormal(3), n=5, norm=norm) for norm in _NORMS],
    row(cnormal(2, 3, 2), n=4, axis=-2),
    row(cnormal(2, 0), n=2),
]
_PLANES = [
    row(normal(2, 3)),
    row(normal(3, 4), norm="ortho"),
    row(normal(2, 3), s=(3, 2), axes=(0, 1)),
    row(normal(2, 3), s=(-1, 4), axes=(1, 0)),
    row(normal(2, 3, 2), axes=(0, 1), norm="forward"),
]
_COMPLEX_PLANES = [
    row(cnormal(2, 3)),
    row(cnormal(3, 4), norm="ortho"),
    row(cnormal(2, 3), s=(3, 5), axes=(0, 1)),
    row(cnormal(2, 3), s=(4, -1), axes=(0, 1)),
    row(cnormal(2, 3, 2), axes=(0, 1), norm="forward"),
]
_SPACES = [row(x, axes=axes) for x, axes in itertools.product((normal(2, 3, 2),), (None, (1,), (2, 0)))]
_COMPLEX_SPACES = [row(x, axes=axes) for x, axes in itertools.product((cnormal(2, 3, 2),), (None, (1,), (2, 0)))]
_SHIFTS = [
    row(normal(5)),
    row(normal(4)),
    row(normal(2, 3)),
    row(cnormal(3, 2), axes=0),
    row(normal(3, 3, 2), axes=(0, -1)),
    row(normal(0)),
]


def _readable(rows: list[Row]) -> list[Row]:
    """Without those of one point, which irfft makes none of, and of none, which NumPy reads beyond."""
    return [r for r in rows if r.args[0].shape != (1,) and 0 not in r.args[0].shape[1:]]


CASES = [
    *cases(np.fft.fft, [*_LINES, *_COMPLEX_LINES]),
    *cases(np.fft.ifft, [*_LINES[8:], *_COMPLEX_LINES]),
    *cases(np.fft.rfft, _LINES),
    *cases(np.fft.irfft, [*_readable(_LINES), *_readable(_COMPLEX_LINES)]),
    *cases(np.fft.hfft, [*_LINES[:4], *_readable(_COMPLEX_LINES)]),
    *cases(np.fft.ihfft, _LINES),
    *cases(np.fft.fft2, [*_PLANES, *_COMPLEX_PLANES]),
    *cases(np.fft.ifft2, [*_PLANES, *_COMPLEX_PLANES]),
    *cases(np.fft.rfft2, _PLANES),
    *cases(np.fft.irfft2, [*_PLANES, *_COMPLEX_PLANES]),
    *cases(np.fft.fftn, [*_SPACES, *_COMPLEX_SPACES]),
    *cases(np.fft.ifftn, [*_SPACES, *_COMPLEX_SPACES]),
    *cases(np.fft.rfftn, _SPACES),
    *cases(np.fft.irfftn, [*_SPACES, *_COMPLEX_SPACES]),
    *cases(np.fft.fft, [(np.array([1, 2, 3]),)], name="fft_integers", traced=(0,), differentiable=False),
    *cases(np.fft.fftshift, _SHIFTS),
    *cases(np.fft.ifftshift, _SHIFTS),
]
