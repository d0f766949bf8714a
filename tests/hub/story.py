"""One problem set from release to feedback, on a real hub, with real accounts, in a real browser.

`make hub-test` runs it, as root: it makes the accounts and removes them again. Pictures of every act are saved in
_build/hub. Plain `pytest` does not collect this file.

The tests are the acts of one story: each needs those before it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import FLAGS, find_chromium
from tests.exercises.course import ROOT, answers, notebook, submission
from tests.hub.machine import COURSE_ACCOUNT, CannotRun, Machine, hub
from tests.hub.people import Instructor, Person, Student, save_to

SET, NOTEBOOK = "ps2_transposed_convolution", "transposed_convolution"
AUTOMATIC, WRITTEN = 25, 5  # points
PENALTY = """
get_config().AssignLatePenalties.plugin_class = "autograder.late.PerDay"  # noqa: F821
get_config().PerDay.percent = 10  # noqa: F821
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    try:
        with hub(students=["pw-ada", "pw-grace", "pw-alan"], instructors=["pw-teacher"]) as machine:
            with (machine.course / "nbgrader_config.py").open("a") as config:
                config.write(PENALTY)
            yield machine
    except CannotRun as reason:
        pytest.fail(str(reason), pytrace=False)


@pytest.fixture(scope="module")
def people(machine: Machine) -> Iterator[dict[str, Person]]:
    look = save_to(ROOT / "_build" / "hub")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield {
            name: (Instructor if name == "pw-teacher" else Student)(browser, machine, name, look)
            for name in machine.passwords
        }
        browser.close()


@pytest.fixture
def teacher(people) -> Instructor:
    return people["pw-teacher"]


@pytest.fixture
def ada(people) -> Student:
    return people["pw-ada"]


@pytest.fixture
def grace(people) -> Student:
    return people["pw-grace"]


@pytest.fixture
def alan(people) -> Student:
    return people["pw-alan"]


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def right() -> nbformat.NotebookNode:
    return submission({**answers(SET), "checkerboard": "Kernels of 3 overlap by one at stride 2."}, SET)


def wrong() -> nbformat.NotebookNode:
    """Overlapping copies overwrite each other."""
    mistake = {"conv-transpose2d-single": ("] += x[i, j] * weight", "] = x[i, j] * weight")}
    mistake["conv-transpose2d"] = ("] += copies", "] = copies")
    changed = {**answers(SET), "checkerboard": "Because of the stride."}
    for cell, (old, new) in mistake.items():
        assert old in changed[cell]
        changed[cell] = changed[cell].replace(old, new)
    return submission(changed, SET)


# ---- the acts ---------------------------------------------------------------------------------------------


def test_the_instructor_releases_the_set_in_the_formgrader(teacher):
    teacher.sign_in()
    teacher.look("own server")
    teacher.open_formgrader()
    teacher.look("formgrader")
    teacher.set_due_date(SET, (now() + datetime.timedelta(days=7)).strftime("%Y-%m-%dT%H:%M"))
    assert "Successfully created" in teacher.press(SET, "assign")
    assert "Successfully released" in teacher.press(SET, "release")
    expect(teacher.row(SET).locator("td.status")).to_have_text("released")


@pytest.mark.parametrize("name", ["pw-ada", "pw-grace"])
def test_students_fetch_solve_validate_and_submit(people, name):
    student = people[name]
    student.sign_in()
    student.open_assignments()
    student.look("assignments")
    student.fetch(SET)
    fetched = student.machine.home(name) / SET / f"{NOTEBOOK}.ipynb"
    assert nbformat.read(fetched, as_version=4) == notebook("exercises", SET)
    assert "failed" in student.validate(SET).lower()  # nothing is solved yet
    student.look("validates the empty notebook")
    student.close_dialog()

    student.solve(SET, NOTEBOOK, right() if name == "pw-ada" else wrong())
    says = student.validate(SET)
    student.look("validates the solved notebook")
    if name == "pw-ada":
        assert "passes all the tests" in says
    else:
        assert "overlapping copies overwrite each other" in says
    student.close_dialog()
    student.submit(SET)
    student.look("has submitted")


def test_a_third_student_submits_after_the_due_date(teacher, alan):
    teacher.set_due_date(SET, now().strftime("%Y-%m-%dT%H:%M:%S"))
    alan.sign_in()
    alan.open_assignments()
    alan.fetch(SET)
    alan.solve(SET, NOTEBOOK, right())
    alan.submit(SET)
    alan.look("has submitted late")


def test_nobody_hands_in_for_others_or_what_is_not_theirs(machine, ada, alan):
    """nbgrader's inbound folder takes files from everybody; it collects them with the course's rights."""
    inbound = machine.exchange / "pixelwise" / "inbound"
    solution = machine.course / "solutions" / SET / f"{NOTEBOOK}.ipynb"
    later = (now() + datetime.timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    for name, owner in (("pw-grace", "pw-ada"), ("pw-alan", "pw-alan")):
        # In grace's name; and in alan's own, the solution by a link.
        script = f"""
            folder="{inbound}/{name}+{SET}+{later}+forged"
            mkdir "$folder"; echo -n "{later}" > "$folder/timestamp.txt"
            {'ln -s "' + str(solution) + '"' if name == owner else "echo '{}' >"} "$folder/{NOTEBOOK}.ipynb"
            chmod -R a+rX "$folder"
        """
        assert machine.as_user(owner, "bash", "-c", script).returncode == 0


def test_the_instructor_collects(machine, teacher):
    said = teacher.press(SET, "collect")
    assert "Successfully collected" in said
    submitted = machine.course / "submitted"
    assert sorted(path.name for path in submitted.iterdir()) == ["pw-ada", "pw-alan", "pw-grace"]
    expect(teacher.row(SET).locator("td.num-submissions")).to_have_text("3")
