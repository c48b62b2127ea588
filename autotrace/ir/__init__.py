"""The intermediate representation. It knows arrays by shape and dtype, and nothing of tracing."""

from .avals import DYNAMIC, ShapedArray, aval_of, dtype_name, float0, is_inexact, native, tangent_dtype
from .check import check_jaxpr
from .cost import Cost, equation_cost, program_cost
from .dependence import PAIRS, Dependence, Operand, Sets, count_of, entries_of, joined, united
from .difference import JaxprDiff, diff_jaxprs
from .equality import parameters_key
from .equation import Atom, Equation, Literal, Var, used_vars
from .evaluate import add_note, annotate, eval_jaxpr, has_note, last_uses
from .finite import debug_infs, debug_nans, is_watching, watch
from .jaxpr import Jaxpr
from .names import argument_name, variable_names
from .parse import parse_jaxpr
from .primitive import REGISTRY, Linear, Linearized, Primitive, Run, Slot
from .print import print_jaxpr, referenced
from .python import Page, PythonText, Spelled, to_python
from .rewrite import eliminate_dead_code, has_backward_rule, has_own_rules, inline, map_programs, programs_in
from .save import load_jaxpr
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
    located,
    phase_name,
    place,
    raised_at,
    user_source,
)

__all__ = [
    "COTANGENT",
    "DYNAMIC",
    "PAIRS",
    "PRIMAL",
    "REGISTRY",
    "SOURCE",
    "TANGENT",
    "Atom",
    "Cost",
    "Dependence",
    "Equation",
    "Jaxpr",
    "JaxprDiff",
    "Linear",
    "Linearized",
    "Literal",
    "Operand",
    "Page",
    "Place",
    "Primitive",
    "PythonText",
    "Run",
    "Sets",
    "ShapedArray",
    "Slot",
    "Source",
    "Spelled",
    "Var",
    "add_note",
    "annotate",
    "argument_name",
    "aval_of",
    "check_jaxpr",
    "count_of",
    "debug_infs",
    "debug_nans",
    "deriving",
    "diff_jaxprs",
    "dtype_name",
    "eliminate_dead_code",
    "entries_of",
    "equation_cost",
    "eval_jaxpr",
    "float0",
    "has_backward_rule",
    "has_note",
    "has_own_rules",
    "here",
    "in_phase",
    "inline",
    "is_inexact",
    "is_watching",
    "joined",
    "last_uses",
    "load_jaxpr",
    "located",
    "map_programs",
    "native",
    "parameters_key",
    "parse_jaxpr",
    "phase_name",
    "place",
    "print_jaxpr",
    "program_cost",
    "programs_in",
    "raised_at",
    "referenced",
    "tangent_dtype",
    "to_python",
    "united",
    "used_vars",
    "user_source",
    "variable_names",
    "watch",
]
