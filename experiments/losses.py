"""Which loss, where some classes are rare? Cross entropy, weighted by class, Dice, and their sum.

In CamVid's streets a class covers between 0.3 % (cyclists) and 33 % (roads) of the training pixels.
"""

from __future__ import annotations

from typing import Any

import torch

from experiments.recipes import IGNORE_INDEX, RECIPES, cross_entropy, cross_entropy_and_dice
from experiments.runner import examples
from pixelwise.losses import balanced_class_weights, dice_loss, weighted_cross_entropy
from pixelwise.training import Loss, evaluate

ALONE = False
SETTINGS = [
    {"data": "small_camvid", "loss": loss, "steps": 400}
    for loss in ("cross entropy", "weighted", "Dice", "cross entropy + Dice")
]


def measure(setting: dict[str, Any], seed: int) -> dict[str, float]:
    recipe = RECIPES[setting["data"]]
    train = examples(setting["data"], "train")
    net = recipe.build(seed)
    recipe.fit(net, train, seed, steps=setting["steps"], loss=loss_of(setting["loss"], setting["data"]))
    matrix = evaluate(net, examples(setting["data"], "report"))
    share = class_shares(setting["data"])
    rare = matrix.iou()[share.argsort()[: recipe.num_classes // 2]]  # the rarer half of the classes
    return {
        "mean_iou": round(matrix.mean_iou(), 4),
        "mean_iou_of_rare_classes": round(rare.nanmean().item(), 4),
        "pixel_accuracy": round(matrix.pixel_accuracy(), 4),
    }


def loss_of(name: str, data: str) -> Loss:
    def weighted(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return weighted_cross_entropy(scores, target, weights, IGNORE_INDEX, reduction="mean")

    def dice(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return dice_loss(scores, target, IGNORE_INDEX)

    weights = class_weights(data)
    return {
        "cross entropy": cross_entropy,
        "weighted": weighted,
        "Dice": dice,
        "cross entropy + Dice": cross_entropy_and_dice,
    }[name]


def class_weights(data: str) -> torch.Tensor:
    """Weights that let all classes count alike."""
    return balanced_class_weights(_labels(data), RECIPES[data].num_classes, IGNORE_INDEX)


def class_shares(data: str) -> torch.Tensor:
    """The share of each class among the training pixels that are not void."""
    labels = _labels(data)
    counts = torch.bincount(labels[labels != IGNORE_INDEX], minlength=RECIPES[data].num_classes)
    return counts / counts.sum()


def _labels(data: str) -> torch.Tensor:
    return torch.cat([class_map.flatten() for _, class_map in examples(data, "train")])
