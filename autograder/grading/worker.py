"""What a worker does, on this machine (`pool.py`) or on another (`cluster.py`): a submission's bytes in, the
executed notebook out.

All that a worker needs of the course it is given when it starts, and keeps in memory: the release, and the
solution notebook with the hidden tests. It has neither the course's folders nor the gradebook.
"""

from __future__ import annotations

import faulthandler
import hashlib
import logging
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import torch
from traitlets.config import Config

from .. import oracle
from ..course import Course
from ..sandbox.outside import ROOT, Unavailable, Zygote
from . import execute, intake, trusted
from .files import archive
from .writer import Result, Run

_CHECKS_MAY_TAKE = 120  # seconds beyond what the submission itself may take


@dataclass(frozen=True)
class Assignment:
    """What a worker knows of the course.

    release    the notebook that was given out, as JSON; `notebook` is its name
    solutions  the solution notebooks, as JSON, by name
    settings   of the executing preprocessor, by class: nothing else of nbgrader's configuration, which may
               hold the gradebook's password
    """

    name: str
    notebook: str
    release: str
    solutions: dict[str, str]
    settings: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, course: Course, unsafe: bool) -> Assignment:
        solutions = sorted(course.folder("source").glob("*.ipynb"))
        names = [kind.__name__ for kind in execute.SandboxedExecute.__mro__]
        settings = {name: dict(course.config[name]) for name in names if name in course.config}
        settings["SandboxedExecute"] = {**settings.get("SandboxedExecute", {}), "unsafe": unsafe}
        return cls(
            course.assignment,
            course.release.stem,
            course.release.read_text(encoding="utf-8"),
            {path.stem: path.read_text(encoding="utf-8") for path in solutions},
            settings,
        )

    @property
    def unsafe(self) -> bool:
        return self.settings["SandboxedExecute"]["unsafe"]


@dataclass(frozen=True)
class HandedIn:
    """A submission as bytes.

    name      of the notebook, whose bytes are `notebook`
    files     a tar archive of the release's and the student's other files
    notes     what was odd in the folder
    refused   why there is no notebook, if there is none
    """

    student: str
    name: str = ""
    notebook: bytes = b""
    files: bytes = b""
    notes: list[str] = field(default_factory=list)
    refused: str = ""

    @classmethod
    def by(cls, course: Course, student: str) -> HandedIn:
        folder = course.folder("submitted", student)
        try:
            path, notes = intake.find(folder, course.release)
            files = archive(course.release_folder, folder)
            return cls(student, path.name, intake.content(path), files, notes)
        except (ValueError, OSError) as reason:  # Refused is a ValueError
            return cls(student, refused=str(reason))


@dataclass(frozen=True)
class Lost:
    """A submission that came back without a result.

    reason  what happened to the worker that ran it; empty if it had not begun
    """

    reason: str = ""


class Worker:
    """Runs submissions, one at a time, in kernels of `zygote`; if that is None, of one that it starts."""

    zygote: Zygote | None = None

    def __init__(self, assignment: Assignment):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # after a backward pass a process that sees a GPU cannot fork
        torch.set_num_threads(1)
        self.assignment = assignment
        self._release = nbformat.reads(assignment.release, as_version=4)
        oracle.hold(assignment.name, assignment.solutions)
        trusted.graded_cells.cache_clear()
        trusted.rehearse(assignment.name, assignment.notebook)
        self._executor = execute.SandboxedExecute(config=Config(assignment.settings))
        self._executor.log.setLevel(logging.CRITICAL)

    def start(self) -> None:
        """Have a warm process ready; Unavailable if there is no sandbox."""
        if self.zygote is None:
            self.zygote = Zygote(self.assignment.unsafe)
        self.zygote.wait_until_ready()
        execute.share(self.zygote)

    def stop(self) -> None:
        if self.zygote is not None:
            self.zygote.stop()
            self.zygote = None

    def run(self, handed_in: HandedIn) -> Run | Lost:
        """Take a submission in and run it. Whatever goes wrong is that student's alone."""
        began = time.monotonic()
        result = Result(handed_in.student, failed=handed_in.refused, notes=[*handed_in.notes])
        run = Run(result)
        if result.failed:
            return run
        # Nothing of a submission runs longer than its time; should a check hang on what it gave, we end here.
        most = self._executor.submission_timeout + _CHECKS_MAY_TAKE
        with Path(os.devnull).open("w") as nowhere:
            faulthandler.dump_traceback_later(most, exit=True, file=nowhere)
            try:
                self.start()
                self._run(handed_in, run)
            except intake.Refused as reason:
                result.failed = str(reason)
            except (Unavailable, ConnectionError) as reason:
                self.stop()
                return Lost(f"no kernel could be had for it ({reason})")
            except Exception as error:
                result.failed = f"{type(error).__name__}: {error}"
            finally:
                faulthandler.cancel_dump_traceback_later()
        result.seconds = time.monotonic() - began
        return run

    def _run(self, handed_in: HandedIn, run: Run) -> None:
        submission = intake.repair(intake.parse(handed_in.notebook, handed_in.name), self._release)
        run.result.notes += submission.notes
        repaired = nbformat.writes(submission.notebook)
        entry = {"assignment": self.assignment.name, "notebook": self.assignment.notebook}
        executed, _ = self._executor.preprocess(
            submission.notebook, {"nbgrader": entry, "handed_in": handed_in.files}
        )
        run.result.notes += [f"a check failed itself: {problem}" for problem in self._executor.problems]
        run.repaired, run.executed = repaired, nbformat.writes(executed)


def fingerprint() -> str:
    """The same on two machines that would grade alike: of the code, of Python and of torch."""
    seen = hashlib.sha256(f"{platform.python_version_tuple()[:2]} {torch.__version__.split('+')[0]}".encode())
    for package in ("autograder", "pixelwise"):
        for path in sorted((ROOT / package).rglob("*.py")):
            seen.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return seen.hexdigest()
