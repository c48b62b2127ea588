"""The program: a typed list of equations from inputs to outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .avals import ShapedArray
from .cost import ProgramCost
from .dot import dot_text
from .equation import Atom, Equation, Var, used_vars
from .equality import sketch, structure
from .evaluate import eval_jaxpr
from .graph import graph_of
from .html import html_fragment, html_page
from .mermaid import mermaid_text
from .print import print_jaxpr
from .python import PythonText, to_python
from .svg import svg_text

__all__ = ["Jaxpr"]


class Jaxpr:
    """A typed list of equations from ``in_vars`` to ``outputs``.

    ``const_vars`` name the arrays ``constants`` that the traced function closed over.
    A jaxpr is callable on its leaves: ``jaxpr(*arrays)`` returns the list of its outputs.
    """

    __slots__ = ("const_vars", "constants", "equations", "in_vars", "outputs")

    in_vars: tuple[Var, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Atom, ...]
    const_vars: tuple[Var, ...]
    constants: tuple[Any, ...]

    def __init__(
        self,
        in_vars: Iterable[Var],
        equations: Iterable[Equation],
        outputs: Iterable[Atom],
        const_vars: Iterable[Var] = (),
        constants: Iterable[Any] = (),
    ) -> None:
        values = (tuple(const_vars), tuple(constants), tuple(equations), tuple(in_vars), tuple(outputs))
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Jaxpr is immutable; got {name} = {value!r}. Use .replace(...).")

    def __reduce__(self) -> tuple[Any, ...]:
        return Jaxpr, (self.in_vars, self.equations, self.outputs, self.const_vars, self.constants)

    def replace(self, *, equations: Iterable[Equation] | None = None, outputs: Iterable[Atom] | None = None) -> Jaxpr:
        """Return this program with other ``equations`` or ``outputs``; unused constants are dropped."""
        new_equations = self.equations if equations is None else tuple(equations)
        new_outputs = self.outputs if outputs is None else tuple(outputs)
        used = used_vars(new_equations, new_outputs)
        kept = [(v, c) for v, c in zip(self.const_vars, self.constants, strict=True) if v in used]
        return Jaxpr(self.in_vars, new_equations, new_outputs, [v for v, _ in kept], [c for _, c in kept])

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        """The avals of the inputs."""
        return tuple(v.aval for v in self.in_vars)

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        """The avals of the outputs."""
        return tuple(atom.aval for atom in self.outputs)

    def cost(self) -> ProgramCost:
        """Return what one run costs: operations, bytes moved and alive, by equation, primitive, line and phase.

        >>> import autotrace, numpy as np
        >>> autotrace.make_jaxpr(lambda a, b: a @ b)(np.ones((2, 3)), np.ones((3, 4))).cost().flops
        48
        """
        return ProgramCost(self)

    def __call__(self, *leaves: Any) -> list[Any]:
        return eval_jaxpr(self, *leaves)

    def to_python(self, name: str = "program", *, names: str = "letters", comments: bool = True) -> PythonText:
        """Return the text of a Python file with a function ``name`` that does what this program does, on NumPy alone.

        See :func:`autotrace.ir.python.to_python`.
        """
        return to_python(self, name, names=names, comments=comments)

    def to_dot(self, *, group: str = "auto", names: str = "letters") -> str:
        """Return the program as a graph in DOT, the language of Graphviz.

        ``group`` says what becomes of equations of one source function and phase: ``"none"`` leaves them apart,
        ``"boxes"`` frames them, ``"folded"`` makes one node of them, ``"auto"`` goes by their number. ``names`` is
        ``"letters"`` or ``"user"``. Raises ``ValueError`` for other words.

        >>> import autotrace
        >>> print(autotrace.make_jaxpr(lambda x: x + 1.0)(2.0).to_dot().splitlines()[-3])
          n0 -> n1 [tooltip="a:f64[]"];
        """
        return dot_text(graph_of(self, group=group, names=names))

    def to_mermaid(self, *, group: str = "auto", names: str = "letters") -> str:
        """Return the program as a Mermaid flowchart; ``group`` and ``names`` as in :meth:`to_dot`.

        >>> import autotrace
        >>> print(autotrace.make_jaxpr(lambda x: x + 1.0)(2.0).to_mermaid().splitlines()[2])
          n1["b:f64[] = add a 1.0"]
        """
        return mermaid_text(graph_of(self, group=group, names=names))

    def to_svg(self, *, engine: str = "auto", group: str = "auto", names: str = "letters") -> str:
        """Return a picture of the program as SVG; ``group`` and ``names`` as in :meth:`to_dot`.

        ``engine`` is ``"graphviz"`` (its program ``dot`` draws), ``"plain"`` (autotrace draws) or ``"auto"``: Graphviz
        where it is installed. Raises ``ValueError`` for other words, ``RuntimeError`` where Graphviz is asked for and
        does not work.

        >>> import autotrace
        >>> autotrace.make_jaxpr(lambda x: x + 1.0)(2.0).to_svg(engine="plain")[:4]
        '<svg'
        """
        return svg_text(graph_of(self, group=group, names=names), engine=engine)

    def to_html(
        self,
        *,
        page: bool = True,
        picture: bool = False,
        names: str = "letters",
        max_equations: int | None = None,
    ) -> str:
        """Return the program as a page of HTML, or, without ``page``, as an element for another page.

        Hover a variable to light its definition and uses; click an equation for its line of source; fold nested
        programs. With ``picture``, a drawing stands under the text. Of a program of more than ``max_equations`` the
        middle is left out. Nothing in it comes from elsewhere.

        >>> import autotrace
        >>> autotrace.make_jaxpr(lambda x: x + 1.0)(2.0).to_html().splitlines()[0]
        '<!DOCTYPE html>'
        """
        drawn = self.to_svg(engine="plain", names=names) if picture else ""
        write = html_page if page else html_fragment
        return write(self, names=names, max_equations=max_equations, picture=drawn)

    def _repr_html_(self) -> str:
        return self.to_html(page=False, max_equations=1000)

    def __eq__(self, other: object) -> bool:
        """Tell whether ``other`` is the same program but for the names of variables: see :mod:`autotrace.ir.equality`."""
        if self is other:
            return True
        if not isinstance(other, Jaxpr):
            return NotImplemented
        return sketch(self) == sketch(other) and structure(self) == structure(other)

    def __hash__(self) -> int:
        return hash(sketch(self))

    def __copy__(self) -> Jaxpr:
        return self

    def __str__(self) -> str:
        return print_jaxpr(self)

    def __repr__(self) -> str:
        takes = ", ".join(map(str, self.in_avals))
        gives = ", ".join(map(str, self.out_avals))
        return f"<Jaxpr ({takes}) -> ({gives}), {len(self.equations)} equations>"
