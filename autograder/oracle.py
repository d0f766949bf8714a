"""The oracle: the functions of the solution notebooks, for hidden cases to compare with."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

SOLUTIONS = Path(__file__).resolve().parent.parent / "solutions"
_held: dict[str, dict[str, str]] = {}


def hold(assignment: str, solutions: dict[str, str]) -> None:
    """Use these solution notebooks (JSON, by name) for an assignment, and no files."""
    _held[assignment] = solutions
    namespace.cache_clear()


def notebooks(problem_set: str) -> dict[str, nbformat.NotebookNode]:
    """The solution notebooks of a set, by name.

    problem_set  the folder's name or its beginning: "ps2" finds solutions/ps2_transposed_convolution
    """
    for assignment, solutions in _held.items():
        if assignment.startswith(problem_set):
            return {name: nbformat.reads(text, as_version=4) for name, text in solutions.items()}
    paths = sorted(SOLUTIONS.glob(f"{problem_set}*/*.ipynb"))
    return {path.stem: nbformat.read(path, as_version=4) for path in paths}


@cache
def namespace(problem_set: str) -> dict[str, Any]:
    """What the imports and the solution cells of a set define; `problem_set` as for `notebooks`."""
    names: dict[str, Any] = {"__name__": f"solution_{problem_set}"}
    for title, notebook in notebooks(problem_set).items():
        for cell in notebook.cells:
            wanted = cell.id == "setup" or cell.metadata.get("nbgrader", {}).get("solution")
            if cell.cell_type == "code" and wanted:
                name = f"<{title}, cell {cell.id}>"
                linecache.cache[name] = (len(cell.source), None, cell.source.splitlines(True), name)
                exec(compile(cell.source, name, "exec"), names)
    if len(names) < 3:
        raise FileNotFoundError(f"No solution notebook for {problem_set!r} in {SOLUTIONS}")
    return names


def function(problem_set: str, name: str) -> Callable[..., Any]:
    """The solution of one task."""
    return namespace(problem_set)[name]
