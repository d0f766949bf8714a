"""Graded again, also after a correction in mid-term: what a person gave stays, and points are the new ones.

No kernel runs here: the outputs are those of a worker, the gradebook and the writer are real.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.api import NbGraderAPI

from autograder.authoring import edit
from autograder.course import CannotGrade, Course
from autograder.late import PerDay
from autograder.grading.writer import Result, Writer

from . import worker
from .course import answers, copy_course, submission, submit

SET = "ps2_transposed_convolution"
WRITTEN = "checkerboard"
FAILED = "conv-transpose2d-bias"
DOUBLED = "conv-transpose2d-overlaps"
BEFORE = '# %% [markdown] id="conv-transpose2d-task"'
NEW = """# %% id="one-more" kind="tests" points=2
# 2 points: a check that was forgotten.
### BEGIN HIDDEN TESTS
pass
### END HIDDEN TESTS

"""


def doubled(text: str) -> str:
    return text.replace(f'id="{DOUBLED}" kind="tests" points=2', f'id="{DOUBLED}" kind="tests" points=4')


def without(text: str, cell: str) -> str:
    """The text without one cell."""
    parts = text.split("\n# %% ")
    return "\n# %% ".join(part for part in parts if f'id="{cell}"' not in part.partition("\n")[0])


class Desk:
    """A course with one submission, and what is done with it."""

    def __init__(self, root: Path):
        self.root = copy_course(root)
        submit(self.root, "ada", submission(answers(SET), SET), SET)

    @property
    def course(self) -> Course:
        return Course.at(self.root, SET)

    @property
    def source(self) -> Path:
        (path,) = (self.root / "solutions" / SET).glob("*.ipynb")
        return path

    def correct(self, change, release: bool = True) -> None:
        """Edit the solution notebook as text and, as `make exercises` does, make the release from it."""
        text = edit.as_text(nbformat.read(self.source, as_version=4))
        edit.write(edit.as_notebook(change(text)), self.source)
        if release:
            said = NbGraderAPI(config=self.course.config).generate_assignment(SET, force=True, create=True)
            assert said["success"], said["log"]

    def grade(self, fails: str = FAILED) -> Result:
        return worker.grade(self.course, "ada", {fails: "✗ wrong"})

    def grades(self) -> dict[str, dict[str, float | None]]:
        """By cell: automatic, manual and extra points, and the points there are."""
        with Gradebook(self.course.directory.db_url) as gradebook:
            (notebook,) = gradebook.find_submission(SET, "ada").notebooks
            return {
                grade.name: {
                    "auto": grade.auto_score,
                    "manual": grade.manual_score,
                    "extra": grade.extra_credit,
                    "of": grade.max_score,
                }
                for grade in notebook.grades
            }

    def person_grades(self) -> None:
        with Gradebook(self.course.directory.db_url) as gradebook:
            for cell, manual, extra in ((WRITTEN, 3.0, 0.5), (FAILED, 0.5, None)):
                grade = gradebook.find_grade(cell, self.source.stem, SET, "ada")
                grade.manual_score, grade.extra_credit, grade.needs_manual_grade = manual, extra, False
            comment = gradebook.find_comment(WRITTEN, self.source.stem, SET, "ada")
            comment.manual_comment = "Say which outputs get fewer copies."
            gradebook.db.commit()

    def comment(self) -> str:
        with Gradebook(self.course.directory.db_url) as gradebook:
            return gradebook.find_comment(WRITTEN, self.source.stem, SET, "ada").manual_comment


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Graded, with the scores, the extra credit and the comment of a person."""
    desk = Desk(tmp_path_factory.mktemp("desk") / "course")
    desk.grade()
    desk.person_grades()
    return desk


#: 24 of 25 automatic points; a person gives the failed one a half, the written answer 3, and a half extra.
ALL = 24 + 0.5 + 3 + 0.5


def persons_part(desk: Desk) -> tuple:
    found = desk.grades()
    keys = ("manual", "extra")
    return tuple(found[cell][key] for cell in (WRITTEN, FAILED) for key in keys), desk.comment()


BY_HAND = ((3.0, 0.5, 0.5, None), "Say which outputs get fewer copies.")


# The tests below follow each other, as corrections do in a term.


def test_the_same_again(graded):
    before = graded.grades()
    graded.grade()
    assert graded.grades() == before
    assert persons_part(graded) == BY_HAND


def test_a_release_that_is_not_made_yet_is_refused(graded):
    graded.correct(doubled, release=False)
    with pytest.raises(CannotGrade, match=r"the points of conv-transpose2d-overlaps differ.*make exercises"):
        Writer(graded.course)


def test_points_of_a_task_change(graded):
    graded.correct(doubled)
    assert graded.grade().points == ALL + 2
    assert graded.grades()[DOUBLED] == {"auto": 4.0, "manual": None, "extra": None, "of": 4.0}
    assert persons_part(graded) == BY_HAND


def test_a_hidden_test_is_corrected(graded):
    """The release does not change; the gradebook, whose source nbgrader writes into what it grades, does."""
    call = f"hidden.check(ps2.{DOUBLED.replace('-', '_')}, conv_transpose2d)"
    graded.correct(lambda text: text.replace(call, f"{call}  # corrected"), release=False)
    graded.grade()
    (path,) = graded.course.folder("autograded", "ada").glob("*.ipynb")
    assert "# corrected" in path.read_text(encoding="utf-8")
    assert persons_part(graded) == BY_HAND


def test_a_cell_is_added(graded):
    """nbgrader refuses this once somebody has handed in. She has not seen the cell."""
    graded.correct(lambda text: text.replace(BEFORE, NEW + BEFORE))
    assert graded.grades()["one-more"] == {"auto": None, "manual": None, "extra": None, "of": 2.0}
    assert graded.grade().points == ALL + 4
    assert graded.grade(fails="one-more").points == ALL + 2
    assert persons_part(graded) == BY_HAND


def test_cells_are_removed(graded):
    graded.correct(lambda text: without(without(text, "one-more"), DOUBLED))
    assert graded.grade().points == ALL - 2
    assert not {"one-more", DOUBLED} & graded.grades().keys()
    assert persons_part(graded) == BY_HAND


def test_a_written_question_is_removed(graded):
    """A solution cell that is graded by hand: its score and comment have nowhere to be."""
    graded.correct(lambda text: without(text, WRITTEN))
    assert graded.grade().points == ALL - 2 - 3.5
    with pytest.raises(MissingEntry):
        graded.comment()


# --- Late work --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("late", "penalty"),
    [(1, 1), (24 * 3600, 1), (24 * 3600 + 1, 2), (9 * 24 * 3600 + 1, 10), (1000 * 24 * 3600, 10)],
)
def test_each_day_that_has_begun_costs(late, penalty):
    assert PerDay().late_submission_penalty("ada", 10.0, late) == penalty


def test_minutes_of_grace():
    plugin = PerDay(grace_minutes=15, percent=50)
    assert plugin.late_submission_penalty("ada", 10.0, 15 * 60) == 0
    assert plugin.late_submission_penalty("ada", 10.0, 15 * 60 + 1) == 5
