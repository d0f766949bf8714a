"""What the checks of problem set 4 say where the banks of answers do not say it all."""

from __future__ import annotations

import pytest
import torch

from pixelwise.checks import Check, CheckFailed, ps4, race

from .answers import ps4 as answers


def said(check: Check, answer) -> str:
    with pytest.raises(CheckFailed) as failed:
        check(answer)
    return " ".join(str(failed.value).split())


def test_no_gradient_and_a_gradient_of_0_are_told_apart():
    message = said(ps4.mended_mean_loss_nothing, answers.mean_of_nothing_is_a_new_zero)
    assert "carries no gradient back" in message
    assert "(nothing but void: backward() runs, and the gradient is 0)" in message


def test_without_class_weights_a_count_is_no_sum_of_weights():
    for answer in (answers.weighted_mean_of_counted, answers.weighted_mean):
        assert "divided by the number of positions that count" in said(
            ps4.weighted_cross_entropy_void, answer
        )
    message = said(ps4.weighted_cross_entropy_weights, answers.weighted_mean)
    assert "divided by the sum of the weights" in message


def test_forms_of_the_same_overflow_are_told_apart():
    check = ps4.pixelwise_cross_entropy_learns
    assert "the sum of the exponentials overflows" in said(check, answers.naive_logsumexp)
    assert "rounded to 0" in said(check, answers.log_of_softmax)
    assert "rounded to 0" in said(ps4.pixelwise_cross_entropy_stable, answers.one_hot_log_of_softmax)


def test_the_log_of_a_softmax_does_not_mend_the_focal_loss():
    ps4.mended_focal_loss(answers.focal_log_of_softmax)
    assert "rounded to 0" in said(ps4.mended_focal_loss_images, answers.focal_log_of_softmax)


def test_measures_differ_on_the_case_that_shows_them():
    shown = [said(ps4.iou, answer) for answer in (answers.dice_of_counts, answers.recall, answers.precision)]
    results = {message.partition("your result")[2] for message in shown}
    assert all("(ten positions)" in message for message in shown)
    assert len(results) == 3


def test_a_short_time_has_figures(capsys):
    race(torch.neg, [torch.neg], torch.ones(3))
    first = capsys.readouterr().out.splitlines()[0]
    assert float(first.removeprefix("PyTorch: ").removesuffix(" ms")) > 0
