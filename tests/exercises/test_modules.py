"""The way into students' modules, and the network whose sizes problem set 3 asks for."""

from __future__ import annotations

import re
import textwrap

import pytest
import torch
from torch import nn

import pixelwise
from pixelwise.checks import CheckFailed, ps3
from pixelwise.checks.modules import count, fill, numbers, run, run_case
from pixelwise.checks.observe import observe
from pixelwise.checks.ps3.given import LAYERS, ROWS, Reading
from pixelwise.checks.ps3.networks import Net, Plan
from pixelwise.checks.ps3.picture import print_scores

from .answers import ps3 as answers

SMALL = {"in_channels": 1, "num_classes": 2, "base_channels": 2, "depth": 1}


def test_names_and_order_of_layers_are_free():
    x = {"x": numbers(1, 1, 18, 18)}
    right = run(Plan(Net), SMALL, x)
    assert right.abs().max() > 0.1
    for cls in (answers.WithAPile, answers.Recursive, answers.NumberedAttributes, answers.FunctionsOnly):
        torch.testing.assert_close(run(cls, SMALL, x), right)


def test_the_reference_is_the_librarys_network():
    """The library's own weights are filled alike, so that its results are the same."""
    for padding, size in ((0, 44), (1, 16)):
        settings = SMALL | {"depth": 2, "padding": padding}
        x = numbers(1, 1, size, size + 4)
        theirs = fill(pixelwise.UNet(**settings)).eval()
        torch.testing.assert_close(run(Plan(Net), settings, {"x": x}), theirs(x))
    assert count(Plan(Net), {"in_channels": 1, "num_classes": 2}) == 31030658


def test_what_a_module_costs_is_nothing_on_meta_and_no_random_number():
    before = torch.get_rng_state()
    x = torch.empty(1, 1, 572, 572, device="meta")
    assert run(Plan(Net), {"in_channels": 1, "num_classes": 2}, {"x": x}).shape == (1, 2, 388, 388)
    run(answers.WithAPile, SMALL, {"x": numbers(1, 1, 18, 18)})
    assert torch.equal(torch.get_rng_state(), before)


def test_a_layer_that_finds_its_own_size_is_welcome():
    class Lazy(nn.Module):
        def __init__(self, in_channels, out_channels, padding=0):
            super().__init__()
            self.first = nn.LazyConv2d(out_channels, 3, padding=padding)
            self.second = nn.LazyConv2d(out_channels, 3, padding=padding)

        def forward(self, x):
            return self.second(self.first(x).relu()).relu()

    case = run_case({"in_channels": 2, "out_channels": 3}, {"x": (1, 2, 6, 6)}, gradients=True)
    seen, right = observe(Lazy, case), observe(answers.InSequence, case)
    torch.testing.assert_close(seen.value, right.value)
    torch.testing.assert_close(seen.gradients["x"], right.gradients["x"])


def test_a_class_that_is_no_module_is_said_to_be_none():
    seen = observe(lambda **settings: 3, run_case({}, {"x": (1, 1, 2, 2)}))
    assert "a torch.nn.Module is expected, not int" in seen.error


def test_the_case_in_a_message_can_be_pasted_into_a_cell():
    with pytest.raises(CheckFailed) as caught:
        ps3.unet_shallow(answers.ReLUAfterTheHead)
    message = str(caught.value)
    code = textwrap.dedent(re.findall(r"The smallest case that shows it.*:\n((?:    .*\n)+)", message)[0])
    *setup, call = code.strip().splitlines()
    names = {"torch": torch, "fill": fill, "numbers": numbers, "UNet": answers.WithAPile}
    exec("\n".join(setup), names)
    image, channel, row = re.findall(r"expected\[(\d+), (\d+)\]\n +.* {4}(\S.*)", message)[0]
    first_row = [float(number) for number in row.split()]
    assert eval(call, names)[int(image), int(channel), 0].tolist() == pytest.approx(first_row, rel=1e-3)


def test_predictions_show_nothing_of_what_is_right():
    def always(question):
        return 77

    with pytest.raises(CheckFailed) as caught:
        ps3.predicted_down(always)
    assert "your result: 77" in str(caught.value)
    assert "expected" not in str(caught.value)
    assert "94" not in str(caught.value)


