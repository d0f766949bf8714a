"""The U-Net against the paper's figure 1, and its variants against what they say of themselves."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pixelwise.unet import UPSAMPLINGS, CopyAndCrop, FlatNet, UNet, centre_crop, up_convolution

# Figure 1 of the paper, arrow by arrow: (operation, channels, size).
FIGURE = [
    ("convolution 3 × 3", 64, 570),
    ("convolution 3 × 3", 64, 568),
    ("max pooling 2 × 2", 64, 284),
    ("convolution 3 × 3", 128, 282),
    ("convolution 3 × 3", 128, 280),
    ("max pooling 2 × 2", 128, 140),
    ("convolution 3 × 3", 256, 138),
    ("convolution 3 × 3", 256, 136),
    ("max pooling 2 × 2", 256, 68),
    ("convolution 3 × 3", 512, 66),
    ("convolution 3 × 3", 512, 64),
    ("max pooling 2 × 2", 512, 32),
    ("convolution 3 × 3", 1024, 30),
    ("convolution 3 × 3", 1024, 28),
    ("up-convolution (transposed)", 512, 56),
    ("copy and crop", 1024, 56),
    ("convolution 3 × 3", 512, 54),
    ("convolution 3 × 3", 512, 52),
    ("up-convolution (transposed)", 256, 104),
    ("copy and crop", 512, 104),
    ("convolution 3 × 3", 256, 102),
    ("convolution 3 × 3", 256, 100),
    ("up-convolution (transposed)", 128, 200),
    ("copy and crop", 256, 200),
    ("convolution 3 × 3", 128, 198),
    ("convolution 3 × 3", 128, 196),
    ("up-convolution (transposed)", 64, 392),
    ("copy and crop", 128, 392),
    ("convolution 3 × 3", 64, 390),
    ("convolution 3 × 3", 64, 388),
    ("convolution 1 × 1", 2, 388),
]


@pytest.fixture(scope="module")
def paper() -> UNet:
    with torch.device("meta"):  # 31 million weights without their memory
        return UNet(1, 2)


def small(**options) -> UNet:
    return UNet(2, 3, base_channels=4, depth=2, **options).eval()


def test_every_layer_is_the_papers(paper):
    layers = paper.describe(572).layers
    assert [(r.operation, r.channels, r.height) for r in layers] == FIGURE
    assert all(r.height == r.width for r in layers)
    assert paper.output_size(572) == (388, 388)


def test_parameters_of_the_paper_and_their_split(paper):
    def double(before, after):
        return 9 * before * after + after + 9 * after * after + after

    channels = [64, 128, 256, 512]
    expected = {
        "contracting path": sum(double(a, b) for a, b in zip([1, *channels], channels, strict=False)),
        "bottom": double(512, 1024),
        "up-convolutions": sum(4 * 2 * c * c + c for c in channels),
        "expanding path": sum(double(2 * c, c) for c in channels),
        "head": 64 * 2 + 2,
        "total": 31_030_658,
    }
    assert paper.parameter_count() == expected
    assert sum(row.parameters for row in paper.describe(572).layers) == 31_030_658


def test_the_table_prints(paper):
    text = str(paper.describe(572))
    assert text.splitlines()[1].split() == [
        "contracting",
        "path",
        "convolution",
        "3",
        "×",
        "3",
        "64",
        "570",
        "570",
        "640",
    ]
    assert text.endswith("31,030,658")


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("padding", [0, 1])
def test_legal_sizes_are_those_that_run(depth, padding):
    """Literally: run every size without the check, and see whether pooling drops a row or a layer fails."""
    net = UNet(1, 2, base_channels=1, depth=depth, padding=padding)

    def runs(size: int) -> bool:
        def convolve(n):
            return n if padding else n - 4

        sizes = [convolve(size)]
        for _ in range(depth):
            if sizes[-1] % 2:
                return False
            sizes.append(convolve(sizes[-1] // 2))
        up = sizes.pop()
        while sizes:
            up = 2 * up
            if min(up, convolve(up)) < 1 or sizes.pop() < up:
                return False
            up = convolve(up)
        return all(n > 0 for n in [up])

    legal = net.legal_input_sizes(1, 260)
    assert legal == [size for size in range(1, 261) if runs(size)]
    for size in legal[:2]:
        net._check_image = lambda x: None
        with torch.no_grad():
            scores = net(torch.rand(1, 1, size, legal[0]))
        assert scores.shape[-2:] == net.output_size(size, legal[0])


@pytest.mark.parametrize(
    ("padding", "size", "nearest"),
    [(0, 571, "556 or 572"), (0, 573, "572 or 588"), (0, 100, "188"), (1, 100, "96 or 112"), (1, 8, "16")],
)
def test_an_illegal_size_names_the_nearest(padding, size, nearest):
    net = UNet(1, 2, base_channels=1, padding=padding)
    with pytest.raises(ValueError, match=rf"height {size}; the nearest legal: {nearest}$"):
        net(torch.rand(1, 1, size, 188))


def test_the_error_names_the_side():
    with pytest.raises(ValueError, match="width 30; the nearest legal: 28 or 32"):
        small(padding=1).output_size(32, 30)


def test_crop_is_centred():
    x = torch.arange(2 * 8 * 6).view(1, 2, 8, 6)
    assert torch.equal(centre_crop(x, (4, 4)), x[:, :, 2:6, 1:5])
    assert torch.equal(centre_crop(x, (8, 6)), x)


def test_copied_features_come_first_and_from_the_centre():
    copied, up = torch.rand(1, 3, 8, 8), torch.rand(1, 2, 4, 4)
    joined = CopyAndCrop()(copied, up)
    assert torch.equal(joined[:, :3], copied[:, :, 2:6, 2:6])
    assert torch.equal(joined[:, 3:], up)


def test_the_network_joins_in_that_order():
    """Weights of the expanding path that meet the copied features are the first half."""
    net = small(padding=1)
    seen = {}
    block = net.expanding_path[-1]
    block.convolutions.register_forward_hook(lambda m, inputs, y: seen.update(joined=inputs[0]))
    net.contracting_path[0].register_forward_hook(lambda m, inputs, y: seen.update(copied=y.clone()))
    net(torch.rand(1, 2, 16, 16))
    assert torch.equal(seen["joined"][:, :4], seen["copied"])


def test_without_copy_paths_nothing_passes_the_bottom():
    """With the bottom's output cut off, an image can reach the scores only by the copies."""
    for copy_paths, influence in ((True, True), (False, False)):
        net = small(padding=1, copy_paths=copy_paths)
        net.bottom.register_forward_hook(lambda m, inputs, y: torch.zeros_like(y))
        a, b = net(torch.rand(1, 2, 16, 16)), net(torch.rand(1, 2, 16, 16))
        assert bool((a - b).abs().max() > 0) == influence


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_upsamplings_keep_the_shapes(padding, upsampling):
    net = UNet(2, 3, 4, 2, padding, norm="batch", upsampling=upsampling)
    scores = net(torch.rand(2, 2, 60, 44))
    assert scores.shape == ((2, 3, 60, 44) if padding else (2, 3, 20, 4))
    scores.sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_pixel_shuffle_is_a_transposed_convolution():
    """A 2 × 2 kernel at stride 2 never overlaps: the docstring's claim, with one bias for all four."""
    shuffled, transposed = up_convolution(6, 3, "pixel_shuffle"), up_convolution(6, 3, "transposed")
    with torch.no_grad():
        # (4 · 3, 6, 1, 1), channel c · 4 + 2a + b → (6, 3, a, b)
        transposed.weight.copy_(shuffled[0].weight.view(3, 2, 2, 6).permute(3, 0, 1, 2))
        transposed.bias.copy_(shuffled[0].bias.fill_(0.3).view(3, 4)[:, 0])
    x = torch.rand(1, 6, 5, 7)
    torch.testing.assert_close(shuffled(x), transposed(x))


