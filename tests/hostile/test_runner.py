"""The command: whom it grades and when, what it refuses, and what it says. No kernel is needed for that.

Workers here hand a submission back as if all of it had run. The gradebook is a real one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from collections import deque
from pathlib import Path

import nbformat
import pytest

from autograder import __main__
from autograder.course import Course
from autograder.grading import intake, pool, runner
from autograder.grading.table import table
from autograder.grading.worker import HandedIn, Lost, Worker
from autograder.grading.writer import Result, Run, Writer
from autograder.sandbox import outside
from tests.exercises.course import copy_course, submission, submit

from .corpus import ALL, NOTEBOOK, RIGHT, SET

POOL = pool.Pool
STUDENTS = ["ada", "grace", "hedy"]


def pretend(handed_in: HandedIn, release: Path) -> Run:
    """The run of a submission in which nothing fails."""
    result = Result(handed_in.student, failed=handed_in.refused, notes=[*handed_in.notes])
    if result.failed:
        return Run(result)
    given = nbformat.read(release, as_version=4)
    repaired = nbformat.writes(intake.repair(intake.parse(handed_in.notebook, NOTEBOOK), given).notebook)
    return Run(result, repaired, repaired)


class Pretending:
    """A worker who answers at once; whom it loses, and how often, `losses` says."""

    losses: dict[str, list[str]]

    def __init__(self, course: Course, *_: object) -> None:
        self.course, self.given = course, deque[str]()

    def wait_until_ready(self) -> None:
        pass

    def has_room(self, waiting: int) -> bool:
        return len(self.given) < 2

    def give(self, student: str) -> None:
        self.given.append(student)

    def collect(self) -> list[tuple[str, Run | Lost]]:
        student = self.given.popleft()
        if self.losses.get(student):
            return [(student, Lost(self.losses[student].pop()))]
        return [(student, pretend(HandedIn.by(self.course, student), self.course.release))]

    def stop(self) -> None:
        pass


class NoZygote:
    """No sandbox; nobody asks it for kernels."""

    channel = 0
    asked: list[bool]

    def __init__(self, unsafe: bool = False, **_: object) -> None:
        self.asked.append(unsafe)
        self.unsafe = unsafe

    def wait_until_ready(self) -> None:
        pass

    def stop(self) -> None:
        pass


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course whose gradebook knows the assignment, with three submissions."""
    course = copy_course(tmp_path_factory.mktemp("runner") / "course")
    for name in STUDENTS:
        submit(course, name, submission(RIGHT, SET), SET)
    Writer(Course.at(course, SET))
    return course


@pytest.fixture
def course(untouched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    mine = tmp_path / "course"
    shutil.copytree(untouched, mine)
    monkeypatch.chdir(mine)
    monkeypatch.setattr(pool, "Pool", Pretending)
    monkeypatch.setattr(runner, "Zygote", NoZygote)
    monkeypatch.setattr(Pretending, "losses", {}, raising=False)
    monkeypatch.setattr(NoZygote, "asked", [], raising=False)
    return mine


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """`command("--force")`: (exit status, what it said)."""

    def run(*options: str, assignment: str = SET) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["autograder", "grade", assignment, *options])
        status = __main__.main()
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def graded(course: Path) -> list[str]:
    return sorted(path.parent.parent.name for path in course.glob(f"autograded/*/{SET}/{NOTEBOOK}"))


# --- Whom it grades -----------------------------------------------------------------------------------------


def test_everybody_once(course, command):
    status, said = command()
    assert status == 0
    assert graded(course) == STUDENTS
    assert f"ada      {ALL:g} of 30" in said
    assert "3 graded, all of them need manual grading; 0 failed" in said
    assert command() == (0, "Everything that was handed in is graded. (--force grades it again.)\n")


def test_only(course, command):
    assert command("--only", "grace")[0] == 0
    assert graded(course) == ["grace"]
    assert "2 graded" in command()[1]


