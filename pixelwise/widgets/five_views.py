"""One transposed convolution seen five ways, chapter 4."""

from __future__ import annotations

from typing import Any

import traitlets

from pixelwise.widgets.base import Array, Widget


class FiveViews(Widget):
    """The same cells of `torch.nn.functional.conv_transpose2d` as scatter-add, zero insertion and matrix.

    Pointing at a cell in one view lights up what belongs to it in all of them. Without arguments it is the
    lecture's example: a 4 × 4 input, a 3 × 3 kernel, stride 1.

    Parameters
    ----------
    input: (H, W), at most 4 × 4 numbers; nested lists, an array or a tensor
    kernel: (kH, kW), at most 3 × 3 numbers
    stride: 1 to 3; padding: 0 or 1, crops the output, and less than the kernel's size
    step: which output cell is shown, counted row by row from 0

    Raises `traitlets.TraitError`, which names the sizes, where the arguments do not go together.
    """

    view = "five_views.js"

    input = Array([[1, 2, 1, 0], [-1, 1, 0, 1], [0, 2, -2, 1], [1, 1, 2, -1]], ndim=2, largest=(4, 4))
    kernel = Array([[1, 0, -1], [2, 1, 0], [0, 1, 2]], ndim=2, largest=(3, 3))
    stride = traitlets.Int(1, min=1, max=3).tag(sync=True)
    padding = traitlets.Int(0, min=0, max=1).tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    #: What the pointer is on, and what a click holds: [], ["input", i, j], ["kernel", u, v],
    #: ["output", row, column] counted before the crop, ["inserted", row, column] or
    #: ["entry", row, column] of the transposed matrix.
    hovered = traitlets.List().tag(sync=True)
    pinned = traitlets.List().tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        size = (len(self.input), len(self.input[0]))
        kernel_size = (len(self.kernel), len(self.kernel[0]))
        if self.padding >= min(kernel_size):
            raise traitlets.TraitError(
                f"padding {self.padding} has to be smaller than the kernel, "
                f"{kernel_size[0]} × {kernel_size[1]}: "
                "the zero-inserted input has kernel size − 1 − padding zeros around it"
            )
        output = [
            (n - 1) * self.stride - 2 * self.padding + k for n, k in zip(size, kernel_size, strict=True)
        ]
        if min(output) < 1:
            raise traitlets.TraitError(f"padding {self.padding} crops the whole output away: {output}")
