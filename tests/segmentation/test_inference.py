"""Tiles against the whole image."""

from __future__ import annotations

import pytest
import torch

from pixelwise.inference import mirrored, predict
from pixelwise.unet import UPSAMPLINGS, FlatNet, UNet

NETS = [
    *({"padding": padding, "upsampling": up} for padding in (0, 1) for up in UPSAMPLINGS),
    {"padding": 1, "norm": "batch"},
]


def net_of(options: dict) -> UNet:
    net = UNet(2, 3, base_channels=4, depth=2, **options)
    for module in net.modules():  # batch norm with statistics worth the name
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    return net.eval()


@pytest.mark.parametrize("options", NETS, ids=lambda o: "-".join(map(str, o.values())))
def test_tiles_equal_the_whole_in_the_interior(options, device):
    net, images = net_of(options).to(device), torch.rand(2, 2, 83, 90, device=device)
    whole, tiled = predict(net, images), predict(net, images, tile=24, batch_size=3)
    assert whole.shape == tiled.shape == (2, 3, 83, 90)
    edge = net.edge
    inside = (..., slice(edge, 83 - edge), slice(edge, 90 - edge))
    torch.testing.assert_close(tiled[inside], whole[inside], atol=1e-4, rtol=1e-4)
    if edge:  # and `edge` is not larger than it has to be
        ring = (..., slice(edge - 1, 84 - edge), slice(edge - 1, 91 - edge))
        assert (tiled[ring] - whole[ring]).abs().max() > 1e-4


@pytest.mark.parametrize("options", [{"padding": 0}, {"padding": 1, "norm": "batch"}])
def test_the_whole_is_the_network_itself(options):
    """Where the network takes the image as it is, nothing is added; without padding, only the margin."""
    net, images = net_of(options), torch.rand(1, 2, 84, 100)
    with torch.no_grad():
        scores = net(images)
    margin = net.margin
    expected = predict(net, images)[..., margin : 84 - margin, margin : 100 - margin]
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (17, 20), (41, 7)])
@pytest.mark.parametrize("padding", [0, 1])
def test_any_size_has_scores(size, padding):
    net = net_of({"padding": padding})
    for tile in (None, 16):
        scores = predict(net, torch.rand(1, 2, *size), tile)
        assert scores.shape == (1, 3, *size) and scores.isfinite().all()


def test_the_flat_network_is_tiled_too():
    for padding in (0, 1):
        net, images = FlatNet(2, 3, channels=4, layers=3, padding=padding), torch.rand(1, 2, 31, 40)
        whole, tiled = predict(net, images), predict(net, images, tile=10)
        torch.testing.assert_close(whole[..., 3:-3, 3:-3], tiled[..., 3:-3, 3:-3])


def test_tiles_do_not_depend_on_their_size():
    net, images = net_of({"padding": 0}), torch.rand(1, 2, 60, 60)
    for tile in (4, 20, 200):
        torch.testing.assert_close(predict(net, images, tile), predict(net, images), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_mirrors(size):
    row = torch.arange(size)
    ways = {1: [0] * 9, 2: [0, 1, 0, 1, 0, 1, 0, 1, 0], 5: [4, 3, 2, 1, 0, 1, 2, 3, 4]}
    assert mirrored(torch.arange(-4, 5), size).tolist() == ways[size]
    assert mirrored(row, size).equal(row)


def test_the_mode_stays():
    net = UNet(1, 2, 4, 1, padding=1, norm="batch").train()
    before = net.contracting_path[0][1].running_mean.clone()
    predict(net, torch.rand(1, 1, 8, 8))
    assert net.training and net.contracting_path[0][1].running_mean.equal(before)
