"""The stepper of chapter 4: a transposed convolution, one input position at a time."""

from __future__ import annotations

from typing import Any

import traitlets

from pixelwise.widgets.base import Array
from pixelwise.widgets.stepper import Stepper


class TransposedConvolution(Stepper):
    """Steps through `torch.nn.functional.conv_transpose2d` on small arrays.

    Without arguments it is the lecture's example: a 4 × 4 input, a 3 × 3 kernel, stride 1.

    Parameters
    ----------
    input: (H, W) or (C_in, H, W), at most 2 × 8 × 8 numbers; nested lists, an array or a tensor
    kernel: (kH, kW) or (C_in, C_out, kH, kW), at most 2 × 2 × 5 × 5 numbers; PyTorch's layout
    stride: 1 to 3; padding: 0 to 3, crops the output; output_padding: less than the stride
    in_channels, out_channels: how many of the given channels take part (0: all)
    step: how many input positions, in row-major order, have been added to the output
    predict: hide one value at every step until the reader has typed a guess
    show_overlap: show how many input positions reach each output cell
    yours: (H_out, W_out) or (C_out, H_out, W_out), an output to compare with the right one, cell by cell.
        Anything else is not drawn: a caption says its shape.

    Raises `traitlets.TraitError`, which names the sizes, where the arguments do not go together.
    """

    view = "transposed_convolution.js"

    input = Array([[1, 2, 1, 0], [-1, 1, 0, 1], [0, 2, -2, 1], [1, 1, 2, -1]], ndim=3, largest=(2, 8, 8))
    kernel = Array([[1, 0, -1], [2, 1, 0], [0, 1, 2]], ndim=4, largest=(2, 2, 5, 5))
    padding = traitlets.Int(0, min=0, max=3).tag(sync=True)
    output_padding = traitlets.Int(0, min=0, max=2).tag(sync=True)
    # rows and columns of the output in `hovered` and `pinned` count before the crop
    show_overlap = traitlets.Bool(False).tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if len(self.input) != len(self.kernel):
            raise traitlets.TraitError(
                f"input has {len(self.input)} channels, but kernel is for {len(self.kernel)}: "
                "its first dimension is C_in, as in torch.nn.functional.conv_transpose2d"
            )
        if self.output_padding >= self.stride:
            raise traitlets.TraitError(
                f"output_padding {self.output_padding} has to be smaller than stride {self.stride}"
            )
        size = (len(self.input[0]), len(self.input[0][0]))
        kernel_size = (len(self.kernel[0][0]), len(self.kernel[0][0][0]))
        output = [
            (n - 1) * self.stride - 2 * self.padding + k + self.output_padding
            for n, k in zip(size, kernel_size, strict=True)
        ]
        if min(output) < 1:
            raise traitlets.TraitError(f"padding {self.padding} crops the whole output away: {output}")
        self._compare(kwargs.get("yours"), len(self.kernel[0]), output)
