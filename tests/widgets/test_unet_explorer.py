"""What the explorer says of a U-Net is what `pixelwise.UNet` does: shapes, costs, sight, legal sizes."""

from __future__ import annotations

import random
import re
from itertools import chain, combinations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from traitlets import TraitError

from pixelwise import UNet
from pixelwise.unet import CopyAndCrop
from pixelwise.widgets import UNetExplorer

CORE = "core/unet_shapes.js"
PAPER = {
    "in_channels": 1, "num_classes": 2, "base_channels": 64, "depth": 4, "padding": 0, "copy_paths": True,
}  # fmt: skip


def network(settings: dict) -> UNet:
    """It without the memory of its weights."""
    with torch.device("meta"):
        return UNet(**settings).eval()


def random_settings(rng: random.Random) -> dict:
    return {
        "in_channels": rng.randint(1, 5),
        "num_classes": rng.randint(1, 6),
        "base_channels": rng.choice([1, 3, 8, 12, 64]),
        "depth": rng.randint(1, 5),
        "padding": rng.randint(0, 1),
        "copy_paths": rng.random() < 0.75,
    }


@pytest.fixture(scope="module")
def configurations() -> list[tuple[dict, int]]:
    """Settings with a legal size."""
    rng = random.Random(0)
    found = [(PAPER, 572)]
    while len(found) < 120:
        settings = random_settings(rng)
        found.append((settings, rng.choice(network(settings).legal_input_sizes(1, 700))))
    return found


@pytest.fixture(scope="module")
def described(call_js, configurations) -> list[dict]:
    return call_js(CORE, [["describeUNet", settings, size] for settings, size in configurations])


# ---- the arithmetic -------------------------------------------------------------------------------------


def test_every_layer_is_that_of_describe(configurations, described):
    for (settings, size), ours in zip(configurations, described, strict=True):
        image, *layers = ours["layers"]
        assert ours["broken"] is None
        assert (image["channels"], image["size"]) == (settings["in_channels"], size)
        right = network(settings).describe(size).layers
        shown = [(r["part"], r["operation"], r["channels"], r["size"], r["parameters"]) for r in layers]
        assert shown == [(r.part, r.operation, r.channels, r.height, r.parameters) for r in right], settings


def test_parameters_by_part(configurations, described):
    for (settings, _), ours in zip(configurations, described, strict=True):
        right = network(settings).parameter_count()
        parts: dict[str, int] = {}
        for row in ours["layers"]:
            parts[row["part"]] = parts.get(row["part"], 0) + row["parameters"]
        assert {part: count for part, count in parts.items() if count} == {
            part: count for part, count in right.items() if part != "total"
        }
        assert sum(parts.values()) == right["total"]


def test_multiply_adds_are_half_of_what_pytorch_counts(configurations, described):
    """… which counts a multiplication and an addition as two, and no biases either."""
    for (settings, size), ours in list(zip(configurations, described, strict=True))[:40]:
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            network(settings)(torch.empty(1, settings["in_channels"], size, size, device="meta"))
        assert 2 * sum(row["multiplyAdds"] for row in ours["layers"]) == counter.get_total_flops(), settings


def test_legal_sizes_and_the_nearest(call_js):
    rng = random.Random(1)
    for _ in range(12):
        settings = random_settings(rng)
        net = network(settings)
        legal = set(net.legal_input_sizes(1, 460))
        taken = call_js(CORE, [["takes", settings, size] for size in range(1, 461)])
        assert {size for size, takes in enumerate(taken, 1) if takes} == legal
        illegal = [size for size in range(1, 461) if size not in legal]
        for size, near in zip(
            illegal, call_js(CORE, [["nearestLegal", settings, size] for size in illegal]), strict=True
        ):
            assert [n for n in near if n is not None] == net._nearest(size), (settings, size)


class Stop(Exception):
    pass


