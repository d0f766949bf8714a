"""Chapter 4 holds to the facts: every number in it is computed here a second time, from PyTorch's operators.

`statements` lists the chapter's sentences that have numbers in them. What the sentence assumes stands in it
as it is, what it claims is an @, filled with the value computed beside it. A number that no sentence accounts
for fails a test, and so does a sentence that the chapter does not hold.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import product

import pytest
import torch
import torch.nn.functional as F

from pixelwise.checks.ps2 import mistakes
from pixelwise.figures import Picture
from pixelwise.widgets import Checkerboard, FiveViews, TransposedConvolution

from .every_chapter import EveryChapter
from .reading import Chapter, statement

CHAPTER = Chapter("transposed_convolution")
EXAMPLES = ("transposed_stride_1", "transposed_stride_2", "transposed_two_input_channels")


def up(x, w, **settings):
    return F.conv_transpose2d(x[None, None], w[None, None], **settings)[0, 0]


def larger(n: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0) -> int:
    """What n cells become in a transposed convolution."""
    shape = F.conv_transpose1d(
        torch.zeros(1, 1, n), torch.zeros(1, 1, kernel), None, stride, padding, output_padding
    ).shape
    return shape[-1]


def smaller(n: int, kernel: int, stride: int, padding: int = 0) -> int:
    """What n cells become in a convolution."""
    return F.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, kernel), None, stride, padding).shape[-1]


def products(x, w, stride: int, row: int, column: int) -> list[tuple[float, float]]:
    """Input and weight of every stamp that reaches an output, in the order of the inputs."""
    place = torch.zeros(stride * (len(x) - 1) + len(w), stride * (len(x) - 1) + len(w))
    place[row, column] = 1
    weights = F.conv2d(place[None, None], w[None, None], stride=stride)[0, 0]
    reached = F.conv2d(place[None, None], torch.ones_like(w)[None, None], stride=stride)[0, 0] > 0
    return list(zip(x[reached].tolist(), weights[reached].tolist(), strict=True))


def sum_of(pairs: list[tuple[float, float]]) -> str:
    """A sum of products as the book writes it, negative numbers in brackets: 1 · 2 + 0 · (−1)."""

    def number(value: float) -> str:
        return f"{value:g}" if value >= 0 else f"(−{-value:g})"

    return " + ".join(f"{number(a)} · {number(b)}" for a, b in pairs)


def overwritten(x, w, stride: int) -> torch.Tensor:
    """Where the example is still right if each stamp replaces what lies under it."""
    right = up(x, w, stride=stride)
    wrong = torch.zeros_like(right)
    for i, j in product(range(len(x)), repeat=2):
        wrong[stride * i : stride * i + len(w), stride * j : stride * j + len(w)] = x[i, j] * w
    return wrong == right


@pytest.fixture(scope="module")
def numbers(worked_examples):
    """The lecture's arrays as tensors: x, w, x2, w2."""
    one, two = worked_examples["transposed_stride_1"], worked_examples["transposed_two_input_channels"]
    return [
        torch.tensor(a, dtype=torch.float32)
        for a in (one["input"], one["kernel"], two["input"], two["kernel"])
    ]


