"""Print the table of answers: points, and the first line that says what is wrong."""

import importlib
import sys
import time

import torch

from ..course import problem_sets
from ..grade import grade
from . import MISREADINGS


def main(problem_sets: list[str]) -> None:
    torch.set_num_threads(1)  # the cases are small: threads would only wait for each other
    for problem_set in problem_sets:
        start = time.perf_counter()
        answers = importlib.import_module(f"tests.exercises.answers.{problem_set}").ANSWERS
        named = misread = 0
        print(f"{'task':27} {'answer':30} {'kind':11} points   message")
        for answer in answers:
            result = grade(answer, problem_set)
            message = _message(result)
            print(
                f"{answer.task:27} {answer.name:30} {answer.kind:11} {result.total:2g} of "
                f"{result.possible:2g} {message}"
            )
            if answer.kind in MISREADINGS:
                misread += 1
                named += bool(answer.named and result.named)
        seconds = time.perf_counter() - start
        print(
            f"{problem_set}: {len(answers)} answers, {named} of {misread} misreadings named, {seconds:.0f} s"
        )


def _message(result) -> str:
    """The first sentence after the title of the first failure; ?? before it if it is not the expected one."""
    if not result.failures:
        return ""
    failure = next(
        (one for one in result.failures.values() if result.answer.named in " ".join(str(one).split())), None
    )
    chosen = failure or next(iter(result.failures.values()))
    paragraphs = str(chosen).split("\n\n")
    return ("" if failure else "?? ") + " ".join(paragraphs[1].split())[:110]


if __name__ == "__main__":
    main(sys.argv[1:] or list(problem_sets()))
