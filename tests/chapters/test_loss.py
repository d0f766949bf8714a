"""Chapter 6 holds to the facts: every number in it is computed here a second time.

As in `test_transposed_convolution.py`, `statements` lists the sentences with numbers in them.
What they claim is an @.
"""

from __future__ import annotations

import ast
import math
import re
from functools import cache

import pytest
import torch
import torch.nn.functional as F

from experiments.recipes import RECIPES
from pixelwise.data import load
from pixelwise.losses import (
    balanced_class_weights,
    border_weight_map,
    connected_components,
    dice_loss,
    pixelwise_cross_entropy,
    weighted_cross_entropy,
)
from pixelwise.results import results
from pixelwise.widgets import PixelLoss
from pixelwise.widgets.pixel_loss import STONE

from .every_chapter import EveryChapter
from .reading import Chapter, statement

CHAPTER = Chapter("loss")
LOSSES = ("cross entropy", "weighted", "Dice", "cross entropy + Dice")  # as experiments.losses names them
VOID = 255
COW = 2


@cache
def meadow() -> tuple[torch.Tensor, torch.Tensor]:
    """Scores (1, K, H, W) and target (1, H, W) of the widget, in float64."""
    widget = PixelLoss()
    return torch.tensor(widget.scores, dtype=torch.float64)[None], torch.tensor(widget.target)[None]


