"""The stepper of chapter 3: a convolution, one output position at a time."""

from __future__ import annotations

from typing import Any

import traitlets

from pixelwise.widgets.base import Array
from pixelwise.widgets.stepper import Stepper


class Convolution(Stepper):
    """Steps through `torch.nn.functional.conv2d` on small arrays.

    Without arguments it is the lecture's example: a 4 × 4 input with padding 1, which makes it 6 × 6, a 3 × 3
    kernel, stride 1.

    Parameters
    ----------
    input: (H, W) or (C_in, H, W), at most 3 × 8 × 8 numbers; nested lists, an array or a tensor
    kernel: (kH, kW) or (C_out, C_in, kH, kW), at most 3 × 3 × 5 × 5 numbers; PyTorch's layout
    stride: 1 to 3; padding: 0 to 2, zeros on every side of the input
    kernel_size: the side of the part from the kernel's middle that is used (0: all of it)
    in_channels, out_channels: how many of the given channels take part (0: all)
    step: how many outputs, in row-major order, have been computed
    predict: hide the output of every step until the reader has typed a guess
    show_reads: show how many windows read each input cell
    yours: (H_out, W_out) or (C_out, H_out, W_out), an output to compare with the right one, cell by cell.
        Anything else is not drawn: a caption says its shape.

    Raises `traitlets.TraitError`, which names the sizes, where the arguments do not go together.
    """

    view = "convolution.js"

    input = Array([[-1, 2, 2, 1], [1, -1, 1, 2], [-1, 0, 2, 1], [1, 1, 0, 2]], ndim=3, largest=(3, 8, 8))
    kernel = Array([[1, 0, -1], [2, 1, 0], [0, 1, 2]], ndim=4, largest=(3, 3, 5, 5))
    padding = traitlets.Int(1, min=0, max=2).tag(sync=True)
    kernel_size = traitlets.Int(0, min=0, max=5).tag(sync=True)
    # rows and columns of the input in `hovered` and `pinned` count on the padded input
    show_reads = traitlets.Bool(False).tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if len(self.input) != len(self.kernel[0]):
            raise traitlets.TraitError(
                f"input has {len(self.input)} channels, but kernel is for {len(self.kernel[0])}: "
                "its second dimension is C_in, as in torch.nn.functional.conv2d"
            )
        kernel = (len(self.kernel[0][0]), len(self.kernel[0][0][0]))
        kernel = [min(self.kernel_size or side, side) for side in kernel]
        padded = [n + 2 * self.padding for n in (len(self.input[0]), len(self.input[0][0]))]
        if any(k > n for n, k in zip(padded, kernel, strict=True)):
            raise traitlets.TraitError(f"a kernel of {kernel} does not fit into a padded input of {padded}")
        output = [(n - k) // self.stride + 1 for n, k in zip(padded, kernel, strict=True)]
        self._compare(kwargs.get("yours"), len(self.kernel), output)
