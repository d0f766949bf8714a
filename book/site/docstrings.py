"""Lets Sphinx read the package's docstrings, which are laid out for the eye.

Three things in them mean something else, or nothing, in reStructuredText: arguments in two columns,
arguments under a "Parameters" heading, and indented or fenced code.
"""

from __future__ import annotations

import re
from itertools import groupby

_HEADED_ROW = re.compile(r"([\w*][\w*, ]*): (.*)")
_COLUMNS = re.compile(r"\S.*?( {2,})\S")


def as_restructured_text(docstring: str) -> str:
    """The same docstring with definition lists and code blocks in reStructuredText."""
    lines = docstring.split("\n")
    blocks = [list(block) for filled, block in groupby(lines, key=lambda line: bool(line.strip())) if filled]
    return "\n\n".join("\n".join(_rewritten(block)) for block in _whole_code(blocks))


def _whole_code(blocks: list[list[str]]) -> list[list[str]]:
    """Joins what a blank line within a code fence has cut in two."""
    joined: list[list[str]] = []
    for block in blocks:
        is_open = joined and joined[-1][0].startswith("```") and "```" not in joined[-1][1:]
        if is_open:
            joined[-1] += ["", *block]
        else:
            joined.append(block)
    return joined


def _rewritten(block: list[str]) -> list[str]:
    if block[0].startswith("```"):
        return _code([f"    {line}" for line in block[1:-1]])
    if all(line.startswith("    ") for line in block):
        return _code(block)
    if block[0] == "Parameters":
        return _headed_rows(block[2:])
    return _columns(block) or block


def _code(lines: list[str]) -> list[str]:
    return [".. code-block:: python", "", *lines]


def _headed_rows(lines: list[str]) -> list[str]:
    written: list[str] = []
    for line in lines:
        row = _HEADED_ROW.fullmatch(line)
        written += [f"``{row[1]}``", f"    {row[2]}"] if row else [f"    {line.strip()}"]
    return written


def _columns(block: list[str]) -> list[str]:
    """Names in the first column, what they are in the second; [] for a block that is not laid out so."""
    first = _COLUMNS.match(block[0])
    if not first:
        return []
    column = first.end(1)
    written: list[str] = []
    for line in block:
        name, text = line[:column].strip(), line[column:]
        if not line[column - 2 : column].isspace():
            return []
        written += [f"``{name}``"] if name else []
        written += [f"    {text}"]
    return written


def process(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = as_restructured_text("\n".join(lines)).split("\n")


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
