"""A run that is killed at any moment can be started again. Part of `make hostile`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.exercises.course import copy_course, scores, submission, submit

from .corpus import ALL, LAST, RIGHT, SET

pytestmark = pytest.mark.skipif(os.environ.get("PIXELWISE_HOSTILE") != "all", reason="part of make hostile")
COMMAND = [sys.executable, "-m", "autograder", "grade", SET, "--workers", "2"]
STUDENTS = 16


def test_killed_and_resumed(tmp_path):
    course = copy_course(tmp_path / "course")
    for number in range(STUDENTS):
        cells = {**RIGHT, LAST: ""} if number % 3 == 0 else RIGHT
        submit(course, f"student-{number:02}", submission(cells, SET), SET)
    rng = random.Random(0)
    for _ in range(5):
        run = subprocess.Popen(COMMAND, cwd=course, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(4, 14))
        run.send_signal(signal.SIGKILL)
        run.wait()
    time.sleep(1)
    left = subprocess.run(["pgrep", "-f", str(course)], capture_output=True, text=True).stdout
    assert not left, "a killed run has left its sandbox behind"
    done = subprocess.run(COMMAND, cwd=course, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: sum(points.values()) for name, points in scores(course, SET).items()}
    assert found == {f"student-{n:02}": ALL - 2 if n % 3 == 0 else ALL for n in range(STUDENTS)}
    again = subprocess.run(COMMAND, cwd=course, capture_output=True, text=True)
    assert "Everything that was handed in is graded" in again.stdout
