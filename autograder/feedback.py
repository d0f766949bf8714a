"""What students get back, and what the formgrader shows: nothing of a submission that a browser would run or
fetch, and in feedback no hidden test.

nbconvert passes HTML and scripts in outputs and in text through, as Jupyter does for one's own notebooks.
Others than the author open these pages, and in the formgrader a script would have the instructor's rights.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import cache
from typing import Any

import bleach
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

_PICTURES = ("image/png", "image/jpeg")
_HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS\n.*?^### END HIDDEN TESTS$", re.DOTALL | re.MULTILINE)
# Commands with which an equation becomes a link, an element with attributes or other commands.
_COMMANDS = re.compile(
    r"\\(href|url|require|class|cssId|style|html\w*|unicode|bbox|mmlToken|texttip|data|def|let|(re)?new\w*)\b"
)
_TAGS = {
    *(
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "code",
        "dd",
        "del",
        "details",
        "div",
        "dl",
        "dt",
        "em",
        "hr",
        "i",
    ),
    *(
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "img",
        "kbd",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "small",
        "span",
        "strong",
    ),
    *("sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
}
_A_PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]*")
_A_COLOUR_OF_CODE = re.compile(r"highlight|[a-z]{1,2}[0-9a-z]?")  # Pygments' classes


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
    """Outputs as text and pictures, students' text as Markdown, for `markdown_to_html` to make a page of."""
    nb.metadata.pop("widgets", None)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := _output(output))]
        elif not _is_locked(cell):
            cell.cell_type, cell.source = "markdown", _COMMANDS.sub(r"\1", cell.source)
        cell.metadata = NotebookNode(
            {key: value for key, value in cell.metadata.items() if key == "nbgrader"}
        )
    return nb


@pass_context
def markdown_to_html(context: Context, source: str) -> str:
    """nbconvert's filter, and of its result what only shows text: no script, form or style, no picture but
    those within the page, and links to pages alone."""
    return bleach.clean(
        _exporter().markdown2html(context, source),
        tags=_TAGS,
        attributes=_may_have,
        protocols={"http", "https", "mailto", "data"},
    )


@cache
def _exporter() -> HTMLExporter:
    return HTMLExporter(exclude_anchor_links=True)


def _may_have(tag: str, name: str, value: str) -> bool:
    """No ids: the formgrader finds its own controls by theirs."""
    if (tag, name) == ("img", "src"):
        return bool(_A_PICTURE.fullmatch(value))
    if (tag, name) == ("a", "href"):
        return not value.strip().lower().startswith("data")
    if name == "class":
        return tag in ("div", "span") and bool(_A_COLOUR_OF_CODE.fullmatch(value))
    return name in ("alt", "title")


def _is_locked(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("locked"))


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
