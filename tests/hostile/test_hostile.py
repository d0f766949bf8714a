"""Hostile submissions beside right ones, graded in one run.

The quick ones belong to `make test`, all of them to `make hostile`.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from traitlets.config import Config

from autograder import hidden
from autograder.course import Course
from autograder.runner import grade
from autograder.writer import Result
from tests.exercises.course import copy_course, scores, submission, submit

from .corpus import ALL, CANARY, CASES, RIGHT, SET, SURVIVOR, Case

pytestmark = pytest.mark.slow

TRIED = [case for case in CASES if not case.slow or os.environ.get("PIXELWISE_HOSTILE") == "all"]
SECRETS = ["HIDDEN TESTS", "A model answer", hidden.SEED, "def namespace", "SQLite format", "a-neighbour"]
NEIGHBOURS = ["a-neighbour", "m-neighbour", "z-neighbour"]


def student(case: Case) -> str:
    return case.name.replace(" ", "-")


@dataclass
class Graded:
    """The course after the run, who has called in meanwhile, and what still ran a second after it."""

    course: Path
    results: dict[str, Result]
    calls: list[bytes]
    survivors: str

    def shown(self, name: str) -> str:
        """All that the student will see: the outputs of every cell."""
        path = next((self.course / "autograded" / name / SET).glob("*.ipynb"))
        cells = nbformat.read(path, as_version=4).cells
        return "\n".join(str(output) for cell in cells for output in cell.get("outputs", []))


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    course = copy_course(tmp_path_factory.mktemp("hostile") / "course")
    calls: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: calls.append(server.accept()[0].recv(9)), daemon=True).start()
    values = {"course": str(course), "port": str(server.getsockname()[1])}
    for name in NEIGHBOURS:
        submit(course, name, submission(RIGHT, SET), SET)
    for case in TRIED:
        folder = course / "submitted" / student(case) / SET
        folder.mkdir(parents=True)
        case.write(folder, values)
    settings = Config({"SandboxedExecute": {"timeout": 8, "submission_timeout": 60}})
    results = grade(Course.at(course, SET, settings), workers=2, quiet=True)
    time.sleep(1)
    survivors = subprocess.run(["pgrep", "-f", f"sleep {SURVIVOR}"], capture_output=True, text=True).stdout
    return Graded(course, {one.student: one for one in results}, calls, survivors)


@pytest.mark.parametrize("case", TRIED, ids=student)
def test_points(case: Case, graded: Graded):
    result = graded.results[student(case)]
    if case.points is None:
        assert case.says in result.failed
        assert not (graded.course / "autograded" / student(case)).exists()
        return
    assert not result.failed
    assert result.points == case.points
    said = " ".join([*result.notes, graded.shown(student(case))])
    assert case.says in said


@pytest.mark.parametrize("case", [case for case in TRIED if case.points is not None], ids=student)
def test_no_secret_is_shown(case: Case, graded: Graded):
    shown = graded.shown(student(case))
    for secret in (
        "HIDDEN TESTS",
        "A model answer",
        hidden.SEED,
        "def namespace",
        "SQLite format",
        "a-neighbour",
    ):
        assert secret not in shown


def test_the_neighbours_keep_full_marks(graded: Graded):
    assert {name: graded.results[name].points for name in NEIGHBOURS} == dict.fromkeys(NEIGHBOURS, ALL)


def test_nothing_outlives_its_run(graded: Graded):
    assert not graded.survivors


def test_nobody_called_home(graded: Graded):
    assert not graded.calls


def test_nothing_was_written_outside(graded: Graded):
    assert not list(graded.course.rglob(CANARY))
    assert not [place for place in ("/tmp", "/var/tmp", "/dev/shm") if Path(place, CANARY).exists()]


def test_the_gradebook_is_whole(graded: Graded):
    with sqlite3.connect(graded.course / "gradebook.db") as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        assert connection.execute("select count(*) from grade where manual_score is not null").fetchone() == (
            0,
        )
    recorded = scores(graded.course, SET)
    for name, result in graded.results.items():
        assert result.failed or sum(recorded[name].values()) == result.points
