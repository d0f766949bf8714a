"""Chapters as notebooks: the same code, and Markdown that every notebook shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

from pixelwise import colab, course

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "site"))

import chapter_notebooks as notebooks  # noqa: E402

URL = "https://owner.github.io/course/"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """A course at another address, so that none is taken from anywhere else."""
    monkeypatch.setattr(course, "course_url", URL)


CHAPTERS = [page for page in sorted((ROOT / "book").glob("*.md")) if notebooks.is_chapter(page)]


def text_of(made: nbformat.NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_it_is_the_chapter(page):
    made = notebooks.notebook(page)
    nbformat.validate(made)
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    assert code[1:] == [cell.source for cell in jupytext.read(page).cells if cell.cell_type == "code"]
    assert 'git+https://github.com/owner/course@students"' in code[0]
    text = text_of(made)
    left = re.findall(
        r"\{[a-z:]+\}`.*|^:::.*|^:class:.*|\\(?:inp|krn|out|lss)\b|\]\(#.*|^\(.*\)=$", text, re.MULTILINE
    )
    assert left == []
    assert text.count("<details>") == page.read_text().count(":class: dropdown") > 0 or page.stem == "summary"


def test_links_lead_to_the_page_with_their_goal():
    links = '[a](#unet-hourglass), [b](loss.md), <a href="#paper?step=3">c</a>'
    shown = notebooks.plain(links, "summary")
    assert f"[a]({URL}unet.html#unet-hourglass)" in shown
    assert f"[b]({URL}loss.html)" in shown
    assert f'href="{URL}summary.html#paper?step=3"' in shown


def test_citations_are_written_out():
    shown = notebooks.plain("{cite:t}`ronneberger2015unet` say so {cite:p}`long2015fully`.", "unet")
    assert shown == "Ronneberger et al. (2015) say so (Long et al., 2015)."


def test_the_first_cell_does_nothing_outside_colab():
    exec(colab.first_lines(), {})


def test_colab_reads_the_students_branch():
    goal = "https://colab.research.google.com/github/owner/course/blob/students/docs/notebooks/unet.ipynb"
    made = notebooks.notebook(ROOT / "book" / "unet.md")
    assert f"]({goal})" in made.cells[0].source
