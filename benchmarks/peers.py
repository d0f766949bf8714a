"""Our U-Net beside MONAI's, trained alike: `python -m benchmarks.peers [data …] [--seeds N] [--steps N]`.

Every network of a comparison has the same number of parameters (as nearly as its widths allow) and gets the
recipe's data, steps, loss, augmentation and learning rate. Each training is a process of its own, so that its
peak memory is known, and networks take turns within a seed, so that a busy minute of the machine meets all of
them. Exits with 1 where a peer is both faster and better by more than one standard deviation.

MONAI is no dependency of the course: `make bench` installs it into benchmarks/peers. Where
`segmentation_models_pytorch` can be imported, it takes part.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from experiments.recipes import RECIPES, Recipe
from pixelwise.training import evaluate
from pixelwise.unet import Network

PEERS = Path(__file__).parent / "peers"
ROUNDS = ("ours", "MONAI BasicUNet", "MONAI UNet", "smp Unet (resnet18)")


class Peer(Network):
    """A padded network of another library, with what training and `predict` ask of ours."""

    def __init__(self, net: nn.Module, in_channels: int, num_classes: int, multiple: int) -> None:
        super().__init__()
        self.net, self.in_channels, self.num_classes = net, in_channels, num_classes
        self.padding, self.multiple, self.margin, self.edge = 1, multiple, 0, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)

    def _takes(self, size: int) -> bool:
        return size % self.multiple == 0


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def as_large_as(goal: int, build: Callable[[int], nn.Module], largest: int = 128) -> nn.Module:
    """The network of the family `build(width)` whose number of parameters is nearest to `goal`."""
    with torch.device("meta"):
        width = min(range(2, largest), key=lambda w: abs(count(build(w)) - goal))
    return build(width)


def build(name: str, recipe: Recipe, seed: int) -> Network:
    """The network `name` in the recipe's size; its first weights come from `seed`."""
    ours = recipe.build(seed)
    sizes = recipe.in_channels, recipe.num_classes
    torch.manual_seed(seed)
    if name == "ours":
        return ours
    if name == "MONAI BasicUNet":
        from monai.networks.nets import BasicUNet

        net = as_large_as(
            count(ours),
            lambda w: BasicUNet(2, *sizes, (w, w, 2 * w, 4 * w, 8 * w, w), norm="batch"),
        )
        return Peer(net, *sizes, 16)
    if name == "MONAI UNet":
        from monai.networks.nets import UNet

        levels = recipe.depth + 1
        net = as_large_as(
            count(ours),
            lambda w: UNet(
                2,
                *sizes,
                [w * 2**k for k in range(levels)],
                [2] * recipe.depth,
                num_res_units=2,
                norm="batch",
            ),
        )
        return Peer(net, *sizes, 2**recipe.depth)
    import segmentation_models_pytorch as smp

    # its encoders come in one size: it takes part as it is, with its parameters stated
    net = smp.Unet("resnet18", encoder_weights=None, in_channels=sizes[0], classes=sizes[1])
    return Peer(net, *sizes, 32)


def one_training(data: str, name: str, seed: int, steps: int) -> None:
    """Train one network and print what it took as JSON; the body of a process of its own."""
    recipe = RECIPES[data]
    net = build(name, recipe, seed)
    training, held_out = recipe.examples("train"), recipe.examples("report")
    before = peak_memory()
    start = time.perf_counter()
    recipe.fit(net, training, seed, steps=steps)
    seconds = time.perf_counter() - start
    memory = peak_memory() - before
    matrix = evaluate(net, held_out)
    measured = {
        "ms": 1000 * seconds / steps,
        "MB": memory,
        "mIoU": matrix.mean_iou(),
        "parameters": count(net),
    }
    print(json.dumps(measured))


def peak_memory() -> float:
    """The most memory that this process has held so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def compare(data: str, names: list[str], seeds: int, steps: int) -> bool:
    """Print the table of one data set; whether no peer is both faster and better."""
    found: dict[str, list[dict]] = {name: [] for name in names}
    jobs = [(seed, name) for seed in range(seeds) for name in names]
    for seed, name in tqdm(jobs, desc=data, unit="training", leave=False):
        child = [sys.executable, "-m", "benchmarks.peers", "--one", data, name, str(seed), str(steps)]
        done = subprocess.run(child, capture_output=True, text=True, cwd=PEERS.parents[1])
        if done.returncode:
            sys.exit(f"{name} on {data} failed:\n{done.stderr[-2000:]}")
        found[name].append(json.loads(done.stdout.splitlines()[-1]))

    print(f"\n{data}: {steps} steps, {seeds} seeds, {torch.get_num_threads()} threads, float32")
    print(f"{'':<22}{'parameters':>11}{'ms a step':>11}{'ratio':>7}{'peak MB':>9}{'ratio':>7}   mIoU")
    middle = {
        name: {key: statistics.median(r[key] for r in rows) for key in ("ms", "MB")}
        for name, rows in found.items()
    }
    ious = {name: [r["mIoU"] for r in rows] for name, rows in found.items()}
    mean = {name: statistics.mean(values) for name, values in ious.items()}
    spread = {name: statistics.stdev(values) if seeds > 1 else 0.0 for name, values in ious.items()}
    kept = True
    for name in names:
        ms, mb = (middle[name][key] for key in ("ms", "MB"))
        wins = (
            name != "ours"
            and ms < middle["ours"]["ms"]
            and mean[name] - mean["ours"] > max(spread[name], spread["ours"])
        )
        kept &= not wins
        print(
            f"{name:<22}{found[name][0]['parameters']:>11,}{ms:>11.1f}{ms / middle['ours']['ms']:>7.2f}"
            f"{mb:>9.0f}{mb / middle['ours']['MB']:>7.2f}   {mean[name]:.3f} ± {spread[name]:.3f}"
            f"{'   faster and better than ours' if wins else ''}",
            flush=True,
        )
    return kept


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        data, name, seed, steps = sys.argv[2:]
        return one_training(data, name, int(seed), int(steps))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "data", nargs="*", help="scenes (default), brain; isbi2012, camvid with $PIXELWISE_DATA"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    options = parser.parse_args()
    if importlib.util.find_spec("monai") is None:
        sys.exit("MONAI is missing: `make bench` installs it, or pip install -r benchmarks/requirements.txt")
    has_smp = importlib.util.find_spec("segmentation_models_pytorch") is not None
    names = [name for name in ROUNDS if has_smp or not name.startswith("smp")]
    kept = [
        compare(data, names, options.seeds, options.steps or RECIPES[data].steps)
        for data in options.data or ["scenes"]
    ]
    if not all(kept):
        sys.exit("a peer is both faster and better")


if str(PEERS) not in sys.path:
    sys.path.append(str(PEERS))
warnings.filterwarnings("ignore", module="monai")

if __name__ == "__main__":
    main()
