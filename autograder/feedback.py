"""What students get back, and what the formgrader shows: nothing of a submission that a browser would run or
fetch, and in feedback no hidden test.

nbconvert passes HTML and scripts in outputs and in text through, as Jupyter does for one's own notebooks.
Others than the author open these pages, and in the formgrader a script would have the instructor's rights.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

_PICTURES = ("image/png", "image/jpeg")
_HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS\n.*?^### END HIDDEN TESTS$", re.DOTALL | re.MULTILINE)
# Commands with which an equation becomes a link or an element with attributes.
_COMMANDS = re.compile(r"\\(href|require|class|cssId|style|html\w*|unicode|def|let|newcommand)\b")
_SCHEMES = re.compile(r"(javascript|vbscript|data):", re.IGNORECASE)


class SafeFeedback(NbGraderPreprocessor):
    """Leaves of a graded notebook what is safe to show to its author and others."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        for cell in nb.cells:
            if _is_locked(cell):
                cell.source = _HIDDEN.sub("# … and hidden cases of the same kind", cell.source)
        return make_safe(nb), resources


class SafeFormgrader(Preprocessor):
    """Leaves of a graded notebook what is safe to show in the formgrader.

    nbgrader makes other pages with the same exporter; those of the formgrader know their submission's id.
    """

    enabled = True

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        return make_safe(nb) if "submission_id" in resources else nb, resources


def make_safe(nb: NotebookNode) -> NotebookNode:
    """Students' text and outputs as text and pictures; cells that students cannot write stay as they are."""
    nb.metadata.pop("widgets", None)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := _output(output))]
        elif not _is_locked(cell):
            cell.cell_type, cell.source = "markdown", _text(cell.source)
            cell.pop("attachments", None)
        cell.metadata = NotebookNode(
            {key: value for key, value in cell.metadata.items() if key == "nbgrader"}
        )
    return nb


def _is_locked(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("locked"))


def _text(source: str) -> str:
    """A student's Markdown: HTML and pictures, which would be fetched, as text; links lead to pages alone."""
    source = html.escape(source, quote=False).replace("![", r"!\[")
    return _COMMANDS.sub(r"\1", _SCHEMES.sub(r"\1 :", source))


def _output(output: NotebookNode) -> NotebookNode | None:
    """Printed text, errors, and pictures made of points; None for everything else."""
    if output.output_type in ("stream", "error"):
        return output
    data = output.get("data", {})
    kept = {kind: data[kind] for kind in _PICTURES if _is_base64(data.get(kind))}
    if not kept and isinstance(data.get("text/plain"), str):
        kept = {"text/plain": data["text/plain"]}
    output.data, output.metadata = NotebookNode(kept), NotebookNode()
    return output if kept else None


def _is_base64(data: Any) -> bool:
    try:
        return isinstance(data, str) and bool(base64.b64decode("".join(data.split()), validate=True))
    except binascii.Error:
        return False
