"""A U-Net of which every part can be got wrong: what is right, and every misunderstanding, is a `Design`.

The U-Net is public. What no page shows (sizes, counts, mended code) is not here either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..modules import Reference


@dataclass(frozen=True)
class Design:
    """How a network is built; the defaults are right.

    relus        behind which of a pair's convolutions there is a ReLU
    kernel       height and width of the convolutions of a pair
    late         whether a pair's first convolution keeps the channels, and its second one changes them
    padding      None: as asked for
    norm, bias   whether convolutions have batch norm, or biases
    up           "transposed", "3 × 3" (a kernel that overlaps), "bilinear", "nearest"
    up_relu      whether a ReLU follows the up-convolution
    join         "copied first", "copied last", "added", "nothing"
    crop         "centre", "top left", "bottom right", "resized", "enlarged", "rows for both"
    copied       "whole", or "detached"
    pool         "max", "average", "stride"
    doubled      whether every level has twice the channels of the one above
    deeper       how many levels too many
    source       "before pooling", "before convolutions": what is copied
    bottom       whether there are convolutions at the bottom
    head         "1 × 1", "3 × 3", "ReLU", "softmax", "sigmoid", "missing"
    out          "as it is", "swapped": rows and columns of the result
    """

    relus: tuple[bool, ...] = (True, True)
    kernel: int = 3
    late: bool = False
    padding: int | None = None
    norm: bool = False
    bias: bool = True
    up: str = "transposed"
    up_relu: bool = False
    join: str = "copied first"
    crop: str = "centre"
    copied: str = "whole"
    pool: str = "max"
    doubled: bool = True
    deeper: int = 0
    source: str = "before pooling"
    bottom: bool = True
    head: str = "1 × 1"
    out: str = "as it is"


@dataclass(frozen=True)
class Plan(Reference):
    """Builds a module from a design: `plan(**settings)`, as a class would."""

    build: Callable[..., nn.Module]
    design: Design = Design()

    def __call__(self, **settings: Any) -> nn.Module:
        return self.build(self.design, **settings)

    def but(self, **changes: Any) -> Plan:
        """The same plan with another design."""
        return replace(self, design=replace(self.design, **changes))


def double_conv(design: Design, in_channels: int, out_channels: int, padding: int = 0) -> nn.Sequential:
    """`(N, C_in, H, W)` → `(N, C_out, H', W')`."""
    padding = padding if design.padding is None else design.padding
    layers: list[nn.Module] = []
    channels = in_channels
    for number, relu in enumerate(design.relus):
        wanted = in_channels if design.late and number == 0 else out_channels
        layers.append(nn.Conv2d(channels, wanted, design.kernel, padding=padding, bias=design.bias))
        layers += [nn.BatchNorm2d(wanted)] * design.norm + [nn.ReLU()] * relu
        channels = wanted
    return nn.Sequential(*layers, *[_Swap()] * (design.out == "swapped"))


class _Swap(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mT


class Up(nn.Module):
    """A level of the expanding path: `(N, C_in, h, w)` and `(N, C_copied, H, W)` → `(N, C_out, H', W')`."""

    def __init__(
        self,
        design: Design,
        in_channels: int,
        out_channels: int,
        padding: int = 0,
        copied_channels: int | None = None,
    ):
        super().__init__()
        self.design, inner = design, replace(design, out="as it is")
        bias = design.bias
        if design.up == "transposed":
            self.up: nn.Module = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2, bias=bias)
        elif design.up == "3 × 3":
            self.up = nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, output_padding=1, bias=bias)
        else:
            self.up = nn.Sequential(
                nn.Upsample(scale_factor=2, mode=design.up), nn.Conv2d(in_channels, out_channels, 1)
            )
        copied = out_channels if copied_channels is None else copied_channels
        joined = out_channels + (copied if "copied" in design.join else 0)
        self.pair = double_conv(inner, joined, out_channels, padding)

    def forward(self, x: Tensor, copied: Tensor) -> Tensor:
        design, x = self.design, self.up(x)
        x = F.relu(x) if design.up_relu else x
        copied = copied.detach() if design.copied == "detached" else copied
        if design.join == "nothing":
            return _swapped(self.pair(x), design)
        if design.crop == "enlarged":
            rows, columns = copied.shape[-2] - x.shape[-2], copied.shape[-1] - x.shape[-1]
            x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        copied = cropped(copied, *x.shape[-2:], how=design.crop)
        if design.join == "added":
            return _swapped(self.pair(copied + x), design)
        both = [copied, x] if design.join == "copied first" else [x, copied]
        return _swapped(self.pair(torch.cat(both, 1)), design)


class Net(nn.Module):
    """The network: `(N, C, H, W)` → `(N, K, H', W')`."""

    def __init__(
        self,
        design: Design,
        in_channels: int,
        num_classes: int,
        base_channels: int = 64,
        depth: int = 4,
        padding: int = 0,
    ):
        super().__init__()
        self.design = inner = replace(design, out="as it is")
        self.out = design
        depth += design.deeper
        channels = [base_channels * (2**level if design.doubled else 1) for level in range(depth + 1)]
        before = [in_channels, *channels]
        early = design.source == "before convolutions"
        self.down = nn.ModuleList(
            double_conv(inner, before[level], channels[level], padding) for level in range(depth)
        )
        if design.pool == "stride":
            self.pools: list[Any] = nn.ModuleList(nn.Conv2d(c, c, 2, stride=2) for c in channels[:-1])
        else:
            self.pools = [F.max_pool2d if design.pool == "max" else F.avg_pool2d] * depth
        if design.bottom:
            self.bottom = double_conv(inner, channels[-2], channels[-1], padding)
        lowest = channels[-1] if design.bottom else channels[-2]
        self.up = nn.ModuleList(
            Up(
                inner,
                lowest if level == depth - 1 else channels[level + 1],
                channels[level],
                padding,
                copied_channels=before[level] if early else None,
            )
            for level in reversed(range(depth))
        )
        if design.head != "missing":
            side = 3 if design.head == "3 × 3" else 1
            self.head = nn.Conv2d(base_channels, num_classes, side, padding=side // 2, bias=design.bias)

    def forward(self, x: Tensor) -> Tensor:
        copies = []
        for pair, pool in zip(self.down, self.pools, strict=True):
            before, x = x, pair(x)
            copies.append(before if self.design.source == "before convolutions" else x)
            x = pool(x) if self.design.pool == "stride" else pool(x, 2)
        x = self.bottom(x) if self.design.bottom else x
        for up, copied in zip(self.up, reversed(copies), strict=True):
            x = up(x, copied)
        if self.design.head != "missing":
            x = self.head(x)
        after = {"ReLU": F.relu, "sigmoid": torch.sigmoid, "softmax": lambda y: F.softmax(y, 1)}
        return _swapped(after.get(self.design.head, lambda y: y)(x), self.out)


def cropped(copied: Tensor, height: int, width: int, how: str = "centre") -> Tensor:
    """A map of `height` × `width` from a larger one; "centre" is right."""
    rows, columns = copied.shape[-2] - height, copied.shape[-1] - width
    if how == "resized":
        return F.interpolate(copied, (height, width), mode="bilinear", align_corners=False)
    top, left = {
        "top left": (0, 0),
        "bottom right": (rows, columns),
        "rows for both": (rows // 2, rows // 2),
        "swapped": (columns // 2, rows // 2),
        "half a pixel": (rows // 2 + 1, columns // 2 + 1),
    }.get(how, (rows // 2, columns // 2))
    return copied[..., top : top + height, left : left + width]


def _swapped(y: Tensor, design: Design) -> Tensor:
    return y.mT if design.out == "swapped" else y
