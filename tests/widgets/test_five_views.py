"""The five views of a transposed convolution are equal, to each other and to PyTorch."""

from __future__ import annotations

import random
import re

import pytest
import torch
import torch.nn.functional as F
from traitlets import TraitError

from pixelwise.widgets import FiveViews

CORE = "core/equivalence.js"


def array(nested):
    return torch.tensor(nested, dtype=torch.float64)


def plane(tensor):
    return tensor[None, None]


def random_configurations(count):
    """x, w, stride, padding; heights and widths differ, so that swapped rows and columns are noticed."""
    pick = random.Random(4)
    torch.manual_seed(4)
    found = []
    while len(found) < count:
        height, width, k_height, k_width = (pick.randint(1, most) for most in (6, 6, 4, 4))
        stride, padding = pick.randint(1, 3), pick.randrange(min(k_height, k_width))
        if min((n - 1) * stride - 2 * padding + k for n, k in [(height, k_height), (width, k_width)]) < 1:
            continue
        x = torch.randn(height, width, dtype=torch.float64)
        w = torch.randn(k_height, k_width, dtype=torch.float64)
        found.append((x, w, stride, padding))
    return found


def transposed(x, w, stride, padding):
    return F.conv_transpose2d(plane(x), plane(w), stride=stride, padding=padding)[0, 0]


def matrices(call_js, cases):
    """The matrix M of each case, filled with the weights that its entries name."""
    sizes = [transposed(*case).shape for case in cases]
    named = call_js(
        CORE,
        [
            ["convolutionMatrix", list(x.shape), list(size), list(w.shape), stride, padding]
            for (x, w, stride, padding), size in zip(cases, sizes, strict=True)
        ],
    )
    return [
        array([[w[tuple(entry)].item() if entry else 0 for entry in row] for row in rows])
        for (_, w, _, _), rows in zip(cases, named, strict=True)
    ]


def inserted_and_turned(call_js, cases):
    calls = [["insertZeros", x.tolist(), list(w.shape), stride, padding] for x, w, stride, padding in cases]
    calls += [["turned", w.tolist()] for _, w, _, _ in cases]
    got = [array(result) for result in call_js(CORE, calls)]
    return list(zip(got[: len(cases)], got[len(cases) :], strict=True))


def test_turned_kernel_over_inserted_zeros_equals_pytorch(call_js):
    cases = random_configurations(200)
    pairs = inserted_and_turned(call_js, cases)
    got = call_js(CORE, [["gather", inserted.tolist(), turned.tolist()] for inserted, turned in pairs])
    for case, (inserted, turned), result in zip(cases, pairs, got, strict=True):
        torch.testing.assert_close(array(result), transposed(*case), msg=lambda m, c=case: f"{c[2:]}: {m}")
        assert torch.equal(turned, case[1].flip(0, 1))
        assert (inserted != 0).sum() == case[0].numel()


def test_gather_equals_convolution_with_stride(call_js):
    cases = [
        (x, w, stride)
        for x, w, stride, _ in random_configurations(100)
        if x.shape[0] >= w.shape[0] and x.shape[1] >= w.shape[1]
    ]
    got = call_js(CORE, [["gather", x.tolist(), w.tolist(), stride] for x, w, stride in cases])
    for (x, w, stride), result in zip(cases, got, strict=True):
        torch.testing.assert_close(array(result), F.conv2d(plane(x), plane(w), stride=stride)[0, 0])


def test_matrix_is_that_of_convolution_and_its_transpose_that_of_transposed_convolution(call_js):
    cases = random_configurations(200)
    for (x, w, stride, padding), m in zip(cases, matrices(call_js, cases), strict=True):
        y = transposed(x, w, stride, padding)
        torch.testing.assert_close(m.T @ x.flatten(), y.flatten())
        image = torch.randn_like(y)
        small = F.conv2d(plane(image), plane(w), stride=stride, padding=padding)
        torch.testing.assert_close(m @ image.flatten(), small.flatten())


def test_transposing_a_matrix(call_js):
    assert call_js(CORE, [["transposed", [[1, 2, 3], [4, 5, 6]]]]) == [[[1, 4], [2, 5], [3, 6]]]


def test_the_lines_of_pytorch_under_the_views_compute_the_same(call_js):
    cases = random_configurations(60)
    outputs = [transposed(*case) for case in cases]
    lines = call_js(
        "five_views.js",
        [
            ["pytorchLines", {"stride": s, "padding": p, "rows": y.shape[0], "columns": y.shape[1]}]
            for (_, _, s, p), y in zip(cases, outputs, strict=True)
        ],
    )
    pairs = inserted_and_turned(call_js, cases)
    parts = zip(cases, outputs, lines, pairs, matrices(call_js, cases), strict=True)
    for (x, w, _, _), y, line, (inserted, _), m in parts:
        names = {"torch": torch, "F": F, "x": plane(x), "w": plane(w), "M": m, "inserted": plane(inserted)}
        names["image"] = plane(torch.randn_like(y)).requires_grad_()
        setup, gradient = line["gradient"].split("\n")
        exec(setup, names)
        results = [eval(code, names) for code in (line["gather"], line["matrix"], line["call"], gradient)]
        for result in results:
            result = result[0] if isinstance(result, tuple) else result
            torch.testing.assert_close(result[0, 0] if result.ndim == 4 else result, y)


# ---- what is drawn --------------------------------------------------------------------------------------


def equation(html):
    """What the view says about the selected cell, as plain text."""
    return re.sub(r"<[^>]*>", "", re.search(r"<output[^>]*>(.*?)</output>", html)[1])


