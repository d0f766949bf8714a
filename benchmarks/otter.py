"""The same tests in otter-grader's form, for `benchmarks/grading.py`.

Each graded cell of the solution notebook becomes a test file with the cell's code and points; the student's
functions that the cell uses become the test's arguments, as otter wants it.
"""

from __future__ import annotations

import ast
import json
import textwrap
import zipfile
from pathlib import Path

import nbformat

#: An environment of its own, which finds torch and the course's other packages in .venv (see the Makefile).
ENVIRONMENT = Path(__file__).parent / "otter-environment"
_TEST = """\
from otter.test_files import test_case

OK_FORMAT = False
name = {name!r}
points = None


@test_case(name={name!r}, points={points}, hidden=True)
def test({given}):
{cell}
"""


def autograder(solution: Path, target: Path) -> None:
    """Write otter's autograder.zip for a solution notebook."""
    cells = [cell for cell in nbformat.read(solution, as_version=4).cells if cell.cell_type == "code"]
    entries = [cell.metadata.get("nbgrader", {}) for cell in cells]
    solutions = [cell.source for cell, entry in zip(cells, entries, strict=True) if entry.get("solution")]
    defined = {node.name for source in solutions for node in ast.parse(source).body if hasattr(node, "name")}
    with zipfile.ZipFile(target, "w") as package:
        package.writestr("otter_config.json", "{}")
        for cell, entry in zip(cells, entries, strict=True):
            if entry.get("grade") and not entry.get("solution"):
                used = {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}
                name = entry["grade_id"].replace("-", "_")
                given, body = ", ".join(sorted(defined & used)), textwrap.indent(cell.source, "    ")
                test = _TEST.format(name=name, points=entry["points"], given=given, cell=body)
                package.writestr(f"tests/{name}.py", test)


def command(package: Path, submission: Path, results: Path) -> list[str]:
    """What grades one submission and writes `results`/results.json."""
    program = str(ENVIRONMENT / "bin" / "otter")
    return [program, "run", "--no-logo", "-a", str(package), "-o", str(results), str(submission)]


def points(results: Path) -> float:
    """The points that `otter run` gave."""
    tests = json.loads((results / "results.json").read_text(encoding="utf-8"))["tests"]
    return sum(test.get("score", 0.0) for test in tests)