def first_to_fail(settings: dict, size: int) -> int | None:
    """PyTorch without our check: the position of the layer that fails or drops a row; the image is 0."""
    net = network(settings)
    net._check_image = lambda x: None
    done = 0

    def count(*_):
        nonlocal done
        done += 1

    def refuse_odd(module, inputs):
        if inputs[0].shape[-1] % 2:
            raise Stop

    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, CopyAndCrop)):
            module.register_forward_hook(count)
        if isinstance(module, nn.MaxPool2d):
            module.register_forward_pre_hook(refuse_odd)
    try:
        with torch.no_grad():
            net(torch.empty(1, settings["in_channels"], size, size, device="meta"))
    except (Stop, RuntimeError):
        return done + 1
    return None


def test_the_layer_that_breaks_is_the_one_where_pytorch_breaks(call_js):
    rng = random.Random(2)
    cases = [(PAPER, size) for size in (1, 2, 5, 20, 100, 140, 184, 187, 556, 570, 571, 572)]
    cases += [(random_settings(rng) | {"base_channels": 2}, rng.randint(1, 240)) for _ in range(60)]
    results = call_js(CORE, [["describeUNet", settings, size] for settings, size in cases])
    reasons = set()
    for (settings, size), ours in zip(cases, results, strict=True):
        assert ours["broken"] == first_to_fail(settings, size), (settings, size)
        if ours["broken"]:
            reasons.add(ours["layers"][ours["broken"]]["operation"])
    assert reasons == {"convolution 3 × 3", "max pooling 2 × 2"}


def fields(settings: dict, size: int, last: int) -> list[int]:
    """For each of the last layers, how many rows of the image one number depends on: the most, by autograd.

    All weights are positive, so that nothing cancels, and the mean stands for the maximum, which lets only
    one pixel through.
    """
    net = UNet(**settings).eval()
    net.pool = nn.AvgPool2d(2)
    outputs: list[torch.Tensor] = []
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.AvgPool2d, CopyAndCrop)):
            module.register_forward_hook(lambda m, inputs, y: outputs.append(y))
    for weight in net.parameters():
        nn.init.constant_(weight, 0.3)
    width = net.legal_input_sizes()[0]  # rows are what counts
    image = torch.ones(1, settings["in_channels"], size, width, requires_grad=True)
    net(image)
    found = []
    for y in outputs[-last:]:
        # positions of the middle, as many as there are kinds
        first = max(0, y.shape[-2] // 2 - net.multiple // 2)
        seen = []
        for row in range(first, min(y.shape[-2], first + net.multiple)):
            (gradient,) = torch.autograd.grad(y[0, -1, row].sum(), image, retain_graph=True)
            seen.append(int((gradient[0, 0].sum(1) > 0).sum()))
        found.append(max(seen))
    return found


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"depth": 1}, 40),
        ({"depth": 2}, 92),
        ({"depth": 2, "padding": 1}, 100),
        ({"depth": 3, "padding": 1}, 232),
        ({"depth": 4}, 204),
        ({"depth": 2, "copy_paths": False}, 92),
    ],
)
def test_receptive_fields_are_those_of_autograd(call_js, changes, size):
    settings = PAPER | {"base_channels": 1} | changes
    (ours,) = call_js(CORE, [["describeUNet", settings, size]])
    last = 4 if settings["depth"] == 4 else len(ours["layers"]) - 1  # the paper's depth takes its time
    right = fields(settings, size, last)
    assert [row["receptiveField"] for row in ours["layers"][-last:]] == right


def test_the_build_adds_every_layer_once_and_takes_13_steps_for_the_paper(call_js):
    for depth in range(1, 6):
        for copies in (True, False):
            (net,) = call_js(CORE, [["describeUNet", PAPER | {"depth": depth, "copy_paths": copies}, 700]])
            (steps,) = call_js(CORE, [["buildSteps", net["layers"]]])
            assert list(chain(*steps)) == list(range(len(net["layers"])))
            assert len(steps) - 1 == 2 * depth + (5 if copies else 4)
            assert steps[0] == [0] and len(steps[-1]) == 1
    assert len(call_js(CORE, [["buildSteps", network_layers(call_js)]])[0]) - 1 == 13


def network_layers(call_js) -> list[dict]:
    return call_js(CORE, [["describeUNet", PAPER, 572]])[0]["layers"]


# ---- what is drawn --------------------------------------------------------------------------------------


def said(html: str, kind: str) -> str:
    (text,) = re.findall(rf'<(\w+)[^>]*class="{kind}"[^>]*>(.*?)</\1>', html)
    return re.sub(r"<[^>]*>", "", text[1])


