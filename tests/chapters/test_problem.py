"""Chapter 1 holds to the facts: every number in it is computed here a second time.

`statements` works as in `test_transposed_convolution.py`. What depends on training is not in the prose as a
number, because it differs from one processor to the next; it is held here by an inequality.
"""

from __future__ import annotations

import re
from math import exp, log

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from pixelwise.data import load
from pixelwise.data.brain import SLABS
from pixelwise.data.classes import CITYSCAPES, IGNORE_INDEX
from pixelwise.data.folders import cityscapes
from pixelwise.figures import Picture
from pixelwise.inference import predict
from pixelwise.widgets import PixelInspector

from .every_chapter import EveryChapter
from .reading import Chapter, statement

CHAPTER = Chapter("problem")
TREES, SKY, COW, GRASS = range(4)


def iou(prediction: np.ndarray, truth: np.ndarray, k: int) -> float:
    both = (prediction == k) & (truth == k)
    return both.sum() / ((prediction == k) | (truth == k)).sum()


def outlines(classes: np.ndarray) -> np.ndarray:
    """Where a pixel of one image has one of another class above, below, left or right."""
    padded = np.pad(classes, 1, mode="edge")
    middle = padded[1:-1, 1:-1]
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return np.any([middle != n for n in neighbours], axis=0)


def boundary_f1(predictions: np.ndarray, truths: np.ndarray, k: int, tolerance: float) -> float:
    """By distance transforms instead of the discs of `pixelwise.metrics`."""
    hits, found = np.zeros(2), np.zeros(2)
    for prediction, truth in zip(predictions, truths, strict=True):
        edges = [outlines(classes) & (classes == k) for classes in (prediction, truth)]
        for side, (own, other) in enumerate([edges, edges[::-1]]):
            near = distance_transform_edt(~other) <= tolerance if other.any() else np.zeros_like(own)
            hits[side] += (own & near).sum()
            found[side] += own.sum()
    precision, recall = hits / found
    return 2 * precision * recall / (precision + recall)


@pytest.fixture(scope="module")
def meadows():
    images, targets = load("scenes", split="val", n=64).tensors()
    return images.numpy(), targets.numpy()


@pytest.fixture(scope="module")
def by_colour(meadows) -> np.ndarray:
    """The most frequent class of each colour, counted in a dictionary of histograms."""
    seen = load("scenes", n=256)
    counts = np.zeros((16, 16, 16, 4), dtype=int)
    for image, target in seen:
        levels = (image.numpy() * 255).astype(int) // 16
        np.add.at(counts, (*levels, target.numpy()), 1)
    levels = (meadows[0] * 255).astype(int) // 16
    return counts[levels[:, 0], levels[:, 1], levels[:, 2]].argmax(-1)


@pytest.fixture(scope="module")
def blocky(meadows) -> np.ndarray:
    """The most frequent class of each block of 8 × 8."""
    blocks = meadows[1].reshape(64, 8, 8, 8, 8).swapaxes(2, 3).reshape(64, 8, 8, 64)
    best = np.stack([(blocks == k).sum(-1) for k in range(4)]).argmax(0)
    return best.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture(scope="module")