def test_bilinear_convolves_and_interpolates():
    up = up_convolution(6, 3, "bilinear")
    x = torch.rand(1, 6, 5, 7)
    large = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(up(x), F.conv2d(large, up[0].weight, up[0].bias))


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_a_shift_by_the_multiple_shifts_the_scores(padding, upsampling):
    net = small(padding=padding, upsampling=upsampling)
    x = torch.rand(1, 2, 108, 108)
    shift = net.multiple
    a = net(x[..., : 108 - shift, : 108 - shift])
    b = net(x[..., shift:, shift:])
    edge = net.edge
    a, b = a[..., shift:, shift:], b[..., :-shift, :-shift]
    a, b = (y[..., edge : y.shape[-2] - edge, edge : y.shape[-1] - edge] for y in (a, b))
    assert a.numel() > 0
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_the_start_keeps_the_scale_of_the_activations():
    """He's weights: the features' mean square stays within a factor of four over twelve layers."""
    net = UNet(3, 2, base_channels=32, depth=3, padding=1)
    sizes = []
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda m, inputs, y: sizes.append(y.square().mean().item()))
    net(torch.randn(2, 3, 48, 48))
    assert len(sizes) == 14
    assert max(sizes) / min(sizes) < 8


def test_the_flat_network_sees_as_far_as_it_has_layers():
    net = FlatNet(1, 2, channels=4, layers=3, padding=1).eval()
    x = torch.rand(1, 1, 15, 15, requires_grad=True)
    net(x)[0, 0, 7, 7].backward()
    seen = x.grad[0, 0] != 0
    assert seen.any(dim=0).nonzero().flatten().tolist()[0] >= 4
    assert seen.any(dim=0).nonzero().flatten().tolist()[-1] <= 10
    assert FlatNet(1, 2, 4, 3, padding=0).output_size(15, 9) == (9, 3)
    with pytest.raises(ValueError, match=r"the nearest legal: 7$"):
        FlatNet(1, 2, 4, 3, padding=0).output_size(6)


def test_batch_norm_stands_between_convolution_and_relu():
    """… and its shift takes the place of the bias, which it would subtract again."""
    net = small(padding=1, norm="batch")
    kinds = [type(module) for module in net.bottom]
    assert kinds == 2 * [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert net.bottom[0].bias is None and net.head.bias is not None
    convolutions = 2 * 5  # two at each of two levels, down and up, and at the bottom
    plain = small(padding=1).parameter_count()["total"]
    channels = 2 * (4 + 8 + 16 + 8 + 4)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == convolutions
    assert net.parameter_count()["total"] == plain + channels  # a scale and a shift instead of a bias


def test_describe_leaves_the_network_as_it_was():
    net = UNet(2, 3, 4, 2, padding=1, norm="batch").train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    table = net.describe(16, 24)
    assert (table.layers[-1].height, table.layers[-1].width) == (16, 24)
    assert net.training and all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert sum(r.parameters for r in table.layers) == net.parameter_count()["total"]


def test_devices_agree(device):
    net = small(padding=1, norm="batch")
    x = torch.rand(2, 2, 32, 32)
    with torch.no_grad():
        expected = net(x)
        torch.testing.assert_close(net.to(device)(x.to(device)).cpu(), expected, atol=1e-3, rtol=1e-3)
