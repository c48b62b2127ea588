"""Everything that the documentation shows is true: its code runs, and prints what the page says it prints.

In README.md and docs/, where the blocks of one file share one namespace, from top to bottom:

    ```python   runs; what it prints must equal a block that shows output after it
    ```text     shows output where nothing but blank lines stands between it and a ```python block above it;
                elsewhere it is only text
    ```output   shows output of the block above it, whatever prose stands between
    ```pycon    an interactive session, checked as a doctest is: the place for expected errors
    ```console  after `$ ` stand commands of `python -m autotrace`, and below each what it prints (to stdout and
                stderr); `$ echo $?` shows its exit code. Blocks with other commands are only text

A python block whose first line is `# file: NAME` is written to that file too, for commands to take.
Shown output may leave out part of a line as `...`, and whole lines as a line of `...`.
Every docstring's examples run too.
"""

import ast
import contextlib
import difflib
import doctest
import importlib
import importlib.util
import io
import linecache
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import traceback
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

FENCE = re.compile(r"(?P<indent> *)(?P<ticks>`{3,})(?P<language>[\w+-]*)[^`]*")


@dataclass(frozen=True)
class Block:
    """A fenced block of a Markdown page: `line` is that of its first line of text, counted from 1."""

    language: str
    text: str
    line: int
    prose_before: bool


def fenced_blocks(page: str) -> Iterator[Block]:
    lines = iter(enumerate(page.splitlines(), 1))
    prose = False
    for number, line in lines:
        opening = FENCE.fullmatch(line)
        if opening is None:
            prose = prose or bool(line.strip())
            continue
        indent, body = len(opening["indent"]), []
        for _, inner in lines:
            if inner.strip() == opening["ticks"]:
                break
            body.append(inner[min(indent, len(inner) - len(inner.lstrip())) :])
        else:
            raise AssertionError(f"line {number}: this block is never closed")
        yield Block(opening["language"], "".join(f"{line}\n" for line in body), number + 1, prose)
        prose = False


def trimmed(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.rstrip().splitlines())


def pattern(line: str) -> str:
    return r"(.*\n)*" if line.strip() == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"


def compare_output(shown: str, printed: str, where: str) -> None:
    shown, printed = trimmed(shown), trimmed(printed)
    if sys.version_info < (3, 11):  # where notes end the message
        printed = re.sub(r"^autotrace: .*\n", "", printed, flags=re.MULTILINE)
    if not re.fullmatch("".join(map(pattern, shown.splitlines())), printed):
        diff = difflib.unified_diff(shown.splitlines(), printed.splitlines(), "shown", "printed", lineterm="")
        raise AssertionError("\n".join([f"{where}: the page shows what the code does not print", *diff]))


@contextlib.contextmanager
def whole_messages() -> Iterator[None]:
    """Let doctest see an error's message with its notes: before Python 3.11.4 it looked at the last line alone."""

    def message(*error: object) -> list[str]:
        return ["".join(traceback.format_exception_only(*error))]

    if sys.version_info >= (3, 11, 4):
        yield
    else:
        seen = types.SimpleNamespace(**vars(traceback) | {"format_exception_only": message})
        with mock.patch.object(doctest, "traceback", seen):
            yield


def run_session(block: Block, namespace: dict[str, object], name: str) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, {}, name, name, block.line - 1)
    test.globs = namespace  # after construction, which would copy it: later blocks see what this one defines
    report = io.StringIO()
    with whole_messages():
        results = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.write, clear_globs=False)
    assert not results.failed, report.getvalue()


def run_commands(block: Block, where: str) -> None:
    """Run the commands of a console block, if all are ours, and compare what they print."""
    parts = re.split(r"^\$ ((?:.*\\\n)*.*)\n", block.text, flags=re.MULTILINE)
    commands = [command.replace("\\\n", " ") for command in parts[1::2]]
    if not commands or not all(command.startswith(("python -m autotrace", "echo $?")) for command in commands):
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "80"}
    code = 0
    for command, shown in zip(commands, parts[2::2], strict=True):
        if command == "echo $?":
            printed = f"{code}\n"
        else:
            done = subprocess.run(
                [sys.executable, *shlex.split(command)[1:]],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                text=True,
                encoding="utf-8",
                timeout=120,
            )
            code, printed = done.returncode, done.stdout
        compare_output(shown, printed, f"{where}: $ {command}")


