"""The intermediate representation. It knows arrays by shape and dtype, and nothing of tracing."""

from .avals import DYNAMIC, ShapedArray, aval_of, dtype_name, float0, is_inexact, tangent_dtype
from .check import check_jaxpr
from .cost import Cost, equation_cost, program_cost
from .equation import Atom, Equation, Literal, Var, used_vars
from .evaluate import add_note, annotate, eval_jaxpr, has_note, last_uses
from .jaxpr import Jaxpr
from .primitive import REGISTRY, Linear, Linearized, Primitive, Run
from .print import print_jaxpr
from .source import (
    COTANGENT,
    PRIMAL,
    SOURCE,
    TANGENT,
    Place,
    Source,
    deriving,
    here,
    in_phase,
    place,
    raised_at,
    user_source,
)

__all__ = [
    "COTANGENT",
    "DYNAMIC",
    "PRIMAL",
    "REGISTRY",
    "SOURCE",
    "TANGENT",
    "Atom",
    "Cost",
    "Equation",
    "Jaxpr",
    "Linear",
    "Linearized",
    "Literal",
    "Place",
    "Primitive",
    "Run",
    "ShapedArray",
    "Source",
    "Var",
    "add_note",
    "annotate",
    "aval_of",
    "check_jaxpr",
    "deriving",
    "dtype_name",
    "equation_cost",
    "eval_jaxpr",
    "float0",
    "has_note",
    "here",
    "in_phase",
    "is_inexact",
    "last_uses",
    "place",
    "print_jaxpr",
    "program_cost",
    "raised_at",
    "tangent_dtype",
    "used_vars",
    "user_source",
]
