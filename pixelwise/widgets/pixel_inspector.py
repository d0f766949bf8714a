"""One pixel of a segmentation: its input vector, scores, probabilities and class, chapter 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import traitlets

from pixelwise import palette
from pixelwise.data.classes import Classes
from pixelwise.data.dataset import check_pair
from pixelwise.widgets.base import Widget

#: A page holds k half-precision scores for each pixel.
LARGEST_SIDE, MOST_SCORES = 256, 3

CHANNELS = {1: ["brightness"], 3: ["red", "green", "blue"]}


class PixelInspector(Widget):
    """An image, what was predicted for it and its truth, and all the numbers of one pixel.

    Parameters
    ----------
    image: `(C, H, W)` in [0, 1], one channel or three
    truth: the class map `(H, W)`; void is `classes.ignore_index`
    scores: `(K, H, W)`, or several of them by name, `{"colour alone": …, "small U-Net": …}`
    classes: their names and colours, `data.classes`

    and what is shown at first: `pixel` (row, column), `source` (which of the scores), `errors`.

    Scores are kept in half precision, an image in 8 bits a channel. Raises `ValueError` where shapes do not
    go together or a score is not finite (in half precision: above 65504).
    """

    view = "pixel_inspector.js"

    #: (H, W, C) and (H, W), uint8; (number of scores, K, H, W), float16.
    pixels = traitlets.Bytes().tag(sync=True)
    truth = traitlets.Bytes().tag(sync=True)
    scores = traitlets.Bytes().tag(sync=True)
    #: height, width, names of channels, classes and scores: what never changes.
    about = traitlets.Dict().tag(sync=True)

    source = traitlets.Int(0, min=0, max=MOST_SCORES - 1).tag(sync=True)
    #: Whether the prediction shows only where it is wrong.
    errors = traitlets.Bool(False).tag(sync=True)
    #: The pixel that is inspected, and the one that the pointer is on, if any: [row, column].
    pixel = traitlets.List(traitlets.Int(min=0), [0, 0], minlen=2, maxlen=2).tag(sync=True)
    hovered = traitlets.List().tag(sync=True)

    def __init__(
        self,
        image: torch.Tensor,
        truth: torch.Tensor,
        scores: torch.Tensor | Mapping[str, torch.Tensor],
        classes: Classes,
        **traits: Any,
    ) -> None:
        check_pair(image, truth, classes, "the example")
        channels, height, width = image.shape
        if max(height, width) > LARGEST_SIDE:
            raise ValueError(f"the image is {height} × {width}, at most {LARGEST_SIDE} a side: crop it")
        named = dict(scores) if isinstance(scores, Mapping) else {"scores": scores}
        if not 1 <= len(named) <= MOST_SCORES:
            raise ValueError(f"PixelInspector takes scores of 1 to {MOST_SCORES} kinds, got {len(named)}")
        for name, tensor in named.items():
            if tuple(tensor.shape) != (len(classes), height, width):
                raise ValueError(
                    f"{name} has shape {tuple(tensor.shape)}; for this image and these classes it is "
                    f"(K, H, W) = {(len(classes), height, width)}"
                )
        halves = torch.stack([tensor.detach().cpu().half() for tensor in named.values()])
        if not halves.isfinite().all():
            raise ValueError("the scores hold NaN, or numbers that half precision cannot hold (above 65504)")
        pixel = traits.get("pixel", (0, 0))
        if not (0 <= pixel[0] < height and 0 <= pixel[1] < width):
            raise ValueError(f"pixel {list(pixel)} lies outside of the image, {height} × {width}")
        colours = zip(classes.names, classes.colours, strict=True)
        about = {
            "height": height,
            "width": width,
            "channels": CHANNELS[channels],
            "sources": list(named),
            "classes": [{"name": name, "colour": list(colour)} for name, colour in colours],
            "error": palette.ROLES["loss"][1],  # on a darkened picture, whatever the theme
        }
        super().__init__(
            pixels=(image.detach().cpu().movedim(0, -1) * 255).round().to(torch.uint8).numpy().tobytes(),
            truth=truth.detach().cpu().to(torch.uint8).numpy().tobytes(),
            scores=halves.numpy().tobytes(),
            about=about,
            **traits | {"pixel": list(pixel)},
        )
