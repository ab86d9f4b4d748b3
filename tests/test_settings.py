"""What the README's test command leaves out, and that ``.ci/run`` makes up for it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ONLY_IN_GRID

ROOT = Path(__file__).parents[1]
CI = (ROOT / ".ci" / "run").read_text()
COMMAND = re.search(r"<!-- test -->\n```sh\n(.*?)\n```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_command_of_the_readme_leaves_out_nothing_by_itself() -> None:
    assert COMMAND
    arguments = COMMAND[1].partition("pytest")[2].split()
    assert arguments == ["-q", "-n", "auto", "--dist", "loadgroup"]


def test_the_settings_leave_out_only_the_browser_and_the_grid(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getini("addopts") == ["-m", "not browser and not grid"]
    assert pytestconfig.getini("testpaths") == ["tests"]
    assert pytestconfig.getini("norecursedirs") == [".*", "build", "dist", "*.egg-info", "front", "matrix"]


def test_each_test_function_has_a_case_that_is_not_of_the_grid(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.stash[ONLY_IN_GRID] == set()


PRODUCT = """
import pytest

@pytest.mark.each
@pytest.mark.parametrize(("a", "b"), [(1, "x"), (2, "y"), (3, "z")])
@pytest.mark.parametrize("c", range(7))
def test_product(a, b, c):
    pass
"""


def test_each_row_of_crossed_tables_is_quick(tmp_path: Path) -> None:
    path = tmp_path / "test_product.py"
    path.write_text(PRODUCT)
    words = ["-c", ROOT / "setup.cfg", "-p", "tests.conftest", "-q", "--collect-only", "-m", "not grid", path]
    said = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True).stdout
    cases = re.findall(r"test_product\[(\d)-(\d-\w)\]", said)
    assert sorted({c for c, _ in cases}) == list("0123456")
    assert sorted({row for _, row in cases}) == ["1-x", "2-y", "3-z"]
    assert len(cases) < 3 * 7


def test_the_gate_runs_the_command_of_the_readme_and_then_the_grid_and_wants_full_coverage_of_both() -> None:
    first, then = re.findall("^.*--cov.*$", CI, re.MULTILINE)
    assert '-c "$readme_test"' in first
    assert re.search(r"-m pytest .*-m grid .*--cov-append", then)
    assert "fail-under" not in then  # that of setup.cfg counts
    assert re.search(r"\[coverage:report\]\nfail_under = 100\n", (ROOT / "setup.cfg").read_text())


@pytest.mark.parametrize("part", ["lint", "typing", "docs", "py310", "py312", "py313", "matrix", "browser", "uploads",
                                  "front"])
def test_the_gate_runs_each_part_of_tox(part: str) -> None:
    listed = re.findall(r"run-parallel .* -e (\S+)", CI)
    assert ",".join(listed).split(",").count(part) == 1
