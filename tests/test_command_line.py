"""``python -m autotrace``: what it prints, where, and its exit codes."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import autotrace
from autotrace import ShapeDtypeStruct, grad, jit, load_jaxpr, make_jaxpr, vmap
from autotrace.tools import command_line
from autotrace.tools.command_line import main
from autotrace.tools.targets import TargetError, drawn, load_function, parse_arguments

ROOT = Path(__file__).parents[1]

MODEL = """\
import numpy as np


def loss(w, x):
    scores = np.tanh(x @ w)
    return np.mean(scores**2)


def positive(x):
    if x > 0:
        return x * 2
    return x


def scaled(x, scale=1.0):
    return x * scale


def tree(params):
    return params["w"] @ params["b"][0]


def factor(x):
    return np.linalg.cholesky(x)


class Model:
    @staticmethod
    def predict(x):
        return np.sin(x)


number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with the module above in it, which no other test has imported."""
    (tmp_path / "planted_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("NO_COLOR", "1")
    yield tmp_path
    sys.modules.pop("planted_model", None)


class Result:
    """What a command printed, and its exit code."""

    def __init__(self, code, captured):
        self.code, self.out, self.err = code, captured.out, captured.err


@pytest.fixture
def run(folder, capsys):
    def run(*argv):
        return Result(main(argv), capsys.readouterr())

    return run


LOSS = ("planted_model.py:loss", "--args", "f64[3], f64[5,3]")


def loss(w, x):
    return np.mean(np.tanh(x @ w) ** 2)


W, X = ShapeDtypeStruct((3,), float), ShapeDtypeStruct((5, 3), float)


# -- show --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["planted_model.py:loss", "planted_model:loss"])
def test_show_prints_the_program_and_nothing_else(run, target):
    result = run("show", target, *LOSS[1:])
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{make_jaxpr(loss)(W, X)}\n"


@pytest.mark.parametrize(
    ("flags", "args", "expected"),
    [
        (["--grad"], "f64[3], f64[5,3]", lambda: make_jaxpr(grad(loss))(W, X)),
        (["--grad", "--argnums", "0,1"], "f64[3], f64[5,3]", lambda: make_jaxpr(grad(loss, (0, 1)))(W, X)),
        (
            ["--grad", "--vmap", "--in-axes=-,0"],
            "f64[3], f64[2,5,3]",
            lambda: make_jaxpr(vmap(grad(loss), in_axes=(None, 0)))(W, ShapeDtypeStruct((2, 5, 3), float)),
        ),
        (["--jit"], "f64[3], f64[5,3]", lambda: jit(loss).lower(W, X).jaxpr),
        (["--grad", "--jit"], "f64[3], f64[5,3]", lambda: jit(grad(loss)).lower(W, X).jaxpr),
    ],
)
def test_transforms_are_applied_from_left_to_right(run, flags, args, expected):
    result = run("show", "planted_model.py:loss", "--args", args, *flags)
    assert result.out == f"{expected()}\n"


@pytest.mark.parametrize(
    ("flag", "inputs", "outputs"),
    [
        ("--value-and-grad", 2, ("f64[]", "f64[3]")),
        ("--jvp", 4, ("f64[]", "f64[]")),
        ("--vjp", 3, ("f64[3]", "f64[5,3]")),
        ("--jacobian", 2, ("f64[3]",)),
        ("--hessian", 2, ("f64[3,3]",)),
    ],
)
def test_every_transform_has_its_types(run, folder, flag, inputs, outputs):
    assert run("show", *LOSS, flag, "--format", "jaxpr", "-o", "made.jaxpr").code == 0
    jaxpr = load_jaxpr("made.jaxpr")
    assert len(jaxpr.in_avals) == inputs
    assert tuple(map(str, jaxpr.out_avals)) == outputs


def test_options_reach_the_printer(run):
    assert "planted_model.py:5 (loss)" in run("show", *LOSS, "--source").out
    assert "30 flop" in run("show", *LOSS, "--cost").out
    assert "scores:f64[5]" in run("show", *LOSS, "--names", "user").out
    for flags in ([], ["--jit"], ["--grad", "--jit"], ["--jit", "--grad"]):
        assert "{ lambda ; w:f64[3] x:f64[5,3]. let" in run("show", *LOSS, "--names", "user", *flags).out
    assert "\x1b[" in run("show", *LOSS, "--color", "always").out
    assert "\x1b[" not in run("show", *LOSS, "--color", "never").out
    assert len(run("show", *LOSS, "--width", "40").out.splitlines()) > len(run("show", *LOSS).out.splitlines())
    assert len(run("show", *LOSS, "--max-equations", "2").out.splitlines()) == 5


@pytest.mark.parametrize(
    ("name", "start"),
    [("python", "import numpy"), ("dot", "digraph"), ("mermaid", "flowchart"), ("svg", "<svg"), ("html", "<!DOCTYPE")],
)
def test_formats(run, folder, name, start):
    shown = run("show", *LOSS, "--format", name)
    assert shown.code == 0
    assert shown.out.startswith(start)
    written = run("show", *LOSS, "--format", name, "--output", "made")
    assert (written.code, written.out) == (0, "")
    assert (folder / "made").read_text(encoding="utf-8").strip() == shown.out.strip()


def test_arguments_of_all_kinds(run):
    assert "mul a 2.0" in run("show", "planted_model.py:positive", "--args", "3.0").out
    assert "expected=True" in run("show", "planted_model.py:positive", "--args", "f64[]", "--seed", "1").out
    assert "b:f64[]" in run("show", "planted_model.py:scaled", "--args", "f64[3], scale=2.5").out
    assert "-> (f64[4])" in repr(make_jaxpr(load_function("planted_model.py:tree"))(
        *parse_arguments("{'w': f64[4,2], 'b': (f64[2],)}")[0]
    ))  # fmt: skip
    assert run("show", "planted_model.py:Model.predict", "--args", "f64[3]").code == 0
    np.savez("data.npz", np.ones(3), np.ones((5, 3)))
    assert run("show", "planted_model.py:loss", "--npz", "data.npz").out == run("show", *LOSS).out


# -- cost, profile -----------------------------------------------------------------------------------


def test_cost(run):
    found = jit(grad(loss)).lower(W, X).jaxpr.cost()
    result = run("cost", *LOSS, "--grad", "--jit")
    assert result.out.startswith(f"{found.flops} flops, {found.bytes} B moved")
    numbers = json.loads(run("cost", *LOSS, "--grad", "--jit", "--format", "json").out)
    assert (numbers["flops"], numbers["bytes"], numbers["peak_bytes"]) == (found.flops, found.bytes, found.peak_bytes)
    assert set(numbers["by_phase"]) == {"primal", "cotangent"}
    table = run("cost", *LOSS, "--by", "equation").out.splitlines()
    assert len(table) == 1 + len(make_jaxpr(loss)(W, X).equations)


def test_profile(run, folder):
    result = run("profile", *LOSS, "--grad", "--repeats", "2")
    assert result.code == 0
    assert result.out.startswith("profile of loss\n")
    assert "scores = np.tanh(x @ w)" in result.out
    assert "fastest of 2 runs" in result.out
    assert "alive" not in run("profile", *LOSS, "--repeats", "1", "--no-memory").out
    assert run("profile", *LOSS, "--repeats", "1", "--format", "json", "-o", "p.json").out == ""
    assert json.loads((folder / "p.json").read_text())["traceEvents"]
    assert run("profile", *LOSS, "--repeats", "1", "--format", "html").out.startswith("<!DOCTYPE html>")


# -- run, diff ---------------------------------------------------------------------------------------


def test_a_saved_program_runs_without_its_function(run, folder):
    assert run("show", *LOSS, "--grad", "--format", "jaxpr", "-o", "g.jaxpr").code == 0
    w, x = np.arange(3.0), np.ones((5, 3))
    np.savez("args.npz", w, x)
    result = run("run", "g.jaxpr", "args.npz")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{np.array2string(grad(loss)(w, x))}\n"
    assert run("run", "g.jaxpr", "args.npz", "-o", "out.npz").out == ""
    with np.load("out.npz") as out:
        np.testing.assert_allclose(out["arr_0"], grad(loss)(w, x), rtol=1e-15)
    assert run("show", "g.jaxpr").out == run("show", *LOSS, "--grad").out
    assert run("cost", "g.jaxpr").code == 0


def test_one_array_of_numpy_save_is_one_argument(run, folder):
    assert run("show", "planted_model:Model.predict", "--args", "f64[3]", "-o", "sine.jaxpr").code == 0
    np.save("x.npy", np.arange(3.0))
    assert run("run", "sine.jaxpr", "x.npy").out == f"{np.array2string(np.sin(np.arange(3.0)))}\n"
    assert run("show", "planted_model:Model.predict", "--npz", "x.npy").out.startswith("{ lambda ; a:f64[3]. let")
    assert run("run", "sine.jaxpr", "x.npy", "-o", "out.results").code == 0
    with np.load("out.results") as out:  # the name is taken as it is
        assert out["arr_0"].shape == (3,)


def test_diff_tells_by_its_exit_code_whether_programs_differ(run, folder):
    for name, flags in (("a", []), ("b", ["--grad"]), ("c", [])):
        run("show", *LOSS, *flags, "-o", f"{name}.jaxpr")
    same = run("diff", "a.jaxpr", "c.jaxpr")
    assert (same.code, same.out, same.err) == (0, "", "")
    differ = run("diff", "a.jaxpr", "b.jaxpr")
    assert (differ.code, differ.err) == (1, "")
    assert any(line.startswith("+") for line in differ.out.splitlines())


# -- errors ------------------------------------------------------------------------------------------

WRONG = {
    "no file": (["show", "absent.py:f"], 2, "there is no file 'absent.py'."),
    "no module": (["show", "absent_module:f"], 2, "there is no module 'absent_module'."),
    "no function": (["show", "planted_model.py:los"], 2, "planted_model.py has no 'los'. It has loss."),
    "no function of a class": (["show", "planted_model.py:Model.guess"], 2, "has no 'Model.guess'."),
    "no colon": (["show", "planted_model.py"], 2, "TARGET must be MODULE:FUNCTION or FILE.py:FUNCTION"),
    "a number": (["show", "planted_model.py:number"], 2, "must be a function; got int"),
    "no program": (["show", "absent.jaxpr"], 2, "TARGET must be MODULE:FUNCTION"),
    "a profile of a program": (["profile", "notes.txt"], 2, "profile runs functions; 'notes.txt' is a program."),
    "a folder": (["show", "."], 2, "TARGET must be MODULE:FUNCTION"),
    "a transform of a program": (["show", "notes.txt", "--grad"], 2, "is a program already"),
    "text that is no program": (["show", "notes.txt"], 2, "parse_jaxpr: "),
    "a saved program to nowhere": (["show", *LOSS, "--format", "jaxpr"], 2, "Name it: -o FILE.jaxpr."),
    "a folder that is not there": (["show", *LOSS, "-o", "absent/x"], 2, "cannot write 'absent/x': No such file"),
    "a program that is not there": (["run", "absent.jaxpr"], 2, "cannot read 'absent.jaxpr': No such file"),
    "arrays that are not there": (["cost", LOSS[0], "--npz", "absent.npz"], 2, "cannot read 'absent.npz'"),
    "arrays that are none": (["cost", LOSS[0], "--npz", "notes.txt"], 2, "must hold arrays of numbers"),
    "shapes that do not fit": (["show", LOSS[0], "--args", "f64[3], f64[5,4]"], 1, "ValueError: matmul: "),
    "a value that is not known": (
        ["show", "planted_model.py:positive", "--args", "f64[]"],
        1,
        "positive) knows by shape",
    ),
    "a computation that fails": (["profile", "planted_model.py:factor", "--args", "f64[2,2]"], 1, "LinAlgError: "),
    "a module that fails": (["show", "failing_module.py:f"], 1, "ZeroDivisionError: division by zero"),
    "a module that needs another": (["show", "needy_module:f"], 1, "No module named 'absent_module'"),
    "too few arguments": (["show", LOSS[0], "--args", "f64[3]"], 1, "missing 1 required positional argument"),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_take_one_line_and_go_to_stderr(run, folder, name):
    argv, code, message = WRONG[name]
    (folder / "notes.txt").write_text("these are notes\n")
    (folder / "failing_module.py").write_text("1 / 0\n")
    (folder / "needy_module.py").write_text("import absent_module\n")
    result = run(*argv)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith("python -m autotrace: error: ")
    assert message in result.err
    assert "Traceback" not in result.err
    if message != "parse_jaxpr: ":  # whose caret takes two more
        assert len(result.err.splitlines()) == 1
    assert "Traceback" in run(*argv, "--traceback").err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["frobnicate"],
        ["show"],
        ["show", *LOSS, "--format", "gif"],
        ["show", *LOSS, "--argnums", "one"],
        ["show", *LOSS, "--in-axes", "x"],
        ["profile", *LOSS, "--repeats", "0"],
        ["profile", *LOSS, "--repeats", "many"],
    ],
)
def test_wrong_usage_is_code_two(run, argv):
    result = run(*argv)
    assert (result.code, result.out) == (2, "")
    assert "usage: python -m autotrace" in result.err


def test_version_tells_all_that_matters():
    result = process("--version", text=True)
    python = ".".join(map(str, sys.version_info[:3]))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"autotrace {autotrace.__version__} (NumPy {np.__version__}, Python {python}")


@pytest.mark.parametrize("command", [[], ["show"], ["cost"], ["profile"], ["run"], ["diff"]])
def test_help_has_examples(run, command):
    result = run(*command, "--help")
    assert (result.code, result.err) == (0, "")
    assert not command or f"  python -m autotrace {command[0]} " in result.out


def test_every_example_of_the_help_is_understood(folder, monkeypatch):
    parser = command_line._parser("")
    for text in command_line._EXAMPLES.values():
        for line in text.splitlines()[1:]:
            words = shlex.split(line.partition("   (")[0].format(name=""))
            assert parser.parse_args(words).command


# -- the text of arguments ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "positional", "named"),
    [
        ("", [], {}),
        ("f64[3]", ["f64[3]"], {}),
        (" f32[2, 3] ,bool[] ,c128[1],u8[0]", ["f32[2,3]", "bool[]", "c128[1]", "u8[0]"], {}),
        ("1, -2.5, 1e-3, 2j, inf, True, None, 'a, b'", [1, -2.5, 1e-3, 2j, float("inf"), True, None, "a, b"], {}),
        ("(1, 2), (3,), [4], (), (5)", [(1, 2), (3,), [4], (), 5], {}),
        ("{'a': {'b': [1]}, 2: 3,}", [{"a": {"b": [1]}, 2: 3}], {}),
        ("1, n=2, m=f64[]", [1], {"n": 2, "m": "f64[]"}),
        ("1,", [1], {}),
    ],
)
def test_arguments_are_read(text, positional, named):
    def shown(x):
        return str(x).removeprefix("ShapeDtypeStruct(").removesuffix(")") if isinstance(x, ShapeDtypeStruct) else x

    args, kwargs = parse_arguments(text)
    assert list(map(shown, args)) == positional
    assert {key: shown(x) for key, x in kwargs.items()} == named


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("f64[3], g64[2]", 9, "a type such as f64[3]"),
        ("f64[3] f64[2]", 8, "','"),
        ("f65[3]", 1, "a dtype such as"),
        ("f64[3,x]", 1, "lengths of axes"),
        ("f64[-1]", 1, "lengths of axes"),
        ("f64[99999999999999999999]", 1, "lengths of axes"),
        ("f64", 1, "brackets after a type, f64[] for a scalar and f64[3] for a vector"),
        ("f64[3], {'w': bool}", 15, "brackets after a type, bool[] for a scalar"),
        ("f64x", 1, "a type such as"),
        ("(1, 2", 6, "',' or ')'"),
        ("[1 2]", 4, "',' or ']'"),
        ("{f64[2]: 1}", 2, "a key"),
        ("{'a' 1}", 6, "':'"),
        ("n=1, 2", 6, "name=value"),
        ("n=1, n=2", 6, "a name that was not given"),
        (",", 1, "a type such as"),
        ("1.2.3", 1, "a type such as"),
        ("'abc", 1, "a type such as"),
        ("__import__('os')", 1, "a type such as"),
    ],
)
def test_what_is_not_understood_has_a_caret_under_it(run, text, column, expected):
    with pytest.raises(TargetError) as error:
        parse_arguments(text)
    first, line, caret = str(error.value).splitlines()
    assert first.startswith(f"--args: expected {expected}")
    assert first.endswith(f"at column {column}.")
    assert (line, caret) == (f"  {text}", " " * (column + 1) + "^")
    result = run("show", "planted_model.py:loss", "--args", text)
    assert result.code == 2
    assert str(error.value) in result.err


def test_every_prefix_and_changed_character_is_read_or_refused():
    text = "{'w': f64[4,2], 'b': (f32[2],)}, [1, -2.5e3], n=True"
    for i in range(len(text) + 1):
        for changed in (
            text[:i],
            text[:i] + text[i + 1 :],
            *[text[:i] + c + text[i + 1 :] for c in "[](){},:='9x \\\0"],
        ):
            try:
                parse_arguments(changed)
            except TargetError as error:
                assert str(error).startswith("--args: expected ")


def test_random_numbers_are_those_of_the_seed():
    args, _ = parse_arguments("f32[2], i8[2], c64[], bool[3], 3, (f64[],)")
    made, again, other = drawn(args, 0), drawn(args, 0), drawn(args, 1)
    assert [x.dtype for x in made[:4]] == [np.float32, np.int8, np.complex64, np.bool_]
    assert made[4] == 3
    assert np.array_equal(made[0], again[0])
    assert not np.array_equal(made[0], other[0])


# -- as a process ------------------------------------------------------------------------------------


def process(*argv, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "autotrace", *argv], capture_output=True, env=environment, timeout=60, **options
    )


def test_as_a_process(folder):
    result = process("show", "planted_model:loss", *LOSS[1:], text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{make_jaxpr(loss)(W, X)}\n"
    assert process("show", "planted_model:absent").returncode == 2


def test_a_function_of_numpy_comes_from_no_line():
    result = process("show", "numpy:sin", "--args", "f64[]", "--source", text=True)
    assert result.returncode == 0
    assert "#" not in result.stdout


def test_no_colour_where_nobody_looks(folder):
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    result = subprocess.run(
        [sys.executable, "-m", "autotrace", "show", *LOSS],
        capture_output=True,
        env={**environment, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"},
        timeout=60,
    )
    assert result.returncode == 0
    assert b"\x1b" not in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes there")
def test_a_reader_that_stops_reading_is_no_error(folder):
    (folder / "planted_model.py").write_text(
        "def f(x):\n    for _ in range(20000):\n        x = x + 1.0\n    return x\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "autotrace", "show", "planted_model.py:f", "--args", "f64[]"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as started:
        assert started.stdout.readline().startswith(b"{ lambda")
        started.stdout.close()
        assert started.stderr.read() == b""
        assert started.wait(timeout=60) == 0


def test_a_terminal_that_knows_only_ascii(folder):
    (folder / "planted_model.py").write_text(
        "def f(x):\n    \u03b1 = x + 1.0\n    return \u03b1 * 2.0\n", encoding="utf-8"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = subprocess.run(
        [sys.executable, "-m", "autotrace", "show", "planted_model.py:f", "--args", "f64[]", "--names", "user"],
        capture_output=True,
        env=environment,
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (0, b"")


def test_importing_the_package_loads_no_command_line():
    code = "import sys, autotrace; print([m for m in ('argparse', 'json', 'tracemalloc') if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert result.stdout.strip() == "[]", result.stderr
