"""Does it matter how the expanding path doubles its size? Three ways, everything else alike."""

from __future__ import annotations

from typing import Any

from experiments.recipes import RECIPES
from experiments.runner import accuracy, examples
from pixelwise.unet import UPSAMPLINGS

ALONE = False
SETTINGS = [{"data": "scenes", "upsampling": upsampling, "steps": 150} for upsampling in UPSAMPLINGS]


def measure(setting: dict[str, Any], seed: int) -> dict[str, float]:
    recipe = RECIPES[setting["data"]]
    net = recipe.build(seed, upsampling=setting["upsampling"])
    recipe.fit(net, examples(setting["data"], "train"), seed, steps=setting["steps"])
    return {
        **accuracy(net, examples(setting["data"], "report")),
        "parameters": net.parameter_count()["total"],
    }
