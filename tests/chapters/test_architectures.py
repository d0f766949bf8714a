"""Chapter 2 holds to the facts: every number in it is computed here a second time.

`statements` works as in `test_transposed_convolution.py`. What depends on training or on a clock stands
in the chapter's figures and outputs, not in its prose, and is held here by an inequality.
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from experiments.context import SETTINGS
from experiments.recipes import RECIPES
from pixelwise.data import load
from pixelwise.figures import Picture
from pixelwise.results import results
from pixelwise.unet import FlatNet, UNet
from pixelwise.widgets import ReceptiveField
from pixelwise.widgets.receptive_field import MOST_LAYERS

from .every_chapter import EveryChapter
from .reading import Chapter, statement

CHAPTER = Chapter("architectures")
COW = 2


def field(net: nn.Module, channels: int = 1, side: int = 96) -> int:
    """The widest that an output of the middle sees: gradients, with positive weights and average pooling."""
    if isinstance(net, UNet):
        net.pool = nn.AvgPool2d(2)
    for module in net.modules():
        for weight in module.parameters(recurse=False):
            weight.data.abs_().add_(0.01)
    net.double().eval()
    image = torch.ones(1, channels, side, side, dtype=torch.float64, requires_grad=True)
    scores = net(image)
    widths = []
    for cell in range(scores.shape[-1] // 2 - 4, scores.shape[-1] // 2 + 4):
        (gradient,) = torch.autograd.grad(scores[0, 0, cell, cell], image, retain_graph=True)
        seen = gradient[0].abs().sum((0, 1)).nonzero().flatten()
        widths.append(int(seen.max() - seen.min()) + 1)
    return max(widths)


def plain(*words: str | int) -> nn.Sequential:
    """Convolutions of a width, or "pool": average pooling, through which every gradient passes."""
    return nn.Sequential(
        *[nn.AvgPool2d(2) if w == "pool" else nn.Conv2d(1, 1, w, padding=w // 2, bias=False) for w in words]
    )


def weights(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def products(net: nn.Sequential, side: int) -> int:
    """Multiply-adds from the sizes of outputs and weights."""
    x, total = torch.empty(1, 3, side, side, device="meta"), 0
    for layer in net:
        y = layer(x)
        if isinstance(layer, nn.ConvTranspose2d):
            total += x.numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Conv2d):
            total += y.numel() * layer.weight[0].numel()
        x = y
    return total


def flat(layers: int, channels: int = 64) -> nn.Sequential:
    net = FlatNet(3, 4, channels, layers).to("meta")
    return nn.Sequential(*net.convolutions, net.head)


@pytest.fixture(scope="module")
def ceilings() -> dict[tuple[int, str], float]:
    """IoU of cow for class maps known in blocks, by NumPy; interpolation by a matrix for each axis."""
    targets = load("scenes", split="val", n=64).tensors()[1].numpy()
    found = {}
    for factor in (2, 4, 8):
        cells = 64 // factor
        shares = np.stack([(targets == k).astype(np.float32) for k in range(4)], axis=1)
        coarse = shares.reshape(64, 4, cells, factor, cells, factor).mean((3, 5))
        at = (np.arange(64) + 0.5) / factor - 0.5
        low = np.clip(np.floor(at), 0, cells - 1).astype(int)
        high, t = np.minimum(low + 1, cells - 1), np.clip(at, 0, None) - np.clip(np.floor(at), 0, None)
        bilinear = np.zeros((64, cells))
        np.add.at(bilinear, (np.arange(64), low), 1 - t)
        np.add.at(bilinear, (np.arange(64), high), t)
        repeat = np.eye(cells).repeat(factor, axis=0)
        for mode, matrix in (("repeated", repeat), ("interpolated", bilinear)):
            large = (matrix @ coarse @ matrix.T).astype(np.float32).argmax(1)
            both = ((large == COW) & (targets == COW)).sum()
            found[factor, mode] = both / ((large == COW) | (targets == COW)).sum()
    return found


@pytest.fixture(scope="module")
def statements(ceilings) -> list[str]:
    say = []

    def holds(pattern: str, *values) -> None:
        say.append(statement(pattern, *values))

    # the question
    x = torch.zeros(1, 1, 512, 512)
    assert F.conv2d(x, torch.zeros(1, 1, 3, 3), padding=1).shape == x.shape
    holds("An image of 512 × 512 pixels goes in, scores for 512 × 512 pixels have to come out.")
    holds("each output is a weighted sum of the 3 × 3 inputs around it")
    holds("negative numbers are set to 0, by a *ReLU*")
    assert nn.ReLU()(torch.tensor([-1.0, 2.0])).tolist() == [0, 2]
    holds("(Chapter 3 does it with numbers.)")
    one = field(plain(3))
    holds("each output of the first convolution has seen @ × @ pixels. Each output of the second", one, one)
    holds("has seen 3 × 3 outputs of the first. Below, a scene of 64 × 64,")
    holds("the costs in the lower table are for 512 × 512.")
    target = load("scenes", split="val", n=64)[21][1]
    rows, columns = (target == COW).nonzero().T
    cow = (int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1)
    holds("has seen the whole cow, @ × @ pixels? Add", *cow)
    rings = [field(plain(*[3] * n)) for n in (1, 2, 3, 4)]
    assert {b - a for a, b in pairwise(rings)} == {2} and rings[0] == 2 * 1 + 1
    holds("Each convolution adds a ring of one pixel, so that $L$ of them see $(2L + 1) \\times (2L + 1)$.")
    needed = (cow[1] - 1) // 2
    holds("For @ columns that takes @ layers, one more than the widget has room for.", cow[1], needed)
    assert needed == MOST_LAYERS + 1
    opened = next(x for x in CHAPTER.run.shown if isinstance(x, ReceptiveField))
    assert opened.cell == [int(axis.min() + axis.max()) // 2 for axis in (rows, columns)]
    assert field(plain(*[3] * needed)) == cow[1]

    # context
    holds("## Full resolution and its two problems")
    holds("In chapter 1 the white pixels of the cow")
    holds("If an output sees 3 × 3 pixels, all white")
    holds("We train three networks on the same meadows, reduced to 32 × 32 so that it takes seconds.")
    sides = [
        field(FlatNet(3, 4, 2, layers=1), 3),
        field(FlatNet(3, 4, 2, layers=4), 3),
        field(UNet(3, 4, base_channels=2, depth=2, padding=1, copy_paths=False), 3),
    ]
    assert sides == list(CHAPTER.run.names["networks"])
    holds("Two keep full resolution and see @ × @ and @ × @.", sides[0], sides[0], sides[1], sides[1])
    holds(
        "The third is the kind of network that this chapter arrives at, and sees @ × @:", sides[2], sides[2]
    )
    holds("three predicted class maps and the true one. The network that sees 3 by 3 finds")
    holds("The one that sees 9 by 9 finds pieces. The one that sees 44 by 44 finds both cows")
    holds("Three networks, trained on the same 256 scenes")
    holds("The sky does well in all three:")
    sizes = [weights(net) for net in CHAPTER.run.names["networks"].values()]
    holds("The three do not only look differently far. They have @, @ and @ weights", *sizes)

    # cost
    layer = nn.Conv2d(64, 64, 3, padding=1, bias=False, device="meta")
    y = layer(torch.empty(1, 64, 512, 512, device="meta"))
    cost = y.numel() * layer.weight[0].numel()
    assert cost == 512 * 512 * 9 * 64 * 64 and f"{cost:,}" in "".join(CHAPTER.run.printed)
    holds("For 64 channels in and out at 512 × 512 this is 512 · 512 · @ · 64 · 64.", 3**2)
    assert 9.5e9 < cost < 1e10
    holds("Each output number is a sum of $k^2$ products for each of the $C$ input channels.")
    holds("m \\cdot l \\cdot \\krn{k^2} \\cdot C \\cdot C'.$$")
    holds("costs $m \\cdot l \\cdot k^2 \\cdot C \\cdot C'$ multiply-adds")
    holds("Nearly ten billion, for *one* layer")
    deep = next(n for n in range(1, 40) if 2 * n + 1 >= sides[2])
    holds("A view of @ × @ pixels takes @ such layers.", sides[2], sides[2], deep)
    mebibytes = y.numel() * 4 / 2**20
    holds("here $512 \\cdot 512 \\cdot 64$ numbers of 4 bytes, @ MiB a layer and image.", mebibytes)
    holds("these are the 3 channels of the image and the 16 channels of each of the 4 layers.")
    holds("twice the side takes four times the memory. Does it take four times the time?")
    holds("Seldom exactly 4. Numbers also")
    holds("can take less than 4.")

    # down
    holds("puts one number in place of each block of 2 × 2.")
    x, pooled = CHAPTER.run.names["x"], CHAPTER.run.names["pooled"]
    assert x[0].argmax() == 1 and x[0, 1] == 2 and pooled[0, 0] == 2
    moved = F.max_pool2d(x.roll(1, 1)[None, None], 2)[0, 0]
    assert moved[0].tolist() == [1, 2] and x.roll(1, 1)[0, 2] == 2
    holds("Think of the @ in row 0.", pooled[0, 0])
    assert x[3, 2] == 2 == x.roll(1, 1)[3, 3] and pooled[1, 1] == moved[1, 1] == 2
    holds("The 2 of row 0 has left its block and moves a whole cell; the 2 of row 3 has stayed in its block")
    holds("reaches from its first cell to its last, $k - 1$ jumps further than a single cell")
    stacks = {
        (3, 3, "pool", 3, 3, "pool", 3, 3): [3, 5, 6, 10, 14, 16, 24, 32],
        (3, 3, 3, 3, 3, 3): [3, 5, 7, 9, 11, 13],
        (3, 3, 3, 3, 3, 3, "pool", "pool"): [3, 5, 7, 9, 11, 13, 14, 16],
    }
    for stack, fields in stacks.items():
        r = j = 1
        for depth, word in enumerate(stack, 1):
            kernel, stride = (2, 2) if word == "pool" else (word, 1)
            r, j = r + (kernel - 1) * j, j * stride
            assert r == fields[depth - 1] == field(plain(*stack[:depth])), stack[:depth]
    holds("r \\leftarrow r + (\\krn{k} - 1)\\,j, \\qquad j \\leftarrow j \\cdot s,")
    holds("\\text{starting from } r = j = 1.")
    holds("Without a stride $j$ stays 1, and each 3 × 3 kernel adds @: the ring", 3 - 1)
    holds("After the first halving each adds @, after the second @.", 10 - 6, 24 - 16)
    holds("The kernel of pooling is 2, its stride 2.")
    pyramid, same = stacks[3, 3, "pool", 3, 3, "pool", 3, 3], stacks[3, 3, 3, 3, 3, 3]
    holds("1 + 2 + 2 = @, pooling makes it @, the next two convolutions @ and @,", *pyramid[1:5])
    holds("pooling @, and the last two @ and @.", *pyramid[5:])
    holds("Six convolutions see @ × @; without pooling they see @ × @.", *pyramid[-1:] * 2, *same[-1:] * 2)
    assert [int(n) for text in CHAPTER.run.printed for n in re.findall(r"^(\d\d)$", text, re.M)] == [13, 32]
    holds("That an output *may* depend on @ × @ pixels can be checked", *pyramid[-1:] * 2)
    small, large = (nn.Conv2d(c, c, 3, padding=1, bias=False, device="meta") for c in (8, 16))
    equal = [
        layer(torch.empty(1, layer.in_channels, n, n, device="meta")).numel() * layer.weight[0].numel()
        for layer, n in ((small, 32), (large, 16), (large, 32))
    ]
    assert equal[0] == equal[1] and equal[2] == 4 * equal[0]
    holds("which cost four times as much at equal size")
    kept = [n * n * channels for n, channels in ((32, 8), (16, 16))]
    assert kept[1] * 2 == kept[0]  # "half its memory"

    # up
    holds("After three halvings, 64 × 64 pixels have become @ × @ cells.", 64 // 2**3, 64 // 2**3)
    holds("We owe @.", 64 * 64)
    holds(
        "With blocks of 8 the oracle gets @ and @.",
        float(ceilings[8, "repeated"]),
        float(ceilings[8, "interpolated"]),
    )
    bars = len(CHAPTER.run.names["sizes"])
    assert bars == 19 and len({side for _, side in CHAPTER.run.names["sizes"]}) == 4
    holds("through a waist of @, to the scores", 512 // 2**3)
    holds("become lower in three steps to an eighth of the height, and grow in three steps")
    assert 512 // 2**3 == min(side for _, side in CHAPTER.run.names["sizes"]) == 512 // 8
    words = CHAPTER.run.names["HOURGLASS"].split()
    holds("The hourglass below has @ layers and sees @ × @: on", len(words), sides[2], sides[2])
    r = j = 1
    on_the_way_up = []
    for word in words:
        if word == "up":
            j //= 2
        else:
            kernel, stride = (2, 2) if word == "pool" else (3, 1)
            r, j = r + (kernel - 1) * j, j * stride
        on_the_way_up += [r] if "up" in words[: len(on_the_way_up) + 1] else [None]
    grown = [r for r in on_the_way_up if r is not None]
    assert [grown[0], grown[-1]] == [32, sides[2]]
    holds("and @ grows to @, @, @ and @.", grown[0], *[r for a, r in pairwise(grown) if r > a])
    holds("A flat network of 3 × 3 convolutions needs @ layers for that.", deep)
    narrow = CHAPTER.run.names["hourglass"]
    ratios = products(flat(deep), 512) / products(narrow, 512), weights(flat(deep)) / weights(narrow)
    assert round(ratios[0]) == 5 and round(ratios[1]) == 2
    holds("Five times as many multiply-adds, twice the parameters, three times the memory.")
    holds("Each halving leaves a quarter")
    holds("chapter 4 turns it round")
    holds("Chapter 5 adds the paths")

    # depth
    runs = results("context")

    def ious(data: str, depth: int) -> list[float]:
        values = runs.values("mean_iou", data=data, depth=depth)
        assert len(values) == 5
        return values

    views = [runs.values("receptive_field", depth=depth)[0] for depth in (1, 2)]
    for data in ("small_camvid", "grey_scenes"):
        assert max(ious(data, 1)) < min(ious(data, 2))
        steps = [np.mean(ious(data, k + 1)) - np.mean(ious(data, k)) for k in (1, 2, 3)]
        assert steps[0] == max(steps) and steps[2] < np.std(ious(data, 4), ddof=1)
    means = [np.mean(ious("brain", depth)) for depth in (1, 2, 3, 4)]
    assert means[0] == max(means)
    steps_of = sorted({setting["steps"] for setting in SETTINGS})
    assert {s["steps"] for s in SETTINGS if s["data"] != "small_camvid"} == {steps_of[0]}
    holds("with one to four of them, five times each, on pictures of three kinds:")
    holds("at @ × @ pixels; and slices", *dict(RECIPES["small_camvid"].parts["train"].settings)["size"])
    holds("hourglasses with the paths that chapter 5 adds.")
    holds("Training took @ steps, on the streets @.)", *steps_of)
    holds("On the streets and on the meadows the step from @ to @ pixels brings most", *views)
    sizes = [runs.values("parameters", data="grey_scenes", depth=depth)[0] for depth in (1, 2, 3, 4)]
    assert all(round(b / a) == 4 for a, b in pairwise(sizes[1:])) and 4 < sizes[1] / sizes[0] < 5
    holds("Each halving also brings about four times as many weights")

    # summary and questions
    holds("A stack of $L$ convolutions of 3 × 3 sees $(2L + 1) \\times (2L + 1)$ pixels.")
    holds("twice the side costs four times as many, and four times the memory")
    holds("- $r \\leftarrow r + (k - 1)\\,j$ and")
    assert field(plain(*[3] * 8)) == field(plain(*[5] * 4)) == 17
    holds("a network of 8 convolutions of 3 × 3 see, and what do 4 of 5 × 5 see? Compare the weights for 64")
    holds("Both see @ × @. 8 · 9 · 64 · 64 = @ weights", 17, 17, 8 * 9 * 64 * 64)
    holds("against 4 · 25 · 64 · 64 = @.", 4 * 25 * 64 * 64)
    holds("six convolutions, then two poolings of 2 × 2. What")
    late = stacks[3, 3, 3, 3, 3, 3, "pool", "pool"]
    holds("@ after the convolutions, then @ and @.", *late[5:])
    strided, pooling = nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False), nn.AvgPool2d(2)
    assert field(strided) - 1 == 2 * (field(pooling) - 1)
    image = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    assert strided(image).shape == pooling(image).shape
    holds("A pooling is replaced by a convolution with kernel 3, stride 2 and padding 1.")
    holds("$r$ grows by $@j$ instead of $j$.", field(strided) - 1)
    holds("the convolution has $@\\,C\\,C'$ weights", 3**2)
    inputs, outputs = 64 * 64 * 3, 64 * 64 * 4
    holds("From 64 × 64 pixels with 3 channels to 64 × 64 positions with 4 scores")
    holds("it has @ · @ = @ weights", inputs, outputs, inputs * outputs)
    left = FlatNet(3, 4, 2, layers=22, padding=0).output_size(512)[0]
    holds("Without any padding, 22 convolutions of 3 × 3 make a 512 × 512 image smaller.")
    holds("512 − 2 · 22 = @ a side.", left)
    holds("In problem set 1 you compute")
    return say


class TestPage(EveryChapter):
    chapter = CHAPTER


# ---- what is printed and drawn, and what the words say about it -----------------------------------------


def test_the_cow_needs_the_view_and_the_sky_does_not():
    ious = CHAPTER.run.names["ious"]
    assert ious[44][COW] > ious[3][COW] + 0.15
    gains = ious[44] - ious[3]
    assert gains[1] < gains[COW] and ious[3][1] > 0.6


def test_the_table_of_ceilings_is_right(ceilings):
    (table,) = [text for text in CHAPTER.run.printed if text.startswith("IoU of cow")]
    for factor in (2, 4, 8):
        (row,) = re.findall(rf"blocks of {factor} +(\S+) +(\S+)", table)
        assert [float(v) for v in row] == pytest.approx(
            [ceilings[factor, mode] for mode in ("repeated", "interpolated")], abs=0.0051
        )


def test_what_autograd_keeps_is_what_was_counted():
    rows = re.findall(r"^(\d+) (\d+) (\d+)$", "\n".join(CHAPTER.run.printed), re.M)
    assert [int(side) for side, *_ in rows] == [64, 128]
    for side, kept, counted in rows:
        assert int(kept) == int(counted) == 4 * int(side) ** 2 * (3 + 4 * 16)


def test_the_table_of_costs_is_right():
    (table,) = [text for text in CHAPTER.run.printed if "billion at" in text]
    names = CHAPTER.run.names
    for name, net in {"hourglass": names["hourglass"], "flat": flat(22)}.items():
        (row,) = re.findall(rf"^{name} +(\d+) parameters +(\S+) MiB .* (\S+) billion", table, re.M)
        assert int(row[0]) == weights(net)
        assert float(row[2]) == round(products(net, 512) / 1e9, 1)
    memory = [float(text) for text in re.findall(r"(\S+) MiB", table)]
    assert round(memory[1] / memory[0]) == 3


def test_the_table_of_depths_is_that_of_the_runs():
    (table,) = [text for text in CHAPTER.run.printed if text.startswith("halvings")]
    runs = results("context")
    for row, depth in zip(table.splitlines()[1:], (1, 2, 3, 4), strict=True):
        want = [
            runs.mean("mean_iou", data=data, depth=depth) for data in ("small_camvid", "grey_scenes", "brain")
        ]
        assert [float(text) for text in re.findall(r"(\S+) ±", row)] == [round(value, 2) for value in want]


# ---- figures, widgets, links ----------------------------------------------------------------------------


def test_figures_and_widgets_are_in_their_places():
    shown = CHAPTER.run.shown
    names = [x.name for x in shown if isinstance(x, ReceptiveField)]
    assert names == ["receptive-field", "down", "hourglass"]
    assert len([x for x in shown if isinstance(x, Picture)]) == 2


def test_the_labels_that_other_pages_link_to_exist():
    assert {"architectures", "architectures-receptive-field", "architectures-down"} <= CHAPTER.labels


def test_no_code_for_the_receptive_field_of_a_stack_is_given_away():
    """Students write it in problem set 1: the page has the recurrence and measures by autograd."""
    code = "\n".join(code for code, _ in CHAPTER.cells)
    assert "jump" not in code and "(kernel - 1)" not in code


def test_pytorch_takes_the_device():
    assert "device=device" in CHAPTER.body and ".to(device)" in CHAPTER.body
