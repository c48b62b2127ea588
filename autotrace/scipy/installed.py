"""That SciPy is there: what needs it imports this first. The solvers of ``optimize`` and ``sparse`` do not."""

__all__ = ["version"]

try:
    import scipy.version as version
except ImportError as error:
    raise ImportError(
        "autotrace.scipy: SciPy must be installed; it was not found. Install it: pip install 'autotrace-ad[interop]'."
    ) from error
