"""Building a small book: nothing is served stale, and what is missing or broken stops the build."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixelwise.course import binder, colab

ROOT = Path(__file__).resolve().parents[2]
PAGE = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# One widget

{colab}`exercises/ps1/one.ipynb` or {binder}`exercises/ps1/one.ipynb`.

```{code-cell} ipython3
from pixelwise.widgets import TransposedConvolution
TransposedConvolution(name="only")
```
"""


@pytest.fixture
def course(tmp_path):
    """A copy of what a build reads, with one page."""
    shutil.copytree(ROOT / "pixelwise", tmp_path / "pixelwise", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "book" / "site", tmp_path / "book" / "site")
    for name in ("_config.yml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "package.json").symlink_to(ROOT / "package.json")
    (tmp_path / "book" / "_toc.yml").write_text("format: jb-book\nroot: page\n")
    (tmp_path / "book" / "references.bib").touch()
    (tmp_path / "book" / "page.md").write_text(PAGE)
    return tmp_path


def build(course: Path) -> tuple[int, str, str]:
    """Exit status, log and the page."""
    done = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", "book", "-W", "-n", "--keep-going"],
        cwd=course,
        env=os.environ | {"PYTHONPATH": str(course)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    page = course / "_build" / "html" / "page.html"
    return done.returncode, done.stdout, page.read_text(encoding="utf-8") if page.exists() else ""


def change(course: Path, module: str, old: str, new: str) -> None:
    """Replace a piece of one of the widgets' modules, which must hold it."""
    view = course / "pixelwise" / "widgets" / "js" / module
    text = view.read_text(encoding="utf-8")
    assert old in text, f"{module} does not hold {old!r} any more"
    view.write_text(text.replace(old, new), encoding="utf-8")


def test_a_changed_view_reaches_the_page(course):
    status, log, page = build(course)
    assert status == 0, log
    assert 'class="pw-slot"' in page and "weighted kernel 0, 0" in page, "the widget is drawn at build time"
    assert f'href="{colab("exercises/ps1/one.ipynb")}">open it in Colab</a>' in page
    assert f'href="{binder("exercises/ps1/one.ipynb")}">in Binder</a>' in page
    assert re.search(r'src="searchindex\.js\?v=\w{8}"', page)
    assert "fontawesome.js" not in page, "the theme names its icons' script in another way now"
    change(course, "transposed_convolution.js", "weighted kernel ${u}", "the weighted kernel, ${u}")
    status, log, page = build(course)
    assert status == 0, log
    assert "the weighted kernel, 0, 0" in page and "weighted kernel 0, 0" not in page


def test_missing_assets_stop_the_build_with_what_to_do(course):
    (course / "node_modules").unlink()
    status, log, _ = build(course)
    assert status != 0
    assert "npm ci" in log


def test_a_widget_that_cannot_be_drawn_stops_the_build(course):
    change(
        course,
        "operator_stepper.js",
        "function render({ model, el }) {",
        "function render({ model, el }) { nothing();",
    )
    status, log, _ = build(course)
    assert status != 0
    assert "cannot be drawn" in log and "nothing is not defined" in log
