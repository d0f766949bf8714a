"""What the scores of a pixel cost, chapter 6."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from pixelwise.data.classes import IGNORE_INDEX, SCENES, Classes
from pixelwise.widgets.base import Array, Widget

#: A small meadow, made up: trees (0), sky (1), a cow (2) on grass (3). Two pixels at the cow's edge are void.
MEADOW = [
    [1, 1, 1, 1, 1, 1],
    [0, 0, 1, 1, 1, 1],
    [0, 0, 3, 3, 3, 3],
    [3, 3, 2, 2, 2, IGNORE_INDEX],
    [3, 3, 2, 2, 2, 3],
    [3, 3, 2, 3, IGNORE_INDEX, 3],
]
#: One pixel of grass whose scores say "cow", as a brown stone's might.
STONE, STONE_SCORES = (5, 0), (0, -2, 6, -2)


def made_up_scores() -> np.ndarray:
    """Scores (4, 6, 6) for the meadow: six times the share that a class has of the 3 × 3 pixels around.

    So a pixel inside an object is clear and one at an outline is not. The stone is wrong, and sure of it.
    """
    truth = np.pad(np.array(MEADOW), 1, constant_values=IGNORE_INDEX)
    one_hot = np.stack([truth == k for k in range(len(SCENES))]).astype(float)
    around = sum(one_hot[:, i : i + 6, j : j + 6] for i in range(3) for j in range(3))
    scores = np.round(6 * around / around.sum(axis=0), 1)
    scores[:, STONE[0], STONE[1]] = STONE_SCORES
    return scores


class PixelLoss(Widget):
    """Change the scores of a pixel and watch its probabilities, loss and gradient; beside it a map of losses.

    Without arguments it shows a small meadow, made up, with a stone that is taken for a cow.

    Parameters
    ----------
    scores: (K, H, W), up to 6 classes and 8 × 8 pixels; or (K,) for a single pixel, shown without a map
    target: (H, W) of class indices, `classes.ignore_index` (255) for void; one index for a single pixel
    classes: their names and colours, a `pixelwise.data.Classes`
    class_weights: (K,), not negative; none: 1 for each class
    pixel: [row, column] of the pixel whose scores are shown

    Raises `traitlets.TraitError`, which names the sizes, where the arguments do not go together.
    """

    view = "pixel_loss.js"

    scores = Array(made_up_scores(), ndim=3, largest=(6, 8, 8))
    target = Array(MEADOW, ndim=2, largest=(8, 8))
    class_weights = Array([1, 1, 1, 1], ndim=1, largest=(6,))
    pixel = traitlets.List(traitlets.Int(min=0), [0, 0], minlen=2, maxlen=2).tag(sync=True)
    #: The pixel under the pointer: [] or [row, column].
    hovered = traitlets.List().tag(sync=True)
    #: Names and colours of the classes, and the label of void: what never changes.
    about = traitlets.Dict().tag(sync=True)

    def __init__(
        self, scores: Any = None, target: Any = None, *, classes: Classes = SCENES, **traits: Any
    ) -> None:
        if (scores is None) != (target is None):
            raise traitlets.TraitError("PixelLoss takes scores and target together, or neither")
        if scores is not None:
            traits |= {"scores": _planes(scores), "target": target}
        colours = [
            {"name": n, "colour": list(c)} for n, c in zip(classes.names, classes.colours, strict=True)
        ]
        about = {"classes": colours, "void": classes.ignore_index}
        super().__init__(about=about, **{"class_weights": [1] * len(classes)} | traits)
        self._check()

    def _check(self) -> None:
        """The sizes go together and every label is one; a `TraitError` says what is wrong."""
        classes, height, width = len(self.scores), len(self.target), len(self.target[0])
        names, void = [entry["name"] for entry in self.about["classes"]], self.about["void"]
        shape = (classes, len(self.scores[0]), len(self.scores[0][0]))
        if shape != (len(names), height, width):
            raise traitlets.TraitError(
                f"scores have shape {shape}, but the target {(height, width)} and the classes "
                f"{', '.join(names)} ask for {(len(names), height, width)}"
            )
        if len(self.class_weights) != classes or min(self.class_weights) < 0:
            raise traitlets.TraitError(
                f"class_weights are {classes} numbers, none negative; got {self.class_weights}"
            )
        for label in {label for row in self.target for label in row}:
            if label not in range(classes) and label != void:
                raise traitlets.TraitError(
                    f"label {label} is out of range: {classes} classes are 0 … {classes - 1}, void is {void}"
                )
        if self.pixel[0] >= height or self.pixel[1] >= width:
            raise traitlets.TraitError(f"pixel {self.pixel} is not on a map of {height} × {width}")


def _planes(scores: Any) -> Any:
    """(K,) as (K, 1, 1): the scores of a single pixel."""
    values = Array._nested(scores)
    is_pixel = isinstance(values, list) and all(isinstance(value, (int, float)) for value in values)
    return [[[value]] for value in values] if is_pixel else values
