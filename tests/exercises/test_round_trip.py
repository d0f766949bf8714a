"""Release, fetch, submit, collect, autograde and feedback with a real nbgrader, in a copy of the course."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from .course import (
    answers,
    copy_course,
    copy_files,
    nbgrader,
    notebook,
    problem_sets,
    scores,
    submission,
    submit,
)

pytestmark = pytest.mark.slow

STUDENT = getpass.getuser()  # the one who uses the exchange


@dataclass(frozen=True)
class Trial:
    """A set with what is tried on it.

    automatic  its automatic points; the written question is graded by a person
    mistake    changes of the solution that make one mistake: cell id → (old, new)
    costs      the cells that the mistake costs, and `says` what feedback names it
    warns      a change that warns, and is right
    """

    name: str
    automatic: float
    written: str
    mistake: dict[str, tuple[str, str]]
    costs: set[str]
    says: str
    warns: dict[str, tuple[str, str]]


WARNS = ("    return", '    import warnings\n    warnings.warn("careful")\n    return')
TRIALS = [
    Trial(
        "ps1_convolution",
        automatic=23,
        written="downsampling",
        mistake={
            "conv2d-single": ("(padding, padding, padding, padding)", "(2 * padding, 0, 2 * padding, 0)"),
            "conv2d": ("(padding, padding, padding, padding)", "(2 * padding, 0, 2 * padding, 0)"),
        },
        costs={"conv2d-single-padding", "conv2d-padding", "conv2d-together"},
        says="all padding stands at the top and the left",
        warns={"output-size": WARNS},
    ),
    Trial(
        "ps2_transposed_convolution",
        automatic=25,
        written="checkerboard",
        mistake={
            "conv-transpose2d-single": ("] += x[i, j] * weight", "] = x[i, j] * weight"),
            "conv-transpose2d": ("] += copies", "] = copies"),
        },
        costs={
            "conv-transpose2d-single-overlaps",
            "conv-transpose2d-overlaps",
            "conv-transpose2d-together",
        },
        says="overlapping copies overwrite each other",
        warns={"transposed-output-size": WARNS},
    ),
    Trial(
        "ps3_unet",
        automatic=28,
        written="copy-paths",
        mistake={
            "up-block": ("cat([cropped, x]", "cat([x, cropped]"),
            "count-parameters": ("layer(3, 2 * here, here)", "layer(3, here, here)"),
        },
        costs={
            *("up-block-joins", "up-block-crops", "up-block-learns"),
            *("unet-shallow", "unet-deep", "unet-padded", "unet-learns"),
            *("count-parameters-shallow", "count-parameters-deep"),
        },
        says="the copied features are joined behind the others",
        warns={"center-crop": WARNS},
    ),
    Trial(
        "ps4_loss",
        automatic=36,
        written="imbalance",
        mistake={
            "pixelwise-cross-entropy": ("log_p, 0).sum()", "log_p, 0).sum() / len(target)"),
            "iou": ("- right)", "- right).clamp(min=1)"),
        },
        costs={"pixelwise-cross-entropy-sum", "iou-absent"},
        says="the positions are added, and then the mean over the images is taken",
        warns={"pixel-softmax": WARNS},
    ),
    Trial(
        "ps5_training",
        automatic=28,
        written="analysis",
        mistake={
            "train-step": ("    optimizer.zero_grad()\n", ""),
            "evaluate": ("    model.train(mode)\n", ""),
        },
        costs={"train-step-again", "evaluate-leaves"},
        says="the gradients of earlier steps are still there",
        warns={"train-step": WARNS},
    ),
]


def with_changes(trial: Trial, changes: dict[str, tuple[str, str]]) -> dict[str, str]:
    """The solution's code, changed in some places: cell id → (old, new)."""
    changed = {cell: source for cell, source in answers(trial.name).items() if cell != trial.written}
    for cell, (old, new) in changes.items():
        assert old in changed[cell], f"{cell} has no {old!r}"
        changed[cell] = changed[cell].replace(old, new)
    return changed


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


@pytest.fixture(scope="module", params=TRIALS, ids=lambda trial: trial.name)
def trial(request: pytest.FixtureRequest) -> Trial:
    return request.param


@pytest.fixture(scope="module")
def course(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course in which everybody has been graded in one set."""
    folder = tmp_path_factory.mktemp(trial.name)
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

    name = trial.name
    nbgrader(course, "generate_assignment", name, "--force", "--create")
    nbgrader(course, "release_assignment", name)
    nbgrader(student, "fetch_assignment", name)
    (fetched,) = (student / name).glob("*.ipynb")
    assert nbformat.read(fetched, as_version=4) == notebook("exercises", name)
    nbformat.write(submission(answers(name), name), fetched)
    copy_files(name, fetched.parent)
    nbgrader(student, "submit", name)
    nbgrader(course, "collect", name)

    submit(course, "unsolved", submission({}, name), name, files=False)
    submit(course, "mistaken", submission(with_changes(trial, trial.mistake), name), name)
    warns = saved_by_colab(submission(with_changes(trial, trial.warns), name))
    submit(course, "warns-in-colab", warns, name)
    nbgrader(course, "autograde", name)
    return course


@pytest.fixture
def points(course: Path, trial: Trial) -> dict[str, dict[str, float]]:
    return scores(course, trial.name)


def test_every_set_is_tried():
    assert [trial.name for trial in TRIALS] == list(problem_sets().values())


def test_the_solution_gets_every_automatic_point(points, trial):
    assert sum(points[STUDENT].values()) == trial.automatic
    assert [cell for cell, score in points[STUDENT].items() if not score] == [trial.written]


def test_the_release_gets_none(points):
    assert sum(points["unsolved"].values()) == 0


def test_a_mistake_costs_the_points_that_depend_on_it(points, trial):
    lost = {cell for cell, score in points["mistaken"].items() if score != points[STUDENT][cell]}
    assert lost == trial.costs


def test_colab_and_warnings_cost_nothing(points):
    assert points["warns-in-colab"] == points[STUDENT]


def test_feedback_names_the_misunderstanding_and_shows_no_solution(course, trial):
    nbgrader(course, "generate_feedback", trial.name, "--student=mistaken")
    (page,) = (course / "feedback" / "mistaken" / trial.name).glob("*.html")
    text = page.read_text(encoding="utf-8")
    assert trial.says in text
    assert "Traceback (most" not in text
    assert "A model answer" not in text


def test_the_kernel_is_the_one_of_this_python(course, trial):
    """Else the submissions would have been graded with other packages than the ones tested here."""
    graded = nbformat.read(next((course / "autograded" / STUDENT / trial.name).glob("*.ipynb")), as_version=4)
    assert graded.metadata.kernelspec.name == "python3"
    assert Path(sys.prefix, "share", "jupyter", "kernels", "python3").is_dir()
