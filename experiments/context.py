"""How much does a pixel have to see? U-Nets of depth 1 to 4: every pooling doubles what a score sees.

The scenes are grey here, so that colour cannot stand in for context. A deeper network also has more
parameters; that it is the context that helps shows on data where local contrast is enough (`brain`): there
depth brings little.
"""

from __future__ import annotations

from typing import Any

from experiments.recipes import RECIPES
from experiments.runner import accuracy, examples

ALONE = False
SETTINGS = [
    {"data": data, "depth": depth, "steps": steps}
    for data, steps in (("grey_scenes", 250), ("brain", 250), ("small_camvid", 400))
    for depth in (1, 2, 3, 4)
]


def measure(setting: dict[str, Any], seed: int) -> dict[str, float]:
    recipe = RECIPES[setting["data"]]
    net = recipe.build(seed, depth=setting["depth"])
    recipe.fit(net, examples(setting["data"], "train"), seed, steps=setting["steps"])
    return {
        **accuracy(net, examples(setting["data"], "report")),
        "receptive_field": receptive_field(setting["depth"]),
        "parameters": net.parameter_count()["total"],
    }


def receptive_field(depth: int) -> int:
    """The side of the largest square that a score depends on (with transposed convolutions), in pixels.

    Followed from a score back to the image: two convolutions of a level add four of its pixels, and n pixels
    were made from n // 2 + 1 of the level below, wherever they lie.
    """
    pixels = 1
    for _ in range(depth):
        pixels = (pixels + 4) // 2 + 1
    pixels += 4
    for _ in range(depth):
        pixels = 2 * pixels + 4
    return pixels
