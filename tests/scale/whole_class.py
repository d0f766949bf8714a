"""A class of 300, 30 of them bad, graded by a run that is killed five times. Part of `make scale-test`."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.grading.table import table
from tests.exercises.course import copy_course
from tests.hostile.corpus import CASES, SET, Case

from .classes import COMMAND, grade, gradebook, hand_in

GOOD, BAD = 270, 30
WORKERS = "2"
#: Not among the bad: what runs until a limit stops it, which takes a minute each.
TAKES_LONG = {"loops and ignores interrupts"}


def bad_cases() -> list[Case]:
    """Those that can not be graded, and attacks and accidents of all kinds, none of which takes long."""
    quick = [case for case in CASES if not case.slow and case.name not in TAKES_LONG]
    broken = [case for case in quick if case.points is None]
    others = [case for case in quick if case.points is not None]
    return [*broken, *random.Random(0).sample(others, BAD - len(broken))]


@dataclass
class Graded:
    """The same class, graded in one go, and with interruptions."""

    undisturbed: Path
    resumed: Path
    expected: dict[str, float]
    bad: dict[str, Case]
    said: str


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    course = copy_course(tmp_path_factory.mktemp("class") / "course")
    expected = hand_in(course, GOOD)
    # In the middle of the alphabet, and so of the run.
    bad = {f"student-135-{number:02}": case for number, case in enumerate(bad_cases())}
    for student, case in bad.items():
        folder = course / "submitted" / student / SET
        folder.mkdir(parents=True)
        case.write(folder, {"course": str(course), "port": "9"})
    other = course.parent / "resumed"
    shutil.copytree(course, other, symlinks=True)

    began = time.monotonic()
    done = grade(course, "--workers", WORKERS)
    took = time.monotonic() - began
    assert done.returncode == 1, done.stdout + done.stderr
    print(f"\n{GOOD + BAD} submissions: {took:.0f} s, {took / (GOOD + BAD):.2f} s each\n{done.stdout}")

    rng = random.Random(1)
    for number in range(5):
        run = subprocess.Popen(
            [*COMMAND, "--workers", WORKERS],
            cwd=other,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # At any moment: while it starts, in the middle, among the bad ones.
        time.sleep(rng.uniform(0.5, took / 4) if number else 2)
        run.send_signal(signal.SIGKILL)
        run.wait()
        print(f"killed with {len(list((other / 'autograded').glob('*/*/*.ipynb')))} graded")
        time.sleep(1)
        left = subprocess.run(["pgrep", "-f", str(other)], capture_output=True, text=True).stdout
        assert not left, "a killed run has left something behind"
    resumed = grade(other, "--workers", WORKERS)
    assert resumed.returncode == 1, resumed.stdout + resumed.stderr
    return Graded(course, other, expected, bad, done.stdout)


def test_every_good_one_is_graded_right(graded: Graded):
    found = gradebook(graded.undisturbed)
    assert {student: found[student]["score"][0] for student in graded.expected} == graded.expected


def test_every_bad_one_gets_what_it_deserves(graded: Graded):
    found = gradebook(graded.undisturbed)
    for student, case in graded.bad.items():
        if case.points is None:
            assert student not in found
            assert student in graded.said
        else:
            assert found[student]["score"][0] == case.points, case.name


def test_killed_and_resumed_is_the_same(graded: Graded):
    one, other = gradebook(graded.undisturbed), gradebook(graded.resumed)
    assert one.keys() == other.keys()
    for student in one:
        # What an attack finds differs: the course's place, numbers of processes.
        parts = ("score", "grades") if student in graded.bad else one[student].keys()
        for part in parts:
            assert one[student][part] == other[student][part], student


def test_nothing_is_left_to_do(graded: Graded):
    done = grade(graded.resumed, "--dry-run")
    ungraded = sum(case.points is None for case in graded.bad.values())
    assert f"{ungraded} failed" in done.stdout
    assert "\n0 would be graded" in done.stdout


def test_a_table_that_one_can_read(graded: Graded):
    lines = graded.said.splitlines()
    assert len(lines) < 100
    assert table([]) not in graded.said
