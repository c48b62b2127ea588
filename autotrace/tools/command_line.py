"""``python -m autotrace``: look at the programs of functions, price, profile, run and compare them.

Exit codes: 0 done; 1 the user's program failed, or the programs compared differ; 2 the command line names what is not
there or cannot be read. Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..control import jit
from ..errors import JaxprFileError, JaxprSyntaxError, JaxprTypeError
from ..ir import Jaxpr, diff_jaxprs, load_jaxpr, parse_jaxpr
from ..ir.pricing import ProgramCost
from ..transforms import eval_shape, grad, hessian, jacobian, jvp, value_and_grad, vjp, vmap
from .cost import program_of
from .profile import profile
from .profiling import Profile
from .targets import TargetError, drawn, load_function, parse_arguments

__all__ = ["main"]

DONE, FAILED, USAGE = 0, 1, 2
NAME = "python -m autotrace"

_DESCRIPTION = "Look at the programs that NumPy functions are: print, price, profile, run and compare them."
_ARGUMENTS = """\
arguments:
  --args takes types and numbers, as the function takes its arguments:
    "f64[3], f64[]"                a vector of three float64, a float64
    "f32[8,4], i64[8], 3, n=2"     a matrix, eight integers, the number 3, a keyword argument
    "{'w': f64[4,2], 'b': f64[2]}" a dict; (...) and [...] are tuples and lists
  --npz FILE takes the arrays of a file in their order. A function whose Python asks for values (an if, a while)
  needs those: numbers, --npz, or --seed N for random ones.

transforms are applied from left to right: --grad --vmap is vmap(grad(f)).
"""
_EXAMPLES = {
    "show": """\
examples:
  {name} show model.py:loss --args "f64[3], f64[]" --grad
  {name} show model.py:loss --args "f64[8,3], f64[8]" --in-axes 0,0 --grad --vmap --jit --cost
  {name} show numpy:sin --args "f64[]" --grad --grad --format python
  {name} show model.py:loss --args "f64[3], f64[]" --format svg -o loss.svg
  {name} show saved.jaxpr --source
""",
    "cost": """\
examples:
  {name} cost model.py:loss --args "f64[1000,20], f64[20]" --value-and-grad
  {name} cost model.py:loss --args "f64[1000,20], f64[20]" --by equation
""",
    "profile": """\
examples:
  {name} profile model.py:loss --args "f64[1000,20], f64[20]" --value-and-grad --jit
  {name} profile model.py:loss --npz data.npz --grad --format json -o loss.json   (open it in speedscope)
""",
    "run": """\
examples:
  {name} run gradient.jaxpr arguments.npz
  {name} run gradient.jaxpr arguments.npz -o results.npz
""",
    "diff": """\
examples:
  {name} diff before.jaxpr after.jaxpr
