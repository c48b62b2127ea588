"""Profiles: the accounts add up to the nanosecond, by a clock that only the planted work moves."""

import json
import os
import time
import tracemalloc
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

import autotrace as at
from autotrace import grad, jit, make_jaxpr, profile, value_and_grad
from autotrace.primitives import LinearMap
from autotrace.tools import timing
from autotrace.tools.profiling import duration
from autotrace.tracing import bind

CLOCK = [0]


class Work(LinearMap):
    """The identity; moves the clock by ``forward``, and its transpose by ``backward``."""

    forward: int
    backward: int

    def impl(self, x):
        CLOCK[0] += self.forward
        return x + 0

    def abstract(self, x):
        return x

    def transpose(self, ct, inputs):
        return (bind(Work(self.backward, self.forward), ct),)

    def batch(self, size, inputs, batched):
        return bind(self, *inputs)


def planted(x):
    y = bind(Work(1000, 5000), x * x)
    z = bind(Work(300, 20), y) + bind(Work(4, 1), y)
    return np.sum(z * z)


@pytest.fixture
def clock(monkeypatch):
    """A clock that takes seven nanoseconds to read, and stands still otherwise but for planted work."""

    def read():
        CLOCK[0] += 7
        return CLOCK[0]

    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter_ns=read))


def lines_of(found, function):
    first = function.__code__.co_firstlineno
    return {line.place.line - first: line for line in found.lines}


@pytest.mark.parametrize("wrap", [lambda f: f, jit])
def test_each_line_gets_the_time_of_its_equations(clock, wrap):
    found = profile(wrap(planted))(np.ones(3))
    lines = lines_of(found, planted)
    assert {number: round(line.forward * 1e9) for number, line in lines.items()} == {1: 1000, 2: 304, 3: 0}
    assert all(line.backward == line.tangent == 0 for line in found.lines)


@pytest.mark.parametrize("wrap", [grad, value_and_grad, lambda f: jit(grad(f)), lambda f: jit(value_and_grad(f))])
def test_forward_and_backward_are_told_apart(clock, wrap):
    found = profile(wrap(planted))(np.ones(3))
    lines = lines_of(found, planted)
    assert {number: round(line.backward * 1e9) for number, line in lines.items() if line.backward} == {1: 5000, 2: 21}
    assert round(found.forward_seconds * 1e9) == 1304
    assert round(found.backward_seconds * 1e9) == 5021


def test_tangents_have_a_column_of_their_own(clock):
    found = profile(lambda x: at.jvp(planted, (x,), (x,)))(np.ones(3))
    assert round(found.tangent_seconds * 1e9) == round(found.forward_seconds * 1e9) == 1304
    assert found.columns() == ["forward", "tangent"]


@pytest.mark.parametrize("f", [planted, grad(planted), jit(planted), jit(grad(planted))])
def test_the_accounts_add_up_to_the_wall_clock(clock, f):
    found = profile(f)(np.ones(3))
    assert found.seconds + found.timer_seconds + found.between_seconds == pytest.approx(found.total_seconds, abs=1e-15)
    assert sum(line.seconds for line in found.lines) == pytest.approx(found.seconds, abs=1e-15)
    assert sum(event.seconds for event in found.events) == pytest.approx(found.seconds, abs=1e-15)
    assert round(found.timer_seconds * 1e9) == 7 * len(found.events)
    assert round(found.between_seconds * 1e9) == 14  # the first reading, and the last
    assert found.total_seconds == min(found.runs)


def test_by_the_real_clock_a_run_takes_as_long_as_a_call():
    class Sleep(LinearMap):
        """The identity, late."""

        seconds: float

        def impl(self, x):
            time.sleep(self.seconds)
            return x

        def abstract(self, x):
            return x

        def transpose(self, ct, inputs):
            return (bind(self, ct),)

        def batch(self, size, inputs, batched):
            return bind(self, *inputs)

    def f(x):
        y = bind(Sleep(0.03), x)
        return bind(Sleep(0.01), y)

    found = profile(jit(f), repeats=3)(np.ones(3))
    lines = lines_of(found, f)
    assert 0.03 <= lines[1].seconds < lines[1].seconds + lines[2].seconds <= found.total_seconds
    assert found.call_seconds == pytest.approx(found.total_seconds, rel=0.15)
    assert len(found.runs) == 3


# -- memory ------------------------------------------------------------------------------------------


def big(x):
    y = x[:10]
    a = np.concatenate([x, x])
    b = np.concatenate([a, a])
    return np.sum(b) + np.sum(y)


