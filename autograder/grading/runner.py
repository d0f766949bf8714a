"""Grades every submission of an assignment.

Workers, on this machine or on others, take submissions in and run them; they never touch the gradebook. This
process hands what they bring to the one writer. A run that is killed at any moment can be started again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from ..course import CannotGrade, Course
from ..sandbox.outside import Zygote
from . import intake
from .writer import Result, Run, Writer

if TYPE_CHECKING:
    from .worker import Lost

_TRIES = 2


class Workers(Protocol):
    """Who runs submissions: a `Pool` or a `Cluster`."""

    def wait_until_ready(self) -> None: ...
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
    with (
        _only_writer(course),
        _workers(course, count, unsafe, scheduler) as team,
        _bar(len(todo), quiet) as bar,
    ):
        shutil.rmtree(course.stage / "staged", ignore_errors=True)
        writer = _writer(course)  # while the workers get ready
        team.wait_until_ready()
        results = []
        for done in _run_all(todo, team):
            with _undisturbed():
                results.append(writer.record(done))
            bar.update()
            bar.set_postfix_str(f"{sum(bool(one.failed) for one in results)} failed", refresh=False)
        shutil.rmtree(course.stage / "staged", ignore_errors=True)
        return sorted(results, key=lambda one: one.student)


@contextmanager
def _workers(course: Course, count: int, unsafe: bool, scheduler: Any) -> Iterator[Workers]:
    if scheduler is None:
        zygote = Zygote(unsafe, channels=count + 1)  # it imports PyTorch while `pool` does
        from .pool import Pool

        workers: Workers = Pool(course, count, zygote)
    else:
        from .cluster import Cluster  # Dask is not needed otherwise

        workers = Cluster(course, scheduler, unsafe)
    try:
        yield workers
    finally:
        workers.stop()


def _writer(course: Course) -> Writer:
    try:
        return Writer(course)
    except (SQLAlchemyError, ImportError) as error:
        raise CannotGrade(
            f"The gradebook cannot be opened: {str(error).splitlines()[0]}\n"
            "Its address is CourseDirectory.db_url in nbgrader_config.py, or the variable PIXELWISE_DB_URL."
        ) from None


def _run_all(students: Sequence[str], workers: Workers) -> Iterator[Run]:
    """Let workers run submissions, in any order. What a worker loses is given to another one."""
    waiting, given, lost = deque(students), 0, Counter[str]()
    while waiting or given:
        while waiting and workers.has_room(len(waiting)):
            workers.give(waiting.popleft())
            given += 1
        for student, back in workers.collect():
            given -= 1
            if isinstance(back, Run):
                yield back
                continue
            lost[student] += bool(back.reason)
            if lost[student] < _TRIES:
                waiting.appendleft(student)
            else:
                yield Run(Result(student, failed=f"{back.reason}, {_TRIES} times"))


def _look(course: Course, student: str) -> Result:
    """What intake says of a submission."""
    try:
        notes = intake.take_in(course.folder("submitted", student), course.release).notes
    except intake.Refused as reason:
        return Result(student, failed=str(reason))
    return Result(student, notes=notes)


@contextmanager
def _only_writer(course: Course) -> Iterator[None]:
    course.stage.mkdir(exist_ok=True)
    with (course.stage / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotGrade(
                f"Another run (process {lock.read()}) is grading in this folder: "
                "wait until it ends, or stop it."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits for a moment: within nbgrader it would count as a submission that failed."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        raise KeyboardInterrupt


def _bar(total: int, quiet: bool) -> tqdm:
    tqdm.monitor_interval = 0  # no thread: workers are forked
    return tqdm(total=total, unit="submission", disable=quiet, dynamic_ncols=True, smoothing=0.1)
