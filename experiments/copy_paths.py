"""What are the copy paths good for? The same network with and without them.

Without them the expanding path knows of fine detail only what came through the bottom. Its first convolutions
have fewer inputs then: the network is also a little smaller.
"""

from __future__ import annotations

from typing import Any

from experiments.recipes import RECIPES
from experiments.runner import accuracy, examples

ALONE = False
SETTINGS = [
    {"data": data, "copy_paths": copy_paths, "steps": steps}
    for data, steps in (("scenes", 250), ("brain", 250), ("isbi2012", 120))
    for copy_paths in (True, False)
]


def measure(setting: dict[str, Any], seed: int) -> dict[str, float]:
    recipe = RECIPES[setting["data"]]
    net = recipe.build(seed, copy_paths=setting["copy_paths"])
    recipe.fit(net, examples(setting["data"], "train"), seed, steps=setting["steps"])
    return {
        **accuracy(net, examples(setting["data"], "report")),
        "parameters": net.parameter_count()["total"],
    }
