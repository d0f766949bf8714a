"""Train the networks of problem set 5 as its solution notebook does.

    python -m tests.exercises.networks           what the bars of the checks rest on: five seeds
    python -m tests.exercises.networks --save    seed 0, kept in tests/exercises/handed_in/

Mean IoU on unseen images, and the bar of the last check:

    seed     0      1      2      3      4      bar
    scenes   0.914  0.912  0.907  0.907  0.913  0.85
    brain    0.746  0.708  0.750  0.709  0.692  0.63 (thresholds 0.53, and 0.10)

A run takes 25 seconds on one core (scenes) and 20 (brain). The two files in `handed_in` are what a student
hands in, rounded to half precision (270 kB each). They are committed because training them takes longer than
all other tests of the set together.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from pixelwise.checks import ps5

from .course import notebook

PROBLEM_SET = "ps5_training"
HANDED_IN = Path(__file__).parent / "handed_in"
CHECKS = {"scenes": ps5.scenes_well, "brain": ps5.brain_well}


def cells(*wanted: str) -> str:
    """The source of some cells of the solution, by id."""
    sources = {cell.id: cell.source for cell in notebook("solutions", PROBLEM_SET).cells}
    return "\n".join(sources[one] for one in wanted)


def names() -> dict[str, Any]:
    """What the solution defines up to the training."""
    defined: dict[str, Any] = {"__name__": "solution"}
    exec(cells("setup", "look", "train-step", "evaluate", "fit"), defined)
    return defined


def train(data: str, seed: int) -> float:
    """Train as the notebook does, in the working directory; the CPU seconds that it took."""
    defined = names()
    defined["fit"] = functools.partial(defined["fit"], seed=seed)
    source = cells(f"{data}-train")
    assert source.count("manual_seed(0)") == 1
    start = time.process_time()
    with contextlib.redirect_stdout(None):
        exec(source.replace("manual_seed(0)", f"manual_seed({seed})"), defined)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.exercises.networks", description=__doc__)
    parser.add_argument("data", nargs="*", default=list(CHECKS), help="scenes, brain, or both")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    chosen = parser.parse_args()
    for seed in [0] if chosen.save else chosen.seeds:
        for data in chosen.data:
            check, file = CHECKS[data], f"{data}.pt"
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
                seconds = train(data, seed)
                print(
                    f"{data:6} seed {seed}: mean IoU {check.mean_iou(file):.3f}, {seconds:.0f} core seconds"
                )
                weights = torch.load(file, weights_only=True)
            if chosen.save:
                half = {name: one.half() if one.is_floating_point() else one for name, one in weights.items()}
                torch.save(half, HANDED_IN / PROBLEM_SET / file)


if __name__ == "__main__":
    os.environ.pop("NBGRADER_EXECUTION", None)
    main()
