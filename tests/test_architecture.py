"""The house stands on its floors: what may import what, checked on the source of every module.

Each rule is a function from the modules of a package to the complaints about them, so that a violation
planted in a package made for the purpose shows that the rule can fail.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up: a module imports from its own floor and those before it. What is not named here
# (__init__, __main__, test_util, ...) stands on the roof, and nothing below may import it.
FLOORS = [
    "tree",
    "errors",
    "ir",
    "tracing",
    "primitives",
    "numpy",
    "compile",
    "transforms",
    "control",
    "solvers",
    "scipy",
    "tools",
]

# (module, what it imports inside a function): why it cannot stand at the top. Like this:
#     ("autotrace.scipy.special", "scipy"): "optional, and slow to import for those who never call it",
LAZY_IMPORTS: dict[tuple[str, str], str] = {
    (
        "autotrace.tracing.protocols",
        "a computed name",
    ): "the rules of SciPy's functions need SciPy: loaded when one is met",
    ("autotrace.ir.jaxpr", ".pictures"): "two milliseconds that most programs, which are never drawn, need not spend",
    (
        "autotrace.ir.jaxpr",
        ".save",
    ): "saving checks that what it wrote loads: it makes programs, and so needs their class",
    ("autotrace.ir.parse", "a computed name"): "primitives of SciPy's functions: loaded when a text names one",
    ("autotrace.ir.svg", "shutil"): "slow to import, and wanted only where Graphviz may draw",
    (
        "autotrace.transforms.pattern",
        "a computed name",
    ): "optional: SciPy for sparse matrices, Matplotlib for drawings, loaded when asked for",
    ("autotrace.transforms.spread", "scipy.sparse"): "optional: sparse results are its matrices where it is installed",
    ("autotrace.ir.jaxpr", ".pricing"): "two milliseconds that most programs, which are never priced, need not spend",
    ("autotrace.tools.profile", ".profiling"): "three milliseconds for those who profile alone",
    ("autotrace.tools.profiling", ".views"): "HTML and JSON are wanted seldom; json takes a millisecond",
    ("autotrace.tools.targets", "a computed name"): "the command line imports the module that the user names",
    ("autotrace.tools.timing", "tracemalloc"): "slow to import, and wanted only where memory is measured",
    ("autotrace.ir.svg", "subprocess"): "slow to import, and wanted only where Graphviz draws",
}

# Texts that must make sense on any machine.
SHIPPED = ["autotrace", "docs", "examples", "Makefile", "README.md", "pyproject.toml", ".ci/run"]


@dataclass(frozen=True)
class Import:
    """One import statement: of `names` out of `module`, or of the whole `module` where there are none."""

    module: str
    names: tuple[str, ...]
    line: int
    in_function: bool
    for_types_only: bool


@dataclass(frozen=True)
class Module:
    """A source file of a package, by its full name."""

    name: str
    path: Path

    @cached_property
    def imports(self) -> list[Import]:
        tree = ast.parse(self.path.read_text(encoding="utf-8"))
        return list(self._imports(tree, in_function=False, for_types_only=False))

    def _imports(self, node: ast.AST, in_function: bool, for_types_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.Import(names):
                    for name in names:
                        yield Import(name.name, (), child.lineno, in_function, for_types_only)
                case ast.ImportFrom(module, names, level):
                    source = ".".join(filter(None, [self._package(level), module]))
                    named = tuple(name.name for name in names)
                    yield Import(source, named, child.lineno, in_function, for_types_only)
                case ast.Call(ast.Name("__import__" | "import_module") | ast.Attribute(attr="import_module")):
                    constant = child.args and isinstance(child.args[0], ast.Constant)
                    module = child.args[0].value if constant else "a computed name"
                    yield Import(module, (), child.lineno, in_function, for_types_only)
            functional = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing_only = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
            yield from self._imports(child, in_function or functional, for_types_only or typing_only)

    def _package(self, level: int) -> str:
        """What `level` leading dots mean in this module."""
        if not level:
            return ""
        parts = self.name.split(".")
        kept = len(parts) - level + (self.path.name == "__init__.py")
        return ".".join(parts[:kept])


def modules_of(folder: Path) -> dict[str, Module]:
    """The modules of the package in `folder`, by name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path)
    return found


