"""Every problem set and every chapter in a stand-in for Colab: `make colab-test`.

Each notebook is alone in an empty folder and runs from the top to the bottom. Real Colab is not reached.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from autograder.course import Course
from autograder.grading.runner import grade
from pixelwise import colab, course
from tests.exercises.course import answers, copy_course, copy_files, problem_sets, scores, submission, submit
from tests.exercises.test_round_trip import saved_by_colab

from .conftest import ROOT, Runtime

sys.path.insert(0, str(ROOT / "book" / "site"))

import chapter_notebooks

SETS = list(problem_sets().values())
CHAPTERS = [page for page in sorted((ROOT / "book").glob("*.md")) if chapter_notebooks.is_chapter(page)]


def errors(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, str, str]]:
    """(cell id, error, what it says) of each cell that failed."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                yield cell.id, output.ename, output.evalue


def printed(notebook: nbformat.NotebookNode, cell: str) -> str:
    outputs = next(one.outputs for one in notebook.cells if one.id == cell)
    return "".join(output.text for output in outputs if output.output_type == "stream")


#: What must stay as Colab has it: to replace these would break the running session.
KEPT = {"torch", "torchvision", "triton", "numpy", "ipython", "ipykernel", "ipywidgets", "anywidget"}


def test_pip_leaves_torch_and_the_session_as_they_are(runtime: Runtime):
    version = runtime.pip("show", "torch").split("Version: ")[1].split()[0]
    wanted = [course.package(), f"torch=={version}"]
    report = json.loads(runtime.pip("install", "--dry-run", "--quiet", "--report", "-", *wanted))
    installed = {one["metadata"]["name"].lower() for one in report["install"]}
    assert {"pixelwise", "nilearn"} <= installed
    assert not installed & KEPT
    assert not [name for name in installed if name.startswith("nvidia")]


@pytest.mark.parametrize("name", SETS)
def test_a_problem_set_as_released(runtime: Runtime, tree: Path, tmp_path: Path, name: str):
    """What is given runs. Checks say that something is still to be written, and nothing else fails."""
    (path,) = (tree / "exercises" / name).glob("*.ipynb")
    done = runtime.run(nbformat.read(path, as_version=4), tmp_path)
    checks = {cell.id for cell in done.cells if cell.metadata.get("nbgrader", {}).get("grade")}
    failed = list(errors(done))
    assert failed and {cell for cell, _, _ in failed} <= checks
    assert {kind for _, kind, _ in failed} == {"CheckFailed"}
    assert "This runtime has no GPU. Everything here works without one." in printed(done, "setup")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course that collects what is done in Colab."""
    return copy_course(tmp_path_factory.mktemp("graded") / "course")


@pytest.mark.parametrize("name", SETS)
def test_a_problem_set_solved_and_graded(runtime: Runtime, graded: Path, tmp_path: Path, name: str):
    """Problem set 5 finds the networks of an earlier session; to train them takes the time that it takes."""
    copy_files(name, tmp_path)
    done = runtime.run(submission(answers(name), name), tmp_path)
    assert list(errors(done)) == []
    submit(graded, "ada", saved_by_colab(done), name)
    (result,) = grade(Course.at(graded, name), quiet=True)
    assert not result.failed
    points = scores(graded, name)["ada"]
    graded_cells = [cell.metadata.nbgrader for cell in done.cells if is_test(cell)]
    possible = {cell.grade_id: cell.points for cell in graded_cells}
    assert {cell: points[cell] for cell in possible} == possible


def is_test(cell: nbformat.NotebookNode) -> bool:
    entry = cell.metadata.get("nbgrader", {})
    return bool(entry.get("grade") and not entry.get("solution"))


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter(runtime: Runtime, tmp_path: Path, page: Path):
    made = chapter_notebooks.notebook(page)
    assert made.cells[1].source == colab.first_lines()
    done = runtime.run(made, tmp_path)
    assert list(errors(done)) == []
    views = [
        output.metadata
        for cell in done.cells
        for output in cell.get("outputs", ())
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    ]
    assert all("application/vnd.jupyter.widget-view+json" in view for view in views), (
        "a widget does not know that Colab may show it"
    )
