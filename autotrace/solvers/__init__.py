"""Solutions of equations: systems, fixed points, roots, differential equations, with derivatives at any order."""

from .dense import dense_solve
from .fixed_point import fixed_point
from .linear_solve import custom_linear_solve
from .ode import odeint
from .root import custom_root

__all__ = ["custom_linear_solve", "custom_root", "dense_solve", "fixed_point", "odeint"]