""",
}


def main(argv: Sequence[str] | None = None, version: str = "") -> int:
    """Run the command line ``argv`` (that of the process by default) and return the exit code.

    ``version`` is that of the package, which ``--version`` tells.
    """
    try:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows only ASCII
        options = _parser(version).parse_args(argv)
    except SystemExit as stop:  # argparse has told what is wrong, or the help
        return stop.code if isinstance(stop.code, int) else USAGE
    try:
        code: int = options.command(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # nobody reads on, as under `| head`: nothing to complain about
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return 130
    except (TargetError, JaxprFileError, JaxprSyntaxError) as error:
        return _complain(error, options.traceback, USAGE)
    except Exception as error:
        return _complain(error, options.traceback, FAILED)


def _complain(error: BaseException, whole: bool, code: int) -> int:
    """Write the error to stderr, in one line but for carets; with ``whole`` its traceback too."""
    if whole:
        traceback.print_exception(type(error), error, error.__traceback__)
    if code == USAGE:
        told = str(error)
    else:
        text, notes = str(error), list(getattr(error, "__notes__", ()))
        for note in notes:  # in Python 3.10 they end the message
            text = text.replace(f"\n{note}", "")
        text = " ".join(text.split())
        shown = [note.removeprefix("autotrace: ") for note in notes]
        told = "; ".join([f"{type(error).__name__}: {text}" if text else type(error).__name__, *shown])
    print(f"{NAME}: error: {told}", file=sys.stderr)
    return code


# -- options -----------------------------------------------------------------------------------------


def _parser(version: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description=_DESCRIPTION)
    parser.set_defaults(traceback=False)
    told = f"autotrace {version} (NumPy {np.__version__}, Python {sys.version.split()[0]})"
    parser.add_argument("--version", action="version", version=told, help="show the versions and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    show = _command(commands, "show", _show, "print or draw the program of a function", takes_function=True)
    formats = ["text", "python", "dot", "mermaid", "svg", "html", "jaxpr"]
    show.add_argument("--format", choices=formats, default="text", help="jaxpr saves a file that `run` takes")
    show.add_argument("--source", action="store_true", help="add file, line and function to each equation")
    show.add_argument("--cost", action="store_true", help="add operations, bytes moved and alive to each equation")
    show.add_argument("--names", choices=["letters", "user"], default="letters", help="names of variables")
    show.add_argument("--width", type=_positive, default=100, help="break lines at so many characters (default 100)")
    show.add_argument("--max-equations", type=_positive, metavar="N", help="leave out the middle of longer programs")
    show.add_argument("--color", choices=["auto", "always", "never"], default="auto", help="auto: on a terminal")

    cost = _command(commands, "cost", _cost, "price the program of a function", takes_function=True)
    cost.add_argument("--by", choices=["line", "primitive", "phase", "equation"], help="only this table, whole")
    cost.add_argument("--format", choices=["text", "json"], default="text")

    prof = _command(commands, "profile", _profile, "run a function and time the lines of its source", True)
    prof.add_argument("--repeats", type=_positive, metavar="N", help="runs (default: as many as fit in 0.3 s)")
    prof.add_argument("--no-memory", action="store_true", help="measure time alone")
    prof.add_argument("--format", choices=["text", "html", "json"], default="text", help="json is for speedscope")

    run = _command(commands, "run", _run, "run a saved program on saved arrays")
    run.add_argument("program", metavar="FILE.jaxpr", help="a program that jaxpr.save wrote, or its text")
    run.add_argument("arrays", metavar="ARGS.npz", nargs="?", help="its arguments, in the order of the file")

    diff = _command(commands, "diff", _diff, "compare two saved programs; exit code 1 if they differ")
    diff.add_argument("first", metavar="A.jaxpr")
    diff.add_argument("second", metavar="B.jaxpr")
    return parser


def _command(
    commands: Any, name: str, function: Callable[[Any], int], told: str, takes_function: bool = False
) -> argparse.ArgumentParser:
    epilog = (_ARGUMENTS + "\n" if takes_function else "") + _EXAMPLES[name].format(name=NAME)
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=told,
        description=f"{told[0].upper()}{told[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=function)
    if takes_function:
        _add_function(parser)
    if name != "diff":
        parser.add_argument("-o", "--output", metavar="FILE", help="write there instead of to the terminal")
    parser.add_argument("--traceback", action="store_true", help="show the whole traceback of an error")
    return parser


def _add_function(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help="MODULE:FUNCTION, path/to/file.py:FUNCTION, or FILE.jaxpr")
    parser.add_argument("--args", default="", metavar="TYPES", help='the arguments, as "f64[3], f64[]"')
    parser.add_argument("--npz", metavar="FILE", help="the arguments from a file of arrays")
    parser.add_argument("--seed", type=int, help="random numbers in the place of types (profile: 0 by default)")
    for word in _TRANSFORMS:
        parser.add_argument(
            f"--{word}", dest="transforms", action="append_const", const=word, help=f"{word.replace('-', '_')} of it"
        )
    parser.add_argument(
        "--argnums", type=_numbers, default=0, metavar="N,...", help="what to differentiate (default 0)"
    )
    parser.add_argument(
        "--in-axes", type=_axes, default=0, metavar="N,...", help="axes of vmap, - for none (default 0)"
    )
    parser.set_defaults(transforms=[])


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {text}")
    return number


def _numbers(text: str) -> int | tuple[int, ...]:
    try:
        numbers = tuple([int(part) for part in text.split(",")])
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be whole numbers with commas between; got {text!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _axes(text: str) -> int | tuple[int | None, ...] | None:
    try:
        axes = tuple([None if part.strip() in ("-", "None") else int(part) for part in text.split(",")])
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be whole numbers or - with commas between; got {text!r}") from None
    return axes[0] if len(axes) == 1 else axes


# -- functions and their programs --------------------------------------------------------------------


def _jvp(fun: Callable[..., Any], args: list[Any], options: Any) -> tuple[Callable[..., Any], list[Any]]:
    """Take the arguments, then tangents like them."""
    count = len(args)

    def pushed(*both: Any, **kwargs: Any) -> Any:
        return jvp(partial(fun, **kwargs), both[:count], both[count:])

    return pushed, [*args, *args]


def _vjp(fun: Callable[..., Any], args: list[Any], options: Any) -> tuple[Callable[..., Any], list[Any]]:
    """Take the arguments, then a cotangent like the output."""

    def pulled(*given: Any, **kwargs: Any) -> Any:
        return vjp(partial(fun, **kwargs), *given[:-1])[1](given[-1])

    return pulled, [*args, eval_shape(fun, *args, **options.keywords)]


_TRANSFORMS: dict[str, Callable[[Callable[..., Any], list[Any], Any], tuple[Callable[..., Any], list[Any]]]] = {
    "grad": lambda fun, args, options: (grad(fun, argnums=options.argnums), args),
    "value-and-grad": lambda fun, args, options: (value_and_grad(fun, argnums=options.argnums), args),
    "jvp": _jvp,
    "vjp": _vjp,
    "vmap": lambda fun, args, options: (vmap(fun, in_axes=options.in_axes), args),
    "jacobian": lambda fun, args, options: (jacobian(fun, argnums=options.argnums), args),
    "hessian": lambda fun, args, options: (hessian(fun, argnums=options.argnums), args),
    "jit": lambda fun, args, options: (jit(fun), args),
}


def _function(options: Any, seed: int | None) -> tuple[Callable[..., Any], list[Any], dict[str, Any]]:
    """Return the transformed function and its arguments; with a ``seed`` random numbers stand for types."""
    args, kwargs = parse_arguments(options.args)
    if options.npz is not None:
        args = [*_arrays(options.npz), *args]
    fun = load_function(options.target)
    options.keywords = kwargs
    for word in options.transforms:
        fun, args = _TRANSFORMS[word](fun, args, options)
    if seed is not None:
        args, kwargs = drawn((args, kwargs), seed)
    return fun, args, kwargs


def _program(options: Any) -> Jaxpr:
    if _is_saved(options.target):
        if options.transforms or options.args or options.npz:
            raise TargetError(f"{options.target!r} is a program already: it takes no transforms and no arguments.")
        return _load(options.target)
    fun, args, kwargs = _function(options, options.seed)
    return program_of(fun, args, kwargs)


def _is_saved(target: str) -> bool:
    """Tell whether ``target`` is a file that holds a program, or its text."""
    return ":" not in target and not target.endswith(".py") and os.path.isfile(target)


def _load(path: str) -> Jaxpr:
    """Return the program in a file: a saved one, or its text."""
    try:
        with open(path, "rb") as file:
            start = file.read(4)
        if start == b"PK\x03\x04":
            return load_jaxpr(path)
        with open(path, encoding="utf-8") as file:
            return parse_jaxpr(file.read())
    except JaxprTypeError as error:
        raise TargetError(f"{path!r} holds a program that is ill typed: {error}") from error
    except UnicodeDecodeError:
        raise TargetError(f"{path!r} is neither a saved program nor text.") from None
    except OSError as error:
        raise TargetError(f"cannot read {path!r}: {error.strerror}.") from error


def _arrays(path: str) -> list[Any]:
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):  # of numpy.save: one array
            return [found[()]]
        with found as archive:
            return [archive[name][()] for name in archive.files]
    except OSError as error:
        raise TargetError(f"cannot read {path!r}: {error.strerror or error}.") from error
    except (ValueError, EOFError, BadZipFile) as error:
        raise TargetError(f"{path!r} must hold arrays of numbers, as numpy.savez writes them.") from error


# -- commands ----------------------------------------------------------------------------------------


def _write(text: str, path: str | None) -> None:
    if path is None:
        print(text)
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")
    except OSError as error:
        raise TargetError(f"cannot write {path!r}: {error.strerror}.") from error


def _show(options: Any) -> int:
    jaxpr = _program(options)
    if options.format == "jaxpr":
        if options.output is None:
            raise TargetError("--format jaxpr writes a file. Name it: -o FILE.jaxpr.")
        jaxpr.save(options.output)
        return DONE
    _write(_drawn_as(jaxpr, options), options.output)
    return DONE


def _drawn_as(jaxpr: Jaxpr, options: Any) -> str:
    names = options.names
    match options.format:
        case "python":
            return str(jaxpr.to_python(names=names))
        case "dot":
            return jaxpr.to_dot(names=names)
        case "mermaid":
            return jaxpr.to_mermaid(names=names)
        case "svg":
            return jaxpr.to_svg(names=names)
        case "html":
            return jaxpr.to_html(names=names, max_equations=options.max_equations)
    auto: bool | str = "auto" if options.output is None else False
    color = {"auto": auto, "always": True, "never": False}[options.color]
    return jaxpr.pretty(
        width=options.width,
        source=options.source,
        names=names,
        cost=options.cost,
        color=color,
        max_equations=options.max_equations,
    )


def _cost(options: Any) -> int:
    found = _program(options).cost()
    if options.format == "json":
        text = json.dumps(_as_numbers(found), indent=1)
    else:
        text = found.table(options.by, limit=None) if options.by else str(found)
    _write(text, options.output)
    return DONE


def _as_numbers(found: ProgramCost) -> dict[str, Any]:
    def groups(costs: dict[Any, Any]) -> dict[str, Any]:
        return {str(key): cost._asdict() for key, cost in costs.items()}

    return {
        "flops": found.flops,
        "bytes": found.bytes,
        "peak_bytes": found.peak_bytes,
        "argument_bytes": found.argument_bytes,
        "output_bytes": found.output_bytes,
        "by_phase": groups(found.by_phase),
        "by_primitive": groups(found.by_primitive),
        "by_line": groups(found.by_line),
        "notes": found.notes,
    }


def _profile(options: Any) -> int:
    if _is_saved(options.target):
        raise TargetError(f"profile runs functions; {options.target!r} is a program. Use cost to price it.")
    fun, args, kwargs = _function(options, options.seed or 0)
    made = profile(fun, repeats=options.repeats, memory=not options.no_memory)
    found: Profile = made(*args, **kwargs)
    text = {"text": found.__str__, "html": found.to_html, "json": found.to_json}[options.format]()
    _write(text, options.output)
    return DONE


def _run(options: Any) -> int:
    jaxpr = _load(options.program)
    arrays = [] if options.arrays is None else _arrays(options.arrays)
    outputs = jaxpr(*arrays)
    if options.output is None:
        for output in outputs:
            print(np.array2string(np.asarray(output)))
        return DONE
    try:
        with open(options.output, "wb") as file:  # savez by itself adds an ending to the name
            np.savez(file, *outputs)
    except OSError as error:
        raise TargetError(f"cannot write {options.output!r}: {error.strerror}.") from error
    return DONE


def _diff(options: Any) -> int:
    found = diff_jaxprs(_load(options.first), _load(options.second))
    if not found:
        return DONE
    print(found)
    return FAILED
