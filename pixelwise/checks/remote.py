"""Students' objects that live in another process.

A grader that runs students' code in a sandbox runs the checks outside it. What a check is given is then a
`Remote`: a name, and a way to run functions of this package beside the object that has it. Only data crosses:
tensors, numbers, text, lists, and the records that are made of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Remote(Protocol):
    """A student's object in another process."""

    def run_beside(self, function: str, arguments: Sequence[Any], settings: dict[str, Any]) -> Any:
        """What `function(object, *arguments, **settings)` returns there.

        function  where it is defined, "module:name", within pixelwise.checks
        """

    def source_text(self) -> str:
        """The notebook's code that defines the object and what it uses."""


def beside(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function whose first argument is a student's object: it runs in the process of that object.

    Its other arguments and its result have to be data, and it has to stand at the top of its module.
    """
    where = f"{function.__module__}:{function.__name__}"

    @functools.wraps(function)
    def wherever(student: Any, *arguments: Any, **settings: Any) -> Any:
        if isinstance(student, Remote):
            return student.run_beside(where, arguments, settings)
        return function(student, *arguments, **settings)

    return wherever
