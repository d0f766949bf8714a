"""Takes submissions in: what can be repaired is repaired from the release, the rest is refused with a reason.

Whatever a student did to the notebook, what is graded has the release's cells, in the release's order, with
the student's answers in them and the student's own cells between them.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor

from .sources import defined_names

_LARGEST_NOTEBOOK = 100 << 20  # bytes of the file, most of them in old outputs
_LARGEST_SOURCE = 5 << 20
_MOST_CELLS = 2000
_MOST_OBJECTS = 3_000_000  # as Python's objects, they take fifty times their bytes


class Refused(ValueError):
    """The submission cannot be graded; the text says why."""


@dataclass
class Submission:
    """A submitted notebook, repaired.

    notes  what was repaired, in words for the instructor
    """

    notebook: nbformat.NotebookNode
    notes: list[str] = field(default_factory=list)


def take_in(folder: Path, release: Path) -> Submission:
    """Read what a student handed in.

    folder   the student's
    release  the notebook that was given out
    """
    given = nbformat.read(release, as_version=4)
    path, notes = find(folder, release)
    submission = repair(parse(content(path), path.name), given)
    submission.notes[:0] = notes
    return submission


def repair(submitted: nbformat.NotebookNode, release: nbformat.NotebookNode) -> Submission:
    """The release's notebook with the student's answers and own cells."""
    if (
        len(submitted.cells) > _MOST_CELLS
        or sum(len(cell.source) for cell in submitted.cells) > _LARGEST_SOURCE
    ):
        raise Refused(f"more than {_MOST_CELLS} cells, or {_LARGEST_SOURCE >> 20} MB of text")
    given = {identifier: cell for cell in release.cells if (identifier := _grade_id(cell))}
    matched = _match(submitted.cells, given)
    order: list[str] = []
    answers: dict[str, str] = {}
    own: dict[str, list[nbformat.NotebookNode]] = {"": []}
    notes = []
    for cell, identifier in zip(submitted.cells, matched, strict=True):
        if identifier and identifier not in answers:
            order.append(identifier)
            answers[identifier], own[identifier] = cell.source, []
        elif identifier and not _is_answer(given[identifier]):
            notes.append(f"{identifier}: a copy was left out")
        else:
            if identifier:
                notes.append(f"{identifier}: there are two; both run")
            own[order[-1] if order else ""].append(cell)
    if not answers:
        raise Refused("it has none of the assignment's cells: is it another notebook?")
    if order != [identifier for identifier in given if identifier in answers]:
        notes.append("cells were moved, and are back in order")
    result = copy.deepcopy(release)
    result.cells = [_own_cell(cell) for cell in own[""]]
    for identifier, cell in given.items():
        restored = copy.deepcopy(cell)
        if identifier not in answers:
            notes.append(f"{identifier}: missing, restored")
        elif _is_answer(cell):
            restored.source = answers[identifier]
        elif answers[identifier].split() != cell.source.split():
            notes.append(f"{identifier}: edited, restored")
        result.cells += [restored, *(_own_cell(one) for one in own.get(identifier, []))]
    for number, cell in enumerate(result.cells):
        cell.id = _grade_id(cell) or f"own-{number}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return Submission(result, notes)


class Repair(NbGraderPreprocessor):
    """`repair`, for plain nbgrader."""

    def preprocess(self, nb: nbformat.NotebookNode, resources: Any) -> tuple[nbformat.NotebookNode, Any]:
        entry, course = resources["nbgrader"], CourseDirectory(config=self.config)
        folder = course.format_path(course.release_directory, ".", entry["assignment"])
        release = nbformat.read(Path(folder, f"{entry['notebook']}.ipynb"), as_version=4)
        submission = repair(nb, release)
        for note in submission.notes:
            self.log.warning("%s: %s", entry["student"], note)
        return submission.notebook, resources


def find(folder: Path, release: Path) -> tuple[Path, list[str]]:
    """(the student's notebook, notes): under its name, or else the only one that it can be."""
    if folder.is_symlink():
        raise Refused("its folder is a link")
    path = folder / release.name
    if path.is_symlink():
        raise Refused(f"{path.name} is a link")
    if path.is_file():
        return path, []
    known = {_grade_id(cell) for cell in nbformat.read(release, as_version=4).cells} - {""}
    candidates = []
    for other in sorted(folder.glob("*.ipynb")):
        if other.is_file() and not other.is_symlink():
            try:
                found = {_grade_id(cell) for cell in parse(content(other), other.name).cells}
            except Refused:
                continue
            if len(found & known) > len(known) / 2:
                candidates.append(other)
    if len(candidates) == 1:
        return candidates[0], [f"it is called {candidates[0].name!r}"]
    if candidates:
        raise Refused(f"{path.name} is missing, and several notebooks could be it")
    raise Refused(f"{path.name} is missing")


def content(path: Path) -> bytes:
    """The bytes of a submitted notebook, if they are not too many."""
    size = path.stat().st_size
    if size > _LARGEST_NOTEBOOK:
        raise Refused(f"{path.name} has {size >> 20} MB")
    return path.read_bytes()


def parse(text: bytes, name: str) -> nbformat.NotebookNode:
    """The notebook that a file called `name` holds, without its outputs."""
    try:
        if text.count(b"{") + text.count(b"[") > _MOST_OBJECTS:
            raise Refused(f"{name} has more than {_MOST_OBJECTS:,} parts")
        content = json.loads(text.decode("utf-8"))
        if "cells" in content:
            if len(content["cells"]) > _MOST_CELLS:
                raise Refused(f"{name} has more than {_MOST_CELLS} cells")
            content["cells"], content["metadata"] = [_bare(cell) for cell in content["cells"]], {}
        return nbformat.reads(json.dumps(content), as_version=4)
    except Refused:
        raise
    except (Exception, RecursionError) as error:
        raise Refused(f"{name} is no notebook: {type(error).__name__}: {str(error)[:100]}") from None


def _bare(cell: dict[str, Any]) -> dict[str, Any]:
    """A cell with nothing but its text and what tells which one it is. Outputs are most of a file."""
    kept = {"cell_type": cell["cell_type"], "source": _text(cell["source"]), "metadata": {}}
    metadata = cell.get("metadata") or {}
    nbgrader = metadata.get("nbgrader")
    if isinstance(nbgrader, dict):
        kept["metadata"]["nbgrader"] = {"grade_id": str(nbgrader.get("grade_id", ""))}
    if "id" in metadata:
        kept["metadata"]["id"] = str(metadata["id"])
    if "id" in cell:
        kept["id"] = cell["id"]
    if kept["cell_type"] == "code":
        kept |= {"outputs": [], "execution_count": None}
    return kept


def _text(source: str | list[str]) -> str:
    """The source as one text that can be written: JSON can hold halves of characters."""
    return "".join(source).encode("utf-8", "replace").decode("utf-8")


def _match(cells: list[nbformat.NotebookNode], given: dict[str, nbformat.NotebookNode]) -> list[str]:
    """For each submitted cell the id of the release's cell that it is, or "".

    By nbgrader's metadata; where those are lost, by the cell's id, or by the function that it defines.
    """
    matched = [identifier if (identifier := _grade_id(cell)) in given else "" for cell in cells]
    defines: dict[str, str] = {}
    for identifier, cell in given.items():
        if cell.cell_type == "code" and _is_answer(cell):
            defines |= dict.fromkeys(defined_names(cell.source), identifier)
    for number, cell in enumerate(cells):
        if matched[number]:
            continue
        candidates = [str(cell.get("id", "")), str(cell.metadata.get("id", ""))]
        if cell.cell_type == "code":
            candidates += [defines[name] for name in defined_names(cell.source) if name in defines]
        matched[number] = next((one for one in candidates if one in given and one not in matched), "")
    return matched


def _own_cell(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    make = {
        "code": nbformat.v4.new_code_cell,
        "markdown": nbformat.v4.new_markdown_cell,
    }.get(cell.cell_type, nbformat.v4.new_raw_cell)
    return make(cell.source)


def _grade_id(cell: nbformat.NotebookNode) -> str:
    entry = cell.metadata.get("nbgrader", {})
    return str(entry.get("grade_id", "")) if isinstance(entry, dict) else ""


def _is_answer(cell: nbformat.NotebookNode) -> bool:
    return bool(cell.metadata.nbgrader.get("solution"))
