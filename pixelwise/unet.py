"""The U-Net, and a network without pooling to hold against it.

Ronneberger, Fischer and Brox, *U-Net: Convolutional Networks for Biomedical Image Segmentation*, MICCAI 2015
(arXiv:1505.04597). The parts carry the names of the lecture: contracting path, copy and crop, up-convolution,
expanding path, 1 × 1 head. Images are `(N, C, H, W)`, class scores `(N, K, H, W)`.

    net = UNet(1, 2)                                                      # the paper's: 572 → 388
    net = UNet(3, 5, base_channels=16, depth=3, padding=1, norm="batch")  # the one that practice uses
    print(net.describe(64))
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

UPSAMPLINGS = ("transposed", "bilinear", "pixel_shuffle")


class Layer(NamedTuple):
    """A row of `Shapes`: what a layer puts out."""

    part: str
    operation: str
    channels: int
    height: int
    width: int
    parameters: int


@dataclass(frozen=True)
class Shapes:
    """What every layer puts out, in the order of the forward pass. Printed, it is a table."""

    layers: tuple[Layer, ...]

    def __str__(self) -> str:
        head = f"{'part':<20} {'operation':<24} {'channels':>8} {'height':>6} {'width':>6} {'parameters':>11}"
        rows = (
            f"{r.part:<20} {r.operation:<24} {r.channels:>8} {r.height:>6} {r.width:>6} {r.parameters:>11,}"
            for r in self.layers
        )
        total = (
            f"{'total':<20} {'':<24} {'':>8} {'':>6} {'':>6} {sum(r.parameters for r in self.layers):>11,}"
        )
        return "\n".join([head, *rows, total])

    __repr__ = __str__


class DoubleConvolution(nn.Sequential):
    """Two 3 × 3 convolutions, each followed by a ReLU (and, with norm="batch", batch norm before it).

    Without padding each of them takes one pixel off every side: H × W becomes H − 4 × W − 4.
    """

    def __init__(self, in_channels: int, out_channels: int, padding: int, norm: str | None) -> None:
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels):
            layers += convolution(channels, out_channels, padding, norm)
        super().__init__(*layers)


class CopyAndCrop(nn.Module):
    """Joins the features copied from the contracting path, cropped at the centre, with the upsampled ones."""

    def forward(self, copied: torch.Tensor, upsampled: torch.Tensor) -> torch.Tensor:
        """`(N, A, H', W')` and `(N, B, H, W)`, H' ≥ H, W' ≥ W → `(N, A + B, H, W)`, the copied ones first."""
        return torch.cat([centre_crop(copied, upsampled.shape[-2:]), upsampled], dim=1)


class UpBlock(nn.Module):
    """One level of the expanding path: up-convolution, copy and crop, two convolutions."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        padding: int,
        norm: str | None,
        copy_paths: bool,
        upsampling: str,
    ) -> None:
        super().__init__()
        self.up_convolution = up_convolution(in_channels, out_channels, upsampling)
        self.copy_and_crop = CopyAndCrop() if copy_paths else None
        joined = 2 * out_channels if copy_paths else out_channels
        self.convolutions = DoubleConvolution(joined, out_channels, padding, norm)

    def forward(self, x: torch.Tensor, copied: torch.Tensor) -> torch.Tensor:
        x = self.up_convolution(x)
        if self.copy_and_crop is not None:
            x = self.copy_and_crop(copied, x)
        return self.convolutions(x)


