"""Programs in files: the text, and the arrays that it only names, in one archive without pickle.

The file is what ``numpy.savez`` writes, and ``numpy.load`` opens it: ``program`` is the text as bytes of UTF-8,
``constant_0``, ``constant_1``, ... are the arrays in the order of the text. A first line of the text tells the version.
Reading trusts nothing: no member may be compressed, so that no array is larger than the file, and an array is made only
after its header has been compared with the bytes that are there.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from ..errors import AutotraceError, JaxprFileError, UnsupportedError
from .avals import ShapedArray
from .equality import is_program
from .jaxpr import Jaxpr
from .parse import parse_jaxpr
from .print import print_jaxpr, referenced
from .source import located, place

__all__ = ["load_jaxpr", "save_jaxpr"]

VERSION = 1
_FIRST_LINE = "# autotrace program, version "
_MOST_MEMBERS = 100_000

File = str | os.PathLike[str]


def save_jaxpr(jaxpr: Jaxpr, path: File) -> None:
    """Write ``jaxpr`` to the file ``path``: see :meth:`autotrace.Jaxpr.save`."""
    _refuse_unwritable(jaxpr)
    arrays = referenced(jaxpr)
    text = "\n".join(
        [
            f"{_FIRST_LINE}{VERSION}",
            *[f"# primitive {name}: import {module}" for name, module in sorted(_foreign(jaxpr))],
            print_jaxpr(jaxpr, source=True, names="user"),
            "",
        ]
    )
    if parse_jaxpr(text, constants=arrays) != jaxpr:
        raise UnsupportedError(
            "save: what is saved must load as the same program; got one that does not. This is a bug in autotrace: "
            "please report it with the program's text."
        )
    members = {f"constant_{i}": array for i, array in enumerate(arrays)}
    with open(path, "wb") as file:
        np.savez(file, program=np.frombuffer(text.encode(), np.uint8), **members)


def load_jaxpr(path: File) -> Jaxpr:
    """Return the program in the file ``path``, which ``jaxpr.save(path)`` wrote.

    Nothing is executed and nothing unpickled. The function that was traced need not exist any more; modules that
    define primitives of the user's must have been imported.

    Raises ``OSError`` where the file cannot be read, :class:`autotrace.errors.JaxprFileError` where it is no saved
    program: damaged, of another version, or with primitives that nobody defines.

    >>> import autotrace, numpy as np, os, tempfile
    >>> jaxpr = autotrace.make_jaxpr(autotrace.grad(lambda x: np.sum(np.sin(x))))(np.ones(2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     jaxpr.save(os.path.join(folder, "gradient.jaxpr"))
    ...     loaded = load_jaxpr(os.path.join(folder, "gradient.jaxpr"))
    >>> loaded == jaxpr, loaded(np.zeros(2))
    (True, [array([1., 1.])])
    """
    with open(path, "rb") as file:
        name = os.path.basename(os.fspath(path))
        try:
            members = _members(file)
            text = members.pop("program").tobytes().decode()
            arrays = [members.pop(f"constant_{i}") for i in range(len(members))]
        except Exception as error:  # whatever a damaged archive makes its readers raise
            told = str(error) if isinstance(error, _DamageError) else f"{type(error).__name__}: {error}"
            raise JaxprFileError(
                f"load_jaxpr: the file must be a program that jaxpr.save wrote; got {name} ({told}). Save it again."
            ) from None
        _check_version(text, name)
        try:
            return parse_jaxpr(text, constants=arrays)
        except AutotraceError as error:
            raise JaxprFileError(
                f"load_jaxpr: the file must hold a program; got {name}: {str(error).removeprefix('parse_jaxpr: ')}"
            ) from error


# -- writing ---------------------------------------------------------------------------------------


def _refuse_unwritable(jaxpr: Jaxpr) -> None:
    """Raise the error of a program that holds what has no text."""
    for program in _programs(jaxpr):
        for constant in program.constants:
            if not isinstance(constant, np.ndarray | np.generic):
                raise UnsupportedError(
                    f"save: the constants of a program must be NumPy arrays; got {type(constant).__name__}. "
                    "Make the program outside of other transforms, or pass the value as an argument."
                )
        for equation in program.equations:
            for key, value in equation.params.items():
                bad = next(_unwritable(value), None)
                if bad is not None:
                    raise UnsupportedError(
                        f"save: parameters must be numbers, strings, dtypes, tuples and programs; got "
                        f"{type(bad).__name__} as {key} of {equation.primitive.name}{located(place(equation.source))}. "
                        "Save a program without this operation."
                    )


def _programs(jaxpr: Jaxpr) -> Iterator[Jaxpr]:
    seen: set[int] = set()
    stack = [jaxpr]
    while stack:
        program = stack.pop()
        if id(program) not in seen:
            seen.add(id(program))
            yield program
            stack.extend(program.subjaxprs())


def _unwritable(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for item in value:
            yield from _unwritable(item)
    elif not (
        value is None
        or value is Ellipsis
        or is_program(value)
        or isinstance(value, bool | int | float | complex | str | slice | np.dtype | np.generic | ShapedArray)
    ):
        yield value


def _foreign(jaxpr: Jaxpr) -> set[tuple[str, str]]:
    """Return the primitives that are not the library's, each with the module that defines it."""
    kinds = {type(equation.primitive) for program in _programs(jaxpr) for equation in program.equations}
    ours = __package__.partition(".")[0] + "."
    return {(kind.name, kind.__module__) for kind in kinds if not kind.__module__.startswith(ours)}


# -- reading ---------------------------------------------------------------------------------------


class _DamageError(Exception):
    """What is wrong with a file, in words."""


def _members(file: IO[bytes]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of an archive by name."""
    if file.read(4) != b"PK\x03\x04":
        raise _DamageError("it is no archive")
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        infos = archive.zip.infolist()
        if len(infos) > _MOST_MEMBERS or len({info.filename for info in infos}) < len(infos):
            raise _DamageError("it has too many members, or two of one name")
        if any(info.compress_type for info in infos) or sum(info.file_size for info in infos) > size:
            raise _DamageError("its members must not be compressed, nor larger than the file")
        found = {}
        for info in infos:
            with archive.zip.open(info) as member:
                found[info.filename.removesuffix(".npy")] = _array(member, info.file_size)
    if "program" not in found:
        raise _DamageError("it holds arrays but no program")
    if set(found) != {"program", *[f"constant_{i}" for i in range(len(found) - 1)]}:
        raise _DamageError("its members are not those of a program")
    return found


def _array(member: IO[bytes], size: int) -> np.ndarray[Any, Any]:
    """Read an array in NumPy's format, after its header has proved to be about the ``size`` bytes that are there."""
    if np.lib.format.read_magic(member) != (1, 0):
        raise _DamageError("an array is of another version of NumPy's format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
    if dtype.kind not in "fciub":
        raise _DamageError(f"an array holds {dtype}, not numbers")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size - member.tell():
        raise _DamageError("an array is not as large as it says")
    array: np.ndarray[Any, Any] = np.frombuffer(member.read(), dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _check_version(text: str, name: str) -> None:
    told = re.match(rf"{_FIRST_LINE}(\d{{1,9}})\n", text)
    if told is None or int(told[1]) != VERSION:
        raise JaxprFileError(
            f"load_jaxpr: the file must be of version {VERSION} of the format; got {name} of "
            f"{f'version {told[1]}' if told else 'none'}. Save it again, or use another version of autotrace."
        )
