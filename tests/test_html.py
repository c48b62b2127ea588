"""Programs as pages: the text is that of printing, every variable and line can be found, and nothing escapes."""

import html.parser
import os
import re
import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest

from autotrace import Equation, Jaxpr, Place, Var, make_jaxpr
from autotrace.ir import COTANGENT
from tests.test_graph import F3, HOSTILE, PROGRAMS, Odd, held, hostile_program


@pytest.fixture(scope="module")
def programs():
    return {name: PROGRAMS[name]() for name in ("three", "gradient", "guards", "nested", "scan", "cond", "empty")}


def parsed(text):
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))


def marked(root, name):
    return [element for element in root.iter() if name in element.get("class", "").split()]


def text_of(element):
    return "".join(element.itertext())


def lines(root):
    (program,) = marked(root, "at-text")
    return [text_of(e) for e in program.iter() if "at-row" in e.get("class", "") or e.tag == "summary"]


@pytest.mark.parametrize("name", ["three", "gradient", "guards", "empty"])
@pytest.mark.parametrize("names", ["letters", "user"])
def test_the_text_is_that_of_printing(programs, name, names):
    jaxpr = programs[name]
    expected = str(jaxpr) if names == "letters" else jaxpr.pretty(names="user", width=1000)
    assert "\n".join(lines(parsed(jaxpr.to_html(names=names)))) == expected


def test_a_variable_is_defined_once_and_marked_wherever_it_is_used(programs):
    jaxpr = programs["gradient"]
    root = parsed(jaxpr.to_html(page=False))
    uses = Counter(atom for e in jaxpr.equations for atom in e.inputs if isinstance(atom, Var))
    uses.update(atom for atom in jaxpr.outputs)
    defined = {e.get("data-v"): e for e in marked(root, "at-def")}
    assert len(defined) == len(marked(root, "at-def")) == len(uses | Counter(jaxpr.in_vars))
    counts = Counter(e.get("data-v") for e in marked(root, "at-v") if "at-def" not in e.get("class").split())
    assert sorted(counts.values()) == sorted(uses.values())
    assert all(text_of(e) == text_of(defined[e.get("data-v")]) for e in marked(root, "at-v"))
    assert defined["0.0"].get("title") == "a:f64[4,3]"


def test_variables_of_programs_inside_are_others(programs):
    root = parsed(programs["nested"].to_html(page=False))
    names = {(e.get("data-v").split(".")[0], text_of(e)) for e in marked(root, "at-v")}
    assert {scope for scope, name in names if name == "a"} == {"0", "1", "2"}


def test_an_equation_opens_to_its_line_of_source(programs):
    root = parsed(programs["gradient"].to_html(page=False))
    first = marked(root, "at-equation")[0]
    assert first.tag == "details" and first.get("open") is None
    summary, source = first
    assert text_of(summary).strip().startswith("g:f64[4] = einsum")
    place, code = source
    assert re.fullmatch(r"test_graph\.py:\d+ \(layer\), primal", text_of(place))
    assert text_of(code) == "return np.tanh(w @ x + b)"


def test_phases_residuals_and_guards_have_their_looks(programs):
    jaxpr = programs["guards"]
    root = parsed(jaxpr.to_html(page=False))
    looks = [e.get("class").removeprefix("at-equation at-") for e in marked(root, "at-equation")]
    assert looks == [
        "guard" if e.primitive.effect else "backward" if e.source[2] == COTANGENT else "primal" for e in jaxpr.equations
    ]
    assert {text_of(e) for e in marked(root, "at-key")} == {
        "primal", "backward (cotangent)", "guard", "residual: kept for the backward part",
    }  # fmt: skip
    residuals = {e.get("data-v") for e in marked(root, "at-residual") if e.get("data-v")}
    assert len(residuals) == sum(node.count("at-def at-residual") for node in [jaxpr.to_html()]) > 0


def test_programs_inside_fold_and_are_shown_once(programs):
    root = parsed(programs["cond"].to_html(page=False))
    nested = marked(root, "at-nested")
    assert [e.tag for e in nested] == ["details"] * 2 and all(e.get("open") for e in nested)
    again = held(programs["three"], 3).to_html(page=False)
    assert len(marked(parsed(again), "at-nested")) == 1
    assert again.count("program of 3 equations, the same as above") == 2


def test_deep_programs_end_somewhere():
    program = hostile_program("x")
    for _ in range(100):
        program = held(program)
    assert "program of 1 equation, not shown" in program.to_html()


