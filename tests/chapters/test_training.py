"""Chapter 7 holds to the facts: what does not depend on a training run is computed here a second time.

`statements` works as in `test_transposed_convolution.py`. Results of training differ from one processor to
the next, so the prose has none as a number; the chapter's own cells hold them by inequalities. Here its two
long trainings are cut short.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pixelwise.recording
import pixelwise.training
from pixelwise import UNet
from pixelwise.data import load
from pixelwise.data.brain import NOTICE, SLABS
from pixelwise.figures import Picture
from pixelwise.inference import predict
from pixelwise.metrics import ConfusionMatrix
from pixelwise.results import results
from pixelwise.training import evaluate, mixed_precision_dtype
from pixelwise.unet import CopyAndCrop
from pixelwise.widgets import LiveUNet, TrainingPlayback

from .every_chapter import EveryChapter
from .reading import Chapter, Run, statement

LONG, SHORT = 600, 150


class Quick(Chapter):
    """The chapter with shorter trainings."""

    @cached_property
    def run(self) -> Run:
        def shortened(function):
            def call(*args, steps, **settings):
                return function(*args, steps=SHORT if steps == LONG else steps, **settings)

            return call

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pixelwise.training, "train", shortened(pixelwise.training.train))
            patch.setattr(pixelwise.recording, "Recording", shortened(pixelwise.recording.Recording))
            return super().run


CHAPTER = Quick("training")


def loss_of(w: float, labels=(0, 1, 1, 1)) -> float:
    """The loss of the network with one weight, without PyTorch."""
    costs = [
        math.log(1 + math.exp(-w * x if y else w * x)) for x, y in zip((-2, -1, 1, 2), labels, strict=True)
    ]
    return sum(costs) / 4


def slope_of(w: float, labels=(0, 1, 1, 1)) -> float:
    return (loss_of(w + 1e-5, labels) - loss_of(w - 1e-5, labels)) / 2e-5


def fraction(value: float) -> str:
    return {0.5: "½", -0.5: "−½", -0.75: "−¾", -1: "−1"}[round(value, 6)]


def one_cycle(steps: int) -> tuple[list[float], list[float]]:
    """The learning rate of each step, and how far AdamW's first mean moves to the new gradient in it."""
    optimizer = torch.optim.AdamW([torch.zeros(1)])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps + 1)
    rates, moved = [], []
    for _ in range(steps):
        (group,) = optimizer.param_groups
        rates.append(group["lr"])
        moved.append(1 - group["betas"][0])
        optimizer.step()
        schedule.step()
    return rates, moved


