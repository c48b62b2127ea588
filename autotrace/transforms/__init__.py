"""Programs to programs, and the public wrappers on Python functions."""

from .batching import vmap
from .coloring import Coloring, color_bidirectional, color_columns, color_rows, color_symmetric
from .gradient import grad, value_and_grad, vjp
from .inspection import eval_shape, make_jaxpr
from .jacobian import hessian, hvp, jacfwd, jacrev
from .pattern import Pattern
from .sparsity import hessian_pattern, sparsity_pattern
from .stop import ravel_pytree, stop_gradient
from .tangent import jvp, linear_transpose, linearize

__all__ = [
    "Coloring",
    "Pattern",
    "color_bidirectional",
    "color_columns",
    "color_rows",
    "color_symmetric",
    "eval_shape",
    "grad",
    "hessian",
    "hessian_pattern",
    "hvp",
    "jacfwd",
    "jacrev",
    "jvp",
    "linear_transpose",
    "linearize",
    "make_jaxpr",
    "ravel_pytree",
    "sparsity_pattern",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]
