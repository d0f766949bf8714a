"""A trained U-Net that segments in the reader's browser while the reader paints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import traitlets

from pixelwise import palette
from pixelwise.data.classes import COLOURS, Classes
from pixelwise.data.dataset import check_pair
from pixelwise.export import export
from pixelwise.inference import predict
from pixelwise.unet import UNet
from pixelwise.widgets.base import Widget

#: A page holds the pictures as they are, and a phone has to keep up.
MOST_PICTURES, LARGEST_SIDE = 12, 256

Example = tuple[torch.Tensor, torch.Tensor | None]


class LiveUNet(Widget):
    """A picture to paint on, and beside it what the network makes of it, at once.

    Parameters
    ----------
    net: a trained `UNet(…, padding=1)`, best with about 120 000 parameters (`base_channels=8, depth=3`)
    examples: pairs of an image `(C, H, W)` in [0, 1] and its class map `(H, W)`, or None for none; all of
        one size, and none that the network was trained on
    classes: their names and colours, `data.classes`
    without_copy_paths: the same network trained with `copy_paths=False`. Then the switch "copy paths" changes
        between the two; otherwise it puts zeros in place of the copied features.
    titles: what each picture is called; counted where none are given

    and what is shown at first: `picture`, `turns` (quarters, clockwise, after `mirrored`), `show`, …

    Raises `ValueError` for pictures, class maps and networks that do not fit together, `TypeError` for
    another kind of network.

    A network for the scenes that takes about 40 s on two cores (test mIoU 0.92):

        def loss(scores, target):
            return weighted_cross_entropy(scores, target, reduction="mean") + dice_loss(scores, target)

        train_set = list(load("scenes", n=1024, family="evening"))
        torch.manual_seed(0)
        net = UNet(3, 4, base_channels=8, depth=3, padding=1, norm="batch")
        light = Augmentation(light=0.05)
        train(net, train_set, steps=620, batch_size=16, learning_rate=1e-2, loss=loss, augment=light)
        unseen = load("scenes", "test", family="evening")
        LiveUNet(net, [unseen[i] for i in range(6)], unseen.classes)

    For the brain (test mIoU 0.75): `load("brain", repeats=4)`, one channel, `Augmentation(crop=(128, 128),
    light=0.1)`, 280 steps, batches of 8.
    """

    view = "live_unet.js"

    #: The network, as `pixelwise.export` writes it, and perhaps a second one without copy paths.
    network = traitlets.Dict().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    network_without = traitlets.Dict().tag(sync=True)
    weights_without = traitlets.Bytes().tag(sync=True)

    #: (count, height, width, channels) and (count, height, width), uint8; no bytes: no class maps are known.
    pictures = traitlets.Bytes().tag(sync=True)
    truths = traitlets.Bytes().tag(sync=True)
    #: count, height, width, channels, titles, classes and colours: what never changes.
    about = traitlets.Dict().tag(sync=True)

    picture = traitlets.Int(0, min=0).tag(sync=True)
    turns = traitlets.Int(0, min=0, max=3).tag(sync=True)
    mirrored = traitlets.Bool(False).tag(sync=True)
    #: What was painted, as one text; see `js/core/painting.js`.
    strokes = traitlets.Unicode("").tag(sync=True)
    tool = traitlets.Enum(["paint", "square", "restore", "pick"], default_value="paint").tag(sync=True)
    #: The brush: its width in pixels, and its colour as #rrggbb.
    size = traitlets.Int(7, min=1, max=40).tag(sync=True)
    colour = traitlets.Unicode("").tag(sync=True)

    copy_paths = traitlets.Bool(True).tag(sync=True)
    show = traitlets.Enum(["class map", "errors", "features"], default_value="class map").tag(sync=True)
    #: The layer whose features are shown, by the name that the view lists, and the channel.
    layer = traitlets.Unicode("contracting path 1, convolution 2").tag(sync=True)
    channel = traitlets.Int(0, min=0).tag(sync=True)
    #: The pixel under the pointer and the one that a click holds: [row, column] of the turned picture, or [].
    hovered = traitlets.List().tag(sync=True)
    pinned = traitlets.List().tag(sync=True)

    def __init__(
        self,
        net: UNet,
        examples: Sequence[Example],
        classes: Classes,
        *,
        without_copy_paths: UNet | None = None,
        titles: Sequence[str] = (),
        **traits: Any,
    ) -> None:
        images, truths = _checked(net, examples, classes)
        first, second = export(net), None
        if without_copy_paths is not None:
            second = export(without_copy_paths)
            if second.description["copy_paths"]:
                raise ValueError("without_copy_paths is a network built with copy_paths=False")
            for name in ("in_channels", "num_classes", "depth"):
                if first.description[name] != second.description[name]:
                    raise ValueError(
                        f"the two networks differ in {name}: {first.description[name]} and "
                        f"{second.description[name]}"
                    )
        if titles and len(titles) != len(images):
            raise ValueError(f"{len(titles)} titles for {len(images)} pictures")

        count, channels, height, width = images.shape
        pixels = (images * 255).round().to(torch.uint8).movedim(1, -1).numpy()
        colours = _colours(pixels, predict(net, images).argmax(1) if truths is None else truths, classes)
        about = {
            "count": count, "height": height, "width": width, "channels": channels,
            "titles": list(titles) or [f"picture {number + 1}" for number in range(count)],
            "classes": [{"name": name, "colour": list(COLOURS[name])} for name in classes.names],
            "brushes": colours,
            # features on the diverging scale, errors in the colour of the loss: on dark, whatever the theme
            "ground": _rgb(palette.GROUND[1]), "positive": _rgb(palette.POSITIVE[1]),
            "negative": _rgb(palette.NEGATIVE[1]), "error": _rgb(palette.ROLES["loss"][1]),
        }  # fmt: skip
        super().__init__(
            network=first.description,
            weights=first.weights,
            network_without=second.description if second else {},
            weights_without=second.weights if second else b"",
            pictures=pixels.tobytes(),
            truths=b"" if truths is None else truths.to(torch.uint8).numpy().tobytes(),
            about=about,
            **{"colour": colours[-1]["colour"]} | traits,
        )

    @traitlets.validate("picture")
    def _check_picture(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] >= self.about.get("count", MOST_PICTURES):
            raise traitlets.TraitError(
                f"picture is from 0 to {self.about['count'] - 1}, got {proposal['value']}"
            )
        return proposal["value"]


def _checked(
    net: UNet, examples: Sequence[Example], classes: Classes
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Images `(N, C, H, W)` and class maps `(N, H, W)`, or None where there are none."""
    if not isinstance(net, UNet):
        raise TypeError(f"LiveUNet takes a pixelwise.UNet, got {type(net).__name__}")
    if not 1 <= len(examples) <= MOST_PICTURES:
        raise ValueError(
            f"LiveUNet takes 1 to {MOST_PICTURES} examples, got {len(examples)}: choose some of them"
        )
    if len(classes) != net.num_classes:
        raise ValueError(f"the network has {net.num_classes} classes, but {len(classes)} have names")
    known = [class_map is not None for _, class_map in examples]
    if any(known) and not all(known):
        raise ValueError(
            f"example {known.index(False)} has no class map, others have: give one for all or none"
        )
    for number, (image, class_map) in enumerate(examples):
        if image.shape != examples[0][0].shape:
            shapes = tuple(examples[0][0].shape), tuple(image.shape)
            raise ValueError(
                f"pictures are of one size; example 0 is {shapes[0]}, example {number} {shapes[1]}"
            )
        if class_map is not None:
            check_pair(image, class_map, classes, f"example {number}")
        elif image.ndim != 3 or not 0 <= float(image.min()) <= float(image.max()) <= 1:
            raise ValueError(f"example {number}: an image is (C, H, W) with values in [0, 1]")
    images = torch.stack([image for image, _ in examples]).cpu()
    if max(images.shape[-2:]) > LARGEST_SIDE:
        raise ValueError(
            f"pictures are at most {LARGEST_SIDE} pixels wide and high, so that a browser keeps up; "
            f"got {images.shape[-2]} × {images.shape[-1]}: crop or shrink them"
        )
    if images.shape[1] != net.in_channels:
        raise ValueError(f"the network takes {net.in_channels} channels, the images have {images.shape[1]}")
    net.output_size(*images.shape[-2:])
    return images, torch.stack([class_map for _, class_map in examples]).cpu() if all(known) else None


def _colours(pixels: np.ndarray, class_maps: torch.Tensor, classes: Classes) -> list[dict[str, str]]:
    """What to paint with: for each class, the median of its pixels in the picture that has most of it."""
    maps = class_maps.numpy()
    found = []
    for index, name in enumerate(classes.names):
        areas = (maps == index).sum((1, 2))
        if areas.any():
            most = areas.argmax()
            median = np.median(pixels[most][maps[most] == index], axis=0).round().astype(int)
            rgb = [int(value) for value in (median if len(median) == 3 else np.repeat(median[:1], 3))]
            found.append({"name": name, "colour": "#" + "".join(f"{value:02x}" for value in rgb)})
    return found


def _rgb(colour: str) -> list[int]:
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