@pytest.fixture(scope="module")
def statements() -> list[str]:
    say = []

    def holds(pattern: str, *values) -> None:
        say.append(statement(pattern, *values))

    parameters = sum(
        p.numel() for p in UNet(3, 4, base_channels=8, depth=3, padding=1, norm="batch").parameters()
    )
    names = CHAPTER.run.names

    # the question
    norms = [m for m in names["meadow_net"].modules() if isinstance(m, nn.BatchNorm2d)]
    assert 0 < sum(p.numel() for m in norms for p in m.parameters()) < parameters / 100, "start at 1 and 0"
    holds("A U-Net with @ parameters, nearly all of them drawn at random.", parameters)
    assert names["meadow_recording"].shown == [0, 1, 2]
    holds("what happened, to three meadows")
    assert f"steps={LONG}" in CHAPTER.cells[0][0] and LONG == 600
    holds("Six hundred steps later it tells")

    # one weight
    holds("Four pixels in a row have the brightness −2, −1, 1 and 2.")
    assert names["x"].tolist() == [-2, -1, 1, 2] and names["target"].tolist() == [0, 1, 1, 1]
    holds("the other three are cow")
    holds("cow the score $w \\cdot x$ and grass the score 0")
    holds(
        "With $w = 0$ both classes have probability ½ everywhere, and the loss is $\\log 2 = @$", math.log(2)
    )
    assert loss_of(0) == pytest.approx(math.log(2))
    assert slope_of(0) == pytest.approx(-0.5)
    holds("Chapter 6 tells us the same")
    holds("averages over the four pixels")
    # (p − [cow]) · x of each pixel
    terms = [(0.5 - y) * x for x, y in zip((-2, -1, 1, 2), (0, 1, 1, 1), strict=True)]
    assert sum(terms) / 4 == -0.5 and terms == [-1, 0.5, -0.5, -1]
    holds(
        "\\frac{1}{4}\\left(\\tfrac12 \\cdot (-2) - \\tfrac12 \\cdot (-1) - \\tfrac12 \\cdot 1 "
        "- \\tfrac12 \\cdot 2\\right) = -\\tfrac12."
    )
    assert min(loss_of(w / 100) for w in range(-500, 500)) > 0.4
    holds("The loss does not reach 0: no weight")
    holds("The learning rate is 1 here. What happens with 0.2, with 4 and with 16?")
    paths = {rate: [loss for _, loss in names["descend"](rate, 4)] for rate in (0.2, 4, 16)}
    best = min(loss_of(w / 100) for w in range(0, 500))
    assert paths[0.2] == sorted(paths[0.2], reverse=True) and paths[0.2][-1] > best + 0.07
    assert paths[4][-1] < best + 0.001
    assert max(paths[16]) > paths[16][0] * 2 and paths[16][-1] > paths[16][0]
    holds("With 0.2 the dots creep down")
    holds("with the path of four steps from weight 0.")
    holds("With 4 they jump across the bottom once")
    holds("Three times the same valley of the loss")
    over = [w > 1.05 for w, _ in names["descend"](4, 4)]
    assert over[1] and not any(over[3:])
    holds("With 16 they leap from one slope to the other")
    assert {w > 1 for w, _ in names["descend"](16, 4)} == {True, False}
    holds("Too small, right, too large: four steps with three learning rates")

    # automatic differentiation
    holds("A U-Net has @ weights instead of one.", parameters)
    holds("two forward passes, @ in all", 2 * parameters)
    holds("what is the gradient at its inputs? For a convolution")
    holds("chapter 3 has met both halves. The gradient at the input is a transposed convolution.")
    holds("the price of all @ slopes", parameters)
    assert 1.9 < names["ratio"] < 2
    holds("| softmax and cross entropy | $p_j - [\\,j = t\\,]$, with $t$ the true class |")
    assert names["first"].dtype == torch.float64
    holds("which needs float64")
    holds("What stands in `first.grad[0, 0, 1, 1]`?")
    assert names["first"].grad[0, 0, 1, 1].item() == pytest.approx(2 * names["by_autodiff"], rel=1e-6)

    # stochastic
    holds("## Stochastic: eight pictures speak for all")
    holds("Each row compares the gradients of four batches with that of 128 other pictures")
    assert len(range(128, 384, 64)) == 4 and len(names["meadow_examples"]) == 384
    holds("(The 128 are a sample, too")
    holds("A batch of 64 is closer than one of 8. It also costs eight times the multiplications.")
    holds("four batches a row show that only roughly")
    adamw = torch.optim.AdamW([torch.zeros(1)]).defaults
    assert adamw["betas"] == (0.9, 0.999)
    holds("a step moves $m$ a tenth of the way to the new gradient, and $v$ a thousandth of the way")
    holds("Both start at 0, which $\\hat m$ and $\\hat v$ make up for.")
    assert 0 < adamw["eps"] < 1e-6
    holds("The tiny $\\epsilon$ only keeps it from dividing by 0.")
    holds("shrinks every weight; $\\lambda$ is @.", adamw["weight_decay"])
    rates, moved = one_cycle(steps=100)
    at_the_top = moved[rates.index(max(rates))]
    assert moved[0] == pytest.approx(min(moved)) == pytest.approx(moved[-1], abs=0.001)
    assert at_the_top == max(moved)
    holds("the tenth of $m$, too: from @ to @ where the rate is highest, and back.", moved[0], at_the_top)

    # data
    holds("so the data come in three parts")
    holds("Three facts about these slices decide how they are used.")
    holds("152 people's")
    gaps = [SLABS["val"].start - SLABS["train"].stop, SLABS["test"].start - SLABS["val"].stop]
    assert gaps == [10, 10]  # millimetres: a centimetre
    assert len(names["brain"]) == 4 * len(SLABS["train"])
    holds("`repeats=4` means each of the @ training slices four times", len(SLABS["train"]))
    holds("An evening meadow five times")
    holds("One example, five times.")
    assert len(names["changes"]) == 5
    holds("for each of 256 levels of brightness")
    assert pixelwise.data.fit_thresholds.__defaults__ == (255, 256)
    holds("It trains on crops of 64 × 64 pixels, eight at a time")
    height, width = names["test_slices"][0][1].shape
    assert height % 2**3 == width % 2**3 == 0 and names["brain_net"].multiple == 2**3
    holds("@ and @ are multiples of @, as a padded network of depth 3 wants them", height, width, 2**3)
    assert len(names["unseen_slices"]) == 10
    holds("looks at ten validation slices")

    # curve
    holds("pays $\\log 4 = @$ a pixel", math.log(4))
    holds("A first loss of 10 or 100 says")
    holds("images that were not scaled to [0, 1]")
    # a second softmax has scores from 0 to 1: (1, 0, 0, 0) at best, a quarter each at first
    least = math.log(math.e + 3) - 1
    assert F.cross_entropy(torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([0])).item() == pytest.approx(least)
    holds("it starts near @, too, and never gets below @.", math.log(4), least)
    holds("eight pictures are now easy")
    holds("Four meadows and forty steps, with three learning rates: Forty steps tell the rates apart.")
    holds("four pictures by heart will not learn a thousand")
    small, middle, large = names["curves"].values()
    assert list(names["curves"]) == [1e-4, 1e-2, 1.0] and len(small) == 40
    assert small[0] - small[-1] < 0.1 and middle[-1] < 0.8 * small[-1] and large[-1] > middle[-1] + 0.1
    assert small[0] == pytest.approx(math.log(4), abs=0.4)
    truths = torch.stack([truth for _, truth in names["meadow_examples"][:4]])
    shares = truths.flatten().bincount() / truths.numel()
    assert large[-1] == pytest.approx(-(shares * shares.log()).sum().item(), abs=0.1)
    holds("With 0.0001 the network has hardly moved. With 1.0 it ends where a network stands")
    holds("With 0.01 the loss falls.")
    holds("look for yours in powers of ten")
    holds("as the two long runs have it")
    assert names["by_heart"][-1] < names["by_heart"][0] / 4
    holds("The four are as good as known by heart.")

    # results
    slabs = [SLABS[part] for part in ("train", "val", "test")]
    assert slabs == sorted(slabs, key=lambda slab: slab.start)
    holds("The three slabs lie on top of each other")
    holds("The network has four answers")
    assert len(names["test_meadows"]) == 64 and len(names["test_slices"]) == 20
    holds("The meadows, on 64 new ones, beside the count of colours from chapter 1:")
    holds("Two rows of four pictures: a meadow")
    holds("Two rows of four pictures: a slice")
    holds("The best and the worst of 64 test meadows")
    holds("The best and the worst of 20 test slices")
    holds("if one of its eight neighbours")
    holds("(Chapter 1 said that the interior decides the IoU.")
    assert "the interior decides its IoU" in Chapter("problem").source
    holds("from *contracting path 1* downwards")
    layers = names["meadow_net"].describe(64).layers
    assert {layer.height for layer in layers if layer.part == "bottom"} == {8}
    holds("an 8 × 8 map is left")

    # ablation
    runs = results("copy_paths")
    groups = {
        (data, copies): runs.values("mean_iou", data=data, copy_paths=copies)
        for data in ("scenes", "brain", "isbi2012")
        for copies in (True, False)
    }
    assert {len(values) for values in groups.values()} == {5}
    ways = results("upsampling")
    ways = [ways.values("mean_iou", upsampling=way) for way in ("transposed", "bilinear", "pixel_shuffle")]
    assert {len(values) for values in ways} == {5}
    assert max(map(min, ways)) < min(map(max, ways)), "the ranges overlap"
    holds("Three ways to double the size on the way up, which chapter 4 has compared")
    holds("Five runs of this length cannot tell")
    holds("The ranges of the three overlap.")
    for data in ("scenes", "brain"):
        assert min(groups[data, True]) > max(groups[data, False]) + 0.05
    assert max(groups["isbi2012", False]) > min(groups["isbi2012", True])
    assert np.mean(groups["isbi2012", True]) > np.mean(groups["isbi2012", False])
    holds("Chapter 5 took the copy paths out")
    holds("Look at the single runs, five of each, on three data sets")
    steps = {row["data"]: row["steps"] for row in runs.rows}
    assert {row["steps"] for row in runs.rows} == set(steps.values()) and steps["scenes"] == steps["brain"]
    holds("The runs are short: @ steps, and @ on the tissue", steps["scenes"], steps["isbi2012"])
    (shorter,) = {row["steps"] for row in results("upsampling").rows}
    holds("on the same meadows, but with @ steps:", shorter)
    holds(
        "If the copies did nothing, ten runs would come out in such an order once in @ times.",
        math.comb(10, 5),
    )
    with_copies, without = (
        {row["seed"]: row["mean_iou"] for row in runs.where(data="isbi2012", copy_paths=copies).rows}
        for copies in (True, False)
    )
    (harmed,) = [seed for seed in with_copies if with_copies[seed] < without[seed]]
    pair = [f"{values[harmed]:.3f}" for values in (with_copies, without)]
    holds("Seed @ gave @ with copies and @ without: whoever had run it alone", harmed, *pair)
    holds("`isbi2012` is the nerve tissue")
    holds("For isbi2012 the two groups overlap")
    holds("On one of the three, the worst run with copy paths is beaten")
    holds("Mean IoU of five runs each, as dots on six lines.")
    holds("five short runs do not make it certain")
    for data in ("scenes", "brain", "isbi2012"):
        sizes = [runs.mean("parameters", data=data, copy_paths=copies) for copies in (True, False)]
        assert 1 - sizes[1] / sizes[0] == pytest.approx(0.1, abs=0.005)

    # summary
    holds("Look for the learning rate in powers of ten.")

    # long runs
    holds("Chance enters three times")
    assert torch.finfo(torch.bfloat16).bits == 16
    holds("they are faster in 16 bits")
    holds("There are two formats. bfloat16 has the range of float32 and about two decimal digits.")
    assert torch.finfo(torch.bfloat16).eps == 2**-7  # two decimal digits
    assert torch.finfo(torch.float16).eps == 2**-10  # three
    holds("float16 has three digits, and ends below at $6 \\cdot 10^{-8}$")
    holds("smaller gradients become 0.")
    assert torch.finfo(torch.float16).smallest_normal * 2**-10 == pytest.approx(6e-8, rel=0.01)
    assert mixed_precision_dtype(torch.device("mps")) is None
    holds("| CUDA, from compute capability 8.0 on | bfloat16 |")
    holds("such as Colab's T4 | float16")
    holds("Apple's MPS | float32")
    holds("| CPU with instructions for it | bfloat16 |")
    holds("stay in float32")

    # your own data
    holds("one class index a pixel, 255 where nobody knows")
    holds("Somebody saves a mask with cows as 7:")
    holds("= (60, 140, 40)`")
    holds("a `size` whose sides are multiples of @:", 2**3)
    holds("Five steps here; your own data will take thousands:")
    holds("Draw twenty pairs")
    holds("with three learning rates. - **Then")

    # questions
    holds("what is the slope at $w = 0$ if the second")
    assert slope_of(0, (0, 0, 1, 1)) == pytest.approx(-0.75)
    holds("so that the four terms are −1, −½, −½ and −1, and the slope is −¾")
    holds("the loss falls towards 0 without")
    pixels = 8 * 64 * 64
    holds("gradient descent, 8 images of 64 × 64. Which learning rate repeats the run with the mean and 0.1?")
    holds("The sum's gradient is @ times that of the mean, so the rate is 0.1 / @.", pixels, pixels)
    holds("falls to 0.02. The validation loss falls to 0.3 and")
    holds("one input of four")
    holds("The other three could change a little and the output would stay what it is, so their slope is 0.")
    holds("`brain` has @ training slices.", len(names["brain"]))
    holds("@ slices of it, each with four draws of noise", len(SLABS["train"]))
    holds("In problem set 5 you write")
    holds("trained with 30 pictures; sections 3 and 3.1 are")
    holds("The brain is the ICBM 2009a template")
    return say


