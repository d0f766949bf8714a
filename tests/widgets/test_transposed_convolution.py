"""The arithmetic of the transposed-convolution widgets equals PyTorch's, at the end and at every step."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
import torch.nn.functional as F
from traitlets import TraitError

from pixelwise.widgets import TransposedConvolution

CORE = "core/transposed.js"
CONFIGURATIONS = 240


def array(nested):
    return torch.tensor(nested, dtype=torch.float64)


def accumulate(x, weight, stride, output_padding, steps):
    """The output before the crop after `steps` input positions: the slides' procedure, slow and plain."""
    _, height, width = x.shape
    _, channels, k_height, k_width = weight.shape
    canvas = torch.zeros(
        channels,
        (height - 1) * stride + k_height + output_padding,
        (width - 1) * stride + k_width + output_padding,
        dtype=x.dtype,
    )
    for position in range(steps):
        i, j = divmod(position, width)
        top, left = i * stride, j * stride
        weighted = torch.einsum("c,copq->opq", x[:, i, j], weight)
        canvas[:, top : top + k_height, left : left + k_width] += weighted
    return canvas


def random_configurations():
    """Different heights and widths throughout, so that swapping rows and columns cannot go unnoticed."""
    pick = random.Random(20)
    torch.manual_seed(20)
    while True:
        height, width, k_height, k_width = (
            pick.randint(1, 7),
            pick.randint(1, 7),
            pick.randint(1, 5),
            pick.randint(1, 5),
        )
        stride, padding = pick.randint(1, 3), pick.randint(0, 3)
        output_padding = pick.randrange(stride)
        sizes = [(height, k_height), (width, k_width)]
        if min((n - 1) * stride - 2 * padding + k + output_padding for n, k in sizes) < 1:
            continue
        x = torch.randn(pick.randint(1, 3), height, width, dtype=torch.float64)
        weight = torch.randn(len(x), pick.randint(1, 3), k_height, k_width, dtype=torch.float64)
        yield x, weight, stride, padding, output_padding


def some_configurations():
    return list(itertools.islice(random_configurations(), CONFIGURATIONS))


def test_javascript_equals_pytorch(call_js):
    cases = some_configurations()
    got = call_js(
        CORE,
        [
            [
                "transposedConvolution",
                x.tolist(),
                w.tolist(),
                {"stride": s, "padding": p, "outputPadding": op},
            ]
            for x, w, s, p, op in cases
        ],
    )
    for (x, w, s, p, op), result in zip(cases, got, strict=True):
        want = F.conv_transpose2d(x[None], w, stride=s, padding=p, output_padding=op)[0]
        torch.testing.assert_close(
            array(result),
            want,
            msg=lambda m, s=s, p=p, op=op: f"stride {s}, padding {p}, output padding {op}: {m}",
        )


def test_javascript_accumulates_like_the_slides(call_js):
    cases = some_configurations()
    steps = [k % (x.shape[1] * x.shape[2] + 1) for k, (x, *_) in enumerate(cases)]
    got = call_js(
        CORE,
        [
            ["transposedCanvas", x.tolist(), w.tolist(), {"stride": s, "outputPadding": op, "steps": n}]
            for (x, w, s, _, op), n in zip(cases, steps, strict=True)
        ],
    )
    for (x, w, s, _, op), n, result in zip(cases, steps, got, strict=True):
        torch.testing.assert_close(array(result), accumulate(x, w, s, op, n))


def test_javascript_overlap_counts_are_the_operation_on_ones(call_js):
    cases = some_configurations()
    got = call_js(
        CORE,
        [
            ["overlapCounts", *x.shape[1:], *w.shape[2:], {"stride": s, "outputPadding": op}]
            for x, w, s, _, op in cases
        ],
    )
    for (x, w, s, _, op), result in zip(cases, got, strict=True):
        ones = [torch.ones(1, 1, *a.shape[-2:], dtype=torch.float64) for a in (x, w)]
        assert torch.equal(array(result), F.conv_transpose2d(*ones, stride=s, output_padding=op)[0, 0])


def test_javascript_explains_every_cell(call_js):
    """The products listed for a cell add up to it, and each is that of its input and its kernel cell."""
    cases = some_configurations()[:40]
    outputs = [F.conv_transpose2d(x[None], w, stride=s, output_padding=op)[0] for x, w, s, _, op in cases]
    cells = [
        (x, w, s, y, o, row, column)
        for (x, w, s, _, _), y in zip(cases, outputs, strict=True)
        for o, row, column in torch.ones_like(y).nonzero().tolist()
    ]
    got = call_js(
        CORE,
        [
            ["contributionsTo", x.tolist(), w.tolist(), o, row, column, s]
            for x, w, s, _, o, row, column in cells
        ],
    )
    for (x, w, s, y, o, row, column), terms in zip(cells, got, strict=True):
        assert sum(t["product"] for t in terms) == pytest.approx(y[o, row, column].item(), abs=1e-9)
        for t in terms:
            assert (t["i"] * s + t["u"], t["j"] * s + t["v"]) == (row, column)
            assert t["x"] == x[t["c"], t["i"], t["j"]]
            assert t["w"] == w[t["c"], o, t["u"], t["v"]]


# ---- the lecture's numbers ------------------------------------------------------------------------------


def channels(example):
    """Input (C_in, H, W) and kernel (C_in, 1, kH, kW) of a worked example."""
    x, w = array(example["input"]), array(example["kernel"])
    return (x, w[:, None]) if x.ndim == 3 else (x[None], w[None, None])