def statements(meadows, by_colour, blocky) -> list[str]:
    images, targets = meadows
    target = targets[21]
    say = []

    def holds(pattern: str, *values) -> None:
        say.append(statement(pattern, *values))

    height, width = target.shape
    # three answers
    holds("The same drawn meadow three times:")
    holds("is a map in four flat colours")
    holds("Three answers about a picture of @ × @ pixels.", height, width)
    holds("for each of the @ pixels, one of the classes {trees, sky, cow, grass}.", target.size)
    holds("Rows and columns are numbered from 0")
    rows, columns = np.nonzero(target == COW)
    box = np.ptp(rows) + 1, np.ptp(columns) + 1
    area = (target == COW).sum()
    holds("The box holds @ · @ = @ pixels and only @ of them are cow", *box, box[0] * box[1], area)
    assert 0.45 < area / (box[0] * box[1]) < 0.55  # "wrong at every second pixel"
    holds("It is asked @ times for a class", target.size)

    # tensors
    holds("## Three tensors")
    holds("A photograph has $d = 3$, its red, green and blue.")
    holds("Classes are numbered from 0.")
    holds("| `(@, @, @, @)` | | scores", 1, *images[21].shape)
    holds("| `(@, @, @, @)` | | class map |", 1, 4, height, width)
    holds("entries 0 to K − 1 | `(@, @, @)` |", 1, height, width)

    # colour
    assert len(CHAPTER.run.names["seen"]) == 256
    holds("Take 256 other meadows, whose class maps we know")
    holds("is cut into 16 levels, which makes @ kinds of colour", 16**3)
    holds("The scores of a pixel are the logarithms of the four counts")
    counts = [9, 994, 361, 778]
    powers = [exp(log(n)) for n in counts]
    assert np.allclose(np.array(powers) / sum(powers), np.array(counts) / sum(counts))
    holds("\\frac{e^{\\out{s}_j}}{e^{\\out{s}_1} + \\dots + e^{\\out{s}_k}}")
    holds("this is $n_j / (n_1 + \\dots + n_k)$")
    found = np.bincount(by_colour[21][target == COW], minlength=4)
    holds("Of the @ pixels of the cow, @ are recognised", area, found[COW])
    brightness = images[21].mean(0)
    assert np.median(brightness[(target == COW) & (by_colour[21] == COW)]) < 0.35  # "most of them black"
    assert np.median(brightness[(target == COW) & (by_colour[21] == SKY)]) > 0.5  # white
    holds("@ are taken for sky:", found[SKY])
    holds("@ are taken for grass, because snow and stones lie on", found[GRASS])
    holds("meadows, too, and @ for trees.", found[TREES])
    assert found.sum() == area
    holds("but for the 1 that every count started from")
    holds("The three numbers of the pixel do not hold the answer.")
    holds("no function of these @ kinds of colour is right more often", 16**3)
    holds("it has four legs below and a horn in front")
    holds("both of which chapter 5 takes apart.")
    holds("We show it the same 256 meadows")
    holds("is the question of the next four chapters")

    # pixel accuracy
    accuracy = 1 - (targets == COW).mean()
    holds("It is @. Colour alone", accuracy)
    assert (by_colour == targets).mean() < accuracy
    share = round(100 * (targets == COW).mean())
    holds("Cows cover @ % of these pictures, and to ignore them altogether costs @ %.", share, share)
    holds("Whoever never finds one is right at @ % of the pixels.", f"{100 * (1 - 1 / 1000):.1f}")

    # IoU
    truth, guess = (CHAPTER.run.names[name].numpy() for name in ("truth", "guess"))
    assert np.array_equal(np.roll(truth, 1, axis=1), guess)
    both, either = (truth & guess).sum(), (truth | guess).sum()
    assert (truth.sum(), both, either) == (6, 4, 8)
    holds("Here is a cow of six pixels, and a prediction that has the right shape, one column too far")
    holds("Three grids of @ by @ cells. Truth: ones in columns 0 to 2 of rows 1 and 2.", *truth.shape)
    assert truth[1:3, 0:3].all() and guess[1:3, 1:4].all()
    holds("Prediction: ones in columns 1 to 3 of the same rows.")
    assert ((truth + guess) == 2).sum() == 4 and ((truth + guess) == 1).sum() == 4
    holds("Both added: four cells hold a 2, four a 1. ")
    holds("1 is cow. In the sum, count the 2s, and")
    holds("Four cells are cow in both: the *intersection*. Eight are cow in at least one")
    holds("\\frac{@}{@} = @.$$", both, either, both / either)
    right = (truth == guess).sum()
    holds("The pixel accuracy is @/@ = @, because the eight", right, truth.size, right / truth.size)
    assert (truth | guess == 0).sum() == 8
    holds("because the eight cells of grass that nobody doubted count")
    holds("and not the six cells of the true cow? Because")
    holds("then a prediction that calls every pixel cow would get 6/6")
    missed, false = (truth & ~guess & 1).sum(), (guess & ~truth & 1).sum()
    holds("\\frac{@}{@ + @ + @}.$$", both, both, missed, false)
    holds("Elsewhere these three are called true positives")
    holds("The IoU is 1 only for identical regions, and 0 if they do not overlap.")
    holds("The @ and the @ on the diagonal are right.", (truth | guess == 0).sum(), both)
    holds("Row 1 holds the cow: @ pixels of it were missed.", missed)
    holds("Column 1 holds what was called cow: @ falsely.", false)
    holds("Now three class maps from above, for all @ meadows.", len(targets))
    never = np.where(targets == COW, GRASS, targets)
    holds("its IoU for cows is @, and its grass", f"{iou(never, targets, COW):.2f}")
    assert iou(never, targets, GRASS) < 0.85
    cows, called = targets == COW, by_colour == COW
    holds(
        "With colour alone, the cow gets @: @ % of its pixels were missed, and @ % of what was called cow is",
        float(iou(by_colour, targets, COW)),
        round(100 * (cows & ~called).sum() / cows.sum()),
        round(100 * (called & ~cows).sum() / called.sum()),
    )
    holds("the IoU of cow is 0/0. It is left out of the mean. Counted as 1 it would reward, as 0 it would")
    holds("with the label @.", IGNORE_INDEX)
    dice = 2 * both / (2 * both + missed + false)
    assert dice == 2 * (both / either) / (1 + both / either)
    holds("the Dice coefficient, 2 · right / (2 · right + missed + false). It is 2 · IoU / (1 + IoU)")
    holds("for the shifted cow it is @.", float(dice))

    # the boundary
    holds("for each block of 8 × 8 pixels it knows")
    holds("Chapter 2 meets networks that end in such a map.")
    assert 0.87 < (blocky == targets).mean() < 0.9
    holds(
        "Nearly nine of ten pixels are right, and the sky has an IoU of @.", float(iou(blocky, targets, SKY))
    )
    holds("the class map in blocks of 8 by 8 pixels")
    holds("the trees are three bricks")
    holds("What blocks of 8 × 8 leave of a perfect class map:")
    holds("which share lies within 1 pixel of the true one (*precision*)")
    holds("which share lies within 1 pixel of the predicted one (*recall*)")
    holds("The *boundary F1* is 2 · precision · recall / (precision + recall)")
    holds(
        "The sky, with an IoU of @, has a boundary F1 of @.",
        float(iou(blocky, targets, SKY)),
        boundary_f1(blocky, targets, SKY, 1),
    )

    # where it is needed
    holds("There, $d$ is not 3: each position comes with the intensities of four kinds of scan")
    holds("and the third axis of space is added")
    holds("*one averaged brain*: 152 healthy brains")
    assert "152" in load("brain").notice and CHAPTER.run.names["scan"].shape[0] == 1
    holds("One channel, so $d = 1$, and four classes")
    assert len(load("brain").classes) == 4
    described = re.findall(r"\d+", cityscapes.__doc__)
    train, validation, rows, columns = described[:4]
    holds("fifty cities, filmed from a car, @ × @ pixels an image.", rows, columns)
    holds("@ such images are for training, @ for validation", train, validation)
    assert len(CITYSCAPES) == 19
    holds("Nineteen classes count")
    named = [CITYSCAPES.names[k] for k in (2, 8, 5)]
    assert (2 + 8) / 2 == 5 and named == ["building", "trees", "pole"]
    holds("Half-way between class 2, building, and class 8, trees, stands class 5, pole.")

    # summary and questions
    scores = int(rows) * int(columns) * len(CITYSCAPES)
    holds("A street scene has @ × @ pixels and @ classes.", rows, columns, len(CITYSCAPES))
    holds("how much memory do they take at 4 bytes each?")
    holds("@ · @ · @ = @ scores, @ MiB.", rows, columns, len(CITYSCAPES), scores, scores * 4 // 2**20)
    assert scores * 4 % 2**20 == 0 and 6 < len(CITYSCAPES) / 3 < 7
    holds("The image has 3 values for a pixel, the scores have @, more than six times as", len(CITYSCAPES))
    shifted = torch.randn(4, dtype=torch.float64)
    torch.testing.assert_close(shifted.softmax(0), (shifted + 100).softmax(0))
    holds("Add the same number, say 100, to all $k$ scores of a pixel.")
    holds("The factor $e^{100}$ cancels")
    holds("A prediction is a cow of 2 × 3 pixels, in the right shape, but 3 columns too far")
    holds("Both are 0. IoU cannot tell")
    truth = np.repeat([GRASS, SKY, TREES, COW], [8, 8, 2, 2])
    guess = truth.copy()
    guess[4:12] = truth[4:12][::-1]
    holds(
        "Of @ pixels, 8 are grass, 8 sky, 2 trees and 2 cow, and 4 of grass are exchanged with 4 of",
        truth.size,
    )
    right = (truth == guess).sum()
    holds("The accuracy is @/@ = @.", right, truth.size, f"{right / truth.size:.2f}")
    union = ((truth == SKY) | (guess == SKY)).sum()
    assert ((truth == SKY) & (guess == SKY)).sum() == 4
    holds("Grass and sky have 4/@, trees and cow have @, so that", union, iou(guess, truth, COW))
    mean = float(np.mean([iou(guess, truth, k) for k in range(4)]))
    holds("the mean IoU is @.", mean)
    assert mean > right / truth.size
    assert not set(SLABS["train"]) & set(SLABS["val"])
    holds("in problem set 4")
    return say


class TestPage(EveryChapter):
    chapter = CHAPTER


# ---- what is printed, and what the words say about it ---------------------------------------------------


def test_the_table_of_ious_is_right(meadows, by_colour, blocky):
    _, targets = meadows
    predictions = {
        "never a cow": np.where(targets == COW, GRASS, targets),
        "colour alone": by_colour,
        "blocks of 8": blocky,
    }
    printed = "\n".join(CHAPTER.run.printed)
    for name, prediction in predictions.items():
        (row,) = re.findall(rf"^{name} +(.*)$", printed, re.M)
        ious = [iou(prediction, targets, k) for k in range(4)]
        right = [(prediction == targets).mean(), *ious, np.mean(ious)]
        assert [float(text) for text in row.split()] == [round(value, 2) for value in right], name


def test_the_f1_of_outlines_is_right(meadows, blocky):
    (table,) = [text for text in CHAPTER.run.printed if re.match(r"trees +0", text)]
    shown = [float(text) for text in re.findall(r"\d\.\d\d", table)]
    assert shown == [round(boundary_f1(blocky, meadows[1], k, 1), 2) for k in range(4)]


def test_noise_makes_brightness_a_bad_sign_of_tissue():
    text = next(text for text in CHAPTER.run.printed if text.startswith("as averaged"))
    clean, noisy = (float(value) for value in re.findall(r"\d\.\d\d", text))
    assert clean > 0.85 and noisy < 0.6


def test_on_the_brighter_half_of_the_slice_more_grey_is_called_white():
    names = CHAPTER.run.names
    scan, tissue = names["scan"][0], names["tissue"]
    called_white = names["scan_scores"].argmax(0) == 3
    upper, lower = slice(0, 80), slice(80, 160)
    assert scan[upper][tissue[upper] == 3].mean() > scan[lower][tissue[lower] == 3].mean() + 0.03
    shares = [called_white[half][tissue[half] == 2].float().mean() for half in (upper, lower)]
    assert shares[0] > 2 * shares[1]


def test_the_network_beats_colour_and_errs_at_outlines(meadows, by_colour):
    images, targets = meadows
    classes = predict(CHAPTER.run.names["net"], torch.from_numpy(images)).argmax(1).cpu().numpy()
    assert iou(classes, targets, COW) > iou(by_colour, targets, COW) + 0.15
    colour = np.array([iou(by_colour, targets, k) for k in range(4)])
    gains = [iou(classes, targets, k) - colour[k] for k in range(4)]
    assert np.argmax(gains) == COW == colour.argmin()  # "gains most where colour is worst"
    wrong = classes[21] != targets[21]
    near = distance_transform_edt(~outlines(targets[21])) <= 2
    assert near[wrong].mean() > 0.5 > near.mean()
    assert (classes[21] == COW)[targets[21] == COW].mean() > 0.7  # "the cow has become one piece"


# ---- figures, widgets, links ----------------------------------------------------------------------------


def test_figures_and_widgets_are_in_their_places():
    shown = CHAPTER.run.shown
    assert [x.name for x in shown if isinstance(x, PixelInspector)] == ["colour", "inspector", "brain"]
    assert len([x for x in shown if isinstance(x, Picture)]) == 3
    assert all(len(x.alt) > 60 for x in shown if isinstance(x, Picture))


def test_the_licence_of_the_brain_is_printed():
    assert any("Permission to use, copy, modify" in text for text in CHAPTER.run.printed)


def test_the_labels_that_other_pages_link_to_exist():
    assert {
        "problem",
        "problem-tensors",
        "problem-iou",
        "problem-boundary",
        "problem-driving",
    } <= CHAPTER.labels


def test_pytorch_takes_the_device():
    assert "device=device" in CHAPTER.body and "best_device()" in CHAPTER.body
