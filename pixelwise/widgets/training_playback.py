"""Training, moment by moment: how class maps form while the loss falls, chapter 7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import traitlets

from pixelwise import palette
from pixelwise.data.classes import COLOURS, Classes
from pixelwise.recording import Recording
from pixelwise.training import History
from pixelwise.widgets.base import Widget

#: A page holds a class map for every moment and picture.
MOST_PICTURES, LARGEST_SIDE, MOST_MOMENTS = 6, 256, 40

SHOWN = ["class map", "errors", "right since"]


class TrainingPlayback(Widget):
    """Scrub through a training and watch the class map of a held-out picture form.

    Parameters
    ----------
    recording: a finished `Recording`, for the class maps and the IoU at its moments
    history: what `train` returned, for the losses
    classes: their names and colours, `data.classes`
    titles: what each shown picture is called; counted where none are given

    and what is shown at first: `step` (the number of the moment), `picture`, `show`, `pinned`, `playing`.

    Raises `ValueError` where recording, history and classes do not go together.
    """

    view = "training_playback.js"

    #: (pictures, height, width, channels) and (pictures, height, width), uint8.
    pictures = traitlets.Bytes().tag(sync=True)
    truths = traitlets.Bytes().tag(sync=True)
    #: (moments, pictures) class maps, each packed to `about.bits` bits a pixel; see `js/core/playback.js`.
    class_maps = traitlets.Bytes().tag(sync=True)
    #: Sizes, titles, classes, moments, losses, IoU: what never changes.
    about = traitlets.Dict().tag(sync=True)

    step = traitlets.Int(0, min=0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    picture = traitlets.Int(0, min=0, max=MOST_PICTURES - 1).tag(sync=True)
    show = traitlets.Enum(SHOWN, default_value="class map").tag(sync=True)
    #: The pixel under the pointer and the one that a click holds: [row, column], or [].
    hovered = traitlets.List().tag(sync=True)
    pinned = traitlets.List().tag(sync=True)

    def __init__(
        self,
        recording: Recording,
        history: History,
        classes: Classes,
        *,
        titles: Sequence[str] = (),
        **traits: Any,
    ) -> None:
        examples = [recording.examples[index] for index in recording.shown]
        _check(recording, history, classes, examples, titles)
        count = len(examples)
        images = torch.stack([image for image, _ in examples]).cpu()
        truths = torch.stack([class_map for _, class_map in examples]).cpu()
        bits = next(b for b in (1, 2, 4, 8) if len(classes) <= 2**b)
        about = {
            "count": count, "channels": images.shape[1], "height": images.shape[2], "width": images.shape[3],
            "bits": bits, "titles": list(titles) or [str(number + 1) for number in range(count)],
            "classes": [{"name": name, "colour": list(COLOURS[name])} for name in classes.names],
            "moments": recording.moments, "steps": recording.total, "held_out": len(recording.examples),
            "losses": [float(f"{loss:.4g}") for loss in history.column("loss")],
            # None: the class occurs neither in the truth nor in the prediction
            "iou": [
                [None if value != value else round(value, 4) for value in matrix.iou().tolist()]
                for matrix in recording.matrices
            ],
            "error": palette.ROLES["loss"][1],  # on a darkened picture, whatever the theme
        }  # fmt: skip
        maps = [packed(class_map.numpy(), bits) for row in recording.class_maps for class_map in row]
        super().__init__(
            pictures=(images * 255).round().to(torch.uint8).movedim(1, -1).numpy().tobytes(),
            truths=truths.to(torch.uint8).numpy().tobytes(),
            class_maps=b"".join(maps),
            about=about,
            **traits,
        )


def packed(values: np.ndarray, bits: int) -> bytes:
    """Whole numbers below 2 ** `bits` with `bits` bits each (1, 2, 4 or 8), the first in the lowest bits."""
    per_byte = 8 // bits
    flat = np.zeros(-(-values.size // per_byte) * per_byte, np.uint8)
    flat[: values.size] = values.reshape(-1)
    shifts = bits * np.arange(per_byte, dtype=np.uint8)
    return np.bitwise_or.reduce(flat.reshape(-1, per_byte) << shifts, axis=1).astype(np.uint8).tobytes()


def _check(
    recording: Recording, history: History, classes: Classes, examples: list, titles: Sequence[str]
) -> None:
    if not recording.moments:
        raise ValueError("the recording holds nothing: make it before training, and call finish() after it")
    if len(history.rows) != recording.total:
        raise ValueError(
            f"the history has {len(history.rows)} steps, the recording {recording.total}: "
            "they are of two trainings"
        )
    if len(classes) != recording.net.num_classes:
        raise ValueError(
            f"the network has {recording.net.num_classes} classes, but {len(classes)} have names"
        )
    if len(examples) > MOST_PICTURES or len(recording.moments) > MOST_MOMENTS:
        raise ValueError(
            f"a page shows at most {MOST_PICTURES} pictures at {MOST_MOMENTS} moments, the recording has "
            f"{len(examples)} at {len(recording.moments)}: name fewer in `shown` or `moments`"
        )
    shapes = {tuple(image.shape) for image, _ in examples}
    if len(shapes) > 1:
        raise ValueError(f"the shown pictures are of one size; got {sorted(shapes)}")
    if max(shapes.pop()) > LARGEST_SIDE:
        raise ValueError(f"a shown picture is at most {LARGEST_SIDE} pixels wide and high: crop it")
    if titles and len(titles) != len(examples):
        raise ValueError(f"{len(titles)} titles for {len(examples)} pictures")
