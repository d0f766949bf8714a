"""Folding, half precision and the JavaScript forward pass give PyTorch's scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pixelwise import UNet
from pixelwise.export import export, fold_batch_norm, in_half_precision
from pixelwise.unet import Bilinear, FlatNet

CORE = "core/unet.js"

#: What the course uses, and what it does not: odd channels, every depth, every upsampling.
ARCHITECTURES = {
    "scenes": {"in_channels": 3, "num_classes": 4, "base_channels": 8, "depth": 3},
    "brain": {"in_channels": 1, "num_classes": 4, "base_channels": 8, "depth": 3},
    "shallow": {"in_channels": 1, "num_classes": 2, "base_channels": 4, "depth": 1},
    "odd channels": {"in_channels": 2, "num_classes": 3, "base_channels": 5, "depth": 2},
    "deep": {"in_channels": 3, "num_classes": 5, "base_channels": 2, "depth": 4},
    "pixel shuffle": {"in_channels": 1, "num_classes": 3, "base_channels": 3, "upsampling": "pixel_shuffle"},
    "bilinear": {"in_channels": 1, "num_classes": 3, "base_channels": 4, "upsampling": "bilinear"},
    "without copies": {"in_channels": 3, "num_classes": 4, "base_channels": 6, "copy_paths": False},
    "without norm": {"in_channels": 1, "num_classes": 2, "base_channels": 4, "norm": None},
}


def lived_in(seed=0, **settings) -> UNet:
    """A network whose batch norms and biases are as after a training, not as at the start."""
    torch.manual_seed(seed)
    net = UNet(**{"depth": 2, "padding": 1, "norm": "batch"} | settings)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.3, 2)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.2)
    return net.eval()


def image_for(net: UNet, height=32, width=48) -> torch.Tensor:
    return torch.rand(1, net.in_channels, height, width)


def in_javascript(call_js, net, image, **options):
    """The scores (K, H, W) and the features that `core/unet.js` computes."""
    exported = export(net)
    arguments = [exported.description, list(exported.weights), image.flatten().tolist(), *image.shape[-2:]]
    (result,) = call_js(CORE, [["scoresOf", *arguments, options]])
    scores = torch.tensor(result["scores"]).reshape(net.num_classes, *image.shape[-2:])
    return scores, [torch.tensor(feature) for feature in result["features"]]


@pytest.fixture(params=ARCHITECTURES)
def net(request) -> UNet:
    return lived_in(**ARCHITECTURES[request.param])


# ---- in PyTorch -----------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_folded_network_gives_the_same_scores(net):
    folded = fold_batch_norm(net.train())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert net.training, "the network itself stays as it was"
    image = image_for(net)
    torch.testing.assert_close(folded(image), net.eval()(image), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_half_precision_moves_the_scores_a_little(net):
    image = image_for(net)
    scores, rounded = net(image), in_half_precision(net)(image)
    assert not torch.equal(scores, rounded)
    assert (scores - rounded).abs().max() < 0.01 * scores.abs().max()


def test_two_bytes_a_parameter(net):
    exported = export(net)
    folded = fold_batch_norm(net)
    assert len(exported.weights) == 2 * folded.parameter_count()["total"]
    first = folded.contracting_path[0][0].weight
    begin = torch.from_numpy(np.frombuffer(exported.weights, "<f2")[: first.numel()].astype(np.float32))
    assert torch.equal(begin, first.flatten().half().float())
    assert UNet(**exported.description, padding=1).parameter_count() == folded.parameter_count()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: FlatNet(1, 2), TypeError, "takes a pixelwise.UNet, got FlatNet"),
        (lambda: nn.Conv2d(1, 2, 3), TypeError, "takes a pixelwise.UNet, got Conv2d"),
        (lambda: UNet(1, 2, 4, 1), ValueError, "build the UNet with padding=1"),
    ],
)
def test_other_networks_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        export(make())


@pytest.mark.parametrize(
    ("value", "message"),
    [(float("nan"), "head.weight holds NaN"), (1e5, "head.weight holds 100000, and half precision ends")],
)
def test_weights_that_half_precision_cannot_hold_are_refused(value, message):
    net = UNet(1, 2, 4, 1, padding=1)
    nn.init.constant_(net.head.weight, value)
    with pytest.raises(ValueError, match=message):
        export(net)


# ---- in JavaScript --------------------------------------------------------------------------------------


@torch.no_grad()
def test_javascript_gives_the_scores_of_pytorch(call_js, net):
    image = image_for(net)
    want = in_half_precision(net)(image)[0]
    got, _ = in_javascript(call_js, net, image)
    assert want.std() > 0.1, "a network that says the same everywhere tests nothing"
    torch.testing.assert_close(got, want, rtol=0, atol=1e-3)
    assert (
        torch.equal(got.argmax(0), want.argmax(0)) or (got.argmax(0) == want.argmax(0)).float().mean() > 0.999
    )


@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, {"upsampling": "bilinear"}, {"copy_paths": False}])
def test_every_feature_map_is_that_of_pytorch(call_js, settings):
    """One layer after the other, in the order and at the resolution in which PyTorch has them."""
    net = lived_in(in_channels=1, num_classes=3, base_channels=4, depth=2, **settings)
    half, image, seen = in_half_precision(net), image_for(net, 16, 24), []
    for module in half.modules():
        pointwise = isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
        if pointwise or isinstance(module, (nn.ReLU, nn.MaxPool2d, nn.ConvTranspose2d, Bilinear)):
            module.register_forward_hook(lambda _module, _x, y: seen.append(y[0].clone()))
    half(image)
    (layers,) = call_js(CORE, [["layersOf", export(net).description]])
    assert len(layers) == len(seen)
    _, features = in_javascript(call_js, net, image, layers=list(range(len(layers))))
    for layer, got, want in zip(layers, features, seen, strict=True):
        assert (layer["channels"], 16 >> layer["level"]) == want.shape[:2], layer["name"]
        torch.testing.assert_close(
            got.reshape(want.shape), want, rtol=0, atol=1e-3, msg=lambda m, n=layer["name"]: f"{n}: {m}"
        )


@torch.no_grad()
@pytest.mark.parametrize("name", ["scenes", "odd channels", "bilinear"])
def test_without_copies_is_as_with_zeros_for_them(call_js, name):
    net = lived_in(**ARCHITECTURES[name])
    half, image = in_half_precision(net), image_for(net)
    plain = half(image)[0]
    for block in half.expanding_path:
        copy_and_crop = block.copy_and_crop
        copy_and_crop.register_forward_pre_hook(lambda _m, given: (torch.zeros_like(given[0]), given[1]))
    want = half(image)[0]
    got, _ = in_javascript(call_js, net, image, copies=False)
    assert (want - plain).abs().max() > 0.1
    torch.testing.assert_close(got, want, rtol=0, atol=1e-3)


def test_half_precision_is_read_to_the_bit(call_js):
    """Also what is below 2⁻¹⁴, where the format has no leading one."""
    values = np.array([0, 6e-8, -3e-5, 6.1e-5, 1 / 3, -1, 2047, 65504, -65504], np.float16)
    got = call_js(CORE, [["fromHalf", int(bits)] for bits in values.view(np.uint16)])
    assert got == values.tolist()


@pytest.mark.parametrize(
    ("change", "height", "message"),
    [
        (lambda weights: weights[:-2], 16, "needs more weights"),
        (lambda weights: weights + b"\0\0", 16, r"but \d+ were given"),
        (lambda weights: weights, 15, "multiples of 2, not 15 × 16"),
    ],
)
def test_javascript_refuses_what_does_not_fit(call_js, change, height, message):
    exported = export(UNet(1, 1, 1, 1, padding=1))
    arguments = [exported.description, list(change(exported.weights)), [0.5] * height * 16, height, 16]
    with pytest.raises(AssertionError, match=message):
        call_js(CORE, [["scoresOf", *arguments]])