TRANSPOSED = ["transposed_stride_1", "transposed_stride_2", "transposed_two_input_channels"]


@pytest.mark.parametrize("name", TRANSPOSED)
def test_slides_equal_pytorch(worked_examples, name):
    example = worked_examples[name]
    x, w = channels(example)
    assert torch.equal(
        F.conv_transpose2d(x[None], w, stride=example["stride"])[0, 0], array(example["final"])
    )
    for steps, printed in example["printed"]["after_steps"].items():
        assert torch.equal(accumulate(x, w, example["stride"], 0, int(steps))[0], array(printed)), (
            f"step {steps}"
        )
    if "final_padding_1" in example:
        assert torch.equal(F.conv_transpose2d(x[None], w, padding=1)[0, 0], array(example["final_padding_1"]))


@pytest.mark.parametrize("name", TRANSPOSED)
def test_slides_equal_javascript(worked_examples, call_js, name):
    example = worked_examples[name]
    x, w = (a.tolist() for a in channels(example))
    stride = {"stride": example["stride"]}
    printed = example["printed"]["after_steps"]
    final, *after = call_js(
        CORE,
        [
            ["transposedCanvas", x, w, stride],
            *(["transposedCanvas", x, w, stride | {"steps": int(n)}] for n in printed),
        ],
    )
    assert final == [example["final"]]
    for (steps, canvas), got in zip(printed.items(), after, strict=True):
        assert got == [canvas], f"step {steps}"
    if "final_padding_1" in example:
        assert call_js(CORE, [["transposedConvolution", x, w, {"padding": 1}]]) == [
            [example["final_padding_1"]]
        ]


def test_weighted_kernels_of_the_slides_equal_javascript(worked_examples, call_js):
    """A step's products, laid out as the slide prints them: the kernel times one input value."""
    stride_2, two = worked_examples["transposed_stride_2"], worked_examples["transposed_two_input_channels"]
    printed = [(stride_2, int(n), [kernel]) for n, kernel in stride_2["printed"]["weighted_kernel"].items()]
    printed.append((two, 2, two["printed"]["weighted_kernels_at_step_2"]))
    for example, step, kernels in printed:
        x, w = channels(example)
        i, j = divmod(step - 1, x.shape[2])
        (terms,) = call_js(CORE, [["contributionsOf", x.tolist(), w.tolist(), i, j, example["stride"]]])
        got = torch.zeros(len(x), *w.shape[2:], dtype=torch.float64)
        for t in terms:
            got[t["c"], t["u"], t["v"]] = t["product"]
        assert torch.equal(got, array(kernels)), f"step {step}"


def test_slides_of_convolution_equal_pytorch(worked_examples):
    example = worked_examples["convolution"]
    x, w = channels(example)
    full = F.conv2d(x[None], w, padding=1)[0, 0]
    assert torch.equal(full, array(example["final"]))
    assert torch.equal(F.conv2d(x[None], w, padding=1, stride=2)[0, 0], array(example["final_stride_2"]))
    for steps, printed in example["printed"]["after_steps"].items():
        assert full.flatten()[: int(steps)].tolist() == printed[0]


# ---- the Python side ------------------------------------------------------------------------------------


def test_without_arguments_it_is_the_lectures_example(worked_examples):
    example, widget = worked_examples["transposed_stride_1"], TransposedConvolution()
    assert (widget.input, widget.kernel) == ([example["input"]], [[example["kernel"]]])
    assert (widget.stride, widget.padding, widget.step) == (1, 0, 0)


def test_takes_tensors():
    x, w = torch.arange(18.0).reshape(2, 3, 3), torch.ones(2, 1, 2, 2, requires_grad=True)
    widget = TransposedConvolution(input=x, kernel=w)
    assert (widget.input, widget.kernel) == (x.tolist(), w.tolist())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input": torch.ones(2, 3, 3)}, "input has 2 channels, but kernel is for 1"),
        ({"output_padding": 1}, "output_padding 1 has to be smaller than stride 1"),
        ({"stride": 2, "output_padding": 2}, "output_padding 2 has to be smaller than stride 2"),
        ({"input": [[1]], "padding": 2}, r"padding 2 crops the whole output away: \[-1, -1\]"),
        ({"stride": 4}, "stride"),
        ({"padding": -1}, "padding"),
        ({"step": -1}, "step"),
        ({"input": torch.ones(9, 9)}, "input shows at most"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_with_a_reason(arguments, message):
    with pytest.raises(TraitError, match=message):
        TransposedConvolution(**arguments)


def test_yours_may_be_anything():
    """A student's result is often wrong in shape, and a look at it should not raise."""
    for shape in ((1, 1, 9, 9), (81,), (), (2, 9, 9), (40, 40)):
        widget = TransposedConvolution(stride=2, yours=torch.ones(shape))
        assert widget.yours == []
        assert widget.incomparable == f"shape {shape}: nothing to compare with (9, 9)"
    for nothing_like_it in (5, "text", {}, [[1], [2, 3]], torch.ones(9, 9).to_sparse()):
        assert TransposedConvolution(stride=2, yours=nothing_like_it).incomparable
    assert TransposedConvolution(stride=2, yours=torch.ones(8, 9)).incomparable == ""  # the view says so
    assert TransposedConvolution(stride=2).incomparable == ""


def test_yours_with_numbers_that_are_none():
    result = torch.zeros(9, 9)
    result[0, 0], result[0, 1] = float("nan"), -float("inf")
    widget = TransposedConvolution(stride=2, yours=result)
    assert widget.yours[0][0][:3] == ["nan", "-inf", 0.0]
    assert widget.incomparable == ""
