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
from pathlib import Path
from typing import Any

import bleach
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, pass_context
from jinja2.runtime import Context
from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from pixelwise import palette

_PICTURES = ("image/png", "image/jpeg")
_HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS\n.*?^### END HIDDEN TESTS$", re.DOTALL | re.MULTILINE)
# Commands with which an equation becomes a link, an element with attributes or other commands.
_COMMANDS = re.compile(
    r"\\(href|url|require|class|cssId|style|html\w*|unicode|bbox|mmlToken|texttip|data|def|let|(re)?new\w*)\b"
)
_TAGS = {
    *("a", "abbr", "b", "br", "code", "del", "em", "i", "img", "kbd", "s", "small", "span", "strong", "u"),
    *("blockquote", "details", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "p", "pre", "summary"),
    *("dd", "dl", "dt", "li", "ol", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
_A_PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]*")
# What is left of a picture from elsewhere: its description is shown.
_NO_PICTURE = re.compile(r'<img(?![^>]*\ssrc=)[^>]*?\salt="([^"]*)"[^>]*>')
_A_COLOUR_OF_CODE = re.compile(r"highlight|[a-z]{1,2}[0-9a-z]?")  # Pygments' classes


class SafeFeedback(NbGraderPreprocessor):
    """Leaves of a graded notebook what is safe to show to its author and others."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        for cell in nb.cells:
            if _is_locked(cell):
                cell.source = _HIDDEN.sub("# … and hidden cases of the same kind", cell.source)
        resources["title"], resources["tasks"] = _tasks(nb)
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


class FeedbackPage(HTMLExporter):
    """A graded notebook as a page: the points of each task first, what lost points by name; readable on a
    phone, in the dark and on paper."""

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.raw_template = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")

    def _create_environment(self) -> Environment:
        environment = super()._create_environment()
        environment.loader = ChoiceLoader([environment.loader, FileSystemLoader(Path(__file__).parent)])
        environment.globals["palette"] = palette
        environment.filters["points"] = points_as_text
        return environment


def points_as_text(points: float) -> str:
    """With one decimal, where it has one."""
    return f"{points:.1f}".removesuffix(".0")


def _tasks(nb: NotebookNode) -> tuple[str, list[dict[str, Any]]]:
    """The notebook's title, and its tasks with their points and parts. A task is what stands below a heading
    of the second level; a part is a graded cell, whose first comment says what it is about."""
    title, heading, tasks = "", "", []
    for cell in nb.cells:
        entry = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and not entry.get("solution"):
            for marks, text in re.findall(r"^(##?) (.+)$", cell.source, re.MULTILINE):
                if marks == "#":
                    title = title or text
                else:
                    heading = re.sub(r" \(\d+ points?\b.*\)$", "", text)
        if entry.get("grade"):
            if not tasks or tasks[-1]["title"] != heading:
                tasks.append({"title": heading, "parts": []})
            said = re.search(r"^# \d+ points?: (.+?)(\. .*|\.?)$", cell.source, re.MULTILINE)
            entry["name"] = said[1] if said else "your answer"
            part = {name: entry.get(name, 0) for name in ("name", "score", "points")}
            tasks[-1]["parts"].append({"id": entry["grade_id"], "says": _message(cell), **part})
    for task in tasks:
        for what in ("score", "points"):
            task[what] = sum(part[what] for part in task["parts"])
    return title, tasks


def _message(cell: NotebookNode) -> str:
    """What a check says first, below its title; empty where none failed."""
    for output in cell.get("outputs", ()):
        if output.output_type == "error" and _is_locked(cell):
            paragraphs = output.evalue.split("\n\n")
            return paragraphs[1] if len(paragraphs) > 1 else ""
    return ""


@pass_context
def markdown_to_html(context: Context, source: str) -> str:
    """nbconvert's filter, and of its result what only shows text: no script, form or style, no picture but
    those within the page, and links to pages alone."""
    clean = bleach.clean(
        _exporter().markdown2html(context, source),
        tags=_TAGS,
        attributes=_may_have,
        protocols={"http", "https", "mailto", "data"},
    )
    return _NO_PICTURE.sub(r"\1", clean)


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
