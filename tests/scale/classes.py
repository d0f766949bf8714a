"""Classes to grade, and what a gradebook holds afterwards, for tests of runs that are long or far away."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbgrader.api import Gradebook

from tests.exercises.course import submission, submit
from tests.hostile.corpus import ALL, LAST, RIGHT, SET

COMMAND = [sys.executable, "-m", "autograder", "grade", SET]


def hand_in(course: Path, count: int) -> dict[str, float]:
    """Right submissions, every third without the last answer: student → the points that each must get."""
    expected = {f"student-{number:03}": ALL - 2 if number % 3 == 0 else ALL for number in range(count)}
    for student, points in expected.items():
        submit(course, student, submission(RIGHT if points == ALL else {**RIGHT, LAST: ""}, SET), SET)
    return expected


def grade(course: Path, *options: str, **settings: Any) -> subprocess.CompletedProcess:
    """Run the command in the course's folder, as an instructor does."""
    return subprocess.run([*COMMAND, *options], cwd=course, capture_output=True, text=True, **settings)


def gradebook(course: Path, db_url: str = "") -> dict[str, Any]:
    """What is recorded of each student: scores and comments by cell, the sums, and the graded notebook."""
    found: dict[str, Any] = {}
    with Gradebook(db_url or f"sqlite:///{course / 'gradebook.db'}", "pixelwise") as book:
        for submitted in book.assignment_submissions(SET):
            (notebook,) = submitted.notebooks
            grades = {
                one.cell.name: (one.auto_score, one.manual_score, one.needs_manual_grade)
                for one in notebook.grades
            }
            comments = {one.cell.name: (one.auto_comment, one.manual_comment) for one in notebook.comments}
            (path,) = (course / "autograded" / submitted.student.id / SET).glob("*.ipynb")
            found[submitted.student.id] = {
                "score": (submitted.score, submitted.max_score, submitted.needs_manual_grade),
                "grades": dict(sorted(grades.items())),
                "comments": dict(sorted(comments.items())),
                "notebook": lasting(with_joined_streams(path)),
            }
    return found


def lasting(text: str) -> str:
    """Without what differs each time that a notebook runs: addresses of objects, names of widgets."""
    return re.sub(r"0x[0-9a-f]{6,}|\b[0-9a-f]{32}\b", "…", text)


def with_joined_streams(path: Path) -> str:
    """The notebook, however many messages brought what it printed: that is a matter of time."""
    notebook, _ = CoalesceStreamsPreprocessor().preprocess(nbformat.read(path, 4), {})
    return nbformat.writes(notebook)
