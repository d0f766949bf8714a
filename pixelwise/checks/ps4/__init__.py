"""The checks of problem set 4, the loss."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelwise import losses
from pixelwise.metrics import ConfusionMatrix

from ..check import Check, Task
from ..rules import Rule
from . import mistakes
from .cases import (
    COW,
    GAP,
    PIXEL,
    call,
    cells,
    counts,
    label,
    maps,
    pixel,
    random_call,
    random_cells,
    random_counts,
    random_focal,
    random_maps,
    random_softmax,
    random_void,
    random_weighted,
    scored,
)

_PAGE = "loss.html"

# --- The rules --------------------------------------------------------------------------------------------

_LOSSES = r"(?i)cross_?entropy|nll_?loss|bce_?|kl_?div|AdaptiveLogSoftmax|focal_loss"
RULE = Rule(
    calls=_LOSSES,
    operators=r"cross_entropy|nll_loss|kl_div",
    modules=("pixelwise", "sklearn", "torchmetrics", "monai", "torchvision", "segmentation_models_pytorch"),
    reason="Losses and measures are what you are to write yourself. `softmax`, `log_softmax`, `logsumexp`, "
    "`gather`, `one_hot`, `bincount` and `einsum` are welcome.",
)
SOFTMAX_RULE = replace(
    RULE,
    calls=rf"{_LOSSES}|soft_?m(ax|in)|scaled_dot_product",
    operators=rf"{RULE.operators}|softm(ax|in)|scaled_dot_product",
    reason="The softmax is what you are to write yourself. `exp`, `sum`, `amax` and `logsumexp` are welcome.",
)
GRADIENT_RULE = replace(
    RULE,
    calls=rf"{_LOSSES}|^(value_and_)?grad(_and_value)?$|^enable_grad$|^backward$|^(vjp|jvp|hessian)$|^jac",
    methods="backward|requires_grad_?",
    reason="The gradient is asked for in closed form, from the softmax and the target, without automatic "
    "differentiation.",
)

# --- What is right, by PyTorch and by pixelwise -----------------------------------------------------------


def _entropy(scores: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(scores, target, reduction="sum")


def _gradient(scores: Tensor, target: Tensor) -> Tensor:
    return torch.func.grad(_entropy)(scores, target)


def _weighted(
    scores: Tensor, target: Tensor, class_weights: Tensor | None = None, ignore_index: int = -100
) -> Tensor:
    weight = None if class_weights is None else class_weights.detach()
    return F.cross_entropy(scores, target, weight=weight, ignore_index=ignore_index, reduction="sum")


def _mean(scores: Tensor, target: Tensor, ignore_index: int = 255) -> Tensor:
    if (target == ignore_index).all():
        return 0 * scores.sum()
    return F.cross_entropy(scores, target, ignore_index=ignore_index)


def _focal(scores: Tensor, target: Tensor, gamma: float = 2) -> Tensor:
    costs = F.cross_entropy(scores, target, reduction="none")
    return (costs * (1 - torch.exp(-costs)) ** gamma).mean()


def _overlap(scores: Tensor, target: Tensor) -> Tensor:
    """IoU = Dice / (2 − Dice), class by class."""
    pairs = [
        torch.stack([(target == k).to(scores.dtype), p])
        for k, p in enumerate(scores.softmax(dim=1).unbind(1))
    ]
    dice = torch.stack([2 * one.prod(0).sum() / one.sum() for one in pairs])
    return 1 - (dice / (2 - dice)).mean()


def _confusion(prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    matrix = ConfusionMatrix(num_classes, ignore_index)
    matrix.update(prediction, target)
    return matrix.counts


def _iou(matrix: Tensor) -> Tensor:
    counted = ConfusionMatrix(len(matrix))
    counted.counts = matrix
    return counted.iou()


# --- The tasks --------------------------------------------------------------------------------------------

_SOFTMAX = Task(
    "ps4",
    "pixel_softmax",
    partial(torch.softmax, dim=1),
    tuple(mistakes.SOFTMAX),
    SOFTMAX_RULE,
    _PAGE,
    "loss-softmax",
)
_ENTROPY = Task(
    "ps4",
    "pixelwise_cross_entropy",
    _entropy,
    tuple(mistakes.ENTROPY),
    RULE,
    _PAGE,
    "loss-cross-entropy",
)
_GRADIENT = Task(
    "ps4",
    "cross_entropy_gradient",
    _gradient,
    tuple(mistakes.GRADIENT),
    GRADIENT_RULE,
    _PAGE,
    "loss-gradient",
)
_WEIGHTED = Task(
    "ps4",
    "weighted_cross_entropy",
    _weighted,
    tuple(mistakes.WEIGHTED),
    RULE,
    _PAGE,
    "loss-imbalance",
)
_BORDER = Task(
    "ps4",
    "border_weight_map",
    losses.border_weight_map,
    tuple(mistakes.BORDERS),
    RULE,
    _PAGE,
    "loss-border",
)
_MEAN = Task("ps4", "mended_mean_loss", _mean, tuple(mistakes.MEAN), RULE, _PAGE, "loss-sum-or-mean")
_FOCAL = Task("ps4", "mended_focal_loss", _focal, tuple(mistakes.FOCAL), RULE, _PAGE, "loss-softmax")
_OVERLAP = Task("ps4", "mended_overlap_loss", _overlap, tuple(mistakes.OVERLAP), RULE, _PAGE, "loss-dice")
_CONFUSION = Task(
    "ps4",
    "confusion_matrix",
    _confusion,
    tuple(mistakes.CONFUSION),
    RULE,
    "problem.html",
    "problem-iou",
)
_IOU = Task("ps4", "iou", _iou, tuple(mistakes.IOU), RULE, "problem.html", "problem-iou")


# --- pixel_softmax ----------------------------------------------------------------------------------------

#: As many classes as rows and columns: here no axis can be told from another by its size.
_SQUARE = torch.tensor([[[[0.0, 3], [1, -2]], [[2, -1], [0, 1]]]])
_SQUARE_TARGET = torch.tensor([[[0, 1], [1, 1]]])
_PAIR = torch.cat([_SQUARE, torch.tensor([[[[1.0, 0], [2, 2]], [[-3, 1], [0, -1]]]])])
_PAIR_TARGET = torch.tensor([[[0, 1], [1, 1]], [[1, 0], [0, 0]]])
#: At one position both scores lie far above 0, at the other far below.
_APART = torch.tensor([[[[1000.0, -1000]], [[999, -1001]]]])

pixel_softmax = Check(
    _SOFTMAX,
    "one distribution over the classes at each position",
    [
        scored(pixel(0, 0), about="equal scores"),
        scored(PIXEL, about="the chapter's pixel"),
        scored(_SQUARE, about="two classes, four positions"),
        scored(_PAIR, about="two images"),
        scored(
            PIXEL.expand(1, 4, 2, 3) + torch.arange(6.0).reshape(2, 3), about="other heights, same distances"
        ),
    ],
    partial(random_softmax, images=True),
)
pixel_softmax_stable = Check(
    _SOFTMAX,
    "scores far from 0; gradients, dtype and device are kept, and scores stay as they were",
    [
        scored(pixel(1000, 0), about="a lead of 1000"),
        scored(pixel(-1000, -1001), about="both scores far below 0"),
        scored(_APART, about="one position far above 0, one far below"),
        scored(_SQUARE, gradients=True, about="gradients by autograd"),
        scored(_SQUARE.double(), about="float64"),
        scored(_SQUARE.to("meta"), about="another device"),
    ],
    partial(random_softmax, extreme=True, precise=True, gradients=True),
    count=6,
    strict=True,
)


# --- pixelwise_cross_entropy ------------------------------------------------------------------------------

pixelwise_cross_entropy_pixel = Check(
    _ENTROPY,
    "one pixel pays −log p of its true class",
    [
        call(pixel(0, 0), label(1), about="a coin toss: log 2"),
        call(PIXEL, COW, about="the chapter's pixel"),
        call(pixel(3, 0), label(0), about="right and sure"),
        call(pixel(3, 0), label(1), about="wrong and sure"),
    ],
    partial(random_call, positions=False),
)
pixelwise_cross_entropy_sum = Check(
    _ENTROPY,
    "summed over positions and images",
    [
        call(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]), about="two positions: 2 log 2"),
        call(_SQUARE, _SQUARE_TARGET, about="two classes, four positions"),
        call(_PAIR, _PAIR_TARGET, about="two images"),
        call(
            torch.zeros(1, 4, 12, 12),
            torch.zeros(1, 12, 12, dtype=torch.int64),
            about="no opinion, 144 times",
        ),
    ],
    partial(random_call, images=True),
)
pixelwise_cross_entropy_stable = Check(
    _ENTROPY,
    "scores far from 0",
    [
        call(pixel(1000, 0), label(1), about="wrong by 1000: the loss is 1000"),
        call(pixel(1000, 0), label(0), about="right by 1000: the loss is 0"),
        call(pixel(-1000, -1001), label(0), about="both scores far below 0"),
        call(pixel(30, 0, 0), label(1), about="wrong by 30"),
    ],
    partial(random_call, positions=False, extreme=True),
)
pixelwise_cross_entropy_learns = Check(
    _ENTROPY,
    "gradients and dtype are kept, and arguments stay as they were",
    [
        call(PIXEL, COW, gradients=True, about="the chapter's pixel"),
        call(pixel(0.5, 0.25, -1.125, dtype=torch.float64), label(2), about="float64"),
        call(pixel(1000, 0), label(1), gradients=True, about="wrong by 1000"),
        call(pixel(1000, 0), label(0), gradients=True, about="right by 1000"),
    ],
    partial(random_call, positions=False, precise=True, gradients=True),
    count=6,
    strict=True,
)


# --- cross_entropy_gradient -------------------------------------------------------------------------------

cross_entropy_gradient_pixel = Check(
    _GRADIENT,
    "one pixel",
    [
        call(pixel(0, 0), label(1), about="a coin toss"),
        call(PIXEL, COW, about="the chapter's pixel"),
        call(pixel(3, 0), label(1), about="wrong and sure"),
    ],
    partial(random_call, positions=False),
)
cross_entropy_gradient_maps = Check(
    _GRADIENT,
    "every position of every image",
    [
        call(_SQUARE, _SQUARE_TARGET, about="two classes, four positions"),
        call(_PAIR, _PAIR_TARGET, about="two images"),
    ],
    partial(random_call, images=True),
)
cross_entropy_gradient_stable = Check(
    _GRADIENT,
    "scores far from 0; dtype is kept, and arguments stay as they were",
    [
        call(pixel(1000, 0), label(1), about="wrong by 1000"),
        call(pixel(0.5, 0.25, -1.125, dtype=torch.float64), label(2), about="float64"),
    ],
    partial(random_call, positions=False, extreme=True, precise=True),
    count=6,
    strict=True,
)


# --- weighted_cross_entropy -------------------------------------------------------------------------------

_weights = torch.tensor([1.0, 5])
_void_target = torch.tensor([[[0, 255], [1, 1]]])

weighted_cross_entropy_weights = Check(
    _WEIGHTED,
    "each position has the weight of its true class",
    [
        call(_SQUARE, _SQUARE_TARGET, about="no weights: the plain loss"),
        call(_SQUARE, _SQUARE_TARGET, class_weights=_weights, about="the second class weighs 5"),
        call(PIXEL, COW, class_weights=torch.tensor([1.0, 2, 5, 3]), about="the chapter's pixel"),
        call(_SQUARE, _SQUARE_TARGET, class_weights=torch.tensor([0.0, 1]), about="a weight of 0"),
    ],
    partial(random_weighted, weights=True),
)
weighted_cross_entropy_void = Check(
    _WEIGHTED,
    "ignored positions count nothing",
    [
        call(_SQUARE, torch.tensor([[[0, -100], [1, 1]]]), about="one position is void"),
        call(_SQUARE, _void_target, ignore_index=255, about="void is 255"),
        call(_SQUARE, _SQUARE_TARGET, ignore_index=1, about="a class is ignored"),
        call(_SQUARE, torch.full((1, 2, 2), 255), ignore_index=255, about="nothing but void"),
    ],
    partial(random_weighted, void=True),
)
weighted_cross_entropy_together = Check(
    _WEIGHTED,
    "weights, void and several images",
    [
        call(_SQUARE, _void_target, class_weights=_weights, ignore_index=255, about="weights and void"),
        call(
            _PAIR,
            torch.stack([_void_target[0], torch.tensor([[255, 255], [0, 255]])]),
            class_weights=_weights,
            ignore_index=255,
            about="two images",
        ),
    ],
    partial(random_weighted, weights=True, void=True, images=True),
)
weighted_cross_entropy_learns = Check(
    _WEIGHTED,
    "scores far from 0; gradients and dtype are kept, and arguments stay as they were",
    [
        call(_SQUARE, _void_target, ignore_index=255, gradients=True, about="the gradient at void is 0"),
        call(
            pixel(1000, 0),
            label(1),
            class_weights=torch.tensor([1.0, 5]),
            gradients=True,
            about="wrong by 1000",
        ),
    ],
    partial(random_weighted, weights=True, void=True, precise=True, gradients=True),
    count=6,
    strict=True,
)


# --- border_weight_map ------------------------------------------------------------------------------------

border_weight_map_two = Check(
    _BORDER,
    "two cells",
    [
        cells(torch.tensor([[1, 0, 2]]), about="a gap of one pixel"),
        cells(torch.tensor([[1, 0, 0, 0, 2]]), about="a gap of three pixels"),
        cells(GAP, about="two cells, one column between them"),
        cells(torch.tensor([[7, 0, 0], [0, 0, 0], [0, 0, 4]]), about="a gap along the diagonal"),
    ],
    partial(random_cells, count=(2, 2)),
)
border_weight_map_many = Check(
    _BORDER,
    "any number of cells",
    [
        cells(torch.tensor([[1, 0, 2, 0, 0, 3]]), about="three cells"),
        cells(torch.tensor([[0, 1, 0]]), about="one cell: nothing to keep apart"),
        cells(torch.zeros(2, 3, dtype=torch.int64), about="no cell"),
        cells(torch.tensor([[1, 2], [3, 3]]), about="no background"),
    ],
    partial(random_cells, count=(3, 5)),
)
border_weight_map_settings = Check(
    _BORDER,
    "w0, sigma and class weights",
    [
        cells(torch.tensor([[1, 0, 2]]), class_weights=(1, 3), about="cells weigh 3"),
        cells(torch.tensor([[1, 0, 2]]), w0=5, about="w0 = 5"),
        cells(torch.tensor([[1, 0, 0, 2]]), sigma=2, about="sigma = 2"),
    ],
    partial(random_cells, count=(2, 3), settings=True),
)


# --- The mended losses ------------------------------------------------------------------------------------

mended_mean_loss = Check(
    _MEAN,
    "the mean over the positions that count",
    [
        call(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 255]]]), about="one position counts: log 2"),
        call(_SQUARE, _void_target, about="three positions count"),
        call(_SQUARE, _SQUARE_TARGET, about="all count"),
        call(
            _PAIR,
            torch.stack([_void_target[0], torch.tensor([[255, 255], [0, 255]])]),
            about="two images, with three and with one",
        ),
    ],
    partial(random_void, images=True),
)
mended_mean_loss_nothing = Check(
    _MEAN,
    "nothing to count; scores far from 0, gradients, dtype",
    [
        call(torch.zeros(1, 2, 1, 2), torch.full((1, 1, 2), 255), about="nothing but void"),
        call(
            _SQUARE,
            torch.full((1, 2, 2), 255),
            gradients=True,
            about="nothing but void: backward() runs, and the gradient is 0",
        ),
        call(_SQUARE, _void_target, gradients=True, about="the gradient at void is 0"),
        call(1000 * _SQUARE, _void_target, about="scores far from 0"),
    ],
    partial(random_void, precise=True, gradients=True),
    count=6,
    strict=True,
)
mended_focal_loss = Check(
    _FOCAL,
    "each position by itself",
    [
        call(torch.tensor([[[[5.0, 0]], [[0, 5]]]]), torch.tensor([[[0, 1]]]), about="both right and sure"),
        call(_SQUARE, _SQUARE_TARGET, about="two classes, four positions"),
        call(_SQUARE, _SQUARE_TARGET, gamma=0, about="gamma 0: the mean cross entropy"),
    ],
    random_focal,
)
mended_focal_loss_images = Check(
    _FOCAL,
    "several images; scores far from 0, gradients, dtype",
    [
        call(_PAIR, _PAIR_TARGET, about="two images"),
        call(_SQUARE, _SQUARE_TARGET, gradients=True, about="gradients by autograd"),
        call(1000 * _SQUARE, _SQUARE_TARGET, gradients=True, about="scores far from 0"),
    ],
    partial(random_focal, images=True, precise=True, gradients=True),
    count=6,
    strict=True,
)
mended_overlap_loss = Check(
    _OVERLAP,
    "the overlap of each class",
    [
        call(pixel(0, 0), label(0), about="one pixel, no opinion"),
        call(pixel(5, 5), label(0), about="the same, all scores 5 more"),
        call(_SQUARE, _SQUARE_TARGET, about="two classes, four positions"),
        call(-20 + _SQUARE, _SQUARE_TARGET, about="all scores 20 less"),
    ],
    random_call,
)
mended_overlap_loss_images = Check(
    _OVERLAP,
    "several images; gradients, dtype",
    [
        call(_PAIR, _PAIR_TARGET, about="two images"),
        call(_SQUARE, _SQUARE_TARGET, gradients=True, about="gradients by autograd"),
    ],
    partial(random_call, images=True, precise=True, gradients=True),
    count=6,
    strict=True,
)


# --- confusion_matrix and iou -----------------------------------------------------------------------------

confusion_matrix = Check(
    _CONFUSION,
    "true classes in rows, predicted ones in columns",
    [
        maps(torch.tensor([[[1]]]), torch.tensor([[[0]]]), 2, about="one position, wrong"),
        maps(torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 0, 0]]]), 2, about="wrong twice"),
        maps(
            torch.tensor([[[0, 1], [1, 1]], [[0, 0], [2, 1]]]),
            torch.tensor([[[0, 1], [2, 1]], [[0, 1], [2, 1]]]),
            3,
            about="two images, three classes",
        ),
    ],
    random_maps,
)
confusion_matrix_void = Check(
    _CONFUSION,
    "void and absent classes; int64, and the maps stay as they were",
    [
        maps(torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 255, 1]]]), 2, about="one position is void"),
        maps(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 1]]]), 3, about="class 2 is absent"),
        maps(
            torch.tensor([[[0, 0, 1]]]),
            torch.tensor([[[0, 1, 1]]]),
            2,
            ignore_index=0,
            about="class 0 is ignored",
        ),
    ],
    partial(random_maps, void=True),
    strict=True,
)
iou = Check(
    _IOU,
    "intersection over union of each class",
    [
        counts([[2, 1], [3, 4]], about="ten positions"),
        counts([[5, 0], [3, 2]], about="class 1 is missed three times"),
        counts([[6, 0, 0], [0, 3, 0], [0, 0, 1]], about="all is right"),
        counts([[3, 1, 0], [2, 2, 4], [0, 1, 7]], about="three classes"),
    ],
    random_counts,
)
iou_absent = Check(
    _IOU,
    "classes that are absent, and classes that are never right",
    [
        counts([[2, 0], [0, 0]], about="class 1 neither occurs nor is predicted"),
        counts([[2, 1], [0, 0]], about="class 1 is predicted and does not occur"),
        counts([[2, 0], [1, 0]], about="class 1 occurs and is never predicted"),
    ],
    partial(random_counts, absent=True),
)
