"""From a Python function to a program. It knows no operation by name: those register themselves."""

from . import dispatch as _dispatch  # attaches NumPy's protocols to Tracer
from .aliases import ReadOnly, View, check_writable, fresh, laid_out_like, link, linked, rebind, traced_constant
from .dispatch import VIEWS, full_name
from .entry import ShapeDtypeStruct, Traced, as_operand, leaf_aval, leaf_value, trace
from .guards import Guard, StopGradient, here, mask_value, stop_gradient_leaf
from .protocols import FUNCTIONS, UFUNC_METHODS, UFUNCS, implements, load_rules, method, operator
from .trace import PROTECTED, SCALAR_AVALS, UNKNOWN, Trace, bind, current_trace, evaluate, infer, innermost, opened, peek, run, run_all
from .tracer import Tracer

__all__ = [
    "FUNCTIONS",
    "PROTECTED",
    "SCALAR_AVALS",
    "UFUNCS",
    "UFUNC_METHODS",
    "UNKNOWN",
    "VIEWS",
    "View",
    "Guard",
    "ReadOnly",
    "ShapeDtypeStruct",
    "StopGradient",
    "Trace",
    "Traced",
    "Tracer",
    "as_operand",
    "bind",
    "check_writable",
    "current_trace",
    "evaluate",
    "fresh",
    "full_name",
    "here",
    "implements",
    "infer",
    "innermost",
    "laid_out_like",
    "leaf_aval",
    "leaf_value",
    "link",
    "linked",
    "load_rules",
    "mask_value",
    "method",
    "opened",
    "operator",
    "peek",
    "rebind",
    "run",
    "run_all",
    "stop_gradient_leaf",
    "trace",
    "traced_constant",
]