def number(text):
    return float(text.replace("−", "-"))


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 0), (2, 1), (3, 1)])
def test_every_step_says_a_sum_of_products_that_is_right(draw_widgets, stride, padding):
    first = FiveViews()
    y = transposed(array(first.input), array(first.kernel), stride, padding)
    steps = range(0, y.numel(), 3)
    html = draw_widgets(*(FiveViews(stride=stride, padding=padding, step=step) for step in steps))
    for step, drawn in zip(steps, html, strict=True):
        row, column = divmod(step, y.shape[1])
        said = equation(drawn)
        name, products, value = re.fullmatch(r"(y\[\d+, \d+\]) = (.*) = (\S+)", said).groups()
        assert name == f"y[{row}, {column}]"
        factors = [product.replace("(", "").replace(")", "").split("·") for product in products.split(" + ")]
        assert sum(number(a) * number(b) for a, b in factors) == number(value) == y[row, column].item(), said


@pytest.mark.parametrize(
    ("pinned", "said"),
    [
        (["input", 1, 0], "x[1, 0] = −1, times w[u, v], is added to y[u + 1, v − 1]: 6 output cells, and 3"),
        (["kernel", 0, 2], "w[0, 2] = −1 multiplies every input x[i, j] and adds it to y[2i − 1, 2j + 1]."),
        (["output", 0, 4], "This cell is cropped away by padding 1. It would hold −1"),
        (["inserted", 0, 0], "An inserted zero"),
        (["inserted", 3, 1], "x[1, 0] = −1, times"),
        (["entry", 0, 0], "Mᵀ[0, 0] = w[1, 1] = 1: x[0, 0] adds 1·1 to y[0, 0]."),
        (["entry", 0, 15], "Mᵀ[0, 15] = 0: x[3, 3] does not reach y[0, 0]."),
        (["nonsense", 99], "y[0, 0] = 1·1 = 1"),
    ],
)
def test_whatever_is_pinned_says_what_it_does(draw_widgets, pinned, said):
    (html,) = draw_widgets(FiveViews(stride=2, padding=1, pinned=pinned))
    assert equation(html).startswith(said)


@pytest.mark.parametrize("size", [(3, 3), (2, 3), (3, 1)])
def test_a_legend_says_which_colour_is_which_weight(draw_widgets, size):
    (html,) = draw_widgets(FiveViews(input=torch.ones(2, 2), kernel=torch.ones(size)))
    key = html.split('class="pw-key"')[1].split('class="pw-views"')[0]
    rows = re.findall(r'class="pw-weight pw-weight-row-(\d) pw-weight-column-0"></span>row (\d)', key)
    assert rows == [(str(u), str(u)) for u in range(size[0])]
    assert ("paler from left to right" in key) == (size[1] > 1)


@pytest.mark.parametrize(("stride", "padding", "around"), [(1, 0, 2), (2, 1, 1), (3, 0, 2)])
def test_zero_insertion_says_how_many_zeros(draw_widgets, stride, padding, around):
    (html,) = draw_widgets(FiveViews(stride=stride, padding=padding))
    between = ["No zeros", "1 zero", "2 zeros"][stride - 1]
    assert f"{between} between the inputs, k − 1 − p = {around} around them." in html


def test_the_vectors_beside_the_matrix_are_x_and_y(draw_widgets):
    """y has its numbers only where a row is high enough for them."""
    for stride, written in [(1, True), (2, False)]:
        widget = FiveViews(stride=stride)
        (html,) = draw_widgets(widget)
        x, y = (
            [number(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", group)]
            for group in re.search(r'"pw-xs"(.*?)</g>.*?"pw-ys"(.*?)</g>', html).groups()
        )
        assert x == array(widget.input).flatten().tolist()
        right = transposed(array(widget.input), array(widget.kernel), stride, 0)
        assert y == (right.flatten().tolist() if written else [])


def test_settings_that_do_not_go_together_cannot_be_chosen(draw_widgets):
    (html,) = draw_widgets(FiveViews(kernel=[[1]]))
    padding = re.search("<legend>padding.*?</fieldset>", html)[0]
    allowed = {
        re.search(r'value="(\d)"', field)[1]: "disabled" not in field
        for field in re.findall("<input[^>]*>", padding)
    }
    assert allowed == {"0": True, "1": False}


# ---- the Python side ------------------------------------------------------------------------------------


def test_without_arguments_it_is_the_lectures_example(worked_examples):
    example, widget = worked_examples["transposed_stride_1"], FiveViews()
    assert (widget.input, widget.kernel) == (example["input"], example["kernel"])
    assert (widget.stride, widget.padding, widget.step) == (1, 0, 0)


def test_takes_tensors():
    widget = FiveViews(input=torch.eye(2), kernel=torch.ones(2, 3, requires_grad=True))
    assert (widget.input, widget.kernel) == ([[1, 0], [0, 1]], [[1, 1, 1], [1, 1, 1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": [[2]], "padding": 1}, "padding 1 has to be smaller than the kernel, 1 × 1"),
        ({"kernel": [[1, 2, 3]], "padding": 1}, "padding 1 has to be smaller than the kernel, 1 × 3"),
        (
            {"input": [[5]], "kernel": torch.ones(2, 2), "padding": 1},
            r"crops the whole output away: \[0, 0\]",
        ),
        ({"input": torch.ones(5, 4)}, "FiveViews.input shows at most"),
        ({"kernel": torch.ones(1, 3, 3)}, "FiveViews.kernel has at most 2 dimensions"),
        ({"input": [[1, 2], [3]]}, "rows of different lengths"),
        ({"stride": 4}, "stride"),
        ({"padding": 2}, "padding"),
        ({"step": -1}, "step"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_with_a_reason(arguments, message):
    with pytest.raises(TraitError, match=message):
        FiveViews(**arguments)
