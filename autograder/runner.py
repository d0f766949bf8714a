"""Grades every submission of an assignment.

Workers, on this machine or on others, take submissions in and run them; they never touch the gradebook. This
process hands what they bring to the one writer. A run that is killed at any moment can be started again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import nbformat
from tqdm import tqdm

from . import intake
from .course import CannotGrade, Course
from .pool import Pool
from .worker import HandedIn, Lost
from .writer import Result, Run, Writer

_TRIES = 2


class Workers(Protocol):
    """Who runs submissions: a `Pool` or a `Cluster`."""

    count: int

    def has_room(self, waiting: int) -> bool: ...
    def give(self, student: str) -> None: ...
    def collect(self) -> list[tuple[str, Run | Lost]]: ...
    def stop(self) -> None: ...


def grade(
    course: Course,
    only: Sequence[str] = (),
    workers: int = 0,
    force: bool = False,
    dry_run: bool = False,
    unsafe: bool = False,
    quiet: bool = False,
    scheduler: Any = None,
) -> list[Result]:
    """Grade what is not graded yet.

    only       the students to grade; empty: all
    force      whether to grade again what is graded
    dry_run    only say what would be graded, and what intake would do to it
    scheduler  of a Dask cluster whose workers do it (see `Cluster`), instead of `workers` processes here
    """
    todo = [name for name in course.students() if not only or name in only]
    if unknown := set(only) - set(todo):
        raise CannotGrade(f"Nothing in submitted/ for {course.assignment} from: {', '.join(sorted(unknown))}")
    todo = [name for name in todo if force or not course.is_graded(name)]
    if dry_run:
        return [_look(course, name) for name in todo]
    if not todo:
        return []
    count = max(1, min(workers or os.cpu_count() or 1, len(todo)))
    with _only_writer(course), contextlib.closing(_workers(course, count, unsafe, scheduler)) as team:
        shutil.rmtree(course.stage / "staged", ignore_errors=True)
        writer = Writer(course)
        results = []
        with _bar(len(todo), quiet) as bar:
            for done in _run_all(todo, team):
                with _undisturbed():
                    results.append(writer.record(done))
                bar.update()
                bar.set_postfix_str(f"{sum(bool(one.failed) for one in results)} failed", refresh=False)
        shutil.rmtree(course.stage / "staged", ignore_errors=True)
        return sorted(results, key=lambda one: one.student)