@contextlib.contextmanager
def page_module(name: str) -> Iterator[types.ModuleType]:
    """A module for a page's code to live in: dataclasses and pickles look their module up by name."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    try:
        yield module
    finally:
        del sys.modules[name]


def run_page(path: Path) -> None:
    """Run the blocks of the Markdown page at `path` in order; raise where one fails or shows a falsehood."""
    printed: str | None = None
    with page_module(re.sub(r"\W", "_", path.stem)) as module:
        for block in fenced_blocks(path.read_text(encoding="utf-8")):
            where = f"{path.name}:{block.line}"
            match block.language:
                case "python":
                    # Blank lines on top put the code on the page's own lines: tracebacks then point into the
                    # page, and so do the source lines that equations carry.
                    code = compile("\n" * (block.line - 1) + block.text, str(path), "exec")
                    linecache.checkcache(str(path))
                    file = re.match(r"# file: ([\w.-]+)\n", block.text)
                    if file:
                        Path(file[1]).write_text(block.text, encoding="utf-8")
                    with contextlib.redirect_stdout(io.StringIO()) as stdout:
                        exec(code, module.__dict__)
                    printed = stdout.getvalue()
                    continue
                case "output":
                    assert printed is not None, f"{where}: no code block stands above this output"
                    compare_output(block.text, printed, where)
                case "text" if printed is not None and not block.prose_before:
                    compare_output(block.text, printed, where)
                case "pycon":
                    run_session(block, module.__dict__, where)
                case "console":
                    run_commands(block, where)
            printed = None


def module_names(package: str) -> Iterator[str]:
    """Every module of `package`, without importing any: what fails to import fails in its own test."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations is not None, f"{package} is not a package"
    yield package
    yield from submodules(list(spec.submodule_search_locations), package)


def submodules(folders: list[str], package: str) -> Iterator[str]:
    for module in pkgutil.iter_modules(folders):
        name = f"{package}.{module.name}"
        if module.name == "__main__":  # importing it would run it
            continue
        yield name
        if module.ispkg:
            yield from submodules([str(Path(folder, module.name)) for folder in folders], name)


def docstring_tests(module: types.ModuleType) -> list[doctest.DocTest]:
    """Every docstring with examples: those in the source, then those that the module made as it ran.

    doctest's own search sees only plain functions and classes, not what a decorator has replaced.
    """
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text, name = ast.get_docstring(node), getattr(node, "name", module.__name__)
            if text and ">>>" in text:
                line = node.body[0].lineno - 1
                test = doctest.DocTestParser().get_doctest(text, vars(module), name, module.__file__, line)
                found[examples(test)] = test
    for test in doctest.DocTestFinder().find(module):
        if test.examples:
            found.setdefault(examples(test), test)
    return list(found.values())


def examples(test: doctest.DocTest) -> tuple[tuple[str, str], ...]:
    return tuple((example.source, example.want) for example in test.examples)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a page may save files, and must not lean on ours
    if path.name == "with-scipy.md":
        pytest.importorskip("scipy", reason="SciPy is an optional partner: pip install 'autotrace-ad[interop]'")
    run_page(path)


@pytest.mark.parametrize("name", list(module_names("autotrace")))
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name.startswith("autotrace.scipy"):
        pytest.importorskip("scipy", reason="SciPy is an optional partner: pip install 'autotrace-ad[interop]'")
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in docstring_tests(importlib.import_module(name)):
        runner.run(test, out=report.write)
    assert not runner.failures, report.getvalue()


GOOD_PAGE = """\
A list may hold a block:

 1. first

    ```python
    x = 2
    print("one", 1.23456)
    print("two", x)
    ```
    ```text
    one 1.2...
    two 2
    ```

```text
after a block of output: only text
```

```python
print("three")
```
which prints
```output
three
```

```pycon
>>> x + 1
3
>>> x.missing
Traceback (most recent call last):
AttributeError: 'int' object has no attribute 'missing'
>>> y = x
```

```python
assert y == 2
from dataclasses import dataclass

@dataclass
class Point:
    x: "int"
```
as prose follows, this is
```text
only text
```
"""


