"""The instructor's commands.

python -m autograder grade ps2_transposed_convolution     every submission of an assignment
python -m autograder report ps2_transposed_convolution    how the class did, as a page
python -m autograder new ps6_mean_filter                  a new problem set, to be filled
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .course import CannotGrade, Course
from .runner import grade
from .sandbox import Unavailable
from .table import table


def main() -> int:
    """0: all are graded; 1: some could not be; 2: it could not start or go on; 130: stopped with Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m autograder", description="What an instructor does here.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("grade", help="grade what lies in submitted/ and is not graded yet")
    for other, text in {"report": "write a page on how the class did", "new": "make a problem set"}.items():
        commands.add_parser(other, help=text).add_argument(
            "assignment", help="the folder's name, ps6_mean_filter"
        )
    command.add_argument("assignment", help="the folder's name, ps2_transposed_convolution")
    command.add_argument("--workers", type=int, default=0, help="how many at a time (all cores)")
    command.add_argument("--scheduler", metavar="ADDRESS", help="let a Dask cluster do it: tcp://…:8786")
    command.add_argument("--only", nargs="+", default=[], metavar="STUDENT", help="these students alone")
    command.add_argument("--force", action="store_true", help="grade again what is graded")
    command.add_argument("--dry-run", action="store_true", help="only say what would be graded")
    command.add_argument("--unsafe", action="store_true", help="without a sandbox, for code that you trust")
    given = parser.parse_args()
    try:
        if given.command == "new":
            from . import new

            print(new.make(Path.cwd(), given.assignment))
            return 0
        course = Course.at(Path.cwd(), given.assignment)
        if given.command == "report":
            from . import report

            print(f"The report is at {report.write(course).as_uri()}")
            return 0
        results = grade(
            course,
            given.only,
            given.workers,
            given.force,
            given.dry_run,
            given.unsafe,
            scheduler=given.scheduler,
        )
    except (CannotGrade, Unavailable) as reason:
        print(reason, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nStopped. What was graded is recorded; the same command goes on with the rest.", file=sys.stderr
        )
        return 130
    print(table(results, given.dry_run))
    return int(any(one.failed for one in results))


if __name__ == "__main__":
    sys.exit(main())
