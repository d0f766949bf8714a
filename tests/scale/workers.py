"""Workers on this machine that are killed, and a run that is stopped. Part of `make scale-test`."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from autograder.course import Course
from autograder.grading import pool, runner
from tests.exercises.course import copy_course, submission, submit
from tests.hostile.corpus import ALL, LAST, RIGHT, SET, SURVIVOR

from .classes import COMMAND, grade, gradebook, hand_in

SLEEPS = f"import subprocess\nsubprocess.Popen(['sleep', '{SURVIVOR}'])\nwhile True:\n    pass\n"


def sleeping() -> str:
    return subprocess.run(["pgrep", "-f", f"sleep {SURVIVOR}"], capture_output=True, text=True).stdout


def test_what_a_dead_worker_was_grading_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    course = copy_course(tmp_path / "course")
    expected = hand_in(course, 4)
    submit(course, "a-sleeper", submission({**RIGHT, LAST: SLEEPS}, SET), SET)
    left: list[str] = []
    killers: list[threading.Thread] = []

    class Killed(pool.Pool):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            killers.append(threading.Thread(target=self.kill_twice, daemon=True))
            killers[-1].start()

        def kill_twice(self) -> None:
            for _ in range(2):
                while not sleeping():
                    time.sleep(0.1)
                next(one for one in self._members if "a-sleeper" in one.given).process.kill()
                time.sleep(2)  # another one needs longer to start
                left.append(sleeping())

    monkeypatch.setattr(pool, "Pool", Killed)
    results = runner.grade(Course.at(course, SET), workers=2, quiet=True)
    for killer in killers:
        killer.join(timeout=10)  # the run may end before it has looked for what is left
    assert left == ["", ""]
    assert {one.student: one.failed for one in results if one.failed} == {
        "a-sleeper": "the process that graded it died (exit status -9), 2 times"
    }
    assert {one.student: one.points for one in results if not one.failed} == expected


def test_ctrl_c_in_a_terminal(tmp_path: Path):
    """It reaches every process of the run at once."""
    course = copy_course(tmp_path / "course")
    expected = hand_in(course, 12)
    run = subprocess.Popen(
        COMMAND,
        cwd=course,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while not (course / "autograded").exists() and run.poll() is None:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "the same command goes on with the rest" in said
    assert "Traceback" not in said
    time.sleep(1)
    assert not subprocess.run(["pgrep", "-f", str(course)], capture_output=True, text=True).stdout
    some = gradebook(course)
    assert 0 < len(some) < len(expected)
    done = grade(course)
    assert done.returncode == 0
    assert f"{len(expected) - len(some)} graded" in done.stdout
    assert {student: seen["score"][0] for student, seen in gradebook(course).items()} == expected
    assert max(expected.values()) == ALL
