"""What jit makes of a function for one kind of arguments, to be read: the program and the Python generated for it."""

from __future__ import annotations

from collections.abc import Iterator

from ..compile.codegen import Compiled
from ..compile.program import Program
from ..ir import Jaxpr, print_jaxpr

__all__ = ["Lowered"]


class Lowered:
    """A function lowered for one kind of arguments: the simplified program, and the Python generated for it."""

    def __init__(self, program: Program) -> None:
        self._program = program

    @property
    def jaxpr(self) -> Jaxpr:
        """The simplified program."""
        return self._program.optimized

    def as_text(self) -> str:
        """Return the simplified program as text."""
        return print_jaxpr(self.jaxpr)

    def source(self) -> str:
        """Return the generated Python, the user's lines as comments; below it that of the loops that it runs."""
        return "\n\n\n".join(_sources("program", self._program.compiled))

    def compile(self) -> Compiled:
        """Return the compiled function of the leaves."""
        return self._program.compiled


def _sources(name: str, compiled: Compiled) -> Iterator[str]:
    """Yield the source of a generated function, under the ``name`` that its caller has for it, and of its loops."""
    yield compiled.commented().replace("def program(", f"def {name}(", 1)
    for inner, value in compiled.function.__globals__.items():
        loop = getattr(getattr(value, "__self__", None), "loop", None)
        if isinstance(loop, Compiled):
            yield from _sources(inner, loop)
