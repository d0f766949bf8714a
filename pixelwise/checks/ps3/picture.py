"""A picture of a student's own U-Net: the sizes of its maps, as they come in a forward pass."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from pixelwise import palette

from ..check import attempt
from ..modules import Module

_OPERATIONS = {
    "aten::convolution": "convolution",
    "aten::max_pool2d_with_indices": "pooling",
    "aten::cat": "copy joined",
}
_COLOURS = {
    "image": palette.ROLES["input"][0],
    "convolution": palette.ROLES["output"][0],
    "up-convolution": palette.ROLES["kernel"][0],
    "pooling": palette.ROLES["loss"][0],
    "copy joined": palette.ROLES["input"][0],
}


class _Maps(TorchDispatchMode):
    """Notes (operation, channels, rows) of every map that a convolution, a pooling or a join puts out."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int, int]] = []

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        out = operator(*args, **(kwargs or {}))
        operation = _OPERATIONS.get(operator._schema.name)
        if operation:
            if operation == "convolution" and args[6]:  # its flag for a transposed one
                operation = "up-convolution"
            first = out[0] if isinstance(out, tuple) else out
            self.seen.append((operation, first.shape[1], first.shape[2]))
        return out


def maps(net: nn.Module, channels: int, size: int) -> list[tuple[str, int, int]]:
    """(operation, channels, rows) of each map for an image of `size` rows and columns, the image first."""
    with torch.no_grad(), _Maps() as noted:
        net(torch.empty(1, channels, size, size, device="meta"))
    return [("image", channels, size), *noted.seen]


def print_scores(cls: Module, legal_input_sizes: Callable[..., Any]) -> None:
    """Print the first sizes that `legal_input_sizes(depth, padding)` lists, and the scores' rows for each."""
    for depth, padding in ((1, 0), (2, 0), (4, 0), (3, 1)):
        sizes = attempt(legal_input_sizes, depth, padding)
        if sizes is None:
            return
        listed = isinstance(sizes, Sequence) and not isinstance(sizes, str)
        if not listed or not all(hasattr(rows, "__index__") for rows in sizes):
            print(f"A list of whole numbers is needed, and yours is {sizes!r:.60}.")
            return
        with torch.device("meta"):
            net = attempt(cls, 1, 1, base_channels=1, depth=depth, padding=padding)
        if net is None:
            return
        pairs = ", ".join(_scores(net, operator.index(rows)) for rows in sizes[:5])
        print(f"depth {depth}, padding {padding}: {pairs or 'no size'}")


def _scores(net: nn.Module, size: int) -> str:
    """An image's rows and those of its scores, and what stands against that size."""
    try:
        with torch.no_grad(), _Maps() as noted:
            scores = net(torch.empty(1, 1, size, size, device="meta"))
        shown = f"{size} → {scores.shape[2]}"
    except Exception as error:
        return f"{size} → no scores ({type(net).__name__} raised {type(error).__name__})"
    for (_, _, rows), (operation, _, _) in pairwise([("image", 1, size), *noted.seen]):
        if operation == "pooling" and rows % 2:
            return f"{shown} (but a pooling meets {rows} rows)"
    return shown


def draw_sizes(cls: Module, size: int, in_channels: int = 1, **settings: Any) -> None:
    """Draw the maps of `cls(in_channels, …)` for a square image, heights to scale."""

    def UNet() -> list[tuple[str, int, int]]:  # the name that `attempt` speaks of
        with torch.device("meta"):
            net = cls(in_channels, **settings)
        return maps(net, in_channels, size)

    seen = attempt(UNet)
    if not seen:
        return
    figure, axes = plt.subplots(figsize=(9.5, 3), layout="constrained")
    for place, (operation, channels, rows) in enumerate(seen):
        axes.bar(place, rows, bottom=-rows / 2, width=0.66, color=_COLOURS[operation], label=operation)
        axes.text(place, rows / 2, f"{channels}", ha="center", va="bottom", fontsize=7)
        axes.text(place, -rows / 2, f"{rows}", ha="center", va="top", fontsize=7)
    labels = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    labels["image, or maps joined"] = labels.pop("image")
    labels.pop("copy joined", None)
    figure.legend(labels.values(), labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    axes.set_title("above each map its channels, below it its rows", fontsize=9)
    axes.set_ylim(-0.62 * size, 0.62 * size)
    axes.axis("off")
    plt.show()
