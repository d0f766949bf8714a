"""Grades the same submissions with our runner, plain nbgrader and otter-grader.

    python -m benchmarks.grading

Half of the submissions are right, half make one mistake. There are two problem sets: number 2, and a small
one, made from the template for new sets, whose tests cost next to nothing: what is left is the grader's own.

The runner grades with sandbox and trusted tests. Plain nbgrader has nothing of `autograder` but the hidden
tests. Otter gets the same tests in its own form, and as many processes at a time as we have workers, by
`otter run`: without containers. Each starts from nothing, in a copy of the course, and all must give the same
points. Exits with 1 where they do not, or where a limit is broken.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil

from autograder.authoring import new
from benchmarks import otter
from benchmarks.report import Report
from tests.exercises.course import copy_course, nbgrader, scores

LARGE, SMALL = "ps2_transposed_convolution", "ps9_mean_filter"
#: The mistake that half of the submissions make: cell id, what stands there, what they write.
MISTAKES = {
    LARGE: ("conv-transpose2d", "] += copies", "] = copies"),
    SMALL: ("mean-filter", ".mean(dim", ".sum(dim"),
}
LEAST = {20: 6.0, 100: 12.0}  # submissions → how many times as fast as plain nbgrader the runner has to be
MOST_PROCESSOR, MOST_MEMORY = 0.35, 50  # where tests are small: seconds for each, MB for each kernel
OTTER = 10  # of the submissions, as its time for each does not depend on their number
PLAIN = """
c = get_config()
c.CourseDirectory.course_id = "pixelwise"
c.CourseDirectory.root = {root!r}
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.ClearSolutions.code_stub = {{"python": "raise NotImplementedError()"}}
import os, sys
os.environ["PYTHONPATH"] = {root!r}
os.environ["PATH"] = {scripts!r} + os.pathsep + os.environ["PATH"]
os.environ["OMP_NUM_THREADS"] = "1"
"""


@dataclass
class Measured:
    """What a run took.

    clock, processor  seconds
    kernels           the most private memory of each, in MB
    """

    clock: float
    processor: float
    kernels: list[float] = field(default_factory=list)


def class_of(size: int, folder: Path, problem_set: str, plain: bool = False) -> Path:
    """A course with `size` submissions, and its gradebook."""
    course = copy_course(folder)
    if problem_set == SMALL:
        new.make(course, SMALL)
    if plain:
        scripts = str(Path(sys.executable).parent)
        (course / "nbgrader_config.py").write_text(PLAIN.format(root=str(course), scripts=scripts))
    nbgrader(course, "generate_assignment", problem_set, "--force", "--create")
    changed, old, mistake = MISTAKES[problem_set]
    right = nbformat.read(solution(course, problem_set), as_version=4)
    answers = {
        cell.id: cell.source for cell in right.cells if cell.metadata.get("nbgrader", {}).get("solution")
    }
    assert old in answers[changed]
    mistaken = answers | {changed: answers[changed].replace(old, mistake)}
    (release,) = (course / "exercises" / problem_set).glob("*.ipynb")
    for number in range(size):
        given = nbformat.read(release, as_version=4)
        for cell in given.cells:
            cell.source = (mistaken if number % 2 else answers).get(cell.id, cell.source)
        target = course / "submitted" / f"student-{number:04}" / problem_set / release.name
        target.parent.mkdir(parents=True)
        nbformat.write(given, target)
    return course


def _entry(cell: nbformat.NotebookNode) -> dict[str, Any]:
    return cell.metadata.get("nbgrader", {})


def solution(course: Path, problem_set: str) -> Path:
    (path,) = (course / "solutions" / problem_set).glob("*.ipynb")
    return path


def measured(command: list[str], course: Path) -> Measured:
    """Run a command that grades; exits where it fails."""
    before, start = _processor(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        running = subprocess.Popen(command, cwd=course, stdout=said, stderr=said)
        with _watched(running.pid) as kernels:
            running.wait()
        clock = time.perf_counter() - start
        if running.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)}\n{said.read()[-3000:]}")
    return Measured(clock, _processor() - before, list(kernels.values()))


def by_us(course: Path, problem_set: str, workers: int) -> Measured:
    return measured(
        [sys.executable, "-m", "autograder", "grade", problem_set, "--workers", str(workers)], course
    )


def by_plain_nbgrader(course: Path, problem_set: str) -> Measured:
    return measured([sys.executable, "-m", "nbgrader", "autograde", problem_set], course)


def by_otter(course: Path, problem_set: str, workers: int) -> tuple[Measured, dict[str, float]]:
    """Also the points of each student."""
    package = course / "autograder.zip"
    otter.autograder(solution(course, problem_set), package)
    submissions = sorted((course / "submitted").glob(f"*/{problem_set}/*.ipynb"))[:OTTER]
    results = {path.parent.parent.name: course / "otter" / path.parent.parent.name for path in submissions}
    environment = {**os.environ, "PYTHONPATH": str(course), "OMP_NUM_THREADS": "1"}

    def run(path: Path) -> None:
        folder = results[path.parent.parent.name]
        folder.mkdir(parents=True)
        command = otter.command(package, path, folder)
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{(done.stdout + done.stderr)[-3000:]}")

    before, start = _processor(), time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, submissions))
    took = Measured(time.perf_counter() - start, _processor() - before)
    return took, {student: otter.points(folder) for student, folder in results.items()}


def compare(report: Report, problem_set: str, size: int, workers: int, beside: bool = True) -> None:
    """Measure one class. `beside`: whether the others grade it, too."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        course = class_of(size, folder / "ours", problem_set)
        ours, points = by_us(course, problem_set, workers), scores(course, problem_set)
        small = problem_set == SMALL and size > 1
        report.line(f"{problem_set}, {size} submissions: seconds for each", f"{ours.clock / size:.2f}")
        kept = not small or ours.processor / size <= MOST_PROCESSOR
        limit = f"≤ {MOST_PROCESSOR:g} s" if small else ""
        report.line("  processor seconds for each", f"{ours.processor / size:.2f}", limit, kept)
        if ours.kernels:
            memory = statistics.median(ours.kernels)
            limit, kept = (f"≤ {MOST_MEMORY} MB", memory <= MOST_MEMORY) if small else ("", True)
            report.line("  private memory of a kernel", f"{memory:.0f} MB", limit, kept)
        if not beside:
            return
        course = class_of(size, folder / "plain", problem_set, plain=True)
        plain = by_plain_nbgrader(course, problem_set)
        least = LEAST.get(size, 0.0)
        limit = f"≥ {least:g} ×" if least else ""
        faster = plain.clock / ours.clock
        report.line("  plain nbgrader, seconds for each", f"{plain.clock / size:.2f}")
        report.line("    processor seconds for each", f"{plain.processor / size:.2f}")
        report.line("    times as long as ours", f"{faster:.1f} ×", limit, faster >= least)
        same = scores(course, problem_set) == points
        report.line("    the same points", "yes" if same else "no", "", same)
        others, otters = by_otter(course, problem_set, workers)
        report.line("  otter-grader, seconds for each", f"{others.clock / len(otters):.2f}")
        report.line("    processor seconds for each", f"{others.processor / len(otters):.2f}")
        faster = (others.clock / len(otters)) / (ours.clock / size)
        report.line("    times as long as ours", f"{faster:.1f} ×")
        same = otters == {student: sum(points[student].values()) for student in otters}
        report.line("    the same points", "yes" if same else "no", "", same)
    finally:
        shutil.rmtree(folder)


