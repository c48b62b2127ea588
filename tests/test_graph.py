"""Pictures of programs: what is drawn (the graph), where it stands (the layers), and how each format says it.

The expected texts are in ``golden/``, the picture of the documentation in ``docs/pictures/``. After a change that is
meant, write them anew with ``AUTOTRACE_GOLDEN=write pytest tests/test_graph.py``, and look at the picture.
"""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import autotrace as at
from autotrace import Equation, Jaxpr, Place, Primitive, ShapedArray, Var, make_jaxpr
from autotrace.control import cond, scan
from autotrace.ir import COTANGENT, PRIMAL
from autotrace.ir.dot import quoted
from autotrace.ir.graph import GROUPINGS, MOST_PARTS, _count, graph_of
from autotrace.ir.layers import MOST_BENDS, Line, _Net, _ranks, draw
from autotrace.ir.markup import escape
from autotrace.ir.mermaid import plain
from tests.catalogue import all_cases
from tests.laws import Problem
from tests.test_docs import run_page

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
SVG = "{http://www.w3.org/2000/svg}"
F3 = ShapedArray((3,), np.dtype(float))


def layer(w, b, x):
    return np.tanh(w @ x + b)


def loss(params, x, y):
    (w1, b1), (w2, b2) = params
    return np.mean((layer(w2, b2, layer(w1, b1, x)) - y) ** 2)


PARAMS = ((np.ones((4, 3)), np.ones(4)), (np.ones((2, 4)), np.ones(2)))
X, Y = np.ones(3), np.ones(2)


def newton(x):
    y = x
    while abs(y * y - x) > 1e-3:
        y = 0.5 * (y + x / y)
    return y