def test_force(course, command):
    command()
    before = {path: path.stat().st_mtime_ns for path in course.glob("autograded/*/*/*.ipynb")}
    assert "1 graded" in command("--force", "--only", "ada")[1]
    changed = [path.parts[-3] for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert changed == ["ada"]


def test_dry_run_changes_nothing(course, command, monkeypatch):
    (course / "submitted" / "ada" / SET / NOTEBOOK).rename(course / "submitted" / "ada" / SET / "mine.ipynb")
    (course / "submitted" / "hedy" / SET / NOTEBOOK).write_text("{")
    monkeypatch.setattr(runner, "Writer", None)
    monkeypatch.setattr(pool, "Pool", None)
    status, said = command("--dry-run")
    assert status == 1
    assert "it is called 'mine.ipynb'" in said
    assert "no notebook" in said
    assert "2 would be graded" in said
    assert not graded(course)


def test_what_is_handed_in_again_is_graded_again(course, command):
    stamps = [course / "submitted" / name / SET / "timestamp.txt" for name in STUDENTS]
    for stamp in stamps:
        stamp.write_text("2030-01-01 10:00:00.000000 UTC")
    command()
    stamps[1].write_text("2030-01-02 10:00:00.000000 UTC")
    status, said = command()
    assert status == 0
    assert "grace" in said
    assert "1 graded" in said
    assert "Everything that was handed in is graded" in command()[1]


# --- What it refuses ----------------------------------------------------------------------------------------


def test_an_unknown_student(course, command):
    assert command("--only", "ada", "nobody") == (2, f"Nothing in submitted/ for {SET} from: nobody\n")


def test_an_unknown_assignment(course, command):
    status, said = command(assignment="ps7")
    assert status == 2
    assert "There is no assignment 'ps7'" in said
    assert SET in said


def test_another_folder(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, said = command()
    assert status == 2
    assert "start in the course's folder" in said


def test_a_second_run(course, command):
    (course / ".grading").mkdir(exist_ok=True)
    with (course / ".grading" / "lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, said = command()
    assert status == 2
    assert "Another run (process 4711) is grading in this folder" in said
    assert not graded(course)
    assert command()[0] == 0


def test_no_sandbox(course, command, monkeypatch):
    def none() -> str:
        raise outside.Unavailable("neither this nor that\nNothing was graded. … --unsafe.")

    monkeypatch.setattr(runner, "Zygote", outside.Zygote)
    monkeypatch.setattr(outside, "choose_wall", none)
    status, said = command()
    assert status == 2
    assert "neither this nor that" in said
    assert "--unsafe" in said
    assert not graded(course)


def test_unsafe_is_asked_for_explicitly(course, command):
    command("--only", "ada")
    command("--unsafe")
    assert NoZygote.asked == [False, True]


def test_a_gradebook_that_does_not_answer(course, command, monkeypatch):
    monkeypatch.setenv("PIXELWISE_DB_URL", "postgresql+psycopg://course:secret@127.0.0.1:9/grades")
    status, said = command()
    assert status == 2
    assert "PIXELWISE_DB_URL" in said
    assert "secret" not in said


# --- What may happen to it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("losses", [["died"], ["", "", "died"]], ids=str)
def test_what_a_worker_loses_is_run_again(course, command, losses):
    Pretending.losses = {"grace": losses}
    status, said = command()
    assert status == 0
    assert "3 graded" in said


def test_what_is_lost_twice_is_reported_alone(course, command):
    Pretending.losses = {"grace": ["it died", "it died"]}
    status, said = command()
    assert status == 1
    assert "grace    not graded    it died, 2 times" in said
    assert graded(course) == ["ada", "hedy"]


def test_ctrl_c_waits_until_a_result_is_recorded(course, command, monkeypatch):
    record = Writer.record

    def record_and_interrupt(self: Writer, run: Run) -> Result:
        os.kill(os.getpid(), signal.SIGINT)
        return record(self, run)

    monkeypatch.setattr(Writer, "record", record_and_interrupt)
    status, said = command()
    assert status == 130
    assert "the same command goes on with the rest" in said
    assert graded(course) == ["ada"]
    monkeypatch.setattr(Writer, "record", record)
    assert "2 graded" in command()[1]


def test_a_process_that_dies_takes_nobody_with_it(course, command, monkeypatch):
    """The real pool; one submission ends the process that grades it."""

    def run(self: Worker, handed_in: HandedIn) -> Run:
        if handed_in.student == "grace":
            os._exit(3)
        return pretend(handed_in, course / "exercises" / SET / NOTEBOOK)

    monkeypatch.setattr(pool, "Pool", POOL)
    monkeypatch.setattr(Worker, "__init__", lambda self, *_: None)
    monkeypatch.setattr(Worker, "run", run)
    status, said = command("--workers", "2")
    assert status == 1
    assert "grace    not graded    the process that graded it died (exit status 3), 2 times" in said
    assert graded(course) == ["ada", "hedy"]


# --- What it says -------------------------------------------------------------------------------------------


def test_the_table_of_a_large_class_shows_what_needs_a_look():
    results = [Result(f"student-{number:03}", 25, 30, needs_manual=True) for number in range(300)]
    results[70].notes.append("an-answer: missing, restored")
    results[200].failed = "it is no notebook"
    lines = table(results).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["student", "student-200", "student-070"]
    assert lines[3] == "… and 298 students without a remark"
    assert lines[-1] == "299 graded, all of them need manual grading; 1 failed"


def test_the_table_obeys_no_student():
    shown = table([Result("ada", failed="\x1b[2Jname\nada  25 of 25\r" + "x" * 1000)])
    assert "\x1b" not in shown
    assert shown.count("\n") == 3
    assert max(map(len, shown.splitlines())) <= 200
