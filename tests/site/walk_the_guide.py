"""The instructor's two pages, walked: their commands, in their order and words, for a class of six.

Part of `make guide-test`. The commands and the files come from the pages. What people do between them
(students hand in, somebody edits a text, somebody grades) hangs on the command before which they do it.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange.default import ExchangeFetchAssignment, ExchangeSubmit
from traitlets.config import Config

from tests.exercises.course import answers, scores, submission
from tests.site.commands import OWN_COURSE, README, ROOT, TEACHING, Shown, steps
from tests.site.test_commands import A_TEST, NOT_HERE

SET, NAME = "ps2_transposed_convolution", "transposed_convolution"
NEW = "ps6_mean_filter"
DUE = datetime.now().replace(microsecond=0) + timedelta(days=1)
#: What working with the course makes.
WORK = ("submitted", "autograded", "feedback", "reports", ".grading")
LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv", "node_modules", "_build", "__pycache__", ".*_cache", "peers", "*-environment"),
    *(*WORK, "exchange", "gradebook.db*"),
)


class Course:
    """A copy of the repository, as it is after `make book`, and an exchange."""

    def __init__(self, folder: Path):
        self.root, self.exchange, self.desks = folder / "course", folder / "exchange", folder / "desks"
        shutil.copytree(ROOT, self.root, ignore=LEFT_OUT)
        for name in (".venv", "node_modules"):
            (self.root / name).symlink_to(ROOT / name)
        for name in ("requirements.lock", "pyproject.toml", "package-lock.json"):
            os.utime(self.root / name, (0, 0))  # make has nothing to install
        #: What the pages say that is different here. All six are one user of this machine.
        self.other_words = {"/srv/nbgrader/exchange": str(self.exchange), "2026-11-30 18:00": f"{DUE}"[:16]}
        with (self.root / "nbgrader_config.py").open("a", encoding="utf-8") as settings:
            settings.write("c.ExchangeCollect.check_owner = False\n")

    def walk(self, page: str, people: dict[str, Callable], found: dict[str, Callable], exits: dict[str, int]):
        """Do what the page says.

        people  what somebody does before a command
        found   what has to be true after a command, given what it said
        exits   the exit status of a command, where it is not 0
        """
        todo = steps(page)
        unknown = (people.keys() | found.keys() | exits.keys()) - set(todo)
        assert not unknown, f"{page} has no such command: {unknown}"
        for step in todo:
            if isinstance(step, Shown):
                self.write(step)
                continue
            if step in people:
                people[step](self)
            if step in NOT_HERE or A_TEST.fullmatch(step):
                continue
            said = self.run(step, exits.get(step, 0))
            if step in found:
                found[step](self, said)

    def run(self, command: str, status: int) -> str:
        done = subprocess.run(
            ["bash", "-c", self._here(command)], cwd=self.root, capture_output=True, text=True, timeout=400
        )
        said = done.stdout + done.stderr
        assert done.returncode == status, f"{command} ended with {done.returncode}:\n{said[-3000:]}"
        return said

    def write(self, shown: Shown) -> None:
        with (self.root / shown.name).open("a", encoding="utf-8") as file:
            file.write(self._here(shown.text))

    def _here(self, text: str) -> str:
        for words, others in self.other_words.items():
            text = text.replace(words, others)
        return text

    def page(self, *parts: str) -> str:
        """The text of the one page in a folder."""
        (path,) = self.root.joinpath(*parts).glob("*.html")
        return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("guide"))


# --- What people do -----------------------------------------------------------------------------------------

WRITTEN = "checkerboard"


def solved(**changes: tuple[str, str]) -> dict[str, str]:
    """The solution's code, and words of one's own; changes: cell (with _ for -) → (old, new)."""
    cells = answers(SET) | {WRITTEN: "Outputs get different numbers of copies."}
    for name, (old, new) in changes.items():
        cell = name.replace("_", "-")
        assert old in cells[cell]
        cells[cell] = cells[cell].replace(old, new)
    return cells


CLASS = {
    "ada": solved(),
    "emmy": solved(conv_transpose2d=("] += copies", "] = copies")),
    "grace": {},
    "hedy": solved(),
    "mary": solved(),
    "sofia": solved(),
}


def students_hand_in(course: Course) -> None:
    """Through the exchange. Sofia's file is cut off, hedy lost a cell, emmy has not begun."""
    for student, cells in CLASS.items():
        hand_in(course, student, {} if student == "emmy" else cells)


