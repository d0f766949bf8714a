"""What a problem set says of the web, written when it is released: links, the badge, Colab's first lines.

In `solutions/` a link to a chapter leads to its file, `../../book/unet.md#unet-hourglass`, and works there.
"""

from __future__ import annotations

import re
from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from pixelwise import colab, course

_TO_BOOK = re.compile(r"\]\(\.\./\.\./book/(\w+)\.md(?:#([\w-]+))?\)")

_IN_COLAB = """

**In Colab.** Begin with *File → Save a copy in Drive*. To hand in, *File → Download → Download .ipynb*."""


def _address(link: re.Match[str]) -> str:
    return f"]({course.page(link[1], link[2] or '')})"


class Links(NbGraderPreprocessor):
    """A step of `nbgrader generate_assignment`."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        path = f"exercises/{resources['nbgrader']['assignment']}/{resources['unique_key']}.ipynb"
        for cell in nb.cells:
            cell.source = _TO_BOOK.sub(
                lambda found: f"]({course.page(found[1], found[2] or '')})", cell.source
            )
            if cell.cell_type == "code" and cell.get("id") == "setup":
                cell.source = f"{colab.first_lines()}\n\n{cell.source}"
        title, _, text = nb.cells[0].source.partition("\n")
        nb.cells[0].source = f"{title}\n\n{colab.badge(path)}\n{text}{_IN_COLAB}"
        return nb, resources
