"""Graded cells run here, in the grader's process; the student's objects stay in the sandbox.

A graded cell's source comes from the solution notebook, never from the submission. Names that it does not
define itself are the student's: a number or a tensor is fetched as data, a function or a class becomes a
`StudentObject`, through which the checks reach it (`pixelwise.checks.remote`). So no patched library, import
hook or look at the stack in the submission comes near a test, an expected value or a score.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import traceback
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

import nbformat
from nbformat.v4 import new_output

from pixelwise.checks import CheckFailed
from pixelwise.checks.case import Case
from pixelwise.checks.observe import observe

from .. import oracle
from .sources import definition

#: (name, "module:function" or None to look only, arguments, settings) → (status, value)
Ask = Callable[[str, str | None, Sequence[Any], dict[str, Any]], tuple[str, Any]]


class KernelEnded(Exception):
    """The kernel is gone, or had to go. The text is a sentence for the student."""


class StudentObject:
    """A student's function or class, in the sandbox.

    texts  the code cells that ran, as the student wrote them
    """

    def __init__(self, name: str, ask: Ask, texts: Sequence[str]):
        self.__name__, self._ask, self._texts = name, ask, texts

    def run_beside(self, function: str, arguments: Sequence[Any], settings: dict[str, Any]) -> Any:
        return _value(self.__name__, *self._ask(self.__name__, function, arguments, settings))

    def source_text(self) -> str:
        return _definition(tuple(self._texts), self.__name__)

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        named = {str(number): value for number, value in enumerate(arguments)}
        seen = observe(self, Case(named, settings))
        if seen.unsolved:
            raise CheckFailed(f"✗ {self.__name__} still raises NotImplementedError.", self.__name__)
        if seen.error:
            raise CheckFailed(f"✗ {self.__name__} raised an error:\n    {seen.error}", self.__name__)
        return seen.value


_definition = lru_cache(maxsize=100)(definition)  # several graded cells ask for the same


class _Names(dict):
    """The names of a graded cell; those it does not define are the student's."""

    def __init__(self, ask: Ask, texts: Sequence[str]):
        super().__init__(__builtins__=builtins, __name__="graded_cell")
        self._ask, self._texts = ask, texts

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)  # Python looks there next
        status, value = self._ask(name, None, [], {})
        if status == "callable":
            self[name] = StudentObject(name, self._ask, self._texts)
            return self[name]
        return _value(name, status, value)


@cache
def graded_cells(assignment: str, notebook: str) -> dict[str, str]:
    """The sources of the automatically graded cells of a solution notebook, hidden tests included, by id."""
    cells = oracle.notebooks(assignment)[notebook].cells
    return {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in cells
        if cell.cell_type == "code" and is_graded(cell)
    }


def rehearse(assignment: str, notebook: str) -> None:
    """Run the graded cells on the solutions, so that the first submission waits no longer than the others for
    hidden cases, for what is right in them, and for what PyTorch imports when it is needed."""
    solutions = oracle.namespace(assignment.partition("_")[0])
    for source in graded_cells(assignment, notebook).values():
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(source, "<graded cell>", "exec"), dict(solutions))


def is_graded(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell is graded automatically: it earns points, and students do not write it."""
    entry = cell.metadata.get("nbgrader", {})
    return bool(entry.get("grade")) and not entry.get("solution")


def run(source: str, ask: Ask, texts: Sequence[str]) -> tuple[list[nbformat.NotebookNode], str]:
    """(what the graded cell shows, a traceback for the instructor if it is the course that failed).

    texts  the code cells before it, as the student wrote them
    """
    printed, problem = io.StringIO(), ""
    outputs: list[nbformat.NotebookNode] = []
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(source, "<graded cell>", "exec"), _Names(ask, texts))
    except CheckFailed as failed:
        outputs = [failure(str(failed), failed._render_traceback_())]
    except KernelEnded as ended:
        outputs = [failure(str(ended))]
    except Exception:
        problem = traceback.format_exc()
        outputs = [failure("This check could not be completed. Your instructor can see why.")]
    if printed.getvalue():
        outputs.insert(0, new_output("stream", name="stdout", text=printed.getvalue()))
    return outputs, problem


def failure(text: str, lines: Sequence[str] = ()) -> nbformat.NotebookNode:
    """An output that costs the cell's points and says why."""
    return new_output("error", ename="CheckFailed", evalue=text, traceback=list(lines) or [text])


def _value(name: str, status: str, value: Any) -> Any:
    if status == "data":
        return value
    if status == "undefined":
        text = f"✗ `{name}` is not defined. Its cell is missing, or did not run through."
    elif status == "interrupted":
        text = f"✗ {name} did not finish in time, and was stopped. Is there a loop that does not end?"
    else:
        text = f"✗ {name} raised an error:\n    {str(value).strip()}"
    raise CheckFailed(text, name, "error")
