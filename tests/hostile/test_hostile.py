"""Hostile submissions beside right ones, graded in one run.

The quick ones belong to `make test`, some of them without namespaces, too; `make hostile` tries all in both
ways.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
import pytest
from traitlets.config import Config

from autograder import hidden
from autograder.course import Course
from autograder.grading.runner import grade
from autograder.grading.writer import Result
from autograder.sandbox import outside
from tests.exercises.course import copy_course, scores, submission, submit

from . import insiders  # noqa: F401  (they add themselves to CASES)
from .corpus import ALL, CANARY, CASES, RIGHT, SET, SURVIVOR, Case

pytestmark = pytest.mark.slow

EVERY = os.environ.get("PIXELWISE_HOSTILE") == "all"
TRIED = {
    "namespaces": [case for case in CASES if EVERY or not case.slow],
    "landlock": [case for case in CASES if EVERY or case.beside],
}
SECRETS = ["HIDDEN TESTS", "A model answer", hidden.SEED, "def namespace", "SQLite format", "a-neighbour"]
NEIGHBOURS = ["a-neighbour", "m-neighbour", "z-neighbour"]


def student(case: Case) -> str:
    return case.name.replace(" ", "-")


@dataclass
class Graded:
    """The course after the run, who has called in meanwhile, and what still ran a second after it."""

    wall: str
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
def graded_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Graded | str]:
    """The run with a wall, made when it is first asked for; a text that says why there is none."""

    @cache
    def run_with(wall: str) -> Graded | str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PIXELWISE_SANDBOX", wall)
            outside.choose_wall.cache_clear()
            try:
                return run(wall, tmp_path_factory.mktemp("hostile") / "course")
            except outside.Unavailable as reason:
                return str(reason)
            finally:
                outside.choose_wall.cache_clear()

    return run_with


@pytest.fixture
def graded(wall: str, graded_by: Callable[[str], Graded | str]) -> Graded:
    result = graded_by(wall)
    return pytest.skip(result) if isinstance(result, str) else result


def run(wall: str, course: Path) -> Graded:
    copy_course(course)
    calls: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: calls.append(server.accept()[0].recv(9)), daemon=True).start()
    values = {"course": str(course), "port": str(server.getsockname()[1])}
    for name in NEIGHBOURS:
        submit(course, name, submission(RIGHT, SET), SET)
    for case in TRIED[wall]:
        folder = course / "submitted" / student(case) / SET
        folder.mkdir(parents=True)
        case.write(folder, values)
    times = {"timeout": 20, "submission_timeout": 90} if EVERY else {"timeout": 8, "submission_timeout": 60}
    results = grade(Course.at(course, SET, Config({"SandboxedExecute": times})), workers=2, quiet=True)
    time.sleep(1)
    survivors = subprocess.run(["pgrep", "-f", f"sleep {SURVIVOR}"], capture_output=True, text=True).stdout
    return Graded(wall, course, {one.student: one for one in results}, calls, survivors)


PAIRS = [pytest.param(wall, case, id=f"{wall}-{student(case)}") for wall in TRIED for case in TRIED[wall]]


@pytest.mark.parametrize(("wall", "case"), PAIRS)
def test_points(graded: Graded, case: Case):
    points, says = case.points, case.says
    if graded.wall == "landlock" and case.without_namespaces:
        points, says = case.without_namespaces
    result = graded.results[student(case)]
    if points is None:
        assert says in result.failed
        assert not (graded.course / "autograded" / student(case)).exists()
        return
    assert not result.failed
    assert result.points == points
    assert says in " ".join([*result.notes, graded.shown(student(case))])


@pytest.mark.parametrize(("wall", "case"), PAIRS)
def test_no_secret_is_shown(graded: Graded, case: Case):
    if not graded.results[student(case)].failed:
        shown = graded.shown(student(case))
        assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize("wall", TRIED)
def test_the_neighbours_keep_full_marks(graded: Graded):
    assert {name: graded.results[name].points for name in NEIGHBOURS} == dict.fromkeys(NEIGHBOURS, ALL)


@pytest.mark.parametrize("wall", TRIED)
def test_nothing_outlives_its_run(graded: Graded):
    assert not graded.survivors


@pytest.mark.parametrize("wall", TRIED)
def test_nobody_called_home(graded: Graded):
    assert not graded.calls


@pytest.mark.parametrize("wall", TRIED)
def test_nothing_was_written_outside(graded: Graded):
    assert not list(graded.course.rglob(f"*{CANARY}"))
    assert not [place for place in ("/tmp", "/var/tmp", "/dev/shm") if Path(place, CANARY).exists()]


@pytest.mark.parametrize("wall", TRIED)
def test_the_gradebook_is_whole(graded: Graded):
    with sqlite3.connect(graded.course / "gradebook.db") as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        assert connection.execute("select count(*) from grade where manual_score is not null").fetchone() == (
            0,
        )
    recorded = scores(graded.course, SET)
    for name, result in graded.results.items():
        assert result.failed or sum(recorded[name].values()) == result.points