def facts(html: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html))


TWO = (
    "Two 3 × 3 convolutions, each with a ReLU, from {} channels to {}. Each takes a pixel off every side: {}."
)
ONE_MORE = "Level {} repeats this: up-convolution, copy and crop, two convolutions: {}, {} channels."
#: The paper's figure, as the steps tell it.
STEPS = [
    "The image: 1 channel of 572 × 572 pixels.",
    TWO.format(1, 64, "572 → 570 → 568").replace("1 channels", "1 channel"),
    "Max pooling keeps the largest number of each 2 × 2 block: 568 → 284, still 64 channels.",
    TWO.format(64, 128, "284 → 282 → 280"),
    "Level 3 repeats this: pooling and two convolutions, 280 → 140 → 138 → 136, 256 channels.",
    "Level 4 repeats this: pooling and two convolutions, 136 → 68 → 66 → 64, 512 channels.",
    "The bottom: pooling and two convolutions, 64 → 32 → 30 → 28. It has the most channels, 1024, on the "
    "smallest map.",
    "The up-convolution, a transposed convolution with a 2 × 2 kernel and stride 2, doubles rows and columns "
    "and halves the channels: 28 → 56, 512 channels.",
    "Copy and crop: the 512 channels of level 4 are cropped by 4 at every side, 64 → 56, and stand beside "
    "the 512 from below: 1024 channels.",
    TWO.format(1024, 512, "56 → 54 → 52"),
    ONE_MORE.format(3, "52 → 104 → 104 → 102 → 100", 256),
    ONE_MORE.format(2, "100 → 200 → 200 → 198 → 196", 128),
    ONE_MORE.format(1, "196 → 392 → 392 → 390 → 388", 64),
    "A 1 × 1 convolution turns the 64 numbers at each position into 2 class scores. Of 572 × 572 positions, "
    "the 388 × 388 in the middle have theirs.",
]


def test_the_steps_tell_the_papers_figure(draw_widgets):
    pictures = draw_widgets(*(UNetExplorer(step=step) for step in range(15)))
    assert [said(html, "pw-says") for html in pictures] == [*STEPS, STEPS[-1]]
    for step, html in enumerate(pictures[:14]):
        assert f"{step} / 13" in html
        assert ("pw-ghost" in html) == (step < 13)


def test_a_layer_says_its_numbers(draw_widgets):
    first, copy, up, scores = draw_widgets(*(UNetExplorer(selected=k) for k in (1, 28, 15, 31)))
    assert facts(first) == {
        "puts out": "64 × 570 × 570",
        "parameters": "3 · 3 · 1 · 64 + 64 = 640",
        "multiply-adds": "3 · 3 · 1 · 64 · 570 · 570 = 187.1 million",
        "sees": "3 × 3 pixels of the image",
    }
    assert said(copy, "pw-layer-title") == "copy and crop · expanding path, level 1"
    assert 'aria-label="copied: 568 × 568, 88 of 568 rows are cut at each side"' in copy
    assert facts(up)["parameters"] == "2 · 2 · 1024 · 512 + 512 = 2,097,664"
    assert facts(scores)["parameters"] == "64 · 2 + 2 = 130"


def product(text: str) -> int:
    """The value of `3 · 3 · 64 · 64 + 64`."""
    return eval(text.replace("·", "*"))


def test_the_sums_in_the_facts_add_up(draw_widgets, call_js):
    for settings, size in ((PAPER, 572), (PAPER | {"depth": 2, "padding": 1, "in_channels": 3}, 64)):
        (net,) = call_js(CORE, [["describeUNet", settings, size]])
        widgets = [UNetExplorer(**settings, size=size, selected=k) for k in range(len(net["layers"]))]
        for layer, html in zip(net["layers"], draw_widgets(*widgets), strict=True):
            shown = facts(html)
            if layer["parameters"]:
                sum_, total = shown["parameters"].split(" = ")
                assert product(sum_) == layer["parameters"] == int(total.replace(",", ""))
                assert product(shown["multiply-adds"].split(" = ")[0]) == layer["multiplyAdds"]
            else:
                assert shown["parameters"] == shown["multiply-adds"] == "none"