def test_the_given_network_in_pytorch():
    """Every answer that the arithmetic gives, measured on the layers themselves."""
    channels, rows, maps, cuts, parameters = 1, [], [], [], {}
    x = torch.empty(1, 1, ROWS, ROWS, device="meta")
    for number, (kind, size, out) in enumerate(LAYERS, 1):
        if kind == "join":
            copied = maps[size - 1]
            cuts.append((copied.shape[2] - x.shape[2]) / 2)
            x = torch.cat([copied[:, :, : x.shape[2], : x.shape[2]], x], 1)
        else:
            layer = {
                "convolution": lambda c=channels, o=out, k=size: nn.Conv2d(c, o, k),
                "up": lambda c=channels, o=out, k=size: nn.ConvTranspose2d(c, o, k, stride=k),
                "pooling": lambda k=size: nn.MaxPool2d(k),
            }[kind]().to("meta")
            if kind == "pooling":
                assert x.shape[2] % size == 0
            parameters[number] = sum(weights.numel() for weights in layer.parameters())
            x = layer(x)
        maps.append(x)
        rows.append(x.shape[2])
        channels = x.shape[1]
        assert channels == out
    half = nn.Conv2d(12, 12, 3, device="meta")
    fewer = parameters[10] - sum(weights.numel() for weights in half.parameters())
    measured = [rows[1], rows[6], *cuts, rows[-1], maps[11].shape[1], parameters[10], fewer]
    assert measured == [Reading().answer(letter) for letter in "abcdeghi"]

    def legal(size):
        return (size - 6) % 2 == 0 and ((size - 6) // 2 - 2) % 3 == 0

    assert Reading().answer("f") == next(size for size in range(ROWS + 1, 200) if legal(size))


# --- What is said of a module that cannot be run ----------------------------------------------------------


def said(check, answer) -> str:
    with pytest.raises(CheckFailed) as caught:
        check(answer)
    return str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        answers.CopiesFirstFirst,
        answers.KeepsPooledMaps,
        answers.PoolsByOne,
        answers.PoolsTheBottom,
        answers.PadsTheWayDown,
        answers.BlocksInLists,
    ],
)
def test_a_crash_is_no_matter_of_the_device_if_the_cpu_has_it_too(answer):
    message = said(ps3.unet_outline, answer)
    assert "This is what you get when" in message
    assert "another device" not in message


def test_a_crash_that_nothing_explains_is_told_as_it_is():
    class Stops(answers.WithAPile):
        def forward(self, x):
            raise ValueError("as it is")

    message = said(ps3.unet_outline, Stops)
    assert "It raised an error:\n    ValueError: as it is\nin the line" in message


def test_a_crash_on_another_device_alone_is_a_matter_of_the_device():
    class ReadsNumbers(answers.WithAPile):
        def forward(self, x):
            return super().forward(x) + 0 * float(x.detach().sum())

    assert "another device than the CPU" in said(ps3.unet_outline, ReadsNumbers)


def test_the_same_size_is_not_the_same_mistake():
    for check, answer in (
        (ps3.center_crop_oblong, answers.nothing_but_99),
        (ps3.unet_shallow, answers.ScoresEnlarged),
    ):
        assert "what you get" not in said(check, answer)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (ps3.double_conv_layers, answers.NotRegistered),
        (ps3.double_conv_padding, answers.NotRegistered),
        (ps3.up_block_joins, answers.LevelInAList),
        (ps3.unet_outline, answers.BlocksInLists),
        (ps3.unet_learns, answers.BlocksInLists),
    ],
)
def test_layers_that_pytorch_does_not_find(check, answer):
    """They are said to be lost in every check, before random numbers could show."""
    message = said(check, answer)
    assert "`torch.nn.ModuleList`" in message
    assert "nan" not in message
    assert message == said(check, answer)


@pytest.mark.parametrize("value", [94.0, "11", None])
def test_a_prediction_that_is_no_whole_number(value):
    message = said(ps3.predicted_down, lambda question: value)
    assert "your result" not in message


def test_float32_does_not_hold_what_float64_cases_hold():
    x = run_case({}, {"x": (1, 2, 3, 4)}, dtype=torch.float64).arguments["x"]
    assert (x.float().double() != x).any()


# --- The sizes that a student's network makes -------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ([18, 20], "depth 1, padding 0: 18 → 2, 20 → 4\n"),
        ((18, 19), "19 → 2 (but a pooling meets 15 rows)"),
        ([13, 18], "13 → no scores (WithAPile raised RuntimeError), 18 → 2"),
        ([], "depth 1, padding 0: no size"),
        ({18}, "A list of whole numbers is needed, and yours is {18}."),
        ([18.0], "A list of whole numbers is needed, and yours is [18.0]."),
        (18, "A list of whole numbers is needed, and yours is 18."),
    ],
)
def test_sizes_are_shown_whatever_they_are(sizes, says, capsys):
    print_scores(answers.WithAPile, lambda depth, padding: sizes)
    assert says in capsys.readouterr().out