class Network(nn.Module):
    """What the two networks below share: their sizes, their parameters and their table of shapes.

    `multiple` is the number of pixels between two equal positions of all pooling grids: an image shifted by
    it gives the same scores, shifted. `margin` is the number of pixels that the scores lack at every side of
    the image. `edge` is the number of pixels at every side of the *scores* that are influenced by how the
    image is continued beyond its border (by zeros, where the convolutions are padded).
    """

    in_channels: int
    num_classes: int
    padding: int
    multiple: int
    margin: int
    edge: int

    def output_size(self, height: int, width: int | None = None) -> tuple[int, int]:
        """Height and width of the scores for an image of this height and width (a square, if one is given).

        Raises a `ValueError` that names the nearest legal sizes if the network cannot take this one.
        """
        sizes = {"height": height, "width": height if width is None else width}
        for name, size in sizes.items():
            if not self._takes(size):
                nearest = " or ".join(map(str, self._nearest(size)))
                raise ValueError(f"{self._cannot(name, size)}; the nearest legal: {nearest}")
        return sizes["height"] - 2 * self.margin, sizes["width"] - 2 * self.margin

    def legal_input_sizes(self, smallest: int = 1, largest: int = 600) -> list[int]:
        """The heights (or widths) from `smallest` to `largest` that the network takes."""
        return [size for size in range(smallest, largest + 1) if self._takes(size)]

    def parameter_count(self) -> dict[str, int]:
        """The number of parameters of each part, and in all under "total"."""
        parts: dict[str, int] = {}
        for name, parameter in self.named_parameters():
            part = self._part(name)
            parts[part] = parts.get(part, 0) + parameter.numel()
        return {**parts, "total": sum(parts.values())}

    def describe(self, height: int, width: int | None = None) -> Shapes:
        """What every layer puts out for one image of this size, as the forward pass itself has it.

        The pass runs on tensors without memory ("meta"), so that it costs nothing at 572 × 572 either.
        """
        width = height if width is None else width
        self.output_size(height, width)
        layers: list[Layer] = []

        def note(name: str, operation: str, module: nn.Module):
            def hook(_module: nn.Module, _inputs: tuple, y: torch.Tensor) -> None:
                count = sum(p.numel() for p in module.parameters())
                layers.append(Layer(self._part(name), operation, *y.shape[1:], parameters=count))

            return module.register_forward_hook(hook)

        hooks = [note(*found) for found in self._described()]
        was_training = self.training
        try:
            weights = {name: p.to("meta") for name, p in [*self.named_parameters(), *self.named_buffers()]}
            image = torch.empty(1, self.in_channels, height, width, device="meta")
            with torch.no_grad():
                torch.func.functional_call(self.eval(), weights, image)
        finally:
            self.train(was_training)
            for hook in hooks:
                hook.remove()
        return Shapes(tuple(layers))

    def _check_image(self, image: torch.Tensor) -> None:
        if not isinstance(image, torch.Tensor) or image.ndim != 4:
            shape = tuple(image.shape) if isinstance(image, torch.Tensor) else type(image).__name__
            raise ValueError(f"a batch of images has shape (N, C, H, W), got {shape}")
        if image.shape[1] != self.in_channels:
            raise ValueError(
                f"the network was built for {self.in_channels} input channels, got an image with "
                f"{image.shape[1]}: shape {tuple(image.shape)}"
            )
        if not image.is_floating_point():
            raise TypeError(f"images are floating point in [0, 1], got {image.dtype}: divide by 255 first")
        self.output_size(*image.shape[-2:])

    def _takes(self, size: int) -> bool:
        raise NotImplementedError

    def _cannot(self, name: str, size: int) -> str:
        raise NotImplementedError

    def _nearest(self, size: int) -> list[int]:
        below = next((s for s in range(size - 1, 0, -1) if self._takes(s)), None)
        above = next(s for s in itertools.count(max(size, 0) + 1) if self._takes(s))
        return [above] if below is None else [below, above]

    @staticmethod
    def _part(name: str) -> str:
        """The part of the network, in the lecture's words, that a parameter or module belongs to."""
        if "up_convolution" in name:
            return "up-convolutions"
        names = {"contracting_path": "contracting path", "pool": "contracting path", "bottom": "bottom"}
        names |= {"expanding_path": "expanding path", "head": "head", "convolutions": "convolutions"}
        return names[name.split(".")[0]]

    def _described(self) -> list[tuple[str, str, nn.Module]]:
        """The modules that a table of shapes shows: (name, operation, module)."""
        found: list[tuple[str, str, nn.Module]] = []
        for name, module in self.named_modules():
            if name.endswith("up_convolution"):
                found.append((name, f"up-convolution ({self.upsampling})", module))
            elif isinstance(module, CopyAndCrop):
                found.append((name, "copy and crop", module))
            elif isinstance(module, nn.MaxPool2d):
                found.append((name, "max pooling 2 × 2", module))
            elif isinstance(module, nn.BatchNorm2d):
                found.append((name, "batch norm", module))
            elif isinstance(module, nn.Conv2d) and "up_convolution" not in name:
                side = module.kernel_size[0]
                found.append((name, f"convolution {side} × {side}", module))
        return found


