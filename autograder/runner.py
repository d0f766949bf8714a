"""Grades every submission of an assignment.

Workers take submissions in and run them; they never touch the gradebook. This process hands what they
bring to the one writer. A run that is killed at any moment can be started again.
"""

from __future__ import annotations

import copy
import fcntl
import logging
import multiprocessing
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

import nbformat
import torch
from tqdm import tqdm

from . import execute, intake
from .course import CannotGrade, Course
from .inside import confine
from .sandbox import Zygote
from .writer import Result, Run, Writer

_TRIES = 2


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
        writer = Writer(course)
        results = []
        for done in _run_all(course, todo, max(1, min(workers or os.cpu_count() or 1, len(todo))), unsafe):
            results.append(writer.record(done))
            bar.update()
            bar.set_postfix_str(f"{sum(bool(one.failed) for one in results)} failed", refresh=False)
        shutil.rmtree(course.stage / "staged", ignore_errors=True)
        return sorted(results, key=lambda one: one.student)


# --- workers ------------------------------------------------------------------------------------------------


def _run_all(course: Course, students: Sequence[str], workers: int, unsafe: bool) -> Iterator[Run]:
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
                yield Run(Result(student, failed="the process that graded it died, twice"))
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


def _run(student: str) -> Run:
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
        run = Run(result, repaired, nbformat.writes(executed))
    except intake.Refused as reason:
        result.failed = str(reason)
        run = Run(result)
    except Exception as error:
        result.failed = f"{type(error).__name__}: {error}"
        run = Run(result)
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
