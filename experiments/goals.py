"""How good do the four recipes get, and in what time? `python -m experiments.goals scenes brain`

Mean IoU on the part "report" of each data set over five seeds, in float32, beside the best table of
thresholds where images are grey. `core_seconds` is the time of the training on one core; two cores of its
own need less. The folders isbi2012 and camvid are looked for in $PIXELWISE_DATA, or where --root says.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
from pathlib import Path
from typing import Any

import torch

from experiments.recipes import RECIPES
from experiments.runner import examples, run
from pixelwise.data import fit_thresholds
from pixelwise.metrics import ConfusionMatrix
from pixelwise.results import FOLDER, results
from pixelwise.training import evaluate

ALONE = False
NAMES = ("scenes", "brain", "isbi2012", "camvid")
#: Multiples of a recipe's steps that are measured, too: what more time would bring.
LONGER = {"scenes": (2, 4), "isbi2012": (2, 3)}
SETTINGS = [
    {"data": data, "steps": RECIPES[data].steps * times}
    for data in NAMES
    for times in (1, *LONGER.get(data, ()))
]


def measure(setting: dict[str, Any], seed: int) -> dict[str, float]:
    recipe = RECIPES[setting["data"]]
    train, report = (examples(setting["data"], part) for part in ("train", "report"))
    net = recipe.build(seed)
    start = time.process_time()
    recipe.fit(net, train, seed, steps=setting["steps"])
    seconds = time.process_time() - start
    matrix = evaluate(net, report)
    return {
        "mean_iou": round(matrix.mean_iou(), 4),
        "core_seconds": round(seconds, 1),
        "thresholds": round(threshold_iou(setting["data"]), 4) if recipe.in_channels == 1 else "",
        "parameters": net.parameter_count()["total"],
    }


def threshold_iou(data: str) -> float:
    """The mean IoU of the best table of brightness thresholds, which sees no surroundings."""
    images, targets = map(torch.stack, zip(*examples(data, "train"), strict=True))
    unseen, truth = map(torch.stack, zip(*examples(data, "report"), strict=True))
    table = fit_thresholds(images, targets, RECIPES[data].num_classes)
    matrix = ConfusionMatrix(RECIPES[data].num_classes)
    matrix.update(table.predict(unseen), truth)
    return matrix.mean_iou()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.goals", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="name", help=", ".join(NAMES))
    parser.add_argument("--root", help="the folder that holds isbi2012/ and camvid/")
    parser.add_argument("--results", type=Path, default=FOLDER, help="the folder in which goals.csv is kept")
    chosen = parser.parse_args()
    if chosen.root:
        os.environ["PIXELWISE_DATA"] = chosen.root
    run(importlib.import_module("experiments.goals"), chosen.results, only=chosen.names)
    print(results("goals", chosen.results))


if __name__ == "__main__":
    main()
