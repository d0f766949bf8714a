"""The arithmetic of the convolution widget equals PyTorch's, and so does what it shows at every step."""

from __future__ import annotations

import itertools
import random
import re

import pytest
import torch
import torch.nn.functional as F
from traitlets import TraitError

from pixelwise.widgets import Convolution

CORE = "core/convolution.js"
CONFIGURATIONS = 240


def array(nested):
    return torch.tensor(nested, dtype=torch.float64)


def flat(rows):
    return list(itertools.chain.from_iterable(rows))


def random_configurations():
    """Different heights and widths throughout, so that swapping rows and columns cannot go unnoticed."""
    pick = random.Random(30)
    torch.manual_seed(30)
    while True:
        height, width = pick.randint(1, 8), pick.randint(1, 8)
        k_height, k_width = pick.randint(1, 5), pick.randint(1, 5)
        stride, padding = pick.randint(1, 4), pick.randint(0, 3)
        if k_height > height + 2 * padding or k_width > width + 2 * padding:
            continue
        x = torch.randn(pick.randint(1, 3), height, width, dtype=torch.float64)
        weight = torch.randn(pick.randint(1, 3), len(x), k_height, k_width, dtype=torch.float64)
        yield x, weight, stride, padding


@pytest.fixture(scope="module")
def cases():
    return list(itertools.islice(random_configurations(), CONFIGURATIONS))


def settings(stride, padding):
    return {"stride": stride, "padding": padding}


def padded(x, padding):
    return F.pad(x, (padding,) * 4)


def test_javascript_equals_pytorch(call_js, cases):
    got = call_js(CORE, [["convolution", x.tolist(), w.tolist(), settings(s, p)] for x, w, s, p in cases])
    for (x, w, s, p), result in zip(cases, got, strict=True):
        want = F.conv2d(x[None], w, stride=s, padding=p)[0]
        torch.testing.assert_close(array(result), want, msg=lambda m, s=s, p=p: f"{s}, {p}: {m}")


def test_javascript_sizes_are_pytorchs(call_js):
    grid = list(itertools.product(range(1, 12), range(1, 6), range(1, 5), range(4)))
    grid = [(n, k, s, p) for n, k, s, p in grid if k <= n + 2 * p]
    got = call_js(CORE, [["convolutionSize", *one] for one in grid])
    for (n, k, s, p), size in zip(grid, got, strict=True):
        assert size == F.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), stride=s, padding=p).shape[-1]


def test_javascript_pads_like_pytorch(call_js, cases):
    got = call_js(CORE, [["pad", x[0].tolist(), p] for x, _, _, p in cases])
    for (x, _, _, p), result in zip(cases, got, strict=True):
        assert torch.equal(array(result), padded(x[0], p))


def test_javascript_counts_how_often_a_cell_is_read(call_js, cases):
    """The gradient of a sum of ones: PyTorch's backward pass counts the windows."""
    got = call_js(CORE, [["readCounts", *x.shape[1:], *w.shape[2:], settings(s, p)] for x, w, s, p in cases])
    for (x, w, s, p), result in zip(cases, got, strict=True):
        ones = torch.zeros_like(padded(x[:1], p))[None].requires_grad_()
        F.conv2d(ones, torch.ones_like(w[:1, :1]), stride=s).sum().backward()
        assert torch.equal(array(result), ones.grad[0, 0])


def test_javascript_explains_every_cell(call_js, cases):
    """The products listed for an output add up to it, in the order in which one reads the window."""
    cells = [
        (x, w, s, p, o, row, column)
        for x, w, s, p in cases[:40]
        for o, row, column in torch.ones_like(F.conv2d(x[None], w, stride=s, padding=p)[0]).nonzero().tolist()
    ]
    got = call_js(
        CORE,
        [
            ["productsOf", padded(x, p).tolist(), w.tolist(), o, row, column, s]
            for x, w, s, p, o, row, column in cells
        ],
    )
    for (x, w, s, p, o, row, column), terms in zip(cells, got, strict=True):
        right = F.conv2d(x[None], w, stride=s, padding=p)[0, o, row, column].item()
        assert sum(t["product"] for t in terms) == pytest.approx(right, abs=1e-9)
        kernel = [list(place) for place in itertools.product(*map(range, w.shape[1:]))]
        assert [[t["c"], t["u"], t["v"]] for t in terms] == kernel
        for t in terms:
            assert (t["i"], t["j"]) == (row * s + t["u"], column * s + t["v"])
            assert t["x"] == padded(x, p)[t["c"], t["i"], t["j"]]
            assert t["w"] == w[o, t["c"], t["u"], t["v"]]


def test_javascript_finds_all_readers_of_a_cell(call_js, cases):
    """A single 1 in the padded input shows in the outputs that read it, and by which weight they do."""
    calls, wants = [], []
    for x, w, s, p in cases[:60]:
        height, width = padded(x, p).shape[1:]
        i, j = (height - 1) // 2, (width - 1) // 2
        one = torch.zeros(1, 1, height, width, dtype=torch.float64)
        one[..., i, j] = 1
        numbered = torch.arange(1.0, 1 + w[0, 0].numel(), dtype=torch.float64).reshape(w.shape[2:])
        calls.append(["readersOf", i, j, *x.shape[1:], *w.shape[2:], settings(s, p)])
        wants.append((F.conv2d(one, numbered[None, None], stride=s)[0, 0], w.shape[3]))
    for readers, (want, k_width) in zip(call_js(CORE, calls), wants, strict=True):
        got = torch.zeros_like(want)
        for reader in readers:
            got[reader["row"], reader["column"]] = 1 + reader["u"] * k_width + reader["v"]
        assert torch.equal(got, want)


