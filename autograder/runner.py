"""Grades every submission of an assignment.

Workers take submissions in and run them; they never touch the gradebook. The one writer, this process, then
lets nbgrader's own converter record each result, so that `autograded/` and the gradebook are what
`nbgrader autograde` writes. A submission counts as graded when its folder in `autograded/` is in place, which
is the last thing that happens: a run that is killed at any moment can be started again.
"""

from __future__ import annotations

import copy
import fcntl
import logging
import multiprocessing
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import torch
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor
from sqlalchemy.exc import SAWarning
from tqdm import tqdm
from traitlets.config import Config

from . import execute, intake
from .config import configure
from .inside import confine
from .sandbox import Zygote, ordinary_files

_STAGE = ".grading"
_TRIES = 2


class CannotGrade(RuntimeError):
    """Nothing can be graded; the text says why and what to do."""


@dataclass
class Result:
    """What became of one submission.

    failed   why it was not graded, if it was not
    notes    what was repaired, and checks that failed themselves
    """

    student: str
    points: float = 0.0
    possible: float = 0.0
    needs_manual: bool = False
    failed: str = ""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Course:
    """Where things are."""

    config: Config
    assignment: str

    @classmethod
    def at(cls, root: Path, assignment: str, changes: Config | None = None) -> Course:
        config = Config()
        configure(config, root)
        config.merge(changes or {})
        course = cls(config, assignment)
        if not course.release_folder.is_dir():
            names = sorted(path.name for path in course.release_folder.parent.glob("*") if path.is_dir())
            raise CannotGrade(f"There is no assignment {assignment!r}. There are: {', '.join(names)}.")
        return course

    @property
    def directory(self) -> CourseDirectory:
        return CourseDirectory(config=self.config)

    def folder(self, step: str, student: str = ".") -> Path:
        return Path(
            self.directory.format_path(getattr(self.directory, f"{step}_directory"), student, self.assignment)
        )

    @property
    def release_folder(self) -> Path:
        return self.folder("release")

    @property
    def release(self) -> Path:
        (path,) = self.release_folder.glob("*.ipynb")
        return path

    @property
    def stage(self) -> Path:
        return Path(self.directory.root, _STAGE)

    def students(self) -> list[str]:
        """Those who handed something in."""
        pattern = self.directory.format_path(self.directory.submitted_directory, "*", self.assignment)
        return sorted(path.parent.name for path in Path("/").glob(pattern.lstrip("/")))

    def is_graded(self, student: str) -> bool:
        """Whether the newest that a student handed in is graded."""
        graded = self.folder("autograded", student)
        if not (graded / self.release.name).is_file():
            return False
        times = [
            self.directory.get_existing_timestamp(str(place))
            for place in (self.folder("submitted", student), graded)
        ]
        return None in times or times[0] <= times[1]


def grade(
    course: Course,
    only: Sequence[str] = (),
    workers: int = 0,
    force: bool = False,
    dry_run: bool = False,
    unsafe: bool = False,
    quiet: bool = False,
) -> list[Result]:
    """Grade what is not graded yet.

    only     the students to grade; empty: all
    force    whether to grade again what is graded
    dry_run  only say what would be graded, and what intake would do to it
    """
    todo = [name for name in course.students() if not only or name in only]
    if unknown := set(only) - set(todo):
        raise CannotGrade(f"Nothing in submitted/ for {course.assignment} from: {', '.join(sorted(unknown))}")
    todo = [name for name in todo if force or not course.is_graded(name)]
    if dry_run:
        return [_look(course, name) for name in todo]
    if not todo:
        return []
    with _only_writer(course), _bar(len(todo), quiet) as bar:
        shutil.rmtree(course.stage / "staged", ignore_errors=True)
        writer = _Writer(course)
        results = []
        for done in _run_all(course, todo, max(1, min(workers or os.cpu_count() or 1, len(todo))), unsafe):
            results.append(writer.record(done))
            bar.update()
            bar.set_postfix_str(f"{sum(bool(one.failed) for one in results)} failed", refresh=False)
        shutil.rmtree(course.stage / "staged", ignore_errors=True)
        return sorted(results, key=lambda one: one.student)


