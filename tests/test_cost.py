"""What programs cost: every count against one made by hand, and the accounts that must add up."""

import warnings

import numpy as np
import pytest

import autotrace as at
from autotrace import ShapedArray, ShapeDtypeStruct, cost, grad, jit, make_jaxpr, value_and_grad, vmap
from autotrace.ir import Cost, Run, equation_cost, program_cost
from autotrace.ir.cost import readable, readable_bytes
from autotrace.tracing import bind
from tests.catalogue import all_cases
from tests.laws import Problem

F8 = 8
RNG = np.random.default_rng(7)


def flops(f, *args):
    return cost(f)(*args).flops


def ones(*shape, dtype=np.float64):
    return np.ones(shape, dtype)


def square(n, dtype=np.float64):
    return RNG.normal(size=(n, n)).astype(dtype) + n * np.eye(n, dtype=dtype)


N, M, K = 6, 10, 4

# what, arguments, operations counted by hand
COUNTS = {
    "sum of two": (lambda x, y: x + y, (ones(5), ones(5)), 5),
    "sum of complex": (lambda x, y: x + y, (ones(5) + 1j, ones(5) + 1j), 10),
    "product of complex": (lambda x, y: x * y, (ones(5) + 1j, ones(5) + 1j), 30),
    "negative of complex": (lambda x: -x, (ones(5) + 1j,), 10),
    "absolute of complex": (np.abs, (ones(5) + 1j,), 35),
    "sine": (np.sin, (ones(5),), 50),
    "root": (np.sqrt, (ones(5),), 20),
    "power 2": (lambda x: x**2, (ones(5),), 5),
    "power 7": (lambda x: x**7, (ones(5),), 4 * 5),  # x2 = x x, x3 = x2 x, x6 = x3 x3, x7 = x6 x
    "power -3": (lambda x: x**-3, (ones(5),), 3 * 5),
    "comparison": (lambda x, y: x > y, (ones(5), ones(5)), 5),
    "select": (np.where, (ones(5) > 0, ones(5), ones(5)), 5),
    "matrix times matrix": (np.matmul, (ones(M, N), ones(N, K)), 2 * M * N * K),
    "matrix times vector": (np.matmul, (ones(M, N), ones(N)), 2 * M * N),
    "stack of matrices": (np.matmul, (ones(3, M, N), ones(3, N, K)), 3 * 2 * M * N * K),
    "complex matrices": (np.matmul, (ones(M, N) + 1j, ones(N, K) + 1j), 8 * M * N * K),
    "dot": (np.dot, (ones(N), ones(N)), 2 * N),
    "outer product": (np.outer, (ones(M), ones(N)), M * N),
    "sum": (np.sum, (ones(M, N),), M * N),
    "sum along an axis": (lambda x: np.sum(x, axis=0), (ones(M, N),), M * N),
    "largest": (np.max, (ones(M, N),), M * N),
    "position of the largest": (lambda x: np.argmax(x, axis=0), (ones(M, N),), M * N),
    "cumulative sum": (np.cumsum, (ones(M),), M),
    "cumulative product": (np.cumprod, (ones(M),), M),
    "sort": (np.sort, (ones(1024),), 1024 * 10),
    "sort of rows": (lambda x: np.sort(x, axis=1), (ones(5, 8),), 40 * 3),
    "argsort": (np.argsort, (ones(1024),), 1024 * 10),
    "partition": (lambda x: np.partition(x, 3), (ones(100),), 300),
    "binary search": (np.searchsorted, (np.arange(15.0), ones(7)), 7 * 4),
    "gather": (lambda x, i: x[i], (ones(M, N), np.array([1, 2])), 0),
    "slice": (lambda x: x[1:3], (ones(M, N),), 0),
    "reshape": (lambda x: x.reshape(-1), (ones(M, N),), 0),
    "transpose": (lambda x: x.T, (ones(M, N),), 0),
    "broadcast": (lambda x: np.broadcast_to(x, (3, M)), (ones(M),), 0),
    "concatenate": (lambda x: np.concatenate([x, x]), (ones(M),), 0),
    "convert": (lambda x: x.astype(np.float32), (ones(M),), 0),
    "update": (lambda x: at.numpy.asarray(x).at[1].set(0.0), (ones(M),), 0),
    "fft": (np.fft.fft, (ones(16) + 0j,), 5 * 16 * 4),
    "fft of rows": (np.fft.fft, (ones(3, 16) + 0j,), 3 * 5 * 16 * 4),
    "fft of real numbers": (np.fft.rfft, (ones(16),), 5 * 16 * 4 // 2),
    "fft to real numbers": (np.fft.irfft, (ones(9) + 0j,), 5 * 16 * 4 // 2),
    "convolution": (np.convolve, (ones(10), ones(3)), 2 * 10 * 3),
    "valid convolution": (lambda x, y: np.convolve(x, y, "valid"), (ones(10), ones(3)), 2 * 8 * 3),
    "cholesky": (np.linalg.cholesky, (square(N) @ square(N).T,), N**3 / 3),
    "solve": (np.linalg.solve, (square(N), ones(N, K)), 2 * N**3 / 3 + 2 * N**2 * K),
    "inverse": (np.linalg.inv, (square(N),), 2 * N**3),
    "inverse of complex": (np.linalg.inv, (square(N, complex),), 8 * N**3),
    "determinant": (np.linalg.det, (square(N),), 2 * N**3 / 3),
    "stack of determinants": (np.linalg.det, (np.stack([square(N)] * 3),), 3 * 2 * N**3 / 3),
    "triangular factor": (lambda a: np.linalg.qr(a)[1], (RNG.normal(size=(M, N)),), 4 * (M * N**2 - N**3 / 3)),
    "eigenvalues, symmetric": (np.linalg.eigvalsh, (square(N),), 4 * N**3 / 3),
    "eigenvectors, symmetric": (lambda a: np.linalg.eigh(a)[1], (square(N),), 9 * N**3),
    "singular values": (
        lambda a: np.linalg.svd(a, compute_uv=False),
        (RNG.normal(size=(M, N)),),
        min(4 * M * N**2 - 4 * N**3 / 3, 2 * M * N**2 + 2 * N**3),
    ),
    "singular vectors": (
        lambda a: np.linalg.svd(a, full_matrices=False)[0],
        (RNG.normal(size=(M, N)),),
        min(14 * M * N**2 + 8 * N**3, 6 * M * N**2 + 20 * N**3),
    ),
    "singular vectors of the transpose": (
        lambda a: np.linalg.svd(a, full_matrices=False)[0],
        (RNG.normal(size=(N, M)),),
        min(14 * M * N**2 + 8 * N**3, 6 * M * N**2 + 20 * N**3),
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_operations_are_those_counted_by_hand(name):
    f, args, expected = COUNTS[name]
    jaxpr = make_jaxpr(f)(*args)
    counted = [e for e in jaxpr.equations if e.primitive.flops([v.aval for v in e.inputs], [v.aval for v in e.outputs])]
    assert len(counted) == (expected > 0), jaxpr  # one operation, so that the count is its own
    assert jaxpr.cost().flops == int(expected)


def test_qr_with_all_columns_forms_a_square_matrix():
    jaxpr = make_jaxpr(lambda a: np.linalg.qr(a, "complete"))(ones(M, N))
    reduction, forming = 2 * N**2 * (M - N / 3), 4 * (M**2 * N - M * N**2 + N**3 / 3)
    assert jaxpr.cost().flops == int(reduction + forming)


def test_eigenvalues_of_any_matrix():
    assert cost(np.linalg.eigvals)(square(N)).by_primitive["eigvals"].flops == 10 * N**3
    assert cost(lambda a: np.linalg.eig(a)[1])(square(N)).by_primitive["eig"].flops == 25 * N**3


def test_least_squares_and_pseudoinverse():
    a = RNG.normal(size=(M, N))
    x = cost(lambda b: np.linalg.lstsq(a, b, rcond=None)[0])(ones(M, K))
    assert x.by_primitive["lstsq"].flops == min(4 * M * N**2 + 8 * N**3, 2 * M * N**2 + 11 * N**3) + 4 * M * N * K
    p = cost(np.linalg.pinv)(a)
    assert p.by_primitive["pinv"].flops == min(14 * M * N**2 + 8 * N**3, 6 * M * N**2 + 20 * N**3) + 2 * M * N * N


@pytest.mark.parametrize("kind", at.ir.REGISTRY.values(), ids=lambda kind: kind.name)
def test_every_elementwise_weight_is_positive(kind):
    assert getattr(kind, "weight", 1) >= 1


@pytest.mark.parametrize(
    ("f", "args", "expected"),
    [
        (lambda x, y: x + y, (ones(5), ones(5)), 3 * 5 * F8),
        (lambda x: x * x, (ones(5),), 2 * 5 * F8),  # the operand is read once
        (lambda x: x * 2.0, (ones(5),), 2 * 5 * F8),  # numbers are part of the program
        (lambda x, y: x * y, (ones(5), 2.0), 2 * 5 * F8 + F8),
        (np.matmul, (ones(M, N), ones(N, K)), (M * N + N * K + M * K) * F8),
        (lambda x: x > 0, (ones(5),), 5 * F8 + 5),
        (lambda x: x.astype("float32"), (ones(5),), 5 * 8 + 5 * 4),
        (lambda x: x.reshape(2, 3), (ones(6),), 0),
        (lambda x: x.T[1:, ::2], (ones(4, 6),), 0),
        (lambda x: np.broadcast_to(x, (9, 6)), (ones(6),), 0),
        (lambda z: np.real(z), (ones(6) * 1j,), 0),
        (lambda x, i: x[i], (ones(1000, 3), np.array([5, 6])), 2 * (2 * 3) * F8 + 2 * F8),
    ],
)
def test_bytes_are_those_read_and_written(f, args, expected):
    assert cost(f)(*args).bytes == expected


def test_bytes_of_an_equation():
    (equation,) = make_jaxpr(np.matmul)(ones(M, N), ones(N, K)).equations
    assert equation_cost(equation) == Cost(2 * M * N * K, (M * N + N * K + M * K) * F8)


# -- memory ------------------------------------------------------------------------------------------


def chain(x):
    for _ in range(10):
        x = np.sin(x)
    return x


def test_a_value_dies_after_its_last_use():
    x = ones(1000)
    assert cost(chain)(x).peak_bytes == 3 * x.nbytes  # the argument, one operand, one result
    assert cost(chain)(x).argument_bytes == cost(chain)(x).output_bytes == x.nbytes


def test_what_the_way_back_needs_stays_alive():
    x = ones(1000)
    forward = cost(lambda x: np.sum(chain(x)))(x)
    backward = cost(grad(lambda x: np.sum(chain(x))))(x)
    assert forward.peak_bytes < 4 * x.nbytes
    assert backward.peak_bytes >= 11 * x.nbytes  # nine intermediate results, the argument, the gradient


def test_views_take_no_memory_and_keep_what_they_see():
    x = ones(1000)

    def views(x):
        y = np.sin(x)
        return np.sum(y.reshape(10, 100).T[3])

    def late(x):
        y = np.sin(x)
        row = y[:10]
        z = np.cos(np.exp(x))
        return np.sum(row) + np.sum(z)

    assert cost(views)(x).peak_bytes == 2 * x.nbytes + F8
    # x, y held by its row, exp(x), cos(exp(x))
    assert cost(late)(x).peak_bytes == 4 * x.nbytes


def test_constants_are_arguments():
    table = ones(100)
    found = cost(lambda x: x + table)(ones(100))
    assert found.argument_bytes == 2 * table.nbytes
    assert found.peak_bytes == 3 * table.nbytes


def test_the_most_alive_is_the_most_of_the_rows():
    found = cost(value_and_grad(lambda x: np.sum(chain(x))))(ones(50))
    assert found.peak_bytes == max(row.live_bytes for row in found.by_equation)


def test_a_call_needs_as_much_memory_as_its_program_written_out():
    x = ones(1000)
    called = cost(lambda x: jit(chain)(x) * 2.0)(x)
    written = cost(lambda x: chain(x) * 2.0)(x)
    assert called.peak_bytes == written.peak_bytes
    assert (called.flops, called.bytes) == (written.flops, written.bytes)


# -- accounts ----------------------------------------------------------------------------------------


def loss(w, x):
    hidden = np.tanh(x @ w)
    scores = np.exp(hidden)
    return np.sum(scores**2)


W, X = ones(3, 4), ones(5, 3)


@pytest.mark.parametrize("f", [loss, grad(loss), jit(loss), jit(grad(loss)), vmap(loss, in_axes=(None, 0)), np.matmul])
def test_every_account_adds_up(f):
    args = (X, W) if f is np.matmul else (W, np.stack([X, X])) if "vmap" in repr(f) else (W, X)
    found = cost(f)(*args)
    total = Cost(found.flops, found.bytes)
    for account in (found.by_primitive, found.by_line, found.by_phase):
        assert Cost(sum(c.flops for c in account.values()), sum(c.bytes for c in account.values())) == total
    assert total == program_cost(found.jaxpr)
    assert found.flops > 0


def test_lines_are_those_of_the_source():
    first = loss.__code__.co_firstlineno
    found = cost(grad(loss))(W, X)
    assert {where.line - first for where in found.by_line} == {1, 2, 3}
    assert all(where.file == __file__ and where.function == "loss" for where in found.by_line)
    products = {where.line - first: c.flops for where, c in found.by_line.items()}
    assert products[1] > products[3]


def test_phases_are_told_apart():
    assert set(cost(loss)(W, X).by_phase) == {"primal"}
    assert set(cost(grad(loss))(W, X).by_phase) == {"primal", "cotangent"}
    pushed = cost(lambda w: at.jvp(loss, (w, X), (w, X)))(W)
    assert set(pushed.by_phase) == {"primal", "tangent"}


def test_a_jitted_function_is_priced_as_it_runs():
    def twice(x):
        return np.sin(x) + np.sin(x)

    assert flops(twice, ones(10)) == 210
    assert flops(jit(twice), ones(10)) == 110


def test_shapes_are_enough():
    assert (
        flops(np.matmul, ShapeDtypeStruct((10**6, 10**3), "f8"), ShapeDtypeStruct((10**3, 10**6), "f8")) == 2 * 10**15
    )


def test_the_gradient_costs_a_small_multiple_of_the_function():
    """Griewank and Walther (2008), "Evaluating Derivatives", section 4.6: at most about five times."""
    value, gradient = cost(loss)(W, X), cost(grad(loss))(W, X)
    assert value.flops < gradient.flops < 5 * value.flops


# -- programs in programs ----------------------------------------------------------------------------


class RunOften(at.Primitive):
    """A program run so many times, or one of several, for the sake of its cost."""

    programs: tuple
    times: int | None
    one_of: bool

    def impl(self, x):
        return x

    def abstract(self, x):
        return x

    def jvp(self, primals, tangents, output):
        return tangents[0]

    def batch(self, size, inputs, batched):
        return inputs[0]

    def runs(self):
        return [Run(program, self.times, self.one_of) for program in self.programs]


SINE, SUM = make_jaxpr(np.sin)(ones(10)), make_jaxpr(lambda x: x + x)(ones(10))


def repeated(programs, times=1, one_of=False):
    return cost(lambda x: bind(RunOften(programs, times, one_of), x) * 2.0)(ones(10))


def test_loops_are_counted_by_their_rounds():
    found = repeated((SINE, SUM), 7)
    assert found.flops == 7 * (100 + 10) + 10
    assert [(row.times, row.depth) for row in found.by_equation] == [(7, 1), (7, 1), (1, 0)]
    assert found.notes == []
    assert found.flops == program_cost(found.jaxpr).flops


def test_a_loop_of_unknown_length_is_counted_once_and_said_so():
    found = repeated((SINE,), None)
    assert found.flops == 110
    (note,) = found.notes
    assert note.startswith("run_often at ")
    assert "one is counted" in note
    assert f"Note: {note}" in str(found)


def test_of_branches_the_most_expensive_is_counted():
    found = repeated((SUM, SINE, SUM), 1, True)
    assert found.flops == 110
    assert "most expensive" in found.notes[0]
    assert equation_cost(found.jaxpr.equations[0]).flops == 100


# -- text --------------------------------------------------------------------------------------------


def test_it_prints_as_a_table():
    text = str(cost(grad(loss))(W, X))
    assert "cotangent" in text
    assert "einsum" in text
    assert "test_cost.py:" in text
    assert repr(cost(loss)(W, X)).startswith("<cost of ")
    assert str(cost(lambda x: x)(1.0)).startswith("0 flops, 0 B moved")


def test_tables_are_cut_where_asked():
    found = cost(chain)(ones(10))
    assert found.table("equation", limit=3).splitlines()[-1] == "7 more"
    assert len(found.table("equation", limit=None).splitlines()) == 11
    many = cost(loss)(W, X).table("primitive", limit=1).splitlines()
    assert len(many) == 3
    assert many[2].startswith("4 more")
    with pytest.raises(ValueError, match=r"table: by must be 'line', .* got 'colour'"):
        found.table("colour")


def test_numbers_are_readable():
    shown = [readable(x) for x in (0, 999, 1000, 12345, 999_499, 999_500, 1e15)]
    assert shown == ["0", "999", "1.00k", "12.3k", "999k", "1.00M", "1000T"]
    assert [readable_bytes(x) for x in (0, 8, 8000)] == ["0 B", "8 B", "8.00 kB"]


def test_cost_takes_a_function():
    with pytest.raises(TypeError, match=r"cost: the first argument must be a function.*cost\(f\)\(x\)"):
        cost(3.0)
    assert repr(cost(loss)) == "cost(loss)"


def test_bytes_of_an_aval():
    assert ShapedArray((2, 3), np.dtype("c16")).nbytes == 96


# -- the library's own loops -------------------------------------------------------------------------

TABLE = np.eye(5) / 10


def scanned(xs):
    def step(carry, x):
        carry = TABLE @ carry + x
        return carry, np.sum(carry)

    return np.sum(at.scan(step, np.zeros(5), xs)[1])


def test_a_scan_is_counted_by_its_rows():
    one_round = 2 * 25 + 5 + 5  # the product, the sum of two, the sum over all
    found = cost(scanned)(np.ones((100, 5)))
    assert found.flops == 100 * one_round + 100
    assert found.notes == []
    assert {row.times for row in found.by_equation if row.depth} == {100}
    first = scanned.__code__.co_firstlineno
    assert {where.line - first for where in found.by_line} == {2, 3, 5}


def test_the_gradient_of_a_scan_keeps_what_the_way_back_needs():
    def curved(xs):
        return np.sum(at.scan(lambda c, x: (np.tanh(c * x), c), np.ones(5), xs)[0])

    forward, backward = (cost(f)(np.ones((1000, 5))) for f in (curved, grad(curved)))
    assert backward.peak_bytes > forward.peak_bytes + 1000 * 5 * F8
    assert backward.by_phase["cotangent"].flops >= 1000 * 2 * 5


def test_a_while_loop_and_branches():
    def doubled(x):
        return at.while_loop(lambda c: c[1] < 5, lambda c: (c[0] * 2.0, c[1] + 1), (x, 0))[0]

    found = cost(doubled)(np.ones(4))
    assert found.flops == 4 + 1 + 1  # one round: the product, the count, the comparison
    assert "only its values tell" in found.notes[0]

    def branching(x):
        return at.cond(x[0] > 0, np.sin, lambda x: x * 2.0, x)

    found = cost(branching)(np.ones(4))
    assert found.flops == 1 + 40
    assert "most expensive" in found.notes[0]


# -- the catalogue -----------------------------------------------------------------------------------

CASES = [case for case in all_cases() if case.differentiable]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_every_program_of_the_catalogue_has_a_price(case):
    problem = Problem(case)
    with warnings.catch_warnings():  # what the samples are for is not asked here
        warnings.simplefilter("ignore")
        jaxpr = make_jaxpr(problem)(*problem.leaves)
    found = jaxpr.cost()
    for row in found.by_equation:
        assert isinstance(row.flops, int), row
        assert row.flops >= 0
        assert isinstance(row.bytes, int), row
        assert row.bytes >= 0
        assert row.live_bytes <= found.peak_bytes
    assert found.peak_bytes >= found.argument_bytes
    assert Cost(found.flops, found.bytes) == program_cost(jaxpr)