def _processor() -> float:
    """Seconds that all processors were busy, with whatever: children that are killed in a namespace of their
    own are in nobody's resource usage. So nothing else may run meanwhile."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice


@contextlib.contextmanager
def _watched(process: int) -> Iterator[dict[int, float]]:
    """The most private memory, in MB, of each kernel that `process` has forked, by process id."""
    seen: dict[int, float] = {}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.5):  # to look takes time, too
            for kernel in _kernels(process):
                with contextlib.suppress(OSError):  # it has ended, or may not be looked at
                    lines = Path(f"/proc/{kernel}/smaps_rollup").read_text().splitlines()
                    private = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
                    seen[kernel] = max(seen.get(kernel, 0.0), private / 1024)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _kernels(ancestor: int) -> list[int]:
    """Below the warm process stand guardians, and below each of them its kernel."""
    parents: dict[int, int] = {}
    forked: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if (folder / "cmdline").read_bytes().split(b"\0")[1:3] == [b"-m", b"inside.zygote"]:
                forked.add(int(folder.name))

    def line(process: int) -> list[int]:
        above = parents.get(process, 0)
        return [process, *line(above)] if above else [process]

    return [
        one
        for one in forked
        if ancestor in (above := line(one)) and len(above) > 2 and {above[1], above[2]} <= forked
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.grading", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--submissions", type=int, nargs="+", default=[20, 100], help="sizes of the class")
    parser.add_argument("--sets", nargs="+", choices=[LARGE, SMALL], default=[LARGE])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--alone", action="store_true", help="without the others: how it grows to 1,000")
    given = parser.parse_args()
    report = Report()
    for problem_set in given.sets:
        compare(report, problem_set, 1, given.workers, beside=False)  # what is left is the start
        for size in given.submissions:
            compare(report, problem_set, size, given.workers, beside=not given.alone)
    report.close()


if __name__ == "__main__":
    main()
