"""Chapter 5 holds to the facts: every number in it is computed here a second time.

Sizes come from a pass through plain PyTorch modules, counts from their weights, what is seen from its own
arithmetic; `statements` works as in `test_transposed_convolution`.
"""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from experiments.recipes import RECIPES
from pixelwise import UNet
from pixelwise.device import best_device
from pixelwise.results import results
from pixelwise.widgets import UNetExplorer

from .every_chapter import EveryChapter
from .reading import Chapter, statement

CHAPTER = Chapter("unet")


def meta(*arguments, **settings) -> UNet:
    with torch.device("meta"):
        return UNet(*arguments, **settings)


def sizes(n: int, depth: int = 4) -> tuple[list[int], dict[int, int], dict[int, int]]:
    """The valid U-Net by hand: rows at the end of each step of the build; for each level, the rows that are
    copied, and how many of them the crop takes from each end."""
    ends, copied, crops = [n], {}, {}
    for level in range(1, depth + 1):
        copied[level] = n = n - 4
        ends.append(n)
        n //= 2
        if level == 1:
            ends.append(n)
    ends.append(n := n - 4)
    for level in range(depth, 0, -1):
        n = 2 * n
        crops[level] = (copied[level] - n) // 2
        ends += [n, n] if level == depth else []
        ends.append(n := n - 4)
    return [*ends, n], copied, crops


def breaking(n: int) -> list[int]:
    """What the poolings meet, down to the first odd number."""
    met = []
    while not met or met[-1] % 2 == 0:
        n -= 4
        met.append(n)
        n //= 2
    return met


def receptive_field(*operations: str) -> tuple[int, int]:
    """Size and step on the way down, by the usual rule."""
    size, step = 1, 1
    for operation in operations:
        size += (2 if operation == "convolution" else 1) * step
        step *= 2 if operation == "pooling" else 1
    return size, step


@pytest.fixture(scope="module")
def paper() -> UNet:
    return meta(1, 2)


