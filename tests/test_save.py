"""Programs in files: what comes back, in this process and in others, and files that are damaged, foreign or hostile."""

import io
import random
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import autotrace as at
from autotrace import bind, errors, grad, jit, jvp, load_jaxpr, make_jaxpr, scan
from autotrace.ir import Jaxpr, Primitive, ShapedArray, Var, print_jaxpr, variable_names
from autotrace.tracing import as_operand

WEIGHTS = np.linspace(-1.0, 1.0, 60).reshape(20, 3)


def loss(params, x):
    hidden = np.tanh(x @ WEIGHTS * params["scale"])
    return np.sum(hidden**2)


@pytest.fixture
def gradient():
    return make_jaxpr(grad(loss))({"scale": np.ones(3)}, np.ones((4, 20)))


@pytest.fixture
def file(tmp_path, gradient):
    path = tmp_path / "gradient.jaxpr"
    gradient.save(path)
    return path


def test_what_is_saved_is_loaded(file, gradient):
    loaded = load_jaxpr(file)
    assert loaded == gradient
    assert load_jaxpr(str(file)) == gradient
    assert print_jaxpr(loaded, source=True) == print_jaxpr(gradient, source=True)
    assert list(variable_names(loaded, "user").values()) == list(variable_names(gradient, "user").values())
    assert loaded.constants[0].dtype == float
    assert not loaded.constants[0].flags.writeable