def test_a_page_stands_alone(programs):
    page = programs["scan"].to_html(picture=True)
    root = parsed(page)
    assert page.startswith("<!DOCTYPE html>\n<html") and root.find("head/meta").get("charset") == "utf-8"
    assert re.findall(r"(?:https?:)?//[\w.]+[^\s\"]*", page) == ["http://www.w3.org/2000/svg"]  # a name, not a place
    assert not re.search(r"\b(src|href|id)=|@import|url\(", page)
    assert len(list(root.iter("script"))) == 1
    assert len(list(root.iter("{http://www.w3.org/2000/svg}svg"))) == 1


def test_rules_and_script_touch_nothing_outside(programs):
    fragment = programs["three"].to_html(page=False)
    style = re.search(r"<style>(.*?)</style>", fragment, re.S)[1]
    selectors = [s for rule in re.findall(r"(?:^|[{}\n])\s*([^{}@\n][^{}\n]*)\{", style) for s in rule.split(",")]
    assert len(selectors) > 20 and all(re.search(r"(^|\s)\.autotrace\b", s) for s in selectors)
    script = re.search(r"<script>(.*?)</script>", fragment, re.S)[1]
    assert not set("<&") & set(script) and script.strip().startswith("(function () {")


def test_both_schemes_and_those_of_notebooks(programs):
    page = programs["three"].to_html()
    for words in ("prefers-color-scheme:dark", 'data-jp-theme-light="false"', ".vscode-dark"):
        assert words in page


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes = Counter(), Counter()

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.attributes.update(key for key, _ in attributes)

    handle_startendtag = handle_starttag


@pytest.mark.parametrize("picture", [False, True])
def test_hostile_texts_are_only_texts(picture):
    hostile, tame = (hostile_program(text).to_html(picture=picture) for text in (HOSTILE, "tame"))
    hostile.encode("utf-8")
    assert all(c.isprintable() or c == "\n" for c in hostile)
    counts = []
    for page in (hostile, tame):
        tags = Tags()
        tags.feed(page)
        assert tags.tags == Counter(e.tag.rpartition("}")[2] for e in parsed(page).iter())
        counts.append((tags.tags, tags.attributes))
    assert counts[0] == counts[1]
    shown = "".join(parsed(hostile).itertext())
    assert "<script>alert(1)</script> ]]>" in shown and "\\x00" in shown and "\\ud800" in shown


def test_the_middle_of_a_long_program_can_be_left_out():
    jaxpr = PROGRAMS["200"]()
    for most in (0, 1, 7, 199, 200, 201, None):
        page = jaxpr.to_html(max_equations=most)
        shown = len(marked(parsed(page), "at-equation"))
        assert shown == (200 if most in (None, 199) else min(most, 200))  # one is not worth a line that says so
        assert (f"... {200 - shown} equations ..." in page) == (shown < 200)
        if shown == 7:
            assert "\n".join(lines(parsed(page))) == jaxpr.pretty(max_equations=7)
    assert make_jaxpr(lambda x: x)(1.0)._repr_html_().startswith('<div class="autotrace">')
    assert len(marked(parsed(PROGRAMS["2000"]()._repr_html_()), "at-equation")) == 1000


@pytest.mark.parametrize("most", [-1, 2.5, "all"])
def test_a_wrong_number_of_equations_is_named(programs, most):
    with pytest.raises(ValueError, match="to_html: max_equations must be None or an integer of at least 0; got"):
        programs["three"].to_html(max_equations=most)


def test_no_file_is_read_but_a_plain_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # whoever opens it waits for ever
    huge = tmp_path / "huge.py"
    with huge.open("wb") as file:
        file.truncate(1 << 34)
    for path in (pipe, huge, tmp_path, tmp_path / "absent.py", "<string>", "a\0b"):
        x, y = Var(F3), Var(F3)
        jaxpr = Jaxpr([x], [Equation(Odd(1), (x,), (y,), (Place(str(path), 1, "f"), 0, ""))], [y])
        assert "<code>" not in jaxpr.to_html()


def test_lines_of_cells_are_found(monkeypatch):
    import linecache

    name = "<cell 7>"
    text = "def f(x):\n\treturn x * '<b>' if False else x + 1\n"
    monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(True), name))
    scope = {}
    exec(compile(text, name, "exec"), scope)
    page = make_jaxpr(scope["f"])(1.0).to_html()
    assert "<code>return x * &#x27;&lt;b&gt;&#x27; if False else x + 1</code>" in page


def test_pages_are_deterministic(programs):
    assert all(PROGRAMS[name]().to_html() == jaxpr.to_html() for name, jaxpr in programs.items())


def test_user_names_and_constants():
    jaxpr = make_jaxpr(lambda x: np.dot(x, np.array([1.0, 2.0, 3.0])))(np.ones(3))
    assert "[1.0, 2.0, 3.0]" in text_of(parsed(jaxpr.to_html()))