def steps(count):
    def step(x):
        return np.sin(x) * 2.0

    def simulate(x):
        for _ in range(count // 4):
            x = step(x)
            x = x + 1.0
            x = x * x
        return x

    return simulate


@at.jit
def inner(a, b):
    return np.sin(a) * b, np.exp(b)


@at.jit
def outer(a, b):
    c, d = inner(a, b)
    return c * d


def recurrent(w, xs):
    def step(h, x):
        h = np.tanh(w @ h + x)
        return h, np.sum(h)

    return np.sum(scan(step, np.zeros(2), xs)[1])


PROGRAMS = {
    "three": lambda: make_jaxpr(lambda x, y: np.sum(np.sin(x) * y))(X, X),
    "gradient": lambda: make_jaxpr(at.grad(loss))(PARAMS, X, Y),
    "curvature": lambda: make_jaxpr(lambda p, v: at.jvp(at.grad(lambda p: loss(p, X, Y)), (p,), (v,))[1])(
        PARAMS, PARAMS
    ),
    "guards": lambda: make_jaxpr(lambda x, ct: at.vjp(newton, x)[1](ct))(2.0, 1.0),
    "nested": lambda: make_jaxpr(lambda a, b: outer(a, b) + np.cos(a))(1.0, 2.0),
    "scan": lambda: make_jaxpr(at.grad(recurrent))(np.ones((2, 2)), np.ones((5, 2))),
    "cond": lambda: make_jaxpr(lambda x: cond(x > 0, lambda x: np.sin(x) * 2, lambda x: -x, x))(2.0),
    "200": lambda: make_jaxpr(steps(200))(1.0),
    "2000": lambda: make_jaxpr(steps(2000))(1.0),
    "2000_back": lambda: make_jaxpr(at.grad(lambda x: np.sum(steps(700)(x))))(X),
    "empty": lambda: Jaxpr([], [], []),
    "constants": lambda: make_jaxpr(lambda: (1.0, np.arange(3.0), np.ones(100)))(),
}


@pytest.fixture(scope="module")
def programs():
    return {name: make() for name, make in PROGRAMS.items()}


class Odd(Primitive):
    """A parameter of any text."""

    text: object

    def impl(self, x):
        return x

    def abstract(self, aval):
        return aval

    def jvp(self, primals, tangents, outputs):
        return tangents[0]

    def batch(self, size, inputs, batched):
        return inputs[0]


class Holder(Primitive):
    """A primitive with programs that nobody knows the meaning of."""

    programs: tuple[Jaxpr, ...]

    def impl(self, x):
        return x

    def abstract(self, aval):
        return aval

    def jvp(self, primals, tangents, outputs):
        return tangents[0]

    def batch(self, size, inputs, batched):
        return inputs[0]


HOSTILE = (
    '"]--> end %%{init: {}}%% <script>alert(1)</script> ]]> \\N \\" `x` #quot; &amp; \' '
    "\n\r\t \x00 \u202e \ud800 é 漢|{};"
)


def hostile_program(text=HOSTILE):
    a, b, c = (Var(F3) for _ in range(3))
    where = (Place(f"folder/{text.replace('/', '')}.py", 3, text), 0, COTANGENT)
    return Jaxpr([a], [Equation(Odd(text), (a,), (b,), where), Equation(Odd((text,)), (b,), (c,), where)], [c])


def held(program, equations=1):
    """A program of equations that hold ``program``."""
    variables = [Var(F3) for _ in range(equations + 1)]
    equations = [Equation(Holder((program,)), (x,), (y,)) for x, y in pairwise(variables)]
    return Jaxpr([variables[0]], equations, [variables[-1]])


# The graph.


def by_text(graph):
    return {node.lines[0].split(":")[0]: node for node in graph.nodes if node.kind in ("equation", "guard")}


def test_equations_have_the_color_of_their_phase_and_residuals_are_marked(programs):
    jaxpr = programs["gradient"]
    graph = graph_of(jaxpr)
    nodes = [node for node in graph.nodes if node.kind == "equation"]
    assert [node.phase for node in nodes] == [e.source[2] for e in jaxpr.equations]
    made = {v: e for e in jaxpr.equations for v in e.outputs}
    kept = {
        i
        for e in jaxpr.equations
        if e.source[2] == COTANGENT
        for i in e.inputs
        if i in made and made[i].source[2] == PRIMAL
    }
    assert {n.name for n in nodes if n.residual} == {
        node.name for node, e in zip(nodes, jaxpr.equations, strict=True) if kept & set(e.outputs)
    }
    assert sum(node.residual for node in graph.nodes) == len(kept) == 3
    phases = {node.name: node.phase for node in nodes}
    for edge in graph.edges:
        crossing = phases.get(edge.start) == PRIMAL and phases.get(edge.end) == COTANGENT
        assert (edge.kind == "residual") == crossing


def test_guards_are_marked(programs):
    graph = graph_of(programs["guards"])
    guards = [node for node in graph.nodes if node.kind == "guard"]
    assert [node.lines[1] for node in guards] == ["expected=True"] * 3 + ["expected=False"]
    for text in (programs["guards"].to_dot(), programs["guards"].to_mermaid()):
        assert text.count("hexagon") == 4 or text.count("{{") == 4


def test_edges_are_what_equations_read(programs):
    jaxpr = programs["three"]
    graph = graph_of(jaxpr)
    names = {node.name: node.lines[0] for node in graph.nodes}
    assert [(names[e.start], names[e.end]) for e in graph.edges] == [
        ("a:f64[3]", "c:f64[3] = sin a"),
        ("c:f64[3] = sin a", "d:f64[3] = mul c b"),
        ("b:f64[3]", "d:f64[3] = mul c b"),
        ("d:f64[3] = mul c b", "e:f64[] = reduce_sum d"),
        ("e:f64[] = reduce_sum d", "output e"),
    ]
    assert "test_graph.py" in graph.nodes[2].tooltip and "primal" in graph.nodes[2].tooltip


def test_a_called_program_is_drawn_in_a_box_that_values_flow_through(programs):
    graph = graph_of(programs["nested"])
    first, second = graph.boxes
    assert (first.parent, second.parent) == (None, first.name)
    assert "label='outer'" in first.label and "label='inner'" in second.label
    homes = {node.name: node.box for node in graph.nodes}
    assert all(edge.kind == "value" for edge in graph.edges)
    assert {(homes[e.start], homes[e.end]) for e in graph.edges} == {
        (None, None), (None, "b0"), ("b0", "b0"), ("b0", "b1"), ("b1", "b1"), ("b1", "b0"), ("b0", None),
    }  # fmt: skip


def test_programs_whose_inputs_are_not_the_operands_are_held_by_their_equation(programs):
    graph = graph_of(programs["cond"])
    assert [box.label.split()[0] for box in graph.boxes] == ["c:f64[]", "branches", "branches"]
    holds = [edge for edge in graph.edges if edge.kind == "holds"]
    assert len(holds) == 2 and len({edge.start for edge in holds}) == 1


def test_a_program_is_drawn_once(programs):
    graph = graph_of(held(programs["three"], 3), group="none")
    assert [box.label for box in graph.boxes] == ["b:f64[3] = holder a", "programs"]
    assert _count(held(programs["three"], 3)) == 6
    assert [line for node in graph.nodes for line in node.lines if "elsewhere" in line] == [
        "programs: 3 equations, drawn elsewhere"
    ] * 2


def test_programs_in_programs_are_opened_to_a_depth():
    program = hostile_program("x")
    for _ in range(50):
        program = held(program, 2)  # written out, 2 ** 50 equations
    graph = graph_of(program)
    assert len(graph.boxes) < 60
    for text in every_format(program):
        assert len(text) < 100_000


@pytest.mark.parametrize(("name", "kind"), [("three", "none"), ("200", "boxes"), ("2000", "folded")])
def test_auto_goes_by_the_number_of_equations(programs, name, kind):
    assert graph_of(programs[name]) == graph_of(programs[name], group=kind)
    assert all(
        graph_of(programs[name], group=other) != graph_of(programs[name])
        for other in {"none", "boxes", "folded"} - {kind}
        if name != "three"
    )


@pytest.mark.parametrize("name", ["200", "2000", "2000_back", "curvature"])
@pytest.mark.parametrize("group", ["none", "boxes", "folded"])
def test_every_equation_is_drawn_once_and_boxes_make_no_circle(programs, name, group):
    jaxpr = programs[name]
    graph = graph_of(jaxpr, group=group)
    counted = sum(
        int(re.match(r"\d+", node.lines[1])[0]) if node.kind == "folded" else node.kind == "equation"
        for node in graph.nodes
    )
    assert counted == len(jaxpr.equations)
    homes = {node.name: node.box or node.name for node in graph.nodes}
    edges = {(homes[e.start], homes[e.end]) for e in graph.edges if homes[e.start] != homes[e.end]}
    names = {name: number for number, name in enumerate(sorted(set(homes.values())))}
    draw([(1.0, 1.0)] * len(names), [Line(names[a], names[b]) for a, b in edges])  # raises where there is a circle


@pytest.mark.parametrize("name", ["2000", "2000_back"])
def test_long_programs_fold_to_a_readable_number_of_nodes(programs, name):
    graph = graph_of(programs[name])
    assert 10 < len(graph.nodes) < 1.5 * MOST_PARTS
    assert any("simulate" in node.lines[0] for node in graph.nodes)
    phases = {node.phase for node in graph.nodes if node.kind == "folded"}
    assert phases == ({PRIMAL, COTANGENT} if name == "2000_back" else {PRIMAL})


def test_short_programs_fold_by_function(programs):
    graph = graph_of(programs["gradient"], group="folded")
    folded = [node.lines[:2] for node in graph.nodes if node.kind == "folded"]
    assert folded == [
        ("layer", "6 equations"),
        ("loss, backward", "2 equations"),
        ("layer, backward", "9 equations"),
    ]


def test_names_of_the_user():
    def speed(x):
        energy = x * x
        return energy + 1.0

    assert "energy:f64[] = mul" in make_jaxpr(speed)(2.0).to_mermaid(names="user")


def test_a_program_that_is_not_right_is_drawn_all_the_same():
    lost = Var(F3)
    for text in every_format(Jaxpr([], [Equation(Odd("x"), (lost,), (Var(F3),))], [Var(F3)])):
        assert "odd _unbound" in text


@pytest.mark.parametrize(
    ("method", "option"),
    [*[(f"to_{kind}", o) for kind in ("dot", "mermaid", "svg") for o in ("group", "names")],
     ("to_svg", "engine"), ("to_html", "names")],
)  # fmt: skip
def test_wrong_options_are_named(programs, method, option):
    with pytest.raises(ValueError, match=rf"{method}: {option} must be .*got 'wrong'"):
        getattr(programs["three"], method)(**{option: "wrong"})


# The layers.


def overlaps(boxes):
    return [
        (a, b)
        for i, a in enumerate(boxes)
        for b in boxes[:i]
        if a[0] < b[2] - 0.2 and b[0] < a[2] - 0.2 and a[1] < b[3] - 0.2 and b[1] < a[3] - 0.2
    ]


def test_random_drawings_have_no_overlaps_and_lead_down(rng):
    for _ in range(30):
        count = int(rng.integers(1, 40))
        sizes = [(float(w), float(h)) for w, h in rng.uniform(5, 120, (count, 2))]
        pairs = [tuple(sorted(rng.integers(0, count, 2))) for _ in range(2 * count)]
        lines = [Line(int(a), int(b), *rng.uniform(-2, 2, 2)) for a, b in pairs if a != b]
        drawing = draw(sizes, lines)
        boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in
                 zip(drawing.places, sizes, strict=True)]  # fmt: skip
        assert overlaps(boxes) == []
        assert all(b[0] > -0.1 and b[1] > -0.1 and b[2] < drawing.width + 0.1 and b[3] < drawing.height + 0.1
                   for b in boxes)  # fmt: skip
        for line, way in zip(lines, drawing.ways, strict=True):
            assert all(a[1] <= b[1] + 1e-9 for a, b in pairwise(way))
            (x, _), (u, _) = drawing.places[line.start], drawing.places[line.end]
            assert way[0] == pytest.approx((x + line.leaves, boxes[line.start][3]))
            assert way[-1] == pytest.approx((u + line.arrives, boxes[line.end][1]))
        assert drawing == draw(sizes, lines)