class UNet(Network):
    """The U-Net of Ronneberger et al. 2015, figure 1, and its common variants.

    As it stands it is the paper's network: valid convolutions, so that 572 × 572 pixels become 388 × 388
    scores; 64 to 1024 channels; 31,030,658 parameters from 1 channel to 2 classes. (The paper also puts
    dropout, at a rate it does not name, at the end of the contracting path; this class has none.)
    `padding=1, norm="batch"` keeps the size and is what most use today.

    in_channels      d of the lecture's m × l × d image
    num_classes      k of the m × l × k scores
    base_channels    channels after the first convolution; every pooling doubles them
    depth            how many times the image is halved
    padding          0 (valid convolutions, scores smaller than the image) or 1 (zeros around every layer)
    norm             None, or "batch" for batch norm between convolution and ReLU
    copy_paths       False leaves out the copied features, to see what they are good for
    upsampling       "transposed": 2 × 2 at stride 2, the paper's up-convolution. "pixel_shuffle": a 1 × 1
                     convolution to four times the channels, dealt out as 2 × 2 pixels (the same functions,
                     except that each of the four has its own bias). "bilinear": interpolation, then 1 × 1.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        base_channels: int = 64,
        depth: int = 4,
        padding: int = 0,
        *,
        norm: str | None = None,
        copy_paths: bool = True,
        upsampling: str = "transposed",
    ) -> None:
        super().__init__()
        _check_positive(
            in_channels=in_channels, num_classes=num_classes, base_channels=base_channels, depth=depth
        )
        _check_choice("padding", padding, (0, 1))
        _check_choice("norm", norm, (None, "batch"))
        _check_choice("upsampling", upsampling, UPSAMPLINGS)
        self.in_channels, self.num_classes = in_channels, num_classes
        self.depth, self.padding, self.upsampling = depth, padding, upsampling

        channels = [base_channels * 2**level for level in range(depth + 1)]
        self.contracting_path = nn.ModuleList(
            DoubleConvolution(before, after, padding, norm)
            for before, after in zip([in_channels, *channels], channels[:-1], strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottom = DoubleConvolution(channels[-2], channels[-1], padding, norm)
        self.expanding_path = nn.ModuleList(
            UpBlock(channels[level + 1], channels[level], padding, norm, copy_paths, upsampling)
            for level in reversed(range(depth))
        )
        self.head = nn.Conv2d(base_channels, num_classes, 1)
        initialise(self)

        self.multiple = 2**depth
        self.margin = self._margin()
        self.edge = self._edge()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images `(N, C, H, W)` → class scores `(N, K, H', W')`, H', W' = `output_size(H, W)`."""
        self._check_image(x)
        copied = []
        for convolutions in self.contracting_path:
            x = convolutions(x)
            copied.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for up, features in zip(self.expanding_path, reversed(copied), strict=True):
            x = up(x, features)
        return self.head(x)

    def _takes(self, size: int) -> bool:
        """Whether every pooling meets an even size, and something is left in the end."""
        taken_off = 4 * (1 - self.padding)  # by two convolutions
        for _ in range(self.depth):
            size -= taken_off
            if size < 2 or size % 2:
                return False
            size //= 2
        size -= taken_off
        for _ in range(self.depth):
            size = 2 * size - taken_off
        return size > 0

    def _cannot(self, name: str, size: int) -> str:
        return f"a U-Net of depth {self.depth} and padding {self.padding} cannot take images of {name} {size}"

    def _margin(self) -> int:
        """Follow the left border down and up again: a valid convolution moves it by a pixel of its level."""
        both_ways = 2 * sum(2 * 2**level for level in range(self.depth))
        return (1 - self.padding) * (both_ways + 2 * 2**self.depth)

    def _edge(self) -> int:
        """Follow the pixels that see beyond the border: a padding's zeros, an interpolation's clamp."""
        pixels, convolutions, clamp = 0, 2 * self.padding, int(self.upsampling == "bilinear")
        for _ in range(self.depth):
            pixels = -(-(pixels + convolutions) // 2)
        pixels += convolutions
        for _ in range(self.depth):
            pixels = 2 * pixels + clamp + convolutions
        return pixels


class FlatNet(Network):
    """`layers` convolutions of 3 × 3 at full resolution and a 1 × 1 head: the lecture's first idea.

    Nothing is pooled, so a score sees `layers` pixels to each side of its own, no more.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 64,
        layers: int = 8,
        padding: int = 1,
        *,
        norm: str | None = None,
    ) -> None:
        super().__init__()
        _check_positive(in_channels=in_channels, num_classes=num_classes, channels=channels, layers=layers)
        _check_choice("padding", padding, (0, 1))
        _check_choice("norm", norm, (None, "batch"))
        self.in_channels, self.num_classes, self.padding = in_channels, num_classes, padding
        modules: list[nn.Module] = []
        for layer in range(layers):
            modules += convolution(channels if layer else in_channels, channels, padding, norm)
        self.convolutions = nn.Sequential(*modules)
        self.head = nn.Conv2d(channels, num_classes, 1)
        initialise(self)
        self.multiple = 1
        self.margin, self.edge = (1 - padding) * layers, padding * layers

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images `(N, C, H, W)` → class scores `(N, K, H, W)`; without padding 2 · layers smaller."""
        self._check_image(x)
        return self.head(self.convolutions(x))

    def _takes(self, size: int) -> bool:
        return size > 2 * self.margin

    def _cannot(self, name: str, size: int) -> str:
        return (
            f"valid convolutions that take {self.margin} pixels off every side leave nothing of {name} {size}"
        )

    def _nearest(self, size: int) -> list[int]:
        return [2 * self.margin + 1]


def centre_crop(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The central `size` = (height, width) of a `(…, H, W)` tensor.

    Raises a `ValueError` where it is larger than the tensor, or where what is cut cannot be shared equally:
    half a pixel off the centre would shift the copied features against the upsampled ones.
    """
    height, width = size
    cut = x.shape[-2] - height, x.shape[-1] - width
    if min(cut) < 0:
        raise ValueError(f"cannot crop {x.shape[-2]} × {x.shape[-1]} to the larger {height} × {width}")
    if cut[0] % 2 or cut[1] % 2:
        raise ValueError(f"{height} × {width} has no place in the centre of {x.shape[-2]} × {x.shape[-1]}")
    top, left = cut[0] // 2, cut[1] // 2
    return x[..., top : top + height, left : left + width]


def convolution(in_channels: int, out_channels: int, padding: int, norm: str | None) -> list[nn.Module]:
    """A 3 × 3 convolution, batch norm if asked for, and a ReLU. Batch norm's shift takes the bias's place."""
    layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, 3, padding=padding, bias=norm is None)]
    if norm == "batch":
        layers.append(nn.BatchNorm2d(out_channels))
    return [*layers, nn.ReLU(inplace=True)]


def up_convolution(in_channels: int, out_channels: int, upsampling: str) -> nn.Module:
    """Twice the height and width, `out_channels` channels; see `UNet` for the three ways."""
    if upsampling == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    if upsampling == "pixel_shuffle":
        return nn.Sequential(nn.Conv2d(in_channels, 4 * out_channels, 1), nn.PixelShuffle(2))
    # The 1 × 1 convolution and the interpolation commute; convolving the small image first costs a quarter.
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1), Bilinear())


class Bilinear(nn.Module):
    """Twice the height and width by bilinear interpolation, without parameters."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def initialise(net: Network) -> None:
    """The paper's start (section 3): normal weights with s.d. √(2/N), N the number of incoming nodes.

    The 2 makes up for the half that a ReLU removes (He et al. 2015); layers without a ReLU take √(1/N).
    """
    for name, module in net.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            continue
        followed_by_relu = "up_convolution" not in name and name != "head"
        # A transposed 2 × 2 convolution at stride 2 never overlaps: one node of each input channel comes in.
        incoming = module.in_channels * (module.kernel_size[0] ** 2 if followed_by_relu else 1)
        nn.init.normal_(module.weight, std=((2 if followed_by_relu else 1) / incoming) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} is a whole number of at least 1, got {number!r}")


def _check_choice(name: str, value: object, choices: tuple) -> None:
    if isinstance(value, bool) or value not in choices:
        raise ValueError(f"{name} is one of {', '.join(map(repr, choices))}; got {value!r}")