@pytest.mark.parametrize("wrap", [lambda f: f, jit])
def test_memory_is_what_the_allocator_saw(wrap):
    x = np.ones(100_000)
    found = profile(wrap(big), repeats=1)(x)
    lines = lines_of(found, big)
    assert lines[1].new_bytes < 10_000  # a view
    assert lines[2].new_bytes == pytest.approx(2 * x.nbytes, abs=10_000)
    assert lines[3].new_bytes == pytest.approx(4 * x.nbytes, abs=10_000)
    assert lines[3].live_bytes == pytest.approx(6 * x.nbytes, abs=20_000)
    assert found.peak_bytes == pytest.approx(6 * x.nbytes, abs=20_000)


def test_memory_is_measured_only_where_asked_for():
    found = profile(big, memory=False, repeats=1)(np.ones(10))
    assert found.peak_bytes is None
    assert all(line.new_bytes is None and line.live_bytes is None for line in found.lines)
    assert "alive" not in str(found)
    assert "alive" not in found.to_html()


@pytest.mark.parametrize("running", [False, True])
def test_the_callers_own_tracemalloc_is_left_as_it_was(running):
    if running:
        tracemalloc.start()
    try:
        profile(big, repeats=1)(np.ones(10))
        assert tracemalloc.is_tracing() is running
    finally:
        tracemalloc.stop()


def failing(x):
    return np.linalg.cholesky(x)


def test_an_error_of_the_function_is_passed_on_and_tracing_of_memory_ends():
    with pytest.raises(np.linalg.LinAlgError):
        profile(failing)(-np.eye(2))
    watched = timing.interpreted(make_jaxpr(failing)(np.eye(2)))
    with pytest.raises(np.linalg.LinAlgError) as error:
        timing.allocations(watched, [-np.eye(2)])
    assert "raised by cholesky" in "".join(error.value.__notes__)
    assert not tracemalloc.is_tracing()


# -- what is run -------------------------------------------------------------------------------------


def test_the_program_that_is_watched_computes_what_it_did():
    def f(x, y):
        return np.tanh(x) @ y, np.sin(x) + 1.0

    args = (np.arange(6.0).reshape(2, 3), np.ones(3))
    jaxpr = make_jaxpr(f)(*args)
    compiled = jit(f).lower(*args).compile()
    for program in (timing.interpreted(jaxpr), timing.watched(compiled)):
        readings = []
        program.run(args, lambda: 0, readings.append)
        assert len(readings) == len(program.equations) == len(jaxpr.equations)
    lines, order = timing._with_readings(compiled)
    assert order == list(range(len(compiled.jaxpr.equations)))
    kept = [line for line in lines if "keep_" not in line]
    assert "\n".join(kept) == compiled.source


def test_scalar_programs_run_on_floats():
    found = profile(jit(lambda x: np.sin(x) * x + np.log(x)))(2.0)
    assert [event.equation.primitive.name for event in found.events] == ["sin", "mul", "log", "add"]


def test_trees_keywords_and_static_arguments():
    def f(tree, n, *, scale=1.0):
        for _ in range(n):
            tree = {"a": tree["a"] * scale}
        return tree["a"]

    found = profile(jit(f, static_argnums=1))({"a": np.ones(3)}, 2, scale=2.0)
    assert len(found.events) == 2
    assert len(profile(lambda tree: f(tree, 2))({"a": np.ones(3)}).events) == 2


def test_what_runs_inside_one_equation_is_shared_out_and_said_so():
    def f(x):
        y = np.sin(x)
        return np.exp(y) + x

    found = profile(jit(f), repeats=2)(np.ones(300_000))
    lines = lines_of(found, f)
    assert set(lines) == {1, 2}
    assert lines[2].seconds > lines[1].seconds > 0
    assert "its time is shared out" in found.notes[0]
    assert f"Note: {found.notes[0]}" in str(found)


def test_functions_of_nothing_to_do():
    found = profile(lambda x: x, repeats=1)(1.0)
    assert (found.lines, found.events, found.seconds) == ([], [], 0)
    assert found.columns() == ["forward"]
    assert json.loads(found.to_json())["traceEvents"][1]["dur"] == 0
    assert "profile of <lambda>" in str(found)
    assert "</table>" in found.to_html()


@pytest.mark.parametrize("repeats", [0, -1, 1.5, True, "3"])
def test_repeats_must_be_a_number_of_runs(repeats):
    with pytest.raises(ValueError, match=r"profile: repeats must be a whole number of runs, at least 1; got "):
        profile(planted, repeats=repeats)