def test_edges_pass_between_figures_not_over_them():
    # 0 -> 1 -> 2 -> 3 and 0 -> 3: the long edge must leave the column of the figures.
    drawing = draw([(80, 20)] * 4, [Line(0, 1), Line(1, 2), Line(2, 3), Line(0, 3)])
    for x, y in drawing.ways[3]:
        for u, v in drawing.places[1:3]:
            assert abs(x - u) > 40 or abs(y - v) > 10


def test_crossings_are_removed_where_they_can_be():
    lines = [Line(0, 5), Line(1, 4), Line(2, 3), Line(0, 4)]
    drawing = draw([(30, 20)] * 6, lines)
    ends = sorted((way[0][0], way[-1][0]) for way in drawing.ways)
    assert [end for _, end in ends] == sorted(end for _, end in ends)


def test_the_first_and_the_last_stand_at_the_borders():
    drawing = draw([(30, 20)] * 5, [Line(0, 2), Line(2, 3), Line(1, 4)], first=[1], last=[3])
    heights = [y for _, y in drawing.places]
    assert heights[1] == min(heights) < min(heights[0], heights[2], heights[4])
    assert heights[3] == max(heights) > max(heights[0], heights[2], heights[4])


def test_a_circle_is_refused():
    with pytest.raises(ValueError, match="circle"):
        draw([(1, 1)] * 2, [Line(0, 1), Line(1, 0)])