class TestPage(EveryChapter):
    chapter = CHAPTER


# ---- what the prose says without numbers ----------------------------------------------------------------


def test_the_sum_over_256_pixels_is_the_mean_times_their_number():
    """Question 2, on a batch of the size that it names."""
    scores = torch.randn(8, 4, 64, 64, requires_grad=True)
    target = torch.randint(4, (8, 64, 64))
    mean, total = (F.cross_entropy(scores, target, reduction=how) for how in ("mean", "sum"))
    (one,), (other,) = (torch.autograd.grad(loss, scores, retain_graph=True) for loss in (mean, total))
    torch.testing.assert_close(other, 32768 * one)


def test_the_brain_is_symmetric_but_for_noise():
    _, truth = load("brain")[30]
    assert torch.equal(truth[:, 1:], truth[:, 1:].flip(-1))  # column 80 is the mid-plane
    clean, noisy = (load("brain", degraded=degraded)[30][0][..., 1:] for degraded in (False, True))
    assert torch.equal(clean, clean.flip(-1)) and not torch.equal(noisy, noisy.flip(-1))


def test_meadows_are_of_the_family_that_the_problem_sets_do_not_use():
    assert CHAPTER.run.names["meadows"].identifiers[0].startswith("evening-")


def test_the_licence_of_the_brain_is_printed():
    printed = " ".join(" ".join(CHAPTER.run.printed).split())
    assert " ".join(NOTICE.split()) in printed