def emmy_hands_in_again(course: Course) -> None:
    hand_in(course, "emmy", CLASS["emmy"])


def ada_hands_in(course: Course) -> None:
    hand_in(course, "ada", CLASS["ada"], "pixelwise")


def hand_in(
    course: Course, student: str, cells: dict[str, str], course_id: str = "segmentation-2026"
) -> None:
    """Fetch, work and submit."""
    desk = course.desks / student
    desk.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.CourseDirectory.course_id = course_id
    config.CourseDirectory.assignment_id = SET
    config.CourseDirectory.student_id = student
    config.Exchange.root, config.Exchange.cache = str(course.exchange), str(desk / "cache")
    here = {
        "coursedir": CourseDirectory(config=config),
        "authenticator": Authenticator(config=config),
        "config": config,
    }
    with contextlib.chdir(desk):
        path = Path(SET, f"{NAME}.ipynb")
        if not path.exists():
            ExchangeFetchAssignment(**here).start()
        notebook = submission(cells, SET)
        if student == "hedy":
            notebook.cells = [cell for cell in notebook.cells if cell.id != "setup"]
        nbformat.write(notebook, path)
        if student == "sofia":
            path.write_text(path.read_text(encoding="utf-8")[:-200], encoding="utf-8")
        ExchangeSubmit(**here).start()


def mary_was_late(course: Course) -> None:
    """Two days, less an hour."""
    stamp = course.root / "submitted" / "mary" / SET / "timestamp.txt"
    assert stamp.is_file(), "collected with its time"
    stamp.write_text(f"{DUE + timedelta(days=2, hours=-1)} Europe/Zurich\n", encoding="utf-8")


def a_person_grades(course: Course) -> None:
    """In the formgrader, which writes what is written here. Sofia has sent her notebook again."""
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        for student, points in {"ada": 5.0, "emmy": 4.0, "mary": 3.0}.items():
            grade = gradebook.find_grade(WRITTEN, NAME, SET, student)
            assert grade.needs_manual_grade
            grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.find_grade("conv-transpose2d-overlaps", NAME, SET, "ada").extra_credit = 0.5
        gradebook.find_comment(WRITTEN, NAME, SET, "emmy").manual_comment = "Which outputs get fewer?"
        gradebook.db.commit()
    nbformat.write(
        submission(CLASS["sofia"], SET), course.root / "submitted" / "sofia" / SET / f"{NAME}.ipynb"
    )


def edit_ps2(course: Course) -> None:
    """The check of overlaps is worth two points more: in its head, in its first line, and in the table."""
    path = course.root / "ps2.py"
    text = path.read_text(encoding="utf-8")
    head = '# %% id="conv-transpose2d-overlaps" kind="tests" points='
    assert f"{head}2" in text
    before, _, after = text.partition(f"{head}2")
    text = before + f"{head}4" + after.replace("# 2 points", "# 4 points", 1)
    row = "| 3 | `conv_transpose2d`: batch, channels, bias | {} |"
    assert row.format(10) in text
    path.write_text(text.replace(row.format(10), row.format(12)), encoding="utf-8")


# --- What has to be true ------------------------------------------------------------------------------------


def automatic(course: Course) -> dict[str, float]:
    return {student: sum(points.values()) for student, points in scores(course.root, SET).items()}


def roster_is_known(course: Course, said: str) -> None:
    assert "There are 6 students" in said
    assert "Lovelace, Ada" in said


def all_six_are_seen(course: Course, said: str) -> None:
    assert all(student in said for student in CLASS)


def would_be_graded(course: Course, said: str) -> None:
    assert "5 would be graded" in said
    assert "setup: missing, restored" in said
    assert not (course.root / "autograded").exists()


