"""Edit a solution notebook as a text file.

    python -m autograder to-text solutions/ps2_…/….ipynb ps2.py
    python -m autograder to-notebook ps2.py solutions/ps2_…/….ipynb

The text is jupytext's percent format. Each cell's head gives its id and its kind, from which nbgrader's
metadata follow:

    # %% [markdown] id="intro" kind="text"                  read only for students
    # %% id="overlaps" kind="tests" points=2                graded automatically
    # %% id="conv-transpose2d" kind="solution"              students write it
    # %% [markdown] id="checkerboard" kind="answer" points=4   students write it, a person grades it
    # %% id="picture" kind="free"                           students may change it, nbgrader ignores it

Notebooks are written without outputs, with the ids as given, the same bytes for the same text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
import nbformat

_KINDS = {  # (grade, solution, locked)
    "text": (False, False, True),
    "tests": (True, False, True),
    "solution": (False, True, False),
    "answer": (True, True, False),
    "free": None,
}
_KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def as_notebook(text: str) -> nbformat.NotebookNode:
    """The notebook that a text in the percent format stands for."""
    notebook = jupytext.reads(text, "py:percent")
    for number, cell in enumerate(notebook.cells, 1):
        identifier, kind = cell.metadata.pop("id", None), cell.metadata.pop("kind", None)
        if not identifier or kind not in _KINDS:
            raise ValueError(
                f'cell {number} needs id="…" and kind="…", one of {", ".join(_KINDS)}:\n{cell.source[:200]}'
            )
        cell.id = identifier
        points = cell.metadata.pop("points", None)
        cell.metadata = nbformat.from_dict({})  # jupytext's notes on blank lines
        if (points is not None) != (kind in ("tests", "answer")):
            raise ValueError(
                f"cell {identifier}: points belong to cells of the kinds tests and answer, and only to them"
            )
        if _KINDS[kind]:
            cell.metadata["nbgrader"] = _nbgrader(identifier, _KINDS[kind], points)
    identifiers = [cell.id for cell in notebook.cells]
    if twice := {name for name in identifiers if identifiers.count(name) > 1}:
        raise ValueError(f"cell ids used twice: {', '.join(sorted(twice))}")
    notebook.metadata = nbformat.from_dict({"kernelspec": _KERNEL, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def convert(source: Path, target: Path, to_text: bool) -> None:
    """Write a notebook as text, or text as a notebook."""
    if to_text:
        target.write_text(as_text(nbformat.read(source, as_version=4)), encoding="utf-8")
    else:
        write(as_notebook(source.read_text(encoding="utf-8")), target)


def as_text(notebook: nbformat.NotebookNode) -> str:
    """The notebook as text in the percent format, with the short heads of cells."""
    kinds = {flags: kind for kind, flags in _KINDS.items()}
    for cell in notebook.cells:
        nbgrader = cell.metadata.pop("nbgrader", None)
        flags = (nbgrader["grade"], nbgrader["solution"], nbgrader["locked"]) if nbgrader else None
        cell.metadata = nbformat.from_dict({"id": cell.id, "kind": kinds[flags]})
        if nbgrader and "points" in nbgrader:
            cell.metadata["points"] = nbgrader["points"]
    notebook.metadata = nbformat.from_dict({"jupytext": {"notebook_metadata_filter": "-all"}})
    return jupytext.writes(notebook, "py:percent")


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write the notebook without outputs."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def _nbgrader(identifier: str, flags: tuple[bool, bool, bool], points: float | None) -> dict[str, Any]:
    grade, solution, locked = flags
    entry = {"grade": grade, "grade_id": identifier, "locked": locked, "schema_version": 3}
    if points is not None:
        entry["points"] = points
    return entry | {"solution": solution, "task": False}
