"""Chapters as notebooks: to download, or to open in Colab, where they run as they are.

What only the book understands is put into plain Markdown: citations are written out, links lead to the
course's pages, answers unfold as HTML, and the colours of equations are left out.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import ClassVar

import jupytext
import nbformat
from docutils import nodes
from pybtex.database import parse_file
from pybtex.richtext import Text
from sphinx.util.docutils import SphinxRole

from pixelwise import colab, course

BOOK = Path(__file__).resolve().parents[1]
#: Where they stand beside the pages; the pages are in `docs` on the students' branch.
FOLDER = "notebooks"


def is_chapter(page: Path) -> bool:
    """Whether a page of the book holds code to run; the landing page is none to work in."""
    return page.stem != "index" and "\nkernelspec:" in page.read_text(encoding="utf-8").split("\n---\n")[0]


def notebook(page: Path) -> nbformat.NotebookNode:
    """The notebook of a chapter."""
    made = jupytext.read(page)
    made.metadata = {"kernelspec": dict(made.metadata["kernelspec"])}
    for number, cell in enumerate(made.cells):
        cell.id = f"{page.stem}-{number}"
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source, page.stem)
        elif "hide-input" in cell.metadata.get("tags", []):
            cell.metadata["jupyter"] = {"source_hidden": True}
    here = course.page(page.stem)
    head = f"*A chapter of the course Pixelwise. [On its page]({here}) the figures answer without a kernel.*"
    head += f"\n\n{colab.badge(path_of(page.stem))}"
    made.cells.insert(0, nbformat.v4.new_markdown_cell(head, id=f"{page.stem}-head"))
    made.cells.insert(1, nbformat.v4.new_code_cell(colab.first_lines(), id=f"{page.stem}-setup"))
    return made


def path_of(name: str) -> str:
    """Where a chapter's notebook stands on the students' branch."""
    return f"docs/{FOLDER}/{name}.ipynb"


def plain(text: str, name: str) -> str:
    """MyST Markdown as the Markdown that every notebook shows."""
    text = re.sub(r"^\([\w-]+\)=(?:\n|$)", "", text, flags=re.MULTILINE)
    aside = r":::\{admonition\} ([^\n]*)\n(?::class: (\w+)\n)?(.*?)\n:::"
    text = re.sub(aside, _aside, text, flags=re.DOTALL)
    text = re.sub(r"\{cite:t\}`([^`]*)`", lambda found: cited(found[1], "{} ({})"), text)
    text = re.sub(r"\{cite:p\}`([^`]*)`", lambda found: f"({cited(found[1], '{}, {}')})", text)
    text = re.sub(r"\{(?:term|download)\}`([^`<]*?)\s*(?:<[^`]*>)?`", r"\1", text)
    text = re.sub(r"\]\(#([\w-]+)\)", lambda found: f"]({_place_of(found[1], name)})", text)
    text = re.sub(
        r"\]\((\w+)\.md(?:#([\w-]+))?\)", lambda found: f"]({course.page(found[1], found[2] or '')})", text
    )
    text = text.replace('href="#', f'href="{course.page(name)}#')
    return re.sub(r"\\(?:inp|krn|out|lss)(?=\{)", "", text)


def _aside(found: re.Match[str]) -> str:
    title, style, content = found[1], found[2], found[3].strip()
    if style == "dropdown":
        return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"
    return "\n".join(f"> {line}".rstrip() for line in (f"**{title}**", "", *content.splitlines()))


def cited(keys: str, form: str) -> str:
    """Ronneberger et al. (2015), for the keys of works in references.bib."""
    names = []
    for key in keys.split(","):
        entry = _works().entries[key.strip()]
        people = [
            str(Text.from_latex(" ".join(one.prelast_names + one.last_names)))
            for one in entry.persons["author"]
        ]
        who = f"{people[0]} et al." if len(people) > 2 else " and ".join(people)
        names.append(form.format(who, entry.fields["year"]))
    return ", ".join(names)


@cache
def _works():
    return parse_file(BOOK / "references.bib")


def _place_of(label: str, name: str) -> str:
    """The address of a label; one that stands nowhere is a widget's name on the page itself."""
    return course.page(_labels().get(label, name), label)


@cache
def _labels() -> dict[str, str]:
    return {
        label: page.stem
        for page in sorted(BOOK.glob("*.md"))
        for label in re.findall(r"^\(([\w-]+)\)=$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }


# ---- the book -------------------------------------------------------------------------------------------


def offer(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Puts the notebook into the page's download menu, and a link to Colab beside it."""
    page = BOOK / f"{pagename}.md"
    if doctree is None or not page.exists() or not is_chapter(page):
        return
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            group["buttons"].insert(
                0,
                {
                    "type": "link",
                    "url": f"{context['pathto'](FOLDER, 1)}/{pagename}.ipynb",
                    "text": ".ipynb",
                    "icon": "fas fa-code",
                    "tooltip": "Download this chapter as a notebook",
                    "label": "download-notebook-button",
                },
            )
    context["header_buttons"].insert(
        0,
        {
            "type": "link",
            "url": course.colab(path_of(pagename)),
            "text": "",
            "icon": "fas fa-rocket",
            "tooltip": "Open this chapter in Colab",
            "label": "open-in-colab-button",
        },
    )


class Elsewhere(SphinxRole):
    """{colab}`path` and {binder}`path`: where a notebook of the students' branch opens."""

    PLACES: ClassVar = {
        "colab": ("open it in Colab", course.colab),
        "binder": ("in Binder", course.binder),
    }

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        text, address = self.PLACES[self.name]
        return [nodes.reference(self.rawtext, text, refuri=address(self.text))], []


def write(app, error) -> None:
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    for page in sorted(BOOK.glob("*.md")):
        if page.stem in app.env.all_docs and is_chapter(page):
            nbformat.write(notebook(page), folder / page.with_suffix(".ipynb").name)


def setup(app):
    for name in Elsewhere.PLACES:
        app.add_role(name, Elsewhere())
    app.connect("html-page-context", offer, priority=600)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
