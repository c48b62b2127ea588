"""The program: a typed list of equations from inputs to outputs."""

from __future__ import annotations

import importlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .avals import ShapedArray
from .check import check_jaxpr
from .equality import sketch, structure
from .equation import Atom, Equation, Var, used_vars
from .evaluate import eval_jaxpr
from .print import WIDTH, WRITTEN_OUT, print_jaxpr
from .python import PythonText, to_python
from .rewrite import count_primitives, eliminate_dead_code, inline, map_equations, subjaxprs, substitute

if TYPE_CHECKING:
    from .pricing import ProgramCost

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

    def replace(
        self,
        *,
        in_vars: Iterable[Var] | None = None,
        equations: Iterable[Equation] | None = None,
        outputs: Iterable[Atom] | None = None,
        const_vars: Iterable[Var] | None = None,
        constants: Iterable[Any] | None = None,
    ) -> Jaxpr:
        """Return this program with other parts; constants that nothing reads are dropped.

        >>> import autotrace, numpy as np
        >>> jaxpr = autotrace.make_jaxpr(lambda x: (np.sin(x), np.cos(x)))(1.0)
        >>> print(jaxpr.replace(outputs=jaxpr.outputs[:1]).dce())
        { lambda ; a:f64[]. let
            b:f64[] = sin a
          in (b,) }
        """
        new_equations = self.equations if equations is None else tuple(equations)
        new_outputs = self.outputs if outputs is None else tuple(outputs)
        new_vars = self.const_vars if const_vars is None else const_vars
        new_vars, values = tuple(new_vars), tuple(self.constants if constants is None else constants)
        if len(new_vars) != len(values):
            raise ValueError(
                f"replace: there must be a constant for each of const_vars; got {len(new_vars)} variables and "
                f"{len(values)} constants. Pass both."
            )
        pairs = zip(new_vars, values, strict=True)
        used = used_vars(new_equations, new_outputs)
        kept = [(v, c) for v, c in pairs if v in used]
        inputs = self.in_vars if in_vars is None else in_vars
        return Jaxpr(inputs, new_equations, new_outputs, [v for v, _ in kept], [c for _, c in kept])

    def map_equations(
        self, function: Callable[[Equation], Equation | Iterable[Equation] | None], *, nested: bool = False
    ) -> Jaxpr:
        """Return this program with what ``function`` returns in place of each equation: one, several, or None for none.

        With ``nested`` it is done in programs inside equations too, before ``function`` sees the equation.

        >>> import autotrace, numpy as np
        >>> jaxpr = autotrace.make_jaxpr(lambda x: np.sin(np.sin(x)))(1.0)
        >>> cos = autotrace.make_jaxpr(np.cos)(1.0).equations[0].primitive
        >>> print(jaxpr.map_equations(lambda equation: equation._replace(primitive=cos)))
        { lambda ; a:f64[]. let
            b:f64[] = cos a
            c:f64[] = cos b
          in (c,) }
        """
        return map_equations(self, function, nested)

    def substitute(self, atoms: Mapping[Var, Atom]) -> Jaxpr:
        """Return this program reading ``atoms[v]`` wherever it read the variable v, all at once; v may be an input.

        Raises :class:`autotrace.errors.JaxprTypeError` where an atom has another shape or dtype than its variable.

        >>> import autotrace, numpy as np
        >>> jaxpr = autotrace.make_jaxpr(lambda x, y: x * y)(1.0, 2.0)
        >>> x, y = jaxpr.in_vars
        >>> print(jaxpr.substitute({y: autotrace.Literal(np.float64(3.0))}).replace(in_vars=[x]))
        { lambda ; a:f64[]. let
            b:f64[] = mul a 3.0
          in (b,) }
        """
        return substitute(self, atoms)

    def subjaxprs(self) -> tuple[Jaxpr, ...]:
        """Return the programs that the equations hold, each once, in order; not those inside these.

        >>> import autotrace, numpy as np
        >>> autotrace.make_jaxpr(lambda x: autotrace.jit(np.sin)(x) + 1.0)(1.0).subjaxprs()
        (<Jaxpr (f64[]) -> (f64[]), 1 equations>,)
        """
        return subjaxprs(self)

    def count_primitives(self) -> Counter[str]:
        """Return how many equations of each primitive there are, those of nested programs included.

        It counts the text: the equations of a loop once. :meth:`cost` counts its trips.

        >>> import autotrace, numpy as np
        >>> autotrace.make_jaxpr(lambda x: np.sin(x) * np.sin(x + 1.0))(1.0).count_primitives()
        Counter({'sin': 2, 'add': 1, 'mul': 1})
        """
        return count_primitives(self)

    def inline(self) -> Jaxpr:
        """Return this program with every call written out: the equations of the called program in its place.

        >>> import autotrace, numpy as np
        >>> print(autotrace.make_jaxpr(lambda x: autotrace.jit(np.sin)(x) + 1.0)(1.0).inline())
        { lambda ; a:f64[]. let
            b:f64[] = sin a
            c:f64[] = add b 1.0
          in (c,) }
        """
        return inline(self)

    def dce(self) -> Jaxpr:
        """Return this program without the equations that no output and no effect, such as a guard, needs.

        >>> import autotrace, numpy as np
        >>> print(autotrace.make_jaxpr(lambda x: (np.sin(x), np.cos(x))[0])(1.0).dce())
        { lambda ; a:f64[]. let
            b:f64[] = sin a
          in (b,) }
        """
        return eliminate_dead_code(self)

    def check(self) -> Jaxpr:
        """Return this program if it is well formed: :func:`autotrace.check_jaxpr`.

        Raises :class:`autotrace.errors.JaxprTypeError` if it is not.
        """
        check_jaxpr(self)
        return self

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
        return importlib.import_module(".pricing", __package__).ProgramCost(self)

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
        return _pictures().to_dot(self, group, names)

    def to_mermaid(self, *, group: str = "auto", names: str = "letters") -> str:
        """Return the program as a Mermaid flowchart; ``group`` and ``names`` as in :meth:`to_dot`.

        >>> import autotrace
        >>> print(autotrace.make_jaxpr(lambda x: x + 1.0)(2.0).to_mermaid().splitlines()[2])
          n1["b:f64[] = add a 1.0"]
        """
        return _pictures().to_mermaid(self, group, names)

    def to_svg(self, *, engine: str = "auto", group: str = "auto", names: str = "letters") -> str:
        """Return a picture of the program as SVG; ``group`` and ``names`` as in :meth:`to_dot`.

        ``engine`` is ``"graphviz"`` (its program ``dot`` draws), ``"plain"`` (autotrace draws) or ``"auto"``: Graphviz
        where it is installed. Raises ``ValueError`` for other words, ``RuntimeError`` where Graphviz is asked for and
        does not work.

        >>> import autotrace
        >>> autotrace.make_jaxpr(lambda x: x + 1.0)(2.0).to_svg(engine="plain")[:4]
        '<svg'
        """
        return _pictures().to_svg(self, engine, group, names)

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
        programs. With ``picture``, a drawing stands under the text. ``names`` is ``"letters"`` or ``"user"``. Of a
        program of more than ``max_equations`` the middle is left out. Nothing in it comes from elsewhere.

        >>> import autotrace
        >>> autotrace.make_jaxpr(lambda x: x + 1.0)(2.0).to_html().splitlines()[0]
        '<!DOCTYPE html>'
        """
        return _pictures().to_html(self, page, picture, names, max_equations)

    def _repr_html_(self) -> str:
        return self.to_html(page=False, max_equations=1000)

    def __eq__(self, other: object) -> bool:
        """Tell whether ``other`` is the same program up to names of variables: see :mod:`autotrace.ir.equality`."""
        if self is other:
            return True
        if not isinstance(other, Jaxpr):
            return NotImplemented
        return sketch(self) == sketch(other) and structure(self) == structure(other)

    def __hash__(self) -> int:
        return hash(sketch(self))

    def __copy__(self) -> Jaxpr:
        return self

    def pretty(
        self,
        *,
        width: int | None = WIDTH,
        source: bool = False,
        shapes: bool = True,
        names: str = "letters",
        cost: bool = False,
        color: bool | str = "auto",
        max_equations: int | None = None,
        constants: int = WRITTEN_OUT,
        format: str = "text",
    ) -> str:
        """Return the program as text, coloured on a terminal; ``format="python"`` gives that of a Python function.

        The other options are those of :func:`autotrace.print_jaxpr`. Of a Python function ``names`` count, and
        ``source``, which adds comments.

        >>> import autotrace
        >>> print(autotrace.make_jaxpr(lambda speed: 0.5 * speed**2)(3.0).pretty(names="user"))
        { lambda ; speed:f64[]. let
            a:f64[] = integer_pow[y=2] speed
            b:f64[] = mul 0.5 a
          in (b,) }
        """
        if format == "python":
            return str(to_python(self, names=names, comments=source))
        if format != "text":
            raise ValueError(f"pretty: format must be 'text' or 'python'; got {format!r}. Use one of these.")
        return print_jaxpr(
            self,
            width=width,
            source=source,
            shapes=shapes,
            names=names,
            cost=cost,
            color=color,
            max_equations=max_equations,
            constants=constants,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the program to a file, text and arrays without pickle: :func:`autotrace.load_jaxpr` reads it.

        Raises :class:`autotrace.errors.UnsupportedError` for constants that are no NumPy arrays and parameters that
        have no text, ``OSError`` where the file cannot be written.
        """
        importlib.import_module(".save", __package__).save_jaxpr(self, path)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show the program in IPython, in colour on a terminal."""
        printer.text(print_jaxpr(self, color="auto"))

    def __str__(self) -> str:
        return print_jaxpr(self)

    def __repr__(self) -> str:
        takes = ", ".join(map(str, self.in_avals))
        gives = ", ".join(map(str, self.out_avals))
        return f"<Jaxpr ({takes}) -> ({gives}), {len(self.equations)} equations>"


def _pictures() -> Any:
    """Return the module that draws. It is loaded here, because most programs are never drawn."""
    return importlib.import_module(".pictures", __package__)
