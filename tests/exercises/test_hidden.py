"""Hidden cases: what they compare with, that they are the same every time, and what a failure tells."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from autograder import hidden, oracle
from pixelwise.checks import CheckFailed, ps2
from pixelwise.checks.case import Random
from pixelwise.checks.compare import difference
from pixelwise.checks.observe import observe
from pixelwise.checks.ps2.cases import random_call, random_even, random_matrix, random_odd, random_size
from pixelwise.checks.report import as_code

from .answers.ps2 import input_positions, learned_by_heart
from .test_checks import CHECKS

RNG_SEED = "the oracle equals torch"


def everything(rng: Random, flat: bool):
    """A random call without any restriction."""
    return random_call(
        rng,
        large=rng.random() < 0.3,
        overlap=None,
        padding=True,
        channels=not flat and rng.random() < 0.7,
        bias=not flat and rng.random() < 0.5,
        batch=not flat and rng.random() < 0.5,
        flat=flat,
        precise=None,
        gradients=not flat,
    )


DRAWS = {
    "transposed_output_size": lambda rng: random_size(
        rng, rng.random() < 0.5, output_padding=rng.random() < 0.5
    ),
    "conv_transpose2d_single": lambda rng: everything(rng, flat=True),
    "conv_transpose2d": lambda rng: everything(rng, flat=False),
    "conv_transpose2d_fast": lambda rng: everything(rng, flat=False),
    "conv_transpose2d_fold": lambda rng: everything(rng, flat=False),
    "convolution_matrix": lambda rng: random_matrix(
        rng, False, stride=rng.random() < 0.5, padding=True, precise=True
    ),
    "convolution_matrix_fast": lambda rng: random_matrix(rng, False, stride=rng.random() < 0.5, padding=True),
    "conv_transpose2d_by_matrix": lambda rng: everything(rng, flat=True),
    "bilinear_kernel": lambda rng: (random_even if rng.random() < 0.5 else random_odd)(
        rng, rng.random() < 0.5
    ),
}


def right(name: str):
    """What PyTorch says: a task's own reference, for the faster variants too."""
    tasks = {check.task.name: check.task for check in CHECKS.values()}
    return next(tasks[task].right for task in (name, name.rpartition("_")[0]) if task in tasks)


@pytest.mark.parametrize("name", DRAWS)
def test_the_solutions_equal_torch(name):
    solution = oracle.function("ps2", name)
    rng = Random(RNG_SEED)
    for _ in range(200):
        case = DRAWS[name](rng)
        found = difference(observe(solution, case), observe(right(name), case))
        assert found is None, f"{as_code(name, case)}\n{found}"


def test_every_task_is_drawn():
    assert {check.task.name for check in CHECKS.values()} <= set(DRAWS)


def test_the_bilinear_kernel_interpolates():
    """In the interior; at the border, copies are missing."""
    picture = torch.rand(1, 1, 6, 7)
    for factor in (1, 2, 3, 4, 5):
        kernel = oracle.function("ps2", "bilinear_kernel")(factor)[None, None]
        up = F.conv_transpose2d(picture, kernel, stride=factor, padding=factor // 2)
        right = F.interpolate(picture, scale_factor=factor, mode="bilinear", align_corners=False)
        inner = (..., slice(factor, -factor), slice(factor, -factor))
        torch.testing.assert_close(up[inner], right[inner])


def hidden_cases(monkeypatch, check, function=None):
    """The hidden cases that a function is called with."""
    seen = []

    def note(*arguments, **settings):
        seen.append((arguments, settings))
        return oracle.function("ps2", check.task.name)(*arguments, **settings)

    hidden.check(check, note)
    return seen


def test_hidden_cases_are_the_same_every_time_and_not_public(monkeypatch):
    check = ps2.conv_transpose2d_overlaps
    first, second = hidden_cases(monkeypatch, check), hidden_cases(monkeypatch, check)
    assert len(first) == hidden.SMALL + hidden.LARGE
    for (a, s), (b, t) in zip(first, second, strict=True):
        assert s == t
        assert all(torch.equal(u, v) for u, v in zip(a, b, strict=True))
    public = [as_code("f", case) for case in check.cases]
    xs = [str(case.arguments["x"].tolist()) for case in check.cases]
    assert len(public) == len(set(public))
    assert not [a for a, _ in first if str(a[0].tolist()) in xs and a[0].numel() > 4]


def test_a_hidden_failure_is_shown_on_a_public_case(monkeypatch):
    check = ps2.conv_transpose2d_overlaps
    check(learned_by_heart)  # knows all that is public
    secret = {str(a[0].tolist()) for a, _ in hidden_cases(monkeypatch, check)}
    with pytest.raises(CheckFailed) as caught:
        hidden.check(check, learned_by_heart)
    message = str(caught.value)
    assert "The smallest case that shows it" in message
    assert not any(numbers.replace(".0", ".") in message for numbers in secret)
    assert "autograder" not in message


def test_a_mistake_that_no_public_case_shows(monkeypatch):
    monkeypatch.setattr(hidden, "SEARCHED", 0)
    with pytest.raises(CheckFailed) as caught:
        hidden.check(ps2.conv_transpose2d_overlaps, learned_by_heart)
    assert caught.value.kind == "hidden"
    assert "tensor" not in str(caught.value)


def test_right_answers_pass_the_hidden_cases():
    for name in ("conv_transpose2d_overlaps", "conv_transpose2d_together"):
        hidden.check(getattr(ps2, name), input_positions)


def test_a_missing_solution_is_said_clearly():
    with pytest.raises(FileNotFoundError, match="No solution notebook for 'ps9'"):
        oracle.function("ps9", "anything")
