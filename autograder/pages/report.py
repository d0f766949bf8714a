"""The class report: one page for the instructor on how an assignment went.

It reads what is there (the gradebook, the graded notebooks, what was handed in) and changes nothing.
"""

from __future__ import annotations

import importlib
import re
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import jinja2
import nbformat
from nbgrader.api import Grade, Gradebook, MissingEntry

from pixelwise import palette
from pixelwise.checks import Check

from ..course import CannotGrade, Course
from ..grading import intake, trusted
from .feedback import points_as_text

FOLDER = "reports"
HARD = 0.5  # a check is hard where fewer than this share of those who wrote something pass it

_EXPLAINED = re.compile(r"This is what you get when (.*?)\.\n\n", re.DOTALL)
_ENDED = "The notebook ended in this cell."
_UNWRITTEN = "still raises NotImplementedError"
_NOTHING = "Nothing of {0} is graded yet: python -m autograder grade {0}"
#: What a check says where no misunderstanding explains it, and what that means.
_OTHERWISE = {
    _UNWRITTEN: "",
    "could not be completed": "the check itself failed: a mistake of the course",
    "a call that this task does not allow": "a call that the task does not allow",
    "is not defined": "its cell is missing, or did not run through",
    "nothing ran any more": "nothing ran any more when it was checked",
    "ended the notebook": "the call ended the notebook",
    "did not finish in time": "it does not end",
    "raised an error": "it raises an error",
    "has the shape": "a wrong shape, by no known misunderstanding",
    "returned nothing": "it returns nothing",
    "in place": "it changes its arguments",
    "no gradient": "no gradient flows back",
    "the gradient with respect to": "a wrong gradient",
    "dtype": "it does not keep the dtype",
    "fails hidden ones": "right in public, wrong in hidden cases",
}
_UNKNOWN = "wrong values, by no known misunderstanding"


@dataclass
class CheckResults:
    """One graded cell, and how the class did in it.

    by_hand  whether a person grades it
    kinds    how many have it "right", "wrong", "unwritten" (a stub still), or "waiting" for a person
    """

    task: str
    title: str
    points: float
    by_hand: bool
    kinds: Counter[str] = field(default_factory=Counter)
    earned: list[float] = field(default_factory=list)

    @property
    def hard(self) -> bool:
        tried = self.kinds["right"] + self.kinds["wrong"]
        return not self.by_hand and self.kinds["right"] < HARD * tried


@dataclass
class Task:
    title: str
    checks: list[CheckResults] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """Of the points, what the class has on average; None while answers wait for a person."""
        graded = [check for check in self.checks if check.earned and not check.kinds["waiting"]]
        points = sum(check.points for check in graded)
        return sum(statistics.mean(check.earned) for check in graded) / points if points else None


@dataclass
class Person:
    """A student's line.

    lost       failed checks, by task
    attention  what the instructor should know, in words
    """

    student: str
    name: str = ""
    points: float = 0.0
    penalty: float = 0.0
    graded: bool = False
    waits: list[str] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    attention: list[str] = field(default_factory=list)


@dataclass
class Finding:
    """Something that checks said of several submissions.

    named  whether it is one of the misunderstandings that the checks know
    """

    text: str
    named: bool
    students: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)


