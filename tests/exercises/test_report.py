"""The class report: what it counts, and that nothing in it is alive."""

from __future__ import annotations

import re

import pytest
from nbgrader.api import Gradebook

from autograder.pages import report
from autograder.course import CannotGrade, Course
from autograder.pages.report import Findings, Person
from pixelwise.checks import ps1, ps2
from tests.exercises.answers import ps2 as answers_2

from . import worker
from .course import answers, copy_course, submission, submit

SET = "ps2_transposed_convolution"
OVERLAPS, ALL_AT_ONCE = "conv-transpose2d-overlaps", "conv-transpose2d-together"
STUB = "✗ conv_transpose2d: overlaps\n\nIt still raises NotImplementedError: there is no answer to check yet."
NASTY = "<script>alert('evil')</script>"


def says(mistakes: str) -> str:
    """A check's message, wrapped as checks wrap it."""
    return f"✗ conv_transpose2d: overlaps\n\nThis is what you get when {mistakes}.\n\nThe right idea."


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Two made the same mistake, one of them in two tasks; one wrote nothing; one cannot be read."""
    root = copy_course(tmp_path_factory.mktemp("report") / "course")
    course = Course.at(root, SET)
    with pytest.raises(CannotGrade, match="Nothing of ps2_transposed_convolution is graded yet"):
        report.collect(course)
    mistake = "overlapping copies overwrite each\nother"
    class_ = {
        "ada": {},
        "emmy": {OVERLAPS: says(mistake), ALL_AT_ONCE: says(mistake)},
        "grace": {OVERLAPS: says(f"{mistake} and the rows and columns of the kernel are swapped")},
        "hedy": {OVERLAPS: STUB, ALL_AT_ONCE: STUB},
        "mary": {OVERLAPS: f"✗ conv_transpose2d raised an error:\n    ValueError: {NASTY}\n" + says(NASTY)},
    }
    for student, fails in class_.items():
        submit(root, student, submission(answers(SET), SET), SET)
        worker.grade(course, student, fails)
    (root / "submitted" / "sofia" / SET).mkdir(parents=True)
    (root / "submitted" / "sofia" / SET / f"{NASTY.replace('/', ' ')}.ipynb").write_text("{}")
    book = submission(answers(SET), SET)
    book.cells = book.cells[1:]
    submit(root, NASTY.replace("/", " "), book, SET)
    with Gradebook(course.directory.db_url) as gradebook:
        gradebook.update_or_create_student("ada", first_name="Ada", last_name=NASTY)
        gradebook.update_or_create_student("nobody")
        grade = gradebook.find_grade("checkerboard", course.release.stem, SET, "ada")
        grade.manual_score, grade.needs_manual_grade = 5.0, False
        gradebook.db.commit()
    return course


@pytest.fixture(scope="module")
def found(course) -> report.Report:
    return report.collect(course)


def test_points(found):
    assert sorted(found.points) == [21, 21, 23, 23, 30]
    assert found.median == 23
    assert found.possible == 30
    assert [count for _, count in found.histogram] == [0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 1]
    assert found.histogram[-1][0] == "30"


def test_every_check_is_counted(found):
    checks = {check.title: check for task in found.tasks for check in task.checks}
    overlaps = checks["one channel, with overlaps"]
    assert overlaps.task == "Task 3: batch, channels and bias"
    assert overlaps.kinds == {"right": 1, "wrong": 3, "unwritten": 1}
    assert overlaps.hard  # one of the four who wrote something
    assert checks[
        "everything at once: images, channels, bias, stride, overlaps, padding, gradients"
    ].kinds == {**{"right": 3, "wrong": 1, "unwritten": 1}}
    assert [title for title, check in checks.items() if check.hard] == [overlaps.title]
    assert checks["the answer in words"].kinds == {"right": 1, "waiting": 4}


def test_a_task_that_waits_has_no_share(found):
    shares = {task.title.partition(":")[0]: task.share for task in found.tasks}
    assert shares["Task 7"] is None
    assert shares["Task 1"] == 1
    assert shares["Task 3"] == pytest.approx((5 * 10 - 4 * 2 - 2 * 2) / 50)


def test_misunderstandings_are_counted_once_for_each_student(found):
    """Two in one sentence are told apart, and a sentence that a student wrote is none."""
    named = {one.text: one for one in found.findings if one.named}
    assert named["overlapping copies overwrite each other"].students == {"emmy", "grace"}
    assert named["the rows and columns of the kernel are swapped"].students == {"grace"}
    assert len(named) == 2
    assert {one.text: one.students for one in found.findings if not one.named} == {
        "it raises an error": {"mary"}
    }


def test_who_needs_attention(found):
    people = {person.student: person for person in found.people}
    assert people["sofia"].attention == ["not graded: transposed_convolution.ipynb is missing"]
    (nasty,) = (person for name, person in people.items() if "script" in name)
    assert nasty.attention[0] == "handed in and not graded yet"
    assert found.absent == ["nobody"]
    assert found.waiting == {"Task 7: checkerboards": 4}


def test_nothing_is_alive_on_the_page(course):
    page = report.write(course).read_text(encoding="utf-8")
    assert "&lt;script&gt;alert" in page
    assert not re.search(r"<(script|iframe|object|embed|link|img)\b|\son\w+=|javascript:|https?://", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize(("name", "module", "bank"), [("ps2_x", ps2, answers_2)])
def test_what_checks_really_say_is_read(name, module, bank):
    """Each mistake of the bank, checked for real, is found under its own title."""
    findings, person = Findings(name), Person("ada")
    for answer in bank.ANSWERS:
        if answer.task != "conv_transpose2d_single" or answer.kind != "misreading":
            continue
        failure = module.conv_transpose2d_single_overlaps.failure(
            answer.function, module.conv_transpose2d_single_overlaps.cases
        )
        if failure is not None and failure.misunderstandings:
            findings.add("Task 2", str(failure), person)
            assert set(failure.misunderstandings) <= {one.text for one in findings.ranked()}
    assert len([one for one in findings.ranked() if one.named]) >= 3


def test_titles_with_and():
    """A title may have the word that joins two of them."""
    findings = Findings("ps1_convolution")
    titles = [m.title for m in ps1.conv2d_stride.task.bank if " and " in m.title]
    first, second = titles[:2]
    findings.add("Task 3", says(f"{first} and {second}"), Person("ada"))
    assert {one.text for one in findings.ranked()} == {first, second}
