"""What does longer training buy? The recipe of the scenes with half, twice and four times the steps.

A step takes about 30 ms on two cores of its own: the thousand steps of the recipe are half a minute. Every
run has a one-cycle schedule of its own length.
"""

from __future__ import annotations

from typing import Any

from experiments.recipes import RECIPES
from experiments.runner import accuracy, examples

ALONE = False
SETTINGS = [{"data": "scenes", "steps": steps} for steps in (125, 250, 500, 1000, 2000, 4000)]


def measure(setting: dict[str, Any], seed: int) -> dict[str, float]:
    recipe = RECIPES["scenes"]
    net = recipe.build(seed)
    recipe.fit(net, examples("scenes", "train"), seed, steps=setting["steps"])
    return accuracy(net, examples("scenes", "report"))
