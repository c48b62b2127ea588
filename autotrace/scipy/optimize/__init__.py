"""minimize and root with the names and arguments of :mod:`scipy.optimize`; their solutions can be differentiated.

The solvers are programs of this library, so they run under ``jit`` and ``vmap``, and need neither SciPy nor derivatives
from the user. What comes out, ``x``, has the derivatives of a solution (implicit function theorem), with respect to
``args`` and everything that the function closes over: not those of the solver's steps.
"""

from .minimization import minimize
from .result import OptimizeResult
from .roots import root

__all__ = ["OptimizeResult", "minimize", "root"]
