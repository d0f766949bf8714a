"""An assignment that is corrected in mid-term: points changed, tests corrected, cells added or removed.

nbgrader refuses to add or remove cells once somebody has handed in. Here the gradebook follows the corrected
notebook: what was graded stays, a new cell waits to be graded, and a removed one goes with its points.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Comment, Grade, Gradebook, MissingEntry, Notebook
from nbgrader.preprocessors import SaveCells
from nbgrader.utils import is_grade, is_solution

_KINDS = ("grade", "solution", "task", "source")
_ROWS = {"grade": (Grade,), "solution": (Comment,), "task": (Grade, Comment), "source": ()}


class SaveCorrectedCells(SaveCells):
    """As nbgrader's, also where there are submissions."""

    def _create_notebook(self, nb: nbformat.NotebookNode) -> None:
        try:
            known = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        except MissingEntry:
            known = None
        if known and known.submissions:
            for kind in _KINDS:
                self._follow(known, kind, getattr(self, f"new_{kind}_cells"))
        super()._create_notebook(nb)

    def _follow(self, notebook: Notebook, kind: str, cells: dict[str, dict[str, Any]]) -> None:
        """Remove and add cells of a kind in the gradebook, with the rows of each submission for them."""
        known = {cell.name: cell for cell in getattr(notebook, f"{kind}_cells")}
        submissions = list(notebook.submissions)
        for name in known.keys() - cells.keys():
            self.log.warning("%s: the cell %s is gone, and what was graded in it", self.assignment_id, name)
            for rows in (getattr(known[name], "grades", None), getattr(known[name], "comments", None)):
                for row in list(rows or ()):
                    self.gradebook.db.delete(row)
            self.gradebook.db.flush()
            self.gradebook.db.delete(known[name])
        for name in cells.keys() - known.keys():
            make = getattr(self.gradebook, f"update_or_create_{kind}_cell")
            cell = make(name, self.notebook_id, self.assignment_id, **cells[name])
            for submission in submissions:
                for row in _ROWS[kind]:
                    self.gradebook.db.add(row(cell_id=cell.id, notebook=submission))
        self.gradebook.db.commit()


def is_known(gradebook: Gradebook, assignment: str, source: Path) -> bool:
    """Whether the gradebook has the cells, the points and the tests of the solution notebook `source`."""
    try:
        notebook = gradebook.find_notebook(source.stem, assignment)
    except MissingEntry:
        return False
    cells = _cells(source)
    points = {name: _points(cell) for name, cell in cells.items() if _points(cell) is not None}
    tests = {name: cell.source for name, cell in cells.items() if is_grade(cell) and not is_solution(cell)}
    return (
        {cell.name for cell in notebook.source_cells} == cells.keys()
        and {cell.name: cell.max_score for cell in notebook.grade_cells} == points
        and {cell.name: cell.source for cell in notebook.source_cells if cell.name in tests} == tests
    )


def differs(source: Path, release: Path) -> str:
    """What `make exercises` has not brought into the release yet, in words; "" if nothing."""
    ours, given = _cells(source), _cells(release)
    if ours.keys() != given.keys():
        return f"the cells {', '.join(sorted(ours.keys() ^ given.keys()))}"
    changed = [name for name, cell in ours.items() if _points(cell) != _points(given[name])]
    return f"the points of {', '.join(changed)}" if changed else ""


def _cells(path: Path) -> dict[str, nbformat.NotebookNode]:
    cells = nbformat.read(path, as_version=4).cells
    return {cell.metadata.nbgrader.grade_id: cell for cell in cells if "nbgrader" in cell.metadata}


def _points(cell: nbformat.NotebookNode) -> float | None:
    return cell.metadata.nbgrader.get("points")
