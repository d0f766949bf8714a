"""Hidden cases: what they compare with, that they are the same every time, and what a failure tells."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from autograder import hidden, oracle
from pixelwise.checks import CheckFailed, ps1, ps2
from pixelwise.checks.case import Case, Random
from pixelwise.checks.compare import difference
from pixelwise.checks.observe import observe
from pixelwise.checks.ps1 import cases as convolution
from pixelwise.checks.ps2 import cases as transposed
from pixelwise.checks.ps3 import cases as network
from pixelwise.checks.ps4 import cases as loss
from pixelwise.checks.ps5 import cases as training
from pixelwise.checks.report import as_code

from .answers import ps1 as answers_1
from .answers import ps2 as answers_2
from .answers.ps2 import input_positions
from .test_checks import CHECKS

RNG_SEED = "the oracle equals torch"


def everything(rng: Random, random_call, flat: bool, **settings):
    """A random call without any restriction."""
    return random_call(
        rng,
        large=rng.random() < 0.3,
        padding=True,
        channels=not flat and rng.random() < 0.7,
        bias=not flat and rng.random() < 0.5,
        batch=not flat and rng.random() < 0.5,
        flat=flat,
        precise=None,
        gradients=not flat,
        **settings,
    )


def convolved(rng: Random, flat: bool = False):
    return everything(rng, convolution.random_call, flat, stride=rng.random() < 0.7)


def spread(rng: Random, flat: bool = False):
    return everything(rng, transposed.random_call, flat, overlap=None)


def either(rng: Random) -> bool:
    return rng.random() < 0.5


def lost(rng: Random, draw=loss.random_call, **settings):
    """A random case of a loss, of any kind."""
    kinds = {name: either(rng) for name in ("images", "extreme", "precise")}
    return draw(rng, either(rng), gradients=True, **kinds, **settings)


DRAWS = {
    "ps1": {
        "output_size": lambda rng: convolution.random_size(rng, either(rng), stride=either(rng)),
        "conv2d_single": partial(convolved, flat=True),
        "conv2d": convolved,
        "conv2d_fast": convolved,
        "conv2d_unfold": convolved,
        "conv2d_flat": convolved,
        "pointwise_conv": lambda rng: convolution.random_pointwise(
            rng, either(rng), bias=None, batch=either(rng), precise=None, gradients=True
        ),
        "receptive_field": lambda rng: convolution.random_stack(rng, either(rng), stride=either(rng)),
    },
    "ps2": {
        "transposed_output_size": lambda rng: transposed.random_size(
            rng, either(rng), output_padding=either(rng)
        ),
        "conv_transpose2d_single": partial(spread, flat=True),
        "conv_transpose2d": spread,
        "conv_transpose2d_fast": spread,
        "conv_transpose2d_fold": spread,
        "conv_transpose2d_flat": spread,
        "convolution_matrix": lambda rng: transposed.random_matrix(
            rng, False, stride=either(rng), padding=True, precise=True
        ),
        "convolution_matrix_fast": lambda rng: transposed.random_matrix(
            rng, False, stride=either(rng), padding=True
        ),
        "conv_transpose2d_by_matrix": partial(spread, flat=True),
        "bilinear_kernel": lambda rng: (transposed.random_even if either(rng) else transposed.random_odd)(
            rng, either(rng)
        ),
    },
    "ps3": {
        "DoubleConv": lambda rng: network.random_pair(rng, either(rng), padded=either(rng)),
        "center_crop": lambda rng: network.random_crop(rng, either(rng), square=either(rng)),
        "UpBlock": lambda rng: network.random_level(rng, either(rng), crops=either(rng), learns=either(rng)),
        "UNet": lambda rng: network.random_network(rng, either(rng), padding=None, gradients=either(rng)),
        "predicted": lambda rng: network.question(rng.choice("abcdefghi")),
        "legal_input_sizes": lambda rng: network.random_legal(rng, either(rng), from_one=either(rng)),
        "count_parameters": lambda rng: network.random_counted(rng, either(rng), (1, 5)),
        "MendedUpBlock": lambda rng: network.random_block(
            rng, either(rng), oblong=either(rng), gradients=either(rng), precise=either(rng)
        ),
    },
    "ps4": {
        "pixel_softmax": partial(lost, draw=loss.random_softmax),
        "pixelwise_cross_entropy": lost,
        "pixelwise_cross_entropy_fast": lost,
        "cross_entropy_gradient": lambda rng: replace(lost(rng), gradients=False),
        "weighted_cross_entropy": lambda rng: lost(
            rng, loss.random_weighted, weights=either(rng), void=either(rng)
        ),
        "border_weight_map": lambda rng: loss.random_cells(rng, either(rng), (0, 5), settings=either(rng)),
        "border_weight_map_fast": lambda rng: loss.random_cells(rng, False, (0, 5), settings=either(rng)),
        "mended_mean_loss": partial(lost, draw=loss.random_void),
        "mended_focal_loss": partial(lost, draw=loss.random_focal),
        "mended_overlap_loss": lost,
        "confusion_matrix": lambda rng: loss.random_maps(rng, either(rng), void=either(rng)),
        "confusion_matrix_fast": lambda rng: loss.random_maps(rng, either(rng), void=either(rng)),
        "iou": lambda rng: loss.random_counts(rng, either(rng), absent=either(rng)),
    },
    "ps5": {
        "train_step": lambda rng: training.random_steps(
            rng, either(rng), rng.randint(1, 3), void=either(rng), norm=either(rng), evaluating=either(rng)
        ),
        "evaluate": lambda rng: training.random_evaluation(
            rng, either(rng), rng.randint(1, 3), void=either(rng), absent=either(rng), norm=either(rng)
        ),
        "ablation": lambda rng: training.random_ablation(rng, either(rng), chance=either(rng)),
    },
}
TASKS = {check.task.name: check.task for check in CHECKS.values()}


def right(name: str):
    """What PyTorch says: a task's own reference, for the faster variants too."""
    return next(TASKS[task].right for task in (name, name.rpartition("_")[0]) if task in TASKS)


