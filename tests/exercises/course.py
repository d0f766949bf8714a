"""A copy of the course in another folder, and submissions to it, for tests that run nbgrader for real."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
#: What belongs to a submission beside the notebook: the networks of problem set 5 (see networks.py).
HANDED_IN = Path(__file__).parent / "handed_in"
PARTS = ("nbgrader_config.py", "autograder", "pixelwise", "solutions", "exercises")


def copy_course(target: Path) -> Path:
    """What nbgrader needs of the repository, copied to `target`."""
    target.mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, target / part)
    return target


def nbgrader(course: Path, *arguments: str) -> str:
    """Run nbgrader in the course's folder; what it said, or an AssertionError with it."""
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def problem_sets() -> dict[str, str]:
    """The folder of each set, by the short name that checks and answers use ("ps2")."""
    return {path.name.split("_")[0]: path.name for path in sorted((ROOT / "solutions").glob("ps*_*"))}


def notebook(folder: str, problem_set: str) -> nbformat.NotebookNode:
    """The notebook of a set: `folder` is "solutions" or "exercises"."""
    (path,) = (ROOT / folder / problem_set).glob("*.ipynb")
    return nbformat.read(path, as_version=4)


def answers(problem_set: str) -> dict[str, str]:
    """The solution cells of a set by cell id."""
    cells = notebook("solutions", problem_set).cells
    return {cell.id: cell.source for cell in cells if cell.metadata.get("nbgrader", {}).get("solution")}


def submission(filled_in: Mapping[str, str], problem_set: str) -> nbformat.NotebookNode:
    """The release notebook with some of its solution cells filled in."""
    filled = copy.deepcopy(notebook("exercises", problem_set))
    for cell in filled.cells:
        cell.source = filled_in.get(cell.id, cell.source)
    return filled


def submit(
    course: Path, student: str, submitted: nbformat.NotebookNode, problem_set: str, files: bool = True
) -> None:
    """Put a notebook where nbgrader looks for a collected submission.

    files  whether the files that belong to it are handed in, too
    """
    (path,) = (ROOT / "exercises" / problem_set).glob("*.ipynb")
    folder = course / "submitted" / student / problem_set
    folder.mkdir(parents=True)
    nbformat.write(submitted, folder / path.name)
    if files:
        copy_files(problem_set, folder)


def copy_files(problem_set: str, folder: Path) -> None:
    """Put the files that belong to a submission into a folder."""
    for path in (HANDED_IN / problem_set).glob("*"):
        shutil.copy(path, folder)


def scores(course: Path, problem_set: str) -> dict[str, dict[str, float]]:
    """Automatic points by student and by cell, from nbgrader's gradebook."""
    from nbgrader.api import Gradebook

    result: dict[str, dict[str, float]] = {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "pixelwise") as gradebook:
        for submitted in gradebook.assignment_submissions(problem_set):
            grades = [grade for book in submitted.notebooks for grade in book.grades]
            result[submitted.student.id] = {grade.cell.name: grade.auto_score or 0.0 for grade in grades}
    return result
