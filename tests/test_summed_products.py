"""Sums of products over the runs of a loop (`control/products.py`): what is taken out of it, and what must stay.

Each case is the program of a loop's body, of which the first carries are sums. Taking products out must not change what
the loop gives. Faults planted in the rules show that the comparison sees them.
"""

import inspect
import sys
import types

import numpy as np
import pytest

from autotrace import check_jaxpr, eval_jaxpr, grad, jit, make_jaxpr, scan, vmap
from autotrace.control import products
from autotrace.control.products import without_products
from autotrace.primitives.contraction import contract
from tests.laws import assert_same

RNG = np.random.default_rng(11)
RUNS = 5
C, T, H, X, Y = (RNG.normal(size=shape) for shape in [(4,), (3, 4), (3,), (RUNS, 3), (RUNS, 4)])


def outer(x, y):
    return contract("i,j->ij", x, y)


# name: (the body of (a constant, the sum, another carry, a row of X, a row of Y), is a product taken out?)
BODIES = {
    "rows": (lambda c, t, h, x, y: (t + outer(x, y), h + x), True),
    "the sum on the right": (lambda c, t, h, x, y: (outer(x, y) + t, h + x), True),
    "made in the run": (lambda c, t, h, x, y: (t + outer(h, np.sin(y)), np.tanh(h + x)), True),
    "transposed": (lambda c, t, h, x, y: (t + contract("i,j->ji", y, x), h + x), True),
    "an output as well": (lambda c, t, h, x, y: (t + outer(h, y), h + x, h), True),
    "a constant": (lambda c, t, h, x, y: (t + outer(x, c), h + x), False),
    "read otherwise": (lambda c, t, h, x, y: (t + outer(x, y), h + t[:, 0]), False),
    "scaled": (lambda c, t, h, x, y: (t * 0.5 + outer(x, y), h + x), False),
    "subtracted": (lambda c, t, h, x, y: (t - outer(x, y), h + x), False),
    "twice itself": (lambda c, t, h, x, y: (t + t, h + x), False),
    "no product": (lambda c, t, h, x, y: (t + np.stack([y, y, y]), h + x), False),
    "product in an output": (lambda c, t, h, x, y: ((p := outer(x, y)) + t, h + x, p), False),
    "sum in an output": (lambda c, t, h, x, y: ((s := t + outer(x, y)), h + x, s), False),
    "a product of two products": (lambda c, t, h, x, y: (t + outer(x, y) * 2.0, h + x), False),
}


def looped(program, count, first, rows):
    """Run a loop the plain way: ``count`` constants and carries, then rows; returns carries and stacked ys."""
    consts, carry = first[:1], list(first[1 : 1 + count])
    stacks = []
    for run in range(RUNS):
        outs = eval_jaxpr(program, *consts, *carry, *[x[run] for x in rows])
        carry, ys = outs[:count], outs[count:]
        stacks.append(ys)
    return carry, [np.stack(column) for column in zip(*stacks, strict=True)]


def both_ways(body):
    """Return what the loop gives as it is written, and with its products taken out; and whether any were."""
    jaxpr = make_jaxpr(body)(C, T, H, X[0], Y[0])
    (total, end), ys = looped(jaxpr, 2, [C, T, H], [X, Y])
    shorter, (product,) = without_products(jaxpr, 1, 1, 1)
    check_jaxpr(shorter)
    if product is None:
        assert str(shorter) == str(jaxpr.dce())
        return [total, end, *ys], [total, end, *ys], False
    (again,), made = looped(shorter, 1, [C, H], [X, Y])
    return [total, end, *ys], [T + product.of([X, Y], made), again, *made[: len(ys)]], True


@pytest.mark.parametrize("name", BODIES)
def test_what_the_loop_gives_stays(name):
    body, taken = BODIES[name]
    expected, got, found = both_ways(body)
    assert found is taken
    assert_same(got, expected, name, 1e-12)


def test_a_product_larger_than_what_it_makes_stays():
    """All its rows would be kept, where one small sum does."""
    body = lambda c, t, h, x, y: (t + contract("ij,jk->ik", np.stack([x] * 3), np.stack([y] * 3)), h + x)  # noqa: E731
    jaxpr = make_jaxpr(body)(C, T, H, X[0], Y[0])
    assert without_products(jaxpr, 1, 1, 1)[1] == [None]


# What is changed in the source of the module: each change must be seen by some case.
FAULTS = {
    "reads a sum that is read otherwise": ("readers[total] != 1", "False"),
    "takes a sum that is an output": ("or readers[out] != 1:", ":"),
    "takes a product that is an output": ("or readers[terms[0]] != 1:", ":"),
    "takes rows for constants": ("or not fixed.isdisjoint(product.inputs)", ""),
    "takes any sum for one of itself": ("[v for v in added.inputs if v is not total]", "list(added.inputs[1:])"),
    "takes what is multiplied for what is added": ("is not Add", "is None"),
    "takes products larger than the sum": ("if sum(v.aval.size", "if 0 * sum(v.aval.size"),
    "swaps the operands": ("(self.left, self.right)", "(self.right, self.left)"),
    "transposes the product": ("->{out}", "->{out[::-1]}"),
    "counts places from the carries": ("names[consts + sums + carry :]", "names[consts + carry :]"),
    "keeps the sum among the carries": ("or staying[i - consts]", "or True"),
    "drops the other carries": ("*jaxpr.outputs[sums : sums + carry]", "*jaxpr.outputs[: carry]"),
    "forgets that a row is made": ("outputs.append(v)", "pass"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_seen(name, monkeypatch):
    old, new = FAULTS[name]
    source = inspect.getsource(products)
    assert source.count(old) == 1
    faulty = types.ModuleType(products.__name__)
    faulty.__dict__.update(__name__=products.__name__, __package__=products.__package__)
    exec(compile(source.replace(old, new), products.__file__, "exec"), vars(faulty))
    monkeypatch.setattr(sys.modules[__name__], "without_products", faulty.without_products)
    seen = []
    for case in BODIES:
        try:
            test_what_the_loop_gives_stays(case)
        except Exception:
            seen.append(case)
    try:
        test_a_product_larger_than_what_it_makes_stays()
    except AssertionError:
        seen.append("larger")
    assert seen


def test_gradients_of_loops_that_multiply_by_a_matrix():
    """The loop that uses it, against one that Python unrolls."""

    def loss(w, h, x):
        end, ys = scan(lambda h, row: (np.tanh(w @ h + row), h), h, x)
        return np.sum(end * ys)

    def unrolled(w, h, x):
        ys = []
        for row in x:
            ys.append(h)
            h = np.tanh(w @ h + row)
        return np.sum(h * np.stack(ys))

    w = RNG.normal(size=(3, 3))
    expected = grad(unrolled, argnums=(0, 1, 2))(w, H, X)
    for transform in (grad(loss, argnums=(0, 1, 2)), jit(grad(loss, argnums=(0, 1, 2)))):
        assert_same(transform(w, H, X), expected, "loop", 1e-12)
    many = RNG.normal(size=(2, 3, 3))
    rows = np.stack([grad(unrolled)(w, H, X) for w in many])
    assert_same(vmap(grad(loss), in_axes=(0, None, None))(many, H, X), rows, "batch of loops", 1e-12)
