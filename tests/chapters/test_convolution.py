"""Chapter 3 holds to the facts: every number in it is computed here a second time, from PyTorch's operators.

What a sentence of `statements` assumes stands in it as it is, what it claims is an @ with the value computed
beside it.
"""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pixelwise.figures import Picture
from pixelwise.widgets import Convolution

from .every_chapter import EveryChapter
from .reading import Chapter, statement

CHAPTER = Chapter("convolution")


def conv(x, w, **settings):
    return F.conv2d(x[None, None], w[None, None], **settings)[0, 0]


def size(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """What n cells become."""
    return F.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, kernel), None, stride, padding).shape[-1]


def reads(n: int, kernel: int, stride: int = 1, padding: int = 0) -> torch.Tensor:
    """How many windows read each cell of an n × n picture, without its padding."""
    picture = torch.zeros(1, 1, n, n, requires_grad=True)
    F.conv2d(picture, torch.ones(1, 1, kernel, kernel), stride=stride, padding=padding).sum().backward()
    return picture.grad[0, 0].int()


def factor(value: float) -> str:
    return f"{value:g}" if value >= 0 else f"(−{-value:g})"


def products(a, b) -> str:
    """A sum of products as the book writes it."""
    return " + ".join(f"{factor(float(p))} · {factor(float(q))}" for p, q in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def example(worked_examples):
    return worked_examples["convolution"]


@pytest.fixture(scope="module")
def statements(example, worked_examples) -> list[str]:
    x, w = torch.tensor(example["input"]).float(), torch.tensor(example["kernel"]).float()
    y = conv(x, w, padding=1)
    framed = F.pad(x, (1, 1, 1, 1))
    n, k = len(x), len(w)
    names = CHAPTER.run.names
    say = []

    def holds(pattern: str, *values) -> None:
        say.append(statement(pattern, *values))

    # the question
    holds("with a brightness of 0.4. It may be cow or meadow")
    holds("We could connect every pixel of a 512 × 512 picture")
    holds("That makes almost @ billion weights.", -(-(512**4) // 10**9))
    holds("A *convolution* learns @.", {9: "nine"}[w.numel()])
    holds(
        "looks at a pixel and its @ neighbours through a small window, and takes the same nine weights",
        "eight",
    )
    holds("one such window on an array of @ × @ numbers. The array of nine weights", *framed.shape)
    holds("add up the nine products.")
    (first,) = [values[0] for key, values in example["printed"]["after_steps"].items() if key == "1"]
    holds("It is @. Only", first[0])
    terms = [(a, b) for a, b in zip(framed[:3, :3].flatten(), w.flatten(), strict=True) if a * b]
    assert len(terms) == 3
    holds(
        "Only three of the nine products are not zero: @ · @, @ · @ and @ · @.",
        *(factor(float(v)) for t in terms for v in t),
    )
    (second,) = [values[0] for key, values in example["printed"]["after_steps"].items() if key == "2"]
    assert max(example["printed"]["after_steps"]) == "2"
    holds("the window gives @. That is", second[1])
    assert y.numel() - 2 == 14
    holds("There are sixteen places for the window, so take the other fourteen steps")

    # the example
    holds("## Multiply and sum, sixteen times The lecture says it in four sentences.")
    holds("With stride 1, and rows and columns counted from 0")
    holds("The slide prints all @ of them", framed.numel())
    holds("we keep the @ × @ inside", *x.shape)
    inner = [(i, j) for i in (1, 2, 3, 4) for j in (1, 2, 3, 4)]
    assert all(framed[i, j] == x[i - 1, j - 1] for i, j in inner)
    holds("its indices are smaller by @: `framed[2, 2]` is `x[1, 1]`.", (len(framed) - n) // 2)
    holds("The sixteen windows:")
    holds("The nine weights are the same everywhere")

    # readers
    read = reads(n, k, padding=1)
    holds("### One input, nine windows")
    assert x[1, 1] == -1
    holds("How many windows read `x[1, 1]`, the @ in the second row, and how many `x[0, 0]`", x[1, 1])
    assert read[1, 1] == 9 and read[0, 0] == 4
    holds("Nine windows read `x[1, 1]`, one for each place")
    holds("the corner is read by four.")
    one = torch.zeros(n, n)
    one[1, 1] = 1
    numbered = torch.arange(9.0).reshape(3, 3)
    turned = conv(one, numbered, padding=1)
    assert turned[0, 0] == numbered[2, 2] and turned[2, 2] == numbered[0, 0]
    assert torch.equal(turned[:3, :3], numbered.flip(0, 1))
    holds(
        "`y[0, 0]` takes `x[1, 1]` with the last weight, `w[2, 2]`, "
        "and `y[2, 2]` takes it with the first, `w[0, 0]`"
    )
    holds("lies on the output *turned by 180°*")
    holds("Turn it by 180° first.")

    # padding
    holds("The picture of the lecture is @ × @, and so is the result.", *x.shape)
    holds("How many windows of 3 × 3 fit into it? Then set the padding to 1, and to 2.")
    assert size(n, k) ** 2 == 4
    holds("Four, two in each direction.")
    rings = [conv(x, w, padding=p).shape for p in (1, 2)]
    holds("With padding 1 there are @ × @, with padding 2 there are @ × @.", *rings[0], *rings[1])
    assert all(size(m, c) == m - c + 1 for m in (5, 9) for c in (1, 2, 3, 5))
    holds("can begin at 0, 1, …, $n - k$, which are $n - k + @$ places.", size(9, 9))
    ten = 100
    for _ in range(10):
        ten = size(ten, 3)
    holds("After ten layers of 3 × 3 a picture has lost @ rows and @ columns.", 100 - ten, 100 - ten)
    holds("which makes each axis $@p$ cells longer.", size(5, 1, padding=1) - 5)
    (shorter,) = {9 - size(9, c) - c for c in (1, 2, 3, 5)}
    holds("At stride 1, the window makes it $k - @$ cells shorter.", -shorter)
    keeps = {c: [p for p in range(5) if size(20, c, padding=p) == 20] for c in range(1, 8)}
    assert all(keeps[c] == ([(c - 1) // 2] if c % 2 else []) for c in keeps)
    holds("$$2p = \\krn{k} - 1,$$ so 3 × 3 needs padding @, and 5 × 5 padding @.", keeps[3][0], keeps[5][0])
    holds("On a picture that is 1 everywhere")
    flat = conv(torch.ones(5, 5), torch.ones(3, 3), padding=1)
    holds("@ inside, @ at the edges and @ in the corners.", flat[2, 2], flat[0, 2], flat[0, 0])

    # stride
    holds("The widget has all sixteen steps behind it. With stride 2, four numbers will be left.")
    holds("then set the stride to 2.")
    half = conv(x, w, padding=1, stride=2)
    assert half.tolist() == example["final_stride_2"] and torch.equal(half, y[::2, ::2])
    holds("Those in rows 0 and 2 and columns 0 and 2: @, @, @ and @.", *half.flatten())
    holds("A convolution with stride 2 computes no new numbers.")
    holds("In chapter 4 it is measured")

    # output size
    for m in range(3, 12):
        for c in (1, 2, 3):
            for s in (1, 2, 3):
                for p in (0, 1, 2):
                    assert size(m, c, s, p) == (m + 2 * p - c) // s + 1
    holds("Along one axis there are $n$ inputs, with padding $n + 2p$. The first window begins at 0.")
    holds("so it begins at $n + 2p - k$ or before")
    holds("be moved $(n + 2p - k)/s$ times")
    holds("\\left\\lfloor \\frac{\\inp{n} + 2p - \\krn{k}}{s} \\right\\rfloor + 1.$$")
    holds("this gives (@ + 2 − @)/1 + 1 = @,", n, k, size(n, k, 1, 1))
    holds(
        "and with stride 2 it gives ⌊@⌋ + 1 = @.", "1.5" if (n + 2 - k) / 2 == 1.5 else "?", size(n, k, 2, 1)
    )
    holds("The half that is lost in ⌊1.5⌋ is a row and a column")
    holds(
        "Without the ring and with stride 2, how many windows fit into @ × @, and how many of the sixteen",
        n,
        n,
    )
    unread = reads(n, k, 2)
    assert size(n, k, 2) == 1 and (unread > 0).sum() == 9 and (unread == 0).sum() == 7
    assert bool((unread[-1] == 0).all() and (unread[:, -1] == 0).all())
    holds("One window, nine pixels. The seven in the last row and the last column")
    framed_reads = reads(14, 3, 2)  # 12 × 12 with its ring
    assert bool((framed_reads[-1] == 0).all() and (framed_reads[:-1, :-1] > 0).all())
    holds(
        "In a picture of 512 × 512 such a loss is hard to see: padding 1 and stride 2 leave out the last row"
    )
    assert all(size(m, 3, 2, 1) * 2 == m + m % 2 for m in range(3, 40))
    holds("Chapter 4 has a setting for that")

    # channels
    two = worked_examples["transposed_two_input_channels"]
    x2 = torch.stack([x, torch.tensor(two["input"][1]).float()])
    w2 = torch.tensor(two["kernel"]).float()
    assert torch.equal(w2[0], w)
    assert torch.equal(names["x2"], x2) and torch.equal(names["w2"], w2)
    window = F.pad(x2[1], (1, 1, 1, 1))[:3, :3]
    pairs = [(a, b) for a, b in zip(window.flatten(), w2[1].flatten(), strict=True) if a]
    holds("The first channel's window gives @, as before.", y[0, 0])
    meets = [(window[i, j], w2[1, i, j]) for i in (1, 2) for j in (1, 2)]
    assert len(pairs) == 3 and window[0].sum() == window[:, 0].sum() == 0
    holds(
        "the products are @, @, @ and @, and the others meet zeros. What is `y[0, 0]`?",
        *(products([a], [b]) for a, b in meets),
    )
    both = F.conv2d(x2[None], w2[None], padding=1)[0, 0]
    holds("@ + @ = @. Two planes of weights", y[0, 0], (window * w2[1]).sum(), both[0, 0])
    holds("A colour picture has three numbers at every pixel")
    holds("The weight has four axes")
    layer = torch.nn.Conv2d(3, 64, 3)
    holds(
        "Its @ parameters are @ kernels of @ weights and @ biases.",
        sum(p.numel() for p in layer.parameters()),
        64,
        layer.weight[0].numel(),
        layer.bias.numel(),
    )

    # cost
    holds("$\\krn{k}^2\\, C_\\text{in}$ multiplications")
    holds("C_\\text{in}\\; \\krn{k}^2$$ *multiply-adds*")
    holds("A kernel of 1 × 1 costs a ninth.")

    # 1 × 1
    w1, x3 = names["w1"], names["x3"]
    assert torch.equal(x3[:2], x2)
    holds("## The special case 1 × 1 A window of 1 × 1 sees a single pixel")
    holds("With three channels it does something useful")
    pixel = x3[:, 0, 0]
    holds("At the first pixel, the three channels hold @, @ and @.", *pixel)
    holds("The first kernel has the weights @, @ and @, one for each", *w1[0])
    holds("The second kernel has @, @ and @. What is the second?", *w1[1])
    results = F.conv2d(x3[None], w1[:, :, None, None])[0, :, 0, 0]
    holds(
        "@ = @, and @ = @. Written as arrays",
        products(pixel, w1[0]),
        results[0],
        products(pixel, w1[1]),
        results[1],
    )

    def column(role, values):
        return " \\\\ ".join(f"\\{role}{{{int(v)}}}" for v in values)

    matrix = " \\\\ ".join(" & ".join(f"\\krn{{{int(v)}}}" for v in row) for row in w1)
    holds(
        f"\\begin{{pmatrix}} {column('out', results)} \\end{{pmatrix}} = \\begin{{pmatrix}} {matrix} "
        f"\\end{{pmatrix}} \\begin{{pmatrix}} {column('inp', pixel)} \\end{{pmatrix}},$$"
    )
    holds("So a 1 × 1 convolution is a linear layer")
    holds("It takes the 64 features of each pixel to the scores")
    holds("- 1 × 1 multiplies each pixel's channels by one matrix.")

    # matrix
    M = torch.stack([conv(unit.reshape(4, 4), w, padding=1).flatten() for unit in torch.eye(16)], dim=1)
    assert torch.equal(names["M"], M)
    holds("a picture that is 1 at pixel $c$ and 0 elsewhere. We convolve sixteen such pictures")
    holds("A matrix of @ by @ cells, divided into blocks of @ by @.", *M.shape, n, n)
    blocks = M.reshape(4, 4, 4, 4).transpose(1, 2)  # [block row][block column][row][column]
    for i in range(4):
        for j in range(4):
            known = {0: blocks[0, 0], 1: blocks[0, 1], -1: blocks[1, 0]}.get(j - i, torch.zeros(4, 4))
            assert torch.equal(blocks[i, j], known)
    holds("M for the lecture's kernel on @ × @ pictures with padding 1, zeros", n, n)
    relu = torch.nn.functional.relu(torch.tensor([-2.0, 0, 3]))
    assert relu.tolist() == [max(0, y) for y in (-2, 0, 3)]
    holds("the *ReLU*: $\\max(0, y)$ for each number")
    sixth = M[5].reshape(4, 4)  # a row of it for each row of the picture
    assert (w == 0).sum() == 3 and all(row.count_nonzero() == 2 for row in sixth[:3])
    holds(
        "It holds the whole kernel, but for its three zeros: @ and @ in the block of the picture's first "
        "row, @ and @ in that of the second, @ and @ in that of the third.",
        *M[5][M[5] != 0],
    )
    assert sixth[:3, :3].equal(w)
    inner = M[5].reshape(4, 4), M[6].reshape(4, 4)
    assert torch.equal(inner[0][:, :3], inner[1][:, 1:])
    holds("@ entries, and only nine weights to choose.", M.numel())
    assert torch.equal(M[:, 5].reshape(4, 4)[:3, :3], w.flip(0, 1))
    holds("by which weight: the kernel turned by 180° that we saw")
    holds("what was *collected* from nine cells is then *sent* to nine cells")
    left = M.reshape(4, 4, 16)[::2, ::2].reshape(-1, 16)
    assert torch.equal(left @ x.flatten(), conv(x, w, padding=1, stride=2).flatten())
    holds("With stride 2 only @ of the @ rows are left, and $M^\\top$", len(left), len(M))
    holds("makes @ numbers out of @. This is the way up", *left.T.shape)

    # learned
    holds("It starts from random weights and takes 400 steps")
    assert torch.equal((names["last_edge"][0, 0].round() + 0).cpu(), names["sobel"].cpu())
    holds("Where the picture is flat it gives @, and at", names["sobel"].sum())
    holds("What will a 5 × 5 kernel against noise look like?")
    holds("Four kernels. For edges, 3 by 3: at the start")
    holds("One drawn meadow three times.")
    holds("For noise, 5 by 5: at the start")
    holds("weaker ones around it, the rest near 0.")
    holds(
        "a weighted mean, with a sum of @: a flat picture",
        float(names["last_mean"].sum().cpu().round(decimals=2)),
    )
    holds("it does better than a plain mean of 3 × 3:")
    holds("show the 96 kernels of 11 × 11 that their network")

    # summary and questions
    holds("a convolution turns the kernel by 180°. - Padding")
    holds("With $2p = k - 1$ and stride 1 the size stays.")
    holds("$\\out{n'} = \\lfloor (\\inp{n} + 2p - \\krn{k})/s \\rfloor + 1$")
    holds("C_\\text{out} C_\\text{in} k^2$. - 1 × 1")
    holds(
        "A convolution with a 3 × 3 kernel, without bias, has the weight 1 in the middle and 0 elsewhere. "
        "What does it do with padding 1? And if the 1 is in the upper left corner?"
    )
    corner = torch.zeros(3, 3)
    corner[0, 0] = 1
    assert torch.equal(conv(x, corner, padding=1)[1:, 1:], x[:-1, :-1])
    holds("`y[i, j]` is `x[i-1, j-1]`")
    assert not conv(torch.ones(4, 4), corner, padding=1)[0].any()
    assert not conv(torch.ones(4, 4), corner, padding=1)[:, 0].any()
    holds("the ring's zeros fill row 0 and column 0.")
    holds(
        "for a picture of 224 × 224: the output of a 7 × 7 kernel "
        "with stride 2 and padding 3, or that of a 2 × 2 kernel with stride 2 and no padding"
    )
    holds("⌊(224 + @ − 7)/2⌋ + 1 = @, and ⌊(224 − 2)/2⌋ + 1 = @.", 2 * 3, size(224, 7, 2, 3), size(224, 2, 2))
    holds("Two layers of 3 × 3 follow each other, or one of 5 × 5 stands alone, all from 64 channels to 64")
    assert size(size(5, 3), 3) == size(5, 5) == 1
    holds("Both see @ × @ pixels: the second 3 × 3 window", 5, 5)
    holds("Two layers of 3 × 3 have @ weights for each pair of channels, one of 5 × 5 has @.", 2 * 9, 25)
    holds("You use stride 2 without padding, with a 3 × 3 kernel, on pictures of 6 × 6.")
    assert reads(6, 3, 2).sum(1).nonzero().flatten().tolist() == [0, 1, 2, 3, 4] and size(6, 3, 2) == 2
    holds(
        "(6 − 3)/2 is @, so windows begin at 0 and 2, and the last one ends at 4. "
        "Row @ and column @ are never read.",
        "1.5",
        5,
        5,
    )
    assert (reads(6, 3, 2, 1) > 0).all() and size(6, 3, 2, 1) == 3
    holds("With padding 1 the windows begin at −1, 1 and 3")
    holds(
        "A 1 × 1 convolution takes 256 channels to 64 and a 3 × 3 takes the 64 back to 256. "
        "How many weights are saved, compared with one 3 × 3 from 256 to 256?"
    )
    two_layers, one_layer = 256 * 64 + 9 * 64 * 256, 9 * 256 * 256
    holds(
        "256 · 64 + 9 · 64 · 256 = @ against 9 · 256 · 256 = @: @ % are saved.",
        two_layers,
        one_layer,
        round(100 * (1 - two_layers / one_layer)),
    )
    holds("The map in between is 64 channels wide")
    assert framed[:3, :3].numel() - 4 == 5 and M[0].count_nonzero() == 3
    holds("why does the row of output `y[0, 0]` hold fewer weights than the sixth row?")
    holds("Five of its nine cells are in the ring")
    holds(
        "Of the other four weights, @, @, @ and @, one is @ and is left blank.",
        *w[1:, 1:].flatten(),
        w[1:, 1:].min(),
    )
    holds("In problem set 1 you write")
    holds("the 1 × 1 case, and what a stack")
    holds("discuss in chapter 9 what a network")
    holds("introduce the 1 × 1 convolution.")
    return say


class TestConvolution(EveryChapter):
    chapter = CHAPTER

    def widgets(self) -> dict[str, Convolution]:
        return {shown.name: shown for shown in CHAPTER.run.shown if isinstance(shown, Convolution)}

    def test_no_answer_to_the_problem_set_stands_here(self):
        tasks = {"output_size", "conv2d_single", "conv2d", "pointwise_conv", "receptive_field"}
        for code, _ in CHAPTER.cells:
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.FunctionDef):
                    arguments = {argument.arg for argument in node.args.args}
                    assert node.name not in tasks and not arguments & {"stride", "padding", "bias"}, node.name

    def test_links_to_a_state_name_a_widget_and_its_traits(self):
        links = re.findall(r'<a href="#([\w-]+)\?([^"]*)">', CHAPTER.body)
        assert len(links) == 2
        for target, query in links:
            for trait in re.findall(r"([^=&]+)=", query):
                assert self.widgets()[target].has_trait(trait), trait

    def test_the_widgets_show_the_lectures_example(self, example):
        widget = self.widgets()["first-window"]
        assert (widget.input, widget.kernel) == ([example["input"]], [[example["kernel"]]])
        assert (widget.stride, widget.padding, widget.step) == (1, 1, 0)

    def test_no_widget_gives_away_what_its_reader_is_to_predict(self):
        """Where a box asks about a setting, the widget below it opens without that setting."""
        shown = self.widgets()
        assert shown["without-ring"].padding == 0 and shown["without-ring"].step == 0
        assert shown["with-stride"].stride == 1
        assert all(shown[name].step == 0 for name in ("first-window", "two-in", "mixer"))
        assert not any(widget.show_reads for widget in shown.values())

    def test_the_arrays_are_the_lectures(self, example):
        names = CHAPTER.run.names
        for name, key in [("x", "input"), ("w", "kernel"), ("y", "final")]:
            assert names[name].tolist() == example[key]

    def test_the_finished_arrays_are_printed(self, example):
        printed = [re.findall(r"\[([^\[\]]+)\]", text) for text in CHAPTER.run.printed]
        arrays = [
            [[int(v) for v in row.split()] for row in rows if re.fullmatch(r"[-\d ]+", row)]
            for rows in printed
        ]
        assert example["final"] in arrays and example["final_stride_2"] in arrays

    def test_numpys_convolution_is_the_turned_one(self):
        (text,) = [text for text in CHAPTER.run.printed if "correlate" in text]
        convolve, correlate, torchs = (line.split(maxsplit=1)[1] for line in text.strip().split("\n"))
        assert correlate == torchs != convolve
        row, weights = (np.array(v) for v in ([1, 2, 4, 8], [3, 2, 1]))
        assert str(np.correlate(row, weights[::-1], "valid")) == convolve

    def test_costs_are_right(self):
        (text,) = [text for text in CHAPTER.run.printed if "multiply-adds" in text]
        found = re.findall(
            r"(\d+) → (\d+), (\d+) × \d+, on (\d+) × \d+: +(\d+) weights, +(\d+) million", text
        )
        assert len(found) == 3
        for c_in, c_out, kernel, side, weights, millions in (map(int, row) for row in found):
            layer = torch.nn.Conv2d(c_in, c_out, kernel, bias=False)
            assert layer.weight.numel() == weights
            assert round(weights * side**2 / 1e6) == millions
        assert int(found[0][5]) == pytest.approx(4 * int(found[1][5]), abs=2)
        assert int(found[0][5]) == pytest.approx(9 * int(found[2][5]), abs=9)

    def test_the_learned_mean_is_the_best_there_is(self):
        """Training has ended where least squares says that the minimum is, for any start."""
        names = CHAPTER.run.names
        windows = F.unfold(names["noisy"]["train"].cpu(), 5).transpose(1, 2).reshape(-1, 25)
        best = torch.linalg.lstsq(windows, names["inside"].cpu().reshape(-1, 1)).solution.reshape(5, 5)
        learned = names["last_mean"][0, 0].cpu()
        torch.testing.assert_close(learned, best, atol=0.02, rtol=0)
        assert learned.argmax() == 12 and learned[2, 2] > learned.sum() / 3
        ring = learned.clone()
        ring[1:-1, 1:-1] = 0
        assert ring.abs().max() < 0.1 and learned[1:-1, 1:-1].min() > 0
        assert -0.05 < ring.min() < -0.005 and (ring < 0).sum() > 1  # some weights just below zero

    def test_the_learned_mean_wins_on_unseen_pictures(self):
        (text,) = [text for text in CHAPTER.run.printed if text.startswith("noisy")]
        noisy, mean, learned = map(float, re.findall(r"\d+\.\d", text))
        assert learned < mean < noisy

    def test_sections_that_problem_set_1_links_to_exist(self):
        ours = "example cross-correlation padding stride output-size channels pointwise matrix"
        assert {f"convolution-{section}" for section in ours.split()} <= CHAPTER.labels

    def test_the_drawn_matrix_is_the_right_one(self):
        (drawing,) = [
            v.svg for v in CHAPTER.run.shown if isinstance(v, Picture) and v.alt.startswith("A matrix")
        ]
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawing)
        right = [f"{v:g}".replace("-", "−") for v in CHAPTER.run.names["M"].flatten().tolist() if v]
        assert texts[: len(right)] == right
