"""How losses and measures of segmentation are misunderstood.

Each mistake changes what goes into the right function `op` or what comes out, or is another PyTorch call.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..misunderstanding import Fails, Misunderstanding, mistake

Bank = list[Misunderstanding]

# What is right, once; several mistakes miss the same idea.
AXIS = (
    "Scores are (N, K, H, W), and the classes lie along axis 1. Each position has a distribution of its own: "
    "its K probabilities add up to 1."
)
EXCLUDE = (
    "The classes exclude each other: at each position one distribution, with one sum over the classes below "
    "the line. A sigmoid knows nothing of the other scores."
)
OVERFLOW = (
    "float32 overflows from exp(88.8) on. The probabilities stay the same if the same number is "
    "taken from all "
    "scores of a position: with a good choice, no exponent is positive."
)
UNDERFLOW = (
    "A small probability is rounded to 0, and then its logarithm is lost. The logarithm of the quotient is a "
    "difference, which needs no probability at all."
)
SUM = (
    "The lecture's loss is a sum over the positions and over the images of the batch; nothing is divided. "
    "A map of twice the area costs twice as much."
)
TRUE_CLASS = "Each position pays −log p of its true class, the one that the target names, and of no other."
LOGARITHM = (
    "−log is the natural logarithm of the likelihood, with its sign turned: small is good, and 0 is best."
)
ONE_HOT = (
    "The gradient is softmax minus one-hot: p for every class, and 1 less where the target is. Its "
    "entries add "
    "up to 0 at each position."
)
SUM_OF_GRADIENTS = (
    "The loss is a sum, so that each position has its gradient as if it were alone: nothing is divided."
)
WEIGHT = "A position's loss is multiplied by the weight of its true class, and then all are added."
VOID = "A position with the ignored label counts nothing: no loss, no gradient, whatever its scores are."
BORDER = (
    "The second term is w₀ · exp(−(d₁ + d₂)² / (2 σ²)), with the distances of a pixel to the nearest and to "
    "the second nearest cell, in pixels. Inside a cell the distance to that cell is 0."
)
CLASS_TERM = "The weight is a sum: the class weight of the pixel, background or cell, plus the second term."
FEWER = (
    "With fewer than two cells there is no second nearest one, no gap to keep open, and the second term is 0."
)
COUNTS = (
    "Entry [t, p] counts the positions of true class t that are predicted as p: rows are true, "
    "columns predicted."
)
VOID_COUNTS = "A position whose true label is the ignored one is not counted, whatever is predicted there."
UNION = (
    "The union of a class holds each of its pixels once: those that occur plus those that are "
    "predicted, minus "
    "those that are both and would be counted twice."
)
ABSENT = (
    "A class that neither occurs nor is predicted has no IoU: 0 / 0. As nan it can be left out of a "
    "mean; as 0 "
    "it would punish the absent, as 1 reward it."
)

WRONG_SOFTMAX: dict[str, Callable[[Tensor], Tensor]] = {
    "the softmax runs along the rows of the image": lambda s: s.softmax(3),
    "the softmax runs along the columns of the image": lambda s: s.softmax(2),
    "the softmax runs over the images of the batch": lambda s: s.softmax(0),
    "the softmax of each class runs over all positions": lambda s: s.flatten(2).softmax(2).view_as(s),
    "one softmax runs over all classes and positions of an image": lambda s: (
        s.flatten(1).softmax(1).view_as(s)
    ),
    "one softmax runs over the whole batch": lambda s: s.flatten().softmax(0).view_as(s),
    "the scores are reshaped into rows of K, and the rows are not those of a position": lambda s: (
        s.reshape(-1, s.shape[1]).softmax(1).view_as(s)
    ),
    "the scores have their sign turned": lambda s: (-s).softmax(1),
    "the softmax is taken twice": lambda s: s.softmax(1).softmax(1),
}
ROWS = (
    "(N, K, H, W) in memory is one whole map after the other. A reshape keeps that order: before it, "
    "the axis "
    "of the classes has to move to the end."
)


def _advice(title: str) -> str:
    if "rows of K" in title:
        return f"{AXIS} {ROWS}"
    if "twice" in title:
        return "Probabilities lie between 0 and 1: as scores they are never far apart. One softmax is enough."
    return AXIS


BROADCAST = (
    "`gather` keeps the axis along which it picks: (N, 1, H, W). Beside (N, H, W) PyTorch makes N × N maps "
    "of this, every image with every other one. With a single image it goes unnoticed."
)
KEEPDIM = (
    "A sum over the classes has the shape (N, H, W). Beside (N, K, H, W) PyTorch takes its images for "
    "classes; with a single image it goes unnoticed. `keepdim=True` keeps the axis, of size 1."
)


def _or_fails(of: Callable[[], Tensor]) -> Tensor:
    """What `of()` gives; where sizes do not go together, a student's code stops as well."""
    try:
        return of()
    except RuntimeError:
        raise Fails("RuntimeError") from None


# --- pixel_softmax ----------------------------------------------------------------------------------------

SOFTMAX: Bank = []


def _softmax(
    title: str, advice: str, wrong: Callable[[Tensor], Tensor], section: str = "loss-softmax"
) -> None:
    mistake(SOFTMAX, title, advice, section)(lambda op, scores: wrong(scores))


for _title, _wrong in WRONG_SOFTMAX.items():
    _softmax(_title, _advice(_title), _wrong)
_softmax("every class gets a sigmoid of its own", EXCLUDE, torch.sigmoid, "loss-sigmoid")
_softmax(
    "the exponentials are not divided by their sum",
    "Exponentials are positive; only division by their sum makes them probabilities.",
    torch.exp,
)
_softmax(
    "the scores are divided by their sum, without the exponential",
    "Scores may be negative, and so would be such probabilities. The exponential makes them positive first.",
    lambda s: s / s.sum(1, keepdim=True),
)
_softmax(
    "the logarithm of the probabilities is returned",
    "The probabilities themselves are asked for: positive, with the sum 1.",
    lambda s: s.log_softmax(1),
)
_softmax(
    "the best class gets 1 and the others 0",
    "That is the decision. A probability changes with the scores long before the decision does.",
    lambda s: F.one_hot(s.argmax(1), s.shape[1]).movedim(-1, 1).to(s.dtype),
)
_softmax(
    "powers of 2 are taken instead of powers of e",
    "The softmax uses the exponential function, powers of e.",
    lambda s: (s * math.log(2)).softmax(1),
)
_softmax(
    "the exponentials overflow",
    OVERFLOW,
    lambda s: s.exp() / s.exp().sum(1, keepdim=True),
    "loss-stability",
)


def _powers(scores: Tensor) -> Tensor:
    """The exponentials, from the largest score of each position on."""
    return (scores - scores.amax(1, keepdim=True)).exp()


def _shifted(scores: Tensor, shift: Tensor) -> Tensor:
    powers = (scores - shift).exp()
    return powers / powers.sum(1, keepdim=True)


def _without_axis(title: str, of: Callable[[Tensor], Tensor]) -> None:
    @mistake(SOFTMAX, title, KEEPDIM, "loss-softmax", stops=True)
    def _(op, scores):
        return _or_fails(lambda: of(scores))


_DROPPED = "the sum or the largest score loses the axis of the classes: `keepdim` is missing"
_without_axis(_DROPPED, lambda s: _powers(s) / _powers(s).sum(1))
_without_axis(_DROPPED, lambda s: (s - s.amax(1)).softmax(1))
_without_axis(_DROPPED, lambda s: (s - s.amax(1)).exp() / (s - s.amax(1)).exp().sum(1))
_without_axis(_DROPPED, lambda s: (s - s.logsumexp(1)).exp())
_without_axis(_DROPPED, lambda s: s.exp() / s.exp().sum(1))

