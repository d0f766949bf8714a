"""What the test cells of a set make of an answer, without nbgrader: checks, hidden cases and points."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from autograder import hidden
from pixelwise.checks import Check, CheckFailed

from .answers import Answer
from .course import notebook, problem_sets

_CALL = re.compile(r"^(ps\d)\.(\w+)\(\"?([\w.]+)\"?\)$", re.MULTILINE)


@dataclass
class Result:
    """Points by test cell, the whole that can be had, and what the first failure of each cell said."""

    answer: Answer
    points: dict[str, float] = field(default_factory=dict)
    possible: float = 0.0
    failures: dict[str, CheckFailed] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return sum(self.points.values())

    @property
    def named(self) -> bool:
        """Whether some message says what the bank expects."""
        return any(self.answer.named in " ".join(str(failure).split()) for failure in self.failures.values())


def test_cells(problem_set: str) -> Iterator[tuple[str, Check, str, float]]:
    """(cell id, check, name of the function or of the file, points) of each test cell of a set ("ps2")."""
    module = importlib.import_module(f"pixelwise.checks.{problem_set}")
    for cell in notebook("solutions", problem_sets()[problem_set]).cells:
        entry = cell.metadata.get("nbgrader", {})
        if entry.get("grade") and not entry.get("solution"):
            ((_, check, function),) = _CALL.findall(cell.source)
            yield cell.id, getattr(module, check), function, entry["points"]


def grade(answer: Answer, problem_set: str) -> Result:
    """Run the test cells of the answer's task. An answer to a task that is a file writes it."""
    if not answer.task.endswith(".pt"):
        return _grade(answer, answer.function, problem_set)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        answer.function()
        return _grade(answer, answer.task, problem_set)


def _grade(answer: Answer, given: Any, problem_set: str) -> Result:
    result = Result(answer)
    for cell, check, function, points in test_cells(problem_set):
        if function != answer.task:
            continue
        result.possible += points
        result.points[cell] = 0.0
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                check(given)
            hidden.check(check, given)
        except CheckFailed as failure:
            result.failures[cell] = failure
        else:
            result.points[cell] = points
    return result