def is_graded(course: Course, said: str) -> None:
    assert re.search(r"sofia +not graded +transposed_convolution.ipynb is no notebook", said)
    assert "5 graded, 4 of them need manual grading; 1 failed" in said
    assert automatic(course) == {"ada": 25, "emmy": 21, "grace": 0, "hedy": 25, "mary": 25}


def the_same_again(course: Course, said: str) -> None:
    assert automatic(course)["ada"] == 25


def report_shows_the_class(course: Course, said: str) -> None:
    page = course.page("reports")
    assert "Overlapping copies overwrite each other" in page
    assert "setup: missing, restored" in page
    assert "is no notebook" in page
    assert "<script" not in page
    assert "To grade in the formgrader: Task 7: checkerboards (4)" in page


def is_graded_anew(course: Course, said: str) -> None:
    """What a person gave stays; all of the class have the new points."""
    assert re.search(r"ada +32.5 of 32", said)  # 27, 5 and half a point extra
    assert re.search(r"emmy +25 of 32", said)
    assert automatic(course) == {"ada": 27, "emmy": 21, "grace": 0, "hedy": 27, "mary": 27, "sofia": 27}
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        comment = gradebook.find_comment(WRITTEN, NAME, SET, "emmy")
        assert comment.manual_comment == "Which outputs get fewer?"


def feedback_is_read(course: Course, said: str) -> None:
    page = course.page("feedback", "emmy", SET)
    assert "overlapping copies overwrite each other" in page
    assert "Which outputs get fewer?" in page
    assert "A model answer" not in page


def feedback_is_out(course: Course, said: str) -> None:
    assert len(list((course.exchange / "segmentation-2026" / "feedback").glob("*.html"))) == 6