def test_slides_equal_pytorch_and_javascript(worked_examples, call_js):
    example = worked_examples["convolution"]
    x, w = array(example["input"])[None], array(example["kernel"])[None, None]
    for stride, final in [(1, example["final"]), (2, example["final_stride_2"])]:
        assert torch.equal(F.conv2d(x[None], w, padding=1, stride=stride)[0, 0], array(final))
        (got,) = call_js(CORE, [["convolution", x.tolist(), w.tolist(), settings(stride, 1)]])
        assert got == [final]
    for steps, printed in example["printed"]["after_steps"].items():
        assert flat(example["final"])[: int(steps)] == printed[0]


# ---- what is drawn --------------------------------------------------------------------------------------


def tables(drawing):
    """The output tables of a drawing, by rows of text."""
    found = re.findall(r"<table[^>]*pw-role-output[^>]*>.*?</table>", drawing, re.DOTALL)
    cells = re.compile(r"<td[^>]*><span>([^<]*)</span>")
    return [[cells.findall(row) for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)] for table in found]


def test_every_step_of_the_lectures_example_is_drawn(worked_examples, draw_widgets):
    right = flat(worked_examples["convolution"]["final"])
    for step, drawing in enumerate(draw_widgets(*(Convolution(step=step) for step in range(17)))):
        (rows,) = tables(drawing)
        texts = [str(v).replace("-", "−") for v in right[:step]]
        assert flat(rows) == texts + [""] * (16 - step)
        says = re.search(r"<output[^>]*>(.*?)</output>", drawing, re.DOTALL)[1]
        if step:
            row, column = divmod(step - 1, 4)
            said = re.sub("<[^>]*>", "", says)
            assert said.startswith(f"y[{row}, {column}] = ") and said.endswith(f" = {texts[-1]}")


def test_no_shade_gives_an_output_away(draw_widgets):
    """A cell that is still to come or to be predicted shows neither its number nor its colour."""
    for drawing in draw_widgets(Convolution(step=3), Convolution(step=3, predict=True)):
        (output,) = re.findall(r"<table[^>]*pw-role-output.*?</table>", drawing, re.DOTALL)
        cells = re.findall(r"<td([^>]*)><span>([^<]*)</span>", output)
        assert len([text for _, text in cells if text in ("", "?")]) >= 13
        assert all(("pw-shade" in look) == (text not in ("", "?", "0")) for look, text in cells)


def test_a_part_of_the_kernel(draw_widgets, worked_examples):
    """Kernel size 1 is the middle of the lecture's kernel."""
    example = worked_examples["convolution"]
    (drawing,) = draw_widgets(Convolution(kernel_size=1, padding=0, step=16))
    middle = example["kernel"][1][1]
    want = [[str(middle * v).replace("-", "−") for v in row] for row in example["input"]]
    assert tables(drawing) == [want]


def test_odd_numbers_of_a_link_are_brought_back(draw_widgets):
    """The page checks the kind of a linked value, not its bounds."""
    odd = []
    traits = ("step", "stride", "padding", "kernel_size", "in_channels", "out_channels")
    for trait, value in itertools.product(traits, (-3, 0, 0.4, 2.5, 99)):
        widget = Convolution(input=torch.ones(1, 2, 2), kernel=torch.ones(1, 1, 2, 2), padding=0)
        state = widget.get_state() | {trait: value}
        widget.get_state = lambda state=state: state
        odd.append(widget)
    for drawing in draw_widgets(*odd):
        assert len(tables(drawing)) == 1 and not re.search("NaN|undefined|Infinity", drawing)


# ---- the Python side ------------------------------------------------------------------------------------


def test_without_arguments_it_is_the_lectures_example(worked_examples):
    example, widget = worked_examples["convolution"], Convolution()
    assert (widget.input, widget.kernel) == ([example["input"]], [[example["kernel"]]])
    assert (widget.stride, widget.padding, widget.step) == (example["stride"], example["padding"], 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input": torch.ones(2, 3, 3)}, "input has 2 channels, but kernel is for 1"),
        ({"kernel": torch.ones(2, 3, 1, 1)}, "input has 1 channels, but kernel is for 3"),
        (
            {"input": [[1]], "padding": 0},
            r"a kernel of \[3, 3\] does not fit into a padded input of \[1, 1\]",
        ),
        ({"stride": 4}, "stride"),
        ({"padding": 3}, "padding"),
        ({"step": -1}, "step"),
        ({"input": torch.ones(9, 9)}, "input shows at most"),
        ({"kernel": torch.ones(4, 1, 3, 3)}, "kernel shows at most"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_with_a_reason(arguments, message):
    with pytest.raises(TraitError, match=message):
        Convolution(**arguments)


def test_a_part_of_the_kernel_may_fit_where_the_whole_does_not():
    assert Convolution(input=[[1]], padding=0, kernel_size=1).kernel_size == 1


def test_yours_is_compared_or_its_shape_is_said():
    assert Convolution(yours=torch.ones(4, 4)).incomparable == ""
    assert Convolution(yours=torch.ones(3, 4)).incomparable == ""  # the view says so
    assert Convolution(stride=2, yours=torch.ones(16)).incomparable == (
        "shape (16,): nothing to compare with (2, 2)"
    )
    two = Convolution(kernel=torch.ones(2, 1, 3, 3), yours=torch.ones(4, 4))
    assert two.incomparable == "shape (4, 4): nothing to compare with (2, 4, 4)"