def test_both_runs_are_seen_forming_and_can_be_painted_on():
    shown = [v for v in CHAPTER.run.shown if hasattr(v, "name")]
    kinds = {kind: [v.name for v in shown if isinstance(v, kind)] for kind in (TrainingPlayback, LiveUNet)}
    assert kinds[TrainingPlayback] == ["evening", "brain"]
    assert kinds[LiveUNet] == ["live-meadow", "live-brain"]
    for playback in shown[:2]:
        assert playback.step == 0 and playback.show == "class map"
        assert len(playback.about["moments"]) >= 15


def test_no_cell_depends_on_a_training_without_saying_so():
    """Cells that print what training made are tagged for readers of both kinds of tests."""
    made = ("Playback(", "LiveUNet(", "evaluate(", "curves[", "by_heart", "by_quality(", "recording.mean_iou")
    for code, tags in CHAPTER.cells:
        prints = "print(" in code or not code.strip().startswith(("from", "def", "assert"))
        if any(word in code for word in made) and prints and "def by_quality" not in code:
            assert {"varies", "nbval-ignore-output"} <= tags, code[:80]


def test_the_figure_of_the_ablation_shows_every_run():
    (drawing,) = [v for v in CHAPTER.run.shown if isinstance(v, Picture) and "six lines" in v.alt]
    assert drawing.svg.count("<use") == 30


