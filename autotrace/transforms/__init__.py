"""Programs to programs, and the public wrappers on Python functions."""

from .batching import vmap
from .gradient import grad, value_and_grad, vjp
from .inspection import eval_shape, make_jaxpr
from .jacobian import hessian, hvp, jacfwd, jacrev
from .stop import ravel_pytree, stop_gradient
from .tangent import jvp, linear_transpose, linearize

__all__ = [
    "eval_shape",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacrev",
    "jvp",
    "linear_transpose",
    "linearize",
    "make_jaxpr",
    "ravel_pytree",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]
