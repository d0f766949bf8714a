"""Right and wrong answers to the tasks of the problem sets, as students might write them.

    python -m tests.exercises.answers        print which points each answer gets, and what its message says

Each module holds the answers to one set. A right answer has to keep all points, every other one has to lose
some; `named` is a part of the message that has to be there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