def test_the_table_of_backward_passes_is_right_where_the_page_does_not_check_it():
    """The kernel of a transposed convolution, and batch norm."""
    x, kernel = torch.randn(1, 1, 4, 4), torch.randn(1, 1, 3, 3, requires_grad=True)
    y = F.conv_transpose2d(x, kernel)
    g = torch.randn_like(y)
    y.backward(g)
    torch.testing.assert_close(kernel.grad, F.conv2d(g, x))

    x = torch.randn(8, 1, 1, 1, dtype=torch.float64, requires_grad=True)
    y = F.batch_norm(x, None, None, training=True, eps=1e-12)
    g = torch.randn_like(y)
    y.backward(g)
    left = g - g.mean() - y * (g * y).mean() / (y * y).mean()
    torch.testing.assert_close(x.grad, left / x.std(correction=0))


def test_the_weight_is_put_back_after_its_finite_difference():
    torch.manual_seed(0)
    fresh = UNet(3, 4, base_channels=8, depth=3, padding=1, norm="batch").double()
    torch.testing.assert_close(CHAPTER.run.names["first"], next(fresh.parameters()), rtol=0, atol=1e-12)


def test_pixels_at_outlines_come_right_in_the_flat_part():
    names = CHAPTER.run.names
    recording = names["meadow_recording"]
    truths = torch.stack([truth for _, truth in names["unseen_meadows"][:3]])
    near = torch.stack([names["near_outlines"](truth) for truth in truths])
    right = [(torch.stack(maps) == truths)[near].float().mean() for maps in recording.class_maps]
    half = next(k for k, moment in enumerate(recording.moments) if moment >= recording.total / 2)
    assert right[-1] > right[half] + 0.02


def test_the_errors_that_are_left_lie_mostly_at_outlines():
    names = CHAPTER.run.names
    assert names["near"][names["wrong"]].float().mean() > 0.5


def test_the_meadows_stand_beside_a_baseline():
    names = CHAPTER.run.names
    by_colour = names["by_colour"].mean_iou()
    assert evaluate(names["meadow_net"], names["test_meadows"]).mean_iou() > by_colour + 0.1
    counted = ConfusionMatrix(4)  # chapter 1 counts from 1 on, which changes no decision
    counts = names["counts"] + 1
    counted.update(counts[names["kinds"]].argmax(-1), torch.stack([t for _, t in names["test_meadows"]]))
    assert counted.mean_iou() == by_colour