def test_the_places_kept_free_for_long_edges_are_bounded():
    lines = [Line(i, i + 1) for i in range(1999)] + [Line(i, 1999 - i) for i in range(900)]
    net = _Net([(10.0, 10.0)] * 2000, lines, _ranks(2000, lines, (), ()))
    assert len(net.rank) <= 2000 + MOST_BENDS
    assert any(chain is None for chain in net.chains) and any(chain for chain in net.chains)


# The formats.


def every_format(jaxpr, group="auto"):
    yield jaxpr.to_dot(group=group)
    yield jaxpr.to_mermaid(group=group)
    yield jaxpr.to_svg(engine="plain", group=group)


STRING = r'"(?:[^"\\]|\\.)*"'
VALUE = rf"(?:{STRING}|[\w.]+|<<TABLE.*</TABLE>>)"
DOT_LINE = re.compile(
    rf"""digraph\ program\ \{{ | \s*\}} | \s*subgraph\ cluster_b\d+\ \{{
    | \s*(?:(?:graph|node|edge|n\d+|n\d+\ ->\ n\d+)\ \[(?:\w+={VALUE}\ ?)*\];)
    | \s*(?:\w+={VALUE}\ ?)+;""",
    re.VERBOSE,
)
TEXT = r'"[^"]+"'
MERMAID_LINE = re.compile(
    rf"""flowchart\ TD | \s*end | \s*subgraph\ b\d+\[{TEXT}\]
    | \s*n\d+(?:\[{TEXT}\]|\(\[{TEXT}\]\)|\[\({TEXT}\)\]|\{{\{{{TEXT}\}}\}}|\[\[{TEXT}\]\])
    | \s*n\d+\ (?:-->|==>|-\.->)\ n\d+
    | \s*classDef\ \w+\ [\w:\#,-]+ | \s*class\ [\w,]+\ \w+
    | \s*style\ b\d+\ [\w:\#,\ -]+ | \s*linkStyle\ [\d,]+\ stroke:\#\w+""",
    re.VERBOSE,
)