ODD = "{} breaks: the pooling of level {} meets {} rows, an odd number: one would be left over."
NOTHING = "{} breaks: a 3 × 3 convolution of {} finds only {}: nothing would be left."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"size": 571}, ODD.format(571, 1, 567)),
        ({"size": 570}, ODD.format(570, 2, 279)),
        ({"size": 3}, NOTHING.format(3, "level 1", "1 × 1")),
        ({"size": 92}, NOTHING.format(92, "the bottom", "2 × 2")),
        ({"size": 8, "padding": 1}, "8 breaks: the pooling of level 4 meets 1 row, and cannot pair it."),
        ({}, "572 is legal: 388 × 388 scores. 31,030,658 parameters, 150.4 billion multiply-adds."),
    ],
)
def test_the_verdict(draw_widgets, arguments, sentence):
    (html,) = draw_widgets(UNetExplorer(**arguments))
    assert said(html, "pw-says pw-verdict") == sentence
    assert (html.count("pw-broken") == 1) == ("breaks" in sentence)


def test_the_nearest_legal_sizes_are_offered(draw_widgets):
    for size, near in ((571, ["556", "572"]), (572, ["556", "588"]), (100, ["none", "188"])):
        (html,) = draw_widgets(UNetExplorer(size=size))
        assert re.findall(r'pw-text-button"[^>]*><span>(\w+)</span>', html) == near


def test_the_lines_of_pytorch_make_this_network(call_js, configurations):
    for settings, size in [*configurations[:6], (PAPER, 571)]:
        (net,) = call_js(CORE, [["describeUNet", settings, size]])
        legal = net["broken"] is None
        shown = {"settings": settings, "size": size, "legal": legal, "layers": net["layers"]}
        (text,) = call_js("unet_explorer.js", [["pytorchLines", shown]])
        x = torch.empty(1, settings["in_channels"], size, size, device="meta")
        names = {"UNet": UNet, "x": x}
        with torch.device("meta"):
            if not legal:
                with pytest.raises(ValueError, match="nearest legal"):
                    exec(text, names)
                continue
            exec(text, names)
        assert names["net"].parameter_count() == network(settings).parameter_count()
        assert f"x {tuple(x.shape)}" in text and f"y {tuple(names['y'].shape)}" in text


def boxes(html: str) -> list[dict[str, float]]:
    found = re.findall(r'<rect[^>]*class="pw-box"[^>]*>', html)
    read = lambda text, name: float(re.search(rf' {name}="([\d.]+)"', text)[1])  # noqa: E731
    return [{name: read(text, name) for name in ("x", "y", "width", "height")} for text in found]


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    """By more than the rounding."""
    return all(
        min(one[at] + one[length], other[at] + other[length]) - max(one[at], other[at]) > 0.2
        for at, length in (("x", "width"), ("y", "height"))
    )


def test_boxes_are_to_scale_apart_and_inside_the_picture(draw_widgets, call_js, configurations):
    cases = [c for c in configurations if c[0]["base_channels"] >= 8][:30]
    cases += [(PAPER | {"depth": depth, "padding": 1}, 512) for depth in (1, 5)]
    pictures = draw_widgets(*(UNetExplorer(**settings, size=size) for settings, size in cases))
    nets = call_js(CORE, [["describeUNet", settings, size] for settings, size in cases])
    for (_, size), html, net in zip(cases, pictures, nets, strict=True):
        (picture,) = re.findall(r'<svg [^>]*class="pw-unet"[^>]*>', html)
        width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', picture).groups())
        found = boxes(html)
        scale = found[0]["height"] / size
        for box, layer in zip(found, net["layers"], strict=True):
            assert box["height"] == pytest.approx(max(5, layer["size"] * scale), abs=0.15)
            assert min(box["x"], box["y"]) >= 0
            assert box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
        assert not any(overlap(*pair) for pair in combinations(found, 2))


# ---- the Python side ------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    {"depth": 0}, {"depth": 6}, {"padding": 2}, {"base_channels": 0}, {"size": 0}, {"num_classes": 65},
    {"selected": -2}, {"step": -1},
])  # fmt: skip
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(TraitError, match=next(iter(arguments))):
        UNetExplorer(**arguments)
