"""ReceptiveField: what an output sees and what a stack costs, against autograd and PyTorch's own layers."""

from __future__ import annotations

import random
import re
from html import unescape

import pytest
import torch
from torch import nn
from traitlets import TraitError

from pixelwise.widgets import ReceptiveField
from pixelwise.widgets.receptive_field import LAYERS

CORE = "core/receptive_field.js"


def modules(stack: list[str]) -> nn.Sequential:
    """One-dimensional layers whose weights are all 1: the gradient counts paths. Pooling adds up."""
    made = {
        "conv": lambda: nn.Conv1d(1, 1, 3, padding=1, bias=False),
        "dilated": lambda: nn.Conv1d(1, 1, 3, padding=2, dilation=2, bias=False),
        "strided": lambda: nn.Conv1d(1, 1, 3, padding=1, stride=2, bias=False),
        "pool": lambda: nn.Conv1d(1, 1, 2, stride=2, bias=False),
        "up": lambda: nn.ConvTranspose1d(1, 1, 2, stride=2, bias=False),
    }
    net = nn.Sequential(*[made[word]() for word in stack]).double()
    for weight in net.parameters():
        nn.init.ones_(weight)
    return net


def stacks(count: int, most: int = 12) -> list[list[str]]:
    chance = random.Random(0)
    found: list[list[str]] = []
    while len(found) < count:
        stack, halvings = [], 0
        for _ in range(chance.randint(1, most)):
            word = chance.choice([w for w in LAYERS if 0 <= halvings + LAYERS[w] <= 4])
            halvings += LAYERS[word]
            stack.append(word)
        found.append(stack)
    return found


STACKS = stacks(150)


def gradients(stack: list[str]) -> torch.Tensor:
    """Paths to each output (row) from each of 64 inputs (column)."""
    net = modules(stack)
    outputs = net(torch.zeros(1, 1, 64).double()).shape[-1]
    x = torch.zeros(outputs, 1, 64, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(net(x), x, torch.eye(outputs).double()[:, None])[0][:, 0]


def test_what_is_seen_is_where_autograd_has_a_gradient_and_paths_are_its_size(call_js):
    chance = random.Random(1)
    calls, wanted = [], []
    for stack in STACKS:
        paths = gradients(stack)
        cell = chance.randrange(len(paths))
        calls.append(["pathsOf", stack, cell])
        wanted.append(paths[cell])
    for (_, stack, cell), got, want in zip(calls, call_js(CORE, calls), wanted, strict=True):
        paths = torch.zeros(64, dtype=torch.float64)
        for place, count in got:
            if 0 <= place < 64:
                paths[place] = count
        assert torch.equal(paths > 0, want > 0), (stack, cell)
        reached = [place for place, _ in got]
        if min(reached) >= 0 and max(reached) < 64:  # else zeros around an inner layer end some paths
            assert torch.equal(paths, want), (stack, cell)


def test_the_field_is_the_widest_gradient(call_js):
    """Over all outputs that do not see the border; some stacks see beyond the image everywhere."""
    compared = 0
    for stack, got in zip(STACKS, call_js(CORE, [["fields", stack] for stack in STACKS]), strict=True):
        seen = [row.nonzero().flatten() for row in gradients(stack)]
        widths = [int(s.max() - s.min()) + 1 for s in seen if s.min() > 0 and s.max() < 63]
        if len(widths) > 4 * 2 ** stack.count("up"):
            assert got[-1] == max(widths), stack
            compared += 1
    assert compared > 60


def test_without_upsampling_the_recurrence_holds(call_js):
    """r ← r + (k − 1) · d · j and j ← j · s, as chapter 2 derives it."""
    flat = [stack for stack in STACKS if "up" not in stack]
    both = [call_js(CORE, [[name, stack] for stack in flat]) for name in ("fields", "jumps")]
    for stack, fields, jumps in zip(flat, *both, strict=True):
        r = j = 1
        for depth, word in enumerate(stack, 1):
            r += {"conv": 2, "dilated": 4, "strided": 2, "pool": 1}[word] * j
            j *= 2 ** LAYERS[word]
            assert (fields[depth], jumps[depth]) == (r, j), stack


def lines(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html.split("<code>")[1].split("</code>")[0]))


