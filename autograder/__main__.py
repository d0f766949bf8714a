"""The instructor's commands.

python -m autograder grade ps2_transposed_convolution     every submission of an assignment
python -m autograder report ps2_transposed_convolution    how the class did, as a page
python -m autograder new ps6_mean_filter                  a new problem set, to be filled
python -m autograder to-text solutions/….ipynb ps2.py     a notebook as text, to be edited
python -m autograder to-notebook ps2.py solutions/….ipynb and back
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .course import CannotGrade, Course
from .grading.runner import grade
from .grading.table import table
from .sandbox.outside import Unavailable


def main() -> int:
    """0: all are graded; 1: some could not be; 2: it could not start or go on; 130: stopped with Ctrl-C."""
    given = _parser().parse_args()
    try:
        return given.run(given)
    except (CannotGrade, Unavailable) as reason:
        print(reason, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nStopped. What was graded is recorded; the same command goes on with the rest.", file=sys.stderr
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m autograder", description="What an instructor does here.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("grade", help="grade what lies in submitted/ and is not graded yet")
    command.set_defaults(run=_grade)
    command.add_argument("assignment", help="the folder's name, ps2_transposed_convolution")
    command.add_argument("--workers", type=int, default=0, help="how many at a time (all cores)")
    command.add_argument("--scheduler", metavar="ADDRESS", help="let a Dask cluster do it: tcp://…:8786")
    command.add_argument("--only", nargs="+", default=[], metavar="STUDENT", help="these students alone")
    command.add_argument("--force", action="store_true", help="grade again what is graded")
    command.add_argument("--dry-run", action="store_true", help="only say what would be graded")
    command.add_argument("--unsafe", action="store_true", help="without a sandbox, for code that you trust")
    for name, run, text in (
        ("report", _report, "write a page on how the class did"),
        ("new", _new, "make a problem set"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        command.add_argument("assignment", help="the folder's name, ps6_mean_filter")
    for name, text in (
        ("to-text", "write a notebook of solutions/ as text, to be edited"),
        ("to-notebook", "make a notebook of edited text"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=_convert)
        command.add_argument("source", type=Path)
        command.add_argument("target", type=Path)
    return parser


def _grade(given: argparse.Namespace) -> int:
    results = grade(
        Course.at(Path.cwd(), given.assignment),
        given.only,
        given.workers,
        given.force,
        given.dry_run,
        given.unsafe,
        scheduler=given.scheduler,
    )
    print(table(results, given.dry_run))
    return int(any(one.failed for one in results))


# What the others need takes a second or two to import: `grade` does not wait for it.


def _report(given: argparse.Namespace) -> int:
    from .pages import report

    print(f"The report is at {report.write(Course.at(Path.cwd(), given.assignment)).as_uri()}")
    return 0


def _new(given: argparse.Namespace) -> int:
    from .authoring import new

    print(new.make(Path.cwd(), given.assignment))
    return 0


def _convert(given: argparse.Namespace) -> int:
    from .authoring import edit

    try:
        edit.convert(given.source, given.target, to_text=given.command == "to-text")
    except (ValueError, OSError) as reason:
        print(reason, file=sys.stderr)
        return 2
    print(f"{given.source} → {given.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