def targets(statement: Import, modules: dict[str, Module]) -> set[str]:
    """The modules of the package that `statement` names; `from package import module` names the module."""
    whole = {statement.module} if statement.module in modules else set()
    if not statement.names:
        return whole
    inner = {f"{statement.module}.{name}" for name in statement.names}
    # Only what is not a module by itself is looked up in the package's own __init__.
    return (inner & modules.keys()) | (whole if inner - modules.keys() else set())


def floor_of(module: str) -> int:
    part = module.split(".")[1] if "." in module else ""
    return FLOORS.index(part) if part in FLOORS else len(FLOORS)


def floor_name(module: str) -> str:
    return [*FLOORS, "roof"][floor_of(module)]


def upward_imports(modules: dict[str, Module]) -> list[str]:
    return [
        f"{module.name}:{statement.line} ({floor_name(module.name)}) imports {target} ({floor_name(target)})"
        for module in modules.values()
        for statement in module.imports
        for target in sorted(targets(statement, modules))
        if floor_of(target) > floor_of(module.name)
    ]


def hidden_imports(modules: dict[str, Module], allowed: dict[tuple[str, str], str]) -> list[str]:
    hidden = {
        (module.name, statement.module): statement.line
        for module in modules.values()
        for statement in module.imports
        if statement.in_function
    }
    unknown = [f"{name}:{line} imports {what} inside a function" for (name, what), line in hidden.items()
               if (name, what) not in allowed]  # fmt: skip
    stale = [f"{name} is allowed to import {what} inside a function, and does not" for name, what in allowed
             if (name, what) not in hidden]  # fmt: skip
    return unknown + stale


def import_circles(modules: dict[str, Module]) -> list[str]:
    """Each circle of modules, once. Imports for types only run nothing, and so close no circle."""
    edges = {
        module.name: {
            target
            for statement in module.imports
            if not statement.for_types_only
            for target in targets(statement, modules)
        }
        for module in modules.values()
    }
    reachable = {name: reach(name, edges) for name in edges}
    circles = {
        tuple(sorted(other for other in reachable[name] if name in reachable[other]))
        for name in edges
        if name in reachable[name]
    }
    return [" <-> ".join(circle) for circle in sorted(circles)]