@pytest.mark.parametrize("doubling", [False, True])
@pytest.mark.parametrize("size, channels", [(64, 16), (256, 64)])
def test_the_cost_is_that_of_the_layers_in_the_line_of_pytorch(
    call_js, draw_widgets, doubling, size, channels
):
    settings = {"size": size, "channels": channels, "doubling": doubling}
    some = STACKS[:12]
    drawn = draw_widgets(*[ReceptiveField(layers=" ".join(stack), **settings) for stack in some])
    for stack, html, cost in zip(
        some, drawn, call_js(CORE, [["cost", stack, settings] for stack in some]), strict=True
    ):
        net = eval(lines(html), {"nn": nn}).to("meta")
        x = torch.empty(1, 3, size, size, device="meta")
        products, held = 0, x.numel()
        for layer in net:
            y = layer(x)
            held += y.numel()
            if isinstance(layer, nn.ConvTranspose2d):  # each input times each weight
                products += x.numel() * layer.weight[0].numel()
            elif isinstance(layer, nn.Conv2d):  # each output is a sum of so many products
                products += y.numel() * layer.weight[0].numel()
            x = y
        parameters = sum(p.numel() for p in net.parameters())
        assert cost == {"multiplyAdds": products, "parameters": parameters, "bytes": 4 * held}, stack
        assert x.shape[1:] == (4, *[size // 2 ** sum(LAYERS[word] for word in stack)] * 2)


def test_the_flat_network_sees_as_far_and_no_shallower_one_does(call_js):
    for field, depth in zip(
        range(1, 40), call_js(CORE, [["flatDepth", f] for f in range(1, 40)]), strict=True
    ):
        assert 2 * depth + 1 >= field > 2 * (depth - 1) + 1


def test_layers_of_a_link_that_cannot_be_built_are_left_out(call_js):
    texts = ["up conv", "conv nonsense pool", "pool " * 6, "conv " * 20, ""]
    got = call_js(CORE, [["readLayers", text] for text in texts])
    assert got == [["conv"], ["conv", "pool"], ["pool"] * 4, ["conv"] * 16, []]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": "conv blur"}, "layer 2 is 'blur', not one of conv, dilated"),
        ({"layers": "conv up"}, "after layer 2, 'up', the map would be larger than the image"),
        ({"layers": "pool pool pool pool strided"}, "after layer 5, 'strided', .* more than 4 times"),
        ({"layers": "conv " * 17}, "at most 16 layers, got 17"),
        ({"cell": [64, 0]}, "cell"),
        ({"size": 100}, "size"),
    ],
)
def test_stacks_that_cannot_be_built_are_refused_with_a_reason(arguments, message):
    with pytest.raises(TraitError, match=message):
        ReceptiveField(**arguments)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ("conv conv", "Output [29, 36] sees 5 × 5 pixels. 5 = 1 + 2 · 1 + 2 · 1"),
        ("conv pool conv", "Output [14, 18] sees 8 × 8 pixels. 8 = 1 + 2 · 1 + 1 · 1 + 2 · 2"),
        ("", "Output [29, 36] sees 1 × 1 pixels. 1"),
        ("pool conv up", "Output [29, 36] sees 6 × 6 pixels. No output sees more than 6 × 6."),
    ],
)
def test_the_sentence(draw_widgets, layers, says):
    (html,) = draw_widgets(ReceptiveField(layers=layers))
    assert re.sub(r"<[^>]*>", "", re.search(r"<output[^>]*>(.*?)</output>", html)[1]) == says


def test_at_the_border_the_widget_says_that_padding_is_seen(draw_widgets):
    (html,) = draw_widgets(ReceptiveField(layers="conv conv", cell=[1, 30]))
    assert "partly beyond the border" in html