_MAXIMUM = (
    "Any number may be taken from the scores of a position, the same for all its classes. Take its own "
    "largest score: at a position whose scores lie far below, all exponentials would be rounded to 0."
)
_softmax(
    "the largest score of the whole tensor is subtracted",
    _MAXIMUM,
    lambda s: _shifted(s, s.max()),
    "loss-stability",
)
_softmax(
    "the largest score of the image is subtracted",
    _MAXIMUM,
    lambda s: _shifted(s, s.amax((1, 2, 3), keepdim=True)),
    "loss-stability",
)
_softmax(
    "the largest score of each class is subtracted",
    "The same number has to be taken from all classes of a position, or the probabilities change.",
    lambda s: (s - s.amax((2, 3), keepdim=True)).softmax(1),
    "loss-stability",
)
_softmax(
    "exponents are cut off at the top",
    "Two scores above the limit would become equal. Subtract the largest score instead: that changes "
    "nothing.",
    lambda s: s.clamp(max=80).softmax(1),
    "loss-stability",
)


# --- pixelwise_cross_entropy ------------------------------------------------------------------------------

ENTROPY: Bank = []


def _loss(
    bank: Bank,
    title: str,
    advice: str,
    wrong: Callable[[Tensor, Tensor], Tensor],
    section: str = "loss-cross-entropy",
) -> None:
    """A loss of (scores, target) that does not need the right one."""
    mistake(bank, title, advice, section)(lambda op, scores, target: wrong(scores, target))


def _changed(bank: Bank, title: str, advice: str, change: Callable, section: str = "loss-gradient") -> None:
    """`change(result, scores, target)` of the right result."""
    mistake(bank, title, advice, section)(
        lambda op, scores, target, **settings: change(op(scores, target, **settings), scores, target)
    )


def _paid(log_p: Tensor, target: Tensor) -> Tensor:
    return F.nll_loss(log_p, target, reduction="sum")


def _multiplied(log_p: Tensor, target: Tensor) -> Tensor:
    """By a one-hot target: where the logarithm is infinite and the target 0, that is nan."""
    return -(_one_hot(log_p, target) * log_p).sum()


for _pay in (_paid, _multiplied):
    _loss(
        ENTROPY,
        "a probability is rounded to 0 before its logarithm is taken",
        UNDERFLOW,
        lambda s, t, pay=_pay: pay(s.softmax(1).log(), t),
        "loss-stability",
    )
    _loss(
        ENTROPY,
        "the exponentials overflow",
        OVERFLOW,
        lambda s, t, pay=_pay: pay((s.exp() / s.exp().sum(1, keepdim=True)).log(), t),
        "loss-stability",
    )
_loss(
    ENTROPY,
    "the sum of the exponentials overflows",
    OVERFLOW,
    lambda s, t: s.exp().sum(1).log().sum() + _paid(s, t),
    "loss-stability",
)
_loss(
    ENTROPY,
    "the largest score of the whole tensor is subtracted, and exponentials far below it become 0",
    _MAXIMUM,
    lambda s, t: _paid(_shifted(s, s.max()).log(), t),
    "loss-stability",
)
for _power in (5, 6, 7, 8, 9, 10, 12, 15, 16, 20, 30):
    _loss(
        ENTROPY,
        "a small number is added to p, or p is kept above one, before the logarithm is taken",
        "The loss of a pixel that is wrong and sure then has an upper bound, and its gradient is gone. "
        f"{UNDERFLOW}",
        lambda s, t, least=10.0**-_power: _paid((s.softmax(1) + least).log(), t),
        "loss-stability",
    )
_BROADCAST = "the scores of every image meet the labels of every other one, as (N, H, W) and (N, 1, H, W) do"
_changed(ENTROPY, _BROADCAST, BROADCAST, lambda y, s, t: y * len(t), "loss-cross-entropy")


def _without_axis_in_loss(of: Callable[[Tensor], Tensor]) -> None:
    """Wrong logarithms of the probabilities, `of(scores)`."""

    @mistake(ENTROPY, _DROPPED, KEEPDIM, "loss-softmax", stops=True)
    def _(op, scores, target):
        return _or_fails(lambda: _paid(of(scores), target))


_without_axis_in_loss(lambda s: s - s.logsumexp(1))
_without_axis_in_loss(lambda s: (_powers(s) / _powers(s).sum(1)).log())
_without_axis_in_loss(lambda s: (s.exp() / s.exp().sum(1)).log())

_changed(
    ENTROPY,
    "the mean over all positions and images is taken",
    SUM,
    lambda y, s, t: y / t.numel(),
    "loss-sum-or-mean",
)
_changed(
    ENTROPY,
    "the positions are added, and then the mean over the images is taken",
    SUM,
    lambda y, s, t: y / len(t),
    "loss-sum-or-mean",
)
_changed(
    ENTROPY,
    "the mean over the positions of each image is taken, and then the images are added",
    SUM,
    lambda y, s, t: y / t[0].numel(),
    "loss-sum-or-mean",
)
_changed(
    ENTROPY,
    "the sum is divided by the number of all scores",
    SUM,
    lambda y, s, t: y / s.numel(),
    "loss-sum-or-mean",
)
_changed(
    ENTROPY,
    "the sum is divided by the number of classes",
    SUM,
    lambda y, s, t: y / s.shape[1],
    "loss-sum-or-mean",
)
_changed(ENTROPY, "the minus sign is missing", LOGARITHM, lambda y, s, t: -y, "loss-cross-entropy")
_changed(
    ENTROPY,
    "the logarithm to base 2 is taken",
    LOGARITHM,
    lambda y, s, t: y / math.log(2),
    "loss-cross-entropy",
)
_changed(
    ENTROPY,
    "the logarithm to base 10 is taken",
    LOGARITHM,
    lambda y, s, t: y / math.log(10),
    "loss-cross-entropy",
)
_loss(
    ENTROPY,
    "the losses of the positions are returned and not added up",
    SUM,
    lambda s, t: F.cross_entropy(s, t, reduction="none"),
    "loss-sum-or-mean",
)
_loss(
    ENTROPY,
    "every image gets a loss of its own",
    SUM,
    lambda s, t: F.cross_entropy(s, t, reduction="none").sum((1, 2)),
    "loss-sum-or-mean",
)
_loss(
    ENTROPY,
    "only the first image counts",
    SUM,
    lambda s, t: F.cross_entropy(s[:1], t[:1], reduction="sum"),
    "loss-sum-or-mean",
)
_loss(
    ENTROPY,
    "every position meets the labels of all positions",
    f"{TRUE_CLASS} `x[:, target]` takes the whole maps that the target names, for each of its positions.",
    lambda s, t: -s.log_softmax(1)[:, t].sum(),
)
_loss(
    ENTROPY,
    "the one-hot target has its classes in the last axis, where the scores have the columns",
    f"{TRUE_CLASS} `one_hot` makes (N, H, W, K) of (N, H, W): its last axis has to move to axis 1.",
    lambda s, t: -(F.one_hot(t, s.shape[1]) * s.log_softmax(1)).sum(),
)
_loss(
    ENTROPY,
    "all classes pay, not only the true one",
    TRUE_CLASS,
    lambda s, t: -s.log_softmax(1).sum(),
)
_loss(
    ENTROPY,
    "the class with the largest score pays, whatever the target says",
    TRUE_CLASS,
    lambda s, t: _paid(s.log_softmax(1), s.argmax(1)),
)
_loss(
    ENTROPY,
    "the entropy of the prediction is computed; the target plays no part",
    TRUE_CLASS,
    lambda s, t: -(s.softmax(1) * s.log_softmax(1)).sum(),
)
_loss(
    ENTROPY,
    "the one-hot target has its classes in the last axis, and is reshaped instead of moved",
    f"{TRUE_CLASS} {ROWS}",
    lambda s, t: -(F.one_hot(t, s.shape[1]).reshape(s.shape) * s.log_softmax(1)).sum(),
)
_loss(
    ENTROPY,
    "the scores are reshaped into rows of K, and the rows are not those of a position",
    f"{AXIS} {ROWS}",
    lambda s, t: F.cross_entropy(s.reshape(-1, s.shape[1]), t.flatten(), reduction="sum"),
    "loss-softmax",
)
_AS_ONE_IMAGE = "the batch is reshaped into K rows, as if it were a single image"
_loss(
    ENTROPY,
    _AS_ONE_IMAGE,
    f"{AXIS} {ROWS}",
    lambda s, t: F.cross_entropy(s.reshape(s.shape[1], -1).T, t.flatten(), reduction="sum"),
    "loss-softmax",
)
_loss(
    ENTROPY,
    "rows and columns of the target are swapped",
    TRUE_CLASS,
    lambda s, t: _paid(s.log_softmax(1), t.mT.reshape(t.shape)),
)
for _title, _wrong in WRONG_SOFTMAX.items():
    _loss(ENTROPY, _title, _advice(_title), lambda s, t, p=_wrong: _paid(p(s).log(), t), "loss-softmax")