def grades_are_exported(course: Course, said: str) -> None:
    with (course.root / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {student: float(row["raw_score"]) for student, row in rows.items()} == {
        **{"ada": 32.5, "emmy": 25, "grace": 0, "hedy": 27, "mary": 30, "sofia": 27},
    }
    assert {row["max_score"] for row in rows.values()} == {"32.0"}
    assert float(rows["mary"]["late_submission_penalty"]) == 6  # two days have begun: 20 % of 30
    assert float(rows["mary"]["score"]) == 24
    assert rows["ada"]["email"] == "ada@example.edu"
    assert rows["ada"]["score"] == "32.5"


def ada_reads_her_feedback(course: Course, said: str) -> None:
    assert automatic(course) == {"ada": 25}
    assert len(list((course.exchange / "pixelwise" / "feedback").glob("*.html"))) == 1


def test_readme(course):
    """From an empty exchange to feedback."""
    course.exchange.mkdir()
    settings = (course.root / "nbgrader_config.py").read_text(encoding="utf-8")
    shown = Shown("nbgrader_config.py", f"c.Exchange.root = {str(course.exchange)!r}\n")
    course.write(shown)
    course.walk(
        README,
        people={f".venv/bin/nbgrader collect {SET}": ada_hands_in},
        found={f".venv/bin/nbgrader release_feedback {SET}": ada_reads_her_feedback},
        exits={},
    )
    (course.root / "nbgrader_config.py").write_text(settings, encoding="utf-8")
    (course.root / "gradebook.db").unlink()
    for left in (course.exchange, course.desks, *map(course.root.joinpath, WORK)):
        shutil.rmtree(left)


def test_for_instructors(course):
    grader = f".venv/bin/python -m autograder grade {SET}"
    edit = ".venv/bin/python -m autograder to-notebook ps2.py"
    course.walk(
        TEACHING,
        people={
            ".venv/bin/nbgrader list --inbound": students_hand_in,
            f".venv/bin/nbgrader collect {SET} --update": emmy_hands_in_again,
            f"{grader} --dry-run": mary_was_late,
            ".venv/bin/jupyter lab": a_person_grades,
            f"{edit} solutions/{SET}/{NAME}.ipynb": edit_ps2,
        },
        found={
            ".venv/bin/nbgrader db student list": roster_is_known,
            ".venv/bin/nbgrader list --inbound": all_six_are_seen,
            f"{grader} --dry-run": would_be_graded,
            grader: is_graded,
            f".venv/bin/nbgrader autograde {SET} --student=ada --force": the_same_again,
            f".venv/bin/python -m autograder report {SET}": report_shows_the_class,
            f"{grader} --force": is_graded_anew,
            f".venv/bin/nbgrader generate_feedback {SET}": feedback_is_read,
            f".venv/bin/nbgrader release_feedback {SET}": feedback_is_out,
            ".venv/bin/nbgrader export --to grades.csv": grades_are_exported,
        },
        exits={f"{grader} --dry-run": 1, grader: 1},
    )


# --- A new problem set --------------------------------------------------------------------------------------

PARTS = ("solutions", "exercises", "pixelwise", "tests", "autograder")


def files(course: Course) -> dict[str, bytes]:
    paths = [path for part in PARTS for path in (course.root / part).rglob("*") if path.is_file()]
    return {str(path.relative_to(course.root)): path.read_bytes() for path in paths if path.suffix != ".pyc"}


def fill_ps6(course: Course) -> None:
    """One's own: another title, and the second check is worth two points."""
    path = course.root / "ps6.py"
    text = path.read_text(encoding="utf-8")
    for old, new in {
        "# Problem set 6: mean filter": "# Problem set 6: smoothing",
        "| 1 | `mean_filter` | 3 |": "| 1 | `mean_filter` | 4 |",
        'id="mean-filter-dtype" kind="tests" points=1': 'id="mean-filter-dtype" kind="tests" points=2',
        "# 1 point: float64 in": "# 2 points: float64 in",
    }.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def three_hand_in(course: Course) -> None:
    release = nbformat.read(course.root / "exercises" / NEW / "mean_filter.ipynb", as_version=4)
    windows = "x.unfold(0, size, 1).unfold(1, size, 1)"
    for student, body in {
        "ada": f"return {windows}.mean((-2, -1))",
        "emmy": f"return {windows}.sum((-2, -1))",
        "grace": "raise NotImplementedError()",
    }.items():
        for cell in release.cells:
            if cell.id == "mean-filter":
                cell.source = f"def mean_filter(x, size):\n    {body}"
        folder = course.root / "submitted" / student / NEW
        folder.mkdir(parents=True)
        nbformat.write(release, folder / "mean_filter.ipynb")


def answers_get_what_they_deserve(course: Course, said: str) -> None:
    assert "ps6: 11 answers, 3 of 3 misreadings named" in said
    assert "??" not in said


def the_new_set_is_graded(course: Course, said: str) -> None:
    assert "3 graded" in said
    points = {student: sum(cells.values()) for student, cells in scores(course.root, NEW).items()}
    assert points == {"ada": 4, "emmy": 0, "grace": 0}


def the_report_says_why(course: Course, said: str) -> None:
    page = (course.root / "reports" / f"{NEW}.html").read_text(encoding="utf-8")
    assert "Problem set 6: smoothing" in page
    assert "The sum of the window is taken" in page


def test_own_course(course):
    before = files(course)
    edit = ".venv/bin/python -m autograder to-notebook ps6.py"
    course.walk(
        OWN_COURSE,
        people={
            f"{edit} solutions/{NEW}/mean_filter.ipynb": fill_ps6,
            f".venv/bin/python -m autograder grade {NEW}": three_hand_in,
        },
        found={
            ".venv/bin/python -m tests.exercises.answers ps6": answers_get_what_they_deserve,
            f".venv/bin/python -m autograder grade {NEW}": the_new_set_is_graded,
            f".venv/bin/python -m autograder report {NEW}": the_report_says_why,
        },
        exits={},
    )
    after = files(course)
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == []
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        assert NEW not in [assignment.name for assignment in gradebook.assignments]


def test_the_names_of_problem_sets(course):
    for name in ("ps2_again", "mean_filter", "ps7_Mean"):
        done = subprocess.run(
            [sys.executable, "-m", "autograder", "new", name], cwd=course.root, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert "ps2 is taken" in done.stderr or "called ps, a number and words" in done.stderr