TREES, SKY, COW, GRASS = range(4)


def covered(image: torch.Tensor, truth: torch.Tensor, box: tuple[slice, slice]) -> torch.Tensor:
    """The picture with a rectangle in the colour of its grass."""
    image = image.clone()
    image[(slice(None), *box)] = image[:, truth == GRASS].mean(1)[:, None, None]
    return image


def test_legs_make_the_cow():
    """The share of a cow that is still called cow when a part of it is covered, of what is left uncovered."""
    names = CHAPTER.run.names
    lost, become = {part: [] for part in ("legs", "body", "left end", "right end")}, []
    for image, truth in names["test_meadows"]:
        cow = truth == COW
        if cow.sum() < 60:
            continue
        (top, bottom), (left, right) = ((i.min().item(), i.max().item() + 1) for i in cow.nonzero().T)
        knee, end = bottom - int(0.4 * (bottom - top)), int(0.3 * (right - left))
        rows, columns = slice(top, bottom), slice(left, right)
        boxes = {
            "legs": (slice(knee, bottom), columns),
            "body": (slice(top, knee), columns),
            "left end": (rows, slice(left, left + end)),
            "right end": (rows, slice(right - end, right)),
        }
        pictures = [image, *(covered(image, truth, box) for box in boxes.values())]
        answers = predict(names["meadow_net"], torch.stack(pictures)).argmax(1)
        given_up = cow & (answers[0] == COW) & (answers[1] != COW)
        become.append(answers[1, :knee][given_up[:knee]])
        whole, *answers = answers == COW
        for (part, box), answer in zip(boxes.items(), answers, strict=True):
            seen = cow.clone()
            seen[box] = False
            lost[part].append((whole[seen].float().mean() - answer[seen].float().mean()).item())
    mean = {part: np.mean(values) for part, values in lost.items()}
    assert mean["legs"] > 0.4
    assert (torch.cat(become) == GRASS).float().mean() > 0.7
    assert mean["legs"] - 0.05 > mean["body"] > 0.05
    assert max(mean["left end"], mean["right end"]) < 0.1, "one of them is the head"


def test_no_disc_in_the_sky_is_a_cow():
    names = CHAPTER.run.names
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    for radius in (3, 5, 8):
        disc = (y - 10) ** 2 + (x - 32) ** 2 <= radius**2
        pictures = [image.clone() for image, truth in names["test_meadows"] if (truth[disc] == SKY).all()]
        assert len(pictures) > 10
        for brown in ((0.42, 0.23, 0.12), (0.62, 0.32, 0.14), (0.16, 0.11, 0.10)):
            for picture in pictures:
                picture[:, disc] = torch.tensor(brown)[:, None]
            answer = predict(names["meadow_net"], torch.stack(pictures)).argmax(1)[:, disc]
            assert (answer == COW).float().mean() < 0.02
            assert ((answer == TREES) | (answer == SKY)).float().mean() > 0.95


def test_the_sky_below_is_called_grass():
    names = CHAPTER.run.names
    sky = torch.stack([truth for _, truth in names["test_meadows"]]) == SKY
    assert (names["turned"][sky] == GRASS).float().mean() > 0.5


def test_without_its_copies_the_network_has_blobs_and_no_outlines(monkeypatch):
    names = CHAPTER.run.names
    join = CopyAndCrop.forward
    monkeypatch.setattr(
        CopyAndCrop, "forward", lambda self, copied, up: join(self, torch.zeros_like(copied), up)
    )
    images, truths = map(torch.stack, zip(*names["test_meadows"], strict=True))
    answer = predict(names["meadow_net"], images).argmax(1)
    near = torch.stack([names["near_outlines"](truth) for truth in truths])
    assert (answer[truths == COW] == COW).float().mean() > 0.5
    assert (answer == truths)[near].float().mean() < 0.6


def test_sections_stand_where_slides_and_glossary_look_for_them():
    wanted = "one-weight autodiff sgd loop data augmentation brain curve results errors live ablations"
    for section in [*wanted.split(), "practice", "precision", "your-data"]:
        assert f"training-{section}" in CHAPTER.labels