def well_formed(jaxpr, group="auto"):
    dot, mermaid, svg = every_format(jaxpr, group)
    assert [line for line in dot.splitlines() if not DOT_LINE.fullmatch(line)] == []
    assert [line for line in mermaid.splitlines() if not MERMAID_LINE.fullmatch(line)] == []
    assert dot.count("{") == dot.count("}") or HOSTILE in str(jaxpr.equations[0].params)
    return dot, mermaid, ET.fromstring(svg)


@pytest.mark.parametrize("group", GROUPINGS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_format_is_well_formed(programs, name, group):
    well_formed(programs[name], group)


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
@pytest.mark.parametrize("name", [*PROGRAMS, "hostile"])
def test_graphviz_accepts_dot(programs, name):
    jaxpr = hostile_program() if name == "hostile" else programs[name]
    run = subprocess.run(["dot", "-Tsvg"], input=jaxpr.to_dot().encode(), capture_output=True, timeout=60, check=True)
    assert run.stderr == b""
    shown = {"".join(text.itertext()).replace("\xa0", " ") for text in ET.fromstring(run.stdout).iter(f"{SVG}text")}
    lines = {line for node in graph_of(jaxpr).nodes for line in node.lines}
    assert lines <= shown


def absolute(element, x=0.0, y=0.0):
    """Yield each node's and box's figure with its place on the page."""
    found = re.match(r"translate\(([\d.-]+) ([\d.-]+)\)", element.get("transform", ""))
    if found:
        x, y = x + float(found[1]), y + float(found[2])
    kind = element.get("class", "").split()
    shape = next((e for e in element if e.tag in (f"{SVG}rect", f"{SVG}polygon") and e.get("y") is None), None)
    if kind[:1] in (["node"], ["box"]) and shape is not None:
        if shape.tag == f"{SVG}rect":
            width, height = float(shape.get("width")), float(shape.get("height"))
        else:
            points = [tuple(map(float, point.split(","))) for point in shape.get("points").split()]
            width, height = (max(point[axis] for point in points) for axis in (0, 1))
        yield kind[0], (x, y, x + width, y + height), element
    for child in element:
        yield from absolute(child, x, y)


@pytest.mark.parametrize("group", ["none", "boxes", "folded"])
@pytest.mark.parametrize("name", [name for name in PROGRAMS if not name.startswith("2000")])
def test_nothing_overlaps_and_nothing_is_cut_off(programs, name, group):
    root = ET.fromstring(programs[name].to_svg(engine="plain", group=group))
    width, height = float(root.get("width")), float(root.get("height"))
    figures = list(absolute(root))
    nodes = [box for kind, box, _ in figures if kind == "node"]
    boxes = [box for kind, box, _ in figures if kind == "box"]
    graph = graph_of(programs[name], group=group)
    assert (len(nodes), len(boxes)) == (len(graph.nodes), len(graph.boxes))
    assert overlaps(nodes) == []
    assert all(a >= 0 and b >= 0 and c <= width and d <= height for a, b, c, d in nodes + boxes)
    for node in nodes:
        for a, b in overlaps([node, *boxes]):
            if node in (a, b):
                _, frame = sorted((a, b), key=lambda box: box != node)
                assert frame[0] < node[0] and frame[1] < node[1] and frame[2] > node[2] and frame[3] > node[3]
    for a, b in overlaps(boxes):  # only where one holds the other
        assert (a[0] <= b[0] and a[2] >= b[2]) or (b[0] <= a[0] and b[2] >= a[2])
    for _, box, element in figures:
        for text in element.findall(f"{SVG}text"):
            assert float(text.get("x")) + 7.2 * len(text.text) <= box[2] - box[0]


def test_texts_are_escaped_in_every_format():
    jaxpr = hostile_program()
    dot, mermaid, root = well_formed(jaxpr)
    (node, _) = (node for node in graph_of(jaxpr).nodes if node.kind == "equation")
    shown = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert node.lines[1] in shown and "<script>" in node.lines[1]
    assert {element.tag for element in root.iter()} <= {
        SVG + t for t in ("svg", "g", "style", "rect", "text", "title", "path")
    }
    assert "<script" not in mermaid and "%%" not in mermaid
    for text in (dot, mermaid):
        text.encode("utf-8")
        assert all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize(
    ("text", "expected"), [("a\\N", r'"a\\N"'), ('say "x"', r'"say \"x\""'), ("a&lt;", '"a&amp;lt;"')]
)
def test_dot_strings(text, expected):
    assert quoted(text) == expected


def test_texts_in_attributes():
    text = HOSTILE.encode("ascii", "ignore").decode().translate(dict.fromkeys(range(32), " "))
    for quote in "\"'":
        assert ET.fromstring(f"<a b={quote}{escape(text)}{quote}>{escape(text)}</a>").get("b") == text


def test_mermaid_texts():
    assert re.fullmatch(r"([\w '.,:=+/()\[\]…×-]|#\d+;)*", plain(HOSTILE.encode("ascii", "ignore").decode()))


@pytest.mark.parametrize("case", {c.id.split(":")[0]: c for c in all_cases() if c.differentiable}.values(), ids=repr)
def test_programs_of_the_catalogue(case):
    if "scipy" in case.id:
        pytest.importorskip("scipy", reason="SciPy is an optional partner: pip install 'autotrace-ad[interop]'")
    problem = Problem(case)

    def back(*point):
        outputs, pull = at.vjp(problem.smooth, *point)
        return pull(outputs)

    for function in (problem.smooth, back):
        jaxpr = make_jaxpr(function)(*problem.point)
        well_formed(jaxpr)
        ET.fromstring(jaxpr.to_html())


def test_graphviz_draws_where_it_is_asked_for_or_there(programs, tmp_path, monkeypatch):
    jaxpr = programs["three"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert jaxpr.to_svg() == jaxpr.to_svg(engine="plain")
    with pytest.raises(RuntimeError, match="to_svg: engine='graphviz' needs the program dot"):
        jaxpr.to_svg(engine="graphviz")
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\nexec /bin/echo '<?xml version=\"1.0\"?><!DOCTYPE svg><svg>drawn</svg>'\n")
    program.chmod(0o755)
    assert jaxpr.to_svg().strip() == jaxpr.to_svg(engine="graphviz").strip() == "<svg>drawn</svg>"
    program.write_text("#!/bin/sh\n/bin/echo it broke >&2\nexit 3\n")
    assert jaxpr.to_svg() == jaxpr.to_svg(engine="plain")
    with pytest.raises(RuntimeError, match=r"exit code 3: it broke\. Install Graphviz, or pass engine='plain'"):
        jaxpr.to_svg(engine="graphviz")


ANOTHER = """
import sys
import autotrace
assert not {"autotrace.ir.svg", "autotrace.ir.graph", "autotrace.ir.html"} & set(sys.modules)
from tests.test_graph import PROGRAMS, every_format
for name in ("gradient", "nested", "scan", "200"):
    jaxpr = PROGRAMS[name]()
    print(*every_format(jaxpr), jaxpr.to_html(), end="")
"""


def test_another_process_writes_the_same_and_imports_no_pictures_before(programs):
    run = subprocess.run(
        [sys.executable, "-c", ANOTHER],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        cwd=ROOT, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()
    here = "".join(
        " ".join([*every_format(programs[name]), programs[name].to_html()])
        for name in ("gradient", "nested", "scan", "200")
    )
    assert run.stdout.decode() == here


def same_as_file(text, file):
    if os.environ.get("AUTOTRACE_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{file.name} changed: AUTOTRACE_GOLDEN=write writes it anew"


def test_golden_dot_and_mermaid():
    x = np.array([1.0, 2.0, 3.0])
    jaxpr = make_jaxpr(at.value_and_grad(lambda x: np.sum(np.sin(x) * outer(x, x))))(x)
    jaxpr = jaxpr.replace(
        equations=[e._replace(source=(Place("f.py", 7, "f"), 0, e.source[2])) for e in jaxpr.equations]
    )
    same_as_file(jaxpr.to_dot(), GOLDEN / "value_and_grad.dot")
    same_as_file(jaxpr.to_mermaid(), GOLDEN / "value_and_grad.mmd")


def test_the_picture_of_the_documentation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(ROOT / "docs" / "pictures.md")
    same_as_file((tmp_path / "gradient.svg").read_text(encoding="utf-8"), ROOT / "docs" / "pictures" / "gradient.svg")