def test_a_right_page_passes(tmp_path):
    page = tmp_path / "good.md"
    page.write_text(GOOD_PAGE)
    run_page(page)
    assert "good" not in sys.modules


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("two 2", "two 3", "good.md:11: the page shows"),
        ("one 1.2...", "one 1.3...", "good.md:11: the page shows"),
        ("    two 2\n", "", "good.md:11: the page shows"),
        ("which prints\n", "```text\nfour\n```\n", "good.md:23: the page shows"),
        ("\nthree\n", "\nfour\n", "good.md:24: the page shows"),
        (">>> x + 1\n3", ">>> x + 1\n4", "Expected:\n      4\n  Got:\n      3"),
        ("'int' object", "'float' object", "AttributeError: 'int' object"),
        ("only text\n```\n", "only text\n", "line 45: this block is never closed"),
        ("A list may hold a block:", "```output\none\n```", "good.md:2: no code block stands above"),
    ],
)
def test_a_wrong_page_fails(tmp_path, right, wrong, complaint):
    assert right in GOOD_PAGE
    page = tmp_path / "good.md"
    before, _, after = GOOD_PAGE.rpartition(right)
    page.write_text(before + wrong + after)
    with pytest.raises(AssertionError, match=re.escape(complaint)):
        run_page(page)


CONSOLE_PAGE = """\
```python
# file: good_model.py
def double(x):
    return 2.0 * x
```

```console
$ python -m autotrace show good_model.py:double \\
    --args "f64[]"
{ lambda ; a:f64[]. let
    b:f64[] = mul 2.0 a
  in (b,) }
$ python -m autotrace show good_model.py:absent
python -m autotrace: error: ...
$ echo $?
2
```

```console
$ no-such-command is run
```
"""


def test_commands_of_ours_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "console.md"
    page.write_text(CONSOLE_PAGE)
    run_page(page)


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("= mul 2.0 a", "= mul 3.0 a", "console.md:8: $ python -m autotrace show good_model.py:double"),
        ("$?\n2", "$?\n1", "console.md:8: $ echo $?: the page shows"),
        ("error: ...", "", "console.md:8: $ python -m autotrace show good_model.py:absent"),
    ],
)
def test_a_falsehood_about_commands_is_found(tmp_path, monkeypatch, right, wrong, complaint):
    monkeypatch.chdir(tmp_path)
    assert right in CONSOLE_PAGE
    page = tmp_path / "console.md"
    page.write_text(CONSOLE_PAGE.replace(right, wrong))
    with pytest.raises(AssertionError, match=re.escape(complaint)):
        run_page(page)


def test_docstrings_are_found_whatever_carries_them(tmp_path, monkeypatch):
    (tmp_path / "planted_docstrings.py").write_text(
        """
def hide(f): return property(lambda self: f)
@hide
def hidden():
    '''
    >>> 1 + 1
    2
    '''
class Made:
    __doc__ = "\\n".join([">>> 2 + 2", "5"])
    @property
    def inner(self):
        '''
        >>> 3 + 3
        6
        '''
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    tests = docstring_tests(importlib.import_module("planted_docstrings"))
    assert sorted(test.examples[0].source for test in tests) == ["1 + 1\n", "2 + 2\n", "3 + 3\n"]
    failed = [doctest.DocTestRunner().run(test, out=lambda _: None).failed for test in tests]
    assert sum(failed) == 1


def test_code_runs_on_the_lines_of_its_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nx = 1\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as error:
        run_page(page)
    last = error.traceback[-1]
    assert (Path(last.path).name, last.lineno + 1) == ("page.md", 5)


def test_modules_are_found_without_importing_them(tmp_path, monkeypatch):
    for name in ("__init__", "__main__", "inner/__init__", "inner/leaf"):
        file = tmp_path / "planted" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(module_names("planted")) == ["planted", "planted.inner", "planted.inner.leaf"]
