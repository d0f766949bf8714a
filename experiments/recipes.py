"""What is trained on which data, and how: the four recipes that experiments, benchmarks and chapters share.

    recipe = RECIPES["brain"]
    net = recipe.build(seed=0)
    history = recipe.fit(net, recipe.examples("train"), seed=0)
    print(evaluate(net, recipe.examples("report")).mean_iou())

They are laid out for two cores without a GPU, in float32. Each was chosen on the part "choose" of its data
and measured on the part "report" once it stood.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pixelwise.augmentation import Augmentation, Example
from pixelwise.data import SegmentationData, load
from pixelwise.losses import dice_loss, weighted_cross_entropy
from pixelwise.training import History, Loss, train
from pixelwise.unet import Network, UNet

IGNORE_INDEX = 255
FLIPS = Augmentation()  # left and right


def cross_entropy(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The mean over all positions that are not void."""
    return weighted_cross_entropy(scores, target, ignore_index=IGNORE_INDEX, reduction="mean")


def cross_entropy_and_dice(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Their sum: cross entropy for gradients everywhere, Dice for classes that are small."""
    return cross_entropy(scores, target) + dice_loss(scores, target, ignore_index=IGNORE_INDEX)


@dataclass(frozen=True)
class Part:
    """Some examples of a data set: of those that `load(data, split, **settings)` gives, [first:last]."""

    split: str
    settings: tuple[tuple[str, Any], ...] = ()
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class Recipe:
    """One data set, one network, one way to train it.

    data           the name that `pixelwise.data.load` knows
    parts          "train"; "choose", to choose settings by; "report", for the figure that is quoted
    in_channels, num_classes, base_channels, depth    of the `UNet`, padded and with batch norm
    steps          of `batch_size` examples; the one-cycle schedule is laid over them
    needs_root     whether the data have to be there already, in `root` or in `$PIXELWISE_DATA/<data>`
    """

    data: str
    parts: dict[str, Part]
    in_channels: int
    num_classes: int
    steps: int
    batch_size: int
    base_channels: int = 8
    depth: int = 3
    learning_rate: float = 1e-2
    loss: Loss = cross_entropy_and_dice
    augmentation: Augmentation = FLIPS
    needs_root: bool = False

    def examples(self, part: str, root: str | Path | None = None, **settings: Any) -> list[Example]:
        """The examples of a part, read once and kept: a data set draws or reads anew on every access.

        `settings` go to the loader (`grey=True`) on top of the recipe's own.
        """
        data, indices = self._open(part, root, settings)
        return [data[index] for index in indices]

    def sample(self, part: str, root: str | Path | None = None, **settings: Any) -> tuple[int, list[Example]]:
        """How many examples the part has; its first, its middle and its last one."""
        data, indices = self._open(part, root, settings)
        count = len(indices)
        return count, [data[indices[k]] for k in (0, count // 2, count - 1)]

    def build(self, seed: int, **changes: Any) -> UNet:
        """The recipe's network with first weights of its own; `changes` go to `UNet`."""
        torch.manual_seed(seed)
        sizes = {"base_channels": self.base_channels, "depth": self.depth, "padding": 1, "norm": "batch"}
        sizes |= {"in_channels": self.in_channels, "num_classes": self.num_classes}
        return UNet(**{**sizes, **changes})

    def fit(self, net: Network, examples: list[Example], seed: int, **changes: Any) -> History:
        """Train any network by the recipe, on the CPU in float32; `changes` go to `train`."""
        settings = {
            "steps": self.steps,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "loss": self.loss,
            "augment": self.augmentation,
            "device": "cpu",
            "mixed_precision": False,  # the fast short formats of some CPUs would make two machines differ
            "progress": False,
        }
        return train(net, examples, seed=seed, **{**settings, **changes})

    def _open(
        self, part: str, root: str | Path | None, settings: dict[str, Any]
    ) -> tuple[SegmentationData, range]:
        wanted = self.parts[part]
        settings = {**dict(wanted.settings), **settings}
        if self.needs_root:
            settings["root"] = root if root is not None else default_root(self.data)
        data = load(self.data, split=wanted.split, **settings)
        return data, range(len(data))[wanted.first : wanted.last]


def default_root(data: str) -> Path | None:
    """`$PIXELWISE_DATA/<data>`, or None where the variable is not set; the loader then says what it needs."""
    folder = os.environ.get("PIXELWISE_DATA")
    return Path(folder) / data if folder else None


RECIPES = {
    "scenes": Recipe(
        data="scenes",
        parts={
            "train": Part("train", (("n", 1000),)),
            "choose": Part("val", (("n", 200),)),
            "report": Part("test", (("n", 200),)),
        },
        in_channels=3,
        num_classes=4,
        steps=1000,
        batch_size=8,
    ),
    "brain": Recipe(
        data="brain",
        parts={
            "train": Part("train", (("repeats", 4),)),
            "choose": Part("val"),
            "report": Part("test"),
        },
        in_channels=1,
        num_classes=4,
        steps=800,
        batch_size=8,
        augmentation=Augmentation(crop=64),
    ),
    "isbi2012": Recipe(
        data="isbi2012",
        # Neighbouring slices resemble each other: slice 19 keeps "choose" apart from what teaches.
        parts={
            "train": Part("train"),
            "train_to_choose": Part("train", last=19),
            "choose": Part("train", first=20),
            "report": Part("val"),
        },
        in_channels=1,
        num_classes=2,
        steps=1100,
        batch_size=4,
        augmentation=Augmentation(crop=128, flip_vertical=True, light=0.1),
        needs_root=True,
    ),
    "camvid": Recipe(
        data="camvid",
        parts={
            "train": Part("train", (("size", (180, 240)),)),
            "train_to_choose": Part("train", (("size", (180, 240)),), last=300),
            "choose": Part("train", (("size", (180, 240)),), first=310),
            "report": Part("val", (("size", (180, 240)),)),
        },
        in_channels=3,
        num_classes=11,
        depth=4,
        steps=4000,
        batch_size=4,
        augmentation=Augmentation(crop=(176, 240), light=0.1),
        needs_root=True,
    ),
}

#: For experiments: scenes by their brightness alone, and streets at a quarter of the pixels.
RECIPES["grey_scenes"] = replace(
    RECIPES["scenes"],
    parts={
        name: replace(part, settings=(*part.settings, ("grey", True)))
        for name, part in RECIPES["scenes"].parts.items()
    },
    in_channels=1,
)
RECIPES["small_camvid"] = replace(
    RECIPES["camvid"],
    parts={
        name: replace(part, settings=(("size", (90, 120)),)) for name, part in RECIPES["camvid"].parts.items()
    },
    steps=1500,
    batch_size=8,
    augmentation=Augmentation(crop=(80, 112), light=0.1),
)