def per_pixel(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """−log p of the true class from the softmax itself, 0 for void: (H, W)."""
    p = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
    true = p.gather(1, target.where(target != VOID, 0)[:, None])[:, 0]
    return (-true.log() * (target != VOID))[0]


@cache
def by_colour() -> dict[str, dict[str, float]]:
    """Shares, weights, and what the model of colours gets right, without and with weights."""
    (images, truth), (test_images, test_truth) = (
        load("scenes", split, n=n).tensors() for split, n in (("train", 128), ("test", 64))
    )
    share = [(truth == k).double().mean().item() for k in range(4)]
    weights = torch.tensor([1 / (4 * s) for s in share], dtype=torch.float64)
    torch.testing.assert_close(weights.float(), balanced_class_weights(truth, 4))

    def bins(pictures):
        steps = (pictures * 8).floor().clamp(max=7).long()
        return (steps * torch.tensor([64, 8, 1]).view(1, 3, 1, 1)).sum(1)

    counts = torch.stack([torch.bincount(bins(images)[truth == k], minlength=512) for k in range(4)], 1)
    result = {"share": share, "weights": weights.tolist()}
    result["entropy"] = -sum(s * math.log(s) for s in share)
    result["without cow"] = (test_truth != COW).double().mean().item()
    for name, w in (("none", torch.ones(4)), ("balanced", weights)):
        cow = (counts * w).argmax(1)[bins(test_images)] == COW
        true = test_truth == COW
        right = (cow & true).sum().item()
        result[name] = {
            "found": right / true.sum().item(),
            "correct": right / cow.sum().item(),
            "iou": right / (cow | true).sum().item(),
        }
    return result


@cache
def cells() -> tuple[torch.Tensor, torch.Tensor]:
    """The cells of the chapter, numbered, and the map with the gaps closed."""
    names = CHAPTER.run.names
    return names["cells"], names["closed"]


def percent(share: float) -> int:
    return round(100 * float(share))


@pytest.fixture(scope="module")
def statements() -> list[str]:
    say = []

    def holds(pattern: str, *values) -> None:
        say.append(statement(pattern, *values))

    # the question
    s = torch.tensor([0.0, -1, 1, 2], dtype=torch.float64)
    holds("gives it four scores: trees @, sky @, cow @, grass @. Grass is highest", *s.tolist())
    assert s.argmax() == 3 and F.cross_entropy(s, torch.tensor(COW)) > 0.1
    holds("All four scores rise by 1. Does the loss rise")
    torch.testing.assert_close((s + 1).softmax(0), s.softmax(0))
    holds("press *all scores + 1*. After that, drag the bars until the loss is below 0.1. It stays.")

    # softmax
    holds("Probabilities are positive and add up to @.", s.softmax(0).sum())
    holds("\\sum_{j'=1}^{k}")
    holds(
        "lie along axis 1, the scores are `(N, K, H, W)`: `dim=1` is the axis of the classes. With `dim=-1`"
    )
    holds("A class that leads by 1 is @ times as probable", math.e)
    holds("and one that leads by 5 is @ times as probable", round(math.exp(5)))
    q = s.sigmoid()
    holds(
        "Four sigmoids on our pixel: Cow has @ and grass @, and together the four have @.",
        round(q[2].item(), 2),
        round(q[3].item(), 2),
        round(q.sum().item(), 2),
    )
    holds("These are four answers to four separate questions.")
    holds("A sigmoid, $1 / (1 + e^{-s})$, turns")
    holds("Divide $e^a / (e^a + e^b)$ by $e^a$, above and below the line: $1 / (1 + e^{-(a - b)})$ is left.")
    assert 1 / (1 + math.exp(-1)) == pytest.approx(q[2].item())
    torch.testing.assert_close(s[2:].softmax(0)[0], (s[2] - s[3]).sigmoid())

    # likelihood
    holds("A map of 64 × 64 pixels, and a good network: each true class gets 0.9. What does float32 make")
    exponent = 64 * 64 * math.log10(0.9)
    assert torch.full((64, 64), 0.9).prod() == torch.tensor(1e-46) == 0 < torch.tensor(2e-45)
    holds("The product is about $10^{@}$, and float32 ends near $10^{-45}$.", f"-{round(-exponent)}")
    holds("Its logarithm is harmless, −@.", f"{-64 * 64 * math.log(0.9):.1f}")

    # cross entropy
    holds("nothing for $p = 1$, @ for a coin toss, @ for one in ten.", math.log(2), f"{math.log(10):.1f}")
    holds("with $q_j = 1$ for the true class and 0 elsewhere")
    holds("Probabilities lie between 0 and 1, so as scores")
    least = F.cross_entropy(torch.tensor([0.0, 0, 1, 0]), torch.tensor(COW)).item()
    assert least == pytest.approx(math.log(math.e + 3) - 1)
    holds("It still pays @, for ever: $\\log(e + 3) - 1$ is the least that four classes can reach.", least)

    # the map
    scores, target = meadow()
    loss = per_pixel(scores, target)
    sizes = (*target.shape[1:], 3, 3)
    holds(
        "Below is a meadow of @ × @ pixels, made up, and so are its scores: six times the share "
        "that a class "
        "has of the @ × @ pixels around.",
        *sizes,
    )
    assert (target == VOID).sum() == 2
    holds("Its scores break the rule: @ for cow, @ for grass.", *scores[0, COW:, *STONE])
    holds("@ pixels have a class. Which share", (target != VOID).sum())
    stone = loss[STONE].item()
    assert loss.max() == stone and 0.3 < stone / loss.sum() < 0.36
    assert STONE == (5, 0)  # the lower left
    holds("A third: @ of @. Its scores", round(stone), loss.sum().item())
    worse = scores.clone()
    worse[0, COW, *STONE] += 4
    more = per_pixel(worse, target)
    assert more[STONE] - stone == pytest.approx(4, abs=0.01)
    holds(
        "drag cow from @ to @: the loss grows by @, too, and the stone pays @ % of the sum.",
        scores[0, COW, *STONE],
        worse[0, COW, *STONE],
        4,
        percent(more[STONE] / more.sum()),
    )
    true, sure = scores[0, target[0, *STONE], *STONE], scores[0, COW, *STONE]
    assert sure - true == round(stone)
    holds("the lead over its true class, here @ − (@) = @.", sure, true, sure - true)
    holds("The columns are leads of 0, 2, 5 and 10 with two classes.")
    holds(
        "One pixel that is wrong by 10 costs as much as @ pixels that are right by 5.",
        round(math.log1p(math.exp(10)) / math.log1p(math.exp(-5))),
    )

    # gradient
    for wrong in (8.0, 800.0):
        pair = torch.tensor([wrong, 0], requires_grad=True)
        (slope,) = torch.autograd.grad(F.cross_entropy(pair, torch.tensor(1)), pair)
        assert slope.abs().max() <= 1 and abs(slope.sum()) < 1e-6 and slope[1] < -0.99
    holds("has the derivative −1 for $j = t$, else 0.")
    holds("where the bracket is 1 if what stands")
    holds("the probabilities, and 1 less where the truth is.")
    holds("in the widget the scores themselves take the step. Four things follow.")
    holds("**The entries add up to 0**, because the probabilities add up to 1.")
    holds("**No entry is larger than 1 in size.** A pixel may cost 8 or 800;")
    holds("$p_t$ is almost 0, so the entry of the true class is almost −1.")
    here = scores[0, :, 2, 3]
    assert target[0, 2, 3] == 3 and target[0, 1, 3] == 1 and target[0, 3, 3] == COW
    assert here.softmax(0)[0] > 0.01, "the widget would round the fall away"
    holds("click the pixel `[2, 3]`, grass between sky and cow")
    holds("which know no calculus; they need float64:")
    holds("punish $(1 - p_t)^2$. It is 0 when all is right and 1 at worst")
    s_y = torch.tensor(-1.3, dtype=torch.float64, requires_grad=True)
    p = torch.stack([torch.zeros_like(s_y), s_y]).softmax(0)[1]
    (slope,) = torch.autograd.grad((1 - p) ** 2, s_y)
    torch.testing.assert_close(slope, -2 * (1 - p) * p * (1 - p))
    holds(
        "Its derivative with respect to $p_t$ is $-2\\,(1 - p_t)$, and that of $p_t$ with respect to its own "
        "score is $p_t\\,(1 - p_t)$."
    )
    holds("wrong and sure it is nearly 0, and so is the pull. The logarithm has the derivative $1/p_t$")
    p10 = 1 / (1 + math.exp(10))
    holds(
        "At a lead of 10 for the wrong class, the cross entropy pulls about @ times as hard.",
        round((1 - p10) / (2 * (1 - p10) ** 2 * p10), -3),
    )
    holds(
        "over the lead of the true class, from −8 to 8. The pull of the cross entropy is 1 at the "
        "left, a half at 0 "
        "and falls to 0 at the right. That of the squared error is 0 at both ends"
    )

    # sum or mean
    pixels = 2 * 64 * 64
    holds("The mean is $\\log 4 = @$ for both.", f"{math.log(4):.3f}")
    holds("The sum is @ times that for the small ones", pixels)
    holds("A learning rate that suits the mean is @ times too large for the sum. Three ways", pixels)
    counted = [(target[:, rows] != VOID).sum() for rows in (slice(0, 3), slice(3, 6))]
    holds("The halves have @ and @ pixels with a class", *counted)
    holds("divides by those that count, not by all @.", target.numel())
    holds("PyTorch divides 0 by 0:")
    assert pixelwise_cross_entropy(scores, target.where(target != VOID, -100)) == pytest.approx(loss.sum())
    for by_hand in (False, True):
        weight, void = torch.ones(1, requires_grad=True), torch.full_like(target, VOID)
        known = void != VOID
        paid = -(weight * scores).log_softmax(1)[:, 0]
        mean = F.cross_entropy(weight * scores, void, ignore_index=VOID)
        mean = (known * paid).sum() / known.sum() if by_hand else mean
        mean.backward()
        torch.optim.SGD([weight], lr=0.1).step()
        assert mean.isnan() and weight.isnan() == by_hand
    holds("the weights survive. The same quotient by hand hands back the derivative of 0 / 0:")
    leaf = scores.clone().requires_grad_()
    nothing = weighted_cross_entropy(leaf, void, ignore_index=VOID, reduction="mean")
    nothing.backward()
    assert nothing == 0 and not leaf.grad.any()
    holds("`pixelwise.losses` returns 0 in this case, with a gradient of 0.")

    # stability
    half, single = torch.finfo(torch.float16).max, torch.finfo(torch.float32).max
    holds("two classes, of which the first leads by 5, 12 or 90:")
    first_overflow = [math.ceil(10 * math.log(largest)) / 10 for largest in (half, single)]
    for start, dtype in zip(first_overflow, (torch.float16, torch.float32), strict=True):
        assert torch.tensor(start, dtype=dtype).exp().isinf()
        assert not torch.tensor(start - 0.2, dtype=dtype).exp().isinf()
    holds("float16 ends at @, so $e^{s}$ overflows from $s = @$ on", half, f"{first_overflow[0]:.1f}")
    holds(
        "float32 ends at $@ \\cdot 10^{@}$ and overflows from $s = @$ on.",
        *f"{single:.1e}".split("e+"),
        f"{first_overflow[1]:.1f}",
    )
    holds("costs $-\\log(1/\\infty) = \\infty$")
    holds("The stable form says 12 and 90.")
    holds(
        "Every exponent is at most 0, so no exponential exceeds 1, and one of them is exactly 1, "
        "so that the sum is "
        "never 0."
    )
    holds("it rounds a small probability to 0 before")
    assert torch.full((512, 512), 0.5).half().sum().isinf()
    holds("A map of 512 × 512 pixels that cost 0.5 each: So the loss is computed in float32, whatever")
    holds("its list of operations that run in float32.")
    holds("Compute it with `logsumexp`, in float32.")

    # rare classes
    measured = by_colour()
    holds(
        "Chapter 1 had a network that had never heard of cows: @ of 100 pixels right, "
        "and an IoU of 0 for cow.",
        percent(measured["without cow"]),
    )
    holds("(*Found* is the recall of chapter 1, *correct* its precision")
    logits = torch.tensor([0.3, -1.0, 0.8, 0.1], dtype=torch.float64, requires_grad=True)
    heavy = torch.tensor([1.0, 1, 1, 7], dtype=torch.float64)
    paid = F.cross_entropy(logits[None], torch.tensor([3]), weight=heavy, reduction="sum")
    (slope,) = torch.autograd.grad(paid, logits)
    torch.testing.assert_close(slope, 7 * (logits.softmax(0) - F.one_hot(torch.tensor(3), 4)))
    holds("it sorts colours into 8 × 8 × 8 bins, and has four scores for each bin")
    holds("and it is 0 where $p_j$ is proportional")
    none, balanced = measured["none"], measured["balanced"]
    holds(
        "With weights it finds @ of 100 cow pixels instead of @.",
        percent(balanced["found"]),
        percent(none["found"]),
    )
    holds(
        "of the pixels that it calls cow, @ of 100 are cow instead of @",
        percent(balanced["correct"]),
        percent(none["correct"]),
    )
    assert balanced["iou"] < none["iou"]
    holds("does not rise at all, from @ to @.", none["iou"], balanced["iou"])
    holds("see the table below.) Three consequences:")
    w = measured["weights"]
    holds("half cow and half grass, the weighted model says @ for cow.", f"{w[2] / (w[2] + w[3]):.2f}")
    holds("A pixel with weight 50 pulls as hard as 50 pixels")
    holds("On the meadow, with a weight of 5 for cow:")
    cow, others = (target == COW).sum().item(), (target != VOID).sum().item() - (target == COW).sum().item()
    holds(
        "The divisor is @, the sum of the weights: @ pixels with 1 and @ pixels with 5.",
        others + 5 * cow,
        others,
        cow,
    )
    holds("Four pictures of one scene")

    # void
    holds("in files it is often @, the largest byte.", torch.iinfo(torch.uint8).max)
    holds("`ignore_index=255` does it. The pixel costs nothing, its gradient is 0, and a mean")
    holds("PyTorch's default is @, which", torch.nn.CrossEntropyLoss().ignore_index)
    with pytest.raises(IndexError, match="255 is out of bounds"):
        F.cross_entropy(scores, target)
    holds("a target with 255 ends in an error: 255 is no class.")
    holds(
        "to write 0 over the 255. Then void *is* class 0. In a data set with a background, class 0 is often"
    )
    repaired = per_pixel(scores, target.where(target != VOID, 0))
    assert 0.3 < repaired.sum() / loss.sum() - 1 < 0.36
    holds("On the meadow, class 0 is trees: Two pixels of @ add a third", target.numel())
    assert load("scenes", n=1).class_names[0] == "trees"
    holds("halfway between class 0 and void lies class @.", VOID // 2)

    # borders
    numbered, closed = cells()
    truth = (numbered > 0).long()
    assert int(connected_components(truth).max()) == 5 and int(connected_components(closed).max()) == 1
    holds("Five cells, drawn by a program: discs around five centres")
    right = (closed == truth).double().mean().item()
    holds("@ of 100 pixels, and one cell instead of five.", percent(right))
    holds("Its loss, equation 1, is")
    holds("its weights, equation 2, are")
    holds("\\frac{(d_1 + d_2)^2}{2\\sigma^2}\\right),$$")
    defaults = border_weight_map.__defaults__
    holds("The paper takes $w_0 = @$ and $\\sigma \\approx @$ pixels.", *defaults[:2])

    def in_gap(width: int) -> float:
        line = torch.ones(1, 40 + width, dtype=torch.int64)
        line[0, 20 : 20 + width], line[0, 20 + width :] = 0, 2
        return border_weight_map(line)[0, 20 + width // 2].item()

    holds(
        "A gap is 3 pixels wide. Its middle pixel has $d_1 = d_2 = 2$. With $w_c = 1$, is its "
        "weight nearer to 2, "
        "5 or 8? Nearer to 8: $1 + 10\\, e^{-16/50} = @$.",
        in_gap(3),
    )
    assert in_gap(3) > 6.5
    holds("With a gap of 9, where $d_1 = d_2 = 5$, it is @.", in_gap(9))
    gap = torch.ones(1, 30, dtype=torch.int64)
    gap[0, 14:17], gap[0, 17:] = 0, 2
    across = border_weight_map(gap)[0]
    assert len(set(across[13:18].tolist())) == 1, "the gap and the outermost pixels of the cells"
    assert (across[17:].diff() < 0).all() and (across[:14].diff() > 0).all()
    holds("We take $d_1 = 0$ inside a cell")
    holds("(chapter 7), and the cells with them.")
    weights, gaps = border_weight_map(numbered).double(), closed != truth
    assert weights.min() >= 1 and round(weights.max().item()) == 10
    holds("Equation 2 on drawn cells, w₀ = @, σ = @: the narrower", *defaults[:2])
    holds("Three pictures. Five white cells on black")
    wrong, correct = math.log1p(math.exp(4)), math.log1p(math.exp(-4))
    costs = torch.where(gaps, wrong, correct)
    plain, weighted = costs[gaps].sum() / costs.sum(), (weights * costs)[gaps].sum() / (weights * costs).sum()
    holds(
        "with a lead of 4, and wrong in the gaps alone: The gaps are @ % of the picture.", percent(1 - right)
    )
    holds("already pays @ % of its loss there; weighted, it pays @ %", percent(plain), percent(weighted))
    mean = (weights * costs).sum() / weights.sum()
    assert round(float(mean / costs.mean())) == 3
    holds("and closing them costs three times as much.")
    share = weights[gaps].sum() / weights.sum()
    holds("is then their share of the weights, @ % instead of @ %.", percent(share), percent(1 - right))

    # Dice
    iou = 0.37
    both, either = iou, 1.0
    assert 2 * both / (both + either) == pytest.approx(2 * iou / (1 + iou))
    holds("\\text{Dice} = \\frac{2\\,|A \\cap B|}{|A| + |B|}")
    holds("$\\text{Dice} = 2\\,\\text{IoU} / (1 + \\text{IoU})$.")
    assert dice_loss.__defaults__[1] == 1
    holds(
        "adds 1 to both sides of the fraction: a class that is absent and not predicted would "
        "otherwise be 0 / 0."
    )
    holds(
        "A picture of 100 × 100 pixels with a lesion of 5 × 5, and a network that is sure there "
        "is nothing, with a "
        "lead of 4 everywhere:"
    )
    lesion = torch.zeros(1, 100, 100, dtype=torch.long)
    lesion[0, 40:45, 40:45] = 1
    nothing = torch.zeros(1, 2, 100, 100, dtype=torch.float64)
    nothing[:, 0] = 4
    area = lesion.sum().item()
    cross_entropy = (area * wrong + (10000 - area) * correct) / 10000
    assert cross_entropy == pytest.approx(F.cross_entropy(nothing, lesion).item())
    by_lesion = area * wrong / lesion.numel()
    holds(
        "The cross entropy is @, and only @ of it comes from the @ pixels of the lesion. "
        "The rest is what the @ right ones pay",
        cross_entropy,
        by_lesion,
        area,
        lesion.numel() - area,
    )
    p = 1 / (1 + math.exp(4))
    background = 2 * (1 - p) * (10000 - area) / ((1 - p) * 10000 + 10000 - area)
    dice = 1 - (background + 2 * p * area / (p * 10000 + area)) / 2
    holds("The Dice loss is @, a half: one of two classes", f"{dice:.2f}")
    holds("has the factor $p_j(1 - p_j)$")
    pulls = {}
    for lead in (4, 12):
        nothing[:, 0] = lead
        leaf = nothing.clone().requires_grad_()
        for name, measure in (("ce", F.cross_entropy), ("dice", CHAPTER.run.names["dice_loss"])):
            pulls[name, lead] = -torch.autograd.grad(measure(leaf, lesion), leaf)[0][0, 1, 42, 42].item()
    assert pulls["ce", 4] == pytest.approx(1e-4, rel=0.05) and pulls["ce", 12] == pytest.approx(
        1e-4, rel=0.05
    )
    assert pulls["dice", 4] == pytest.approx(pulls["ce", 4], rel=0.2)
    assert pulls["dice", 12] < pulls["ce", 12] / 100
    assert [2 * right / (right + 2) for right in (2, 1)] == [1, pytest.approx(2 / 3)]
    holds("A single missed pixel of a lesion of two costs a third of its Dice.")
    holds("nearly a straight line in their $p$, and best at 0 or 1.")
    holds("pulls with @ throughout, the pixel's share of the mean.", str(1 / lesion.numel()))
    holds("Dice pulls as hard at a lead of 4, and next to nothing at 12.")

    streets = RECIPES["small_camvid"].num_classes
    assert (streets, streets // 2) == (11, 5)  # experiments.losses counts the rarer half
    runs = results("losses")
    assert all(len(runs.values("mean_iou", loss=name)) == 5 for name in LOSSES)
    holds("have eleven classes, and five of them, cyclists")
    (steps,) = {row["steps"] for row in runs.rows}
    (size,) = {dict(part.settings)["size"] for part in RECIPES["small_camvid"].parts.values()}
    holds("with each loss, five times for @ steps, on pictures of @ × @ pixels.", steps, *size)
    holds("*rare classes* the mean IoU of the five.")
    alone = [v for name in LOSSES[::3] for v in runs.values("mean_iou_of_rare_classes", loss=name)]
    holds("With cross entropy their IoU is @ in every run, alone and in the sum.", f"{max(alone):.2f}")

    # summary and questions
    holds("softmax minus one-hot: the entries add up to 0, none exceeds 1 in size, and what")
    holds("For `scenes` this is @.", f"{measured['entropy']:.2f}")
    holds("on crops of 64 × 64, with learning rate 0.0001. They change to crops of 128 × 128.")
    times = 128**2 / 64**2
    assert times == 4
    holds("A quarter, @: the gradient has four times as many terms.", f"{0.0001 / times:f}")
    heavy = torch.tensor([3.0, 0], requires_grad=True)
    only = {"weight": torch.tensor([1.0, 7]), "reduction": "sum"}
    (slope,) = torch.autograd.grad(F.cross_entropy(heavy[None], torch.tensor([1]), **only), heavy)
    assert slope.abs().max() > 1 and abs(slope.sum()) < 1e-6
    holds("have entries beyond 1? Do they still add up to 0?")
    holds("the weights of equation 2. Which weight has the pixel in the gap, with $w_c = 1$?")
    holds("$d_1 = d_2 = 1$, so $1 + 10\\, e^{-4/50} = @$.", in_gap(1))
    holds("learns the frequency of its class, and these add up to 1.")
    holds("with 20 classes, @ of 20 terms of each pixel say", 20 - 1)
    start = torch.zeros(1, 20, requires_grad=True)
    terms = F.binary_cross_entropy_with_logits(
        start, F.one_hot(torch.tensor([3]), 20).float(), reduction="sum"
    )
    (slope,) = torch.autograd.grad(terms, start)
    assert slope[slope > 0].sum() > slope.abs().sum() / 2  # what is positive lowers a score
    holds("In problem set 4 you write")
    holds("Three losses with a bug in each wait for you")
    holds("have the weight map in section 3, *Training*.")
    holds("by $(1 - p)^\\gamma$")
    holds("with cross entropy plus Dice, on 23 data sets.")
    return say


# ---- prose ----------------------------------------------------------------------------------------------


class TestPage(EveryChapter):
    chapter = CHAPTER


# ---- code -----------------------------------------------------------------------------------------------


def printed(start: str) -> str:
    """What the cell prints that has a line starting in this way."""
    (text,) = [
        text for (code, _), text in zip(CHAPTER.cells, CHAPTER.run.printed, strict=True) if start in code
    ]
    return text


@pytest.mark.parametrize("seed", range(5))
def test_the_losses_of_the_chapter_are_those_of_the_package(seed):
    torch.manual_seed(seed)
    scores = 50 * torch.randn(2, 3, 7, 5, dtype=torch.float64)
    target = torch.randint(3, (2, 7, 5))
    names = CHAPTER.run.names
    pixels = scores.movedim(1, -1).flatten(0, 2)
    ours = sum(names["pixel_loss"](s, y) for s, y in zip(pixels, target.flatten(), strict=True))
    torch.testing.assert_close(ours, pixelwise_cross_entropy(scores, target))
    torch.testing.assert_close(ours, F.cross_entropy(scores, target, reduction="sum"))
    theirs = dice_loss(scores, target, smooth=0).double()
    torch.testing.assert_close(names["dice_loss"](scores, target), theirs, rtol=1e-5, atol=1e-6)


def test_the_naive_loss_fails_where_the_chapter_says():
    rows = [line.split() for line in printed("def naive").splitlines()[1:]]
    fails = {(row[0], row[1]) for row in rows if row[2:4] == ["inf", "nan"]}
    assert fails == {("12", "float16"), ("90", "float16"), ("90", "float32")}
    assert all(math.isfinite(float(v)) for row in rows if (row[0], row[1]) not in fails for v in row[2:])
    assert [row[4] for row in rows] == ["5.01", "5.01", "12", "12", "90", "90"]


def test_the_table_of_weights_is_right():
    measured = by_colour()
    first, *rows = printed("balanced = balanced_class_weights").splitlines()
    assert ast.literal_eval(first) == [round(w, 2) for w in measured["weights"]]
    for line, name in zip(rows, ("none", "balanced"), strict=True):
        _, found, correct, iou = (float(v) for v in re.findall(r"\d\.\d\d", line))
        want = measured[name]
        assert (found, correct, iou) == tuple(round(want[key], 2) for key in ("found", "correct", "iou"))
    shares = ast.literal_eval(printed("share = truth.flatten()"))
    assert list(shares.values()) == [round(v, 2) for v in measured["share"]]


def test_the_colours_cannot_be_fitted_better():
    """Counting is training: the gradient of the weighted loss is 0 at the weighted counts."""
    torch.manual_seed(0)
    counts = torch.randint(1, 50, (6, 4)).double()
    w = torch.rand(4, dtype=torch.float64) + 0.5
    scores = (w * counts).log().requires_grad_()
    loss = -(w * counts * scores.log_softmax(1)).sum()
    (gradient,) = torch.autograd.grad(loss, scores)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-9, rtol=0)


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8])
def test_dice_wants_decisions_and_cross_entropy_frequencies(share):
    """Some pixels that look alike, among many others: which probability of class 1 is best for them?"""
    torch.manual_seed(0)
    target = (torch.rand(1, 100, 100) < 0.3).long()
    target[0, 0, :50] = (torch.arange(50) < round(50 * share)).long()
    tried = torch.linspace(0.01, 0.99, 99)
    losses = {"dice": [], "ce": []}
    for p in tried:
        scores = torch.stack([1.0 - 2 * target, 2.0 * target - 1], dim=1)
        scores[0, 0, 0, :50], scores[0, 1, 0, :50] = 0, torch.logit(p)
        losses["dice"].append(CHAPTER.run.names["dice_loss"](scores, target).item())
        losses["ce"].append(F.cross_entropy(scores, target).item())
    best = {name: tried[values.index(min(values))].item() for name, values in losses.items()}
    assert best["ce"] == pytest.approx(share, abs=0.011)
    assert best["dice"] == pytest.approx(round(share), abs=0.011)


def test_what_each_loss_learns_first_is_as_measured():
    streets = results("losses")
    mean, rare, right = (
        {name: streets.mean(column, loss=name) for name in LOSSES}
        for column in ("mean_iou", "mean_iou_of_rare_classes", "pixel_accuracy")
    )
    assert max(mean, key=mean.get) == "Dice" and min(right, key=right.get) == "weighted"
    assert sorted(rare, key=rare.get)[2:] == ["Dice", "weighted"]
    rare_runs = {name: streets.values("mean_iou_of_rare_classes", loss=name) for name in ("Dice", "weighted")}
    assert max(rare_runs["Dice"]) > min(rare_runs["weighted"]), "the runs overlap"
    assert max(rare["cross entropy"], rare["cross entropy + Dice"]) < 0.005
    printed_means = re.findall(r"(0\.\d\d) ±", printed('streets = results("losses")'))
    want = [figure[name] for name in LOSSES for figure in (mean, rare, right)]
    assert printed_means == [f"{value:.2f}" for value in want]


def test_tensors_live_on_the_device():
    """What a loss is computed from is made there; the exceptions need float64 or a distance transform."""
    for code, tags in CHAPTER.cells:
        made = re.search(r"torch\.(?:tensor|zeros|randn|full)\(", code)
        if made and "hide-input" not in tags and "float64" not in code and "centres" not in code:
            assert "device=device" in code, code


# ---- widgets, figures, links ----------------------------------------------------------------------------


def shown() -> dict[str, PixelLoss]:
    return {v.name: v for v in CHAPTER.run.shown if isinstance(v, PixelLoss)}


def test_the_widgets_show_what_the_text_speaks_of():
    one, map_ = shown()["one-pixel"], shown()["meadow"]
    assert one.scores == [[[0]], [[-1]], [[1]], [[2]]] and one.target == [[COW]]
    assert (map_.scores, map_.target) == (PixelLoss().scores, PixelLoss().target)
    assert tuple(map_.pixel) == STONE and map_.class_weights == [1] * 4
    assert set(shown()) == {"one-pixel", "meadow"} and not set(shown()) & CHAPTER.labels


def test_no_answer_stands_open_below_its_question():
    answers = [tags for code, tags in CHAPTER.cells if "p_true.prod()" in code or "predictions = {}" in code]
    assert answers == [{"hide-output"}] * 2


def test_sections_that_others_link_to_exist():
    ours = (
        "softmax sigmoid likelihood cross-entropy map gradient sum-or-mean stability imbalance weighted-mean"
    )
    for section in [*ours.split(), "void", "border", "dice"]:
        assert f"loss-{section}" in CHAPTER.labels


def test_the_lectures_formulas_stand_here():
    """The slide "U-Net Loss Function for Segmentation", line by line; colours of roles do not count."""
    body = re.sub(r"\s+", " ", re.sub(r"\\(?:inp|out|lss)\{((?:[^{}]|\{[^{}]*\})*)\}", r"\1", CHAPTER.body))
    for formula in (
        r"\mathbf{X} = \{\mathbf{x}_1, \dots, \mathbf{x}_n\}",
        r"\mathbf{Y} = \{\mathbf{y}_1, \dots, \mathbf{y}_n\}",
        r"\mathbf{x}_i \in \mathbb{R}^{m \times l \times d}",
        r"\mathbf{y}_i \in \mathbb{R}^{m \times l}",
        r"\mathbf{s}_i \in \mathbb{R}^{m \times l \times k}",
        r"p(\mathbf{y}[x, y] = j \mid \mathbf{x}_i, \boldsymbol\theta) = \frac{\exp(\mathbf{s}_i[x, y, j])}"
        r"{\sum_{j'=1}^{k} \exp(\mathbf{s}_i[x, y, j'])}",
        r"\ell(f_{\boldsymbol\theta}(\mathbf{x}_i), \mathbf{y}_i) = - \sum_{x, y} \log "
        r"p(\mathbf{y}[x, y] = \mathbf{y}_i[x, y] \mid \mathbf{x}_i, \boldsymbol\theta)",
    ):
        assert formula in body, formula
