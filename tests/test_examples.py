"""Every example runs by itself, ends well, and is short enough to read in one sitting."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SHOWN_BY_MAKE_DEMO = {"quickstart", "forward_and_reverse", "linear_regression", "digits"}


def test_the_demo_finds_its_examples():
    assert {example.stem for example in EXAMPLES} >= SHOWN_BY_MAKE_DEMO


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example, tmp_path):
    search_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,  # an example finds its data wherever it is started
        env={**os.environ, "PYTHONPATH": search_path, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.strip(), "an example shows what it did"
    assert not run.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short(example):
    assert len(example.read_text(encoding="utf-8").splitlines()) < 100