_loss(
    ENTROPY,
    "the score of the true class is taken for its log-probability, without a softmax",
    "The loss is −log p, and p needs all scores of the position: the logarithm of the sum of their "
    "exponentials.",
    _paid,
    "loss-softmax",
)
_loss(
    ENTROPY,
    "only the logarithm of the sum is added; the true class plays no part",
    TRUE_CLASS,
    lambda s, t: s.logsumexp(1).sum(),
)
_loss(
    ENTROPY,
    "−p is added instead of −log p",
    LOGARITHM,
    lambda s, t: _paid(s.softmax(1), t),
    "loss-likelihood",
)
_loss(
    ENTROPY,
    "1 − p is added instead of −log p",
    LOGARITHM,
    lambda s, t: t.numel() + _paid(s.softmax(1), t),
    "loss-likelihood",
)
_loss(
    ENTROPY,
    "the probabilities are multiplied before the logarithm is taken",
    "The product of many probabilities is rounded to 0, and its logarithm is lost. The logarithm of "
    "a product "
    "is a sum.",
    lambda s, t: -F.cross_entropy(s, t, reduction="none").neg().exp().prod().log(),
    "loss-likelihood",
)
_loss(
    ENTROPY,
    "each class has a sigmoid, and the binary cross entropies of all classes are added",
    EXCLUDE,
    lambda s, t: F.binary_cross_entropy_with_logits(s, _one_hot(s, t), reduction="sum"),
    "loss-sigmoid",
)
_loss(
    ENTROPY,
    "p is the sigmoid of the true class's score",
    EXCLUDE,
    lambda s, t: _paid(F.logsigmoid(s), t),
    "loss-sigmoid",
)
_loss(
    ENTROPY,
    "squared differences to the one-hot target are added",
    "The cross entropy is −log p of the true class. Squares lose their slope where the network is "
    "wrong and sure.",
    lambda s, t: (s.softmax(1) - _one_hot(s, t)).square().sum(),
    "loss-gradient",
)
_loss(
    ENTROPY,
    "wrong pixels are counted",
    "A count has no slope: it does not change when the scores get a little better. The loss is −log p.",
    lambda s, t: (s.argmax(1) != t).sum().to(s.dtype),
    "loss",
)


def _one_hot(scores: Tensor, target: Tensor) -> Tensor:
    return F.one_hot(target, scores.shape[1]).movedim(-1, 1).to(scores.dtype)


# --- cross_entropy_gradient -------------------------------------------------------------------------------

GRADIENT: Bank = []
_changed(
    GRADIENT,
    "the sign is turned: one-hot minus softmax",
    f"{ONE_HOT} Where the truth is, it is negative: a higher score lowers the loss.",
    lambda g, s, t: -g,
)
_changed(
    GRADIENT,
    "the gradient is divided by the number of positions and images, as for a mean",
    SUM_OF_GRADIENTS,
    lambda g, s, t: g / t.numel(),
    "loss-sum-or-mean",
)
_changed(
    GRADIENT,
    "the gradient is divided by the number of images",
    SUM_OF_GRADIENTS,
    lambda g, s, t: g / len(t),
    "loss-sum-or-mean",
)
_changed(
    GRADIENT,
    "the gradient is divided by the number of positions of an image",
    SUM_OF_GRADIENTS,
    lambda g, s, t: g / t[0].numel(),
    "loss-sum-or-mean",
)
_changed(
    GRADIENT,
    "the images are added up",
    "Each image has scores of its own, and so a gradient of its own: the shape is that of the scores.",
    lambda g, s, t: g.sum(0),
)
_changed(
    GRADIENT,
    "the gradients of all positions are added up",
    "Each position has scores of its own, and so a gradient of its own: the shape is that of the scores.",
    lambda g, s, t: g.sum((2, 3)),
)
_changed(
    GRADIENT,
    "only the entry of the true class is kept",
    f"The other classes have a gradient, too: their probability. {ONE_HOT}",
    lambda g, s, t: g * _one_hot(s, t),
)
_changed(
    GRADIENT,
    "only the entry of the true class is returned",
    f"The gradient has an entry for every score. {ONE_HOT}",
    lambda g, s, t: g.gather(1, t[:, None])[:, 0],
)
_changed(GRADIENT, "1 is not subtracted at the true class", ONE_HOT, lambda g, s, t: g + _one_hot(s, t))
_changed(
    GRADIENT,
    "1 is added at the true class instead of subtracted",
    ONE_HOT,
    lambda g, s, t: g + 2 * _one_hot(s, t),
)
_changed(
    GRADIENT,
    "1 is subtracted from every class",
    ONE_HOT,
    lambda g, s, t: s.softmax(1) - 1,
)
_changed(
    GRADIENT,
    "1 is subtracted at the class with the largest score, not at the true one",
    ONE_HOT,
    lambda g, s, t: s.softmax(1) - _one_hot(s, s.argmax(1)),
)
_changed(GRADIENT, "the gradient is minus the one-hot target alone", ONE_HOT, lambda g, s, t: -_one_hot(s, t))
_changed(
    GRADIENT,
    "the one-hot target is subtracted from the scores, without a softmax",
    ONE_HOT,
    lambda g, s, t: s - _one_hot(s, t),
)
_changed(
    GRADIENT,
    "the one-hot target is subtracted from the log-probabilities",
    ONE_HOT,
    lambda g, s, t: s.log_softmax(1) - _one_hot(s, t),
)
_changed(
    GRADIENT,
    "the derivative with respect to the probabilities is taken, −1/p",
    f"The probabilities depend on the scores in their turn: the chain rule cancels the 1/p. {ONE_HOT}",
    lambda g, s, t: -_one_hot(s, t) / s.softmax(1),
)
_changed(
    GRADIENT,
    "the derivative of the probability itself is taken, p (1 − p)",
    f"That is the softmax's derivative; the logarithm's, 1/p, has to be multiplied with it. {ONE_HOT}",
    lambda g, s, t: s.softmax(1) * (1 - s.softmax(1)),
)
_changed(
    GRADIENT,
    "the derivative of the squared error is taken, 2 (p − one-hot)",
    ONE_HOT,
    lambda g, s, t: 2 * g,
)
_changed(
    GRADIENT,
    "one-hot is subtracted from a sigmoid of each class",
    EXCLUDE,
    lambda g, s, t: s.sigmoid() - _one_hot(s, t),
    "loss-sigmoid",
)
_changed(
    GRADIENT,
    "the one-hot target has its classes in the last axis, and is reshaped instead of moved",
    f"{ONE_HOT} {ROWS}",
    lambda g, s, t: s.softmax(1) - F.one_hot(t, s.shape[1]).reshape(s.shape),
)
_changed(
    GRADIENT,
    "the classes of the result lie in the last axis",
    "The gradient has the shape of the scores, (N, K, H, W).",
    lambda g, s, t: g.movedim(1, -1),
)
_changed(
    GRADIENT,
    "the exponentials overflow",
    OVERFLOW,
    lambda g, s, t: s.exp() / s.exp().sum(1, keepdim=True) - _one_hot(s, t),
    "loss-stability",
)
for _title, _wrong in WRONG_SOFTMAX.items():
    _changed(
        GRADIENT,
        _title,
        _advice(_title),
        lambda g, s, t, p=_wrong: p(s) - _one_hot(s, t),
        "loss-softmax",
    )


