"""Grading on a Dask cluster whose workers come and go. Part of `make scale-test`.

The workers are real processes with a folder of their own; nothing of the course is in it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.course import CannotGrade, Course
from autograder.grading import cluster
from autograder.grading.cluster import Cluster
from autograder.grading.runner import grade as grade_here
from autograder.grading.worker import Lost
from tests.exercises.course import ROOT, copy_course
from tests.hostile.corpus import SET

from .classes import grade, gradebook, hand_in

STUDENTS = 9


class Machines:
    """A scheduler and workers, each a process."""

    def __init__(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address, self._folder = f"tcp://127.0.0.1:{port}", folder
        self.workers: list[subprocess.Popen] = []
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
        )

    def start_worker(self, *options: str) -> subprocess.Popen:
        one = self._start("worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny", *options)
        self.workers.append(one)
        return one

    def stop(self) -> None:
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()

    def _start(self, *command: str) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self._folder / "log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=log,
            )


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    started = Machines(folder)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class as it is graded on one machine."""
    course = copy_course(tmp_path_factory.mktemp("here") / "course")
    hand_in(course, STUDENTS)
    done = grade(course)
    assert done.returncode == 0, done.stdout + done.stderr
    return course


@pytest.fixture
def course(tmp_path: Path) -> Path:
    made = copy_course(tmp_path / "course")
    hand_in(made, STUDENTS)
    return made


def test_a_worker_that_dies_loses_nothing(
    machines: Machines, course: Path, here: Path, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(3):
        machines.start_worker()
    lost: list[str] = []
    killed: list[int] = []
    collect, runs = Cluster.collect, 0

    def collect_and_kill(self: Cluster) -> list:
        nonlocal runs
        back = collect(self)
        runs += len(back)
        lost.extend(student for student, one in back if isinstance(one, Lost) and one.reason)
        at_work = list(self._given)
        if runs >= 2 and at_work and not killed:
            killed.extend(self._client.run(os.getpid, workers=at_work[:1]).values())
            os.kill(killed[0], signal.SIGKILL)
        return back

    monkeypatch.setattr(cluster.Cluster, "collect", collect_and_kill)
    results = grade_here(Course.at(course, SET), scheduler=machines.address, quiet=True)
    assert killed[0] in [one.pid for one in machines.workers]
    assert len(lost) == 1, "it was killed while it had nothing to do"
    assert not [one for one in results if one.failed]
    assert gradebook(course) == gradebook(here)


def test_a_submission_that_kills_its_workers_is_reported_alone(
    machines: Machines, course: Path, monkeypatch: pytest.MonkeyPatch
):
    """What no submission is known to do: here the worker dies of a name. Others come in its place."""
    (course / "submitted" / "student-004").rename(course / "submitted" / "killer")
    killing = (
        "import os\nfrom autograder.grading import worker\n\n\n"
        "class Worker(worker.Worker):\n"
        "    def run(self, one):\n"
        "        return os._exit(9) if one.student == 'killer' else worker.Worker.run(self, one)\n\n\n"
        "import autograder.grading.cluster\nautograder.grading.cluster.Worker = Worker\n"
    )
    (machines._folder / "killing.py").write_text(killing)
    add = lambda: machines.start_worker("--preload", str(machines._folder / "killing.py"))  # noqa: E731
    for _ in range(2):
        add()
    collect = Cluster.collect

    def collect_and_replace(self: Cluster) -> list:
        while len([one for one in machines.workers if one.poll() is None]) < 2:
            add()
        return collect(self)

    monkeypatch.setattr(cluster.Cluster, "collect", collect_and_replace)
    results = grade_here(Course.at(course, SET), scheduler=machines.address, quiet=True)
    failed = {one.student: one.failed for one in results if one.failed}
    assert failed == {"killer": "the worker that graded it died, 2 times"}
    assert len(results) == STUDENTS


def test_workers_with_other_code_are_not_used(machines: Machines, course: Path):
    (machines._folder / "other.py").write_text(
        "import autograder.grading.cluster\nautograder.grading.cluster.fingerprint = lambda: 'other'\n"
    )
    machines.start_worker("--preload", str(machines._folder / "other.py"))
    done = grade(course, "--scheduler", machines.address)
    assert done.returncode == 2
    assert "is not the one of this machine" in done.stderr
    assert not (course / "autograded").exists()


def test_a_worker_is_told_no_password(course: Path, monkeypatch: pytest.MonkeyPatch):
    from autograder.grading.worker import Assignment

    monkeypatch.setenv("PIXELWISE_DB_URL", "postgresql+psycopg://course:secret@server/grades")
    given = str(Assignment.of(Course.at(course, SET), unsafe=False))
    assert "secret" not in given
    assert str(course) not in given


def test_nobody_answers(course: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "_ANSWERS_WITHIN", 1)
    with pytest.raises(CannotGrade, match="No Dask scheduler answers"):
        grade_here(Course.at(course, SET), scheduler="tcp://127.0.0.1:9", quiet=True)


def test_the_scheduler_goes(machines: Machines, course: Path):
    machines.start_worker()
    run = subprocess.Popen(
        [sys.executable, "-m", "autograder", "grade", SET, "--scheduler", machines.address],
        cwd=course,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (course / "autograded").exists() and run.poll() is None:
        time.sleep(0.1)
    machines.scheduler.kill()
    _, said = run.communicate(timeout=120)
    assert run.returncode == 2
    assert "The Dask scheduler is gone" in said
    assert grade(course).returncode == 0
