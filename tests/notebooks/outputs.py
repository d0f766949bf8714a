"""The notebooks that are tested, and the text outputs that are stored for them.

Solution notebooks hold no outputs, and chapters are MyST Markdown. What they should print is kept here, one
file a notebook in `expected/`: for each code cell with outputs its number, a name (id or first line,
for readers, not compared) and its outputs without images.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from jupyter_cache import get_cache
from nbformat import NotebookNode
from nbval.plugin import get_sanitize_patterns

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = Path(__file__).parent / "expected"
#: What solutions find beside themselves: trained networks.
FILES = ROOT / "tests" / "exercises" / "handed_in"
SANITIZE = Path(__file__).parent / "sanitize.cfg"
RECORD = "python -m tests.notebooks.record"
#: Chapters as `make book` executed them. myst-nb's other copy, in `_build/jupyter_execute`, has parts twice.
EXECUTED = ROOT / "_build" / ".jupyter_cache"


class Stale(AssertionError):
    """The stored outputs belong to another version of the notebook."""


def environment(name: str) -> dict[str, str]:
    """Variables for a solution: one thread, and where it finds trained networks, nothing is trained."""
    graded = {"NBGRADER_EXECUTION": "autograde"} if (FILES / name).exists() else {}
    return {"OMP_NUM_THREADS": "1"} | graded


def sources() -> dict[str, Path]:
    """Solution notebooks and chapters with code, by name."""
    found = {path.parent.name: path for path in sorted((ROOT / "solutions").glob("*/*.ipynb"))}
    for path in sorted((ROOT / "book").glob("*.md")):
        if "\nkernelspec:" in path.read_text(encoding="utf-8").split("\n---\n")[0]:
            found[path.stem] = path
    return found


def read(path: Path) -> NotebookNode:
    """The notebook, from either form, without outputs."""
    notebook = jupytext.read(path)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    return notebook


def chapters() -> list[str]:
    """The names of chapters with code."""
    return [name for name, path in sources().items() if path.suffix == ".md"]


def executed(name: str) -> NotebookNode:
    """The chapter as `make book` executed it for the page."""
    wanted = [cell.source for cell in code_cells(read(sources()[name]))]
    for folder in EXECUTED.glob("*/"):
        cache = get_cache(folder)
        for record in sorted(cache.list_cache_records(), key=lambda one: one.accessed, reverse=True):
            if Path(record.uri).stem == name:
                notebook = cache.get_cache_bundle(record.pk).nb
                if [cell.source for cell in code_cells(notebook)] == wanted:
                    return notebook
    raise Stale(f"the book was not built with this version of {name}: run make book")


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def with_expected(notebook: NotebookNode, expected: dict[str, Any], name: str) -> NotebookNode:
    """Put the stored outputs into the notebook's cells."""
    cells = code_cells(notebook)
    if expected["code cells"] != len(cells):
        raise Stale(
            f"{name} has {len(cells)} code cells, the stored outputs are for {expected['code cells']}: "
            f"look at what changed, then record them again with {RECORD} {name}"
        )
    for number, cell in enumerate(cells, 1):
        cell.execution_count = number  # nbval refuses outputs of cells that have never run
    for entry in expected["outputs"]:
        cells[entry["cell"]].outputs = [_output(output) for output in entry["outputs"]]
    return notebook


def expected(name: str) -> dict[str, Any]:
    """What is stored for a notebook."""
    path = EXPECTED / f"{name}.json"
    if not path.exists():
        raise Stale(f"nothing is stored for {name}: record it with {RECORD} {name}")
    return json.loads(path.read_text(encoding="utf-8"))


def to_store(notebook: NotebookNode) -> dict[str, Any]:
    """What to store of an executed notebook."""
    cells = code_cells(notebook)
    entries = []
    for number, cell in enumerate(cells):
        outputs = list(_merged(cell.outputs))
        if outputs:
            entries.append({"cell": number, "name": _name(cell), "outputs": outputs})
    return {"code cells": len(cells), "outputs": entries}


def without_varying(stored: dict[str, Any], notebook: NotebookNode) -> dict[str, Any]:
    """What is stored but for the cells whose outputs differ from machine to machine."""
    cells = code_cells(notebook)
    kept = [
        entry
        for entry in stored["outputs"]
        if "nbval-ignore-output" not in cells[entry["cell"]].metadata.get("tags", [])
    ]
    return stored | {"outputs": kept}


def _name(cell: NotebookNode) -> str:
    """The id that a solution's cell has; chapters have none but random ones: the first line."""
    return cell.id if "-" in cell.get("id", "") else cell.source.strip().split("\n")[0]


def _merged(outputs: Iterable[NotebookNode]) -> Iterable[dict[str, Any]]:
    """Outputs as stored: text as lists of lines, one entry for all that goes to a stream in a row."""
    last = None
    for output in outputs:
        if output.output_type == "stream" and last is not None and last.name == output.name:
            last.text += output.text
        else:
            if last is not None:
                yield _stored({last.name: last.text})
            last = nbformat.from_dict(output) if output.output_type == "stream" else None
            if output.output_type == "error":
                yield {"error": [output.ename, *_sanitized(output.evalue).splitlines()]}
            elif output.output_type != "stream":
                kept = {kind: text for kind, text in output.data.items() if not _ignored(kind)}
                yield _stored(kept) | ({"result": True} if output.output_type == "execute_result" else {})
    if last is not None:
        yield _stored({last.name: last.text})


def _ignored(kind: str) -> bool:
    """What nbval does not compare: pixels and random model ids."""
    return kind in ("image/png", "image/jpeg", "application/vnd.jupyter.widget-view+json")


def _stored(texts: dict[str, str]) -> dict[str, Any]:
    return {kind: _sanitized(text).split("\n") for kind, text in sorted(texts.items())}


def _sanitized(text: str) -> str:
    for pattern, replacement in get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8")):
        text = re.sub(pattern, replacement, text)
    return text


def _output(stored: dict[str, Any]) -> NotebookNode:
    stored = dict(stored)
    kind = "execute_result" if stored.pop("result", False) else "display_data"
    if "error" in stored:
        name, *lines = stored["error"]
        return nbformat.v4.new_output("error", ename=name, evalue="\n".join(lines), traceback=[])
    texts = {key: "\n".join(lines) for key, lines in stored.items()}
    for stream in ("stdout", "stderr"):
        if stream in texts:
            return nbformat.v4.new_output("stream", name=stream, text=texts[stream])
    return nbformat.v4.new_output(kind, data=texts)
