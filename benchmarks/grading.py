"""Grades the same submissions with our runner and with plain nbgrader: `python -m benchmarks.grading`.

Half of the submissions to problem set 2 are right, half make one mistake. The runner grades with sandbox and
trusted tests, by two workers; plain nbgrader has nothing of `autograder` but the hidden tests. Both start
from nothing, in a copy of the course, and must give the same points. Exits with 1 where they do not, or where
a limit is broken.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Report
from tests.exercises.course import answers, copy_course, nbgrader, scores, submission, submit

SET = "ps2_transposed_convolution"
LEAST = {20: 6.0, 100: 12.0}  # submissions → how many times as fast the runner has to be
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


def class_of(size: int, folder: Path, plain: bool) -> Path:
    """A course with `size` submissions, and its gradebook."""
    course = copy_course(folder)
    if plain:
        scripts = str(Path(sys.executable).parent)
        (course / "nbgrader_config.py").write_text(PLAIN.format(root=str(course), scripts=scripts))
    nbgrader(course, "generate_assignment", SET, "--force", "--create")
    right = answers(SET)
    mistaken = right | {"conv-transpose2d": right["conv-transpose2d"].replace("] += copies", "] = copies")}
    for number in range(size):
        submit(course, f"student-{number:04}", submission(mistaken if number % 2 else right, SET), SET)
    return course


def measured(command: list[str], course: Path) -> tuple[float, float]:
    """Seconds on the clock, and of all processors."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=course, capture_output=True, text=True)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{(done.stdout + done.stderr)[-3000:]}")
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.grading", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    size, report = given.submissions, Report()
    runner = [sys.executable, "-m", "autograder", "grade", SET, "--workers", str(given.workers)]
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        ours, plain = class_of(size, folder / "ours", False), class_of(size, folder / "plain", True)
        clock, processor = measured(runner, ours)
        plain_clock, plain_processor = measured([sys.executable, "-m", "nbgrader", "autograde", SET], plain)
        same = scores(ours, SET) == scores(plain, SET)
    finally:
        shutil.rmtree(folder)
    least = LEAST.get(size)
    ratio = plain_clock / clock
    report.line(f"{size} submissions, seconds for each", f"{clock / size:.2f}")
    report.line("  plain nbgrader", f"{plain_clock / size:.2f}")
    limit, kept = (f"≥ {least:g} ×", ratio >= least) if least else ("", True)
    report.line("  faster", f"{ratio:.1f} ×", limit, kept)
    report.line("processor seconds for each", f"{processor / size:.2f}")
    report.line("  plain nbgrader", f"{plain_processor / size:.2f}")
    report.line("the same points", "yes" if same else "no", "", same)
    report.close()


if __name__ == "__main__":
    main()
