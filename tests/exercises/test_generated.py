"""exercises/ is what nbgrader makes of solutions/, and gives nothing away."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.authoring.edit import as_notebook, as_text, write
from autograder.publishing.leaks import Secrets

from .course import ROOT, copy_course, nbgrader, notebook, problem_sets

SETS = list(problem_sets().values())
STUB = "raise NotImplementedError()"


@pytest.mark.slow
def test_exercises_are_not_stale(tmp_path):
    """Generated twice in a copy of the course, from nothing and over itself: the committed bytes."""
    course = copy_course(tmp_path / "course")
    for _ in range(2):
        for name in SETS:
            nbgrader(course, "generate_assignment", name, "--force", "--create")
        assert contents(course / "exercises") == contents(ROOT / "exercises"), "run make exercises and commit"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", SETS)
class TestSolutionNotebook:
    def test_it_is_written_as_the_editing_command_writes_it(self, name, tmp_path):
        (path,) = (ROOT / "solutions" / name).glob("*.ipynb")
        write(as_notebook(as_text(notebook("solutions", name))), tmp_path / "again.ipynb")
        assert (tmp_path / "again.ipynb").read_text() == path.read_text(), (
            "write it again: python -m autograder to-text … && python -m autograder to-notebook …"
        )

    def test_ids_are_words_and_points_are_stated(self, name):
        for cell in notebook("solutions", name).cells:
            assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cell.id)
            entry = cell.metadata.get("nbgrader", {})
            assert entry.get("grade_id", cell.id) == cell.id
            if entry.get("grade") and not entry["solution"]:
                points = entry["points"]
                assert f"# {points} point{'s' if points > 1 else ''}: " in cell.source, cell.id

    def test_points_add_up_to_the_table(self, name):
        cells = notebook("solutions", name).cells
        total = sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in cells)
        rows = re.findall(r"^\| \d+ \|.*\| (\d+) \|$", cells[0].source, re.MULTILINE)
        assert sum(map(int, rows)) == total

    def test_every_test_cell_has_hidden_tests(self, name):
        for cell in notebook("solutions", name).cells:
            entry = cell.metadata.get("nbgrader", {})
            if entry.get("grade") and not entry["solution"]:
                assert re.search(
                    r"### BEGIN HIDDEN TESTS\n.*hidden\.check\(.*### END HIDDEN TESTS", cell.source, re.DOTALL
                )

    def test_the_set_up_is_the_same_in_every_set(self, name):
        def setup(one):
            source = next(cell.source for cell in notebook("solutions", one).cells if cell.id == "setup")
            functional = "import torch.nn.functional as F\n"  # where padding and unfolding are of use
            return source.split("from pixelwise")[0].replace(functional, "")

        assert setup(name) == setup(SETS[0])


@pytest.mark.parametrize("name", SETS)
def test_every_answer_is_a_stub(name):
    cells = {cell.id: cell for cell in notebook("exercises", name).cells}
    for solved in notebook("solutions", name).cells:
        if solved.metadata.get("nbgrader", {}).get("solution"):
            released = cells[solved.id]
            assert (
                STUB in released.source
                if released.cell_type == "code"
                else released.source == "*Your answer here.*"
            )


# --- Leaks: tests/site/test_release.py has what is found in which disguise --------------------------------


def test_nothing_leaks():
    secrets = Secrets(ROOT)
    folders = ("exercises", "book", "pixelwise")
    assert [leak for name in folders for leak in secrets.leaks_below(ROOT / name)] == []


def test_every_cell_that_students_do_not_see_is_guarded():
    """Something of each is known, so that it would be found."""
    origins = {secret.origin for secret in Secrets(ROOT)}
    public = {"output-size"}  # one line, which the book has
    for name in SETS:
        for cell in notebook("solutions", name).cells:
            entry = cell.metadata.get("nbgrader", {})
            if (entry.get("grade") or entry.get("solution")) and cell.id not in public:
                assert f"{name}, cell {cell.id}," in origins


def test_pixelwise_imports_neither_autograder_nor_solutions():
    for path in (ROOT / "pixelwise").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [
                name for name in names if name.split(".")[0] in ("autograder", "solutions", "tests")
            ], path


# --- The editing command ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('# %% kind="free"\nx = 1', "cell 1 needs id="),
        ('# %% id="a" kind="test"\nx = 1', "one of text, tests, solution"),
        ('# %% id="a" kind="tests"\nx = 1', "points belong to"),
        ('# %% id="a" kind="free" points=1\nx = 1', "points belong to"),
        ('# %% id="a" kind="free"\nx = 1\n\n# %% id="a" kind="free"\nx = 2', "used twice: a"),
    ],
)
def test_mistakes_in_the_text_are_named(text, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        as_notebook(text)


def test_the_editing_command(tmp_path):
    (path,) = (ROOT / "solutions" / SETS[0]).glob("*.ipynb")
    for arguments in (
        ["to-text", path, tmp_path / "a.py"],
        ["to-notebook", tmp_path / "a.py", tmp_path / "a.ipynb"],
    ):
        subprocess.run([sys.executable, "-m", "autograder", *map(str, arguments)], cwd=ROOT, check=True)
    assert (tmp_path / "a.ipynb").read_bytes() == path.read_bytes()
