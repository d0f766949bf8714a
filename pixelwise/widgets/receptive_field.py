"""What an output pixel sees through a stack of layers, and what the stack costs, chapter 2."""

from __future__ import annotations

from functools import cache
from typing import Any

import traitlets

from pixelwise.widgets.base import Widget

SIDE, MOST_LAYERS, MOST_HALVINGS = 64, 16, 4

#: Each layer and how often it halves the size; js/core/receptive_field.js says what they compute.
LAYERS = {"conv": 0, "dilated": 0, "strided": 1, "pool": 1, "up": -1}


@cache
def _meadow() -> tuple[bytes, bytes, dict[str, Any]]:
    """A scene, its class map and its classes."""
    from pixelwise.data import load  # here: it brings torch

    scenes = load("scenes", split="val")
    image, target = scenes[21]
    classes = zip(scenes.class_names, scenes.class_colours, strict=True)
    pixels = (image.movedim(0, -1) * 255).round().byte().numpy().tobytes()
    return pixels, target.byte().numpy().tobytes(), {"classes": [[n, list(c)] for n, c in classes]}


class ReceptiveField(Widget):
    """A stack of layers to build; a click on an output shows the pixels that it depends on.

    Parameters
    ----------
    layers: words from the image on, `"conv conv pool conv up conv"`: `conv` is a convolution 3 × 3,
        `dilated` has dilation 2, `strided` has stride 2, `pool` is 2 × 2, `up` a transposed convolution
        2 × 2 with stride 2. At most 16 layers and 4 halvings; the output is never larger than the image.
    cell: the output that looks, [row, column] of the picture's 64 × 64 pixels
    paths: shade pixels by the number of paths to the output
    size, channels, doubling: the image's side, the channels after the first convolution, and whether they
        double at each halving: what the cost is computed for

    Raises `traitlets.TraitError`, which names the layer, for stacks that cannot be built.
    """

    view = "receptive_field.js"

    layers = traitlets.Unicode("conv conv conv conv").tag(sync=True)
    cell = traitlets.List(traitlets.Int(min=0, max=SIDE - 1), [29, 36], minlen=2, maxlen=2).tag(sync=True)
    hovered = traitlets.List().tag(sync=True)
    paths = traitlets.Bool(False).tag(sync=True)
    size = traitlets.Enum([64, 256, 512], default_value=512).tag(sync=True)
    channels = traitlets.Enum([16, 32, 64], default_value=64).tag(sync=True)
    doubling = traitlets.Bool(False).tag(sync=True)
    #: The picture (64, 64, 3) and its class map (64, 64), uint8, and the names and colours of the classes.
    pixels = traitlets.Bytes().tag(sync=True)
    truth = traitlets.Bytes().tag(sync=True)
    about = traitlets.Dict().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        pixels, truth, about = _meadow()
        super().__init__(**{"pixels": pixels, "truth": truth, "about": about} | traits)

    @traitlets.validate("layers")
    def _check_layers(self, proposal: dict[str, Any]) -> str:
        words, halvings = proposal["value"].split(), 0
        if len(words) > MOST_LAYERS:
            raise traitlets.TraitError(f"at most {MOST_LAYERS} layers, got {len(words)}")
        for number, word in enumerate(words, 1):
            if word not in LAYERS:
                raise traitlets.TraitError(f"layer {number} is {word!r}, not one of {', '.join(LAYERS)}")
            halvings += LAYERS[word]
            if not 0 <= halvings <= MOST_HALVINGS:
                why = "larger than the image" if halvings < 0 else "halved more than 4 times"
                raise traitlets.TraitError(f"after layer {number}, {word!r}, the map would be {why}")
        return " ".join(words)