@pytest.fixture(scope="module")
def statements(paper, call_js) -> list[str]:
    say = []

    def holds(pattern: str, *values) -> None:
        say.append(statement(pattern, *values))

    build, copied, crops = sizes(572)
    assert len(build) == 14
    out = build[-1]
    assert paper.output_size(572) == (out, out)
    bottom = build[6]
    level = ["convolution", "convolution", "pooling"]
    seen, _ = receptive_field(*4 * level, "convolution", "convolution")
    parts = paper.parameter_count()
    total = parts["total"]

    # the question
    holds("each number has looked at @ × @ pixels", seen, seen)
    holds("There are only @ × @ places left to say so.", bottom, bottom)
    assert poolings(paper) == 4
    holds("four poolings have each kept one number of four")
    holds("The network has @ million parameters.", total // 10**6)
    largest = max(p.numel() for p in paper.parameters()) + 1024
    assert largest == sum(p.numel() for p in paper.bottom[2].parameters())
    assert 0.28 < largest / total < 1 / 3
    holds("The second layer of the bottom has @, almost a third of all.", largest)
    holds("Levels count from 1 at the top; below level @ lies the *bottom*.", poolings(paper))

    # the hourglass
    holds("also hands up which of the four numbers each pooling kept")
    holds("under whichever of their four names; the U-Net's paper")
    holds("Make @ pictures of 16 × 16 pixels.", 16 * 16)
    holds("Pool them four times.")
    assert CHAPTER.run.names["pooled"].unique(dim=0).shape == (1, 1, 1, 1)
    assert 1024 * bottom**2 > 572**2
    holds(
        "The paper's bottom even has more numbers than the image has pixels, 1024 · @ · @ against 572 · 572",
        bottom,
        bottom,
    )

    # the copy paths
    holds("each at the resolution of its level, at level 1 that of the image")
    holds("At each of the @ × @ places", build[7], build[7])

    # thirteen steps
    assert len(build) - 1 == 13
    holds("## Thirteen steps")
    holds("What is left of 572 rows after the first two?")
    holds("Before step 6, say how large")
    channels = [1, 64, 64, 128, 256, 512, 1024, 512, "512 + 512", 512, 256, 128, 64, 2]
    added = [
        "the image",
        "two 3 × 3 convolutions, each with a ReLU",
        "max pooling 2 × 2",
        "two convolutions: level 2",
        "the same once more: level 3",
        "the same once more: level 4",
        "the same once more: the bottom",
        "up-convolution 2 × 2, stride 2",
        "copy and crop from level 4",
        "two convolutions: level 4 is done",
        "up-convolution, copy, two convolutions: level 3",
        "the same once more: level 2",
        "the same once more: level 1",
        "a 1 × 1 convolution: the scores of two classes",
    ]
    for step, (what, many, n) in enumerate(zip(added, channels, build, strict=True)):
        holds(f"| @ | {what} | @ | @ |", step, many, n)
    holds("All these sizes and channels are those of figure 1 of the paper. Three rules make them")
    holds("A 3 × 3 convolution without padding, a *valid* one, takes one pixel off")

    # what one score sees
    _, step = receptive_field(*3 * level)
    (net,) = call_js("core/unet_shapes.js", [["describeUNet", EXPLORED, 572]])
    holds("because at level 4 a step to the side is a step of @ pixels", step)
    assert net["layers"][14]["receptiveField"] == seen
    ends = seen_by_scores(572)
    assert len(ends) == out
    widths = [last - first + 1 for first, last in ends]
    most, least = max(widths), min(widths)
    assert set(widths) == {most, least} and net["layers"][-1]["receptiveField"] == most
    holds(
        "At the end of the bottom it is @. On the way up it still grows, to at most @ at the scores.",
        seen,
        most,
    )
    by_rule = seen + sum(2 * 2 * jump for jump in (8, 4, 2, 1))
    assert by_rule == sum(widths[:16]) / 16
    holds("some see @, some @. The rule of chapter 2 gives @, their mean.", most, least, by_rule)
    sides = [
        side
        for position, (first, last) in enumerate(ends, start=paper.margin)
        for side in (position - first, last - position)
    ]
    holds("is decided by @ to @ pixels in every direction", min(sides), max(sides))

    # legal sizes
    legal = paper.legal_input_sizes(1, 700)
    assert 512 not in legal and 570 not in legal
    holds("Is 512 a legal size for this network? And 570?")
    met = breaking(512)
    holds(
        "At 512 rows, the second pooling meets @ and makes @ of them, "
        "and after two convolutions the third meets @.",
        met[1],
        met[1] // 2,
        met[2],
    )
    assert len(met) == 3
    met = breaking(570)
    assert len(met) == 2
    holds("At 570 rows, the second pooling meets @.", met[1])
    # an odd map of level 4: its centre against the centre of what the pooling keeps
    n = 9
    off = (n - 1) / 2 - torch.arange(n - 1.0).mean().item()
    assert off == 0.5
    holds("At level 4 these are @ pixels of the image.", off * step)
    holds("that was $2b$ before the pooling and $2b + 4$ before the two convolutions. Do this four times")
    b = 32
    value = b
    for _ in range(4):
        value = 2 * value + 4
    slope = [s2 - s1 for s1, s2 in pairwise(legal)]
    assert set(slope) == {16} and value == 572
    holds("$$2\\,(2\\,(2\\,(2b + 4) + 4) + 4) + 4 = @\\,b + @.$$", slope[0], value - slope[0] * b)
    holds("The legal sizes lie @ apart, and 572 is @ · @ + @.", 16, 16, b, 60)
    holds(
        "At the other end @ rows fewer come out, so the smallest is @, which has @ × @ scores; "
        "the next section derives the @.",
        572 - out,
        legal[0],
        *paper.output_size(legal[0]),
        572 - out,
    )

    # the crop
    beside = copied[1] - 2 * crops[1]
    by_level = list(crops.values())
    assert list(crops) == [4, 3, 2, 1]
    assert beside == paper.describe(572).layers[-4].height
    holds(
        "The map that is copied at level 1 is @ wide. The map that comes up beside it is @ wide.",
        copied[1],
        beside,
    )
    holds("the copy loses @ rows and columns at every side", crops[1])
    holds("The crops are @, @, @ and @, from level 4 up to level 1.", *by_level)
    holds("What would a level 0 need?")
    assert all(2 * (2 + c + 2) == up for c, up in pairwise(by_level))
    holds("$$c' = 2\\,(2 + c + 2) = 2\\,c + @.$$", 2 * 4)
    holds("At level 4 only the bottom's two convolutions count, which makes 2 · 2 = @.", crops[4])
    holds("Then come @, @ and @, and a level 0 would need @.", *by_level[1:], 2 * crops[1] + 8)
    assert paper.margin == 2 + crops[1] + 2 == (572 - out) / 2
    holds(
        "The scores stand before that last doubling: they lack 2 + @ + 2 = @ at each side, @ rows in all.",
        crops[1],
        paper.margin,
        572 - out,
    )
    holds("Give every row of level 4 its own number as its content, 0 to @,", copied[4] - 1)
    first = CHAPTER.run.names["cropped"][:2].int().tolist()
    holds("stands for rows @ and @, and rows @ and @ are where the crop begins", *first * 2)
    holds(
        "everything is shifted by @ rows at this level, which are @ rows of the image",
        first[0],
        first[0] * step,
    )
    holds("Cut the top left corner instead, `rows[:@]`, and everything", beside4 := copied[4] - 2 * crops[4])
    assert beside4 == build[8]
    small = UNet(1, 2, base_channels=1, depth=2)
    holds("whose output lacks @ rows at every side", small.margin)
    assert 24 % small.multiple == 0
    holds("The second tile starts 24 rows further down, a multiple of @:", small.multiple)

    # padding
    holds("put a ring of zeros around every map: `padding=1`")
    padded = meta(1, 2, padding=1)
    assert padded.legal_input_sizes(1, 100) == list(range(16, 101, 16))
    holds("with four poolings the legal ones are the multiples of @", padded.multiple)
    edge, reached, pooled = reach_of_zeros()
    assert edge == padded.edge
    holds("scores up to @ pixels from the border depend on such zeros", edge)
    assert [rows % 2 for rows in reached] == [0, 1, 0, 0]
    assert edge - paper.margin == 4 * (pooled[1] - reached[1] / 2) == 2  # level 3: a row is 4 pixels
    holds("That is two more than the @ above: behind the convolutions of level 2", paper.margin)
    holds(
        "behind the convolutions of level 2 the zeros have come @ rows in, and the pooling makes @ of them, "
        "not one and a half.",
        reached[1],
        pooled[1],
    )
    assert reached[1] / 2 == 1.5
    inner = 512 - 2 * edge
    holds("At 512 × 512 only @ × @ scores are free of zeros, about two in five.", inner, inner)
    holds("only if each gives up its outer @ scores", edge)
    assert abs((inner / 512) ** 2 - 2 / 5) < 0.01

    # the head
    holds("Before the last layer, each position holds @ numbers.", paper.head.in_channels)
    holds("## The 1 × 1 head")
    holds("It is the special case of a 1 × 1 kernel with stride 1: at every position the same matrix")
    holds("for each class, times the @ numbers", paper.head.in_channels)
    weights, biases = (p.numel() for p in paper.head.parameters())
    holds(
        "So @ · @ weights and @ biases decide about the class, @ parameters of @.",
        64,
        2,
        biases,
        weights + biases,
        total,
    )

    # parameters
    assert 0.4 < parts["bottom"] / total < 0.5
    holds("for one image of 572 × 572")
    holds("Level 5 is the bottom")
    holds("so a convolution has four times the parameters")
    holds("The bottom has two convolutions where the levels above have four.")
    trained = UNet(3, 4, base_channels=8, depth=3, padding=1, norm="batch").parameter_count()["total"]
    scenes = RECIPES["scenes"]
    assert {recipe.base_channels for recipe in RECIPES.values()} == {8}
    assert sum(recipe.depth == 3 for recipe in RECIPES.values()) > len(RECIPES) / 2
    holds(
        "Most networks that this course trains on two processor cores start with @ channels and have "
        "depth @. For the meadows, with @ channels and @ classes, that makes @ parameters with "
        "{term}`batch norm`.",
        scenes.base_channels,
        scenes.depth,
        scenes.in_channels,
        scenes.num_classes,
        trained,
    )

    shares = [
        half / full for half, full in zip(costs(meta(1, 2, base_channels=32)), costs(paper), strict=True)
    ]
    assert shares == pytest.approx([1 / 4, 1 / 4, 1 / 2], abs=0.01)
    holds(
        "Halve the *base channels*, those of the top level, and all three shrink: the numbers to keep "
        "to about a half, the parameters and multiplications to about a quarter."
    )

    # code
    holds("The whole network is made of three blocks.")

    # the ablation
    hourglass = meta(1, 2, copy_paths=False).parameter_count()["total"]
    assert 0.09 < 1 - hourglass / total < 0.11
    table = results("copy_paths")
    data = {row["data"] for row in table.rows}
    assert len(data) == 3
    for name, channels, classes in [("scenes", 3, 4), ("brain", 1, 4), ("isbi2012", 1, 2)]:
        small = UNet(channels, classes, base_channels=8, depth=3, padding=1, norm="batch")
        assert table.mean("parameters", data=name, copy_paths=True) == small.parameter_count()["total"]
    holds("We trained both, with 8 channels and depth 3, on three sets of images")
    assert {(row["data"] == "isbi2012", row["steps"]) for row in table.rows} == {(False, 250), (True, 120)}
    assert all(len(table.where(data=name, copy_paths=c).rows) == 5 for name in data for c in (True, False))
    holds("here within 2 pixels. The table shows means over five seeds, with standard deviations, after 250")
    holds("after 250 steps, and 120 on the tissue:")
    lost = {
        (name, figure): table.mean(figure, data=name, copy_paths=True)
        - table.mean(figure, data=name, copy_paths=False)
        for name in data
        for figure in ("mean_iou", "boundary_f1")
    }
    for (name, figure), difference in lost.items():
        deviations = difference / table.deviation(figure, data=name, copy_paths=False)
        assert 0 < deviations < 1 if name == "isbi2012" else deviations > 2.5
    for figure in ("mean_iou", "boundary_f1"):
        assert min(data, key=lambda name, figure=figure: lost[name, figure]) == "isbi2012"
    spreads = {name: table.deviation("mean_iou", data=name, copy_paths=False) for name in data}
    assert max(spreads, key=spreads.get) == "isbi2012"
    holds("and in area the five hourglasses lie furthest apart")
    more = {}
    for name in data:
        (area_with, area_without), (outline_with, outline_without) = (
            [
                [
                    row[figure]
                    for row in sorted(table.where(data=name, copy_paths=c).rows, key=lambda r: r["seed"])
                ]
                for c in (True, False)
            ]
            for figure in ("mean_iou", "boundary_f1")
        )
        seeds = zip(area_with, area_without, outline_with, outline_without, strict=True)
        assert all((c - d) - (a - b) > 0 for a, b, c, d in seeds)
        more[name] = lost[name, "boundary_f1"] - lost[name, "mean_iou"]
    assert min(more, key=more.get) == "scenes" and more["scenes"] < 0.02
    holds(
        "On all three, and with each of the five seeds, the outlines lose more than the areas, "
        "on the meadows by little."
    )
    holds("Chapter 7 looks at the single runs")
    holds("; chapter 7 shows what happens")
    for name in data:
        with_, without = (table.mean("parameters", data=name, copy_paths=c) for c in (True, False))
        assert 0.09 < 1 - without / with_ < 0.11

    # summary
    holds("valid: 572 in, @ out. Legal sizes are $@\\,b + @$; with padding, multiples of @.", out, 16, 60, 16)
    holds("keep the size and reach @ pixels in", edge)
    holds("The 1 × 1 head is one matrix")

    # questions
    deep = meta(1, 2, base_channels=1, depth=5, padding=1)
    below, above = deep._nearest(1080)
    holds("A U-Net with padding and depth 5 is to segment photographs of 1080 × 1920.")
    assert deep.multiple == 2**5 and 1920 % deep.multiple == 0
    holds("Multiples of 2⁵ = @. 1920 is one, 1080 is not: it lies between @ and @.", 32, below, above)
    holds("Either crop @ rows, or continue the image by @ rows", 1080 - below, above - 1080)
    three = meta(1, 2, base_channels=1, depth=3)
    smallest, next_one = three.legal_input_sizes()[:2]
    slope = next_one - smallest
    holds("Depth 3, valid convolutions.")
    holds(
        "The legal sizes are $@\\,b + @$. The scores are @ fewer, so the smallest is @, with @ × @ scores.",
        slope,
        2 * (2 * (2 * 0 + 4) + 4) + 4,
        2 * three.margin,
        smallest,
        *three.output_size(smallest),
    )
    assert (smallest - 28) % slope == 0
    holds("The crops are @, @ and @: they depend", *sizes(92, 3)[2].values())
    holds("resizes the copy from @ to @ by interpolation", copied[1], beside)
    holds("shows the whole @ rows in the space of @,", copied[1], beside)
    holds("they are up to @ rows apart", crops[1])
    double = meta(1, 2, base_channels=128).parameter_count()["total"]
    assert 3.9 < double / total < 4
    holds("You double the base channels from 64 to 128.")
    holds("All weights of the bottom become 0, biases too.")
    holds("From level @ upwards the copies bring the image back in.", poolings(paper))
    holds("The largest copy, 64 · @ · @ numbers, waits longest", copied[1], copied[1])
    holds("In problem set 3 you write")
    holds("fit on eight pages")  # 234 to 241 in the proceedings
    holds("which of the four numbers a pooling kept")
    return say


EXPLORED = {
    "in_channels": 1, "num_classes": 2, "base_channels": 64, "depth": 4, "padding": 0, "copy_paths": True,
}  # fmt: skip


def poolings(net: UNet) -> int:
    """How often a pass pools."""
    calls = []
    hook = net.pool.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        net(torch.empty(1, net.in_channels, 572, 572, device="meta"))
    hook.remove()
    return len(calls)


def seen_by_scores(size: int, depth: int = 4) -> list[tuple[int, int]]:
    """The first and the last row of the image that each row of the valid network's scores depends on."""
    Rows = list[tuple[int, int]]

    def window(rows: Rows, width: int, stride: int = 1) -> Rows:
        starts = range(0, len(rows) - width + 1, stride)
        return [(rows[k][0], rows[k + width - 1][1]) for k in starts]

    def two(rows: Rows) -> Rows:
        return window(window(rows, 3), 3)

    rows, copies = [(k, k) for k in range(size)], []
    for _ in range(depth):
        copies.append(two(rows))
        rows = window(copies[-1], 2, stride=2)
    rows = two(rows)
    while copies:
        rows = [row for row in rows for _ in "ab"]
        cut = (len(copies[-1]) - len(rows)) // 2
        copy = copies.pop()[cut : cut + len(rows)]
        rows = two([(min(a, c), max(b, d)) for (a, b), (c, d) in zip(rows, copy, strict=True)])
    return rows


def costs(net: UNet) -> tuple[int, int, int]:
    """Parameters, multiplications and the numbers that the layers put out, for the paper's image."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net(torch.empty(1, net.in_channels, 572, 572, device="meta"))
    numbers = sum(row.channels * row.height * row.width for row in net.describe(572).layers)
    return net.parameter_count()["total"], counter.get_total_flops() // 2, numbers


def reach_of_zeros(size: int = 512, depth: int = 4) -> tuple[int, list[int], list[int]]:
    """How many rows of the padded scores depend on zeros beyond one border, and before that, of the map that
    each pooling meets and of what it makes of it; rows are truth values."""

    def two(rows: list[bool]) -> list[bool]:
        for _ in range(2):
            beyond = [True, *rows, True]
            rows = [any(beyond[k : k + 3]) for k in range(len(rows))]
        return rows

    rows, copies, reached, pooled = [False] * size, [], [], []
    for _ in range(depth):
        copies.append(two(rows))
        rows = [one or other for one, other in zip(copies[-1][::2], copies[-1][1::2], strict=True)]
        reached.append(copies[-1].index(False))
        pooled.append(rows.index(False))
    rows = two(rows)
    while copies:
        rows = [row or copy for row, copy in zip([r for r in rows for _ in "ab"], copies.pop(), strict=True)]
        rows = two(rows)
    return rows.index(False), reached, pooled


# ---- prose ----------------------------------------------------------------------------------------------


class TestPage(EveryChapter):
    chapter = CHAPTER


# ---- code -----------------------------------------------------------------------------------------------


def printed(text: str) -> str:
    (found,) = [output for output in CHAPTER.run.printed if text in output]
    return found


def test_the_table_by_level_is_right(paper):
    """Weights from the modules, products as PyTorch counts them, numbers from what each module puts out."""
    shown = [
        [int(n.replace(",", "")) for n in line.split()] for line in printed("multiply-adds").splitlines()[1:]
    ]
    levels = {f"contracting_path.{k}": k for k in range(4)} | {"bottom": 4, "head": 0}
    levels |= {f"expanding_path.{k}": 3 - k for k in range(4)}

    def level_of(name: str) -> int:
        return next(level for part, level in levels.items() if name.startswith(part))

    right = [[0, 0, 0] for _ in range(5)]
    for name, weight in paper.named_parameters():
        right[level_of(name)][0] += weight.numel()
    counter = FlopCounterMode(display=False, depth=9)
    with counter, torch.no_grad():
        paper(torch.empty(1, 1, 572, 572, device="meta"))
    for name, counts in counter.get_flop_counts().items():
        # counted once: for the parts of a level, not again inside them
        part = name.removeprefix("UNet.")
        if part in levels:
            right[levels[part]][1] += sum(counts.values()) // 2
    for row, number in zip(shown, range(1, 6), strict=True):
        assert row[:3] == [number, *right[number - 1][:2]]
    size, numbers = 572, []
    for k, steps in enumerate([64, 128, 256, 512, 1024]):
        down = ([] if k == 0 else [(steps // 2, size)]) + [(steps, size - 2), (steps, size - 4)]
        numbers.append(sum(c * n * n for c, n in down))
        size = (size - 4) // 2
    up = 28
    for k in (3, 2, 1, 0):
        up, c = 2 * up, 64 * 2**k
        numbers[k] += 3 * c * up * up + c * (up - 2) ** 2 + c * (up - 4) ** 2
        up -= 4
    numbers[0] += 2 * up * up
    assert [row[3] for row in shown] == numbers
    assert 10 * shown[4][2] < sum(row[2] for row in shown)


def test_the_parameters_are_those_of_the_paper(paper):
    assert printed("contracting path   ").splitlines()[-1].split() == ["total", "31,030,658", "100.0", "%"]
    assert printed("31030658\n(1, 2, 388, 388)")  # ours
    sum_of_shares = sum(float(v) for v in re.findall(r"([\d.]+) %", printed("contracting path   "))[:-1])
    assert sum_of_shares == pytest.approx(100, abs=0.2)


@pytest.mark.parametrize("depth, size", [(1, 28), (2, 60), (3, 100)])
def test_our_network_is_pixelwises(depth, size):
    """Other depths, channels and classes than the chapter runs."""
    names = CHAPTER.run.names
    theirs = UNet(3, 5, base_channels=4, depth=depth)
    ours = names["OurUNet"](3, 5, c=4, depth=depth)
    right = theirs.state_dict()
    assert [tuple(w.shape) for w in ours.state_dict().values()] == [tuple(w.shape) for w in right.values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), right.values(), strict=True)))
    for width in (size, size + 2 ** (depth + 1)):  # rows and columns are cropped alike, or not
        image = torch.rand(2, 3, size, width)
        torch.testing.assert_close(ours(image), theirs(image))


def test_what_the_chapter_builds_lies_on_the_device():
    names = CHAPTER.run.names
    for net in (names["ours"], names["theirs"]):
        assert next(net.parameters()).device.type == best_device().type
    assert names["image"].device.type == best_device().type


def test_a_network_with_the_halves_swapped_gives_nonsense_without_an_error():
    torch.manual_seed(0)
    net = UNet(1, 2, base_channels=4, depth=1, padding=1).eval()
    image = torch.rand(1, 1, 16, 16)
    before = net(image)
    weight = net.expanding_path[0].convolutions[0].weight
    with torch.no_grad():
        weight.copy_(torch.cat(weight.chunk(2, dim=1)[::-1], dim=1))
    assert not torch.allclose(net(image), before, atol=1e-2)


def test_question_5():
    """With a bottom of zeros only the copies tell one image from another."""
    for copies in (True, False):
        net = UNet(1, 2, base_channels=2, depth=2, padding=1, copy_paths=copies).eval()
        for weight in net.bottom.parameters():
            nn.init.zeros_(weight)
        assert not net.bottom(torch.rand(1, 4, 4, 4)).any()  # what comes up is a bias
        one, other = net(torch.rand(1, 1, 16, 16)), net(torch.rand(1, 1, 16, 16))
        assert torch.equal(one, other) != copies


def test_batch_norm_does_what_the_chapter_says():
    torch.manual_seed(0)
    first = UNet(3, 4, base_channels=8, depth=1, norm="batch").contracting_path[0]
    convolution, norm = first[0], first[1]
    images = torch.rand(4, 3, 16, 16)
    before = convolution(images)
    mean = before.mean(dim=(0, 2, 3), keepdim=True)
    root = before.var(dim=(0, 2, 3), keepdim=True, unbiased=False).sqrt()
    after = norm(before)
    torch.testing.assert_close(after, (before - mean) / root, rtol=1e-3, atol=1e-2)
    assert [p.shape for p in norm.parameters()] == [(8,), (8,)]  # the two learned numbers of each channel
    with torch.no_grad():
        convolution.weight.mul_(2)
    torch.testing.assert_close(norm(convolution(images)), after, rtol=1e-3, atol=1e-2)


def test_weights_of_the_valid_network_fit_the_padded_one(paper):
    padded = meta(1, 2, padding=1)
    shapes = [[(n, w.shape) for n, w in net.state_dict().items()] for net in (paper, padded)]
    assert shapes[0] == shapes[1]


# ---- widgets, links -------------------------------------------------------------------------------------


def shown() -> dict[str, UNetExplorer]:
    return {v.name: v for v in CHAPTER.run.shown if isinstance(v, UNetExplorer)}


def test_the_widgets_show_what_the_text_says():
    widgets = shown()
    assert list(widgets) == ["whole", "hourglass", "build"]
    paper_size = {"size": 572, "depth": 4, "base_channels": 64, "padding": 0}
    for name in ("whole", "build"):
        assert {key: getattr(widgets[name], key) for key in paper_size} == paper_size
        assert widgets[name].copy_paths
    assert not widgets["hourglass"].copy_paths
    # nothing that is to be predicted stands there already
    assert widgets["build"].step == 0 and widgets["whole"].selected == 2


def test_every_step_has_a_link():
    steps = re.findall(r'<a href="#build\?step=(\d+)">(\d+)</a>', CHAPTER.body)
    assert steps == [(str(k), str(k)) for k in range(14)]
    assert re.findall(r'<a href="#build\?(padding[^"]*)">', CHAPTER.body) == ["padding=1&size=512&step=13"]


def test_sections_that_checks_may_link_to_exist():
    ours = "hourglass copy-paths build sees sizes crop tiles padded head parameters code ablation"
    assert {f"unet-{section}" for section in ours.split()} <= CHAPTER.labels
