"""One line says where the course is on the web, and everything follows from it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import nbformat
import pytest

from autograder.publishing.links import Links
from pixelwise import course
from pixelwise.checks import report

ROOT = Path(__file__).resolve().parents[2]
OWNER, NAME = course.repository().split("/")
#: Addresses that follow from the setting.
ADDRESS = re.compile(
    r"\w\.github\.io/|colab\.research\.google\.com/github/|mybinder\.org/v2/|git\+https://github\.com/\w"
)


def texts() -> list[Path]:
    """What is written by hand."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    made = ("exercises/", "package-lock.json")
    return [ROOT / name for name in listed if not name.startswith(made) and (ROOT / name).is_file()]


def test_no_second_address_is_typed():
    files = texts()
    assert ROOT / "pixelwise" / "course.py" in files and ROOT / "book" / "for_students.md" in files
    for path in files:
        lines = path.read_text(encoding="utf-8", errors="ignore").splitlines()
        if path.is_relative_to(ROOT / "tests"):  # tests name a course that is not this one
            found = [line for line in lines if f"{OWNER}.github" in line or f"{OWNER}/{NAME}" in line]
        elif path == ROOT / "pixelwise" / "course.py":
            found = [line for line in lines if line.startswith("course_url")][1:]
        else:
            found = [line for line in lines if ADDRESS.search(line)]
        assert found == [], f"{path.relative_to(ROOT)}: write it with pixelwise.course"


@pytest.fixture
def elsewhere(monkeypatch) -> None:
    monkeypatch.setattr(course, "course_url", "https://owner.github.io/course/")


def test_everything_follows_from_the_setting(elsewhere):
    """What a problem set says when it is released, and what a check says."""
    cells = [
        nbformat.v4.new_markdown_cell("# Title\n\nRead [Loss](../../book/loss.md#loss-void).", id="intro"),
        nbformat.v4.new_code_cell("import torch", id="setup"),
    ]
    resources = {"nbgrader": {"assignment": "ps9_new"}, "unique_key": "new"}
    released, _ = Links().preprocess(nbformat.v4.new_notebook(cells=cells), resources)
    text, code = (cell.source for cell in released.cells)
    place = "github/owner/course/blob/students/exercises/ps9_new/new.ipynb"
    assert f"](https://colab.research.google.com/{place})" in text.splitlines()[2]
    assert "Read [Loss](https://owner.github.io/course/loss.html#loss-void)." in text
    assert '"pixelwise @ git+https://github.com/owner/course@students"' in code
    assert code.endswith("\n\nimport torch")
    assert report.link("unet.html", "unet-crop") == "https://owner.github.io/course/unet.html#unet-crop"
    assert course.binder("a.ipynb") == "https://mybinder.org/v2/gh/owner/course/students?labpath=a.ipynb"


@pytest.mark.parametrize("url", ["https://owner.github.io/course", "http://example.org/", "owner/course"])
def test_an_address_from_which_no_repository_follows_is_refused(monkeypatch, url):
    monkeypatch.setattr(course, "course_url", url)
    with pytest.raises(ValueError, match=r"https://OWNER\.github\.io/NAME/"):
        course.repository()
