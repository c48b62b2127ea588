"""Programs to programs, and the public wrappers on Python functions."""

from .batching import vmap
from .coloring import Coloring, color_bidirectional, color_columns, color_rows, color_symmetric
from .gradient import grad, value_and_grad, vjp
from .inspection import eval_shape, make_jaxpr
from .jacobian import jacfwd, jacrev
from .modes import JacobianFunction, jacobian
from .pattern import Pattern
from .plan import Plan
from .products import diag_hessian, ggnvp, hessian, hvp, laplacian, vhp
from .sparsity import hessian_pattern, sparsity_pattern
from .spread import Triplets
from .stop import ravel_pytree, stop_gradient
from .tangent import jvp, linear_transpose, linearize
from .taylor import jet, taylor

__all__ = [
    "Coloring",
    "JacobianFunction",
    "Pattern",
    "Plan",
    "Triplets",
    "color_bidirectional",
    "color_columns",
    "color_rows",
    "color_symmetric",
    "diag_hessian",
    "eval_shape",
    "ggnvp",
    "grad",
    "hessian",
    "hessian_pattern",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jet",
    "jvp",
    "laplacian",
    "linear_transpose",
    "linearize",
    "make_jaxpr",
    "ravel_pytree",
    "sparsity_pattern",
    "stop_gradient",
    "taylor",
    "value_and_grad",
    "vhp",
    "vjp",
    "vmap",
]
