"""Fifty students fetch and submit on one hub: `python -m benchmarks.hub`, as root.

The hub is the one of deploy/jupyterhub, with an account and a server for each student. The servers are
started before, a few at a time, and no kernel runs. Everything goes through the proxy to the addresses that
nbgrader's list of assignments uses. First all students fetch, save an answer and submit at once; then one
after the other submits, without a grading run and during one. Nothing may be lost: what was collected must
be, byte for byte, what each student handed in last. Exits with 1 where something is missing, or where a
limit is broken.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import psutil
import requests

from benchmarks.report import Report
from tests.exercises.course import answers, submission
from tests.hub.machine import COURSE_ACCOUNT, CannotRun, Machine, hub

SET, NOTEBOOK = "ps2_transposed_convolution", "transposed_convolution"
LIMIT = 300  # seconds for all to fetch and submit
STARTED_AT_ONCE = 3


class Student:
    """Someone's session, as a browser keeps it."""

    def __init__(self, machine: Machine, name: str):
        self.machine, self.name = machine, name
        self.session = requests.Session()
        self.base = f"{machine.url}/user/{name}"
        self.handed_in = b""

    def start(self) -> None:
        """Sign in, and wait for the server."""
        login = f"{self.machine.url}/hub/login"
        self.session.get(login)
        form = {
            "username": self.name,
            "password": self.machine.passwords[self.name],
            "_xsrf": self._xsrf("/hub/"),
        }
        self.session.post(login, data=form).raise_for_status()
        deadline = time.monotonic() + 180
        while True:
            self.session.get(f"{self.base}/lab")  # a page lets one in, its interface does not
            answer = self.session.get(f"{self.base}/api/status")
            if answer.ok and "kernels" in answer.text:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}'s server does not start: {answer.status_code} {answer.url}")
            time.sleep(1)

    def _xsrf(self, path: str) -> str:
        return next(one.value for one in self.session.cookies if one.name == "_xsrf" and one.path == path)

    def call(self, method: str, path: str, content: Any = None) -> Any:
        headers = {"X-XSRFToken": self._xsrf(f"/user/{self.name}/")}
        answer = self.session.request(
            method, f"{self.base}/{path}", json=content, headers=headers, timeout=300
        )
        answer.raise_for_status()
        return answer.json()

    def act(self, action: str) -> None:
        """`fetch` or `submit`, as the buttons do."""
        answer = self.call("POST", f"assignments/{action}", {"course_id": "pixelwise", "assignment_id": SET})
        expected = {"fetch": "fetched", "submit": "submitted"}[action]
        if expected not in {one["status"] for one in answer["value"]}:
            raise RuntimeError(f"{self.name} could not {action}: {answer}")

    def save(self, what: str) -> None:
        work = submission({**answers(SET), "checkerboard": f"{self.name} {what}"}, SET)
        model = {"type": "notebook", "format": "json", "content": work}
        self.call("PUT", f"api/contents/{SET}/{NOTEBOOK}.ipynb", model)
        self.handed_in = (self.machine.home(self.name) / SET / f"{NOTEBOOK}.ipynb").read_bytes()


def timed(act: Callable[..., None], *arguments: Any) -> float:
    start = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - start


def summary(seconds: Iterable[float]) -> str:
    """Median, 95th percentile and worst."""
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"{median(ordered):.2f} {late:.2f} {ordered[-1]:.2f} s"


def in_the_course(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = machine.as_user(COURSE_ACCOUNT, "python", "-m", *arguments, cwd=machine.course)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}\n{(done.stdout + done.stderr)[-2000:]}")
    return done


def lost(machine: Machine, students: list[Student]) -> list[str]:
    """Whose newest work was not collected as it was handed in."""
    in_the_course(machine, "nbgrader", "collect", SET, "--update")
    missing = []
    for student in students:
        path = machine.course / "submitted" / student.name / SET / f"{NOTEBOOK}.ipynb"
        if not path.exists() or path.read_bytes() != student.handed_in:
            missing.append(student.name)
    return missing


def rush(student: Student) -> tuple[float, float]:
    """Fetch, save an answer, submit; the seconds of the first and of the last."""
    fetch = timed(student.act, "fetch")
    student.save("in the rush")
    return fetch, timed(student.act, "submit")


def one_by_one(students: list[Student], what: str) -> list[float]:
    seconds = []
    for student in students:
        student.save(what)
        seconds.append(timed(student.act, "submit"))
    return seconds


class Grading:
    """Grades all that was collected, again and again, until the block is left."""

    def __init__(self, machine: Machine):
        self.machine, self.runs, self._stop = machine, 0, threading.Event()
        self._thread = threading.Thread(target=self._grade)

    def _grade(self) -> None:
        while not self._stop.is_set():
            in_the_course(self.machine, "autograder", "grade", SET, "--force")
            self.runs += 1

    def __enter__(self) -> Grading:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()


def measure(machine: Machine, size: int) -> None:
    report = Report()
    in_the_course(machine, "nbgrader", "generate_assignment", SET, "--force", "--create")
    in_the_course(machine, "nbgrader", "release_assignment", SET)
    students = [Student(machine, name) for name in machine.passwords]
    free = psutil.virtual_memory().available
    with ThreadPoolExecutor(STARTED_AT_ONCE) as few:
        start = time.perf_counter()
        list(few.map(Student.start, students))
    report.line(f"{size} servers started", f"{time.perf_counter() - start:.0f} s")
    taken = (free - psutil.virtual_memory().available) / size / 2**20
    report.line("memory of a server without a kernel", f"{taken:.0f} MB")

    with ThreadPoolExecutor(size) as all_at_once:
        start = time.perf_counter()
        fetches, submits = zip(*all_at_once.map(rush, students), strict=True)
        seconds = time.perf_counter() - start
    report.line("all at once: fetched and submitted", f"{seconds:.0f} s", f"<= {LIMIT} s", seconds <= LIMIT)
    report.line("  to fetch (median, 95 %, worst)", summary(fetches))
    report.line("  to submit", summary(submits))
    missing = lost(machine, students)
    report.line("  lost", f"{len(missing)}", "= 0", not missing)

    report.line("to submit, one by one", summary(one_by_one(students, "before")))
    with Grading(machine) as grading:
        report.line("to submit, one by one, during a grading run", summary(one_by_one(students, "during")))
    report.line("  runs over the whole class meanwhile", f"{grading.runs}")
    missing = lost(machine, students)
    report.line("  lost", f"{len(missing)}", "= 0", not missing)
    report.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=50)
    size = parser.parse_args().students
    try:
        with hub([f"pw-load-{number:02}" for number in range(size)], []) as machine:
            measure(machine, size)
    except CannotRun as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
