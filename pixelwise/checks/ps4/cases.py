"""The cases of problem set 4: the chapter's pixel, small maps, and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..case import Case, Random, integers, reals

#: The chapter's pixel: the scores of trees, sky, cow and grass. Its true class is cow.
PIXEL = torch.tensor([0.0, -1, 1, 2]).reshape(1, 4, 1, 1)
COW = torch.tensor([[[2]]])

#: Two cells, one pixel of background between them.
GAP = torch.tensor([[1, 1, 0, 2], [1, 1, 0, 2], [0, 0, 0, 0]])


def pixel(*scores: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """The scores of a single pixel, (1, K, 1, 1)."""
    return torch.tensor(scores, dtype=dtype).reshape(1, -1, 1, 1)


def label(value: int) -> Tensor:
    """The class of a single pixel, (1, 1, 1)."""
    return torch.tensor([[[value]]])


def scored(scores: Tensor, about: str = "", gradients: bool = False) -> Case:
    """A case of `pixel_softmax`."""
    return Case({"scores": scores}, {}, about, gradients)


def call(scores: Tensor, target: Tensor, about: str = "", gradients: bool = False, **settings: Any) -> Case:
    """A case of a loss."""
    return Case({"scores": scores, "target": target}, settings, about, gradients)


def random_scores(
    rng: Random,
    large: bool,
    positions: bool = True,
    images: bool = False,
    extreme: bool = False,
    precise: bool = False,
) -> Tensor:
    """Random scores (N, K, H, W).

    positions  whether there are several; images: the same
    extreme    whether they lie as far as 1200 from 0
    precise    whether they are real and float64, not small and whole
    """
    shape = [rng.randint(2, 6 if large else 3) if positions else 1 for _ in range(2)]
    count = rng.randint(2, 3) if images else 1
    scores = (reals if precise else integers)(rng, count, rng.randint(2, 7 if large else 4), *shape)
    return 400 * scores if extreme else scores


def labels(rng: Random, scores: Tensor) -> Tensor:
    """A random class at each position, (N, H, W)."""
    count, classes, height, width = scores.shape
    values = [rng.randrange(classes) for _ in range(count * height * width)]
    return torch.tensor(values).reshape(count, height, width)


def random_softmax(rng: Random, large: bool, gradients: bool = False, **settings: bool) -> Case:
    return scored(random_scores(rng, large, **settings), gradients=gradients)


def random_call(rng: Random, large: bool, gradients: bool = False, **settings: bool) -> Case:
    """A random case of a loss without settings of its own; `settings` are those of `random_scores`."""
    scores = random_scores(rng, large, **settings)
    return call(scores, labels(rng, scores), gradients=gradients)


def random_weighted(
    rng: Random,
    large: bool,
    weights: bool = False,
    void: bool = False,
    gradients: bool = False,
    **settings: bool,
) -> Case:
    """A random case of `weighted_cross_entropy`, with class weights, with void, or with both."""
    scores = random_scores(rng, large, **settings)
    target, given = labels(rng, scores), {}
    if weights:
        values = [rng.choice((0.5, 1.0, 2.0, 3.0, 5.0)) for _ in range(scores.shape[1])]
        given["class_weights"] = torch.tensor(values, dtype=scores.dtype)
    if void:
        ignored = rng.choice((-100, 255, rng.randrange(scores.shape[1])))
        target = _partly(rng, target, ignored)
        given |= {} if ignored == -100 else {"ignore_index": ignored}
    return call(scores, target, gradients=gradients, **given)


def random_void(rng: Random, large: bool, gradients: bool = False, **settings: bool) -> Case:
    """A random case of `mended_mean_loss`: some positions are void."""
    scores = random_scores(rng, large, **settings)
    ignored = rng.choice((255, 255, rng.randrange(scores.shape[1])))
    given = {} if ignored == 255 else {"ignore_index": ignored}
    return call(scores, _partly(rng, labels(rng, scores), ignored), gradients=gradients, **given)


def random_focal(rng: Random, large: bool, gradients: bool = False, **settings: bool) -> Case:
    """A random case of `mended_focal_loss`."""
    scores, gamma = random_scores(rng, large, **settings), rng.choice((0, 1, 2, 2, 3))
    given = {} if gamma == 2 else {"gamma": gamma}
    return call(scores, labels(rng, scores), gradients=gradients, **given)


def _partly(rng: Random, target: Tensor, ignored: int) -> Tensor:
    """The target with some positions ignored and at least one that counts, if it has two."""
    which = torch.tensor([rng.random() < 0.35 for _ in range(target.numel())])
    which[rng.randrange(len(which))] = True
    if len(which) > 1 and which.all():
        which[0] = False
    return target.masked_fill(which.reshape(target.shape), ignored)


def cells(instances: Tensor, about: str = "", **settings: Any) -> Case:
    """A case of `border_weight_map`."""
    return Case({"instances": instances}, settings, about)


def random_cells(rng: Random, large: bool, count: Sequence[int], settings: bool = False) -> Case:
    """Rectangles that do not overlap, numbered in no order.

    count     how many cells, at least and at most
    settings  whether w0, sigma and the class weights are given
    """
    size = [rng.randint(5, 14 if large else 7) for _ in range(2)]
    wanted = rng.randint(*count)
    instances = torch.zeros(size, dtype=torch.int64)
    numbers = rng.sample(range(1, 10), wanted)
    while numbers:
        top, left = (rng.randrange(side) for side in size)
        cell = instances[top : top + rng.randint(1, 3), left : left + rng.randint(1, 3)]
        if (cell == 0).all():
            cell.fill_(numbers.pop())
    given = {}
    if settings:
        given = {"w0": rng.choice((4, 20)), "sigma": rng.choice((1, 2, 3))}
        given["class_weights"] = rng.choice(((1, 2), (3, 1), (0.5, 4)))
    return cells(instances, **given)


def maps(prediction: Tensor, target: Tensor, num_classes: int, about: str = "", **settings: Any) -> Case:
    """A case of `confusion_matrix`."""
    return Case({"prediction": prediction, "target": target, "num_classes": num_classes}, settings, about)


def random_maps(rng: Random, large: bool, void: bool = False) -> Case:
    """Two class maps that agree at about half of the positions; the last class may be missing."""
    classes = rng.randint(2, 6 if large else 4)
    shape = [rng.randint(1, 3), rng.randint(2, 8 if large else 4), rng.randint(2, 8 if large else 4)]
    count = torch.Size(shape).numel()
    target = torch.tensor([rng.randrange(classes) for _ in range(count)]).reshape(shape)
    other = torch.tensor([rng.randrange(classes) for _ in range(count)]).reshape(shape)
    agree = torch.tensor([rng.random() < 0.5 for _ in range(count)]).reshape(shape)
    prediction, given = target.where(agree, other), {}
    if void:
        ignored = rng.choice((255, 255, rng.randrange(classes)))
        target = _partly(rng, target, ignored)
        given = {} if ignored == 255 else {"ignore_index": ignored}
    return maps(prediction, target, classes + (void and rng.randint(0, 1)), **given)


def counts(rows: Sequence[Sequence[int]], about: str = "") -> Case:
    """A case of `iou`."""
    return Case({"matrix": torch.tensor(rows)}, {}, about)


def random_counts(rng: Random, large: bool, absent: bool = False) -> Case:
    """A random confusion matrix in which every class is right somewhere; or in which some class is not.

    absent  whether one class neither occurs nor is predicted, and sometimes another is never right
    """
    classes = rng.randint(3, 8 if large else 4)
    values = [rng.randint(1, 900 if large else 9) for _ in range(classes**2)]
    matrix = torch.tensor(values).reshape(classes, classes)
    if absent:
        gone, never_right = rng.sample(range(classes), 2)
        matrix[gone] = 0
        matrix[:, gone] = 0
        if rng.random() < 0.5:
            matrix[never_right, never_right] = 0
    return Case({"matrix": matrix})