@pytest.fixture(scope="module")
def statements(worked_examples, numbers) -> list[str]:
    x, w, x2, w2 = numbers
    say = []

    def holds(pattern: str, *values) -> None:
        say.append(statement(pattern, *values))

    n, k = len(x), len(w)
    full, strided = up(x, w), up(x, w, stride=2)

    # the question
    holds(
        "Four poolings, each of which halves rows and columns, have turned a photograph of 512 × 512 pixels "
        "into a map of @ × @.",
        *[512 // 2**4] * 2,
    )
    holds("class map that we owe is 512 × 512 again")
    holds("repeat each number in a block of @ × @ pixels", *[2**4] * 2)
    holds("The first two inputs are @ and @.", x[0, 0], x[0, 1])
    holds("stand in row 1, column 1 of the output when both are down? Rows and columns count from 0")
    holds("It is @.", up(x[:1, :2], w)[1, 1])
    holds("left the middle of the kernel there, @ · @.", x[0, 0], w[1, 1])
    holds("left of the middle, @ · @.", x[0, 1], w[1, 0])
    holds("The operation has four names")
    holds("### The four names, judged")

    # multiply, copy, accumulate
    holds("a @ by @ input, a @ by @ window", 6, 6, k, k)
    holds("points to one cell of a @ by @ output", n, n)
    holds("one cell of a @ by @ input points to a @ by @ window of a @ by @ output", n, n, k, k, *full.shape)
    other = worked_examples["convolution"]
    assert w.tolist() == other["kernel"] and x.tolist() != other["input"]
    holds("The kernel is that of chapter 3; the lecture's input is another one here:")
    assert x.numel() == 16
    holds("And the sixteen stamps, one for each input")
    four, nine = products(x, w, 1, 1, 1), products(x, w, 1, 2, 2)
    assert (len(four), len(nine), len(products(x, w, 1, 0, 0))) == (4, 9, 1)
    holds("Four stamps reach `y[1, 1]`, so that it ends as @ = @.", sum_of(four), full[1, 1])
    holds("Nine reach `y[2, 2]`, and only one the corner `y[0, 0]`")
    holds("then only @ of the @ cells come out right", overwritten(x, w, 1).sum(), full.numel())
    (printed,) = worked_examples["transposed_stride_1"]["printed"]["after_steps"]
    assert printed == "6"
    holds("The lecture's slide stops after six stamps, at step @ of the widget.", printed)

    # padding
    holds("a @ × @ kernel at stride 1 turns @ × @ into @ × @.", k, k, *[n] * 4)
    assert smaller(n, k, 1, padding=1) == n
    holds("has turned @ × @ into @ × @.", n, n, *full.shape)
    holds("with `padding=1`: @ × @, @ × @ or @ × @?", 8, 8, *full.shape, *[larger(n, k, padding=1)] * 2)
    holds("Decide, then set the padding below to 1.")
    holds("It is @ × @. The padding", *up(x, w, padding=1).shape)
    six = torch.tensor(worked_examples["transposed_stride_1"]["printed"]["after_steps"]["6"])
    holds("At step 6, the @ at its left edge is such a number", six[:, 0].min())
    longer, shorter = {larger(4, c) - 4 - c for c in (1, 3, 5)}, {larger(4, 7) - larger(4, 7, padding=1)}
    holds("At stride 1, a kernel of width $k$ makes a row $k-@$ cells longer", -longer.pop())
    holds("padding $p$ makes it $@p$ cells shorter", shorter.pop())
    keeps = {c: next(p for p in range(c) if larger(9, c, padding=p) == 9) for c in (3, 5)}
    holds("So 3 × 3 keeps the size with padding @, and 5 × 5 with padding @.", keeps[3], keeps[5])

    # stride
    holds("A kernel of width @ moves with stride 2. Which column do the first two stamps share", k)
    holds("what is in row 0 of it")
    holds("go on to step @.", max(worked_examples["transposed_stride_2"]["printed"]["after_steps"]))
    assert list(worked_examples["transposed_stride_2"]["printed"]["after_steps"]) == list("12345")
    starts = [int(up(torch.eye(n)[[j]], torch.ones(1, 3), stride=(1, 2)).argmax()) for j in range(n)]
    holds("The four stamps of a row start at columns @, @, @ and @.", *starts)
    holds("The last one covers columns @, @ and @, so that the output is @ wide.", 6, 7, 8, larger(4, 3, 2))
    holds("Neighbours share 3 − 2 = @ column.", 3 - 2)
    holds("For the first two it is column @, where `y[0, 2]` becomes", starts[1])
    shared = [(x[0, 0].item(), w[0, 2].item()), (x[0, 1].item(), w[0, 0].item())]
    holds("becomes @ = @. The second", sum_of(shared), up(x[:1, :2], w, stride=2)[0, 2])
    stamps = worked_examples["transposed_stride_2"]["printed"]["weighted_kernel"]
    assert stamps["2"] == (2 * w).tolist() and stamps["3"] == w.tolist() and stamps["5"] == (-w).tolist()
    holds("The fourth is all zeros, because its input is @.", x[0, 3])
    holds("Its input is @, so every sign", x[1, 0])
    after = worked_examples["transposed_stride_2"]["printed"]["after_steps"]
    holds(
        "`y[2, 2]` grows from @ to @, because (@) · (@) is added",
        after["4"][2][2], after["5"][2][2], x[1, 0], w[0, 2],
    )  # fmt: skip
    holds("Now set the stride to 3. The stamps lie edge to edge on @ × @ cells", *up(x, w, stride=3).shape)
    assert bool(overwritten(x, w, 3).all())
    assert (up(torch.ones(4, 4), torch.ones(3, 3), stride=4) == 0).any()
    holds("With a stride of 4 there would be gaps")

    # channels
    first = up(x2[0, :1, :1], w2[0]) + up(x2[1, :1, :1], w2[1])
    holds("the first channel holds @ and the second @.", x2[0, 0, 0], x2[1, 0, 0])
    assert w2[0, 1, 1] == w2[1, 1, 1]
    holds("Both kernels have a @ in the middle.", w2[0, 1, 1])
    holds("What is `y[1, 1]` after this position? And after the next one, which holds @ and @?", *x2[:, 0, 1])
    pairs = [(x2[c, 0, 0].item(), w2[c, 1, 1].item()) for c in (0, 1)]
    holds("First @ = @.", sum_of(pairs), first[1, 1])
    second = worked_examples["transposed_two_input_channels"]["printed"]["after_steps"]["2"][1][1]
    assert second == first[1, 1] + sum(x2[c, 0, 1] * w2[c, 1, 0] for c in (0, 1))
    holds("adds @ · @ from the first channel", x2[0, 0, 1], w2[0, 1, 0])
    holds("and @ · @ from the second, which makes @.", x2[1, 0, 1], w2[1, 1, 0], second)
    holds("was a *plane* of one in chapter 3. There is one for every pair")
    holds("so the weight has four axes")
    (printed,) = [re.findall(r"\d+", text) for text in CHAPTER.run.printed if text.count("(1, ") == 2]
    holds(
        "Here the first takes 3 channels to @, and the second takes @ back to @:",
        *printed[1:2] * 2,
        printed[5],
    )
    holds("The images themselves are ordered as in chapter 1.")
    batch = CHAPTER.run.names["batch"]
    holds("`picture.reshape(@, @, @, @)` has the same shape", *batch.shape)
    assert not torch.equal(batch, CHAPTER.run.names["picture"].reshape(batch.shape))

    # output size
    steps = {larger(5, 4, s) - larger(4, 4, s) - s for s in (1, 2, 3)}
    assert steps == {0}
    crop = larger(9, 3) - larger(9, 3, padding=1)
    assert all(
        larger(m, c, s, p, q) == s * (m - 1) + c - crop * p + q
        for m, c, s, p in product((2, 4, 7), (3, 5), (1, 2, 3), (0, 1))
        for q in range(s)
    )
    holds("The first starts at 0 and each further one $s$ cells later, so the last starts at $s\\,(n-1)$")
    holds("$$\\out{n'} = s\\,(\\inp{n} - 1) + \\krn{k} - @p.$$", crop)
    holds("$$\\out{n'} = s\\,(\\inp{n} - 1) + \\krn{k} - @p + q.$$", crop)
    holds("$\\out{n'} = s\\,(\\inp{n} - 1) + \\krn{k} - @p + q$. -", crop)
    holds(
        "this gives 1 · @ + @ = @, with padding 1 it gives @,",
        n - 1,
        k,
        larger(n, k),
        larger(n, k, padding=1),
    )
    holds("and with stride 2 it gives 2 · @ + @ = @.", n - 1, k, larger(n, k, 2))
    holds(
        "With stride 2 the formula gives $@n - @ + k - @p$.", 2, larger(1, 5, 1) - larger(1, 5, 2) + 2, crop
    )
    holds("This is $2n$ if $$\\krn{k} - 2p = 2.$$ A kernel of width 2 needs no padding")
    for c, p, q in product(range(2, 8), range(3), range(2)):
        if larger(9, c, 2, p, q) > 0:
            assert (larger(9, c, 2, p, q) == 2 * 9) == (c - 2 * p + q == 2)
    holds("Width 4 needs padding @.", next(p for p in range(3) if larger(9, 4, 2, p) == 2 * 9))
    holds("width 3 gives $2n + @$ without padding", larger(9, 3, 2) - 2 * 9)
    holds("and $2n - @$ with padding 1.", 2 * 9 - larger(9, 3, 2, 1))
    holds("The condition is then $k - 2p + q = 2$:")
    holds("- With stride 2 it doubles the size if and only if $k - 2p + q = 2$.")
    holds("| from 28 to |")
    for c, p, q in [(2, 0, 0), (4, 1, 0), (3, 1, 1)]:
        assert all(larger(m, c, 2, p, q) == 2 * m for m in range(1, 40))
        holds("| @ | @ | @ | @ |", c, p, q, larger(28, c, 2, p, q))

    # output padding
    holds("### Output padding: three sizes shrink to one")
    holds("Let a convolution with a 3 × 3 kernel, stride 3 and padding 1 shrink")
    holds("An image of 16 × 16 shrinks to @ × @. What does one of 17 × 17", *[smaller(16, 3, 3, 1)] * 2)
    assert [m for m in range(10, 30) if smaller(m, 3, 3, 1) == 6] == [16, 17, 18]
    holds("To @ × @ as well, and so does 18 × 18.", *[smaller(17, 3, 3, 1)] * 2)
    holds("So the way back from 6 has three possible ends")
    holds("names the smallest, 3 · @ + 3 − @ = @.", 6 - 1, 2 * 1, larger(6, 3, 3, 1))
    for s in (2, 3, 4):
        ends = [m - larger(6, 3, s, 1) for m in range(3, 40) if smaller(m, 3, s, 1) == 6]
        assert ends == list(range(s))
    holds("In full, with $q$ from @ to $s-@$, because $s$ neighbouring sizes", ends[0], s - ends[-1])
    holds("The widget has stride 3 and padding 1. An output padding of 1 gives the result one more row")
    assert larger(2, 3, 3, 1, 1) - larger(2, 3, 3, 1) == 1
    wide = up(x[:2, :2], w, stride=3, padding=1, output_padding=1)
    assert torch.equal(wide, up(x[:2, :2], w, stride=3)[1:, 1:])
    holds("then set the output padding to 1.")
    holds("Set the output padding to 2, and a row and a column of zeros survive")

    # five views
    assert products(x, w, 2, 2, 2)[0] == (x[0, 0], w[2, 2]) and products(x, w, 2, 2, 2)[-1] == (
        x[1, 1],
        w[0, 0],
    )
    assert len(products(x, w, 2, 2, 2)) == 4
    holds(
        "## Five views of one operation Stamps are one way to see a transposed convolution. Below are five."
    )
    holds("Four inputs reach `y[2, 2]`. With which weight does `x[0, 0]` enter, and with which `x[1, 1]`?")
    holds("Find them in view 1. Then look at the kernel in view 2.")
    holds("**View 1: scatter and add.** These are the stamps. The array `y` of the stride 2 example")
    holds("**View 2: zero insertion.**")
    holds("`x[0, 0]` enters `y[2, 2]` with the *last* number of the kernel, `w[2, 2]`, and `x[1, 1]` with")
    holds("the *first*, `w[0, 0]`. Read in")
    between, around = (
        F.conv_transpose1d(torch.ones(1, 1, 2), torch.ones(1, 1, 1), stride=4).shape[-1] - 2,
        k - 1,
    )
    holds("with $s-@$ zeros between neighbours. Put $k-@$ rings", 4 - between, k - around)
    holds("Turn the kernel *by 180°*, so that its last row comes first and each row runs from right to left.")
    assert w.flip(-1, -2).tolist() == [row[::-1] for row in w.tolist()[::-1]]
    holds("With padding $p$ there are $k-1-p$ rings")
    holds("At stride 2, one step of the window is half the way")
    holds("the window stops at @ places and multiplies @ times at each:", strided.numel(), w.numel())
    holds("each: @ multiplications", strided.numel() * w.numel())
    holds("The sixteen stamps need @.", x.numel() * w.numel())
    holds(
        "the vector whose entry $c$ is 1 and whose others are 0. So we convolve images that hold a single 1:"
    )
    M = F.conv2d(torch.eye(16).reshape(-1, 1, 4, 4), w[None, None]).flatten(1).T
    assert M.shape == (4, 16)
    holds("**View 3: transposed matrix.**")
    holds("Small enough to look at: 4 × 4 images and stride 1. Each of the four rows")
    row = ", ".join("blank" if v == 0 else f"{v:g}".replace("-", "−") for v in M[0, :11].tolist())
    holds("A matrix with @ rows and @ columns. The first row reads @ and then blanks.", *M.shape, row)
    assert M[0, 11:].count_nonzero() == 0
    shifts = [next(c for c in range(16) if torch.equal(M[r], M[0].roll(c))) for r in (1, 2, 3)]
    holds("shifted to the right by @, @ and @ columns", *shifts)
    holds("M for the lecture's kernel on 4 × 4 images.")
    holds("takes @ numbers and makes @: number", *M.shape)
    holds("**View 4: gradient.**")
    holds("**View 5: PyTorch's call.** It is our `up`. All five give the same @ numbers", strided.numel())
    holds("Five views, one operation: scattered copies; inserted zeros with the kernel turned by 180°")

    # not an inverse
    there_and_back = F.conv2d(strided[None, None], w[None, None], stride=2)[0, 0]
    holds("Enlarge the lecture's input with stride 2, then shrink")
    holds("The shapes are @ × @, @ × @ and @ × @ again.", *x.shape, *strided.shape, *there_and_back.shape)
    holds("`x[0, 0]` was @ and has become @.", x[0, 0], there_and_back[0, 0])
    holds("the squares of the kernel add up to @, and", w.square().sum())
    assert there_and_back[0, 0] > w.square().sum() * x[0, 0] > there_and_back[0, 0] / 2
    M = F.conv2d(torch.eye(81).reshape(-1, 1, 9, 9), w[None, None], stride=2).flatten(1).T
    holds(
        "Here $M$ has @ rows, so whatever @ numbers we start from, only @ numbers",
        M.shape[0],
        M.shape[1],
        M.shape[0],
    )
    holds(
        "has rank @ and cannot be the identity on @ dimensions", torch.linalg.matrix_rank(M.T @ M), M.shape[1]
    )
    holds("yes, in view 2;")

    # checkerboards
    def counts(kernel: int, stride: int) -> set[int]:
        """How many stamps reach an output, away from the border."""
        along = F.conv_transpose1d(torch.ones(1, 1, 12), torch.ones(1, 1, kernel), stride=stride)
        return set(along[0, 0, kernel:-kernel].int().tolist())

    flat = [kernel for kernel in (3, 4, 5) if len(counts(kernel, 2)) == 1]
    for kernel, stride in product(range(1, 9), range(1, 5)):
        assert counts(kernel, stride) <= {kernel // stride, -(-kernel // stride)}
        assert (len(counts(kernel, stride)) == 1) == (kernel % stride == 0)
    holds("the dullest picture there is, 1 in every pixel, and the dullest kernel, 1 in every cell")
    holds("With stride 2, for which of the kernel sizes 3, 4 and 5 is the output flat, away from the border?")
    holds("then set the stride to 2 and try them.")
    holds("Only size @. With all", *flat)
    inside = sorted({a * b for a, b in product(counts(3, 2), repeat=2)})
    holds("The @, @ and @ inside are the *checkerboard*", *inside)
    holds("Weights are not all 1.")
    holds("There are $s^@$ kinds, called *phases*. On a picture that is 1 everywhere", 2)
    holds("in the widget, keep stride 2, set the *weights* to *random*")
    holds("We give it a picture that is 1 in every channel")
    holds("For the lecture's kernel and stride 2, they do not")
    holds("0 is flat, 1 is nothing but pattern")
    holds("Five ways up, each for 16 channels.")
    assert len(CHAPTER.run.names["ways"]) == 5
    sizes = [CHAPTER.run.names["ways"][f"kernel {c}"]()(torch.ones(1, 16, 12, 12)).shape[-1] for c in (3, 4)]
    holds("Kernels 3 and 4 are not cropped here and make $2n + @$ and $2n + @$", *(m - 2 * 12 for m in sizes))
    holds("convolves the small map to four times as many channels and deals them out to the 2 × 2 cells")
    holds("Each is drawn twenty times")
    share = ripples()
    holds("kernel 4 lowers the share from @ to @.", share["kernel 3", True], share["kernel 4", True])
    holds(
        "With weights around zero the advice does nothing, @ against @.",
        share["kernel 4", False],
        share["kernel 3", False],
    )
    terms = {c: CHAPTER.run.names["ways"][f"kernel {c}"]().weight[:, 0, ::2, ::2].numel() for c in (2, 4)}
    assert 0 < share["kernel 4", True] < share["kernel 2", True] < share["kernel 3", True]
    holds("averages out: @ with kernel 4, only @ with kernel 2.", terms[4], terms[2])
    holds("So the U-Net's kernel, 2 × 2 and without any overlap, is no better: @.", share["kernel 2", False])
    assert {share["resize, convolve", sign] for sign in (True, False)} == {0}
    holds("and a convolution with stride 1 computes the same sum everywhere")
    holds(
        "it multiplies @ times, a transposed convolution with kernel 4 and stride 2 only @ times",
        3 * 3,
        max(counts(4, 2)) ** 2,
    )
    holds("The same landscape of ridges four times. With kernel 3 a dense grid")
    holds("with kernel 4 a weaker one")
    holds("Weights drawn between 0 and 1, except")
    holds("makes the four cells of a block from four groups of kernels. Give all four the same kernels")
    torch.manual_seed(0)
    alike, features = torch.randn(6, 3, 1, 1).double(), torch.randn(1, 6, 5, 5).double()
    repeated = F.interpolate(F.conv2d(features, alike.transpose(0, 1)), scale_factor=2)
    torch.testing.assert_close(F.conv_transpose2d(features, alike.expand(-1, -1, 2, 2), stride=2), repeated)
    holds("give the four weights of each 2 × 2 kernel the same value")
    holds("a transposed convolution is a 1 × 1 convolution and then a pixel shuffle")
    holds("each cell of the block is a 1 × 1 convolution")
    tent = torch.outer(torch.tensor([1, 3, 3, 1.0]), torch.tensor([1, 3, 3, 1.0]))
    doubled = F.interpolate(torch.eye(36).reshape(36, 1, 6, 6), scale_factor=2, mode="bilinear")
    middle = sorted((16 * doubled[:, 0, 5, 5]).tolist())[-4:]
    assert middle == sorted(tent[0::2, 0::2].flatten().tolist()) == [1, 3, 3, 9]
    smooth = torch.outer(torch.tensor([0.5, 1, 0.5]), torch.tensor([0.5, 1, 0.5]))
    image = torch.rand(5, 5)
    between = F.interpolate(image[None, None], size=9, mode="bilinear", align_corners=True)[0, 0]
    torch.testing.assert_close(up(image, smooth, stride=2, padding=1), between)
    holds("has the row ½, 1, ½: every second output copies an input")
    assert {larger(m, 3, 2, 1) - 2 * m for m in range(1, 9)} == {-1}
    holds("With stride 2 and padding 1 it makes $2n - 1$ cells of $n$, as every kernel of width 3 does.")
    holds("So an input reaches four outputs, with ¼, ¾, ¾ and ¼, and the kernel is @ cells wide", len(tent))
    holds("In sixteenths, each phase holds a @, two @s and a @.", middle[3], middle[1], middle[0])
    parts = (16 * doubled[:, 0, 5, 5]).reshape(6, 6)  # output (5, 5): a little below and right of (2, 2)
    holds(
        "So an output is @ parts of the nearest input, @ of its neighbour in the row, "
        "@ of its neighbour in the column and @ of the diagonal one.",
        *(parts[2, 2], parts[2, 3], parts[3, 2], parts[3, 3]),
    )
    gradient = up(torch.ones(4, 4), torch.ones(3, 3), stride=2)
    assert torch.equal(gradient[2:-2:2, 2:-2:2], torch.full((3, 3), 4.0))
    assert torch.equal(gradient[1::2, 1::2], torch.ones(4, 4))
    holds("View 4 has a consequence. The backward pass of a convolution with kernel 3 and stride 2 is")
    holds("is a transposed convolution with kernel 3 and stride 2. So the gradient")
    holds("a pixel that four windows read has diagonal neighbours that only one window reads")

    # PyTorch
    first, following = (torch.nn.ConvTranspose2d(c, c // 2, 2, stride=2, device="meta") for c in (1024, 512))
    shape = first(torch.zeros(1, 1024, 28, 28, device="meta")).shape
    weights, later = (sum(p.numel() for p in layer.parameters()) for layer in (first, following))
    holds("the first of them takes 1024 channels of 28 × 28 and makes @ channels of @ × @", *shape[1:])
    holds(": kernel 2, stride 2, half the channels.")
    holds(
        "Its @ parameters are 1024 · @ kernels of @ numbers and @ biases.", weights, shape[1], 2 * 2, shape[1]
    )
    assert torch.finfo(torch.bfloat16).bits == 16
    holds("runs transposed convolutions in a 16-bit format, here bfloat16")
    holds("where the hardware multiplies 16-bit numbers faster")
    assert shape.numel() == 2 * 1024 * 28 * 28
    holds("The output has @ times the cells and half", shape[2] * shape[3] // 28**2)
    holds("the next upconvolution, from 512 to @ channels, has @.", following.out_channels, later)
    assert 3.9 < weights / later < 4.1

    # questions
    assert [s for s in (1, 2, 3, 4) if overwritten(x, w, s).all()] == [3, 4]
    holds("For stride 3 and larger: the stamps of a 3 × 3 kernel do not overlap then.")
    wrong = ~overwritten(x, w, 2)
    holds("At stride 2, @ of the @ cells go wrong.", wrong.sum(), wrong.numel())
    holds("Which inputs reach `y[4, 4]` in the stride 2 example")
    reach = [i for i in range(4) if 0 <= 4 - 2 * i <= 2]
    holds("Those with $2i \\le 4 \\le 2i + @$, so $i$ and $j$ are @ or @.", k - 1, *reach)
    holds("They bring @ = @: with", sum_of(products(x, w, 2, 4, 4)), strided[4, 4])
    holds("A convolution with kernel 3, stride 2 and padding 1 has shrunk 224 to @.", smaller(224, 3, 2, 1))
    assert smaller(223, 3, 2, 1) == smaller(224, 3, 2, 1) == 112
    holds("Which output padding leads back to 224? Which if the image was 223 wide?")
    back = {larger(112, 3, 2, 1, q): q for q in (0, 1)}
    holds(
        "2 · @ + 3 − @ = @, so @ leads to 224, and @ to 223.",
        112 - 1,
        2,
        larger(112, 3, 2, 1),
        back[224],
        back[223],
    )
    holds("has a 1 × 1 kernel with weight 1 and stride 2. What does it do to a 4 × 4 image?")
    holds("It inserts the zeros of view 2 and nothing else. The result is @ × @.", *[larger(4, 1, 2)] * 2)
    holds("A transposed convolution with stride 2 makes vertical stripes of a flat image")
    holds("you know about the four phases of its kernel?")
    holds("The sums of the phases $(0, b)$ and $(1, b)$ agree for each $b$, and those of $b = 0$ and $b = 1$")
    sums = [[int(w[a::2, b::2].sum()) for b in range(2)] for a in range(2)]
    assert sums[0] == sums[1]
    holds("The lecture's kernel at stride 2 is an example: its sums are @ and @ in both rows.", *sums[0])
    block = torch.tensor([[1.0, 2], [3, 4]])
    M = F.conv2d(torch.eye(16).reshape(-1, 1, 4, 4), block[None, None], stride=2).flatten(1).T
    assert torch.equal(M @ M.T, block.square().sum() * torch.eye(4))
    projection = M.T @ M / block.square().sum()
    torch.testing.assert_close(projection @ projection, projection)
    assert round(float(projection.trace())) * 4 == len(projection)
    holds("Let the kernel be 2 × 2 and the stride 2. What are")
    holds("each has the squared length $\\lVert w \\rVert^2$, the sum of the four squared weights:")
    holds("$M M^\\top = \\lVert w \\rVert^2 I$.")
    holds("acts on each 2 × 2 block alone and is $\\lVert w \\rVert^2$ times the projection")
    holds("keeps one number of four")
    holds("stays as it is when turned by 180°.")
    holds("In problem set 2 you write")
    return say


@cache
def ripples() -> dict[tuple[str, bool], float]:
    """The table of the chapter, computed from the kernels' phases rather than from their outputs."""
    shares = {}
    for (name, make), positive in product(CHAPTER.run.names["ways"].items(), (True, False)):
        total = 0.0
        for seed in range(20):
            torch.manual_seed(seed)
            (weight,) = make().parameters()
            weight = weight.detach().double()
            weight = weight.abs() if positive else weight
            if name.startswith("kernel"):  # (C_in, C_out, k, k): phase (a, b) sums every second weight
                phases = [weight[..., a::2, b::2].sum((0, 2, 3)) for a in (0, 1) for b in (0, 1)]
            elif name == "pixel shuffle":  # four output channels in a row are the four phases of one
                phases = list(weight.sum((1, 2, 3)).reshape(-1, 4).T)
            else:
                phases = [weight.sum((1, 2, 3))] * 4
            phases = torch.stack(phases)
            total += float((phases.std(0, correction=0) / phases.square().mean(0).sqrt()).mean())
        shares[name, positive] = round(total / 20, 2)
    return shares


class TestPage(EveryChapter):
    chapter = CHAPTER


# ---- code -----------------------------------------------------------------------------------------------


def test_the_arrays_are_the_lectures(numbers):
    names = CHAPTER.run.names
    for name, right in zip(("x", "w", "x2", "w2"), numbers, strict=True):
        assert torch.equal(names[name], right), name


@pytest.mark.parametrize("example, key", [
    ("transposed_stride_1", "final"), ("transposed_stride_1", "final_padding_1"),
    ("transposed_stride_2", "final"), ("transposed_two_input_channels", "final"),
])  # fmt: skip
def test_the_finished_arrays_are_printed(worked_examples, example, key):
    right = worked_examples[example][key]
    printed = [re.findall(r"\[([^\[\]]+)\]", text) for text in CHAPTER.run.printed]
    assert right in [[[int(v) for v in row.split()] for row in rows if "," not in row] for rows in printed]


def test_the_table_of_ripples_is_right():
    (table,) = [text for text in CHAPTER.run.printed if "around zero" in text]
    shown = {
        name.strip(): (float(a), float(b))
        for name, a, b in re.findall(r"^(.{17}) *(\d\S+) +(\d\S+)$", table, re.M)
    }
    share = ripples()
    assert shown == {name: (share[name, True], share[name, False]) for name in CHAPTER.run.names["ways"]}


@pytest.mark.parametrize("size, kernel, stride", list(product((1, 2, 5), (1, 2, 3, 4), (1, 2, 3))))
def test_the_views_agree_in_general(size, kernel, stride):
    """The chapter's own functions, for one channel; `test_the_views_agree_with_channels` has the rest."""
    names = CHAPTER.run.names
    torch.manual_seed(size + 10 * kernel + 100 * stride)
    x = torch.randint(-9, 10, (size, size)).float()
    w = torch.randint(-9, 10, (kernel, kernel)).float()
    right = up(x, w, stride=stride)
    large = len(right)
    assert torch.equal(names["up"](x, w, stride=stride), right)
    assert torch.equal(names["zero_insertion"](x, w, stride), right)
    assert torch.equal((names["matrix"](w, large, stride).T @ x.flatten()).reshape(large, large), right)
    assert torch.equal(names["gradient"](x, w, stride, large), right)


@pytest.mark.parametrize("seed", range(20))
def test_the_views_agree_with_channels(seed):
    """Stamps, zero insertion, matrix and gradient: images, channels, stride, padding, not square."""
    torch.manual_seed(seed)
    number, c_in, c_out, height, width, kh, kw, stride = (int(v) for v in torch.randint(1, 5, (8,)))
    padding = int(torch.randint(0, min(kh, kw), ()))
    x = torch.randint(-9, 10, (number, c_in, height, width)).double()
    w = torch.randint(-9, 10, (c_in, c_out, kh, kw)).double()
    full = (stride * (height - 1) + kh, stride * (width - 1) + kw)
    if min(full) <= 2 * padding:
        padding = 0
    right = F.conv_transpose2d(x, w, stride=stride, padding=padding)

    columns = torch.einsum("ncl,cok->nokl", x.flatten(2), w.flatten(2)).flatten(1, 2)
    stamps = F.fold(columns, full, (kh, kw), stride=stride)
    assert torch.equal(stamps[..., padding : full[0] - padding, padding : full[1] - padding], right)

    spread = x.new_zeros(number, c_in, full[0] - kh + 1, full[1] - kw + 1)
    spread[..., ::stride, ::stride] = x
    spread = F.pad(spread, (kw - 1 - padding,) * 2 + (kh - 1 - padding,) * 2)
    assert torch.equal(F.conv2d(spread, w.flip(-1, -2).transpose(0, 1)), right)

    units = torch.eye(right[0].numel(), dtype=x.dtype).reshape(-1, *right.shape[1:])
    matrix = F.conv2d(units, w, stride=stride, padding=padding).flatten(1).T
    assert torch.equal((x.flatten(1) @ matrix).reshape(right.shape), right)

    image = torch.zeros_like(right, requires_grad=True)
    (gradient,) = torch.autograd.grad(F.conv2d(image, w, stride=stride, padding=padding), image, x)
    assert torch.equal(gradient, right)


def test_no_answer_to_the_problem_set_stands_here():
    tasks = {"transposed_output_size", "conv_transpose2d_single", "conv_transpose2d", "convolution_matrix"}
    tasks |= {"conv_transpose2d_by_matrix", "conv_transpose2d_fast", "bilinear_kernel"}
    for code, _ in CHAPTER.cells:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.FunctionDef):
                arguments = {a.arg for a in node.args.args}
                assert node.name not in tasks and not arguments & {"padding", "factor", "bias"}, node.name


# ---- widgets, figures, links ----------------------------------------------------------------------------


def test_the_widgets_show_the_lectures_examples(worked_examples):
    shown = {v.name: v for v in CHAPTER.run.shown if hasattr(v, "name")}
    for kind in (TransposedConvolution, FiveViews, Checkerboard):
        assert any(isinstance(widget, kind) for widget in shown.values())
    for name, example in zip(("stride-1", "stride-2", "two-channels"), EXAMPLES, strict=True):
        widget, right = shown[name], worked_examples[example]
        assert widget.stride == right["stride"] and widget.padding == 0
        inputs, kernels = torch.tensor(widget.input), torch.tensor(widget.kernel)
        assert torch.equal(inputs.reshape(-1), torch.tensor(right["input"]).reshape(-1)), name
        assert torch.equal(kernels.reshape(-1), torch.tensor(right["kernel"]).reshape(-1)), name
    assert shown["cropped"].input == shown["stride-1"].input
    assert shown["five-views"].input == worked_examples["transposed_stride_2"]["input"]


def test_no_widget_gives_away_what_its_reader_is_to_predict():
    """Where a box asks about a setting, the widget below it opens without that setting."""
    shown = {v.name: v for v in CHAPTER.run.shown if hasattr(v, "name")}
    assert shown["stride-1"].step == shown["stride-2"].step == shown["two-channels"].step == 0
    assert shown["cropped"].padding == 0
    assert shown["output-padding"].padding == 1 and shown["output-padding"].output_padding == 0
    assert shown["checkerboard"].stride == 1
    answers = [tags for code, tags in CHAPTER.cells if "print(n, " in code or "M @ M.T @" in code]
    assert answers == [{"hide-output"}] * 2


def test_sections_that_checks_link_to_exist():
    banks = [bank for bank in vars(mistakes).values() if isinstance(bank, list)]
    sections = {misunderstanding.section for bank in banks for misunderstanding in bank}
    assert sections and sections <= CHAPTER.labels
    ours = "scatter padding stride channels output-size output-padding five-views matrix not-an-inverse"
    for section in [*ours.split(), "checkerboard", "bilinear", "gpu"]:
        assert f"transposed-{section}" in CHAPTER.labels


def test_the_drawn_matrix_is_the_right_one(numbers):
    _, w, _, _ = numbers
    (drawing,) = [v.svg for v in CHAPTER.run.shown if isinstance(v, Picture) and "matrix" in v.alt]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawing)
    M = F.conv2d(torch.eye(16).reshape(-1, 1, 4, 4), w[None, None]).flatten(1).T
    assert texts[:-2] == [f"{v:g}".replace("-", "−") for v in M.flatten().tolist() if v]
    assert texts[-2].startswith(f"{M.shape[1]} inputs") and texts[-1] == f"{M.shape[0]} outputs"