@dataclass
class Report:
    """What the page shows. `absent` are those on the roster who handed nothing in."""

    title: str
    possible: float
    tasks: list[Task]
    people: list[Person]
    absent: list[str]
    findings: list[Finding]

    @property
    def graded(self) -> list[Person]:
        return [person for person in self.people if person.graded]

    @property
    def points(self) -> list[float]:
        return [max(0.0, person.points - person.penalty) for person in self.graded]

    @property
    def waiting(self) -> Counter[str]:
        return Counter(title for person in self.people for title in person.waits)

    @property
    def histogram(self) -> list[tuple[str, int]]:
        """(which points, how many students), at most eleven columns."""
        step = max(1, round(self.possible / 10))
        columns = int(self.possible // step) + 1
        count = Counter(min(columns - 1, int(points // step)) for points in self.points)
        ends = [(n * step, min((n + 1) * step - 1, self.possible)) for n in range(columns)]
        return [
            (f"{low:g}" if low >= high else f"{low:g}–{high:g}", count[number])
            for number, (low, high) in enumerate(ends)
        ]

    @property
    def mean(self) -> float:
        return statistics.mean(self.points) if self.points else 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.points) if self.points else 0.0


def write(course: Course) -> Path:
    """Write the page; its path."""
    here = jinja2.FileSystemLoader(Path(__file__).parent)
    templates = jinja2.Environment(loader=here, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    templates.filters["points"] = points_as_text
    page = templates.get_template("report.html").render(
        report=collect(course), assignment=course.assignment, today=date.today(), palette=palette
    )
    path = Path(course.directory.root, FOLDER, f"{course.assignment}.html")
    path.parent.mkdir(exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def collect(course: Course) -> Report:
    """Read how the class did. Raises CannotGrade where nothing is graded."""
    release = nbformat.read(course.release, as_version=4)
    checks = dict(_checks(release))
    people = {name: Person(name) for name in course.students()}
    findings = Findings(course.assignment)
    with Gradebook(course.directory.db_url, course.directory.course_id) as gradebook:
        try:
            assignment = gradebook.find_assignment(course.assignment)
        except MissingEntry:
            raise CannotGrade(_NOTHING.format(course.assignment)) from None
        for submitted in assignment.submissions:
            person = people.setdefault(submitted.student.id, Person(submitted.student.id))
            said = _said(course, person.student)
            if said is None:
                continue
            person.graded, person.points = True, submitted.score
            person.penalty = submitted.late_submission_penalty or 0.0
            for grade in (grade for notebook in submitted.notebooks for grade in notebook.grades):
                if grade.name in checks:
                    text = said.get(grade.name, "")
                    _count(checks[grade.name], grade, text, person)
                    findings.add(checks[grade.name].task, text, person)
            if ended := said.get(_ENDED):
                person.attention.append(ended)
        possible = assignment.max_score
        for student in gradebook.students:
            if student.id in people:
                people[student.id].name = " ".join(filter(None, (student.first_name, student.last_name)))
        absent = sorted(student.id for student in gradebook.students if student.id not in people)
    if not any(person.graded for person in people.values()):
        raise CannotGrade(_NOTHING.format(course.assignment))
    for person in people.values():
        person.attention += _intake(course, person)
    tasks: dict[str, Task] = {}
    for check in checks.values():
        tasks.setdefault(check.task, Task(check.task)).checks.append(check)
    return Report(
        title=_heading(release.cells[0], "# ") or course.assignment,
        possible=possible,
        tasks=list(tasks.values()),
        people=sorted(people.values(), key=lambda person: (-person.points, person.student)),
        absent=absent,
        findings=findings.ranked(),
    )


class Findings:
    """Counts what the checks said: a student once, in however many tasks it shows."""

    def __init__(self, assignment: str):
        self._found: dict[str, Finding] = {}
        try:
            module = importlib.import_module(f"pixelwise.checks.{assignment.split('_')[0]}")
        except ImportError:  # a set with checks of its own kind
            module = None
        checks = [value for value in vars(module).values() if isinstance(value, Check)] if module else []
        self._titles = {mistake.title for check in checks for mistake in check.task.bank}

    def add(self, task: str, text: str, person: Person) -> None:
        for finding, named in self._read(text):
            entry = self._found.setdefault(finding, Finding(finding, named))
            entry.students.add(person.student)
            entry.tasks.add(task)

    def ranked(self) -> list[Finding]:
        return sorted(self._found.values(), key=lambda one: (-len(one.students), one.text))

    def _read(self, text: str) -> Iterator[tuple[str, bool]]:
        """(what a failed check found, whether it is a misunderstanding that it knows)."""
        explained = _EXPLAINED.search(text)
        titles = self._apart(" ".join(explained[1].split())) if explained else []
        if titles and self._titles.issuperset(titles):  # students can write such a sentence, too
            yield from ((title, True) for title in titles)
        elif text:
            meaning = next((meaning for said, meaning in _OTHERWISE.items() if said in text), _UNKNOWN)
            if meaning:
                yield meaning, False

    def _apart(self, titles: str) -> list[str]:
        """Two misunderstandings, joined by the "and" that a title may have, too."""
        words = titles.split(" and ")
        for cut in range(1, len(words)):
            both = [" and ".join(words[:cut]), " and ".join(words[cut:])]
            if titles not in self._titles and self._titles.issuperset(both):
                return both
        return [titles]


def _checks(release: nbformat.NotebookNode) -> Iterator[tuple[str, CheckResults]]:
    """The graded cells by id, under the heading that they stand below."""
    task = ""
    for cell in release.cells:
        if cell.cell_type == "markdown":
            task = re.sub(r" \(\d+ points?\b.*\)$", "", _heading(cell, "## ")) or task
        entry = cell.metadata.get("nbgrader", {})
        if entry.get("grade"):
            stated = re.search(r"^# \d+ points?: (.*)$", cell.source, re.MULTILINE)
            title = stated[1].split(". ")[0].removesuffix(".") if stated else "the answer in words"
            yield entry["grade_id"], CheckResults(task, title, entry["points"], bool(entry["solution"]))


def _heading(cell: nbformat.NotebookNode, mark: str) -> str:
    return next((line[len(mark) :] for line in cell.source.splitlines() if line.startswith(mark)), "")


def _said(course: Course, student: str) -> dict[str, str] | None:
    """What the failed checks of a graded notebook say, by cell; None if it is not graded."""
    path = course.folder("autograded", student) / course.release.name
    if not path.is_file():
        return None
    said = {}
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            if output.output_type != "error":
                continue
            if trusted.is_graded(cell):
                said[cell.metadata.nbgrader.grade_id] = output.evalue
            elif output.evalue.startswith(_ENDED):
                said[_ENDED] = output.evalue[:200]
    return said


def _count(check: CheckResults, grade: Grade, text: str, person: Person) -> None:
    if grade.needs_manual_grade:
        check.kinds["waiting"] += 1
        person.waits.append(check.task)
        return
    check.earned.append(grade.score)
    if grade.score >= grade.max_score:
        check.kinds["right"] += 1
    else:
        unwritten = _UNWRITTEN in text or (check.by_hand and grade.manual_score is None)
        check.kinds["unwritten" if unwritten else "wrong"] += 1
        person.lost[check.task.partition(":")[0]] += 1


def _intake(course: Course, person: Person) -> list[str]:
    """What was repaired, and why a submission is not graded."""
    try:
        notes = intake.take_in(course.folder("submitted", person.student), course.release).notes
    except intake.Refused as reason:
        return [f"not graded: {reason}"]
    except FileNotFoundError:
        return []
    return notes if course.is_graded(person.student) else ["handed in and not graded yet", *notes]
