"""The one process that writes to the gradebook.

nbgrader's own converter records each result, in a folder of its own; then the folder is put in place in
`autograded/`, which is the last thing that happens. So what `autograded/` and the gradebook hold is what
`nbgrader autograde` writes, and a submission that is in place is graded, whenever the run was killed.
"""

from __future__ import annotations

import copy
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.preprocessors import NbGraderPreprocessor
from sqlalchemy import create_engine
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import Session

from ..course import STAGE, CannotGrade, Course
from . import corrected
from .files import ordinary_files


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


@dataclass
class Run:
    """A submission that a worker has run: its notebook before and after, as JSON."""

    result: Result
    repaired: str = ""
    executed: str = ""


class Executed(NbGraderPreprocessor):
    """In the place of nbgrader's Execute: the outputs that a worker has brought."""

    outputs: nbformat.NotebookNode

    def preprocess(self, nb: nbformat.NotebookNode, resources: Any) -> tuple[nbformat.NotebookNode, Any]:
        for cell, done in zip(nb.cells, Executed.outputs.cells, strict=True):
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = done.outputs, done.execution_count
        return nb, resources


class _OneCommit(Session):
    """A session whose commits are only flushed, until the last."""

    def commit(self) -> None:
        self.flush()

    def commit_all(self) -> None:
        super().commit()


class Writer:
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
        config.CourseDirectory.submitted_directory = f"{STAGE}/staged/submitted"
        config.CourseDirectory.autograded_directory = f"{STAGE}/staged/autograded"
        warnings.simplefilter("ignore", SAWarning)  # nbgrader's queries, old and harmless
        self.api = NbGraderAPI(config=config)
        self.api.log.setLevel(logging.ERROR)
        self.staged = Course(config, course.assignment)
        self.engine = create_engine(self.api.coursedir.db_url, future=True)
        self._know_assignment()

    def record(self, run: Run) -> Result:
        result = run.result
        if not result.failed:
            try:
                self._stage(run)
                Executed.outputs = nbformat.reads(run.executed, as_version=4)
                with self._transaction():
                    said = self.api.autograde(self.course.assignment, result.student)
                    if not said["success"]:
                        raise RuntimeError((said.get("log") or said.get("error") or "").strip()[-300:])
                    self._read_points(result)
                self._put_in_place(result.student)
            except Exception as error:
                result.failed = f"nbgrader could not record it: {type(error).__name__}: {error}"
        return result

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """nbgrader opens the gradebook nine times for a submission, each time with an engine of its own that
        compiles all queries anew, and commits after every cell. Here that is one session, and one commit."""

        def open_here(book: Gradebook, db_url: str, course_id: str = "", *unused: Any) -> None:
            book.engine, book.db, book.course_id, book.authenticator = self.engine, session, course_id, None

        def close(book: Gradebook) -> None:
            session.expire_all()  # sums of points are read anew

        usual = Gradebook.__init__, Gradebook.close
        with _OneCommit(self.engine, future=True) as session:
            Gradebook.__init__, Gradebook.close = open_here, close
            try:
                yield
            finally:
                Gradebook.__init__, Gradebook.close = usual
            session.commit_all()

    def _stage(self, run: Run) -> None:
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
        """The gradebook learns the assignment from its solution notebook, if it is new or corrected."""
        source = Path(self.course.folder("source"), self.course.release.name)
        if change := corrected.differs(source, self.course.release):
            raise CannotGrade(f"{change} differ between {source} and its release: run make exercises")
        with Gradebook(self.api.coursedir.db_url, self.api.coursedir.course_id) as gradebook:
            if corrected.is_known(gradebook, self.course.assignment, source):
                return
        config = copy.deepcopy(self.course.config)
        config.CourseDirectory.release_directory = f"{STAGE}/staged/release"
        said = NbGraderAPI(config=config).generate_assignment(self.course.assignment, force=True, create=True)
        if not said["success"]:
            raise CannotGrade(
                f"nbgrader does not take the assignment:\n{said.get('log') or said.get('error')}"
            )