# --- workers ------------------------------------------------------------------------------------------------


@dataclass
class _Run:
    """A submission that a worker has run: its notebook before and after, as JSON."""

    result: Result
    repaired: str = ""
    executed: str = ""


def _run_all(course: Course, students: Sequence[str], workers: int, unsafe: bool) -> Iterator[_Run]:
    """Run submissions in worker processes, in any order. A worker that dies takes nobody else with it."""
    tries = dict.fromkeys(students, 0)
    while tries:
        zygote = Zygote(unsafe, channels=workers)
        try:
            zygote.wait_until_ready()
            context = multiprocessing.get_context("fork")
            numbers = context.SimpleQueue()
            for number in range(workers):
                numbers.put(number)
            # One at a time after a death, so that it is known whose submission it is.
            alone = any(tries.values())
            with ProcessPoolExecutor(
                workers, context, _start_worker, (course, zygote, numbers, unsafe)
            ) as pool:
                waiting = list(tries)
                running: dict[Future, str] = {}
                while waiting or running:
                    while waiting and len(running) < (1 if alone else 2 * workers):
                        running[pool.submit(_run, waiting[0])] = waiting[0]
                        waiting.pop(0)
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        student = running.pop(future)
                        tries[student] += 1
                        yield future.result()
                        del tries[student]
        except BrokenProcessPool:
            for student in [name for name, count in tries.items() if count >= _TRIES]:
                del tries[student]
                yield _Run(Result(student, failed="the process that graded it died, twice"))
        finally:
            zygote.stop()


def _start_worker(course: Course, zygote: Zygote, numbers: Any, unsafe: bool) -> None:
    global _course, _executor
    confine.die_with_parent()
    torch.set_num_threads(1)
    zygote.channel = numbers.get()
    execute.share(zygote)
    _course = course
    config = copy.deepcopy(course.config)
    config.SandboxedExecute.unsafe = unsafe
    _executor = execute.SandboxedExecute(config=config)
    _executor.log.setLevel(logging.CRITICAL)


def _run(student: str) -> _Run:
    """Take a submission in and run it; whatever goes wrong is that student's alone."""
    start = time.monotonic()
    result = Result(student)
    try:
        submission = intake.take_in(_course.folder("submitted", student), _course.release)
        result.notes += submission.notes
        repaired = nbformat.writes(submission.notebook)
        entry = {"assignment": _course.assignment, "notebook": _course.release.stem, "student": student}
        executed, _ = _executor.preprocess(submission.notebook, {"nbgrader": entry})
        result.notes += [f"a check failed itself: {problem}" for problem in _executor.problems]
        run = _Run(result, repaired, nbformat.writes(executed))
    except intake.Refused as reason:
        result.failed = str(reason)
        run = _Run(result)
    except Exception as error:
        result.failed = f"{type(error).__name__}: {error}"
        run = _Run(result)
    result.seconds = time.monotonic() - start
    return run


def _look(course: Course, student: str) -> Result:
    """What intake says of a submission."""
    try:
        return Result(
            student, notes=intake.take_in(course.folder("submitted", student), course.release).notes
        )
    except intake.Refused as reason:
        return Result(student, failed=str(reason))


# --- the writer ---------------------------------------------------------------------------------------------


class Executed(NbGraderPreprocessor):
    """In the place of nbgrader's Execute: the outputs that a worker has brought."""

    outputs: nbformat.NotebookNode

    def preprocess(self, nb: nbformat.NotebookNode, resources: Any) -> tuple[nbformat.NotebookNode, Any]:
        for cell, done in zip(nb.cells, Executed.outputs.cells, strict=True):
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = done.outputs, done.execution_count
        return nb, resources