@pytest.mark.parametrize(
    ("problem_set", "name"), [(problem_set, name) for problem_set, draws in DRAWS.items() for name in draws]
)
def test_the_solutions_equal_torch(problem_set, name):
    solution = oracle.function(problem_set, name)
    rng = Random(RNG_SEED)
    for _ in range(200):
        case = DRAWS[problem_set][name](rng)
        found = difference(observe(solution, case), observe(right(name), case))
        assert found is None, f"{as_code(name, case)}\n{found}"


def test_every_task_is_drawn():
    assert {(task.problem_set, task.name) for task in TASKS.values()} <= {
        (problem_set, name) for problem_set, draws in DRAWS.items() for name in draws
    }


def test_the_bilinear_kernel_interpolates():
    """In the interior; at the border, copies are missing."""
    picture = torch.rand(1, 1, 6, 7)
    for factor in (1, 2, 3, 4, 5):
        kernel = oracle.function("ps2", "bilinear_kernel")(factor)[None, None]
        up = F.conv_transpose2d(picture, kernel, stride=factor, padding=factor // 2)
        right = F.interpolate(picture, scale_factor=factor, mode="bilinear", align_corners=False)
        inner = (..., slice(factor, -factor), slice(factor, -factor))
        torch.testing.assert_close(up[inner], right[inner])


def hidden_cases(check):
    """The hidden cases that a function is called with."""
    seen = []

    def note(*arguments, **settings):
        seen.append((arguments, settings))
        return oracle.function(check.task.problem_set, check.task.name)(*arguments, **settings)

    hidden.check(check, note)
    return seen


#: A check of each set whose cases hold numbers, and an answer that knows all that is public.
LEARNED = [
    (ps1.conv2d_together, answers_1.learned_by_heart),
    (ps2.conv_transpose2d_overlaps, answers_2.learned_by_heart),
]


@pytest.mark.parametrize("check", [check for check, _ in LEARNED], ids=["ps1", "ps2"])
def test_hidden_cases_are_the_same_every_time_and_not_public(check):
    first, second = hidden_cases(check), hidden_cases(check)
    assert len(first) == hidden.SMALL + hidden.LARGE
    for (a, s), (b, t) in zip(first, second, strict=True):
        assert as_code("f", Case(dict(zip("xw", a, strict=True)), s)) == as_code(
            "f", Case(dict(zip("xw", b, strict=True)), t)
        )
        assert all(torch.equal(u, v) for u, v in zip(a, b, strict=True))
    public = [as_code("f", case) for case in check.cases]
    xs = [str(case.arguments["x"].tolist()) for case in check.cases]
    assert len(public) == len(set(public))
    assert not [a for a, _ in first if str(a[0].tolist()) in xs and a[0].numel() > 4]


@pytest.mark.parametrize(("check", "learned_by_heart"), LEARNED, ids=["ps1", "ps2"])
def test_a_hidden_failure_is_shown_on_a_public_case(check, learned_by_heart):
    secret = {str(a[0].tolist()) for a, _ in hidden_cases(check)}
    with pytest.raises(CheckFailed) as caught:
        hidden.check(check, learned_by_heart)
    message = str(caught.value)
    assert "The smallest case that shows it" in message
    assert not any(numbers.replace(".0", ".") in message for numbers in secret)
    assert "autograder" not in message


@pytest.mark.parametrize(("check", "learned_by_heart"), LEARNED, ids=["ps1", "ps2"])
def test_what_is_learned_by_heart_passes_in_public(check, learned_by_heart):
    rows = check.observations(learned_by_heart, [case for case in check.cases if not case.gradients])
    assert not [found for _, found in check.compare(rows) if found]


def test_a_mistake_that_no_public_case_shows(monkeypatch):
    monkeypatch.setattr(hidden, "SEARCHED", 0)
    with pytest.raises(CheckFailed) as caught:
        hidden.check(ps2.conv_transpose2d_overlaps, answers_2.learned_by_heart)
    assert caught.value.kind == "hidden"
    assert "tensor" not in str(caught.value)


def test_right_answers_pass_the_hidden_cases():
    for name in ("conv_transpose2d_overlaps", "conv_transpose2d_together"):
        hidden.check(getattr(ps2, name), input_positions)


def test_a_missing_solution_is_said_clearly():
    with pytest.raises(FileNotFoundError, match="No solution notebook for 'ps9'"):
        oracle.function("ps9", "anything")
