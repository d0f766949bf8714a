"""The banks of answers: right ones keep all points, others lose some, and most misreadings are named."""

from __future__ import annotations

import importlib
from collections import Counter

import pytest

from .answers import MISREADINGS, Answer
from .course import problem_sets
from .grade import Result, grade, test_cells

# pytest would take it for a test
test_cells.__test__ = False

SETS = list(problem_sets())
ALL = [
    (name, answer)
    for name in SETS
    for answer in importlib.import_module(f".answers.{name}", __package__).ANSWERS
]
#: Tasks whose bank of wrong answers has to be large; the others need six.
CENTRAL = {"conv2d": 12, "conv_transpose2d": 12, "UNet": 12, "pixelwise_cross_entropy": 12}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, str], Result]:
    """Every answer graded once."""
    return {(answer.task, answer.name): grade(answer, name) for name, answer in ALL}


@pytest.mark.parametrize(
    ("problem_set", "answer"), ALL, ids=[f"{answer.task}-{answer.name}" for _, answer in ALL]
)
def test_answer(problem_set: str, answer: Answer, results):
    result = results[answer.task, answer.name]
    if answer.kind == "right":
        assert not result.failures, str(next(iter(result.failures.values())))
        assert result.total == result.possible > 0
    else:
        assert result.total < result.possible
        assert result.named, f"{answer.named!r} is not said:\n{next(iter(result.failures.values()))}"
    if answer.kind in ("unsolved", "cheat"):
        assert result.total == 0


@pytest.mark.parametrize("problem_set", SETS)
def test_misreadings_are_named(problem_set, results):
    answers = [answer for name, answer in ALL if name == problem_set and answer.kind in MISREADINGS]
    named = [answer for answer in answers if answer.named and results[answer.task, answer.name].named]
    assert len(named) >= 0.8 * len(answers)


@pytest.mark.parametrize("problem_set", SETS)
def test_the_bank_is_large_enough(problem_set):
    tasks = {function for _, _, function, _ in test_cells(problem_set)}
    count = Counter((answer.task, answer.kind == "right") for name, answer in ALL if name == problem_set)
    for task in tasks:
        assert count[task, False] >= CENTRAL.get(task, 6), task
        assert count[task, True] >= 4, task


def test_overwriting_costs_what_depends_on_overlaps(results):
    """… and nothing else."""
    lost = {
        name: [cell for cell, points in results["conv_transpose2d", name].points.items() if not points]
        for name in ("overwrites", "overwrites_by_kernel_position", "overwrites_channels_too")
    }
    overlaps = ["conv-transpose2d-overlaps", "conv-transpose2d-together"]
    assert lost["overwrites"] == lost["overwrites_by_kernel_position"] == overlaps
    assert sorted(lost["overwrites_channels_too"]) == sorted(
        [*overlaps, "conv-transpose2d-channels", "conv-transpose2d-bias"]
    )
    single = results["conv_transpose2d_single", "single_overwrites"].points
    assert [cell for cell, points in single.items() if not points] == ["conv-transpose2d-single-overlaps"]


def test_a_mistake_costs_the_points_that_depend_on_it(results):
    """Somebody who misses padding, stride, channels or the bias keeps what needs none of them."""
    for name, costs in {
        "no_padding": {"padding"},
        "no_stride": {"stride"},
        "channel_mean": {"channels", "bias"},
        "bias_forgotten": {"bias", "learns"},
        "float32_only": {"learns"},
    }.items():
        lost = {cell for cell, points in results["conv2d", name].points.items() if not points}
        assert lost == {f"conv2d-{part}" for part in costs | {"together"}}


@pytest.mark.parametrize(
    ("answer", "costs"),
    [
        ("entropy_mean", {"sum"}),
        ("entropy_per_image", {"sum"}),
        ("log_of_softmax", {"stable", "learns"}),
        ("a_number_cut_off", {"learns"}),
        ("rounded_to_float32", {"learns"}),
    ],
)
def test_a_mistake_in_the_loss_costs_the_points_that_depend_on_it(answer, costs, results):
    """Whoever divides loses the sum and keeps the logarithm; whoever overflows keeps the sum."""
    points = results["pixelwise_cross_entropy", answer].points
    assert {cell.rpartition("-")[2] for cell, had in points.items() if not had} == costs


@pytest.mark.parametrize(
    ("task", "answer", "costs"),
    [
        ("train_step", "never_zeroed", {"again"}),
        ("train_step", "void_is_class_0", {"void"}),
        ("train_step", "returns_the_graph", {"loss"}),
        ("train_step", "any_mode", {"mode"}),
        ("train_step", "on_the_cpu", {"device"}),
        ("evaluate", "mean_of_batches", {"batches"}),
        ("evaluate", "void_in_the_union", {"void"}),
        ("evaluate", "nowhere_is_0", {"absent"}),
        ("evaluate", "no_eval", {"mode"}),
        ("evaluate", "with_gradients", {"mode"}),
        ("evaluate", "stays_in_eval", {"leaves"}),
        ("ablation", "seeded_once", {"seeds"}),
    ],
)
def test_a_mistake_in_training_costs_the_points_that_depend_on_it(task, answer, costs, results):
    points = results[task, answer].points
    assert {cell.rpartition("-")[2] for cell, had in points.items() if not had} == costs