class _Writer:
    """Records results through nbgrader's converter, in a folder of its own, and then puts them in place."""

    def __init__(self, course: Course):
        self.course = course
        self.work = course.stage / "staged"
        config = copy.deepcopy(course.config)
        # The notebook is repaired already, and its metadata are the release's.
        needless = ("SandboxedExecute", "Repair", "ClearOutput", "CheckCellMetadata")
        for steps in (config.Autograde.sanitize_preprocessors, config.Autograde.autograde_preprocessors):
            steps[:] = [step for step in steps if not step.endswith(needless)]
        config.Autograde.autograde_preprocessors.insert(0, Executed)
        config.CourseDirectory.submitted_directory = f"{_STAGE}/staged/submitted"
        config.CourseDirectory.autograded_directory = f"{_STAGE}/staged/autograded"
        warnings.simplefilter("ignore", SAWarning)  # nbgrader's queries, old and harmless
        self.api = NbGraderAPI(config=config)
        self.api.log.setLevel(logging.ERROR)
        self.staged = Course(config, course.assignment)
        self._know_assignment()

    def record(self, run: _Run) -> Result:
        result = run.result
        if not result.failed:
            try:
                self._stage(run)
                Executed.outputs = nbformat.reads(run.executed, as_version=4)
                said = self.api.autograde(self.course.assignment, result.student)
                if not said["success"]:
                    raise RuntimeError((said.get("log") or said.get("error") or "").strip()[-300:])
                self._put_in_place(result.student)
                self._read_points(result)
            except Exception as error:
                result.failed = f"nbgrader could not record it: {type(error).__name__}: {error}"
        return result

    def _stage(self, run: _Run) -> None:
        """What the converter finds as the submission: the repaired notebook and the ordinary files."""
        source = self.course.folder("submitted", run.result.student)
        target = self.staged.folder("submitted", run.result.student)
        for path in ordinary_files(source):
            if path.suffix != ".ipynb":
                (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target / path.relative_to(source))
        target.mkdir(parents=True, exist_ok=True)
        (target / self.course.release.name).write_text(run.repaired, encoding="utf-8")

    def _put_in_place(self, student: str) -> None:
        target = self.course.folder("autograded", student)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.rmtree(target)
        self.staged.folder("autograded", student).rename(target)

    def _read_points(self, result: Result) -> None:
        with Gradebook(self.api.coursedir.db_url, self.api.coursedir.course_id) as gradebook:
            recorded = gradebook.find_submission(self.course.assignment, result.student)
            result.points, result.possible = recorded.score, recorded.max_score
            result.needs_manual = recorded.needs_manual_grade

    def _know_assignment(self) -> None:
        """A new gradebook learns the assignment from its solution notebook."""
        with Gradebook(self.api.coursedir.db_url, self.api.coursedir.course_id) as gradebook:
            try:
                if gradebook.find_assignment(self.course.assignment).notebooks:
                    return
            except MissingEntry:
                pass
        config = copy.deepcopy(self.course.config)
        config.CourseDirectory.release_directory = f"{_STAGE}/staged/release"
        said = NbGraderAPI(config=config).generate_assignment(self.course.assignment, force=True, create=True)
        if not said["success"]:
            raise CannotGrade(
                f"nbgrader does not take the assignment:\n{said.get('log') or said.get('error')}"
            )


@contextmanager
def _only_writer(course: Course) -> Iterator[None]:
    course.stage.mkdir(exist_ok=True)
    with (course.stage / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotGrade("Another run is grading in this folder.") from None
        yield


def _bar(total: int, quiet: bool) -> tqdm:
    tqdm.monitor_interval = 0  # no thread: workers are forked
    return tqdm(total=total, unit="submission", disable=quiet, dynamic_ncols=True, smoothing=0.1)
