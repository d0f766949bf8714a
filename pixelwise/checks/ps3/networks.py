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
    relu_before  whether a ReLU stands before a pair's first convolution
    kernel       height and width of the convolutions of a pair
    late         whether a pair's first convolution keeps the channels, and its second one changes them
    padding      None: as asked for
    padded       which of a pair's convolutions have the padding
    reached      where the padding is passed on to: "down" and "up", the two ways, and "bottom"
    norm         "no", or where a convolution has batch norm: "before ReLU", "behind ReLU"
    bias         whether convolutions have biases
    up           "transposed", "3 × 3" (a kernel that overlaps), "stride 1", "bilinear" and "nearest" with a
                 1 × 1 convolution, "bilinear alone" and "nearest alone" without
    up_bias      whether the up-convolution has biases
    up_relu      whether a ReLU follows the up-convolution
    join         "copied first", "copied last", "added", "nothing", "along 0" (or 2, 3): an axis
    pair_reads   what the pair behind the join is built for: "what comes", or "twice" the level's channels
    crop         "centre", "top left", "bottom right", "resized", "nearest", "enlarged", "rows for both",
                 "columns for both", "nothing"
    copied       "whole", or "detached"
    pool         "max", "average", "stride", "step 1"
    doubled      whether every level has twice the channels of the one above
    deeper       how many levels too many
    source       "before pooling", "before convolutions", "pooled": what is copied
    order        "pile", or "queue": which copy is used first, the last one made or the first
    bottom       whether there are convolutions at the bottom
    pooled_on    whether the bottom is pooled, too
    head         "1 × 1", "3 × 3", "ReLU", "softmax", "sigmoid", "missing"
    out          "as it is", "swapped": rows and columns of the result
    """

    relus: tuple[bool, ...] = (True, True)
    relu_before: bool = False
    kernel: int = 3
    late: bool = False
    padding: int | None = None
    padded: tuple[bool, ...] = (True, True)
    reached: tuple[str, ...] = ("down", "bottom", "up")
    norm: str = "no"
    bias: bool = True
    up: str = "transposed"
    up_bias: bool = True
    up_relu: bool = False
    join: str = "copied first"
    pair_reads: str = "what comes"
    crop: str = "centre"
    copied: str = "whole"
    pool: str = "max"
    doubled: bool = True
    deeper: int = 0
    source: str = "before pooling"
    order: str = "pile"
    bottom: bool = True
    pooled_on: bool = False
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
    layers: list[nn.Module] = [nn.ReLU()] * design.relu_before
    channels = in_channels
    for number, relu in enumerate(design.relus):
        wanted = in_channels if design.late and number == 0 else out_channels
        here = padding if design.padded[number : number + 1] != (False,) else 0
        layers.append(nn.Conv2d(channels, wanted, design.kernel, padding=here, bias=design.bias))
        layers += [nn.BatchNorm2d(wanted)] * (design.norm == "before ReLU") + [nn.ReLU()] * relu
        layers += [nn.BatchNorm2d(wanted)] * (design.norm == "behind ReLU")
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
        bias = design.bias and design.up_bias
        brought = out_channels
        if design.up in ("transposed", "stride 1"):
            stride = 2 if design.up == "transposed" else 1
            self.up: nn.Module = nn.ConvTranspose2d(in_channels, out_channels, 2, stride, bias=bias)
        elif design.up == "3 × 3":
            self.up = nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, output_padding=1, bias=bias)
        elif design.up.endswith("alone"):
            self.up = nn.Upsample(scale_factor=2, mode=design.up.removesuffix(" alone"))
            brought = in_channels
        else:
            self.up = nn.Sequential(
                nn.Upsample(scale_factor=2, mode=design.up), nn.Conv2d(in_channels, out_channels, 1)
            )
        copied = out_channels if copied_channels is None else copied_channels
        joined = brought + (0 if design.join in ("added", "nothing") else copied)
        if design.pair_reads == "twice":
            joined = 2 * out_channels
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
        both = [x, copied] if design.join == "copied last" else [copied, x]
        axis = int(design.join[-1]) if design.join.startswith("along") else 1
        return _swapped(self.pair(torch.cat(both, axis)), design)


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
        down, bottom, up = (padding if way in design.reached else 0 for way in ("down", "bottom", "up"))
        self.down = nn.ModuleList(
            double_conv(inner, before[level], channels[level], down) for level in range(depth)
        )
        if design.pool == "stride":
            self.pools: list[Any] = nn.ModuleList(nn.Conv2d(c, c, 2, stride=2) for c in channels[:-1])
        else:
            pool = nn.AvgPool2d(2) if design.pool == "average" else nn.MaxPool2d(2)
            self.pools = [nn.MaxPool2d(2, stride=1) if design.pool == "step 1" else pool] * depth
        if design.bottom:
            self.bottom = double_conv(inner, channels[-2], channels[-1], bottom)
        lowest = channels[-1] if design.bottom else channels[-2]
        self.up = nn.ModuleList(
            Up(
                inner,
                lowest if level == depth - 1 else channels[level + 1],
                channels[level],
                up,
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
            features, x = x, pool(x)
            source = {"before convolutions": before, "pooled": x}
            copies.append(source.get(self.design.source, features))
        x = self.bottom(x) if self.design.bottom else x
        x = F.max_pool2d(x, 2) if self.design.pooled_on else x
        if self.design.order == "pile":
            copies.reverse()
        for up, copied in zip(self.up, copies, strict=True):
            x = up(x, copied)
        if self.design.head != "missing":
            x = self.head(x)
        after = {"ReLU": F.relu, "sigmoid": torch.sigmoid, "softmax": lambda y: F.softmax(y, 1)}
        return _swapped(after.get(self.design.head, lambda y: y)(x), self.out)


def cropped(copied: Tensor, height: int, width: int, how: str = "centre") -> Tensor:
    """A map of `height` × `width` from a larger one; "centre" is right."""
    rows, columns = copied.shape[-2] - height, copied.shape[-1] - width
    if how == "nothing":
        return copied
    if how == "nearest":
        return F.interpolate(copied, (height, width))
    if how == "resized":
        return F.interpolate(copied, (height, width), mode="bilinear", align_corners=False)
    top, left = {
        "top left": (0, 0),
        "bottom right": (rows, columns),
        "rows for both": (rows // 2, rows // 2),
        "columns for both": (columns // 2, columns // 2),
        "swapped": (columns // 2, rows // 2),
        "half a pixel": (rows // 2 + 1, columns // 2 + 1),
    }.get(how, (rows // 2, columns // 2))
    return copied[..., top : top + height, left : left + width]


def _swapped(y: Tensor, design: Design) -> Tensor:
    return y.mT if design.out == "swapped" else y
