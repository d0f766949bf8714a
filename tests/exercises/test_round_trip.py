"""Release, fetch, submit, collect, autograde and feedback with a real nbgrader, in a copy of the course."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

import nbformat
import pytest

from .course import PS2, answers, copy_course, nbgrader, notebook, scores, submission, submit

pytestmark = pytest.mark.slow

AUTOMATIC = 25.0  # of problem set 2; the written question is graded by a person
STUDENT = getpass.getuser()  # the one who uses the exchange


def with_changes(changes: dict[str, tuple[str, str]]) -> dict[str, str]:
    """The solution's code, changed in some places: cell id → (old, new)."""
    changed = {cell: source for cell, source in answers().items() if cell != "checkerboard"}
    for cell, (old, new) in changes.items():
        assert old in changed[cell], f"{cell} has no {old!r}"
        changed[cell] = changed[cell].replace(old, new)
    return changed


OVERWRITES = {
    "conv-transpose2d-single": ("] += x[i, j] * weight", "] = x[i, j] * weight"),
    "conv-transpose2d": ("] += copies", "] = copies"),
}
WARNS = {
    "transposed-output-size": ("    return", '    import warnings\n    warnings.warn("careful")\n    return')
}


def saved_by_colab(original: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """What Colab makes of a notebook: no cell ids, an older minor format, metadata and outputs of its own."""
    changed = original.copy()
    changed.nbformat_minor = 0
    changed.metadata = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    for cell in changed.cells:
        cell.metadata["id"] = cell.pop("id")
        if cell.cell_type == "code":
            cell.execution_count = 1
            cell.metadata["colab"] = {"base_uri": "https://localhost:8080/"}
            cell.metadata["outputId"] = "c2f4e9d0-4a5e-4b51-8a49-6b4f6f0f2c44"
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="old\n")]
    return changed


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course in which everybody has been graded."""
    folder = tmp_path_factory.mktemp("round-trip")
    course = copy_course(folder / "course")
    exchange, student = folder / "exchange", folder / "student"
    exchange.mkdir()
    exchange.chmod(0o777)
    student.mkdir()
    settings = (
        f'c = get_config()\nc.CourseDirectory.course_id = "pixelwise"\nc.Exchange.root = {str(exchange)!r}\n'
    )
    (student / "nbgrader_config.py").write_text(settings)
    with (course / "nbgrader_config.py").open("a") as config:
        config.write(f"\nget_config().Exchange.root = {str(exchange)!r}  # noqa: F821\n")

    nbgrader(course, "generate_assignment", PS2, "--force", "--create")
    nbgrader(course, "release_assignment", PS2)
    nbgrader(student, "fetch_assignment", PS2)
    (fetched,) = (student / PS2).glob("*.ipynb")
    assert nbformat.read(fetched, as_version=4) == notebook("exercises")
    nbformat.write(submission(answers()), fetched)
    nbgrader(student, "submit", PS2)
    nbgrader(course, "collect", PS2)

    submit(course, "unsolved", submission({}))
    submit(course, "overwrites", submission(with_changes(OVERWRITES)))
    submit(course, "warns-in-colab", saved_by_colab(submission(with_changes(WARNS))))
    nbgrader(course, "autograde", PS2)
    return course


@pytest.fixture(scope="module")
def points(course: Path) -> dict[str, dict[str, float]]:
    return scores(course)


def test_the_solution_gets_every_automatic_point(points):
    assert sum(points[STUDENT].values()) == AUTOMATIC
    assert [cell for cell, score in points[STUDENT].items() if not score] == ["checkerboard"]


def test_the_release_gets_none(points):
    assert sum(points["unsolved"].values()) == 0


def test_overwriting_overlaps_costs_the_points_that_depend_on_them(points):
    lost = {cell for cell, score in points["overwrites"].items() if score != points[STUDENT][cell]}
    assert lost == {
        "conv-transpose2d-single-overlaps",
        "conv-transpose2d-overlaps",
        "conv-transpose2d-together",
    }
    assert sum(points["overwrites"].values()) == AUTOMATIC - 6


def test_colab_and_warnings_cost_nothing(points):
    assert points["warns-in-colab"] == points[STUDENT]


def test_feedback_names_the_misunderstanding_and_shows_no_solution(course):
    nbgrader(course, "generate_feedback", PS2, "--student=overwrites")
    (page,) = (course / "feedback" / "overwrites" / PS2).glob("*.html")
    text = page.read_text(encoding="utf-8")
    assert "overlapping copies overwrite each other" in text
    assert "Traceback (most" not in text
    assert "A model answer" not in text


def test_the_kernel_is_the_one_of_this_python(course):
    """Else the submissions would have been graded with other packages than the ones tested here."""
    graded = nbformat.read(next((course / "autograded" / STUDENT / PS2).glob("*.ipynb")), as_version=4)
    assert graded.metadata.kernelspec.name == "python3"
    assert Path(sys.prefix, "share", "jupyter", "kernels", "python3").is_dir()