def test_it_takes_a_function():
    with pytest.raises(TypeError, match=r"profile\(f\)\(x\) rather than profile\(f\(x\)\)"):
        profile(3.0)
    assert repr(profile(planted, repeats=2)) == "profile(planted, repeats=2)"


# -- text, HTML, JSON --------------------------------------------------------------------------------


def nasty(x):
    return np.sum(np.sin(x)) + len("<script>alert('&')</script>")


def test_text_shows_the_source():
    text = str(profile(grad(nasty))(np.ones(5)))
    assert text.startswith("profile of nasty\none call")
    assert "test_profile.py" in text
    assert "return np.sum(np.sin(x))" in text
    assert "backward" in text


def test_the_slowest_lines_are_shown_in_the_order_of_the_source(clock):
    table = profile(planted)(np.ones(3)).table(limit=2).splitlines()
    assert [line.split()[0] for line in table[2:4]] == [str(planted.__code__.co_firstlineno + i) for i in (1, 2)]
    assert table[4] == "1 more lines"


class Page(HTMLParser):
    """Checks that tags are closed in order, and gathers text and the addresses of what is loaded."""

    def __init__(self):
        super().__init__()
        self.open, self.loaded, self.texts, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [value for key, value in attrs if key in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_html_is_closed_self_contained_and_escaped():
    html = profile(value_and_grad(nasty))(np.ones(5)).to_html()
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == page.loaded == []
    assert "script" not in page.tags
    assert any("len(\"<script>alert('&')</script>\")" in text for text in page.texts)
    assert "http" not in html


def test_a_hostile_name_is_escaped():
    def f(x):
        return x + 1

    f.__name__ = f.__qualname__ = "<img src=x onerror=alert(1)>"
    found = profile(f, repeats=1)(1.0)
    assert "<img" not in found.to_html()
    assert "<img" not in found._repr_html_()
    assert json.loads(found.to_json())


def test_json_is_a_flame_graph_of_trace_events():
    found = profile(grad(nasty))(np.ones(5))
    whole = json.loads(found.to_json())
    named, *events = whole["traceEvents"]
    assert named["ph"] == "M"
    assert all(event.keys() >= {"name", "cat", "ph", "ts", "dur", "pid", "tid"} for event in events)
    assert {event["ph"] for event in events} == {"X"}
    by_category = {c: [e for e in events if e["cat"] == c] for c in ("function", "phase", "line", "equation")}
    assert len(by_category["equation"]) == len(found.events)
    for outer, inner in (("function", "phase"), ("phase", "line"), ("line", "equation")):
        for event in by_category[inner]:  # each lies in one of those around it, or a viewer draws nonsense
            end = event["ts"] + event["dur"]
            around = [o for o in by_category[outer] if o["ts"] <= event["ts"] + 0.002]
            assert any(end <= o["ts"] + o["dur"] + 0.002 for o in around)
    (whole_run,) = by_category["function"]
    assert whole_run["dur"] == pytest.approx(found.seconds * 1e6, abs=0.01)


def test_saving(tmp_path):
    found = profile(nasty, repeats=1)(np.ones(5))
    for name, start in (("a.html", "<!DOCTYPE html>"), ("b.json", "{"), ("c.txt", "profile of nasty")):
        found.save(tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    with pytest.raises(ValueError, match=r"save: the name must end in .html, .json or .txt; got '.*d.png'"):
        found.save(os.fspath(tmp_path / "d.png"))


def test_durations():
    shown = [duration(s) for s in (0, 4e-9, 999e-9, 9.996e-7, 1.234e-6, 0.0123, 0.99951, 61.5)]
    assert shown == ["0 ns", "4 ns", "999 ns", "1.00 us", "1.23 us", "12.3 ms", "1.00 s", "61.5 s"]


def test_a_loop_is_shared_out_among_the_lines_of_its_body():
    def f(xs):
        def step(carry, x):
            y = np.exp(carry) * x
            return y, np.sum(y)

        return np.sum(at.scan(step, np.ones(50), xs)[1])

    found = profile(jit(grad(f)), repeats=2)(np.full((20, 50), 0.1))
    lines = lines_of(found, f)
    assert {2, 3} <= set(lines)
    assert lines[2].forward > 0
    assert lines[2].backward > 0
    assert sum(line.seconds for line in found.lines) == pytest.approx(found.seconds)
    assert any(note.startswith("scan at ") for note in found.notes)
