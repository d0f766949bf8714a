"""Right and wrong answers to the tasks of the problem sets, as students might write them.

    python -m tests.exercises.answers        print which points each answer gets, and what its message says

Each module holds the answers to one set. A right answer has to keep all points, every other one has to lose
some; `named` is a part of the message that has to be there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import torch

from pixelwise.checks import Check

#: Kinds whose message ought to name the misunderstanding.
MISREADINGS = ("misreading", "off by one", "axis swap")


@dataclass(frozen=True)
class Answer:
    """An answer to the task `task`.

    kind   "right", one of MISREADINGS, "cheat", "hard-coded", "broken" or "unsolved"
    named  what its message has to say, in part
    """

    task: str
    kind: str
    function: Callable[..., Any]
    named: str = ""

    @property
    def name(self) -> str:
        return self.function.__name__.strip("_")


class Bank(list[Answer]):
    """The answers to one set."""

    def add(self, task: str, kind: str, named: str = "") -> Callable[[Callable], Callable]:
        """A decorator that puts an answer into the bank."""

        def put(function: Callable) -> Callable:
            self.append(Answer(task, kind, function, named))
            return function

        return put


@dataclass
class PublicResults:
    """What a student can collect and look up: every public case of a task with its right result."""

    checks: ModuleType
    task: str

    def get(self, **arguments: Any) -> torch.Tensor:
        """The result for these arguments, or zeros."""
        return self._results.get(self._key(arguments), torch.zeros(1))

    @cached_property
    def _results(self) -> dict[str, torch.Tensor]:
        checks = [value for value in vars(self.checks).values() if isinstance(value, Check)]
        cases = [(one.task, case) for one in checks if one.task.name == self.task for case in one.cases]
        return {
            self._key(case.arguments | case.settings): case.copy().call(task.right) for task, case in cases
        }

    @staticmethod
    def _key(arguments: dict[str, Any]) -> str:
        """The arguments that are not at their default, as text."""
        defaults = {"bias": None, "stride": 1, "padding": 0}
        given = {k: v for k, v in arguments.items() if k not in defaults or v is not defaults[k]}
        tensors = (v.tolist() if isinstance(v, torch.Tensor) and not v.is_meta else v for v in given.values())
        return str([*given, *tensors])
