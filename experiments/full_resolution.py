"""Why not stay at full resolution? The hourglass against flat networks without any pooling.

One flat network has a fraction of the U-Net's parameters, one as many. Their cost is in `cost_of_resolution`.
"""

from __future__ import annotations

from typing import Any

import torch

from experiments.recipes import RECIPES
from experiments.runner import accuracy, examples
from pixelwise.unet import FlatNet, Network

ALONE = False
SETTINGS = [
    {"data": "scenes", "network": network, "steps": 150}
    for network in ("hourglass", "flat, narrow", "flat, as many parameters")
]


def measure(setting: dict[str, Any], seed: int) -> dict[str, float]:
    recipe = RECIPES[setting["data"]]
    net = build(setting["network"], seed)
    recipe.fit(net, examples(setting["data"], "train"), seed, steps=setting["steps"])
    return {
        **accuracy(net, examples(setting["data"], "report")),
        "parameters": net.parameter_count()["total"],
    }


def build(network: str, seed: int) -> Network:
    recipe = RECIPES["scenes"]
    if network == "hourglass":
        return recipe.build(seed)
    torch.manual_seed(seed)
    channels = {"flat, narrow": 16, "flat, as many parameters": 43}[network]
    return FlatNet(recipe.in_channels, recipe.num_classes, channels, layers=8, norm="batch")