def reach(start: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges[waiting.pop()] - seen
        seen |= new
        waiting.extend(new)
    return seen


MACHINE_PATH = re.compile(
    r"""(?<![\w.:/])            # neither inside a longer path nor inside a web address
        (?: /(?:home|root|Users|work|tmp|mnt|opt|var|private)/\w | [A-Z]:\\\\?\w )""",
    re.VERBOSE,
)


def machine_paths(root: Path) -> list[str]:
    """The lines of the texts at or under `root` that name a path of one machine."""
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    return [
        f"{path.name}:{number}: {line.strip()}"
        for path in files
        if path.suffix in {".py", ".md", ".toml", ""} and "__pycache__" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]


MODULES = modules_of(ROOT / "autotrace")


def test_each_floor_imports_only_from_below():
    assert upward_imports(MODULES) == []


def test_no_import_hides_in_a_function():
    assert hidden_imports(MODULES, LAZY_IMPORTS) == []


def test_every_lazy_import_has_its_reason():
    assert all(LAZY_IMPORTS.values())


def test_no_modules_import_each_other_in_a_circle():
    assert import_circles(MODULES) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_names_a_path_of_one_machine(name):
    if not (ROOT / name).exists():
        pytest.skip("not in this copy of the source")
    assert machine_paths(ROOT / name) == []


def plant(folder: Path, files: dict[str, str]) -> dict[str, Module]:
    """A package `autotrace` in `folder`, of the texts given for its modules' paths."""
    for name, text in {"__init__": "", **files}.items():
        path = folder / "autotrace" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return modules_of(folder / "autotrace")


UPWARD = {
    "import": {"ir/print": "import autotrace.tracing.tracer"},
    "from a module": {"ir/print": "from autotrace.tracing.tracer import Tracer"},
    "from a package": {"ir/print": "from autotrace.tracing import tracer"},
    "relative": {"ir/print": "from ..tracing.tracer import Tracer"},
    "relative, a package": {"ir/print": "from .. import tracing", "tracing/__init__": ""},
    "for types only": {"ir/print": "if TYPE_CHECKING:\n    from ..tracing.tracer import Tracer"},
    "in a function": {"ir/print": "def f():\n    from ..tracing.tracer import Tracer"},
    "by name": {"ir/print": "importlib.import_module('autotrace.tracing.tracer')"},
    "the roof": {"ir/print": "import autotrace"},
    "a name on the roof": {"ir/print": "from autotrace import grad"},
    "a module on the roof": {"ir/print": "from autotrace import test_util", "test_util": ""},
}
LEVEL = {
    "down": {"tracing/tracer": "from autotrace.ir import a\nfrom ..tree import y", "ir/a": "", "tree": ""},
    "level": {"ir/print": "from .avals import x\nfrom . import avals", "ir/avals": ""},
    "from the roof": {"test_util": "from . import ir\nfrom autotrace import grad", "ir/print": ""},
    "outside": {"ir/print": "import numpy.linalg\nfrom numpy import tracing"},
}


@pytest.mark.parametrize("files", UPWARD.values(), ids=UPWARD)
def test_a_planted_upward_import_is_found(tmp_path, files):
    complaints = upward_imports(plant(tmp_path, {"tracing/tracer": "", **files}))
    assert len(complaints) == 1
    assert complaints[0].startswith("autotrace.ir.print:")


@pytest.mark.parametrize("files", LEVEL.values(), ids=LEVEL)
def test_a_level_import_is_no_complaint(tmp_path, files):
    assert upward_imports(plant(tmp_path, files)) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("def f():\n    import scipy.special", "scipy.special"),
        ("class A:\n    def f(self):\n        if self:\n            from scipy import linalg", "scipy"),
        ("async def f():\n    from . import print", "autotrace.ir"),
        ("f = lambda: __import__('scipy')", "scipy"),
        ("def f():\n    return importlib.import_module(name)", "a computed name"),
    ],
)
def test_a_planted_hidden_import_is_found(tmp_path, text, what):
    modules = plant(tmp_path, {"ir/print": text})
    (complaint,) = hidden_imports(modules, {})
    assert complaint.endswith(f"imports {what} inside a function")
    assert hidden_imports(modules, {("autotrace.ir.print", what): "planted"}) == []


def test_a_stale_exception_is_found(tmp_path):
    modules = plant(tmp_path, {"ir/print": "import scipy"})
    (complaint,) = hidden_imports(modules, {("autotrace.ir.print", "scipy"): "planted"})
    assert complaint.endswith("and does not")


def test_planted_circles_are_found(tmp_path):
    modules = plant(
        tmp_path,
        {
            "ir/a": "from .b import x",
            "ir/b": "def f():\n    from . import c",
            "ir/c": "import autotrace.ir.a",
            "ir/d": "from .e import x\nfrom .a import y",
            "ir/e": "if typing.TYPE_CHECKING:\n    from .d import z",
            "tree": "from . import tree",
        },
    )
    assert import_circles(modules) == [
        "autotrace.ir.a <-> autotrace.ir.b <-> autotrace.ir.c",
        "autotrace.tree",
    ]


@pytest.mark.parametrize("path", ["/home/ann", "/work/x.py", "/Users/ann", "'/tmp/out'", r"C:\data"])
def test_a_planted_machine_path_is_found(tmp_path, path):
    fine = "https://example.org/home/ann, ../tmp/x, a/var/b or src/opt/c"
    plant(tmp_path, {"ir/print": f"# see {path}\n# but not {fine}"})
    assert machine_paths(tmp_path) == [f"print.py:1: # see {path}"]
