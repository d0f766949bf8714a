"""The checks of problem set 5, training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from ..check import Check, Task
from ..rules import Rule
from ..trained import NetworkCheck, being_graded, new_network, threshold_iou, train_once
from . import mistakes
from .cases import (
    VOID,
    ablation,
    evaluation,
    pretended,
    random_ablation,
    random_evaluation,
    random_steps,
    steps,
)
from .model import PixelClassifier

__all__ = [
    "PixelClassifier",
    "being_graded",
    "new_network",
    "pretended",
    "threshold_iou",
    "train_once",
    "warn_before_training",
]

_RULE = Rule(
    calls=r"(?!)",
    operators="",
    modules=("pixelwise", "torchmetrics", "sklearn"),
    reason="`train`, `evaluate` and `ConfusionMatrix` of `pixelwise` are what you write here. PyTorch's "
    "losses, `bincount` and `argmax` are welcome.",
)

_STEP = Task(
    "ps5", "train_step", mistakes.right_step, tuple(mistakes.STEP), _RULE, "training.html", "training-loop"
)
#: What is measured stands in another chapter than how it is done.
_EVALUATE = Task(
    "ps5",
    "evaluate",
    mistakes.right_evaluation,
    tuple(one for one in mistakes.EVALUATION if one.section == mistakes.IOU),
    _RULE,
    "problem.html",
    mistakes.IOU,
)
_EVALUATE_WELL = replace(
    _EVALUATE,
    bank=tuple(
        replace(one, section="training-results") if one.section == mistakes.IOU else one
        for one in mistakes.EVALUATION
    ),
    page="training.html",
    section="training-results",
)
_ABLATION = Task(
    "ps5",
    "ablation",
    mistakes.right_ablation,
    tuple(mistakes.ABLATION),
    _RULE,
    "training.html",
    "training-ablations",
)

_weight = torch.tensor([[1.0], [-1.0]])
_image = torch.tensor([[[[2.0, -1.0]]]])
_truth = torch.tensor([[[1, 0]]])
_images = torch.tensor([[[[2.0, -1.0], [1.0, 3.0]]], [[[-2.0, 1.0], [2.0, -3.0]]]])
_truths = torch.tensor([[[0, 1], [1, 0]], [[1, 1], [0, 1]]])
_with_void = torch.tensor([[[0, VOID], [1, 0]], [[VOID, VOID], [0, 1]]])

_ELSEWHERE = "the model on another device than the images"

# --- train_step -------------------------------------------------------------------------------------------

train_step = Check(
    _STEP,
    "one step goes down the slope of the mean loss",
    [
        steps(_weight, _image, _truth, about="two pixels, one channel, two classes"),
        steps(_weight, _images, _truths, about="two images"),
        steps(_weight, _image, _truth, lr=0.125, about="another learning rate"),
    ],
    random_steps,
    count=3,
)
train_step_again = Check(
    _STEP,
    "every step starts with fresh gradients",
    [
        steps(_weight, _image, _truth, steps=2, about="two steps"),
        steps(_weight, _images, _truths, steps=3),
        steps(_weight, _image, _truth, steps=2, lr=0.25, momentum=0.9, about="the optimizer has momentum"),
    ],
    partial(random_steps, count=3),
    count=3,
)
train_step_void = Check(
    _STEP,
    "nothing is learnt from void pixels",
    [
        steps(_weight, _image, torch.tensor([[[1, VOID]]]), about="the second pixel is void"),
        steps(_weight, _images, _with_void, about="three of eight pixels are void"),
    ],
    partial(random_steps, void=True),
    count=3,
)
train_step_loss = Check(
    _STEP,
    "it returns the loss as a number",
    [steps(_weight, _image, _truth, look="loss"), steps(_weight, _images, _truths, look="loss")],
    partial(random_steps, look="loss"),
    count=3,
)
train_step_mode = Check(
    _STEP,
    "it works in train mode",
    [
        steps(_weight, _images, _truths, norm=True, evaluating=True, look="mean", about="batch norm learns"),
        steps(_weight, _images, _truths, norm=True, evaluating=True, about="batch norm normalises"),
    ],
    partial(random_steps, norm=True, evaluating=True),
    count=3,
    anchor="training-modes",
)
train_step_device = Check(
    _STEP,
    "it works on the model's device",
    [steps(_weight.to("meta"), *pair, about=_ELSEWHERE) for pair in ((_image, _truth), (_images, _truths))],
)

# --- evaluate ---------------------------------------------------------------------------------------------

_three = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
#: As many classes as rows and columns: an argmax along a wrong axis fits.
_cube = torch.tensor([[[[2.0, -1, 0], [1, 3, -2], [-1, 1, 2]], [[1.0, 2, -1], [0, -1, -2], [-2, 3, 1]]]])
_cube_truth = torch.tensor([[[0, 1, 2], [0, 0, 2], [1, 1, 0]]])
_pair = torch.cat([_cube, _cube.flip(3), _cube.flip(2)])
_pair_truth = torch.cat([_cube_truth, _cube_truth.mT, _cube_truth.flip(1)])
_void_pair = torch.where(torch.arange(3)[:, None] == torch.arange(3), VOID, _pair_truth)

evaluate = Check(
    _EVALUATE,
    "intersection over union of every class",
    [
        evaluation(_weight, _images, _truths, about="two classes"),
        evaluation(_three, _cube, _cube_truth, about="three classes, 3 × 3 pixels"),
    ],
    random_evaluation,
    count=3,
)
evaluate_batches = Check(
    _EVALUATE_WELL,
    "counts are added up over batches",
    [
        evaluation(_weight, _images, _truths, sizes=[1, 1], about="two batches of one image"),
        evaluation(_three, _pair, _pair_truth, sizes=[2, 1], about="the last batch is smaller"),
    ],
    partial(random_evaluation, batches=3),
    count=3,
)
evaluate_void = Check(
    _EVALUATE,
    "void pixels are not counted",
    [
        evaluation(_weight, _images, _with_void, about="three of eight pixels are void"),
        evaluation(_three, _pair, _void_pair, about="the diagonals are void"),
    ],
    partial(random_evaluation, void=True),
    count=3,
)
evaluate_absent = Check(
    _EVALUATE,
    "a class that is nowhere has no IoU",
    [
        evaluation(
            torch.tensor([[1.0], [-1.0], [0.0]]),
            _image,
            _truth,
            about="class 2 is neither there nor predicted",
        )
    ],
    partial(random_evaluation, absent=True),
    count=3,
)
evaluate_mode = Check(
    _EVALUATE_WELL,
    "it works in eval mode and without gradients",
    [
        evaluation(_weight, _images, _truths, norm=True, about="batch norm uses its statistics"),
        evaluation(_weight, _images, _truths, norm=True, look="mean", about="… and does not change them"),
        evaluation(
            _weight, _images, _truths, norm=True, look="mean", training=False, about="it comes in eval mode"
        ),
        evaluation(_weight, _images, _truths, look="graphs", about="no pass is recorded"),
    ],
    partial(random_evaluation, norm=True),
    count=3,
    anchor="training-modes",
)
evaluate_leaves = Check(
    _EVALUATE_WELL,
    "the model is left in the mode it was in",
    [
        evaluation(_weight, _images, _truths, look="mode", about="it was in train mode"),
        evaluation(_weight, _images, _truths, look="mode", training=False, about="it was in eval mode"),
    ],
    anchor="training-modes",
)

evaluate_device = Check(
    _EVALUATE_WELL,
    "it works on the model's device",
    [
        evaluation(_weight.to("meta"), *pair, about=_ELSEWHERE)
        for pair in ((_image, _truth), (_images, _truths))
    ],
)

# --- ablation ---------------------------------------------------------------------------------------------

ablation_runs = Check(
    _ABLATION,
    "two runs of equal length, with copy paths and without",
    [ablation(100, 0, chance=False, about="chance does not count here"), ablation(300, 1, chance=False)],
    partial(random_ablation, chance=False),
    count=3,
)
ablation_seeds = Check(
    _ABLATION,
    "both start alike and see the same examples",
    [ablation(100, 1, about="chance counts"), ablation(300, 7)],
    random_ablation,
    count=3,
)

# --- The trained networks ---------------------------------------------------------------------------------
# tests/exercises/networks.py has the figures that these bars rest on, and the command that repeats them.

scenes_learns = NetworkCheck("ps5", "scenes", 3, needed=0.70)
scenes_well = NetworkCheck("ps5", "scenes", 3, needed=0.85)
brain_beats_thresholds = NetworkCheck("ps5", "brain", 1, needed=0.01, above=True, section="training-brain")
brain_well = NetworkCheck("ps5", "brain", 1, needed=0.10, above=True, section="training-brain")


def warn_before_training(function: Callable[..., Any]) -> None:
    """Print which checks of `train_step` fail, if any do: a training takes time. Unwritten: nothing."""
    checks = (
        train_step,
        train_step_again,
        train_step_void,
        train_step_loss,
        train_step_mode,
        train_step_device,
    )
    failed = []
    for check in checks:
        found = [one for _, one in check.compare(check.observations(function, check.cases)) if one]
        if any(one.kind == "unsolved" for one in found):
            return
        failed += [check.title] if found else []
    if failed:
        print(f"train_step does not pass yet: {'; '.join(failed)}.")
        print("What it trains may be worth little. Stop the kernel, run the checks of task 1, mend it.")
