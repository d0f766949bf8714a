"""Why a transposed convolution can print a checkerboard, chapter 4."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import traitlets

from pixelwise.widgets.base import Widget

#: Height and width of the picture; every stride divides it.
PICTURE_SIZE = 96


@cache
def portrait() -> bytes:
    """Grace Hopper, who wrote one of the first compilers: 96 × 96 grey values from matplotlib's sample data.

    Public domain, says the change that brought it there, https://github.com/matplotlib/matplotlib/pull/1599.
    """
    import matplotlib.cbook  # here, because it is slow and the only use
    import matplotlib.image

    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photograph = matplotlib.image.imread(file, format="jpg")
    face = photograph[20:308, 110:398] @ np.array([0.299, 0.587, 0.114])
    blocks = face.reshape(PICTURE_SIZE, 3, PICTURE_SIZE, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8).tobytes()


class Picture(traitlets.Bytes):
    """A trait that holds a square grey picture as bytes; takes bytes or a (96, 96) array of uint8."""

    def validate(self, obj: Any, value: Any) -> bytes:
        what = f"{type(obj).__name__}.{self.name}"
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        if isinstance(value, np.ndarray):
            if value.dtype != np.uint8 or value.shape != (PICTURE_SIZE, PICTURE_SIZE):
                raise traitlets.TraitError(
                    f"{what} holds {PICTURE_SIZE} × {PICTURE_SIZE} grey values from 0 to 255 (uint8), "
                    f"got shape {value.shape} of {value.dtype}"
                )
            value = value.tobytes()
        value = super().validate(obj, value)
        if len(value) != PICTURE_SIZE**2:
            raise traitlets.TraitError(f"{what} holds {PICTURE_SIZE**2} bytes, one a pixel, got {len(value)}")
        return value


class Checkerboard(Widget):
    """Kernel size and stride against overlap: in one dimension, in two, and on a picture.

    All its kernels are the outer product of a row of weights with itself.

    Parameters
    ----------
    kernel_size: 1 to 6; stride: 1 to 4
    weights: "uniform", "bilinear" or "random" (positive, chosen by `seed`)
    enlarge: show the middle third of the pictures, three times as large
    picture: (96, 96) array of uint8, or its bytes; a photograph by default

    Raises `traitlets.TraitError` where an argument is out of its range.
    """

    view = "checkerboard.js"

    kernel_size = traitlets.Int(3, min=1, max=6).tag(sync=True)
    stride = traitlets.Int(2, min=1, max=4).tag(sync=True)
    weights = traitlets.Enum(["uniform", "bilinear", "random"], default_value="uniform").tag(sync=True)
    #: With this default no kernel size is even by chance (tests/widgets/test_checkerboard.py).
    seed = traitlets.Int(6, min=0, max=99).tag(sync=True)
    enlarge = traitlets.Bool(False).tag(sync=True)
    picture = Picture().tag(sync=True)
    #: What the pointer is on, and what a click holds: [], ["line", column] or ["plane", row, column].
    hovered = traitlets.List().tag(sync=True)
    pinned = traitlets.List().tag(sync=True)

    @traitlets.default("picture")
    def _portrait(self) -> bytes:
        return portrait()