def test_a_gradient_runs_in_another_process_without_its_function(file, gradient, tmp_path):
    scale, x = np.array([0.5, -1.0, 2.0]), np.ones((4, 20))
    np.savez(tmp_path / "arguments.npz", scale=scale, x=x)
    code = (
        "import autotrace, numpy as np\n"
        "given = np.load('arguments.npz')\n"
        "(slope,) = autotrace.load_jaxpr('gradient.jaxpr')(given['scale'], given['x'])\n"
        "np.save('slope.npy', slope)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
    assert np.array_equal(np.load(tmp_path / "slope.npy"), grad(loss)({"scale": scale}, x)["scale"])


def test_programs_inside_programs_are_saved(tmp_path):
    big = np.arange(50.0)
    shared = jit(lambda x: x + big.sum() * big)

    def f(x):
        return scan(lambda c, row: (shared(c) * row, c[0]), shared(x), np.arange(3.0))

    for jaxpr in (make_jaxpr(f)(big), make_jaxpr(lambda x, dx: jvp(f, (x,), (dx,)))(big, big)):
        jaxpr.save(tmp_path / "nested")
        loaded = load_jaxpr(tmp_path / "nested")
        assert loaded == jaxpr
        assert all(map(np.array_equal, loaded(*[big] * len(jaxpr.in_vars)), jaxpr(*[big] * len(jaxpr.in_vars))))


@pytest.mark.parametrize("array", [
    np.arange(60, dtype="i2").reshape(3, 20), np.asfortranarray(np.arange(60.0).reshape(3, 20)), np.arange(60.0)[::-2],
    np.arange(60) * (1 + 2j), np.linspace(0, 1, 60, dtype=np.longdouble),
    np.arange(60) % 2 == 0, np.where(np.arange(60) > 9, np.nan, -0.0),
], ids=lambda x: f"{x.dtype}{x.shape}{x.strides}")  # fmt: skip
def test_arrays_come_back(tmp_path, array):
    var = Var(ShapedArray(array.shape, array.dtype))
    jaxpr = Jaxpr([], [], [var], [var], [array])
    jaxpr.save(tmp_path / "array")
    loaded = load_jaxpr(tmp_path / "array")
    assert loaded == jaxpr
    assert np.array_equal(loaded.constants[0], array, equal_nan=array.dtype.kind == "f")


def test_numpy_opens_the_file(file, gradient):
    with np.load(file, allow_pickle=False) as archive:
        assert archive["program"].tobytes().decode().startswith("# autotrace program, version 1\n{ lambda ")
        assert np.array_equal(archive["constant_0"], WEIGHTS)


# -- what cannot be saved --------------------------------------------------------------------------


class Stretch(Primitive):
    """x times a factor, which may be anything."""

    factor: object

    def impl(self, x):
        return x * self.factor

    def abstract(self, x):
        return x

    def jvp(self, primals, tangents, output):
        return bind(self, tangents[0])

    def batch(self, size, inputs, batched):
        return bind(self, inputs[0])


def test_primitives_of_users_need_their_module(tmp_path):
    jaxpr = make_jaxpr(lambda x: bind(Stretch(2.0), as_operand(x)))(1.0)
    jaxpr.save(tmp_path / "stretch.jaxpr")
    assert load_jaxpr(tmp_path / "stretch.jaxpr") == jaxpr
    code = (
        "import autotrace\n"
        "try: autotrace.load_jaxpr('stretch.jaxpr')\n"
        "except autotrace.errors.JaxprFileError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60, capture_output=True)
    assert f"got 'stretch' at line 4, column 15. Import {__name__}, which defines it.".encode() in run.stdout


def test_objects_among_parameters_cannot_be_saved(tmp_path):
    jaxpr = make_jaxpr(lambda x: np.sin(bind(Stretch(len), as_operand(x))))(at.ShapeDtypeStruct((), float))
    with pytest.raises(errors.UnsupportedError, match=r"as factor of stretch at .*test_save.py:\d+\. Save"):
        jaxpr.save(tmp_path / "stretch")
    assert not (tmp_path / "stretch").exists()


def test_traced_constants_cannot_be_saved(tmp_path):
    def f(x):
        make_jaxpr(lambda y: y * x)(1.0).save(tmp_path / "traced")
        return x

    with pytest.raises(errors.UnsupportedError, match="must be NumPy arrays; got Tracer"):
        grad(f)(1.0)


def test_a_failed_save_leaves_the_old_file(file, gradient):
    with pytest.raises(errors.UnsupportedError):
        make_jaxpr(lambda x: bind(Stretch(len), as_operand(x)))(at.ShapeDtypeStruct((), float)).save(file)
    assert load_jaxpr(file) == gradient


def test_files_that_are_not_there(tmp_path, gradient):
    with pytest.raises(FileNotFoundError):
        load_jaxpr(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        gradient.save(tmp_path / "no folder" / "file")


# -- files that are no programs --------------------------------------------------------------------


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content if isinstance(content, bytes) else npy(content))


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def text(program):
    return np.frombuffer(program.encode(), np.uint8)


FIRST = "# autotrace program, version 1\n"
WHOLE = FIRST + "{ lambda ; a:f64[]. let\n  in (a,) }\n"
LARGE = FIRST + "{ lambda a:f64[50] ; . let\n  in (a,) }\n"
HEADER = b"{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,), }".ljust(117) + b"\n"
HUGE = b"\x93NUMPY\x01\x00v\x00" + HEADER

HOSTILE = {
    "an empty archive": ({}, "it is no archive"),
    "no program": ({"constant_0": np.zeros(3)}, "no program"),
    "other members": ({"program": text(WHOLE), "x": np.zeros(3)}, "not those of a program"),
    "too many arrays": ({"program": text(WHOLE), "constant_0": np.zeros(3)}, "got 1"),
    "an array missing": ({"program": text(LARGE)}, "not written out"),
    "an array of another shape": ({"program": text(LARGE), "constant_0": np.zeros(49)}, r"must be f64\[50\]"),
    "an array of another dtype": ({"program": text(LARGE), "constant_0": np.zeros(50, "i8")}, r"must be f64\[50\]"),
    "objects": ({"program": text(LARGE), "constant_0": np.array([len] * 50, object)}, "not numbers"),
    "objects for a program": ({"program": np.array([len], object)}, "not numbers"),
    "a huge header": ({"program": text(LARGE), "constant_0": HUGE}, "not as large as it says"),
    "no array": ({"program": b"hello"}, "ValueError"),
    "no text": ({"program": np.frombuffer(b"\xff\xfe", np.uint8)}, "UnicodeDecodeError"),
    "another version": ({"program": text(WHOLE.replace("1", "2"))}, r"got damaged\.jaxpr of version 2"),
    "no version": ({"program": text(WHOLE.split("\n", 1)[1])}, "of none"),
    "no program in the text": ({"program": text(FIRST + "import os")}, "must hold a program"),
    "an ill-typed program": (
        {"program": text(FIRST + "{ lambda ; a:f64[]. let\n    b:f64[3] = sin a\n  in (b,) }")}, "at line 3",
    ),
    "an unknown primitive": (
        {"program": text(FIRST + "{ lambda ; a:f64[]. let\n    b:f64[] = launch a\n  in (b,) }")}, "known primitive",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives(tmp_path, name):
    members, message = HOSTILE[name]
    archive(tmp_path / "damaged.jaxpr", members)
    with pytest.raises(errors.JaxprFileError, match=message):
        load_jaxpr(tmp_path / "damaged.jaxpr")


def test_compressed_members_are_refused(tmp_path):
    bomb = {"program": text(LARGE), "constant_0": np.zeros(10**7)}
    archive(tmp_path / "bomb", bomb, zipfile.ZIP_DEFLATED)
    with pytest.raises(errors.JaxprFileError, match="must not be compressed"):
        load_jaxpr(tmp_path / "bomb")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04", b"hello world", b"\x80\x04N.", npy(np.zeros(3))])
def test_files_that_are_no_archives(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(errors.JaxprFileError, match=r"must be a program that jaxpr\.save wrote; got file"):
        load_jaxpr(tmp_path / "file")


def test_damaged_files_give_errors_or_the_program(tmp_path, file, gradient):
    whole, draw = file.read_bytes(), random.Random("damage")
    damaged = [whole[:n] for n in range(0, len(whole), 61)]
    for _ in range(500):
        content = bytearray(whole)
        content[draw.randrange(len(content))] = draw.randrange(256)
        damaged.append(bytes(content))
    loaded = 0
    for content in damaged:
        (tmp_path / "damaged").write_bytes(content)
        try:
            assert load_jaxpr(tmp_path / "damaged") == gradient
            loaded += 1
        except errors.JaxprFileError:
            pass
    assert loaded < len(damaged) / 4
