"""The names of SciPy for traced values: ``import autotrace.scipy.special as asp``, and likewise linalg,
stats, signal.

SciPy computes; this adds the derivatives. ``import autotrace`` never imports it. SciPy's own ufuncs take
traced values by themselves (``scipy.special.erf(t)``), in which case the rules are loaded when the first one
is met.
"""

try:
    import scipy as _scipy
except ImportError as error:
    raise ImportError(
        "autotrace.scipy: SciPy must be installed; it was not found. Install it: pip install 'autotrace-ad[interop]'."
    ) from error