# --- weighted_cross_entropy -------------------------------------------------------------------------------

WEIGHTED: Bank = []


def _weighted(title: str, advice: str, section: str = "loss-imbalance") -> Callable:
    return mistake(WEIGHTED, title, advice, section)


def _costs(scores: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    """The unweighted loss of each position, 0 where it is ignored."""
    return F.cross_entropy(scores, target, ignore_index=ignore_index, reduction="none")


@_weighted("the class weights are ignored", WEIGHT)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    return op(scores, target, ignore_index=ignore_index)


# Before the next one: without class weights both divide by the same number.
@_weighted(
    "the sum is divided by the number of positions that count",
    "The lecture's loss is a sum, and so is this one: nothing is divided.",
    "loss-sum-or-mean",
)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    return op(scores, target, class_weights, ignore_index) / (target != ignore_index).sum()


@_weighted(
    "the sum is divided by the sum of the weights",
    "That is the weighted mean, PyTorch's default. The lecture's loss is a sum, and so is this one.",
    "loss-weighted-mean",
)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    ones = torch.ones(scores.shape[1], dtype=scores.dtype) if class_weights is None else class_weights
    counted = target != ignore_index
    return op(scores, target, class_weights, ignore_index) / ones[target[counted]].sum()


@_weighted(
    "the sum is divided by the number of all positions",
    "The lecture's loss is a sum, and so is this one: nothing is divided.",
    "loss-sum-or-mean",
)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    return op(scores, target, class_weights, ignore_index) / target.numel()


@_weighted(
    "the sum is divided by the sum of the K class weights",
    "Nothing is divided. Whoever doubles the weights doubles the loss.",
    "loss-weighted-mean",
)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    divisor = 1 if class_weights is None else class_weights.sum()
    return op(scores, target, class_weights, ignore_index) / divisor


@_weighted("the class weights are scaled to the mean 1", "The weights count as they are given.")
def _(op, scores, target, class_weights=None, ignore_index=-100):
    divisor = 1 if class_weights is None else class_weights.mean()
    return op(scores, target, class_weights, ignore_index) / divisor


@_weighted("each position has the weight of its predicted class", WEIGHT)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    costs = _costs(scores, target, ignore_index)
    return (costs if class_weights is None else costs * class_weights[scores.argmax(1)]).sum()


@_weighted(
    "the scores are multiplied by the weights",
    f"{WEIGHT} The probabilities know nothing of the weights.",
)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    if class_weights is not None:
        scores = scores * class_weights[:, None, None]
    return op(scores, target, ignore_index=ignore_index)


@_weighted(
    "the probabilities are multiplied by the weights, inside the logarithm",
    f"{WEIGHT} Inside the logarithm a weight only adds a constant, and has no gradient.",
)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    ones = torch.ones(scores.shape[1], dtype=scores.dtype) if class_weights is None else class_weights
    counted = target != ignore_index
    return op(scores, target, ignore_index=ignore_index) - ones[target[counted]].log().sum()


@_weighted("the weights are divided by instead of being multiplied with", WEIGHT)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    return op(scores, target, None if class_weights is None else 1 / class_weights, ignore_index)


@_weighted("the weights are multiplied with twice", WEIGHT)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    return op(scores, target, None if class_weights is None else class_weights**2, ignore_index)


@_weighted("every position has the sum of all class weights", WEIGHT)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    factor = 1 if class_weights is None else class_weights.sum()
    return factor * op(scores, target, ignore_index=ignore_index)


@_weighted("the minus sign is missing", LOGARITHM, "loss-cross-entropy")
def _(op, scores, target, class_weights=None, ignore_index=-100):
    return -op(scores, target, class_weights, ignore_index)


def _spread(title: str, shape: tuple[int, ...]) -> None:
    """Weights that are broadcast along another axis than that of the classes."""

    @_weighted(title, WEIGHT)
    def _(op, scores, target, class_weights=None, ignore_index=-100):
        costs = _costs(scores, target, ignore_index)
        return (costs if class_weights is None else costs * class_weights.reshape(shape)).sum()


_spread("the weights are spread along the columns of the image instead of the classes", (1, 1, -1))
_spread("the weights are spread along the rows of the image instead of the classes", (1, -1, 1))
_spread("the weights are spread over the images instead of the classes", (-1, 1, 1))


def _relabelled(title: str, advice: str, replacement: Callable[[Tensor], int | Tensor]) -> None:
    """Ignored positions get another label: `replacement(scores)`."""

    @_weighted(title, advice, "loss-void")
    def _(op, scores, target, class_weights=None, ignore_index=-100):
        return op(scores, target.where(target != ignore_index, replacement(scores)), class_weights)


_VOID_IS_NOT = f"{VOID} To write another label over it teaches the network that label."
_relabelled("ignored positions count as class 0", _VOID_IS_NOT, lambda s: torch.tensor(0))
_relabelled("ignored positions count as the last class", _VOID_IS_NOT, lambda s: torch.tensor(s.shape[1] - 1))
_relabelled("ignored positions count as what is predicted there", _VOID_IS_NOT, lambda s: s.argmax(1))


def _nothing_ignored(kind: str) -> None:
    @mistake(
        WEIGHTED, "no position is ignored: `ignore_index` plays no part", _ARGUMENT, "loss-void", stops=True
    )
    def _(op, scores, target, class_weights=None, ignore_index=-100):
        if ((target < 0) | (target >= scores.shape[1])).any():
            raise Fails(kind)
        return op(scores, target, class_weights)


_ARGUMENT = f"{VOID} Which label that is says an argument: −100, 255, or the number of a class."
_nothing_ignored("RuntimeError")
_nothing_ignored("IndexError")


@_weighted("positions are not ignored where `ignore_index` is the number of a class", _ARGUMENT, "loss-void")
def _(op, scores, target, class_weights=None, ignore_index=-100):
    inside = 0 <= ignore_index < scores.shape[1]
    return op(scores, target, class_weights, -100 if inside else ignore_index)


@_weighted(
    "the scores of ignored positions are set to 0, so that each of them costs log K",
    f"{VOID} With equal scores it still pays log K.",
    "loss-void",
)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    counted = target != ignore_index
    return op(scores * counted[:, None], target.where(counted, 0), class_weights)


@_weighted(
    "an ignored class takes no part in the softmax",
    f"{VOID} Elsewhere the softmax runs over all K classes, the ignored one included.",
    "loss-void",
)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    if 0 <= ignore_index < scores.shape[1]:
        scores = scores.clone()
        scores[:, ignore_index] = -1e4
    return op(scores, target, class_weights, ignore_index)


@_weighted(
    "a sum over nothing becomes nan",
    "Where no position counts, the sum is 0. A nan would go into every sum that this one is added to.",
    "loss-sum-or-mean",
)
def _(op, scores, target, class_weights=None, ignore_index=-100):
    nothing = (target == ignore_index).all()
    return op(scores, target, class_weights, ignore_index) + (math.nan if nothing else 0)


@_weighted("a probability is rounded to 0 before its logarithm is taken", UNDERFLOW, "loss-stability")
def _(op, scores, target, class_weights=None, ignore_index=-100):
    settings = {"weight": class_weights, "ignore_index": ignore_index, "reduction": "sum"}
    return F.nll_loss(scores.softmax(1).log(), target, **settings)


def _true_alone(scores: Tensor, target: Tensor) -> Tensor:
    """The score of the true class, with the axis that `gather` keeps: (N, 1, H, W)."""
    return scores.gather(1, target[:, None])


def _broadcast(both: bool) -> None:
    """both: whether −log p as a whole is (N, 1, H, W), and not the score of the true class alone."""

    @_weighted(_BROADCAST, BROADCAST, "loss-cross-entropy")
    def _(op, scores, target, class_weights=None, ignore_index=-100):
        known = target != ignore_index
        label = target.where(known, 0)
        paid = scores.logsumexp(1, keepdim=both) - _true_alone(scores, label)
        weight = torch.ones_like(paid[:, 0]) if class_weights is None else class_weights[label]
        return (known * weight * paid).sum()


_broadcast(both=True)
_broadcast(both=False)


# --- border_weight_map ------------------------------------------------------------------------------------

BORDERS: Bank = []


def _distances(instances: Tensor, metric: float = 2.0, inverted: bool = False) -> Tensor:
    """The distance of each position to each cell, (number of cells, H, W); inverted: to all but that cell."""
    places = torch.cartesian_prod(*[torch.arange(float(n)) for n in instances.shape]).reshape(-1, 2)
    flat = instances.flatten()
    rows = [
        torch.cdist(places, places[(flat == cell) != inverted], p=metric).amin(1)
        for cell in flat.unique()
        if cell > 0
    ]
    return torch.cat([places.new_zeros(0), *rows]).reshape(len(rows), *instances.shape)


def _border(
    title: str,
    advice: str,
    exponent: Callable[[Tensor, Tensor, float], Tensor],
    metric: float = 2.0,
) -> None:
    """A wrong exponent: `exponent(d₁, d₂, sigma)`."""

    @mistake(BORDERS, title, advice, "loss-border")
    def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
        distances = _distances(instances, metric)
        if len(distances) < 2:
            return op(instances, w0, sigma, class_weights)
        first, second = distances.sort(0).values[:2]
        plain = op(instances, 0, sigma, class_weights)
        return plain + w0 * exponent(first, second, sigma).exp()


_border(
    "the distances are squared one by one and then added",
    f"{BORDER} The square is that of the sum.",
    lambda a, b, sigma: -(a**2 + b**2) / (2 * sigma**2),
)
_border("the sum of the distances is not squared", BORDER, lambda a, b, sigma: -(a + b) / (2 * sigma**2))
_border("the 2 below the line is missing", BORDER, lambda a, b, sigma: -((a + b) ** 2) / sigma**2)
_border("σ is not squared", BORDER, lambda a, b, sigma: -((a + b) ** 2) / (2 * sigma))
_border(
    "the 2 below the line is squared together with σ",
    BORDER,
    lambda a, b, sigma: -((a + b) ** 2) / (2 * sigma) ** 2,
)
_border("only the nearest cell counts", BORDER, lambda a, b, sigma: -(a**2) / (2 * sigma**2))
_border("only the second nearest cell counts", BORDER, lambda a, b, sigma: -(b**2) / (2 * sigma**2))
_border(
    "the nearest cell is counted twice, d₁ + d₁",
    f"{BORDER} d₂ belongs to another cell.",
    lambda a, b, sigma: -((2 * a) ** 2) / (2 * sigma**2),
)
_border(
    "the distances are multiplied instead of added",
    BORDER,
    lambda a, b, sigma: -((a * b) ** 2) / (2 * sigma**2),
)
_border(
    "the minus sign in the exponent is missing", BORDER, lambda a, b, sigma: (a + b) ** 2 / (2 * sigma**2)
)
_border(
    "squared distances are added: the root is missing",
    BORDER,
    lambda a, b, sigma: -((a**2 + b**2) ** 2) / (2 * sigma**2),
)
_border(
    "distances are counted in steps along rows and columns",
    "Distances are Euclidean: straight, not around corners.",
    lambda a, b, sigma: -((a + b) ** 2) / (2 * sigma**2),
    metric=1.0,
)
_border(
    "a diagonal step is counted as 1",
    "Distances are Euclidean: a diagonal step is √2 long.",
    lambda a, b, sigma: -((a + b) ** 2) / (2 * sigma**2),
    metric=math.inf,
)


@mistake(BORDERS, "the nearest and the farthest cell are taken", BORDER, "loss-border")
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    distances = _distances(instances)
    if len(distances) < 2:
        return op(instances, w0, sigma, class_weights)
    reach = distances.amin(0) + distances.amax(0)
    return op(instances, 0, sigma, class_weights) + w0 * (-(reach**2) / (2 * sigma**2)).exp()


def _term(first: Tensor, second: Tensor, w0: float, sigma: float) -> Tensor:
    return w0 * (-((first + second) ** 2) / (2 * sigma**2)).exp()


@mistake(BORDERS, "the first two cells are taken instead of the nearest two", BORDER, "loss-border")
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    distances = _distances(instances)
    if len(distances) < 2:
        return op(instances, w0, sigma, class_weights)
    return op(instances, 0, sigma, class_weights) + _term(distances[0], distances[1], w0, sigma)


@mistake(
    BORDERS,
    "distances are 0 outside of a cell and are measured inside it: the mask is the wrong way round",
    f"{BORDER} SciPy's distance transform measures from every pixel to the nearest zero: the cell has to be "
    "the zeros, and nothing else.",
    "loss-border",
)
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    distances = _distances(instances, inverted=True)
    if len(distances) < 2:
        return op(instances, w0, sigma, class_weights)
    first, second = distances.sort(0).values[:2]
    return op(instances, 0, sigma, class_weights) + _term(first, second, w0, sigma)


def _counted_through(nowhere: Callable[[Tensor], Tensor]) -> None:
    """All numbers from 1 to the largest count as cells. nowhere: the distances to one that is not there."""

    @mistake(
        BORDERS,
        "all numbers from 1 to the largest are taken for cells, also those that no cell has",
        "Cells are numbered in any order, and numbers may be missing: `instances` says which there are.",
        "loss-border",
        stops=True,
    )
    def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
        present = set(instances[instances > 0].tolist())
        missing = int(instances.max()) - len(present)
        if not missing:
            return op(instances, w0, sigma, class_weights)
        distances = torch.cat([_distances(instances), nowhere(instances).expand(missing, *instances.shape)])
        first, second = distances.sort(0).values[:2]
        return op(instances, 0, sigma, class_weights) + _term(first, second, w0, sigma)


def _stops(kind: str) -> Callable[[Tensor], Tensor]:
    def nowhere(instances: Tensor) -> Tensor:
        raise Fails(kind)

    return nowhere


def _above_the_corner(instances: Tensor) -> Tensor:
    """What SciPy's distance transform says where there is no zero: the distance to (−1, 0)."""
    height, width = instances.shape
    return torch.hypot(torch.arange(1.0, height + 1)[:, None], torch.arange(float(width)))


_counted_through(_stops("IndexError"))
_counted_through(_stops("ValueError"))
_counted_through(_above_the_corner)
_counted_through(lambda instances: torch.zeros(instances.shape))


@mistake(BORDERS, "the distances to all cells are added", BORDER, "loss-border")
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    distances = _distances(instances)
    if len(distances) < 2:
        return op(instances, w0, sigma, class_weights)
    return op(instances, 0, sigma, class_weights) + w0 * (-(distances.sum(0) ** 2) / (2 * sigma**2)).exp()


@mistake(BORDERS, "the class weight is missing", CLASS_TERM, "loss-border")
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    return op(instances, w0, sigma, (0, 0))


@mistake(BORDERS, "the class weight is 1, whatever class_weights says", CLASS_TERM, "loss-border")
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    return op(instances, w0, sigma)


@mistake(
    BORDERS,
    "the class weights of background and cells are swapped",
    "class_weights holds the weight of the background first, as class 0, then that of the cells.",
    "loss-border",
)
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    return op(instances, w0, sigma, tuple(reversed(class_weights)))


@mistake(BORDERS, "the second term is multiplied by the class weight", CLASS_TERM, "loss-border")
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    w_c = op(instances, 0, sigma, class_weights)
    return w_c * op(instances, w0, sigma, (0, 0))


@mistake(
    BORDERS,
    "the sum of both terms is multiplied by the class weight",
    CLASS_TERM,
    "loss-border",
)
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    w_c = op(instances, 0, sigma, class_weights)
    return w_c * op(instances, w0, sigma, (1, 1))


@mistake(
    BORDERS,
    "the second term is taken on the background alone",
    "Many programs do so. The paper's equation, and this task, take it everywhere: inside a cell d₁ is 0.",
    "loss-border",
)
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    return op(instances, w0, sigma, class_weights).where(
        instances == 0, op(instances, 0, sigma, class_weights)
    )


@mistake(BORDERS, "w0 is taken as 1", BORDER, "loss-border")
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    return op(instances, 1, sigma, class_weights)


@mistake(BORDERS, "w0 and sigma stay at 10 and 5, whatever is given", BORDER, "loss-border")
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    return op(instances, class_weights=class_weights)


@mistake(
    BORDERS,
    "all cells are taken for one",
    "Every cell has a number of its own in `instances`; distances are taken to each of them.",
    "loss-border",
)
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    return op((instances > 0).long(), w0, sigma, class_weights)


@mistake(
    BORDERS,
    "the background is taken for a cell",
    "0 is the background. It is no cell, and distances are not taken to it.",
    "loss-border",
)
def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
    reach = op(instances + 1, w0, sigma, (0, 0))
    return op(instances, 0, sigma, class_weights) + reach


def _one_cell(title: str, second: Callable[[Tensor], Tensor]) -> None:
    """With a single cell, d₂ is `second(d₁)`."""

    @mistake(BORDERS, title, FEWER, "loss-border")
    def _(op, instances, w0=10, sigma=5, class_weights=(1, 1)):
        distances = _distances(instances)
        if len(distances) != 1:
            return op(instances, w0, sigma, class_weights)
        reach = distances[0] + second(distances[0])
        return op(instances, 0, sigma, class_weights) + w0 * (-(reach**2) / (2 * sigma**2)).exp()


_one_cell("d₂ is 0 where there is no second cell", torch.zeros_like)
_one_cell("the only cell is taken for the second nearest, too", lambda first: first)


# --- The mended losses ------------------------------------------------------------------------------------

MEAN: Bank = []


def _mean(title: str, advice: str, section: str = "loss-sum-or-mean") -> Callable:
    return mistake(MEAN, title, advice, section)


_COUNTED = "The mean is over the positions that count: their losses, added up, divided by their number."


@_mean("the given loss is not mended yet", "Take the smallest case and count with pencil and paper.")
def _(op, scores, target, ignore_index=255):
    return F.cross_entropy(scores, target, ignore_index=ignore_index, reduction="none").mean()


@_mean("the sum is returned, not the mean", _COUNTED)
def _(op, scores, target, ignore_index=255):
    return F.cross_entropy(scores, target, ignore_index=ignore_index, reduction="sum")


@_mean("ignored positions count as class 0", _VOID_IS_NOT, "loss-void")
def _(op, scores, target, ignore_index=255):
    return F.cross_entropy(scores, target.where(target != ignore_index, 0))


@_mean("the sum is divided by the number of ignored positions", _COUNTED)
def _(op, scores, target, ignore_index=255):
    ignored = target == ignore_index
    return op(scores, target, ignore_index) * (~ignored).sum() / ignored.sum()


@_mean(
    "the mean over nothing is nan",
    "If no position counts, the loss is 0. A nan would go into every average of losses, and the gradient of "
    "a quotient 0 / 0 into every parameter of the network.",
)
def _(op, scores, target, ignore_index=255):
    return F.cross_entropy(scores, target, ignore_index=ignore_index)


_IMAGE_MEANS = "the mean of each image is taken, and then the mean over the images"


@_mean(
    _IMAGE_MEANS,
    f"{_COUNTED} Images with few such positions would count more.",
)
def _(op, scores, target, ignore_index=255):
    return torch.stack(
        [op(s[None], t[None], ignore_index) for s, t in zip(scores, target, strict=True)]
    ).mean()


def _mean_of_means(means: Callable[[Tensor], Tensor]) -> None:
    """`means(values)` of the means of the images; that of an image of void alone is nan."""

    @_mean(_IMAGE_MEANS, f"{_COUNTED} Images with few such positions would count more.")
    def _(op, scores, target, ignore_index=255):
        pairs = zip(scores, target, strict=True)
        values = [F.cross_entropy(s[None], t[None], ignore_index=ignore_index) for s, t in pairs]
        return means(torch.stack(values))


_mean_of_means(Tensor.mean)
_mean_of_means(Tensor.nanmean)
_mean_of_means(lambda values: values.nanmean().nan_to_num(0))


def _broadcast_mean(both: bool) -> None:
    """both: whether −log p as a whole is (N, 1, H, W), and not the score of the true class alone."""

    @_mean(_BROADCAST, BROADCAST, "loss-cross-entropy")
    def _(op, scores, target, ignore_index=255):
        known = target != ignore_index
        paid = scores.logsumexp(1, keepdim=both) - _true_alone(scores, target.where(known, 0))
        return (known * paid).sum() / known.sum().clamp(min=1)


_broadcast_mean(both=True)
_broadcast_mean(both=False)


@_mean("a probability is rounded to 0 before its logarithm is taken", UNDERFLOW, "loss-stability")
def _(op, scores, target, ignore_index=255):
    known = target != ignore_index
    paid = F.nll_loss(scores.softmax(1).log(), target, ignore_index=ignore_index, reduction="sum")
    return paid / known.sum().clamp(min=1)


@_mean(
    "the mean of each class is taken, and then the mean over the classes",
    f"{_COUNTED} Classes with few of them would count more.",
)
def _(op, scores, target, ignore_index=255):
    present = [label for label in target.unique().tolist() if label != ignore_index]
    return torch.stack([op(scores, target.where(target == label, -7), -7) for label in present]).mean()


@_mean(
    "only 255 is ignored, whatever ignore_index says",
    "The label of void is an argument. It may be the number of a class.",
    "loss-void",
)
def _(op, scores, target, ignore_index=255):
    return op(scores, target, 255)


@_mean(
    "the divisor is one too large",
    f"{_COUNTED} To avoid 0 / 0, make the divisor at least 1 instead of adding to it.",
)
def _(op, scores, target, ignore_index=255):
    count = (target != ignore_index).sum()
    return op(scores, target, ignore_index) * count / (count + 1)


@_mean("the minus sign is missing", LOGARITHM, "loss-cross-entropy")
def _(op, scores, target, ignore_index=255):
    return -op(scores, target, ignore_index)


FOCAL: Bank = []


def _focal(title: str, advice: str, section: str = "loss-softmax") -> Callable:
    return mistake(FOCAL, title, advice, section)


def _focused(log_p: Tensor, target: Tensor, gamma: float) -> Tensor:
    costs = F.nll_loss(log_p, target, reduction="none")
    return ((1 - (-costs).exp()) ** gamma * costs).mean()


@_focal(
    "the given loss is not mended yet",
    "Print what it makes of the scores of the smallest case, step by step: which numbers stand together?",
)
def _(op, scores, target, gamma=2):
    rows = scores.reshape(-1, scores.shape[1])
    return _focused(rows.log_softmax(1), target.flatten(), gamma)


def _focal_axis(title: str, order: tuple[int, ...]) -> None:
    @_focal(title, f"{AXIS} {ROWS} The other axes have to stay in the order of the target, (N, H, W).")
    def _(op, scores, target, gamma=2):
        rows = scores.permute(order).reshape(-1, scores.shape[1])
        return _focused(rows.log_softmax(1), target.flatten(), gamma)


_focal_axis("rows and columns of the scores are swapped on the way", (0, 3, 2, 1))
_focal_axis("the axis of the classes is moved to the front", (1, 0, 2, 3))
_focal_axis("the images come last among the positions", (2, 3, 0, 1))


@_focal(_AS_ONE_IMAGE, f"{AXIS} {ROWS}")
def _(op, scores, target, gamma=2):
    return _focused(scores.reshape(scores.shape[1], -1).T.log_softmax(1), target.flatten(), gamma)


def _one_hot_focused(log_p: Tensor, target: Tensor, gamma: float) -> Tensor:
    costs = -(_one_hot(log_p, target) * log_p).sum(1)
    return ((1 - (-costs).exp()) ** gamma * costs).mean()


for _of in (_focused, _one_hot_focused):

    @_focal("a probability is rounded to 0 before its logarithm is taken", UNDERFLOW, "loss-stability")
    def _(op, scores, target, gamma=2, of=_of):
        return of(scores.softmax(1).log(), target, gamma)


@_focal(_BROADCAST, BROADCAST, "loss-cross-entropy")
def _(op, scores, target, gamma=2):
    costs = scores.logsumexp(1) - _true_alone(scores, target)
    return ((1 - (-costs).exp()) ** gamma * costs).mean()


for _title, _wrong in WRONG_SOFTMAX.items():

    @_focal(_title, _advice(_title))
    def _(op, scores, target, gamma=2, wrong=_wrong):
        return _focused(wrong(scores).log(), target, gamma)


@_focal(
    "gamma stays at 2, whatever is given",
    "The exponent of 1 − p is an argument; with 0 it is the cross entropy.",
)
def _(op, scores, target, gamma=2):
    return op(scores, target)


@_focal(
    "the factor (1 − p)^γ is left out", "Mend the bug only: what is right in the given loss stays as it is."
)
def _(op, scores, target, gamma=2):
    return op(scores, target, 0)


@_focal("p is taken instead of 1 − p in the factor", "The factor makes sure pixels small: it is (1 − p)^γ.")
def _(op, scores, target, gamma=2):
    costs = F.cross_entropy(scores, target, reduction="none")
    return ((-costs).exp() ** gamma * costs).mean()


@_focal(
    "the sum is returned, not the mean",
    "This loss is the mean over positions and images.",
    "loss-sum-or-mean",
)
def _(op, scores, target, gamma=2):
    return op(scores, target, gamma) * target.numel()


@_focal("the minus sign is missing", LOGARITHM, "loss-cross-entropy")
def _(op, scores, target, gamma=2):
    return -op(scores, target, gamma)


@_focal("the factor multiplies the mean of −log p", "Each position has its own factor, by its own p.")
def _(op, scores, target, gamma=2):
    costs = F.cross_entropy(scores, target, reduction="none")
    return (1 - (-costs).exp()).mean() ** gamma * costs.mean()


OVERLAP: Bank = []


def _overlap(title: str, advice: str, section: str = "loss-dice") -> Callable:
    return mistake(OVERLAP, title, advice, section)


def _parts(p: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection, and the sizes of both sets added, of every class."""
    truth = F.one_hot(target, p.shape[1]).movedim(-1, 1).to(p.dtype)
    return (p * truth).sum((0, 2, 3)), (p + truth).sum((0, 2, 3))


def _iou_loss(p: Tensor, target: Tensor) -> Tensor:
    both, sizes = _parts(p, target)
    return (1 - both / (sizes - both)).mean()


@_overlap(
    "the given loss is not mended yet",
    "Add up what it takes for probabilities, at one position of the smallest case.",
    "loss-softmax",
)
def _(op, scores, target):
    return _iou_loss(scores.sigmoid(), target)


for _title, _wrong in WRONG_SOFTMAX.items():

    @_overlap(_title, _advice(_title), "loss-softmax")
    def _(op, scores, target, wrong=_wrong):
        return _iou_loss(wrong(scores), target)


@_overlap(
    "the scores are decided instead of being turned into probabilities",
    "A decision has no slope: nothing could be learned. Probabilities take its place.",
)
def _(op, scores, target):
    return _iou_loss(_one_hot(scores, scores.argmax(1)), target)


@_overlap(
    "sigmoids are divided by their sum",
    "That adds up to 1, but it is not the softmax: its ratios depend on more than differences of scores.",
    "loss-softmax",
)
def _(op, scores, target):
    return _iou_loss(scores.sigmoid() / scores.sigmoid().sum(1, keepdim=True), target)


@_overlap("the intersection is not subtracted in the union", UNION)
def _(op, scores, target):
    both, sizes = _parts(scores.softmax(1), target)
    return (1 - both / sizes).mean()


@_overlap(
    "the Dice loss is computed",
    "This loss divides by the union. Dice divides twice the intersection by both sizes.",
)
def _(op, scores, target):
    both, sizes = _parts(scores.softmax(1), target)
    return (1 - 2 * both / sizes).mean()


@_overlap(
    "the overlap itself is returned", "A loss is small when the overlap is large: it is 1 minus the overlap."
)
def _(op, scores, target):
    return 1 - op(scores, target)


@_overlap("the classes are added up, not averaged", "The loss is the mean over the K classes.")
def _(op, scores, target):
    return op(scores, target) * scores.shape[1]


@_overlap(
    "one ratio is taken for all classes together",
    "Every class has its own ratio; then the mean is taken, so that all count alike.",
)
def _(op, scores, target):
    both, sizes = (part.sum() for part in _parts(scores.softmax(1), target))
    return 1 - both / (sizes - both)


@_overlap("every image has ratios of its own", "The sums run over the positions of the whole batch.")
def _(op, scores, target):
    return torch.stack([op(s[None], t[None]) for s, t in zip(scores, target, strict=True)]).mean()


# --- confusion_matrix -------------------------------------------------------------------------------------

CONFUSION: Bank = []


def _confusion(title: str, advice: str, section: str = "problem-iou") -> Callable:
    return mistake(CONFUSION, title, advice, section)


@_confusion("rows and columns are swapped", COUNTS)
def _(op, prediction, target, num_classes, ignore_index=255):
    return op(prediction, target, num_classes, ignore_index).mT


@_confusion(
    "each pair of classes is counted once at most",
    "`matrix[target, prediction] += 1` adds 1 to each entry that it names once, however often it names it.",
)
def _(op, prediction, target, num_classes, ignore_index=255):
    return op(prediction, target, num_classes, ignore_index).clamp(max=1)


@_confusion("only right positions are counted", COUNTS)
def _(op, prediction, target, num_classes, ignore_index=255):
    return op(prediction, target, num_classes, ignore_index).diag().diag()


@_confusion("only wrong positions are counted", COUNTS)
def _(op, prediction, target, num_classes, ignore_index=255):
    matrix = op(prediction, target, num_classes, ignore_index)
    return matrix - matrix.diag().diag()


@_confusion("only the first image is counted", "All images of the batch go into the same matrix.")
def _(op, prediction, target, num_classes, ignore_index=255):
    return op(prediction[:1], target[:1], num_classes, ignore_index)


@_confusion("every image has a matrix of its own", "All images of the batch go into the same matrix.")
def _(op, prediction, target, num_classes, ignore_index=255):
    pairs = zip(prediction, target, strict=True)
    return torch.stack([op(p[None], t[None], num_classes, ignore_index) for p, t in pairs])


def _divided(title: str, divisor: Callable[[Tensor], Tensor]) -> None:
    @_confusion(title, "The matrix holds counts. Whoever divides loses how many positions there were.")
    def _(op, prediction, target, num_classes, ignore_index=255):
        matrix = op(prediction, target, num_classes, ignore_index)
        return matrix / divisor(matrix).clamp(min=1)


_divided("every row is divided by its sum", lambda m: m.sum(1, keepdim=True))
_divided("every column is divided by its sum", lambda m: m.sum(0, keepdim=True))
_divided("the counts are divided by the number of positions", lambda m: m.sum())


@_confusion(
    "classes that do not occur have no row and no column",
    "The matrix is num_classes × num_classes, whichever classes occur in these maps.",
)
def _(op, prediction, target, num_classes, ignore_index=255):
    counted = target != ignore_index
    largest = int(torch.cat([prediction[counted], target[counted]]).max())
    return op(prediction, target, num_classes, ignore_index)[: largest + 1, : largest + 1]


@_confusion("ignored positions count as class 0", VOID_COUNTS)
def _(op, prediction, target, num_classes, ignore_index=255):
    return op(prediction, target.where(target != ignore_index, 0), num_classes, -7)


@_confusion("ignored positions count as the last class", VOID_COUNTS)
def _(op, prediction, target, num_classes, ignore_index=255):
    return op(prediction, target.where(target != ignore_index, num_classes - 1), num_classes, -7)


@_confusion("ignored positions count as right, whatever is predicted there", VOID_COUNTS)
def _(op, prediction, target, num_classes, ignore_index=255):
    return op(prediction, target.where(target != ignore_index, prediction), num_classes, -7)


def _nothing_ignored_in_counts(kind: str) -> None:
    @mistake(
        CONFUSION,
        "no position is ignored: `ignore_index` plays no part",
        VOID_COUNTS,
        "problem-iou",
        stops=True,
    )
    def _(op, prediction, target, num_classes, ignore_index=255):
        if (target >= num_classes).any():
            raise Fails(kind)
        return op(prediction, target, num_classes, -7)


_nothing_ignored_in_counts("RuntimeError")
_nothing_ignored_in_counts("IndexError")


@_confusion("positions are not ignored where `ignore_index` is the number of a class", VOID_COUNTS)
def _(op, prediction, target, num_classes, ignore_index=255):
    return op(prediction, target, num_classes, 255)


@_confusion(
    "positions that are predicted as the ignored class are left out, too",
    f"{VOID_COUNTS} What is predicted plays no part in this.",
)
def _(op, prediction, target, num_classes, ignore_index=255):
    target = target.where(prediction != ignore_index, 255)
    return op(
        prediction.where(prediction != ignore_index, 0),
        target.where(target != ignore_index, 255),
        num_classes,
    )


# --- iou --------------------------------------------------------------------------------------------------

IOU: Bank = []


def _measure(title: str, advice: str, wrong: Callable[[Tensor], Tensor]) -> None:
    """`wrong(matrix)` of a matrix of float64."""
    mistake(IOU, title, advice, "problem-iou")(lambda op, matrix: wrong(matrix.double()))


def _right(m: Tensor) -> Tensor:
    return m.diagonal() / (m.sum(0) + m.sum(1) - m.diagonal())


_measure(
    "the intersection is not subtracted in the union", UNION, lambda m: m.diagonal() / (m.sum(0) + m.sum(1))
)
_measure(
    "the intersection is subtracted twice in the union",
    UNION,
    lambda m: m.diagonal() / (m.sum(0) + m.sum(1) - 2 * m.diagonal()),
)
_measure(
    "Dice is computed",
    "Dice divides twice the intersection by both sizes. IoU divides the intersection by the union.",
    lambda m: 2 * m.diagonal() / (m.sum(0) + m.sum(1)),
)
_measure(
    "the intersection is divided by the true positions alone (the recall)",
    UNION,
    lambda m: m.diagonal() / m.sum(1),
)
_measure(
    "the intersection is divided by the predicted positions alone (the precision)",
    UNION,
    lambda m: m.diagonal() / m.sum(0),
)
_measure(
    "the intersection is divided by all positions",
    "The union of a class holds what belongs to that class, in truth or in the prediction, not the "
    "whole image.",
    lambda m: m.diagonal() / m.sum(),
)
_measure(
    "the pixel accuracy is computed",
    "Each class has an IoU of its own.",
    lambda m: m.diagonal().sum() / m.sum(),
)
_measure(
    "the mean over the classes is returned", "One IoU for each class, (K,).", lambda m: _right(m).nanmean()
)
_measure("the mean over the classes is returned", "One IoU for each class, (K,).", lambda m: _right(m).mean())
_measure(
    "class 0 is left out",
    "Class 0 is a class like the others: one IoU for each, (K,).",
    lambda m: _right(m)[1:],
)
_measure(
    "1 − IoU is returned",
    "1 means identical regions, 0 that they do not touch.",
    lambda m: 1 - _right(m),
)
_measure("an absent class gets 0", ABSENT, lambda m: _right(m).nan_to_num(nan=0))
_measure("an absent class gets 1", ABSENT, lambda m: _right(m).nan_to_num(nan=1))
_measure(
    "absent classes are left out of the result",
    "One IoU for each class, (K,), nan included: else nobody knows which number belongs to which class.",
    lambda m: _right(m)[~_right(m).isnan()],
)
_measure(
    "a class that is never right gets nan",
    "A class that occurs or is predicted has a union, and so an IoU. If none of it is right, that is 0.",
    lambda m: _right(m).where(m.diagonal() > 0, math.nan),
)
_measure(
    "a class that does not occur gets nan, even if it is predicted",
    "A class that is predicted where it never occurs has a union, and an IoU of 0: that mistake has "
    "to count.",
    lambda m: _right(m).where(m.sum(1) > 0, math.nan),
)
_measure("IoU is given in percent", "IoU lies between 0 and 1.", lambda m: 100 * _right(m))
_measure(
    "the quotient is rounded to whole numbers",
    "`//` cuts off what comes after the point.",
    lambda m: _right(m).floor(),
)
